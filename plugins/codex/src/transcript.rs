//! Where the conversations of an agent lie.

use std::path::{Path, PathBuf};

use mng_core::agents::mirror::{FilePart, WatchedFile};
use mng_core::agents::transcript::{Converter, TranscriptSource};
use mng_core::{Error, Result};

use crate::convert::RolloutConverter;
use crate::home::AgentFiles;
use crate::probe::ROLLOUTS;
use crate::rollout::{self, Meta};

/// The rollouts in an agent's private home.
#[derive(Debug)]
pub(crate) struct CodexTranscript {
    pub(crate) is_kept: bool,
}

impl TranscriptSource for CodexTranscript {
    fn name(&self) -> &'static str {
        "codex"
    }

    fn sessions(&self, state_dir: &Path) -> Result<Vec<PathBuf>> {
        let sessions = AgentFiles(state_dir).sessions();
        let found = rollout::find_all(&sessions)
            .map_err(|error| Error::io(format!("list `{}`", sessions.display()), error))?;
        Ok(found.into_iter().map(|rollout| rollout.path).collect())
    }

    fn files(&self) -> Vec<WatchedFile> {
        vec![WatchedFile::new(ROLLOUTS, FilePart::All)]
    }

    fn converter(&self, session: &Path) -> Box<dyn Converter> {
        self.converter_at(session, 0)
    }

    fn converter_at(&self, session: &Path, offset: u64) -> Box<dyn Converter> {
        let meta = Meta::read(session).ok().flatten();
        let sub_agent = meta.filter(Meta::is_sub_agent).map(|meta| meta.agent_nickname.unwrap_or_default());
        let thread = rollout::thread_of(session).unwrap_or("codex");
        Box::new(RolloutConverter::new(thread, sub_agent, offset))
    }

    fn program_version(&self, session: &Path) -> Option<String> {
        Meta::read(session).ok()??.cli_version
    }

    fn is_kept(&self) -> bool {
        self.is_kept
    }
}
