//! The file of common records and how far each native file is in it.
//!
//! Whoever wants to read a transcript first brings the file up to date, under a lock. The file only grows; a
//! writer that dies leaves at worst records that the offsets do not know of, which the next one recognises by
//! their ids, and a torn line, which it removes.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::records::{header, id_hash, text, time_of};
use super::session::{Merged, SessionReader, Skipped};
use super::{Converter, TranscriptSource};
use crate::model::error::{Error, ErrorClass, Result};
use crate::storage::{FileLock, create_private_dir, fault, read_optional, write_volatile};

/// The live file of a stream.
const LIVE: &str = "events.jsonl";
/// Records are appended in parts of this size.
const PART: usize = 1 << 20;

/// The transcript of one agent: its state dir or what was preserved of it.
#[derive(Clone, Debug)]
pub struct Store {
    pub(super) state_dir: PathBuf,
    pub(super) agent_id: String,
    pub(super) source: Arc<dyn TranscriptSource>,
}

/// What a pass over the native files did.
#[derive(Debug, Default)]
pub struct Pass {
    /// Records that were appended.
    pub appended: usize,
    pub(super) skipped: Skipped,
}

impl Pass {
    /// One sentence about lines that could not be read.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        self.skipped.warning()
    }
}

/// How far one native file is in the common one.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Saved {
    /// Relative to the state dir if it is in there.
    path: PathBuf,
    inode: u64,
    /// Of the first line that is not converted.
    offset: u64,
    /// What the converter needs to go on from there.
    checkpoint: Option<Value>,
    /// Size of the native file at the last pass.
    size: u64,
    /// The last pass knew that the turn was over: nothing is held back.
    is_finished: bool,
    /// Size of the common file when all up to `offset` was in it.
    common_size: u64,
}

/// Written before the first record.
#[derive(Debug, Serialize, Deserialize)]
struct Origin {
    /// Another program wrote the stream up to here, with ids of its own; ours begins after.
    foreign_until: Option<Timestamp>,
}

/// What is left to convert.
pub(super) struct Pending {
    pub(super) merged: Merged,
    /// Names of the offset files, in the order of the readers.
    names: Vec<String>,
    paths: Vec<PathBuf>,
    /// Ids of what stands in the common file behind here may come again.
    known_from: Option<u64>,
}

/// How far a native file was converted, and what goes on from there.
pub(super) struct Position {
    pub(super) path: PathBuf,
    pub(super) offset: u64,
    pub(super) converter: Box<dyn Converter>,
}

impl Store {
    #[must_use]
    pub fn new(state_dir: PathBuf, agent_id: impl Into<String>, source: Arc<dyn TranscriptSource>) -> Self {
        Self { state_dir, agent_id: agent_id.into(), source }
    }

    /// The type's root name.
    #[must_use]
    pub fn type_name(&self) -> &str {
        self.source.name()
    }

    /// Whether there is to be a file of common records.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.source.is_kept()
    }

    /// The version of the program that wrote the newest native file.
    #[must_use]
    pub fn program_version(&self) -> Option<String> {
        let sessions = self.sessions().ok()?;
        sessions.iter().rev().find_map(|session| self.source.program_version(session))
    }

    /// `<type>/common_transcript`.
    pub(super) fn emitter(&self) -> String {
        format!("{}/common_transcript", self.source.name())
    }

    pub(super) fn common_dir(&self) -> PathBuf {
        self.state_dir.join("events").join(self.emitter())
    }

    pub(super) fn common(&self) -> PathBuf {
        self.common_dir().join(LIVE)
    }

    fn plugin_dir(&self) -> PathBuf {
        self.state_dir.join("plugin").join(self.source.name().replace('-', "_"))
    }

    fn offsets_dir(&self) -> PathBuf {
        self.plugin_dir().join(".transcript_offsets")
    }

    /// The native files: the program's own, else copies that older programs made of them.
    pub(super) fn sessions(&self) -> Result<Vec<PathBuf>> {
        let sessions = self.source.sessions(&self.state_dir)?;
        if !sessions.is_empty() {
            return Ok(sessions);
        }
        let raw = self.state_dir.join("logs").join(format!("{}_transcript", self.source.name())).join(LIVE);
        let original = self.state_dir.join("logs/transcript.jsonl");
        Ok([raw, original].into_iter().find(|path| has_bytes(path)).into_iter().collect())
    }

    /// Brings the common file up to date. `is_turn_over`: what was held back belongs to it. `None`: somebody
    /// else is at it, and was not done within `wait`.
    ///
    /// # Errors
    /// A native file cannot be read or the common one not be written; what was written stands.
    pub fn update(&self, is_turn_over: bool, wait: Duration) -> Result<Option<Pass>> {
        let sessions = self.sessions()?;
        if sessions.is_empty() {
            return Ok(Some(Pass::default()));
        }
        let _lock = match FileLock::acquire(&self.plugin_dir().join(".transcript.lock"), Some(wait)) {
            Err(error) if error.class() == ErrorClass::LockNotHeld => return Ok(None),
            lock => lock?,
        };
        create_private_dir(&self.common_dir())?;
        let origin = self.origin()?;
        let Some(mut pending) = self.pending_of(&sessions, is_turn_over)? else {
            return Ok(Some(Pass::default()));
        };
        let mut common = Common::open(&self.common())?;
        let mut known = match pending.known_from {
            Some(from) => self.known_ids(from)?,
            None => HashSet::new(),
        };
        if common.size == 0 {
            let header = header(&self.agent_id, &self.emitter());
            known.insert(id_hash(text(&header, "event_id").unwrap_or_default()));
            common.add(&header)?;
        }
        let mut pass = Pass::default();
        while let Some(record) = pending.merged.next()? {
            if is_new(&record, &origin, &mut known) {
                common.add(&record)?;
                pass.appended += 1;
            }
        }
        common.finish()?;
        fault::point("transcript.appended");
        pass.skipped = pending.merged.skipped();
        self.save(&pending, is_turn_over, common.size)?;
        Ok(Some(pass))
    }

    /// What the common file lacks, without writing anything. `None`: nothing.
    pub(super) fn pending(&self, is_turn_over: bool) -> Result<Option<Pending>> {
        self.pending_of(&self.sessions()?, is_turn_over)
    }

    /// How many bytes of native files no pass has seen.
    pub(super) fn unread(&self) -> Result<u64> {
        let sessions = self.sessions()?;
        let names = offset_names(&sessions);
        let mut unread = 0;
        for (path, name) in sessions.iter().zip(names) {
            let size = fs::metadata(path).map_or(0, |meta| meta.len());
            let saved = self.saved(&name)?.filter(|saved| saved.is_of(path));
            unread += size.saturating_sub(saved.map_or(0, |saved| saved.offset));
        }
        Ok(unread)
    }

    fn pending_of(&self, sessions: &[PathBuf], is_turn_over: bool) -> Result<Option<Pending>> {
        let mut pending = Pending {
            merged: Merged::new(Vec::new()),
            names: Vec::new(),
            paths: Vec::new(),
            known_from: None,
        };
        let common_now = fs::metadata(self.common()).map_or(0, |meta| meta.len());
        for (path, name) in sessions.iter().zip(offset_names(sessions)) {
            let saved = self.saved(&name)?.filter(|saved| saved.is_of(path));
            // Records that somebody deleted are made again.
            let saved = saved.filter(|saved| saved.common_size <= common_now).unwrap_or_default();
            let is_same = fs::metadata(path).is_ok_and(|meta| meta.len() == saved.size);
            if is_same && (saved.is_finished || !is_turn_over) {
                continue;
            }
            let mut converter = self.source.converter(path);
            let can_go_on = saved.offset > 0
                && saved.checkpoint.as_ref().is_some_and(|checkpoint| converter.resume(checkpoint));
            let (offset, common_size) = if can_go_on { (saved.offset, saved.common_size) } else { (0, 0) };
            if offset == 0 {
                converter = self.source.converter(path);
            }
            let Some(reader) = SessionReader::open(path, offset, converter, is_turn_over)? else { continue };
            pending.known_from = Some(pending.known_from.map_or(common_size, |from| from.min(common_size)));
            pending.merged.readers.push(reader);
            pending.names.push(name);
            pending.paths.push(path.clone());
        }
        Ok((!pending.names.is_empty()).then_some(pending))
    }

    /// Where the last pass left each native file, for one who goes on from there in memory.
    pub(super) fn positions(&self) -> Result<Vec<Position>> {
        let sessions = self.sessions()?;
        let names = offset_names(&sessions);
        let position = |(path, name): (PathBuf, String)| {
            let saved = self.saved(&name)?.filter(|saved| saved.is_of(&path)).unwrap_or_default();
            let mut converter = self.source.converter(&path);
            let can_go_on = saved.offset > 0
                && saved.checkpoint.as_ref().is_some_and(|checkpoint| converter.resume(checkpoint));
            if !can_go_on {
                converter = self.source.converter(&path);
            }
            Ok(Position { path, offset: if can_go_on { saved.offset } else { 0 }, converter })
        };
        sessions.into_iter().zip(names).map(position).collect()
    }

    fn saved(&self, name: &str) -> Result<Option<Saved>> {
        let bytes = read_optional(&self.offsets_dir().join(name))?;
        // A file that a power loss left empty says nothing; reading again from the start does no harm.
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    fn save(&self, pending: &Pending, is_turn_over: bool, common_size: u64) -> Result<()> {
        for ((reader, name), path) in pending.merged.readers.iter().zip(&pending.names).zip(&pending.paths) {
            let saved = Saved {
                path: path.strip_prefix(&self.state_dir).unwrap_or(path).to_path_buf(),
                inode: reader.inode,
                offset: reader.offset(),
                checkpoint: reader.converter.checkpoint(),
                size: reader.size,
                is_finished: is_turn_over,
                common_size,
            };
            let bytes =
                serde_json::to_vec(&saved).map_err(|error| Error::io("encode an offset", error.into()))?;
            write_volatile(&self.offsets_dir().join(name), &bytes, 0o600)?;
        }
        Ok(())
    }

    /// Where our part of the stream begins; decided once.
    fn origin(&self) -> Result<Origin> {
        let path = self.offsets_dir().join(".origin");
        if let Some(origin) = read_optional(&path)?.and_then(|bytes| serde_json::from_slice(&bytes).ok()) {
            return Ok(origin);
        }
        let mut foreign_until = None;
        for path in segments(&self.common_dir())? {
            for_each_line(&path, 0, &mut |line| {
                let time = serde_json::from_slice::<Value>(line).ok().and_then(|record| time_of(&record));
                foreign_until = foreign_until.max(time);
            })?;
        }
        let origin = Origin { foreign_until };
        let bytes =
            serde_json::to_vec(&origin).map_err(|error| Error::io("encode an origin", error.into()))?;
        write_volatile(&path, &bytes, 0o600)?;
        Ok(origin)
    }

    /// When another program's part of the stream ends. Writes nothing.
    pub(super) fn foreign_until(&self) -> Result<Option<Timestamp>> {
        let origin = read_optional(&self.offsets_dir().join(".origin"))?;
        let origin: Option<Origin> = origin.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Ok(origin.and_then(|origin| origin.foreign_until))
    }

    fn known_ids(&self, from: u64) -> Result<HashSet<u64>> {
        let mut known = HashSet::new();
        for_each_line(&self.common(), from, &mut |line| {
            if let Some(id) = id_of(line) {
                known.insert(id_hash(&id));
            }
        })?;
        Ok(known)
    }
}

impl Saved {
    /// Whether it speaks of the file as it is now: another file of that name begins anew.
    fn is_of(&self, path: &Path) -> bool {
        fs::metadata(path).is_ok_and(|meta| meta.ino() == self.inode && meta.len() >= self.offset)
    }
}

fn is_new(record: &Value, origin: &Origin, known: &mut HashSet<u64>) -> bool {
    if let (Some(until), Some(time)) = (origin.foreign_until, time_of(record))
        && time <= until
    {
        return false;
    }
    text(record, "event_id").is_none_or(|id| known.insert(id_hash(id)))
}

/// The id of a line without reading the rest of it.
pub(super) fn id_of(line: &[u8]) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Id<'a> {
        #[serde(borrow)]
        event_id: Cow<'a, str>,
    }
    serde_json::from_slice::<Id<'_>>(line).ok().map(|id| id.event_id)
}

/// The name under which each file's offset is kept: its stem, with a hash of its path where stems collide.
fn offset_names(sessions: &[PathBuf]) -> Vec<String> {
    let stem = |path: &PathBuf| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    sessions.iter().for_each(|path| *count.entry(stem(path)).or_default() += 1);
    let name = |path: &PathBuf| {
        let name = stem(path);
        if count[&name] < 2 {
            return name;
        }
        let digest = Sha256::digest(path.as_os_str().as_encoded_bytes());
        format!("{name}-{:02x}{:02x}{:02x}{:02x}", digest[0], digest[1], digest[2], digest[3])
    };
    sessions.iter().map(name).collect()
}

/// The files of a stream in the order in which they were written: put-aside ones, then the live one.
pub(super) fn segments(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(dir) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        entries => entries.map_err(|error| Error::io(format!("read `{}`", dir.display()), error))?,
    };
    let mut names: Vec<String> =
        entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    let is_aside = |name: &str| {
        let digits = name.strip_prefix(LIVE).and_then(|rest| rest.strip_prefix('.'));
        digits.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let has_live = names.iter().any(|name| name == LIVE);
    names.retain(|name| is_aside(name));
    names.sort_unstable();
    names.extend(has_live.then(|| LIVE.to_owned()));
    Ok(names.into_iter().map(|name| dir.join(name)).collect())
}

/// Whether there is such a file and something is in it.
pub(super) fn has_bytes(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.len() > 0)
}

/// Hands out the whole lines of a file from `from` on; a missing file has none.
pub(super) fn for_each_line(path: &Path, from: u64, each: &mut dyn FnMut(&[u8])) -> Result<()> {
    let failed = |error| Error::io(format!("read `{}`", path.display()), error);
    let mut file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        opened => opened.map_err(failed)?,
    };
    file.seek(SeekFrom::Start(from)).map_err(failed)?;
    let mut reader = BufReader::with_capacity(64 * 1024, file);
    let mut line = Vec::new();
    loop {
        line.clear();
        reader.read_until(b'\n', &mut line).map_err(failed)?;
        match line.split_last() {
            Some((b'\n', line)) => each(line),
            _ => return Ok(()),
        }
    }
}

/// The common file, open for appending under the lock.
struct Common {
    path: PathBuf,
    file: File,
    size: u64,
    buffer: Vec<u8>,
    is_changed: bool,
}

impl Common {
    /// Opens the file and removes a torn last line: its writer is dead, or it would hold the lock.
    fn open(path: &Path) -> Result<Self> {
        let failed = |error| Error::io(format!("write `{}`", path.display()), error);
        let mut file =
            OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path).map_err(failed)?;
        let size = file.metadata().map_err(failed)?.len();
        let whole = end_of_last_line(&mut file, size).map_err(failed)?;
        if whole < size {
            file.set_len(whole).map_err(failed)?;
        }
        Ok(Self { path: path.to_path_buf(), file, size: whole, buffer: Vec::new(), is_changed: false })
    }

    fn add(&mut self, record: &Value) -> Result<()> {
        serde_json::to_writer(&mut self.buffer, record)
            .map_err(|error| Error::io("encode a record", error.into()))?;
        self.buffer.push(b'\n');
        if self.buffer.len() >= PART { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let written = self.file.write_all(&self.buffer);
        written.map_err(|error| Error::io(format!("write `{}`", self.path.display()), error))?;
        self.size += self.buffer.len() as u64;
        self.buffer.clear();
        self.is_changed = true;
        Ok(())
    }

    /// On disk before the offsets say so.
    fn finish(&mut self) -> Result<()> {
        self.flush()?;
        if self.is_changed {
            let synced = self.file.sync_data();
            synced.map_err(|error| Error::io(format!("write `{}`", self.path.display()), error))?;
        }
        Ok(())
    }
}

/// Where the last whole line of a file ends.
fn end_of_last_line(file: &mut File, size: u64) -> std::io::Result<u64> {
    let mut end = size;
    let mut block = [0_u8; 4096];
    while end > 0 {
        let length = usize::try_from(end).unwrap_or(usize::MAX).min(block.len());
        let start = end - length as u64;
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(&mut block[..length])?;
        if let Some(at) = block[..length].iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}
