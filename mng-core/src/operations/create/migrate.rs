//! What `migrate` asks before it destroys the source.

use crate::hosts::git::{self, Git, StatusRequest};
use crate::model::error::{Error, ErrorClass, Result};
use crate::model::record::TransferMode;
use crate::operations::relaunch;
use crate::operations::resolve::ResolvedAgent;
use crate::plugins::Ctx;

use super::CreateReport;

/// How many files and whole directories git ignores in an agent's work dir. Nothing in one that is no
/// repository, or that the agent works in without owning it: that stays.
///
/// # Errors
/// git fails.
pub async fn ignored_files(agent: &ResolvedAgent) -> Result<usize> {
    let ResolvedAgent { host, record } = agent;
    if record.transfer_mode == Some(TransferMode::None) {
        return Ok(0);
    }
    let transport = host.transport.as_ref();
    if git::inspect(transport, &record.work_dir).await?.is_none() {
        return Ok(0);
    }
    let wanted = StatusRequest { ignored: true, ..StatusRequest::default() };
    Ok(git::status(&Git::at(transport, &record.work_dir)?, wanted).await?.ignored.len())
}

/// Whether the copy can take the source's place: it runs, and it has every commit that the source has.
///
/// # Errors
/// It cannot, or that cannot be told.
pub async fn verify_copy(ctx: &Ctx, source: &ResolvedAgent, copy: &CreateReport) -> Result<()> {
    let refuse = |why: String| Err(Error::plain(ErrorClass::Agent, why));
    let ResolvedAgent { host, record } = &copy.agent;
    let seen = relaunch::judgement(ctx, host, record).await?;
    if !seen.state.is_running_like() {
        return refuse(format!("agent `{}` is {}: {}", record.name, seen.state, seen.reason));
    }
    let at = |agent: &ResolvedAgent| {
        let (transport, dir) = (agent.host.transport.clone(), agent.record.work_dir.clone());
        async move { git::inspect(transport.as_ref(), &dir).await }
    };
    let (Some(old), Some(new)) = tokio::try_join!(at(source), at(&copy.agent))? else { return Ok(()) };
    let Some(head) = old.head_commit else { return Ok(()) };
    let git = Git::at(host.transport.as_ref(), &new.top_level)?;
    let request = git.command(["merge-base", "--is-ancestor", head.as_str(), "HEAD"]);
    if git.run(request.idempotent()).await?.is_success() {
        return Ok(());
    }
    refuse(format!("agent `{}` has made commits since it was copied", source.record.name))
}
