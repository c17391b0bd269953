//! Reading and writing the certified records of a host and of its agents.

use std::path::PathBuf;
use std::time::Duration;

use super::{Host, HostLock};
use crate::model::error::{Error, ErrorClass, Explain, Result, Scope, Subject};
use crate::model::ids::AgentId;
use crate::model::record::{AgentRecord, HostRecord};
use crate::model::state::IdleMode;
use crate::model::time::Time;

/// A record that cannot be read; the rest of the host still can.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    #[error("the record of agent `{id}` is damaged: `{}`", path.display())]
    Agent { id: AgentId, path: PathBuf, source: serde_json::Error },
    #[error("the record of host `{host}` is damaged: `{}`", path.display())]
    Host { host: String, path: PathBuf, source: serde_json::Error },
}

impl Explain for RecordError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Agent { .. } => ErrorClass::CorruptedAgentData,
            Self::Host { .. } => ErrorClass::HostDataSchema,
        }
    }

    fn scope(&self) -> Scope {
        match self {
            Self::Agent { .. } => Scope::Agent,
            Self::Host { .. } => Scope::Host,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Agent { path, .. } => Some(format!(
                "mend the JSON, or move `{}` out of the way: nothing else refers to it",
                path.parent().unwrap_or(path).display()
            )),
            Self::Host { path, .. } => {
                Some(format!("mend the JSON in `{}`, or move it away", path.display()))
            }
        }
    }

    fn subject(&self) -> Subject {
        match self {
            Self::Agent { id, .. } => Subject { agent_id: Some(id.to_string()), ..Subject::default() },
            Self::Host { host, .. } => Subject { host_id: Some(host.clone()), ..Subject::default() },
        }
    }
}

/// One agent directory of a host and what its record says.
#[derive(Debug)]
pub struct AgentEntry {
    pub id: AgentId,
    pub record: Result<AgentRecord>,
}

impl Host {
    /// The host's record; defaults when there is none yet.
    ///
    /// # Errors
    /// [`RecordError::Host`] when it is no valid record.
    pub async fn read_record(&self) -> Result<HostRecord> {
        let path = self.layout.record();
        let Some(bytes) = self.transport.read(&path).await? else {
            return Ok(HostRecord::new(self.info.id.clone(), self.info.name.as_str()));
        };
        serde_json::from_slice(&bytes)
            .map_err(|source| RecordError::Host { host: self.info.id.to_string(), path, source }.into())
    }

    /// Reads the host's record, changes it and writes it back; only under the lock.
    ///
    /// # Errors
    /// The record cannot be read or written.
    pub async fn update_record(
        &self,
        _lock: &HostLock,
        change: impl FnOnce(&mut HostRecord) + Send,
    ) -> Result<()> {
        let mut record = self.read_record().await?;
        change(&mut record);
        record.generated_work_dirs.sort();
        record.generated_work_dirs.dedup();
        record.idle_mode = IdleMode::of(&record.activity_sources);
        record.updated_at = Time::now();
        record.host_id.get_or_insert_with(|| self.info.id.clone());
        record.host_name.get_or_insert_with(|| self.info.name.to_string());
        self.transport.write(&self.layout.record(), &record_bytes(&record)?, 0o600).await
    }

    /// Every agent of the host, by id, each with its record or the reason why it cannot be read. A
    /// directory without a record is a create or a destroy in progress and is left out.
    ///
    /// # Errors
    /// The agents directory itself cannot be read.
    pub async fn agents(&self) -> Result<Vec<AgentEntry>> {
        let mut entries = Vec::new();
        for name in self.transport.list_dir(&self.layout.agents()).await? {
            let Ok(id) = name.parse::<AgentId>() else { continue };
            match self.read_agent(&id).await {
                Ok(None) => {}
                Ok(Some(record)) => entries.push(AgentEntry { id, record: Ok(record) }),
                Err(error) => entries.push(AgentEntry { id, record: Err(error) }),
            }
        }
        Ok(entries)
    }

    /// One agent's record; `None` if there is no such agent.
    ///
    /// A half-written record of a program that writes in place is tried again for a moment.
    ///
    /// # Errors
    /// [`RecordError::Agent`] when it is damaged.
    pub async fn read_agent(&self, id: &AgentId) -> Result<Option<AgentRecord>> {
        const TRIES: u32 = 3;
        let path = self.layout.agent_record(id);
        let mut tried = 0;
        loop {
            tried += 1;
            let Some(bytes) = self.transport.read(&path).await? else { return Ok(None) };
            match serde_json::from_slice::<AgentRecord>(&bytes) {
                Ok(record) => return Ok(Some(record)),
                Err(source) => {
                    let fresh = self.transport.stat(&path).await?.is_some_and(|stat| {
                        stat.modified.elapsed().is_ok_and(|age| age < Duration::from_secs(3))
                    });
                    if !fresh || tried >= TRIES {
                        return Err(RecordError::Agent { id: id.clone(), path, source }.into());
                    }
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    /// Writes an agent's record; only under the lock.
    ///
    /// # Errors
    /// It cannot be written; the old record then stands.
    pub async fn write_agent(&self, _lock: &HostLock, record: &AgentRecord) -> Result<()> {
        self.transport.write(&self.layout.agent_record(&record.id), &record_bytes(record)?, 0o600).await
    }
}

/// JSON with two spaces of indent, as every record is written.
pub(crate) fn record_bytes<T: serde::Serialize>(value: &T) -> Result<Vec<u8>> {
    serde_json::to_vec_pretty(value)
        .map_err(|error| Error::io("encode a record", std::io::Error::other(error)))
}
