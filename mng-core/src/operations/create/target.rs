//! The host that a new agent goes to, and the host that its files are on.

use std::collections::BTreeMap;

use super::request::CreateRequest;
use crate::hosts::Host;
use crate::model::address::{HostAddress, LOCAL_PROVIDER};
use crate::model::error::{Error, ErrorClass, Explain as _, Result};
use crate::model::event::Events;
use crate::model::names::ProviderName;
use crate::model::state::HostState;
use crate::operations::discover;
use crate::operations::resolve::is_host;
use crate::plugins::Ctx;
use crate::providers::{DiscoveredHost, ProviderError};
use crate::settings::ensure_profile;

/// The target host, opened. This machine asks no other provider.
///
/// # Errors
/// No such host, several, an offline one that may not be started, or a new host was asked for from a
/// provider that makes none.
pub(super) async fn resolve(ctx: &Ctx, request: &CreateRequest, events: &Events) -> Result<Host> {
    let address = &request.address;
    if (request.host.new_host || address.wants_new_host()) && !is_here(address.provider.as_ref()) {
        return Err(refuse_new_host(ctx, request));
    }
    match address.host_address() {
        None => ctx.local_host().await,
        Some(host) if host.is_local() => ctx.local_host().await,
        Some(host) => open(ctx, &host, request.auto_start, events).await,
    }
}

fn is_here(provider: Option<&ProviderName>) -> bool {
    provider.is_some_and(|provider| provider.as_str() == LOCAL_PROVIDER)
}

/// Why no host can be made for this request.
fn refuse_new_host(ctx: &Ctx, request: &CreateRequest) -> Error {
    let address = &request.address;
    let Some(name) = &address.provider else {
        return Error::hinted(
            ErrorClass::UserInput,
            "a new host needs a provider",
            "name it in the address (`NAME@.PROVIDER`) or with `--provider PROVIDER`",
        );
    };
    if let Some(id) = address.host.as_ref().and_then(|host| host.id()) {
        return Error::input(
            format!("a new host cannot be given the id `{id}`"),
            format!("leave it out (`@.{name}`), or give a name"),
        );
    }
    let provider = match ctx.provider(name) {
        Ok(provider) => provider,
        Err(error) => return error,
    };
    let host = address.host.as_ref().map_or_else(|| "new".to_owned(), ToString::to_string);
    let what = if provider.capabilities().hosts { "making hosts with this mng" } else { "making hosts" };
    let error = ProviderError::Unsupported { provider: name.clone(), host, what };
    if provider.capabilities().hosts {
        return error.into();
    }
    Error::hinted(
        error.class(),
        error.to_string(),
        format!("put one of its hosts behind the `@`: `mng list --hosts --provider {name}`"),
    )
}

/// Makes the profile, so that a provider has a place for what it has to know of its hosts.
///
/// # Errors
/// The data root cannot be written.
pub(super) fn prepare_profile(ctx: &Ctx, request: &CreateRequest) -> Result<()> {
    if ctx.profile.is_none() && request.address.host_address().is_some_and(|host| !host.is_local()) {
        ensure_profile(&ctx.locations, &ctx.env)?;
    }
    Ok(())
}

/// Adds tags to a host that exists; those that it has stay.
///
/// # Errors
/// Its provider cannot change tags.
pub(super) async fn tag(ctx: &Ctx, host: &Host, tags: &BTreeMap<String, String>) -> Result<()> {
    if tags.is_empty() {
        return Ok(());
    }
    let mut all = host.info.tags.clone();
    all.extend(tags.clone());
    ctx.provider(&host.info.provider)?.set_tags(&host.info, all).await
}

/// Opens a host that exists, starting it if it is offline and that is allowed.
///
/// # Errors
/// As [`resolve`].
pub(super) async fn open(
    ctx: &Ctx,
    address: &HostAddress,
    auto_start: bool,
    events: &Events,
) -> Result<Host> {
    if address.is_local() {
        return ctx.local_host().await;
    }
    let scope = discover::Scope::of(address.provider.clone());
    let (found, warnings) = discover::hosts(ctx, &scope).await?;
    for warning in warnings {
        events.warning(warning);
    }
    let mut matches: Vec<DiscoveredHost> =
        found.hosts.into_iter().filter(|host| is_host(address, host)).collect();
    if matches.len() > 1 {
        let names: Vec<String> =
            matches.iter().map(|host| format!("{} ({})", host.name, host.provider)).collect();
        return Err(Error::input(
            format!("`@{address}` matches {} hosts: {}", names.len(), names.join(", ")),
            format!("say which one: `@{}`", matches[0].address()),
        ));
    }
    let named = match matches.pop() {
        Some(info) => Some(info),
        None => discover::named(ctx, address)?,
    };
    let Some(info) = named else {
        let silent = found.failures.into_iter().find(|failure| failure.is_configured);
        return Err(match silent {
            Some(failure) => Error::hinted(
                ErrorClass::ProviderUnavailable,
                format!(
                    "cannot tell whether host `{address}` exists: provider `{}` did not answer",
                    failure.provider
                ),
                format!("`mng list --provider {}` shows why", failure.provider),
            ),
            None => Error::hinted(
                ErrorClass::HostNotFound,
                format!("there is no host `{address}`"),
                "`mng list --hosts` shows the hosts there are",
            ),
        });
    };
    if info.state != HostState::Running {
        if !auto_start {
            return Err(Error::hinted(
                ErrorClass::HostOffline,
                format!("host `{}` is {}, not RUNNING", info.address(), info.state),
                "leave `--no-auto-start` out, and it is started",
            ));
        }
        events.info(format!("Starting host {}...", info.address()));
        ctx.provider(&info.provider)?.start_host(&info).await?;
    }
    ctx.open_host(&info).await
}
