use super::*;
use crate::agents::facts::{Activity, Markers, TypeTraits};
use crate::agents::launch::LaunchFile;
use crate::agents::processes::{ProcessId, StartTime};

fn time(seconds: i64) -> Time {
    format!("2026-11-22T13:{:02}:{:02}Z", 10 + seconds / 60, seconds % 60).parse().unwrap()
}

const NOW: i64 = 600;
const PID: i32 = 500;

/// A `claude` in a bash of its own, that mng started and that is in its turn.
fn claude() -> AgentFacts {
    let record = serde_json::json!({
        "id": "agent-0123456789abcdef0123456789abcdef", "name": "a1", "type": "claude", "work_dir": "/w",
        "create_time": "2026-11-22T13:00:00Z", "command": "claude --x",
    });
    AgentFacts {
        at: time(NOW),
        record: serde_json::from_value(record).unwrap(),
        traits: TypeTraits {
            process_names: vec!["claude".into()],
            is_known: true,
            tracks_activity: true,
            blocked_marker: Some("permissions_waiting".into()),
            probe: None,
            agent_type: None,
        },
        session: Seen::Yes(Some(SessionFacts {
            id: "$1".into(),
            name: "mng-a1".into(),
            is_marked: true,
            pane: Some(PaneFacts {
                id: "%1".into(),
                pid: 100,
                is_dead: false,
                dead_status: None,
                command: "sh".into(),
                title: String::new(),
            }),
        })),
        name_taken_by: None,
        launch: Some(LaunchFacts {
            file: LaunchFile {
                process: Some(ProcessId { pid: PID, started: StartTime::parse("7") }),
                exit_code: None,
            },
            modified: time(60),
            is_alive: Seen::Yes(true),
        }),
        tree: None,
        markers: Markers { active: Some(time(570)), blocked: None },
        type_state: None,
        activity: Activity { start: Some(time(60)), agent: Some(time(540)), ..Activity::default() },
        url: None,
        usage: None,
    }
}

fn changed(change: impl FnOnce(&mut AgentFacts)) -> AgentFacts {
    let mut facts = claude();
    change(&mut facts);
    facts
}

/// The same agent, started by the original, which writes no launch file; `command` in front, `tree` below.
fn original(command: &str, tree: &[(i32, &str)]) -> AgentFacts {
    changed(|facts| {
        facts.launch = None;
        in_pane(facts, command, tree);
    })
}

fn in_pane(facts: &mut AgentFacts, command: &str, tree: &[(i32, &str)]) {
    if let Seen::Yes(Some(session)) = &mut facts.session {
        session.is_marked = false;
        session.pane.as_mut().unwrap().command = command.into();
    }
    facts.tree = Some(Seen::Yes(
        tree.iter().map(|(pid, name)| TreeProcess { pid: *pid, name: (*name).into() }).collect(),
    ));
}

/// The agent after its program has ended.
fn ended(command: &str, tree: &[(i32, &str)]) -> AgentFacts {
    changed(|facts| {
        let launch = facts.launch.as_mut().unwrap();
        launch.is_alive = Seen::Yes(false);
        launch.file.exit_code = Some(3);
        launch.modified = time(590);
        in_pane(facts, command, tree);
    })
}

fn plain(mut facts: AgentFacts) -> AgentFacts {
    facts.traits.tracks_activity = false;
    facts.markers = Markers::default();
    facts
}

fn unknown_type(mut facts: AgentFacts) -> AgentFacts {
    facts.traits.is_known = false;
    facts.traits.tracks_activity = false;
    facts
}

/// `STATE/WAITING_REASON decided_by pid age: reason`
fn told(facts: &AgentFacts) -> String {
    let judgement = judge(facts);
    let why = judgement.waiting_reason.map(|reason| format!("/{reason}")).unwrap_or_default();
    let pid = judgement.pid.map(|pid| format!(" pid {pid}")).unwrap_or_default();
    let age = judgement.age.map(|age| format!(" {}s", age.as_secs())).unwrap_or_default();
    let decided = judgement.decided_by;
    assert!(
        judgement.signals.iter().any(|signal| signal.name == decided),
        "{decided} is none of {:?}",
        judgement.signals
    );
    format!("{}{why} {decided}{pid}{age}: {}", judgement.state, judgement.reason)
}

#[test]
fn every_row() {
    let other: AgentId = "agent-11111111111111111111111111111111".parse().unwrap();
    let rows: Vec<(&str, AgentFacts)> = vec![
        ("tmux does not answer", changed(|facts| facts.session = Seen::No("tmux is slow".into()))),
        (
            "no session",
            changed(|facts| {
                facts.session = Seen::Yes(None);
                facts.launch = None;
            }),
        ),
        ("no session, process left", changed(|facts| facts.session = Seen::Yes(None))),
        (
            "name taken",
            changed(|facts| {
                facts.session = Seen::Yes(None);
                facts.name_taken_by = Some(other);
            }),
        ),
        (
            "no pane",
            changed(|facts| {
                if let Seen::Yes(Some(session)) = &mut facts.session {
                    session.pane = None;
                }
            }),
        ),
        (
            "dead pane, whatever else",
            changed(|facts| {
                if let Seen::Yes(Some(SessionFacts { pane: Some(pane), .. })) = &mut facts.session {
                    pane.is_dead = true;
                    pane.dead_status = Some(1);
                }
            }),
        ),
        ("launched, in a turn", claude()),
        ("launched, at rest", changed(|facts| facts.markers.active = None)),
        ("launched, asking", changed(|facts| facts.markers.blocked = Some(time(580)))),
        (
            "launched, stale question",
            changed(|facts| facts.markers = Markers { active: None, blocked: Some(time(5)) }),
        ),
        ("launched, no turns", plain(claude())),
        ("launched, unknown type", unknown_type(claude())),
        (
            "launched, process unseen",
            changed(|facts| facts.launch.as_mut().unwrap().is_alive = Seen::No("permission denied".into())),
        ),
        (
            "launching",
            plain(changed(|facts| {
                let launch = facts.launch.as_mut().unwrap();
                launch.file = LaunchFile::default();
                launch.is_alive = Seen::Yes(false);
                launch.modified = time(595);
            })),
        ),
        (
            "never launched",
            plain(changed(|facts| {
                let launch = facts.launch.as_mut().unwrap();
                launch.file = LaunchFile::default();
                launch.is_alive = Seen::Yes(false);
                launch.modified = time(500);
            })),
        ),
        ("ended, shell in front", ended("bash", &[(100, "bash")])),
        (
            "killed, shell in front",
            changed(|facts| facts.launch.as_mut().unwrap().is_alive = Seen::Yes(false)),
        ),
        ("ended, its name elsewhere", ended("vim", &[(100, "bash"), (101, "vim"), (102, "claude")])),
        ("ended, unknown type, shell", unknown_type(ended("bash", &[(100, "bash")]))),
        ("ended, unknown type, other", unknown_type(ended("bash", &[(100, "bash"), (7, "make")]))),
        (
            "launch file of an earlier start",
            changed(|facts| {
                facts.activity.start = Some(time(100));
                in_pane(facts, "claude", &[(100, "bash"), (101, "claude")]);
            }),
        ),
        ("4: in front", original("claude", &[(100, "bash"), (101, "claude")])),
        ("4: by path", original("/usr/bin/claude", &[(100, "bash"), (101, "claude")])),
        ("5: behind a title", original("2.1.3", &[(100, "bash"), (101, "node"), (102, "claude")])),
        ("5: the pane itself", original("2.1.3", &[(100, "claude")])),
        ("4: no turns", plain(original("claude", &[]))),
        ("4: unknown type", unknown_type(original("claude", &[]))),
        ("6: shell in front, helper below", original("zsh", &[(100, "zsh"), (101, "tee")])),
        ("6: login shell", original("-zsh", &[(100, "zsh")])),
        ("7: something else", original("vim", &[(100, "bash"), (101, "vim")])),
        ("7: unknown type, below a shell", unknown_type(original("bash", &[(100, "bash"), (101, "node")]))),
        ("8: unknown type, shell", unknown_type(original("bash", &[(100, "bash")]))),
        ("8: the pane's process is a shell", original("some title", &[(100, "bash")])),
        ("9: the pane's process is another", original("htop", &[(100, "htop")])),
        ("9: unknown type", unknown_type(original("htop", &[(100, "htop")]))),
        (
            "tree unseen",
            changed(|facts| {
                facts.launch = None;
                facts.tree = Some(Seen::No("ps failed".into()));
            }),
        ),
    ];
    let table: String = rows.iter().map(|(name, facts)| format!("{name}: {}\n", told(facts))).collect();
    insta::assert_snapshot!(table, @r#"
    tmux does not answer: UNKNOWN session: cannot see its session: tmux is slow
    no session: STOPPED session: it has no tmux session
    no session, process left: STOPPED session: it has no tmux session, but process 500 is left of it
    name taken: STOPPED session: the session of its name belongs to agent agent-11111111111111111111111111111111
    no pane: STOPPED session: its session has no pane
    dead pane, whatever else: DONE pane: the program of its pane has ended with exit code 1
    launched, in a turn: RUNNING active pid 500 30s: a turn is in progress
    launched, at rest: WAITING/END_OF_TURN active pid 500 60s: its program runs, and no turn is in progress
    launched, asking: WAITING/PERMISSIONS blocked pid 500 20s: it asks a person for permission in the middle of a turn
    launched, stale question: WAITING/END_OF_TURN active pid 500 60s: its program runs, and no turn is in progress
    launched, no turns: RUNNING launch pid 500 540s: its program runs
    launched, unknown type: RUNNING_UNKNOWN_AGENT_TYPE launch pid 500 540s: its program runs, and this mng does not know its type `claude`
    launched, process unseen: UNKNOWN launch: cannot see whether process 500 runs: permission denied
    launching: RUNNING launch 5s: its shell is starting
    never launched: DONE launch 100s: the shell of its pane has not started its program
    ended, shell in front: DONE launch 10s: its program has ended with exit code 3
    killed, shell in front: DONE launch: its program (process 500) is gone without an exit code
    ended, its name elsewhere: REPLACED process_tree: `vim` (process 101) runs where its program should
    ended, unknown type, shell: DONE launch 10s: its program has ended with exit code 3
    ended, unknown type, other: RUNNING_UNKNOWN_AGENT_TYPE process_tree: `make` runs in its pane, and this mng does not know its type `claude`
    launch file of an earlier start: RUNNING active pid 101 30s: a turn is in progress
    4: in front: RUNNING active pid 101 30s: a turn is in progress
    4: by path: RUNNING active pid 101 30s: a turn is in progress
    5: behind a title: RUNNING active pid 102 30s: a turn is in progress
    5: the pane itself: RUNNING active pid 100 30s: a turn is in progress
    4: no turns: RUNNING pane pid 100 540s: `claude` runs in its pane
    4: unknown type: RUNNING_UNKNOWN_AGENT_TYPE pane pid 100 540s: `claude` runs in its pane, and this mng does not know its type `claude`
    6: shell in front, helper below: DONE pane: a shell is in front of its pane
    6: login shell: DONE pane: a shell is in front of its pane
    7: something else: REPLACED process_tree: `vim` (process 101) runs where its program should
    7: unknown type, below a shell: RUNNING_UNKNOWN_AGENT_TYPE process_tree: `node` runs in its pane, and this mng does not know its type `claude`
    8: unknown type, shell: DONE process_tree: only a shell runs in its pane
    8: the pane's process is a shell: DONE process_tree: only a shell runs in its pane
    9: the pane's process is another: REPLACED process_tree: `htop` (process 100) runs where its program should
    9: unknown type: RUNNING_UNKNOWN_AGENT_TYPE process_tree: `htop` runs in its pane, and this mng does not know its type `claude`
    tree unseen: UNKNOWN process_tree: cannot see the processes in its pane: ps failed
    "#);
}

#[test]
fn names_are_compared_as_the_process_table_cuts_them() {
    assert!(is_same_program("a-very-long-nam", "a-very-long-name-indeed"));
    assert!(!is_same_program("a-very-long-na", "a-very-long-name-indeed"));
    assert!(is_same_program("/opt/bin/claude", "claude"));
    assert!(is_shell("-zsh") && is_shell("/bin/bash") && !is_shell("bashful"));
}

#[test]
fn the_tree_is_asked_for_only_where_it_decides() {
    let without = |mut facts: AgentFacts| {
        facts.tree = None;
        needs_tree(&facts)
    };
    assert!(!without(claude()));
    assert!(!without(ended("bash", &[])), "a known type with a shell in front is done");
    assert!(!without(original("claude", &[])));
    assert!(!without(changed(|facts| facts.session = Seen::Yes(None))));
    assert!(without(original("bash", &[])));
    assert!(without(ended("vim", &[])));
    let mut unasked = original("bash", &[]);
    unasked.tree = None;
    assert_eq!(judge(&unasked).state, AgentState::Unknown);
}

#[test]
fn the_evidence_is_complete() {
    let signals = |facts: &AgentFacts| {
        judge(facts)
            .signals
            .iter()
            .map(|signal| {
                let age = signal.age.map(|age| format!(" [{}s]", age.as_secs())).unwrap_or_default();
                format!("{}: {}{age}\n", signal.name, signal.value)
            })
            .collect::<String>()
    };
    insta::assert_snapshot!(signals(&claude()), @r#"
    session: mng-a1 ($1), by id
    pane: %1, process 100, `sh` in front
    launch: process 500 runs [540s]
    active: exists [30s]
    blocked: absent
    type: claude (marks turns), program claude
    activity_start: 2026-11-22T13:11:00Z [540s]
    activity_agent: 2026-11-22T13:19:00Z [60s]
    "#);
    insta::assert_snapshot!(signals(&plain(original("vim", &[(100, "bash"), (101, "vim")]))), @r#"
    session: mng-a1 ($1), by name only
    pane: %1, process 100, `vim` in front
    launch: none
    process_tree: bash (100), vim (101)
    type: claude (does not mark turns), program claude
    activity_start: 2026-11-22T13:11:00Z [540s]
    activity_agent: 2026-11-22T13:19:00Z [60s]
    "#);
}
