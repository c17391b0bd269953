//! `mng rename`: another name for an agent, or for a host.

use std::collections::BTreeMap;

use serde::Serialize;

use super::completion_cache;
use super::edit::reread;
use super::resolve::ResolvedAgent;
use crate::agents::tmux::{SessionMatch, Tmux};
use crate::hosts::{Host, HostLock};
use crate::model::env_file::EnvVars;
use crate::model::error::{Error, ErrorClass, Result};
use crate::model::event::Events;
use crate::model::names::{AgentName, HostName};
use crate::model::record::AgentRecord;
use crate::plugins::Ctx;
use crate::storage::fault;

/// Which agent gets which name.
#[derive(Clone, Debug)]
pub struct RenameRequest {
    pub agent: ResolvedAgent,
    pub new_name: AgentName,
    /// Set in the same write of the record.
    pub labels: BTreeMap<String, String>,
}

#[derive(Debug, Serialize)]
pub struct RenameReport {
    pub old_name: String,
    pub new_name: String,
    pub agent_id: String,
}

#[derive(Debug, Serialize)]
pub struct RenameHostReport {
    pub old_name: String,
    pub new_name: String,
    pub host_id: String,
}

/// Renames an agent: its tmux session, the name in its env file, and last its record, which is the commit
/// point. Killed in between, the agent keeps its old name, its session is found by id, and the same
/// command finishes the work. The git branch keeps its name.
///
/// # Errors
/// Another agent of the host has the name, or its session has; nothing is changed then.
pub async fn rename(ctx: &Ctx, request: RenameRequest, events: &Events) -> Result<RenameReport> {
    let RenameRequest { agent, new_name, labels } = request;
    let host = &agent.host;
    let lock = host.lock(Some(HostLock::OTHERS), events).await?;
    let mut record = reread(host, &agent.record).await?;
    let old_name = record.name.clone();
    let report = |old: &AgentName, new: &AgentName| RenameReport {
        old_name: old.to_string(),
        new_name: new.to_string(),
        agent_id: record.id.to_string(),
    };
    let done = report(&old_name, &new_name);
    if old_name != new_name {
        ensure_free(host, &record, &new_name).await?;
        fault::point("rename.session");
        rename_session(host, &record, &new_name).await?;
        fault::point("rename.env");
        rename_in_env(host, &record, &new_name).await?;
        fault::point("rename.record");
    } else if labels.is_empty() {
        return Ok(done);
    }
    record.name = new_name;
    record.labels.extend(labels);
    host.write_agent(&lock, &record).await?;
    fault::point("rename.done");
    completion_cache::change(ctx, &[old_name.as_str()], &[record.name.as_str()]);
    if old_name != record.name
        && let Some(branch) = record.created_branch_name.as_ref()
    {
        events.warning(format!("the git branch keeps its name: {branch}"));
    }
    tracing::debug!(agent = %record.name, old = %old_name, interactive = ctx.is_interactive, "renamed");
    Ok(done)
}

/// No other agent may have the name.
async fn ensure_free(host: &Host, record: &AgentRecord, new_name: &AgentName) -> Result<()> {
    for entry in host.agents().await? {
        let Ok(other) = entry.record else { continue };
        if other.id != record.id && other.name == *new_name {
            return Err(Error::hinted(
                ErrorClass::DuplicateAgentName,
                format!("an agent named `{new_name}` exists on host `{}`", host.info.name),
                "choose another name; `mng list` shows those taken",
            ));
        }
    }
    Ok(())
}

async fn rename_session(host: &Host, record: &AgentRecord, new_name: &AgentName) -> Result<()> {
    let tmux = Tmux::on(host);
    let sessions = tmux.sessions().await?;
    let wanted = host.session_name(new_name.as_str());
    let old = host.session_name(record.name.as_str());
    let session = match sessions.find(&record.id, &old) {
        SessionMatch::Own(session) | SessionMatch::Unmarked(session) => session,
        SessionMatch::None | SessionMatch::Foreign(_) => return Ok(()),
    };
    if session.name == wanted {
        return Ok(());
    }
    if sessions.iter().any(|other| other.name == wanted) {
        return Err(Error::hinted(
            ErrorClass::DuplicateAgentName,
            format!("a tmux session named `{wanted}` exists and is not this agent's"),
            format!("choose another name, or look at it: tmux attach -t ={wanted}"),
        ));
    }
    tmux.rename_session(&session.id, &wanted).await?;
    Ok(())
}

/// New shells of the agent see the new name; running ones keep the old.
async fn rename_in_env(host: &Host, record: &AgentRecord, new_name: &AgentName) -> Result<()> {
    let path = host.layout.agent_env(&record.id);
    let Some(bytes) = host.transport.read(&path).await? else { return Ok(()) };
    let text = String::from_utf8_lossy(&bytes);
    let mut env = EnvVars::parse(&text)?;
    env.set("MNG_AGENT_NAME", new_name.as_str())?;
    host.transport.write(&path, env.render().as_bytes(), 0o600).await
}

/// Renames a host through its provider. For this machine the name is only what mng shows; `localhost`
/// stays an alias.
///
/// # Errors
/// The provider cannot rename hosts, or the name is taken.
pub async fn rename_host(
    ctx: &Ctx,
    host: &Host,
    new_name: &HostName,
    events: &Events,
) -> Result<RenameHostReport> {
    let lock = host.lock(Some(HostLock::OTHERS), events).await?;
    let provider = ctx.provider(&host.info.provider)?;
    let taken = provider.discover_hosts().await?;
    if let Some(other) = taken.iter().find(|other| other.id != host.info.id && other.name == *new_name) {
        return Err(Error::hinted(
            ErrorClass::UserInput,
            format!("a host named `{new_name}` exists ({})", other.id),
            "choose another name; `mng list --hosts` shows those taken",
        ));
    }
    let old_name = host.info.name.to_string();
    if host.info.name != *new_name {
        provider.rename_host(&host.info, new_name).await?;
        host.update_record(&lock, |record| record.host_name = Some(new_name.to_string())).await?;
    }
    Ok(RenameHostReport { old_name, new_name: new_name.to_string(), host_id: host.info.id.to_string() })
}
