//! Judges a recorded moment of an agent with the probe and the judgement that `list` uses.

use std::path::Path;

use super::facts::{PaneFacts, Seen, SessionFacts, TypeTraits};
use super::judge::{Judgement, judge, needs_tree};
use super::probe::{Look, place, tree};
use super::processes::ProcessTable;
use crate::model::error::{Error, Result};
use crate::model::record::AgentRecord;
use crate::model::time::Time;
use crate::storage::{SmallReader, read_optional};

/// One moment in the life of an agent, put back on disk.
#[derive(Clone, Copy)]
pub struct Recording<'a> {
    /// The agent's state dir with its record, files and their times.
    pub state_dir: &'a Path,
    /// A directory with the `<pid>/stat` files of what ran.
    pub proc_dir: &'a Path,
    /// The moment of the look: ages count from there.
    pub at: Time,
    /// `None`: it had no session.
    pub pane: Option<&'a PaneFacts>,
}

/// What `list` would have said of the agent at that moment.
///
/// # Errors
/// Its record, or the recorded processes, cannot be read.
pub fn judge_recording(
    recording: &Recording<'_>,
    traits: &(dyn Fn(&AgentRecord) -> TypeTraits + Send + Sync),
) -> Result<Judgement> {
    let path = recording.state_dir.join("data.json");
    let bytes = read_optional(&path)?.unwrap_or_default();
    let record: AgentRecord = serde_json::from_slice(&bytes)
        .map_err(|error| Error::io(format!("read `{}`", path.display()), std::io::Error::other(error)))?;
    let session = SessionFacts {
        id: "$0".into(),
        name: record.name.to_string(),
        is_marked: true,
        pane: recording.pane.cloned(),
    };
    let mut look = Look {
        traits,
        activity: true,
        at: recording.at,
        proc_dir: Some(recording.proc_dir),
        reader: SmallReader::new(),
    };
    let mut facts = look.agent(recording.state_dir, record);
    if let Some(pane) = recording.pane {
        place(&mut facts, session);
        if needs_tree(&facts) {
            facts.tree = Some(Seen::Yes(tree(&ProcessTable::read_in(recording.proc_dir)?, pane.pid)));
        }
    }
    Ok(judge(&facts))
}
