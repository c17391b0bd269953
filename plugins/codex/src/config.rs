//! `[agent_types.codex]`.

use mng_core::{Error, ErrorClass, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The fields beside those of every type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct CodexConfig {
    /// The model to use; unset: that of your own codex configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) model: Option<String>,
    /// How hard the model thinks (`low`, `medium`, `high`); unset: as in your own codex configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) model_reasoning_effort: Option<String>,
    /// Whether an agent whose `model` is not offered to your account starts on the account's default.
    pub(crate) fall_back_to_account_default_model: bool,
    /// What commands of the model may touch.
    pub(crate) sandbox_mode: SandboxMode,
    /// Whether commands run without asking anybody; the sandbox stays.
    pub(crate) auto_allow_permissions: bool,
    /// Whether the work dir counts as trusted without a question.
    pub(crate) auto_dismiss_dialogs: bool,
    /// The newer name of `auto_dismiss_dialogs`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) auto_dismiss_dialogs_at_startup: Option<bool>,
    /// Whether to look for the program before anything is made, and to offer to install it.
    pub(crate) check_installation: bool,
    /// The exact version to install, and the only one to accept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<String>,
    /// What to do when a newer version is known; unset: ask on this machine, never elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) update_policy: Option<UpdatePolicy>,
    /// Name of an output style in the work dir's `.agents/output-styles`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) output_style: Option<String>,
    /// Blocks of text added to the developer instructions, a blank line between them.
    pub(crate) append_system_prompt: Vec<String>,
    /// Keys of the agent's `config.toml`, put there last.
    pub(crate) config_overrides: Map<String, Value>,
    /// Whether a transcript in the common form is kept.
    pub(crate) emit_common_transcript: bool,
    /// Whether conversations outlive the agent.
    pub(crate) preserve_on_destroy: bool,
}

impl Default for CodexConfig {
    fn default() -> Self {
        Self {
            model: None,
            model_reasoning_effort: None,
            fall_back_to_account_default_model: false,
            sandbox_mode: SandboxMode::WorkspaceWrite,
            auto_allow_permissions: false,
            auto_dismiss_dialogs: false,
            auto_dismiss_dialogs_at_startup: None,
            check_installation: true,
            version: None,
            update_policy: None,
            output_style: None,
            append_system_prompt: Vec::new(),
            config_overrides: Map::new(),
            emit_common_transcript: true,
            preserve_on_destroy: true,
        }
    }
}

/// What commands of the model may touch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SandboxMode {
    ReadOnly,
    WorkspaceWrite,
    DangerFullAccess,
}

impl SandboxMode {
    /// As in codex's own configuration.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::ReadOnly => "read-only",
            Self::WorkspaceWrite => "workspace-write",
            Self::DangerFullAccess => "danger-full-access",
        }
    }
}

/// What to do when a newer version of the program is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum UpdatePolicy {
    Auto,
    Ask,
    Never,
}

/// The merged table: our own fields and those of every type that matter here.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Config {
    pub(crate) command: Option<String>,
    pub(crate) cli_args: Vec<String>,
    #[serde(flatten)]
    pub(crate) own: CodexConfig,
}

impl Config {
    /// Reads the merged table.
    ///
    /// # Errors
    /// A field has another shape.
    pub(crate) fn read(config: &Value) -> Result<Self> {
        if config.is_null() {
            return Ok(Self::default());
        }
        Self::deserialize(config).map_err(|error| {
            Error::plain(ErrorClass::ConfigStructure, format!("`agent_types.codex`: {error}"))
        })
    }

    /// What starts the program: shell text, `codex` unless the settings say otherwise.
    pub(crate) fn command(&self) -> &str {
        self.command.as_deref().map(str::trim).filter(|command| !command.is_empty()).unwrap_or("codex")
    }

    /// Whether the work dir counts as trusted without a question.
    pub(crate) fn dismisses_dialogs(&self) -> bool {
        self.own.auto_dismiss_dialogs_at_startup.unwrap_or(self.own.auto_dismiss_dialogs)
    }

    /// Whether commands of the model run without a sandbox, as far as the settings tell.
    pub(crate) fn is_full_access(&self) -> bool {
        const FULL: &str = "danger-full-access";
        let bypasses = |arg: &String| {
            arg.contains(FULL)
                || arg.contains("--dangerously-bypass-approvals-and-sandbox")
                || arg == "--yolo"
        };
        match self.own.config_overrides.get("sandbox_mode").and_then(Value::as_str) {
            Some(mode) => mode == FULL,
            None => {
                self.own.sandbox_mode == SandboxMode::DangerFullAccess || self.cli_args.iter().any(bypasses)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_empty_table_means_the_defaults() {
        for empty in [Value::Null, json!({})] {
            let config = Config::read(&empty).unwrap();
            assert_eq!((config.own.clone(), config.command()), (CodexConfig::default(), "codex"));
            assert!(config.own.check_installation && !config.dismisses_dialogs() && !config.is_full_access());
        }
    }

    #[test]
    fn the_sandbox_is_known_from_every_place() {
        for (config, is_full) in [
            (json!({"sandbox_mode": "danger-full-access"}), true),
            (
                json!({"sandbox_mode": "danger-full-access", "config_overrides": {"sandbox_mode": "read-only"}}),
                false,
            ),
            (json!({"config_overrides": {"sandbox_mode": "danger-full-access"}}), true),
            (json!({"cli_args": ["--sandbox", "danger-full-access"]}), true),
            (json!({"cli_args": ["--model", "x"]}), false),
        ] {
            assert_eq!(Config::read(&config).unwrap().is_full_access(), is_full, "{config}");
        }
    }

    #[test]
    fn the_newer_name_of_a_field_wins() {
        let config = json!({"auto_dismiss_dialogs": true, "auto_dismiss_dialogs_at_startup": false});
        assert!(!Config::read(&config).unwrap().dismisses_dialogs());
        assert!(Config::read(&json!({"auto_dismiss_dialogs": true})).unwrap().dismisses_dialogs());
    }

    #[test]
    fn a_wrong_shape_is_refused() {
        let error = Config::read(&json!({"sandbox_mode": "none"})).unwrap_err();
        assert_eq!(error.class(), ErrorClass::ConfigStructure);
        assert!(error.to_string().starts_with("`agent_types.codex`: unknown variant `none`"), "{error}");
    }
}
