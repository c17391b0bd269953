//! On which host there is something to bring back. This machine is asked first; the others only when it does
//! not have what was named.

use super::{host, is_named_project, newest_of_name, nothing, pick};
use crate::hosts::rescue::{self, Manifest, Reason};
use crate::hosts::{Host, fan_out};
use crate::model::address::LOCAL_PROVIDER;
use crate::model::error::{Error, ErrorClass, Result};
use crate::model::state::HostState;
use crate::operations::{discover, select};
use crate::plugins::Ctx;

/// What other hosts have.
#[derive(Debug, Default)]
pub(super) struct Others {
    /// Newest first on each.
    pub(super) known: Vec<(Host, Vec<Manifest>)>,
    /// Hosts and providers that did not answer.
    silent: Vec<String>,
}

/// Asks every other host that is up, all at once. One that does not answer is passed over and remembered.
///
/// # Errors
/// Settings name a provider that does not exist.
pub(super) async fn others(ctx: &Ctx) -> Result<Others> {
    let (mut providers, _) = discover::providers(ctx, &discover::Scope::Active)?;
    providers.retain(|name| name.as_str() != LOCAL_PROVIDER);
    if providers.is_empty() {
        return Ok(Others::default());
    }
    let scope = discover::Scope::of(providers);
    let (mut found, _) = discover::hosts(ctx, &scope).await?;
    found.hosts.extend(discover::left_hosts(ctx, &scope)?);
    let mut others = Others::default();
    others.silent.extend(found.failures.iter().map(|failure| format!("provider `{}`", failure.provider)));
    let (live, down): (Vec<_>, Vec<_>) =
        found.hosts.into_iter().partition(|host| host.state == HostState::Running);
    others.silent.extend(down.iter().map(|host| format!("host `{}`", host.address())));
    let answers = fan_out(live.clone(), ctx.limits.parallel, ctx.limits.probe, |info| async move {
        let host = ctx.open_host(&info).await?;
        let entries = rescue::list(&host).await?;
        Ok((host, entries))
    })
    .await;
    for (info, answer) in live.into_iter().zip(answers) {
        match answer {
            Ok(answer) => others.known.push(answer),
            Err(error) => {
                tracing::warn!(host = %info.address(), %error, "cannot tell what could be brought back there");
                others.silent.push(format!("host `{}`", info.address()));
            }
        }
    }
    Ok(others)
}

/// The entry that was named, or the newest destroy of this repository, and its host.
///
/// # Errors
/// There is none, several hosts have one of that name, or a host that may have it does not answer.
pub(super) async fn find(ctx: &Ctx, what: Option<&str>) -> Result<(Host, Manifest)> {
    let here = match host(ctx).await? {
        Some(host) => {
            let picked = pick(ctx, &host, what).await;
            picked.map(|entry| (host, entry))
        }
        None => Err(nothing()),
    };
    let missing = match (here, what) {
        // What is named is meant wherever it is; the newest one has to be the newest of all.
        (Ok(found), Some(_)) => return Ok(found),
        (here, _) => here,
    };
    let others = others(ctx).await?;
    let project = select::current_project(ctx).await.ok();
    let mut found: Vec<(Host, Manifest)> = Vec::new();
    for (host, entries) in others.known {
        let entry = match what {
            Some(text) => named(&entries, text),
            None => entries.iter().find(|entry| {
                let is_open = entry.reason == Reason::Destroy && entry.restored.is_empty();
                is_open && is_named_project(entry, project.as_deref())
            }),
        };
        found.extend(entry.cloned().map(|entry| (host, entry)));
    }
    match missing {
        Ok(here) => {
            found.push(here);
            let newest = found.into_iter().max_by_key(|(_, entry)| entry.created_at);
            newest.ok_or_else(nothing)
        }
        Err(error) if what.is_some() && found.len() > 1 => {
            let ids: Vec<String> = found
                .iter()
                .map(|(host, entry)| format!("{} on {}", entry.id, host.info.address()))
                .collect();
            tracing::debug!(%error, "not on this machine");
            Err(Error::input(
                format!("`{}` was destroyed on several hosts: {}", what.unwrap_or_default(), ids.join(", ")),
                format!("mng undo {}", found[0].1.id),
            ))
        }
        Err(error) => match found.into_iter().max_by_key(|(_, entry)| entry.created_at) {
            Some(found) => Ok(found),
            None if others.silent.is_empty() => Err(error),
            None => Err(Error::hinted(
                ErrorClass::ProviderUnavailable,
                format!("{error}, and nothing is known of {}", others.silent.join(", ")),
                "`mng list --hosts` shows which hosts answer",
            )),
        },
    }
}

/// An entry by its id, its beginning, or the newest one of an agent's name or id that is not back yet.
fn named<'a>(entries: &'a [Manifest], text: &str) -> Option<&'a Manifest> {
    let by_id = entries.iter().find(|entry| entry.id.as_str() == text);
    by_id.or_else(|| newest_of_name(entries, text).and_then(Result::ok)).or_else(|| {
        // As short as a person may type it.
        let mut begun = entries.iter().filter(|entry| text.len() >= 4 && entry.id.as_str().starts_with(text));
        begun.next().filter(|_| begun.next().is_none())
    })
}
