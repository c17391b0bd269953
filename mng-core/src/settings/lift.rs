//! From a layer as written to a lifted, checked table: suffixes become operators, names their declared
//! spelling, values the type that their key wants.

use indexmap::IndexMap;
use serde_json::{Number, Value};

use super::duration;
use super::merge::{Findings, Guard, Mismatch, combine};
use super::parameters;
use super::patch;
use super::problem::{Problem, ProblemKind, dotted};
use super::shape::{ListShape, Registry, Section, Shape};
use super::tree::{
    Data, Entry, Item, List, ListTraits, MergeOp, Origin, Raw, RawTable, RawValue, Table, parse_text,
};
use super::words;
use crate::model::suggest::did_you_mean;

/// How many valid names a message lists; more are found with `mng config list --schema`.
const LISTED_NAMES: usize = 12;

/// Keys that are accepted and ignored, with the reason that the warning gives.
const RETIRED: [(&str, &str); 1] =
    [("disabled_plugins", "it is worked out from `plugins.NAME.enabled`; write that instead")];

/// Lifts layers and gathers what is wrong with them.
#[derive(Debug, Default)]
pub(crate) struct Lifter {
    /// Unknown keys are warned about instead.
    is_lenient: bool,
    pub(crate) problems: Vec<Problem>,
    pub(crate) warnings: Vec<String>,
    path: Vec<String>,
}

/// The up to three forms of one name in one table.
#[derive(Default)]
struct Forms<'a> {
    assign: Option<&'a Raw>,
    force: Option<&'a Raw>,
    extend: Option<&'a Raw>,
}

impl Lifter {
    pub(crate) fn new(is_lenient: bool) -> Self {
        Self { is_lenient, ..Self::default() }
    }

    /// Lifts the root table of a layer.
    pub(crate) fn layer(&mut self, raw: &RawTable, root: &Section) -> Table {
        self.section(raw, root)
    }

    fn problem(&mut self, kind: ProblemKind, message: String, origin: &Origin, hint: Option<String>) {
        let key = dotted(&self.path);
        self.problems.push(Problem { kind, key, message, origin: origin.clone(), hint });
    }

    fn key(&self) -> String {
        dotted(&self.path)
    }

    /// Gathers the forms of each name; a name that is spelled in two ways is a problem.
    fn forms<'a>(
        &mut self,
        raw: &'a RawTable,
        canonical: impl Fn(&str) -> String,
    ) -> IndexMap<String, Forms<'a>> {
        let mut all: IndexMap<String, Forms<'a>> = IndexMap::new();
        for (key, value) in raw {
            let (name, op) = MergeOp::split(key);
            let forms = all.entry(canonical(name)).or_default();
            let slot = match op {
                MergeOp::Assign => &mut forms.assign,
                MergeOp::Force => &mut forms.force,
                MergeOp::Extend => &mut forms.extend,
            };
            if slot.is_none() {
                *slot = Some(value);
            } else {
                self.path.push(canonical(name));
                let message = format!("`{}` is written twice, in two spellings", self.key());
                self.problem(ProblemKind::Structure, message, &value.origin, Some("keep one of them".into()));
                self.path.pop();
            }
        }
        all
    }

    fn section(&mut self, raw: &RawTable, section: &Section) -> Table {
        let forms = self.forms(raw, |name| section.canonical(name));
        let mut table = Table::default();
        for (name, forms) in forms {
            self.path.push(name.clone());
            match section.shape(&name) {
                Some(shape) => {
                    if let Some(entry) = self.entry(&forms, shape) {
                        table.entries.insert(name, entry);
                    }
                }
                None => self.unknown(&name, &forms, section),
            }
            self.path.pop();
        }
        table
    }

    fn unknown(&mut self, name: &str, forms: &Forms<'_>, section: &Section) {
        let Some(raw) = forms.assign.or(forms.force).or(forms.extend) else { return };
        let key = self.key();
        if let Some((_, reason)) = RETIRED.iter().find(|(retired, _)| *retired == key) {
            self.warnings.push(format!("`{key}` in {} is ignored: {reason}", raw.origin));
            return;
        }
        let names: Vec<&str> = section.fields.keys().map(String::as_str).collect();
        let hint = did_you_mean(name, &names).unwrap_or_else(|| {
            if names.is_empty() {
                "no keys are known here".into()
            } else if names.len() > LISTED_NAMES {
                "`mng config list --schema` shows all keys".into()
            } else {
                format!("known keys here: {}", names.join(", "))
            }
        });
        let message = format!("unknown settings key `{key}`");
        if self.is_lenient {
            self.warnings.push(format!("{message} in {} is ignored", raw.origin));
        } else {
            self.problem(ProblemKind::UnknownKey, message, &raw.origin, Some(hint));
        }
    }

    fn registry(&mut self, raw: &RawTable, registry: &Registry) -> Table {
        let canonical = |name: &str| {
            let name =
                if registry.are_commands { parameters::canonical_command(name) } else { name.to_owned() };
            let alias = registry.aliases.iter().find(|(alias, _)| *alias == name);
            alias.map_or(name, |(_, entry)| entry.clone())
        };
        let forms = self.forms(raw, canonical);
        self.refuse_near_siblings(raw);
        let mut table = Table::default();
        for (name, forms) in forms {
            self.path.push(name.clone());
            let entry = self.entry(&forms, registry.shape(&name));
            self.path.pop();
            if let Some(entry) = entry {
                table.entries.insert(name, entry);
            }
        }
        table
    }

    /// An environment variable could not tell `my-x` from `my_x` or `My-x`.
    fn refuse_near_siblings(&mut self, raw: &RawTable) {
        let mut seen: IndexMap<String, &str> = IndexMap::new();
        for (key, value) in raw {
            let name = MergeOp::split(key).0;
            match seen.get(fold(name).as_str()) {
                Some(other) if *other != name => {
                    let message = format!(
                        "`{}` has both `{other}` and `{name}`, which an environment variable cannot tell apart",
                        self.key()
                    );
                    let hint = Some("rename one of them".into());
                    self.problem(ProblemKind::Structure, message, &value.origin, hint);
                }
                Some(_) => {}
                None => {
                    seen.insert(fold(name), name);
                }
            }
        }
    }

    /// The one entry that the forms of a name make: an assignment, an addition, or "reset, then add".
    fn entry(&mut self, forms: &Forms<'_>, shape: &Shape) -> Option<Entry> {
        if let (Some(bare), Some(_)) = (forms.assign, forms.force) {
            let key = self.key();
            let message = format!("`{key}` and `{key}__assign` stand in the same table");
            self.problem(ProblemKind::Structure, message, &bare.origin, Some("keep one of them".into()));
        }
        let assigned = match (forms.assign, forms.force) {
            (Some(raw), _) => self.value(raw, shape, MergeOp::Assign),
            (None, Some(raw)) => self.value(raw, shape, MergeOp::Force),
            (None, None) => None,
        };
        let added = forms.extend.and_then(|raw| self.value(raw, shape, MergeOp::Extend));
        match (assigned, added) {
            (Some(assigned), Some(added)) => {
                let mut findings = Findings::default();
                let entry = combine(assigned, added, Guard::Off, &mut self.path, &mut findings);
                findings.mismatches.iter().for_each(|mismatch| self.problems.push(mismatch.to_problem()));
                Some(entry)
            }
            (assigned, added) => assigned.or(added),
        }
    }

    fn value(&mut self, raw: &Raw, shape: &Shape, op: MergeOp) -> Option<Entry> {
        let from_text;
        let raw = match &raw.value {
            RawValue::Unset => {
                let entry = Entry::new(MergeOp::Force, Data::Unset, &raw.origin);
                return Some(Entry { is_reset: true, ..entry });
            }
            RawValue::Text(text) => {
                from_text = read_text(text, shape, &raw.origin);
                &from_text
            }
            _ => raw,
        };
        let data = self.data(raw, shape, op)?;
        let is_aggregate = matches!(data, Data::List(_) | Data::Table(_));
        if op == MergeOp::Extend && !is_aggregate {
            let key = self.key();
            let message = format!("`{key}__extend` cannot add to a single value");
            self.problem(
                ProblemKind::Structure,
                message,
                &raw.origin,
                Some(format!("write `{key}` instead")),
            );
            return None;
        }
        let op = if op == MergeOp::Assign && shape.merges_by_itself() && matches!(data, Data::Table(_)) {
            MergeOp::Extend
        } else {
            op
        };
        Some(Entry::new(op, data, &raw.origin))
    }

    fn data(&mut self, raw: &Raw, shape: &Shape, op: MergeOp) -> Option<Data> {
        match (&raw.value, shape) {
            (RawValue::Table(table), Shape::Section(section)) => {
                Some(Data::Table(self.section(table, section)))
            }
            (RawValue::Table(table), Shape::Registry(registry)) => {
                Some(Data::Table(self.registry(table, registry)))
            }
            (RawValue::Table(table), Shape::Map(value)) => Some(Data::Table(self.map(table, value))),
            (RawValue::Table(table), Shape::Any) => Some(Data::Table(self.map(table, &Shape::Any))),
            (RawValue::Table(table), Shape::Template) => Some(Data::Table(self.template(table))),
            (RawValue::Table(table), Shape::Patch) => self.patch(table, &raw.origin),
            (RawValue::Table(_), Shape::Parameter) => Some(Data::literal(&raw.to_json(), &raw.origin)),
            (RawValue::List(items), Shape::List(list)) => self.list(items, list, &raw.origin),
            (RawValue::List(items), Shape::Any | Shape::Parameter) => {
                let traits = ListTraits { is_parameter: *shape == Shape::Parameter, ..ListTraits::default() };
                Some(Data::List(list_of(items.clone(), traits, &raw.origin)))
            }
            (RawValue::Scalar(Value::String(text)), Shape::List(list)) => {
                let items = if list.is_words { words::split(text) } else { vec![text.clone()] };
                let items: Vec<Value> = items.into_iter().map(Value::from).collect();
                let Some(Data::List(mut list)) = self.list(&items, list, &raw.origin) else { return None };
                list.traits.is_written_as_text = true;
                Some(Data::List(list))
            }
            (RawValue::Scalar(Value::String(text)), Shape::Parameter) if op == MergeOp::Extend => {
                let traits = ListTraits { is_parameter: true, ..ListTraits::default() };
                Some(Data::List(list_of(vec![text.clone().into()], traits, &raw.origin)))
            }
            (RawValue::Scalar(value), Shape::Any | Shape::Parameter) => Some(Data::Scalar(value.clone())),
            (RawValue::Scalar(value), shape) => match coerce(value, shape) {
                Some(value) => Some(Data::Scalar(value)),
                None => self.wrong_value(&raw.to_json(), shape, &raw.origin),
            },
            (_, shape) => self.wrong_value(&raw.to_json(), shape, &raw.origin),
        }
    }

    fn wrong_value(&mut self, value: &Value, shape: &Shape, origin: &Origin) -> Option<Data> {
        let key = self.key();
        let shown = shorten(&value.to_string());
        let message = format!("`{key}` is {shown}, expected {}", shape.expectation());
        let hint = match (value, shape) {
            (Value::String(text), Shape::Choice(choice)) => did_you_mean(text, &choice.words),
            _ => None,
        };
        self.problem(ProblemKind::WrongValue, message, origin, hint);
        None
    }

    fn map(&mut self, raw: &RawTable, value: &Shape) -> Table {
        let forms = self.forms(raw, str::to_owned);
        let mut table = Table::default();
        for (name, forms) in forms {
            self.path.push(name.clone());
            let entry = self.entry(&forms, value);
            self.path.pop();
            if let Some(entry) = entry {
                table.entries.insert(name, entry);
            }
        }
        table
    }

    fn list(&mut self, items: &[Value], shape: &ListShape, origin: &Origin) -> Option<Data> {
        let mut checked = Vec::with_capacity(items.len());
        for item in items {
            match checked_item(item, &shape.item) {
                Some(item) => checked.push(item),
                None => {
                    let key = self.key();
                    let shown = shorten(&item.to_string());
                    let expected = shape.item.expectation();
                    let message = format!("`{key}` holds {shown}, expected {expected} in each place");
                    self.problem(ProblemKind::WrongValue, message, origin, None);
                    return None;
                }
            }
        }
        let traits = ListTraits {
            is_set: shape.is_set,
            is_replace_only: shape.is_replace_only,
            ..ListTraits::default()
        };
        Some(Data::List(list_of(checked, traits, origin)))
    }

    /// The operators of a template wait for the values of the command, so a plain key stays assigned and
    /// nothing below it is looked at.
    fn template(&mut self, raw: &RawTable) -> Table {
        let forms = self.forms(raw, |name| parameters::canonical("create", name));
        let mut table = Table::default();
        for (name, forms) in forms {
            self.path.push(name.clone());
            let entry = self.entry(&forms, &Shape::Parameter);
            self.path.pop();
            if let Some(entry) = entry.filter(|entry| entry.node.data != Data::Unset) {
                table.entries.insert(name, entry);
            }
        }
        table
    }

    fn patch(&mut self, raw: &RawTable, origin: &Origin) -> Option<Data> {
        match patch::lift(raw) {
            Ok(table) => Some(Data::Table(table)),
            Err(fault) => {
                let key = self.key();
                let message = format!("`{key}`: {fault}");
                self.problem(ProblemKind::Structure, message, origin, fault.hint());
                None
            }
        }
    }
}

impl Mismatch {
    pub(crate) fn to_problem(&self) -> Problem {
        let key = dotted(&self.path);
        Problem {
            kind: ProblemKind::Structure,
            message: format!(
                "`{key}__extend` adds {}, but `{key}` is {} in {}",
                self.higher, self.lower, self.lower_origin
            ),
            key,
            origin: self.higher_origin.clone(),
            hint: None,
        }
    }
}

/// Names that differ only in case or in `-` and `_` fold to the same text.
pub(crate) fn fold(name: &str) -> String {
    name.to_lowercase().replace('-', "_")
}

/// What a text means where this shape is wanted.
pub(crate) fn read_text(text: &str, shape: &Shape, origin: &Origin) -> Raw {
    let parsed = parse_text(text);
    let wants_text = match shape {
        Shape::Text { .. } | Shape::Choice(_) | Shape::Duration { .. } => true,
        Shape::List(list) => !parsed.is_array() && matches!(*list.item, Shape::Text { .. }),
        _ => false,
    };
    let value = match parsed {
        Value::Number(number) if matches!(shape, Shape::Duration { .. }) => Value::Number(number),
        Value::String(text) => Value::String(text),
        _ if wants_text => Value::String(text.to_owned()),
        parsed => parsed,
    };
    Raw::from_json(value, origin)
}

fn list_of(items: Vec<Value>, traits: ListTraits, origin: &Origin) -> List {
    let items = items.into_iter().map(|value| Item { value, origin: origin.clone() }).collect();
    List { items, traits }
}

fn checked_item(item: &Value, shape: &Shape) -> Option<Value> {
    match (item, shape) {
        (_, Shape::Any | Shape::Parameter) => Some(item.clone()),
        (Value::Object(_), Shape::Section(_) | Shape::Map(_) | Shape::Registry(_)) => Some(item.clone()),
        (Value::Array(items), Shape::List(list)) => items
            .iter()
            .map(|item| checked_item(item, &list.item))
            .collect::<Option<Vec<_>>>()
            .map(Value::Array),
        (Value::Array(_) | Value::Object(_), _) => None,
        _ => coerce(item, shape),
    }
}

/// A scalar as its key wants it: words for booleans, any case for enums. `None` if it does not fit.
pub(crate) fn coerce(value: &Value, shape: &Shape) -> Option<Value> {
    match (shape, value) {
        (Shape::Bool, Value::Bool(_)) => Some(value.clone()),
        (Shape::Bool, Value::String(text)) => truth(text).map(Value::Bool),
        (Shape::Bool, Value::Number(number)) => truth(&number.to_string()).map(Value::Bool),
        (Shape::Integer(bounds), Value::Number(number)) => {
            let whole = whole(number)?;
            bounds.hold(number.as_f64()?).then_some(Value::Number(whole))
        }
        (Shape::Number(bounds), Value::Number(number)) => {
            bounds.hold(number.as_f64()?).then(|| value.clone())
        }
        (Shape::Duration { may_be_zero }, value) => {
            let time = duration::from_json(value)?;
            (*may_be_zero || !time.is_zero()).then(|| value.clone())
        }
        (Shape::Text { may_be_empty }, Value::String(text)) => {
            (*may_be_empty || !text.is_empty()).then(|| value.clone())
        }
        (Shape::Choice(choice), Value::String(text)) => choice.canonical(text).map(Value::from),
        _ => None,
    }
}

fn whole(number: &Number) -> Option<Number> {
    if number.is_i64() || number.is_u64() {
        return Some(number.clone());
    }
    let float = number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < 9e15)?;
    Some((float as i64).into())
}

fn truth(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}

fn shorten(text: &str) -> String {
    const LONGEST: usize = 80;
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    text.chars().take(LONGEST - 1).chain(['…']).collect()
}
