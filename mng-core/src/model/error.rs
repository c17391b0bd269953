//! One error shape for the whole engine: what failed, on what, why, and what to do next.
//!
//! Each room has its own `thiserror` enum that implements [`Explain`]; [`Error`] carries any of them.

use std::fmt;

use serde::Serialize;

/// Result of everything in the engine that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The stable `error_class` of the JSON output. Scripts match on these words; never rename one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorClass {
    Mng,
    UserInput,
    ParseSpec,
    Config,
    ConfigNotFound,
    ConfigParse,
    ConfigKeyNotFound,
    ConfigStructure,
    InvalidKeyPath,
    UnknownBackend,
    UnknownAgentType,
    Host,
    HostConnection,
    /// A credential or the host's key was refused: only a person can help.
    HostAuthentication,
    HostOffline,
    HostNotFound,
    HostDataSchema,
    CommandTimeout,
    LockNotHeld,
    CorruptedAgentData,
    Agent,
    AgentNotFound,
    AgentNotFoundOnHost,
    DuplicateAgentName,
    DuplicateAgentIdOnHost,
    AgentStart,
    NoCommandDefined,
    SendMessage,
    Provider,
    ProviderInstanceNotFound,
    ProviderUnavailable,
    LocalHostNotStoppable,
    LocalHostNotDestroyable,
    SnapshotsNotSupported,
    Plugin,
    BinaryNotInstalled,
    NestedTmux,
    CleanupFailed,
    Git,
    Io,
    Aborted,
    Usage,
}

impl ErrorClass {
    /// The word that stands in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mng => "MngError",
            Self::UserInput => "UserInputError",
            Self::ParseSpec => "ParseSpecError",
            Self::Config => "ConfigError",
            Self::ConfigNotFound => "ConfigNotFoundError",
            Self::ConfigParse => "ConfigParseError",
            Self::ConfigKeyNotFound => "ConfigKeyNotFoundError",
            Self::ConfigStructure => "ConfigStructureError",
            Self::InvalidKeyPath => "InvalidKeyPathError",
            Self::UnknownBackend => "UnknownBackendError",
            Self::UnknownAgentType => "UnknownAgentTypeError",
            Self::Host => "HostError",
            Self::HostConnection => "HostConnectionError",
            Self::HostAuthentication => "HostAuthenticationError",
            Self::HostOffline => "HostOfflineError",
            Self::HostNotFound => "HostNotFoundError",
            Self::HostDataSchema => "HostDataSchemaError",
            Self::CommandTimeout => "CommandTimeoutError",
            Self::LockNotHeld => "LockNotHeldError",
            Self::CorruptedAgentData => "CorruptedAgentDataError",
            Self::Agent => "AgentError",
            Self::AgentNotFound => "AgentNotFoundError",
            Self::AgentNotFoundOnHost => "AgentNotFoundOnHostError",
            Self::DuplicateAgentName => "DuplicateAgentNameError",
            Self::DuplicateAgentIdOnHost => "DuplicateAgentIdOnHostError",
            Self::AgentStart => "AgentStartError",
            Self::NoCommandDefined => "NoCommandDefinedError",
            Self::SendMessage => "SendMessageError",
            Self::Provider => "ProviderError",
            Self::ProviderInstanceNotFound => "ProviderInstanceNotFoundError",
            Self::ProviderUnavailable => "ProviderUnavailableError",
            Self::LocalHostNotStoppable => "LocalHostNotStoppableError",
            Self::LocalHostNotDestroyable => "LocalHostNotDestroyableError",
            Self::SnapshotsNotSupported => "SnapshotsNotSupportedError",
            Self::Plugin => "PluginMngError",
            Self::BinaryNotInstalled => "BinaryNotInstalledError",
            Self::NestedTmux => "NestedTmuxError",
            Self::CleanupFailed => "CleanupFailedError",
            Self::Git => "GitError",
            Self::Io => "IoError",
            Self::Aborted => "Aborted",
            Self::Usage => "UsageError",
        }
    }

    /// The exit code that this class asks for, from the one table (`mng help exit_codes`).
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Usage | Self::ParseSpec => 2,
            Self::ProviderUnavailable => 6,
            _ => 1,
        }
    }
}

impl fmt::Display for ErrorClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What an error ruins: commands over several targets go on past agent- and host-scoped ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    Agent,
    Host,
    Provider,
    Command,
}

/// Whom an error is about, for the machine-readable output. Absent keys are left out of JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Subject {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<String>,
}

/// What every error of the engine can say of itself. The message is its `Display`: lower case, no full
/// stop, names in backticks, causes left to `source`.
pub trait Explain: std::error::Error + Send + Sync + 'static {
    /// The stable class of the JSON output.
    fn class(&self) -> ErrorClass;

    /// How much it ruins.
    fn scope(&self) -> Scope {
        Scope::Command
    }

    /// What the person can do next: a command to paste, or one short sentence.
    fn hint(&self) -> Option<String> {
        None
    }

    /// Process exit code when this error ends the command.
    fn exit_code(&self) -> u8 {
        self.class().exit_code()
    }

    /// Whom it is about.
    fn subject(&self) -> Subject {
        Subject::default()
    }
}

/// Any error of the engine, ready to be shown. Made from every [`Explain`] by `?`.
pub struct Error(Box<dyn Explain>);

impl Error {
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        self.0.class()
    }

    #[must_use]
    pub fn scope(&self) -> Scope {
        self.0.scope()
    }

    #[must_use]
    pub fn hint(&self) -> Option<String> {
        self.0.hint()
    }

    #[must_use]
    pub fn exit_code(&self) -> u8 {
        self.0.exit_code()
    }

    #[must_use]
    pub fn subject(&self) -> Subject {
        self.0.subject()
    }

    /// The error itself, if it is of that type.
    #[must_use]
    pub fn downcast_ref<E: std::error::Error + 'static>(&self) -> Option<&E> {
        let error: &(dyn std::error::Error + 'static) = self.0.as_ref();
        error.downcast_ref()
    }

    /// The messages of the causes, outermost first, without the error's own message.
    #[must_use]
    pub fn causes(&self) -> Vec<String> {
        let mut causes = Vec::new();
        let mut next = self.0.source();
        while let Some(cause) = next {
            causes.push(cause.to_string());
            next = cause.source();
        }
        causes
    }

    /// Bad input from the person, with what to do about it.
    pub fn input(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Plain { class: ErrorClass::UserInput, message: message.into(), hint: Some(hint.into()) }.into()
    }

    /// An error of a class that needs no type of its own.
    pub fn plain(class: ErrorClass, message: impl Into<String>) -> Self {
        Plain { class, message: message.into(), hint: None }.into()
    }

    /// As [`Error::plain`], with a hint.
    pub fn hinted(class: ErrorClass, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Plain { class, message: message.into(), hint: Some(hint.into()) }.into()
    }

    /// A failed read or write: `what` completes "cannot …", e.g. `` read `/x/data.json` ``.
    pub fn io(what: impl Into<String>, source: std::io::Error) -> Self {
        IoFailure { what: what.into(), source }.into()
    }

    /// The I/O error kind, if this is an I/O failure.
    #[must_use]
    pub fn io_kind(&self) -> Option<std::io::ErrorKind> {
        let mut next: Option<&(dyn std::error::Error + 'static)> = self.0.source();
        while let Some(cause) = next {
            if let Some(io) = cause.downcast_ref::<std::io::Error>() {
                return Some(io.kind());
            }
            next = cause.source();
        }
        None
    }
}

impl<E: Explain> From<E> for Error {
    fn from(error: E) -> Self {
        Self(Box::new(error))
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.class(), self.0)?;
        for cause in self.causes() {
            write!(f, ": {cause}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct Plain {
    class: ErrorClass,
    message: String,
    hint: Option<String>,
}

impl Explain for Plain {
    fn class(&self) -> ErrorClass {
        self.class
    }

    fn hint(&self) -> Option<String> {
        self.hint.clone()
    }
}

#[derive(Debug, thiserror::Error)]
#[error("cannot {what}")]
struct IoFailure {
    what: String,
    source: std::io::Error,
}

impl Explain for IoFailure {
    fn class(&self) -> ErrorClass {
        ErrorClass::Io
    }

    fn hint(&self) -> Option<String> {
        match self.source.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                Some("free some disk space, then run the command again: nothing half-written was kept".into())
            }
            std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
                Some("check who owns the directory, or point MNG_HOST_DIR at one that you may write".into())
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_listed_outermost_first() {
        let error = Error::io("read `/x`", std::io::Error::other("disk on fire"));
        assert_eq!(error.to_string(), "cannot read `/x`");
        assert_eq!(error.causes(), ["disk on fire"]);
        assert_eq!(error.class().as_str(), "IoError");
    }
}
