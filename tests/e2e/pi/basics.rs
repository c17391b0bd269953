//! A first message, the state while it is worked on, later messages, and the same conversation after a stop.

use super::Pi;

#[test]
fn a_conversation_outlives_a_stop() {
    let Some(pi) = Pi::new() else { return };
    let before = pi.env.home().join(".pi/agent/settings.json");
    let settings = std::fs::read_to_string(&before).unwrap();
    let _ = pi.create(&["--message", "stub:hold gate stub:say hello there"]);
    pi.stub.eventually("the first turn runs", |stub| stub.is_held("gate"));
    pi.until_state("RUNNING");
    // It is taken while the turn runs, and answered after it.
    let _ = pi.env.mng_args(&["message", "p1", "-m", "stub:say the second answer"]).success();
    pi.stub.release("gate");
    pi.env.eventually("the second answer is in the transcript", |_| {
        pi.said().contains(&"agent the second answer".to_owned())
    });
    pi.until_state("WAITING END_OF_TURN");
    let session = pi.session();
    assert!(session.ends_with(".jsonl"), "{session}");

    let _ = pi.env.mng("stop p1").success();
    assert_eq!(pi.env.state_of("p1"), "STOPPED");
    let told = pi.said();
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

    let _ = pi.env.mng("start p1").success();
    let _ = pi.env.mng_args(&["message", "p1", "-m", "stub:say the third"]).success();
    pi.env.eventually("the third answer is in the transcript", |_| {
        pi.said().last().is_some_and(|last| last == "agent the third")
    });
    assert_eq!(pi.session(), session, "the same session");
    assert_eq!(pi.said()[..4], told[..], "nothing is said twice");
    let last = pi.stub.requests().into_iter().rev().find(|request| request.path.contains("messages"));
    let sent = last.map(|request| request.body["messages"].to_string()).unwrap_or_default();
    assert!(sent.contains("the second answer"), "the model is told what was said before: {sent}");
    assert_eq!(std::fs::read_to_string(&before).unwrap(), settings, "the person's own settings");
}

#[test]
fn a_session_is_adopted() {
    let Some(pi) = Pi::new() else { return };
    let _ = pi.create(&["--message", "stub:say the first answer"]);
    pi.env.eventually("the answer is in the transcript", |_| {
        pi.said().contains(&"agent the first answer".to_owned())
    });
    let session = pi.session();
    let _ = pi.env.mng_args(&["create", "p2", "pi", "--no-connect", "--yes", "--adopt", &session]).success();
    let _ = pi.env.mng_args(&["message", "p2", "-m", "stub:say and more"]).success();
    pi.env.eventually("both conversations are in one", |env| {
        let told = env.mng("transcript p2").success().stdout;
        told.contains("the first answer") && told.contains("and more")
    });
}
