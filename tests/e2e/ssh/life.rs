//! What is done with agents, on other machines.

use std::fs;
use std::time::{Duration, Instant};

use mng_tests::{SshHost, TestEnv};

use super::{create, names, record, sessions, work_dir, world};

/// An agent on the machine that answers each line with `got:LINE`.
fn create_echo(env: &TestEnv, address: &str) {
    let program = "echo listening; while read -r l; do echo \"got:$l\"; done";
    let _ = env.mng_args(&["create", address, "--type", "command", "--no-connect", "--", program]).success();
}

fn shows(env: &TestEnv, agent: &str, text: &str) {
    env.eventually(&format!("{agent} shows {text:?}"), |env| {
        env.mng(&format!("capture {agent}")).stdout.contains(text)
    });
}

#[test]
fn an_agent_there_lives_as_one_here() {
    let Some(machine) = SshHost::start("alpha") else { return };
    let env = world(&[&machine], "");
    create_echo(&env, "one@alpha");
    shows(&env, "one", "listening");
    assert!(env.records().is_empty(), "it has no record here");

    env.mng_args(&["message", "one", "-m", "it's \"quoted\" ü $HOME"]).success();
    shows(&env, "one", "got:it's \"quoted\" ü $HOME");
    let captured = env.mng("capture one --format json").success().json();
    assert_eq!((&captured["agent"], &captured["window"]), (&"one".into(), &"agent".into()));

    env.mng("label one -l team=red").success().prints("Updated labels on 1 agent(s)");
    assert_eq!(record(&machine, "one")["labels"]["team"], "red");
    let id = record(&machine, "one")["id"].as_str().unwrap().to_owned();
    let events = machine.home().join(".mng/agents").join(&id).join("events/services");
    fs::create_dir_all(&events).unwrap();
    let event = r#"{"timestamp":"2026-11-22T13:31:04Z","type":"up","event_id":"s1","name":"web"}"#;
    fs::write(events.join("events.jsonl"), format!("{event}\n")).unwrap();
    env.mng("event one services").success().prints("\"event_id\":\"s1\"");

    env.mng("rename one two").success().prints("Renamed agent: one -> two");
    assert_eq!((names(&machine), sessions(&machine)), (vec!["two".to_owned()], vec!["mng-two".to_owned()]));
    assert_eq!(record(&machine, "two")["id"], *id);
    assert_eq!(env.state_of("two"), "RUNNING");

    env.mng("stop two").success().prints("Stopped agent: two");
    assert!(sessions(&machine).is_empty());
    assert_eq!(env.state_of("two"), "STOPPED");
    env.mng("stop two").success();
    env.mng("start two").success().prints("Started agent: two");
    shows(&env, "two", "listening");
    env.mng("message two -m again").success();
    shows(&env, "two", "got:again");
    env.mng("start two --restart").success();
    assert_eq!(env.state_of("two"), "RUNNING");

    env.mng("why two --format json").success().prints("\"state\"");
    env.mng("destroy two").exits(2).says(&["--force"]);
    env.mng("destroy two --force").success();
    assert!(names(&machine).is_empty() && sessions(&machine).is_empty());
    assert!(machine.processes().iter().all(|line| !line.contains("got:")), "{:?}", machine.processes());
}

#[test]
fn commands_there_have_their_own_output_and_code() {
    let Some(machine) = SshHost::start("alpha") else { return };
    let env = world(&[&machine], "");
    create(&env, "one@alpha", "--env 'X=a b'");
    let run = env.mng_args(&["exec", "one", "echo out; echo err >&2; exit 7"]).exits(7);
    assert_eq!(run.stdout, "out\n");
    assert!(run.stderr.contains("err"));
    let run =
        env.mng_args(&["exec", "one", "pwd; hostname; printf '%s\\n' \"$MNG_AGENT_NAME\" \"$X\""]).success();
    let dir = record(&machine, "one")["work_dir"].as_str().unwrap().to_owned();
    assert_eq!(run.lines(), [&*dir, "alpha", "one", "a b"]);
    let many = env.mng_args(&["exec", "one", "head -c 3000000 /dev/zero | tr '\\0' x"]).success();
    assert_eq!(many.stdout.len(), 3_000_000);
    // One killed by a signal, one that takes too long and one in a place that is not there.
    env.mng_args(&["exec", "one", "kill -9 $$"]).exits(1).says(&["ended by a signal"]);
    let report = env.mng("exec one 'sleep 1000.5' --timeout 0.5 --format json").exits(1).json();
    assert_eq!(report["results"][0]["timed_out"], true, "{report}");
    env.eventually("the command is gone", |_| !machine.processes().iter().any(|line| line == "sleep 1000.5"));
    env.mng("exec one --cwd /no/such/dir pwd").exits(1).says(&["/no/such/dir"]);

    let line = "echo first; while [ ! -e gate ]; do sleep 0.05; done; echo second";
    let terminal = env.terminal_of(env.command_args(&["exec", "one", line, "--stream"]), (80, 24));
    terminal.wait_for("first");
    assert!(!terminal.screen().contains("second"));
    fs::write(work_dir(&machine, "one").join("gate"), "").unwrap();
    terminal.wait_for("second");
    assert_eq!(terminal.wait_exit(), 0);
}

#[test]
fn several_machines_work_at_the_same_time() {
    let machines = ["alpha", "beta", "gamma"].map(SshHost::start);
    let [Some(alpha), Some(beta), Some(gamma)] = machines else { return };
    let all = [&alpha, &beta, &gamma];
    let env = world(&all, "");
    for machine in all {
        create(&env, &format!("on-{0}@{0}", machine.name()), "");
    }
    let line = "exec on-gamma on-alpha on-beta --format json";
    // Each ends only when all have begun: one after another they never would.
    let place = env.root().join("tmp");
    let meet = format!(
        "cd {}; touch met-$(hostname); while [ $(ls -d met-* | wc -l) -lt 3 ]; do sleep 0.02; done; hostname",
        place.display()
    );
    let started = Instant::now();
    let report = env.command(line).arg(format!("{meet}; test $(hostname) != alpha")).run().exits(1).json();
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    let results: Vec<_> = report["results"].as_array().unwrap().iter().collect();
    let row = |index: usize| {
        (results[index]["agent"].as_str().unwrap(), results[index]["stdout"].as_str().unwrap())
    };
    assert_eq!([row(0), row(1), row(2)], [("on-gamma", "gamma"), ("on-alpha", "alpha"), ("on-beta", "beta")]);
    assert_eq!((&results[1]["success"], &results[1]["exit_code"]), (&false.into(), &1.into()));
    // One that is lost holds up nobody else's, and is named.
    beta.cut();
    let run = env.mng("exec --all hostname --format json").exits(6);
    let results = run.json()["results"].as_array().unwrap().len();
    assert_eq!(results, 2, "{}", run.in_full());
    let _ = run.says(&["host `beta.boxes` did not answer"]);
    beta.mend();
    env.eventually("beta answers", |env| env.mng("list").code() == Some(0));
    env.mng("stop --all").success().prints("Successfully stopped 3 agent(s)");
    assert!(all.iter().all(|machine| sessions(machine).is_empty()));
}
