//! Machine-made identifiers: a prefix and 32 lowercase hex digits.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// What every id of this kind starts with.
            pub const PREFIX: &'static str = $prefix;

            /// A fresh random id (122 random bits, as a version 4 UUID without dashes).
            #[must_use]
            pub fn generate() -> Self {
                Self(format!("{}{}", $prefix, random_hex()))
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
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                if is_id(text, $prefix) { Ok(Self(text.to_owned())) } else { Err(NotAnId(text.to_owned(), $prefix)) }
            }
        }

        impl TryFrom<String> for $name {
            type Error = NotAnId;

            fn try_from(text: String) -> Result<Self, NotAnId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }
    };
}

id_type!(
    /// An agent's id. Unique per host only: during a migration the same id lives on two hosts.
    AgentId,
    "agent-"
);
id_type!(
    /// A host's id, globally unique.
    HostId,
    "host-"
);
id_type!(
    /// The id of one record in an event stream.
    EventId,
    "evt-"
);

/// The text is no id of the kind asked for; callers then take it as a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not `{1}` followed by 32 hex digits")]
pub struct NotAnId(String, &'static str);

fn is_id(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|hex| {
        hex.len() == 32 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    })
}

/// 32 lowercase hex digits shaped like a version 4 UUID without its dashes, from the system's entropy.
#[must_use]
pub fn random_hex() -> String {
    let mut bytes = [0_u8; 16];
    fill_random(&mut bytes);
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn fill_random(bytes: &mut [u8; 16]) {
    use std::io::Read as _;
    let read = std::fs::File::open("/dev/urandom").and_then(|mut source| source.read_exact(bytes));
    if read.is_err() {
        // No device node (a bare chroot): fastrand is seeded from time, address and thread.
        fastrand::fill(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_form_is_an_id() {
        let id = AgentId::generate();
        assert_eq!(id.as_str().parse::<AgentId>().unwrap(), id);
        let hex = &id.as_str()["agent-".len()..];
        for bad in [
            "agent-",
            "agent-12",
            &format!("agent-{hex}0"),
            &format!("agent-{}", hex.to_uppercase() + "A"),
            hex,
        ] {
            assert!(bad.parse::<AgentId>().is_err(), "{bad}");
        }
    }
}
