//! Reading one native file forwards.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::Value;

use super::Converter;
use super::records::time_of;
use crate::model::error::{Error, Result};

/// How much is read at once.
const CHUNK: usize = 256 * 1024;

/// The records of one native file from some offset to where the file ended when it was opened.
pub(super) struct SessionReader {
    path: PathBuf,
    file: File,
    /// Identity of the file.
    pub(super) inode: u64,
    /// Where the file ended when it was opened; what comes later is for the next pass.
    pub(super) size: u64,
    /// How far bytes were read.
    read_to: u64,
    buffer: Vec<u8>,
    /// Where the next line begins in the buffer.
    at: usize,
    pub(super) converter: Box<dyn Converter>,
    out: VecDeque<Value>,
    scratch: Vec<Value>,
    is_turn_over: bool,
    is_finished: bool,
    /// Of the last record with a time: what one without is sorted by.
    time: Timestamp,
    pub(super) skipped: Skipped,
}

/// Lines that could not be read.
#[derive(Clone, Debug, Default)]
pub(super) struct Skipped {
    pub(super) count: usize,
    first: Option<String>,
}

impl Skipped {
    pub(super) fn add(&mut self, reason: &dyn std::fmt::Display) {
        self.count += 1;
        self.first.get_or_insert_with(|| reason.to_string());
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.count += other.count;
        if self.first.is_none() {
            self.first.clone_from(&other.first);
        }
    }

    /// The one warning about all of them.
    pub(super) fn warning(&self) -> Option<String> {
        let first = self.first.as_ref()?;
        let lines = if self.count == 1 { "1 line" } else { &format!("{} lines", self.count) };
        Some(format!("{lines} of the transcript could not be read and left out: {first}"))
    }
}

impl SessionReader {
    /// `None` if the file is gone.
    pub(super) fn open(
        path: &Path,
        offset: u64,
        converter: Box<dyn Converter>,
        is_turn_over: bool,
    ) -> Result<Option<Self>> {
        let failed = |error| Error::io(format!("read `{}`", path.display()), error);
        let mut file = match File::open(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(failed)?,
        };
        let meta = file.metadata().map_err(failed)?;
        file.seek(SeekFrom::Start(offset)).map_err(failed)?;
        Ok(Some(Self {
            path: path.to_path_buf(),
            file,
            inode: meta.ino(),
            size: meta.len(),
            read_to: offset,
            buffer: Vec::new(),
            at: 0,
            converter,
            out: VecDeque::new(),
            scratch: Vec::new(),
            is_turn_over,
            is_finished: false,
            time: Timestamp::UNIX_EPOCH,
            skipped: Skipped::default(),
        }))
    }

    /// Where the first line begins that was not converted: it has no end yet.
    pub(super) fn offset(&self) -> u64 {
        self.read_to - (self.buffer.len() - self.at) as u64
    }

    /// The next record and what it is sorted by.
    pub(super) fn next(&mut self) -> Result<Option<(Timestamp, Value)>> {
        loop {
            if let Some(record) = self.out.pop_front() {
                self.time = time_of(&record).unwrap_or(self.time);
                return Ok(Some((self.time, record)));
            }
            if self.is_finished {
                return Ok(None);
            }
            if !self.convert_line() && !self.fill()? {
                self.is_finished = true;
                self.converter.finish(self.is_turn_over, &mut self.scratch);
                self.out.extend(self.scratch.drain(..));
            }
        }
    }

    /// Converts the next line of the buffer; false if there is no whole one.
    fn convert_line(&mut self) -> bool {
        let rest = &self.buffer[self.at..];
        let Some(length) = rest.iter().position(|byte| *byte == b'\n') else { return false };
        let line = &rest[..length];
        if !line.iter().all(u8::is_ascii_whitespace)
            && let Err(bad) = self.converter.line(line, &mut self.scratch)
        {
            self.skipped.add(&bad);
        }
        self.at += length + 1;
        self.out.extend(self.scratch.drain(..));
        true
    }

    /// Reads on; false at the end.
    fn fill(&mut self) -> Result<bool> {
        self.buffer.drain(..self.at);
        self.at = 0;
        let left = usize::try_from(self.size.saturating_sub(self.read_to)).unwrap_or(usize::MAX);
        let want = left.min(CHUNK);
        let start = self.buffer.len();
        self.buffer.resize(start + want, 0);
        let mut length = 0;
        while length < want {
            match self.file.read(&mut self.buffer[start + length..]) {
                Ok(0) => break,
                Ok(count) => length += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::io(format!("read `{}`", self.path.display()), error)),
            }
        }
        self.buffer.truncate(start + length);
        self.read_to += length as u64;
        Ok(length > 0)
    }
}

/// The records of several files by time; those of one file keep their order.
pub(super) struct Merged {
    pub(super) readers: Vec<SessionReader>,
    heads: Vec<Option<(Timestamp, Value)>>,
}

impl Merged {
    pub(super) fn new(readers: Vec<SessionReader>) -> Self {
        Self { heads: Vec::new(), readers }
    }

    pub(super) fn next(&mut self) -> Result<Option<Value>> {
        if self.heads.is_empty() {
            self.heads = self.readers.iter_mut().map(SessionReader::next).collect::<Result<_>>()?;
        }
        let waiting = self.heads.iter().enumerate();
        let first = waiting.filter_map(|(index, head)| Some((head.as_ref()?.0, index))).min();
        let Some((_, index)) = first else { return Ok(None) };
        let next = self.readers[index].next()?;
        Ok(std::mem::replace(&mut self.heads[index], next).map(|(_, record)| record))
    }

    pub(super) fn skipped(&self) -> Skipped {
        let mut all = Skipped::default();
        self.readers.iter().for_each(|reader| all.merge(&reader.skipped));
        all
    }
}
