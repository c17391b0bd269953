//! What was said is told.

use super::Claude;

#[test]
fn a_transcript_has_both_turns_also_of_a_stopped_agent() {
    let Some(claude) = Claude::new() else { return };
    claude.create("c1", "stub:say hello there");
    claude.until_state("c1", "WAITING END_OF_TURN");
    let has_both = |text: &str| {
        text.contains("stub:say hello there")
            && text.lines().any(|line| line.trim_end().ends_with("hello there") && !line.contains("stub:say"))
    };
    let told = claude.env.mng("transcript c1").success();
    assert!(has_both(&told.stdout), "with {}: {}", claude.version(), told.stdout);
    let _ = claude.env.mng("stop c1").success();
    assert!(has_both(&claude.env.mng("transcript c1").success().stdout));
}
