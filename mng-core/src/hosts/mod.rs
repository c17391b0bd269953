//! A host: what its provider knows of it, plus a transport. Its state directory, records, lock and env.

mod events;
mod fan_out;
pub mod git;
mod last_seen;
mod layout;
mod lock;
mod records;
pub mod rescue;
pub mod sync;
pub mod work_dir;

use std::sync::Arc;

pub use events::EventStream;
pub use fan_out::{as_completed, fan_out};
pub use last_seen::{LastSeen, LastSeenAgent, LastSeenStore};
pub use layout::Layout;
pub use lock::HostLock;
pub(crate) use records::record_bytes;
pub use records::{AgentEntry, RecordError};

use crate::providers::DiscoveredHost;
use crate::transports::Transport;

/// A live host that can be worked on.
#[derive(Clone, Debug)]
pub struct Host {
    pub info: DiscoveredHost,
    pub transport: Arc<dyn Transport>,
    /// Where things lie under the host dir.
    pub layout: Layout,
    /// What session names start with; a host's own stored prefix beats the configured one.
    pub prefix: String,
}

impl Host {
    #[must_use]
    pub fn new(info: DiscoveredHost, transport: Arc<dyn Transport>, prefix: impl Into<String>) -> Self {
        let layout = Layout::new(info.host_dir.clone());
        Self { info, transport, layout, prefix: prefix.into() }
    }

    /// The tmux session of an agent of that name. tmux turns `.` and `:` in session names into `_`.
    #[must_use]
    pub fn session_name(&self, agent_name: &str) -> String {
        format!("{}{agent_name}", self.prefix).replace(['.', ':'], "_")
    }

    /// Whether the host is this machine. In a program without any provider of other machines that is known
    /// when it is built, so that it holds nothing of what only they need.
    #[must_use]
    #[inline]
    pub fn is_local(&self) -> bool {
        cfg!(not(any(test, feature = "remote"))) || self.transport.is_local()
    }
}
