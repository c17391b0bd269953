//! The state while it works, waits and asks, and messages in each of them.

use std::fs;
use std::time::Duration;

use serde_json::Value;

use super::Codex;

/// A command that the model wants to run outside the sandbox, so that codex asks.
const ASKS: &str = "stub:tool exec_command {\"cmd\":\"touch asked\",\"sandbox_permissions\":\"require_escalated\",\"justification\":\"may I\"}";

#[test]
fn a_first_message_is_worked_on_without_a_dialog() {
    let Some(codex) = Codex::new() else { return };
    codex.create("x1", "stub:hold gate stub:say hello there");
    codex.stub.eventually("the first turn runs", |stub| stub.is_held("gate"));
    assert_eq!(codex.state("x1"), "RUNNING");
    codex.stub.release("gate");
    codex.until_state("x1", "WAITING END_OF_TURN");
    assert_eq!(codex.stub.user_texts(), ["stub:hold gate stub:say hello there"]);
    let told = codex.transcript("x1");
    assert!(told.contains("user:\nstub:hold gate") && told.contains("agent:\nhello there"), "{told}");
    let why = codex.env.mng("why x1").success().stdout;
    assert!(why.contains("Decided by: rollout") && why.contains("task_complete"), "{why}");
}

/// How long ago the program wrote down that record of the agent's only rollout.
fn changed(codex: &Codex, event: &str) -> Duration {
    let text = fs::read_to_string(&codex.rollouts("x1")[0]).unwrap();
    let mut records = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let at = records.rfind(|record| record["payload"]["type"] == event);
    let at = at.unwrap_or_else(|| panic!("no `{event}`\n{}", codex.describe()));
    let at: jiff::Timestamp = at["timestamp"].as_str().unwrap().parse().unwrap();
    jiff::Timestamp::now().duration_since(at).unsigned_abs()
}

#[test]
fn begin_and_end_of_a_turn_are_seen_within_a_second() {
    let Some(codex) = Codex::new() else { return };
    codex.create("x1", "stub:say one");
    codex.until_state("x1", "WAITING END_OF_TURN");
    codex.press("x1", &["-l", "stub:hold gate"]);
    codex.env.eventually("it is typed", |env| env.screen("mng-x1").contains("› stub:hold gate"));
    codex.press("x1", &["Enter"]);
    codex.until_state("x1", "RUNNING");
    let late = changed(&codex, "task_started");
    assert!(late < Duration::from_secs(1), "{late:?}: {}", codex.describe());
    codex.stub.eventually("the turn runs", |stub| stub.is_held("gate"));
    codex.stub.release("gate");
    codex.until_state("x1", "WAITING END_OF_TURN");
    let late = changed(&codex, "task_complete");
    assert!(late < Duration::from_secs(1), "{late:?}: {}", codex.describe());
}

#[test]
fn a_message_to_a_busy_agent_waits_and_is_known_to() {
    let Some(codex) = Codex::new() else { return };
    codex.create("x1", "stub:hold gate stub:bash true");
    codex.stub.eventually("the first turn runs", |stub| stub.is_held("gate"));
    codex.message("x1", "stub:say second").success();
    assert_eq!(codex.state("x1"), "RUNNING");
    codex.stub.release("gate");
    codex.stub.eventually("both arrive", |stub| stub.user_texts().iter().any(|text| text.contains("second")));
    codex.until_state("x1", "WAITING END_OF_TURN");
    assert_eq!(codex.transcript("x1").matches("\nstub:say second\n").count(), 1, "{}", codex.describe());
}

#[test]
fn a_long_message_with_everything_in_it_arrives_as_it_is() {
    let Some(codex) = Codex::new() else { return };
    codex.create("x1", "stub:say ready");
    codex.until_state("x1", "WAITING END_OF_TURN");
    let text = format!("stub:say ok\n-x C-c 'it' \"is\" $HOME `date` é 日本\n{}", "word ".repeat(4000));
    let file = codex.env.root().join("message.txt");
    fs::write(&file, &text).unwrap();
    codex.env.mng_args(&["message", "x1", "--message-file", &file.to_string_lossy()]).success();
    codex.stub.eventually("it arrives", |stub| {
        stub.user_texts().last().is_some_and(|got| got.trim() == text.trim())
    });
}

#[test]
fn a_question_is_told_and_keeps_messages_out() {
    let Some(codex) = Codex::new() else { return };
    codex.create("x1", ASKS);
    codex.until_state("x1", "WAITING PERMISSIONS");
    let refused = codex.message("x1", "stub:say no").exits(7);
    assert!(refused.stderr.contains("at the permission prompt"), "{}", refused.stderr);
    codex.press("x1", &["Escape"]);
    codex.until_state("x1", "WAITING END_OF_TURN");
    codex.message("x1", "stub:say yes").success();
    codex
        .stub
        .eventually("it arrives", |stub| stub.user_texts().last().is_some_and(|got| got == "stub:say yes"));
    assert!(!codex.env.work_dir("x1").path().join("asked").exists());
}

#[test]
fn a_home_where_no_command_could_run_is_refused() {
    let Some(codex) = Codex::new() else { return };
    let create = codex.env.command("create x1 codex --no-connect --yes").env("TMPDIR", codex.env.root());
    let refused = create.run().exits(1);
    assert!(refused.stderr.contains("codex cannot run commands in its sandbox"), "{}", refused.stderr);
    assert!(codex.env.agent_names().is_empty());
}

#[test]
fn interrupted_and_refused() {
    let Some(codex) = Codex::new() else { return };
    codex.create("x1", "stub:hold gate stub:say hello");
    codex.stub.eventually("the first turn runs", |stub| stub.is_held("gate"));
    codex.press("x1", &["Escape"]);
    codex.until_state("x1", "WAITING END_OF_TURN");
    let refused = codex.message("x1", "/zzz foo");
    assert!(
        refused.stderr.contains("Unrecognized command '/zzz'"),
        "{}\n{}",
        refused.stderr,
        codex.describe()
    );
    // What was refused does not stand before the next message.
    codex.message("x1", "stub:say after").success();
    codex
        .stub
        .eventually("it arrives", |stub| stub.user_texts().last().is_some_and(|got| got == "stub:say after"));
}
