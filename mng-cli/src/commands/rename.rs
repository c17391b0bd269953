//! `mng rename`

use std::io;

use clap::Args;
use mng_core::model::address::{AgentOrHost, HostAddress};
use mng_core::model::names::{AgentName, HostName};
use mng_core::operations::rename::{RenameHostReport, RenameReport, RenameRequest, rename, rename_host};
use mng_core::operations::resolve;
use mng_core::plugins::Ctx;
use serde::Serialize;

use crate::exit::{CliResult, ExitCode};
use crate::ui::{Out, Render, Ui};

use super::label::key_value;

/// Give an agent another name
///
/// Renames the record, the tmux session and the name in the agent's environment; a running agent goes on
/// undisturbed. The git branch and the work dir keep their names.
#[derive(Debug, Args)]
#[command(
    after_help = "$ mng rename alpha fix-login\n\nName this machine in listings:\n$ mng rename --host localhost desk\n\nSee also: list, label"
)]
pub(crate) struct RenameArgs {
    /// The agent, by name, id or address
    #[arg(value_name = "CURRENT")]
    current: AgentOrHost,

    /// Its new name
    #[arg(value_name = "NEW_NAME")]
    new_name: String,

    /// Say what would change, and change nothing
    #[arg(long)]
    dry_run: bool,

    /// Start a stopped host first; otherwise only its stored record changes
    #[arg(long, overrides_with = "no_start")]
    start: bool,
    #[arg(long, hide = true, overrides_with = "start")]
    no_start: bool,

    /// A label to set in the same step; repeatable
    #[arg(short, long, value_name = "KEY=VALUE", value_parser = key_value)]
    label: Vec<(String, String)>,

    /// Rename the host: the one named, or the one of the agent named
    #[arg(long)]
    host: bool,
}

/// What `--dry-run` prints.
#[derive(Debug, Serialize)]
struct RenameDryRun {
    dry_run: bool,
    old_name: String,
    new_name: String,
    #[serde(skip)]
    what: &'static str,
}

pub(crate) async fn run(ui: &mut Ui, ctx: &Ctx, args: RenameArgs) -> CliResult {
    if args.host || matches!(args.current, AgentOrHost::Host(_)) {
        return run_host(ui, ctx, args).await;
    }
    let AgentOrHost::Agent(address) = &args.current else { return Ok(ExitCode::USAGE) };
    let new_name: AgentName = args.new_name.parse()?;
    let agent = resolve::one(ctx, address).await?;
    if args.dry_run {
        let report = RenameDryRun {
            dry_run: true,
            old_name: agent.record.name.to_string(),
            new_name: new_name.to_string(),
            what: "agent",
        };
        ui.result(&report)?;
        return Ok(ExitCode::SUCCESS);
    }
    let request = RenameRequest { agent, new_name, labels: args.label.into_iter().collect() };
    let report = ui.with_progress("Renaming", async |events| rename(ctx, request, &events).await).await?;
    ui.result(&report)?;
    Ok(ExitCode::SUCCESS)
}

async fn run_host(ui: &mut Ui, ctx: &Ctx, args: RenameArgs) -> CliResult {
    let new_name: HostName = args.new_name.parse()?;
    let host = match &args.current {
        AgentOrHost::Host(address) => resolve::one_host(ctx, address).await?,
        // The word may name an agent of the host, or the host itself.
        AgentOrHost::Agent(address) => match resolve::one(ctx, address).await {
            Ok(agent) => agent.host,
            Err(error) => match args.current.to_string().parse::<HostAddress>() {
                Ok(host) => resolve::one_host(ctx, &host).await.map_err(|_| error)?,
                Err(_) => return Err(error),
            },
        },
    };
    if args.dry_run {
        let report = RenameDryRun {
            dry_run: true,
            old_name: host.info.name.to_string(),
            new_name: new_name.to_string(),
            what: "host",
        };
        ui.result(&report)?;
        return Ok(ExitCode::SUCCESS);
    }
    let report = ui
        .with_progress("Renaming", async |events| rename_host(ctx, &host, &new_name, &events).await)
        .await?;
    ui.result(&report)?;
    Ok(ExitCode::SUCCESS)
}

impl Render for RenameReport {
    fn event(&self) -> &'static str {
        "rename_result"
    }

    fn human(&self, out: &mut Out<'_>) -> io::Result<()> {
        if self.old_name == self.new_name {
            return out.line(format_args!("Agent already named: {}", self.new_name));
        }
        out.line(format_args!("Renamed agent: {} -> {}", self.old_name, self.new_name))
    }
}

impl Render for RenameHostReport {
    fn event(&self) -> &'static str {
        "rename_host_result"
    }

    fn human(&self, out: &mut Out<'_>) -> io::Result<()> {
        out.line(format_args!("Renamed host: {} -> {}", self.old_name, self.new_name))
    }
}

impl Render for RenameDryRun {
    fn event(&self) -> &'static str {
        "dry_run"
    }

    fn human(&self, out: &mut Out<'_>) -> io::Result<()> {
        out.line(format_args!("Would rename {}: {} -> {}", self.what, self.old_name, self.new_name))
    }
}
