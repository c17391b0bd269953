//! Channels of a connection, and the command that runs on one.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use mng_core::model::error::Error;
use mng_core::transports::ExecRequest;
use russh::client::Msg;
use russh::{Channel, ChannelMsg, ChannelWriteHalf, Sig};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::{Instant, timeout, timeout_at};

use crate::command::Fence;
use crate::connection::Connection;
use crate::error::SshError;

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
    let deadline = Some(deadline.unwrap_or_else(|| Instant::now() + PATIENCE));
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
    tokio::spawn(async move {
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
    user: Option<String>,
    /// The process on the host, once it has told.
    pub(crate) pid: Option<u32>,
    has_ended: bool,
    /// Given back when the channel is closed.
    slot: Option<OwnedSemaphorePermit>,
}

impl Running {
    pub(crate) fn new(
        connection: &Arc<Connection>,
        write: ChannelWriteHalf<Msg>,
        user: Option<String>,
        slot: Option<OwnedSemaphorePermit>,
    ) -> Self {
        let connection = Arc::clone(connection);
        Self { connection, write: Arc::new(write), user, pid: None, has_ended: false, slot }
    }

    /// The command ended by itself, or the line did.
    pub(crate) fn ended(&mut self) {
        self.has_ended = true;
    }

    /// Ends the command's process group now.
    pub(crate) async fn kill(mut self) {
        self.has_ended = true;
        let killing = end(Arc::clone(&self.connection), Arc::clone(&self.write), self.user.take(), self.pid);
        let _ = timeout(KILL, killing).await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Without a runtime the program is ending, and with it the connection.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (write, slot) = (Arc::clone(&self.write), self.slot.take());
        if self.has_ended {
            runtime.spawn(async move {
                let _ = timeout(KILL, write.close()).await;
                drop(slot);
            });
            return;
        }
        let killing = end(Arc::clone(&self.connection), write, self.user.take(), self.pid);
        runtime.spawn(async move {
            let _ = timeout(KILL, killing).await;
            drop(slot);
        });
    }
}

/// Signals both ways: sshd refuses the request of the protocol for some logins, and the command may not have
/// told its number yet.
async fn end(
    connection: Arc<Connection>,
    write: Arc<ChannelWriteHalf<Msg>>,
    user: Option<String>,
    pid: Option<u32>,
) {
    let _ = write.signal(Sig::KILL).await;
    if let Some(pid) = pid {
        let request = ExecRequest { user, ..ExecRequest::sh(KILL_SCRIPT, [pid.to_string()]) };
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
}
