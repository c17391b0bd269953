//! Trees of settings: as written (raw), and lifted, where each key carries its operator.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::patch;

/// Where settings come from, lowest precedence first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    Default,
    User,
    Project,
    Local,
    Environment,
    /// `setting = ["k=v"]` of a create template or of `[commands.create]`.
    Template,
    /// `-S KEY=VALUE`
    CommandLine,
    /// What a plugin's `on_load_config` made of it.
    Plugin,
}

impl Layer {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::User => "user",
            Self::Project => "project",
            Self::Local => "local",
            Self::Environment => "environment",
            Self::Template => "template",
            Self::CommandLine => "command line",
            Self::Plugin => "plugin",
        }
    }
}

/// Where one value was written. `Display` is how messages name the place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    pub layer: Layer,
    /// The file with `~` for the home directory, the variable's name, or the text after `-S`.
    pub place: Arc<str>,
    /// The settings file, for the three file layers.
    pub file: Option<Arc<Path>>,
    /// From 1, for the three file layers.
    pub line: Option<usize>,
}

impl Origin {
    #[must_use]
    pub(crate) fn of(layer: Layer, place: &str) -> Self {
        Self { layer, place: place.into(), file: None, line: None }
    }

    pub(crate) fn built_in() -> Self {
        Self::of(Layer::Default, "built-in default")
    }

    /// The settings file that holds the value, if one does.
    #[must_use]
    pub fn file(&self) -> Option<PathBuf> {
        self.file.as_deref().map(Path::to_path_buf)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.layer, self.line) {
            (_, Some(line)) => write!(f, "`{}:{line}`", self.place),
            (Layer::Default, _) => f.write_str("the built-in defaults"),
            (Layer::User | Layer::Project | Layer::Local, _) => write!(f, "`{}`", self.place),
            (Layer::Environment, _) => write!(f, "the environment variable `{}`", self.place),
            (Layer::Template, _) => write!(f, "the setting `{}` of a template", self.place),
            (Layer::CommandLine, _) => write!(f, "`-S {}`", self.place),
            (Layer::Plugin, _) => write!(f, "plugin `{}`", self.place),
        }
    }
}

/// A value as written, keys still with their suffixes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Raw {
    pub(crate) value: RawValue,
    pub(crate) origin: Origin,
}

pub(crate) type RawTable = IndexMap<String, Raw>;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum RawValue {
    /// `null` on a string surface: whatever lower layers say is forgotten.
    Unset,
    Scalar(Value),
    List(Vec<Value>),
    Table(RawTable),
    /// From a string surface: what the text is depends on the key, so the text is kept.
    Text(String),
}

impl Raw {
    pub(crate) fn table(&self) -> Option<&RawTable> {
        match &self.value {
            RawValue::Table(table) => Some(table),
            _ => None,
        }
    }

    /// JSON as a raw value, every part with the same origin.
    pub(crate) fn from_json(value: Value, origin: &Origin) -> Self {
        let value = match value {
            Value::Null => RawValue::Unset,
            Value::Array(items) => RawValue::List(items),
            Value::Object(map) => {
                let entry = |(key, value)| (key, Self::from_json(value, origin));
                RawValue::Table(map.into_iter().map(entry).collect())
            }
            scalar => RawValue::Scalar(scalar),
        };
        Self { value, origin: origin.clone() }
    }

    pub(crate) fn to_json(&self) -> Value {
        match &self.value {
            RawValue::Unset => Value::Null,
            RawValue::Scalar(value) => value.clone(),
            RawValue::List(items) => Value::Array(items.clone()),
            RawValue::Table(table) => raw_to_json(table),
            RawValue::Text(text) => parse_text(text),
        }
    }
}

pub(crate) fn raw_to_json(table: &RawTable) -> Value {
    Value::Object(table.iter().map(|(key, raw)| (key.clone(), raw.to_json())).collect())
}

/// What a text means without knowing its key: JSON, else the text itself.
pub(crate) fn parse_text(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

/// How a key relates to the layers below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MergeOp {
    /// `key`: replaces what is below, which must not lose entries by it.
    Assign,
    /// `key__assign`: replaces what is below, whatever that was.
    Force,
    /// `key__extend`: adds to what is below.
    Extend,
}

impl MergeOp {
    #[must_use]
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Assign => "",
            Self::Force => "__assign",
            Self::Extend => "__extend",
        }
    }

    /// Splits the outermost suffix off, once: `a__extend__assign` assigns the key `a__extend`.
    #[must_use]
    pub fn split(key: &str) -> (&str, Self) {
        for op in [Self::Force, Self::Extend] {
            if let Some(name) = key.strip_suffix(op.suffix())
                && !name.is_empty()
            {
                return (name, op);
            }
        }
        (key, Self::Assign)
    }
}

/// A lifted table: names without suffixes, each with its operator.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Table {
    pub(crate) entries: IndexMap<String, Entry>,
    /// A patch on another program's settings: shown with its merge map instead of suffixes.
    pub(crate) is_patch: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) op: MergeOp,
    /// A `null` came first: what lower layers say is forgotten, the built-in default is not.
    pub(crate) is_reset: bool,
    pub(crate) node: Node,
}

impl Entry {
    pub(crate) fn new(op: MergeOp, data: Data, origin: &Origin) -> Self {
        Self { op, is_reset: false, node: Node { data, origin: origin.clone() } }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) data: Data,
    pub(crate) origin: Origin,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Data {
    Unset,
    Scalar(Value),
    List(List),
    Table(Table),
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct List {
    pub(crate) items: Vec<Item>,
    pub(crate) traits: ListTraits,
}

/// A list element remembers who wrote it, so that a loss can be blamed on the right file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Item {
    pub(crate) value: Value,
    pub(crate) origin: Origin,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ListTraits {
    /// Written as one string, which stands for the whole list: replacing it loses nothing.
    pub(crate) is_written_as_text: bool,
    /// Declared to be replaced as a whole, also by `__extend`.
    pub(crate) is_replace_only: bool,
    /// A set: `__extend` adds only what is not there.
    pub(crate) is_set: bool,
    /// A command parameter, whose type is not known here: a string below counts as a list of one.
    pub(crate) is_parameter: bool,
}

impl Data {
    pub(crate) fn shape_word(&self) -> &'static str {
        match self {
            Self::Unset => "nothing",
            Self::Scalar(_) => "a single value",
            Self::List(list) if list.traits.is_set => "a set",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }

    pub(crate) fn to_json(&self) -> Value {
        match self {
            Self::Unset => Value::Null,
            Self::Scalar(value) => value.clone(),
            Self::List(list) => Value::Array(list.items.iter().map(|item| item.value.clone()).collect()),
            Self::Table(table) => Value::Object(table.to_json()),
        }
    }

    pub(crate) fn table(&self) -> Option<&Table> {
        match self {
            Self::Table(table) => Some(table),
            _ => None,
        }
    }

    /// JSON as data without operators below: every key is literal and assigned.
    pub(crate) fn literal(value: &Value, origin: &Origin) -> Self {
        match value {
            Value::Null => Self::Unset,
            Value::Array(items) => Self::List(List {
                items: items
                    .iter()
                    .map(|value| Item { value: value.clone(), origin: origin.clone() })
                    .collect(),
                traits: ListTraits::default(),
            }),
            Value::Object(map) => Self::Table(Table::literal(map, origin)),
            scalar => Self::Scalar(scalar.clone()),
        }
    }
}

impl Table {
    pub(crate) fn literal(map: &Map<String, Value>, origin: &Origin) -> Self {
        let entry = |(key, value): (&String, &Value)| {
            (key.clone(), Entry::new(MergeOp::Assign, Data::literal(value, origin), origin))
        };
        Self { entries: map.iter().map(entry).collect(), is_patch: false }
    }

    /// The plain values: an extend that found nothing below is its value, and what is unset is absent. A
    /// patch keeps its operators, as a merge map.
    pub(crate) fn to_json(&self) -> Map<String, Value> {
        if self.is_patch {
            return patch::to_json(self);
        }
        self.entries
            .iter()
            .filter(|(_, entry)| entry.node.data != Data::Unset)
            .map(|(key, entry)| (key.clone(), entry.node.data.to_json()))
            .collect()
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Node> {
        self.entries.get(name).map(|entry| &entry.node)
    }

    /// The node at a path of names; `None` for the root itself.
    pub(crate) fn at<S: AsRef<str>>(&self, path: &[S]) -> Option<&Node> {
        let (first, rest) = path.split_first()?;
        let node = self.get(first.as_ref())?;
        if rest.is_empty() { Some(node) } else { node.data.table()?.at(rest) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_outermost_suffix_counts() {
        assert_eq!(MergeOp::split("a"), ("a", MergeOp::Assign));
        assert_eq!(MergeOp::split("a__extend"), ("a", MergeOp::Extend));
        assert_eq!(MergeOp::split("a__extend__assign"), ("a__extend", MergeOp::Force));
        assert_eq!(MergeOp::split("__extend"), ("__extend", MergeOp::Assign));
        assert_eq!(MergeOp::split("a__extended"), ("a__extended", MergeOp::Assign));
    }

    #[test]
    fn texts_are_json_where_they_can_be() {
        assert_eq!(parse_text("false"), Value::Bool(false));
        assert_eq!(parse_text("hello"), Value::from("hello"));
        assert_eq!(parse_text("\"4\""), Value::from("4"));
        assert_eq!(parse_text("[\"a\"]"), serde_json::json!(["a"]));
    }
}
