//! The transport: one connection, opened when it is needed, and what is done again when it breaks.

use std::fmt;
use std::future::Future;
use std::path::Path;
use std::sync::{Arc, Mutex as StdMutex, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use mng_core::model::error::Result;
use mng_core::transports::asking::{HostKeyPrompt, OpenQuestion, UnknownHostKey, time_asked, timeout};
use mng_core::transports::{
    AttachPlan, Chunk, ExecOutput, ExecRequest, FileStat, LockGuard, PipedCommand, Transport,
};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::channel::Fault;
use crate::connection::Connection;
use crate::error::SshError;
use crate::files::Files;
use crate::lock::{self, Held};
use crate::target::SshTarget;
use crate::{exec, known_hosts, piped};

/// Waits before the tries of what may be repeated.
const WAITS: [Duration; 5] =
    [Duration::ZERO, Duration::ZERO, Duration::from_secs(1), Duration::from_secs(3), Duration::from_secs(6)];

/// Lists the names in `$1`, each ended by a NUL byte.
const LIST_SCRIPT: &str = r#"cd -- "$1" 2>/dev/null || { [ -e "$1" ] && [ -d "$1" ] && exit 1; exit 0; }
for name in * .*; do
    if [ -e "$name" ] || [ -L "$name" ]; then printf '%s\0' "$name"; fi
done"#;

/// A host reached by ssh. Cheap to make and to clone: it connects on first use, once, and all that is done on
/// the host shares the connection.
///
/// A command is repeated after a lost line only if it says that it may be, or if it was not sent yet. While a
/// lock of the host is held here, a lost line makes everything fail until the guard is dropped.
#[derive(Clone)]
pub struct SshTransport {
    shared: Arc<Shared>,
}

struct Shared {
    target: SshTarget,
    state: Mutex<State>,
    locks: StdMutex<Vec<Weak<Held>>>,
    prompt: Option<Arc<dyn HostKeyPrompt>>,
}

#[derive(Default)]
struct State {
    connection: Option<Arc<Connection>>,
    /// The last failure to connect: who waited for that try shares it.
    failure: Option<(Instant, SshError)>,
    /// The person does not trust an unknown key on the way: nobody asks twice.
    is_distrusted: bool,
}

impl fmt::Debug for SshTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SshTransport")
            .field("endpoint", &self.shared.target.endpoint())
            .finish_non_exhaustive()
    }
}

impl SshTransport {
    /// Nothing is sent before the first use.
    #[must_use]
    pub fn new(target: SshTarget) -> Self {
        Self::asking(target, None)
    }

    /// As [`SshTransport::new`]; where a key on the way is unknown, `prompt` decides whether it is learned.
    #[must_use]
    pub fn asking(target: SshTarget, prompt: Option<Arc<dyn HostKeyPrompt>>) -> Self {
        let shared = Shared { target, state: Mutex::default(), locks: StdMutex::default(), prompt };
        Self { shared: Arc::new(shared) }
    }

    #[must_use]
    pub fn target(&self) -> &SshTarget {
        &self.shared.target
    }

    /// Connects and logs in, unless that is done.
    ///
    /// # Errors
    /// An [`SshError`]: after at most the target's `connect_timeout` for the line, and 30 s each for greeting
    /// and login.
    pub async fn connect(&self) -> Result<()> {
        self.connection().await?;
        Ok(())
    }

    async fn connection(&self) -> Result<Arc<Connection>, SshError> {
        let asked = Instant::now();
        if let Some(lost) = self.lost_lock() {
            return Err(lost);
        }
        let mut state = self.shared.state.lock().await;
        if let Some(connection) = &state.connection {
            if !connection.is_lost() {
                return Ok(Arc::clone(connection));
            }
            state.connection = None;
            // A lock that went with the line is noticed here before anything runs without it.
            if let Some(lost) = self.lost_lock() {
                return Err(lost);
            }
        }
        if let Some((when, failure)) = &state.failure
            && *when > asked
        {
            return Err(failure.clone());
        }
        match self.open(&mut state.is_distrusted).await {
            Ok(connection) => {
                let connection = Arc::new(connection);
                state.connection = Some(Arc::clone(&connection));
                Ok(connection)
            }
            Err(error) => {
                state.failure = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    /// Connects, asking about the unknown key of each machine on the way.
    async fn open(&self, is_distrusted: &mut bool) -> Result<Connection, SshError> {
        let mut machines = self.shared.target.chain().len();
        loop {
            let error = match Connection::open(&self.shared.target).await {
                Ok(connection) => return Ok(connection),
                Err(error) => error,
            };
            let SshError::HostKeyUnknown { endpoint, algorithm, fingerprint, file: Some(file), line } =
                &error
            else {
                return Err(error);
            };
            let Some(prompt) = self.shared.prompt.as_ref().filter(|_| !*is_distrusted && machines > 0) else {
                return Err(error);
            };
            let key = UnknownHostKey {
                endpoint: endpoint.clone(),
                key_type: algorithm.clone(),
                fingerprint: fingerprint.clone(),
            };
            let question = OpenQuestion::put();
            *is_distrusted = !prompt.trusts(&key).await;
            drop(question);
            if *is_distrusted {
                return Err(error);
            }
            known_hosts::learn(file, line)
                .map_err(|source| SshError::KnownHosts { file: file.clone(), source: Arc::new(source) })?;
            machines -= 1;
        }
    }

    /// The first lock held here whose line is lost.
    fn lost_lock(&self) -> Option<SshError> {
        let mut locks = self.shared.locks.lock().unwrap_or_else(PoisonError::into_inner);
        locks.retain(|held| held.strong_count() > 0);
        let endpoint = self.shared.target.endpoint();
        locks.iter().filter_map(Weak::upgrade).find_map(|held| held.lost(&endpoint))
    }

    /// Runs `work` on the connection; again, on a new one, when the line breaks and that is allowed. The first
    /// connection has to come up at once: a host that is down is down.
    async fn on_line<T, F>(
        &self,
        may_repeat: bool,
        deadline: Option<Instant>,
        mut work: impl FnMut(Arc<Connection>, Option<Instant>) -> F,
    ) -> Result<T>
    where
        F: Future<Output = Result<T, Fault>>,
    {
        let started = Instant::now();
        let asked = time_asked();
        // What the person took to answer on the way is not the host's.
        let deadline = || deadline.map(|deadline| deadline + (time_asked() - asked));
        let mut had_line = false;
        let mut tries = 0;
        loop {
            tries += 1;
            let connecting = self.connection();
            let connected = match deadline() {
                Some(deadline) => timeout(deadline.duration_since(Instant::now()), connecting).await,
                None => Some(connecting.await),
            };
            let connected = connected.unwrap_or_else(|| {
                let after = started.elapsed();
                Err(SshError::ConnectTimeout { endpoint: self.shared.target.endpoint(), after })
            });
            let (error, was_sent) = match connected {
                Ok(connection) => {
                    had_line = true;
                    match work(connection, deadline()).await {
                        Ok(result) => return Ok(result),
                        Err(Fault::Final(error)) => return Err(error),
                        Err(Fault::Line { error, was_sent }) => (error, was_sent),
                    }
                }
                Err(error) if !had_line => return Err(error.into()),
                Err(error) => (error, false),
            };
            let wait = WAITS.get(tries).copied();
            let is_in_time = |wait| deadline().is_none_or(|deadline| Instant::now() + wait < deadline);
            match wait {
                Some(wait) if error.is_transient() && (may_repeat || !was_sent) && is_in_time(wait) => {
                    tracing::debug!(%error, ?wait, "the line broke; trying again");
                    tokio::time::sleep(wait).await;
                }
                _ => return Err(error.into()),
            }
        }
    }

    async fn exec_once_or_more(
        &self,
        request: &ExecRequest,
        on_chunk: &mut (dyn FnMut(Chunk) + Send),
        collected: Option<&StdMutex<ExecOutput>>,
    ) -> Result<ExecOutput> {
        let started = Instant::now();
        let deadline = request.timeout.map(|limit| started + limit);
        request.log_env();
        let on_chunk = Mutex::new(on_chunk);
        let result = self
            .on_line(request.is_idempotent, deadline, |connection, deadline| {
                if let Some(collected) = collected {
                    *collected.lock().unwrap_or_else(PoisonError::into_inner) = ExecOutput::default();
                }
                let on_chunk = &on_chunk;
                async move {
                    let mut on_chunk = on_chunk.lock().await;
                    exec::run(&connection, request, deadline, &mut **on_chunk).await
                }
            })
            .await;
        let code = result.as_ref().ok().and_then(|output| output.code);
        let seconds = started.elapsed().as_secs_f64();
        tracing::debug!(command = %request.title(), ?code, seconds, "exec");
        result
    }
}

#[async_trait]
impl Transport for SshTransport {
    fn is_local(&self) -> bool {
        false
    }

    /// Two round trips on an open connection.
    async fn exec(&self, request: ExecRequest) -> Result<ExecOutput> {
        let title = request.title();
        let collected = StdMutex::new(ExecOutput::default());
        let mut collect = |chunk: Chunk| {
            let mut output = collected.lock().unwrap_or_else(PoisonError::into_inner);
            match chunk {
                Chunk::Stdout(bytes) => output.stdout.extend(bytes),
                Chunk::Stderr(bytes) => output.stderr.extend(bytes),
            }
        };
        let output = self.exec_once_or_more(&request, &mut collect, Some(&collected)).await?;
        let collected = collected.into_inner().unwrap_or_else(PoisonError::into_inner);
        let output = ExecOutput { stdout: collected.stdout, stderr: collected.stderr, ..output };
        output.log(&title);
        Ok(output)
    }

    /// As `exec`. An idempotent command that is repeated hands out its output from the start again.
    async fn exec_streaming(
        &self,
        request: ExecRequest,
        on_chunk: &mut (dyn FnMut(Chunk) + Send),
    ) -> Result<ExecOutput> {
        self.exec_once_or_more(&request, on_chunk, None).await
    }

    /// One round trip; the command's first words come with the second. That it could not be started is what
    /// `exit` then says.
    async fn spawn(&self, request: ExecRequest) -> Result<PipedCommand> {
        request.log_env();
        let request = &request;
        self.on_line(
            false,
            None,
            |connection, _| async move { piped::spawn(&connection, request, true).await },
        )
        .await
    }

    /// Two round trips for up to 128 KiB.
    async fn read(&self, path: &Path) -> Result<Option<Vec<u8>>> {
        self.on_line(true, None, |connection, _| async move {
            Files::of(&connection).await?.read(path, 0, u64::MAX).await
        })
        .await
    }

    /// As `read`.
    async fn read_from(&self, path: &Path, offset: u64, limit: usize) -> Result<Option<Vec<u8>>> {
        self.on_line(true, None, |connection, _| async move {
            Files::of(&connection).await?.read(path, offset, limit as u64).await
        })
        .await
    }

    /// Three round trips, for up to 2 MiB.
    async fn write(&self, path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
        self.on_line(false, None, |connection, _| async move {
            Files::of(&connection).await?.write(path, bytes, mode, true).await
        })
        .await
    }

    /// Three round trips, for up to 2 MiB.
    async fn write_volatile(&self, path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
        self.on_line(false, None, |connection, _| async move {
            Files::of(&connection).await?.write(path, bytes, mode, false).await
        })
        .await
    }

    /// One round trip if the parent is there, else two.
    async fn create_dir(&self, path: &Path) -> Result<()> {
        self.on_line(false, None, |connection, _| async move {
            Files::of(&connection).await?.create_dir(path).await
        })
        .await
    }

    /// One round trip.
    async fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.on_line(false, None, |connection, _| async move {
            Files::of(&connection).await?.rename(from, to).await
        })
        .await
    }

    /// One round trip.
    async fn remove_file(&self, path: &Path) -> Result<()> {
        self.on_line(false, None, |connection, _| async move {
            Files::of(&connection).await?.remove_file(path).await
        })
        .await
    }

    /// Two round trips.
    async fn remove_tree(&self, path: &Path) -> Result<()> {
        let words = ["rm".to_owned(), "-rf".into(), "--".into(), path.to_string_lossy().into_owned()];
        let request = ExecRequest::new(words).timeout(Some(Duration::from_secs(300)));
        self.exec(request).await?.check(&format!("rm -rf {}", path.display()))?;
        Ok(())
    }

    /// One round trip.
    async fn stat(&self, path: &Path) -> Result<Option<FileStat>> {
        self.on_line(
            true,
            None,
            |connection, _| async move { Files::of(&connection).await?.stat(path).await },
        )
        .await
    }

    /// Two round trips. By a shell: the SFTP library fails on a name that is not UTF-8.
    async fn list_dir(&self, path: &Path) -> Result<Vec<String>> {
        let request = ExecRequest::sh(LIST_SCRIPT, [path.to_string_lossy().into_owned()])
            .timeout(Some(Duration::from_secs(30)))
            .idempotent();
        let output = self.exec(request).await?.check(&format!("list {}", path.display()))?;
        let mut names: Vec<String> = output
            .stdout
            .split(|byte| *byte == 0)
            .map(|name| String::from_utf8_lossy(name).into_owned())
            .filter(|name| !matches!(name.as_str(), "" | "." | ".."))
            .collect();
        names.sort_unstable();
        Ok(names)
    }

    /// Two round trips for a free lock. It goes with the line: see [`SshTransport`].
    async fn lock(
        &self,
        path: &Path,
        wait: Option<Duration>,
        on_wait: Box<dyn FnOnce() + Send>,
    ) -> Result<Box<dyn LockGuard>> {
        let on_wait = StdMutex::new(Some(on_wait));
        let lock = self
            .on_line(true, None, |connection, _| {
                let on_wait = on_wait.lock().unwrap_or_else(PoisonError::into_inner).take();
                let on_wait = on_wait.unwrap_or_else(|| Box::new(|| ()));
                async move { lock::acquire(&connection, path, wait, on_wait).await }
            })
            .await?;
        self.shared.locks.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&lock.held));
        Ok(Box::new(lock))
    }

    fn attach(&self, argv: Vec<String>) -> AttachPlan {
        self.shared.target.attach(argv)
    }
}
