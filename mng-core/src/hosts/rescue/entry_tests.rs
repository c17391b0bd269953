//! Finding undo entries, and their end.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::tests::undo;
use super::*;
use crate::hosts::git::testing::{block, write};
use crate::hosts::work_dir::testing::World;
use crate::model::error::ErrorClass;
use crate::model::record::TransferMode;
use crate::model::time::Time;

#[test]
fn entries_are_found_by_id_prefix_and_name() {
    let world = World::new();
    let record = world.agent("a");
    let id = world.destroy(&record, false).undo_id.unwrap();
    let found = |text: &str| block(find(&world.host, text)).map(|entry| entry.id);
    assert_eq!(found(id.as_str()).unwrap(), id);
    assert_eq!(found(&id.as_str()[..4]).unwrap(), id);
    assert_eq!(found("a").unwrap(), id);
    assert_eq!(found(record.id.as_str()).unwrap(), id);
    for missing in ["b", "", "ffffffff0"] {
        let error = found(missing).unwrap_err();
        assert_eq!(
            (error.class(), error.hint().as_deref()),
            (ErrorClass::UserInput, Some("mng undo --list"))
        );
    }
    let entry = block(read(&world.host, &id)).unwrap().unwrap();
    assert!(entry.is_of_repository(&world.repo.path(".git")));
    assert!(!entry.is_of_repository(Path::new("/other/.git")));
    // One damaged entry does not hide the others.
    let other = world.destroy(&world.agent("b"), false).undo_id.unwrap();
    write(&world.host.layout.undo().join(id.as_str()).join("manifest.json"), "{");
    let ids: Vec<UndoId> = block(list(&world.host)).unwrap().into_iter().map(|entry| entry.id).collect();
    assert_eq!(ids, [other]);
}

#[test]
fn entries_expire_with_their_references() {
    let world = World::new();
    let record = world.agent("a");
    write(&record.work_dir.join("x"), "1");
    world.destroy(&record, true);
    let mirror = world.adopt(&world.make(&world.plan(TransferMode::GitMirror, "m")), "m");
    world.destroy(&mirror, false);
    let drop_older = |keep: u64, dry_run: bool| {
        let now = Time::from(std::time::SystemTime::now() + Duration::from_secs(100));
        block(expire(&world.host, &world.lock(), Duration::from_secs(keep), now, dry_run)).unwrap().len()
    };
    assert_eq!((drop_older(1000, false), drop_older(10, true)), (0, 2));
    assert_eq!(world.repo.git("for-each-ref refs/mng").lines().count(), 1);
    assert_eq!(drop_older(10, false), 2);
    assert_eq!(world.repo.git("for-each-ref refs/mng"), "");
    assert_eq!(fs::read_dir(world.host.layout.undo()).unwrap().count(), 0);
    assert!(undo(&world, "a", Only::All).is_err());
}

#[test]
fn a_repository_that_is_gone_is_named() {
    let world = World::new();
    let record = world.agent("a");
    world.destroy(&record, false);
    fs::rename(world.repo.root(), world.repo.beside("moved")).unwrap();
    let error = undo(&world, "a", Only::All).unwrap_err();
    assert!(error.to_string().contains("which holds the commits of undo entry"), "{error}");
    assert!(block(world.host.agents()).unwrap().is_empty());
    // Expiry does not mind.
    let now = Time::from(std::time::SystemTime::now() + Duration::from_secs(100));
    assert_eq!(block(expire(&world.host, &world.lock(), Duration::ZERO, now, false)).unwrap().len(), 1);
    fs::rename(world.repo.beside("moved"), world.repo.root()).unwrap();
}
