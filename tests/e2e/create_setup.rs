//! What `mng create` sets up around an agent: settings and templates, environment, messages, the terminal.

use std::fs;

use mng_tests::TestEnv;
use serde_json::json;

#[test]
fn settings_and_templates_stand_in_for_what_is_not_typed() {
    let env = TestEnv::new();
    env.settings(
        r#"
[commands.create]
type = "command"
connect = false
env = ["A=config", "B=config"]
label = ["from=config"]

[create_templates.box]
env__extend = ["B=box"]
project = "boxed"

[create_templates.crate]
project = "crated"
env__extend = ["C=crate"]

[create_templates.narrow]
env = ["X=1"]
"#,
    );
    env.mng("create a -t box -t crate --env A=typed -- sleep 1000").success();
    let text = fs::read_to_string(env.agent_dir("a").join("env")).unwrap();
    for line in ["A=typed", "B=box", "C=crate"] {
        assert!(text.lines().any(|one| one == line), "{line}\n{text}");
    }
    assert_eq!(env.record("a")["labels"], json!({"project": "crated", "from": "config"}));
    env.mng("create b -t box --project typed -- sleep 1000").success();
    assert_eq!(env.record("b")["labels"]["project"], "typed");
    env.mng("create c -t narrow -- sleep 9").exits(1).says(&["would drop `A=config`", "env__extend"]);
    env.mng("create c -t bx -- sleep 9").exits(1).says(&["no create template `bx`", "box"]);
    assert_eq!(env.agent_names(), ["a", "b"]);
}

#[test]
fn a_templates_settings_count_for_this_run_alone() {
    let env = TestEnv::new();
    env.settings(
        r#"
[create_templates.short]
setting = ["prefix=other-"]

[create_templates.late]
setting = ["commands.create.type=command"]

[create_templates.odd]
nonsense = 1
"#,
    );
    env.mng("create a command -t short --no-connect -- sleep 1000").success();
    assert!(env.has_session("other-a"));
    env.mng("create b command --no-connect -- sleep 1000").success();
    assert!(env.has_session("mng-b"));
    env.mng("create c command -t late --no-connect -- sleep 9").exits(1).says(&["has been used already"]);
    env.mng("create c command -t odd --no-connect -- sleep 9").exits(1).says(&["`nonsense`"]);
}

#[test]
fn env_files_come_before_variables_and_what_is_passed_on() {
    let env = TestEnv::new();
    let file = env.root().join("vars.env");
    fs::write(&file, "# comment\nA=file\nB='file two'\nexport C=file\n").unwrap();
    env.command(&format!(
        "create a command --no-connect --env-file {} --pass-env B --pass-env C --pass-env UNSET --env C=typed -- sleep 1000",
        file.display()
    ))
    .env("B", "passed")
    .env("C", "passed")
    .run()
    .success();
    let text = fs::read_to_string(env.agent_dir("a").join("env")).unwrap();
    for line in ["A=file", "B=passed", "C=typed"] {
        assert!(text.lines().any(|one| one == line), "{line}\n{text}");
    }
    assert!(!text.contains("UNSET"));
    fs::write(&file, "A='unterminated\n").unwrap();
    env.mng(&format!("create b command --no-connect --env-file {} -- sleep 9", file.display()))
        .exits(2)
        .says(&["cannot be understood"]);
}

#[test]
fn what_a_type_sets_up_comes_first() {
    let env = TestEnv::new();
    env.settings(
        r#"
[agent_types.worker]
parent_type = "command"
command = "sh -c 'exec sleep 1000' worker"
cli_args = ["--fast"]
extra_provision_command = ["echo type >> order.txt"]
env = ["LEVEL=type", "ONLY=type"]
"#,
    );
    env.mng(
        "create a worker --no-connect --env LEVEL=typed --extra-provision-command 'echo typed >> order.txt'",
    )
    .success();
    assert_eq!(env.work_dir("a").read("order.txt"), "type\ntyped\n");
    assert_eq!(env.record("a")["type"], "worker");
    assert_eq!(env.record("a")["command"], "sh -c 'exec sleep 1000' worker --fast");
    let text = fs::read_to_string(env.agent_dir("a").join("env")).unwrap();
    assert!(text.contains("LEVEL=typed\n") && text.contains("ONLY=type\n"), "{text}");
}

/// A person at a terminal whose editor writes `text` and ends with `code`.
fn with_editor(env: &TestEnv, text: &str, code: i32, line: &str) -> mng_tests::Terminal {
    env.install(
        "my-editor",
        &format!(
            "#!/bin/sh\necho editing\ncat \"$2\" > {}/preset\nprintf '%s' '{text}' > \"$2\"\nexit {code}\n",
            env.root().display()
        ),
    );
    env.terminal_of(env.command(line).env("EDITOR", "my-editor --wait"), (80, 24))
}

#[test]
fn a_message_is_written_while_the_agent_is_made() {
    let env = TestEnv::new();
    let program = "'while read -r l; do echo \"got:$l\" >> got.txt; done'";
    let terminal = with_editor(
        &env,
        "typed text\n",
        0,
        &format!("create a command --no-connect --edit-message --message preset -- {program}"),
    );
    assert_eq!(terminal.wait_exit(), 0);
    env.eventually("it arrived", |env| env.work_dir("a").has("got.txt"));
    assert_eq!(env.work_dir("a").read("got.txt"), "got:typed text\n");
    assert_eq!(fs::read_to_string(env.root().join("preset")).unwrap(), "preset");
    // An editor that fails sends nothing, and the agent is there all the same.
    let terminal =
        with_editor(&env, "lost", 1, &format!("create b command --no-connect --edit-message -- {program}"));
    assert_eq!(terminal.wait_exit(), 0);
    assert_eq!(env.state_of("b"), "RUNNING");
    // A create that fails keeps the text.
    let terminal =
        with_editor(&env, "precious", 0, "create b command --no-connect --edit-message -- sleep 9");
    assert_eq!(terminal.wait_exit(), 1);
    assert_eq!(fs::read_to_string(env.state_dir().join("recovered-message.txt")).unwrap(), "precious");
}

#[test]
fn a_headless_agent_streams_and_is_gone_afterwards() {
    let env = TestEnv::new();
    let before = env.repo().fingerprint();
    env.mng_args(&[
        "create",
        "a",
        "headless_command",
        "--foreground",
        "--",
        "echo out; echo err >&2; printf end",
    ])
    .success()
    .prints("out\nend\n");
    assert!(env.agent_names().is_empty());
    assert!(env.sessions().is_empty());
    assert_eq!(env.repo().fingerprint(), before);
    let answer = env
        .mng_args(&["create", "b", "headless_command", "--foreground", "--json", "--", "printf '{}'; exit 0"])
        .success()
        .json();
    assert_eq!(answer, json!({"response": "{}"}));
    env.mng_args(&["create", "c", "headless_command", "--foreground", "--", "echo x; exit 3"])
        .exits(1)
        .prints("x");
    env.mng("create d headless_command --foreground --connect -- true")
        .exits(1)
        .says(&["`--connect` does not go"]);
    assert!(env.agent_names().is_empty());
}

#[test]
fn a_terminal_goes_to_the_agent_in_the_end() {
    let env = TestEnv::new();
    let program = "'echo ready-for-you; sleep 1000'";
    let terminal = env.terminal(&format!("create a command -- {program}"));
    // The first terminal ever gets the greeting.
    terminal.wait_for("Press Enter");
    terminal.press(&["Enter"]);
    terminal.wait_for("ready-for-you");
    terminal.press(&["C-b", "d"]);
    assert_eq!(terminal.wait_exit(), 0);
    assert_eq!(env.state_of("a"), "RUNNING");
    // Without a terminal nothing is attached, unless it was asked for.
    env.mng(&format!("create b command -- {program}")).success();
    env.mng(&format!("create c command --connect -- {program}")).exits(1).says(&["this is no terminal"]);
    assert_eq!(env.agent_names(), ["a", "b", "c"]);
    let terminal = env.terminal_of(
        env.command("create d command --connect-command 'echo to $MNG_AGENT_NAME in $MNG_SESSION_NAME; exit 4' -- sleep 1000"),
        (80, 24),
    );
    terminal.wait_for("to d in mng-d");
    assert_eq!(terminal.wait_exit(), 4);
}

#[test]
fn waiting_until_an_agent_has_ended() {
    let env = TestEnv::new();
    env.mng_args(&[
        "create",
        "a",
        "command",
        "--no-connect",
        "--await-agent-stopped",
        "--",
        "sleep 1; echo done > done.txt",
    ])
    .success();
    assert_eq!(env.work_dir("a").read("done.txt"), "done\n");
    env.mng("create b command --await-agent-stopped -- sleep 9").exits(2).says(&["needs `--no-connect`"]);
}
