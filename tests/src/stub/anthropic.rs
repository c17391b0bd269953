//! The Anthropic Messages API, as Claude Code 2.1 uses it.

use std::io;
use std::thread;

use serde_json::{Value, json};

use super::directives::{Plan, Reply, gate, pieces, plan};
use super::http::{Connection, Request};
use super::{Shared, Stub};

const MODELS: [&str; 3] = ["claude-sonnet-4-5", "claude-opus-4-8", "claude-haiku-4-5"];

/// What a person wrote, without the reminders that Claude Code adds in blocks of their own or around it.
fn without_reminders(text: &str) -> String {
    let (open, close) = ("<system-reminder>", "</system-reminder>");
    let mut left = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(open) {
        left.push_str(before);
        rest = after.split_once(close).map_or("", |(_, behind)| behind);
    }
    left.push_str(rest);
    left.trim().to_owned()
}

fn blocks(message: &Value) -> Vec<Value> {
    match &message["content"] {
        Value::String(text) => vec![json!({"type": "text", "text": text})],
        Value::Array(blocks) => blocks.clone(),
        _ => Vec::new(),
    }
}

/// The human texts of one message, in order.
fn texts_of(message: &Value) -> Vec<String> {
    if message["role"] != "user" {
        return Vec::new();
    }
    let texts = blocks(message).into_iter().filter(|block| block["type"] == "text");
    let texts = texts.filter_map(|block| block["text"].as_str().map(without_reminders));
    texts.filter(|text| !text.is_empty()).collect()
}

fn messages(body: &Value) -> &[Value] {
    body["messages"].as_array().map_or(&[], Vec::as_slice)
}

fn tool_names(body: &Value) -> Vec<&str> {
    body["tools"].as_array().into_iter().flatten().filter_map(|tool| tool["name"].as_str()).collect()
}

pub(super) fn user_texts(body: &Value) -> Option<Vec<String>> {
    if tool_names(body).is_empty() || messages(body).is_empty() {
        return None;
    }
    Some(messages(body).iter().flat_map(texts_of).collect())
}

/// The result of the tool that the conversation ends with. A message that goes on with words of the user (what
/// Claude Code sends after an interrupted tool) opens a turn instead.
fn tool_result(body: &Value) -> Option<String> {
    // Print mode tells of its surroundings in a message of the system, at the end.
    let last = messages(body).iter().rev().find(|message| message["role"] != "system")?;
    if !texts_of(last).is_empty() {
        return None;
    }
    let result = blocks(last).into_iter().rev().find(|block| block["type"] == "tool_result")?;
    let parts = blocks(&result);
    let texts: Vec<&str> = parts.iter().filter_map(|block| block["text"].as_str()).collect();
    Some(texts.join("\n"))
}

pub(super) fn answer(connection: &mut Connection, request: &Request, shared: &Shared) -> io::Result<u16> {
    let route = request.route();
    match request.method.as_str() {
        "HEAD" => connection.send_json(200, &json!({})),
        "GET" if route.starts_with("/v1/models") => {
            let models: Vec<Value> = MODELS
                .iter()
                .map(|id| json!({"type": "model", "id": id, "display_name": id, "created_at": "2025-01-01T00:00:00Z"}))
                .collect();
            connection.send_json(200, &json!({"data": models, "has_more": false}))
        }
        "POST" if route.ends_with("/v1/messages/count_tokens") => {
            let tokens = request.json.to_string().len() / 4;
            connection.send_json(200, &json!({"input_tokens": tokens.max(1)}))
        }
        "POST" if route.ends_with("/v1/messages") => send_message(connection, request, shared),
        _ => send_error(connection, 404, route),
    }
}

fn send_error(connection: &mut Connection, status: u16, message: &str) -> io::Result<u16> {
    let kind = match status {
        400 => "invalid_request_error",
        401 => "authentication_error",
        404 => "not_found_error",
        429 => "rate_limit_error",
        529 => "overloaded_error",
        _ => "api_error",
    };
    connection.send_json(status, &json!({"type": "error", "error": {"type": kind, "message": message}}))
}

fn content(reply: &Reply, tools: &[&str], shared: &Shared) -> Vec<Value> {
    let tool_use = |name: &str, input: &Value| json!({"type": "tool_use", "id": shared.next_id("toolu_stub"), "name": name, "input": input});
    match reply {
        Reply::Tool { name, input } if tools.contains(&name.as_str()) => vec![tool_use(name, input)],
        Reply::Bash(command) if tools.contains(&"Bash") => vec![
            json!({"type": "text", "text": "running a command"}),
            tool_use("Bash", &json!({"command": command, "description": "stub command"})),
        ],
        Reply::Say(text) => vec![json!({"type": "text", "text": text})],
        Reply::Tool { name, .. } => vec![json!({"type": "text", "text": format!("stub: no tool {name}")})],
        Reply::Bash(_) | Reply::Error(_) => vec![json!({"type": "text", "text": "stub: no tool Bash"})],
    }
}

fn send_message(connection: &mut Connection, request: &Request, shared: &Shared) -> io::Result<u16> {
    if !shared.lets_in(request) {
        return send_error(connection, 401, "invalid x-api-key");
    }
    let body = &request.json;
    let text = messages(body).iter().rev().find_map(|message| texts_of(message).pop()).unwrap_or_default();
    let Plan { hold, sleep, reply } = plan(&text, tool_result(body).as_deref());
    if let Some(gate) = hold.filter(|_| !tool_names(body).is_empty()) {
        shared.gates.wait(&gate, || connection.hung_up())?;
    }
    thread::sleep(sleep);
    if let Reply::Error(status) = reply {
        return send_error(connection, status, &format!("stub error {status}"));
    }
    let content = content(&reply, &tool_names(body), shared);
    let stop = if content.iter().any(|block| block["type"] == "tool_use") { "tool_use" } else { "end_turn" };
    let usage = json!({
        "input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0,
    });
    let mut message = json!({
        "id": shared.next_id("msg_stub"), "type": "message", "role": "assistant", "model": body["model"],
        "content": content, "stop_reason": stop, "stop_sequence": null, "usage": usage,
    });
    if body["stream"] != true {
        return connection.send_json(200, &message);
    }
    message["content"] = json!([]);
    message["stop_reason"] = Value::Null;
    message["usage"]["output_tokens"] = json!(1);
    let mut events = connection.open_events(false)?;
    events.send("message_start", json!({"message": message}))?;
    for (index, block) in content.iter().enumerate() {
        if let Some(text) = block["text"].as_str() {
            let start = json!({"type": "text", "text": ""});
            events.send("content_block_start", json!({"index": index, "content_block": start}))?;
            for piece in pieces(text) {
                if let Some(gate) = gate(piece) {
                    shared.gates.wait(gate, || events.hung_up())?;
                    continue;
                }
                let delta = json!({"type": "text_delta", "text": piece});
                events.send("content_block_delta", json!({"index": index, "delta": delta}))?;
            }
        } else {
            let start = json!({"type": "tool_use", "id": block["id"], "name": block["name"], "input": {}});
            events.send("content_block_start", json!({"index": index, "content_block": start}))?;
            let delta = json!({"type": "input_json_delta", "partial_json": block["input"].to_string()});
            events.send("content_block_delta", json!({"index": index, "delta": delta}))?;
        }
        events.send("content_block_stop", json!({"index": index}))?;
    }
    let delta = json!({"stop_reason": stop, "stop_sequence": null});
    events.send("message_delta", json!({"delta": delta, "usage": {"output_tokens": 5}}))?;
    events.send("message_stop", json!({}))?;
    events.finish()
}

impl Stub {
    /// The environment in which Claude Code talks to this stub and to nobody else, with the key given: at
    /// least 20 characters, of which `.claude.json` approves the last 20.
    #[must_use]
    pub fn claude_env(&self, key: &str) -> Vec<(&'static str, String)> {
        let off = ["CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "DISABLE_AUTOUPDATER", "DISABLE_TELEMETRY"];
        let mut vars = vec![("ANTHROPIC_BASE_URL", self.url()), ("ANTHROPIC_API_KEY", key.to_owned())];
        vars.extend(off.map(|name| (name, "1".to_owned())));
        vars.push(("DISABLE_ERROR_REPORTING", "1".to_owned()));
        // Bypassing permissions is refused to root elsewhere.
        vars.push(("IS_SANDBOX", "1".to_owned()));
        vars
    }
}
