//! The command line of mng: parses, calls one operation of the engine, renders what it reports.
//!
//! A binary with further plugins links them and calls [`main`]:
//!
//! ```ignore
//! use acme_hosts as _;
//! fn main() -> std::process::ExitCode {
//!     mng_cli::main()
//! }
//! ```

mod args;
mod attach;
mod cli;
mod commands;
mod completion;
mod crash;
mod exit;
mod follow;
mod frame;
mod help;
mod linked;
mod logging;
mod passage;
mod selection;
mod ui;

/// Runs the command line of this process.
#[must_use]
pub fn main() -> std::process::ExitCode {
    std::process::ExitCode::from(frame::main().as_u8())
}
