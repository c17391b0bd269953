//! What destroy keeps, part by part, and whatever way the agent worked; also when it is killed half-way.

use std::fs;
use std::sync::Mutex;
use std::thread;

use mng_tests::{Fingerprint, Repo, TestEnv};
use serde_json::json;

fn destroyed_with_work(env: &TestEnv, options: &str) -> String {
    env.create("a1");
    let work_dir = env.work_dir("a1");
    work_dir.write("committed", "x\n");
    let tip = work_dir.commit("work");
    work_dir.write("untracked", "y\n");
    env.mng(&format!("destroy a1 --force {options}")).success();
    tip
}

#[test]
fn each_part_comes_back_alone() {
    let env = TestEnv::new();
    let tip = destroyed_with_work(&env, "-b");
    let report = env.mng("undo a1 --only branch --format json").success().json();
    assert_eq!((&report["branch"], &report["agent_id"]), (&"mng/a1".into(), &json!(null)));
    assert_eq!(env.repo().rev("mng/a1"), tip);
    assert!(env.agent_names().is_empty());
    assert_eq!(env.repo().worktrees().len(), 1);

    let env = TestEnv::new();
    let tip = destroyed_with_work(&env, "-b");
    let report = env.mng("undo a1 --only files --format json").success().json();
    let files = env.repo_at(report["work_dir"].as_str().unwrap());
    assert_eq!((files.read("untracked").as_str(), files.rev("HEAD")), ("y\n", tip));
    assert!(env.agent_names().is_empty());
    assert!(!env.repo().has_branch("mng/a1"));

    let env = TestEnv::new();
    destroyed_with_work(&env, "");
    env.mng("undo a1 --only agent").success().prints("Restored agent: a1");
    assert_eq!(env.state_of("a1"), "STOPPED");
    assert_eq!(env.repo().worktrees().len(), 1);
    env.mng("undo --list --only everything").exits(2);
}

#[test]
fn a_dry_run_says_what_would_come_back() {
    let env = TestEnv::new();
    destroyed_with_work(&env, "-b");
    let before = env.state_fingerprint();
    let plan = env.mng("undo --dry-run --format json").success().json();
    assert_eq!((&plan["dry_run"], &plan["count"]), (&true.into(), &1.into()));
    let entry = &plan["entries"][0];
    assert_eq!((&entry["agent_name"], &entry["branch"]), (&"a1".into(), &"mng/a1".into()));
    assert_eq!(entry["changed_files"], 1);
    env.mng("undo a1 --dry-run").success().prints("  branch: mng/a1");
    assert_eq!(env.state_fingerprint(), before);
    let lines = env.mng("undo --list --format jsonl").success().jsonl();
    assert_eq!((lines.len(), &lines[0]["event"]), (1, &"undo_entry".into()));
    let id = entry["undo_id"].as_str().unwrap();
    assert_eq!(env.mng("undo --list --format {undo_id}").success().stdout, format!("{id}\n"));
    // The beginning of an id is enough.
    env.mng(&format!("undo {}", &id[..6])).success();
    assert_eq!(env.agent_names(), ["a1"]);
}

#[test]
fn each_repository_has_its_own_newest() {
    let env = TestEnv::new();
    let other = env.new_repo("other");
    destroyed_with_work(&env, "");
    env.command("create b1 --type command --no-connect -- sleep 1000").cwd(other.path()).run().success();
    env.mng("destroy b1 --force").success();
    env.mng("undo").success().prints("a1");
    env.mng("undo").exits(1).says(&["nothing to undo"]);
    env.command("undo").cwd(other.path()).run().success().prints("b1");
    // Outside of all repositories it is the newest of all.
    env.mng("destroy a1 --force").success();
    env.command("undo").cwd(env.home()).run().success().prints("a1");
}

#[test]
fn a_name_means_what_is_not_back_yet() {
    let env = TestEnv::new();
    destroyed_with_work(&env, "");
    env.mng("undo a1").success();
    let id = env.mng("undo --list --format {undo_id}").success().stdout.trim().to_owned();
    env.mng("undo a1").exits(1).says(&["already", &id]);
    env.mng(&format!("undo {id}")).success().prints("a1-restored");
    assert_eq!(env.agent_names().len(), 2);
}

/// All files of a work dir, which may be no repository.
fn files(work_dir: &Repo) -> Fingerprint {
    Fingerprint::of(work_dir.path(), &[".git"])
}

/// How an agent can work, and how to make it.
const WAYS: [(&str, &str); 4] = [
    ("worktree", "create a1 --type command --no-connect -- sleep 1000"),
    ("mirror", "create a1 --transfer git-mirror --type command --no-connect -- sleep 1000"),
    ("copy", "create a1 --transfer rsync --no-include-git --type command --no-connect -- sleep 1000"),
    ("in place", "create a1 --transfer none --type command --no-connect -- sleep 1000"),
];

#[test]
fn every_way_of_working_comes_back() {
    for (way, create) in WAYS {
        let env = TestEnv::new();
        env.mng(create).success();
        let work_dir = env.work_dir("a1");
        work_dir.write("untracked", "y\n");
        let tree = files(&work_dir);
        env.mng("destroy a1 --force -b").success();
        assert_eq!(work_dir.path().exists(), way == "in place", "{way}");
        env.mng("undo a1").success();
        assert_eq!(files(&env.work_dir("a1")), tree, "{way}");
        env.mng("start a1").success();
        assert_eq!(env.state_of("a1"), "RUNNING", "{way}");
        env.mng("gc").success();
        assert_eq!(files(&env.work_dir("a1")), tree, "{way}: it is still its work dir");
        env.mng("destroy a1 --force").success();
        assert_eq!(work_dir.path().exists(), way == "in place", "{way}: and mng's to remove");
    }
}

#[test]
fn killed_at_every_step_whatever_the_way_of_working() {
    let tasks: Mutex<Vec<(&str, &str, String)>> = Mutex::new(Vec::new());
    for (way, create) in &WAYS[1..] {
        let scout = TestEnv::new();
        scout.mng(create).success();
        let points = scout.fault_points(scout.command("destroy a1 --force -b"));
        assert!(points.len() >= 8, "{way}: {points:?}");
        tasks.lock().unwrap().extend(points.into_iter().map(|point| (*way, *create, point)));
    }
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some((way, create, point)) = { tasks.lock().unwrap().pop() } {
                    killed_at(way, create, &point);
                }
            });
        }
    });
}

fn killed_at(way: &str, create: &str, point: &str) {
    let env = TestEnv::new();
    env.mng(create).success();
    let work_dir = env.work_dir("a1");
    work_dir.write("untracked", "y\n");
    let tree = files(&work_dir);
    env.killed_at(point, env.command("destroy a1 --force -b"));
    env.mng("list").success();
    // The same command again, at once.
    env.mng("destroy a1 --force -b").success();
    assert!(env.agent_names().is_empty() && env.sessions().is_empty(), "{way}, killed at {point}");
    env.mng("gc").success();
    env.mng("undo a1").success();
    assert_eq!(files(&env.work_dir("a1")), tree, "{way}, killed at {point}");
}

/// A change of mind: what was taken back is not taken again by the next gc.
#[test]
fn a_destroy_that_was_cut_short_and_called_off() {
    let env = TestEnv::new();
    env.create("a1");
    env.work_dir("a1").write("notes", "x");
    env.killed_at("destroy.retired", env.command("destroy a1 --force -b"));
    env.mng("start a1").exits(1).says(&["cut short", "mng undo a1"]);
    env.mng("undo a1").success().prints("Restored agent: a1");
    env.mng("gc").success();
    assert_eq!(env.work_dir("a1").read("notes"), "x");

    env.killed_at("destroy.stopped", env.command("destroy a1 --force -b"));
    env.mng("start a1").success();
    env.mng("stop a1").success();
    env.mng("gc").success();
    assert_eq!(env.work_dir("a1").read("notes"), "x");

    env.killed_at("destroy.stopped", env.command("destroy a1 --force -b"));
    env.mng("gc").success();
    assert!(env.agent_names().is_empty(), "what was asked for is done in the end");
    assert_eq!(env.repo().branches(), ["main"]);

    env.mng("create b1 --transfer none --type command --no-connect -- sleep 1000").success();
    env.killed_at("destroy.retired", env.command("destroy b1 --force"));
    env.mng("undo b1").success();
    env.mng("gc").success();
    assert_eq!(env.agent_names(), ["b1"], "there is one of it");
}

#[test]
fn two_that_destroy_the_same_agents_do_not_disturb_each_other() {
    let env = TestEnv::new();
    let names: Vec<String> = (0..4).map(|n| format!("a{n}")).collect();
    for name in &names {
        env.create(name);
        env.work_dir(name).write("notes", name.as_bytes());
    }
    let line = format!("destroy {} --force -b", names.join(" "));
    let runs = [env.command(&line).spawn(), env.command(&line).spawn()];
    for run in runs {
        let run = run.wait();
        // Whoever comes second finds some of them gone.
        assert!(matches!(run.code(), Some(0 | 1)), "{}", run.in_full());
    }
    assert!(env.agent_names().is_empty());
    assert_eq!(env.repo().branches(), ["main"]);
    assert_eq!(env.mng("undo --list --format json").success().json()["count"], 4);
    for name in &names {
        env.mng(&format!("undo {name}")).success();
        assert_eq!(&env.work_dir(name).read("notes"), name);
    }
}

#[test]
fn transcripts_outlive_the_undo() {
    let env = TestEnv::new();
    env.create("a1");
    let (id, dir) = (env.agent_id("a1"), env.agent_dir("a1"));
    fs::create_dir_all(dir.join("logs/command_transcript")).unwrap();
    fs::write(dir.join("logs/command_transcript/events.jsonl"), "{\"said\":1}\n").unwrap();
    env.mng("destroy a1 --force").success();
    let archive = env.state_dir().join("preserved").join(format!("a1--{id}"));
    let kept = fs::read_to_string(archive.join("logs/command_transcript/events.jsonl")).unwrap();
    assert_eq!(kept, "{\"said\":1}\n");
    env.mng("undo a1").success();
    assert!(env.agent_dir("a1").join("logs/command_transcript/events.jsonl").exists());
}
