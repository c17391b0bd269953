use super::*;
use crate::hosts::git::testing::{block, git_in, write};
use crate::operations::destroy::tests::{FORCE, WITH_BRANCH, World};

fn undo_in(world: &World, what: Option<&str>, only: Only) -> Result<UndoReport> {
    let request = UndoRequest { what: what.map(str::to_owned), only };
    block(on_host(&world.ctx, world.host(), request, &Events::none()))
}

#[test]
fn a_destroyed_agent_comes_back_with_branch_files_and_an_env_file() {
    let world = World::new();
    let a1 = world.agent("a1");
    let work_dir = world.work_dir("a1");
    write(&work_dir.join("committed"), "x");
    git_in(&work_dir, &["add", "-A"]);
    git_in(&work_dir, &["commit", "-q", "-m", "work"]);
    write(&work_dir.join("untracked"), [0_u8, 255]);
    let tip = git_in(&work_dir, &["rev-parse", "HEAD"]);
    let env = world.host().layout.agent_env(&a1.record.id);
    let mut text = std::fs::read_to_string(&env).unwrap();
    text.push_str("API_TOKEN=hunter2\n");
    std::fs::write(&env, text).unwrap();
    world.destroy(&[&a1], WITH_BRANCH);

    let report = undo_in(&world, Some("a1"), Only::All).unwrap();
    assert_eq!(report.agent_id.as_deref(), Some(a1.record.id.as_str()));
    assert_eq!(report.branch.as_deref(), Some("mng/a1"));
    assert_eq!(report.missing_env, ["API_TOKEN"]);
    assert_eq!(world.repo.git("rev-parse mng/a1"), tip);
    assert_eq!(std::fs::read(work_dir.join("untracked")).unwrap(), [0, 255]);
    let text = std::fs::read_to_string(&env).unwrap();
    assert!(text.contains(&format!("MNG_AGENT_ID={}", a1.record.id)) && !text.contains("hunter2"), "{text}");
    let record = block(world.host().read_agent(&a1.record.id)).unwrap().unwrap();
    assert_eq!(record, a1.record);

    // By its name it comes back once; by the id of the entry as often as one likes.
    let error = undo_in(&world, Some("a1"), Only::All).unwrap_err();
    assert!(error.hint().unwrap().contains(&report.undo_id), "{error}");
    let again = undo_in(&world, Some(&report.undo_id), Only::All).unwrap();
    assert_eq!(again.agent_name.as_deref(), Some("a1-restored"));

    // It can be destroyed again, and that is what a name means then.
    world.destroy(&[&a1], FORCE);
    assert_eq!(undo_in(&world, Some("a1"), Only::All).unwrap().agent_name.as_deref(), Some("a1"));
}

#[test]
fn without_a_name_it_is_the_newest_that_is_not_back_yet() {
    let world = World::new();
    assert_eq!(undo_in(&world, None, Only::All).unwrap_err().to_string(), "there is nothing to undo");
    let (a1, a2) = (world.agent("a1"), world.agent("a2"));
    world.destroy(&[&a1], FORCE);
    world.destroy(&[&a2], FORCE);
    for name in ["a2", "a1"] {
        assert_eq!(undo_in(&world, None, Only::All).unwrap().agent_name.as_deref(), Some(name));
    }
    let error = undo_in(&world, None, Only::All).unwrap_err();
    assert_eq!((error.exit_code(), error.hint().as_deref()), (1, Some("mng undo --list")));
}

#[test]
fn a_taken_name_is_not_overwritten() {
    let world = World::new();
    let old = world.agent("a1");
    world.destroy(&[&old], WITH_BRANCH);
    let new = world.agent("a1");
    let report = undo_in(&world, Some("a1"), Only::All).unwrap();
    assert_eq!(report.agent_name.as_deref(), Some("a1-restored"));
    assert_ne!(report.agent_id.as_deref(), Some(new.record.id.as_str()));
    assert!(block(world.host().read_agent(&new.record.id)).unwrap().is_some());
}

#[test]
fn what_nobody_knows_is_an_error() {
    let world = World::new();
    let error = undo_in(&world, Some("nobody"), Only::All).unwrap_err();
    assert!(error.to_string().contains("`nobody`"), "{error}");
    assert_eq!(error.exit_code(), 1);
}
