//! Whether a conversation is in a turn: the last of three records in its rollout.
//!
//! A turn may write many megabytes between its begin and its end, and every listing asks. So the file is read
//! backwards from its end in growing windows, and no further back than the process that writes it or the last
//! search reaches.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use mng_core::agents::mirror::is_hole;
use mng_core::model::time::Time;
use serde::{Deserialize, Serialize};

/// What the first window holds; the end of a turn is among the last few kilobytes.
const FIRST_WINDOW: u64 = 8 * 1024;
/// Windows grow by this factor.
const GROWTH: u64 = 8;
/// The largest window.
const LARGEST_WINDOW: u64 = 8 * 1024 * 1024;
/// A search that went further back than this is worth remembering.
const WORTH_REMEMBERING: u64 = 128 * 1024;

/// What happened to a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TurnEvent {
    Started,
    Complete,
    Aborted,
}

impl TurnEvent {
    /// As the rollout says it; newer versions of the protocol know other names for the first two.
    fn parse(name: &str) -> Option<Self> {
        match name {
            "task_started" | "turn_started" => Some(Self::Started),
            "task_complete" | "turn_complete" => Some(Self::Complete),
            "turn_aborted" => Some(Self::Aborted),
            _ => None,
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Started => "task_started",
            Self::Complete => "task_complete",
            Self::Aborted => "turn_aborted",
        }
    }
}

/// The last thing that happened to a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LastTurn {
    pub(crate) event: TurnEvent,
    pub(crate) at: Time,
}

/// How far a rollout has been searched: nothing between `event` and `until` is about a turn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Position {
    /// The rollout's file name.
    pub(crate) file: String,
    /// Bytes from the start; up to there all lines are known.
    pub(crate) until: u64,
    pub(crate) last: Option<LastTurn>,
}

/// What a search found.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Search {
    pub(crate) last: Option<LastTurn>,
    /// Worth keeping for the next search.
    pub(crate) position: Option<Position>,
}

/// Searches a rollout for what last happened to a turn since `since`, the start of the process.
///
/// # Errors
/// The file cannot be read.
pub(crate) fn last_turn(path: &Path, since: Option<Time>, known: Option<&Position>) -> io::Result<Search> {
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let known = known.filter(|known| known.file == name && known.until <= size);
    let floor = known.map_or(0, |known| known.until);
    let scan = Scan { file: &file, floor, since };
    let (whole, found) = scan.backwards(size)?;
    let last = match found {
        Found::Turn(last) => Some(last),
        Found::TooOld => None,
        Found::Nothing => known.and_then(|known| known.last),
    }
    .filter(|last| since.is_none_or(|since| last.at >= since));
    let is_worth_it = size - floor > WORTH_REMEMBERING;
    let position = is_worth_it
        .then(|| Position { file: name.into_owned(), until: whole, last })
        .filter(|_| whole > floor);
    Ok(Search { last, position })
}

enum Found {
    Turn(LastTurn),
    /// The lines before are of an earlier process.
    TooOld,
    Nothing,
}

struct Scan<'a> {
    file: &'a File,
    floor: u64,
    since: Option<Time>,
}

impl Scan<'_> {
    /// Reads windows from the end to the floor. Returns the end of the last whole line, and what was found.
    fn backwards(&self, size: u64) -> io::Result<(u64, Found)> {
        let mut end = size;
        let mut window = FIRST_WINDOW;
        // A line that began before the window that was read: its rest, to be completed by the next one.
        let mut rest: Vec<u8> = Vec::new();
        let mut whole = None;
        // When the oldest of the lines that were looked at was written.
        let mut oldest = None;
        while end > self.floor {
            let start = end.saturating_sub(window).max(self.floor);
            let mut bytes = vec![0; usize::try_from(end - start).map_err(io::Error::other)?];
            self.file.read_exact_at(&mut bytes, start)?;
            if whole.is_none() {
                // What follows the last line break is being written.
                let Some(at) = bytes.iter().rposition(|byte| *byte == b'\n') else {
                    end = start;
                    window = (window * GROWTH).min(LARGEST_WINDOW);
                    continue;
                };
                whole = Some(start + at as u64 + 1);
                bytes.truncate(at);
            }
            bytes.extend_from_slice(&rest);
            let first_break = bytes.iter().position(|byte| *byte == b'\n');
            let lines = match first_break {
                _ if start == self.floor => &bytes[..],
                Some(at) => &bytes[at + 1..],
                None => &[],
            };
            for line in lines.rsplit(|byte| *byte == b'\n') {
                if is_hole(line) {
                    return Ok((self.floor, self.before_hole(oldest)));
                }
                if let Some(found) = self.judge(line) {
                    return Ok((whole.unwrap_or(self.floor), found));
                }
                oldest = timestamp(line).or(oldest);
            }
            let is_too_old = || {
                let first = lines.split(|byte| *byte == b'\n').next()?;
                Some(timestamp(first)? < self.since?)
            };
            if is_too_old() == Some(true) {
                return Ok((whole.unwrap_or(self.floor), Found::TooOld));
            }
            rest = match first_break {
                Some(at) => bytes[..at].to_vec(),
                None => bytes,
            };
            end = start;
            window = (window * GROWTH).min(LARGEST_WINDOW);
        }
        Ok((whole.unwrap_or(self.floor), Found::Nothing))
    }

    /// What is known where a copy of another machine's file has its hole. Nearly nothing is written after the
    /// end of a turn, so as much as a copy holds without an end is of a turn in progress.
    fn before_hole(&self, oldest: Option<Time>) -> Found {
        match oldest {
            Some(at) if self.since.is_none_or(|since| at >= since) => {
                Found::Turn(LastTurn { event: TurnEvent::Started, at })
            }
            Some(_) => Found::TooOld,
            None => Found::Nothing,
        }
    }

    fn judge(&self, line: &[u8]) -> Option<Found> {
        let last = parse(line)?;
        Some(match self.since {
            Some(since) if last.at < since => Found::TooOld,
            _ => Found::Turn(last),
        })
    }
}

/// The record of a turn on a line, if it is one.
fn parse(line: &[u8]) -> Option<LastTurn> {
    #[derive(Deserialize)]
    struct Line<'a> {
        timestamp: Time,
        #[serde(rename = "type", borrow)]
        kind: &'a str,
        #[serde(borrow)]
        payload: Payload<'a>,
    }
    #[derive(Deserialize)]
    struct Payload<'a> {
        #[serde(rename = "type", borrow)]
        kind: &'a str,
    }
    // Most lines are long and something else: do not parse those.
    let head = &line[..line.len().min(400)];
    if !contains(head, b"event_msg") || !(contains(head, b"task_") || contains(head, b"turn_")) {
        return None;
    }
    let line: Line<'_> = serde_json::from_slice(line).ok()?;
    let event = TurnEvent::parse(line.payload.kind).filter(|_| line.kind == "event_msg")?;
    Some(LastTurn { event, at: line.timestamp })
}

/// When a line was written; it stands at its start.
fn timestamp(line: &[u8]) -> Option<Time> {
    let rest = line.strip_prefix(b"{\"timestamp\":\"")?;
    let end = rest.iter().take(40).position(|byte| *byte == b'"')?;
    std::str::from_utf8(&rest[..end]).ok()?.parse().ok()
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window == word)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::path::PathBuf;

    use super::*;

    fn line(second: u32, kind: &str, payload: &str) -> String {
        format!(
            "{{\"timestamp\":\"2026-11-25T13:{:02}:{:02}.000Z\",\"ordinal\":{second},\"type\":\"{kind}\",\"payload\":{{\"type\":\"{payload}\"}}}}\n",
            second / 60,
            second % 60
        )
    }

    fn at(second: u32) -> Time {
        format!("2026-11-25T13:{:02}:{:02}Z", second / 60, second % 60).parse().unwrap()
    }

    fn long(second: u32, length: usize) -> String {
        // What a model quotes is not what happened.
        let text = "\\\"type\\\":\\\"event_msg\\\" task_complete ".repeat(length / 40 + 1);
        line(second, "response_item", &format!("message\",\"text\":\"{text}"))
    }

    struct Case {
        _dir: tempfile::TempDir,
        path: PathBuf,
    }

    fn file(text: &str) -> Case {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rollout.jsonl");
        std::fs::write(&path, text).unwrap();
        Case { _dir: dir, path }
    }

    fn search(text: &str, since: Option<u32>) -> Option<(TurnEvent, Time)> {
        let case = file(text);
        last_turn(&case.path, since.map(at), None).unwrap().last.map(|last| (last.event, last.at))
    }

    /// A copy of another machine's rollout: the first line and the last kilobytes.
    #[test]
    fn as_much_as_a_copy_holds_without_an_end_is_of_a_turn() {
        let text = [line(1, "session_meta", "x"), "\0".repeat(200_000), "half\"}\n".into()].concat();
        let tail = [line(50, "response_item", "x"), long(51, 9000), line(52, "response_item", "y")].concat();
        assert_eq!(search(&(text.clone() + &tail), Some(40)), Some((TurnEvent::Started, at(50))));
        assert_eq!(search(&(text.clone() + &tail), Some(51)), None, "an earlier process wrote it");
        let ended = text + &tail + &line(60, "event_msg", "task_complete");
        assert_eq!(search(&ended, Some(40)), Some((TurnEvent::Complete, at(60))));
    }

    #[test]
    fn the_last_of_the_three_records_counts() {
        let mut text = line(1, "session_meta", "x");
        assert_eq!(search(&text, None), None);
        text += &line(2, "event_msg", "task_started");
        text += &long(3, 100);
        assert_eq!(search(&text, None), Some((TurnEvent::Started, at(2))));
        let ended =
            text.clone() + &line(4, "event_msg", "task_complete") + &line(5, "event_msg", "token_count");
        assert_eq!(search(&ended, None), Some((TurnEvent::Complete, at(4))));
        let aborted = text.clone() + &line(4, "event_msg", "turn_aborted");
        assert_eq!(search(&aborted, None), Some((TurnEvent::Aborted, at(4))));
        let torn = text + line(4, "event_msg", "task_complete").trim_end();
        assert_eq!(search(&torn, None), Some((TurnEvent::Started, at(2))), "a line without its end");
        assert_eq!(search("", None), None);
        assert_eq!(search("garbage", None), None);
    }

    #[test]
    fn what_an_earlier_process_began_does_not_count() {
        let text = line(1, "session_meta", "x") + &line(2, "event_msg", "task_started") + &long(3, 100);
        assert_eq!(search(&text, Some(10)), None, "the process was killed in its turn");
        let resumed = text.clone() + &line(11, "event_msg", "thread_settings_applied");
        assert_eq!(search(&resumed, Some(10)), None, "resuming writes lines too");
        let again = resumed + &line(12, "event_msg", "task_started");
        assert_eq!(search(&again, Some(10)), Some((TurnEvent::Started, at(12))));
    }

    #[test]
    fn windows_and_long_lines_hide_nothing() {
        for length in [7_000, 8_100, 8_192, 9_000, 70_000, 80_000, 700_000] {
            for tail in [0, 1, 3] {
                let mut text = line(1, "session_meta", "x") + &line(2, "event_msg", "task_started");
                for second in 0..tail {
                    text += &long(3 + second, length);
                }
                assert_eq!(search(&text, None), Some((TurnEvent::Started, at(2))), "{length} {tail}");
                let torn = text + long(9, length).trim_end();
                assert_eq!(search(&torn, None), Some((TurnEvent::Started, at(2))), "{length} {tail} torn");
            }
        }
    }

    #[test]
    fn a_long_turn_is_searched_once() {
        let mut text = line(1, "session_meta", "x") + &line(2, "event_msg", "task_started");
        for second in 3..40 {
            text += &long(second, 10_000);
        }
        let case = file(&text);
        let first = last_turn(&case.path, Some(at(1)), None).unwrap();
        let position = first.position.unwrap();
        assert_eq!(position.until, text.len() as u64);
        assert_eq!(position.last, first.last);
        // The start is not read again: with it destroyed, the answer stays.
        let mut spoilt = text.clone().into_bytes();
        spoilt[..200].fill(b' ');
        std::fs::write(&case.path, &spoilt).unwrap();
        let second = last_turn(&case.path, Some(at(1)), Some(&position)).unwrap();
        assert_eq!((second.last, second.position), (first.last, None));
        let mut more = String::from_utf8(spoilt).unwrap();
        let _ = write!(more, "{}", line(50, "event_msg", "task_complete"));
        std::fs::write(&case.path, &more).unwrap();
        let third = last_turn(&case.path, Some(at(1)), Some(&position)).unwrap();
        assert_eq!(third.last.unwrap().event, TurnEvent::Complete);
        // What is remembered of another process does not count.
        assert_eq!(last_turn(&case.path, Some(at(51)), Some(&position)).unwrap().last, None);
        // A file that has shrunk is another one.
        std::fs::write(&case.path, line(1, "session_meta", "x")).unwrap();
        assert_eq!(last_turn(&case.path, None, Some(&position)).unwrap().last, None);
    }
}
