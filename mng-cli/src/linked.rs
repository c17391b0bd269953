//! The crates that are part of this binary. Naming them keeps the linker from dropping them, and their
//! registrations with them.

#[cfg(feature = "claude")]
use mng_plugin_claude as _;
#[cfg(feature = "codex")]
use mng_plugin_codex as _;
use mng_plugin_command as _;
#[cfg(feature = "opencode")]
use mng_plugin_opencode as _;
#[cfg(feature = "pi")]
use mng_plugin_pi as _;
use mng_provider_local as _;
#[cfg(feature = "ssh")]
use mng_provider_ssh as _;

/// The plugins of mng itself; all others were linked by somebody else.
pub(crate) const BUILT_IN: &[&str] = &["claude", "codex", "command", "local", "opencode", "pi_coding", "ssh"];

/// The features that this binary was built with.
pub(crate) const FEATURES: &[&str] = &[
    #[cfg(feature = "agents")]
    "agents",
    #[cfg(feature = "claude")]
    "claude",
    #[cfg(feature = "codex")]
    "codex",
    #[cfg(feature = "opencode")]
    "opencode",
    #[cfg(feature = "pi")]
    "pi",
    #[cfg(feature = "ssh")]
    "ssh",
];

/// Features that other builds have.
pub(crate) const OTHER_FEATURES: &[&str] = &["docker", "ssh", "modal"];
