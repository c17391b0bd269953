//! Channels of a connection, and the command that runs on one.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use mng_core::model::error::Error;
use mng_core::transports::{Chunk, ExecRequest};
use russh::client::Msg;
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Sig};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::{Instant, timeout, timeout_at};

use crate::command::Fence;
use crate::connection::{Connection, background};
use crate::error::SshError;
use crate::exec::End;

/// Longest wait for a host that refuses channels, when the caller sets no deadline.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longest that ending a command may take.
const KILL: Duration = Duration::from_secs(3);

/// Ends what the process `$1` leads: its group, or itself where it leads none.
const KILL_SCRIPT: &str = r#"kill -s KILL -- "-$1" 2>/dev/null || kill -s KILL "$1""#;

/// Why something on a host did not come to its end.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The line failed. `was_sent`: the host may have begun.
    Line { error: SshError, was_sent: bool },
    /// Another try would end the same way.
    Final(Error),
}

impl Fault {
    pub(crate) fn unsent(error: SshError) -> Self {
        Self::Line { error, was_sent: false }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Final(error)
    }
}

/// The future's result, or `None` at the deadline.
pub(crate) async fn within<T>(deadline: Option<Instant>, future: impl Future<Output = T>) -> Option<T> {
    match deadline {
        Some(deadline) => timeout_at(deadline, future).await.ok(),
        None => Some(future.await),
    }
}

/// A session channel and the place it takes. A refused channel is asked for again: others will end, and the
/// connection is as good as before.
pub(crate) async fn open(
    connection: &Arc<Connection>,
    deadline: Option<Instant>,
    takes_slot: bool,
) -> Result<(Channel<Msg>, Option<OwnedSemaphorePermit>), SshError> {
    let started = Instant::now();
    let deadline = Some(deadline.unwrap_or(started + PATIENCE));
    let no_channel = || SshError::NoChannel { endpoint: connection.target.endpoint() };
    let slot = if takes_slot {
        let slots = Arc::clone(&connection.slots);
        let slot = tokio::select! {
            slot = within(deadline, slots.acquire_owned()) => slot.ok_or_else(no_channel)?,
            () = connection.lost() => return Err(connection.line_lost(false)),
        };
        slot.ok()
    } else {
        None
    };
    let mut pause = Duration::from_millis(20);
    loop {
        let opened = within(deadline, request_channel(connection)).await;
        match opened {
            Some(Ok(channel)) => return Ok((channel, slot)),
            Some(Err(russh::Error::ChannelOpenFailure(reason))) => {
                tracing::debug!(?reason, "channel refused");
                within(deadline, tokio::time::sleep(pause)).await.ok_or_else(no_channel)?;
                pause = (pause * 2).min(Duration::from_millis(500));
            }
            Some(Err(_)) => return Err(connection.line_lost(false)),
            None => {
                return Err(SshError::ConnectTimeout {
                    endpoint: connection.target.endpoint(),
                    after: PATIENCE,
                });
            }
        }
    }
}

/// The request goes on when nobody waits any more: a channel that opens then has to be closed.
async fn request_channel(connection: &Arc<Connection>) -> Result<Channel<Msg>, russh::Error> {
    let (sender, receiver) = oneshot::channel();
    let connection = Arc::clone(connection);
    background(async move {
        let opened = connection.handle.channel_open_session().await;
        if let Err(Ok(channel)) = sender.send(opened) {
            let _ = channel.close().await;
        }
    });
    receiver.await.unwrap_or(Err(russh::Error::Disconnect))
}

/// A command on its channel. Dropping it before [`Running::ended`] ends the command.
pub(crate) struct Running {
    connection: Arc<Connection>,
    pub(crate) write: Arc<ChannelWriteHalf<Msg>>,
    /// Taken out when the command is ended.
    inner: Option<Inner>,
    has_ended: bool,
}

struct Inner {
    read: ChannelReadHalf,
    end: End,
    user: Option<String>,
    /// Given back when the channel is closed.
    slot: Option<OwnedSemaphorePermit>,
}

impl Running {
    /// Sends the command: from here on it may run.
    ///
    /// # Errors
    /// A request that cannot be written as a command line, or a line that is lost.
    pub(crate) async fn start(
        connection: &Arc<Connection>,
        request: &ExecRequest,
        deadline: Option<Instant>,
        takes_slot: bool,
    ) -> Result<Self, Fault> {
        let fence = Fence::new();
        let line = fence.line(request, &connection.target.user)?;
        let (channel, slot) = open(connection, deadline, takes_slot).await.map_err(Fault::unsent)?;
        let (read, write) = channel.split();
        let inner = Inner { read, end: End::new(&fence), user: request.user.clone(), slot };
        let mut running = Self {
            connection: Arc::clone(connection),
            write: Arc::new(write),
            inner: Some(inner),
            has_ended: false,
        };
        if running.write.exec(true, line).await.is_err() {
            running.has_ended = true;
            return Err(Fault::Line { error: connection.line_lost(true), was_sent: true });
        }
        Ok(running)
    }

    /// The next message; `None` when the line is lost.
    pub(crate) async fn wait(&mut self) -> Option<ChannelMsg> {
        match &mut self.inner {
            Some(inner) => inner.read.wait().await,
            None => None,
        }
    }

    /// Takes a message in; whether it was the last one.
    pub(crate) fn take(&mut self, message: ChannelMsg, on_chunk: &mut (dyn FnMut(Chunk) + Send)) -> bool {
        self.inner.as_mut().is_none_or(|inner| inner.end.take(message, on_chunk))
    }

    /// Whether the command has told its exit code or signal.
    pub(crate) fn has_exited(&self) -> bool {
        self.inner.as_ref().is_none_or(|inner| inner.end.has_exited)
    }

    /// The command ended by itself: how, or why it did not even start.
    pub(crate) fn finish(mut self, request: &ExecRequest) -> Result<Option<i32>, Error> {
        self.has_ended = true;
        let Some(inner) = &self.inner else { return Ok(None) };
        inner.end.judge(&self.connection, request)?;
        Ok(inner.end.code)
    }

    /// The line is lost, so there is nothing to end.
    pub(crate) fn lost(mut self) -> SshError {
        self.has_ended = true;
        self.connection.line_lost(true)
    }

    /// Ends the command's process group now.
    pub(crate) async fn kill(mut self) {
        self.has_ended = true;
        if let Some(inner) = self.inner.take() {
            let _ = timeout(KILL, end(Arc::clone(&self.connection), Arc::clone(&self.write), inner)).await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Without a runtime the program is ending, and with it the connection.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let Some(inner) = self.inner.take() else { return };
        let (connection, write) = (Arc::clone(&self.connection), Arc::clone(&self.write));
        if self.has_ended {
            runtime.spawn(async move {
                let _ = timeout(KILL, write.close()).await;
                drop(inner);
            });
            return;
        }
        runtime.spawn(async move {
            let _ = timeout(KILL, end(connection, write, inner)).await;
        });
    }
}

/// Signals both ways: sshd grants the request of the protocol to ordinary users only, and `kill` needs a number
/// that the command tells a moment after its start.
async fn end(connection: Arc<Connection>, write: Arc<ChannelWriteHalf<Msg>>, mut inner: Inner) {
    let _ = write.signal(Sig::KILL).await;
    while inner.end.pid().is_none() {
        let Some(message) = inner.read.wait().await else { return };
        if inner.end.take(message, &mut |_| {}) {
            break;
        }
    }
    if let Some(pid) = inner.end.pid().filter(|_| !inner.end.has_exited) {
        let request =
            ExecRequest { user: inner.user.take(), ..ExecRequest::sh(KILL_SCRIPT, [pid.to_string()]) };
        let line = Fence::new().line(&request, &connection.target.user);
        if let (Ok(line), Ok((mut channel, _))) = (line, open(&connection, None, false).await)
            && channel.exec(true, line).await.is_ok()
        {
            while let Some(message) = channel.wait().await {
                if matches!(message, ChannelMsg::Close | ChannelMsg::ExitStatus { .. } | ChannelMsg::Failure)
                {
                    break;
                }
            }
            let _ = channel.close().await;
        }
    }
    let _ = write.close().await;
    drop(inner.slot);
}
