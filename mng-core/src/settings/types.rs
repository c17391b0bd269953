//! What a name of an agent type means: the registered type behind it, and its configuration.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::known::TypeSchema;
use super::lift::Lifter;
use super::merge::{Findings, Guard, combine_tables};
use super::problem::Problem;
use super::shape::{Field, Section};
use super::tree::{Data, Entry, MergeOp, Origin, Raw, RawTable, Table};
use crate::model::error::{ErrorClass, Explain};

/// Fields that route to a type and are never inherited.
const ROUTING: [&str; 2] = ["parent_type", "plugin"];

/// The type of a table that neither names a parent nor configures a registered type.
const COMMAND_TYPE: &str = "command";

/// The `[agent_types.NAME]` tables of the settings. Their extends still wait for what a parent says.
#[derive(Clone, Debug, Default)]
pub struct AgentTypeEntries(Table);

impl AgentTypeEntries {
    pub(crate) fn new(table: Table) -> Self {
        Self(table)
    }

    /// Entries from JSON, with the suffixes of a settings file.
    #[must_use]
    pub fn from_json(entries: &Map<String, Value>) -> Self {
        let raw: RawTable = entries
            .iter()
            .map(|(name, value)| (name.clone(), Raw::from_json(value.clone(), &Origin::built_in())))
            .collect();
        let section = Section::open();
        let mut table = Table::default();
        for (name, raw) in &raw {
            let Some(raw) = raw.table() else { continue };
            let data = Data::Table(Lifter::default().layer(raw, &section));
            table.entries.insert(name.clone(), Entry::new(MergeOp::Extend, data, &Origin::built_in()));
        }
        Self(table)
    }

    /// The names that have a table.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.entries.keys().map(String::as_str)
    }

    fn table(&self, name: &str) -> Option<&Table> {
        self.0.get(name)?.data.table()
    }

    fn parent(&self, name: &str) -> Option<&str> {
        match &self.table(name)?.get("parent_type")?.data {
            Data::Scalar(Value::String(parent)) => Some(parent),
            _ => None,
        }
    }
}

/// A name of an agent type, resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct ResolvedType {
    /// The registered type that runs it.
    pub base: String,
    /// From the name that was asked for to the registered one.
    pub chain: Vec<String>,
    /// The fields that somebody set, parents first, without `parent_type` and `plugin`. Fields that nobody
    /// set are absent, so the defaults of the type's own configuration struct stand.
    pub config: Value,
}

/// Why a name of an agent type means nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgentTypeError {
    #[error("there is no agent type `{name}`")]
    Unknown { name: String },
    #[error("agent type `{name}` has the parent `{parent}`, which is not in this mng")]
    UnknownParent { name: String, parent: String },
    #[error("agent types inherit in a circle: {}", chain.join(" → "))]
    Circle { chain: Vec<String> },
    /// A child extends what its parent has in another shape.
    #[error("agent type `{name}`: {problem}")]
    Mismatch { name: String, problem: Box<Problem> },
}

impl Explain for AgentTypeError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Unknown { .. } | Self::UnknownParent { .. } => ErrorClass::UnknownAgentType,
            Self::Circle { .. } | Self::Mismatch { .. } => ErrorClass::ConfigStructure,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unknown { .. } | Self::UnknownParent { .. } => {
                "`mng plugin list --kind agent-type` shows the types that there are".into()
            }
            Self::Circle { .. } => "give one of them another `parent_type`".into(),
            Self::Mismatch { .. } => "`mng config edit`".into(),
        })
    }
}

/// Finds the registered type behind a name and merges the tables on the way, the root's first. A child's
/// plain keys replace its parent's, its `__extend` keys add to them.
///
/// # Errors
/// [`AgentTypeError`]: the name, or a parent, is not known; or the parents form a circle.
pub fn resolve_agent_type(
    name: &str,
    entries: &AgentTypeEntries,
    registered: &[TypeSchema],
) -> Result<ResolvedType, AgentTypeError> {
    let find = |name: &str| registered.iter().find(|kind| kind.name == name);
    // A table of that name hides the alias.
    let unaliased = |name: &str| match entries.table(name) {
        Some(_) => name.to_owned(),
        None => registered
            .iter()
            .find(|kind| kind.aliases.iter().any(|alias| alias == name))
            .map_or_else(|| name.to_owned(), |kind| kind.name.clone()),
    };
    let mut chain = vec![unaliased(name)];
    let mut seen = BTreeSet::from([chain[0].clone()]);
    let base = loop {
        let current = chain.last().cloned().unwrap_or_default();
        match entries.parent(&current).map(unaliased).filter(|parent| *parent != current) {
            Some(parent) => {
                chain.push(parent.clone());
                if !seen.insert(parent) {
                    return Err(AgentTypeError::Circle { chain });
                }
            }
            None => match find(&current) {
                Some(kind) => break kind,
                // A table that names no parent describes a command of its own.
                None if chain.len() == 1 && entries.table(&current).is_some() => match find(COMMAND_TYPE) {
                    Some(kind) => break kind,
                    None => return Err(unknown(chain)),
                },
                None => return Err(unknown(chain)),
            },
        }
    };
    let mut merged = defaults_for_extends(base, entries, &chain);
    let mut findings = Findings::default();
    for name in chain.iter().rev() {
        if let Some(table) = entries.table(name) {
            let mut table = table.clone();
            table.entries.retain(|field, _| !ROUTING.contains(&field.as_str()));
            combine_tables(&mut merged, table, Guard::Off, &mut Vec::new(), &mut findings);
        }
    }
    if let Some(mismatch) = findings.mismatches.first() {
        return Err(AgentTypeError::Mismatch {
            name: name.to_owned(),
            problem: Box::new(mismatch.to_problem()),
        });
    }
    Ok(ResolvedType { base: base.name.clone(), chain, config: Value::Object(merged.to_json()) })
}

fn unknown(mut chain: Vec<String>) -> AgentTypeError {
    let name = chain.pop().unwrap_or_default();
    match chain.pop() {
        Some(child) => AgentTypeError::UnknownParent { name: child, parent: name },
        None => AgentTypeError::Unknown { name },
    }
}

/// The type's defaults for the fields that some table extends. Other defaults stay with the type.
fn defaults_for_extends(base: &TypeSchema, entries: &AgentTypeEntries, chain: &[String]) -> Table {
    let mut defaults = Table::default();
    let tables = chain.iter().filter_map(|name| entries.table(name));
    let extended: BTreeSet<&String> = tables
        .flat_map(|table| &table.entries)
        .filter(|(_, entry)| entry.op == MergeOp::Extend)
        .map(|(field, _)| field)
        .collect();
    if extended.is_empty() {
        return defaults;
    }
    let section = base.fields.section();
    for field in extended {
        if let Some(Field { default: Some(default), .. }) = section.fields.get(field) {
            let origin = Origin::built_in();
            let data = Data::literal(default, &origin);
            defaults.entries.insert(field.clone(), Entry::new(MergeOp::Assign, data, &origin));
        }
    }
    defaults
}

#[cfg(test)]
mod tests {
    use schemars::JsonSchema;
    use serde::Serialize;
    use serde_json::json;

    use super::*;
    use crate::settings::FieldSchema;

    #[derive(Serialize, JsonSchema)]
    #[serde(default)]
    struct ClaudeConfig {
        tools: Vec<String>,
        model: String,
    }

    impl Default for ClaudeConfig {
        fn default() -> Self {
            Self { tools: vec!["read".into()], model: "opus".into() }
        }
    }

    fn registered() -> Vec<TypeSchema> {
        let kind = |name: &str, alias: &str, fields| TypeSchema {
            name: name.into(),
            aliases: vec![alias.into()],
            plugin: None,
            fields,
        };
        vec![
            kind("claude", "cl", FieldSchema::of::<ClaudeConfig>()),
            kind("command", "cmd", FieldSchema::Open),
        ]
    }

    fn resolve(name: &str, entries: Value) -> Result<ResolvedType, AgentTypeError> {
        let entries = AgentTypeEntries::from_json(entries.as_object().unwrap());
        resolve_agent_type(name, &entries, &registered())
    }

    #[test]
    fn a_chain_is_merged_from_the_root() {
        let found = resolve(
            "junior",
            json!({
                "claude": {"cli_args": ["-v"], "model": "sonnet", "plugin": "x"},
                "reviewer": {"parent_type": "claude", "cli_args__extend": ["--review"], "env": ["A=1"]},
                "junior": {"parent_type": "reviewer", "model": "haiku", "cli_args__extend": ["--slow"]},
            }),
        );
        let found = found.unwrap();
        assert_eq!(found.base, "claude");
        assert_eq!(found.chain, ["junior", "reviewer", "claude"]);
        assert_eq!(
            found.config,
            json!({"cli_args": ["-v", "--review", "--slow"], "model": "haiku", "env": ["A=1"]})
        );
    }

    #[test]
    fn an_extend_adds_to_the_defaults_of_the_type() {
        let found = resolve("cl", json!({"claude": {"tools__extend": ["write"]}})).unwrap();
        assert_eq!(found.config, json!({"tools": ["read", "write"]}));
        assert_eq!(resolve("claude", json!({})).unwrap().config, json!({}));
    }

    #[test]
    fn a_table_hides_an_alias() {
        let found = resolve("cl", json!({"cl": {"parent_type": "command"}})).unwrap();
        assert_eq!(found.base, "command");
    }

    #[test]
    fn a_table_without_a_parent_is_a_command() {
        let found = resolve("watch", json!({"watch": {"command": "htop"}})).unwrap();
        assert_eq!((found.base.as_str(), found.config), ("command", json!({"command": "htop"})));
    }

    #[test]
    fn what_cannot_be_resolved_says_why() {
        let message = |name, entries| resolve(name, entries).unwrap_err();
        let error = message("claud", json!({}));
        insta::assert_snapshot!(error, @"there is no agent type `claud`");
        let error = message("a", json!({"a": {"parent_type": "b"}, "b": {"parent_type": "codex"}}));
        insta::assert_snapshot!(error, @"agent type `b` has the parent `codex`, which is not in this mng");
        let error = message("a", json!({"a": {"parent_type": "b"}, "b": {"parent_type": "a"}}));
        insta::assert_snapshot!(error, @"agent types inherit in a circle: a → b → a");
    }
}
