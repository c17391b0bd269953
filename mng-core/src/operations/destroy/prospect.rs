//! What a destroy would take, told before it goes: for the question and for `--dry-run`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use super::DestroyOptions;
use crate::hosts::git::{self, Git, MergeTargets, RepoInfo, StatusRequest, UnmergedWork};
use crate::hosts::rescue::{self, LostItem, Reason};
use crate::hosts::work_dir::{self, Ownership, RetireRequest, WorkDirFate};
use crate::hosts::{Host, fan_out};
use crate::model::error::Result;
use crate::model::record::{AgentRecord, TransferMode};
use crate::model::state::AgentState;
use crate::operations::resolve::{ResolvedAgent, group_by_host};
use crate::operations::states;
use crate::plugins::Ctx;

/// One agent, and what would be missed of it.
#[derive(Clone, Debug)]
pub struct Prospect {
    pub agent: ResolvedAgent,
    pub state: AgentState,
    /// It runs, or nobody can tell: only destroyed with `force`.
    pub needs_force: bool,
    pub stake: Stake,
}

/// What would be missed. Work that is merged anywhere is not counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stake {
    /// Whether the work dir goes.
    pub removes_work_dir: bool,
    /// In a work dir that goes.
    pub changed_files: usize,
    pub untracked_files: usize,
    /// Ignored files that would not be kept for `mng undo`.
    pub lost: Vec<LostItem>,
    /// The branch that create made.
    pub branch: Option<BranchProspect>,
    /// Commits that go without being on any branch.
    pub commits: usize,
    /// The newest of them.
    pub newest_commits: Vec<String>,
    /// What could not be looked at.
    pub trouble: Option<String>,
}

/// A branch and what only it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BranchProspect {
    pub name: String,
    /// Whether it is deleted.
    pub goes: bool,
    /// Commits that are nowhere else.
    pub commits: usize,
    pub newest_commits: Vec<String>,
}

/// Looks at every agent, changing nothing. Trouble with one is told in its row.
pub async fn prospects(ctx: &Ctx, agents: &[ResolvedAgent], options: DestroyOptions) -> Vec<Prospect> {
    let judgements = states::of_agents(ctx, agents).await;
    let mut going: BTreeMap<_, Vec<AgentRecord>> = BTreeMap::new();
    for group in group_by_host(agents.iter().cloned()) {
        going.insert(group.host.info.id.clone(), group.records);
    }
    let stakes = fan_out(agents.to_vec(), ctx.limits.parallel, super::REMOVAL, |agent| {
        let going = going.get(&agent.host.info.id).map(Vec::as_slice).unwrap_or_default();
        async move { Ok(stake(&agent.host, &agent.record, going, options).await) }
    })
    .await;
    agents
        .iter()
        .zip(stakes)
        .map(|(agent, stake)| {
            let state = judgements.get(&agent.key()).map_or(AgentState::Unknown, |seen| seen.state);
            Prospect {
                agent: agent.clone(),
                state,
                needs_force: super::one::needs_force(state),
                stake: stake.unwrap_or_else(|error| Stake::unknown(&error)),
            }
        })
        .collect()
}

impl Stake {
    fn unknown(error: &crate::model::error::Error) -> Self {
        Self { trouble: Some(error.to_string()), ..Self::default() }
    }

    /// Whether nothing of value goes.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        let branch_loses = self.branch.as_ref().is_some_and(|branch| branch.goes && branch.commits > 0);
        self.changed_files + self.untracked_files + self.commits == 0
            && self.lost.is_empty()
            && !branch_loses
            && self.trouble.is_none()
    }
}

async fn stake(host: &Host, record: &AgentRecord, going: &[AgentRecord], options: DestroyOptions) -> Stake {
    match look(host, record, going, options).await {
        Ok(stake) => stake,
        Err(error) => Stake::unknown(&error),
    }
}

async fn look(
    host: &Host,
    record: &AgentRecord,
    going: &[AgentRecord],
    options: DestroyOptions,
) -> Result<Stake> {
    let request = RetireRequest {
        reason: Reason::Destroy,
        agent: Some(record),
        agent_items: &[],
        work_dir: &record.work_dir,
        ownership: Ownership::Registered,
        keep_work_dir: options.keep_work_dirs,
        remove_branch: options.remove_branch,
    };
    let fate = match work_dir::fate(host, &request).await? {
        // Its other users go too.
        WorkDirFate::InUse { by }
            if by.iter().all(|name| going.iter().any(|other| other.name.as_str() == name)) =>
        {
            if options.keep_work_dirs { WorkDirFate::Released } else { WorkDirFate::Removed }
        }
        fate => fate,
    };
    let removes_work_dir = matches!(fate, WorkDirFate::Removed | WorkDirFate::Missing);
    let mut stake = Stake { removes_work_dir, ..Stake::default() };
    let repo = match fate {
        WorkDirFate::Removed => git::inspect(host.transport.as_ref(), &record.work_dir).await?,
        _ => None,
    };
    if let Some(repo) = &repo {
        files(host, repo, &mut stake).await?;
    }
    commits(host, record, repo, going, options, &mut stake).await?;
    Ok(stake)
}

/// Uncommitted work. A work dir that is a repository of its own is kept whole.
async fn files(host: &Host, repo: &RepoInfo, stake: &mut Stake) -> Result<()> {
    if repo.is_linked_worktree {
        let glance = rescue::glance(host, repo.clone()).await?;
        stake.changed_files = glance.changed_files;
        stake.untracked_files = glance.untracked_files;
        stake.lost = glance.lost;
        return Ok(());
    }
    let git = Git::at(host.transport.as_ref(), &repo.top_level)?;
    let status = git::status(&git, StatusRequest::default()).await?;
    let untracked = status.entries.iter().filter(|entry| entry.kind == git::EntryKind::Untracked).count();
    stake.changed_files = status.entries.len() - untracked;
    stake.untracked_files = untracked;
    Ok(())
}

/// Commits that no branch has any more afterwards, and what the agent's branch alone has.
async fn commits(
    host: &Host,
    record: &AgentRecord,
    repo: Option<RepoInfo>,
    going: &[AgentRecord],
    options: DestroyOptions,
    stake: &mut Stake,
) -> Result<()> {
    let is_own = repo.as_ref().is_some_and(|repo| !repo.is_linked_worktree);
    let common_dir = repo.as_ref().map(|repo| repo.common_dir.clone()).or_else(|| record.git_common_dir());
    let Some(common_dir) = common_dir else { return Ok(()) };
    if host.transport.stat(&common_dir).await?.is_none() {
        return Ok(());
    }
    let asker = Asker::new(host, record, common_dir, going, options);
    let mut seen_tip = None;
    // A mirror's branch is a copy: it goes with the mirror.
    let goes = is_own
        || (options.remove_branch
            && stake.removes_work_dir
            && record.transfer_mode != Some(TransferMode::GitMirror));
    if let Some(name) = &record.created_branch_name
        && let Some(tip) = git::branch_tip(&asker.git(host)?, name).await?
    {
        let work = asker.unmerged(host, &tip, true).await?;
        stake.branch = Some(BranchProspect {
            name: name.clone(),
            goes,
            commits: work.commits,
            newest_commits: work.newest,
        });
        seen_tip = Some(tip);
    }
    let Some(head) = repo.as_ref().and_then(|repo| repo.head_commit.clone()) else { return Ok(()) };
    let is_on_kept_branch = !is_own && repo.as_ref().is_some_and(|repo| repo.branch.is_some());
    if is_on_kept_branch || seen_tip.as_ref() == Some(&head) {
        return Ok(());
    }
    let work = asker.unmerged(host, &head, goes).await?;
    stake.commits = work.commits;
    stake.newest_commits = work.newest;
    Ok(())
}

/// Asks one repository for work that is nowhere else.
struct Asker {
    common_dir: PathBuf,
    scratch: PathBuf,
    base: Option<String>,
    /// Branches of other agents that go along.
    going: Vec<String>,
    own: Option<String>,
}

impl Asker {
    fn new(
        host: &Host,
        record: &AgentRecord,
        common_dir: PathBuf,
        going: &[AgentRecord],
        options: DestroyOptions,
    ) -> Self {
        let branches = going.iter().filter(|other| options.remove_branch && other.id != record.id);
        Self {
            common_dir,
            scratch: host.layout.tmp(),
            base: record.base_branch.clone(),
            going: branches.filter_map(|other| other.created_branch_name.clone()).collect(),
            own: record.created_branch_name.clone(),
        }
    }

    fn git<'h>(&self, host: &'h Host) -> Result<Git<'h>> {
        Git::in_git_dir(host.transport.as_ref(), &self.common_dir)
    }

    /// The agent's own branch does not vouch for itself, and for nothing if it goes.
    async fn unmerged(&self, host: &Host, commit: &str, own_goes: bool) -> Result<UnmergedWork> {
        let git = self.git(host)?;
        let own = self.own.iter().filter(|_| own_goes);
        let going: Vec<String> = self.going.iter().chain(own).cloned().collect();
        let targets = MergeTargets {
            going: &going,
            base: self.base.as_deref(),
            common_dir: &self.common_dir,
            scratch: &self.scratch,
        };
        if git::merge_of(&git, commit, &targets).await?.is_merged() {
            return Ok(UnmergedWork::default());
        }
        git::unmerged_work(&git, commit, &going).await
    }
}
