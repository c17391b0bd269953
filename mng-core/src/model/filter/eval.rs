//! Evaluation of an expression on one item.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::rc::Rc;

use cel::IdedExpr;
use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue, MapExpr, operators};
use serde_json::Value;

use super::number::Number;
use super::parse::{Expression, HAS};
use super::value::{Keyed, Level, List, Val};
use super::{Subject, computed, functions, times};
use crate::model::fields::{ALIASES, AgentFields, FIELDS, Section};
use crate::model::suggest::suggest;
use crate::model::time::Time;

/// Why an expression has no value, in one line.
pub(super) type Failure = String;

pub(super) struct Eval<'a> {
    expression: &'a Expression,
    item: &'a Value,
    now: Time,
    subject: Subject,
}

/// Variables of macros such as `x` in `list.exists(x, …)`, the innermost first.
struct Scope<'s, 'a> {
    name: &'s str,
    value: Val<'a>,
    outer: Option<&'s Scope<'s, 'a>>,
}

type Outer<'s, 'a> = Option<&'s Scope<'s, 'a>>;

impl<'a> Eval<'a> {
    pub(super) fn new(expression: &'a Expression, item: &'a Value, now: Time, subject: Subject) -> Self {
        Self { expression, item, now, subject }
    }

    pub(super) fn run(&self) -> Result<Val<'a>, Failure> {
        self.eval(self.expression.root(), None)
    }

    fn eval(&self, expr: &'a IdedExpr, scope: Outer<'_, 'a>) -> Result<Val<'a>, Failure> {
        match &expr.expr {
            Expr::Ident(name) => self.ident(name, scope),
            Expr::Literal(literal) => Ok(value_of(literal)),
            Expr::Select(select) => {
                let value = self.select(self.eval(&select.operand, scope)?, &select.field)?;
                Ok(if select.test { Val::Bool(!value.is_absent()) } else { value })
            }
            Expr::List(list) => {
                let values: Result<_, _> =
                    list.elements.iter().map(|element| self.eval(element, scope)).collect();
                values.map(Val::list)
            }
            Expr::Map(map) => self.map(map, scope),
            Expr::Call(call) => self.call(call, scope),
            Expr::Comprehension(loops) => self.comprehension(loops, scope),
            Expr::Struct(_) | Expr::Unspecified => Err("it is no value".into()),
        }
    }

    fn ident(&self, name: &str, scope: Outer<'_, 'a>) -> Result<Val<'a>, Failure> {
        let name = name.strip_prefix('.').unwrap_or(name);
        let mut next = scope;
        while let Some(scope) = next {
            if scope.name == name {
                return Ok(scope.value.clone());
            }
            next = scope.outer;
        }
        let level = if self.subject == Subject::Agents { Level::Root } else { Level::Open };
        let root = Val::from_json(self.item, level);
        // A field wins over the type of the same name: `type == "claude"` is about the agent.
        if self.item.get(name).is_none()
            && let Some(name) = functions::TYPES.iter().find(|known| **known == name)
        {
            return Ok(Val::Type(name));
        }
        self.select(root, name)
    }

    /// `operand.field`. Below labels and the like a missing key is no error; a null has nothing inside.
    fn select(&self, operand: Val<'a>, field: &str) -> Result<Val<'a>, Failure> {
        let map = match operand {
            Val::Missing | Val::Null => return Ok(Val::Missing),
            Val::Map(map) => map,
            other => return Err(format!("a {} has no field `{field}`", other.type_name())),
        };
        if let Some(value) = map.get(&Val::Str(Cow::Borrowed(field))) {
            return Ok(value);
        }
        match map {
            Keyed::Made(_) | Keyed::Json(_, Level::Open) => Ok(Val::Missing),
            Keyed::Json(_, level) => self.absent_field(level, field),
        }
    }

    /// A field that the JSON lacks: computed, an alias, or known but left out. Else it is a mistake.
    fn absent_field(&self, level: Level, field: &str) -> Result<Val<'a>, Failure> {
        let key = match level {
            Level::Root => field.to_owned(),
            Level::Host => format!("host.{field}"),
            // Objects inside objects are small, and the catalogue lists what may be in them.
            Level::Fixed | Level::Open => return Ok(Val::Missing),
        };
        if let Some(seconds) = computed::field(self.item, &key, self.now) {
            return Ok(seconds.map_or(Val::Null, |seconds| Val::Number(Number::Double(seconds))));
        }
        if let Some((_, full)) = ALIASES.iter().find(|(alias, _)| *alias == key) {
            let root = Val::from_json(self.item, Level::Root);
            return full.split('.').try_fold(root, |value, field| self.select(value, field));
        }
        if AgentFields::entry(&key).is_some() {
            return Ok(Val::Null);
        }
        let fields =
            FIELDS.iter().filter(|field| !matches!(field.section, Section::Dynamic | Section::Nested));
        let near = suggest(&key, fields.map(|field| field.key));
        let near = near.first().map(|near| format!(" (did you mean `{near}`?)")).unwrap_or_default();
        Err(format!("there is no field `{key}`{near}"))
    }

    fn map(&self, map: &'a MapExpr, scope: Outer<'_, 'a>) -> Result<Val<'a>, Failure> {
        let mut entries = Vec::with_capacity(map.entries.len());
        for entry in &map.entries {
            if let EntryExpr::MapEntry(entry) = &entry.expr {
                entries.push((self.eval(&entry.key, scope)?, self.eval(&entry.value, scope)?));
            }
        }
        Ok(Val::Map(Keyed::Made(Rc::new(entries))))
    }

    fn call(&self, call: &'a CallExpr, scope: Outer<'_, 'a>) -> Result<Val<'a>, Failure> {
        let name = call.func_name.as_str();
        match (name, call.args.as_slice()) {
            (operators::LOGICAL_AND, [left, right]) => self.logical(left, right, false, scope),
            (operators::LOGICAL_OR, [left, right]) => self.logical(left, right, true, scope),
            (operators::CONDITIONAL, [condition, yes, no]) => {
                let chosen = if self.eval(condition, scope)?.is_truthy() { yes } else { no };
                self.eval(chosen, scope)
            }
            // Asked of `all` and `exists` before each step: a failure ends the whole evaluation anyway.
            (operators::NOT_STRICTLY_FALSE, [value]) => self.eval(value, scope),
            (operators::LOGICAL_NOT, [value]) => Ok(Val::Bool(!self.eval(value, scope)?.is_truthy())),
            (operators::NEGATE, [value]) => negate(self.eval(value, scope)?),
            (HAS, [value]) => Ok(Val::Bool(!self.eval(value, scope)?.is_absent())),
            (operators::INDEX, [operand, index]) => {
                self.index(self.eval(operand, scope)?, &self.eval(index, scope)?)
            }
            (_, [left, right]) if is_binary(name) => {
                binary(name, self.eval(left, scope)?, self.eval(right, scope)?)
            }
            (_, args) => {
                let target = call.target.as_ref().map(|target| self.eval(target, scope)).transpose()?;
                let args: Vec<Val<'a>> =
                    args.iter().map(|arg| self.eval(arg, scope)).collect::<Result<_, _>>()?;
                functions::call(self.expression, name, target, args)
            }
        }
    }

    /// `&&` and `||`: one side that decides is enough, also when the other has no value.
    fn logical(
        &self,
        left: &'a IdedExpr,
        right: &'a IdedExpr,
        deciding: bool,
        scope: Outer<'_, 'a>,
    ) -> Result<Val<'a>, Failure> {
        let left = self.eval(left, scope).map(|value| value.is_truthy());
        if left == Ok(deciding) {
            return Ok(Val::Bool(deciding));
        }
        let right = self.eval(right, scope)?.is_truthy();
        if right == deciding {
            return Ok(Val::Bool(deciding));
        }
        left.map(|_| Val::Bool(!deciding))
    }

    fn index(&self, operand: Val<'a>, index: &Val<'a>) -> Result<Val<'a>, Failure> {
        match (operand, index) {
            (Val::Missing | Val::Null, _) | (_, Val::Missing | Val::Null) => Ok(Val::Missing),
            (Val::List(list), Val::Number(index)) => {
                let index = index.as_whole().and_then(|index| usize::try_from(index).ok());
                Ok(index.and_then(|index| list.get(index)).unwrap_or(Val::Missing))
            }
            (Val::Map(Keyed::Json(map, level)), Val::Str(key)) => {
                self.select(Val::Map(Keyed::Json(map, level)), key)
            }
            (Val::Map(map), key) => Ok(map.get(key).unwrap_or(Val::Missing)),
            (operand, index) => {
                Err(format!("a {} has no place `{}`", operand.type_name(), index.type_name()))
            }
        }
    }

    /// What the macros `all`, `exists`, `exists_one`, `map` and `filter` stand for.
    fn comprehension(&self, loops: &'a ComprehensionExpr, scope: Outer<'_, 'a>) -> Result<Val<'a>, Failure> {
        let range: Vec<Val<'a>> = match self.eval(&loops.iter_range, scope)? {
            Val::Missing | Val::Null => Vec::new(),
            Val::List(list) => list.iter().collect(),
            Val::Map(map) => map.iter().map(|(key, _)| key).collect(),
            other => return Err(format!("a {} is neither a list nor a map", other.type_name())),
        };
        let accu = |value| Scope { name: &loops.accu_var, value, outer: scope };
        let mut result = accu(self.eval(&loops.accu_init, scope)?);
        for element in range {
            if !self.eval(&loops.loop_cond, Some(&result))?.is_truthy() {
                break;
            }
            let step = Scope { name: &loops.iter_var, value: element, outer: Some(&result) };
            let next = self.eval(&loops.loop_step, Some(&step))?;
            result = accu(next);
        }
        self.eval(&loops.result, Some(&result))
    }
}

fn value_of(literal: &LiteralValue) -> Val<'_> {
    match literal {
        LiteralValue::Boolean(value) => Val::Bool(*value.inner()),
        LiteralValue::Bytes(bytes) => Val::Bytes(Rc::from(bytes.inner())),
        LiteralValue::Double(value) => Val::Number(Number::Double(*value.inner())),
        LiteralValue::Int(value) => Val::Number(Number::Int(*value.inner())),
        LiteralValue::UInt(value) => Val::Number(Number::UInt(*value.inner())),
        LiteralValue::Null => Val::Null,
        LiteralValue::String(text) => Val::Str(Cow::Borrowed(text.inner())),
    }
}

fn is_binary(name: &str) -> bool {
    name == operators::IN || (name.starts_with('_') && name.ends_with('_'))
}

fn negate(value: Val<'_>) -> Result<Val<'_>, Failure> {
    match value {
        Val::Missing => Ok(Val::Missing),
        Val::Number(number) => {
            number.negate().map(Val::Number).ok_or_else(|| "the number is too large".into())
        }
        Val::Span(span) => span.checked_neg().map(Val::Span).ok_or_else(|| "the duration is too long".into()),
        other => Err(format!("`-` does not apply to {}", other.type_name())),
    }
}

fn binary<'a>(name: &str, left: Val<'a>, right: Val<'a>) -> Result<Val<'a>, Failure> {
    let compared = match name {
        operators::EQUALS => Some(left.equals(&right)),
        operators::NOT_EQUALS => {
            let is_missing = matches!(left, Val::Missing) || matches!(right, Val::Missing);
            Some(!is_missing && !left.equals(&right))
        }
        operators::IN => Some(is_in(&left, &right)?),
        operators::LESS => Some(ordered(&left, &right, "<", Ordering::is_lt)?),
        operators::LESS_EQUALS => Some(ordered(&left, &right, "<=", Ordering::is_le)?),
        operators::GREATER => Some(ordered(&left, &right, ">", Ordering::is_gt)?),
        operators::GREATER_EQUALS => Some(ordered(&left, &right, ">=", Ordering::is_ge)?),
        _ => None,
    };
    match compared {
        Some(result) => Ok(Val::Bool(result)),
        None => calculate(name, left, right),
    }
}

/// Nothing comes before or after what is absent, so that `idle_seconds > 300` is quiet about agents that
/// never did anything.
fn ordered(
    left: &Val<'_>,
    right: &Val<'_>,
    operator: &str,
    holds: fn(Ordering) -> bool,
) -> Result<bool, Failure> {
    if left.is_absent() || right.is_absent() {
        return Ok(false);
    }
    if let (Val::Number(_), Val::Number(_)) = (left, right) {
        return Ok(left.compare(right).is_some_and(holds)); // NaN compares with nothing
    }
    left.compare(right).map(holds).ok_or_else(|| does_not_apply(operator, left, right))
}

fn is_in(element: &Val<'_>, container: &Val<'_>) -> Result<bool, Failure> {
    match container {
        Val::Missing | Val::Null => Ok(false),
        Val::List(list) => Ok(list.iter().any(|value| value.equals(element))),
        Val::Map(map) => Ok(map.get(element).is_some()),
        other => Err(does_not_apply("in", element, other)),
    }
}

fn calculate<'a>(name: &str, left: Val<'a>, right: Val<'a>) -> Result<Val<'a>, Failure> {
    let operator = name.chars().nth(1).unwrap_or('?');
    match (operator, left, right) {
        (_, Val::Missing, _) | (_, _, Val::Missing) => Ok(Val::Missing),
        ('+' | '-' | '*' | '/' | '%', Val::Number(a), Val::Number(b)) => {
            a.calculate(operator, b).map(Val::Number)
        }
        ('+', Val::Str(a), Val::Str(b)) => Ok(Val::string(a.into_owned() + &b)),
        ('+', Val::Bytes(a), Val::Bytes(b)) => Ok(Val::Bytes([&a[..], &b[..]].concat().into())),
        ('+', Val::List(a), Val::List(b)) => Ok(joined(&a, &b)),
        ('+', Val::Time(time), Val::Span(span)) | ('+', Val::Span(span), Val::Time(time)) => {
            times::shift(time, span).map(Val::Time)
        }
        ('-', Val::Time(time), Val::Span(span)) => {
            let back = span.checked_neg().ok_or("the duration is too long")?;
            times::shift(time, back).map(Val::Time)
        }
        ('-', Val::Time(a), Val::Time(b)) => Ok(Val::Span(a.duration_since(b))),
        ('+', Val::Span(a), Val::Span(b)) => {
            a.checked_add(b).map(Val::Span).ok_or_else(|| "the duration is too long".into())
        }
        ('-', Val::Span(a), Val::Span(b)) => {
            a.checked_sub(b).map(Val::Span).ok_or_else(|| "the duration is too long".into())
        }
        (operator, left, right) => Err(does_not_apply(&operator.to_string(), &left, &right)),
    }
}

fn joined<'a>(a: &List<'a>, b: &List<'a>) -> Val<'a> {
    Val::list(a.iter().chain(b.iter()).collect())
}

fn does_not_apply(operator: &str, left: &Val<'_>, right: &Val<'_>) -> Failure {
    let name = |value: &Val<'_>| if value.is_absent() { "null" } else { value.type_name() };
    format!("`{operator}` does not apply to {} and {}", name(left), name(right))
}
