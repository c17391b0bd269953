//! `mng git`

use std::io;

use clap::{Args, Subcommand};
use mng_core::operations::git_sync::{Direction, GitRequest, prepare};
use mng_core::plugins::Ctx;
use mng_core::{Error, ErrorClass};
use serde::Serialize;

use crate::exit::{CliResult, ExitCode};
use crate::ui::{Out, Render, Ui};

/// Run git push or pull between here and an agent or host
///
/// The repository of the current directory is one side, that of the agent the other. Options and refspecs go
/// to git as they are. No setting is left behind on either side.
#[derive(Args, Debug)]
#[command(
    after_help = "$ mng git push alpha\n\nWith options and refspecs of git:\n$ mng git pull alpha --rebase main\n\nSee also: push, pull, rsync, moving_data"
)]
pub(crate) struct GitArgs {
    #[command(subcommand)]
    command: GitCommand,
}

#[derive(Debug, Subcommand)]
enum GitCommand {
    Push(PushArgs),
    Pull(PullArgs),
}

/// Push commits from here into the repository of an agent
///
/// Without a refspec the branch that is checked out here goes to the one that is checked out there, whose work
/// tree moves along; it has to be clean. The agent need not run.
#[derive(Args, Debug)]
#[command(
    after_help = "$ mng git push alpha\n\nAnother branch, with an option of git:\n$ mng git push alpha --force-with-lease topic:topic\n\nSee also: git, push"
)]
struct PushArgs {
    /// The agent, by name, id or address, or `@HOST:PATH`
    #[arg(value_name = "TARGET")]
    target: String,

    /// Options of git, as `--option=value`, and refspecs
    #[arg(value_name = "GIT_ARGS", trailing_var_arg = true, allow_hyphen_values = true)]
    git_args: Vec<String>,
}

/// Pull commits of an agent into the branch that is checked out here
///
/// Without a refspec the agent's branch is merged, as `git pull` does it. The agent need not run.
#[derive(Args, Debug)]
#[command(
    after_help = "$ mng git pull alpha\n\nAnother branch, with an option of git:\n$ mng git pull alpha --ff-only topic\n\nSee also: git, pull"
)]
struct PullArgs {
    /// The agent, by name, id or address, or `@HOST:PATH`
    #[arg(value_name = "SOURCE")]
    target: String,

    /// Options of git, as `--option=value`, and refspecs
    #[arg(value_name = "GIT_ARGS", trailing_var_arg = true, allow_hyphen_values = true)]
    git_args: Vec<String>,
}

pub(crate) async fn run(ui: &mut Ui, ctx: &Ctx, args: GitArgs) -> CliResult {
    let (direction, target, args) = match args.command {
        GitCommand::Push(args) => (Direction::Push, args.target, args.git_args),
        GitCommand::Pull(args) => (Direction::Pull, args.target, args.git_args),
    };
    let request = GitRequest { direction, target: target.parse()?, args };
    let passage = ui.with_progress("Looking", async |events| prepare(ctx, &request, &events).await).await?;
    let code = crate::passage::run(ui, &passage).await?;
    if code != 0 {
        return Err(Error::plain(ErrorClass::Git, format!("git exited with status {code}")));
    }
    if !ui.is_human() {
        ui.result(&GitReport {
            operation: direction.verb(),
            path: passage.path.display().to_string(),
            host_id: &passage.host_id,
            exit_code: code,
        })?;
    }
    Ok(ExitCode::SUCCESS)
}

#[derive(Serialize)]
struct GitReport<'a> {
    operation: &'a str,
    path: String,
    host_id: &'a str,
    exit_code: i32,
}

impl Render for GitReport<'_> {
    fn event(&self) -> &'static str {
        "git_complete"
    }

    /// git has said it all.
    fn human(&self, _: &mut Out<'_>) -> io::Result<()> {
        Ok(())
    }
}
