//! The first `create` without a type: a person chooses among the agent programs of the machine, once.

use std::fs;

use mng_tests::TestEnv;

/// Comes up at once and lives.
const PROGRAM: &str = r#"#!/bin/sh
case $1 in --version) echo '9.8.7 (Claude Code)'; exit ;; esac
: >"$MNG_AGENT_STATE_DIR/session_started"
exec sleep 1000
"#;

const SETTINGS: &str = "# mine\n[agent_types.claude]\nauto_dismiss_dialogs = true\n";

/// A person who has two agent programs and has never chosen between them.
fn world() -> TestEnv {
    let mut env = TestEnv::new();
    let path = format!("{}:/usr/bin:/bin", env.root().join("bin").display());
    env.set_var("PATH", path);
    env.install("claude", PROGRAM);
    env.install("codex", "#!/bin/sh\nexec sleep 1000\n");
    env.settings(SETTINGS);
    env
}

fn settings(env: &TestEnv) -> String {
    let profile = env.state_dir().join("profiles/0123456789abcdef0123456789abcdef");
    fs::read_to_string(profile.join("settings.toml")).unwrap()
}

#[test]
fn a_person_chooses_once_and_is_never_asked_again() {
    let env = world();
    let first = env.terminal("create c1 --no-connect");
    first.wait_for("Which one shall `mng create` take by default");
    let screen = first.screen();
    let at = |text: &str| screen.find(text).unwrap_or_else(|| panic!("no {text:?}\n{screen}"));
    assert!(at("1  claude") < at("2  codex"), "{screen}");
    for missing in ["opencode", "pi ", "code-guardian", "headless"] {
        assert!(!screen.contains(missing), "{missing} is not on PATH\n{screen}");
    }
    first.type_text("1");
    first.press(&["Enter"]);
    assert_eq!(first.wait_exit(), 0, "{}", first.screen());
    assert_eq!(env.record("c1")["type"], "claude");
    let written = settings(&env);
    assert!(written.starts_with(SETTINGS), "{written}");
    assert!(written.contains("[commands.create]\ntype = \"claude\""), "{written}");

    let second = env.terminal("create c2 --no-connect");
    assert_eq!(second.wait_exit(), 0, "{}", second.screen());
    assert!(!second.screen().contains("Which one"), "{}", second.screen());
    // Nobody needs to be there either.
    env.mng("create c3 --no-connect").success();
    for name in ["c2", "c3"] {
        assert_eq!(env.record(name)["type"], "claude");
    }
}

#[test]
fn the_choice_can_be_forgotten_as_it_says() {
    let env = world();
    let chosen = env.terminal_of(env.command("create c1 --no-connect"), (160, 24));
    chosen.wait_for("Which one");
    chosen.type_text("claude");
    chosen.press(&["Enter"]);
    assert_eq!(chosen.wait_exit(), 0, "{}", chosen.screen());
    chosen.wait_for("`mng config unset --scope user commands.create.type` forgets that");
    env.mng("config unset --scope user commands.create.type").success();
    let again = env.terminal("create c2 --no-connect");
    again.wait_for("Which one");
}

#[test]
fn no_choice_and_a_wrong_one_make_nothing() {
    let env = world();
    for (answer, says) in [("", "name one (`mng create NAME TYPE`)"), ("7", "`7` is none of those")] {
        let terminal = env.terminal("create c1 --no-connect");
        terminal.wait_for("Which one");
        terminal.type_text(answer);
        terminal.press(&["Enter"]);
        assert_eq!(terminal.wait_exit(), 1, "{}", terminal.screen());
        let screen: String = terminal.screen().split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(screen.contains(says), "{screen}");
    }
    assert_eq!(settings(&env), SETTINGS);
    assert!(env.agent_names().is_empty());
}

#[test]
fn without_a_person_it_is_an_error_that_says_what_to_set() {
    let env = world();
    let _ = env.mng("create c1 --no-connect").exits(1).says(&[
        "no agent type",
        "mng create NAME TYPE",
        "mng config set commands.create.type TYPE",
    ]);
    let terminal = env.terminal("--headless create c1 --no-connect");
    assert_eq!(terminal.wait_exit(), 1, "{}", terminal.screen());
    assert!(!terminal.screen().contains("Which one"), "{}", terminal.screen());
    assert_eq!(settings(&env), SETTINGS);
    assert!(env.agent_names().is_empty());
}

#[test]
fn a_type_in_the_settings_or_on_the_line_asks_nothing() {
    let env = world();
    let named = env.terminal("create c1 claude --no-connect");
    assert_eq!(named.wait_exit(), 0, "{}", named.screen());
    assert!(!named.screen().contains("Which one"), "{}", named.screen());
    assert_eq!(settings(&env), SETTINGS);
    env.settings(&format!("{SETTINGS}[commands.create]\ntype = \"claude\"\n"));
    let set = env.terminal("create c2 --no-connect");
    assert_eq!(set.wait_exit(), 0, "{}", set.screen());
    assert!(!set.screen().contains("Which one"), "{}", set.screen());
}
