//! One look at a host and its agents.
//!
//! What it costs on this machine: one tmux process, none if there is no agent; about ten small files an
//! agent; a look at the whole process table only if somebody's state or usage depends on it. What it costs on
//! another one: one round trip, for a script that prints all of that.

mod far;
mod frame;
mod local;

use std::time::Duration;

pub(super) use frame::split as frames;
pub(super) use local::Look;

use super::cgroup::Groups;
use super::facts::{AgentFacts, HostFacts, PaneFacts, Seen, SessionFacts, TreeProcess, TypeTraits, Usage};
use super::mirror::{Mirrors, WatchedFile};
use super::processes::ProcessTable;
use super::tmux::{SessionMatch, Sessions};
use crate::hosts::Host;
use crate::model::error::Result;
use crate::model::ids::AgentId;
use crate::model::record::AgentRecord;
use crate::model::time::Time;

/// Longest `A/status/url` that is taken, in bytes: any process may write it.
const LONGEST_URL: usize = 4096;

/// What to look at.
pub struct ProbeRequest<'a> {
    /// Only these agents; unset: all of the host.
    pub agents: Option<&'a [AgentId]>,
    /// Also what each agent uses of processor and memory.
    pub usage: bool,
    /// Also what no state depends on: when a person was last active, and the URL. Three files an agent; of
    /// another machine they always come along.
    pub activity: bool,
    /// Of another machine also processors, memory and disk; of this one the provider tells.
    pub resources: bool,
    /// Files that the types of the agents look at; asked for only if the host is another machine.
    pub watched: &'a (dyn Fn() -> Vec<WatchedFile> + Send + Sync),
    /// `tmux.primary_window_name`.
    pub primary_window: &'a str,
    /// What there is to know of an agent's type.
    pub traits: &'a (dyn Fn(&AgentRecord) -> TypeTraits + Send + Sync),
}

/// Looks at a host. What could not be seen says so in its place.
///
/// # Errors
/// The agents directory cannot be read; the host does not answer.
pub async fn probe_host(host: &Host, request: &ProbeRequest<'_>) -> Result<HostFacts> {
    probe_host_into(host, request, &mut Mirrors::default()).await
}

/// As [`probe_host`]; what was brought along of another machine's agents stays in `mirrors`, and is brought up
/// to date by the next look.
///
/// # Errors
/// As [`probe_host`].
pub(crate) async fn probe_host_into(
    host: &Host,
    request: &ProbeRequest<'_>,
    mirrors: &mut Mirrors,
) -> Result<HostFacts> {
    match host.is_local() {
        true => local::probe(host, request).await,
        false => far::probe(host, request, mirrors).await,
    }
}

/// The first line of a file that any process may have written; `None` if it is empty.
fn first_line(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let line = text.lines().next()?.trim();
    (!line.is_empty()).then(|| line.to_owned())
}

fn place_in_sessions(
    host: &Host,
    request: &ProbeRequest<'_>,
    agents: &mut [AgentFacts],
    sessions: &Result<Sessions>,
) {
    let sessions = match sessions {
        Ok(sessions) => sessions,
        Err(error) => {
            for agent in agents {
                agent.session = Seen::No(error.to_string());
            }
            return;
        }
    };
    for agent in agents {
        let name = host.session_name(agent.record.name.as_str());
        let (session, is_marked) = match sessions.find(&agent.record.id, &name) {
            SessionMatch::Own(session) => (session, true),
            SessionMatch::Unmarked(session) => (session, false),
            SessionMatch::Foreign(session) => {
                agent.name_taken_by.clone_from(&session.agent_id);
                continue;
            }
            SessionMatch::None => continue,
        };
        let pane = session.primary(request.primary_window).map(|pane| PaneFacts {
            id: pane.id.clone(),
            pid: pane.pid,
            is_dead: pane.is_dead,
            dead_status: pane.dead_status,
            command: pane.command.clone(),
            title: pane.title.clone(),
        });
        let session = SessionFacts { id: session.id.clone(), name: session.name.clone(), is_marked, pane };
        place(agent, session);
    }
}

/// Puts an agent into its session, whose pane may tell of its state.
pub(super) fn place(agent: &mut AgentFacts, session: SessionFacts) {
    if let (Some(probe), Some(pane)) = (&agent.traits.probe, &session.pane) {
        agent.type_state = probe.0.with_title(agent.type_state.take(), &pane.title, agent.at);
    }
    agent.session = Seen::Yes(Some(session));
}

/// The processes below one, itself included, breadth first.
pub(super) fn tree(table: &ProcessTable, root: i32) -> Vec<TreeProcess> {
    let below = table.trees(&[root], |_| false).into_iter().filter(|process| !process.is_zombie);
    below.map(|process| TreeProcess { pid: process.id.pid, name: process.name.clone() }).collect()
}

/// What runs in the agent's panes and in its control group.
fn usage(
    agent: &AgentFacts,
    table: &ProcessTable,
    groups: Option<&Groups>,
    sessions: &Result<Sessions>,
) -> Option<Usage> {
    let Seen::Yes(Some(session)) = &agent.session else { return None };
    let session = sessions.as_ref().ok()?.iter().find(|known| known.id == session.id)?;
    let panes: Vec<i32> = session.panes.iter().map(|pane| pane.pid).collect();
    let group = groups.map(|groups| groups.of(&agent.record.id)).filter(super::cgroup::Group::exists);
    let members = group.as_ref().map(super::cgroup::Group::pids).unwrap_or_default();
    let roots: Vec<i32> = panes.iter().chain(&members).copied().collect();
    let mut usage = Usage::default();
    let group_memory = group.as_ref().and_then(super::cgroup::Group::memory);
    for process in table.trees(&roots, super::processes::Process::is_tmux_server) {
        let is_member = members.contains(&process.id.pid);
        if !is_member || group_memory.is_none() {
            usage.memory += process.memory;
        }
        if !is_member {
            usage.cpu += process.cpu;
        }
    }
    usage.memory += group_memory.unwrap_or(0);
    // A group remembers the time of those that have ended; without one only the living count.
    usage.cpu += match group.as_ref().and_then(super::cgroup::Group::cpu) {
        Some(cpu) => cpu,
        None => members.iter().filter_map(|pid| table.get(*pid)).map(|process| process.cpu).sum(),
    };
    Some(usage)
}

/// The moment of the boot, to the second.
fn boot_time(at: Time, uptime: Duration) -> Time {
    let seconds = (at.as_unix_seconds() - uptime.as_secs_f64()).floor().max(0.0);
    Time::from(std::time::UNIX_EPOCH + Duration::from_secs_f64(seconds))
}

/// Reads `{ sec = 1700000000, usec = 1234 } …`.
fn read_boottime(text: &str) -> Option<f64> {
    let rest = text.split_once("sec = ")?.1;
    rest.split(|ch: char| !ch.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests;
