//! `mng limit`

use std::io;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use mng_core::model::address::{AgentAddress, HostAddress};
use mng_core::model::state::{ActivitySource, IdleMode};
use mng_core::operations::limit::{AgentLimits, HostLimits, LimitChange, LimitReport, LimitRequest, limit};
use mng_core::plugins::Ctx;
use mng_core::{Error, ErrorClass};

use crate::args::SelectArgs;
use crate::commands::dry_run::DryRun;
use crate::exit::{CliResult, ExitCode};
use crate::selection::{found_agents, found_hosts};
use crate::ui::{Out, Render, Ui};

/// Change idle limits of hosts and permissions of agents
///
/// Idle settings belong to a host and are applied once for each host of the agents named. Start-on-boot
/// and permissions belong to the agents themselves. This machine never stops for being idle: its settings
/// are stored and shown, nothing more.
#[derive(Debug, Args)]
#[command(
    after_help = "$ mng limit alpha --start-on-boot\n\nLet a host stop after half an hour without activity:\n$ mng limit --host gpu --idle-timeout 30m\n\nSee also: list, label"
)]
pub(crate) struct LimitArgs {
    /// Agents by name, id or address; `-` reads them from stdin
    #[arg(value_name = "AGENT")]
    agents: Vec<String>,

    /// A host, by name, id or address; repeatable
    #[arg(long, value_name = "HOST", help_heading = "Targets")]
    host: Vec<HostAddress>,

    /// Start the agent when its host boots; `--no-start-on-boot` turns it off
    #[arg(long, overrides_with = "no_start_on_boot")]
    start_on_boot: bool,
    #[arg(long, hide = true, overrides_with = "start_on_boot")]
    no_start_on_boot: bool,

    /// Stop the host after this time without activity: seconds, or `30m`, `1h30m`
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    idle_timeout: Option<Duration>,

    /// What counts as activity: io, user, agent, ssh, create, boot, start, run or disabled
    #[arg(long, value_name = "MODE", value_parser = idle_mode)]
    idle_mode: Option<IdleMode>,

    /// Exactly what counts as activity: create, boot, start, ssh, process, agent, user
    #[arg(long, value_name = "SOURCES", value_delimiter = ',', value_parser = source,
          conflicts_with_all = ["add_activity_source", "remove_activity_source"])]
    activity_sources: Option<Vec<ActivitySource>>,

    /// One more thing that counts; repeatable
    #[arg(long, value_name = "SOURCE", value_parser = source)]
    add_activity_source: Vec<ActivitySource>,

    /// One thing that no longer counts; repeatable
    #[arg(long, value_name = "SOURCE", value_parser = source)]
    remove_activity_source: Vec<ActivitySource>,

    /// Add a permission to the agent's list; repeatable
    #[arg(long, value_name = "PERMISSION")]
    grant: Vec<String>,

    /// Take a permission off the agent's list; repeatable
    #[arg(long, value_name = "PERMISSION")]
    revoke: Vec<String>,

    /// Say what would change, and change nothing
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    select: SelectArgs,
}

fn duration(text: &str) -> Result<Duration, String> {
    mng_core::model::duration::parse(text).map_err(|error| error.to_string())
}

fn source(text: &str) -> Result<ActivitySource, String> {
    ActivitySource::from_str(text).map_err(|error| error.to_string())
}

fn idle_mode(text: &str) -> Result<IdleMode, String> {
    match IdleMode::from_str(text) {
        Ok(IdleMode::Custom) => Err("`custom` names no set: use `--activity-sources`".into()),
        Ok(mode) => Ok(mode),
        Err(error) => Err(error.to_string()),
    }
}

impl LimitArgs {
    fn host_limits(&self) -> HostLimits {
        HostLimits {
            idle_timeout: self.idle_timeout.map(|time| time.as_secs()),
            idle_mode: self.idle_mode,
            activity_sources: self.activity_sources.clone(),
            add_sources: self.add_activity_source.clone(),
            remove_sources: self.remove_activity_source.clone(),
        }
    }

    fn agent_limits(&self) -> AgentLimits {
        let start_on_boot = match (self.start_on_boot, self.no_start_on_boot) {
            (true, _) => Some(true),
            (_, true) => Some(false),
            _ => None,
        };
        AgentLimits { start_on_boot, grant: self.grant.clone(), revoke: self.revoke.clone() }
    }
}

pub(crate) async fn run(ui: &mut Ui, ctx: &Ctx, args: LimitArgs) -> CliResult {
    let (host_limits, agent_limits) = (args.host_limits(), args.agent_limits());
    if host_limits.is_empty() && agent_limits.is_empty() {
        return Err(usage("nothing to change", "see the options: mng limit --help"));
    }
    let names_agents =
        !args.agents.is_empty() || !args.select.agent.is_empty() || args.select.stdin || args.select.all;
    if !names_agents && !args.host.is_empty() && !agent_limits.is_empty() {
        return Err(usage(
            "start-on-boot and permissions belong to agents, and only hosts are named",
            "name the agents too",
        ));
    }
    let hosts = found_hosts(ctx, &args.host).await?;
    let mut agents = Vec::new();
    if names_agents || args.host.is_empty() {
        let targets = args.select.resolve::<AgentAddress>(args.agents)?;
        if targets.is_empty_input {
            return Ok(ExitCode::SUCCESS);
        }
        agents = found_agents(ui, ctx, targets).await?;
    }
    if names_agents && !hosts.is_empty() {
        agents.retain(|agent| hosts.iter().any(|host| host.info.id == agent.host.info.id));
    }
    if args.dry_run {
        return DryRun::new("Would change limits of:", &agents).show(ui);
    }
    let request = LimitRequest { agents, hosts, host_limits, agent_limits };
    let report =
        ui.with_progress("Changing limits", async |events| limit(ctx, request, &events).await).await?;
    ui.result(&report)?;
    Ok(ExitCode::for_failures(&report.failures))
}

fn usage(message: &str, hint: &str) -> Error {
    Error::hinted(ErrorClass::Usage, message, hint)
}

impl Render for LimitReport {
    fn event(&self) -> &'static str {
        "limit_result"
    }

    fn human(&self, out: &mut Out<'_>) -> io::Result<()> {
        for change in &self.changes {
            match change {
                LimitChange::HostActivityConfig { host_id } => {
                    out.line(format_args!("Updated activity settings of host {host_id}"))?;
                }
                LimitChange::AgentStartOnBoot { agent_name, start_on_boot, .. } => {
                    out.line(format_args!("Set start-on-boot of agent {agent_name} to {start_on_boot}"))?;
                }
                LimitChange::AgentPermissions { agent_name, permissions, .. } => {
                    let list = if permissions.is_empty() { "none".into() } else { permissions.join(", ") };
                    out.line(format_args!("Permissions of agent {agent_name}: {list}"))?;
                    out.note(format_args!("restart the agent for its permissions to take effect: mng start --restart {agent_name}"));
                }
            }
        }
        out.line(format_args!("Applied {} change(s)", self.count))?;
        out.failures(&self.failures)
    }
}
