//! `mng stop`: ends agents and keeps their work.

use serde::Serialize;

use super::edit::{failure, reread};
use super::label::ARCHIVED_AT;
use super::resolve::{HostGroup, ResolvedAgent, group_by_host};
use crate::agents::stop::stop_agent;
use crate::hosts::{Host, HostLock, fan_out};
use crate::model::error::Result;
use crate::model::event::Events;
use crate::model::failure::Failure;
use crate::model::record::AgentRecord;
use crate::model::time::Time;
use crate::plugins::Ctx;
use crate::providers::ProviderError;

/// Which agents to end.
#[derive(Clone, Debug)]
pub struct StopRequest {
    /// An agent that is stopped already counts as stopped.
    pub agents: Vec<ResolvedAgent>,
    /// Also set the label `archived_at`.
    pub archive: bool,
}

/// What happened. The field names are the JSON contract.
#[derive(Debug, Default, Serialize)]
pub struct StopReport {
    pub stopped_agents: Vec<String>,
    pub count: usize,
    /// Leftovers, not refusals: each names what remains and where.
    pub failures: Vec<Failure>,
    pub failure_count: usize,
    pub exit_code: u8,
}

impl StopReport {
    /// The report with rows for what could not even be found.
    #[must_use]
    pub fn with(mut self, failures: Vec<Failure>) -> Self {
        self.failures.extend(failures);
        self.finish()
    }

    fn finish(mut self) -> Self {
        self.count = self.stopped_agents.len();
        self.failure_count = self.failures.len();
        self.exit_code = Failure::exit_code(&self.failures);
        self
    }
}

/// Stops every agent: its whole process tree, then its tmux session. Work dir, branch, state dir and
/// conversation stay.
///
/// Hosts are worked on at the same time, each under its lock; so are the agents of a host, because ending
/// one may take the whole grace period.
///
/// # Errors
/// None of its own: what could not be ended is a row in `failures` and keeps no other agent running.
#[tracing::instrument(skip_all, fields(agents = request.agents.len()))]
pub async fn stop(ctx: &Ctx, request: StopRequest, events: &Events) -> Result<StopReport> {
    let archive = request.archive;
    let groups = group_by_host(request.agents);
    let seen = groups.clone();
    // One agent's deadline is not enough for a host with many: they run in batches of `parallel`.
    let deadline = |group: &HostGroup| {
        let batches = group.records.len().div_ceil(ctx.limits.parallel).max(1);
        HostLock::OTHERS + ctx.limits.stop * u32::try_from(batches).unwrap_or(u32::MAX)
    };
    let longest = seen.iter().map(deadline).max().unwrap_or(ctx.limits.stop);
    let done =
        fan_out(groups, ctx.limits.parallel, longest, |group| stop_group(ctx, group, archive, events)).await;
    let mut report = StopReport::default();
    for (group, result) in seen.iter().zip(done) {
        match result {
            Ok((stopped, failures)) => {
                report.stopped_agents.extend(stopped);
                report.failures.extend(failures);
            }
            Err(error) => {
                report
                    .failures
                    .extend(group.records.iter().map(|record| failure(&group.host, record, &error)));
            }
        }
    }
    Ok(report.finish())
}

async fn stop_group(
    ctx: &Ctx,
    group: HostGroup,
    archive: bool,
    events: &Events,
) -> Result<(Vec<String>, Vec<Failure>)> {
    let HostGroup { host, records } = group;
    let lock = host.lock(Some(HostLock::OTHERS), events).await?;
    let seen = records.clone();
    let done = fan_out(records, ctx.limits.parallel, ctx.limits.stop, |record| {
        let (host, lock) = (&host, &lock);
        async move { stop_one(ctx, host, lock, &record, archive).await }
    })
    .await;
    let (mut stopped, mut failures) = (Vec::new(), Vec::new());
    for (record, result) in seen.iter().zip(done) {
        match result {
            Ok(left) if left.is_empty() => stopped.push(record.name.to_string()),
            Ok(left) => failures.extend(left),
            Err(error) => failures.push(failure(&host, record, &error)),
        }
    }
    Ok((stopped, failures))
}

async fn stop_one(
    ctx: &Ctx,
    host: &Host,
    lock: &HostLock,
    seen: &AgentRecord,
    archive: bool,
) -> Result<Vec<Failure>> {
    let mut record = reread(host, seen).await?;
    let left = stop_agent(host, lock, &record, ctx.limits.stop_grace).await?;
    if archive && left.is_empty() {
        record.labels.insert(ARCHIVED_AT.into(), Time::now().with_offset());
        host.write_agent(lock, &record).await?;
    }
    Ok(left)
}

/// What `stop --stop-host` did.
#[derive(Debug, Default, Serialize)]
pub struct StopHostsReport {
    pub stopped_hosts: Vec<String>,
    pub count: usize,
    pub failures: Vec<Failure>,
    pub failure_count: usize,
    pub exit_code: u8,
}

/// Stops whole hosts through their providers, without entering them and without a snapshot.
///
/// # Errors
/// A host cannot be stopped by its provider (this machine above all); then none is.
pub async fn stop_hosts(ctx: &Ctx, hosts: Vec<Host>) -> Result<StopHostsReport> {
    let mut providers = Vec::new();
    for host in &hosts {
        if host.is_local() {
            return Err(ProviderError::LocalNotStoppable { host: host.info.name.to_string() }.into());
        }
        let provider = ctx.provider(&host.info.provider)?;
        if !provider.capabilities().shutdown {
            return Err(ProviderError::unsupported(&host.info.provider, &host.info, "stopping hosts").into());
        }
        providers.push(provider);
    }
    let mut report = StopHostsReport::default();
    let pairs: Vec<_> = hosts.iter().zip(providers).collect();
    let done = fan_out(pairs, ctx.limits.parallel, ctx.limits.stop, |(host, provider)| async move {
        provider.stop_host(&host.info).await
    })
    .await;
    for (host, result) in hosts.iter().zip(done) {
        match result {
            Ok(()) => report.stopped_hosts.push(host.info.name.to_string()),
            Err(error) => report.failures.push(Failure {
                host_id: Some(host.info.id.to_string()),
                ..Failure::new(crate::model::failure::FailureCategory::HostResourceRemains, error.to_string())
            }),
        }
    }
    report.count = report.stopped_hosts.len();
    report.failure_count = report.failures.len();
    report.exit_code = Failure::exit_code(&report.failures);
    Ok(report)
}
