//! From the addresses that people write to agents on hosts that can be worked on.

mod error;

use std::collections::BTreeSet;

pub use error::ResolveError;

use super::discover::{self, ProviderFailure};
use crate::hosts::{AgentEntry, Host, fan_out};
use crate::model::address::{AgentAddress, AgentOrHost, HostAddress, LOCAL_PROVIDER};
use crate::model::error::{Error, Result};
use crate::model::failure::{Failure, FailureCategory};
use crate::model::ids::{AgentId, HostId};
use crate::model::names::{HostName, ProviderName};
use crate::model::order;
use crate::model::record::AgentRecord;
use crate::model::state::HostState;
use crate::plugins::Ctx;
use crate::providers::DiscoveredHost;

/// An agent that an address matched.
#[derive(Clone, Debug)]
pub struct ResolvedAgent {
    pub host: Host,
    pub record: AgentRecord,
}

impl ResolvedAgent {
    /// `NAME@HOST.PROVIDER`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("{}@{}", self.record.name, self.host.info.address())
    }

    /// `NAME@HOST.PROVIDER (ID)`, as lists of candidates show it.
    #[must_use]
    pub fn full_address(&self) -> String {
        format!("{} ({})", self.address(), self.record.id)
    }

    /// The key of an agent over all hosts: the same agent id may live on two during a migration.
    #[must_use]
    pub fn key(&self) -> (HostId, AgentId) {
        (self.host.info.id.clone(), self.record.id.clone())
    }
}

/// The agents of one host, for operations that take the host's lock once.
#[derive(Clone, Debug)]
pub struct HostGroup {
    pub host: Host,
    pub records: Vec<AgentRecord>,
}

/// A target that matched nothing that could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// As the person wrote it.
    pub target: String,
    /// Every part of it is a machine-made id, so that it cannot be a typo.
    pub is_by_id: bool,
    /// It names one host outright: nothing else was read.
    pub is_pinned: bool,
}

/// An agent whose record cannot be read.
#[derive(Debug)]
pub struct DamagedAgent {
    pub host: Host,
    pub id: AgentId,
    pub error: Error,
}

/// A host that was not entered: offline, or it did not answer. Its agents are unknown, not absent.
#[derive(Debug)]
pub struct UnreadHost {
    pub info: DiscoveredHost,
    pub error: Error,
}

/// What a list of targets led to.
#[derive(Debug, Default)]
pub struct Resolution {
    /// Each agent once, in the order of the targets; several matches of one target by host and name.
    pub matches: Vec<ResolvedAgent>,
    /// Hosts that were named as such (`@gpu`), each once.
    pub hosts: Vec<Host>,
    pub missing: Vec<Missing>,
    /// Records that could not be read on the hosts that were.
    pub damaged: Vec<DamagedAgent>,
    pub unread: Vec<UnreadHost>,
    pub failures: Vec<ProviderFailure>,
    pub asked: Vec<ProviderName>,
    /// Sentences for standard error.
    pub warnings: Vec<String>,
}

impl Resolution {
    /// Itself if every target matched.
    ///
    /// # Errors
    /// [`ResolveError::NotFound`], or [`ResolveError::Unproven`] when something could not be asked, or the
    /// damaged record that an id points at.
    pub fn all_found(mut self) -> Result<Self> {
        match self.take_error() {
            Some(error) => Err(error),
            None => Ok(self),
        }
    }

    /// Why the targets that matched nothing are missing; `None` if there are none. Takes the damaged
    /// records along when they are the reason.
    pub fn take_error(&mut self) -> Option<Error> {
        if self.missing.is_empty() {
            return None;
        }
        let is_wanted = |agent: &DamagedAgent| {
            self.missing.iter().any(|missing| missing.target.starts_with(agent.id.as_str()))
        };
        if let Some(index) = self.damaged.iter().position(is_wanted) {
            return Some(self.damaged.swap_remove(index).error);
        }
        Some(self.not_found().into())
    }

    /// The error of the missing targets.
    fn not_found(&self) -> ResolveError {
        let targets: Vec<String> = self.missing.iter().map(|missing| missing.target.clone()).collect();
        let silent: Vec<String> = self
            .failures
            .iter()
            .filter(|failure| failure.is_configured)
            .map(|failure| format!("provider `{}`", failure.provider))
            .chain(self.unread.iter().map(|host| format!("host `{}`", host.info.address())))
            .collect();
        if silent.is_empty() {
            ResolveError::NotFound {
                targets,
                is_by_id: self.missing.iter().all(|missing| missing.is_by_id),
                is_pinned: self.missing.iter().all(|missing| missing.is_pinned),
                asked: self.asked.iter().map(ToString::to_string).collect(),
                damaged: self.damaged.len(),
            }
        } else {
            ResolveError::Unproven {
                targets,
                silent,
                provider: self.failures.first().map(|failure| failure.provider.clone()),
            }
        }
    }

    /// Who did not answer, a row each: what is missing may be there.
    #[must_use]
    pub fn silent(&self) -> Vec<Failure> {
        let inaccessible = |what: String| Failure::new(FailureCategory::ProviderInaccessible, what);
        let providers = self.failures.iter().filter(|failure| failure.is_configured).map(|failure| {
            inaccessible(format!("provider `{}` did not answer: {}", failure.provider, failure.error))
        });
        let hosts = self.unread.iter().map(|host| {
            inaccessible(format!("host `{}` did not answer: {}", host.info.address(), host.error))
        });
        providers.chain(hosts).collect()
    }

    /// The matches of each host together, hosts in the order in which they must be locked (by id).
    #[must_use]
    pub fn by_host(&self) -> Vec<HostGroup> {
        group_by_host(self.matches.iter().cloned())
    }
}

/// Agents grouped by host, hosts in the order in which they must be locked (by id).
#[must_use]
pub fn group_by_host(agents: impl IntoIterator<Item = ResolvedAgent>) -> Vec<HostGroup> {
    let mut groups: Vec<HostGroup> = Vec::new();
    for agent in agents {
        match groups.iter_mut().find(|group| group.host.info.id == agent.host.info.id) {
            Some(group) => group.records.push(agent.record),
            None => groups.push(HostGroup { host: agent.host, records: vec![agent.record] }),
        }
    }
    order::sort_by(&mut groups, |a, b| a.host.info.id.cmp(&b.host.info.id));
    groups
}

/// Every agent that the addresses match; one that matches several agents means all of them. Nothing is
/// decided about what is missing: see [`Resolution::all_found`].
///
/// # Errors
/// An address names a provider that does not exist or is disabled.
pub async fn agents(ctx: &Ctx, targets: &[AgentAddress]) -> Result<Resolution> {
    let targets: Vec<AgentOrHost> = targets.iter().cloned().map(AgentOrHost::Agent).collect();
    self::targets(ctx, &targets).await
}

/// The one agent that an address means.
///
/// # Errors
/// None matches, or several do: [`ResolveError::Ambiguous`] lists each.
pub async fn one(ctx: &Ctx, target: &AgentAddress) -> Result<ResolvedAgent> {
    let mut found = agents(ctx, std::slice::from_ref(target)).await?.all_found()?;
    if found.matches.len() > 1 {
        let matches = found.matches.iter().map(ResolvedAgent::full_address).collect();
        return Err(ResolveError::Ambiguous { target: target.to_string(), matches }.into());
    }
    found.matches.pop().ok_or_else(|| found.not_found().into())
}

/// The one host that an address means.
///
/// # Errors
/// As [`one`].
pub async fn one_host(ctx: &Ctx, address: &HostAddress) -> Result<Host> {
    let target = AgentOrHost::Host(address.clone());
    let mut found = targets(ctx, std::slice::from_ref(&target)).await?.all_found()?;
    if found.hosts.len() > 1 {
        let matches =
            found.hosts.iter().map(|host| format!("@{} ({})", host.info.address(), host.info.id)).collect();
        return Err(ResolveError::Ambiguous { target: target.to_string(), matches }.into());
    }
    found.hosts.pop().ok_or_else(|| found.not_found().into())
}

/// As [`agents`], for arguments that may also name hosts.
///
/// # Errors
/// As [`agents`].
#[tracing::instrument(skip_all, fields(targets = targets.len()))]
pub async fn targets(ctx: &Ctx, targets: &[AgentOrHost]) -> Result<Resolution> {
    if targets.is_empty() {
        return Ok(Resolution::default());
    }
    let is_pinned =
        targets.iter().all(|target| matches!(target, AgentOrHost::Agent(agent) if agent.is_pinned()));
    let (discovery, warnings) = if is_pinned {
        pinned_hosts(ctx, targets).await?
    } else {
        discover::hosts(ctx, &scope_of(targets)).await?
    };
    let mut found = Resolution {
        failures: discovery.failures,
        asked: discovery.asked,
        warnings,
        ..Resolution::default()
    };

    let mut hosts = discovery.hosts;
    for address in targets.iter().filter_map(host_of) {
        if !address.is_local() && !hosts.iter().any(|host| is_host(address, host)) {
            hosts.extend(discover::named(ctx, address)?);
        }
    }
    let wanted: Vec<DiscoveredHost> =
        hosts.into_iter().filter(|host| targets.iter().any(|target| may_be_on(target, host))).collect();
    let read =
        fan_out(wanted.clone(), ctx.limits.parallel, ctx.limits.probe, |info| enter(ctx, info, targets))
            .await;
    let mut hosts = Vec::new();
    for (info, result) in wanted.into_iter().zip(read) {
        match result {
            Ok(host) => hosts.push(host),
            Err(error) => found.unread.push(UnreadHost { info, error }),
        }
    }
    take_matches(&mut found, hosts, targets);
    Ok(found)
}

/// Sorts the agents of the hosts that were read into matches, missing and damaged.
fn take_matches(found: &mut Resolution, hosts: Vec<(Host, Vec<AgentEntry>)>, targets: &[AgentOrHost]) {
    let mut seen = BTreeSet::new();
    for target in targets {
        let mut is_found = false;
        match target {
            AgentOrHost::Host(address) => {
                for (host, _) in hosts.iter().filter(|(host, _)| is_host(address, &host.info)) {
                    is_found = true;
                    if found.hosts.iter().all(|known| known.info.id != host.info.id) {
                        found.hosts.push(host.clone());
                    }
                }
            }
            AgentOrHost::Agent(address) => {
                for (host, entries) in hosts.iter().filter(|(host, _)| is_on(address, &host.info)) {
                    let records = entries.iter().filter_map(|entry| entry.record.as_ref().ok());
                    for record in records.filter(|record| address.agent.matches(&record.name, &record.id)) {
                        is_found = true;
                        let agent = ResolvedAgent { host: host.clone(), record: record.clone() };
                        if seen.insert(agent.key()) {
                            found.matches.push(agent);
                        }
                    }
                }
            }
        }
        if !is_found {
            found.missing.push(missing(target));
        }
    }
    for (host, entries) in hosts {
        for entry in entries {
            if let Err(error) = entry.record {
                found.damaged.push(DamagedAgent { host: host.clone(), id: entry.id, error });
            }
        }
    }
}

fn missing(target: &AgentOrHost) -> Missing {
    let (is_by_id, is_pinned) = match target {
        AgentOrHost::Agent(agent) => (agent.is_by_id(), agent.is_pinned()),
        AgentOrHost::Host(host) => (host.host.as_ref().is_some_and(|host| host.id().is_some()), false),
    };
    Missing { target: target.to_string(), is_by_id, is_pinned }
}

/// Opens a host and reads the agents that the targets may mean: only theirs when all are ids.
async fn enter(ctx: &Ctx, info: DiscoveredHost, targets: &[AgentOrHost]) -> Result<(Host, Vec<AgentEntry>)> {
    if info.state != HostState::Running {
        return Err(ResolveError::HostNotRunning { host: info.address(), state: info.state }.into());
    }
    let host = ctx.open_host(&info).await?;
    let wanted: Vec<&AgentAddress> = targets
        .iter()
        .filter_map(|target| match target {
            AgentOrHost::Agent(address) if is_on(address, &info) => Some(address),
            _ => None,
        })
        .collect();
    let ids: Option<BTreeSet<&AgentId>> = wanted.iter().map(|address| address.agent.id()).collect();
    let entries = match ids {
        None => host.agents().await?,
        Some(ids) => host.agents_of(&ids.into_iter().collect::<Vec<_>>()).await?,
    };
    Ok((host, entries))
}

/// The hosts of addresses that all pin theirs: nothing else is asked.
async fn pinned_hosts(ctx: &Ctx, targets: &[AgentOrHost]) -> Result<(discover::Discovery, Vec<String>)> {
    let pins: BTreeSet<(ProviderName, HostId)> = targets
        .iter()
        .filter_map(|target| match target {
            AgentOrHost::Agent(agent) => agent.host.as_ref(),
            AgentOrHost::Host(host) => Some(host),
        })
        .filter_map(|host| Some((host.provider.clone()?, host.host.as_ref()?.id()?.clone())))
        .collect();
    let pins: Vec<_> = pins.into_iter().collect();
    for (provider, _) in &pins {
        ctx.provider(provider)?;
    }
    let answers = fan_out(pins.clone(), ctx.limits.parallel, ctx.limits.probe, |(provider, id)| async move {
        ctx.provider(&provider)?.find_host(&id).await
    })
    .await;
    let mut discovery = discover::Discovery::default();
    for ((provider, _), answer) in pins.into_iter().zip(answers) {
        match answer {
            Ok(host) => discovery.hosts.extend(host),
            Err(error) => discovery.failures.push(ProviderFailure {
                provider: provider.clone(),
                error,
                is_configured: true,
            }),
        }
        if !discovery.asked.contains(&provider) {
            discovery.asked.push(provider);
        }
    }
    Ok((discovery, Vec::new()))
}

/// Only the providers that the addresses name, if all name one.
fn scope_of(targets: &[AgentOrHost]) -> discover::Scope {
    let named: Option<Vec<ProviderName>> = targets
        .iter()
        .map(|target| {
            let host = match target {
                AgentOrHost::Agent(agent) => agent.host.as_ref()?,
                AgentOrHost::Host(host) => host,
            };
            match &host.provider {
                Some(provider) => Some(provider.clone()),
                None => host.is_local().then(|| ProviderName::stored(LOCAL_PROVIDER)),
            }
        })
        .collect();
    discover::Scope::of(named.unwrap_or_default())
}

/// The host that a target names.
fn host_of(target: &AgentOrHost) -> Option<&HostAddress> {
    match target {
        AgentOrHost::Agent(agent) => agent.host.as_ref(),
        AgentOrHost::Host(host) => Some(host),
    }
}

fn may_be_on(target: &AgentOrHost, host: &DiscoveredHost) -> bool {
    match target {
        AgentOrHost::Agent(address) => is_on(address, host),
        AgentOrHost::Host(address) => is_host(address, host),
    }
}

fn is_on(address: &AgentAddress, host: &DiscoveredHost) -> bool {
    address.host.as_ref().is_none_or(|wanted| is_host(wanted, host))
}

/// Whether a host is the one that an address means. This machine answers to its own names whatever it was
/// renamed to.
#[must_use]
pub fn is_host(address: &HostAddress, host: &DiscoveredHost) -> bool {
    is_host_of(address, &host.id, &host.name, &host.provider)
}

/// As [`is_host`].
pub(super) fn is_host_of(
    address: &HostAddress,
    id: &HostId,
    name: &HostName,
    provider: &ProviderName,
) -> bool {
    let is_here = provider.as_str() == LOCAL_PROVIDER;
    address.provider.as_ref().is_none_or(|wanted| wanted == provider)
        && address
            .host
            .as_ref()
            .is_none_or(|wanted| wanted.matches(name, id) || (is_here && wanted.is_local_alias()))
}

#[cfg(test)]
mod tests;
