//! The work dir that an agent gets on another machine.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use mng_tests::{Fingerprint, SshHost, TestEnv};

use super::{create, files, git, names, record, work_dir, world};

/// Everything that a person may have lying about.
fn make_dirty(env: &TestEnv) {
    let repo = env.repo();
    repo.write(".gitignore", "*.log\nbuild/\n");
    repo.write("delete me", "x");
    repo.write("rename-me", "content that stays\n".repeat(5));
    repo.commit("files to change");
    repo.write("src/app.txt", "changed\n");
    repo.write("staged.txt", "staged");
    repo.git("add staged.txt");
    repo.write("with space \"quote\" ü.txt", "odd name");
    repo.write("日本/ 語\nline", "odder names");
    repo.write("#hash", "no comment");
    repo.write("new dir/deep/file", [0_u8, 255, 10]);
    repo.write("new dir/build/big", "ignored");
    repo.write("debug.log", "ignored");
    fs::remove_file(repo.path().join("delete me")).unwrap();
    repo.git("mv rename-me renamed-ü");
    repo.write("script.sh", "#!/bin/sh\n");
    fs::set_permissions(repo.path().join("script.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("src/app.txt", repo.path().join("a link")).unwrap();
}

const IGNORED: [&str; 4] = [".git", "debug.log", "new dir/build", "new dir/build/"];

#[test]
fn a_work_dir_there_is_as_it_is_here() {
    let Some(machine) = SshHost::start("alpha") else { return };
    let env = world(&[&machine], "");
    make_dirty(&env);
    let repo = env.repo();
    let before = repo.fingerprint();

    env.mng("create w0@alpha --type command --no-connect -- sleep 1000")
        .exits(1)
        .says(&["--no-ensure-clean"]);
    assert!(names(&machine).is_empty());

    create(&env, "w1@alpha", "--no-ensure-clean");
    assert_eq!(files(&machine, "w1"), Fingerprint::of(repo.path(), &IGNORED));
    assert_eq!(git(&machine, "w1", "rev-parse HEAD"), repo.git("rev-parse HEAD"));
    assert_eq!(git(&machine, "w1", "rev-parse --abbrev-ref HEAD"), "mng/w1\n");
    assert_eq!(record(&machine, "w1")["transfer_mode"], "git-mirror");
    assert!(record(&machine, "w1")["work_dir"].as_str().unwrap().starts_with("/root/.mng/projects/"));

    create(&env, "w2@alpha", "--no-ensure-clean --exclude-unclean");
    assert_eq!(git(&machine, "w2", "status --porcelain --untracked-files=all"), "");
    assert_eq!(
        fs::read_to_string(work_dir(&machine, "w2").join("src/app.txt")).unwrap(),
        "one\ntwo\nthree\n"
    );

    create(&env, "w3@alpha", "--no-ensure-clean --include-gitignored");
    assert_eq!(files(&machine, "w3"), Fingerprint::of(repo.path(), &[".git"]));

    // The whole source on top of the commit, whatever git thinks of its files.
    create(&env, "w4@alpha", "--no-ensure-clean --rsync");
    assert_eq!(files(&machine, "w4"), Fingerprint::of(repo.path(), &[".git"]));

    // A named base takes nothing of what is not committed.
    create(&env, "w5@alpha", "--branch main:");
    assert_eq!(git(&machine, "w5", "status --porcelain"), "");
    assert_eq!(repo.fingerprint(), before, "the source is untouched");
}

#[test]
fn a_plain_directory_is_copied_whole() {
    let Some(machine) = SshHost::start("alpha") else { return };
    let env = world(&[&machine], "");
    let plain = env.root().join("plain dir");
    fs::create_dir_all(plain.join("sub ü/empty")).unwrap();
    fs::write(plain.join("sub ü/file"), "content").unwrap();
    fs::set_permissions(plain.join("sub ü/file"), fs::Permissions::from_mode(0o640)).unwrap();
    symlink("sub ü/file", plain.join("link")).unwrap();
    symlink("nowhere", plain.join("dangling")).unwrap();
    create(&env, "p1@alpha", &format!("--from '{}'", plain.display()));
    assert_eq!(files(&machine, "p1"), Fingerprint::of(&plain, &[]));
    assert_eq!(record(&machine, "p1")["transfer_mode"], "rsync");

    create(
        &env,
        "'p2@alpha:/root/given place'",
        &format!("--from '{}' --rsync-args '--exclude sub*'", plain.display()),
    );
    assert_eq!(work_dir(&machine, "p2"), machine.home().join("given place"));
    assert!(machine.home().join("given place/link").is_symlink());
    assert!(!machine.home().join("given place/sub ü").exists());

    env.mng(&format!(
        "create p3@alpha --transfer none --from '{}' --type command --no-connect -- true",
        plain.display()
    ))
    .exits(1);
    env.mng("create p4@alpha --transfer git-worktree --type command --no-connect -- true").exits(1);
    assert_eq!(names(&machine), ["p1", "p2"]);
}

#[test]
fn submodules_and_large_files_are_named_as_left_behind() {
    let Some(machine) = SshHost::start("alpha") else { return };
    let env = world(&[&machine], "");
    let (repo, library) = (env.repo(), env.new_repo("library"));
    let add =
        format!("-c protocol.file.allow=always submodule --quiet add '{}' lib", library.path().display());
    repo.git(&add);
    repo.write(".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n");
    repo.write("large.bin", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n");
    repo.commit("a submodule and a large file");
    let run = env.mng("create w1@alpha --type command --no-connect -- sleep 1000").success();
    let _ = run.says(&["submodules are not carried", "git submodule update --init", "git lfs pull"]);
    let dir = work_dir(&machine, "w1");
    assert!(fs::read_to_string(dir.join("large.bin")).unwrap().starts_with("version https://git-lfs"));
    assert_eq!(fs::read_dir(dir.join("lib")).unwrap().count(), 0);
}

#[test]
fn a_work_dir_of_the_machine_itself_is_worked_in() {
    let Some(machine) = SshHost::start("alpha") else { return };
    let env = world(&[&machine], "");
    fs::create_dir(machine.home().join("project")).unwrap();
    let init = "cd && cd project && git init -q -b trunk && echo x >file && git add . && \
                git -c user.name=P -c user.email=p@example.com commit -q -m first";
    assert!(machine.run(&["sh", "-c", init]).status.success());
    create(&env, "w1@alpha", "--from @alpha:/root/project");
    assert_eq!(record(&machine, "w1")["transfer_mode"], "git-worktree");
    assert_eq!(git(&machine, "w1", "rev-parse --abbrev-ref HEAD"), "mng/w1\n");
    create(&env, "w2@alpha", "--from @alpha:/root/project --transfer none");
    assert_eq!(work_dir(&machine, "w2"), machine.home().join("project"));
    env.mng("destroy w1 w2 --force").success();
    assert_eq!(fs::read_to_string(machine.home().join("project/file")).unwrap(), "x\n");
    let worktrees = machine.run(&["git", "-C", "/root/project", "worktree", "list"]);
    assert_eq!(String::from_utf8_lossy(&worktrees.stdout).lines().count(), 1);
}
