//! This machine as a host: always there, always running, never made or destroyed by mng.

mod machine;
mod tags;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use mng_core::model::ids::HostId;
use mng_core::model::names::{HostName, ProviderName};
use mng_core::model::state::HostState;
use mng_core::plugins::{Plugin, PluginDescriptor};
use mng_core::providers::{
    BuildContext, Capabilities, DiscoveredHost, HostResources, Provider, ProviderBackend, ProviderError,
    parse_config,
};
use mng_core::settings::FieldSchema;
use mng_core::storage;
use mng_core::transports::{LocalTransport, Transport};
use mng_core::{Error, ErrorClass, Result};
use schemars::JsonSchema;
use serde::Deserialize;

/// The name of the back end, and of the instance that every mng has.
const LOCAL: &str = "local";

/// What this machine is called until somebody renames it.
const DEFAULT_NAME: &str = "localhost";

mng_core::register_plugin!(PluginDescriptor {
    name: LOCAL,
    version: env!("CARGO_PKG_VERSION"),
    description: "this machine as a host",
    make: || Box::new(LocalPlugin),
    ..PluginDescriptor::DEFAULT
});

struct LocalPlugin;

impl Plugin for LocalPlugin {
    fn backends(&self) -> Vec<ProviderBackend> {
        vec![ProviderBackend {
            name: LOCAL,
            description: "this machine: agents run as the person's own processes",
            config_fields: FieldSchema::of::<LocalConfig>(),
            build_args_help: "none: this machine is not built",
            start_args_help: "none: this machine runs already",
            build: |instance, config, context| {
                let config: LocalConfig = parse_config(instance, config)?;
                Ok(Arc::new(Local::new(instance, &config, context)))
            },
        }]
    }
}

/// `[providers.NAME]` where `backend = "local"`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LocalConfig {
    /// Directory of this instance's agents, `~` for the home directory. Unset: `default_host_dir`.
    pub host_dir: Option<String>,
}

/// One instance: this machine, with one directory of agents.
#[derive(Debug)]
pub struct Local {
    name: ProviderName,
    host_dir: PathBuf,
}

impl Local {
    #[must_use]
    pub fn new(name: &ProviderName, config: &LocalConfig, context: &BuildContext) -> Self {
        let host_dir = match config.host_dir.as_deref().filter(|dir| !dir.is_empty()) {
            Some(dir) => context.host_dir.join(expand_home(dir)),
            None => context.host_dir.clone(),
        };
        Self { name: name.clone(), host_dir }
    }

    fn id_file(&self) -> PathBuf {
        self.host_dir.join("host_id")
    }

    /// The id of this machine; `None` until a command has changed something here.
    fn id(&self) -> Result<Option<HostId>> {
        let path = self.id_file();
        let Some(bytes) = storage::read_optional(&path)? else { return Ok(None) };
        let text = String::from_utf8_lossy(&bytes);
        text.trim().parse().map(Some).map_err(|_| {
            Error::hinted(
                ErrorClass::HostDataSchema,
                format!("`{}` holds no host id", path.display()),
                "put the id back that `host_id` in `data.json` beside it names, or move the file away",
            )
        })
    }

    /// Whether agents lie here although the file with the id is gone: they must not be hidden by that.
    fn has_agents(&self) -> bool {
        std::fs::read_dir(self.host_dir.join("agents")).is_ok_and(|mut entries| entries.next().is_some())
    }

    /// The recorded name. A record that cannot be read keeps nobody from using the machine: whoever needs the
    /// record reports that.
    fn host_name(&self) -> HostName {
        let record = storage::read_optional(&self.host_dir.join("data.json")).ok().flatten();
        let record: Option<serde_json::Value> = record.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let name = record.as_ref().and_then(|record| record.get("host_name")?.as_str());
        match name {
            Some(name) if !name.is_empty() && !HostName::is_local_alias(name) => HostName::stored(name),
            _ => HostName::stored(DEFAULT_NAME),
        }
    }
}

#[async_trait]
impl Provider for Local {
    fn name(&self) -> &ProviderName {
        &self.name
    }

    fn backend(&self) -> &'static str {
        LOCAL
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { mutable_tags: true, rename: true, ..Capabilities::default() }
    }

    /// Makes the id of this machine. Two that do it at once agree on one.
    async fn bootstrap(&self) -> Result<()> {
        if self.id()?.is_none() {
            // No line end: other readers may take the file as it is.
            storage::create_new(&self.id_file(), HostId::generate().as_str().as_bytes(), 0o600)?;
        }
        Ok(())
    }

    /// This machine, or nothing as long as no command has made its id: a listing changes nothing.
    async fn discover_hosts(&self) -> Result<Vec<DiscoveredHost>> {
        let mut id = self.id()?;
        if id.is_none() && self.has_agents() {
            self.bootstrap().await?;
            id = self.id()?;
        }
        let Some(id) = id else { return Ok(Vec::new()) };
        Ok(vec![DiscoveredHost {
            id,
            name: self.host_name(),
            provider: self.name.clone(),
            state: HostState::Running,
            host_dir: self.host_dir.clone(),
            // Damaged tags must not hide the agents of the machine.
            tags: tags::read(&self.host_dir).unwrap_or_else(|error| {
                tracing::warn!(%error, "tags left out");
                BTreeMap::new()
            }),
        }])
    }

    async fn transport(&self, _host: &DiscoveredHost) -> Result<Arc<dyn Transport>> {
        Ok(Arc::new(LocalTransport))
    }

    async fn resources(&self, _host: &DiscoveredHost) -> Result<HostResources> {
        Ok(machine::resources().await)
    }

    async fn set_tags(&self, _host: &DiscoveredHost, tags: BTreeMap<String, String>) -> Result<()> {
        tags::read(&self.host_dir)?; // what cannot be read is not overwritten
        tags::write(&self.host_dir, &tags)
    }

    /// The name stands in the host's record alone, which the caller writes under the lock.
    async fn rename_host(&self, _host: &DiscoveredHost, _new_name: &HostName) -> Result<()> {
        Ok(())
    }

    async fn stop_host(&self, host: &DiscoveredHost) -> Result<()> {
        Err(ProviderError::LocalNotStoppable { host: host.name.to_string() }.into())
    }

    /// It runs.
    async fn start_host(&self, _host: &DiscoveredHost) -> Result<()> {
        Ok(())
    }

    async fn destroy_host(&self, host: &DiscoveredHost) -> Result<()> {
        Err(ProviderError::LocalNotDestroyable { host: host.name.to_string() }.into())
    }
}

fn expand_home(dir: &str) -> PathBuf {
    let home = || std::env::home_dir().unwrap_or_default();
    match dir.strip_prefix('~') {
        Some("") => home(),
        Some(rest) if rest.starts_with('/') => home().join(rest.trim_start_matches('/')),
        _ => Path::new(dir).to_path_buf(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn block<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    fn local(host_dir: &Path, config: serde_json::Value) -> Result<Arc<dyn Provider>> {
        let context = BuildContext {
            base: host_dir.to_path_buf(),
            host_dir: host_dir.to_path_buf(),
            profile_dir: None,
            takes_unknown_hosts: false,
            host_key_prompt: None,
            prefix: "mng-".into(),
        };
        let backend = LocalPlugin.backends().remove(0);
        (backend.build)(&ProviderName::stored("local"), &config, &context)
    }

    fn at(host_dir: &Path) -> Arc<dyn Provider> {
        local(host_dir, serde_json::Value::Null).unwrap()
    }

    #[test]
    fn looking_makes_nothing_and_changing_makes_one_id() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("new");
        assert!(block(at(&root).discover_hosts()).unwrap().is_empty());
        assert!(!root.exists());
        block(at(&root).bootstrap()).unwrap();
        let host = block(at(&root).discover_hosts()).unwrap().remove(0);
        block(at(&root).bootstrap()).unwrap();
        assert_eq!(block(at(&root).discover_hosts()).unwrap()[0].id, host.id);
        assert_eq!((host.name.as_str(), host.state), ("localhost", HostState::Running));
        assert_eq!(fs::read_to_string(root.join("host_id")).unwrap(), host.id.as_str());
        assert_eq!(fs::read_dir(&root).unwrap().count(), 1);
    }

    #[test]
    fn a_lost_id_hides_no_agent() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("agents/agent-0123456789abcdef0123456789abcdef")).unwrap();
        let hosts = block(at(dir.path()).discover_hosts()).unwrap();
        assert_eq!(fs::read_to_string(dir.path().join("host_id")).unwrap(), hosts[0].id.as_str());
    }

    #[test]
    fn many_first_commands_at_once_agree() {
        let dir = tempfile::tempdir().unwrap();
        let ids: Vec<HostId> = std::thread::scope(|scope| {
            let first = || {
                block(at(dir.path()).bootstrap()).unwrap();
                block(at(dir.path()).discover_hosts()).unwrap().remove(0).id
            };
            let threads: Vec<_> = (0..16).map(|_| scope.spawn(first)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    }

    #[test]
    fn a_damaged_id_is_said_and_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("host_id"), "garbage").unwrap();
        for error in [
            block(at(dir.path()).bootstrap()).unwrap_err(),
            block(at(dir.path()).discover_hosts()).unwrap_err(),
        ] {
            assert_eq!(error.class(), ErrorClass::HostDataSchema);
        }
        assert_eq!(fs::read_to_string(dir.path().join("host_id")).unwrap(), "garbage");
    }

    #[test]
    fn the_recorded_name_counts_and_old_spellings_are_localhost() {
        let dir = tempfile::tempdir().unwrap();
        block(at(dir.path()).bootstrap()).unwrap();
        for (record, name) in [
            (r#"{"host_name":"desk"}"#, "desk"),
            (r#"{"host_name":"@local"}"#, "localhost"),
            (r#"{"host_name":"unknown-host-at-local"}"#, "localhost"),
            (r#"{"host_name":null}"#, "localhost"),
            ("{", "localhost"),
        ] {
            fs::write(dir.path().join("data.json"), record).unwrap();
            assert_eq!(block(at(dir.path()).discover_hosts()).unwrap()[0].name.as_str(), name, "{record}");
        }
    }

    #[test]
    fn damaged_tags_hide_nothing_and_are_not_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let provider = at(dir.path());
        block(provider.bootstrap()).unwrap();
        let path = dir.path().join("providers/local/labels.json");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "[{").unwrap();
        let host = block(provider.discover_hosts()).unwrap().remove(0);
        assert!(host.tags.is_empty());
        let tags = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
        assert_eq!(
            block(provider.set_tags(&host, tags.clone())).unwrap_err().class(),
            ErrorClass::HostDataSchema
        );
        fs::remove_file(&path).unwrap();
        block(provider.set_tags(&host, tags.clone())).unwrap();
        assert_eq!(block(provider.discover_hosts()).unwrap()[0].tags, tags);
    }

    #[test]
    fn it_can_be_neither_stopped_nor_destroyed() {
        let dir = tempfile::tempdir().unwrap();
        let provider = at(dir.path());
        block(provider.bootstrap()).unwrap();
        let host = block(provider.discover_hosts()).unwrap().remove(0);
        let stop = block(provider.stop_host(&host)).unwrap_err();
        assert_eq!(stop.class(), ErrorClass::LocalHostNotStoppable);
        assert_eq!(stop.to_string(), "cannot stop the local host `localhost`: it is your own computer");
        let destroy = block(provider.destroy_host(&host)).unwrap_err();
        assert_eq!(destroy.class(), ErrorClass::LocalHostNotDestroyable);
        block(provider.start_host(&host)).unwrap();
    }

    #[test]
    fn an_instance_with_a_directory_of_its_own_is_a_host_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let other = dir.path().join("other");
        let second = local(dir.path(), serde_json::json!({"host_dir": other})).unwrap();
        for provider in [&at(dir.path()), &second] {
            block(provider.bootstrap()).unwrap();
        }
        let id = |provider: &Arc<dyn Provider>| block(provider.discover_hosts()).unwrap().remove(0).id;
        assert_ne!(id(&at(dir.path())), id(&second));
        let error = local(dir.path(), serde_json::json!({"host_dri": "x"})).unwrap_err();
        assert!(error.to_string().contains("host_dri"), "{error}");
    }
}
