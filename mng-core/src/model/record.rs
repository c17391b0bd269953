//! The two certified records: a host's and an agent's `data.json`, as the original spells them.
//!
//! Keys that we do not know survive a read and a write.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::ids::{AgentId, HostId};
use super::names::{AgentName, AgentTypeName};
use super::state::{ActivitySource, IdleMode};
use super::time::Time;
pub use super::window::ExtraWindow;

/// `A/data.json`. Readers need only the first six keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgentRecord {
    pub id: AgentId,
    pub name: AgentName,
    #[serde(rename = "type")]
    pub agent_type: AgentTypeName,
    pub work_dir: PathBuf,
    /// Written with the `+00:00` suffix, as the original does.
    #[serde(serialize_with = "with_offset")]
    pub create_time: Time,
    /// One complete shell command line, which the original can type itself.
    pub command: String,
    #[serde(default, deserialize_with = "windows")]
    pub additional_commands: Vec<ExtraWindow>,
    #[serde(default)]
    pub initial_message: Option<String>,
    #[serde(default)]
    pub resume_message: Option<String>,
    /// Seconds; always a number in what we write, the original's start fails on null.
    #[serde(default = "default_ready_timeout", deserialize_with = "ready_timeout")]
    pub ready_timeout_seconds: f64,
    #[serde(default)]
    pub permissions: Vec<String>,
    #[serde(default)]
    pub start_on_boot: bool,
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// The branch that create made, for `destroy -b`.
    #[serde(default)]
    pub created_branch_name: Option<String>,
    /// The branch read back after checkout, whether made or existing.
    #[serde(default)]
    pub checked_out_branch_name: Option<String>,
    /// The branch or commit that the work started from, as the person would name it.
    #[serde(default)]
    pub base_branch: Option<String>,
    /// The commit that the work started from.
    #[serde(default)]
    pub base_commit: Option<String>,
    /// How the work dir came to be; unset in records of the original.
    #[serde(default)]
    pub transfer_mode: Option<TransferMode>,
    #[serde(default)]
    pub tmux: TmuxSize,
    /// Certified data of plugins, by plugin name.
    #[serde(default)]
    pub plugin: Map<String, Value>,
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

impl AgentRecord {
    /// The repository that the agent's worktree belongs to (`plugin.mng.git_common_dir`): known also after
    /// the work dir itself has gone.
    #[must_use]
    pub fn git_common_dir(&self) -> Option<PathBuf> {
        self.plugin.get("mng")?.get("git_common_dir")?.as_str().map(PathBuf::from)
    }

    pub fn set_git_common_dir(&mut self, dir: Option<&std::path::Path>) {
        let ours = self.plugin.entry("mng").or_insert_with(|| Value::Object(Map::new()));
        let Value::Object(ours) = ours else { return };
        match dir.and_then(std::path::Path::to_str) {
            Some(dir) => {
                ours.insert("git_common_dir".into(), dir.into());
            }
            None => {
                ours.remove("git_common_dir");
            }
        }
        if ours.is_empty() {
            self.plugin.remove("mng");
        }
    }
}

/// The default readiness budget of the original, in seconds.
#[must_use]
pub fn default_ready_timeout() -> f64 {
    10.0
}

fn ready_timeout<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::<f64>::deserialize(deserializer)?.unwrap_or_else(default_ready_timeout))
}

fn with_offset<S: serde::Serializer>(time: &Time, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&time.with_offset())
}

/// How an agent's work dir was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TransferMode {
    /// The agent works in the source itself.
    None,
    Rsync,
    GitMirror,
    GitWorktree,
}

impl TransferMode {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Rsync => "rsync",
            Self::GitMirror => "git-mirror",
            Self::GitWorktree => "git-worktree",
        }
    }
}

/// Very old records hold plain strings, and null.
fn windows<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<ExtraWindow>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// The size asked for at create; null means the configured default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TmuxSize {
    #[serde(default)]
    pub width: Option<u32>,
    #[serde(default)]
    pub height: Option<u32>,
    /// `MANUAL`, `LATEST`, `LARGEST` or `SMALLEST`.
    #[serde(default)]
    pub window_size: Option<String>,
}

/// `H/data.json`. The original refuses unknown keys here: keys beyond its set are written only when they
/// differ from their default, and ours live under `plugin.mng`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HostRecord {
    #[serde(default = "default_idle_timeout")]
    pub idle_timeout_seconds: u64,
    #[serde(default = "default_sources")]
    pub activity_sources: Vec<ActivitySource>,
    /// Derived from the sources on every write, ignored on read.
    #[serde(default = "default_mode")]
    pub idle_mode: IdleMode,
    #[serde(default = "week_ago")]
    pub created_at: Time,
    #[serde(default = "day_ago")]
    pub updated_at: Time,
    #[serde(default)]
    pub max_host_age: Option<u64>,
    #[serde(default)]
    pub plugin: Map<String, Value>,
    #[serde(default)]
    pub image: Option<String>,
    /// Absolute paths of the work dirs that mng made and may remove; sorted.
    #[serde(default)]
    pub generated_work_dirs: Vec<PathBuf>,
    #[serde(default)]
    pub host_id: Option<HostId>,
    #[serde(default)]
    pub host_name: Option<String>,
    #[serde(default)]
    pub user_tags: BTreeMap<String, String>,
    #[serde(default)]
    pub snapshots: Vec<Value>,
    #[serde(default)]
    pub tmux_session_prefix: Option<String>,
    #[serde(default)]
    pub stop_reason: Option<String>,
    #[serde(default)]
    pub failure_reason: Option<String>,
    #[serde(default)]
    pub build_log: Option<String>,
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

fn default_idle_timeout() -> u64 {
    3600
}

fn default_mode() -> IdleMode {
    IdleMode::Io
}

fn default_sources() -> Vec<ActivitySource> {
    IdleMode::Io.sources().map(<[_]>::to_vec).unwrap_or_default()
}

fn days_ago(days: u64) -> Time {
    let now = std::time::SystemTime::now();
    now.checked_sub(std::time::Duration::from_secs(days * 86_400)).unwrap_or(now).into()
}

fn week_ago() -> Time {
    days_ago(7)
}

fn day_ago() -> Time {
    days_ago(1)
}

impl HostRecord {
    /// The record of a host that has none yet.
    #[must_use]
    pub fn new(host_id: HostId, host_name: impl Into<String>) -> Self {
        let now = Time::now();
        Self {
            idle_timeout_seconds: default_idle_timeout(),
            activity_sources: default_sources(),
            idle_mode: IdleMode::Io,
            created_at: now,
            updated_at: now,
            max_host_age: None,
            plugin: Map::new(),
            image: None,
            generated_work_dirs: Vec::new(),
            host_id: Some(host_id),
            host_name: Some(host_name.into()),
            user_tags: BTreeMap::new(),
            snapshots: Vec::new(),
            tmux_session_prefix: None,
            stop_reason: None,
            failure_reason: None,
            build_log: None,
            unknown: Map::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_of_the_original_reads_and_keeps_what_we_do_not_know() {
        let text = r#"{"id":"agent-0123456789abcdef0123456789abcdef","name":"odd name.x","type":"generic",
            "work_dir":"/w","create_time":"2026-11-22T13:31:00.712323+00:00","command":"sleep 9",
            "additional_commands":["top"],"ready_timeout_seconds":null,"future_key":[1]}"#;
        let record: AgentRecord = serde_json::from_str(text).unwrap();
        assert_eq!(record.additional_commands[0].command, "top");
        assert!((record.ready_timeout_seconds - 10.0).abs() < f64::EPSILON);
        let back = serde_json::to_value(&record).unwrap();
        assert_eq!(back["future_key"], serde_json::json!([1]));
        assert_eq!(back["create_time"], "2026-11-22T13:31:00.712323+00:00");
    }

    #[test]
    fn a_host_record_has_exactly_the_keys_of_the_original() {
        let record = HostRecord::new(HostId::generate(), "localhost");
        let value = serde_json::to_value(&record).unwrap();
        let keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(
            keys,
            [
                "idle_timeout_seconds",
                "activity_sources",
                "idle_mode",
                "created_at",
                "updated_at",
                "max_host_age",
                "plugin",
                "image",
                "generated_work_dirs",
                "host_id",
                "host_name",
                "user_tags",
                "snapshots",
                "tmux_session_prefix",
                "stop_reason",
                "failure_reason",
                "build_log"
            ]
        );
    }
}
