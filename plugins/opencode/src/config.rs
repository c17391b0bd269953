//! `[agent_types.opencode]`.

use mng_core::agents::install::is_version;
use mng_core::{Error, ErrorClass, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The fields beside those of every type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct OpencodeConfig {
    /// Keys of the agent's `opencode.json`, put there last.
    pub(crate) config_overrides: Map<String, Value>,
    /// Whether your own global OpenCode configuration counts for the agent.
    pub(crate) sync_global_config: bool,
    /// Whether the login is linked, so that a new login of either counts for both (this machine only); otherwise
    /// the agent gets a copy.
    pub(crate) symlink_auth: bool,
    /// Whether every permission that the program asks for is granted.
    pub(crate) auto_allow_permissions: bool,
    /// Whether to look for the program before anything is made, and to offer to install it.
    pub(crate) check_installation: bool,
    /// The exact version to install, and the only one to accept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<String>,
    /// Whether the program may update itself; unset: `NEVER`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) update_policy: Option<UpdatePolicy>,
    /// Name of an output style in the work dir's `.agents/output-styles`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) output_style: Option<String>,
    /// Blocks of text added to the instructions, a blank line between them.
    pub(crate) append_system_prompt: Vec<String>,
    /// Whether a transcript in the common form is kept.
    pub(crate) emit_common_transcript: bool,
    /// Whether conversations outlive the agent.
    pub(crate) preserve_on_destroy: bool,
}

impl Default for OpencodeConfig {
    fn default() -> Self {
        Self {
            config_overrides: Map::new(),
            sync_global_config: true,
            symlink_auth: true,
            auto_allow_permissions: false,
            check_installation: true,
            version: None,
            update_policy: None,
            output_style: None,
            append_system_prompt: Vec::new(),
            emit_common_transcript: true,
            preserve_on_destroy: true,
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
    pub(crate) own: OpencodeConfig,
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
        let read = Self::deserialize(config).map_err(|error| {
            Error::plain(ErrorClass::ConfigStructure, format!("`agent_types.opencode`: {error}"))
        })?;
        if let Some(version) = read.own.version.as_deref().filter(|version| !is_version(version)) {
            return Err(Error::hinted(
                ErrorClass::ConfigStructure,
                format!("`agent_types.opencode.version`: `{version}` is no version"),
                "such as 1.18.33",
            ));
        }
        Ok(read)
    }
}
