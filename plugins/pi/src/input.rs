//! Messages go into a file that our extension reads, and come back in another when the program has them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use mng_core::agents::input::{Evidence, EvidenceWatch, Input, Recipient, ScreenState};
use mng_core::agents::mirror::{FilePart, WatchedFile};
use mng_core::agents::sight::Sight;
use mng_core::agents::transcript::TranscriptSource as _;
use mng_core::storage;
use mng_core::transports::ExecRequest;
use mng_core::{Error, ErrorClass, Result};
use serde_json::Value;

use crate::transcript::{SESSION_FILES, Sessions, user_text};

/// Read by our extension: one JSON string a line.
const INBOX: &str = "pi_inbox";
/// What the extension has handed to the program.
const HISTORY: &str = "pi_inbox_history";

/// How long the program may take to come up, and to take a message.
const UP: Duration = Duration::from_secs(30);
const TAKEN: Duration = Duration::from_secs(16);
const POLL: Duration = Duration::from_millis(25);

/// Appends standard input to `$1`.
const APPEND: &str = r#"umask 077; cat >>"$1""#;

#[derive(Debug)]
pub(crate) struct InboxInput;

#[async_trait]
impl Input for InboxInput {
    /// Nothing on the screen keeps a message out.
    fn screen(&self, _pane: &str) -> ScreenState {
        ScreenState::Ready { leftover: None }
    }

    fn watched_files(&self) -> Vec<WatchedFile> {
        vec![WatchedFile { newest: 2, ..WatchedFile::new(SESSION_FILES, FilePart::LongEnds) }]
    }

    fn watch(&self, to: Recipient<'_>, text: &str) -> Result<Box<dyn EvidenceWatch>> {
        Ok(Box::new(SessionWatch::start(to.state_dir, text)?))
    }

    fn delivers(&self) -> bool {
        true
    }

    async fn deliver(&self, to: Recipient<'_>, _id: &str, text: &str) -> Result<Evidence> {
        deliver(to, text).await
    }
}

async fn deliver(to: Recipient<'_>, text: &str) -> Result<Evidence> {
    let transport = &to.host.transport;
    let name = &to.record.name;
    let deadline = Instant::now() + UP;
    while transport.stat(&to.state_dir.join("pi_session_started")).await?.is_none() {
        if Instant::now() >= deadline {
            return Err(Error::hinted(
                ErrorClass::SendMessage,
                format!("pi of agent `{name}` has not come up"),
                format!("mng capture {name}"),
            ));
        }
        tokio::time::sleep(POLL).await;
    }
    let line = format!("{}\n", Value::from(text));
    let history = to.state_dir.join(HISTORY);
    let start = transport.stat(&history).await?.map_or(0, |stat| stat.size);
    let mut sight = Sight::of(&to.record.id, InboxInput.watched_files());
    sight.refresh(to.host).await?;
    let mut watch = SessionWatch::start(&sight.dir(to.host), text)?;
    let is_busy = transport.stat(&to.state_dir.join("active")).await?.is_some();
    let inbox = to.state_dir.join(INBOX);
    let request = ExecRequest::sh(APPEND, [inbox.to_string_lossy()]).stdin(line.clone());
    transport.exec(request).await?.check("sh")?;
    let deadline = Instant::now() + TAKEN;
    let mut is_handed_over = false;
    while Instant::now() < deadline {
        // Of another machine the session is a round trip away, and a turn may be over before one looks.
        if is_handed_over {
            sight.refresh(to.host).await?;
        }
        if let Some(evidence) = watch.poll()? {
            return Ok(evidence);
        }
        if !is_handed_over {
            let new = transport.read_from(&history, start, line.len() + 16 * 1024 * 1024).await?;
            is_handed_over = new.is_some_and(|new| has_line(&new, line.as_bytes()));
        }
        if is_handed_over && transport.stat(&to.state_dir.join("active")).await?.is_some() {
            // The session file shows it only when the tools of this round, or the first answer, have ended.
            let how = if is_busy { "queued it for the turn that is running" } else { "begun a turn with it" };
            return Ok(Evidence::Accepted(format!("pi has {how}")));
        }
        tokio::time::sleep(POLL).await;
    }
    let said = if is_handed_over {
        "took the message, but began no turn with it"
    } else {
        "did not take the message"
    };
    Err(Error::hinted(
        ErrorClass::SendMessage,
        format!("pi of agent `{name}` {said}"),
        format!("mng capture {name}"),
    ))
}

/// Whether one of the lines is this one, newline included.
fn has_line(lines: &[u8], line: &[u8]) -> bool {
    lines.split_inclusive(|byte| *byte == b'\n').any(|there| there == line)
}

/// Looks for a message in what the session files grow by.
struct SessionWatch {
    state_dir: PathBuf,
    text: String,
    /// How far each file has been read.
    read: HashMap<PathBuf, u64>,
}

impl SessionWatch {
    fn start(state_dir: &Path, text: &str) -> Result<Self> {
        let mut read = HashMap::new();
        for file in (Sessions { is_kept: false }).sessions(state_dir)? {
            let length = std::fs::metadata(&file).map_or(0, |meta| meta.len());
            read.insert(file, length);
        }
        Ok(Self { state_dir: state_dir.to_owned(), text: text.to_owned(), read })
    }
}

impl EvidenceWatch for SessionWatch {
    fn poll(&mut self) -> Result<Option<Evidence>> {
        const PIECE: usize = 8 * 1024 * 1024;
        for file in (Sessions { is_kept: false }).sessions(&self.state_dir)? {
            let offset = self.read.entry(file.clone()).or_default();
            let Some(bytes) = storage::read_range(&file, *offset, PIECE)? else { continue };
            let Some(end) = bytes.iter().rposition(|byte| *byte == b'\n') else { continue };
            *offset += end as u64 + 1;
            let mut lines = bytes.get(..end).unwrap_or_default().split(|byte| *byte == b'\n');
            let is_said = lines.any(|line| {
                serde_json::from_slice::<Value>(line)
                    .ok()
                    .and_then(|entry| user_text(&entry))
                    .is_some_and(|said| said == self.text)
            });
            if is_said {
                let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
                return Ok(Some(Evidence::Accepted(format!("it stands in the session file `{name}`"))));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provision::SESSIONS;

    #[test]
    fn a_line_is_compared_whole() {
        let line = format!("{}\n", Value::from("go\nnow \"x\""));
        assert!(has_line(format!("\"a\"\n{line}").as_bytes(), line.as_bytes()));
        assert!(!has_line(b"\"go", line.as_bytes()) && !has_line(b"", line.as_bytes()));
        assert!(!has_line(line.trim_end().as_bytes(), line.as_bytes()), "not written to its end");
    }

    #[test]
    fn only_what_is_said_after_the_start_proves() {
        let dir = tempfile::tempdir().unwrap();
        let sessions = dir.path().join(SESSIONS).join("--w--");
        std::fs::create_dir_all(&sessions).unwrap();
        let entry = |role: &str| {
            let message = serde_json::json!({"role": role, "content": [{"type": "text", "text": "go"}]});
            format!("{}\n", serde_json::json!({"type": "message", "id": "1", "message": message}))
        };
        std::fs::write(sessions.join("1_a.jsonl"), entry("user")).unwrap();
        let mut watch = SessionWatch::start(dir.path(), "go").unwrap();
        assert_eq!(watch.poll().unwrap(), None);
        std::fs::write(sessions.join("2_b.jsonl"), entry("assistant")).unwrap();
        assert_eq!(watch.poll().unwrap(), None);
        std::fs::write(sessions.join("2_b.jsonl"), entry("assistant") + &entry("user")).unwrap();
        assert_eq!(
            watch.poll().unwrap(),
            Some(Evidence::Accepted("it stands in the session file `2_b.jsonl`".into()))
        );
    }
}
