//! Agents: their types, how they start, what state they are in, how they end.

pub mod answer;
pub mod cgroup;
pub mod facts;
pub mod input;
pub mod install;
pub mod judge;
pub mod launch;
pub mod message;
pub mod mirror;
pub mod output;
pub mod output_style;
pub mod probe;
pub mod processes;
pub mod readiness;
pub mod replay;
pub mod sight;
pub mod stop;
pub mod tmux;
pub mod transcript;
pub mod type_state;
pub mod types;
pub mod usage;

pub use launch::{StartRequest, Started, Welcome, own_command, start_agent};
pub use message::{MessageRequest, Receipt, send_message};
pub use readiness::await_ready;
pub use stop::stop_agent;

#[cfg(test)]
pub(crate) mod testing;
