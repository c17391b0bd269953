//! The OpenAI Responses API, as Codex 0.169 uses it, and Chat Completions for the programs that speak it.

use std::io;
use std::thread;

use serde_json::{Value, json};

use super::directives::{Plan, Reply, pieces, plan};
use super::http::{Connection, Request};
use super::{Shared, Stub};

const TOOL_OUTPUTS: [&str; 3] =
    ["function_call_output", "custom_tool_call_output", "local_shell_call_output"];
/// How texts begin that Codex puts in on its own.
const INJECTED: [&str; 3] = ["<environment_context>", "<user_instructions>", "# AGENTS.md instructions"];

/// The items of a request, in the form of the Responses API.
fn items(body: &Value) -> Vec<Value> {
    match &body["input"] {
        Value::String(text) => vec![json!({"type": "message", "role": "user", "content": text})],
        Value::Array(items) => items.clone(),
        _ => body["messages"].as_array().cloned().unwrap_or_default(),
    }
}

fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            let texts: Vec<&str> = parts.iter().filter_map(|part| part["text"].as_str()).collect();
            texts.join("\n")
        }
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn user_text(item: &Value) -> Option<String> {
    if item["type"].as_str().unwrap_or("message") != "message" || item["role"] != "user" {
        return None;
    }
    let text = text_of(&item["content"]).trim().to_owned();
    (!text.is_empty() && !INJECTED.iter().any(|start| text.starts_with(start))).then_some(text)
}

fn tool_output(items: &[Value]) -> Option<String> {
    let last = items.last()?;
    if last["role"] == "tool" {
        return Some(text_of(&last["content"]));
    }
    TOOL_OUTPUTS.contains(&last["type"].as_str()?).then(|| text_of(&last["output"]))
}

/// Names and kinds of the tools offered; those in a namespace as `NAMESPACE.NAME`.
fn tools(offered: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for tool in offered.as_array().into_iter().flatten() {
        match tool["type"].as_str().unwrap_or_default() {
            "namespace" => {
                let namespace = tool["name"].as_str().unwrap_or_default();
                let inner = tools(&tool["tools"]).into_iter();
                found.extend(inner.map(|(name, kind)| (format!("{namespace}.{name}"), kind)));
            }
            "local_shell" => found.push(("local_shell".into(), "local_shell".into())),
            kind @ ("function" | "custom") => {
                // Chat Completions has the name one level down.
                let name = tool["name"].as_str().or(tool["function"]["name"].as_str()).unwrap_or_default();
                found.push((name.to_owned(), kind.to_owned()));
            }
            _ => {}
        }
    }
    found
}

pub(super) fn user_texts(body: &Value) -> Option<Vec<String>> {
    let items = items(body);
    if tools(&body["tools"]).is_empty() || items.is_empty() {
        return None;
    }
    Some(items.iter().filter_map(user_text).collect())
}

pub(super) fn answer(connection: &mut Connection, request: &Request, shared: &Shared) -> io::Result<u16> {
    let route = request.route();
    match request.method.as_str() {
        "HEAD" => connection.send_json(200, &json!({})),
        "GET" if route.ends_with("/models") => {
            let data = json!([{"id": "stub-model", "object": "model"}]);
            connection.send_json(200, &json!({"object": "list", "data": data, "models": []}))
        }
        "POST" if route.ends_with("/responses") || route.ends_with("/chat/completions") => {
            if !shared.lets_in(request) {
                return send_error(connection, 401, "incorrect API key provided");
            }
            let body = &request.json;
            let items = items(body);
            let text = items.iter().rev().find_map(user_text).unwrap_or_default();
            let Plan { hold, sleep, reply } = plan(&text, tool_output(&items).as_deref());
            if let Some(gate) = hold.filter(|_| user_texts(body).is_some()) {
                shared.gates.wait(&gate, || connection.hung_up())?;
            }
            thread::sleep(sleep);
            if let Reply::Error(status) = reply {
                return send_error(connection, status, &format!("stub error {status}"));
            }
            if route.ends_with("/responses") {
                send_response(connection, body, &reply, shared)
            } else {
                send_completion(connection, body, &reply, shared)
            }
        }
        _ => send_error(connection, 404, route),
    }
}

fn send_error(connection: &mut Connection, status: u16, message: &str) -> io::Result<u16> {
    let kind = if status < 500 { "invalid_request_error" } else { "server_error" };
    connection.send_json(status, &json!({"error": {"message": message, "type": kind}}))
}

/// Name and arguments of a call of whichever shell tool is offered as a function.
fn shell_call(command: &str, offered: &[(String, String)]) -> Option<(&'static str, Value)> {
    let has = |name: &str| offered.iter().any(|(offered, _)| offered == name);
    let described = || json!({"command": command, "description": "stub command"});
    [
        ("exec_command", json!({"cmd": command})),
        ("shell_command", json!({"command": command})),
        ("shell", json!({"command": ["bash", "-lc", command]})),
        ("bash", described()),
    ]
    .into_iter()
    .find(|(name, _)| has(name))
}

/// The call that the reply asks for as `(name, arguments)`, or the text to say.
fn call_or_text(reply: &Reply, offered: &[(String, String)]) -> Result<(String, Value), String> {
    match reply {
        Reply::Tool { name, input } if offered.iter().any(|(offered, _)| offered == name) => {
            Ok((name.clone(), input.clone()))
        }
        Reply::Tool { name, .. } => Err(format!("stub: no tool {name}")),
        Reply::Bash(command) => shell_call(command, offered)
            .map(|(name, arguments)| (name.to_owned(), arguments))
            .ok_or_else(|| "stub: no shell tool".to_owned()),
        Reply::Say(text) => Err(text.clone()),
        Reply::Error(status) => Err(format!("stub error {status}")),
    }
}

fn output_item(reply: &Reply, offered: &[(String, String)], shared: &Shared) -> Value {
    let call_id = shared.next_id("call_stub");
    if let Reply::Bash(command) = reply
        && shell_call(command, offered).is_none()
    {
        let has = |name: &str, kind: &str| offered.iter().any(|(n, k)| n == name && k == kind);
        if has("exec", "custom") {
            let input = format!(
                "const r = await tools.exec_command({{cmd: {}}}); text(r.output ?? JSON.stringify(r));",
                json!(command)
            );
            return json!({"type": "custom_tool_call", "id": format!("ctc_{call_id}"), "call_id": call_id,
                "name": "exec", "input": input, "status": "completed"});
        }
        if has("local_shell", "local_shell") {
            return json!({"type": "local_shell_call", "id": format!("lsc_{call_id}"), "call_id": call_id,
                "status": "completed", "action": {"type": "exec", "command": ["bash", "-lc", command]}});
        }
    }
    match call_or_text(reply, offered) {
        Ok((name, arguments)) => {
            let (namespace, name) = name.rsplit_once('.').map_or((None, &*name), |(a, b)| (Some(a), b));
            let mut call = json!({"type": "function_call", "id": format!("fc_{call_id}"),
                "call_id": call_id, "name": name, "arguments": arguments.to_string(), "status": "completed"});
            if let Some(namespace) = namespace {
                call["namespace"] = namespace.into();
            }
            call
        }
        Err(text) => json!({"type": "message", "id": shared.next_id("msg_stub"), "role": "assistant",
            "status": "completed", "content": [{"type": "output_text", "text": text, "annotations": []}]}),
    }
}

fn send_response(
    connection: &mut Connection,
    body: &Value,
    reply: &Reply,
    shared: &Shared,
) -> io::Result<u16> {
    let item = output_item(reply, &tools(&body["tools"]), shared);
    let usage = json!({
        "input_tokens": 10, "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 5, "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 15,
    });
    let response = json!({
        "id": shared.next_id("resp_stub"), "object": "response", "created_at": 1_700_000_000,
        "model": body["model"], "status": "completed", "output": [item], "usage": usage, "error": null,
        "incomplete_details": null, "metadata": {},
    });
    if body["stream"] != true {
        return connection.send_json(200, &response);
    }
    let mut pending = response.clone();
    pending["status"] = json!("in_progress");
    pending["output"] = json!([]);
    pending["usage"] = Value::Null;
    let mut events = connection.open_events(true)?;
    events.send("response.created", json!({"response": pending}))?;
    events.send("response.in_progress", json!({"response": pending}))?;
    let mut opened = item.clone();
    opened["status"] = json!("in_progress");
    if item["type"] == "message" {
        opened["content"] = json!([]);
    }
    events.send("response.output_item.added", json!({"output_index": 0, "item": opened}))?;
    if item["type"] == "message" {
        let text = item["content"][0]["text"].as_str().unwrap_or_default();
        let at = |key: &str, value: Value| {
            let mut fields = json!({"item_id": item["id"], "output_index": 0, "content_index": 0});
            fields[key] = value;
            fields
        };
        let part = |text: &str| json!({"type": "output_text", "text": text, "annotations": []});
        events.send("response.content_part.added", at("part", part("")))?;
        for piece in pieces(text) {
            events.send("response.output_text.delta", at("delta", json!(piece)))?;
        }
        events.send("response.output_text.done", at("text", json!(text)))?;
        events.send("response.content_part.done", at("part", part(text)))?;
    } else if item["type"] == "function_call" {
        let fields = json!({"item_id": item["id"], "output_index": 0, "arguments": item["arguments"]});
        events.send("response.function_call_arguments.done", fields)?;
    }
    events.send("response.output_item.done", json!({"output_index": 0, "item": item}))?;
    events.send("response.completed", json!({"response": response}))?;
    events.finish()
}

fn send_completion(
    connection: &mut Connection,
    body: &Value,
    reply: &Reply,
    shared: &Shared,
) -> io::Result<u16> {
    let answer = call_or_text(reply, &tools(&body["tools"]));
    let finish = if answer.is_ok() { "tool_calls" } else { "stop" };
    let id = shared.next_id("chatcmpl-stub");
    let call = |(name, arguments): &(String, Value)| {
        json!([{"index": 0, "id": shared.next_id("call_stub"), "type": "function",
            "function": {"name": name, "arguments": arguments.to_string()}}])
    };
    let usage = json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15});
    if body["stream"] != true {
        let message = match &answer {
            Ok(named) => json!({"role": "assistant", "content": null, "tool_calls": call(named)}),
            Err(text) => json!({"role": "assistant", "content": text}),
        };
        let choice = json!({"index": 0, "message": message, "finish_reason": finish});
        let whole = json!({"id": id, "object": "chat.completion", "created": 1_700_000_000,
            "model": body["model"], "choices": [choice], "usage": usage});
        return connection.send_json(200, &whole);
    }
    let chunk = |delta: Value, finish: Value| {
        json!({"id": id, "object": "chat.completion.chunk", "created": 1_700_000_000, "model": body["model"],
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
    };
    let mut events = connection.open_events(false)?;
    events.send_bare(&chunk(json!({"role": "assistant", "content": ""}), Value::Null).to_string())?;
    match &answer {
        Ok(named) => {
            events.send_bare(&chunk(json!({"tool_calls": call(named)}), Value::Null).to_string())?;
        }
        Err(text) => {
            for piece in pieces(text) {
                events.send_bare(&chunk(json!({"content": piece}), Value::Null).to_string())?;
            }
        }
    }
    let mut last = chunk(json!({}), json!(finish));
    last["usage"] = usage;
    events.send_bare(&last.to_string())?;
    events.send_bare("[DONE]")?;
    events.finish()
}

impl Stub {
    /// The part of Codex' `config.toml` that makes it talk to this stub, without a login.
    #[must_use]
    pub fn codex_config(&self) -> String {
        format!(
            "model = \"stub-model\"\nmodel_provider = \"stub\"\ncheck_for_update_on_startup = false\n\
             [features]\ndaemon_auto_start = false\n\
             [model_providers.stub]\nname = \"stub\"\nbase_url = \"{}/v1\"\nwire_api = \"responses\"\n\
             requires_openai_auth = false\nrequest_max_retries = 0\nstream_max_retries = 0\n",
            self.url()
        )
    }
}
