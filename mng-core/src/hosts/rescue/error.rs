//! Why something cannot be kept or brought back. Nothing was removed then.

use std::path::PathBuf;

use super::UndoId;
use crate::model::error::{ErrorClass, Explain};

/// A refusal of the rescue.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RescueError {
    #[error("cannot keep what is in `{}`, so it stays: {why}", path.display())]
    CannotKeep { path: PathBuf, why: String },
    #[error("the undo entry `{id}` has no {what} to bring back")]
    NothingOfThat { id: UndoId, what: &'static str },
    #[error("the repository `{}`, which holds the commits of undo entry `{id}`, is gone", path.display())]
    RepositoryGone { id: UndoId, path: PathBuf },
    #[error("the rescue commit of undo entry `{id}` is no longer in `{}`", path.display())]
    CommitGone { id: UndoId, path: PathBuf },
    #[error("the kept work dir of undo entry `{id}` is no longer at `{}`", path.display())]
    FilesGone { id: UndoId, path: PathBuf },
}

impl Explain for RescueError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::NothingOfThat { .. } => ErrorClass::UserInput,
            Self::RepositoryGone { .. } | Self::CommitGone { .. } => ErrorClass::Git,
            _ => ErrorClass::Host,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::CannotKeep { .. } => "put it right, then run the command again".into(),
            Self::NothingOfThat { .. } | Self::FilesGone { .. } => "mng undo --list".into(),
            Self::RepositoryGone { path, .. } => format!("move the repository back to `{}`", path.display()),
            Self::CommitGone { .. } => "another clone of the repository may have it".into(),
        })
    }
}
