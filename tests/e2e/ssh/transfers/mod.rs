//! Files and commits between here and a machine that is reached by ssh.

mod both_ways;
mod misfortune;
mod pairing;
mod size;

use std::fs;
use std::path::PathBuf;

use mng_tests::{Repo, SshHost, TestEnv};
use serde_json::Value;

use super::world;

const CREATE: &str = "create m1@alpha --transfer git-mirror --type command --no-connect -- sleep 1000";

/// An agent on a machine of its own.
struct Boxed {
    machine: SshHost,
    env: TestEnv,
}

impl Boxed {
    /// `None`, noted as a skipped test, where no machine can be made.
    fn start() -> Option<Self> {
        Some(Self::on(SshHost::start("alpha")?))
    }

    fn on(machine: SshHost) -> Self {
        let env = world(&[&machine], "");
        env.mng(CREATE).success();
        Self { machine, env }
    }

    /// A line that is found dead within seconds, not a minute.
    fn with_short_patience() -> Option<Self> {
        let machine = SshHost::start("alpha")?;
        let env = TestEnv::new();
        fs::create_dir(env.home().join(".ssh")).unwrap();
        let config = machine.ssh_config() + "\tServerAliveInterval 1\n";
        fs::write(env.home().join(".ssh/config"), config).unwrap();
        env.mng(CREATE).success();
        Some(Self { machine, env })
    }

    /// The same machine, as if nobody had been there, and a new person.
    fn afresh(self) -> Self {
        self.machine.tmux(&["kill-server"]);
        fs::remove_dir_all(self.machine.home().join(".mng")).unwrap();
        Self::on(self.machine)
    }

    /// The agent's record, as the machine has it.
    fn record(&self) -> Value {
        let agents = fs::read_dir(self.machine.home().join(".mng/agents")).unwrap();
        let dir = agents.map(|entry| entry.unwrap().path()).next().unwrap();
        serde_json::from_str(&fs::read_to_string(dir.join("data.json")).unwrap()).unwrap()
    }

    /// A path of the machine, as seen from here.
    fn seen_from_here(&self, path: &str) -> PathBuf {
        self.machine.home().join(path.strip_prefix("/root/").unwrap())
    }

    /// Where the agent works.
    fn work(&self) -> Repo {
        self.env.repo_at(self.seen_from_here(self.record()["work_dir"].as_str().unwrap()))
    }

    fn json(&self, line: &str) -> Value {
        self.env.mng(&format!("{line} --format json")).success().json()
    }
}
