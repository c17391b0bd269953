//! What `mng config` shows: values, files, and the reference of all keys.

use std::path::PathBuf;

use serde::Serialize;
use serde_json::Value;

use super::document;
use super::edit::Editor;
use super::load::{Sources, layer_of};
use super::locate::ConfigScope;
use super::parse;
use super::problem::{dotted, split_path};
use super::shape::{Field, Registry, Section, Shape};
use super::surfaces::{Target, invalid_key};
use super::tree::{Data, Layer, MergeOp, Origin, Table, raw_to_json};
use crate::model::error::{Error, ErrorClass, Result};
use crate::model::order;
use crate::model::suggest::did_you_mean;

/// One value that was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundValue {
    /// As it stands in the file, suffix included, when a scope was named.
    pub key: String,
    pub value: Value,
    /// How the file's value relates to the layers below; [`MergeOp::Assign`] for a merged value.
    pub op: MergeOp,
    pub origin: Origin,
    pub warnings: Vec<String>,
}

impl FoundValue {
    /// As people read it: strings without quotes, an addition with what it is added to: `[..., "x"]`.
    #[must_use]
    pub fn human(&self) -> String {
        let text = human_value(&self.value);
        match (self.op, &self.value) {
            (MergeOp::Extend, Value::Array(_)) => {
                text.replacen('[', "[..., ", 1).replacen("[..., ]", "[...]", 1)
            }
            (MergeOp::Extend, Value::Object(_)) => {
                text.replacen('{', "{..., ", 1).replacen("{..., }", "{...}", 1)
            }
            _ => text,
        }
    }
}

/// A value as people read it: strings without quotes, all else as JSON.
#[must_use]
pub fn human_value(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

/// All values, or those of one file.
#[derive(Clone, Debug, PartialEq)]
pub struct Listing {
    /// Nested, as JSON shows it.
    pub config: Value,
    /// Flat, by key.
    pub rows: Vec<ListedValue>,
    /// The file, when a scope was named.
    pub path: Option<PathBuf>,
    pub warnings: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ListedValue {
    /// Dotted.
    pub key: String,
    pub value: Value,
    pub origin: Origin,
}

/// One settings file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ScopePath {
    pub scope: &'static str,
    /// Absent without a project, and for the user before there is a profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    pub exists: bool,
    /// Why there is no path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// One key of the reference.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SchemaRow {
    /// Dotted; `NAME` stands for any entry.
    pub key: String,
    #[serde(rename = "type")]
    pub kind: String,
    /// The current value, else the default; null when there is neither.
    pub value: Value,
    pub description: String,
}

impl Editor<'_> {
    /// The layers that can be read, with a warning for each that cannot.
    fn readable(&self) -> Result<(Sources, Vec<String>)> {
        let (mut sources, broken) = Sources::read_files(&self.request, self.profile()?.as_ref())?;
        let mut warnings: Vec<String> = broken.iter().map(ToString::to_string).collect();
        warnings.extend(sources.add_texts(&self.request)?.iter().map(ToString::to_string));
        Ok((sources, warnings))
    }

    fn merged(&self) -> Result<(Table, Sources, Vec<String>)> {
        let (sources, mut warnings) = self.readable()?;
        let assembled = sources.assemble(self.locations(), self.known());
        warnings.extend(assembled.problems.iter().map(ToString::to_string));
        warnings.extend(assembled.warnings);
        Ok((assembled.tree, sources, warnings))
    }

    /// The merged value of a key, or what one file says of it. Works while files are broken: these do not
    /// count, and a warning says so.
    ///
    /// # Errors
    /// The key is no path, or is not set; with a scope also when that file is no TOML.
    pub fn get(&self, key: &str, scope: Option<ConfigScope>) -> Result<FoundValue> {
        let segments = split_path(key).ok_or_else(|| invalid_key(key))?;
        match scope {
            Some(scope) => self.get_literal(key, &segments, scope),
            None => self.get_merged(key, &segments),
        }
    }

    fn get_literal(&self, key: &str, segments: &[String], scope: ConfigScope) -> Result<FoundValue> {
        let missing = || {
            let hint = format!("`mng config list --scope {scope}` shows what is");
            let message = format!("`{key}` is not set in the {scope} settings");
            Error::hinted(ErrorClass::ConfigKeyNotFound, message, hint)
        };
        let path = self.path(scope)?.ok_or_else(missing)?;
        let document = parse::read_document(self.locations(), &path)?.ok_or_else(missing)?;
        let (sources, warnings) = self.readable()?;
        let root = self.known().whole_shape(&sources.raw());
        let target = Target { root: &root, below: sources.raw() };
        let steps = target.walk(segments).map_err(|_| missing())?;
        let (path_in_file, op, value) = document::find(document.as_table(), &steps).ok_or_else(missing)?;
        let origin = Origin::of(layer_of(scope), &self.locations().contract_home(&path));
        Ok(FoundValue { key: dotted(&path_in_file), value, op, origin, warnings })
    }

    fn get_merged(&self, key: &str, segments: &[String]) -> Result<FoundValue> {
        let (tree, sources, warnings) = self.merged()?;
        let root = self.known().whole_shape(&sources.raw());
        let target = Target { root: &root, below: sources.raw() };
        let path = target.resolve(segments).unwrap_or_else(|_| segments.to_vec());
        if let Some(node) = tree.at(&path) {
            let value = node.data.to_json();
            return Ok(FoundValue {
                key: key.to_owned(),
                value,
                op: MergeOp::Assign,
                origin: node.origin.clone(),
                warnings,
            });
        }
        let rows = schema_rows(&root, &tree);
        let is_declared = rows.iter().any(|row| row.key == dotted(&path));
        let message = if is_declared {
            format!("`{key}` is not set")
        } else {
            format!("there is no settings key `{key}`")
        };
        let hint = did_you_mean(key, rows.iter().map(|row| row.key.as_str()).filter(|known| *known != key));
        let hint = hint.filter(|_| !is_declared);
        let hint = hint.unwrap_or_else(|| "`mng config schema` lists all keys".into());
        Err(Error::hinted(ErrorClass::ConfigKeyNotFound, message, hint))
    }

    /// The values of one file; or the merged ones: those that any layer set, or all.
    ///
    /// # Errors
    /// There is no project here, or the named file is no TOML. Without a scope a broken file is a warning.
    pub fn list(&self, scope: Option<ConfigScope>, all: bool) -> Result<Listing> {
        if let Some(scope) = scope {
            let path = self.path(scope)?;
            let raw = match &path {
                Some(path) => parse::read_layer(self.locations(), path, layer_of(scope))??,
                None => None,
            };
            let raw = raw.unwrap_or_default();
            let mut rows = Vec::new();
            flatten_raw(&raw, &mut Vec::new(), &mut rows);
            order::sort_by(&mut rows, |a: &ListedValue, b| a.key.cmp(&b.key));
            return Ok(Listing { config: raw_to_json(&raw), rows, path, warnings: Vec::new() });
        }
        let (tree, _, warnings) = self.merged()?;
        let tree = if all { tree } else { only_set(tree) };
        let mut rows = Vec::new();
        flatten(&tree, &mut Vec::new(), &mut rows);
        order::sort_by(&mut rows, |a, b| a.key.cmp(&b.key));
        Ok(Listing { config: Value::Object(tree.to_json()), rows, path: None, warnings })
    }

    /// The settings files, lowest precedence first.
    ///
    /// # Errors
    /// The profile pointer cannot be read.
    pub fn paths(&self) -> Result<Vec<ScopePath>> {
        let profile = self.profile()?;
        let one = |scope: ConfigScope| {
            let path = self.locations().settings_file(scope, profile.as_ref());
            let error = match (&path, scope) {
                (Some(_), _) => None,
                (None, ConfigScope::User) => Some("there is no profile yet".to_owned()),
                (None, _) => Some("there is no project here".to_owned()),
            };
            let exists = path.as_ref().is_some_and(|path| path.exists());
            ScopePath { scope: scope.as_str(), path, exists, error }
        };
        Ok(ConfigScope::ALL.map(one).into())
    }

    /// Every key with its type, current value and meaning.
    ///
    /// # Errors
    /// A file cannot be read; one that is no TOML does not count.
    pub fn schema(&self) -> Result<Vec<SchemaRow>> {
        let (tree, sources, _) = self.merged()?;
        Ok(schema_rows(&self.known().whole_shape(&sources.raw()), &tree))
    }
}

fn only_set(mut table: Table) -> Table {
    table.entries.retain(|_, entry| {
        if let Data::Table(inner) = &mut entry.node.data {
            let was_empty = inner.entries.is_empty();
            *inner = only_set(std::mem::take(inner));
            if !inner.entries.is_empty() || (was_empty && entry.node.origin.layer != Layer::Default) {
                return true;
            }
        }
        entry.node.origin.layer != Layer::Default && entry.node.data.table().is_none()
    });
    table
}

fn flatten(table: &Table, path: &mut Vec<String>, rows: &mut Vec<ListedValue>) {
    for (name, entry) in &table.entries {
        path.push(name.clone());
        match &entry.node.data {
            Data::Unset => {}
            Data::Table(inner) if !inner.entries.is_empty() => flatten(inner, path, rows),
            data => rows.push(ListedValue {
                key: dotted(path),
                value: data.to_json(),
                origin: entry.node.origin.clone(),
            }),
        }
        path.pop();
    }
}

fn flatten_raw(table: &super::tree::RawTable, path: &mut Vec<String>, rows: &mut Vec<ListedValue>) {
    for (name, raw) in table {
        path.push(name.clone());
        match raw.table() {
            Some(inner) if !inner.is_empty() => flatten_raw(inner, path, rows),
            _ => {
                rows.push(ListedValue {
                    key: dotted(path),
                    value: raw.to_json(),
                    origin: raw.origin.clone(),
                });
            }
        }
        path.pop();
    }
}

/// What stands for any entry of a registry.
const ANY_ENTRY: &str = "NAME";

fn schema_rows(root: &Section, tree: &Table) -> Vec<SchemaRow> {
    let mut rows = Vec::new();
    section_rows(root, tree, &mut Vec::new(), &mut rows, &|_| true);
    rows
}

fn section_rows(
    section: &Section,
    tree: &Table,
    path: &mut Vec<String>,
    rows: &mut Vec<SchemaRow>,
    is_wanted: &dyn Fn(&str) -> bool,
) {
    for (name, field) in section.fields.iter().filter(|(name, _)| is_wanted(name)) {
        path.push(name.clone());
        match &field.shape {
            Shape::Section(inner) => section_rows(inner, tree, path, rows, &|_| true),
            Shape::Registry(registry) => {
                rows.push(row(path, field, tree));
                registry_rows(registry, tree, path, rows);
            }
            _ => rows.push(row(path, field, tree)),
        }
        path.pop();
    }
}

fn registry_rows(registry: &Registry, tree: &Table, path: &mut Vec<String>, rows: &mut Vec<SchemaRow>) {
    let mut every = Vec::new();
    if let Shape::Section(section) = &*registry.others {
        every = section.fields.keys().cloned().collect();
        path.push(ANY_ENTRY.into());
        section_rows(section, tree, path, rows, &|_| true);
        path.pop();
    }
    for (entry, shape) in &registry.entries {
        if let Shape::Section(section) = shape {
            path.push(entry.clone());
            section_rows(section, tree, path, rows, &|field| !every.iter().any(|known| known == field));
            path.pop();
        }
    }
}

fn row(path: &[String], field: &Field, tree: &Table) -> SchemaRow {
    let value = tree.at(path).map(|node| node.data.to_json());
    let value = value.or_else(|| field.default.clone()).unwrap_or_default();
    SchemaRow {
        key: dotted(path),
        kind: field.shape.type_word(),
        value,
        description: field.description.clone(),
    }
}
