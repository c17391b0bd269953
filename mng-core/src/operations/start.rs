//! `mng start`: starts agents again, where they left off.

use std::time::Duration;

use serde::Serialize;

use super::edit::{failure, reread};
use super::label::ARCHIVED_AT;
use super::relaunch;
use super::resolve::{HostGroup, ResolvedAgent, group_by_host};
use crate::agents::message::{FirstMessage, MessageRequest, send_message};
use crate::agents::readiness::await_ready;
use crate::agents::stop::stop_agent;
use crate::hosts::{Host, HostLock, fan_out};
use crate::model::error::{Error, ErrorClass, Result};
use crate::model::event::Events;
use crate::model::failure::Failure;
use crate::model::record::AgentRecord;
use crate::model::state::AgentState;
use crate::plugins::Ctx;
use crate::storage::fault;

/// What is sent to an agent once it is ready.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ResumeMessage {
    /// The one stored in its record, if there is one.
    #[default]
    Stored,
    None,
    Text(String),
}

impl ResumeMessage {
    /// The text for an agent.
    fn of<'a>(&'a self, record: &'a AgentRecord) -> Option<&'a str> {
        match self {
            Self::Stored => record.resume_message.as_deref(),
            Self::None => None,
            Self::Text(text) => Some(text),
        }
    }
}

#[derive(Clone, Debug)]
pub struct StartRequest {
    pub agents: Vec<ResolvedAgent>,
    /// Stop a running agent first.
    pub restart: bool,
    pub resume: ResumeMessage,
}

/// What became of one agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Started,
    Restarted,
    AlreadyRunning,
}

/// What happened. The field names are the JSON contract.
#[derive(Debug, Default, Serialize)]
pub struct StartReport {
    pub started_agents: Vec<String>,
    pub count: usize,
    /// Whether a stopped host had to be started for them.
    pub was_host_started: bool,
    pub failures: Vec<Failure>,
    pub failure_count: usize,
    pub exit_code: u8,
    /// What became of each of `started_agents`.
    #[serde(skip)]
    pub outcomes: Vec<Outcome>,
}

/// Starts every agent that does not run. One whose program has ended inside a live session (DONE) is
/// started anew in a new session. The label `archived_at` goes away.
///
/// # Errors
/// None of its own: an agent that cannot be started is a row in `failures` and keeps no other from starting.
#[tracing::instrument(skip_all, fields(agents = request.agents.len()))]
pub async fn start(ctx: &Ctx, request: StartRequest, events: &Events) -> Result<StartReport> {
    let groups = group_by_host(request.agents.clone());
    let seen = groups.clone();
    let most = seen.iter().map(|group| group.records.len()).max().unwrap_or(0);
    let deadline = HostLock::START + ctx.limits.stop * u32::try_from(most + 1).unwrap_or(u32::MAX);
    let done =
        fan_out(groups, ctx.limits.parallel, deadline, |group| start_group(ctx, group, &request, events))
            .await;
    let mut report = StartReport::default();
    for (group, result) in seen.iter().zip(done) {
        match result {
            Ok(rows) => {
                for (record, result) in group.records.iter().zip(rows) {
                    match result {
                        Ok(outcome) => {
                            report.started_agents.push(record.name.to_string());
                            report.outcomes.push(outcome);
                        }
                        Err(error) => report.failures.push(start_failure(&group.host, record, &error)),
                    }
                }
            }
            Err(error) => {
                let failed = group.records.iter().map(|record| start_failure(&group.host, record, &error));
                report.failures.extend(failed);
            }
        }
    }
    report.count = report.started_agents.len();
    report.failure_count = report.failures.len();
    report.exit_code = Failure::exit_code(&report.failures);
    Ok(report)
}

/// As other failures, with the hint: what stops a start is mostly something that the person can mend.
fn start_failure(host: &Host, record: &AgentRecord, error: &Error) -> Failure {
    let mut row = failure(host, record, error);
    if let Some(hint) = error.hint() {
        row.message.push_str("; ");
        row.message.push_str(&hint);
    }
    row
}

async fn start_group(
    ctx: &Ctx,
    group: HostGroup,
    request: &StartRequest,
    events: &Events,
) -> Result<Vec<Result<Outcome>>> {
    let HostGroup { host, records } = group;
    let lock = host.lock(Some(HostLock::START), events).await?;
    let mut rows = Vec::new();
    let mut fresh = Vec::new();
    for record in &records {
        let result =
            start_one(ctx, &host, &lock, record, request.restart, request.resume.of(record), events).await;
        rows.push(result.map(|one| {
            let OneStart { outcome, record, first } = one;
            if outcome != Outcome::AlreadyRunning {
                fresh.push((record, first));
            }
            outcome
        }));
    }
    // Readiness takes its time and needs no lock.
    drop(lock);
    if !fresh.is_empty() {
        ctx.attend_host(&host, events).await;
    }
    let budget = Duration::from_secs(120);
    for result in fan_out(fresh, ctx.limits.parallel, budget, |(record, first)| {
        let host = &host;
        async move {
            relaunch::confirm_first_message(host, &record, first, events).await?;
            resume(ctx, host, &record, &request.resume).await
        }
    })
    .await
    {
        if let Err(error) = result {
            events.warning(format!("the resume message was not delivered: {error}"));
        }
    }
    Ok(rows)
}

/// What became of one agent.
pub(super) struct OneStart {
    pub(super) outcome: Outcome,
    pub(super) record: AgentRecord,
    /// What its program gets with the start.
    pub(super) first: Option<FirstMessage>,
}

/// Starts one agent under the host's lock, stopping what is left of it first if that is needed. `first` is
/// passed along as an argument if the type's program takes one.
///
/// # Errors
/// It is gone, or it cannot be stopped or started.
pub(super) async fn start_one(
    ctx: &Ctx,
    host: &Host,
    lock: &HostLock,
    seen: &AgentRecord,
    restart: bool,
    first: Option<&str>,
    events: &Events,
) -> Result<OneStart> {
    let mut record = reread(host, seen).await?;
    let state = relaunch::judgement(ctx, host, &record).await?.state;
    let mut outcome = Outcome::Started;
    match state {
        state if state.is_running_like() && !restart => {
            return Ok(OneStart { outcome: Outcome::AlreadyRunning, record, first: None });
        }
        AgentState::Unknown => {
            return Err(Error::hinted(
                ErrorClass::AgentStart,
                format!("cannot start agent `{}`: its state is UNKNOWN", record.name),
                format!("mng why {}", record.name),
            ));
        }
        AgentState::Stopped => {}
        state => {
            if state.is_running_like() {
                outcome = Outcome::Restarted;
            }
            let left = stop_agent(host, lock, &record, ctx.limits.stop_grace).await?;
            if let Some(left) = left.first() {
                return Err(Error::plain(ErrorClass::AgentStart, left.message.clone()));
            }
            fault::point("start.stopped");
        }
    }
    let command_line = relaunch::command_line(ctx, &record);
    let mut staged = None;
    if let Ok(agent_type) = ctx.agent_type(&record.agent_type)
        && let Some(text) = relaunch::as_argument(&agent_type, first)
    {
        staged = relaunch::stage_first_message(host, &agent_type, &record, text).await?;
    }
    let started = relaunch::start(ctx, host, lock, &record, &command_line, false, events).await?;
    for warning in started.warnings {
        events.warning(warning);
    }
    if record.labels.remove(ARCHIVED_AT).is_some() {
        host.write_agent(lock, &record).await?;
    }
    Ok(OneStart { outcome, record, first: staged })
}

/// Sends the resume message once the agent is at rest, or when its readiness budget is over.
async fn resume(ctx: &Ctx, host: &Host, record: &AgentRecord, resume: &ResumeMessage) -> Result<()> {
    let Some(text) = resume.of(record) else { return Ok(()) };
    if let Ok(agent_type) = ctx.agent_type(&record.agent_type)
        && relaunch::as_argument(&agent_type, Some(text)).is_some()
    {
        return Ok(());
    }
    let traits = relaunch::traits(ctx, record);
    let window = &ctx.settings.core.tmux.primary_window_name;
    let budget = Duration::try_from_secs_f64(record.ready_timeout_seconds).unwrap_or(Duration::from_secs(10));
    await_ready(host, record, &traits, window, budget).await?;
    let request = MessageRequest {
        record,
        traits: &traits,
        text,
        id: None,
        primary_window: window,
        wait: Duration::from_secs(15),
    };
    send_message(host, &request).await?;
    Ok(())
}
