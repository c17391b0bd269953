use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::time::Time;

/// One line of `events/<source>/usage/events.jsonl`: what a process, a session or one message has used.
///
/// With a `message_id` it is that message's own use. Without, it is cumulative: of one process of the program
/// for claude, of the session for codex.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UsageRecord {
    /// `<name>/usage`.
    pub source: String,
    /// `cost_snapshot`.
    #[serde(rename = "type")]
    pub kind: String,
    pub event_id: String,
    pub timestamp: Time,
    pub session_id: String,
    #[serde(default)]
    pub message_id: Option<String>,
    #[serde(default)]
    pub cost: Option<Cost>,
    #[serde(default)]
    pub tokens: Option<Tokens>,
    /// With the provider if that is known: `openai/gpt-5.2`.
    #[serde(default)]
    pub model: Option<String>,
    #[serde(default)]
    pub cost_mode: Option<CostMode>,
    /// By key: `five_hour`, `seven_day`, `overage`.
    #[serde(default)]
    pub rate_limits: Option<BTreeMap<String, Window>>,
}

impl UsageRecord {
    pub const KIND: &'static str = "cost_snapshot";

    /// A record that says nothing yet.
    #[must_use]
    pub fn new(source: &str, session_id: &str, event_id: impl Into<String>, timestamp: Time) -> Self {
        Self {
            source: format!("{source}/usage"),
            kind: Self::KIND.to_owned(),
            event_id: event_id.into(),
            timestamp,
            session_id: session_id.to_owned(),
            message_id: None,
            cost: None,
            tokens: None,
            model: None,
            cost_mode: None,
            rate_limits: None,
        }
    }
}

/// What a program itself says that it cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// US dollars.
    #[serde(default)]
    pub total_cost_usd: Option<f64>,
    #[serde(default)]
    pub total_duration_ms: Option<u64>,
    #[serde(default)]
    pub total_api_duration_ms: Option<u64>,
    #[serde(default)]
    pub total_lines_added: Option<u64>,
    #[serde(default)]
    pub total_lines_removed: Option<u64>,
}

/// Counted by kind; the four do not overlap, so the whole input is `input + cache_read + cache_creation`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    #[serde(default)]
    pub input: u64,
    #[serde(default)]
    pub output: u64,
    #[serde(default)]
    pub cache_read: u64,
    #[serde(default)]
    pub cache_creation: u64,
}

impl Tokens {
    #[must_use]
    pub fn is_zero(self) -> bool {
        self == Self::default()
    }

    /// The sum, each count for itself.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            input: self.input.saturating_add(other.input),
            output: self.output.saturating_add(other.output),
            cache_read: self.cache_read.saturating_add(other.cache_read),
            cache_creation: self.cache_creation.saturating_add(other.cache_creation),
        }
    }

    /// What came on top of `earlier`; all of it if any count has shrunk, for then the counting began anew.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        let less = || {
            Some(Self {
                input: self.input.checked_sub(earlier.input)?,
                output: self.output.checked_sub(earlier.output)?,
                cache_read: self.cache_read.checked_sub(earlier.cache_read)?,
                cache_creation: self.cache_creation.checked_sub(earlier.cache_creation)?,
            })
        };
        less().unwrap_or(self)
    }
}

/// Who pays: a flat subscription, so that costs are imputed, or each token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CostMode {
    Subscription,
    ApiKey,
}

/// A rate limit as the service last told it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Window {
    #[serde(default)]
    pub used_percentage: Option<f64>,
    /// Seconds since 1970.
    #[serde(default)]
    pub resets_at: Option<f64>,
    #[serde(default)]
    pub window_seconds: Option<u64>,
    #[serde(default)]
    pub label: Option<String>,
    #[serde(default)]
    pub status: Option<String>,
    #[serde(default)]
    pub is_using_overage: Option<bool>,
}
