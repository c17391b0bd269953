//! The two addresses of `create`: where the new agent goes, and where its files come from.

use std::fmt;
use std::str::FromStr;

use super::{AddressError, AgentAddress, HostAddress, HostRef, optional, shown};
use crate::model::names::{AgentName, ProviderName};

/// Where a new agent goes: `[NAME][@[HOST][.PROVIDER]][:PATH]`. Each piece may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct NewAgentAddress {
    pub name: Option<AgentName>,
    pub host: Option<HostRef>,
    pub provider: Option<ProviderName>,
    /// Work dir as typed; `~` is not expanded here.
    pub path: Option<String>,
}

impl NewAgentAddress {
    /// Host and provider together; `None` when the address names neither.
    #[must_use]
    pub fn host_address(&self) -> Option<HostAddress> {
        (self.host.is_some() || self.provider.is_some())
            .then(|| HostAddress { host: self.host.clone(), provider: self.provider.clone() })
    }

    /// Whether the agent goes to this machine: nothing else is named, or this machine is. The local
    /// provider never makes a host, so a new host on it is this machine too.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.host_address().is_none_or(|host| host.is_local())
    }

    /// `@.PROVIDER`: a new host there, its name left to us.
    #[must_use]
    pub fn wants_new_host(&self) -> bool {
        self.host.is_none() && self.provider.is_some() && !self.is_local()
    }
}

impl FromStr for NewAgentAddress {
    type Err = AddressError;

    /// An id in the place of the name is just a name here.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (target, path) = match text.split_once(':') {
            Some((target, path)) => (target.trim(), (!path.is_empty()).then(|| path.to_owned())),
            None => (text.trim(), None),
        };
        let (name, host) = match target.split_once('@') {
            Some((name, host)) => (name, HostAddress::parse_parts(host)?),
            None => (target, None),
        };
        let (host, provider) = host.map_or((None, None), |parts| (parts.host, parts.provider));
        Ok(Self { name: optional(name)?, host, provider, path })
    }
}

impl fmt::Display for NewAgentAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.name {
            name.fmt(f)?;
        }
        if let Some(host) = self.host_address() {
            write!(f, "@{host}")?;
        }
        match &self.path {
            Some(path) => write!(f, ":{path}"),
            None => Ok(()),
        }
    }
}

/// Where the files of a new agent come from (`--from`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SourceAddress {
    /// Another agent's work dir, or a path there: a relative one starts at that work dir.
    Agent { address: AgentAddress, path: Option<String> },
    /// A directory on a host.
    Host { address: HostAddress, path: String },
    /// A directory on this machine, as typed; `~` is not expanded here.
    Path(String),
    /// Something `git clone` takes.
    GitUrl(String),
}

impl FromStr for SourceAddress {
    type Err = AddressError;

    /// `[AGENT[@HOST[.PROVIDER]]][:PATH]`, `@HOST[.PROVIDER]:PATH`, a path that starts with `/`, `./`,
    /// `../` or `~/`, or a git URL. A bare word is always an agent, `:dir` always a directory.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        if is_git_url(text) {
            return Ok(Self::GitUrl(text.to_owned()));
        }
        if is_marked_path(text) {
            return Ok(Self::Path(text.to_owned()));
        }
        let (target, path) = match text.split_once(':') {
            Some((target, path)) => (target.trim(), (!path.is_empty()).then(|| path.to_owned())),
            None => (text.trim(), None),
        };
        if target.is_empty() {
            return path.map(Self::Path).ok_or(AddressError::Empty);
        }
        if target.starts_with('@') {
            let address = target.parse()?;
            let path = path.ok_or_else(|| AddressError::NoPath { text: shown(target) })?;
            return Ok(Self::Host { address, path });
        }
        match target.parse() {
            Ok(address) => Ok(Self::Agent { address, path }),
            Err(AddressError::Name(_)) if target.contains('/') && !target.contains('@') => {
                Err(AddressError::LooksLikePath { text: shown(target) })
            }
            Err(error) => Err(with_path(error, path.as_deref())),
        }
    }
}

/// The suggestion for a dotted agent keeps the path that was typed.
fn with_path(error: AddressError, path: Option<&str>) -> AddressError {
    match (error, path) {
        (AddressError::Dotted { text, suggestion }, Some(path)) => AddressError::Dotted {
            text: format!("{text}:{}", shown(path)),
            suggestion: format!("{suggestion}:{}", shown(path)),
        },
        (error, _) => error,
    }
}

impl fmt::Display for SourceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agent { address, path: None } => address.fmt(f),
            Self::Agent { address, path: Some(path) } => write!(f, "{address}:{path}"),
            Self::Host { address, path } => write!(f, "@{address}:{path}"),
            Self::Path(path) if is_marked_path(path) => f.write_str(path),
            Self::Path(path) => write!(f, ":{path}"),
            Self::GitUrl(url) => f.write_str(url),
        }
    }
}

/// A text that can be nothing but a path. `.`, `..` and `~` alone count too: no agent can have such a name.
pub(super) fn is_marked_path(text: &str) -> bool {
    matches!(text, "." | ".." | "~") || ["/", "./", "../", "~/"].iter().any(|mark| text.starts_with(mark))
}

const SCHEMES: [&str; 5] = ["http", "https", "ssh", "git", "file"];

/// A URL with one of git's schemes, or the scp form `user@host:path`. The latter is read so only if its
/// path is relative, without a further colon, and has a slash or ends in `.git`: otherwise an agent with
/// a path is meant.
fn is_git_url(text: &str) -> bool {
    if let Some((scheme, _)) = text.split_once("://") {
        return SCHEMES.contains(&scheme.to_ascii_lowercase().as_str());
    }
    let word = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
    };
    let Some((login, path)) = text.split_once(':') else { return false };
    let Some((user, host)) = login.split_once('@') else { return false };
    word(user)
        && word(host)
        && !path.starts_with('/')
        && !path.contains(':')
        && (path.contains('/') || path.ends_with(".git"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::error::Explain as _;

    fn new(text: &str) -> NewAgentAddress {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn source(text: &str) -> SourceAddress {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn every_form_of_a_new_agent() {
        for (text, local, new_host) in [
            ("N", true, false),
            ("", true, false),
            ("N@", true, false),
            ("N@.", true, false),
            ("N:", true, false),
            (":/srv/x", true, false),
            ("N@localhost", true, false),
            ("N@.local", true, false),
            ("N@gpu", false, false),
            ("N@gpu.docker", false, false),
            ("@gpu", false, false),
            ("@.docker", false, true),
            ("N@.docker:/srv/x", false, true),
        ] {
            let address = new(text);
            assert_eq!((address.is_local(), address.wants_new_host()), (local, new_host), "{text}");
        }
        assert_eq!(new("N@gpu:/a:b").path.unwrap(), "/a:b");
        assert_eq!(new("N:~/x y").path.unwrap(), "~/x y");
        assert_eq!(new("N@.").to_string(), "N");
    }

    #[test]
    fn a_bad_new_agent_is_refused() {
        for text in ["a b", "a/b", "a@b.c.d", "-a", "é", "a@x y", &"a".repeat(300), "a@b@c", "a.b", ".", ".."]
        {
            let error = text.parse::<NewAgentAddress>().unwrap_err();
            assert_eq!(error.exit_code(), 2, "{text}");
        }
    }

    #[test]
    fn every_form_of_a_source() {
        let agent = |text: &str, path: Option<&str>| SourceAddress::Agent {
            address: text.parse().unwrap(),
            path: path.map(Into::into),
        };
        assert_eq!(source("other"), agent("other", None));
        assert_eq!(source("other:sub/dir"), agent("other", Some("sub/dir")));
        assert_eq!(source("other@gpu.docker:/srv"), agent("other@gpu.docker", Some("/srv")));
        assert_eq!(source("other@gpu:sub"), agent("other@gpu", Some("sub")));
        assert_eq!(
            source("@gpu.docker:/srv"),
            SourceAddress::Host { address: "gpu.docker".parse().unwrap(), path: "/srv".into() }
        );
        for path in ["/a:b", "./other", "../x@y", "~/x", ".", "..", "~"] {
            assert_eq!(source(path), SourceAddress::Path(path.into()));
        }
        assert_eq!(source(":dir"), SourceAddress::Path("dir".into()));
        for url in [
            "https://github.com/x/y",
            "HTTPS://github.com/x/y",
            "file:///srv/x.git",
            "git@github.com:x/y",
            "git@github.com:y.git",
        ] {
            assert_eq!(source(url), SourceAddress::GitUrl(url.into()));
        }
    }

    #[test]
    fn bad_sources_say_what_to_write() {
        let told = |text: &str| {
            let error = text.parse::<SourceAddress>().unwrap_err();
            assert_eq!(error.exit_code(), 2);
            format!("{error}\nhint: {}", error.hint().unwrap_or_default())
        };
        insta::assert_snapshot!(told("alpha.gpu.docker:src"), @r"
        `alpha.gpu.docker:src` has a dot where an agent's name cannot have one
        hint: the host comes after `@`: `alpha@gpu.docker:src`
        ");
        insta::assert_snapshot!(told("some/dir"), @r"
        `some/dir` is no agent name
        hint: a path starts with `./` or `:`: `./some/dir`
        ");
        insta::assert_snapshot!(told("@gpu"), @r"
        `@gpu` names a host but neither an agent nor a path
        hint: write `@gpu:PATH`, or `AGENT@gpu`
        ");
        insta::assert_snapshot!(told(""), @r"
        the address is empty
        hint: an agent is written NAME, NAME@HOST or NAME@HOST.PROVIDER; see `mng help address`
        ");
        for text in [":", "@", "@:x", "a b:x"] {
            assert!(text.parse::<SourceAddress>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_accepted_reads_back(text in "[a-z@.:/~ -]{0,14}|\\PC{0,14}") {
            if let Ok(address) = text.parse::<NewAgentAddress>() {
                prop_assert_eq!(address.to_string().parse::<NewAgentAddress>().unwrap(), address);
            }
            if let Ok(address) = text.parse::<SourceAddress>() {
                prop_assert_eq!(address.to_string().parse::<SourceAddress>().unwrap(), address);
            }
        }
    }
}
