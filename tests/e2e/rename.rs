//! Renaming keeps everything but the name.

use mng_tests::TestEnv;

#[test]
fn record_session_and_environment_follow() {
    let env = TestEnv::new();
    env.create_echo("a1");
    let (id, work_dir) = (env.agent_id("a1"), env.work_dir("a1"));
    let run = env.mng("rename a1 b1").success();
    assert_eq!(run.stdout, "Renamed agent: a1 -> b1\n");
    assert!(run.stderr.contains("mng/a1"), "the branch keeps its name, with a warning:\n{}", run.stderr);
    assert_eq!(env.agent_id("b1"), id);
    assert_eq!(env.sessions(), ["mng-b1"]);
    assert_eq!(env.work_dir("b1").path(), work_dir.path());
    assert!(env.repo().has_branch("mng/a1"));
    let dotenv = std::fs::read_to_string(env.agent_dir("b1").join("env")).unwrap();
    assert!(dotenv.contains("MNG_AGENT_NAME=b1\n"), "{dotenv}");
    env.mng("message b1 -m hello").success();
    env.eventually("it arrives", |env| env.screen("mng-b1").contains("got:hello"));
    env.mng("stop b1").success();
    assert!(env.sessions().is_empty());
    env.mng("start b1").success();
    assert_eq!(env.sessions(), ["mng-b1"]);
}

#[test]
fn taken_bad_and_equal_names() {
    let env = TestEnv::new();
    env.create("a1");
    env.create("a2");
    env.mng("rename a1 a2").exits(1).says(&["a2"]);
    env.mng("rename a1 'bad name!'").exits(2).says(&["bad-name"]);
    env.mng("rename a1 a1").success().prints("Agent already named: a1");
    env.mng("rename nobody x").exits(1).says(&["nobody"]);
    assert_eq!(env.agent_names(), ["a1", "a2"]);
    assert_eq!(env.sessions(), ["mng-a1", "mng-a2"]);
}

#[test]
fn machine_output_and_dry_run() {
    let env = TestEnv::new();
    env.mng("create a1 --type command --no-connect --transfer none -- sleep 1000").success();
    let plan = env.mng("rename a1 b1 --dry-run --format json").success().json();
    assert_eq!(plan["dry_run"], true);
    assert_eq!(env.agent_names(), ["a1"]);
    let report = env.mng("rename a1 b1 --label x=y --format json").success().json();
    assert_eq!((&report["old_name"], &report["new_name"]), (&"a1".into(), &"b1".into()));
    assert_eq!(report["agent_id"], env.agent_id("b1").as_str());
    assert_eq!(env.record("b1")["labels"]["x"], "y");
    let again = env.mng("rename b1 c1").success();
    assert_eq!(again.stderr, "", "the user's own branch is no branch of the agent");
}

#[test]
fn the_local_host_can_be_renamed_and_keeps_its_alias() {
    let env = TestEnv::new();
    env.create("a1");
    env.mng("rename a1 workbench --host").success().prints("Renamed host: localhost -> workbench");
    assert_eq!(env.listed()["a1"]["host"]["name"], "workbench");
    for host in ["workbench", "localhost", "local", "workbench.local"] {
        env.mng(&format!("exec a1@{host} true")).success();
    }
    let _ = env.mng("rename a1 localhost --host").success();
}
