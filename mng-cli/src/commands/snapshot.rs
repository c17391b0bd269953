//! `mng snapshot`. No back end of this build takes snapshots, and the command says so for the targets named.

use std::io;

use clap::{Args, Subcommand};
use mng_core::model::address::AgentOrHost;
use mng_core::operations::resolve::ResolvedAgent;
use mng_core::plugins::Ctx;
use mng_core::providers::ProviderError;
use mng_core::{Error, ErrorClass};
use serde::Serialize;
use serde_json::{Value, json};

use crate::args::{SelectArgs, Targets};
use crate::exit::{CliResult, ExitCode};
use crate::selection::select;
use crate::ui::{Out, Render, Ui};

/// Take, list and delete snapshots of hosts
///
/// A snapshot keeps the disk of a host so that another can be made from it. This machine has none: its
/// files are your own.
#[derive(Args, Debug)]
#[command(after_help = "$ mng snapshot list\n\nSee also: snapshots, undo")]
pub(crate) struct SnapshotArgs {
    #[command(subcommand)]
    command: SnapshotCommand,
}

#[derive(Debug, Subcommand)]
enum SnapshotCommand {
    Create(CreateArgs),
    List(ListArgs),
    Destroy(DestroyArgs),
}

/// Take a snapshot of the hosts of agents
#[derive(Args, Debug)]
struct CreateArgs {
    #[command(flatten)]
    targets: SnapshotTargets,

    /// A name for the snapshot
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,

    /// Only say of which hosts snapshots would be taken
    #[arg(long)]
    dry_run: bool,
}

/// List snapshots
#[derive(Args, Debug)]
struct ListArgs {
    #[command(flatten)]
    targets: SnapshotTargets,

    /// At most so many
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
}

/// Delete snapshots
#[derive(Args, Debug)]
struct DestroyArgs {
    #[command(flatten)]
    targets: SnapshotTargets,

    /// The snapshot to delete; repeatable
    #[arg(long, value_name = "ID", conflicts_with = "all_snapshots")]
    snapshot: Vec<String>,

    /// Every snapshot of the hosts
    #[arg(long)]
    all_snapshots: bool,

    /// Ask no question
    #[arg(short, long)]
    force: bool,

    /// Only say what would be deleted
    #[arg(long)]
    dry_run: bool,
}

/// Whose snapshots.
#[derive(Args, Debug)]
struct SnapshotTargets {
    /// Agents, or hosts as `@HOST`; `-` reads them from stdin
    #[arg(value_name = "AGENT|@HOST")]
    agents: Vec<String>,

    #[command(flatten)]
    select: SelectArgs,

    /// A host; repeatable
    #[arg(long, value_name = "HOST")]
    host: Vec<String>,
}

impl SnapshotTargets {
    fn is_empty(&self) -> bool {
        self.agents.is_empty()
            && self.host.is_empty()
            && self.select.agent.is_empty()
            && !self.select.stdin
            && !self.select.all
            && self.select.expressions.is_empty()
    }

    fn resolve(self) -> Result<Targets<AgentOrHost>, Error> {
        let hosts = self
            .host
            .iter()
            .map(|host| if host.starts_with('@') { host.clone() } else { format!("@{host}") });
        let words = self.agents.iter().cloned().chain(hosts).collect();
        self.select.resolve(words)
    }
}

pub(crate) async fn run(ui: &mut Ui, ctx: &Ctx, args: SnapshotArgs) -> CliResult {
    match args.command {
        SnapshotCommand::Create(args) => create(ui, ctx, args).await,
        SnapshotCommand::List(args) if args.targets.is_empty() => Err(none(ctx)?),
        SnapshotCommand::List(args) => refuse(ui, ctx, args.targets).await,
        SnapshotCommand::Destroy(args) if args.snapshot.is_empty() && !args.all_snapshots => {
            Err(Error::hinted(
                ErrorClass::Usage,
                "no snapshot is named",
                "use `--snapshot ID` or `--all-snapshots`",
            ))
        }
        SnapshotCommand::Destroy(args) => refuse(ui, ctx, args.targets).await,
    }
}

/// That the provider of this machine has no snapshots.
fn none(ctx: &Ctx) -> Result<Error, Error> {
    let provider = ctx.local_provider()?.name().clone();
    Ok(ProviderError::NoSnapshots { provider }.into())
}

async fn found(ui: &Ui, ctx: &Ctx, targets: SnapshotTargets) -> Result<Option<Vec<ResolvedAgent>>, Error> {
    let targets = targets.resolve()?;
    if targets.is_empty_input {
        return Ok(None);
    }
    Ok(Some(select(ui, ctx, targets).await?.found.all_found()?.matches))
}

async fn refuse(ui: &mut Ui, ctx: &Ctx, targets: SnapshotTargets) -> CliResult {
    let Some(agents) = found(ui, ctx, targets).await? else { return Ok(ExitCode::SUCCESS) };
    match agents.first() {
        Some(agent) => {
            let provider = agent.host.info.provider.clone();
            Err(ProviderError::NoSnapshots { provider }.into())
        }
        None => Err(none(ctx)?),
    }
}

async fn create(ui: &mut Ui, ctx: &Ctx, args: CreateArgs) -> CliResult {
    let Some(agents) = found(ui, ctx, args.targets).await? else { return Ok(ExitCode::SUCCESS) };
    let mut report = Report { errors: Vec::new(), is_dry_run: args.dry_run };
    for agent in &agents {
        let host_id = agent.host.info.id.to_string();
        if report.errors.iter().all(|error| error.host_id != host_id) {
            let error = ProviderError::NoSnapshots { provider: agent.host.info.provider.clone() };
            report.errors.push(HostError { host_id, error: error.to_string() });
        }
    }
    if report.errors.is_empty() {
        return Err(none(ctx)?);
    }
    ui.result(&report)?;
    Ok(ExitCode::OTHER)
}

struct Report {
    errors: Vec<HostError>,
    is_dry_run: bool,
}

#[derive(Serialize)]
struct HostError {
    host_id: String,
    error: String,
}

impl Serialize for Report {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let list = if self.is_dry_run { "snapshots" } else { "snapshots_created" };
        let mut object =
            json!({ list: [], "count": 0, "errors": self.errors, "error_count": self.errors.len() });
        if self.is_dry_run {
            object["dry_run"] = Value::Bool(true);
        }
        object.serialize(serializer)
    }
}

impl Render for Report {
    fn event(&self) -> &'static str {
        if self.is_dry_run { "dry_run" } else { "create_result" }
    }

    fn human(&self, out: &mut Out<'_>) -> io::Result<()> {
        for error in &self.errors {
            out.warning(format_args!("host {}: {}", error.host_id, error.error));
        }
        Ok(())
    }
}
