//! git, rsync and unison over a connection that is open already.
//!
//! These programs want to start `ssh` themselves. They get a helper in its place, which connects to a
//! private socket of ours; we start the remote half by [`Transport::spawn`] and copy the streams. So every
//! host that has a transport can be reached by them, without keys, addresses or a second log-in.
//!
//! The helper is this program itself, called by the name [`HELPER`]; where the socket is and the token that
//! opens it stand in its environment, never in its arguments.

mod frame;
mod helper;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

pub use helper::run_helper;

use self::frame::{Hello, Kind};
use super::{ExecRequest, PipedCommand, SHORT, Transport};
use crate::model::error::{Error, Result};
use crate::model::ids::random_hex;
use crate::storage;

/// The name by which this program is the helper: the last part of its `argv[0]`.
pub const HELPER: &str = "mng-relay-shell";

/// The host's name in URLs and arguments. It is never looked up.
pub const RELAY_HOST: &str = "mng-relay";

const SOCKET_VAR: &str = "MNG_RELAY_SOCKET";
const TOKEN_VAR: &str = "MNG_RELAY_TOKEN";

/// Commands at the same time. Further helpers wait for their turn.
const MOST: usize = 16;

/// How long output is waited for after a command has ended: what it left behind may hold its pipes open.
const AFTER_EXIT: Duration = Duration::from_millis(500);

/// Longest path of a unix socket that every system takes, in bytes.
const LONGEST_SOCKET: usize = 100;

/// An open way for other programs to a host. Ends, with all that runs through it, when it is dropped.
///
/// Its work is done while the caller awaits something, so the other program has to be awaited as well.
#[derive(Debug)]
pub struct Relay {
    dir: PrivateDir,
    token: String,
    /// One task that owns all others.
    _server: JoinSet<()>,
}

impl Relay {
    /// Opens the socket. Needs a runtime.
    ///
    /// # Errors
    /// No private directory or no socket can be made.
    pub fn open(transport: Arc<dyn Transport>) -> Result<Self> {
        let dir = PrivateDir::make()?;
        place_helper(&dir.helper())?;
        let socket = dir.socket();
        let listener = UnixListener::bind(&socket)
            .map_err(|error| Error::io(format!("listen on `{}`", socket.display()), error))?;
        let token = format!("{}{}", random_hex(), random_hex());
        let mut server = JoinSet::new();
        server.spawn(serve(listener, transport, token.clone()));
        Ok(Self { dir, token, _server: server })
    }

    /// The variables that every program which starts the helper needs. The token is a secret of this run.
    #[must_use]
    pub fn env(&self) -> BTreeMap<String, String> {
        BTreeMap::from([
            (SOCKET_VAR.to_owned(), self.dir.socket().to_string_lossy().into_owned()),
            (TOKEN_VAR.to_owned(), self.token.clone()),
        ])
    }

    /// The variables for a git that talks to [`Relay::git_url`].
    #[must_use]
    pub fn git_env(&self) -> BTreeMap<String, String> {
        let mut env = self.env();
        env.insert("GIT_SSH_COMMAND".into(), self.shell());
        env.insert("GIT_SSH_VARIANT".into(), "ssh".into());
        env
    }

    /// A repository on the host, as git on this machine names it.
    #[must_use]
    pub fn git_url(path: &Path) -> String {
        use std::os::unix::ffi::OsStrExt as _;
        let bytes = path.as_os_str().as_bytes();
        // git takes `/~x` for a home.
        let mut url = format!("ssh://{RELAY_HOST}{}", if bytes.starts_with(b"/~") { "/." } else { "" });
        for &byte in bytes {
            if byte.is_ascii_alphanumeric() || b"/._-+,=@~".contains(&byte) {
                url.push(char::from(byte));
            } else {
                let _ = write!(url, "%{byte:02X}");
            }
        }
        url
    }

    /// The helper as one word without anything that a shell or rsync reads: for `rsync -e` and
    /// `unison -sshcmd`. It wants [`Relay::env`]; hosts are called [`RELAY_HOST`].
    #[must_use]
    pub fn shell(&self) -> String {
        self.dir.helper().to_string_lossy().into_owned()
    }
}

/// A directory that nobody else may enter, removed when it is dropped.
#[derive(Debug)]
struct PrivateDir(PathBuf);

impl PrivateDir {
    fn make() -> Result<Self> {
        let name = format!("mng-relay-{}", &random_hex()[..12]);
        let usual = std::env::temp_dir();
        // No quoting rule is shared by git, rsync and unison, so the path needs none.
        let is_plain = usual.to_str().is_some_and(crate::model::shell::is_plain_word);
        let is_short = usual.as_os_str().len() + name.len() + 8 < LONGEST_SOCKET;
        let base = if is_plain && is_short { usual } else { PathBuf::from("/tmp") };
        let path = base.join(name);
        storage::create_private_dir(&path)?;
        Ok(Self(path))
    }

    fn socket(&self) -> PathBuf {
        self.0.join("s")
    }

    fn helper(&self) -> PathBuf {
        self.0.join(HELPER)
    }
}

impl Drop for PrivateDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A link: it works on a file system without programs, and however the path of this program is spelt.
#[cfg(not(test))]
fn place_helper(at: &Path) -> Result<()> {
    let program = std::env::current_exe().map_err(|error| Error::io("find mng itself", error))?;
    std::os::unix::fs::symlink(program, at)
        .map_err(|error| Error::io(format!("create `{}`", at.display()), error))
}

#[cfg(test)]
use tests::place_helper;

async fn serve(listener: UnixListener, transport: Arc<dyn Transport>, token: String) {
    let mut running = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if running.len() < MOST => match accepted {
                Ok((stream, _)) => {
                    running.spawn(answer(stream, Arc::clone(&transport), token.clone()));
                }
                // Out of file descriptors, mostly: those who wait are not lost.
                Err(error) => {
                    tracing::debug!(%error, "relay cannot accept");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
            Some(_) = running.join_next() => {}
        }
    }
}

/// One helper, from its first frame to its exit code.
async fn answer(stream: UnixStream, transport: Arc<dyn Transport>, token: String) {
    let (mut from, to) = stream.into_split();
    let to = Mutex::new(to);
    let end = async {
        let hello = tokio::time::timeout(SHORT, frame::receive(&mut from)).await;
        let hello = hello.map_err(|_| Error::io("hear from the helper", io::ErrorKind::TimedOut.into()))?;
        let (kind, bytes) = hello.map_err(|error| Error::io("hear from the helper", error))?;
        let hello: Option<Hello> =
            serde_json::from_slice(&bytes).ok().filter(|hello: &Hello| is_same(&hello.token, &token));
        let Some(hello) = hello.filter(|_| kind == Kind::Hello) else {
            return Err(Error::io("let this helper in", io::ErrorKind::PermissionDenied.into()));
        };
        let request = ExecRequest::new(["sh", "-c", &hello.line]).envs(hello.env).timeout(None);
        relay(transport.spawn(request).await?, &mut from, &to).await
    };
    let result = end.await;
    let mut to = to.into_inner();
    let code = match result {
        Ok(code) => code,
        Err(error) => {
            tracing::debug!(%error, causes = ?error.causes(), "relay");
            let text = std::iter::once(error.to_string()).chain(error.causes()).collect::<Vec<_>>();
            let _ =
                frame::send(&mut to, Kind::Stderr, format!("mng: {}\n", text.join(": ")).as_bytes()).await;
            255
        }
    };
    let _ = frame::send(&mut to, Kind::Exit, code.to_string().as_bytes()).await;
    let _ = to.shutdown().await;
}

/// Compares in a time that does not depend on where they differ.
fn is_same(one: &str, other: &str) -> bool {
    one.len() == other.len() && one.bytes().zip(other.bytes()).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}

/// Copies until the command has ended, or the helper is gone, which ends the command.
async fn relay(command: PipedCommand, from: &mut OwnedReadHalf, to: &Mutex<OwnedWriteHalf>) -> Result<i32> {
    let PipedCommand { stdin, stdout, stderr, mut exit } = command;
    let (ended, is_ended) = tokio::sync::watch::channel(false);
    let output = async {
        tokio::try_join!(
            pass_on(stdout, Kind::Stdout, to, is_ended.clone()),
            pass_on(stderr, Kind::Stderr, to, is_ended.clone()),
        )
    };
    let finish = async {
        let wait = async {
            let code = exit.as_mut().await;
            let _ = ended.send(true);
            code
        };
        let (code, output) = tokio::join!(wait, output);
        output.map_err(|error| Error::io("answer the helper", error))?;
        // What a signal ended has no exit code; `ssh` says 255.
        code.map(|code| code.unwrap_or(255))
    };
    tokio::select! {
        code = finish => code,
        () = take_in(stdin, from) => Err(Error::io("hear from the helper", io::ErrorKind::UnexpectedEof.into())),
    }
}

/// Standard input, frame by frame; returns when the helper is gone. A command that reads no more does not
/// hinder it: its exit code tells the story.
async fn take_in(stdin: Box<dyn tokio::io::AsyncWrite + Send + Unpin>, from: &mut OwnedReadHalf) {
    let mut stdin = Some(stdin);
    loop {
        match frame::receive(from).await {
            Ok((Kind::Stdin, bytes)) if bytes.is_empty() => {
                if let Some(mut pipe) = stdin.take() {
                    let _ = pipe.shutdown().await;
                }
            }
            Ok((Kind::Stdin, bytes)) => {
                if let Some(pipe) = &mut stdin
                    && (pipe.write_all(&bytes).await.is_err() || pipe.flush().await.is_err())
                {
                    stdin = None;
                }
            }
            _ => return,
        }
    }
}

/// One stream of the command to the helper.
async fn pass_on(
    mut stream: impl AsyncRead + Unpin,
    kind: Kind,
    to: &Mutex<OwnedWriteHalf>,
    mut is_ended: tokio::sync::watch::Receiver<bool>,
) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let late = async {
            // The sender lives as long as we do.
            let _ = is_ended.wait_for(|ended| *ended).await;
            tokio::time::sleep(AFTER_EXIT).await;
        };
        let count = tokio::select! {
            biased;
            count = stream.read(&mut buffer) => count?,
            () = late => 0,
        };
        if count == 0 {
            return Ok(());
        }
        frame::send(&mut *to.lock().await, kind, &buffer[..count]).await?;
    }
}
