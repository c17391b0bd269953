//! One line of an event stream.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use jiff::Timestamp;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::model::ids::EventId;
use crate::model::time::Time;

/// An event as it was read. The line is what is printed; the object is what filters see.
#[derive(Clone, Debug)]
pub(super) struct EventLine {
    pub(super) line: Vec<u8>,
    pub(super) time: Timestamp,
    pub(super) object: Map<String, Value>,
    /// The record itself claims another source than where it lies.
    pub(super) claims_other_source: bool,
}

/// Why a line is no event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Malformed {
    NotAnObject,
    NoTimestamp,
}

impl EventLine {
    /// Reads a line of the stream `source`. The path wins over what the record says of its source; a record
    /// without an id gets one made from its bytes.
    pub(super) fn parse(line: Vec<u8>, source: &str) -> Result<Self, Malformed> {
        let mut object: Map<String, Value> =
            serde_json::from_slice(&line).map_err(|_| Malformed::NotAnObject)?;
        let time = object.get("timestamp").and_then(Value::as_str).and_then(|text| text.parse().ok());
        if is_transcript(source) {
            // Its `source` says who speaks, and its header, the first of all, has no time.
            let is_header = object.get("type").is_some_and(|kind| kind == "header");
            let time = time.or(is_header.then_some(Timestamp::MIN)).ok_or(Malformed::NoTimestamp)?;
            return Ok(Self { line, time, object, claims_other_source: false });
        }
        let time = time.ok_or(Malformed::NoTimestamp)?;
        let claimed = object.insert("source".into(), source.into());
        let claims_other_source = claimed.is_some_and(|claimed| claimed != source);
        if !object.get("event_id").is_some_and(Value::is_string) {
            object.insert("event_id".into(), id_of(&line).into());
        }
        Ok(Self { line, time, object, claims_other_source })
    }

    /// A number that stands for the event's id.
    pub(super) fn id_hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.object.get("event_id").and_then(Value::as_str).hash(&mut hasher);
        hasher.finish()
    }

    /// The value of a dotted field as text; the same text means the same value.
    pub(super) fn field(&self, path: &str) -> String {
        let mut keys = path.split('.');
        let first = keys.next().and_then(|key| self.object.get(key));
        keys.fold(first, |at, key| at.and_then(|at| at.get(key))).unwrap_or(&Value::Null).to_string()
    }
}

/// Whether a stream holds the common records of a conversation.
pub(super) fn is_transcript(source: &str) -> bool {
    source.rsplit('/').next() == Some("common_transcript")
}

fn id_of(line: &[u8]) -> String {
    let digest = Sha256::digest(line);
    let hex: String = digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    format!("hash-{hex}")
}

/// The event that tells a reader that records of a stream name another source than their path.
pub(super) fn wrong_source_event(source: &str) -> Vec<u8> {
    let event = serde_json::json!({
        "timestamp": Time::now().with_nanoseconds(),
        "type": "warn_about_incorrect_source_field",
        "event_id": EventId::generate(),
        "source": source,
        "message": format!("records under `events/{source}` name another source; the path counts"),
    });
    event.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<EventLine, Malformed> {
        EventLine::parse(line.as_bytes().to_vec(), "a/b")
    }

    #[test]
    fn the_path_wins_and_an_id_is_made() {
        let event =
            parse(r#"{"timestamp":"2026-11-22T13:31:00.000000001Z","type":"x","source":"other"}"#).unwrap();
        assert_eq!(event.object["source"], "a/b");
        assert!(event.claims_other_source);
        let id = event.object["event_id"].as_str().unwrap();
        assert_eq!((id.len(), &id[..5]), (29, "hash-"));
        let told =
            parse(r#"{"timestamp":"2026-11-22T14:31:00+01:00","source":"a/b","event_id":"evt-1"}"#).unwrap();
        assert!(!told.claims_other_source);
        assert!(told.time < event.time);
        assert_eq!(told.object["event_id"], "evt-1");
    }

    #[test]
    fn a_transcript_says_who_speaks() {
        let parse = |line: &str| EventLine::parse(line.as_bytes().to_vec(), "claude/common_transcript");
        let step =
            parse(r#"{"type":"step","event_id":"1","timestamp":"2026-11-22T13:31:00Z","source":"user"}"#)
                .unwrap();
        assert!(!step.claims_other_source);
        assert_eq!(step.object["source"], "user");
        let header =
            parse(r#"{"type":"header","event_id":"header-1","schema_version":"ATIF-v1.7"}"#).unwrap();
        assert!(header.time < step.time);
        assert_eq!(parse(r#"{"type":"step","event_id":"2"}"#).unwrap_err(), Malformed::NoTimestamp);
    }

    #[test]
    fn what_is_no_event_says_why() {
        assert_eq!(parse("nonsense").unwrap_err(), Malformed::NotAnObject);
        assert_eq!(parse("[1]").unwrap_err(), Malformed::NotAnObject);
        assert_eq!(parse("{}").unwrap_err(), Malformed::NoTimestamp);
        assert_eq!(parse(r#"{"timestamp":"soon"}"#).unwrap_err(), Malformed::NoTimestamp);
    }
}
