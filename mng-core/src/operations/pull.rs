//! `mng pull`: from the work dir of an agent to this machine.

use std::path::PathBuf;

use super::resolve::ResolvedAgent;
use super::sync::{SyncMode, SyncReport, check_differ, here, there};
use crate::hosts::git::{self, Git, StatusRequest};
use crate::hosts::sync::{self, FilesRequest, Joining, Reach, Rules, Side, Uncommitted};
use crate::model::error::{Error, ErrorClass, Result};
use crate::model::event::Events;
use crate::plugins::Ctx;
use crate::transports::LocalTransport;

/// What to pull.
#[derive(Clone, Debug)]
pub struct PullRequest {
    pub agent: ResolvedAgent,
    /// A place beside the work dir; for files only.
    pub agent_path: Option<String>,
    /// On this machine.
    pub destination: PathBuf,
    pub mode: SyncMode,
    pub uncommitted: Uncommitted,
    /// Refuse commits while the agent has uncommitted work, rather than warn.
    pub is_strict_about_source: bool,
    pub rules: Rules,
    pub is_deleting: bool,
    /// Unset: what the agent has checked out.
    pub source_branch: Option<String>,
    /// Unset: the branch that is checked out here.
    pub target_branch: Option<String>,
    pub joining: Joining,
    pub is_dry_run: bool,
}

/// Pulls. The agent need not run.
///
/// # Errors
/// [`sync::SyncError`], or git, rsync or the host fail.
#[tracing::instrument(skip_all, fields(agent = %request.agent.record.name))]
pub async fn pull(ctx: &Ctx, request: &PullRequest, events: &Events) -> Result<SyncReport> {
    let agent = &request.agent;
    let source = there(agent, request.agent_path.as_deref()).await?;
    let destination = here(ctx, &request.destination);
    let reach = Reach::to(&agent.host)?;
    check_differ(&destination, &source, &reach)?;
    events.info(format!("Pulling from agent: {}", agent.record.name));
    let mut report = SyncReport::of(agent);
    if request.mode == SyncMode::Git {
        check_source(request, &source, events).await?;
    }
    if request.mode.has_git() {
        let git = sync::PullRequest {
            source: &source,
            destination: &destination,
            reach: &reach,
            uncommitted: request.uncommitted,
            source_branch: request.source_branch.as_deref(),
            target_branch: request.target_branch.as_deref(),
            joining: request.joining,
            agent: agent.record.name.as_str(),
            is_dry_run: request.is_dry_run,
        };
        report.git = Some(sync::pull(&git, events).await?);
    }
    if request.mode.has_files() {
        let files = FilesRequest {
            source: &source,
            destination: &destination,
            reach: &reach,
            is_from_far: true,
            here: &LocalTransport,
            uncommitted: request.uncommitted,
            rules: &request.rules,
            is_deleting: request.is_deleting,
            makes_parents: false,
            is_dry_run: request.is_dry_run,
        };
        report.files = Some(sync::files(&files, events).await?);
    }
    Ok(report)
}

/// Commits alone leave behind what the agent has not committed: that has to be said.
async fn check_source(request: &PullRequest, source: &Side, events: &Events) -> Result<()> {
    if git::inspect(source.transport.as_ref(), &source.dir).await?.is_none() {
        return Ok(());
    }
    let git = Git::at(source.transport.as_ref(), &source.dir)?;
    let count = git::status(&git, StatusRequest::default()).await?.entries.len();
    if count == 0 {
        return Ok(());
    }
    let name = &request.agent.record.name;
    let text = format!("agent `{name}` has {count} uncommitted change(s), which do not come along");
    if request.is_strict_about_source {
        return Err(Error::hinted(
            ErrorClass::Git,
            text,
            format!("have it commit, or take them too: `mng pull {name} --sync-mode full`"),
        ));
    }
    events.warning(text);
    Ok(())
}
