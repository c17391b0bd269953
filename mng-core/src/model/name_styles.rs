//! Generated names of agents and hosts. The word lists are our own; every word is lowercase ASCII with
//! hyphens inside, so that every name is valid.

mod arts;
mod coolname;
mod invented;
mod people;
mod world;

use std::fmt;
use std::str::FromStr;

use super::error::{ErrorClass, Explain};
use super::suggest::did_you_mean;

/// A style that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown {kind} name style `{text}`")]
pub struct NameStyleError {
    kind: &'static str,
    text: String,
    known: Vec<&'static str>,
}

impl Explain for NameStyleError {
    fn class(&self) -> ErrorClass {
        ErrorClass::Usage
    }

    fn hint(&self) -> Option<String> {
        let near = did_you_mean(&self.text, &self.known).map(|near| near + " ").unwrap_or_default();
        Some(format!("{near}styles: {}", self.known.join(", ")))
    }
}

macro_rules! style_enum {
    ($(#[$doc:meta])* $name:ident, $kind:literal { $($variant:ident => $word:literal: $($list:path)+),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        pub enum $name {
            #[default]
            $($variant),+
        }

        impl $name {
            /// Every style.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// A name of this style: one word of each of its lists, joined by `-`. `pick(n)` gives a number
            /// below `n`; equal picks give equal names.
            pub fn generate(self, pick: &mut impl FnMut(usize) -> usize) -> String {
                join(self.lists(), pick)
            }

            /// How many different names there are: a caller that must avoid taken ones can see that they
            /// run out.
            #[must_use]
            pub fn count(self) -> usize {
                self.lists().iter().map(|list| list.len()).product()
            }

            fn lists(self) -> &'static [&'static [&'static str]] {
                match self {
                    $(Self::$variant => {
                        static LISTS: &[&[&str]] = &[$($list),+];
                        LISTS
                    })+
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = NameStyleError;

            /// Any case is accepted.
            fn from_str(text: &str) -> Result<Self, NameStyleError> {
                let known = || Self::ALL.iter().copied();
                known().find(|style| style.as_str().eq_ignore_ascii_case(text.trim())).ok_or_else(|| {
                    NameStyleError {
                        kind: $kind,
                        text: text.chars().take(80).collect(),
                        known: known().map(Self::as_str).collect(),
                    }
                })
            }
        }
    };
}

style_enum!(
    /// How agents are named when nobody names them.
    AgentNameStyle, "agent" {
        Coolname => "coolname": coolname::MANNERS coolname::LOOKS coolname::CREATURES,
        English => "english": people::ENGLISH_FIRST people::ENGLISH_LAST,
        Fantasy => "fantasy": invented::FANTASY_FIRST invented::FANTASY_LAST,
        Scifi => "scifi": invented::SCIFI_FIRST invented::SCIFI_LAST,
        Painters => "painters": arts::PAINTERS,
        Authors => "authors": arts::AUTHORS,
        Artists => "artists": arts::ARTISTS,
        Musicians => "musicians": arts::MUSICIANS,
        Animals => "animals": coolname::CREATURES,
        Scientists => "scientists": people::SCIENTISTS,
        Demons => "demons": invented::DEMONS,
    }
);

style_enum!(
    /// How hosts are named when nobody names them.
    HostNameStyle, "host" {
        Coolname => "coolname": coolname::MANNERS coolname::LOOKS coolname::CREATURES,
        Astronomy => "astronomy": world::ASTRONOMY,
        Places => "places": world::PLACES,
        Cities => "cities": world::CITIES,
        Fantasy => "fantasy": invented::FANTASY_PLACES,
        Scifi => "scifi": invented::SCIFI_PLACES,
        Painters => "painters": arts::PAINTERS,
        Authors => "authors": arts::AUTHORS,
        Artists => "artists": arts::ARTISTS,
        Musicians => "musicians": arts::MUSICIANS,
        Scientists => "scientists": people::SCIENTISTS,
    }
);

fn join(lists: &[&[&str]], pick: &mut impl FnMut(usize) -> usize) -> String {
    let words: Vec<&str> =
        lists.iter().filter_map(|list| list.get(pick(list.len()).min(list.len() - 1))).copied().collect();
    words.join("-")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::model::names::{AgentName, HostName};

    fn all_lists() -> Vec<&'static [&'static str]> {
        let agents = AgentNameStyle::ALL.iter().flat_map(|style| style.lists());
        let hosts = HostNameStyle::ALL.iter().flat_map(|style| style.lists());
        agents.chain(hosts).copied().collect()
    }

    #[test]
    fn every_word_is_valid_and_stands_once() {
        for list in all_lists() {
            assert!(list.len() >= 40, "{list:?}");
            assert_eq!(list.iter().collect::<BTreeSet<_>>().len(), list.len(), "{list:?}");
            for word in list {
                assert!(word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{word}");
                assert!(word.parse::<AgentName>().is_ok(), "{word}");
            }
        }
    }

    #[test]
    fn the_longest_name_of_every_style_is_valid() {
        let longest = |lists: &[&[&str]]| -> String {
            let words: Vec<&str> =
                lists.iter().filter_map(|list| list.iter().max_by_key(|word| word.len())).copied().collect();
            words.join("-")
        };
        for style in AgentNameStyle::ALL {
            assert!(longest(style.lists()).parse::<AgentName>().is_ok(), "{style}");
        }
        for style in HostNameStyle::ALL {
            assert!(longest(style.lists()).parse::<HostName>().is_ok(), "{style}");
        }
    }

    #[test]
    fn picks_decide() {
        let mut first = |_: usize| 0;
        assert_eq!(AgentNameStyle::Coolname.generate(&mut first), "able-amber-albatross");
        assert_eq!(AgentNameStyle::English.generate(&mut first), "ada-abbott");
        assert_eq!(HostNameStyle::Fantasy.generate(&mut first), "aldermoor");
        let mut seen = Vec::new();
        let mut last = |count: usize| {
            seen.push(count);
            count - 1
        };
        assert_eq!(AgentNameStyle::Animals.generate(&mut last), "zebra");
        assert_eq!(seen, [AgentNameStyle::Animals.count()]);
        assert!(AgentNameStyle::Coolname.count() > 1_000_000);
    }

    #[test]
    fn styles_are_read_in_any_case() {
        assert_eq!("COOLNAME".parse::<AgentNameStyle>().unwrap(), AgentNameStyle::default());
        let error = "astronmy".parse::<HostNameStyle>().unwrap_err();
        assert_eq!(error.to_string(), "unknown host name style `astronmy`");
        assert!(error.hint().unwrap().starts_with("did you mean `astronomy`? styles: coolname, astronomy,"));
        assert!("astronomy".parse::<AgentNameStyle>().is_err());
    }
}
