//! Sets of relative paths, and where two of them meet.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// The path without a `/` at its end, which marks directories in what git and rsync print.
pub(super) fn plain(path: &Path) -> &Path {
    let mut bytes = path.as_os_str().as_bytes();
    while let Some(rest) = bytes.strip_suffix(b"/") {
        bytes = rest;
    }
    Path::new(OsStr::from_bytes(bytes))
}

/// Whether writing one path may touch the other: they are the same, or one is a directory above the other.
#[cfg(test)]
fn meet(one: &Path, other: &Path) -> bool {
    let (one, other) = (plain(one), plain(other));
    one.starts_with(other) || other.starts_with(one)
}

/// Those of `paths` that meet one of `written`, in their order.
pub(super) fn overlap<'a>(paths: impl IntoIterator<Item = &'a PathBuf>, written: &[PathBuf]) -> Vec<PathBuf> {
    let mut sorted: Vec<&Path> = written.iter().map(|path| plain(path)).collect();
    sorted.sort_unstable();
    let is_met = |path: &Path| {
        let path = plain(path);
        // Something at or below it …
        let at = sorted.partition_point(|other| *other < path);
        let below = sorted.get(at).is_some_and(|other| other.starts_with(path));
        // … or a directory above it.
        below
            || path
                .ancestors()
                .any(|above| !above.as_os_str().is_empty() && sorted.binary_search(&above).is_ok())
    };
    paths.into_iter().filter(|path| is_met(path)).cloned().collect()
}

/// NUL-separated names.
pub(super) fn from_nul(bytes: &[u8]) -> Vec<PathBuf> {
    bytes
        .split(|&byte| byte == 0)
        .filter(|name| !name.is_empty())
        .map(|name| PathBuf::from(OsStr::from_bytes(name)))
        .collect()
}

pub(super) fn to_nul<'a>(paths: impl IntoIterator<Item = &'a PathBuf>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for path in paths {
        bytes.extend_from_slice(path.as_os_str().as_bytes());
        bytes.push(0);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn paths(names: &[&str]) -> Vec<PathBuf> {
        names.iter().map(PathBuf::from).collect()
    }

    #[test]
    fn files_meet_themselves_and_what_stands_in_their_place() {
        let users = paths(&["a", "d/e/f", "nested/", "x"]);
        assert_eq!(overlap(&users, &paths(&["a"])), paths(&["a"]));
        assert_eq!(overlap(&users, &paths(&["d"])), paths(&["d/e/f"]), "a file in the place of a directory");
        assert_eq!(overlap(&users, &paths(&["nested/y", "x/"])), paths(&["nested/", "x"]));
        assert_eq!(overlap(&users, &paths(&["ab", "d/e2", "d/e-", "y"])), paths(&[]));
    }

    proptest! {
        #[test]
        fn the_quick_way_agrees_with_the_plain_one(
            users in prop::collection::vec("[ab](/[ab-]){0,3}", 0..6),
            written in prop::collection::vec("[ab](/[ab-]){0,3}/?", 0..6),
        ) {
            let users: Vec<PathBuf> = users.iter().map(PathBuf::from).collect();
            let written: Vec<PathBuf> = written.iter().map(PathBuf::from).collect();
            let plainly: Vec<PathBuf> =
                users.iter().filter(|user| written.iter().any(|other| meet(user, other))).cloned().collect();
            prop_assert_eq!(overlap(&users, &written), plainly);
        }
    }
}
