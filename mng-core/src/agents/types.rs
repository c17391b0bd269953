//! The agent-type extension point: how to launch, probe and talk to one kind of program.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use super::answer::{AnswerCommand, AnswerSite};
use super::input::Input;
use super::mirror::WatchedFile;
use super::output::{HeadlessOutput, PlainOutput};
use super::transcript::TranscriptSource;
use super::type_state::StateProbe;
use super::usage::UsageSource;
use crate::hosts::Host;
use crate::model::env_file::EnvVars;
use crate::model::error::{Error, ErrorClass, Result};
use crate::model::event::Events;
use crate::model::names::AgentTypeName;
use crate::model::record::AgentRecord;
use crate::settings::{EnvSnapshot, FieldSchema, Profile, Settings, TypeSchema};

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

/// Who runs mng, and with which settings.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    pub env: &'a EnvSnapshot,
    pub settings: &'a Settings,
    /// The active profile, if there is one yet.
    pub profile: Option<&'a Profile>,
    /// A person can be asked.
    pub is_interactive: bool,
}

/// What a type works with when it prepares an agent.
#[derive(Clone, Copy)]
pub struct TypeSite<'a> {
    pub caller: Caller<'a>,
    pub host: &'a Host,
    /// The directory that the agent's work comes from; what a person trusts there counts for a copy of it.
    pub source: &'a Path,
    /// What the agent's env file will hold: mng's own variables and what the person asked for.
    pub env: &'a EnvVars,
    /// `--yes`: install and accept what is cosmetic without asking; never wider permissions.
    pub is_yes: bool,
    /// Conversations to continue (`--adopt`), each a path or an id, as the person wrote them.
    pub adopt: &'a [String],
    pub events: &'a Events,
}

/// One kind of agent program, built from its merged configuration.
#[async_trait]
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

    /// Before anything is made: whether the program is there and may be used (installed, pinned version,
    /// consent). May ask the person if [`Caller::is_interactive`], and install.
    ///
    /// # Errors
    /// It is not, with what to do about it.
    async fn check(&self, _site: &TypeSite<'_>) -> Result<()> {
        Ok(())
    }

    /// Under the host's lock, when the state dir and the work dir are there: writes the program's
    /// configuration into the state dir. Runs again with each `mng provision`, so it is idempotent. Returns
    /// variables for the agent's env file; what the person set explicitly wins over them.
    ///
    /// # Errors
    /// Something cannot be written or read; the create is undone.
    async fn provision(&self, _site: &TypeSite<'_>, _record: &AgentRecord) -> Result<EnvVars> {
        Ok(EnvVars::new())
    }

    /// Under the host's lock before each start of the session: removes what an earlier run left and brings
    /// files up to date. `A/active` and `A/permissions_waiting` are gone already.
    ///
    /// # Errors
    /// The agent must not be started like this.
    async fn before_start(&self, _site: &TypeSite<'_>, _record: &AgentRecord) -> Result<()> {
        Ok(())
    }

    /// Makes the conversations of [`TypeSite::adopt`] available to a new agent; the last one is resumed at its
    /// start. After [`AgentType::provision`]; [`AgentType::check`] has made sure that they exist.
    ///
    /// # Errors
    /// A conversation cannot be copied.
    async fn adopt(&self, _site: &TypeSite<'_>, record: &AgentRecord) -> Result<()> {
        Err(Error::plain(
            ErrorClass::UserInput,
            format!("type `{}` cannot adopt conversations", record.agent_type),
        ))
    }

    /// Whether the start line passes the content of `A/initial_prompt` to the program as its first message,
    /// renaming the file to `initial_prompt.sent` first. Such a message needs no typing.
    fn takes_first_message(&self) -> bool {
        false
    }

    /// Reads the state of the live program from its own files.
    fn state_probe(&self) -> Option<Arc<dyn StateProbe>> {
        None
    }

    /// What [`AgentType::state_probe`], [`AgentType::is_ready`] and the evidence of [`AgentType::input`] look
    /// at below `A`: of another machine nothing else is there for them. The markers of a turn always are.
    fn watched_files(&self) -> Vec<WatchedFile> {
        Vec::new()
    }

    /// How messages get in and are confirmed; `None`: typed, and never confirmed.
    fn input(&self) -> Option<Arc<dyn Input>> {
        None
    }

    /// Where its conversations lie.
    fn transcript(&self) -> Option<Arc<dyn TranscriptSource>> {
        None
    }

    /// What its conversations cost, from the program's own files.
    fn usage(&self) -> Option<Arc<dyn UsageSource>> {
        None
    }

    /// How the output of a headless agent becomes text; made anew for each run.
    fn headless_output(&self) -> Box<dyn HeadlessOutput> {
        Box::new(PlainOutput)
    }

    /// A child process that answers one question without tools, its output read by
    /// [`AgentType::headless_output`]; `None`: the type has none.
    ///
    /// # Errors
    /// The program is missing, or its private files cannot be written.
    fn answer(&self, _site: &AnswerSite<'_>) -> Result<Option<AnswerCommand>> {
        Ok(None)
    }

    /// Whether the program has come up far enough to take a message; `None`: its state tells.
    fn is_ready(&self, _state_dir: &Path) -> Option<bool> {
        None
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
