//! What commands, providers, agent types and plugins ask the settings for.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::active::ConfiguredProvider;
use super::entries::{PluginBase, ProviderBase};
use super::load::Settings;
use super::parameters::{self, CommandParam, Ranked};
use super::problem::split_path;
use super::tree::{Data, Layer, MergeOp, Origin, Table};
use super::types::AgentTypeEntries;
use crate::model::error::{Error, ErrorClass, Result};
use crate::model::suggest::did_you_mean;

/// A create template: parameters of `create`, in the order of their keys.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateTemplate {
    pub name: String,
    pub values: Vec<TemplateValue>,
}

/// One key of a create template.
#[derive(Clone, Debug, PartialEq)]
pub struct TemplateValue {
    /// The long option with `_` for `-`, or a field of the agent type.
    pub name: String,
    /// How the value relates to what the command has so far.
    pub op: MergeOp,
    pub value: Value,
    pub origin: Origin,
}

impl Ranked for TemplateValue {
    fn name(&self) -> &str {
        &self.name
    }

    fn value(&self) -> &Value {
        &self.value
    }

    fn is_above(&self, other: &Self) -> bool {
        self.origin.layer > other.origin.layer
    }

    fn renamed(&self, name: &str, value: Value) -> Self {
        Self { name: name.to_owned(), op: self.op, value, origin: self.origin.clone() }
    }
}

/// A `[providers.NAME]` table.
#[derive(Clone, Debug, PartialEq)]
pub struct ProviderEntry {
    pub instance: String,
    pub backend: String,
    /// `is_enabled` is not `false`.
    pub is_enabled: bool,
    /// The fields that every provider has.
    pub base: ProviderBase,
    /// The other fields: those of the backend.
    pub config: Value,
}

impl Settings {
    fn registry(&self, name: &str) -> Option<&Table> {
        self.tree.get(name)?.data.table()
    }

    fn registry_json(&self, name: &str) -> BTreeMap<String, Value> {
        let table = self.registry(name).map(Table::to_json).unwrap_or_default();
        table.into_iter().collect()
    }

    /// What the settings give to the options of a command, `default_subcommand` left out. The command may
    /// be spelled with any joiner: `snapshot create`.
    #[must_use]
    pub fn command_params(&self, command: &str) -> Vec<CommandParam> {
        let command = parameters::canonical_command(command);
        let table = self.registry("commands").and_then(|commands| commands.get(&command)?.data.table());
        let params = table.into_iter().flat_map(|table| &table.entries);
        let params = params
            .filter(|(name, _)| *name != "default_subcommand")
            .map(|(name, entry)| CommandParam {
                name: name.clone(),
                value: entry.node.data.to_json(),
                origin: entry.node.origin.clone(),
            })
            .collect();
        if command == "create" { parameters::translate_create(params) } else { params }
    }

    /// The names of the create templates.
    #[must_use]
    pub fn create_template_names(&self) -> Vec<String> {
        self.registry("create_templates")
            .map(|table| table.entries.keys().cloned().collect())
            .unwrap_or_default()
    }

    /// A create template.
    ///
    /// # Errors
    /// There is none of that name; the hint lists those that there are.
    pub fn create_template(&self, name: &str) -> Result<CreateTemplate> {
        let names = self.create_template_names();
        let table = self.registry("create_templates").and_then(|templates| templates.get(name)?.data.table());
        let Some(table) = table else {
            let hint = if names.is_empty() {
                "none are configured; write one under `[create_templates.NAME]`: `mng config edit`".to_owned()
            } else {
                did_you_mean(name, &names).unwrap_or_else(|| format!("there are: {}", names.join(", ")))
            };
            let message = format!("there is no create template `{name}`");
            return Err(Error::hinted(ErrorClass::UserInput, message, hint));
        };
        let values = table
            .entries
            .iter()
            .map(|(name, entry)| TemplateValue {
                name: name.clone(),
                op: entry.op,
                value: entry.node.data.to_json(),
                origin: entry.node.origin.clone(),
            })
            .collect();
        Ok(CreateTemplate { name: name.to_owned(), values: parameters::translate_create(values) })
    }

    /// The agent type tables, for [`resolve_agent_type`](super::resolve_agent_type).
    #[must_use]
    pub fn agent_type_entries(&self) -> AgentTypeEntries {
        AgentTypeEntries::new(self.registry("agent_types").cloned().unwrap_or_default())
    }

    /// The agent type tables as plain values, by name. To run a type, resolve it.
    #[must_use]
    pub fn agent_types(&self) -> BTreeMap<String, Value> {
        self.registry_json("agent_types")
    }

    /// The provider tables as plain values, by instance.
    #[must_use]
    pub fn providers(&self) -> BTreeMap<String, Value> {
        self.registry_json("providers")
    }

    /// The provider tables, what every provider has apart from what the backend has.
    #[must_use]
    pub fn provider_entries(&self) -> BTreeMap<String, ProviderEntry> {
        let entries = self.registry_json("providers").into_iter();
        entries.map(|(instance, table)| (instance.clone(), provider_entry(instance, table))).collect()
    }

    /// What [`active_providers`](super::active_providers) wants to know of the provider tables.
    #[must_use]
    pub fn configured_providers(&self) -> BTreeMap<String, ConfiguredProvider> {
        let one = |(instance, entry): (String, ProviderEntry)| {
            (instance, ConfiguredProvider { backend: entry.backend, is_enabled: entry.is_enabled })
        };
        self.provider_entries().into_iter().map(one).collect()
    }

    /// The plugin tables, by plugin; `enabled` included.
    #[must_use]
    pub fn plugins(&self) -> BTreeMap<String, Value> {
        self.registry_json("plugins")
    }

    /// Whether the settings switch a plugin on or off; `None` if they do not say.
    #[must_use]
    pub fn plugin_enabled(&self, plugin: &str) -> Option<bool> {
        let table = self.registry("plugins")?.get(plugin)?.data.to_json();
        serde_json::from_value::<PluginBase>(table).ok()?.enabled
    }

    /// Shell lines to run before a command.
    #[must_use]
    pub fn pre_command_scripts(&self, command: &str) -> &[String] {
        let wanted = parameters::canonical_command(command);
        let scripts = &self.core.pre_command_scripts;
        let found = scripts.iter().find(|(name, _)| parameters::canonical_command(name) == wanted);
        found.map_or(&[], |(_, lines)| lines)
    }

    /// The subcommand that a bare group runs; `mng` is the root. `None` unless the settings name one.
    #[must_use]
    pub fn default_subcommand(&self, group: &str) -> Option<&str> {
        let group = parameters::canonical_command(group);
        let node = self.registry("commands")?.get(&group)?.data.table()?.get("default_subcommand")?;
        match &node.data {
            Data::Scalar(Value::String(name)) if !name.is_empty() => Some(name),
            _ => None,
        }
    }

    /// Who set a key, given as a dotted path; `None` if no layer did. A list or table that several layers
    /// filled is attributed to the highest.
    #[must_use]
    pub fn origin_of(&self, key: &str) -> Option<Origin> {
        let path = split_path(key)?;
        let node = self.tree.at(&path)?;
        Some(node.origin.clone())
    }

    /// Whether any layer above the built-in defaults set a key.
    #[must_use]
    pub fn is_set(&self, key: &str) -> bool {
        self.origin_of(key).is_some_and(|origin| origin.layer != Layer::Default)
    }
}

fn provider_entry(instance: String, table: Value) -> ProviderEntry {
    let base: ProviderBase = serde_json::from_value(table.clone()).unwrap_or_default();
    let base_fields = serde_json::to_value(ProviderBase {
        backend: Some(String::new()),
        is_enabled: Some(true),
        plugin: Some(String::new()),
        destroyed_host_persisted_seconds: Some(Default::default()),
        min_online_host_age_seconds: Some(Default::default()),
        host_log_dir: Some(String::new()),
        ..ProviderBase::default()
    });
    let base_fields = base_fields.unwrap_or_default();
    let config: Map<String, Value> = match table {
        Value::Object(map) => map.into_iter().filter(|(field, _)| base_fields.get(field).is_none()).collect(),
        _ => Map::new(),
    };
    ProviderEntry {
        backend: base.backend.clone().unwrap_or_else(|| instance.clone()),
        is_enabled: base.is_enabled != Some(false),
        instance,
        base,
        config: Value::Object(config),
    }
}
