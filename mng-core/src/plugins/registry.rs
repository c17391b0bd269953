//! The registry: one place that knows what is linked and filters out what is off.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

use super::{Plugin, PluginDescriptor};
use crate::agents::types::AgentTypeDef;
use crate::agents::usage::UsageSettings;
use crate::model::error::{Error, ErrorClass, Result};
use crate::model::order;
use crate::providers::ProviderBackend;
use crate::settings::{BackendSchema, FieldSchema, KnownNames, PluginSchema};

/// Every plugin of this binary, sorted by priority, then name.
#[derive(Clone)]
pub struct Linked(Vec<&'static PluginDescriptor>);

impl Linked {
    /// Collects what the linker kept. The order at link time is arbitrary, so this sorts.
    ///
    /// # Errors
    /// Two crates registered the same name.
    pub fn collect() -> Result<Self> {
        let mut all: Vec<&'static PluginDescriptor> = inventory::iter::<PluginDescriptor>().collect();
        order::sort_by_key(&mut all, |plugin| (plugin.priority, plugin.name));
        for (index, plugin) in all.iter().enumerate() {
            if all[..index].iter().any(|other| other.name == plugin.name) {
                return Err(Error::plain(
                    ErrorClass::Plugin,
                    format!("two linked crates both register the plugin `{}`", plugin.name),
                ));
            }
        }
        Ok(Self(all))
    }

    pub fn iter(&self) -> impl Iterator<Item = &'static PluginDescriptor> + '_ {
        self.0.iter().copied()
    }

    /// What settings may name in this binary, whether it is switched on or not: a table of a plugin that
    /// is off must not become an error. `commands` are the names of all commands, subcommands joined by
    /// `_`.
    #[must_use]
    pub fn known_names(&self, commands: Vec<String>) -> KnownNames {
        let mut known = KnownNames { commands, ..KnownNames::default() };
        for descriptor in self.iter() {
            let plugin = (descriptor.make)();
            let owner = Some(descriptor.name.to_owned());
            known.backends.extend(plugin.backends().into_iter().map(|backend| BackendSchema {
                name: backend.name.to_owned(),
                plugin: owner.clone(),
                fields: backend.config_fields,
            }));
            known.agent_types.extend(plugin.agent_types().into_iter().map(|kind| kind.schema(owner.clone())));
            known.plugins.push(PluginSchema {
                name: descriptor.name.to_owned(),
                aliases: Vec::new(),
                is_default_enabled: descriptor.default_enabled,
                fields: plugin.config_fields(),
            });
        }
        // Built in, with a table among those of the plugins, where its readers have looked for it all along.
        known.plugins.push(PluginSchema {
            name: "usage".to_owned(),
            aliases: Vec::new(),
            is_default_enabled: true,
            fields: FieldSchema::of::<UsageSettings>(),
        });
        known
    }
}

/// A plugin that is on.
pub struct Enabled {
    pub descriptor: &'static PluginDescriptor,
    pub plugin: Box<dyn Plugin>,
}

/// What the enabled plugins bring.
pub struct Registry {
    enabled: Vec<Enabled>,
    disabled: Vec<&'static PluginDescriptor>,
    backends: Vec<(&'static str, ProviderBackend)>,
    agent_types: Vec<(&'static str, AgentTypeDef)>,
    /// Types and back ends of plugins that are off, for messages: name, owner.
    switched_off: BTreeMap<String, &'static str>,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.enabled.iter().map(|plugin| plugin.descriptor.name)).finish()
    }
}

/// What decides which plugins are on.
#[derive(Clone, Copy, Debug)]
pub struct Activation<'a> {
    /// `[plugins.NAME]` tables.
    pub entries: &'a BTreeMap<String, Value>,
    /// `--enable-plugin`.
    pub enable: &'a [String],
    /// `--disable-plugin`, applied last.
    pub disable: &'a [String],
}

impl Registry {
    /// Decides what is on and collects what it brings. Also returns warnings: unknown plugins named in
    /// files, and plugins that are off because one they require is.
    ///
    /// # Errors
    /// A flag names an unknown plugin, or two enabled plugins bring the same back end or agent type.
    pub fn new(linked: &Linked, activation: Activation<'_>) -> Result<(Self, Vec<String>)> {
        let mut warnings = Vec::new();
        let known: Vec<&str> = linked.iter().map(|plugin| plugin.name).collect();
        for (flag, names) in
            [("--enable-plugin", activation.enable), ("--disable-plugin", activation.disable)]
        {
            for name in names {
                if !known.contains(&name.as_str()) {
                    return Err(Error::hinted(
                        ErrorClass::Plugin,
                        format!("`{flag} {name}`: there is no such plugin"),
                        format!("linked plugins: {}", known.join(", ")),
                    ));
                }
            }
        }
        let mut on: BTreeSet<&str> = BTreeSet::new();
        for plugin in linked.iter() {
            let mut is_on = plugin.default_enabled;
            if let Some(set) = activation.entries.get(plugin.name).and_then(|entry| entry.get("enabled")) {
                is_on = set.as_bool().unwrap_or(is_on);
            }
            let named = |names: &[String]| names.iter().any(|name| name == plugin.name);
            is_on = (is_on || named(activation.enable)) && !named(activation.disable);
            if is_on {
                on.insert(plugin.name);
            }
        }
        loop {
            let missing = linked.iter().find_map(|plugin| {
                let needed = plugin.requires.iter().find(|name| !on.contains(**name))?;
                on.contains(plugin.name).then_some((plugin.name, *needed))
            });
            let Some((name, needed)) = missing else { break };
            warnings
                .push(format!("plugin `{name}` is off: it requires `{needed}`, which is off or not linked"));
            on.remove(name);
        }
        let mut registry = Self {
            enabled: Vec::new(),
            disabled: Vec::new(),
            backends: Vec::new(),
            agent_types: Vec::new(),
            switched_off: BTreeMap::new(),
        };
        for descriptor in linked.iter() {
            let plugin = (descriptor.make)();
            if on.contains(descriptor.name) {
                for backend in plugin.backends() {
                    registry.add_backend(descriptor.name, backend)?;
                }
                for agent_type in plugin.agent_types() {
                    registry.add_agent_type(descriptor.name, agent_type)?;
                }
                registry.enabled.push(Enabled { descriptor, plugin });
            } else {
                let names = plugin.backends().into_iter().map(|backend| backend.name);
                let names = names.chain(plugin.agent_types().into_iter().map(|kind| kind.name));
                registry.switched_off.extend(names.map(|name| (name.to_owned(), descriptor.name)));
                registry.disabled.push(descriptor);
            }
        }
        Ok((registry, warnings))
    }

    fn add_backend(&mut self, owner: &'static str, backend: ProviderBackend) -> Result<()> {
        if let Some((other, _)) = self.backends.iter().find(|(_, known)| known.name == backend.name) {
            return Err(conflict("backend", backend.name, other, owner));
        }
        self.backends.push((owner, backend));
        Ok(())
    }

    fn add_agent_type(&mut self, owner: &'static str, agent_type: AgentTypeDef) -> Result<()> {
        if let Some((other, _)) = self.agent_types.iter().find(|(_, known)| known.name == agent_type.name) {
            return Err(conflict("agent type", agent_type.name, other, owner));
        }
        self.agent_types.push((owner, agent_type));
        Ok(())
    }

    /// Enabled plugins in hook order.
    pub fn enabled(&self) -> impl Iterator<Item = &Enabled> {
        self.enabled.iter()
    }

    /// Linked plugins that are off.
    pub fn disabled(&self) -> impl Iterator<Item = &'static PluginDescriptor> + '_ {
        self.disabled.iter().copied()
    }

    pub fn backends(&self) -> impl Iterator<Item = &ProviderBackend> {
        self.backends.iter().map(|(_, backend)| backend)
    }

    #[must_use]
    pub fn backend(&self, name: &str) -> Option<&ProviderBackend> {
        self.backends().find(|backend| backend.name == name)
    }

    pub fn agent_types(&self) -> impl Iterator<Item = &AgentTypeDef> {
        self.agent_types.iter().map(|(_, kind)| kind)
    }

    /// The plugin that would bring a back end or an agent type, were it on.
    #[must_use]
    pub fn switched_off_owner(&self, name: &str) -> Option<&'static str> {
        self.switched_off.get(name).copied()
    }
}

fn conflict(what: &str, name: &str, one: &str, other: &str) -> Error {
    Error::hinted(
        ErrorClass::Plugin,
        format!("the plugins `{one}` and `{other}` both bring the {what} `{name}`"),
        format!("mng plugin disable {other}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn linked() -> Linked {
        static A: PluginDescriptor = PluginDescriptor { name: "a", ..PluginDescriptor::DEFAULT };
        static B: PluginDescriptor =
            PluginDescriptor { name: "b", requires: &["a"], ..PluginDescriptor::DEFAULT };
        static C: PluginDescriptor =
            PluginDescriptor { name: "c", default_enabled: false, ..PluginDescriptor::DEFAULT };
        Linked(vec![&A, &B, &C])
    }

    fn names(
        entries: &[(&str, bool)],
        enable: &[&str],
        disable: &[&str],
    ) -> (Vec<&'static str>, Vec<String>) {
        let entries = entries
            .iter()
            .map(|(name, on)| ((*name).to_owned(), serde_json::json!({ "enabled": on })))
            .collect();
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let (enable, disable) = (list(enable), list(disable));
        let activation = Activation { entries: &entries, enable: &enable, disable: &disable };
        let (registry, warnings) = Registry::new(&linked(), activation).unwrap();
        (registry.enabled().map(|plugin| plugin.descriptor.name).collect(), warnings)
    }

    #[test]
    fn flags_beat_files_and_disable_beats_enable() {
        assert_eq!(names(&[], &[], &[]).0, ["a", "b"]);
        assert_eq!(names(&[("c", true), ("b", false)], &[], &[]).0, ["a", "c"]);
        assert_eq!(names(&[("b", false)], &["b"], &[]).0, ["a", "b"]);
        assert_eq!(names(&[], &["c"], &["c"]).0, ["a", "b"]);
    }

    #[test]
    fn a_plugin_without_what_it_requires_is_off_and_says_so() {
        let (on, warnings) = names(&[("a", false)], &[], &[]);
        assert!(on.is_empty());
        assert_eq!(warnings, ["plugin `b` is off: it requires `a`, which is off or not linked"]);
    }
}
