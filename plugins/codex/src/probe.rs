//! What a live codex does, from its rollouts and the title of its terminal.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use mng_core::agents::mirror::{FilePart, WatchedFile};
use mng_core::agents::type_state::{StateProbe, TypeLook, TypeState};
use mng_core::model::state::WaitingReason;
use mng_core::model::time::Time;
use mng_core::storage;

use crate::home::{AgentFiles, PROCESS_STARTED, ROOT_SESSION, SENT_PROMPT, TRANSCRIPT_PATH};
use crate::rollout::{self, Rollout, is_thread_id};
use crate::turn::{self, LastTurn, Position, TurnEvent};

/// What [`CodexProbe`] and [`is_ready`] look at. The files of [`AgentFiles`], for agents of other machines.
pub(crate) const WATCHED: [WatchedFile; 7] = [
    WatchedFile::new(PROCESS_STARTED, FilePart::Time),
    WatchedFile::new(SENT_PROMPT, FilePart::Time),
    WatchedFile::new(ROOT_SESSION, FilePart::Whole),
    WatchedFile::new(TRANSCRIPT_PATH, FilePart::Path),
    WatchedFile::new("plugin/codex/home/history.jsonl", FilePart::Ends),
    WatchedFile {
        newest: 16,
        ..WatchedFile::new("plugin/codex/home/thread-writer-locks/*.lock", FilePart::Time)
    },
    // Those in front and of sub-agents that work.
    WatchedFile { newest: 4, ..WatchedFile::new(ROLLOUTS, FilePart::Ends) },
];

/// All rollouts, as a pattern.
pub(crate) const ROLLOUTS: &str = "plugin/codex/home/sessions/*/*/*/rollout-*.jsonl";

/// How long the program may take from its start to the record of the first turn.
const FIRST_TURN: Duration = Duration::from_secs(20);

/// What the terminal's title says while a question is open; between the brackets a mark blinks.
const QUESTION_TITLES: [&str; 2] = ["[ ! ] Action Required", "[ . ] Action Required"];

/// Reads the state of a codex in its terminal UI.
#[derive(Debug)]
pub(crate) struct CodexProbe;

impl StateProbe for CodexProbe {
    fn look(&self, look: &mut TypeLook<'_>) -> Option<TypeState> {
        let files = AgentFiles(look.state_dir);
        // Without our launch script nothing is known of what belongs to this process.
        let started = modified(&files.process_started())?;
        let since = Time::from(started);
        let front = front(files);
        if let Some(rollout) = &front {
            let position = remembered(files);
            let search = turn::last_turn(&rollout.path, Some(since), position.as_ref()).ok()?;
            if let Some(position) = search.position {
                remember(files, &position);
            }
            match search.last {
                Some(last) if last.event == TurnEvent::Started => {
                    return Some(working("a turn is in progress", last));
                }
                last => {
                    if let Some(last) = sub_agent_turn(files, &rollout.thread, since) {
                        return Some(working("a sub-agent is in a turn", last));
                    }
                    if let Some(last) = last {
                        return Some(at_rest(last));
                    }
                }
            }
        }
        Some(before_first_turn(files, since, look.at))
    }

    fn with_title(&self, seen: Option<TypeState>, title: &str, _at: Time) -> Option<TypeState> {
        // Only the title tells: a question leaves no trace in the rollout, and a command that runs looks there
        // like one that must be allowed first.
        let is_question = QUESTION_TITLES.iter().any(|question| title.starts_with(question));
        if !is_question {
            return seen;
        }
        Some(TypeState {
            waiting: Some(WaitingReason::Permissions),
            reason: "it asks a person for permission or for an answer".into(),
            since: None,
            signal: "title",
            value: title.to_owned(),
        })
    }
}

fn working(reason: &str, last: LastTurn) -> TypeState {
    TypeState {
        waiting: None,
        reason: reason.to_owned(),
        since: Some(last.at),
        signal: "rollout",
        value: last.event.as_str().to_owned(),
    }
}

fn at_rest(last: LastTurn) -> TypeState {
    let reason = match last.event {
        TurnEvent::Aborted => "its last turn was interrupted",
        _ => "its last turn is complete",
    };
    TypeState {
        waiting: Some(WaitingReason::EndOfTurn),
        reason: reason.into(),
        since: Some(last.at),
        signal: "rollout",
        value: last.event.as_str().to_owned(),
    }
}

/// The process has not begun a turn: it waits, or has a first message that it is about to take.
fn before_first_turn(files: AgentFiles<'_>, since: Time, at: Time) -> TypeState {
    let has_message = modified(&files.sent_prompt()).is_some_and(|sent| Time::from(sent) >= since);
    let is_starting = has_message && since.age(at) < FIRST_TURN;
    TypeState {
        waiting: (!is_starting).then_some(WaitingReason::EndOfTurn),
        reason: if is_starting {
            "it was started with a message and is about to take it".into()
        } else {
            "no turn has begun since it was started".into()
        },
        since: Some(since),
        signal: "rollout",
        value: "no turn".into(),
    }
}

/// The rollout of the conversation in front, written down for the next look and the next start.
fn front(files: AgentFiles<'_>) -> Option<Rollout> {
    let recorded = read_path(&files.transcript_path());
    if let Some(path) = &recorded
        && let Some(rollout) = existing(path)
        // A message to another conversation is in the history before that conversation has a file.
        && modified(&files.history()).is_some_and(|history| history <= rollout.modified)
    {
        return Some(rollout);
    }
    let found = find_front(files)?;
    if recorded.as_deref() != Some(&found.path) {
        record(files, &found);
    }
    Some(found)
}

/// Searches the agent's home for the conversation in front.
pub(crate) fn find_front(files: AgentFiles<'_>) -> Option<Rollout> {
    let all = rollout::find_all(&files.sessions()).ok()?;
    rollout::front(&all, rollout::last_in_history(&files.history()).as_deref()).cloned()
}

/// Writes down which conversation the next start resumes. A look goes on without.
fn record(files: AgentFiles<'_>, rollout: &Rollout) {
    for (path, line) in to_record(files, files.0, rollout) {
        if let Err(error) = storage::write_volatile(&path, line.as_bytes(), 0o600) {
            tracing::debug!(path = %path.display(), %error, "the conversation in front is not written down");
        }
    }
}

/// The files of an agent that say which conversation the next start resumes, with what to write to them; the
/// rollout was found below `seen`, which stands for the state dir.
pub(crate) fn to_record(files: AgentFiles<'_>, seen: &Path, rollout: &Rollout) -> [(PathBuf, String); 2] {
    let path = rollout.path.strip_prefix(seen).map_or(rollout.path.clone(), |below| files.0.join(below));
    [
        (files.root_session(), format!("{}\n", rollout.thread)),
        (files.transcript_path(), format!("{}\n", path.display())),
    ]
}

/// The conversation that the next start is to resume.
pub(crate) fn recorded_thread(files: AgentFiles<'_>) -> Option<String> {
    let text = fs::read_to_string(files.root_session()).ok()?;
    let thread = text.trim();
    is_thread_id(thread).then(|| thread.to_owned())
}

fn existing(path: &Path) -> Option<Rollout> {
    let meta = fs::metadata(path).ok()?;
    let thread = rollout::thread_of(path)?.to_owned();
    Some(Rollout { path: path.to_owned(), thread, modified: meta.modified().ok()?, size: meta.len() })
}

fn read_path(path: &Path) -> Option<PathBuf> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.trim_end_matches('\n');
    (!line.is_empty()).then(|| PathBuf::from(line))
}

/// A turn of another conversation that the process has open: a sub-agent's.
fn sub_agent_turn(files: AgentFiles<'_>, root: &str, since: Time) -> Option<LastTurn> {
    let open = open_threads(&files.thread_locks(), since);
    if open.iter().all(|thread| thread == root) {
        return None;
    }
    let all = rollout::find_all(&files.sessions()).ok()?;
    open.iter()
        .filter(|thread| *thread != root)
        .filter_map(|thread| rollout::of_thread(&all, thread))
        .filter(|rollout| Time::from(rollout.modified) >= since)
        .filter_map(|rollout| turn::last_turn(&rollout.path, Some(since), None).ok()?.last)
        .filter(|last| last.event == TurnEvent::Started)
        .max_by_key(|last| last.at)
}

/// The conversations that a process started at `since` has opened.
pub(crate) fn open_threads(locks: &Path, since: Time) -> BTreeSet<String> {
    let Ok(entries) = fs::read_dir(locks) else { return BTreeSet::new() };
    entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name();
            let thread = name.to_str()?.strip_suffix(".lock").filter(|name| is_thread_id(name))?;
            let opened = entry.metadata().ok()?.modified().ok()?;
            (Time::from(opened) >= since).then(|| thread.to_owned())
        })
        .collect()
}

fn remembered(files: AgentFiles<'_>) -> Option<Position> {
    serde_json::from_slice(&fs::read(files.turn_position()).ok()?).ok()
}

fn remember(files: AgentFiles<'_>, position: &Position) {
    if let Ok(bytes) = serde_json::to_vec(position)
        && let Err(error) = storage::write_volatile(&files.turn_position(), &bytes, 0o600)
    {
        tracing::debug!(%error, "the position in the rollout is not remembered");
    }
}

pub(crate) fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).ok()?.modified().ok()
}

/// Whether the program has come up: it has opened a conversation since its start. It does so when its screen
/// is drawn and no dialog about trust or a login stands before it.
pub(crate) fn is_ready(state_dir: &Path) -> Option<bool> {
    let files = AgentFiles(state_dir);
    let Some(started) = modified(&files.process_started()) else {
        // The launch script has not come to its first line.
        return Some(false);
    };
    let since = Time::from(started);
    if !open_threads(&files.thread_locks(), since).is_empty() {
        return Some(true);
    }
    Some(front(files).is_some_and(|rollout| Time::from(rollout.modified) >= since))
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use mng_core::agents::type_state::ProcessView;
    use mng_core::model::record::AgentRecord;
    use mng_core::storage::SmallReader;
    use serde_json::json;

    use super::*;

    const A: &str = "01a212dc-1783-7250-aac2-8b255d7a55ed";
    const B: &str = "01a212de-82f0-7221-a4ef-04e632fb98a0";

    struct Agent {
        dir: tempfile::TempDir,
        record: AgentRecord,
    }

    impl Agent {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let record = serde_json::from_value(json!({
                "id": "agent-0123456789abcdef0123456789abcdef", "name": "a1", "type": "codex",
                "work_dir": "/w", "create_time": "2026-11-22T13:31:00Z", "command": "codex",
            }))
            .unwrap();
            Self { dir, record }
        }

        fn files(&self) -> AgentFiles<'_> {
            AgentFiles(self.dir.path())
        }

        /// The launch script ran so many seconds ago.
        fn start(&self, ago: u64) {
            fs::create_dir_all(self.files().home()).unwrap();
            self.touch(&self.files().process_started(), ago);
        }

        fn touch(&self, path: &Path, ago: u64) {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let file = fs::File::options().create(true).append(true).open(path).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(ago)).unwrap();
        }

        /// A rollout with these records, each so many seconds ago; the last one dates the file.
        fn rollout(&self, thread: &str, is_sub_agent: bool, records: &[(&str, u64)]) {
            let source = if is_sub_agent { "subagent" } else { "user" };
            let mut text = format!(
                "{{\"type\":\"session_meta\",\"payload\":{{\"id\":\"{thread}\",\"thread_source\":\"{source}\"}}}}\n"
            );
            for (kind, ago) in records {
                let at = Time::from(SystemTime::now() - Duration::from_secs(*ago));
                let _ = writeln!(
                    text,
                    "{{\"timestamp\":\"{at}\",\"type\":\"event_msg\",\"payload\":{{\"type\":\"{kind}\"}}}}"
                );
            }
            let path = self
                .files()
                .sessions()
                .join(format!("2026/11/25/rollout-2026-11-25T13-19-03-{thread}.jsonl"));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            self.touch(&path, records.last().map_or(0, |last| last.1));
        }

        fn history(&self, thread: &str, ago: u64) {
            fs::write(
                self.files().history(),
                format!("{{\"session_id\":\"{thread}\",\"ts\":1,\"text\":\"x\"}}\n"),
            )
            .unwrap();
            self.touch(&self.files().history(), ago);
        }

        fn look(&self) -> Option<TypeState> {
            CodexProbe.look(&mut TypeLook {
                state_dir: self.dir.path(),
                record: &self.record,
                at: Time::now(),
                launch: None,
                markers: mng_core::agents::facts::Markers::default(),
                reader: &mut SmallReader::new(),
                processes: ProcessView::Hidden("not here"),
            })
        }

        fn told(&self) -> String {
            self.look().map_or("nothing".into(), |state| match state.waiting {
                None => format!("works: {}", state.reason),
                Some(why) => format!("{why:?}: {}", state.reason),
            })
        }
    }

    #[test]
    fn a_life() {
        let agent = Agent::new();
        assert_eq!(agent.told(), "nothing", "not started by us");
        agent.start(100);
        assert_eq!(agent.told(), "EndOfTurn: no turn has begun since it was started");
        agent.history(A, 91);
        agent.rollout(A, false, &[("task_started", 90)]);
        assert_eq!(agent.told(), "works: a turn is in progress");
        assert_eq!(fs::read_to_string(agent.files().root_session()).unwrap(), format!("{A}\n"));
        assert!(
            fs::read_to_string(agent.files().transcript_path()).unwrap().ends_with(&format!("{A}.jsonl\n"))
        );
        agent.rollout(A, false, &[("task_started", 90), ("turn_aborted", 80)]);
        assert_eq!(agent.told(), "EndOfTurn: its last turn was interrupted");
        agent.rollout(A, false, &[("task_started", 70), ("task_complete", 60)]);
        assert_eq!(agent.told(), "EndOfTurn: its last turn is complete");
        agent.rollout(A, false, &[("task_started", 70)]);
        agent.start(50);
        assert_eq!(agent.told(), "EndOfTurn: no turn has begun since it was started", "killed in its turn");
    }

    #[test]
    fn a_new_conversation_comes_to_the_front_with_its_first_message() {
        let agent = Agent::new();
        agent.start(100);
        agent.history(A, 81);
        agent.rollout(A, false, &[("task_started", 80), ("task_complete", 70)]);
        assert_eq!(agent.told(), "EndOfTurn: its last turn is complete");
        agent.history(B, 60);
        assert_eq!(agent.told(), "EndOfTurn: its last turn is complete", "it has no file yet");
        agent.rollout(B, false, &[("task_started", 50)]);
        assert_eq!(agent.told(), "works: a turn is in progress");
        assert_eq!(fs::read_to_string(agent.files().root_session()).unwrap(), format!("{B}\n"));
    }

    #[test]
    fn a_sub_agent_goes_on_after_the_turn() {
        let agent = Agent::new();
        agent.start(100);
        agent.rollout(A, false, &[("task_started", 80), ("task_complete", 70)]);
        agent.rollout(B, true, &[("task_started", 75)]);
        assert_eq!(agent.told(), "EndOfTurn: its last turn is complete", "it is not open");
        agent.touch(&agent.files().thread_locks().join(format!("{A}.lock")), 90);
        agent.touch(&agent.files().thread_locks().join(format!("{B}.lock")), 76);
        assert_eq!(agent.told(), "works: a sub-agent is in a turn");
        agent.rollout(B, true, &[("task_started", 75), ("task_complete", 65)]);
        assert_eq!(agent.told(), "EndOfTurn: its last turn is complete");
    }

    #[test]
    fn a_message_given_at_the_start_is_work_to_come() {
        let agent = Agent::new();
        agent.start(5);
        agent.touch(&agent.files().sent_prompt(), 4);
        assert_eq!(agent.told(), "works: it was started with a message and is about to take it");
        agent.start(60);
        agent.touch(&agent.files().sent_prompt(), 59);
        assert_eq!(agent.told(), "EndOfTurn: no turn has begun since it was started", "it never took it");
        agent.start(5);
        agent.touch(&agent.files().sent_prompt(), 3000);
        assert_eq!(agent.told(), "EndOfTurn: no turn has begun since it was started", "of an earlier start");
    }

    #[test]
    fn an_open_question_shows_in_the_title() {
        let agent = Agent::new();
        agent.start(100);
        agent.rollout(A, false, &[("task_started", 80)]);
        let seen = agent.look();
        let with = |title| CodexProbe.with_title(seen.clone(), title, Time::now()).unwrap();
        for title in ["work", "⠧ work", "Action Required", ""] {
            assert_eq!(Some(with(title)), seen, "{title}");
        }
        for title in ["[ . ] Action Required | work", "[ ! ] Action Required | work"] {
            assert_eq!(with(title).waiting, Some(WaitingReason::Permissions), "{title}");
        }
    }

    #[test]
    fn it_is_ready_when_it_has_opened_a_conversation() {
        let agent = Agent::new();
        assert_eq!(is_ready(agent.dir.path()), Some(false));
        agent.start(10);
        assert_eq!(is_ready(agent.dir.path()), Some(false));
        let lock = agent.files().thread_locks().join(format!("{A}.lock"));
        agent.touch(&lock, 20);
        assert_eq!(is_ready(agent.dir.path()), Some(false), "an earlier process's");
        agent.touch(&lock, 5);
        assert_eq!(is_ready(agent.dir.path()), Some(true));
    }
}
