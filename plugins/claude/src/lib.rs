//! Agent type plugin: Claude Code as an agent, its skill agents and its headless form.

use mng_core::plugins::{Plugin, PluginDescriptor};

mng_core::register_plugin!(PluginDescriptor {
    name: "claude",
    version: env!("CARGO_PKG_VERSION"),
    description: "Claude Code as an agent, its skill agents and its headless form",
    make: || Box::new(ThisPlugin),
    ..PluginDescriptor::DEFAULT
});

struct ThisPlugin;

impl Plugin for ThisPlugin {}
