//! What one look at a host saw, unjudged. Pure data: [`super::judge`] reads it, [`super::probe`] fills it.

use std::sync::Arc;
use std::time::Duration;

use super::launch::LaunchFile;
use super::mirror::WatchedFile;
use super::type_state::{ProbeHandle, TypeHandle, TypeState};
use super::types::AgentType;
use crate::model::error::{Error, Result};
use crate::model::ids::AgentId;
use crate::model::record::{AgentRecord, HostRecord};
use crate::model::time::Time;
use crate::providers::HostResources;

/// Something that was looked for: what was there, or why it could not be seen. Not seen is never absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen<T> {
    Yes(T),
    /// Completes "cannot see …: ".
    No(String),
}

/// What the judgement has to know of an agent's type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TypeTraits {
    /// Names under which the program shows in the process table.
    pub process_names: Vec<String>,
    /// The type is registered or configured here.
    pub is_known: bool,
    /// Turns are marked with `A/active`.
    pub tracks_activity: bool,
    /// The file under `A` that exists while a person must decide something.
    pub blocked_marker: Option<String>,
    /// Reads the program's own files; better than the markers where it can tell.
    pub probe: Option<ProbeHandle>,
    /// The type itself, if this mng has it.
    pub agent_type: Option<TypeHandle>,
}

impl TypeTraits {
    /// The traits of an agent whose type is at hand.
    #[must_use]
    pub fn of(agent_type: &Arc<dyn AgentType>, record: &AgentRecord) -> Self {
        let mut process_names = agent_type.process_names();
        if process_names.is_empty() {
            process_names.extend(program_of(&record.command));
        }
        Self {
            process_names,
            is_known: true,
            tracks_activity: agent_type.capabilities().tracks_activity,
            blocked_marker: agent_type.blocked_marker().map(str::to_owned),
            probe: agent_type.state_probe().map(ProbeHandle),
            agent_type: Some(TypeHandle(Arc::clone(agent_type))),
        }
    }

    /// Files that the type looks at.
    #[must_use]
    pub fn watched(&self) -> Vec<WatchedFile> {
        self.agent_type.as_ref().map(|handle| handle.0.watched_files()).unwrap_or_default()
    }

    /// The traits of an agent whose type this mng does not have.
    #[must_use]
    pub fn unknown(record: &AgentRecord) -> Self {
        Self { process_names: program_of(&record.command).into_iter().collect(), ..Self::default() }
    }
}

/// The program that a shell command line starts: the first word behind opening parentheses, without its
/// directories.
fn program_of(command: &str) -> Option<String> {
    let start = command.trim_start_matches(['(', ' ']);
    let word = if start.starts_with(['\'', '"']) {
        shlex::Shlex::new(start).next()?
    } else {
        start.split_whitespace().next()?.to_owned()
    };
    let name = word.rsplit('/').next()?;
    (!name.is_empty()).then(|| name.to_owned())
}

/// The agent's session and pane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionFacts {
    /// `$3`.
    pub id: String,
    pub name: String,
    /// It carries the agent's id; else the name is all that speaks for it.
    pub is_marked: bool,
    /// The agent's pane; `None` only in the moment in which the last one closes.
    pub pane: Option<PaneFacts>,
}

/// The agent's pane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaneFacts {
    /// `%7`.
    pub id: String,
    pub pid: i32,
    pub is_dead: bool,
    pub dead_status: Option<i32>,
    /// What tmux says is in the foreground.
    pub command: String,
    /// The title that its program gave the terminal.
    pub title: String,
}

/// What the launch file says, and whether that is so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaunchFacts {
    pub file: LaunchFile,
    pub modified: Time,
    /// Whether the process in the file runs; `Yes(false)` also without one.
    pub is_alive: Seen<bool>,
}

/// A process in the agent's pane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeProcess {
    pub pid: i32,
    /// The program's name: at most 15 bytes on Linux.
    pub name: Box<str>,
}

/// When the marker files of a turn were written, if they exist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Markers {
    /// A turn is in progress.
    pub active: Option<Time>,
    /// A person must decide something.
    pub blocked: Option<Time>,
}

/// When things last happened, by the times of the activity files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    pub start: Option<Time>,
    pub user: Option<Time>,
    pub agent: Option<Time>,
}

/// What an agent uses of its host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Processor time of its processes; with a control group also of those that have ended.
    pub cpu: Duration,
    /// Resident memory in bytes.
    pub memory: u64,
}

/// One agent, as seen at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct AgentFacts {
    pub at: Time,
    pub record: AgentRecord,
    pub traits: TypeTraits,
    /// `Yes(None)`: it has no session.
    pub session: Seen<Option<SessionFacts>>,
    /// Another agent's session has the name that this agent's would have.
    pub name_taken_by: Option<AgentId>,
    pub launch: Option<LaunchFacts>,
    /// The pane's process and all that descends from it, breadth first; `None` if nothing depended on it.
    pub tree: Option<Seen<Vec<TreeProcess>>>,
    pub markers: Markers,
    /// What the program's own files tell, if it lives.
    pub type_state: Option<TypeState>,
    pub activity: Activity,
    /// `A/status/url`, as some process of the host wrote it.
    pub url: Option<String>,
    /// `None` if not asked for, or nothing of it runs.
    pub usage: Option<Usage>,
}

/// A host, as seen at one moment.
#[derive(Debug)]
pub struct HostFacts {
    pub at: Time,
    pub boot_time: Option<Time>,
    pub uptime: Option<Duration>,
    /// `None`: the host has no means to tell.
    pub is_locked: Option<bool>,
    /// When the lock was last taken, while it is held.
    pub locked_time: Option<Time>,
    /// Last sign of an ssh connection.
    pub ssh_activity: Option<Time>,
    /// By id.
    pub agents: Vec<AgentFacts>,
    /// Agents whose record cannot be read, with the reason.
    pub damaged: Vec<(AgentId, Error)>,
    /// The host's own record, if it came in the same round trip.
    pub record: Option<Result<HostRecord>>,
    /// Likewise, if they were asked for.
    pub resources: Option<HostResources>,
}

#[cfg(test)]
mod tests {
    use super::program_of;

    #[test]
    fn the_program_of_a_command_line() {
        for (line, program) in [
            ("sleep 1000", Some("sleep")),
            ("( /usr/bin/claude --model x )", Some("claude")),
            ("'/my dir/run it' now", Some("run it")),
            ("", None),
            ("((", None),
            ("while read l; do :; done", Some("while")),
        ] {
            assert_eq!(program_of(line).as_deref(), program, "{line}");
        }
    }
}
