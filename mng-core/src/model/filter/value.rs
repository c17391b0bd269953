//! The values of expressions. Those of an agent are borrowed from its JSON.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::rc::Rc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use super::number::Number;

#[derive(Clone, Debug)]
pub(super) enum Val<'a> {
    /// A key that a map does not have, a place outside a list, or anything inside a null. No comparison
    /// with it holds, and no operation on it fails.
    Missing,
    Null,
    Bool(bool),
    Number(Number),
    Str(Cow<'a, str>),
    Bytes(Rc<[u8]>),
    List(List<'a>),
    Map(Keyed<'a>),
    Time(Timestamp),
    Span(SignedDuration),
    /// What `type(x)` gives.
    Type(&'static str),
}

#[derive(Clone, Debug)]
pub(super) enum List<'a> {
    Json(&'a [Value]),
    Made(Rc<Vec<Val<'a>>>),
}

#[derive(Clone, Debug)]
pub(super) enum Keyed<'a> {
    Json(&'a Map<String, Value>, Level),
    Made(Rc<Vec<(Val<'a>, Val<'a>)>>),
}

/// Where in an agent's JSON an object stands: that decides whether a name that it lacks is a mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// The agent itself.
    Root,
    Host,
    /// Any other object with fixed keys.
    Fixed,
    /// Labels, plugin data, and what is in them.
    Open,
}

impl<'a> Val<'a> {
    pub(super) fn from_json(value: &'a Value, level: Level) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(number) => Self::Number(Number::from_json(number)),
            Value::String(text) => Self::Str(Cow::Borrowed(text)),
            Value::Array(list) => Self::List(List::Json(list)),
            Value::Object(map) => Self::Map(Keyed::Json(map, level)),
        }
    }

    pub(super) fn int(value: i64) -> Self {
        Self::Number(Number::Int(value))
    }

    pub(super) fn string(text: impl Into<String>) -> Self {
        Self::Str(Cow::Owned(text.into()))
    }

    pub(super) fn list(values: Vec<Self>) -> Self {
        Self::List(List::Made(Rc::new(values)))
    }

    /// Null and what is not there: both count as absent.
    pub(super) fn is_absent(&self) -> bool {
        matches!(self, Self::Missing | Self::Null)
    }

    /// Whether a condition with this result holds. Everything that is not absent, zero, empty or false.
    pub(super) fn is_truthy(&self) -> bool {
        match self {
            Self::Missing | Self::Null => false,
            Self::Bool(value) => *value,
            Self::Number(number) => !number.is_zero(),
            Self::Str(text) => !text.is_empty(),
            Self::Bytes(bytes) => !bytes.is_empty(),
            Self::List(list) => list.len() > 0,
            Self::Map(map) => map.len() > 0,
            Self::Span(span) => !span.is_zero(),
            Self::Time(_) | Self::Type(_) => true,
        }
    }

    /// The name of the value's type, as `type()` and messages say it.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Missing | Self::Null => "null_type",
            Self::Bool(_) => "bool",
            Self::Number(number) => number.type_name(),
            Self::Str(_) => "string",
            Self::Bytes(_) => "bytes",
            Self::List(_) => "list",
            Self::Map(_) => "map",
            Self::Time(_) => "timestamp",
            Self::Span(_) => "duration",
            Self::Type(_) => "type",
        }
    }

    /// CEL's equality: numbers of all kinds compare, values of different types are unequal, and nothing
    /// equals what is missing, not even itself.
    pub(super) fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Number(a), Self::Number(b)) => a.compare(*b) == Some(Ordering::Equal),
            (Self::Str(a), Self::Str(b)) => a == b,
            (Self::Bytes(a), Self::Bytes(b)) => a == b,
            (Self::Time(a), Self::Time(b)) => a == b,
            (Self::Span(a), Self::Span(b)) => a == b,
            (Self::Type(a), Self::Type(b)) => a == b,
            (Self::List(a), Self::List(b)) => {
                a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| a.equals(&b))
            }
            (Self::Map(a), Self::Map(b)) => {
                a.len() == b.len()
                    && a.iter().all(|(key, value)| b.get(&key).is_some_and(|other| value.equals(&other)))
            }
            _ => false,
        }
    }

    /// The order of two values of one type; `None` when they have none.
    pub(super) fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => Some(a.cmp(b)),
            (Self::Number(a), Self::Number(b)) => a.compare(*b),
            (Self::Str(a), Self::Str(b)) => Some(a.cmp(b)),
            (Self::Bytes(a), Self::Bytes(b)) => Some(a.cmp(b)),
            (Self::Time(a), Self::Time(b)) => Some(a.cmp(b)),
            (Self::Span(a), Self::Span(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }
}

impl<'a> List<'a> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Json(list) => list.len(),
            Self::Made(list) => list.len(),
        }
    }

    pub(super) fn get(&self, index: usize) -> Option<Val<'a>> {
        match self {
            Self::Json(list) => list.get(index).map(|value| Val::from_json(value, Level::Open)),
            Self::Made(list) => list.get(index).cloned(),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Val<'a>> {
        (0..self.len()).filter_map(|index| self.get(index))
    }
}

impl<'a> Keyed<'a> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Json(map, _) => map.len(),
            Self::Made(entries) => entries.len(),
        }
    }

    /// Looks a key up among the values themselves, without computed fields.
    pub(super) fn get(&self, key: &Val<'_>) -> Option<Val<'a>> {
        match self {
            Self::Json(map, level) => match key {
                Val::Str(key) => map.get(key.as_ref()).map(|value| Val::from_json(value, level.child(key))),
                _ => None,
            },
            Self::Made(entries) => {
                entries.iter().find(|(known, _)| known.equals(key)).map(|(_, value)| value.clone())
            }
        }
    }

    pub(super) fn iter(&self) -> Box<dyn Iterator<Item = (Val<'a>, Val<'a>)> + '_> {
        match self {
            Self::Json(map, level) => {
                let map: &'a Map<String, Value> = map;
                Box::new(map.iter().map(|(key, value)| {
                    (Val::Str(Cow::Borrowed(key.as_str())), Val::from_json(value, level.child(key)))
                }))
            }
            Self::Made(entries) => Box::new(entries.iter().cloned()),
        }
    }
}

impl Level {
    pub(super) fn child(self, key: &str) -> Self {
        use crate::model::fields::AgentFields;
        match self {
            Self::Open => Self::Open,
            Self::Root if key == "host" => Self::Host,
            Self::Root if AgentFields::maps().any(|map| map == key) => Self::Open,
            Self::Host if AgentFields::maps().any(|map| map.strip_prefix("host.") == Some(key)) => Self::Open,
            Self::Root | Self::Host | Self::Fixed => Self::Fixed,
        }
    }
}
