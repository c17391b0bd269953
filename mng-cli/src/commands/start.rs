//! `mng start`

use std::io;

use clap::Args;
use mng_core::model::address::AgentAddress;
use mng_core::operations::start::{Outcome, ResumeMessage, StartReport, StartRequest, start};
use mng_core::plugins::Ctx;
use mng_core::{Error, ErrorClass};
use serde_json::{Value, json};

use crate::args::TargetArgs;
use crate::attach::{Attaching, attach};
use crate::commands::dry_run::DryRun;
use crate::exit::{CliResult, ExitCode};
use crate::selection::{found_agents, on_boot_agents};
use crate::ui::{Out, Render, Ui};

/// Start agents again, where they left off
///
/// Makes the agent's tmux session anew in its work dir and runs its command; a type that can resume goes on
/// with its conversation. An agent that runs is left alone, one whose program has ended is started anew.
/// The label `archived_at` is removed.
#[derive(Debug, Args)]
#[command(
    after_help = "$ mng start alpha\n\nEverything that was marked for it, after a reboot:\n$ mng start --on-boot\n\nSee also: stop, connect"
)]
pub(crate) struct StartArgs {
    /// Every agent that is marked `start-on-boot`
    #[arg(long, conflicts_with_all = ["agents", "agent", "all", "stdin"], help_heading = "Targets")]
    on_boot: bool,

    /// Stop a running agent first
    #[arg(long)]
    restart: bool,

    /// Do not send the stored resume message
    #[arg(long, conflicts_with = "resume_message")]
    no_resume: bool,

    /// Send this text once the agent is ready, instead of the stored resume message
    #[arg(long, value_name = "TEXT")]
    resume_message: Option<String>,

    /// Attach the terminal afterwards; only with one agent
    #[arg(long, overrides_with = "no_connect")]
    connect: bool,
    #[arg(long, hide = true, overrides_with = "connect")]
    no_connect: bool,

    /// With `--connect`: run this shell command instead of attaching
    #[arg(long, value_name = "COMMAND")]
    connect_command: Option<String>,

    /// Say what would be started, and start nothing
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    targets: TargetArgs,
}

pub(crate) async fn run(ui: &mut Ui, ctx: &Ctx, args: StartArgs) -> CliResult {
    let agents = if args.on_boot {
        on_boot_agents(ui, ctx).await?
    } else {
        let targets = args.targets.resolve::<AgentAddress>()?;
        if targets.is_empty_input {
            return Ok(ExitCode::SUCCESS);
        }
        found_agents(ui, ctx, targets).await?
    };
    if args.connect && agents.len() != 1 {
        return Err(Error::hinted(
            ErrorClass::Usage,
            format!("`--connect` takes one agent, and {} are named", agents.len()),
            "start them without it, then `mng connect AGENT`",
        ));
    }
    if args.dry_run {
        return DryRun::new("Would be started:", &agents).show(ui);
    }
    let resume = match (args.no_resume, args.resume_message) {
        (true, _) => ResumeMessage::None,
        (false, Some(text)) => ResumeMessage::Text(text),
        (false, None) => ResumeMessage::Stored,
    };
    let connect_to = agents.first().cloned().filter(|_| args.connect);
    let request = StartRequest { agents, restart: args.restart, resume };
    let report = ui.with_progress("Starting", async |events| start(ctx, request, &events).await).await?;
    ui.result(&report)?;
    match connect_to {
        Some(agent) if report.failures.is_empty() => {
            let command = args.connect_command.as_deref();
            attach(ui, ctx, &agent, Attaching { command, is_reconnecting: true }).await
        }
        _ => Ok(ExitCode::for_failures(&report.failures)),
    }
}

impl Render for StartReport {
    fn event(&self) -> &'static str {
        "start_result"
    }

    fn human(&self, out: &mut Out<'_>) -> io::Result<()> {
        for (name, outcome) in self.started_agents.iter().zip(&self.outcomes) {
            match outcome {
                Outcome::Started => out.line(format_args!("Started agent: {name}"))?,
                Outcome::Restarted => out.line(format_args!("Restarted agent: {name}"))?,
                Outcome::AlreadyRunning => out.line(format_args!("Agent is running: {name}"))?,
            }
        }
        match self.count {
            0 if self.failures.is_empty() => out.line(format_args!("No stopped agents found to start"))?,
            0 => {}
            count => out.line(format_args!("Successfully started {count} agent(s)"))?,
        }
        for failure in &self.failures {
            out.error(format_args!("{}", failure.message));
        }
        Ok(())
    }

    fn rows(&self) -> Vec<Value> {
        self.started_agents.iter().map(|name| json!({ "name": name })).collect()
    }
}
