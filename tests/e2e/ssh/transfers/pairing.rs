//! A directory here and one there that are kept alike, with the real unison at both ends.

use std::fs;
use std::os::unix::fs::symlink;

use mng_tests::SshHost;
use rustix::process::Signal;

use super::{Boxed, world};

#[test]
fn changes_go_both_ways_over_the_line() {
    let Some(world) = Boxed::start() else { return };
    let (env, repo, work) = (&world.env, world.env.repo(), world.work());
    work.write("by agent", "a\n");
    let theirs = work.commit("by the agent");
    repo.write("by person", "p\n");
    repo.commit("by the person");
    let logins = world.machine.logins();
    let pair = env.command("pair m1 --format jsonl").spawn();
    env.eventually("commits are together", |_| {
        repo.try_git(&format!("merge-base --is-ancestor {theirs} main")).code() == Some(0)
            && work.rev("HEAD") == repo.rev("main")
    });
    repo.write("früh $x 'y'", "early\n");
    env.eventually("the first change", |_| work.has("früh $x 'y'"));
    work.write("sub/from there", "t\n");
    env.eventually("a change of the other side", |_| repo.has("sub/from there"));
    fs::remove_file(repo.path().join("früh $x 'y'")).unwrap();
    env.eventually("a deletion goes over", |_| !work.has("früh $x 'y'"));
    assert_eq!(world.machine.logins(), logins + 1, "all of it goes over one connection");
    pair.signal(Signal::INT);
    let lines = pair.wait().success().jsonl();
    assert_eq!(lines[0]["event"], "pair_started");
    assert_eq!(lines.last().unwrap()["event"], "pair_stopped");
    assert!(!world.machine.home().join(".unison").exists(), "no litter in the home directory");
    env.eventually("nothing is left running there", |_| {
        !world.machine.processes().iter().any(|line| line.contains("unison"))
    });
}

#[test]
fn without_unison_there_it_says_what_to_install() {
    let programs = tempfile::tempdir().unwrap();
    for entry in fs::read_dir("/usr/bin").unwrap().map(Result::unwrap) {
        if !entry.file_name().to_string_lossy().starts_with("unison") {
            symlink(entry.path(), programs.path().join(entry.file_name())).unwrap();
        }
    }
    let path = format!("SetEnv PATH={}", programs.path().display());
    let Some(machine) = SshHost::options("alpha").config(&path).start() else { return };
    let env = world(&[&machine], "");
    env.mng("create m1@alpha --transfer git-mirror --type command --no-connect -- sleep 1000").success();
    let before = env.repo().fingerprint();
    env.mng("pair m1")
        .exits(1)
        .says(&["`unison` is not installed on host `alpha.boxes`", "apt-get install unison"]);
    assert_eq!(env.repo().fingerprint(), before);
}
