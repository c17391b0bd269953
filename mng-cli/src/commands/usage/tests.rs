use std::collections::BTreeMap;

use mng_core::agents::usage::{Cost, Frame, Prices, Tokens, UsageRecord, Window, aggregate};
use mng_core::model::time::Time;

use super::*;
use crate::ui::testing::rendered;

fn at(text: &str) -> Time {
    format!("2026-11-25T{text}Z").parse().unwrap()
}

fn report(records: Vec<UsageRecord>, has_detail: bool) -> UsageReport {
    let prices = Prices::with(&BTreeMap::new());
    let now = at("12:00:00");
    let frame = Frame {
        now,
        since: at("00:00:00"),
        since_seconds: 86_400,
        stale_after_seconds: 300,
        has_detail,
        prices: &prices,
    };
    UsageReport { now, since_seconds: 86_400, sources: aggregate(records, &frame), warnings: Vec::new() }
}

fn record(source: &str, session: &str, time: &str) -> UsageRecord {
    UsageRecord::new(source, session, format!("{session}-{time}"), at(time))
}

fn records() -> Vec<UsageRecord> {
    let cost = |usd: f64| Some(Cost { total_cost_usd: Some(usd), ..Cost::default() });
    let limit = |used: f64, seconds: f64| Window {
        used_percentage: Some(used),
        resets_at: Some(at("12:00:00").as_unix_seconds() + seconds),
        ..Window::default()
    };
    vec![
        UsageRecord {
            cost: cost(0.42),
            rate_limits: Some([("five_hour".to_owned(), limit(9.0, 4_330.0))].into()),
            ..record("claude", "11111111-aaaa", "11:58:00")
        },
        UsageRecord { cost: cost(1.0), ..record("claude", "22222222-aaaa", "11:00:00") },
        UsageRecord { cost: cost(0.004), ..record("claude", "33333333-aaaa", "10:00:00") },
        UsageRecord {
            tokens: Some(Tokens { input: 1_000_000, ..Tokens::default() }),
            model: Some("openai/gpt-5.2".into()),
            ..record("codex", "44444444-aaaa", "11:59:59")
        },
    ]
}

#[test]
fn what_a_person_sees() {
    insta::assert_snapshot!(rendered(&report(records(), true)), @r"
    ---- stdout
    [codex]
    api cost (estimated): $1.75 (1s ago)

    [claude]
    subscription cost (imputed): $0.42 (2m ago)
    api cost: $1.00 across 2 sessions in last 1d
      [sub] 11111111: $0.42 (2m ago)
      [api] 22222222: $1.00 (1h ago)
      [api] 33333333: $0.0040 (2h ago)
    5h: 9% used, resets in 1h 12m
    7d: no data
    ---- stderr
    ");
    let brief = rendered(&report(records(), false));
    assert!(!brief.contains("[sub]"), "{brief}");
    assert_eq!(rendered(&report(Vec::new(), false)), "---- stdout\n---- stderr\n");
}

#[test]
fn the_json_contract() {
    let mut only = report(records().into_iter().take(1).collect(), true);
    only.sources[0].windows.remove("seven_day");
    insta::assert_snapshot!(serde_json::to_string_pretty(&to_json(&only)).unwrap(), @r#"
    {
      "now": "2026-11-25T12:00:00Z",
      "since_seconds": 86400,
      "sources": [
        {
          "source": "claude",
          "updated_at": "2026-11-25T11:58:00Z",
          "is_stale": false,
          "since_seconds": 86400,
          "session_count": 1,
          "subscription_session_count": 1,
          "api_session_count": 0,
          "subscription_cost": {
            "total_cost_usd": 0.42,
            "total_duration_ms": 0,
            "total_api_duration_ms": 0,
            "total_lines_added": 0,
            "total_lines_removed": 0,
            "is_estimated": false
          },
          "subscription_tokens": null,
          "api_cost": null,
          "api_tokens": null,
          "sessions": [
            {
              "session_id": "11111111-aaaa",
              "cost": {
                "total_cost_usd": 0.42,
                "total_duration_ms": 0,
                "total_api_duration_ms": 0,
                "total_lines_added": 0,
                "total_lines_removed": 0,
                "is_estimated": false
              },
              "cost_mode": "SUBSCRIPTION",
              "cost_provenance": "REPORTED",
              "model": null,
              "tokens": null,
              "first_event_at": "2026-11-25T11:58:00Z",
              "last_event_at": "2026-11-25T11:58:00Z",
              "age_seconds": 120
            }
          ],
          "five_hour": {
            "used_percentage": 9.0,
            "resets_at": 1795612330.0,
            "window_seconds": 18000,
            "label": "5h",
            "status": null,
            "is_using_overage": null,
            "seconds_until_reset": 4330,
            "elapsed_seconds": 13670,
            "elapsed_percentage": 75.94444444444444,
            "is_present": true
          }
        }
      ]
    }
    "#);
    assert_eq!(report(records(), false).rows()[0]["source"], "codex");
    assert!(report(Vec::new(), false).rows().is_empty());
    // What templates may name is what a report has.
    let row = report(records(), true).rows().remove(0);
    for field in FIELDS.iter().filter(|field| **field != "overage") {
        assert!(row.get(field).is_some(), "{field}");
    }
}
