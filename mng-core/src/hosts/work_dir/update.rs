//! `create --reuse --update`: brings an existing work dir up to its base again.

use super::mirror::{self, BASE_REF};
use super::route::Route;
use super::{Claim, MadeWorkDir, WorkDirError, WorkDirPlan, extra_paths, finish, rsync};
use crate::hosts::git::{self, Git, TRANSFER, UnmergedWork};
use crate::hosts::rescue::{self, KeepRequest, Reason, State};
use crate::hosts::{Host, HostLock};
use crate::model::error::Result;
use crate::model::event::Events;
use crate::model::record::{AgentRecord, TransferMode};

/// How a work dir is to be updated.
#[derive(Clone, Debug)]
pub struct UpdatePlan<'a> {
    /// With the mode and the branches of the record, never new ones: an agent that works in place must not
    /// switch the person's branch.
    pub plan: WorkDirPlan,
    pub record: &'a AgentRecord,
    /// Move a branch back although it has commits that the base has not; they are kept for undo.
    pub force: bool,
}

/// Updates in place. The work dir, its branch and uncommitted changes are never removed: git refuses where
/// they are in the way. Mode `none` changes nothing.
///
/// # Errors
/// [`WorkDirError::WouldLoseCommits`] without `force`; git's refusals; rsync missing.
pub async fn update(
    source_host: &Host,
    host: &Host,
    lock: &HostLock,
    update: &UpdatePlan<'_>,
    events: &Events,
) -> Result<MadeWorkDir> {
    let plan = &update.plan;
    let route = Route::open(source_host, host, &plan.transit)?;
    match plan.mode {
        TransferMode::None => {}
        // Files that the agent changed later than the source did stay as they are.
        TransferMode::Rsync => {
            let mut newer = plan.clone();
            if !update.force {
                newer.rsync_args.push("--update".into());
            }
            rsync::copy_whole(&route, &newer, plan.include_git, "copy the source").await?;
        }
        TransferMode::GitMirror => {
            // Into a reference of ours: pushing branches would move the one that the agent is on.
            mirror::push(&route, plan, false).await?;
            check_out(host, lock, update, BASE_REF).await?;
            extra_paths::apply(&route, plan, events).await?;
        }
        TransferMode::GitWorktree => {
            let commit = plan.base_commit.clone().unwrap_or_else(|| "HEAD".into());
            check_out(host, lock, update, &commit).await?;
            extra_paths::apply(&route, plan, events).await?;
        }
    }
    let claim = Claim {
        mode: plan.mode,
        path: plan.path.clone(),
        is_fresh: false,
        common_dir: update.record.git_common_dir(),
        branch: update.record.created_branch_name.clone(),
        base_commit: plan.base_commit.clone(),
    };
    finish(host, plan, &claim).await
}

/// Moves the agent's branch to the base. Without `-f`: git refuses to overwrite uncommitted changes.
async fn check_out(host: &Host, lock: &HostLock, update: &UpdatePlan<'_>, base: &str) -> Result<()> {
    let plan = &update.plan;
    let git = Git::at(host.transport.as_ref(), &plan.path)?;
    let Some(branch) = &plan.branch.new else {
        let name = plan.branch.base.as_deref();
        let branch = match name {
            Some(name) => git::branch_tip(&git, name).await?.and(Some(name)),
            None => None,
        };
        let args = branch.map_or_else(
            || vec!["checkout", "-q", "--detach", base],
            |branch| vec!["checkout", "-q", branch, "--"],
        );
        git.check(git.command(args).timeout(Some(TRANSFER))).await?;
        return Ok(());
    };
    let own = own_commits(&git, branch, base).await?;
    if own > 0 {
        if !update.force {
            return Err(WorkDirError::WouldLoseCommits {
                branch: branch.clone(),
                base: plan.branch.base.clone().unwrap_or_else(|| "its base".into()),
                commits: own,
            }
            .into());
        }
        keep_before(host, lock, update, branch).await?;
    }
    let args = ["checkout", "-q", "--no-track", "-B", branch, base];
    git.check(git.command(args).timeout(Some(TRANSFER))).await?;
    Ok(())
}

/// How many commits the branch has that the base has not.
async fn own_commits(git: &Git<'_>, branch: &str, base: &str) -> Result<usize> {
    if git::branch_tip(git, branch).await?.is_none() {
        return Ok(0);
    }
    let limit = format!("--max-count={}", UnmergedWork::LIMIT);
    let range = format!("{base}..refs/heads/{branch}");
    Ok(git.text(["rev-list", "--count", &limit, &range]).await?.parse().unwrap_or(UnmergedWork::LIMIT))
}

/// Makes an undo entry of the worktree as it is. A mirror's commits stay reachable in its own repository
/// by the same kind of reference.
async fn keep_before(host: &Host, lock: &HostLock, update: &UpdatePlan<'_>, branch: &str) -> Result<()> {
    if update.plan.mode == TransferMode::GitMirror {
        let git = Git::at(host.transport.as_ref(), &update.plan.path)?.without_hooks();
        let name = format!("refs/mng/rescue/{}", &crate::model::ids::random_hex()[..8]);
        return git.text(["update-ref", &name, &format!("refs/heads/{branch}")]).await.map(|_| ());
    }
    let request = KeepRequest {
        reason: Reason::Update,
        agent: Some(update.record),
        agent_items: &[],
        work_dir: &update.plan.path,
        takes_work_dir: true,
        common_dir: None,
        created_branch: Some(branch),
        unless_expendable: None,
    };
    if let Some(mut entry) = rescue::keep(host, lock, &request).await? {
        entry.state = State::Done;
        entry.write(host, lock).await?;
    }
    Ok(())
}
