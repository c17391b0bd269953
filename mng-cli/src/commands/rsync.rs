//! `mng rsync`

use std::io;

use clap::Args;
use mng_core::hosts::sync::check_installed;
use mng_core::model::address::Location;
use mng_core::operations::rsync::{PreparedRsync, RsyncRequest, prepare};
use mng_core::plugins::Ctx;
use mng_core::transports::LocalTransport;
use mng_core::{Error, ErrorClass};
use serde::Serialize;

use crate::args::UncommittedArg;
use crate::exit::{CliResult, ExitCode};
use crate::ui::{Out, Render, Ui};

/// Run rsync between here and an agent or host
///
/// Exactly one side is an agent or a host. rsync runs as `rsync -avz --stats --exclude=.git`, with your own
/// options behind; slashes mean what they mean to rsync. An agent or host alone means what its directory
/// holds. Uncommitted changes at the destination are guarded as in `push` and `pull`.
#[derive(Debug, Args)]
#[command(
    after_help = "$ mng rsync alpha:build/ ./build/\n\nWith options of rsync:\n$ mng rsync ./data/ alpha:data/ -- --delete --progress\n\nA directory of a host:\n$ mng rsync @localhost:events/ ./events/\n\nSee also: push, pull, git, moving_data"
)]
pub(crate) struct RsyncArgs {
    /// `AGENT[:PATH]`, `@HOST[:PATH]`, or a path of this machine: `./PATH`, `/PATH` or `:PATH`
    #[arg(value_name = "SOURCE")]
    source: String,

    /// As SOURCE
    #[arg(value_name = "DESTINATION")]
    destination: String,

    /// Options of rsync
    #[arg(value_name = "RSYNC_ARGS", trailing_var_arg = true, allow_hyphen_values = true)]
    rsync_args: Vec<String>,

    /// What becomes of uncommitted changes at the destination
    #[arg(long, value_name = "MODE", value_enum, default_value_t = UncommittedArg::Fail, ignore_case = true)]
    uncommitted_changes: UncommittedArg,
}

pub(crate) async fn run(ui: &mut Ui, ctx: &Ctx, args: RsyncArgs) -> CliResult {
    let request = RsyncRequest {
        source: args.source.parse::<Location>()?,
        destination: args.destination.parse::<Location>()?,
        uncommitted: args.uncommitted_changes.into(),
        args: args.rsync_args,
    };
    check_installed(&LocalTransport, "this machine").await?;
    let prepared = ui.with_progress("Planning", async |events| prepare(ctx, &request, &events).await).await?;
    let PreparedRsync { passage, by_hand } = &prepared;
    let code = crate::passage::run(ui, passage).await?;
    if code != 0 {
        return Err(Error::plain(ErrorClass::Host, format!("rsync exited with status {code}")));
    }
    by_hand.finish().await?;
    if !ui.is_human() {
        ui.result(&RsyncReport {
            source: request.source.to_string(),
            destination: request.destination.to_string(),
            host_id: &passage.host_id,
            exit_code: code,
            stash_oid: by_hand.shelf.stash_oid.as_deref(),
            backup_ref: by_hand.shelf.backup_ref.as_deref(),
        })?;
    }
    Ok(ExitCode::SUCCESS)
}

#[derive(Serialize)]
struct RsyncReport<'a> {
    source: String,
    destination: String,
    host_id: &'a str,
    exit_code: i32,
    stash_oid: Option<&'a str>,
    backup_ref: Option<&'a str>,
}

impl Render for RsyncReport<'_> {
    fn event(&self) -> &'static str {
        "rsync_complete"
    }

    /// rsync has said it all.
    fn human(&self, _: &mut Out<'_>) -> io::Result<()> {
        Ok(())
    }
}
