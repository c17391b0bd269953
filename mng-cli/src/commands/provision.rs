//! `mng provision`

use std::io;

use clap::Args;
use mng_core::operations::provision::{ProvisionReport, ProvisionRequest, provision};
use mng_core::plugins::Ctx;
use mng_core::{Error, ErrorClass};

use super::create::{SetupArgs, working_dir};
use crate::args::Filters;
use crate::exit::{CliResult, ExitCode};
use crate::selection::one_agent;
use crate::ui::{Out, Progress, Render, Ui};

/// Set up the surroundings of an agent again
///
/// Writes the agent's environment anew, with the variables given here over those it had, and runs its type's
/// set-up and the steps given here. A running agent is stopped for that and started again.
#[derive(Debug, Args)]
#[command(
    after_help = "$ mng provision alpha --env DEBUG=1\n\nInstall something without a restart:\n$ mng provision alpha --no-restart --user-command 'npm install'\n\nSee also: create, exec, start"
)]
pub(crate) struct ProvisionArgs {
    /// The agent, by name, id or address
    #[arg(value_name = "AGENT")]
    positional: Option<String>,

    /// As AGENT
    #[arg(long, value_name = "AGENT")]
    agent: Option<String>,

    /// Stop a running agent first and start it again (the default)
    #[arg(long, overrides_with = "no_restart")]
    restart: bool,
    /// Leave a running agent alone; it sees new variables at its next start
    #[arg(long, overrides_with = "restart")]
    no_restart: bool,

    #[command(flatten)]
    setup: SetupArgs,

    #[arg(long, hide = true, value_name = "HOST")]
    host: Option<String>,
    #[arg(long, hide = true, value_name = "MODE")]
    bootstrap: Option<String>,
    #[arg(long, hide = true)]
    destroy_on_fail: bool,
}

pub(crate) async fn run(ui: &mut Ui, ctx: &Ctx, args: ProvisionArgs) -> CliResult {
    let refused = [
        ("--host", args.host.is_some()),
        ("--bootstrap", args.bootstrap.is_some()),
        ("--destroy-on-fail", args.destroy_on_fail),
    ];
    if let Some((flag, _)) = refused.iter().find(|(_, is_given)| *is_given) {
        return Err(Error::input(format!("`{flag}` is not supported yet"), "leave it out"));
    }
    let name = match (args.positional, args.agent) {
        (Some(_), Some(_)) => {
            return Err(Error::hinted(
                ErrorClass::Usage,
                "the agent is given twice, as AGENT and with `--agent`",
                "leave one of them out",
            ));
        }
        (positional, option) => positional.or(option),
    };
    let cwd = working_dir()?;
    let provisioning = args.setup.provisioning(&cwd)?;
    let agent = one_agent(ui, ctx, name.as_deref(), Filters::default(), "provision").await?;
    let request = ProvisionRequest { agent, restart: !args.no_restart, provisioning, cwd };
    let progress = Progress::new("Provisioning").to_the_end();
    let report =
        ui.with_items(progress, async |events| provision(ctx, request, &events).await, |_, _| Ok(())).await?;
    ui.result(&report)?;
    Ok(ExitCode::SUCCESS)
}

impl Render for ProvisionReport {
    fn event(&self) -> &'static str {
        "provision_result"
    }

    /// What the person sees is what the steps did.
    fn human(&self, _out: &mut Out<'_>) -> io::Result<()> {
        Ok(())
    }
}
