//! Whether the program has taken a message, by the file of its conversation (Claude Code 2.1.332).

use std::fs;
use std::path::{Path, PathBuf};

use mng_core::agents::input::{Evidence, EvidenceWatch};
use mng_core::agents::mirror::{FilePart, WatchedFile};
use mng_core::{Result, storage};
use serde_json::Value;

use crate::conversations;
use crate::places::ISOLATED_DIR;

/// What [`Watch`] looks at, for agents of other machines.
pub(crate) const WATCHED: [WatchedFile; 3] = [
    WatchedFile::new("claude_session_id", FilePart::Whole),
    WatchedFile::new("claude_transcript_path", FilePart::Path),
    WatchedFile {
        newest: 2,
        ..WatchedFile::new("plugin/claude/anthropic/projects/*/*.jsonl", FilePart::LongEnds)
    },
];

/// How much of the end of a message has to be found again, in letters and digits.
const TAIL: usize = 200;
/// Fewer letters and digits than this tell no message from another.
const SHORT: usize = 3;
/// The most that is read of a file at once.
const CHUNK: usize = 16 * 1024 * 1024;

/// Watches the conversation from where it ended.
pub(crate) struct Watch {
    state_dir: PathBuf,
    /// The letters and digits at the end of the message.
    tail: String,
    /// A slash command or a shell command, which may begin another conversation or just a turn.
    is_command: bool,
    /// The conversation, if it has a file, and how far it has been read.
    file: Option<(PathBuf, u64)>,
    session: Option<String>,
    active: Option<std::time::SystemTime>,
}

impl Watch {
    /// # Errors
    /// The files cannot be read.
    pub(crate) fn start(state_dir: &Path, text: &str) -> Result<Self> {
        let session = session(state_dir);
        let file = transcript(state_dir, session.as_deref()).map(|path| {
            let size = fs::metadata(&path).map_or(0, |meta| meta.len());
            (path, size)
        });
        Ok(Self {
            active: active(state_dir),
            state_dir: state_dir.to_owned(),
            tail: tail(&normal(text)),
            is_command: text.starts_with(['/', '!']),
            file,
            session,
        })
    }

    /// The whole lines that the conversation has got since the last look. A first message makes its file.
    fn news(&mut self) -> Result<Vec<Value>> {
        let session = session(&self.state_dir);
        if self.file.is_none() || session != self.session {
            let path = transcript(&self.state_dir, session.as_deref());
            let is_other = |path: &PathBuf| self.file.as_ref().is_none_or(|(known, _)| known != path);
            if let Some(path) = path.filter(is_other) {
                self.file = Some((path, 0));
            }
        }
        let Some((path, read_to)) = &mut self.file else { return Ok(Vec::new()) };
        let bytes = storage::read_range(path, *read_to, CHUNK)?.unwrap_or_default();
        let Some(end) = bytes.iter().rposition(|byte| *byte == b'\n') else { return Ok(Vec::new()) };
        *read_to += end as u64 + 1;
        let lines = bytes[..end].split(|byte| *byte == b'\n');
        Ok(lines.filter_map(|line| serde_json::from_slice(line).ok()).collect())
    }

    fn is_ours(&self, text: &str) -> bool {
        self.tail.chars().count() < SHORT || normal(text).contains(&self.tail)
    }

    fn judge(&self, record: &Value) -> Option<Evidence> {
        match record.get("type")?.as_str()? {
            "user" if self.is_ours(&user_text(record)?) => {
                Some(Evidence::Accepted("the conversation holds it".into()))
            }
            "queue-operation" => {
                let is_enqueue = record.get("operation").and_then(Value::as_str) == Some("enqueue");
                let content = record.get("content").and_then(Value::as_str)?;
                (is_enqueue && self.is_ours(content))
                    .then(|| Evidence::Accepted("the program has queued it behind its turn".into()))
            }
            "system" if self.is_command => {
                let content = record.get("content").and_then(Value::as_str)?;
                content.starts_with("Unknown command").then(|| Evidence::Rejected(content.to_owned()))
            }
            _ => None,
        }
    }
}

impl EvidenceWatch for Watch {
    fn poll(&mut self) -> Result<Option<Evidence>> {
        let news = self.news()?;
        if let Some(evidence) = news.iter().find_map(|record| self.judge(record)) {
            return Ok(Some(evidence));
        }
        if !self.is_command {
            return Ok(None);
        }
        if self.session.is_some() && session(&self.state_dir) != self.session {
            return Ok(Some(Evidence::Accepted("it began another conversation".into())));
        }
        let is_newer = match (active(&self.state_dir), self.active) {
            (Some(now), Some(before)) => now > before,
            (now, before) => now.is_some() && before.is_none(),
        };
        Ok(is_newer.then(|| Evidence::Accepted("it began a turn".into())))
    }
}

/// When the hook of a turn's start last ran, as long as the turn lasts.
fn active(state_dir: &Path) -> Option<std::time::SystemTime> {
    fs::metadata(state_dir.join("active")).ok()?.modified().ok()
}

fn line_of(state_dir: &Path, name: &str) -> Option<String> {
    let text = fs::read_to_string(state_dir.join(name)).ok()?;
    let line = text.lines().next()?.trim();
    (!line.is_empty()).then(|| line.to_owned())
}

fn session(state_dir: &Path) -> Option<String> {
    line_of(state_dir, "claude_session_id")
}

/// The file of the conversation. The hook's path is that of the session; without one the agent's own directory
/// is looked through.
fn transcript(state_dir: &Path, session: Option<&str>) -> Option<PathBuf> {
    let named = line_of(state_dir, "claude_transcript_path").map(PathBuf::from);
    if let Some(path) = named
        && session.is_none_or(|session| path.file_stem().is_some_and(|stem| stem == session))
    {
        return Some(path);
    }
    let session = session.filter(|session| conversations::is_id(session))?;
    conversations::find(&state_dir.join(ISOLATED_DIR).join("projects"), session).into_iter().next()
}

/// What a person said in a record; `None` for what the program or a tool says in their name.
fn user_text(record: &Value) -> Option<String> {
    let is_true = |key: &str| record.get(key).and_then(Value::as_bool).unwrap_or(false);
    if is_true("isMeta") || is_true("isCompactSummary") || is_true("isSidechain") {
        return None;
    }
    let text = match record.pointer("/message/content")? {
        Value::String(text) => text.clone(),
        Value::Array(blocks) => {
            let texts = blocks.iter().filter_map(|block| block.get("text").and_then(Value::as_str));
            texts.collect::<Vec<_>>().join("\n")
        }
        _ => return None,
    };
    if text.is_empty() {
        return None;
    }
    // `/compact now` is kept as `<command-name>/compact</command-name> … <command-args>now</command-args>`.
    let tagged = |tag: &str| {
        let rest = text.split_once(&format!("<{tag}>"))?.1;
        Some(rest.split_once(&format!("</{tag}>"))?.0)
    };
    match (tagged("command-name"), tagged("command-args")) {
        (Some(name), args) => Some(format!("{name} {}", args.unwrap_or_default())),
        _ => Some(text),
    }
}

/// What can be compared of a text: the program trims it, wraps long pastes in tags and breaks lines as it
/// likes.
fn normal(text: &str) -> String {
    text.chars().filter(|ch| ch.is_alphanumeric()).collect()
}

fn tail(normal: &str) -> String {
    let at = normal.char_indices().rev().nth(TAIL - 1).map_or(0, |(at, _)| at);
    normal[at..].to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const A: &str = "01722aac-7265-4313-9113-62f631ae26ba";
    const B: &str = "ac05aad3-346d-4b6a-a8f7-cfb4dbe74d36";

    struct Agent {
        dir: tempfile::TempDir,
    }

    impl Agent {
        fn new(session: &str) -> Self {
            let agent = Self { dir: tempfile::tempdir().unwrap() };
            agent.begin(session);
            agent
        }

        fn path(&self, session: &str) -> PathBuf {
            self.dir.path().join(ISOLATED_DIR).join("projects/-work").join(format!("{session}.jsonl"))
        }

        fn begin(&self, session: &str) {
            fs::create_dir_all(self.path(session).parent().unwrap()).unwrap();
            let path = self.path(session).to_string_lossy().into_owned();
            fs::write(self.dir.path().join("claude_transcript_path"), path + "\n").unwrap();
            fs::write(self.dir.path().join("claude_session_id"), format!("{session}\n")).unwrap();
        }

        fn append(&self, session: &str, text: &str) {
            use std::io::Write as _;
            let mut file = fs::File::options().create(true).append(true).open(self.path(session)).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        }

        fn record(&self, record: &Value) {
            self.append(A, &format!("{record}\n"));
        }

        fn user(&self, content: &str) {
            self.record(&json!({"type": "user", "message": {"role": "user", "content": content}}));
        }

        fn watch(&self, text: &str) -> Watch {
            Watch::start(self.dir.path(), text).unwrap()
        }
    }

    fn told(watch: &mut Watch) -> String {
        match watch.poll().unwrap() {
            None => "nothing".into(),
            Some(Evidence::Accepted(how)) => how,
            Some(Evidence::Rejected(why)) => format!("rejected: {why}"),
        }
    }

    #[test]
    fn the_conversation_is_proof_once_the_line_is_whole() {
        let agent = Agent::new(A);
        let mut first = agent.watch("fix  the\nbug");
        assert_eq!(told(&mut first), "nothing", "a first message has no file before it");
        agent.append(A, "{\"type\":\"user\",\"message\":{\"content\":\"fix the b");
        assert_eq!(told(&mut first), "nothing");
        agent.append(A, "ug\"}}\n");
        assert_eq!(told(&mut first), "the conversation holds it");
        let mut again = agent.watch("fix the bug");
        assert_eq!(told(&mut again), "nothing", "what was before does not count");
        agent.record(
            &json!({"type": "assistant", "message": {"content": [{"type": "text", "text": "fix the bug"}]}}),
        );
        agent.record(&json!({"type": "user", "isMeta": true, "message": {"content": "fix the bug"}}));
        let result = json!([{"type": "tool_result", "content": "fix the bug"}]);
        agent.record(&json!({"type": "user", "message": {"content": result}}));
        assert_eq!(told(&mut again), "nothing");
        agent.user("<pasted_content id=\"1\">fix the bug</pasted_content>");
        assert_eq!(told(&mut again), "the conversation holds it");
    }

    #[test]
    fn a_queued_message_is_taken() {
        let agent = Agent::new(A);
        let mut watch = agent.watch("and then?");
        agent.record(&json!({"type": "queue-operation", "operation": "dequeue"}));
        agent.record(&json!({"type": "queue-operation", "operation": "enqueue", "content": "another"}));
        assert_eq!(told(&mut watch), "nothing");
        agent.record(&json!({"type": "queue-operation", "operation": "enqueue", "content": "and then?"}));
        assert_eq!(told(&mut watch), "the program has queued it behind its turn");
    }

    #[test]
    fn commands_leave_other_traces() {
        let agent = Agent::new(A);
        let unknown = json!({"type": "system", "level": "warning", "content": "Unknown command: /zzz"});
        let mut plain = agent.watch("what is /zzz");
        let mut command = agent.watch("/zzz foo");
        agent.record(&unknown);
        assert_eq!(told(&mut plain), "nothing");
        assert_eq!(told(&mut command), "rejected: Unknown command: /zzz");
        let mut compact = agent.watch("/compact all of it");
        agent.user("<command-name>/compact</command-name>\n<command-args>all of it</command-args>");
        assert_eq!(told(&mut compact), "the conversation holds it");
        let mut shell = agent.watch("!ls -l");
        agent.user("<bash-input>ls -l</bash-input>");
        assert_eq!(told(&mut shell), "the conversation holds it");
        let mut skill = agent.watch("/review");
        fs::write(agent.dir.path().join("active"), "").unwrap();
        assert_eq!(told(&mut skill), "it began a turn");
        let mut clear = agent.watch("/clear");
        assert_eq!(told(&mut clear), "nothing", "the turn was there before");
        agent.begin(B);
        assert_eq!(told(&mut clear), "it began another conversation");
    }

    #[test]
    fn what_has_no_letters_is_proved_by_any_message() {
        let agent = Agent::new(A);
        let mut watch = agent.watch("?!");
        assert_eq!(told(&mut watch), "nothing");
        agent.user("?!");
        assert_eq!(told(&mut watch), "the conversation holds it");
    }
}
