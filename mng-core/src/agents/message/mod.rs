//! Sending a message to an agent whose program just reads its terminal: the text, then Enter.
//!
//! Nothing tells whether such a program has read it, so the receipt never says more than that it was typed.
//! A message is typed at most once: its id is written down before the first key.

#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::facts::{AgentFacts, LaunchFacts, Seen, SessionFacts, TypeTraits};
use super::judge::judge;
use super::probe::{ProbeRequest, probe_host};
use super::processes::{ProcessId, has_proc, read_process};
use super::tmux::{Submit, Tmux};
use crate::hosts::{EventStream, Host};
use crate::model::error::{Error, ErrorClass, Explain, Result, Scope};
use crate::model::ids::random_hex;
use crate::model::record::AgentRecord;
use crate::model::state::AgentState;
use crate::model::time::Time;

/// The event stream of an agent's messages.
const SOURCE: &str = "messages";
/// How long a program may take to come up behind its shell.
const STARTING: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(20);

const STARTED: &str = "send_started";
const QUEUED: &str = "send_queued";
const FAILED: &str = "send_failed";

/// A message for one agent.
pub struct MessageRequest<'a> {
    pub record: &'a AgentRecord,
    pub traits: &'a TypeTraits,
    pub text: &'a str,
    /// The sender's own id: a message with a known one is not sent again. Unset: a fresh one.
    pub id: Option<&'a str>,
    /// `tmux.primary_window_name`.
    pub primary_window: &'a str,
    /// How long to wait for another sender.
    pub wait: Duration,
}

/// How far a message is known to have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ReceiptStatus {
    /// It stands in the agent's input; whether the program has read it cannot be seen.
    Queued,
    /// The program has taken it.
    Accepted,
    /// The program has not taken it.
    Refused,
    /// It may have been typed: look before sending again.
    Unknown,
}

/// What became of a message. Field names are the JSON contract.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Receipt {
    pub message_id: String,
    pub status: ReceiptStatus,
    pub sent_at: Time,
    /// The message was known already and nothing was typed now.
    pub is_repeat: bool,
}

/// Why a message was not delivered, in the words of the machine output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    InputBlocked,
    NotReady,
    AgentUnreachable,
    AgentNotFound,
    SubmissionUnconfirmed,
    Unknown,
}

/// A message was not delivered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    #[error("the message for agent `{agent}` is empty")]
    Empty { agent: String },
    #[error("agent `{agent}` is not running (state: {state}): {reason}")]
    NotRunning { agent: String, state: AgentState, reason: String },
    /// Something else reads the keys there, and would act on them.
    #[error("agent `{agent}` cannot take a message: {reason}")]
    NotReady { agent: String, reason: String },
    #[error("cannot tell whether agent `{agent}` runs: {reason}")]
    Unreachable { agent: String, reason: String },
    #[error("agent `{agent}` ended while the message was being typed")]
    EndedMeanwhile { agent: String },
}

impl MessageError {
    /// The kind of the machine output.
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::Empty { .. } => FailureKind::Unknown,
            Self::NotRunning { .. } | Self::NotReady { .. } => FailureKind::NotReady,
            Self::Unreachable { .. } => FailureKind::AgentUnreachable,
            Self::EndedMeanwhile { .. } => FailureKind::SubmissionUnconfirmed,
        }
    }
}

impl Explain for MessageError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Empty { .. } => ErrorClass::UserInput,
            _ => ErrorClass::SendMessage,
        }
    }

    fn scope(&self) -> Scope {
        Scope::Agent
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Empty { .. } => Some("give it with `-m TEXT`".into()),
            Self::NotRunning { agent, .. } => Some(format!("`mng message {agent} --start` starts it first")),
            Self::NotReady { agent, .. } | Self::Unreachable { agent, .. } => {
                Some(format!("`mng why {agent}` shows what was seen"))
            }
            Self::EndedMeanwhile { agent } => Some(format!("`mng capture {agent}` shows what became of it")),
        }
    }
}

/// Types a message into the agent's pane and presses Enter. The agent has to run: a shell that is left of it
/// would take the text for a command.
///
/// # Errors
/// [`MessageError`], another sender holds the lock, or tmux cannot be asked.
pub async fn send_message(host: &Host, request: &MessageRequest<'_>) -> Result<Receipt> {
    let agent = request.record.name.to_string();
    if request.text.is_empty() {
        return Err(MessageError::Empty { agent }.into());
    }
    let dir = host.layout.agent(&request.record.id);
    let _lock = host.transport.lock(&dir.join("message.lock"), Some(request.wait), Box::new(|| {})).await?;
    let log = EventStream::new(&dir, SOURCE);
    if let Some(id) = request.id
        && let Some(receipt) = known(&log.read(host).await?, id)
    {
        return Ok(receipt);
    }
    let target = target(host, request).await?;
    let message_id = request.id.map_or_else(|| format!("msg-{}", random_hex()), str::to_owned);
    let sent_at = Time::now();
    let note = |event, extra: Value| {
        let mut fields = Map::from_iter([("message_id".to_owned(), Value::from(message_id.clone()))]);
        fields.extend(extra.as_object().cloned().unwrap_or_default());
        log.append(host, event, fields)
    };
    note(STARTED, json!({ "text": request.text })).await?;
    match type_message(host, &agent, &target, request.text).await {
        Ok(()) => {
            note(QUEUED, json!({})).await?;
            Ok(Receipt { message_id, status: ReceiptStatus::Queued, sent_at, is_repeat: false })
        }
        Err(Attempt { error, was_typed }) => {
            note(FAILED, json!({ "error": error.to_string(), "was_typed": was_typed })).await?;
            Err(error)
        }
    }
}

/// The receipt of a message that was sent before. One of which nothing was typed may be sent again.
fn known(events: &[Map<String, Value>], id: &str) -> Option<Receipt> {
    let text =
        |event: &Map<String, Value>, key: &str| event.get(key).and_then(Value::as_str).map(str::to_owned);
    let mut receipt: Option<Receipt> = None;
    for event in events.iter().filter(|event| text(event, "message_id").as_deref() == Some(id)) {
        let status = match text(event, "type").as_deref() {
            Some(STARTED) => {
                let time = text(event, "timestamp").and_then(|time| time.parse().ok());
                receipt = Some(Receipt {
                    message_id: id.to_owned(),
                    status: ReceiptStatus::Unknown,
                    sent_at: time.unwrap_or_else(Time::now),
                    is_repeat: true,
                });
                continue;
            }
            Some(QUEUED) => ReceiptStatus::Queued,
            Some(FAILED) if event.get("was_typed") == Some(&Value::Bool(false)) => {
                receipt = None;
                continue;
            }
            _ => continue,
        };
        if let Some(receipt) = &mut receipt {
            receipt.status = status;
        }
    }
    receipt
}

/// Where to type, and the program that is to read it, if it is known.
struct Target {
    pane: String,
    process: Option<ProcessId>,
}

/// Waits for a program that is just being started: what is typed before it has its terminal may reach the
/// shell instead, or arrive with the wrong line ends.
async fn target(host: &Host, request: &MessageRequest<'_>) -> Result<Target> {
    let deadline = Instant::now() + STARTING;
    loop {
        let facts = look(host, request).await?;
        let judgement = judge(&facts);
        let agent = request.record.name.to_string();
        let (state, reason) = (judgement.state, judgement.reason);
        let error = match state {
            AgentState::Running | AgentState::Waiting | AgentState::RunningUnknownAgentType => {
                if judgement.pid.is_some()
                    && let Some(target) = pane_of(&facts)
                {
                    return Ok(target);
                }
                if Instant::now() < deadline {
                    tokio::time::sleep(POLL).await;
                    continue;
                }
                MessageError::NotReady { agent, reason }
            }
            AgentState::Stopped | AgentState::Done => MessageError::NotRunning { agent, state, reason },
            AgentState::Replaced => MessageError::NotReady { agent, reason },
            AgentState::Unknown => MessageError::Unreachable { agent, reason },
        };
        return Err(error.into());
    }
}

async fn look(host: &Host, request: &MessageRequest<'_>) -> Result<AgentFacts> {
    let probe = ProbeRequest {
        agents: Some(std::slice::from_ref(&request.record.id)),
        usage: false,
        primary_window: request.primary_window,
        traits: &|_| request.traits.clone(),
    };
    let mut seen = probe_host(host, &probe).await?;
    if let Some((_, error)) = seen.damaged.pop() {
        return Err(error);
    }
    seen.agents.pop().ok_or_else(|| {
        let agent = request.record.name.to_string();
        let reason = "its record is gone".to_owned();
        MessageError::NotRunning { agent, state: AgentState::Stopped, reason }.into()
    })
}

fn pane_of(facts: &AgentFacts) -> Option<Target> {
    let Seen::Yes(Some(SessionFacts { pane: Some(pane), .. })) = &facts.session else { return None };
    let process = match &facts.launch {
        Some(LaunchFacts { file, is_alive: Seen::Yes(true), .. }) => file.process,
        _ => None,
    };
    Some(Target { pane: pane.id.clone(), process })
}

struct Attempt {
    error: Error,
    was_typed: bool,
}

async fn type_message(host: &Host, agent: &str, target: &Target, text: &str) -> Result<(), Attempt> {
    let tmux = Tmux::on(host);
    let ended = || MessageError::EndedMeanwhile { agent: agent.to_owned() }.into();
    match tmux.type_text(&target.pane, text.as_bytes(), Submit::No).await {
        Ok(true) => {}
        Ok(false) => return Err(Attempt { error: ended(), was_typed: false }),
        Err(error) => return Err(Attempt { error, was_typed: true }),
    }
    // If the program has gone meanwhile, the text stands at a shell's prompt. It must not be run.
    if let Some(process) = target.process
        && has_proc(host)
        && !read_process(process.pid).ok().flatten().is_some_and(|now| now.id == process && !now.is_zombie)
    {
        let _ = tmux.press(&target.pane, &["C-c"]).await;
        return Err(Attempt { error: ended(), was_typed: true });
    }
    match tmux.press(&target.pane, &["Enter"]).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(Attempt { error: ended(), was_typed: true }),
        Err(error) => Err(Attempt { error, was_typed: true }),
    }
}
