//! Starting again what was stopped or has ended.

use mng_tests::TestEnv;

#[test]
fn start_resumes_in_the_same_place() {
    let env = TestEnv::new();
    let program = "date +%N >> starts; sleep 1000";
    env.mng_args(&["create", "a1", "--type", "command", "--no-connect", "--", program]).success();
    let starts = |env: &TestEnv| {
        if env.work_dir("a1").has("starts") { env.work_dir("a1").read("starts").lines().count() } else { 0 }
    };
    env.eventually("it ran once", |env| starts(env) == 1);
    env.mng("start a1").success();
    env.mng("stop a1").success();
    env.mng("start a1").success().prints("Started agent: a1");
    env.eventually("it ran twice", |env| starts(env) == 2);
    let restarted = env.mng("start a1 --restart --format json").success().json();
    assert_eq!(restarted["started_agents"], serde_json::json!(["a1"]));
    assert_eq!(restarted["count"], 1);
    env.eventually("it ran three times", |env| starts(env) == 3);
}

#[test]
fn a_done_agent_is_revived() {
    let env = TestEnv::new();
    env.mng_args(&[
        "create",
        "a1",
        "--type",
        "command",
        "--no-connect",
        "--",
        "[ -e once ] && sleep 1000 || touch once",
    ])
    .success();
    env.eventually("it is done", |env| env.state_of("a1") == "DONE");
    env.mng("start a1").success();
    assert_eq!(env.state_of("a1"), "RUNNING");
}

#[test]
fn markers_of_the_last_run_do_not_survive_a_start() {
    let env = TestEnv::new();
    env.create("a1");
    for marker in ["active", "permissions_waiting"] {
        std::fs::write(env.agent_dir("a1").join(marker), "").unwrap();
    }
    env.mng("stop a1").success();
    env.mng("start a1").success();
    assert!(!env.agent_dir("a1").join("active").exists());
    assert!(!env.agent_dir("a1").join("permissions_waiting").exists());
}

#[test]
fn start_of_several_names_and_of_none() {
    let env = TestEnv::new();
    env.create("a1");
    env.create("a2");
    env.mng("stop a1 a2").success();
    env.mng("start a1 nobody").exits(1).says(&["nobody"]);
    assert!(env.sessions().is_empty(), "an unknown name starts nothing");
    let plan = env.mng("start a1 a2 --dry-run --format json").success().json();
    assert_eq!((&plan["dry_run"], &plan["count"]), (&true.into(), &2.into()));
    assert!(env.sessions().is_empty());
    env.mng("start --all").success();
    assert_eq!(env.sessions(), ["mng-a1", "mng-a2"]);
    env.mng("start").exits(2);
    env.mng("start a1 a2 --connect").exits(2);
}

#[test]
fn the_resume_message_is_sent_once_started() {
    let env = TestEnv::new();
    env.create_echo("a1");
    env.mng("stop a1").success();
    env.mng_args(&["start", "a1", "--resume-message", "where were we"]).success();
    env.eventually("it arrives", |env| env.screen("mng-a1").contains("got:where were we"));
    env.mng("start a1 --resume-message x --no-resume").exits(2);
}
