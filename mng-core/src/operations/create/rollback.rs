//! Taking back a create that did not finish: its own, after an error or Ctrl-C, or one that was killed, from
//! its journal entry. What a step would have made is looked for, not assumed, so one function serves both.

use std::path::PathBuf;

use super::journal::{self, JournalEntry};
use super::{build, sources};
use crate::agents::stop::stop_new_agent;
use crate::agents::tmux::Tmux;
use crate::hosts::rescue::Reason;
use crate::hosts::work_dir::{self, BranchFate, Claim, Ownership, RetireRequest};
use crate::hosts::{Host, HostLock};
use crate::model::error::Result;
use crate::model::event::Events;
use crate::model::ids::random_hex;
use crate::model::record::{AgentRecord, TransferMode};
use crate::plugins::Ctx;
use crate::storage::fault;

/// What this run has made so far.
#[derive(Debug, Default)]
pub(super) struct Made {
    /// Set from the moment that the journal says so until nothing is undone any more.
    pub(super) entry: Option<JournalEntry>,
    /// A clone of a git URL that no entry names yet.
    pub(super) staged_clone: Option<PathBuf>,
}

impl Made {
    /// Takes everything back. The error that led here is the one to show; what could not be undone is a
    /// warning, and its journal entry stays for the next mng to try again.
    pub(super) async fn undo(&self, ctx: &Ctx, host: &Host, lock: &HostLock, events: &Events) {
        self.discard_clone(host, events).await;
        let Some(mut entry) = self.entry.clone() else { return };
        // An empty directory that a person had made is filled by now, and by nobody but this run.
        let person_dir =
            entry.work_dir.as_mut().filter(|claim| !claim.is_fresh && claim.mode != TransferMode::None).map(
                |claim| {
                    claim.is_fresh = true;
                    claim.path.clone()
                },
            );
        if let Err(error) = undo(ctx, host, lock, &entry, events).await {
            events.warning(format!("could not take back agent `{}`: {error}", entry.name));
        }
        if let Some(dir) = person_dir
            && let Err(error) = host.transport.create_dir(&dir).await
        {
            events.warning(format!("could not make `{}` again: {error}", dir.display()));
        }
    }
}

impl Made {
    /// Removes a clone that no entry names; needs no lock, because nobody else knows of it.
    pub(super) async fn discard_clone(&self, host: &Host, events: &Events) {
        if let Some(clone) = &self.staged_clone
            && let Err(error) = host.transport.remove_tree(clone).await
        {
            events.warning(format!("could not remove the clone `{}`: {error}", clone.display()));
        }
    }
}

/// Ends and removes everything that a journal entry tells of; what never came to be is passed over. The
/// entry goes last, so that a kill in between is no harm.
async fn undo(ctx: &Ctx, host: &Host, lock: &HostLock, entry: &JournalEntry, events: &Events) -> Result<()> {
    let transport = &host.transport;
    let id = &entry.agent_id;
    let record = host.read_agent(id).await?;
    if let Some(record) = &record {
        for left in stop_new_agent(host, lock, record, ctx.limits.stop_grace).await? {
            events.warning(left.message);
        }
    }
    fault::point("undo_create.stopped");
    if let Some(claim) = &entry.work_dir {
        retire(host, lock, record.as_ref(), claim, events).await?;
    }
    fault::point("undo_create.work_dir");
    // Renamed out before it is taken apart: nobody sees an agent without its record.
    let state_dir = host.layout.agent(id);
    if transport.stat(&state_dir).await?.is_some() {
        let gone = host.layout.tmp().join(format!("{id}-{}", random_hex()));
        transport.create_dir(&host.layout.tmp()).await?;
        transport.rename(&state_dir, &gone).await?;
        transport.remove_tree(&gone).await?;
    }
    transport.remove_tree(&entry.staging_dir(host)).await?;
    fault::point("undo_create.state_dir");
    if let Some(clone) = &entry.source_clone {
        transport.remove_tree(clone).await?;
        sources::forget(host, lock, clone).await?;
    }
    entry.remove(host, lock).await
}

/// Removes the work dir and the branch of a claim, what would be lost kept for undo.
async fn retire(
    host: &Host,
    lock: &HostLock,
    record: Option<&AgentRecord>,
    claim: &Claim,
    events: &Events,
) -> Result<()> {
    let request = RetireRequest {
        reason: Reason::Rollback,
        agent: record,
        agent_items: &[],
        work_dir: &claim.path,
        ownership: Ownership::Claimed(claim),
        keep_work_dir: false,
        remove_branch: false,
    };
    let retired = work_dir::retire(host, lock, &request).await?;
    if let Some(undo_id) = &retired.undo_id {
        events.warning(format!("what was in the work dir is kept: `mng undo {undo_id}` brings it back"));
    }
    if let BranchFate::Kept { branch } | BranchFate::Refused { branch, .. } = &retired.branch {
        events.warning(format!("the branch `{branch}` stays: it has commits of its own"));
    }
    Ok(())
}

/// A create that was killed, and what became of it.
#[derive(Debug)]
pub struct Replayed {
    pub entry: JournalEntry,
    /// The agent runs: the create was as good as done, and nothing was taken back.
    pub is_kept: bool,
}

/// Settles every create of a host that was killed: an agent whose session lives stays, all else is taken
/// back. For the next create and for gc. An entry that cannot be settled stays, with a warning.
///
/// # Errors
/// The journal cannot be read.
pub async fn replay(ctx: &Ctx, host: &Host, lock: &HostLock, events: &Events) -> Result<Vec<Replayed>> {
    let mut replayed = Vec::new();
    for entry in journal::entries(host, lock).await? {
        match settle(ctx, host, lock, &entry, events).await {
            Ok(is_kept) => {
                tracing::info!(agent = %entry.name, id = %entry.agent_id, is_kept, "settled a killed create");
                replayed.push(Replayed { entry, is_kept });
            }
            Err(error) => events.warning(format!(
                "could not clear away the unfinished create of agent `{}`: {error}",
                entry.name
            )),
        }
    }
    Ok(replayed)
}

async fn settle(
    ctx: &Ctx,
    host: &Host,
    lock: &HostLock,
    entry: &JournalEntry,
    events: &Events,
) -> Result<bool> {
    if host.read_agent(&entry.agent_id).await?.is_some() {
        let sessions = Tmux::on(host).sessions().await?;
        if sessions.iter().any(|session| session.agent_id.as_ref() == Some(&entry.agent_id)) {
            build::register(host, lock, entry).await?;
            entry.remove(host, lock).await?;
            return Ok(true);
        }
    }
    undo(ctx, host, lock, entry, events).await?;
    Ok(false)
}
