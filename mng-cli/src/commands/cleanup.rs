//! `mng cleanup`

use std::io;
use std::time::Duration;

use clap::{Args, ValueEnum};
use mng_core::model::duration;
use mng_core::model::event::Events;
use mng_core::model::filter::{Shorthand, parse_pair};
use mng_core::operations::cleanup::{Action, Candidates, CleanupReport, candidates, cleanup};
use mng_core::operations::destroy::{DestroyOptions, prospects};
use mng_core::operations::list::AgentView;
use mng_core::operations::resolve::ResolvedAgent;
use mng_core::operations::select::AgentFilter;
use mng_core::plugins::Ctx;
use mng_core::{Error, ErrorClass};
use serde::Serialize;
use serde_json::{Value, json};

use super::destroy::{describe, told_one_by_one, undo_promise};
use crate::args::ExpressionArgs;
use crate::exit::{CliResult, ExitCode};
use crate::selection::choices;
use crate::ui::{Out, Progress, Render, Ui};

/// Choose many agents, and destroy or stop them
///
/// Shows the agents that the filters keep in a list to mark those that shall go, then asks. Destroying ends
/// running agents too and keeps a way back, as `mng destroy` does. Without a terminal nothing happens unless
/// `--yes` says so.
#[derive(Debug, Args)]
#[command(
    after_help = "$ mng cleanup\n\nWhat a clean-up of old agents would take:\n$ mng cleanup --older-than 7d --dry-run\n\nSee also: destroy, stop, undo, gc"
)]
pub(crate) struct CleanupArgs {
    /// Take all that match: no list, no question
    #[arg(short = 'f', long, visible_alias = "force")]
    yes: bool,

    /// Say what would go, and change nothing
    #[arg(long)]
    dry_run: bool,

    /// What to do with them
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = What::Destroy, ignore_case = true)]
    action: What,

    /// As `--action destroy`
    #[arg(long, conflicts_with_all = ["stop", "action"])]
    destroy: bool,

    /// As `--action stop`
    #[arg(long, conflicts_with = "action")]
    stop: bool,

    #[command(flatten)]
    filters: CleanupFilters,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    Destroy,
    Stop,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Filters")]
struct CleanupFilters {
    #[command(flatten)]
    expressions: ExpressionArgs,

    /// Only agents created longer ago, for example `7d`
    #[arg(long, value_name = "DURATION", value_parser = time)]
    older_than: Option<Duration>,

    /// Only agents without activity for so long, for example `2h`
    #[arg(long, value_name = "DURATION", value_parser = time)]
    idle_for: Option<Duration>,

    /// Only agents of this type; repeatable, any is enough
    #[arg(long = "type", alias = "agent-type", value_name = "TYPE")]
    types: Vec<String>,

    /// Only ask this provider; repeatable
    #[arg(long, value_name = "NAME")]
    provider: Vec<String>,

    /// Only agents on hosts with this tag; a key alone means KEY=true; repeatable, any is enough
    #[arg(long, alias = "tag", value_name = "KEY[=VALUE]")]
    host_label: Vec<String>,
}

fn time(text: &str) -> Result<Duration, String> {
    duration::parse(text).map_err(|error| error.to_string())
}

impl CleanupFilters {
    fn filter(&self, ctx: &Ctx, idle_for: Option<Duration>) -> Result<AgentFilter, Error> {
        let types = self
            .types
            .iter()
            .map(|name| ctx.canonical_type(&mng_core::model::names::AgentTypeName::stored(name)).to_string());
        let shorthand = Shorthand {
            types: types.collect(),
            providers: self.provider.clone(),
            host_labels: self
                .host_label
                .iter()
                .map(|text| parse_pair(text, Some("true")))
                .collect::<Result<_, _>>()?,
            older_than: self.older_than,
            idle_for,
            ..Shorthand::default()
        };
        Ok(AgentFilter::new(shorthand, &self.expressions.include, &self.expressions.exclude)?)
    }
}

pub(crate) async fn run(ui: &mut Ui, ctx: &Ctx, args: CleanupArgs) -> CliResult {
    let action = match (args.destroy, args.stop, args.action) {
        (true, ..) | (_, false, What::Destroy) => Action::Destroy,
        _ => Action::Stop,
    };
    let is_unattended = args.yes || args.dry_run;
    let has_person = ui.is_interactive() && ui.can_ask();
    if !is_unattended && !has_person {
        return Err(Error::hinted(
            ErrorClass::Usage,
            format!("nobody can be asked here which agents to {}", action.as_str()),
            "add `--yes` to take all that match, or `--dry-run` to see which these are",
        ));
    }
    let filter = args.filters.filter(ctx, args.filters.idle_for)?;
    let without_idle = match args.filters.idle_for {
        Some(_) => Some(args.filters.filter(ctx, None)?),
        None => None,
    };
    let found = candidates(ctx, &filter, without_idle.as_ref(), action).await?;
    for warning in &found.warnings {
        ui.warning(warning);
    }
    if args.dry_run {
        ui.result(&CleanupDryRun::new(action, &found))?;
        return Ok(ExitCode::for_failures(&found.failures));
    }
    if found.agents.is_empty() && found.failures.is_empty() {
        ui.result(&Nothing { agents: Vec::new(), message: "No agents found" })?;
        return Ok(ExitCode::SUCCESS);
    }
    let Candidates { agents, failures, .. } = found;
    let agents = match args.yes || agents.is_empty() {
        true => agents.into_iter().map(|(_, agent)| agent).collect(),
        false => choose(ui, ctx, agents, action).await?,
    };
    let title = if action == Action::Destroy { "Destroying" } else { "Stopping" };
    let work = async |events: Events| cleanup(ctx, agents, action, &events).await;
    let mut report = told_one_by_one(ui, Progress::new(title).infos_in_jsonl(), work).await?;
    report.add_failures(failures);
    ui.result(&report)?;
    Ok(ExitCode::new(report.exit_code))
}

/// Lets the person mark agents, tells what would be missed, and asks.
async fn choose(
    ui: &mut Ui,
    ctx: &Ctx,
    agents: Vec<(AgentView, ResolvedAgent)>,
    action: Action,
) -> Result<Vec<ResolvedAgent>, Error> {
    let (views, agents): (Vec<AgentView>, Vec<ResolvedAgent>) = agents.into_iter().unzip();
    let marked = ui.select_many(choices(&views), action.as_str(), "mng cleanup --yes").await?;
    let chosen: Vec<ResolvedAgent> =
        marked.into_iter().filter_map(|index| agents.get(index).cloned()).collect();
    let console = ui.console();
    console.line(&format!("\nThese agents will be {}:", past(action)));
    match action {
        Action::Stop => {
            for agent in &chosen {
                console.line(&format!("  - {}@{}", agent.record.name, agent.host.info.name));
            }
        }
        Action::Destroy => {
            let seen =
                prospects(ctx, &chosen, DestroyOptions { force: true, ..DestroyOptions::default() }).await;
            for prospect in &seen {
                for line in describe(prospect) {
                    console.line(&line);
                }
                if prospect.needs_force {
                    console.line(&format!("      it is {}", prospect.state));
                }
            }
            console.line(&undo_promise(ctx, &seen));
        }
    }
    match ui.confirm("Are you sure you want to continue?", "--yes").await? {
        true => Ok(chosen),
        false => Err(Ui::aborted()),
    }
}

fn past(action: Action) -> &'static str {
    match action {
        Action::Destroy => "destroyed",
        Action::Stop => "stopped",
    }
}

impl Render for CleanupReport {
    fn event(&self) -> &'static str {
        "cleanup_result"
    }

    fn human(&self, out: &mut Out<'_>) -> io::Result<()> {
        for name in &self.stopped_agents {
            out.line(format_args!("Stopped agent: {name}"))?;
        }
        if self.destroyed_count > 0 {
            out.line(format_args!("Successfully destroyed {} agent(s)", self.destroyed_count))?;
            let last = self.destroyed_agents.last().map_or("NAME", String::as_str);
            out.note(format_args!("to bring it back: mng undo {last}"));
        }
        if self.stopped_count > 0 {
            out.line(format_args!("Successfully stopped {} agent(s)", self.stopped_count))?;
        }
        out.failures(&self.failures)
    }
}

/// Nobody matched.
#[derive(Debug, Serialize)]
struct Nothing {
    agents: Vec<Value>,
    message: &'static str,
}

impl Render for Nothing {
    fn event(&self) -> &'static str {
        "info"
    }

    fn human(&self, out: &mut Out<'_>) -> io::Result<()> {
        out.line(format_args!("{}", self.message))
    }
}

/// What `--dry-run` prints.
#[derive(Debug, Serialize)]
struct CleanupDryRun {
    action: Action,
    dry_run: bool,
    agents: Vec<Value>,
    count: usize,
}

impl CleanupDryRun {
    fn new(action: Action, found: &Candidates) -> Self {
        let agents: Vec<Value> = found
            .agents
            .iter()
            .map(|(view, _)| {
                json!({
                    "name": view.record.name,
                    "id": view.record.id,
                    "type": view.record.agent_type,
                    "state": view.state,
                    "host_id": view.host.id,
                    "host_name": view.host.name,
                    "provider": view.host.provider_name,
                })
            })
            .collect();
        Self { action, dry_run: true, count: agents.len(), agents }
    }
}

impl Render for CleanupDryRun {
    fn event(&self) -> &'static str {
        "dry_run"
    }

    fn human(&self, out: &mut Out<'_>) -> io::Result<()> {
        out.line(format_args!("Would {} {} agent(s):", self.action.as_str(), self.count))?;
        for agent in &self.agents {
            let text = |key: &str| agent[key].as_str().unwrap_or_default();
            out.line(format_args!(
                "  - {} (type={}, state={}, provider={})",
                text("name"),
                text("type"),
                text("state"),
                text("provider")
            ))?;
        }
        Ok(())
    }
}
