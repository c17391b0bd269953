//! Hosts that cannot be looked at: their agents as they were last seen.

use std::sync::Arc;
use std::time::Duration;

use super::Part;
use super::view::{AgentView, HostView, IdleView};
use crate::hosts::{Host, LastSeen, LastSeenAgent, LastSeenStore};
use crate::model::duration;
use crate::model::error::{Error, ErrorClass, Explain, Scope, Subject};
use crate::model::ids::AgentId;
use crate::model::order;
use crate::model::record::AgentRecord;
use crate::model::state::{AgentState, IdleMode};
use crate::model::time::Time;
use crate::plugins::Ctx;
use crate::providers::DiscoveredHost;

/// Agents of a host that did not answer.
pub(super) struct Remembered {
    /// How long ago they were seen.
    age: Duration,
    pub(super) agents: Vec<AgentView>,
}

/// Keeps what a listing saw on a host. It is a cache: trouble is logged, no listing fails for it.
pub(super) fn keep(store: &LastSeenStore, info: &DiscoveredHost, part: &Part) {
    if part.hosts.iter().all(|host| host.host.is_none()) {
        return;
    }
    let before = store.read(info.name.as_str()).ok().flatten().map(|(_, seen)| seen.agents);
    let before = before.unwrap_or_default();
    let idle = part.agents.first().map(|agent| &agent.idle);
    let mut agents: Vec<LastSeenAgent> = part.agents.iter().map(|agent| of_view(agent, &before)).collect();
    // An agent whose record cannot be read now is not gone.
    let is_damaged = |id: &AgentId| part.damaged.iter().any(|damaged| damaged.id == *id);
    agents.extend(before.into_iter().filter(|agent| is_damaged(&agent.record.id)));
    order::sort_by(&mut agents, |a, b| a.record.id.cmp(&b.record.id));
    let seen = LastSeen {
        host_id: info.id.clone(),
        idle_timeout_seconds: idle.and_then(|idle| idle.timeout_seconds),
        activity_sources: idle.and_then(|idle| idle.sources.clone()),
        agents,
    };
    if let Err(error) = store.keep(info.name.as_str(), &seen) {
        tracing::debug!(host = %info.address(), %error, "what was seen is not kept");
    }
}

/// Keeps an agent that a command has just made or brought back among what was last seen on its host.
pub(in crate::operations) fn remember(ctx: &Ctx, host: &Host, record: &AgentRecord, state: AgentState) {
    let store = ctx.provider(&host.info.provider).ok().and_then(|provider| provider.last_seen_dir());
    let Some(store) = store.map(LastSeenStore::new) else { return };
    let agent = LastSeenAgent {
        record: record.clone(),
        state,
        start_time: None,
        user_activity_time: None,
        agent_activity_time: None,
    };
    if let Err(error) = store.note(host.info.name.as_str(), &host.info.id, agent) {
        tracing::debug!(%error, "the agent is not remembered");
    }
}

/// A listing that shows no times of activity reads none: what is known of them stays.
fn of_view(agent: &AgentView, before: &[LastSeenAgent]) -> LastSeenAgent {
    let before = before.iter().find(|before| before.record.id == agent.record.id);
    LastSeenAgent {
        record: agent.record.clone(),
        state: agent.state,
        start_time: agent.start_time.or(before.and_then(|before| before.start_time)),
        user_activity_time: agent.user_activity_time.or(before.and_then(|before| before.user_activity_time)),
        agent_activity_time: agent
            .agent_activity_time
            .or(before.and_then(|before| before.agent_activity_time)),
    }
}

/// The agents of a host as they were last seen; `None` if it was never seen.
pub(super) fn agents(
    store: &LastSeenStore,
    info: &DiscoveredHost,
    view: &Arc<HostView>,
) -> Option<Remembered> {
    let (at, seen) = match store.read(info.name.as_str()) {
        Ok(seen) => seen?,
        Err(error) => {
            tracing::warn!(host = %info.address(), %error, "what was last seen there is not shown");
            return None;
        }
    };
    // The name may have been given to another machine since.
    if seen.host_id != info.id {
        return None;
    }
    let now = Time::now();
    let age = at.age(now);
    let idle = Arc::new(IdleView {
        mode: seen.activity_sources.as_deref().map(IdleMode::of),
        timeout_seconds: seen.idle_timeout_seconds,
        sources: seen.activity_sources,
    });
    let agents = seen.agents.into_iter().map(|agent| unknown(agent, age, at, &idle, view)).collect();
    Some(Remembered { age, agents })
}

fn unknown(
    agent: LastSeenAgent,
    age: Duration,
    at: Time,
    idle: &Arc<IdleView>,
    view: &Arc<HostView>,
) -> AgentView {
    AgentView {
        state: AgentState::Unknown,
        waiting_reason: None,
        state_reason: Some(format!(
            "its host did not answer; {} ago it was {}",
            duration::human(age),
            agent.state
        )),
        state_age: Some(age.as_secs_f64()),
        pid: None,
        cpu_seconds: None,
        memory_bytes: None,
        url: None,
        start_time: agent.start_time,
        user_activity_time: agent.user_activity_time,
        agent_activity_time: agent.agent_activity_time,
        seen_at: at,
        record: agent.record,
        reported: serde_json::Map::new(),
        idle: Arc::clone(idle),
        host: Arc::clone(view),
    }
}

/// A host that could not be looked at, and what is shown in its place.
#[derive(Debug, thiserror::Error)]
#[error("host `{host}`: {reason}{shown}")]
pub(super) struct HostUnseen {
    host: String,
    reason: String,
    shown: String,
    class: ErrorClass,
    hint: Option<String>,
    subject: Subject,
}

impl HostUnseen {
    pub(super) fn new(info: &DiscoveredHost, error: &Error, remembered: Option<&Remembered>) -> Self {
        let shown = match remembered {
            Some(Remembered { age, agents }) if !agents.is_empty() => {
                let whose = if agents.len() == 1 { "agent is" } else { "agents are" };
                format!("; its {} {whose} shown as last seen {} ago", agents.len(), duration::human(*age))
            }
            _ => String::new(),
        };
        let reason = std::iter::once(error.to_string()).chain(error.causes()).collect::<Vec<_>>().join(": ");
        Self {
            host: info.address(),
            reason,
            shown,
            class: error.class(),
            hint: error.hint(),
            subject: error.subject(),
        }
    }
}

impl Explain for HostUnseen {
    fn class(&self) -> ErrorClass {
        self.class
    }

    fn scope(&self) -> Scope {
        Scope::Host
    }

    fn hint(&self) -> Option<String> {
        self.hint.clone()
    }

    fn subject(&self) -> Subject {
        self.subject.clone()
    }
}
