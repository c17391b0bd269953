//! `mng message`: the same text to many agents at once.

use std::time::Duration;

use serde::Serialize;

use super::relaunch;
use super::resolve::ResolvedAgent;
use super::start::{OneStart, Outcome, start_one};
use crate::agents::message::{self as driver, FailureKind, MessageError, Receipt, ReceiptStatus};
use crate::agents::readiness::await_ready;
use crate::hosts::{HostLock, fan_out};
use crate::model::error::{Error, ErrorClass, Result};
use crate::model::event::{Event, Events};
use crate::model::ids::random_hex;
use crate::model::record::AgentRecord;
use crate::plugins::{AgentMoment, Ctx};

/// Longest that one agent's sender waits for another one, who may be pasting a long text.
const TURN: Duration = Duration::from_secs(60);
/// Longest over all for one agent: waiting, starting behind other changes of the host, and typing.
const DELIVERY: Duration = Duration::from_secs(180);

/// A text and whom it is for.
#[derive(Clone, Debug)]
pub struct MessageRequest {
    pub agents: Vec<ResolvedAgent>,
    pub text: String,
    /// The sender's own id; a message with a known one is not sent again.
    pub id: Option<String>,
    /// Start agents that do not run.
    pub start: bool,
    /// Stop at the first failure: agents behind it get nothing.
    pub is_aborting: bool,
}

/// What became of it. The field names are the JSON contract.
#[derive(Debug, Default, Serialize)]
pub struct MessageReport {
    pub successful_agents: Vec<String>,
    pub failed_agents: Vec<FailedAgent>,
    /// The agent refused it, or sits at a dialog now.
    pub blocked_agents: Vec<FailedAgent>,
    pub total_sent: usize,
    pub total_failed: usize,
    pub total_blocked: usize,
    /// One for each agent that was found, in the order of the targets.
    pub receipts: Vec<AgentReceipt>,
}

/// An agent that did not get the message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FailedAgent {
    pub agent: String,
    pub error: String,
    pub kind: FailureKind,
    /// What to do about it.
    pub hint: Option<String>,
}

/// How far the message is known to have come with one agent, and how that is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AgentReceipt {
    pub agent: String,
    pub agent_id: String,
    pub host_id: String,
    pub message_id: String,
    pub status: ReceiptStatus,
    pub evidence: String,
}

impl MessageReport {
    /// 1 when anybody failed, else 7 when anybody was blocked, else 0.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match (self.failed_agents.is_empty(), self.blocked_agents.is_empty()) {
            (false, _) => 1,
            (true, false) => 7,
            (true, true) => 0,
        }
    }

    /// Adds a target that never became a message.
    pub fn add_failed(&mut self, failed: FailedAgent) {
        self.failed_agents.push(failed);
        self.count();
    }

    fn count(&mut self) {
        self.total_sent = self.successful_agents.len();
        self.total_failed = self.failed_agents.len();
        self.total_blocked = self.blocked_agents.len();
    }
}

impl FailedAgent {
    /// A target that matches no agent.
    #[must_use]
    pub fn not_found(target: &str) -> Self {
        Self {
            agent: target.to_owned(),
            error: format!("agent not found: no agent matches `{target}`"),
            kind: FailureKind::AgentNotFound,
            hint: Some("`mng list` shows the agents there are".into()),
        }
    }

    /// A target that nobody who could know was able to tell about.
    #[must_use]
    pub fn unreachable(target: &str, error: &Error) -> Self {
        Self {
            agent: target.to_owned(),
            error: error.to_string(),
            kind: FailureKind::AgentUnreachable,
            hint: error.hint(),
        }
    }
}

/// What became of one agent's message.
#[derive(Clone, Debug, Serialize)]
pub struct Delivery {
    pub receipt: AgentReceipt,
    /// Why it did not get it.
    pub failed: Option<FailedAgent>,
}

impl Delivery {
    /// The agent is in a state in which it takes no message, and a person can change that.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        let kind = self.failed.as_ref().map(|failed| failed.kind);
        matches!(kind, Some(FailureKind::InputBlocked | FailureKind::Rejected))
    }
}

/// Sends the text to every agent, to many at the same time. Each agent takes one message after another,
/// whoever sends. What became of each is told as an item (a [`Delivery`]) at once.
///
/// # Errors
/// None of its own: an agent that did not get it is a row and keeps no other from getting it, unless the
/// request aborts.
#[tracing::instrument(skip_all, fields(agents = request.agents.len(), bytes = request.text.len()))]
pub async fn message(ctx: &Ctx, request: MessageRequest, events: &Events) -> Result<MessageReport> {
    let mut report = MessageReport::default();
    // Aborting means that nobody behind the failing agent gets anything: one after another then.
    let at_once = if request.is_aborting { 1 } else { request.agents.len().max(1) };
    for part in request.agents.chunks(at_once) {
        let done = fan_out(part.to_vec(), ctx.limits.parallel, DELIVERY + HostLock::START, |agent| {
            let request = &request;
            async move {
                // Known before anything is sent, so that a failure can name it.
                let id = request.id.clone().unwrap_or_else(|| format!("msg-{}", random_hex()));
                let result = deliver(ctx, &agent, request, &id, events).await;
                let delivery = Delivery::new(&agent, &id, result);
                events.send(Event::Item(serde_json::to_value(&delivery).unwrap_or_default()));
                Ok(delivery)
            }
        })
        .await;
        for (agent, delivery) in part.iter().zip(done) {
            let delivery = delivery.unwrap_or_else(|error| {
                let id = request.id.clone().unwrap_or_default();
                Delivery::new(agent, &id, Err(error))
            });
            let is_blocked = delivery.is_blocked();
            match delivery.failed {
                None => report.successful_agents.push(delivery.receipt.agent.clone()),
                Some(failed) if is_blocked => report.blocked_agents.push(failed),
                Some(failed) => report.failed_agents.push(failed),
            }
            report.receipts.push(delivery.receipt);
        }
        if request.is_aborting && report.exit_code() != 0 {
            break;
        }
    }
    report.count();
    Ok(report)
}

impl Delivery {
    fn new(agent: &ResolvedAgent, id: &str, result: Result<Receipt>) -> Self {
        let name = agent.record.name.to_string();
        let (message_id, status, evidence, failed) = match result {
            Ok(receipt) => {
                let evidence = evidence(&receipt);
                // Only a repeated one: what goes wrong now is an error.
                let kind = match receipt.status {
                    ReceiptStatus::Queued | ReceiptStatus::Accepted => None,
                    ReceiptStatus::Refused => Some(FailureKind::Rejected),
                    ReceiptStatus::Unknown => Some(FailureKind::SubmissionUnconfirmed),
                };
                let failed = kind.map(|kind| {
                    let hint = format!("look before you send it under another id: `mng capture {name}`");
                    FailedAgent { agent: name.clone(), error: evidence.clone(), kind, hint: Some(hint) }
                });
                (receipt.message_id, receipt.status, evidence, failed)
            }
            Err(error) => {
                let kind = kind_of(&error);
                // What was typed and not confirmed may have been read; everything else was never typed.
                let status = match (error.downcast_ref::<MessageError>(), kind) {
                    (Some(error), _) => error.status(),
                    (None, FailureKind::Unknown) => ReceiptStatus::Unknown,
                    (None, _) => ReceiptStatus::Refused,
                };
                let failed =
                    FailedAgent { agent: name.clone(), error: told(&error), kind, hint: error.hint() };
                (id.to_owned(), status, failed.error.clone(), Some(failed))
            }
        };
        let receipt = AgentReceipt {
            agent: name,
            agent_id: agent.record.id.to_string(),
            host_id: agent.host.info.id.to_string(),
            message_id,
            status,
            evidence,
        };
        Self { receipt, failed }
    }
}

fn evidence(receipt: &Receipt) -> String {
    let what = match receipt.status {
        ReceiptStatus::Queued => {
            "the text and Enter were typed into its terminal; nothing shows whether it was read"
        }
        ReceiptStatus::Accepted => "the agent has taken it",
        ReceiptStatus::Refused => "the agent has not taken it",
        ReceiptStatus::Unknown => "it may have been typed",
    };
    let what = receipt.evidence.as_deref().unwrap_or(what);
    match receipt.is_repeat {
        true => format!("sent before, at {}, and not again: {what}", receipt.sent_at),
        false => what.to_owned(),
    }
}

/// A message with its causes: the reader has nothing else.
fn told(error: &Error) -> String {
    let mut text = error.to_string();
    for cause in error.causes() {
        text.push_str(": ");
        text.push_str(&cause);
    }
    text
}

fn kind_of(error: &Error) -> FailureKind {
    if let Some(error) = error.downcast_ref::<MessageError>() {
        return error.kind();
    }
    match error.class() {
        ErrorClass::AgentNotFound | ErrorClass::AgentNotFoundOnHost => FailureKind::AgentNotFound,
        ErrorClass::AgentStart | ErrorClass::LockNotHeld => FailureKind::NotReady,
        ErrorClass::Host | ErrorClass::HostConnection | ErrorClass::HostOffline => {
            FailureKind::AgentUnreachable
        }
        _ => FailureKind::Unknown,
    }
}

async fn deliver(
    ctx: &Ctx,
    agent: &ResolvedAgent,
    request: &MessageRequest,
    id: &str,
    events: &Events,
) -> Result<Receipt> {
    let host = &agent.host;
    let record = match request.start {
        true => started(ctx, agent, events).await?,
        false => agent.record.clone(),
    };
    let moment = AgentMoment { host, record: &record };
    for enabled in ctx.registry.enabled() {
        enabled.plugin.before_send_message(ctx, moment, &request.text).await?;
    }
    let traits = relaunch::traits(ctx, &record);
    let request = driver::MessageRequest {
        record: &record,
        traits: &traits,
        text: &request.text,
        id: Some(id),
        primary_window: &ctx.settings.core.tmux.primary_window_name,
        wait: TURN,
    };
    let receipt = driver::send_message(host, &request).await?;
    if let Some(held) = &receipt.preexisting {
        let held: String = held.chars().take(80).collect();
        events.warning(format!(
            "agent {} had text in its input box, which went in front of the message: {held:?}",
            record.name
        ));
    }
    Ok(receipt)
}

/// Starts the agent if it does not run, and waits until it can listen.
async fn started(ctx: &Ctx, agent: &ResolvedAgent, events: &Events) -> Result<AgentRecord> {
    let host = &agent.host;
    let OneStart { outcome, record, .. } = {
        let lock = host.lock(Some(HostLock::START), events).await?;
        start_one(ctx, host, &lock, &agent.record, false, None, events).await?
    };
    if outcome != Outcome::AlreadyRunning {
        let traits = relaunch::traits(ctx, &record);
        let window = &ctx.settings.core.tmux.primary_window_name;
        let budget =
            Duration::try_from_secs_f64(record.ready_timeout_seconds).unwrap_or(Duration::from_secs(10));
        await_ready(host, &record, &traits, window, budget).await?;
    }
    Ok(record)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agents::testing::{PrivateHost, block, eventually};
    use crate::operations::fixture::context;

    const ECHO: &str = "while read -r l; do echo \"got:$l\"; done";

    fn agent(private: &PrivateHost, name: &str, command: &str) -> ResolvedAgent {
        ResolvedAgent { host: private.host.clone(), record: private.agent(name, command) }
    }

    fn request(agents: &[ResolvedAgent], text: &str) -> MessageRequest {
        MessageRequest {
            agents: agents.to_vec(),
            text: text.into(),
            id: None,
            start: false,
            is_aborting: false,
        }
    }

    #[test]
    fn who_runs_gets_it_and_who_does_not_is_a_row() {
        let private = PrivateHost::new();
        let ctx = context();
        let agents = [agent(&private, "a1", ECHO), agent(&private, "a2", ECHO)];
        private.start(&agents[0].record).unwrap();
        let report = block(message(&ctx, request(&agents, "hello; $(x)"), &Events::none())).unwrap();
        assert_eq!(report.successful_agents, ["a1"]);
        assert_eq!((report.total_sent, report.total_failed, report.exit_code()), (1, 1, 1));
        assert_eq!(report.failed_agents[0].kind, FailureKind::NotReady);
        assert!(report.failed_agents[0].error.contains("not running (state: STOPPED)"));
        let statuses: Vec<ReceiptStatus> = report.receipts.iter().map(|receipt| receipt.status).collect();
        assert_eq!(statuses, [ReceiptStatus::Queued, ReceiptStatus::Refused]);
        eventually("it arrives", || {
            private.tmux(&["capture-pane", "-p", "-t", "=mng-a1:"]).contains("got:hello; $(x)")
        });

        let start = MessageRequest { start: true, ..request(&agents[1..], "up") };
        let report = block(message(&ctx, start, &Events::none())).unwrap();
        assert_eq!(report.exit_code(), 0, "{report:?}");
        eventually("it arrives", || {
            private.tmux(&["capture-pane", "-p", "-t", "=mng-a2:"]).contains("got:up")
        });
    }

    #[test]
    fn a_known_id_says_so_and_aborting_stops_there() {
        let private = PrivateHost::new();
        let ctx = context();
        let agents = [agent(&private, "a1", "true"), agent(&private, "a2", ECHO)];
        private.start(&agents[1].record).unwrap();
        let aborting = MessageRequest { is_aborting: true, ..request(&agents, "x") };
        let report = block(message(&ctx, aborting, &Events::none())).unwrap();
        assert_eq!((report.total_sent, report.total_failed, report.receipts.len()), (0, 1, 1));
        for is_repeat in [false, true] {
            let once = MessageRequest { id: Some("id-1".into()), ..request(&agents[1..], "once") };
            let report = block(message(&ctx, once, &Events::none())).unwrap();
            assert_eq!((report.exit_code(), report.receipts[0].message_id.as_str()), (0, "id-1"));
            assert_eq!(report.receipts[0].evidence.starts_with("sent before"), is_repeat);
        }
    }

    #[test]
    fn a_failure_beats_a_block() {
        let mut report = MessageReport::default();
        assert_eq!(report.exit_code(), 0);
        report.blocked_agents.push(FailedAgent::not_found("x"));
        assert_eq!(report.exit_code(), 7);
        report.add_failed(FailedAgent::not_found("y"));
        assert_eq!((report.exit_code(), report.total_failed, report.total_blocked), (1, 1, 1));
    }
}
