//! Work dirs that mng made and no agent uses, and the clones they were made from.

use std::path::{Path, PathBuf};

use super::files::tree_size;
use super::host::Pass;
use super::report::WorkDirItem;
use super::tell;
use crate::hosts::git::Git;
use crate::hosts::rescue::{self, Reason};
use crate::hosts::work_dir::{self, Ownership, RetireRequest, WorkDirFate};
use crate::hosts::{Host, HostLock};
use crate::model::error::Result;
use crate::operations::create::sources;

impl Pass<'_> {
    /// Removes registered work dirs that no agent uses. What would be lost is kept for `mng undo` first.
    pub(super) async fn work_dirs(&mut self, lock: Option<&HostLock>) -> Result<()> {
        let host = self.host;
        let damaged = host.agents().await?.into_iter().find(|entry| entry.record.is_err());
        if let Some(entry) = damaged {
            // It may refer to any of them.
            let why = format!("no work dir is removed: the record of agent `{}` cannot be read", entry.id);
            self.events.warning(why);
            return Ok(());
        }
        let unused = match lock {
            Some(lock) => work_dir::orphans(host, lock).await?,
            None => work_dir::unused(host).await?,
        };
        for path in unused {
            if host.transport.stat(&path).await?.is_none() {
                // Gone already: there is nothing to keep, only a line in the record.
                if let Some(lock) = lock {
                    work_dir::release(host, lock, &path).await?;
                }
                continue;
            }
            let item = self.work_dir_item(&path).await;
            let request = RetireRequest {
                reason: Reason::Gc,
                agent: None,
                agent_items: &[],
                work_dir: &path,
                ownership: Ownership::Registered,
                keep_work_dir: false,
                remove_branch: false,
            };
            let fate = match lock {
                None => work_dir::fate(host, &request).await,
                Some(lock) => work_dir::retire(host, lock, &request).await.map(|retired| {
                    if let Some(id) = retired.undo_id {
                        self.events
                            .info(format!("`mng undo {id}` brings back what was in {}", path.display()));
                    }
                    retired.work_dir
                }),
            };
            match fate {
                Ok(WorkDirFate::Removed) => {
                    tell(self.events, lock.is_none(), "work_dir", &item.path.display().to_string(), &item);
                    self.report.work_dirs_destroyed.push(item);
                }
                // Not a directory, or used after all.
                Ok(_) => {}
                Err(error) => self.fail_on(&path, &error),
            }
        }
        self.source_dirs(lock).await
    }

    /// Removes clones that nothing refers to any more and whose commits are all on a remote.
    async fn source_dirs(&mut self, lock: Option<&HostLock>) -> Result<()> {
        for clone in sources::generated_source_dirs(&self.host.read_record().await?) {
            match is_clone_spent(self.host, &clone).await {
                Ok(true) => {}
                Ok(false) => continue,
                Err(error) => {
                    tracing::warn!(clone = %clone.display(), %error, "kept: cannot tell what is in it");
                    continue;
                }
            }
            let item = self.work_dir_item(&clone).await;
            if let Some(lock) = lock {
                self.host.transport.remove_tree(&clone).await?;
                sources::forget(self.host, lock, &clone).await?;
            }
            tell(self.events, lock.is_none(), "source_dir", &item.path.display().to_string(), &item);
            self.report.source_dirs_destroyed.push(item);
        }
        Ok(())
    }

    async fn work_dir_item(&self, path: &Path) -> WorkDirItem {
        let is_local = self.host.is_local();
        let (size_bytes, created_at) = if is_local { tree_size(path).await } else { (0, None) };
        WorkDirItem {
            path: path.to_path_buf(),
            size_bytes,
            host_id: self.host.info.id.clone(),
            provider_name: self.host.info.provider.clone(),
            is_local,
            created_at,
        }
    }
}

/// Whether a clone is of no use: no agent works in it or has its repository there, nothing that `mng undo`
/// could bring back needs it, and it holds nothing that is not on a remote.
async fn is_clone_spent(host: &Host, clone: &Path) -> Result<bool> {
    let is_inside = |path: &PathBuf| path.starts_with(clone);
    for entry in host.agents().await? {
        let record = entry.record?;
        if record.work_dir.starts_with(clone) || record.git_common_dir().as_ref().is_some_and(is_inside) {
            return Ok(false);
        }
    }
    if host.read_record().await?.generated_work_dirs.iter().any(is_inside) {
        return Ok(false);
    }
    let git_dir = clone.join(".git");
    let undo = rescue::list(host).await?;
    if undo.iter().any(|entry| entry.is_of_repository(&git_dir) || entry.is_of_repository(clone)) {
        return Ok(false);
    }
    if host.transport.stat(clone).await?.is_none() {
        return Ok(true);
    }
    let git = Git::at(host.transport.as_ref(), clone)?;
    let unpushed = git.text(["rev-list", "--max-count=1", "--all", "--not", "--remotes", "--tags"]).await?;
    if !unpushed.trim().is_empty() {
        return Ok(false);
    }
    let rescued = git.text(["for-each-ref", "--count=1", "refs/mng/", "refs/stash"]).await?;
    let changed = git.text(["status", "--porcelain", "--ignored=no"]).await?;
    Ok(rescued.trim().is_empty() && changed.trim().is_empty())
}
