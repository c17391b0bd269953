//! An undo entry as lists show it. The field names are the JSON contract.

use std::time::Duration;

use serde::Serialize;

use crate::hosts::rescue::{LostItem, Manifest, Reason, WorkDirKind};
use crate::model::time::Time;

/// One thing that can be brought back.
#[derive(Clone, Debug, Serialize)]
pub struct EntryView {
    pub undo_id: String,
    pub agent_id: Option<String>,
    pub agent_name: Option<String>,
    pub host_id: String,
    pub host_name: String,
    pub reason: Reason,
    pub created_at: Time,
    /// Seconds since then.
    pub age_seconds: u64,
    /// Seconds until `mng gc` may drop it; 0: at any time.
    pub expires_in_seconds: u64,
    pub repository: Option<String>,
    pub branch: Option<String>,
    pub work_dir: Option<String>,
    /// Whether the work dir comes back.
    pub has_files: bool,
    /// Files that differed from the last commit.
    pub changed_files: usize,
    /// Ignored files that were too big to keep.
    pub lost: Vec<LostItem>,
    /// Variables whose values were not kept.
    pub missing_env: Vec<String>,
    /// What was brought back already.
    pub restored: Vec<RestoredView>,
}

/// One finished restore.
#[derive(Clone, Debug, Serialize)]
pub struct RestoredView {
    pub at: Time,
    pub agent_id: Option<String>,
    pub branch: Option<String>,
    pub work_dir: Option<String>,
}

impl EntryView {
    pub(super) fn of(entry: &Manifest, now: Time, keep: Duration) -> Self {
        let agent = entry.agent.as_ref();
        let kept = entry.work_dir.as_ref();
        let git = entry.git();
        let age = entry.created_at.age(now);
        let has_files = kept.is_some_and(|kept| match kept.kind {
            WorkDirKind::Worktree | WorkDirKind::Moved => true,
            WorkDirKind::Missing => kept.git.is_some(),
            WorkDirKind::Stays => false,
        });
        Self {
            undo_id: entry.id.to_string(),
            agent_id: agent.map(|agent| agent.record.id.to_string()),
            agent_name: entry.agent_name().map(str::to_owned),
            host_id: entry.host_id.to_string(),
            host_name: entry.host_name.clone(),
            reason: entry.reason,
            created_at: entry.created_at,
            age_seconds: age.as_secs(),
            expires_in_seconds: keep.saturating_sub(age).as_secs(),
            repository: entry.repository().map(|path| path.to_string_lossy().into_owned()),
            branch: git.and_then(|git| git.branch.clone().or_else(|| git.created_branch.clone())),
            work_dir: kept.map(|kept| kept.path.to_string_lossy().into_owned()),
            has_files,
            changed_files: kept.map_or(0, |kept| kept.changed_files),
            lost: kept.map(|kept| kept.lost.clone()).unwrap_or_default(),
            missing_env: agent.map(|agent| agent.env_names.clone()).unwrap_or_default(),
            restored: entry
                .restored
                .iter()
                .map(|restored| RestoredView {
                    at: restored.at,
                    agent_id: restored.agent_id.as_ref().map(ToString::to_string),
                    branch: restored.branch.clone(),
                    work_dir: restored.work_dir.as_ref().map(|path| path.to_string_lossy().into_owned()),
                })
                .collect(),
        }
    }
}
