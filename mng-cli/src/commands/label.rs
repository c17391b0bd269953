//! `mng label`

use std::collections::BTreeMap;
use std::io;

use clap::Args;
use mng_core::model::address::AgentAddress;
use mng_core::operations::label::{LabelReport, LabelRequest, label};
use mng_core::plugins::Ctx;
use mng_core::{Error, ErrorClass};

use crate::args::TargetArgs;
use crate::commands::dry_run::DryRun;
use crate::exit::{CliResult, ExitCode};
use crate::selection::found_agents;
use crate::ui::{Out, Render, Ui};

/// Set or remove labels of agents
///
/// New labels are merged into those there are. Works whether the agent runs or not; nothing else of it
/// changes.
#[derive(Debug, Args)]
#[command(
    after_help = "$ mng label alpha -l priority=high\n\nTake a label off every agent:\n$ mng label --all --remove priority\n\nSee also: list, archive"
)]
pub(crate) struct LabelArgs {
    /// A label to set; repeatable
    #[arg(short, long, value_name = "KEY=VALUE", value_parser = key_value)]
    label: Vec<(String, String)>,

    /// A label to remove; repeatable
    #[arg(long, value_name = "KEY")]
    remove: Vec<String>,

    /// Say what would change, and change nothing
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    targets: TargetArgs,
}

/// `KEY=VALUE`, both trimmed.
pub(super) fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.trim().to_owned())),
        _ => Err(format!("`{text}` is not KEY=VALUE")),
    }
}

pub(crate) async fn run(ui: &mut Ui, ctx: &Ctx, args: LabelArgs) -> CliResult {
    if args.label.is_empty() && args.remove.is_empty() {
        return Err(Error::hinted(
            ErrorClass::Usage,
            "no label is given",
            "mng label AGENT -l KEY=VALUE, or --remove KEY",
        ));
    }
    let targets = args.targets.resolve::<AgentAddress>()?;
    if targets.is_empty_input {
        return Ok(ExitCode::SUCCESS);
    }
    let agents = found_agents(ui, ctx, targets).await?;
    if args.dry_run {
        return DryRun::new("Would update labels on:", &agents).show(ui);
    }
    let set: BTreeMap<String, String> = args.label.into_iter().collect();
    let request = LabelRequest { agents, set, remove: args.remove };
    let report = ui.with_progress("Labelling", async |events| label(ctx, request, &events).await).await?;
    ui.result(&report)?;
    Ok(ExitCode::for_failures(&report.failures))
}

impl Render for LabelReport {
    fn event(&self) -> &'static str {
        "label_result"
    }

    fn human(&self, out: &mut Out<'_>) -> io::Result<()> {
        for change in &self.changes {
            out.line(format_args!("Updated labels for agent {}", change.agent_name))?;
        }
        if self.count > 0 {
            out.line(format_args!("Updated labels on {} agent(s)", self.count))?;
        }
        out.failures(&self.failures)
    }
}
