//! `mng destroy`: ends agents and removes what belongs to them, keeping a way back.
//!
//! The order for one agent: hooks; the marker `A/destroying`; its processes and session; the undo entry;
//! the work dir; the branch, if asked for; last the state dir, by one rename. Until then the agent can be
//! addressed, so a destroy that died is finished by the same command.

mod one;
mod preserve;
mod prospect;
#[cfg(test)]
pub(super) mod tests;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

pub use prospect::{BranchProspect, Prospect, Stake, prospects};

use super::completion_cache;
use super::edit::failure;
use super::resolve::{HostGroup, ResolvedAgent, group_by_host};
use crate::hosts::rescue::{LostItem, UndoId};
use crate::hosts::work_dir::{BranchFate, Retired, WorkDirFate};
use crate::hosts::{Host, HostLock, fan_out};
use crate::model::error::Result;
use crate::model::event::{Event, Events};
use crate::model::failure::{Failure, FailureCategory};
use crate::model::record::{AgentRecord, TransferMode};
use crate::plugins::Ctx;

/// Longest that keeping and removing one work dir may take. Every process in it has a deadline of its own;
/// this one is for trees so large that nobody would wait for them.
const REMOVAL: Duration = Duration::from_secs(3600);

/// Which agents go, and what of them stays.
#[derive(Clone, Debug)]
pub struct DestroyRequest {
    pub agents: Vec<ResolvedAgent>,
    pub options: DestroyOptions,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DestroyOptions {
    /// Running agents too.
    pub force: bool,
    /// Delete the branch that create made.
    pub remove_branch: bool,
    /// Leave generated work dirs alone: they become the person's.
    pub keep_work_dirs: bool,
}

/// What happened. The field names are the JSON contract.
#[derive(Debug, Default, Serialize)]
pub struct DestroyReport {
    pub destroyed_agents: Vec<String>,
    pub count: usize,
    pub destroyed_hosts: Vec<String>,
    pub destroyed_host_count: usize,
    /// Targets that matched nothing, when that is no error.
    pub not_found: Vec<String>,
    /// What became of each of `destroyed_agents`.
    pub agents: Vec<DestroyedAgent>,
    /// Refusals and leftovers: each names what remains and where.
    pub failures: Vec<Failure>,
    pub failure_count: usize,
    pub exit_code: u8,
}

impl DestroyReport {
    /// Adds rows and counts anew.
    pub fn add_failures(&mut self, failures: impl IntoIterator<Item = Failure>) {
        self.failures.extend(failures);
        self.count = self.destroyed_agents.len();
        self.destroyed_host_count = self.destroyed_hosts.len();
        self.failure_count = self.failures.len();
        self.exit_code = Failure::exit_code(&self.failures);
    }
}

/// One agent that is gone.
#[derive(Clone, Debug, Serialize)]
pub struct DestroyedAgent {
    pub id: String,
    pub name: String,
    pub host_id: String,
    pub host_name: String,
    /// Under which id `mng undo` has it.
    pub undo_id: Option<UndoId>,
    /// `removed`, `missing`, `kept` (asked for), `in_place` (never ours) or `in_use` (by other agents).
    pub work_dir: &'static str,
    /// The branch that create made, and whether it is gone.
    pub branch: Option<String>,
    pub is_branch_deleted: bool,
    /// Ignored files that were too big to keep.
    pub lost: Vec<LostItem>,
    /// What the person should know, one sentence each.
    pub notes: Vec<String>,
}

impl DestroyedAgent {
    fn new(host: &Host, record: &AgentRecord, retired: Retired, options: DestroyOptions) -> Self {
        let mut notes: Vec<String> = retired.note.into_iter().collect();
        let work_dir = match &retired.work_dir {
            WorkDirFate::Removed => "removed",
            WorkDirFate::Missing => "missing",
            WorkDirFate::Released => "kept",
            WorkDirFate::NotOurs => "in_place",
            WorkDirFate::InUse { by } => {
                notes.push(format!("its work dir stays: {} works there too", by.join(", ")));
                "in_use"
            }
        };
        let (branch, is_branch_deleted) = match retired.branch {
            BranchFate::None => (None, false),
            BranchFate::Kept { branch } => {
                if options.remove_branch {
                    notes.push(format!("the branch {branch} stays, because its work dir does"));
                }
                (Some(branch), false)
            }
            BranchFate::Deleted { branch } => (Some(branch), true),
            BranchFate::Refused { branch, why } => {
                notes.push(format!("the branch {branch} stays: {why}"));
                (Some(branch), false)
            }
        };
        Self {
            id: record.id.to_string(),
            name: record.name.to_string(),
            host_id: host.info.id.to_string(),
            host_name: host.info.name.to_string(),
            undo_id: retired.undo_id,
            work_dir,
            branch,
            is_branch_deleted,
            lost: retired.lost,
            notes,
        }
    }
}

/// Destroys every agent. Hosts are worked on at the same time, each under its lock. The processes of a
/// host's agents are ended side by side; work dirs then go one after another, because they share
/// repositories and the host's record.
///
/// Each agent that is gone is told as an item (a [`DestroyedAgent`]) at once. When a signal asks for the end,
/// an agent whose removal has begun goes whole, and the others are rows in `failures`.
///
/// # Errors
/// None of its own: what could not be removed is a row in `failures` and keeps no other agent.
#[tracing::instrument(skip_all, fields(agents = request.agents.len()))]
pub async fn destroy(ctx: &Ctx, request: DestroyRequest, events: &Events) -> Result<DestroyReport> {
    let DestroyRequest { agents, options } = request;
    let _watch = ctx.cancel.watch();
    let groups = group_by_host(agents);
    let seen = groups.clone();
    let most = seen.iter().map(|group| group.records.len()).max().unwrap_or(0);
    let deadline = HostLock::OTHERS + deadline(ctx, most);
    let done =
        fan_out(groups, ctx.limits.parallel, deadline, |group| on_host(ctx, group, options, events)).await;
    let mut report = DestroyReport::default();
    let mut failures = Vec::new();
    for (group, result) in seen.iter().zip(done) {
        match result {
            Ok(rows) => {
                for row in rows {
                    match row {
                        Ok(agent) => {
                            report.destroyed_agents.push(agent.name.clone());
                            report.agents.push(agent);
                        }
                        Err(left) => failures.extend(left),
                    }
                }
            }
            Err(error) => {
                failures.extend(group.records.iter().map(|record| failure(&group.host, record, &error)));
            }
        }
    }
    let gone: Vec<&str> = report.destroyed_agents.iter().map(String::as_str).collect();
    completion_cache::change(ctx, &gone, &[]);
    report.add_failures(failures);
    Ok(report)
}

/// What became of an agent: it is gone, or these rows say why not.
type Row = Result<DestroyedAgent, Vec<Failure>>;

fn deadline(ctx: &Ctx, agents: usize) -> Duration {
    (ctx.limits.stop + REMOVAL) * u32::try_from(agents.max(1)).unwrap_or(u32::MAX)
}

async fn on_host(ctx: &Ctx, group: HostGroup, options: DestroyOptions, events: &Events) -> Result<Vec<Row>> {
    let HostGroup { host, records } = group;
    let lock = ctx.cancel.race(host.lock(Some(HostLock::OTHERS), events)).await?;
    let work = one::Work { ctx, host: &host, lock: &lock, options, events, turn: Mutex::new(()) };
    // A work dir is in use until the guests in it are gone.
    let (guests, owners): (Vec<_>, Vec<_>) =
        records.iter().cloned().partition(|record| is_guest(record, &records));
    let mut rows = Vec::new();
    for wave in [guests, owners] {
        let seen = wave.clone();
        let done = fan_out(wave, ctx.limits.parallel, deadline(ctx, records.len()), |record| {
            let work = &work;
            async move {
                let row = work.destroy(&record).await;
                if let Ok(agent) = &row {
                    events.send(Event::Item(serde_json::to_value(agent).unwrap_or_default()));
                }
                Ok(row)
            }
        })
        .await;
        for (record, row) in seen.iter().zip(done) {
            rows.push(row.unwrap_or_else(|error| Err(vec![failure(&host, record, &error)])));
        }
    }
    Ok(rows)
}

/// Whether an agent works in the work dir of another one of these, or in a worktree of the repository there.
fn is_guest(record: &AgentRecord, records: &[AgentRecord]) -> bool {
    let common_dir = record.git_common_dir();
    records.iter().any(|other| {
        let is_inside = record.work_dir.starts_with(&other.work_dir);
        let is_worktree = common_dir.as_ref().is_some_and(|dir| dir.starts_with(&other.work_dir));
        let is_guest = match record.work_dir == other.work_dir {
            true => record.transfer_mode == Some(TransferMode::None),
            false => is_inside || is_worktree,
        };
        is_guest && other.id != record.id
    })
}

/// Agents of a host whose destroy began and did not end, each with what was asked for then.
///
/// # Errors
/// The agents directory cannot be read.
pub async fn unfinished(host: &Host) -> Result<Vec<(ResolvedAgent, DestroyOptions)>> {
    let mut found = Vec::new();
    for entry in host.agents().await? {
        let Ok(record) = entry.record else { continue };
        let marker = host.layout.agent_destroying(&entry.id);
        if let Some(bytes) = host.transport.read(&marker).await? {
            let options = serde_json::from_slice(&bytes).unwrap_or_default();
            found.push((ResolvedAgent { host: host.clone(), record }, options));
        }
    }
    Ok(found)
}

/// The row of an agent that was left alone because it runs.
#[must_use]
pub fn refusal(agent: &ResolvedAgent, state: crate::model::state::AgentState) -> Failure {
    let message = format!("agent `{}` is {state} and was not destroyed; add `--force`", agent.record.name);
    Failure::new(FailureCategory::Other, message).of(agent.record.name.as_str(), agent.host.info.id.as_str())
}
