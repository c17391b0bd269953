use std::fs;
use std::path::Path;

use mng_core::agents::transcript::{Converter as _, TranscriptSource as _};
use serde_json::{Value, json};

use super::ClaudeTranscript;
use super::convert::ClaudeConverter;

/// One record a line, as short as it can be told.
fn told(records: &[Value]) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().chars().take(60).collect::<String>();
    let mut lines = Vec::new();
    for record in records {
        if record["type"] == "observation" {
            let result = &record["results"][0];
            let error = if result["extra"]["is_error"] == true { " [error]" } else { "" };
            lines.push(format!(
                "{}{error}: {}",
                text(&result["extra"]["tool_name"]),
                text(&result["content"])
            ));
            continue;
        }
        let calls = record["tool_calls"].as_array().map_or(&[][..], Vec::as_slice);
        let calls: String = calls
            .iter()
            .map(|call| format!(" -> {}({})", text(&call["function_name"]), call["arguments"]))
            .collect();
        let side = if record["extra"]["is_sidechain"] == true { "sub-agent's " } else { "" };
        lines.push(format!("{side}{}: {}{calls}", text(&record["source"]), text(&record["message"])));
    }
    lines.join("\n")
}

fn convert(lines: &[Value], is_turn_over: bool) -> Vec<Value> {
    let mut converter = ClaudeConverter::default();
    let mut out = Vec::new();
    for line in lines {
        converter.line(line.to_string().as_bytes(), &mut out).unwrap();
    }
    converter.finish(is_turn_over, &mut out);
    out
}

fn user(uuid: &str, content: Value) -> Value {
    json!({"type": "user", "uuid": uuid, "timestamp": "2026-11-25T13:00:00.000Z",
        "message": {"role": "user", "content": content}})
}

fn assistant(uuid: &str, id: &str, block: Value) -> Value {
    json!({"type": "assistant", "uuid": uuid, "timestamp": "2026-11-25T13:00:01.000Z", "message": {"id": id,
        "role": "assistant", "model": "claude-opus-5-5", "content": [block], "stop_reason": "tool_use",
        "usage": {"input_tokens": 10, "cache_creation_input_tokens": 3, "cache_read_input_tokens": 100,
            "output_tokens": 5}}})
}

fn tool(id: &str) -> Value {
    json!({"type": "tool_use", "id": id, "name": "Bash", "input": {"command": "ls"}})
}

fn result(uuid: &str, id: &str, content: Value) -> Value {
    user(uuid, json!([{"type": "tool_result", "tool_use_id": id, "content": content}]))
}

#[test]
fn lines_of_an_answer_are_one_step_also_across_results() {
    let lines = [
        user("u1", json!("go")),
        assistant("a1", "m1", json!({"type": "thinking", "thinking": "hm"})),
        assistant("a2", "m1", json!({"type": "text", "text": "two commands"})),
        assistant("a3", "m1", tool("t1")),
        result("r1", "t1", json!("one")),
        assistant("a4", "m1", tool("t2")),
        result("r2", "t2", json!([{"type": "text", "text": "two"}, {"type": "image", "source": {}}])),
    ];
    assert_eq!(told(&convert(&lines, false)), "user: go", "the answer may go on");
    let records = convert(&lines, true);
    assert_eq!(
        told(&records),
        "user: go\n\
         agent: two commands -> Bash({\"command\":\"ls\"}) -> Bash({\"command\":\"ls\"})\n\
         Bash: one\n\
         Bash: two\n[image omitted]"
    );
    let step = &records[1];
    assert_eq!(step["event_id"], "a1-assistant");
    assert_eq!(step["reasoning_content"], "hm");
    assert_eq!(
        step["metrics"],
        json!({"prompt_tokens": 113, "completion_tokens": 5, "cached_tokens": 100,
            "extra": {"cache_creation_tokens": 3}})
    );
    assert_eq!(step["extra"], json!({"message_id": "m1", "finish_reason": "tool_use"}));
    assert_eq!(records[2]["event_id"], "r1-tool_result-t1");
}

#[test]
fn the_next_answer_or_message_ends_one() {
    let mut lines = vec![assistant("a1", "m1", json!({"type": "text", "text": "one"}))];
    lines.push(assistant("a2", "m2", json!({"type": "text", "text": "two"})));
    assert_eq!(told(&convert(&lines, false)), "agent: one");
    lines.push(json!({"type": "system", "subtype": "turn_duration", "uuid": "s1"}));
    assert_eq!(told(&convert(&lines, false)), "agent: one\nagent: two");
}

#[test]
fn sub_agents_are_a_conversation_of_their_own() {
    let side = |mut line: Value| {
        line["isSidechain"] = true.into();
        line
    };
    let lines = [
        assistant("a1", "m1", tool("t1")),
        side(user("u1", json!("look around"))),
        side(assistant("b1", "n1", json!({"type": "text", "text": "I look"}))),
        assistant("a2", "m1", tool("t2")),
        side(assistant("b2", "n1", tool("t3"))),
    ];
    assert_eq!(
        told(&convert(&lines, true)),
        "agent:  -> Bash({\"command\":\"ls\"}) -> Bash({\"command\":\"ls\"})\n\
         sub-agent's user: look around\n\
         sub-agent's agent: I look -> Bash({\"command\":\"ls\"})"
    );
}

#[test]
fn it_goes_on_after_any_line() {
    let lines = [
        user("u1", json!("go")),
        assistant("a1", "m1", tool("t1")),
        result("r1", "t1", json!("one")),
        assistant("a2", "m1", json!({"type": "text", "text": "done"})),
        user("u2", json!("thanks")),
    ];
    let whole = convert(&lines, true);
    for cut in 0..=lines.len() {
        let (mut first, mut second) = (ClaudeConverter::default(), ClaudeConverter::default());
        let mut out = Vec::new();
        for line in &lines[..cut] {
            first.line(line.to_string().as_bytes(), &mut out).unwrap();
        }
        assert!(second.resume(&first.checkpoint().unwrap()));
        for line in &lines[cut..] {
            second.line(line.to_string().as_bytes(), &mut out).unwrap();
        }
        second.finish(true, &mut out);
        assert_eq!(out, whole, "cut after line {cut}");
    }
    assert!(!ClaudeConverter::default().resume(&json!("what?")));
}

#[test]
fn odd_lines_are_bad_or_nothing() {
    let mut converter = ClaudeConverter::default();
    let mut out = Vec::new();
    for bad in ["{", "[]", "\"x\"", "{\"no\":\"type\"}", "{\"type\":7}"] {
        assert!(converter.line(bad.as_bytes(), &mut out).is_err(), "{bad}");
    }
    for fine in [
        "",
        "  ",
        "{\"type\":\"of tomorrow\"}",
        "{\"type\":\"user\"}",
        "{\"type\":\"assistant\",\"message\":7}",
    ] {
        converter.line(fine.as_bytes(), &mut out).unwrap();
    }
    assert_eq!(out, [] as [Value; 0]);
}

#[test]
fn sessions_are_those_of_the_history() {
    let dir = tempfile::tempdir().unwrap();
    let projects = dir.path().join("plugin/claude/anthropic/projects/-work");
    let source = ClaudeTranscript { is_kept: true };
    let names = || -> Vec<String> {
        let sessions = source.sessions(dir.path()).unwrap();
        sessions.iter().map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()).collect()
    };
    assert_eq!(names(), [] as [String; 0]);
    fs::create_dir_all(&projects).unwrap();
    for id in ["b-2", "a-1", "nested"] {
        fs::write(projects.join(format!("{id}.jsonl")), "{\"version\":\"2.1.332\"}\n").unwrap();
    }
    assert_eq!(names().len(), 3, "without a history all are the agent's");
    // The original wrote ids alone.
    fs::write(
        dir.path().join("claude_session_id_history"),
        "b-2\na-1 clear\nb-2 resume\ngone startup\n../x y\n",
    )
    .unwrap();
    assert_eq!(names(), ["b-2", "a-1"]);
    // A directory that the agent shares.
    let shared = dir.path().join("person/projects/-w");
    fs::create_dir_all(&shared).unwrap();
    fs::write(shared.join("gone.jsonl"), "{}\n").unwrap();
    let path = shared.join("gone.jsonl").to_string_lossy().into_owned();
    fs::write(dir.path().join("claude_transcript_path"), path).unwrap();
    assert_eq!(names(), ["b-2", "a-1", "gone"]);
    let version = source.program_version(&projects.join("a-1.jsonl"));
    assert_eq!(version.as_deref(), Some("2.1.332"));
    assert_eq!(source.program_version(Path::new("/nonexistent")), None);
}

#[test]
fn an_answer_that_the_service_ended_need_not_wait_for_its_tool() {
    let mut converter = ClaudeConverter::default();
    let mut out = Vec::new();
    let line = |converter: &mut ClaudeConverter, line: &Value| {
        let mut out = Vec::new();
        converter.line(line.to_string().as_bytes(), &mut out).unwrap();
        assert_eq!(out, Vec::<Value>::new());
    };
    // Its next block may be on the way.
    let mut text = assistant("a1", "m1", json!({"type": "text", "text": "I look."}));
    text["message"]["stop_reason"] = Value::Null;
    line(&mut converter, &text);
    converter.settle(&mut out);
    assert_eq!((out.len(), converter.is_holding()), (0, true));
    line(&mut converter, &assistant("a2", "m1", tool("t1")));
    converter.settle(&mut out);
    assert_eq!(
        (told(&out), converter.is_holding()),
        (r#"agent: I look. -> Bash({"command":"ls"})"#.into(), false)
    );
    converter.finish(true, &mut out);
    assert_eq!(out.len(), 1);
}
