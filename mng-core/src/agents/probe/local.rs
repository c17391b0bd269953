//! This machine, looked at directly.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use super::{LONGEST_URL, ProbeRequest, boot_time, first_line, place_in_sessions, tree, usage};
use crate::agents::facts::{
    Activity, AgentFacts, HostFacts, LaunchFacts, Markers, Seen, SessionFacts, TypeTraits,
};
use crate::agents::judge::needs_tree;
use crate::agents::launch::{LAUNCH_FILE, LaunchFile};
use crate::agents::processes::{ProcessTable, has_proc, read_process_in};
use crate::agents::stop::groups;
use crate::agents::tmux::{Sessions, Tmux};
use crate::agents::type_state::{ProcessView, TypeLook};
use crate::hosts::Host;
use crate::model::error::{Error, Result};
use crate::model::ids::AgentId;
use crate::model::order;
use crate::model::record::AgentRecord;
use crate::model::time::Time;
use crate::storage::{FileLock, SmallReader};
#[cfg(not(target_os = "linux"))]
use crate::transports::ExecRequest;

/// # Errors
/// The agents directory cannot be read.
pub(super) async fn probe(host: &Host, request: &ProbeRequest<'_>) -> Result<HostFacts> {
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
        is_locked: Some(is_locked),
        locked_time: is_locked.then(|| modified(&lock)).flatten(),
        ssh_activity: modified(&host.layout.activity().join("ssh")),
        agents,
        damaged,
        record: None,
        resources: None,
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

/// Nothing but that it exists can be told then without starting a program.
const NO_PROC: &str = "there is no /proc here";

/// A look at the files of one agent after the other.
pub(in crate::agents) struct Look<'a> {
    pub(in crate::agents) traits: &'a (dyn Fn(&AgentRecord) -> TypeTraits + Send + Sync),
    /// As [`ProbeRequest::activity`].
    pub(in crate::agents) activity: bool,
    pub(in crate::agents) at: Time,
    /// `/proc`, or a recording of it; `None` where the host has none.
    pub(in crate::agents) proc_dir: Option<&'a Path>,
    pub(in crate::agents) reader: SmallReader,
}

impl<'a> Look<'a> {
    fn at_host(host: &Host, request: &ProbeRequest<'a>, at: Time) -> Self {
        let proc_dir = has_proc(host).then_some(Path::new("/proc"));
        Self { traits: request.traits, activity: request.activity, at, proc_dir, reader: SmallReader::new() }
    }
}

impl Look<'_> {
    /// What the files in `dir`, an agent's state dir, tell; its session and its processes are not looked at.
    pub(in crate::agents) fn agent(&mut self, dir: &Path, record: AgentRecord) -> AgentFacts {
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
                processes: self.proc_dir.map_or(ProcessView::Hidden(NO_PROC), ProcessView::Files),
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
    first_line(&bytes)
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
        super::read_boottime(&output)
            .map(|boot| Duration::from_secs_f64((at.as_unix_seconds() - boot).max(0.0)))
    };
    (uptime.map(|uptime| boot_time(at, uptime)), uptime)
}
