//! What moving commits in either direction shares.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use super::dirty::repo_of;
use super::paths::from_nul;
use super::{Reach, Side, SyncError};
use crate::hosts::git::{Git, GitError, RepoInfo, TRANSFER, commits_of};
use crate::model::error::Result;

/// Longest that objects may travel.
pub(super) const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// What was moved. Field names are the JSON contract.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct GitReport {
    pub source_branch: String,
    pub target_branch: String,
    pub source_path: PathBuf,
    pub destination_path: PathBuf,
    pub is_dry_run: bool,
    pub commits_transferred: u64,
    pub files_deleted: u64,
    pub stash_oid: Option<String>,
    /// What brings back what was overwritten: a reference, or for a mirror what the names of many begin with.
    pub backup_ref: Option<String>,
    /// Always empty in a report: conflicts end the transfer, and everything is as before.
    pub conflicts: Vec<PathBuf>,
}

/// The repository around a side.
///
/// # Errors
/// [`SyncError::NoDirectory`], [`SyncError::NoRepository`]
pub(super) async fn repository(side: &Side) -> Result<RepoInfo> {
    if side.transport.stat(&side.dir).await?.is_none() {
        return Err(SyncError::NoDirectory { place: side.dir.clone() }.into());
    }
    match repo_of(side).await? {
        Some(repo) => Ok(repo),
        None => Err(SyncError::NoRepository { place: side.dir.clone() }.into()),
    }
}

/// Whether both are work trees of one repository: then no objects have to move.
pub(super) fn is_same(here: &RepoInfo, there: &RepoInfo, reach: &Reach) -> bool {
    let physical = |path: &PathBuf| std::fs::canonicalize(path).unwrap_or_else(|_| path.clone());
    reach.is_here() && physical(&here.common_dir) == physical(&there.common_dir)
}

/// What taking one commit in place of another means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    /// Paths that differ, deleted ones included.
    pub(super) touched: Vec<PathBuf>,
    pub(super) deleted: u64,
    /// Commits that are new.
    pub(super) commits: u64,
    /// Commits that the old side has alone.
    pub(super) own: u64,
}

impl Change {
    /// Compares two commits that the repository has; `None` is a branch without any.
    ///
    /// # Errors
    /// git fails.
    pub(super) async fn between(git: &Git<'_>, old: Option<&str>, new: &str) -> Result<Self> {
        let Some(old) = old else {
            let listed = git.command(["ls-tree", "-r", "-z", "--full-tree", "--name-only", new]);
            let touched = from_nul(&git.check(listed.timeout(Some(TRANSFER)).idempotent()).await?.stdout);
            let commits = git.text(["rev-list", "--count", new]).await?.parse().unwrap_or(0);
            return Ok(Self { touched, commits, ..Self::default() });
        };
        let diff = git.command(["diff-tree", "-r", "-z", "--name-status", "--no-renames", old, new]);
        let output = git.check(diff.timeout(Some(TRANSFER)).idempotent()).await?;
        // A letter and a path, in turn.
        let words = from_nul(&output.stdout);
        let pairs = words.chunks_exact(2);
        let deleted = pairs.clone().filter(|pair| pair[0].as_os_str() == "D").count() as u64;
        let touched = pairs.map(|pair| pair[1].clone()).collect();
        let counts = git.text(["rev-list", "--count", "--left-right", &format!("{old}...{new}")]).await?;
        let mut counts = counts.split_whitespace().map(|count| count.parse().unwrap_or(0));
        let (own, commits) = (counts.next().unwrap_or(0), counts.next().unwrap_or(0));
        Ok(Self { touched, deleted, commits, own })
    }

    /// The old side has nothing of its own.
    pub(super) fn is_fast_forward(&self) -> bool {
        self.own == 0
    }
}

/// How many commits the other end and this one have alone; `None` where there is nothing to compare: a side
/// has no branch or no commit, or both stand at the same one. Adds objects to the repository here.
///
/// # Errors
/// A side is no repository, or its objects cannot be had.
pub async fn ahead(here: &Side, there: &Side, reach: &Reach) -> Result<Option<(u64, u64)>> {
    let (repo_here, repo_there) = (repository(here).await?, repository(there).await?);
    let (Some(ours), Some(theirs)) = (&repo_here.head_commit, &repo_there.head_commit) else {
        return Ok(None);
    };
    let Some(branch) = repo_there.branch.as_ref().filter(|_| repo_here.branch.is_some()) else {
        return Ok(None);
    };
    if ours == theirs {
        return Ok(None);
    }
    let git = here.git_at(&repo_here.top_level)?;
    if !is_same(&repo_here, &repo_there, reach) && !has(&git, theirs).await? {
        fetch(&git, reach, &repo_there, &format!("refs/heads/{branch}")).await?;
    }
    let change = Change::between(&git, Some(ours), theirs).await?;
    Ok(Some((change.commits, change.own)))
}

/// Whether the repository has the commit.
pub(super) async fn has(git: &Git<'_>, commit: &str) -> Result<bool> {
    Ok(commits_of(git, &[commit]).await?.pop().flatten().is_some())
}

/// Brings the objects of a reference of the other end here; no reference moves, so a dry run may do it.
///
/// # Errors
/// git fails.
pub(super) async fn fetch(git: &Git<'_>, reach: &Reach, there: &RepoInfo, name: &str) -> Result<()> {
    let mut args: Vec<String> =
        ["fetch", "-q", "--no-write-fetch-head", "--no-tags", "--no-recurse-submodules"]
            .map(str::to_owned)
            .into();
    args.push("--no-auto-maintenance".into());
    args.push(format!("--upload-pack={}", reach.git_program("upload-pack", &[], &there.top_level)?));
    args.extend(["--".into(), reach.git_url(&there.top_level)?, name.to_owned()]);
    git.check(git.command(args).envs(reach.git_env()).timeout(Some(LONGEST))).await?;
    Ok(())
}

/// Fails with the words of git.
pub(super) async fn must(git: &Git<'_>, title: &str, args: &[&str]) -> Result<()> {
    let output = git.run(git.command(args.iter().copied()).timeout(Some(TRANSFER))).await?;
    if output.is_success() {
        return Ok(());
    }
    Err(GitError::of(title, git.place(), &output).into())
}
