//! `mng pair`

use std::io;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use mng_core::operations::pair::{PairDirection, PairEvent, PairRequest, Winner, check_installed, prepare};
use mng_core::plugins::Ctx;
use serde::Serialize;
use serde_json::{Value, json};

use crate::args::{AgentEnd, UncommittedArg};
use crate::commands::pull::agent_or_choice;
use crate::exit::{CliResult, ExitCode};
use crate::ui::{Out, Render, Ui};

/// Keep a directory here and an agent's alike, continuously
///
/// Commits of both sides are merged first. Then unison carries every change of a file over to the other side
/// until you press Ctrl-C; what loses a conflict is kept in unison's backups. `.git` and what git ignores are
/// left out. The agent need not run.
#[derive(Debug, Args)]
#[command(
    after_help = "$ mng pair alpha\n\nOnly from the agent to here:\n$ mng pair alpha --sync-direction forward\n\nSee also: pull, push, moving_data"
)]
pub(crate) struct PairArgs {
    /// The agent, by name, id or address, and `:PATH` for a place beside its work dir
    #[arg(value_name = "SOURCE")]
    positional: Option<String>,

    /// As SOURCE
    #[arg(long, value_name = "SOURCE")]
    source: Option<String>,

    /// The agent alone
    #[arg(long, value_name = "AGENT")]
    source_agent: Option<String>,

    /// Only an agent on this host
    #[arg(long, value_name = "HOST")]
    source_host: Option<String>,

    /// A place on the agent's host; a relative one starts at the work dir
    #[arg(long, value_name = "PATH")]
    source_path: Option<String>,

    /// The directory here; by default the repository around the current one
    #[arg(long, value_name = "DIR")]
    target: Option<PathBuf>,

    /// Refuse directories that are no git work trees (the default)
    #[arg(long, overrides_with = "no_require_git")]
    require_git: bool,
    /// Pair plain directories, and leave commits alone
    #[arg(long, overrides_with = "require_git")]
    no_require_git: bool,

    /// What becomes of uncommitted changes that the first merge meets
    #[arg(long, value_name = "MODE", value_enum, default_value_t = UncommittedArg::Fail, ignore_case = true)]
    uncommitted_changes: UncommittedArg,

    /// Which way changes go: `forward` is from the agent to here, `reverse` from here to the agent
    #[arg(long, value_name = "WAY", value_enum, default_value_t = DirectionArg::Both, ignore_case = true)]
    sync_direction: DirectionArg,

    /// Whose version holds when both sides changed a file: the newer one, the agent's (`source`), or the one
    /// here (`target`)
    #[arg(long, value_name = "WHOSE", value_enum, default_value_t = WinnerArg::Newer, ignore_case = true)]
    conflict: WinnerArg,

    /// Only files whose name matches; repeatable
    #[arg(long, value_name = "PATTERN")]
    include: Vec<String>,

    /// No files whose name matches; repeatable
    #[arg(long, value_name = "PATTERN")]
    exclude: Vec<String>,

    /// Also what git ignores
    #[arg(long)]
    include_gitignored: bool,

    /// With one direction: delete what only the receiving side has
    #[arg(long)]
    delete: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum DirectionArg {
    Both,
    Forward,
    Reverse,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum WinnerArg {
    Newer,
    Source,
    Target,
}

pub(crate) async fn run(ui: &mut Ui, ctx: &Ctx, args: PairArgs) -> CliResult {
    let end = AgentEnd {
        name: "source",
        spec: args.source.as_deref().or(args.positional.as_deref()),
        agent: args.source_agent.as_deref(),
        host: args.source_host.as_deref(),
        path: args.source_path.as_deref(),
    };
    let (address, agent_path) = end.resolve()?;
    check_installed().await?;
    let Some(agent) = agent_or_choice(ui, ctx, address, "pair").await? else { return Ok(ExitCode::SUCCESS) };
    let request = PairRequest {
        agent,
        agent_path,
        target: args.target,
        requires_git: !args.no_require_git,
        uncommitted: args.uncommitted_changes.into(),
        direction: match args.sync_direction {
            DirectionArg::Both => PairDirection::Both,
            DirectionArg::Forward => PairDirection::Forward,
            DirectionArg::Reverse => PairDirection::Reverse,
        },
        winner: match args.conflict {
            WinnerArg::Newer => Winner::Newer,
            WinnerArg::Source => Winner::Source,
            WinnerArg::Target => Winner::Target,
        },
        include: args.include,
        exclude: args.exclude,
        include_ignored: args.include_gitignored,
        is_deleting: args.delete,
    };
    let pair = ui.with_progress("Pairing", async |events| prepare(ctx, &request, &events).await).await?;
    let (source, target) = (pair.source_path.display().to_string(), pair.target_path.display().to_string());
    ui.event("pair_started", &json!({ "source_path": source, "target_path": target }))?;
    if ui.is_human() {
        ui.human(|out| {
            out.line(format_args!("Pairing {source} <-> {target}"))?;
            out.line(format_args!("Sync started. Press Ctrl+C to stop."))
        })?;
    }
    let mut report =
        PairReport { source_path: source, target_path: target, synced: 0, conflicts: Vec::new() };
    // The frame waits for unison to put its archives away.
    let watch = ctx.cancel.watch();
    let stop = async {
        // Pends for ever but for the signal.
        let _ = ctx.cancel.race(std::future::pending::<Result<(), mng_core::Error>>()).await;
    };
    let mut on_event = |event: PairEvent| match &event {
        PairEvent::Synced { transferred, skipped, failed } => {
            report.synced += transferred;
            if *failed > 0 {
                ui.warning(&format!("{failed} change(s) could not be carried over, {skipped} skipped"));
            }
            ui.event("pair_synced", &event)
        }
        PairEvent::Conflict { path, kept } => {
            report.conflicts.push(path.clone());
            let how = match kept {
                Some("source") => "the agent's version holds; the other one is in the backups",
                Some(_) => "the version here holds; the agent's is in the backups",
                None => "both sides changed it, and neither is touched",
            };
            ui.info(&format!("conflict: {path}: {how}"));
            ui.event("pair_conflict", &event)
        }
    };
    pair.run(stop, &mut on_event).await?;
    drop(watch);
    ui.result(&report)?;
    Ok(ExitCode::SUCCESS)
}

/// Printed at the end.
#[derive(Serialize)]
struct PairReport {
    source_path: String,
    target_path: String,
    synced: u64,
    conflicts: Vec<String>,
}

impl Render for PairReport {
    fn event(&self) -> &'static str {
        "pair_stopped"
    }

    fn human(&self, out: &mut Out<'_>) -> io::Result<()> {
        out.line(format_args!("Pairing stopped"))
    }

    fn jsonl(&self) -> Vec<Value> {
        vec![json!({ "event": "pair_stopped" })]
    }
}
