//! The flags that stand for common filters. They are judged natively: a value with quotes in it must not
//! become part of an expression.

use std::time::Duration;

use serde_json::Value;

use super::computed::{age_seconds, idle_seconds};
use crate::model::error::Error;
use crate::model::time::Time;

/// `--running`, `--project P`, … Several values of one flag are alternatives; different flags must all
/// hold. Contradictions match nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shorthand {
    /// State RUNNING, literally.
    pub running: bool,
    pub stopped: bool,
    /// Neither STOPPED nor DONE.
    pub alive: bool,
    pub archived: bool,
    /// Not archived, and on a host that is not CRASHED, FAILED or DESTROYED.
    pub active: bool,
    pub local: bool,
    pub remote: bool,
    pub projects: Vec<String>,
    pub labels: Vec<(String, String)>,
    pub host_labels: Vec<(String, String)>,
    pub providers: Vec<String>,
    pub types: Vec<String>,
    /// Created longer ago than this.
    pub older_than: Option<Duration>,
    /// No activity for longer than this. An agent without any activity does not match.
    pub idle_for: Option<Duration>,
}

impl Shorthand {
    /// Whether everything matches.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Judges the JSON of one agent.
    #[must_use]
    pub fn matches(&self, item: &Value, now: Time) -> bool {
        let text = |pointer: &str| item.pointer(pointer).and_then(Value::as_str);
        let (state, provider) = (text("/state"), text("/host/provider_name"));
        let is_archived = text("/labels/archived_at").is_some();
        let is_host_gone = matches!(text("/host/state"), Some("CRASHED" | "FAILED" | "DESTROYED"));
        let is_local = provider == Some("local");
        let has_pair = |pointer: &str, pairs: &[(String, String)]| {
            let map = item.pointer(pointer);
            let value = |key: &str| map.and_then(|map| map.get(key)).and_then(Value::as_str);
            pairs.is_empty() || pairs.iter().any(|(key, wanted)| value(key) == Some(wanted))
        };
        let is_one_of = |value: Option<&str>, wanted: &[String]| {
            wanted.is_empty() || value.is_some_and(|value| wanted.iter().any(|wanted| wanted == value))
        };
        let is_longer = |seconds: Option<f64>, limit: Option<Duration>| match limit {
            Some(limit) => seconds.is_some_and(|seconds| seconds > limit.as_secs_f64()),
            None => true,
        };

        (!self.running || state == Some("RUNNING"))
            && (!self.stopped || state == Some("STOPPED"))
            && (!self.alive || !matches!(state, Some("STOPPED" | "DONE")))
            && (!self.archived || is_archived)
            && (!self.active || !(is_archived || is_host_gone))
            && (!self.local || is_local)
            && (!self.remote || !is_local)
            && is_one_of(text("/labels/project"), &self.projects)
            && has_pair("/labels", &self.labels)
            && has_pair("/host/tags", &self.host_labels)
            && is_one_of(provider, &self.providers)
            && is_one_of(text("/type"), &self.types)
            && is_longer(age_seconds(item, now), self.older_than)
            && is_longer(idle_seconds(item, now), self.idle_for)
    }
}

/// Reads the `K=V` of `--label` and the like, both trimmed. `cleanup` takes a bare `K` for `K=true`.
///
/// # Errors
/// No `=` where one is needed, or an empty key.
pub fn parse_pair(text: &str, bare_value: Option<&str>) -> Result<(String, String), Error> {
    let pair = match (text.split_once('='), bare_value) {
        (Some((key, value)), _) => (key.trim(), value.trim()),
        (None, Some(value)) => (text.trim(), value),
        (None, None) => ("", ""),
    };
    if pair.0.is_empty() {
        return Err(Error::hinted(
            crate::model::error::ErrorClass::Usage,
            format!("`{}` is no label", text.chars().take(80).collect::<String>()),
            "write KEY=VALUE",
        ));
    }
    Ok((pair.0.to_owned(), pair.1.to_owned()))
}
