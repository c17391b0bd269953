//! Keeps the state of a worktree as a commit in its repository.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::error::RescueError;
use super::far::{self, What};
use super::ignored::{self, Choice};
use super::manifest::{KeptGit, Manifest, Sparse};
use super::nested::{self, Found};
use super::scratch::Scratch;
use super::{LostItem, Nested, modes, rescue_ref};
use crate::hosts::Host;
use crate::hosts::git::{self, Entry, EntryKind, Git, RepoInfo, Status, StatusRequest, TRANSFER};
use crate::model::error::Result;
use crate::storage::fault;

/// A worktree, looked at but not yet kept.
pub(super) struct View {
    repo: RepoInfo,
    status: Status,
    /// Tracked files that git was told not to look at, and that are there.
    hidden: Vec<PathBuf>,
    /// The same, gone. Not those of a sparse check-out, which are meant to be absent.
    hidden_gone: Vec<PathBuf>,
    found: Found,
    choice: Choice,
    /// The branch made for the agent, and its tip.
    created: Option<(String, String)>,
    /// What is on another host's disk at the paths that matter; `None` on this machine.
    seen: Seen,
}

type Seen = Option<BTreeMap<PathBuf, What>>;

/// What was kept.
pub(super) struct Captured {
    pub(super) git: KeptGit,
    pub(super) nested: Vec<Nested>,
    pub(super) lost: Vec<LostItem>,
    pub(super) changed_files: usize,
}

impl View {
    /// Reads everything about a worktree that decides what has to be kept.
    ///
    /// # Errors
    /// git fails, or cannot look into a directory: then nobody knows what is there.
    pub(super) async fn of(host: &Host, repo: RepoInfo, created_branch: Option<&str>) -> Result<Self> {
        let git = Git::at(host.transport.as_ref(), &repo.top_level)?;
        let status = git::status(&git, StatusRequest { ignored: true, thorough: true }).await?;
        if let Some(why) = status.unreadable.first() {
            return Err(RescueError::CannotKeep { path: repo.top_level.clone(), why: why.clone() }.into());
        }
        let index = Index::read(&git).await?;
        let untracked: Vec<PathBuf> =
            status.entries.iter().filter(|e| e.is_nested_repository()).map(|e| e.path.clone()).collect();
        let found = nested::search(host, &repo, &untracked, &index.submodules).await?;
        let nested: Vec<PathBuf> = found.nested.iter().map(|n| n.path.as_path().to_path_buf()).collect();
        let choice = ignored::choose(host, &repo.top_level, status.ignored.clone(), nested).await?;
        let created = match created_branch {
            Some(branch) => git::branch_tip(&git, branch).await?.map(|tip| (branch.to_owned(), tip)),
            None => None,
        };
        let seen = see(host, &repo.top_level, &status, &index).await?;
        let is_there = |path: &PathBuf| match &seen {
            Some(seen) => seen.get(path).is_some_and(|what| *what != What::Missing),
            None => repo.top_level.join(path).symlink_metadata().is_ok(),
        };
        let (mut hidden, hidden_gone): (Vec<PathBuf>, Vec<PathBuf>) =
            index.assumed_unchanged.into_iter().partition(is_there);
        hidden.extend(index.skipped.into_iter().filter(is_there));
        Ok(Self { hidden, hidden_gone, status, found, choice, created, repo, seen })
    }

    /// Whether removing the worktree would lose nothing, provided that its branch stays.
    pub(super) fn is_expendable(&self) -> bool {
        self.status.entries.is_empty()
            && self.hidden.is_empty()
            && self.hidden_gone.is_empty()
            && self.found.nested.is_empty()
            && self.choice.kept.is_empty()
            && self.choice.lost.is_empty()
            && self.status.branch.is_some()
    }

    pub(super) fn into_glance(self) -> super::Glance {
        let untracked = self.status.entries.iter().filter(|entry| entry.kind == EntryKind::Untracked).count();
        super::Glance {
            changed_files: self.changed_files() - untracked + self.hidden.len(),
            untracked_files: untracked,
            lost: self.choice.lost,
        }
    }

    pub(super) fn common_dir(&self) -> &Path {
        &self.repo.common_dir
    }

    fn changed_files(&self) -> usize {
        self.status.entries.len() + self.hidden_gone.len()
    }

    pub(super) fn head(&self) -> Option<&str> {
        self.repo.head_commit.as_deref()
    }

    /// Keeps it all. `manifest` is only named in what is written.
    ///
    /// # Errors
    /// Something could not be read or written. What was made so far is unreachable, or goes with the entry.
    pub(super) async fn capture(self, host: &Host, manifest: &Manifest) -> Result<Captured> {
        let top = self.repo.top_level.clone();
        let nested = || self.found.nested.iter().map(|n| n.path.as_path().to_path_buf());
        let dir = manifest.dir(host);
        let kept = self.choice.kept.clone();
        ignored::pack(host, &top, kept, nested().collect(), &dir.join("ignored.tar")).await?;
        fault::point("destroy.ignored_kept");
        let changed: BTreeSet<PathBuf> =
            self.status.entries.iter().map(|entry| entry.path.clone()).chain(self.hidden.clone()).collect();
        let skipped: BTreeSet<PathBuf> = self.status.ignored.iter().cloned().chain(nested()).collect();
        let modes = modes::record(host, &top, changed, skipped).await?;
        modes::save(host, &dir.join("modes"), &modes).await?;
        fault::point("destroy.modes_kept");
        let git = self.commit(host, manifest).await?;
        Ok(Captured {
            git,
            changed_files: self.changed_files(),
            nested: self.found.nested,
            lost: self.choice.lost,
        })
    }

    /// The rescue commit and the reference to it.
    async fn commit(&self, host: &Host, manifest: &Manifest) -> Result<KeptGit> {
        let (repo, head) = (&self.repo, self.head());
        let object = head.or_else(|| self.created.as_ref().map(|(_, tip)| tip.as_str()));
        let scratch = Scratch::new(host, &repo.common_dir, &repo.top_level, object).await?;
        let made = self.write_commits(host, manifest, &scratch).await;
        scratch.close().await;
        let (commit, index_commit, in_progress) = made?;
        fault::point("destroy.objects_written");
        refer(host, &repo.common_dir, manifest, &commit).await?;
        fault::point("destroy.rescue_ref");
        Ok(KeptGit {
            common_dir: repo.common_dir.clone(),
            head: head.map(str::to_owned),
            branch: self.status.branch.clone(),
            created_branch: self.created.as_ref().map(|(branch, _)| branch.clone()),
            created_branch_tip: self.created.as_ref().map(|(_, tip)| tip.clone()),
            commit,
            index_commit,
            sparse: self.sparse(host).await?,
            in_progress,
        })
    }

    async fn write_commits(
        &self,
        host: &Host,
        manifest: &Manifest,
        scratch: &Scratch<'_>,
    ) -> Result<(String, Option<String>, Vec<String>)> {
        let head = self.head();
        let (tree, index_tree) = match head {
            Some(head) if self.changed_files() + self.hidden.len() == 0 => (format!("{head}^{{tree}}"), None),
            _ => {
                scratch.read_tree(head).await?;
                let zeros = "0".repeat(head.map_or(40, str::len));
                let index_tree = self.write_index_tree(scratch, &zeros).await?;
                self.write_work_tree(scratch, &zeros).await?;
                (scratch.write_tree().await?, index_tree)
            }
        };
        let (others, in_progress) = self.unfinished(host).await?;
        let message = format!("mng: rescue {} of {}", manifest.id, self.repo.top_level.display());
        let index_commit = match index_tree {
            Some(tree) => {
                let mut args = vec!["commit-tree", &tree, "-m", "mng: what was staged"];
                args.extend(head.iter().flat_map(|head| ["-p", *head]));
                Some(scratch.id(&args).await?)
            }
            None => None,
        };
        let created = self.created.as_ref().map(|(_, tip)| tip);
        let parents = head.iter().map(|head| (*head).to_owned());
        let parents = parents.chain(index_commit.clone()).chain(created.cloned()).chain(others);
        let parents = parents.chain(self.found.heads.iter().cloned());
        let mut args = vec!["commit-tree".to_owned(), tree, "-m".into(), message];
        let mut seen = BTreeSet::new();
        for parent in parents.filter(|parent| seen.insert(parent.clone())) {
            args.extend(["-p".into(), parent]);
        }
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        Ok((scratch.id(&args).await?, index_commit, in_progress))
    }

    /// The tree of the real index, rebuilt from what `git status` says of it; `None` if it equals `HEAD`.
    /// A path in the middle of a merge has no single staged state and is left as `HEAD` has it.
    async fn write_index_tree(&self, scratch: &Scratch<'_>, zeros: &str) -> Result<Option<String>> {
        let mut removed = Vec::new();
        let mut added = Vec::new();
        for Entry { path, kind } in &self.status.entries {
            let EntryKind::Tracked { index_mode, index_oid, is_staged: true, .. } = kind else { continue };
            record(&mut removed, 0, zeros, path);
            if *index_mode != 0 {
                record(&mut added, *index_mode, index_oid, path);
            }
        }
        if removed.is_empty() {
            return Ok(None);
        }
        // Removals first: a file may stand where a directory was.
        removed.append(&mut added);
        scratch.run(scratch.command(&["update-index", "-z", "--index-info"]).stdin(removed)).await?;
        Ok(Some(scratch.write_tree().await?))
    }

    /// Puts everything that differs on disk into the scratch index.
    async fn write_work_tree(&self, scratch: &Scratch<'_>, zeros: &str) -> Result<()> {
        let mut removed = Vec::new();
        let mut present = Vec::new();
        for entry in &self.status.entries {
            if !matches!(entry.kind, EntryKind::Untracked) {
                record(&mut removed, 0, zeros, &entry.path);
            }
            if is_content(&self.repo.top_level, &self.seen, entry) {
                push(&mut present, &entry.path);
            }
        }
        for path in &self.hidden_gone {
            record(&mut removed, 0, zeros, path);
        }
        for path in &self.hidden {
            push(&mut present, path);
        }
        if !removed.is_empty() {
            scratch.run(scratch.command(&["update-index", "-z", "--index-info"]).stdin(removed)).await?;
        }
        if !present.is_empty() {
            let request = scratch.command(&["update-index", "--add", "--replace", "-z", "--stdin"]);
            scratch.run(request.stdin(present)).await?;
        }
        Ok(())
    }

    /// Commits that only this worktree's git directory refers to, and what was going on.
    async fn unfinished(&self, host: &Host) -> Result<(Vec<String>, Vec<String>)> {
        const NAMES: [(&str, &str); 6] = [
            ("MERGE_HEAD", "merge"),
            ("CHERRY_PICK_HEAD", "cherry-pick"),
            ("REVERT_HEAD", "revert"),
            ("REBASE_HEAD", "rebase"),
            ("MERGE_AUTOSTASH", ""),
            ("ORIG_HEAD", ""),
        ];
        let git = Git::at(host.transport.as_ref(), &self.repo.top_level)?;
        let mut names: Vec<String> = NAMES.iter().map(|(name, _)| (*name).to_owned()).collect();
        for file in ["rebase-merge/autostash", "rebase-apply/autostash"] {
            if let Some(bytes) = host.transport.read(&self.repo.git_dir.join(file)).await? {
                names.push(String::from_utf8_lossy(&bytes).trim().to_owned());
            }
        }
        let own =
            ["for-each-ref", "--format=%(objectname)", "refs/worktree", "refs/bisect", "refs/rewritten"];
        names.extend(git.text(own).await?.lines().map(str::to_owned));
        let commits = git::commits_of(&git, &names).await?;
        let going =
            NAMES.iter().zip(&commits).filter(|((_, what), commit)| commit.is_some() && !what.is_empty());
        let going = going.map(|((_, what), _)| (*what).to_owned()).collect();
        Ok((commits.into_iter().flatten().collect(), going))
    }

    async fn sparse(&self, host: &Host) -> Result<Option<Sparse>> {
        let file = self.repo.git_dir.join("info/sparse-checkout");
        let Some(patterns) = host.transport.read(&file).await? else { return Ok(None) };
        let git = Git::at(host.transport.as_ref(), &self.repo.top_level)?;
        let flag = async |key: &str| -> Result<bool> {
            let output = git.run(git.command(["config", "--bool", key])).await?;
            Ok(output.stdout_text().trim() == "true")
        };
        if !flag("core.sparseCheckout").await? {
            return Ok(None);
        }
        let patterns = String::from_utf8_lossy(&patterns).into_owned();
        Ok(Some(Sparse { cone: flag("core.sparseCheckoutCone").await?, patterns }))
    }
}

/// Looks at everything that git's answers leave open, with one command.
async fn see(host: &Host, top: &Path, status: &Status, index: &Index) -> Result<Seen> {
    if host.is_local() {
        return Ok(None);
    }
    let entries = status.entries.iter().map(|entry| entry.path.as_path());
    let hidden = index.assumed_unchanged.iter().chain(&index.skipped).map(PathBuf::as_path);
    let paths: Vec<&Path> = entries.chain(hidden).collect();
    let what = far::look(host, top, &paths).await?;
    Ok(Some(paths.into_iter().map(Path::to_path_buf).zip(what).collect()))
}

/// Refers to a rescue commit, so that no git gc takes it. Never over an existing reference.
///
/// # Errors
/// git fails.
pub(super) async fn refer(host: &Host, common_dir: &Path, manifest: &Manifest, commit: &str) -> Result<()> {
    let git = Git::in_git_dir(host.transport.as_ref(), common_dir)?.without_hooks();
    let zeros = "0".repeat(commit.len());
    git.text(["update-ref", &rescue_ref(&manifest.id), commit, &zeros]).await.map(|_| ())
}

/// One line for `update-index --index-info`.
fn record(out: &mut Vec<u8>, mode: u32, oid: &str, path: &Path) {
    out.extend(format!("{mode:06o} {oid}\t").into_bytes());
    push(out, path);
}

fn push(out: &mut Vec<u8>, path: &Path) {
    out.extend_from_slice(path.as_os_str().as_bytes());
    out.push(0);
}

/// Whether git can keep what is at the path: a file, a symlink, or the commit of a submodule.
fn is_content(top: &Path, seen: &Seen, entry: &Entry) -> bool {
    if entry.is_nested_repository() {
        return false;
    }
    if let Some(seen) = seen {
        return match seen.get(&entry.path) {
            Some(What::Content) => true,
            Some(What::Repository) => entry.is_submodule(),
            _ => false,
        };
    }
    match fs::symlink_metadata(top.join(&entry.path)) {
        Ok(meta) if meta.is_dir() => {
            entry.is_submodule() && top.join(&entry.path).join(".git").symlink_metadata().is_ok()
        }
        Ok(meta) => meta.is_file() || meta.is_symlink(),
        Err(_) => false,
    }
}

/// What `git status` does not tell of the index: files whose changes it does not show, and submodules.
#[derive(Default)]
struct Index {
    assumed_unchanged: Vec<PathBuf>,
    /// `skip-worktree`: outside a sparse check-out, or hidden by hand.
    skipped: Vec<PathBuf>,
    submodules: Vec<PathBuf>,
}

impl Index {
    async fn read(git: &Git<'_>) -> Result<Self> {
        let request = git.command(["ls-files", "-v", "-s", "-z"]).timeout(Some(TRANSFER));
        let output = git.check(request).await?;
        let mut index = Self::default();
        for line in output.stdout.split(|&byte| byte == 0) {
            // `H 100644 <oid> 0\tpath`; a lower-case letter means `assume-unchanged`.
            let Some(tab) = line.iter().position(|&byte| byte == b'\t') else { continue };
            let path = || PathBuf::from(std::ffi::OsStr::from_bytes(&line[tab + 1..]));
            if line.get(2..8) == Some(b"160000") {
                index.submodules.push(path());
                continue;
            }
            match line.first() {
                Some(b'S' | b's') => index.skipped.push(path()),
                Some(b'a'..=b'z') => index.assumed_unchanged.push(path()),
                _ => {}
            }
        }
        Ok(index)
    }
}
