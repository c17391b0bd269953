use super::*;

fn at(second: u32) -> Time {
    format!("2026-11-25T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60).parse().unwrap()
}

fn record(source: &str, session: &str, second: u32) -> UsageRecord {
    UsageRecord::new(source, session, format!("{source}-{session}-{second}"), at(second))
}

fn cost(usd: f64) -> Option<Cost> {
    Some(Cost { total_cost_usd: Some(usd), ..Cost::default() })
}

fn tokens(input: u64, output: u64) -> Option<Tokens> {
    Some(Tokens { input, output, ..Tokens::default() })
}

fn report_since(records: Vec<UsageRecord>, since: u32) -> Vec<SourceReport> {
    let prices = Prices::with(&BTreeMap::new());
    let frame = Frame {
        now: at(10_000),
        since: at(since),
        since_seconds: u64::from(10_000 - since),
        stale_after_seconds: 300,
        has_detail: true,
        prices: &prices,
    };
    aggregate(records, &frame)
}

fn report(records: Vec<UsageRecord>) -> SourceReport {
    let mut reports = report_since(records, 0);
    assert_eq!(reports.len(), 1);
    reports.remove(0)
}

fn usd(cost: Option<CostSum>) -> f64 {
    (cost.unwrap().total_cost_usd * 1e6).round() / 1e6
}

#[test]
fn a_claude_process_counts_up_and_a_drop_is_the_next_process() {
    let records: Vec<UsageRecord> = [(100, 0.10), (200, 0.40), (300, 0.05), (400, 0.25)]
        .into_iter()
        .map(|(second, usd)| UsageRecord { cost: cost(usd), ..record("claude", "s1", second) })
        .collect();
    let whole = report(records.clone());
    assert_eq!(usd(whole.api_cost), 0.65);
    assert_eq!((whole.session_count, whole.api_session_count, whole.subscription_session_count), (1, 1, 0));
    assert!(whole.subscription_cost.is_none() && !whole.api_cost.unwrap().is_estimated);
    // What came before the time is what the later totals are compared with.
    let late = report_since(records.clone(), 150).remove(0);
    assert_eq!(usd(late.api_cost), 0.55);
    let none = report_since(records, 500).remove(0);
    assert_eq!((none.session_count, none.api_cost, none.updated_at), (0, None, Some(at(400))));
}

#[test]
fn records_count_once_in_any_order() {
    let one = UsageRecord { cost: cost(0.1), ..record("claude", "s1", 100) };
    let two = UsageRecord { cost: cost(0.3), ..record("claude", "s1", 200) };
    assert_eq!(usd(report(vec![two.clone(), one.clone(), one, two]).api_cost), 0.3);
}

#[test]
fn a_codex_session_counts_tokens_up() {
    let records: Vec<UsageRecord> = [(100, 1_000_000), (200, 3_000_000)]
        .into_iter()
        .map(|(second, input)| UsageRecord {
            tokens: tokens(input, 100_000),
            model: Some("openai/gpt-5.2".into()),
            cost_mode: Some(CostMode::Subscription),
            ..record("codex", "s1", second)
        })
        .collect();
    let whole = report(records.clone());
    assert_eq!(whole.subscription_tokens, tokens(3_000_000, 100_000));
    assert_eq!(usd(whole.subscription_cost), 3.0 * 1.75 + 0.1 * 14.0);
    assert!(whole.subscription_cost.unwrap().is_estimated);
    let late = report_since(records, 150).remove(0);
    assert_eq!(usd(late.subscription_cost), 2.0 * 1.75);
    assert_eq!(late.all_sessions[0].cost_provenance, Some(Provenance::Estimated));
}

#[test]
fn messages_are_summed_each_by_its_newest_record() {
    let message = |id: &str, second: u32, output: u64| UsageRecord {
        message_id: Some(id.into()),
        tokens: tokens(0, output),
        model: Some("claude-haiku-4-5-20251001".into()),
        ..record("claude", "s1", second)
    };
    let records = vec![message("a", 100, 10), message("a", 101, 1_000_000), message("b", 102, 2_000_000)];
    let whole = report(records.clone());
    assert_eq!((usd(whole.api_cost), whole.api_tokens), (15.0, tokens(0, 3_000_000)));
    // A process that tells its cost knows better; the tokens are still those of the messages.
    let mut both = records;
    both.push(UsageRecord { cost: cost(0.5), ..record("claude", "s1", 103) });
    let whole = report(both);
    assert_eq!((usd(whole.api_cost), whole.api_tokens), (0.5, tokens(0, 3_000_000)));
    assert!(!whole.api_cost.unwrap().is_estimated && whole.warnings.is_empty());
}

#[test]
fn an_unknown_model_has_no_price_rather_than_none_to_pay() {
    let message = |id: &str, model: &str| UsageRecord {
        message_id: Some(id.into()),
        tokens: tokens(1_000_000, 5),
        model: Some(model.into()),
        ..record("claude", "s1", if id == "a" { 100 } else { 200 })
    };
    let unknown = report(vec![message("a", "claude-mystery-9")]);
    assert_eq!(unknown.api_cost, None);
    assert_eq!(unknown.all_sessions[0].cost_provenance, None);
    insta::assert_snapshot!(unknown.warnings.join("\n"), @r#"claude: there is no price for the model `claude-mystery-9`: 1000005 tokens are not in the cost (set `plugins.usage.prices."claude-mystery-9"`)"#);
    let mixed = report(vec![message("a", "claude-mystery-9"), message("b", "claude-haiku-4-5")]);
    assert_eq!((usd(mixed.api_cost), mixed.warnings.len()), (1.000_025, 1));
}

#[test]
fn rate_limits_are_the_newest_and_make_a_subscription() {
    let limited = |second: u32, used: f64, resets_at: f64| {
        let window = Window { used_percentage: Some(used), resets_at: Some(resets_at), ..Window::default() };
        UsageRecord {
            cost: cost(0.1),
            rate_limits: Some(
                [("five_hour".to_owned(), window.clone()), ("sessions".to_owned(), window)].into(),
            ),
            ..record("claude", "s1", second)
        }
    };
    let now = at(10_000).as_unix_seconds();
    let whole = report(vec![limited(100, 5.0, now), limited(200, 9.0, now + 4_320.0)]);
    assert_eq!(whole.subscription_session_count, 1);
    let five = &whole.windows["five_hour"];
    assert_eq!(
        (five.used_percentage, five.seconds_until_reset, five.elapsed_seconds),
        (Some(9.0), Some(4_320), Some(13_680))
    );
    assert_eq!((five.label.as_str(), five.elapsed_percentage), ("5h", Some(76.0)));
    assert!(!five.is_over(at(10_000)) && five.is_over(at(20_000)));
    assert!(!whole.windows["seven_day"].is_present);
    // A field of the report keeps its meaning.
    assert!(!whole.windows.contains_key("sessions"));
    assert!(whole.warnings[0].contains("may not be called `sessions`"), "{:?}", whole.warnings);
    assert!(whole.is_stale);
}

#[test]
fn the_freshest_source_comes_first() {
    let records = vec![record("codex", "a", 100), record("claude", "b", 200), record("acme", "c", 50)];
    let names: Vec<String> = report_since(records, 0).into_iter().map(|report| report.source).collect();
    assert_eq!(names, ["claude", "codex", "acme"]);
}

#[test]
fn every_field_of_a_report_is_reserved() {
    let json = serde_json::to_value(report(vec![record("claude", "s", 1)])).unwrap();
    for key in json.as_object().unwrap().keys() {
        let is_window = KNOWN.iter().any(|(name, ..)| name == key);
        assert!(is_window || RESERVED.contains(&key.as_str()), "{key}");
    }
}
