//! `mng destroy`

mod question;

use std::collections::BTreeSet;
use std::io;

use clap::Args;
use mng_core::hosts::Host;
use mng_core::model::address::AgentOrHost;
use mng_core::model::event::Events;
use mng_core::model::failure::{Failure, FailureCategory};
use mng_core::operations::destroy::{
    DestroyOptions, DestroyReport, DestroyRequest, Prospect, destroy, prospects, refusal,
};
use mng_core::operations::discover::Scope;
use mng_core::operations::gc::{GcRequest, Kind, gc};
use mng_core::operations::resolve::{Resolution, ResolvedAgent};
use mng_core::plugins::Ctx;
use mng_core::providers::ProviderError;
use mng_core::{Error, ErrorClass};
use serde::Serialize;
use serde_json::{Value, json};

use crate::args::{SessionArgs, TargetArgs};
use crate::exit::{CliResult, ExitCode};
use crate::selection::{select, session_agents};
use crate::ui::{Out, Progress, Render, Ui};

pub(super) use question::{describe, undo_promise};

/// End agents and remove what belongs to them
///
/// Ends everything the agent started, then removes the work dir that `create` made, and its record. The
/// branch stays unless `-b` is given. Before anything goes, changed, untracked and small ignored files,
/// commits and the record are kept: `mng undo` brings them back until they expire (`rescue_keep`). A work
/// dir that mng did not make is never touched.
#[derive(Debug, Args)]
#[command(
    after_help = "$ mng destroy alpha\n\nWithout a question, running or not, and the branch too:\n$ mng destroy alpha beta --force -b\n\nBring it back:\n$ mng undo alpha\n\nSee also: undo, stop, cleanup, gc"
)]
pub(crate) struct DestroyArgs {
    /// Do not ask, destroy running agents too, and pass over names that match nothing
    #[arg(short, long)]
    force: bool,

    /// Also delete the branch that `create` made
    #[arg(short = 'b', long, overrides_with = "no_remove_created_branch")]
    remove_created_branch: bool,
    #[arg(long, hide = true, overrides_with = "remove_created_branch")]
    no_remove_created_branch: bool,

    /// Leave work dirs where they are: they become yours
    #[arg(long, overrides_with = "allow_worktree_removal")]
    no_allow_worktree_removal: bool,
    #[arg(long, hide = true, overrides_with = "no_allow_worktree_removal")]
    allow_worktree_removal: bool,

    /// Run `mng gc` for the hosts' providers afterwards
    #[arg(long, overrides_with = "no_gc")]
    gc: bool,
    #[arg(long, hide = true, overrides_with = "gc")]
    no_gc: bool,

    /// Say what would go, and destroy nothing
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    targets: TargetArgs,

    #[command(flatten)]
    sessions: SessionArgs,
}

impl DestroyArgs {
    fn options(&self) -> DestroyOptions {
        DestroyOptions {
            force: self.force,
            remove_branch: self.remove_created_branch,
            keep_work_dirs: self.no_allow_worktree_removal,
        }
    }
}

/// What the targets led to.
#[derive(Default)]
struct Found {
    agents: Vec<ResolvedAgent>,
    /// With `--force` only.
    not_found: Vec<String>,
    /// Providers and hosts that did not answer, and records that cannot be read.
    silent: Vec<Failure>,
}

pub(crate) async fn run(ui: &mut Ui, ctx: &Ctx, mut args: DestroyArgs) -> CliResult {
    let options = args.options();
    let found = if args.sessions.session.is_empty() {
        let targets = std::mem::take(&mut args.targets).resolve::<AgentOrHost>()?;
        if targets.is_empty_input {
            return Ok(ExitCode::SUCCESS);
        }
        let is_all = targets.is_all;
        let selected = select(ui, ctx, targets).await?;
        found(selected.found, args.force, is_all)?
    } else {
        Found { agents: session_agents(ui, ctx, &args.sessions.session).await?, ..Found::default() }
    };
    if args.dry_run {
        return dry_run(ui, ctx, &found.agents, options).await;
    }
    let Found { mut agents, not_found, silent } = found;
    let mut refused = Vec::new();
    if !args.force && !agents.is_empty() {
        (agents, refused) = ask(ui, ctx, agents, options).await?;
    }
    let found = Found { agents, not_found, silent };
    destroy_and_tell(ui, ctx, found, options, refused, args.gc).await
}

/// Destroys one agent without a question, as `--force` does: a key of its session asked already.
pub(crate) async fn at_once(ui: &mut Ui, ctx: &Ctx, agent: ResolvedAgent) -> CliResult {
    let options = DestroyOptions { force: true, remove_branch: false, keep_work_dirs: false };
    let found = Found { agents: vec![agent], ..Found::default() };
    destroy_and_tell(ui, ctx, found, options, Vec::new(), false).await
}

async fn destroy_and_tell(
    ui: &mut Ui,
    ctx: &Ctx,
    found: Found,
    options: DestroyOptions,
    refused: Vec<Failure>,
    sweeps: bool,
) -> CliResult {
    let Found { agents, not_found, silent } = found;
    let providers: BTreeSet<_> = agents.iter().map(|agent| agent.host.info.provider.clone()).collect();
    let request = DestroyRequest { agents, options };
    let work = async |events: Events| destroy(ctx, request, &events).await;
    let mut report = told_one_by_one(ui, Progress::new("Destroying"), work).await?;
    report.not_found = not_found;
    if sweeps {
        report.add_failures(sweep(ctx, providers).await?);
    }
    report.add_failures(refused.iter().cloned().chain(silent));
    let shown = Shown { report, refused };
    ui.result(&shown)?;
    match ctx.cancel.check() {
        Err(interrupted) if shown.report.exit_code != 0 => Ok(ExitCode::new(interrupted.exit_code())),
        _ => Ok(ExitCode::new(shown.report.exit_code)),
    }
}

/// Checks the targets before anything is touched.
fn found(mut resolution: Resolution, force: bool, is_all: bool) -> Result<Found, Error> {
    if let Some(host) = resolution.hosts.first() {
        return Err(no_host_destroy(host));
    }
    let targets: Vec<String> = resolution.missing.iter().map(|missing| missing.target.clone()).collect();
    let mut silent = resolution.silent();
    if is_all {
        // "All" includes those that nobody could look at.
        silent.extend(resolution.damaged.iter().map(|agent| {
            let row = Failure::new(FailureCategory::LocalStateRemains, agent.error.to_string());
            row.of(agent.id.as_str(), agent.host.info.id.as_str())
        }));
        return Ok(Found { agents: resolution.matches, silent, ..Found::default() });
    }
    match resolution.take_error() {
        None => Ok(Found { agents: resolution.matches, ..Found::default() }),
        Some(error) if !force || error.class() == ErrorClass::CorruptedAgentData => Err(error),
        Some(_) => Ok(Found { agents: resolution.matches, not_found: targets, silent }),
    }
}

/// A host goes with everything on it, the undo entries of its agents included. As long as these cannot be
/// brought to the controller, no host is destroyed.
fn no_host_destroy(host: &Host) -> Error {
    if host.is_local() {
        return ProviderError::LocalNotDestroyable { host: host.info.name.to_string() }.into();
    }
    ProviderError::unsupported(&host.info.provider, &host.info, "destroying hosts").into()
}

/// Splits off what runs, tells what goes, and asks. Returns what may go and the rows of what may not.
async fn ask(
    ui: &mut Ui,
    ctx: &Ctx,
    agents: Vec<ResolvedAgent>,
    options: DestroyOptions,
) -> Result<(Vec<ResolvedAgent>, Vec<Failure>), Error> {
    if !ui.can_ask() {
        return Err(Error::hinted(
            ErrorClass::Usage,
            "destroying needs a yes, and nobody can be asked here",
            "add `--force`",
        ));
    }
    let seen = prospects(ctx, &agents, options).await;
    let (staying, going): (Vec<Prospect>, Vec<Prospect>) =
        seen.into_iter().partition(|seen| seen.needs_force);
    let refused: Vec<Failure> = staying.iter().map(|seen| refusal(&seen.agent, seen.state)).collect();
    if going.is_empty() {
        return Ok((Vec::new(), refused));
    }
    let console = ui.console();
    console.line("\nThese agents will be destroyed:");
    for prospect in &going {
        for line in describe(prospect) {
            console.line(&line);
        }
    }
    for seen in &staying {
        console.line(&format!(
            "  {} stays: it is {}, and only `--force` destroys it",
            seen.agent.record.name, seen.state
        ));
    }
    console.line(&undo_promise(ctx, &going));
    if !ui.confirm("Are you sure you want to continue?", "--force").await? {
        return Err(Ui::aborted());
    }
    Ok((going.into_iter().map(|seen| seen.agent).collect(), refused))
}

/// Destroys and tells each agent that is gone at once. Nobody may be there to read: an agent that destroys
/// itself takes its terminal along, and a pipe may be closed. The work goes on all the same.
pub(super) async fn told_one_by_one<T>(
    ui: &mut Ui,
    progress: Progress<'_>,
    work: impl AsyncFnOnce(Events) -> Result<T, Error>,
) -> Result<T, Error> {
    let mut unread = None;
    let report = ui
        .with_items(progress, work, |ui, item| {
            let name = item["name"].as_str().unwrap_or_default().to_owned();
            let told = match ui.is_human() {
                true => ui.human(|out| out.line(format_args!("Destroyed agent: {name}"))),
                false => ui.template_line(&json!({ "name": name })),
            };
            unread = unread.take().or(told.err());
            Ok(())
        })
        .await?;
    match unread {
        Some(error) => Err(error),
        None => Ok(report),
    }
}

async fn sweep(
    ctx: &Ctx,
    providers: BTreeSet<mng_core::model::names::ProviderName>,
) -> Result<Vec<Failure>, Error> {
    if providers.is_empty() {
        return Ok(Vec::new());
    }
    let mut request = GcRequest { scope: Scope::of(providers), ..GcRequest::everything() };
    request.kinds.retain(|kind| !matches!(kind, Kind::Log | Kind::BuildCache));
    Ok(gc(ctx, &request, &Events::none()).await?.failures)
}

/// The report, and which of its failures are refusals rather than leftovers.
#[derive(Debug, Serialize)]
struct Shown {
    #[serde(flatten)]
    report: DestroyReport,
    #[serde(skip)]
    refused: Vec<Failure>,
}

impl Render for Shown {
    fn event(&self) -> &'static str {
        "destroy_result"
    }

    fn human(&self, out: &mut Out<'_>) -> io::Result<()> {
        for agent in &self.report.agents {
            for note in &agent.notes {
                out.warning(format_args!("{}: {note}", agent.name));
            }
            if !agent.lost.is_empty() {
                out.warning(format_args!("{}: not kept: {}", agent.name, question::lost(&agent.lost)));
            }
        }
        for target in &self.report.not_found {
            out.warning(format_args!("no agent matches `{target}`"));
        }
        match self.report.count {
            0 if self.report.failures.is_empty() => out.line(format_args!("No agents found to destroy"))?,
            0 => {}
            count => out.line(format_args!("Successfully destroyed {count} agent(s)"))?,
        }
        let kept: Vec<&str> = self
            .report
            .agents
            .iter()
            .filter(|agent| agent.undo_id.is_some())
            .map(|agent| agent.name.as_str())
            .collect();
        match kept[..] {
            [] => {}
            [name] => out.note(format_args!("to bring it back: mng undo {name}")),
            [..] => out.note(format_args!("to bring one back: mng undo NAME (mng undo --list shows them)")),
        }
        for failure in &self.refused {
            out.error(format_args!("{}", failure.message));
        }
        let left: Vec<Failure> =
            self.report.failures.iter().filter(|failure| !self.refused.contains(failure)).cloned().collect();
        out.failures(&left)
    }
}

/// What `--dry-run` prints.
#[derive(Debug, Serialize)]
struct DestroyDryRun {
    dry_run: bool,
    agents: Vec<Value>,
    count: usize,
    hosts: Vec<Value>,
    host_count: usize,
    #[serde(skip)]
    lines: Vec<String>,
}

async fn dry_run(ui: &mut Ui, ctx: &Ctx, agents: &[ResolvedAgent], options: DestroyOptions) -> CliResult {
    let seen = prospects(ctx, agents, options).await;
    let mut lines = vec![format!("Would destroy {} agent(s):", seen.len())];
    for prospect in &seen {
        lines.extend(describe(prospect));
        if prospect.needs_force && !options.force {
            lines.push(format!("      it is {}: only with --force", prospect.state));
        }
    }
    let report = DestroyDryRun {
        dry_run: true,
        agents: seen.iter().map(row).collect(),
        count: seen.len(),
        hosts: Vec::new(),
        host_count: 0,
        lines,
    };
    ui.result(&report)?;
    Ok(ExitCode::SUCCESS)
}

fn row(prospect: &Prospect) -> Value {
    let host = &prospect.agent.host.info;
    json!({
        "id": prospect.agent.record.id,
        "name": prospect.agent.record.name,
        "host": host.name,
        "host_id": host.id,
        "host_name": host.name,
        "provider": host.provider,
        "state": prospect.state,
        "offline": false,
        "needs_force": prospect.needs_force,
        "stake": prospect.stake,
    })
}

impl Render for DestroyDryRun {
    fn event(&self) -> &'static str {
        "dry_run"
    }

    fn human(&self, out: &mut Out<'_>) -> io::Result<()> {
        self.lines.iter().try_for_each(|line| out.line(format_args!("{line}")))
    }

    fn rows(&self) -> Vec<Value> {
        self.agents.clone()
    }
}

#[cfg(test)]
mod tests {
    use mng_core::operations::destroy::DestroyedAgent;

    use super::*;
    use crate::ui::testing::rendered;

    fn gone(name: &str) -> DestroyedAgent {
        DestroyedAgent {
            id: "agent-1".into(),
            name: name.into(),
            host_id: "host-1".into(),
            host_name: "localhost".into(),
            undo_id: "0123abcd".parse().ok(),
            work_dir: "removed",
            branch: Some(format!("mng/{name}")),
            is_branch_deleted: false,
            lost: Vec::new(),
            notes: Vec::new(),
        }
    }

    #[test]
    fn what_is_left_and_what_was_refused_are_told_apart() {
        let mut report = DestroyReport {
            destroyed_agents: vec!["a1".into()],
            agents: vec![DestroyedAgent {
                notes: vec!["its work dir stays: b1 works there too".into()],
                ..gone("a1")
            }],
            not_found: vec!["nobody".into()],
            ..DestroyReport::default()
        };
        let refused = Failure::new(
            FailureCategory::Other,
            "agent `a2` is RUNNING and was not destroyed; add `--force`",
        );
        let left = Failure::new(FailureCategory::ProcessesRemain, "process 7 survived");
        report.add_failures([refused.clone(), left]);
        let shown = Shown { report, refused: vec![refused] };
        insta::assert_snapshot!(rendered(&shown), @"
        ---- stdout
        Successfully destroyed 1 agent(s)
        ---- stderr
        WARNING: a1: its work dir stays: b1 works there too
        WARNING: no agent matches `nobody`
        to bring it back: mng undo a1
        ERROR: agent `a2` is RUNNING and was not destroyed; add `--force`
        WARNING: 1 cleanup failure(s) remain:
          - [PROCESSES_REMAIN] process 7 survived
        ");
        assert_eq!(shown.report.exit_code, 3);
        let json = crate::ui::to_json(&shown);
        assert_eq!((&json["count"], &json["failure_count"]), (&1.into(), &2.into()));
        assert_eq!(json["agents"][0]["undo_id"], "0123abcd");
    }

    #[test]
    fn nothing_to_destroy_says_so() {
        let shown = Shown { report: DestroyReport::default(), refused: Vec::new() };
        insta::assert_snapshot!(rendered(&shown), @"
        ---- stdout
        No agents found to destroy
        ---- stderr
        ");
    }
}
