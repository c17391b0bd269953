//! Reads event streams: `events/<source>/events.jsonl` under a host's or an agent's directory.

mod lines;
mod record;

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::hosts::Host;
use crate::model::error::{Error, Result};
use crate::model::event::Events;
use crate::model::order;
use lines::{LIVE, Lines, is_rotated};
use record::{EventLine, Malformed, wrong_source_event};

/// How often a followed stream is looked at: a handful of `stat`s on this machine, a round trip elsewhere.
const LOCAL_POLL: Duration = Duration::from_millis(200);
const REMOTE_POLL: Duration = Duration::from_secs(1);
/// How often a follower looks for streams that were not there before.
const RESCAN: Duration = Duration::from_secs(10);
const LOCAL_RESCAN: Duration = Duration::from_secs(1);
/// So many failed reads in a row end a follow.
const MOST_FAILED_READS: u32 = 3;

/// Decides which events are wanted; sees the object with the right `source`.
pub type Wanted<'a> = dyn Fn(&Map<String, Value>) -> bool + Send + Sync + 'a;

/// What to read.
pub struct Query<'a> {
    /// The directory that has `events/` in it.
    pub dir: PathBuf,
    /// Paths relative to `events/`, such as `logs/mng`; empty: all there are.
    pub sources: Vec<String>,
    pub wanted: &'a Wanted<'a>,
    /// Of the history, only the first or the last so many.
    pub part: Part,
    /// Of a source's history, only the newest event for each value of a field.
    pub latest_by: Vec<LatestBy>,
    /// Go on with what is written from now on, until the future is dropped.
    pub is_following: bool,
}

/// Which part of the history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Part {
    #[default]
    All,
    Head(usize),
    Tail(usize),
}

/// `SOURCE:FIELD`, split at the last colon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LatestBy {
    pub source: String,
    /// Dotted.
    pub field: String,
}

impl std::str::FromStr for LatestBy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.rsplit_once(':') {
            Some((source, field)) if !source.is_empty() && !field.is_empty() => {
                Ok(Self { source: source.trim_matches('/').to_owned(), field: field.to_owned() })
            }
            _ => Err(format!("`{text}`: expected SOURCE:FIELD, for example `services:name`")),
        }
    }
}

/// Where lines go. An error ends the reading: the reader has gone.
pub type Print<'a> = dyn FnMut(&[u8]) -> Result<()> + Send + 'a;

/// Prints the events of a query: the history of all sources merged by time, each event once; then, when
/// following, what comes. `warnings` hears of lines that are no events.
///
/// # Errors
/// A file cannot be read, or `print` failed.
pub async fn read(host: &Host, query: &Query<'_>, print: &mut Print<'_>, warnings: &Events) -> Result<()> {
    let mut reader = Reader::new(host, query, warnings);
    reader.look_for_sources().await?;
    reader.history(print).await?;
    if query.is_following { reader.follow(print).await } else { Ok(()) }
}

/// One stream and the next event of it.
struct Stream {
    name: String,
    lines: Lines,
    next: Option<EventLine>,
    malformed: usize,
    is_warned_of_source: bool,
}

struct Reader<'a> {
    host: &'a Host,
    query: &'a Query<'a>,
    warnings: &'a Events,
    streams: Vec<Stream>,
    /// Ids of what was printed or dropped, hashed: a rotation or a copy may show an event twice.
    seen: HashSet<u64>,
    /// For `latest_by`: source and value to the newest time printed.
    newest: BTreeMap<(String, String), Timestamp>,
}

impl<'a> Reader<'a> {
    fn new(host: &'a Host, query: &'a Query<'a>, warnings: &'a Events) -> Self {
        Self { host, query, warnings, streams: Vec::new(), seen: HashSet::new(), newest: BTreeMap::new() }
    }

    /// Adds the streams of the query that exist and are not known yet.
    async fn look_for_sources(&mut self) -> Result<()> {
        let names = if self.query.sources.is_empty() {
            sources(self.host, &self.query.dir).await?
        } else {
            self.query.sources.clone()
        };
        for name in names {
            if self.streams.iter().all(|stream| stream.name != name) {
                let lines = Lines::new(self.query.dir.join("events").join(&name));
                self.streams.push(Stream {
                    name,
                    lines,
                    next: None,
                    malformed: 0,
                    is_warned_of_source: false,
                });
            }
        }
        Ok(())
    }

    /// The earliest event that waits in any stream.
    async fn next(&mut self) -> Result<Option<(usize, EventLine)>> {
        for stream in &mut self.streams {
            while stream.next.is_none() {
                let Some(line) = stream.lines.next(self.host).await? else { break };
                if line.iter().all(u8::is_ascii_whitespace) {
                    continue;
                }
                match EventLine::parse(line, &stream.name) {
                    Ok(event) => stream.next = Some(event),
                    Err(reason) => {
                        stream.malformed += 1;
                        if stream.malformed == 1 {
                            self.warnings.warning(malformed(&stream.name, reason));
                        }
                    }
                }
            }
        }
        let waiting = self.streams.iter().enumerate();
        let earliest = waiting.filter_map(|(index, stream)| Some((stream.next.as_ref()?.time, index))).min();
        Ok(earliest.and_then(|(_, index)| Some((index, self.streams[index].next.take()?))))
    }

    /// The next event that was not seen before and is wanted, with the warning that may precede it.
    async fn next_wanted(&mut self, print: &mut Print<'_>) -> Result<Option<(usize, EventLine)>> {
        while let Some((index, event)) = self.next().await? {
            if !self.seen.insert(event.id_hash()) {
                continue;
            }
            let stream = &mut self.streams[index];
            if event.claims_other_source && !stream.is_warned_of_source {
                stream.is_warned_of_source = true;
                print(&wrong_source_event(&stream.name))?;
            }
            if (self.query.wanted)(&event.object) {
                return Ok(Some((index, event)));
            }
        }
        Ok(None)
    }

    async fn history(&mut self, print: &mut Print<'_>) -> Result<()> {
        let mut tail: VecDeque<Vec<u8>> = VecDeque::new();
        let mut latest: BTreeMap<(String, String), EventLine> = BTreeMap::new();
        let mut printed = 0;
        if self.query.part == Part::Head(0) {
            return Ok(());
        }
        while let Some((index, event)) = self.next_wanted(print).await? {
            if let Some(key) = self.latest_key(index, &event) {
                if latest.get(&key).is_none_or(|known| known.time <= event.time) {
                    latest.insert(key, event);
                }
                continue;
            }
            match self.query.part {
                Part::All => print(&event.line)?,
                Part::Head(most) => {
                    print(&event.line)?;
                    printed += 1;
                    if printed >= most {
                        return Ok(());
                    }
                }
                Part::Tail(most) => {
                    tail.push_back(event.line);
                    if tail.len() > most {
                        tail.pop_front();
                    }
                }
            }
        }
        for line in tail {
            print(&line)?;
        }
        let mut rest: Vec<_> = latest.into_iter().collect();
        order::sort_by_key(&mut rest, |(_, event)| event.time);
        for (key, event) in rest {
            print(&event.line)?;
            self.newest.insert(key, event.time);
        }
        Ok(())
    }

    async fn follow(&mut self, print: &mut Print<'_>) -> Result<()> {
        let is_local = self.host.is_local();
        let (poll, rescan) = if is_local { (LOCAL_POLL, LOCAL_RESCAN) } else { (REMOTE_POLL, RESCAN) };
        let mut next_scan = tokio::time::Instant::now() + rescan;
        let mut failed = 0;
        loop {
            tokio::time::sleep(poll).await;
            if tokio::time::Instant::now() >= next_scan {
                self.look_for_sources().await?;
                next_scan = tokio::time::Instant::now() + rescan;
            }
            match self.news(print).await {
                Ok(()) => failed = 0,
                Err(Stop::Reader(error)) => return Err(error),
                Err(Stop::Host(error)) => {
                    failed += 1;
                    if failed >= MOST_FAILED_READS {
                        return Err(error);
                    }
                }
            }
        }
    }

    /// Prints what has come since the last time.
    async fn news(&mut self, print: &mut Print<'_>) -> Result<(), Stop> {
        let mut gone = None;
        let mut guarded = |line: &[u8]| {
            print(line).map_err(|error| {
                let told = Error::plain(error.class(), error.to_string());
                gone = Some(error);
                told
            })
        };
        let result = self.print_news(&mut guarded).await;
        match (gone, result) {
            (Some(error), _) => Err(Stop::Reader(error)),
            (None, Err(error)) => Err(Stop::Host(error)),
            (None, Ok(())) => Ok(()),
        }
    }

    async fn print_news(&mut self, print: &mut Print<'_>) -> Result<()> {
        while let Some((index, event)) = self.next_wanted(print).await? {
            if let Some(key) = self.latest_key(index, &event) {
                if self.newest.get(&key).is_some_and(|newest| event.time < *newest) {
                    continue;
                }
                self.newest.insert(key, event.time);
            }
            print(&event.line)?;
        }
        Ok(())
    }

    fn latest_key(&self, index: usize, event: &EventLine) -> Option<(String, String)> {
        let source = &self.streams[index].name;
        let by = self.query.latest_by.iter().find(|by| by.source == *source)?;
        Some((source.clone(), event.field(&by.field)))
    }
}

/// Why following ended: the one who reads has gone, or the host's files cannot be read.
enum Stop {
    Reader(Error),
    Host(Error),
}

fn malformed(source: &str, reason: Malformed) -> String {
    let what = match reason {
        Malformed::NotAnObject => "no JSON object",
        Malformed::NoTimestamp => "an event without a `timestamp`",
    };
    format!("a line of `events/{source}` is {what}; such lines are left out")
}

/// The streams under `dir/events`, sorted by name.
///
/// # Errors
/// A directory cannot be read.
pub async fn sources(host: &Host, dir: &std::path::Path) -> Result<Vec<String>> {
    /// `events/<type>/common_transcript` is as deep as any program goes.
    const DEEPEST: usize = 6;
    let root = dir.join("events");
    let mut found = Vec::new();
    let mut waiting = vec![(String::new(), 0)];
    while let Some((name, depth)) = waiting.pop() {
        let names = host.transport.list_dir(&root.join(&name)).await?;
        if !name.is_empty() && names.iter().any(|file| file == LIVE || is_rotated(file)) {
            found.push(name.clone());
        }
        if depth < DEEPEST {
            let children =
                names.into_iter().filter(|child| !child.starts_with('.') && !child.starts_with(LIVE));
            let join = |child: String| if name.is_empty() { child } else { format!("{name}/{child}") };
            waiting.extend(children.map(|child| (join(child), depth + 1)));
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests;
