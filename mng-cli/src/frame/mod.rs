//! The life of a command, from the words typed to the exit code.
//!
//! Fast paths first (`--version`, completion, help): no settings, no runtime. Then: find the command, see
//! which options were typed, read the settings, let them stand in for what was not typed, parse, start the
//! log, run the pre-command scripts and hooks, run the command, report its error if there is one.

mod external;
mod inject;
mod launch;
mod load;
mod locate;
mod report;
mod runtime;
mod scripts;
mod tree;
mod usage;
mod words;

pub(crate) use external::on_path as external_commands;
pub(crate) use launch::main;
pub(crate) use load::{EarlyOptions, Invocation, Loaded};
pub(crate) use locate::settings_key;
pub(crate) use runtime::{interrupted, wait};
pub(crate) use tree::{build, common_only, finish};
pub(crate) use usage::{synopsis, usage_error, value_name};
pub(crate) use words::{Reading, positional, read, takes_value};
