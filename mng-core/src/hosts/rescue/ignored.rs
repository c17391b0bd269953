//! Ignored files: often secrets and caches. Kept in a tar of mode 0600 beside the manifest, never in git,
//! and only while they are small.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::keep::cannot_keep;
use super::walk::{Walk, blocking, walk};
use super::{EntryPath, far};
use crate::hosts::Host;
use crate::model::error::Result;

/// Bytes that are kept of all ignored files together.
pub const IGNORED_LIMIT: u64 = 32 * 1024 * 1024;

/// An ignored file or directory that is not kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostItem {
    /// Relative to the work dir; a directory ends in `/`.
    pub path: EntryPath,
    /// Bytes, counted up to where it was clear that they are too many.
    pub bytes: u64,
}

/// What goes into the tar and what does not.
#[derive(Clone, Debug, Default)]
pub(super) struct Choice {
    pub(super) kept: Vec<PathBuf>,
    pub(super) lost: Vec<LostItem>,
}

/// Chooses the smallest first, so that one huge cache does not cost the `.env` beside it.
///
/// # Errors
/// A directory cannot be read.
pub(super) async fn choose(
    host: &Host,
    root: &Path,
    mut ignored: Vec<PathBuf>,
    nested: Vec<PathBuf>,
) -> Result<Choice> {
    ignored.retain(|path| !nested.iter().any(|inner| inner == trimmed(path)));
    if !host.is_local() {
        // A tar of there cannot leave a repository out that moves by itself.
        if let Some(path) = ignored.iter().find(|path| nested.iter().any(|n| n.starts_with(trimmed(path)))) {
            let why = format!("the ignored `{}` has a repository in it", path.display());
            return Err(cannot_keep(root, why));
        }
        let paths: Vec<&Path> = ignored.iter().map(|path| trimmed(path)).collect();
        let sizes = far::sizes(host, root, &paths).await?;
        return Ok(smallest_first(sizes.into_iter().zip(ignored).collect()));
    }
    let root = root.to_path_buf();
    blocking("read ignored files", move || {
        let mut sized = Vec::new();
        for path in ignored {
            sized.push((size_of(&root, &path, &nested)?, path));
        }
        Ok(smallest_first(sized))
    })
    .await
}

fn smallest_first(mut sized: Vec<(u64, PathBuf)>) -> Choice {
    sized.sort();
    let mut choice = Choice::default();
    let mut total: u64 = 0;
    for (bytes, path) in sized {
        if total.saturating_add(bytes) <= IGNORED_LIMIT {
            total += bytes;
            choice.kept.push(path);
        } else {
            choice.lost.push(LostItem { path: path.into(), bytes });
        }
    }
    choice
}

/// git marks directories with a `/` at the end, which `Path` ignores in comparisons only.
fn trimmed(path: &Path) -> &Path {
    let bytes = path.as_os_str().as_bytes();
    Path::new(std::ffi::OsStr::from_bytes(bytes.strip_suffix(b"/").unwrap_or(bytes)))
}

fn size_of(root: &Path, path: &Path, nested: &[PathBuf]) -> io::Result<u64> {
    let full = root.join(trimmed(path));
    let meta = match fs::symlink_metadata(&full) {
        Ok(meta) => meta,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    if !meta.is_dir() {
        return Ok(if meta.is_file() { meta.len() } else { 0 });
    }
    let mut total: u64 = 0;
    walk(&full, &mut |inner, meta| {
        if meta.is_file() {
            total = total.saturating_add(meta.len());
        }
        if total > IGNORED_LIMIT {
            Walk::Stop
        } else if nested.iter().any(|place| *place == trimmed(path).join(inner)) {
            Walk::Skip
        } else {
            Walk::Enter
        }
    })?;
    Ok(total)
}

/// Writes the chosen paths; nothing if there are none. Sockets and the like have no content and are left
/// out.
///
/// # Errors
/// A file cannot be read, or the disk is full.
pub(super) async fn pack(
    host: &Host,
    root: &Path,
    kept: Vec<PathBuf>,
    nested: Vec<PathBuf>,
    tar: &Path,
) -> Result<()> {
    if kept.is_empty() {
        return Ok(());
    }
    if !host.is_local() {
        let kept: Vec<PathBuf> = kept.iter().map(|path| trimmed(path).to_path_buf()).collect();
        return far::pack(host, root, &kept, tar).await;
    }
    let (root, tar) = (root.to_path_buf(), tar.to_path_buf());
    blocking("keep ignored files", move || {
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&tar)?;
        let mut builder = tar::Builder::new(BufWriter::new(file));
        builder.follow_symlinks(false);
        builder.mode(tar::HeaderMode::Complete);
        for path in &kept {
            let path = trimmed(path);
            append(&mut builder, &root, path)?;
            if fs::symlink_metadata(root.join(path)).is_ok_and(|meta| meta.is_dir()) {
                let mut paths = Vec::new();
                walk(&root.join(path), &mut |inner, _| {
                    let inner = path.join(inner);
                    let is_nested = nested.contains(&inner);
                    if !is_nested {
                        paths.push(inner);
                    }
                    if is_nested { Walk::Skip } else { Walk::Enter }
                })?;
                for path in paths {
                    append(&mut builder, &root, &path)?;
                }
            }
        }
        let file = builder.into_inner()?.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()
    })
    .await
}

fn append<W: io::Write>(builder: &mut tar::Builder<W>, root: &Path, path: &Path) -> io::Result<()> {
    let full = root.join(path);
    let kind = match fs::symlink_metadata(&full) {
        Ok(meta) => meta.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if kind.is_dir() {
        builder.append_dir(path, &full)
    } else if kind.is_symlink() {
        append_link(builder, path, &fs::read_link(&full)?, &fs::symlink_metadata(&full)?)
    } else if kind.is_file() {
        builder.append_path_with_name(&full, path)
    } else {
        Ok(())
    }
}

/// The `tar` crate tidies link targets (`/./c` becomes `/c`); this keeps every byte.
fn append_link<W: io::Write>(
    builder: &mut tar::Builder<W>,
    path: &Path,
    target: &Path,
    meta: &fs::Metadata,
) -> io::Result<()> {
    /// Room for a target in a header; longer ones stand in an entry before it.
    const SHORT: usize = 100;
    let target = target.as_os_str().as_bytes();
    if target.len() > SHORT {
        let mut long = tar::Header::new_gnu();
        long.set_entry_type(tar::EntryType::GNULongLink);
        long.set_size(target.len() as u64 + 1);
        builder.append_data(&mut long, "././@LongLink", [target, b"\0"].concat().as_slice())?;
    }
    let mut header = tar::Header::new_gnu();
    header.set_metadata(meta);
    header.set_size(0);
    header.set_link_name_literal(&target[..target.len().min(SHORT)])?;
    builder.append_data(&mut header, path, io::empty())
}

/// Brings the files of a tar back into a directory. What is there already stays.
///
/// # Errors
/// The tar is damaged, or the disk is full.
pub(super) async fn unpack(host: &Host, tar: &Path, root: &Path) -> Result<()> {
    if !host.is_local() {
        return far::unpack(host, tar, root).await;
    }
    if !tar.exists() {
        return Ok(());
    }
    let (root, tar) = (root.to_path_buf(), tar.to_path_buf());
    blocking("restore ignored files", move || {
        let mut archive = tar::Archive::new(BufReader::new(File::open(&tar)?));
        archive.set_preserve_permissions(true);
        archive.set_overwrite(false);
        // Directories get their permissions last: one without `w` could not be filled any more.
        let mut directories = Vec::new();
        for entry in archive.entries()? {
            let mut entry = entry?;
            let path = root.join(entry.path()?);
            if entry.header().entry_type().is_dir() {
                directories.push((path, entry.header().mode()?));
                entry.unpack_in(&root)?;
                open(&root.join(entry.path()?))?;
            } else if fs::symlink_metadata(&path).is_err() {
                entry.unpack_in(&root)?;
            }
        }
        for (path, mode) in directories.iter().rev() {
            set_mode(path, *mode)?;
        }
        Ok(())
    })
    .await
}

fn open(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = fs::metadata(path)?.permissions().mode();
    set_mode(path, mode | 0o700)
}

fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o7777))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::super::super::git::testing::{block, write};
    use super::super::super::work_dir::testing::World;
    use super::*;

    #[test]
    fn small_files_are_kept_beside_a_huge_directory() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        write(&root.join(".env"), "SECRET=1");
        write(&root.join("cache/a"), "x");
        let huge = File::create(root.join("cache/b")).unwrap();
        huge.set_len(IGNORED_LIMIT + 1).unwrap();
        let ignored = vec![".env".into(), "cache/".into()];
        let choice = block(choose(&World::empty().host, root, ignored, Vec::new())).unwrap();
        assert_eq!(choice.kept, [PathBuf::from(".env")]);
        assert_eq!(choice.lost.len(), 1);
        assert_eq!(choice.lost[0].path.to_string(), "cache/");
        assert!(choice.lost[0].bytes > IGNORED_LIMIT);
    }

    #[test]
    fn a_tar_keeps_modes_links_and_read_only_directories() {
        let dir = tempfile::tempdir().unwrap();
        let host = World::empty().host;
        let (root, out) = (dir.path().join("in"), dir.path().join("out"));
        write(&root.join("d/secret"), "s");
        write(&root.join(format!("d/{}", "long".repeat(50))), "l");
        let links = ["/./nowhere//x/", "..", &"far/../".repeat(40)];
        for (number, target) in links.iter().enumerate() {
            std::os::unix::fs::symlink(target, root.join(format!("d/link{number}"))).unwrap();
        }
        fs::set_permissions(root.join("d/secret"), fs::Permissions::from_mode(0o600)).unwrap();
        fs::set_permissions(root.join("d"), fs::Permissions::from_mode(0o555)).unwrap();
        let tar = dir.path().join("t.tar");
        block(pack(&host, &root, vec!["d/".into()], Vec::new(), &tar)).unwrap();
        assert_eq!(fs::metadata(&tar).unwrap().permissions().mode() & 0o777, 0o600);
        fs::create_dir(&out).unwrap();
        block(unpack(&host, &tar, &out)).unwrap();
        assert_eq!(fs::metadata(out.join("d")).unwrap().permissions().mode() & 0o777, 0o555);
        assert_eq!(fs::metadata(out.join("d/secret")).unwrap().permissions().mode() & 0o777, 0o600);
        for (number, target) in links.iter().enumerate() {
            let found = fs::read_link(out.join(format!("d/link{number}"))).unwrap();
            assert_eq!(found.as_os_str(), *target, "byte for byte");
        }
        assert_eq!(fs::read_to_string(out.join(format!("d/{}", "long".repeat(50)))).unwrap(), "l");
        for root in [&root, &out] {
            fs::set_permissions(root.join("d"), fs::Permissions::from_mode(0o755)).unwrap();
        }
    }
}
