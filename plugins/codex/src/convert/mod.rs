//! Rollout lines become steps and observations: one step an item, its tokens with the last one of an answer.

mod item;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use mng_core::agents::transcript::{BadLine, Converter};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use self::item::Call;
pub(crate) use self::item::text_of;

/// Who writes the records.
const EMITTER: &str = "codex/common_transcript";

/// What has to be known to go on after a line.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct State {
    /// Bytes from the start of the file to the next line.
    offset: u64,
    /// Of the turn, by its `turn_context`.
    model: Option<String>,
    effort: Option<String>,
    /// Names of tools that have not answered, by call.
    calls: HashMap<String, String>,
    /// All tokens of the conversation at the last count; codex repeats counts.
    counted: Option<u64>,
    /// What the turn has failed with, if that is told already.
    error: Option<String>,
    /// Records that are complete but for the tokens of one, in order.
    held: Vec<Value>,
}

/// Converts one rollout.
#[derive(Debug)]
pub(crate) struct RolloutConverter {
    /// Starts each id: line numbers are those of one file.
    thread: String,
    /// The name of the sub-agent whose rollout it is, empty if it has none.
    sub_agent: Option<String>,
    state: State,
}

/// What is known of a line when its record is made.
struct Place<'a> {
    timestamp: &'a str,
    /// `<thread>-line-<number>`.
    id: String,
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    timestamp: std::borrow::Cow<'a, str>,
    /// Counts the lines from 0; older versions have none.
    ordinal: Option<u64>,
    #[serde(rename = "type", borrow)]
    kind: std::borrow::Cow<'a, str>,
    #[serde(default)]
    payload: Value,
}

impl RolloutConverter {
    /// Starts at byte `offset` of the rollout of `thread`.
    pub(crate) fn new(thread: &str, sub_agent: Option<String>, offset: u64) -> Self {
        Self { thread: thread.to_owned(), sub_agent, state: State { offset, ..State::default() } }
    }

    fn item(&mut self, place: &Place<'_>, payload: &Value, out: &mut Vec<Value>) {
        let kind = payload.get("type").and_then(Value::as_str).unwrap_or_default();
        match kind {
            "message" => self.message(place, payload),
            "reasoning" => {
                let text = item::reasoning(payload);
                if !text.is_empty() {
                    let mut step = self.agent_step(place, "");
                    step["reasoning_content"] = text.into();
                    self.state.held.push(step);
                }
            }
            "function_call_output" | "custom_tool_call_output" | "tool_search_output" => {
                self.output(place, payload);
            }
            _ => {
                let Some(call) = Call::read(kind, payload, &format!("{}-tc", place.id)) else { return };
                let mut step = self.agent_step(place, "");
                step["tool_calls"] = json!([call.to_value()]);
                if kind != "web_search_call" {
                    self.state.calls.insert(call.id.clone(), call.name);
                }
                self.state.held.push(step);
            }
        }
        self.release(false, out);
    }

    fn message(&mut self, place: &Place<'_>, payload: &Value) {
        let text = text_of(payload.get("content"));
        let step = match payload.get("role").and_then(Value::as_str) {
            Some("assistant") => self.agent_step(place, &text),
            Some("user") if !item::is_injected(payload, &text) => self.step(place, "user", &text),
            // Instructions that codex adds: of the developer, of the project, about the environment.
            _ => self.step(place, "system", &text),
        };
        self.state.held.push(step);
    }

    fn output(&mut self, place: &Place<'_>, payload: &Value) {
        let output = payload.get("output").or_else(|| payload.get("tools"));
        let text = match text_of(output) {
            text if text.is_empty() => match output {
                Some(Value::Array(_) | Value::Object(_)) => output.map(Value::to_string).unwrap_or_default(),
                _ => text,
            },
            text => text,
        };
        let call = payload.get("call_id").and_then(Value::as_str);
        let name = call.and_then(|call| self.state.calls.remove(call));
        let mut extra = Map::new();
        if let Some(name) = name {
            extra.insert("tool_name".into(), name.into());
        }
        extra.insert("is_error".into(), item::is_error(output, &text).into());
        let mut record = self.frame(place, "observation", "tool_result");
        record["results"] = json!([{ "source_call_id": call, "content": text, "extra": extra }]);
        self.mark(&mut record);
        self.state.held.push(record);
    }

    fn compacted(&mut self, place: &Place<'_>, payload: &Value, out: &mut Vec<Value>) {
        let mut step = self.step(place, "system", "the conversation was compacted");
        step["extra"] = json!({ "context_management": { "type": "compaction", "boundary": "replace" } });
        let summary = payload.get("message").and_then(Value::as_str).unwrap_or_default();
        if !summary.is_empty() {
            step["observation"] = json!({ "results": [{ "content": summary }] });
        }
        self.mark(&mut step);
        self.state.held.push(step);
        self.release(false, out);
    }

    fn event(&mut self, place: &Place<'_>, payload: &Value, out: &mut Vec<Value>) {
        match payload.get("type").and_then(Value::as_str).unwrap_or_default() {
            "token_count" => {
                let usage = |key: &str| payload.pointer(&format!("/info/{key}"));
                self.measure(usage("last_token_usage"), usage("total_token_usage"), out);
            }
            "error" => {
                self.error(place, payload.get("message"));
                self.release(true, out);
            }
            "task_started" | "turn_started" => self.state.error = None,
            "task_complete" | "turn_complete" | "turn_aborted" => {
                // 0.169 tells an error of the service here alone.
                self.error(place, payload.pointer("/error/message"));
                self.release(true, out);
            }
            _ => {}
        }
    }

    /// Tells what a turn failed with, once.
    fn error(&mut self, place: &Place<'_>, message: Option<&Value>) {
        let Some(message) = message.and_then(Value::as_str) else { return };
        if self.state.error.as_deref() == Some(message) {
            return;
        }
        let mut step = self.step(place, "system", message);
        step["extra"] = json!({ "is_error": true });
        self.mark(&mut step);
        self.state.held.push(step);
        self.state.error = Some(message.to_owned());
    }

    /// Gives the tokens of an answer to its last step, unless that count was there before.
    fn measure(&mut self, last: Option<&Value>, total: Option<&Value>, out: &mut Vec<Value>) {
        let total = total.and_then(|total| total.get("total_tokens")).and_then(Value::as_u64);
        if total.is_none() || total == self.state.counted {
            return;
        }
        self.state.counted = total;
        let is_open = |step: &&mut Value| step["source"] == "agent" && step.get("metrics").is_none();
        if let Some(step) = self.state.held.iter_mut().rev().find(is_open)
            && let Some(metrics) = last.and_then(item::metrics)
        {
            step["metrics"] = metrics;
            step["llm_call_count"] = 1.into();
        }
        self.release(true, out);
    }

    /// Hands over what waits: all of it, or what stands before the first step without tokens.
    fn release(&mut self, is_all: bool, out: &mut Vec<Value>) {
        let waits = |step: &Value| step["source"] == "agent";
        let count = if is_all {
            self.state.held.len()
        } else {
            self.state.held.iter().position(waits).unwrap_or(self.state.held.len())
        };
        out.extend(self.state.held.drain(..count));
    }

    fn frame(&self, place: &Place<'_>, kind: &str, suffix: &str) -> Value {
        json!({
            "type": kind,
            "event_id": format!("{}-{suffix}", place.id),
            "emitter": EMITTER,
            "timestamp": place.timestamp,
        })
    }

    fn step(&self, place: &Place<'_>, source: &str, message: &str) -> Value {
        let suffix = if source == "agent" { "assistant" } else { source };
        let mut step = self.frame(place, "step", suffix);
        step["source"] = source.into();
        step["message"] = message.into();
        self.mark(&mut step);
        step
    }

    fn agent_step(&self, place: &Place<'_>, message: &str) -> Value {
        let mut step = self.step(place, "agent", message);
        if let Some(model) = &self.state.model {
            step["model_name"] = model.as_str().into();
        }
        if let Some(effort) = &self.state.effort {
            step["reasoning_effort"] = effort.as_str().into();
        }
        step
    }

    /// Tells a sub-agent's records from those of the conversation in front.
    fn mark(&self, record: &mut Value) {
        if let Some(name) = &self.sub_agent {
            record["extra"]["is_sidechain"] = true.into();
            if !name.is_empty() {
                record["extra"]["agent_name"] = name.as_str().into();
            }
        }
    }
}

impl Converter for RolloutConverter {
    fn line(&mut self, line: &[u8], out: &mut Vec<Value>) -> Result<(), BadLine> {
        let offset = self.state.offset;
        self.state.offset += line.len() as u64 + 1;
        if line.trim_ascii().is_empty() {
            return Ok(());
        }
        let line: Line<'_> =
            serde_json::from_slice(line).map_err(|error| BadLine(format!("no record of codex: {error}")))?;
        let id = match line.ordinal {
            Some(number) => format!("{}-line-{number}", self.thread),
            None => format!("{}-at-{offset}", self.thread),
        };
        let place = Place { timestamp: &line.timestamp, id };
        let payload = &line.payload;
        match &*line.kind {
            "response_item" => self.item(&place, payload, out),
            "event_msg" => self.event(&place, payload, out),
            "compacted" => self.compacted(&place, payload, out),
            "token_usage_record" => {
                self.measure(payload.get("usage"), payload.get("thread_token_usage"), out)
            }
            "turn_context" => {
                let text = |path: &str| payload.pointer(path).and_then(Value::as_str).map(str::to_owned);
                self.state.model = text("/model").or(self.state.model.take());
                self.state.effort =
                    text("/effort").or_else(|| text("/collaboration_mode/settings/reasoning_effort"));
            }
            _ => {}
        }
        Ok(())
    }

    fn finish(&mut self, is_turn_over: bool, out: &mut Vec<Value>) {
        if is_turn_over {
            self.release(true, out);
        }
    }

    fn is_holding(&self) -> bool {
        !self.state.held.is_empty()
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
