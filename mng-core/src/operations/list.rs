//! Every agent of every provider, with its state.

mod gather;
mod remembered;
mod view;

use std::sync::Arc;

use futures_util::future::join_all;
use tokio::sync::mpsc::unbounded_channel;

#[cfg(test)]
pub(super) use gather::from_host;
pub(super) use remembered::remember;
pub use view::{AgentView, Cpu, ErrorRow, HostView, IdleView, Resource};

use super::discover::{self, ProviderFailure};
use super::resolve::{DamagedAgent, ResolvedAgent, UnreadHost};
use crate::hosts::Host;
use crate::model::error::{Error, Result};
use crate::model::ids::HostId;
use crate::model::names::ProviderName;
use crate::model::order;
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

/// What a provider has on one of its hosts, as soon as that has answered; or that the provider did not.
#[derive(Debug, Default)]
pub struct Part {
    pub provider: Option<ProviderName>,
    /// Nothing more comes from this provider.
    pub is_last: bool,
    /// When it was asked.
    pub started_at: Option<Time>,
    /// Hosts of the provider, those without agents too.
    pub hosts: Vec<ListedHost>,
    /// By creation time, then name.
    pub agents: Vec<AgentView>,
    pub errors: Vec<ErrorRow>,
    pub failures: Vec<ProviderFailure>,
    pub damaged: Vec<DamagedAgent>,
    /// Hosts that could not be looked at.
    pub unread: Vec<UnreadHost>,
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
    pub unread: Vec<UnreadHost>,
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
        self.unread.extend(part.unread);
    }
}

/// Asks all providers at once and hands out what each host has as soon as it answers. What goes wrong with one
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
    let (sender, mut receiver) = unbounded_channel();
    let ask = async {
        let sender = sender;
        let asked = providers.into_iter().map(|name| gather::provider(ctx, request, name, &sender));
        join_all(asked).await;
        Ok::<_, Error>(())
    };
    let hand_on = async {
        while let Some(part) = receiver.recv().await {
            on_part(part)?;
        }
        Ok(())
    };
    tokio::try_join!(ask, hand_on)?;
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
    order::sort_by(&mut listing.agents, |a, b| a.listing_order(b));
    let place =
        |host: &ListedHost| (host.view.provider_name.clone(), host.view.name.clone(), host.view.id.clone());
    order::sort_by_key(&mut listing.hosts, place);
    Ok(listing)
}

#[cfg(test)]
mod tests;
