//! The answer of the script: frames that what is quoted in them cannot forge.

use super::super::mirror::{CopiedFile, FilePart, is_plain_name};
use crate::model::ids::AgentId;
use crate::model::time::Time;

/// What the script calls its answer.
const VERSION: &str = "1";

/// Why an answer tells nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::agents) enum FrameError {
    #[error("no answer of the script came back")]
    Missing,
    #[error("the answer is of version `{0}`, which this mng does not know")]
    Version(String),
    #[error("the answer was cut short")]
    CutShort,
    #[error("a part of the answer cannot be read: `{0}`")]
    Unreadable(String),
}

/// One part of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::agents) struct Frame<'a> {
    pub(in crate::agents) kind: &'a str,
    pub(in crate::agents) rest: &'a str,
    pub(in crate::agents) body: &'a [u8],
}

/// Splits an answer. What stands before the first frame (a greeting of the login) is left out.
///
/// # Errors
/// It does not begin or end as it has to.
pub(in crate::agents) fn split<'a>(output: &'a [u8], nonce: &str) -> Result<Vec<Frame<'a>>, FrameError> {
    let mark = format!("\n{nonce} ");
    let mark = mark.as_bytes();
    let breaks = output.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at);
    let starts: Vec<usize> = breaks.filter(|at| output[*at..].starts_with(mark)).collect();
    let mut frames = Vec::with_capacity(starts.len());
    for (index, start) in starts.iter().enumerate() {
        let end = starts.get(index + 1).copied().unwrap_or(output.len());
        let whole = output.get(start + mark.len()..end).unwrap_or_default();
        // Between two marks there is room for the line's end: both marks begin with one.
        let (head, body) = match whole.iter().position(|byte| *byte == b'\n') {
            Some(at) => (&whole[..at], &whole[at + 1..]),
            None => (whole, &whole[whole.len()..]),
        };
        let head = std::str::from_utf8(head)
            .map_err(|_| FrameError::Unreadable(String::from_utf8_lossy(head).into_owned()))?;
        let (kind, rest) = head.split_once(' ').unwrap_or((head, ""));
        frames.push(Frame { kind, rest, body });
    }
    let (Some(first), Some(last)) = (frames.first(), frames.last()) else { return Err(FrameError::Missing) };
    if last.kind != "end" {
        return Err(FrameError::CutShort);
    }
    match (first.kind, first.rest) {
        ("probe", VERSION) => Ok(frames),
        ("probe", other) => Err(FrameError::Version(other.to_owned())),
        (other, _) => Err(FrameError::Unreadable(other.to_owned())),
    }
}

/// What was brought along of one agent.
#[derive(Debug)]
pub(super) struct AgentFiles<'a> {
    pub(super) id: AgentId,
    pub(super) files: Vec<CopiedFile<'a>>,
}

impl<'a> AgentFiles<'a> {
    pub(super) fn file(&self, name: &str) -> Option<&CopiedFile<'a>> {
        self.files.iter().find(|file| file.name == name)
    }

    pub(super) fn modified(&self, name: &str) -> Option<Time> {
        self.file(name).map(|file| Time::from(file.modified))
    }

    /// The first bytes of a file that was read.
    pub(super) fn bytes(&self, name: &str) -> Option<&'a [u8]> {
        let (_, bytes) = self.file(name)?.parts.first()?;
        Some(bytes)
    }
}

/// The whole answer.
#[derive(Debug, Default)]
pub(super) struct AnswerParts<'a> {
    /// By the host's clock.
    pub(super) clock: Option<Time>,
    pub(super) uptime: Option<f64>,
    /// What `sysctl kern.boottime` says.
    pub(super) boot: Option<&'a str>,
    /// What could not be entered.
    pub(super) unreadable: Option<&'a str>,
    pub(super) is_locked: Option<bool>,
    /// Files of the host dir itself.
    pub(super) host: Vec<CopiedFile<'a>>,
    pub(super) cpus: Option<u32>,
    /// Bytes.
    pub(super) memory: Option<u64>,
    /// Bytes.
    pub(super) disk: Option<u64>,
    pub(super) agents: Vec<AgentFiles<'a>>,
    /// What tmux printed, and its exit code; `None` without agents.
    pub(super) tmux: Option<(&'a [u8], i32)>,
    pub(super) proc: Option<&'a [u8]>,
    pub(super) ps: Option<(&'a [u8], i32)>,
    /// Clock ticks a second, bytes of a page.
    pub(super) units: Option<(u64, u64)>,
}

/// Reads an answer.
///
/// # Errors
/// As [`split`].
pub(super) fn read<'a>(output: &'a [u8], nonce: &str) -> Result<AnswerParts<'a>, FrameError> {
    let mut answer = AnswerParts::default();
    let frames = split(output, nonce)?;
    let mut is_host = false;
    for (index, frame) in frames.iter().enumerate() {
        let code = || match frames.get(index + 1) {
            Some(Frame { kind: "code", rest, .. }) => rest.trim().parse().unwrap_or(-1),
            _ => -1,
        };
        let rest = frame.rest.trim();
        match frame.kind {
            "clock" => answer.clock = stamp(rest).map(Time::from),
            "uptime" => answer.uptime = rest.parse().ok().filter(|seconds: &f64| seconds.is_finite()),
            "boot" => answer.boot = Some(frame.rest),
            "unreadable" => answer.unreadable = Some(rest),
            "lock" => {
                answer.is_locked = ["free", "held"].iter().position(|word| *word == rest).map(|at| at == 1)
            }
            "host" => {
                is_host = true;
                answer.host = listed(frame.body);
            }
            "files" => {
                is_host = false;
                let id = rest.parse().map_err(|_| FrameError::Unreadable(frame.rest.to_owned()))?;
                answer.agents.push(AgentFiles { id, files: listed(frame.body) });
            }
            "part" => {
                let files = match answer.agents.last_mut() {
                    Some(agent) if !is_host => &mut agent.files,
                    _ => &mut answer.host,
                };
                add_part(files, frame).ok_or_else(|| FrameError::Unreadable(frame.rest.to_owned()))?;
            }
            "cpus" => answer.cpus = rest.parse().ok(),
            "memory" => answer.memory = rest.parse().ok(),
            "disk" => answer.disk = disk(rest),
            "tmux" => answer.tmux = Some((frame.body, code())),
            "proc" => answer.proc = Some(frame.body),
            "ps" => answer.ps = Some((frame.body, code())),
            "units" => {
                answer.units = rest.split_once(' ').and_then(|(ticks, page)| {
                    Some((ticks.parse().ok().filter(|ticks| *ticks > 0)?, page.parse().ok()?))
                });
            }
            // `code` belongs to the frame before it; newer ones are none of ours.
            _ => {}
        }
    }
    Ok(answer)
}

/// `TIME SIZE NAME` a line. A name that our globs cannot have matched is left out.
fn listed(body: &[u8]) -> Vec<CopiedFile<'_>> {
    let text = |line| std::str::from_utf8(line).ok();
    let lines = body.split(|byte| *byte == b'\n').filter_map(text);
    lines
        .filter_map(|line| {
            let mut words = line.splitn(3, ' ');
            let (modified, size, name) = (stamp(words.next()?)?, words.next()?.parse().ok()?, words.next()?);
            is_plain_name(name).then(|| CopiedFile {
                name,
                modified,
                size,
                part: FilePart::Time,
                parts: Vec::new(),
            })
        })
        .collect()
}

/// `KIND OFFSET NAME`, of a file that was listed.
fn add_part<'a>(files: &mut Vec<CopiedFile<'a>>, frame: &Frame<'a>) -> Option<()> {
    let mut words = frame.rest.splitn(3, ' ');
    let kind = words.next()?;
    let part = if kind == "U" { FilePart::Whole } else { FilePart::of_letter(kind)? };
    let offset: u64 = words.next()?.parse().ok()?;
    let name = words.next()?;
    // Made since the listing: the next look has it.
    let Some(file) = files.iter_mut().find(|file| file.name == name) else { return Some(()) };
    file.part = part;
    file.parts.push((offset, frame.body));
    Some(())
}

/// Seconds since 1970, with or without a fraction; some `date`s print `%N` as it is.
fn stamp(text: &str) -> Option<std::time::SystemTime> {
    /// 31 December 9999.
    const LATEST: u64 = 253_402_300_799;
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: u64 = seconds.parse().ok().filter(|seconds| *seconds <= LATEST)?;
    let digits: String =
        fraction.chars().take_while(char::is_ascii_digit).chain("000000000".chars()).take(9).collect();
    let nanoseconds = digits.parse().unwrap_or(0);
    std::time::UNIX_EPOCH.checked_add(std::time::Duration::new(seconds, nanoseconds))
}

/// The second column of a row of `df -Pk`, in bytes. The device's name may hold blanks, the rest cannot.
fn disk(row: &str) -> Option<u64> {
    let words: Vec<&str> = row.split_whitespace().collect();
    let percent = words.iter().rposition(|word| word.ends_with('%'))?;
    words.get(percent.checked_sub(3)?)?.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use proptest::prelude::*;

    use super::*;

    const NONCE: &str = "0123456789abcdef0123456789abcdef";
    const ID: &str = "agent-00000000000000000000000000000001";

    fn answer(body: &[u8]) -> Vec<u8> {
        let mut bytes = format!("Welcome!\n\n{NONCE} probe 1\n\n{NONCE} clock 17.5\n\n{NONCE} files {ID}\n12.25 9 data.json\n\n{NONCE} part W 0 data.json\n").into_bytes();
        bytes.extend_from_slice(body);
        bytes.extend_from_slice(format!("\n{NONCE} end\n").as_bytes());
        bytes
    }

    #[test]
    fn an_answer_is_taken_apart() {
        let bytes = answer(b"{}\n");
        let read = read(&bytes, NONCE).unwrap();
        assert_eq!(read.clock, Some(Time::from(UNIX_EPOCH + Duration::from_millis(17_500))));
        assert_eq!(read.agents[0].id.as_str(), ID);
        assert_eq!(read.agents[0].bytes("data.json"), Some(&b"{}\n"[..]));
        assert_eq!(read.agents[0].modified("launch"), None);
    }

    #[test]
    fn an_answer_that_ends_early_tells_nothing() {
        let bytes = answer(b"{}");
        for length in 0..bytes.len() - 6 {
            let error = read(&bytes[..length], NONCE).unwrap_err();
            assert!(matches!(error, FrameError::Missing | FrameError::CutShort), "{length}: {error}");
        }
        assert_eq!(read(b"sh: not found\n", NONCE).unwrap_err(), FrameError::Missing);
        assert_eq!(
            read(format!("\n{NONCE} probe 2\n\n{NONCE} end\n").as_bytes(), NONCE).unwrap_err(),
            FrameError::Version("2".into())
        );
    }

    #[test]
    fn numbers_of_other_systems_are_read() {
        assert_eq!(stamp("17.%N"), stamp("17"));
        assert_eq!(stamp("17.000000001"), Some(UNIX_EPOCH + Duration::new(17, 1)));
        for text in ["", "x", "-3", "999999999999999"] {
            assert_eq!(stamp(text), None, "{text}");
        }
        assert_eq!(disk("/dev/vda 264212084 75583492 19702396 80% /"), Some(264_212_084 * 1024));
        assert_eq!(disk("map auto home 100 0 100 100% /System/Volumes/Data/my disk"), Some(102_400));
        assert_eq!(disk(""), None);
    }

    proptest! {
        /// Whatever a file holds: it comes back as it is and makes no frame, also with other marks in it.
        #[test]
        fn what_is_quoted_forges_nothing(
            pieces in prop::collection::vec(prop_oneof![
                prop::collection::vec(any::<u8>(), 0..40),
                Just(b"\n0123456789abcdef0123456789abcdee end\n".to_vec()),
                Just(b"\nNONCE end".to_vec()),
                Just(format!("{NONCE} end\n").into_bytes()),
                Just(b"\n\n".to_vec()),
            ], 0..8)
        ) {
            let mut body = b"x".to_vec();
            body.extend(pieces.concat());
            prop_assume!(!body.windows(NONCE.len() + 2).any(|part| part == format!("\n{NONCE} ").as_bytes()));
            let bytes = answer(&body);
            let read = read(&bytes, NONCE).unwrap();
            prop_assert_eq!(read.agents.len(), 1);
            prop_assert_eq!(read.agents[0].bytes("data.json"), Some(&body[..]));
        }

        #[test]
        fn no_answer_makes_it_panic(
            lines in prop::collection::vec("(probe|clock|uptime|boot|lock|host|files|part|cpus|memory|disk|tmux|code|proc|ps|units|end|[a-z]{0,4}) [ -~]{0,30}", 0..12),
            noise in prop::collection::vec(any::<u8>(), 0..60),
        ) {
            let mut bytes = format!("\n{NONCE} probe 1\n").into_bytes();
            for line in &lines {
                bytes.extend_from_slice(format!("\n{NONCE} {line}\n").as_bytes());
                bytes.extend_from_slice(&noise);
            }
            let _ = read(&bytes, NONCE);
            bytes.extend_from_slice(format!("\n{NONCE} end\n").as_bytes());
            let _ = read(&bytes, NONCE);
            let _ = read(&noise, NONCE);
        }
    }
}
