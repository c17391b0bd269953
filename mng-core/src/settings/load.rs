//! Reading the layers and making them one.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::check;
use super::core::CoreSettings;
use super::environment::EnvSnapshot;
use super::known::KnownNames;
use super::lift::Lifter;
use super::locate::{ConfigScope, Locations};
use super::merge::{Mismatch, merge_layers};
use super::parse::{self, BrokenFiles, TomlProblem};
use super::problem::{Problem, SettingsError};
use super::profile::{Profile, find_profile};
use super::surfaces::{self, Target};
use super::tree::{Layer, Origin, Raw, RawTable, RawValue, Table};
use crate::model::error::{Error, ErrorClass, Result};

/// The registries: tables of entries whose fields belong to whoever registered them.
pub(crate) const REGISTRIES: [&str; 5] =
    ["agent_types", "providers", "plugins", "commands", "create_templates"];

/// What a load looks at.
#[derive(Clone, Copy, Debug)]
pub struct LoadRequest<'a> {
    pub locations: &'a Locations,
    pub env: &'a EnvSnapshot,
    /// The values of `-S KEY=VALUE`, in order.
    pub overrides: &'a [String],
    pub known: &'a KnownNames,
}

/// The settings of one invocation.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What the core itself acts on, typed.
    pub core: CoreSettings,
    /// What a person should hear about; each once.
    pub warnings: Vec<String>,
    pub(crate) tree: Table,
    merged: Value,
    host_dir: PathBuf,
    profile: Option<Profile>,
    locations: Locations,
    pub(crate) sources: Sources,
}

/// The layers as written, and how strictly they are read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources {
    pub(crate) layers: Vec<(Layer, RawTable)>,
    pub(crate) is_lenient: bool,
    /// Files without `is_allowed_in_pytest` are refused.
    pub(crate) is_guarded: bool,
}

/// Loads the settings: at most three files and the profile pointer are read, nothing is created.
///
/// # Errors
/// A file cannot be read or is no TOML; or anything is wrong with any layer: then all problems of all
/// layers are in one [`SettingsError`].
pub fn load(request: &LoadRequest<'_>) -> Result<Settings> {
    let profile = find_profile(request.locations, request.env)?;
    let (mut sources, broken) = Sources::read_files(request, profile.as_ref())?;
    if !broken.is_empty() {
        return Err(BrokenFiles::of(broken));
    }
    // The layers are checked even if a text is wrong, so that one run shows all there is to correct.
    let mut problems = sources.add_texts(request)?;
    let assembled = sources.assemble(request.locations, request.known);
    problems.extend(assembled.problems);
    if !problems.is_empty() {
        return Err(SettingsError { problems }.into());
    }
    sources.finish(assembled.tree, assembled.warnings, request.locations, profile)
}

pub(crate) fn layer_of(scope: ConfigScope) -> Layer {
    match scope {
        ConfigScope::User => Layer::User,
        ConfigScope::Project => Layer::Project,
        ConfigScope::Local => Layer::Local,
    }
}

impl Sources {
    /// Reads the files that exist; those that are no TOML are left out and returned.
    pub(crate) fn read_files(
        request: &LoadRequest<'_>,
        profile: Option<&Profile>,
    ) -> Result<(Self, Vec<TomlProblem>)> {
        let mut sources = Self {
            layers: Vec::new(),
            is_lenient: request.env.is_truthy("MNG_ALLOW_UNKNOWN_CONFIG"),
            is_guarded: request.env.get("MNG_TEST_GUARD") == Some("1"),
        };
        let mut broken = Vec::new();
        for scope in ConfigScope::ALL {
            let Some(path) = request.locations.settings_file(scope, profile) else { continue };
            match parse::read_layer(request.locations, &path, layer_of(scope))? {
                Ok(Some(raw)) => sources.layers.push((layer_of(scope), raw)),
                Ok(None) => {}
                Err(problem) => broken.push(problem),
            }
        }
        Ok((sources, broken))
    }

    pub(crate) fn raw(&self) -> Vec<&RawTable> {
        self.layers.iter().map(|(_, raw)| raw).collect()
    }

    /// Adds the environment and `-S`. Names that these mention are matched with those of the layers below.
    pub(crate) fn add_texts(&mut self, request: &LoadRequest<'_>) -> Result<Vec<Problem>> {
        let mut problems = Vec::new();
        let has_settings = |name: &str| {
            name.starts_with("MNG__")
                || name.starts_with("MNG_COMMANDS_")
                || matches!(name, "MNG_PREFIX" | "MNG_HOST_DIR" | "MNG_HEADLESS")
        };
        if request.env.iter().any(|(name, _)| has_settings(name)) {
            let names = request.env.iter().map(|(name, _)| name).filter(|name| name.starts_with("MNG_"));
            let root = request.known.root_shape_for(&self.raw(), names);
            let target = Target { root: &root, below: self.raw() };
            let raw = surfaces::environment(request.env, &target, &request.known.commands, &mut problems);
            self.layers.push((Layer::Environment, raw));
        }
        if !request.overrides.is_empty() {
            let raw = self.read_texts(request.overrides, Layer::CommandLine, request.known, &mut problems)?;
            self.layers.push((Layer::CommandLine, raw));
        }
        Ok(problems)
    }

    fn read_texts(
        &self,
        texts: &[String],
        layer: Layer,
        known: &KnownNames,
        problems: &mut Vec<Problem>,
    ) -> Result<RawTable> {
        let root = known.root_shape_for(&self.raw(), texts.iter().map(String::as_str));
        let target = Target { root: &root, below: self.raw() };
        surfaces::key_values(texts, layer, &target, problems)
    }

    /// Checks and merges the layers. What is wrong is left out of the tree and listed.
    pub(crate) fn assemble(&self, locations: &Locations, known: &KnownNames) -> Assembled {
        let defaults = defaults(locations);
        if self.layers.iter().all(|(_, raw)| raw.is_empty()) {
            return Assembled { tree: defaults, problems: Vec::new(), warnings: Vec::new() };
        }
        let raw = self.raw();
        let root = known.root_shape(&raw);
        let mut lifter = Lifter::new(self.is_lenient);
        let lifted: Vec<Table> = raw.iter().map(|raw| lifter.layer(raw, &root)).collect();
        let Lifter { mut problems, mut warnings, .. } = lifter;
        if self.is_guarded {
            check::test_guard(&self.layers, &mut problems);
        }
        let (tree, findings) = merge_layers(&defaults, lifted);
        problems.extend(findings.mismatches.iter().map(Mismatch::to_problem));
        let is_guard_off = tree
            .get("allow_settings_key_assignment_narrowing")
            .is_some_and(|node| node.data.to_json() == Value::Bool(true));
        if !is_guard_off {
            problems.extend(findings.losses.iter().map(|loss| check::narrowing(loss, &root)));
        }
        check::merged(&tree, known, &mut problems, &mut warnings);
        warnings.dedup();
        Assembled { tree, problems, warnings }
    }

    fn resolve(
        self,
        locations: &Locations,
        profile: Option<Profile>,
        known: &KnownNames,
    ) -> Result<Settings> {
        let Assembled { tree, problems, warnings } = self.assemble(locations, known);
        if problems.is_empty() {
            self.finish(tree, warnings, locations, profile)
        } else {
            Err(SettingsError { problems }.into())
        }
    }

    fn finish(
        self,
        tree: Table,
        warnings: Vec<String>,
        locations: &Locations,
        profile: Option<Profile>,
    ) -> Result<Settings> {
        let merged = tree.to_json();
        let core = core_settings(&merged)?;
        let host_dir = locations.cwd.join(locations.expand_home(&core.default_host_dir));
        Ok(Settings {
            core,
            warnings,
            tree,
            merged: Value::Object(merged),
            host_dir,
            profile,
            locations: locations.clone(),
            sources: self,
        })
    }
}

/// Layers put together.
pub(crate) struct Assembled {
    pub(crate) tree: Table,
    pub(crate) problems: Vec<Problem>,
    pub(crate) warnings: Vec<String>,
}

/// The built-in defaults as a tree.
pub(crate) fn defaults(locations: &Locations) -> Table {
    let defaults = serde_json::to_value(CoreSettings::for_root(&locations.root_name)).unwrap_or_default();
    let map = defaults.as_object().cloned().unwrap_or_default();
    Table::literal(&map, &Origin::built_in())
}

/// The core's part of a merged tree, typed. The tree was checked before; this is the backstop.
fn core_settings(merged: &Map<String, Value>) -> Result<CoreSettings> {
    let core = merged.iter().filter(|(key, _)| !REGISTRIES.contains(&key.as_str()));
    let core: Map<String, Value> = core.map(|(key, value)| (key.clone(), value.clone())).collect();
    serde_json::from_value(Value::Object(core))
        .map_err(|error| Error::plain(ErrorClass::Config, format!("the merged settings do not fit: {error}")))
}

impl Settings {
    /// Data root of this machine's agents: `default_host_dir`, expanded and absolute.
    #[must_use]
    pub fn host_dir(&self) -> &Path {
        &self.host_dir
    }

    /// Where the settings were found.
    #[must_use]
    pub fn locations(&self) -> &Locations {
        &self.locations
    }

    /// The active profile, if there is one already.
    #[must_use]
    pub fn profile(&self) -> Option<&Profile> {
        self.profile.as_ref()
    }

    /// The whole merged tree, defaults included.
    #[must_use]
    pub fn merged(&self) -> &Value {
        &self.merged
    }

    /// The settings with `setting = ["k=v"]` of create templates, which lie under the `-S` values.
    ///
    /// # Errors
    /// As [`load`]; and for a setting under `commands` or `create_templates`, which has been used already.
    pub fn with_template_settings(&self, texts: &[String], known: &KnownNames) -> Result<Self> {
        for text in texts {
            let root = text.split(['.', '=', '_']).next().unwrap_or_default().trim();
            let key = text.split('=').next().unwrap_or_default().trim();
            let is_used_up = matches!(root, "commands") || key.starts_with("create_templates");
            if is_used_up {
                return Err(Error::input(
                    format!("the template setting `{text}` comes too late: `{key}` has been used already"),
                    "pass it with `-S`, or write it into a settings file",
                ));
            }
        }
        let mut sources = self.sources.clone();
        let mut problems = Vec::new();
        let raw = sources.read_texts(texts, Layer::Template, known, &mut problems)?;
        if !problems.is_empty() {
            return Err(SettingsError { problems }.into());
        }
        let above = sources.layers.partition_point(|(layer, _)| *layer < Layer::Template);
        sources.layers.insert(above, (Layer::Template, raw));
        sources.resolve(&self.locations, self.profile.clone(), known)
    }

    /// The settings as a plugin's `on_load_config` left them; checked like a file, blamed on the plugin.
    ///
    /// # Errors
    /// As [`load`].
    pub fn with_plugin_edits(&self, plugin: &str, edited: &Value, known: &KnownNames) -> Result<Self> {
        let edits = changes(&self.merged, edited, &Origin::of(Layer::Plugin, plugin));
        if edits.is_empty() {
            return Ok(self.clone());
        }
        let mut sources = self.sources.clone();
        sources.layers.push((Layer::Plugin, edits));
        sources.resolve(&self.locations, self.profile.clone(), known)
    }
}

/// The built-in defaults without any place; for tests of what takes settings.
impl Default for Settings {
    fn default() -> Self {
        let locations = Locations { root_name: "mng".into(), ..Locations::default() };
        let core = CoreSettings::default();
        let tree = defaults(&locations);
        Self {
            host_dir: locations.expand_home(&core.default_host_dir),
            core,
            warnings: Vec::new(),
            merged: Value::Object(tree.to_json()),
            tree,
            profile: None,
            locations,
            sources: Sources::default(),
        }
    }
}

/// What turns one tree into the other: forced values, and unset keys.
fn changes(old: &Value, new: &Value, origin: &Origin) -> RawTable {
    let mut edits = RawTable::new();
    let (Some(old), Some(new)) = (old.as_object(), new.as_object()) else { return edits };
    for (key, value) in new {
        match old.get(key) {
            Some(before) if before == value => {}
            Some(before) if before.is_object() && value.is_object() => {
                let inner = changes(before, value, origin);
                let key = format!("{key}__extend");
                edits.insert(key, Raw { value: RawValue::Table(inner), origin: origin.clone() });
            }
            _ => {
                edits.insert(format!("{key}__assign"), Raw::from_json(value.clone(), origin));
            }
        }
    }
    for key in old.keys().filter(|key| !new.contains_key(*key)) {
        edits.insert(key.clone(), Raw { value: RawValue::Unset, origin: origin.clone() });
    }
    edits
}
