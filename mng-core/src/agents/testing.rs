//! A private host for tests: its own state dir and tmux server, both gone when it is dropped.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::launch::{StartRequest, Started, start_agent};
use crate::hosts::{Host, HostLock};
use crate::model::error::Result;
use crate::model::event::Events;
use crate::model::ids::{AgentId, HostId};
use crate::model::names::{HostName, ProviderName};
use crate::model::record::AgentRecord;
use crate::model::state::HostState;
use crate::providers::DiscoveredHost;
use crate::settings::TmuxSettings;
use crate::transports::{
    AttachPlan, Chunk, ExecOutput, ExecRequest, FileStat, LocalTransport, LockGuard, PipedCommand, Transport,
};

/// The local transport, with variables added for every child.
#[derive(Debug)]
struct WithEnv {
    inner: LocalTransport,
    env: BTreeMap<String, String>,
    /// Claims to lead to another machine, so that everything has to go through commands and file transfers.
    is_far: bool,
}

impl WithEnv {
    fn extend(&self, mut request: ExecRequest) -> ExecRequest {
        for (key, value) in &self.env {
            if request.unset.contains(key) {
                continue;
            }
            request.env.entry(key.clone()).or_insert_with(|| value.clone());
        }
        request
    }
}

#[async_trait]
impl Transport for WithEnv {
    fn is_local(&self) -> bool {
        !self.is_far
    }

    async fn exec(&self, request: ExecRequest) -> Result<ExecOutput> {
        self.inner.exec(self.extend(request)).await
    }

    async fn exec_streaming(
        &self,
        request: ExecRequest,
        on_chunk: &mut (dyn FnMut(Chunk) + Send),
    ) -> Result<ExecOutput> {
        self.inner.exec_streaming(self.extend(request), on_chunk).await
    }

    async fn spawn(&self, request: ExecRequest) -> Result<PipedCommand> {
        self.inner.spawn(self.extend(request)).await
    }

    async fn read(&self, path: &Path) -> Result<Option<Vec<u8>>> {
        self.inner.read(path).await
    }

    async fn read_from(&self, path: &Path, offset: u64, limit: usize) -> Result<Option<Vec<u8>>> {
        self.inner.read_from(path, offset, limit).await
    }

    async fn write(&self, path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
        self.inner.write(path, bytes, mode).await
    }

    async fn write_volatile(&self, path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
        self.inner.write_volatile(path, bytes, mode).await
    }

    async fn create_dir(&self, path: &Path) -> Result<()> {
        self.inner.create_dir(path).await
    }

    async fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.inner.rename(from, to).await
    }

    async fn remove_file(&self, path: &Path) -> Result<()> {
        self.inner.remove_file(path).await
    }

    async fn remove_tree(&self, path: &Path) -> Result<()> {
        self.inner.remove_tree(path).await
    }

    async fn stat(&self, path: &Path) -> Result<Option<FileStat>> {
        self.inner.stat(path).await
    }

    async fn list_dir(&self, path: &Path) -> Result<Vec<String>> {
        self.inner.list_dir(path).await
    }

    async fn lock(
        &self,
        path: &Path,
        wait: Option<Duration>,
        on_wait: Box<dyn FnOnce() + Send>,
    ) -> Result<Box<dyn LockGuard>> {
        self.inner.lock(path, wait, on_wait).await
    }

    fn attach(&self, argv: Vec<String>) -> AttachPlan {
        let mut plan = self.inner.attach(argv);
        plan.env.extend(self.env.clone());
        plan
    }
}

/// A host dir, a tmux server and a home of their own.
pub(crate) struct PrivateHost {
    pub(crate) host: Host,
    root: tempfile::TempDir,
}

impl PrivateHost {
    pub(crate) fn new() -> Self {
        Self::with_env([])
    }

    /// A host whose children get further variables.
    pub(crate) fn with_env<const N: usize>(extra: [(&str, &str); N]) -> Self {
        Self::make(extra, false)
    }

    /// A host that is treated like another machine: nothing of it may be opened directly.
    pub(crate) fn far() -> Self {
        Self::make([], true)
    }

    /// As [`PrivateHost::far`], with further variables for its children.
    pub(crate) fn far_with_env<const N: usize>(extra: [(&str, &str); N]) -> Self {
        Self::make(extra, true)
    }

    fn make<const N: usize>(extra: [(&str, &str); N], is_far: bool) -> Self {
        // Short on purpose: a socket path holds about a hundred bytes.
        let root = tempfile::Builder::new().prefix("mng-t").tempdir_in("/tmp").unwrap();
        for dir in ["home", "tmux", "work", "h"] {
            std::fs::create_dir(root.path().join(dir)).unwrap();
        }
        let text = |dir: &str| root.path().join(dir).to_string_lossy().into_owned();
        let mut env: BTreeMap<String, String> = BTreeMap::from([
            ("HOME".into(), text("home")),
            ("TMUX_TMPDIR".into(), text("tmux")),
            ("SHELL".into(), "/bin/bash".into()),
            ("PS1".into(), "$ ".into()),
            ("LC_ALL".into(), "C".into()),
        ]);
        env.extend(extra.map(|(key, value)| (key.to_owned(), value.to_owned())));
        let info = DiscoveredHost {
            id: HostId::generate(),
            name: HostName::stored("localhost"),
            provider: ProviderName::stored("local"),
            state: HostState::Running,
            host_dir: root.path().join("h"),
            tags: BTreeMap::new(),
        };
        let host = Host::new(info, Arc::new(WithEnv { inner: LocalTransport, env, is_far }), "mng-");
        Self { host, root }
    }

    pub(crate) fn path(&self, name: &str) -> std::path::PathBuf {
        self.root.path().join(name)
    }

    /// An agent with a record, a state dir and an env file, as create leaves it before the start.
    pub(crate) fn agent(&self, name: &str, command: &str) -> AgentRecord {
        let id = AgentId::generate();
        let record: AgentRecord = serde_json::from_value(serde_json::json!({
            "id": id, "name": name, "type": "command", "work_dir": self.path("work"),
            "create_time": "2026-11-22T13:31:00Z", "command": command,
        }))
        .unwrap();
        self.write_agent(&record);
        record
    }

    pub(crate) fn write_agent(&self, record: &AgentRecord) {
        let layout = &self.host.layout;
        std::fs::create_dir_all(layout.agent(&record.id)).unwrap();
        let env = format!(
            "MNG_HOST_DIR={}\nMNG_AGENT_ID={}\nMNG_AGENT_NAME={}\nMNG_AGENT_STATE_DIR={}\n",
            layout.root().display(),
            record.id,
            record.name,
            layout.agent(&record.id).display()
        );
        std::fs::write(layout.agent_env(&record.id), env).unwrap();
        std::fs::write(layout.agent_record(&record.id), serde_json::to_vec(record).unwrap()).unwrap();
    }

    /// Starts an agent that was just made.
    pub(crate) fn start(&self, record: &AgentRecord) -> Result<Started> {
        self.start_with(record, |_| {})
    }

    pub(crate) fn start_with(
        &self,
        record: &AgentRecord,
        change: impl FnOnce(&mut StartRequest<'_>),
    ) -> Result<Started> {
        let settings = TmuxSettings::default();
        let mut request = StartRequest {
            record,
            command_line: &record.command,
            tmux: &settings,
            unset_vars: &[],
            mng: "mng",
            is_new: true,
            grace: Duration::from_secs(5),
            welcome: None,
        };
        change(&mut request);
        block(async { start_agent(&self.host, &self.lock().await, &request).await })
    }

    pub(crate) async fn lock(&self) -> HostLock {
        self.host.lock(None, &Events::none()).await.unwrap()
    }

    pub(crate) fn read(&self, path: impl AsRef<Path>) -> String {
        std::fs::read_to_string(self.root.path().join(path)).unwrap_or_default()
    }

    /// Runs tmux against the private server and returns what it prints.
    pub(crate) fn tmux(&self, args: &[&str]) -> String {
        let output = std::process::Command::new("tmux")
            .arg("-u")
            .args(args)
            .env_remove("TMUX")
            .env("TMUX_TMPDIR", self.path("tmux"))
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for PrivateHost {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
        let mark = format!("MNG_HOST_DIR={}", self.host.layout.root().display());
        for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
                continue;
            };
            let environ = std::fs::read(entry.path().join("environ")).unwrap_or_default();
            if environ.split(|byte| *byte == 0).any(|var| var == mark.as_bytes())
                && let Some(pid) = rustix::process::Pid::from_raw(pid)
            {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
        let Some(groups) = super::cgroup::Groups::detect(self.host.layout.root()) else { return };
        let deadline = Instant::now() + Duration::from_secs(2);
        while !groups.agents().is_empty() && Instant::now() < deadline {
            groups.agents().iter().for_each(|agent| groups.of(agent).remove());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Runs a future to its end.
pub(crate) fn block<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Waits until a condition holds; fails after a time that a busy machine cannot need.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The same test on this machine's own host (`NAME::here`) and on one that is treated like another machine
/// (`NAME::far`).
macro_rules! here_and_far {
    ($($(#[$meta:meta])* fn $name:ident($private:ident) $body:block)*) => {$(
        $(#[$meta])*
        mod $name {
            use super::*;

            fn run($private: PrivateHost) $body

            #[test]
            fn here() {
                run(PrivateHost::new());
            }

            #[test]
            fn far() {
                run(PrivateHost::far());
            }
        }
    )*};
}
pub(crate) use here_and_far;
