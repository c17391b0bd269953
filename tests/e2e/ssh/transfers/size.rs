//! How much goes over the line.

use std::fs;
use std::time::Duration;

use mng_tests::{Relay, SshHost, TestEnv};

/// A log-in, the listing of agents, git's greetings and references.
const NO_OBJECTS: u64 = 96 * 1024;

#[test]
fn what_is_there_already_is_not_sent_again() {
    let Some(machine) = SshHost::start("alpha") else { return };
    let line = Relay::start(machine.socket(), Duration::ZERO);
    let env = TestEnv::new();
    let known = env.root().join("known_hosts");
    fs::write(&known, format!("[127.0.0.1]:{} {}\n", line.address().port(), machine.host_key())).unwrap();
    env.settings(&format!(
        "[providers.boxes]\nbackend = \"ssh\"\n[providers.boxes.hosts.alpha]\naddress = \"127.0.0.1\"\n\
         port = {}\nuser = \"root\"\nkey_file = \"{}\"\nknown_hosts_file = \"{}\"\n",
        line.address().port(),
        machine.key().display(),
        known.display()
    ));
    env.mng("create m1@alpha --transfer git-mirror --type command --no-connect -- sleep 1000").success();
    let mut rng = fastrand::Rng::with_seed(1);
    let repo = env.repo();
    for number in 0..20 {
        let noise: Vec<u8> = (0..100_000).map(|_| rng.u8(..)).collect();
        repo.write(&format!("noise-{number}"), noise);
    }
    repo.commit("much");
    let cost = |command: &str| {
        let before = (line.bytes_to(), line.bytes_back());
        let _ = env.mng(command).success();
        (line.bytes_to() - before.0, line.bytes_back() - before.1)
    };
    let first = cost("push m1 --sync-mode git").0;
    assert!((2_000_000..2_600_000).contains(&first), "the commits themselves: {first} bytes");
    // The files are there by way of the commits: only what they are is compared.
    let files = cost("push m1 --sync-mode files").0;
    assert!(files < NO_OBJECTS, "files: {files} bytes");
    for again in [
        "push m1 --sync-mode git",
        "push m1 --sync-mode full",
        "git push m1",
        "git push m1 main:refs/heads/another",
        "push m1 --sync-mode git --mirror",
        "pull m1 --sync-mode git",
        "pull m1",
        "rsync ./ m1:",
    ] {
        let (to, back) = cost(again);
        assert!(to < NO_OBJECTS && back < NO_OBJECTS, "{again}: {to} bytes there, {back} back");
    }
    repo.write("little", "l\n");
    repo.commit("little");
    let little = cost("push m1 --sync-mode git").0;
    assert!(little < NO_OBJECTS, "one small commit: {little} bytes");
}
