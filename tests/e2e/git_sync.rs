//! git's own push and pull between here and an agent.

use mng_tests::TestEnv;

fn world() -> TestEnv {
    let env = TestEnv::new();
    env.create("a1");
    env.mng("create m1 --transfer git-mirror --type command --no-connect -- sleep 1000").success();
    env
}

#[test]
fn push_moves_the_branch_and_its_work_tree_and_leaves_no_setting() {
    let env = world();
    let repo = env.repo();
    repo.write("new", "n\n");
    let tip = repo.commit("second");
    for name in ["a1", "m1"] {
        let work = env.work_dir(name);
        let config = work.git("config --local --list");
        work.write("untracked", "u\n");
        env.mng(&format!("git push {name}")).success().says(&["Pushing to ", "on host host-"]);
        assert_eq!(
            (work.rev("HEAD"), work.read("new"), work.status()),
            (tip.clone(), "n\n".into(), "?? untracked\n".into())
        );
        assert_eq!(work.git("config --local --list"), config);
    }
    // Tracked changes stop it, and git says so.
    env.work_dir("m1").write("new", "changed there\n");
    repo.write("new", "2\n");
    repo.commit("third");
    env.mng("git push m1").exits(1).says(&["git exited with status 1"]);
    assert_eq!(env.work_dir("m1").read("new"), "changed there\n");
    // Options before the URL, refspecs behind it.
    env.mng("git push m1 --quiet main:other").success();
    assert_eq!(env.work_dir("m1").rev("other"), repo.rev("main"));
    env.mng("git push m1 -- --delete other").success();
    assert!(!env.work_dir("m1").has_branch("other"));
    let run = env.mng("git push m1 --format json main:third").success().json();
    assert_eq!((run["operation"].as_str(), run["exit_code"].as_i64()), (Some("push"), Some(0)));
}

#[test]
fn pull_merges_without_being_told_how() {
    let env = world();
    let repo = env.repo();
    for name in ["a1", "m1"] {
        let work = env.work_dir(name);
        work.write(name, "x\n");
        let theirs = work.commit("by the agent");
        repo.write("here", name);
        let ours = repo.commit("by the person");
        env.mng(&format!("git pull {name}")).success();
        assert_eq!((repo.rev("HEAD^1"), repo.rev("HEAD^2")), (ours, theirs));
    }
    env.work_dir("m1").write("again", "x\n");
    env.work_dir("m1").commit("again");
    repo.write("again2", "x\n");
    repo.commit("again2");
    env.mng("git pull m1 --ff-only").exits(1).says(&["git exited with status 128"]);
    let path = env.work_dir("m1").path().display().to_string();
    env.mng_args(&["git", "pull", &format!("@localhost:{path}"), "mng/m1"]).success();
    env.mng("git pull ./x").exits(2).says(&["git pull ./x"]);
    env.mng("git push @localhost").exits(2);
    env.mng("git push nobody").exits(1);
    repo.git("checkout -q --detach");
    env.mng("git push m1").exits(1).says(&["refspec"]);
    env.mng("git").success();
}
