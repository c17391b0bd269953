//! What settings may name: the back ends, agent types, plugins and commands of this binary.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use indexmap::IndexMap;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::core::CoreSettings;
use super::entries::{AgentTypeBase, PluginBase, ProviderBase};
use super::lift::fold;
use super::parameters;
use super::shape::{Field, Registry, Section, Shape};
use super::tree::{MergeOp, Raw, RawTable, RawValue, parse_text};

/// The names that this binary knows. With the default, only the core's own keys are checked.
#[derive(Clone, Debug, Default)]
pub struct KnownNames {
    pub backends: Vec<BackendSchema>,
    pub agent_types: Vec<TypeSchema>,
    pub plugins: Vec<PluginSchema>,
    /// Names as settings spell them, subcommands joined with `_`: `create`, `snapshot_create`.
    pub commands: Vec<String>,
    /// The options of each command by name, long with `_` for `-`. An edit is checked against them; a load
    /// is not: only the command that runs looks at its own.
    pub parameters: BTreeMap<String, Vec<String>>,
}

/// A back end and the fields of its `[providers.NAME]` tables.
#[derive(Clone, Debug)]
pub struct BackendSchema {
    pub name: String,
    /// The plugin that brings it; its tables are not looked at while that is disabled.
    pub plugin: Option<String>,
    /// Without the fields that every provider has.
    pub fields: FieldSchema,
}

/// A registered agent type and the fields of its `[agent_types.NAME]` tables.
#[derive(Clone, Debug)]
pub struct TypeSchema {
    pub name: String,
    pub aliases: Vec<String>,
    pub plugin: Option<String>,
    /// Without the fields that every agent type has.
    pub fields: FieldSchema,
}

/// A plugin and the fields of its `[plugins.NAME]` table.
#[derive(Clone, Debug)]
pub struct PluginSchema {
    pub name: String,
    pub aliases: Vec<String>,
    pub is_default_enabled: bool,
    /// Without `enabled`.
    pub fields: FieldSchema,
}

/// The fields of a table. Data and function pointers only: a schema is made when a table needs it.
#[derive(Clone, Debug, Default)]
pub enum FieldSchema {
    /// Any field.
    #[default]
    Open,
    /// These fields, with any values.
    Names(&'static [&'static str]),
    /// The fields of a struct.
    Struct(fn() -> Value),
}

impl TypeSchema {
    /// Whether an `[agent_types.NAME]` table of this type may hold the field.
    #[must_use]
    pub fn has_field(&self, field: &str) -> bool {
        let has = |section: Section| section.others.is_some() || section.fields.contains_key(field);
        has(FieldSchema::of::<AgentTypeBase>().section()) || has(self.fields.section())
    }
}

impl FieldSchema {
    /// The fields of a configuration struct, with types, descriptions and defaults.
    ///
    /// Besides what serde and schemars say, a field may carry `#[schemars(extend("x-mng-words" = true))]`
    /// (a string is split into words), `"x-mng-replace-only"` (`__extend` replaces), `"x-mng-patch"` (a
    /// patch with a merge map) or `"x-mng-synonyms"` (other spellings of an enum's words).
    #[must_use]
    pub fn of<T: JsonSchema>() -> Self {
        Self::Struct(schema_of::<T>)
    }

    pub(crate) fn section(&self) -> Section {
        match self {
            Self::Open => Section::open(),
            Self::Names(names) => Section {
                fields: names.iter().map(|name| ((*name).to_owned(), Field::open(Shape::Any))).collect(),
                ..Section::default()
            },
            Self::Struct(schema) => match Shape::from_schema(&schema()) {
                // A struct that forgot `deny_unknown_fields` still has only its own fields.
                Shape::Section(section) => Section { others: None, ..section },
                _ => Section::open(),
            },
        }
    }
}

fn schema_of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<T>().to_value()
}

/// What the core itself acts on. Made once a process: reading the schema costs more than reading a file.
fn core_section() -> &'static Section {
    static CORE: OnceLock<Section> = OnceLock::new();
    CORE.get_or_init(|| {
        let mut core = FieldSchema::of::<CoreSettings>().section();
        if let Some(Shape::Section(logging)) = core.fields.get_mut("logging").map(|field| &mut field.shape) {
            logging.aliases.push(("enable_paramiko_logging".into(), "enable_ssh_trace".into()));
        }
        core
    })
}

const REGISTRY_MEANINGS: [(&str, &str); 5] = [
    ("agent_types", "Agent types: settings of known ones, and new ones with a `parent_type`."),
    ("providers", "Provider instances, by name."),
    ("plugins", "Plugins: whether each is enabled, and its settings."),
    ("commands", "Defaults of command options, by command and option."),
    ("create_templates", "Named sets of `create` options, chosen with `--template`."),
];

/// The fields of `base` and of a kind; the kind may describe a base field more exactly.
fn joined(base: &Section, kind: Section) -> Section {
    let mut section = base.clone();
    section.fields.extend(kind.fields);
    section.others = kind.others;
    section.aliases.extend(kind.aliases);
    section
}

/// What the entries of the registries are, read from the raw layers before anything is checked.
#[derive(Debug, Default)]
struct Kinds {
    /// Provider instance to backend.
    backends: BTreeMap<String, String>,
    /// Agent type to parent type.
    parents: BTreeMap<String, String>,
    agent_types: BTreeSet<String>,
    disabled_plugins: BTreeSet<String>,
    commands: BTreeSet<String>,
}

impl Kinds {
    fn read(layers: &[&RawTable]) -> Self {
        let mut kinds = Self::default();
        for layer in layers {
            for (name, entry) in entries(layer, "providers") {
                let backend = text_field(entry, "backend");
                let known = kinds.backends.entry(name.to_owned()).or_insert_with(|| name.to_owned());
                if let Some(backend) = backend {
                    *known = backend;
                }
            }
            for (name, entry) in entries(layer, "agent_types") {
                kinds.agent_types.insert(name.to_owned());
                if let Some(parent) = text_field(entry, "parent_type") {
                    kinds.parents.insert(name.to_owned(), parent);
                }
            }
            let commands = entries(layer, "commands").map(|(name, _)| parameters::canonical_command(name));
            kinds.commands.extend(commands);
            for (name, entry) in entries(layer, "plugins") {
                match field(entry, "enabled").map(Raw::to_json) {
                    Some(Value::Bool(false)) => {
                        kinds.disabled_plugins.insert(name.to_owned());
                    }
                    Some(_) => {
                        kinds.disabled_plugins.remove(name);
                    }
                    None => {}
                }
            }
        }
        kinds
    }

    /// The last name of the parent chain; a circle ends where it closes.
    fn base_type<'a>(&'a self, name: &'a str) -> &'a str {
        let mut seen = BTreeSet::new();
        let mut current = name;
        while seen.insert(current) {
            match self.parents.get(current) {
                Some(parent) => current = parent,
                None => break,
            }
        }
        current
    }
}

fn entries<'a>(layer: &'a RawTable, registry: &str) -> impl Iterator<Item = (&'a str, &'a RawTable)> {
    let forms = [MergeOp::Assign, MergeOp::Force, MergeOp::Extend];
    let tables = forms.map(|op| layer.get(&format!("{registry}{}", op.suffix())).and_then(Raw::table));
    tables
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|(name, entry)| Some((MergeOp::split(name).0, entry.table()?)))
}

fn field<'a>(entry: &'a RawTable, name: &str) -> Option<&'a Raw> {
    let dashed = name.replace('_', "-");
    entry.get(name).or_else(|| entry.get(&dashed)).or_else(|| entry.get(&format!("{name}__assign")))
}

fn text_field(entry: &RawTable, name: &str) -> Option<String> {
    let value = match &field(entry, name)?.value {
        RawValue::Text(text) => match parse_text(text) {
            Value::String(text) => text,
            _ => text.clone(),
        },
        RawValue::Scalar(Value::String(text)) => text.clone(),
        _ => return None,
    };
    Some(value)
}

impl KnownNames {
    /// The shape of the settings tree, as far as these layers go: schemas that no layer needs are not made.
    pub(crate) fn root_shape(&self, layers: &[&RawTable]) -> Section {
        self.shape(layers, |_| false)
    }

    /// As [`KnownNames::root_shape`], for texts that will become a layer.
    pub(crate) fn root_shape_for<'a>(
        &self,
        layers: &[&RawTable],
        texts: impl Iterator<Item = &'a str> + Clone,
    ) -> Section {
        self.shape(layers, |registry| texts.clone().any(|text| fold(text).contains(registry)))
    }

    /// The shape of the whole tree, for reference.
    pub(crate) fn whole_shape(&self, layers: &[&RawTable]) -> Section {
        self.shape(layers, |_| true)
    }

    fn shape(&self, layers: &[&RawTable], is_wanted: impl Fn(&str) -> bool) -> Section {
        let kinds = Kinds::read(layers);
        let mut root = core_section().clone();
        let names = |registry: &str| {
            let is_named = |key: &String| fold(MergeOp::split(key).0) == registry;
            is_wanted(registry) || layers.iter().any(|layer| layer.keys().any(is_named))
        };
        for (name, description) in REGISTRY_MEANINGS {
            let shape = match name {
                _ if !names(name) => Registry::default(),
                "agent_types" => self.agent_types_shape(&kinds),
                "providers" => self.providers_shape(&kinds),
                "plugins" => self.plugins_shape(&kinds),
                "commands" => self.commands_shape(&kinds),
                _ => Registry { others: Box::new(Shape::Template), ..Registry::default() },
            };
            let field = Field {
                shape: Shape::Registry(shape),
                description: description.into(),
                default: Some(Value::Object(serde_json::Map::new())),
            };
            root.fields.insert(name.to_owned(), field);
        }
        root
    }

    fn agent_types_shape(&self, kinds: &Kinds) -> Registry {
        let base = FieldSchema::of::<AgentTypeBase>().section();
        let open = Shape::Section(joined(&base, Section::open()));
        let mut entries = IndexMap::new();
        let registered = self.agent_types.iter().map(|kind| kind.name.as_str());
        for name in kinds.agent_types.iter().map(String::as_str).chain(registered) {
            let base_type = kinds.base_type(name);
            let kind = self
                .agent_types
                .iter()
                .find(|kind| kind.name == base_type || kind.aliases.iter().any(|alias| alias == base_type))
                .filter(|kind| !is_disabled(kinds, kind.plugin.as_deref()));
            let shape = match kind {
                Some(kind) => Shape::Section(joined(&base, kind.fields.section())),
                // Its type is not in this binary: the table waits for one that has it.
                None => open.clone(),
            };
            entries.insert(name.to_owned(), shape);
        }
        Registry { entries, others: Box::new(open), ..Registry::default() }
    }

    fn providers_shape(&self, kinds: &Kinds) -> Registry {
        let base = FieldSchema::of::<ProviderBase>().section();
        let open = Shape::Section(joined(&base, Section::open()));
        let mut entries = IndexMap::new();
        let shape = |backend: &str| {
            let known = self.backends.iter().find(|known| known.name == backend);
            match known.filter(|known| !is_disabled(kinds, known.plugin.as_deref())) {
                Some(known) => Shape::Section(joined(&base, known.fields.section())),
                None => open.clone(),
            }
        };
        for known in &self.backends {
            entries.insert(known.name.clone(), shape(&known.name));
        }
        for (name, backend) in &kinds.backends {
            entries.insert(name.clone(), shape(backend));
        }
        Registry { entries, others: Box::new(open), ..Registry::default() }
    }

    fn plugins_shape(&self, kinds: &Kinds) -> Registry {
        let base = FieldSchema::of::<PluginBase>().section();
        let open = Shape::Section(joined(&base, Section::open()));
        let mut registry = Registry { others: Box::new(open.clone()), ..Registry::default() };
        for plugin in &self.plugins {
            let is_disabled = kinds.disabled_plugins.contains(&plugin.name);
            let shape = if is_disabled {
                open.clone()
            } else {
                Shape::Section(joined(&base, plugin.fields.section()))
            };
            registry.entries.insert(plugin.name.clone(), shape);
            registry.aliases.extend(plugin.aliases.iter().map(|alias| (alias.clone(), plugin.name.clone())));
        }
        registry
    }

    fn commands_shape(&self, kinds: &Kinds) -> Registry {
        let shape = |command: &str| {
            let default_subcommand = Field {
                description: "Subcommand to run when none is named; empty: none.".into(),
                ..Field::open(Shape::Text { may_be_empty: true })
            };
            Shape::Section(Section {
                fields: [("default_subcommand".to_owned(), default_subcommand)].into_iter().collect(),
                others: Some(Box::new(Shape::Parameter)),
                aliases: parameters::aliases(command),
            })
        };
        Registry {
            entries: self
                .commands
                .iter()
                .chain(&kinds.commands)
                .map(|name| (name.clone(), shape(name)))
                .collect(),
            others: Box::new(shape("")),
            are_commands: true,
            aliases: vec![("mngr".into(), "mng".into())],
        }
    }
}

fn is_disabled(kinds: &Kinds, plugin: Option<&str>) -> bool {
    plugin.is_some_and(|plugin| kinds.disabled_plugins.contains(plugin))
}
