//! Rollouts: the files in which codex records its conversations, one JSON object a line, append only.
//!
//! `sessions/YYYY/MM/DD/rollout-<local time>-<thread id>.jsonl`; the first line is the `session_meta`.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use mng_core::model::order;
use serde::Deserialize;
use serde_json::Value;

/// Letters of a thread id: a UUID.
const ID_LENGTH: usize = 36;
/// Longest first line that is read: it holds the base instructions.
const LONGEST_META: u64 = 8 * 1024 * 1024;

/// Whether a text has the shape of a thread id.
pub(crate) fn is_thread_id(text: &str) -> bool {
    text.len() == ID_LENGTH
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// The conversation that a rollout belongs to, by the file's name.
pub(crate) fn thread_of(path: &Path) -> Option<&str> {
    let name = path.file_name()?.to_str()?;
    let stem = name.strip_prefix("rollout-")?.strip_suffix(".jsonl")?;
    let id = stem.get(stem.len().checked_sub(ID_LENGTH)?..)?;
    is_thread_id(id).then_some(id)
}

/// A rollout that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rollout {
    pub(crate) path: PathBuf,
    pub(crate) thread: String,
    pub(crate) modified: SystemTime,
    /// Bytes.
    pub(crate) size: u64,
}

/// All rollouts below a `sessions` directory, oldest first; none if there is no such directory.
///
/// # Errors
/// A directory is there and cannot be read.
pub(crate) fn find_all(sessions: &Path) -> io::Result<Vec<Rollout>> {
    let mut days = vec![sessions.to_owned()];
    for _ in ["year", "month", "day"] {
        let mut below = Vec::new();
        for dir in &days {
            for name in entries(dir)? {
                if name.to_str().is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_digit())) {
                    below.push(dir.join(name));
                }
            }
        }
        days = below;
    }
    let mut found = Vec::new();
    for day in days {
        for name in entries(&day)? {
            let path = day.join(name);
            let Some(thread) = thread_of(&path).map(str::to_owned) else { continue };
            // Deleted between the two calls.
            let Ok(meta) = fs::metadata(&path) else { continue };
            found.push(Rollout { thread, modified: meta.modified()?, size: meta.len(), path });
        }
    }
    order::sort_by(&mut found, |a, b| a.path.file_name().cmp(&b.path.file_name()));
    Ok(found)
}

fn entries(dir: &Path) -> io::Result<Vec<std::ffi::OsString>> {
    let list = match fs::read_dir(dir) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        list => list?,
    };
    list.map(|entry| Ok(entry?.file_name())).collect()
}

/// The rollout of one conversation.
pub(crate) fn of_thread<'r>(rollouts: &'r [Rollout], thread: &str) -> Option<&'r Rollout> {
    rollouts.iter().rev().find(|rollout| rollout.thread == thread)
}

/// What the first line of a rollout says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Meta {
    pub(crate) id: String,
    pub(crate) cli_version: Option<String>,
    pub(crate) agent_nickname: Option<String>,
    pub(crate) parent_thread_id: Option<String>,
    thread_source: Option<String>,
    source: Value,
}

impl Meta {
    /// Reads a line of the type `session_meta`.
    pub(crate) fn parse(line: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Line {
            #[serde(rename = "type")]
            kind: String,
            payload: Meta,
        }
        let line: Line = serde_json::from_slice(line).ok()?;
        (line.kind == "session_meta").then_some(line.payload)
    }

    /// Reads the first line of a rollout; `None` while it is not complete.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn read(path: &Path) -> io::Result<Option<Self>> {
        let mut line = Vec::new();
        BufReader::new(File::open(path)?.take(LONGEST_META)).read_until(b'\n', &mut line)?;
        Ok(line.ends_with(b"\n").then(|| Self::parse(&line)).flatten())
    }

    /// Whether the conversation is one that another one has started. In 0.169 the `source` of such a one is
    /// an object with the key `subagent`, that of a person's own a word (`cli`); `thread_source` says
    /// `subagent` and `user`.
    pub(crate) fn is_sub_agent(&self) -> bool {
        self.thread_source.as_deref() == Some("subagent")
            || self.source.get("subagent").is_some()
            || self.source.as_str().is_some_and(|source| source.starts_with("subagent"))
    }
}

/// The conversation in front: the one that took the last message if it is among them, else the one written to
/// last; never a sub-agent's.
pub(crate) fn front<'r>(rollouts: &'r [Rollout], last_message: Option<&str>) -> Option<&'r Rollout> {
    let is_root =
        |rollout: &&Rollout| matches!(Meta::read(&rollout.path), Ok(Some(meta)) if !meta.is_sub_agent());
    if let Some(rollout) = last_message.and_then(|thread| of_thread(rollouts, thread)).filter(is_root) {
        return Some(rollout);
    }
    let mut newest: Vec<&Rollout> = rollouts.iter().collect();
    order::sort_by_key(&mut newest, |rollout| std::cmp::Reverse(rollout.modified));
    newest.into_iter().find(is_root)
}

/// The conversation that took the last message, by the program's message history.
pub(crate) fn last_in_history(history: &Path) -> Option<String> {
    /// A message may be long, the id stands in front of it.
    const WINDOW: usize = 256 * 1024;
    #[derive(Deserialize)]
    struct Entry {
        session_id: String,
    }
    let size = fs::metadata(history).ok()?.len();
    let start = size.saturating_sub(WINDOW as u64);
    let bytes = mng_core::storage::read_range(history, start, WINDOW).ok()??;
    let whole = &bytes[..bytes.iter().rposition(|byte| *byte == b'\n')?];
    let line = whole.rsplit(|byte| *byte == b'\n').next()?;
    let entry: Entry = serde_json::from_slice(line).ok()?;
    is_thread_id(&entry.session_id).then_some(entry.session_id)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const A: &str = "01a212dc-1783-7250-aac2-8b255d7a55ed";
    const B: &str = "01a212de-82f0-7221-a4ef-04e632fb98a0";
    const C: &str = "01a212df-c292-7223-8b13-439d8c86ef6a";

    fn write(sessions: &Path, name: &str, first: &str, age: u64) -> PathBuf {
        let day = sessions.join("2026/11/25");
        fs::create_dir_all(&day).unwrap();
        let path = day.join(name);
        fs::write(&path, format!("{first}\n")).unwrap();
        let time = SystemTime::now() - Duration::from_secs(age);
        File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
        path
    }

    fn root(id: &str) -> String {
        format!(
            r#"{{"timestamp":"2026-11-25T13:19:14Z","type":"session_meta","payload":{{"id":"{id}","cli_version":"0.169.0","source":"cli","thread_source":"user"}}}}"#
        )
    }

    fn sub(id: &str) -> String {
        format!(
            r#"{{"type":"session_meta","payload":{{"id":"{id}","source":{{"subagent":{{"thread_spawn":{{"depth":1}}}}}},"parent_thread_id":"{A}"}}}}"#
        )
    }

    #[test]
    fn names_tell_the_conversation() {
        let path = format!("/x/rollout-2026-11-25T13-19-03-{A}.jsonl");
        assert_eq!(thread_of(Path::new(&path)), Some(A));
        for bad in [
            "rollout-x.jsonl",
            "rollout-.jsonl",
            "notes.jsonl",
            "rollout-2026-11-25T13-19-03-01a212dcé1783-7250-aac2-8b255d7a55ed.jsonl",
        ] {
            assert_eq!(thread_of(Path::new(bad)), None, "{bad}");
        }
    }

    #[test]
    fn the_conversation_in_front_is_a_persons() {
        let dir = tempfile::tempdir().unwrap();
        let sessions = dir.path().join("sessions");
        assert_eq!(find_all(&sessions).unwrap(), []);
        write(&sessions, &format!("rollout-2026-11-25T13-19-03-{A}.jsonl"), &root(A), 30);
        write(&sessions, &format!("rollout-2026-11-25T13-21-42-{B}.jsonl"), &sub(B), 10);
        write(&sessions, &format!("rollout-2026-11-25T13-23-00-{C}.jsonl"), &root(C), 20);
        write(&sessions, "notes.txt", "x", 0);
        let all = find_all(&sessions).unwrap();
        assert_eq!(all.iter().map(|rollout| rollout.thread.as_str()).collect::<Vec<_>>(), [A, B, C]);
        assert_eq!(front(&all, None).unwrap().thread, C, "the newest that is no sub-agent's");
        assert_eq!(front(&all, Some(A)).unwrap().thread, A);
        assert_eq!(front(&all, Some(B)).unwrap().thread, C, "never a sub-agent's");
        let history = dir.path().join("history.jsonl");
        assert_eq!(last_in_history(&history), None);
        fs::write(
            &history,
            format!("{{\"session_id\":\"{A}\",\"ts\":1,\"text\":\"x\"}}\n{{\"session_id\":\"{B}\""),
        )
        .unwrap();
        assert_eq!(last_in_history(&history).as_deref(), Some(A), "the last line is torn");
    }

    #[test]
    fn a_first_line_that_is_not_complete_says_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = write(dir.path(), &format!("rollout-2026-11-25T13-19-03-{A}.jsonl"), &root(A), 0);
        assert_eq!(Meta::read(&path).unwrap().unwrap().cli_version.as_deref(), Some("0.169.0"));
        fs::write(&path, root(A)).unwrap();
        assert_eq!(Meta::read(&path).unwrap(), None);
        fs::write(&path, "{\"type\":\"event_msg\",\"payload\":{}}\n").unwrap();
        assert_eq!(Meta::read(&path).unwrap(), None);
    }
}
