//! Work dirs whose source is on another host than they are.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use super::testing::{World, agent, git_state, tree};
use super::{MadeWorkDir, UpdatePlan, WorkDirPlan, default_path, make, update, verify};
use crate::agents::testing::PrivateHost;
use crate::hosts::Host;
use crate::hosts::git::testing::{block, git_in, git_succeeds, write};
use crate::model::error::Result;
use crate::model::event::{Event, Events};
use crate::model::record::TransferMode;
use crate::settings::ExtraPathMode;

/// The ways between two hosts; `None` is this machine.
fn ways() -> [(&'static str, Option<PrivateHost>, Option<PrivateHost>); 3] {
    [
        ("out", None, Some(PrivateHost::far())),
        ("in", Some(PrivateHost::far()), None),
        ("through", Some(PrivateHost::far()), Some(PrivateHost::far())),
    ]
}

struct Trip<'a> {
    world: &'a World,
    source: Host,
    target: Host,
}

impl<'a> Trip<'a> {
    fn new(world: &'a World, source: Option<&PrivateHost>, target: Option<&PrivateHost>) -> Self {
        let host = |end: Option<&PrivateHost>| end.map_or(&world.host, |far| &far.host).clone();
        Self { world, source: host(source), target: host(target) }
    }

    fn plan(&self, mode: TransferMode, name: &str) -> WorkDirPlan {
        let path = default_path(&self.target.layout, mode, false, name, None);
        WorkDirPlan { path, ..self.world.plan(mode, name) }
    }

    fn try_make(&self, plan: &WorkDirPlan) -> Result<(MadeWorkDir, Vec<String>)> {
        let (events, mut receiver) = Events::channel();
        let made = block(async {
            let lock = self.target.lock(None, &Events::none()).await?;
            let claim = plan.claim(&self.source, &self.target, &lock).await?;
            make(&self.source, &self.target, &lock, plan, &claim, &events).await
        })?;
        let mut warnings = Vec::new();
        while let Ok(event) = receiver.try_recv() {
            if let Event::Warning(text) = event {
                warnings.push(text);
            }
        }
        self.nothing_rests_here();
        Ok((made, warnings))
    }

    #[track_caller]
    fn make(&self, plan: &WorkDirPlan) -> MadeWorkDir {
        let (made, warnings) = self.try_make(plan).unwrap();
        assert_eq!(warnings, Vec::<String>::new());
        made
    }

    fn nothing_rests_here(&self) {
        let tmp = self.world.host.layout.tmp();
        let left: Vec<_> = fs::read_dir(tmp).into_iter().flatten().flatten().map(|e| e.file_name()).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

/// Changes of every kind, with names of every kind.
fn disturb(world: &World) {
    let repo = &world.repo;
    repo.write("moved from", "one\ntwo\nthree\n");
    repo.write("old", "x");
    repo.write("deep/gone", "x");
    repo.write("tool", "#!/bin/sh\n");
    repo.commit("changed", "1");
    repo.git("branch other");
    repo.git_args(&["tag", "-m", "note", "v1"]);
    repo.git_args(&["mv", "moved from", "moved zu ü"]);
    repo.git("rm -q deep/gone");
    fs::remove_file(repo.path("old")).unwrap();
    repo.write("changed", "2");
    repo.write("staged", "s");
    repo.git("add staged");
    repo.write("wörk/naïve 'q' $x\n.txt", "untracked");
    repo.write(OsStr::from_bytes(b"not-utf8-\xff"), "bytes");
    repo.write("#comment", "c");
    symlink("nowhere", repo.path("link")).unwrap();
    fs::set_permissions(repo.path("tool"), fs::Permissions::from_mode(0o755)).unwrap();
    repo.write(".env", "SECRET=1");
    repo.write("build/out", "o");
}

fn without(root: &Path, names: &[&str]) -> Vec<(std::path::PathBuf, String)> {
    let kept = |path: &Path| !names.iter().any(|name| path.starts_with(name));
    // The root's own mode is the target's business.
    tree(root).into_iter().filter(|(path, _)| !path.as_os_str().is_empty() && kept(path)).collect()
}

#[test]
fn a_mirror_on_another_host_equals_its_source_as_the_flags_say() {
    for (name, from, to) in ways() {
        let world = World::new();
        disturb(&world);
        let trip = Trip::new(&world, from.as_ref(), to.as_ref());
        let mut plan = trip.plan(TransferMode::GitMirror, "a");
        plan.include_unclean = true;
        plan.origin = Some("https://h.example/x.git".into());
        let made = trip.make(&plan);
        let dir = &made.claim.path;
        assert!(dir.starts_with(trip.target.layout.projects()), "{name}");
        assert_eq!(without(dir, &[]), without(world.repo.root(), &[".env", "build"]), "{name}");
        assert_eq!(made.checked_out_branch.as_deref(), Some("mng/a"));
        assert_eq!(
            git_in(dir, &["rev-parse", "HEAD", "other", "v1^{}"]),
            world.repo.git("rev-parse HEAD other v1^{}")
        );
        assert_eq!(git_in(dir, &["remote", "get-url", "origin"]), "https://h.example/x.git");
        assert!(git_succeeds(dir, &["fsck", "--strict", "--no-dangling"]), "{name}");

        let mut plan = trip.plan(TransferMode::GitMirror, "b");
        (plan.include_unclean, plan.include_gitignored) = (true, true);
        let made = trip.make(&plan);
        assert_eq!(without(&made.claim.path, &[]), without(world.repo.root(), &[]), "{name}");

        let clean = trip.make(&trip.plan(TransferMode::GitMirror, "c"));
        assert_eq!(git_in(&clean.claim.path, &["status", "--porcelain", "--ignored"]), "", "{name}");
    }
}

#[test]
fn a_plain_directory_is_copied_to_another_host() {
    for (name, from, to) in ways() {
        let world = World::new();
        let plain = world.repo.beside("plain dir");
        write(&plain.join("a b/ü"), "1");
        write(&plain.join(OsStr::from_bytes(b"\xff\n")), "2");
        symlink("a b", plain.join("link")).unwrap();
        fs::set_permissions(plain.join("a b/ü"), fs::Permissions::from_mode(0o640)).unwrap();
        let trip = Trip::new(&world, from.as_ref(), to.as_ref());
        let mut plan = trip.plan(TransferMode::Rsync, "a");
        (plan.source, plan.repo, plan.base_commit) = (plain.clone(), None, None);
        let made = trip.make(&plan);
        assert_eq!(without(&made.claim.path, &[]), without(&plain, &[]), "{name}");
    }
}

#[test]
fn shared_paths_are_copied_and_warnings_are_given() {
    let (_, from, to) = ways().into_iter().last().unwrap();
    let world = World::new();
    world.repo.write(".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n");
    world.repo.write(".gitmodules", "[submodule \"x\"]\n\tpath = x\n\turl = ../x\n");
    world.repo.commit("a", "1");
    world.repo.git_args(&[
        "update-index",
        "--add",
        "--cacheinfo",
        &format!("160000,{},x", world.repo.git("rev-parse HEAD")),
    ]);
    world.repo.git_args(&["commit", "-qm", "a submodule"]);
    world.repo.write("node_modules/m", "m");
    let trip = Trip::new(&world, from.as_ref(), to.as_ref());
    let mut plan = trip.plan(TransferMode::GitMirror, "a");
    plan.extra_paths.insert("node_modules".into(), ExtraPathMode::Share);
    let (made, warnings) = trip.try_make(&plan).unwrap();
    insta::assert_snapshot!(warnings.join("\n"), @r"
    submodules are not carried: run `git submodule update --init` in the new work dir
    files in Git LFS are not carried: run `git lfs pull` in the new work dir
    ");
    assert!(fs::symlink_metadata(made.claim.path.join("node_modules")).unwrap().is_dir());
}

#[test]
fn a_shallow_source_becomes_a_shallow_mirror() {
    for (name, from, to) in ways() {
        let origin = World::new();
        origin.repo.commit("a", "2");
        origin.repo.git("branch other");
        origin.repo.commit("a", "3");
        origin.repo.git("tag t other");
        let url = format!("file://{}", origin.repo.root().display());
        let clone = origin.repo.beside("clone");
        git_in(
            origin.repo.root(),
            &["clone", "-q", "--depth", "1", "--no-single-branch", &url, clone.to_str().unwrap()],
        );
        let world = World::new();
        let trip = Trip::new(&world, from.as_ref(), to.as_ref());
        let mut plan = trip.plan(TransferMode::GitMirror, "a");
        plan.source.clone_from(&clone);
        plan.repo = block(crate::hosts::git::inspect(world.host.transport.as_ref(), &clone)).unwrap();
        plan.base_commit = Some(git_in(&clone, &["rev-parse", "HEAD"]));
        let made = trip.make(&plan);
        assert_eq!(git_in(&made.claim.path, &["rev-list", "--count", "HEAD"]), "1", "{name}");
        assert_eq!(fs::read_to_string(made.claim.path.join("a")).unwrap(), "3", "{name}");
    }
}

#[test]
fn a_mirror_is_updated_from_another_host() {
    for (name, from, to) in ways() {
        let world = World::new();
        let trip = Trip::new(&world, from.as_ref(), to.as_ref());
        let made = trip.make(&trip.plan(TransferMode::GitMirror, "a"));
        let mut record = agent("a");
        made.describe_in(&mut record);
        let second = world.repo.commit("a", "2");
        let plan = WorkDirPlan { path: made.claim.path.clone(), ..trip.plan(TransferMode::GitMirror, "a") };
        let request = UpdatePlan { plan, record: &record, force: false };
        block(async {
            let lock = trip.target.lock(None, &Events::none()).await.unwrap();
            update(&trip.source, &trip.target, &lock, &request, &Events::none()).await.unwrap();
        });
        assert_eq!(git_in(&made.claim.path, &["rev-parse", "HEAD"]), second, "{name}");
        assert_eq!(git_state(&made.claim.path).lines().next(), Some("refs/heads/mng/a"), "{name}");
    }
}

#[test]
fn a_failure_on_the_way_leaves_nothing_on_either_host() {
    for (name, from, to) in ways() {
        let world = World::new();
        let trip = Trip::new(&world, from.as_ref(), to.as_ref());
        let mut plan = trip.plan(TransferMode::GitMirror, "a");
        // A commit that no repository has.
        plan.base_commit = Some("1".repeat(40));
        assert!(trip.try_make(&plan).is_err(), "{name}");
        assert!(!plan.path.exists(), "{name}");
        trip.nothing_rests_here();
        assert_eq!(world.branches(), ["main"]);
    }
}

#[test]
fn a_copy_is_compared_with_its_source_before_that_goes() {
    for (name, from, to) in ways() {
        let world = World::new();
        disturb(&world);
        let trip = Trip::new(&world, from.as_ref(), to.as_ref());
        let mut plan = trip.plan(TransferMode::GitMirror, "a");
        (plan.include_unclean, plan.include_gitignored) = (true, true);
        let made = trip.make(&plan);
        let check = || block(verify(&trip.source, &trip.target, &plan, &made, &Events::none()));
        let refused = || check().unwrap_err().to_string();
        check().unwrap();
        let dir = &made.claim.path;
        let same_size_and_time = |file: &str, text: &str| {
            let before = fs::metadata(dir.join(file)).unwrap().modified().unwrap();
            fs::write(dir.join(file), text).unwrap();
            fs::File::options().write(true).open(dir.join(file)).unwrap().set_modified(before).unwrap();
        };
        same_size_and_time("changed", "3");
        assert!(refused().ends_with("`changed` is not as in the source"), "{name}: {}", refused());
        same_size_and_time("changed", "2");
        same_size_and_time(".env", "SECRET=2");
        assert!(refused().contains("`.env` is not"), "{name}: {}", refused());
        same_size_and_time(".env", "SECRET=1");
        fs::remove_file(dir.join("README")).unwrap();
        assert!(refused().ends_with("`README` is missing"), "{name}: {}", refused());
        git_in(dir, &["checkout", "-q", "README"]);
        write(&dir.join("old"), "x");
        assert!(refused().contains("`old` is there, and was deleted"), "{name}: {}", refused());
        fs::remove_file(dir.join("old")).unwrap();
        check().unwrap();
        git_in(dir, &["branch", "-f", "other", "HEAD~1"]);
        assert!(refused().contains("`refs/heads/other` is another commit"), "{name}: {}", refused());
        git_in(dir, &["branch", "-f", "other", "HEAD"]);
        git_in(dir, &["commit", "-q", "--allow-empty", "-m", "x"]);
        assert!(refused().contains("its HEAD is another commit"), "{name}");
        trip.nothing_rests_here();

        let plain = world.repo.beside("plain");
        write(&plain.join("a/b"), "1");
        let mut plan = trip.plan(TransferMode::Rsync, "p");
        (plan.source, plan.repo, plan.base_commit) = (plain.clone(), None, None);
        let made = trip.make(&plan);
        block(verify(&trip.source, &trip.target, &plan, &made, &Events::none())).unwrap();
        fs::write(plain.join("a/b"), "2").unwrap();
        assert!(block(verify(&trip.source, &trip.target, &plan, &made, &Events::none())).is_err(), "{name}");
    }
}
