//! Reading an agent's screen, logs and events changes nothing.

use mng_tests::TestEnv;

#[test]
fn capture_shows_the_agents_window() {
    let env = TestEnv::new();
    env.mng_args(&[
        "create",
        "a1",
        "--type",
        "command",
        "--no-connect",
        "-w",
        "second=echo in the second; sleep 1000",
        "--",
        "for i in $(seq 200); do echo line $i; done; sleep 1000",
    ])
    .success();
    env.eventually("all is printed", |env| env.screen("mng-a1").contains("line 200"));
    let visible = env.mng("capture a1").success();
    assert!(visible.stdout.contains("line 200") && !visible.stdout.contains("line 3\n"), "{visible}");
    assert!(visible.stdout.ends_with('\n'));
    env.mng("capture a1 --full").success().prints("line 3\n").prints("line 200");
    env.eventually("the second window printed", |env| {
        env.mng("capture a1 -w second").success().stdout.contains("in the second")
    });
    let report = env.mng("capture a1 --format json").success().json();
    assert_eq!(report["agent"], "a1");
    assert_eq!(report["window"], "agent");
    assert!(report["content"].as_str().unwrap().contains("line 200"));
    env.mng("capture a1 -w nope").exits(1).says(&["nope"]);
    // An open split in front changes nothing about whose screen it is.
    env.tmux(&["split-window", "-t", "=mng-a1:=agent", "cat"]);
    env.mng("capture a1").success().prints("line 200");
}

#[test]
fn capture_starts_nothing_unless_told_to() {
    let env = TestEnv::new();
    env.create("a1");
    env.mng("stop a1").success();
    env.mng("capture a1").exits(1).says(&["a1"]);
    assert_eq!(env.state_of("a1"), "STOPPED");
    env.mng("capture a1 --start").success();
    assert_eq!(env.state_of("a1"), "RUNNING");
    env.mng("capture").exits(1);
}

#[test]
fn events_merge_filter_and_follow() {
    let env = TestEnv::new();
    env.create("a1");
    let dir = env.agent_dir("a1").join("events/messages");
    std::fs::create_dir_all(&dir).unwrap();
    let event = |n: u32, source: &str| {
        format!(
            "{{\"timestamp\":\"2026-01-01T00:00:0{n}.000000000Z\",\"type\":\"t{n}\",\"event_id\":\"evt-{n:032}\",\"source\":\"{source}\"}}\n"
        )
    };
    std::fs::write(dir.join("events.jsonl"), event(2, "messages") + &event(2, "messages") + "no json\n")
        .unwrap();
    std::fs::write(dir.join("events.jsonl.20260101000000000000"), event(1, "messages")).unwrap();
    let other = env.agent_dir("a1").join("events/deep/er");
    std::fs::create_dir_all(&other).unwrap();
    std::fs::write(other.join("events.jsonl"), event(3, "deep/er")).unwrap();
    let types = |line: &str| -> Vec<String> {
        env.mng(line)
            .success()
            .jsonl()
            .iter()
            .map(|event| event["type"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(types("event a1 messages deep/er"), ["t1", "t2", "t3"]);
    assert_eq!(types("event a1 --source messages --tail 1"), ["t2"]);
    assert_eq!(types("event a1 messages deep/er --head 1"), ["t1"]);
    assert_eq!(types("event a1 messages deep/er --include 'type == \"t3\"'"), ["t3"]);
    assert!(types("event a1 no/such/source").is_empty());
    env.mng("event a1 --head 1 --tail 1").exits(2);
    env.mng("event nobody").exits(1).says(&["nobody"]);

    let terminal = env.terminal_of(env.command("events a1 messages --follow"), (200, 24));
    terminal.wait_for("\"t2\"");
    let mut file = std::fs::OpenOptions::new().append(true).open(dir.join("events.jsonl")).unwrap();
    std::io::Write::write_all(&mut file, event(4, "messages").as_bytes()).unwrap();
    terminal.wait_for("\"t4\"");
    terminal.press(&["C-c"]);
    assert_eq!(terminal.wait_exit(), 0);
}

#[test]
fn logs_list_show_and_stay_inside() {
    let env = TestEnv::new();
    env.create("a1");
    std::fs::write(env.agent_dir("a1").join("logs/run.log"), "one\ntwo\nthree\n").unwrap();
    let listing = env.mng("logs a1 --format json").success().json();
    assert_eq!(listing["target"], "a1");
    assert_eq!(listing["log_files"][0], serde_json::json!({ "name": "run.log", "size": 14 }));
    assert_eq!(env.mng("logs a1 run.log").success().stdout, "one\ntwo\nthree\n");
    assert_eq!(env.mng("logs a1 run.log --tail 1").success().stdout, "three\n");
    assert_eq!(env.mng("logs a1 run.log --head 1").success().stdout, "one\n");
    env.mng("logs a1 ../data.json").exits(1);
    env.mng("logs a1 /etc/passwd").exits(1);
    env.mng("logs a1 nope.log").exits(1).says(&["nope.log"]);
}
