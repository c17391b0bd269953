//! Messages go in over the program's HTTP interface, and its list of messages proves them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use mng_core::agents::input::{Evidence, EvidenceWatch, Input, Recipient, ScreenState};
use mng_core::agents::mirror::{FilePart, WatchedFile};
use mng_core::storage;
use mng_core::{Error, ErrorClass, Result};
use serde_json::{Value, json};

use crate::http::Server;
use crate::provision::PASSWORD;
use crate::seed::ROOT_SESSION;
use crate::transcript::{LOG, text_of};

/// How long the program may take to come up.
const UP: Duration = Duration::from_secs(30);
/// How long a message may take into the list.
const LISTED: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(50);
/// The newest messages that are compared; more than can arrive during a delivery.
const NEWEST: usize = 30;

#[derive(Debug)]
pub(crate) struct HttpInput;

#[async_trait]
impl Input for HttpInput {
    /// Nothing on the screen keeps a message out: it is queued behind a question, too.
    fn screen(&self, _pane: &str) -> ScreenState {
        ScreenState::Ready { leftover: None }
    }

    fn watched_files(&self) -> Vec<WatchedFile> {
        vec![WatchedFile::new(LOG, FilePart::LongEnds)]
    }

    fn watch(&self, to: Recipient<'_>, text: &str) -> Result<Box<dyn EvidenceWatch>> {
        let file = to.state_dir.join(LOG);
        let offset = std::fs::metadata(&file).map_or(0, |meta| meta.len());
        Ok(Box::new(LogWatch { file, offset, text: text.to_owned() }))
    }

    fn delivers(&self) -> bool {
        true
    }

    async fn deliver(&self, to: Recipient<'_>, _id: &str, text: &str) -> Result<Evidence> {
        deliver(to, text).await
    }
}

async fn deliver(to: Recipient<'_>, text: &str) -> Result<Evidence> {
    let server = server(to).await?;
    let session = match read_word(to, Path::new(ROOT_SESSION)).await? {
        Some(session) => session,
        None => new_session(&server).await?,
    };
    let path = format!("/session/{session}/message?limit={NEWEST}");
    let known = ids(&list(&server, &path).await?);
    let body = json!({ "parts": [{ "type": "text", "text": text }] });
    let answer = server.post(&format!("/session/{session}/prompt_async"), &body).await?;
    if !(200..300).contains(&answer.status) {
        return Ok(Evidence::Rejected(complaint(answer.status, &answer.json())));
    }
    let deadline = Instant::now() + LISTED;
    loop {
        let messages = list(&server, &path).await?;
        if let Some(id) = newly_said(&messages, &known, text) {
            return Ok(Evidence::Accepted(format!("OpenCode lists it as `{id}` of session `{session}`")));
        }
        if Instant::now() >= deadline {
            return Err(Error::plain(
                ErrorClass::SendMessage,
                format!("OpenCode took the message but does not list it in session `{session}`"),
            ));
        }
        tokio::time::sleep(POLL).await;
    }
}

/// The server of a program that has come up.
async fn server(to: Recipient<'_>) -> Result<Server<'_>> {
    let deadline = Instant::now() + UP;
    loop {
        let port = read_word(to, Path::new("opencode_server_port")).await?;
        if let Some(port) = port.and_then(|port| port.parse().ok()) {
            let password = read_word(to, Path::new(PASSWORD)).await?.unwrap_or_default();
            return Ok(Server { host: to.host, port, user: "opencode", password });
        }
        if Instant::now() >= deadline {
            return Err(Error::hinted(
                ErrorClass::SendMessage,
                format!("OpenCode of agent `{}` has not come up", to.record.name),
                format!("mng capture {}", to.record.name),
            ));
        }
        tokio::time::sleep(POLL).await;
    }
}

async fn read_word(to: Recipient<'_>, name: &Path) -> Result<Option<String>> {
    let bytes = to.host.transport.read(&to.state_dir.join(name)).await?;
    let text = bytes.map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned());
    Ok(text.filter(|text| !text.is_empty()))
}

async fn new_session(server: &Server<'_>) -> Result<String> {
    let answer = server.post("/session", &json!({})).await?;
    let told = answer.json();
    let Some(id) = told.get("id").and_then(Value::as_str) else {
        return Err(Error::plain(ErrorClass::SendMessage, complaint(answer.status, &told)));
    };
    let shown = server.post("/tui/select-session", &json!({ "sessionID": id })).await?;
    tracing::debug!(status = shown.status, id, "a session for the message");
    Ok(id.to_owned())
}

async fn list(server: &Server<'_>, path: &str) -> Result<Value> {
    let answer = server.get(path).await?;
    let told = answer.json();
    if told.is_array() {
        return Ok(told);
    }
    Err(Error::plain(ErrorClass::SendMessage, complaint(answer.status, &told)))
}

/// The program's own words.
fn complaint(status: u16, told: &Value) -> String {
    let said = ["/data/message", "/message", "/error/message", "/name"]
        .iter()
        .find_map(|at| told.pointer(at)?.as_str())
        .unwrap_or("it does not say why");
    format!("OpenCode refuses with status {status}: {said}")
}

fn ids(messages: &Value) -> BTreeSet<String> {
    let messages = messages.as_array().into_iter().flatten();
    messages.filter_map(|message| Some(message.pointer("/info/id")?.as_str()?.to_owned())).collect()
}

/// The id of a message of the user's that says this and was not there before.
fn newly_said(messages: &Value, known: &BTreeSet<String>, text: &str) -> Option<String> {
    messages.as_array()?.iter().find_map(|message| {
        let id = message.pointer("/info/id")?.as_str()?;
        let is_users = message.pointer("/info/role").and_then(Value::as_str) == Some("user");
        (is_users && !known.contains(id) && text_of(message) == text).then(|| id.to_owned())
    })
}

/// Looks for a message in the log of our plug-in.
struct LogWatch {
    file: PathBuf,
    offset: u64,
    text: String,
}

impl EvidenceWatch for LogWatch {
    fn poll(&mut self) -> Result<Option<Evidence>> {
        const PIECE: usize = 8 * 1024 * 1024;
        let Some(bytes) = storage::read_range(&self.file, self.offset, PIECE)? else { return Ok(None) };
        let Some(end) = bytes.iter().rposition(|byte| *byte == b'\n') else { return Ok(None) };
        self.offset += end as u64 + 1;
        let mut lines = bytes.get(..end).unwrap_or_default().split(|byte| *byte == b'\n');
        let found = lines.find_map(|line| {
            let message = serde_json::from_slice::<Value>(line).ok()?;
            let is_users = message.pointer("/info/role").and_then(Value::as_str) == Some("user");
            let id = message.pointer("/info/id")?.as_str()?.to_owned();
            (is_users && text_of(&message) == self.text).then_some(id)
        });
        Ok(found.map(|id| Evidence::Accepted(format!("OpenCode has it as `{id}`"))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(id: &str, role: &str, text: &str) -> Value {
        json!({"info": {"id": id, "role": role}, "parts": [{"type": "text", "text": text}]})
    }

    #[test]
    fn only_a_new_message_of_the_user_proves() {
        let before = json!([message("msg_1", "user", "go")]);
        let known = ids(&before);
        let newly = |messages: Value| newly_said(&messages, &known, "go");
        assert_eq!(newly(before.clone()), None);
        assert_eq!(newly(json!([message("msg_1", "user", "go"), message("msg_2", "assistant", "go")])), None);
        assert_eq!(newly(json!([message("msg_2", "user", "stop")])), None);
        assert_eq!(newly(json!([message("msg_2", "user", "go")])).as_deref(), Some("msg_2"));
    }

    #[test]
    fn refusals_are_told_in_the_programs_words() {
        assert_eq!(
            complaint(
                404,
                &json!({"name": "NotFoundError", "data": {"message": "Session not found: ses_1"}})
            ),
            "OpenCode refuses with status 404: Session not found: ses_1"
        );
        assert_eq!(complaint(500, &Value::Null), "OpenCode refuses with status 500: it does not say why");
    }

    #[test]
    fn the_log_proves_what_came_after_the_watch_began() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("events.jsonl");
        let line = |id: &str, role: &str| format!("{}\n", message(id, role, "go"));
        std::fs::write(&file, line("msg_1", "user")).unwrap();
        let offset = std::fs::metadata(&file).unwrap().len();
        let mut watch = LogWatch { file: file.clone(), offset, text: "go".into() };
        assert_eq!(watch.poll().unwrap(), None);
        let mut said = std::fs::read_to_string(&file).unwrap();
        said.push_str(&line("msg_2", "assistant"));
        said.push_str(line("msg_3", "user").trim_end());
        std::fs::write(&file, &said).unwrap();
        assert_eq!(watch.poll().unwrap(), None, "the line is not finished");
        std::fs::write(&file, said + "\n").unwrap();
        assert_eq!(watch.poll().unwrap(), Some(Evidence::Accepted("OpenCode has it as `msg_3`".into())));
    }
}
