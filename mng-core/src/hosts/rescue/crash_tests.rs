//! Every operation on the host is the last one once: whatever was done before it stays, nothing after it
//! happens. Then the same command runs again. (The fault points of mng-tests do the same to the whole
//! process.)

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::tests::no_env;
use super::*;
use crate::hosts::git::testing::{block, git_in, write};
use crate::hosts::work_dir::testing::{Spy, World, destroys, git_state, tree};
use crate::hosts::work_dir::{self, Ownership, RetireRequest, WorkDirFate};
use crate::model::event::Events;
use crate::model::record::{AgentRecord, TransferMode};
use crate::model::time::Time;

/// An agent with something of every kind in its work dir.
fn busy_agent(world: &World, name: &str) -> AgentRecord {
    let record = world.agent(name);
    let dir = &record.work_dir;
    write(&dir.join("work"), name);
    git_in(dir, &["add", "work"]);
    git_in(dir, &["commit", "-q", "-m", "work"]);
    write(&dir.join("README"), "changed");
    git_in(dir, &["add", "README"]);
    write(&dir.join("new/file"), "untracked");
    write(&dir.join(".env"), "ignored");
    git_in(dir, &["init", "-q", "nested"]);
    write(&dir.join("nested/file"), "inside");
    write(&world.host.layout.agent(&record.id).join("events/log"), "said");
    record
}

/// Scripts for another host take their time; odd, so that both kinds of round come.
fn stride(world: &World) -> usize {
    if world.host.is_local() { 1 } else { 3 }
}

fn cut(steps: usize) -> Spy {
    Spy { until: Some(steps), ..Spy::default() }
}

/// Nothing of an unfinished step is left, and every reference belongs to an entry.
#[track_caller]
fn is_tidy(world: &World) {
    block(sweep(&world.host, &world.lock())).unwrap();
    let names = |dir: &Path| -> Vec<String> {
        let entries = fs::read_dir(dir).into_iter().flatten();
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
    };
    assert_eq!(names(&world.host.layout.tmp()), [] as [String; 0]);
    let hidden = names(&world.host.layout.worktrees()).into_iter().filter(|name| name.starts_with('.'));
    assert_eq!(hidden.collect::<Vec<_>>(), [] as [String; 0]);
    let mut ids: Vec<String> = names(&world.host.layout.undo());
    let refs = world.repo.git("for-each-ref --format=%(refname:lstrip=3) refs/mng/rescue");
    let mut refs: Vec<String> = refs.lines().map(str::to_owned).collect();
    ids.sort();
    refs.sort();
    assert_eq!(refs, ids);
}

/// Ends a round: the next one starts with as many agents and entries, so it takes as many steps.
fn clear(world: &World, record: &AgentRecord) {
    world.destroy(record, true);
    let now = Time::from(std::time::SystemTime::now() + Duration::from_secs(100));
    block(expire(&world.host, &world.lock(), Duration::ZERO, now, false)).unwrap();
}

#[test]
fn a_destroy_that_is_cut_off_anywhere_loses_nothing() {
    cut_destroy(&World::new());
}

#[test]
fn on_another_host_a_destroy_that_is_cut_off_anywhere_loses_nothing() {
    cut_destroy(&World::far());
}

fn cut_destroy(world: &World) {
    let mut is_done = false;
    for steps in (0..).step_by(stride(world)) {
        let name = format!("a{steps}");
        let record = busy_agent(world, &name);
        let dir = record.work_dir.clone();
        let before = (tree(&dir), git_state(&dir));
        let request = RetireRequest { remove_branch: true, ..destroys(&record) };
        let (host, _) = world.watched(cut(steps));
        let first = block(work_dir::retire(&host, &world.lock(), &request));
        is_done = is_done || first.is_ok();

        assert!(!dir.exists() || tree(&dir) == before.0, "after {steps}: whole or away");
        assert!(block(world.host.agents()).unwrap().iter().any(|entry| entry.id == record.id));
        if steps % 2 == 0 {
            block(sweep(&world.host, &world.lock())).unwrap();
        }
        // What has arrived in between is kept as well, as long as the work dir is at its place.
        let mut wanted = before;
        if dir.exists() {
            write(&dir.join("later"), "l");
            wanted = (tree(&dir), git_state(&dir));
        }
        world.destroy(&record, true);
        assert!(!dir.exists() && !world.branches().contains(&format!("mng/{name}")), "after {steps}");
        assert!(!world.registered().contains(&dir));

        let entry = block(find(&world.host, &name)).unwrap();
        let restored = block(restore(&world.host, &world.lock(), entry, Only::All, &no_env)).unwrap();
        assert_eq!((tree(&dir), git_state(&dir)), wanted, "after {steps}");
        assert_eq!(restored.agent.unwrap(), record);
        let state = world.host.layout.agent(&record.id);
        assert_eq!(fs::read_to_string(state.join("events/log")).unwrap(), "said", "after {steps}");
        is_tidy(world);
        if is_done {
            assert!(steps > 20, "the cut works");
            return;
        }
        clear(world, &record);
    }
}

#[test]
fn a_restore_that_is_cut_off_anywhere_can_be_done_again() {
    cut_restore(&World::new());
}

#[test]
fn on_another_host_a_restore_that_is_cut_off_anywhere_can_be_done_again() {
    cut_restore(&World::far());
}

fn cut_restore(world: &World) {
    let mut is_done = false;
    for steps in (0..).step_by(stride(world)) {
        let name = format!("a{steps}");
        let record = busy_agent(world, &name);
        let dir = record.work_dir.clone();
        let before = (tree(&dir), git_state(&dir));
        world.destroy(&record, true);
        let again = |host: &crate::hosts::Host| {
            let entry = block(find(&world.host, &name)).unwrap();
            block(restore(host, &world.lock(), entry, Only::All, &no_env))
        };
        let (host, _) = world.watched(cut(steps));
        is_done = is_done || again(&host).is_ok();
        if steps % 2 == 0 {
            block(sweep(&world.host, &world.lock())).unwrap();
        }
        if !is_done {
            again(&world.host).unwrap();
        }
        assert_eq!((tree(&dir), git_state(&dir)), before, "after {steps}");
        assert_eq!(
            block(world.host.read_agent(&record.id)).unwrap().as_ref(),
            Some(&record),
            "after {steps}"
        );
        assert!(world.registered().contains(&dir));
        is_tidy(world);
        if is_done {
            assert!(steps > 20, "the cut works");
            return;
        }
        clear(world, &record);
    }
}

#[test]
fn an_expiry_that_is_cut_off_anywhere_can_be_done_again() {
    let world = World::new();
    for steps in 0.. {
        let record = busy_agent(&world, &format!("a{steps}"));
        world.destroy(&record, true);
        let now = Time::from(std::time::SystemTime::now() + Duration::from_secs(100));
        let (host, _) = world.watched(cut(steps));
        let first = block(expire(&host, &world.lock(), Duration::ZERO, now, false));
        block(sweep(&world.host, &world.lock())).unwrap();
        block(expire(&world.host, &world.lock(), Duration::ZERO, now, false)).unwrap();
        is_tidy(&world);
        assert_eq!(fs::read_dir(world.host.layout.undo()).unwrap().count(), 0, "after {steps}");
        if first.is_ok_and(|dropped| dropped.len() == 1) {
            assert!(steps > 1, "the cut works");
            return;
        }
    }
}

#[test]
fn a_create_that_is_cut_off_anywhere_leaves_what_was_there() {
    let world = World::new();
    world.repo.write("draft", "1");
    for mode in [TransferMode::GitWorktree, TransferMode::GitMirror] {
        let source = (tree(world.repo.root()), world.branches(), world.repo.git("status --porcelain"));
        for steps in 0.. {
            let mut plan = world.plan(mode, "a");
            plan.include_unclean = true;
            let lock = world.lock();
            let claim = block(plan.claim(&world.host, &world.host, &lock)).unwrap();
            let (host, _) = world.watched(cut(steps));
            let made = block(work_dir::make(&host, &host, &lock, &plan, &claim, &Events::none()));
            drop(lock);
            // As whoever finds the claim does, and once more.
            for _ in 0..2 {
                let retired = world.rollback(&claim);
                assert!(matches!(retired.work_dir, WorkDirFate::Removed | WorkDirFate::Missing));
            }
            assert!(!plan.path.exists(), "{} after {steps}", mode.as_str());
            let after = (tree(world.repo.root()), world.branches(), world.repo.git("status --porcelain"));
            assert_eq!(after, source, "{} after {steps}", mode.as_str());
            assert_eq!(world.worktree_count(), 1);
            if made.is_ok() {
                assert!(steps > 3, "the cut works");
                break;
            }
        }
    }
}

/// Lesson: gc worked out its list before a create was done, then deleted what that had just made.
#[test]
fn a_gc_removes_nothing_that_a_record_names() {
    let world = World::new();
    let record = world.agent("a");
    let request = RetireRequest {
        reason: Reason::Gc,
        agent: None,
        agent_items: &[],
        work_dir: &record.work_dir,
        ownership: Ownership::Registered,
        keep_work_dir: false,
        remove_branch: false,
    };
    // Even when its list is stale.
    assert_eq!(world.try_retire(&request).unwrap().work_dir, WorkDirFate::InUse { by: vec!["a".into()] });
    assert!(record.work_dir.join("README").exists());
}

/// A full disk, a read-only object store: a rename still works, and is undone by another.
#[test]
fn what_cannot_go_into_git_is_moved_whole() {
    let world = World::new();
    for word in ["update-index", "write-tree", "commit-tree", "update-ref"] {
        let record = busy_agent(&world, word);
        let before = (tree(&record.work_dir), git_state(&record.work_dir));
        let (host, _) = world.watched(Spy { fails: Some(word), ..Spy::default() });
        let retired = block(work_dir::retire(&host, &world.lock(), &destroys(&record))).unwrap();
        assert!(retired.note.unwrap().contains("no space left"), "{word}");
        assert_eq!(retired.work_dir, WorkDirFate::Removed);
        assert!(!record.work_dir.exists());
        fs::remove_dir_all(world.host.layout.agent(&record.id)).unwrap();
        let entry = block(find(&world.host, word)).unwrap();
        block(restore(&world.host, &world.lock(), entry, Only::All, &no_env)).unwrap();
        assert_eq!((tree(&record.work_dir), git_state(&record.work_dir)), before, "{word}");
        // It is a worktree like any other again.
        let retired = world.destroy(&record, true);
        assert_eq!(retired.note, None);
    }
}

/// A work dir that cannot be renamed (a mount point) is deleted in place, but never kept half-deleted.
#[test]
fn a_work_dir_that_cannot_move_is_deleted_in_place_once_all_is_kept() {
    let world = World::new();
    let record = busy_agent(&world, "a");
    let before = (tree(&record.work_dir), git_state(&record.work_dir));
    let spy = Spy { other_device: Some(record.work_dir.clone()), ..Spy::default() };
    let (host, _) = world.watched(spy);
    let retired = block(work_dir::retire(&host, &world.lock(), &destroys(&record))).unwrap();
    assert_eq!(retired.work_dir, WorkDirFate::Removed);
    assert!(!record.work_dir.exists());
    fs::remove_dir_all(world.host.layout.agent(&record.id)).unwrap();
    let entry = block(find(&world.host, "a")).unwrap();
    block(restore(&world.host, &world.lock(), entry, Only::All, &no_env)).unwrap();
    assert_eq!((tree(&record.work_dir), git_state(&record.work_dir)), before);
}
