//! Another machine, looked at by one script in one round trip.

use std::time::Duration;

use super::frame::{self, AgentFiles, AnswerParts};
use super::{ProbeRequest, boot_time, first_line, place_in_sessions, read_boottime, tree, usage};
use crate::agents::facts::{Activity, AgentFacts, HostFacts, LaunchFacts, Markers, Seen, SessionFacts};
use crate::agents::judge::needs_tree;
use crate::agents::launch::{LAUNCH_FILE, LaunchFile};
use crate::agents::mirror::{CopiedFile, Mirrors};
use crate::agents::processes::ProcessTable;
use crate::agents::tmux::Sessions;
use crate::agents::type_state::{ProcessView, TypeLook, TypeState};
use crate::hosts::{Host, RecordError};
use crate::model::error::{Error, ErrorClass, Result};
use crate::model::ids::random_hex;
use crate::model::order;
use crate::model::record::{AgentRecord, HostRecord};
use crate::model::time::Time;
use crate::providers::HostResources;
use crate::storage::SmallReader;
use crate::transports::{ExecRequest, TransportError};

const SCRIPT: &str = include_str!("script.sh");

/// Longest that the script may take: it starts a few processes for each agent.
const DEADLINE: Duration = Duration::from_secs(30);

const GIB: f64 = (1_u64 << 30) as f64;

/// Looks at the host, and makes `mirrors` show the watched files of its agents as they are now.
///
/// # Errors
/// The host does not answer, or not in the way it has to; its directories cannot be entered.
pub(super) async fn probe(
    host: &Host,
    request: &ProbeRequest<'_>,
    mirrors: &mut Mirrors,
) -> Result<HostFacts> {
    let nonce = random_hex();
    let output = host.transport.exec(script(host, request, &nonce)).await?;
    if output.is_timed_out {
        return Err(TransportError::TimedOut { title: "mng's look at the host".into() }.into());
    }
    let answer = frame::read(&output.stdout, &nonce).map_err(|error| {
        let said = output.stderr_text();
        let said = said.lines().last().map(|line| format!(" (it says: {line})")).unwrap_or_default();
        Error::plain(ErrorClass::Host, format!("cannot look into host `{}`: {error}{said}", host.info.name))
    })?;
    if let Some(what) = answer.unreadable {
        let dir = host.layout.root().join(what);
        return Err(Error::plain(
            ErrorClass::Host,
            format!("cannot enter `{}` of host `{}`", dir.display(), host.info.name),
        ));
    }
    facts(host, request, &answer, &nonce, mirrors).await
}

fn script(host: &Host, request: &ProbeRequest<'_>, nonce: &str) -> ExecRequest {
    let extras: String = [(request.usage, 'u'), (request.resources, 'r')]
        .iter()
        .filter(|(is, _)| *is)
        .map(|(_, ch)| *ch)
        .collect();
    let ids = match request.agents {
        Some(ids) => ids.iter().map(|id| id.as_str()).collect::<Vec<_>>().join(" "),
        None => "*".to_owned(),
    };
    let mut watched = (request.watched)();
    watched.sort_unstable();
    watched.dedup();
    let watched: Vec<String> = watched.into_iter().map(|file| file.line()).collect();
    let root = host.layout.root().to_string_lossy();
    let args = [nonce, &extras, &*root, &ids, &watched.join("\n"), Sessions::FORMAT];
    ExecRequest::sh(SCRIPT, args).timeout(Some(DEADLINE)).idempotent()
}

async fn facts(
    host: &Host,
    request: &ProbeRequest<'_>,
    answer: &AnswerParts<'_>,
    nonce: &str,
    mirrors: &mut Mirrors,
) -> Result<HostFacts> {
    // Ages are differences to times that this host wrote.
    let at = answer.clock.unwrap_or_else(Time::now);
    let sessions = sessions(host, answer, nonce);
    let table = table(host, answer);
    let mut agents = Vec::new();
    let mut damaged = Vec::new();
    for files in &answer.agents {
        // A create or a destroy in progress has none.
        let Some(bytes) = files.bytes("data.json") else { continue };
        let record = match serde_json::from_slice::<AgentRecord>(bytes) {
            Ok(record) => record,
            // Perhaps another program is just writing it in place: the slow reader waits for a moment.
            Err(_) => match host.read_agent(&files.id).await {
                Ok(Some(record)) => record,
                Ok(None) => continue,
                Err(error) => {
                    damaged.push((files.id.clone(), error));
                    continue;
                }
            },
        };
        agents.push(agent(host, request, at, files, record, &table, mirrors));
    }
    order::sort_by(&mut agents, |a, b| a.record.id.cmp(&b.record.id));
    place_in_sessions(host, request, &mut agents, &sessions);
    for agent in &mut agents {
        if needs_tree(agent)
            && let Seen::Yes(Some(SessionFacts { pane: Some(pane), .. })) = &agent.session
        {
            agent.tree = Some(match &table {
                Ok(table) => Seen::Yes(tree(table, pane.pid)),
                Err(why) => Seen::No(why.clone()),
            });
        }
        if request.usage
            && let Ok(table) = &table
        {
            agent.usage = usage(agent, table, None, &sessions);
        }
    }
    let uptime = match (answer.uptime, answer.boot.and_then(read_boottime)) {
        (Some(seconds), _) => Duration::try_from_secs_f64(seconds).ok(),
        (None, Some(boot)) => Duration::try_from_secs_f64((at.as_unix_seconds() - boot).max(0.0)).ok(),
        (None, None) => None,
    };
    let modified =
        |name: &str| answer.host.iter().find(|file| file.name == name).map(|file| Time::from(file.modified));
    Ok(HostFacts {
        at,
        boot_time: uptime.map(|uptime| boot_time(at, uptime)),
        uptime,
        is_locked: answer.is_locked,
        locked_time: (answer.is_locked == Some(true)).then(|| modified("host_lock")).flatten(),
        ssh_activity: modified("activity/ssh"),
        agents,
        damaged,
        record: Some(host_record(host, &answer.host)),
        resources: request.resources.then(|| resources(answer)),
    })
}

fn sessions(host: &Host, answer: &AnswerParts<'_>, nonce: &str) -> Result<Sessions> {
    match answer.tmux {
        Some((printed, code)) => Sessions::of_run(host, printed, code, nonce),
        // Without agents nobody asked.
        None => Ok(Sessions::default()),
    }
}

/// The processes; `Err` completes "cannot see …: ".
fn table(host: &Host, answer: &AnswerParts<'_>) -> Result<ProcessTable, String> {
    match (answer.proc, answer.ps) {
        (Some(stats), _) => Ok(ProcessTable::of_stats(stats, answer.units)),
        (None, Some((printed, 0))) => Ok(ProcessTable::of_ps(&String::from_utf8_lossy(printed))),
        (None, Some((printed, code))) => {
            let said = first_line(printed).unwrap_or_else(|| format!("exit code {code}"));
            Err(format!("`ps` failed on host `{}`: {said}", host.info.name))
        }
        (None, None) => Err("they were not looked at".into()),
    }
}

fn agent(
    host: &Host,
    request: &ProbeRequest<'_>,
    at: Time,
    files: &AgentFiles<'_>,
    record: AgentRecord,
    table: &Result<ProcessTable, String>,
    mirrors: &mut Mirrors,
) -> AgentFacts {
    let traits = (request.traits)(&record);
    let markers = Markers {
        active: traits.tracks_activity.then(|| files.modified("active")).flatten(),
        blocked: traits.blocked_marker.as_ref().and_then(|name| files.modified(name)),
    };
    let launch = files.bytes(LAUNCH_FILE).map(|bytes| {
        let file = LaunchFile::read(&String::from_utf8_lossy(bytes));
        let is_alive = match (file.process, table) {
            (None, _) => Seen::Yes(false),
            (Some(process), Ok(table)) => Seen::Yes(table.is_alive(process)),
            (Some(_), Err(why)) => Seen::No(why.clone()),
        };
        LaunchFacts { file, modified: files.modified(LAUNCH_FILE).unwrap_or(at), is_alive }
    });
    let mut facts = AgentFacts {
        at,
        traits,
        session: Seen::Yes(None),
        name_taken_by: None,
        launch,
        tree: None,
        markers,
        type_state: None,
        activity: Activity {
            start: files.modified("activity/start"),
            user: files.modified("activity/user"),
            agent: files.modified("activity/agent"),
        },
        url: files.bytes("status/url").and_then(first_line),
        usage: None,
        record,
    };
    // Of one that is named its files may be all that is asked for.
    if facts.traits.probe.is_some() || request.agents.is_some() {
        facts.type_state = type_state(host, &facts, files, table, mirrors);
    }
    facts
}

/// What the program's own files tell, as far as they came along.
fn type_state(
    host: &Host,
    facts: &AgentFacts,
    files: &AgentFiles<'_>,
    table: &Result<ProcessTable, String>,
    mirrors: &mut Mirrors,
) -> Option<TypeState> {
    let id = &facts.record.id;
    let state_dir = match mirrors.show(id, &host.layout.agent(id), &files.files) {
        Ok(dir) => dir,
        Err(error) => {
            tracing::warn!(agent = %facts.record.name, %error, "the files of an agent cannot be looked at");
            return None;
        }
    };
    let probe = facts.traits.probe.as_ref()?;
    probe.0.look(&mut TypeLook {
        state_dir,
        record: &facts.record,
        at: facts.at,
        launch: facts.launch.as_ref(),
        markers: facts.markers,
        reader: &mut SmallReader::new(),
        processes: match table {
            Ok(table) => ProcessView::Table(table),
            Err(why) => ProcessView::Hidden(why),
        },
    })
}

fn host_record(host: &Host, files: &[CopiedFile<'_>]) -> Result<HostRecord> {
    let file = files.iter().find(|file| file.name == "data.json");
    let Some((_, bytes)) = file.and_then(|file| file.parts.first()) else {
        return Ok(HostRecord::new(host.info.id.clone(), host.info.name.as_str()));
    };
    serde_json::from_slice(bytes).map_err(|source| {
        RecordError::Host { host: host.info.id.to_string(), path: host.layout.record(), source }.into()
    })
}

fn resources(answer: &AnswerParts<'_>) -> HostResources {
    HostResources {
        cpu_count: answer.cpus,
        cpu_frequency_ghz: None,
        memory_gb: answer.memory.map(|bytes| bytes as f64 / GIB),
        disk_gb: answer.disk.map(|bytes| bytes as f64 / GIB),
    }
}
