//! Permissions and empty directories, of which git keeps one bit and nothing.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::far::{self, SetMode};
use super::walk::{Walk, blocking, walk};
use crate::hosts::Host;
use crate::model::error::Result;
use crate::model::order;

/// One path and its permission bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mode {
    path: PathBuf,
    mode: u32,
    is_dir: bool,
}

/// Modes that a check-out gives under a usual umask.
const USUAL_FILE: [u32; 4] = [0o644, 0o755, 0o664, 0o775];
const USUAL_DIR: [u32; 2] = [0o755, 0o775];

/// Reads the permissions of everything that differs from a plain check-out: `changed` files always, others
/// when their mode is unusual; directories that are empty or have unusual modes. Paths in `skipped` are not
/// looked at.
///
/// # Errors
/// A directory cannot be read.
pub(super) async fn record(
    host: &Host,
    root: &Path,
    changed: BTreeSet<PathBuf>,
    skipped: BTreeSet<PathBuf>,
) -> Result<Vec<Mode>> {
    if !host.is_local() {
        let mut modes = decode(&far::modes(host, root).await?);
        modes.retain(|entry| !entry.path.ancestors().any(|path| skipped.contains(path)));
        return Ok(modes);
    }
    let root = root.to_path_buf();
    blocking("read the permissions in the work dir", move || {
        let mut modes = Vec::new();
        let mut empty = vec![PathBuf::new()];
        let root_mode = fs::symlink_metadata(&root)?.permissions().mode() & 0o7777;
        modes.push(Mode { path: PathBuf::new(), mode: root_mode, is_dir: true });
        walk(&root, &mut |path, meta| {
            if skipped.contains(path) || path == Path::new(".git") {
                return Walk::Skip;
            }
            // A directory is empty until something in it turns up.
            if let Some(parent) = path.parent() {
                empty.retain(|dir| dir != parent);
            }
            let mode = meta.permissions().mode() & 0o7777;
            let entry = Mode { path: path.to_path_buf(), mode, is_dir: meta.is_dir() };
            if meta.is_dir() {
                empty.push(path.to_path_buf());
                modes.push(entry);
            } else if meta.is_file() && (changed.contains(path) || !USUAL_FILE.contains(&mode)) {
                modes.push(entry);
            }
            Walk::Enter
        })?;
        let empty: BTreeSet<PathBuf> = empty.into_iter().collect();
        modes.retain(|m| !m.is_dir || empty.contains(&m.path) || !USUAL_DIR.contains(&m.mode));
        Ok(modes)
    })
    .await
}

/// One record a path: `d` or `f`, the octal mode, the path, a NUL byte.
fn encode(modes: &[Mode]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in modes {
        let kind = if entry.is_dir { 'd' } else { 'f' };
        bytes.extend(format!("{kind} {:o} ", entry.mode).into_bytes());
        bytes.extend(entry.path.as_os_str().as_bytes());
        bytes.push(0);
    }
    bytes
}

fn decode(bytes: &[u8]) -> Vec<Mode> {
    let records = bytes.split(|&byte| byte == 0);
    let decode_one = |record: &[u8]| {
        let mut parts = record.splitn(3, |&byte| byte == b' ');
        let is_dir = parts.next()? == b"d";
        let mode = u32::from_str_radix(std::str::from_utf8(parts.next()?).ok()?, 8).ok()?;
        let path = OsString::from_vec(parts.next()?.to_vec()).into();
        Some(Mode { path, mode, is_dir })
    };
    records.filter_map(decode_one).collect()
}

pub(super) async fn save(host: &Host, file: &Path, modes: &[Mode]) -> Result<()> {
    host.transport.write(file, &encode(modes), 0o600).await
}

/// Makes the empty directories and sets all modes: deepest first, so that no directory closes before what
/// is in it is done.
///
/// # Errors
/// A mode cannot be set.
pub(super) async fn apply(host: &Host, file: &Path, root: &Path) -> Result<()> {
    if !host.is_local() {
        let bytes = host.transport.read(file).await?.unwrap_or_default();
        let mut modes = decode(&bytes);
        let dirs: Vec<PathBuf> = modes.iter().filter(|e| e.is_dir).map(|e| e.path.clone()).collect();
        modes.sort_by(|a, b| b.path.cmp(&a.path));
        let mut changes: Vec<SetMode<'_>> = dirs.iter().map(|dir| SetMode::MakeDir(dir)).collect();
        changes.extend(modes.iter().map(|entry| match entry.is_dir {
            true => SetMode::Dir(&entry.path, entry.mode),
            false => SetMode::File(&entry.path, entry.mode),
        }));
        return far::set_modes(host, root, &changes).await;
    }
    let (file, root) = (file.to_path_buf(), root.to_path_buf());
    blocking("restore permissions", move || {
        let bytes = match fs::read(&file) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let mut modes = decode(&bytes);
        for entry in modes.iter().filter(|entry| entry.is_dir) {
            fs::create_dir_all(root.join(&entry.path))?;
        }
        order::sort_by(&mut modes, |a, b| b.path.cmp(&a.path));
        for entry in modes {
            let path = root.join(&entry.path);
            match fs::symlink_metadata(&path) {
                Ok(meta) if meta.is_dir() == entry.is_dir && !meta.is_symlink() => {
                    fs::set_permissions(&path, Permissions::from_mode(entry.mode))?;
                }
                // Something else took the place, or it never came back: nothing to set.
                _ => {}
            }
        }
        Ok(())
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::super::super::git::testing::{block, write};
    use super::super::super::work_dir::testing::World;
    use super::*;

    #[test]
    fn any_path_survives_the_file() {
        let odd = PathBuf::from(OsString::from_vec(b"a b\n\xff/c".to_vec()));
        let modes = vec![
            Mode { path: PathBuf::new(), mode: 0o700, is_dir: true },
            Mode { path: odd, mode: 0o4755, is_dir: false },
        ];
        assert_eq!(decode(&encode(&modes)), modes);
        assert_eq!(decode(b""), []);
    }

    #[test]
    fn only_what_a_check_out_would_not_give_is_recorded() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        write(&root.join("plain/file"), "");
        write(&root.join("secret"), "");
        write(&root.join("skipped/x"), "");
        fs::create_dir_all(root.join("empty/inner")).unwrap();
        for (path, mode) in
            [("", 0o700), ("plain/file", 0o644), ("secret", 0o600), ("plain", 0o755), ("empty", 0o755)]
        {
            fs::set_permissions(root.join(path), Permissions::from_mode(mode)).unwrap();
        }
        let modes =
            block(record(&World::empty().host, root, BTreeSet::new(), BTreeSet::from(["skipped".into()])))
                .unwrap();
        let paths: Vec<_> = modes.iter().map(|m| m.path.to_str().unwrap()).collect();
        assert_eq!(paths, ["", "empty/inner", "secret"]);
    }
}
