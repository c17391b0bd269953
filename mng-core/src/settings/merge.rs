//! The merge algebra: combining lifted tables, and the check that no plain assignment loses entries.
//!
//! | lower \ higher   | assign                   | force  | extend                           |
//! |------------------|--------------------------|--------|----------------------------------|
//! | absent           | higher                   | higher | higher, pending                  |
//! | assign or force  | higher, may have lost    | higher | lower + higher, operator of lower |
//! | extend, pending  | higher                   | higher | lower + higher, pending          |
//!
//! Combining is associative, so layers may be combined before the value below them is known.

use serde_json::Value;

use super::tree::{Data, Entry, Item, List, MergeOp, Node, Origin, Table};

/// What combining found out besides the result.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Entries that a plain assignment would drop.
    pub(crate) losses: Vec<Loss>,
    /// Extends that do not fit what is below them.
    pub(crate) mismatches: Vec<Mismatch>,
}

/// A plain assignment dropped entries of a lower layer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Loss {
    /// Path of the list or table that lost entries.
    pub(crate) path: Vec<String>,
    /// What vanished, as people write it, and who wrote it.
    pub(crate) lost: Vec<(String, Origin)>,
    /// The assigned value.
    pub(crate) value: Value,
    /// Who assigned.
    pub(crate) by: Origin,
}

/// An extend of one shape over a value of another.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Mismatch {
    pub(crate) path: Vec<String>,
    pub(crate) lower: &'static str,
    pub(crate) lower_origin: Origin,
    pub(crate) higher: &'static str,
    pub(crate) higher_origin: Origin,
}

/// Whether dropped entries are looked for. The built-in defaults never take part: a person who writes a
/// list means it to replace ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guard {
    On,
    Off,
}

/// Puts a layer on top of those below it.
pub(crate) fn combine_tables(
    lower: &mut Table,
    higher: Table,
    guard: Guard,
    path: &mut Vec<String>,
    findings: &mut Findings,
) {
    for (name, entry) in higher.entries {
        path.push(name.clone());
        let combined = match lower.entries.shift_remove_full(&name) {
            None => (lower.entries.len(), entry),
            Some((index, _, below)) => (index, combine(below, entry, guard, path, findings)),
        };
        lower.entries.shift_insert(combined.0, name, combined.1);
        path.pop();
    }
}

/// One name's value over the one below it.
pub(crate) fn combine(
    lower: Entry,
    higher: Entry,
    guard: Guard,
    path: &mut Vec<String>,
    findings: &mut Findings,
) -> Entry {
    match higher.op {
        _ if higher.is_reset => higher,
        MergeOp::Force => higher,
        MergeOp::Assign => {
            if guard == Guard::On && lower.op != MergeOp::Extend {
                find_losses(&lower.node, &higher.node, path, &higher.node.origin, &mut findings.losses);
            }
            higher
        }
        // What was unset is absent, so the extend waits for the defaults.
        MergeOp::Extend if lower.node.data == Data::Unset => Entry { is_reset: true, ..higher },
        MergeOp::Extend => Entry { node: apply(lower.node, higher.node, guard, path, findings), ..lower },
    }
}

/// Adds to a value. On a mismatch the addition is reported and left out.
fn apply(current: Node, ext: Node, guard: Guard, path: &mut Vec<String>, findings: &mut Findings) -> Node {
    let origin = ext.origin.clone();
    let data = match (current.data, ext.data) {
        (Data::Table(mut below), Data::Table(above)) => {
            below.is_patch |= above.is_patch;
            combine_tables(&mut below, above, guard, path, findings);
            Data::Table(below)
        }
        (_, Data::List(list)) if list.traits.is_replace_only => Data::List(list),
        (Data::List(below), Data::List(above)) => Data::List(concatenate(below, above)),
        (Data::Scalar(Value::String(text)), Data::List(above)) if above.traits.is_parameter => {
            // An empty string clears a list parameter.
            let items = if text.is_empty() { Vec::new() } else { vec![text.into()] };
            let items = items.into_iter().map(|value| Item { value, origin: current.origin.clone() });
            Data::List(concatenate(List { items: items.collect(), ..List::default() }, above))
        }
        (below, above) => {
            findings.mismatches.push(Mismatch {
                path: path.clone(),
                lower: below.shape_word(),
                lower_origin: current.origin.clone(),
                higher: above.shape_word(),
                higher_origin: origin,
            });
            return Node { data: below, origin: current.origin };
        }
    };
    Node { data, origin }
}

fn concatenate(mut below: List, above: List) -> List {
    let is_set = below.traits.is_set || above.traits.is_set;
    for item in above.items {
        if !is_set || below.items.iter().all(|known| known.value != item.value) {
            below.items.push(item);
        }
    }
    below.traits = above.traits;
    below.traits.is_set = is_set;
    below.traits.is_written_as_text = false;
    below
}

/// Looks for entries of `old` that `new` does not have, and reports the path where they vanish.
fn find_losses(old: &Node, new: &Node, path: &mut Vec<String>, by: &Origin, losses: &mut Vec<Loss>) {
    let lost: Vec<(String, Origin)> = match (&old.data, &new.data) {
        (Data::Unset | Data::Scalar(_), _) | (_, Data::Unset) => return,
        (_, Data::List(list)) if list.traits.is_written_as_text || list.traits.is_replace_only => return,
        (Data::List(old), Data::List(new)) => old
            .items
            .iter()
            .filter(|item| new.items.iter().all(|kept| kept.value != item.value))
            .map(|item| (item.value.to_string(), item.origin.clone()))
            .collect(),
        (Data::Table(old_table), Data::Table(new_table)) => {
            let present = old_table.entries.iter().filter(|(_, entry)| entry.node.data != Data::Unset);
            let dropped: Vec<_> = present
                .filter(|(name, _)| !new_table.entries.contains_key(*name))
                .map(|(name, entry)| (format!("`{name}`"), entry.node.origin.clone()))
                .collect();
            if dropped.is_empty() {
                for (name, entry) in &old_table.entries {
                    if let Some(kept) = new_table.get(name) {
                        path.push(name.clone());
                        find_losses(&entry.node, kept, path, by, losses);
                        path.pop();
                    }
                }
            }
            dropped
        }
        (Data::List(old), _) => {
            old.items.iter().map(|item| (item.value.to_string(), item.origin.clone())).collect()
        }
        (Data::Table(old), _) => {
            let name = |(name, entry): (&String, &Entry)| (format!("`{name}`"), entry.node.origin.clone());
            old.entries.iter().map(name).collect()
        }
    };
    if !lost.is_empty() {
        let value = new.data.to_json();
        losses.push(Loss { path: path.clone(), lost, value, by: by.clone() });
    }
}

/// Puts all layers over the defaults. Losses between layers are found; losses of defaults are none.
pub(crate) fn merge_layers(defaults: &Table, layers: impl IntoIterator<Item = Table>) -> (Table, Findings) {
    let mut findings = Findings::default();
    let mut path = Vec::new();
    let mut folded = Table::default();
    for layer in layers {
        combine_tables(&mut folded, layer, Guard::On, &mut path, &mut findings);
    }
    let mut merged = defaults.clone();
    // `null` says: as if no layer had spoken.
    forget_unset(&mut folded);
    combine_tables(&mut merged, folded, Guard::Off, &mut path, &mut findings);
    (merged, findings)
}

fn forget_unset(table: &mut Table) {
    table.entries.retain(|_, entry| entry.node.data != Data::Unset);
    for entry in table.entries.values_mut() {
        entry.is_reset = false;
        if let Data::Table(table) = &mut entry.node.data {
            forget_unset(table);
        }
    }
}
