//! Files and commits from here to an agent.

use mng_tests::{Repo, TestEnv};
use serde_json::Value;

/// An agent in a worktree, and one whose repository shares nothing with ours.
fn world() -> TestEnv {
    let env = TestEnv::new();
    env.create("a1");
    env.mng("create m1 --transfer git-mirror --type command --no-connect -- sleep 1000").success();
    env
}

/// All that a dry run must leave alone: the work tree, the index, every reference, the stash, the settings.
fn everything(repo: &Repo) -> mng_tests::Fingerprint {
    let git_dir = repo.git("rev-parse --absolute-git-dir");
    let common = repo.git("rev-parse --path-format=absolute --git-common-dir");
    let skip = ["objects"];
    repo.fingerprint()
        .with("git dir", format!("{:?}", mng_tests::Fingerprint::of(git_dir.trim().as_ref(), &skip)))
        .with("common dir", format!("{:?}", mng_tests::Fingerprint::of(common.trim().as_ref(), &skip)))
}

fn done(env: &TestEnv, line: &str) -> Value {
    env.mng(&format!("{line} --format json")).success().json()
}

#[test]
fn files_go_into_the_work_dir_and_git_does_not() {
    let env = world();
    let repo = env.repo();
    repo.write("src/new file ü.txt", "new\n");
    repo.write("src/app.txt", "changed here\n");
    repo.write(".gitignore", "*.log\ntarget/\n");
    repo.write("debug.log", "ignored\n");
    repo.write("target/big", "ignored\n");
    for name in ["a1", "m1"] {
        let work = env.work_dir(name);
        let head = work.rev("HEAD");
        let git_file = std::fs::read(work.path().join(".git")).ok();
        let report = done(&env, &format!("push {name}"));
        // Times count: a check-out is not as old as what it was made from, so unchanged files are among them.
        assert_eq!(report["files_transferred"], 6, "{report}");
        assert_eq!((report["is_dry_run"].as_bool(), report["stash_oid"].is_null()), (Some(false), true));
        assert_eq!(report["agent_id"].as_str(), Some(env.agent_id(name).as_str()));
        assert_eq!(work.read("src/new file ü.txt"), "new\n");
        assert_eq!(work.read("src/app.txt"), "changed here\n");
        assert!(work.has("debug.log") && work.has("target/big"));
        assert_eq!((work.rev("HEAD"), std::fs::read(work.path().join(".git")).ok()), (head, git_file));
    }
    // What the last push wrote is nobody's work: the strict default lets the next one through.
    repo.write("src/app.txt", "changed again\n");
    let report = done(&env, "push a1");
    assert_eq!(
        (report["files_transferred"].as_u64(), report["bytes_transferred"].as_u64()),
        (Some(1), Some(14))
    );
    // But what somebody changed since is.
    env.work_dir("a1").write("src/app.txt", "the agent's\n");
    repo.write("src/app.txt", "once more\n");
    env.mng("push a1").exits(1).says(&[
        "Uncommitted changes in destination: ",
        "`src/app.txt`",
        "--uncommitted-changes",
    ]);
    assert_eq!(env.work_dir("a1").read("src/app.txt"), "the agent's\n");
}

#[test]
fn people_read_how_much_it_was() {
    let env = world();
    env.repo().write("x", "12345");
    let said = |line: &str| {
        let run = env.mng(line).success();
        env.normalise(&format!("$ mng {line}\n{}{}\n", run.stderr, run.stdout)) + "\n"
    };
    let files = said("push a1 --dry-run") + &said("push a1");
    env.repo().commit("second");
    let commits = said("push m1 --sync-mode git --dry-run") + &said("push m1 --sync-mode git");
    env.repo().write("y", "1");
    insta::assert_snapshot!(files + &commits + &said("push m1 --sync-mode full --format jsonl"), @r#"
    $ mng push a1 --dry-run
    Pushing to agent: a1
    Dry run complete: 3 files would be transferred
    $ mng push a1
    Pushing to agent: a1
    Push complete: 3 files, 32 bytes transferred
    $ mng push m1 --sync-mode git --dry-run
    Pushing to agent: m1
    Dry run complete: would push 1 commits from main to mng/m1
    $ mng push m1 --sync-mode git
    Pushing to agent: m1
    Git push complete: pushed 1 commits from main to mng/m1
    $ mng push m1 --sync-mode full --format jsonl
    Pushing to agent: m1
    {"event":"push_git_complete","source_branch":"main","target_branch":"mng/m1","source_path":"$REPO","destination_path":"$STATE/copies/<agent-id>","is_dry_run":false,"commits_transferred":0,"files_deleted":0,"stash_oid":null,"backup_ref":null,"conflicts":[],"agent_id":"<agent-id>","host_id":"<host-id>"}
    {"event":"push_complete","files_transferred":4,"bytes_transferred":33,"files_deleted":0,"source_path":"$REPO","destination_path":"$STATE/copies/<agent-id>","is_dry_run":false,"stash_oid":null,"backup_ref":null,"conflicts":[],"agent_id":"<agent-id>","host_id":"<host-id>"}
    "#);
}

#[test]
fn filters_and_deleting() {
    let env = world();
    let repo = env.repo();
    repo.write(".gitignore", "*.log\ntarget/\n/\\[x]\\*y\n");
    repo.commit("ignore");
    done(&env, "push a1 --sync-mode git");
    for name in ["a.log", "target/x", "keep.txt", "drop.txt", "[x]*y", "sub/a.txt"] {
        repo.write(name, name);
    }
    let work = env.work_dir("a1");
    done(&env, "push a1 --respect-gitignore --exclude drop.txt --exclude 'sub/*' --include sub/a.txt");
    for (name, is_there) in [
        ("a.log", false),
        ("target", false),
        ("keep.txt", true),
        ("drop.txt", false),
        ("[x]*y", false),
        ("sub/a.txt", true),
    ] {
        assert_eq!(work.has(name), is_there, "{name}");
    }
    // Ignored files of the destination outlive `--delete`, others do not; `.git` outlives everything.
    work.write("target/agents-own", "x");
    std::fs::remove_file(repo.path().join("keep.txt")).unwrap();
    let report = done(&env, "push a1 --delete --respect-gitignore --rsync-arg=--delete-excluded");
    assert_eq!(report["files_deleted"], 1, "{report}");
    assert!(work.has("target/agents-own") && !work.has("keep.txt") && work.has(".git"));
    done(&env, "push a1 --delete --include-gitignored");
    assert!(!work.has("target/agents-own") && work.has("target/x") && work.has(".git"));
    env.mng("push a1 --rsync-args '--filter=!'").exits(1).says(&[".git"]);
    env.mng("push a1 --rsync-args \"--exclude='x\"").exits(2);
}

#[test]
fn a_dry_run_changes_nothing_in_any_mode() {
    let env = world();
    let repo = env.repo();
    repo.write("src/app.txt", "committed\n");
    repo.commit("second");
    repo.write("src/app.txt", "uncommitted\n");
    repo.write("untracked", "u\n");
    for name in ["a1", "m1"] {
        let work = env.work_dir(name);
        work.write("agents", "a\n");
        work.write("README.md", "agent's\n");
        work.git("add README.md");
        for mode in ["files", "git", "full"] {
            for uncommitted in ["fail", "merge", "stash", "clobber"] {
                for more in ["", " --delete", " --mirror"] {
                    if (more == " --mirror" && mode == "files") || (more == " --delete" && mode == "git") {
                        continue;
                    }
                    let line = format!(
                        "push {name} --dry-run --sync-mode {mode} --uncommitted-changes {uncommitted}{more}"
                    );
                    let before = (everything(&repo), everything(&work), env.state_fingerprint());
                    let _ = env.mng(&line);
                    let after = (everything(&repo), everything(&work), env.state_fingerprint());
                    assert_eq!(before, after, "{line}");
                }
            }
        }
    }
}

#[test]
fn commits_go_forward_and_only_forward() {
    let env = world();
    let repo = env.repo();
    repo.write("src/app.txt", "second\n");
    let second = repo.commit("second");
    for name in ["a1", "m1"] {
        let work = env.work_dir(name);
        let branch = work.branch();
        let config = work.git("config --local --list");
        let report = done(&env, &format!("push {name} --sync-mode git"));
        assert_eq!(
            (report["commits_transferred"].as_u64(), report["source_branch"].as_str()),
            (Some(1), Some("main"))
        );
        assert_eq!(report["target_branch"].as_str(), Some(branch.as_str()));
        assert_eq!((work.rev("HEAD"), work.branch(), work.status()), (second.clone(), branch, String::new()));
        assert_eq!(work.read("src/app.txt"), "second\n");
        assert_eq!(work.git("config --local --list"), config, "no setting is left behind");
        assert_eq!(work.git("for-each-ref refs/mng/incoming"), "");
        // Nothing to do is no error.
        assert_eq!(done(&env, &format!("push {name} --sync-mode git"))["commits_transferred"], 0);

        work.write("own", "own\n");
        let own = work.commit("own work");
        repo.write("more", name);
        let third = repo.commit("third");
        env.mng(&format!("push {name} --sync-mode git")).exits(1).says(&["diverged", "--mirror", "mng pull"]);
        assert_eq!(work.rev("HEAD"), own);
        // A mirror overwrites, and keeps what was there.
        work.git(&format!("branch side-{name}"));
        let report = done(&env, &format!("push {name} --sync-mode git --mirror"));
        let kept = report["backup_ref"].as_str().unwrap().to_owned();
        assert_eq!((work.rev("HEAD"), work.status()), (third.clone(), String::new()));
        let branch = work.branch();
        assert_eq!(work.rev(&format!("{kept}/heads/{branch}")), own);
        assert_eq!(work.rev(&format!("{kept}/heads/side-{name}")), own);
        assert_eq!(
            work.has_branch(&format!("side-{name}")),
            name == "a1",
            "one's own repository is no mirror of another"
        );
        repo.git("reset -q --hard HEAD~1");
    }
}

#[test]
fn uncommitted_work_of_the_agent_by_mode() {
    for name in ["a1", "m1"] {
        for mode in ["git", "files"] {
            let env = world();
            let (repo, work) = (env.repo(), env.work_dir(name));
            repo.write("src/app.txt", "ONE\ntwo\nthree\n");
            repo.commit("second");
            let push = |how: &str| format!("push {name} --sync-mode {mode} --uncommitted-changes {how}");
            // Not in the way.
            work.write("notes", "half a thought\n");
            let before = work.fingerprint();
            env.mng(&push("fail")).exits(1).says(&["Uncommitted changes", "merge"]);
            assert_eq!(work.fingerprint(), before);
            let report = done(&env, &push("merge"));
            assert!(report["stash_oid"].is_null());
            assert_eq!(
                (work.read("notes").as_str(), work.read("src/app.txt").as_str()),
                ("half a thought\n", "ONE\ntwo\nthree\n")
            );
            if mode == "files" {
                work.git("commit -q -a -m taken");
            }
            // In the way, and it fits together.
            repo.write("src/app.txt", "ONE\nTWO\nthree\n");
            repo.commit("third");
            work.write("src/app.txt", "ONE\ntwo\nthree\nfour\n");
            env.mng(&push("fail")).exits(1).says(&["`src/app.txt`"]);
            done(&env, &push("merge"));
            assert_eq!(work.read("src/app.txt"), "ONE\nTWO\nthree\nfour\n", "{name} {mode}");
            assert_eq!(work.git("stash list"), "");
            // In the way, and it does not.
            repo.write("src/app.txt", "ONE\nTWO\n3\n");
            repo.commit("fourth");
            work.write("src/app.txt", "ONE\nTWO\ndrei\nfour\n");
            let failed = env.mng(&push("merge")).exits(1);
            assert_eq!(failed.stdout, "");
            if mode == "git" {
                let oid = work.rev("stash@{0}");
                failed.says(&[oid.as_str(), "stash apply --index"]);
                assert_eq!(work.status(), "", "no half-merged tree");
                assert_eq!(work.git(&format!("show {oid}:src/app.txt")), "ONE\nTWO\ndrei\nfour\n");
                work.git("stash drop -q");
                work.write("src/app.txt", "ONE\nTWO\ndrei\nfour\n");
                repo.write("src/app.txt", "ONE\nTWO\n3!\n");
                repo.commit("fifth");
            } else {
                failed.says(&["`src/app.txt`"]);
                assert_eq!(work.read("src/app.txt"), "ONE\nTWO\ndrei\nfour\n");
            }
            // Set aside, below an entry of somebody else.
            work.write("untracked", "u\n");
            let report = done(&env, &push("stash"));
            let oid = report["stash_oid"].as_str().unwrap();
            assert_eq!(work.git(&format!("show {oid}:src/app.txt")), "ONE\nTWO\ndrei\nfour\n");
            assert_eq!(work.git(&format!("show {oid}^3:untracked")), "u\n");
            assert!(work.git("stash list").contains("mng-sync-stash"));
            // Overwritten, but not lost.
            work.write("src/app.txt", "the last word\n");
            work.write("untracked", "again\n");
            repo.write("src/app.txt", "here\n");
            repo.commit("sixth");
            let stashes = work.git("stash list");
            let report = done(&env, &push("clobber"));
            let kept = report["backup_ref"].as_str().unwrap();
            assert!(kept.starts_with("refs/mng/backup/"));
            assert_eq!(work.read("src/app.txt"), "here\n");
            assert_eq!(work.git(&format!("show {kept}:src/app.txt")), "the last word\n");
            assert_eq!(work.git(&format!("show {kept}^3:untracked")), "again\n");
            assert_eq!(work.git("stash list"), stashes, "the person's stash has no entry of ours");
        }
    }
}

#[test]
fn staged_changes_come_back_staged_and_other_entries_stay() {
    let env = world();
    let (repo, work) = (env.repo(), env.work_dir("a1"));
    // A stash is shared by all worktrees: the person's entry is on top.
    repo.write("README.md", "the person's\n");
    repo.git("stash push -q -m mine");
    let mine = repo.rev("stash@{0}");
    let lines = |first: &str, last: &str| format!("{first}\n{}{last}\n", "between\n".repeat(9));
    repo.write("long", lines("first", "last"));
    repo.commit("long");
    done(&env, "push a1 --sync-mode git");
    repo.write("long", lines("FIRST", "last"));
    repo.commit("second");
    work.write("long", lines("first", "LAST"));
    work.git("add long");
    work.write("README.md", "unstaged\n");
    done(&env, "push a1 --sync-mode git --uncommitted-changes merge");
    assert_eq!(work.status(), " M README.md\nM  long\n");
    assert_eq!(work.read("long"), lines("FIRST", "LAST"));
    assert_eq!((repo.rev("stash@{0}"), repo.git("stash list --format=%H").lines().count()), (mine, 1));
}

#[test]
fn what_cannot_be_set_aside_stops_the_transfer() {
    let env = world();
    let (repo, work) = (env.repo(), env.work_dir("m1"));
    let nested = env.repo_at(work.path().join("vendor/lib"));
    std::fs::create_dir_all(nested.path()).unwrap();
    nested.git("init -q");
    nested.write("x", "theirs\n");
    repo.write("vendor/lib/x", "ours\n");
    for how in ["merge", "stash", "clobber"] {
        env.mng(&format!("push m1 --uncommitted-changes {how}")).exits(1).says(&["`vendor/lib/`"]);
        assert_eq!(nested.read("x"), "theirs\n");
    }
    // A file that git was told not to look at.
    std::fs::remove_dir_all(repo.path().join("vendor")).unwrap();
    std::fs::remove_dir_all(work.path().join("vendor")).unwrap();
    work.git("update-index --assume-unchanged README.md");
    work.write("README.md", "secretly changed\n");
    repo.write("README.md", "here\n");
    for how in ["fail", "merge", "stash", "clobber"] {
        env.mng(&format!("push m1 --uncommitted-changes {how}")).exits(1).says(&["`README.md`"]);
    }
    assert_eq!(work.read("README.md"), "secretly changed\n");
}

#[test]
fn places_and_mistakes() {
    let env = world();
    let repo = env.repo();
    repo.write("docs/a", "a\n");
    done(&env, "push a1:made/by/push ./docs");
    assert_eq!(env.work_dir("a1").read("made/by/push/a"), "a\n");
    let outside = env.root().join("else where");
    env.mng_args(&[
        "push",
        "--target-agent",
        "a1",
        "--target-path",
        outside.to_str().unwrap(),
        "--source",
        "docs",
    ])
    .success();
    assert_eq!(std::fs::read_to_string(outside.join("a")).unwrap(), "a\n");
    env.mng("push").exits(1);
    env.mng("push ./docs").exits(2).says(&["no agent is named"]);
    env.mng("push a1:x --sync-mode git").exits(2);
    env.mng("push a1 --mirror").exits(2);
    env.mng("push a1 --sync-mode git --delete").exits(2);
    env.mng("push a1 --rsync-only --sync-mode git").exits(2);
    env.mng("push a1 --sync-mode sideways").exits(2);
    env.mng("push nobody").exits(1).says(&["nobody"]);
    env.mng("push a1 ./nowhere").exits(1).says(&["there is no directory"]);
    env.mng("push a1 --sync-mode git --source-branch gone").exits(1).says(&["gone"]);
    repo.git("checkout -q --detach");
    env.mng("push a1 --sync-mode git").exits(1).says(&["--source-branch"]);
    env.mng("create inplace --transfer none --type command --no-connect -- sleep 1000").success();
    env.mng("push inplace").exits(1).says(&["same directory"]);
    let run = env.mng("push a1:made ./docs --uncommitted-changes merge --stop").success();
    run.says(&["Stopped agent: a1"]);
    assert_eq!(env.state_of("a1"), "STOPPED");
}

#[test]
fn an_agent_inside_the_repository_is_not_copied_into_itself() {
    let env = TestEnv::new();
    let repo = env.repo();
    let inner = repo.path().join("trees/a1");
    env.mng_args(&[
        "create",
        &format!("a1:{}", inner.display()),
        "--type",
        "command",
        "--no-connect",
        "--",
        "sleep 1000",
    ])
    .success();
    repo.write("new", "x");
    done(&env, "push a1");
    let work = env.work_dir("a1");
    assert!(work.has("new") && !work.has("trees/a1"));
    work.write("from agent", "y");
    done(&env, "pull a1 --delete --uncommitted-changes merge");
    assert!(repo.has("from agent") && repo.has("trees/a1/from agent") && repo.has("trees/a1/.git"));
}
