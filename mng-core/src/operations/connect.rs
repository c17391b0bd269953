//! Puts the person's terminal onto an agent's session.

use super::capture::session_of;
use super::observe::look_at;
use super::resolve::ResolvedAgent;
use super::start::{ResumeMessage, StartRequest, start};
use crate::agents::launch;
use crate::agents::tmux::Tmux;
use crate::model::error::{Error, ErrorClass, Explain, Result};
use crate::model::event::Events;
use crate::model::state::AgentState;
use crate::plugins::Ctx;
use crate::transports::AttachPlan;

/// Set while a `connect_command` runs, so that an mng inside it attaches by itself.
const ACTIVE: &str = "MNG_CONNECT_COMMAND_ACTIVE";

/// Why no terminal is attached.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    #[error("this terminal is inside tmux already: attach by hand with `tmux attach -t ={session}`")]
    Nested { session: String },
    #[error("agent `{agent}` is not running")]
    NotRunning { agent: String },
    #[error("cannot tell whether agent `{agent}` runs: {reason}")]
    Unknown { agent: String, reason: String },
}

impl Explain for ConnectError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Nested { .. } => ErrorClass::NestedTmux,
            Self::NotRunning { .. } | Self::Unknown { .. } => ErrorClass::Agent,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Nested { .. } => "mng config set --scope user is_nested_tmux_allowed true".into(),
            Self::NotRunning { agent } => format!("mng start {agent}"),
            Self::Unknown { agent, .. } => format!("mng why {agent}"),
        })
    }
}

/// What is run instead of attaching: `given`, else the setting; nothing inside of such a command.
#[must_use]
pub fn connect_command<'a>(ctx: &'a Ctx, given: Option<&'a str>) -> Option<&'a str> {
    let is_active = ctx.env.get_non_empty(ACTIVE).is_some();
    let command = given.or(ctx.settings.core.connect_command.as_deref());
    command.filter(|command| !is_active && !command.trim().is_empty())
}

/// Whether this terminal may attach at all. Asked before anything is started for it.
///
/// # Errors
/// [`ConnectError::Nested`].
pub fn check_terminal(ctx: &Ctx, agent: &ResolvedAgent, command: Option<&str>) -> Result<()> {
    let is_inside_tmux = ctx.env.get_non_empty("TMUX").is_some();
    let is_attaching = connect_command(ctx, command).is_none();
    if is_attaching && is_inside_tmux && !ctx.settings.core.is_nested_tmux_allowed {
        let session = agent.host.session_name(agent.record.name.as_str());
        return Err(ConnectError::Nested { session }.into());
    }
    Ok(())
}

/// Makes sure that there is a session to attach to: an agent that has none, or whose program has ended, is
/// started first when `is_starting`. Otherwise a session is enough, whatever runs in it.
///
/// # Errors
/// The terminal cannot attach; the agent does not run and is not to be started, or cannot be.
pub async fn make_ready(
    ctx: &Ctx,
    agent: &ResolvedAgent,
    is_starting: bool,
    command: Option<&str>,
    events: &Events,
) -> Result<()> {
    check_terminal(ctx, agent, command)?;
    if is_starting {
        return make_running(ctx, agent, events).await;
    }
    match look_at(ctx, agent).await?.1.state {
        AgentState::Stopped => Err(ConnectError::NotRunning { agent: agent.record.name.to_string() }.into()),
        _ => Ok(()),
    }
}

/// Starts an agent unless its program runs.
///
/// # Errors
/// It cannot be started, or nothing is known of it.
pub async fn make_running(ctx: &Ctx, agent: &ResolvedAgent, events: &Events) -> Result<()> {
    let (_, judged) = look_at(ctx, agent).await?;
    let name = agent.record.name.to_string();
    if judged.state.is_running_like() {
        return Ok(());
    }
    if judged.state == AgentState::Unknown {
        return Err(ConnectError::Unknown { agent: name, reason: judged.reason }.into());
    }
    events.info(format!("Starting agent {name}..."));
    let request = StartRequest { agents: vec![agent.clone()], restart: false, resume: ResumeMessage::Stored };
    match start(ctx, request, events).await?.failures.into_iter().next() {
        Some(failure) => Err(Error::plain(ErrorClass::AgentStart, failure.message)),
        None => Ok(()),
    }
}

/// The command that replaces this process: tmux on the agent's session, or `command` (else the setting
/// `connect_command`) by `sh -c`. Starts nothing.
///
/// # Errors
/// [`ConnectError`], or tmux cannot be asked.
pub async fn attach_plan(ctx: &Ctx, agent: &ResolvedAgent, command: Option<&str>) -> Result<AttachPlan> {
    check_terminal(ctx, agent, command)?;
    let ResolvedAgent { host, record } = agent;
    let tmux = Tmux::on(host);
    let sessions = tmux.sessions().await?;
    let session = session_of(host, record, &sessions)
        .ok_or_else(|| Error::from(ConnectError::NotRunning { agent: record.name.to_string() }))?;
    let Some(command) = connect_command(ctx, command) else {
        let argv = tmux.attach_argv(&session.name, &ctx.settings.core.tmux, has_utf8(ctx));
        let mut plan = host.transport.attach(launch::attach_argv(host, &record.id, &session.name, argv));
        plan.unset.extend(["TMUX".to_owned(), "TMUX_PANE".into()]);
        return Ok(plan);
    };
    let env = [
        ("MNG_AGENT_NAME", record.name.as_str()),
        ("MNG_SESSION_NAME", session.name.as_str()),
        ("MNG_HOST_IS_LOCAL", if host.is_local() { "true" } else { "false" }),
        (ACTIVE, "1"),
    ];
    Ok(AttachPlan {
        argv: vec!["sh".into(), "-c".into(), command.into()],
        unset: Vec::new(),
        env: env.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
    })
}

/// How the command of an [`attach_plan`] that led to another machine has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parting {
    /// The person detached, or the session ended: the exit code to pass on.
    Left(u8),
    /// A key asked for that.
    Stop,
    /// A key asked for that, and the person said yes.
    Destroy,
    /// ssh has lost the line, or never had one.
    LineLost,
}

impl Parting {
    /// `code` is the exit code; `None` when a signal ended the command.
    #[must_use]
    pub fn of(code: Option<i32>) -> Self {
        match code {
            Some(launch::STOP) => Self::Stop,
            Some(launch::DESTROY) => Self::Destroy,
            Some(255) => Self::LineLost,
            code => Self::Left(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)),
        }
    }
}

/// Whether attaching failed for a reason that may pass: the line, not the agent or the login.
#[must_use]
pub fn may_pass(error: &Error) -> bool {
    matches!(error.class(), ErrorClass::HostConnection | ErrorClass::CommandTimeout)
}

/// Whether the person's terminal takes UTF-8, by the first variable that the C library would heed.
fn has_utf8(ctx: &Ctx) -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(|name| ctx.env.get_non_empty(name));
    let locale = locale.unwrap_or_default().to_ascii_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agents::testing::{PrivateHost, block};
    use crate::operations::fixture::context;

    fn agent() -> (PrivateHost, ResolvedAgent) {
        agent_on(PrivateHost::new())
    }

    fn agent_on(private: PrivateHost) -> (PrivateHost, ResolvedAgent) {
        let record = private.agent("a", "true");
        let host = private.host.clone();
        (private, ResolvedAgent { host, record })
    }

    #[test]
    fn nesting_is_refused_before_anything_is_asked_and_allowed_by_the_setting() {
        let (_private, agent) = agent();
        let mut ctx = context();
        ctx.env.0.insert("TMUX".into(), "/tmp/tmux-0/default,1,0".into());
        let error = block(attach_plan(&ctx, &agent, None)).unwrap_err();
        insta::assert_snapshot!(format!("{error}\n{}", error.hint().unwrap()), @r"
        this terminal is inside tmux already: attach by hand with `tmux attach -t =mng-a`
        mng config set --scope user is_nested_tmux_allowed true
        ");
        ctx.settings.core.is_nested_tmux_allowed = true;
        let error = block(attach_plan(&ctx, &agent, None)).unwrap_err();
        assert_eq!(error.to_string(), "agent `a` is not running");
    }

    #[test]
    fn another_machine_is_told_of_utf_8_and_that_it_is_another_one() {
        let (private, agent) = agent_on(PrivateHost::far());
        private.tmux(&["new-session", "-d", "-s", "mng-a", "exec sleep 100"]);
        let mut ctx = context();
        for (name, value, argv) in [
            ("LANG", "de_DE.UTF-8", &["tmux", "-u", "attach-session", "-t", "=mng-a:"][..]),
            ("LC_ALL", "C", &["tmux", "attach-session", "-t", "=mng-a:"]),
            ("LC_ALL", "C.utf8", &["tmux", "-u", "attach-session", "-t", "=mng-a:"]),
        ] {
            ctx.env.0.insert(name.into(), value.into());
            let plan = block(attach_plan(&ctx, &agent, None)).unwrap();
            assert_eq!(plan.argv[plan.argv.len() - argv.len()..], *argv);
            assert_eq!(plan.unset, ["TMUX", "TMUX_PANE"]);
        }
        let plan = block(attach_plan(&ctx, &agent, Some("my attach"))).unwrap();
        assert_eq!(plan.env["MNG_HOST_IS_LOCAL"], "false");
    }

    #[test]
    fn partings_are_told_apart() {
        let codes = [Some(0), Some(1), Some(10), Some(11), Some(255), None, Some(1000)];
        let partings = codes.map(Parting::of);
        use Parting::{Destroy, Left, LineLost, Stop};
        assert_eq!(partings, [Left(0), Left(1), Destroy, Stop, LineLost, Left(1), Left(1)]);
    }

    #[test]
    fn a_terminal_gets_the_exact_session_and_forgets_the_outer_one() {
        let (private, agent) = agent();
        private.tmux(&["new-session", "-d", "-s", "mng-a", "exec sleep 100"]);
        let mut ctx = context();
        let plan = block(attach_plan(&ctx, &agent, None)).unwrap();
        assert_eq!(plan.argv, ["tmux", "attach-session", "-t", "=mng-a:"]);
        assert_eq!(plan.unset, ["TMUX", "TMUX_PANE"]);
        let plan = block(attach_plan(&ctx, &agent, Some("my attach"))).unwrap();
        assert_eq!(plan.argv, ["sh", "-c", "my attach"]);
        let env: Vec<_> = plan.env.iter().map(|(key, value)| format!("{key}={value}")).collect();
        assert_eq!(
            env,
            [
                "MNG_AGENT_NAME=a",
                "MNG_CONNECT_COMMAND_ACTIVE=1",
                "MNG_HOST_IS_LOCAL=true",
                "MNG_SESSION_NAME=mng-a"
            ]
        );
        ctx.settings.core.connect_command = Some("configured".into());
        assert_eq!(block(attach_plan(&ctx, &agent, None)).unwrap().argv[2], "configured");
        ctx.env.0.insert(ACTIVE.into(), "1".into());
        assert_eq!(block(attach_plan(&ctx, &agent, Some("x"))).unwrap().argv[0], "tmux", "no recursion");
    }
}
