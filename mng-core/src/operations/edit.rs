//! Changing agents' records: under each host's lock, on what the record says then.

use super::resolve::{HostGroup, ResolvedAgent, group_by_host};
use crate::hosts::{Host, HostLock};
use crate::model::error::{Error, Result};
use crate::model::event::Events;
use crate::model::failure::{Failure, FailureCategory};
use crate::model::record::AgentRecord;
use crate::plugins::Ctx;

/// Records that were changed, and those that could not be.
#[derive(Debug, Default)]
pub(super) struct Edited {
    /// As written, in the order of the hosts' ids.
    pub agents: Vec<ResolvedAgent>,
    pub failures: Vec<Failure>,
}

/// Applies `change` to the record of every agent. A record is read again under the lock, so that a change
/// made meanwhile by another mng is kept; an agent that is gone by then is a failure row.
pub(super) async fn edit_records(
    ctx: &Ctx,
    agents: Vec<ResolvedAgent>,
    events: &Events,
    change: impl Fn(&mut AgentRecord),
) -> Edited {
    let mut edited = Edited::default();
    for HostGroup { host, records } in group_by_host(agents) {
        let lock = match host.lock(Some(HostLock::OTHERS), events).await {
            Ok(lock) => lock,
            Err(error) => {
                edited.failures.extend(records.iter().map(|record| failure(&host, record, &error)));
                continue;
            }
        };
        for record in records {
            match edit_one(&host, &lock, &record, &change).await {
                Ok(record) => edited.agents.push(ResolvedAgent { host: host.clone(), record }),
                Err(error) => edited.failures.push(failure(&host, &record, &error)),
            }
        }
    }
    tracing::debug!(changed = edited.agents.len(), interactive = ctx.is_interactive, "records edited");
    edited
}

async fn edit_one(
    host: &Host,
    lock: &HostLock,
    seen: &AgentRecord,
    change: &impl Fn(&mut AgentRecord),
) -> Result<AgentRecord> {
    let mut record = reread(host, seen).await?;
    let before = record.clone();
    change(&mut record);
    if record != before {
        host.write_agent(lock, &record).await?;
    }
    Ok(record)
}

/// The agent's record as it is now; the lock is held.
///
/// # Errors
/// An `AgentNotFound` error: it was destroyed while this command waited for the lock.
pub(super) async fn reread(host: &Host, seen: &AgentRecord) -> Result<AgentRecord> {
    host.read_agent(&seen.id).await?.ok_or_else(|| {
        Error::hinted(
            crate::model::error::ErrorClass::AgentNotFound,
            format!("agent `{}` was destroyed while this command waited", seen.name),
            "mng undo --list",
        )
    })
}

/// The failure row of an agent.
pub(super) fn failure(host: &Host, record: &AgentRecord, error: &Error) -> Failure {
    let category = match error.class() {
        crate::model::error::ErrorClass::CommandTimeout => FailureCategory::Timeout,
        crate::model::error::ErrorClass::ProviderUnavailable => FailureCategory::ProviderInaccessible,
        _ => FailureCategory::Other,
    };
    let mut message = error.to_string();
    for cause in error.causes() {
        message.push_str(": ");
        message.push_str(&cause);
    }
    Failure::new(category, message).of(record.name.as_str(), host.info.id.as_str())
}
