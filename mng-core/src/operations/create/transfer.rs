//! How the files get to the work dir: the mode that fits, and the combinations that make no sense.

use std::path::Path;

use super::request::TransferChoice;
use crate::model::error::{Error, ErrorClass, Explain, Result};
use crate::model::record::TransferMode;

/// What the decision rests on.
#[derive(Clone, Copy, Debug)]
pub(super) struct TransferFacts<'a> {
    pub(super) choice: TransferChoice,
    /// False: `.git` stays behind.
    pub(super) include_git: bool,
    pub(super) is_git: bool,
    /// The source carries the repository, as opposed to a directory somewhere in it.
    pub(super) is_repo_root: bool,
    pub(super) is_same_host: bool,
    /// Absolute, symlinks resolved.
    pub(super) source: &'a Path,
    /// As asked for with `:PATH`, absolute, symlinks resolved where it exists.
    pub(super) target: Option<&'a Path>,
}

impl TransferFacts<'_> {
    fn is_in_place(&self) -> bool {
        self.is_same_host && self.target.is_some_and(|target| target == self.source)
    }
}

/// A mode that does not fit its source or target.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum TransferError {
    #[error("`--transfer {mode}` cannot work in the source itself: `{source_dir}` is also the work dir")]
    TargetIsSource { mode: &'static str, source_dir: String },
    #[error(
        "`--transfer rsync` would copy the repository `{source_dir}` with a `.git` that two agents share"
    )]
    RsyncOfRepository { source_dir: String },
    #[error("`--transfer {mode}` needs a git repository, and `{source_dir}` is none")]
    NoRepository { mode: &'static str, source_dir: String },
    #[error("a worktree cannot be on another host than its repository")]
    WorktreeAcrossHosts,
    #[error("`--transfer none` cannot bring the source to another host")]
    NoneAcrossHosts,
    #[error("`--transfer none` works in the source `{source_dir}`, not in `{target}`")]
    NoneElsewhere { source_dir: String, target: String },
    #[error("`--no-include-git` and `--transfer {mode}` contradict each other")]
    GitModeWithoutGit { mode: &'static str },
}

impl Explain for TransferError {
    fn class(&self) -> ErrorClass {
        ErrorClass::UserInput
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::TargetIsSource { .. } => "use `--transfer none`, or another path".into(),
            Self::RsyncOfRepository { .. } => {
                "use `--transfer git-mirror` for a copy with its history, `git-worktree` for a worktree, or add \
                 `--no-include-git`"
                    .into()
            }
            Self::NoRepository { .. } => {
                "use `--transfer rsync` for a copy, `--transfer none` to work in it, or run `git init` there".into()
            }
            Self::WorktreeAcrossHosts | Self::NoneAcrossHosts => {
                "use `--transfer git-mirror` for a repository, `rsync` for other files".into()
            }
            Self::NoneElsewhere { target, .. } => {
                format!("leave the path out, or make `{target}` the source with `--from`")
            }
            Self::GitModeWithoutGit { .. } => "use `--transfer rsync`".into(),
        })
    }
}

/// The mode for one create.
///
/// # Errors
/// A mode was asked for that does not fit.
pub(super) fn decide(facts: &TransferFacts<'_>) -> Result<TransferMode> {
    let mode = match facts.choice {
        TransferChoice::Mode(mode) => mode,
        TransferChoice::Copy if facts.is_git && facts.include_git => TransferMode::GitMirror,
        TransferChoice::Copy => TransferMode::Rsync,
        TransferChoice::Auto if facts.is_in_place() => TransferMode::None,
        TransferChoice::Auto if !facts.is_git || !facts.include_git => TransferMode::Rsync,
        TransferChoice::Auto if facts.is_same_host => TransferMode::GitWorktree,
        TransferChoice::Auto => TransferMode::GitMirror,
    };
    check(mode, facts).map_err(Error::from)?;
    Ok(mode)
}

fn check(mode: TransferMode, facts: &TransferFacts<'_>) -> Result<(), TransferError> {
    let source_dir = || facts.source.display().to_string();
    let word = mode.as_str();
    match mode {
        TransferMode::None if !facts.is_same_host => return Err(TransferError::NoneAcrossHosts),
        TransferMode::None => {
            if let Some(target) = facts.target.filter(|target| *target != facts.source) {
                let target = target.display().to_string();
                return Err(TransferError::NoneElsewhere { source_dir: source_dir(), target });
            }
            return Ok(());
        }
        _ if facts.is_in_place() => {
            return Err(TransferError::TargetIsSource { mode: word, source_dir: source_dir() });
        }
        TransferMode::Rsync if facts.is_git && facts.is_repo_root && facts.include_git => {
            return Err(TransferError::RsyncOfRepository { source_dir: source_dir() });
        }
        TransferMode::Rsync => return Ok(()),
        TransferMode::GitMirror | TransferMode::GitWorktree => {}
    }
    if !facts.is_git {
        return Err(TransferError::NoRepository { mode: word, source_dir: source_dir() });
    }
    if !facts.include_git {
        return Err(TransferError::GitModeWithoutGit { mode: word });
    }
    if mode == TransferMode::GitWorktree && !facts.is_same_host {
        return Err(TransferError::WorktreeAcrossHosts);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(choice: TransferChoice) -> TransferFacts<'static> {
        TransferFacts {
            choice,
            include_git: true,
            is_git: true,
            is_repo_root: true,
            is_same_host: true,
            source: Path::new("/src"),
            target: None,
        }
    }

    fn refused(facts: &TransferFacts<'_>) -> String {
        let error = decide(facts).unwrap_err();
        assert!(error.hint().is_some());
        error.to_string()
    }

    #[test]
    fn the_default_fits_source_and_target() {
        use TransferMode::{GitMirror, GitWorktree, None, Rsync};
        let auto = facts(TransferChoice::Auto);
        assert_eq!(decide(&auto).unwrap(), GitWorktree);
        assert_eq!(decide(&TransferFacts { is_same_host: false, ..auto }).unwrap(), GitMirror);
        assert_eq!(decide(&TransferFacts { is_git: false, ..auto }).unwrap(), Rsync);
        assert_eq!(decide(&TransferFacts { include_git: false, ..auto }).unwrap(), Rsync);
        assert_eq!(decide(&TransferFacts { target: Some(Path::new("/src")), ..auto }).unwrap(), None);
        assert_eq!(decide(&TransferFacts { target: Some(Path::new("/dst")), ..auto }).unwrap(), GitWorktree);
        let copy = facts(TransferChoice::Copy);
        assert_eq!(decide(&copy).unwrap(), GitMirror);
        assert_eq!(decide(&TransferFacts { is_git: false, ..copy }).unwrap(), Rsync);
    }

    #[test]
    fn modes_that_do_not_fit_are_refused() {
        let with = |mode| facts(TransferChoice::Mode(mode));
        let none = with(TransferMode::None);
        assert_eq!(decide(&none).unwrap(), TransferMode::None);
        insta::assert_snapshot!(
            refused(&TransferFacts { target: Some(Path::new("/dst")), ..none }),
            @"`--transfer none` works in the source `/src`, not in `/dst`"
        );
        insta::assert_snapshot!(
            refused(&TransferFacts { is_same_host: false, ..none }),
            @"`--transfer none` cannot bring the source to another host"
        );
        insta::assert_snapshot!(
            refused(&with(TransferMode::Rsync)),
            @"`--transfer rsync` would copy the repository `/src` with a `.git` that two agents share"
        );
        let below = TransferFacts { is_repo_root: false, ..with(TransferMode::Rsync) };
        assert_eq!(decide(&below).unwrap(), TransferMode::Rsync, "a directory without `.git` can be copied");
        let worktree = with(TransferMode::GitWorktree);
        insta::assert_snapshot!(
            refused(&TransferFacts { is_git: false, ..worktree }),
            @"`--transfer git-worktree` needs a git repository, and `/src` is none"
        );
        insta::assert_snapshot!(
            refused(&TransferFacts { is_same_host: false, ..worktree }),
            @"a worktree cannot be on another host than its repository"
        );
        insta::assert_snapshot!(
            refused(&TransferFacts { target: Some(Path::new("/src")), ..worktree }),
            @"`--transfer git-worktree` cannot work in the source itself: `/src` is also the work dir"
        );
        insta::assert_snapshot!(
            refused(&TransferFacts { include_git: false, ..with(TransferMode::GitMirror) }),
            @"`--no-include-git` and `--transfer git-mirror` contradict each other"
        );
    }
}
