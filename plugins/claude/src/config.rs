//! `[agent_types.claude]` and the tables of the types made of it.

use mng_core::{Error, ErrorClass, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The fields beside those of every type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct ClaudeConfig {
    /// Whether the agent's settings start from your `settings.json`; unset: yes, but not for headless agents.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sync_home_settings: Option<bool>,
    /// Whether the agent's `.claude.json` starts from yours.
    pub(crate) sync_claude_json: bool,
    /// Whether the untracked `.claude/**/*.local.*` files of the source repository come along.
    pub(crate) sync_repo_settings: bool,
    /// Whether the agent gets your login.
    pub(crate) sync_claude_credentials: bool,
    /// Accepted for compatibility; keychain entries of macOS are not converted.
    pub(crate) convert_macos_credentials: bool,
    /// Whether to look for the program before anything is made, and to offer to install it.
    pub(crate) check_installation: bool,
    /// Directory whose files are laid over the work dir's `.claude`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) override_settings_folder: Option<String>,
    /// Whether your agents, commands, skills and plugins are linked rather than copied (this machine only).
    pub(crate) symlink_user_resources: bool,
    /// Whether the login is linked, so that a new login of either counts for both (this machine only).
    pub(crate) sync_credentials_on_login: bool,
    /// Whether a transcript in the common form is kept.
    pub(crate) emit_common_transcript: bool,
    /// Whether conversations outlive the agent.
    pub(crate) preserve_sessions_on_destroy: bool,
    /// Whether each agent on this machine has a configuration directory of its own; otherwise it shares yours.
    pub(crate) isolate_local_config_dir: bool,
    /// Whether the work dir counts as trusted without a question.
    pub(crate) auto_dismiss_dialogs: bool,
    /// Whether every permission that the program asks for is granted.
    pub(crate) auto_allow_permissions: bool,
    /// Whether the program's question tool is forbidden.
    pub(crate) auto_disable_questions: bool,
    /// The exact version to install, and the only one to accept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<String>,
    /// Name of an output style in the work dir's `.claude/output-styles`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) output_style: Option<String>,
    /// Whether the program may update itself; unset: `NEVER`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) update_policy: Option<UpdatePolicy>,
    /// Blocks of text added to the system prompt, a blank line between them.
    pub(crate) append_system_prompt: Vec<String>,
    /// A patch on the agent's `settings.json`.
    #[schemars(extend("x-mng-patch" = true))]
    pub(crate) settings_overrides: Map<String, Value>,
    /// Accepted for compatibility: name dialogs in `sensibly_deal_with_dialogs` instead.
    pub(crate) auto_accept_prompt_depth: u32,
    /// Accepted for compatibility: name dialogs in `sensibly_deal_with_dialogs` instead.
    pub(crate) auto_accept_preflight_prompt_depth: u32,
    /// Dialogs that may be answered before a message is typed: their names, or `ALL_KNOWN_DIALOGS`, or
    /// `ALL_KNOWN_AND_UNKNOWN_DIALOGS`.
    pub(crate) sensibly_deal_with_dialogs: Vec<String>,
    /// How long to watch for a dialog that a message has opened, in seconds.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub(crate) post_submit_dialog_observe_seconds: f64,
    /// How often the screen is read for live output, in seconds; 0: never.
    pub(crate) streaming_snapshot_interval_seconds: f64,
    /// The old inverse of `isolate_local_config_dir`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) use_env_config_dir: Option<bool>,
    /// Whether the model is told the branch that its work started from.
    pub(crate) announce_base_branch: bool,
}

impl Default for ClaudeConfig {
    fn default() -> Self {
        Self {
            sync_home_settings: None,
            sync_claude_json: true,
            sync_repo_settings: true,
            sync_claude_credentials: true,
            convert_macos_credentials: true,
            check_installation: true,
            override_settings_folder: None,
            symlink_user_resources: true,
            sync_credentials_on_login: true,
            emit_common_transcript: true,
            preserve_sessions_on_destroy: true,
            isolate_local_config_dir: true,
            auto_dismiss_dialogs: false,
            auto_allow_permissions: false,
            auto_disable_questions: false,
            version: None,
            output_style: None,
            update_policy: None,
            append_system_prompt: Vec::new(),
            settings_overrides: Map::new(),
            auto_accept_prompt_depth: 0,
            auto_accept_preflight_prompt_depth: 0,
            sensibly_deal_with_dialogs: Vec::new(),
            post_submit_dialog_observe_seconds: 2.0,
            streaming_snapshot_interval_seconds: 0.0,
            use_env_config_dir: None,
            announce_base_branch: false,
        }
    }
}

/// What the program may do about newer versions of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum UpdatePolicy {
    Auto,
    Ask,
    Never,
}

/// Dialogs that can be named in `sensibly_deal_with_dialogs`.
pub(crate) const DIALOG_NAMES: [&str; 6] = [
    "MODEL_SWITCH_WARNING",
    "EFFORT_SWITCH_WARNING",
    "USAGE_LIMIT_REACHED",
    "LSP_PLUGIN_INSTALL",
    "ALL_KNOWN_DIALOGS",
    "ALL_KNOWN_AND_UNKNOWN_DIALOGS",
];

/// The merged table: our own fields and those of every type that matter here.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Config {
    pub(crate) command: Option<String>,
    pub(crate) cli_args: Vec<String>,
    #[serde(flatten)]
    pub(crate) own: ClaudeConfig,
}

impl Config {
    /// Reads the merged table of the type `name`.
    ///
    /// # Errors
    /// A field has another shape, or fields contradict each other.
    pub(crate) fn read(name: &str, config: &Value) -> Result<Self> {
        if config.is_null() {
            return Ok(Self::default());
        }
        let mut read = Self::deserialize(config).map_err(|error| {
            Error::plain(ErrorClass::ConfigStructure, format!("`agent_types.{name}`: {error}"))
        })?;
        read.settle_isolation(name, config)?;
        read.check(name)?;
        Ok(read)
    }

    /// `use_env_config_dir` is the old inverse of `isolate_local_config_dir`.
    fn settle_isolation(&mut self, name: &str, config: &Value) -> Result<()> {
        let Some(shares) = self.own.use_env_config_dir else { return Ok(()) };
        let isolates = config.get("isolate_local_config_dir").and_then(Value::as_bool);
        if isolates == Some(shares) {
            return Err(Error::hinted(
                ErrorClass::ConfigStructure,
                format!(
                    "`agent_types.{name}`: `use_env_config_dir` and `isolate_local_config_dir` contradict each other"
                ),
                format!("mng config unset agent_types.{name}.use_env_config_dir"),
            ));
        }
        self.own.isolate_local_config_dir = !shares;
        Ok(())
    }

    fn check(&mut self, name: &str) -> Result<()> {
        let wrong = |field: &str, problem: String, hint: String| {
            Err(Error::hinted(
                ErrorClass::ConfigStructure,
                format!("`agent_types.{name}.{field}`: {problem}"),
                hint,
            ))
        };
        for dialog in &mut self.own.sensibly_deal_with_dialogs {
            let spelled = dialog.trim().to_ascii_uppercase().replace([' ', '-'], "_");
            if !DIALOG_NAMES.contains(&spelled.as_str()) {
                let problem = format!("there is no dialog `{dialog}`");
                return wrong(
                    "sensibly_deal_with_dialogs",
                    problem,
                    format!("one of {}", DIALOG_NAMES.join(", ")),
                );
            }
            *dialog = spelled;
        }
        if self.own.post_submit_dialog_observe_seconds <= 0.0 {
            let problem = "a time above 0 is needed".to_owned();
            return wrong("post_submit_dialog_observe_seconds", problem, "such as 2.0".into());
        }
        let is_version = |text: &str| {
            !text.is_empty()
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.+-".contains(&byte))
        };
        // It becomes an argument of the installer.
        if let Some(version) = self.own.version.as_deref().filter(|version| !is_version(version)) {
            return wrong("version", format!("`{version}` is no version"), "such as 2.1.330".into());
        }
        Ok(())
    }
}
