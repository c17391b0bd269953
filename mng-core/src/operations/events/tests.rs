use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::*;
use crate::model::error::ErrorClass;
use crate::operations::fixture::{block, host_at};

fn write(dir: &Path, file: &str, lines: &[&str]) {
    let path = dir.join("events").join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut file = fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
    for line in lines {
        writeln!(file, "{line}").unwrap();
    }
}

fn event(second: u32, id: &str, rest: &str) -> String {
    format!(r#"{{"timestamp":"2026-11-22T13:31:{second:02}.000000000Z","event_id":"{id}"{rest}}}"#)
}

fn query(dir: &Path) -> Query<'static> {
    Query {
        dir: dir.to_path_buf(),
        sources: Vec::new(),
        wanted: &|_| true,
        part: Part::All,
        latest_by: Vec::new(),
        is_following: false,
    }
}

/// What is printed, shortened to the ids.
fn printed(dir: &Path, query: &Query<'_>) -> Vec<String> {
    let mut ids = Vec::new();
    let mut print = |line: &[u8]| {
        ids.push(id(line));
        Ok(())
    };
    block(read(&host_at(dir), query, &mut print, &Events::none())).unwrap();
    ids
}

fn id(line: &[u8]) -> String {
    let value: Value = serde_json::from_slice(line).unwrap();
    match value["type"].as_str() {
        Some("warn_about_incorrect_source_field") => format!("warn {}", value["source"].as_str().unwrap()),
        _ => value["event_id"].as_str().unwrap_or("none").to_owned(),
    }
}

#[test]
fn sources_are_merged_by_time_and_each_event_comes_once() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    write(dir, "a/events.jsonl.20261122133100000000", &[&event(1, "a1", ""), &event(3, "a3", "")]);
    write(dir, "a/events.jsonl", &[&event(3, "a3", ""), &event(5, "a5", "")]);
    write(dir, "deep/er/events.jsonl", &[&event(2, "d2", ""), &event(4, "d4", "")]);
    write(dir, "a/.rotation.lock", &[]);
    assert_eq!(printed(dir, &query(dir)), ["a1", "d2", "a3", "d4", "a5"]);
    let one = Query { sources: vec!["deep/er".into()], ..query(dir) };
    assert_eq!(printed(dir, &one), ["d2", "d4"]);
    assert_eq!(printed(dir, &Query { part: Part::Head(2), ..query(dir) }), ["a1", "d2"]);
    assert_eq!(printed(dir, &Query { part: Part::Tail(2), ..query(dir) }), ["d4", "a5"]);
    assert_eq!(
        printed(dir, &Query { wanted: &|event| event["source"] == "a", ..query(dir) }),
        ["a1", "a3", "a5"]
    );
    assert!(printed(Path::new("/nowhere"), &query(Path::new("/nowhere"))).is_empty());
}

#[test]
fn what_is_no_event_is_left_out_with_a_warning() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a/events.jsonl", &["half a li", "", "{}", &event(1, "a1", r#","source":"b""#)]);
    let half = dir.path().join("events/a/events.jsonl");
    fs::OpenOptions::new().append(true).open(half).unwrap().write_all(b"{\"timestamp\"").unwrap();
    let (events, mut heard) = Events::channel();
    let mut lines = Vec::new();
    let mut print = |line: &[u8]| {
        lines.push(id(line));
        Ok(())
    };
    block(read(&host_at(dir.path()), &query(dir.path()), &mut print, &events)).unwrap();
    assert_eq!(lines, ["warn a", "a1"]);
    let warning = heard.try_recv().unwrap();
    insta::assert_debug_snapshot!(warning, @r#"
    Warning(
        "a line of `events/a` is no JSON object; such lines are left out",
    )
    "#);
    assert!(heard.try_recv().is_err(), "one warning a stream");
}

#[test]
fn of_a_source_only_the_newest_of_each_value_comes_after_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    write(
        dir.path(),
        "services/events.jsonl",
        &[
            &event(1, "s1", r#","name":"web""#),
            &event(2, "s2", r#","name":"db""#),
            &event(3, "s3", r#","name":"web""#),
        ],
    );
    write(dir.path(), "other/events.jsonl", &[&event(9, "o9", "")]);
    let by = vec!["services:name".parse().unwrap()];
    assert_eq!(printed(dir.path(), &Query { latest_by: by, ..query(dir.path()) }), ["o9", "s2", "s3"]);
    assert_eq!("a:b:c.d".parse(), Ok(LatestBy { source: "a:b".into(), field: "c.d".into() }));
    assert!("services".parse::<LatestBy>().is_err());
}

#[test]
fn following_shows_what_comes_over_rotations_and_half_lines() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().to_path_buf();
    write(&dir, "a/events.jsonl", &[&event(1, "a1", "")]);
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let record = Arc::clone(&seen);
    let mut print = move |line: &[u8]| {
        record.lock().unwrap().push(id(line));
        Ok(())
    };
    let host = host_at(&dir);
    let until = |count: usize| {
        let seen = Arc::clone(&seen);
        async move {
            let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
            while seen.lock().unwrap().len() < count {
                assert!(tokio::time::Instant::now() < deadline, "only {:?}", seen.lock().unwrap());
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    };
    let live = dir.join("events/a/events.jsonl");
    let write_events = async {
        until(1).await;
        let line = format!("{}\n", event(2, "a2", ""));
        let (first, second) = line.split_at(30);
        fs::OpenOptions::new().append(true).open(&live).unwrap().write_all(first.as_bytes()).unwrap();
        tokio::time::sleep(LOCAL_POLL * 2).await;
        fs::OpenOptions::new().append(true).open(&live).unwrap().write_all(second.as_bytes()).unwrap();
        until(2).await;
        write(&dir, "a/events.jsonl", &[&event(3, "a3", "")]);
        fs::rename(&live, dir.join("events/a/events.jsonl.20261122133104000000")).unwrap();
        write(&dir, "a/events.jsonl", &[&event(4, "a4", "")]);
        write(&dir, "new/events.jsonl", &[&event(5, "n5", "")]);
        until(5).await;
    };
    let follow = Query { is_following: true, ..query(&dir) };
    let deaf = Events::none();
    block(async {
        tokio::select! {
            result = read(&host, &follow, &mut print, &deaf) => panic!("ended: {result:?}"),
            () = write_events => {}
        }
    });
    assert_eq!(*seen.lock().unwrap(), ["a1", "a2", "a3", "a4", "n5"]);
}

#[test]
fn a_reader_that_has_gone_ends_a_follow() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    write(dir, "a/events.jsonl", &[&event(1, "a1", "")]);
    let mut count = 0;
    let path = dir.to_path_buf();
    let mut print = |_: &[u8]| {
        count += 1;
        if count == 1 {
            write(&path, "a/events.jsonl", &[&event(2, "a2", "")]);
            return Ok(());
        }
        Err(Error::io("write to stdout", std::io::ErrorKind::BrokenPipe.into()))
    };
    let error =
        block(read(&host_at(dir), &Query { is_following: true, ..query(dir) }, &mut print, &Events::none()))
            .unwrap_err();
    assert_eq!(error.class(), ErrorClass::Io);
    assert_eq!(error.io_kind(), Some(std::io::ErrorKind::BrokenPipe));
}
