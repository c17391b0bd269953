//! Destroy and undo, with real git.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use super::*;
use crate::hosts::git::testing::{TestRepo, block, git_in, git_succeeds, write};
use crate::hosts::work_dir::testing::{World, agent, destroys, git_state, tree};
use crate::hosts::work_dir::{BranchFate, RetireRequest, Retired, WorkDirFate};
use crate::model::error::Result;
use crate::model::record::{AgentRecord, TransferMode};

/// The operation writes what belongs there.
pub(super) fn no_env(_: &AgentRecord) -> Result<Vec<u8>> {
    Ok(b"NEW=1\n".to_vec())
}

pub(super) fn undo(world: &World, text: &str, only: Only) -> Result<Restored> {
    let entry = block(find(&world.host, text))?;
    block(restore(&world.host, &world.lock(), entry, only, &no_env))
}

/// Destroys an agent and brings it back; checks that the work dir is as it was.
#[track_caller]
pub(super) fn there_and_back(
    world: &World,
    record: &AgentRecord,
    remove_branch: bool,
) -> (Retired, Restored) {
    let dir = &record.work_dir;
    let before = (tree(dir), git_state(dir));
    let retired = world.destroy(record, remove_branch);
    assert!(!dir.exists());
    let restored = undo(world, record.name.as_str(), Only::All).unwrap();
    assert_eq!(restored.work_dir.as_ref(), Some(dir));
    assert_eq!((tree(dir), git_state(dir)), before);
    (retired, restored)
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn commit_all(dir: &Path, message: &str) -> String {
    git_in(dir, &["add", "-A"]);
    git_in(dir, &["commit", "-q", "-m", message]);
    git_in(dir, &["rev-parse", "HEAD"])
}

#[test]
fn everything_in_a_worktree_comes_back() {
    let world = World::new();
    let record = world.agent("a");
    let dir = &record.work_dir;
    for name in ["gone", "was file", "was dir/x", "mode", "plain"] {
        write(&dir.join(name), name);
    }
    let work = commit_all(dir, "work");
    write(&dir.join("README"), "changed\0binary");
    fs::remove_file(dir.join("gone")).unwrap();
    fs::remove_file(dir.join("was file")).unwrap();
    write(&dir.join("was file/inner"), "1");
    fs::remove_dir_all(dir.join("was dir")).unwrap();
    write(&dir.join("was dir"), "2");
    set_mode(&dir.join("mode"), 0o755);
    write(&dir.join("staged"), "in the index");
    git_in(dir, &["add", "staged"]);
    write(&dir.join("staged"), "newer than the index");
    git_in(dir, &["mv", "plain", "renamed"]);
    git_in(dir, &["rm", "-q", "src/lib.rs"]);
    write(&dir.join("src/lib.rs"), "deleted in the index, there on disk");
    write(&dir.join("new dir/ü \"q\"\n$(x)"), "odd");
    write(&dir.join(OsString::from_vec(b"raw-\xff\xfe".to_vec())), "bytes");
    symlink("nowhere at all", dir.join("dangling")).unwrap();
    symlink("new dir", dir.join("to dir")).unwrap();
    write(&dir.join("secret"), "s");
    set_mode(&dir.join("secret"), 0o600);
    fs::create_dir_all(dir.join("empty/inner")).unwrap();
    set_mode(&dir.join("empty/inner"), 0o700);
    write(&dir.join(".env"), "TOKEN=1");
    set_mode(&dir.join(".env"), 0o400);
    write(&dir.join("build/out.o"), "o");
    write(&dir.join("trace.log"), "l");
    let main_before = tree(world.repo.root());

    let (retired, restored) = there_and_back(&world, &record, true);
    assert_eq!(retired.work_dir, WorkDirFate::Removed);
    assert_eq!(retired.branch, BranchFate::Deleted { branch: "mng/a".into() });
    assert_eq!((retired.lost.len(), retired.note), (0, None));
    assert_eq!(restored.branch.as_deref(), Some("mng/a"));
    assert_eq!(git_in(dir, &["rev-parse", "HEAD"]), work);
    assert_eq!(tree(world.repo.root()), main_before);
    let again = restored.agent.unwrap();
    assert_eq!(again, record);
    assert_eq!(block(world.host.read_agent(&record.id)).unwrap().unwrap(), record);
    assert_eq!(world.registered(), std::slice::from_ref(dir));
    // And once more: what was restored is an agent like any other.
    there_and_back(&world, &record, false);
}

#[test]
fn a_clean_worktree_comes_back_too() {
    let world = World::new();
    let record = world.agent("a");
    let (retired, restored) = there_and_back(&world, &record, false);
    assert_eq!(retired.branch, BranchFate::Kept { branch: "mng/a".into() });
    assert!(restored.notes.is_empty() && restored.missing_env.is_empty());
}

#[test]
fn detached_heads_and_branches_without_commits_come_back() {
    let world = World::new();
    let detached = world.agent("detached");
    git_in(&detached.work_dir, &["checkout", "-q", "--detach"]);
    write(&detached.work_dir.join("x"), "1");
    let tip = commit_all(&detached.work_dir, "on no branch");
    write(&detached.work_dir.join("y"), "2");
    let before = tree(&detached.work_dir);
    world.destroy(&detached, true);
    assert!(!world.branches().contains(&"mng/detached".to_owned()));
    world.repo.git("gc -q --prune=now");
    let restored = undo(&world, "detached", Only::All).unwrap();
    assert_eq!(tree(&detached.work_dir), before);
    assert_eq!(git_in(&detached.work_dir, &["rev-parse", "HEAD"]), tip);
    assert!(!git_succeeds(&detached.work_dir, &["symbolic-ref", "-q", "HEAD"]));
    // The branch that was made for it is back beside it.
    assert_eq!(restored.branch.as_deref(), Some("mng/detached"));
    assert!(world.branches().contains(&"mng/detached".to_owned()));

    let unborn = world.agent("unborn");
    git_in(&unborn.work_dir, &["checkout", "-q", "--orphan", "fresh"]);
    git_in(&unborn.work_dir, &["rm", "-rfq", "--cached", "."]);
    write(&unborn.work_dir.join("first"), "1");
    git_in(&unborn.work_dir, &["add", "first"]);
    there_and_back(&world, &unborn, true);
}

/// git would store the converted bytes and write other ones back.
#[test]
fn bytes_are_kept_as_they_are_on_disk() {
    let world = World::new();
    world.repo.write(
        ".gitattributes",
        "*.txt text eol=lf\n*.up filter=up\n*.id ident\n*.u16 working-tree-encoding=UTF-16\n",
    );
    world.repo.write("a.txt", "one\n");
    world.repo.git_args(&["config", "filter.up.clean", "tr a-z A-Z"]);
    world.repo.git_args(&["config", "filter.up.smudge", "tr A-Z a-z"]);
    world.repo.git("config core.autocrlf true");
    world.repo.commit("README", "2\n");
    let record = world.agent("a");
    let dir = &record.work_dir;
    write(&dir.join("a.txt"), "one\r\ntwo\n");
    write(&dir.join("b.up"), "MiXeD");
    write(&dir.join("c.id"), "$Id: mine $\n");
    write(&dir.join("d.u16"), "not utf-16 at all\r\n");
    write(&dir.join("e"), "x\r\ny\n");
    let before = tree(dir);
    world.destroy(&record, true);
    undo(&world, "a", Only::All).unwrap();
    assert_eq!(tree(dir), before);
}

#[test]
fn a_stopped_merge_keeps_both_sides() {
    let world = World::new();
    let record = world.agent("a");
    let dir = &record.work_dir;
    write(&dir.join("README"), "ours\n");
    commit_all(dir, "ours");
    git_in(dir, &["checkout", "-q", "-b", "theirs", "HEAD~1"]);
    write(&dir.join("README"), "theirs\n");
    let theirs = commit_all(dir, "theirs");
    git_in(dir, &["checkout", "-q", "mng/a"]);
    assert!(!git_succeeds(dir, &["merge", "theirs"]));
    git_in(dir, &["branch", "-D", "theirs"]);
    let before = tree(dir);
    world.destroy(&record, true);
    world.repo.git("gc -q --prune=now");
    let restored = undo(&world, "a", Only::All).unwrap();
    assert_eq!(tree(dir), before, "conflict markers and all");
    assert!(
        restored.notes.iter().any(|note| note.contains("a merge was in progress")),
        "{:?}",
        restored.notes
    );
    assert!(git_succeeds(dir, &["cat-file", "-e", &theirs]));
}

/// git sees one entry of a repository in a repository, and nothing of its content.
#[test]
fn nested_repositories_come_back_with_their_history() {
    let world = World::new();
    let record = world.agent("a");
    let dir = &record.work_dir;
    let nested = dir.join("clones/lib");
    fs::create_dir_all(&nested).unwrap();
    git_in(&nested, &["init", "-q", "-b", "main"]);
    write(&nested.join("f"), "1");
    let inner = commit_all(&nested, "inner");
    write(&nested.join("f"), "2");
    // A worktree of the same repository, where git ignores it, on a commit of its own.
    let twin = dir.join("build/twin");
    git_in(dir, &["worktree", "add", "-q", "--detach", twin.to_str().unwrap()]);
    write(&twin.join("draft"), "committed");
    let lone = commit_all(&twin, "lone");
    write(&twin.join("draft"), "precious");
    let before = (tree(dir), tree(&nested), tree(&twin));
    world.destroy(&record, true);
    assert!(!dir.exists());
    world.repo.git("gc -q --prune=now");
    undo(&world, "a", Only::All).unwrap();
    assert_eq!((tree(dir), tree(&nested), tree(&twin)), before);
    assert_eq!(git_in(&nested, &["rev-parse", "HEAD"]), inner);
    assert_eq!(git_in(&nested, &["status", "--porcelain"]), " M f");
    assert!(git_succeeds(dir, &["cat-file", "-e", &lone]));
}

#[test]
fn a_populated_submodule_comes_back_with_unpushed_commits() {
    let world = World::new();
    let library = World::new();
    let url = library.repo.root().to_str().unwrap();
    let allow = ["-c", "protocol.file.allow=always"];
    world.repo.git_args(&[&allow[..], &["submodule", "--quiet", "add", url, "sub"]].concat());
    world.repo.git("commit -q -m submodule");
    let record = world.agent("a");
    let dir = &record.work_dir;
    git_in(dir, &[&allow[..], &["submodule", "--quiet", "update", "--init"]].concat());
    let sub = dir.join("sub");
    assert!(sub.join(".git").is_file());
    write(&sub.join("new"), "1");
    let unpushed = commit_all(&sub, "unpushed");
    write(&sub.join("README"), "uncommitted");
    git_in(dir, &["add", "sub"]);
    let before = (tree(&sub), git_in(dir, &["status", "--porcelain"]));
    world.destroy(&record, true);
    let admin = world.repo.path(".git/worktrees");
    assert!(!admin.exists() || fs::read_dir(admin).unwrap().count() == 0);
    undo(&world, "a", Only::All).unwrap();
    let without_git = |mut tree: std::collections::BTreeMap<PathBuf, String>| {
        tree.retain(|path, _| !path.starts_with(".git"));
        tree
    };
    assert_eq!((without_git(tree(&sub)), git_in(dir, &["status", "--porcelain"])), before);
    assert_eq!(git_in(&sub, &["rev-parse", "HEAD"]), unpushed);
    assert_eq!(git_in(&sub, &["status", "--porcelain"]), " M README");
}

#[test]
fn a_sparse_check_out_stays_sparse() {
    let world = World::new();
    for name in ["in/a", "out/b", "out/c"] {
        world.repo.write(name, name);
    }
    world.repo.commit("x", "1");
    let record = world.agent("a");
    let dir = &record.work_dir;
    git_in(dir, &["sparse-checkout", "set", "in"]);
    assert!(!dir.join("out").exists());
    write(&dir.join("in/a"), "changed");
    // There although the patterns leave it out.
    write(&dir.join("out/b"), "made by hand");
    let before = tree(dir);
    let (retired, restored) = {
        let retired = world.destroy(&record, true);
        (retired, undo(&world, "a", Only::All).unwrap())
    };
    assert_eq!(retired.note, None);
    assert_eq!(restored.notes, [] as [String; 0]);
    assert_eq!(tree(dir), before);
    assert!(git_in(dir, &["ls-files", "-v"]).contains("S out/c"));

    // The other way round: the main work tree is sparse, the agent's is not.
    world.repo.git("sparse-checkout set in");
    let full = world.agent("full");
    git_in(&full.work_dir, &["sparse-checkout", "disable"]);
    there_and_back(&world, &full, true);
}

#[test]
fn changes_that_git_was_told_not_to_see_are_kept() {
    let world = World::new();
    let record = world.agent("a");
    let dir = &record.work_dir;
    git_in(dir, &["update-index", "--assume-unchanged", "README"]);
    git_in(dir, &["update-index", "--skip-worktree", "src/lib.rs"]);
    git_in(dir, &["update-index", "--assume-unchanged", ".gitignore"]);
    fs::remove_file(dir.join(".gitignore")).unwrap();
    write(&dir.join("README"), "local settings");
    write(&dir.join("src/lib.rs"), "local too");
    assert_eq!(git_in(dir, &["status", "--porcelain"]), "");
    let before = tree(dir);
    world.destroy(&record, true);
    undo(&world, "a", Only::All).unwrap();
    assert_eq!(tree(dir), before);
}

#[test]
fn ignored_files_are_kept_while_small_and_named_when_not() {
    let world = World::new();
    let record = world.agent("a");
    let dir = &record.work_dir;
    write(&dir.join(".env"), "TOKEN=very-secret-value");
    write(&dir.join("build/deep/o"), "1");
    let huge = fs::File::create(dir.join("big.log")).unwrap();
    huge.set_len(IGNORED_LIMIT + 1).unwrap();
    let retired = world.destroy(&record, false);
    assert_eq!(retired.lost.len(), 1);
    assert_eq!(retired.lost[0].path.to_string(), "big.log");
    let entry_dir = block(find(&world.host, "a")).unwrap().dir(&world.host);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&entry_dir), mode(&entry_dir.join("ignored.tar"))), (0o700, 0o600));
    let refs = world.repo.git("for-each-ref --format=%(refname) refs/mng");
    let objects = git_in(world.repo.root(), &["rev-list", "--objects", "--no-object-names", &refs]);
    for object in objects.lines().filter(|id| world.repo.git(&format!("cat-file -t {id}")) == "blob") {
        assert!(!world.repo.git(&format!("cat-file blob {object}")).contains("very-secret"), "not in git");
    }
    let restored = undo(&world, "a", Only::All).unwrap();
    assert_eq!(fs::read_to_string(dir.join(".env")).unwrap(), "TOKEN=very-secret-value");
    assert!(dir.join("build/deep/o").exists() && !dir.join("big.log").exists());
    assert!(restored.notes[0].contains("big.log"), "{:?}", restored.notes);
}

#[test]
fn a_work_dir_without_outside_repository_is_moved_whole() {
    let world = World::new();
    let plain = world.repo.beside("plain");
    write(&plain.join("x/y"), "1");
    let mut plan = world.plan(TransferMode::Rsync, "plain");
    (plan.source, plan.repo, plan.base_commit) = (plain, None, None);
    let copy = world.adopt(&world.make(&plan), "plain");
    write(&copy.work_dir.join("z"), "2");
    let mirror = world.adopt(&world.make(&world.plan(TransferMode::GitMirror, "mirror")), "mirror");
    write(&mirror.work_dir.join("w"), "1");
    commit_all(&mirror.work_dir, "work");
    for record in [&copy, &mirror] {
        let before = tree(&record.work_dir);
        let retired = world.destroy(record, false);
        assert_eq!((retired.work_dir, retired.note), (WorkDirFate::Removed, None));
        assert!(!record.work_dir.exists());
        let kept = block(find(&world.host, record.name.as_str())).unwrap().work_dir.unwrap();
        assert_eq!(kept.kind, WorkDirKind::Moved);
        assert_eq!(tree(&kept.moved_to()), before);
        undo(&world, record.name.as_str(), Only::All).unwrap();
        assert_eq!(tree(&record.work_dir), before);
    }
    assert_eq!(git_in(&mirror.work_dir, &["log", "--format=%s", "-1"]), "work");
}

#[test]
fn what_git_cannot_read_is_moved_whole_and_still_comes_back() {
    let world = World::new();
    let record = world.agent("a");
    let dir = &record.work_dir;
    write(&dir.join("draft"), "1");
    let admin = git::head_dir(dir);
    let index = fs::read(admin.join("index")).unwrap();
    fs::write(admin.join("index"), "nonsense").unwrap();
    let before = tree(dir);
    let retired = world.destroy(&record, true);
    assert!(retired.note.unwrap().contains("index"), "says why");
    assert!(matches!(retired.branch, BranchFate::Refused { .. }), "{:?}", retired.branch);
    assert!(!dir.exists());
    world.repo.git("worktree prune");
    write(dir, "something else is there now");
    let restored = undo(&world, "a", Only::All).unwrap();
    let place = restored.work_dir.unwrap();
    assert!(place.to_str().unwrap().ends_with("-restored"));
    assert_eq!(tree(&place), before);
    fs::write(admin.join("index"), index).unwrap();
    assert_eq!(git_in(&place, &["status", "--porcelain"]), "?? draft");
}

mod git {
    use super::*;

    /// Where the worktree's own git directory is.
    pub(super) fn head_dir(dir: &Path) -> PathBuf {
        git_in(dir, &["rev-parse", "--absolute-git-dir"]).into()
    }
}

#[test]
fn hooks_do_not_run_and_the_index_is_not_touched() {
    let world = World::new();
    let record = world.agent("a");
    let dir = &record.work_dir;
    write(&dir.join("README"), "2");
    git_in(dir, &["add", "README"]);
    write(&dir.join("README"), "3");
    for hook in ["reference-transaction", "post-checkout", "post-index-change", "pre-commit"] {
        let path = world.repo.path(".git/hooks").join(hook);
        write(&path, "#!/bin/sh\nexit 1\n");
        set_mode(&path, 0o755);
    }
    let index = git::head_dir(dir).join("index");
    let before = fs::read(&index).unwrap();
    let request = KeepRequest {
        reason: Reason::Destroy,
        agent: Some(&record),
        agent_items: &[],
        work_dir: dir,
        takes_work_dir: true,
        common_dir: None,
        created_branch: None,
        unless_expendable: None,
    };
    let entry = block(keep(&world.host, &world.lock(), &request)).unwrap().unwrap();
    assert_eq!(entry.work_dir.unwrap().note, None);
    assert_eq!(fs::read(&index).unwrap(), before);
    let expected = tree(dir);
    world.destroy(&record, false);
    undo(&world, "a", Only::All).unwrap();
    assert_eq!(tree(dir), expected);
}

#[test]
fn an_agent_keeps_what_it_said_and_the_names_of_its_variables() {
    let world = World::new();
    let record = world.agent("a");
    let state = world.host.layout.agent(&record.id);
    write(&state.join("env"), "MNG_AGENT_ID=x\nAPI_KEY='hush hush'\nMODE=fast\n");
    write(&state.join("events/messages/events.jsonl"), "{}\n");
    write(&state.join("logs/claude_transcript/events.jsonl"), "said\n");
    write(&state.join("logs/noise.log"), "noise");
    write(&state.join("plugin/x/session"), "native");
    let items = [PathBuf::from("plugin/x/session"), PathBuf::from("plugin/none")];
    world.try_retire(&RetireRequest { agent_items: &items, ..destroys(&record) }).unwrap();
    fs::remove_dir_all(&state).unwrap();
    let entry = block(find(&world.host, "a")).unwrap();
    for (path, text) in tree(&entry.dir(&world.host)) {
        assert!(!text.contains("hush"), "{}", path.display());
    }
    let restored = undo(&world, "a", Only::All).unwrap();
    assert_eq!(restored.missing_env, ["API_KEY", "MODE"]);
    let read = |path: &str| fs::read_to_string(state.join(path)).ok();
    assert_eq!(read("events/messages/events.jsonl").as_deref(), Some("{}\n"));
    assert_eq!(read("logs/claude_transcript/events.jsonl").as_deref(), Some("said\n"));
    assert_eq!(read("plugin/x/session").as_deref(), Some("native"));
    assert_eq!((read("logs/noise.log"), read("env").as_deref()), (None, Some("NEW=1\n")));
}

#[test]
fn nothing_that_is_there_is_overwritten() {
    let world = World::new();
    let record = world.agent("a");
    let dir = &record.work_dir;
    write(&dir.join("work"), "old work");
    let old = commit_all(dir, "old work");
    let before = tree(dir);
    world.destroy(&record, true);
    // Everything has a successor of the same name.
    write(&dir.join("mine"), "precious");
    world.repo.git("branch mng/a");
    let mut successor = agent("a");
    successor.work_dir = world.repo.root().to_path_buf();
    world.write_agent(&successor);
    let (branch, theirs) = (world.repo.git("rev-parse mng/a"), tree(dir));

    for number in ["-restored", "-restored-2"] {
        let entry = block(list(&world.host)).unwrap().remove(0);
        let restored = block(restore(&world.host, &world.lock(), entry, Only::All, &no_env)).unwrap();
        let agent = restored.agent.unwrap();
        assert_eq!(agent.name.as_str(), format!("a{number}"));
        assert_eq!(restored.branch.unwrap(), format!("mng/a{number}"));
        assert_eq!(agent.created_branch_name.unwrap(), format!("mng/a{number}"));
        let place = restored.work_dir.unwrap();
        assert!(place.to_str().unwrap().ends_with(number));
        assert_eq!(tree(&place), before);
        assert_eq!(git_in(&place, &["rev-parse", "HEAD"]), old);
        assert_eq!((world.repo.git("rev-parse mng/a"), tree(dir)), (branch.clone(), theirs.clone()));
        assert_eq!(block(world.host.read_agent(&successor.id)).unwrap(), Some(successor.clone()));
    }
}

#[test]
fn one_part_can_be_brought_back() {
    let world = World::new();
    let record = world.agent("a");
    let dir = &record.work_dir;
    write(&dir.join("work"), "1");
    let tip = commit_all(dir, "work");
    write(&dir.join("draft"), "2");
    let before = tree(dir);
    world.destroy(&record, true);

    let restored = undo(&world, "a", Only::Branch).unwrap();
    assert_eq!(restored.branch.as_deref(), Some("mng/a"));
    assert_eq!(world.repo.git("rev-parse mng/a"), tip);
    assert!(!dir.exists() && restored.agent.is_none());
    // It is there: nothing to do, and no copy of it.
    assert_eq!(undo(&world, "a", Only::Branch).unwrap().branch.as_deref(), Some("mng/a"));
    assert_eq!(world.branches(), ["main", "mng/a"]);

    let restored = undo(&world, "a", Only::Files).unwrap();
    assert_eq!(tree(dir), before);
    assert_eq!(git_in(dir, &["symbolic-ref", "HEAD"]), "refs/heads/mng/a");
    assert!(restored.agent.is_none() && world.registered().is_empty(), "the files are the person's");
    // The branch is busy now: the second copy is at its commit.
    let second = undo(&world, "a", Only::Files).unwrap();
    assert_eq!(git_in(&second.work_dir.unwrap(), &["rev-parse", "HEAD"]), tip);
    assert_eq!((second.branch, world.branches().len()), (None, 2));

    let restored = undo(&world, "a", Only::Agent).unwrap();
    assert_eq!(restored.agent.unwrap(), record);
    assert_eq!(restored.work_dir, None);

    let mut in_place = agent("here");
    (in_place.work_dir, in_place.transfer_mode) = (world.repo.root().to_path_buf(), Some(TransferMode::None));
    world.write_agent(&in_place);
    assert_eq!(world.destroy(&in_place, true).work_dir, WorkDirFate::NotOurs);
    for only in [Only::Branch, Only::Files] {
        assert!(undo(&world, "here", only).unwrap_err().to_string().contains("to bring back"));
    }
    assert_eq!(undo(&world, "here", Only::All).unwrap().agent.unwrap(), in_place);
}

#[test]
fn a_work_dir_that_was_deleted_behind_our_back_keeps_its_commits() {
    let world = World::new();
    let record = world.agent("a");
    git_in(&record.work_dir, &["checkout", "-q", "--detach"]);
    write(&record.work_dir.join("x"), "1");
    let tip = commit_all(&record.work_dir, "on no branch");
    fs::remove_dir_all(&record.work_dir).unwrap();
    let retired = world.destroy(&record, true);
    assert_eq!(retired.work_dir, WorkDirFate::Missing);
    assert_eq!(retired.branch, BranchFate::Deleted { branch: "mng/a".into() });
    assert!(world.registered().is_empty());
    assert_eq!(world.worktree_count(), 1);
    world.repo.git("gc -q --prune=now");
    let restored = undo(&world, "a", Only::All).unwrap();
    assert_eq!(git_in(&record.work_dir, &["rev-parse", "HEAD"]), tip);
    assert!(restored.notes[0].contains("only its commits"), "{:?}", restored.notes);
}

/// git knows physical paths only; people keep their state wherever they like.
#[test]
fn a_state_dir_behind_a_symlink_works() {
    let mut world = World::new();
    let (real, link) = (world.repo.beside("real"), world.repo.beside("link"));
    fs::create_dir(&real).unwrap();
    symlink(&real, &link).unwrap();
    world.host.layout = crate::hosts::Layout::new(link.join("state"));
    let record = world.agent("a");
    assert!(record.work_dir.starts_with(&link));
    write(&record.work_dir.join("x"), "1");
    let (retired, _) = there_and_back(&world, &record, true);
    assert_eq!((retired.note, retired.branch), (None, BranchFate::Deleted { branch: "mng/a".into() }));
    fs::remove_dir_all(&record.work_dir).unwrap();
    world.destroy(&record, true);
    assert_eq!(world.worktree_count(), 1);
}

#[test]
fn sha256_repositories_work_too() {
    let world = World::around(TestRepo::with_init(&["--object-format=sha256"]));
    world.repo.commit("README", "1\n");
    let record = world.agent("a");
    write(&record.work_dir.join("README"), "2");
    git_in(&record.work_dir, &["add", "README"]);
    write(&record.work_dir.join("x"), "3");
    there_and_back(&world, &record, true);
    let orphan = world.agent("b");
    git_in(&orphan.work_dir, &["checkout", "-q", "--orphan", "fresh"]);
    there_and_back(&world, &orphan, true);
}
