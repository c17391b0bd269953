//! One look at a host and its agents.
//!
//! What it costs on this machine: one tmux process, none if there is no agent; about ten small files an
//! agent; a look at the whole process table only if somebody's state or usage depends on it.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use super::cgroup::Groups;
use super::facts::{
    Activity, AgentFacts, HostFacts, LaunchFacts, Markers, PaneFacts, Seen, SessionFacts, TreeProcess,
    TypeTraits, Usage,
};
use super::judge::needs_tree;
use super::launch::{LAUNCH_FILE, LaunchFile};
use super::processes::{ProcessTable, has_proc, read_process_in};
use super::stop::groups;
use super::tmux::{SessionMatch, Sessions, Tmux};
use super::type_state::TypeLook;
use crate::hosts::Host;
use crate::model::error::{Error, ErrorClass, Result};
use crate::model::ids::AgentId;
use crate::model::order;
use crate::model::record::AgentRecord;
use crate::model::time::Time;
use crate::storage::{FileLock, SmallReader};
#[cfg(not(target_os = "linux"))]
use crate::transports::ExecRequest;

/// Longest `A/status/url` that is taken, in bytes: any process may write it.
const LONGEST_URL: usize = 4096;

/// What to look at.
pub struct ProbeRequest<'a> {
    /// Only these agents; unset: all of the host.
    pub agents: Option<&'a [AgentId]>,
    /// Also what each agent uses of processor and memory.
    pub usage: bool,
    /// Also what no state depends on: when a person was last active, and the URL. Three files an agent.
    pub activity: bool,
    /// `tmux.primary_window_name`.
    pub primary_window: &'a str,
    /// What there is to know of an agent's type.
    pub traits: &'a (dyn Fn(&AgentRecord) -> TypeTraits + Send + Sync),
}

/// Looks at a host. What could not be seen says so in its place.
///
/// # Errors
/// The agents directory cannot be read, or the host is another machine.
pub async fn probe_host(host: &Host, request: &ProbeRequest<'_>) -> Result<HostFacts> {
    if !host.is_local() {
        let message = format!("cannot look into host `{}`: it is another machine", host.info.name);
        return Err(Error::plain(ErrorClass::Host, message));
    }
    let ids = match request.agents {
        Some(ids) => ids.to_vec(),
        None => agent_ids(&host.layout.agents())?,
    };
    let at = Time::now();
    // tmux works while we read.
    let (sessions, (mut agents, torn)) = tokio::join!(
        async {
            match ids.is_empty() {
                true => Ok(Sessions::default()),
                false => Tmux::on(host).sessions().await,
            }
        },
        async { read_agents(host, request, at, &ids) }
    );
    let mut damaged = Vec::new();
    for id in torn {
        // Perhaps another program is just writing it in place: the slow reader waits for a moment.
        match host.read_agent(&id).await {
            Ok(Some(record)) => {
                let dir = host.layout.agent(&record.id);
                agents.push(Look::at_host(host, request, at).agent(&dir, record));
            }
            Ok(None) => {}
            Err(error) => damaged.push((id, error)),
        }
    }
    order::sort_by(&mut agents, |a, b| a.record.id.cmp(&b.record.id));
    place_in_sessions(host, request, &mut agents, &sessions);
    let table = look_at_processes(host, request, &mut agents).await;
    if request.usage
        && let Ok(table) = &table
    {
        let groups = groups(host);
        for agent in &mut agents {
            agent.usage = usage(agent, table, groups.as_ref(), &sessions);
        }
    }
    let (boot_time, uptime) = boot(host, at).await;
    let lock = host.layout.lock();
    let is_locked = FileLock::is_held(&lock);
    Ok(HostFacts {
        at,
        boot_time,
        uptime,
        is_locked,
        locked_time: is_locked.then(|| modified(&lock)).flatten(),
        ssh_activity: modified(&host.layout.activity().join("ssh")),
        agents,
        damaged,
    })
}

/// The ids of all agent directories, sorted. No directory: no agents.
fn agent_ids(agents: &Path) -> Result<Vec<AgentId>> {
    let entries = match fs::read_dir(agents) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io(format!("list `{}`", agents.display()), error)),
    };
    let mut ids: Vec<AgentId> =
        entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    ids.sort_unstable();
    Ok(ids)
}

/// Facts from files, and the agents whose record could not be read at once.
fn read_agents(
    host: &Host,
    request: &ProbeRequest<'_>,
    at: Time,
    ids: &[AgentId],
) -> (Vec<AgentFacts>, Vec<AgentId>) {
    let mut agents = Vec::with_capacity(ids.len());
    let mut torn = Vec::new();
    let mut look = Look::at_host(host, request, at);
    for id in ids {
        match look.reader.read(&host.layout.agent_record(id)) {
            Ok(bytes) => match serde_json::from_slice::<AgentRecord>(bytes) {
                Ok(record) => agents.push(look.agent(&host.layout.agent(id), record)),
                Err(_) => torn.push(id.clone()),
            },
            // A create or a destroy in progress.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
            Err(_) => torn.push(id.clone()),
        }
    }
    (agents, torn)
}

/// A look at the files of one agent after the other.
pub(super) struct Look<'a> {
    pub(super) traits: &'a (dyn Fn(&AgentRecord) -> TypeTraits + Send + Sync),
    /// As [`ProbeRequest::activity`].
    pub(super) activity: bool,
    pub(super) at: Time,
    /// `/proc`, or a recording of it; `None` where the host has none.
    pub(super) proc_dir: Option<&'a Path>,
    pub(super) reader: SmallReader,
}

impl<'a> Look<'a> {
    fn at_host(host: &Host, request: &ProbeRequest<'a>, at: Time) -> Self {
        let proc_dir = has_proc(host).then_some(Path::new("/proc"));
        Self { traits: request.traits, activity: request.activity, at, proc_dir, reader: SmallReader::new() }
    }
}

impl Look<'_> {
    /// What the files in `dir`, an agent's state dir, tell; its session and its processes are not looked at.
    pub(super) fn agent(&mut self, dir: &Path, record: AgentRecord) -> AgentFacts {
        let traits = (self.traits)(&record);
        let markers = Markers {
            active: traits.tracks_activity.then(|| modified(&dir.join("active"))).flatten(),
            blocked: traits.blocked_marker.as_ref().and_then(|name| modified(&dir.join(name))),
        };
        let activity = dir.join("activity");
        let activity = Activity {
            start: modified(&activity.join("start")),
            user: self.activity.then(|| modified(&activity.join("user"))).flatten(),
            agent: (self.activity || traits.tracks_activity)
                .then(|| modified(&activity.join("agent")))
                .flatten(),
        };
        let launch = self.launch(&dir.join(LAUNCH_FILE));
        let type_state = traits.probe.as_ref().and_then(|probe| {
            probe.0.look(&mut TypeLook {
                state_dir: dir,
                record: &record,
                at: self.at,
                launch: launch.as_ref(),
                markers,
                reader: &mut self.reader,
                proc_dir: self.proc_dir,
            })
        });
        AgentFacts {
            at: self.at,
            traits,
            session: Seen::Yes(None),
            name_taken_by: None,
            launch,
            tree: None,
            markers,
            type_state,
            activity,
            url: self.activity.then(|| url(&dir.join("status/url"))).flatten(),
            usage: None,
            record,
        }
    }

    fn launch(&mut self, path: &Path) -> Option<LaunchFacts> {
        let (bytes, modified) = self.reader.read_with_time(path).ok()?;
        let file = LaunchFile::read(std::str::from_utf8(bytes).ok()?);
        let is_alive = match (file.process, self.proc_dir) {
            (None, _) => Seen::Yes(false),
            (Some(process), Some(proc_dir)) => {
                match read_process_in(proc_dir, &mut self.reader, process.pid) {
                    Ok(now) => Seen::Yes(now.is_some_and(|now| now.id == process && !now.is_zombie)),
                    Err(error) => Seen::No(error.to_string()),
                }
            }
            // Without /proc the table tells, later.
            (Some(_), None) => Seen::No("not looked at".into()),
        };
        Some(LaunchFacts { file, modified: modified.into(), is_alive })
    }
}

fn modified(path: &Path) -> Option<Time> {
    fs::metadata(path).ok()?.modified().ok().map(Time::from)
}

fn url(path: &Path) -> Option<String> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    fs::File::open(path).ok()?.take(LONGEST_URL as u64).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let line = text.lines().next()?.trim();
    (!line.is_empty()).then(|| line.to_owned())
}

fn place_in_sessions(
    host: &Host,
    request: &ProbeRequest<'_>,
    agents: &mut [AgentFacts],
    sessions: &Result<Sessions>,
) {
    let sessions = match sessions {
        Ok(sessions) => sessions,
        Err(error) => {
            for agent in agents {
                agent.session = Seen::No(error.to_string());
            }
            return;
        }
    };
    for agent in agents {
        let name = host.session_name(agent.record.name.as_str());
        let (session, is_marked) = match sessions.find(&agent.record.id, &name) {
            SessionMatch::Own(session) => (session, true),
            SessionMatch::Unmarked(session) => (session, false),
            SessionMatch::Foreign(session) => {
                agent.name_taken_by.clone_from(&session.agent_id);
                continue;
            }
            SessionMatch::None => continue,
        };
        let pane = session.primary(request.primary_window).map(|pane| PaneFacts {
            id: pane.id.clone(),
            pid: pane.pid,
            is_dead: pane.is_dead,
            dead_status: pane.dead_status,
            command: pane.command.clone(),
            title: pane.title.clone(),
        });
        let session = SessionFacts { id: session.id.clone(), name: session.name.clone(), is_marked, pane };
        place(agent, session);
    }
}

/// Puts an agent into its session, whose pane may tell of its state.
pub(super) fn place(agent: &mut AgentFacts, session: SessionFacts) {
    if let (Some(probe), Some(pane)) = (&agent.traits.probe, &session.pane) {
        agent.type_state = probe.0.with_title(agent.type_state.take(), &pane.title, agent.at);
    }
    agent.session = Seen::Yes(Some(session));
}

/// Looks at the process table if anything depends on it.
async fn look_at_processes(
    host: &Host,
    request: &ProbeRequest<'_>,
    agents: &mut [AgentFacts],
) -> Result<ProcessTable> {
    let without_proc = !has_proc(host);
    let is_wanted = request.usage
        || agents.iter().any(|agent| {
            needs_tree(agent)
                || (without_proc && agent.launch.as_ref().is_some_and(|launch| launch.file.process.is_some()))
        });
    if !is_wanted {
        return Ok(ProcessTable::default());
    }
    let table = ProcessTable::read(host).await;
    for agent in agents {
        if without_proc && let Some(launch) = &mut agent.launch {
            launch.is_alive = match (&table, launch.file.process) {
                (_, None) => Seen::Yes(false),
                (Ok(table), Some(process)) => Seen::Yes(table.is_alive(process)),
                (Err(error), Some(_)) => Seen::No(error.to_string()),
            };
        }
        if !needs_tree(agent) {
            continue;
        }
        let Seen::Yes(Some(SessionFacts { pane: Some(pane), .. })) = &agent.session else { continue };
        agent.tree = Some(match &table {
            Ok(table) => Seen::Yes(tree(table, pane.pid)),
            Err(error) => Seen::No(error.to_string()),
        });
    }
    table
}

/// The processes below one, itself included, breadth first.
pub(super) fn tree(table: &ProcessTable, root: i32) -> Vec<TreeProcess> {
    let below = table.trees(&[root], |_| false).into_iter().filter(|process| !process.is_zombie);
    below.map(|process| TreeProcess { pid: process.id.pid, name: process.name.clone() }).collect()
}

/// What runs in the agent's panes and in its control group.
fn usage(
    agent: &AgentFacts,
    table: &ProcessTable,
    groups: Option<&Groups>,
    sessions: &Result<Sessions>,
) -> Option<Usage> {
    let Seen::Yes(Some(session)) = &agent.session else { return None };
    let session = sessions.as_ref().ok()?.iter().find(|known| known.id == session.id)?;
    let panes: Vec<i32> = session.panes.iter().map(|pane| pane.pid).collect();
    let group = groups.map(|groups| groups.of(&agent.record.id)).filter(super::cgroup::Group::exists);
    let members = group.as_ref().map(super::cgroup::Group::pids).unwrap_or_default();
    let roots: Vec<i32> = panes.iter().chain(&members).copied().collect();
    let mut usage = Usage::default();
    let group_memory = group.as_ref().and_then(super::cgroup::Group::memory);
    for process in table.trees(&roots, super::processes::Process::is_tmux_server) {
        let is_member = members.contains(&process.id.pid);
        if !is_member || group_memory.is_none() {
            usage.memory += process.memory;
        }
        if !is_member {
            usage.cpu += process.cpu;
        }
    }
    usage.memory += group_memory.unwrap_or(0);
    // A group remembers the time of those that have ended; without one only the living count.
    usage.cpu += match group.as_ref().and_then(super::cgroup::Group::cpu) {
        Some(cpu) => cpu,
        None => members.iter().filter_map(|pid| table.get(*pid)).map(|process| process.cpu).sum(),
    };
    Some(usage)
}

/// When the machine was started, to the second, and how long ago that is.
async fn boot(host: &Host, at: Time) -> (Option<Time>, Option<Duration>) {
    #[cfg(target_os = "linux")]
    let uptime = {
        let _ = host;
        let clock = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        u64::try_from(clock.tv_sec)
            .ok()
            .map(|seconds| Duration::new(seconds, u32::try_from(clock.tv_nsec).unwrap_or(0)))
    };
    #[cfg(not(target_os = "linux"))]
    let uptime = {
        let request = ExecRequest::new(["sysctl", "-n", "kern.boottime"]).idempotent();
        let output =
            host.transport.exec(request).await.map(|output| output.stdout_text()).unwrap_or_default();
        read_boottime(&output).map(|boot| Duration::from_secs_f64((at.as_unix_seconds() - boot).max(0.0)))
    };
    let boot = uptime.map(|uptime| {
        let seconds = (at.as_unix_seconds() - uptime.as_secs_f64()).floor().max(0.0);
        Time::from(std::time::UNIX_EPOCH + Duration::from_secs_f64(seconds))
    });
    (boot, uptime)
}

/// Reads `{ sec = 1700000000, usec = 1234 } …`.
#[cfg(any(test, not(target_os = "linux")))]
fn read_boottime(text: &str) -> Option<f64> {
    let rest = text.split_once("sec = ")?.1;
    rest.split(|ch: char| !ch.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agents::judge::{Judgement, judge};
    use crate::agents::testing::{PrivateHost, block, eventually};
    use crate::model::state::AgentState;

    fn probe(private: &PrivateHost, agents: Option<&[AgentId]>, usage: bool) -> HostFacts {
        let traits = |record: &AgentRecord| TypeTraits { is_known: true, ..TypeTraits::unknown(record) };
        let request =
            ProbeRequest { agents, usage, activity: true, primary_window: "agent", traits: &traits };
        block(probe_host(&private.host, &request)).unwrap()
    }

    fn judged(private: &PrivateHost, record: &AgentRecord) -> Judgement {
        let facts = probe(private, Some(std::slice::from_ref(&record.id)), false);
        judge(&facts.agents[0])
    }

    #[test]
    fn an_empty_host_is_not_entered() {
        let private = PrivateHost::with_env([("PATH", "/nonexistent")]);
        let facts = probe(&private, None, false);
        assert!(facts.agents.is_empty() && facts.damaged.is_empty() && !facts.is_locked);
        assert!(facts.boot_time.unwrap() < facts.at);
    }

    #[test]
    fn a_life_is_followed_from_start_to_stop() {
        let private = PrivateHost::new();
        let record = private.agent("a1", "while ! [ -e end ]; do sleep 0.02; done; exit 4");
        assert_eq!(judged(&private, &record).state, AgentState::Stopped);
        private.start(&record).unwrap();
        // From the very first moment on.
        assert_eq!(judged(&private, &record).state, AgentState::Running);
        eventually("it has its process", || judged(&private, &record).pid.is_some());
        let judgement = judged(&private, &record);
        assert_eq!((judgement.state, judgement.decided_by), (AgentState::Running, "launch"));
        fs::write(private.path("work/end"), "").unwrap();
        eventually("it is done", || judged(&private, &record).state == AgentState::Done);
        eventually("its exit code is told", || {
            judged(&private, &record).reason == "its program has ended with exit code 4"
        });
        // Again, by hand.
        fs::remove_file(private.path("work/end")).unwrap();
        private.tmux(&["send-keys", "-t", "=mng-a1:", "Up", "Enter"]);
        eventually("it runs again", || judged(&private, &record).state == AgentState::Running);
        block(async {
            crate::agents::stop_agent(&private.host, &private.lock().await, &record, Duration::from_secs(9))
                .await
        })
        .unwrap();
        assert_eq!(judged(&private, &record).state, AgentState::Stopped);
    }

    /// The original types the command into the shell and writes no launch file.
    #[test]
    fn an_agent_that_another_program_started_is_seen() {
        let private = PrivateHost::new();
        let record = private.agent("a1", "sleep 600");
        private.tmux(&["new-session", "-d", "-s", "mng-a1", "bash --norc"]);
        eventually("its shell waits", || judged(&private, &record).state == AgentState::Done);
        private.tmux(&["send-keys", "-t", "=mng-a1:", "sleep 600", "Enter"]);
        eventually("it runs", || judged(&private, &record).state == AgentState::Running);
        private.tmux(&["send-keys", "-t", "=mng-a1:", "C-c", ""]);
        private.tmux(&["send-keys", "-t", "=mng-a1:", "tail -f /dev/null", "Enter"]);
        eventually("something else runs", || judged(&private, &record).pid.is_none());
    }

    #[test]
    fn damaged_and_half_made_agents_hide_nobody() {
        let private = PrivateHost::new();
        let good = private.agent("good", "sleep 600");
        let bad = private.agent("bad", "sleep 600");
        fs::write(private.host.layout.agent_record(&bad.id), "{\"id\":").unwrap();
        fs::create_dir(private.host.layout.agent(&AgentId::generate())).unwrap();
        fs::create_dir(private.host.layout.agents().join("not-an-agent")).unwrap();
        let facts = probe(&private, None, false);
        assert_eq!(facts.agents.iter().map(|agent| &agent.record.id).collect::<Vec<_>>(), [&good.id]);
        assert_eq!(facts.damaged.len(), 1);
        assert_eq!(facts.damaged[0].0, bad.id);
        assert_eq!(facts.damaged[0].1.class(), ErrorClass::CorruptedAgentData);
    }

    #[test]
    fn what_tmux_does_not_say_is_unknown() {
        let bin = tempfile::tempdir().unwrap();
        let private = PrivateHost::with_env([("PATH", bin.path().to_str().unwrap())]);
        let record = private.agent("a1", "sleep 600");
        let judgement = judged(&private, &record);
        assert_eq!(judgement.state, AgentState::Unknown);
        assert!(judgement.reason.starts_with("cannot see its session: "), "{}", judgement.reason);
    }

    #[test]
    fn usage_is_measured_where_it_is_asked_for() {
        let private = PrivateHost::new();
        let record = private.agent("a1", "for i in $(seq 200000); do :; done; touch ready; sleep 600");
        let idle = private.agent("a2", "sleep 600");
        private.start(&record).unwrap();
        eventually("it has worked", || private.path("work/ready").exists());
        let facts = probe(&private, None, true);
        let of = |id: &AgentId| facts.agents.iter().find(|agent| &agent.record.id == id).unwrap().usage;
        assert_eq!(of(&idle.id), None);
        let usage = of(&record.id).unwrap();
        assert!(usage.cpu > Duration::from_millis(20), "{usage:?}");
        assert!(usage.memory > 500_000, "{usage:?}");
        assert_eq!(probe(&private, None, false).agents[0].usage, None);
    }

    #[test]
    fn a_held_lock_and_a_url_are_seen() {
        let private = PrivateHost::new();
        let record = private.agent("a1", "sleep 600");
        let status = private.host.layout.agent(&record.id).join("status");
        fs::create_dir(&status).unwrap();
        fs::write(status.join("url"), "http://localhost:8000\nsecond line\n").unwrap();
        let _held = block(private.lock());
        let facts = probe(&private, None, false);
        assert!(facts.is_locked && facts.locked_time.is_some());
        assert_eq!(facts.agents[0].url.as_deref(), Some("http://localhost:8000"));
    }

    #[test]
    fn the_boot_time_of_a_mac_is_read() {
        assert_eq!(read_boottime("{ sec = 1700000000, usec = 1234 } Tue Nov 14"), Some(1.7e9));
        assert_eq!(read_boottime(""), None);
    }
}
