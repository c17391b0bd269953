//! A machine that stops when nobody uses it.

use mng_tests::SshHost;

use super::world;

#[test]
fn a_machine_with_a_shutdown_command_is_watched_by_one_script() {
    let Some(machine) = SshHost::start("alpha") else { return };
    let env = world(&[&machine], "shutdown_command = \"echo $MNG_STOP_REASON >/root/off\"");
    let watchers = || machine.processes().iter().filter(|line| line.contains("activity_watcher.sh")).count();
    for name in ["one", "two"] {
        let line = format!("create {name}@alpha --type command --no-connect -- sleep 1000");
        env.mng(&line).success();
    }
    env.eventually("it is watched", |_| watchers() == 1);
    assert!(!machine.home().join("off").exists());
    env.mng("limit one --idle-timeout 1s --activity-sources create").success();
    env.eventually("it is told to stop", |_| machine.home().join("off").exists());
    assert_eq!(std::fs::read_to_string(machine.home().join("off")).unwrap(), "PAUSED\n");
    let reason = std::fs::read_to_string(machine.home().join(".mng/stop_reason.json")).unwrap();
    assert!(reason.contains("\"stop_reason\":\"PAUSED\""), "{reason}");
}

#[test]
fn without_one_nothing_watches_and_limits_say_so() {
    let Some(machine) = SshHost::start("alpha") else { return };
    let env = world(&[&machine], "");
    env.mng("create one@alpha --type command --no-connect -- sleep 1000").success();
    assert!(!machine.home().join(".mng/commands/activity_watcher.sh").exists());
    env.mng("limit one --idle-timeout 1h").success().says(&["shutdown_command"]);
}
