//! Files that are only worth their space for a while: rotated logs, caches, leftovers of interrupted writes.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::report::{FileItem, GcReport, RemainsItem};
use super::tell;
use crate::hosts::Host;
use crate::model::error::Result;
use crate::model::event::Events;
use crate::model::failure::{Failure, FailureCategory};
use crate::model::ids::AgentId;
use crate::model::time::Time;
use crate::plugins::Ctx;
use crate::transports::{FileKind, FileStat, LocalTransport, Transport};

/// How long rotated logs are kept.
const LOG_AGE: Duration = Duration::from_secs(30 * 86_400);
/// Younger temporary files may belong to a transfer that is under way without the host's lock.
const TEMP_AGE: Duration = Duration::from_secs(86_400);

/// Rotated logs under `H/events/logs` that are older than 30 days. The live file is never touched.
pub(super) async fn sweep_logs(
    host: &Host,
    is_dry_run: bool,
    report: &mut GcReport,
    events: &Events,
) -> Result<()> {
    let root = host.layout.events().join("logs");
    for program in host.transport.list_dir(&root).await? {
        let dir = root.join(program);
        for name in host.transport.list_dir(&dir).await? {
            let path = dir.join(&name);
            let Some(stat) = host.transport.stat(&path).await? else { continue };
            if stat.kind != FileKind::File || !is_rotated_log(&name) || age(&stat) < LOG_AGE {
                continue;
            }
            if !is_dry_run {
                host.transport.remove_file(&path).await?;
            }
            let item = FileItem { path, size_bytes: stat.size, created_at: Some(stat.modified.into()) };
            tell(events, is_dry_run, "log", &item.path.display().to_string(), &item);
            report.logs_destroyed.push(item);
        }
    }
    Ok(())
}

/// `NAME.<digits>`: what rotation makes of `NAME`.
fn is_rotated_log(name: &str) -> bool {
    name.rsplit_once('.')
        .is_some_and(|(_, time)| !time.is_empty() && time.bytes().all(|byte| byte.is_ascii_digit()))
}

fn age(stat: &FileStat) -> Duration {
    SystemTime::now().duration_since(stat.modified).unwrap_or_default()
}

/// Names under `H/tmp` that are only used under the host's lock: trash of removals, scratch of merges.
const LOCKED_NAMES: [&str; 3] = ["removed-", "scratch-", "merged-"];

/// What is under `H/tmp` and nobody writes any more. State dirs in the making, and what is only used under
/// the lock, belong to a command that was killed: nobody holds the lock but the caller.
pub(super) async fn sweep_tmp(
    host: &Host,
    is_dry_run: bool,
    report: &mut GcReport,
    events: &Events,
) -> Result<()> {
    let root = host.layout.tmp();
    for name in host.transport.list_dir(&root).await? {
        let path = root.join(&name);
        let Some(stat) = host.transport.stat(&path).await? else { continue };
        let is_under_lock =
            name.parse::<AgentId>().is_ok() || LOCKED_NAMES.iter().any(|prefix| name.starts_with(prefix));
        if !is_under_lock && age(&stat) < TEMP_AGE {
            continue;
        }
        if !is_dry_run {
            host.transport.remove_tree(&path).await?;
        }
        tell_remains(host, is_dry_run, name, path, report, events);
    }
    Ok(())
}

/// Temporary siblings of state files (`.NAME.<32 hex>.tmp`) that a killed writer left in `H` or in a state dir.
pub(super) async fn sweep_unfinished_writes(
    host: &Host,
    is_dry_run: bool,
    report: &mut GcReport,
    events: &Events,
) -> Result<()> {
    let mut dirs = vec![host.layout.root().to_path_buf(), host.layout.journal()];
    for name in host.transport.list_dir(&host.layout.agents()).await? {
        if let Ok(id) = name.parse::<AgentId>() {
            dirs.push(host.layout.agent(&id));
        }
    }
    for dir in dirs {
        for name in host.transport.list_dir(&dir).await? {
            let path = dir.join(&name);
            if !is_unfinished_write(&name) {
                continue;
            }
            let Some(stat) = host.transport.stat(&path).await? else { continue };
            if stat.kind != FileKind::File || age(&stat) < TEMP_AGE {
                continue;
            }
            if !is_dry_run {
                host.transport.remove_file(&path).await?;
            }
            tell_remains(host, is_dry_run, name, path, report, events);
        }
    }
    Ok(())
}

fn is_unfinished_write(name: &str) -> bool {
    name.strip_prefix('.')
        .and_then(|rest| rest.strip_suffix(".tmp"))
        .and_then(|rest| rest.rsplit_once('.'))
        .is_some_and(|(_, hex)| hex.len() == 32 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Reports something half-made.
pub(super) fn tell_remains(
    host: &Host,
    is_dry_run: bool,
    name: String,
    path: PathBuf,
    report: &mut GcReport,
    events: &Events,
) {
    let item =
        RemainsItem { name, path, host_id: host.info.id.clone(), provider_name: host.info.provider.clone() };
    tell(events, is_dry_run, "remains", &item.path.display().to_string(), &item);
    report.remains_destroyed.push(item);
}

/// Entries of `profiles/<id>/providers/*/cache/` on this machine.
pub(super) async fn sweep_build_cache(ctx: &Ctx, is_dry_run: bool, report: &mut GcReport, events: &Events) {
    let Some(profile) = &ctx.profile else { return };
    let providers = profile.dir.join("providers");
    let here = LocalTransport;
    for provider in here.list_dir(&providers).await.unwrap_or_default() {
        let cache = providers.join(provider).join("cache");
        for name in here.list_dir(&cache).await.unwrap_or_default() {
            let path = cache.join(name);
            let (size_bytes, modified) = tree_size(&path).await;
            if !is_dry_run && let Err(error) = here.remove_tree(&path).await {
                report.fail(Failure::new(FailureCategory::LocalStateRemains, error.to_string()));
                continue;
            }
            let item = FileItem { path, size_bytes, created_at: modified };
            tell(events, is_dry_run, "build_cache", &item.path.display().to_string(), &item);
            report.build_cache_destroyed.push(item);
        }
    }
}

/// Bytes of all files of a tree on this machine, and when its root changed last. Links are not followed; what
/// cannot be read counts nothing.
pub(super) async fn tree_size(path: &Path) -> (u64, Option<Time>) {
    fn bytes(path: &Path) -> u64 {
        let Ok(meta) = std::fs::symlink_metadata(path) else { return 0 };
        if !meta.is_dir() {
            return meta.len();
        }
        let Ok(entries) = std::fs::read_dir(path) else { return 0 };
        entries.flatten().map(|entry| bytes(&entry.path())).sum()
    }
    let path = path.to_path_buf();
    let count = tokio::task::spawn_blocking(move || {
        let modified = std::fs::symlink_metadata(&path).and_then(|meta| meta.modified()).ok();
        (bytes(&path), modified.map(Time::from))
    });
    count.await.unwrap_or_default()
}
