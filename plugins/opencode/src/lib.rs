//! Agent type plugin: OpenCode as an agent.

use mng_core::plugins::{Plugin, PluginDescriptor};

mng_core::register_plugin!(PluginDescriptor {
    name: "opencode",
    version: env!("CARGO_PKG_VERSION"),
    description: "OpenCode as an agent",
    make: || Box::new(ThisPlugin),
    ..PluginDescriptor::DEFAULT
});

struct ThisPlugin;

impl Plugin for ThisPlugin {}
