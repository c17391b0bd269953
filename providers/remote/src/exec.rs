//! A command from start to end, its output handed out as it comes.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use mng_core::model::error::Error;
use mng_core::transports::{Chunk, ExecOutput, ExecRequest, TransportError};
use russh::ChannelMsg;
use tokio::time::{Instant, sleep};

use crate::channel::{Fault, Running};
use crate::command::{Fence, Gate};
use crate::connection::Connection;
use crate::error::SshError;

/// How long output may still come after the command's end. A daemon that the command left behind may hold the
/// pipes open for ever.
pub(crate) const AFTER_EXIT: Duration = Duration::from_millis(300);

/// Runs the command once. Two round trips: the channel, then command, input and output.
pub(crate) async fn run(
    connection: &Arc<Connection>,
    request: &ExecRequest,
    deadline: Option<Instant>,
    on_chunk: &mut (dyn FnMut(Chunk) + Send),
) -> Result<ExecOutput, Fault> {
    let mut running = Running::start(connection, request, deadline, true).await?;
    let (write, input) = (Arc::clone(&running.write), request.stdin.clone().unwrap_or_default());
    let feed = async move {
        // A program that stops reading closes the pipe; its exit code tells the story.
        let _ = write.data_bytes(input).await;
        let _ = write.eof().await;
    };
    tokio::pin!(feed);
    let mut is_fed = false;
    loop {
        let has_exited = running.has_exited();
        let message = tokio::select! {
            biased;
            message = running.wait() => message,
            () = &mut feed, if !is_fed => {
                is_fed = true;
                continue;
            }
            () = sleep_until(deadline) => {
                running.kill().await;
                return Ok(ExecOutput { is_timed_out: true, ..ExecOutput::default() });
            }
            () = sleep(AFTER_EXIT), if has_exited => break,
        };
        let is_over = match message {
            Some(message) => running.take(message, on_chunk),
            None if has_exited => true,
            None => return Err(Fault::Line { error: running.lost(), was_sent: true }),
        };
        if is_over {
            break;
        }
    }
    let code = running.finish(request)?;
    Ok(ExecOutput { code, ..ExecOutput::default() })
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// What is known of a command's end.
#[derive(Debug)]
pub(crate) struct End {
    stdout: Gate,
    stderr: Gate,
    is_refused: bool,
    is_eof: bool,
    pub(crate) has_exited: bool,
    /// `None` after a signal.
    pub(crate) code: Option<i32>,
}

impl End {
    pub(crate) fn new(fence: &Fence) -> Self {
        Self {
            stdout: fence.stdout(),
            stderr: fence.stderr(),
            is_refused: false,
            is_eof: false,
            has_exited: false,
            code: None,
        }
    }

    /// Takes a message in; whether it was the last one.
    pub(crate) fn take(&mut self, message: ChannelMsg, on_chunk: &mut (dyn FnMut(Chunk) + Send)) -> bool {
        match message {
            ChannelMsg::Data { data } => {
                let bytes = self.stdout.pass(&data);
                if !bytes.is_empty() {
                    on_chunk(Chunk::Stdout(bytes));
                }
            }
            ChannelMsg::ExtendedData { data, .. } => {
                let bytes = self.stderr.pass(&data);
                if !bytes.is_empty() {
                    on_chunk(Chunk::Stderr(bytes));
                }
            }
            ChannelMsg::ExitStatus { exit_status } => {
                self.has_exited = true;
                self.code = Some(i32::try_from(exit_status).unwrap_or(i32::MAX));
            }
            ChannelMsg::ExitSignal { .. } => self.has_exited = true,
            ChannelMsg::Eof => self.is_eof = true,
            ChannelMsg::Failure => {
                self.is_refused = true;
                return true;
            }
            ChannelMsg::Close => return true,
            _ => {}
        }
        self.is_eof && self.has_exited
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.stdout.word()?.parse().ok()
    }

    /// Whether the program was started at all.
    pub(crate) fn judge(&self, connection: &Connection, request: &ExecRequest) -> Result<(), Error> {
        match self.stderr.word() {
            Some("ok") if !self.is_refused => Ok(()),
            Some("cwd") => {
                let dir = request.cwd.clone().unwrap_or_default();
                Err(Error::io(format!("enter `{}`", dir.display()), ErrorKind::NotFound.into()))
            }
            Some("missing") => {
                let program = request.argv.first().cloned().unwrap_or_default();
                Err(TransportError::NotStarted { program, source: ErrorKind::NotFound.into() }.into())
            }
            _ => {
                let mut output = self.stderr.noise();
                if output.is_empty() {
                    output = self.stdout.noise();
                }
                Err(SshError::NotRun { endpoint: connection.target.endpoint(), output }.into())
            }
        }
    }
}
