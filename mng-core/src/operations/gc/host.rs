//! One host, under its lock.

use std::time::Duration;

use super::files::sweep_logs;
use super::report::{GcReport, ProcessItem, UndoItem};
use super::{GcRequest, Kind, tell};
use crate::agents::stop::{end_strays, remove_empty_groups, strays};
use crate::hosts::{Host, HostLock, rescue};
use crate::model::error::{Error, Result};
use crate::model::event::Events;
use crate::model::failure::{Failure, FailureCategory};
use crate::model::time::Time;
use crate::plugins::Ctx;

/// Longest that cleaning one host may take, the wait for its lock included: removing a large tree is slow.
pub(super) const DEADLINE: Duration = Duration::from_secs(3600);

/// Cleans one host. One kind that fails is a failure row and keeps no other from being cleaned.
pub(super) async fn sweep(ctx: &Ctx, host: &Host, request: &GcRequest, events: &Events) -> Result<GcReport> {
    let mut pass = Pass { ctx, host, request, events, report: GcReport::default() };
    // A state dir that is not there holds nothing; taking the lock would make it.
    if host.transport.stat(host.layout.root()).await?.is_none() {
        return Ok(pass.report);
    }
    if request.has(Kind::Remains)
        && let Err(error) = pass.unfinished_destroys().await
    {
        pass.fail(Kind::Remains, &error);
    }
    // Looking changes nothing, and taking the lock would: it counts.
    let lock = match request.is_dry_run {
        true => None,
        false => Some(host.lock(Some(HostLock::OTHERS), events).await?),
    };
    for kind in Kind::ALL {
        if !request.has(kind) {
            continue;
        }
        if is_of_hosts(kind) {
            events.info(format!("Cleaning {}...", kind.title()));
        }
        if let Err(error) = pass.kind(kind, lock.as_ref()).await {
            if request.is_aborting {
                return Err(error);
            }
            pass.fail(kind, &error);
        }
    }
    Ok(pass.report)
}

/// Kinds that lie on a host, as opposed to with its provider or with this mng.
fn is_of_hosts(kind: Kind) -> bool {
    matches!(kind, Kind::Process | Kind::Remains | Kind::WorkDir | Kind::Log | Kind::Undo)
}

/// One host's clean-up under way.
pub(super) struct Pass<'a> {
    pub(super) ctx: &'a Ctx,
    pub(super) host: &'a Host,
    pub(super) request: &'a GcRequest,
    pub(super) events: &'a Events,
    pub(super) report: GcReport,
}

impl Pass<'_> {
    async fn kind(&mut self, kind: Kind, lock: Option<&HostLock>) -> Result<()> {
        let is_dry_run = self.request.is_dry_run;
        match kind {
            Kind::Process => self.processes(lock).await,
            Kind::Log => sweep_logs(self.host, is_dry_run, &mut self.report, self.events).await,
            Kind::Remains => self.remains(lock).await,
            Kind::WorkDir => self.work_dirs(lock).await,
            Kind::Undo => self.undo_entries(lock).await,
            // The local provider has none of these: its one host is this machine, which is never destroyed.
            Kind::Machine | Kind::Snapshot | Kind::Volume | Kind::ProviderResource => Ok(()),
            // Caches are this machine's, not a host's.
            Kind::BuildCache => Ok(()),
        }
    }

    /// Processes of agents that are provably gone, and the control groups they leave empty.
    async fn processes(&mut self, lock: Option<&HostLock>) -> Result<()> {
        let found = strays(self.host).await?;
        let mut failures = Vec::new();
        if let Some(lock) = lock {
            failures = end_strays(self.host, lock, &found, self.ctx.limits.stop_grace).await?;
            remove_empty_groups(self.host, lock).await?;
        }
        let host = &self.host.info;
        for stray in found {
            let item = ProcessItem {
                pid: stray.process.pid,
                name: stray.name,
                agent_id: stray.agent.to_string(),
                host_id: host.id.clone(),
                provider_name: host.provider.clone(),
            };
            let name = format!("{} (pid {}, of {})", item.name, item.pid, item.agent_id);
            tell(self.events, self.request.is_dry_run, "process", &name, &item);
            self.report.processes_destroyed.push(item);
        }
        for failure in failures {
            self.report.fail(failure);
        }
        Ok(())
    }

    /// What `mng undo` could bring back and has kept for longer than `rescue_keep`.
    async fn undo_entries(&mut self, lock: Option<&HostLock>) -> Result<()> {
        let (host, keep, now) = (self.host, self.ctx.settings.core.rescue_keep.0, Time::now());
        let expired = match lock {
            Some(lock) => rescue::expire(host, lock, keep, now, false).await?,
            None => {
                let mut entries = rescue::list(host).await?;
                entries.retain(|entry| entry.created_at.age(now) > keep);
                entries
            }
        };
        for entry in expired {
            let item = UndoItem {
                id: entry.id.to_string(),
                name: entry.agent_name().unwrap_or_default().to_owned(),
                host_id: host.info.id.clone(),
                provider_name: host.info.provider.clone(),
            };
            let name =
                if item.name.is_empty() { item.id.clone() } else { format!("{} ({})", item.name, item.id) };
            tell(self.events, lock.is_none(), "undo", &name, &item);
            self.report.undo_expired.push(item);
        }
        Ok(())
    }

    /// One thing that could not be removed; the others go on.
    pub(super) fn fail_on(&mut self, path: &std::path::Path, error: &Error) {
        let mut message = format!("cannot remove `{}`: {error}", path.display());
        for cause in error.causes() {
            message.push_str(": ");
            message.push_str(&cause);
        }
        let host_id = Some(self.host.info.id.to_string());
        self.report.fail(Failure { host_id, ..Failure::new(FailureCategory::LocalStateRemains, message) });
    }

    fn fail(&mut self, kind: Kind, error: &Error) {
        let mut message = format!("{}: {error}", kind.title());
        for cause in error.causes() {
            message.push_str(": ");
            message.push_str(&cause);
        }
        let category = match kind {
            Kind::Process => FailureCategory::ProcessesRemain,
            Kind::Remains | Kind::WorkDir => FailureCategory::LocalStateRemains,
            _ => FailureCategory::Other,
        };
        let mut failure = Failure::new(category, message);
        failure.host_id = Some(self.host.info.id.to_string());
        self.report.fail(failure);
    }
}
