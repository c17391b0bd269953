//! Ending many agents, and agents in odd places: what destroy and cleanup leave and say.

use std::fs;

use mng_tests::{TestEnv, processes_matching};
use serde_json::json;

const SLEEPER: &[&str] = &["--type", "command", "--no-connect", "--", "sleep 1000"];

#[test]
fn a_dozen_go_at_once_and_nothing_of_them_stays() {
    let env = TestEnv::new();
    let names: Vec<String> = (0..12).map(|n| format!("a{n}")).collect();
    for name in &names {
        env.create(name);
        env.work_dir(name).write("notes", name.as_bytes());
    }
    let line = format!("destroy {} --force -b --format json", names.join(" "));
    let report = env.mng(&line).success().json();
    assert_eq!(report["destroyed_agents"], json!(names));
    assert_eq!((&report["count"], &report["failures"]), (&12.into(), &json!([])));
    assert_eq!(report["agents"][11]["is_branch_deleted"], true);
    assert!(env.sessions().is_empty());
    assert_eq!(env.repo().branches(), ["main"]);
    assert_eq!(env.repo().worktrees().len(), 1);
    assert_eq!(fs::read_dir(env.state_dir().join("worktrees")).unwrap().count(), 0);
    assert_eq!(env.mng("undo --list --format json").success().json()["count"], 12);
    // Each of them can come back by its name.
    env.mng("undo a7").success();
    assert_eq!(env.work_dir("a7").read("notes"), "a7");
}

#[test]
fn what_detached_itself_ends_too() {
    let env = TestEnv::new();
    let program = "setsid nohup sleep 4711 & (sleep 4712 &) ; exec sleep 4713";
    env.mng_args(&["create", "a1", "--type", "command", "--no-connect", "--", program]).success();
    env.eventually("it runs", |_| processes_matching("sleep 471").len() >= 3);
    let id = env.agent_id("a1");
    env.mng("destroy a1 --force").success();
    assert!(env.processes_of(&id).is_empty());
}

/// Its terminal goes in the middle of the work.
#[test]
fn an_agent_destroys_itself_and_another() {
    let env = TestEnv::new();
    env.create("a2");
    let program =
        format!("mng destroy a1 a2 --force >'{}' 2>&1; sleep 1000", env.root().join("log").display());
    env.mng_args(&["create", "a1", "--type", "command", "--no-connect", "--", &program]).success();
    env.eventually("both are gone", |env| env.agent_names().is_empty());
    env.eventually("no session is left", |env| env.sessions().is_empty());
    assert_eq!(env.repo().worktrees().len(), 1);
    env.mng("undo a1").success();
}

#[test]
fn ctrl_c_leaves_each_agent_whole_or_gone() {
    let env = TestEnv::new();
    let stubborn = "trap '' TERM; while :; do sleep 1; done";
    let names: Vec<String> = (0..3).map(|n| format!("a{n}")).collect();
    for name in &names {
        env.mng_args(&["create", name, "--type", "command", "--no-connect", "--", stubborn]).success();
    }
    let destroy = env.command(&format!("destroy {} --force --format json", names.join(" "))).spawn();
    let first = env.agent_dir("a0").join("destroying");
    env.eventually("it has begun", |_| first.exists());
    destroy.signal(rustix::process::Signal::INT);
    let run = destroy.wait().exits(130);
    let report = run.json();
    assert_eq!(report["count"].as_u64().unwrap() + report["failure_count"].as_u64().unwrap(), 3, "{report}");
    for name in env.agent_names() {
        assert!(!env.agent_dir(&name).join("destroying").exists(), "no marker is left");
        env.mng(&format!("start {name}")).success();
    }
    env.mng("destroy --all --force").success();
}

#[test]
fn a_question_names_what_runs_and_takes_the_rest() {
    let env = TestEnv::new();
    for name in ["a1", "a2"] {
        env.create(name);
    }
    env.mng("stop a2").success();
    let terminal = env.terminal("rm a1 a2");
    terminal.wait_for("[y/N]");
    let screen = terminal.screen();
    assert!(screen.contains("- a2@localhost"), "{screen}");
    assert!(!screen.contains("- a1@localhost"), "{screen}");
    terminal.type_text("yes");
    terminal.press(&["Enter"]);
    assert_eq!(terminal.wait_exit(), 1, "a1 was named and is still there");
    assert_eq!(env.agent_names(), ["a1"]);
}

#[test]
fn outputs_are_what_scripts_expect() {
    let env = TestEnv::new();
    for name in ["a1", "a2", "a3"] {
        env.create(name);
    }
    assert_eq!(env.mng("destroy a1 --force --format {name}").success().stdout, "a1\n");
    let lines = env.mng("destroy a2 --force --format jsonl").success().jsonl();
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["event"], "destroy_result");
    let human = env.mng("destroy a3 --force").success();
    assert_eq!(human.stdout, "Destroyed agent: a3\nSuccessfully destroyed 1 agent(s)\n");
    human.says(&["mng undo a3"]);
    let none = env.mng("destroy --all --force").success();
    assert_eq!(none.stdout, "No agents found to destroy\n");
    let gone = env.mng("destroy a3 --force --format json").success().json();
    assert_eq!((&gone["count"], &gone["not_found"]), (&0.into(), &json!(["a3"])));
    env.mng("destroy agent-00000000000000000000000000000000").exits(8);
    assert_eq!(env.command("destroy - --force").stdin("").run().success().stdout, "");
}

#[test]
fn a_session_of_the_key_bindings_is_an_agent() {
    let env = TestEnv::new();
    env.create("a1");
    env.create("a10");
    env.mng("destroy --session mng-nobody --force").exits(1);
    env.mng("destroy --session mng-a1 a10 --force").exits(2);
    env.mng("destroy --session mng-a1 --force").success();
    assert_eq!(env.agent_names(), ["a10"]);
}

#[test]
fn a_gone_work_dir_or_repository_keeps_no_agent_alive() {
    let env = TestEnv::new();
    env.create("a1");
    fs::remove_dir_all(env.work_dir("a1").path()).unwrap();
    let report = env.mng("destroy a1 --force --format json").success().json();
    assert_eq!(report["agents"][0]["work_dir"], "missing");
    assert_eq!(env.repo().worktrees().len(), 1);

    env.create("a2");
    env.work_dir("a2").write("precious", "x");
    fs::rename(env.repo().path(), env.root().join("moved")).unwrap();
    env.command("destroy a2 --force -b").cwd(env.home()).run().success();
    assert!(env.agent_names().is_empty());
    env.command("undo a2").cwd(env.home()).run().success();
    assert_eq!(env.work_dir("a2").read("precious"), "x");
}

#[test]
fn a_damaged_record_is_told_and_hides_nobody() {
    let env = TestEnv::new();
    env.create("a1");
    env.create("a2");
    let (id, dir) = (env.agent_id("a1"), env.agent_dir("a1"));
    fs::write(dir.join("data.json"), "{ half").unwrap();
    env.mng(&format!("destroy {id} --force")).exits(1).says(&[&id, "damaged"]);
    let report = env.mng("destroy --all --force --format json").exits(4).json();
    assert_eq!(report["destroyed_agents"], json!(["a2"]));
    assert!(report["failures"][0]["message"].as_str().unwrap().contains(&id));
    assert!(dir.exists());
}

#[test]
fn gc_after_a_destroy_only_when_asked() {
    let env = TestEnv::new();
    env.create("a1");
    env.create("a2");
    // A work dir of nobody: its record is gone, as the original's gc would find it.
    let orphan = env.work_dir("a2").path().to_owned();
    let dir = env.agent_dir("a2");
    env.mng("stop a2").success();
    fs::remove_dir_all(dir).unwrap();
    env.create("a3");
    env.mng("destroy a1 --force").success();
    assert!(orphan.exists(), "a destroy takes what belongs to its targets");
    env.mng("destroy a3 --force --gc").success();
    assert!(!orphan.exists());
}

#[test]
fn nothing_unmerged_is_asked_about_when_it_stays() {
    let env = TestEnv::new();
    env.create("a1");
    env.work_dir("a1").write("work", "x");
    env.work_dir("a1").commit("unmerged");
    env.mng("stop a1").success();
    let terminal = env.terminal("destroy a1");
    terminal.wait_for("[y/N]");
    assert!(terminal.screen().contains("mng/a1 stays"), "{}", terminal.screen());
    terminal.type_text("y");
    terminal.press(&["Enter"]);
    assert_eq!(terminal.wait_exit(), 0);
    assert!(env.repo().has_branch("mng/a1"));
}

#[test]
fn cleanup_by_age_and_idleness() {
    let env = TestEnv::new();
    env.create("a1");
    let idle = env.mng("cleanup --dry-run --idle-for 1h --format json").success();
    assert_eq!(idle.json()["count"], 0);
    idle.says(&["no recorded activity"]);
    assert_eq!(env.mng("cleanup --dry-run --older-than 1h --format json").success().json()["count"], 0);
    env.eventually("it is older than a second", |env| {
        env.mng("cleanup --dry-run --older-than 1s --format json").success().json()["count"] == 1
    });
    env.mng("cleanup --dry-run --older-than tomorrow").exits(2);
    env.mng("cleanup --dry-run --include 'name =='").exits(1);
    env.mng("cleanup --stop --destroy --yes").exits(2);
    let lines = env.mng("cleanup --yes --stop --older-than 1s --format jsonl").success().jsonl();
    let last = lines.last().unwrap();
    assert_eq!((&last["event"], &last["stopped_count"]), (&"cleanup_result".into(), &1.into()));
    let human = env.mng("clean --dry-run").success();
    human.prints("Would destroy 1 agent(s):").prints("  - a1 (type=command, state=STOPPED, provider=local)");
    // There is nothing left to stop.
    env.mng("cleanup --yes --stop").success().prints("No agents found");
    env.mng("cleanup --yes --type other").success().prints("No agents found");
    env.mng("cleanup --yes --type command --host-label k").success().prints("No agents found");
    env.mng("cleanup -f --format json").success();
    assert!(env.agent_names().is_empty());
}

#[test]
fn migrate_leaves_the_copy_that_it_made() {
    let env = TestEnv::new();
    env.create("a1");
    env.work_dir("a1").write("work", "x");
    let old = env.agent_id("a1");
    let mut args = vec!["migrate", "a1", "b1"];
    args.extend(SLEEPER);
    env.mng_args(&args).success();
    assert_eq!(env.agent_names(), ["b1"]);
    assert_ne!(env.agent_id("b1"), old);
    assert_eq!(env.state_of("b1"), "RUNNING");
    assert_eq!(env.work_dir("b1").read("work"), "x");
}
