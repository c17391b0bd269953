//! One end of a transfer: a place on a host, or a path of this machine.

use std::fmt;
use std::str::FromStr;

use super::source::is_marked_path;
use super::{AddressError, AgentAddress, HostAddress, shown};

/// `AGENT[@HOST[.PROVIDER]][:PATH]`, `@HOST[.PROVIDER][:PATH]`, or a path of this machine.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Location {
    /// An agent's work dir, or a path there: a relative one starts at that work dir.
    Agent { address: AgentAddress, path: Option<String> },
    /// A host dir, or a path there: a relative one starts at that host dir.
    Host { address: HostAddress, path: Option<String> },
    /// A path of this machine, as typed; `~` is not expanded here.
    Path(String),
}

impl FromStr for Location {
    type Err = AddressError;

    /// A bare word is always an agent. A path starts with `/`, `./`, `../`, `~/`, or is written `:PATH`.
    fn from_str(text: &str) -> Result<Self, AddressError> {
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
            return Ok(Self::Host { address: target.parse()?, path });
        }
        match target.parse::<super::AgentOrHost>() {
            Ok(super::AgentOrHost::Agent(address)) => Ok(Self::Agent { address, path }),
            Ok(super::AgentOrHost::Host(address)) => Ok(Self::Host { address, path }),
            Err(AddressError::Name(_)) if target.contains('/') && !target.contains('@') => {
                Err(AddressError::LooksLikePath { text: shown(target) })
            }
            Err(error) => Err(error),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = match self {
            Self::Agent { address, path } => {
                address.fmt(f)?;
                path
            }
            Self::Host { address, path } => {
                write!(f, "@{address}")?;
                path
            }
            Self::Path(path) if is_marked_path(path) => return f.write_str(path),
            Self::Path(path) => return write!(f, ":{path}"),
        };
        match path {
            Some(path) => write!(f, ":{path}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kind(text: &str) -> String {
        match text.parse::<Location>() {
            Ok(Location::Agent { address, path }) => format!("agent {address} {path:?}"),
            Ok(Location::Host { address, path }) => format!("host {address} {path:?}"),
            Ok(Location::Path(path)) => format!("path {path}"),
            Err(error) => format!("error: {error}"),
        }
    }

    #[test]
    fn places_on_hosts_and_paths_here() {
        insta::assert_snapshot!(
            ["a1", "a1:", "a1:src/x", "a1@gpu.docker:/abs", "a1@gpu:src/x.git", "@gpu", "@gpu:x", "./a", "..", "~/x", "/x:y", ":x", "a/b", ""]
                .map(|text| format!("{text:<20} {}", kind(text)))
                .join("\n"),
            @r#"
        a1                   agent a1 None
        a1:                  agent a1 None
        a1:src/x             agent a1 Some("src/x")
        a1@gpu.docker:/abs   agent a1@gpu.docker Some("/abs")
        a1@gpu:src/x.git     agent a1@gpu Some("src/x.git")
        @gpu                 host gpu None
        @gpu:x               host gpu Some("x")
        ./a                  path ./a
        ..                   path ..
        ~/x                  path ~/x
        /x:y                 path /x:y
        :x                   path x
        a/b                  error: `a/b` is no agent name
                             error: the address is empty
        "#
        );
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_as_the_same(text in "[ab@:./~-]{0,12}") {
            if let Ok(location) = text.parse::<Location>() {
                prop_assert_eq!(location.to_string().parse::<Location>(), Ok(location));
            }
        }
    }
}
