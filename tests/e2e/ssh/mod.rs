//! Machines reached by ssh, with real sshds; see [`mng_tests::SshHost`]. Without root these tests are skipped.

mod claude;
mod codex;
mod connect;
mod idle;
mod killed;
mod life;
mod lost;
mod moving;
mod names;
mod pi;
mod round_trips;
mod transfers;
mod trust;
mod undo;
mod work;

use std::fs;
use std::path::{Path, PathBuf};

use mng_tests::{Fingerprint, SshHost, TestEnv};
use serde_json::{Value, json};

/// A world whose provider `boxes` has these machines; `more` are further keys of the provider.
fn world(hosts: &[&SshHost], more: &str) -> TestEnv {
    let env = TestEnv::new();
    env.settings(&settings(hosts, more));
    env
}

fn settings(hosts: &[&SshHost], more: &str) -> String {
    let mut text =
        format!("host_detail_read_timeout_seconds = 6\n[providers.boxes]\nbackend = \"ssh\"\n{more}\n");
    for host in hosts {
        text.push_str(&format!(
            "[providers.boxes.hosts.{}]\naddress = \"{}\"\nuser = \"root\"\nkey_file = \"{}\"\nknown_hosts_file = \"{}\"\n",
            host.name(),
            host.address(),
            host.key().display(),
            host.known_hosts().display(),
        ));
    }
    text
}

/// Puts an agent on a machine as if it had been made there: a record, and a session if it runs.
fn agent(host: &SshHost, name: &str, number: u32, is_running: bool) {
    let id = format!("agent-{number:032x}");
    let dir = host.home().join(".mng/agents").join(&id);
    fs::create_dir_all(dir.join("activity")).unwrap();
    let record = json!({
        "id": id, "name": name, "type": "command", "work_dir": "/root",
        "create_time": "2026-11-22T13:31:00.000001+00:00", "command": "sleep 1000",
        "ready_timeout_seconds": 10.0, "labels": {},
    });
    fs::write(dir.join("data.json"), record.to_string()).unwrap();
    if is_running {
        host.tmux(&["new-session", "-d", "-s", &format!("mng-{name}"), "exec sleep 1000"]);
    }
}

/// State by name of the agents of a listing.
fn states(listing: &Value) -> Vec<(String, String)> {
    let agents = listing["agents"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut states: Vec<_> = agents.map(|agent| (text(&agent["name"]), text(&agent["state"]))).collect();
    states.sort();
    states
}

/// State by name of the machines.
fn hosts(env: &TestEnv, code: i32) -> Vec<(String, String)> {
    let hosts = env.mng("list --hosts --provider boxes --format json").exits(code).json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    hosts["hosts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|host| (text(&host["name"]), text(&host["state"])))
        .collect()
}

/// Creates an agent that only lives, from the person's repository.
#[track_caller]
fn create(env: &TestEnv, address: &str, more: &str) {
    env.mng(&format!("create {address} --type command --no-connect {more} -- sleep 1000")).success();
}

/// The stored records of the agents on a machine, sorted by name.
fn records(machine: &SshHost) -> Vec<Value> {
    let entries = fs::read_dir(machine.home().join(".mng/agents")).into_iter().flatten().flatten();
    let mut records: Vec<Value> = entries
        .filter_map(|entry| fs::read_to_string(entry.path().join("data.json")).ok())
        .map(|text| serde_json::from_str(&text).unwrap())
        .collect();
    records.sort_by_key(|record| record["name"].to_string());
    records
}

fn names(machine: &SshHost) -> Vec<String> {
    records(machine).iter().map(|record| record["name"].as_str().unwrap().to_owned()).collect()
}

#[track_caller]
fn record(machine: &SshHost, name: &str) -> Value {
    let found = records(machine).into_iter().find(|record| record["name"] == name);
    found.unwrap_or_else(|| panic!("no agent `{name}` on {}: {:?}", machine.name(), names(machine)))
}

/// A path of a machine's home, as it is seen from here.
fn seen_from_here(machine: &SshHost, path: &str) -> PathBuf {
    machine.home().join(Path::new(path).strip_prefix("/root").unwrap())
}

/// Where an agent of a machine works, as it is seen from here.
#[track_caller]
fn work_dir(machine: &SshHost, name: &str) -> PathBuf {
    seen_from_here(machine, record(machine, name)["work_dir"].as_str().unwrap())
}

/// The files of an agent's work dir.
#[track_caller]
fn files(machine: &SshHost, name: &str) -> Fingerprint {
    Fingerprint::of(&work_dir(machine, name), &[".git"])
}

/// Runs git on the machine in an agent's work dir.
#[track_caller]
fn git(machine: &SshHost, name: &str, line: &str) -> String {
    let dir = record(machine, name)["work_dir"].as_str().unwrap().to_owned();
    let words = shlex::split(line).unwrap();
    let argv: Vec<&str> = ["git", "-C", &dir].into_iter().chain(words.iter().map(String::as_str)).collect();
    let output = machine.run(&argv);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git {line} on {}: {error}", machine.name());
    String::from_utf8(output.stdout).unwrap()
}

fn sessions(machine: &SshHost) -> Vec<String> {
    let listed = machine.tmux(&["list-sessions", "-F", "#{session_name}"]);
    let mut sessions: Vec<String> = listed.lines().map(str::to_owned).collect();
    sessions.sort();
    sessions
}

/// Work that exists nowhere else: a commit, a change, a deletion and an untracked file. Returns the commit.
fn do_work(machine: &SshHost, name: &str) -> String {
    let dir = work_dir(machine, name);
    fs::write(dir.join("committed"), "by the agent\n").unwrap();
    git(machine, name, "add committed");
    git(machine, name, "-c user.name=Agent -c user.email=agent@example.com commit -q -m unmerged");
    fs::write(dir.join("src/app.txt"), "changed\n").unwrap();
    fs::remove_file(dir.join("README.md")).unwrap();
    fs::create_dir(dir.join("new dir")).unwrap();
    fs::write(dir.join("new dir/odd \"name\" ü.bin"), [0_u8, 255, 10, 13, 0, 1]).unwrap();
    git(machine, name, "rev-parse HEAD").trim().to_owned()
}
