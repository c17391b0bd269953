//! Logging in: keys from files and from the agent, never a password.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use russh::client::{AuthResult, Handle};
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{Algorithm, HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKey};
use russh::{MethodKind, MethodSet};
use tokio::net::UnixStream;

use crate::connection::Client;
use crate::error::SshError;
use crate::target::SshTarget;

type Agent = AgentClient<UnixStream>;

/// Logs in with the first key that the host takes: the identity files in their order, then what else the agent
/// holds. One round trip per key of a file, two per key of the agent.
///
/// # Errors
/// [`SshError::Auth`]: no key did, with what became of each.
pub(crate) async fn log_in(handle: &mut Handle<Client>, target: &SshTarget) -> Result<(), SshError> {
    let mut attempt = Attempt { handle, target, notes: Vec::new(), methods: None, rsa_hash: None };
    let (mut agent, identities) = attempt.agent().await;
    let mut offered: Vec<PublicKey> = Vec::new();
    for file in &target.identity_files {
        let public = public_key_of(file);
        let held = public.as_ref().filter(|public| {
            identities.iter().any(|identity| identity.public_key().key_data() == public.key_data())
        });
        let is_in = match (held, &mut agent) {
            (Some(public), Some(agent)) => {
                offered.push(public.clone());
                attempt.by_agent(agent, public, &file.display().to_string()).await?
            }
            _ => attempt.by_file(file).await?,
        };
        if is_in {
            return Ok(());
        }
    }
    if let Some(agent) = &mut agent {
        for identity in identities.iter().filter(|_| !target.identities_only) {
            let public = identity.public_key().into_owned();
            if offered.iter().any(|other| other.key_data() == public.key_data()) {
                continue;
            }
            if attempt.by_agent(agent, &public, &format!("agent key `{}`", identity.comment())).await? {
                return Ok(());
            }
        }
    }
    // Some hosts know who we are without a key; and what the host would take shows in the refusal.
    if attempt.without_key().await? {
        return Ok(());
    }
    Err(attempt.refused())
}

struct Attempt<'a> {
    handle: &'a mut Handle<Client>,
    target: &'a SshTarget,
    /// What became of each key.
    notes: Vec<String>,
    /// What the host offered after the last refusal.
    methods: Option<MethodSet>,
    rsa_hash: Option<Option<HashAlg>>,
}

impl Attempt<'_> {
    async fn agent(&mut self) -> (Option<Agent>, Vec<AgentIdentity>) {
        let Some(socket) = self.target.agent() else { return (None, Vec::new()) };
        let found = async {
            let mut agent = AgentClient::connect_uds(&socket).await?;
            let identities = agent.request_identities().await?;
            Ok::<_, russh::keys::Error>((agent, identities))
        };
        match found.await {
            Ok((agent, identities)) => (Some(agent), identities),
            Err(error) => {
                self.notes.push(format!("no agent at `{}`: {error}", socket.display()));
                (None, Vec::new())
            }
        }
    }

    async fn by_file(&mut self, file: &Path) -> Result<bool, SshError> {
        let shown = file.display();
        let key = match russh::keys::load_secret_key(file, None) {
            Ok(key) if key.is_encrypted() => Err("has a passphrase, and no agent holds it".to_owned()),
            Ok(key) => Ok(key),
            Err(error) => Err(why_unreadable(file, &error)),
        };
        let key: PrivateKey = match key {
            Ok(key) => key,
            Err(why) => {
                self.notes.push(format!("key `{shown}` {why}"));
                return Ok(false);
            }
        };
        let hash = self.hash_for(&key.algorithm()).await;
        let key = PrivateKeyWithHashAlg::new(Arc::new(key), hash);
        let result = self.handle.authenticate_publickey(self.target.user.clone(), key).await;
        let result = result.map_err(|error| self.broken(&error.to_string()))?;
        self.judge(result, format!("key `{shown}` is not taken"))
    }

    async fn by_agent(&mut self, agent: &mut Agent, key: &PublicKey, name: &str) -> Result<bool, SshError> {
        let hash = self.hash_for(&key.algorithm()).await;
        let user = self.target.user.clone();
        match self.handle.authenticate_publickey_with(user, key.clone(), hash, agent).await {
            Ok(result) => self.judge(result, format!("key `{name}` (agent) is not taken")),
            Err(error) => {
                self.notes.push(format!("the agent does not sign with `{name}`: {error}"));
                Ok(false)
            }
        }
    }

    async fn without_key(&mut self) -> Result<bool, SshError> {
        let result = self.handle.authenticate_none(self.target.user.clone()).await;
        let result = result.map_err(|error| self.broken(&error.to_string()))?;
        let notes = self.notes.len();
        let is_in = self.judge(result, String::new())?;
        self.notes.truncate(notes);
        Ok(is_in)
    }

    fn judge(&mut self, result: AuthResult, note: String) -> Result<bool, SshError> {
        match result {
            AuthResult::Success => Ok(true),
            AuthResult::Failure { remaining_methods, partial_success } => {
                self.notes.push(note);
                if self.handle.is_closed() {
                    self.notes.push("the host then closed the connection".into());
                    return Err(self.refused());
                }
                self.methods = Some(remaining_methods);
                if partial_success {
                    self.notes.pop();
                    self.notes.push("the key is taken, and the host wants more".into());
                    return Err(self.refused());
                }
                Ok(false)
            }
        }
    }

    /// SHA-2 always: the hosts that know only SHA-1 do not know today's key exchange either.
    async fn hash_for(&mut self, algorithm: &Algorithm) -> Option<HashAlg> {
        if !matches!(algorithm, Algorithm::Rsa { .. }) {
            return None;
        }
        if self.rsa_hash.is_none() {
            let best = self.handle.best_supported_rsa_hash().await;
            self.rsa_hash = Some(best.ok().flatten().flatten());
        }
        self.rsa_hash.flatten().or(Some(HashAlg::Sha512))
    }

    fn refused(&mut self) -> SshError {
        let kinds: Vec<MethodKind> =
            self.methods.iter().flat_map(|methods| methods.iter().copied()).collect();
        let takes_keys = kinds.contains(&MethodKind::PublicKey);
        let needs_password = !takes_keys
            && (kinds.contains(&MethodKind::Password) || kinds.contains(&MethodKind::KeyboardInteractive));
        if needs_password {
            self.notes.push("it demands a password".into());
        } else if self.notes.is_empty() {
            self.notes.push("there is no key to offer".into());
        }
        SshError::Auth {
            endpoint: self.target.endpoint(),
            notes: std::mem::take(&mut self.notes),
            needs_password,
        }
    }

    fn broken(&self, reason: &str) -> SshError {
        SshError::Protocol { endpoint: self.target.endpoint(), reason: reason.to_owned() }
    }
}

/// The public half: from the `.pub` file beside it, else from the key itself, which also a key with a
/// passphrase shows.
fn public_key_of(file: &Path) -> Option<PublicKey> {
    let mut beside = file.as_os_str().to_owned();
    beside.push(".pub");
    if let Ok(key) = russh::keys::load_public_key(PathBuf::from(beside)) {
        return Some(key);
    }
    let text = std::fs::read(file).ok()?;
    Some(PrivateKey::from_openssh(&text).ok()?.public_key().clone())
}

fn why_unreadable(file: &Path, error: &russh::keys::Error) -> String {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let is_encrypted = matches!(error, russh::keys::Error::KeyIsEncrypted)
        || text.contains("ENCRYPTED")
        || PrivateKey::from_openssh(&text).is_ok_and(|key| key.is_encrypted());
    if is_encrypted {
        return "has a passphrase, and no agent holds it".into();
    }
    format!("cannot be read: {error}")
}
