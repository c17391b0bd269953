//! The state of a live Claude Code, by the registry that it keeps of its sessions.
//!
//! Hooks alone are wrong in many cases: nothing fires when Esc ends a turn, when a permission is denied, when
//! a dialog opens; a queued message starts without any. `<config dir>/sessions/<pid>.json` (Claude Code
//! 2.1.332) is right in all of them. It is undocumented, so the markers of the hooks decide where it is silent.

use std::path::{Path, PathBuf};
use std::time::Duration;

use mng_core::agents::facts::Seen;
use mng_core::agents::mirror::{FilePart, WatchedFile};
use mng_core::agents::processes::StartTime;
use mng_core::agents::type_state::{StateProbe, TypeLook, TypeState};
use mng_core::model::state::WaitingReason;
use mng_core::model::time::Time;
use serde::Deserialize;

use crate::command;
use crate::places::ISOLATED_DIR;

/// How long the program may take to come up. A dialog before its session takes longer.
const START: Duration = Duration::from_secs(10);
/// For how long the hook of a new turn is believed before the registry shows the turn.
const SUBMIT_LAG: Duration = Duration::from_secs(3);

/// Below the state dir: the hook's link to the registry entry of the running program.
pub(crate) const REGISTRY_LINK: &str = "claude_registry";

/// Its signal's name where no session has begun.
const BEFORE_SESSION: &str = "session_started";

/// What [`ClaudeProbe`] and readiness look at, for agents of other machines.
pub(crate) const WATCHED: [WatchedFile; 5] = [
    WatchedFile::new(REGISTRY_LINK, FilePart::Whole),
    WatchedFile::new("claude_main_pid", FilePart::Whole),
    WatchedFile::new("claude_transcript_path", FilePart::Path),
    WatchedFile::new("session_started", FilePart::Time),
    WatchedFile { newest: 4, ..WatchedFile::new("plugin/claude/anthropic/sessions/*.json", FilePart::Whole) },
];

/// Reads the session registry.
#[derive(Debug)]
pub(crate) struct ClaudeProbe;

/// One session, as its process describes it; other fields do not matter.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Registered {
    pid: i32,
    /// Field 22 of `/proc/<pid>/stat`, on Linux.
    proc_start: Option<String>,
    /// Absent for the first moments.
    status: Option<String>,
    waiting_for: Option<String>,
    /// Milliseconds since 1970.
    status_updated_at: Option<i64>,
}

impl StateProbe for ClaudeProbe {
    fn look(&self, look: &mut TypeLook<'_>) -> Option<TypeState> {
        if let Some(state) = linked(look).and_then(|session| judge(look, &session)) {
            return Some(state);
        }
        let Some(pid) =
            read(look, &look.state_dir.join("claude_main_pid")).and_then(|text| text.parse().ok())
        else {
            return before_session(look);
        };
        let registered = registered(look, pid)?;
        match registered.as_ref().and_then(|session| judge(look, session)) {
            // Not the signal of a start before the session: the terminal has its title by now.
            None if is_young(look) => {
                Some(TypeState { signal: "registry", ..starting(look, "its session begins") })
            }
            judged => judged,
        }
    }

    fn with_title(&self, seen: Option<TypeState>, title: &str, _at: Time) -> Option<TypeState> {
        // The program names the terminal when its session begins: then only the hooks are missing.
        let has_begun = title.contains("Claude Code");
        seen.filter(|seen| !(seen.signal == BEFORE_SESSION && seen.waiting.is_some() && has_begun))
    }
}

/// The text of a small file, without the line's end.
fn read(look: &mut TypeLook<'_>, path: &Path) -> Option<String> {
    let bytes = look.reader.read(path).ok()?;
    Some(std::str::from_utf8(bytes).ok()?.trim().to_owned())
}

/// The registry entry by the link that the hook made: one file, for the common case in which mng's own launch
/// script still waits for the program. Whatever is odd about it is left to the slow way.
fn linked(look: &mut TypeLook<'_>) -> Option<Registered> {
    if look.launch?.is_alive != Seen::Yes(true) {
        return None;
    }
    let link = look.state_dir.join(REGISTRY_LINK);
    let session: Registered = serde_json::from_slice(look.reader.read(&link).ok()?).ok()?;
    // The script may go on to something else when the program was killed, and its entry stays then.
    let is_there = look.has_process(session.pid)?;
    (is_there && session.proc_start.is_some()).then_some(session)
}

/// The registry entry of that process; `Some(None)` if it has none. `None`: it is no Claude Code any more.
fn registered(look: &mut TypeLook<'_>, pid: i32) -> Option<Option<Registered>> {
    let process = match look.process(pid) {
        Seen::Yes(process) => Some(process.filter(|process| !process.is_zombie)?),
        // Without /proc the launch file tells whether the program lives.
        Seen::No(_) => None,
    };
    let path = config_dir(look)?.join("sessions").join(format!("{pid}.json"));
    let session: Option<Registered> =
        look.reader.read(&path).ok().and_then(|bytes| serde_json::from_slice(bytes).ok());
    let session = session.filter(|session| session.pid == pid);
    let Some(process) = process else { return Some(session) };
    // Pids come round again, and files of killed processes stay.
    let started = session.as_ref().and_then(|session| session.proc_start.as_deref());
    match started {
        Some(started) => (StartTime::parse(started) == process.id.started).then_some(session),
        None => is_claude(&process.name).then_some(session),
    }
}

/// The native program, or the one of npm.
fn is_claude(name: &str) -> bool {
    matches!(name, "claude" | "node")
}

/// The agent's own directory, or the person's: the path that the hook wrote is in it.
fn config_dir(look: &mut TypeLook<'_>) -> Option<PathBuf> {
    if command::is_sharing(&look.record.command) == Some(false) {
        return Some(look.state_dir.join(ISOLATED_DIR));
    }
    let transcript = PathBuf::from(read(look, &look.state_dir.join("claude_transcript_path"))?);
    // <config dir>/projects/<work dir>/<session>.jsonl
    transcript.ancestors().nth(3).map(Path::to_path_buf)
}

fn judge(look: &TypeLook<'_>, session: &Registered) -> Option<TypeState> {
    let since = session.status_updated_at.and_then(time);
    let (waiting, reason) = match (session.status.as_deref()?, session.waiting_for.as_deref()) {
        ("busy", _) => (None, "it works on a turn"),
        ("idle", _) => match look.markers.active {
            // The hook ran, and the registry does not show it yet.
            Some(active) if since.is_some_and(|since| active > since) && active.age(look.at) < SUBMIT_LAG => {
                (None, "it has just taken a message")
            }
            _ => (Some(WaitingReason::EndOfTurn), "its turn is over"),
        },
        ("waiting", Some(what)) if what.contains("permission") => {
            (Some(WaitingReason::Permissions), "it asks a person for permission")
        }
        ("waiting", Some(what)) if what.contains("input") => {
            (Some(WaitingReason::Dialog), "it has a question for a person")
        }
        ("waiting", _) => (Some(WaitingReason::Dialog), "a dialog is open"),
        _ => return None,
    };
    let value = match (&session.status, &session.waiting_for) {
        (Some(status), Some(what)) => format!("{status}, {what}"),
        (status, _) => status.clone().unwrap_or_default(),
    };
    Some(TypeState { waiting, reason: reason.into(), since, signal: "registry", value })
}

fn time(milliseconds: i64) -> Option<Time> {
    let since = Duration::from_millis(u64::try_from(milliseconds).ok()?);
    Some(std::time::UNIX_EPOCH.checked_add(since)?.into())
}

/// When the shell line that starts the program began.
fn launched(look: &TypeLook<'_>) -> Option<Time> {
    look.launch.filter(|launch| launch.file.process.is_some()).map(|launch| launch.modified)
}

fn is_young(look: &TypeLook<'_>) -> bool {
    launched(look).is_some_and(|launched| launched.age(look.at) < START)
}

fn starting(look: &TypeLook<'_>, value: &str) -> TypeState {
    TypeState {
        waiting: None,
        reason: "it is starting".into(),
        since: launched(look),
        signal: BEFORE_SESSION,
        value: value.into(),
    }
}

/// The hook of the session's start has not run: the program comes up, or a dialog is in the way, such as
/// whether the directory is trusted.
fn before_session(look: &TypeLook<'_>) -> Option<TypeState> {
    let launched = launched(look)?;
    // Written by a hook that does not know the process.
    if look.state_dir.join("session_started").exists() {
        return None;
    }
    if is_young(look) {
        return Some(starting(look, "absent"));
    }
    Some(TypeState {
        waiting: Some(WaitingReason::Dialog),
        reason: "its session has not begun: a dialog of its start seems to be open".into(),
        since: Some(launched),
        signal: BEFORE_SESSION,
        value: "absent".into(),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use mng_core::agents::facts::{LaunchFacts, Markers};
    use mng_core::agents::launch::LaunchFile;
    use mng_core::agents::type_state::ProcessView;
    use mng_core::storage::SmallReader;
    use serde_json::json;

    use super::*;

    /// What the registry's link alone tells: of an agent whose launch script is alive or not, while `/proc` has
    /// a process 7 or nothing. No other file is there to be read.
    fn told(is_alive: bool, has_process: bool, session: &serde_json::Value) -> Option<String> {
        let dir = tempfile::tempdir().unwrap();
        let proc_dir = dir.path().join("proc");
        fs::create_dir_all(proc_dir.join(if has_process { "7" } else { "8" })).unwrap();
        fs::write(dir.path().join("7.json"), session.to_string()).unwrap();
        std::os::unix::fs::symlink(dir.path().join("7.json"), dir.path().join(REGISTRY_LINK)).unwrap();
        let record = serde_json::from_value(json!({
            "id": "agent-0123456789abcdef0123456789abcdef", "name": "a1", "type": "claude",
            "work_dir": "/w", "create_time": "2026-11-22T13:31:00Z", "command": "claude",
        }))
        .unwrap();
        let launch =
            LaunchFacts { file: LaunchFile::default(), modified: Time::now(), is_alive: Seen::Yes(is_alive) };
        let state = ClaudeProbe.look(&mut TypeLook {
            state_dir: dir.path(),
            record: &record,
            at: Time::now(),
            launch: Some(&launch),
            markers: Markers::default(),
            reader: &mut SmallReader::new(),
            processes: ProcessView::Files(&proc_dir),
        });
        state.map(|state| state.value)
    }

    #[test]
    fn one_file_tells_the_state() {
        let idle = json!({"pid": 7, "procStart": "1", "status": "idle", "statusUpdatedAt": 1});
        assert_eq!(told(true, true, &idle).as_deref(), Some("idle"));
        assert_eq!(told(true, false, &idle), None, "the program was killed");
        assert_eq!(told(false, true, &idle), None, "who launched it is gone, and pids come round again");
        let old = json!({"pid": 7, "status": "idle", "statusUpdatedAt": 1});
        assert_eq!(told(true, true, &old), None, "nothing says whose entry it is");
        assert_eq!(told(true, true, &json!("torn")), None);
    }
}
