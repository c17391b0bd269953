//! Advisory file locks (`flock`), shared with every other mng on the machine and with the original.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};

use super::create_private_dir;
use crate::model::error::{Error, ErrorClass, Explain, Result, Scope};

/// How often a waiting locker tries again: short beside a human's patience, long beside a lock's cost.
const POLL: Duration = Duration::from_millis(20);

/// Someone else holds the lock.
#[derive(Debug, thiserror::Error)]
#[error("another mng holds the lock `{}` (waited {} s)", path.display(), waited.as_secs())]
pub struct LockError {
    path: PathBuf,
    waited: Duration,
}

impl LockError {
    /// For locks that are held by other means than a [`FileLock`].
    #[must_use]
    pub fn new(path: &Path, waited: Duration) -> Self {
        Self { path: path.to_path_buf(), waited }
    }
}

impl Explain for LockError {
    fn class(&self) -> ErrorClass {
        ErrorClass::LockNotHeld
    }

    fn scope(&self) -> Scope {
        Scope::Host
    }

    fn hint(&self) -> Option<String> {
        Some("wait for the other command to finish; `mng doctor` shows who holds it".into())
    }
}

/// An exclusive lock on a file; dropping it releases. The file is never deleted: two lockers must meet on
/// one inode.
#[derive(Debug)]
pub struct FileLock {
    file: File,
}

impl FileLock {
    /// Takes the lock, waiting at most `wait` (`None`: for ever; zero: one try).
    ///
    /// # Errors
    /// [`LockError`] when the wait is over; an I/O error when the file cannot be opened.
    pub fn acquire(path: &Path, wait: Option<Duration>) -> Result<Self> {
        Self::wait_for(open(path)?, path, wait)
    }

    fn wait_for(file: File, path: &Path, wait: Option<Duration>) -> Result<Self> {
        let start = Instant::now();
        loop {
            if try_lock(&file, path)? {
                return Ok(Self { file });
            }
            if wait.is_some_and(|wait| start.elapsed() >= wait) {
                return Err(LockError { path: path.to_path_buf(), waited: start.elapsed() }.into());
            }
            std::thread::sleep(POLL);
        }
    }

    /// As [`FileLock::acquire`], on a directory that exists: for files in places where a lock file of ours
    /// would be litter.
    ///
    /// # Errors
    /// As [`FileLock::acquire`].
    pub fn acquire_dir(path: &Path, wait: Option<Duration>) -> Result<Self> {
        let file = File::open(path)
            .map_err(|error| Error::io(format!("open the directory `{}`", path.display()), error))?;
        Self::wait_for(file, path, wait)
    }

    /// As [`FileLock::acquire`], without blocking the thread. `on_wait` is called once if somebody else
    /// holds the lock.
    ///
    /// # Errors
    /// As [`FileLock::acquire`].
    pub async fn acquire_async(path: &Path, wait: Option<Duration>, on_wait: impl FnOnce()) -> Result<Self> {
        let file = open(path)?;
        let start = Instant::now();
        let mut on_wait = Some(on_wait);
        loop {
            if try_lock(&file, path)? {
                return Ok(Self { file });
            }
            if wait.is_some_and(|wait| start.elapsed() >= wait) {
                return Err(LockError { path: path.to_path_buf(), waited: start.elapsed() }.into());
            }
            if let Some(tell) = on_wait.take() {
                tell();
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Whether somebody holds the lock now. Never creates the file.
    #[must_use]
    pub fn is_held(path: &Path) -> bool {
        let Ok(file) = File::open(path) else { return false };
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                let _ = flock(&file, FlockOperation::Unlock);
                false
            }
            Err(error) => error == rustix::io::Errno::WOULDBLOCK,
        }
    }

    /// The locked file.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }
}

fn open(path: &Path) -> Result<File> {
    let options =
        || OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
    let opened = match options() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            create_private_dir(path.parent().unwrap_or(Path::new("/")))?;
            options()
        }
        other => other,
    };
    opened.map_err(|error| Error::io(format!("open the lock `{}`", path.display()), error))
}

fn try_lock(file: &File, path: &Path) -> Result<bool> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(Error::io(format!("lock `{}`", path.display()), error.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_lock_is_seen_and_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        assert!(!FileLock::is_held(&path));
        let held = FileLock::acquire(&path, None).unwrap();
        assert!(FileLock::is_held(&path));
        let error = FileLock::acquire(&path, Some(Duration::ZERO)).unwrap_err();
        assert_eq!(error.class(), ErrorClass::LockNotHeld);
        drop(held);
        assert!(!FileLock::is_held(&path));
    }
}
