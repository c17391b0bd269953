//! `git status`, read from its stable machine form: names are bytes, nothing is quoted.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

use super::Git;
use crate::model::error::{Error, ErrorClass, Result};

/// What to ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatusRequest {
    /// Also what is ignored; a directory that a pattern ignores whole is one entry with a `/` at its end.
    pub ignored: bool,
    /// Look at every file, whatever a file-system monitor says.
    pub thorough: bool,
}

/// A work tree beside its index and `HEAD`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// `HEAD`; `None` when the branch has no commit yet.
    pub head: Option<String>,
    /// `None` when detached.
    pub branch: Option<String>,
    /// What differs, without what is ignored. Renames are a deletion and an addition.
    pub entries: Vec<Entry>,
    /// What is ignored, when asked for.
    pub ignored: Vec<PathBuf>,
    /// git could not look into these (its words): what they hold is unknown.
    pub unreadable: Vec<String>,
}

impl Status {
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.entries.is_empty() && self.unreadable.is_empty()
    }
}

/// One path that differs. Modes are git's octal ones, 0 for "not there".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Relative to the root of the work tree. An untracked repository ends in `/`.
    pub path: PathBuf,
    pub kind: EntryKind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// Known to `HEAD` or to the index.
    Tracked {
        head_mode: u32,
        index_mode: u32,
        work_mode: u32,
        /// The index's object id, zeros when it has none.
        index_oid: String,
        /// The index differs from `HEAD`.
        is_staged: bool,
        /// A submodule, on either side.
        is_submodule: bool,
    },
    /// A merge stopped here.
    Unmerged {
        work_mode: u32,
        is_submodule: bool,
    },
    Untracked,
}

impl Entry {
    /// Whether the path is gone from the work tree.
    #[must_use]
    pub fn is_deleted(&self) -> bool {
        match self.kind {
            EntryKind::Tracked { work_mode, .. } | EntryKind::Unmerged { work_mode, .. } => work_mode == 0,
            EntryKind::Untracked => false,
        }
    }

    #[must_use]
    pub fn is_submodule(&self) -> bool {
        match self.kind {
            EntryKind::Tracked { is_submodule, .. } | EntryKind::Unmerged { is_submodule, .. } => {
                is_submodule
            }
            EntryKind::Untracked => false,
        }
    }

    /// An untracked directory that is a repository or a work tree of its own.
    #[must_use]
    pub fn is_nested_repository(&self) -> bool {
        use std::os::unix::ffi::OsStrExt as _;
        self.kind == EntryKind::Untracked && self.path.as_os_str().as_bytes().ends_with(b"/")
    }
}

/// Asks for the status of the work tree that `git` stands in. Never writes its index.
///
/// # Errors
/// git fails, or its answer cannot be read.
pub async fn status(git: &Git<'_>, wanted: StatusRequest) -> Result<Status> {
    let mut args: Vec<&str> = Vec::new();
    if wanted.thorough {
        args.extend(["-c", "core.fsmonitor=false", "-c", "core.untrackedCache=false"]);
    }
    args.extend(["status", "--porcelain=v2", "--branch", "-z", "--untracked-files=all", "--no-renames"]);
    args.push("--ignore-submodules=none");
    if wanted.ignored {
        args.push("--ignored=matching");
    }
    let request = git.command(args).env("GIT_OPTIONAL_LOCKS", "0").timeout(Some(super::TRANSFER));
    let output = git.check(request.idempotent()).await?;
    let mut status = parse(&output.stdout).ok_or_else(|| {
        Error::plain(
            ErrorClass::Git,
            format!("cannot read what `git status` says about `{}`", git.place().display()),
        )
    })?;
    let warnings = String::from_utf8_lossy(&output.stderr);
    let unreadable = warnings.lines().filter(|line| line.contains("could not open directory"));
    status.unreadable = unreadable.map(str::to_owned).collect();
    Ok(status)
}

/// Reads the output of `git status --porcelain=v2 --branch -z`; `None` if it is none.
fn parse(bytes: &[u8]) -> Option<Status> {
    let mut status = Status::default();
    let mut records = bytes.split(|&byte| byte == 0);
    while let Some(record) = records.next() {
        let Some((&kind, rest)) = record.split_first() else { continue };
        let rest = rest.strip_prefix(b" ")?;
        match kind {
            b'#' => header(rest, &mut status)?,
            b'1' => status.entries.push(changed(rest, 7)?),
            b'2' => {
                status.entries.push(changed(rest, 8)?);
                records.next();
            }
            b'u' => status.entries.push(unmerged(rest)?),
            b'?' => status.entries.push(Entry { path: path(rest), kind: EntryKind::Untracked }),
            b'!' => status.ignored.push(path(rest)),
            _ => {}
        }
    }
    Some(status)
}

fn header(text: &[u8], status: &mut Status) -> Option<()> {
    let text = std::str::from_utf8(text).ok()?;
    let (key, value) = text.split_once(' ').unwrap_or((text, ""));
    match key {
        "branch.oid" => status.head = (value != "(initial)").then(|| value.to_owned()),
        "branch.head" => status.branch = (value != "(detached)").then(|| value.to_owned()),
        _ => {}
    }
    Some(())
}

/// `XY sub mH mI mW hH hI [Xscore] path`, with `fields` fields before the path.
fn changed(text: &[u8], fields: usize) -> Option<Entry> {
    let (words, path) = fields_and_path(text, fields)?;
    let [xy, sub, head_mode, index_mode, work_mode, _, index_oid, ..] = words.as_slice() else { return None };
    Some(Entry {
        path,
        kind: EntryKind::Tracked {
            head_mode: mode(head_mode)?,
            index_mode: mode(index_mode)?,
            work_mode: mode(work_mode)?,
            index_oid: (*index_oid).to_owned(),
            is_staged: !xy.starts_with('.'),
            is_submodule: sub.starts_with('S'),
        },
    })
}

/// `XY sub m1 m2 m3 mW h1 h2 h3 path`
fn unmerged(text: &[u8]) -> Option<Entry> {
    let (words, path) = fields_and_path(text, 9)?;
    let [_, sub, _, _, _, work_mode, ..] = words.as_slice() else { return None };
    let kind = EntryKind::Unmerged { work_mode: mode(work_mode)?, is_submodule: sub.starts_with('S') };
    Some(Entry { path, kind })
}

fn fields_and_path(text: &[u8], fields: usize) -> Option<(Vec<&str>, PathBuf)> {
    let mut parts = text.splitn(fields + 1, |&byte| byte == b' ');
    let words =
        parts.by_ref().take(fields).map(|word| std::str::from_utf8(word).ok()).collect::<Option<_>>()?;
    Some((words, path(parts.next()?)))
}

fn mode(text: &str) -> Option<u32> {
    u32::from_str_radix(text, 8).ok()
}

fn path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsString::from_vec(bytes.to_vec()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    use proptest::prelude::*;

    use super::super::testing::{TestRepo, block};
    use super::*;
    use crate::transports::LocalTransport;

    fn look(repo: &TestRepo, ignored: bool) -> Status {
        let git = Git::at(&LocalTransport, repo.root()).unwrap();
        block(status(&git, StatusRequest { ignored, thorough: true })).unwrap()
    }

    #[test]
    fn every_kind_of_change_is_seen() {
        let repo = TestRepo::new();
        repo.write(".gitignore", "*.log\nbuild/\n");
        for name in ["kept", "changed", "gone", "staged", "old name"] {
            repo.write(name, name);
        }
        let head = repo.commit("x", "1");
        repo.write("changed", "2");
        std::fs::remove_file(repo.path("gone")).unwrap();
        repo.write("staged", "3");
        repo.git("add staged");
        repo.git_args(&["mv", "old name", "new name"]);
        repo.write("a dir/ü \"q\"\n.txt", "4");
        repo.write("a dir/x.log", "5");
        repo.write("build/deep/file", "6");
        let status = look(&repo, true);
        assert_eq!(status.head.as_deref(), Some(head.as_str()));
        assert_eq!(status.branch.as_deref(), Some("main"));
        let mut seen: Vec<(String, bool, bool)> = status
            .entries
            .iter()
            .map(|entry| {
                let staged = matches!(entry.kind, EntryKind::Tracked { is_staged: true, .. });
                (entry.path.to_str().unwrap().to_owned(), entry.is_deleted(), staged)
            })
            .collect();
        seen.sort();
        let expected = [
            ("a dir/ü \"q\"\n.txt", false, false),
            ("changed", false, false),
            ("gone", true, false),
            ("new name", false, true),
            ("old name", true, true),
            ("staged", false, true),
        ];
        assert_eq!(seen, expected.map(|(name, deleted, staged)| (name.to_owned(), deleted, staged)));
        let ignored: BTreeSet<_> = status.ignored.iter().map(|path| path.to_str().unwrap()).collect();
        assert_eq!(ignored, BTreeSet::from(["a dir/x.log", "build/"]));
    }

    #[test]
    fn an_untracked_repository_is_one_entry() {
        let repo = TestRepo::new();
        repo.commit("a", "1");
        repo.git("init -q nested");
        repo.write("nested/file", "x");
        let status = look(&repo, false);
        assert_eq!(status.entries.len(), 1);
        assert!(status.entries[0].is_nested_repository());
        assert_eq!(status.entries[0].path.to_str(), Some("nested/"));
    }

    #[test]
    fn a_directory_that_git_cannot_open_is_reported() {
        use std::os::unix::fs::PermissionsExt as _;
        let repo = TestRepo::new();
        repo.commit("a", "1");
        repo.write("closed/file", "x");
        let closed = repo.path("closed");
        std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o000)).unwrap();
        let is_root = std::fs::read_dir(&closed).is_ok();
        let status = look(&repo, false);
        std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(status.unreadable.is_empty(), is_root);
        assert!(!status.is_clean());
    }

    #[test]
    fn output_that_is_none_is_refused() {
        assert_eq!(parse(b"1 .M N... 100644\0"), None);
        assert_eq!(parse(b"nonsense\0"), None);
        assert_eq!(parse(b""), Some(Status::default()));
    }

    proptest! {
        #[test]
        fn any_name_survives(names in proptest::collection::btree_set("[^/\0]{1,12}", 1..6)) {
            let oid = "0".repeat(40);
            let mut bytes = Vec::new();
            for (place, name) in names.iter().enumerate() {
                let record = match place % 3 {
                    0 => format!("? {name}"),
                    1 => format!("1 .M N... 100644 100644 100755 {oid} {oid} {name}"),
                    _ => format!("u UU N... 100644 100644 100644 100644 {oid} {oid} {oid} {name}"),
                };
                bytes.extend(record.into_bytes());
                bytes.push(0);
            }
            let status = parse(&bytes).unwrap();
            let found: Vec<&OsStr> = status.entries.iter().map(|entry| entry.path.as_os_str()).collect();
            let wanted: Vec<&OsStr> = names.iter().map(|name| OsStr::from_bytes(name.as_bytes())).collect();
            prop_assert_eq!(found, wanted);
        }
    }
}
