//! Where an agent's conversations lie, and what the records in them say.

mod convert;
mod record;
#[cfg(test)]
mod recorded;
#[cfg(test)]
mod tests;

use std::fs;
use std::io::{self, BufRead as _, Read as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use mng_core::agents::mirror::{FilePart, WatchedFile};
use mng_core::agents::transcript::{Converter, TranscriptSource};
use mng_core::{Error, Result};
use serde_json::Value;

use self::convert::ClaudeConverter;
use crate::conversations;
use crate::places::ISOLATED_DIR;

/// How far into a file the program's version is looked for, in bytes.
const HEAD: u64 = 256 * 1024;

/// The session files of an agent, each followed by those of its sub-agents, which newer versions keep apart:
/// `<session>/subagents/agent-<id>.jsonl`.
#[derive(Debug)]
pub(crate) struct ClaudeTranscript {
    /// `emit_common_transcript`.
    pub(crate) is_kept: bool,
}

/// The conversations of an agent, for agents of other machines.
pub(crate) const CONVERSATIONS: [WatchedFile; 5] = [
    WatchedFile::new("claude_session_id_history", FilePart::Whole),
    WatchedFile::new("claude_session_id", FilePart::Whole),
    WatchedFile::new("claude_transcript_path", FilePart::Path),
    WatchedFile::new("plugin/claude/anthropic/projects/*/*.jsonl", FilePart::All),
    WatchedFile::new("plugin/claude/anthropic/projects/*/*/subagents/*.jsonl", FilePart::All),
];

impl TranscriptSource for ClaudeTranscript {
    fn name(&self) -> &'static str {
        "claude"
    }

    fn sessions(&self, state_dir: &Path) -> Result<Vec<PathBuf>> {
        let ids = session_ids(state_dir)?;
        let mut projects = vec![state_dir.join(ISOLATED_DIR).join("projects")];
        // An agent that shares the person's directory: the hook's path lies in it.
        let named = read(&state_dir.join("claude_transcript_path"))?;
        let shared = named.as_deref().map(str::trim).map(Path::new).and_then(|path| path.ancestors().nth(2));
        projects.extend(shared.map(Path::to_path_buf));
        let mut found: Vec<PathBuf> = Vec::new();
        for id in &ids {
            let files = projects.iter().flat_map(|projects| conversations::find(projects, id));
            found.extend(files.take(1));
        }
        if ids.is_empty() {
            found = all_sessions(&projects[0])
                .map_err(|error| Error::io(format!("list `{}`", projects[0].display()), error))?;
        }
        let with_sub_agents = |session: PathBuf| {
            let below = sub_agents(&session);
            std::iter::once(session).chain(below)
        };
        Ok(found.into_iter().flat_map(with_sub_agents).collect())
    }

    fn files(&self) -> Vec<WatchedFile> {
        CONVERSATIONS.to_vec()
    }

    fn converter(&self, _session: &Path) -> Box<dyn Converter> {
        Box::new(ClaudeConverter::default())
    }

    fn program_version(&self, session: &Path) -> Option<String> {
        let head = io::BufReader::new(fs::File::open(session).ok()?.take(HEAD));
        head.split(b'\n').map_while(std::result::Result::ok).find_map(|line| {
            let record: Value = serde_json::from_slice(&line).ok()?;
            Some(record.get("version")?.as_str()?.to_owned())
        })
    }

    fn is_kept(&self) -> bool {
        self.is_kept
    }
}

fn read(path: &Path) -> Result<Option<String>> {
    Ok(crate::places::read_file(path)?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

/// The sessions that the agent has had, oldest first. Lines are `<id>`, as the original wrote them, or
/// `<id> <source>`. Sessions of other programs in the same directory are not the agent's.
fn session_ids(state_dir: &Path) -> Result<Vec<String>> {
    let mut ids: Vec<String> = Vec::new();
    for name in ["claude_session_id_history", "claude_session_id"] {
        let text = read(&state_dir.join(name))?.unwrap_or_default();
        for id in text.lines().filter_map(|line| line.split_whitespace().next()) {
            if conversations::is_id(id) && !ids.iter().any(|known| known == id) {
                ids.push(id.to_owned());
            }
        }
    }
    Ok(ids)
}

/// The files of a session's sub-agents.
fn sub_agents(session: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(session.with_extension("").join("subagents")).into_iter().flatten().flatten();
    let is_session = |path: &PathBuf| path.extension().is_some_and(|ext| ext == "jsonl");
    let mut found: Vec<PathBuf> = files.map(|file| file.path()).filter(is_session).collect();
    found.sort();
    found
}

/// Every session below a `projects` directory, the one that was last written last.
fn all_sessions(projects: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found: Vec<(SystemTime, PathBuf)> = Vec::new();
    let dirs = match fs::read_dir(projects) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        dirs => dirs?,
    };
    for dir in dirs {
        let Ok(files) = fs::read_dir(dir?.path()) else { continue };
        for path in files.flatten().map(|file| file.path()) {
            let Ok(meta) = path.metadata() else { continue };
            if meta.is_file() && path.extension().is_some_and(|ext| ext == "jsonl") {
                found.push((meta.modified()?, path));
            }
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}
