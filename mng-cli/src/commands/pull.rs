//! `mng pull`, and what `mng push` shares with it.

use std::io;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use mng_core::hosts::sync::{Joining, check_installed};
use mng_core::model::address::AgentAddress;
use mng_core::operations::pull::{PullRequest, pull};
use mng_core::operations::resolve::{self, ResolvedAgent};
use mng_core::operations::stop::{StopRequest, stop};
use mng_core::operations::sync::{SyncMode, SyncReport};
use mng_core::plugins::Ctx;
use mng_core::transports::LocalTransport;
use mng_core::{Error, ErrorClass};
use serde::Serialize;
use serde_json::Value;

use crate::args::{AgentEnd, Filters, RuleArgs, SyncModeArg, UncommittedArg};
use crate::commands::push::no_path;
use crate::exit::{CliResult, ExitCode};
use crate::selection::one_agent;
use crate::ui::{Out, Render, Ui, with_event};

/// Copy files or commits from an agent to here
///
/// Copies what the agent's work dir holds into a directory of this machine, or with `--sync-mode git` merges
/// the agent's branch into a branch here. Uncommitted changes here are never lost: by default they stop the
/// transfer. `.git` itself is never copied. The agent need not run.
#[derive(Debug, Args)]
#[command(
    after_help = "$ mng pull alpha\n\nSee what would happen:\n$ mng pull alpha --dry-run\n\nMerge the agent's commits into the branch that is checked out here:\n$ mng pull alpha --sync-mode git\n\nOne directory only:\n$ mng pull alpha:docs ./docs\n\nSee also: push, git, rsync, pair, moving_data"
)]
pub(crate) struct PullArgs {
    /// The agent, by name, id or address, and `:PATH` for a place beside its work dir
    #[arg(value_name = "SOURCE")]
    positional_source: Option<String>,

    /// The directory here; the current one by default
    #[arg(value_name = "DESTINATION")]
    positional_destination: Option<PathBuf>,

    /// As SOURCE
    #[arg(long, value_name = "SOURCE")]
    source: Option<String>,

    /// The agent alone
    #[arg(long, value_name = "AGENT")]
    source_agent: Option<String>,

    /// Only an agent on this host
    #[arg(long, value_name = "HOST")]
    source_host: Option<String>,

    /// A place on the agent's host; a relative one starts at the work dir
    #[arg(long, value_name = "PATH")]
    source_path: Option<String>,

    /// As DESTINATION
    #[arg(long, value_name = "PATH")]
    destination: Option<PathBuf>,

    /// What is moved
    #[arg(long, value_name = "MODE", value_enum, default_value_t = SyncModeArg::Files, ignore_case = true)]
    sync_mode: SyncModeArg,

    /// What becomes of uncommitted changes here
    #[arg(long, value_name = "MODE", value_enum, default_value_t = UncommittedArg::Fail, ignore_case = true)]
    uncommitted_changes: UncommittedArg,

    /// What to do when only commits are moved and the agent has uncommitted changes
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = UncommittedSource::Warn, ignore_case = true)]
    uncommitted_source: UncommittedSource,

    /// The agent's branch; the one that it has checked out by default
    #[arg(long, value_name = "BRANCH")]
    branch: Option<String>,

    /// The branch here that takes the commits; the one that is checked out by default
    #[arg(long, value_name = "BRANCH")]
    target_branch: Option<String>,

    /// Make a merge commit where both sides have commits of their own (the default)
    #[arg(long, conflicts_with_all = ["ff_only", "rebase"])]
    merge: bool,

    /// Refuse where this side has commits of its own
    #[arg(long, conflicts_with = "rebase")]
    ff_only: bool,

    /// Put the commits of this side on top of the agent's
    #[arg(long)]
    rebase: bool,

    /// Say what would be moved, and change nothing
    #[arg(long)]
    dry_run: bool,

    /// Stop the agent afterwards
    #[arg(long)]
    stop: bool,

    #[command(flatten)]
    rules: RuleArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum UncommittedSource {
    Warn,
    Error,
}

pub(crate) async fn run(ui: &mut Ui, ctx: &Ctx, args: PullArgs) -> CliResult {
    let mode = mode(&args)?;
    let end = AgentEnd {
        name: "source",
        spec: args.source.as_deref().or(args.positional_source.as_deref()),
        agent: args.source_agent.as_deref(),
        host: args.source_host.as_deref(),
        path: args.source_path.as_deref(),
    };
    let (address, agent_path) = end.resolve()?;
    if mode.has_git() && agent_path.is_some() {
        return Err(no_path());
    }
    if mode.has_files() {
        check_installed(&LocalTransport, "this machine").await?;
    }
    let Some(agent) = agent_or_choice(ui, ctx, address, "pull").await? else { return Ok(ExitCode::SUCCESS) };
    let request = PullRequest {
        agent,
        agent_path,
        destination: args.destination.or(args.positional_destination).unwrap_or_else(|| PathBuf::from(".")),
        mode,
        uncommitted: args.uncommitted_changes.into(),
        is_strict_about_source: args.uncommitted_source == UncommittedSource::Error,
        rules: args.rules.resolve()?,
        is_deleting: args.rules.delete,
        source_branch: args.branch,
        target_branch: args.target_branch,
        joining: match (args.ff_only, args.rebase) {
            (true, _) => Joining::FastForward,
            (false, true) => Joining::Rebase,
            (false, false) => Joining::Merge,
        },
        is_dry_run: args.dry_run,
    };
    let report = ui.with_progress("Pulling", async |events| pull(ctx, &request, &events).await).await?;
    ui.result(&Pulled(&report))?;
    if args.stop {
        stop_after(ui, ctx, request.agent, args.dry_run).await?;
    }
    Ok(ExitCode::SUCCESS)
}

fn mode(args: &PullArgs) -> Result<SyncMode, Error> {
    let mode = SyncMode::from(args.sync_mode);
    let is_about_git =
        args.target_branch.is_some() || args.branch.is_some() || args.merge || args.ff_only || args.rebase;
    let usage = |message| Err(Error::hinted(ErrorClass::Usage, message, "leave one of them out"));
    if !mode.has_git() && is_about_git {
        return usage("options about branches and merging are for `--sync-mode git`");
    }
    if !mode.has_files() && args.rules.is_given() {
        return usage("options about files are not for `--sync-mode git`");
    }
    Ok(mode)
}

/// The agent that is named, or that the person chooses; `None` if they choose none.
pub(super) async fn agent_or_choice(
    ui: &mut Ui,
    ctx: &Ctx,
    address: Option<AgentAddress>,
    command: &str,
) -> Result<Option<ResolvedAgent>, Error> {
    if let Some(address) = address {
        return resolve::one(ctx, &address).await.map(Some);
    }
    match one_agent(ui, ctx, None, Filters::default(), command).await {
        Ok(agent) => Ok(Some(agent)),
        Err(error) if error.class() == ErrorClass::Aborted => {
            ui.info("no agent selected");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// `--stop`
pub(super) async fn stop_after(
    ui: &mut Ui,
    ctx: &Ctx,
    agent: ResolvedAgent,
    is_dry_run: bool,
) -> Result<(), Error> {
    let name = agent.record.name.to_string();
    if is_dry_run {
        ui.info(&format!("Would stop agent: {name}"));
        return Ok(());
    }
    let request = StopRequest { agents: vec![agent], archive: false };
    let report = ui.with_progress("Stopping", async |events| stop(ctx, request, &events).await).await?;
    match report.failures.into_iter().next() {
        Some(failure) => Err(Error::plain(ErrorClass::CleanupFailed, failure.message)),
        None => {
            ui.info(&format!("Stopped agent: {name}"));
            Ok(())
        }
    }
}

/// The line about files, if files were moved.
pub(super) fn files_line(report: &SyncReport, verb: &str, out: &mut Out<'_>) -> io::Result<()> {
    let Some(files) = &report.files else { return Ok(()) };
    let counts = files.counts;
    let (count, bytes) = (counts.files_transferred, counts.bytes_transferred);
    if files.is_dry_run {
        out.line(format_args!("Dry run complete: {count} files would be transferred"))?;
    } else {
        out.line(format_args!("{verb} complete: {count} files, {bytes} bytes transferred"))?;
    }
    match (counts.files_deleted, files.is_dry_run) {
        (0, _) => Ok(()),
        (deleted, true) => out.line(format_args!("{deleted} files would be deleted")),
        (deleted, false) => out.line(format_args!("{deleted} files deleted")),
    }
}

/// One jsonl object a part.
pub(super) fn lines(
    report: &SyncReport,
    git_event: &str,
    files_event: &str,
    object: impl Fn(&str, &SyncReport) -> Value,
) -> Vec<Value> {
    let git = SyncReport { files: None, ..report.clone() };
    let files = SyncReport { git: None, ..report.clone() };
    let mut lines = Vec::new();
    lines.extend(report.git.is_some().then(|| object(git_event, &git)));
    lines.extend(report.files.is_some().then(|| object(files_event, &files)));
    lines
}

#[derive(Serialize)]
#[serde(transparent)]
struct Pulled<'a>(&'a SyncReport);

impl Render for Pulled<'_> {
    fn event(&self) -> &'static str {
        if self.0.files.is_some() { "pull_complete" } else { "pull_git_complete" }
    }

    fn human(&self, out: &mut Out<'_>) -> io::Result<()> {
        if let Some(git) = &self.0.git {
            let (count, from, into) = (git.commits_transferred, &git.source_branch, &git.target_branch);
            let what =
                if git.is_dry_run { "Dry run complete: would merge" } else { "Git merge complete: merged" };
            out.line(format_args!("{what} {count} commits from {from} into {into}"))?;
        }
        files_line(self.0, "Pull", out)
    }

    fn jsonl(&self) -> Vec<Value> {
        lines(self.0, "pull_git_complete", "pull_complete", with_event)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use mng_core::hosts::sync::{Counts, FilesReport, GitReport};

    use super::*;
    use crate::ui::testing::rendered;

    pub(in super::super) fn report(is_dry_run: bool) -> SyncReport {
        let counts = Counts { files_transferred: 2, bytes_transferred: 1234, files_deleted: 0 };
        SyncReport {
            agent_id: "agent-00000000000000000000000000000001".parse().unwrap(),
            host_id: "host-00000000000000000000000000000002".parse().unwrap(),
            git: None,
            files: Some(FilesReport {
                counts,
                source_path: "/a".into(),
                destination_path: "/b".into(),
                is_dry_run,
                ..FilesReport::default()
            }),
        }
    }

    pub(in super::super) fn report_of_both(is_dry_run: bool) -> SyncReport {
        SyncReport {
            git: Some(GitReport {
                source_branch: "main".into(),
                target_branch: "mng/a1".into(),
                is_dry_run,
                commits_transferred: 3,
                stash_oid: Some("0123".into()),
                ..GitReport::default()
            }),
            ..report(is_dry_run)
        }
    }

    #[test]
    fn what_the_first_part_set_aside_is_told_in_json() {
        insta::assert_snapshot!(crate::ui::to_json(&Pulled(&report_of_both(false))), @r#"{"source_branch":"main","target_branch":"mng/a1","source_path":"/a","destination_path":"/b","is_dry_run":false,"commits_transferred":3,"files_deleted":0,"stash_oid":"0123","backup_ref":null,"conflicts":[],"files_transferred":2,"bytes_transferred":1234,"agent_id":"agent-00000000000000000000000000000001","host_id":"host-00000000000000000000000000000002"}"#);
    }

    #[test]
    fn a_person_reads_what_was_merged() {
        insta::assert_snapshot!(rendered(&Pulled(&report_of_both(true))), @r"
        ---- stdout
        Dry run complete: would merge 3 commits from main into mng/a1
        Dry run complete: 2 files would be transferred
        ---- stderr
        ");
    }
}
