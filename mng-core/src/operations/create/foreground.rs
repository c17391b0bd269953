//! `--foreground`: a headless agent's output is handed on until it ends; then the agent is destroyed.

use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::build::Built;
use super::prepare::{self, Prepared};
use super::request::CreateRequest;
use super::{checks, make, take_back};
use crate::agents::launch::LaunchFile;
use crate::model::error::Result;
use crate::model::event::Events;
use crate::model::record::AgentRecord;
use crate::operations::relaunch;
use crate::plugins::Ctx;

/// How often the output is looked at.
const POLL: Duration = Duration::from_millis(50);
/// How often the agent itself is: a killed one cannot write down that it ended.
const PROBE: Duration = Duration::from_secs(1);
/// Most bytes handed on at once.
const CHUNK: usize = 64 * 1024;

/// A piece of the agent's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output<'a> {
    Stdout(&'a [u8]),
    Stderr(&'a [u8]),
}

/// How the agent ended.
#[derive(Clone, Debug, Serialize)]
pub struct ForegroundReport {
    pub agent_id: String,
    pub agent_name: String,
    /// Null when a signal ended it.
    pub exit_code: Option<i32>,
}

/// Runs a headless agent to its end and destroys it, whatever happens. What it changed in its work dir is
/// kept for `mng undo`.
///
/// # Errors
/// As [`super::create`].
pub async fn run_foreground(
    ctx: &Ctx,
    request: CreateRequest,
    events: &Events,
    on_output: &mut (dyn FnMut(Output<'_>) + Send),
) -> Result<ForegroundReport> {
    let _watch = ctx.cancel.watch();
    checks::contradictions(&request)?;
    let prepared = prepare::prepare(ctx, request, events, &ctx.cancel).await?;
    let Built { record, entry, step, .. } = make(ctx, &prepared, events, &ctx.cancel).await?;
    step.complete();
    let ended = ctx.cancel.race(follow(ctx, &prepared, &record, on_output)).await;
    take_back(ctx, &prepared, entry, events).await;
    Ok(ForegroundReport {
        agent_id: record.id.to_string(),
        agent_name: record.name.to_string(),
        exit_code: ended?,
    })
}

/// Hands on what the agent writes until it has ended; its exit code.
async fn follow(
    ctx: &Ctx,
    prepared: &Prepared,
    record: &AgentRecord,
    on_output: &mut (dyn FnMut(Output<'_>) + Send),
) -> Result<Option<i32>> {
    let host = &prepared.host;
    let dir = host.layout.agent(&record.id);
    let mut reader = prepared.kind.agent_type.headless_output();
    let (stdout, stderr) = reader.files();
    let mut stdout = Tail::new(dir.join(stdout));
    let mut stderr = Tail::new(dir.join(stderr));
    let mut complaint = Vec::new();
    let mut probed = Instant::now();
    loop {
        // Looked at before the output: what is read after the end is all there is.
        let launch = host.transport.read(&dir.join("launch")).await?.unwrap_or_default();
        let launch = LaunchFile::read(&String::from_utf8_lossy(&launch));
        let mut is_ended = launch.exit_code.is_some();
        if !is_ended && probed.elapsed() >= PROBE {
            probed = Instant::now();
            is_ended = !relaunch::judgement(ctx, host, record).await?.state.is_running_like();
        }
        let mut is_read = true;
        while let Some(bytes) = stdout.next(prepared).await? {
            let text = reader.take(&bytes);
            if !text.is_empty() {
                on_output(Output::Stdout(&text));
            }
            is_read = false;
        }
        while let Some(bytes) = stderr.next(prepared).await? {
            on_output(Output::Stderr(&bytes));
            complaint.extend_from_slice(&bytes);
            let surplus = complaint.len().saturating_sub(CHUNK);
            complaint.drain(..surplus);
            is_read = false;
        }
        if is_ended && is_read {
            let rest = reader.finish(&String::from_utf8_lossy(&complaint))?;
            if !rest.is_empty() {
                on_output(Output::Stdout(&rest));
            }
            return Ok(launch.exit_code);
        }
        if is_read {
            tokio::time::sleep(POLL).await;
        }
    }
}

/// A growing file.
struct Tail {
    path: std::path::PathBuf,
    offset: u64,
}

impl Tail {
    fn new(path: impl AsRef<Path>) -> Self {
        Self { path: path.as_ref().to_path_buf(), offset: 0 }
    }

    /// What was written since the last look.
    async fn next(&mut self, prepared: &Prepared) -> Result<Option<Vec<u8>>> {
        let transport = &prepared.host.transport;
        let Some(bytes) = transport.read_from(&self.path, self.offset, CHUNK).await? else { return Ok(None) };
        self.offset += bytes.len() as u64;
        Ok(Some(bytes).filter(|bytes| !bytes.is_empty()))
    }
}
