//! The agent-type extension point: how to launch, probe and talk to one kind of program.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use crate::model::error::{Error, ErrorClass, Result};
use crate::model::names::AgentTypeName;
use crate::model::record::AgentRecord;
use crate::settings::{FieldSchema, TypeSchema};

/// What a type is asked to launch.
#[derive(Clone, Debug, Default)]
pub struct Launch {
    /// The person's own command line (`--agent-command`), replacing the type's.
    pub command_override: Option<String>,
    /// Arguments after `--`, a list to the end; the type quotes them.
    pub args: Vec<String>,
}

/// What a type can do beyond running.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TypeCapabilities {
    /// Runs in the foreground of `mng create`, its output streamed, and is destroyed when it ends.
    pub headless: bool,
    /// May run without a person.
    pub unattended: bool,
    /// Marks turns with `A/active`, so that an idle one is WAITING.
    pub tracks_activity: bool,
    /// Produces a common transcript.
    pub transcript: bool,
    /// Can continue an earlier conversation.
    pub resume: bool,
}

/// One kind of agent program, built from its merged configuration.
pub trait AgentType: Send + Sync + fmt::Debug {
    /// The registered name (`command`); a configured child type has its own name in the record.
    fn name(&self) -> &str;

    fn capabilities(&self) -> TypeCapabilities;

    /// Names under which the running program shows in the process table (`comm`, at most 15 bytes count).
    /// Empty: take the first word of the record's command.
    fn process_names(&self) -> Vec<String> {
        Vec::new()
    }

    /// The complete shell command line that starts the agent, stored in its record.
    ///
    /// # Errors
    /// `NoCommandDefined` when there is nothing to run.
    fn command_line(&self, launch: &Launch) -> Result<String>;

    /// The command line for starting an existing agent again; types that resume a conversation differ.
    fn restart_command_line(&self, record: &AgentRecord) -> String {
        record.command.clone()
    }

    /// What of an agent's state dir outlives the agent beside its transcripts, relative to it: the program's
    /// own conversations.
    fn kept_items(&self) -> Vec<std::path::PathBuf> {
        Vec::new()
    }

    /// Marker files under `A` that the probe reads for [`TypeCapabilities::tracks_activity`] types: the
    /// one that exists while a person must decide something.
    fn blocked_marker(&self) -> Option<&'static str> {
        None
    }
}

/// A registered agent type: data and a function pointer.
#[derive(Clone)]
pub struct AgentTypeDef {
    pub name: &'static str,
    pub description: &'static str,
    /// Other spellings, resolved once on input.
    pub aliases: &'static [&'static str],
    /// What `[agent_types.NAME]` holds beside the fields of every type: `FieldSchema::of::<Config>()`.
    pub config_fields: FieldSchema,
    /// Makes the type from its merged table; pure.
    pub build: fn(config: &Value) -> Result<Arc<dyn AgentType>>,
}

impl AgentTypeDef {
    /// What the settings want to know of the type; `plugin` is the one that brings it.
    #[must_use]
    pub fn schema(&self, plugin: Option<String>) -> TypeSchema {
        TypeSchema {
            name: self.name.to_owned(),
            aliases: self.aliases.iter().map(|alias| (*alias).to_owned()).collect(),
            plugin,
            fields: self.config_fields.clone(),
        }
    }
}

impl fmt::Debug for AgentTypeDef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentTypeDef").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A type that cannot be had.
#[must_use]
pub fn unknown_type(name: &AgentTypeName, known: &[String], suggestions: &[String]) -> Error {
    let guess = match suggestions {
        [] => String::new(),
        some => format!(" (did you mean `{}`?)", some.join("`, `")),
    };
    Error::hinted(
        ErrorClass::UnknownAgentType,
        format!("there is no agent type `{name}`{guess}"),
        format!("known types: {}; any program runs with `--type command -- PROGRAM ARGS`", known.join(", ")),
    )
}
