//! The crates that are part of this binary. Naming them keeps the linker from dropping them, and their
//! registrations with them.

use mng_plugin_command as _;
use mng_provider_local as _;

/// The plugins of mng itself; all others were linked by somebody else.
pub(crate) const BUILT_IN: &[&str] = &["command", "local"];

/// The features that this binary was built with.
pub(crate) const FEATURES: &[&str] = &[
    #[cfg(feature = "agents")]
    "agents",
];

/// Features that other builds have.
pub(crate) const OTHER_FEATURES: &[&str] = &["docker", "ssh", "modal"];
