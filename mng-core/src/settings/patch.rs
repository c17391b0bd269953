//! Patches on another program's settings file (`settings_overrides`).
//!
//! Suffixes would end up as junk keys in that file, so what extends and what replaces stands in one merge
//! map at the root of the patch: `__mng_merge = { "permissions.allow" = "extend" }`.

use std::fmt::{self, Write as _};

use serde_json::{Map, Value};

use super::merge::{Findings, Guard, combine_tables};
use super::problem::{dotted, split_path};
use super::tree::{Data, Layer, MergeOp, Origin, RawTable, Table, raw_to_json};

/// The merge map's key, and what the successor of the original calls it.
pub const MERGE_MAP: &str = "__mng_merge";
const MERGE_MAP_ALIAS: &str = "__mngr_merge";

/// What is wrong with a patch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PatchFault {
    /// Keys end in `__extend` or `__assign`.
    Suffix {
        path: String,
    },
    NestedMap {
        path: String,
    },
    MapIsNoTable,
    BadIntent {
        path: String,
    },
    Dangling {
        path: String,
    },
    /// One path is to be assigned as a whole and merged into at the same time.
    Crossed {
        path: String,
        below: String,
    },
    ExtendsScalar {
        path: String,
    },
}

impl fmt::Display for PatchFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Suffix { path } => {
                write!(f, "`{path}` has a merge suffix, which the program would see as a key")
            }
            Self::NestedMap { path } => {
                write!(f, "`{path}`: the merge map stands only at the root of the patch")
            }
            Self::MapIsNoTable => write!(f, "`{MERGE_MAP}` is no table"),
            Self::BadIntent { path } => {
                write!(f, "`{MERGE_MAP}` gives `{path}` neither \"extend\" nor \"assign\"")
            }
            Self::Dangling { path } => {
                write!(f, "`{MERGE_MAP}` names `{path}`, which the patch does not set")
            }
            Self::Crossed { path, below } => {
                write!(f, "`{MERGE_MAP}` assigns `{path}` as a whole and also merges `{below}` inside it")
            }
            Self::ExtendsScalar { path } => {
                write!(f, "`{MERGE_MAP}` extends `{path}`, which is a single value")
            }
        }
    }
}

impl PatchFault {
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Suffix { path } => {
                let name = path.trim_end_matches("__extend").trim_end_matches("__assign");
                let intent = if path.ends_with("__extend") { "extend" } else { "assign" };
                Some(format!("write `{name}` and, in `{MERGE_MAP}`, `\"{name}\" = \"{intent}\"`"))
            }
            _ => None,
        }
    }
}

/// Lifts a patch as written.
pub(crate) fn lift(raw: &RawTable) -> Result<Table, PatchFault> {
    let origin = raw.values().next().map_or_else(Origin::built_in, |raw| raw.origin.clone());
    let Value::Object(map) = raw_to_json(raw) else { return Ok(Table::default()) };
    lift_json(map, &origin)
}

fn lift_json(mut map: Map<String, Value>, origin: &Origin) -> Result<Table, PatchFault> {
    let intents = match map.shift_remove(MERGE_MAP).or_else(|| map.shift_remove(MERGE_MAP_ALIAS)) {
        None => Map::new(),
        Some(Value::Object(intents)) => intents,
        Some(_) => return Err(PatchFault::MapIsNoTable),
    };
    check_keys(&map, &mut Vec::new())?;
    let mut table = Table::literal(&map, origin);
    table.is_patch = true;
    let mut marked: Vec<(Vec<String>, MergeOp)> = Vec::new();
    for (path, intent) in &intents {
        let op = match intent.as_str() {
            Some("extend") => MergeOp::Extend,
            Some("assign") => MergeOp::Force,
            _ => return Err(PatchFault::BadIntent { path: path.clone() }),
        };
        let segments = split_path(path).ok_or_else(|| PatchFault::Dangling { path: path.clone() })?;
        marked.push((segments, op));
    }
    for (path, op) in &marked {
        let inner = marked.iter().find(|(other, _)| other.len() > path.len() && other.starts_with(path));
        if let (MergeOp::Force, Some((below, _))) = (op, inner) {
            return Err(PatchFault::Crossed { path: dotted(path), below: dotted(below) });
        }
        mark(&mut table, path, *op).ok_or_else(|| PatchFault::Dangling { path: dotted(path) })?;
        let is_scalar = matches!(table.at(path).map(|node| &node.data), Some(Data::Scalar(_)));
        if *op == MergeOp::Extend && is_scalar {
            return Err(PatchFault::ExtendsScalar { path: dotted(path) });
        }
    }
    Ok(table)
}

fn check_keys(map: &Map<String, Value>, path: &mut Vec<String>) -> Result<(), PatchFault> {
    for (key, value) in map {
        path.push(key.clone());
        if MergeOp::split(key).1 != MergeOp::Assign {
            return Err(PatchFault::Suffix { path: dotted(path) });
        }
        if key == MERGE_MAP || key == MERGE_MAP_ALIAS {
            return Err(PatchFault::NestedMap { path: dotted(path) });
        }
        if let Value::Object(map) = value {
            check_keys(map, path)?;
        }
        path.pop();
    }
    Ok(())
}

/// Gives the leaf its operator and lets every table on the way extend.
fn mark(table: &mut Table, path: &[String], op: MergeOp) -> Option<()> {
    let (first, rest) = path.split_first()?;
    let entry = table.entries.get_mut(first)?;
    if rest.is_empty() {
        entry.op = op;
        return Some(());
    }
    let Data::Table(inner) = &mut entry.node.data else { return None };
    mark(inner, rest, op)?;
    entry.op = MergeOp::Extend;
    Some(())
}

/// The patch as a person would write it, with its merge map.
pub(crate) fn to_json(table: &Table) -> Map<String, Value> {
    let mut intents = Map::new();
    collect_intents(table, &mut Vec::new(), &mut intents);
    let mut map = plain_json(table);
    if !intents.is_empty() {
        map.insert(MERGE_MAP.to_owned(), Value::Object(intents));
    }
    map
}

fn plain_json(table: &Table) -> Map<String, Value> {
    let plain = |data: &Data| match data {
        Data::Table(table) => Value::Object(plain_json(table)),
        data => data.to_json(),
    };
    let set = table.entries.iter().filter(|(_, entry)| entry.node.data != Data::Unset);
    set.map(|(key, entry)| (key.clone(), plain(&entry.node.data))).collect()
}

/// Returns whether anything was written for this table or below it.
fn collect_intents(table: &Table, path: &mut Vec<String>, intents: &mut Map<String, Value>) -> bool {
    let before = intents.len();
    for (name, entry) in &table.entries {
        path.push(name.clone());
        match entry.op {
            MergeOp::Assign => {}
            MergeOp::Force => {
                intents.insert(dotted(path), "assign".into());
            }
            MergeOp::Extend => {
                let is_implied = match &entry.node.data {
                    Data::Table(inner) => collect_intents(inner, path, intents),
                    _ => false,
                };
                if !is_implied {
                    intents.insert(dotted(path), "extend".into());
                }
            }
        }
        path.pop();
    }
    intents.len() > before
}

/// A patch would drop entries of the settings that it is put on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.describe())]
pub struct PatchLoss {
    /// Dotted path in the patched settings, what would vanish, and the intent that allows it.
    pub losses: Vec<(String, Vec<String>, &'static str)>,
}

impl PatchLoss {
    fn describe(&self) -> String {
        let one = |(path, lost, _): &(String, Vec<String>, &str)| {
            format!("`{path}` would lose {}", lost.join(", "))
        };
        self.losses.iter().map(one).collect::<Vec<_>>().join("; ")
    }

    /// The merge map to add to the patch: tables that would lose keys extend, all else is assigned.
    #[must_use]
    pub fn merge_map(&self) -> String {
        let mut text = format!("[{MERGE_MAP}]");
        for (path, _, intent) in &self.losses {
            let _ = write!(text, "\n{} = \"{intent}\"", Value::from(path.as_str()));
        }
        text
    }
}

/// Puts a patch, with its merge map, on the settings of another program. A stray merge map in these is
/// dropped.
///
/// # Errors
/// The patch is malformed, as a message; or it would drop entries, see [`PatchLoss`].
pub fn apply_patch(base: &Value, patch: &Value) -> Result<Value, ApplyPatchError> {
    let origin = Origin::of(Layer::Default, "");
    let as_map = |value: &Value| value.as_object().cloned().unwrap_or_default();
    let mut base = as_map(base);
    base.shift_remove(MERGE_MAP);
    base.shift_remove(MERGE_MAP_ALIAS);
    let mut merged = Table::literal(&base, &origin);
    let patch =
        lift_json(as_map(patch), &origin).map_err(|fault| ApplyPatchError::Malformed(fault.to_string()))?;
    let mut findings = Findings::default();
    combine_tables(&mut merged, patch, Guard::On, &mut Vec::new(), &mut findings);
    if let Some(mismatch) = findings.mismatches.first() {
        return Err(ApplyPatchError::Malformed(mismatch.to_problem().message));
    }
    if findings.losses.is_empty() {
        return Ok(Value::Object(plain_json(&merged)));
    }
    let losses = findings.losses.into_iter().map(|loss| {
        let intent = if loss.value.is_object() { "extend" } else { "assign" };
        (dotted(&loss.path), loss.lost.into_iter().map(|(name, _)| name).collect(), intent)
    });
    Err(PatchLoss { losses: losses.collect() }.into())
}

/// Why a patch was not applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyPatchError {
    #[error("{0}")]
    Malformed(String),
    #[error(transparent)]
    Loss(#[from] PatchLoss),
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn op_at(table: &Table, path: &[&str]) -> MergeOp {
        let (last, parents) = path.split_last().unwrap();
        let table = if parents.is_empty() { table } else { table.at(parents).unwrap().data.table().unwrap() };
        table.entries[*last].op
    }

    fn lifted(patch: Value) -> Result<Table, PatchFault> {
        lift_json(patch.as_object().unwrap().clone(), &Origin::built_in())
    }

    #[test]
    fn the_leaf_gets_the_intent_and_its_ancestors_extend() {
        let table = lifted(json!({
            "permissions": {"allow": ["a"], "deny": ["b"]},
            "__mng_merge": {"permissions.allow": "extend"},
        }));
        let table = table.unwrap();
        assert_eq!(op_at(&table, &["permissions"]), MergeOp::Extend);
        assert_eq!(op_at(&table, &["permissions", "allow"]), MergeOp::Extend);
        assert_eq!(op_at(&table, &["permissions", "deny"]), MergeOp::Assign);
        assert_eq!(
            Value::Object(to_json(&table)),
            json!({"permissions": {"allow": ["a"], "deny": ["b"]}, "__mng_merge": {"permissions.allow": "extend"}})
        );
    }

    #[test]
    fn malformed_patches_say_why() {
        let fault = |patch| lifted(patch).unwrap_err().to_string();
        insta::assert_snapshot!(fault(json!({"a__extend": []})), @"`a__extend` has a merge suffix, which the program would see as a key");
        insta::assert_snapshot!(fault(json!({"a": {"__mng_merge": {}}})), @"`a.__mng_merge`: the merge map stands only at the root of the patch");
        insta::assert_snapshot!(fault(json!({"a": 1, "__mng_merge": {"b": "extend"}})), @"`__mng_merge` names `b`, which the patch does not set");
        insta::assert_snapshot!(fault(json!({"a": [], "__mng_merge": {"a": "add"}})), @r#"`__mng_merge` gives `a` neither "extend" nor "assign""#);
        insta::assert_snapshot!(fault(json!({"a": {"b": []}, "__mng_merge": {"a": "assign", "a.b": "extend"}})), @"`__mng_merge` assigns `a` as a whole and also merges `a.b` inside it");
        insta::assert_snapshot!(fault(json!({"a": 1, "__mng_merge": {"a": "extend"}})), @"`__mng_merge` extends `a`, which is a single value");
        assert!(lifted(json!({"a": [1], "__mngr_merge": {"a": "extend"}})).is_ok());
    }

    #[test]
    fn a_patch_that_loses_entries_names_the_map_to_add() {
        let base = json!({"permissions": {"allow": ["x"], "ask": ["y"]}, "env": {"A": "1"}, "theme": "dark"});
        let patch = json!({"permissions": {"allow": ["z"]}, "env": {"A": "2"}, "theme": "light"});
        let ApplyPatchError::Loss(loss) = apply_patch(&base, &patch).unwrap_err() else { panic!("no loss") };
        insta::assert_snapshot!(loss, @"`permissions` would lose `ask`");
        insta::assert_snapshot!(loss.merge_map(), @r#"
        [__mng_merge]
        "permissions" = "extend"
        "#);
        let patch = json!({
            "permissions": {"allow": ["z"]},
            "__mng_merge": {"permissions": "extend", "permissions.allow": "extend"},
        });
        assert_eq!(
            apply_patch(&base, &patch).unwrap()["permissions"],
            json!({"allow": ["x", "z"], "ask": ["y"]})
        );
    }

    #[test]
    fn the_proposed_map_always_helps() {
        let base = json!({"a": ["x"], "b": {"c": ["y"], "d": 1}});
        let mut patch = json!({"a": ["z"], "b": {"c": ["w"]}});
        for _ in 0..3 {
            match apply_patch(&base, &patch) {
                Ok(merged) => {
                    assert_eq!(merged, json!({"a": ["z"], "b": {"c": ["w"], "d": 1}}));
                    return;
                }
                Err(ApplyPatchError::Loss(loss)) => {
                    for (path, _, intent) in loss.losses {
                        patch[MERGE_MAP][&path] = intent.into();
                    }
                }
                Err(ApplyPatchError::Malformed(message)) => panic!("{message}"),
            }
        }
        panic!("the proposed maps never sufficed");
    }
}
