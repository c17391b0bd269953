//! `mng push`

use std::io;
use std::path::PathBuf;

use clap::Args;
use mng_core::hosts::sync::check_installed;
use mng_core::operations::push::{PushRequest, push};
use mng_core::operations::sync::{SyncMode, SyncReport};
use mng_core::plugins::Ctx;
use mng_core::transports::LocalTransport;
use mng_core::{Error, ErrorClass};
use serde::Serialize;
use serde_json::Value;

use crate::args::{AgentEnd, RuleArgs, SyncModeArg, UncommittedArg};
use crate::commands::pull::{agent_or_choice, stop_after};
use crate::exit::{CliResult, ExitCode};
use crate::ui::{Out, Render, Ui, with_event};

/// Copy files or commits from here to an agent
///
/// Copies what a directory of this machine holds into the agent's work dir, or with `--sync-mode git` moves
/// the agent's branch to the commits of a branch here. Uncommitted changes of the agent are never lost: by
/// default they stop the transfer. `.git` itself is never copied. The agent need not run.
#[derive(Debug, Args)]
#[command(
    after_help = "$ mng push alpha\n\nSee what would happen:\n$ mng push alpha --dry-run\n\nCommits of the branch that is checked out here:\n$ mng push alpha --sync-mode git\n\nOne directory only:\n$ mng push alpha:docs ./docs\n\nSee also: pull, git, rsync, pair, moving_data"
)]
pub(crate) struct PushArgs {
    /// The agent, by name, id or address, and `:PATH` for a place beside its work dir
    #[arg(value_name = "TARGET")]
    positional_target: Option<String>,

    /// The directory here; the current one by default
    #[arg(value_name = "SOURCE")]
    positional_source: Option<PathBuf>,

    /// As TARGET
    #[arg(long, value_name = "TARGET")]
    target: Option<String>,

    /// The agent alone
    #[arg(long, value_name = "AGENT")]
    target_agent: Option<String>,

    /// Only an agent on this host
    #[arg(long, value_name = "HOST")]
    target_host: Option<String>,

    /// A place on the agent's host; a relative one starts at the work dir
    #[arg(long, value_name = "PATH")]
    target_path: Option<String>,

    /// As SOURCE
    #[arg(long, value_name = "PATH")]
    source: Option<PathBuf>,

    /// What is moved
    #[arg(long, value_name = "MODE", value_enum, default_value_t = SyncModeArg::Files, ignore_case = true)]
    sync_mode: SyncModeArg,

    /// As `--sync-mode files`
    #[arg(long, conflicts_with_all = ["source_branch", "mirror"])]
    rsync_only: bool,

    /// What becomes of uncommitted changes of the agent
    #[arg(long, value_name = "MODE", value_enum, default_value_t = UncommittedArg::Fail, ignore_case = true)]
    uncommitted_changes: UncommittedArg,

    /// The branch to push; the one that is checked out here by default
    #[arg(long, value_name = "BRANCH")]
    source_branch: Option<String>,

    /// Make branches and tags of the agent's repository those of this one, its own commits included; what they
    /// were is kept
    #[arg(long)]
    mirror: bool,

    /// Say what would be moved, and change nothing
    #[arg(long)]
    dry_run: bool,

    /// Stop the agent afterwards
    #[arg(long)]
    stop: bool,

    #[command(flatten)]
    rules: RuleArgs,
}

pub(crate) async fn run(ui: &mut Ui, ctx: &Ctx, args: PushArgs) -> CliResult {
    let mode = mode(&args)?;
    let end = AgentEnd {
        name: "target",
        spec: args.target.as_deref().or(args.positional_target.as_deref()),
        agent: args.target_agent.as_deref(),
        host: args.target_host.as_deref(),
        path: args.target_path.as_deref(),
    };
    let (address, agent_path) = end.resolve()?;
    if mode.has_git() && agent_path.is_some() {
        return Err(no_path());
    }
    if mode.has_files() {
        check_installed(&LocalTransport, "this machine").await?;
    }
    let Some(agent) = agent_or_choice(ui, ctx, address, "push").await? else { return Ok(ExitCode::SUCCESS) };
    let request = PushRequest {
        agent,
        agent_path,
        source: args.source.or(args.positional_source).unwrap_or_else(|| PathBuf::from(".")),
        mode,
        uncommitted: args.uncommitted_changes.into(),
        rules: args.rules.resolve()?,
        is_deleting: args.rules.delete,
        source_branch: args.source_branch,
        is_mirror: args.mirror,
        is_dry_run: args.dry_run,
    };
    let report = ui.with_progress("Pushing", async |events| push(ctx, &request, &events).await).await?;
    ui.result(&Pushed(&report))?;
    if args.stop {
        stop_after(ui, ctx, request.agent, args.dry_run).await?;
    }
    Ok(ExitCode::SUCCESS)
}

fn mode(args: &PushArgs) -> Result<SyncMode, Error> {
    let mode = SyncMode::from(args.sync_mode);
    if args.rsync_only && mode != SyncMode::Files {
        return Err(usage("`--rsync-only` means `--sync-mode files`, and another mode is given"));
    }
    if !mode.has_git() && (args.mirror || args.source_branch.is_some()) {
        return Err(usage("`--mirror` and `--source-branch` are for `--sync-mode git`"));
    }
    if !mode.has_files() && args.rules.is_given() {
        return Err(usage("options about files are not for `--sync-mode git`"));
    }
    Ok(mode)
}

fn usage(message: &str) -> Error {
    Error::hinted(ErrorClass::Usage, message, "leave one of them out")
}

/// Commits belong to the repository, not to a directory of it.
pub(super) fn no_path() -> Error {
    Error::hinted(
        ErrorClass::Usage,
        "commits are moved between whole repositories, and a path of the agent is given",
        "leave the path out, or use `--sync-mode files`",
    )
}

#[derive(Serialize)]
#[serde(transparent)]
struct Pushed<'a>(&'a SyncReport);

impl Render for Pushed<'_> {
    fn event(&self) -> &'static str {
        if self.0.files.is_some() { "push_complete" } else { "push_git_complete" }
    }

    fn human(&self, out: &mut Out<'_>) -> io::Result<()> {
        if let Some(git) = &self.0.git {
            let (count, from, to) = (git.commits_transferred, &git.source_branch, &git.target_branch);
            let what =
                if git.is_dry_run { "Dry run complete: would push" } else { "Git push complete: pushed" };
            out.line(format_args!("{what} {count} commits from {from} to {to}"))?;
        }
        super::pull::files_line(self.0, "Push", out)
    }

    fn jsonl(&self) -> Vec<Value> {
        super::pull::lines(self.0, "push_git_complete", "push_complete", with_event)
    }
}

#[cfg(test)]
mod tests {
    use super::super::pull::tests::{report, report_of_both};
    use super::*;
    use crate::ui::testing::rendered;

    #[test]
    fn a_person_reads_one_line_a_part() {
        insta::assert_snapshot!(rendered(&Pushed(&report_of_both(false))), @r"
        ---- stdout
        Git push complete: pushed 3 commits from main to mng/a1
        Push complete: 2 files, 1234 bytes transferred
        ---- stderr
        ");
        insta::assert_snapshot!(rendered(&Pushed(&report(true))), @r"
        ---- stdout
        Dry run complete: 2 files would be transferred
        ---- stderr
        ");
    }
}
