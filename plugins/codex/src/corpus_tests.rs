//! The recordings of the real program, read by the screen and the converter. Its states are compared by the
//! replay of the whole corpus.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use mng_core::agents::input::{Dialog, ScreenState};
use mng_core::agents::transcript::TranscriptSource as _;
use serde_json::Value;

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

/// The first line of a text, as far as it is needed to know it again.
fn beginning(value: &Value) -> String {
    let text = value.as_str().unwrap_or_default();
    let line: String = text.lines().next().unwrap_or_default().chars().take(50).collect();
    if line.len() < text.len() { format!("{line}…") } else { line }
}

/// One record of a conversation: who, what, the tools and the tokens.
fn view(record: &Value) -> String {
    let mut line = String::new();
    if record["extra"]["is_sidechain"] == true {
        write!(line, "[{}] ", record["extra"]["agent_name"].as_str().unwrap_or("?")).unwrap();
    }
    let results = record["results"].as_array().map_or(&[][..], Vec::as_slice);
    for result in results {
        let failed = if result["extra"]["is_error"] == true { " ERROR" } else { "" };
        let tool = result["extra"]["tool_name"].as_str().unwrap_or("?");
        write!(line, "tool {tool}{failed}: {}", beginning(&result["content"])).unwrap();
    }
    if record["type"] == "observation" {
        return line;
    }
    let error = if record["extra"]["is_error"] == true { " [error]" } else { "" };
    write!(line, "{}{error}: {}", record["source"].as_str().unwrap(), beginning(&record["message"])).unwrap();
    for call in record["tool_calls"].as_array().into_iter().flatten() {
        let keys: Vec<&str> = call["arguments"].as_object().unwrap().keys().map(String::as_str).collect();
        write!(line, " -> {}({})", call["function_name"].as_str().unwrap(), keys.join(", ")).unwrap();
    }
    if record["metrics"].is_object() {
        let tokens = &record["metrics"];
        write!(line, " <{} in, {} out>", tokens["prompt_tokens"], tokens["completion_tokens"]).unwrap();
    }
    line
}

/// The conversation of a recording, its sub-agents' after it.
fn told(name: &str) -> String {
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus/codex/0.169.0").join(name);
    let source = CodexTranscript { is_kept: true };
    let mut lines = String::new();
    for session in source.sessions(&case.join("state")).unwrap() {
        let mut converter = source.converter(&session);
        let mut records = Vec::new();
        for line in fs::read_to_string(&session).unwrap().lines() {
            converter.line(line.as_bytes(), &mut records).unwrap();
        }
        converter.finish(true, &mut records);
        for record in &records {
            writeln!(lines, "{}", view(record)).unwrap();
        }
    }
    lines
}

#[test]
fn a_message_that_joined_a_turn() {
    insta::assert_snapshot!(told("queued_message_done"), @"
    system: <skills_instructions>…
    system: <environment_context>…
    user: stub:say hello stub:sleep 3
    agent: hello stub:sleep 3 <10 in, 5 out>
    user: stub:say thought stub:sleep 8
    agent: thought stub:sleep 8 <10 in, 5 out>
    user: stub:bash sleep 12
    agent:  -> exec_command(cmd) <10 in, 5 out>
    tool exec_command: Chunk ID: ae798f…
    user: stub:say queued
    agent: queued <10 in, 5 out>
    ");
}

#[test]
fn a_refused_command() {
    insta::assert_snapshot!(told("denied"), @r#"
    system: <skills_instructions>…
    system: <environment_context>…
    user: stub:say thought stub:sleep 8
    agent: thought stub:sleep 8 <10 in, 5 out>
    user: stub:bash sleep 12
    agent:  -> exec_command(cmd) <10 in, 5 out>
    tool exec_command: Chunk ID: ae798f…
    user: stub:say queued
    agent: queued <10 in, 5 out>
    user: stub:tool exec_command {"cmd":"touch /home/you/zzz…
    agent:  -> exec_command(cmd, sandbox_permissions, justification) <10 in, 5 out>
    tool exec_command ERROR: Wall time: 2.5 seconds…
    system: <turn_aborted>…
    "#);
}

#[test]
fn an_interruption_a_compaction_an_error_and_a_sub_agent() {
    insta::assert_snapshot!(told("sub_agent_done"), @r#"
    system: <skills_instructions>…
    system: <environment_context>…
    tool ? ERROR: Wall time: 1.2 seconds…
    system: <turn_aborted>…
    agent: stub: You are performing a CONTEXT CHECKPOINT COMP… <10 in, 5 out>
    system: the conversation was compacted
    user: stub:error 500
    system [error]: We’re currently experiencing high demand, which ma…
    user: stub:tool multi_agent_v1.spawn_agent {"message":"s…
    agent:  -> spawn_agent(message) <10 in, 5 out>
    tool spawn_agent: {"agent_id":"01a2130f-5531-73b3-a026-9c099770e5f2"…
    agent: stub: tool done: {"agent_id":"01a2130f-5531-73b3-a… <10 in, 5 out>
    system: <subagent_notification>…
    [Rawls] system: <skills_instructions>…
    [Rawls] system: <environment_context>…
    [Rawls] user: stub:bash sleep 9
    [Rawls] agent:  -> exec_command(cmd) <10 in, 5 out>
    [Rawls] tool exec_command: Chunk ID: 3d60b6…
    [Rawls] agent: stub: tool done: Chunk ID: 3d60b6… <10 in, 5 out>
    "#);
}
