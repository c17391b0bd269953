//! How commands and bytes reach a host. Everything done on a host goes through its [`Transport`].

pub mod asking;
mod local;
pub mod relay;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};

pub use local::LocalTransport;

use crate::model::error::{ErrorClass, Explain, Result, Scope};

/// Longest a probe-like command (tmux, ps, git plumbing) may take.
pub const SHORT: Duration = Duration::from_secs(10);

/// One command for a host.
#[derive(Clone, Debug)]
pub struct ExecRequest {
    /// Program and arguments; no shell is involved unless the program is one.
    pub argv: Vec<String>,
    /// Added to the environment.
    pub env: BTreeMap<String, String>,
    /// Removed from the environment before `env` is added.
    pub unset: Vec<String>,
    /// Working directory; the transport's own when unset.
    pub cwd: Option<PathBuf>,
    /// Bytes for standard input; nothing (end of file) when unset.
    pub stdin: Option<Vec<u8>>,
    /// Longest run; then the whole process group is killed. Unset: no limit (the person's own command).
    pub timeout: Option<Duration>,
    /// Run as this user of the host (`sudo -n -u` when we are someone else).
    pub user: Option<String>,
    /// Whether the command may be repeated after a lost connection.
    pub is_idempotent: bool,
}

impl ExecRequest {
    /// A command as a list of words, with the deadline [`SHORT`].
    pub fn new<S: Into<String>>(argv: impl IntoIterator<Item = S>) -> Self {
        Self {
            argv: argv.into_iter().map(Into::into).collect(),
            env: BTreeMap::new(),
            unset: Vec::new(),
            cwd: None,
            stdin: None,
            timeout: Some(SHORT),
            user: None,
            is_idempotent: false,
        }
    }

    /// A script for `sh -c`. `args` become `$1`, `$2`, …: data never goes into the script's text.
    pub fn sh<S: Into<String>>(script: impl Into<String>, args: impl IntoIterator<Item = S>) -> Self {
        let mut argv = vec!["sh".to_owned(), "-c".to_owned(), script.into(), "sh".to_owned()];
        argv.extend(args.into_iter().map(Into::into));
        Self::new(argv)
    }

    #[must_use]
    pub fn cwd(mut self, path: impl Into<PathBuf>) -> Self {
        self.cwd = Some(path.into());
        self
    }

    #[must_use]
    pub fn env(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.insert(key.into(), value.into());
        self
    }

    /// As [`ExecRequest::env`], for several variables.
    #[must_use]
    pub fn envs<K: Into<String>, V: Into<String>>(mut self, vars: impl IntoIterator<Item = (K, V)>) -> Self {
        self.env.extend(vars.into_iter().map(|(key, value)| (key.into(), value.into())));
        self
    }

    #[must_use]
    pub fn unset(mut self, key: impl Into<String>) -> Self {
        self.unset.push(key.into());
        self
    }

    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(bytes.into());
        self
    }

    #[must_use]
    pub fn timeout(mut self, limit: Option<Duration>) -> Self {
        self.timeout = limit;
        self
    }

    #[must_use]
    pub fn idempotent(mut self) -> Self {
        self.is_idempotent = true;
        self
    }

    /// Logs the variables that are set for the command, where the settings ask for it: they may be secret.
    pub fn log_env(&self) {
        if tracing::enabled!(target: EXEC_ENV, tracing::Level::DEBUG) && !self.env.is_empty() {
            tracing::debug!(target: EXEC_ENV, command = %self.title(), env = ?self.env, "exec environment");
        }
    }

    /// What messages call the command: its first words, of a script its first line.
    #[must_use]
    pub fn title(&self) -> String {
        const LONGEST: usize = 60;
        let short = |word: &String| {
            let line = word.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
            let line = line.unwrap_or_default();
            let is_cut = line.len() < word.trim().len() || line.chars().count() > LONGEST;
            let cut: String = line.chars().take(LONGEST).collect();
            if is_cut { format!("{cut}…") } else { cut }
        };
        self.argv.iter().take(3).map(short).collect::<Vec<_>>().join(" ")
    }
}

/// Log target of records that hold what a command printed; on only where the settings ask for it.
pub const EXEC_OUTPUT: &str = "mng::exec_output";
/// Log target of records that hold the variables set for a command; on only where the settings ask for it.
pub const EXEC_ENV: &str = "mng::exec_env";

/// How a command ended.
#[derive(Clone, Debug, Default)]
pub struct ExecOutput {
    /// Exit code; `None` when a signal or the deadline ended it.
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    /// The deadline ended it.
    pub is_timed_out: bool,
}

impl ExecOutput {
    /// Logs what the command printed, where the settings ask for it.
    pub fn log(&self, title: &str) {
        if tracing::enabled!(target: EXEC_OUTPUT, tracing::Level::DEBUG) {
            let (stdout, stderr) =
                (String::from_utf8_lossy(&self.stdout), String::from_utf8_lossy(&self.stderr));
            tracing::debug!(target: EXEC_OUTPUT, command = %title, %stdout, %stderr, "exec output");
        }
    }

    #[must_use]
    pub fn is_success(&self) -> bool {
        self.code == Some(0)
    }

    /// Standard output as text, invalid UTF-8 replaced.
    #[must_use]
    pub fn stdout_text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard error as text, trailing white space removed.
    #[must_use]
    pub fn stderr_text(&self) -> String {
        String::from_utf8_lossy(&self.stderr).trim_end().to_owned()
    }

    /// The output, or [`TransportError::Failed`] / [`TransportError::TimedOut`] naming the command.
    ///
    /// # Errors
    /// The command did not exit with 0.
    pub fn check(self, title: &str) -> Result<Self> {
        if self.is_success() {
            return Ok(self);
        }
        if self.is_timed_out {
            return Err(TransportError::TimedOut { title: title.to_owned() }.into());
        }
        Err(TransportError::Failed { title: title.to_owned(), code: self.code, stderr: self.stderr_text() }
            .into())
    }
}

/// A part of a running command's output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chunk {
    Stdout(Vec<u8>),
    Stderr(Vec<u8>),
}

/// A running command whose standard streams are in the caller's hands: the other end of a git, rsync or unison
/// conversation. Dropping `exit` before it is ready ends the command.
pub struct PipedCommand {
    /// What is written here the command reads; dropping it is the end of file.
    pub stdin: Box<dyn AsyncWrite + Send + Unpin>,
    pub stdout: Box<dyn AsyncRead + Send + Unpin>,
    pub stderr: Box<dyn AsyncRead + Send + Unpin>,
    /// Ready when the command has ended: its exit code, `None` when a signal ended it. The streams have to be
    /// read meanwhile, or the command waits for ever.
    pub exit: Pin<Box<dyn Future<Output = Result<Option<i32>>> + Send>>,
}

impl fmt::Debug for PipedCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PipedCommand").finish_non_exhaustive()
    }
}

/// Why a command or a file access failed on a host.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    #[error("cannot run `{program}`")]
    NotStarted { program: String, source: std::io::Error },
    #[error("`{title}` failed{}{}", code.map(|c| format!(" with exit code {c}")).unwrap_or_default(), if stderr.is_empty() { String::new() } else { format!(": {stderr}") })]
    Failed { title: String, code: Option<i32>, stderr: String },
    #[error("`{title}` did not finish in time")]
    TimedOut { title: String },
}

impl Explain for TransportError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::NotStarted { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
                ErrorClass::BinaryNotInstalled
            }
            Self::TimedOut { .. } => ErrorClass::CommandTimeout,
            _ => ErrorClass::Host,
        }
    }

    fn scope(&self) -> Scope {
        Scope::Host
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NotStarted { program, source } if source.kind() == std::io::ErrorKind::NotFound => {
                Some(format!("install `{program}`; `mng doctor` lists what is missing"))
            }
            _ => None,
        }
    }
}

/// What kind of thing stands at a path (a symlink is not followed).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    File,
    Directory,
    Symlink,
    Other,
}

/// What `lstat` says.
#[derive(Clone, Debug)]
pub struct FileStat {
    pub kind: FileKind,
    /// Bytes.
    pub size: u64,
    pub modified: SystemTime,
    /// Permission bits.
    pub mode: u32,
}

/// Releases a host's lock when dropped.
pub trait LockGuard: Send + Sync + fmt::Debug {}

/// The command that puts the person's terminal onto a host, to be exec'ed by the CLI.
#[derive(Clone, Debug)]
pub struct AttachPlan {
    pub argv: Vec<String>,
    pub unset: Vec<String>,
    pub env: BTreeMap<String, String>,
}

/// One way to a host. Paths are the host's. Every method has a deadline of its own or in its request.
#[async_trait]
pub trait Transport: Send + Sync + fmt::Debug {
    /// Whether the host is this machine, so that readers may open files and `/proc` directly.
    fn is_local(&self) -> bool;

    /// Runs a command to its end. A non-zero exit is an output, not an error.
    ///
    /// # Errors
    /// The command could not be started or the connection was lost.
    async fn exec(&self, request: ExecRequest) -> Result<ExecOutput>;

    /// As [`Transport::exec`], handing out the output as it comes (the returned output's buffers are empty).
    ///
    /// # Errors
    /// As [`Transport::exec`].
    async fn exec_streaming(
        &self,
        request: ExecRequest,
        on_chunk: &mut (dyn FnMut(Chunk) + Send),
    ) -> Result<ExecOutput>;

    /// Starts a command and hands out its standard streams. `stdin` and `timeout` of the request do not count;
    /// it is never started twice.
    ///
    /// # Errors
    /// As [`Transport::exec`].
    async fn spawn(&self, request: ExecRequest) -> Result<PipedCommand>;

    /// The bytes of a file; `None` if there is none.
    async fn read(&self, path: &Path) -> Result<Option<Vec<u8>>>;

    /// At most `limit` bytes of a file from `offset` on, fewer only at its end; `None` if there is no file.
    /// For streams that grow: nothing before `offset` is moved.
    async fn read_from(&self, path: &Path, offset: u64, limit: usize) -> Result<Option<Vec<u8>>>;

    /// Replaces a file atomically; parents are made (0700); a new file gets `mode`.
    async fn write(&self, path: &Path, bytes: &[u8], mode: u32) -> Result<()>;

    /// Replaces a file atomically without waiting for the disk: for counters, caches and activity stamps,
    /// which a crash may take back.
    async fn write_volatile(&self, path: &Path, bytes: &[u8], mode: u32) -> Result<()>;

    /// Makes a directory and its parents (0700 each).
    async fn create_dir(&self, path: &Path) -> Result<()>;

    async fn rename(&self, from: &Path, to: &Path) -> Result<()>;

    /// Removes a file; a missing one is fine.
    async fn remove_file(&self, path: &Path) -> Result<()>;

    /// Removes a tree without following symlinks; a missing one is fine.
    async fn remove_tree(&self, path: &Path) -> Result<()>;

    /// `lstat`; `None` if nothing is there.
    async fn stat(&self, path: &Path) -> Result<Option<FileStat>>;

    /// The names in a directory, sorted; empty if it does not exist.
    async fn list_dir(&self, path: &Path) -> Result<Vec<String>>;

    /// Takes an exclusive lock on a file of the host; `on_wait` runs once if it is contended.
    ///
    /// # Errors
    /// A `LockNotHeld` error when `wait` is over.
    async fn lock(
        &self,
        path: &Path,
        wait: Option<Duration>,
        on_wait: Box<dyn FnOnce() + Send>,
    ) -> Result<Box<dyn LockGuard>>;

    /// How the person's terminal runs `argv` on the host.
    fn attach(&self, argv: Vec<String>) -> AttachPlan;
}

#[cfg(test)]
mod tests {
    use super::ExecRequest;

    #[test]
    fn a_script_is_called_by_its_first_line() {
        let title = |script: &str| ExecRequest::sh(script, ["a"]).title();
        assert_eq!(title("printf %s \"$1\""), "sh -c printf %s \"$1\"");
        assert_eq!(title("# What it does.\nn=$1 root=$2\ncd \"$root\"\n"), "sh -c n=$1 root=$2…");
        assert_eq!(title(&"x".repeat(70)), format!("sh -c {}…", "x".repeat(60)));
        assert_eq!(ExecRequest::new(["tmux", "-u", "list-panes", "-a"]).title(), "tmux -u list-panes");
    }
}
