//! The table of contents of one undo entry, `H/undo/<id>/manifest.json`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{EntryPath, LostItem};
use crate::hosts::{Host, HostLock};
use crate::model::error::{Error, ErrorClass, Result};
use crate::model::ids::{AgentId, HostId, random_hex};
use crate::model::order;
use crate::model::record::AgentRecord;
use crate::model::time::Time;

/// What this version writes; an entry with a higher number is left alone.
const SCHEMA_VERSION: u32 = 1;

/// Eight hex digits: short enough to type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UndoId(String);

impl UndoId {
    pub(super) fn generate() -> Self {
        Self(random_hex()[..8].to_owned())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UndoId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for UndoId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() == 8 && text.bytes().all(is_hex) {
            return Ok(Self(text.to_owned()));
        }
        Err(Error::input(format!("`{text}` is no undo id"), "mng undo --list"))
    }
}

/// Why something was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    Destroy,
    /// No agent used the work dir any more.
    Gc,
    /// A create that failed.
    Rollback,
    /// A forced update that moved the branch back.
    Update,
}

/// How far the entry has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum State {
    /// Copies are being made. Nothing has been removed; the entry may be dropped.
    Keeping,
    /// Everything is kept. The work dir may still be at its place.
    Kept,
    /// The work dir is being deleted at its place, because it could not be moved.
    Deleting,
    /// The removal is over.
    Done,
    /// The entry is being dropped.
    Dropping,
}

/// One undo entry.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Manifest {
    pub schema_version: u32,
    pub id: UndoId,
    pub created_at: Time,
    pub reason: Reason,
    pub(crate) state: State,
    pub host_id: HostId,
    pub host_name: String,
    pub agent: Option<KeptAgent>,
    pub work_dir: Option<KeptWorkDir>,
    /// The repository that may hold the rescue reference.
    #[serde(default)]
    pub(super) repository: Option<PathBuf>,
    /// What has been brought back.
    #[serde(default)]
    pub restored: Vec<RestoredAt>,
    /// A restore that has begun, so that one that died is continued rather than done twice.
    #[serde(default)]
    pub(super) intent: Option<Intent>,
}

/// The agent as it was.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KeptAgent {
    pub record: AgentRecord,
    /// Names of the variables in its env file, the built-in ones left out. Values are not kept.
    pub env_names: Vec<String>,
    /// What of its state dir lies in `agent/`.
    pub items: Vec<AgentItem>,
}

/// One file or directory of an agent's state dir.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentItem {
    pub rel_path: EntryPath,
    /// Why it could not be copied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// The work dir as it was.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KeptWorkDir {
    pub path: PathBuf,
    pub kind: WorkDirKind,
    /// Holds `work_dir` and `nested`: the undo directory, or a directory beside the work dir when that is
    /// on another file system.
    pub shelf: PathBuf,
    /// The repository that the work dir was a worktree of.
    pub git: Option<KeptGit>,
    /// Repositories inside the work dir, by their place in `nested/`.
    #[serde(default)]
    pub nested: Vec<Nested>,
    /// Ignored files that were not kept.
    #[serde(default)]
    pub lost: Vec<LostItem>,
    /// How many files differed from `HEAD`, untracked ones included.
    #[serde(default)]
    pub changed_files: usize,
    /// Why a worktree was moved whole instead of being kept in its repository.
    #[serde(default)]
    pub note: Option<String>,
}

/// How a work dir is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WorkDirKind {
    /// In a rescue commit.
    Worktree,
    /// Whole, in the shelf.
    Moved,
    /// It was gone already; only its commits are kept.
    Missing,
    /// It was not removed.
    Stays,
}

/// What is kept in a repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptGit {
    pub common_dir: PathBuf,
    /// `HEAD`; `None` when the branch had no commit.
    pub head: Option<String>,
    /// The branch that was checked out; `None` when detached.
    pub branch: Option<String>,
    /// The branch that was made for the agent, and its tip.
    pub created_branch: Option<String>,
    pub created_branch_tip: Option<String>,
    /// What `refs/mng/rescue/<id>` points at.
    pub commit: String,
    /// A commit with the index as its tree, if that differed from `HEAD`.
    pub index_commit: Option<String>,
    /// The patterns of a sparse check-out, and whether they are in cone mode.
    #[serde(default)]
    pub sparse: Option<Sparse>,
    /// A merge, rebase or the like that was stopped half-way; it is not continued after a restore.
    #[serde(default)]
    pub in_progress: Vec<String>,
}

/// A sparse check-out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sparse {
    pub cone: bool,
    pub patterns: String,
}

/// A repository inside the work dir.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nested {
    /// Relative to the work dir.
    pub path: EntryPath,
    /// Its git directory, when that goes with the worktree's own one and has to move along.
    pub git_dir: Option<PathBuf>,
}

/// One restore that was finished.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RestoredAt {
    pub at: Time,
    pub agent_id: Option<AgentId>,
    pub work_dir: Option<PathBuf>,
    pub branch: Option<String>,
}

/// The names that a restore has settled on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Intent {
    pub(super) work_dir: Option<PathBuf>,
    pub(super) branch: Option<String>,
    pub(super) created_branch: Option<String>,
    pub(super) agent_id: Option<AgentId>,
    pub(super) agent_name: Option<String>,
}

impl KeptWorkDir {
    /// Where the work dir is after it was taken out of its place.
    #[must_use]
    pub fn moved_to(&self) -> PathBuf {
        self.shelf.join("work_dir")
    }

    pub(crate) fn nested_place(&self, number: usize) -> PathBuf {
        self.shelf.join("nested").join(number.to_string())
    }
}

impl Manifest {
    pub(super) fn new(host: &Host, reason: Reason) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            id: UndoId::generate(),
            created_at: Time::now(),
            reason,
            state: State::Keeping,
            host_id: host.info.id.clone(),
            host_name: host.info.name.to_string(),
            agent: None,
            work_dir: None,
            repository: None,
            restored: Vec::new(),
            intent: None,
        }
    }

    /// `H/undo/<id>`.
    #[must_use]
    pub fn dir(&self, host: &Host) -> PathBuf {
        dir_of(host, &self.id)
    }

    pub(crate) async fn write(&self, host: &Host, _lock: &HostLock) -> Result<()> {
        let bytes = serde_json::to_vec_pretty(self)
            .map_err(|error| Error::io("encode an undo entry", std::io::Error::other(error)))?;
        host.transport.write(&self.dir(host).join(FILE), &bytes, 0o600).await
    }

    /// The name of the agent that it is about.
    #[must_use]
    pub fn agent_name(&self) -> Option<&str> {
        self.agent.as_ref().map(|agent| agent.record.name.as_str())
    }

    /// The kept commits and files in git, if there are any.
    #[must_use]
    pub fn git(&self) -> Option<&KeptGit> {
        self.work_dir.as_ref()?.git.as_ref()
    }

    /// The repository that its work dir belonged to, by the directory that all work trees share.
    #[must_use]
    pub fn repository(&self) -> Option<&Path> {
        self.repository.as_deref()
    }

    /// Whether it is about this repository.
    #[must_use]
    pub fn is_of_repository(&self, common_dir: &Path) -> bool {
        let recorded = || self.agent.as_ref().and_then(|agent| agent.record.git_common_dir());
        match self.git() {
            Some(git) => git.common_dir == common_dir,
            None => {
                recorded().as_deref() == Some(common_dir)
                    || common_dir.parent().is_some_and(|top| {
                        self.work_dir.as_ref().is_some_and(|work_dir| work_dir.path.starts_with(top))
                    })
            }
        }
    }

    /// Whether it can be offered to the person.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        matches!(self.state, State::Kept | State::Deleting | State::Done)
    }
}

pub(super) const FILE: &str = "manifest.json";

fn dir_of(host: &Host, id: &UndoId) -> PathBuf {
    host.layout.undo().join(id.as_str())
}

/// One entry; `None` if there is none of that id.
///
/// # Errors
/// Its manifest is damaged, or written by a newer version.
pub async fn read(host: &Host, id: &UndoId) -> Result<Option<Manifest>> {
    let path = dir_of(host, id).join(FILE);
    let Some(bytes) = host.transport.read(&path).await? else { return Ok(None) };
    let manifest: Manifest = serde_json::from_slice(&bytes).map_err(|error| {
        Error::io(format!("read the undo entry `{}`", path.display()), std::io::Error::other(error))
    })?;
    if manifest.schema_version > SCHEMA_VERSION {
        return Err(Error::hinted(
            ErrorClass::Mng,
            format!("the undo entry `{id}` was written by a newer mng"),
            "use that version to restore it",
        ));
    }
    Ok(Some(manifest))
}

/// Every entry that can be read, also unfinished ones, newest first.
pub(super) async fn all(host: &Host) -> Result<Vec<Manifest>> {
    let mut found = Vec::new();
    for name in host.transport.list_dir(&host.layout.undo()).await? {
        let Ok(id) = name.parse::<UndoId>() else { continue };
        match read(host, &id).await {
            Ok(manifest) => found.extend(manifest),
            Err(error) => tracing::warn!(%id, %error, "undo entry left alone"),
        }
    }
    order::sort_by(&mut found, |a: &Manifest, b| {
        b.created_at.cmp(&a.created_at).then_with(|| a.id.cmp(&b.id))
    });
    Ok(found)
}

/// What can be brought back, newest first. Damaged entries are left out, with a warning in the log.
///
/// # Errors
/// The undo directory cannot be read.
pub async fn list(host: &Host) -> Result<Vec<Manifest>> {
    let mut found = all(host).await?;
    found.retain(Manifest::is_usable);
    Ok(found)
}

/// The entry that a person means: by id, by the beginning of one (four digits at least), or the newest of
/// an agent's name or id.
///
/// # Errors
/// None, or more than one.
pub async fn find(host: &Host, text: &str) -> Result<Manifest> {
    let mut all = list(host).await?;
    let by_prefix: Vec<usize> =
        (0..all.len()).filter(|&n| text.len() >= 4 && all[n].id.as_str().starts_with(text)).collect();
    let is_named = |entry: &Manifest| {
        entry
            .agent
            .as_ref()
            .is_some_and(|agent| agent.record.name.as_str() == text || agent.record.id.as_str() == text)
    };
    let place = match (by_prefix.as_slice(), all.iter().position(is_named)) {
        // A name may look like the beginning of an id; whole ids go first.
        ([one], named) if all[*one].id.as_str() == text || named.is_none() => Some(*one),
        (_, Some(named)) => Some(named),
        ([], None) => None,
        _ => {
            return Err(Error::input(
                format!("`{text}` is the beginning of several undo ids"),
                "mng undo --list",
            ));
        }
    };
    match place {
        Some(place) => Ok(all.swap_remove(place)),
        None => Err(Error::input(format!("nothing kept under `{text}`"), "mng undo --list")),
    }
}
