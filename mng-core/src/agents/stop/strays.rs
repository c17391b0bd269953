//! Processes of agents that are no more.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::time::Duration;

use super::groups;
use super::hunt::Hunt;
use crate::agents::processes::{Marked, ProcessId};
use crate::agents::tmux::Tmux;
use crate::hosts::{Host, HostLock};
use crate::model::error::{Error, Result};
use crate::model::failure::Failure;
use crate::model::ids::AgentId;
use crate::model::order;

/// A process that carries the mark of an agent whose record is provably gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stray {
    pub agent: AgentId,
    pub process: ProcessId,
    /// The program's name.
    pub name: String,
}

/// The strays of a host, by pid. An agent whose state dir stands, readable or not, or which is being made,
/// has none.
///
/// # Errors
/// The agents directory or the processes cannot be read: nothing is proved then.
pub async fn strays(host: &Host) -> Result<Vec<Stray>> {
    let agents = host.layout.agents();
    if host.is_local()
        && let Err(error) = std::fs::read_dir(&agents)
        && error.kind() != ErrorKind::NotFound
    {
        return Err(Error::io(format!("list `{}`", agents.display()), error));
    }
    // A state dir that is not there at all may be on a disk that is not mounted.
    if host.transport.stat(&agents).await?.is_none() {
        return Ok(Vec::new());
    }
    let Marked { table, marks } = Marked::read(host).await?;
    let mut found = Vec::new();
    let mut known: BTreeMap<AgentId, bool> = BTreeMap::new();
    for (process, agent) in marks {
        let is_gone = match known.get(&agent) {
            Some(is_gone) => *is_gone,
            None => is_gone(host, &agent).await?,
        };
        known.insert(agent.clone(), is_gone);
        if !is_gone {
            continue;
        }
        let name = table.get(process.pid).map(|known| known.name.to_string()).unwrap_or_default();
        found.push(Stray { agent, process, name });
    }
    order::sort_by_key(&mut found, |stray| stray.process.pid);
    Ok(found)
}

async fn is_gone(host: &Host, agent: &AgentId) -> Result<bool> {
    let journal = host.layout.journal().join(format!("{agent}.json"));
    Ok(host.transport.stat(&host.layout.agent(agent)).await?.is_none()
        && host.transport.stat(&journal).await?.is_none())
}

/// Ends strays, with all that descends from them and their sessions. Looks again first: an agent that came
/// back meanwhile is left alone.
///
/// # Errors
/// As [`strays`].
pub async fn end_strays(
    host: &Host,
    _lock: &HostLock,
    found: &[Stray],
    grace: Duration,
) -> Result<Vec<Failure>> {
    let mut agents: Vec<AgentId> = Vec::new();
    for stray in found {
        if !agents.contains(&stray.agent) && is_gone(host, &stray.agent).await? {
            agents.push(stray.agent.clone());
        }
    }
    if agents.is_empty() {
        return Ok(Vec::new());
    }
    let sessions = Tmux::on(host).sessions().await?;
    let mut hunt = Hunt::new(host, agents.clone());
    for session in
        sessions.iter().filter(|session| session.agent_id.as_ref().is_some_and(|id| agents.contains(id)))
    {
        hunt.panes.extend(session.panes.iter().map(|pane| pane.pid));
        hunt.sessions.push(session.id.clone());
    }
    hunt.end(grace).await
}

/// Removes the control groups of agents that are gone and have no process left. Returns how many.
///
/// # Errors
/// The state dir cannot be looked at.
pub async fn remove_empty_groups(host: &Host, _lock: &HostLock) -> Result<usize> {
    let Some(groups) = groups(host) else { return Ok(0) };
    let mut removed = 0;
    for agent in groups.agents() {
        let group = groups.of(&agent);
        if is_gone(host, &agent).await? && group.pids().is_empty() {
            group.remove();
            removed += usize::from(!group.exists());
        }
    }
    Ok(removed)
}
