//! The catalogue itself.

use super::{Field, FieldType, Section};
use crate::model::printing::Measure;

use FieldType::{Any, Bool, Float, Int, List, Map, Object, String, Time};

/// Other names of fields, and what they stand for.
pub const ALIASES: &[(&str, &str)] =
    &[("host.provider", "host.provider_name"), ("project", "labels.project")];

const fn agent(key: &'static str, field_type: FieldType, description: &'static str) -> Field {
    let measure = if matches!(field_type, Time) { Measure::Time } else { Measure::Plain };
    Field { key, field_type, nullable: false, measure, section: Section::Agent, cel_only: false, description }
}

const fn host(key: &'static str, field_type: FieldType, description: &'static str) -> Field {
    Field { section: Section::Host, ..agent(key, field_type, description) }
}

const fn nested(key: &'static str, field_type: FieldType) -> Field {
    Field { section: Section::Nested, ..agent(key, field_type, "") }
}

const fn computed(key: &'static str, field_type: FieldType, description: &'static str) -> Field {
    Field { section: Section::Computed, ..agent(key, field_type, description) }
}

const fn dynamic(key: &'static str, field_type: FieldType, description: &'static str) -> Field {
    Field { section: Section::Dynamic, nullable: true, ..agent(key, field_type, description) }
}

const fn or_null(field: Field) -> Field {
    Field { nullable: true, ..field }
}

const fn seconds(field: Field) -> Field {
    Field { measure: Measure::Seconds, ..field }
}

const fn bytes(field: Field) -> Field {
    Field { measure: Measure::Bytes, ..field }
}

const fn cel_only(field: Field) -> Field {
    Field { cel_only: true, ..field }
}

/// Every field, sections together, in the order of the JSON of one agent (`plugin` stands behind the host).
pub static FIELDS: &[Field] = &[
    agent("resource_type", String, "always `agent`"),
    agent("id", String, "the agent's id, unique on its host"),
    agent("name", String, "the agent's name"),
    agent("type", String, "agent type"),
    agent("command", String, "shell command line that starts the agent"),
    agent("work_dir", String, "directory the agent works in"),
    or_null(agent("initial_branch", String, "branch checked out when the agent was created")),
    agent("create_time", Time, "when the agent was created"),
    agent("start_on_boot", Bool, "whether the agent starts with its host"),
    agent("state", String, "what the agent is doing"),
    or_null(agent("waiting_reason", String, "why a WAITING agent waits")),
    or_null(agent("state_reason", String, "the signal that decided the state")),
    or_null(seconds(agent("state_age", Float, "age of that signal, in seconds"))),
    or_null(agent("pid", Int, "process id of the agent's program")),
    or_null(seconds(agent("cpu_seconds", Float, "processor time of the agent's processes, in seconds"))),
    or_null(bytes(agent("memory_bytes", Int, "memory of the agent's processes, in bytes"))),
    or_null(agent("url", String, "URL that the agent reports")),
    or_null(agent("start_time", Time, "when the agent was last started")),
    or_null(seconds(agent("runtime_seconds", Float, "seconds since then"))),
    or_null(agent("user_activity_time", Time, "when a person was last active")),
    or_null(agent("agent_activity_time", Time, "when the agent was last active")),
    or_null(seconds(agent("idle_seconds", Float, "seconds since the last activity"))),
    or_null(agent("idle_mode", String, "what counts as activity, as a named set")),
    or_null(seconds(agent("idle_timeout_seconds", Int, "idle time after which the host stops, in seconds"))),
    or_null(agent("activity_sources", List, "what counts as activity")),
    agent("labels", Map, "the agent's labels"),
    host("host.id", String, "the host's id"),
    host("host.name", String, "the host's name"),
    host("host.provider_name", String, "provider instance of the host"),
    or_null(host("host.state", String, "state of the host")),
    or_null(host("host.image", String, "image of the host")),
    host("host.tags", Map, "the host's labels"),
    or_null(host("host.boot_time", Time, "when the host booted")),
    or_null(seconds(host("host.uptime_seconds", Float, "seconds since then"))),
    or_null(host(
        "host.resource",
        Object,
        "cpu{count, frequency_ghz}, memory_gb, disk_gb, gpu{count, model, memory_gb}",
    )),
    or_null(host("host.ssh", Object, "user, host, port, key_path, known_hosts_path, command")),
    host("host.snapshots", List, "snapshots, newest first: id, name, created_at, size_bytes, recency_idx"),
    or_null(host("host.is_locked", Bool, "whether an operation holds the host's lock")),
    or_null(host("host.locked_time", Time, "since when")),
    host("host.plugin", Map, "what plugins report of the host"),
    or_null(host("host.ssh_activity_time", Time, "when somebody was last connected")),
    or_null(host("host.failure_reason", String, "why the host could not be made")),
    agent("plugin", Map, "what plugins report of the agent"),
    cel_only(seconds(computed("age", Float, "seconds since create_time"))),
    or_null(cel_only(seconds(computed("runtime", Float, "runtime_seconds")))),
    or_null(cel_only(seconds(computed(
        "idle",
        Float,
        "seconds since the newest of user, agent and ssh activity",
    )))),
    computed("host.provider", String, "host.provider_name"),
    or_null(computed("project", String, "labels.project")),
    dynamic("labels.$KEY", String, "one label"),
    dynamic("plugin.$PLUGIN.*", Any, "one value that a plugin reports of the agent"),
    dynamic("host.tags.$KEY", String, "one host label"),
    dynamic("host.plugin.$PLUGIN.*", Any, "one value that a plugin reports of the host"),
    nested("host", Object),
    nested("host.resource.cpu", Object),
    nested("host.resource.cpu.count", Int),
    nested("host.resource.cpu.frequency_ghz", Float),
    nested("host.resource.memory_gb", Float),
    nested("host.resource.disk_gb", Float),
    nested("host.resource.gpu", Object),
    nested("host.resource.gpu.count", Int),
    nested("host.resource.gpu.model", String),
    nested("host.resource.gpu.memory_gb", Float),
    nested("host.ssh.user", String),
    nested("host.ssh.host", String),
    nested("host.ssh.port", Int),
    nested("host.ssh.key_path", String),
    nested("host.ssh.known_hosts_path", String),
    nested("host.ssh.command", String),
    nested("host.snapshots.id", String),
    nested("host.snapshots.name", String),
    nested("host.snapshots.created_at", Time),
    bytes(nested("host.snapshots.size_bytes", Int)),
    nested("host.snapshots.recency_idx", Int),
];
