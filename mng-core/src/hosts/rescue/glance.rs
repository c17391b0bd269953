//! What a removal would have to keep, before anything is done.

use super::LostItem;
use super::capture::View;
use crate::hosts::Host;
use crate::hosts::git::RepoInfo;
use crate::model::error::Result;

/// What is in a worktree beside its commits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Glance {
    /// Tracked files that differ from `HEAD`.
    pub changed_files: usize,
    pub untracked_files: usize,
    /// Ignored files that are too big to be kept.
    pub lost: Vec<LostItem>,
}

/// Looks at a worktree as a removal would.
///
/// # Errors
/// git fails, or cannot look into a directory.
pub async fn glance(host: &Host, repo: RepoInfo) -> Result<Glance> {
    View::of(host, repo, None).await.map(View::into_glance)
}
