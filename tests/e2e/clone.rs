//! `clone`, `migrate` and `provision`, which stand on `create`.

use mng_tests::TestEnv;

#[test]
fn a_clone_in_a_worktree_of_an_agents_own_repository_keeps_that_repository() {
    let env = TestEnv::new();
    env.mng("create a1 --type command --no-connect --transfer git-mirror -- sleep 1000").success();
    env.mng("clone a1 a2 --no-connect --transfer git-worktree").success();
    env.mng("exec a2 'echo new >new && git add new && git commit -qm new'").success();
    let repository = env.work_dir("a1");
    env.mng("destroy a1 --force").success().says(&["its work dir stays: a2 works there too"]);
    assert!(repository.path().exists());
    env.mng("exec a2 'git log --oneline -1'").success();
    env.mng("gc").success();
    env.mng("exec a2 'git log --oneline -1'").success();
    env.mng("destroy a2 --force").success();
    env.mng("gc").success();
    assert!(!repository.path().exists(), "nobody needs it any more");

    env.mng("create b1 --type command --no-connect --transfer git-mirror -- sleep 1000").success();
    env.mng("clone b1 b2 --no-connect --transfer git-worktree").success();
    let (repository, worktree) = (env.work_dir("b1"), env.work_dir("b2"));
    env.mng("destroy b1 b2 --force").success();
    assert!(!repository.path().exists() && !worktree.path().exists(), "both at once, the worktree first");
}

#[test]
fn a_clone_has_the_work_but_a_life_of_its_own() {
    let env = TestEnv::new();
    env.mng("create a1 --type command --no-connect --env SECRET=x --label mine=1 -- sleep 1000").success();
    env.work_dir("a1").write("committed", "x\n");
    env.work_dir("a1").commit("work");
    env.work_dir("a1").write("uncommitted", "y\n");
    let before = env.work_dir("a1").fingerprint();
    env.mng("clone a1 a2 --no-connect -- sleep 2000").success();
    let (one, two) = (env.record("a1"), env.record("a2"));
    assert_ne!(one["id"], two["id"]);
    assert_ne!(one["work_dir"], two["work_dir"]);
    assert_eq!(two["type"], "command", "the type is inherited");
    assert_eq!(two["labels"], serde_json::json!({ "project": "repo" }));
    assert_eq!(two["command"], "sleep 2000");
    assert_eq!(env.work_dir("a2").branch(), "mng/a2");
    assert_eq!(env.work_dir("a2").read("committed"), "x\n");
    assert_eq!(env.work_dir("a2").read("uncommitted"), "y\n", "uncommitted work is carried by default");
    let _ = before;
    assert_eq!(env.work_dir("a1").read("uncommitted"), "y\n");
    assert!(!std::fs::read_to_string(env.agent_dir("a2").join("env")).unwrap().contains("SECRET"));
    env.mng("clone").exits(2);
    env.mng("clone a1 a3 --from a2").exits(2);
    env.mng("clone a1 a3 --from=a2").exits(2);
    env.mng("clone nobody a3 -- true").exits(1).says(&["nobody"]);
}

#[test]
fn migrate_moves_and_destroys_exactly_the_source() {
    let env = TestEnv::new();
    env.create("a1");
    env.work_dir("a1").write("uncommitted", "y\n");
    let source = env.agent_id("a1");
    env.mng("migrate a1 a2 --no-connect -- sleep 2000").success();
    assert_eq!(env.agent_names(), ["a2"]);
    assert_ne!(env.agent_id("a2"), source);
    assert_eq!(env.work_dir("a2").read("uncommitted"), "y\n");
    assert_eq!(env.state_of("a2"), "RUNNING");
    assert_eq!(env.sessions(), ["mng-a2"]);
}

#[test]
fn migrate_to_its_own_name_does_not_destroy_both() {
    let env = TestEnv::new();
    env.create("a1");
    env.work_dir("a1").write("uncommitted", "y\n");
    let run = env.mng("migrate a1 a1 --no-connect -- sleep 2000");
    assert_eq!(env.agent_names(), ["a1"], "{}", run.in_full());
    assert_eq!(env.work_dir("a1").read("uncommitted"), "y\n");
    assert_eq!(env.state_of("a1"), "RUNNING");
}

#[test]
fn provision_changes_the_environment_of_a_running_agent() {
    let env = TestEnv::new();
    env.mng_args(&[
        "create",
        "a1",
        "--type",
        "command",
        "--no-connect",
        "--env",
        "A=1",
        "--env",
        "B=1",
        "--",
        "echo \"$A $B $C\" > values; sleep 1000",
    ])
    .success();
    env.eventually("it ran", |env| {
        env.work_dir("a1").has("values") && env.work_dir("a1").read("values") == "1 1 \n"
    });
    let report = env
        .mng("provision a1 --env B=2 --env C=3 --user-command 'touch provisioned' --format json")
        .success()
        .json();
    assert_eq!(report, serde_json::json!({ "agent": "a1", "provisioned": true }));
    assert!(env.work_dir("a1").has("provisioned"));
    env.eventually("it ran again", |env| env.work_dir("a1").read("values") == "1 2 3\n");
    env.mng("prov a1 --no-restart --env C=4").success();
    assert_eq!(env.mng("exec a1 'echo $C'").success().stdout, "4\n");
    // It is started again also when provisioning fails.
    env.mng("provision a1 --user-command 'exit 9'").exits(1);
    assert_eq!(env.state_of("a1"), "RUNNING");
    env.mng("provision a1 --agent a1").exits(2);
}
