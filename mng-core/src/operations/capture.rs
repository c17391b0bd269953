//! What an agent's screen shows.

use serde::Serialize;

use super::resolve::ResolvedAgent;
use crate::agents::tmux::{CaptureRequest, CaptureWindow, Session, SessionMatch, Sessions, Tmux};
use crate::hosts::Host;
use crate::model::error::{Error, ErrorClass, Result};
use crate::model::record::AgentRecord;
use crate::plugins::Ctx;

/// A screen. Field names are the JSON contract.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Capture {
    pub agent: String,
    /// Name of the window that was read.
    pub window: String,
    /// As tmux returns it, and a line end if that lacks one.
    pub content: String,
}

/// Reads the agent's own window, or the one asked for. Changes nothing and starts nothing.
///
/// # Errors
/// The agent has no session, or its session has no such window.
pub async fn capture(ctx: &Ctx, agent: &ResolvedAgent, request: &CaptureRequest) -> Result<Capture> {
    let ResolvedAgent { host, record } = agent;
    let tmux = Tmux::on(host);
    let sessions = tmux.sessions().await?;
    let session = session_of(host, record, &sessions).ok_or_else(|| not_running(record))?;
    let primary = &ctx.settings.core.tmux.primary_window_name;
    let pane = request.pane(session, primary).ok_or_else(|| no_window(record, session, &request.window))?;
    let content = tmux.capture(&pane.id, request).await?.ok_or_else(|| not_running(record))?;
    Ok(Capture { agent: record.name.to_string(), window: pane.window_name.clone(), content: ended(content) })
}

/// The agent's session, unless it belongs to somebody else.
pub(super) fn session_of<'s>(
    host: &Host,
    record: &AgentRecord,
    sessions: &'s Sessions,
) -> Option<&'s Session> {
    match sessions.find(&record.id, &host.session_name(record.name.as_str())) {
        SessionMatch::Own(session) | SessionMatch::Unmarked(session) => Some(session),
        SessionMatch::None | SessionMatch::Foreign(_) => None,
    }
}

fn ended(mut content: String) -> String {
    if !content.ends_with('\n') {
        content.push('\n');
    }
    content
}

fn not_running(record: &AgentRecord) -> Error {
    Error::hinted(
        ErrorClass::Agent,
        format!("agent `{}` is STOPPED: it has no screen", record.name),
        format!("mng start {}", record.name),
    )
}

fn no_window(record: &AgentRecord, session: &Session, window: &CaptureWindow) -> Error {
    let wanted = match window {
        CaptureWindow::Primary => "primary",
        CaptureWindow::Named(name) => name,
    };
    let mut windows: Vec<String> = Vec::new();
    for pane in &session.panes {
        let shown = format!("{} ({})", pane.window_name, pane.window_index);
        if !windows.contains(&shown) {
            windows.push(shown);
        }
    }
    Error::hinted(
        ErrorClass::UserInput,
        format!("agent `{}` has no window `{wanted}`", record.name),
        format!("its windows: {}", windows.join(", ")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agents::testing::{PrivateHost, block, eventually};
    use crate::operations::fixture::context;

    fn told(error: &Error) -> String {
        format!("{error}\nhint: {}", error.hint().unwrap_or_default())
    }

    #[test]
    fn the_agents_own_window_is_read_or_the_one_named() {
        let private = PrivateHost::new();
        let (ctx, record) = (context(), private.agent("a", "true"));
        let agent = ResolvedAgent { host: private.host.clone(), record };
        let read = |window: CaptureWindow| {
            block(capture(&ctx, &agent, &CaptureRequest { window, ..CaptureRequest::default() }))
        };
        insta::assert_snapshot!(told(&read(CaptureWindow::Primary).unwrap_err()), @r"
        agent `a` is STOPPED: it has no screen
        hint: mng start a
        ");
        private.tmux(&["new-session", "-d", "-s", "mng-a", "-n", "agent", "echo primary; exec sleep 100"]);
        private.tmux(&["new-window", "-d", "-t", "=mng-a:", "-n", "logs", "echo other; exec sleep 100"]);
        // A session whose name begins alike must never be read instead.
        private.tmux(&["new-session", "-d", "-s", "mng-a2", "exec sleep 100"]);
        for (window, shown) in [
            (CaptureWindow::Primary, "primary"),
            (CaptureWindow::Named("logs".into()), "other"),
            (CaptureWindow::Named("1".into()), "other"),
        ] {
            eventually("the window shows its line", || {
                read(window.clone()).is_ok_and(|capture| capture.content.starts_with(&format!("{shown}\n")))
            });
        }
        insta::assert_snapshot!(told(&read(CaptureWindow::Named("nope".into())).unwrap_err()), @r"
        agent `a` has no window `nope`
        hint: its windows: agent (0), logs (1)
        ");
    }
}
