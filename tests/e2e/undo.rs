//! What `destroy` took, `undo` gives back, byte for byte.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use mng_tests::{Repo, TestEnv};

/// Work of every kind: commits, staged, changed, deleted, untracked and ignored.
fn do_work(work_dir: &Repo) {
    work_dir.write(".gitignore", "*.secret\n");
    work_dir.write("committed", "by the agent\n");
    work_dir.commit("unmerged work");
    work_dir.write("src/app.txt", "changed\n");
    fs::remove_file(work_dir.path().join("README.md")).unwrap();
    work_dir.write("untracked dir/odd \"name\" ü.bin", [0_u8, 255, 10, 13, 0, 1]);
    work_dir.write("empty", "");
    work_dir.write("run.sh", "#!/bin/sh\n");
    fs::set_permissions(work_dir.path().join("run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("src/app.txt", work_dir.path().join("link")).unwrap();
    symlink("nowhere", work_dir.path().join("dangling")).unwrap();
    work_dir.write("api.secret", "TOKEN=1\n");
    fs::set_permissions(work_dir.path().join("api.secret"), fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn everything_comes_back_byte_for_byte() {
    for branch_too in [false, true] {
        let env = TestEnv::new();
        env.create("b1");
        let work_dir = env.work_dir("b1");
        do_work(&work_dir);
        let (tree, tip, record) = (work_dir.fingerprint(), env.repo().rev("mng/b1"), env.record("b1"));
        let users = env.repo().status();
        env.mng(if branch_too { "destroy b1 --force -b" } else { "destroy b1 --force" }).success();
        assert!(!work_dir.path().exists());
        assert_eq!(env.repo().has_branch("mng/b1"), !branch_too);

        env.mng("undo").success().prints("b1");
        assert_eq!(env.repo().rev("mng/b1"), tip);
        assert_eq!(env.work_dir("b1").fingerprint(), tree, "branch deleted: {branch_too}");
        let restored = env.record("b1");
        for key in ["id", "name", "type", "command", "create_time", "labels", "created_branch_name"] {
            assert_eq!(restored[key], record[key], "{key}");
        }
        assert_eq!(env.repo().status(), users);
        env.mng("start b1").success();
        assert_eq!(env.state_of("b1"), "RUNNING");
        env.mng("destroy b1 --force").success();
    }
}

#[test]
fn a_work_dir_without_git_comes_back_too() {
    let env = TestEnv::without_repo();
    let plain = env.root().join("plain");
    fs::create_dir(&plain).unwrap();
    fs::write(plain.join("file"), "x").unwrap();
    let from = plain.to_string_lossy().into_owned();
    env.mng_args(&["create", "a1", "--from", &from, "--type", "command", "--no-connect", "--", "sleep 1000"])
        .success();
    fs::write(env.work_dir("a1").path().join("made here"), "y").unwrap();
    let work_dir = env.work_dir("a1").path().to_owned();
    env.mng("destroy a1 --force").success();
    assert!(!work_dir.exists());
    env.mng("undo a1").success();
    assert_eq!(fs::read_to_string(work_dir.join("made here")).unwrap(), "y");
    assert_eq!(fs::read_to_string(plain.join("file")).unwrap(), "x");
}

#[test]
fn the_list_says_what_there_is_to_bring_back() {
    let env = TestEnv::new();
    env.mng("undo").exits(1);
    assert_eq!(env.mng("undo --list").success().code(), Some(0));
    for name in ["a1", "a2"] {
        env.create(name);
        env.work_dir(name).write("notes", name);
        env.mng(&format!("destroy {name} --force")).success();
    }
    env.mng("undo --list").success().prints("a1").prints("a2");
    // The older one by name, then the newest without one.
    env.mng("undo a1").success();
    assert_eq!(env.work_dir("a1").read("notes"), "a1");
    env.mng("undo").success();
    assert_eq!(env.work_dir("a2").read("notes"), "a2");
    env.mng("undo nobody").exits(1).says(&["nobody"]);
}

#[test]
fn a_taken_name_or_branch_is_never_overwritten() {
    let env = TestEnv::new();
    env.create("a1");
    env.work_dir("a1").write("work", "old\n");
    let old_tip = env.work_dir("a1").commit("old work");
    env.mng("destroy a1 --force -b").success();
    env.create("a1");
    env.work_dir("a1").write("work", "new\n");
    let new_tip = env.work_dir("a1").commit("new work");
    env.mng("undo").success().prints("a1-restored");
    assert_eq!(env.repo().rev("mng/a1"), new_tip);
    assert_eq!(env.repo().rev("mng/a1-restored"), old_tip);
    assert_eq!(env.work_dir("a1").read("work"), "new\n");
    assert_eq!(env.work_dir("a1-restored").read("work"), "old\n");
    assert_eq!(env.state_of("a1"), "RUNNING");
}

#[test]
fn only_the_branch_or_only_the_files() {
    let env = TestEnv::new();
    env.create("a1");
    env.work_dir("a1").write("committed", "x\n");
    let tip = env.work_dir("a1").commit("work");
    env.work_dir("a1").write("untracked", "y\n");
    env.mng("destroy a1 --force -b").success();
    env.mng("undo a1 --only branch").success();
    assert_eq!(env.repo().rev("mng/a1"), tip);
    assert!(env.agent_names().is_empty());
    env.mng("undo a1 --only everything").exits(2);
}

#[test]
fn values_of_the_environment_are_not_kept_and_missing_ones_are_named() {
    let env = TestEnv::new();
    env.mng("create a1 --type command --no-connect --env API_TOKEN=hunter2 -- sleep 1000").success();
    env.mng("destroy a1 --force").success();
    let secret = env.bash(&format!("grep -r hunter2 '{}'", env.state_dir().display())).run();
    assert_eq!(secret.stdout, "", "a secret outlived its agent");
    let undo = env.mng("undo a1").success();
    assert!((undo.stdout.clone() + &undo.stderr).contains("API_TOKEN"), "{}", undo.in_full());
}

#[test]
fn rescue_refs_are_not_published_and_expire_with_gc() {
    let env = TestEnv::new();
    env.create("a1");
    env.work_dir("a1").write("untracked", "y\n");
    env.mng("destroy a1 --force -b").success();
    let refs = || env.repo().git("for-each-ref --format '%(refname)' refs/mng");
    assert!(refs().contains("refs/mng/rescue/"), "{}", refs());
    env.mng("gc").success();
    assert!(refs().contains("refs/mng/rescue/"), "gc keeps what is not expired");
    // A mirror that mng makes carries no rescue refs.
    env.mng("create m1 --transfer git-mirror --type command --no-connect -- sleep 1000").success();
    assert_eq!(env.work_dir("m1").git("for-each-ref --format '%(refname)' refs/mng/rescue"), "");
    env.mng("gc -S rescue_keep=1s").success();
    env.eventually("the rescue has expired", |env| {
        env.mng("gc -S rescue_keep=1s").success();
        env.repo().git("for-each-ref --format '%(refname)' refs/mng/rescue").is_empty()
    });
    env.mng("undo a1").exits(1);
}

#[test]
fn large_ignored_content_is_named_before_it_goes() {
    let env = TestEnv::new();
    env.create("a1");
    env.work_dir("a1").write(".gitignore", "big/\n");
    env.work_dir("a1").commit("ignore");
    env.work_dir("a1").write("big/blob", vec![7_u8; 33 << 20]);
    env.mng("stop a1").success();
    let terminal = env.terminal("destroy a1");
    terminal.wait_for("[y/N]");
    assert!(terminal.screen().contains("big"), "{}", terminal.screen());
    terminal.type_text("n");
    terminal.press(&["Enter"]);
    assert_eq!(terminal.wait_exit(), 1);
    assert!(env.work_dir("a1").has("big/blob"));
}

#[test]
fn a_submodule_and_a_nested_repository_survive_as_files() {
    let env = TestEnv::new();
    env.create("a1");
    let work_dir = env.work_dir("a1");
    let nested = env.repo_at(work_dir.path().join("nested"));
    fs::create_dir(nested.path()).unwrap();
    nested.git("init --quiet");
    nested.write("inside", "x\n");
    nested.commit("inside");
    env.mng("destroy a1 --force").success();
    env.mng("undo a1").success();
    assert_eq!(env.work_dir("a1").read("nested/inside"), "x\n");
}
