//! Starting an agent: a tmux session in which the person's shell runs the agent's command.
//!
//! On this machine a start writes a few small files and is one tmux process; everything else about it
//! happens in the pane, after the command has returned.

mod conf;
mod keys;
mod script;
mod session;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::Duration;

pub(crate) use keys::{DESTROY, STOP, attach_argv};
pub use script::LaunchFile;
pub(crate) use script::{LAUNCH_FILE, PENDING};
use session::Scripts;

use super::cgroup::Groups;
use super::tmux::{Session, SessionMatch, Tmux};
use crate::hosts::{Host, HostLock};
use crate::model::error::{ErrorClass, Explain, Result, Scope, Subject};
use crate::model::record::AgentRecord;
use crate::model::shell::ShellCommand;
use crate::model::time::Time;
use crate::settings::{EnvSnapshot, TmuxSettings};

/// Longest that making a session may take.
const DEADLINE: Duration = Duration::from_secs(90);

/// What `start_agent` needs to know.
#[derive(Clone, Debug)]
pub struct StartRequest<'a> {
    pub record: &'a AgentRecord,
    /// The complete shell command line to run.
    pub command_line: &'a str,
    pub tmux: &'a TmuxSettings,
    /// Variables that the agent's shell must not inherit (`unset_vars`).
    pub unset_vars: &'a [String],
    /// The shell command that runs this mng again, for the keys of the session: see [`own_command`].
    pub mng: &'a str,
    /// The agent was made a moment ago, so nothing of it can run already.
    pub is_new: bool,
    /// How long leftovers of an earlier run get to end by themselves.
    pub grace: Duration,
    /// Greets the person at the first attach; unset: no greeting.
    pub welcome: Option<Welcome>,
}

/// The one-time greeting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Welcome {
    /// An empty file that says that it was shown: `profiles/<id>/tmux_onboarding_shown`.
    pub marker: PathBuf,
    /// The person is inside another tmux.
    pub is_nested: bool,
}

/// An agent that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Started {
    /// tmux's id of the session (`$3`).
    pub session_id: String,
    pub session_name: String,
    /// tmux's id of the agent's pane (`%7`).
    pub pane_id: String,
    /// It had a session already and nothing was done.
    pub was_running: bool,
    /// What did not work and does not matter to the agent, one sentence each.
    pub warnings: Vec<String>,
}

/// An agent could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    #[error("cannot start agent `{agent}`: its work dir `{}` is gone", work_dir.display())]
    WorkDirMissing { agent: String, work_dir: PathBuf, branch: Option<String> },
    #[error("cannot start agent `{agent}`: the tmux session `{session}` belongs to {owner}")]
    SessionTaken { agent: String, session: String, owner: String },
    #[error("cannot start agent `{agent}`: {reason}")]
    Failed { agent: String, reason: String },
}

impl Explain for StartError {
    fn class(&self) -> ErrorClass {
        ErrorClass::AgentStart
    }

    fn scope(&self) -> Scope {
        Scope::Agent
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::WorkDirMissing { agent, work_dir, branch: Some(branch) } => Some(
                ShellCommand::new("git")
                    .args(["worktree", "add", "-f"])
                    .arg(work_dir.to_string_lossy())
                    .arg(branch)
                    .to_string()
                    + &format!(" (in its repository), then `mng start {agent}`"),
            ),
            Self::WorkDirMissing { agent, .. } => {
                Some(format!("bring the directory back, or `mng destroy {agent}`"))
            }
            Self::SessionTaken { session, .. } => {
                Some(format!("`tmux kill-session -t '={session}'` ends it"))
            }
            Self::Failed { .. } => Some("`mng doctor` checks tmux".into()),
        }
    }

    fn subject(&self) -> Subject {
        Subject::default()
    }
}

/// The shell command that runs this program again with the state that it has now.
#[must_use]
pub fn own_command(env: &EnvSnapshot) -> String {
    const KEPT: [&str; 5] =
        ["MNG_ROOT_NAME", "MNG_HOST_DIR", "MNG_PREFIX", "MNG_PROFILE", "MNG_PROJECT_CONFIG_DIR"];
    // A program that was replaced since has a path that leads nowhere.
    let program = std::env::current_exe().ok().filter(|path| path.exists()).unwrap_or_else(|| "mng".into());
    let mut command = ShellCommand::new(program.to_string_lossy());
    for name in KEPT {
        if let Some(value) = env.get_non_empty(name) {
            command = command.env(name, value);
        }
    }
    command.to_string()
}

/// Starts an agent, or finds that it has its session already; an ended program in a live session is not
/// started anew (stop it first).
///
/// Idempotent. The caller holds the host's lock.
///
/// # Errors
/// [`StartError`], or tmux is missing, too old or too slow. A session that was half made is removed.
pub async fn start_agent(host: &Host, lock: &HostLock, request: &StartRequest<'_>) -> Result<Started> {
    let record = request.record;
    let session = host.session_name(record.name.as_str());
    check_work_dir(host, record).await?;
    let mut warnings = Vec::new();
    if !request.is_new {
        // Too slow is an error here, never "absent": leftovers are killed next.
        let sessions = Tmux::on(host).sessions().await?;
        if let Some(running) = own_session(host, record, sessions.find(&record.id, &session)).await? {
            return Ok(already(running, request));
        }
        let left = super::stop::end_leftovers(host, lock, record, request.grace).await?;
        warnings.extend(left.into_iter().map(|failure| failure.message));
    }
    let mut attempt = 0;
    loop {
        attempt += 1;
        prepare_files(host, request).await?;
        match make_session(host, request, &session).await? {
            Made::Yes { session_id, pane_id, warning } => {
                warnings.extend(warning);
                return Ok(Started {
                    session_id,
                    session_name: session,
                    pane_id,
                    was_running: false,
                    warnings,
                });
            }
            Made::NameTaken => {
                let sessions = Tmux::on(host).sessions().await?;
                let found = sessions.find(&record.id, &session);
                if request.is_new && matches!(found, SessionMatch::Unmarked(_)) {
                    // Nobody can have started this agent before.
                    let (agent, owner) = (record.name.to_string(), "somebody else".to_owned());
                    return Err(StartError::SessionTaken { agent, session, owner }.into());
                }
                if let Some(running) = own_session(host, record, found).await? {
                    return Ok(already(running, request));
                }
            }
            // A server that was just ending took the session with it; the next one will be fresh.
            Made::ServerEnded => tokio::time::sleep(Duration::from_millis(50)).await,
        }
        if attempt >= 5 {
            let reason = "tmux keeps ending".to_owned();
            return Err(StartError::Failed { agent: record.name.to_string(), reason }.into());
        }
    }
}

/// tmux would quietly start in the home directory instead.
async fn check_work_dir(host: &Host, record: &AgentRecord) -> Result<()> {
    // The dot follows a symlink.
    if host.transport.stat(&record.work_dir.join(".")).await?.is_some() {
        return Ok(());
    }
    let branch = record.checked_out_branch_name.clone().or_else(|| record.created_branch_name.clone());
    let (agent, work_dir) = (record.name.to_string(), record.work_dir.clone());
    Err(StartError::WorkDirMissing { agent, work_dir, branch }.into())
}

/// Whether a session that was found is this agent's. Under a name alone it counts only if no other record
/// claims that name: two agents once shared one session, and both ended with it.
pub(super) async fn own_session<'s>(
    host: &Host,
    record: &AgentRecord,
    found: SessionMatch<'s>,
) -> Result<Option<&'s Session>> {
    let taken = |session: &Session, owner: String| {
        let agent = record.name.to_string();
        Err(StartError::SessionTaken { agent, session: session.name.clone(), owner }.into())
    };
    match found {
        SessionMatch::None => Ok(None),
        SessionMatch::Own(session) => Ok(Some(session)),
        SessionMatch::Foreign(session) => {
            let owner = session.agent_id.as_ref().map(ToString::to_string).unwrap_or_default();
            taken(session, format!("agent `{owner}`"))
        }
        SessionMatch::Unmarked(session) => {
            let others = host.agents().await?;
            let claims = |other: &AgentRecord| {
                other.id != record.id && host.session_name(other.name.as_str()) == session.name
            };
            let mut records = others.iter().filter_map(|entry| entry.record.as_ref().ok());
            match records.find(|other| claims(other)) {
                Some(other) => taken(session, format!("agent `{}` ({})", other.name, other.id)),
                None => Ok(Some(session)),
            }
        }
    }
}

fn already(session: &Session, request: &StartRequest<'_>) -> Started {
    let pane = session.primary(&request.tmux.primary_window_name);
    Started {
        session_id: session.id.clone(),
        session_name: session.name.clone(),
        pane_id: pane.map(|pane| pane.id.clone()).unwrap_or_default(),
        was_running: true,
        warnings: Vec::new(),
    }
}

fn scripts(host: &Host) -> Scripts {
    let path = |name: &str| host.layout.commands().join(name).to_string_lossy().into_owned();
    Scripts { shell: path("agent_shell.sh"), repaint: path("sigwinch_panes.sh"), welcome: path("welcome.sh") }
}

/// Writes what the session will run. Markers of the last run go first: they outlive it, and an agent that
/// has just started is not in the middle of a turn.
async fn prepare_files(host: &Host, request: &StartRequest<'_>) -> Result<()> {
    let record = request.record;
    let transport = &host.transport;
    let state_dir = host.layout.agent(&record.id);
    let commands = host.layout.commands();
    let conf = conf::tmux_conf(request.tmux, &host.prefix, &keys::Doer::on(host, request.mng));
    let shared: [(PathBuf, &str); 4] = [
        (commands.join("agent_shell.sh"), include_str!("scripts/agent_shell.sh")),
        (commands.join("sigwinch_panes.sh"), include_str!("scripts/sigwinch_panes.sh")),
        (commands.join("welcome.sh"), include_str!("scripts/welcome.sh")),
        (host.layout.tmux_conf(), &conf),
    ];
    for (path, text) in &shared {
        write_if_other(host, path, text).await?;
    }
    for marker in ["active", "permissions_waiting"] {
        transport.remove_file(&state_dir.join(marker)).await?;
    }
    let enter = host.is_local().then(|| Groups::detect(host.layout.root())).flatten().and_then(|groups| {
        // Only the launch script belongs in the group; a server that we start does not.
        if !groups.leave() {
            tracing::warn!("mng runs inside an agent's control group and cannot leave it");
        }
        groups.of(&record.id).make()
    });
    let script = script::launch_script(&state_dir, enter.as_deref(), request.command_line);
    transport.write_volatile(&state_dir.join(script::LAUNCH_SCRIPT), script.as_bytes(), 0o700).await?;
    for window in session::window_lines(&state_dir, request) {
        if let Some((name, text)) = &window.script {
            transport.write_volatile(&state_dir.join(name), text.as_bytes(), 0o700).await?;
        }
    }
    let millis = Time::now().timestamp().as_millisecond();
    let start = serde_json::json!({ "time": millis, "agent_id": record.id, "agent_name": record.name });
    transport.write_volatile(&state_dir.join("activity/start"), start.to_string().as_bytes(), 0o600).await?;
    // After START: an older launch file tells that another program started the agent since.
    transport.write_volatile(&state_dir.join(LAUNCH_FILE), PENDING.as_bytes(), 0o600).await
}

/// Most starts find these files as they should be.
async fn write_if_other(host: &Host, path: &Path, text: &str) -> Result<()> {
    if host.transport.read(path).await?.as_deref() == Some(text.as_bytes()) {
        return Ok(());
    }
    host.transport.write_volatile(path, text.as_bytes(), 0o600).await
}

enum Made {
    Yes { session_id: String, pane_id: String, warning: Option<String> },
    NameTaken,
    ServerEnded,
}

async fn make_session(host: &Host, request: &StartRequest<'_>, name: &str) -> Result<Made> {
    /// tmux takes about 16 kB in one call; the rest of the windows goes into further ones.
    const LARGEST_CALL: usize = 8 * 1024;
    let scripts = scripts(host);
    let state_dir = host.layout.agent(&request.record.id);
    let tmux = Tmux::on(host);
    let mark = crate::model::ids::random_hex();
    let conf = conf::tmux_conf(request.tmux, &host.prefix, &keys::Doer::on(host, request.mng));

    let mut chain = session::make(host, request, name, &scripts);
    let mut printed = String::new();
    for window in session::window_lines(&state_dir, request) {
        if chain.size() > LARGEST_CALL {
            let ran = tmux.run_raw(std::mem::take(&mut chain), None, request.unset_vars, DEADLINE).await?;
            printed.push_str(&ran.stdout_text());
            if !ran.is_success() {
                return undo(host, request, &printed, &ran.stderr_text()).await;
            }
        }
        chain = session::open_window(chain, host, request, name, &scripts, &window);
    }
    chain = session::start(chain, name, &state_dir, &mark);
    chain = session::read_conf(chain, host, request, &conf);
    let ran = tmux.run_raw(chain, None, request.unset_vars, DEADLINE).await?;
    printed.push_str(&ran.stdout_text());
    let complaint = ran.stderr_text();
    match ids(&printed) {
        Some((session_id, pane_id)) if printed.lines().any(|line| line == mark) => {
            let warning = (!complaint.is_empty()).then(|| format!("tmux configuration: {complaint}"));
            Ok(Made::Yes { session_id: session_id.into(), pane_id: pane_id.into(), warning })
        }
        _ => undo(host, request, &printed, &complaint).await,
    }
}

/// Session and pane id, as `new-session` printed them.
fn ids(printed: &str) -> Option<(&str, &str)> {
    let mut words = printed.lines().next()?.split(' ').skip(1);
    let (session, pane) = (words.next()?, words.next()?);
    (session.starts_with('$') && pane.starts_with('%')).then_some((session, pane))
}

/// Removes a session that was only half made, and says why it failed.
async fn undo(host: &Host, request: &StartRequest<'_>, printed: &str, complaint: &str) -> Result<Made> {
    let tmux = Tmux::on(host);
    match ids(printed) {
        Some((session_id, _)) => {
            tmux.kill_session(session_id).await?;
        }
        None if complaint.contains("duplicate session") => return Ok(Made::NameTaken),
        None if complaint.contains("server exited") || complaint.contains("lost server") => {
            return Ok(Made::ServerEnded);
        }
        None => {}
    }
    tmux.check_version().await?;
    let reason = if complaint.is_empty() { "tmux failed without a word" } else { complaint };
    Err(StartError::Failed { agent: request.record.name.to_string(), reason: reason.to_owned() }.into())
}
