//! Leftovers of commands that tear things down: each is listed, the worst decides the exit code.

use serde::Serialize;

/// What kind of thing remains. The order of declaration is the order of severity, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FailureCategory {
    /// A host, container or volume remains and may cost money.
    HostResourceRemains,
    /// Processes of an agent survived.
    ProcessesRemain,
    /// A state dir or a work dir remains.
    LocalStateRemains,
    /// A step did not finish in time.
    Timeout,
    ProviderInaccessible,
    Other,
}

impl FailureCategory {
    /// The exit code that stands for it.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Other => 1,
            Self::Timeout => 2,
            Self::ProcessesRemain => 3,
            Self::LocalStateRemains => 4,
            Self::HostResourceRemains => 5,
            Self::ProviderInaccessible => 6,
        }
    }

    /// The upper-case word of JSON and of the human list.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HostResourceRemains => "HOST_RESOURCE_REMAINS",
            Self::ProcessesRemain => "PROCESSES_REMAIN",
            Self::LocalStateRemains => "LOCAL_STATE_REMAINS",
            Self::Timeout => "TIMEOUT",
            Self::ProviderInaccessible => "PROVIDER_INACCESSIBLE",
            Self::Other => "OTHER",
        }
    }
}

/// One leftover of an operation that went on past it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    pub category: FailureCategory,
    pub message: String,
    pub agent_name: Option<String>,
    pub host_id: Option<String>,
}

impl Failure {
    #[must_use]
    pub fn new(category: FailureCategory, message: impl Into<String>) -> Self {
        Self { category, message: message.into(), agent_name: None, host_id: None }
    }

    /// Says whose leftover it is.
    #[must_use]
    pub fn of(mut self, agent_name: &str, host_id: &str) -> Self {
        self.agent_name = Some(agent_name.to_owned());
        self.host_id = Some(host_id.to_owned());
        self
    }

    /// The exit code of the worst; 0 when there is none.
    #[must_use]
    pub fn exit_code(failures: &[Self]) -> u8 {
        failures.iter().map(|failure| failure.category).min().map_or(0, FailureCategory::exit_code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_decides() {
        let failures = [FailureCategory::Other, FailureCategory::ProcessesRemain, FailureCategory::Timeout]
            .map(|category| Failure::new(category, "x"));
        assert_eq!(Failure::exit_code(&failures), 3);
        assert_eq!(Failure::exit_code(&[]), 0);
    }
}
