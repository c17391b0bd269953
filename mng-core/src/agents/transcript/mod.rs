//! Conversations: from each program's own files to the common records (ATIF).

use std::fmt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::model::error::Result;

/// How a type's conversations lie on disk. Works on the state dir of a live or stopped agent and on the
/// preserved copy of a destroyed one alike: both have the same relative paths.
pub trait TranscriptSource: Send + Sync + fmt::Debug {
    /// The type's root name, as in `events/<name>/common_transcript` (`claude`, `pi-coding`).
    fn name(&self) -> &'static str;

    /// The program's own files of this agent's conversations, oldest first.
    ///
    /// # Errors
    /// The directory is there and cannot be read.
    fn sessions(&self, state_dir: &Path) -> Result<Vec<PathBuf>>;

    /// Reads one of these files from its start.
    fn converter(&self, session: &Path) -> Box<dyn Converter>;
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
}
