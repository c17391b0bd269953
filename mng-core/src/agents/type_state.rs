//! What an agent type can tell of a live program beyond that it lives: working, or waiting and for what.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::facts::{LaunchFacts, Markers, Seen};
use super::processes::{Process, ProcessTable, read_process_in};
use super::types::AgentType;
use crate::model::record::AgentRecord;
use crate::model::state::WaitingReason;
use crate::model::time::Time;
use crate::storage::SmallReader;

/// What a live program does, as its own files tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeState {
    /// `None`: it works.
    pub waiting: Option<WaitingReason>,
    /// One sentence, lower case, without a full stop.
    pub reason: String,
    /// Since when.
    pub since: Option<Time>,
    /// Names the evidence: `registry`, `rollout`.
    pub signal: &'static str,
    /// What the evidence said, for `mng why`.
    pub value: String,
}

/// Where a look at one agent's files starts.
pub struct TypeLook<'a> {
    /// `A`, or what stands for it: see [`super::mirror`].
    pub state_dir: &'a Path,
    pub record: &'a AgentRecord,
    /// The moment of the look.
    pub at: Time,
    /// What the launch script wrote; its process is the shell line that started the program.
    pub launch: Option<&'a LaunchFacts>,
    pub markers: Markers,
    /// For files of a few kilobytes.
    pub reader: &'a mut SmallReader,
    pub processes: ProcessView<'a>,
}

/// How a look sees single processes.
#[derive(Clone, Copy, Debug)]
pub enum ProcessView<'a> {
    /// In `/proc`, or in a recording of it.
    Files(&'a Path),
    /// In what came from another machine.
    Table(&'a ProcessTable),
    /// Not at all; completes "cannot see …: ".
    Hidden(&'a str),
}

impl TypeLook<'_> {
    /// Whether there is a process of that number, which may be another one by now; `None` if that cannot be told
    /// without starting a program.
    #[must_use]
    pub fn has_process(&self, pid: i32) -> Option<bool> {
        match self.processes {
            ProcessView::Files(proc_dir) => Some(proc_dir.join(pid.to_string()).exists()),
            ProcessView::Table(table) => Some(table.get(pid).is_some()),
            ProcessView::Hidden(_) => None,
        }
    }

    /// One process now; `Yes(None)` if it is gone.
    pub fn process(&mut self, pid: i32) -> Seen<Option<Process>> {
        match self.processes {
            ProcessView::Files(proc_dir) => match read_process_in(proc_dir, self.reader, pid) {
                Ok(process) => Seen::Yes(process),
                Err(error) => Seen::No(error.to_string()),
            },
            ProcessView::Table(table) => Seen::Yes(table.get(pid).cloned()),
            ProcessView::Hidden(why) => Seen::No(why.to_owned()),
        }
    }
}

/// Reads a program's own files for its state. Called once an agent in every listing: a few small files, no
/// process.
pub trait StateProbe: Send + Sync + fmt::Debug {
    /// What the program does if it lives; `None` when its files do not tell, so that the markers decide.
    fn look(&self, look: &mut TypeLook<'_>) -> Option<TypeState>;

    /// Corrects what the files told by the title that the program gave its terminal, for programs that show
    /// their state there.
    fn with_title(&self, seen: Option<TypeState>, _title: &str, _at: Time) -> Option<TypeState> {
        seen
    }
}

/// A type as part of plain facts: two are equal if they are the same one.
#[derive(Clone, Debug)]
pub struct TypeHandle(pub Arc<dyn AgentType>);

impl PartialEq for TypeHandle {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for TypeHandle {}

/// A probe as part of plain facts: two are equal if they are the same one.
#[derive(Clone, Debug)]
pub struct ProbeHandle(pub Arc<dyn StateProbe>);

impl PartialEq for ProbeHandle {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for ProbeHandle {}
