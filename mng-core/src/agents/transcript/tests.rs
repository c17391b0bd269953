use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use super::testing::{Toy, ToyAgent, line, toy};
use super::{Life, Part, Reading, Request, Role, Store};
use crate::storage::FileLock;

const IDLE: Life = Life::Live { is_turn_over: true };
const BUSY: Life = Life::Live { is_turn_over: false };

fn read(store: &Store, life: Life, request: &Request) -> (Vec<Value>, Reading) {
    let mut records = Vec::new();
    let reading = store
        .read(life, request, &mut |record| {
            records.push(record);
            Ok(true)
        })
        .unwrap();
    assert_eq!(reading.count, records.len());
    (records, reading)
}

/// What was said, in order.
fn texts(records: &[Value]) -> Vec<&str> {
    records
        .iter()
        .map(|record| {
            let result = record.pointer("/results/0/content");
            record.get("message").or(result).and_then(Value::as_str).unwrap_or("-")
        })
        .collect()
}

fn all(store: &Store, life: Life) -> Vec<String> {
    let (records, reading) = read(store, life, &Request::default());
    assert_eq!(reading.warnings, Vec::<String>::new());
    texts(&records).into_iter().map(str::to_owned).collect()
}

#[test]
fn each_pass_adds_what_is_new_and_a_started_step_waits_for_its_end() {
    for can_resume in [true, false] {
        let agent = ToyAgent::new();
        let store = agent.store(Toy { can_resume, ..toy() });
        assert!(!store.exists().unwrap());
        agent.say("s", 1, "user", "hello");
        agent.say("s", 2, "agent", "one");
        assert!(store.exists().unwrap());
        assert_eq!(all(&store, BUSY), ["hello"]);
        agent.say("s", 2, "agent", "two");
        assert_eq!(all(&store, IDLE), ["hello", "one\ntwo"]);
        assert_eq!(all(&store, IDLE), ["hello", "one\ntwo"]);
        agent.say("s", 3, "user", "thanks");
        assert_eq!(all(&store, BUSY), ["hello", "one\ntwo", "thanks"]);
        let file = fs::read_to_string(agent.common()).unwrap();
        assert_eq!(file.lines().count(), 4, "a header and three records, each once:\n{file}");
        assert!(file.starts_with("{\"type\":\"header\""), "{file}");
    }
}

#[test]
fn a_held_back_step_comes_when_the_turn_is_over_though_the_file_has_not_grown() {
    let agent = ToyAgent::new();
    let store = agent.store(toy());
    agent.say("s", 2, "agent", "done");
    assert_eq!(all(&store, BUSY), Vec::<String>::new());
    assert_eq!(all(&store, IDLE), ["done"]);
}

#[test]
fn a_line_without_its_end_waits() {
    let agent = ToyAgent::new();
    let store = agent.store(toy());
    let whole = line(1, "user", "hello");
    agent.append("s", &whole[..20]);
    assert_eq!(all(&store, IDLE), Vec::<String>::new());
    agent.append("s", &whole[20..]);
    assert_eq!(all(&store, IDLE), ["hello"]);
}

#[test]
fn tool_names_survive_from_pass_to_pass() {
    let agent = ToyAgent::new();
    let store = agent.store(toy());
    let call = json!({"id": "m1", "t": "2026-11-25T00:00:01Z", "who": "agent", "text": "ls", "call": "c1", "name": "Bash"});
    agent.append("s", &format!("{call}\n"));
    assert_eq!(all(&store, IDLE), ["ls"]);
    let answer = json!({"id": "m2", "t": "2026-11-25T00:00:02Z", "who": "tool", "text": "a b", "call": "c1"});
    agent.append("s", &format!("{answer}\n"));
    let (records, _) = read(&store, IDLE, &Request::default());
    assert_eq!(records[1]["results"][0]["extra"]["tool_name"], "Bash");
}

#[test]
fn a_writer_that_died_between_records_and_offsets_leaves_no_duplicate() {
    for can_resume in [true, false] {
        let agent = ToyAgent::new();
        let store = agent.store(Toy { can_resume, ..toy() });
        let offsets = agent.dir.path().join("plugin/toy/.transcript_offsets/s");
        agent.say("s", 1, "user", "a");
        assert_eq!(all(&store, IDLE), ["a"]);
        let before = fs::read(&offsets).unwrap();
        agent.say("s", 2, "user", "b");
        assert_eq!(all(&store, IDLE), ["a", "b"]);
        // As if the process had died before it saved: with a torn record on top.
        fs::write(&offsets, before).unwrap();
        let mut torn = fs::read(agent.common()).unwrap();
        torn.extend(b"{\"type\":\"step\",\"event_id\":\"m3-us");
        fs::write(agent.common(), torn).unwrap();
        agent.say("s", 3, "user", "c");
        assert_eq!(all(&store, IDLE), ["a", "b", "c"]);
        let file = fs::read_to_string(agent.common()).unwrap();
        assert_eq!(file.lines().count(), 4, "{file}");
        assert!(file.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{file}");

        // Offsets gone altogether, or the records: all is made again, each once.
        fs::remove_file(&offsets).unwrap();
        assert_eq!(all(&store, IDLE), ["a", "b", "c"]);
        assert_eq!(fs::read_to_string(agent.common()).unwrap().lines().count(), 4);
        fs::remove_file(agent.common()).unwrap();
        assert_eq!(all(&store, IDLE), ["a", "b", "c"]);
        assert_eq!(fs::read_to_string(agent.common()).unwrap().lines().count(), 4);
    }
}

#[test]
fn who_cannot_take_the_lock_reads_all_and_writes_nothing() {
    let agent = ToyAgent::new();
    let store = agent.store(toy());
    agent.say("s", 1, "user", "a");
    assert_eq!(all(&store, IDLE), ["a"]);
    let before = fs::read(agent.common()).unwrap();
    let lock = FileLock::acquire(&agent.dir.path().join("plugin/toy/.transcript.lock"), None).unwrap();
    agent.say("s", 2, "user", "b");
    assert!(store.update(true, Duration::ZERO).unwrap().is_none());
    assert_eq!(all(&store, IDLE), ["a", "b"]);
    let (last, _) = read(&store, IDLE, &Request { part: Part::Tail(1), ..Request::default() });
    assert_eq!(texts(&last), ["b"]);
    assert_eq!(fs::read(agent.common()).unwrap(), before);
    drop(lock);
    assert_eq!(all(&store, IDLE), ["a", "b"]);
    assert_ne!(fs::read(agent.common()).unwrap(), before);
}

#[test]
fn many_readers_at_once_write_each_record_once() {
    let agent = ToyAgent::new();
    for second in 1..200 {
        agent.say("s", second, "user", "x");
    }
    let store = agent.store(toy());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(all(&store, IDLE).len(), 199));
        }
    });
    assert_eq!(fs::read_to_string(agent.common()).unwrap().lines().count(), 200);
}

#[test]
fn sessions_are_merged_by_time() {
    let agent = ToyAgent::new();
    let store = agent.store(toy());
    for second in 0..600 {
        agent.say(if second % 3 == 0 { "b" } else { "a" }, second, "user", &second.to_string());
    }
    let expected: Vec<String> = (0..600).map(|second| second.to_string()).collect();
    assert_eq!(all(&store, IDLE), expected);
    // A file that is found later stands behind in the stream, yet in its place for the reader.
    agent.say("c", 599, "agent", "late");
    assert_eq!(all(&store, IDLE).last().unwrap(), "late");
}

#[test]
fn unreadable_lines_cost_one_warning() {
    let agent = ToyAgent::new();
    let store = agent.store(toy());
    agent.say("s", 1, "user", "a");
    agent.append("s", "garbage\n\n[1,\n");
    agent.say("s", 2, "user", "b");
    for _ in 0..2 {
        let (records, reading) = read(&store, IDLE, &Request::default());
        assert_eq!(texts(&records), ["a", "b"]);
        if let Some(warning) = reading.warnings.first() {
            assert!(warning.starts_with("2 lines of the transcript could not be read"), "{warning}");
        }
        assert!(reading.warnings.len() <= 1);
    }
    fs::write(agent.common(), "nonsense\n").unwrap();
    let (records, reading) = read(&store, IDLE, &Request::default());
    assert_eq!((records.len(), reading.warnings.len()), (2, 1));
}

#[test]
fn roles_head_tail_and_the_header() {
    let agent = ToyAgent::new();
    let store = agent.store(toy());
    for second in 0..10 {
        agent.say("s", second, if second % 2 == 0 { "user" } else { "agent" }, &second.to_string());
    }
    let get = |roles: &[Role], has_header, part| {
        let (records, _) = read(&store, IDLE, &Request { roles: roles.to_vec(), has_header, part });
        texts(&records).join(" ")
    };
    assert_eq!(get(&[], true, Part::Head(3)), "- 0 1");
    assert_eq!(get(&[], false, Part::Head(3)), "0 1 2");
    assert_eq!(get(&[Role::User], true, Part::Head(2)), "0 2");
    assert_eq!(get(&[Role::User], true, Part::Tail(2)), "6 8");
    assert_eq!(get(&[Role::Agent], false, Part::Tail(100)), "1 3 5 7 9");
    assert_eq!(get(&[], true, Part::Tail(11)), "- 0 1 2 3 4 5 6 7 8 9");
    assert_eq!(get(&[Role::Tool], false, Part::All), "");
}

#[test]
fn what_an_older_program_wrote_stands_before_ours_and_is_not_told_twice() {
    let agent = ToyAgent::new();
    let store = agent.store(toy());
    let dir = agent.common().parent().unwrap().to_path_buf();
    fs::create_dir_all(&dir).unwrap();
    let old = |second: u32| {
        let time = format!("2026-11-25T00:00:{second:02}Z");
        json!({"type": "user_message", "role": "user", "content": format!("old {second}"),
            "event_id": format!("old{second}-user"), "timestamp": time, "source": "toy/common_transcript"})
    };
    fs::write(dir.join("events.jsonl.20261125000000000000"), format!("{}\n", old(1))).unwrap();
    fs::write(agent.common(), format!("{}\n", old(2))).unwrap();
    for second in 1..5 {
        agent.say("s", second, "user", &format!("new {second}"));
    }
    for _ in 0..2 {
        assert_eq!(all(&store, IDLE), ["old 1", "old 2", "new 3", "new 4"]);
    }
}

#[test]
fn the_originals_copy_serves_when_the_native_files_are_gone() {
    let agent = ToyAgent::new();
    let store = agent.store(toy());
    fs::create_dir_all(agent.dir.path().join("logs/toy_transcript")).unwrap();
    fs::write(agent.dir.path().join("logs/transcript.jsonl"), line(1, "user", "from the original")).unwrap();
    assert!(store.exists().unwrap());
    assert_eq!(all(&store, IDLE), ["from the original"]);
}

#[test]
fn a_preserved_copy_is_only_read() {
    let agent = ToyAgent::new();
    let store = agent.store(toy());
    agent.say("s", 1, "user", "a");
    agent.say("s", 2, "agent", "b");
    assert_eq!(all(&store, Life::Preserved), ["a", "b"]);
    assert!(!agent.common().exists() && !agent.dir.path().join("plugin").exists());
    assert_eq!(all(&store, IDLE), ["a", "b"]);
    fs::remove_dir_all(agent.dir.path().join("plugin")).unwrap();
    agent.say("s", 3, "user", "c");
    assert_eq!(all(&store, Life::Preserved), ["a", "b", "c"]);
    let (last, _) = read(&store, Life::Preserved, &Request { part: Part::Tail(2), ..Request::default() });
    assert_eq!(texts(&last), ["b", "c"]);
}

#[test]
fn types_may_keep_no_file() {
    let agent = ToyAgent::new();
    let store = agent.store(Toy { is_kept: false, ..toy() });
    agent.say("s", 1, "user", "a");
    assert_eq!(all(&store, IDLE), ["a"]);
    let (last, _) = read(&store, IDLE, &Request { part: Part::Tail(2), ..Request::default() });
    assert_eq!(texts(&last), ["a"]);
    assert!(!agent.common().exists());
}

#[test]
fn what_cannot_be_stored_is_shown_all_the_same() {
    let agent = ToyAgent::new();
    let store = agent.store(toy());
    agent.say("s", 1, "user", "a");
    // No directory can be made here, as on a read-only disk.
    fs::write(agent.dir.path().join("events"), "").unwrap();
    let (records, reading) = read(&store, IDLE, &Request::default());
    assert_eq!(texts(&records), ["a"]);
    assert_eq!(reading.warnings.len(), 1);
    assert!(reading.warnings[0].starts_with("the transcript was not stored: "), "{:?}", reading.warnings);
}

/// The figure of the spec (500 MB, 200 ms, 50 MB of memory) as bytes: time on a loaded machine says nothing.
#[test]
fn the_end_of_a_500_mb_file_costs_a_few_kilobytes() {
    use std::io::Write as _;
    let agent = ToyAgent::new();
    let store = agent.store(toy());
    let file = fs::File::create(agent.native("s")).unwrap();
    // A hole: nothing of it must be read, and it takes no disk.
    file.set_len(500 << 20).unwrap();
    let mut file = fs::OpenOptions::new().append(true).open(agent.native("s")).unwrap();
    let text = "x".repeat(900);
    let mut end = String::from("\n");
    for second in 0..200 {
        end.push_str(&line(
            second,
            if second % 2 == 0 { "user" } else { "agent" },
            &format!("{second} {text}"),
        ));
    }
    file.write_all(end.as_bytes()).unwrap();
    let request = Request { part: Part::Tail(10), ..Request::default() };
    let (records, reading) = read(&store, IDLE, &request);
    let firsts: Vec<String> =
        texts(&records).iter().map(|text| text.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(firsts.join(" "), "190 191 192 193 194 195 196 197 198 199");
    assert_eq!(reading.bytes_read, 64 * 1024);
    assert!(!agent.common().exists(), "reading the end does not convert the beginning");

    // A wish that the first look cannot fulfil: it doubles, and no more.
    let request = Request { roles: vec![Role::User], part: Part::Tail(50), ..Request::default() };
    let (records, reading) = read(&store, IDLE, &request);
    assert_eq!(records.len(), 50);
    assert_eq!(reading.bytes_read, (64 + 128) * 1024);
}

#[test]
fn the_end_of_a_long_common_file_is_read_backwards() {
    let agent = ToyAgent::new();
    let store = agent.store(toy());
    let text = "x".repeat(1000);
    let lines: String = (0..3000).map(|second| line(second, "user", &format!("{second} {text}"))).collect();
    agent.append("s", &lines);
    store.update(true, Duration::ZERO).unwrap().unwrap();
    let size = fs::metadata(agent.common()).unwrap().len();
    agent.say("s", 3001, "user", "newest");
    let (records, reading) = read(&store, IDLE, &Request { part: Part::Tail(2), ..Request::default() });
    assert_eq!(texts(&records)[1], "newest");
    assert!(texts(&records)[0].starts_with("2999 "));
    assert!(reading.bytes_read < size / 4, "{} of {size}", reading.bytes_read);
}
