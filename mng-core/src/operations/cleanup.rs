//! `mng cleanup`: finds many agents and destroys or stops them.

use serde::Serialize;

use super::destroy::{DestroyOptions, DestroyRequest, destroy};
use super::list::{self, AgentView, ListRequest};
use super::resolve::ResolvedAgent;
use super::select::AgentFilter;
use super::stop::{StopRequest, stop};
use crate::model::error::Result;
use crate::model::event::Events;
use crate::model::failure::{Failure, FailureCategory};
use crate::model::state::AgentState;
use crate::model::time::Time;
use crate::plugins::Ctx;

/// What happens to the agents that are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    Destroy,
    Stop,
}

impl Action {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Destroy => "destroy",
            Self::Stop => "stop",
        }
    }
}

/// Agents to choose from.
#[derive(Debug, Default)]
pub struct Candidates {
    /// In listing order, each with the way to work on it.
    pub agents: Vec<(AgentView, ResolvedAgent)>,
    /// Agents and providers that could not be looked at.
    pub failures: Vec<Failure>,
    /// Sentences for standard error.
    pub warnings: Vec<String>,
}

/// The agents that a filter keeps; for [`Action::Stop`] without those that are stopped. `without_idle` is
/// the same filter without its idle time: an agent of which no activity is known is not idle, it is unknown,
/// and is named.
///
/// # Errors
/// A provider is named that does not exist.
pub async fn candidates(
    ctx: &Ctx,
    filter: &AgentFilter,
    without_idle: Option<&AgentFilter>,
    action: Action,
) -> Result<Candidates> {
    let listing = list::all(ctx, &ListRequest::in_scope(filter.scope())).await?;
    let now = Time::now();
    let mut found = Candidates { warnings: listing.warnings.clone(), ..Candidates::default() };
    found.failures.extend(listing.failures.iter().filter(|failure| failure.is_configured).map(|failure| {
        let message = format!("provider `{}` did not answer: {}", failure.provider, failure.error);
        Failure::new(FailureCategory::ProviderInaccessible, message)
    }));
    for agent in &listing.agents {
        if action == Action::Stop && agent.state == AgentState::Stopped {
            continue;
        }
        if !filter.keeps(agent, now, &mut found.warnings) {
            let is_unknown = agent.idle_seconds().is_none()
                && without_idle.is_some_and(|filter| filter.keeps(agent, now, &mut Vec::new()));
            if is_unknown {
                let name = &agent.record.name;
                found
                    .warnings
                    .push(format!("agent {name} has no recorded activity, so it does not count as idle"));
            }
            continue;
        }
        match listing.resolved(agent) {
            Some(resolved) => found.agents.push((agent.clone(), resolved)),
            None => found.failures.push(
                Failure::new(
                    FailureCategory::ProviderInaccessible,
                    format!("agent `{}` cannot be reached", agent.address()),
                )
                .of(agent.record.name.as_str(), agent.host.id.as_str()),
            ),
        }
    }
    Ok(found)
}

/// What happened. The field names are the JSON contract.
#[derive(Debug, Default, Serialize)]
pub struct CleanupReport {
    pub destroyed_agents: Vec<String>,
    pub stopped_agents: Vec<String>,
    pub failures: Vec<Failure>,
    pub destroyed_count: usize,
    pub stopped_count: usize,
    pub failure_count: usize,
    pub exit_code: u8,
}

impl CleanupReport {
    /// Adds rows and counts anew.
    pub fn add_failures(&mut self, failures: impl IntoIterator<Item = Failure>) {
        self.failures.extend(failures);
        self.destroyed_count = self.destroyed_agents.len();
        self.stopped_count = self.stopped_agents.len();
        self.failure_count = self.failures.len();
        self.exit_code = Failure::exit_code(&self.failures);
    }
}

/// Destroys the agents, running ones too, or stops them.
///
/// # Errors
/// None of its own: what remains is a row in `failures`.
#[tracing::instrument(skip_all, fields(agents = agents.len(), action = action.as_str()))]
pub async fn cleanup(
    ctx: &Ctx,
    agents: Vec<ResolvedAgent>,
    action: Action,
    events: &Events,
) -> Result<CleanupReport> {
    let mut report = CleanupReport::default();
    match action {
        Action::Destroy => {
            let options = DestroyOptions { force: true, ..DestroyOptions::default() };
            let done = destroy(ctx, DestroyRequest { agents, options }, events).await?;
            report.destroyed_agents = done.destroyed_agents;
            report.add_failures(done.failures);
        }
        Action::Stop => {
            let done = stop(ctx, StopRequest { agents, archive: false }, events).await?;
            report.stopped_agents = done.stopped_agents;
            report.add_failures(done.failures);
        }
    }
    Ok(report)
}
