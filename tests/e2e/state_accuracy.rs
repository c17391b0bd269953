//! The recordings in `tests/corpus`, judged as `list` would have judged them, and the page that tells how often
//! that is right.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

// The agent types register themselves by being linked.
use mng_cli as _;
use mng_core::agents::facts::{PaneFacts, TypeTraits};
use mng_core::agents::replay::{Recording, judge_recording};
use mng_core::agents::types::{AgentType, AgentTypeDef};
use mng_core::model::record::AgentRecord;
use mng_core::model::time::Time;
use mng_core::plugins::Linked;
use serde_json::{Value, json};
use std::sync::Arc;

/// Set: the page is written instead of compared.
const UPDATE: &str = "MNG_UPDATE_ACCURACY";
/// In these types and all their versions, this share of the recordings must be judged right, in percent.
const HELD: [&str; 2] = ["claude", "codex"];
const LEAST_PERCENT: f64 = 99.0;

const HEAD: &str = "\
# How true the state column is

Real programs were driven through what happens to them, and at each moment their files, processes and screen were
recorded with the state that a person who looks at it would name. `tests/corpus` holds the recordings. Every test
run judges them again, exactly as `mng list` does, and fails if this page says something else, or if less than
99 % are right for claude or codex.

A row is what was so, a column is what mng says.
";

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests lie in the project").to_owned()
}

/// One recording and how it came out.
struct Case {
    /// `claude 2.1.332`
    program: String,
    name: String,
    expected: String,
    judged: String,
    reason: String,
}

impl Case {
    fn is_right(&self) -> bool {
        self.expected == self.judged
    }
}

fn dirs(place: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(place).into_iter().flatten().flatten();
    let mut dirs: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    dirs.sort();
    dirs
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn read_json(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// `WAITING PERMISSIONS`, `RUNNING`
fn state_text(state: &str, reason: Option<&str>) -> String {
    reason.map_or_else(|| state.to_owned(), |reason| format!("{state} {reason}"))
}

fn agent_type(name: &str) -> Arc<dyn AgentType> {
    let linked = Linked::collect().unwrap();
    let defs: Vec<AgentTypeDef> = linked.iter().flat_map(|plugin| (plugin.make)().agent_types()).collect();
    let def = defs.iter().find(|def| def.name == name || def.aliases.contains(&name));
    let def = def.unwrap_or_else(|| panic!("the corpus has recordings of `{name}`, which is no agent type"));
    (def.build)(&json!({})).unwrap()
}

/// Puts a file or a tree back, `@STATE@` being `state_dir`.
fn put_back(from: &Path, to: &Path, state_dir: &Path) {
    if from.is_dir() {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap().flatten() {
            put_back(&entry.path(), &to.join(entry.file_name()), state_dir);
        }
        return;
    }
    let bytes = fs::read(from).unwrap();
    let bytes = match String::from_utf8(bytes) {
        Ok(text) => text.replace("@STATE@", &state_dir.to_string_lossy()).into_bytes(),
        Err(error) => error.into_bytes(),
    };
    fs::write(to, bytes).unwrap();
}

fn system_time(text: &str) -> SystemTime {
    let time: Time = text.parse().unwrap_or_else(|error| panic!("`{text}`: {error:?}"));
    UNIX_EPOCH + Duration::from_secs_f64(time.as_unix_seconds())
}

fn set_times(state_dir: &Path, times: &Value) {
    for (path, time) in times.as_object().expect("times.json is an object") {
        let file = File::options().write(true).open(state_dir.join(path));
        let file = file.unwrap_or_else(|error| panic!("times.json names `{path}`: {error}"));
        file.set_modified(system_time(time.as_str().expect("a time is a text"))).unwrap();
    }
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// The fields of proc(5) that are recorded; zero for the others.
fn write_processes(proc_dir: &Path, processes: &Value) {
    for process in processes.as_array().expect("`processes` is a list") {
        let (pid, name) = (number(&process["pid"]), process["name"].as_str().unwrap_or_default());
        let state = if process["is_zombie"] == true { "Z" } else { "S" };
        let mut fields = vec![state.to_owned(), number(&process["parent"]).to_string()];
        fields.resize(22 - 3, "0".into());
        fields.push(number(&process["start_time"]).to_string());
        fields.extend(["0".to_owned(), "0".to_owned()]);
        let dir = proc_dir.join(pid.to_string());
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("stat"), format!("{pid} ({name}) {}\n", fields.join(" "))).unwrap();
    }
}

fn pane(session: &Value) -> Option<PaneFacts> {
    let pane = session.get("pane")?;
    let text = |key: &str| pane[key].as_str().unwrap_or_default().to_owned();
    Some(PaneFacts {
        id: "%0".into(),
        pid: i32::try_from(number(&pane["pid"])).unwrap(),
        is_dead: pane["is_dead"] == true,
        dead_status: pane["dead_status"].as_i64().and_then(|code| i32::try_from(code).ok()),
        command: text("command"),
        title: text("title"),
    })
}

fn replay(kind: &str, version: &str, dir: &Path) -> Case {
    let world = tempfile::tempdir().unwrap();
    let (state_dir, proc_dir) = (world.path().join("state"), world.path().join("proc"));
    fs::create_dir(&proc_dir).unwrap();
    put_back(&dir.join("state"), &state_dir, &state_dir);
    set_times(&state_dir, &read_json(&dir.join("times.json")));
    let moment = read_json(&dir.join("processes.json"));
    write_processes(&proc_dir, &moment["processes"]);
    let pane = pane(&moment["session"]);
    let at: Time = moment["at"].as_str().expect("`at` is a time").parse().expect("`at` is a time");
    let agent_type = agent_type(kind);
    let traits = |record: &AgentRecord| TypeTraits::of(&agent_type, record);
    let recording = Recording { state_dir: &state_dir, proc_dir: &proc_dir, at, pane: pane.as_ref() };
    let judgement = judge_recording(&recording, &traits)
        .unwrap_or_else(|error| panic!("cannot replay {}: {error}", dir.display()));
    let expected = read_json(&dir.join("expected.json"));
    let waiting = judgement.waiting_reason.map(|reason| reason.to_string());
    Case {
        program: format!("{kind} {version}"),
        name: name_of(dir),
        expected: state_text(expected["state"].as_str().unwrap(), expected["waiting_reason"].as_str()),
        judged: state_text(&judgement.state.to_string(), waiting.as_deref()),
        reason: format!("{}: {}", judgement.decided_by, judgement.reason),
    }
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for kind in dirs(&project().join("tests/corpus")) {
        for version in dirs(&kind) {
            for case in dirs(&version) {
                cases.push(replay(&name_of(&kind), &name_of(&version), &case));
            }
        }
    }
    cases
}

fn percent(cases: &[&Case]) -> f64 {
    let right = cases.iter().filter(|case| case.is_right()).count();
    100.0 * right as f64 / cases.len().max(1) as f64
}

/// The confusion table of one program in one version.
fn table(cases: &[&Case]) -> String {
    let mut states: Vec<&str> =
        cases.iter().flat_map(|case| [case.expected.as_str(), case.judged.as_str()]).collect();
    states.sort_unstable();
    states.dedup();
    let mut text = format!("| | {} |\n|---|{}\n", states.join(" | "), "---|".repeat(states.len()));
    for expected in &states {
        let of = |judged: &str| {
            let count =
                cases.iter().filter(|case| case.expected == *expected && case.judged == judged).count();
            if count == 0 { String::new() } else { count.to_string() }
        };
        let row: Vec<String> = states.iter().map(|judged| of(judged)).collect();
        let _ = writeln!(text, "| {expected} | {} |", row.join(" | "));
    }
    text
}

fn page(programs: &BTreeMap<&str, Vec<&Case>>) -> String {
    let mut text = HEAD.to_owned();
    for (program, cases) in programs {
        let right = cases.iter().filter(|case| case.is_right()).count();
        let share = format!("{right} of {} right: {:.1} %", cases.len(), percent(cases));
        let _ = write!(text, "\n## {program}\n\n{share}.\n\n{}", table(cases));
        let wrong: Vec<&&Case> = cases.iter().filter(|case| !case.is_right()).collect();
        if !wrong.is_empty() {
            text.push_str("\nWrong:\n\n");
        }
        for case in wrong {
            let _ = writeln!(text, "- `{}`: {}, not {}", case.name, case.judged, case.expected);
        }
    }
    text
}

#[test]
fn the_state_column_is_as_true_as_the_page_says() {
    let cases = cases();
    let mut programs: BTreeMap<&str, Vec<&Case>> = BTreeMap::new();
    for case in &cases {
        programs.entry(&case.program).or_default().push(case);
    }
    let (path, page) = (project().join("docs/state-accuracy.md"), page(&programs));
    if std::env::var_os(UPDATE).is_some() {
        fs::write(&path, &page).unwrap();
    }
    let wrong: Vec<String> = cases
        .iter()
        .filter(|case| !case.is_right())
        .map(|case| {
            let Case { program, name, expected, judged, reason } = case;
            format!("{program} {name}: {judged} instead of {expected} ({reason})")
        })
        .collect();
    for kind in HELD {
        assert!(cases.iter().any(|case| case.program.starts_with(kind)), "no recordings of `{kind}`");
    }
    for (program, cases) in &programs {
        let is_held = HELD.iter().any(|kind| program.split(' ').next() == Some(*kind));
        assert!(!is_held || percent(cases) >= LEAST_PERCENT, "{program}:\n{}", wrong.join("\n"));
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == page,
        "docs/state-accuracy.md is out of date; write it with\n  {UPDATE}=1 cargo test -p mng-tests --test e2e \
         state_accuracy\n{}\n{page}",
        wrong.join("\n")
    );
}
