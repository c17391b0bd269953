//! The lock of a host, held by a shell at the other end of a channel.
//!
//! The shell takes `flock` on the file, says so, and reads its input until that ends: with this process, with
//! the connection, or with the guard. Everybody else's `flock` on the same file waits meanwhile.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use mng_core::model::error::Error;
use mng_core::storage::LockError;
use mng_core::transports::{ExecRequest, LockGuard, PipedCommand};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use crate::channel::{Fault, within};
use crate::connection::Connection;
use crate::error::SshError;
use crate::piped;

/// Longest that taking a free lock may take.
const ANSWER: Duration = Duration::from_secs(30);

/// `$1` is the file, `$2` a word that marks our lines. Without `flock(1)` (macOS) there is `lockf(1)`, which
/// locks a descriptor on newer systems only, else perl. The lock belongs to the open file, so it outlives the
/// program that took it, until the last process with descriptor 9 ends: `cat`.
const SCRIPT: &str = r#"umask 077
case $1 in */*) mkdir -p -- "${1%/*}" 2>/dev/null ;; esac
( : >>"$1" ) || exit 1
exec 9>>"$1"
take() { flock -n 9; }
await() { flock 9; }
if ! command -v flock >/dev/null 2>&1; then
    by_perl='use Fcntl ":flock"; open(my $f, ">>&=", 9) or exit 2; exit(flock($f, $ARGV[0] ? LOCK_EX : LOCK_EX|LOCK_NB) ? 0 : 75)'
    lockf -s -t 0 9 2>/dev/null
    case $? in
    0|75)
        take() { lockf -s -t 0 9; }
        await() { lockf -s 9; } ;;
    *)
        command -v perl >/dev/null 2>&1 || { echo "$2 none"; exit 1; }
        take() { perl -e "$by_perl" 0; }
        await() { perl -e "$by_perl" 1; } ;;
    esac
fi
take || { echo "$2 waiting"; await || exit 1; }
echo "$2 acquired"
exec cat >/dev/null
"#;

/// What the transport remembers of a lock that it holds.
#[derive(Debug)]
pub(crate) struct Held {
    connection: Weak<Connection>,
    path: PathBuf,
    has_ended: AtomicBool,
}

impl Held {
    /// The error to show if the lock is held no longer.
    pub(crate) fn lost(&self, endpoint: &str) -> Option<SshError> {
        let is_lost = self.has_ended.load(Ordering::SeqCst)
            || self.connection.upgrade().is_none_or(|connection| connection.is_lost());
        is_lost.then(|| SshError::LockLost { endpoint: endpoint.to_owned(), path: self.path.clone() })
    }
}

/// Releases on drop: the shell's input ends.
#[derive(Debug)]
pub(crate) struct RemoteLock {
    pub(crate) held: Arc<Held>,
    /// Keeps the connection open as long as the lock is held.
    _connection: Arc<Connection>,
    /// Dropping it tells the task to let go.
    _release: oneshot::Sender<()>,
}

impl LockGuard for RemoteLock {}

/// Two round trips for a free lock.
pub(crate) async fn acquire(
    connection: &Arc<Connection>,
    path: &Path,
    wait: Option<Duration>,
    on_wait: Box<dyn FnOnce() + Send>,
) -> Result<RemoteLock, Fault> {
    let started = Instant::now();
    let endpoint = connection.target.endpoint();
    let mark = format!("mng-lock-{:016x}", fastrand::u64(..));
    let request = ExecRequest::sh(SCRIPT, [path.to_string_lossy().into_owned(), mark.clone()]);
    // No slot: eight long commands must not keep a lock from being taken.
    let PipedCommand { stdin, stdout, mut stderr, exit } = piped::spawn(connection, &request, false).await?;
    let mut lines = BufReader::new(stdout).lines();
    let mut on_wait = Some(on_wait);
    let mut deadline = Some(started + ANSWER);
    let word = loop {
        let Some(line) = within(deadline, lines.next_line()).await else {
            // Dropping the command ends the shell.
            if on_wait.is_some() {
                return Err(Fault::unsent(SshError::ConnectTimeout { endpoint, after: ANSWER }));
            }
            return Err(Fault::Final(LockError::new(path, started.elapsed()).into()));
        };
        let line = line.ok().flatten();
        match line.as_deref().map(|line| line.strip_prefix(&mark).map(str::trim)) {
            Some(Some("waiting")) => {
                deadline = wait.map(|wait| started + wait);
                if wait.is_some_and(|wait| wait.is_zero()) {
                    return Err(Fault::Final(LockError::new(path, Duration::ZERO).into()));
                }
                if let Some(tell) = on_wait.take() {
                    tell();
                }
            }
            Some(Some(word)) => break Some(word.to_owned()),
            Some(None) => {}
            None => break None,
        }
    };
    match word.as_deref() {
        Some("acquired") => {}
        Some(_) => return Err(Fault::Final(SshError::NoLocks { endpoint }.into())),
        None => {
            if let Err(error) = exit.await {
                // Taking a lock twice is no harm, but whoever waits decides.
                return Err(if connection.is_lost() {
                    Fault::Line { error: connection.line_lost(false), was_sent: true }
                } else {
                    Fault::Final(error)
                });
            }
            let mut output = String::new();
            let _ = timeout(ANSWER, stderr.read_to_string(&mut output)).await;
            let output = output.trim().chars().take(300).collect();
            return Err(Fault::Final(
                SshError::LockFile { endpoint, path: path.to_path_buf(), output }.into(),
            ));
        }
    }
    let held = Arc::new(Held {
        connection: Arc::downgrade(connection),
        path: path.to_path_buf(),
        has_ended: AtomicBool::new(false),
    });
    let (release, released) = oneshot::channel::<()>();
    let remember = Arc::clone(&held);
    // Ends when the shell does, or a moment after the guard is dropped.
    tokio::spawn(async move {
        let mut exit = exit;
        tokio::select! {
            _ = &mut exit => remember.has_ended.store(true, Ordering::SeqCst),
            _ = released => {
                drop(stdin);
                let _: Result<Result<Option<i32>, Error>, _> = timeout(ANSWER, exit).await;
            }
        }
        drop((lines, stderr));
    });
    Ok(RemoteLock { held, _connection: Arc::clone(connection), _release: release })
}
