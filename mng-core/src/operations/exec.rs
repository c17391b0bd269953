//! Runs one command beside each of many agents: in its work dir, with its environment.

mod outer;

use std::path::PathBuf;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use serde::Serialize;
use tokio::sync::mpsc::UnboundedSender;

pub use outer::{OuterRan, OuterReport, SkippedAgent, outer};

use super::resolve::ResolvedAgent;
use crate::hosts::Host;
use crate::model::env_file::EnvVars;
use crate::model::error::{Error, ErrorClass, Result};
use crate::model::record::AgentRecord;
use crate::plugins::Ctx;
use crate::transports::{Chunk, ExecRequest};

/// Sources the host's and the agent's env files (`$1`, `$2`), then runs the command line `$3`.
pub(super) const WITH_ENV: &str = r#"set -a
if [ -f "$1" ]; then . "$1"; fi
if [ -f "$2" ]; then . "$2"; fi
set +a
exec sh -c "$3""#;

/// What to run, and how.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// An agent given twice gets the command once.
    pub agents: Vec<ResolvedAgent>,
    /// A line for the host's shell.
    pub command: String,
    /// Where, if not in each agent's work dir; a relative path starts there.
    pub cwd: Option<PathBuf>,
    /// Then the command and all it started is killed.
    pub timeout: Option<Duration>,
    pub user: Option<String>,
    /// Hand out the output as it comes; the results then hold none.
    pub is_streaming: bool,
    /// One agent after the other, and none after the first failure.
    pub is_aborting: bool,
}

/// What happens meanwhile. Results come in the order of the agents.
#[derive(Debug)]
pub enum Progress {
    /// A piece of the output of agent number `index`; only when streaming.
    Output {
        index: usize,
        chunk: Chunk,
    },
    Done {
        index: usize,
        outcome: Outcome,
    },
}

/// How it went beside one agent.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Outcome {
    Ran(Ran),
    NotRun(NotRun),
}

impl Outcome {
    #[must_use]
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Ran(Ran { success: true, .. }))
    }
}

/// The command ran to its end, or to its deadline. Field names are the JSON contract.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Ran {
    pub agent: String,
    pub stdout: Captured,
    pub stderr: Captured,
    pub success: bool,
    /// `None`: a signal or the deadline ended it.
    pub exit_code: Option<i32>,
    pub timed_out: bool,
}

/// What a command printed. As text one newline at the end is left out and bytes that are no UTF-8 are
/// replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Captured(pub Vec<u8>);

impl Serialize for Captured {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let bytes = self.0.strip_suffix(b"\n").unwrap_or(&self.0);
        serializer.serialize_str(&String::from_utf8_lossy(bytes))
    }
}

/// The command could not be run at all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NotRun {
    pub agent: String,
    pub error: String,
}

/// Field names are the JSON contract.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    pub results: Vec<Ran>,
    pub failed_agents: Vec<NotRun>,
    pub total_executed: usize,
    pub total_failed: usize,
}

impl Report {
    /// 0 if every command ended well, else 1.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        u8::from(!self.failed_agents.is_empty() || self.results.iter().any(|ran| !ran.success))
    }

    fn add(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Ran(ran) => self.results.push(ran),
            Outcome::NotRun(failed) => self.failed_agents.push(failed),
        }
        self.total_executed = self.results.len();
        self.total_failed = self.failed_agents.len();
    }
}

/// Runs the command beside every agent, many at once. The agents need not run. What goes wrong with one is
/// a row of the report and stops no other, unless the request aborts.
#[tracing::instrument(skip_all, fields(agents = request.agents.len()))]
pub async fn exec(ctx: &Ctx, request: &Request, progress: &UnboundedSender<Progress>) -> Report {
    let parallel = if request.is_aborting { 1 } else { ctx.limits.parallel };
    let mut agents: Vec<&ResolvedAgent> = Vec::new();
    for agent in &request.agents {
        if agents.iter().all(|known| known.key() != agent.key()) {
            agents.push(agent);
        }
    }
    let mut report = Report::default();
    let runs = stream::iter(agents.into_iter().enumerate())
        .map(|(index, agent)| async move { (index, beside(agent, request, index, progress).await) });
    let mut runs = std::pin::pin!(runs.buffered(parallel));
    while let Some((index, outcome)) = runs.next().await {
        let is_over = request.is_aborting && !outcome.is_success();
        // The reader may have gone (a closed pipe); the report still counts.
        let _ = progress.send(Progress::Done { index, outcome: outcome.clone() });
        report.add(outcome);
        if is_over {
            break;
        }
    }
    report
}

async fn beside(
    agent: &ResolvedAgent,
    request: &Request,
    index: usize,
    progress: &UnboundedSender<Progress>,
) -> Outcome {
    let name = agent.record.name.to_string();
    match run(agent, request, index, progress).await {
        Ok(ran) => Outcome::Ran(ran),
        Err(error) => {
            let causes = error.causes().into_iter();
            let error = std::iter::once(error.to_string()).chain(causes).collect::<Vec<_>>().join(": ");
            Outcome::NotRun(NotRun { agent: name, error })
        }
    }
}

async fn run(
    agent: &ResolvedAgent,
    request: &Request,
    index: usize,
    progress: &UnboundedSender<Progress>,
) -> Result<Ran> {
    let ResolvedAgent { host, record } = agent;
    let work_dir = record.work_dir.clone();
    let cwd = request.cwd.as_ref().map_or_else(|| work_dir.clone(), |path| work_dir.join(path));
    // Over a line each look first would be a round trip: the host's own shell reads the env files there. Another
    // user may not be allowed to.
    let is_read_there = !host.is_local() && request.user.is_none();
    if !is_read_there && host.transport.stat(&cwd).await?.is_none() {
        return Err(no_directory(record, &cwd, request.cwd.is_some()));
    }
    let (argv, vars) = if is_read_there {
        let files = [host.layout.env(), host.layout.agent_env(&record.id)];
        let files = files.map(|file| file.to_string_lossy().into_owned());
        (with_env_files(files, &request.command), identity(host, record)?)
    } else {
        (["sh", "-c", &request.command].map(str::to_owned).to_vec(), environment(host, record).await?)
    };
    let mut command = ExecRequest::new(argv).cwd(&cwd).timeout(request.timeout);
    command.user.clone_from(&request.user);
    for (key, value) in vars.iter() {
        command = command.env(key, value);
    }
    let ran = if request.is_streaming {
        let mut hand_out = |chunk| {
            let _ = progress.send(Progress::Output { index, chunk });
        };
        host.transport.exec_streaming(command, &mut hand_out).await
    } else {
        host.transport.exec(command).await
    };
    let output = match ran {
        Ok(output) => output,
        Err(_) if is_read_there && matches!(host.transport.stat(&cwd).await, Ok(None)) => {
            return Err(no_directory(record, &cwd, request.cwd.is_some()));
        }
        Err(error) => return Err(error),
    };
    let is_success = output.is_success();
    Ok(Ran {
        agent: record.name.to_string(),
        stdout: Captured(output.stdout),
        stderr: Captured(output.stderr),
        success: is_success,
        exit_code: output.code,
        timed_out: output.is_timed_out,
    })
}

fn no_directory(record: &AgentRecord, cwd: &std::path::Path, is_asked_for: bool) -> Error {
    if is_asked_for {
        Error::plain(ErrorClass::UserInput, format!("there is no directory `{}`", cwd.display()))
    } else {
        Error::hinted(
            ErrorClass::Agent,
            format!("the work dir of agent `{}` is gone: `{}`", record.name, cwd.display()),
            "run it elsewhere with `--cwd`",
        )
    }
}

/// The words that run the command line behind the env files, each of which may be missing.
fn with_env_files([host, agent]: [String; 2], command: &str) -> Vec<String> {
    ["sh".into(), "-c".into(), WITH_ENV.into(), "sh".into(), host, agent, command.to_owned()].to_vec()
}

/// Who the agent is.
fn identity(host: &Host, record: &AgentRecord) -> Result<EnvVars> {
    let mut vars = EnvVars::new();
    vars.set("MNG_HOST_DIR", host.layout.root().to_string_lossy())?;
    vars.set("MNG_AGENT_ID", record.id.as_str())?;
    vars.set("MNG_AGENT_NAME", record.name.as_str())?;
    vars.set("MNG_AGENT_STATE_DIR", host.layout.agent(&record.id).to_string_lossy())?;
    vars.set("MNG_AGENT_WORK_DIR", record.work_dir.to_string_lossy())?;
    Ok(vars)
}

/// What the agent's own shells see: the host's env file, then the agent's; and who it is, where a record of
/// an older program has no env file that says so.
///
/// # Errors
/// An env file cannot be read.
pub async fn environment(host: &Host, record: &AgentRecord) -> Result<EnvVars> {
    let mut vars = identity(host, record)?;
    for path in [host.layout.env(), host.layout.agent_env(&record.id)] {
        if let Some(bytes) = host.transport.read(&path).await? {
            let parsed = EnvVars::parse(&String::from_utf8_lossy(&bytes)).map_err(|error| {
                Error::io(format!("read `{}`", path.display()), std::io::Error::other(error))
            })?;
            vars.merge(parsed);
        }
    }
    Ok(vars)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;
    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

    use super::*;
    use crate::agents::testing::PrivateHost;
    use crate::operations::fixture::{agent_at, block, context, host_at};

    fn run_all(request: &Request) -> (Report, UnboundedReceiver<Progress>) {
        let (sender, receiver) = unbounded_channel();
        let ctx = context();
        (block(exec(&ctx, request, &sender)), receiver)
    }

    fn request(dir: &std::path::Path, names: &[&str], command: &str) -> Request {
        let host = host_at(dir);
        let agents = names.iter().map(|name| agent_at(&host, name)).collect();
        Request { agents, command: command.into(), ..Request::default() }
    }

    #[test]
    fn each_agent_has_its_work_dir_and_its_environment() {
        let dir = tempfile::tempdir().unwrap();
        let request = request(
            dir.path(),
            &["a", "b"],
            "echo $MNG_AGENT_NAME $FROM_HOST $FROM_AGENT; pwd; echo e >&2; exit 3",
        );
        fs::write(dir.path().join("env"), "FROM_HOST=h\nFROM_AGENT=h\n").unwrap();
        let state = request.agents[1].host.layout.agent_env(&request.agents[1].record.id);
        fs::write(state, "FROM_AGENT='$x'\n").unwrap();
        let (report, _) = run_all(&request);
        assert_eq!(report.exit_code(), 1);
        let work = |name: &str| dir.path().join("work").join(name).display().to_string();
        assert_eq!(
            serde_json::to_value(&report).unwrap(),
            json!({
                "results": [
                    {"agent": "a", "stdout": format!("a h h\n{}", work("a")), "stderr": "e", "success": false, "exit_code": 3, "timed_out": false},
                    {"agent": "b", "stdout": format!("b h $x\n{}", work("b")), "stderr": "e", "success": false, "exit_code": 3, "timed_out": false},
                ],
                "failed_agents": [],
                "total_executed": 2,
                "total_failed": 0,
            })
        );
    }

    #[test]
    fn another_machine_reads_the_env_files_itself() {
        let private = PrivateHost::far();
        let record = private.agent("a", "true");
        let host = private.host.clone();
        fs::write(host.layout.env(), "FROM_HOST=h\nFROM_AGENT=h\n").unwrap();
        fs::write(host.layout.agent_env(&record.id), "FROM_AGENT='$x'\n").unwrap();
        let agent = ResolvedAgent { host, record };
        let command = "echo $MNG_AGENT_NAME $FROM_HOST $FROM_AGENT; pwd; exit 3";
        let request = Request { agents: vec![agent.clone()], command: command.into(), ..Request::default() };
        let (report, _) = run_all(&request);
        let printed = format!("a h $x\n{}\n", agent.record.work_dir.display());
        assert_eq!(String::from_utf8_lossy(&report.results[0].stdout.0), printed);
        assert_eq!(report.results[0].exit_code, Some(3));
        let lost = Request { cwd: Some("nope".into()), ..request };
        let (report, _) = run_all(&lost);
        let expected = format!("there is no directory `{}/nope`", agent.record.work_dir.display());
        assert_eq!(report.failed_agents, [NotRun { agent: "a".into(), error: expected }]);
    }

    #[test]
    fn a_deadline_is_told_and_a_missing_directory_is_no_crash() {
        let dir = tempfile::tempdir().unwrap();
        let slow =
            Request { timeout: Some(Duration::from_millis(50)), ..request(dir.path(), &["a"], "sleep 60") };
        let (report, _) = run_all(&slow);
        assert!(report.results[0].timed_out && !report.results[0].success);
        assert_eq!(report.results[0].exit_code, None);
        let lost = Request { cwd: Some("nope".into()), ..request(dir.path(), &["a"], "true") };
        let (report, _) = run_all(&lost);
        let expected = format!("there is no directory `{}/work/a/nope`", dir.path().display());
        assert_eq!(report.failed_agents, [NotRun { agent: "a".into(), error: expected }]);
    }

    #[test]
    fn aborting_starts_nothing_after_a_failure() {
        let dir = tempfile::tempdir().unwrap();
        let names = ["a", "b", "c"];
        let all = request(dir.path(), &names, "touch ran; test $MNG_AGENT_NAME != b");
        let (report, mut progress) = run_all(&Request { is_aborting: true, ..all });
        assert_eq!((report.results.len(), report.exit_code()), (2, 1));
        let ran = names.map(|name| dir.path().join("work").join(name).join("ran").exists());
        assert_eq!(ran, [true, true, false]);
        let mut seen = 0;
        while let Ok(Progress::Done { index, .. }) = progress.try_recv() {
            assert_eq!(index, seen);
            seen += 1;
        }
        assert_eq!(seen, 2);
    }

    #[test]
    fn a_stream_hands_out_the_bytes_as_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let streamed = Request { is_streaming: true, ..request(dir.path(), &["a"], "printf '\\377a'") };
        let (report, mut progress) = run_all(&streamed);
        assert!(report.results[0].stdout.0.is_empty());
        let mut bytes = Vec::new();
        while let Ok(Progress::Output { chunk: Chunk::Stdout(more), .. }) = progress.try_recv() {
            bytes.extend(more);
        }
        assert_eq!(bytes, b"\xffa");
    }
}
