//! Commands whose streams are in the caller's hands, and the queues under them.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use mng_core::model::error::Result;
use mng_core::transports::{Chunk, ExecRequest, PipedCommand};
use russh::ChannelWriteHalf;
use russh::client::Msg;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::sleep;

use crate::channel::{Fault, Running};
use crate::connection::{Connection, background};
use crate::exec::AFTER_EXIT;

/// Most bytes that wait for a reader. A channel that is not read holds up the whole connection, so a slow
/// reader gets this much of a lead before it does.
const MOST_WAITING: usize = 64 * 1024 * 1024;

/// Starts the command once. One round trip before this returns; what the command then says comes by itself.
pub(crate) async fn spawn(
    connection: &Arc<Connection>,
    request: &ExecRequest,
    takes_slot: bool,
) -> std::result::Result<PipedCommand, Fault> {
    let running = Running::start(connection, request, None, takes_slot).await?;
    let waiting = Arc::new(Semaphore::new(MOST_WAITING));
    let (out, stdout) = queue(&waiting);
    let (err, stderr) = queue(&waiting);
    let stdin = Input::new(Arc::clone(&running.write));
    let (ended, exit) = oneshot::channel();
    let pump = Pump { out: Some(out), err: Some(err) };
    let task = AbortOnDrop(background(pump.run(running, request.clone(), ended)));
    let connection = Arc::clone(connection);
    let exit = Box::pin(async move {
        let result = exit.await.unwrap_or_else(|_| Err(connection.line_lost(true).into()));
        drop(task);
        result
    });
    Ok(PipedCommand { stdin: Box::new(stdin), stdout: Box::new(stdout), stderr: Box::new(stderr), exit })
}

/// Nobody waits for the command any more: its task drops [`Running`], which ends it.
struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Moves messages to the queues, so that the channel is always read.
struct Pump {
    out: Option<Sender>,
    err: Option<Sender>,
}

impl Pump {
    async fn run(
        mut self,
        mut running: Running,
        request: ExecRequest,
        ended: oneshot::Sender<Result<Option<i32>>>,
    ) {
        let result = loop {
            let has_exited = running.has_exited();
            let message = tokio::select! {
                biased;
                message = running.wait() => message,
                () = sleep(AFTER_EXIT), if has_exited => break running.finish(&request),
            };
            let Some(message) = message else {
                break if has_exited { running.finish(&request) } else { Err(running.lost().into()) };
            };
            let mut chunks = Vec::new();
            let is_over = running.take(message, &mut |chunk| chunks.push(chunk));
            for chunk in chunks {
                self.pass_on(chunk).await;
            }
            if is_over {
                break running.finish(&request);
            }
        };
        let _ = ended.send(result);
    }

    async fn pass_on(&mut self, chunk: Chunk) {
        let (queue, bytes) = match chunk {
            Chunk::Stdout(bytes) => (&mut self.out, bytes),
            Chunk::Stderr(bytes) => (&mut self.err, bytes),
        };
        // Whoever dropped the stream does not want the rest.
        if let Some(sender) = queue
            && !sender.send(bytes).await
        {
            *queue = None;
        }
    }
}

/// A queue of bytes between a channel and a reader.
pub(crate) fn queue(waiting: &Arc<Semaphore>) -> (Sender, Reader) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let sender = Sender { sender, waiting: Arc::clone(waiting) };
    (sender, Reader { receiver, waiting: Arc::clone(waiting), bytes: Vec::new(), at: 0 })
}

pub(crate) struct Sender {
    sender: mpsc::UnboundedSender<Vec<u8>>,
    waiting: Arc<Semaphore>,
}

impl Sender {
    /// Waits while too much waits already; whether there is still a reader.
    pub(crate) async fn send(&self, bytes: Vec<u8>) -> bool {
        let count = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let permit = tokio::select! {
            permit = self.waiting.acquire_many(count) => permit,
            () = self.sender.closed() => return false,
        };
        if let Ok(permit) = permit {
            permit.forget();
        }
        self.sender.send(bytes).is_ok()
    }
}

pub(crate) struct Reader {
    receiver: mpsc::UnboundedReceiver<Vec<u8>>,
    waiting: Arc<Semaphore>,
    bytes: Vec<u8>,
    at: usize,
}

impl AsyncRead for Reader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.at == self.bytes.len() {
            match ready!(self.receiver.poll_recv(cx)) {
                Some(bytes) => (self.bytes, self.at) = (bytes, 0),
                None => return Poll::Ready(Ok(())),
            }
        }
        let count = into.remaining().min(self.bytes.len() - self.at);
        into.put_slice(&self.bytes[self.at..self.at + count]);
        self.at += count;
        self.waiting.add_permits(count);
        Poll::Ready(Ok(()))
    }
}

impl Drop for Reader {
    /// What nobody will read holds the other stream up no longer.
    fn drop(&mut self) {
        self.receiver.close();
        let mut unread = self.bytes.len() - self.at;
        while let Ok(bytes) = self.receiver.try_recv() {
            unread += bytes.len();
        }
        self.waiting.add_permits(unread);
    }
}

/// A command's standard input; dropping it is the end of file.
struct Input {
    writer: Pin<Box<dyn AsyncWrite + Send>>,
    write: Arc<ChannelWriteHalf<Msg>>,
    is_shut: bool,
}

impl Input {
    fn new(write: Arc<ChannelWriteHalf<Msg>>) -> Self {
        Self { writer: Box::pin(write.make_writer()), write, is_shut: false }
    }
}

impl AsyncWrite for Input {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        // The library takes an empty write for a mistake.
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.writer.as_mut().poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer.as_mut().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = ready!(self.writer.as_mut().poll_shutdown(cx));
        self.is_shut = true;
        Poll::Ready(result)
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if !self.is_shut {
            let write = Arc::clone(&self.write);
            runtime.spawn(async move {
                let _ = write.eof().await;
            });
        }
    }
}
