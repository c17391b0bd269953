//! `mng create` that does not get to its end: what it made is gone, what was there stays.

use std::fs;

use mng_tests::{Fingerprint, SmallDisk, TestEnv};
use rustix::process::Signal;
use serde_json::Value;

/// Everything that a create could leave behind: in the repository, in the state dir, in tmux.
#[derive(Debug, PartialEq)]
struct Traces {
    repo: Fingerprint,
    refs: String,
    worktrees: usize,
    /// Names below the directories that a create fills.
    entries: Vec<String>,
    records: Vec<Value>,
    registered: Value,
    sessions: Vec<String>,
}

fn traces(env: &TestEnv) -> Traces {
    let mut entries = Vec::new();
    for dir in ["agents", "worktrees", "copies", "clones", "journal", "tmp"] {
        let names = fs::read_dir(env.state_dir().join(dir)).into_iter().flatten().flatten();
        entries.extend(names.map(|entry| format!("{dir}/{}", entry.file_name().to_string_lossy())));
    }
    entries.sort();
    let host = fs::read_to_string(env.state_dir().join("data.json")).unwrap_or_else(|_| "{}".into());
    let host: Value = serde_json::from_str(&host).unwrap();
    Traces {
        repo: env.repo().fingerprint(),
        refs: env.repo().git("for-each-ref refs/mng"),
        worktrees: env.repo().worktrees().len(),
        entries,
        records: env.records(),
        registered: host["generated_work_dirs"].clone(),
        sessions: env.sessions(),
    }
}

/// Directories of the state dir that hold nothing.
fn assert_no_remains(env: &TestEnv) {
    for dir in ["journal", "tmp", "worktrees", "agents", "copies", "clones"] {
        let left: Vec<_> = fs::read_dir(env.state_dir().join(dir)).into_iter().flatten().flatten().collect();
        assert!(left.is_empty(), "left in {dir}: {left:?}\n{}", env.describe());
    }
    assert_eq!(env.repo().worktrees().len(), 1);
    assert_eq!(env.repo().git("for-each-ref refs/mng"), "");
}

#[test]
fn a_step_that_fails_leaves_nothing() {
    let env = TestEnv::new();
    let before = env.repo().fingerprint();
    for mode in ["git-worktree", "git-mirror"] {
        env.mng(&format!(
            "create a command --no-connect --transfer {mode} --extra-provision-command 'echo no >&2; exit 3' -- sleep 1000"
        ))
        .exits(1)
        .says(&["failed with exit code 3: no"]);
        assert_no_remains(&env);
        assert_eq!(env.repo().fingerprint(), before, "{mode}");
    }
    env.mng("create a command --no-connect -- sleep 1000").success();
}

/// What the failed steps left in the work dir may be somebody's hours of building.
#[test]
fn work_that_a_failed_step_left_can_be_had_back() {
    let env = TestEnv::new();
    env.mng(
        "create a command --no-connect --extra-provision-command 'echo hours > built.txt; exit 1' -- sleep 9",
    )
    .exits(1)
    .says(&["mng undo"]);
    assert!(env.agent_names().is_empty());
    assert!(!env.repo().has_branch("mng/a"));
    assert!(env.repo().git("for-each-ref refs/mng").contains("refs/mng/rescue/"));
}

#[test]
fn an_empty_directory_of_the_person_is_empty_again() {
    let env = TestEnv::new();
    let target = env.root().join("target");
    fs::create_dir(&target).unwrap();
    env.mng(&format!(
        "create a:{} command --no-connect --extra-provision-command false -- sleep 9",
        target.display()
    ))
    .exits(1);
    assert_eq!(fs::read_dir(&target).unwrap().count(), 0);
    assert!(!env.repo().has_branch("mng/a"));
}

#[test]
fn a_session_that_is_somebody_elses_is_not_taken_over() {
    let env = TestEnv::new();
    env.tmux(&["new-session", "-d", "-s", "mng-a", "sleep 1000"]);
    let before = env.repo().fingerprint();
    env.create("other");
    env.mng("create a command --no-connect -- sleep 9").exits(1);
    assert!(env.has_session("mng-a"), "it still runs");
    assert_eq!(env.agent_names(), ["other"]);
    env.mng("stop other").success();
    let path = env.work_dir("other").path().display().to_string();
    env.repo().git(&format!("worktree remove --force {path}"));
    env.repo().git("branch -q -D mng/other");
    assert_eq!(env.repo().fingerprint(), before);
}

#[test]
fn ctrl_c_and_term_undo_and_then_end() {
    let env = TestEnv::new();
    env.create("first");
    let before = traces(&env);
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let mark = env.root().join("provisioning");
        let _ = fs::remove_file(&mark);
        let running = env
            .command("create a command --no-connect")
            .arg("--extra-provision-command")
            .arg(format!("touch {}; sleep 600", mark.display()))
            .arg("--")
            .arg("sleep")
            .arg("1000")
            .spawn();
        env.eventually("it is provisioning", |_| mark.exists());
        assert_eq!(env.agent_names(), ["a", "first"]);
        running.signal(signal);
        running.wait().exits(code).says(&["Aborted!"]);
        assert_eq!(traces(&env), before);
        assert!(mng_tests::processes_matching("sleep 600").is_empty() || env.agent_names() == ["first"]);
    }
    env.create("a");
}

#[test]
fn killed_at_any_step_it_can_be_cleared_away_and_done_again() {
    let points = {
        let env = TestEnv::new();
        env.fault_points(create(&env))
    };
    assert!(points.len() > 10, "{points:?}");
    for point in points {
        let env = TestEnv::new();
        env.create("first");
        env.repo().write("untracked.txt", "the person's");
        let before = traces(&env);
        let killed = env.killed_at(&point, create(&env));
        let point = &killed.point;
        // Looking works, and shows no half-made agent as a running one.
        let listed = env.listed();
        assert!(listed.contains_key("first"), "{point}");
        assert_eq!(env.repo().read("untracked.txt"), "the person's", "{point}");
        if listed.get("a").is_some_and(|agent| agent["state"] == "RUNNING") {
            // It was as good as made: it stays, and says so.
            env.mng("gc").success();
            create(&env).run().exits(1).says(&["an agent named `a` exists", "--reuse"]);
            env.mng("create a --reuse command --no-connect -- sleep 1000").success();
            continue;
        }
        env.mng("gc").success();
        assert_eq!(traces(&env), before, "gc after a kill at {point}");
        // The same again, this time without gc in between: create clears up by itself.
        env.killed_at(point, create(&env));
        create(&env).run().success();
        assert_eq!(env.agent_names(), ["a", "first"], "{point}");
        assert_eq!(env.work_dir("a").branch(), "mng/a", "{point}");
        assert_eq!(env.state_of("a"), "RUNNING", "{point}");
        let left = fs::read_dir(env.state_dir().join("journal")).into_iter().flatten().count();
        assert_eq!(left, 0, "{point}");
    }
}

fn create(env: &TestEnv) -> mng_tests::Command {
    env.command(
        "create a command --no-connect --no-ensure-clean --exclude-unclean --env A=1 --extra-provision-command true -- sleep 1000",
    )
}

#[test]
fn a_branch_of_the_person_never_goes_with_a_killed_create() {
    let env = TestEnv::new();
    env.killed_at("create.work_dir", create(&env));
    // The person took the new branch for their own before anybody cleared up.
    let work_dir = env.repo().worktrees().pop().unwrap();
    let work_dir = env.repo_at(work_dir);
    work_dir.write("mine.txt", "mine");
    let commit = work_dir.commit("mine");
    env.mng("gc").success();
    assert_eq!(env.repo().rev("mng/a"), commit);
}

#[test]
fn a_full_disk_is_an_error_and_no_half_agent() {
    let env = TestEnv::new();
    let dir = env.root().join("disk");
    fs::create_dir(&dir).unwrap();
    let Some(disk) = SmallDisk::mount(&dir, 4096) else { return };
    let before = env.repo().fingerprint();
    let create =
        || env.command("create a command --no-connect -- sleep 1000").env("MNG_HOST_DIR", dir.join("state"));
    create().run().success();
    env.command("destroy a --force").env("MNG_HOST_DIR", dir.join("state")).run().success();
    env.repo().git("branch -D mng/a");
    let filler = disk.fill();
    create().run().exits(1);
    fs::remove_file(filler).unwrap();
    assert_eq!(env.repo().git("worktree list").lines().count(), 1);
    create().run().success();
    env.command("destroy a --force -b").env("MNG_HOST_DIR", dir.join("state")).run().success();
    assert_eq!(env.repo().fingerprint(), before);
}

#[test]
fn a_state_dir_that_cannot_be_written_is_an_error() {
    let env = TestEnv::new();
    let dir = env.root().join("disk");
    fs::create_dir(&dir).unwrap();
    let Some(disk) = SmallDisk::mount(&dir, 4096) else { return };
    disk.set_read_only(true);
    let before = env.repo().fingerprint();
    env.command("create a command --no-connect -- sleep 9")
        .env("MNG_HOST_DIR", dir.join("state"))
        .run()
        .exits(1)
        .says(&["MNG_HOST_DIR"]);
    assert_eq!(env.repo().fingerprint(), before);
}

#[test]
fn tmux_that_is_missing_or_too_old_is_told_before_anything_is_made() {
    let env = TestEnv::new();
    let before = env.repo().fingerprint();
    env.install("tmux", "#!/bin/sh\necho 'tmux 2.9'\nexit 1\n");
    env.mng("create a command --no-connect -- sleep 9").exits(1).says(&["tmux"]);
    assert_eq!(env.repo().fingerprint(), before);
    assert!(env.agent_names().is_empty());
    let bin = env.root().join("only");
    fs::create_dir(&bin).unwrap();
    for program in ["git", "sh"] {
        let found = env.bash(&format!("command -v {program}")).run().success().stdout;
        std::os::unix::fs::symlink(found.trim(), bin.join(program)).unwrap();
    }
    env.command("create a command --no-connect -- sleep 9")
        .env("PATH", &bin)
        .run()
        .exits(1)
        .says(&["`tmux` is not installed"]);
    assert_eq!(env.repo().fingerprint(), before);
}
