//! Codex.

use std::fs;
use std::thread;

use mng_tests::{Command, Program, Run, Stub, TestEnv};
use serde_json::{Value, json};

use super::events_of;

struct Codex {
    env: TestEnv,
    stub: Stub,
}

impl Codex {
    /// An agent `a1` that has answered its first message; `None`: the program is missing.
    fn new() -> Option<Self> {
        let program = Program::codex()?;
        let env = TestEnv::with_program(&program);
        let stub = Stub::openai();
        fs::create_dir_all(env.home().join(".codex")).unwrap();
        fs::write(env.home().join(".codex/config.toml"), stub.codex_config()).unwrap();
        let args = ["create", "a1", "codex", "--no-connect", "--yes", "--message", "stub:say ready"];
        env.mng_args(&args).success();
        env.eventually(&format!("it is at rest; {}", program.version()), |env| {
            env.state_of("a1") == "WAITING"
        });
        Some(Self { env, stub })
    }

    fn command(&self, text: &str, args: &[&str]) -> Command {
        let head = ["message", "a1", "-m", text, "--format", "json"];
        self.env.command_args(&[&head, args].concat())
    }

    fn send(&self, text: &str, args: &[&str]) -> Run {
        self.command(text, args).run()
    }

    /// How often the model has been told the text.
    fn told(&self, text: &str) -> usize {
        self.stub.user_texts().iter().map(|told| told.matches(text).count()).sum()
    }

    #[track_caller]
    fn eventually_told(&self, text: &str) {
        self.stub.eventually(text, |_| self.told(text) > 0);
    }
}

fn receipt(run: &Run) -> Value {
    run.json()["receipts"][0].clone()
}

#[test]
fn twenty_messages_of_five_senders_arrive_once_and_whole() {
    let Some(codex) = Codex::new() else { return };
    let text = |sender: usize, n: usize| format!("stub:say ok <{sender}.{n} {}>", "word ".repeat(n * 60));
    thread::scope(|scope| {
        for sender in 0..5 {
            let codex = &codex;
            scope.spawn(move || {
                for n in 0..4 {
                    let run = codex.send(&text(sender, n), &[]).success();
                    assert_eq!(receipt(&run)["status"], "accepted", "{}", run.in_full());
                }
            });
        }
    });
    // Its answer carries all that came before.
    codex.send("stub:say the end", &[]).success();
    codex.eventually_told("the end");
    for (sender, n) in (0..5).flat_map(|sender| (0..4).map(move |n| (sender, n))) {
        assert_eq!(codex.told(&text(sender, n)), 1, "{sender}.{n}\n{}", codex.stub.describe());
    }
}

#[test]
fn what_a_message_looks_like_does_not_matter() {
    let Some(codex) = Codex::new() else { return };
    let long = format!("stub:say long {}", "0123456789 größe ".repeat(6_000));
    let texts = [
        "-l stub:say Enter",
        "stub:say lines\n\n  and\ta tab",
        "stub:say 日本語 `x` $(touch x) #{pane_id} ;",
        long.trim(),
    ];
    for text in texts {
        let run = codex.env.command("message a1 --format json").stdin(text).run().success();
        assert_eq!(receipt(&run)["status"], "accepted", "{}", run.in_full());
    }
    codex.send("stub:say the end", &[]).success();
    codex.eventually_told("the end");
    for text in &texts {
        assert_eq!(codex.told(text), 1, "{}\n{:.900}", &text[..20], codex.stub.describe());
    }
    let run = codex.send("up\u{1b}[A", &[]).exits(1);
    assert!(run.json()["failed_agents"][0]["error"].as_str().unwrap().contains("U+001B"));
}

#[test]
fn a_sender_that_is_killed_anywhere_never_sends_twice() {
    let Some(codex) = Codex::new() else { return };
    let points = codex.env.fault_points(codex.command("stub:say all points", &[]));
    let points: Vec<&String> = points.iter().filter(|point| point.starts_with("message.")).collect();
    assert_eq!(points, ["message.started", "message.typed", "message.entered", "message.proven"]);
    for point in points {
        let (id, text) = (format!("id-{point}"), format!("stub:say killed at {point}."));
        codex.env.killed_at(point, codex.command(&text, &["--id", &id]));
        let again = codex.send(&text, &["--id", &id]);
        let expected = match point.as_str() {
            // Enter was pressed and noted.
            "message.proven" => (0, "queued"),
            _ => (1, "unknown"),
        };
        let receipt = receipt(&again.exits(expected.0));
        assert_eq!((&receipt["message_id"], &receipt["status"]), (&json!(id), &json!(expected.1)), "{point}");
        assert!(receipt["evidence"].as_str().unwrap().starts_with("sent before"), "{receipt}");

        // What the killed one left in the box is no part of the next message.
        let next = format!("stub:say after {point}.");
        let run = codex.send(&next, &[]).success();
        assert_eq!(
            super::events(&codex.env, "a1").last().unwrap()["type"],
            "send_accepted",
            "{}",
            run.in_full()
        );
        codex.eventually_told(&next);
        let told = codex.told(&text);
        let wanted = usize::from(matches!(point.as_str(), "message.entered" | "message.proven"));
        assert_eq!(told, wanted, "{point}\n{}", codex.stub.describe());
        let all = codex.stub.user_texts();
        assert!(all.iter().any(|told| told.trim() == next), "{point}: {all:?}");
    }
}

#[test]
fn a_message_to_a_busy_agent_is_accepted_before_its_turn_ends() {
    let Some(codex) = Codex::new() else { return };
    codex.send("stub:hold gate stub:say one", &[]).success();
    codex.stub.eventually("the turn waits", |stub| stub.is_held("gate"));
    let run = codex.send("stub:say two", &["--id", "second"]).success();
    assert_eq!(receipt(&run)["status"], "accepted", "{}", run.in_full());
    assert_eq!(events_of(&codex.env, "a1", "second"), ["send_started", "send_queued", "send_accepted"]);
    codex.stub.release("gate");
    codex.eventually_told("stub:say two");
    assert_eq!(codex.told("stub:say two"), 1);
}

#[test]
fn copy_mode_is_left_and_a_persons_text_is_named() {
    let Some(codex) = Codex::new() else { return };
    let pane = codex.env.tmux(&["show-options", "-v", "-t", "=mng-a1:", "@mng_agent_pane"]);
    codex.env.tmux(&["send-keys", "-t", pane.trim(), "-l", "half a thought "]);
    codex.env.eventually("it shows", |env| env.screen("mng-a1").contains("half a thought"));
    codex.env.tmux(&["copy-mode", "-t", pane.trim()]);
    let run = codex.send("stub:say scrolled", &["--id", "m1"]).success().says(&["half a thought"]);
    assert!(receipt(&run)["evidence"].as_str().unwrap().contains("stood in the input box"));
    let events = events_of(&codex.env, "a1", "m1");
    assert_eq!(events, ["preexisting_input_text", "send_started", "send_queued", "send_accepted"]);
}

#[test]
fn a_refusal_of_the_program_is_an_error_in_its_words() {
    let Some(codex) = Codex::new() else { return };
    let run = codex.send("/nonsense", &["--id", "m1"]).exits(7);
    assert_eq!(receipt(&run)["status"], "refused", "{}", run.in_full());
    assert_eq!(run.json()["blocked_agents"][0]["kind"], "rejected");
    assert!(events_of(&codex.env, "a1", "m1").contains(&"send_rejected_by_agent".to_owned()));
    codex.send("/nonsense", &["--id", "m1"]).exits(7);
    codex.send("stub:say it goes on", &[]).success();
    codex.eventually_told("it goes on");
}
