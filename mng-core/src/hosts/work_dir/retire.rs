//! The one place that removes work dirs: for destroy, for gc, and for creates that failed.
//!
//! Never removed are: directories that mng did not make, that another agent's record refers to, that an
//! agent uses in place; and nothing at all before its content is kept (`rescue`), so that `mng undo` can
//! bring it back. Never with sudo. The caller has ended the processes that worked there.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::Claim;
use crate::hosts::git::{self, Git};
use crate::hosts::rescue::{
    self, KeepRequest, LostItem, Manifest, Reason, State, UndoId, remove_admin, remove_tree,
};
use crate::hosts::{Host, HostLock};
use crate::model::error::Result;
use crate::model::ids::random_hex;
use crate::model::record::{AgentRecord, TransferMode};
use crate::storage::fault;
use crate::transports::FileKind;

/// Why a work dir is ours to remove.
#[derive(Clone, Copy, Debug)]
pub enum Ownership<'a> {
    /// The host's record lists it in `generated_work_dirs`.
    Registered,
    /// This run made it, or the create whose claim was found did.
    Claimed(&'a Claim),
}

/// What is to go, and what belongs to it.
#[derive(Clone, Copy, Debug)]
pub struct RetireRequest<'a> {
    pub reason: Reason,
    /// Whose work dir it was; its record is kept for undo.
    pub agent: Option<&'a AgentRecord>,
    /// Files of the agent's state dir to keep beside transcripts and events; relative to it.
    pub agent_items: &'a [PathBuf],
    pub work_dir: &'a Path,
    pub ownership: Ownership<'a>,
    /// Leave the work dir where it is: it becomes the person's.
    pub keep_work_dir: bool,
    /// Delete the branch that was made for the agent. A rollback deletes it unasked, if nothing was
    /// committed on it.
    pub remove_branch: bool,
}

/// What became of the work dir.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum WorkDirFate {
    Removed,
    /// It was gone already.
    Missing,
    /// Kept because it was asked for, and no longer registered.
    Released,
    /// mng did not make it, or the agent worked in it in place.
    NotOurs,
    /// Other agents work there too.
    InUse {
        by: Vec<String>,
    },
}

/// What became of the branch that was made for the agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BranchFate {
    /// There was none.
    None,
    Kept {
        branch: String,
    },
    Deleted {
        branch: String,
    },
    /// It could not be deleted safely.
    Refused {
        branch: String,
        why: String,
    },
}

/// What a removal did.
#[derive(Clone, Debug, Serialize)]
pub struct Retired {
    /// Under which id `mng undo` has it; `None` if nothing would have been lost.
    pub undo_id: Option<UndoId>,
    pub work_dir: WorkDirFate,
    pub branch: BranchFate,
    /// Ignored files that were too big to keep.
    pub lost: Vec<LostItem>,
    /// What the person should know: how the content is kept when that was unusual.
    pub note: Option<String>,
}

/// Keeps what would be lost, then removes. Can be run again after a crash at any point.
///
/// The agent's state dir is the caller's to remove afterwards.
///
/// # Errors
/// The content could not be kept, or not moved away: then nothing was removed. Or something remains after
/// the removal began; a second run goes on there.
pub async fn retire(host: &Host, lock: &HostLock, request: &RetireRequest<'_>) -> Result<Retired> {
    let fate = judge(host, request).await?;
    let takes = fate == WorkDirFate::Removed || fate == WorkDirFate::Missing;
    let recorded = recorded_common_dir(request);
    let keep = keep_request(request, takes, recorded.as_deref());
    // Nothing to keep and nothing to remove: no entry for an unregistered directory of nobody.
    let is_idle = !takes && request.agent.is_none();
    let mut manifest = if is_idle { None } else { rescue::keep(host, lock, &keep).await? };
    if takes {
        match &mut manifest {
            Some(manifest) => rescue::take_away(host, lock, manifest).await?,
            None => throw_away(host, request.work_dir, recorded.as_deref()).await?,
        }
    }
    let branch = settle_branch(host, request, manifest.as_ref(), recorded.as_deref(), takes).await?;
    fault::point("destroy.branch_settled");
    if let Some(manifest) = manifest.as_mut().filter(|manifest| manifest.state != State::Done) {
        manifest.state = State::Done;
        manifest.write(host, lock).await?;
    }
    fault::point("destroy.entry_done");
    if takes || fate == WorkDirFate::Released {
        release(host, lock, request.work_dir).await?;
        fault::point("destroy.unregistered");
    }
    let kept = manifest.as_ref().and_then(|manifest| manifest.work_dir.as_ref());
    Ok(Retired {
        work_dir: fate,
        branch,
        lost: kept.map(|kept| kept.lost.clone()).unwrap_or_default(),
        note: kept.and_then(|kept| kept.note.clone()),
        undo_id: manifest.map(|manifest| manifest.id),
    })
}

fn recorded_common_dir(request: &RetireRequest<'_>) -> Option<PathBuf> {
    request.agent.and_then(AgentRecord::git_common_dir).or_else(|| match request.ownership {
        Ownership::Claimed(claim) => claim.common_dir.clone(),
        Ownership::Registered => None,
    })
}

fn keep_request<'a>(
    request: &RetireRequest<'a>,
    takes_work_dir: bool,
    common_dir: Option<&'a Path>,
) -> KeepRequest<'a> {
    let base = match request.ownership {
        Ownership::Claimed(claim) => claim.base_commit.as_deref(),
        Ownership::Registered => None,
    };
    KeepRequest {
        reason: request.reason,
        agent: request.agent,
        agent_items: request.agent_items,
        work_dir: request.work_dir,
        takes_work_dir,
        common_dir,
        created_branch: created_branch(request),
        unless_expendable: matches!(request.reason, Reason::Gc | Reason::Rollback).then_some(base),
    }
}

/// Takes a work dir out of `generated_work_dirs`: it is the person's from then on. Idempotent, and writes
/// nothing if it is not registered.
///
/// # Errors
/// The host's record cannot be read or written.
pub async fn release(host: &Host, lock: &HostLock, work_dir: &Path) -> Result<()> {
    if !host.read_record().await?.generated_work_dirs.iter().any(|known| known == work_dir) {
        return Ok(());
    }
    host.update_record(lock, |record| record.generated_work_dirs.retain(|known| known != work_dir)).await
}

/// Registered work dirs that no agent uses. Under the lock, so that no create is between registering and
/// its record. Empty while any agent's record cannot be read: it may refer to one of them.
///
/// # Errors
/// The host's record or the agents directory cannot be read.
pub async fn orphans(host: &Host, _lock: &HostLock) -> Result<Vec<PathBuf>> {
    unused(host).await
}

/// As [`orphans`], for a dry run: without the lock it is a look and no ground to remove anything.
///
/// # Errors
/// As [`orphans`].
pub async fn unused(host: &Host) -> Result<Vec<PathBuf>> {
    let agents = host.agents().await?;
    if agents.iter().any(|entry| entry.record.is_err()) {
        return Ok(Vec::new());
    }
    let records: Vec<&AgentRecord> = agents.iter().filter_map(|entry| entry.record.as_ref().ok()).collect();
    let registered = host.read_record().await?.generated_work_dirs;
    Ok(registered.into_iter().filter(|dir| !records.iter().any(|record| needs(record, dir))).collect())
}

/// What [`retire()`] would do with the work dir, as things are now.
///
/// # Errors
/// The host's record or the agents directory cannot be read.
pub async fn fate(host: &Host, request: &RetireRequest<'_>) -> Result<WorkDirFate> {
    judge(host, request).await
}

/// Whether the work dir may go.
async fn judge(host: &Host, request: &RetireRequest<'_>) -> Result<WorkDirFate> {
    let path = request.work_dir;
    let in_place = request.agent.is_some_and(|agent| agent.transfer_mode == Some(TransferMode::None));
    let is_ours = match request.ownership {
        Ownership::Claimed(claim) => claim.path == path && claim.mode != TransferMode::None && claim.is_fresh,
        Ownership::Registered => {
            host.read_record().await?.generated_work_dirs.iter().any(|known| known == path)
        }
    };
    let holds_state = host.layout.root().starts_with(path) || path.parent().is_none() || path.is_relative();
    let kind = host.transport.stat(path).await?.map(|stat| stat.kind);
    let is_place = matches!(kind, None | Some(FileKind::Directory));
    if in_place || !is_ours || holds_state || !is_place {
        return Ok(WorkDirFate::NotOurs);
    }
    let by = users(host, request).await?;
    if !by.is_empty() {
        return Ok(WorkDirFate::InUse { by });
    }
    if request.keep_work_dir {
        return Ok(WorkDirFate::Released);
    }
    Ok(if kind.is_none() { WorkDirFate::Missing } else { WorkDirFate::Removed })
}

/// Whether an agent works in a directory, or in a worktree of a repository that lies there.
fn needs(record: &AgentRecord, dir: &Path) -> bool {
    record.work_dir.starts_with(dir) || record.git_common_dir().is_some_and(|common| common.starts_with(dir))
}

/// Other agents that need the work dir. A damaged record counts when the path stands in its bytes.
async fn users(host: &Host, request: &RetireRequest<'_>) -> Result<Vec<String>> {
    let path = request.work_dir;
    let mut names = Vec::new();
    for entry in host.agents().await? {
        if request.agent.is_some_and(|agent| agent.id == entry.id) {
            continue;
        }
        match entry.record {
            Ok(record) if needs(&record, path) => names.push(record.name.to_string()),
            Ok(_) => {}
            Err(_) => {
                let bytes = host.transport.read(&host.layout.agent_record(&entry.id)).await?;
                let text = String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned();
                if text.contains(&*path.to_string_lossy()) {
                    names.push(entry.id.to_string());
                }
            }
        }
    }
    Ok(names)
}

fn created_branch<'a>(request: &RetireRequest<'a>) -> Option<&'a str> {
    let claimed = match request.ownership {
        Ownership::Claimed(claim) if claim.mode == TransferMode::GitWorktree => claim.branch.as_deref(),
        _ => None,
    };
    let recorded = request.agent.filter(|agent| agent.transfer_mode != Some(TransferMode::GitMirror));
    recorded.and_then(|agent| agent.created_branch_name.as_deref()).or(claimed)
}

/// Removes a worktree that git has everything of.
async fn throw_away(host: &Host, work_dir: &Path, common_dir: Option<&Path>) -> Result<()> {
    let found = git::inspect(host.transport.as_ref(), work_dir).await.ok().flatten();
    let common_dir = found.map(|repo| repo.common_dir).or_else(|| common_dir.map(Path::to_path_buf));
    remove_place(host, work_dir, common_dir.as_deref()).await
}

async fn remove_place(host: &Host, work_dir: &Path, common_dir: Option<&Path>) -> Result<()> {
    let trash = host.layout.tmp().join(format!("removed-{}", random_hex()));
    host.transport.create_dir(&host.layout.tmp()).await?;
    // One rename where that is possible, so that no half-deleted tree is seen at the place.
    if host.transport.rename(work_dir, &trash).await.is_err() {
        remove_tree(host, work_dir).await?;
    }
    fault::point("destroy.work_dir_moved");
    if let Some(common_dir) = common_dir {
        remove_admin(host, common_dir, work_dir).await?;
    }
    fault::point("destroy.worktree_removed");
    remove_tree(host, &trash).await
}

async fn settle_branch(
    host: &Host,
    request: &RetireRequest<'_>,
    manifest: Option<&Manifest>,
    recorded: Option<&Path>,
    takes: bool,
) -> Result<BranchFate> {
    let Some(branch) = created_branch(request).map(str::to_owned) else { return Ok(BranchFate::None) };
    let kept = manifest.and_then(Manifest::git);
    let common_dir = kept.map(|git| git.common_dir.clone()).or_else(|| recorded.map(Path::to_path_buf));
    let is_rollback = request.reason == Reason::Rollback;
    let (Some(common_dir), true) = (common_dir, takes && (request.remove_branch || is_rollback)) else {
        return Ok(BranchFate::Kept { branch });
    };
    if host.transport.stat(&common_dir).await?.is_none() {
        return Ok(BranchFate::None);
    }
    let git = Git::in_git_dir(host.transport.as_ref(), &common_dir)?;
    let Some(tip) = git::branch_tip(&git, &branch).await? else { return Ok(BranchFate::None) };
    if is_rollback {
        let base = match request.ownership {
            Ownership::Claimed(claim) => claim.base_commit.as_ref(),
            Ownership::Registered => None,
        };
        if base != Some(&tip) {
            return Ok(BranchFate::Kept { branch });
        }
    } else if kept.is_none_or(|kept| kept.created_branch_tip.as_ref() != Some(&tip)) {
        let why = "its commits are not in the undo entry".to_owned();
        return Ok(BranchFate::Refused { branch, why });
    }
    delete_branch(&git, branch).await
}

/// git itself refuses a branch that any worktree has checked out.
async fn delete_branch(git: &Git<'_>, branch: String) -> Result<BranchFate> {
    let output = git.run(git.command(["branch", "-D", "--", branch.as_str()])).await?;
    if output.is_success() {
        return Ok(BranchFate::Deleted { branch });
    }
    let why = output.stderr_text();
    let why = why.strip_prefix("error: ").unwrap_or(&why).to_owned();
    Ok(BranchFate::Refused { branch, why })
}

/// Takes away what [`super::make`] made before it failed: copies of the source, and a branch without
/// commits. Nothing of it has to be kept.
pub(super) async fn discard(host: &Host, _lock: &HostLock, claim: &Claim) -> Result<()> {
    remove_place(host, &claim.path, claim.common_dir.as_deref()).await?;
    if !claim.is_fresh {
        host.transport.create_dir(&claim.path).await?;
    }
    let (Some(common_dir), Some(branch), TransferMode::GitWorktree) =
        (&claim.common_dir, &claim.branch, claim.mode)
    else {
        return Ok(());
    };
    let git = Git::in_git_dir(host.transport.as_ref(), common_dir)?;
    if git::branch_tip(&git, branch).await? == claim.base_commit && claim.base_commit.is_some() {
        delete_branch(&git, branch.clone()).await?;
    }
    Ok(())
}
