//! One item of a rollout as a common record.

use serde_json::{Map, Value, json};

/// Starts of user messages that codex itself puts into a conversation. Newer versions say what a message is in
/// `content_item_kinds`.
const INJECTED: [&str; 8] = [
    "<user_instructions>",
    "<environment_context>",
    "<turn_aborted>",
    "<subagent_notification>",
    "<skill>",
    "<user_shell_command>",
    "<permissions instructions>",
    "# AGENTS.md instructions for ",
];

/// Text of a message's content, or of a tool's output: a string, or a list of parts.
pub(crate) fn text_of(content: Option<&Value>) -> String {
    match content {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => parts.iter().filter_map(part).collect::<Vec<_>>().join("\n"),
        Some(Value::Object(object)) => text_of(object.get("content").or_else(|| object.get("text"))),
        _ => String::new(),
    }
}

fn part(part: &Value) -> Option<String> {
    if let Some(text) = part.get("text").and_then(Value::as_str) {
        return Some(text.to_owned());
    }
    match part.get("type").and_then(Value::as_str)? {
        kind if kind.contains("image") => Some("[image omitted]".into()),
        kind if kind.contains("audio") => Some("[audio omitted]".into()),
        _ => None,
    }
}

/// Whether a message in the person's name is one that codex put there.
pub(super) fn is_injected(payload: &Value, text: &str) -> bool {
    let kinds = payload.pointer("/internal_chat_message_metadata_passthrough/content_item_kinds");
    let kinds: Vec<&str> =
        kinds.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    if kinds.is_empty() || kinds.iter().all(|kind| *kind == "unknown") {
        let text = text.trim_start();
        return INJECTED.iter().any(|start| text.starts_with(start));
    }
    !kinds.iter().any(|kind| kind.starts_with("user."))
}

/// A call of a tool.
pub(super) struct Call {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) arguments: Value,
    pub(super) extra: Map<String, Value>,
}

impl Call {
    /// Reads `function_call`, `custom_tool_call`, `local_shell_call` and `web_search_call` items.
    pub(super) fn read(kind: &str, payload: &Value, fallback_id: &str) -> Option<Self> {
        let text = |key: &str| payload.get(key).and_then(Value::as_str);
        let id = text("call_id").or_else(|| text("id")).unwrap_or(fallback_id).to_owned();
        let (name, arguments) = match kind {
            "function_call" | "tool_search_call" => {
                let arguments = payload.get("arguments").cloned().unwrap_or(Value::Null);
                let parsed =
                    arguments.as_str().map(|text| serde_json::from_str(text).unwrap_or_else(|_| text.into()));
                (text("name").unwrap_or("tool_search"), parsed.unwrap_or(arguments))
            }
            "custom_tool_call" => {
                (text("name").unwrap_or("unknown"), payload.get("input").cloned().unwrap_or(Value::Null))
            }
            "local_shell_call" => ("local_shell", payload.get("action").cloned().unwrap_or(Value::Null)),
            "web_search_call" => ("web_search", payload.get("action").cloned().unwrap_or(Value::Null)),
            _ => return None,
        };
        let arguments = match arguments {
            Value::Object(_) => arguments,
            Value::Null => json!({}),
            other => json!({ "_raw": other }),
        };
        let mut extra = Map::new();
        for key in ["namespace", "status"] {
            if let Some(value) = text(key).filter(|value| *value != "completed") {
                extra.insert(key.to_owned(), value.into());
            }
        }
        Some(Self { id, name: name.to_owned(), arguments, extra })
    }

    pub(super) fn to_value(&self) -> Value {
        let mut call = json!({
            "tool_call_id": self.id, "function_name": self.name, "arguments": self.arguments,
        });
        if !self.extra.is_empty() {
            call["extra"] = Value::Object(self.extra.clone());
        }
        call
    }
}

/// Whether a tool's output tells of a failure: a flag, or the exit code of a command.
pub(super) fn is_error(output: Option<&Value>, text: &str) -> bool {
    if let Some(success) = output.and_then(|output| output.get("success")).and_then(Value::as_bool) {
        return !success;
    }
    // Older versions wrap the output of a command: `{"output":"…","metadata":{"exit_code":1}}`.
    if text.starts_with('{')
        && let Ok(wrapped) = serde_json::from_str::<Value>(text)
        && let Some(code) = wrapped.pointer("/metadata/exit_code").and_then(Value::as_i64)
    {
        return code != 0;
    }
    let head = text.split("\nOutput:").next().unwrap_or_default();
    let code = head.lines().find_map(|line| {
        line.strip_prefix("Process exited with code ").or_else(|| line.strip_prefix("Exit code: "))
    });
    match code.and_then(|code| code.trim().parse::<i64>().ok()) {
        Some(code) => code != 0,
        None => head.lines().any(|line| line == "aborted by user"),
    }
}

/// Text of a reasoning item: its summary, else what of its content is not encrypted.
pub(super) fn reasoning(payload: &Value) -> String {
    let summary = text_of(payload.get("summary"));
    if summary.is_empty() { text_of(payload.get("content")) } else { summary }
}

/// Tokens of one answer, from a usage object of codex.
pub(super) fn metrics(usage: &Value) -> Option<Value> {
    let count = |key: &str| usage.get(key).and_then(Value::as_u64);
    // Of all input; what came from the cache is part of it.
    let prompt = count("input_tokens")?;
    let completion = count("output_tokens")?;
    let mut metrics = json!({ "prompt_tokens": prompt, "completion_tokens": completion });
    if let Some(cached) = count("cached_input_tokens") {
        metrics["cached_tokens"] = cached.into();
    }
    if let Some(reasoning) = count("reasoning_output_tokens").filter(|tokens| *tokens > 0) {
        metrics["extra"] = json!({ "reasoning_tokens": reasoning });
    }
    Some(metrics)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_tell_of_failures() {
        let is_error = |text: &str| is_error(None, text);
        assert!(!is_error(
            "Chunk ID: 7\nWall time: 0.0 seconds\nProcess exited with code 0\nOutput:\nProcess exited with code 1\n"
        ));
        assert!(is_error("Wall time: 0.0 seconds\nProcess exited with code 127\nOutput:\nsh: not found\n"));
        assert!(is_error("Wall time: 1.9 seconds\naborted by user"));
        assert!(is_error(r#"{"output":"x","metadata":{"exit_code":2}}"#));
        assert!(!is_error(r#"{"output":"x","metadata":{"exit_code":0}}"#));
        assert!(!is_error("Plan updated"));
        assert!(super::is_error(Some(&json!({"content": "x", "success": false})), "x"));
    }

    #[test]
    fn messages_of_codex_itself_are_known() {
        let kinds = |kinds: &[&str]| json!({"internal_chat_message_metadata_passthrough": {"content_item_kinds": kinds}});
        assert!(is_injected(&kinds(&["environments.environment_context"]), "x"));
        assert!(!is_injected(&kinds(&["user.text", "user.image"]), "<environment_context>"));
        assert!(is_injected(&kinds(&["unknown"]), " <turn_aborted>\nx"));
        assert!(is_injected(&json!({}), "# AGENTS.md instructions for /x\n\n<INSTRUCTIONS>"));
        assert!(!is_injected(&json!({}), "fix <environment_context>"));
    }

    #[test]
    fn calls_have_objects_for_arguments() {
        let read = |kind: &str, payload: Value| Call::read(kind, &payload, "x-tc").unwrap().to_value();
        assert_eq!(
            read("function_call", json!({"name": "f", "arguments": "{\"a\":1}", "call_id": "c"})),
            json!({"tool_call_id": "c", "function_name": "f", "arguments": {"a": 1}})
        );
        assert_eq!(
            read("function_call", json!({"name": "f", "arguments": "oops"}))["arguments"],
            json!({"_raw": "oops"})
        );
        assert_eq!(
            read("custom_tool_call", json!({"name": "apply_patch", "input": "*** Begin"}))["arguments"],
            json!({"_raw": "*** Begin"})
        );
        let search = read("web_search_call", json!({"action": {"query": "q"}, "status": "failed"}));
        assert_eq!(search["tool_call_id"], "x-tc");
        assert_eq!(
            (&search["arguments"]["query"], &search["extra"]["status"]),
            (&json!("q"), &json!("failed"))
        );
    }
}
