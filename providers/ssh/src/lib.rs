//! Machines that mng reaches by ssh and does not own: a table of them in the settings, a file that other
//! programs write, and the `Host` names of the person's ssh configuration.

mod here;
mod host_dirs;
mod host_id;
mod provider;
mod resources;
mod settings;
mod ssh_config;
mod target;

use std::sync::Arc;

use mng_core::plugins::{Plugin, PluginDescriptor};
use mng_core::providers::{ProviderBackend, parse_config};
use mng_core::settings::FieldSchema;

pub use provider::Ssh;
pub use settings::{HostSettings, SshSettings};

/// The name of the back end, and of the instance that needs no table.
const SSH: &str = "ssh";

mng_core::register_plugin!(PluginDescriptor {
    name: SSH,
    version: env!("CARGO_PKG_VERSION"),
    description: "machines reached by ssh as hosts",
    make: || Box::new(SshPlugin),
    ..PluginDescriptor::DEFAULT
});

struct SshPlugin;

impl Plugin for SshPlugin {
    fn backends(&self) -> Vec<ProviderBackend> {
        vec![ProviderBackend {
            name: SSH,
            description: "machines that there are already: agents run on them over ssh",
            config_fields: FieldSchema::of::<SshSettings>(),
            build_args_help: "none: the machines exist; name them in [providers.NAME.hosts.HOST]",
            start_args_help: "none: the machines run already",
            build: |instance, config, context| {
                let settings: SshSettings = parse_config(instance, config)?;
                Ok(Arc::new(Ssh::new(instance, settings, context)))
            },
        }]
    }
}
