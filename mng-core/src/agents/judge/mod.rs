//! What an agent is doing, judged from what was seen of it.
//!
//! One pure function for every path: `list` and `wait` once used different inputs and disagreed.

#[cfg(test)]
mod tests;

use std::time::Duration;

use super::facts::{AgentFacts, LaunchFacts, PaneFacts, Seen, SessionFacts, TreeProcess};
use crate::model::ids::AgentId;
use crate::model::state::{AgentState, WaitingReason};
use crate::model::time::Time;

/// Programs that wait for a person: one in the foreground means that nothing of the agent's runs there.
const SHELLS: [&str; 8] = ["bash", "sh", "zsh", "fish", "dash", "ksh", "tcsh", "csh"];

/// How long the pane's shell may take to get to the typed line. Longer, and something has eaten it.
const LAUNCH_GRACE: Duration = Duration::from_secs(30);

/// Names in the process table of Linux are cut to this many bytes.
const NAME_LIMIT: usize = 15;

/// Whether a program, by its name in the process table, is an interactive shell's.
#[must_use]
pub fn is_shell(name: &str) -> bool {
    SHELLS.contains(&base_name(name))
}

/// macOS names processes by path, and login shells by `-zsh`.
fn base_name(name: &str) -> &str {
    let name = name.rsplit('/').next().unwrap_or(name);
    name.strip_prefix('-').unwrap_or(name)
}

fn is_same_program(seen: &str, expected: &str) -> bool {
    let (seen, expected) = (base_name(seen), base_name(expected));
    seen == expected
        || (seen.len() == NAME_LIMIT && expected.as_bytes().get(..NAME_LIMIT) == Some(seen.as_bytes()))
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signal {
    pub name: &'static str,
    pub value: String,
    /// How old it is, if it has an age.
    pub age: Option<Duration>,
}

/// A state with its evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    pub state: AgentState,
    /// Only with WAITING.
    pub waiting_reason: Option<WaitingReason>,
    /// One sentence, lower case, without a full stop.
    pub reason: String,
    /// The name of the signal that decided.
    pub decided_by: &'static str,
    /// How long the state has lasted, as far as the deciding signal tells.
    pub age: Option<Duration>,
    /// The agent's process.
    pub pid: Option<i32>,
    /// All that was looked at, in the order of weight.
    pub signals: Vec<Signal>,
}

/// What was found to decide, before the signals are added.
struct Verdict {
    state: AgentState,
    waiting_reason: Option<WaitingReason>,
    reason: String,
    decided_by: &'static str,
    since: Option<Time>,
    pid: Option<i32>,
}

impl Verdict {
    fn new(state: AgentState, decided_by: &'static str, reason: impl Into<String>) -> Self {
        Self { state, waiting_reason: None, reason: reason.into(), decided_by, since: None, pid: None }
    }

    fn since(mut self, since: Option<Time>) -> Self {
        self.since = since;
        self
    }
}

/// Judges what was seen.
#[must_use]
pub fn judge(facts: &AgentFacts) -> Judgement {
    let verdict = match decide(facts) {
        Step::Judged(verdict) => verdict,
        Step::NeedsTree => {
            Verdict::new(AgentState::Unknown, "pane", "the processes in its pane were not looked at")
        }
    };
    Judgement {
        state: verdict.state,
        waiting_reason: verdict.waiting_reason,
        reason: verdict.reason,
        decided_by: verdict.decided_by,
        age: verdict.since.map(|since| since.age(facts.at)),
        pid: verdict.pid,
        signals: signals(facts),
    }
}

/// The judgement of an agent on a host that could not be entered, or of which nothing else is known.
#[must_use]
pub fn unseen(reason: impl Into<String>) -> Judgement {
    unjudged(AgentState::Unknown, reason.into())
}

/// The judgement of an agent on a host that its provider says is not live.
#[must_use]
pub fn on_stopped_host(host_state: impl std::fmt::Display) -> Judgement {
    unjudged(AgentState::Stopped, format!("its host is {host_state}"))
}

fn unjudged(state: AgentState, reason: String) -> Judgement {
    Judgement {
        state,
        waiting_reason: None,
        signals: vec![Signal { name: "host", value: reason.clone(), age: None }],
        reason,
        decided_by: "host",
        age: None,
        pid: None,
    }
}

/// Whether the state depends on the processes in the pane. The probe looks at them only then.
#[must_use]
pub(super) fn needs_tree(facts: &AgentFacts) -> bool {
    facts.tree.is_none() && matches!(decide(facts), Step::NeedsTree)
}

enum Step {
    Judged(Verdict),
    NeedsTree,
}

fn decide(facts: &AgentFacts) -> Step {
    Step::Judged(match &facts.session {
        Seen::No(why) => {
            Verdict::new(AgentState::Unknown, "session", format!("cannot see its session: {why}"))
        }
        Seen::Yes(None) => no_session(facts),
        Seen::Yes(Some(SessionFacts { pane: None, .. })) => {
            Verdict::new(AgentState::Stopped, "session", "its session has no pane")
        }
        Seen::Yes(Some(SessionFacts { pane: Some(pane), .. })) if pane.is_dead => {
            let code = pane.dead_status.map(|code| format!(" with exit code {code}")).unwrap_or_default();
            Verdict::new(AgentState::Done, "pane", format!("the program of its pane has ended{code}"))
        }
        Seen::Yes(Some(SessionFacts { pane: Some(pane), .. })) => match by_launch(facts) {
            Some(verdict) => verdict,
            None => return by_processes(facts, pane),
        },
    })
}

fn no_session(facts: &AgentFacts) -> Verdict {
    let reason = match (&facts.name_taken_by, valid_launch(facts)) {
        (Some(owner), _) => format!("the session of its name belongs to agent {owner}"),
        (None, Some(LaunchFacts { file, is_alive: Seen::Yes(true), .. })) => {
            let pid = file.process.map(|process| process.pid).unwrap_or_default();
            format!("it has no tmux session, but process {pid} is left of it")
        }
        (None, _) => "it has no tmux session".to_owned(),
    };
    Verdict::new(AgentState::Stopped, "session", reason)
}

/// The launch file, unless another program started the agent after it was written.
fn valid_launch(facts: &AgentFacts) -> Option<&LaunchFacts> {
    let launch = facts.launch.as_ref()?;
    let is_current = facts.activity.start.is_none_or(|start| launch.modified >= start);
    is_current.then_some(launch)
}

/// What the launch file decides: the program runs, or is about to.
fn by_launch(facts: &AgentFacts) -> Option<Verdict> {
    let launch = valid_launch(facts)?;
    match (&launch.file.process, &launch.is_alive) {
        (Some(process), Seen::Yes(true)) => {
            Some(alive(facts, Some(process.pid), "launch", Some(launch.modified), "its program runs"))
        }
        (Some(process), Seen::No(why)) => Some(Verdict::new(
            AgentState::Unknown,
            "launch",
            format!("cannot see whether process {} runs: {why}", process.pid),
        )),
        (None, _) if launch.modified.age(facts.at) < LAUNCH_GRACE => {
            Some(alive(facts, None, "launch", Some(launch.modified), "its shell is starting"))
        }
        _ => None,
    }
}

/// The state of a live program.
fn alive(
    facts: &AgentFacts,
    pid: Option<i32>,
    decided_by: &'static str,
    since: Option<Time>,
    reason: &str,
) -> Verdict {
    let mut verdict = if !facts.traits.is_known {
        let known = format!("{reason}, and this mng does not know its type `{}`", facts.record.agent_type);
        Verdict::new(AgentState::RunningUnknownAgentType, decided_by, known).since(since)
    } else if let Some(seen) = &facts.type_state {
        let state = if seen.waiting.is_some() { AgentState::Waiting } else { AgentState::Running };
        let mut verdict = Verdict::new(state, seen.signal, seen.reason.clone()).since(seen.since);
        verdict.waiting_reason = seen.waiting;
        verdict
    } else if !facts.traits.tracks_activity {
        Verdict::new(AgentState::Running, decided_by, reason).since(since)
    } else {
        match (facts.markers.active, facts.markers.blocked) {
            (Some(active), None) => {
                Verdict::new(AgentState::Running, "active", "a turn is in progress").since(Some(active))
            }
            (Some(_), Some(blocked)) => {
                let mut verdict = Verdict::new(
                    AgentState::Waiting,
                    "blocked",
                    "it asks a person for permission in the middle of a turn",
                );
                verdict.waiting_reason = Some(WaitingReason::Permissions);
                verdict.since(Some(blocked))
            }
            // A marker of a question without a turn is left over.
            (None, _) => {
                let mut verdict = Verdict::new(
                    AgentState::Waiting,
                    "active",
                    format!("{reason}, and no turn is in progress"),
                );
                verdict.waiting_reason = Some(WaitingReason::EndOfTurn);
                verdict.since(facts.activity.agent)
            }
        }
    };
    verdict.pid = pid;
    verdict
}

/// Without a live program of ours: what else runs in the pane.
fn by_processes(facts: &AgentFacts, pane: &PaneFacts) -> Step {
    let launch = valid_launch(facts);
    let expected =
        |name: &str| facts.traits.process_names.iter().any(|program| is_same_program(name, program));
    let tree = match &facts.tree {
        Some(Seen::No(why)) => {
            return Step::Judged(Verdict::new(
                AgentState::Unknown,
                "process_tree",
                format!("cannot see the processes in its pane: {why}"),
            ));
        }
        Some(Seen::Yes(tree)) => Some(tree),
        None => None,
    };
    // A launch file knows better than names do whether the agent's own program runs.
    if launch.is_none() {
        if expected(&pane.command) {
            let pid = tree
                .and_then(|tree| tree.iter().find(|process| expected(&process.name)))
                .map(|process| process.pid);
            let reason = format!("`{}` runs in its pane", pane.command);
            return Step::Judged(alive(facts, pid.or(Some(pane.pid)), "pane", facts.activity.start, &reason));
        }
        let Some(tree) = tree else { return Step::NeedsTree };
        if let Some(TreeProcess { pid, name }) = tree.iter().find(|process| expected(&process.name)) {
            let reason = format!("`{name}` runs in its pane");
            return Step::Judged(alive(facts, Some(*pid), "process_tree", facts.activity.start, &reason));
        }
    }
    if facts.traits.is_known && is_shell(&pane.command) {
        return Step::Judged(done(launch, "pane"));
    }
    let Some(tree) = tree else { return Step::NeedsTree };
    let below = || tree.iter().filter(|process| process.pid != pane.pid);
    if let Some(TreeProcess { pid, name }) = below().find(|process| !is_shell(&process.name)) {
        return Step::Judged(something_else(facts, name, *pid));
    }
    let is_shell_pane = tree.iter().any(|process| process.pid == pane.pid && is_shell(&process.name));
    if is_shell(&pane.command) || is_shell_pane {
        return Step::Judged(done(launch, "process_tree"));
    }
    Step::Judged(something_else(facts, &pane.command, pane.pid))
}

fn done(launch: Option<&LaunchFacts>, decided_by: &'static str) -> Verdict {
    let Some(launch) = launch else {
        let reason = match decided_by {
            "pane" => "a shell is in front of its pane",
            _ => "only a shell runs in its pane",
        };
        return Verdict::new(AgentState::Done, decided_by, reason);
    };
    match launch.file {
        super::launch::LaunchFile { exit_code: Some(code), .. } => {
            let reason = format!("its program has ended with exit code {code}");
            Verdict::new(AgentState::Done, "launch", reason).since(Some(launch.modified))
        }
        super::launch::LaunchFile { process: Some(process), .. } => {
            let reason = format!("its program (process {}) is gone without an exit code", process.pid);
            Verdict::new(AgentState::Done, "launch", reason)
        }
        super::launch::LaunchFile { process: None, .. } => {
            Verdict::new(AgentState::Done, "launch", "the shell of its pane has not started its program")
                .since(Some(launch.modified))
        }
    }
}

fn something_else(facts: &AgentFacts, name: &str, pid: i32) -> Verdict {
    if !facts.traits.is_known {
        let reason = format!(
            "`{name}` runs in its pane, and this mng does not know its type `{}`",
            facts.record.agent_type
        );
        return Verdict::new(AgentState::RunningUnknownAgentType, "process_tree", reason);
    }
    let reason = format!("`{name}` (process {pid}) runs where its program should");
    Verdict::new(AgentState::Replaced, "process_tree", reason)
}

fn signals(facts: &AgentFacts) -> Vec<Signal> {
    let mut signals = Vec::new();
    let mut add = |name: &'static str, value: String, since: Option<Time>| {
        signals.push(Signal { name, value, age: since.map(|since| since.age(facts.at)) });
    };
    add("session", session_value(facts), None);
    if let Seen::Yes(Some(SessionFacts { pane: Some(pane), .. })) = &facts.session {
        let value = match (pane.is_dead, pane.dead_status) {
            (true, Some(code)) => format!("{} is dead, exit code {code}", pane.id),
            (true, None) => format!("{} is dead", pane.id),
            (false, _) => format!("{}, process {}, `{}` in front", pane.id, pane.pid, pane.command),
        };
        add("pane", value, None);
    }
    add("launch", launch_value(facts), facts.launch.as_ref().map(|launch| launch.modified));
    match &facts.tree {
        Some(Seen::Yes(tree)) => {
            let names: Vec<String> =
                tree.iter().map(|process| format!("{} ({})", process.name, process.pid)).collect();
            add("process_tree", if names.is_empty() { "empty".into() } else { names.join(", ") }, None);
        }
        Some(Seen::No(why)) => add("process_tree", format!("cannot be seen: {why}"), None),
        None => {}
    }
    // The program's own files: looked at also when something else decided.
    if let Some(seen) = &facts.type_state {
        add(seen.signal, seen.value.clone(), seen.since);
    }
    let presence = |marker: Option<Time>| if marker.is_some() { "exists" } else { "absent" }.to_owned();
    if facts.traits.tracks_activity {
        add("active", presence(facts.markers.active), facts.markers.active);
        if facts.traits.blocked_marker.is_some() {
            add("blocked", presence(facts.markers.blocked), facts.markers.blocked);
        }
    }
    add("type", type_value(facts), None);
    let activity = &facts.activity;
    for (name, time) in [
        ("activity_start", activity.start),
        ("activity_agent", activity.agent),
        ("activity_user", activity.user),
    ] {
        if let Some(time) = time {
            add(name, time.to_string(), Some(time));
        }
    }
    signals
}

fn session_value(facts: &AgentFacts) -> String {
    match &facts.session {
        Seen::No(why) => format!("cannot be seen: {why}"),
        Seen::Yes(None) => match &facts.name_taken_by {
            Some(owner) => none_but(owner),
            None => "none".into(),
        },
        Seen::Yes(Some(session)) if session.is_marked => format!("{} ({}), by id", session.name, session.id),
        Seen::Yes(Some(session)) => format!("{} ({}), by name only", session.name, session.id),
    }
}

fn none_but(owner: &AgentId) -> String {
    format!("none; the one of its name belongs to {owner}")
}

fn launch_value(facts: &AgentFacts) -> String {
    let Some(launch) = &facts.launch else { return "none".into() };
    if valid_launch(facts).is_none() {
        return "older than the last start".into();
    }
    let Some(process) = launch.file.process else { return "not begun".into() };
    let pid = process.pid;
    match (&launch.is_alive, launch.file.exit_code) {
        (Seen::Yes(true), _) => format!("process {pid} runs"),
        (Seen::Yes(false), Some(code)) => format!("process {pid} has ended, exit code {code}"),
        (Seen::Yes(false), None) => format!("process {pid} is gone"),
        (Seen::No(why), _) => format!("process {pid} cannot be seen: {why}"),
    }
}

fn type_value(facts: &AgentFacts) -> String {
    let traits = &facts.traits;
    let kind = match (traits.is_known, traits.tracks_activity) {
        (false, _) => "unknown here",
        (true, false) => "does not mark turns",
        (true, true) => "marks turns",
    };
    format!("{} ({kind}), program {}", facts.record.agent_type, traits.process_names.join(" or "))
}
