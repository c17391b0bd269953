//! Checks that look at the merged tree, and the wording of narrowing.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::entries::ProviderBase;
use super::known::KnownNames;
use super::lift::fold;
use super::merge::Loss;
use super::parameters;
use super::problem::{Problem, ProblemKind, dotted};
use super::shape::{Section, Shape};
use super::tree::{Entry, Layer, Node, RawTable, Table};
use super::words::toml_value;
use crate::model::suggest::did_you_mean;

/// A suite that forgot to isolate itself would otherwise work on the person's own agents.
pub(crate) fn test_guard(layers: &[(Layer, RawTable)], problems: &mut Vec<Problem>) {
    let is_file = |layer: &Layer| matches!(layer, Layer::User | Layer::Project | Layer::Local);
    for (_, raw) in layers.iter().filter(|(layer, raw)| is_file(layer) && !raw.is_empty()) {
        let is_allowed =
            raw.get("is_allowed_in_pytest").is_some_and(|raw| raw.to_json() == Value::Bool(true));
        if let (false, Some(first)) = (is_allowed, raw.values().next()) {
            problems.push(Problem {
                kind: ProblemKind::Conflict,
                key: "is_allowed_in_pytest".into(),
                message: "MNG_TEST_GUARD is set, but this file is not marked for tests".into(),
                origin: first.origin.clone(),
                hint: Some("write `is_allowed_in_pytest = true` into it, or isolate the test".into()),
            });
        }
    }
}

/// What a plain assignment would lose, and the line to write instead.
pub(crate) fn narrowing(loss: &Loss, root: &Section) -> Problem {
    let key = dotted(&loss.path);
    let lost: Vec<&str> = loss.lost.iter().map(|(name, _)| name.as_str()).collect();
    let mut places: Vec<String> = Vec::new();
    for (_, origin) in &loss.lost {
        let place = origin.to_string();
        if !places.contains(&place) {
            places.push(place);
        }
    }
    Problem {
        kind: ProblemKind::Narrowing,
        message: format!("assigning `{key}` would drop {}, set in {}", lost.join(", "), places.join(" and ")),
        hint: Some(remedy(loss, root)),
        key,
        origin: loss.by.clone(),
    }
}

/// The line that adds, and the one that replaces.
fn remedy(loss: &Loss, root: &Section) -> String {
    let Some((name, parents)) = loss.path.split_last() else { return String::new() };
    let value = toml_value(&loss.value);
    // Tables that are assigned as a whole must extend, else the line inside them comes to nothing.
    let mut path = Vec::new();
    let mut shape = None;
    for parent in parents {
        let next = match shape {
            None => root.shape(parent),
            Some(shape) => child(shape, parent),
        };
        let is_assigned = next.is_some_and(|shape| !shape.merges_by_itself());
        path.push(if is_assigned { format!("{parent}__extend") } else { parent.clone() });
        shape = next;
    }
    let name = dotted(&[name]);
    let at = if path.is_empty() { String::new() } else { format!(" under `[{}]`", dotted(&path)) };
    let lines =
        format!("write `{name}__extend = {value}`{at} to add, or `{name}__assign = {value}` to replace");
    let key = dotted(&loss.path);
    let json = crate::model::shell::quote(&loss.value.to_string()).into_owned();
    match loss.by.layer {
        Layer::User | Layer::Project | Layer::Local => {
            let scope = loss.by.layer.as_str();
            format!("{lines}; or run `mng config extend --scope {scope} {key} {json}`")
        }
        Layer::Environment => {
            "append `__EXTEND` to the name of the variable to add, or `__ASSIGN` to replace".into()
        }
        _ => format!("write `-S {key}__extend={json}` to add, or `-S {key}__assign={json}` to replace"),
    }
}

fn child<'a>(shape: &'a Shape, name: &str) -> Option<&'a Shape> {
    match shape {
        Shape::Section(section) => section.shape(name),
        Shape::Registry(registry) => Some(registry.shape(name)),
        Shape::Map(value) => Some(value),
        other => Some(other),
    }
}

/// What no single layer shows: circles, contradictions, names that this binary does not know.
pub(crate) fn merged(
    tree: &Table,
    known: &KnownNames,
    problems: &mut Vec<Problem>,
    warnings: &mut Vec<String>,
) {
    agent_types(tree, known, problems, warnings);
    providers(tree, problems);
    near_siblings(tree, problems);
    if let Some(plugins) = registry(tree, "plugins").filter(|_| !known.plugins.is_empty()) {
        for (name, entry) in &plugins.entries {
            let names = known.plugins.iter().map(|plugin| plugin.name.as_str());
            if names.clone().all(|known| known != name) {
                let hint = did_you_mean(name, names).map(|hint| format!(" ({hint})")).unwrap_or_default();
                warnings.push(format!("unknown plugin `{name}` in {}{hint}", entry.node.origin));
            }
        }
    }
    if let Some(commands) = registry(tree, "commands").filter(|_| !known.commands.is_empty()) {
        for (name, entry) in &commands.entries {
            // Another build may have the command; only a likely typo is worth a line each time.
            let is_known = known.commands.contains(name)
                || name == "mng"
                || known.commands.iter().any(|command| parameters::canonical_command(command) == *name);
            if !is_known && let Some(hint) = did_you_mean(name, &known.commands) {
                warnings.push(format!("unknown command `{name}` in {} ({hint})", entry.node.origin));
            }
        }
    }
}

/// As one file must not, two files together must not name `my-x` and `my_x`: an environment variable could
/// not tell them apart, and most likely one is a typo.
fn near_siblings(tree: &Table, problems: &mut Vec<Problem>) {
    for name in ["agent_types", "providers", "plugins", "create_templates"] {
        let mut seen: BTreeMap<String, (&str, &Node)> = BTreeMap::new();
        for (entry, Entry { node, .. }) in registry(tree, name).into_iter().flat_map(|table| &table.entries) {
            let Some((other, first)) = seen.insert(fold(entry), (entry, node)) else { continue };
            // The layer that has both has been told already.
            if first.origin.layer != node.origin.layer {
                problems.push(Problem {
                    kind: ProblemKind::Structure,
                    key: format!("{name}.{entry}"),
                    message: format!(
                        "`{name}.{entry}` and `{name}.{other}` of {} differ only in spelling, which an environment variable cannot tell apart",
                        first.origin
                    ),
                    origin: node.origin.clone(),
                    hint: Some(format!("write `{other}` to mean the same, or choose another name")),
                });
            }
        }
    }
}

fn registry<'a>(tree: &'a Table, name: &str) -> Option<&'a Table> {
    tree.get(name)?.data.table()
}

fn agent_types(tree: &Table, known: &KnownNames, problems: &mut Vec<Problem>, warnings: &mut Vec<String>) {
    let Some(types) = registry(tree, "agent_types") else { return };
    for (name, Entry { node, .. }) in &types.entries {
        if let Some(shadowed) = known.agent_types.iter().find(|kind| kind.aliases.contains(name)) {
            warnings.push(format!(
                "agent type `{name}` in {} hides the alias of `{}`",
                node.origin, shadowed.name
            ));
        }
        if let Some(permissions) = node.data.table().and_then(|table| table.get("permissions")) {
            warnings.push(format!("`agent_types.{name}.permissions` in {} is ignored", permissions.origin));
        }
        if let Some((chain, parent)) = circle(types, name) {
            problems.push(Problem {
                kind: ProblemKind::Conflict,
                key: format!("agent_types.{name}.parent_type"),
                message: format!("agent types inherit in a circle: {}", chain.join(" → ")),
                origin: parent.origin.clone(),
                hint: Some("give one of them another `parent_type`".into()),
            });
        }
    }
}

/// The circle that starts and ends at this name, reported only by its alphabetically first member.
fn circle<'a>(types: &'a Table, name: &'a str) -> Option<(Vec<&'a str>, &'a Node)> {
    let parent = |name: &str| types.get(name)?.data.table()?.get("parent_type");
    let mut chain = vec![name];
    let mut seen = BTreeSet::from([name]);
    let mut current = name;
    loop {
        let next = match &parent(current)?.data {
            super::tree::Data::Scalar(Value::String(next)) => next.as_str(),
            _ => return None,
        };
        // A type that names itself configures the registered one.
        if next == current {
            return None;
        }
        chain.push(next);
        if next == name {
            let is_first = chain.iter().all(|other| *other >= name);
            return is_first.then(|| Some((chain, parent(name)?)))?;
        }
        if !seen.insert(next) {
            return None;
        }
        current = next;
    }
}

fn providers(tree: &Table, problems: &mut Vec<Problem>) {
    let Some(providers) = registry(tree, "providers") else { return };
    for (name, entry) in &providers.entries {
        let Ok(base) = serde_json::from_value::<ProviderBase>(entry.node.data.to_json()) else { continue };
        if let Some(key) = base.disorder() {
            let origin = ["discovery_error_timeout_seconds", key]
                .iter()
                .find_map(|key| entry.node.data.table()?.get(key))
                .map_or(&entry.node.origin, |node| &node.origin);
            problems.push(Problem {
                kind: ProblemKind::Conflict,
                key: format!("providers.{name}.{key}"),
                message: format!(
                    "`providers.{name}.{key}` must be less than `discovery_error_timeout_seconds`"
                ),
                origin: origin.clone(),
                hint: Some("lower it, or raise `discovery_error_timeout_seconds`".into()),
            });
        }
    }
}
