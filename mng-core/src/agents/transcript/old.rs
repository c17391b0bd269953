//! Records from before ATIF (`user_message`, `assistant_message`, `tool_result`), as older programs wrote
//! them, turned into today's when they are read.

use serde_json::{Map, Value, json};

use super::records::{arguments, text};

/// The record in today's form; one that has it already, or is unknown, stays as it is.
pub(super) fn modernise(record: Value) -> Value {
    match text(&record, "type") {
        Some("user_message") => user(&record),
        Some("assistant_message") => assistant(&record),
        Some("tool_result") => tool_result(&record),
        _ => record,
    }
}

/// The fields of every record. What was `source` is the emitter now.
fn framing(record: &Value, kind: &str) -> Map<String, Value> {
    let mut new = Map::new();
    new.insert("type".into(), kind.into());
    for (old, now) in [("event_id", "event_id"), ("source", "emitter"), ("timestamp", "timestamp")] {
        if let Some(value) = record.get(old) {
            new.insert(now.into(), value.clone());
        }
    }
    new
}

fn user(record: &Value) -> Value {
    let mut new = framing(record, "step");
    new.insert("source".into(), "user".into());
    new.insert("message".into(), text(record, "content").or(text(record, "text")).unwrap_or_default().into());
    with_extra(new, record, &["conversation_id", "message_id", "message_uuid"])
}

fn assistant(record: &Value) -> Value {
    let mut new = framing(record, "step");
    new.insert("source".into(), "agent".into());
    new.insert("message".into(), text(record, "text").unwrap_or_default().into());
    if let Some(model) = text(record, "model") {
        new.insert("model_name".into(), model.into());
    }
    let calls = record.get("tool_calls").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if !calls.is_empty() {
        new.insert("tool_calls".into(), calls.iter().map(call).collect());
    }
    if let Some(metrics) = record.get("usage").and_then(metrics) {
        new.insert("metrics".into(), metrics);
    }
    let mut new = with_extra(new, record, &["conversation_id", "message_id", "message_uuid"]);
    // Its name until June 2026.
    let reason = record.get("finish_reason").or_else(|| record.get("stop_reason"));
    if let Some(reason) = reason.filter(|reason| !reason.is_null()) {
        new["extra"]["finish_reason"] = reason.clone();
    }
    new
}

/// A preview is the input's JSON, cut after 200 characters; what was cut is gone.
fn call(old: &Value) -> Value {
    let preview = text(old, "input_preview").unwrap_or_default();
    let input = serde_json::from_str(preview).unwrap_or_else(|_| preview.into());
    json!({
        "tool_call_id": old.get("tool_call_id").cloned().unwrap_or_default(),
        "function_name": text(old, "tool_name").unwrap_or("unknown"),
        "arguments": arguments(input),
    })
}

/// Old counts keep cached input apart; ATIF's prompt tokens are all input.
fn metrics(usage: &Value) -> Option<Value> {
    let count = |key: &str| usage.get(key).and_then(Value::as_u64);
    let (input, output) = (count("input_tokens"), count("output_tokens"));
    let (read, written) = (count("cache_read_tokens"), count("cache_write_tokens"));
    input.or(output).or(read).or(written)?;
    let mut metrics = json!({
        "prompt_tokens": input.unwrap_or(0) + read.unwrap_or(0) + written.unwrap_or(0),
        "completion_tokens": output.unwrap_or(0),
        "cached_tokens": read.unwrap_or(0),
    });
    if let Some(written) = written {
        metrics["extra"] = json!({ "cache_write_tokens": written });
    }
    Some(metrics)
}

fn tool_result(record: &Value) -> Value {
    let mut new = framing(record, "observation");
    let is_error = record.get("is_error").and_then(Value::as_bool).unwrap_or(false);
    new.insert(
        "results".into(),
        json!([{
            "source_call_id": record.get("tool_call_id").cloned().unwrap_or_default(),
            "content": text(record, "output").unwrap_or_default(),
            "extra": {"tool_name": text(record, "tool_name").unwrap_or("unknown"), "is_error": is_error},
        }]),
    );
    with_extra(new, record, &["conversation_id", "message_id", "message_uuid"])
}

fn with_extra(mut new: Map<String, Value>, record: &Value, keys: &[&str]) -> Value {
    let kept = keys.iter().filter_map(|key| Some(((*key).to_owned(), record.get(*key)?.clone())));
    let extra: Map<String, Value> = kept.collect();
    if !extra.is_empty() {
        new.insert("extra".into(), Value::Object(extra));
    }
    Value::Object(new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_records_become_steps_and_observations() {
        let old = json!({
            "timestamp": "2026-05-01T10:00:00Z", "event_id": "u1-assistant", "source": "claude/common_transcript",
            "type": "assistant_message", "role": "assistant", "model": "m", "stop_reason": "tool_use",
            "text": "Let me look.", "message_uuid": "u1",
            "tool_calls": [
                {"tool_call_id": "c1", "tool_name": "Bash", "input_preview": "{\"command\":\"ls\"}"},
                {"tool_call_id": "c2", "tool_name": "Bash", "input_preview": "{\"command\":\"long..."},
            ],
            "usage": {"input_tokens": 10, "output_tokens": 5, "cache_read_tokens": 100, "cache_write_tokens": 7},
        });
        insta::assert_snapshot!(serde_json::to_string_pretty(&modernise(old)).unwrap(), @r#"
        {
          "type": "step",
          "event_id": "u1-assistant",
          "emitter": "claude/common_transcript",
          "timestamp": "2026-05-01T10:00:00Z",
          "source": "agent",
          "message": "Let me look.",
          "model_name": "m",
          "tool_calls": [
            {
              "tool_call_id": "c1",
              "function_name": "Bash",
              "arguments": {
                "command": "ls"
              }
            },
            {
              "tool_call_id": "c2",
              "function_name": "Bash",
              "arguments": {
                "_raw": "{\"command\":\"long..."
              }
            }
          ],
          "metrics": {
            "prompt_tokens": 117,
            "completion_tokens": 5,
            "cached_tokens": 100,
            "extra": {
              "cache_write_tokens": 7
            }
          },
          "extra": {
            "message_uuid": "u1",
            "finish_reason": "tool_use"
          }
        }
        "#);
        let result = json!({
            "timestamp": "2026-05-01T10:00:01Z", "event_id": "u2-tool_result-c1", "source": "claude/common_transcript",
            "type": "tool_result", "tool_call_id": "c1", "tool_name": "Bash", "output": "a\nb", "is_error": true,
        });
        let new = modernise(result);
        assert_eq!(new["results"][0]["extra"], json!({"tool_name": "Bash", "is_error": true}));
        assert_eq!((&new["type"], &new["results"][0]["content"]), (&json!("observation"), &json!("a\nb")));
    }

    #[test]
    fn a_person_keeps_her_words_and_unknown_counts_stay_away() {
        let user = json!({"type": "user_message", "role": "user", "content": "hi", "event_id": "1-user",
            "source": "codex/common_transcript", "timestamp": "2026-05-01T10:00:00Z"});
        let new = modernise(user);
        assert_eq!((&new["source"], &new["message"]), (&json!("user"), &json!("hi")));
        assert_eq!(new["emitter"], "codex/common_transcript");
        let bare = json!({"type": "assistant_message", "text": "x", "usage": null, "finish_reason": null});
        let new = modernise(bare);
        assert!(
            new.get("metrics").is_none() && new.get("extra").is_none() && new.get("tool_calls").is_none()
        );
        let today = json!({"type": "step", "source": "user", "message": "x"});
        assert_eq!(modernise(today.clone()), today);
    }
}
