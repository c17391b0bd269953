//! `mng archive`

use std::io;

use clap::Args;
use mng_core::model::address::AgentAddress;
use mng_core::operations::archive::{ArchiveReport, ArchiveRequest, archive};
use mng_core::plugins::Ctx;
use serde_json::Value;

use crate::args::TargetArgs;
use crate::commands::dry_run::DryRun;
use crate::exit::{CliResult, ExitCode};
use crate::selection::found_agents;
use crate::ui::{Out, Render, Ui, to_json};

/// Hide agents from `mng list --active`
///
/// Sets the label `archived_at`; nothing else of an agent changes, and `mng start` takes the label off again.
/// Running agents are left alone unless `--force` is given, which stops them first.
#[derive(Debug, Args)]
#[command(
    after_help = "$ mng archive alpha\n\nEverything of a project that is done:\n$ mng list --project shop --stopped --ids | mng archive -\n\nSee also: stop, list, label"
)]
pub(crate) struct ArchiveArgs {
    /// Stop running agents first
    #[arg(short, long)]
    force: bool,

    /// Say what would be archived, and change nothing
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    targets: TargetArgs,
}

pub(crate) async fn run(ui: &mut Ui, ctx: &Ctx, args: ArchiveArgs) -> CliResult {
    let targets = args.targets.resolve::<AgentAddress>()?;
    if targets.is_empty_input {
        return Ok(ExitCode::SUCCESS);
    }
    let is_all = targets.is_all;
    let agents = found_agents(ui, ctx, targets).await?;
    if args.dry_run {
        return DryRun::new("Would archive:", &agents).show(ui);
    }
    let request = ArchiveRequest { agents, force: args.force };
    let report = ui.with_progress("Archiving", async |events| archive(ctx, request, &events).await).await?;
    for skipped in &report.skipped {
        ui.warning(&format!(
            "agent {} is {} and was not archived; add `--force` to stop it first",
            skipped.agent_name, skipped.state
        ));
    }
    ui.result(&report)?;
    // Who names an agent wants it archived; who says "all" wants those that can be.
    Ok(match ExitCode::for_failures(&report.failures) {
        ExitCode::SUCCESS if !is_all && !report.skipped.is_empty() => ExitCode::OTHER,
        code => code,
    })
}

impl Render for ArchiveReport {
    fn event(&self) -> &'static str {
        "archive_result"
    }

    fn human(&self, out: &mut Out<'_>) -> io::Result<()> {
        for change in &self.changes {
            out.line(format_args!("Archived agent: {}", change.agent_name))?;
        }
        match self.count {
            0 if self.failures.is_empty() => out.line(format_args!("No agents were archived"))?,
            0 => {}
            count => out.line(format_args!("Successfully archived {count} agent(s)"))?,
        }
        out.failures(&self.failures)
    }

    fn rows(&self) -> Vec<Value> {
        self.changes.iter().map(to_json).collect()
    }
}
