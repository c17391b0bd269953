//! Files and commits from an agent to here.

use mng_tests::TestEnv;
use serde_json::Value;

fn world() -> TestEnv {
    let env = TestEnv::new();
    env.create("a1");
    env.mng("create m1 --transfer git-mirror --type command --no-connect -- sleep 1000").success();
    env
}

fn done(env: &TestEnv, line: &str) -> Value {
    env.mng(&format!("{line} --format json")).success().json()
}

#[test]
fn files_come_here_again_and_again() {
    let env = world();
    for name in ["a1", "m1"] {
        let (repo, work) = (env.new_repo(name), env.work_dir(name));
        work.write("src/app.txt", "by the agent\n");
        work.write("new/file", "new\n");
        let pull = |more: &str| env.command(&format!("pull {name} {more}")).cwd(repo.path()).run();
        pull("").success().prints("Pull complete: 3 files, 30 bytes transferred");
        assert_eq!(
            (repo.read("src/app.txt").as_str(), repo.read("new/file").as_str()),
            ("by the agent\n", "new\n")
        );
        work.write("new/file", "newer\n");
        pull("").success().prints("Pull complete: 1 files, 6 bytes transferred");
        // Deleting what an earlier pull brought is no loss; deleting what the person made is refused.
        std::fs::remove_file(work.path().join("new/file")).unwrap();
        pull("--delete").success().prints("1 files deleted");
        assert!(!repo.has("new/file"));
        repo.write("mine", "mine\n");
        pull("--delete").exits(1).says(&["`mine`"]);
        pull("--delete --uncommitted-changes merge").success();
        assert_eq!(repo.read("mine"), "mine\n");
        let run = pull("--delete --uncommitted-changes clobber --format json").success().json();
        assert_eq!(repo.git(&format!("show {}^3:mine", run["backup_ref"].as_str().unwrap())), "mine\n");
    }
    // Where there is no repository there is nothing to guard; the last directory is made.
    let plain = env.root().join("plain");
    env.mng_args(&["pull", "a1:src", plain.to_str().unwrap()]).success();
    assert_eq!(std::fs::read_to_string(plain.join("app.txt")).unwrap(), "by the agent\n");
    let deep = env.root().join("no/such");
    env.mng_args(&["pull", "a1:src", deep.to_str().unwrap()]).exits(1);
}

#[test]
fn commits_are_merged_into_what_is_checked_out() {
    let env = world();
    for name in ["a1", "m1"] {
        let (repo, work) = (env.repo(), env.work_dir(name));
        work.write(name, "from the agent\n");
        let theirs = work.commit("by the agent");
        // Straight forward.
        if name == "a1" {
            let report = done(&env, "pull a1 --sync-mode git");
            assert_eq!(
                (report["commits_transferred"].as_u64(), report["target_branch"].as_str()),
                (Some(1), Some("main"))
            );
            assert_eq!(repo.rev("main"), theirs);
        } else {
            let ours = repo.rev("main");
            env.mng("pull m1 --sync-mode git --ff-only").exits(1).says(&["--rebase"]);
            done(&env, "pull m1 --sync-mode git");
            assert_eq!((repo.rev("main^1"), repo.rev("main^2")), (ours, theirs));
            assert!(repo.git("log -1 --format=%s").contains("mng/m1"));
        }
        assert_eq!((repo.status(), repo.read(name)), (String::new(), "from the agent\n".into()));
        assert_eq!(done(&env, &format!("pull {name} --sync-mode git"))["commits_transferred"], 0);
        // What stays behind is told, or stops it.
        work.write("unfinished", "x");
        env.mng(&format!("pull {name} --sync-mode git")).success().says(&["1 uncommitted change(s)"]);
        env.mng(&format!("pull {name} --sync-mode git --uncommitted-source error")).exits(1).says(&["full"]);
        let run = done(&env, &format!("pull {name} --sync-mode full"));
        assert!(run["files_transferred"].as_u64() >= Some(1), "{run}");
        assert_eq!(run["commits_transferred"], 0);
        assert_eq!(repo.read("unfinished"), "x");
        std::fs::remove_file(repo.path().join("unfinished")).unwrap();
        std::fs::remove_file(work.path().join("unfinished")).unwrap();
    }
}

#[test]
fn conflicts_leave_everything_as_it_was() {
    let env = world();
    for (name, how) in [("a1", "--merge"), ("m1", "--merge"), ("a1", "--rebase"), ("m1", "--rebase")] {
        let (repo, work) = (env.repo(), env.work_dir(name));
        work.write("src/app.txt", format!("agent {how}\n"));
        work.commit("by the agent");
        repo.write("src/app.txt", format!("person {name} {how}\n"));
        repo.commit("by the person");
        repo.write("notes", "not committed\n");
        repo.write("README.md", "staged\n");
        repo.git("add README.md");
        let before = repo.fingerprint();
        env.mng(&format!("pull {name} --sync-mode git {how} --uncommitted-changes merge"))
            .exits(1)
            .says(&["Git sync failed", "`src/app.txt`"]);
        assert_eq!(repo.fingerprint(), before, "{name} {how}");
        repo.git("checkout -q HEAD -- README.md");
        std::fs::remove_file(repo.path().join("notes")).unwrap();
    }
    // A merge of the person's own is not ours to abort.
    let repo = env.repo();
    assert!(repo.try_git("merge mng/a1").code() != Some(0));
    let before = repo.fingerprint();
    for how in ["merge", "stash", "clobber"] {
        env.mng(&format!("pull m1 --sync-mode git --uncommitted-changes {how}")).exits(1);
    }
    assert_eq!(repo.fingerprint(), before);
    assert!(repo.has(".git/MERGE_HEAD"));
}

#[test]
fn uncommitted_changes_here_survive_a_merge() {
    for how in ["--merge", "--rebase"] {
        let env = world();
        let (repo, work) = (env.repo(), env.work_dir("m1"));
        work.write("src/app.txt", "ONE\ntwo\nthree\n");
        work.commit("by the agent");
        repo.write("own", "own\n");
        repo.commit("by the person");
        repo.write("src/app.txt", "one\ntwo\nthree\nfour\n");
        repo.write("staged", "s\n");
        repo.git("add staged");
        repo.write("untracked", "u\n");
        let pull = format!("pull m1 --sync-mode git {how} --uncommitted-changes");
        env.mng(&format!("{pull} fail")).exits(1).says(&["`src/app.txt`"]);
        done(&env, &format!("{pull} merge"));
        assert_eq!(repo.read("src/app.txt"), "ONE\ntwo\nthree\nfour\n", "{how}");
        assert_eq!(repo.status(), " M src/app.txt\nA  staged\n?? untracked\n", "{how}");
        assert_eq!(repo.git("stash list"), "");
        assert_eq!(repo.rev("HEAD").len(), 40);
        assert!(repo.try_git("merge-base --is-ancestor mng/a1 HEAD").code() == Some(0));
    }
}

#[test]
fn another_branch_takes_the_commits_without_a_check_out() {
    let env = world();
    let (repo, work) = (env.repo(), env.work_dir("m1"));
    repo.git("branch behind");
    repo.git("branch apart");
    repo.git("checkout -q apart");
    repo.write("apart", "a\n");
    let apart = repo.commit("apart");
    repo.git("checkout -q main");
    work.write("new", "n\n");
    let theirs = work.commit("by the agent");
    let main = repo.rev("main");
    done(&env, "pull m1 --sync-mode git --target-branch behind");
    assert_eq!((repo.rev("behind"), repo.rev("main"), repo.branch()), (theirs.clone(), main, "main".into()));
    done(&env, "pull m1 --sync-mode git --target-branch apart");
    assert_eq!((repo.rev("apart^1"), repo.rev("apart^2")), (apart, theirs));
    assert_eq!((repo.branch(), repo.status(), repo.worktrees().len()), ("main".into(), String::new(), 2));
    // The agent's own branch is checked out in its work dir.
    env.mng("pull m1 --sync-mode git --target-branch mng/a1")
        .exits(1)
        .says(&["is checked out in", env.work_dir("a1").path().to_str().unwrap()]);
    env.mng("pull m1 --sync-mode git --target-branch gone").exits(1).says(&["gone"]);
}

#[test]
fn files_of_an_earlier_transfer_give_way_to_their_commit() {
    let env = world();
    let (repo, work) = (env.repo(), env.work_dir("m1"));
    work.write("new", "new\n");
    work.write("src/app.txt", "changed\n");
    done(&env, "pull m1");
    work.commit("now committed");
    let report = done(&env, "pull m1 --sync-mode full");
    assert_eq!(report["commits_transferred"], 1);
    assert_eq!((repo.status(), repo.read("new")), (String::new(), "new\n".into()));
    assert!(report["backup_ref"].is_string(), "{report}");
}

#[test]
fn nobody_can_choose_without_a_terminal_and_choosing_none_is_no_failure() {
    let env = world();
    env.mng("pull").exits(1).says(&["mng pull AGENT"]);
    let terminal = env.terminal("pull");
    terminal.wait_until("the list", |screen| screen.contains("a1") && screen.contains("m1"));
    terminal.press(&["Escape"]);
    assert_eq!(terminal.wait_exit(), 0);
}
