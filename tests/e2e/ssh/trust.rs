//! Keys of hosts and of people.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use mng_tests::{SshHost, TestEnv};

use super::{agent, hosts, settings, world};

pub(super) fn fingerprint(machine: &SshHost) -> String {
    let output =
        machine.run(&["ssh-keygen", "-lf", &machine.root().join("host_key.pub").display().to_string()]);
    String::from_utf8(output.stdout).unwrap().split(' ').nth(1).unwrap().to_owned()
}

/// A world whose known_hosts file, the second part, is not there yet.
pub(super) fn world_that_knows_nobody(machine: &SshHost) -> (TestEnv, PathBuf) {
    let env = TestEnv::new();
    let pins = env.home().join("pins");
    let text = settings(&[machine], "");
    env.settings(&text.replace(&machine.known_hosts().display().to_string(), &pins.display().to_string()));
    (env, pins)
}

#[test]
fn a_changed_host_key_is_refused_with_both_fingerprints() {
    let Some(machine) = SshHost::start("alpha") else { return };
    agent(&machine, "one", 1, false);
    let env = world(&[&machine], "");
    env.mng("list --provider boxes").success().prints("one");
    let before = fingerprint(&machine);
    machine.change_host_key();
    let run = env.mng("list --provider boxes").exits(6);
    run.says(&[&before, &fingerprint(&machine), "has changed"]).prints("one").prints("UNKNOWN");
    assert_eq!(hosts(&env, 6), [("alpha".to_owned(), "UNAUTHENTICATED".to_owned())]);
    let logins = machine.logins();
    env.mng("list --provider boxes --allow-unknown-host").exits(6);
    assert_eq!(machine.logins(), logins, "a changed key is no unknown one");
}

#[test]
fn a_host_that_wants_a_password_fails_at_once() {
    let options =
        SshHost::options("alpha").config("PubkeyAuthentication no").config("PasswordAuthentication yes");
    let Some(machine) = options.start() else { return };
    let env = world(&[&machine], "");
    let started = Instant::now();
    let run = env.mng("list --provider boxes --format json").exits(6);
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    let error = &run.json()["errors"][0];
    assert_eq!(error["error_class"], "HostAuthenticationError", "{error}");
    assert_eq!(hosts(&env, 6), [("alpha".to_owned(), "UNAUTHENTICATED".to_owned())]);
}

#[test]
fn an_unknown_host_is_refused_until_somebody_says_so() {
    let Some(machine) = SshHost::start("alpha") else { return };
    let (env, pins) = world_that_knows_nobody(&machine);
    env.mng("list --provider boxes").exits(6).says(&[
        "is not known",
        &fingerprint(&machine),
        "--allow-unknown-host",
    ]);
    assert!(!pins.exists());
    env.mng("list --provider boxes --allow-unknown-host").success();
    assert!(fs::read_to_string(&pins).unwrap().contains(&machine.host_key()));
    env.mng("list --provider boxes").success();
}
