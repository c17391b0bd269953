//! What `destroy` took on another machine comes back there.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use mng_tests::SshHost;

use super::{create, do_work, files, git, names, record, sessions, work_dir, world};

#[test]
fn what_was_destroyed_comes_back_byte_for_byte() {
    for flag in ["", "-b"] {
        let Some(machine) = SshHost::start("alpha") else { return };
        let env = world(&[&machine], "");
        env.repo().write(".gitignore", "*.secret\n");
        env.repo().commit("ignore");
        create(&env, "one@alpha", "--label mine=1");
        let tip = do_work(&machine, "one");
        let secret = work_dir(&machine, "one").join("api.secret");
        fs::write(&secret, "TOKEN=1\n").unwrap();
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
        let (tree, before, dir) =
            (files(&machine, "one"), record(&machine, "one"), work_dir(&machine, "one"));

        env.mng(&format!("destroy one --force {flag}")).success();
        assert!(names(&machine).is_empty() && sessions(&machine).is_empty());
        assert!(!dir.exists());
        env.mng("undo --list").success().prints("one");

        env.mng("undo one").success().prints("one");
        assert_eq!(files(&machine, "one"), tree, "{flag}");
        assert_eq!(git(&machine, "one", "rev-parse mng/one").trim(), tip);
        assert_eq!(git(&machine, "one", "rev-parse --abbrev-ref HEAD"), "mng/one\n");
        for key in ["id", "name", "type", "command", "create_time", "labels", "work_dir"] {
            assert_eq!(record(&machine, "one")[key], before[key], "{key}");
        }
        env.mng("start one").success();
        assert_eq!(env.state_of("one"), "RUNNING");
    }
}

#[test]
fn a_worktree_of_a_repository_there_comes_back_as_one() {
    let Some(machine) = SshHost::start("alpha") else { return };
    let env = world(&[&machine], "");
    create(&env, "one@alpha", "");
    env.mng("clone one two@alpha --no-connect -- sleep 2000").success();
    assert_eq!(record(&machine, "two")["transfer_mode"], "git-worktree");
    let tip = do_work(&machine, "two");
    let tree = files(&machine, "two");
    env.mng("destroy two --force -b").success();
    env.mng("undo two").success();
    assert_eq!((files(&machine, "two"), git(&machine, "two", "rev-parse HEAD").trim()), (tree, &*tip));
    let worktrees = git(&machine, "one", "worktree list");
    assert_eq!(worktrees.lines().count(), 2, "{worktrees}");
}
