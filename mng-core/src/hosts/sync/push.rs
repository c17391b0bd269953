//! Commits from here to the other end. A branch only ever moves forward, unless it is to be a mirror; then
//! what every reference was is kept first.

use super::commits::{Change, GitReport, LONGEST, fetch, has, is_same, must, repository};
use super::dirty::Dirty;
use super::guard::{self, Measure};
use super::paths::overlap;
use super::{Reach, Side, SyncError, Uncommitted, backup, stash};
use crate::hosts::git::{Git, GitError, RepoInfo, branch_tip};
use crate::model::error::Result;
use crate::model::event::Events;
use crate::model::ids::random_hex;
use crate::storage::fault;

/// A push into the work tree of an agent.
#[derive(Clone, Debug)]
pub struct PushRequest<'a> {
    /// On this machine.
    pub source: &'a Side,
    pub destination: &'a Side,
    pub reach: &'a Reach,
    pub uncommitted: Uncommitted,
    /// Unset: the branch that is checked out here.
    pub source_branch: Option<&'a str>,
    /// Overwrite branches and tags, commits that are only there included.
    pub is_mirror: bool,
    pub is_dry_run: bool,
}

/// Moves the branch that is checked out at the destination to the source's. A dry run does all up to the
/// first write, refusals included; it may add objects to the repository here.
///
/// # Errors
/// [`SyncError`]; once something was set aside it has been told where.
pub async fn push(request: &PushRequest<'_>, events: &Events) -> Result<GitReport> {
    let PushRequest { source, destination, reach, .. } = request;
    let here = repository(source).await?;
    let git_here = source.git_at(&here.top_level)?;
    let (source_branch, new) = source_commit(&git_here, &here, request.source_branch).await?;
    let mut there = repository(destination).await?;
    let _lock = match request.is_dry_run {
        true => None,
        false => Some(guard::lock(destination, &there, events).await?),
    };
    if !request.is_dry_run {
        // Another transfer may have ended while this one waited.
        there = repository(destination).await?;
    }
    let target_branch = there.branch.clone().ok_or_else(|| SyncError::Detached {
        place: there.top_level.clone(),
        hint: "check out a branch there: `mng exec AGENT 'git checkout BRANCH'`",
    })?;
    let is_same = is_same(&here, &there, reach);
    let old = there.head_commit.as_deref();
    if let Some(old) = old.filter(|_| !is_same)
        && !has(&git_here, old).await?
    {
        fetch(&git_here, reach, &there, &format!("refs/heads/{target_branch}")).await?;
    }
    let change = Change::between(&git_here, old, &new).await?;
    if !request.is_mirror && !change.is_fast_forward() {
        let commits = usize::try_from(change.own).unwrap_or(usize::MAX);
        return Err(SyncError::Diverged { branch: target_branch, source_branch, commits }.into());
    }
    let Some(dirty) = Dirty::look(destination).await? else {
        return Err(SyncError::NoRepository { place: destination.dir.clone() }.into());
    };
    dirty.check_idle(destination).await?;
    let measure = guard::decide(&dirty, &change.touched, request.uncommitted)?;
    let mut report = GitReport {
        source_branch,
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
    fault::point("sync.push_planned");
    let git_there = destination.git_at(&there.top_level)?.without_hooks();
    let moved =
        Move { request, git_here: &git_here, git_there: &git_there, there: &there, is_same, new: &new };
    // The objects first: a line that breaks here has changed nothing that anybody sees.
    let incoming = moved.bring_in().await?;
    if request.is_mirror {
        report.backup_ref = moved.mirror(&target_branch).await?;
    }
    let advance = async |events: &Events| moved.advance(events).await;
    let shelf = guarded(destination, &dirty, &measure, &change.touched, events, advance).await;
    if let Some(incoming) = incoming {
        must(&git_there, "git update-ref", &["update-ref", "-d", &incoming]).await?;
    }
    let shelf = shelf?;
    report.stash_oid = shelf.stash_oid;
    report.backup_ref = shelf.backup_ref.or(report.backup_ref);
    Ok(report)
}

async fn source_commit(git: &Git<'_>, here: &RepoInfo, wanted: Option<&str>) -> Result<(String, String)> {
    let branch = match (wanted, &here.branch) {
        (Some(branch), _) => branch.to_owned(),
        (None, Some(branch)) => branch.clone(),
        (None, None) => {
            let hint = "say what to push with `--source-branch BRANCH`";
            return Err(SyncError::Detached { place: here.top_level.clone(), hint }.into());
        }
    };
    match branch_tip(git, &branch).await? {
        Some(commit) => Ok((branch, commit)),
        None if wanted.is_none() => Err(GitError::NoCommits { place: here.top_level.clone() }.into()),
        None => Err(GitError::UnknownRevision { place: here.top_level.clone(), rev: branch }.into()),
    }
}

struct Move<'a> {
    request: &'a PushRequest<'a>,
    git_here: &'a Git<'a>,
    git_there: &'a Git<'a>,
    there: &'a RepoInfo,
    is_same: bool,
    new: &'a str,
}

impl Move<'_> {
    /// Brings the commit into the other repository, under a reference of ours, whose name is returned.
    async fn bring_in(&self) -> Result<Option<String>> {
        if self.is_same {
            return Ok(None);
        }
        // What transfers that were cut short left: nobody else is here, the lock is held.
        let left = self.git_there.text(["for-each-ref", "--format=%(refname)", "refs/mng/incoming"]).await?;
        for name in left.lines() {
            must(self.git_there, "git update-ref", &["update-ref", "-d", name]).await?;
        }
        if has(self.git_there, self.new).await? {
            return Ok(None);
        }
        let name = format!("refs/mng/incoming/{}", &random_hex()[..8]);
        self.push(&[], &[format!("{}:{name}", self.new)]).await?;
        fault::point("sync.brought_in");
        Ok(Some(name))
    }

    async fn push(&self, options: &[&str], refs: &[String]) -> Result<()> {
        let reach = self.request.reach;
        let settings = ["core.hooksPath=/dev/null", "receive.denyCurrentBranch=refuse", "gc.auto=0"];
        let mut args: Vec<String> =
            ["push", "-q", "--no-verify", "--no-follow-tags", "--recurse-submodules=no"]
                .map(str::to_owned)
                .into();
        args.push(format!(
            "--receive-pack={}",
            reach.git_program("receive-pack", &settings, &self.there.top_level)?
        ));
        args.extend(options.iter().map(|&option| option.to_owned()));
        args.extend(["--".into(), reach.git_url(&self.there.top_level)?]);
        args.extend(refs.iter().cloned());
        let request = self.git_here.command(args).envs(reach.git_env()).env("GIT_LFS_SKIP_PUSH", "1");
        self.git_here.check(request.timeout(Some(LONGEST))).await?;
        Ok(())
    }

    /// Branches and tags of the other end become those from here, but for the one that is checked out, which
    /// moves with its work tree. References of ours and the stash are nobody's business.
    async fn mirror(&self, checked_out: &str) -> Result<Option<String>> {
        let kept = backup::of_references(self.git_there).await?;
        fault::point("sync.references_kept");
        if !self.is_same {
            let refs = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"].map(str::to_owned);
            let but = format!("^refs/heads/{checked_out}");
            self.push(&["--force", "--prune"], &[&refs[..], &[but]].concat()).await?;
            fault::point("sync.mirrored");
        }
        Ok(kept)
    }

    /// Moves the branch and its work tree. git refuses where uncommitted changes are in the way.
    async fn advance(&self, events: &Events) -> Result<()> {
        if !self.request.is_mirror {
            let args = ["-c", "merge.autoStash=false", "merge", "-q", "--ff-only", self.new];
            return must(self.git_there, "git merge", &args).await;
        }
        if self.there.head_commit.as_deref() == Some(self.new) {
            return Ok(());
        }
        events.info("overwriting the branch of the agent; what it was is kept");
        must(self.git_there, "git reset", &["reset", "-q", "--keep", self.new]).await
    }
}

/// Sets aside what the measure says and what earlier transfers wrote in the way, does the work, and brings
/// back what only had to make room. Also when the work fails.
pub(super) async fn guarded(
    side: &Side,
    dirty: &Dirty,
    measure: &Measure,
    touched: &[std::path::PathBuf],
    events: &Events,
    work: impl AsyncFnOnce(&Events) -> Result<()>,
) -> Result<super::Shelf> {
    let git = side.git_at(&dirty.repo.top_level)?;
    let mut shelf = guard::set_aside(side, dirty, measure, events).await?;
    if shelf == super::Shelf::default() {
        // Uncommitted files that came from a transfer stop a merge as others do.
        let ours = overlap(&dirty.ours, touched);
        if !ours.is_empty() {
            let why = "files of an earlier transfer, replaced by commits";
            shelf.backup_ref = backup::of_changes(&git, why, Some(&ours)).await?;
        }
    }
    let mut waiting = None;
    if let Measure::Join(_) = measure {
        waiting = stash::push(&git, "makes room for a transfer", None).await?;
        fault::point("sync.stashed");
        if let Some(oid) = &waiting {
            stash::tell(&git, oid, events);
        }
    }
    let done = work(events).await;
    fault::point("sync.advanced");
    if let Some(oid) = waiting {
        let restored = stash::restore(&git, &oid, events).await;
        if restored.is_err() && done.is_err() {
            events.warning(format!("the changes that were set aside are kept as {oid}"));
        }
        done?;
        restored?;
        return Ok(shelf);
    }
    done?;
    Ok(shelf)
}
