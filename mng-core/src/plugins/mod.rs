//! What is linked, what of it is enabled, and what it brings.

mod ctx;
mod plugin;
mod registry;

pub use ctx::{Ctx, Limits};
pub use plugin::{
    AfterCommand, AgentMoment, BeforeCreate, CommandDef, CommandHandler, ExtraArgs, HelpTopic, Plugin,
    PluginDescriptor,
};
pub use registry::{Activation, Enabled, Linked, Registry};

/// The version of the extension points; a plugin built for another one does not compile.
pub const PLUGIN_API: u32 = 1;

/// Registers a plugin at link time. One call a crate.
///
/// ```ignore
/// mng_core::register_plugin!(PluginDescriptor {
///     name: "acme",
///     version: env!("CARGO_PKG_VERSION"),
///     description: "hosts of the Acme cloud",
///     make: || Box::new(Acme),
///     ..PluginDescriptor::DEFAULT
/// });
/// ```
#[macro_export]
macro_rules! register_plugin {
    ($descriptor:expr) => {
        $crate::inventory::submit! { $descriptor }
    };
}
