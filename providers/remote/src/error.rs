//! Why a host could not be reached, or what happened to the line.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use mng_core::model::error::{ErrorClass, Explain, Scope};

use crate::known_hosts::HostKeyLine;

/// A failure of ssh itself, not of a command that ran through it. `endpoint` is `user@host`, with the port if
/// it is not 22.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SshError {
    #[error("cannot find the address of `{host}`")]
    Unresolvable { host: String, source: Arc<io::Error> },
    #[error("`{endpoint}` refused the connection")]
    Refused { endpoint: String, source: Arc<io::Error> },
    #[error("no way to `{endpoint}`")]
    Unreachable { endpoint: String, source: Arc<io::Error> },
    /// Nothing was sent to the host, or nothing but greetings.
    #[error("`{endpoint}` did not answer within {} s", after.as_secs_f32().round())]
    ConnectTimeout { endpoint: String, after: Duration },
    /// Something answered, and it was no ssh server that goes on talking.
    #[error("`{endpoint}` did not greet as an ssh server: {reason}")]
    Banner { endpoint: String, reason: String },
    /// `proxy_command` could not be started.
    #[error("cannot run the proxy command of `{endpoint}`")]
    Proxy { endpoint: String, source: Arc<io::Error> },
    /// `notes` say what became of each key.
    #[error("`{endpoint}` refused the login{}", reasons(notes))]
    Auth { endpoint: String, notes: Vec<String>, needs_password: bool },
    /// `file` is the known_hosts file that `line` belongs into, if there is one.
    #[error("the key of `{endpoint}` is not known: {algorithm} {fingerprint}")]
    HostKeyUnknown {
        endpoint: String,
        algorithm: String,
        fingerprint: String,
        file: Option<PathBuf>,
        line: Box<HostKeyLine>,
    },
    #[error("{0}")]
    HostKeyChanged(Box<ChangedKey>),
    #[error("the key of `{endpoint}` is revoked: {fingerprint} (`{}` line {line})", file.display())]
    HostKeyRevoked { endpoint: String, fingerprint: String, file: PathBuf, line: usize },
    /// A known_hosts file could not be read or written.
    #[error("cannot use the known hosts in `{}`", file.display())]
    KnownHosts { file: PathBuf, source: Arc<io::Error> },
    /// Commands that were under way may have run.
    #[error("the line to `{endpoint}` was lost{}", if *may_have_run { "; the command may have run" } else { "" })]
    LineLost { endpoint: String, may_have_run: bool },
    /// The host keeps refusing channels.
    #[error("`{endpoint}` grants no further session on the connection")]
    NoChannel { endpoint: String },
    /// What the login shell said instead of running the command.
    #[error("the login shell of `{endpoint}` did not run the command{}", if output.is_empty() { String::new() } else { format!(": {output}") })]
    NotRun { endpoint: String, output: String },
    #[error("`{endpoint}` has no SFTP subsystem")]
    NoSftp { endpoint: String },
    /// Somebody else may hold the lock by now.
    #[error("the lock `{}` on `{endpoint}` was lost with the line", path.display())]
    LockLost { endpoint: String, path: PathBuf },
    #[error("`{endpoint}` has neither `flock`, nor `lockf`, nor perl to hold a lock with")]
    NoLocks { endpoint: String },
    #[error("cannot open the lock `{}` on `{endpoint}`{}", path.display(), if output.is_empty() { String::new() } else { format!(": {output}") })]
    LockFile { endpoint: String, path: PathBuf, output: String },
    /// The ssh library gave up.
    #[error("the ssh connection to `{endpoint}` failed: {reason}")]
    Protocol { endpoint: String, reason: String },
}

/// A host that offers another key than it did before.
#[derive(Clone, Debug)]
pub struct ChangedKey {
    pub endpoint: String,
    /// What known_hosts files call the host.
    pub name: String,
    /// Type and SHA256 fingerprint of the key offered now.
    pub offered: String,
    /// The same of the key known so far.
    pub known: String,
    /// Where that one stands; lines count from 1.
    pub file: PathBuf,
    pub line: usize,
}

impl fmt::Display for ChangedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { endpoint, offered, known, file, line, .. } = self;
        let file = file.display();
        write!(
            f,
            "the key of `{endpoint}` has changed: it offers {offered}, and `{file}` line {line} has {known}"
        )
    }
}

fn reasons(notes: &[String]) -> String {
    if notes.is_empty() { String::new() } else { format!(": {}", notes.join("; ")) }
}

impl SshError {
    /// The login or the host's key was refused: the host's state is UNAUTHENTICATED, and nothing is retried.
    #[must_use]
    pub fn is_authentication(&self) -> bool {
        matches!(
            self,
            Self::Auth { .. }
                | Self::HostKeyUnknown { .. }
                | Self::HostKeyChanged(_)
                | Self::HostKeyRevoked { .. }
        )
    }

    /// The host was not reached at all, so that nothing was done there.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        matches!(
            self,
            Self::Unresolvable { .. }
                | Self::Refused { .. }
                | Self::Unreachable { .. }
                | Self::ConnectTimeout { .. }
                | Self::Banner { .. }
                | Self::Proxy { .. }
        )
    }

    /// Whether another try may go better: the line is bad rather than the host.
    pub(crate) fn is_transient(&self) -> bool {
        self.is_unreachable() || matches!(self, Self::LineLost { .. } | Self::Protocol { .. })
    }
}

impl Explain for SshError {
    fn class(&self) -> ErrorClass {
        match self {
            error if error.is_authentication() => ErrorClass::HostAuthentication,
            Self::LockLost { .. } => ErrorClass::LockNotHeld,
            Self::NoSftp { .. } | Self::NoLocks { .. } | Self::NotRun { .. } | Self::LockFile { .. } => {
                ErrorClass::Host
            }
            _ => ErrorClass::HostConnection,
        }
    }

    fn scope(&self) -> Scope {
        Scope::Host
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unresolvable { .. } => "check the spelling of the address, and the network".into(),
            Self::Refused { .. } => "is sshd running there, and is the port right?".into(),
            Self::Unreachable { .. } | Self::ConnectTimeout { .. } | Self::LineLost { .. } => {
                "check the network, and whether the machine is up".into()
            }
            Self::Banner { .. } => {
                "is the port that of sshd? A very busy machine may also need a moment".into()
            }
            Self::Auth { endpoint, needs_password: true, .. } => format!(
                "mng never asks for passwords: put your key there with `ssh-copy-id {}`",
                ssh_words(endpoint)
            ),
            Self::Auth { endpoint, .. } => {
                format!("`ssh -v {}` shows which keys it takes", ssh_words(endpoint))
            }
            Self::HostKeyUnknown { .. } => "compare it with the machine's own (there: `ssh-keygen -lf \
                 /etc/ssh/ssh_host_ed25519_key.pub`), then trust it with `--allow-unknown-host`"
                .into(),
            Self::HostKeyChanged(changed) => format!(
                "somebody may be listening in. If the machine was set up again: `ssh-keygen -R {} -f {}`, then \
                 trust the new key",
                mng_core::model::shell::quote(&changed.name),
                mng_core::model::shell::quote(&changed.file.display().to_string())
            ),
            Self::HostKeyRevoked { .. } => "do not use the machine until it has another key".into(),
            Self::NoChannel { .. } => "raise `MaxSessions` in its sshd_config".into(),
            Self::NoSftp { .. } => "add `Subsystem sftp internal-sftp` to its sshd_config".into(),
            Self::NotRun { endpoint, .. } => format!("does `ssh {} true` work?", ssh_words(endpoint)),
            Self::LockLost { .. } => "look at what was done so far, then run the command again".into(),
            Self::NoLocks { .. } => "install `flock` (util-linux) there".into(),
            _ => return None,
        })
    }
}

/// `user@host:2222` as arguments of ssh.
fn ssh_words(endpoint: &str) -> String {
    match endpoint.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() && !host.ends_with(':') => {
            format!("-p {port} {host}")
        }
        _ => endpoint.to_owned(),
    }
}
