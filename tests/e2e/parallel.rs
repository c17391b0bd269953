//! Many commands at once.

use mng_tests::{Background, TestEnv};

#[test]
fn fifty_creates_in_parallel_all_succeed() {
    let env = TestEnv::new();
    let creates: Vec<Background> = (0..50)
        .map(|n| env.command(&format!("create a{n} --type command --no-connect -- sleep 1000")).spawn())
        .collect();
    for create in creates {
        create.wait().success();
    }
    let listed = env.listed();
    assert_eq!(listed.len(), 50);
    for (name, agent) in &listed {
        assert_eq!(agent["state"], "RUNNING", "{name}");
    }
    assert_eq!(env.sessions().len(), 50);
    assert_eq!(env.repo().worktrees().len(), 51);
    let mut work_dirs: Vec<String> =
        env.records().iter().map(|record| record["work_dir"].to_string()).collect();
    work_dirs.sort();
    work_dirs.dedup();
    assert_eq!(work_dirs.len(), 50, "every agent has a work dir of its own");
    let destroyed = env.mng("destroy --all --force --format json").success().json();
    assert_eq!(destroyed["count"], 50);
    assert_eq!(env.repo().worktrees().len(), 1);
}

#[test]
fn twenty_creates_of_one_name_give_one_agent() {
    let env = TestEnv::new();
    let creates: Vec<Background> = (0..20)
        .map(|_| env.command("create same --type command --no-connect -- sleep 1000").spawn())
        .collect();
    let runs: Vec<_> = creates.into_iter().map(Background::wait).collect();
    let (made, refused): (Vec<_>, Vec<_>) = runs.into_iter().partition(|run| run.code() == Some(0));
    assert_eq!(made.len(), 1, "{}", refused.iter().map(|run| run.to_string()).collect::<String>());
    for run in refused {
        run.exits(1).says(&["same"]);
    }
    assert_eq!(env.agent_names(), ["same"]);
    assert_eq!(env.sessions(), ["mng-same"]);
    assert_eq!(env.repo().worktrees().len(), 2);
    assert_eq!(env.repo().branches(), ["main", "mng/same"]);
    assert_eq!(env.state_of("same"), "RUNNING");
}

#[test]
fn listings_beside_changes_never_fail() {
    let env = TestEnv::new();
    let changes: Vec<Background> = (0..8)
        .map(|n| {
            env.bash(&format!(
                "mng create a{n} --type command --no-connect -- sleep 1000 && mng rename a{n} b{n} && mng stop b{n} \
                 && mng start b{n} && mng destroy b{n} --force"
            ))
            .spawn()
        })
        .collect();
    let mut changes = changes;
    while !changes.iter_mut().all(Background::has_ended) {
        let listing = env.mng("list --format json").success().json();
        assert_eq!(listing["errors"], serde_json::json!([]));
    }
    for change in changes {
        change.wait().success();
    }
    assert!(env.listed().is_empty());
}

#[test]
fn stop_and_start_of_one_agent_at_once_end_in_one_state() {
    let env = TestEnv::new();
    env.create("a1");
    let commands: Vec<Background> =
        (0..6).map(|n| env.command(if n % 2 == 0 { "stop a1" } else { "start a1" }).spawn()).collect();
    for command in commands {
        command.wait().success();
    }
    let id = env.agent_id("a1");
    match env.state_of("a1").as_str() {
        "RUNNING" => assert!(env.has_session("mng-a1")),
        "STOPPED" => assert!(env.processes_of(&id).is_empty()),
        other => panic!("it ended {other}"),
    }
    env.mng("start a1").success();
    assert_eq!(env.state_of("a1"), "RUNNING");
}
