//! What of a work tree is not committed, and whose work that is.

use std::path::{Path, PathBuf};

use super::manifest::Manifest;
use super::paths::{from_nul, plain};
use super::{Side, SyncError};
use crate::hosts::git::{self, Entry, EntryKind, Git, RepoInfo, StatusRequest, TRANSFER};
use crate::model::error::{Error, ErrorClass, Result};
use crate::transports::FileKind;

/// A work tree, looked at. Paths are relative to its root.
#[derive(Clone, Debug)]
pub(super) struct Dirty {
    pub(super) repo: RepoInfo,
    /// Where the side's directory lies in the work tree; empty at its root.
    pub(super) prefix: PathBuf,
    /// Somebody's uncommitted work.
    pub(super) user: Vec<Entry>,
    /// Uncommitted, but nothing else than what an earlier transfer wrote.
    pub(super) ours: Vec<PathBuf>,
    /// What the stash cannot take: repositories inside, submodules, changed files that are hidden from git.
    pub(super) unmovable: Vec<PathBuf>,
    pub(super) manifest: Manifest,
}

impl Dirty {
    /// Looks at the work tree around the side's directory; `None` where that is missing, no directory, or in
    /// no work tree.
    ///
    /// # Errors
    /// git fails, or cannot look into a directory.
    pub(super) async fn look(side: &Side) -> Result<Option<Self>> {
        let Some(repo) = repo_of(side).await? else { return Ok(None) };
        let prefix = PathBuf::from(side.git()?.text(["rev-parse", "--show-prefix"]).await?);
        let git = side.git_at(&repo.top_level)?;
        let status = git::status(&git, StatusRequest::default()).await?;
        if let Some(why) = status.unreadable.first() {
            return Err(Error::plain(
                ErrorClass::Git,
                format!("cannot tell what is uncommitted in `{}`: {why}", repo.top_level.display()),
            ));
        }
        let manifest = Manifest::read(side).await?;
        let here: Vec<PathBuf> =
            status.entries.iter().filter_map(|entry| below(&entry.path, &prefix)).collect();
        let unchanged: Vec<PathBuf> = manifest.unchanged(side, &here).await?;
        let ours: Vec<PathBuf> = unchanged.into_iter().map(|path| prefix.join(path)).collect();
        let user: Vec<Entry> =
            status.entries.into_iter().filter(|entry| !ours.contains(&entry.path)).collect();
        let mut unmovable: Vec<PathBuf> = user
            .iter()
            .filter(|entry| entry.is_nested_repository() || entry.is_submodule())
            .map(|entry| entry.path.clone())
            .collect();
        unmovable.extend(hidden(&git).await?);
        Ok(Some(Self { repo, prefix, user, ours, unmovable, manifest }))
    }

    /// The paths of somebody's work.
    pub(super) fn user_paths(&self) -> Vec<PathBuf> {
        self.user.iter().map(|entry| plain(&entry.path).to_path_buf()).collect()
    }

    pub(super) fn has_staged(&self) -> bool {
        self.user.iter().any(|entry| matches!(entry.kind, EntryKind::Tracked { is_staged: true, .. }))
    }

    pub(super) fn has_tracked(&self) -> bool {
        self.user.iter().any(|entry| entry.kind != EntryKind::Untracked)
    }

    /// Refuses to begin while the person is in the middle of something: what is aborted later would be theirs.
    ///
    /// # Errors
    /// [`SyncError::InProgress`]
    pub(super) async fn check_idle(&self, side: &Side) -> Result<()> {
        const MARKS: [(&str, &str); 5] = [
            ("MERGE_HEAD", "merge"),
            ("rebase-merge", "rebase"),
            ("rebase-apply", "rebase"),
            ("CHERRY_PICK_HEAD", "cherry-pick"),
            ("REVERT_HEAD", "revert"),
        ];
        for (mark, what) in MARKS {
            if side.transport.stat(&self.repo.git_dir.join(mark)).await?.is_some() {
                return Err(SyncError::InProgress { place: self.repo.top_level.clone(), what }.into());
            }
        }
        Ok(())
    }
}

/// The repository around the side's directory; `None` where that is missing, no directory, or in no work tree.
pub(super) async fn repo_of(side: &Side) -> Result<Option<RepoInfo>> {
    let is_dir = match side.transport.stat(&side.dir).await?.map(|stat| stat.kind) {
        Some(FileKind::Directory) => true,
        // A symlink may lead to one.
        Some(FileKind::Symlink) => side.transport.stat(&side.dir.join(".")).await?.is_some(),
        _ => false,
    };
    if is_dir { git::inspect(side.transport.as_ref(), &side.dir).await } else { Ok(None) }
}

fn below(path: &Path, prefix: &Path) -> Option<PathBuf> {
    path.strip_prefix(prefix).ok().map(Path::to_path_buf)
}

/// Tracked files that git was told not to look at and that are not as in the index.
async fn hidden(git: &Git<'_>) -> Result<Vec<PathBuf>> {
    let output =
        git.check(git.command(["ls-files", "-v", "-z"]).timeout(Some(TRANSFER)).idempotent()).await?;
    let tagged = output.stdout.split(|&byte| byte == 0);
    // Lower case: assumed unchanged. `S`: skipped, which in a sparse check-out means absent.
    let hidden =
        tagged.filter(|line| line.first().is_some_and(|tag| tag.is_ascii_lowercase() || *tag == b'S'));
    let names: Vec<&[u8]> = hidden.filter_map(|line| line.get(2..)).collect();
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let mut present = Vec::new();
    for path in from_nul(&names.join(&0)) {
        if git.transport().stat(&git.place().join(&path)).await?.is_some() {
            present.push(path);
        }
    }
    let mut changed = Vec::new();
    for path in present {
        let Some(name) = path.to_str() else { continue };
        let index = git.text(["rev-parse", "--verify", "-q", &format!(":{name}")]).await;
        let work = git.text(["hash-object", "--", name]).await;
        if index.ok() != work.ok() {
            changed.push(path);
        }
    }
    Ok(changed)
}
