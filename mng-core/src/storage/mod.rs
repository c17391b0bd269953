//! Files of this machine: atomic writes, exclusive creation, locks, fault points.

pub mod fault;
mod links;
mod lock;
mod small;

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

pub use links::replace_link;
pub use lock::{FileLock, LockError};
pub use small::SmallReader;

use crate::model::error::{Error, Result};
use crate::model::ids::random_hex;

/// Replaces a file whole: a sibling temporary file is written, flushed to disk and renamed over it, so a
/// reader sees the old bytes or the new ones and a crash leaves one of the two.
///
/// A symlink at `path` is followed, so the link survives. An existing file keeps its mode; a new one gets
/// `mode`. Missing parent directories are made with mode 0700.
///
/// # Errors
/// The temporary file could not be written or renamed; the old file is then untouched.
pub fn write_atomic(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    replace(path, bytes, mode, true)
}

/// As [`write_atomic`] without waiting for the disk: readers still see old or new, but a power loss may
/// take the new bytes back. For counters, caches and activity stamps.
///
/// # Errors
/// As [`write_atomic`].
pub fn write_volatile(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    replace(path, bytes, mode, false)
}

fn replace(path: &Path, bytes: &[u8], mode: u32, is_durable: bool) -> Result<()> {
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let mode = fs::metadata(&target).map_or(mode, |meta| meta.permissions().mode() & 0o7777);
    let parent = target.parent().unwrap_or(Path::new("/")).to_path_buf();
    let write = |temp: &Path| -> std::io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(temp)?;
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        file.write_all(bytes)?;
        if is_durable {
            file.sync_all()?;
        }
        fs::rename(temp, &target)?;
        if is_durable {
            sync_dir(&parent);
        }
        Ok(())
    };
    let temp = sibling(&target);
    let mut result = write(&temp);
    if result.as_ref().is_err_and(|error| error.kind() == ErrorKind::NotFound) {
        create_private_dir(&parent)?;
        result = write(&temp);
    }
    result.map_err(|error| {
        let _ = fs::remove_file(&temp);
        Error::io(format!("write `{}`", target.display()), error)
    })
}

/// Creates a file that must not exist yet, whole or not at all: two processes that race agree on one
/// winner. Returns whether this call made it.
///
/// # Errors
/// Any failure but "it exists already".
pub fn create_new(path: &Path, bytes: &[u8], mode: u32) -> Result<bool> {
    let parent = path.parent().unwrap_or(Path::new("/"));
    create_private_dir(parent)?;
    let temp = sibling(path);
    let made = (|| -> std::io::Result<bool> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&temp)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        // A hard link fails if the name is taken, which a rename would not.
        match fs::hard_link(&temp, path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    })();
    let _ = fs::remove_file(&temp);
    sync_dir(parent);
    made.map_err(|error| Error::io(format!("create `{}`", path.display()), error))
}

/// Makes a directory and its parents, each new one with mode 0700. Existing ones keep their mode.
///
/// # Errors
/// A component cannot be made or is no directory.
pub fn create_private_dir(path: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| Error::io(format!("create directory `{}`", path.display()), error))
}

/// The bytes of a file; `None` if it does not exist.
///
/// # Errors
/// It exists and cannot be read.
pub fn read_optional(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(Error::io(format!("read `{}`", path.display()), error)),
    }
}

/// At most `limit` bytes of a file from `offset` on, fewer only at its end; `None` if it does not exist.
///
/// # Errors
/// It exists and cannot be read.
pub fn read_range(path: &Path, offset: u64, limit: usize) -> Result<Option<Vec<u8>>> {
    let failed = |error| Error::io(format!("read `{}`", path.display()), error);
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(failed(error)),
    };
    file.seek(SeekFrom::Start(offset)).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(limit as u64).read_to_end(&mut bytes).map_err(failed)?;
    Ok(Some(bytes))
}

/// A name beside `path` that nobody else uses.
fn sibling(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}.tmp", random_hex()))
}

/// Makes a rename durable. Some file systems refuse to sync a directory; the rename itself stands.
fn sync_dir(path: &Path) {
    if let Ok(dir) = File::open(path) {
        let _ = dir.sync_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symlink_survives_and_the_mode_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let real = dir.path().join("real");
        fs::write(&real, "old").unwrap();
        fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&real, &link).unwrap();
        write_atomic(&link, b"new", 0o600).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&real).unwrap(), "new");
        assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "no temporary file stays");
    }

    #[test]
    fn one_of_two_creators_wins() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        assert!(create_new(&path, b"first", 0o600).unwrap());
        assert!(!create_new(&path, b"second", 0o600).unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), "first");
    }
}
