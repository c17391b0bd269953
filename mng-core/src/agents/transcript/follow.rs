//! Following a transcript: the records that native files get while somebody watches.
//!
//! Reads native files alone, from where they ended before, so that nothing is written and the common file and
//! its lock are left to those who read once. The files lie on this machine: those of another one are copied
//! here as they grow.

use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::records::{header, id_hash, text, time_of};
use super::session::Skipped;
use super::{Converter, Life, Part, Request, Store};
use crate::model::error::{Error, Result};
use crate::model::order;
use crate::storage::read_range;

/// How much is read at once.
const CHUNK: usize = 256 * 1024;
/// A file that was quiet for so many looks is looked at only when new files are looked for: a long
/// conversation has many files of sub-agents that ended.
const QUIET_LOOKS: u32 = 50;

/// Goes on from where a transcript ends.
#[derive(Debug)]
pub struct Follower {
    store: Store,
    files: Vec<Native>,
    /// Ids of what was handed out or is known to the reader, hashed.
    seen: HashSet<u64>,
    /// Of the last record before the following began. A file that turns up later may begin with a copy of the
    /// conversation up to here.
    begun: Option<Timestamp>,
    /// Converted and not handed out yet.
    waiting: Vec<Value>,
    skipped: Skipped,
}

/// One native file and how far it was read.
struct Native {
    path: PathBuf,
    offset: u64,
    /// The beginning of a line that has no end yet.
    torn: Vec<u8>,
    converter: Box<dyn Converter>,
    /// Was not there when the following began, or began anew.
    is_late: bool,
    quiet_looks: u32,
}

impl fmt::Debug for Native {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Native")
            .field("path", &self.path)
            .field("offset", &self.offset)
            .finish_non_exhaustive()
    }
}

impl Follower {
    /// Stands at the end of what there is. What is there already is left to [`Store::read`], which the caller
    /// asks afterwards: what comes in between is then handed out by both, and [`Follower::know`] keeps it from
    /// coming twice.
    ///
    /// # Errors
    /// A file cannot be read.
    pub async fn start(store: Store, is_turn_over: bool) -> Result<Self> {
        // Else all of a long conversation is converted here, each time.
        let keeper = store.clone();
        let (positions, newest) = blocking(move || {
            if keeper.is_kept() && keeper.exists()? {
                // One that cannot be stored is told by the one who reads it.
                let _ = keeper.update(is_turn_over, Duration::ZERO);
            }
            let mut newest = None;
            let last = Request { part: Part::Tail(1), ..Request::default() };
            keeper.read(Life::Live { is_turn_over }, &last, &mut |record| {
                newest = time_of(&record);
                Ok(true)
            })?;
            Ok((keeper.positions()?, newest))
        })
        .await?;
        let mut files = Vec::new();
        let mut known = Vec::new();
        for position in positions {
            let mut file = Native::new(position.path, position.converter);
            file.offset = position.offset;
            file.read(&mut known, &mut Skipped::default())?;
            file.converter.finish(is_turn_over, &mut known);
            files.push(file);
        }
        let begun = known.iter().filter_map(time_of).max().max(newest);
        let (seen, waiting, skipped) = (HashSet::new(), Vec::new(), Skipped::default());
        Ok(Self { store, files, seen, begun, waiting, skipped })
    }

    /// The reader has that record.
    pub fn know(&mut self, record: &Value) {
        self.begun = self.begun.max(time_of(record));
        if let Some(id) = text(record, "event_id") {
            self.seen.insert(id_hash(id));
        }
    }

    /// The first record of a transcript that had none when the following began.
    #[must_use]
    pub fn header(&self) -> Value {
        header(&self.store.agent_id, &self.store.emitter())
    }

    /// Adds native files that were not there before.
    ///
    /// # Errors
    /// A directory cannot be read.
    pub async fn look_for_files(&mut self) -> Result<()> {
        let store = self.store.clone();
        for path in blocking(move || store.sessions()).await? {
            if self.files.iter().all(|file| file.path != path) {
                let converter = self.store.source.converter(&path);
                self.files.push(Native { is_late: true, ..Native::new(path, converter) });
            }
        }
        for file in &mut self.files {
            file.quiet_looks = file.quiet_looks.min(QUIET_LOOKS - 1);
        }
        Ok(())
    }

    /// The records that are complete since the last time, by time; each once. `None`: nothing was written.
    ///
    /// # Errors
    /// A file cannot be read; what others said comes with the next call.
    pub fn news(&mut self) -> Result<Option<Vec<Value>>> {
        let mut has_read = !self.waiting.is_empty();
        for file in self.files.iter_mut().filter(|file| file.quiet_looks < QUIET_LOOKS) {
            let mut records = Vec::new();
            let found = file.read(&mut records, &mut self.skipped);
            let (is_late, begun) = (file.is_late, self.begun);
            let is_old = |record: &Value| is_late && time_of(record).is_some_and(|time| Some(time) <= begun);
            self.waiting.extend(records.into_iter().filter(|record| !is_old(record)));
            match found? {
                Found::Nothing => file.quiet_looks += 1,
                Found::Bytes => {
                    file.quiet_looks = 0;
                    has_read = true;
                }
                Found::Shorter => {
                    let (path, converter) = (file.path.clone(), self.store.source.converter(&file.path));
                    *file = Native { is_late: true, ..Native::new(path, converter) };
                }
            }
        }
        let records = std::mem::take(&mut self.waiting);
        Ok(has_read.then(|| self.once(records)))
    }

    /// Nothing was written for a while: what cannot grow any more although no next line says so.
    pub fn settled(&mut self) -> Vec<Value> {
        let mut out = Vec::new();
        self.files.iter_mut().for_each(|file| file.converter.settle(&mut out));
        self.once(out)
    }

    /// Whether [`Follower::finished`] would give something.
    #[must_use]
    pub fn is_holding(&self) -> bool {
        self.files.iter().any(|file| file.converter.is_holding())
    }

    /// The turn is over: what was held back for its next line.
    pub fn finished(&mut self) -> Vec<Value> {
        let mut out = Vec::new();
        self.files.iter_mut().for_each(|file| file.converter.finish(true, &mut out));
        self.once(out)
    }

    /// One sentence about lines that could not be read since the last time this was asked.
    pub fn warning(&mut self) -> Option<String> {
        std::mem::take(&mut self.skipped).warning()
    }

    fn once(&mut self, records: Vec<Value>) -> Vec<Value> {
        let mut keyed = Vec::with_capacity(records.len());
        let mut last = Timestamp::MIN;
        for record in records {
            if text(&record, "event_id").is_none_or(|id| self.seen.insert(id_hash(id))) {
                last = time_of(&record).unwrap_or(last);
                keyed.push((last, record));
            }
        }
        order::sort_by_key(&mut keyed, |(time, _)| *time);
        keyed.into_iter().map(|(_, record)| record).collect()
    }
}

/// What a look at a native file found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Nothing,
    Bytes,
    /// The file was cut short: what is in it now is another conversation, or the same written anew.
    Shorter,
}

impl Native {
    fn new(path: PathBuf, converter: Box<dyn Converter>) -> Self {
        Self { path, offset: 0, torn: Vec::new(), converter, is_late: false, quiet_looks: 0 }
    }

    /// Converts the lines that have come.
    fn read(&mut self, out: &mut Vec<Value>, skipped: &mut Skipped) -> Result<Found> {
        let mut found = Found::Nothing;
        loop {
            // A file that is not there now may come back.
            let Some(bytes) = read_range(&self.path, self.offset, CHUNK)? else {
                return Ok(found);
            };
            if bytes.is_empty() {
                let is_shorter = found == Found::Nothing
                    && fs::metadata(&self.path).is_ok_and(|meta| meta.len() < self.offset);
                return Ok(if is_shorter { Found::Shorter } else { found });
            }
            found = Found::Bytes;
            self.offset += bytes.len() as u64;
            let is_last = bytes.len() < CHUNK;
            self.convert(&bytes, out, skipped);
            if is_last {
                return Ok(found);
            }
        }
    }

    fn convert(&mut self, bytes: &[u8], out: &mut Vec<Value>, skipped: &mut Skipped) {
        let mut rest = bytes;
        while let Some(length) = rest.iter().position(|byte| *byte == b'\n') {
            let mut line = std::mem::take(&mut self.torn);
            line.extend_from_slice(&rest[..length]);
            rest = &rest[length + 1..];
            if !line.iter().all(u8::is_ascii_whitespace)
                && let Err(bad) = self.converter.line(&line, out)
            {
                skipped.add(&bad);
            }
        }
        self.torn.extend_from_slice(rest);
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Error::io("read the transcript", std::io::Error::other(error)))?
}
