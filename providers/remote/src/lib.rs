//! What hosts that are reached by ssh share, whoever made them. Registers nothing.
//!
//! [`SshTransport`] is the [`Transport`](mng_core::transports::Transport) over one ssh connection; [`SshTarget`]
//! says where to and how to log in.

mod auth;
mod channel;
mod command;
mod connection;
mod error;
mod exec;
mod files;
mod known_hosts;
mod line;
mod lock;
mod piped;
mod stall;
mod target;
mod transport;
mod watcher;

pub use error::{ChangedKey, SshError};
pub use known_hosts::{HostKeyLine, learn as learn_host_key};
pub use target::{HostKeyPolicy, SshTarget};
pub use transport::SshTransport;
pub use watcher::watch;
