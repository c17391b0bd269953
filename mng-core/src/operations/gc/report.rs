//! What a clean-up removed. Field names are the JSON contract.

use std::path::PathBuf;

use serde::Serialize;
use serde_json::{Value, json};

use crate::model::failure::Failure;
use crate::model::ids::HostId;
use crate::model::names::ProviderName;
use crate::model::time::Time;

/// What went, or would go.
#[derive(Debug, Default, Serialize)]
pub struct GcReport {
    pub processes_destroyed: Vec<ProcessItem>,
    pub remains_destroyed: Vec<RemainsItem>,
    pub work_dirs_destroyed: Vec<WorkDirItem>,
    pub source_dirs_destroyed: Vec<WorkDirItem>,
    pub machines_destroyed: Vec<Value>,
    pub machines_deleted: Vec<Value>,
    pub snapshots_destroyed: Vec<Value>,
    pub volumes_destroyed: Vec<Value>,
    pub logs_destroyed: Vec<FileItem>,
    pub build_cache_destroyed: Vec<FileItem>,
    pub provider_resources_destroyed: Vec<Value>,
    pub undo_expired: Vec<UndoItem>,
    pub errors: Vec<String>,
    pub failures: Vec<Failure>,
    pub failure_count: usize,
    pub exit_code: u8,
    pub dry_run: bool,
}

/// A work dir, or a clone made as its source.
#[derive(Clone, Debug, Serialize)]
pub struct WorkDirItem {
    pub path: PathBuf,
    pub size_bytes: u64,
    pub host_id: HostId,
    pub provider_name: ProviderName,
    pub is_local: bool,
    pub created_at: Option<Time>,
}

/// A log or a cache entry.
#[derive(Clone, Debug, Serialize)]
pub struct FileItem {
    pub path: PathBuf,
    pub size_bytes: u64,
    pub created_at: Option<Time>,
}

/// A process of an agent that is gone.
#[derive(Clone, Debug, Serialize)]
pub struct ProcessItem {
    pub pid: i32,
    pub name: String,
    pub agent_id: String,
    pub host_id: HostId,
    pub provider_name: ProviderName,
}

/// What a command that was killed left behind.
#[derive(Clone, Debug, Serialize)]
pub struct RemainsItem {
    /// The agent that was being made, or the file that was being written.
    pub name: String,
    pub path: PathBuf,
    pub host_id: HostId,
    pub provider_name: ProviderName,
}

/// What `mng undo` can no longer bring back.
#[derive(Clone, Debug, Serialize)]
pub struct UndoItem {
    pub id: String,
    pub name: String,
    pub host_id: HostId,
    pub provider_name: ProviderName,
}

impl GcReport {
    pub(super) fn fail(&mut self, failure: Failure) {
        self.errors.push(failure.message.clone());
        self.failures.push(failure);
    }

    pub(super) fn add(&mut self, other: Self) {
        self.processes_destroyed.extend(other.processes_destroyed);
        self.remains_destroyed.extend(other.remains_destroyed);
        self.work_dirs_destroyed.extend(other.work_dirs_destroyed);
        self.source_dirs_destroyed.extend(other.source_dirs_destroyed);
        self.machines_destroyed.extend(other.machines_destroyed);
        self.machines_deleted.extend(other.machines_deleted);
        self.snapshots_destroyed.extend(other.snapshots_destroyed);
        self.volumes_destroyed.extend(other.volumes_destroyed);
        self.logs_destroyed.extend(other.logs_destroyed);
        self.build_cache_destroyed.extend(other.build_cache_destroyed);
        self.provider_resources_destroyed.extend(other.provider_resources_destroyed);
        self.undo_expired.extend(other.undo_expired);
        self.errors.extend(other.errors);
        self.failures.extend(other.failures);
    }

    pub(super) fn finish(&mut self) {
        self.failure_count = self.failures.len();
        self.exit_code = Failure::exit_code(&self.failures);
    }

    /// How many things went, or would go.
    #[must_use]
    pub fn total(&self) -> usize {
        self.processes_destroyed.len()
            + self.remains_destroyed.len()
            + self.work_dirs_destroyed.len()
            + self.source_dirs_destroyed.len()
            + self.machines_destroyed.len()
            + self.machines_deleted.len()
            + self.snapshots_destroyed.len()
            + self.volumes_destroyed.len()
            + self.logs_destroyed.len()
            + self.build_cache_destroyed.len()
            + self.provider_resources_destroyed.len()
            + self.undo_expired.len()
    }

    /// Bytes that went, or would go, as far as they were counted.
    #[must_use]
    pub fn total_size_bytes(&self) -> u64 {
        let dirs = self.work_dirs_destroyed.iter().chain(&self.source_dirs_destroyed);
        let files = self.logs_destroyed.iter().chain(&self.build_cache_destroyed);
        dirs.map(|item| item.size_bytes).sum::<u64>() + files.map(|item| item.size_bytes).sum::<u64>()
    }

    /// The jsonl `summary` without its `event`.
    #[must_use]
    pub fn summary(&self) -> Value {
        json!({
            "total_count": self.total(),
            "total_size_bytes": self.total_size_bytes(),
            "work_dirs_count": self.work_dirs_destroyed.len(),
            "source_dirs_count": self.source_dirs_destroyed.len(),
            "machines_count": self.machines_destroyed.len(),
            "machine_record_count": self.machines_deleted.len(),
            "snapshots_count": self.snapshots_destroyed.len(),
            "volumes_count": self.volumes_destroyed.len(),
            "logs_count": self.logs_destroyed.len(),
            "build_cache_count": self.build_cache_destroyed.len(),
            "provider_resources_count": self.provider_resources_destroyed.len(),
            "processes_count": self.processes_destroyed.len(),
            "remains_count": self.remains_destroyed.len(),
            "undo_count": self.undo_expired.len(),
            "errors_count": self.errors.len(),
            "errors": self.errors,
            "failures": self.failures,
            "dry_run": self.dry_run,
        })
    }
}
