//! Messages to the real Claude Code.

use super::Claude;

#[test]
fn many_senders_at_once_deliver_each_message_once_and_whole() {
    const SENDERS: usize = 5;
    const EACH: usize = 4;
    let Some(claude) = Claude::new() else { return };
    claude.create("c1", "stub:say ready");
    claude.until_state("c1", "WAITING END_OF_TURN");
    let text = |sender: usize, index: usize| {
        format!("message {sender}.{index} begins, {} ends", "word ".repeat(20).trim())
    };
    std::thread::scope(|scope| {
        for sender in 0..SENDERS {
            let claude = &claude;
            scope.spawn(move || {
                for index in 0..EACH {
                    let _ = claude.env.mng_args(&["message", "c1", "-m", &text(sender, index)]).success();
                }
            });
        }
    });
    // Those that came while it worked are handed over together or one by one: all are in the conversation.
    let arrived = |stub: &mng_tests::Stub| stub.user_texts().join("\n");
    let all = || (0..SENDERS).flat_map(|sender| (0..EACH).map(move |index| (sender, index)));
    claude.stub.eventually("all messages arrive", |stub| {
        let arrived = arrived(stub);
        all().all(|(sender, index)| arrived.contains(&text(sender, index)))
    });
    claude.until_state("c1", "WAITING END_OF_TURN");
    let arrived = arrived(&claude.stub);
    for (sender, index) in all() {
        let count = arrived.matches(&text(sender, index)).count();
        assert_eq!(count, 1, "message {sender}.{index}, with {}\n{arrived}", claude.version());
    }
}
