//! `create`: from what a person asked for to a running agent.
//!
//! Resolution comes first and changes nothing: type, source, target, transfer, branch. Then, under the
//! host's lock, each step says what it is about to make before it makes it, so that an error, Ctrl-C or a
//! kill leaves nothing half-made and never touches what this run did not make.
//!
//! What a create of a `command` agent in a worktree costs on this machine: two runs of git (status and
//! `worktree add`), one of tmux, and about fifteen small files.

mod build;
mod checks;
pub(crate) mod env;
mod finish;
mod foreground;
pub mod journal;
mod kind;
mod labels;
mod migrate;
mod naming;
mod packages;
mod prepare;
mod progress;
mod report;
mod request;
mod reuse;
mod rollback;
mod source;
pub mod sources;
mod state_dir;
mod target;
mod templates;
mod transfer;
mod update;

pub use finish::{send_first_message, wait_until_stopped};
pub use foreground::{ForegroundReport, Output, run_foreground};
pub(crate) use kind::provisioning_of as type_provisioning;
pub use migrate::{ignored_files, verify_copy};
pub use report::CreateReport;
pub use request::{
    AgentOptions, CreateRequest, FileEdit, FileUpload, HostOptions, Provisioning, TransferChoice,
    TransferOptions,
};
pub use rollback::{Replayed, replay};
pub use templates::{Applied, TemplateRules, apply as apply_templates};

pub(crate) use update::merged_env;

use build::Built;
use finish::Finish;
use journal::JournalEntry;
use prepare::Prepared;
use rollback::Made;

use crate::model::cancel::Cancel;
use crate::model::error::Result;
use crate::model::event::Events;
use crate::model::record::TransferMode;
use crate::model::state::AgentState;
use crate::operations::list::remember;
use crate::operations::relaunch;
use crate::plugins::Ctx;
use crate::storage::fault;

/// Makes an agent and starts it, or uses the one of that name (`reuse`).
///
/// Watches [`Ctx::cancel`]: a cancelled create is undone before this returns. Once the agent is ready
/// nothing is undone any more; a message that then fails is an error that names the running agent.
///
/// # Errors
/// Anything that was wrong with the request, the source or the target; a step that failed. Everything that
/// this create made is gone then.
#[tracing::instrument(skip_all)]
pub async fn create(ctx: &Ctx, request: CreateRequest, events: &Events) -> Result<CreateReport> {
    let _watch = ctx.cancel.watch();
    let cancel = &ctx.cancel;
    checks::contradictions(&request)?;
    target::prepare_profile(ctx, &request)?;
    if let Some(found) = reuse::find(ctx, &request).await? {
        let report = if request.update {
            update::update(ctx, &request, found, events, cancel).await?
        } else {
            reuse::reuse(ctx, &request, found, events, cancel).await?
        };
        if let Some(report) = report {
            return Ok(report);
        }
    }
    let prepared = prepare::prepare(ctx, request, events, cancel).await?;
    target::tag(ctx, &prepared.host, &prepared.request.host.tags).await?;
    let Built { record, entry, first, step } = make(ctx, &prepared, events, cancel).await?;
    remember(ctx, &prepared.host, &record, AgentState::Running);
    ctx.attend_host(&prepared.host, events).await;
    let finish = Finish {
        host: &prepared.host,
        record: &record,
        await_ready: prepared.request.await_ready,
        message: prepared.request.message.as_deref(),
    };
    if let Err(error) = finish::wait_until_ready(ctx, &finish, events, cancel).await {
        take_back(ctx, &prepared, entry, events).await;
        return Err(error);
    }
    fault::point("create.ready");
    finish::announce(ctx, &prepared.host, &record).await;
    match relaunch::as_argument(&prepared.kind.agent_type, finish.message) {
        Some(_) if prepared.request.await_ready => {
            cancel.race(relaunch::confirm_first_message(&prepared.host, &record, first, events)).await?;
        }
        Some(_) => {}
        None => finish::send_message(ctx, &finish, cancel).await?,
    }
    step.complete();
    let Prepared { host, .. } = prepared;
    Ok(CreateReport::new(host, record, false))
}

/// Makes the agent and starts it, under the host's lock. An error has been undone already.
async fn make<'e>(ctx: &Ctx, prepared: &Prepared, events: &'e Events, cancel: &Cancel) -> Result<Built<'e>> {
    let host = &prepared.host;
    let mut made =
        Made { entry: None, staged_clone: prepared.source.clone.as_ref().map(|clone| clone.staged.clone()) };
    finish::tell_plan(events, prepared.mode != TransferMode::None);
    let step = progress::begin(events, progress::PREPARING);
    let lock = match cancel.race(host.lock(None, events)).await {
        Ok(lock) => lock,
        Err(error) => {
            made.discard_clone(host, events).await;
            return Err(error);
        }
    };
    step.complete();
    match build::build(ctx, prepared, &lock, &mut made, events, cancel).await {
        Ok(built) => Ok(built),
        Err(error) => {
            made.undo(ctx, host, &lock, events).await;
            Err(error)
        }
    }
}

/// Destroys an agent that this run made and that is not wanted any more.
async fn take_back(ctx: &Ctx, prepared: &Prepared, entry: JournalEntry, events: &Events) {
    let host = &prepared.host;
    // Not under `cancel`: undoing is what a cancelled create still has to do.
    match host.lock(None, events).await {
        Ok(lock) => Made { entry: Some(entry), staged_clone: None }.undo(ctx, host, &lock, events).await,
        Err(error) => events.warning(format!("could not take back agent `{}`: {error}", entry.name)),
    }
}
