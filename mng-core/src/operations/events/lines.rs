//! The lines of one event stream that grows and is rotated under the reader.

use std::collections::{BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

use crate::hosts::Host;
use crate::model::error::Result;

/// The live file of a stream; rotated ones are `events.jsonl.<time>`.
pub(super) const LIVE: &str = "events.jsonl";
/// How much is read at once: bounds the memory, however long the history.
const CHUNK: usize = 1 << 20;

/// Reads a stream's files in the order in which they were written, and goes on where it stopped.
#[derive(Debug)]
pub(super) struct Lines {
    dir: PathBuf,
    /// Rotated files seen, read or waiting to be read.
    rotated: BTreeSet<String>,
    /// Rotated files to read before the live one, each with where to start.
    waiting: VecDeque<(String, u64)>,
    /// How far the live file was read.
    offset: u64,
    /// Bytes read and not handed out: complete lines, then the start of one.
    buffer: Vec<u8>,
    /// Where the next line starts in the buffer.
    at: usize,
}

impl Lines {
    pub(super) fn new(dir: PathBuf) -> Self {
        Self { dir, rotated: BTreeSet::new(), waiting: VecDeque::new(), offset: 0, buffer: Vec::new(), at: 0 }
    }

    /// The next complete line without its line end; `None` when there is none yet. A line that still grows
    /// waits for its end.
    pub(super) async fn next(&mut self, host: &Host) -> Result<Option<Vec<u8>>> {
        loop {
            if let Some(line) = self.take_line() {
                return Ok(Some(line));
            }
            if !self.fill(host).await? {
                return Ok(None);
            }
        }
    }

    fn take_line(&mut self) -> Option<Vec<u8>> {
        let rest = &self.buffer[self.at..];
        let length = rest.iter().position(|byte| *byte == b'\n')?;
        let line = rest[..length].to_vec();
        self.at += length + 1;
        Some(line)
    }

    /// Reads on; false when nothing new is there.
    async fn fill(&mut self, host: &Host) -> Result<bool> {
        self.buffer.drain(..self.at);
        self.at = 0;
        self.look_for_rotated(host).await?;
        while let Some((name, offset)) = self.waiting.front().cloned() {
            let bytes =
                host.transport.read_from(&self.dir.join(&name), offset, CHUNK).await?.unwrap_or_default();
            if bytes.is_empty() {
                self.waiting.pop_front();
                // A rotated file grows no more: what it ends with is a line, end or not.
                if !self.buffer.is_empty() {
                    self.buffer.push(b'\n');
                    return Ok(true);
                }
                continue;
            }
            self.waiting[0].1 = offset + bytes.len() as u64;
            self.buffer.extend(bytes);
            return Ok(true);
        }
        let live = self.dir.join(LIVE);
        let bytes = host.transport.read_from(&live, self.offset, CHUNK).await?.unwrap_or_default();
        if bytes.is_empty() {
            // Cut short by somebody: what is in it now is new.
            if host.transport.stat(&live).await?.is_some_and(|stat| stat.size < self.offset) {
                self.offset = 0;
                self.buffer.clear();
                return self.is_not_rotated_since(host).await;
            }
            return Ok(false);
        }
        if !self.is_not_rotated_since(host).await? {
            // These may be bytes of another file. The next round reads the rotated one first.
            return Ok(true);
        }
        self.offset += bytes.len() as u64;
        self.buffer.extend(bytes);
        Ok(true)
    }

    /// Queues rotated files that were not there before. The first of them is what the live file was.
    async fn look_for_rotated(&mut self, host: &Host) -> Result<()> {
        for name in rotated_files(host, &self.dir).await? {
            if self.rotated.insert(name.clone()) {
                self.waiting.push_back((name, std::mem::take(&mut self.offset)));
            }
        }
        Ok(())
    }

    async fn is_not_rotated_since(&self, host: &Host) -> Result<bool> {
        Ok(rotated_files(host, &self.dir).await?.iter().all(|name| self.rotated.contains(name)))
    }
}

/// The rotated files of a stream, oldest first: their names end in the time.
async fn rotated_files(host: &Host, dir: &Path) -> Result<Vec<String>> {
    let mut names = host.transport.list_dir(dir).await?;
    names.retain(|name| is_rotated(name));
    Ok(names)
}

/// `events.jsonl.<digits>`; not a lock, not a temporary file.
pub(super) fn is_rotated(name: &str) -> bool {
    name.strip_prefix(LIVE)
        .and_then(|rest| rest.strip_prefix('.'))
        .is_some_and(|time| !time.is_empty() && time.bytes().all(|byte| byte.is_ascii_digit()))
}
