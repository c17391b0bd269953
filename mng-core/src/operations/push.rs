//! `mng push`: from this machine into the work dir of an agent.

use std::path::PathBuf;

use super::resolve::ResolvedAgent;
use super::sync::{SyncMode, SyncReport, check_differ, here, there};
use crate::hosts::sync::{self, FilesRequest, Reach, Rules, Uncommitted};
use crate::model::error::Result;
use crate::model::event::Events;
use crate::plugins::Ctx;
use crate::transports::LocalTransport;

/// What to push.
#[derive(Clone, Debug)]
pub struct PushRequest {
    pub agent: ResolvedAgent,
    /// A place beside the work dir; for files only.
    pub agent_path: Option<String>,
    /// On this machine.
    pub source: PathBuf,
    pub mode: SyncMode,
    pub uncommitted: Uncommitted,
    pub rules: Rules,
    pub is_deleting: bool,
    /// Unset: the branch that is checked out here.
    pub source_branch: Option<String>,
    pub is_mirror: bool,
    pub is_dry_run: bool,
}

/// Pushes. The agent need not run.
///
/// # Errors
/// [`sync::SyncError`], or git, rsync or the host fail.
#[tracing::instrument(skip_all, fields(agent = %request.agent.record.name))]
pub async fn push(ctx: &Ctx, request: &PushRequest, events: &Events) -> Result<SyncReport> {
    let agent = &request.agent;
    let source = here(ctx, &request.source);
    let destination = there(agent, request.agent_path.as_deref()).await?;
    let reach = Reach::to(&agent.host)?;
    check_differ(&source, &destination, &reach)?;
    events.info(format!("Pushing to agent: {}", agent.record.name));
    let mut report = SyncReport::of(agent);
    if request.mode.has_git() {
        let git = sync::PushRequest {
            source: &source,
            destination: &destination,
            reach: &reach,
            uncommitted: request.uncommitted,
            source_branch: request.source_branch.as_deref(),
            is_mirror: request.is_mirror,
            is_dry_run: request.is_dry_run,
        };
        report.git = Some(sync::push(&git, events).await?);
    }
    if request.mode.has_files() {
        let files = FilesRequest {
            source: &source,
            destination: &destination,
            reach: &reach,
            is_from_far: false,
            here: &LocalTransport,
            uncommitted: request.uncommitted,
            rules: &request.rules,
            is_deleting: request.is_deleting,
            makes_parents: true,
            is_dry_run: request.is_dry_run,
        };
        report.files = Some(sync::files(&files, events).await?);
    }
    Ok(report)
}
