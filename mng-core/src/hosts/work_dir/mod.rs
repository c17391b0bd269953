//! Work dirs: where agents work. Made from a source in one of four ways, described so that exactly what was
//! made can be taken away again, and removed in one place only.
//!
//! The order of a create: [`WorkDirPlan::claim`] checks and says what is about to be made; the caller writes
//! the claim down; [`make`] makes it, or undoes its own half on failure; later trouble, and whoever finds
//! the claim of a create that died, goes through [`retire`](retire()) with [`Ownership::Claimed`].

mod carry;
mod error;
mod extra_paths;
#[cfg(test)]
mod far_tests;
mod mirror;
mod retire;
mod route;
mod rsync;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod update;
mod verify;
mod worktree;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use error::WorkDirError;
pub use retire::{
    BranchFate, Ownership, RetireRequest, Retired, WorkDirFate, fate, orphans, release, retire, unused,
};
pub use update::{UpdatePlan, update};
pub use verify::verify;

use self::route::Route;
use super::git::{self, Git, RepoInfo, Status, StatusRequest};
use super::{Host, HostLock, Layout};
use crate::model::branch::ResolvedBranch;
use crate::model::error::Result;
use crate::model::event::Events;
use crate::model::ids::random_hex;
use crate::model::record::{AgentRecord, TransferMode};
use crate::settings::ExtraPathMode;
use crate::storage::fault;

/// How a work dir is to be made.
#[derive(Clone, Debug)]
pub struct WorkDirPlan {
    pub mode: TransferMode,
    /// Absolute. In the git modes the top level of the work tree.
    pub source: PathBuf,
    /// The repository of the source; needed by the git modes.
    pub repo: Option<RepoInfo>,
    /// Absolute; see [`default_path`]. In mode `none` the source itself.
    pub path: PathBuf,
    /// Git modes.
    pub branch: ResolvedBranch,
    /// What the work starts from, see [`base_commit`]; needed by the git modes.
    pub base_commit: Option<String>,
    /// Carry uncommitted changes (git modes).
    pub include_unclean: bool,
    /// Carry what git ignores (git modes).
    pub include_gitignored: bool,
    /// Mode `rsync`: copy `.git` too.
    pub include_git: bool,
    /// Mode `git-mirror`: copy the whole source after the check-out, `.git` left out.
    pub rsync_pass: bool,
    /// Put in front of the paths of every rsync that copies the whole source.
    pub rsync_args: Vec<String>,
    /// `work_dir_extra_paths` (git modes).
    pub extra_paths: BTreeMap<String, ExtraPathMode>,
    /// The source's origin URL, for mirrors.
    pub origin: Option<String>,
    /// A directory of this machine, for what passes from one foreign host to another.
    pub transit: PathBuf,
    /// The branch that goes on in the new work dir because its source is to go: it may be there already.
    pub continued_branch: Option<String>,
}

/// What a create is about to make, and may take away again. Written down before anything is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    pub mode: TransferMode,
    pub path: PathBuf,
    /// Whether nothing was at `path`. An empty directory that was there is filled, and never removed by
    /// somebody who only found this claim.
    pub is_fresh: bool,
    /// The repository that a worktree belongs to.
    pub common_dir: Option<PathBuf>,
    /// The branch to make, which did not exist.
    pub branch: Option<String>,
    pub base_commit: Option<String>,
}

/// A work dir that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadeWorkDir {
    pub claim: Claim,
    /// The branch read back after the check-out; `None` when detached or without git.
    pub checked_out_branch: Option<String>,
    /// What the work started from, as a person would name it: a branch, else what was asked for.
    pub base_branch: Option<String>,
}

impl MadeWorkDir {
    /// Whether it has to be registered in the host's `generated_work_dirs`.
    #[must_use]
    pub fn is_generated(&self) -> bool {
        self.claim.mode != TransferMode::None
    }

    /// Writes everything into the agent's record that update, destroy and undo need.
    pub fn describe_in(&self, record: &mut AgentRecord) {
        record.work_dir.clone_from(&self.claim.path);
        record.transfer_mode = Some(self.claim.mode);
        record.created_branch_name.clone_from(&self.claim.branch);
        record.checked_out_branch_name.clone_from(&self.checked_out_branch);
        record.base_branch.clone_from(&self.base_branch);
        record.base_commit.clone_from(&self.claim.base_commit);
        record.set_git_common_dir(self.claim.common_dir.as_deref());
    }
}

/// Where a generated work dir goes when nobody asks for a place: `worktrees/<agent>-<32 hex>` for worktrees
/// (or below `worktree_base`), `copies/<agent-style id>` for the rest, `projects/` for what comes from
/// another host. Random, so it is nobody else's.
#[must_use]
pub fn default_path(
    layout: &Layout,
    mode: TransferMode,
    is_same_host: bool,
    agent_name: &str,
    worktree_base: Option<&Path>,
) -> PathBuf {
    match mode {
        TransferMode::GitWorktree => {
            let base = worktree_base.map_or_else(|| layout.worktrees(), Path::to_path_buf);
            base.join(format!("{agent_name}-{}", random_hex()))
        }
        _ if !is_same_host => layout.projects().join(format!("agent-{}", random_hex())),
        _ => layout.copies().join(format!("agent-{}", random_hex())),
    }
}

/// The commit that the work starts from: the named base, else what the source has checked out. No process
/// in the second case.
///
/// # Errors
/// The repository has no commits, or the base names none.
pub async fn base_commit(host: &Host, repo: &RepoInfo, base: Option<&str>) -> Result<String> {
    match (base, &repo.head_commit) {
        (None, Some(commit)) => Ok(commit.clone()),
        (Some(base), _) if repo.has_commits => {
            let git = Git::at(host.transport.as_ref(), &repo.top_level)?;
            git::resolve_commit(&git, base).await
        }
        _ => Err(git::GitError::NoCommits { place: repo.top_level.clone() }.into()),
    }
}

/// Refuses a source with uncommitted changes, naming some of them.
///
/// # Errors
/// [`WorkDirError::Unclean`], or git fails.
pub async fn check_clean(host: &Host, repo: &RepoInfo) -> Result<()> {
    let git = Git::at(host.transport.as_ref(), &repo.top_level)?;
    let status = git::status(&git, StatusRequest::default()).await?;
    refuse_unclean(&repo.top_level, &status)
}

/// As [`check_clean`], for a status that is known already.
///
/// # Errors
/// [`WorkDirError::Unclean`].
pub fn refuse_unclean(source: &Path, status: &Status) -> Result<()> {
    if status.entries.is_empty() {
        return Ok(());
    }
    let paths = status.entries.iter().map(|entry| entry.path.display().to_string());
    Err(WorkDirError::Unclean {
        source_dir: source.to_path_buf(),
        count: status.entries.len(),
        shown: paths.take(3).collect(),
    }
    .into())
}

impl WorkDirPlan {
    /// Checks everything that can be checked without changing anything, and says what [`make`] will make.
    ///
    /// # Errors
    /// The target is taken, the branch exists, git modes without a repository or without commits.
    pub async fn claim(&self, source_host: &Host, host: &Host, _lock: &HostLock) -> Result<Claim> {
        let is_git = matches!(self.mode, TransferMode::GitMirror | TransferMode::GitWorktree);
        if is_git && self.base_commit.is_none() {
            return Err(match &self.repo {
                Some(repo) => git::GitError::NoCommits { place: repo.top_level.clone() }.into(),
                None => git::GitError::NotARepository { place: self.source.clone() }.into(),
            });
        }
        let is_fresh = match self.mode {
            TransferMode::None => false,
            _ => self.check_target(source_host.info.id == host.info.id, host).await?,
        };
        extra_paths::check(self.extra_paths.keys().filter(|_| is_git))?;
        let worktree_repo = self.repo.as_ref().filter(|_| self.mode == TransferMode::GitWorktree);
        let branch = self.branch.new.clone().filter(|_| is_git);
        // A mirror has branches of its own, but its work comes back under this name.
        if let (Some(repo), Some(branch)) = (&self.repo, &branch)
            && self.continued_branch.as_ref() != Some(branch)
            && git::branch_exists(source_host.transport.as_ref(), &repo.common_dir, branch).await?
        {
            return Err(WorkDirError::BranchExists {
                branch: branch.clone(),
                repository: repo.top_level.clone(),
            }
            .into());
        }
        Ok(Claim {
            mode: self.mode,
            path: self.path.clone(),
            is_fresh,
            common_dir: worktree_repo.map(|repo| repo.common_dir.clone()),
            branch,
            base_commit: self.base_commit.clone().filter(|_| is_git),
        })
    }

    /// Whether nothing is at the target.
    async fn check_target(&self, is_same_host: bool, host: &Host) -> Result<bool> {
        use crate::transports::FileKind;
        let taken = |what| WorkDirError::TargetTaken { path: self.path.clone(), what };
        let copies_tree = is_same_host && (self.mode == TransferMode::Rsync || self.rsync_pass);
        if copies_tree && self.path.starts_with(&self.source) {
            return Err(WorkDirError::TargetInSource {
                path: self.path.clone(),
                source_dir: self.source.clone(),
            }
            .into());
        }
        match host.transport.stat(&self.path).await?.map(|stat| stat.kind) {
            None => Ok(true),
            Some(FileKind::Directory) if host.transport.list_dir(&self.path).await?.is_empty() => Ok(false),
            Some(FileKind::Directory) => Err(taken("a directory with files in it").into()),
            Some(FileKind::Symlink) => Err(taken("a symlink").into()),
            Some(_) => Err(taken("a file").into()),
        }
    }
}

/// Makes the work dir of a claim. On failure everything that this call made is gone again.
///
/// # Errors
/// [`WorkDirError`] and git's errors; rsync missing where it is needed; a host is lost on the way.
pub async fn make(
    source_host: &Host,
    host: &Host,
    lock: &HostLock,
    plan: &WorkDirPlan,
    claim: &Claim,
    events: &Events,
) -> Result<MadeWorkDir> {
    if source_host.info.id != host.info.id
        && matches!(plan.mode, TransferMode::None | TransferMode::GitWorktree)
    {
        return Err(WorkDirError::OneHostOnly { mode: plan.mode.as_str() }.into());
    }
    let route = Route::open(source_host, host, &plan.transit)?;
    fault::point("work_dir.start");
    let mut progress = Progress::Nothing;
    let made = match plan.mode {
        TransferMode::None => Ok(()),
        TransferMode::Rsync => rsync::make(&route, plan, &mut progress).await,
        TransferMode::GitMirror => mirror::make(&route, plan, events, &mut progress).await,
        TransferMode::GitWorktree => worktree::make(&route, plan, events, &mut progress).await,
    };
    fault::point("work_dir.made");
    let finished = match made {
        Ok(()) => finish(host, plan, claim).await,
        Err(error) => Err(error),
    };
    // The half-made dir holds nothing but what this call copied, so nothing has to be rescued from it. The
    // error that led here is the one to show; trouble on the way out is a warning.
    if finished.is_err()
        && progress == Progress::Begun
        && let Err(trouble) = retire::discard(host, lock, claim).await
    {
        let path = claim.path.display();
        events.warning(format!("could not remove the half-made work dir `{path}`: {trouble}"));
    }
    finished
}

/// Whether there is anything to take away again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Nothing,
    Begun,
}

async fn finish(host: &Host, plan: &WorkDirPlan, claim: &Claim) -> Result<MadeWorkDir> {
    let head = match &plan.repo {
        Some(_) => git::head(host.transport.as_ref(), &plan.path).await?,
        None => None,
    };
    let from = plan.repo.as_ref().and_then(|repo| repo.branch.clone());
    Ok(MadeWorkDir {
        claim: claim.clone(),
        checked_out_branch: head.as_ref().and_then(git::Head::branch).map(str::to_owned),
        base_branch: plan.branch.base.clone().or(from),
    })
}

/// Registers a generated work dir, which makes it ours to remove. After the agent's record is written: a
/// registered dir that no record uses is garbage to every gc.
///
/// # Errors
/// The host's record cannot be read or written.
pub async fn register(host: &Host, lock: &HostLock, path: &Path) -> Result<()> {
    let path = path.to_path_buf();
    host.update_record(lock, |record| record.generated_work_dirs.push(path)).await
}
