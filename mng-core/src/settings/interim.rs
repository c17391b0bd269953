//! The shape that the merged settings will have; replaced by the loader as it lands.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::CoreSettings;

/// The merged settings.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    pub core: CoreSettings,
    host_dir: PathBuf,
    registries: BTreeMap<String, BTreeMap<String, Value>>,
}

impl Settings {
    /// `H` of the local host.
    #[must_use]
    pub fn host_dir(&self) -> &Path {
        &self.host_dir
    }

    fn registry(&self, name: &str) -> BTreeMap<String, Value> {
        self.registries.get(name).cloned().unwrap_or_default()
    }

    #[must_use]
    pub fn agent_types(&self) -> BTreeMap<String, Value> {
        self.registry("agent_types")
    }

    #[must_use]
    pub fn providers(&self) -> BTreeMap<String, Value> {
        self.registry("providers")
    }

    #[must_use]
    pub fn plugins(&self) -> BTreeMap<String, Value> {
        self.registry("plugins")
    }
}
