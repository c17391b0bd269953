//! Appending to event streams: one JSON object a line in `events/<source>/events.jsonl`.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value};

use super::Host;
use crate::model::error::{Error, Result};
use crate::model::ids::EventId;
use crate::model::time::Time;
use crate::storage::{FileLock, create_private_dir};
use crate::transports::ExecRequest;

/// The live file of a stream.
const LIVE: &str = "events.jsonl";

/// A stream of events of a host or of an agent.
#[derive(Clone, Debug)]
pub struct EventStream {
    dir: PathBuf,
    source: String,
    /// Size in bytes beyond which the live file is put aside; `None`: it grows.
    pub rotate_above: Option<u64>,
    /// How many files put aside are kept.
    pub keep: usize,
}

impl EventStream {
    /// The stream `source` (which may have several parts, `logs/mng`) below `root`: a host dir or an agent's
    /// state dir.
    #[must_use]
    pub fn new(root: &Path, source: &str) -> Self {
        let dir = root.join("events").join(source);
        Self { dir, source: source.to_owned(), rotate_above: None, keep: 10 }
    }

    /// The live file.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.dir.join(LIVE)
    }

    /// Appends an event and returns its id. The envelope comes first; a field of the same name as one of its
    /// keys is left out.
    ///
    /// # Errors
    /// The stream cannot be written.
    pub async fn append(&self, host: &Host, event_type: &str, fields: Map<String, Value>) -> Result<EventId> {
        let id = EventId::generate();
        let line = self.line(&id, event_type, fields);
        if host.is_local() {
            self.append_here(&line)?;
        } else {
            let script = "umask 077; mkdir -p -- \"$1\" && cat >>\"$1/$2\"";
            let dir = self.dir.to_string_lossy().into_owned();
            let request = ExecRequest::sh(script, [dir, LIVE.to_owned()]).stdin(line);
            host.transport.exec(request).await?.check("append an event")?;
        }
        Ok(id)
    }

    /// As [`EventStream::append`], for a stream of this machine.
    ///
    /// # Errors
    /// The stream cannot be written.
    pub fn append_local(&self, event_type: &str, fields: Map<String, Value>) -> Result<EventId> {
        let id = EventId::generate();
        self.append_here(&self.line(&id, event_type, fields))?;
        Ok(id)
    }

    /// Every event of the stream, oldest first, put-aside files included. Lines that are no events are
    /// skipped.
    ///
    /// # Errors
    /// A file cannot be read.
    pub async fn read(&self, host: &Host) -> Result<Vec<Map<String, Value>>> {
        let mut names = host.transport.list_dir(&self.dir).await?;
        // Put-aside names sort by time; the live file, whose name is the shortest, is the newest.
        names.retain(|name| name == LIVE || is_rotated(name));
        if let Some(live) = names.iter().position(|name| name == LIVE) {
            let live = names.remove(live);
            names.push(live);
        }
        let mut events = Vec::new();
        for name in names {
            let bytes = host.transport.read(&self.dir.join(name)).await?.unwrap_or_default();
            events.extend(
                bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()),
            );
        }
        Ok(events)
    }

    fn line(&self, id: &EventId, event_type: &str, fields: Map<String, Value>) -> Vec<u8> {
        let mut event = Map::new();
        event.insert("timestamp".into(), Time::now().with_nanoseconds().into());
        event.insert("type".into(), event_type.into());
        event.insert("event_id".into(), id.as_str().into());
        event.insert("source".into(), self.source.clone().into());
        for (key, value) in fields {
            event.entry(key).or_insert(value);
        }
        let mut line = Value::Object(event).to_string().into_bytes();
        line.push(b'\n');
        line
    }

    fn append_here(&self, line: &[u8]) -> Result<()> {
        let path = self.path();
        let failed = |error| Error::io(format!("write `{}`", path.display()), error);
        let open = || OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(&path);
        let mut file = match open() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                create_private_dir(&self.dir)?;
                open()
            }
            opened => opened,
        }
        .map_err(failed)?;
        let size = file.metadata().map_err(failed)?.len();
        if self.rotate_above.is_some_and(|limit| size > limit) {
            self.rotate()?;
            file = open().map_err(failed)?;
        }
        let mut bytes = line.to_vec();
        if is_torn(&mut file).map_err(failed)? {
            bytes.insert(0, b'\n');
        }
        // One write: the lines of several writers do not mix.
        file.write_all(&bytes).map_err(failed)
    }

    fn rotate(&self) -> Result<()> {
        let _lock = FileLock::acquire(&self.dir.join(".rotation.lock"), Some(Duration::from_secs(5)))?;
        let path = self.path();
        let is_large = fs::metadata(&path).is_ok_and(|meta| Some(meta.len()) > self.rotate_above);
        if !is_large {
            return Ok(()); // somebody else was first
        }
        let stamp: String =
            Time::now().with_nanoseconds().chars().filter(char::is_ascii_digit).take(20).collect();
        fs::rename(&path, self.dir.join(format!("{LIVE}.{stamp}")))
            .map_err(|error| Error::io(format!("put `{}` aside", path.display()), error))?;
        let mut aside: Vec<String> = fs::read_dir(&self.dir)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| is_rotated(name))
            .collect();
        aside.sort_unstable();
        for name in &aside[..aside.len().saturating_sub(self.keep)] {
            let _ = fs::remove_file(self.dir.join(name));
        }
        Ok(())
    }
}

fn is_rotated(name: &str) -> bool {
    name.strip_prefix(LIVE)
        .and_then(|rest| rest.strip_prefix('.'))
        .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Whether the last line has no end: its writer died, or the disk was full.
fn is_torn(file: &mut File) -> std::io::Result<bool> {
    let mut last = [0];
    if file.metadata()?.len() == 0 {
        return Ok(false);
    }
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last[0] != b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn the_envelope_comes_first_and_is_not_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let stream = EventStream::new(dir.path(), "a/b");
        let id = stream.append_local("t", fields(serde_json::json!({"x": 1, "source": "forged"}))).unwrap();
        let text = fs::read_to_string(dir.path().join("events/a/b/events.jsonl")).unwrap();
        let event: Map<String, Value> = serde_json::from_str(&text).unwrap();
        let keys: Vec<&str> = event.keys().map(String::as_str).collect();
        assert_eq!(keys, ["timestamp", "type", "event_id", "source", "x"]);
        assert_eq!((event["source"].as_str(), event["event_id"].as_str()), (Some("a/b"), Some(id.as_str())));
    }

    #[test]
    fn a_torn_line_costs_only_itself() {
        let dir = tempfile::tempdir().unwrap();
        let stream = EventStream::new(dir.path(), "a");
        stream.append_local("one", Map::new()).unwrap();
        let mut file = OpenOptions::new().append(true).open(stream.path()).unwrap();
        file.write_all(b"{\"timestamp\":\"2026").unwrap();
        stream.append_local("two", Map::new()).unwrap();
        let text = fs::read_to_string(stream.path()).unwrap();
        let good = text.lines().filter(|line| serde_json::from_str::<Value>(line).is_ok()).count();
        assert_eq!((good, text.lines().count()), (2, 3));
    }

    #[test]
    fn a_large_file_is_put_aside_and_few_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let stream = EventStream { rotate_above: Some(10), keep: 2, ..EventStream::new(dir.path(), "a") };
        for _ in 0..6 {
            stream.append_local("t", Map::new()).unwrap();
        }
        let mut names: Vec<String> = fs::read_dir(dir.path().join("events/a"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort_unstable();
        assert_eq!(names.len(), 4, "{names:?}");
        assert_eq!(names.iter().filter(|name| is_rotated(name)).count(), 2);
        assert_eq!(names[2].len(), "events.jsonl.20261122133100000000".len());
    }
}
