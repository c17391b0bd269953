//! `mng connect`

use clap::Args;
use mng_core::operations::connect::make_ready;
use mng_core::plugins::Ctx;
use mng_core::{Error, ErrorClass};

use crate::args::FilterArgs;
use crate::attach::{Attaching, attach};
use crate::exit::CliResult;
use crate::selection::one_agent;
use crate::ui::Ui;

/// Put your terminal onto an agent
///
/// Attaches to the agent's tmux session; detach with the tmux prefix and `d`. An agent that is stopped or
/// whose program has ended is started first. Without AGENT a list to choose from opens.
///
/// When the line to another machine is lost, mng says so and attaches again. The agent works on meanwhile.
#[derive(Debug, Args)]
#[command(
    after_help = "$ mng connect alpha\n\nChoose among the agents of this project:\n$ mng connect --project .\n\nSee also: start, capture, message"
)]
pub(crate) struct ConnectArgs {
    /// The agent, by name, id or address
    #[arg(value_name = "AGENT")]
    positional: Option<String>,

    /// As AGENT
    #[arg(long, value_name = "AGENT")]
    agent: Option<String>,

    /// Start the agent if it does not run; `--no-start` fails instead
    #[arg(long, overrides_with = "no_start")]
    start: bool,
    #[arg(long, hide = true, overrides_with = "start")]
    no_start: bool,

    /// Run this shell command instead of attaching
    #[arg(long, value_name = "COMMAND")]
    connect_command: Option<String>,

    /// Attach again when the line to the agent's machine is lost; `--no-reconnect` ends instead
    ///
    /// How often and after which pause the settings `retry.connect_retry_times` and
    /// `retry.connect_retry_delay` say.
    #[arg(long, overrides_with = "no_reconnect")]
    reconnect: bool,
    #[arg(long, hide = true, overrides_with = "reconnect")]
    no_reconnect: bool,

    /// For the list to choose from.
    #[command(flatten)]
    filters: FilterArgs,
}

pub(crate) async fn run(ui: &mut Ui, ctx: &Ctx, args: ConnectArgs) -> CliResult {
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
    let filters = args.filters.resolve()?;
    if name.is_some() && filters != crate::args::Filters::default() {
        return Err(Error::hinted(
            ErrorClass::Usage,
            "filters are for the list to choose from, and an agent is named",
            "leave one of them out",
        ));
    }
    let agent = one_agent(ui, ctx, name.as_deref(), filters, "connect").await?;
    let command = args.connect_command.as_deref();
    let is_starting = !args.no_start;
    ui.with_progress("Connecting", async |events| {
        make_ready(ctx, &agent, is_starting, command, &events).await
    })
    .await?;
    attach(ui, ctx, &agent, Attaching { command, is_reconnecting: !args.no_reconnect }).await
}
