//! `[agent_types.pi-coding]`.

use mng_core::agents::install::is_version;
use mng_core::{Error, ErrorClass, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The fields beside those of every type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct PiConfig {
    /// Whether your own settings, models, skills, prompts, extensions and themes count for the agent.
    pub(crate) sync_home_settings: bool,
    /// Whether the agent gets your login: linked on this machine, copied to others.
    pub(crate) sync_auth: bool,
    /// Whether to look for the program before anything is made, and to offer to install it.
    pub(crate) check_installation: bool,
    /// Whether a start goes on with the last conversation.
    pub(crate) resume_session: bool,
    /// Whether a transcript in the common form is kept.
    pub(crate) emit_common_transcript: bool,
    /// Accepted for compatibility: the program's own session files are the raw transcript.
    pub(crate) emit_raw_transcript: bool,
    /// Whether conversations outlive the agent.
    pub(crate) preserve_on_destroy: bool,
    /// Must stay true: the program runs its tools without asking anybody.
    pub(crate) auto_allow_permissions: bool,
    /// Whether your installed packages are linked rather than copied (this machine only).
    pub(crate) share_home_npm_dir: bool,
    /// Accepted for compatibility: pi 0.74 asks nothing when it starts.
    pub(crate) auto_dismiss_dialogs: bool,
    /// The newer name of `auto_dismiss_dialogs`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) auto_dismiss_dialogs_at_startup: Option<bool>,
    /// The exact version to install, and the only one to accept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<String>,
    /// Whether the program may look for newer versions of itself; unset: `NEVER`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) update_policy: Option<UpdatePolicy>,
    /// Name of an output style in the work dir's `.agents/output-styles`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) output_style: Option<String>,
    /// Blocks of text added to the system prompt, a blank line between them.
    pub(crate) append_system_prompt: Vec<String>,
}

impl Default for PiConfig {
    fn default() -> Self {
        Self {
            sync_home_settings: true,
            sync_auth: true,
            check_installation: true,
            resume_session: true,
            emit_common_transcript: true,
            emit_raw_transcript: true,
            preserve_on_destroy: true,
            auto_allow_permissions: true,
            share_home_npm_dir: false,
            auto_dismiss_dialogs: false,
            auto_dismiss_dialogs_at_startup: None,
            version: None,
            update_policy: None,
            output_style: None,
            append_system_prompt: Vec::new(),
        }
    }
}

/// What the program may do about newer versions of itself. There is no question that it could ask in advance:
/// `ASK` is as `AUTO`.
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
    pub(crate) own: PiConfig,
}

impl Config {
    /// Reads the merged table.
    ///
    /// # Errors
    /// A field has another shape, or asks for what the program cannot do.
    pub(crate) fn read(config: &Value) -> Result<Self> {
        if config.is_null() {
            return Ok(Self::default());
        }
        let read = Self::deserialize(config).map_err(|error| {
            Error::plain(ErrorClass::ConfigStructure, format!("`agent_types.pi-coding`: {error}"))
        })?;
        if !read.own.auto_allow_permissions {
            return Err(Error::hinted(
                ErrorClass::ConfigStructure,
                "`agent_types.pi-coding.auto_allow_permissions` cannot be false: pi runs its tools without asking",
                "mng config unset agent_types.pi-coding.auto_allow_permissions",
            ));
        }
        if let Some(version) = read.own.version.as_deref().filter(|version| !is_version(version)) {
            return Err(Error::hinted(
                ErrorClass::ConfigStructure,
                format!("`agent_types.pi-coding.version`: `{version}` is no version"),
                "such as 0.74.2",
            ));
        }
        Ok(read)
    }
}
