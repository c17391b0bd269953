//! Sending to a program whose screen and files its type can read: typed only into an input box, and taken
//! for delivered only when a file on disk proves it.
//!
//! What a screen shows is never proof, since it lags and wraps; what it shows decides only when to press a
//! key.

use std::time::{Duration, Instant};

use serde_json::json;

use super::text::{excerpt, letters, tail};
use super::{
    ACCEPTED, Attempt, FAILED, MessageError, MessageRequest, Notes, QUEUED, REJECTED, Receipt, ReceiptStatus,
    SOURCE, STARTED, Sent, Target, UNCONFIRMED,
};
use crate::agents::input::{Evidence, EvidenceWatch, Input, Recipient, ScreenState};
use crate::agents::sight::Sight;
use crate::agents::tmux::{CaptureRequest, Submit, Tmux};
use crate::hosts::{EventStream, Host};
use crate::model::env_file::EnvVars;
use crate::model::error::Result;
use crate::model::ids::random_hex;
use crate::model::record::AgentRecord;
use crate::model::time::Time;
use crate::storage::fault;

/// How long an input box may take to come up.
const BOX: Duration = Duration::from_secs(30);
/// How many dialogs in a row are answered.
const ANSWERS: usize = 4;
/// How long a program may take to close a dialog that was answered.
const CLOSING: Duration = Duration::from_secs(2);
/// How long typed text may take to show.
const SHOWING: Duration = Duration::from_secs(15);
/// How long proof may take to come.
const STRICT: Duration = Duration::from_secs(90);
/// As [`STRICT`], for text that may leave no trace.
const RELAXED: Duration = Duration::from_secs(15);
/// When Enter is pressed again if the text still stands in the box.
const ENTER_AGAIN: [Duration; 3] = [Duration::from_secs(3), Duration::from_secs(10), Duration::from_secs(30)];
/// How long a dialog is waited for that a command of the message may open.
const AFTERMATH: Duration = Duration::from_secs(2);
/// Looks at the screen: a run of tmux each.
const SCREEN_POLL: Duration = Duration::from_millis(100);
/// Looks at the program's files, for as long as a person is likely to watch.
const PROOF_POLL: Duration = Duration::from_millis(20);
const EARLY: Duration = Duration::from_secs(2);
const LATE_POLL: Duration = Duration::from_millis(500);

/// One message on its way into one pane.
struct Typing<'a> {
    host: &'a Host,
    agent: String,
    input: &'a dyn Input,
    target: &'a Target,
    text: &'a str,
    tail: String,
    /// Text of a person that stood in the box.
    preexisting: Option<String>,
}

impl Typing<'_> {
    async fn capture(&self, has_styles: bool) -> Result<String> {
        let request = CaptureRequest { has_styles, ..CaptureRequest::default() };
        match Tmux::on(self.host).capture(&self.target.pane, &request).await? {
            Some(screen) => Ok(screen),
            None => Err(MessageError::EndedMeanwhile { agent: self.agent.clone() }.into()),
        }
    }

    fn dialog(&self, dialog: &str) -> MessageError {
        MessageError::AtDialog { agent: self.agent.clone(), dialog: dialog.to_owned() }
    }

    /// Waits for the input box, answering the dialogs that the type may answer. Returns what a person has
    /// left in the box.
    async fn await_box(&self) -> Result<Option<String>> {
        let deadline = Instant::now() + BOX;
        let mut answers = 0;
        loop {
            let screen = self.capture(true).await?;
            match self.input.screen(&screen) {
                ScreenState::Ready { leftover } => return Ok(leftover),
                ScreenState::Dialog(dialog) => {
                    let Some(keys) = dialog.answer.filter(|_| answers < ANSWERS) else {
                        return Err(self.dialog(&dialog.name).into());
                    };
                    answers += 1;
                    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
                    Tmux::on(self.host).press(&self.target.pane, &keys).await?;
                    let closing = Instant::now() + CLOSING;
                    while self.capture(true).await? == screen {
                        if Instant::now() >= closing {
                            return Err(self.dialog(&dialog.name).into());
                        }
                        tokio::time::sleep(SCREEN_POLL).await;
                    }
                }
                ScreenState::Unclear => {
                    if self.target.has_ended(self.host).await {
                        return Err(MessageError::EndedMeanwhile { agent: self.agent.clone() }.into());
                    }
                    if Instant::now() >= deadline {
                        let reason = format!(
                            "no input box has shown for {} s; its screen ends with {}",
                            BOX.as_secs(),
                            excerpt(&self.capture(false).await?)
                        );
                        return Err(MessageError::NotReady { agent: self.agent.clone(), reason }.into());
                    }
                    tokio::time::sleep(SCREEN_POLL).await;
                }
            }
        }
    }

    /// Empties the box of text that a sender of ours left there when it was cut short: it would become part of
    /// the next message. Text of a person is never touched.
    async fn clear(&self, mut leftover: String) -> Result<Option<String>> {
        /// Each press empties a row.
        const MOST_ROWS: usize = 64;
        let closing = Instant::now() + CLOSING;
        for _ in 0..MOST_ROWS {
            Tmux::on(self.host).press(&self.target.pane, self.input.clear_keys()).await?;
            loop {
                match self.input.screen(&self.capture(true).await?) {
                    ScreenState::Ready { leftover: None } => return Ok(None),
                    ScreenState::Ready { leftover: Some(now) } if now != leftover => {
                        leftover = now;
                        break;
                    }
                    _ if Instant::now() >= closing => return Ok(Some(leftover)),
                    _ => tokio::time::sleep(PROOF_POLL).await,
                }
            }
        }
        Ok(Some(leftover))
    }

    /// Whether the text, or the label of a paste, stands in the box.
    fn stands_in_box(&self, screen: &str) -> bool {
        let ScreenState::Ready { leftover: Some(held) } = self.input.screen(screen) else { return false };
        self.tail.is_empty()
            || letters(&held).contains(&self.tail)
            || self.input.paste_labels().iter().any(|label| held.contains(label))
    }

    /// Waits until the typed text shows. `before`: how often its tail stood on the screen already.
    async fn await_shown(&self, before: usize) -> Result<()> {
        let deadline = Instant::now() + SHOWING;
        loop {
            let screen = self.capture(true).await?;
            let is_more = !self.tail.is_empty() && letters(&screen).matches(&self.tail).count() > before;
            if is_more || self.stands_in_box(&screen) {
                return Ok(());
            }
            if self.target.has_ended(self.host).await {
                return Err(MessageError::EndedMeanwhile { agent: self.agent.clone() }.into());
            }
            if Instant::now() >= deadline {
                let screen = excerpt(&self.capture(false).await?);
                return Err(MessageError::NotShown { agent: self.agent.clone(), screen }.into());
            }
            tokio::time::sleep(SCREEN_POLL / 4).await;
        }
    }

    /// Waits for proof after Enter. `None`: the window is over.
    async fn await_proof(
        &self,
        sight: &mut Sight,
        watch: &mut dyn EvidenceWatch,
        window: Duration,
        is_relaxed: bool,
    ) -> Result<Option<Evidence>> {
        let begin = Instant::now();
        let mut read = begin;
        let mut again = ENTER_AGAIN.iter().peekable();
        loop {
            sight.refresh(self.host).await?;
            if let Some(evidence) = watch.poll()? {
                return Ok(Some(evidence));
            }
            let waited = begin.elapsed();
            if is_relaxed && read.elapsed() >= LATE_POLL {
                read = Instant::now();
                if let Some(answer) = self.input.rejection(&self.capture(true).await?, self.text) {
                    return Ok(Some(Evidence::Rejected(answer)));
                }
            }
            if waited >= window {
                return Ok(None);
            }
            if self.target.has_ended(self.host).await {
                // It may have been the last thing that it did.
                sight.refresh(self.host).await?;
                return match watch.poll()? {
                    Some(evidence) => Ok(Some(evidence)),
                    None => Err(MessageError::EndedMeanwhile { agent: self.agent.clone() }.into()),
                };
            }
            if again.next_if(|at| waited >= **at).is_some() && self.stands_in_box(&self.capture(true).await?)
            {
                Tmux::on(self.host).press(&self.target.pane, &["Enter"]).await?;
            }
            let poll = if waited < EARLY { PROOF_POLL } else { LATE_POLL };
            tokio::time::sleep(Sight::poll(self.host, poll)).await;
        }
    }

    /// Waits a moment for a dialog that the message may have opened.
    async fn aftermath(&self) -> Result<()> {
        let deadline = Instant::now() + AFTERMATH;
        while Instant::now() < deadline {
            if let ScreenState::Dialog(dialog) = self.input.screen(&self.capture(true).await?) {
                let (agent, dialog) = (self.agent.clone(), dialog.name);
                return Err(MessageError::OpenedDialog { agent, dialog }.into());
            }
            tokio::time::sleep(SCREEN_POLL).await;
        }
        Ok(())
    }
}

/// Sends one message; the caller holds the agent's message lock.
pub(super) async fn send(
    notes: &Notes<'_>,
    request: &MessageRequest<'_>,
    input: &dyn Input,
    target: &Target,
) -> Result<Sent, Attempt> {
    let host = notes.host;
    let state_dir = host.layout.agent(&request.record.id);
    let env = environment(host, request.record).await.map_err(Attempt::untyped)?;
    let to = Recipient { host, record: request.record, state_dir: &state_dir, env: &env };
    let mut typing = Typing {
        host,
        agent: request.record.name.to_string(),
        input,
        target,
        text: request.text,
        tail: tail(request.text),
        preexisting: None,
    };
    let started = json!({ "text": request.text });
    if input.delivers() {
        notes.write(STARTED, started).await.map_err(Attempt::untyped)?;
        fault::point("message.started");
        let delivered = input.deliver(to, notes.message_id, request.text).await.map_err(Attempt::typed)?;
        return settle(notes, &typing, Some(delivered), STRICT, false).await;
    }
    let leftover = typing.await_box().await.map_err(Attempt::untyped)?;
    let leftover = match leftover {
        Some(held) if is_ours(notes, &typing, &held).await.map_err(Attempt::untyped)? => {
            let fields = json!({ "input_text": held });
            notes.write("cleared_restored_input_text", fields).await.map_err(Attempt::untyped)?;
            typing.clear(held).await.map_err(Attempt::untyped)?
        }
        leftover => leftover,
    };
    if let Some(leftover) = &leftover {
        let fields = json!({ "input_text": leftover });
        notes.write("preexisting_input_text", fields).await.map_err(Attempt::untyped)?;
    }
    typing.preexisting = leftover;
    let before = letters(&typing.capture(true).await.map_err(Attempt::untyped)?);
    let before = if typing.tail.is_empty() { 0 } else { before.matches(&typing.tail).count() };
    notes.write(STARTED, started).await.map_err(Attempt::untyped)?;
    fault::point("message.started");
    let is_there = Tmux::on(host).type_text(&target.pane, typing.text.as_bytes(), Submit::No).await;
    if !is_there.map_err(Attempt::typed)? {
        return Err(Attempt::untyped(MessageError::EndedMeanwhile { agent: typing.agent }));
    }
    fault::point("message.typed");
    typing.await_shown(before).await.map_err(Attempt::typed)?;
    let mut sight = Sight::of(&request.record.id, input.watched_files());
    sight.refresh(host).await.map_err(Attempt::typed)?;
    let readable = sight.dir(host);
    let mut watch =
        input.watch(Recipient { state_dir: &readable, ..to }, typing.text).map_err(Attempt::typed)?;
    if target.has_ended(host).await {
        // A shell has the text now.
        let _ = Tmux::on(host).press(&target.pane, &["C-c"]).await;
        return Err(Attempt::typed(MessageError::EndedMeanwhile { agent: typing.agent }));
    }
    Tmux::on(host).press(&target.pane, &["Enter"]).await.map_err(Attempt::typed)?;
    fault::point("message.entered");
    notes.write(QUEUED, json!({})).await.map_err(Attempt::typed)?;
    let is_relaxed = input.is_relaxed(typing.text);
    let window = if is_relaxed { RELAXED } else { STRICT };
    let proof =
        typing.await_proof(&mut sight, &mut *watch, window, is_relaxed).await.map_err(Attempt::typed)?;
    fault::point("message.proven");
    if matches!(proof, Some(Evidence::Rejected(_)))
        && let ScreenState::Ready { leftover: Some(held) } =
            input.screen(&typing.capture(true).await.map_err(Attempt::typed)?)
        && letters(&held).contains(&typing.tail)
    {
        // Some programs put what they refuse back into their box, where the next message would join it.
        typing.clear(held).await.map_err(Attempt::typed)?;
    }
    settle(notes, &typing, proof, window, is_relaxed).await
}

/// Whether the text in the box is that of the last message of ours.
async fn is_ours(notes: &Notes<'_>, typing: &Typing<'_>, held: &str) -> Result<bool> {
    let events = notes.log.read(notes.host).await?;
    let text = |key: &str, event: &serde_json::Map<String, serde_json::Value>| {
        event.get(key).and_then(serde_json::Value::as_str).map(str::to_owned)
    };
    let mut last = None;
    let mut is_sent_off = false;
    for event in &events {
        match text("type", event).as_deref() {
            Some(STARTED) => {
                // A message that travels with the start never stands in the box before it is taken.
                is_sent_off = event.contains_key("as_argument");
                last = text("text", event);
            }
            Some(QUEUED | ACCEPTED) => is_sent_off = true,
            _ => {}
        }
    }
    let Some(last) = last else { return Ok(false) };
    let is_label = typing.input.paste_labels().iter().any(|label| held.trim().starts_with(label));
    Ok(is_left_of(held, &last) || (is_label && !is_sent_off))
}

/// Whether the box holds the last message and nothing else: a sender was cut short, or the turn was interrupted
/// before it gave anything and the program put the text back. A box shows but the end of a long text.
pub(super) fn is_left_of(held: &str, last: &str) -> bool {
    /// So few letters can be a person's own.
    const FEWEST: usize = 20;
    let (held_letters, last_letters) = (letters(held), letters(last));
    match held_letters.len() {
        0 => held.trim() == last.trim(),
        len => held_letters == last_letters || (len >= FEWEST && last_letters.ends_with(&held_letters)),
    }
}

/// Writes down how it went.
async fn settle(
    notes: &Notes<'_>,
    typing: &Typing<'_>,
    proof: Option<Evidence>,
    window: Duration,
    is_relaxed: bool,
) -> Result<Sent, Attempt> {
    let agent = || typing.agent.clone();
    let sent = match proof {
        Some(Evidence::Accepted(mut evidence)) => {
            if typing.preexisting.is_some() {
                evidence.push_str("; text that stood in the input box went in front of it");
            }
            notes.write(ACCEPTED, json!({ "evidence": evidence })).await.map_err(Attempt::typed)?;
            Sent { status: ReceiptStatus::Accepted, evidence: Some(evidence), preexisting: None }
        }
        Some(Evidence::Rejected(answer)) => {
            notes.write(REJECTED, json!({ "evidence": answer })).await.map_err(Attempt::typed)?;
            return Err(Attempt::typed(MessageError::Rejected { agent: agent(), answer }));
        }
        None if is_relaxed => {
            let evidence = format!(
                "it was typed and sent off; a command may leave no trace, and none was seen for {} s",
                window.as_secs()
            );
            notes.write(UNCONFIRMED, json!({ "evidence": evidence })).await.map_err(Attempt::typed)?;
            Sent { status: ReceiptStatus::Queued, evidence: Some(evidence), preexisting: None }
        }
        None => {
            let screen = excerpt(&typing.capture(false).await.unwrap_or_default());
            return Err(Attempt::typed(MessageError::Unconfirmed { agent: agent(), waited: window, screen }));
        }
    };
    if is_relaxed {
        typing.aftermath().await.map_err(Attempt::typed)?;
    }
    Ok(Sent { preexisting: typing.preexisting.clone(), ..sent })
}

/// The agent's environment file; one that cannot be understood counts as empty.
async fn environment(host: &Host, record: &AgentRecord) -> Result<EnvVars> {
    let bytes = host.transport.read(&host.layout.agent_env(&record.id)).await?.unwrap_or_default();
    Ok(EnvVars::parse(&String::from_utf8_lossy(&bytes)).unwrap_or_default())
}

/// A message that the program gets as an argument of its start.
pub struct FirstMessage {
    sight: Sight,
    watch: Box<dyn EvidenceWatch>,
    message_id: String,
    sent_at: Time,
}

impl FirstMessage {
    /// Begins to watch for it and writes down that it is on its way; before the program starts. `None` for
    /// types that can prove nothing.
    ///
    /// # Errors
    /// The agent's files cannot be read or written.
    pub async fn expect(
        host: &Host,
        record: &AgentRecord,
        input: Option<&dyn Input>,
        text: &str,
    ) -> Result<Option<Self>> {
        let Some(input) = input else { return Ok(None) };
        let state_dir = host.layout.agent(&record.id);
        let env = environment(host, record).await?;
        let mut sight = Sight::of(&record.id, input.watched_files());
        sight.refresh(host).await?;
        let to = Recipient { host, record, state_dir: &sight.dir(host), env: &env };
        let watch = input.watch(to, text)?;
        let first = Self { sight, watch, message_id: format!("msg-{}", random_hex()), sent_at: Time::now() };
        let log = EventStream::new(&state_dir, SOURCE);
        let notes = Notes { host, log: &log, message_id: &first.message_id };
        notes.write(STARTED, json!({ "text": text, "as_argument": true })).await?;
        Ok(Some(first))
    }
}

impl std::fmt::Debug for FirstMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FirstMessage").field("message_id", &self.message_id).finish_non_exhaustive()
    }
}

/// Waits for proof that the program has taken its first message, at most for `window`. Without proof the
/// receipt says `unknown`: the agent runs all the same, and nothing is undone.
///
/// # Errors
/// The agent's files cannot be read or written.
pub async fn confirm_first_message(
    host: &Host,
    record: &AgentRecord,
    first: FirstMessage,
    window: Duration,
) -> Result<Receipt> {
    let FirstMessage { mut sight, mut watch, message_id, sent_at } = first;
    let log = EventStream::new(&host.layout.agent(&record.id), SOURCE);
    let notes = Notes { host, log: &log, message_id: &message_id };
    let deadline = Instant::now() + window;
    let proof = loop {
        sight.refresh(host).await?;
        match watch.poll()? {
            None if Instant::now() < deadline => tokio::time::sleep(Sight::poll(host, PROOF_POLL)).await,
            proof => break proof,
        }
    };
    let (status, evidence) = match proof {
        Some(Evidence::Accepted(evidence)) => {
            notes.write(ACCEPTED, json!({ "evidence": evidence })).await?;
            (ReceiptStatus::Accepted, evidence)
        }
        Some(Evidence::Rejected(answer)) => {
            notes.write(REJECTED, json!({ "evidence": answer })).await?;
            (ReceiptStatus::Refused, answer)
        }
        None => {
            let evidence = format!("no sign of it for {} s", window.as_secs());
            notes.write(FAILED, json!({ "error": evidence, "was_typed": true })).await?;
            (ReceiptStatus::Unknown, evidence)
        }
    };
    Ok(Receipt { message_id, status, sent_at, evidence: Some(evidence), is_repeat: false, preexisting: None })
}
