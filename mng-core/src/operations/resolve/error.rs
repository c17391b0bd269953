//! Why targets could not be told.

use crate::model::error::{ErrorClass, Explain, Scope, Subject};
use crate::model::names::ProviderName;
use crate::model::state::HostState;

/// A target that cannot be acted on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// Everybody who could know was asked.
    #[error("{}", no_match(targets, *damaged))]
    NotFound {
        targets: Vec<String>,
        /// Every missing target was a machine-made id.
        is_by_id: bool,
        /// Only the hosts that the targets name were read.
        is_pinned: bool,
        asked: Vec<String>,
        /// Records that could not be read on the hosts asked.
        damaged: usize,
    },
    /// Somebody who may know did not answer.
    #[error("cannot tell whether {}: {} did not answer", named(targets), silent.join(", "))]
    Unproven { targets: Vec<String>, silent: Vec<String>, provider: Option<ProviderName> },
    /// A command for one agent got an address of several.
    #[error("`{target}` matches several: {}", matches.join(", "))]
    Ambiguous { target: String, matches: Vec<String> },
    #[error("host `{host}` is {state}, not RUNNING")]
    HostNotRunning { host: String, state: HostState },
}

fn named(targets: &[String]) -> String {
    match targets {
        [one] => format!("agent `{one}` exists"),
        many => format!("agents `{}` exist", many.join("`, `")),
    }
}

fn no_match(targets: &[String], damaged: usize) -> String {
    let hosts = targets.iter().filter(|target| target.starts_with('@')).count();
    let what = match hosts {
        0 => "agent",
        hosts if hosts == targets.len() => "host",
        _ => "agent or host",
    };
    let names = format!("{what} not found: no {what} matches `{}`", targets.join("`, `"));
    match damaged {
        0 => names,
        1 => format!("{names}; one record could not be read"),
        count => format!("{names}; {count} records could not be read"),
    }
}

impl Explain for ResolveError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::NotFound { is_pinned: true, .. } => ErrorClass::AgentNotFoundOnHost,
            Self::NotFound { targets, .. } if targets.iter().all(|target| target.starts_with('@')) => {
                ErrorClass::HostNotFound
            }
            Self::NotFound { .. } => ErrorClass::AgentNotFound,
            Self::Unproven { .. } => ErrorClass::ProviderUnavailable,
            Self::Ambiguous { .. } => ErrorClass::UserInput,
            Self::HostNotRunning { .. } => ErrorClass::HostOffline,
        }
    }

    fn exit_code(&self) -> u8 {
        match self {
            // A missing name may be a typo; a missing id is an agent that is gone.
            Self::NotFound { is_by_id: true, .. } => 8,
            _ => self.class().exit_code(),
        }
    }

    fn scope(&self) -> Scope {
        match self {
            Self::HostNotRunning { .. } => Scope::Host,
            _ => Scope::Command,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NotFound { damaged: 1.., .. } => "`mng list` shows which records are damaged".into(),
            Self::NotFound { is_pinned: true, .. } => {
                "only the host in the address was read; leave `@HOST` out to search all".into()
            }
            Self::NotFound { asked, .. } => {
                format!("`mng list` shows the agents there are (asked: {})", asked.join(", "))
            }
            Self::Unproven { provider: Some(provider), .. } => {
                format!("`mng list --provider {provider}` shows why")
            }
            Self::Unproven { provider: None, .. } => "`mng list` shows why".into(),
            Self::Ambiguous { matches, .. } => {
                let first = matches.first().and_then(|full| full.split(' ').next()).unwrap_or("NAME@HOST");
                format!("say which one, for example `{first}`; ids and hosts: `mng list --addrs`")
            }
            Self::HostNotRunning { .. } => "start one of its agents: `mng start AGENT`".into(),
        })
    }

    fn subject(&self) -> Subject {
        match self {
            Self::Unproven { provider: Some(provider), .. } => {
                Subject { provider_name: Some(provider.to_string()), ..Subject::default() }
            }
            _ => Subject::default(),
        }
    }
}
