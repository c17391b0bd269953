//! States of agents and hosts, and what they are judged from.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

macro_rules! word_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident => $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $word)] $variant),+
        }

        impl $name {
            /// Every value, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The upper-case word that stands in JSON.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;

            /// Any case is accepted.
            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                Self::ALL
                    .iter()
                    .copied()
                    .find(|value| value.as_str().eq_ignore_ascii_case(text.trim()))
                    .ok_or_else(|| UnknownWord {
                        text: text.to_owned(),
                        known: Self::ALL.iter().map(|value| value.as_str().to_ascii_lowercase()).collect(),
                    })
            }
        }
    };
}

/// A word outside a closed set, with the set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not one of: {}", known.join(", "))]
pub struct UnknownWord {
    pub text: String,
    pub known: Vec<String>,
}

word_enum!(
    /// What an agent is doing, judged from one probe's facts.
    AgentState {
        Stopped => "STOPPED",
        Running => "RUNNING",
        Waiting => "WAITING",
        /// Something else runs where the agent should be.
        Replaced => "REPLACED",
        /// The session lives, the agent's program has ended.
        Done => "DONE",
        RunningUnknownAgentType => "RUNNING_UNKNOWN_AGENT_TYPE",
        /// It could not be seen; the reason says why.
        Unknown => "UNKNOWN",
    }
);

impl AgentState {
    /// A live session with something in it: what `stop --all` and `connect` care about.
    #[must_use]
    pub fn is_running_like(self) -> bool {
        matches!(self, Self::Running | Self::Waiting | Self::Replaced | Self::RunningUnknownAgentType)
    }
}

word_enum!(
    /// Why a WAITING agent waits.
    WaitingReason {
        EndOfTurn => "END_OF_TURN",
        Permissions => "PERMISSIONS",
        Dialog => "DIALOG",
    }
);

word_enum!(
    HostState {
        Building => "BUILDING",
        Starting => "STARTING",
        Running => "RUNNING",
        Stopping => "STOPPING",
        Stopped => "STOPPED",
        Paused => "PAUSED",
        Crashed => "CRASHED",
        Failed => "FAILED",
        Destroyed => "DESTROYED",
        /// Credential or host key refused; needs a person.
        Unauthenticated => "UNAUTHENTICATED",
        /// Cannot be observed now.
        Unknown => "UNKNOWN",
    }
);

word_enum!(
    /// What counts as activity on a host.
    ActivitySource {
        Create => "CREATE",
        Boot => "BOOT",
        Start => "START",
        Ssh => "SSH",
        Process => "PROCESS",
        Agent => "AGENT",
        User => "USER",
    }
);

word_enum!(
    /// A named set of activity sources.
    IdleMode {
        Io => "IO",
        User => "USER",
        Agent => "AGENT",
        Ssh => "SSH",
        Create => "CREATE",
        Boot => "BOOT",
        Start => "START",
        Run => "RUN",
        Custom => "CUSTOM",
        Disabled => "DISABLED",
    }
);

impl IdleMode {
    /// The sources this mode counts, in the stored order; `None` for CUSTOM, which names no set.
    #[must_use]
    pub fn sources(self) -> Option<&'static [ActivitySource]> {
        use ActivitySource::{Agent, Boot, Create, Process, Ssh, Start, User};
        Some(match self {
            Self::Io => &[User, Agent, Ssh, Create, Start, Boot],
            Self::User => &[User, Ssh, Create, Start, Boot],
            Self::Agent => &[Agent, Ssh, Create, Start, Boot],
            Self::Ssh => &[Ssh, Create, Start, Boot],
            Self::Create => &[Create],
            Self::Boot => &[Boot],
            Self::Start => &[Start, Boot],
            Self::Run => &[Create, Start, Boot, Process],
            Self::Disabled => &[],
            Self::Custom => return None,
        })
    }

    /// The mode that a set of sources is; CUSTOM when no other fits.
    #[must_use]
    pub fn of(sources: &[ActivitySource]) -> Self {
        let mut wanted = sources.to_vec();
        wanted.sort_unstable();
        wanted.dedup();
        Self::ALL
            .iter()
            .copied()
            .find(|mode| {
                mode.sources().is_some_and(|set| {
                    let mut set = set.to_vec();
                    set.sort_unstable();
                    set == wanted
                })
            })
            .unwrap_or(Self::Custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mode_reads_back_as_itself() {
        for mode in IdleMode::ALL {
            if let Some(sources) = mode.sources() {
                assert_eq!(IdleMode::of(sources), *mode);
            }
        }
        assert_eq!(IdleMode::of(&[ActivitySource::User]), IdleMode::Custom);
    }

    #[test]
    fn words_are_read_in_any_case() {
        assert_eq!("waiting".parse::<AgentState>().unwrap(), AgentState::Waiting);
        assert!("bogus".parse::<ActivitySource>().unwrap_err().to_string().contains("create"));
    }
}
