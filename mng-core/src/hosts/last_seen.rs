//! What was last seen on the hosts of a provider, kept on this machine: the agents of a host that does not
//! answer are then unknown, but not forgotten.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::model::error::{Error, Result};
use crate::model::ids::{AgentId, HostId};
use crate::model::order;
use crate::model::record::AgentRecord;
use crate::model::state::{ActivitySource, AgentState};
use crate::model::time::Time;
use crate::storage;

/// One host as it was seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LastSeen {
    pub host_id: HostId,
    pub idle_timeout_seconds: Option<u64>,
    pub activity_sources: Option<Vec<ActivitySource>>,
    /// By id.
    pub agents: Vec<LastSeenAgent>,
}

impl LastSeen {
    /// A host of which nothing has been seen yet.
    #[must_use]
    pub fn nothing(host_id: HostId) -> Self {
        Self { host_id, idle_timeout_seconds: None, activity_sources: None, agents: Vec::new() }
    }
}

/// One agent as it was seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LastSeenAgent {
    pub record: AgentRecord,
    pub state: AgentState,
    pub start_time: Option<Time>,
    pub user_activity_time: Option<Time>,
    pub agent_activity_time: Option<Time>,
}

/// `<host>.json` for each host, mode 0600. When it was seen is the file's own time, so that seeing the same
/// again writes nothing.
#[derive(Clone, Debug)]
pub struct LastSeenStore {
    dir: PathBuf,
}

impl LastSeenStore {
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// What was seen on a host, and when; `None` also for a file of another version.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub fn read(&self, host: &str) -> Result<Option<(Time, LastSeen)>> {
        let path = self.path(host);
        let Some(bytes) = storage::read_optional(&path)? else { return Ok(None) };
        let seen = match serde_json::from_slice(&bytes) {
            Ok(seen) => seen,
            Err(error) => {
                tracing::debug!(path = %path.display(), %error, "what was last seen cannot be read");
                return Ok(None);
            }
        };
        let modified = path.metadata().and_then(|meta| meta.modified());
        let at = modified.map_err(|error| Error::io(format!("read `{}`", path.display()), error))?;
        Ok(Some((at.into(), seen)))
    }

    /// Keeps what was seen just now.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn keep(&self, host: &str, seen: &LastSeen) -> Result<()> {
        let path = self.path(host);
        let bytes = serde_json::to_vec(seen).expect("keys are strings and numbers are finite");
        if storage::read_optional(&path)?.is_some_and(|old| old == bytes) {
            let touched = File::options().write(true).open(&path);
            let touched = touched.and_then(|file| file.set_modified(SystemTime::now()));
            return touched.map_err(|error| Error::io(format!("touch `{}`", path.display()), error));
        }
        storage::write_volatile(&path, &bytes, 0o600)
    }

    /// Adds an agent or puts it in the place of an older look at it, without a claim about the others.
    ///
    /// # Errors
    /// As [`LastSeenStore::keep`].
    pub fn note(&self, host: &str, host_id: &HostId, agent: LastSeenAgent) -> Result<()> {
        let old = self.read(host)?.map(|(_, seen)| seen);
        let mut seen = old.unwrap_or_else(|| LastSeen::nothing(host_id.clone()));
        seen.agents.retain(|old| old.record.id != agent.record.id);
        seen.agents.push(agent);
        order::sort_by(&mut seen.agents, |a, b| a.record.id.cmp(&b.record.id));
        self.keep(host, &seen)
    }

    /// Forgets agents that are gone for good.
    ///
    /// # Errors
    /// As [`LastSeenStore::keep`].
    pub fn forget(&self, host: &str, agents: &BTreeSet<AgentId>) -> Result<()> {
        let Some((_, mut seen)) = self.read(host)? else { return Ok(()) };
        let before = seen.agents.len();
        seen.agents.retain(|agent| !agents.contains(&agent.record.id));
        if seen.agents.len() == before { Ok(()) } else { self.keep(host, &seen) }
    }

    /// The hosts on which agents were seen, by name.
    #[must_use]
    pub fn hosts_with_agents(&self) -> Vec<String> {
        self.hosts(|seen| !seen.agents.is_empty())
    }

    /// The hosts whose last agent is gone, by name.
    #[must_use]
    pub fn hosts_without_agents(&self) -> Vec<String> {
        self.hosts(|seen| seen.agents.is_empty())
    }

    fn hosts(&self, is_meant: impl Fn(&LastSeen) -> bool) -> Vec<String> {
        let entries = std::fs::read_dir(&self.dir).into_iter().flatten().flatten();
        let mut hosts: Vec<String> = entries
            .filter_map(|entry| decoded(entry.file_name().to_str()?.strip_suffix(".json")?))
            .filter(|host| matches!(self.read(host), Ok(Some((_, seen))) if is_meant(&seen)))
            .collect();
        hosts.sort_unstable();
        hosts
    }

    fn path(&self, host: &str) -> PathBuf {
        Path::new(&self.dir).join(format!("{}.json", encoded(host)))
    }
}

/// A host's name as a file name: names of old records may hold anything.
fn encoded(host: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    host.bytes()
        .map(|byte| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02x}") })
        .collect()
}

fn decoded(name: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = name.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let hex = std::str::from_utf8(rest.get(..2)?).ok()?;
        bytes.push(u8::from_str_radix(hex, 16).ok()?);
        rest = &rest[2..];
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn agent(name: &str) -> LastSeenAgent {
        let record = serde_json::json!({
            "id": AgentId::generate(), "name": name, "type": "command", "work_dir": "/w",
            "create_time": "2026-11-22T13:31:00Z", "command": "sleep 9",
        });
        LastSeenAgent {
            record: serde_json::from_value(record).unwrap(),
            state: AgentState::Running,
            start_time: None,
            user_activity_time: None,
            agent_activity_time: None,
        }
    }

    #[test]
    fn seeing_the_same_again_moves_the_time_and_writes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let store = LastSeenStore::new(dir.path().join("seen"));
        let id = HostId::generate();
        assert!(store.read("box").unwrap().is_none());
        store.note("box", &id, agent("a")).unwrap();
        let path = dir.path().join("seen/box.json");
        let hour_ago = SystemTime::now() - Duration::from_secs(3600);
        File::options().write(true).open(&path).unwrap().set_modified(hour_ago).unwrap();
        let inode = |path: &Path| std::os::unix::fs::MetadataExt::ino(&path.metadata().unwrap());
        let before = inode(&path);
        let (at, seen) = store.read("box").unwrap().unwrap();
        assert!(at.age(Time::now()) > Duration::from_secs(3500));
        store.keep("box", &seen).unwrap();
        assert_eq!(inode(&path), before);
        assert!(store.read("box").unwrap().unwrap().0.age(Time::now()) < Duration::from_secs(60));
        let mode = std::os::unix::fs::PermissionsExt::mode(&path.metadata().unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn agents_come_and_go_one_by_one() {
        let dir = tempfile::tempdir().unwrap();
        let store = LastSeenStore::new(dir.path());
        let id = HostId::generate();
        let (a, b) = (agent("a"), agent("b"));
        store.note("box", &id, a.clone()).unwrap();
        store.note("box", &id, b.clone()).unwrap();
        store.note("box", &id, LastSeenAgent { state: AgentState::Done, ..a.clone() }).unwrap();
        let seen = store.read("box").unwrap().unwrap().1;
        assert_eq!(seen.agents.len(), 2);
        assert_eq!(store.hosts_with_agents(), ["box"]);
        store.forget("box", &BTreeSet::from([a.record.id, b.record.id])).unwrap();
        assert!(store.hosts_with_agents().is_empty());
        assert_eq!(store.hosts_without_agents(), ["box"]);
        assert!(store.read("box").unwrap().unwrap().1.agents.is_empty(), "seen, and empty");
    }

    proptest! {
        #[test]
        fn any_name_is_one_file_of_the_directory(host in ".*") {
            let name = encoded(&host);
            prop_assert!(!name.contains(['/', '.', '\0']));
            prop_assert_eq!(decoded(&name), Some(host));
        }
    }
}
