//! What the line costs: an mng with the feature `ssh`, hosts at the far end of a round trip of 50 ms, and the
//! system's own `ssh` beside it.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use mng_provider_remote::{SshTarget, SshTransport};
use mng_tests::{Relay, Run, SshHost, TestEnv};
use serde_json::json;

use super::{Bench, note, run};

/// Half of a round trip.
const DELAY: Duration = Duration::from_millis(25);
/// The machine does other things too, so the best of so many counts.
const RUNS: usize = 7;
const FEW: u16 = 20;
const MANY: u16 = 200;
const SCREEN: &str = "the-screen-of-the-agent";

/// Adds the rows of hosts that are reached by ssh.
pub(super) fn measure(bench: &mut Bench, mng: &Path) {
    let Some(host) = SshHost::options("far").config("PermitUserEnvironment HOME").start() else {
        note("the rows of ssh are left out: they take root and sshd");
        return;
    };
    let host = Far { host, mng: mng.to_owned() };
    (0..MANY).for_each(|door| host.open_door(door));
    one(bench, &host);
    listing(bench, &host);
    many(bench, &host);
}

/// One machine whose doors are the hosts: to who comes with the key of a door its home is that door's own.
struct Far {
    host: SshHost,
    mng: PathBuf,
}

/// A world that knows some of the doors, each behind a line of its own.
struct World<'a> {
    far: &'a Far,
    env: TestEnv,
    lines: Vec<Relay>,
    known_hosts: PathBuf,
}

impl Far {
    fn open_door(&self, door: u16) {
        let (key, home) = (self.key(door), format!("door-{door}"));
        let made =
            Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).status();
        assert!(made.is_ok_and(|status| status.success()), "`ssh-keygen` makes a key");
        let public = fs::read_to_string(key.with_extension("pub")).expect("it was just made");
        self.host.authorize(&format!("environment=\"HOME=/root/{home}\" {public}"));
        fs::create_dir(self.host.home().join(home)).expect("the host's files are ours");
    }

    fn key(&self, door: u16) -> PathBuf {
        self.host.root().join(format!("door_{door}"))
    }

    /// The first doors, as the hosts `h0`, `h1` and on.
    fn world(&self, count: u16, delay: Duration) -> World<'_> {
        let env = TestEnv::running(&self.mng);
        let lines: Vec<Relay> = (0..count).map(|_| Relay::start(self.host.socket(), delay)).collect();
        let known_hosts = env.root().join("known_hosts");
        let known: String = lines
            .iter()
            .map(|line| format!("{} {}\n", known_name(line.address()), self.host.host_key()))
            .collect();
        fs::write(&known_hosts, known).expect("the world can be written");
        let mut settings = String::from("[providers.far]\nbackend = \"ssh\"\n");
        for (door, line) in (0..count).zip(&lines) {
            settings.push_str(&format!(
                "[providers.far.hosts.h{door}]\naddress = \"127.0.0.1\"\nport = {}\nuser = \"root\"\n\
                 key_file = \"{}\"\nknown_hosts_file = \"{}\"\n",
                line.address().port(),
                self.key(door).display(),
                known_hosts.display(),
            ));
        }
        env.settings(&settings);
        World { far: self, env, lines, known_hosts }
    }

    /// An agent behind a door, as if it had been made there.
    fn agent(&self, door: u16, name: &str) {
        let id = format!("agent-{:032x}", u32::from(door) + 1);
        let dir = self.host.home().join(format!("door-{door}/.mng/agents/{id}"));
        fs::create_dir_all(dir.join("activity")).expect("the host's files are ours");
        let record = json!({
            "id": id, "name": name, "type": "command", "work_dir": "/root",
            "create_time": "2026-11-22T13:31:00.000001+00:00", "command": "sleep 100000",
            "ready_timeout_seconds": 10.0, "labels": {},
        });
        fs::write(dir.join("data.json"), record.to_string()).expect("the host's files are ours");
    }
}

impl World<'_> {
    fn mng(&self, line: &str) -> Run {
        self.env.command(line).deadline(Duration::from_secs(300)).run().success()
    }

    /// The words of the system's `ssh` to the first host.
    fn ssh(&self, options: &str, command: &str) -> String {
        format!(
            "ssh {options} -F none -o BatchMode=yes -o IdentityAgent=none -o UserKnownHostsFile={} -i {} -p {} root@127.0.0.1 {command}",
            self.known_hosts.display(),
            self.far.key(0).display(),
            self.lines[0].address().port(),
        )
    }

    fn shell(&self, line: &str) -> Run {
        self.env.bash(line).deadline(Duration::from_secs(300)).run().success()
    }

    /// Round trips until our own connection to the first host is logged in.
    fn handshake(&self) -> usize {
        let line = &self.lines[0];
        let target = SshTarget {
            port: line.address().port(),
            identity_files: vec![self.far.key(0)],
            use_agent: false,
            known_hosts: vec![self.known_hosts.clone()],
            ..SshTarget::new("127.0.0.1", "root")
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let before = line.turns();
        runtime.expect("threads are to be had").block_on(async {
            let transport = SshTransport::new(target);
            transport.connect().await.expect("the host takes the key");
            line.turns() - before
        })
    }
}

fn known_name(address: SocketAddr) -> String {
    format!("[{}]:{}", address.ip(), address.port())
}

/// The shortest of several, in milliseconds.
fn best(mut once: impl FnMut() -> Duration) -> f64 {
    (0..RUNS).map(|_| once().as_secs_f64() * 1e3).fold(f64::INFINITY, f64::min)
}

/// The fewest of several: the last words of a connection may or may not be a turn.
fn fewest<T: Ord>(mut once: impl FnMut() -> T) -> T {
    let first = once();
    (1..RUNS).map(|_| once()).fold(first, Ord::min)
}

/// One host, one agent with a screen.
fn one(bench: &mut Bench, far: &Far) {
    let world = far.world(1, DELAY);
    let create =
        format!("create a@h0.far --type command --no-connect --yes -- 'echo {SCREEN}; exec sleep 100000'");
    fs::write(world.env.repo().path().join("large"), noise(3_000_000)).expect("the world can be written");
    world.env.repo().commit("a large file");
    world.mng(&create);
    let line = &world.lines[0];

    let handshake = fewest(|| world.handshake());
    let connections = line.connections();
    world.mng("list");
    let connections = line.connections() - connections;
    bench.row("connections of `list` to a host", connections.to_string(), "1", connections == 1);
    let turns = |command: &str| {
        let before = line.turns();
        world.mng(command);
        line.turns() - before - handshake
    };
    let listing = fewest(|| turns("list"));
    // The channel, the look, and the farewell, which nobody waits for.
    bench.row("round trips of `list` after the login", listing.to_string(), "3", listing <= 3);
    let exec = fewest(|| turns("exec a@h0 true"));
    bench.row("round trips of `exec AGENT@HOST` after the login", exec.to_string(), "3", exec <= 3);

    let theirs = best(|| world.shell(&world.ssh("-T", "true")).elapsed);
    let ours = best(|| world.mng("exec a@h0 true").elapsed);
    bench.ratio("`exec AGENT@HOST` against `ssh HOST`", (ours, theirs), 1.1);
    connect(bench, &world);
    push(bench, &world);
}

/// From the start of the command to the agent's screen.
fn connect(bench: &mut Bench, world: &World<'_>) {
    let until_seen = |command: &str| {
        let begun = Instant::now();
        let terminal = world.env.terminal_of(world.env.bash(command), (100, 30));
        while !terminal.screen().contains(SCREEN) {
            assert!(begun.elapsed() < Duration::from_secs(60), "no screen: {}", terminal.screen());
        }
        let took = begun.elapsed();
        terminal.press(&["C-b", "d"]);
        terminal.wait_exit();
        took
    };
    let attach = world.ssh("-t", "tmux attach -t =mng-a:");
    let theirs = best(|| until_seen(&attach));
    let ours = best(|| until_seen("mng connect a@h0"));
    bench.ratio("`connect AGENT@HOST` until the screen is there, against `ssh -t`", (ours, theirs), 1.3);
}

/// Bytes of a push that has nothing to move.
fn push(bench: &mut Bench, world: &World<'_>) {
    let line = &world.lines[0];
    let bytes = |work: &dyn Fn()| {
        let before = line.bytes_to() + line.bytes_back();
        work();
        line.bytes_to() + line.bytes_back() - before
    };
    world.mng("push a@h0");
    let synced = bytes(&|| drop(world.mng("push a@h0"))) as f64 / 1e3;
    let what = "bytes of a `push` that has nothing to move, repository of 3 MB";
    bench.row(what, format!("{synced:.1} kB"), "100 kB", synced <= 100.0);
}

fn noise(count: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(4);
    (0..count).map(|_| random.u8(..)).collect()
}

/// Twenty hosts against one.
fn listing(bench: &mut Bench, far: &Far) {
    let (single, few) = (far.world(1, DELAY), far.world(FEW, DELAY));
    let (mut one, mut all) = (f64::INFINITY, f64::INFINITY);
    for door in 0..FEW {
        far.agent(door, &format!("a{door}"));
    }
    // By turns, so that a busy moment hits both.
    for _ in 0..RUNS {
        one = one.min(single.mng("list").elapsed.as_secs_f64() * 1e3);
        all = all.min(few.mng("list").elapsed.as_secs_f64() * 1e3);
    }
    bench.ratio("`list` of 20 hosts against one", (all, one), 2.0);
}

/// Two hundred hosts: memory, and time against the slowest of them or what so many logins cost the machine.
fn many(bench: &mut Bench, far: &Far) {
    for door in 0..MANY {
        far.agent(door, &format!("a{door}"));
    }
    let world = far.world(MANY, DELAY);
    let slowest = {
        let single = far.world(1, DELAY);
        best(|| single.mng("list").elapsed)
    };
    let ports: String = world.lines.iter().map(|line| format!("{}\n", line.address().port())).collect();
    fs::write(world.env.root().join("ports"), ports).expect("the world can be written");
    let login =
        world.ssh("-T", "true").replace(&format!("-p {} ", world.lines[0].address().port()), "-p {} ");
    let all = format!("xargs -P {MANY} -I {{}} {login} <{}/ports", world.env.root().display());
    let logins = world.shell(&all).elapsed.as_secs_f64() * 1e3;
    let out = world.env.root().join("memory");
    let args = [
        "-f",
        "%M",
        "-o",
        &out.display().to_string(),
        &far.mng.display().to_string(),
        "list",
        "--format",
        "json",
    ];
    let listed = run(&world.env, "time", &args).success();
    let seen = listed.json()["agents"].as_array().map_or(0, Vec::len);
    assert!(seen >= usize::from(MANY), "all are there, not {seen}");
    let text = fs::read_to_string(out).expect("time wrote its measure");
    let megabytes = text.trim().parse::<f64>().expect("kilobytes") * 1024.0 / 1e6;
    bench.row("peak memory of `list`, 200 hosts", format!("{megabytes:.1} MB"), "100 MB", megabytes < 100.0);
    let ours = listed.elapsed.as_secs_f64() * 1e3;
    bench.ratio(
        "`list` of 200 hosts against the slowest of them, or 200 logins by `ssh` at once",
        (ours, slowest.max(logins)),
        2.0,
    );
}
