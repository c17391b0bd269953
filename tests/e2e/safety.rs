//! What is the user's is never destroyed, whatever fails. One test for each way in which a program of this
//! kind once lost somebody's work.

use std::fs;

use mng_tests::{Repo, TestEnv};

/// A linked worktree that the user made, with work in it that no commit holds.
fn users_worktree(env: &TestEnv) -> Repo {
    let path = env.root().join("linked");
    env.repo().git(&format!("worktree add --quiet -b mine '{}'", path.display()));
    let linked = env.repo_at(&path);
    linked.write("uncommitted", "precious");
    linked.write("src/app.txt", "changed too\n");
    linked
}

const FAILING: &str = "--extra-provision-command false --type command --no-connect -- sleep 1000";

#[test]
fn a_failed_create_in_place_in_a_linked_worktree() {
    let env = TestEnv::new();
    let linked = users_worktree(&env);
    let before = linked.fingerprint();
    env.command(&format!("create a1 --transfer none {FAILING}")).cwd(linked.path()).run().exits(1);
    assert_eq!(linked.fingerprint(), before);
    assert_eq!(env.repo().worktrees().len(), 2);
    env.mng("gc").success();
    assert_eq!(linked.fingerprint(), before);
}

#[test]
fn destroy_of_an_agent_in_place() {
    let env = TestEnv::new();
    let linked = users_worktree(&env);
    let before = linked.fingerprint();
    let create = "create a1 --transfer none --type command --no-connect -- sleep 1000";
    env.command(create).cwd(linked.path()).run().success();
    env.mng("destroy a1 --force -b --gc").success();
    env.mng("gc").success();
    assert_eq!(linked.fingerprint(), before);
}

#[test]
fn a_failed_update() {
    let env = TestEnv::new();
    env.create("a1");
    let work_dir = env.work_dir("a1");
    work_dir.write("work", "x");
    work_dir.commit("work of the agent");
    work_dir.write("uncommitted", "y");
    let (tree, record) = (work_dir.fingerprint(), env.record("a1"));
    env.mng(&format!("create a1 --reuse --update --no-ensure-clean {FAILING}")).exits(1);
    assert_eq!(work_dir.fingerprint(), tree);
    assert_eq!(env.record("a1"), record, "the record is as before");
    env.mng("start a1").success();
    assert_eq!(env.state_of("a1"), "RUNNING");
}

#[test]
fn an_update_of_an_agent_in_place_switches_no_branch() {
    let env = TestEnv::new();
    env.mng("create a1 --transfer none --type command --no-connect -- sleep 1000").success();
    env.repo().write("uncommitted", "y");
    let before = env.repo().fingerprint();
    env.mng("create a1 --reuse --update --type command --no-connect -- sleep 2000").success();
    assert_eq!(env.repo().fingerprint(), before);
}

#[test]
fn an_update_does_not_move_a_branch_away_from_its_commits() {
    let env = TestEnv::new();
    env.create("a1");
    env.work_dir("a1").write("work", "x");
    let tip = env.work_dir("a1").commit("work of the agent");
    let _ = env.mng("create a1 --reuse --update --type command --no-connect -- sleep 2000");
    assert_eq!(env.repo().rev("mng/a1"), tip);
    assert_eq!(env.work_dir("a1").read("work"), "x");
}

#[test]
fn a_failed_first_message_keeps_the_agent_and_its_work() {
    let env = TestEnv::new();
    // The program is gone when the message comes.
    let run = env.mng("create a1 --type command --no-connect --message hello -- true");
    assert!(env.has_session("mng-a1"), "{}", run.in_full());
    assert!(env.work_dir("a1").has("README.md"));
    assert!(env.repo().has_branch("mng/a1"));
    assert_eq!(env.agent_names(), ["a1"]);
}

#[test]
fn gc_beside_creates_removes_nothing_alive() {
    let env = TestEnv::new();
    let creates: Vec<_> = (0..12)
        .map(|n| env.command(&format!("create a{n} --type command --no-connect -- sleep 1000")).spawn())
        .collect();
    let mut creates = creates;
    while !creates.iter_mut().all(mng_tests::Background::has_ended) {
        env.mng("gc").success();
    }
    for create in creates {
        create.wait().success();
    }
    env.mng("gc").success();
    assert_eq!(env.agent_names().len(), 12);
    for name in env.agent_names() {
        assert!(env.work_dir(&name).has("README.md"), "gc took the work dir of {name}");
        assert!(env.has_session(&format!("mng-{name}")));
    }
}

#[test]
fn a_failed_clone_leaves_its_source_alone() {
    let env = TestEnv::new();
    env.create("a1");
    env.work_dir("a1").write("uncommitted", "x");
    let (tree, repo) = (env.work_dir("a1").fingerprint(), env.repo().fingerprint());
    env.mng(&format!("clone a1 a2 {FAILING}")).exits(1);
    assert_eq!(env.work_dir("a1").fingerprint(), tree);
    assert_eq!(env.repo().fingerprint(), repo);
    assert_eq!(env.agent_names(), ["a1"]);
    assert_eq!(env.state_of("a1"), "RUNNING");
}

#[test]
fn a_failed_migrate_leaves_its_source_alone() {
    let env = TestEnv::new();
    env.create("a1");
    env.work_dir("a1").write("uncommitted", "x");
    let tree = env.work_dir("a1").fingerprint();
    env.mng(&format!("migrate a1 a2 {FAILING}")).exits(1);
    assert_eq!(env.work_dir("a1").fingerprint(), tree);
    assert_eq!(env.agent_names(), ["a1"]);
    assert_eq!(env.state_of("a1"), "RUNNING");
}

#[test]
fn destroy_names_unmerged_work_before_it_goes() {
    let env = TestEnv::new();
    env.create("a1");
    env.work_dir("a1").write("work", "x");
    env.work_dir("a1").commit("a precious commit");
    env.work_dir("a1").write("scratch", "y");
    // Without a terminal and without --force there is nobody to ask.
    env.mng("destroy a1 -b").exits(2).says(&["--force"]);
    assert_eq!(env.agent_names(), ["a1"]);
    env.mng("stop a1").success();
    let terminal = env.terminal("destroy a1 -b");
    terminal.wait_for("[y/N]");
    let screen = terminal.screen();
    for part in ["a1", "a precious commit", "undo"] {
        assert!(screen.contains(part), "the question does not say {part:?}:\n{screen}");
    }
    terminal.type_text("n");
    terminal.press(&["Enter"]);
    assert_eq!(terminal.wait_exit(), 1);
    assert!(terminal.screen().contains("Aborted!"));
    assert_eq!(env.work_dir("a1").read("scratch"), "y");
    assert_eq!(env.agent_names(), ["a1"]);
}

#[test]
fn merged_work_needs_no_warning_also_when_squashed() {
    let env = TestEnv::new();
    for (name, squash) in [("a1", false), ("a2", true)] {
        env.create(name);
        env.work_dir(name).write(&format!("work-{name}"), "x\n");
        env.work_dir(name).commit(&format!("part one of {name}"));
        env.work_dir(name).write(&format!("more-{name}"), "y\n");
        env.work_dir(name).commit(&format!("part two of {name}"));
        if squash {
            env.repo().git(&format!("merge --quiet --squash mng/{name}"));
            env.repo().commit("squashed");
        } else {
            env.repo().git(&format!("merge --quiet --no-ff --no-edit mng/{name}"));
        }
        env.mng(&format!("stop {name}")).success();
        let terminal = env.terminal(&format!("destroy {name} -b"));
        terminal.wait_for("[y/N]");
        assert!(
            !terminal.screen().contains("part one"),
            "merged work was called lost:\n{}",
            terminal.screen()
        );
        terminal.type_text("y");
        terminal.press(&["Enter"]);
        assert_eq!(terminal.wait_exit(), 0);
        assert!(!env.repo().has_branch(&format!("mng/{name}")));
    }
}

#[test]
fn worktrees_and_branches_that_only_look_like_ours_stay() {
    let env = TestEnv::new();
    env.create("a1");
    // The user's own things, at places and with names that mng would choose.
    env.repo().git("branch mng/a2");
    let theirs = env.state_dir().join("worktrees").join("a9-0123456789abcdef0123456789abcdef");
    env.repo().git(&format!("worktree add --quiet -b mng/a9 '{}'", theirs.display()));
    fs::write(theirs.join("precious"), "x").unwrap();
    env.mng("destroy a1 --force -b").success();
    env.mng("gc").success();
    assert!(theirs.join("precious").exists(), "a directory that is not registered is not ours");
    assert_eq!(env.repo().branches(), ["main", "mng/a2", "mng/a9"]);
}

#[test]
fn destroy_keeps_a_branch_that_create_did_not_make() {
    let env = TestEnv::new();
    env.repo().git("branch theirs");
    env.mng("create a1 --branch theirs --type command --no-connect -- sleep 1000").success();
    env.mng("destroy a1 --force -b").success();
    assert!(env.repo().has_branch("theirs"));
}

#[test]
fn two_agents_in_one_work_dir_and_one_goes() {
    let env = TestEnv::new();
    env.create("a1");
    let work_dir = env.work_dir("a1");
    let path = work_dir.path().to_string_lossy().into_owned();
    work_dir.write("shared", "x");
    env.mng_args(&[
        "create",
        "a2",
        "--type",
        "command",
        "--no-connect",
        "--from",
        &path,
        "--transfer",
        "none",
        "--",
        "sleep 1000",
    ])
    .success();
    env.mng("destroy a1 --force").success();
    env.mng("gc").success();
    assert_eq!(work_dir.read("shared"), "x", "another agent works there");
    assert_eq!(env.state_of("a2"), "RUNNING");
}

#[test]
fn a_kept_work_dir_becomes_the_users() {
    let env = TestEnv::new();
    env.create("a1");
    let work_dir = env.work_dir("a1");
    work_dir.write("shared", "x");
    env.mng("destroy a1 --force --no-allow-worktree-removal").success();
    env.mng("gc").success();
    assert_eq!(work_dir.read("shared"), "x");
}

#[test]
fn a_symlink_in_the_work_dir_is_not_followed() {
    let env = TestEnv::new();
    let outside = env.root().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("precious"), "x").unwrap();
    env.create("a1");
    std::os::unix::fs::symlink(&outside, env.work_dir("a1").path().join("link")).unwrap();
    env.mng("destroy a1 --force").success();
    assert!(outside.join("precious").exists());
}

#[test]
fn an_interrupted_create_takes_back_what_it_made() {
    let env = TestEnv::new();
    for signal in [rustix::process::Signal::INT, rustix::process::Signal::TERM] {
        let before = env.repo().fingerprint();
        let marker = env.root().join("provisioning");
        let slow = format!("touch '{}'; sleep 100", marker.display());
        let create = env
            .command_args(&[
                "create",
                "a1",
                "--type",
                "command",
                "--no-connect",
                "--extra-provision-command",
                &slow,
                "--",
                "sleep 1000",
            ])
            .spawn();
        env.eventually("provisioning runs", |_| marker.exists());
        create.signal(signal);
        let run = create.wait();
        assert_ne!(run.code(), Some(0));
        if signal == rustix::process::Signal::INT {
            assert_eq!(run.code(), Some(130), "{}", run.in_full());
        }
        assert_eq!(env.repo().fingerprint(), before);
        assert_eq!(env.repo().worktrees().len(), 1);
        assert!(env.records().is_empty());
        fs::remove_file(marker).unwrap();
    }
    env.create("a1");
}
