//! Files by SFTP: one subsystem channel per connection, requests sent without waiting for each other.
//!
//! Round trips after the first use of a connection, which takes two more (the channel; subsystem and version).
//! sshd answers the requests of one channel in their order.

use std::future::Future;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream;
use mng_core::model::error::Error;
use mng_core::transports::{FileKind, FileStat};
use russh::ChannelMsg;
use russh_sftp::client::RawSftpSession;
use russh_sftp::client::error::Error as SftpError;
use russh_sftp::protocol::{FileAttributes, OpenFlags, Packet, StatusCode};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use crate::channel::{Fault, open};
use crate::connection::{Connection, background};
use crate::error::SshError;
use crate::piped::queue;

/// Longest wait for one answer.
const ANSWER: Duration = Duration::from_secs(30);
/// Bytes per read or write: what every server grants.
const PART: u32 = 32 * 1024;
/// Parts asked for before the size is known: small files are small.
const FIRST: u64 = 4;
/// Parts under way at once: 2 MiB, which fills 100 Mbit/s at a round trip of 150 ms.
const AHEAD: usize = 64;
const RENAME: &str = "posix-rename@openssh.com";
const FSYNC: &str = "fsync@openssh.com";

/// The file subsystem of one connection.
pub(crate) struct Sftp {
    raw: RawSftpSession,
    can_sync: bool,
    can_replace: bool,
    /// True once the channel has ended, which may be before the connection does.
    over: watch::Receiver<bool>,
}

impl Sftp {
    async fn start(connection: &Arc<Connection>) -> Result<Self, Fault> {
        let (channel, _) = open(connection, None, false).await.map_err(Fault::unsent)?;
        let (mut read, write) = channel.split();
        if write.request_subsystem(true, "sftp").await.is_err() {
            return Err(Fault::unsent(connection.line_lost(false)));
        }
        let waiting = Arc::new(Semaphore::new(Semaphore::MAX_PERMITS));
        let (sender, reader) = queue(&waiting);
        let writer = write.make_writer();
        let (tell, over) = watch::channel(false);
        // Ends with the channel, which ends with the connection.
        background(async move {
            // Kept, so that the channel stays ours.
            let _write = write;
            while let Some(message) = read.wait().await {
                let goes_on = match message {
                    ChannelMsg::Data { data } => sender.send(data.to_vec()).await,
                    other => !matches!(other, ChannelMsg::Failure | ChannelMsg::Close | ChannelMsg::Eof),
                };
                if !goes_on {
                    break;
                }
            }
            tell.send_replace(true);
        });
        let raw = RawSftpSession::new(tokio::io::join(reader, writer));
        raw.set_timeout(ANSWER.as_secs() * 2);
        let endpoint = connection.target.endpoint();
        let version = tokio::select! {
            version = timeout(ANSWER, raw.init()) => version,
            () = ended(&over), if !connection.is_lost() => return Err(Fault::Final(SshError::NoSftp { endpoint }.into())),
            () = connection.lost() => return Err(Fault::unsent(connection.line_lost(false))),
        };
        match version {
            Ok(Ok(version)) => Ok(Self {
                raw,
                can_sync: version.extensions.contains_key(FSYNC),
                can_replace: version.extensions.contains_key(RENAME),
                over,
            }),
            Ok(Err(error)) => {
                Err(Fault::Final(SshError::Protocol { endpoint, reason: error.to_string() }.into()))
            }
            Err(_) => Err(Fault::unsent(SshError::ConnectTimeout { endpoint, after: ANSWER })),
        }
    }
}

async fn ended(over: &watch::Receiver<bool>) {
    // An error means that the channel's task is gone.
    let _ = over.clone().wait_for(|over| *over).await;
}

/// What a request came to, when it is not its answer.
enum Trouble {
    /// No such file, or a file where a directory should be.
    Missing,
    Failed(io::Error),
    Fault(Fault),
}

/// The file operations of one connection.
pub(crate) struct Files<'a> {
    connection: &'a Arc<Connection>,
    sftp: Arc<Sftp>,
}

impl<'a> Files<'a> {
    pub(crate) async fn of(connection: &'a Arc<Connection>) -> Result<Self, Fault> {
        let mut kept = connection.sftp.lock().await;
        if let Some(sftp) = kept.as_ref().filter(|sftp| !*sftp.over.borrow()) {
            return Ok(Self { connection, sftp: Arc::clone(sftp) });
        }
        let sftp = Arc::new(Sftp::start(connection).await?);
        *kept = Some(Arc::clone(&sftp));
        Ok(Self { connection, sftp })
    }

    /// Waits for an answer, as long as there is a line.
    async fn ask<T>(&self, request: impl Future<Output = Result<T, SftpError>>) -> Result<T, Trouble> {
        let lost = |error| Trouble::Fault(Fault::Line { error, was_sent: true });
        let answer = tokio::select! {
            biased;
            answer = timeout(ANSWER, request) => answer,
            () = self.connection.lost() => return Err(lost(self.connection.line_lost(true))),
            () = ended(&self.sftp.over) => return Err(lost(self.connection.line_lost(true))),
        };
        match answer {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(SftpError::Status(status))) => Err(match status.status_code {
                StatusCode::NoSuchFile => Trouble::Missing,
                StatusCode::PermissionDenied => Trouble::Failed(ErrorKind::PermissionDenied.into()),
                StatusCode::Eof => Trouble::Failed(ErrorKind::UnexpectedEof.into()),
                StatusCode::ConnectionLost | StatusCode::NoConnection => {
                    lost(self.connection.line_lost(true))
                }
                _ => Trouble::Failed(io::Error::other(status.error_message)),
            }),
            Ok(Err(error)) if self.connection.is_lost() => {
                tracing::debug!(%error, "file request lost");
                Err(lost(self.connection.line_lost(true)))
            }
            Ok(Err(error)) => Err(Trouble::Failed(io::Error::other(error.to_string()))),
            Err(_) => {
                let endpoint = self.connection.target.endpoint();
                Err(lost(SshError::ConnectTimeout { endpoint, after: ANSWER }))
            }
        }
    }

    /// Two round trips for up to 128 KiB, then one more for every 2 MiB or less.
    pub(crate) async fn read(&self, path: &Path, from: u64, limit: u64) -> Result<Option<Vec<u8>>, Fault> {
        let what = || format!("read `{}`", path.display());
        let raw = &self.sftp.raw;
        let opened = raw.open(text(path), OpenFlags::READ, FileAttributes::empty());
        let handle = match self.ask(opened).await {
            Ok(handle) => handle.handle,
            Err(Trouble::Missing) => return Ok(None),
            Err(trouble) => return Err(fault(trouble, what)),
        };
        let result = self.read_handle(&handle, from, limit).await.map_err(|trouble| fault(trouble, what));
        self.close(handle).await;
        result.map(Some)
    }

    /// Sends the request and does not wait for its answer, which says nothing after a read.
    async fn close(&self, handle: String) {
        let close = self.sftp.raw.close(handle);
        tokio::pin!(close);
        let _ = futures_util::poll!(close);
    }

    async fn read_handle(&self, handle: &str, from: u64, limit: u64) -> Result<Vec<u8>, Trouble> {
        let raw = &self.sftp.raw;
        let end = from.saturating_add(limit);
        let mut bytes = Bytes { bytes: Vec::new(), from };
        let parts = parts(from, end, FIRST);
        let firsts = join_all(parts.iter().map(|&(at, count)| self.ask(raw.read(handle, at, count))));
        let (attributes, firsts) = tokio::join!(self.ask(raw.fstat(handle)), firsts);
        let size = attributes?.attrs.size.unwrap_or(0);
        let mut is_whole = true;
        for (&(at, count), data) in parts.iter().zip(firsts) {
            is_whole = bytes.add(at, count, eof_is_empty(data)?);
            if !is_whole {
                break;
            }
        }
        // The size is what was there a moment ago; files of `/proc` have none.
        while bytes.end() < end && (is_whole || bytes.end() < size || (size == 0 && !bytes.bytes.is_empty()))
        {
            let before = bytes.end();
            let known_end = if size > before { size.min(end) } else { end.min(before + u64::from(PART)) };
            let mut answers = stream::iter(parts_to(before, known_end))
                .map(|(at, count)| async move { (at, count, self.ask(raw.read(handle, at, count)).await) })
                .buffered(AHEAD);
            is_whole = true;
            while let Some((at, count, data)) = answers.next().await {
                is_whole = bytes.add(at, count, eof_is_empty(data)?);
                if !is_whole {
                    break;
                }
            }
            if bytes.end() == before {
                break;
            }
        }
        Ok(bytes.bytes)
    }

    /// Three round trips (look and open; write; rename), three more for a parent that is missing, two for a
    /// symlink. `is_durable` costs no more of them.
    pub(crate) async fn write(
        &self,
        path: &Path,
        bytes: &[u8],
        mode: u32,
        is_durable: bool,
    ) -> Result<(), Fault> {
        let what = || format!("write `{}`", path.display());
        let raw = &self.sftp.raw;
        let mut target = path.to_path_buf();
        let mut temp = sibling(&target);
        let (link, old, mut opened) = tokio::join!(
            self.ask(raw.lstat(text(&target))),
            self.ask(raw.stat(text(&target))),
            self.create(&temp, mode),
        );
        // The link is kept, and the file behind it replaced.
        if link.is_ok_and(|link| link.attrs.is_symlink()) && old.is_ok() {
            if let Ok(handle) = opened {
                self.close(handle).await;
                let _ = self.ask(raw.remove(text(&temp))).await;
            }
            let real = self.ask(raw.realpath(text(path))).await.map_err(|trouble| fault(trouble, what))?;
            target = real.files.first().map(|file| file.filename.clone().into()).unwrap_or(target);
            temp = sibling(&target);
            opened = self.create(&temp, mode).await;
        }
        if matches!(opened, Err(Trouble::Missing)) {
            self.create_dir(target.parent().unwrap_or(Path::new("/"))).await?;
            opened = self.create(&temp, mode).await;
        }
        let handle = opened.map_err(|trouble| fault(trouble, what))?;
        let mode = old.ok().and_then(|old| old.attrs.permissions).map_or(mode, |old| old & 0o7777);
        let mut result = self.fill(&handle, bytes, mode, is_durable).await;
        if result.is_ok() {
            result = self.replace(&temp, &target).await;
        }
        match result {
            Ok(()) => Ok(()),
            Err(trouble) => {
                let _ = self.ask(raw.remove(text(&temp))).await;
                Err(fault(trouble, what))
            }
        }
    }

    async fn create(&self, path: &Path, mode: u32) -> Result<String, Trouble> {
        let flags = OpenFlags::CREATE | OpenFlags::EXCLUDE | OpenFlags::WRITE;
        let opened = self.ask(self.sftp.raw.open(text(path), flags, permissions(mode))).await?;
        Ok(opened.handle)
    }

    async fn fill(&self, handle: &str, bytes: &[u8], mode: u32, is_durable: bool) -> Result<(), Trouble> {
        let raw = &self.sftp.raw;
        // Opening masks the mode.
        let set_mode = self.ask(raw.fsetstat(handle, permissions(mode)));
        let write = async {
            let mut answers = stream::iter(parts_to(0, bytes.len() as u64))
                .map(|(at, count)| {
                    // Counts of bytes in memory: they fit.
                    let part = &bytes[at as usize..][..count as usize];
                    self.ask(raw.write(handle, at, part.to_vec()))
                })
                .buffered(AHEAD);
            while let Some(answer) = answers.next().await {
                answer?;
            }
            Ok(())
        };
        let is_small = bytes.len() <= PART as usize * AHEAD;
        let finish = async {
            if is_durable && self.sftp.can_sync {
                self.ask(raw.fsync(handle)).await?;
            }
            Ok(())
        };
        let close = self.ask(raw.close(handle));
        let (mode, written, synced, closed) = if is_small {
            // Polled in this order, so sent in this order.
            tokio::join!(biased; set_mode, write, finish, close)
        } else {
            let (mode, written) = tokio::join!(set_mode, write);
            let (synced, closed) = tokio::join!(biased; finish, close);
            (mode, written, synced, closed)
        };
        mode?;
        written?;
        synced?;
        closed?;
        Ok(())
    }

    async fn replace(&self, from: &Path, to: &Path) -> Result<(), Trouble> {
        let raw = &self.sftp.raw;
        if self.sftp.can_replace {
            let mut data = Vec::new();
            for path in [text(from), text(to)] {
                data.extend(u32::try_from(path.len()).unwrap_or(u32::MAX).to_be_bytes());
                data.extend(path.as_bytes());
            }
            let answer = async {
                match raw.extended(RENAME, data).await? {
                    Packet::Status(status) if status.status_code == StatusCode::Ok => Ok(()),
                    Packet::Status(status) => Err(status.into()),
                    _ => Err(SftpError::UnexpectedPacket),
                }
            };
            return self.ask(answer).await;
        }
        // The plain rename of the protocol fails where a file is; without it nothing is lost.
        self.ask(raw.rename(text(from), text(to))).await.map(drop)
    }

    /// One round trip if the parent is there, else two.
    pub(crate) async fn create_dir(&self, path: &Path) -> Result<(), Fault> {
        let raw = &self.sftp.raw;
        let attributes = || permissions(0o700);
        let mut ancestors: Vec<&Path> = path.ancestors().filter(|dir| dir.parent().is_some()).collect();
        ancestors.reverse();
        let what = || format!("create the directory `{}`", path.display());
        let is_dir = |stat: Result<russh_sftp::protocol::Attrs, Trouble>| match stat {
            Ok(stat) => Ok(stat.attrs.is_dir()),
            Err(Trouble::Missing) => Ok(false),
            Err(trouble) => Err(fault(trouble, what)),
        };
        let (made, stat) = tokio::join!(
            biased;
            self.ask(raw.mkdir(text(path), attributes())),
            self.ask(raw.stat(text(path)))
        );
        if made.is_ok() || is_dir(stat)? {
            return Ok(());
        }
        let all = join_all(ancestors.iter().map(|dir| self.ask(raw.mkdir(text(dir), attributes()))));
        let (mut made, stat) = tokio::join!(biased; all, self.ask(raw.stat(text(path))));
        if is_dir(stat)? {
            return Ok(());
        }
        match made.pop() {
            Some(Err(Trouble::Missing)) | None | Some(Ok(_)) => Err(fault(Trouble::Missing, what)),
            Some(Err(trouble)) => Err(fault(trouble, what)),
        }
    }

    /// One round trip.
    pub(crate) async fn rename(&self, from: &Path, to: &Path) -> Result<(), Fault> {
        let what = || format!("rename `{}` to `{}`", from.display(), to.display());
        self.replace(from, to).await.map_err(|trouble| fault(trouble, what))
    }

    /// One round trip.
    pub(crate) async fn remove_file(&self, path: &Path) -> Result<(), Fault> {
        match self.ask(self.sftp.raw.remove(text(path))).await {
            Ok(_) | Err(Trouble::Missing) => Ok(()),
            Err(trouble) => Err(fault(trouble, || format!("remove `{}`", path.display()))),
        }
    }

    /// One round trip.
    pub(crate) async fn stat(&self, path: &Path) -> Result<Option<FileStat>, Fault> {
        let attributes = match self.ask(self.sftp.raw.lstat(text(path))).await {
            Ok(stat) => stat.attrs,
            Err(Trouble::Missing) => return Ok(None),
            Err(trouble) => return Err(fault(trouble, || format!("look at `{}`", path.display()))),
        };
        let kind = if attributes.is_symlink() {
            FileKind::Symlink
        } else if attributes.is_dir() {
            FileKind::Directory
        } else if attributes.is_regular() {
            FileKind::File
        } else {
            FileKind::Other
        };
        Ok(Some(FileStat {
            kind,
            size: attributes.size.unwrap_or(0),
            modified: SystemTime::UNIX_EPOCH + Duration::from_secs(attributes.mtime.unwrap_or(0).into()),
            mode: attributes.permissions.unwrap_or(0) & 0o7777,
        }))
    }
}

/// What was read so far, without gaps.
struct Bytes {
    bytes: Vec<u8>,
    from: u64,
}

impl Bytes {
    fn end(&self) -> u64 {
        self.from + self.bytes.len() as u64
    }

    /// Whether the part was all that was asked for, at the place where the bytes end.
    fn add(&mut self, at: u64, count: u32, data: Vec<u8>) -> bool {
        let is_next = at == self.end();
        if is_next {
            self.bytes.extend_from_slice(&data);
        }
        is_next && data.len() == count as usize
    }
}

fn eof_is_empty(data: Result<russh_sftp::protocol::Data, Trouble>) -> Result<Vec<u8>, Trouble> {
    match data {
        Ok(data) => Ok(data.data),
        Err(Trouble::Failed(error)) if error.kind() == ErrorKind::UnexpectedEof => Ok(Vec::new()),
        Err(trouble) => Err(trouble),
    }
}

fn parts_to(from: u64, end: u64) -> impl Iterator<Item = (u64, u32)> {
    (from..end).step_by(PART as usize).map(move |at| {
        let count = (end - at).min(u64::from(PART));
        (at, u32::try_from(count).unwrap_or(PART))
    })
}

fn parts(from: u64, end: u64, most: u64) -> Vec<(u64, u32)> {
    parts_to(from, end.min(from.saturating_add(most * u64::from(PART)))).collect()
}

fn fault(trouble: Trouble, what: impl FnOnce() -> String) -> Fault {
    match trouble {
        Trouble::Missing => Fault::Final(Error::io(what(), ErrorKind::NotFound.into())),
        Trouble::Failed(source) => Fault::Final(Error::io(what(), source)),
        Trouble::Fault(fault) => fault,
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn permissions(mode: u32) -> FileAttributes {
    FileAttributes { permissions: Some(mode), ..FileAttributes::empty() }
}

/// A name beside the file that nobody else takes; as local writes leave it behind when they are killed.
fn sibling(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{:016x}.tmp", fastrand::u64(..)))
}
