//! How work gets to an agent: worktrees, mirrors, copies, branches, uncommitted files.

use std::fs;

use mng_tests::TestEnv;

fn create(env: &TestEnv, line: &str) -> mng_tests::Run {
    env.mng(&format!("create {line} --type command --no-connect -- sleep 1000"))
}

#[test]
fn branch_specs() {
    let env = TestEnv::new();
    let repo = env.repo();
    repo.git("branch old");
    repo.write("new.txt", "new");
    let tip = repo.commit("second");
    let old = repo.rev("old");

    create(&env, "a1 --branch old:").success();
    assert_eq!((env.work_dir("a1").branch(), env.work_dir("a1").rev("HEAD")), ("mng/a1".into(), old.clone()));
    assert_eq!(env.record("a1")["base_branch"], "old");
    create(&env, "a2 --branch :feat/*").success();
    assert_eq!((env.work_dir("a2").branch(), env.work_dir("a2").rev("HEAD")), ("feat/a2".into(), tip));
    create(&env, "a3 --branch old:b3").success();
    assert_eq!((env.work_dir("a3").branch(), env.work_dir("a3").rev("HEAD")), ("b3".into(), old));
    create(&env, "a4 --branch old").success();
    assert_eq!(env.work_dir("a4").branch(), "old");
    assert_eq!(env.record("a4")["created_branch_name"], serde_json::Value::Null);
    assert_eq!(env.record("a4")["checked_out_branch_name"], "old");
    create(&env, "a5 --base-branch main --new-branch x5").success();
    assert_eq!(env.work_dir("a5").branch(), "x5");
    create(&env, "a6 --branch a:b*c*").exits(2);
    create(&env, "a7 --branch no-such-base:").exits(1).says(&["no-such-base"]);
    assert_eq!(env.agent_names(), ["a1", "a2", "a3", "a4", "a5"]);
}

#[test]
fn a_remote_base_sets_no_upstream() {
    let env = TestEnv::new();
    let origin = env.new_repo("origin");
    env.repo().git(&format!("remote add origin '{}'", origin.path().display()));
    env.repo().git("fetch --quiet origin");
    create(&env, "a1 --branch origin/main:").success();
    assert_eq!(env.work_dir("a1").rev("HEAD"), origin.rev("main"));
    assert!(env.work_dir("a1").try_git("rev-parse --abbrev-ref @{upstream}").code() != Some(0));
}

#[test]
fn a_detached_head_is_a_base_like_any_other() {
    let env = TestEnv::new();
    let first = env.repo().rev("HEAD");
    env.repo().write("b", "b");
    env.repo().commit("second");
    env.repo().git(&format!("checkout --quiet {first}"));
    create(&env, "a1").success();
    assert_eq!(env.work_dir("a1").branch(), "mng/a1");
    assert_eq!(env.work_dir("a1").rev("HEAD"), first);
    create(&env, "a2 --transfer git-mirror").success();
    assert_eq!(env.work_dir("a2").rev("HEAD"), first);
    assert_eq!(env.repo().branch(), "HEAD", "the user stays where they were");
}

#[test]
fn a_mirror_is_a_repository_of_its_own() {
    let env = TestEnv::new();
    let repo = env.repo();
    repo.git("tag v1");
    repo.git("branch other");
    repo.git("remote add origin https://example.com/shop.git");
    fs::write(repo.path().join(".git/info/exclude"), "ignored-here\n").unwrap();
    let before = repo.fingerprint();
    create(&env, "a1 --transfer git-mirror").success();
    let mirror = env.work_dir("a1");
    assert!(mirror.path().starts_with(env.state_dir().join("copies")));
    assert_eq!(mirror.branch(), "mng/a1");
    assert_eq!(mirror.status(), "");
    assert_eq!(mirror.rev("v1^{commit}"), repo.rev("HEAD"));
    assert!(mirror.has_branch("other"));
    assert_eq!(mirror.git("config remote.origin.url").trim(), "https://example.com/shop.git");
    assert_eq!(mirror.git("config user.email").trim(), "person@example.com");
    assert_eq!(mirror.git("config --bool core.bare").trim(), "false");
    mirror.write("ignored-here", "");
    assert_eq!(mirror.status(), "", "the source's exclude list came along");
    mirror.write("work", "x");
    mirror.commit("work in the mirror");
    assert_eq!(repo.fingerprint(), before, "the source is untouched");
    assert!(!repo.has_branch("mng/a1"));
}

#[test]
fn a_copy_of_a_plain_directory() {
    let env = TestEnv::without_repo();
    let plain = env.root().join("plain");
    fs::create_dir_all(plain.join("sub dir")).unwrap();
    fs::write(plain.join("sub dir/file"), "content").unwrap();
    std::os::unix::fs::symlink("sub dir/file", plain.join("link")).unwrap();
    create(&env, &format!("a1 --from {}", plain.display())).success();
    let work_dir = env.work_dir("a1");
    assert!(work_dir.path().starts_with(env.state_dir().join("copies")));
    assert_eq!(work_dir.read("sub dir/file"), "content");
    assert!(fs::symlink_metadata(work_dir.path().join("link")).unwrap().is_symlink());
    assert_eq!(env.record("a1")["transfer_mode"], "rsync");
}

#[test]
fn modes_that_do_not_fit_are_refused() {
    let env = TestEnv::new();
    let plain = env.root().join("plain");
    fs::create_dir(&plain).unwrap();
    create(&env, "a1 --transfer rsync").exits(1).says(&["rsync", "git"]);
    create(&env, &format!("a1 --transfer git-worktree --from {}", plain.display())).exits(1);
    create(&env, &format!("a1 --transfer none --target-path {}", plain.display())).exits(1);
    create(&env, &format!("a1 --transfer git-worktree --target-path {}", env.repo().path().display()))
        .exits(1);
    create(&env, "a1 --transfer teleport").exits(2).says(&["teleport"]);
    create(&env, "a1 --worktree --in-place").exits(2);
    assert!(env.records().is_empty());
}

#[test]
fn old_transfer_flags_are_accepted() {
    let env = TestEnv::new();
    create(&env, "a1 --in-place").success();
    assert_eq!(env.record("a1")["transfer_mode"], "none");
    create(&env, "a2 --worktree").success();
    assert_eq!(env.record("a2")["transfer_mode"], "git-worktree");
    create(&env, "a3 --clone").success();
    assert_eq!(env.record("a3")["transfer_mode"], "git-mirror");
    create(&env, "a4 --copy").success();
    assert_eq!(env.record("a4")["transfer_mode"], "git-mirror");
}

#[test]
fn a_target_path_is_used() {
    let env = TestEnv::new();
    let target = env.root().join("over there");
    create(&env, &format!("a1 --target-path '{}'", target.display())).success();
    assert_eq!(env.work_dir("a1").path(), target);
    assert_eq!(env.work_dir("a1").branch(), "mng/a1");
    let second = env.root().join("second");
    env.mng_args(&[
        "create",
        &format!("a2:{}", second.display()),
        "--type",
        "command",
        "--no-connect",
        "--",
        "sleep 1000",
    ])
    .success();
    assert_eq!(env.work_dir("a2").path(), second);
}

/// Everything that a user may have lying about: each must arrive as it is, and stay where it was.
fn make_dirty(env: &TestEnv) {
    let repo = env.repo();
    repo.write(".gitignore", "*.log\nnode_modules/\n");
    repo.write("delete me", "x");
    repo.write("rename-me", "content that stays\n".repeat(5));
    repo.commit("files to change");
    repo.write("src/app.txt", "changed\n");
    repo.write("staged.txt", "staged");
    repo.git("add staged.txt");
    repo.write("with space \"quote\" ü.txt", "odd name");
    repo.write("new dir/deep/file", "deep");
    repo.write("new dir/node_modules/big", "ignored");
    repo.write("debug.log", "ignored");
    fs::remove_file(repo.path().join("delete me")).unwrap();
    repo.git("mv rename-me renamed");
    repo.write("script.sh", "#!/bin/sh\n");
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(repo.path().join("script.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    std::os::unix::fs::symlink("src/app.txt", repo.path().join("a link")).unwrap();
}

fn assert_carried(env: &TestEnv, agent: &str) {
    let work_dir = env.work_dir(agent);
    assert_eq!(work_dir.read("src/app.txt"), "changed\n");
    assert_eq!(work_dir.read("staged.txt"), "staged");
    assert_eq!(work_dir.read("with space \"quote\" ü.txt"), "odd name");
    assert_eq!(work_dir.read("new dir/deep/file"), "deep");
    assert!(!work_dir.has("delete me"), "a deletion is work too");
    assert!(!work_dir.has("rename-me"));
    assert!(work_dir.has("renamed"));
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(work_dir.path().join("script.sh")).unwrap().permissions().mode();
    assert_eq!(mode & 0o111, 0o111);
    assert_eq!(fs::read_link(work_dir.path().join("a link")).unwrap().to_string_lossy(), "src/app.txt");
    assert!(!work_dir.has("debug.log"), "ignored files stay behind");
    assert!(!work_dir.has("new dir/node_modules"), "a collapsed directory drags no ignored files along");
}

#[test]
fn uncommitted_work_is_carried_whole() {
    for mode in ["git-worktree", "git-mirror"] {
        let env = TestEnv::new();
        make_dirty(&env);
        let before = env.repo().fingerprint();
        create(&env, "refused").exits(1).says(&["--no-ensure-clean"]);
        assert!(env.records().is_empty());
        create(&env, &format!("a1 --transfer {mode} --no-ensure-clean")).success();
        assert_carried(&env, "a1");
        create(&env, &format!("a2 --transfer {mode} --no-ensure-clean --exclude-unclean")).success();
        assert_eq!(env.work_dir("a2").status(), "");
        create(&env, &format!("a3 --transfer {mode} --no-ensure-clean --include-gitignored")).success();
        assert_eq!(env.work_dir("a3").read("debug.log"), "ignored");
        assert_eq!(env.work_dir("a3").read("new dir/node_modules/big"), "ignored");
        env.mng("destroy a1 a2 a3 --force -b").success();
        assert_eq!(env.repo().fingerprint(), before, "{mode}");
    }
}

#[test]
fn create_from_a_subdirectory_takes_the_whole_repository() {
    let env = TestEnv::new();
    env.repo().write("src/dirty", "x");
    let src = env.repo().path().join("src");
    env.command("create a1 --type command --no-connect --no-ensure-clean -- sleep 1000")
        .cwd(&src)
        .run()
        .success();
    assert!(env.work_dir("a1").has("README.md"));
    assert!(env.work_dir("a1").has("src/dirty"));
    env.mng_args(&[
        "create",
        "a2",
        "--type",
        "command",
        "--no-connect",
        "--no-ensure-clean",
        "--from",
        &src.to_string_lossy(),
        "--",
        "sleep 1000",
    ])
    .success();
    assert!(env.work_dir("a2").has("README.md"));
}

#[test]
fn the_clean_check_is_skipped_where_nothing_is_copied() {
    let env = TestEnv::new();
    env.repo().write("dirty", "x");
    create(&env, "a1 --transfer none").success();
    create(&env, "a2 --branch main:").success();
    assert!(!env.work_dir("a2").has("dirty"));
}

#[test]
fn extra_paths_are_shared_or_copied() {
    let env = TestEnv::new();
    env.repo().write(".gitignore", "*.local\ncache/\n");
    env.repo().commit("ignore");
    env.repo().write("secrets.local", "s");
    env.repo().write("cache/x", "c");
    env.settings(
        "[work_dir_extra_paths]\n\"secrets.local\" = \"COPY\"\ncache = \"SHARE\"\nmissing = \"COPY\"\n",
    );
    create(&env, "a1").success();
    assert_eq!(env.work_dir("a1").read("secrets.local"), "s");
    let link = fs::read_link(env.work_dir("a1").path().join("cache")).unwrap();
    assert_eq!(link, env.repo().path().join("cache"));
    env.mng("destroy a1 --force").success();
    assert_eq!(env.repo().read("cache/x"), "c", "what was shared is the user's");
}

#[test]
fn from_another_agent_a_path_and_a_url() {
    let env = TestEnv::new();
    env.create("a1");
    env.work_dir("a1").write("by-a1", "x");
    env.work_dir("a1").commit("work of a1");
    create(&env, "a2 --from a1").success();
    assert_eq!(env.work_dir("a2").read("by-a1"), "x");
    assert_eq!(env.record("a2")["labels"]["project"], "repo", "the project label is inherited");
    let origin = env.new_repo("upstream");
    create(&env, &format!("a3 --from file://{}", origin.path().display())).success();
    assert!(env.work_dir("a3").has("README.md"));
    create(&env, "a4 --from nobody").exits(1).says(&["nobody"]);
    create(&env, "a4 --from ./missing").exits(1).says(&["missing"]);
    create(&env, "a4 --from file:///no/such/repo.git").exits(1);
    let clones = fs::read_dir(env.state_dir().join("clones")).unwrap().count();
    assert_eq!(clones, 1, "a failed clone leaves nothing");
}

#[test]
fn credentials_in_a_remote_url_do_not_reach_the_label() {
    let env = TestEnv::new();
    env.repo().git("remote add origin https://user:hunter2@example.com/team/shop.git");
    create(&env, "a1").success();
    assert_eq!(env.record("a1")["labels"]["project"], "shop");
    assert!(!env.record("a1")["labels"].to_string().contains("hunter2"));
}

#[test]
fn a_mirror_from_a_remote_tracking_base() {
    let env = TestEnv::new();
    let origin = env.new_repo("origin");
    env.repo().git(&format!("remote add origin '{}'", origin.path().display()));
    env.repo().git("fetch --quiet origin");
    create(&env, "a1 --transfer git-mirror --branch origin/main:").success();
    assert_eq!(env.work_dir("a1").rev("HEAD"), origin.rev("main"));
    assert_eq!(env.work_dir("a1").branch(), "mng/a1");
}

#[test]
fn submodules_are_named_as_left_behind() {
    let env = TestEnv::new();
    let library = env.new_repo("library");
    env.repo().git(&format!(
        "-c protocol.file.allow=always submodule --quiet add '{}' lib",
        library.path().display()
    ));
    env.repo().commit("with a submodule");
    for (name, mode) in [("a1", "git-worktree"), ("a2", "git-mirror")] {
        let run = create(&env, &format!("{name} --transfer {mode}")).success();
        run.says(&["submodule"]);
    }
}

/// A repository's hooks are the person's: making a worktree for an agent must not depend on what they do.
#[test]
fn a_failing_hook_of_the_repository_breaks_nothing() {
    let env = TestEnv::new();
    for hook in ["post-checkout", "reference-transaction", "pre-push"] {
        let path = env.repo().path().join(".git/hooks").join(hook);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "#!/bin/sh\necho hook >&2\nexit 1\n").unwrap();
        std::os::unix::fs::PermissionsExt::set_mode(
            &mut std::fs::metadata(&path).unwrap().permissions(),
            0o755,
        );
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let name = format!("agent-{hook}");
        let run = create(&env, &name);
        if run.code() == Some(0) {
            env.mng(&format!("destroy {name} --force -b")).success();
        }
        std::fs::remove_file(&path).unwrap();
        assert_eq!(env.repo().branch(), "main");
        assert_eq!(env.repo().worktrees().len(), 1, "{hook}: {}", run.in_full());
        assert!(env.records().is_empty(), "{hook}");
    }
}
