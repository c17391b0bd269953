//! The log of our plug-in: one message of the program a line, when it is complete.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use mng_core::Result;
use mng_core::agents::mirror::{FilePart, WatchedFile};
use mng_core::agents::transcript::{BadLine, Converter, TranscriptSource};
use mng_core::storage;
use serde_json::{Map, Value, json};

/// Relative to the state dir.
pub(crate) const LOG: &str = "logs/opencode_transcript/events.jsonl";

const EMITTER: &str = "opencode/common_transcript";

#[derive(Debug)]
pub(crate) struct Messages {
    pub(crate) is_kept: bool,
}

impl TranscriptSource for Messages {
    fn name(&self) -> &'static str {
        "opencode"
    }

    fn sessions(&self, state_dir: &Path) -> Result<Vec<PathBuf>> {
        let log = state_dir.join(LOG);
        Ok(log.exists().then_some(log).into_iter().collect())
    }

    fn files(&self) -> Vec<WatchedFile> {
        vec![WatchedFile::new(LOG, FilePart::All)]
    }

    fn converter(&self, _session: &Path) -> Box<dyn Converter> {
        Box::new(MessageConverter)
    }

    fn program_version(&self, session: &Path) -> Option<String> {
        const END: u64 = 1024 * 1024;
        let length = std::fs::metadata(session).ok()?.len();
        let tail = storage::read_range(session, length.saturating_sub(END), END as usize).ok()??;
        tail.split(|byte| *byte == b'\n').rev().find_map(|line| {
            serde_json::from_slice::<Value>(line).ok()?.get("version")?.as_str().map(str::to_owned)
        })
    }

    fn is_kept(&self) -> bool {
        self.is_kept
    }
}

/// Every line stands for itself.
struct MessageConverter;

impl Converter for MessageConverter {
    fn line(&mut self, line: &[u8], out: &mut Vec<Value>) -> Result<(), BadLine> {
        let message: Value = serde_json::from_slice(line).map_err(|error| BadLine(error.to_string()))?;
        // The original's records of this file are of other types.
        if text(&message, "/type") == Some("message") {
            convert(&message, out).ok_or_else(|| BadLine("a message without id, role or time".into()))?;
        }
        Ok(())
    }

    fn finish(&mut self, _is_turn_over: bool, _out: &mut Vec<Value>) {}

    fn checkpoint(&self) -> Option<Value> {
        Some(Value::Null)
    }

    fn resume(&mut self, _checkpoint: &Value) -> bool {
        true
    }
}

fn text<'v>(value: &'v Value, at: &str) -> Option<&'v str> {
    value.pointer(at)?.as_str()
}

fn parts(message: &Value) -> impl Iterator<Item = &Value> {
    message.get("parts").and_then(Value::as_array).into_iter().flatten()
}

/// What a person or the model said in a message: its own texts, not those that the program adds.
pub(crate) fn text_of(message: &Value) -> String {
    let said: Vec<&str> = parts(message)
        .filter(|part| !is_added(part))
        .filter_map(|part| match text(part, "/type")? {
            "text" => text(part, "/text"),
            "file" if text(part, "/mime").is_some_and(|mime| mime.starts_with("image/")) => {
                Some("[image omitted]")
            }
            _ => None,
        })
        .filter(|said| !said.is_empty())
        .collect();
    said.join("\n\n")
}

fn is_added(part: &Value) -> bool {
    ["synthetic", "ignored"].iter().any(|key| part.get(key).and_then(Value::as_bool) == Some(true))
}

fn time(milliseconds: &Value) -> Option<String> {
    Some(format!("{:.3}", Timestamp::from_millisecond(milliseconds.as_i64()?).ok()?))
}

/// Appends the records of a message; `None` if it has not the program's shape.
fn convert(message: &Value, out: &mut Vec<Value>) -> Option<()> {
    let info = message.get("info")?;
    let id = text(info, "/id")?;
    let created = time(info.pointer("/time/created")?)?;
    let mut extra = Map::new();
    extra.insert("message_id".into(), json!(id));
    if let Some(session) = text(info, "/sessionID") {
        extra.insert("conversation_id".into(), json!(session));
    }
    if text(message, "/parent").is_some() {
        extra.insert("is_sidechain".into(), json!(true));
    }
    match text(info, "/role")? {
        "user" => out.push(json!({
            "type": "step",
            "event_id": format!("{id}-user"),
            "emitter": EMITTER,
            "timestamp": created,
            "source": "user",
            "message": text_of(message),
            "extra": extra,
        })),
        "assistant" => {
            out.push(step(message, info, id, &created, extra));
            out.extend(parts(message).filter_map(|part| observation(part, &created)));
        }
        _ => return None,
    }
    Some(())
}

fn step(message: &Value, info: &Value, id: &str, created: &str, mut extra: Map<String, Value>) -> Value {
    let mut step = Map::new();
    step.insert("type".into(), json!("step"));
    step.insert("event_id".into(), json!(format!("{id}-assistant")));
    step.insert("emitter".into(), json!(EMITTER));
    step.insert("timestamp".into(), json!(created));
    step.insert("source".into(), json!("agent"));
    step.insert("message".into(), json!(text_of(message)));
    if let Some(model) = text(info, "/modelID") {
        step.insert("model_name".into(), json!(model));
    }
    if let Some(effort) = text(info, "/variant") {
        step.insert("reasoning_effort".into(), json!(effort));
    }
    let thought: Vec<&str> = parts(message)
        .filter(|part| text(part, "/type") == Some("reasoning"))
        .filter_map(|part| text(part, "/text").filter(|thought| !thought.is_empty()))
        .collect();
    if !thought.is_empty() {
        step.insert("reasoning_content".into(), json!(thought.join("\n\n")));
    }
    let calls: Vec<Value> = parts(message).filter_map(call).collect();
    if !calls.is_empty() {
        step.insert("tool_calls".into(), json!(calls));
    }
    if let Some(metrics) = metrics(info) {
        step.insert("metrics".into(), metrics);
    }
    step.insert("llm_call_count".into(), json!(1));
    if let Some(reason) = text(info, "/finish") {
        extra.insert("finish_reason".into(), json!(reason));
    }
    if let Some(name) = text(info, "/error/name") {
        let said = text(info, "/error/data/message").map(|said| format!(": {said}")).unwrap_or_default();
        extra.insert("error".into(), json!(format!("{name}{said}")));
    }
    step.insert("extra".into(), Value::Object(extra));
    Value::Object(step)
}

fn call(part: &Value) -> Option<Value> {
    let (id, name) = tool(part)?;
    let arguments = match part.pointer("/state/input") {
        Some(input @ Value::Object(_)) => input.clone(),
        Some(other) => json!({ "_raw": other }),
        None => json!({}),
    };
    Some(json!({ "tool_call_id": id, "function_name": name, "arguments": arguments }))
}

fn tool(part: &Value) -> Option<(&str, &str)> {
    (text(part, "/type") == Some("tool")).then_some(())?;
    Some((text(part, "/callID")?, text(part, "/tool")?))
}

/// What a tool answered; `None` for a call that never came to an end.
fn observation(part: &Value, created: &str) -> Option<Value> {
    let (call, name) = tool(part)?;
    let is_error = match text(part, "/state/status")? {
        "completed" => false,
        "error" => true,
        _ => return None,
    };
    let content = if is_error { text(part, "/state/error") } else { text(part, "/state/output") };
    let ended = part.pointer("/state/time/end").and_then(time);
    Some(json!({
        "type": "observation",
        "event_id": format!("{}-tool_result", text(part, "/id")?),
        "emitter": EMITTER,
        "timestamp": ended.as_deref().unwrap_or(created),
        "results": [{
            "source_call_id": call,
            "content": content.unwrap_or_default(),
            "extra": { "tool_name": name, "is_error": is_error },
        }],
    }))
}

/// Tokens and cost; `None` if the program counted none.
fn metrics(info: &Value) -> Option<Value> {
    let count = |at: &str| info.pointer(at).and_then(Value::as_u64).unwrap_or_default();
    let (read, written) = (count("/tokens/cache/read"), count("/tokens/cache/write"));
    let prompt = count("/tokens/input") + read + written;
    let reasoning = count("/tokens/reasoning");
    let completion = count("/tokens/output") + reasoning;
    if prompt + completion == 0 {
        return None;
    }
    let mut metrics = Map::new();
    metrics.insert("prompt_tokens".into(), json!(prompt));
    metrics.insert("completion_tokens".into(), json!(completion));
    metrics.insert("cached_tokens".into(), json!(read));
    if let Some(cost) = info.get("cost").and_then(Value::as_f64).filter(|cost| *cost > 0.0) {
        metrics.insert("cost_usd".into(), json!(cost));
    }
    metrics.insert("extra".into(), json!({ "cache_write_tokens": written, "reasoning_tokens": reasoning }));
    Some(Value::Object(metrics))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What our plug-in wrote in OpenCode 1.18.33: two tool calls, one allowed and one refused.
    const RECORDED: &str = include_str!("recorded/turns_1.18.33.jsonl");

    fn records(lines: &str) -> Vec<Value> {
        let mut out = Vec::new();
        for line in lines.lines() {
            MessageConverter.line(line.as_bytes(), &mut out).unwrap();
        }
        out
    }

    #[test]
    fn a_recorded_conversation() {
        let short: Vec<String> = records(RECORDED)
            .iter()
            .map(|record| {
                let said = record["message"].as_str().or(record["results"][0]["content"].as_str());
                let source = record["source"].as_str().unwrap_or("tool");
                let calls = record["tool_calls"].as_array().map_or(0, Vec::len);
                format!("{} {source} {:?} {calls}", record["timestamp"].as_str().unwrap(), said.unwrap())
            })
            .collect();
        insta::assert_snapshot!(short.join("\n"), @r##"
        2026-11-25T13:37:54.949Z user "stub:tool bash {\"command\":\"echo hi; sleep 1\",\"description\":\"say hi\"}" 0
        2026-11-25T13:37:55.712Z agent "" 1
        2026-11-25T13:38:22.646Z tool "hi\n" 0
        2026-11-25T13:38:22.713Z agent "stub: tool done: hi\n" 0
        2026-11-25T13:38:30.157Z user "stub:tool bash {\"command\":\"echo hi; sleep 1\",\"description\":\"say hi\"}" 0
        2026-11-25T13:38:31.038Z agent "" 1
        2026-11-25T13:38:38.108Z tool "The user rejected permission to use this specific tool call." 0
        "##);
    }

    #[test]
    fn a_step_with_a_call_and_its_result() {
        let records = records(RECORDED);
        let at = records.iter().position(|record| record["type"] == "observation").unwrap();
        insta::assert_json_snapshot!(records[at - 1..=at], @r##"
        [
          {
            "type": "step",
            "event_id": "msg_212ed5e00001UBfCONIqSum64g-assistant",
            "emitter": "opencode/common_transcript",
            "timestamp": "2026-11-25T13:37:55.712Z",
            "source": "agent",
            "message": "",
            "model_name": "m",
            "tool_calls": [
              {
                "tool_call_id": "toolu_stub000036",
                "function_name": "bash",
                "arguments": {
                  "command": "echo hi; sleep 1",
                  "description": "say hi"
                }
              }
            ],
            "metrics": {
              "prompt_tokens": 10,
              "completion_tokens": 5,
              "cached_tokens": 0,
              "extra": {
                "cache_write_tokens": 0,
                "reasoning_tokens": 0
              }
            },
            "llm_call_count": 1,
            "extra": {
              "message_id": "msg_212ed5e00001UBfCONIqSum64g",
              "conversation_id": "ses_aaaaaaaaaaaaaaaaaaaaaaaaaa",
              "finish_reason": "tool-calls"
            }
          },
          {
            "type": "observation",
            "event_id": "prt_212ed690b001AhE0v3s4qc51VF-tool_result",
            "emitter": "opencode/common_transcript",
            "timestamp": "2026-11-25T13:38:22.646Z",
            "results": [
              {
                "source_call_id": "toolu_stub000036",
                "content": "hi\n",
                "extra": {
                  "tool_name": "bash",
                  "is_error": false
                }
              }
            ]
          }
        ]
        "##);
    }

    #[test]
    fn the_version_is_the_last_ones() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("events.jsonl");
        std::fs::write(&file, format!("{RECORDED}{{\"type\":\"message\",\"version\":\"1.19.0\"}}\n"))
            .unwrap();
        assert_eq!(Messages { is_kept: true }.program_version(&file).as_deref(), Some("1.19.0"));
    }

    #[test]
    fn lines_of_others_are_passed_over_and_broken_ones_told() {
        let mut out = Vec::new();
        MessageConverter.line(br#"{"type":"session.idle","properties":{}}"#, &mut out).unwrap();
        assert!(out.is_empty());
        assert!(MessageConverter.line(b"{", &mut out).is_err());
        assert!(MessageConverter.line(br#"{"type":"message","info":{}}"#, &mut out).is_err());
    }

    #[test]
    fn what_the_program_adds_is_not_what_was_said() {
        let message = json!({"parts": [
            {"type": "text", "text": "look"},
            {"type": "text", "text": "<system>", "synthetic": true},
            {"type": "file", "mime": "image/png", "url": "data:"},
        ]});
        assert_eq!(text_of(&message), "look\n\n[image omitted]");
    }

    proptest! {
        #[test]
        fn no_line_breaks_the_converter(at in 0..RECORDED.len(), byte in any::<u8>()) {
            let mut bytes = RECORDED.as_bytes().to_vec();
            bytes[at] = byte;
            let mut out = Vec::new();
            for line in bytes.split(|byte| *byte == b'\n') {
                let _ = MessageConverter.line(line, &mut out);
            }
        }
    }
}
