//! `mng event` and `mng logs`: what agents and mng itself wrote down.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use insta::assert_snapshot;
use mng_tests::TestEnv;
use rustix::process::Signal;

fn append(path: &Path, lines: &[&str]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut file = fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
    for line in lines {
        writeln!(file, "{line}").unwrap();
    }
}

/// An agent with two streams whose events are mixed in time.
fn world() -> TestEnv {
    let env = TestEnv::new();
    env.create("a1");
    let events = env.agent_dir("a1").join("events");
    append(
        &events.join("services/events.jsonl"),
        &[
            r#"{"timestamp":"2026-11-22T13:31:01Z","type":"up","event_id":"s1","name":"web","port":1}"#,
            r#"{"timestamp":"2026-11-22T13:31:03Z","type":"up","event_id":"s3","name":"web","port":3}"#,
        ],
    );
    append(
        &events.join("deep/er/events.jsonl"),
        &[r#"{"timestamp":"2026-11-22T13:31:02Z","type":"x","event_id":"d2"}"#],
    );
    env
}

fn ids(env: &TestEnv, line: &str) -> Vec<String> {
    let lines = env.mng(line).success().jsonl();
    lines.iter().map(|event| event["event_id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn streams_are_merged_filtered_and_cut() {
    let env = world();
    assert_eq!(ids(&env, "event a1 services deep/er"), ["s1", "d2", "s3"]);
    assert_eq!(ids(&env, "events a1 --source services"), ["s1", "s3"]);
    assert_eq!(ids(&env, "event a1 services deep/er --tail 1"), ["s3"]);
    assert_eq!(ids(&env, "event a1 services deep/er --head 1"), ["s1"]);
    assert_eq!(ids(&env, "event a1 services --include port>2"), ["s3"]);
    assert_eq!(ids(&env, "event a1 services --exclude port>2"), ["s1"]);
    assert_eq!(ids(&env, "event a1 services deep/er --latest-by services:name"), ["d2", "s3"]);
    env.mng("event a1 none").success().prints("");
    // The host's own streams: every command is in the log.
    let log = env.mng("event @localhost logs/mng --tail 1").success().jsonl();
    assert_eq!(log[0]["source"], "logs/mng");
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let env = world();
    env.mng("event a1 --head 1 --tail 1").exits(2);
    env.mng("event a1 --head 1 --follow").exits(2);
    env.mng("event a1 --tail 0").exits(2);
    env.mng("event a1 --latest-by services").exits(2).says(&["SOURCE:FIELD"]);
    env.mng("event a1 --latest-by services:a --latest-by services:b").exits(2);
    env.mng("event a1 ../../data").exits(2).says(&["no event source"]);
    env.mng_args(&["event", "a1", "--include", "a b"]).exits(1).says(&["invalid include filter"]);
    env.mng("event nobody").exits(1).says(&["no agent matches `nobody`"]);
    env.mng("event @nobody").exits(1).says(&["no host matches `@nobody`"]);
}

#[test]
fn following_prints_what_comes_until_interrupted() {
    let env = world();
    let out = env.root().join("followed");
    let line = format!("exec mng event a1 services --tail 1 --follow >{}", out.display());
    let mut follower = env.bash(&line).spawn();
    let has = |id: &str| fs::read_to_string(&out).unwrap_or_default().contains(id);
    env.eventually("the end of the history is printed", |_| has("s3"));
    let stream = env.agent_dir("a1").join("events/services/events.jsonl");
    append(&stream, &[r#"{"timestamp":"2026-11-22T13:31:04Z","type":"up","event_id":"s4","name":"web"}"#]);
    env.eventually("the new event is printed", |_| has("s4"));
    assert!(!follower.has_ended());
    follower.signal(Signal::INT);
    follower.wait().success();
    assert_eq!(fs::read_to_string(&out).unwrap().lines().count(), 2);
}

#[test]
fn log_files_are_listed_and_printed() {
    let env = TestEnv::new();
    env.create("a1");
    let logs = env.agent_dir("a1").join("logs");
    append(&logs.join("run.log"), &["one", "two", "three"]);
    assert_snapshot!(env.mng("logs a1"), @r"
    exit 0
    ---- stdout
    Log files for a1:
      run.log (14 bytes)
    ---- stderr
    ");
    assert_snapshot!(env.mng("logs a1 run.log --tail 2"), @r"
    exit 0
    ---- stdout
    two
    three
    ---- stderr
    ");
    let json = env.mng("logs a1 run.log --head 1 --format json").success().json();
    assert_eq!(json, serde_json::json!({"log_file": "run.log", "content": "one\n"}));
    let json = env.mng("logs a1 --format json").success().json();
    assert_eq!(json["log_files"][0], serde_json::json!({"name": "run.log", "size": 14}));
    env.mng_args(&["logs", "a1", "--format", "{name}={size}"]).success().prints("run.log=14\n");
    env.mng_args(&["logs", "a1", "run.log", "--format", "{name}"]).exits(1);
    env.mng("logs a1 ../data.json").exits(1).says(&["no log file", "run.log"]);
    env.mng("logs a1 --tail 3").exits(2);
    // A plain name that is no agent's may be a host's.
    env.mng("logs localhost mng --tail 1").success().says(&["this is the host `@localhost`"]);
}
