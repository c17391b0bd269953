//! rsync, run on this machine, and what it prints. Its words are those of rsync 3.0 to 3.5 in the C locale;
//! the line about transferred files changed with 3.1.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use super::rules::RsyncRules;
use super::{Reach, SyncError};
use crate::hosts::git::word;
use crate::model::error::{Error, ErrorClass, Result};
use crate::transports::{ExecRequest, Transport};

/// Longest that moving files may take: whole disks travel over slow lines.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// Seconds without a byte after which rsync gives up by itself.
const STALLED: &str = "--timeout=600";

/// Fractions of seconds count: a file that was changed twice within one second, to the same size, is another file.
pub(super) const EXACT_TIMES: &str = "--modify-window=-1";

/// Some files vanished while rsync was copying.
const VANISHED: i32 = 24;

/// Which of the two paths lies behind the reach; the other one is on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FarEnd {
    Source,
    Destination,
}

/// One run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run<'a> {
    pub(super) reach: &'a Reach,
    pub(super) far_end: FarEnd,
    pub(super) source: &'a Path,
    pub(super) destination: &'a Path,
    pub(super) rules: &'a RsyncRules,
    pub(super) is_deleting: bool,
}

/// What rsync did, or would do. Paths are relative to the two directories.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Itemised {
    /// Made or changed, directories that are new included.
    pub(super) written: Vec<PathBuf>,
    pub(super) deleted: Vec<PathBuf>,
    pub(super) counts: Counts,
}

impl Itemised {
    /// All paths that are touched.
    pub(super) fn touched(&self) -> Vec<PathBuf> {
        self.written.iter().chain(&self.deleted).cloned().collect()
    }
}

/// Figures of a transfer. Field names are part of the JSON contract.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    pub files_transferred: u64,
    /// Sum of the sizes of these files.
    pub bytes_transferred: u64,
    pub files_deleted: u64,
}

/// Whether rsync can be run, before anything else is done.
///
/// # Errors
/// [`SyncError::NoRsync`]
pub async fn check_installed(transport: &dyn Transport, place: &str) -> Result<()> {
    match transport.exec(ExecRequest::new(["rsync", "--version"]).idempotent()).await {
        Ok(output) if output.is_success() => Ok(()),
        Ok(_) => Err(SyncError::NoRsync { place: place.to_owned() }.into()),
        Err(error) if error.class() == ErrorClass::BinaryNotInstalled => {
            Err(SyncError::NoRsync { place: place.to_owned() }.into())
        }
        Err(error) => Err(error),
    }
}

impl Run<'_> {
    /// What it would do; nothing is written.
    ///
    /// # Errors
    /// rsync fails.
    pub(super) async fn plan(&self, here: &dyn Transport) -> Result<Itemised> {
        self.run(here, true).await
    }

    /// Does it.
    ///
    /// # Errors
    /// rsync fails; files that it had written by then stay.
    pub(super) async fn act(&self, here: &dyn Transport) -> Result<Itemised> {
        self.run(here, false).await
    }

    async fn run(&self, here: &dyn Transport, is_dry: bool) -> Result<Itemised> {
        let mut argv: Vec<String> =
            ["rsync", "-a", "-8", "--stats", "--out-format=%i %n", EXACT_TIMES, STALLED]
                .map(str::to_owned)
                .into();
        argv.extend(self.reach.rsync_options());
        if is_dry {
            argv.push("--dry-run".into());
        }
        if self.is_deleting {
            argv.push("--delete".into());
        }
        argv.extend(self.rules.args.iter().cloned());
        argv.push("--".into());
        let path = |path: &Path, end: FarEnd| {
            let path = word(path)?;
            Ok::<_, Error>(if self.far_end == end { self.reach.rsync_path(&path) } else { path })
        };
        // A `/` at its end makes rsync copy what the source holds, not the source.
        let source = path(self.source, FarEnd::Source)?;
        argv.push(format!("{}/", source.trim_end_matches('/')));
        argv.push(path(self.destination, FarEnd::Destination)?);
        let request = ExecRequest::new(argv)
            .env("LC_ALL", "C")
            .envs(self.reach.env())
            .stdin(self.rules.input.clone())
            .timeout(Some(LONGEST));
        let output = here.exec(request).await?;
        if !matches!(output.code, Some(0 | VANISHED)) {
            return Err(SyncError::Rsync { code: output.code, stderr: output.stderr_text() }.into());
        }
        Ok(parse(&output.stdout))
    }
}

/// What a command of the person's own would do: its words, run dry and itemised.
///
/// # Errors
/// rsync fails.
pub(super) async fn plan_of(here: &dyn Transport, reach: &Reach, argv: &[String]) -> Result<Itemised> {
    let mut words = argv.to_vec();
    // Last among the options, so that they win.
    let at = words.iter().position(|word| word == "--").unwrap_or(words.len());
    words.splice(at..at, ["-n", "-8", "--no-v", "--no-progress", "--out-format=%i %n"].map(str::to_owned));
    let request = ExecRequest::new(words).env("LC_ALL", "C").envs(reach.env()).timeout(Some(LONGEST));
    let output = here.exec(request).await?;
    if !matches!(output.code, Some(0 | VANISHED)) {
        return Err(SyncError::Rsync { code: output.code, stderr: output.stderr_text() }.into());
    }
    Ok(parse(&output.stdout))
}

/// Reads the itemised lines and the statistics.
fn parse(stdout: &[u8]) -> Itemised {
    let mut all = Itemised::default();
    let mut regular = 0;
    let mut stated = None;
    for line in stdout.split(|&byte| byte == b'\n') {
        if let Some(name) = line.strip_prefix(b"*deleting   ") {
            all.deleted.push(unescape(name));
            continue;
        }
        if let Some(item) = item(line) {
            let (marks, name) = item;
            // A directory of which only the attributes change is no content of anybody.
            if !(marks.starts_with(b".d") || name == b"./") {
                all.written.push(unescape(name));
            }
            regular += u64::from(matches!(marks, [b'<' | b'>', b'f', ..]));
            continue;
        }
        let text = String::from_utf8_lossy(line);
        let Some((key, value)) = text.split_once(": ") else { continue };
        match key {
            "Number of regular files transferred" | "Number of files transferred" => stated = number(value),
            "Total transferred file size" => all.counts.bytes_transferred = number(value).unwrap_or(0),
            _ => {}
        }
    }
    all.counts.files_transferred = stated.unwrap_or(regular);
    all.counts.files_deleted =
        all.deleted.iter().filter(|path| !path.as_os_str().as_encoded_bytes().ends_with(b"/")).count() as u64;
    all
}

/// The marks and the name of a line of `%i %n`: `>f+++++++++ name`.
fn item(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let (marks, name) = line.split_at_checked(11)?;
    let name = name.strip_prefix(b" ")?;
    let is_item = b"<>ch.".contains(&marks[0])
        && b"fdLDS".contains(&marks[1])
        && marks[2..].iter().all(|byte| byte.is_ascii_alphabetic() || b".+? ".contains(byte));
    (is_item && !name.is_empty()).then_some((marks, name))
}

/// A figure with `,` or `.` between thousands, and words behind it.
fn number(text: &str) -> Option<u64> {
    let digits: String =
        text.split_whitespace().next()?.chars().filter(|digit| !matches!(digit, ',' | '.')).collect();
    digits.parse().ok()
}

/// rsync writes bytes that would break a line as `\#ooo`.
fn unescape(name: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((&first, tail)) = rest.split_first() {
        if let Some([a, b, c, after @ ..]) = rest.strip_prefix(b"\\#")
            && [a, b, c].iter().all(|digit| (b'0'..=b'7').contains(digit))
            && *a <= b'3'
        {
            bytes.push((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'));
            rest = after;
        } else {
            bytes.push(first);
            rest = tail;
        }
    }
    PathBuf::from(OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(names: &[&str]) -> Vec<PathBuf> {
        names.iter().map(PathBuf::from).collect()
    }

    #[test]
    fn rsync_3_5() {
        let output = b"*deleting   sub/\n*deleting    lead\n>f+++++++++ b\\#134#012c\ncL+++++++++ l\n\
            >f.st...... n\\#012l\ncd+++++++++ d/\n.d..t...... ./\n.d..t...... e/\n.f...p..... p\ncreated directory c/d\n\n\
            Number of files: 7 (reg: 4, dir: 2, link: 1)\nNumber of deleted files: 2 (reg: 1, dir: 1)\n\
            Number of regular files transferred: 1,204\nTotal file size: 8 bytes\n\
            Total transferred file size: 7,000,123 bytes\n\nsent 193 bytes  received 67 bytes\n";
        let all = parse(output);
        assert_eq!(all.deleted, paths(&["sub/", " lead"]));
        assert_eq!(all.written, paths(&["b\\#012c", "l", "n\nl", "d/", "p"]));
        let counts = Counts { files_transferred: 1204, bytes_transferred: 7_000_123, files_deleted: 1 };
        assert_eq!(all.counts, counts);
    }

    #[test]
    fn older_words_and_no_words() {
        let old = parse(b"Number of files transferred: 3\nTotal transferred file size: 1.234 bytes\n");
        assert_eq!((old.counts.files_transferred, old.counts.bytes_transferred), (3, 1234));
        assert_eq!(parse(b">f+++++++++ a\n<f.s....... b\ncd+++++++++ c/\n").counts.files_transferred, 2);
    }
}
