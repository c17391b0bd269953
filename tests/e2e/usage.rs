//! What `mng usage` adds up and how `mng usage wait` ends.

use std::fs;

use jiff::Timestamp;
use mng_tests::TestEnv;
use serde_json::json;

/// Records of a status line, as the agent's program writes them.
fn record(env: &TestEnv, dir: &str, session: &str, usd: f64, used: f64) {
    let dir = env.state_dir().join(dir).join("events/claude/usage");
    fs::create_dir_all(&dir).unwrap();
    let now = Timestamp::now();
    let record = json!({
        "source": "claude/usage", "type": "cost_snapshot", "event_id": format!("e-{session}-{usd}"),
        "timestamp": now.to_string(), "session_id": session, "message_id": null,
        "cost": {"total_cost_usd": usd, "total_duration_ms": 10}, "tokens": null, "model": null, "cost_mode": null,
        "rate_limits": {"five_hour": {"used_percentage": used, "resets_at": now.as_second() + 4000}},
    });
    let path = dir.join("events.jsonl");
    let before = fs::read_to_string(&path).unwrap_or_default();
    fs::write(path, format!("{before}{record}\nno json\n")).unwrap();
}

#[test]
fn costs_of_live_and_destroyed_agents_add_up() {
    let env = TestEnv::new();
    env.mng("usage").success().says(&["no agent has recorded any usage"]);
    assert_eq!(env.mng("usage --format '{source}'").success().stdout, "");
    env.create("a1");
    let live = format!("agents/{}", env.agent_id("a1"));
    record(&env, &live, "session-1", 0.25, 20.0);
    record(&env, &live, "session-1", 0.75, 30.0);
    record(&env, "preserved/old--agent-00000000000000000000000000000007", "session-2", 1.0, 40.0);
    let report = env.mng("usage --format json").success().json();
    let claude = &report["sources"][0];
    assert_eq!((&claude["source"], &claude["session_count"]), (&json!("claude"), &json!(2)));
    assert_eq!(claude["subscription_cost"]["total_cost_usd"], 1.75);
    assert_eq!(claude["five_hour"]["used_percentage"], 40.0);
    let live_only = env.mng("usage --no-preserved --format json").success().json();
    assert_eq!(live_only["sources"][0]["subscription_cost"]["total_cost_usd"], 0.75);
    let none = env.mng("usage --include 'name == \"nobody\"' --format jsonl").success().jsonl();
    assert_eq!((none.len(), &none[0]["sources"]), (1, &json!([])));
    let line = env.mng("usage --format '{source} {five_hour.label} {session_count}'").success();
    assert_eq!(line.stdout, "claude 5h 2\n");
    env.mng("usage --detail").success().prints("[sub] session-: $0.75");
}

#[test]
fn waiting_ends_with_a_match_or_with_the_time() {
    let env = TestEnv::new();
    record(&env, "preserved/old--agent-00000000000000000000000000000007", "session-2", 1.0, 40.0);
    let until = "usage wait --until 'five_hour.used_percentage < 50.0' --until 'source == \"claude\"'";
    env.mng(until).success().prints("claude matches (after 0.");
    let result = env.mng(&format!("{until} --format json")).success().json();
    assert_eq!((&result["is_matched"], &result["matched_source"]), (&json!(true), &json!("claude")));
    let lines = env.mng(&format!("{until} --format jsonl")).success().jsonl();
    let events: Vec<&str> = lines.iter().filter_map(|line| line["event"].as_str()).collect();
    assert_eq!(events, ["state_change", "result"]);
    let late = env.mng("usage wait --until 'five_hour.used_percentage > 50.0' --timeout 1s --format json");
    assert_eq!(late.exits(2).json()["is_timed_out"], true);
    env.mng("usage wait").exits(2).says(&["needs `--until`"]);
    env.mng("usage --until true").exits(2);
    env.mng("usage wait --until 'five_hour.'").exits(1).says(&["invalid"]);
}

#[test]
fn prices_of_ones_own_and_settings_that_are_wrong() {
    let env = TestEnv::new();
    env.settings(
        "[plugins.usage]\nsince_seconds = 60\n[plugins.usage.prices.\"acme/one\"]\ninput = 1\noutput = 2\n",
    );
    assert_eq!(env.mng("usage --format json").success().json()["since_seconds"], 60);
    env.settings("[plugins.usage]\nsince_secs = 60\n");
    env.mng("usage").exits(1).says(&["since_secs"]);
}
