//! Making, updating and removing work dirs, with real git.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use insta::assert_snapshot;

use super::testing::{Spy, World, agent, destroys, tree};
use super::*;
use crate::hosts::git::testing::{block, git_in, git_succeeds, write};
use crate::hosts::rescue::Reason;
use crate::model::error::Error;

fn report(error: &Error, world: &World) -> String {
    let root = world.repo.beside("").display().to_string();
    format!("{error}\nhint: {}", error.hint().unwrap_or_default()).replace(root.trim_end_matches('/'), "/tmp")
}

/// What is in a directory; a copy's own root is private.
fn files(root: &Path) -> std::collections::BTreeMap<PathBuf, String> {
    let mut found = tree(root);
    found.remove(Path::new(""));
    found
}

#[test]
fn a_worktree_has_a_branch_without_upstream_and_nothing_else_changes() {
    let world = World::new();
    world.repo.git("config branch.autoSetupMerge always");
    let before = (world.repo.git("status --porcelain"), world.repo.git("rev-parse HEAD"));
    let made = world.make(&world.plan(TransferMode::GitWorktree, "a1"));
    assert_eq!(made.checked_out_branch.as_deref(), Some("mng/a1"));
    assert_eq!(made.base_branch.as_deref(), Some("main"));
    assert_eq!(made.claim.base_commit.as_deref(), Some(before.1.as_str()));
    assert_eq!(tree(&made.claim.path), tree(world.repo.root()));
    assert!(!git_succeeds(world.repo.root(), &["config", "--get-regexp", "^branch[.]mng"]));
    assert_eq!((world.repo.git("status --porcelain"), world.repo.git("rev-parse HEAD")), before);
    let record = world.adopt(&made, "a1");
    assert_eq!(record.git_common_dir(), Some(world.repo.path(".git")));
    assert_eq!(world.registered(), [made.claim.path]);
}

#[test]
fn a_base_is_checked_out_or_detached_when_no_branch_is_asked_for() {
    let world = World::new();
    let first = world.repo.git("rev-parse HEAD");
    world.repo.git("branch other");
    world.repo.commit("README", "2\n");
    let with_base = |base: Option<&str>| {
        let mut plan = world.plan(TransferMode::GitWorktree, "a");
        plan.branch = ResolvedBranch { base: base.map(Into::into), new: None };
        plan.base_commit = block(base_commit(&world.host, &world.repo_info(), base)).ok();
        plan
    };
    let made = world.make(&with_base(Some("other")));
    assert_eq!((made.checked_out_branch.as_deref(), made.claim.branch), (Some("other"), None));
    let made = world.make(&with_base(Some("HEAD~1")));
    assert_eq!((made.checked_out_branch, made.claim.base_commit), (None, Some(first)));

    let error = world.try_make(&with_base(Some("main"))).unwrap_err();
    assert_snapshot!(report(&error, &world), @r"
    the branch `main` is checked out at `/tmp/repo`, and git checks a branch out only once
    hint: make a branch from it with `--branch main:`, or work right there: `--from /tmp/repo --transfer none`
    ");
    assert!(world.try_make(&with_base(None)).unwrap_err().to_string().contains("`main` is checked out"));
    world.repo.git("checkout -q --detach");
    assert_eq!(world.make(&with_base(None)).checked_out_branch, None);
}

#[test]
fn a_detached_source_works() {
    let world = World::new();
    world.repo.git("checkout -q --detach");
    let made = world.make(&world.plan(TransferMode::GitWorktree, "a"));
    assert_eq!((made.checked_out_branch.as_deref(), made.base_branch), (Some("mng/a"), None));
    let made = world.make(&world.plan(TransferMode::GitMirror, "b"));
    assert_eq!(made.checked_out_branch.as_deref(), Some("mng/b"));
}

#[test]
fn refusals_change_nothing_and_say_what_to_do() {
    let world = World::new();
    world.repo.git("branch mng/a");
    let branches = world.branches();
    let plan = world.plan(TransferMode::GitWorktree, "a");
    let error = world.try_make(&plan).unwrap_err();
    assert_snapshot!(report(&error, &world), @r"
    the branch `mng/a` exists already
    hint: work on it with `--branch mng/a`, choose another with `--branch :OTHER`, or, once it is merged, delete it: `git -C /tmp/repo branch -d mng/a`
    ");
    let mirror = world.try_make(&world.plan(TransferMode::GitMirror, "a")).unwrap_err();
    assert_eq!(mirror.to_string(), error.to_string());
    let mut below = plan.clone();
    below.branch.new = Some("mng/a/b".into());
    let error = world.try_make(&below).unwrap_err();
    assert_snapshot!(report(&error, &world), @r"
    the branch `mng/a/b` cannot be made beside the branch `mng/a`
    hint: choose another with `--branch :OTHER`, or rename it: `git branch -m mng/a OTHER`
    ");
    let mut taken = plan;
    taken.branch.new = Some("mng/c".into());
    taken.path = world.repo.beside("precious");
    write(&taken.path.join("file"), "mine");
    let error = world.try_make(&taken).unwrap_err();
    assert_snapshot!(report(&error, &world), @r"
    the work dir `/tmp/precious` is taken: a directory with files in it is there
    hint: give another path, or leave it out
    ");
    assert_eq!(fs::read_to_string(taken.path.join("file")).unwrap(), "mine");
    let mut inside = world.plan(TransferMode::Rsync, "d");
    inside.path = world.repo.path("sub/copy");
    let error = world.try_make(&inside).unwrap_err();
    assert!(error.to_string().contains("would lie in its own source"), "{error}");
    assert_eq!((world.branches(), world.worktree_count()), (branches, 1));

    let empty = World::empty();
    let error = empty.try_make(&empty.plan(TransferMode::GitWorktree, "a")).unwrap_err();
    assert_snapshot!(report(&error, &empty), @r"
    the repository `/tmp/repo` has no commits
    hint: git -C /tmp/repo commit --allow-empty -m 'first commit'
    ");
}

#[test]
fn an_unclean_source_is_named() {
    let world = World::new();
    block(check_clean(&world.host, &world.repo_info())).unwrap();
    for name in ["a b", "b", "c", "d"] {
        world.repo.write(name, "x");
    }
    let error = block(check_clean(&world.host, &world.repo_info())).unwrap_err();
    assert_snapshot!(report(&error, &world), @r"
    `/tmp/repo` has uncommitted changes: a b, b, c and 1 more
    hint: commit or stash them; or leave them behind with `--no-ensure-clean --exclude-unclean`, or take them along with `--no-ensure-clean`
    ");
}

/// Lesson: names with spaces or non-ASCII failed, a collapsed directory dragged ignored files along,
/// deletions and renames were not replayed.
#[test]
fn uncommitted_changes_of_every_kind_are_carried() {
    let world = World::new();
    let repo = &world.repo;
    for name in ["gone", "old name", "was file", "was dir/inner", "mode", "-dash", "#hash", "kept"] {
        repo.write(name, name);
    }
    repo.commit("x", "1");
    repo.write("README", "changed\n");
    fs::remove_file(repo.path("gone")).unwrap();
    repo.git_args(&["mv", "old name", "new \"ü\"\nname"]);
    fs::remove_file(repo.path("was file")).unwrap();
    repo.write("was file/inner", "now a directory");
    fs::remove_dir_all(repo.path("was dir")).unwrap();
    repo.write("was dir", "now a file");
    fs::set_permissions(repo.path("mode"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    repo.write("-dash", "2");
    repo.write("#hash", "2");
    repo.write("deep/new dir/file", "untracked");
    repo.write("deep/new dir/trace.log", "ignored");
    repo.write("build/big", "ignored");
    symlink("nowhere", repo.path("a link")).unwrap();
    repo.git_args(&["add", "README"]);
    let status = repo.git("status --porcelain");

    for mode in [TransferMode::GitWorktree, TransferMode::GitMirror] {
        let mut plan = world.plan(mode, &format!("a-{}", mode.as_str()));
        plan.include_unclean = true;
        let made = world.make(&plan);
        let mut wanted = files(repo.root());
        wanted.retain(|path, _| !path.starts_with("build") && path != Path::new("deep/new dir/trace.log"));
        assert_eq!(files(&made.claim.path), wanted, "{}", mode.as_str());

        plan = world.plan(mode, &format!("b-{}", mode.as_str()));
        (plan.include_unclean, plan.include_gitignored) = (true, true);
        assert_eq!(files(&world.make(&plan).claim.path), files(repo.root()));

        plan = world.plan(mode, &format!("c-{}", mode.as_str()));
        let made = world.make(&plan);
        assert_eq!(git_in(&made.claim.path, &["status", "--porcelain"]), "");
    }
    assert_eq!(repo.git("status --porcelain"), status, "the source is as it was");
}

#[test]
fn a_mirror_shares_nothing_and_knows_the_origin() {
    let world = World::new();
    let repo = &world.repo;
    repo.git("config user.name Ann");
    repo.git("config user.email ann@example.com");
    repo.git("tag v1");
    repo.git("update-ref refs/mng/rescue/0badcafe HEAD");
    repo.git("update-ref refs/remotes/origin/main HEAD");
    repo.git("symbolic-ref refs/remotes/origin/HEAD refs/remotes/origin/main");
    repo.write(".git/info/exclude", "private\n");
    // A hook of the source must not run: it would fail the push.
    repo.write(".git/hooks/pre-push", "#!/bin/sh\nexit 1\n");
    let hook = repo.path(".git/hooks/pre-push");
    fs::set_permissions(hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut plan = world.plan(TransferMode::GitMirror, "a");
    plan.origin = Some("https://h.com/o/p.git".into());
    let made = world.make(&plan);
    let path = &made.claim.path;
    let git = |args: &[&str]| git_in(path, args);
    assert_eq!(files(path), files(repo.root()));
    assert_eq!(git(&["status", "--porcelain"]), "");
    assert_eq!(git(&["config", "user.name"]), "Ann");
    assert_eq!(git(&["config", "user.email"]), "ann@example.com");
    assert_eq!(git(&["remote", "get-url", "origin"]), "https://h.com/o/p.git");
    assert_eq!(
        git(&["for-each-ref", "--format=%(refname)"]),
        "refs/heads/main\nrefs/heads/mng/a\nrefs/mng/base\nrefs/tags/v1"
    );
    assert_eq!(git(&["rev-parse", "--is-bare-repository"]), "false");
    assert!(!path.join(".git/objects/info/alternates").exists());
    assert_eq!(fs::read_to_string(path.join(".git/info/exclude")).unwrap(), "private\n");
    assert_eq!(made.claim.common_dir, None);
    assert!(!world.branches().contains(&"mng/a".to_owned()), "the branch is the mirror's own");
}

/// Lesson: a base that is detached or remote-tracking failed, or meant another commit in the mirror.
#[test]
fn a_mirror_starts_at_a_base_that_it_does_not_have_by_name() {
    let world = World::new();
    let old = world.repo.git("rev-parse HEAD");
    world.repo.git("update-ref refs/remotes/origin/topic HEAD");
    world.repo.commit("README", "2\n");
    let mut plan = world.plan(TransferMode::GitMirror, "a");
    plan.branch.base = Some("origin/topic".into());
    plan.base_commit = block(base_commit(&world.host, &world.repo_info(), Some("origin/topic"))).ok();
    let made = world.make(&plan);
    assert_eq!(git_in(&made.claim.path, &["rev-parse", "HEAD"]), old);

    // A commit that no branch or tag has any more.
    world.repo.git("update-ref -d refs/remotes/origin/topic");
    let lost = world.repo.commit("README", "3\n");
    world.repo.git("reset -q --hard HEAD~1");
    plan = world.plan(TransferMode::GitMirror, "b");
    plan.base_commit = Some(lost.clone());
    assert_eq!(git_in(&world.make(&plan).claim.path, &["rev-parse", "HEAD"]), lost);
}

#[test]
fn shallow_sources_and_sha256_can_be_mirrored() {
    let world = World::new();
    world.repo.commit("README", "2\n");
    let shallow = world.repo.beside("shallow");
    let url = format!("file://{}", world.repo.root().display());
    world.repo.git_args(&["clone", "-q", "--depth", "1", &url, shallow.to_str().unwrap()]);
    let mut plan = world.plan(TransferMode::GitMirror, "a");
    plan.source = shallow.clone();
    plan.repo = block(git::inspect(world.host.transport.as_ref(), &shallow)).unwrap();
    let made = world.make(&plan);
    assert_eq!(git_in(&made.claim.path, &["rev-list", "--count", "HEAD"]), "1");

    let world = World::around(git::testing::TestRepo::with_init(&["--object-format=sha256"]));
    world.repo.commit("README", "1\n");
    let made = world.make(&world.plan(TransferMode::GitMirror, "a"));
    assert_eq!(made.claim.base_commit.map(|commit| commit.len()), Some(64));
    assert_eq!(files(&made.claim.path), files(world.repo.root()));
}

#[test]
fn rsync_copies_what_is_no_repository() {
    let world = World::new();
    let source = world.repo.beside("plain dir");
    write(&source.join("a/b c"), "1");
    write(&source.join(".git/x"), "not a repository");
    symlink("a", source.join("link")).unwrap();
    let mut plan = world.plan(TransferMode::Rsync, "a");
    (plan.source, plan.repo, plan.base_commit) = (source.clone(), None, None);
    let made = world.make(&plan);
    assert_eq!(tree(&made.claim.path), tree(&source));
    assert!(made.claim.path.join(".git/x").exists());
    assert_eq!((made.checked_out_branch, made.base_branch, made.claim.branch), (None, None, None));

    plan.path = default_path(&world.host.layout, TransferMode::Rsync, true, "b", None);
    plan.include_git = false;
    assert!(!world.make(&plan).claim.path.join(".git").exists());
}

#[test]
fn extra_paths_are_linked_or_copied() {
    let world = World::new();
    world.repo.write(".env", "SECRET=1");
    world.repo.write("build/cache dir/x", "1");
    let mut plan = world.plan(TransferMode::GitWorktree, "a");
    let modes = [
        (".env", ExtraPathMode::Copy),
        ("build/cache dir", ExtraPathMode::Share),
        ("not there", ExtraPathMode::Share),
    ];
    plan.extra_paths = modes.map(|(path, mode)| (path.to_owned(), mode)).into();
    let (made, warnings) = world.try_make(&plan).unwrap();
    let path = &made.claim.path;
    assert_eq!(fs::read_to_string(path.join(".env")).unwrap(), "SECRET=1");
    assert!(!path.join(".env").is_symlink());
    assert_eq!(fs::read_link(path.join("build/cache dir")).unwrap(), world.repo.path("build/cache dir"));
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].contains("`not there`"), "{warnings:?}");

    // What is shared survives the removal of the work dir.
    let record = world.adopt(&made, "a");
    world.destroy(&record, false);
    assert_eq!(fs::read_to_string(world.repo.path("build/cache dir/x")).unwrap(), "1");

    for (name, key) in [("b", "../x"), ("c", "/etc"), ("d", "README"), ("e", "a/../../x")] {
        let mut plan = world.plan(TransferMode::GitWorktree, name);
        plan.extra_paths = [(key.to_owned(), ExtraPathMode::Share)].into();
        assert!(world.try_make(&plan).is_err(), "{key}");
        assert!(!plan.path.exists() && !world.branches().contains(&format!("mng/{name}")), "{key}");
    }
}

#[test]
fn a_half_made_work_dir_goes_and_takes_nothing_along() {
    let world = World::new();
    world.repo.write(".git/hooks/post-checkout", "#!/bin/sh\necho no luck >&2\nexit 1\n");
    let hook = world.repo.path(".git/hooks/post-checkout");
    fs::set_permissions(hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let before = (world.branches(), tree(world.repo.root()));
    let mut plan = world.plan(TransferMode::GitWorktree, "a");
    let error = world.try_make(&plan).unwrap_err();
    assert!(error.to_string().contains("no luck"), "{error}");
    assert!(!plan.path.exists());
    assert_eq!((world.branches(), tree(world.repo.root())), before);
    assert_eq!(world.worktree_count(), 1);
    // A directory that was there, empty, is there again.
    plan.path = world.repo.beside("mine");
    fs::create_dir(&plan.path).unwrap();
    world.try_make(&plan).unwrap_err();
    assert_eq!(fs::read_dir(&plan.path).unwrap().count(), 0);
}

#[test]
fn submodules_are_warned_about() {
    let world = World::new();
    let library = World::new();
    let url = library.repo.root().to_str().unwrap();
    world.repo.git_args(&["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", url, "sub"]);
    world.repo.git("commit -q -m submodule");
    let (_, warnings) = world.try_make(&world.plan(TransferMode::GitWorktree, "a")).unwrap();
    assert!(warnings[0].contains("submodules are not carried"), "{warnings:?}");
}

#[test]
fn the_callers_repository_does_not_leak_in() {
    // Set on the request only: a test must not change its own environment.
    let world = World::new();
    let git = git::Git::at(world.host.transport.as_ref(), world.repo.root()).unwrap();
    let request = git.command(["rev-parse", "HEAD"]);
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_CONFIG_PARAMETERS"] {
        assert!(request.unset.iter().any(|unset| unset == name), "{name}");
    }
    assert_eq!(request.env.get("LC_ALL").map(String::as_str), Some("C"));
    assert!(request.timeout.is_some());
}

/// Lesson: a failed create in a linked worktree of the person's removed that worktree.
#[test]
fn a_failed_create_in_place_leaves_the_persons_worktree_alone() {
    let world = World::new();
    let own = world.repo.beside("own worktree");
    world.repo.git_args(&["worktree", "add", "-q", "-b", "own", own.to_str().unwrap()]);
    write(&own.join("draft"), "precious");
    let mut plan = world.plan(TransferMode::None, "a");
    (plan.source, plan.path) = (own.clone(), own.clone());
    let made = world.make(&plan);
    assert!(!made.is_generated());
    let retired = world.rollback(&made.claim);
    assert_eq!(retired.work_dir, WorkDirFate::NotOurs);
    let record = world.adopt(&made, "a");
    assert_eq!(world.destroy(&record, true).work_dir, WorkDirFate::NotOurs);
    assert_eq!(fs::read_to_string(own.join("draft")).unwrap(), "precious");
    assert!(world.branches().contains(&"own".to_owned()));
}

#[test]
fn only_what_mng_made_and_nobody_uses_is_removed() {
    let world = World::new();
    let record = world.agent("a");
    // Not registered: a record that merely names a directory gives no right to it.
    let mut forged = agent("forged");
    forged.work_dir = world.repo.root().to_path_buf();
    world.write_agent(&forged);
    assert_eq!(world.try_retire(&destroys(&forged)).unwrap().work_dir, WorkDirFate::NotOurs);

    // Another agent works in it, in place, deeper down.
    let mut guest = agent("guest");
    guest.work_dir = record.work_dir.join("src");
    guest.transfer_mode = Some(TransferMode::None);
    world.write_agent(&guest);
    let retired = world.try_retire(&destroys(&record)).unwrap();
    assert_eq!(retired.work_dir, WorkDirFate::InUse { by: vec!["guest".into()] });
    assert!(record.work_dir.join("README").exists());
    fs::remove_dir_all(world.host.layout.agent(&guest.id)).unwrap();

    // Another agent has a worktree of the repository in it.
    let mut worktree = agent("worktree");
    worktree.work_dir = world.repo.root().join("elsewhere");
    worktree.set_git_common_dir(Some(&record.work_dir.join(".git")));
    world.write_agent(&worktree);
    let retired = world.try_retire(&destroys(&record)).unwrap();
    assert_eq!(retired.work_dir, WorkDirFate::InUse { by: vec!["worktree".into()] });
    assert_eq!(block(orphans(&world.host, &world.lock())).unwrap(), [] as [PathBuf; 0]);
    fs::remove_dir_all(world.host.layout.agent(&worktree.id)).unwrap();

    // A damaged record that names it.
    let damaged = agent("damaged");
    let bytes = format!("{{\"work_dir\": \"{}\"", record.work_dir.display());
    write(&world.host.layout.agent_record(&damaged.id), bytes);
    let file = world.host.layout.agent_record(&damaged.id);
    fs::File::options().write(true).open(&file).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    assert!(matches!(world.try_retire(&destroys(&record)).unwrap().work_dir, WorkDirFate::InUse { .. }));
    assert_eq!(
        block(orphans(&world.host, &world.lock())).unwrap(),
        [] as [PathBuf; 0],
        "unknown is not unused"
    );
    fs::remove_dir_all(world.host.layout.agent(&damaged.id)).unwrap();
    assert_eq!(world.try_retire(&destroys(&record)).unwrap().work_dir, WorkDirFate::Removed);
    assert!(world.registered().is_empty());
}

#[test]
fn a_kept_work_dir_becomes_the_persons() {
    let world = World::new();
    let record = world.agent("a");
    write(&record.work_dir.join("draft"), "1");
    let retired = world.try_retire(&RetireRequest { keep_work_dir: true, ..destroys(&record) }).unwrap();
    assert_eq!(retired.work_dir, WorkDirFate::Released);
    assert!(record.work_dir.join("draft").exists() && world.registered().is_empty());
    assert_eq!(block(orphans(&world.host, &world.lock())).unwrap(), [] as [PathBuf; 0]);
}

#[test]
fn gc_takes_orphans_and_keeps_what_is_in_them() {
    let world = World::new();
    let (used, orphan, clean) = (world.agent("used"), world.agent("orphan"), world.agent("clean"));
    write(&orphan.work_dir.join("draft"), "1");
    for record in [&orphan, &clean] {
        fs::remove_dir_all(world.host.layout.agent(&record.id)).unwrap();
    }
    let mut found = block(orphans(&world.host, &world.lock())).unwrap();
    found.sort();
    let mut wanted = vec![clean.work_dir.clone(), orphan.work_dir.clone()];
    wanted.sort();
    assert_eq!(found, wanted);
    for path in &found {
        let request = RetireRequest {
            reason: Reason::Gc,
            agent: None,
            agent_items: &[],
            work_dir: path,
            ownership: Ownership::Registered,
            keep_work_dir: false,
            remove_branch: false,
        };
        let retired = world.try_retire(&request).unwrap();
        assert_eq!(retired.work_dir, WorkDirFate::Removed);
        assert_eq!(retired.undo_id.is_some(), *path == orphan.work_dir, "a clean one needs no entry");
    }
    assert!(used.work_dir.exists());
    assert_eq!(world.registered(), [used.work_dir]);
    assert!(
        world.branches().contains(&"mng/orphan".to_owned())
            && world.branches().contains(&"mng/clean".to_owned())
    );
    assert_eq!(world.worktree_count(), 2);
}

#[test]
fn a_rollback_takes_the_branch_only_while_it_is_empty() {
    let world = World::new();
    let made = world.make(&world.plan(TransferMode::GitWorktree, "a"));
    let retired = world.rollback(&made.claim);
    assert_eq!(retired.work_dir, WorkDirFate::Removed);
    assert_eq!(retired.branch, BranchFate::Deleted { branch: "mng/a".into() });
    assert_eq!(retired.undo_id, None);
    assert_eq!((world.branches(), world.worktree_count()), (vec!["main".to_owned()], 1));

    let made = world.make(&world.plan(TransferMode::GitWorktree, "a"));
    write(&made.claim.path.join("work"), "1");
    git_in(&made.claim.path, &["add", "."]);
    git_in(&made.claim.path, &["commit", "-q", "-m", "work"]);
    let retired = world.rollback(&made.claim);
    assert_eq!(retired.branch, BranchFate::Kept { branch: "mng/a".into() });
    assert!(retired.undo_id.is_some() && !made.claim.path.exists());
    // Twice is fine.
    assert_eq!(world.rollback(&made.claim).work_dir, WorkDirFate::Missing);
}

#[test]
fn a_branch_goes_only_when_asked_for_and_only_when_nobody_uses_it() {
    let world = World::new();
    let record = world.agent("a");
    assert_eq!(world.destroy(&record, false).branch, BranchFate::Kept { branch: "mng/a".into() });
    assert!(world.branches().contains(&"mng/a".to_owned()));

    let record = world.agent("b");
    assert_eq!(world.destroy(&record, true).branch, BranchFate::Deleted { branch: "mng/b".into() });
    assert!(!world.branches().contains(&"mng/b".to_owned()));

    let record = world.agent("c");
    git_in(&record.work_dir, &["checkout", "-q", "--detach"]);
    let elsewhere = world.repo.beside("elsewhere");
    world.repo.git_args(&["worktree", "add", "-q", elsewhere.to_str().unwrap(), "mng/c"]);
    let fate = world.destroy(&record, true).branch;
    assert!(matches!(&fate, BranchFate::Refused { why, .. } if why.contains("elsewhere")), "{fate:?}");
    assert!(world.branches().contains(&"mng/c".to_owned()));
}

#[test]
fn other_worktrees_are_never_pruned() {
    let world = World::new();
    let own = world.repo.beside("on a stick");
    world.repo.git_args(&["worktree", "add", "-q", "--detach", own.to_str().unwrap()]);
    // The stick is out: its directory is not there now.
    fs::rename(&own, world.repo.beside("elsewhere")).unwrap();
    let record = world.agent("a");
    world.destroy(&record, false);
    fs::rename(world.repo.beside("elsewhere"), &own).unwrap();
    assert_eq!(git_in(&own, &["status", "--porcelain"]), "");
}

/// Lesson: updating moved the agent's branch back to its base and its commits were gone.
#[test]
fn an_update_does_not_drop_commits() {
    let world = World::new();
    for mode in [TransferMode::GitWorktree, TransferMode::GitMirror] {
        let name = format!("a-{}", mode.as_str());
        let first = world.plan(mode, &name);
        let made = world.make(&first);
        let record = world.adopt(&made, &name);
        let newer = world.repo.commit("news", mode.as_str());
        let again = |force: bool| {
            let mut plan = world.plan(mode, &name);
            plan.path.clone_from(&record.work_dir);
            let plan = UpdatePlan { plan, record: &record, force };
            block(update(&world.host, &world.host, &world.lock(), &plan, &Events::none()))
        };
        again(false).unwrap();
        assert_eq!(git_in(&record.work_dir, &["rev-parse", "HEAD"]), newer);
        write(&record.work_dir.join("work"), "1");
        git_in(&record.work_dir, &["add", "."]);
        git_in(&record.work_dir, &["commit", "-q", "-m", "work"]);
        let work = git_in(&record.work_dir, &["rev-parse", "HEAD"]);
        let error = again(false).unwrap_err();
        assert!(error.to_string().contains("has 1 commits that"), "{error}");
        assert_eq!(git_in(&record.work_dir, &["rev-parse", "HEAD"]), work);
        // Uncommitted changes are not overwritten even by force.
        write(&record.work_dir.join("work"), "2");
        assert!(again(true).is_err());
        assert_eq!(fs::read_to_string(record.work_dir.join("work")).unwrap(), "2");
        git_in(&record.work_dir, &["checkout", "-q", "work"]);
        again(true).unwrap();
        assert_eq!(git_in(&record.work_dir, &["rev-parse", "HEAD"]), newer);
        let kept = git_in(&record.work_dir, &["for-each-ref", "--contains", &work, "refs/mng/rescue"]);
        assert!(!kept.is_empty(), "{}", mode.as_str());
    }
}

/// Lesson: an agent in place was "updated" by a check-out in the person's repository.
#[test]
fn an_update_in_place_touches_nothing() {
    let world = World::new();
    let made = world.make(&world.plan(TransferMode::None, "a"));
    let record = world.adopt(&made, "a");
    world.repo.write("draft", "1");
    let before = (tree(world.repo.root()), world.repo.git("rev-parse --abbrev-ref HEAD"), world.branches());
    let plan = UpdatePlan { plan: world.plan(TransferMode::None, "a"), record: &record, force: true };
    block(update(&world.host, &world.host, &world.lock(), &plan, &Events::none())).unwrap();
    let after = (tree(world.repo.root()), world.repo.git("rev-parse --abbrev-ref HEAD"), world.branches());
    assert_eq!(after, before);
}

#[test]
fn hosts_other_than_the_sources_are_refused() {
    let (world, other) = (World::new(), World::new());
    let plan = world.plan(TransferMode::GitWorktree, "a");
    let lock = other.lock();
    let error = block(async {
        let claim = plan.claim(&world.host, &other.host, &lock).await.unwrap();
        make(&world.host, &other.host, &lock, &plan, &claim, &Events::none()).await
    })
    .unwrap_err();
    assert!(error.to_string().contains("needs source and agent on one host"), "{error}");
}

#[test]
fn a_missing_rsync_is_named_and_nothing_is_made() {
    let world = World::new();
    let (host, _) = world.watched(Spy { missing: Some("rsync"), ..Spy::default() });
    world.repo.write("draft", "1");
    let plain = world.repo.beside("plain");
    write(&plain.join("x"), "1");
    let branches = world.branches();
    for mode in [TransferMode::Rsync, TransferMode::GitMirror, TransferMode::GitWorktree] {
        let mut plan = world.plan(mode, "a");
        match mode {
            TransferMode::Rsync => (plan.source, plan.repo, plan.base_commit) = (plain.clone(), None, None),
            TransferMode::GitMirror => plan.rsync_pass = true,
            _ => plan.include_unclean = true,
        }
        let lock = world.lock();
        let error = block(async {
            let claim = plan.claim(&host, &host, &lock).await.unwrap();
            make(&host, &host, &lock, &plan, &claim, &Events::none()).await
        })
        .unwrap_err();
        assert!(error.to_string().starts_with("`rsync` is not installed on host `localhost`"), "{error}");
        assert!(error.hint().unwrap().contains("install `rsync`"));
        assert!(!plan.path.exists(), "{}", mode.as_str());
    }
    assert_eq!((world.branches(), world.worktree_count()), (branches, 1));
}

/// The budget of a create is one and a half times a bare `git worktree add`.
#[test]
fn a_clean_worktree_costs_one_process() {
    let world = World::new();
    let (host, spy) = world.watched(Spy::default());
    let plan = world.plan(TransferMode::GitWorktree, "a");
    let lock = world.lock();
    block(async {
        let claim = plan.claim(&host, &host, &lock).await.unwrap();
        make(&host, &host, &lock, &plan, &claim, &Events::none()).await.unwrap();
    });
    assert_eq!(*spy.commands.lock().unwrap(), ["git -C worktree add"]);
}
