//! What the end-to-end tests stand on: a private world per test, the real `mng` run in it, and ways to look.
//!
//! A [`TestEnv`] has its own home, tmux server and git identity, so tests run side by side and never meet the
//! tmux server or the agents of the person who runs them. Nothing sleeps for a fixed time: [`TestEnv::eventually`]
//! polls to a deadline and fails with the screens and logs in view.

mod faults;
mod fingerprint;
mod normalise;
mod process;
mod program;
mod python_tree;
mod relay;
mod repo;
mod run;
mod ssh_host;
mod stub;
mod terminal;
mod tmpfs;
mod world;

pub use faults::Killed;
pub use fingerprint::Fingerprint;
pub use normalise::Normaliser;
pub use process::{Process, processes_carrying, processes_matching};
pub use program::Program;
pub use python_tree::{PythonAgent, PythonTree};
pub use relay::Relay;
pub use repo::Repo;
pub use run::{Background, Command, Run};
pub use ssh_host::{SshHost, SshHostOptions};
pub use stub::{Logged, Stub};
pub use terminal::Terminal;
pub use tmpfs::SmallDisk;
pub use world::TestEnv;
