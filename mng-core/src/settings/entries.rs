//! The fields that every entry of a registry has, whoever registered its kind.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::duration::Seconds;

/// The fields of every `[agent_types.NAME]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct AgentTypeBase {
    /// Type whose implementation and settings this one inherits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_type: Option<String>,
    /// Plugin that must be enabled for this table to count; by default the one that brings the type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plugin: Option<String>,
    /// Command line to run instead of the type's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Arguments after the command, already safe for a shell.
    #[schemars(extend("x-mng-words" = true))]
    pub cli_args: Vec<String>,
    /// Accepted for compatibility and ignored.
    pub permissions: Vec<String>,
    /// Shell lines to run on the host while an agent is set up.
    pub extra_provision_command: Vec<String>,
    /// Files to copy to the host, each as `LOCAL:REMOTE`.
    pub upload_file: Vec<String>,
    /// Directories to make on the host.
    pub create_directory: Vec<String>,
    /// Variables of the agent, each as `KEY=VALUE`.
    pub env: Vec<String>,
    /// Files with variables of the agent.
    pub env_file: Vec<String>,
}

/// The fields of every `[providers.NAME]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ProviderBase {
    /// Backend of this instance; by default its own name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backend: Option<String>,
    /// Whether the instance is used; `false` keeps its settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_enabled: Option<bool>,
    /// Plugin that must be enabled for this table to count; by default the backend's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plugin: Option<String>,
    /// How long records of destroyed hosts are kept, in seconds; unset: the global setting.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destroyed_host_persisted_seconds: Option<Seconds>,
    /// `mng gc` spares younger online hosts, in seconds; unset: the global setting.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_online_host_age_seconds: Option<Seconds>,
    /// Directory of service logs on the host; unset: `logs` in the host dir.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_log_dir: Option<String>,
    /// Pause between two discoveries while observing, in seconds.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub discovery_poll_interval_seconds: Seconds,
    /// Pause between two looks at a running host while observing, in seconds.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub host_discovery_poll_interval_seconds: Seconds,
    /// A slower discovery is warned about, in seconds.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub discovery_warn_seconds: Seconds,
    /// A slower discovery counts as failed, in seconds.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub discovery_error_timeout_seconds: Seconds,
    /// A slower host is shown as UNKNOWN, in seconds.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub host_discovery_timeout_seconds: Seconds,
    /// A slower agent is shown as UNKNOWN, in seconds.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub agent_discovery_timeout_seconds: Seconds,
}

impl Default for ProviderBase {
    fn default() -> Self {
        Self {
            backend: None,
            is_enabled: None,
            plugin: None,
            destroyed_host_persisted_seconds: None,
            min_online_host_age_seconds: None,
            host_log_dir: None,
            discovery_poll_interval_seconds: Seconds::new(30),
            host_discovery_poll_interval_seconds: Seconds::new(3),
            discovery_warn_seconds: Seconds::new(20),
            discovery_error_timeout_seconds: Seconds::new(120),
            host_discovery_timeout_seconds: Seconds::new(30),
            agent_discovery_timeout_seconds: Seconds::new(30),
        }
    }
}

impl ProviderBase {
    /// The pairs that must be in order: each first one below the time at which discovery has failed.
    pub(crate) fn disorder(&self) -> Option<&'static str> {
        let limit = self.discovery_error_timeout_seconds;
        [
            ("discovery_warn_seconds", self.discovery_warn_seconds),
            ("host_discovery_timeout_seconds", self.host_discovery_timeout_seconds),
            ("agent_discovery_timeout_seconds", self.agent_discovery_timeout_seconds),
        ]
        .into_iter()
        .find(|(_, time)| *time >= limit)
        .map(|(name, _)| name)
    }
}

/// The fields of every `[plugins.NAME]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct PluginBase {
    /// Whether the plugin is used; unset: as the plugin says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}
