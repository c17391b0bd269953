//! Machines by the names of the person's ssh configuration, and agents from making to ending there.

use std::fs;

use mng_tests::{SshHost, TestEnv};

use super::{states, world};

fn with_ssh_config(machine: &SshHost) -> TestEnv {
    let env = TestEnv::new();
    fs::create_dir(env.home().join(".ssh")).unwrap();
    let config = format!("Host unused\n  HostName 10.255.255.1\n{}", machine.ssh_config());
    fs::write(env.home().join(".ssh/config"), config).unwrap();
    env
}

#[test]
fn a_name_of_the_ssh_configuration_needs_no_settings() {
    let Some(machine) = SshHost::start("alpha") else { return };
    let env = with_ssh_config(&machine);
    env.mng("list").success();
    assert_eq!(machine.logins(), 0, "it has no agent, so it is not asked");
    env.mng("create one@beta --type command --no-connect -- true")
        .exits(1)
        .says(&["there is no host `beta`"]);

    env.mng("create one@alpha --type command --no-connect -- sleep 1000").success();
    let listed = env.mng("list --format json").success().json();
    let one = &listed["agents"][0];
    assert_eq!((&one["name"], &one["state"]), (&"one".into(), &"RUNNING".into()), "{one}");
    assert_eq!(one["host"]["provider_name"], "ssh");
    assert!(machine.tmux(&["list-sessions"]).contains("mng-one"));
    assert!(machine.home().join(".mng/agents").exists());

    machine.cut();
    let lost = env.mng("list --format json -S host_detail_read_timeout_seconds=4").exits(6).json();
    assert_eq!(lost["agents"][0]["state"], "UNKNOWN");
    machine.mend();

    env.mng("destroy one --force").success();
    env.mng("list").success();
    let logins = machine.logins();
    env.mng("list").success();
    assert_eq!(machine.logins(), logins, "its last agent is gone");

    // What was destroyed still lies there.
    let kept = env.mng("undo --list").success();
    assert!(kept.stdout.contains("one"), "{}", kept.stdout);
    env.mng("undo one").success();
    let listed = env.mng("list --format json").success().json();
    assert_eq!(states(&listed), [("one".to_owned(), "STOPPED".to_owned())]);
    env.mng("start one").success();
    env.mng("destroy one --force").success();
}

#[test]
fn machines_are_borrowed_and_what_only_their_owner_does_is_refused_with_advice() {
    let Some(machine) = SshHost::start("alpha") else { return };
    let env = world(&[&machine], "");
    env.mng("create x@.boxes --type command --no-connect -- true")
        .exits(1)
        .says(&["mng list --hosts --provider boxes"]);
    env.mng("rename --host @alpha.boxes other").exits(1).says(&["does not own it"]);
}

#[test]
fn the_state_dir_is_where_the_settings_say() {
    let Some(machine) = SshHost::start("alpha") else { return };
    let env = world(&[&machine], "host_dir = \"~/elsewhere/mng\"");
    env.mng("create one@alpha --type command --no-connect -- sleep 1000").success();
    assert!(machine.home().join("elsewhere/mng/agents").exists());
    assert!(!machine.home().join(".mng").exists());
}

#[test]
fn a_machine_without_tmux_is_told_of_before_anything_is_made() {
    let programs = tempfile::tempdir().unwrap();
    for entry in
        fs::read_dir("/usr/bin").unwrap().map(Result::unwrap).filter(|entry| entry.file_name() != "tmux")
    {
        std::os::unix::fs::symlink(entry.path(), programs.path().join(entry.file_name())).unwrap();
    }
    let path = format!("SetEnv PATH={}", programs.path().display());
    let Some(machine) = SshHost::options("alpha").config(&path).start() else { return };
    let env = world(&[&machine], "");
    let run = env.mng("create one@alpha --type command --no-connect -- true").exits(1);
    run.says(&["host `alpha.boxes` lacks `tmux`", "--install-packages"]);
    env.mng("doctor").success().prints("lacks tmux");
}
