//! `mng list`

mod found;
mod hosts;
mod rows;
mod schema;
mod view;

use std::time::Duration;

use clap::{ArgGroup, Args, ValueEnum};
use mng_core::model::fields::{AgentFields, FieldSet};
use mng_core::model::filter::SortSpec;
use mng_core::operations::completion_cache;
use mng_core::operations::discovery_stream::Snapshots;
use mng_core::operations::list::{self, AgentView, ErrorRow, Part};
use mng_core::plugins::Ctx;
use mng_core::{Error, ErrorClass};
use serde::Serialize;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{Instant, timeout_at};

use crate::args::{Explicit, FilterArgs, OnError};
use crate::exit::{CliResult, ExitCode};
use crate::follow::until_interrupted;
use crate::selection::agent_filter;
use crate::ui::Ui;
use found::{Found, exit_code, show_errors};
use rows::Rows;
use view::{Shape, View};

/// Answers that come so soon are printed together, in order.
const FIRST_ANSWERS: Duration = Duration::from_millis(100);

/// List agents and what they are doing
///
/// Asks every active provider at once. One that does not answer, or a record that cannot be read, is told
/// of on stderr and hides nothing else. States come from what was seen at this moment: `mng why AGENT`
/// explains one.
#[derive(Debug, Args)]
#[command(
    after_help = "$ mng list\n\nIdle agents, the longest first:\n$ mng list --include 'state == \"WAITING\"' --sort 'idle desc'\n\nStop every agent of a project:\n$ mng list --project shop --ids | mng stop -\n\nSee also: why, filters"
)]
#[command(group(ArgGroup::new("shape").args(["ids", "addrs", "hosts", "schema"])))]
pub(crate) struct ListArgs {
    #[command(flatten)]
    explicit: Explicit,

    #[command(flatten)]
    filters: FilterArgs,

    /// Only agents whose name or id stands on stdin, one a line
    #[arg(long)]
    stdin: bool,

    /// Print ids, one a line
    #[arg(long)]
    ids: bool,

    /// Print addresses, one `NAME@HOST.PROVIDER` a line
    #[arg(long)]
    addrs: bool,

    /// List hosts instead of agents
    #[arg(long)]
    hosts: bool,

    /// Print the fields that filters, columns and templates can use
    #[arg(long)]
    schema: bool,

    /// Columns, for example `name,state,idle_seconds`; `mng list --schema` names them
    #[arg(long, value_name = "FIELDS")]
    fields: Option<String>,

    /// Another header for a column; repeatable
    #[arg(long, value_name = "FIELD=LABEL")]
    header: Vec<String>,

    /// Order, for example `state, create_time desc`
    #[arg(long, value_name = "EXPR [asc|desc], ...", default_value = SortSpec::DEFAULT)]
    sort: String,

    /// Turn the order around
    #[arg(long, value_enum, ignore_case = true, hide = true)]
    sort_order: Option<SortOrder>,

    /// At most so many agents
    #[arg(long, value_name = "N")]
    limit: Option<usize>,

    /// List again every so many seconds, until Ctrl-C
    #[arg(short, long, value_name = "SECONDS", value_parser = crate::args::seconds)]
    watch: Option<Duration>,

    /// Whether the first provider that fails ends the listing
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = OnError::Continue, ignore_case = true)]
    on_error: OnError,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SortOrder {
    Asc,
    Desc,
}

pub(crate) async fn run(ui: &mut Ui, ctx: &Ctx, mut args: ListArgs) -> CliResult {
    args.check(ui)?;
    if args.schema {
        ui.result(&schema::Schema::of_agents())?;
        return Ok(ExitCode::SUCCESS);
    }
    ui.use_template_fields(if args.hosts { &hosts::HostFields as &dyn FieldSet } else { &AgentFields })?;
    let filter = agent_filter(ctx, std::mem::take(&mut args.filters).resolve()?).await?;
    let view = View::of(ui, filter, args)?;
    let Some(pause) = view.watch else { return once(ui, ctx, &view).await };
    until_interrupted(watch(ui, ctx, &view, pause), true).await?;
    Ok(ExitCode::SUCCESS)
}

impl ListArgs {
    /// What the parser cannot see.
    fn check(&self, ui: &Ui) -> Result<(), Error> {
        let shape = [
            (self.ids, "--ids"),
            (self.addrs, "--addrs"),
            (self.hosts, "--hosts"),
            (self.schema, "--schema"),
        ];
        let shape = shape.iter().find(|(is_given, _)| *is_given).map(|(_, flag)| *flag);
        if let (Some(flag @ ("--ids" | "--addrs" | "--schema")), true) = (shape, ui.has_template()) {
            return Err(usage(
                format!("`{flag}` and a format template exclude each other"),
                "leave one of them out",
            ));
        }
        if let (Some(flag), Some(_)) =
            (shape.filter(|flag| matches!(*flag, "--hosts" | "--schema")), self.foreign())
        {
            let other = self.foreign().unwrap_or_default();
            return Err(usage(
                format!("`{flag}` and `--{other}` exclude each other"),
                if flag == "--hosts" {
                    "`--hosts` goes with `--provider` and `--format` only"
                } else {
                    "`--schema` stands alone"
                },
            ));
        }
        if self.watch.is_some() && (ui.is_jsonl() || ui.is_json()) {
            return Err(usage(
                "`--watch` is for people: it does not go with json or jsonl",
                "leave `--watch` out and list again; `mng event --follow` streams what agents write",
            ));
        }
        Ok(())
    }

    /// An option that was typed and says something of agents.
    fn foreign(&self) -> Option<&'static str> {
        const OF_AGENTS: [&str; 19] = [
            "include",
            "exclude",
            "running",
            "stopped",
            "alive",
            "archived",
            "active",
            "local",
            "remote",
            "project",
            "label",
            "host_label",
            "stdin",
            "fields",
            "header",
            "sort",
            "sort_order",
            "limit",
            "watch",
        ];
        OF_AGENTS.into_iter().find(|name| self.explicit.has(name))
    }
}

fn usage(message: impl Into<String>, hint: &str) -> Error {
    Error::hinted(ErrorClass::Usage, message, hint)
}

/// The object of json mode.
#[derive(Serialize)]
struct Json<'a> {
    agents: &'a [AgentView],
    errors: &'a [ErrorRow],
}

async fn once(ui: &mut Ui, ctx: &Ctx, view: &View) -> CliResult {
    if view.shape == Shape::Hosts {
        return hosts::run(ui, ctx, view).await;
    }
    let (sender, receiver) = unbounded_channel();
    let ask = async {
        let mut snapshots = Snapshots::default();
        let mut hand_on = |part: Part| {
            if view.is_whole() {
                snapshots.note(ctx, &part);
            }
            // Nobody hears it only when printing failed, which ends both.
            let _ = sender.send(part);
            Ok(())
        };
        let warnings = list::stream(ctx, &view.request, &mut hand_on).await;
        drop(sender);
        warnings
    };
    let (warnings, found) = tokio::try_join!(ask, show(ui, view, receiver))?;
    for warning in warnings.iter().chain(&found.warnings) {
        ui.warning(warning);
    }
    show_errors(ui, &found.errors)?;
    if view.is_whole() && found.errors.is_empty() {
        completion_cache::replace(ctx, found.names, found.hosts);
    }
    Ok(exit_code(&found.errors))
}

/// Prints what comes: all at once when it must be arranged, else the first answers after a moment and later
/// ones as they come.
async fn show(ui: &mut Ui, view: &View, mut receiver: UnboundedReceiver<Part>) -> Result<Found, Error> {
    let mut found = Found::default();
    let mut rows = Rows::new(view);
    let end_of_first = Instant::now() + FIRST_ANSWERS;
    let mut is_first = true;
    loop {
        let part = if is_first {
            match timeout_at(end_of_first, receiver.recv()).await {
                Ok(part) => part,
                Err(_) => {
                    is_first = false;
                    rows.show_unless_batch(ui, &mut found)?;
                    rows.status(ui, &found);
                    continue;
                }
            }
        } else {
            receiver.recv().await
        };
        let Some(part) = part else { break };
        found.take(view, part)?;
        if !is_first {
            rows.show_unless_batch(ui, &mut found)?;
            rows.status(ui, &found);
        }
    }
    ui.status(None);
    found.add_unmatched(view);
    rows.finish(ui, &mut found)?;
    Ok(found)
}

/// Lists again and again. On a terminal the new listing takes the place of the old one. Errors are told and
/// end nothing.
async fn watch(ui: &mut Ui, ctx: &Ctx, view: &View, pause: Duration) -> Result<(), Error> {
    let is_in_place = ui.terminal().is_stdout && !ui.terminal().is_dumb;
    let mut is_again = false;
    loop {
        if is_in_place {
            // Cursor home, then clear: the scrollback keeps one listing, not one for each round.
            ui.write(b"\x1b[H\x1b[2J")?;
        } else if is_again {
            ui.write(b"\n")?;
        }
        is_again = true;
        if let Err(error) = once(ui, ctx, view).await {
            if ui.is_stdout_gone() {
                return Err(error);
            }
            ui.error_line(&error.to_string());
        }
        tokio::time::sleep(pause).await;
    }
}

#[cfg(test)]
mod tests;
