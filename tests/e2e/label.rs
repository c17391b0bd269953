//! Labels, limits and archiving: small changes of the record.

use mng_tests::TestEnv;
use serde_json::json;

#[test]
fn labels_merge_and_can_be_removed() {
    let env = TestEnv::new();
    env.create("a1");
    env.create("a2");
    env.mng("label a1 a2 -l team=red -l 'note=with = and spaces'")
        .success()
        .prints("Updated labels on 2 agent(s)");
    assert_eq!(
        env.record("a1")["labels"],
        json!({ "project": "repo", "team": "red", "note": "with = and spaces" })
    );
    let report = env.mng("label a1 --remove note -l team=blue --format json").success().json();
    assert_eq!(report["count"], 1);
    assert_eq!(report["changes"][0]["labels"], json!({ "project": "repo", "team": "blue" }));
    env.mng("label a1 -l x=y --dry-run").success();
    assert!(env.record("a1")["labels"].get("x").is_none());
    env.mng("label a1").exits(2);
    env.mng("label a1 -l novalue").exits(2);
    env.mng("label nobody -l x=y").exits(1).says(&["nobody"]);
    assert_eq!(env.state_of("a1"), "RUNNING");
}

#[test]
fn unknown_keys_of_a_record_survive() {
    let env = TestEnv::new();
    env.create("a1");
    let path = env.agent_dir("a1").join("data.json");
    let mut record = env.record("a1");
    record["from_the_future"] = json!({ "deep": [1, 2] });
    record["plugin"] = json!({ "other": { "x": 1 } });
    std::fs::write(&path, serde_json::to_string_pretty(&record).unwrap()).unwrap();
    env.mng("label a1 -l x=y").success();
    env.mng("rename a1 b1").success();
    env.mng("stop b1").success();
    env.mng("start b1").success();
    assert_eq!(env.record("b1")["from_the_future"], json!({ "deep": [1, 2] }));
    assert_eq!(env.record("b1")["plugin"]["other"], json!({ "x": 1 }));
}

#[test]
fn limits_of_agent_and_host() {
    let env = TestEnv::new();
    env.create("a1");
    env.mng("limit a1 --start-on-boot").success();
    assert_eq!(env.record("a1")["start_on_boot"], true);
    let report = env.mng("limit a1 --grant net --grant disk --format json").success().json();
    assert_eq!(report["changes"][0]["type"], "agent_permissions");
    assert_eq!(env.record("a1")["permissions"], json!(["disk", "net"]));
    env.mng("limit a1 --revoke net").success();
    assert_eq!(env.record("a1")["permissions"], json!(["disk"]));
    let report = env.mng("limit --host localhost --idle-timeout 1h30m --format json").success().json();
    assert_eq!(report["changes"][0]["type"], "host_activity_config");
    let listed = env.listed();
    assert_eq!(listed["a1"]["idle_timeout_seconds"], 5400);
    env.mng("limit a1 --activity-sources user,ssh").success();
    assert_eq!(env.listed()["a1"]["activity_sources"], json!(["USER", "SSH"]));
    env.mng("limit a1 --idle-mode disabled").success();
    assert_eq!(env.listed()["a1"]["idle_mode"], "DISABLED");
    env.mng("limit a1").exits(2);
    env.mng("limit a1 --activity-sources foo").exits(2).says(&["foo"]);
    env.mng("limit a1 --idle-timeout 5x").exits(2).says(&["5x"]);
    env.mng("limit a1 --idle-mode custom").exits(2).says(&["--activity-sources"]);
    env.mng("limit a1 --activity-sources user --add-activity-source ssh").exits(2);
    env.mng("limit --host localhost --start-on-boot").exits(2);
}

#[test]
fn archive_skips_running_agents_unless_forced() {
    let env = TestEnv::new();
    env.create("a1");
    env.create("a2");
    env.mng("stop a2").success();
    env.mng("archive a1").exits(1).says(&["a1"]);
    assert!(env.record("a1")["labels"].get("archived_at").is_none());
    let report = env.mng("archive --all --format json").json();
    assert_eq!(report["count"], 1);
    assert_eq!(report["changes"][0]["agent_name"], "a2");
    env.mng("archive a1 --force").success();
    assert_eq!(env.state_of("a1"), "STOPPED");
    assert!(env.record("a1")["labels"]["archived_at"].is_string());
    assert_eq!(env.listed().len(), 2, "archived agents stay listed");
    env.mng("archive").exits(2);
    env.mng("archive a1 --all").exits(2);
    let empty = env.command("archive -").stdin("").run().success();
    assert_eq!(empty.stdout, "");
}
