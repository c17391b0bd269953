//! The name of a new agent, and the branch that goes with it. Decided under the host's lock: only then is
//! "free" still true when the agent is made.

use std::collections::BTreeSet;

use crate::hosts::git::{self, RepoInfo};
use crate::hosts::work_dir::WorkDirError;
use crate::hosts::{AgentEntry, Host, HostLock};
use crate::model::branch::{BranchSpec, ResolvedBranch};
use crate::model::error::{Error, ErrorClass, Result};
use crate::model::ids::AgentId;
use crate::model::names::AgentName;
use crate::model::record::TransferMode;

/// How often a generated name is rolled again before giving up.
const ROLLS: usize = 100;

/// What a name must not collide with.
#[derive(Debug)]
pub(super) struct Taken {
    names: BTreeSet<String>,
    ids: BTreeSet<AgentId>,
}

impl Taken {
    /// The agents of a host. A damaged record keeps its name to itself; its session still guards it.
    pub(super) fn by(entries: &[AgentEntry]) -> Self {
        let records = entries.iter().filter_map(|entry| entry.record.as_ref().ok());
        Self {
            names: records.map(|record| record.name.to_string()).collect(),
            ids: entries.iter().map(|entry| entry.id.clone()).collect(),
        }
    }

    /// # Errors
    /// An agent of the host has that id.
    pub(super) fn check_id(&self, id: &AgentId, host: &Host) -> Result<()> {
        if !self.ids.contains(id) {
            return Ok(());
        }
        Err(Error::hinted(
            ErrorClass::DuplicateAgentIdOnHost,
            format!("an agent with the id `{id}` exists on host `{}`", host.info.name),
            "leave `--id` out, and the agent gets one of its own",
        ))
    }
}

/// The repository of the source, which may be on another host than the agent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Repository<'a> {
    pub(super) host: &'a Host,
    pub(super) repo: &'a RepoInfo,
    pub(super) mode: TransferMode,
    /// See [`WorkDirPlan::continued_branch`](crate::hosts::work_dir::WorkDirPlan::continued_branch).
    pub(super) continued_branch: Option<&'a str>,
}

/// The name and the branch: the name that was asked for if it is free, else rolled until both are.
///
/// # Errors
/// The name is taken, the branch exists, or a hundred rolls found nothing.
pub(super) async fn pick(
    host: &Host,
    _lock: &HostLock,
    taken: &Taken,
    wanted: Option<&AgentName>,
    mut roll: impl FnMut() -> AgentName,
    branch: &BranchSpec,
    repo: Option<Repository<'_>>,
) -> Result<(AgentName, ResolvedBranch)> {
    if let Some(name) = wanted {
        if taken.names.contains(name.as_str()) {
            return Err(duplicate(name, host));
        }
        let branch = branch.resolve(name.as_str())?;
        return match existing_branch(&branch, repo).await? {
            Some(error) => Err(error.into()),
            None => Ok((name.clone(), branch)),
        };
    }
    for _ in 0..ROLLS {
        let name = roll();
        if taken.names.contains(name.as_str()) {
            continue;
        }
        let resolved = branch.resolve(name.as_str())?;
        match existing_branch(&resolved, repo).await? {
            None => return Ok((name, resolved)),
            // Another name would not change a branch that is spelled out.
            Some(error) if !branch.depends_on_name() => return Err(error.into()),
            Some(_) => {}
        }
    }
    Err(Error::hinted(
        ErrorClass::DuplicateAgentName,
        format!("{ROLLS} generated names were all taken on host `{}`", host.info.name),
        "give a name, or another `--name-style`",
    ))
}

/// The branch to make, if the repository has it already. Also for mirrors, which bring all branches along
/// and would have to reset it.
async fn existing_branch(
    branch: &ResolvedBranch,
    repo: Option<Repository<'_>>,
) -> Result<Option<WorkDirError>> {
    let (Some(new), Some(Repository { host, repo, mode, continued_branch })) = (&branch.new, repo) else {
        return Ok(None);
    };
    let is_git = matches!(mode, TransferMode::GitWorktree | TransferMode::GitMirror);
    if !is_git || continued_branch == Some(new) {
        return Ok(None);
    }
    let exists = git::branch_exists(host.transport.as_ref(), &repo.common_dir, new).await?;
    Ok(exists.then(|| WorkDirError::BranchExists { branch: new.clone(), repository: repo.top_level.clone() }))
}

fn duplicate(name: &AgentName, host: &Host) -> Error {
    Error::hinted(
        ErrorClass::DuplicateAgentName,
        format!("an agent named `{name}` exists on host `{}`", host.info.name),
        format!("use it with `mng create {name} --reuse`, or choose another name"),
    )
}
