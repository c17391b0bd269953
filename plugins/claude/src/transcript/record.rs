//! One line of a session file, as far as it matters (Claude Code 2.1.330 to 2.1.332).

use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Texts in the person's name that the program puts there around slash commands.
const PLUMBING: [&str; 5] = [
    "<command-name>",
    "<command-message>",
    "<local-command-stdout>",
    "<local-command-stderr>",
    "<local-command-caveat>",
];

/// Texts in the person's name that are the program's.
const INJECTED: [&str; 4] =
    ["[Request interrupted by user", "<bash-stdout>", "<task-notification>", "<system-reminder>"];

/// A line. Fields of other versions are left out.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Line {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) subtype: Option<String>,
    #[serde(default)]
    pub(super) uuid: Option<String>,
    #[serde(default)]
    pub(super) timestamp: Option<String>,
    #[serde(default)]
    pub(super) is_sidechain: bool,
    /// Of a sub-agent.
    #[serde(default)]
    pub(super) agent_id: Option<String>,
    #[serde(default)]
    pub(super) is_meta: bool,
    #[serde(default)]
    pub(super) is_compact_summary: bool,
    #[serde(default)]
    pub(super) is_api_error_message: bool,
    #[serde(default)]
    pub(super) level: Option<String>,
    #[serde(default)]
    pub(super) message: Value,
    #[serde(default)]
    pub(super) content: Value,
    #[serde(default)]
    pub(super) attachment: Value,
}

impl Line {
    pub(super) fn text(&self) -> String {
        text_of(self.message.get("content").unwrap_or(&Value::Null))
    }

    pub(super) fn blocks(&self) -> &[Value] {
        self.message.get("content").and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }
}

/// Who says a text that stands in the person's name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    ByUser(String),
    ByProgram(String),
    /// Of no interest.
    Plumbing,
}

pub(super) fn said(text: String) -> Said {
    let start = text.trim_start();
    if PLUMBING.iter().any(|tag| start.starts_with(tag)) {
        return Said::Plumbing;
    }
    if let Some(command) = start.strip_prefix("<bash-input>") {
        let command = command.trim_end().strip_suffix("</bash-input>").unwrap_or(command);
        return Said::ByUser(format!("!{command}"));
    }
    if INJECTED.iter().any(|tag| start.starts_with(tag)) {
        return Said::ByProgram(text);
    }
    Said::ByUser(text)
}

/// The text of a message or of a tool's result: a string, or blocks.
pub(super) fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(blocks) => blocks.iter().filter_map(block_text).collect::<Vec<_>>().join("\n"),
        _ => String::new(),
    }
}

fn block_text(block: &Value) -> Option<String> {
    match block.get("type").and_then(Value::as_str)? {
        "text" => Some(block.get("text")?.as_str()?.to_owned()),
        "image" => Some("[image omitted]".into()),
        "document" => Some("[document omitted]".into()),
        _ => None,
    }
}

/// Tokens of an answer; `None` if the program does not know them.
pub(super) fn metrics(usage: &Value) -> Option<Value> {
    let count = |key: &str| usage.get(key).and_then(Value::as_u64);
    let written = count("cache_creation_input_tokens").unwrap_or(0);
    let cached = count("cache_read_input_tokens").unwrap_or(0);
    // All input, what came from the cache included.
    let prompt = count("input_tokens")? + written + cached;
    let completion = count("output_tokens").unwrap_or(0);
    if prompt + completion == 0 {
        return None;
    }
    let mut metrics =
        json!({ "prompt_tokens": prompt, "completion_tokens": completion, "cached_tokens": cached });
    if written > 0 {
        metrics["extra"] = json!({ "cache_creation_tokens": written });
    }
    Some(metrics)
}

/// `extra` of a line's record: which sub-agent it is of, if it is one's.
pub(super) fn extra(line: &Line) -> Map<String, Value> {
    let mut extra = Map::new();
    if line.is_sidechain {
        extra.insert("is_sidechain".into(), true.into());
        if let Some(id) = &line.agent_id {
            extra.insert("agent_name".into(), id.as_str().into());
        }
    }
    extra
}
