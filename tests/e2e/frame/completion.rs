//! Completion, asked the way shells ask.

use mng_tests::TestEnv;

/// What bash would offer for a line.
fn bash(env: &TestEnv, line: &str) -> Vec<String> {
    let script = format!(
        "eval \"$(mng completion bash)\"; COMP_LINE={line:?}; COMP_POINT=${{#COMP_LINE}}; \
         _mng mng; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    );
    let run = env.bash(&script).run().success();
    run.lines().into_iter().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_options_and_values() {
    let env = TestEnv::new();
    assert_eq!(bash(&env, "mng li"), ["limit ", "list "]);
    assert_eq!(bash(&env, "mng list --pro"), ["--project ", "--provider "]);
    assert_eq!(bash(&env, "mng snapshot "), ["create ", "destroy ", "list "]);
    assert_eq!(bash(&env, "mng list --format=js"), ["json ", "jsonl "]);
    assert_eq!(bash(&env, "mng config get connect"), ["connect_command "]);
    assert_eq!(bash(&env, "mng config set ret"), ["retry."]);
    assert_eq!(bash(&env, "mng config set headless "), ["true ", "false "]);
    assert_eq!(bash(&env, "mng -S headless=t"), ["true "]);
    assert_eq!(bash(&env, "mng help ad"), ["address "]);
    assert_eq!(bash(&env, "mng list --provider l"), ["local "]);
    assert_eq!(bash(&env, "mng plugin disable loc"), ["local "]);
    assert_eq!(bash(&env, "mng nope "), Vec::<String>::new());
    env.install("mng-greet", "#!/bin/sh\n");
    assert_eq!(bash(&env, "mng gre"), ["greet "]);
}

#[test]
fn agents_come_from_records_and_from_the_cache() {
    let env = TestEnv::new();
    let agents = env.state_dir().join("agents");
    for (id, name) in [("a", "alpha"), ("b", "beta")] {
        let dir = agents.join(format!("agent-{}", id.repeat(32)));
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("data.json"), format!("{{\"name\":\"{name}\",\"extra\":[1]}}")).unwrap();
    }
    std::fs::create_dir_all(agents.join("agent-broken")).unwrap();
    std::fs::write(agents.join("agent-broken/data.json"), "{half").unwrap();
    assert_eq!(bash(&env, "mng stop "), ["alpha ", "beta "]);
    assert_eq!(bash(&env, "mng stop alpha "), ["beta "]);
    std::fs::write(
        env.state_dir().join(".completion_cache.json"),
        "{\"names\":[\"remote\"],\"hosts\":[\"gpu\"]}",
    )
    .unwrap();
    assert!(bash(&env, "mng stop ").contains(&"remote ".to_owned()));
    assert_eq!(bash(&env, "mng logs @g"), ["gpu "]);
    assert!(!env.state_dir().join("profiles").exists(), "completion writes nothing");
}

#[test]
fn the_other_shells_get_words_with_meanings() {
    let env = TestEnv::new();
    let zsh = env.mng("__complete zsh list --ru").success();
    assert_eq!(zsh.stdout, "--running\tOnly agents in state RUNNING\n");
    assert_eq!(env.mng("__complete fish --context ''").success().stdout, ":files\n");
    for line in [
        "__complete",
        "__complete tcsh x",
        "__complete bash",
        "__complete zsh",
        "__complete fish help nope x",
    ] {
        let run = env.mng(line).success();
        assert_eq!(run.stderr, "", "{line}");
    }
}
