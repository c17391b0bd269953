//! `mng ask` with the real program.

use super::Claude;
use mng_tests::Fingerprint;

#[test]
fn the_answer_is_streamed_and_nothing_is_left_behind() {
    let Some(claude) = Claude::new() else { return };
    // What there is before the first run: a state directory belongs to any command.
    let _ = claude.env.mng("list").success();
    let before = Fingerprint::of(&claude.env.home(), &["logs", "events"]);
    let said = claude.env.mng("ask 'stub:say Use mng list.'").success();
    assert_eq!(said.stdout, "Use mng list.\n");
    assert_eq!(before, Fingerprint::of(&claude.env.home(), &["logs", "events"]));
    let left = std::fs::read_dir(claude.env.root().join("tmp")).unwrap().flatten();
    let left: Vec<_> = left.filter(|entry| entry.file_name().to_string_lossy().contains("mng-ask")).collect();
    assert!(left.is_empty(), "{left:?}");
    assert!(claude.env.sessions().is_empty());

    let asked =
        claude.stub.requests().into_iter().find(|request| request.path.contains("/v1/messages")).unwrap();
    let system = asked.body["system"].to_string();
    for page in ["mng create", "mng config set", "# Undo"] {
        assert!(system.contains(page), "the model is not told `{page}`");
    }
    assert_eq!(asked.body["tools"].as_array().map_or(0, Vec::len), 0);

    let json = claude.env.mng("ask --format json stub:say hello").success().json();
    assert_eq!(json["response"], "hello");
    let lines = claude.env.mng("ask --format jsonl stub:say hello").success().jsonl();
    assert_eq!(lines[0]["event"], "info");
    assert_eq!(lines[1]["event"], "response");
}

#[test]
fn a_proposed_command_is_run_when_that_is_wanted() {
    let Some(claude) = Claude::new() else { return };
    let env = &claude.env;
    let ran = env.mng("ask --execute --yes 'stub:say mng config get prefix'").success();
    assert_eq!(ran.stdout, env.mng("config get prefix").success().stdout);
    let _ = env.mng("ask --execute 'stub:say mng list'").exits(2).says(&["--yes"]);
    let refused = env.mng("ask --execute --yes 'stub:say mng destroy --all --force'").exits(1);
    let _ = refused.says(&["proposed `mng destroy` is not run unseen"]);
    let _ = env.mng("ask --execute --yes 'stub:say rm -rf x'").exits(1).says(&["one mng command"]);
}

#[test]
fn failures_are_told_in_the_programs_words() {
    let Some(claude) = Claude::new() else { return };
    let _ = claude.env.mng("ask stub:error 400").exits(1).says(&["Claude Code failed", "400"]);
}
