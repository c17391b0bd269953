//! One agent and one host as every listing shows them. The field names and their order are the JSON contract;
//! `model::fields` describes each.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::model::address::AgentAddress;
use crate::model::error::{Error, Subject};
use crate::model::ids::{AgentId, HostId};
use crate::model::names::{HostName, ProviderName};
use crate::model::record::AgentRecord;
use crate::model::state::{ActivitySource, AgentState, HostState, IdleMode, WaitingReason};
use crate::model::time::Time;
use crate::operations::resolve::is_host_of;
use crate::providers::SshAccess;

/// A host, with what was measured on it. Null: not measured.
#[derive(Clone, Debug, Serialize)]
pub struct HostView {
    pub id: HostId,
    pub name: HostName,
    pub provider_name: ProviderName,
    pub state: HostState,
    pub image: Option<String>,
    pub tags: BTreeMap<String, String>,
    pub boot_time: Option<Time>,
    pub uptime_seconds: Option<f64>,
    pub resource: Option<Resource>,
    pub ssh: Option<SshAccess>,
    pub snapshots: Vec<Value>,
    pub is_locked: Option<bool>,
    pub locked_time: Option<Time>,
    pub plugin: Map<String, Value>,
    pub ssh_activity_time: Option<Time>,
    pub failure_reason: Option<String>,
}

/// What a machine has.
#[derive(Clone, Debug, Serialize)]
pub struct Resource {
    pub cpu: Cpu,
    pub memory_gb: Option<f64>,
    pub disk_gb: Option<f64>,
    pub gpu: Option<Value>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Cpu {
    pub count: Option<u32>,
    pub frequency_ghz: Option<f64>,
}

/// How a host decides that it is idle, as its record says.
#[derive(Clone, Debug, Default)]
pub struct IdleView {
    pub mode: Option<IdleMode>,
    pub timeout_seconds: Option<u64>,
    pub sources: Option<Vec<ActivitySource>>,
}

/// An agent: its record, what was seen of it, and its host. Its JSON is that of `list`.
#[derive(Clone, Debug)]
pub struct AgentView {
    pub record: AgentRecord,
    pub state: AgentState,
    /// Only of a WAITING agent.
    pub waiting_reason: Option<WaitingReason>,
    /// The signal that decided the state, in words.
    pub state_reason: Option<String>,
    /// Age of that signal, in seconds.
    pub state_age: Option<f64>,
    pub pid: Option<i32>,
    /// Of the whole process tree; `None` unless asked for.
    pub cpu_seconds: Option<f64>,
    pub memory_bytes: Option<u64>,
    pub url: Option<String>,
    pub start_time: Option<Time>,
    pub user_activity_time: Option<Time>,
    pub agent_activity_time: Option<Time>,
    /// When the facts were gathered: what "seconds since" counts from.
    pub seen_at: Time,
    /// What plugins report of the agent beside what the record holds.
    pub reported: Map<String, Value>,
    pub idle: Arc<IdleView>,
    pub host: Arc<HostView>,
}

impl AgentView {
    /// `NAME@HOST.PROVIDER`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("{}@{}.{}", self.record.name, self.host.name, self.host.provider_name)
    }

    /// The key of an agent over all hosts.
    #[must_use]
    pub fn key(&self) -> (HostId, AgentId) {
        (self.host.id.clone(), self.record.id.clone())
    }

    /// Whether an address means this agent.
    #[must_use]
    pub fn is_meant_by(&self, address: &AgentAddress) -> bool {
        let host = &self.host;
        address.agent.matches(&self.record.name, &self.record.id)
            && address
                .host
                .as_ref()
                .is_none_or(|wanted| is_host_of(wanted, &host.id, &host.name, &host.provider_name))
    }

    /// By creation time; then by name and id, so that the order never changes by itself.
    #[must_use]
    pub fn listing_order(&self, other: &Self) -> Ordering {
        fn key(record: &AgentRecord) -> (Time, &str, &str) {
            (record.create_time, record.name.as_str(), record.id.as_str())
        }
        key(&self.record).cmp(&key(&other.record))
    }

    /// The whole object, as JSON output has it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        serde_json::to_value(self).expect("keys are strings and numbers are finite")
    }

    /// Seconds since the last start, if it ever started.
    #[must_use]
    pub fn runtime_seconds(&self) -> Option<f64> {
        self.start_time.map(|time| self.since(time))
    }

    /// Seconds since a person or the agent last did something.
    #[must_use]
    pub fn idle_seconds(&self) -> Option<f64> {
        [self.user_activity_time, self.agent_activity_time, self.host.ssh_activity_time]
            .into_iter()
            .flatten()
            .max()
            .map(|time| self.since(time))
    }

    fn since(&self, time: Time) -> f64 {
        time.age(self.seen_at).as_secs_f64()
    }

    /// The value of one of the columns that a plain `list` shows, without making the whole object; `None`
    /// for every other field.
    #[must_use]
    pub fn plain_column(&self, path: &str) -> Option<&str> {
        Some(match path {
            "name" => self.record.name.as_str(),
            "id" => self.record.id.as_str(),
            "type" => self.record.agent_type.as_str(),
            "state" => self.state.as_str(),
            "host.name" => self.host.name.as_str(),
            "host.provider_name" => self.host.provider_name.as_str(),
            "host.state" => self.host.state.as_str(),
            "labels.project" => self.record.labels.get("project").map_or("", String::as_str),
            _ => return None,
        })
    }
}

impl Serialize for AgentView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let record = &self.record;
        let mut plugin = record.plugin.clone();
        for (name, reported) in &self.reported {
            merge(plugin.entry(name.clone()).or_insert_with(|| Value::Object(Map::new())), reported);
        }
        AgentJson {
            resource_type: "agent",
            id: record.id.as_str(),
            name: record.name.as_str(),
            agent_type: record.agent_type.as_str(),
            command: Some(record.command.as_str()).filter(|command| !command.is_empty()),
            work_dir: record.work_dir.to_string_lossy().as_ref(),
            initial_branch: record.checked_out_branch_name.as_ref().or(record.created_branch_name.as_ref()),
            create_time: record.create_time,
            start_on_boot: record.start_on_boot,
            state: self.state,
            waiting_reason: self.waiting_reason,
            state_reason: self.state_reason.as_deref(),
            state_age: self.state_age,
            pid: self.pid,
            cpu_seconds: self.cpu_seconds,
            memory_bytes: self.memory_bytes,
            url: self.url.as_deref(),
            start_time: self.start_time,
            runtime_seconds: self.runtime_seconds(),
            user_activity_time: self.user_activity_time,
            agent_activity_time: self.agent_activity_time,
            idle_seconds: self.idle_seconds(),
            idle_mode: self.idle.mode,
            idle_timeout_seconds: self.idle.timeout_seconds,
            activity_sources: self.idle.sources.as_deref(),
            labels: &record.labels,
            host: &self.host,
            plugin: &plugin,
        }
        .serialize(serializer)
    }
}

/// What a plugin reports wins over nothing: certified values stay.
fn merge(certified: &mut Value, reported: &Value) {
    if let (Value::Object(into), Value::Object(from)) = (certified, reported) {
        for (key, value) in from {
            into.entry(key.clone()).or_insert_with(|| value.clone());
        }
    }
}

#[derive(Serialize)]
struct AgentJson<'a> {
    resource_type: &'static str,
    id: &'a str,
    name: &'a str,
    #[serde(rename = "type")]
    agent_type: &'a str,
    command: Option<&'a str>,
    work_dir: &'a str,
    initial_branch: Option<&'a String>,
    create_time: Time,
    start_on_boot: bool,
    state: AgentState,
    waiting_reason: Option<WaitingReason>,
    state_reason: Option<&'a str>,
    state_age: Option<f64>,
    pid: Option<i32>,
    cpu_seconds: Option<f64>,
    memory_bytes: Option<u64>,
    url: Option<&'a str>,
    start_time: Option<Time>,
    runtime_seconds: Option<f64>,
    user_activity_time: Option<Time>,
    agent_activity_time: Option<Time>,
    idle_seconds: Option<f64>,
    idle_mode: Option<IdleMode>,
    idle_timeout_seconds: Option<u64>,
    activity_sources: Option<&'a [ActivitySource]>,
    labels: &'a BTreeMap<String, String>,
    host: &'a HostView,
    plugin: &'a Map<String, Value>,
}

/// Something that could not be listed: one provider, host or agent. The rest is.
#[derive(Debug)]
pub struct ErrorRow {
    pub error: Error,
    pub subject: Subject,
    /// The provider did not answer; what it has is unknown.
    pub is_provider_inaccessible: bool,
    /// Counts for the exit code: somebody asked for this.
    pub is_counted: bool,
}

impl ErrorRow {
    #[must_use]
    pub fn new(error: Error) -> Self {
        let subject = error.subject();
        Self { error, subject, is_provider_inaccessible: false, is_counted: true }
    }

    /// Whom the row is about, where the error does not say so itself.
    #[must_use]
    pub fn of_provider(mut self, provider: &ProviderName) -> Self {
        self.subject.provider_name.get_or_insert_with(|| provider.to_string());
        self
    }

    /// As [`ErrorRow::of_provider`].
    #[must_use]
    pub fn of_agent(mut self, agent: &AgentId) -> Self {
        self.subject.agent_id.get_or_insert_with(|| agent.to_string());
        self
    }

    /// As [`ErrorRow::of_provider`].
    #[must_use]
    pub fn of_host(mut self, host: &HostId) -> Self {
        self.subject.host_id.get_or_insert_with(|| host.to_string());
        self
    }
}

impl Serialize for ErrorRow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Row<'a> {
            exception_type: &'static str,
            error_class: &'static str,
            message: String,
            #[serde(skip_serializing_if = "Option::is_none")]
            hint: Option<&'a str>,
            #[serde(flatten)]
            subject: &'a Subject,
            is_provider_inaccessible: bool,
            #[serde(skip_serializing_if = "Option::is_none")]
            remediation: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            short_reason: Option<String>,
        }
        let class = self.error.class().as_str();
        let hint = self.error.hint();
        let is_provider = self.is_provider_inaccessible;
        let causes = self.error.causes();
        Row {
            exception_type: class,
            error_class: class,
            message: std::iter::once(self.error.to_string()).chain(causes).collect::<Vec<_>>().join(": "),
            hint: hint.as_deref(),
            subject: &self.subject,
            is_provider_inaccessible: is_provider,
            remediation: hint.as_deref().filter(|_| is_provider),
            short_reason: is_provider.then(|| self.error.to_string()),
        }
        .serialize(serializer)
    }
}
