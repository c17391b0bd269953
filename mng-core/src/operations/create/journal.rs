//! Creates in progress, on disk: `H/journal/<agent-id>.json`, written before the first change and removed
//! after the last. Whoever holds the host's lock and finds an entry knows that its creator is gone, because
//! a create holds the lock for as long as its entry exists.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::hosts::work_dir::Claim;
use crate::hosts::{Host, HostLock};
use crate::model::error::{Error, Result};
use crate::model::ids::AgentId;
use crate::model::names::AgentName;
use crate::model::time::Time;

/// What a create is about to make: everything that has to go if it does not finish.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JournalEntry {
    pub agent_id: AgentId,
    pub name: AgentName,
    /// Process id of the creator.
    pub pid: u32,
    /// When the create began.
    pub start_time: Time,
    /// Work dir and branch, if this create makes them; neither existed before.
    pub work_dir: Option<Claim>,
    /// The clone of a git URL that this create took as its source.
    pub source_clone: Option<PathBuf>,
}

impl JournalEntry {
    fn path(host: &Host, id: &AgentId) -> PathBuf {
        host.layout.journal().join(format!("{id}.json"))
    }

    /// Where the agent's state dir is assembled before it is renamed into place.
    #[must_use]
    pub fn staging_dir(&self, host: &Host) -> PathBuf {
        host.layout.tmp().join(self.agent_id.as_str())
    }

    /// Writes the entry. Not flushed to disk: it has to outlive this process, not the machine, whose crash
    /// takes what it describes as well.
    ///
    /// # Errors
    /// The state dir cannot be written.
    pub(super) async fn write(&self, host: &Host, _lock: &HostLock) -> Result<()> {
        let bytes = serde_json::to_vec_pretty(self)
            .map_err(|error| Error::io("encode a journal entry", std::io::Error::other(error)))?;
        host.transport.write_volatile(&Self::path(host, &self.agent_id), &bytes, 0o600).await
    }

    /// Removes the entry; a missing one is fine.
    ///
    /// # Errors
    /// It is there and cannot be removed.
    pub(super) async fn remove(&self, host: &Host, _lock: &HostLock) -> Result<()> {
        host.transport.remove_file(&Self::path(host, &self.agent_id)).await
    }
}

/// Every entry of a host, by agent id. One that cannot be read is left where it is, with a warning in the
/// log: what it stood for is unknown, so nothing may be removed on its account.
///
/// # Errors
/// The journal directory cannot be read.
pub async fn entries(host: &Host, _lock: &HostLock) -> Result<Vec<JournalEntry>> {
    look(host).await
}

/// As [`entries`], for a dry run: without the lock, an entry may be of a create that is under way.
///
/// # Errors
/// As [`entries`].
pub async fn look(host: &Host) -> Result<Vec<JournalEntry>> {
    let dir = host.layout.journal();
    let mut found = Vec::new();
    for name in host.transport.list_dir(&dir).await? {
        if name.starts_with('.') || !name.ends_with(".json") {
            continue;
        }
        let path = dir.join(&name);
        let Some(bytes) = host.transport.read(&path).await? else { continue };
        match serde_json::from_slice::<JournalEntry>(&bytes) {
            Ok(entry) => found.push(entry),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "unreadable journal entry left alone")
            }
        }
    }
    Ok(found)
}
