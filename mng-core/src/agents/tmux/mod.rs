//! tmux on a host: one struct that runs it, and the quirks that its callers need not know.
//!
//! Three rules hold for every call. `-u`, because without a UTF-8 locale tmux turns tabs and non-ASCII text
//! in formats into `_`. `TMUX` and `TMUX_PANE` are removed, because a caller inside another server would
//! otherwise work on that one. Targets are ids, or exact names: `foo` alone also means `foobar`.

mod chain;
mod keys;
mod panes;
mod screen;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use chain::Chain;
pub use keys::Submit;
pub use panes::{Pane, Session, SessionMatch, Sessions};
pub use screen::{CaptureRequest, CaptureWindow};

use crate::hosts::Host;
use crate::model::error::{ErrorClass, Explain, Result, Scope};
use crate::settings::TmuxSettings;
use crate::transports::{ExecOutput, ExecRequest};

/// The oldest tmux that has all that mng uses.
pub const OLDEST: (u32, u32) = (3, 2);

/// Longest that a question to tmux may take; a server that is slower is broken, not absent.
const DEADLINE: Duration = Duration::from_secs(10);

/// Variables that a tmux server must not inherit from us. A fresh server would be branded with the agent
/// that happened to start it, and stopping that agent would end every session.
const REMOVED: [&str; 6] =
    ["TMUX", "TMUX_PANE", "MNG_AGENT_ID", "MNG_AGENT_NAME", "MNG_AGENT_STATE_DIR", "MNG_AGENT_WORK_DIR"];

/// tmux could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TmuxError {
    #[error("tmux {found} on host `{host}` is too old: mng needs {}.{} or newer", OLDEST.0, OLDEST.1)]
    TooOld { host: String, found: String },
    /// Nothing is known: the sessions may be there.
    #[error("tmux on host `{host}` did not answer within {} s", after.as_secs())]
    Slow { host: String, after: Duration },
    #[error("tmux on host `{host}` failed: {message}")]
    Failed { host: String, message: String },
}

impl Explain for TmuxError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::TooOld { .. } => ErrorClass::BinaryNotInstalled,
            Self::Slow { .. } => ErrorClass::CommandTimeout,
            Self::Failed { .. } => ErrorClass::Host,
        }
    }

    fn scope(&self) -> Scope {
        Scope::Host
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::TooOld { .. } => Some(
                "install a newer tmux (`brew install tmux`, `sudo apt-get install tmux`), then end the old server: `tmux kill-server`"
                    .into(),
            ),
            Self::Slow { .. } => Some("`tmux ls` shows whether the server answers at all".into()),
            Self::Failed { message, .. } if message.contains("protocol version mismatch") => Some(
                "another tmux version runs the server: end it with that version's `tmux kill-server`".into(),
            ),
            Self::Failed { message, .. } if message.contains("Permission denied") => {
                Some("the tmux socket belongs to another user; set TMUX_TMPDIR to a directory of yours".into())
            }
            Self::Failed { .. } => None,
        }
    }
}

/// What tmux said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// All commands ran; what they printed.
    Done(Vec<u8>),
    /// No server runs, so nothing exists there.
    NoServer,
    /// The server runs, but not what was aimed at: tmux's message.
    NoTarget(String),
}

/// tmux on one host.
#[derive(Clone, Copy, Debug)]
pub struct Tmux<'h> {
    host: &'h Host,
}

impl<'h> Tmux<'h> {
    #[must_use]
    pub fn on(host: &'h Host) -> Self {
        Self { host }
    }

    /// Runs a chain of commands in one tmux process. Commands after a failing one do not run.
    ///
    /// # Errors
    /// tmux is missing, too old, too slow, or refuses for a reason that is no answer. "No server" and "no
    /// such session" are answers.
    pub async fn run(&self, chain: Chain, stdin: Option<Vec<u8>>) -> Result<Answer> {
        self.run_within(chain, stdin, DEADLINE).await
    }

    async fn run_within(&self, chain: Chain, stdin: Option<Vec<u8>>, deadline: Duration) -> Result<Answer> {
        let output = self.run_raw(chain, stdin, &[], deadline).await?;
        if output.is_success() {
            return Ok(Answer::Done(output.stdout));
        }
        let message = output.stderr_text();
        if is_no_server(&message) {
            return Ok(Answer::NoServer);
        }
        if is_no_target(&message) {
            return Ok(Answer::NoTarget(message));
        }
        if message.contains("unknown command") || message.contains("unknown option") {
            self.check_version().await?;
        }
        let message = match (message.is_empty(), output.code) {
            (false, _) => message,
            (true, Some(code)) => format!("exit code {code}"),
            (true, None) => "ended by a signal".into(),
        };
        Err(TmuxError::Failed { host: self.host.info.name.to_string(), message }.into())
    }

    /// Runs a chain with further variables removed, and judges nothing but the time it takes.
    pub(crate) async fn run_raw(
        &self,
        chain: Chain,
        stdin: Option<Vec<u8>>,
        unset: &[String],
        deadline: Duration,
    ) -> Result<ExecOutput> {
        let mut argv = vec!["tmux".to_owned(), "-u".to_owned()];
        argv.extend(chain.into_argv());
        let mut request = ExecRequest::new(argv).timeout(Some(deadline));
        // A server that this call starts keeps our directory for ever, and a work dir is to be removable.
        request.cwd = Some("/".into());
        request.unset = REMOVED.iter().map(|name| (*name).to_owned()).chain(unset.iter().cloned()).collect();
        request.stdin = stdin;
        let output = self.host.transport.exec(request).await?;
        if output.is_timed_out {
            return Err(TmuxError::Slow { host: self.host.info.name.to_string(), after: deadline }.into());
        }
        Ok(output)
    }

    /// The installed version, e.g. `3.3a`.
    ///
    /// # Errors
    /// tmux is missing or does not say.
    pub async fn version(&self) -> Result<String> {
        let request = ExecRequest::new(["tmux", "-V"]).idempotent();
        let output = self.host.transport.exec(request).await?.check("tmux -V")?;
        let text = output.stdout_text();
        Ok(text.trim().strip_prefix("tmux ").unwrap_or(text.trim()).to_owned())
    }

    /// Returns the version if mng can work with it.
    ///
    /// # Errors
    /// tmux is missing, or [`TmuxError::TooOld`].
    pub async fn check_version(&self) -> Result<String> {
        let found = self.version().await?;
        if is_new_enough(&found) {
            Ok(found)
        } else {
            Err(TmuxError::TooOld { host: self.host.info.name.to_string(), found }.into())
        }
    }

    /// Ends a session by its id (`$3`). Returns whether it was there.
    ///
    /// # Errors
    /// As [`Tmux::run`].
    pub async fn kill_session(&self, session_id: &str) -> Result<bool> {
        let answer = self.run(Chain::new(["kill-session", "-t", session_id]), None).await?;
        Ok(matches!(answer, Answer::Done(_)))
    }

    /// Gives a session, by its id, another name. Returns whether it was there.
    ///
    /// # Errors
    /// As [`Tmux::run`]; another session has the name.
    pub async fn rename_session(&self, session_id: &str, new_name: &str) -> Result<bool> {
        let answer = self.run(Chain::new(["rename-session", "-t", session_id, "--", new_name]), None).await?;
        Ok(matches!(answer, Answer::Done(_)))
    }

    /// What gets a terminal on the host onto a session, by its exact name. The locale of that terminal decides
    /// about UTF-8, so `-u` is not forced here; a login on another machine rarely knows that locale and has to
    /// be told (`is_utf8`).
    #[must_use]
    pub fn attach_argv(&self, session_name: &str, settings: &TmuxSettings, is_utf8: bool) -> Vec<String> {
        let mut argv = vec!["tmux".to_owned()];
        if is_utf8 && !self.host.is_local() {
            argv.push("-u".into());
        }
        argv.extend(settings.attach_args.iter().cloned());
        argv.extend(["attach-session".to_owned(), "-t".into(), format!("={session_name}:")]);
        argv
    }
}

/// A socket file without a server behind it counts as no server; one that may not be used does not.
fn is_no_server(message: &str) -> bool {
    message.contains("no server running on")
        || message.contains("lost server")
        || message.contains("server exited")
        || (message.contains("error connecting to")
            && (message.contains("No such file or directory") || message.contains("Connection refused")))
}

fn is_no_target(message: &str) -> bool {
    ["can't find session", "can't find window", "can't find pane", "no current target", "no such session"]
        .iter()
        .any(|known| message.contains(known))
}

/// Development builds (`master`, `next-3.5`) and OpenBSD's own (`openbsd-7.4`) count as new.
fn is_new_enough(version: &str) -> bool {
    if version.starts_with("openbsd") || version == "master" {
        return true;
    }
    let version = version.strip_prefix("next-").unwrap_or(version);
    let mut numbers = version.split('.').map(|part| {
        let digits = part.find(|ch: char| !ch.is_ascii_digit()).unwrap_or(part.len());
        part[..digits].parse::<u32>().ok()
    });
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(major), minor) => (major, minor.unwrap_or(0)) >= OLDEST,
        (None, _) => true,
    }
}
