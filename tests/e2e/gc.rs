//! gc removes what nobody owns any more, and says so.

use std::fs;

use mng_tests::{TestEnv, processes_matching};

#[test]
fn nothing_to_do_is_said() {
    let env = TestEnv::new();
    env.create("a1");
    let report = env.mng("gc --format json").success().json();
    for kind in [
        "work_dirs_destroyed",
        "machines_destroyed",
        "machines_deleted",
        "snapshots_destroyed",
        "volumes_destroyed",
        "logs_destroyed",
        "build_cache_destroyed",
        "provider_resources_destroyed",
        "errors",
        "failures",
    ] {
        assert_eq!(report[kind], serde_json::json!([]), "{kind}");
    }
    env.mng("gc").success().prints("No resources found to destroy");
    assert_eq!(env.state_of("a1"), "RUNNING");
}

#[test]
fn a_work_dir_whose_record_is_gone_goes() {
    let env = TestEnv::new();
    env.create("a1");
    env.create("a2");
    let orphan = env.work_dir("a1");
    orphan.write("untracked", "y\n");
    env.mng("stop a1").success();
    fs::remove_dir_all(env.agent_dir("a1")).unwrap();
    let plan = env.mng("gc --dry-run --format json").success().json();
    assert_eq!(plan["dry_run"], true);
    assert_eq!(plan["work_dirs_destroyed"].as_array().unwrap().len(), 1);
    assert!(orphan.has("README.md"), "a dry run removes nothing");
    let report = env.mng("gc --format json").success().json();
    let gone = &report["work_dirs_destroyed"][0];
    assert_eq!(gone["path"], &*orphan.path().to_string_lossy());
    assert_eq!(gone["is_local"], true);
    assert!(!orphan.path().exists());
    assert_eq!(env.repo().worktrees().len(), 2);
    assert!(env.work_dir("a2").has("README.md"));
    // What it held can be brought back all the same.
    env.mng("undo --list").success();
    assert!(env.repo().git("for-each-ref refs/mng/rescue").contains("refs/mng/rescue"));
}

#[test]
fn strays_of_a_vanished_agent_end_and_others_live() {
    let env = TestEnv::new();
    let mark = format!("8{:06}.25", fastrand::u32(..1_000_000));
    let program = format!("setsid nohup sleep {mark} >/dev/null 2>&1 & exec sleep 1000");
    env.mng_args(&["create", "a1", "--type", "command", "--no-connect", "--", &program]).success();
    env.create("a2");
    env.eventually("the stray runs", |_| !processes_matching(&mark).is_empty());
    // The session and the record go behind mng's back; the process stays.
    env.tmux(&["kill-session", "-t", "=mng-a1:"]);
    let state_dir = env.agent_dir("a1");
    // Unreadable is not gone.
    let record = fs::read(state_dir.join("data.json")).unwrap();
    fs::write(state_dir.join("data.json"), "{").unwrap();
    let _ = env.mng("gc");
    assert!(!processes_matching(&mark).is_empty(), "a record that cannot be read proves nothing");
    fs::write(state_dir.join("data.json"), record).unwrap();
    fs::remove_dir_all(state_dir).unwrap();
    let listed = env.mng("gc --dry-run").success();
    assert!(!processes_matching(&mark).is_empty(), "{listed}");
    env.mng("gc").success();
    env.eventually("the stray is gone", |_| processes_matching(&mark).is_empty());
    assert_eq!(env.state_of("a2"), "RUNNING");
}

#[test]
fn kinds_restrict_and_unknown_providers_are_errors() {
    let env = TestEnv::new();
    env.create("a1");
    let orphan = env.work_dir("a1");
    env.mng("stop a1").success();
    fs::remove_dir_all(env.agent_dir("a1")).unwrap();
    env.mng("gc --logs").success();
    assert!(orphan.has("README.md"));
    env.mng("gc --work-dirs --provider local").success();
    assert!(!orphan.path().exists());
    env.mng("gc --provider locl").exits(1).says(&["locl"]);
}

#[test]
fn old_rotated_logs_go_and_the_current_one_stays() {
    let env = TestEnv::new();
    env.create("a1");
    let logs = env.state_dir().join("events/logs/mng");
    fs::create_dir_all(&logs).unwrap();
    let (old, young) =
        (logs.join("events.jsonl.20200101000000000000"), logs.join("events.jsonl.20990101000000000000"));
    fs::write(&old, "x\n").unwrap();
    fs::write(&young, "x\n").unwrap();
    env.bash(&format!("touch -d '40 days ago' '{}'", old.display())).run().success();
    env.mng("gc").success();
    assert!(!old.exists());
    assert!(young.exists());
    assert!(logs.join("events.jsonl").exists());
}

#[test]
fn jsonl_reports_each_thing_as_it_goes() {
    let env = TestEnv::new();
    env.create("a1");
    env.mng("stop a1").success();
    fs::remove_dir_all(env.agent_dir("a1")).unwrap();
    let lines = env.mng("gc --format jsonl").success().jsonl();
    let gone = lines.iter().find(|line| line["event"] == "destroyed").expect("one line a thing");
    assert_eq!(gone["resource_type"], "work_dir");
    assert_eq!(gone["dry_run"], false);
    let summary = lines.last().unwrap();
    assert_eq!((&summary["event"], &summary["work_dirs_count"]), (&"summary".into(), &1.into()));
}
