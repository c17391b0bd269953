//! Moving files and commits between two directories, each on a host: one engine for `push`, `pull`, `rsync`,
//! `git` and `pair`.
//!
//! A plan is made first, with commands that only read: what would be written, and what of it somebody has
//! changed without committing. Then it is refused, or carried out. So a dry run is the first half.
//!
//! | on the way | where it lies | how it comes back |
//! |---|---|---|
//! | changes that were set aside | an entry of the stash, known by its object id | applied again, or named to the person |
//! | changes that may be overwritten | `refs/mng/backup/<utc>-<hex>`, made like an entry of the stash | `git stash apply --index REF` |
//! | references that a mirror overwrites | `refs/mng/backup/<utc>-<hex>/…` | `git branch NAME REF` |
//! | commits on their way in | `refs/mng/incoming/<hex>` | removed by this run, or the next |
//!
//! Nothing is written to anybody's git configuration.

mod backup;
mod by_hand;
mod commits;
mod dirty;
mod error;
#[cfg(test)]
mod far_tests;
mod files;
mod guard;
mod hashes;
mod manifest;
mod paths;
mod pull;
mod push;
mod rsync;
mod rules;
mod side;
mod stash;
mod three_way;

pub use by_hand::{ByHand, End};
pub use commits::{GitReport, ahead};
pub use error::SyncError;
pub use files::{FilesReport, FilesRequest, files};
pub use guard::{Shelf, Uncommitted};
pub(crate) use manifest::short_name;
pub use pull::{Joining, PullRequest, pull};
pub use push::{PushRequest, push};
pub use rsync::{Counts, check_installed};
pub use rules::Rules;
pub use side::{Reach, Side};
