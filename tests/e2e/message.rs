//! Text reaches the agent as it is, once, and only the agent that is meant.

use std::fs;

use mng_tests::{Background, TestEnv};

/// What the agent has read so far, without the echo of the terminal.
fn answers(env: &TestEnv, agent: &str) -> Vec<String> {
    let screen = env.tmux(&["capture-pane", "-p", "-J", "-S", "-", "-t", &format!("=mng-{agent}:")]);
    screen
        .lines()
        .filter_map(|line| line.strip_prefix("got:"))
        .map(|line| line.trim_end().to_owned())
        .collect()
}

#[test]
fn hostile_text_arrives_verbatim() {
    let env = TestEnv::new();
    env.create_echo("a1");
    let texts = [
        r#"hello; $(touch x) "q""#,
        "-l -t =mng-a1: Enter",
        "Enter",
        "C-c",
        "`touch x` && 'single' \\ back",
        "#{session_name} %1 ~",
        "größe 漢字 🦀",
        ";",
        "{a,b} * ?",
        "$HOME !! ^",
    ];
    for (n, text) in texts.iter().enumerate() {
        env.mng_args(&["message", "a1", "-m", text]).success();
        env.eventually("it arrives", |env| answers(env, "a1").len() == n + 1);
    }
    assert_eq!(answers(&env, "a1"), texts);
    assert!(!env.work_dir("a1").has("x"));
    assert_eq!(env.state_of("a1"), "RUNNING");
}

#[test]
fn a_long_text_arrives_whole() {
    let env = TestEnv::new();
    // A line reader in canonical mode takes 4095 bytes a line; raw mode takes any.
    env.install(
        "raw-reader",
        "#!/bin/bash\nstty raw -echo\necho ready\nhead -c 20000 > got.txt\nstty sane\nsleep 1000\n",
    );
    env.mng("create a1 --type command --no-connect -- raw-reader").success();
    env.eventually("it reads", |env| env.screen("mng-a1").contains("ready"));
    let text: String = (0..19_999).map(|n| char::from(b'a' + (n % 26) as u8)).collect();
    let run = env.command("message a1").stdin(text.clone()).run();
    run.success();
    env.eventually("all is there", |env| {
        env.work_dir("a1").has("got.txt") && env.work_dir("a1").read("got.txt").len() >= 19_999
    });
    assert!(env.work_dir("a1").read("got.txt").contains(&text[..]), "the text was changed on its way");
}

#[test]
fn a_message_goes_to_the_agents_pane_whatever_is_active() {
    let env = TestEnv::new();
    env.create_echo("a1");
    env.tmux(&["split-window", "-t", "=mng-a1:", "cat > other"]);
    env.tmux(&["new-window", "-t", "=mng-a1:", "cat > another"]);
    env.mng_args(&["message", "a1", "-m", "for the agent"]).success();
    env.eventually("the agent has it", |env| {
        env.mng("capture a1").success().stdout.contains("got:for the agent")
    });
    // Somebody scrolls back: a pane in copy mode swallows keys.
    let pane = env.tmux(&["show-options", "-v", "-t", "=mng-a1:", "@mng_agent_pane"]);
    env.tmux(&["copy-mode", "-t", pane.trim()]);
    env.mng_args(&["message", "a1", "-m", "while scrolled"]).success();
    env.eventually("the agent has it", |env| {
        env.mng("capture a1").success().stdout.contains("got:while scrolled")
    });
}

#[test]
fn a_name_that_begins_another_gets_nothing_of_it() {
    let env = TestEnv::new();
    env.create_echo("foo-bar");
    env.mng("create foo --type command --no-connect -- sleep 1000").success();
    env.mng("stop foo").success();
    env.mng("message foo -m hello").exits(1).says(&["not running", "STOPPED"]);
    assert!(answers(&env, "foo-bar").is_empty());
}

#[test]
fn where_the_text_may_come_from() {
    let env = TestEnv::new();
    env.create_echo("a1");
    let file = env.root().join("text");
    fs::write(&file, "from a file").unwrap();
    env.mng_args(&["message", "a1", "--message-file", &file.to_string_lossy()]).success();
    env.command("message a1").stdin("from stdin\n").run().success();
    env.command("message - -m 'named on stdin'").stdin("a1\n").run().success();
    env.eventually("all arrive", |env| answers(env, "a1") == ["from a file", "from stdin", "named on stdin"]);
    env.mng("message a1 -m x --message-file /dev/null").exits(2);
    env.command("message a1").stdin("").run().exits(1);
    env.mng("message a1 -m ''").exits(1);
    env.mng("message a1 --message-file /no/such/file").exits(2);
    env.mng("message -m x").exits(2);
}

#[test]
fn failures_are_errors_and_successes_still_count() {
    let env = TestEnv::new();
    env.create_echo("a1");
    env.create("a2");
    env.mng("stop a2").success();
    let report = env.mng("message a1 a2 -m hello --format json").exits(1).json();
    assert_eq!(report["successful_agents"], serde_json::json!(["a1"]));
    assert_eq!(report["total_sent"], 1);
    assert_eq!(report["total_failed"], 1);
    assert_eq!(report["failed_agents"][0]["agent"], "a2");
    assert!(report["failed_agents"][0]["error"].as_str().unwrap().contains("not running"));
    assert!(report["failed_agents"][0]["kind"].is_string());
    assert_eq!(report["blocked_agents"], serde_json::json!([]));
    env.mng("message nobody -m x").exits(1).says(&["nobody"]);
    let human = env.mng("message a1 -m hello").success();
    human.prints("Message sent to: a1").prints("Successfully sent message to 1 agent(s)");
}

#[test]
fn a_done_agent_gets_nothing_typed_into_its_shell() {
    let env = TestEnv::new();
    env.mng("create a1 --type command --no-connect -- true").success();
    env.eventually("it is done", |env| env.state_of("a1") == "DONE");
    env.mng("message a1 -m 'touch executed'").exits(1).says(&["DONE"]);
    assert!(!env.screen("mng-a1").contains("executed"));
    let program = "[ -e once ] || { touch once; exit; }; while read -r l; do echo \"got:$l\"; done";
    env.mng_args(&["create", "a2", "--type", "command", "--no-connect", "--", program]).success();
    env.eventually("it is done", |env| env.state_of("a2") == "DONE");
    env.mng("message a2 -m again --start").success();
    env.eventually("it arrives", |env| answers(env, "a2") == ["again"]);
}

#[test]
fn senders_at_once_do_not_interleave() {
    let env = TestEnv::new();
    env.create_echo("a1");
    let texts: Vec<String> = (0..12).map(|n| format!("message number {n} {}", "x".repeat(60))).collect();
    let senders: Vec<Background> =
        texts.iter().map(|text| env.command_args(&["message", "a1", "-m", text]).spawn()).collect();
    for sender in senders {
        sender.wait().success();
    }
    env.eventually("all arrive", |env| answers(env, "a1").len() == 12);
    let mut got = answers(&env, "a1");
    got.sort();
    let mut expected = texts;
    expected.sort();
    assert_eq!(got, expected);
}

#[test]
fn a_known_id_is_not_sent_twice() {
    let env = TestEnv::new();
    env.create_echo("a1");
    for _ in 0..2 {
        env.mng("message a1 -m once --id 0001").success();
    }
    env.mng("message a1 -m end").success();
    env.eventually("the end arrives", |env| answers(env, "a1").last().is_some_and(|line| line == "end"));
    assert_eq!(answers(&env, "a1"), ["once", "end"]);
}
