//! Agent type plugin: Claude Code as an agent, its skill agents and its headless form.
//!
//! Facts about the program are those of Claude Code 2.1.330, tried with the program itself.

mod ask;
mod check;
mod claude_type;
mod command;
mod config;
mod conversations;
mod global_config;
mod hooks;
mod input;
mod launch;
mod places;
mod provision;
mod repo_settings;
mod resources;
mod settings_file;
mod skills;
mod start;
mod state;
mod stream;
mod transcript;
mod usage;

use mng_core::agents::types::AgentTypeDef;
use mng_core::plugins::{Plugin, PluginDescriptor};
use mng_core::settings::FieldSchema;

use crate::claude_type::{ClaudeType, Flavor};
use crate::config::ClaudeConfig;

mng_core::register_plugin!(PluginDescriptor {
    name: "claude",
    version: env!("CARGO_PKG_VERSION"),
    description: "Claude Code as an agent, its skill agents and its headless form",
    make: || Box::new(ThisPlugin),
    ..PluginDescriptor::DEFAULT
});

struct ThisPlugin;

impl Plugin for ThisPlugin {
    fn agent_types(&self) -> Vec<AgentTypeDef> {
        let def = |name, description, build| AgentTypeDef {
            name,
            description,
            aliases: &[],
            config_fields: FieldSchema::of::<ClaudeConfig>(),
            build,
        };
        vec![
            def("claude", "Claude Code in its terminal", |config| {
                ClaudeType::build(Flavor::Terminal, config)
            }),
            def(
                "headless_claude",
                "Claude Code without a terminal: one prompt, its answer streamed",
                |config| ClaudeType::build(Flavor::Headless, config),
            ),
            def("code-guardian", "Claude Code that looks for problems in code and reports them", |config| {
                ClaudeType::build(Flavor::CodeGuardian, config)
            }),
            def("fixme-fairy", "Claude Code that picks one FIXME and resolves it", |config| {
                ClaudeType::build(Flavor::FixmeFairy, config)
            }),
        ]
    }
}
