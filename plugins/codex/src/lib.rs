//! Agent type plugin: the Codex CLI as an agent.

use mng_core::plugins::{Plugin, PluginDescriptor};

mng_core::register_plugin!(PluginDescriptor {
    name: "codex",
    version: env!("CARGO_PKG_VERSION"),
    description: "the Codex CLI as an agent",
    make: || Box::new(ThisPlugin),
    ..PluginDescriptor::DEFAULT
});

struct ThisPlugin;

impl Plugin for ThisPlugin {}
