//! Takes a kept work dir out of its place. Every step looks at what is there, so that the whole can be run
//! again after a crash at any point.

use std::io::ErrorKind;
use std::path::Path;

use super::error::RescueError;
use super::keep::admin_of;
use super::manifest::{KeptWorkDir, Manifest, State, WorkDirKind};
use super::{nested, remove_tree};
use crate::hosts::git::{Git, TRANSFER, word};
use crate::hosts::{Host, HostLock};
use crate::model::error::{Error, Result};
use crate::storage::fault;
use crate::transports::ExecRequest;

/// Removes the work dir of an entry that is complete. What is not in a rescue commit lies in the shelf
/// afterwards.
///
/// # Errors
/// The work dir cannot be moved, or something of it remains. What is at its place then is whole, or is
/// marked as being deleted.
pub(crate) async fn take_away(host: &Host, lock: &HostLock, manifest: &mut Manifest) -> Result<()> {
    let Some(kept) = manifest.work_dir.clone() else { return Ok(()) };
    if !matches!(kept.kind, WorkDirKind::Worktree | WorkDirKind::Moved | WorkDirKind::Missing) {
        return Ok(());
    }
    if kept.kind != WorkDirKind::Missing && manifest.state == State::Kept {
        match shelve(host, &kept).await {
            Ok(()) => {}
            Err(_) if kept.kind == WorkDirKind::Worktree => {
                // A mount point, or a parent that we may not write in. All is in the rescue commit, but a
                // half-deleted tree must never be taken for the whole one.
                manifest.state = State::Deleting;
                manifest.write(host, lock).await?;
            }
            Err(error) => {
                return Err(RescueError::CannotKeep { path: kept.path, why: told(&error) }.into());
            }
        }
    }
    fault::point("destroy.work_dir_moved");
    if kept.kind == WorkDirKind::Moved {
        return pin(host, manifest, &kept).await;
    }
    let from = if manifest.state == State::Deleting { kept.path.clone() } else { kept.moved_to() };
    for (number, inner) in kept.nested.iter().enumerate() {
        nested::take_out(host, inner, &from, &kept.nested_place(number)).await?;
    }
    fault::point("destroy.nested_moved");
    if manifest.state == State::Deleting {
        remove_tree(host, &kept.path).await?;
    }
    if let Some(git) = &kept.git {
        remove_admin(host, &git.common_dir, &kept.path).await?;
    }
    fault::point("destroy.worktree_removed");
    remove_tree(host, &kept.moved_to()).await?;
    if kept.nested.is_empty() && kept.shelf != manifest.dir(host) {
        remove_tree(host, &kept.shelf).await?;
    }
    fault::point("destroy.files_deleted");
    Ok(())
}

/// The rename that takes the work dir away, all at once.
async fn shelve(host: &Host, kept: &KeptWorkDir) -> Result<()> {
    let transport = host.transport.as_ref();
    let place = kept.moved_to();
    if transport.stat(&place).await?.is_some() {
        return Ok(());
    }
    transport.create_dir(&kept.shelf).await?;
    match transport.rename(&kept.path, &place).await {
        // A directory that is not writable cannot change its parent. Its mode is recorded.
        Err(error) if !host.is_local() || error.io_kind() == Some(ErrorKind::PermissionDenied) => {
            let open = ExecRequest::new(["chmod".to_owned(), "u+rwx".into(), "--".into(), word(&kept.path)?]);
            transport.exec(open).await?.check("chmod")?;
            transport.rename(&kept.path, &place).await
        }
        other => other,
    }
}

fn told(error: &Error) -> String {
    let mut text = error.to_string();
    for cause in error.causes() {
        text.push_str(": ");
        text.push_str(&cause);
    }
    text
}

/// A worktree that was moved whole is still the one that its repository knows. Locked, so that no prune
/// forgets its index while it lies in the shelf.
async fn pin(host: &Host, manifest: &Manifest, kept: &KeptWorkDir) -> Result<()> {
    let Some(common_dir) = manifest.repository.as_ref().filter(|_| kept.note.is_some()) else {
        return Ok(());
    };
    if let Some(admin) = admin_of(host, common_dir, &kept.path).await? {
        let reason = format!("kept for `mng undo {}`\n", manifest.id);
        host.transport.write_volatile(&admin.join("locked"), reason.as_bytes(), 0o644).await?;
    }
    Ok(())
}

/// Makes a repository forget one of its worktrees, whose directory is gone. A worktree that it does not
/// know, and a repository that is gone, are fine. Others of the person's are never touched, as a
/// `git worktree prune` would.
///
/// # Errors
/// The entry remains.
pub(crate) async fn remove_admin(host: &Host, common_dir: &Path, work_dir: &Path) -> Result<()> {
    let transport = host.transport.as_ref();
    let Some(admin) = admin_of(host, common_dir, work_dir).await? else { return Ok(()) };
    let git = Git::in_git_dir(transport, common_dir)?.without_hooks();
    let path = word(work_dir)?;
    // Once forces over changes, twice over a lock.
    let request = git.command(["worktree", "remove", "--force", "--force", "--", path.as_str()]);
    let output = git.run(request.timeout(Some(TRANSFER))).await?;
    if output.is_success() && transport.stat(&admin).await?.is_none() {
        return Ok(());
    }
    tracing::debug!(stderr = %output.stderr_text(), "git worktree remove failed; removing its entry");
    remove_tree(host, &admin).await
}
