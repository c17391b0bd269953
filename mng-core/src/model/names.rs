//! Names that people give: agents, hosts, providers, agent types.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use super::error::{ErrorClass, Explain};

/// A name that does not follow the rules, with the rule it breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("the {what} is empty")]
    Empty { what: &'static str },
    #[error("the {what} `{text}` is longer than 63 characters")]
    TooLong { what: &'static str, text: String },
    #[error(
        "`{text}` cannot be the {what}: letters, digits, `-` and `_` only, with a letter or digit at both ends"
    )]
    BadCharacters { what: &'static str, text: String },
}

impl Explain for NameError {
    fn class(&self) -> ErrorClass {
        ErrorClass::ParseSpec
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::BadCharacters { text, .. } => suggestion(text).map(|name| format!("try `{name}`")),
            Self::TooLong { .. } | Self::Empty { .. } => Some("see `mng help address`".into()),
        }
    }
}

/// The nearest valid name: other characters become `-`, runs collapse, ends are trimmed.
fn suggestion(text: &str) -> Option<String> {
    let mut name = String::new();
    for ch in text.chars() {
        let ch = if ch.is_ascii_alphanumeric() || ch == '_' { ch } else { '-' };
        if ch != '-' || !name.ends_with('-') {
            name.push(ch);
        }
    }
    let name = name.trim_matches(['-', '_']);
    let name = &name[..name.len().min(MAX_LEN)];
    let name = name.trim_end_matches(['-', '_']);
    (!name.is_empty() && name.chars().any(|c| c.is_ascii_alphanumeric())).then(|| name.to_owned())
}

const MAX_LEN: usize = 63;

fn check(text: &str, what: &'static str) -> Result<String, NameError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(NameError::Empty { what });
    }
    let ends_well = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let valid = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
        && ends_well(text.chars().next())
        && ends_well(text.chars().next_back());
    if !valid {
        let shown: String = text.chars().take(80).collect();
        return Err(NameError::BadCharacters { what, text: shown });
    }
    if text.len() > MAX_LEN {
        return Err(NameError::TooLong { what, text: text.to_owned() });
    }
    Ok(text.to_owned())
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// A name as some program stored it, unchecked. Older programs stored any string; refusing
            /// such a record would hide a live agent.
            #[must_use]
            pub fn stored(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            /// Trims, then checks: the gate for *new* names.
            fn from_str(text: &str) -> Result<Self, NameError> {
                check(text, $what).map(Self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer).map(Self)
            }
        }
    };
}

name_type!(
    /// What a person calls an agent: ASCII letters, digits, `-`, `_`; a letter or digit at both ends; at
    /// most 63 characters. Unique per host only.
    AgentName,
    "agent name"
);
name_type!(
    /// What a person calls a host; the rules of [`AgentName`]. Never holds a dot: that separates the
    /// provider in an address.
    HostName,
    "host name"
);
name_type!(
    /// The name of one configured provider instance (`[providers.NAME]`).
    ProviderName,
    "provider name"
);
name_type!(
    /// The name of an agent type (`claude`, `command`, or one from `[agent_types.NAME]`).
    AgentTypeName,
    "agent type"
);

impl HostName {
    /// Whether the text is one of the spellings that always mean this machine.
    #[must_use]
    pub fn is_local_alias(text: &str) -> bool {
        matches!(text, "localhost" | "local" | "@local" | "unknown-host-at-local")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_are_refused() {
        for bad in ["", " ", "a b", "a.b", "a/b", "..", "-a", "a-", "_a", "é", "🦀", "a\nb", "$(x)"] {
            assert!(bad.parse::<AgentName>().is_err(), "{bad:?}");
        }
        assert!("a".repeat(64).parse::<AgentName>().is_err());
        assert!("a".repeat(63).parse::<AgentName>().is_ok());
        assert_eq!(" fix-auth_2 ".parse::<AgentName>().unwrap().as_str(), "fix-auth_2");
    }

    #[test]
    fn a_bad_name_comes_with_a_good_one() {
        let error = "bad name!".parse::<AgentName>().unwrap_err();
        assert_eq!(error.hint().unwrap(), "try `bad-name`");
    }
}
