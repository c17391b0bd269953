//! `mng stop`

use std::io;

use clap::Args;
use mng_core::model::address::AgentAddress;
use mng_core::model::failure::Failure;
use mng_core::operations::resolve::ResolvedAgent;
use mng_core::operations::stop::{StopHostsReport, StopReport, StopRequest, stop, stop_hosts};
use mng_core::plugins::Ctx;
use serde_json::{Value, json};

use crate::args::{SessionArgs, TargetArgs};
use crate::commands::dry_run::DryRun;
use crate::exit::{CliResult, ExitCode};
use crate::selection::{found_agents, live_agents, session_agents};
use crate::ui::{Out, Render, Ui};

/// Stop agents and keep their work
///
/// Ends everything the agent started, also what detached itself, and its tmux session. The work dir, the
/// branch and the conversation stay where they are, and `mng start` goes on from there. An agent that is
/// stopped already is left alone. `--all` means every agent with a live session.
#[derive(Debug, Args)]
#[command(
    after_help = "$ mng stop alpha beta\n\nStop everything and hide it from `list --active`:\n$ mng stop --all --archive\n\nSee also: start, destroy, archive"
)]
pub(crate) struct StopArgs {
    /// Also hide the agents from `mng list --active`
    #[arg(long)]
    archive: bool,

    /// Stop the whole host of each agent
    #[arg(long, conflicts_with = "archive")]
    stop_host: bool,

    /// Say what would be stopped, and stop nothing
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    targets: TargetArgs,

    #[command(flatten)]
    sessions: SessionArgs,
}

pub(crate) async fn run(ui: &mut Ui, ctx: &Ctx, args: StopArgs) -> CliResult {
    let mut silent = Vec::new();
    let agents = if args.sessions.session.is_empty() {
        let targets = args.targets.resolve::<AgentAddress>()?;
        if targets.is_empty_input {
            return Ok(ExitCode::SUCCESS);
        }
        if targets.is_all && !args.stop_host {
            let (agents, failures) = live_agents(ui, ctx, targets).await?;
            silent = failures;
            agents
        } else {
            found_agents(ui, ctx, targets).await?
        }
    } else {
        session_agents(ui, ctx, &args.sessions.session).await?
    };
    if args.dry_run {
        for silent in &silent {
            ui.warning(&silent.message);
        }
        DryRun::new("Would stop:", &agents).show(ui)?;
        return Ok(ExitCode::for_failures(&silent));
    }
    if args.stop_host {
        let mut hosts: Vec<_> = Vec::new();
        for agent in agents {
            if hosts.iter().all(|host: &mng_core::hosts::Host| host.info.id != agent.host.info.id) {
                hosts.push(agent.host);
            }
        }
        let report = stop_hosts(ctx, hosts).await?;
        ui.result(&report)?;
        return Ok(ExitCode::for_failures(&report.failures));
    }
    stop_and_tell(ui, ctx, StopRequest { agents, archive: args.archive }, silent).await
}

/// Stops one agent, as if it had been named: a key of its session asked for it.
pub(crate) async fn at_once(ui: &mut Ui, ctx: &Ctx, agent: ResolvedAgent) -> CliResult {
    stop_and_tell(ui, ctx, StopRequest { agents: vec![agent], archive: false }, Vec::new()).await
}

async fn stop_and_tell(ui: &mut Ui, ctx: &Ctx, request: StopRequest, silent: Vec<Failure>) -> CliResult {
    let report = ui.with_progress("Stopping", async |events| stop(ctx, request, &events).await).await?;
    let report = report.with(silent);
    ui.result(&report)?;
    Ok(ExitCode::for_failures(&report.failures))
}

impl Render for StopReport {
    fn event(&self) -> &'static str {
        "stop_result"
    }

    fn human(&self, out: &mut Out<'_>) -> io::Result<()> {
        for name in &self.stopped_agents {
            out.line(format_args!("Stopped agent: {name}"))?;
        }
        match self.count {
            0 if self.failures.is_empty() => out.line(format_args!("No running agents found to stop"))?,
            0 => {}
            count => out.line(format_args!("Successfully stopped {count} agent(s)"))?,
        }
        out.failures(&self.failures)
    }

    fn rows(&self) -> Vec<Value> {
        self.stopped_agents.iter().map(|name| json!({ "name": name })).collect()
    }
}

impl Render for StopHostsReport {
    fn event(&self) -> &'static str {
        "stop_result"
    }

    fn human(&self, out: &mut Out<'_>) -> io::Result<()> {
        for name in &self.stopped_hosts {
            out.line(format_args!("Stopped host: {name}"))?;
        }
        out.failures(&self.failures)
    }
}
