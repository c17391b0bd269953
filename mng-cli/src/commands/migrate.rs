//! `mng migrate`

use clap::Args;
use mng_core::model::address::{AgentAddress, AgentRef, HostAddress, HostRef, SourceAddress};
use mng_core::operations::create::{CreateReport, ignored_files, verify_copy};
use mng_core::operations::destroy::{DestroyOptions, DestroyRequest, destroy};
use mng_core::operations::resolve::{self, ResolvedAgent};
use mng_core::plugins::Ctx;
use mng_core::{Error, ErrorClass};

use super::create::{CreateOptions, finish, make};
use crate::exit::CliResult;
use crate::ui::Ui;

/// Move an agent: clone it, then destroy the source
///
/// The new agent goes on from the source's work dir, uncommitted changes included. Only when it is there is
/// the source destroyed; `mng undo` brings that back. A clone that fails leaves the source as it was.
#[derive(Debug, Args)]
#[command(
    after_help = "$ mng migrate fix-auth fix-auth-2\n\nWith everything that git ignores:\n$ mng migrate fix-auth fix-auth-2 --include-gitignored\n\nSee also: clone, destroy, undo"
)]
pub(crate) struct MigrateArgs {
    /// The agent to move
    #[arg(value_name = "SOURCE")]
    source: AgentAddress,

    #[command(flatten)]
    options: CreateOptions,
}

pub(crate) async fn run(ui: &mut Ui, ctx: &Ctx, args: MigrateArgs) -> CliResult {
    let MigrateArgs { source, mut options } = args;
    options.go_on_from(source.to_string(), "migrate")?;
    if options.is_foreground() {
        return Err(Error::hinted(
            ErrorClass::Usage,
            "`--foreground` does not go with `migrate`",
            "leave it out",
        ));
    }
    let source = resolve::one(ctx, &source).await?;
    let mut request = options.request()?;
    request.agent.is_clone = true;
    request.transfer.verify = true;
    // By id from here on: the copy may have the source's name.
    request.source = Some(SourceAddress::Agent { address: pinned(&source), path: None });
    if !request.transfer.include_gitignored {
        let ignored = ignored_files(&source).await?;
        if ignored > 0 {
            ui.warning(&format!(
                "{ignored} files and directories that git ignores are not carried; add `--include-gitignored` to take them along"
            ));
        }
    }
    let report = make(ui, ctx, &options, request).await?;
    remove_source(ui, ctx, source, &report).await?;
    finish(ui, ctx, &options, &report).await
}

/// The address that no copy can share.
fn pinned(agent: &ResolvedAgent) -> AgentAddress {
    AgentAddress {
        agent: AgentRef::Id(agent.record.id.clone()),
        host: Some(HostAddress {
            host: Some(HostRef::Id(agent.host.info.id.clone())),
            provider: Some(agent.host.info.provider.clone()),
        }),
    }
}

/// Destroys exactly the source, once the copy is seen to be there.
async fn remove_source(
    ui: &mut Ui,
    ctx: &Ctx,
    source: ResolvedAgent,
    copy: &CreateReport,
) -> Result<(), Error> {
    let address = pinned(&source);
    let by_hand = format!("look at both, then `mng destroy {address} --force`");
    let kept = |why: String| {
        Error::hinted(
            ErrorClass::CleanupFailed,
            format!(
                "agent `{}` is there, and the source `{}` too: {why}",
                copy.agent_name, source.record.name
            ),
            by_hand.clone(),
        )
    };
    verify_copy(ctx, &source, copy).await.map_err(|error| kept(error.to_string()))?;
    let options = DestroyOptions { force: true, ..DestroyOptions::default() };
    let request = DestroyRequest { agents: vec![source.clone()], options };
    let report = ui
        .with_progress("Destroying the source", async |events| destroy(ctx, request, &events).await)
        .await?;
    match report.failures.first() {
        Some(failure) => Err(kept(failure.message.clone())),
        None => Ok(()),
    }
}
