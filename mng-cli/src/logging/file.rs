//! The log file: appended to by many processes, rotated by whoever finds it full.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use mng_core::storage::FileLock;

/// How long a rotation waits for another process that rotates.
const LOCK_WAIT: Duration = Duration::from_secs(3);

#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    most_bytes: u64,
    most_rotated: usize,
    /// `None`: not opened yet, or it cannot be.
    file: Mutex<Opened>,
}

#[derive(Debug)]
enum Opened {
    NotYet,
    Yes(File),
    Never,
}

impl LogFile {
    pub(super) fn new(path: PathBuf, most_bytes: u64, most_rotated: usize) -> Self {
        Self { path, most_bytes, most_rotated, file: Mutex::new(Opened::NotYet) }
    }

    /// Opens the file at once, to find out whether that works.
    pub(super) fn open(&self) -> io::Result<()> {
        open(&self.path).map(drop)
    }

    /// Appends one line by one write. Trouble with the log never disturbs the command: it ends the log.
    pub(super) fn line(&self, line: &str) {
        let mut opened = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*opened, Opened::NotYet) {
            *opened = open(&self.path).map_or(Opened::Never, Opened::Yes);
        }
        let Opened::Yes(file) = &mut *opened else { return };
        let current = self.current(file);
        match current {
            Ok(Some(newer)) => *file = newer,
            Ok(None) => {}
            Err(_) => {
                *opened = Opened::Never;
                return;
            }
        }
        if file.write_all(format!("{line}\n").as_bytes()).is_err() {
            *opened = Opened::Never;
        }
    }

    /// Another file to go on with: after a rotation, ours or another process's.
    fn current(&self, file: &File) -> io::Result<Option<File>> {
        let ours = file.metadata()?;
        match self.path.metadata() {
            Ok(there) if there.ino() == ours.ino() && there.dev() == ours.dev() => {}
            // Somebody rotated the file away under us.
            Ok(_) => return open(&self.path).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return open(&self.path).map(Some),
            Err(error) => return Err(error),
        }
        if ours.len() < self.most_bytes {
            return Ok(None);
        }
        let lock_path = self.path.with_file_name(".rotation.lock");
        let Ok(_lock) = FileLock::acquire(&lock_path, Some(LOCK_WAIT)) else { return Ok(None) };
        // The one before us at the lock may have rotated already.
        if self.path.metadata().is_ok_and(|there| there.ino() == ours.ino()) {
            self.rotate()?;
        }
        open(&self.path).map(Some)
    }

    fn rotate(&self) -> io::Result<()> {
        let stamp = jiff::Timestamp::now().strftime("%Y%m%d%H%M%S%6f").to_string();
        let name = self.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        std::fs::rename(&self.path, self.path.with_file_name(format!("{name}.{stamp}")))?;
        let dir = self.path.parent().unwrap_or(Path::new("."));
        let mut rotated: Vec<PathBuf> = std::fs::read_dir(dir)?
            .flatten()
            .filter(|entry| {
                let entry = entry.file_name();
                let rest = entry.to_str().and_then(|entry| entry.strip_prefix(&name)?.strip_prefix('.'));
                rest.is_some_and(|rest| rest.len() >= 14 && rest.bytes().all(|byte| byte.is_ascii_digit()))
            })
            .map(|entry| entry.path())
            .collect();
        rotated.sort();
        let surplus = rotated.len().saturating_sub(self.most_rotated);
        rotated.iter().take(surplus).try_for_each(std::fs::remove_file)
    }
}

fn open(path: &Path) -> io::Result<File> {
    if let Some(dir) = path.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    }
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.starts_with("events"))
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_full_file_is_rotated_and_only_the_newest_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.jsonl");
        let log = LogFile::new(path.clone(), 10, 2);
        for index in 0..6 {
            log.line(&format!("line number {index}"));
        }
        let names = names(dir.path());
        assert_eq!(names.len(), 3, "{names:?}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "line number 5\n");
    }

    #[test]
    fn a_file_that_another_process_rotated_is_followed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.jsonl");
        let log = LogFile::new(path.clone(), 1 << 20, 2);
        log.line("one");
        std::fs::rename(&path, dir.path().join("events.jsonl.20260101000000000000")).unwrap();
        log.line("two");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "two\n");
    }

    #[test]
    fn a_log_that_cannot_be_written_is_silent() {
        let dir = tempfile::tempdir().unwrap();
        let blocker = dir.path().join("file");
        std::fs::write(&blocker, "").unwrap();
        let log = LogFile::new(blocker.join("events.jsonl"), 10, 2);
        assert!(log.open().is_err());
        log.line("lost");
    }

    #[test]
    fn lines_of_many_threads_stay_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.jsonl");
        std::thread::scope(|scope| {
            for letter in ["a", "b", "c", "d"] {
                let path = path.clone();
                scope.spawn(move || {
                    let log = LogFile::new(path, 4000, 100);
                    (0..50).for_each(|_| log.line(&letter.repeat(99)));
                });
            }
        });
        let mut count = 0;
        for name in names(dir.path()) {
            for line in std::fs::read_to_string(dir.path().join(name)).unwrap().lines() {
                assert_eq!(line.len(), 99);
                assert!(line.bytes().all(|byte| byte == line.as_bytes()[0]));
                count += 1;
            }
        }
        assert_eq!(count, 200);
    }
}
