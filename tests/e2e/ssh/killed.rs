//! `kill -9` of mng at every step of create, destroy, undo and migrate on other machines; see the module of
//! that name about this machine.

use std::fs;
use std::sync::Mutex;
use std::thread;

use mng_tests::{Fingerprint, SshHost, TestEnv};

use super::{create, do_work, files, git, names, sessions, world};

/// Runs the test of each point in a world of its own, a few at a time.
fn at_each_point(points: &[String], test: impl Fn(&str) + Sync) {
    let next = Mutex::new(points.iter());
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while let Some(point) = { next.lock().unwrap().next() } {
                    test(point);
                }
            });
        }
    });
}

fn entries(machine: &SshHost, dir: &str) -> Vec<String> {
    let found = fs::read_dir(machine.home().join(".mng").join(dir)).into_iter().flatten().flatten();
    found.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn create_killed_at_every_step() {
    const CREATE: &str =
        "create one@alpha --type command --no-connect --no-ensure-clean --env A=b -- sleep 1000";
    let prepare = || {
        let machine = SshHost::start("alpha")?;
        let env = world(&[&machine], "");
        create(&env, "bystander@alpha", "");
        do_work(&machine, "bystander");
        env.repo().write("untracked", "x\n");
        Some((machine, env))
    };
    let Some((machine, scout)) = prepare() else { return };
    let points = scout.fault_points(scout.command(CREATE));
    drop(machine);
    assert!(points.len() >= 8, "create passes too few fault points: {points:?}");
    at_each_point(&points, |point| {
        let Some((machine, env)) = prepare() else { return };
        let (repo, bystander) = (env.repo().fingerprint(), files(&machine, "bystander"));
        env.killed_at(point, env.command(CREATE));
        assert_eq!(env.listed()["bystander"]["state"], "RUNNING", "killed at {point}");
        env.mng("gc").success();
        if names(&machine).contains(&"one".to_owned()) {
            env.mng("destroy one --force -b").success();
        }
        assert_eq!(sessions(&machine), ["mng-bystander"], "killed at {point}");
        assert_eq!(entries(&machine, "projects").len(), 1, "killed at {point}");
        for left in ["journal", "tmp"] {
            assert_eq!(entries(&machine, left), [""; 0], "killed at {point}: {left}");
        }
        assert_eq!(files(&machine, "bystander"), bystander, "killed at {point}");
        assert_eq!(env.repo().fingerprint(), repo, "killed at {point}");

        env.mng(CREATE).success();
        assert_eq!(env.state_of("one"), "RUNNING", "killed at {point}");
        assert_eq!(
            files(&machine, "one"),
            Fingerprint::of(env.repo().path(), &[".git"]),
            "killed at {point}"
        );
    });
}

#[test]
fn destroy_killed_at_every_step() {
    const DESTROY: &str = "destroy one --force -b";
    let prepare = || {
        let machine = SshHost::start("alpha")?;
        let env = world(&[&machine], "");
        create(&env, "one@alpha", "");
        do_work(&machine, "one");
        Some((machine, env))
    };
    let Some((machine, scout)) = prepare() else { return };
    let points = scout.fault_points(scout.command(DESTROY));
    drop(machine);
    assert!(points.len() >= 5, "destroy passes too few fault points: {points:?}");
    at_each_point(&points, |point| {
        let Some((machine, env)) = prepare() else { return };
        let (tree, tip) = (files(&machine, "one"), git(&machine, "one", "rev-parse HEAD"));
        env.killed_at(point, env.command(DESTROY));
        env.mng("list").success();
        env.mng("gc").success();
        env.mng(DESTROY).success();
        assert!(names(&machine).is_empty(), "killed at {point}");
        assert!(sessions(&machine).is_empty(), "killed at {point}");
        env.mng("undo one").success();
        assert_eq!(files(&machine, "one"), tree, "killed at {point}");
        assert_eq!(git(&machine, "one", "rev-parse mng/one"), tip, "killed at {point}");
    });
}

#[test]
fn migrate_killed_at_every_step_after_the_copy() {
    const MIGRATE: &str = "migrate one two@beta --no-connect -- sleep 2000";
    let prepare = || -> Option<(SshHost, SshHost, TestEnv)> {
        let (alpha, beta) = (SshHost::start("alpha")?, SshHost::start("beta")?);
        let env = world(&[&alpha, &beta], "");
        create(&env, "one@alpha", "");
        do_work(&alpha, "one");
        Some((alpha, beta, env))
    };
    let Some((alpha, beta, scout)) = prepare() else { return };
    let points = scout.fault_points(scout.command(MIGRATE));
    drop((alpha, beta));
    assert!(points.iter().any(|point| point.starts_with("destroy.")), "{points:?}");
    // Before that, it is a create like any other.
    let made = points.iter().position(|point| point == "work_dir.made").unwrap();
    let points = &points[made..];
    at_each_point(points, |point| {
        let Some((alpha, beta, env)) = prepare() else { return };
        let tree = files(&alpha, "one");
        env.killed_at(point, env.command(MIGRATE));
        env.mng("list").success();
        env.mng("gc").success();
        let (source, copy) = (!names(&alpha).is_empty(), !names(&beta).is_empty());
        assert!(source || copy, "killed at {point}: both are gone");
        if copy {
            assert_eq!(files(&beta, "two"), tree, "killed at {point}");
        }
        if source && !point.starts_with("destroy.") {
            assert_eq!(files(&alpha, "one"), tree, "killed at {point}");
            assert_eq!(sessions(&alpha), ["mng-one"], "killed at {point}");
        }
        if source {
            env.mng("destroy one --force").success();
            env.mng("undo one").success();
            assert_eq!(files(&alpha, "one"), tree, "killed at {point}");
        }
    });
}
