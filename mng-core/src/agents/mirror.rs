//! Copies of an agent's files from another machine, for readers that want files.
//!
//! What a type knows of its program's files it reads as files: on this machine directly, of another one in a
//! mirror, which is a private directory with the same names, times and sizes. A type says which files matter
//! ([`WatchedFile`]); the look at the host brings them along in its one round trip.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, FileTimes, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

use crate::hosts::Host;
use crate::model::error::{Error, Result};
use crate::model::ids::{AgentId, random_hex};

/// How much of a watched file is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FilePart {
    /// That it exists, and when it was written. In a mirror it is empty.
    Time,
    /// All of it, at most 256 KiB.
    Whole,
    /// Its text, a path of the host. In a mirror it names the same file of the mirror; a path that leads
    /// elsewhere is left out.
    Path,
    /// Its first line and its last 16 KiB, at their places, with a hole between them; all of a file of at
    /// most 32 KiB.
    Ends,
    /// As [`FilePart::Ends`], with the last 512 KiB: what a message may add to a conversation.
    LongEnds,
    /// All of it, fetched by [`super::sight::Sight::fill`] alone.
    All,
}

impl FilePart {
    fn letter(self) -> char {
        match self {
            Self::Time => 'T',
            Self::Whole => 'W',
            Self::Path => 'P',
            Self::Ends => 'E',
            Self::LongEnds => 'L',
            Self::All => 'A',
        }
    }

    pub(super) fn of_letter(letter: &str) -> Option<Self> {
        [Self::Time, Self::Whole, Self::Path, Self::Ends, Self::LongEnds, Self::All]
            .into_iter()
            .find(|part| letter == part.letter().to_string())
    }
}

/// Files below an agent's state dir that a type's readers look at: its state, its readiness, the evidence of
/// messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WatchedFile {
    /// Relative to `A`, as a shell pattern. Names with other letters than `A-Z a-z 0-9 . _ -` do not match.
    pub pattern: &'static str,
    pub part: FilePart,
    /// Of several that match only so many, those written to last; 0: all.
    pub newest: u32,
}

impl WatchedFile {
    #[must_use]
    pub const fn new(pattern: &'static str, part: FilePart) -> Self {
        Self { pattern, part, newest: 0 }
    }

    /// The line that tells the script of the probe.
    pub(super) fn line(self) -> String {
        format!("{}|{}|{}", self.part.letter(), self.newest, self.pattern)
    }
}

/// Whether a name is one that we asked for: it leads down, with harmless letters only.
pub(super) fn is_plain_name(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte))
        && Path::new(name).components().all(|part| matches!(part, Component::Normal(_)))
}

/// One file as it came over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CopiedFile<'a> {
    /// Relative to the state dir.
    pub(super) name: &'a str,
    pub(super) modified: SystemTime,
    /// Bytes on the host.
    pub(super) size: u64,
    pub(super) part: FilePart,
    /// Offset and bytes.
    pub(super) parts: Vec<(u64, &'a [u8])>,
}

/// A private copy of one agent's state dir; gone when dropped.
#[derive(Debug)]
pub struct Mirror {
    root: PathBuf,
    /// The state dir on the host.
    origin: PathBuf,
    known: BTreeSet<String>,
    /// Files of which all is wanted: bytes there, and when they were written.
    wanted: BTreeMap<String, (u64, SystemTime)>,
}

impl Mirror {
    /// An empty one of a state dir of another machine.
    pub(super) fn of(origin: &Path) -> Result<Self> {
        let root = std::env::temp_dir().join(format!("mng-mirror-{}", random_hex()));
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&root)
            .map_err(|error| Error::io(format!("make `{}`", root.display()), error))?;
        Ok(Self { root, origin: origin.to_path_buf(), known: BTreeSet::new(), wanted: BTreeMap::new() })
    }

    /// What stands for the state dir.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.root
    }

    /// Makes the mirror show these files and no others. What cannot be copied is not there: a host may call a
    /// file what it calls another file's directory.
    pub(super) fn show(&mut self, files: &[CopiedFile<'_>]) {
        let mut gone = std::mem::take(&mut self.known);
        let all = files.iter().filter(|file| file.part == FilePart::All && is_plain_name(file.name));
        self.wanted = all.map(|file| (file.name.to_owned(), (file.size, file.modified))).collect();
        for file in files.iter().filter(|file| is_plain_name(file.name)) {
            match self.put(&self.root.join(file.name), file) {
                Ok(true) => {
                    gone.remove(file.name);
                    self.known.insert(file.name.to_owned());
                }
                Ok(false) => {}
                Err(error) => tracing::debug!(file = file.name, %error, "a file is not mirrored"),
            }
        }
        for name in gone {
            let _ = fs::remove_file(self.root.join(name));
        }
    }

    /// Returns false for a file that is not to be shown.
    fn put(&self, path: &Path, file: &CopiedFile<'_>) -> std::io::Result<bool> {
        if let Some(parent) = path.parent() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
        }
        let translated;
        let mut parts: &[(u64, &[u8])] = &file.parts;
        let mut size = file.size;
        match file.part {
            FilePart::Time => size = 0,
            FilePart::All => {}
            FilePart::Path => {
                let Some(text) = parts.first().and_then(|(_, bytes)| self.translated(bytes)) else {
                    return Ok(false);
                };
                size = text.len() as u64;
                translated = text;
                parts = &[];
                fs::write(path, &translated)?;
            }
            FilePart::Whole => {
                size = parts.iter().map(|(at, bytes)| at + bytes.len() as u64).max().unwrap_or(0)
            }
            // A hole between the ends is what it is to be; one behind them would be a lie.
            FilePart::Ends | FilePart::LongEnds => {
                size = parts.iter().map(|(at, bytes)| at + bytes.len() as u64).max().unwrap_or(0).min(size)
            }
        }
        let copy = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
        // Of one that only grows what came earlier stays; another file of that name is another file.
        if file.part == FilePart::All {
            if copy.metadata()?.len() > size {
                copy.set_len(0)?;
            }
            return Ok(true);
        }
        if file.part != FilePart::Path
            && (!matches!(file.part, FilePart::Ends | FilePart::LongEnds) || copy.metadata()?.len() > size)
        {
            copy.set_len(0)?;
        }
        for (at, bytes) in parts {
            copy.write_all_at(bytes, *at)?;
        }
        copy.set_len(size)?;
        copy.set_times(FileTimes::new().set_modified(file.modified))?;
        Ok(true)
    }

    /// Fetches what is missing of the files of which all is wanted.
    async fn fill(&self, host: &Host) -> Result<()> {
        /// The most that is fetched at once, and of one file.
        const PIECE: usize = 4 << 20;
        const MOST: u64 = 1 << 30;
        for (name, (size, modified)) in &self.wanted {
            let (path, origin) = (self.root.join(name), self.origin.join(name));
            let failed = |error| Error::io(format!("write `{}`", path.display()), error);
            let copy = OpenOptions::new().append(true).open(&path).map_err(failed)?;
            let mut there = copy.metadata().map_err(failed)?.len();
            while there < (*size).min(MOST) {
                let left = usize::try_from(size - there).unwrap_or(PIECE).min(PIECE);
                let piece = host.transport.read_from(&origin, there, left).await?.unwrap_or_default();
                if piece.is_empty() {
                    break;
                }
                there += piece.len() as u64;
                (&copy).write_all(&piece).map_err(failed)?;
            }
            copy.set_times(FileTimes::new().set_modified(*modified)).map_err(failed)?;
        }
        Ok(())
    }

    /// A path below the state dir, as one below the mirror.
    fn translated(&self, text: &[u8]) -> Option<Vec<u8>> {
        let line = text.split(|byte| *byte == b'\n').next()?;
        let below = Path::new(std::ffi::OsStr::from_bytes(line)).strip_prefix(&self.origin).ok()?;
        let is_down = below.components().all(|part| matches!(part, Component::Normal(_)));
        is_down.then(|| {
            let mut path = self.root.join(below).into_os_string().as_bytes().to_vec();
            path.push(b'\n');
            path
        })
    }
}

/// The mirrors of a host's agents.
#[derive(Debug, Default)]
pub struct Mirrors(BTreeMap<AgentId, Mirror>);

impl Mirrors {
    /// Where the files of an agent can be read here: on this machine its state dir, of another one what the
    /// last look brought along, if there was one.
    #[must_use]
    pub fn state_dir(&self, host: &Host, agent: &AgentId) -> Option<PathBuf> {
        match host.is_local() {
            true => Some(host.layout.agent(agent)),
            false => self.0.get(agent).map(|mirror| mirror.root.clone()),
        }
    }

    /// Fetches what is wanted whole of the last look's files.
    pub(super) async fn fill(&self, host: &Host) -> Result<()> {
        for mirror in self.0.values() {
            mirror.fill(host).await?;
        }
        Ok(())
    }

    pub(super) fn show(&mut self, agent: &AgentId, origin: &Path, files: &[CopiedFile<'_>]) -> Result<&Path> {
        let mirror = match self.0.entry(agent.clone()) {
            Entry::Occupied(there) => there.into_mut(),
            Entry::Vacant(place) => place.insert(Mirror::of(origin)?),
        };
        mirror.show(files);
        Ok(&mirror.root)
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        match fs::remove_dir_all(&self.root) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                tracing::debug!(path = %self.root.display(), %error, "a mirror stays");
            }
            _ => {}
        }
    }
}

/// Whether bytes of a mirrored file begin in the hole between its ends, which reads as NUL.
#[must_use]
pub fn is_hole(bytes: &[u8]) -> bool {
    bytes.first() == Some(&0)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn file<'a>(name: &'a str, size: u64, part: FilePart, parts: &[(u64, &'a [u8])]) -> CopiedFile<'a> {
        let modified = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        CopiedFile { name, modified, size, part, parts: parts.to_vec() }
    }

    #[test]
    fn copies_have_the_places_and_times_of_their_originals() {
        let mut mirror = Mirror::of(Path::new("/h/agents/a")).unwrap();
        let dir = mirror.dir().to_path_buf();
        mirror.show(&[
            file("active", 0, FilePart::Time, &[]),
            file("s/p/log", 100, FilePart::Ends, &[(0, b"first\n"), (95, b"last\n")]),
            file("path", 30, FilePart::Path, &[(0, b"/h/agents/a/s/p/log\n")]),
            file("elsewhere", 30, FilePart::Path, &[(0, b"/h/agents/a/../b/x\n")]),
            file("foreign", 30, FilePart::Path, &[(0, b"/etc/passwd")]),
            file("../escape", 1, FilePart::Whole, &[(0, b"x")]),
            file("/tmp/escape", 1, FilePart::Whole, &[(0, b"x")]),
        ]);
        let log = fs::read(dir.join("s/p/log")).unwrap();
        assert_eq!((log.len(), &log[..6], &log[95..]), (100, &b"first\n"[..], &b"last\n"[..]));
        assert!(is_hole(&log[6..]));
        assert_eq!(fs::read_to_string(dir.join("path")).unwrap(), format!("{}/s/p/log\n", dir.display()));
        assert!(!dir.join("elsewhere").exists() && !dir.join("foreign").exists());
        assert!(!dir.parent().unwrap().join("escape").exists());
        let modified = fs::metadata(dir.join("active")).unwrap().modified().unwrap();
        assert_eq!(modified, UNIX_EPOCH + Duration::from_secs(1_700_000_000));
        // It grows, and the marker goes.
        mirror.show(&[file("s/p/log", 110, FilePart::Ends, &[(100, b"more more\n")])]);
        let log = fs::read(dir.join("s/p/log")).unwrap();
        assert_eq!((&log[..6], &log[95..]), (&b"first\n"[..], &b"last\nmore more\n"[..]));
        assert!(!dir.join("active").exists() && !dir.join("path").exists());
        drop(mirror);
        assert!(!dir.exists());
    }

    #[test]
    fn only_names_that_lead_down_are_taken() {
        for (name, is_plain) in [
            ("a/b.c-d_e", true),
            ("", false),
            ("..", false),
            ("a/../b", false),
            ("/a", false),
            ("a b", false),
            ("a\nb", false),
            ("ä", false),
        ] {
            assert_eq!(is_plain_name(name), is_plain, "{name}");
        }
    }
}
