//! The recordings of the real program, read by the screen and the converter. Its states are compared by the
//! replay of the whole corpus.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use mng_core::agents::input::{Dialog, ScreenState};
use mng_core::agents::transcript::TranscriptSource as _;

use crate::screen;
use crate::transcript::CodexTranscript;

/// Every recording, by version and case.
fn cases() -> Vec<(String, PathBuf)> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus/codex");
    let dirs = |dir: &Path| -> Vec<PathBuf> {
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect()
    };
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    let mut cases: Vec<_> = dirs(&corpus)
        .iter()
        .flat_map(|version| {
            dirs(version).into_iter().map(|case| (format!("{} {}", name(version), name(&case)), case))
        })
        .collect();
    cases.sort();
    assert!(cases.len() >= 20, "the corpus is there");
    cases
}

#[test]
fn screens_are_read() {
    let told: String = cases()
        .iter()
        // Nobody types into what has ended.
        .filter(|(_, case)| {
            let expected = fs::read_to_string(case.join("expected.json")).unwrap();
            expected.contains("RUNNING") || expected.contains("WAITING")
        })
        .map(|(name, case)| {
            let screen = match screen::judge(&fs::read_to_string(case.join("pane.txt")).unwrap()) {
                ScreenState::Ready { leftover: None } => "ready".to_owned(),
                ScreenState::Ready { leftover: Some(text) } => format!("ready, holds {text:?}"),
                ScreenState::Dialog(Dialog { name, .. }) => name,
                ScreenState::Unclear => "unclear".to_owned(),
            };
            format!("{name}: {screen}\n")
        })
        .collect();
    insta::assert_snapshot!(told, @"
    0.169.0 api_error: ready
    0.169.0 approved: ready
    0.169.0 compacted: ready
    0.169.0 denied: ready
    0.169.0 end_of_turn: ready
    0.169.0 first_turn: ready
    0.169.0 fresh: ready
    0.169.0 interrupted: ready
    0.169.0 long_tool_call: ready
    0.169.0 new_conversation_menu: the question where the new conversation runs
    0.169.0 permission: the permission prompt
    0.169.0 permission_blink: the permission prompt
    0.169.0 queued_message: ready
    0.169.0 queued_message_done: ready
    0.169.0 resumed: ready
    0.169.0 resumed_after_crash: ready
    0.169.0 resumed_working: ready
    0.169.0 starting_with_message: unclear
    0.169.0 sub_agent_done: ready
    0.169.0 sub_agent_running: ready
    0.169.0 unknown_command: ready
    0.169.0 working: ready
    ");
}

#[test]
fn conversations_are_converted() {
    let source = CodexTranscript { is_kept: true };
    let mut steps = 0;
    for (name, case) in cases() {
        let mut ids = BTreeSet::new();
        for session in source.sessions(&case.join("state")).unwrap() {
            assert!(source.program_version(&session).is_some(), "{name}");
            let mut converter = source.converter(&session);
            let mut records = Vec::new();
            for line in fs::read_to_string(&session).unwrap().lines() {
                converter.line(line.as_bytes(), &mut records).unwrap();
            }
            converter.finish(true, &mut records);
            for record in &records {
                let id = record["event_id"].as_str().unwrap().to_owned();
                assert!(ids.insert(id), "{name}: {record}");
            }
            // Codex 0.169 says how many tokens each answer took.
            let answers =
                records.iter().filter(|record| record["source"] == "agent" && record["message"] != "");
            for answer in answers {
                assert!(answer["metrics"]["prompt_tokens"].is_u64(), "{name}: {answer}");
            }
            steps += records.len();
        }
    }
    assert!(steps > 200, "{steps}");
}
