//! What conversations cost: records per program, prices, sums.

mod aggregate;
mod prices;
mod record;
mod settings;

use std::fmt;
use std::path::Path;

pub use aggregate::{CostSum, Frame, Provenance, SessionReport, SourceReport, WindowReport, aggregate};
pub use prices::{FAST, Price, Prices};
pub use record::{Cost, CostMode, Tokens, UsageRecord, Window};
pub use settings::UsageSettings;

use super::mirror::WatchedFile;
use crate::model::error::Result;
use crate::model::time::Time;

/// Derives usage records from a program's own files. Works on the state dir of a live or stopped agent and on
/// the preserved copy of a destroyed one alike. Records that others wrote to `events/*/usage/events.jsonl`
/// (a status line, an extension, the original) are read beside it and need not be looked for.
pub trait UsageSource: Send + Sync + fmt::Debug {
    /// The type's root name, as in `events/<name>/usage` (`claude`, `pi-coding`).
    fn name(&self) -> &str;

    /// All that [`UsageSource::records`] looks at, below the state dir: of another machine nothing else is there.
    fn files(&self) -> Vec<WatchedFile> {
        Vec::new()
    }

    /// The records since that time, and the last one before it where records are cumulative: it is what the
    /// later ones are compared with. Older ones do no harm. Lines that cannot be read are skipped.
    ///
    /// # Errors
    /// The files are there and cannot be read.
    fn records(&self, state_dir: &Path, since: Time) -> Result<Vec<UsageRecord>>;
}
