//! The common records: a streaming form of ATIF-v1.7, one JSON object a line.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// What the header and the document name as their format.
pub const SCHEMA_VERSION: &str = "ATIF-v1.7";

/// Who speaks in a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    User,
    Agent,
    System,
    /// What a tool answered.
    Tool,
}

impl Role {
    /// Of a record; `None` for the header and for what this version does not know.
    #[must_use]
    pub fn of(record: &Value) -> Option<Self> {
        match (text(record, "type")?, text(record, "source")) {
            ("observation", _) => Some(Self::Tool),
            ("step", Some("user")) => Some(Self::User),
            ("step", Some("agent")) => Some(Self::Agent),
            ("step", Some("system")) => Some(Self::System),
            _ => None,
        }
    }
}

/// The first line of a stream. Its id depends on the agent and the emitter alone, so that a stream written
/// twice has it once.
#[must_use]
pub(super) fn header(agent_id: &str, emitter: &str) -> Value {
    let digest = Sha256::digest(format!("{agent_id}:{emitter}"));
    let hex: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    json!({
        "type": "header",
        "event_id": format!("header-{hex}"),
        "emitter": emitter,
        "schema_version": SCHEMA_VERSION,
    })
}

pub(super) fn is_header(record: &Value) -> bool {
    text(record, "type") == Some("header")
}

/// A string field.
pub(super) fn text<'v>(record: &'v Value, key: &str) -> Option<&'v str> {
    record.get(key)?.as_str()
}

/// When it was said; `None` for the header.
pub(super) fn time_of(record: &Value) -> Option<Timestamp> {
    text(record, "timestamp")?.parse().ok()
}

/// A number that stands for an event id.
pub(super) fn id_hash(id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}

/// Tool arguments are an object; anything else goes under `_raw`.
#[must_use]
pub fn arguments(input: Value) -> Value {
    match input {
        Value::Object(_) => input,
        other => json!({ "_raw": other }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_depends_on_agent_and_emitter_alone() {
        let one = header("agent-1", "claude/common_transcript");
        assert_eq!(one, header("agent-1", "claude/common_transcript"));
        assert_ne!(one["event_id"], header("agent-2", "claude/common_transcript")["event_id"]);
        // printf 'agent-1:claude/common_transcript' | sha256sum
        assert_eq!(one["event_id"].as_str().unwrap().len(), "header-".len() + 32);
        assert!(is_header(&one) && Role::of(&one).is_none() && time_of(&one).is_none());
    }

    #[test]
    fn roles() {
        let role = |value: Value| Role::of(&value);
        assert_eq!(role(json!({"type": "step", "source": "user"})), Some(Role::User));
        assert_eq!(role(json!({"type": "step", "source": "agent"})), Some(Role::Agent));
        assert_eq!(role(json!({"type": "step", "source": "system"})), Some(Role::System));
        assert_eq!(role(json!({"type": "observation"})), Some(Role::Tool));
        assert_eq!(role(json!({"type": "step", "source": "martian"})), None);
    }

    #[test]
    fn arguments_are_objects() {
        assert_eq!(arguments(json!({"a": 1})), json!({"a": 1}));
        assert_eq!(arguments(json!("x")), json!({"_raw": "x"}));
    }
}
