//! Messages to the real programs: each arrives once, whole, and the receipt knows it. The model is the stub.

mod codex;

use std::fs;

use mng_tests::TestEnv;
use serde_json::Value;

/// The agent's `events/messages`, one object an event.
fn events(env: &TestEnv, agent: &str) -> Vec<Value> {
    let path = env.agent_dir(agent).join("events/messages/events.jsonl");
    let log = fs::read_to_string(path).unwrap_or_default();
    log.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The types of the events of one message.
fn events_of(env: &TestEnv, agent: &str, id: &str) -> Vec<String> {
    let events = events(env, agent);
    let ours = events.iter().filter(|event| event["message_id"] == id);
    ours.map(|event| event["type"].as_str().unwrap().to_owned()).collect()
}
