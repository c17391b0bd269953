use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn now() -> Time {
    "2026-11-22T14:00:00Z".parse().unwrap()
}

fn agent() -> Value {
    json!({
        "resource_type": "agent",
        "id": "agent-0123456789abcdef0123456789abcdef",
        "name": "alpha",
        "type": "claude",
        "create_time": "2026-11-22T13:00:00Z",
        "start_on_boot": false,
        "state": "WAITING",
        "pid": 42,
        "url": null,
        "runtime_seconds": 90.5,
        "user_activity_time": "2026-11-22T13:10:00Z",
        "agent_activity_time": null,
        "idle_seconds": null,
        "idle_timeout_seconds": 300,
        "activity_sources": ["BOOT", "SSH"],
        "labels": {"project": "repo", "env": "dev", "count": "10", "empty": ""},
        "host": {
            "id": "host-0123456789abcdef0123456789abcdef",
            "name": "localhost",
            "provider_name": "local",
            "state": "RUNNING",
            "tags": {"team": "a"},
            "ssh": null,
            "snapshots": [],
            "resource": {"cpu": {"count": 2, "frequency_ghz": 2.5}, "memory_gb": 16.0, "gpu": null},
            "plugin": {},
            "ssh_activity_time": "2026-11-22T13:50:00Z",
        },
        "plugin": {"claude": {"tokens": 5, "list": [1, 2]}},
    })
}

fn include(text: &str) -> Verdict {
    Filter::parse(&[text.to_owned()], &[]).unwrap_or_else(|error| panic!("{error}")).matches(&agent(), now())
}

#[track_caller]
fn holds(text: &str) {
    assert_eq!(include(text), Verdict { is_match: true, warnings: vec![] }, "{text}");
}

#[track_caller]
fn fails(text: &str) {
    assert_eq!(include(text), Verdict { is_match: false, warnings: vec![] }, "{text}");
}

/// Does not hold and says why.
fn warned(text: &str) -> String {
    let verdict = include(text);
    assert!(!verdict.is_match, "{text}");
    assert_eq!(verdict.warnings.len(), 1, "{text}");
    let warning = verdict.warnings[0].clone();
    assert_eq!(warning.lines().count(), 1);
    warning.split_once(": ").unwrap().1.to_owned()
}

fn refused(text: &str) -> String {
    Filter::parse(&[text.to_owned()], &[]).unwrap_err().to_string()
}

// What the reference programs got wrong.

#[test]
fn type_is_the_agents_type() {
    holds(r#"type == "claude""#);
    fails(r#"type == "agent""#);
    holds(r#"resource_type == "agent""#);
}

#[test]
fn has_is_false_for_null() {
    fails("has(url)");
    fails("has(host.ssh)");
    fails("has(labels.none)");
    fails("has(host.ssh.user)");
    holds("has(pid) && has(labels.env) && has(host.tags.team) && has(labels.empty)");
    holds("has (name) && !has( url )");
    holds(r#""has(url)" == 'has(url)'"#);
}

#[test]
fn null_equals_null() {
    holds("url == null");
    fails("url != null");
    holds("pid != null");
    fails("pid == null");
    holds("host.ssh == null");
    holds("idle_seconds == null");
}

#[test]
fn no_comparison_with_a_missing_key_holds() {
    for operator in ["==", "!=", "<", "<=", ">", ">="] {
        for path in ["labels.none", "host.tags.none", "plugin.none", "plugin.none.deep", "host.plugin.x.y.z"]
        {
            fails(&format!(r#"{path} {operator} "x""#));
            fails(&format!(r#"{path} {operator} null"#));
        }
    }
    fails("labels.none in ['x']");
    fails("'x' in labels.none");
    fails("labels.none == labels.none");
    holds("!(labels.none == 'x')");
    fails("labels.none.startsWith('x') || labels.none.matches('x') || labels.none + 'x' == 'x'");
    fails("labels.none ? true : false");
    fails("labels.none.exists(x, true)");
    fails("timestamp(labels.none) < timestamp('2026-01-01T00:00:00Z')");
    fails("size(labels.none) > 0 || int(labels.none) == 0 || -labels.none < 0");
    fails("labels['none'] != 'x' || plugin.claude.list[5] != 1");
}

#[test]
fn null_comes_before_and_after_nothing() {
    for text in
        ["idle_seconds > 1", "idle_seconds <= 1", "1 < idle_seconds", "url < 'x'", "host.ssh.port > 1"]
    {
        fails(text);
    }
    fails("url.startsWith('http')");
    fails("host.ssh.user == 'root'");
    fails("timestamp(agent_activity_time) < timestamp('2030-01-01T00:00:00Z')");
}

#[test]
fn calculating_with_null_is_a_mistake() {
    assert_eq!(warned("idle_seconds + 1 > 0"), "`+` does not apply to null and int");
    assert_eq!(warned("-idle_seconds < 0"), "`-` does not apply to null_type");
}

#[test]
fn a_warning_is_one_short_line_once_an_expression() {
    let filter = Filter::parse(&["nmae == 'x'".into()], &["pid > 'x'".into()]).unwrap();
    let first = filter.matches(&agent(), now());
    assert_eq!(
        first.warnings,
        ["filter `nmae == 'x'` does not apply to `alpha`: there is no field `nmae` (did you mean `name`?)"]
    );
    assert_eq!(filter.matches(&agent(), now()), Verdict::default());
    let filter = Filter::parse(&[], &["pid > 'x'".into()]).unwrap();
    let verdict = filter.matches(&agent(), now());
    assert!(verdict.is_match, "a failed exclude does not exclude");
    insta::assert_snapshot!(verdict.warnings[0], @"filter `pid > 'x'` does not apply to `alpha`: `>` does not apply to int and string");
    assert!(filter.matches(&agent(), now()).warnings.is_empty());
}

// The language.

#[test]
fn includes_are_all_needed_and_one_exclude_is_enough() {
    let judge = |include: &[&str], exclude: &[&str]| {
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        Filter::parse(&texts(include), &texts(exclude)).unwrap().matches(&agent(), now()).is_match
    };
    assert!(judge(&[], &[]));
    assert!(judge(&["true", "pid == 42"], &["false", "pid == 1"]));
    assert!(!judge(&["true", "false"], &[]));
    assert!(!judge(&["true"], &["false", "true"]));
    assert!(Filter::parse(&[], &[]).unwrap().is_empty());
}

#[test]
fn any_truthy_result_counts() {
    for text in
        ["name", "pid", "labels", "activity_sources", "0.5", "timestamp(create_time)", "duration('1s')"]
    {
        holds(text);
    }
    for text in
        ["url", "labels.none", "labels.empty", "0", "0.0", "''", "[]", "{}", "host.snapshots", "!name"]
    {
        fails(text);
    }
    holds("name && pid || url");
}

#[test]
fn numbers_of_all_kinds_compare_and_calculate() {
    holds("1 == 1.0 && 1u == 1 && 2 > 1.5 && 1.5 < 2u && idle_timeout_seconds == 300.0");
    holds("host.resource.memory_gb >= 16 && host.resource.cpu.count == 2");
    holds("7 / 2 == 3 && 7 % 4 == 3 && 7.0 / 2 == 3.5 && 1 + 2 * 3 == 7 && -3 + 3 == 0 && 2u * 3u == 6u");
    holds("runtime / 60 > 1 && runtime == 90.5");
    assert_eq!(warned("1 / 0 == 1"), "division by zero");
    assert_eq!(warned("9223372036854775807 + 1 > 0"), "the number is too large");
    holds(
        "int(labels.count) == 10 && double('1.5') == 1.5 && uint('3') == 3u && string(pid) == '42' && int(3.9) == 3",
    );
    holds("bool('true') && string(true) == 'true' && bytes('ab') == b'ab' && string(b'ab') == 'ab'");
    assert_eq!(warned("int(labels.env) > 1"), "`dev` is no int");
}

#[test]
fn text_functions() {
    holds("name.startsWith('al') && name.endsWith('ha') && name.contains('lph') && name.matches('^a.*a$')");
    holds(
        "matches(name, 'lp') && !name.matches('^lp') && size(name) == 5 && name.size() == 5 && size('é') == 1",
    );
    holds("name + '-' + type == 'alpha-claude'");
    holds(r#"'a\nb'.contains("\n") && r'\d' == '\\d'"#);
    holds("labels.env.matches(labels.env)");
    assert_eq!(warned("pid.startsWith('4')"), "`startsWith` does not apply to int and string");
}

#[test]
fn lists_maps_and_macros() {
    holds("'SSH' in activity_sources && 'env' in labels && !('x' in labels) && size(labels) == 4");
    holds("activity_sources.exists(s, s == 'BOOT') && activity_sources.all(s, size(s) > 2)");
    holds("activity_sources.exists_one(s, s.startsWith('B')) && !activity_sources.exists_one(s, true)");
    holds("activity_sources.map(s, s + '!') == ['BOOT!', 'SSH!']");
    holds("activity_sources.filter(s, s != 'SSH') == ['BOOT'] && [1, 2, 3].map(x, x > 1, x * 2) == [4, 6]");
    holds("labels.exists(key, labels[key] == 'dev') && [[1, 2], [3]].exists(l, l.exists(x, x == 3))");
    holds("activity_sources[0] == 'BOOT' && plugin.claude.list[1] == 2 && labels['env'] == 'dev'");
    holds("{'a': 1, 'b': [2]}.b[0] == 2 && {'a': 1} == {'a': 1.0} && [1] + [2] == [1, 2]");
    holds("[1, 2] != [2, 1] && 'a' != 1 && (pid > 1 ? 'x' : 'y') == 'x'");
    holds("name.size() in [5, 6] && state in ['WAITING', 'RUNNING']");
}

#[test]
fn one_side_that_decides_is_enough() {
    holds("nmae == 'x' || pid == 42");
    holds("pid == 42 || nmae == 'x'");
    fails("nmae == 'x' && pid == 1");
    fails("pid == 1 && nmae == 'x'");
    warned("nmae == 'x' || pid == 1");
    warned("nmae == 'x' && pid == 42");
}

#[test]
fn times() {
    holds("timestamp(create_time) < timestamp('2027-01-01T00:00:00Z')");
    holds("timestamp(create_time) == timestamp('2026-11-22T15:00:00+02:00')");
    holds("timestamp(create_time) > timestamp('2026-11-22') && timestamp(0) < timestamp(create_time)");
    holds("timestamp(user_activity_time) - timestamp(create_time) == duration('10m')");
    holds("timestamp(create_time) + duration('1h30m') == timestamp('2026-11-22T14:30:00Z')");
    holds("timestamp(create_time) - duration('1.5h') == timestamp('2026-11-22T11:30:00Z')");
    holds(
        "duration('1h') > duration('59m') && duration('60s') == duration('1m') && duration('1d') == duration('24h')",
    );
    holds(
        "duration('1m') + duration('1s') == duration('61s') && -duration('1s') < duration('0s') && duration('-1s') < duration('0')",
    );
    holds("string(duration('1500ms')) == '1.5s' && string(timestamp(create_time)) == create_time");
    let time = "timestamp('2026-11-22T13:58:02.372Z')";
    for (accessor, value) in [
        ("getFullYear()", 2026),
        ("getMonth()", 10),
        ("getDate()", 22),
        ("getDayOfMonth()", 21),
        ("getDayOfWeek()", 0),
        ("getDayOfYear()", 325),
        ("getHours()", 13),
        ("getMinutes()", 58),
        ("getSeconds()", 2),
        ("getMilliseconds()", 372),
        ("getHours('+02:00')", 15),
        ("getMinutes('-00:30')", 28),
        ("getHours('UTC')", 13),
    ] {
        holds(&format!("{time}.{accessor} == {value}"));
    }
    holds(
        "duration('1h30m5.25s').getHours() == 1 && duration('1h30m').getMinutes() == 90 && duration('5.25s').getMilliseconds() == 250",
    );
    assert_eq!(
        warned("timestamp('soon') < timestamp(create_time)"),
        "`soon` is no time such as `2026-01-01T00:00:00Z`"
    );
    assert_eq!(
        warned("create_time.getHours() == 1"),
        "`getHours` applies to a time: `timestamp(create_time).getHours()`"
    );
    assert_eq!(warned("duration('1x') > duration('1s')"), "`1x` is no duration such as `1h30m`");
}

#[test]
fn types_are_values() {
    holds("type(pid) == int && type(name) == string && type(url) == null_type && type(1.0) == double");
    holds(
        "type(activity_sources) == list && type(labels) == map && type(type(1)) == type(string) && type(1u) != int",
    );
}

#[test]
fn computed_fields_and_aliases() {
    holds("age == 3600 && runtime == 90.5 && idle == 600");
    holds("host.provider == 'local' && project == 'repo'");
    let bare = json!({"name": "b", "labels": {}, "host": {}, "create_time": "2026-11-22T13:00:00Z"});
    let judge = |text: &str| {
        let verdict = Filter::parse(&[text.into()], &[]).unwrap().matches(&bare, now());
        assert!(verdict.warnings.is_empty(), "{text}: {:?}", verdict.warnings);
        verdict.is_match
    };
    assert!(!judge("idle > 0"));
    assert!(!judge("has(idle)"));
    assert!(judge("idle == null && runtime == null"));
    assert!(!judge("has(project)"));
    assert!(!judge("project != 'x'"));
    // In the catalogue, though this agent's JSON lacks it.
    assert!(judge("url == null && host.state == null"));
}

#[test]
fn unknown_names_are_told() {
    assert_eq!(warned("host.nmae == 'x'"), "there is no field `host.nmae` (did you mean `host.name`?)");
    assert_eq!(warned("name.first == 'x'"), "a string has no field `first`");
    assert_eq!(warned("zzz"), "there is no field `zzz`");
}

#[test]
fn events_have_many_shapes() {
    let filter =
        Filter::parse_for(Subject::Objects, &["level == 'ERROR' || type == 'x'".into()], &[]).unwrap();
    let verdict = filter.matches(&json!({"event_id": "e", "type": "x"}), now());
    assert_eq!(verdict, Verdict { is_match: true, warnings: vec![] });
    assert!(!filter.matches(&json!({"event_id": "e"}), now()).is_match);
}

#[test]
fn broken_expressions_are_refused_before_anything_runs() {
    insta::assert_snapshot!(refused("a =="), @"invalid include filter expression `a ==`: mismatched input '<EOF>' expecting expression at column 5");
    insta::assert_snapshot!(refused("name = 'x'"), @"invalid include filter expression `name = 'x'`: mismatched input '=' expecting <EOF> at column 6");
    insta::assert_snapshot!(refused("name == \"x"), @r#"invalid include filter expression `name == "x`: unterminated string literal at column 9"#);
    insta::assert_snapshot!(refused("has(url"), @"invalid include filter expression `has(url`: mismatched input <EOF> expecting ')' at column 8");
    insta::assert_snapshot!(refused("nam.startWith('x')"), @"invalid include filter expression `nam.startWith('x')`: there is no function `startWith` (did you mean `startsWith`)");
    insta::assert_snapshot!(refused("size()"), @"invalid include filter expression `size()`: `size` is called as `size(x)` or `x.size()`");
    insta::assert_snapshot!(refused("labels.exists(x)"), @"invalid include filter expression `labels.exists(x)`: `exists` is called as `list.exists(x, condition)`");
    insta::assert_snapshot!(refused("name.matches('(')"), @"invalid include filter expression `name.matches('(')`: `(` is no regular expression: found open group without closing ')'");
    insta::assert_snapshot!(refused(" "), @"invalid include filter expression ` `: it is empty");
    insta::assert_snapshot!(refused("Foo{a: 1}"), @r#"invalid include filter expression `Foo{a: 1}`: `Foo{…}` is no value: write a map, `{"key": 1}`"#);
    let error = Filter::parse(&[], &["(".into()]).unwrap_err();
    assert!(error.to_string().starts_with("invalid exclude filter expression `(`: "));
    assert_eq!(error.exit_code(), 1);
}

#[test]
fn deep_and_long_expressions_do_no_harm() {
    let nested = |open: &str, close: &str, depth: usize| open.repeat(depth) + "1" + &close.repeat(depth);
    for depth in [101, 5_000, 200_000] {
        for (open, close) in [("(", ")"), ("[", "]"), ("!", ""), ("-", ""), ("1 ? 1 : ", ""), ("f(", ")")] {
            assert!(Filter::parse(&[nested(open, close, depth)], &[]).is_err(), "{open} {depth}");
        }
    }
    holds(&nested("(", ")", 100));
    holds(&nested("1 ? 1 : ", "", 100));
    // The longest sum that is taken is also calculated.
    let sum = |count: usize| vec!["1"; count].join(" + ") + &format!(" == {count}");
    let longest = (1..2_000).rev().find(|count| Filter::parse(&[sum(*count)], &[]).is_ok()).unwrap();
    assert!(longest > 200);
    holds(&sum(longest));
    holds(&vec!["pid == 42"; 400].join(" && "));
}

// Shorthand flags.

#[test]
fn shorthand_flags() {
    let judge = |shorthand: Shorthand| shorthand.matches(&agent(), now());
    let none = Shorthand::default;
    let pair = |key: &str, value: &str| vec![(key.to_owned(), value.to_owned())];
    assert!(none().is_empty() && judge(none()));
    assert!(!judge(Shorthand { running: true, ..none() }), "WAITING is not RUNNING, literally");
    assert!(judge(Shorthand { alive: true, active: true, local: true, ..none() }));
    assert!(!judge(Shorthand { stopped: true, ..none() }));
    assert!(!judge(Shorthand { archived: true, ..none() }));
    assert!(!judge(Shorthand { local: true, remote: true, ..none() }));
    assert!(judge(Shorthand { projects: vec!["x".into(), "repo".into()], ..none() }));
    assert!(!judge(Shorthand { projects: vec!["x".into()], ..none() }));
    assert!(judge(Shorthand { labels: pair("env", "dev"), host_labels: pair("team", "a"), ..none() }));
    assert!(!judge(Shorthand { labels: pair("env", "\" || true || \""), ..none() }));
    assert!(judge(Shorthand { types: vec!["claude".into()], providers: vec!["local".into()], ..none() }));
    assert!(judge(Shorthand { older_than: Some(Duration::from_secs(3_599)), ..none() }));
    assert!(!judge(Shorthand { older_than: Some(Duration::from_secs(3_600)), ..none() }));
    assert!(judge(Shorthand { idle_for: Some(Duration::from_secs(599)), ..none() }));
    let never = json!({"name": "b"});
    assert!(!Shorthand { idle_for: Some(Duration::ZERO), ..none() }.matches(&never, now()));
    let archived = json!({"labels": {"archived_at": "2026-11-22T13:00:00+00:00"}, "state": "DONE"});
    assert!(Shorthand { archived: true, ..none() }.matches(&archived, now()));
    assert!(!Shorthand { active: true, ..none() }.matches(&archived, now()));
    assert!(!Shorthand { alive: true, ..none() }.matches(&archived, now()));
    let crashed = json!({"host": {"state": "CRASHED"}});
    assert!(!Shorthand { active: true, ..none() }.matches(&crashed, now()));
}

#[test]
fn labels_need_an_equals_sign() {
    assert_eq!(parse_pair(" a = b=c ", None).unwrap(), ("a".into(), "b=c".into()));
    assert_eq!(parse_pair("a", Some("true")).unwrap(), ("a".into(), "true".into()));
    for (text, bare) in [("a", None), ("=b", None), ("", Some("true"))] {
        assert_eq!(parse_pair(text, bare).unwrap_err().exit_code(), 2);
    }
}

// Sorting.

fn sorted(spec: &str, items: Value) -> Vec<String> {
    let Value::Array(mut items) = items else { panic!("a list") };
    SortSpec::parse(spec).unwrap().sort(&mut items, |item| item, now());
    items.iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn numbers_are_sorted_as_numbers() {
    let items = json!([
        {"name": "b", "pid": 10},
        {"name": "c", "pid": null},
        {"name": "a", "pid": 9},
        {"name": "d", "pid": 9.5},
    ]);
    assert_eq!(sorted("pid", items.clone()), ["a", "d", "b", "c"]);
    assert_eq!(sorted("pid desc", items.clone()), ["b", "d", "a", "c"], "null is last in both directions");
    assert_eq!(sorted("pid DESC", items.clone()), ["b", "d", "a", "c"]);
    assert_eq!(sorted("-pid asc", items), ["b", "d", "a", "c"]);
}

#[test]
fn kinds_come_in_order_and_equals_stay() {
    let items = json!([
        {"name": "list", "labels": {"x": [1]}},
        {"name": "text", "labels": {"x": "1"}},
        {"name": "none", "labels": {}},
        {"name": "number", "labels": {"x": 2}},
        {"name": "bool", "labels": {"x": true}},
        {"name": "text2", "labels": {"x": "1"}},
    ]);
    assert_eq!(sorted("labels.x", items.clone()), ["number", "text", "text2", "bool", "list", "none"]);
    assert_eq!(sorted("labels.x desc", items.clone()), ["list", "bool", "text", "text2", "number", "none"]);
    assert_eq!(
        sorted("size(name) > 4, name desc", items),
        ["text", "none", "list", "bool", "text2", "number"]
    );
}

#[test]
fn commas_in_brackets_and_quotes_part_nothing() {
    let items = json!([{"name": "a,b"}, {"name": "x"}]);
    assert_eq!(sorted(r#"name == "a,b" ? 1 : 0, name"#, items.clone()), ["x", "a,b"]);
    assert_eq!(sorted("[name, 'y'][0] desc", items.clone()), ["x", "a,b"]);
    assert_eq!(sorted("nmae", items), ["a,b", "x"], "without a value nothing moves");
}

#[test]
fn a_broken_sort_is_refused() {
    let told = |text: &str| {
        let error = SortSpec::parse(text).unwrap_err();
        assert_eq!(error.exit_code(), 1);
        error.to_string()
    };
    insta::assert_snapshot!(told("name,"), @"invalid sort expression `name,`: it is empty");
    insta::assert_snapshot!(told("name ascending"), @"invalid sort expression `name ascending`: mismatched input 'ascending' expecting <EOF> at column 6");
    insta::assert_snapshot!(told("(name"), @"invalid sort expression `(name`: expected ')' at column 6");
}

#[test]
fn an_order_can_be_turned_around() {
    let mut items = vec![json!({"name": "a"}), json!({"name": "b"})];
    SortSpec::parse("name").unwrap().reversed().sort(&mut items, |item| item, now());
    assert_eq!(items[0]["name"], "b");
}

proptest! {
    #[test]
    fn no_expression_makes_it_panic(text in "[a-c0-9.()\\[\\]{}<>=!&|?:+*/%'\" -]{0,20}|\\PC{0,20}") {
        if let Ok(filter) = Filter::parse(std::slice::from_ref(&text), &[]) {
            let _ = filter.matches(&agent(), now());
        }
        if let Ok(sort) = SortSpec::parse(&text) {
            sort.sort(&mut vec![agent(), agent()], |item| item, now());
        }
    }

    #[test]
    fn words_of_the_language_make_it_no_trouble(
        words in proptest::collection::vec(
            proptest::sample::select(vec![
                "name", "pid", "url", "labels.x", "host.ssh", "1", "2.5", "'a'", "null", "true", "[1]", "{}",
                "==", "<", "&&", "||", "+", "-", "in", "!", "? 1 :", "has(url)", "size(name)", "(", ")",
                "timestamp(create_time)", "duration('1s')", "activity_sources", ".exists(x, x == 1)", ".map(x, x)",
            ]),
            1..8,
        ),
    ) {
        if let Ok(filter) = Filter::parse(&[words.join(" ")], &[]) {
            let verdict = filter.matches(&agent(), now());
            prop_assert!(verdict.warnings.iter().all(|line| line.lines().count() == 1));
        }
    }
}
