//! What one provider has: its hosts, and on each host what one look saw.

use std::sync::Arc;

use futures_util::StreamExt as _;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::timeout;

#[cfg(test)]
use super::Wants;
use super::remembered::{self, HostUnseen};
use super::view::{AgentView, Cpu, ErrorRow, HostView, IdleView, Resource};
use super::{ListRequest, ListedHost, Part};
use crate::agents::facts::{AgentFacts, HostFacts};
use crate::agents::judge::judge;
use crate::hosts::{Host, LastSeenStore, as_completed};
use crate::model::error::{Error, ErrorClass, Result};
use crate::model::names::ProviderName;
use crate::model::order;
use crate::model::record::HostRecord;
use crate::model::state::HostState;
use crate::model::time::Time;
use crate::operations::discover::{ProviderFailure, is_configured, is_inaccessible};
use crate::operations::observe::look;
use crate::operations::resolve::{DamagedAgent, UnreadHost};
use crate::plugins::{AgentMoment, Ctx};
use crate::providers::{DiscoveredHost, HostResources, Provider, ProviderError, SshAccess};

/// Everything that one provider has, handed out host by host: one that does not answer holds up no other.
/// Nothing here fails: what could not be seen is an error row. The last part says so.
pub(super) async fn provider(
    ctx: &Ctx,
    request: &ListRequest,
    name: ProviderName,
    parts: &UnboundedSender<Part>,
) {
    let first = Part { provider: Some(name.clone()), started_at: Some(Time::now()), ..Part::default() };
    // Nobody hears it only when the listing was given up.
    let hand_on = |part: Part| drop(parts.send(part));
    let found = async {
        let provider = ctx.provider(&name)?;
        let hosts =
            timeout(ctx.limits.probe, provider.discover_hosts()).await.map_err(|_| slow(ctx, &name))??;
        Ok((provider, hosts))
    };
    let (provider, mut hosts) = match found.await {
        Ok(found) => found,
        Err(error) => {
            let mut part = Part { is_last: true, ..first };
            part.fail(ctx, request, name, error);
            return hand_on(part);
        }
    };
    order::sort_by(&mut hosts, |a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
    let store = provider.last_seen_dir().map(LastSeenStore::new);
    let mut left = hosts.len();
    if left == 0 {
        return hand_on(Part { is_last: true, ..first });
    }
    let work = |info| see(ctx, request, provider.as_ref(), info);
    let seen = as_completed(hosts.clone(), ctx.limits.hosts, ctx.limits.probe, work);
    let mut seen = std::pin::pin!(seen);
    while let Some((index, seen)) = seen.next().await {
        left -= 1;
        let mut part = Part {
            provider: first.provider.clone(),
            started_at: first.started_at,
            is_last: left == 0,
            ..Part::default()
        };
        let info = &hosts[index];
        let ssh = provider.ssh_access(info);
        match seen {
            Ok(seen) => {
                part.add(ctx, seen, ssh);
                if let Some(store) = &store {
                    remembered::keep(store, info, &part);
                }
            }
            Err(error) => {
                tracing::debug!(host = %info.address(), %error, "host not looked at");
                part.add_unseen(info, error, ssh, store.as_ref());
            }
        }
        order::sort_by(&mut part.agents, AgentView::listing_order);
        hand_on(part);
    }
}

fn slow(ctx: &Ctx, provider: &ProviderName) -> Error {
    ProviderError::Unavailable {
        provider: provider.clone(),
        reason: format!("no answer within {} s", ctx.limits.probe.as_secs()),
        remediation: None,
    }
    .into()
}

/// What one host has, as a part of its own.
#[cfg(test)]
pub(in crate::operations) async fn from_host(ctx: &Ctx, host: &Host) -> Part {
    let facts = look(ctx, host, None, Wants::default()).await.unwrap();
    let record = host.read_record().await;
    let mut part = Part::default();
    let seen =
        SeenHost { info: host.info.clone(), record, resources: None, live: Some((host.clone(), facts)) };
    part.add(ctx, seen, None);
    part
}

/// A host that was looked at, or that is not live and so has nothing to look at.
struct SeenHost {
    info: DiscoveredHost,
    record: Result<HostRecord>,
    resources: Option<Result<HostResources>>,
    live: Option<(Host, HostFacts)>,
}

async fn see(
    ctx: &Ctx,
    request: &ListRequest,
    provider: &dyn Provider,
    info: DiscoveredHost,
) -> Result<SeenHost> {
    if info.state != HostState::Running {
        let record = Ok(HostRecord::new(info.id.clone(), info.name.as_str()));
        return Ok(SeenHost { info, record, resources: None, live: None });
    }
    let host = ctx.open_host(&info).await?;
    if !host.is_local() {
        // All of it comes in the one round trip of the look.
        let mut facts = look(ctx, &host, None, request.wants).await?;
        let record =
            facts.record.take().unwrap_or_else(|| Ok(HostRecord::new(info.id.clone(), info.name.as_str())));
        let resources = facts.resources.take().map(Ok);
        return Ok(SeenHost { info, record, resources, live: Some((host, facts)) });
    }
    let resources = async {
        match request.wants.resources {
            true => Some(provider.resources(&info).await),
            false => None,
        }
    };
    let (facts, record, resources) =
        tokio::join!(look(ctx, &host, None, request.wants), host.read_record(), resources);
    Ok(SeenHost { info, record, resources, live: Some((host, facts?)) })
}

impl Part {
    fn fail(&mut self, ctx: &Ctx, request: &ListRequest, provider: ProviderName, error: Error) {
        let is_counted = is_configured(ctx, &request.scope, &provider);
        if !is_counted {
            tracing::debug!(%provider, %error, "provider passed over");
        }
        let told = Error::hinted(error.class(), error.to_string(), error.hint().unwrap_or_default());
        self.failures.push(ProviderFailure {
            provider: provider.clone(),
            error: told,
            is_configured: is_counted,
        });
        self.errors.push(ErrorRow {
            is_provider_inaccessible: is_inaccessible(&error),
            is_counted,
            ..ErrorRow::new(error).of_provider(&provider)
        });
    }

    fn add(&mut self, ctx: &Ctx, seen: SeenHost, ssh: Option<SshAccess>) {
        let SeenHost { info, record, resources, live } = seen;
        let mut view = HostView::unseen(&info, ssh);
        let idle = match record {
            Ok(record) => {
                view.take_record(&record);
                Arc::new(IdleView::of(&record))
            }
            Err(error) => {
                self.errors.push(ErrorRow::new(error).of_provider(&info.provider).of_host(&info.id));
                Arc::default()
            }
        };
        match resources {
            Some(Ok(resources)) => view.resource = Some(resource(resources)),
            Some(Err(error)) => tracing::warn!(host = %info.address(), %error, "resources not read"),
            None => {}
        }
        let Some((host, facts)) = live else {
            self.hosts.push(ListedHost { view: Arc::new(view), host: None });
            return;
        };
        view.take_facts(&facts);
        let view = Arc::new(view);
        for (id, error) in facts.damaged {
            let told = Error::hinted(error.class(), error.to_string(), error.hint().unwrap_or_default());
            self.errors.push(ErrorRow::new(told).of_provider(&info.provider).of_host(&info.id).of_agent(&id));
            self.damaged.push(DamagedAgent { host: host.clone(), id, error });
        }
        let agents = facts.agents.into_iter().map(|facts| agent(ctx, &host, facts, &view, &idle));
        self.agents.extend(agents);
        self.hosts.push(ListedHost { view, host: Some(host) });
    }

    /// A host that could not be looked at: what it has is unknown, and named as it was last seen.
    fn add_unseen(
        &mut self,
        info: &DiscoveredHost,
        error: Error,
        ssh: Option<SshAccess>,
        store: Option<&LastSeenStore>,
    ) {
        let mut view = HostView::unseen(info, ssh);
        view.state = match error.class() {
            ErrorClass::HostAuthentication => HostState::Unauthenticated,
            _ => HostState::Unknown,
        };
        let view = Arc::new(view);
        let remembered = store.and_then(|store| remembered::agents(store, info, &view));
        let unseen = HostUnseen::new(info, &error, remembered.as_ref());
        self.agents.extend(remembered.map(|seen| seen.agents).unwrap_or_default());
        self.hosts.push(ListedHost { view, host: None });
        let is_silent = is_inaccessible(&error)
            || matches!(error.class(), ErrorClass::HostConnection | ErrorClass::HostAuthentication);
        let row = ErrorRow::new(unseen.into()).of_provider(&info.provider).of_host(&info.id);
        self.errors.push(ErrorRow { is_provider_inaccessible: is_silent, ..row });
        self.unread.push(UnreadHost { info: info.clone(), error });
    }
}

fn agent(ctx: &Ctx, host: &Host, facts: AgentFacts, view: &Arc<HostView>, idle: &Arc<IdleView>) -> AgentView {
    let judged = judge(&facts);
    let mut reported = serde_json::Map::new();
    for enabled in ctx.registry.enabled() {
        let fields = enabled.plugin.agent_fields(ctx, AgentMoment { host, record: &facts.record });
        if !fields.is_empty() {
            reported.insert(enabled.descriptor.name.to_owned(), fields.into());
        }
    }
    AgentView {
        state: judged.state,
        waiting_reason: judged.waiting_reason,
        state_reason: Some(judged.reason),
        state_age: judged.age.map(|age| age.as_secs_f64()),
        pid: judged.pid,
        cpu_seconds: facts.usage.map(|usage| usage.cpu.as_secs_f64()),
        memory_bytes: facts.usage.map(|usage| usage.memory),
        url: facts.url,
        start_time: facts.activity.start,
        user_activity_time: facts.activity.user,
        agent_activity_time: facts.activity.agent,
        seen_at: facts.at,
        record: facts.record,
        reported,
        idle: Arc::clone(idle),
        host: Arc::clone(view),
    }
}

fn resource(seen: HostResources) -> Resource {
    Resource {
        cpu: Cpu { count: seen.cpu_count, frequency_ghz: seen.cpu_frequency_ghz },
        memory_gb: seen.memory_gb,
        disk_gb: seen.disk_gb,
        gpu: None,
    }
}

impl HostView {
    /// What the provider says of a host.
    fn unseen(info: &DiscoveredHost, ssh: Option<SshAccess>) -> Self {
        Self {
            id: info.id.clone(),
            name: info.name.clone(),
            provider_name: info.provider.clone(),
            state: info.state,
            image: None,
            tags: info.tags.clone(),
            boot_time: None,
            uptime_seconds: None,
            resource: None,
            ssh,
            snapshots: Vec::new(),
            is_locked: None,
            locked_time: None,
            plugin: serde_json::Map::new(),
            ssh_activity_time: None,
            failure_reason: None,
        }
    }

    fn take_record(&mut self, record: &HostRecord) {
        self.image.clone_from(&record.image);
        self.failure_reason.clone_from(&record.failure_reason);
        self.plugin.clone_from(&record.plugin);
        self.snapshots.clone_from(&record.snapshots);
    }

    fn take_facts(&mut self, facts: &HostFacts) {
        self.boot_time = facts.boot_time;
        self.uptime_seconds = facts.uptime.map(|uptime| uptime.as_secs_f64());
        self.is_locked = facts.is_locked;
        self.locked_time = facts.locked_time;
        self.ssh_activity_time = facts.ssh_activity;
    }
}

impl IdleView {
    fn of(record: &HostRecord) -> Self {
        Self {
            mode: Some(crate::model::state::IdleMode::of(&record.activity_sources)),
            timeout_seconds: Some(record.idle_timeout_seconds),
            sources: Some(record.activity_sources.clone()),
        }
    }
}
