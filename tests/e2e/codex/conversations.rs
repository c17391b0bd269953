//! One conversation over stop, crash and adoption.

use std::fs;

use super::Codex;

#[test]
fn a_stopped_agent_goes_on_with_its_conversation() {
    let Some(codex) = Codex::new() else { return };
    codex.create("x1", "stub:say one");
    codex.until_state("x1", "WAITING END_OF_TURN");
    codex.env.mng("stop x1").success();
    codex.env.mng("start x1").success();
    codex.until_state("x1", "WAITING END_OF_TURN");
    let thread = codex.file("x1", "codex_root_session");
    codex.message("x1", "stub:say two").success();
    codex
        .stub
        .eventually("the model sees both", |stub| stub.user_texts() == ["stub:say one", "stub:say two"]);
    assert_eq!(codex.file("x1", "codex_root_session"), thread);
    assert_eq!(codex.rollouts("x1").len(), 1, "{}", codex.describe());
}

#[test]
fn a_conversation_that_is_gone_is_told_and_a_new_one_begun() {
    let Some(codex) = Codex::new() else { return };
    codex.create("x1", "stub:say one");
    codex.until_state("x1", "WAITING END_OF_TURN");
    codex.env.mng("stop x1").success();
    for rollout in codex.rollouts("x1") {
        fs::remove_file(rollout).unwrap();
    }
    let started = codex.env.mng("start x1").success();
    assert!(started.stderr.contains("is gone: it starts a new one"), "{}", started.stderr);
    codex.message("x1", "stub:say two").success();
    codex.stub.eventually("the model sees one", |stub| stub.user_texts() == ["stub:say two"]);
}

#[test]
fn a_preserved_conversation_is_adopted() {
    let Some(codex) = Codex::new() else { return };
    codex.create("x1", "stub:say one");
    codex.until_state("x1", "WAITING END_OF_TURN");
    let thread = codex.file("x1", "codex_root_session");
    codex.env.mng("destroy x1 --force").success();
    codex.env.mng_args(&["create", "x2", "codex", "--no-connect", "--yes", "--adopt", &thread]).success();
    codex.until_state("x2", "WAITING END_OF_TURN");
    codex.message("x2", "stub:say two").success();
    codex
        .stub
        .eventually("the model sees both", |stub| stub.user_texts() == ["stub:say one", "stub:say two"]);
    let told = codex.transcript("x2");
    assert!(told.contains("stub:say one") && told.contains("stub:say two"), "{told}");
}
