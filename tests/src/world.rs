//! One test's private world, and ways to look at what mng did in it.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::fingerprint::Fingerprint;
use crate::normalise::Normaliser;
use crate::process::{Process, processes_carrying};
use crate::program::{Program, cache_dir};
use crate::repo::Repo;
use crate::run::{Command, Run};
use crate::terminal::Terminal;

/// How long [`TestEnv::eventually`] waits: long, because it costs nothing when things go well and the machine
/// may be busy with other tests.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a test world consists of, shared with the commands that run in it.
pub(crate) struct World {
    /// Short on purpose: tmux's socket lies in it, and a socket path holds about a hundred bytes.
    pub(crate) root: PathBuf,
    pub(crate) mng: PathBuf,
    pub(crate) vars: BTreeMap<OsString, OsString>,
    terminals: AtomicUsize,
}

impl World {
    pub(crate) fn default_cwd(&self) -> PathBuf {
        let repo = self.root.join("repo");
        if repo.exists() { repo } else { self.root.join("home") }
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.root.join("home")
    }

    /// `H` of the spec.
    pub(crate) fn state_dir(&self) -> PathBuf {
        self.home().join(".mng")
    }

    pub(crate) fn next_terminal(&self) -> usize {
        self.terminals.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn normaliser(&self) -> Normaliser {
        Normaliser::new(vec![
            (self.root.clone(), "$ROOT"),
            (self.home(), "$HOME"),
            (self.state_dir(), "$STATE"),
            (self.root.join("repo"), "$REPO"),
            (self.mng.clone(), "mng"),
        ])
    }

    /// Runs tmux against the world's own server.
    pub(crate) fn tmux(&self, args: &[&str]) -> std::process::Output {
        std::process::Command::new("tmux")
            .arg("-u")
            .args(args)
            .current_dir(self.default_cwd())
            .env_clear()
            .envs(&self.vars)
            .stdin(Stdio::null())
            .output()
            .expect("tmux can be run")
    }

    /// Sessions, screens, records and the end of the log: what one wants to see of a failed test.
    pub(crate) fn describe(&self) -> String {
        let mut text = String::from("==== the world\n");
        let sessions =
            self.tmux(&["list-panes", "-a", "-F", "#{session_name}\t#{pane_id}\t#{pane_current_command}"]);
        for line in String::from_utf8_lossy(&sessions.stdout).lines() {
            let pane = line.split('\t').nth(1).unwrap_or_default();
            let screen = self.tmux(&["capture-pane", "-p", "-t", pane]);
            let screen = String::from_utf8_lossy(&screen.stdout);
            let _ = writeln!(text, "---- tmux {line}\n{}", screen.trim_end());
        }
        let state = self.state_dir();
        for entry in fs::read_dir(state.join("agents")).into_iter().flatten().flatten() {
            let record =
                fs::read_to_string(entry.path().join("data.json")).unwrap_or_else(|error| error.to_string());
            let _ = writeln!(text, "---- {}\n{record}", entry.path().display());
        }
        if let Ok(log) = fs::read_to_string(state.join("events/logs/mng/events.jsonl")) {
            let lines: Vec<&str> = log.lines().collect();
            let _ = writeln!(text, "---- log\n{}", lines[lines.len().saturating_sub(30)..].join("\n"));
        }
        text
    }
}

/// A private home, tmux server, git identity and repository. Everything is gone when it is dropped: the
/// server, every process that carries one of its paths, and the files.
pub struct TestEnv {
    world: Arc<World>,
}

impl Default for TestEnv {
    fn default() -> Self {
        Self::new()
    }
}

impl TestEnv {
    /// A world whose commands run in the repository `$ROOT/repo` (see [`TestEnv::repo`]).
    #[must_use]
    pub fn new() -> Self {
        let env = Self::without_repo();
        Repo::init(&env.world, env.world.root.join("repo"));
        env
    }

    /// A world without a repository: commands run in the home directory.
    #[must_use]
    pub fn without_repo() -> Self {
        Self::make(mng_under_test(), Path::new("/tmp"))
    }

    /// A world with a repository where a real agent program is on `PATH`, before the person's own one. It lies
    /// in the tests' cache: below a temporary directory Codex would not run tools.
    ///
    /// # Panics
    /// When its directories cannot be made.
    #[must_use]
    pub fn with_program(program: &Program) -> Self {
        let place = cache_dir().expect("a person has a home").join("worlds");
        fs::create_dir_all(&place).expect("the cache can be written");
        let env = Self::make(mng_under_test(), &place);
        Repo::init(&env.world, env.world.root.join("repo"));
        let link = env.world.root.join("bin").join(program.name());
        std::os::unix::fs::symlink(program.path(), link).expect("the test's bin can be written");
        env
    }

    /// Sets a variable for all that runs in this world: before anything does.
    ///
    /// # Panics
    /// When a command of this world exists already.
    pub fn set_var(&mut self, key: &str, value: impl Into<OsString>) {
        let world = Arc::get_mut(&mut self.world).expect("no command of this world exists yet");
        world.vars.insert(key.into(), value.into());
    }

    /// A world with a repository that runs another `mng` than the one under test.
    #[must_use]
    pub fn running(mng: &Path) -> Self {
        let env = Self::make(mng.to_owned(), Path::new("/tmp"));
        Repo::init(&env.world, env.world.root.join("repo"));
        env
    }

    /// # Panics
    /// When its directories cannot be made.
    fn make(mng: PathBuf, place: &Path) -> Self {
        let root = tempfile::Builder::new().prefix("mt-").tempdir_in(place);
        let root = root.expect("the place of test worlds can be written").keep();
        let root = root.canonicalize().expect("the new directory exists");
        for dir in ["home", "t", "bin", "tmp"] {
            fs::create_dir(root.join(dir)).expect("the new directory can be written");
        }
        std::os::unix::fs::symlink(&mng, root.join("bin/mng")).expect("the new directory can be written");
        fs::write(
            root.join("home/.gitconfig"),
            "[user]\n\tname = Test Person\n\temail = person@example.com\n[init]\n\tdefaultBranch = main\n\
             [gc]\n\tauto = 0\n[commit]\n\tgpgsign = false\n[advice]\n\tdetachedHead = false\n",
        )
        .expect("the new home can be written");
        let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
        let mut full_path = root.join("bin").into_os_string();
        full_path.push(":");
        full_path.push(path);
        let shell = if Path::new("/bin/bash").exists() { "/bin/bash" } else { "/bin/sh" };
        let vars: [(&str, OsString); 9] = [
            ("PATH", full_path),
            ("HOME", root.join("home").into()),
            ("TMPDIR", root.join("tmp").into()),
            ("TMUX_TMPDIR", root.join("t").into()),
            ("GIT_CONFIG_NOSYSTEM", "1".into()),
            ("COLUMNS", "80".into()),
            ("TZ", "UTC".into()),
            ("SHELL", shell.into()),
            ("USER", "person".into()),
        ];
        let vars = vars.into_iter().map(|(key, value)| (OsString::from(key), value)).collect();
        Self { world: Arc::new(World { root, mng, vars, terminals: AtomicUsize::new(0) }) }
    }

    // ---- running things

    /// Runs `mng` with the words of the line, split as a shell splits them (nothing is expanded).
    ///
    /// # Panics
    /// When the line cannot be split, or the run hangs.
    #[must_use = "say how it is to end: `success()` or `exits(N)`"]
    pub fn mng(&self, line: &str) -> Run {
        self.command(line).run()
    }

    /// As [`TestEnv::mng`], with the arguments as they are.
    #[must_use = "say how it is to end: `success()` or `exits(N)`"]
    pub fn mng_args<S: AsRef<OsStr>>(&self, args: &[S]) -> Run {
        self.command_args(args).run()
    }

    /// `mng LINE`, to be changed before it runs.
    ///
    /// # Panics
    /// When the line cannot be split.
    pub fn command(&self, line: &str) -> Command {
        let words = shlex::split(line).unwrap_or_else(|| panic!("`{line}` is badly quoted"));
        self.command_args(&words)
    }

    /// `mng ARGS`, to be changed before it runs.
    pub fn command_args<S: AsRef<OsStr>>(&self, args: &[S]) -> Command {
        let args = args.iter().map(|arg| arg.as_ref().to_owned()).collect();
        Command::new(Arc::clone(&self.world), self.world.mng.clone(), args)
    }

    /// Creates an agent that only lives, in a worktree of the repository.
    ///
    /// # Panics
    /// When it cannot be created.
    #[track_caller]
    pub fn create(&self, name: &str) {
        self.mng(&format!("create {name} --type command --no-connect -- sleep 1000")).success();
    }

    /// Creates an agent that answers each line it reads with `got:LINE`, and waits until it does.
    ///
    /// # Panics
    /// When it cannot be created.
    #[track_caller]
    pub fn create_echo(&self, name: &str) {
        let program = "echo listening; while read -r l; do echo \"got:$l\"; done";
        let _ =
            self.mng_args(&["create", name, "--type", "command", "--no-connect", "--", program]).success();
        self.eventually("the agent listens", |env| env.screen(&format!("mng-{name}")).contains("listening"));
    }

    /// Any program on `PATH`, in this world.
    pub fn program(&self, name: &str) -> Command {
        Command::new(Arc::clone(&self.world), name.into(), Vec::new())
    }

    /// A line for `bash`, where `mng` is the one under test: for what a person types with pipes in it.
    pub fn bash(&self, line: &str) -> Command {
        let args = vec!["--norc".into(), "-c".into(), line.into()];
        Command::new(Arc::clone(&self.world), "bash".into(), args)
    }

    /// Opens a terminal of 80 by 24 that runs `mng LINE`.
    #[must_use]
    pub fn terminal(&self, line: &str) -> Terminal {
        Terminal::open(&self.world, self.command(line), (80, 24))
    }

    /// Opens a terminal with any command and size.
    #[must_use]
    pub fn terminal_of(&self, command: Command, size: (u16, u16)) -> Terminal {
        Terminal::open(&self.world, command, size)
    }

    /// Runs tmux against the world's server and returns what it printed; errors read as an empty text.
    pub fn tmux(&self, args: &[&str]) -> String {
        String::from_utf8_lossy(&self.world.tmux(args).stdout).into_owned()
    }

    /// Waits until the condition holds.
    ///
    /// # Panics
    /// With the screens and logs when it does not in time.
    #[track_caller]
    pub fn eventually(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !condition(self) {
            assert!(Instant::now() < end, "not within {PATIENCE:?}: {what}\n{}", self.world.describe());
            thread::sleep(Duration::from_millis(25));
        }
    }

    // ---- places

    #[must_use]
    pub fn root(&self) -> &Path {
        &self.world.root
    }

    #[must_use]
    pub fn home(&self) -> PathBuf {
        self.world.home()
    }

    /// mng's own directory, `~/.mng`.
    #[must_use]
    pub fn state_dir(&self) -> PathBuf {
        self.world.state_dir()
    }

    /// The repository in which commands run.
    #[must_use]
    pub fn repo(&self) -> Repo {
        Repo::at(&self.world, self.world.root.join("repo"))
    }

    /// Makes another repository, `$ROOT/NAME`.
    #[must_use]
    pub fn new_repo(&self, name: &str) -> Repo {
        Repo::init(&self.world, self.world.root.join(name))
    }

    /// A directory that is, or holds, a git work tree.
    #[must_use]
    pub fn repo_at(&self, path: impl Into<PathBuf>) -> Repo {
        Repo::at(&self.world, path.into())
    }

    /// Where the agent works, as a repository.
    #[must_use]
    #[track_caller]
    pub fn work_dir(&self, agent: &str) -> Repo {
        let record = self.record(agent);
        self.repo_at(record["work_dir"].as_str().expect("a record has a work dir"))
    }

    /// Writes a program into the first directory of `PATH`.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn install(&self, name: &str, script: &str) {
        use std::os::unix::fs::PermissionsExt;
        let path = self.world.root.join("bin").join(name);
        fs::write(&path, script).expect("the test's bin can be written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("the new file is ours");
    }

    /// Writes the user-level settings. The one-time greeting at the first attach counts as seen then.
    ///
    /// # Panics
    /// When they cannot be written.
    pub fn settings(&self, toml: &str) {
        let state = self.state_dir();
        let profile = "0123456789abcdef0123456789abcdef";
        let dir = state.join("profiles").join(profile);
        fs::create_dir_all(&dir).expect("the test's state directory can be written");
        fs::write(state.join("config.toml"), format!("profile = \"{profile}\"\n"))
            .expect("it can be written");
        fs::write(dir.join("settings.toml"), toml).expect("it can be written");
        fs::write(dir.join("tmux_onboarding_shown"), "").expect("it can be written");
    }

    // ---- looking

    /// The stored records of all agents, read from disk, sorted by name.
    #[must_use]
    pub fn records(&self) -> Vec<Value> {
        let entries = fs::read_dir(self.state_dir().join("agents")).into_iter().flatten().flatten();
        let mut records: Vec<Value> = entries
            .filter_map(|entry| fs::read_to_string(entry.path().join("data.json")).ok())
            .filter_map(|text| serde_json::from_str(&text).ok())
            .collect();
        records.sort_by_key(|record: &Value| record["name"].to_string());
        records
    }

    /// The stored record of an agent.
    ///
    /// # Panics
    /// When there is none, or more than one.
    #[must_use]
    #[track_caller]
    pub fn record(&self, agent: &str) -> Value {
        let mut found: Vec<Value> =
            self.records().into_iter().filter(|record| record["name"] == agent).collect();
        assert!(found.len() == 1, "{} records of agent `{agent}`\n{}", found.len(), self.world.describe());
        found.remove(0)
    }

    #[must_use]
    #[track_caller]
    pub fn agent_id(&self, agent: &str) -> String {
        self.record(agent)["id"].as_str().expect("a record has an id").to_owned()
    }

    /// One agent's own directory.
    #[must_use]
    #[track_caller]
    pub fn agent_dir(&self, agent: &str) -> PathBuf {
        self.state_dir().join("agents").join(self.agent_id(agent))
    }

    /// Names that have a record, sorted.
    #[must_use]
    pub fn agent_names(&self) -> Vec<String> {
        self.records().iter().filter_map(|record| record["name"].as_str().map(str::to_owned)).collect()
    }

    /// `list --format json`, by agent name.
    ///
    /// # Panics
    /// When the listing fails.
    #[must_use]
    #[track_caller]
    pub fn listed(&self) -> BTreeMap<String, Value> {
        let listing = self.mng("list --format json").success().json();
        let agents = listing["agents"].as_array().expect("a listing has agents").clone();
        agents
            .into_iter()
            .map(|agent| (agent["name"].as_str().unwrap_or_default().to_owned(), agent))
            .collect()
    }

    /// The state that `list` shows.
    ///
    /// # Panics
    /// When the agent is not listed.
    #[must_use]
    #[track_caller]
    pub fn state_of(&self, agent: &str) -> String {
        let listed = self.listed();
        let agent = listed.get(agent).unwrap_or_else(|| panic!("`{agent}` is not listed"));
        agent["state"].as_str().expect("an agent has a state").to_owned()
    }

    #[must_use]
    pub fn has_session(&self, session: &str) -> bool {
        self.world.tmux(&["has-session", "-t", &format!("={session}:")]).status.success()
    }

    /// Names of the sessions, sorted.
    #[must_use]
    pub fn sessions(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.tmux(&["list-sessions", "-F", "#{session_name}"]).lines().map(str::to_owned).collect();
        names.sort();
        names
    }

    /// The visible text of a session's current pane.
    #[must_use]
    pub fn screen(&self, session: &str) -> String {
        self.tmux(&["capture-pane", "-p", "-t", &format!("={session}:")])
    }

    /// Live processes that carry the agent's mark.
    #[must_use]
    pub fn processes_of(&self, agent_id: &str) -> Vec<Process> {
        processes_carrying("MNG_AGENT_ID", agent_id)
            .into_iter()
            .filter(|process| !process.command.starts_with("tmux"))
            .collect()
    }

    /// All in mng's directory that means something: without logs, locks and caches.
    #[must_use]
    pub fn state_fingerprint(&self) -> Fingerprint {
        let volatile = [
            "events",
            "logs",
            "host_lock",
            "host_lock.generation",
            "config.toml",
            "profiles",
            "host_id",
            "tmp",
        ];
        if self.state_dir().exists() {
            Fingerprint::of(&self.state_dir(), &volatile)
        } else {
            Fingerprint::of(&self.world.root.join("t"), &["tmux-0"])
        }
    }

    /// The screens and logs, for a message of an assertion.
    #[must_use]
    pub fn describe(&self) -> String {
        self.world.describe()
    }

    #[must_use]
    pub fn normalise(&self, text: &str) -> String {
        self.world.normaliser().apply(text)
    }

    pub(crate) fn world(&self) -> &Arc<World> {
        &self.world
    }
}

impl Drop for TestEnv {
    fn drop(&mut self) {
        self.world.tmux(&["kill-server"]);
        Terminal::close_all(&self.world);
        // Whatever an agent double-forked carries the world's paths. Twice: a process may fork while we look.
        for _ in 0..2 {
            let home = self.world.home();
            for process in processes_carrying("HOME", &home.to_string_lossy()) {
                process.kill();
            }
        }
        if std::env::var_os("MNG_TESTS_KEEP").is_none() {
            let _ = fs::remove_dir_all(&self.world.root);
        }
    }
}

/// The binary that cargo built for this test run; beside the test's own executable.
fn mng_under_test() -> PathBuf {
    let own = std::env::current_exe().expect("a test knows its executable");
    let dir = own.ancestors().nth(2).expect("tests lie in target/PROFILE/deps");
    let mng = dir.join("mng-under-test");
    assert!(mng.exists(), "{} is missing: `cargo build -p mng-tests` makes it", mng.display());
    mng
}
