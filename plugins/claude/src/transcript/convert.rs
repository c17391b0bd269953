//! Lines of a session file become steps and observations: one step an answer of the model, which the program
//! writes as several lines, one a block.

use std::collections::HashMap;

use mng_core::agents::transcript::{BadLine, Converter};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::record::{self, Line, Said, said, text_of};

/// Who writes the records.
const EMITTER: &str = "claude/common_transcript";

/// Converts one session file, or the original's copy of several.
#[derive(Debug, Default)]
pub(crate) struct ClaudeConverter {
    state: State,
}

/// What has to be known to go on after a line.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct State {
    /// Names of tools that have not answered, by call.
    tools: HashMap<String, String>,
    /// In order; the first is an answer that may go on.
    held: Vec<Held>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Held {
    record: Value,
    is_sidechain: bool,
    /// Of an answer that may go on.
    open: Option<String>,
}

impl Converter for ClaudeConverter {
    fn line(&mut self, line: &[u8], out: &mut Vec<Value>) -> Result<(), BadLine> {
        if line.iter().all(u8::is_ascii_whitespace) {
            return Ok(());
        }
        let line: Line = serde_json::from_slice(line).map_err(|error| BadLine(error.to_string()))?;
        match line.kind.as_str() {
            "assistant" => self.assistant(&line),
            "user" => self.user(&line),
            "system" => self.system(&line),
            // A message that was queued and joined the turn.
            "attachment" if line.attachment.get("type").and_then(Value::as_str) == Some("queued_command") => {
                let prompt = text_of(line.attachment.get("prompt").unwrap_or(&Value::Null));
                self.text(&line, prompt);
            }
            _ => {}
        }
        self.release(out);
        Ok(())
    }

    fn finish(&mut self, is_turn_over: bool, out: &mut Vec<Value>) {
        if is_turn_over {
            out.extend(self.state.held.drain(..).map(|held| held.record));
        }
    }

    fn is_holding(&self) -> bool {
        !self.state.held.is_empty()
    }

    /// An answer whose end the service has told is written down whole at once (Claude Code 2.1.332): the next
    /// line may come when a tool has run for an hour.
    fn settle(&mut self, out: &mut Vec<Value>) {
        for held in &mut self.state.held {
            if held.record.pointer("/extra/finish_reason").is_some() {
                held.open = None;
            }
        }
        self.release(out);
    }

    fn checkpoint(&self) -> Option<Value> {
        serde_json::to_value(&self.state).ok()
    }

    fn resume(&mut self, checkpoint: &Value) -> bool {
        match State::deserialize(checkpoint) {
            Ok(state) => {
                self.state = state;
                true
            }
            Err(_) => false,
        }
    }
}

impl ClaudeConverter {
    fn assistant(&mut self, line: &Line) {
        if line.is_api_error_message {
            let mut step = step(line, "assistant", "system", &line.text());
            step["extra"] = json!({ "is_error": true });
            return self.push(line, step);
        }
        let Some(id) = line.message.get("id").and_then(Value::as_str) else { return };
        let same = |held: &Held| held.open.as_deref() == Some(id) && held.is_sidechain == line.is_sidechain;
        let at = match self.state.held.iter().position(same) {
            Some(at) => at,
            None => {
                self.close(line.is_sidechain);
                let mut step = step(line, "assistant", "agent", "");
                step["llm_call_count"] = 1.into();
                let mut extra = record::extra(line);
                extra.insert("message_id".into(), id.into());
                step["extra"] = extra.into();
                let open = Some(id.to_owned());
                self.state.held.push(Held { record: step, is_sidechain: line.is_sidechain, open });
                self.state.held.len() - 1
            }
        };
        for block in line.blocks() {
            self.block(at, block);
        }
        let step = &mut self.state.held[at].record;
        if let Some(model) = line.message.get("model").and_then(Value::as_str) {
            step["model_name"] = model.into();
        }
        if let Some(reason) = line.message.get("stop_reason").and_then(Value::as_str) {
            step["extra"]["finish_reason"] = reason.into();
        }
        // Each line has the count so far; the last one is whole.
        if let Some(metrics) = line.message.get("usage").and_then(record::metrics) {
            step["metrics"] = metrics;
        }
    }

    fn block(&mut self, at: usize, block: &Value) {
        let text = |key: &str| block.get(key).and_then(Value::as_str).unwrap_or_default();
        match text("type") {
            "text" => append(&mut self.state.held[at].record, "message", text("text")),
            "thinking" if !text("thinking").is_empty() => {
                append(&mut self.state.held[at].record, "reasoning_content", text("thinking"));
            }
            "tool_use" | "server_tool_use" => {
                let (id, name) = (text("id").to_owned(), text("name").to_owned());
                let input = block.get("input").cloned().unwrap_or_else(|| json!({}));
                let arguments = if input.is_object() { input } else { json!({ "_raw": input }) };
                let call = json!({ "tool_call_id": id, "function_name": name, "arguments": arguments });
                match self.state.held[at].record.get_mut("tool_calls").and_then(Value::as_array_mut) {
                    Some(calls) => calls.push(call),
                    None => self.state.held[at].record["tool_calls"] = json!([call]),
                }
                self.state.tools.insert(id, name);
            }
            _ => {}
        }
    }

    fn user(&mut self, line: &Line) {
        if line.is_compact_summary {
            self.close(line.is_sidechain);
            let mut step = step(line, "compaction", "system", "the conversation was compacted");
            step["extra"] = json!({ "context_management": { "type": "compaction", "boundary": "replace" } });
            step["observation"] = json!({ "results": [{ "content": line.text() }] });
            return self.push(line, step);
        }
        for block in line.blocks() {
            if block.get("type").and_then(Value::as_str) == Some("tool_result") {
                self.tool_result(line, block);
            }
        }
        let text = line.text();
        if !text.is_empty() {
            self.text(line, text);
        }
    }

    fn text(&mut self, line: &Line, text: String) {
        let step = match said(text) {
            Said::Plumbing => return,
            Said::ByUser(text) if line.is_meta => step(line, "meta", "system", &text),
            Said::ByUser(text) => step(line, "user", "user", &text),
            Said::ByProgram(text) => step(line, "user", "system", &text),
        };
        self.close(line.is_sidechain);
        self.push(line, step);
    }

    fn tool_result(&mut self, line: &Line, block: &Value) {
        let Some(call) = block.get("tool_use_id").and_then(Value::as_str) else { return };
        let mut extra = record::extra(line);
        if let Some(name) = self.state.tools.remove(call) {
            extra.insert("tool_name".into(), name.into());
        }
        let is_error = block.get("is_error").and_then(Value::as_bool).unwrap_or(false);
        extra.insert("is_error".into(), is_error.into());
        let content = text_of(block.get("content").unwrap_or(&Value::Null));
        let mut record = frame(line, "observation", &format!("tool_result-{call}"));
        record["results"] = json!([{ "source_call_id": call, "content": content, "extra": extra }]);
        self.state.held.push(Held { record, is_sidechain: line.is_sidechain, open: None });
    }

    fn system(&mut self, line: &Line) {
        match line.subtype.as_deref() {
            Some("turn_duration" | "stop_hook_summary" | "compact_boundary") => self.close(line.is_sidechain),
            _ if matches!(line.level.as_deref(), Some("warning" | "error")) => {
                if let Some(text) = line.content.as_str().filter(|text| !text.is_empty()) {
                    let step = step(line, "system", "system", text);
                    self.push(line, step);
                }
            }
            _ => {}
        }
    }

    fn push(&mut self, line: &Line, mut record: Value) {
        let extra = record::extra(line);
        match record.get_mut("extra").and_then(Value::as_object_mut) {
            Some(there) => there.extend(extra),
            None if extra.is_empty() => {}
            None => record["extra"] = extra.into(),
        }
        self.state.held.push(Held { record, is_sidechain: line.is_sidechain, open: None });
    }

    /// The answer of the main conversation, or of a sub-agent, is complete.
    fn close(&mut self, is_sidechain: bool) {
        for held in self.state.held.iter_mut().filter(|held| held.is_sidechain == is_sidechain) {
            held.open = None;
        }
    }

    /// Hands over what stands before the first answer that may go on.
    fn release(&mut self, out: &mut Vec<Value>) {
        let is_open = |held: &Held| held.open.is_some();
        let count = self.state.held.iter().position(is_open).unwrap_or(self.state.held.len());
        out.extend(self.state.held.drain(..count).map(|held| held.record));
    }
}

fn frame(line: &Line, kind: &str, suffix: &str) -> Value {
    json!({
        "type": kind,
        "event_id": format!("{}-{suffix}", line.uuid.as_deref().unwrap_or("unknown")),
        "emitter": EMITTER,
        "timestamp": line.timestamp,
    })
}

fn step(line: &Line, suffix: &str, source: &str, message: &str) -> Value {
    let mut step = frame(line, "step", suffix);
    step["source"] = source.into();
    step["message"] = message.into();
    step
}

/// Adds a block to a text: blocks stand apart.
fn append(step: &mut Value, key: &str, text: &str) {
    let joined = match step.get(key).and_then(Value::as_str) {
        None | Some("") => text.to_owned(),
        Some(before) => format!("{before}\n\n{text}"),
    };
    step[key] = joined.into();
}
