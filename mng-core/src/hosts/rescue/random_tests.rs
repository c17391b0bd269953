//! Whatever an agent does to its worktree, destroy and undo give back the same tree, index and branch.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::tests::there_and_back;
use crate::hosts::git::testing::git_succeeds;
use crate::hosts::work_dir::testing::World;

/// One thing that an agent does. What is impossible at the time is skipped.
#[derive(Clone, Debug)]
enum Act {
    Write(PathBuf, Vec<u8>),
    Link(PathBuf, String),
    Chmod(PathBuf, u32),
    Delete(PathBuf),
    MakeDir(PathBuf),
    Move(PathBuf, PathBuf),
    Add(PathBuf),
    AddAll,
    Untrack(PathBuf),
    Commit,
    Hide(PathBuf),
}

/// Few names, so that files, directories and links meet at the same paths; odd ones, so that quoting,
/// option parsing, comment rules and encodings are all tried.
fn path() -> impl Strategy<Value = PathBuf> {
    let name = prop_oneof![
        4 => prop::sample::select(vec!["a", "b", "c"]).prop_map(OsString::from),
        2 => prop::sample::select(vec!["ü x", "n\nl", "-d", "#h", "q\"'", "*", ":(top)", "back\\slash", " "])
            .prop_map(OsString::from),
        1 => Just(OsString::from_vec(b"raw\xff".to_vec())),
        1 => prop::sample::select(vec!["x.log", "build", ".env", ".gitkeep"]).prop_map(OsString::from),
    ];
    prop::collection::vec(name, 1..4).prop_map(|names| names.iter().collect())
}

fn act() -> impl Strategy<Value = Act> {
    let bytes = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        Just(b"line\r\nline\n".to_vec()),
        Just(Vec::new()),
    ];
    prop_oneof![
        8 => (path(), bytes).prop_map(|(path, bytes)| Act::Write(path, bytes)),
        2 => (path(), "[a-c/.]{1,8}").prop_map(|(path, target)| Act::Link(path, target)),
        2 => (path(), prop::sample::select(vec![0o600, 0o755, 0o644, 0o400, 0o711])).prop_map(|(p, m)| Act::Chmod(p, m)),
        3 => path().prop_map(Act::Delete),
        1 => path().prop_map(Act::MakeDir),
        2 => (path(), path()).prop_map(|(from, to)| Act::Move(from, to)),
        3 => path().prop_map(Act::Add),
        1 => Just(Act::AddAll),
        1 => path().prop_map(Act::Untrack),
        1 => Just(Act::Commit),
        1 => path().prop_map(Act::Hide),
    ]
}

fn perform(dir: &Path, act: &Act) {
    let git = |args: &[&str], path: &Path| {
        // Names that are not UTF-8 reach git by `.` and patterns only.
        path.to_str()
            .is_some_and(|path| git_succeeds(dir, &[&["--literal-pathspecs"], args, &["--", path]].concat()))
    };
    match act {
        Act::Write(path, bytes) => {
            let full = dir.join(path);
            let _ = fs::create_dir_all(full.parent().unwrap());
            let _ = fs::write(full, bytes);
        }
        Act::Link(path, target) => {
            let full = dir.join(path);
            let _ = fs::create_dir_all(full.parent().unwrap());
            let _ = symlink(target, full);
        }
        Act::Chmod(path, mode) => {
            let full = dir.join(path);
            if fs::symlink_metadata(&full).is_ok_and(|meta| meta.is_file() || meta.is_dir()) {
                // A directory that its owner cannot enter is another story.
                let mode = if full.is_dir() { mode | 0o500 } else { *mode };
                fs::set_permissions(full, fs::Permissions::from_mode(mode)).unwrap();
            }
        }
        Act::Delete(path) => {
            let full = dir.join(path);
            let _ = fs::remove_dir_all(&full);
            let _ = fs::remove_file(full);
        }
        Act::MakeDir(path) => {
            let _ = fs::create_dir_all(dir.join(path));
        }
        Act::Move(from, to) => {
            let _ = fs::rename(dir.join(from), dir.join(to));
        }
        Act::Add(path) => {
            git(&["add", "-f"], path);
        }
        Act::AddAll => {
            git_succeeds(dir, &["add", "-A"]);
        }
        Act::Untrack(path) => {
            git(&["rm", "-r", "-q", "--cached", "-f"], path);
        }
        Act::Commit => {
            git_succeeds(dir, &["commit", "-q", "-m", "by the agent"]);
        }
        Act::Hide(path) => {
            git(&["update-index", "--assume-unchanged"], path);
        }
    }
}

/// A file that is hidden from git shows in the listing of flags, which is not kept: whether a file is
/// hidden does not come back, what is in it does.
fn reveal(dir: &Path) {
    git_succeeds(dir, &["update-index", "--really-refresh"]);
    git_succeeds(dir, &["update-index", "-q", "--refresh"]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 60, ..ProptestConfig::default() })]

    #[test]
    fn undo_gives_back_the_same_tree(
        acts in prop::collection::vec(act(), 1..40),
        remove_branch: bool,
        is_far: bool,
    ) {
        let world = if is_far { World::far() } else { World::new() };
        for name in ["a/a", "a/b", "b", "c/a/b"] {
            world.repo.write(name, name);
        }
        world.repo.commit("x", "1");
        let record = world.agent("agent");
        for act in &acts {
            perform(&record.work_dir, act);
        }
        let hides = acts.iter().any(|act| matches!(act, Act::Hide(_)));
        if hides {
            let before = crate::hosts::work_dir::testing::tree(&record.work_dir);
            world.destroy(&record, remove_branch);
            super::tests::undo(&world, "agent", super::Only::All).unwrap();
            prop_assert_eq!(crate::hosts::work_dir::testing::tree(&record.work_dir), before);
        } else {
            reveal(&record.work_dir);
            there_and_back(&world, &record, remove_branch);
        }
        let main = world.repo.git("status --porcelain");
        prop_assert_eq!(main, "", "the person's own work tree is untouched");
    }
}
