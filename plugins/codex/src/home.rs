//! Where things of one agent lie below its state dir.

use std::path::{Path, PathBuf};

/// The program's home of one agent (`CODEX_HOME`), relative to its state dir.
pub(crate) const HOME: &str = "plugin/codex/home";
/// `A/codex_root_session`: the id of the conversation that the next start resumes. A contract with the Python
/// programs.
pub(crate) const ROOT_SESSION: &str = "codex_root_session";
/// `A/codex_transcript_path`: the rollout of that conversation.
pub(crate) const TRANSCRIPT_PATH: &str = "codex_transcript_path";
/// `A/codex_process_started`: touched by the launch script.
pub(crate) const PROCESS_STARTED: &str = "codex_process_started";
/// `A/initial_prompt` after the launch script has taken it.
pub(crate) const SENT_PROMPT: &str = "initial_prompt.sent";

/// One agent's files.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AgentFiles<'a>(pub(crate) &'a Path);

impl AgentFiles<'_> {
    pub(crate) fn home(self) -> PathBuf {
        self.0.join(HOME)
    }

    pub(crate) fn sessions(self) -> PathBuf {
        self.home().join("sessions")
    }

    /// One JSON object a line for each message that the program has taken from its input box, at once, also
    /// when a turn is in progress and the message waits.
    pub(crate) fn history(self) -> PathBuf {
        self.home().join("history.jsonl")
    }

    /// A file for each conversation that a process has open or had open.
    pub(crate) fn thread_locks(self) -> PathBuf {
        self.home().join("thread-writer-locks")
    }

    pub(crate) fn root_session(self) -> PathBuf {
        self.0.join(ROOT_SESSION)
    }

    pub(crate) fn transcript_path(self) -> PathBuf {
        self.0.join(TRANSCRIPT_PATH)
    }

    pub(crate) fn process_started(self) -> PathBuf {
        self.0.join(PROCESS_STARTED)
    }

    pub(crate) fn sent_prompt(self) -> PathBuf {
        self.0.join(SENT_PROMPT)
    }

    /// How far the rollout of a long turn has been searched for the turn's begin.
    pub(crate) fn turn_position(self) -> PathBuf {
        self.0.join("plugin/codex/turn_position")
    }
}
