use std::path::{Path, PathBuf};

use crate::model::error::{ErrorClass, Explain};
use crate::model::shell::quote;

/// Why a transfer was refused or failed. What was set aside by then is named.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SyncError {
    /// The words are fixed. `paths` would be overwritten; empty if none of the changes is in the way.
    #[error("Uncommitted changes in destination: {}{}", place.display(), listed(paths))]
    Uncommitted { place: PathBuf, paths: Vec<PathBuf> },
    #[error("these cannot be set aside and are in the way in `{}`{}", place.display(), listed(paths))]
    Unmovable { place: PathBuf, paths: Vec<PathBuf> },
    #[error("changes on both sides do not fit together in `{}`{}", place.display(), listed(paths))]
    Conflict { place: PathBuf, paths: Vec<PathBuf> },
    #[error("Git sync failed: conflicts in `{}`{}", place.display(), listed(paths))]
    MergeConflict { place: PathBuf, paths: Vec<PathBuf> },
    #[error("a {what} is in progress in `{}`", place.display())]
    InProgress { place: PathBuf, what: &'static str },
    #[error(
        "the commits are in, but the changes that were set aside do not apply any more; they are kept as {oid}"
    )]
    NotRestored { place: PathBuf, oid: String },
    #[error(
        "`{branch}` of the agent has {commits} commit(s) that `{source_branch}` has not: they have diverged"
    )]
    Diverged { branch: String, source_branch: String, commits: usize },
    #[error(
        "`{branch}` has {commits} commit(s) that `{source_branch}` of the agent has not: it cannot just move forward"
    )]
    NotForward { branch: String, source_branch: String, commits: u64 },
    #[error("`{}` has no branch checked out", place.display())]
    Detached { place: PathBuf, hint: &'static str },
    #[error("the branch `{branch}` is checked out in `{}`", holder.display())]
    HeldElsewhere { branch: String, holder: PathBuf },
    #[error("`rsync` is not installed on {place}")]
    NoRsync { place: String },
    #[error("rsync exited with status {}{}", code.map_or_else(|| "unknown".to_owned(), |code| code.to_string()), if stderr.is_empty() { String::new() } else { format!(": {stderr}") })]
    Rsync { code: Option<i32>, stderr: String },
    #[error("there is no directory `{}`", place.display())]
    NoDirectory { place: PathBuf },
    #[error("`{}` is in no git repository", place.display())]
    NoRepository { place: PathBuf },
    #[error("`{argument}` would expose the `.git` of the destination")]
    TouchesGit { argument: String },
}

/// At most ten of them, behind a colon.
fn listed(paths: &[PathBuf]) -> String {
    const SHOWN: usize = 10;
    if paths.is_empty() {
        return String::new();
    }
    let shown: Vec<String> = paths.iter().take(SHOWN).map(|path| format!("`{}`", path.display())).collect();
    let rest = paths.len().saturating_sub(SHOWN);
    let more = if rest == 0 { String::new() } else { format!(" and {rest} more") };
    format!(": {}{more}", shown.join(", "))
}

/// The command that brings back what was set aside.
pub(super) fn apply_command(place: &Path, what: &str) -> String {
    format!("git -C {} stash apply --index {what}", quote(&place.display().to_string()))
}

impl Explain for SyncError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::NoRsync { .. } => ErrorClass::BinaryNotInstalled,
            Self::Rsync { .. } => ErrorClass::Host,
            Self::NoDirectory { .. } | Self::NoRepository { .. } | Self::TouchesGit { .. } => {
                ErrorClass::UserInput
            }
            _ => ErrorClass::Git,
        }
    }

    fn hint(&self) -> Option<String> {
        let at = |place: &Path| quote(&place.display().to_string()).into_owned();
        Some(match self {
            Self::Uncommitted { paths, .. } if paths.is_empty() => {
                "none of them is in the way: `--uncommitted-changes merge` leaves them as they are; \
                 `stash` and `clobber` set them aside"
                    .into()
            }
            Self::Uncommitted { .. } => {
                "commit them, or choose with `--uncommitted-changes`: `merge` joins both, `stash` sets them \
                 aside, `clobber` overwrites them and keeps a backup"
                    .into()
            }
            Self::Unmovable { .. } => {
                "they are repositories of their own, or files hidden from git: move them yourself, or leave \
                 them out with `--exclude`"
                    .into()
            }
            Self::Conflict { .. } => {
                "nothing was changed; commit the changes of the destination and merge, or use \
                 `--uncommitted-changes stash`"
                    .into()
            }
            Self::MergeConflict { place, .. } => {
                format!("everything is as before; merge by hand in {}", at(place))
            }
            Self::InProgress { place, what } => format!("finish it: git -C {} {what} --continue", at(place)),
            Self::NotRestored { place, oid } => apply_command(place, oid),
            Self::Diverged { .. } => {
                "take its commits first with `mng pull AGENT --sync-mode git`, or overwrite them with `--mirror`"
                    .into()
            }
            Self::NotForward { .. } => "join both with `--merge` or `--rebase`".into(),
            Self::Detached { hint, .. } => (*hint).into(),
            Self::HeldElsewhere { .. } => {
                "merge there, or give another branch with `--target-branch`".into()
            }
            Self::NoRsync { .. } => "install the package `rsync`; `mng doctor` lists what is missing".into(),
            Self::NoRepository { .. } => "move files with `--sync-mode files`".into(),
            Self::TouchesGit { .. } => "leave it out: repositories are never copied over one another".into(),
            Self::Rsync { .. } | Self::NoDirectory { .. } => return None,
        })
    }
}
