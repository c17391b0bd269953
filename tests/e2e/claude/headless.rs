//! One prompt, its answer streamed, and the agent is gone.

use super::person::Claude;

fn run(claude: &Claude, args: &[&str]) -> mng_tests::Run {
    let head =
        ["create", "h1", "--type", "headless_claude", "--foreground", "--pass-env", "ANTHROPIC_API_KEY"];
    claude.env.command_args(&[&head, args].concat()).env("ANTHROPIC_API_KEY", super::person::KEY).run()
}

#[test]
fn an_answer_is_printed_as_text() {
    // Nobody is asked for trust: the program itself does not.
    let Some(claude) = Claude::untrusted() else { return };
    let ended = run(&claude, &["--message", "stub:words 20"]).success();
    let words: Vec<String> = (0..20).map(|number| format!("w{number}")).collect();
    assert_eq!(ended.lines(), [words.join(" ").as_str()], "{}", claude.version);
    let json = run(&claude, &["--format", "json", "--", "stub:say from the arguments"]).success().json();
    assert_eq!(json["response"], "from the arguments");
    assert!(claude.env.agent_names().is_empty());
}

#[test]
fn a_prompt_may_be_longer_than_an_argument() {
    let Some(claude) = Claude::new() else { return };
    let long = claude.write("long.txt", &format!("{}\nstub:say received", "x".repeat(300_000)));
    let ended = run(&claude, &["--message-file", long.to_str().unwrap()]).success();
    assert_eq!(ended.lines(), ["received"], "{}", claude.version);
}

#[test]
fn a_failure_is_told_in_the_programs_words() {
    let Some(claude) = Claude::new() else { return };
    let _ =
        run(&claude, &["--message", "stub:error 400"]).exits(1).says(&["Claude Code failed: API Error: 400"]);
    let _ = run(&claude, &[]).exits(1).says(&["Claude Code gave no answer"]);
    let _ = run(&claude, &["--adopt", "x"]).exits(1).says(&["--adopt"]);
    assert!(claude.env.agent_names().is_empty());
}
