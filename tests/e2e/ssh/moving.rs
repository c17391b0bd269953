//! Agents that are cloned and migrated between machines which do not know each other.

use std::fs;
use std::time::Duration;

use mng_tests::{Fingerprint, SshHost, TestEnv};

use super::{create, do_work, files, git, names, sessions, work_dir, world};

/// Two machines, and an agent `one` with work of its own on the first. Neither machine has the other's key
/// or a way to its network.
fn pair() -> Option<(SshHost, SshHost, TestEnv)> {
    let (alpha, beta) = (SshHost::start("alpha")?, SshHost::start("beta")?);
    let env = world(&[&alpha, &beta], "");
    // A line that is cut is noticed soon.
    fs::create_dir(env.home().join(".ssh")).unwrap();
    fs::write(env.home().join(".ssh/config"), "Host *\n\tServerAliveInterval 1\n").unwrap();
    create(&env, "one@alpha", "");
    do_work(&alpha, "one");
    Some((alpha, beta, env))
}

#[test]
fn a_clone_goes_from_machine_to_machine_and_home() {
    let Some((alpha, beta, env)) = pair() else { return };
    let knock = |host: &SshHost| format!("exec 3<>/dev/tcp/{}/22", host.address());
    assert!(alpha.run(&["bash", "-c", &knock(&alpha)]).status.success());
    let reach = alpha.run(&["timeout", "3", "bash", "-c", &knock(&beta)]);
    assert!(!reach.status.success(), "the machines reach each other");
    let (tree, tip) = (files(&alpha, "one"), git(&alpha, "one", "rev-parse HEAD"));

    env.mng("clone one two@beta --no-connect -- sleep 2000").success();
    assert_eq!(files(&beta, "two"), tree);
    assert_eq!(git(&beta, "two", "rev-parse HEAD"), tip);
    assert_eq!(git(&beta, "two", "rev-parse --abbrev-ref HEAD"), "mng/two\n");
    assert_eq!(sessions(&beta), ["mng-two"]);

    env.mng("clone one@alpha three@localhost --no-connect -- sleep 2000").success();
    let here = env.work_dir("three");
    assert_eq!(Fingerprint::of(here.path(), &[".git"]), tree);
    assert_eq!(here.git("rev-parse HEAD"), tip);

    // And a copy without git, from machine to machine.
    fs::create_dir(alpha.home().join("plain")).unwrap();
    fs::write(alpha.home().join("plain/ü"), "x").unwrap();
    create(&env, "four@beta", "--from @alpha:/root/plain");
    assert_eq!(fs::read_to_string(work_dir(&beta, "four").join("ü")).unwrap(), "x");

    assert_eq!((files(&alpha, "one"), sessions(&alpha)), (tree, vec!["mng-one".to_owned()]));
    let left = fs::read_dir(env.state_dir().join("tmp")).into_iter().flatten().count();
    assert_eq!(left, 0, "what passed through this machine is gone from it");
}

#[test]
fn a_migrated_agent_is_whole_before_its_source_goes() {
    let Some((alpha, beta, env)) = pair() else { return };
    let (tree, tip) = (files(&alpha, "one"), git(&alpha, "one", "rev-parse HEAD"));
    env.mng("migrate one one@beta --no-connect -- sleep 2000").success();
    assert_eq!((files(&beta, "one"), git(&beta, "one", "rev-parse HEAD")), (tree.clone(), tip));
    assert!(names(&alpha).is_empty());
    assert!(sessions(&alpha).is_empty());
    env.mng("migrate one home@localhost --no-connect -- sleep 2000").success();
    assert_eq!(Fingerprint::of(env.work_dir("home").path(), &[".git"]), tree);
    assert!(names(&beta).is_empty());
}

/// An rsync on the machine that waits, when it receives files, until `go` is there, having made `waits`.
fn make_rsync_wait(machine: &SshHost) {
    let home = machine.home().display().to_string();
    let script = format!(
        "#!/bin/sh\ncase \" $* \" in\n*' --server '*)\n    : >{home}/waits\n    \
         while [ ! -e {home}/go ]; do sleep 0.05; done ;;\nesac\nexec /usr/bin/rsync \"$@\"\n"
    );
    machine.install("rsync", &script);
}

#[test]
fn a_line_that_is_cut_during_a_migration_keeps_the_source() {
    for is_source in [false, true] {
        let Some((alpha, beta, env)) = pair() else { return };
        let tree = files(&alpha, "one");
        let migrate = env.command("migrate one two@beta --no-connect -- sleep 2000");
        make_rsync_wait(&beta);
        let running = migrate.deadline(Duration::from_secs(110)).spawn();
        env.eventually("files are on their way", |_| beta.home().join("waits").exists());
        let cut = if is_source { &alpha } else { &beta };
        cut.cut();
        fs::write(beta.home().join("go"), "").unwrap();
        let run = running.wait();
        assert!(run.code() != Some(0), "{}", run.in_full());
        cut.mend();
        assert_eq!((files(&alpha, "one"), names(&alpha)), (tree.clone(), vec!["one".to_owned()]));
        assert_eq!(sessions(&alpha), ["mng-one"]);
        // What is left of the attempt goes with gc, and the same command succeeds.
        env.eventually("the machines answer", |env| env.mng("gc").code() == Some(0));
        assert!(names(&beta).is_empty(), "{:?}", names(&beta));
        env.mng("migrate one two@beta --no-connect -- sleep 2000").success();
        assert_eq!(files(&beta, "two"), tree);
        assert!(names(&alpha).is_empty());
    }
}

#[test]
fn a_copy_that_differs_keeps_the_source() {
    let Some((alpha, beta, env)) = pair() else { return };
    let tree = files(&alpha, "one");
    // What arrives is damaged on the way to the disk.
    let script = "#!/bin/sh\n/usr/bin/rsync \"$@\"\ncode=$?\n\
                  for dir in /root/.mng/projects/*/; do [ -e \"$dir/src/app.txt\" ] && echo bad >\"$dir/src/app.txt\"; done\n\
                  exit $code\n";
    beta.install("rsync", script);
    env.mng("migrate one two@beta --no-connect -- sleep 2000")
        .exits(1)
        .says(&["src/app.txt", "not as in the source"]);
    assert_eq!((files(&alpha, "one"), sessions(&alpha)), (tree, vec!["mng-one".to_owned()]));
    assert!(names(&beta).is_empty());
    assert_eq!(fs::read_dir(beta.home().join(".mng/projects")).into_iter().flatten().count(), 0);
}
