//! What every operation gets: settings, places, the registry, limits.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;

use super::Registry;
use crate::agents::types::{AgentType, Caller, unknown_type};
use crate::hosts::Host;
use crate::model::cancel::Cancel;
use crate::model::error::{Error, ErrorClass, Result};
use crate::model::event::Events;
use crate::model::names::{AgentTypeName, ProviderName};
use crate::providers::{BuildContext, DiscoveredHost, Provider, ProviderError};
use crate::settings::{
    AgentTypeError, EnvSnapshot, Locations, Profile, ResolvedType, Settings, TypeSchema, find_profile,
    resolve_agent_type,
};
use crate::transports::asking::HostKeyPrompt;

/// How much at once and how long at most. Deadlines come from here, never from a literal in an operation.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Hosts or agents worked on at the same time.
    pub parallel: usize,
    /// Hosts looked at together in a listing: each waits for its network, hardly any for a processor.
    pub hosts: usize,
    /// Entering one host in a listing.
    pub probe: Duration,
    /// Between TERM and KILL, when an agent's processes are ended.
    pub stop_grace: Duration,
    /// Stopping or destroying one agent, over all.
    pub stop: Duration,
}

impl Limits {
    /// The limits that the settings ask for.
    #[must_use]
    pub fn of(settings: &Settings) -> Self {
        let stop_grace = settings.core.stop_grace_seconds.0;
        Self {
            parallel: 32,
            hosts: 128,
            probe: settings.core.host_detail_read_timeout_seconds.0,
            stop_grace,
            stop: stop_grace + Duration::from_secs(60),
        }
    }
}

/// The context of one invocation.
#[derive(Debug)]
pub struct Ctx {
    pub settings: Settings,
    pub locations: Locations,
    pub env: EnvSnapshot,
    pub registry: Registry,
    pub limits: Limits,
    /// The active profile, if there is one yet.
    pub profile: Option<Profile>,
    /// Set when a signal asks the command to end.
    pub cancel: Cancel,
    /// `--allow-unknown-host`: host keys that nobody knows are taken and remembered.
    pub takes_unknown_hosts: bool,
    /// Asks about these keys; unset where nobody can be asked.
    pub host_key_prompt: Option<Arc<dyn HostKeyPrompt>>,
    /// A person can be asked: not headless, and a terminal is there.
    pub is_interactive: bool,
    /// Provider instances, built once a process and name.
    providers: Mutex<BTreeMap<ProviderName, Arc<dyn Provider>>>,
}

impl Ctx {
    #[must_use]
    pub fn new(
        settings: Settings,
        locations: Locations,
        env: EnvSnapshot,
        registry: Registry,
        profile: Option<Profile>,
        is_interactive: bool,
    ) -> Self {
        let limits = Limits::of(&settings);
        let providers = Mutex::default();
        Self {
            settings,
            locations,
            env,
            registry,
            limits,
            profile,
            cancel: Cancel::new(),
            takes_unknown_hosts: false,
            host_key_prompt: None,
            is_interactive,
            providers,
        }
    }

    /// The profile, also if this command has just made it.
    fn current_profile(&self) -> Option<Profile> {
        self.profile.clone().or_else(|| find_profile(&self.locations, &self.env).ok().flatten())
    }

    /// What agent types get to see of this.
    #[must_use]
    pub fn caller(&self) -> Caller<'_> {
        Caller {
            env: &self.env,
            settings: &self.settings,
            profile: self.profile.as_ref(),
            is_interactive: self.is_interactive,
        }
    }

    /// The instance of that name: a configured block first, then the back end of that name with its
    /// default configuration. Nothing connects.
    ///
    /// # Errors
    /// There is no such instance, it is disabled, or this binary lacks its back end.
    pub fn provider(&self, name: &ProviderName) -> Result<Arc<dyn Provider>> {
        let mut built = self.providers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(provider) = built.get(name) {
            return Ok(Arc::clone(provider));
        }
        let blocks = self.settings.providers();
        let block = blocks.get(name.as_str());
        if block.and_then(|block| block.get("is_enabled")).and_then(Value::as_bool) == Some(false) {
            return Err(ProviderError::Disabled { provider: name.clone() }.into());
        }
        let backend_name =
            block.and_then(|block| block.get("backend")).and_then(Value::as_str).unwrap_or(name.as_str());
        let Some(backend) = self.registry.backend(backend_name) else {
            return Err(self.no_backend(name, backend_name, block.is_some()));
        };
        let mut config = block.cloned().unwrap_or_else(|| Value::Object(serde_json::Map::new()));
        if let Some(table) = config.as_object_mut() {
            for key in COMMON_PROVIDER_KEYS {
                table.remove(*key);
            }
        }
        let context = BuildContext {
            base: self.locations.base.clone(),
            host_dir: self.settings.host_dir().to_path_buf(),
            profile_dir: self.current_profile().map(|profile| profile.dir),
            takes_unknown_hosts: self.takes_unknown_hosts,
            host_key_prompt: self.host_key_prompt.clone(),
            prefix: self.settings.core.prefix.clone(),
        };
        let provider = (backend.build)(name, &config, &context)?;
        built.insert(name.clone(), Arc::clone(&provider));
        Ok(provider)
    }

    /// Puts an instance in the place of the one that would be built.
    #[cfg(test)]
    pub(crate) fn with_provider(self, provider: Arc<dyn Provider>) -> Self {
        self.providers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(provider.name().clone(), provider);
        self
    }

    fn no_backend(&self, name: &ProviderName, backend: &str, is_configured: bool) -> Error {
        let built_with: Vec<String> = self.registry.backends().map(|known| known.name.to_owned()).collect();
        if let Some(owner) = self.registry.switched_off_owner(backend) {
            return Error::hinted(
                ErrorClass::ProviderInstanceNotFound,
                format!("provider `{name}` belongs to the plugin `{owner}`, which is disabled"),
                format!("mng plugin enable {owner}"),
            );
        }
        if is_configured || KNOWN_BACKENDS.contains(&backend) {
            return ProviderError::NotCompiled { backend: backend.to_owned(), built_with }.into();
        }
        let names = self.settings.providers().into_keys().chain(built_with);
        let suggestions = names.filter(|known| strsim::levenshtein(known, name.as_str()) <= 2).collect();
        ProviderError::UnknownInstance { name: name.to_string(), suggestions }.into()
    }

    /// The local provider's instance.
    ///
    /// # Errors
    /// The local provider is disabled.
    pub fn local_provider(&self) -> Result<Arc<dyn Provider>> {
        self.provider(&ProviderName::stored("local"))
    }

    /// The host to work on, with its own session prefix where its record stores one.
    ///
    /// # Errors
    /// The provider cannot reach it.
    pub async fn open_host(&self, info: &DiscoveredHost) -> Result<Host> {
        let provider = self.provider(&info.provider)?;
        let transport = provider.transport(info).await?;
        let host_dir = provider.locate(info, transport.as_ref()).await?;
        let info = DiscoveredHost { host_dir, ..info.clone() };
        Ok(Host::new(info, transport, self.settings.core.prefix.clone()))
    }

    /// Lets a host's provider start what has to run there beside agents. Trouble is a warning: the agents run.
    pub async fn attend_host(&self, host: &Host, events: &Events) {
        if host.is_local() {
            return;
        }
        let attend =
            async { self.provider(&host.info.provider)?.attend(&host.info, host.transport.as_ref()).await };
        if let Err(error) = attend.await {
            let address = host.info.address();
            events
                .warning(format!("host `{address}` is not watched, so it will not stop when idle: {error}"));
        }
    }

    /// This machine, for commands that change something: makes its id on first use.
    ///
    /// # Errors
    /// The state dir cannot be written.
    pub async fn local_host(&self) -> Result<Host> {
        let provider = self.local_provider()?;
        provider.bootstrap().await?;
        let hosts = provider.discover_hosts().await?;
        let info = hosts.first().ok_or_else(|| {
            Error::hinted(
                ErrorClass::HostNotFound,
                "the local provider knows no host",
                "check that the state directory can be written: `mng doctor`",
            )
        })?;
        self.open_host(info).await
    }

    /// The agent type of that name, with its merged configuration: aliases, configured children and their
    /// parents resolved.
    ///
    /// # Errors
    /// An `UnknownAgentType` error with the known names and near misses.
    pub fn agent_type(&self, name: &AgentTypeName) -> Result<Arc<dyn AgentType>> {
        let resolved = self.resolve_type(name)?;
        match self.registry.agent_types().find(|def| def.name == resolved.base) {
            Some(def) => (def.build)(&resolved.config),
            None => Err(self.no_agent_type(name)),
        }
    }

    /// What a name of a type means: the registered type and the merged configuration, the fields of every
    /// type included.
    ///
    /// # Errors
    /// As [`Ctx::agent_type`].
    pub fn resolve_type(&self, name: &AgentTypeName) -> Result<ResolvedType> {
        let entries = self.settings.agent_type_entries();
        let registered: Vec<TypeSchema> = self.registry.agent_types().map(|def| def.schema(None)).collect();
        resolve_agent_type(name.as_str(), &entries, &registered).map_err(|error| match error {
            AgentTypeError::Unknown { name } | AgentTypeError::UnknownParent { parent: name, .. } => {
                self.no_agent_type(&AgentTypeName::stored(name))
            }
            other => other.into(),
        })
    }

    /// The canonical spelling of a type that was typed: aliases resolve here, once.
    #[must_use]
    pub fn canonical_type(&self, name: &AgentTypeName) -> AgentTypeName {
        if self.settings.agent_types().contains_key(name.as_str()) {
            return name.clone();
        }
        let alias = self.registry.agent_types().find(|def| def.aliases.contains(&name.as_str()));
        alias.map_or_else(|| name.clone(), |def| AgentTypeName::stored(def.name))
    }

    fn no_agent_type(&self, name: &AgentTypeName) -> Error {
        if let Some(owner) = self.registry.switched_off_owner(name.as_str()) {
            return Error::hinted(
                ErrorClass::UnknownAgentType,
                format!("agent type `{name}` belongs to the plugin `{owner}`, which is disabled"),
                format!("mng plugin enable {owner}"),
            );
        }
        let mut known: Vec<String> = self.registry.agent_types().map(|def| def.name.to_owned()).collect();
        known.extend(self.settings.agent_types().into_keys());
        known.sort();
        known.dedup();
        let suggestions: Vec<String> =
            known.iter().filter(|other| strsim::levenshtein(other, name.as_str()) <= 2).cloned().collect();
        unknown_type(name, &known, &suggestions)
    }
}

/// Keys of every `[providers.NAME]` table, which no back end sees.
const COMMON_PROVIDER_KEYS: &[&str] = &[
    "backend",
    "plugin",
    "is_enabled",
    "destroyed_host_persisted_seconds",
    "min_online_host_age_seconds",
    "host_log_dir",
    "discovery_poll_interval_seconds",
    "discovery_warn_seconds",
    "discovery_error_timeout_seconds",
    "host_discovery_timeout_seconds",
    "agent_discovery_timeout_seconds",
    "host_discovery_poll_interval_seconds",
];

/// Back ends that other builds of mng have; a slim build says which feature to add.
const KNOWN_BACKENDS: &[&str] = &["docker", "ssh", "modal"];
