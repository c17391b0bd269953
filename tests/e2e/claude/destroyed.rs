//! What is left of a destroyed agent: its conversation, and the way back.

use super::Claude;

#[test]
fn a_destroyed_agent_is_read_and_comes_back_to_its_conversation() {
    let Some(claude) = Claude::new() else { return };
    claude.create("c1", "stub:say first answer");
    claude.until_state("c1", "WAITING END_OF_TURN");
    let _ = claude.env.mng("message c1 -m 'stub:say second answer'").success();
    let is_answered = |stub: &mng_tests::Stub| stub.user_texts().len() == 2 && stub.last_answered().is_some();
    claude.stub.eventually("the second turn", is_answered);
    claude.until_state("c1", "WAITING END_OF_TURN");
    let (session, id) = (claude.session("c1"), claude.env.agent_id("c1"));
    let live = claude.env.mng("transcript c1").success().stdout;

    let _ = claude.env.mng("destroy c1 --force").success();
    assert!(claude.env.agent_names().is_empty());
    let hint = claude.env.mng("transcript c1").exits(1);
    let _ = hint.says(&["mng transcript c1 --preserved"]);
    let kept = claude.env.mng("transcript c1 --preserved").success();
    let turns: Vec<&str> = kept.stdout.lines().filter(|line| line.contains("answer")).collect();
    let wanted = ["stub:say first answer", "first answer", "stub:say second answer", "second answer"];
    assert_eq!(turns, wanted, "with {}: {}", claude.version(), kept.in_full());
    assert_eq!(kept.stdout, live);

    let _ = claude.env.mng("undo").success();
    assert_eq!(claude.env.agent_id("c1"), id);
    let _ = claude.env.mng("start c1").success();
    let _ = claude.env.mng("message c1 -m 'stub:say third answer'").success();
    claude.stub.eventually("the conversation goes on", |stub| {
        stub.user_texts() == ["stub:say first answer", "stub:say second answer", "stub:say third answer"]
    });
    claude.until_state("c1", "WAITING END_OF_TURN");
    assert_eq!(claude.session("c1"), session, "with {}", claude.version());
    let told = claude.env.mng("transcript c1").success();
    assert_eq!(told.stdout.lines().filter(|line| line.ends_with(" answer")).count(), 6, "{}", told.in_full());
}
