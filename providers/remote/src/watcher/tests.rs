//! The real script, in every shell that hosts have, with short clocks.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use mng_core::model::state::{ActivitySource, IdleMode};
use mng_core::transports::LocalTransport;
use serde_json::{Value, json};

use super::*;

const SHELLS: [&[&str]; 3] = [&["dash"], &["bash"], &["busybox", "sh"]];
const OLD: Duration = Duration::from_secs(5000);

/// A host dir with a tmux of its own.
struct World {
    dir: tempfile::TempDir,
    children: Vec<Child>,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("a host's dir").tempdir().unwrap();
        let world = Self { dir, children: Vec::new() };
        for name in ["activity", "commands", "agents", "tmux"] {
            fs::create_dir_all(world.path(name)).unwrap();
        }
        world.write(
            "commands/shutdown.sh",
            &shutdown_script(&format!(
                "echo $MNG_STOP_REASON >>{}",
                quote(&world.path("stopped").display().to_string())
            )),
        );
        world.write("commands/activity_watcher.sh", WATCHER);
        world.write("activity/boot", "");
        world.age("activity/boot", OLD);
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn age(&self, name: &str, age: Duration) {
        File::open(self.path(name)).unwrap().set_modified(SystemTime::now() - age).unwrap();
    }

    fn age_of(&self, name: &str) -> Duration {
        let modified = self.path(name).metadata().unwrap().modified().unwrap();
        SystemTime::now().duration_since(modified).unwrap_or_default()
    }

    /// The record of the host; keys of `other` replace those of a plain one.
    fn record(&self, sources: &[ActivitySource], timeout: u64, other: Value) {
        let mut record = json!({
            "idle_timeout_seconds": timeout, "activity_sources": sources, "max_host_age": null,
            "plugin": {"odd": {"idle_timeout_seconds": 1, "activity_sources": [], "text": "}\"]\\"}},
            "host_id": "host-00000000000000000000000000000001", "tmux_session_prefix": "mng-",
        });
        record.as_object_mut().unwrap().extend(other.as_object().unwrap().clone());
        fs::write(self.path("data.json"), serde_json::to_string_pretty(&record).unwrap()).unwrap();
    }

    /// An agent whose files of activity are old.
    fn agent(&self, name: &str) {
        self.write(&format!("agents/{name}/data.json"), "{}");
        for kind in ["create", "start", "agent", "process", "user"] {
            let file = format!("agents/{name}/activity/{kind}");
            self.write(&file, "");
            self.age(&file, OLD);
        }
    }

    /// A process that is an agent's program.
    fn program(&mut self, name: &str) {
        let child = Command::new("sleep").arg("600").spawn().unwrap();
        let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
        let started = stat.rsplit(") ").next().unwrap().split(' ').nth(19).unwrap();
        self.write(
            &format!("agents/{name}/launch"),
            &format!("{{\"pid\":{},\"start_time\":\"{started}\"}}\n", child.id()),
        );
        self.children.push(child);
    }

    fn command(&self, shell: &[&str]) -> Command {
        let mut command = Command::new(shell[0]);
        command.args(&shell[1..]).arg(self.path("commands/activity_watcher.sh")).arg(self.dir.path());
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        command.env("TMUX_TMPDIR", self.path("tmux")).env("HOME", self.dir.path());
        command.env("MNG_WATCHER_AFTER_STOP", "0").env("MNG_WATCHER_PERIOD", "1");
        command.stdin(Stdio::null());
        command
    }

    /// One round of the watcher: what the shutdown command was told, if it was run.
    fn round_with(&self, shell: &[&str], env: &[(&str, &str)]) -> Option<String> {
        let output =
            self.command(shell).env("MNG_WATCHER_ROUNDS", "1").envs(env.iter().copied()).output().unwrap();
        let log =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{shell:?}: {log}");
        assert!(output.stderr.is_empty(), "{shell:?}: {log}");
        let told = fs::read_to_string(self.path("stopped")).ok();
        let _ = fs::remove_file(self.path("stopped"));
        told.map(|told| told.trim().to_owned())
    }

    fn round(&self, shell: &[&str]) -> Option<String> {
        self.round_with(shell, &[])
    }

    fn tmux(&self, args: &[&str]) {
        let mut command = Command::new("tmux");
        command.args(args).env("TMUX_TMPDIR", self.path("tmux")).env_remove("TMUX");
        assert!(command.status().unwrap().success(), "{args:?}");
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
        let mut tmux = Command::new("tmux");
        let _ = tmux.arg("kill-server").env("TMUX_TMPDIR", self.path("tmux")).stderr(Stdio::null()).status();
    }
}

fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn each_mode_counts_its_sources_and_no_other() {
    let files = [
        (ActivitySource::User, "activity/user"),
        (ActivitySource::User, "agents/a/activity/user"),
        (ActivitySource::Ssh, "activity/ssh"),
        (ActivitySource::Boot, "activity/boot"),
        (ActivitySource::Create, "agents/a/activity/create"),
        (ActivitySource::Start, "agents/b/activity/start"),
        (ActivitySource::Agent, "agents/b/activity/agent"),
        (ActivitySource::Process, "agents/a/activity/process"),
    ];
    let world = World::new();
    world.agent("a");
    world.agent("b");
    world.write("activity/user", "");
    world.write("activity/ssh", "");
    for (index, (fresh, file)) in files.iter().enumerate() {
        // Every shell sees every mode and every file, though not each pair of them.
        for (turn, mode) in IdleMode::ALL.iter().enumerate() {
            let Some(sources) = mode.sources() else { continue };
            for (_, other) in files {
                world.age(other, OLD);
            }
            world.age(file, Duration::from_secs(3));
            world.record(sources, 600, json!({}));
            let shell = SHELLS[(index + turn) % SHELLS.len()];
            let expected = (!sources.is_empty() && !sources.contains(fresh)).then(|| "PAUSED".to_owned());
            assert_eq!(world.round(shell), expected, "{mode} with a fresh {file} under {shell:?}");
        }
    }
}

#[test]
fn a_stop_says_why_and_moves_the_generation_on() {
    for shell in SHELLS {
        let world = World::new();
        world.record(IdleMode::Io.sources().unwrap(), 600, json!({}));
        world.write("host_lock.generation", "41\n");
        // The reason is read while the machine goes down.
        world.write(
            "commands/shutdown.sh",
            &format!(
                "cd {} && cat stop_reason.json host_lock.generation >stopped",
                quote(&world.dir.path().display().to_string())
            ),
        );
        let told = world.round(shell).unwrap();
        let (reason, generation) = told.split_once('\n').unwrap();
        let reason: Value = serde_json::from_str(reason).unwrap();
        assert_eq!(reason["host_id"], "host-00000000000000000000000000000001");
        assert_eq!(reason["stop_reason"], "PAUSED");
        assert!(reason["at"].as_str().unwrap().ends_with('Z'));
        assert_eq!(generation, "42");
        assert!(
            !world.path("stop_reason.json").exists(),
            "it did not go down, so there is nothing to explain"
        );
    }
}

#[test]
fn times_to_come_and_missing_files_do_not_count() {
    for shell in SHELLS {
        let world = World::new();
        world.record(IdleMode::Ssh.sources().unwrap(), 600, json!({}));
        world.write("activity/ssh", "");
        let file = File::open(world.path("activity/ssh")).unwrap();
        file.set_modified(SystemTime::now() + OLD).unwrap();
        assert_eq!(world.round(shell).as_deref(), Some("PAUSED"));
        world.record(IdleMode::Create.sources().unwrap(), 600, json!({}));
        assert_eq!(world.round(shell), None, "no agent was ever made: nothing to count from");
        fs::write(world.path("data.json"), "{").unwrap();
        assert_eq!(world.round(shell), None, "a record that cannot be read stops nothing");
        fs::remove_file(world.path("data.json")).unwrap();
        assert_eq!(world.round(shell), None);
    }
}

#[test]
fn no_idle_stop_under_a_held_lock_and_an_old_machine_waits_for_it() {
    for shell in SHELLS {
        let world = World::new();
        world.record(IdleMode::Io.sources().unwrap(), 600, json!({}));
        let lock = File::create(world.path("host_lock")).unwrap();
        rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
        assert_eq!(world.round(shell), None);
        world.record(IdleMode::Io.sources().unwrap(), 600_000, json!({"max_host_age": 60}));
        let started = Instant::now();
        assert_eq!(world.round_with(shell, &[("MNG_WATCHER_LOCK_WAIT", "1")]).as_deref(), Some("PAUSED"));
        assert!(started.elapsed() >= Duration::from_secs(1));
        drop(lock);
        world.record(IdleMode::Io.sources().unwrap(), 600, json!({}));
        assert_eq!(world.round(shell).as_deref(), Some("PAUSED"), "now it is free");
        world.record(IdleMode::Disabled.sources().unwrap(), 600, json!({"max_host_age": 60}));
        assert_eq!(world.round(shell).as_deref(), Some("PAUSED"), "the age counts in every mode");
        world.record(IdleMode::Disabled.sources().unwrap(), 600, json!({"max_host_age": 60_000}));
        assert_eq!(world.round(shell), None);
    }
}

#[test]
fn an_agent_at_work_protects_where_agents_count() {
    for shell in SHELLS {
        let mut world = World::new();
        world.agent("a");
        world.program("a");
        world.write("agents/a/active", "");
        world.record(IdleMode::Io.sources().unwrap(), 1, json!({}));
        assert_eq!(world.round(shell), None);
        assert!(world.age_of("agents/a/activity/agent") < Duration::from_secs(60), "it is written down");
        assert!(world.age_of("agents/a/activity/process") < Duration::from_secs(60));
        world.record(IdleMode::Ssh.sources().unwrap(), 600, json!({}));
        assert_eq!(world.round(shell).as_deref(), Some("PAUSED"), "only where agents count");

        // Waiting for a person, it does not work.
        fs::remove_file(world.path("agents/a/active")).unwrap();
        world.age("agents/a/activity/agent", OLD);
        world.record(IdleMode::Agent.sources().unwrap(), 600, json!({}));
        assert_eq!(world.round(shell).as_deref(), Some("PAUSED"));
        assert!(world.age_of("agents/a/activity/agent") > OLD / 2);
        world.record(IdleMode::Run.sources().unwrap(), 600, json!({}));
        assert_eq!(world.round(shell), None, "but it runs");

        // The number of a process that ended may be another's by now.
        let pid = world.children[0].id();
        world.write("agents/a/launch", &format!("{{\"pid\":{pid},\"start_time\":\"1\"}}\n"));
        world.write("agents/a/active", "");
        world.age("agents/a/activity/process", OLD);
        world.record(IdleMode::Run.sources().unwrap(), 600, json!({}));
        assert_eq!(world.round(shell).as_deref(), Some("PAUSED"));
    }
}

#[test]
fn a_machine_whose_agents_have_all_ended_stops_after_a_grace() {
    for shell in SHELLS {
        let world = World::new();
        world.agent("a");
        world.record(IdleMode::Io.sources().unwrap(), 1_000_000, json!({}));
        world.write("activity/ssh", "");
        assert_eq!(world.round(shell), None, "it was made just now");
        world.tmux(&["new-session", "-d", "-s", "mng-a", "exec sleep 600"]);
        world.tmux(&["new-session", "-d", "-s", "mine", "exec sleep 600"]);
        assert_eq!(world.round_with(shell, &[("MNG_WATCHER_GRACE", "0")]), None);
        world.tmux(&["kill-session", "-t", "=mng-a"]);
        let told = world.round_with(shell, &[("MNG_WATCHER_GRACE", "0")]);
        assert_eq!(told.as_deref(), Some("STOPPED"), "a session of the person's own holds nothing up");
        world.record(IdleMode::Io.sources().unwrap(), 1_000_000, json!({"tmux_session_prefix": "mi"}));
        assert_eq!(
            world.round_with(shell, &[("MNG_WATCHER_GRACE", "0")]),
            None,
            "that prefix is a host's own"
        );
        world.record(&[], 1, json!({}));
        assert_eq!(world.round_with(shell, &[("MNG_WATCHER_GRACE", "0")]), None, "disabled");
    }
}

#[test]
fn one_watcher_a_host_and_it_follows_the_record() {
    for shell in SHELLS {
        let mut world = World::new();
        world.record(IdleMode::Io.sources().unwrap(), 1_000_000, json!({}));
        let first = world.command(shell).stdout(Stdio::null()).spawn().unwrap();
        let pid = first.id().to_string();
        world.children.push(first);
        let is_up =
            || fs::read_to_string(world.path("activity_watcher.pid")).is_ok_and(|text| text.trim() == pid);
        eventually("the watcher has begun", is_up);
        let second = world.command(shell).output().unwrap();
        assert!(second.status.success() && second.stdout.is_empty(), "{second:?}");
        assert!(is_up());
        assert!(!world.path("stopped").exists());
        world.record(IdleMode::Io.sources().unwrap(), 600, json!({}));
        eventually("the new time counts", || world.path("stopped").exists());
        world.children[0].kill().unwrap();
        world.children[0].wait().unwrap();
        // What it has started keeps no lock.
        assert_eq!(world.round(shell).as_deref().map(|told| told.starts_with("PAUSED")), Some(true));
    }
}

#[test]
fn a_shutdown_that_fails_leaves_the_machine_as_it_was() {
    for shell in SHELLS {
        let world = World::new();
        world.record(IdleMode::Io.sources().unwrap(), 600, json!({}));
        world.write("commands/shutdown.sh", &shutdown_script("exit 3"));
        assert_eq!(world.round(shell), None);
        assert!(!world.path("stop_reason.json").exists());
        let lock = File::open(world.path("host_lock")).unwrap();
        rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();
    }
}

#[test]
fn it_is_installed_and_started_once() {
    let mut world = World::new();
    fs::remove_dir_all(world.path("commands")).unwrap();
    world.record(IdleMode::Io.sources().unwrap(), 1_000_000, json!({}));
    world.write("stop_reason.json", "{}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let start = |command: &str| runtime.block_on(watch(&LocalTransport, world.dir.path(), command)).unwrap();
    start("echo 'it is' off");
    let log = || fs::read_to_string(world.path("logs/activity_watcher.log")).unwrap_or_default();
    eventually("it watches", || log().contains("watching"));
    assert!(!world.path("stop_reason.json").exists(), "that stop is over");
    let shutdown = fs::read_to_string(world.path("commands/shutdown.sh")).unwrap();
    assert!(shutdown.ends_with("exec sh -c 'echo '\\''it is'\\'' off'\n"), "{shutdown}");
    let pid = || fs::read_to_string(world.path("activity_watcher.pid")).unwrap();
    let first = pid();
    start("true");
    let watchers =
        || Command::new("pgrep").args(["-cf", "--"]).arg(world.path("commands")).output().unwrap().stdout;
    eventually("the second one has ended", || watchers() == b"1\n");
    assert_eq!(pid(), first);
    assert!(is_process_of(world.dir.path(), &first));
    let ended = Command::new("kill").arg(first.trim()).status().unwrap();
    assert!(ended.success());
    world.children.clear();
}

fn is_process_of(host_dir: &Path, pid: &str) -> bool {
    let command = fs::read(format!("/proc/{}/cmdline", pid.trim())).unwrap_or_default();
    String::from_utf8_lossy(&command).contains(&*host_dir.to_string_lossy())
}
