//! How messages get in: the screen, and the files that prove that a message was taken.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mng_core::agents::input::{Evidence, EvidenceWatch, Input, Recipient, ScreenState};
use mng_core::agents::mirror::{FilePart, WatchedFile};
use mng_core::storage;
use mng_core::{Error, Result};
use serde_json::Value;

use crate::convert::text_of;
use crate::home::AgentFiles;
use crate::probe::ROLLOUTS;
use crate::{rollout, screen};

/// How much of the end of a message has to be found again.
const TAIL: usize = 200;
/// How long the rollout may take to show what the history shows already, before the history is proof enough.
const ROLLOUT_LAG: Duration = Duration::from_secs(1);
/// The most that is read of a file at once.
const CHUNK: usize = 16 * 1024 * 1024;

/// The input box of codex.
#[derive(Debug)]
pub(crate) struct CodexInput;

impl Input for CodexInput {
    fn screen(&self, pane: &str) -> ScreenState {
        screen::judge(pane)
    }

    fn paste_labels(&self) -> &'static [&'static str] {
        &["[Pasted Content"]
    }

    fn is_relaxed(&self, text: &str) -> bool {
        is_command(text)
    }

    fn rejection(&self, pane: &str, text: &str) -> Option<String> {
        screen::rejection(pane, text)
    }

    fn watched_files(&self) -> Vec<WatchedFile> {
        vec![
            WatchedFile::new("plugin/codex/home/history.jsonl", FilePart::LongEnds),
            WatchedFile { newest: 3, ..WatchedFile::new(ROLLOUTS, FilePart::LongEnds) },
        ]
    }

    fn watch(&self, to: Recipient<'_>, text: &str) -> Result<Box<dyn EvidenceWatch>> {
        Ok(Box::new(Watch::start(to.state_dir, text)?))
    }
}

/// Whether a text is a command of the program: `/` and a word, not a path.
fn is_command(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('/') else { return false };
    let word = rest.split_whitespace().next().unwrap_or_default();
    !word.is_empty() && !rest.starts_with(char::is_whitespace) && !word.contains('/')
}

/// What can be compared of a text: the program trims it and breaks it into lines as it likes.
fn normal(text: &str) -> String {
    text.chars().filter(|ch| !ch.is_whitespace() && !ch.is_control()).collect()
}

fn tail(normal: &str) -> &str {
    let at = normal.char_indices().rev().nth(TAIL - 1).map_or(0, |(at, _)| at);
    &normal[at..]
}

/// Watches the rollouts and the message history from where they ended.
///
/// The history gets a message the moment it leaves the box, also when a turn is in progress: then it joins the
/// turn after the next command, and the rollout has it only then. Without a turn the rollout has it at once.
struct Watch {
    sessions: PathBuf,
    history: PathBuf,
    /// The end of the message.
    tail: String,
    /// How far each file has been read.
    seen: HashMap<PathBuf, u64>,
    in_history: Option<Instant>,
}

impl Watch {
    fn start(state_dir: &Path, text: &str) -> Result<Self> {
        let files = AgentFiles(state_dir);
        let mut watch = Self {
            sessions: files.sessions(),
            history: files.history(),
            tail: tail(&normal(text)).to_owned(),
            seen: HashMap::new(),
            in_history: None,
        };
        for rollout in watch.rollouts()? {
            watch.seen.insert(rollout.path, rollout.size);
        }
        let size = fs::metadata(&watch.history).map_or(0, |meta| meta.len());
        watch.seen.insert(watch.history.clone(), size);
        Ok(watch)
    }

    fn rollouts(&self) -> Result<Vec<rollout::Rollout>> {
        rollout::find_all(&self.sessions)
            .map_err(|error| Error::io(format!("list `{}`", self.sessions.display()), error))
    }

    /// The whole lines that a file has got since the last look.
    fn news(&mut self, path: &Path) -> Result<Vec<Value>> {
        let from = self.seen.get(path).copied().unwrap_or(0);
        let bytes = storage::read_range(path, from, CHUNK)?.unwrap_or_default();
        let Some(end) = bytes.iter().rposition(|byte| *byte == b'\n') else { return Ok(Vec::new()) };
        self.seen.insert(path.to_owned(), from + end as u64 + 1);
        let lines = bytes[..end].split(|byte| *byte == b'\n');
        Ok(lines.filter_map(|line| serde_json::from_slice(line).ok()).collect())
    }

    fn is_ours(&self, text: &str) -> bool {
        let normal = normal(text);
        normal.ends_with(&self.tail) || normal.contains(&self.tail) && self.tail.len() > 20
    }
}

impl EvidenceWatch for Watch {
    fn poll(&mut self) -> Result<Option<Evidence>> {
        for rollout in self.rollouts()? {
            if self.seen.get(&rollout.path).is_some_and(|seen| *seen == rollout.size) {
                continue;
            }
            for line in self.news(&rollout.path)? {
                if user_text(&line).is_some_and(|text| self.is_ours(&text)) {
                    return Ok(Some(Evidence::Accepted("the conversation holds it".into())));
                }
            }
        }
        let history = self.history.clone();
        for line in self.news(&history)? {
            if line.get("text").and_then(Value::as_str).is_some_and(|text| self.is_ours(text)) {
                self.in_history.get_or_insert_with(Instant::now);
            }
        }
        let is_queued = self.in_history.is_some_and(|since| since.elapsed() >= ROLLOUT_LAG);
        Ok(is_queued.then(|| Evidence::Accepted("the program has queued it behind its turn".into())))
    }
}

/// The text of a line that records what a person said.
fn user_text(line: &Value) -> Option<String> {
    let payload = line.get("payload")?;
    let is_user = line.get("type")?.as_str()? == "response_item"
        && payload.get("type")?.as_str()? == "message"
        && payload.get("role")?.as_str()? == "user";
    is_user.then(|| text_of(payload.get("content")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const A: &str = "01a212dc-1783-7250-aac2-8b255d7a55ed";

    struct Files {
        dir: tempfile::TempDir,
    }

    impl Files {
        fn new() -> Self {
            Self { dir: tempfile::tempdir().unwrap() }
        }

        fn append(&self, path: &Path, line: &str) {
            use std::io::Write as _;
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let mut file = fs::File::options().create(true).append(true).open(path).unwrap();
            file.write_all(line.as_bytes()).unwrap();
        }

        fn rollout(&self, role: &str, text: &str) {
            let line = json!({"type": "response_item", "payload": {"type": "message", "role": role,
                "content": [{"type": "input_text", "text": text}]}});
            let name = format!("2026/11/25/rollout-2026-11-25T13-19-03-{A}.jsonl");
            self.append(&AgentFiles(self.dir.path()).sessions().join(name), &format!("{line}\n"));
        }

        fn history(&self, text: &str) {
            let line = json!({"session_id": A, "ts": 1, "text": text});
            self.append(&AgentFiles(self.dir.path()).history(), &format!("{line}\n"));
        }

        fn watch(&self, text: &str) -> Watch {
            Watch::start(self.dir.path(), text).unwrap()
        }
    }

    #[test]
    fn the_conversation_is_proof() {
        let files = Files::new();
        let text = "fix  the\tbug\n\nnow ";
        let mut first = files.watch(text);
        assert_eq!(first.poll().unwrap(), None);
        files.rollout("assistant", "fix the bug now");
        files.rollout("user", "something else");
        assert_eq!(first.poll().unwrap(), None);
        files.rollout("user", "fix  the bug\nnow");
        let accepted = Some(Evidence::Accepted("the conversation holds it".into()));
        assert_eq!(first.poll().unwrap(), accepted);
        let mut again = files.watch(text);
        assert_eq!(again.poll().unwrap(), None, "what was before does not count");
        files.rollout("user", "fix the bug now");
        assert_eq!(again.poll().unwrap(), accepted);
    }

    #[test]
    fn the_history_is_proof_when_the_conversation_is_busy() {
        let files = Files::new();
        files.history("wait for me");
        let mut watch = files.watch("wait for me");
        assert_eq!(watch.poll().unwrap(), None);
        files.history("wait for me");
        assert_eq!(watch.poll().unwrap(), None, "the conversation may show it yet");
        let deadline = Instant::now() + Duration::from_secs(20);
        let evidence = loop {
            if let Some(evidence) = watch.poll().unwrap() {
                break evidence;
            }
            assert!(Instant::now() < deadline);
            std::thread::sleep(Duration::from_millis(50));
        };
        assert_eq!(evidence, Evidence::Accepted("the program has queued it behind its turn".into()));
    }

    #[test]
    fn a_line_is_read_when_it_is_whole() {
        let files = Files::new();
        let mut watch = files.watch("é");
        let path = AgentFiles(files.dir.path())
            .sessions()
            .join(format!("2026/11/25/rollout-2026-11-25T13-19-03-{A}.jsonl"));
        files.append(&path, "{\"type\":\"response_item\",\"payload\":{\"type\":\"message\",\"role\":\"user\",\"content\":[{\"text\":\"");
        assert_eq!(watch.poll().unwrap(), None);
        files.append(&path, "é\"}]}}");
        assert_eq!(watch.poll().unwrap(), None);
        files.append(&path, "\n");
        assert!(watch.poll().unwrap().is_some());
    }

    #[test]
    fn commands_are_not_paths() {
        for command in ["/compact", "/zzz foo", "/new"] {
            assert!(is_command(command), "{command}");
        }
        for text in ["/usr/bin/env is missing", "/", "/ x", "fix /x", ""] {
            assert!(!is_command(text), "{text}");
        }
    }

    #[test]
    fn the_tail_is_cut_between_characters() {
        assert_eq!(tail("abc"), "abc");
        assert_eq!(tail(&"é".repeat(300)).chars().count(), TAIL);
    }
}
