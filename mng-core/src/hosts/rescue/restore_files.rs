//! Bringing a work dir back.
//!
//! A worktree is built beside its place and renamed in, so that a restore that dies leaves nothing that
//! looks finished. Only then what was moved goes back into it: that exists once.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::error::RescueError;
use super::keep::{admin_of, physical};
use super::manifest::{KeptGit, KeptWorkDir, Manifest, WorkDirKind};
use super::scratch::Scratch;
use super::walk::{blocking, move_tree};
use super::{far, ignored, modes, remove_admin, remove_tree};
use crate::hosts::Host;
use crate::hosts::git::{Git, TRANSFER, git_dir_of, word};
use crate::model::error::Result;
use crate::storage::fault;

/// Brings the files of an entry to `place`. `branch`: what to check out; else the commit.
pub(super) async fn restore(
    host: &Host,
    entry: &Manifest,
    place: &Path,
    branch: Option<&str>,
    notes: &mut Vec<String>,
) -> Result<()> {
    let Some(kept) = &entry.work_dir else { return Ok(()) };
    if let Some(parent) = place.parent() {
        host.transport.create_dir(parent).await?;
    }
    match (kept.kind, &kept.git) {
        (WorkDirKind::Moved, _) => return move_back(host, entry, kept, place).await,
        (_, Some(git)) if host.transport.stat(place).await?.is_none() => {
            let build = Build { host, entry, git, branch, staging: staging(entry, place) };
            build.run(place, notes).await?;
        }
        _ => {}
    }
    fault::point("undo.worktree_placed");
    for (number, inner) in kept.nested.iter().enumerate() {
        let (from, to) = (kept.nested_place(number), place.join(&inner.path));
        if host.transport.stat(&from).await?.is_none() {
            continue;
        }
        // A check-out leaves an empty directory where a submodule was.
        if host.transport.list_dir(&to).await?.is_empty() {
            remove_tree(host, &to).await?;
        }
        if let Some(parent) = to.parent() {
            host.transport.create_dir(parent).await?;
        }
        move_tree(host, &from, &to).await?;
    }
    if kept.kind == WorkDirKind::Worktree {
        modes::apply(host, &entry.dir(host).join("modes"), place).await?;
    }
    Ok(())
}

fn staging(entry: &Manifest, place: &Path) -> PathBuf {
    place.with_file_name(format!(".mng-restoring-{}", entry.id))
}

/// A work dir that was moved whole goes back whole.
async fn move_back(host: &Host, entry: &Manifest, kept: &KeptWorkDir, place: &Path) -> Result<()> {
    let from = kept.moved_to();
    let transport = host.transport.as_ref();
    if transport.stat(place).await?.is_none() {
        if transport.stat(&from).await?.is_none() {
            return Err(RescueError::FilesGone { id: entry.id.clone(), path: from }.into());
        }
        move_tree(host, &from, place).await?;
    }
    // A worktree that was pinned while it was away.
    let Some(common_dir) = entry.repository.as_ref().filter(|_| kept.note.is_some()) else { return Ok(()) };
    if let Some(admin) = admin_of(host, common_dir, &kept.path).await? {
        point_to(host, &admin, place).await?;
        transport.remove_file(&admin.join("locked")).await?;
    }
    Ok(())
}

/// Tells a repository where one of its worktrees is.
async fn point_to(host: &Host, admin: &Path, place: &Path) -> Result<()> {
    let mut bytes = physical(host, place).await?.join(".git").as_os_str().as_bytes().to_vec();
    bytes.push(b'\n');
    host.transport.write(&admin.join("gitdir"), &bytes, 0o644).await
}

struct Build<'a> {
    host: &'a Host,
    entry: &'a Manifest,
    git: &'a KeptGit,
    branch: Option<&'a str>,
    staging: PathBuf,
}

impl Build<'_> {
    async fn run(&self, place: &Path, notes: &mut Vec<String>) -> Result<()> {
        self.clear(place).await?;
        self.add().await?;
        fault::point("undo.worktree_added");
        if !self.check_out_sparse().await? {
            notes.push("the sparse check-out did not come back: all files are there".into());
        }
        self.apply_changes().await?;
        self.apply_index().await?;
        let dir = self.entry.dir(self.host);
        ignored::unpack(self.host, &dir.join("ignored.tar"), &self.staging).await?;
        fault::point("undo.files_written");
        if let Some(admin) = git_dir_of(self.host.transport.as_ref(), &self.staging).await? {
            point_to(self.host, &admin, place).await?;
        }
        self.host.transport.rename(&self.staging, place).await
    }

    /// Removes what a restore of this entry left that died before its last step.
    async fn clear(&self, place: &Path) -> Result<()> {
        remove_tree(self.host, &self.staging).await?;
        remove_admin(self.host, &self.git.common_dir, &self.staging).await?;
        remove_admin(self.host, &self.git.common_dir, place).await
    }

    fn repo(&self) -> Result<Git<'_>> {
        Ok(Git::in_git_dir(self.host.transport.as_ref(), &self.git.common_dir)?.without_hooks())
    }

    fn work_tree(&self) -> Result<Git<'_>> {
        Ok(Git::at(self.host.transport.as_ref(), &self.staging)?.without_hooks())
    }

    async fn add(&self) -> Result<()> {
        let repo = self.repo()?;
        let mut args = vec!["worktree".to_owned(), "add".into(), "-q".into()];
        if self.git.sparse.is_some() || self.git.head.is_none() {
            args.push("--no-checkout".into());
        }
        let path = word(&self.staging)?;
        match (&self.git.head, self.branch) {
            (Some(_), Some(branch)) => args.extend(["--".into(), path, branch.to_owned()]),
            (Some(head), None) => args.extend(["--detach".into(), "--".into(), path, head.clone()]),
            (None, _) => args.extend(["--detach".into(), "--".into(), path, self.git.commit.clone()]),
        }
        repo.check(repo.command(args).timeout(Some(TRANSFER))).await?;
        if self.git.head.is_some() {
            return Ok(());
        }
        let work_tree = self.work_tree()?;
        if let Some(branch) = self.branch {
            work_tree.text(["symbolic-ref", "HEAD", &format!("refs/heads/{branch}")]).await?;
        }
        work_tree.text(["read-tree", "--empty"]).await.map(|_| ())
    }

    /// Whether the check-out is as sparse, or as full, as it was.
    async fn check_out_sparse(&self) -> Result<bool> {
        let work_tree = self.work_tree()?;
        if self.git.head.is_none() {
            return Ok(true);
        }
        let Some(sparse) = &self.git.sparse else {
            // git gives a new worktree the patterns of the main one.
            let output =
                work_tree.run(work_tree.command(["config", "--bool", "core.sparseCheckout"])).await?;
            if output.stdout_text().trim() == "true" {
                let disable = work_tree.command(["sparse-checkout", "disable"]);
                work_tree.check(disable.timeout(Some(TRANSFER))).await?;
            }
            return Ok(true);
        };
        let admin = git_dir_of(self.host.transport.as_ref(), &self.staging).await?;
        let mut is_sparse = false;
        if let Some(admin) = admin {
            let file = admin.join("info/sparse-checkout");
            self.host.transport.write(&file, sparse.patterns.as_bytes(), 0o644).await?;
            let cone = if sparse.cone { "true" } else { "false" };
            let set = async |key: &str, value: &str| -> Result<bool> {
                let args = ["config", "--worktree", key, value];
                Ok(work_tree.run(work_tree.command(args)).await?.is_success())
            };
            is_sparse =
                set("core.sparseCheckout", "true").await? && set("core.sparseCheckoutCone", cone).await?;
        }
        let check_out = work_tree.command(["read-tree", "-m", "-u", "HEAD"]);
        work_tree.check(check_out.timeout(Some(TRANSFER))).await?;
        Ok(is_sparse)
    }

    /// Makes the files equal to the tree of the rescue commit where that differs from `HEAD`.
    async fn apply_changes(&self) -> Result<()> {
        let git = self.git;
        let scratch = Scratch::new(self.host, &git.common_dir, &self.staging, Some(&git.commit)).await?;
        let applied = self.apply_with(&scratch).await;
        scratch.close().await;
        applied
    }

    async fn apply_with(&self, scratch: &Scratch<'_>) -> Result<()> {
        let empty = empty_tree(&self.git.commit);
        let from = self.git.head.as_deref().unwrap_or(empty);
        let args = ["diff-tree", "-r", "-z", "--raw", "--no-renames", from, &self.git.commit];
        let output = scratch.run(scratch.command(&args)).await?;
        let changes = Changes::parse(&output.stdout);
        self.delete(changes.deleted).await?;
        if changes.present.is_empty() {
            return Ok(());
        }
        scratch.read_tree(Some(&self.git.commit)).await?;
        let request = scratch.command(&["checkout-index", "-f", "-z", "--stdin"]);
        scratch.run(request.stdin(changes.present)).await.map(|_| ())
    }

    async fn delete(&self, paths: Vec<PathBuf>) -> Result<()> {
        if !self.host.is_local() {
            return far::delete(self.host, &self.staging, &paths).await;
        }
        let root = self.staging.clone();
        blocking("delete files that were deleted", move || {
            for path in paths {
                let full = root.join(&path);
                let removed = match fs::symlink_metadata(&full) {
                    Ok(meta) if meta.is_dir() => fs::remove_dir(&full),
                    Ok(_) => fs::remove_file(&full),
                    Err(_) => continue,
                };
                match removed {
                    Err(error) if error.kind() != ErrorKind::DirectoryNotEmpty => return Err(error),
                    _ => {}
                }
                // As git does: a directory goes with its last file.
                for dir in path.ancestors().skip(1).filter(|dir| !dir.as_os_str().is_empty()) {
                    if fs::remove_dir(root.join(dir)).is_err() {
                        break;
                    }
                }
            }
            Ok(())
        })
        .await
    }

    async fn apply_index(&self) -> Result<()> {
        let Some(commit) = &self.git.index_commit else { return Ok(()) };
        self.work_tree()?.text(["read-tree", commit]).await.map(|_| ())
    }
}

/// The id of the empty tree, which every repository knows.
fn empty_tree(commit: &str) -> &'static str {
    if commit.len() == 64 {
        "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321"
    } else {
        "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Changes {
    deleted: Vec<PathBuf>,
    /// NUL-separated.
    present: Vec<u8>,
}

impl Changes {
    /// Reads `:mode mode oid oid STATUS`, NUL, path, NUL, …
    fn parse(bytes: &[u8]) -> Self {
        let mut changes = Self::default();
        let mut seen = BTreeSet::new();
        let mut records = bytes.split(|&byte| byte == 0);
        while let (Some(head), Some(path)) = (records.next(), records.next()) {
            let new_mode = head.split(|&byte| byte == b' ').nth(1).unwrap_or_default();
            if !seen.insert(path) || new_mode == b"160000" {
                continue;
            }
            if new_mode == b"000000" {
                changes.deleted.push(PathBuf::from(std::ffi::OsStr::from_bytes(path)));
            } else {
                changes.present.extend_from_slice(path);
                changes.present.push(0);
            }
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_differences_are_read() {
        let bytes =
            b":100644 000000 aa 00 D\0gone\0:000000 120000 00 bb A\0a\nb\0:160000 160000 c d M\0sub\0";
        let changes = Changes::parse(bytes);
        assert_eq!(changes.deleted, [PathBuf::from("gone")]);
        assert_eq!(changes.present, b"a\nb\0");
        assert_eq!(Changes::parse(b""), Changes::default());
    }
}
