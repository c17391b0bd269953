//! Conversations: from each program's own files to the common records (ATIF).

mod backward;
mod document;
mod follow;
#[cfg(test)]
mod follow_tests;
mod old;
mod read;
mod records;
mod session;
mod store;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};

pub use document::Document;
pub use follow::Follower;
pub use read::{Life, Part, Reading, Request, Sink};
pub use records::{Role, SCHEMA_VERSION, arguments};
use serde_json::Value;
pub use store::{Pass, Store};

use super::mirror::WatchedFile;
use crate::model::error::Result;

/// How a type's conversations lie on disk. Works on the state dir of a live or stopped agent and on the
/// preserved copy of a destroyed one alike: both have the same relative paths.
pub trait TranscriptSource: Send + Sync + fmt::Debug {
    /// The type's root name, as in `events/<name>/common_transcript` (`claude`, `pi-coding`).
    fn name(&self) -> &str;

    /// The program's own files of this agent's conversations, oldest first.
    ///
    /// # Errors
    /// The directory is there and cannot be read.
    fn sessions(&self, state_dir: &Path) -> Result<Vec<PathBuf>>;

    /// All that [`TranscriptSource::sessions`] and the converters look at, below the state dir: of another
    /// machine nothing else is there.
    fn files(&self) -> Vec<WatchedFile> {
        Vec::new()
    }

    /// Reads one of these files from its start.
    fn converter(&self, session: &Path) -> Box<dyn Converter>;

    /// Reads one of these files from the line that starts at byte `offset`, for the last records of a long
    /// one: what the lines before said is not known. A type whose ids depend on the place of a line needs
    /// the offset.
    fn converter_at(&self, session: &Path, _offset: u64) -> Box<dyn Converter> {
        self.converter(session)
    }

    /// The version of the program that wrote the file, as it says itself.
    fn program_version(&self, _session: &Path) -> Option<String> {
        None
    }

    /// Whether the common records are kept in a file (`emit_common_transcript`); else they are made anew for
    /// each reader.
    fn is_kept(&self) -> bool {
        true
    }
}

/// A line of a native file that cannot be understood; the reader skips it and warns once.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BadLine(pub String);

/// Turns native lines into common records. Pure, so that recorded files test it.
pub trait Converter: Send {
    /// Takes one line without its newline; appends the records that are complete with it (`step` and
    /// `observation` objects of the streaming form of ATIF-v1.7).
    ///
    /// # Errors
    /// The line is no record of the program.
    fn line(&mut self, line: &[u8], out: &mut Vec<Value>) -> Result<(), BadLine>;

    /// The file ends here for now: appends what was held back. `is_turn_over`: nothing more belongs to it.
    fn finish(&mut self, is_turn_over: bool, out: &mut Vec<Value>);

    /// Whether `finish` of a turn that is over would append anything. Whoever follows a conversation asks for
    /// the agent's state only if it would.
    fn is_holding(&self) -> bool {
        false
    }

    /// Nothing was written for a second, in the middle of a turn as it may be: appends what was held back for
    /// lines that belong to it and that can have none any more.
    fn settle(&mut self, _out: &mut Vec<Value>) {}

    /// What it must know to go on after the last line: tool names, records held back. Small, for it is stored
    /// after each pass. `None`: it cannot go on from here; the next pass reads again from where it last could,
    /// at worst from the start, and what is known already is dropped by `event_id`.
    fn checkpoint(&self) -> Option<Value> {
        None
    }

    /// Takes back what [`Converter::checkpoint`] gave; false if that means nothing to it.
    fn resume(&mut self, _checkpoint: &Value) -> bool {
        false
    }
}
