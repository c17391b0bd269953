//! The state column against what really happens to Claude Code.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::Claude;
use super::person::{read, read_json};

/// How soon a listing shows a change. The program needs its part of it to write its own files.
const SOON: Duration = Duration::from_secs(2);

/// Asks before each tool.
const ASKING: [&str; 3] = ["--", "--permission-mode", "manual"];

/// How late a listing may be that follows a change, once the program has written it down.
const LATE: Duration = Duration::from_secs(1);

impl Claude {
    /// How long ago the program wrote down its present state.
    fn changed(&self, name: &str) -> Duration {
        let pid = read(self.env.agent_dir(name).join("claude_main_pid"));
        let registry = self.env.agent_dir(name).join("plugin/claude/anthropic/sessions");
        let session = read_json(registry.join(format!("{}.json", pid.trim())));
        let since = session["statusUpdatedAt"].as_u64().map(Duration::from_millis);
        let since = since.unwrap_or_else(|| panic!("{}: {session}\n{}", self.version(), self.describe()));
        SystemTime::now().duration_since(UNIX_EPOCH + since).unwrap_or_default()
    }
}

#[test]
fn begin_and_end_of_a_turn_are_seen_within_a_second() {
    let Some(claude) = Claude::new() else { return };
    claude.create("c1", "stub:say hello there");
    claude.until_state("c1", "WAITING END_OF_TURN");
    claude.keys("c1", &["-l", "stub:hold gate stub:say again"]);
    claude.keys("c1", &["Enter"]);
    claude.until_state("c1", "RUNNING");
    let late = claude.changed("c1");
    assert!(late < LATE, "seen {late:?} after the begin of the turn, with {}", claude.version());
    claude.stub.eventually("the turn runs", |stub| stub.is_held("gate"));
    claude.stub.release("gate");
    let seen = claude.until_state("c1", "WAITING END_OF_TURN");
    let late = claude.changed("c1");
    assert!(late < LATE, "seen {late:?} after the end of the turn, with {}", claude.version());
    // That the program writes it down soon after the last word is the program's part.
    let answered = claude.stub.last_answered().expect("the turn was answered");
    let late = seen.saturating_duration_since(answered);
    assert!(late < SOON, "seen {late:?} after the last word of the answer, with {}", claude.version());
    assert_eq!(claude.stub.user_texts(), ["stub:say hello there", "stub:hold gate stub:say again"]);
}

#[test]
fn its_registry_entry_alone_tells_the_state() {
    let Some(claude) = Claude::new() else { return };
    claude.create("c1", "stub:say one");
    claude.until_state("c1", "WAITING END_OF_TURN");
    let dir = claude.env.agent_dir("c1");
    let text = std::fs::read_to_string(dir.join("claude_registry"));
    let text = text.unwrap_or_else(|error| panic!("the link leads nowhere: {error}; {}", claude.version()));
    assert!(text.contains("\"status\":\"idle\""), "{}: {text}", claude.version());
    std::fs::rename(dir.join("claude_main_pid"), dir.join("away")).unwrap();
    assert_eq!(claude.state("c1"), "WAITING END_OF_TURN");
    let why = claude.env.mng("why c1 --format json").success().json();
    assert_eq!(why["decided_by"], "registry", "{why}");
}

#[test]
fn a_permission_prompt_waits_for_its_person_and_refuses_messages() {
    let Some(claude) = Claude::new() else { return };
    let _ = claude.create_with("c1", &[&["--message", "stub:bash touch made"], &ASKING[..]].concat());
    claude.until_state("c1", "WAITING PERMISSIONS");
    let refused = claude.env.mng("message c1 -m 'stub:say no'").exits(7);
    let _ = refused.says(&["agent `c1` is at the permission prompt and takes no message"]);
    claude.keys("c1", &["Escape"]);
    claude.until_state_within("c1", "WAITING END_OF_TURN", SOON);
    assert!(!claude.env.work_dir("c1").path().join("made").exists());
    let _ = claude.env.mng("message c1 -m 'stub:say go on'").success();
    claude
        .stub
        .eventually("the next turn", |stub| stub.user_texts().iter().any(|text| text == "stub:say go on"));
    claude.until_state("c1", "WAITING END_OF_TURN");
}

#[test]
fn an_interrupted_turn_is_over() {
    let Some(claude) = Claude::new() else { return };
    // A turn that has said something: before that, the program puts the prompt back into its box.
    let message = [
        "--message",
        "stub:bash tail -f /dev/null",
        "--",
        "--permission-mode",
        "manual",
        "--allowedTools=Bash",
    ];
    let _ = claude.create_with("c1", &message);
    let id = claude.env.agent_id("c1");
    let sleeps = |env: &mng_tests::TestEnv| {
        env.processes_of(&id).iter().any(|process| process.command == "tail -f /dev/null")
    };
    claude.env.eventually("the tool runs", sleeps);
    claude.until_state("c1", "RUNNING");
    claude.keys("c1", &["Escape"]);
    claude.env.eventually("the tool is gone", |env| !sleeps(env));
    claude.until_state_within("c1", "WAITING END_OF_TURN", SOON);
    let _ = claude.env.mng("message c1 -m 'stub:say again'").success();
    claude.stub.eventually("the next turn", |stub| {
        stub.user_texts().last().is_some_and(|text| text == "stub:say again")
    });
    claude.until_state("c1", "WAITING END_OF_TURN");
}

#[test]
fn a_message_queued_while_it_works_is_worked_on() {
    let Some(claude) = Claude::new() else { return };
    claude.create("c1", "stub:hold one");
    claude.stub.eventually("the first turn runs", |stub| stub.is_held("one"));
    let _ = claude.env.mng("message c1 -m 'stub:hold two'").success();
    claude.until_state("c1", "RUNNING");
    claude.stub.release("one");
    claude.stub.eventually("the queued turn runs", |stub| stub.is_held("two"));
    // The hooks of the first turn have run by then, and must not count.
    let end = Instant::now() + SOON;
    while Instant::now() < end {
        assert_eq!(claude.state("c1"), "RUNNING", "{}", claude.describe());
    }
    claude.stub.release("two");
    claude.until_state("c1", "WAITING END_OF_TURN");
    assert_eq!(claude.stub.user_texts(), ["stub:hold one", "stub:hold two"]);
}

#[test]
fn slash_commands_leave_it_waiting() {
    let Some(claude) = Claude::new() else { return };
    claude.create("c1", "stub:say one");
    claude.until_state("c1", "WAITING END_OF_TURN");
    let session = claude.session("c1");
    let unknown = claude.env.mng("message c1 -m /no-such-command").exits(7);
    let _ = unknown.says(&["refused the message: unknown command: /no-such-command"]);
    claude.until_state_within("c1", "WAITING END_OF_TURN", SOON);
    let _ = claude.env.mng("message c1 -m /clear").success();
    claude.env.eventually("another session", |_| claude.session("c1") != session);
    claude.until_state_within("c1", "WAITING END_OF_TURN", SOON);
    let _ = claude.env.mng("message c1 -m 'stub:say two'").success();
    claude.stub.eventually("a new conversation", |stub| {
        let texts = stub.user_texts();
        texts.last().is_some_and(|text| text == "stub:say two")
            && !texts.iter().any(|text| text == "stub:say one")
    });
}

#[test]
fn a_crash_during_a_turn_is_seen() {
    let Some(claude) = Claude::new() else { return };
    claude.create("c1", "stub:hold gate");
    claude.stub.eventually("the turn runs", |stub| stub.is_held("gate"));
    claude.until_state("c1", "RUNNING");
    let id = claude.env.agent_id("c1");
    let own = claude.env.processes_of(&id).into_iter();
    let own: Vec<_> = own.filter(|process| process.command.split(' ').next() == Some("claude")).collect();
    assert_eq!(own.len(), 1, "{own:?}");
    own[0].kill();
    claude.until_state_within("c1", "DONE", SOON);
}

#[test]
fn a_killed_tmux_server_stops_it() {
    let Some(claude) = Claude::new() else { return };
    claude.create("c1", "stub:say one");
    claude.until_state("c1", "WAITING END_OF_TURN");
    let server: i32 = claude.env.tmux(&["display-message", "-p", "#{pid}"]).trim().parse().unwrap();
    let server = rustix::process::Pid::from_raw(server).unwrap();
    rustix::process::kill_process(server, rustix::process::Signal::KILL).unwrap();
    claude.until_state_within("c1", "STOPPED", SOON);
    let _ = claude.env.mng("start c1").success();
    let _ = claude.env.mng("message c1 -m 'stub:say two'").success();
    claude
        .stub
        .eventually("the conversation goes on", |stub| stub.user_texts() == ["stub:say one", "stub:say two"]);
}

#[test]
fn a_refused_key_is_told_on_the_screen_and_the_state_is_not_stuck() {
    let stub = mng_tests::Stub::anthropic_with_key("sk-ant-another-0123456789abcdef");
    let Some(mut claude) = Claude::with_stub(stub) else { return };
    // It would try ten times, for longer than a minute.
    claude.env.set_var("CLAUDE_CODE_MAX_RETRIES", "1");
    claude.create("c1", "stub:say one");
    claude.stub.eventually("the key is refused", |stub| {
        stub.requests().iter().any(|request| request.status == Some(401))
    });
    claude.until_state("c1", "WAITING END_OF_TURN");
    claude.env.eventually("the program says why", |env| env.screen("mng-c1").contains("Invalid API key"));
}
