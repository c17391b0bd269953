//! What happens to uncommitted work that a transfer meets.

use std::path::PathBuf;
use std::time::Duration;

use super::dirty::Dirty;
use super::paths::overlap;
use super::{Side, SyncError, backup, stash};
use crate::hosts::git::RepoInfo;
use crate::model::error::Result;
use crate::model::event::Events;
use crate::storage::fault;
use crate::transports::LockGuard;

/// What the person wants done with uncommitted changes of the destination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Uncommitted {
    /// Refuse.
    #[default]
    Fail,
    /// Keep them where they are, and join them with what comes in where both change a file.
    Merge,
    /// Set all of them aside in the stash and leave them there.
    Stash,
    /// Overwrite them, after a backup.
    Clobber,
}

/// What was set aside, for the report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shelf {
    pub stash_oid: Option<String>,
    pub backup_ref: Option<String>,
}

/// What to do before the first write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Measure {
    /// Nothing is in the way.
    None,
    /// `Merge`, and these paths of somebody's work are in the way.
    Join(Vec<PathBuf>),
    Stash,
    Backup,
}

/// Longest wait for another transfer into the same repository.
const WAIT: Duration = Duration::from_secs(600);

/// One transfer at a time for all work trees of a repository: they share its stash.
///
/// # Errors
/// Another transfer does not end.
pub(super) async fn lock(side: &Side, repo: &RepoInfo, events: &Events) -> Result<Box<dyn LockGuard>> {
    let path = repo.common_dir.join("mng-sync.lock");
    let (told, place) = (events.clone(), repo.top_level.clone());
    let tell = move || told.info(format!("waiting for another transfer into `{}`...", place.display()));
    side.transport.lock(&path, Some(WAIT), Box::new(tell)).await
}

/// Decides. `written` is what the transfer would write or delete, relative to the root of the work tree.
///
/// # Errors
/// [`SyncError::Uncommitted`], [`SyncError::Unmovable`]
pub(super) fn decide(dirty: &Dirty, written: &[PathBuf], wanted: Uncommitted) -> Result<Measure, SyncError> {
    let place = dirty.repo.top_level.clone();
    let users = dirty.user_paths();
    let in_the_way = overlap(&users, written);
    let unmovable = overlap(&dirty.unmovable, written);
    if wanted == Uncommitted::Fail && !users.is_empty() {
        return Err(SyncError::Uncommitted { place, paths: in_the_way });
    }
    if !unmovable.is_empty() {
        return Err(SyncError::Unmovable { place, paths: unmovable });
    }
    Ok(match wanted {
        _ if users.is_empty() => Measure::None,
        Uncommitted::Merge if in_the_way.is_empty() => Measure::None,
        Uncommitted::Merge => Measure::Join(in_the_way),
        Uncommitted::Stash => Measure::Stash,
        Uncommitted::Clobber | Uncommitted::Fail => Measure::Backup,
    })
}

/// Sets everything aside that the measure says.
///
/// # Errors
/// git fails; what it had set aside by then is in its stash.
pub(super) async fn set_aside(
    side: &Side,
    dirty: &Dirty,
    measure: &Measure,
    events: &Events,
) -> Result<Shelf> {
    let git = side.git_at(&dirty.repo.top_level)?;
    let mut shelf = Shelf::default();
    match measure {
        Measure::None | Measure::Join(_) => {}
        Measure::Stash => {
            shelf.stash_oid = stash::push(&git, "set aside before a transfer", None).await?;
            fault::point("sync.stashed");
        }
        Measure::Backup => {
            shelf.backup_ref = backup::of_changes(&git, "overwritten by a transfer", None).await?;
            fault::point("sync.backed_up");
        }
    }
    if let Some(what) = shelf.stash_oid.as_ref().or(shelf.backup_ref.as_ref()) {
        stash::tell(&git, what, events);
    }
    Ok(shelf)
}
