//! Reading and writing the certified records of a host and of its agents.

use std::path::PathBuf;
use std::time::Duration;

use super::{Host, HostLock};
use crate::model::error::{Error, ErrorClass, Explain, Result, Scope, Subject};
use crate::model::ids::{AgentId, random_hex};
use crate::model::order;
use crate::model::record::{AgentRecord, HostRecord};
use crate::model::state::IdleMode;
use crate::model::time::Time;
use crate::transports::ExecRequest;

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

/// Prints the records in the directory `$2`, of the agents that the other arguments name or of all: a line
/// `$1 ID` before each, and `$1 end` at the end.
const RECORDS: &str = r#"# The records of the agents
nonce=$1 dir=$2
shift 2
if cd -- "$dir" 2>/dev/null; then
    [ $# -gt 0 ] || set -- agent-*
    for id; do
        [ -f "$id/data.json" ] || continue
        printf '\n%s %s\n' "$nonce" "$id"
        cat -- "$id/data.json"
    done
elif [ -e "$dir" ]; then
    echo "cannot enter $dir" >&2
    exit 1
fi
printf '\n%s end\n' "$nonce""#;

/// Splits an answer at its marks: what stands in the line of each, and what follows up to the next.
fn parts<'a>(output: &'a [u8], mark: &[u8]) -> Vec<(&'a str, &'a [u8])> {
    let is_mark = |at: &usize| output[*at..].starts_with(mark);
    let starts: Vec<usize> = (0..output.len()).filter(|at| output[*at] == b'\n').filter(is_mark).collect();
    let ends = starts.iter().skip(1).copied().chain([output.len()]);
    let whole = starts.iter().zip(ends).map(|(start, end)| &output[start + mark.len()..end]);
    whole
        .filter_map(|part| {
            let line_end = part.iter().position(|byte| *byte == b'\n').unwrap_or(part.len());
            let (head, rest) = part.split_at(line_end);
            Some((std::str::from_utf8(head).ok()?, rest))
        })
        .collect()
}

fn enter(entries: &mut Vec<AgentEntry>, id: AgentId, record: Result<Option<AgentRecord>>) {
    if let Some(record) = record.transpose() {
        entries.push(AgentEntry { id, record });
    }
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
        if !self.is_local() {
            return self.far_agents(&[]).await;
        }
        let mut entries = Vec::new();
        for name in self.transport.list_dir(&self.layout.agents()).await? {
            let Ok(id) = name.parse::<AgentId>() else { continue };
            let record = self.read_agent(&id).await;
            enter(&mut entries, id, record);
        }
        Ok(entries)
    }

    /// As [`Host::agents`], of these only.
    ///
    /// # Errors
    /// As [`Host::agents`].
    pub async fn agents_of(&self, ids: &[&AgentId]) -> Result<Vec<AgentEntry>> {
        if !self.is_local() && !ids.is_empty() {
            return self.far_agents(ids).await;
        }
        let mut entries = Vec::new();
        for id in ids {
            enter(&mut entries, (*id).clone(), self.read_agent(id).await);
        }
        Ok(entries)
    }

    /// All records, or those of `ids`, by one script: over a line a file each would be a round trip each.
    async fn far_agents(&self, ids: &[&AgentId]) -> Result<Vec<AgentEntry>> {
        let nonce = random_hex();
        let agents = self.layout.agents();
        let mut args = vec![nonce.clone(), agents.to_string_lossy().into_owned()];
        args.extend(ids.iter().map(ToString::to_string));
        let request = ExecRequest::sh(RECORDS, args).timeout(Some(Duration::from_secs(30))).idempotent();
        let output = self.transport.exec(request).await?.check(&format!("read `{}`", agents.display()))?;
        let parts = parts(&output.stdout, format!("\n{nonce} ").as_bytes());
        let mut entries = Vec::new();
        let mut is_whole = false;
        for (id, bytes) in parts {
            let Ok(id) = id.parse::<AgentId>() else {
                is_whole |= id == "end";
                continue;
            };
            let record = match serde_json::from_slice(bytes) {
                Ok(record) => Ok(Some(record)),
                // Perhaps another program is just writing it: the slow reader waits for a moment.
                Err(_) => self.read_agent(&id).await,
            };
            enter(&mut entries, id, record);
        }
        if !is_whole {
            let cut = std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
            return Err(Error::io(format!("read `{}` of host `{}`", agents.display(), self.info.name), cut));
        }
        order::sort_by(&mut entries, |a, b| a.id.cmp(&b.id));
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::agents::testing::{PrivateHost, block};

    #[test]
    fn records_of_another_machine_come_together_whatever_they_hold() {
        let private = PrivateHost::far();
        let host = &private.host;
        assert!(block(host.agents()).unwrap().is_empty(), "no directory yet");
        let first = private.agent("first", "true");
        let second = private.agent("second", "echo '\n0123 agent-x\n'");
        let damaged: AgentId = "agent-00000000000000000000000000000009".parse().unwrap();
        let dir = host.layout.agent(&damaged);
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("data.json"), b"{\xff").unwrap();
        fs::File::options()
            .write(true)
            .open(dir.join("data.json"))
            .and_then(|file| file.set_modified(std::time::UNIX_EPOCH))
            .unwrap();
        fs::create_dir_all(host.layout.agents().join("agent-00000000000000000000000000000008")).unwrap();
        let entries = block(host.agents()).unwrap();
        assert!(entries.is_sorted_by_key(|entry| entry.id.clone()));
        let record = |id: &AgentId| entries.iter().find(|entry| entry.id == *id).unwrap().record.as_ref();
        assert_eq!(record(&first.id).unwrap(), &first);
        assert_eq!(record(&second.id).unwrap(), &second);
        assert_eq!(record(&damaged).unwrap_err().class(), ErrorClass::CorruptedAgentData);
        assert_eq!(entries.len(), 3);
        let missing: AgentId = "agent-00000000000000000000000000000007".parse().unwrap();
        let some = block(host.agents_of(&[&second.id, &missing])).unwrap();
        assert_eq!(some.iter().map(|entry| &entry.id).collect::<Vec<_>>(), [&second.id]);
    }

    #[test]
    fn an_answer_is_split_at_its_marks_only() {
        let answer = b"hello\n\nN a\n{}\nN\n N b\nN c\n\n\nN end\n";
        let found = parts(answer, b"\nN ");
        assert_eq!(found, [("a", &b"\n{}\nN\n N b"[..]), ("c", b"\n\n"), ("end", b"\n")]);
        assert!(parts(b"", b"\nN ").is_empty());
    }
}
