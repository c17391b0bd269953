//! Choosing many agents to end.

use mng_tests::TestEnv;

#[test]
fn without_a_terminal_nothing_goes_unasked() {
    let env = TestEnv::new();
    env.create("a1");
    env.mng("cleanup").exits(2).says(&["--yes"]);
    env.mng("cleanup --include 'name == \"a1\"'").exits(2);
    assert_eq!(env.state_of("a1"), "RUNNING");
}

#[test]
fn filters_choose_and_actions_differ() {
    let env = TestEnv::new();
    for name in ["a1", "a2", "b1"] {
        env.create(name);
    }
    let plan = env
        .mng_args(&["cleanup", "--dry-run", "--include", "name.startsWith('a')", "--format", "json"])
        .success()
        .json();
    assert_eq!((&plan["action"], &plan["dry_run"]), (&"destroy".into(), &true.into()));
    assert_eq!(plan["agents"].as_array().unwrap().len(), 2);
    assert_eq!(env.agent_names().len(), 3);
    let report = env
        .mng_args(&["cleanup", "--yes", "--stop", "--include", "name == 'a1'", "--format", "json"])
        .success()
        .json();
    assert_eq!(
        (&report["stopped_agents"], &report["stopped_count"]),
        (&serde_json::json!(["a1"]), &1.into())
    );
    assert_eq!(env.state_of("a1"), "STOPPED");
    let report = env
        .mng_args(&["cleanup", "--yes", "--include", "name.startsWith('a')", "--format", "json"])
        .success()
        .json();
    assert_eq!((&report["destroyed_count"], &report["exit_code"]), (&2.into(), &0.into()));
    assert_eq!(env.agent_names(), ["b1"]);
    let nothing = env.mng("cleanup --yes --older-than 1h --format json").success().json();
    assert_eq!(nothing["agents"], serde_json::json!([]));
    env.mng("cleanup --yes --type other").success();
    env.mng("cleanup --yes --action explode").exits(2);
    assert_eq!(env.agent_names(), ["b1"]);
}

#[test]
fn the_multi_select_takes_what_is_checked_after_a_yes() {
    let env = TestEnv::new();
    for name in ["alpha", "beta", "gamma"] {
        env.create(name);
    }
    let terminal = env.terminal("cleanup");
    terminal.wait_for("Cleanup: Select Agents to Destroy");
    terminal.wait_for("gamma");
    terminal.wait_for("PROVIDER");
    terminal.press(&["C-a"]);
    terminal.wait_for("3/3");
    terminal.press(&["C-n"]);
    terminal.wait_for("0/3");
    terminal.type_text("beta");
    terminal.wait_until("only beta", |screen| !screen.contains("alpha"));
    terminal.press(&["Space"]);
    terminal.wait_for("1/3");
    terminal.wait_for("[x]");
    terminal.press(&["Enter"]);
    terminal.wait_until("a question", |screen| screen.contains("[y/N]"));
    terminal.type_text("y");
    terminal.press(&["Enter"]);
    assert_eq!(terminal.wait_exit(), 0);
    assert_eq!(env.agent_names(), ["alpha", "gamma"]);
}

#[test]
fn a_no_keeps_everything() {
    let env = TestEnv::new();
    env.create("alpha");
    let terminal = env.terminal("cleanup --stop");
    terminal.wait_for("Select Agents to Stop");
    terminal.press(&["Space"]);
    terminal.wait_for("1/1");
    terminal.press(&["Enter"]);
    terminal.wait_until("a question", |screen| screen.contains("[y/N]"));
    terminal.press(&["Enter"]);
    assert_eq!(terminal.wait_exit(), 1);
    assert_eq!(env.state_of("alpha"), "RUNNING");
}
