//! Agent type plugin: OpenCode as an agent.
//!
//! Facts about the program are those of OpenCode 1.18.33, tried with the program itself. Its conversations lie
//! in a database, so a small plug-in of ours inside the program writes down what is said and what the program
//! does; messages go in over its HTTP interface.

mod config;
mod http;
mod input;
mod opencode_type;
mod probe;
mod provision;
mod seed;
mod transcript;

use std::sync::Arc;

use mng_core::agents::types::AgentTypeDef;
use mng_core::plugins::{Plugin, PluginDescriptor};
use mng_core::settings::FieldSchema;

use crate::config::{Config, OpencodeConfig};
use crate::opencode_type::OpencodeType;

mng_core::register_plugin!(PluginDescriptor {
    name: "opencode",
    version: env!("CARGO_PKG_VERSION"),
    description: "OpenCode as an agent",
    make: || Box::new(ThisPlugin),
    ..PluginDescriptor::DEFAULT
});

struct ThisPlugin;

impl Plugin for ThisPlugin {
    fn agent_types(&self) -> Vec<AgentTypeDef> {
        vec![AgentTypeDef {
            name: "opencode",
            description: "OpenCode in its terminal",
            aliases: &[],
            config_fields: FieldSchema::of::<OpencodeConfig>(),
            build: |config| Ok(Arc::new(OpencodeType { config: Config::read(config)? })),
        }]
    }
}
