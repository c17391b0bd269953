//! Machines reached by ssh, with real sshds; see [`mng_tests::SshHost`]. Without root these tests are skipped.

mod idle;
mod lost;
mod names;
mod trust;

use std::fs;

use mng_tests::{SshHost, TestEnv};
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
