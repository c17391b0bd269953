//! Agent type plugin: the pi coding agent.
//!
//! Facts about the program are those of pi 0.74.2, tried with the program itself. A small extension of ours in
//! the program marks its turns and takes messages from a file; conversations are read from its session files.

mod adopt;
mod config;
mod input;
mod pi_type;
mod provision;
mod transcript;

use std::sync::Arc;

use mng_core::agents::types::AgentTypeDef;
use mng_core::plugins::{Plugin, PluginDescriptor};
use mng_core::settings::FieldSchema;

use crate::config::{Config, PiConfig};
use crate::pi_type::PiType;

mng_core::register_plugin!(PluginDescriptor {
    name: "pi_coding",
    version: env!("CARGO_PKG_VERSION"),
    description: "the pi coding agent",
    make: || Box::new(ThisPlugin),
    ..PluginDescriptor::DEFAULT
});

struct ThisPlugin;

impl Plugin for ThisPlugin {
    fn agent_types(&self) -> Vec<AgentTypeDef> {
        vec![AgentTypeDef {
            name: pi_type::NAME,
            description: "the pi coding agent in its terminal",
            aliases: &["pi"],
            config_fields: FieldSchema::of::<PiConfig>(),
            build: |config| Ok(Arc::new(PiType { config: Config::read(config)? })),
        }]
    }
}
