//! The session files: one entry a line, version 3 of the format.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use mng_core::agents::mirror::{FilePart, WatchedFile};
use mng_core::agents::transcript::{BadLine, Converter, TranscriptSource};
use mng_core::model::order;
use mng_core::{Error, Result};
use serde_json::{Map, Value, json};

use crate::provision::SESSIONS;

/// The session files, as a pattern below the state dir.
pub(crate) const SESSION_FILES: &str = "plugin/pi_coding/sessions/*/*.jsonl";

const EMITTER: &str = "pi-coding/common_transcript";

#[derive(Debug)]
pub(crate) struct Sessions {
    pub(crate) is_kept: bool,
}

impl TranscriptSource for Sessions {
    fn name(&self) -> &'static str {
        "pi-coding"
    }

    fn sessions(&self, state_dir: &Path) -> Result<Vec<PathBuf>> {
        files_in(&state_dir.join(SESSIONS))
    }

    fn files(&self) -> Vec<WatchedFile> {
        vec![WatchedFile::new(SESSION_FILES, FilePart::All)]
    }

    fn converter(&self, session: &Path) -> Box<dyn Converter> {
        let stem = session.file_stem().unwrap_or_default().to_string_lossy();
        let id = stem.rsplit('_').next().unwrap_or_default().to_owned();
        Box::new(EntryConverter { session: id })
    }

    fn is_kept(&self) -> bool {
        self.is_kept
    }
}

/// `DIR/--WORK-DIR--/TIME_UUID.jsonl`: the names sort by the time at which they began.
pub(crate) fn files_in(store: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for dir in list(store)? {
        if dir.is_dir() {
            let inside = list(&dir)?;
            files
                .extend(inside.into_iter().filter(|file| file.extension().is_some_and(|ext| ext == "jsonl")));
        }
    }
    order::sort_by(&mut files, |one, two| one.file_name().cmp(&two.file_name()));
    Ok(files)
}

fn list(dir: &Path) -> Result<Vec<PathBuf>> {
    let failed = |error| Error::io(format!("list `{}`", dir.display()), error);
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    entries.map(|entry| entry.map(|entry| entry.path()).map_err(failed)).collect()
}

/// Every line stands for itself.
struct EntryConverter {
    session: String,
}

impl Converter for EntryConverter {
    fn line(&mut self, line: &[u8], out: &mut Vec<Value>) -> Result<(), BadLine> {
        let entry: Value = serde_json::from_slice(line).map_err(|error| BadLine(error.to_string()))?;
        let Some(kind) = text(&entry, "/type") else { return Err(BadLine("an entry without type".into())) };
        if !matches!(kind, "message" | "compaction" | "branch_summary" | "custom_message") {
            return Ok(());
        }
        self.convert(&entry, kind, out).ok_or_else(|| BadLine(format!("a malformed entry of type {kind}")))
    }

    fn finish(&mut self, _is_turn_over: bool, _out: &mut Vec<Value>) {}

    fn checkpoint(&self) -> Option<Value> {
        Some(Value::Null)
    }

    fn resume(&mut self, _checkpoint: &Value) -> bool {
        true
    }
}

impl EntryConverter {
    /// Appends the records of an entry; `None` if it has not the program's shape.
    fn convert(&self, entry: &Value, kind: &str, out: &mut Vec<Value>) -> Option<()> {
        let id = text(entry, "/id")?;
        let at = text(entry, "/timestamp")?.parse::<Timestamp>().ok()?;
        let frame = Frame { id, at: format!("{at:.3}"), session: &self.session };
        match kind {
            "message" => message(&frame, entry.get("message")?, out),
            "compaction" => {
                let mut step = frame.step("compaction", "system", "the conversation was compacted");
                step["extra"]["context_management"] = json!({ "type": "compaction", "boundary": "replace" });
                out.push(with_observation(step, text(entry, "/summary")?));
                Some(())
            }
            "branch_summary" => {
                let step = frame.step("branch", "system", "another branch of the conversation was left");
                out.push(with_observation(step, text(entry, "/summary")?));
                Some(())
            }
            _ => {
                out.push(frame.step("custom", "system", &said(entry.get("content")?)));
                Some(())
            }
        }
    }
}

/// What all records of an entry have in common.
struct Frame<'a> {
    id: &'a str,
    at: String,
    session: &'a str,
}

impl Frame<'_> {
    fn step(&self, what: &str, source: &str, message: &str) -> Value {
        json!({
            "type": "step",
            "event_id": format!("pi-{}-{what}", self.id),
            "emitter": EMITTER,
            "timestamp": self.at,
            "source": source,
            "message": message,
            "extra": { "message_id": self.id, "conversation_id": self.session },
        })
    }
}

/// Only system steps hold what came of them.
fn with_observation(mut step: Value, content: &str) -> Value {
    step["observation"] = json!({ "results": [{ "content": content }] });
    step
}

fn message(frame: &Frame<'_>, message: &Value, out: &mut Vec<Value>) -> Option<()> {
    match text(message, "/role")? {
        "user" => out.push(frame.step("user", "user", &said(message.get("content")?))),
        "assistant" => out.push(assistant(frame, message)?),
        "toolResult" => out.push(json!({
            "type": "observation",
            "event_id": format!("pi-{}-tool_result", frame.id),
            "emitter": EMITTER,
            "timestamp": frame.at,
            "results": [{
                "source_call_id": text(message, "/toolCallId")?,
                "content": said(message.get("content")?),
                "extra": {
                    "tool_name": text(message, "/toolName")?,
                    "is_error": message.get("isError").and_then(Value::as_bool).unwrap_or_default(),
                },
            }],
        })),
        "bashExecution" => {
            let step = frame.step("bash", "system", &format!("! {}", text(message, "/command")?));
            out.push(with_observation(step, text(message, "/output").unwrap_or_default()));
        }
        // Bookkeeping.
        _ => {}
    }
    Some(())
}

fn assistant(frame: &Frame<'_>, message: &Value) -> Option<Value> {
    let content = message.get("content")?;
    let mut step = frame.step("assistant", "agent", &said(content));
    if let Some(model) = text(message, "/model") {
        step["model_name"] = json!(model);
    }
    let blocks = || content.as_array().into_iter().flatten();
    let thought: Vec<&str> = blocks()
        .filter(|block| text(block, "/type") == Some("thinking"))
        .filter_map(|block| text(block, "/thinking").filter(|thought| !thought.is_empty()))
        .collect();
    if !thought.is_empty() {
        step["reasoning_content"] = json!(thought.join("\n\n"));
    }
    let calls: Vec<Value> = blocks().filter_map(call).collect();
    if !calls.is_empty() {
        step["tool_calls"] = json!(calls);
    }
    if let Some(metrics) = message.get("usage").and_then(metrics) {
        step["metrics"] = metrics;
    }
    step["llm_call_count"] = json!(1);
    for (key, at) in [("finish_reason", "/stopReason"), ("error", "/errorMessage")] {
        if let Some(told) = text(message, at) {
            step["extra"][key] = json!(told);
        }
    }
    Some(step)
}

fn call(block: &Value) -> Option<Value> {
    (text(block, "/type") == Some("toolCall")).then_some(())?;
    let arguments = match block.get("arguments") {
        Some(arguments @ Value::Object(_)) => arguments.clone(),
        Some(other) => json!({ "_raw": other }),
        None => json!({}),
    };
    Some(json!({
        "tool_call_id": text(block, "/id")?,
        "function_name": text(block, "/name")?,
        "arguments": arguments,
    }))
}

/// Tokens and cost; `None` if the program counted none.
fn metrics(usage: &Value) -> Option<Value> {
    let count = |key: &str| usage.get(key).and_then(Value::as_u64).unwrap_or_default();
    let (read, written) = (count("cacheRead"), count("cacheWrite"));
    let (prompt, completion) = (count("input") + read + written, count("output"));
    if prompt + completion == 0 {
        return None;
    }
    let mut metrics = Map::new();
    metrics.insert("prompt_tokens".into(), json!(prompt));
    metrics.insert("completion_tokens".into(), json!(completion));
    metrics.insert("cached_tokens".into(), json!(read));
    if let Some(cost) = usage.pointer("/cost/total").and_then(Value::as_f64).filter(|cost| *cost > 0.0) {
        metrics.insert("cost_usd".into(), json!(cost));
    }
    metrics.insert("extra".into(), json!({ "cache_write_tokens": written }));
    Some(Value::Object(metrics))
}

fn text<'v>(value: &'v Value, at: &str) -> Option<&'v str> {
    value.pointer(at)?.as_str()
}

/// The texts of a content: a string, or blocks.
fn said(content: &Value) -> String {
    if let Some(text) = content.as_str() {
        return text.to_owned();
    }
    let blocks = content.as_array().into_iter().flatten();
    let texts: Vec<&str> = blocks
        .filter_map(|block| match text(block, "/type")? {
            "text" => text(block, "/text"),
            "image" => Some("[image omitted]"),
            _ => None,
        })
        .filter(|text| !text.is_empty())
        .collect();
    texts.join("\n\n")
}

/// What an entry says, if it is a message of the user's.
pub(crate) fn user_text(entry: &Value) -> Option<String> {
    (text(entry, "/type") == Some("message") && text(entry, "/message/role") == Some("user")).then_some(())?;
    Some(said(entry.pointer("/message/content")?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A session of pi 0.74.2: a tool call, and a message that came in while it ran.
    const RECORDED: &str = include_str!("recorded/steered_0.74.2.jsonl");

    fn records(lines: &str) -> Vec<Value> {
        let mut out = Vec::new();
        for line in lines.lines() {
            EntryConverter { session: "s".into() }.line(line.as_bytes(), &mut out).unwrap();
        }
        out
    }

    #[test]
    fn a_recorded_session() {
        let short: Vec<String> = records(RECORDED)
            .iter()
            .map(|record| {
                let said = record["message"].as_str().or(record["results"][0]["content"].as_str());
                let source = record["source"].as_str().unwrap_or("tool");
                format!("{} {source} {:?}", record["event_id"].as_str().unwrap(), said.unwrap())
            })
            .collect();
        insta::assert_snapshot!(short.join("\n"), @r##"
        pi-aa9e71c5-user user "stub:tool bash {\"command\":\"sleep 2; echo done\"}"
        pi-b5a43e0f-assistant agent ""
        pi-26a1d429-tool_result tool "done\n"
        pi-2521492f-user user "stub:say steered"
        pi-633b5f14-assistant agent "steered"
        "##);
    }

    #[test]
    fn a_step_with_a_call() {
        insta::assert_json_snapshot!(records(RECORDED)[1], @r##"
        {
          "type": "step",
          "event_id": "pi-b5a43e0f-assistant",
          "emitter": "pi-coding/common_transcript",
          "timestamp": "2026-11-25T13:54:25.565Z",
          "source": "agent",
          "message": "",
          "extra": {
            "message_id": "b5a43e0f",
            "conversation_id": "s",
            "finish_reason": "toolUse"
          },
          "model_name": "m",
          "tool_calls": [
            {
              "tool_call_id": "toolu_stub000044",
              "function_name": "bash",
              "arguments": {
                "command": "sleep 2; echo done"
              }
            }
          ],
          "metrics": {
            "prompt_tokens": 10,
            "completion_tokens": 5,
            "cached_tokens": 0,
            "extra": {
              "cache_write_tokens": 0
            }
          },
          "llm_call_count": 1
        }
        "##);
    }

    #[test]
    fn entries_of_other_kinds() {
        let lines = [
            json!({"type": "compaction", "id": "1", "timestamp": "2026-11-25T13:54:24.5Z", "summary": "all"}),
            json!({"type": "message", "id": "2", "timestamp": "2026-11-25T13:54:24Z", "message":
                {"role": "bashExecution", "command": "ls", "output": "a\n", "exitCode": 0}}),
            json!({"type": "label", "id": "3", "timestamp": "2026-11-25T13:54:24Z", "targetId": "1"}),
            json!({"type": "message", "id": "4", "timestamp": "2026-11-25T13:54:24Z", "message":
                {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm"}], "model": "m",
                 "stopReason": "error", "errorMessage": "529 overloaded"}}),
        ];
        let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
        let records = records(&lines.join("\n"));
        assert_eq!(records.len(), 3);
        assert_eq!(records[0]["extra"]["context_management"]["type"], "compaction");
        assert_eq!(records[0]["observation"]["results"][0]["content"], "all");
        assert_eq!(records[1]["message"], "! ls");
        assert_eq!(records[2]["reasoning_content"], "hm");
        assert_eq!(records[2]["extra"]["error"], "529 overloaded");
        assert!(records[2].get("metrics").is_none(), "nothing was counted");
    }

    #[test]
    fn broken_lines_are_told() {
        let mut out = Vec::new();
        let mut converter = EntryConverter { session: "s".into() };
        for line in
            ["{", "{}", r#"{"type":"message","id":"1"}"#, r#"{"type":"compaction","id":"1","timestamp":"x"}"#]
        {
            assert!(converter.line(line.as_bytes(), &mut out).is_err(), "{line}");
        }
        assert!(out.is_empty());
    }

    proptest! {
        #[test]
        fn no_line_breaks_the_converter(at in 0..RECORDED.len(), byte in any::<u8>()) {
            let mut bytes = RECORDED.as_bytes().to_vec();
            bytes[at] = byte;
            let mut out = Vec::new();
            for line in bytes.split(|byte| *byte == b'\n') {
                let _ = EntryConverter { session: "s".into() }.line(line, &mut out);
            }
        }
    }
}
