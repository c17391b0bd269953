//! What can go wrong with git, told apart: "no repository" is an answer, a refusal or a timeout is not.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::model::error::{ErrorClass, Explain};
use crate::model::shell::quote;
use crate::transports::ExecOutput;

/// A git command that did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GitError {
    #[error("`{}` is not in a git repository", place.display())]
    NotARepository { place: PathBuf },
    #[error("there is no directory `{}`", place.display())]
    NoDirectory { place: PathBuf },
    /// `safe.directory`: git refuses to read a repository that somebody else owns.
    #[error("git does not trust the repository at `{}`: somebody else owns it", place.display())]
    Untrusted { place: PathBuf },
    #[error("`{}` is a git directory without files of its own", place.display())]
    NoWorkTree { place: PathBuf },
    #[error("the repository `{}` has no commits", place.display())]
    NoCommits { place: PathBuf },
    #[error("the repository `{}` has no branch, tag or commit `{rev}`", place.display())]
    UnknownRevision { place: PathBuf, rev: String },
    #[error("`{title}` did not finish within {} s in `{}`", after.as_secs(), place.display())]
    TimedOut { title: String, place: PathBuf, after: Duration },
    #[error("`{title}` failed in `{}`{}", place.display(), told(stderr))]
    Failed { title: String, place: PathBuf, code: Option<i32>, stderr: String },
}

fn told(stderr: &str) -> String {
    let text = stderr.trim();
    let text = text.strip_prefix("fatal: ").or_else(|| text.strip_prefix("error: ")).unwrap_or(text);
    if text.is_empty() { String::new() } else { format!(": {text}") }
}

impl GitError {
    /// What a failed command says, under `LC_ALL=C`.
    pub(crate) fn of(title: &str, place: &Path, output: &ExecOutput) -> Self {
        let place = place.to_path_buf();
        let stderr = output.stderr_text();
        // "not a git repository: /x/.git/worktrees/y" is a damaged link and stays a failure.
        if stderr.contains("fatal: not a git repository (or any") {
            return Self::NotARepository { place };
        }
        if stderr.contains("detected dubious ownership") || stderr.contains("fatal: unsafe repository") {
            return Self::Untrusted { place };
        }
        if stderr.starts_with("fatal: cannot change to ") {
            return Self::NoDirectory { place };
        }
        if stderr.contains("this operation must be run in a work tree") {
            return Self::NoWorkTree { place };
        }
        Self::Failed { title: title.to_owned(), place, code: output.code, stderr }
    }
}

impl Explain for GitError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::NotARepository { .. }
            | Self::NoDirectory { .. }
            | Self::NoCommits { .. }
            | Self::UnknownRevision { .. } => ErrorClass::UserInput,
            Self::TimedOut { .. } => ErrorClass::CommandTimeout,
            _ => ErrorClass::Git,
        }
    }

    fn hint(&self) -> Option<String> {
        let shown = |place: &Path| quote(&place.display().to_string()).into_owned();
        Some(match self {
            Self::NotARepository { .. } => "give a repository with `--from PATH`".into(),
            Self::Untrusted { place } => {
                format!("git config --global --add safe.directory {}", shown(place))
            }
            Self::NoWorkTree { .. } => "give one of its worktrees with `--from PATH`".into(),
            Self::NoCommits { place } => {
                format!("git -C {} commit --allow-empty -m 'first commit'", shown(place))
            }
            Self::UnknownRevision { place, .. } => {
                format!("git -C {} branch --all", shown(place))
            }
            _ => return None,
        })
    }
}
