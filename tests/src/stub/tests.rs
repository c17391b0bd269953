use std::io::{Read, Write};

use super::*;
use serde_json::json;

/// Sends one request on a connection of its own and returns all that comes back.
fn post(stub: &Stub, path: &str, body: &Value) -> String {
    let mut stream = TcpStream::connect(stub.address).unwrap();
    let body = body.to_string();
    let head = format!("POST {path} HTTP/1.1\r\nhost: stub\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body.as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn message(text: &str) -> Value {
    json!({"model": "m", "stream": true, "tools": [{"name": "Bash"}],
    "messages": [{"role": "user", "content": [
        {"type": "text", "text": "<system-reminder>stub:say no</system-reminder>"},
        {"type": "text", "text": text},
    ]}]})
}

#[test]
fn a_message_is_streamed_word_by_word_and_logged() {
    let stub = Stub::anthropic();
    let answer = post(&stub, "/v1/messages?beta=true", &message("stub:say one two"));
    for part in
        ["event: message_start", r#""text":"one ""#, r#""text":"two""#, "end_turn", "event: message_stop"]
    {
        assert!(answer.contains(part), "{part} is missing in {answer}");
    }
    assert_eq!(stub.user_texts(), ["stub:say one two"]);
    assert_eq!(stub.requests()[0].status, Some(200));
}

#[test]
fn a_shell_call_is_followed_by_its_result() {
    let stub = Stub::anthropic();
    let mut body = message("stub:bash ls");
    assert!(post(&stub, "/v1/messages", &body).contains("tool_use"));
    let result = json!({"type": "tool_result", "tool_use_id": "x", "content": "file.txt"});
    body["messages"].as_array_mut().unwrap().push(json!({"role": "user", "content": [result]}));
    body["stream"] = json!(false);
    assert!(post(&stub, "/v1/messages", &body).contains("stub: tool done: file.txt"));
}

#[test]
fn a_held_turn_is_answered_after_its_release() {
    let stub = Stub::anthropic();
    thread::scope(|scope| {
        let turn = scope.spawn(|| post_open(&stub, &message("stub:hold gate stub:say late")));
        stub.eventually("the turn is held", |stub| stub.is_held("gate"));
        assert_eq!(stub.requests()[0].answered, None);
        stub.release("gate");
        assert!(turn.join().unwrap().contains("late"));
    });
    assert!(!stub.is_held("gate"));
}

/// As `post`, keeping its own side open as the programs do, and reading to the end of the chunks.
fn post_open(stub: &Stub, body: &Value) -> String {
    let mut stream = TcpStream::connect(stub.address).unwrap();
    let body = body.to_string();
    let head = format!("POST /v1/messages HTTP/1.1\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all((head + &body).as_bytes()).unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n0\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        answer.push(byte[0]);
    }
    String::from_utf8(answer).unwrap()
}

#[test]
fn a_program_that_hangs_up_leaves_the_gate() {
    let stub = Stub::anthropic();
    let mut stream = TcpStream::connect(stub.address).unwrap();
    let body = message("stub:hold gate").to_string();
    let head = format!("POST /v1/messages HTTP/1.1\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all((head + &body).as_bytes()).unwrap();
    stub.eventually("the turn is held", |stub| stub.is_held("gate"));
    drop(stream);
    stub.eventually("nobody is held", |stub| !stub.is_held("gate"));
    assert_eq!(stub.requests()[0].answered, None);
}

#[test]
fn a_wrong_key_is_refused() {
    let stub = Stub::anthropic_with_key("right");
    let answer = post(&stub, "/v1/messages", &message("hello"));
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    assert!(answer.contains("authentication_error"), "{answer}");
}

#[test]
fn a_response_is_streamed_and_a_shell_call_fits_the_tools() {
    let stub = Stub::openai();
    let body = |text: &str| {
        json!({"model": "m", "stream": true, "tools": [{"type": "function", "name": "exec_command"}], "input": [
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "<environment_context>"}]},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]},
        ]})
    };
    let answer = post(&stub, "/v1/responses", &body("stub:say hi"));
    assert!(
        answer.contains("response.output_text.delta") && answer.contains("response.completed"),
        "{answer}"
    );
    let answer = post(&stub, "/v1/responses", &body("stub:bash ls"));
    assert!(answer.contains(r#""arguments":"{\"cmd\":\"ls\"}""#), "{answer}");
    assert_eq!(stub.user_texts(), ["stub:bash ls"]);
}

#[test]
fn chat_completions_are_spoken_too() {
    let stub = Stub::openai();
    let tools = json!([{"type": "function", "function": {"name": "bash"}}]);
    let body =
        json!({"stream": true, "tools": tools, "messages": [{"role": "user", "content": "stub:bash ls"}]});
    let answer = post(&stub, "/v1/chat/completions", &body);
    assert!(answer.contains("tool_calls") && answer.contains("[DONE]"), "{answer}");
}
