//! What makes, finds, stops and destroys hosts. A provider returns a host's id, where its state lies and a
//! transport to it; `hosts` builds on that.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::Serialize;
use serde_json::Value;

use crate::model::error::{Error, ErrorClass, Explain, Result, Scope, Subject};
use crate::model::ids::HostId;
use crate::model::names::{HostName, ProviderName};
use crate::model::state::HostState;
use crate::settings::FieldSchema;
use crate::transports::Transport;
use crate::transports::asking::HostKeyPrompt;

/// What a provider can do. The flags tell the truth: generic code relies on them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// May make and destroy hosts.
    pub hosts: bool,
    /// Native stop and start that is not "terminate and restore from a snapshot".
    pub shutdown: bool,
    pub snapshots: bool,
    pub volumes: bool,
    /// Tags may be changed after creation.
    pub mutable_tags: bool,
    pub rename: bool,
}

/// A host as its provider knows it, without entering it.
#[derive(Clone, Debug)]
pub struct DiscoveredHost {
    pub id: HostId,
    pub name: HostName,
    pub provider: ProviderName,
    pub state: HostState,
    /// `H` on that host.
    pub host_dir: PathBuf,
    pub tags: BTreeMap<String, String>,
}

impl DiscoveredHost {
    /// `NAME.PROVIDER`, the way error messages point at a host.
    #[must_use]
    pub fn address(&self) -> String {
        format!("{}.{}", self.name, self.provider)
    }
}

/// Facts about a machine that need no agent.
#[derive(Clone, Debug, Default)]
pub struct HostResources {
    pub cpu_count: Option<u32>,
    pub cpu_frequency_ghz: Option<f64>,
    pub memory_gb: Option<f64>,
    pub disk_gb: Option<f64>,
}

/// How to log into a host by ssh. The field names are the JSON contract of `host.ssh`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SshAccess {
    pub user: String,
    pub host: String,
    pub port: u16,
    /// The first key that is tried; `None`: only those of an agent.
    pub key_path: Option<PathBuf>,
    pub known_hosts_path: Option<PathBuf>,
    /// A command line to paste.
    pub command: String,
}

/// What a back end gets to build an instance from.
#[derive(Clone, Debug)]
pub struct BuildContext {
    /// The controller's data root (`config.toml`, profiles).
    pub base: PathBuf,
    /// `H` of the local host.
    pub host_dir: PathBuf,
    /// `profiles/<id>` if a profile exists already; back ends create theirs lazily.
    pub profile_dir: Option<PathBuf>,
    /// `--allow-unknown-host`: a host key that no file knows is taken and remembered.
    pub takes_unknown_hosts: bool,
    /// Asks whether such a key is to be taken; unset where nobody can be asked.
    pub host_key_prompt: Option<Arc<dyn HostKeyPrompt>>,
    /// The session prefix, for resources that carry it in their names.
    pub prefix: String,
}

/// A compiled-in back end: data and a function pointer. Nothing connects until an operation needs it.
#[derive(Clone)]
pub struct ProviderBackend {
    pub name: &'static str,
    pub description: &'static str,
    /// What `[providers.NAME]` holds beside the fields of every provider: `FieldSchema::of::<Config>()`.
    pub config_fields: FieldSchema,
    /// Help for `-b/--build-arg` and `-s/--start-arg`, shown by `create --help`.
    pub build_args_help: &'static str,
    pub start_args_help: &'static str,
    /// Makes an instance; pure and synchronous. `config` is the merged table `[providers.NAME]`.
    pub build:
        fn(instance: &ProviderName, config: &Value, context: &BuildContext) -> Result<Arc<dyn Provider>>,
}

impl fmt::Debug for ProviderBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderBackend").field("name", &self.name).finish_non_exhaustive()
    }
}

/// One configured use of a back end.
#[async_trait]
pub trait Provider: Send + Sync + fmt::Debug {
    fn name(&self) -> &ProviderName;

    fn backend(&self) -> &'static str;

    fn capabilities(&self) -> Capabilities;

    /// One-time set-up before the first host or agent is made; idempotent. Listings never call it.
    async fn bootstrap(&self) -> Result<()> {
        Ok(())
    }

    /// Every host of the provider, stopped and remembered ones included, without entering any.
    ///
    /// # Errors
    /// [`ProviderError::Unavailable`] when the control plane cannot be asked: unknown is never empty.
    async fn discover_hosts(&self) -> Result<Vec<DiscoveredHost>>;

    /// One host by its id; `None` if the provider does not have it. Providers with many hosts look it up
    /// directly.
    ///
    /// # Errors
    /// As [`Provider::discover_hosts`].
    async fn find_host(&self, id: &HostId) -> Result<Option<DiscoveredHost>> {
        Ok(self.discover_hosts().await?.into_iter().find(|host| host.id == *id))
    }

    /// A host that is there only because somebody names it: found without asking anything over a network,
    /// not part of [`Provider::discover_hosts`].
    ///
    /// # Errors
    /// Files of this machine that would tell cannot be read.
    fn host_named(&self, name: &HostName) -> Result<Option<DiscoveredHost>> {
        let _ = name;
        Ok(None)
    }

    /// Hosts that [`Provider::discover_hosts`] leaves out because their last agent is gone. What `mng undo`
    /// brings back may still lie there. Asks nobody.
    fn left_hosts(&self) -> Vec<DiscoveredHost> {
        Vec::new()
    }

    /// Where the state of a host lies, if only the host itself can tell.
    ///
    /// # Errors
    /// The host cannot be asked.
    async fn locate(&self, host: &DiscoveredHost, transport: &dyn Transport) -> Result<PathBuf> {
        let _ = transport;
        Ok(host.host_dir.clone())
    }

    /// Directory of this machine for what was last seen on each host, so that the agents of a host that does
    /// not answer can still be named. `None`: the provider keeps no such thing.
    fn last_seen_dir(&self) -> Option<PathBuf> {
        None
    }

    /// How to log into a host by ssh, if that is how it is reached. Asks nobody.
    fn ssh_access(&self, host: &DiscoveredHost) -> Option<SshAccess> {
        let _ = host;
        None
    }

    /// Whether something stops the provider's hosts when they are idle.
    fn stops_idle_hosts(&self) -> bool {
        false
    }

    /// Makes sure that what has to run on a host beside its agents does: after an agent was started there.
    /// `host` has its host dir from [`Provider::locate`].
    ///
    /// # Errors
    /// It could not be started. The agents run all the same.
    async fn attend(&self, host: &DiscoveredHost, transport: &dyn Transport) -> Result<()> {
        let _ = (host, transport);
        Ok(())
    }

    /// A way to a host, without connecting yet.
    ///
    /// # Errors
    /// The host is not of this provider or is not live.
    async fn transport(&self, host: &DiscoveredHost) -> Result<Arc<dyn Transport>>;

    /// Longest that entering one host may take in a listing.
    fn probe_deadline(&self) -> Duration {
        Duration::from_secs(20)
    }

    async fn resources(&self, host: &DiscoveredHost) -> Result<HostResources>;

    /// Replaces all tags of a host.
    async fn set_tags(&self, host: &DiscoveredHost, tags: BTreeMap<String, String>) -> Result<()> {
        let _ = tags;
        Err(ProviderError::unsupported(self.name(), host, "tags").into())
    }

    async fn rename_host(&self, host: &DiscoveredHost, new_name: &HostName) -> Result<()> {
        let _ = new_name;
        Err(ProviderError::unsupported(self.name(), host, "renaming").into())
    }

    /// Native stop, without a snapshot.
    async fn stop_host(&self, host: &DiscoveredHost) -> Result<()> {
        Err(ProviderError::unsupported(self.name(), host, "stopping").into())
    }

    async fn start_host(&self, host: &DiscoveredHost) -> Result<()> {
        Err(ProviderError::unsupported(self.name(), host, "starting").into())
    }

    async fn destroy_host(&self, host: &DiscoveredHost) -> Result<()> {
        Err(ProviderError::unsupported(self.name(), host, "destroying").into())
    }
}

/// A provider could not do or could not be asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProviderError {
    #[error("cannot reach provider `{provider}`: {reason}")]
    Unavailable { provider: ProviderName, reason: String, remediation: Option<String> },
    #[error("there is no provider `{name}`{}", did_you_mean(suggestions))]
    UnknownInstance { name: String, suggestions: Vec<String> },
    #[error("provider `{provider}` is disabled")]
    Disabled { provider: ProviderName },
    #[error("backend `{backend}` is not compiled into this mng")]
    NotCompiled { backend: String, built_with: Vec<String> },
    #[error("provider `{provider}` does not support {what} (host `{host}`)")]
    Unsupported { provider: ProviderName, host: String, what: &'static str },
    #[error("cannot stop the local host `{host}`: it is your own computer")]
    LocalNotStoppable { host: String },
    #[error("cannot destroy the local host `{host}`: it is your own computer")]
    LocalNotDestroyable { host: String },
    #[error("provider `{provider}` does not support snapshots")]
    NoSnapshots { provider: ProviderName },
}

impl ProviderError {
    #[must_use]
    pub fn unsupported(provider: &ProviderName, host: &DiscoveredHost, what: &'static str) -> Self {
        Self::Unsupported { provider: provider.clone(), host: host.name.to_string(), what }
    }
}

fn did_you_mean(suggestions: &[String]) -> String {
    if suggestions.is_empty() {
        String::new()
    } else {
        format!(" (did you mean `{}`?)", suggestions.join("`, `"))
    }
}

impl Explain for ProviderError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Unavailable { .. } => ErrorClass::ProviderUnavailable,
            Self::UnknownInstance { .. } | Self::Disabled { .. } => ErrorClass::ProviderInstanceNotFound,
            Self::NotCompiled { .. } => ErrorClass::UnknownBackend,
            Self::Unsupported { .. } => ErrorClass::Provider,
            Self::LocalNotStoppable { .. } => ErrorClass::LocalHostNotStoppable,
            Self::LocalNotDestroyable { .. } => ErrorClass::LocalHostNotDestroyable,
            Self::NoSnapshots { .. } => ErrorClass::SnapshotsNotSupported,
        }
    }

    fn scope(&self) -> Scope {
        Scope::Provider
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Unavailable { remediation, .. } => remediation.clone(),
            Self::UnknownInstance { .. } => {
                Some("`mng plugin list --kind provider` shows the back ends".into())
            }
            Self::Disabled { provider } => {
                Some(format!("mng config set --scope user providers.{provider}.is_enabled true"))
            }
            Self::NotCompiled { backend, built_with } => Some(format!(
                "built with: {}; reinstall with `cargo install mng --features {backend}`",
                built_with.join(", ")
            )),
            Self::LocalNotStoppable { .. } => Some("`mng stop AGENT` stops an agent".into()),
            Self::LocalNotDestroyable { .. } => Some("`mng destroy AGENT` destroys an agent".into()),
            Self::Unsupported { .. } | Self::NoSnapshots { .. } => None,
        }
    }

    fn subject(&self) -> Subject {
        let provider = match self {
            Self::Unavailable { provider, .. }
            | Self::Disabled { provider }
            | Self::Unsupported { provider, .. }
            | Self::NoSnapshots { provider } => Some(provider.to_string()),
            _ => None,
        };
        Subject { provider_name: provider, ..Subject::default() }
    }
}

/// Reads a provider's table into its config type.
///
/// # Errors
/// A key or a value does not fit; the message names the instance.
pub fn parse_config<T: serde::de::DeserializeOwned>(instance: &ProviderName, config: &Value) -> Result<T> {
    let config = if config.is_null() { Value::Object(serde_json::Map::new()) } else { config.clone() };
    serde_json::from_value(config).map_err(|error| {
        Error::hinted(
            ErrorClass::ConfigStructure,
            format!("`providers.{instance}`: {error}"),
            "`mng config list --schema` shows the keys",
        )
    })
}
