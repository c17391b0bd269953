//! The real Claude Code on another machine; its model is a stub here, which that machine reaches.

use std::fs;
use std::time::{Duration, Instant};

use mng_tests::{Program, SshHost, Stub, TestEnv};

use super::{seen_from_here, world};
use crate::claude::KEY;

/// Waits until `list` shows `STATE` or `STATE REASON`.
#[track_caller]
pub(super) fn until_state(env: &TestEnv, stub: &Stub, name: &str, wanted: &str) {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let row = env.listed().remove(name).unwrap_or_default();
        let state = row["state"].as_str().unwrap_or_default();
        let seen = match row["waiting_reason"].as_str() {
            Some(reason) => format!("{state} {reason}"),
            None => state.to_owned(),
        };
        if seen == wanted {
            return;
        }
        let screen = env.mng(&format!("capture {name}")).stdout;
        assert!(Instant::now() < end, "`{seen}`, not `{wanted}`\n{screen}\n{}", stub.describe());
    }
}

#[test]
fn it_works_and_goes_on_there() {
    let Some(program) = Program::claude() else { return };
    let Some(machine) = SshHost::start("alpha") else { return };
    machine.install_program(&program);
    let env = world(&[&machine], "");
    let stub = Stub::anthropic_at(machine.gateway());
    let used_before = r#"{"hasCompletedOnboarding": true, "numStartups": 3}"#;
    for home in [env.home(), machine.home()] {
        fs::write(home.join(".claude.json"), used_before).unwrap();
    }
    let vars: Vec<String> =
        stub.claude_env(KEY).into_iter().map(|(key, value)| format!("{key}={value}")).collect();
    let mut line = vec!["create", "c1@alpha", "claude", "--no-connect", "--yes"];
    line.extend(vars.iter().flat_map(|var| ["--env", var]));
    line.extend(["--message", "stub:hold gate stub:say hello there"]);
    env.mng_args(&line).success();

    stub.eventually("the first turn runs", |stub| stub.is_held("gate"));
    until_state(&env, &stub, "c1", "RUNNING");
    stub.release("gate");
    until_state(&env, &stub, "c1", "WAITING END_OF_TURN");
    env.mng_args(&["message", "c1", "-m", "stub:say 'ü' \"two\""]).success();
    stub.eventually("the second turn", |stub| stub.user_texts().len() == 2);
    until_state(&env, &stub, "c1", "WAITING END_OF_TURN");
    let transcript = env.mng("transcript c1").success();
    for text in ["hello there", "stub:say 'ü' \"two\"", "'ü' \"two\""] {
        assert!(transcript.stdout.contains(text), "{text:?}: {}", transcript.stdout);
    }

    env.mng("stop c1").success();
    assert_eq!(env.state_of("c1"), "STOPPED");
    let stopped = env.mng("transcript c1").success();
    assert_eq!(stopped.stdout, transcript.stdout, "what is read from a stopped agent");
    env.mng("start c1").success();
    env.mng("message c1 -m 'stub:say three'").success();
    stub.eventually(&format!("one conversation; {}", program.version()), |stub| {
        let texts = stub.user_texts();
        texts.len() == 3 && texts[0].contains("hello there") && texts[2] == "stub:say three"
    });
    until_state(&env, &stub, "c1", "WAITING END_OF_TURN");

    let key = env.bash(&format!("grep -rlF {KEY} '{}'", env.home().display())).run();
    assert_eq!(key.stdout, "", "the key that was meant for the machine stayed here");
    assert!(machine.processes().iter().all(|line| !line.contains(KEY)), "the key is in the arguments");
    for home in [env.home(), seen_from_here(&machine, "/root")] {
        assert_eq!(fs::read_to_string(home.join(".claude.json")).unwrap(), used_before);
    }
}
