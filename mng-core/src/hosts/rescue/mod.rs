//! What destroy keeps, so that `mng undo` can bring it back.
//!
//! Before a work dir goes, its content is kept in `H/undo/<id>/` and, for a worktree, in the commit
//! `refs/mng/rescue/<id>` of the repository it belongs to:
//!
//! | what | where |
//! |---|---|
//! | tracked and untracked files that differ from `HEAD`, raw bytes | tree of the rescue commit |
//! | what was staged | second parent of the rescue commit |
//! | `HEAD`, the branch made for the agent, a stopped merge's other side | parents of the rescue commit |
//! | ignored files, smallest first, 32 MiB together | `ignored.tar`, mode 0600 |
//! | permissions, empty directories | `modes` |
//! | repositories inside the work dir, submodules | moved to `nested/` |
//! | a work dir that is its own repository or none, or that git cannot read | moved whole to `work_dir/` |
//! | the agent's record, names of its variables, transcripts, events | `manifest.json`, `agent/` |
//!
//! What git calls unchanged comes back as git checks it out. Not kept are: values of variables; the reflog
//! and the private configuration of the worktree; that a file was hidden from git; times of files.
//!
//! The steps of a removal, of which any may be the last before a crash: the manifest says `keeping`; copies
//! are made; the manifest says `kept`; one rename takes the work dir out of its place; the rest is cleaning
//! up. So a work dir is either whole at its place, and is kept anew, or whole in the undo directory.

mod agent;
mod capture;
#[cfg(test)]
mod crash_tests;
mod entry_path;
#[cfg(test)]
mod entry_tests;
mod error;
mod expire;
mod far;
#[cfg(test)]
mod far_tests;
mod glance;
mod ignored;
mod keep;
mod manifest;
mod modes;
mod nested;
#[cfg(test)]
mod random_tests;
mod restore;
mod restore_files;
mod scratch;
mod take_away;
#[cfg(test)]
mod tests;
mod walk;

pub(crate) use agent::copy_here;
pub use entry_path::EntryPath;
pub use error::RescueError;
pub use expire::{expire, sweep};
pub use glance::{Glance, glance};
pub use ignored::{IGNORED_LIMIT, LostItem};
pub(crate) use keep::{KeepRequest, keep};
pub(crate) use manifest::State;
pub use manifest::{
    KeptAgent, KeptGit, KeptWorkDir, Manifest, Nested, Reason, UndoId, WorkDirKind, find, list, read,
};
pub use restore::{EnvOf, Only, Restored, restore};
pub(crate) use take_away::{remove_admin, take_away};
pub(crate) use walk::remove_tree;

/// Where a rescue commit is referred to.
#[must_use]
pub fn rescue_ref(id: &UndoId) -> String {
    format!("refs/mng/rescue/{id}")
}
