//! `mng ask` where nobody can answer; the answers are tested with the real program.

use mng_tests::TestEnv;

#[test]
fn without_a_question_the_commands_are_listed() {
    let env = TestEnv::new();
    let listed = env.mng("ask").success();
    assert!(listed.stdout.contains("create") && listed.stdout.contains("Make an agent and start it"));
    let json = env.mng("ask --format json").success().json();
    assert_eq!(json["commands"]["ask"], "Ask a model how to use mng");
    let lines = env.mng("ask --format jsonl").success().jsonl();
    assert_eq!(lines[0]["event"], "commands");
}

#[test]
fn a_missing_program_is_told_with_the_way_to_it() {
    let env = TestEnv::new();
    env.settings("[agent_types.headless_claude]\ncommand = \"no-such-claude\"\n");
    let failed = env.mng("ask how do I list agents").exits(1);
    let _ = failed.says(&["`no-such-claude`", "is not there", "mng config unset"]);
    let left = std::fs::read_dir(env.root().join("tmp")).unwrap().flatten();
    assert_eq!(left.filter(|entry| entry.file_name().to_string_lossy().contains("mng-ask")).count(), 0);
}
