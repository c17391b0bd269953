//! What unit tests of the operations stand on: a host whose directory is a temporary one.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::resolve::ResolvedAgent;
use crate::hosts::Host;
use crate::model::ids::AgentId;
use crate::model::names::{HostName, ProviderName};
use crate::model::record::AgentRecord;
use crate::model::state::HostState;
use crate::plugins::{Activation, Ctx, Linked, Registry};
use crate::providers::DiscoveredHost;
use crate::settings::{EnvSnapshot, Locations, Settings};
use crate::transports::LocalTransport;

pub(super) fn host_at(dir: &Path) -> Host {
    let info = DiscoveredHost {
        id: "host-00000000000000000000000000000001".parse().unwrap(),
        name: HostName::stored("localhost"),
        provider: ProviderName::stored("local"),
        state: HostState::Running,
        host_dir: dir.to_path_buf(),
        tags: BTreeMap::new(),
    };
    Host::new(info, Arc::new(LocalTransport), "mng-")
}

pub(super) fn block<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// A context with default settings and nothing linked.
pub(super) fn context() -> Ctx {
    context_in(Path::new("/nowhere"))
}

/// As [`context`], with this home directory.
pub(super) fn context_in(home: &Path) -> Ctx {
    let env = EnvSnapshot::from_iter([("HOME", home.to_string_lossy())]);
    let locations = Locations::find(&env, Path::new("/"), None).unwrap();
    let entries = BTreeMap::new();
    let activation = Activation { entries: &entries, enable: &[], disable: &[] };
    let (registry, _) = Registry::new(&Linked::collect().unwrap(), activation).unwrap();
    Ctx::new(Settings::default(), locations, env, registry, None, false)
}

/// An agent with a state dir and a work dir, without a session.
pub(super) fn agent_at(host: &Host, name: &str) -> ResolvedAgent {
    let work_dir = host.layout.root().join("work").join(name);
    std::fs::create_dir_all(&work_dir).unwrap();
    let record = serde_json::json!({
        "id": AgentId::generate(), "name": name, "type": "command", "work_dir": work_dir,
        "create_time": "2026-11-22T13:31:00Z", "command": "sleep 9", "labels": {"project": "shop"},
    });
    let record: AgentRecord = serde_json::from_value(record).unwrap();
    std::fs::create_dir_all(host.layout.agent(&record.id)).unwrap();
    std::fs::write(host.layout.agent_record(&record.id), serde_json::to_vec(&record).unwrap()).unwrap();
    ResolvedAgent { host: host.clone(), record }
}
