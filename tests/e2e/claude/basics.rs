//! A first message, the state while it is worked on, and what was said.

use super::Claude;

#[test]
fn a_first_message_is_worked_on_without_a_dialog() {
    let Some(claude) = Claude::new() else { return };
    claude.create("c1", "stub:hold gate stub:say hello there");
    claude.stub.eventually("the first turn runs", |stub| stub.is_held("gate"));
    claude.until_state("c1", "RUNNING");
    claude.stub.release("gate");
    claude.until_state("c1", "WAITING END_OF_TURN");
    let told = claude.env.mng("transcript c1").success();
    println!("{}", told.stdout);
    assert_eq!(claude.stub.user_texts(), ["stub:hold gate stub:say hello there"]);
}
