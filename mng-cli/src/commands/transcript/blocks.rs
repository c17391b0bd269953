//! How a person sees a record: a line that says who and when, and what was said.

use std::io;

use mng_core::model::printing::visible;
use serde_json::Value;

use crate::ui::{Out, Style};

/// Characters shown of a tool's input, of its output, of thinking, and of what the program tells itself: the
/// standing instructions of some fill screens before the first word of a person.
const INPUT: usize = 200;
const OUTPUT: usize = 2000;
const THINKING: usize = 500;
const SYSTEM: usize = 500;

/// One paragraph of the transcript.
#[derive(Debug)]
pub(super) struct Block {
    head: String,
    lines: String,
}

impl Block {
    pub(super) fn write(&self, out: &mut Out<'_>) -> io::Result<()> {
        let head = out.paint(&self.head, Style::Bold).into_owned();
        out.line(format_args!("{head}"))?;
        out.line(format_args!("{}", self.lines))
    }
}

/// The blocks of a record: one for each thing said.
pub(super) fn of(record: &Value, is_full: bool) -> Vec<Block> {
    let cut = |text: &str, most: usize| if is_full { text.to_owned() } else { cut(text, most) };
    let time = time(record);
    match (text(record, "type"), text(record, "source")) {
        (Some("step"), Some(source)) => {
            let mut lines: Vec<String> = Vec::new();
            if let Some(thinking) = text(record, "reasoning_content").filter(|text| !text.trim().is_empty()) {
                lines.push(format!("  (thinking) {}", printable(&cut(thinking, THINKING))));
            }
            let message = content(record.get("message"));
            if !message.trim().is_empty() {
                let most = if source == "system" { SYSTEM } else { usize::MAX };
                lines.push(printable(&cut(&message, most)));
            }
            for call in list(record, "tool_calls") {
                let name = text(call, "function_name").unwrap_or("unknown");
                let input = call.get("arguments").map(Value::to_string).unwrap_or_default();
                lines.push(format!("  -> {}({})", visible(name), printable(&cut(&input, INPUT))));
            }
            let results = record.get("observation").map(|found| list(found, "results")).unwrap_or_default();
            lines.extend(
                results.iter().map(|result| printable(&cut(&content(result.get("content")), OUTPUT))),
            );
            if lines.is_empty() {
                lines.push("(no content)".into());
            }
            let who = sub_agent(&[record]);
            vec![Block { head: format!("{time}{}{who}:", visible(source)), lines: lines.join("\n") }]
        }
        (Some("observation"), _) => list(record, "results")
            .iter()
            .map(|result| {
                let extra = result.get("extra").unwrap_or(&Value::Null);
                let name = text(extra, "tool_name").unwrap_or("unknown");
                let is_error = extra.get("is_error").and_then(Value::as_bool).unwrap_or(false);
                let mark = if is_error { " [ERROR]" } else { "" };
                let output = content(result.get("content"));
                let lines =
                    if output.is_empty() { "(no content)".into() } else { printable(&cut(&output, OUTPUT)) };
                let who = sub_agent(&[record, result]);
                Block { head: format!("{time}tool ({}){who}{mark}:", visible(name)), lines }
            })
            .collect(),
        _ => vec![Block { head: format!("{time}record:"), lines: record.to_string() }],
    }
}

/// ` (sub-agent NAME)` if one of the values says so: it is not of the conversation with the person.
fn sub_agent(values: &[&Value]) -> String {
    let mut extras = values.iter().filter_map(|value| value.get("extra"));
    let is_sub_agents = |extra: &&Value| extra.get("is_sidechain").and_then(Value::as_bool) == Some(true);
    match extras.find(is_sub_agents).map(|extra| text(extra, "agent_name")) {
        Some(Some(name)) => format!(" (sub-agent {})", visible(name)),
        Some(None) => " (sub-agent)".to_owned(),
        None => String::new(),
    }
}

fn text<'v>(value: &'v Value, key: &str) -> Option<&'v str> {
    value.get(key)?.as_str()
}

fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// `[2026-11-25T13:16:53Z] `: to the second.
fn time(record: &Value) -> String {
    let Some(time) = text(record, "timestamp") else { return String::new() };
    match time.parse::<mng_core::model::time::Time>() {
        Ok(time) => format!("[{:.0}] ", time.timestamp()),
        Err(_) => format!("[{}] ", visible(time)),
    }
}

/// Text, or the texts of a list of parts.
fn content(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => {
            let part = |part: &Value| text(part, "text").map_or_else(|| part.to_string(), str::to_owned);
            parts.iter().map(part).collect::<Vec<_>>().join("\n")
        }
        Some(other) => other.to_string(),
    }
}

fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text.to_owned(),
    }
}

/// Line ends and tabs stay; any other control character shows as its escape, so that what a tool printed
/// does not move the cursor.
fn printable(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    let text = text.trim_end_matches('\n');
    let is_plain = |ch: char| !ch.is_control() || matches!(ch, '\n' | '\t');
    if text.chars().all(is_plain) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    for ch in text.chars() {
        if is_plain(ch) { out.push(ch) } else { out.extend(ch.escape_default()) }
    }
    out
}
