//! Commits from the other end to here: merged into the branch that is checked out, or into another one
//! without touching the work tree.

use std::path::PathBuf;

use super::commits::{Change, GitReport, fetch, has, is_same, must, repository};
use super::dirty::Dirty;
use super::guard::{self, Measure};
use super::paths::from_nul;
use super::push::guarded;
use super::{Reach, Side, SyncError, Uncommitted};
use crate::hosts::git::{self, Git, GitError, RepoInfo, TRANSFER, branch_tip};
use crate::model::error::Result;
use crate::model::event::Events;
use crate::model::ids::random_hex;
use crate::storage::fault;

/// How commits are joined with what is here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Joining {
    /// A merge commit where there is something of both.
    #[default]
    Merge,
    /// Refuse where there is.
    FastForward,
    /// Put the commits from here on top.
    Rebase,
}

/// A pull from the work tree of an agent.
#[derive(Clone, Debug)]
pub struct PullRequest<'a> {
    pub source: &'a Side,
    /// On this machine.
    pub destination: &'a Side,
    pub reach: &'a Reach,
    pub uncommitted: Uncommitted,
    /// Unset: what is checked out there.
    pub source_branch: Option<&'a str>,
    /// Unset: the branch that is checked out here.
    pub target_branch: Option<&'a str>,
    pub joining: Joining,
    /// For the message of a merge.
    pub agent: &'a str,
    pub is_dry_run: bool,
}

/// Joins the commits. A dry run does all up to the first write, refusals included; it may add objects to the
/// repository here.
///
/// # Errors
/// [`SyncError`]; after a conflict everything is as before.
pub async fn pull(request: &PullRequest<'_>, events: &Events) -> Result<GitReport> {
    let PullRequest { source, destination, reach, .. } = request;
    let mut here = repository(destination).await?;
    let _lock = match request.is_dry_run {
        true => None,
        false => Some(guard::lock(destination, &here, events).await?),
    };
    if !request.is_dry_run {
        here = repository(destination).await?;
    }
    let there = repository(source).await?;
    let git_here = destination.git_at(&here.top_level)?;
    let (source_branch, new) = incoming(request, &there).await?;
    if !is_same(&here, &there, reach) && !has(&git_here, &new).await? {
        let name = if there.branch.is_none() && request.source_branch.is_none() {
            "HEAD".to_owned()
        } else {
            format!("refs/heads/{source_branch}")
        };
        fetch(&git_here, reach, &there, &name).await?;
    }
    let (target_branch, old) = target(request, &here, &git_here).await?;
    let is_in_place = here.branch.as_ref() == Some(&target_branch);
    let change = Change::between(&git_here, old.as_deref(), &new).await?;
    let joining = Join {
        request,
        git: &git_here,
        here: &here,
        change: &change,
        old: old.as_deref(),
        new: &new,
        source_branch: &source_branch,
    };
    joining.check(&target_branch).await?;
    let touched = if is_in_place { change.touched.clone() } else { Vec::new() };
    let Some(dirty) = Dirty::look(destination).await? else {
        return Err(SyncError::NoRepository { place: destination.dir.clone() }.into());
    };
    dirty.check_idle(destination).await?;
    let mut measure = guard::decide(&dirty, &touched, request.uncommitted)?;
    if is_in_place && measure == Measure::None && joining.needs_clean_index(&dirty) {
        measure = Measure::Join(Vec::new());
    }
    let mut report = GitReport {
        source_branch: source_branch.clone(),
        target_branch: target_branch.clone(),
        source_path: source.dir.clone(),
        destination_path: destination.dir.clone(),
        is_dry_run: request.is_dry_run,
        commits_transferred: change.commits,
        files_deleted: change.deleted,
        ..GitReport::default()
    };
    if request.is_dry_run {
        return Ok(report);
    }
    fault::point("sync.pull_planned");
    let work = async |_: &Events| {
        if change.commits == 0 {
            return Ok(());
        }
        if is_in_place { joining.in_place(&git_here).await } else { joining.beside(&target_branch).await }
    };
    let shelf = guarded(destination, &dirty, &measure, &touched, events, work).await?;
    report.stash_oid = shelf.stash_oid;
    report.backup_ref = shelf.backup_ref;
    Ok(report)
}

/// The branch that comes in, and its commit.
async fn incoming(request: &PullRequest<'_>, there: &RepoInfo) -> Result<(String, String)> {
    let place = || there.top_level.clone();
    if let Some(branch) = request.source_branch {
        let git = request.source.git_at(&there.top_level)?;
        return match branch_tip(&git, branch).await? {
            Some(commit) => Ok((branch.to_owned(), commit)),
            None => Err(GitError::UnknownRevision { place: place(), rev: branch.to_owned() }.into()),
        };
    }
    match &there.head_commit {
        Some(commit) => Ok((there.branch.clone().unwrap_or_else(|| "HEAD".into()), commit.clone())),
        None => Err(GitError::NoCommits { place: place() }.into()),
    }
}

/// The branch that takes the commits, and its commit; `None` before the first one.
async fn target(
    request: &PullRequest<'_>,
    here: &RepoInfo,
    git: &Git<'_>,
) -> Result<(String, Option<String>)> {
    let Some(branch) = request.target_branch.or(here.branch.as_deref()) else {
        let hint = "say where the commits go with `--target-branch BRANCH`";
        return Err(SyncError::Detached { place: here.top_level.clone(), hint }.into());
    };
    if here.branch.as_deref() == Some(branch) {
        return Ok((branch.to_owned(), here.head_commit.clone()));
    }
    let Some(tip) = branch_tip(git, branch).await? else {
        return Err(
            GitError::UnknownRevision { place: here.top_level.clone(), rev: branch.to_owned() }.into()
        );
    };
    if let Some(holder) = holder_of(git, branch).await? {
        return Err(SyncError::HeldElsewhere { branch: branch.to_owned(), holder }.into());
    }
    Ok((branch.to_owned(), Some(tip)))
}

/// The work tree that has a branch checked out.
async fn holder_of(git: &Git<'_>, branch: &str) -> Result<Option<PathBuf>> {
    let text = git.text(["worktree", "list", "--porcelain"]).await?;
    let wanted = format!("branch refs/heads/{branch}");
    let block = text.split("\n\n").find(|block| block.lines().any(|line| line == wanted));
    Ok(block.and_then(|block| block.lines().next()?.strip_prefix("worktree ").map(PathBuf::from)))
}

struct Join<'a> {
    request: &'a PullRequest<'a>,
    git: &'a Git<'a>,
    here: &'a RepoInfo,
    change: &'a Change,
    old: Option<&'a str>,
    new: &'a str,
    source_branch: &'a str,
}

impl Join<'_> {
    /// Refuses what is known to fail, before anything is touched.
    async fn check(&self, target_branch: &str) -> Result<()> {
        if self.change.is_fast_forward() || self.change.commits == 0 {
            return Ok(());
        }
        if self.request.joining == Joining::FastForward {
            return Err(SyncError::NotForward {
                branch: target_branch.to_owned(),
                source_branch: self.source_branch.to_owned(),
                commits: self.change.own,
            }
            .into());
        }
        let (Joining::Merge, Some(old)) = (self.request.joining, self.old) else { return Ok(()) };
        // Only newer versions of git can try a merge without a work tree.
        if git::version(self.git.transport()).await?.is_none_or(|version| version < (2, 38)) {
            return Ok(());
        }
        let args = ["merge-tree", "--write-tree", "--name-only", "-z", "--no-messages", old, self.new];
        let output = self.git.run(self.git.command(args).timeout(Some(TRANSFER))).await?;
        if output.code == Some(1) {
            // The object id of the tree stands first.
            let paths = from_nul(&output.stdout).into_iter().skip(1).collect();
            return Err(SyncError::MergeConflict { place: self.here.top_level.clone(), paths }.into());
        }
        Ok(())
    }

    /// Whether git would refuse although no changed file is in the way.
    fn needs_clean_index(&self, dirty: &Dirty) -> bool {
        if self.change.is_fast_forward() || self.change.commits == 0 {
            return false;
        }
        match self.request.joining {
            Joining::Merge | Joining::FastForward => dirty.has_staged(),
            Joining::Rebase => dirty.has_tracked(),
        }
    }

    /// Joins in a work tree. After a conflict it is as before.
    async fn in_place(&self, git: &Git<'_>) -> Result<()> {
        let message = format!("Merge branch '{}' of agent {}", self.source_branch, self.request.agent);
        let is_rebase = self.request.joining == Joining::Rebase && !self.change.is_fast_forward();
        let args: Vec<&str> = if is_rebase {
            vec!["-c", "rebase.autoStash=false", "rebase", "-q", self.new]
        } else if self.change.is_fast_forward() {
            vec!["-c", "merge.autoStash=false", "merge", "-q", "--ff-only", self.new]
        } else {
            vec!["-c", "merge.autoStash=false", "merge", "-q", "--ff", "--no-edit", "-m", &message, self.new]
        };
        let title = if is_rebase { "git rebase" } else { "git merge" };
        let command = git.command(args).env("GIT_EDITOR", "true").timeout(Some(TRANSFER));
        let output = git.run(command).await?;
        fault::point("sync.joined_commits");
        if output.is_success() {
            return Ok(());
        }
        let failed = GitError::of(title, git.place(), &output);
        let unmerged = git.command(["diff", "--name-only", "--diff-filter=U", "-z"]);
        let conflicts = from_nul(&git.check(unmerged.idempotent()).await?.stdout);
        let mark = if is_rebase { "REBASE_HEAD" } else { "MERGE_HEAD" };
        let begun = git.run(git.command(["rev-parse", "-q", "--verify", mark])).await?;
        if begun.is_success() {
            let verb = if is_rebase { "rebase" } else { "merge" };
            must(git, title, &[verb, "--abort"]).await?;
        }
        if conflicts.is_empty() {
            return Err(failed.into());
        }
        Err(SyncError::MergeConflict { place: self.here.top_level.clone(), paths: conflicts }.into())
    }

    /// Joins into a branch that nobody has checked out, without touching a work tree of the person.
    async fn beside(&self, branch: &str) -> Result<()> {
        let name = format!("refs/heads/{branch}");
        let old = self.old.unwrap_or_default();
        if self.change.is_fast_forward() {
            return must(self.git, "git update-ref", &["update-ref", "-m", "mng pull", &name, self.new, old])
                .await;
        }
        let destination = self.request.destination;
        let dir = destination.layout.root().join("tmp").join(format!("join-{}", random_hex()));
        let place = git::word(&dir)?;
        let added =
            must(self.git, "git worktree add", &["worktree", "add", "-q", "--detach", &place, old]).await;
        let joined = async {
            added?;
            fault::point("sync.beside");
            let git = destination.git_at(&dir)?;
            self.in_place(&git).await?;
            let new = git.text(["rev-parse", "--verify", "HEAD"]).await?;
            must(self.git, "git update-ref", &["update-ref", "-m", "mng pull", &name, &new, old]).await
        }
        .await;
        // Ours alone, so nothing in it can be anybody's.
        let removed = self.git.run(self.git.command(["worktree", "remove", "--force", &place])).await?;
        if !removed.is_success() {
            destination.transport.remove_tree(&dir).await?;
            must(self.git, "git worktree prune", &["worktree", "prune"]).await?;
        }
        joined
    }
}
