//! Sending a message to an agent: the text, then Enter. A message is typed at most once: its id is written
//! down before the first key.
//!
//! Of a program that just reads its terminal nothing tells whether it has read it, so the receipt never says
//! more than that it was typed. What a type with an input of its own can prove: see [`confirmed`].

mod confirmed;
#[cfg(test)]
mod confirmed_tests;
mod error;
#[cfg(test)]
mod tests;
mod text;

use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::{Map, Value, json};

pub use confirmed::{FirstMessage, confirm_first_message};
pub use error::{FailureKind, MessageError};

use super::facts::{AgentFacts, LaunchFacts, Seen, SessionFacts, TypeTraits};
use super::judge::judge;
use super::probe::{ProbeRequest, probe_host};
use super::processes::{Process, ProcessId, ProcessTable, has_proc, read_process};
use super::tmux::{Submit, Tmux};
use crate::hosts::{EventStream, Host};
use crate::model::error::{Error, Result};
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
const ACCEPTED: &str = "send_accepted";
const REJECTED: &str = "send_rejected_by_agent";
const UNCONFIRMED: &str = "relaxed_send_unconfirmed";
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
    /// What shows that, if anything does.
    pub evidence: Option<String>,
    /// The message was known already and nothing was typed now.
    pub is_repeat: bool,
    /// Text of a person that stood in the input box and went in front of the message.
    pub preexisting: Option<String>,
}

/// Types a message into the agent's pane and presses Enter. The agent has to run: a shell that is left of it
/// would take the text for a command.
///
/// # Errors
/// [`MessageError`], another sender holds the lock, or tmux cannot be asked.
pub async fn send_message(host: &Host, request: &MessageRequest<'_>) -> Result<Receipt> {
    let agent = request.record.name.to_string();
    let text = text::normalised(request.text);
    text::check(&agent, &text)?;
    let request = &MessageRequest { text: &text, ..*request };
    let dir = host.layout.agent(&request.record.id);
    let _lock = host.transport.lock(&dir.join("message.lock"), Some(request.wait), Box::new(|| {})).await?;
    let log = EventStream::new(&dir, SOURCE);
    if let Some(id) = request.id
        && let Some(receipt) = known(&log.read(host).await?, id)
    {
        return Ok(receipt);
    }
    let message_id = request.id.map_or_else(|| format!("msg-{}", random_hex()), str::to_owned);
    let notes = Notes { host, log: &log, message_id: &message_id };
    let input = request.traits.agent_type.as_ref().and_then(|handle| handle.0.input());
    if input.is_some() && text.trim().is_empty() {
        return Err(MessageError::Empty { agent }.into());
    }
    let target = target(host, request).await?;
    let sent_at = Time::now();
    let sent = match &input {
        Some(input) => confirmed::send(&notes, request, &**input, &target).await,
        None => send_unconfirmed(&notes, request, &agent, &target).await,
    };
    match sent {
        Ok(Sent { status, evidence, preexisting }) => {
            Ok(Receipt { message_id, status, sent_at, evidence, is_repeat: false, preexisting })
        }
        Err(Attempt { error, was_typed }) => {
            notes.write(FAILED, json!({ "error": error.to_string(), "was_typed": was_typed })).await?;
            Err(error)
        }
    }
}

/// What is written down of one message.
struct Notes<'a> {
    host: &'a Host,
    log: &'a EventStream,
    message_id: &'a str,
}

impl Notes<'_> {
    async fn write(&self, event: &str, extra: Value) -> Result<()> {
        let mut fields = Map::from_iter([("message_id".to_owned(), Value::from(self.message_id))]);
        fields.extend(extra.as_object().cloned().unwrap_or_default());
        self.log.append(self.host, event, fields).await.map(|_| ())
    }
}

/// How far a message has come.
struct Sent {
    status: ReceiptStatus,
    evidence: Option<String>,
    preexisting: Option<String>,
}

struct Attempt {
    error: Error,
    was_typed: bool,
}

impl Attempt {
    fn untyped(error: impl Into<Error>) -> Self {
        Self { error: error.into(), was_typed: false }
    }

    fn typed(error: impl Into<Error>) -> Self {
        Self { error: error.into(), was_typed: true }
    }
}

async fn send_unconfirmed(
    notes: &Notes<'_>,
    request: &MessageRequest<'_>,
    agent: &str,
    target: &Target,
) -> Result<Sent, Attempt> {
    notes.write(STARTED, json!({ "text": request.text })).await.map_err(Attempt::untyped)?;
    type_message(notes.host, agent, target, request.text).await?;
    notes.write(QUEUED, json!({})).await.map_err(Attempt::typed)?;
    Ok(Sent { status: ReceiptStatus::Queued, evidence: None, preexisting: None })
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
                    evidence: None,
                    is_repeat: true,
                    preexisting: None,
                });
                continue;
            }
            Some(QUEUED | UNCONFIRMED) => ReceiptStatus::Queued,
            Some(ACCEPTED) => ReceiptStatus::Accepted,
            Some(REJECTED) => ReceiptStatus::Refused,
            Some(FAILED) if event.get("was_typed") == Some(&Value::Bool(false)) => {
                receipt = None;
                continue;
            }
            _ => continue,
        };
        if let Some(receipt) = &mut receipt {
            receipt.status = status;
            receipt.evidence = text(event, "evidence").or_else(|| receipt.evidence.take());
        }
    }
    receipt
}

/// Where to type, and the program that is to read it, if it is known.
struct Target {
    pane: String,
    process: Option<ProcessId>,
}

impl Target {
    /// Whether the program is known to have ended.
    async fn has_ended(&self, host: &Host) -> bool {
        let Some(process) = self.process else { return false };
        if !host.is_local() {
            return ProcessTable::read(host).await.is_ok_and(|table| !table.is_alive(process));
        }
        let is_same = |now: Process| now.id == process && !now.is_zombie;
        has_proc(host) && !read_process(process.pid).ok().flatten().is_some_and(is_same)
    }
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
        activity: true,
        primary_window: request.primary_window,
        traits: &|_| request.traits.clone(),
        resources: false,
        watched: &|| request.traits.watched(),
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

async fn type_message(host: &Host, agent: &str, target: &Target, text: &str) -> Result<(), Attempt> {
    let tmux = Tmux::on(host);
    let ended = || MessageError::EndedMeanwhile { agent: agent.to_owned() }.into();
    match tmux.type_text(&target.pane, text.as_bytes(), Submit::No).await {
        Ok(true) => {}
        Ok(false) => return Err(Attempt { error: ended(), was_typed: false }),
        Err(error) => return Err(Attempt { error, was_typed: true }),
    }
    // If the program has gone meanwhile, the text stands at a shell's prompt. It must not be run.
    if target.has_ended(host).await {
        let _ = tmux.press(&target.pane, &["C-c"]).await;
        return Err(Attempt { error: ended(), was_typed: true });
    }
    match tmux.press(&target.pane, &["Enter"]).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(Attempt { error: ended(), was_typed: true }),
        Err(error) => Err(Attempt { error, was_typed: true }),
    }
}
