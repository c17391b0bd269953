//! Every settings key of the core, with its meaning and its default. The doc comments are the reference
//! that `mng config schema` prints.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::duration::{DurationText, Seconds};

/// The settings that the core itself acts on. The registries (`agent_types`, `providers`, `plugins`,
/// `commands`, `create_templates`) stay trees: their fields belong to whoever registered the entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CoreSettings {
    /// Prefix of the names of tmux sessions, containers and apps. Changing it hides existing agents' sessions.
    #[schemars(length(min = 1))]
    pub prefix: String,
    /// Data root on hosts; on this machine the directory of agents, lock and undo data.
    #[schemars(length(min = 1))]
    pub default_host_dir: String,
    /// Variables that are unset when an agent's tmux session starts.
    pub unset_vars: Vec<String>,
    /// Pager for help; unset: `$PAGER`, else `less`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pager: Option<String>,
    /// Backends that may be used; empty: all.
    pub enabled_backends: Vec<String>,
    /// Shell lines to run before a command, by command name. A failing line stops the command.
    pub pre_command_scripts: BTreeMap<String, Vec<String>>,
    /// Untracked paths of the project that new work dirs get too: `SHARE` links them on the same host, `COPY` copies.
    pub work_dir_extra_paths: BTreeMap<String, ExtraPathMode>,
    /// How a failed interactive connection is tried again.
    pub retry: RetrySettings,
    /// The log file and what the console shows.
    pub logging: LoggingSettings,
    /// tmux sessions of agents.
    pub tmux: TmuxSettings,
    /// Whether mng may install an agent's program on a remote host.
    pub is_remote_agent_installation_allowed: bool,
    /// Shell line to run instead of the built-in attach.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect_command: Option<String>,
    /// Whether to attach from inside tmux, which nests one tmux in another.
    pub is_nested_tmux_allowed: bool,
    /// Never ask, page, open an editor or a picker; as `--headless`.
    pub headless: bool,
    /// Whether to print how to report an unexpected error.
    pub is_error_reporting_enabled: bool,
    /// Marks a settings file as made for a test suite; see `MNG_TEST_GUARD`.
    pub is_allowed_in_pytest: bool,
    /// Which back ends without a `[providers.NAME]` table are asked: those this profile has used, all, or none.
    pub implicit_providers: ImplicitProviders,
    /// How long records of destroyed hosts are kept, in seconds.
    pub default_destroyed_host_persisted_seconds: Seconds,
    /// `mng gc` never destroys an online host without agents that is younger than this, in seconds.
    pub default_min_online_host_age_seconds: Seconds,
    /// Longest wait for an agent to be ready before its message, in seconds.
    pub agent_ready_timeout: Seconds,
    /// How long a listing waits for the details of one host, in seconds.
    pub host_detail_read_timeout_seconds: Seconds,
    /// Accepted for compatibility: a host whose record cannot be read is always listed, as UNKNOWN.
    pub strict_host_record_parsing: bool,
    /// Time between asking an agent's processes to end and killing them, in seconds.
    pub stop_grace_seconds: Seconds,
    /// How long `mng undo` can bring back what was destroyed.
    pub rescue_keep: DurationText,
    /// Whether a plain key may drop entries that a lower layer set in the same list or table.
    pub allow_settings_key_assignment_narrowing: bool,
}

impl Default for CoreSettings {
    fn default() -> Self {
        Self {
            prefix: "mng-".into(),
            default_host_dir: "~/.mng".into(),
            unset_vars: ["HISTFILE", "PROFILE", "VIRTUAL_ENV"].map(Into::into).into(),
            pager: None,
            enabled_backends: Vec::new(),
            pre_command_scripts: BTreeMap::new(),
            work_dir_extra_paths: BTreeMap::new(),
            retry: RetrySettings::default(),
            logging: LoggingSettings::default(),
            tmux: TmuxSettings::default(),
            is_remote_agent_installation_allowed: true,
            connect_command: None,
            is_nested_tmux_allowed: false,
            headless: false,
            is_error_reporting_enabled: true,
            is_allowed_in_pytest: false,
            implicit_providers: ImplicitProviders::Used,
            default_destroyed_host_persisted_seconds: Seconds::new(604_800),
            default_min_online_host_age_seconds: Seconds::new(600),
            agent_ready_timeout: Seconds::new(10),
            host_detail_read_timeout_seconds: Seconds::new(20),
            strict_host_record_parsing: false,
            stop_grace_seconds: Seconds::new(5),
            rescue_keep: DurationText(Duration::from_secs(7 * 86_400)),
            allow_settings_key_assignment_narrowing: false,
        }
    }
}

impl CoreSettings {
    /// The defaults of an installation: prefix and data root follow its name.
    #[must_use]
    pub fn for_root(root_name: &str) -> Self {
        Self {
            prefix: format!("{root_name}-"),
            default_host_dir: format!("~/.{root_name}"),
            ..Self::default()
        }
    }
}

/// `[retry]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RetrySettings {
    /// How often a failed interactive connection is tried again.
    pub connect_retry_times: u32,
    /// Pause between two attempts.
    pub connect_retry_delay: DurationText,
}

impl Default for RetrySettings {
    fn default() -> Self {
        Self { connect_retry_times: 3, connect_retry_delay: DurationText(Duration::from_secs(5)) }
    }
}

/// `[logging]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LoggingSettings {
    /// Least severe level that goes to the log file.
    pub file_level: LogLevel,
    /// Least severe level that is shown on stderr.
    pub console_level: LogLevel,
    /// Directory of log files; a relative one lies in the data root.
    pub log_dir: String,
    /// How many rotated log files are kept.
    pub max_log_files: u32,
    /// Size at which the log file is rotated, in MiB.
    pub max_log_size_mb: u32,
    /// A fixed log file, as `--log-file`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_file_path: Option<String>,
    /// `type` of each log record.
    pub event_type: String,
    /// `source` of each log record, and the directory of the log file under `log_dir`.
    pub event_source: String,
    /// Whether commands that mng runs are logged.
    pub is_logging_commands: bool,
    /// Whether the output of these commands is logged too.
    pub is_logging_command_output: bool,
    /// Whether values of environment variables are logged; otherwise they are replaced by `***`.
    pub is_logging_env_vars: bool,
    /// Whether the ssh exchange is logged.
    pub enable_ssh_trace: bool,
}

impl Default for LoggingSettings {
    fn default() -> Self {
        Self {
            file_level: LogLevel::Debug,
            console_level: LogLevel::Build,
            log_dir: "events".into(),
            max_log_files: 10,
            max_log_size_mb: 100,
            log_file_path: None,
            event_type: "mng".into(),
            event_source: "logs/mng".into(),
            is_logging_commands: true,
            is_logging_command_output: false,
            is_logging_env_vars: false,
            enable_ssh_trace: false,
        }
    }
}

/// `[tmux]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TmuxSettings {
    /// Name of the window that the agent runs in.
    #[schemars(length(min = 1))]
    pub primary_window_name: String,
    /// Flags for the tmux client when attaching (`-CC`, `-u`, `-2`).
    #[schemars(extend("x-mng-words" = true))]
    pub attach_args: Vec<String>,
    /// A tmux configuration file on the agent's host, read into every session if it exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub additional_config_path: Option<String>,
    /// Width of a new session, in columns.
    #[schemars(range(min = 1))]
    pub width: u32,
    /// Height of a new session, in lines.
    #[schemars(range(min = 1))]
    pub height: u32,
    /// tmux `window-size` of new sessions; unset: fixed until a client attaches, then fitted to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window_size: Option<WindowSize>,
    /// Key that asks to destroy the agent, in tmux notation; empty: none.
    pub destroy_key: String,
    /// Key that stops the agent, in tmux notation; empty: none.
    pub stop_key: String,
}

impl Default for TmuxSettings {
    fn default() -> Self {
        Self {
            primary_window_name: "agent".into(),
            attach_args: Vec::new(),
            additional_config_path: None,
            width: 200,
            height: 50,
            window_size: None,
            destroy_key: "C-q".into(),
            stop_key: "C-t".into(),
        }
    }
}

/// How an extra path gets into a work dir.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum ExtraPathMode {
    Share,
    Copy,
}

/// Which back ends are asked without being configured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ImplicitProviders {
    #[default]
    Used,
    All,
    None,
}

/// Severity of a log record, least severe first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[schemars(extend("x-mng-synonyms" = { "WARNING": "WARN" }))]
pub enum LogLevel {
    Trace,
    Debug,
    Build,
    Info,
    Warn,
    Error,
    None,
}

/// tmux `window-size`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WindowSize {
    Manual,
    Latest,
    Largest,
    Smallest,
}

impl WindowSize {
    /// The word that tmux knows.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::Latest => "latest",
            Self::Largest => "largest",
            Self::Smallest => "smallest",
        }
    }
}
