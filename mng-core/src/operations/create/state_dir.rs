//! An agent's state dir: assembled where nobody looks and renamed into place, so that no program ever sees
//! an agent without its record.

use super::journal::JournalEntry;
use crate::hosts::{Host, HostLock, record_bytes};
use crate::model::env_file::EnvVars;
use crate::model::error::Result;
use crate::model::record::AgentRecord;
use crate::model::time::Time;
use crate::storage::fault;

/// Event streams that exist from the start, so that followers can attach before the first event.
const STREAMS: [&str; 2] = ["events/services/events.jsonl", "events/requests/events.jsonl"];

/// Makes what a state dir holds beside its record and its environment: the directories, the streams and the
/// CREATE activity. Needs no work dir, so it is done while git makes one.
///
/// # Errors
/// The state dir cannot be written; what was written of it is the journal entry's to remove.
pub(super) async fn stage(host: &Host, _lock: &HostLock, entry: &JournalEntry) -> Result<()> {
    let transport = &host.transport;
    let staging = entry.staging_dir(host);
    // Only with an explicit id can something be left there of an earlier run.
    if transport.stat(&staging).await?.is_some() {
        transport.remove_tree(&staging).await?;
    }
    let activity = serde_json::json!({
        "time": Time::now().timestamp().as_millisecond(),
        "agent_id": entry.agent_id,
        "agent_name": entry.name,
    });
    transport
        .write_volatile(&staging.join("activity/create"), activity.to_string().as_bytes(), 0o600)
        .await?;
    for stream in STREAMS {
        transport.write_volatile(&staging.join(stream), b"", 0o600).await?;
    }
    for dir in ["logs", "commands"] {
        transport.create_dir(&staging.join(dir)).await?;
    }
    transport.create_dir(&host.layout.agents()).await?;
    Ok(())
}

/// Adds the record and the environment to what [`stage`] made, and puts the dir in its place. None of it
/// waits for the disk: see [`flush`].
///
/// # Errors
/// As [`stage`].
pub(super) async fn publish(
    host: &Host,
    _lock: &HostLock,
    entry: &JournalEntry,
    record: &AgentRecord,
    env: &EnvVars,
) -> Result<()> {
    let transport = &host.transport;
    let staging = entry.staging_dir(host);
    transport.write_volatile(&staging.join("env"), env.render().as_bytes(), 0o600).await?;
    transport.write_volatile(&staging.join("data.json"), &record_bytes(record)?, 0o600).await?;
    fault::point("create.record_staged");
    transport.rename(&staging, &host.layout.agent(&record.id)).await?;
    fault::point("create.record");
    Ok(())
}

/// Waits until the record is safe on disk. Apart from [`publish`], so that it can happen while tmux starts.
///
/// # Errors
/// It cannot be written.
pub(super) async fn flush(host: &Host, lock: &HostLock, record: &AgentRecord) -> Result<()> {
    host.write_agent(lock, record).await
}
