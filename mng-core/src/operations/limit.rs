//! `mng limit`: idle settings of hosts, start-on-boot and permissions of agents.

use std::collections::BTreeSet;

use serde::Serialize;

use super::edit::edit_records;
use super::resolve::{ResolvedAgent, group_by_host};
use crate::hosts::{Host, HostLock};
use crate::model::error::Result;
use crate::model::event::Events;
use crate::model::failure::{Failure, FailureCategory};
use crate::model::order;
use crate::model::state::{ActivitySource, IdleMode};
use crate::plugins::Ctx;

/// How a host's idle settings change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostLimits {
    /// Seconds.
    pub idle_timeout: Option<u64>,
    pub idle_mode: Option<IdleMode>,
    /// Replaces the set; beats `idle_mode`.
    pub activity_sources: Option<Vec<ActivitySource>>,
    pub add_sources: Vec<ActivitySource>,
    pub remove_sources: Vec<ActivitySource>,
}

impl HostLimits {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The set of sources after the change, in the stored order.
    fn sources(&self, current: &[ActivitySource]) -> Vec<ActivitySource> {
        if let Some(sources) = &self.activity_sources {
            return sources.clone();
        }
        if let Some(sources) = self.idle_mode.and_then(IdleMode::sources) {
            return sources.to_vec();
        }
        let mut sources: Vec<ActivitySource> =
            current.iter().copied().filter(|source| !self.remove_sources.contains(source)).collect();
        for source in &self.add_sources {
            if !sources.contains(source) {
                sources.push(*source);
            }
        }
        sources
    }
}

/// How agents change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AgentLimits {
    pub start_on_boot: Option<bool>,
    pub grant: Vec<String>,
    pub revoke: Vec<String>,
}

impl AgentLimits {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[derive(Clone, Debug)]
pub struct LimitRequest {
    pub agents: Vec<ResolvedAgent>,
    /// Hosts named as such; the hosts of `agents` are added for host settings.
    pub hosts: Vec<Host>,
    pub host_limits: HostLimits,
    pub agent_limits: AgentLimits,
}

/// One change that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum LimitChange {
    HostActivityConfig { host_id: String },
    AgentStartOnBoot { agent_id: String, agent_name: String, start_on_boot: bool },
    AgentPermissions { agent_id: String, agent_name: String, permissions: Vec<String> },
}

#[derive(Debug, Default, Serialize)]
pub struct LimitReport {
    pub changes: Vec<LimitChange>,
    pub count: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<Failure>,
}

/// Applies limits: host settings once a host, agent settings to every agent.
///
/// # Errors
/// None of its own: what could not be changed is a row in `failures`.
pub async fn limit(ctx: &Ctx, request: LimitRequest, events: &Events) -> Result<LimitReport> {
    let mut report = LimitReport::default();
    let mut hosts = request.hosts;
    for group in group_by_host(request.agents.clone()) {
        if hosts.iter().all(|host| host.info.id != group.host.info.id) {
            hosts.push(group.host);
        }
    }
    if !request.host_limits.is_empty() {
        for host in &hosts {
            if host.is_local() {
                events.warning(format!(
                    "host {} is this machine: its idle settings are stored, but mng never stops it",
                    host.info.name
                ));
            } else if !ctx.provider(&host.info.provider)?.stops_idle_hosts() {
                events.warning(format!(
                    "nothing stops host {}: its idle settings are stored for the day when `providers.{}` has a `shutdown_command`",
                    host.info.address(), host.info.provider
                ));
            }
        }
        order::sort_by(&mut hosts, |a, b| a.info.id.cmp(&b.info.id));
        for host in &hosts {
            match limit_host(host, &request.host_limits, events).await {
                Ok(()) => {
                    report.changes.push(LimitChange::HostActivityConfig { host_id: host.info.id.to_string() })
                }
                Err(error) => report.failures.push(Failure {
                    host_id: Some(host.info.id.to_string()),
                    ..Failure::new(FailureCategory::Other, error.to_string())
                }),
            }
        }
    }
    if !request.agent_limits.is_empty() {
        limit_agents(ctx, request.agents, &request.agent_limits, events, &mut report).await;
    }
    report.count = report.changes.len();
    Ok(report)
}

async fn limit_host(host: &Host, limits: &HostLimits, events: &Events) -> Result<()> {
    let lock = host.lock(Some(HostLock::OTHERS), events).await?;
    host.update_record(&lock, |record| {
        record.activity_sources = limits.sources(&record.activity_sources);
        if let Some(seconds) = limits.idle_timeout {
            record.idle_timeout_seconds = seconds;
        }
    })
    .await
}

async fn limit_agents(
    ctx: &Ctx,
    agents: Vec<ResolvedAgent>,
    limits: &AgentLimits,
    events: &Events,
    report: &mut LimitReport,
) {
    let edited = edit_records(ctx, agents, events, |record| {
        if let Some(flag) = limits.start_on_boot {
            record.start_on_boot = flag;
        }
        let mut permissions: BTreeSet<String> = record.permissions.drain(..).collect();
        permissions.extend(limits.grant.iter().cloned());
        for permission in &limits.revoke {
            permissions.remove(permission);
        }
        record.permissions = permissions.into_iter().collect();
    })
    .await;
    for ResolvedAgent { record, .. } in &edited.agents {
        let (agent_id, agent_name) = (record.id.to_string(), record.name.to_string());
        if let Some(start_on_boot) = limits.start_on_boot {
            report.changes.push(LimitChange::AgentStartOnBoot {
                agent_id: agent_id.clone(),
                agent_name: agent_name.clone(),
                start_on_boot,
            });
        }
        if !limits.grant.is_empty() || !limits.revoke.is_empty() {
            let permissions = record.permissions.clone();
            report.changes.push(LimitChange::AgentPermissions { agent_id, agent_name, permissions });
        }
    }
    report.failures.extend(edited.failures);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn explicit_sources_beat_the_mode_and_the_mode_beats_single_changes() {
        use ActivitySource::{Agent, Boot, User};
        let all = HostLimits {
            activity_sources: Some(vec![User]),
            idle_mode: Some(IdleMode::Boot),
            add_sources: vec![Agent],
            ..HostLimits::default()
        };
        assert_eq!(all.sources(&[Boot]), [User]);
        let mode = HostLimits { activity_sources: None, ..all.clone() };
        assert_eq!(mode.sources(&[Agent]), [Boot]);
        let single =
            HostLimits { idle_mode: None, remove_sources: vec![Boot], activity_sources: None, ..all };
        assert_eq!(single.sources(&[Boot, User]), [User, Agent]);
    }
}
