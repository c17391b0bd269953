//! The crates that are part of this binary. Naming them keeps the linker from dropping them, and their
//! registrations with them.

use mng_plugin_command as _;
use mng_provider_local as _;
