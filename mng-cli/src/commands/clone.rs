//! `mng clone`

use clap::Args;
use mng_core::plugins::Ctx;
use mng_core::{Error, ErrorClass};

use super::create::{CreateOptions, finish, make};
use crate::exit::CliResult;
use crate::ui::Ui;

/// Make an agent that goes on from where another one is
///
/// As `mng create --from SOURCE`: the new agent gets its own id, name and branch, and a copy of the source's
/// work dir, uncommitted changes included. It is of the source's type unless another one is given.
#[derive(Debug, Args)]
#[command(
    after_help = "$ mng clone fix-auth fix-auth-2\n\nOnly what is committed:\n$ mng clone fix-auth second-try --exclude-unclean\n\nSee also: create, migrate"
)]
pub(crate) struct CloneArgs {
    /// The agent to go on from; also a path or a git URL
    #[arg(value_name = "SOURCE")]
    source: String,

    #[command(flatten)]
    options: CreateOptions,
}

pub(crate) async fn run(ui: &mut Ui, ctx: &Ctx, args: CloneArgs) -> CliResult {
    let CloneArgs { source, mut options } = args;
    options.go_on_from(source, "clone")?;
    if options.is_foreground() {
        return Err(Error::hinted(
            ErrorClass::Usage,
            "`--foreground` does not go with `clone`",
            "mng create --from SOURCE --foreground",
        ));
    }
    let mut request = options.request()?;
    request.agent.is_clone = true;
    let report = make(ui, ctx, &options, request).await?;
    finish(ui, ctx, &options, &report).await
}
