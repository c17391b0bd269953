//! Reading a transcript: all of it, its beginning or its end.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use serde_json::Value;

use super::backward::{Backward, FIRST};
use super::old::modernise;
use super::records::{Role, id_hash, is_header, text, time_of};
use super::session::Skipped;
use super::store::{Store, for_each_line, has_bytes, segments};
use crate::model::error::{Error, Result};
use crate::model::order;

/// So far may records of different files stand out of their order in time.
const DISORDER: usize = 256;
/// More native bytes than this are not converted for the sake of the last few records.
const SMALL: u64 = 2 << 20;
/// A tool's name is looked for so far back.
const NAME_SEARCH: u64 = 4 << 20;

/// What to read.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Empty: everybody.
    pub roles: Vec<Role>,
    /// The header counts as a record; never with `roles`.
    pub has_header: bool,
    pub part: Part,
}

/// Which part, after the roles were chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Part {
    #[default]
    All,
    Head(usize),
    Tail(usize),
}

/// Whose transcript it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// An agent's, which is brought up to date first. `is_turn_over`: its program waits or has ended.
    Live { is_turn_over: bool },
    /// A copy of what a destroyed agent left; nothing is written.
    Preserved,
}

impl Life {
    fn is_turn_over(self) -> bool {
        match self {
            Self::Live { is_turn_over } => is_turn_over,
            Self::Preserved => true,
        }
    }
}

/// What reading it was like.
#[derive(Debug, Default)]
pub struct Reading {
    /// Records handed out.
    pub count: usize,
    /// Bytes read of files that were read from their end.
    pub bytes_read: u64,
    /// Sentences for standard error.
    pub warnings: Vec<String>,
}

/// Takes a record; false: enough.
pub type Sink<'a> = dyn FnMut(Value) -> Result<bool> + 'a;

impl Request {
    /// Whether a record is of those asked for, whatever the part.
    #[must_use]
    pub fn wants(&self, record: &Value) -> bool {
        if is_header(record) {
            return self.has_header && self.roles.is_empty();
        }
        self.roles.is_empty() || Role::of(record).is_some_and(|role| self.roles.contains(&role))
    }
}

impl Store {
    /// Whether there is anything to read.
    ///
    /// # Errors
    /// A directory cannot be read.
    pub fn exists(&self) -> Result<bool> {
        let has_common = segments(&self.common_dir())?.iter().any(|path| has_bytes(path));
        Ok(has_common || self.sessions()?.iter().any(|path| has_bytes(path)))
    }

    /// Hands out the records of a request by time, each once.
    ///
    /// # Errors
    /// A file cannot be read, or `sink` failed.
    pub fn read(&self, life: Life, request: &Request, sink: &mut Sink<'_>) -> Result<Reading> {
        match request.part {
            Part::Tail(count) => self.read_tail(life, request, count, sink),
            Part::All => self.read_forwards(life, request, usize::MAX, sink),
            Part::Head(count) => self.read_forwards(life, request, count, sink),
        }
    }

    /// Brings the common file up to date if that can be; returns whether all is in it.
    fn keep(&self, life: Life, reading: &mut Reading, skipped: &mut Skipped) -> bool {
        let Life::Live { is_turn_over } = life else { return false };
        if !self.source.is_kept() {
            return false;
        }
        match self.update(is_turn_over, Duration::ZERO) {
            Ok(pass) => {
                let is_done = pass.is_some();
                pass.into_iter().for_each(|pass| skipped.merge(&pass.skipped));
                is_done
            }
            Err(error) => {
                let causes: String = error.causes().iter().map(|cause| format!(": {cause}")).collect();
                reading.warnings.push(format!("the transcript was not stored: {error}{causes}"));
                false
            }
        }
    }

    fn read_forwards(
        &self,
        life: Life,
        request: &Request,
        most: usize,
        sink: &mut Sink<'_>,
    ) -> Result<Reading> {
        let mut reading = Reading::default();
        let mut skipped = Skipped::default();
        let is_kept = self.keep(life, &mut reading, &mut skipped);
        let mut out = Ordered::new(request, most, sink);
        for path in segments(&self.common_dir())? {
            let mut failure = None;
            for_each_line(&path, 0, &mut |line| {
                if failure.is_some() || out.is_full {
                    return;
                }
                match parse(line) {
                    Ok(Some(record)) => failure = out.add(record).err(),
                    Ok(None) => {}
                    Err(error) => skipped.add(&error),
                }
            })?;
            failure.map_or(Ok(()), Err)?;
        }
        if !is_kept && !out.is_full {
            let after = self.known_until(life, out.newest)?;
            if let Some(mut pending) = self.pending(life.is_turn_over())? {
                while !out.is_full
                    && let Some(record) = pending.merged.next()?
                {
                    if is_after(&record, after) {
                        out.add(record)?;
                    }
                }
                skipped.merge(&pending.merged.skipped());
            }
        }
        out.finish()?;
        reading.count = out.count;
        reading.warnings.extend(skipped.warning());
        Ok(reading)
    }

    /// Native records up to here stand in the common stream under ids that may not be ours.
    fn known_until(&self, life: Life, newest: Option<Timestamp>) -> Result<Option<Timestamp>> {
        match life {
            Life::Live { .. } => self.foreign_until(),
            Life::Preserved => Ok(newest),
        }
    }

    fn read_tail(&self, life: Life, request: &Request, count: usize, sink: &mut Sink<'_>) -> Result<Reading> {
        let mut reading = Reading::default();
        let mut skipped = Skipped::default();
        let is_small = self.unread()? <= SMALL;
        let is_kept = is_small && self.keep(life, &mut reading, &mut skipped);
        let mut records = Vec::new();
        if !is_small && life != Life::Preserved {
            self.native_tail(life, request, count, &mut records, &mut reading, &mut skipped)?;
        }
        if records.len() < count {
            records = self.common_tail(request, count, &mut reading, &mut skipped)?;
            let newest = records.iter().filter_map(time_of).max();
            let after = self.known_until(life, newest)?;
            let mut more = Vec::new();
            if is_small && !is_kept && life != Life::Preserved {
                if let Some(mut pending) = self.pending(life.is_turn_over())? {
                    while let Some(record) = pending.merged.next()? {
                        more.extend(request.wants(&record).then_some(record));
                    }
                }
            } else if !is_kept {
                self.native_tail(life, request, count, &mut more, &mut reading, &mut skipped)?;
            }
            records.extend(more.into_iter().filter(|record| is_after(record, after)));
        }
        for record in last(records, count) {
            reading.count += 1;
            if !sink(record)? {
                break;
            }
        }
        reading.warnings.extend(skipped.warning());
        Ok(reading)
    }

    /// The last records of the common stream, and some before them.
    fn common_tail(
        &self,
        request: &Request,
        count: usize,
        reading: &mut Reading,
        skipped: &mut Skipped,
    ) -> Result<Vec<Value>> {
        let enough = count.saturating_add(DISORDER);
        let mut records = Vec::new();
        for path in segments(&self.common_dir())?.into_iter().rev() {
            let Some(mut lines) = Backward::open(&path)? else { continue };
            while records.len() < enough {
                let Some(line) = lines.next()? else { break };
                match parse(&line) {
                    Ok(record) => records.extend(record.filter(|record| request.wants(record))),
                    Err(error) => skipped.add(&error),
                }
            }
            reading.bytes_read += lines.bytes_read;
        }
        records.reverse();
        Ok(records)
    }

    /// The last records of the native files, and some before them, whatever their size.
    fn native_tail(
        &self,
        life: Life,
        request: &Request,
        count: usize,
        records: &mut Vec<Value>,
        reading: &mut Reading,
        skipped: &mut Skipped,
    ) -> Result<()> {
        let modified = |path: &PathBuf| fs::metadata(path).and_then(|meta| meta.modified()).ok();
        let mut sessions: Vec<(Option<SystemTime>, PathBuf)> =
            self.sessions()?.into_iter().map(|path| (modified(&path), path)).collect();
        order::sort_by_key(&mut sessions, |(modified, _)| std::cmp::Reverse(*modified));
        for (modified, path) in sessions {
            let modified = modified.and_then(|time| Timestamp::try_from(time).ok());
            let newer =
                records.iter().filter_map(time_of).filter(|time| modified.is_some_and(|at| *time > at));
            if newer.count() >= count {
                // What is in this file and in those that were written even earlier is older than all of these.
                break;
            }
            self.session_tail(&path, life, request, count, records, reading, skipped)?;
        }
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "what the loop above carries along")]
    fn session_tail(
        &self,
        path: &Path,
        life: Life,
        request: &Request,
        count: usize,
        records: &mut Vec<Value>,
        reading: &mut Reading,
        skipped: &mut Skipped,
    ) -> Result<()> {
        let failed = |error| Error::io(format!("read `{}`", path.display()), error);
        let file = File::open(path).map_err(failed)?;
        let size = file.metadata().map_err(failed)?.len();
        let mut length = FIRST as u64;
        loop {
            let start = size.saturating_sub(length);
            let mut bytes = vec![0; usize::try_from(size - start).unwrap_or(usize::MAX)];
            file.read_exact_at(&mut bytes, start).map_err(failed)?;
            reading.bytes_read += bytes.len() as u64;
            let mut bad = Skipped::default();
            let all = self.convert_window(path, start, &bytes, life, &mut bad);
            let wanted: Vec<usize> = all
                .iter()
                .enumerate()
                .filter(|(_, record)| request.wants(record))
                .map(|(at, _)| at)
                .collect();
            let first = wanted.len().checked_sub(count).map(|at| wanted[at]);
            let is_enough = first.is_some_and(|first| {
                is_settled(&all[..first]) && (length >= NAME_SEARCH || are_calls_known(&all, first))
            });
            if start == 0 || is_enough {
                let first = if start == 0 { 0 } else { first.unwrap_or(0) };
                skipped.merge(&bad);
                records.extend(all.into_iter().skip(first).filter(|record| request.wants(record)));
                return Ok(());
            }
            length *= 2;
        }
    }

    fn convert_window(
        &self,
        path: &Path,
        start: u64,
        bytes: &[u8],
        life: Life,
        skipped: &mut Skipped,
    ) -> Vec<Value> {
        let line_end = |bytes: &[u8]| bytes.iter().position(|byte| *byte == b'\n');
        let begin = if start == 0 { 0 } else { line_end(bytes).map_or(bytes.len(), |at| at + 1) };
        let mut converter = match start {
            0 => self.source.converter(path),
            _ => self.source.converter_at(path, start + begin as u64),
        };
        let (mut all, mut at) = (Vec::new(), begin);
        while let Some(length) = line_end(&bytes[at..]) {
            let line = &bytes[at..at + length];
            if !line.iter().all(u8::is_ascii_whitespace)
                && let Err(bad) = converter.line(line, &mut all)
            {
                skipped.add(&bad);
            }
            at += length + 1;
        }
        converter.finish(life.is_turn_over(), &mut all);
        all
    }
}

/// Whether enough steps came before for the next ones to be whole: a window may begin within a step.
fn is_settled(before: &[Value]) -> bool {
    before.iter().filter(|record| Role::of(record) == Some(Role::Agent)).count() >= 2
}

/// Whether the calls of all tool results from `first` on stand somewhere in the window.
fn are_calls_known(all: &[Value], first: usize) -> bool {
    fn list<'v>(record: &'v Value, key: &str) -> &'v [Value] {
        record.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
    }
    let calls: HashSet<&str> = all
        .iter()
        .flat_map(|record| list(record, "tool_calls"))
        .filter_map(|call| text(call, "tool_call_id"))
        .collect();
    let mut results = all[first..].iter().flat_map(|record| list(record, "results"));
    results.all(|result| text(result, "source_call_id").is_none_or(|id| calls.contains(id)))
}

/// A line of the common stream; `None` for an empty one.
fn parse(line: &[u8]) -> Result<Option<Value>, serde_json::Error> {
    if line.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    let record: serde_json::Map<String, Value> = serde_json::from_slice(line)?;
    Ok(Some(modernise(Value::Object(record))))
}

fn is_after(record: &Value, after: Option<Timestamp>) -> bool {
    match (after, time_of(record)) {
        (Some(after), Some(time)) => time > after,
        _ => true,
    }
}

/// The last `count` records by time, each once.
fn last(mut records: Vec<Value>, count: usize) -> Vec<Value> {
    let mut seen = HashSet::new();
    records.retain(|record| text(record, "event_id").is_none_or(|id| seen.insert(id_hash(id))));
    let mut time = Timestamp::MIN;
    let mut keyed: Vec<(Timestamp, Value)> = Vec::with_capacity(records.len());
    for record in records {
        time = sort_time(&record, time);
        keyed.push((time, record));
    }
    order::sort_by_key(&mut keyed, |(time, _)| *time);
    let first = keyed.len().saturating_sub(count);
    keyed.into_iter().skip(first).map(|(_, record)| record).collect()
}

fn sort_time(record: &Value, before: Timestamp) -> Timestamp {
    if is_header(record) { Timestamp::MIN } else { time_of(record).unwrap_or(before) }
}

/// Hands records out by time, each once, holding back only as many as may be out of order.
struct Ordered<'a, 's> {
    request: &'a Request,
    most: usize,
    sink: &'a mut Sink<'s>,
    seen: HashSet<u64>,
    waiting: BTreeMap<(Timestamp, u64), Value>,
    next: u64,
    last_time: Timestamp,
    newest: Option<Timestamp>,
    count: usize,
    is_full: bool,
}

impl<'a, 's> Ordered<'a, 's> {
    fn new(request: &'a Request, most: usize, sink: &'a mut Sink<'s>) -> Self {
        Self {
            request,
            most,
            sink,
            seen: HashSet::new(),
            waiting: BTreeMap::new(),
            next: 0,
            last_time: Timestamp::MIN,
            newest: None,
            count: 0,
            is_full: most == 0,
        }
    }

    fn add(&mut self, record: Value) -> Result<()> {
        self.newest = self.newest.max(time_of(&record));
        if !text(&record, "event_id").is_none_or(|id| self.seen.insert(id_hash(id)))
            || !self.request.wants(&record)
        {
            return Ok(());
        }
        self.last_time = sort_time(&record, self.last_time);
        self.waiting.insert((self.last_time, self.next), record);
        self.next += 1;
        if self.waiting.len() > DISORDER { self.hand_out() } else { Ok(()) }
    }

    fn hand_out(&mut self) -> Result<()> {
        if self.is_full {
            return Ok(());
        }
        let Some((_, record)) = self.waiting.pop_first() else { return Ok(()) };
        self.count += 1;
        self.is_full = !(self.sink)(record)? || self.count >= self.most;
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        while !self.waiting.is_empty() && !self.is_full {
            self.hand_out()?;
        }
        Ok(())
    }
}
