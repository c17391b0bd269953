//! Agent type plugin: the pi coding agent.

use mng_core::plugins::{Plugin, PluginDescriptor};

mng_core::register_plugin!(PluginDescriptor {
    name: "pi_coding",
    version: env!("CARGO_PKG_VERSION"),
    description: "the pi coding agent",
    make: || Box::new(ThisPlugin),
    ..PluginDescriptor::DEFAULT
});

struct ThisPlugin;

impl Plugin for ThisPlugin {}
