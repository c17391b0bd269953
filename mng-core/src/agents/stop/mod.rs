//! Ending an agent: its whole process tree, also what it detached, then its session.
//!
//! A process is the agent's if it descends from one of its panes or from its program, is in its control
//! group, or carries its mark in the environment. Never ended: this process and what it started, a tmux
//! server (it holds other sessions), and what carries another agent's mark.

mod hunt;
mod strays;
#[cfg(test)]
mod tests;

use std::time::Duration;

use hunt::Hunt;
pub use strays::{Stray, end_strays, remove_empty_groups, strays};

use super::cgroup::Groups;
use super::launch::{LAUNCH_FILE, LaunchFile, own_session};
use super::tmux::{Session, SessionMatch, Tmux};
use crate::hosts::{Host, HostLock};
use crate::model::error::{Error, ErrorClass, Result};
use crate::model::failure::{Failure, FailureCategory};
use crate::model::record::AgentRecord;

/// Ends an agent's processes and its session. State dir, work dir and branch stay. An agent that does not
/// run is fine.
///
/// First TERM; what is left after `grace` is killed. Returns what remains, each with its category; the
/// caller names the agent to the person.
///
/// # Errors
/// Nothing is known of the host's processes.
pub async fn stop_agent(
    host: &Host,
    _lock: &HostLock,
    record: &AgentRecord,
    grace: Duration,
) -> Result<Vec<Failure>> {
    let name = host.session_name(record.name.as_str());
    let mut failures = Vec::new();
    let sessions = match Tmux::on(host).sessions().await {
        Ok(sessions) => sessions,
        Err(error) => {
            failures.push(leftover(&error));
            Default::default()
        }
    };
    let session = match own_session(host, record, sessions.find(&record.id, &name)).await {
        Ok(session) => session,
        // The name is another agent's by now; this one has no session to end.
        Err(error) if error.class() == ErrorClass::AgentStart => None,
        Err(error) => return Err(error),
    };
    failures.extend(end(host, record, session, grace).await?);
    Ok(failures.into_iter().map(|failure| failure.of(record.name.as_str(), host.info.id.as_str())).collect())
}

/// As [`stop_agent`], for an agent that this mng was just making: its session carries its mark. One that
/// only has its name is somebody else's and stays.
///
/// # Errors
/// As [`stop_agent`].
pub async fn stop_new_agent(
    host: &Host,
    _lock: &HostLock,
    record: &AgentRecord,
    grace: Duration,
) -> Result<Vec<Failure>> {
    let name = host.session_name(record.name.as_str());
    let mut failures = Vec::new();
    // A tmux that cannot be asked is most likely why the agent did not come to be.
    let sessions = Tmux::on(host).sessions().await.unwrap_or_else(|error| {
        failures.push(leftover(&error));
        Default::default()
    });
    let session = match sessions.find(&record.id, &name) {
        SessionMatch::Own(session) => Some(session),
        _ => None,
    };
    failures.extend(end(host, record, session, grace).await?);
    Ok(failures)
}

/// Ends what an earlier run of an agent left behind, before it is started anew: an orphan may hold the port
/// that the next run wants. Only for an agent that has no session.
pub(super) async fn end_leftovers(
    host: &Host,
    _lock: &HostLock,
    record: &AgentRecord,
    grace: Duration,
) -> Result<Vec<Failure>> {
    end(host, record, None, grace).await
}

async fn end(
    host: &Host,
    record: &AgentRecord,
    session: Option<&Session>,
    grace: Duration,
) -> Result<Vec<Failure>> {
    hunt_for(host, record, session).await?.end(grace).await
}

async fn hunt_for<'h>(host: &'h Host, record: &AgentRecord, session: Option<&Session>) -> Result<Hunt<'h>> {
    let launch = host.transport.read(&host.layout.agent(&record.id).join(LAUNCH_FILE)).await?;
    let launch = LaunchFile::read(&String::from_utf8_lossy(&launch.unwrap_or_default()));
    let mut hunt = Hunt::new(host, vec![record.id.clone()]);
    hunt.roots.extend(launch.process);
    hunt.panes.extend(session.into_iter().flat_map(|session| &session.panes).map(|pane| pane.pid));
    hunt.sessions.extend(session.map(|session| session.id.clone()));
    Ok(hunt)
}

/// A step that did not work, as something that may remain.
fn leftover(error: &Error) -> Failure {
    let category = match error.class() {
        ErrorClass::CommandTimeout => FailureCategory::Timeout,
        _ => FailureCategory::Other,
    };
    Failure::new(category, error.to_string())
}

/// The control group of an agent on this machine.
pub(super) fn groups(host: &Host) -> Option<Groups> {
    host.is_local().then(|| Groups::detect(host.layout.root())).flatten()
}
