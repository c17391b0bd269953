//! A host of this machine with a repository beside it, for tests.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;

use super::{Claim, MadeWorkDir, Ownership, RetireRequest, Retired, WorkDirPlan};
use crate::hosts::git::testing::{TestRepo, block, git_in};
use crate::hosts::git::{self, RepoInfo};
use crate::hosts::rescue::Reason;
use crate::hosts::{Host, HostLock};
use crate::model::branch::ResolvedBranch;
use crate::model::error::{Error, ErrorClass, Result};
use crate::model::event::{Event, Events};
use crate::model::ids::HostId;
use crate::model::record::{AgentRecord, TransferMode};
use crate::model::state::HostState;
use crate::providers::DiscoveredHost;
use crate::transports::{
    AttachPlan, Chunk, ExecOutput, ExecRequest, FileStat, LocalTransport, LockGuard, PipedCommand, Transport,
    TransportError,
};

pub(crate) struct World {
    pub(crate) repo: TestRepo,
    pub(crate) host: Host,
}

impl World {
    /// A repository with one commit on `main`.
    pub(crate) fn new() -> Self {
        let world = Self::empty();
        world.repo.write(".gitignore", "*.log\nbuild/\n.env\n");
        world.repo.write("src/lib.rs", "fn main() {}\n");
        world.repo.commit("README", "hello\n");
        world
    }

    /// As [`World::new`], on a host that is treated like another machine.
    pub(crate) fn far() -> Self {
        let mut world = Self::new();
        world.host.transport = Arc::new(Spy { is_far: true, ..Spy::default() });
        world
    }

    pub(crate) fn empty() -> Self {
        Self::around(TestRepo::new())
    }

    pub(crate) fn around(repo: TestRepo) -> Self {
        let info = DiscoveredHost {
            id: HostId::generate(),
            name: "localhost".parse().unwrap(),
            provider: "local".parse().unwrap(),
            state: HostState::Running,
            host_dir: repo.beside("state"),
            tags: BTreeMap::new(),
        };
        let host = Host::new(info, Arc::new(LocalTransport), "mng-");
        Self { repo, host }
    }

    /// The same host over a watched transport.
    pub(crate) fn watched(&self, spy: Spy) -> (Host, Arc<Spy>) {
        let spy = Arc::new(Spy { is_far: !self.host.is_local(), ..spy });
        (Host { transport: spy.clone(), ..self.host.clone() }, spy)
    }

    pub(crate) fn lock(&self) -> HostLock {
        block(self.host.lock(None, &Events::none())).unwrap()
    }

    pub(crate) fn repo_info(&self) -> RepoInfo {
        block(git::inspect(self.host.transport.as_ref(), self.repo.root())).unwrap().unwrap()
    }

    /// A plan for agent `name` with branch `mng/<name>` in a default place.
    pub(crate) fn plan(&self, mode: TransferMode, name: &str) -> WorkDirPlan {
        let repo = block(git::inspect(self.host.transport.as_ref(), self.repo.root())).unwrap();
        let path = match mode {
            TransferMode::None => self.repo.root().to_path_buf(),
            _ => super::default_path(&self.host.layout, mode, true, name, None),
        };
        WorkDirPlan {
            mode,
            source: self.repo.root().to_path_buf(),
            base_commit: repo.as_ref().and_then(|repo| repo.head_commit.clone()),
            repo,
            path,
            branch: ResolvedBranch { base: None, new: Some(format!("mng/{name}")) },
            include_unclean: false,
            include_gitignored: false,
            include_git: true,
            rsync_pass: false,
            rsync_args: Vec::new(),
            extra_paths: BTreeMap::new(),
            origin: None,
            transit: self.host.layout.tmp(),
            continued_branch: None,
        }
    }

    pub(crate) fn try_make(&self, plan: &WorkDirPlan) -> Result<(MadeWorkDir, Vec<String>)> {
        let lock = self.lock();
        let (events, mut receiver) = Events::channel();
        let made = block(async {
            let claim = plan.claim(&self.host, &self.host, &lock).await?;
            super::make(&self.host, &self.host, &lock, plan, &claim, &events).await
        })?;
        let mut warnings = Vec::new();
        while let Ok(event) = receiver.try_recv() {
            if let Event::Warning(text) = event {
                warnings.push(text);
            }
        }
        Ok((made, warnings))
    }

    #[track_caller]
    pub(crate) fn make(&self, plan: &WorkDirPlan) -> MadeWorkDir {
        self.try_make(plan).unwrap().0
    }

    /// Writes the agent's record and registers its work dir, as a create does.
    pub(crate) fn adopt(&self, made: &MadeWorkDir, name: &str) -> AgentRecord {
        let mut record = agent(name);
        made.describe_in(&mut record);
        self.write_agent(&record);
        if made.is_generated() {
            block(super::register(&self.host, &self.lock(), &made.claim.path)).unwrap();
        }
        record
    }

    pub(crate) fn write_agent(&self, record: &AgentRecord) {
        block(self.host.write_agent(&self.lock(), record)).unwrap();
    }

    /// An agent in a worktree of its own.
    pub(crate) fn agent(&self, name: &str) -> AgentRecord {
        let made = self.make(&self.plan(TransferMode::GitWorktree, name));
        self.adopt(&made, name)
    }

    pub(crate) fn try_retire(&self, request: &RetireRequest<'_>) -> Result<Retired> {
        block(super::retire(&self.host, &self.lock(), request))
    }

    /// Destroys an agent: its work dir as the operation does it, then its state dir.
    #[track_caller]
    pub(crate) fn destroy(&self, record: &AgentRecord, remove_branch: bool) -> Retired {
        let retired = self.try_retire(&RetireRequest { remove_branch, ..destroys(record) }).unwrap();
        fs::remove_dir_all(self.host.layout.agent(&record.id)).unwrap();
        retired
    }

    pub(crate) fn rollback(&self, claim: &Claim) -> Retired {
        self.try_retire(&RetireRequest {
            reason: Reason::Rollback,
            agent: None,
            agent_items: &[],
            work_dir: &claim.path,
            ownership: Ownership::Claimed(claim),
            keep_work_dir: false,
            remove_branch: false,
        })
        .unwrap()
    }

    pub(crate) fn registered(&self) -> Vec<PathBuf> {
        block(self.host.read_record()).unwrap().generated_work_dirs
    }

    pub(crate) fn branches(&self) -> Vec<String> {
        self.repo
            .git("for-each-ref --format=%(refname:lstrip=2) refs/heads")
            .lines()
            .map(Into::into)
            .collect()
    }

    /// How many work trees the repository knows, its own included.
    pub(crate) fn worktree_count(&self) -> usize {
        self.repo
            .git("worktree list --porcelain")
            .lines()
            .filter(|line| line.starts_with("worktree "))
            .count()
    }
}

pub(crate) fn destroys(record: &AgentRecord) -> RetireRequest<'_> {
    RetireRequest {
        reason: Reason::Destroy,
        agent: Some(record),
        agent_items: &[],
        work_dir: &record.work_dir,
        ownership: Ownership::Registered,
        keep_work_dir: false,
        remove_branch: false,
    }
}

pub(crate) fn agent(name: &str) -> AgentRecord {
    let id = crate::model::ids::AgentId::generate();
    serde_json::from_value(serde_json::json!({
        "id": id, "name": name, "type": "command", "work_dir": "/nowhere",
        "create_time": "2026-11-22T13:31:00Z", "command": "sleep 9"
    }))
    .unwrap()
}

/// Everything below a directory but `.git` at its root: kind, permission bits and content, by path.
pub(crate) fn tree(root: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    collect(root, Path::new(""), &mut found);
    found
}

fn collect(root: &Path, relative: &Path, found: &mut BTreeMap<PathBuf, String>) {
    let full = root.join(relative);
    let meta = fs::symlink_metadata(&full).unwrap();
    let mode = meta.permissions().mode() & 0o7777;
    let text = if meta.is_symlink() {
        format!("link {}", fs::read_link(&full).unwrap().display())
    } else if meta.is_dir() {
        format!("dir {mode:o}")
    } else {
        format!(
            "file {mode:o} {:?}",
            fs::read(&full).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        )
    };
    found.insert(relative.to_path_buf(), text);
    if !meta.is_dir() {
        return;
    }
    for entry in fs::read_dir(&full).unwrap() {
        let path = relative.join(entry.unwrap().file_name());
        if path != Path::new(".git") {
            collect(root, &path, found);
        }
    }
}

/// `git status` and the index of a work dir, in one comparable text.
pub(crate) fn git_state(dir: &Path) -> String {
    let status = git_in(dir, &["status", "--porcelain=v2", "-z", "--untracked-files=all", "--no-renames"]);
    let head = git_in(dir, &["symbolic-ref", "-q", "HEAD"]);
    format!("{head}\n{status}\n{}", git_in(dir, &["ls-files", "-s"]))
}

/// The transport to this machine, watched, and cut off on demand.
#[derive(Debug, Default)]
pub(crate) struct Spy {
    /// Titles of the commands that were run.
    pub(crate) commands: Mutex<Vec<String>>,
    /// Claims to lead to another machine.
    pub(crate) is_far: bool,
    /// Where programs are looked for.
    pub(crate) path: Option<PathBuf>,
    /// A program that is not installed.
    pub(crate) missing: Option<&'static str>,
    /// Commands that have this word fail.
    pub(crate) fails: Option<&'static str>,
    /// How many operations that change something work before all further ones fail, as after a kill.
    pub(crate) until: Option<usize>,
    /// Renames out of this directory fail as between two file systems.
    pub(crate) other_device: Option<PathBuf>,
    pub(crate) count: AtomicUsize,
}

impl Spy {
    /// Counts an operation that may change something.
    fn step(&self) -> Result<()> {
        self.count.fetch_add(1, Ordering::Relaxed);
        if self.until.is_some_and(|until| self.count.load(Ordering::Relaxed) > until) {
            return Err(Error::plain(ErrorClass::HostConnection, "cut off"));
        }
        Ok(())
    }

    /// Once cut off, nothing can be read either.
    fn is_cut(&self) -> Result<()> {
        if self.until.is_some_and(|until| self.count.load(Ordering::Relaxed) > until) {
            return Err(Error::plain(ErrorClass::HostConnection, "cut off"));
        }
        Ok(())
    }
}

#[async_trait]
impl Transport for Spy {
    fn is_local(&self) -> bool {
        !self.is_far
    }

    async fn exec(&self, mut request: ExecRequest) -> Result<ExecOutput> {
        self.step()?;
        if let Some(path) = &self.path {
            request = request.env("PATH", path.display().to_string());
        }
        let words = request.argv.iter().filter(|word| !word.starts_with('/')).take(4);
        self.commands.lock().unwrap().push(words.cloned().collect::<Vec<_>>().join(" "));
        if self.missing.is_some_and(|missing| request.argv[0] == missing) {
            let program = request.argv[0].clone();
            return Err(TransportError::NotStarted { program, source: ErrorKind::NotFound.into() }.into());
        }
        if self.fails.is_some_and(|word| request.argv.iter().any(|arg| arg == word)) {
            let stderr = b"fatal: no space left on device".to_vec();
            return Ok(ExecOutput { code: Some(128), stderr, ..ExecOutput::default() });
        }
        LocalTransport.exec(request).await
    }

    async fn exec_streaming(
        &self,
        request: ExecRequest,
        on_chunk: &mut (dyn FnMut(Chunk) + Send),
    ) -> Result<ExecOutput> {
        self.step()?;
        LocalTransport.exec_streaming(request, on_chunk).await
    }

    async fn spawn(&self, request: ExecRequest) -> Result<PipedCommand> {
        self.step()?;
        LocalTransport.spawn(request).await
    }

    async fn read(&self, path: &Path) -> Result<Option<Vec<u8>>> {
        self.is_cut()?;
        LocalTransport.read(path).await
    }

    async fn read_from(&self, path: &Path, offset: u64, limit: usize) -> Result<Option<Vec<u8>>> {
        self.is_cut()?;
        LocalTransport.read_from(path, offset, limit).await
    }

    async fn write(&self, path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
        self.step()?;
        LocalTransport.write(path, bytes, mode).await
    }

    async fn write_volatile(&self, path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
        self.step()?;
        LocalTransport.write_volatile(path, bytes, mode).await
    }

    async fn create_dir(&self, path: &Path) -> Result<()> {
        self.step()?;
        LocalTransport.create_dir(path).await
    }

    async fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.step()?;
        if self.other_device.as_ref().is_some_and(|dir| from.starts_with(dir) && !to.starts_with(dir)) {
            return Err(Error::io("rename", ErrorKind::CrossesDevices.into()));
        }
        LocalTransport.rename(from, to).await
    }

    async fn remove_file(&self, path: &Path) -> Result<()> {
        self.step()?;
        LocalTransport.remove_file(path).await
    }

    async fn remove_tree(&self, path: &Path) -> Result<()> {
        self.step()?;
        LocalTransport.remove_tree(path).await
    }

    async fn stat(&self, path: &Path) -> Result<Option<FileStat>> {
        self.is_cut()?;
        LocalTransport.stat(path).await
    }

    async fn list_dir(&self, path: &Path) -> Result<Vec<String>> {
        self.is_cut()?;
        LocalTransport.list_dir(path).await
    }

    async fn lock(
        &self,
        path: &Path,
        wait: Option<Duration>,
        on_wait: Box<dyn FnOnce() + Send>,
    ) -> Result<Box<dyn LockGuard>> {
        LocalTransport.lock(path, wait, on_wait).await
    }

    fn attach(&self, argv: Vec<String>) -> AttachPlan {
        LocalTransport.attach(argv)
    }
}
