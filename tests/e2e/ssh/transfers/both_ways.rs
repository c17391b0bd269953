//! Every way to move something, once in each direction.

use std::fs;
use std::path::Path;

use mng_tests::{Fingerprint, Repo};

use super::Boxed;

/// All that a dry run must leave alone: the work tree, the index, every reference, the stash, the settings.
fn everything(repo: &Repo) -> Fingerprint {
    let git_dir = repo.path().join(".git");
    // git refreshes what it knows of times; what is staged is in the status.
    let inner = Fingerprint::of(&git_dir, &["objects", "index"]);
    repo.fingerprint().with("git dir", format!("{inner:?}"))
}

#[test]
fn files_go_there_and_come_back() {
    let Some(world) = Boxed::start() else { return };
    let (env, repo, work) = (&world.env, world.env.repo(), world.work());
    repo.write("dir with space/new ü 'q' $x.txt", "new\n");
    repo.write("src/app.txt", "changed here\n");
    let report = world.json("push m1");
    assert_eq!(report["bytes_transferred"], 4 + 13 + 13, "times count, so README.md goes too: {report}");
    assert_eq!(
        (report["files_transferred"].as_u64(), report["is_dry_run"].as_bool()),
        (Some(3), Some(false))
    );
    assert_eq!(report["agent_id"], world.record()["id"]);
    assert_eq!(report["destination_path"], world.record()["work_dir"]);
    assert!(report["stash_oid"].is_null() && report["backup_ref"].is_null());
    assert_eq!(work.read("dir with space/new ü 'q' $x.txt"), "new\n");
    // What the last push wrote is nobody's work; what the agent changed since is.
    repo.write("src/app.txt", "again\n");
    assert_eq!(world.json("push m1")["files_transferred"], 1);
    work.write("src/app.txt", "the agent's\n");
    repo.write("src/app.txt", "third\n");
    env.mng("push m1").exits(1).says(&["Uncommitted changes", "`src/app.txt`"]);
    assert_eq!(work.read("src/app.txt"), "the agent's\n");
    let report = world.json("push m1 --uncommitted-changes clobber");
    let kept = report["backup_ref"].as_str().unwrap();
    assert_eq!(work.git(&format!("show {kept}:src/app.txt")), "the agent's\n");
    assert_eq!(work.read("src/app.txt"), "third\n");
    work.write("src/app.txt", "the agent's again\n");
    repo.write("src/app.txt", "fourth\n");
    let report = world.json("push m1 --uncommitted-changes stash");
    let oid = report["stash_oid"].as_str().unwrap();
    assert_eq!(work.git(&format!("show {oid}:src/app.txt")), "the agent's again\n");
    assert!(work.git("stash list").contains("mng-sync-stash"));

    // Back, with a deletion.
    let other = env.new_repo("other");
    let pull = |more: &str| env.command(&format!("pull m1 {more}")).cwd(other.path()).run();
    pull("").success().prints("Pull complete: 3 files, 24 bytes transferred");
    assert_eq!(other.read("dir with space/new ü 'q' $x.txt"), "new\n");
    fs::remove_dir_all(work.path().join("dir with space")).unwrap();
    pull("--delete").success().prints("1 files deleted");
    assert!(!other.has("dir with space"));
}

#[test]
fn uncommitted_work_of_the_agent_is_joined() {
    let Some(world) = Boxed::start() else { return };
    let (env, repo, work) = (&world.env, world.env.repo(), world.work());
    repo.write("src/app.txt", "ONE\ntwo\nthree\n");
    repo.commit("second");
    work.write("src/app.txt", "one\ntwo\nthree\nfour\n");
    work.write("notes ü", "half a thought\n");
    work.write("README.md", "staged\n");
    work.git("add README.md");
    for (mode, report) in [("git", "commits_transferred"), ("files", "files_transferred")] {
        env.mng(&format!("push m1 --sync-mode {mode}")).exits(1).says(&["uncommitted changes"]);
        let report =
            world.json(&format!("push m1 --sync-mode {mode} --uncommitted-changes merge"))[report].as_u64();
        assert!(report >= Some(1), "{mode}: {report:?}");
        let first = if mode == "git" { "ONE" } else { "1" };
        assert_eq!(work.read("src/app.txt"), format!("{first}\ntwo\nthree\nfour\n"), "{mode}");
        assert_eq!(
            (work.read("notes ü"), work.git("stash list")),
            ("half a thought\n".into(), String::new())
        );
        if mode == "git" {
            assert_eq!(work.rev("HEAD"), repo.rev("HEAD"));
            assert!(work.status().contains("M  README.md"), "{}", work.status());
            repo.write("src/app.txt", "1\ntwo\nthree\n");
        }
    }
}

#[test]
fn commits_go_there_and_come_back() {
    let Some(world) = Boxed::start() else { return };
    let (env, repo, work) = (&world.env, world.env.repo(), world.work());
    let config = work.git("config --local --list");
    repo.write("src/app.txt", "second\n");
    let second = repo.commit("second");
    let report = world.json("push m1 --sync-mode git");
    assert_eq!(
        (report["commits_transferred"].as_u64(), report["source_branch"].as_str()),
        (Some(1), Some("main"))
    );
    assert_eq!(report["target_branch"].as_str(), Some(work.branch().as_str()));
    assert_eq!((work.rev("HEAD"), work.read("src/app.txt")), (second, "second\n".into()));
    assert_eq!(world.json("push m1 --sync-mode git")["commits_transferred"], 0);

    work.write("own", "own\n");
    let own = work.commit("by the agent");
    repo.write("more", "more\n");
    repo.commit("third");
    env.mng("push m1 --sync-mode git").exits(1).says(&["diverged"]);
    let report = world.json("pull m1 --sync-mode git");
    assert_eq!(report["commits_transferred"], 1);
    assert_eq!(repo.rev("HEAD^2"), own);
    world.json("push m1 --sync-mode git");
    assert_eq!(work.rev("HEAD"), repo.rev("HEAD"));

    // Commits, then files.
    repo.write("fourth", "4\n");
    repo.commit("fourth");
    repo.write("loose", "l\n");
    let report = world.json("push m1 --sync-mode full");
    assert_eq!(report["commits_transferred"], 1);
    assert_eq!((work.rev("HEAD"), work.read("loose")), (repo.rev("HEAD"), "l\n".into()));
    work.write("by the agent too", "a\n");
    world.json("pull m1 --sync-mode full --uncommitted-changes merge");
    assert_eq!(repo.read("by the agent too"), "a\n");

    // A mirror overwrites, and keeps what was there.
    work.git("add --all");
    let lost = work.commit("only there");
    work.git("branch side");
    repo.write("fifth", "5\n");
    repo.commit("fifth");
    let report = world.json("push m1 --sync-mode git --mirror --uncommitted-changes clobber");
    let kept = report["backup_ref"].as_str().unwrap().to_owned();
    let branch = work.branch();
    assert_eq!((work.rev("HEAD"), work.has_branch("side")), (repo.rev("HEAD"), false));
    assert_eq!(work.rev(&format!("{kept}/heads/{branch}")), lost);
    assert_eq!(work.git("config --local --list"), config, "no setting is left behind");
    assert_eq!(work.git("for-each-ref refs/mng/incoming"), "");
}

#[test]
fn a_dry_run_changes_nothing_on_either_side() {
    let Some(world) = Boxed::start() else { return };
    let (env, repo, work) = (&world.env, world.env.repo(), world.work());
    repo.write("src/app.txt", "committed\n");
    repo.commit("second");
    repo.write("untracked", "u\n");
    work.write("agents", "a\n");
    work.write("README.md", "agent's\n");
    work.git("add README.md");
    let _ = (repo.status(), work.status());
    let state = || Fingerprint::of(&world.machine.home().join(".mng"), &["events", "logs", "tmp"]);
    let before = (everything(&repo), everything(&work), state());
    for way in ["push", "pull"] {
        for mode in ["files --delete", "git", "full"] {
            for how in ["fail", "merge", "stash", "clobber"] {
                let line = format!("{way} m1 --dry-run --sync-mode {mode} --uncommitted-changes {how}");
                let run = env.mng(&line);
                assert!(matches!(run.code(), Some(0 | 1)), "{}", run.in_full());
                assert_eq!(
                    (everything(&repo), everything(&work)),
                    (before.0.clone(), before.1.clone()),
                    "{line}"
                );
            }
        }
    }
    let said = env.mng("push m1 --dry-run --sync-mode git --uncommitted-changes merge").success();
    said.prints("Dry run complete: would push 1 commits from main to");
    assert_eq!(state(), before.2);
}

#[test]
fn gits_own_push_and_pull() {
    let Some(world) = Boxed::start() else { return };
    let (env, repo, work) = (&world.env, world.env.repo(), world.work());
    let config = work.git("config --local --list");
    repo.write("new", "n\n");
    let tip = repo.commit("second");
    env.mng("git push m1").success().says(&["Pushing to ", "on host host-"]);
    assert_eq!((work.rev("HEAD"), work.read("new"), work.status()), (tip, "n\n".into(), String::new()));
    let run = env.mng("git push m1 --format json main:third").success().json();
    assert_eq!((run["operation"].as_str(), run["exit_code"].as_i64()), (Some("push"), Some(0)));
    assert!(work.has_branch("third"));
    work.write("there", "t\n");
    let theirs = work.commit("by the agent");
    repo.write("here", "h\n");
    let ours = repo.commit("by the person");
    env.mng("git pull m1").success();
    assert_eq!((repo.rev("HEAD^1"), repo.rev("HEAD^2")), (ours, theirs));
    let path = world.record()["work_dir"].as_str().unwrap().to_owned();
    env.mng_args(&["git", "push", &format!("@alpha:{path}"), "main:fourth"]).success();
    assert_eq!(work.rev("fourth"), repo.rev("main"));
    work.write("new", "uncommitted\n");
    repo.write("new", "2\n");
    repo.commit("third");
    env.mng("git push m1").exits(1).says(&["git exited with status 1"]);
    assert_eq!((work.read("new"), work.git("config --local --list")), ("uncommitted\n".into(), config));
}

#[test]
fn rsync_with_names_that_need_quoting() {
    let Some(world) = Boxed::start() else { return };
    let (env, repo, work) = (&world.env, world.env.repo(), world.work());
    let odd = "data ü/a 'b' $c \"d\"";
    repo.write(odd, "x\n");
    env.mng_args(&["rsync", "./data ü/", "m1:in to ü/"])
        .success()
        .prints("Number of regular files transferred: 1");
    assert_eq!(work.read("in to ü/a 'b' $c \"d\""), "x\n");
    env.mng_args(&["rsync", "./data ü", "m1:in to ü/", "--uncommitted-changes", "merge"]).success();
    assert_eq!(work.read("in to ü/data ü/a 'b' $c \"d\""), "x\n");
    work.write("result ü $x.txt", "r\n");
    env.mng_args(&["rsync", "m1:result ü $x.txt", "./copy.txt", "--uncommitted-changes", "merge"]).success();
    assert_eq!(repo.read("copy.txt"), "r\n");
    let plain = env.root().join("plain here");
    env.mng_args(&["rsync", "m1", &format!("{}/", plain.display())]).success();
    assert!(plain.join("in to ü/data ü").exists() && !plain.join(".git").exists());
    // From anywhere on the machine.
    fs::write(world.machine.home().join("note ü"), "at home\n").unwrap();
    env.mng_args(&["rsync", "@alpha:~/note ü", &format!("{}/", plain.display())]).success();
    assert_eq!(fs::read_to_string(plain.join("note ü")).unwrap(), "at home\n");
    env.mng("rsync m1:gone ./x").exits(1);
    let before = (everything(&repo), everything(&work));
    env.mng_args(&["rsync", "./src/", "m1:made ü/", "--uncommitted-changes", "clobber", "--", "-n"])
        .success();
    assert_eq!((everything(&repo), everything(&work)), before);
}

#[test]
fn single_files() {
    let Some(world) = Boxed::start() else { return };
    let (env, work) = (&world.env, world.work());
    env.command("file put m1 'notes/a ü $b.txt'").stdin("text\n").run().success().prints("Wrote 5 bytes to ");
    assert_eq!(work.read("notes/a ü $b.txt"), "text\n");
    assert_eq!(env.mng("file get m1 'notes/a ü $b.txt'").success().stdout, "text\n");
    let big: Vec<u8> = (0..3_000_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    env.repo().write("big", &big);
    env.mng("file put m1 big --input big --mode 0600").success();
    assert!(fs::read(work.path().join("big")).unwrap() == big);
    env.mng("file get m1 big --output copy").success();
    assert!(fs::read(env.repo().path().join("copy")).unwrap() == big);
    let list = env.mng("file list m1 --format json").success().json();
    let names: Vec<_> =
        list["files"].as_array().unwrap().iter().map(|file| file["name"].as_str().unwrap()).collect();
    assert_eq!(names, [".git", "README.md", "big", "notes", "src"]);
    assert_eq!(
        env.mng("file list m1 -R notes --format '{name} {size} {permissions}'").success().stdout,
        "a ü $b.txt 5 0644\n"
    );
    let id = world.record()["id"].as_str().unwrap().to_owned();
    let record = env.mng("file get m1 data.json --relative-to state").success().json();
    assert_eq!(record["id"].as_str(), Some(id.as_str()));
    env.mng("file list @alpha agents").success().prints(&id);
    env.mng("file get m1 gone").exits(1);
    assert!(!Path::new("/root/.mng/agents").join(&id).exists(), "nothing of it was made on this machine");
}
