//! What unit tests of the operations stand on: a host whose directory is a temporary one.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::hosts::Host;
use crate::model::names::{HostName, ProviderName};
use crate::model::state::HostState;
use crate::providers::DiscoveredHost;
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
