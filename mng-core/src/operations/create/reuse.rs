//! `--reuse`: an agent of that name is used instead of refused.

use super::CreateReport;
use super::checks;
use super::finish::{self, Finish};
use super::progress;
use super::request::CreateRequest;
use crate::hosts::HostLock;
use crate::model::address::{AgentAddress, NameOrId};
use crate::model::cancel::Cancel;
use crate::model::error::{Error, ErrorClass, Result};
use crate::model::event::Events;
use crate::operations::resolve::{self, ResolveError, ResolvedAgent};
use crate::operations::start::{OneStart, Outcome, start_one};
use crate::plugins::Ctx;

/// The agent that the request may use; `None` if there is none and one has to be made.
///
/// # Errors
/// Several agents match; or somebody could not be asked, so that a second agent of the name might come to
/// be in silence.
pub(super) async fn find(ctx: &Ctx, request: &CreateRequest) -> Result<Option<ResolvedAgent>> {
    let Some(name) = request.address.name.as_ref().filter(|_| request.reuse) else { return Ok(None) };
    let address = AgentAddress { agent: NameOrId::Name(name.clone()), host: request.address.host_address() };
    let mut found = resolve::agents(ctx, std::slice::from_ref(&address)).await?;
    if found.matches.len() > 1 {
        let matches = found.matches.iter().map(ResolvedAgent::full_address).collect();
        return Err(ResolveError::Ambiguous { target: address.to_string(), matches }.into());
    }
    if let Some(agent) = found.matches.pop() {
        return Ok(Some(agent));
    }
    match found.take_error() {
        Some(error) if error.class() == ErrorClass::ProviderUnavailable => Err(Error::hinted(
            ErrorClass::ProviderUnavailable,
            error.to_string(),
            format!("say where it is to be: `mng create {name}@localhost --reuse`"),
        )),
        _ => Ok(None),
    }
}

/// Makes sure that the agent runs, and sends the message. All other options are left alone.
///
/// `None`: it was destroyed meanwhile.
///
/// # Errors
/// It is of another type than the one that was typed, or it cannot be started.
pub(super) async fn reuse(
    ctx: &Ctx,
    request: &CreateRequest,
    found: ResolvedAgent,
    events: &Events,
    cancel: &Cancel,
) -> Result<Option<CreateReport>> {
    let host = found.host;
    progress::plan(events, &[progress::STARTING]);
    let step = progress::begin(events, progress::STARTING);
    let lock = cancel.race(host.lock(Some(HostLock::START), events)).await?;
    let Some(record) = host.read_agent(&found.record.id).await? else {
        events.info(format!("Agent {} is gone; making it anew", found.record.name));
        return Ok(None);
    };
    checks::same_type(ctx, request, &record)?;
    // An ended agent's session is a husk: a message would be typed into its shell. `start_one` revives it.
    let OneStart { outcome, record, .. } = start_one(ctx, &host, &lock, &record, false, None, events).await?;
    drop(lock);
    let finish = Finish {
        host: &host,
        record: &record,
        await_ready: request.await_ready && outcome != Outcome::AlreadyRunning,
        message: request.message.as_deref(),
    };
    finish::wait_until_ready(ctx, &finish, events, cancel).await?;
    finish::send_message(ctx, &finish, cancel).await?;
    step.complete();
    Ok(Some(CreateReport::new(host, record, true)))
}
