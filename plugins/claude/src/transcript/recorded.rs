//! The conversations of `tests/corpus`, as the real program wrote them, converted.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use mng_core::agents::transcript::{Converter as _, TranscriptSource as _};
use serde_json::Value;

use super::ClaudeTranscript;
use super::convert::ClaudeConverter;

fn case(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus/claude/2.1.332").join(name).join("state")
}

fn records(session: &Path) -> Vec<Value> {
    let mut converter = ClaudeConverter::default();
    let mut out = Vec::new();
    for line in std::fs::read_to_string(session).unwrap().lines() {
        converter.line(line.as_bytes(), &mut out).unwrap();
    }
    converter.finish(true, &mut out);
    out
}

/// The first line of a text, as far as it is needed to know it again.
fn beginning(value: &Value) -> String {
    let text = value.as_str().unwrap_or_default();
    let line: String = text.lines().next().unwrap_or_default().chars().take(50).collect();
    if line.len() < text.len() { format!("{line}…") } else { line }
}

/// One record a line: who, what, the tools and their tokens.
fn view(records: &[Value]) -> String {
    let mut told = String::new();
    for record in records {
        let extra = &record["extra"];
        let results = record["results"].as_array().map_or(&[][..], Vec::as_slice);
        for result in results {
            let failed = if result["extra"]["is_error"] == true { " ERROR" } else { "" };
            let tool = result["extra"]["tool_name"].as_str().unwrap_or("?");
            writeln!(told, "tool {tool}{failed}: {}", beginning(&result["content"])).unwrap();
        }
        if record["type"] == "observation" {
            continue;
        }
        let mut line = record["source"].as_str().unwrap_or("?").to_owned();
        for (mark, is_set) in [
            ("sub-agent", extra["is_sidechain"] == true && extra["agent_name"].is_string()),
            ("error", extra["is_error"] == true),
            ("compaction", extra["context_management"]["type"] == "compaction"),
        ] {
            if is_set {
                write!(line, " [{mark}]").unwrap();
            }
        }
        write!(line, ": {}", beginning(&record["message"])).unwrap();
        if record["reasoning_content"].is_string() {
            write!(line, " (thought {})", beginning(&record["reasoning_content"])).unwrap();
        }
        for call in record["tool_calls"].as_array().into_iter().flatten() {
            let keys: Vec<&str> = call["arguments"].as_object().unwrap().keys().map(String::as_str).collect();
            write!(line, " -> {}({})", call["function_name"].as_str().unwrap(), keys.join(", ")).unwrap();
        }
        let tokens = &record["metrics"];
        if tokens.is_object() {
            write!(line, " <{} in, {} out>", tokens["prompt_tokens"], tokens["completion_tokens"]).unwrap();
        }
        for result in record["observation"]["results"].as_array().into_iter().flatten() {
            write!(line, " | {}", beginning(&result["content"])).unwrap();
        }
        writeln!(told, "{line}").unwrap();
    }
    told
}

/// The conversation of a recording, which has one.
fn told(name: &str) -> String {
    let sessions = ClaudeTranscript { is_kept: true }.sessions(&case(name)).unwrap();
    sessions.iter().map(|session| view(&records(session))).collect()
}

#[test]
fn a_refused_tool_an_interruption_and_a_queued_message() {
    insta::assert_snapshot!(told("unknown-command"), @"
    user: stub:bash touch made-by-tool && sleep 8
    agent: running a command -> Bash(command, description) <10 in, 5 out>
    tool Bash ERROR: The user doesn't want to proceed with this tool us…
    system: [Request interrupted by user for tool use]
    user: stub:sleep 30
    system: [Request interrupted by user]
    user: stub:say I was queued
    agent: I was queued <10 in, 5 out>
    user: stub:sleep 30
    user: stub:bash sleep 25
    agent: running a command -> Bash(command, description) <10 in, 5 out>
    tool Bash ERROR: <tool_use_error>Blocked: standalone sleep 25. To w…
    agent: stub: tool done: <tool_use_error>Blocked: standalo… <10 in, 5 out>
    user: 1/model
    agent: stub: 1/model <10 in, 5 out>
    system: Unknown command: /zzz
    system: Args from unknown skill: foo
    ");
}

#[test]
fn a_message_that_still_waits_is_not_in_the_conversation() {
    insta::assert_snapshot!(told("queued-while-busy"), @"
    user: stub:bash touch made-by-tool && sleep 8
    agent: running a command -> Bash(command, description) <10 in, 5 out>
    tool Bash ERROR: The user doesn't want to proceed with this tool us…
    system: [Request interrupted by user for tool use]
    user: stub:sleep 30
    ");
}

#[test]
fn a_question_an_error_of_the_service_and_shell_commands() {
    insta::assert_snapshot!(told("interrupted-stream"), @r#"
    user: stub:tool AskUserQuestion {"questions":[{"question…
    agent:  -> AskUserQuestion(questions) <10 in, 5 out>
    tool AskUserQuestion ERROR: The user doesn't want to proceed with this tool us…
    system: [Request interrupted by user for tool use]
    user: stub:error 400
    system [error]: API Error: 400 stub error 400
    user: !touch z1
    system: <bash-stdout>(Bash completed with no output)</bash…
    agent: stub: <bash-stdout>(Bash completed with no output)… <10 in, 5 out>
    user: !python3 -c "import time; time.sleep(6)"
    system: <bash-stdout>(Bash completed with no output)</bash…
    agent: stub: <bash-stdout>(Bash completed with no output)… <10 in, 5 out>
    user: stub:words 100000
    agent: w0 w1 w2 w3 w4 w5 w6 w7 w8 w9 w10 w11 w12 w13 w14 … <10 in, 1 out>
    system: [Request interrupted by user]
    "#);
}

#[test]
fn slash_commands_are_no_messages_and_a_compaction_is_told() {
    insta::assert_snapshot!(told("compacted"), @"
    user: stub:say before
    agent: before <10 in, 5 out>
    user: stub:say again
    agent: again <10 in, 5 out>
    system [compaction]: the conversation was compacted | This session is being continued from a previous co…
    ");
}

#[test]
fn a_sub_agent_follows_the_conversation_that_began_it() {
    insta::assert_snapshot!(told("sub-agent"), @r#"
    user: stub:tool Agent {"description":"look around","prom…
    agent:  -> Agent(description, prompt, subagent_type) <10 in, 5 out>
    tool Agent: Async agent launched successfully. (This tool resu…
    agent: stub: tool done: Async agent launched successfully… <10 in, 5 out>
    user [sub-agent]: stub:bash python3 -c 'import time; time.sleep(15)'
    agent [sub-agent]: running a command -> Bash(command, description) <10 in, 5 out>
    "#);
}

#[test]
fn every_recording_is_read_whole() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus/claude");
    let mut read = 0;
    for version in std::fs::read_dir(corpus).unwrap().flatten() {
        for case in std::fs::read_dir(version.path()).unwrap().flatten() {
            let source = ClaudeTranscript { is_kept: true };
            for session in source.sessions(&case.path().join("state")).unwrap() {
                let records = records(&session);
                let mut ids: Vec<&str> =
                    records.iter().map(|record| record["event_id"].as_str().unwrap()).collect();
                ids.sort_unstable();
                ids.dedup();
                assert_eq!(ids.len(), records.len(), "{}: an id twice", session.display());
                assert!(
                    records.iter().all(|record| record["timestamp"].is_string()),
                    "{}",
                    session.display()
                );
                assert_eq!(
                    source.program_version(&session).as_deref(),
                    version.file_name().to_str(),
                    "{}",
                    session.display()
                );
                read += 1;
            }
        }
    }
    assert!(read >= 9, "{read} conversations");
}
