//! A linked worktree on the source's host: one `git worktree add`, then what git does not carry.

use super::route::Route;
use super::{Progress, WorkDirError, WorkDirPlan, carry, extra_paths};
use crate::hosts::git::{self, Git, GitError, TRANSFER};
use crate::model::error::Result;
use crate::model::event::Events;
use crate::storage::fault;

pub(super) async fn make(
    route: &Route<'_>,
    plan: &WorkDirPlan,
    events: &Events,
    progress: &mut Progress,
) -> Result<()> {
    let host = route.target;
    if let Some(parent) = plan.path.parent() {
        host.transport.create_dir(parent).await?;
    }
    let git = Git::at(host.transport.as_ref(), &plan.source)?;
    let args = add_arguments(&git, plan).await?;
    let added = git.run(git.command(args).timeout(Some(TRANSFER))).await;
    // From here on something may be there, but for what git refuses before it begins.
    *progress = Progress::Begun;
    let output = added?;
    if !output.is_success() {
        if let Some(refusal) = refusal(plan, &output.stderr_text()) {
            *progress = Progress::Nothing;
            return Err(refusal.into());
        }
        return Err(GitError::of("git worktree add", git.place(), &output).into());
    }
    fault::point("work_dir.worktree_added");
    carry::warn_about_submodules(host, &plan.source, events).await?;
    carry::carry(route, plan).await?;
    fault::point("work_dir.carried");
    extra_paths::apply(route, plan, events).await
}

/// The words after `git`. A new branch starts at the commit itself, so that git sets up no upstream.
async fn add_arguments(git: &Git<'_>, plan: &WorkDirPlan) -> Result<Vec<String>> {
    let mut args: Vec<String> = vec!["worktree".into(), "add".into()];
    let path = git::word(&plan.path)?;
    let commit = plan.base_commit.clone().unwrap_or_else(|| "HEAD".into());
    if let Some(branch) = &plan.branch.new {
        args.extend(["--no-track".into(), "-b".into(), branch.clone(), "--".into(), path, commit]);
        return Ok(args);
    }
    let branch = match &plan.branch.base {
        Some(base) => git::branch_tip(git, base).await?.map(|_| base.clone()),
        None => plan.repo.as_ref().and_then(|repo| repo.branch.clone()),
    };
    match branch {
        Some(branch) => args.extend(["--".into(), path, branch]),
        None => args.extend(["--detach".into(), "--".into(), path, commit]),
    }
    Ok(args)
}

/// What git refuses before it makes anything, from its words under `LC_ALL=C`.
fn refusal(plan: &WorkDirPlan, text: &str) -> Option<WorkDirError> {
    let new = || plan.branch.new.clone().unwrap_or_default();
    if text.contains("a branch named '") && text.contains("already exists") {
        return Some(WorkDirError::BranchExists { branch: new(), repository: plan.source.clone() });
    }
    // fatal: cannot lock ref 'refs/heads/mng/x': 'refs/heads/mng' exists; cannot create 'refs/heads/mng/x'
    if let Some((_, rest)) = text.split_once("': 'refs/heads/")
        && let Some((by, _)) = rest.split_once("' exists")
    {
        return Some(WorkDirError::BranchBlocked { branch: new(), by: by.to_owned() });
    }
    for words in ["' is already checked out at '", "' is already used by worktree at '"] {
        if let Some((before, after)) = text.split_once(words) {
            let branch = before.rsplit('\'').next().unwrap_or_default().to_owned();
            let at = after.lines().next().unwrap_or_default().trim_end_matches('\'').to_owned();
            return Some(WorkDirError::BranchCheckedOut { branch, at });
        }
    }
    // fatal: '/path' already exists
    text.contains("' already exists").then(|| WorkDirError::TargetTaken {
        path: plan.path.clone(),
        what: "something that was not there a moment ago",
    })
}
