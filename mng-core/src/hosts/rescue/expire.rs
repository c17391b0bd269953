//! The end of undo entries, and the repair of those that a crash left half-way.

use std::time::Duration;

use super::manifest::{self, Manifest, State, UndoId, WorkDirKind};
use super::{remove_admin, remove_tree, rescue_ref, take_away};
use crate::hosts::git::Git;
use crate::hosts::{Host, HostLock};
use crate::model::error::Result;
use crate::model::time::Time;
use crate::storage::fault;

/// Drops the entries that are older than `keep`; with `dry_run` only says which.
///
/// # Errors
/// One cannot be dropped; it stays to be tried again.
pub async fn expire(
    host: &Host,
    lock: &HostLock,
    keep: Duration,
    now: Time,
    dry_run: bool,
) -> Result<Vec<Manifest>> {
    let mut dropped = Vec::new();
    for mut entry in manifest::all(host).await? {
        if entry.created_at.age(now) <= keep || entry.state == State::Deleting {
            continue;
        }
        if !dry_run {
            drop_entry(host, lock, &mut entry).await?;
        }
        dropped.push(entry);
    }
    Ok(dropped)
}

/// Puts right what crashed processes left: entries that never became complete are dropped, removals whose
/// work dir has left its place are finished. A work dir that is still at its place is left alone. Under the
/// host's lock every unfinished entry is a dead process's.
///
/// # Errors
/// The undo directory cannot be read. Trouble with one entry is logged and leaves it as it is.
pub async fn sweep(host: &Host, lock: &HostLock) -> Result<()> {
    for mut entry in manifest::all(host).await? {
        let swept = match entry.state {
            State::Keeping | State::Dropping => drop_entry(host, lock, &mut entry).await,
            State::Deleting => finish(host, lock, &mut entry).await,
            State::Kept if has_moved(host, &entry).await? => finish(host, lock, &mut entry).await,
            State::Kept | State::Done => Ok(()),
        };
        if let Err(error) = swept {
            tracing::warn!(id = %entry.id, %error, "undo entry left half-way");
        }
    }
    sweep_unnamed(host).await
}

/// Directories without a manifest, from before its first write; and trash.
async fn sweep_unnamed(host: &Host) -> Result<()> {
    let undo = host.layout.undo();
    for name in host.transport.list_dir(&undo).await? {
        let Ok(id) = name.parse::<UndoId>() else { continue };
        let dir = undo.join(id.as_str());
        if host.transport.list_dir(&dir).await?.is_empty() {
            remove_tree(host, &dir).await?;
        }
    }
    let tmp = host.layout.tmp();
    for name in host.transport.list_dir(&tmp).await? {
        if ["removed-", "scratch-", "merged-"].iter().any(|prefix| name.starts_with(prefix)) {
            remove_tree(host, &tmp.join(name)).await?;
        }
    }
    Ok(())
}

async fn finish(host: &Host, lock: &HostLock, entry: &mut Manifest) -> Result<()> {
    take_away(host, lock, entry).await?;
    entry.state = State::Done;
    entry.write(host, lock).await
}

async fn has_moved(host: &Host, entry: &Manifest) -> Result<bool> {
    match &entry.work_dir {
        Some(kept) => Ok(host.transport.stat(&kept.moved_to()).await?.is_some()),
        None => Ok(false),
    }
}

/// Whether an unrestored entry of an agent has nothing that a new one of the same agent has not: its
/// removal never began, so the work dir was still whole when the new one was made.
pub(super) async fn is_superseded(host: &Host, entry: &Manifest) -> Result<bool> {
    let kind = entry.work_dir.as_ref().map(|kept| kept.kind);
    match kind {
        None | Some(WorkDirKind::Stays) => Ok(true),
        Some(WorkDirKind::Missing) => Ok(false),
        Some(WorkDirKind::Worktree | WorkDirKind::Moved) => {
            Ok(entry.state == State::Kept && !has_moved(host, entry).await?)
        }
    }
}

/// Forgets an entry: the reference, what was moved, the directory with the manifest last.
///
/// # Errors
/// Something of it remains; the entry then says that it is being dropped.
pub(super) async fn drop_entry(host: &Host, lock: &HostLock, entry: &mut Manifest) -> Result<()> {
    entry.state = State::Dropping;
    entry.write(host, lock).await?;
    let transport = host.transport.as_ref();
    if let Some(common_dir) = &entry.repository
        && transport.stat(common_dir).await?.is_some()
    {
        let git = Git::in_git_dir(transport, common_dir)?.without_hooks();
        git.text(["update-ref", "-d", &rescue_ref(&entry.id)]).await?;
        fault::point("expire.ref_deleted");
        if let Some(kept) = entry.work_dir.as_ref().filter(|kept| kept.kind == WorkDirKind::Moved)
            && transport.stat(&kept.path).await?.is_none()
            && transport.stat(&kept.moved_to()).await?.is_some()
        {
            remove_admin(host, common_dir, &kept.path).await?;
        }
    }
    let dir = entry.dir(host);
    if let Some(kept) = entry.work_dir.as_ref().filter(|kept| kept.shelf != dir) {
        remove_tree(host, &kept.shelf).await?;
    }
    for name in transport.list_dir(&dir).await? {
        if name != manifest::FILE {
            remove_tree(host, &dir.join(name)).await?;
        }
    }
    fault::point("expire.content_deleted");
    remove_tree(host, &dir).await
}
