//! What `list` and `why` say of what they cannot see.

use std::fs;

use mng_tests::TestEnv;

#[test]
fn one_damaged_record_is_one_error_and_hides_nobody() {
    let env = TestEnv::new();
    env.create("a1");
    env.create("a2");
    let record = env.agent_dir("a2").join("data.json");
    let whole = fs::read(&record).unwrap();
    for broken in [&b""[..], b"{\"id\": ", &whole[..whole.len() / 2], b"[]", b"\xff\xfe"] {
        fs::write(&record, broken).unwrap();
        let listing = env.mng("list --format json").exits(1).json();
        let names: Vec<&str> = listing["agents"]
            .as_array()
            .unwrap()
            .iter()
            .map(|agent| agent["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["a1"]);
        let errors = listing["errors"].as_array().unwrap();
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert_eq!(errors[0]["error_class"], "CorruptedAgentDataError");
        assert_eq!(errors[0]["exception_type"], errors[0]["error_class"]);
        env.mng("list").exits(1).prints("a1").says(&["Errors:", "damaged", "mend the JSON"]);
        let lines = env.mng("list --format jsonl").exits(1).jsonl();
        assert_eq!(lines.iter().filter(|line| line["event"] == "error").count(), 1);
        // Neither a typo nor proof of absence.
        env.mng("exec a2 true").exits(1).says(&["one record could not be read"]);
        assert_eq!(fs::read(&record).unwrap(), broken, "nobody touches it");
    }
    fs::write(&record, whole).unwrap();
    env.mng("list").success().prints("a2");
}

#[test]
fn a_tmux_that_cannot_be_asked_makes_states_unknown_with_the_reason() {
    let env = TestEnv::new();
    env.create("a1");
    env.install("tmux", "#!/bin/sh\necho 'protocol version mismatch' >&2\nexit 1\n");
    let agent = env.listed().remove("a1").unwrap();
    assert_eq!(agent["state"], "UNKNOWN");
    let reason = agent["state_reason"].as_str().unwrap();
    assert!(reason.starts_with("cannot see its session"), "{reason}");
    let why = env.mng("why a1 --format json").success().json();
    assert_eq!((why["state"].as_str(), why["decided_by"].as_str()), (Some("UNKNOWN"), Some("session")));
    env.mng("connect a1 --connect-command true").exits(1).says(&["cannot tell whether agent `a1` runs"]);
}

#[test]
fn a_server_that_was_killed_leaves_stopped_agents() {
    let env = TestEnv::new();
    env.create("a1");
    env.tmux(&["kill-server"]);
    env.eventually("it is stopped", |env| env.state_of("a1") == "STOPPED");
    env.mng("why a1").success().prints("it has no tmux session");
    env.mng("capture a1").exits(1).says(&["is STOPPED"]);
}

#[test]
fn the_completion_cache_holds_all_agents_and_only_whole_listings_write_it() {
    let env = TestEnv::new();
    env.create("a1");
    env.create("b1");
    let cache = env.state_dir().join(".completion_cache.json");
    fs::remove_file(&cache).ok();
    env.mng("list --include 'name == \"a1\"'").success();
    assert!(!cache.exists(), "a filtered listing knows too little");
    env.mng("list").success();
    let read = || fs::read_to_string(&cache).unwrap();
    let names = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap()["names"].clone();
    assert_eq!(names(&read()), serde_json::json!(["a1", "b1"]));
    let before = read();
    env.mng("list").success();
    assert_eq!(read(), before, "nothing changed");
    env.mng("rename b1 c1").success();
    assert_eq!(names(&read()), serde_json::json!(["a1", "c1"]));
    env.mng("destroy c1 --force").success();
    assert_eq!(names(&read()), serde_json::json!(["a1"]));
}

#[test]
fn looking_changes_nothing() {
    let env = TestEnv::without_repo();
    for (line, code) in [("list", 0), ("list --hosts", 0), ("gc --dry-run", 0), ("exec nobody true", 1)] {
        env.mng(line).exits(code);
    }
    assert!(!env.state_dir().join("host_id").exists());
    assert!(!env.state_dir().join("agents").exists());
}
