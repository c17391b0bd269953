//! Changing a TOML document in place: comments, order and spelling stay.

use serde_json::{Map, Value};
use toml_edit::{Array, DocumentMut, Item, Table, TableLike};

use super::parse;
use super::shape::Shape;
use super::surfaces::{At, Step};
use super::tree::MergeOp;
use super::words::to_toml;

/// A key on the way to the changed one holds something else than a table.
#[derive(Debug)]
pub(crate) struct NotATable {
    /// How many steps lead to it.
    pub(crate) depth: usize,
}

const FORMS: [MergeOp; 3] = [MergeOp::Assign, MergeOp::Force, MergeOp::Extend];

/// The key as the table spells it.
fn spelled(table: &dyn TableLike, parent: At<'_>, name: &str, op: MergeOp) -> Option<String> {
    let means = |key: &str| {
        let (base, written) = MergeOp::split(key);
        written == op && (base == name || parent.canonical(base) == name)
    };
    table.iter().map(|(key, _)| key).find(|key| means(key)).map(str::to_owned)
}

/// Writes a value at the last step, in the form of that step; other forms of the key go.
pub(crate) fn write(document: &mut DocumentMut, steps: &[Step<'_>], value: &Value) -> Result<(), NotATable> {
    write_into(document.as_table_mut(), Style::Header, steps, value, 0)
}

/// How new tables are written inside a table.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    /// `[a.b]`
    Header,
    /// `{ b = … }`: inside an inline table nothing else may stand.
    Inline,
}

impl Style {
    fn inside(self, item: &Item) -> Self {
        if item.is_value() { Self::Inline } else { self }
    }

    fn table(self, map: &Map<String, Value>) -> Item {
        if self == Self::Inline {
            return to_toml(&Value::Object(map.clone())).map_or(Item::None, Item::Value);
        }
        let mut table = Table::new();
        for (key, value) in map {
            match value {
                Value::Object(map) => table.insert(key, self.table(map)),
                value => table.insert(key, to_toml(value).map_or(Item::None, Item::Value)),
            };
        }
        Item::Table(table)
    }
}

fn write_into(
    table: &mut dyn TableLike,
    style: Style,
    steps: &[Step<'_>],
    value: &Value,
    depth: usize,
) -> Result<(), NotATable> {
    let Some((step, rest)) = steps.split_first() else { return Ok(()) };
    if rest.is_empty() {
        put(table, style, step, value);
        return Ok(());
    }
    let key = ancestor(table, step, rest.last().map_or(MergeOp::Assign, |last| last.op));
    let item = table.entry(&key).or_insert_with(|| {
        let mut item = style.table(&Map::new());
        // A table that holds only tables needs no header of its own.
        if let Item::Table(table) = &mut item {
            table.set_implicit(true);
        }
        item
    });
    let style = style.inside(item);
    match item.as_table_like_mut() {
        Some(inner) => write_into(inner, style, rest, value, depth + 1),
        None => Err(NotATable { depth: depth + 1 }),
    }
}

/// The form of a table on the way. One that is assigned as a whole must extend, else an addition inside it
/// would come to nothing.
fn ancestor(table: &dyn TableLike, step: &Step<'_>, last: MergeOp) -> String {
    let wanted = match (step.op, step.shape) {
        (MergeOp::Assign, shape) if last != MergeOp::Assign && !merges_inside(shape) => MergeOp::Extend,
        (op, _) => op,
    };
    let name = step.name.as_str();
    let existing = spelled(table, step.parent, name, wanted);
    let other = || {
        let forms = FORMS.into_iter().filter(|_| wanted == MergeOp::Assign);
        forms.filter_map(|op| spelled(table, step.parent, name, op)).next()
    };
    existing.or_else(other).unwrap_or_else(|| format!("{name}{}", wanted.suffix()))
}

fn merges_inside(shape: &Shape) -> bool {
    shape.merges_by_itself() || *shape == Shape::Parameter
}

fn put(table: &mut dyn TableLike, style: Style, step: &Step<'_>, value: &Value) {
    for op in FORMS.into_iter().filter(|op| *op != step.op) {
        // An addition stands beside an assignment; an assignment replaces all there is.
        let is_kept = step.op == MergeOp::Extend;
        if let Some(key) = spelled(table, step.parent, &step.name, op).filter(|_| !is_kept) {
            table.remove(&key);
        }
    }
    let key = spelled(table, step.parent, &step.name, step.op)
        .unwrap_or_else(|| format!("{}{}", step.name, step.op.suffix()));
    if step.op == MergeOp::Extend && add_to(table, style, &key, value) {
        return;
    }
    replace(table, style, &key, value);
}

/// Adds to a list or table that stands at the key already; what is there is not repeated.
fn add_to(table: &mut dyn TableLike, style: Style, key: &str, value: &Value) -> bool {
    match (table.get_mut(key), value) {
        (Some(Item::Value(toml_edit::Value::Array(array))), Value::Array(items)) => {
            for item in items {
                if array.iter().all(|known| parse::json(known) != *item)
                    && let Some(item) = to_toml(item)
                {
                    push(array, item);
                }
            }
            true
        }
        (Some(item), Value::Object(map)) => {
            let style = style.inside(item);
            let Some(inner) = item.as_table_like_mut() else { return false };
            map.iter().for_each(|(key, value)| replace(inner, style, key, value));
            true
        }
        _ => false,
    }
}

/// As the elements before it stand: each on a line of its own, or all on one.
fn push(array: &mut Array, mut item: toml_edit::Value) {
    let prefix = array.iter().last().and_then(|last| last.decor().prefix()).and_then(|raw| raw.as_str());
    match prefix.filter(|prefix| prefix.contains('\n')).map(str::to_owned) {
        Some(prefix) => {
            // A comment before the last element is not repeated.
            let indent = prefix.rsplit('\n').next().unwrap_or_default();
            item.decor_mut().set_prefix(format!("\n{indent}"));
            array.push_formatted(item);
        }
        None => array.push(item),
    }
}

/// Replaces or adds a value; the comment after an old one stays.
fn replace(table: &mut dyn TableLike, style: Style, key: &str, value: &Value) {
    if let (Value::Object(map), Some(item)) = (value, table.get_mut(key))
        && item.is_table_like()
    {
        let style = style.inside(item);
        let Some(inner) = item.as_table_like_mut() else { return };
        let gone: Vec<String> =
            inner.iter().map(|(key, _)| key.to_owned()).filter(|key| !map.contains_key(key)).collect();
        gone.iter().for_each(|key| {
            inner.remove(key);
        });
        map.iter().for_each(|(key, value)| replace(inner, style, key, value));
        return;
    }
    let new = match value {
        Value::Object(map) => style.table(map),
        value => to_toml(value).map_or(Item::None, Item::Value),
    };
    if style == Style::Inline && table.get(key).is_none() {
        make_room(table);
    }
    match (table.get_mut(key), new) {
        (_, Item::None) => {}
        (Some(Item::Value(old)), Item::Value(mut new)) => {
            *new.decor_mut() = old.decor().clone();
            *old = new;
        }
        (Some(item), new) => *item = new,
        (None, new) => {
            table.insert(key, new);
        }
    }
}

/// The space before the closing brace of an inline table belongs to its last value; it must not end up
/// before a comma.
fn make_room(table: &mut dyn TableLike) {
    let last = table.iter_mut().last();
    if let Some(value) = last.and_then(|(_, item)| item.as_value_mut()?.into()) {
        value.decor_mut().set_suffix("");
    }
}

/// Removes every form of a key (or the one form that the last step names) and the tables that this leaves
/// empty. Returns whether there was anything.
pub(crate) fn remove(document: &mut DocumentMut, steps: &[Step<'_>]) -> bool {
    remove_from(document.as_table_mut(), steps)
}

fn remove_from(table: &mut dyn TableLike, steps: &[Step<'_>]) -> bool {
    let Some((step, rest)) = steps.split_first() else { return false };
    let forms = FORMS.into_iter().filter(|op| step.op == MergeOp::Assign || step.op == *op);
    let keys: Vec<String> = forms.filter_map(|op| spelled(table, step.parent, &step.name, op)).collect();
    let mut is_removed = false;
    for key in keys {
        if rest.is_empty() {
            table.remove(&key);
            is_removed = true;
        } else if let Some(inner) = table.get_mut(&key).and_then(Item::as_table_like_mut)
            && remove_from(inner, rest)
        {
            is_removed = true;
            if inner.is_empty() && !stands_empty(step) && !has_comment(table.get(&key)) {
                table.remove(&key);
            }
        }
    }
    is_removed
}

/// An entry without fields still says something: that the provider is used, that the type exists.
fn stands_empty(step: &Step<'_>) -> bool {
    let is_entry = matches!(step.parent, At::Shape(Shape::Registry(registry)) if !registry.are_commands);
    is_entry || *step.shape == Shape::Template
}

fn has_comment(item: Option<&Item>) -> bool {
    let Some(Item::Table(table)) = item else { return false };
    let parts = [table.decor().prefix(), table.decor().suffix()];
    parts.into_iter().flatten().any(|raw| raw.as_str().is_some_and(|text| text.contains('#')))
}

/// The first form of a key, as the document spells it: its literal path, its operator, its value.
pub(crate) fn find(table: &dyn TableLike, steps: &[Step<'_>]) -> Option<(Vec<String>, MergeOp, Value)> {
    let (step, rest) = steps.split_first()?;
    let forms = FORMS.into_iter().filter(|op| step.op == MergeOp::Assign || step.op == *op);
    for op in forms {
        let Some(key) = spelled(table, step.parent, &step.name, op) else { continue };
        let item = table.get(&key)?;
        if rest.is_empty() {
            return Some((vec![key], op, parse::json_item(item)?));
        }
        if let Some((mut path, op, value)) = item.as_table_like().and_then(|inner| find(inner, rest)) {
            path.insert(0, key);
            return Some((path, op, value));
        }
    }
    None
}
