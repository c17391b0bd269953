//! Which provider instances are asked when nobody names one.

use std::collections::{BTreeMap, BTreeSet};

use super::core::ImplicitProviders;

/// What decides it.
pub struct ProviderChoice<'a> {
    /// `[providers.NAME]` tables of any layer: the instance with its backend and whether it is disabled.
    pub configured: &'a BTreeMap<String, ConfiguredProvider>,
    /// Empty: no restriction.
    pub enabled_backends: &'a [String],
    pub implicit: ImplicitProviders,
    /// The back ends of this binary whose plugins are enabled.
    pub backends: &'a [String],
    /// Whether this profile has used a back end.
    pub has_used: &'a dyn Fn(&str) -> bool,
}

/// One `[providers.NAME]` table, as far as the choice goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfiguredProvider {
    pub backend: String,
    pub is_enabled: bool,
}

/// An instance that is asked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ActiveProvider {
    pub instance: String,
    pub backend: String,
}

/// The active instances, by name. Active is what the person set up or has used: an installed backend that
/// nobody configured once made every listing fail. What the person named is among them even if this binary
/// lacks its backend, so that the caller can say so.
#[must_use]
pub fn active_providers(choice: &ProviderChoice<'_>) -> Vec<ActiveProvider> {
    let is_allowed = |backend: &str| {
        choice.enabled_backends.is_empty() || choice.enabled_backends.iter().any(|name| name == backend)
    };
    let is_asked_for = |backend: &str| {
        backend == "local"
            || choice.enabled_backends.iter().any(|name| name == backend)
            || match choice.implicit {
                ImplicitProviders::All => true,
                ImplicitProviders::Used => (choice.has_used)(backend),
                ImplicitProviders::None => false,
            }
    };
    let configured = choice
        .configured
        .iter()
        .filter(|(_, provider)| provider.is_enabled && is_allowed(&provider.backend))
        .map(|(instance, provider)| (instance.as_str(), provider.backend.as_str()));
    let implicit = choice
        .backends
        .iter()
        .chain(choice.enabled_backends)
        .map(String::as_str)
        .filter(|backend| !choice.configured.contains_key(*backend))
        .filter(|backend| is_allowed(backend) && is_asked_for(backend))
        .map(|backend| (backend, backend));
    let active: BTreeSet<(&str, &str)> = configured.chain(implicit).collect();
    let active = active.into_iter();
    active
        .map(|(instance, backend)| ActiveProvider { instance: instance.into(), backend: backend.into() })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Case<'a> {
        configured: &'a [(&'a str, &'a str, bool)],
        enabled: &'a [&'a str],
        implicit: ImplicitProviders,
        used: &'a [&'a str],
    }

    fn names(case: &Case<'_>) -> Vec<String> {
        let configured = case
            .configured
            .iter()
            .map(|(name, backend, is_enabled)| {
                let provider = ConfiguredProvider { backend: (*backend).into(), is_enabled: *is_enabled };
                ((*name).to_owned(), provider)
            })
            .collect();
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let active = active_providers(&ProviderChoice {
            configured: &configured,
            enabled_backends: &owned(case.enabled),
            implicit: case.implicit,
            backends: &owned(&["docker", "local", "modal", "ssh"]),
            has_used: &|backend| case.used.contains(&backend),
        });
        active.into_iter().map(|provider| provider.instance).collect()
    }

    #[test]
    fn only_local_is_asked_without_settings() {
        assert_eq!(names(&Case::default()), ["local"]);
    }

    #[test]
    fn tables_usage_and_the_allow_list_add_instances() {
        let tables = [("buildbox", "ssh", true), ("far", "lima", true)];
        assert_eq!(names(&Case { configured: &tables, ..Case::default() }), ["buildbox", "far", "local"]);
        assert_eq!(names(&Case { used: &["docker"], ..Case::default() }), ["docker", "local"]);
        assert_eq!(names(&Case { enabled: &["local", "modal"], ..Case::default() }), ["local", "modal"]);
        assert_eq!(names(&Case { enabled: &["local", "lima"], ..Case::default() }), ["lima", "local"]);
        let all = Case { implicit: ImplicitProviders::All, ..Case::default() };
        assert_eq!(names(&all), ["docker", "local", "modal", "ssh"]);
    }

    #[test]
    fn disabling_and_the_allow_list_take_away() {
        let tables = [("local", "local", false), ("box", "docker", true)];
        assert_eq!(names(&Case { configured: &tables, ..Case::default() }), ["box"]);
        let case = Case { configured: &tables[1..], enabled: &["ssh"], used: &["docker"], ..Case::default() };
        assert_eq!(names(&case), ["ssh"]);
        let none = Case { implicit: ImplicitProviders::None, used: &["docker"], ..Case::default() };
        assert_eq!(names(&none), ["local"]);
    }
}
