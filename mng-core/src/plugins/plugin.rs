//! The one trait of a plugin, with a no-op default for everything.

use std::collections::BTreeMap;
use std::path::Path;
use std::pin::Pin;

use async_trait::async_trait;
use serde_json::{Map, Value};

use super::Ctx;
use crate::agents::types::AgentTypeDef;
use crate::hosts::Host;
use crate::model::error::{Error, Result};
use crate::model::names::{AgentName, AgentTypeName};
use crate::model::record::AgentRecord;
use crate::providers::ProviderBackend;
use crate::settings::FieldSchema;

/// The link-time record of a plugin: plain data and one function pointer.
pub struct PluginDescriptor {
    /// Unique over all linked plugins; `[plugins.NAME]` enables and configures it.
    pub name: &'static str,
    pub version: &'static str,
    pub description: &'static str,
    pub core_api: u32,
    /// False: the person must switch it on.
    pub default_enabled: bool,
    /// Hooks run in ascending order, then by name.
    pub priority: i32,
    /// Plugins without which this one is off.
    pub requires: &'static [&'static str],
    /// Cheap: no I/O, no client.
    pub make: fn() -> Box<dyn Plugin>,
}

impl PluginDescriptor {
    /// What a descriptor need not repeat.
    pub const DEFAULT: Self = Self {
        name: "",
        version: "",
        description: "",
        core_api: super::PLUGIN_API,
        default_enabled: true,
        priority: 0,
        requires: &[],
        make: || Box::new(Nothing),
    };
}

struct Nothing;

impl Plugin for Nothing {}

inventory::collect!(PluginDescriptor);

/// A page of `mng help`.
#[derive(Clone, Copy, Debug)]
pub struct HelpTopic {
    pub name: &'static str,
    pub aliases: &'static [&'static str],
    pub summary: &'static str,
    /// Markdown.
    pub body: &'static str,
}

/// Options that a plugin adds to an existing command.
#[derive(Clone, Debug)]
pub struct ExtraArgs {
    /// The command's name in configuration: subcommands joined by `_`.
    pub command: &'static str,
    pub heading: &'static str,
    pub args: Vec<clap::Arg>,
}

/// What a plugin's command does: its own output on stdout, the exit code as the result.
pub type CommandHandler = for<'a> fn(
    &'a Ctx,
    &'a clap::ArgMatches,
    &'a mut dyn std::io::Write,
) -> Pin<Box<dyn Future<Output = Result<u8>> + 'a>>;

/// A command that a plugin adds; it looks like a built-in one.
#[derive(Clone)]
pub struct CommandDef {
    pub command: clap::Command,
    pub run: CommandHandler,
}

/// How a command ended, for the after-command hook.
#[derive(Debug)]
pub enum AfterCommand<'a> {
    Success,
    Failure(&'a Error),
}

/// What the agent hooks are told.
#[derive(Clone, Copy, Debug)]
pub struct AgentMoment<'a> {
    pub host: &'a Host,
    pub record: &'a AgentRecord,
}

/// What create is about to do; a plugin may change it.
#[derive(Clone, Debug)]
pub struct BeforeCreate {
    pub name: Option<AgentName>,
    pub agent_type: AgentTypeName,
    pub labels: BTreeMap<String, String>,
    pub env: Vec<(String, String)>,
    /// False: the agent works where it is told, nothing is copied.
    pub is_work_dir_made: bool,
}

/// Everything a linked crate can bring. "Before" hooks abort what they precede by failing; the failures of
/// all others are logged and change nothing.
#[async_trait]
pub trait Plugin: Send + Sync {
    fn backends(&self) -> Vec<ProviderBackend> {
        Vec::new()
    }

    fn agent_types(&self) -> Vec<AgentTypeDef> {
        Vec::new()
    }

    fn commands(&self) -> Vec<CommandDef> {
        Vec::new()
    }

    fn extra_args(&self) -> Vec<ExtraArgs> {
        Vec::new()
    }

    fn help_topics(&self) -> Vec<HelpTopic> {
        Vec::new()
    }

    /// What `[plugins.NAME]` holds beside `enabled`: `FieldSchema::of::<Config>()`.
    fn config_fields(&self) -> FieldSchema {
        FieldSchema::Names(&[])
    }

    /// `command` is the name that settings use, subcommands joined by `_`; `options` are those of this run,
    /// the plugin's own among them.
    async fn before_command(&self, _ctx: &Ctx, _command: &str, _options: &clap::ArgMatches) -> Result<()> {
        Ok(())
    }

    async fn after_command(&self, _ctx: &Ctx, _command: &str, _outcome: &AfterCommand<'_>) -> Result<()> {
        Ok(())
    }

    /// First thing of a create; each plugin sees the changes of those before it.
    async fn before_create(&self, _ctx: &Ctx, _request: &mut BeforeCreate) -> Result<()> {
        Ok(())
    }

    /// Under the host's lock, before a work dir is made at `work_dir`.
    async fn before_initial_file_copy(&self, _ctx: &Ctx, _host: &Host, _work_dir: &Path) -> Result<()> {
        Ok(())
    }

    /// Under the host's lock, when the work dir is there.
    async fn after_initial_file_copy(&self, _ctx: &Ctx, _host: &Host, _work_dir: &Path) -> Result<()> {
        Ok(())
    }

    /// After the record is written, before provisioning.
    async fn agent_state_dir_created(&self, _ctx: &Ctx, _agent: AgentMoment<'_>) -> Result<()> {
        Ok(())
    }

    async fn before_provisioning(&self, _ctx: &Ctx, _agent: AgentMoment<'_>) -> Result<()> {
        Ok(())
    }

    async fn after_provisioning(&self, _ctx: &Ctx, _agent: AgentMoment<'_>) -> Result<()> {
        Ok(())
    }

    /// After start and initial message.
    async fn agent_created(&self, _ctx: &Ctx, _agent: AgentMoment<'_>) -> Result<()> {
        Ok(())
    }

    async fn before_send_message(&self, _ctx: &Ctx, _agent: AgentMoment<'_>, _text: &str) -> Result<()> {
        Ok(())
    }

    async fn before_agent_destroy(&self, _ctx: &Ctx, _agent: AgentMoment<'_>) -> Result<()> {
        Ok(())
    }

    async fn agent_destroyed(&self, _ctx: &Ctx, _agent: AgentMoment<'_>) -> Result<()> {
        Ok(())
    }

    /// Computed fields of an agent, shown under `plugin.<name>.` in listings. Called once an agent; fast.
    fn agent_fields(&self, _ctx: &Ctx, _agent: AgentMoment<'_>) -> Map<String, Value> {
        Map::new()
    }
}
