//! Every agent of every provider, with its state.

mod gather;
mod view;

use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;

#[cfg(test)]
pub(super) use gather::from_host;
pub use view::{AgentView, Cpu, ErrorRow, HostView, IdleView, Resource};

use super::discover::{self, ProviderFailure};
use super::resolve::{DamagedAgent, ResolvedAgent};
use crate::hosts::Host;
use crate::model::error::Result;
use crate::model::ids::HostId;
use crate::model::names::ProviderName;
use crate::model::time::Time;
use crate::plugins::Ctx;

/// What to list.
#[derive(Clone, Debug, Default)]
pub struct ListRequest {
    pub scope: discover::Scope,
    /// What costs more than the plain listing.
    pub wants: Wants,
}

/// What is measured only when somebody wants to see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wants {
    /// Processor time and memory of each agent's process tree.
    pub usage: bool,
    /// Processors, memory and disk of each host.
    pub resources: bool,
    /// When a person and the agent were last active, and the agent's URL.
    pub activity: bool,
}

/// What filters may ask of any agent without measuring.
impl Default for Wants {
    fn default() -> Self {
        Self { usage: false, resources: false, activity: true }
    }
}

impl ListRequest {
    #[must_use]
    pub fn in_scope(scope: discover::Scope) -> Self {
        Self { scope, wants: Wants::default() }
    }
}

/// What one provider has, as soon as it answered.
#[derive(Debug, Default)]
pub struct Part {
    pub provider: Option<ProviderName>,
    /// When it was asked.
    pub started_at: Option<Time>,
    /// Hosts of the provider, those without agents too.
    pub hosts: Vec<ListedHost>,
    /// By creation time, then name.
    pub agents: Vec<AgentView>,
    pub errors: Vec<ErrorRow>,
    pub failures: Vec<ProviderFailure>,
    pub damaged: Vec<DamagedAgent>,
}

/// A host of a listing.
#[derive(Clone, Debug)]
pub struct ListedHost {
    pub view: Arc<HostView>,
    /// How to work on it; `None` if it was not entered.
    pub host: Option<Host>,
}

/// Everything there is.
#[derive(Debug, Default)]
pub struct Listing {
    pub hosts: Vec<ListedHost>,
    pub agents: Vec<AgentView>,
    pub errors: Vec<ErrorRow>,
    pub failures: Vec<ProviderFailure>,
    pub damaged: Vec<DamagedAgent>,
    /// Sentences for standard error.
    pub warnings: Vec<String>,
}

impl Listing {
    /// An agent of the listing as something to work on; `None` if its host was not entered.
    #[must_use]
    pub fn resolved(&self, agent: &AgentView) -> Option<ResolvedAgent> {
        let host = self.host(&agent.host.id)?.host.clone()?;
        Some(ResolvedAgent { host, record: agent.record.clone() })
    }

    #[must_use]
    pub fn host(&self, id: &HostId) -> Option<&ListedHost> {
        self.hosts.iter().find(|host| host.view.id == *id)
    }

    fn add(&mut self, part: Part) {
        self.hosts.extend(part.hosts);
        self.agents.extend(part.agents);
        self.errors.extend(part.errors);
        self.failures.extend(part.failures);
        self.damaged.extend(part.damaged);
    }
}

/// Asks all providers at once and hands out what each has as soon as it answers. What goes wrong with one
/// provider, host or agent is an error row and hides nothing else. Returns sentences for standard error.
///
/// # Errors
/// A provider is named that does not exist; or `on_part` failed, which ends the listing.
#[tracing::instrument(skip_all)]
pub async fn stream(
    ctx: &Ctx,
    request: &ListRequest,
    on_part: &mut (dyn FnMut(Part) -> Result<()> + Send),
) -> Result<Vec<String>> {
    let (providers, warnings) = discover::providers(ctx, &request.scope)?;
    let mut parts: FuturesUnordered<_> =
        providers.into_iter().map(|provider| gather::provider(ctx, request, provider)).collect();
    while let Some(part) = parts.next().await {
        on_part(part)?;
    }
    Ok(warnings)
}

/// As [`stream`], all together: agents by creation time, then name.
///
/// # Errors
/// A provider is named that does not exist.
pub async fn all(ctx: &Ctx, request: &ListRequest) -> Result<Listing> {
    let mut listing = Listing::default();
    let warnings = stream(ctx, request, &mut |part| {
        listing.add(part);
        Ok(())
    })
    .await?;
    listing.warnings = warnings;
    listing.agents.sort_by(|a, b| a.listing_order(b));
    Ok(listing)
}
