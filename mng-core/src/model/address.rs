//! How a person points at agents and hosts: `fix-auth@gpu.docker`, `@gpu`, `agent-…@host-….modal`.
//!
//! [`source`] has the two addresses that `create` takes, which may also name a path.

mod location;
mod source;

use std::fmt;
use std::str::FromStr;

use super::error::{ErrorClass, Explain};
use super::ids::{AgentId, HostId};
use super::names::{AgentName, HostName, NameError, ProviderName};

pub use location::Location;
pub use source::{NewAgentAddress, SourceAddress};

/// The canonical name of this machine as a host.
pub const LOCAL_HOST: &str = "localhost";
/// The name of the provider that this machine belongs to.
pub const LOCAL_PROVIDER: &str = "local";

/// A text that points at nothing, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    #[error(transparent)]
    Name(#[from] NameError),
    #[error("the address is empty")]
    Empty,
    #[error("`{text}` names no agent")]
    NoAgent { text: String },
    #[error("`{text}` names no host")]
    NoHost { text: String },
    /// A host alone is no source: what on it is meant?
    #[error("`{text}` names a host but neither an agent nor a path")]
    NoPath { text: String },
    #[error("`{text}` has more than one dot: a host is written HOST or HOST.PROVIDER")]
    TooManyDots { text: String },
    /// The form of older versions.
    #[error("`{text}` has a dot where an agent's name cannot have one")]
    Dotted { text: String, suggestion: String },
    /// A path without the mark of one.
    #[error("`{text}` is no agent name")]
    LooksLikePath { text: String },
}

impl Explain for AddressError {
    fn class(&self) -> ErrorClass {
        ErrorClass::ParseSpec
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Name(error) => return error.hint(),
            Self::Empty | Self::NoAgent { .. } => {
                "an agent is written NAME, NAME@HOST or NAME@HOST.PROVIDER; see `mng help address`".into()
            }
            Self::NoHost { .. } | Self::TooManyDots { .. } => {
                "a host is written @HOST or @HOST.PROVIDER; see `mng help address`".into()
            }
            Self::NoPath { text } => format!("write `{text}:PATH`, or `AGENT{text}`"),
            Self::Dotted { suggestion, .. } => format!("the host comes after `@`: `{suggestion}`"),
            Self::LooksLikePath { text } => format!("a path starts with `./` or `:`: `./{text}`"),
        })
    }
}

/// One agent or host as a person names it: by its id, or by its name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum NameOrId<N, I> {
    Id(I),
    Name(N),
}

/// An agent by name or id.
pub type AgentRef = NameOrId<AgentName, AgentId>;
/// A host by name or id.
pub type HostRef = NameOrId<HostName, HostId>;

impl<N, I> NameOrId<N, I> {
    #[must_use]
    pub fn id(&self) -> Option<&I> {
        match self {
            Self::Id(id) => Some(id),
            Self::Name(_) => None,
        }
    }

    #[must_use]
    pub fn name(&self) -> Option<&N> {
        match self {
            Self::Id(_) => None,
            Self::Name(name) => Some(name),
        }
    }
}

impl<N: fmt::Display, I: fmt::Display> fmt::Display for NameOrId<N, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

impl AgentRef {
    /// Whether an agent of this name and id is meant.
    #[must_use]
    pub fn matches(&self, name: &AgentName, id: &AgentId) -> bool {
        match self {
            Self::Id(wanted) => wanted == id,
            Self::Name(wanted) => wanted == name,
        }
    }
}

impl FromStr for AgentRef {
    type Err = AddressError;

    /// For agents that exist, so names of any length: older programs made them.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        if let Ok(id) = text.parse() {
            return Ok(Self::Id(id));
        }
        match text.parse() {
            Ok(name) => Ok(Self::Name(name)),
            Err(NameError::TooLong { .. }) => Ok(Self::Name(AgentName::stored(text))),
            Err(error) => Err(error.into()),
        }
    }
}

impl HostRef {
    /// Whether the name is one of those that mean this machine.
    #[must_use]
    pub fn is_local_alias(&self) -> bool {
        self.name().is_some_and(|name| HostName::is_local_alias(name.as_str()))
    }

    /// Whether a host of this name and id is meant.
    #[must_use]
    pub fn matches(&self, name: &HostName, id: &HostId) -> bool {
        match self {
            Self::Id(wanted) => wanted == id,
            Self::Name(wanted) => wanted == name,
        }
    }
}

impl FromStr for HostRef {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        if let Ok(id) = text.parse() {
            return Ok(Self::Id(id));
        }
        Ok(Self::Name(text.parse()?))
    }
}

/// A host, `HOST[.PROVIDER]`; behind an agent's `@` also `.PROVIDER` alone, which means any host there.
/// At least one part is set. The names of this machine are read as `localhost`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostAddress {
    pub host: Option<HostRef>,
    pub provider: Option<ProviderName>,
}

impl HostAddress {
    /// This machine.
    #[must_use]
    pub fn local() -> Self {
        Self { host: Some(NameOrId::Name(HostName::stored(LOCAL_HOST))), provider: None }
    }

    /// Whether this can mean nothing but this machine: the local provider is named, or one of the
    /// machine's own names without a provider.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match &self.provider {
            Some(provider) => provider.as_str() == LOCAL_PROVIDER,
            None => self.host.as_ref().is_some_and(HostRef::is_local_alias),
        }
    }

    /// Host and provider are pinned by what cannot change: reading that one host is enough.
    #[must_use]
    pub fn is_pinned(&self) -> bool {
        self.provider.is_some() && self.host.as_ref().is_some_and(|host| host.id().is_some())
    }

    /// Reads what stands behind an `@`; `None` when both pieces are missing.
    fn parse_parts(text: &str) -> Result<Option<Self>, AddressError> {
        // The first versions called this machine `@local`.
        let text = match text.strip_prefix('@') {
            Some(rest) if HostName::is_local_alias(rest) => rest,
            _ => text,
        };
        let (host, provider) = match text.split_once('.') {
            Some((_, rest)) if rest.contains('.') => {
                return Err(AddressError::TooManyDots { text: shown(text) });
            }
            Some((host, provider)) => (host.trim(), provider.trim()),
            None => (text.trim(), ""),
        };
        let provider: Option<ProviderName> = optional(provider)?;
        let mut host: Option<HostRef> = optional(host)?;
        let may_be_local = provider.as_ref().is_none_or(|provider| provider.as_str() == LOCAL_PROVIDER);
        if may_be_local && host.as_ref().is_some_and(HostRef::is_local_alias) {
            host = Some(NameOrId::Name(HostName::stored(LOCAL_HOST)));
        }
        Ok((host.is_some() || provider.is_some()).then_some(Self { host, provider }))
    }
}

/// Reads a piece that may be missing.
fn optional<T: FromStr>(text: &str) -> Result<Option<T>, AddressError>
where
    AddressError: From<T::Err>,
{
    if text.is_empty() { Ok(None) } else { Ok(Some(text.parse()?)) }
}

/// The text as it may stand in a message.
fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

impl fmt::Display for HostAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(host) = &self.host {
            host.fmt(f)?;
        }
        match &self.provider {
            Some(provider) => write!(f, ".{provider}"),
            None => Ok(()),
        }
    }
}

impl FromStr for HostAddress {
    type Err = AddressError;

    /// `[@]HOST[.PROVIDER]`; the host is needed.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let trimmed = text.trim();
        let parts = Self::parse_parts(trimmed.strip_prefix('@').unwrap_or(trimmed))?;
        parts
            .filter(|address| address.host.is_some())
            .ok_or_else(|| AddressError::NoHost { text: shown(text) })
    }
}

/// An agent that exists, `NAME_OR_ID[@HOST[.PROVIDER]]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AgentAddress {
    pub agent: AgentRef,
    pub host: Option<HostAddress>,
}

impl AgentAddress {
    /// An agent by name, on whichever host.
    #[must_use]
    pub fn named(name: AgentName) -> Self {
        Self { agent: NameOrId::Name(name), host: None }
    }

    /// `agent-ID@host-ID.PROVIDER`: only that host is read, nothing is searched.
    #[must_use]
    pub fn is_pinned(&self) -> bool {
        self.agent.id().is_some() && self.host.as_ref().is_some_and(HostAddress::is_pinned)
    }

    /// Whether every part that names the target is a machine-made id, so that a miss is no typo.
    #[must_use]
    pub fn is_by_id(&self) -> bool {
        let host_named = |host: &HostAddress| host.host.as_ref().is_some_and(|host| host.name().is_some());
        self.agent.id().is_some() && !self.host.as_ref().is_some_and(host_named)
    }
}

impl fmt::Display for AgentAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Some(host) => write!(f, "{}@{host}", self.agent),
            None => self.agent.fmt(f),
        }
    }
}

impl FromStr for AgentAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return Err(AddressError::Empty);
        }
        let (agent, host) = match trimmed.split_once('@') {
            Some((agent, host)) => (agent, HostAddress::parse_parts(host)?),
            None => (trimmed, None),
        };
        if agent.is_empty() {
            return Err(AddressError::NoAgent { text: shown(text) });
        }
        match agent.parse() {
            Ok(agent) => Ok(Self { agent, host }),
            Err(error) => Err(dotted(agent, host.as_ref()).unwrap_or(error)),
        }
    }
}

/// `AGENT.HOST[.PROVIDER]`, as older versions wrote it: the error with today's form.
fn dotted(agent: &str, host: Option<&HostAddress>) -> Option<AddressError> {
    let (name, rest) = agent.split_once('.')?;
    let suggestion = format!("{name}@{rest}");
    (host.is_none() && AgentAddress::from_str(&suggestion).is_ok_and(|address| address.host.is_some()))
        .then(|| AddressError::Dotted { text: shown(agent), suggestion })
}

/// An argument that takes agents and hosts: a leading `@` or a host id means a host, all else an agent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AgentOrHost {
    Agent(AgentAddress),
    Host(HostAddress),
}

impl fmt::Display for AgentOrHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agent(address) => address.fmt(f),
            Self::Host(address) => write!(f, "@{address}"),
        }
    }
}

impl FromStr for AgentOrHost {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let trimmed = text.trim();
        let first = trimmed.split('.').next().unwrap_or_default();
        if trimmed.starts_with('@') || first.parse::<HostId>().is_ok() {
            return trimmed.parse().map(Self::Host);
        }
        trimmed.parse().map(Self::Agent)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const AGENT: &str = "agent-0123456789abcdef0123456789abcdef";
    const HOST: &str = "host-0123456789abcdef0123456789abcdef";

    fn agent(text: &str) -> AgentAddress {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn told<T: FromStr<Err = AddressError> + fmt::Debug>(text: &str) -> String {
        let error = text.parse::<T>().unwrap_err();
        assert_eq!(error.exit_code(), 2);
        format!("{error}\nhint: {}", error.hint().unwrap_or_default())
    }

    #[test]
    fn agents_are_named_with_or_without_their_host() {
        let address = agent("fix-auth@gpu.docker");
        assert_eq!(address.agent.name().unwrap().as_str(), "fix-auth");
        let host = address.host.unwrap();
        assert_eq!(host.host.unwrap().to_string(), "gpu");
        assert_eq!(host.provider.unwrap().as_str(), "docker");
        assert_eq!(agent(" a ").host, None);
        assert_eq!(agent("a@").to_string(), "a");
        assert_eq!(agent("a@.docker").to_string(), "a@.docker");
    }

    #[test]
    fn an_id_is_an_id_only_in_its_exact_form() {
        assert!(agent(AGENT).agent.id().is_some());
        assert!(agent("agent-12").agent.name().is_some());
        assert!(agent(&format!("{AGENT}@{HOST}.modal")).is_pinned());
        assert!(!agent(&format!("{AGENT}@{HOST}")).is_pinned());
        assert!(!agent(&format!("a@{HOST}.modal")).is_pinned());
        assert!(agent(&format!("{AGENT}@{HOST}")).is_by_id());
        assert!(agent(AGENT).is_by_id());
        assert!(!agent(&format!("{AGENT}@gpu")).is_by_id());
    }

    #[test]
    fn this_machine_has_many_names() {
        for text in ["a@localhost", "a@local", "a@@local", "a@localhost.local", "a@.local"] {
            assert!(agent(text).host.unwrap().is_local(), "{text}");
        }
        assert_eq!(agent("a@@local").to_string(), "a@localhost");
        for text in ["@local", "local", "@@local", "localhost"] {
            assert_eq!(text.parse::<HostAddress>().unwrap(), HostAddress::local(), "{text}");
        }
        // Another provider may well have a host of that name.
        let foreign = agent("a@local.docker").host.unwrap();
        assert!(!foreign.is_local());
        assert_eq!(foreign.to_string(), "local.docker");
    }

    #[test]
    fn a_leading_at_or_a_host_id_means_a_host() {
        for (text, is_host) in [
            ("@gpu", true),
            (HOST, true),
            (&format!("{HOST}.docker"), true),
            ("host-mine", false),
            ("gpu", false),
            ("a@gpu", false),
        ] {
            let target: AgentOrHost = text.parse().unwrap();
            assert_eq!(matches!(target, AgentOrHost::Host(_)), is_host, "{text}");
        }
    }

    #[test]
    fn names_of_older_programs_can_be_longer() {
        let long = "a".repeat(300);
        assert_eq!(agent(&long).to_string(), long);
    }

    #[test]
    fn bad_addresses_say_what_is_wrong_and_what_to_write() {
        insta::assert_snapshot!(told::<AgentAddress>("a b"), @r"
        `a b` cannot be the agent name: letters, digits, `-` and `_` only, with a letter or digit at both ends
        hint: try `a-b`
        ");
        insta::assert_snapshot!(told::<AgentAddress>("a.gpu.docker"), @r"
        `a.gpu.docker` has a dot where an agent's name cannot have one
        hint: the host comes after `@`: `a@gpu.docker`
        ");
        insta::assert_snapshot!(told::<AgentAddress>("a@b.c.d"), @r"
        `b.c.d` has more than one dot: a host is written HOST or HOST.PROVIDER
        hint: a host is written @HOST or @HOST.PROVIDER; see `mng help address`
        ");
        insta::assert_snapshot!(told::<AgentAddress>("@gpu"), @r"
        `@gpu` names no agent
        hint: an agent is written NAME, NAME@HOST or NAME@HOST.PROVIDER; see `mng help address`
        ");
        insta::assert_snapshot!(told::<AgentOrHost>("@.docker"), @r"
        `@.docker` names no host
        hint: a host is written @HOST or @HOST.PROVIDER; see `mng help address`
        ");
        for text in ["", " ", "..", "-a", "a@b/c", "a@b@c", "a:b", "$(x)", "é", "a\nb", "a@-x"] {
            assert!(text.parse::<AgentAddress>().is_err(), "{text:?}");
        }
    }

    const NAME: &str = "[A-Za-z0-9]([A-Za-z0-9_-]{0,8}[A-Za-z0-9])?";

    proptest! {
        #[test]
        fn what_is_shown_can_be_typed(
            name in NAME,
            host in proptest::option::of(NAME),
            provider in proptest::option::of(NAME),
            by_id in any::<bool>(),
        ) {
            let agent = if by_id { AGENT.to_owned() } else { name };
            let mut text = agent;
            if host.is_some() || provider.is_some() {
                text.push('@');
                text.push_str(&host.unwrap_or_default());
                if let Some(provider) = provider {
                    text.push('.');
                    text.push_str(&provider);
                }
            }
            let address: AgentAddress = text.parse().unwrap();
            prop_assert_eq!(address.to_string().parse::<AgentAddress>().unwrap(), address.clone());
            prop_assert_eq!(address.to_string().parse::<AgentOrHost>().unwrap(), AgentOrHost::Agent(address));
        }

        #[test]
        fn whatever_is_accepted_reads_back(text in "[a-z@.:/ -]{0,12}|\\PC{0,12}") {
            if let Ok(address) = text.parse::<AgentOrHost>() {
                prop_assert_eq!(address.to_string().parse::<AgentOrHost>().unwrap(), address);
            }
        }
    }
}
