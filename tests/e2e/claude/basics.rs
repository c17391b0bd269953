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

#[test]
fn what_a_sub_agent_said_is_told_as_its_own() {
    let Some(claude) = Claude::new() else { return };
    let input = r#"{"description":"look","prompt":"stub:say from below","subagent_type":"general-purpose"}"#;
    let message = format!("stub:tool Agent {input}");
    let _ = claude.create_with("c1", &["--message", &message, "--", "--permission-mode", "manual"]);
    let told = || claude.env.mng("transcript c1").success().stdout;
    let is_told = |text: &str| {
        let blocks: Vec<&str> = text.split("\n\n").collect();
        let said = |who: &str, what: &str| {
            blocks.iter().any(|block| block.contains(&format!(" {who} (sub-agent ")) && block.ends_with(what))
        };
        said("user", ":\nstub:say from below") && said("agent", ":\nfrom below")
    };
    claude.env.eventually(&format!("it is told, with {}", claude.version()), |_| is_told(told().trim_end()));
}
