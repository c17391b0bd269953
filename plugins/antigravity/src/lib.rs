//! Agent type plugin: the Antigravity CLI (agy) as an agent.

use mng_core::plugins::{Plugin, PluginDescriptor};

mng_core::register_plugin!(PluginDescriptor {
    name: "antigravity",
    version: env!("CARGO_PKG_VERSION"),
    description: "the Antigravity CLI (agy) as an agent",
    make: || Box::new(ThisPlugin),
    ..PluginDescriptor::DEFAULT
});

struct ThisPlugin;

impl Plugin for ThisPlugin {}
