//! Removes what nobody needs any more. What is unknown is never taken for unused: a provider that does not
//! answer, a record that cannot be read and a lock that cannot be had each keep what they may stand for.

mod files;
mod host;
mod remains;
mod report;
mod work_dirs;

use std::collections::BTreeSet;

use serde_json::json;

use super::discover::{self, Scope};
use crate::hosts::fan_out;
use crate::model::error::Result;
use crate::model::event::{Event, Events};
use crate::model::failure::{Failure, FailureCategory};
use crate::model::ids::HostId;
use crate::model::state::HostState;
use crate::plugins::Ctx;

pub use report::{FileItem, GcReport, ProcessItem, RemainsItem, UndoItem, WorkDirItem};

/// A kind of garbage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// What a create, destroy or rename that was killed left half-made.
    Remains,
    /// Work dirs that mng made and no agent uses, and clones made as their source.
    WorkDir,
    Machine,
    Snapshot,
    Volume,
    /// Rotated logs.
    Log,
    BuildCache,
    ProviderResource,
    /// Processes of agents that are gone.
    Process,
    /// What `mng undo` could bring back and is too old.
    Undo,
}

impl Kind {
    /// Every kind, in the order in which they are cleaned: what a dead process holds goes first.
    pub const ALL: [Self; 10] = [
        Self::Process,
        Self::Remains,
        Self::WorkDir,
        Self::Machine,
        Self::Snapshot,
        Self::Volume,
        Self::Log,
        Self::BuildCache,
        Self::ProviderResource,
        Self::Undo,
    ];

    /// What progress lines call it.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Process => "stray processes",
            Self::Remains => "remains of killed commands",
            Self::WorkDir => "work directories",
            Self::Machine => "machines",
            Self::Snapshot => "snapshots",
            Self::Volume => "volumes",
            Self::Log => "logs",
            Self::BuildCache => "build cache",
            Self::ProviderResource => "provider resources",
            Self::Undo => "expired undo data",
        }
    }
}

/// What to clean.
#[derive(Clone, Debug)]
pub struct GcRequest {
    pub scope: Scope,
    pub kinds: BTreeSet<Kind>,
    /// Only say what would go.
    pub is_dry_run: bool,
    /// End at the first failure.
    pub is_aborting: bool,
}

impl GcRequest {
    /// Everything, everywhere.
    #[must_use]
    pub fn everything() -> Self {
        Self {
            scope: Scope::Active,
            kinds: Kind::ALL.into_iter().collect(),
            is_dry_run: false,
            is_aborting: false,
        }
    }

    fn has(&self, kind: Kind) -> bool {
        self.kinds.contains(&kind)
    }
}

/// Cleans every host of the providers, and the caches of this machine. Each host is looked at under its lock,
/// so that nothing that is alive or being made is touched. Items are sent as events as they go.
///
/// # Errors
/// A provider is named that does not exist; or, when aborting, the first failure.
#[tracing::instrument(skip_all, fields(dry_run = request.is_dry_run))]
pub async fn gc(ctx: &Ctx, request: &GcRequest, events: &Events) -> Result<GcReport> {
    let (discovery, warnings) = discover::hosts(ctx, &request.scope).await?;
    for warning in warnings {
        events.warning(warning);
    }
    let mut report = GcReport { dry_run: request.is_dry_run, ..GcReport::default() };
    // One that cannot be reached is told of and ends nothing, whatever `is_aborting` says.
    for failure in discovery.failures.into_iter().filter(|failure| failure.is_configured) {
        report.fail(Failure::new(FailureCategory::ProviderInaccessible, failure.error.to_string()));
    }
    let mut live: Vec<_> =
        discovery.hosts.into_iter().filter(|host| host.state == HostState::Running).collect();
    // Only to take away what has expired there; nobody misses their answer.
    let left = discover::left_hosts(ctx, &request.scope)?;
    let is_left: BTreeSet<HostId> = left.iter().map(|host| host.id.clone()).collect();
    live.extend(left);
    let swept = fan_out(live.clone(), ctx.limits.parallel, host::DEADLINE, |info| async move {
        let host = ctx.open_host(&info).await?;
        host::sweep(ctx, &host, request, events).await
    })
    .await;
    for (info, result) in live.into_iter().zip(swept) {
        match result {
            Ok(part) => report.add(part),
            Err(error) => {
                let is_silent = discover::is_inaccessible(&error);
                if is_silent && is_left.contains(&info.id) {
                    tracing::debug!(host = %info.address(), %error, "a host without agents does not answer");
                    continue;
                }
                if request.is_aborting && !is_silent {
                    return Err(error);
                }
                let category =
                    if is_silent { FailureCategory::ProviderInaccessible } else { FailureCategory::Other };
                let message = format!("host `{}`: {error}", info.address());
                let host_id = Some(info.id.to_string());
                report.fail(Failure { host_id, ..Failure::new(category, message) });
            }
        }
    }
    if request.has(Kind::BuildCache) {
        events.info(format!("Cleaning {}...", Kind::BuildCache.title()));
        files::sweep_build_cache(ctx, request.is_dry_run, &mut report, events).await;
    }
    report.finish();
    Ok(report)
}

/// Tells of one item that went or would go.
fn tell(events: &Events, is_dry_run: bool, kind: &str, name: &str, resource: &impl serde::Serialize) {
    let verb = if is_dry_run { "Would destroy" } else { "Destroyed" };
    events.send(Event::Item(json!({
        "event": "destroyed",
        "message": format!("{verb} {}: {name}", kind.replace('_', " ")),
        "resource_type": kind,
        "resource": resource,
        "dry_run": is_dry_run,
    })));
}

#[cfg(test)]
mod tests;
