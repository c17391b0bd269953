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
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use crate::channel::{Fault, within};
use crate::connection::{Connection, background};
use crate::error::SshError;
use crate::piped;

/// Longest that taking a free lock may take.
const ANSWER: Duration = Duration::from_secs(30);

/// How long a holder that hears nothing keeps the lock: the machine behind it may have gone to sleep, or lost
/// the line for good, which sshd notices after hours.
const SILENCE: Duration = Duration::from_secs(300);
/// How often it hears from us.
const BEAT: Duration = Duration::from_secs(60);

/// `$1` is the file, `$2` a word that marks our lines, `$3` the seconds after which a silent line frees the lock. Without `flock(1)` (macOS) there is `lockf(1)`, which
/// locks a descriptor on newer systems only, else perl. The lock belongs to the open file, so it outlives the
/// program that took it, until the last process with descriptor 9 ends: this shell.
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
exec >/dev/null 2>&1
while :; do
    (
        exec 9>&- </dev/null
        sleep "$3" &
        trap 'kill $!' TERM
        wait $! && kill -s KILL $$
    ) &
    read -r beat || { kill $!; exit 0; }
    kill $!
done
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
    let request = ExecRequest::sh(
        SCRIPT,
        [path.to_string_lossy().into_owned(), mark.clone(), SILENCE.as_secs().to_string()],
    );
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
    background(async move {
        let (mut stdin, mut exit, mut released) = (stdin, exit, released);
        loop {
            tokio::select! {
                _ = &mut exit => break remember.has_ended.store(true, Ordering::SeqCst),
                _ = &mut released => {
                    drop(stdin);
                    let _: Result<Result<Option<i32>, Error>, _> = timeout(ANSWER, exit).await;
                    break;
                }
                () = tokio::time::sleep(BEAT) => {
                    let _ = timeout(ANSWER, stdin.write_all(b"\n")).await;
                }
            }
        }
        drop((lines, stderr));
    });
    Ok(RemoteLock { held, _connection: Arc::clone(connection), _release: release })
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, Write as _};
    use std::process::{Child, Command, Stdio};

    use mng_core::storage::FileLock;

    use super::*;

    /// A holder that waits for the silence of so many seconds, once it has the lock.
    fn hold(shell: &[&str], path: &Path, silence: &str) -> Child {
        let mut child = Command::new(shell[0])
            .args(&shell[1..])
            .args(["-c", SCRIPT, "sh"])
            .arg(path)
            .args(["mark", silence])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        std::io::BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "mark acquired\n", "{shell:?}");
        child
    }

    #[test]
    fn a_holder_lets_go_when_its_input_ends_and_not_before() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new/host_lock");
        for shell in [&["sh"][..], &["bash", "--posix"], &["busybox", "sh"]] {
            if Command::new(shell[0]).arg("--help").output().is_err() {
                continue;
            }
            let mut child = hold(shell, &path, "300");
            child.stdin.as_mut().unwrap().write_all(b"\n\n").unwrap();
            assert!(FileLock::is_held(&path), "{shell:?}");
            drop(child.stdin.take());
            assert!(child.wait().unwrap().success(), "{shell:?}");
            // Its watchdog ends a moment later.
            let freed = FileLock::acquire(&path, Some(Duration::from_secs(10)));
            assert!(freed.is_ok(), "{shell:?}");
        }
    }

    #[test]
    fn a_holder_that_hears_nothing_lets_go() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("host_lock");
        let mut child = hold(&["sh"], &path, "1");
        // Its input stays open meanwhile.
        let input = child.stdin.take();
        assert!(!child.wait().unwrap().success());
        assert!(FileLock::acquire(&path, Some(Duration::from_secs(10))).is_ok());
        drop(input);
    }
}
