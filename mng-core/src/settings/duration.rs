//! Durations in settings files: `90`, `0.5`, `90s`, `1h30m`, `7d`.

use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use crate::model;

/// Reads a duration from a settings value: a number of seconds, or a text with units or digits.
pub(crate) fn from_json(value: &Value) -> Option<Duration> {
    match value {
        Value::Number(number) => from_number(number.as_f64()?),
        Value::String(text) => from_text(text),
        _ => None,
    }
}

fn from_text(text: &str) -> Option<Duration> {
    let text = text.trim();
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if is_number { from_number(text.parse().ok()?) } else { model::duration::parse(text).ok() }
}

/// To the millisecond, so that what is written back is what was read.
fn from_number(seconds: f64) -> Option<Duration> {
    let is_sane = (0.0..1e12).contains(&seconds);
    is_sane.then(|| Duration::from_millis((seconds * 1000.0).round() as u64))
}

/// The exact spelling that is read back: `1h30m`, `5s`, `0.5`.
fn exact(duration: Duration) -> String {
    if duration.subsec_nanos() != 0 {
        return duration.as_secs_f64().to_string();
    }
    let mut left = duration.as_secs();
    let mut text = String::new();
    for (name, length) in [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)] {
        if left >= length {
            text.push_str(&format!("{}{name}", left / length));
            left %= length;
        }
    }
    if text.is_empty() { "0s".into() } else { text }
}

/// A number of seconds in a settings file; a duration text is read too. Written back as a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seconds(pub Duration);

impl Seconds {
    #[must_use]
    pub const fn new(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }
}

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.subsec_nanos() == 0 {
            serializer.serialize_u64(self.0.as_secs())
        } else {
            serializer.serialize_f64(self.0.as_secs_f64())
        }
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DurationVisitor).map(Self)
    }
}

impl JsonSchema for Seconds {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Seconds".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "format": "duration", "minimum": 0 })
    }
}

/// A duration text in a settings file (`7d`); a number of seconds is read too. Written back as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DurationText(pub Duration);

impl fmt::Display for DurationText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&exact(self.0))
    }
}

impl Serialize for DurationText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DurationText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DurationVisitor).map(Self)
    }
}

impl JsonSchema for DurationText {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "DurationText".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "duration", "exclusiveMinimum": 0 })
    }
}

struct DurationVisitor;

impl Visitor<'_> for DurationVisitor {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of seconds or a time such as `90s` or `1h30m`")
    }

    fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Duration, E> {
        Ok(Duration::from_secs(seconds))
    }

    fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<Duration, E> {
        u64::try_from(seconds)
            .map(Duration::from_secs)
            .map_err(|_| E::invalid_value(de::Unexpected::Signed(seconds), &self))
    }

    fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<Duration, E> {
        from_number(seconds).ok_or_else(|| E::invalid_value(de::Unexpected::Float(seconds), &self))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Duration, E> {
        from_text(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_and_texts_are_read() {
        let seconds = |value: Value| from_json(&value).map(|duration| duration.as_secs_f64());
        assert_eq!(seconds(90.into()), Some(90.0));
        assert_eq!(seconds(0.5.into()), Some(0.5));
        assert_eq!(seconds("0".into()), Some(0.0));
        assert_eq!(seconds("1h30m".into()), Some(5400.0));
        for bad in [Value::from(-1), "".into(), "x".into(), "1.2.3".into(), "5x".into(), true.into()] {
            assert_eq!(seconds(bad.clone()), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn formatting_round_trips(milliseconds in 0_u64..10_000_000_000) {
            let duration = Duration::from_millis(milliseconds);
            prop_assert_eq!(from_text(&exact(duration)), Some(duration));
        }
    }
}
