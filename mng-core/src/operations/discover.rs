//! Which providers are asked, and which hosts they know. No host is entered here.

use std::collections::BTreeSet;

use crate::hosts::fan_out;
use crate::model::address::{HostAddress, LOCAL_PROVIDER};
use crate::model::error::{Error, ErrorClass, Result};
use crate::model::names::ProviderName;
use crate::model::order;
use crate::plugins::Ctx;
use crate::providers::DiscoveredHost;
use crate::settings::{ActiveProvider, ProviderChoice, active_providers};

/// A provider that could not be asked. Its agents are unknown, not absent.
#[derive(Debug)]
pub struct ProviderFailure {
    pub provider: ProviderName,
    pub error: Error,
    /// The person named it: a `[providers.NAME]` table, an `enabled_backends` entry or an explicit option.
    /// Only such a failure sets the exit code; a back end that is merely there is passed over.
    pub is_configured: bool,
}

impl ProviderFailure {
    /// Whether the provider exists and did not answer, as opposed to being misconfigured.
    #[must_use]
    pub fn is_inaccessible(&self) -> bool {
        is_inaccessible(&self.error)
    }
}

/// Whether an error says "cannot be asked now" rather than "is wrong".
#[must_use]
pub fn is_inaccessible(error: &Error) -> bool {
    matches!(error.class(), ErrorClass::ProviderUnavailable | ErrorClass::CommandTimeout)
}

/// The hosts of some providers.
#[derive(Debug, Default)]
pub struct Discovery {
    /// Sorted by provider, then name, then id.
    pub hosts: Vec<DiscoveredHost>,
    pub failures: Vec<ProviderFailure>,
    /// Everyone who was asked, whatever the answer.
    pub asked: Vec<ProviderName>,
}

/// Which providers a command wants asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// Every active one.
    #[default]
    Active,
    /// These, as `--provider` or an address names them; each must exist.
    Named(BTreeSet<ProviderName>),
}

impl Scope {
    /// The names given, or all active providers when none are.
    #[must_use]
    pub fn of(names: impl IntoIterator<Item = ProviderName>) -> Self {
        let names: BTreeSet<ProviderName> = names.into_iter().collect();
        if names.is_empty() { Self::Active } else { Self::Named(names) }
    }
}

/// The providers of a scope, and what is worth a warning: configured ones that this binary lacks.
///
/// # Errors
/// A named provider does not exist, is disabled, or this binary lacks its back end.
pub fn providers(ctx: &Ctx, scope: &Scope) -> Result<(Vec<ProviderName>, Vec<String>)> {
    match scope {
        Scope::Named(names) => {
            for name in names {
                ctx.provider(name)?;
            }
            Ok((names.iter().cloned().collect(), Vec::new()))
        }
        Scope::Active => Ok(active(ctx)),
    }
}

/// The instances that fan-out commands ask: `local`, every configured one, the enabled back ends, and those
/// that this profile has used before. A back end that is merely linked is left alone: asking it would cost
/// time, or fail for want of credentials that nobody ever gave.
fn active(ctx: &Ctx) -> (Vec<ProviderName>, Vec<String>) {
    let backends: Vec<String> = ctx.registry.backends().map(|backend| backend.name.to_owned()).collect();
    let chosen = active_providers(&ProviderChoice {
        configured: &ctx.settings.configured_providers(),
        enabled_backends: &ctx.settings.core.enabled_backends,
        implicit: ctx.settings.core.implicit_providers,
        backends: &backends,
        has_used: &|backend| ctx.profile.as_ref().is_some_and(|profile| profile.has_used(backend)),
    });
    let mut active = Vec::new();
    let mut warnings = Vec::new();
    for ActiveProvider { instance: name, backend } in chosen {
        if ctx.registry.switched_off_owner(&backend).is_some() {
            continue;
        }
        if ctx.registry.backend(&backend).is_none() {
            warnings.push(format!(
                "provider `{name}` is not asked: this mng has no back end `{backend}` (install with `cargo install mng --features {backend}`)"
            ));
            continue;
        }
        active.push(ProviderName::stored(name));
    }
    (active, warnings)
}

/// Hosts of the scope that no listing asks any more; see [`Provider::left_hosts`].
///
/// # Errors
/// As [`providers`].
///
/// [`Provider::left_hosts`]: crate::providers::Provider::left_hosts
pub fn left_hosts(ctx: &Ctx, scope: &Scope) -> Result<Vec<DiscoveredHost>> {
    let (asked, _) = providers(ctx, scope)?;
    // A provider that cannot be had is told of by whoever asks it for its hosts.
    let known = asked.iter().filter_map(|name| ctx.provider(name).ok());
    Ok(known.flat_map(|provider| provider.left_hosts()).collect())
}

/// Asks every provider of the scope for its hosts: all at once, each under its own deadline, none hiding
/// another.
///
/// # Errors
/// Only for names that do not exist (see [`providers`]); what goes wrong at one provider is a row in
/// `failures`.
#[tracing::instrument(skip_all)]
pub async fn hosts(ctx: &Ctx, scope: &Scope) -> Result<(Discovery, Vec<String>)> {
    let (asked, warnings) = providers(ctx, scope)?;
    let answers = fan_out(asked.clone(), ctx.limits.parallel, ctx.limits.probe, |name| async move {
        ctx.provider(&name)?.discover_hosts().await
    })
    .await;
    let mut discovery = Discovery { asked: asked.clone(), ..Discovery::default() };
    for (provider, answer) in asked.into_iter().zip(answers) {
        match answer {
            Ok(hosts) => discovery.hosts.extend(hosts),
            Err(error) => {
                let is_configured = is_configured(ctx, scope, &provider);
                if !is_configured {
                    tracing::debug!(provider = %provider, %error, "provider passed over");
                }
                discovery.failures.push(ProviderFailure { provider, error, is_configured });
            }
        }
    }
    order::sort_by(&mut discovery.hosts, |a, b| {
        (&a.provider, &a.name, &a.id).cmp(&(&b.provider, &b.name, &b.id))
    });
    Ok((discovery, warnings))
}

/// The host that an address names and that is there only by being named: see [`Provider::host_named`]. Asks no
/// network. Without a provider in the address, every one that this mng has may know the name.
///
/// # Errors
/// The provider in the address does not exist, or its files cannot be read.
pub fn named(ctx: &Ctx, address: &HostAddress) -> Result<Option<DiscoveredHost>> {
    let Some(name) = address.host.as_ref().and_then(|host| host.name()) else { return Ok(None) };
    if let Some(provider) = &address.provider {
        return ctx.provider(provider)?.host_named(name);
    }
    let mut providers: BTreeSet<ProviderName> = active(ctx).0.into_iter().collect();
    let enabled = &ctx.settings.core.enabled_backends;
    let backends = ctx.registry.backends().map(|backend| backend.name);
    let backends = backends.filter(|name| enabled.is_empty() || enabled.iter().any(|other| other == name));
    providers.extend(backends.map(ProviderName::stored));
    for provider in providers {
        // One that is disabled or misconfigured was not asked for.
        let Ok(provider) = ctx.provider(&provider) else { continue };
        if let Some(host) = provider.host_named(name)? {
            return Ok(Some(host));
        }
    }
    Ok(None)
}

/// Whether a person asked for this provider.
pub(super) fn is_configured(ctx: &Ctx, scope: &Scope, provider: &ProviderName) -> bool {
    matches!(scope, Scope::Named(_))
        || provider.as_str() == LOCAL_PROVIDER
        || ctx.settings.providers().contains_key(provider.as_str())
        || ctx.settings.core.enabled_backends.iter().any(|name| name == provider.as_str())
}
