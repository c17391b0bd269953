//! One instance: a table of machines.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use async_trait::async_trait;
use mng_core::hosts::LastSeenStore;
use mng_core::model::names::{HostName, ProviderName};
use mng_core::model::shell::ShellCommand;
use mng_core::model::state::HostState;
use mng_core::providers::{BuildContext, Capabilities, DiscoveredHost, HostResources, Provider, SshAccess};
use mng_core::transports::Transport;
use mng_core::transports::asking::HostKeyPrompt;
use mng_core::{Error, ErrorClass, Explain, Result, Scope, Subject};
use mng_provider_remote::{HostKeyPolicy, SshTarget, SshTransport, watch};

use crate::SSH;
use crate::here::{here, is_home_of_openssh};
use crate::host_dirs::HostDirs;
use crate::host_id::host_id;
use crate::resources;
use crate::settings::{HostSettings, SshSettings, dynamic_hosts};
use crate::ssh_config::{Here, SshConfig, expand_home};
use crate::target;

/// Machines that mng reaches by ssh and does not own.
pub struct Ssh {
    name: ProviderName,
    settings: SshSettings,
    /// State of this instance in the profile, if there is a profile.
    dir: Option<PathBuf>,
    dynamic_hosts_file: Option<PathBuf>,
    host_dirs: HostDirs,
    takes_unknown_hosts: bool,
    host_key_prompt: Option<Arc<dyn HostKeyPrompt>>,
    /// Read when a machine is needed: building an instance costs nothing.
    config: OnceLock<(SshConfig, Here)>,
    /// As [`Ssh::config`]: read once a command.
    table: OnceLock<BTreeMap<String, HostSettings>>,
    /// One connection a machine, whoever asks for it.
    transports: Mutex<BTreeMap<HostName, SshTransport>>,
}

impl fmt::Debug for Ssh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ssh").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Where a machine of this instance comes from.
enum Machine<'a> {
    Table(&'a HostSettings),
    /// A `Host` of the ssh configuration.
    Alias,
}

impl Ssh {
    #[must_use]
    pub fn new(name: &ProviderName, settings: SshSettings, context: &BuildContext) -> Self {
        let providers = context.profile_dir.as_ref().map(|profile| profile.join("providers"));
        let dir = providers.as_ref().map(|providers| providers.join(SSH).join(name.as_str()));
        let home = || std::env::home_dir().unwrap_or_default();
        let dynamic_hosts_file = match settings.dynamic_hosts_file.as_deref().filter(|file| !file.is_empty())
        {
            Some(file) => Some(expand_home(file, &home())),
            None => providers.map(|providers| providers.join(name.as_str()).join("dynamic_hosts.toml")),
        };
        Self {
            name: name.clone(),
            settings,
            dynamic_hosts_file,
            host_dirs: HostDirs::new(dir.as_ref().map(|dir| dir.join("host_dirs.json"))),
            dir,
            takes_unknown_hosts: context.takes_unknown_hosts,
            host_key_prompt: context.host_key_prompt.clone(),
            config: OnceLock::new(),
            table: OnceLock::new(),
            transports: Mutex::default(),
        }
    }

    fn config(&self) -> &(SshConfig, Here) {
        self.config.get_or_init(|| {
            let here = here();
            (SshConfig::load(&here), here)
        })
    }

    /// The machines of the table and of the dynamic file, the former first.
    fn table(&self) -> &BTreeMap<String, HostSettings> {
        self.table.get_or_init(|| {
            let mut hosts = self.dynamic_hosts_file.as_deref().map(dynamic_hosts).unwrap_or_default();
            hosts.extend(self.settings.hosts.clone());
            hosts
        })
    }

    /// The machines of the ssh configuration belong to the instance that has the back end's name: to one, so
    /// that `@box` is no riddle where several are configured.
    fn has_alias(&self, name: &str) -> bool {
        self.name.as_str() == SSH && self.config().0.has_alias(name)
    }

    fn machine(&self, name: &HostName) -> Option<Machine<'_>> {
        match self.table().get(name.as_str()) {
            Some(settings) => Some(Machine::Table(settings)),
            None => self.has_alias(name.as_str()).then_some(Machine::Alias),
        }
    }

    fn host(&self, name: &str) -> DiscoveredHost {
        DiscoveredHost {
            id: host_id(self.name.as_str(), name),
            name: HostName::stored(name),
            provider: self.name.clone(),
            state: HostState::Running,
            host_dir: PathBuf::from(self.settings.host_dir.as_deref().unwrap_or("~/.mng")),
            tags: BTreeMap::new(),
        }
    }

    fn target(&self, host: &DiscoveredHost) -> Result<SshTarget> {
        let (config, here) = self.config();
        let mut target = match self.machine(&host.name) {
            Some(Machine::Table(settings)) => target::of_settings(settings, config, here)?,
            Some(Machine::Alias) => target::of_alias(host.name.as_str(), config, here)?,
            None => {
                return Err(Error::hinted(
                    ErrorClass::HostNotFound,
                    format!("there is no host `{}` any more", host.address()),
                    "`mng list --hosts` shows the hosts there are",
                ));
            }
        };
        if !is_home_of_openssh(&here.home) {
            target.ssh_config_alias = None;
        }
        if self.takes_unknown_hosts {
            target.host_keys = HostKeyPolicy::AcceptNew;
        }
        Ok(target)
    }

    fn ssh(&self, host: &DiscoveredHost) -> Result<SshTransport> {
        let mut open = self.transports.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(transport) = open.get(&host.name) {
            return Ok(transport.clone());
        }
        let transport = SshTransport::asking(self.target(host)?, self.host_key_prompt.clone());
        open.insert(host.name.clone(), transport.clone());
        Ok(transport)
    }

    fn shutdown_command(&self) -> Option<&str> {
        self.settings.shutdown_command.as_deref().filter(|command| !command.trim().is_empty())
    }

    fn not_ours(&self, host: &DiscoveredHost, what: &'static str, advice: &'static str) -> Error {
        NotOurs {
            provider: self.name.clone(),
            host: host.name.clone(),
            id: host.id.to_string(),
            what,
            advice,
        }
        .into()
    }
}

#[async_trait]
impl Provider for Ssh {
    fn name(&self) -> &ProviderName {
        &self.name
    }

    fn backend(&self) -> &'static str {
        SSH
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    /// The table, the dynamic file, and those machines of the ssh configuration that have agents. Nobody is
    /// asked: whether a machine answers is seen when it is entered.
    async fn discover_hosts(&self) -> Result<Vec<DiscoveredHost>> {
        let mut names: Vec<String> = self.table().keys().cloned().collect();
        if let Some(store) = self.last_seen_dir().map(LastSeenStore::new) {
            let aliases = store.hosts_with_agents().into_iter();
            names.extend(
                aliases.filter(|name| !names.contains(name) && self.has_alias(name)).collect::<Vec<_>>(),
            );
        }
        Ok(names.iter().map(|name| self.host(name)).collect())
    }

    fn left_hosts(&self) -> Vec<DiscoveredHost> {
        let Some(store) = self.last_seen_dir().map(LastSeenStore::new) else { return Vec::new() };
        let known = store.hosts_without_agents().into_iter();
        let table = self.table();
        known
            .filter(|name| !table.contains_key(name) && self.has_alias(name))
            .map(|name| self.host(&name))
            .collect()
    }

    fn host_named(&self, name: &HostName) -> Result<Option<DiscoveredHost>> {
        Ok(self.machine(name).map(|_| self.host(name.as_str())))
    }

    async fn transport(&self, host: &DiscoveredHost) -> Result<Arc<dyn Transport>> {
        Ok(Arc::new(self.ssh(host)?))
    }

    async fn locate(&self, host: &DiscoveredHost, transport: &dyn Transport) -> Result<PathBuf> {
        let endpoint = self.ssh(host)?.target().endpoint();
        let configured = self.settings.host_dir.as_deref().filter(|dir| !dir.is_empty());
        self.host_dirs.locate(host.name.as_str(), &endpoint, configured, transport).await
    }

    fn last_seen_dir(&self) -> Option<PathBuf> {
        self.dir.as_ref().map(|dir| dir.join("last_seen"))
    }

    fn ssh_access(&self, host: &DiscoveredHost) -> Option<SshAccess> {
        let transport = self.ssh(host).ok()?;
        let target = transport.target().clone();
        Some(SshAccess {
            command: command_line(&target),
            key_path: target.identity_files.first().cloned(),
            known_hosts_path: target.known_hosts.first().cloned(),
            user: target.user,
            host: target.host,
            port: target.port,
        })
    }

    fn stops_idle_hosts(&self) -> bool {
        self.shutdown_command().is_some()
    }

    async fn attend(&self, host: &DiscoveredHost, transport: &dyn Transport) -> Result<()> {
        match self.shutdown_command() {
            Some(command) => watch(transport, &host.host_dir, command).await,
            None => Ok(()),
        }
    }

    async fn resources(&self, host: &DiscoveredHost) -> Result<HostResources> {
        resources::of(&self.ssh(host)?).await
    }

    async fn set_tags(&self, host: &DiscoveredHost, _tags: BTreeMap<String, String>) -> Result<()> {
        Err(self.not_ours(host, "tagged", "label its agents instead: `mng label AGENT KEY=VALUE`"))
    }

    async fn rename_host(&self, host: &DiscoveredHost, _new_name: &HostName) -> Result<()> {
        Err(self.not_ours(
            host,
            "renamed",
            "its name is the key of its table in the settings: `mng config edit`",
        ))
    }

    async fn stop_host(&self, host: &DiscoveredHost) -> Result<()> {
        Err(self.not_ours(host, "stopped", "`mng stop AGENT` stops an agent and leaves the machine alone"))
    }

    async fn start_host(&self, host: &DiscoveredHost) -> Result<()> {
        Err(self.not_ours(host, "started", "switch it on, then `mng list` sees it again"))
    }

    async fn destroy_host(&self, host: &DiscoveredHost) -> Result<()> {
        let advice = "`mng destroy AGENT` destroys an agent; the machine leaves the list with its table: `mng config edit`";
        Err(self.not_ours(host, "destroyed", advice))
    }
}

/// What a person types to get there.
fn command_line(target: &SshTarget) -> String {
    if let Some(alias) = &target.ssh_config_alias {
        return ShellCommand::new("ssh").arg(alias).to_string();
    }
    let mut command = ShellCommand::new("ssh");
    if let (Some(key), false) = (target.identity_files.first(), target.use_agent) {
        command = command.arg("-i").arg(key.to_string_lossy());
    }
    if let Some(file) = target.known_hosts.first() {
        command = command.arg("-o").arg(format!("UserKnownHostsFile={}", file.display()));
    }
    let command = command.arg("-p").arg(target.port.to_string());
    command.arg(format!("{}@{}", target.user, target.host)).to_string()
}

/// Something that only the machine's owner does.
#[derive(Debug)]
struct NotOurs {
    provider: ProviderName,
    host: HostName,
    id: String,
    what: &'static str,
    advice: &'static str,
}

impl fmt::Display for NotOurs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { provider, host, what, .. } = self;
        write!(f, "host `{host}.{provider}` cannot be {what}: mng works on it and does not own it")
    }
}

impl std::error::Error for NotOurs {}

impl Explain for NotOurs {
    fn class(&self) -> ErrorClass {
        ErrorClass::Provider
    }

    fn scope(&self) -> Scope {
        Scope::Host
    }

    fn hint(&self) -> Option<String> {
        Some(self.advice.to_owned())
    }

    fn subject(&self) -> Subject {
        Subject {
            provider_name: Some(self.provider.to_string()),
            host_id: Some(self.id.clone()),
            ..Subject::default()
        }
    }
}
