//! Why a work dir cannot be made, changed or removed.

use std::path::PathBuf;

use crate::model::error::{ErrorClass, Explain};
use crate::model::shell::quote;

/// A refusal: nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkDirError {
    #[error("`{}` has uncommitted changes: {}{}", source_dir.display(), shown.join(", "), more(*count, shown.len()))]
    Unclean { source_dir: PathBuf, count: usize, shown: Vec<String> },
    #[error("the work dir `{}` is taken: {what} is there", path.display())]
    TargetTaken { path: PathBuf, what: &'static str },
    #[error("the work dir `{}` would lie in its own source `{}`", path.display(), source_dir.display())]
    TargetInSource { path: PathBuf, source_dir: PathBuf },
    #[error("the branch `{branch}` exists already")]
    BranchExists { branch: String, repository: PathBuf },
    /// git keeps branches as paths: `mng` and `mng/x` exclude each other.
    #[error("the branch `{branch}` cannot be made beside the branch `{by}`")]
    BranchBlocked { branch: String, by: String },
    #[error("the branch `{branch}` is checked out at `{at}`, and git checks a branch out only once")]
    BranchCheckedOut { branch: String, at: String },
    #[error("`{path}` in `work_dir_extra_paths` must be a relative path that stays in the work dir")]
    ExtraPathEscapes { path: String },
    #[error("`{path}` in `work_dir_extra_paths` is to be shared, but the work dir has a file of that name")]
    ExtraPathTaken { path: String },
    #[error("the copy `{}` is not equal to its source: {what}", path.display())]
    CopyDiffers { path: PathBuf, what: String },
    #[error("transfer mode `{mode}` needs source and agent on one host")]
    OneHostOnly { mode: &'static str },
    #[error("`rsync` is not installed on host `{host}`, and is needed to {what}")]
    NoRsync { host: String, what: &'static str },
    #[error("the branch `{branch}` has {commits} commits that `{base}` does not have")]
    WouldLoseCommits { branch: String, base: String, commits: usize },
    #[error("the work dir `{}` has uncommitted changes in {count} files", path.display())]
    WouldLoseChanges { path: PathBuf, count: usize },
}

fn more(count: usize, shown: usize) -> String {
    match count.saturating_sub(shown) {
        0 => String::new(),
        rest => format!(" and {rest} more"),
    }
}

impl Explain for WorkDirError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::NoRsync { .. } => ErrorClass::BinaryNotInstalled,
            _ => ErrorClass::UserInput,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unclean { .. } => {
                "commit or stash them; or leave them behind with `--no-ensure-clean --exclude-unclean`, or take them along with \
                 `--no-ensure-clean`"
                    .into()
            }
            Self::TargetTaken { .. } => "give another path, or leave it out".into(),
            Self::TargetInSource { .. } => "give a path outside, or leave it out".into(),
            Self::BranchExists { branch, repository } => {
                let repository = repository.display().to_string();
                format!(
                    "work on it with `--branch {branch}`, choose another with `--branch :OTHER`, or, once it is \
                     merged, delete it: `git -C {} branch -d {branch}`",
                    quote(&repository)
                )
            }
            Self::BranchBlocked { by, .. } => {
                format!("choose another with `--branch :OTHER`, or rename it: `git branch -m {by} OTHER`")
            }
            Self::BranchCheckedOut { branch, at } => format!(
                "make a branch from it with `--branch {branch}:`, or work right there: `--from {} --transfer none`",
                quote(at)
            ),
            Self::ExtraPathEscapes { .. } => "mng config edit".into(),
            Self::ExtraPathTaken { .. } => "set it to `COPY`, or take it out of the settings".into(),
            Self::CopyDiffers { .. } => "the source is as it was; stop its agent, then try again".into(),
            Self::OneHostOnly { .. } => "use `--transfer git-mirror` for a repository, `rsync` for other files".into(),
            Self::NoRsync { .. } => "install `rsync`; `mng doctor` lists what is missing".into(),
            Self::WouldLoseCommits { .. } | Self::WouldLoseChanges { .. } => {
                "merge or commit the work first, or use `--force`: `mng undo` then brings it back".into()
            }
        })
    }
}
