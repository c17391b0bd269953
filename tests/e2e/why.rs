//! Every state comes with the evidence it was judged from.

use mng_tests::TestEnv;
use serde_json::Value;

/// `mng why --format json`, checked for its shape.
fn why(env: &TestEnv, agent: &str) -> Value {
    let answer = env.mng(&format!("why {agent} --format json")).success().json();
    let signals = answer["signals"].as_array().expect("signals are a list");
    let decided_by = answer["decided_by"].as_str().expect("one signal decided");
    assert!(signals.iter().any(|signal| signal["name"] == decided_by), "{decided_by} is no signal: {answer}");
    for signal in signals {
        assert!(signal.get("value").is_some() && signal.get("age_seconds").is_some(), "{signal}");
    }
    assert!(!answer["state_reason"].as_str().expect("a state has a reason").is_empty());
    answer
}

#[test]
fn a_running_agent_names_its_deciding_signal() {
    let env = TestEnv::new();
    env.create("a1");
    env.eventually("its program has begun", |env| {
        let listed = env.mng("list --format '{state_reason}'").success();
        !listed.stdout.contains("starting")
    });
    let answer = why(&env, "a1");
    assert_eq!(answer["state"], "RUNNING");
    let listed = &env.listed()["a1"];
    assert_eq!(listed["state_reason"], answer["state_reason"], "list and why agree");
    assert!(listed["state_age"].is_number(), "{listed}");
    let human = env.mng("why a1").success();
    human.prints("RUNNING").prints(answer["decided_by"].as_str().unwrap());
    let fields = env.mng("list --fields name,state,state_reason,state_age").success();
    fields.prints(answer["state_reason"].as_str().unwrap());
}

#[test]
fn an_ended_program_is_done_with_its_exit_code() {
    let env = TestEnv::new();
    env.mng_args(&["create", "a1", "--type", "command", "--no-connect", "--", "sh -c 'exit 3'"]).success();
    env.eventually("the agent is done", |env| env.state_of("a1") == "DONE");
    let answer = why(&env, "a1");
    assert!(answer["state_reason"].as_str().unwrap().contains('3'), "the exit code is named: {answer}");
}

#[test]
fn a_shell_loop_is_running_and_a_finished_bash_is_not() {
    let env = TestEnv::new();
    env.create_echo("looping");
    env.mng_args(&["create", "finished", "--type", "command", "--no-connect", "--", "bash", "-c", "true"])
        .success();
    env.eventually("the finished one is done", |env| env.state_of("finished") == "DONE");
    assert_eq!(env.state_of("looping"), "RUNNING");
}

#[test]
fn stopped_and_server_gone_differ_in_their_reason() {
    let env = TestEnv::new();
    env.create("a1");
    env.create("a2");
    env.mng("stop a1").success();
    assert_eq!(why(&env, "a1")["state"], "STOPPED");
    env.tmux(&["kill-server"]);
    env.eventually("a2 is stopped", |env| env.state_of("a2") == "STOPPED");
    assert_eq!(why(&env, "a2")["state"], "STOPPED");
}

#[test]
fn what_cannot_be_seen_is_unknown() {
    let env = TestEnv::new();
    env.create("a1");
    // A tmux that does not answer is no proof that the agent is gone.
    env.install(
        "tmux",
        "#!/bin/sh\n[ \"$1\" = -V ] && echo tmux 3.3a && exit 0\necho 'server is confused' >&2\nexit 1\n",
    );
    let listing = env.mng("list --format json").json();
    let agent = &listing["agents"][0];
    assert_eq!(agent["name"], "a1");
    assert_eq!(agent["state"], "UNKNOWN", "{agent}");
    assert!(!agent["state_reason"].as_str().unwrap().is_empty());
}

#[test]
fn why_of_an_unknown_agent_is_an_error() {
    let env = TestEnv::new();
    env.mng("why nobody").exits(1).says(&["nobody"]);
}
