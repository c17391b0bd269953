//! One ssh connection, and whether it is still there.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use russh::Preferred;
use russh::client::{self, DisconnectReason, Handle};
use russh::keys::PublicKeyOrCertificate;
use russh::keys::{Algorithm, PublicKey};
use tokio::process::Child;
use tokio::sync::{Mutex, Semaphore, watch};
use tokio::time::timeout;

use crate::auth;
use crate::error::SshError;
use crate::files::Sftp;
use crate::known_hosts::{self, KnownKey};
use crate::line;
use crate::stall::Impatient;
use crate::target::SshTarget;

/// Longest wait for greeting, key exchange and login. A very busy host takes more than 15 s.
const GREETING: Duration = Duration::from_secs(30);
/// Tries when a host takes the connection and then hangs up: sshd does so beyond `MaxStartups`.
const GREETINGS: u32 = 3;
/// Channels at once: two fewer than sshd grants by default (`MaxSessions 10`), for files and the lock.
const CHANNELS: usize = 8;

/// The callbacks of the ssh library for one machine.
pub(crate) struct Client {
    target: SshTarget,
    known: Vec<KnownKey>,
    /// Set, or dropped, when the connection ends.
    lost: watch::Sender<bool>,
}

/// What may end a connection attempt inside the ssh library.
#[derive(Debug)]
pub(crate) enum Ended {
    Ssh(russh::Error),
    HostKey(SshError),
}

impl From<russh::Error> for Ended {
    fn from(error: russh::Error) -> Self {
        Self::Ssh(error)
    }
}

impl client::Handler for Client {
    type Error = Ended;

    async fn check_server_key(&mut self, offered: &PublicKeyOrCertificate) -> Result<bool, Ended> {
        let key = match offered {
            PublicKeyOrCertificate::PublicKey { key, .. } => key.clone(),
            // Never asked for.
            PublicKeyOrCertificate::Certificate(certificate) => {
                PublicKey::from(certificate.public_key().clone())
            }
        };
        known_hosts::check(&self.target, &self.known, &key).map_err(Ended::HostKey)?;
        Ok(true)
    }

    async fn disconnected(&mut self, reason: DisconnectReason<Ended>) -> Result<(), Ended> {
        tracing::debug!(endpoint = %self.target.endpoint(), ?reason, "ssh connection ended");
        self.lost.send_replace(true);
        Ok(())
    }
}

/// An open connection on which commands and files share the line. Dropping it closes it.
pub(crate) struct Connection {
    pub(crate) target: SshTarget,
    pub(crate) handle: Handle<Client>,
    pub(crate) slots: Arc<Semaphore>,
    pub(crate) sftp: Mutex<Option<Arc<Sftp>>>,
    lost: watch::Receiver<bool>,
    /// What the line goes through; it ends with us.
    _jumps: Vec<Handle<Client>>,
    _children: Vec<Child>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("endpoint", &self.target.endpoint()).finish_non_exhaustive()
    }
}

impl Connection {
    /// Connects and logs in, machine by machine along the jumps.
    pub(crate) async fn open(target: &SshTarget) -> Result<Self, SshError> {
        let started = std::time::Instant::now();
        let mut jumps = Vec::new();
        let mut children = Vec::new();
        let chain = target.chain();
        let (last, before) = chain.split_last().unwrap_or((&target, &[]));
        for jump in before {
            let link = link(jump, jumps.last()).await?;
            children.extend(link.child);
            jumps.push(link.handle);
        }
        let link = link(last, jumps.last()).await?;
        children.extend(link.child);
        tracing::debug!(endpoint = %target.endpoint(), seconds = started.elapsed().as_secs_f64(), "ssh connected");
        Ok(Self {
            target: target.clone(),
            handle: link.handle,
            slots: Arc::new(Semaphore::new(CHANNELS)),
            sftp: Mutex::default(),
            lost: link.lost,
            _jumps: jumps,
            _children: children,
        })
    }

    pub(crate) fn is_lost(&self) -> bool {
        *self.lost.borrow() || self.lost.has_changed().is_err() || self.handle.is_closed()
    }

    /// Ready once the connection has ended.
    pub(crate) async fn lost(&self) {
        let mut lost = self.lost.clone();
        // An error means that the sender is gone, and with it the connection.
        let _ = lost.wait_for(|lost| *lost).await;
    }

    pub(crate) fn line_lost(&self, may_have_run: bool) -> SshError {
        SshError::LineLost { endpoint: self.target.endpoint(), may_have_run }
    }
}

/// Goes on beside its caller; ends by itself when the connection does.
#[expect(clippy::disallowed_methods, reason = "it serves a connection, and ends with it or before")]
pub(crate) fn background<F>(work: F) -> tokio::task::JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    tokio::spawn(work)
}

struct Link {
    handle: Handle<Client>,
    lost: watch::Receiver<bool>,
    child: Option<Child>,
}

/// One machine, logged in.
async fn link(target: &SshTarget, via: Option<&Handle<Client>>) -> Result<Link, SshError> {
    let known = known_hosts::keys_of(target)?;
    let mut tries = 0;
    let mut link = loop {
        tries += 1;
        match greet(target, via, &known).await {
            Err(SshError::Banner { .. }) if tries < GREETINGS => {
                // The others that were let in need a moment to log in.
                let pause = Duration::from_millis(fastrand::u64(50..250) * u64::from(tries));
                tokio::time::sleep(pause).await;
            }
            other => break other?,
        }
    };
    timeout(GREETING, auth::log_in(&mut link.handle, target))
        .await
        .map_err(|_| SshError::ConnectTimeout { endpoint: target.endpoint(), after: GREETING })??;
    Ok(link)
}

/// Line, greeting and key exchange.
async fn greet(
    target: &SshTarget,
    via: Option<&Handle<Client>>,
    known: &[KnownKey],
) -> Result<Link, SshError> {
    let endpoint = target.endpoint();
    let line = line::open(target, via).await?;
    let (sender, lost) = watch::channel(false);
    let client = Client { target: target.clone(), known: known.to_vec(), lost: sender };
    let config = Arc::new(config(target, known));
    // As long as unanswered keep-alives take.
    let patience = target.keep_alive.max(Duration::from_secs(1)) * 4;
    let stream = Impatient::new(line.stream, patience);
    match timeout(GREETING, client::connect_stream(config, stream, client)).await {
        Ok(Ok(handle)) => Ok(Link { handle, lost, child: line.child }),
        Ok(Err(Ended::HostKey(error))) => Err(error),
        Ok(Err(Ended::Ssh(error))) => Err(match error {
            russh::Error::HUP | russh::Error::IO(_) | russh::Error::Disconnect | russh::Error::Version => {
                SshError::Banner { endpoint, reason: error.to_string() }
            }
            other => SshError::Protocol { endpoint, reason: other.to_string() },
        }),
        Err(_) => Err(SshError::ConnectTimeout { endpoint, after: GREETING }),
    }
}

fn config(target: &SshTarget, known: &[KnownKey]) -> client::Config {
    client::Config {
        keepalive_interval: Some(target.keep_alive),
        keepalive_max: 3,
        // The reader of a channel holds the whole connection up when this is full.
        channel_buffer_size: 256,
        preferred: Preferred { key: key_types(known).into(), ..Preferred::DEFAULT },
        ..client::Config::default()
    }
}

/// Types of key that known_hosts files list come first: a host has several, and offers the first one asked for.
fn key_types(known: &[KnownKey]) -> Vec<Algorithm> {
    let listed: BTreeSet<String> =
        known.iter().filter(|known| !known.is_revoked).map(|known| family(&known.key.algorithm())).collect();
    // SHA-1 signatures are forgeable.
    let mut types: Vec<Algorithm> = Preferred::DEFAULT.key.to_vec();
    types.retain(|kind| !matches!(kind, Algorithm::Rsa { hash: None }));
    types.sort_by_key(|kind| !listed.contains(&family(kind)));
    types
}

/// An RSA key signs with several hashes and is one type.
fn family(kind: &Algorithm) -> String {
    match kind {
        Algorithm::Rsa { .. } => "ssh-rsa".into(),
        other => other.to_string(),
    }
}
