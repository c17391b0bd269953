//! All that a directory holds, to prove that nothing in it changed.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Every path below a directory with what it is: kind, mode and content. Times are left out.
#[derive(Clone, PartialEq, Eq)]
pub struct Fingerprint(BTreeMap<String, String>);

impl Fingerprint {
    /// Of a directory tree, without the paths (relative, with everything below) that `skip` names.
    ///
    /// # Panics
    /// When something in it cannot be read.
    #[must_use]
    pub fn of(dir: &Path, skip: &[&str]) -> Self {
        let mut entries = BTreeMap::new();
        walk(dir, "", skip, &mut entries);
        Self(entries)
    }

    /// Adds a fact that is not a file, e.g. what git says of its branches.
    #[must_use]
    pub fn with(mut self, name: &str, value: String) -> Self {
        self.0.insert(name.to_owned(), value);
        self
    }
}

fn walk(dir: &Path, prefix: &str, skip: &[&str], entries: &mut BTreeMap<String, String>) {
    let listing = fs::read_dir(dir).unwrap_or_else(|error| panic!("cannot list {}: {error}", dir.display()));
    for entry in listing.map(|entry| entry.expect("the directory can be listed")) {
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if skip.contains(&name.as_str()) {
            continue;
        }
        // A file that a running agent removes meanwhile is no content of the tree.
        let Ok(meta) = fs::symlink_metadata(entry.path()) else { continue };
        let mode = meta.permissions().mode() & 0o7777;
        if meta.is_symlink() {
            let target = fs::read_link(entry.path()).unwrap_or_default();
            entries.insert(name, format!("link to {}", target.display()));
        } else if meta.is_dir() {
            walk(&entry.path(), &format!("{name}/"), skip, entries);
            entries.insert(name + "/", format!("directory {mode:o}"));
        } else {
            let mut hasher = DefaultHasher::new();
            let bytes = fs::read(entry.path()).unwrap_or_default();
            bytes.hash(&mut hasher);
            entries.insert(name, format!("file {mode:o} {} bytes {:016x}", bytes.len(), hasher.finish()));
        }
    }
}

/// One line an entry, so that a failed comparison reads as a diff.
impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f)?;
        for (name, what) in &self.0 {
            writeln!(f, "  {name}: {what}")?;
        }
        Ok(())
    }
}
