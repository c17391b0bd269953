//! Codex in its terminal UI. Flags, configuration keys, screens and session files are those of codex-cli
//! 0.169.0, as observed.
//!
//! The program runs plainly in the agent's pane, with a home of its own below the agent's state dir. What it
//! does is read from its rollouts, the files in which it records each conversation.

mod adopt;
mod codex_type;
mod config;
mod convert;
#[cfg(test)]
mod corpus_tests;
mod evidence;
mod home;
mod install;
mod launch;
mod output_style;
mod probe;
mod provision;
mod rollout;
mod screen;
mod transcript;
mod trust;
mod turn;
mod usage;
mod user_config;

use std::sync::Arc;

use mng_core::agents::types::AgentTypeDef;
use mng_core::plugins::{Plugin, PluginDescriptor};
use mng_core::settings::FieldSchema;

use crate::codex_type::CodexType;
use crate::config::{CodexConfig, Config};

mng_core::register_plugin!(PluginDescriptor {
    name: "codex",
    version: env!("CARGO_PKG_VERSION"),
    description: "the Codex CLI as an agent",
    make: || Box::new(CodexPlugin),
    ..PluginDescriptor::DEFAULT
});

struct CodexPlugin;

impl Plugin for CodexPlugin {
    fn agent_types(&self) -> Vec<AgentTypeDef> {
        vec![AgentTypeDef {
            name: "codex",
            description: "the Codex CLI in its terminal UI",
            aliases: &[],
            config_fields: FieldSchema::of::<CodexConfig>(),
            build: |config| Ok(Arc::new(CodexType::new(Config::read(config)?))),
        }]
    }
}
