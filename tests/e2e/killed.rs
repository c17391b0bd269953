//! `kill -9` at every step of create, destroy and rename: nothing of the user's is lost, `list` works, `gc`
//! removes the remains, and the same command then succeeds.
//!
//! The steps are not written down here: a run in a world of its own reports the fault points that it passes.

use std::sync::Mutex;
use std::thread;

use mng_tests::TestEnv;

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

#[test]
fn create_killed_at_every_step() {
    const CREATE: &str = "create a1 --type command --no-connect --env A=b --message hello -- sleep 1000";
    let scout = TestEnv::new();
    let points = scout.fault_points(scout.command(CREATE));
    assert!(points.len() >= 6, "create passes too few fault points: {points:?}");
    at_each_point(&points, |point| {
        let env = TestEnv::new();
        env.create("bystander");
        env.work_dir("bystander").write("notes", "kept");
        let (users, bystander) =
            (env.repo().git("status --porcelain"), env.work_dir("bystander").fingerprint());
        let main = env.repo().rev("main");

        env.killed_at(point, env.command(CREATE));
        let listed = env.listed();
        assert_eq!(listed["bystander"]["state"], "RUNNING", "killed at {point}");
        env.mng("gc").success();
        // Before the record the remains are gone now; after it the agent is one that can be destroyed.
        if env.agent_names().contains(&"a1".to_owned()) {
            env.mng("destroy a1 --force -b").success();
        }
        assert_eq!(env.sessions(), ["mng-bystander"], "killed at {point}");
        assert_eq!(env.repo().worktrees().len(), 2, "killed at {point}: {:?}", env.repo().worktrees());
        assert_eq!(env.repo().branches(), ["main", "mng/bystander"], "killed at {point}");
        for left in ["journal", "tmp"] {
            let left: Vec<_> = std::fs::read_dir(env.state_dir().join(left))
                .into_iter()
                .flatten()
                .flatten()
                .map(|e| e.path())
                .collect();
            assert!(left.is_empty(), "killed at {point}: {left:?}");
        }
        assert_eq!(env.repo().git("status --porcelain"), users);
        assert_eq!(env.repo().rev("main"), main);
        assert_eq!(env.work_dir("bystander").fingerprint(), bystander);

        env.mng(CREATE).success();
        assert_eq!(env.state_of("a1"), "RUNNING", "killed at {point}");
    });
}

/// Without a gc in between: the next create of that name clears the way itself.
#[test]
fn create_again_after_a_kill_without_gc() {
    const CREATE: &str = "create a1 --type command --no-connect -- sleep 1000";
    let scout = TestEnv::new();
    let points = scout.fault_points(scout.command(CREATE));
    at_each_point(&points, |point| {
        let env = TestEnv::new();
        env.killed_at(point, env.command(CREATE));
        let again = env.mng(CREATE);
        if again.code() != Some(0) {
            // The first one got as far as an agent; then the error says so and it can be used or destroyed.
            again.exits(1).says(&["a1", "--reuse"]);
            env.mng("start a1").success();
        }
        assert_eq!(env.state_of("a1"), "RUNNING", "killed at {point}");
        assert_eq!(env.agent_names(), ["a1"]);
        assert_eq!(env.repo().worktrees().len(), 2, "killed at {point}");
    });
}

#[test]
fn a_mirror_create_killed_at_every_step() {
    const CREATE: &str = "create a1 --transfer git-mirror --type command --no-connect -- sleep 1000";
    let scout = TestEnv::new();
    let points = scout.fault_points(scout.command(CREATE));
    at_each_point(&points, |point| {
        let env = TestEnv::new();
        let before = env.repo().fingerprint();
        env.killed_at(point, env.command(CREATE));
        env.mng("list").success();
        env.mng("gc").success();
        if env.agent_names().contains(&"a1".to_owned()) {
            env.mng("destroy a1 --force").success();
        }
        let copies = std::fs::read_dir(env.state_dir().join("copies")).into_iter().flatten().count();
        assert_eq!(copies, 0, "killed at {point}");
        assert_eq!(env.repo().fingerprint(), before, "killed at {point}");
        env.mng(CREATE).success();
    });
}

#[test]
fn destroy_killed_at_every_step() {
    const DESTROY: &str = "destroy a1 --force -b";
    let prepare = || {
        let env = TestEnv::new();
        env.create("a1");
        let work_dir = env.work_dir("a1");
        work_dir.write("committed", "by the agent\n");
        work_dir.commit("unmerged work");
        work_dir.write("untracked", "never committed\n");
        work_dir.write("src/app.txt", "changed\n");
        env
    };
    let scout = prepare();
    let points = scout.fault_points(scout.command(DESTROY));
    assert!(points.len() >= 5, "destroy passes too few fault points: {points:?}");
    at_each_point(&points, |point| {
        let env = prepare();
        let (tip, tree) = (env.repo().rev("mng/a1"), env.work_dir("a1").fingerprint());
        let (status, main) = (env.repo().status(), env.repo().rev("main"));
        env.killed_at(point, env.command(DESTROY));
        env.mng("list").success();
        env.mng("gc").success();
        // The same command succeeds: it finishes what was begun, or finds nothing left to do.
        env.mng(DESTROY).success();
        assert!(env.agent_names().is_empty(), "killed at {point}");
        assert!(env.sessions().is_empty(), "killed at {point}");
        assert_eq!(env.repo().worktrees().len(), 1, "killed at {point}");
        assert_eq!((env.repo().status(), env.repo().rev("main")), (status, main));
        // And whatever the moment, the work comes back.
        env.mng("undo a1").success();
        assert_eq!(env.repo().rev("mng/a1"), tip, "killed at {point}");
        assert_eq!(env.work_dir("a1").fingerprint(), tree, "killed at {point}");
    });
}

#[test]
fn rename_killed_at_every_step() {
    let scout = TestEnv::new();
    scout.create("a1");
    let points = scout.fault_points(scout.command("rename a1 b1"));
    assert!(points.len() >= 2, "rename passes too few fault points: {points:?}");
    at_each_point(&points, |point| {
        let env = TestEnv::new();
        env.create("a1");
        let (id, tree) = (env.agent_id("a1"), env.work_dir("a1").fingerprint());
        env.killed_at(point, env.command("rename a1 b1"));
        let listed = env.listed();
        assert_eq!(listed.len(), 1, "killed at {point}");
        let (name, agent) = listed.into_iter().next().unwrap();
        assert!(name == "a1" || name == "b1", "killed at {point}: {name}");
        // The session may have the new name already; the agent is still seen alive.
        assert_eq!(agent["state"], "RUNNING", "killed at {point}");
        env.mng("gc").success();
        env.mng(&format!("rename {name} b1")).success();
        assert_eq!(env.agent_id("b1"), id);
        assert_eq!(env.sessions(), ["mng-b1"], "killed at {point}");
        assert_eq!(env.work_dir("b1").fingerprint(), tree);
        env.mng("stop b1").success();
        assert!(env.sessions().is_empty());
    });
}

#[test]
fn undo_killed_at_every_step() {
    let prepare = || {
        let env = TestEnv::new();
        env.create("a1");
        env.work_dir("a1").write("committed", "x\n");
        env.work_dir("a1").commit("unmerged");
        env.work_dir("a1").write("untracked", "y\n");
        let (tip, tree) = (env.repo().rev("mng/a1"), env.work_dir("a1").fingerprint());
        env.mng("destroy a1 --force -b").success();
        (env, tip, tree)
    };
    let (scout, ..) = prepare();
    let points = scout.fault_points(scout.command("undo a1"));
    at_each_point(&points, |point| {
        let (env, tip, tree) = prepare();
        env.killed_at(point, env.command("undo a1"));
        env.mng("list").success();
        env.mng("gc").success();
        if !env.agent_names().contains(&"a1".to_owned()) {
            env.mng("undo a1").success();
        }
        assert_eq!(env.work_dir("a1").fingerprint(), tree, "killed at {point}");
        assert_eq!(env.work_dir("a1").rev("HEAD"), tip, "killed at {point}");
    });
}
