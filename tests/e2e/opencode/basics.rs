//! A first message, the state while it is worked on, later messages, and the same conversation after a stop.

use super::Opencode;

#[test]
fn a_conversation_outlives_a_stop() {
    let Some(opencode) = Opencode::new() else { return };
    let _ = opencode.create(&["--message", "stub:hold gate stub:say hello there"]);
    opencode.until_state("RUNNING");
    opencode.stub.eventually("the first turn runs", |stub| stub.is_held("gate"));
    opencode.stub.release("gate");
    opencode.until_state("WAITING END_OF_TURN");
    let session = opencode.session();
    assert!(session.starts_with("ses_"), "{session}");

    let _ = opencode.env.mng_args(&["message", "o1", "-m", "stub:say the second answer"]).success();
    opencode.env.eventually("the second answer is in the transcript", |_| {
        opencode.said().contains(&"agent the second answer".to_owned())
    });
    opencode.until_state("WAITING END_OF_TURN");

    let _ = opencode.env.mng("stop o1").success();
    assert_eq!(opencode.env.state_of("o1"), "STOPPED");
    let told = opencode.said();
    assert_eq!(
        told,
        [
            "user stub:hold gate stub:say hello there",
            "agent hello there",
            "user stub:say the second answer",
            "agent the second answer",
        ],
        "the transcript of a stopped agent"
    );

    let _ = opencode.env.mng("start o1").success();
    let _ = opencode.env.mng_args(&["message", "o1", "-m", "stub:say the third"]).success();
    opencode.env.eventually("the third answer is in the transcript", |_| {
        opencode.said().last().is_some_and(|last| last == "agent the third")
    });
    assert_eq!(opencode.session(), session, "the same session");
    assert_eq!(opencode.said()[..4], told[..], "nothing is said twice");
    let last = opencode.stub.requests().into_iter().rev().find(|request| request.path.contains("messages"));
    let sent = last.map(|request| request.body["messages"].to_string()).unwrap_or_default();
    assert!(sent.contains("the second answer"), "the model is told what was said before: {sent}");
}

#[test]
fn a_permission_is_waited_for() {
    let Some(opencode) = Opencode::new() else { return };
    let _ = opencode.create(&["--message", r#"stub:tool bash {"command":"echo ran","description":"run"}"#]);
    opencode.until_state("WAITING PERMISSIONS");
    let _ = opencode.env.tmux(&["send-keys", "-t", "=mng-o1:", "Enter"]);
    opencode.until_state("WAITING END_OF_TURN");
    opencode.env.eventually("the tool has run", |_| opencode.said().iter().any(|line| line == "tool ran\n"));
}
