//! Walks over trees of this machine. Symlinks are never followed.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::far;
use crate::hosts::Host;
use crate::hosts::git::{TRANSFER, word};
use crate::model::error::{Error, Result};
use crate::transports::ExecRequest;

/// What to do with a directory after its visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Walk {
    /// Look into it.
    Enter,
    /// Go past it.
    Skip,
    /// End the whole walk.
    Stop,
}

/// Visits what a directory holds, parents before children, sorted by name, with paths relative to it.
///
/// # Errors
/// A directory cannot be read.
pub(super) fn walk(root: &Path, visit: &mut dyn FnMut(&Path, &Metadata) -> Walk) -> io::Result<()> {
    walk_below(root, Path::new(""), visit).map(|_| ())
}

fn walk_below(
    root: &Path,
    relative: &Path,
    visit: &mut dyn FnMut(&Path, &Metadata) -> Walk,
) -> io::Result<Walk> {
    let mut names = Vec::new();
    for entry in fs::read_dir(root.join(relative))? {
        names.push(entry?.file_name());
    }
    names.sort_unstable();
    for name in names {
        let path = relative.join(name);
        let meta = match fs::symlink_metadata(root.join(&path)) {
            Ok(meta) => meta,
            // Gone since the directory was read.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let enter = visit(&path, &meta);
        if enter == Walk::Stop {
            return Ok(Walk::Stop);
        }
        if meta.is_dir() && enter == Walk::Enter && walk_below(root, &path, visit)? == Walk::Stop {
            return Ok(Walk::Stop);
        }
    }
    Ok(Walk::Enter)
}

/// Runs blocking file work off the runtime.
pub(super) async fn blocking<T: Send + 'static>(
    what: &str,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T> {
    let outcome =
        tokio::task::spawn_blocking(work).await.unwrap_or_else(|panic| Err(io::Error::other(panic)));
    outcome.map_err(|error| Error::io(what, error))
}

/// Renames, or copies and deletes when the two places are on different file systems.
///
/// # Errors
/// Neither worked.
pub(crate) async fn move_tree(host: &Host, from: &Path, to: &Path) -> Result<()> {
    match host.transport.rename(from, to).await {
        // What another host says of a failed rename is not sure to have the reason in it.
        Err(error) if !host.is_local() || error.io_kind() == Some(io::ErrorKind::CrossesDevices) => {
            let request = ExecRequest::new(["mv".to_owned(), "--".into(), word(from)?, word(to)?]);
            host.transport.exec(request.timeout(Some(TRANSFER))).await?.check("mv").map(|_| ())
        }
        other => other,
    }
}

/// Removes a tree, also one with directories that we may not write in (package caches make them so). A
/// missing one is fine.
///
/// # Errors
/// Something in it is not ours to remove.
pub(crate) async fn remove_tree(host: &Host, path: &Path) -> Result<()> {
    if !host.is_local() {
        return far::remove_tree(host, path).await;
    }
    let what = format!("remove `{}`", path.display());
    let path = path.to_path_buf();
    blocking(&what, move || {
        let first = remove(&path);
        match &first {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                open_up(&path)?;
                remove(&path)
            }
            _ => first,
        }
    })
    .await
}

fn remove(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(())
        }
        other => other,
    }
}

/// Makes every directory of a tree writable for its owner.
fn open_up(path: &Path) -> io::Result<()> {
    let meta = fs::symlink_metadata(path)?;
    if !meta.is_dir() {
        return Ok(());
    }
    let mode = meta.permissions().mode();
    if mode & 0o700 != 0o700 {
        fs::set_permissions(path, fs::Permissions::from_mode((mode & 0o7777) | 0o700))?;
    }
    for entry in fs::read_dir(path)? {
        open_up(&entry?.path())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::super::git::testing::{block, write};
    use super::*;

    #[test]
    fn a_read_only_tree_goes_and_what_a_symlink_points_at_stays() {
        let host = super::super::super::work_dir::testing::World::empty().host;
        let dir = tempfile::tempdir().unwrap();
        let tree = dir.path().join("tree");
        let outside = dir.path().join("outside");
        write(&tree.join("a/b/file"), "x");
        write(&outside.join("precious"), "x");
        std::os::unix::fs::symlink(&outside, tree.join("link")).unwrap();
        for closed in ["a/b", "a"] {
            fs::set_permissions(tree.join(closed), fs::Permissions::from_mode(0o555)).unwrap();
        }
        block(remove_tree(&host, &tree)).unwrap();
        assert!(!tree.exists());
        assert_eq!(fs::read_to_string(outside.join("precious")).unwrap(), "x");
        block(remove_tree(&host, &tree)).unwrap();
    }
}
