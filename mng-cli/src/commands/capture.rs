//! `mng capture`

use std::io;

use clap::Args;
use mng_core::agents::tmux::{CaptureRequest, CaptureWindow};
use mng_core::operations::capture::{self, Capture};
use mng_core::operations::connect::make_running;
use mng_core::plugins::Ctx;
use serde_json::Value;

use crate::args::Filters;
use crate::exit::{CliResult, ExitCode};
use crate::selection::one_agent;
use crate::ui::{Out, Render, Ui, to_json};

/// Print what an agent's screen shows
///
/// Prints the text of the agent's own window: what is visible, or with `--full` the whole scrollback.
/// Nothing is sent to the agent, and a stopped one stays stopped unless you say `--start`.
#[derive(Debug, Args)]
#[command(
    after_help = "$ mng capture alpha\n\nThe last lines of all that it printed:\n$ mng capture alpha --full | tail\n\nSee also: logs, event, connect"
)]
pub(crate) struct CaptureArgs {
    /// The agent, by name, id or address
    agent: Option<String>,

    /// The whole scrollback
    #[arg(long, overrides_with = "no_full")]
    full: bool,
    #[arg(long, hide = true, overrides_with = "full")]
    no_full: bool,

    /// Another window of the agent's session, by index or name
    #[arg(short, long, value_name = "WINDOW")]
    window: Option<String>,

    /// Start the agent first if it does not run
    #[arg(long, overrides_with = "no_start")]
    start: bool,
    #[arg(long, hide = true, overrides_with = "start")]
    no_start: bool,
}

pub(crate) async fn run(ui: &mut Ui, ctx: &Ctx, args: CaptureArgs) -> CliResult {
    let agent = one_agent(ui, ctx, args.agent.as_deref(), Filters::default(), "capture").await?;
    if args.start {
        ui.with_progress("Starting", async |events| make_running(ctx, &agent, &events).await).await?;
    }
    let window = args.window.map_or(CaptureWindow::Primary, CaptureWindow::Named);
    let request = CaptureRequest { window, is_full: args.full, ..CaptureRequest::default() };
    ui.result(&capture::capture(ctx, &agent, &request).await?)?;
    Ok(ExitCode::SUCCESS)
}

impl Render for Capture {
    fn event(&self) -> &'static str {
        "capture"
    }

    fn human(&self, out: &mut Out<'_>) -> io::Result<()> {
        out.raw(self.content.as_bytes())
    }

    fn jsonl(&self) -> Vec<Value> {
        vec![to_json(self)]
    }
}
