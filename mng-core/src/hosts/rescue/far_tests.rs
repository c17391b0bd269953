//! Destroy and undo on another host, whose programs may be other ones.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::tests::there_and_back;
use super::*;
use crate::hosts::git::testing::{block, git_in, write};
use crate::hosts::work_dir::testing::{Spy, World};

/// Worlds whose host has GNU's programs, and busybox's where that is installed.
fn worlds() -> Vec<(&'static str, World)> {
    let mut worlds = vec![("gnu", World::far())];
    let busybox = ["/bin/busybox", "/usr/bin/busybox"].into_iter().find(|path| Path::new(path).exists());
    if let Some(busybox) = busybox {
        let mut world = World::far();
        let bin = world.repo.beside("bin");
        fs::create_dir(&bin).unwrap();
        for name in "sh awk cat chmod cp df find ls mkdir mv rm rmdir stat sync tar xargs".split(' ') {
            symlink(busybox, bin.join(name)).unwrap();
        }
        let which = std::process::Command::new("sh").args(["-c", "command -v git"]).output().unwrap();
        symlink(String::from_utf8_lossy(&which.stdout).trim(), bin.join("git")).unwrap();
        world.host.transport = Arc::new(Spy { is_far: true, path: Some(bin), ..Spy::default() });
        worlds.push(("busybox", world));
    }
    worlds
}

#[test]
fn everything_in_a_worktree_comes_back_on_another_host() {
    for (programs, world) in worlds() {
        let record = world.agent("a");
        let dir = &record.work_dir;
        for name in ["gone", "deep/er/gone", "hidden", "hidden gone"] {
            write(&dir.join(name), name);
        }
        git_in(dir, &["add", "-A"]);
        git_in(dir, &["commit", "-qm", "work"]);
        git_in(dir, &["update-index", "--assume-unchanged", "hidden", "hidden gone"]);
        write(&dir.join("hidden"), "changed in secret");
        fs::remove_file(dir.join("hidden gone")).unwrap();
        fs::remove_file(dir.join("gone")).unwrap();
        fs::remove_file(dir.join("deep/er/gone")).unwrap();
        fs::remove_dir_all(dir.join("deep")).unwrap();
        write(&dir.join("README"), "changed\0binary");
        write(&dir.join("-odd ü \"q\"\n$(x)"), "odd");
        write(&dir.join(OsString::from_vec(b"raw-\xff".to_vec())), "bytes");
        symlink("no/where", dir.join("link")).unwrap();
        fs::create_dir_all(dir.join("empty/inner")).unwrap();
        write(&dir.join("tool"), "t");
        fs::set_permissions(dir.join("tool"), fs::Permissions::from_mode(0o711)).unwrap();
        write(&dir.join(".env"), "SECRET=1");
        fs::set_permissions(dir.join(".env"), fs::Permissions::from_mode(0o600)).unwrap();
        write(&dir.join("build/deep/out"), "o");
        symlink("deep", dir.join("build/link")).unwrap();
        write(&dir.join("closed/x"), "x");
        fs::set_permissions(dir.join("closed"), fs::Permissions::from_mode(0o555)).unwrap();
        git_in(dir, &["init", "-q", "nested"]);
        write(&dir.join("nested/file"), "inside");
        write(&world.host.layout.agent(&record.id).join("events/log"), "said");
        let before = crate::hosts::work_dir::testing::tree(dir);

        let retired = world.destroy(&record, true);
        assert_eq!((retired.note, retired.lost), (None, vec![]), "{programs}");
        let entry = block(find(&world.host, "a")).unwrap();
        let kept = entry.work_dir.as_ref().unwrap();
        assert_eq!((kept.kind, kept.nested.len()), (WorkDirKind::Worktree, 1), "{programs}");
        let tar = entry.dir(&world.host).join("ignored.tar");
        assert_eq!(fs::metadata(&tar).unwrap().permissions().mode() & 0o777, 0o600, "{programs}");
        let in_commit = world.repo.git_args(&["ls-tree", "-r", "--name-only", &rescue_ref(&entry.id)]);
        assert!(in_commit.contains("tool") && !in_commit.contains(".env"), "{programs}: {in_commit}");
        assert_eq!(fs::read_to_string(entry.dir(&world.host).join("agent/events/log")).unwrap(), "said");

        super::tests::undo(&world, "a", Only::All).unwrap();
        assert_eq!(crate::hosts::work_dir::testing::tree(dir), before, "{programs}");
        fs::set_permissions(dir.join("closed"), fs::Permissions::from_mode(0o755)).unwrap();
    }
}

#[test]
fn ignored_files_of_another_host_are_named_when_they_are_too_big() {
    for (programs, world) in worlds() {
        let record = world.agent("a");
        write(&record.work_dir.join(".env"), "SECRET=1");
        for number in 0..9000 {
            // Together below the limit, though not in blocks.
            write(&record.work_dir.join(format!("build/{number}")), "x");
        }
        let big = fs::File::create({
            fs::create_dir(record.work_dir.join("x.log")).unwrap();
            record.work_dir.join("x.log/big")
        })
        .unwrap();
        big.set_len(IGNORED_LIMIT + 1).unwrap();
        let retired = world.destroy(&record, false);
        let lost: Vec<String> = retired.lost.iter().map(|item| item.path.to_string()).collect();
        assert_eq!(lost, ["x.log/"], "{programs}");
        assert!(retired.lost[0].bytes > IGNORED_LIMIT, "{programs}");
        super::tests::undo(&world, "a", Only::All).unwrap();
        assert!(record.work_dir.join(".env").exists() && record.work_dir.join("build/8999").exists());
        assert!(!record.work_dir.join("x.log").exists());
    }
}

#[test]
fn what_cannot_be_kept_in_a_commit_is_moved_whole() {
    for (programs, world) in worlds() {
        let record = world.agent("a");
        let dir = &record.work_dir;
        // A repository in an ignored directory, and ignored names that no command line carries.
        git_in(dir, &["init", "-q", "build/clone"]);
        write(&dir.join("build/clone/f"), "1");
        write(&dir.join(OsString::from_vec(b"raw-\xff.log".to_vec())), "bytes");
        let (retired, _) = there_and_back(&world, &record, false);
        assert!(retired.note.is_some(), "{programs}");
    }
}

#[test]
fn worktrees_are_found_by_their_physical_place() {
    let world = World::far();
    let (a, b) = (world.agent("a"), world.agent("b"));
    let common = world.repo.path(".git");
    let mut places: Vec<PathBuf> =
        block(far::worktrees(&world.host, &common)).unwrap().into_iter().map(|(_, place)| place).collect();
    places.sort();
    let mut wanted = [a.work_dir.clone(), b.work_dir.clone()];
    wanted.sort();
    assert_eq!(places, wanted);
    let link = world.repo.beside("link");
    symlink(world.host.layout.worktrees(), &link).unwrap();
    let name = a.work_dir.file_name().unwrap();
    assert_eq!(block(far::physical(&world.host, &link.join(name))).unwrap(), a.work_dir);
    assert_eq!(
        block(far::physical(&world.host, &link.join("gone"))).unwrap(),
        world.host.layout.worktrees().join("gone")
    );
}
