//! Whether a work dir that was just made has everything that it was to get. For a migration, which takes the
//! source away afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::carry::{self, Carried};
use super::mirror::BASE_REF;
use super::route::Route;
use super::rsync::{self, Copy};
use super::{MadeWorkDir, WorkDirError, WorkDirPlan};
use crate::hosts::Host;
use crate::hosts::git::{self, Git, StatusRequest};
use crate::model::error::{Error, Result};
use crate::model::event::Events;
use crate::model::record::TransferMode;

/// Compares a new work dir with its source, before anybody works in it: `HEAD`, references, which files
/// differ from `HEAD`, and the content of everything that was copied beside git.
///
/// # Errors
/// [`WorkDirError::CopyDiffers`] names what; or something could not be compared.
pub async fn verify(
    source_host: &Host,
    host: &Host,
    plan: &WorkDirPlan,
    made: &MadeWorkDir,
    events: &Events,
) -> Result<()> {
    let route = Route::open(source_host, host, &plan.transit)?;
    match plan.mode {
        TransferMode::None => return Ok(()),
        TransferMode::Rsync => {
            let options = rsync::whole_options(plan, plan.include_git);
            return same_files(&route, &plan.source, &plan.path, options, None).await;
        }
        TransferMode::GitMirror | TransferMode::GitWorktree => {}
    }
    let source = Git::at(source_host.transport.as_ref(), &plan.source)?;
    let copy = Git::at(host.transport.as_ref(), &plan.path)?;
    let head = git::commits_of(&copy, &["HEAD"]).await?.pop().flatten();
    if head != made.claim.base_commit {
        return Err(differs(plan, "its HEAD is another commit"));
    }
    if plan.mode == TransferMode::GitMirror {
        let (mut wanted, there) = tokio::try_join!(references(&source), references(&copy))?;
        // A repository that others work in stays, and its other branches go their own ways.
        if let Some(repo) = plan.repo.as_ref().filter(|repo| repo.is_linked_worktree) {
            let own = repo.branch.as_ref().map(|branch| format!("refs/heads/{branch}"));
            wanted.retain(|name, _| Some(name) == own.as_ref());
        } else if git::commits_of(&source, &["refs/stash"]).await? != [None] {
            events.warning("stashed changes are not carried: `mng undo` brings them back with the source");
        }
        let lost = wanted.iter().find(|(name, id)| there.get(*name) != Some(id));
        if let Some((name, _)) = lost {
            return Err(differs(plan, format!("`{name}` is another commit")));
        }
        if git::commits_of(&copy, &[BASE_REF]).await?.pop().flatten() != made.claim.base_commit {
            return Err(differs(plan, "it starts from another commit"));
        }
    }
    let carried = carry::list(route.source, plan).await?;
    if plan.include_unclean {
        same_status(&source, &copy, &carried, plan).await?;
    }
    if carried.copied.is_empty() {
        return Ok(());
    }
    let list = rsync::list(&carried.copied);
    same_files(&route, &plan.source, &plan.path, rsync::listed_options(), Some(list)).await
}

fn differs(plan: &WorkDirPlan, what: impl Into<String>) -> Error {
    WorkDirError::CopyDiffers { path: plan.path.clone(), what: what.into() }.into()
}

/// Branches and tags with their objects.
async fn references(git: &Git<'_>) -> Result<BTreeMap<String, String>> {
    let text =
        git.text(["for-each-ref", "--format=%(refname) %(objectname)", "refs/heads", "refs/tags"]).await?;
    let pairs = text.lines().filter_map(|line| line.split_once(' '));
    Ok(pairs.map(|(name, id)| (name.to_owned(), id.to_owned())).collect())
}

/// The same paths differ from `HEAD`, and the same are gone. Only where the work goes on from the source's
/// own `HEAD`: else other files differ on purpose.
async fn same_status(source: &Git<'_>, copy: &Git<'_>, carried: &Carried, plan: &WorkDirPlan) -> Result<()> {
    let now = git::status(copy, StatusRequest::default()).await?;
    // Gone from the index and on disk nevertheless is told as two entries.
    let paths = |is_deleted: bool| -> BTreeSet<PathBuf> {
        let entries = now.entries.iter().filter(|entry| entry.is_deleted() == is_deleted);
        entries.map(|entry| entry.path.clone()).collect()
    };
    let gone: BTreeSet<PathBuf> = paths(true).difference(&paths(false)).cloned().collect();
    let is_own_head = git::commits_of(source, &["HEAD"]).await?.pop().flatten() == plan.base_commit;
    if let Some(path) = carried.gone.iter().find(|path| is_own_head && !gone.contains(*path)) {
        return Err(differs(plan, format!("`{}` is there, and was deleted in the source", path.display())));
    }
    if let Some(path) = gone.iter().find(|path| is_own_head && !carried.gone.contains(*path)) {
        return Err(differs(plan, format!("`{}` is missing", path.display())));
    }
    Ok(())
}

/// Compares checksums, kinds and permissions with rsync's own eyes.
async fn same_files(
    route: &Route<'_>,
    from: &Path,
    to: &Path,
    options: Vec<String>,
    list: Option<Vec<u8>>,
) -> Result<()> {
    let copy = Copy { from, to, options, list, what: "compare the copy", is_check: true };
    let output = route.rsync(&copy).await?;
    // `.d..t...... name/`: a line that begins with a dot is about the directory's own times.
    let Some(line) = output.lines().find(|line| !line.is_empty() && !line.starts_with(".d")) else {
        return Ok(());
    };
    let name = line.split_once(' ').map_or(line, |(_, name)| name.trim_start());
    let what = format!("`{name}` is not as in the source");
    Err(WorkDirError::CopyDiffers { path: to.to_path_buf(), what }.into())
}
