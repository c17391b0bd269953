use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::prices::Price;

/// `[plugins.usage]`: what `mng usage` shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct UsageSettings {
    /// Data older than this is told to be stale, in seconds.
    pub stale_after_seconds: u64,
    /// How far back costs are added up, in seconds.
    pub since_seconds: u64,
    /// Whether the records of an agent are kept when it is destroyed.
    pub preserve_on_destroy: bool,
    /// US dollars per million tokens by `provider/model`, beside those that mng knows and before them.
    pub prices: BTreeMap<String, Price>,
}

impl Default for UsageSettings {
    fn default() -> Self {
        Self {
            stale_after_seconds: 300,
            since_seconds: 24 * 60 * 60,
            preserve_on_destroy: true,
            prices: BTreeMap::new(),
        }
    }
}
