//! How far a message is known to have come, and that it arrives whole whatever its size and whoever else
//! sends.

use std::fs;
use std::thread;

use mng_tests::TestEnv;
use serde_json::{Value, json};

/// An agent that writes what it reads, byte for byte, into `got` of its work dir.
fn create_reader(env: &TestEnv, name: &str) {
    env.install("raw-reader", "#!/bin/bash\nstty raw -echo\necho ready\nexec cat > got\n");
    env.mng(&format!("create {name} --type command --no-connect -- raw-reader")).success();
    env.eventually("it reads", |env| env.screen(&format!("mng-{name}")).contains("ready"));
}

fn got(env: &TestEnv, name: &str) -> String {
    let bytes = fs::read(env.work_dir(name).path().join("got")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn large_texts_of_any_letters_arrive_byte_for_byte() {
    let env = TestEnv::new();
    create_reader(&env, "a1");
    let line = "größe 漢字 🦀 $(touch x) `y` ; #{pane_id} %d \\n 'q' \"r\" ";
    let text: String = line.repeat(100 * 1024 / line.len() + 1);
    assert!(text.len() > 100 * 1024);
    env.command("message a1").stdin(text.clone()).run().success();
    env.eventually("all is there", |env| got(env, "a1").len() > text.len());
    assert!(got(&env, "a1") == format!("{text}\r"), "the text was changed on its way");
    assert!(!env.work_dir("a1").has("x"));
}

#[test]
fn lines_stay_together_for_programs_that_take_pastes() {
    let env = TestEnv::new();
    env.install(
        "paste-reader",
        "#!/bin/bash\nstty raw -echo\nprintf '\\033[?2004hready\\n'\nexec cat > got\n",
    );
    env.mng("create a1 --type command --no-connect -- paste-reader").success();
    env.eventually("it reads", |env| env.screen("mng-a1").contains("ready"));
    env.mng_args(&["message", "a1", "-m", "one\n  two\n\nthree"]).success();
    let all = "\u{1b}[200~one\r  two\r\rthree\u{1b}[201~\r";
    env.eventually("all is there", |env| got(env, "a1").len() >= all.len() - 3);
    let arrived = got(&env, "a1").replace('\n', "\r");
    assert_eq!(arrived, all);
}

#[test]
fn a_leading_dash_and_key_names_are_text() {
    let env = TestEnv::new();
    create_reader(&env, "a1");
    let texts = ["-h", "--", "--help", "-l -t x", "Enter", "C-c", ";", "\\;", "~", "#", "a\tb", "{", "'"];
    for text in texts {
        env.mng_args(&["message", "a1", "-m", text]).success();
    }
    let all: String = texts.iter().map(|text| format!("{text}\r")).collect();
    env.eventually("all is there", |env| got(env, "a1").len() >= all.len());
    assert_eq!(got(&env, "a1"), all);
}

#[test]
fn twenty_messages_from_five_senders_arrive_whole() {
    let env = TestEnv::new();
    create_reader(&env, "a1");
    thread::scope(|scope| {
        for sender in 0..5 {
            let env = &env;
            scope.spawn(move || {
                for number in 0..4 {
                    // Some typed, some pasted.
                    let text = format!("<{sender}.{number} {}>", "x".repeat(number * 700 + 3));
                    env.mng_args(&["message", "a1", "-m", &text]).success();
                }
            });
        }
    });
    env.eventually("all are there", |env| got(env, "a1").matches('\r').count() == 20);
    let all = got(&env, "a1");
    let mut messages: Vec<&str> = all.split('\r').filter(|message| !message.is_empty()).collect();
    messages.sort_unstable();
    let mut expected: Vec<String> = (0..5)
        .flat_map(|s| (0..4).map(move |n: usize| format!("<{s}.{n} {}>", "x".repeat(n * 700 + 3))))
        .collect();
    expected.sort_unstable();
    assert_eq!(messages, expected);
}

#[test]
fn a_receipt_says_how_far_it_came_and_how_that_is_known() {
    let env = TestEnv::new();
    env.create_echo("a1");
    env.create("a2");
    env.mng("stop a2").success();
    let report = env.mng("message a1 a2 nobody -m hello --format json").exits(1).json();
    let receipts = report["receipts"].as_array().unwrap();
    assert_eq!(receipts.len(), 2, "one for each agent that was found: {report}");
    assert_eq!((&receipts[0]["agent"], &receipts[0]["status"]), (&"a1".into(), &"queued".into()));
    assert_eq!((&receipts[1]["agent"], &receipts[1]["status"]), (&"a2".into(), &"refused".into()));
    assert!(receipts[0]["message_id"].as_str().unwrap().starts_with("msg-"));
    assert!(receipts[0]["evidence"].as_str().unwrap().contains("nothing shows whether it was read"));
    let kinds: Vec<&Value> =
        report["failed_agents"].as_array().unwrap().iter().map(|failed| &failed["kind"]).collect();
    assert_eq!(kinds, [&json!("not_ready"), &json!("agent_not_found")]);
    assert_eq!((&report["total_sent"], &report["total_failed"]), (&1.into(), &2.into()));

    let lines = env.mng("message a1 a2 -m hello --format jsonl").exits(1).jsonl();
    let mut events: Vec<&str> = lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
    events.sort_unstable();
    assert_eq!(events, ["message_error", "message_sent"]);
}

#[test]
fn ids_of_the_sender_are_kept_and_repeated_receipts_are_the_first() {
    let env = TestEnv::new();
    env.create_echo("a1");
    let send = |text: &str| {
        let run = env.mng_args(&["message", "a1", "-m", text, "--id", "job-7", "--format", "json"]);
        run.success().json()["receipts"][0].clone()
    };
    let (first, second) = (send("once"), send("another text"));
    assert_eq!((&first["message_id"], &first["status"]), (&"job-7".into(), &"queued".into()));
    assert_eq!((&second["message_id"], &second["status"]), (&"job-7".into(), &"queued".into()));
    assert!(second["evidence"].as_str().unwrap().starts_with("sent before"));
    let log = fs::read_to_string(env.agent_dir("a1").join("events/messages/events.jsonl")).unwrap();
    assert_eq!(log.matches("send_started").count(), 1, "{log}");
}

#[test]
fn who_is_missing_decides_the_exit_code() {
    let env = TestEnv::new();
    env.create_echo("a1");
    let id = "agent-00000000000000000000000000000000";
    env.mng(&format!("message {id} -m x")).exits(8);
    env.mng(&format!("message {id} nobody -m x")).exits(1);
    env.mng(&format!("message a1 {id} -m x")).exits(8).prints("Message sent to: a1");
    let aborted = env.mng("message nobody a1 -m not-sent --on-error abort").exits(1);
    assert_eq!(aborted.stdout, "");
    env.mng("message a1 -m end").success();
    env.eventually("the end is there", |env| env.screen("mng-a1").contains("got:end"));
    assert!(!env.screen("mng-a1").contains("not-sent"));
}

#[test]
fn start_revives_many_and_leaves_runners_alone() {
    let env = TestEnv::new();
    for name in ["a1", "a2", "a3"] {
        env.create_echo(name);
    }
    env.mng("stop a1 a2").success();
    let pid = env.listed()["a3"]["pid"].clone();
    let report = env.mng("message --all -m hello --start --format json").success().json();
    assert_eq!(report["total_sent"], 3);
    for name in ["a1", "a2", "a3"] {
        env.eventually("it arrives", |env| env.screen(&format!("mng-{name}")).contains("got:hello"));
    }
    assert_eq!(env.listed()["a3"]["pid"], pid);
}

#[test]
fn filters_choose_and_an_empty_choice_is_no_error() {
    let env = TestEnv::new();
    env.create_echo("a1");
    env.create_echo("b1");
    env.mng_args(&["message", "--include", "name == 'b1'", "-m", "for b"]).success();
    env.eventually("it arrives", |env| env.screen("mng-b1").contains("got:for b"));
    assert!(!env.screen("mng-a1").contains("for b"));
    env.mng_args(&["message", "--include", "name == 'c1'", "-m", "x"]).success().prints("No agents found");
    env.command("message - -m x").stdin("").run().success().prints_no("No agents");
}

#[test]
fn the_editor_writes_it() {
    let env = TestEnv::new();
    env.create_echo("a1");
    env.install("fake-editor", "#!/bin/sh\necho 'from the editor' > \"$1\"\n");
    env.install("lazy-editor", "#!/bin/sh\nexit 0\n");
    let edit = |editor: &str| {
        let terminal = env.terminal_of(env.command("message a1").env("VISUAL", editor), (80, 24));
        terminal.wait_exit()
    };
    assert_eq!(edit("lazy-editor"), 1, "nothing was written");
    assert_eq!(edit("fake-editor"), 0);
    env.eventually("it arrives", |env| env.screen("mng-a1").contains("got:from the editor"));
}
