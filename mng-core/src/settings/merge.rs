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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::settings::tree::{Layer, ListTraits};

    fn origin() -> Origin {
        Origin::of(Layer::User, "x")
    }

    fn list(items: Vec<u8>, traits: ListTraits) -> Data {
        let items = items.into_iter().map(|item| Item { value: item.into(), origin: origin() }).collect();
        Data::List(List { items, traits })
    }

    /// The shape of a key follows from its name, as it does from a schema: `l` list, `s` set, `r` list that
    /// is only replaced, `v` value, `t` table.
    fn entries(depth: u32) -> BoxedStrategy<Table> {
        let name = if depth == 0 { "[lsrv][12]" } else { "[lsrvt][12]" };
        proptest::collection::vec(
            name.prop_flat_map(move |name| (Just(name.clone()), entry(&name, depth))),
            0..5,
        )
        .prop_map(|entries| Table { entries: entries.into_iter().collect(), is_patch: false })
        .boxed()
    }

    fn entry(name: &str, depth: u32) -> BoxedStrategy<Entry> {
        let ops = prop_oneof![Just(MergeOp::Assign), Just(MergeOp::Force), Just(MergeOp::Extend)];
        let items = proptest::collection::vec(0_u8..4, 0..4);
        let lists = |is_set, is_replace_only| {
            (ops.clone(), items.clone(), any::<bool>()).prop_map(move |(op, items, is_text)| {
                let is_written_as_text = is_text && op != MergeOp::Extend;
                let traits = ListTraits { is_set, is_replace_only, is_written_as_text, is_parameter: false };
                Entry::new(op, list(items, traits), &origin())
            })
        };
        let value = match &name[..1] {
            "l" => lists(false, false).boxed(),
            "s" => lists(true, false).boxed(),
            "r" => lists(false, true).boxed(),
            "v" => (any::<bool>(), 0_u8..4)
                .prop_map(|(is_forced, value)| {
                    let op = if is_forced { MergeOp::Force } else { MergeOp::Assign };
                    Entry::new(op, Data::Scalar(value.into()), &origin())
                })
                .boxed(),
            _ => (ops, entries(depth - 1))
                .prop_map(|(op, table)| Entry::new(op, Data::Table(table), &origin()))
                .boxed(),
        };
        let unset = Entry { is_reset: true, ..Entry::new(MergeOp::Force, Data::Unset, &origin()) };
        prop_oneof![9 => value, 1 => Just(unset)].boxed()
    }

    fn over(lower: &Table, higher: &Table) -> (Table, Findings) {
        let mut combined = lower.clone();
        let mut findings = Findings::default();
        combine_tables(&mut combined, higher.clone(), Guard::On, &mut Vec::new(), &mut findings);
        (combined, findings)
    }

    /// Every list element and table key, with its path.
    fn elements(table: &Table, path: &str, all: &mut Vec<(String, String)>) {
        for (name, entry) in &table.entries {
            let path = format!("{path}.{name}");
            match &entry.node.data {
                Data::List(list) => {
                    all.extend(list.items.iter().map(|item| (path.clone(), item.value.to_string())));
                }
                Data::Table(inner) => elements(inner, &path, all),
                Data::Scalar(_) => all.push((path, String::new())),
                Data::Unset => {}
            }
        }
    }

    /// Makes every list and table an addition.
    fn all_extend(table: &mut Table) {
        table.entries.retain(|name, entry| !name.starts_with('r') && entry.node.data != Data::Unset);
        for entry in table.entries.values_mut() {
            if let Data::Table(inner) = &mut entry.node.data {
                all_extend(inner);
            }
            if !matches!(entry.node.data, Data::Scalar(_)) {
                entry.op = MergeOp::Extend;
            }
        }
    }

    fn has_assignment(table: &Table) -> bool {
        table.entries.values().any(|entry| match &entry.node.data {
            Data::Table(inner) => entry.op == MergeOp::Assign || has_assignment(inner),
            _ => entry.op == MergeOp::Assign,
        })
    }

    proptest! {
        #[test]
        fn combining_is_associative(a in entries(2), b in entries(2), c in entries(2)) {
            let left = over(&over(&a, &b).0, &c).0;
            let right = over(&a, &over(&b, &c).0).0;
            prop_assert_eq!(left, right);
        }

        #[test]
        fn an_empty_layer_changes_nothing(a in entries(2)) {
            prop_assert_eq!(&over(&a, &Table::default()).0, &a);
            prop_assert_eq!(&over(&Table::default(), &a).0, &a);
        }

        #[test]
        fn shapes_that_agree_never_mismatch(a in entries(2), b in entries(2)) {
            prop_assert!(over(&a, &b).1.mismatches.is_empty());
        }

        #[test]
        fn only_plain_assignments_lose(a in entries(2), b in entries(2)) {
            let losses = over(&a, &b).1.losses;
            prop_assert!(losses.is_empty() || has_assignment(&b));
        }

        #[test]
        fn additions_keep_all_there_was(a in entries(2), b in entries(2)) {
            let mut b = b;
            all_extend(&mut b);
            let (combined, findings) = over(&a, &b);
            prop_assert!(findings.losses.is_empty());
            let (mut before, mut after) = (Vec::new(), Vec::new());
            elements(&a, "", &mut before);
            elements(&combined, "", &mut after);
            prop_assert!(before.iter().all(|element| after.contains(element)));
        }

        #[test]
        fn the_defaults_are_never_said_to_be_lost(defaults in entries(2), layer in entries(2)) {
            let (_, findings) = merge_layers(&defaults, [layer]);
            prop_assert!(findings.losses.is_empty());
        }

        #[test]
        fn a_reported_loss_is_gone_and_an_unreported_one_is_not(a in entries(1), b in entries(1)) {
            let (combined, findings) = over(&a, &b);
            for loss in &findings.losses {
                prop_assert!(!loss.lost.is_empty());
                prop_assert!(a.at(&loss.path).is_some());
            }
            // A list that a plain, unatomic assignment replaced is reported if it lost an element.
            for (name, entry) in a.entries.iter().filter(|(name, entry)| {
                !name.starts_with('r') && entry.op != MergeOp::Extend
            }) {
                let (Data::List(old), Some(above)) = (&entry.node.data, b.entries.get(name)) else { continue };
                let Data::List(written) = &above.node.data else { continue };
                if above.op == MergeOp::Assign && !written.traits.is_written_as_text {
                    let Some(Data::List(new)) = combined.get(name).map(|node| &node.data) else { continue };
                    let kept = |item: &Item| new.items.iter().any(|other| other.value == item.value);
                    let is_lossless = old.items.iter().all(kept);
                    let is_reported = findings.losses.iter().any(|loss| loss.path == [name.clone()]);
                    prop_assert_eq!(is_reported, !is_lossless);
                }
            }
        }
    }

    #[test]
    fn the_table_of_the_algebra() {
        let traits = ListTraits::default();
        let one = |op, items: &[u8]| Entry::new(op, list(items.to_vec(), traits), &origin());
        let cell = |lower: Option<Entry>, higher: Entry| {
            let mut table = Table::default();
            if let Some(lower) = lower {
                table.entries.insert("k".into(), lower);
            }
            let above = Table { entries: [("k".to_owned(), higher)].into_iter().collect(), is_patch: false };
            let (combined, findings) = over(&table, &above);
            let entry = &combined.entries["k"];
            format!("{:?} {} lost {}", entry.op, entry.node.data.to_json(), findings.losses.len())
        };
        use MergeOp::{Assign, Extend, Force};
        let rows = [
            cell(None, one(Assign, &[2])),
            cell(None, one(Force, &[2])),
            cell(None, one(Extend, &[2])),
            cell(Some(one(Assign, &[1])), one(Assign, &[2])),
            cell(Some(one(Force, &[1])), one(Assign, &[2])),
            cell(Some(one(Assign, &[1])), one(Force, &[2])),
            cell(Some(one(Assign, &[1])), one(Extend, &[2])),
            cell(Some(one(Force, &[1])), one(Extend, &[2])),
            cell(Some(one(Extend, &[1])), one(Assign, &[2])),
            cell(Some(one(Extend, &[1])), one(Force, &[2])),
            cell(Some(one(Extend, &[1])), one(Extend, &[2])),
            cell(Some(one(Assign, &[1, 1])), one(Assign, &[1])),
        ];
        insta::assert_snapshot!(rows.join("\n"), @"
        Assign [2] lost 0
        Force [2] lost 0
        Extend [2] lost 0
        Assign [2] lost 1
        Assign [2] lost 1
        Force [2] lost 0
        Assign [1,2] lost 0
        Force [1,2] lost 0
        Assign [2] lost 0
        Force [2] lost 0
        Extend [1,2] lost 0
        Assign [1] lost 0
        ");
    }
}
