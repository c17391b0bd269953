//! `mng undo`: brings back what a destroy took.

mod places;
#[cfg(test)]
mod tests;
mod view;

use serde::Serialize;

pub use view::{EntryView, RestoredView};

pub use crate::hosts::rescue::Only;

use super::create::env;
use super::list::remember;
use super::select;
use crate::hosts::git;
use crate::hosts::rescue::{self, Manifest, Reason};
use crate::hosts::{Host, HostLock};
use crate::model::error::{Error, Result};
use crate::model::event::Events;
use crate::model::order;
use crate::model::record::AgentRecord;
use crate::model::state::AgentState;
use crate::model::time::Time;
use crate::plugins::Ctx;
use crate::storage::fault;
use crate::transports::LocalTransport;

/// What to bring back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UndoRequest {
    /// An undo id, its beginning, or an agent's name or id; unset: the newest destroy of this repository
    /// that was not undone yet.
    pub what: Option<String>,
    pub only: Only,
}

/// What came back. The field names are the JSON contract.
#[derive(Clone, Debug, Serialize)]
pub struct UndoReport {
    pub undo_id: String,
    pub agent_id: Option<String>,
    pub agent_name: Option<String>,
    pub host_id: String,
    pub branch: Option<String>,
    pub work_dir: Option<String>,
    /// Variables of the agent whose values were not kept.
    pub missing_env: Vec<String>,
    /// What did not come back, one sentence each.
    pub notes: Vec<String>,
}

/// Everything that can be brought back, newest first, on every host that answers.
///
/// # Errors
/// The state dir cannot be read.
pub async fn entries(ctx: &Ctx) -> Result<Vec<EntryView>> {
    let now = Time::now();
    let keep = ctx.settings.core.rescue_keep.0;
    let mut all = match host(ctx).await? {
        Some(host) => rescue::list(&host).await?,
        None => Vec::new(),
    };
    let others = places::others(ctx).await?;
    all.extend(others.known.into_iter().flat_map(|(_, entries)| entries));
    order::sort_by(&mut all, |a, b| b.created_at.cmp(&a.created_at));
    Ok(all.iter().map(|entry| EntryView::of(entry, now, keep)).collect())
}

/// The entry that [`undo`] would bring back; nothing changes.
///
/// # Errors
/// There is none, or the text means several.
pub async fn preview(ctx: &Ctx, request: &UndoRequest) -> Result<EntryView> {
    let (_, entry) = places::find(ctx, request.what.as_deref()).await?;
    Ok(EntryView::of(&entry, Time::now(), ctx.settings.core.rescue_keep.0))
}

/// Brings an entry back: the agent, stopped; its branch; its work dir. Nothing is overwritten: a taken name
/// or branch gets `-restored`. The entry stays until it expires.
///
/// # Errors
/// There is nothing to bring back, or its commits or files are gone. A second call goes on where a failed
/// one ended.
#[tracing::instrument(skip_all)]
pub async fn undo(ctx: &Ctx, request: UndoRequest, events: &Events) -> Result<UndoReport> {
    let (host, entry) = places::find(ctx, request.what.as_deref()).await?;
    let request = match host.is_local() {
        true => request,
        // There a name is only looked for among that host's own.
        false => UndoRequest { what: Some(entry.id.to_string()), ..request },
    };
    on_host(ctx, &host, request, events).await
}

async fn on_host(ctx: &Ctx, host: &Host, request: UndoRequest, events: &Events) -> Result<UndoReport> {
    // Without the lock first: a wrong name need not wait for others.
    pick(ctx, host, request.what.as_deref()).await?;
    let lock = host.lock(Some(HostLock::OTHERS), events).await?;
    let entry = pick(ctx, host, request.what.as_deref()).await?;
    fault::point("undo.begun");
    let primary = &ctx.settings.core.tmux.primary_window_name;
    let env_of = |record: &AgentRecord| {
        env::builtin(&host.layout, record, primary).map(|vars| vars.render().into_bytes())
    };
    let restored = rescue::restore(host, &lock, entry, request.only, &env_of).await?;
    if let Some(agent) = &restored.agent {
        remember(ctx, host, agent, AgentState::Stopped);
    }
    fault::point("undo.end");
    Ok(UndoReport {
        undo_id: restored.undo_id.to_string(),
        agent_id: restored.agent.as_ref().map(|agent| agent.id.to_string()),
        agent_name: restored.agent.as_ref().map(|agent| agent.name.to_string()),
        host_id: host.info.id.to_string(),
        branch: restored.branch,
        work_dir: restored.work_dir.map(|path| path.to_string_lossy().into_owned()),
        missing_env: restored.missing_env,
        notes: restored.notes,
    })
}

/// This machine, if anything was ever changed on it. Its id is not made for a look.
async fn host(ctx: &Ctx) -> Result<Option<Host>> {
    let hosts = ctx.local_provider()?.discover_hosts().await?;
    match hosts.first() {
        Some(info) => Ok(Some(ctx.open_host(info).await?)),
        None => Ok(None),
    }
}

fn nothing() -> Error {
    Error::input("there is nothing to undo", "mng undo --list")
}

async fn pick(ctx: &Ctx, host: &Host, what: Option<&str>) -> Result<Manifest> {
    let all = rescue::list(host).await?;
    match what {
        Some(text) if all.iter().any(|entry| entry.id.as_str() == text) => rescue::find(host, text).await,
        Some(text) => match newest_of_name(&all, text) {
            Some(Ok(entry)) => Ok(entry.clone()),
            Some(Err(back)) => Err(Error::input(
                format!("agent `{text}` was brought back already"),
                format!("to have it once more: mng undo {}", back.id),
            )),
            None => rescue::find(host, text).await,
        },
        None => newest_here(ctx, all).await,
    }
}

/// The newest entry of an agent's name or id that was not brought back yet; as an error the newest one if
/// all were.
fn newest_of_name<'a>(all: &'a [Manifest], text: &str) -> Option<Result<&'a Manifest, &'a Manifest>> {
    let is_named = |entry: &&Manifest| {
        entry
            .agent
            .as_ref()
            .is_some_and(|agent| agent.record.name.as_str() == text || agent.record.id.as_str() == text)
    };
    let mut named = all.iter().filter(is_named);
    let newest = named.clone().next()?;
    Some(named.find(|entry| entry.restored.is_empty()).ok_or(newest))
}

/// The newest destroy of the repository around the current directory; outside of any repository, of all.
async fn newest_here(ctx: &Ctx, all: Vec<Manifest>) -> Result<Manifest> {
    let here = match git::inspect(
        &LocalTransport,
        ctx.locations.project_root.as_ref().unwrap_or(&ctx.locations.cwd),
    )
    .await
    {
        Ok(repo) => repo,
        Err(error) => {
            tracing::debug!(%error, "the current directory is no repository to undo in");
            None
        }
    };
    let project = match &here {
        Some(_) => select::current_project(ctx).await.ok(),
        None => None,
    };
    let mut open =
        all.into_iter().filter(|entry| entry.reason == Reason::Destroy && entry.restored.is_empty());
    let Some(here) = here else { return open.next().ok_or_else(nothing) };
    open.find(|entry| entry.is_of_repository(&here.common_dir) || is_of_project(entry, project.as_deref()))
        .ok_or_else(|| {
            Error::input(
                format!("there is nothing to undo in `{}`", here.top_level.display()),
                "`mng undo --list` shows what there is elsewhere; then `mng undo ID`",
            )
        })
}

/// A copy of a repository knows nothing of its source but the project's name.
fn is_of_project(entry: &Manifest, project: Option<&str>) -> bool {
    let label = entry.agent.as_ref().and_then(|agent| agent.record.labels.get("project"));
    entry.repository().is_none() && label.is_some() && label.map(String::as_str) == project
}

/// Whether an entry of another host is of this project: paths there say nothing about paths here.
fn is_named_project(entry: &Manifest, project: Option<&str>) -> bool {
    let label = entry.agent.as_ref().and_then(|agent| agent.record.labels.get("project"));
    label.is_some() && label.map(String::as_str) == project
}
