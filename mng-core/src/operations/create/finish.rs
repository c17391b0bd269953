//! After the start: readiness, the first message, and telling everyone. The lock is not held any more.

use std::time::Duration;

use super::{CreateReport, progress};
use crate::agents::facts::TypeTraits;
use crate::agents::message::{MessageRequest, send_message as send};
use crate::agents::readiness::{Readiness, await_ready};
use crate::hosts::Host;
use crate::model::cancel::Cancel;
use crate::model::error::{Error, ErrorClass, Explain, Result, Subject};
use crate::model::event::Events;
use crate::model::record::AgentRecord;
use crate::model::state::AgentState;
use crate::operations::completion_cache;
use crate::operations::relaunch;
use crate::operations::resolve::ResolvedAgent;
use crate::plugins::{AgentMoment, Ctx};

/// How long the first message waits for another sender.
const SENDER: Duration = Duration::from_secs(60);

/// A started agent, and what is still to be done with it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Finish<'a> {
    pub(super) host: &'a Host,
    pub(super) record: &'a AgentRecord,
    pub(super) await_ready: bool,
    pub(super) message: Option<&'a str>,
}

/// The agent runs, but the message did not reach it. Nothing is taken back for that.
#[derive(Debug, thiserror::Error)]
#[error("agent `{agent}` runs, but its first message was not delivered: {reason}")]
struct FirstMessageError {
    agent: String,
    reason: String,
    hint: Option<String>,
    class: ErrorClass,
    exit_code: u8,
    subject: Subject,
}

impl Explain for FirstMessageError {
    fn class(&self) -> ErrorClass {
        self.class
    }

    fn exit_code(&self) -> u8 {
        self.exit_code
    }

    fn hint(&self) -> Option<String> {
        let resend = format!("send it again with `mng message {} -m TEXT`", self.agent);
        Some(self.hint.as_ref().map_or(resend.clone(), |hint| format!("{hint}; {resend}")))
    }

    fn subject(&self) -> Subject {
        self.subject.clone()
    }
}

/// Waits until the agent takes input. A type without a signal is ready at once; an agent that only takes
/// longer than its budget is left alone.
///
/// # Errors
/// Its program ended instead, or the wait was cancelled.
pub(super) async fn wait_until_ready(
    ctx: &Ctx,
    finish: &Finish<'_>,
    events: &Events,
    cancel: &Cancel,
) -> Result<()> {
    if !finish.await_ready {
        return Ok(());
    }
    let Finish { host, record, .. } = finish;
    let traits = relaunch::traits(ctx, record);
    let budget = Duration::try_from_secs_f64(record.ready_timeout_seconds).unwrap_or_default();
    let window = &ctx.settings.core.tmux.primary_window_name;
    let last = cancel.race(await_ready(host, record, &traits, window, budget)).await?;
    match last {
        Some(Readiness { judgement, .. })
            if matches!(judgement.state, AgentState::Done | AgentState::Stopped) =>
        {
            // It goes with the agent, so what the program said is told now.
            let said = last_complaint(host, record).await;
            let said = said.map(|line| format!("; it said: {line}")).unwrap_or_default();
            Err(Error::hinted(
                ErrorClass::AgentStart,
                format!("agent `{}` ended before it was ready: {}{said}", record.name, judgement.reason),
                "run its command by hand to see why",
            ))
        }
        Some(Readiness { is_ready: false, judgement }) => {
            events.warning(format!(
                "agent {} is not ready after {} s: {}",
                record.name, record.ready_timeout_seconds, judgement.reason
            ));
            Ok(())
        }
        _ => Ok(()),
    }
}

/// The last line that the program wrote to stderr, where its type keeps that.
async fn last_complaint(host: &Host, record: &AgentRecord) -> Option<String> {
    const LONGEST: usize = 300;
    let path = host.layout.agent(&record.id).join("stderr.log");
    let bytes = host.transport.read(&path).await.ok()??;
    let text = String::from_utf8_lossy(&bytes);
    let line = text.lines().map(str::trim).rfind(|line| !line.is_empty())?;
    Some(line.chars().filter(|ch| !ch.is_control()).take(LONGEST).collect())
}

/// Sends the first message, if there is one.
///
/// # Errors
/// It was not delivered; the error names the agent that runs all the same.
pub(super) async fn send_message(ctx: &Ctx, finish: &Finish<'_>, cancel: &Cancel) -> Result<()> {
    let Some(text) = finish.message else { return Ok(()) };
    let Finish { host, record, .. } = finish;
    let traits: TypeTraits = relaunch::traits(ctx, record);
    let request = MessageRequest {
        record,
        traits: &traits,
        text,
        id: None,
        primary_window: &ctx.settings.core.tmux.primary_window_name,
        wait: SENDER,
    };
    match cancel.race(send(host, &request)).await {
        Ok(_) => Ok(()),
        Err(error) => Err(FirstMessageError {
            agent: record.name.to_string(),
            reason: error.to_string(),
            hint: error.hint(),
            class: error.class(),
            exit_code: error.exit_code(),
            subject: Subject {
                provider_name: Some(host.info.provider.to_string()),
                host_id: Some(host.info.id.to_string()),
                agent_id: Some(record.id.to_string()),
            },
        }
        .into()),
    }
}

/// As the first message of a create, for a text that was written meanwhile.
///
/// # Errors
/// It was not delivered.
pub async fn send_first_message(ctx: &Ctx, report: &CreateReport, text: &str) -> Result<()> {
    let ResolvedAgent { host, record } = &report.agent;
    let finish = Finish { host, record, await_ready: false, message: Some(text) };
    send_message(ctx, &finish, &ctx.cancel).await
}

/// Waits until the agent's program has ended, however long that takes.
///
/// # Errors
/// The host cannot be looked at.
pub async fn wait_until_stopped(ctx: &Ctx, report: &CreateReport) -> Result<()> {
    /// A look costs a run of tmux.
    const POLL: Duration = Duration::from_millis(500);
    let ResolvedAgent { host, record } = &report.agent;
    loop {
        let state = relaunch::judgement(ctx, host, record).await?.state;
        if !state.is_running_like() && state != AgentState::Unknown {
            return Ok(());
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Tells the plugins, and the file that answers Tab. Nothing that goes wrong here matters to the agent.
pub(super) async fn announce(ctx: &Ctx, host: &Host, record: &AgentRecord) {
    let moment = AgentMoment { host, record };
    for enabled in ctx.registry.enabled() {
        if let Err(error) = enabled.plugin.agent_created(ctx, moment).await {
            tracing::warn!(plugin = enabled.descriptor.name, %error, "hook after the create failed");
        }
    }
    completion_cache::change(ctx, &[], &[record.name.as_str()]);
}

/// The steps that a create goes through.
pub(super) fn tell_plan(events: &Events, has_transfer: bool) {
    let mut steps = vec![progress::PREPARING];
    if has_transfer {
        steps.push(progress::TRANSFERRING);
    }
    steps.extend([progress::PROVISIONING, progress::STARTING]);
    progress::plan(events, &steps);
}
