//! The functions that expressions can call.

use std::borrow::Cow;
use std::rc::Rc;

use super::eval::Failure;
use super::number::Number;
use super::parse::{Expression, HAS, compile};
use super::times;
use super::value::Val;

/// How a function is called.
pub(super) struct Signature {
    pub(super) name: &'static str,
    pub(super) is_method: bool,
    pub(super) least: usize,
    pub(super) most: usize,
    pub(super) usage: &'static str,
}

const fn method(name: &'static str, least: usize, most: usize, usage: &'static str) -> Signature {
    Signature { name, is_method: true, least, most, usage }
}

const fn function(name: &'static str, count: usize, usage: &'static str) -> Signature {
    Signature { name, is_method: false, least: count, most: count, usage }
}

pub(super) static SIGNATURES: &[Signature] = &[
    function(HAS, 1, "has(field)"),
    function("size", 1, "size(x)"),
    method("size", 0, 0, "x.size()"),
    method("contains", 1, 1, "text.contains(part)"),
    method("startsWith", 1, 1, "text.startsWith(part)"),
    method("endsWith", 1, 1, "text.endsWith(part)"),
    method("matches", 1, 1, "text.matches(regex)"),
    function("matches", 2, "matches(text, regex)"),
    function("timestamp", 1, "timestamp(text)"),
    function("duration", 1, "duration(text)"),
    function("int", 1, "int(x)"),
    function("uint", 1, "uint(x)"),
    function("double", 1, "double(x)"),
    function("string", 1, "string(x)"),
    function("bool", 1, "bool(x)"),
    function("bytes", 1, "bytes(x)"),
    function("type", 1, "type(x)"),
    function("dyn", 1, "dyn(x)"),
    method("getFullYear", 0, 1, "time.getFullYear()"),
    method("getMonth", 0, 1, "time.getMonth()"),
    method("getDate", 0, 1, "time.getDate()"),
    method("getDayOfMonth", 0, 1, "time.getDayOfMonth()"),
    method("getDayOfWeek", 0, 1, "time.getDayOfWeek()"),
    method("getDayOfYear", 0, 1, "time.getDayOfYear()"),
    method("getHours", 0, 1, "time.getHours()"),
    method("getMinutes", 0, 1, "time.getMinutes()"),
    method("getSeconds", 0, 1, "time.getSeconds()"),
    method("getMilliseconds", 0, 1, "time.getMilliseconds()"),
];

/// What the parser turns into loops: with a wrong number of arguments they arrive as calls.
pub(super) const MACROS: [(&str, &str); 5] = [
    ("all", "list.all(x, condition)"),
    ("exists", "list.exists(x, condition)"),
    ("exists_one", "list.exists_one(x, condition)"),
    ("map", "list.map(x, value)"),
    ("filter", "list.filter(x, condition)"),
];

/// What `type(x)` can be compared with.
pub(super) const TYPES: [&str; 12] = [
    "bool",
    "bytes",
    "double",
    "duration",
    "int",
    "list",
    "map",
    "null_type",
    "string",
    "timestamp",
    "type",
    "uint",
];

/// Calls a function of [`SIGNATURES`]. What is absent stays absent; a test of an absent text fails.
pub(super) fn call<'a>(
    expression: &Expression,
    name: &str,
    target: Option<Val<'a>>,
    args: Vec<Val<'a>>,
) -> Result<Val<'a>, Failure> {
    let mut all = target.into_iter().chain(args);
    let Some(first) = all.next() else { return Err(unknown(name)) };
    let second = all.next();
    if name == "type" {
        return Ok(Val::Type(first.type_name()));
    }
    if first.is_absent() {
        return Ok(match name {
            "contains" | "startsWith" | "endsWith" | "matches" | "bool" => Val::Bool(false),
            "size" if matches!(first, Val::Null) => Val::int(0),
            _ => first,
        });
    }
    match (name, second) {
        ("dyn", None) => Ok(first),
        ("size", None) => size(&first),
        ("contains" | "startsWith" | "endsWith" | "matches", Some(part)) => {
            test(expression, name, &first, &part)
        }
        ("timestamp", None) => times::timestamp(first).map(Val::Time),
        ("duration", None) => times::duration(first).map(Val::Span),
        ("int", None) => to_int(first),
        ("uint", None) => to_uint(first),
        ("double", None) => to_double(first),
        ("string", None) => to_string(first),
        ("bool", None) => to_bool(first),
        ("bytes", None) => to_bytes(first),
        (_, zone) if name.starts_with("get") => times::accessor(name, &first, zone.as_ref()).map(Val::int),
        _ => Err(unknown(name)),
    }
}

/// Parsing checks the names, so nobody should see this.
fn unknown(name: &str) -> Failure {
    format!("`{name}` cannot be called so")
}

fn no_conversion(to: &str, value: &Val<'_>) -> Failure {
    match value {
        Val::Str(text) => format!("`{}` is no {to}", text.chars().take(40).collect::<String>()),
        other => format!("a {} is no {to}", other.type_name()),
    }
}

fn size<'a>(value: &Val<'a>) -> Result<Val<'a>, Failure> {
    let size = match value {
        Val::Str(text) => text.chars().count(),
        Val::Bytes(bytes) => bytes.len(),
        Val::List(list) => list.len(),
        Val::Map(map) => map.len(),
        other => return Err(format!("a {} has no size", other.type_name())),
    };
    Ok(Val::int(i64::try_from(size).unwrap_or(i64::MAX)))
}

fn test<'a>(expression: &Expression, name: &str, text: &Val<'a>, part: &Val<'a>) -> Result<Val<'a>, Failure> {
    if part.is_absent() {
        return Ok(Val::Bool(false));
    }
    let (Val::Str(text), Val::Str(part)) = (text, part) else {
        return Err(format!("`{name}` does not apply to {} and {}", text.type_name(), part.type_name()));
    };
    Ok(Val::Bool(match name {
        "contains" => text.contains(part.as_ref()),
        "startsWith" => text.starts_with(part.as_ref()),
        "endsWith" => text.ends_with(part.as_ref()),
        _ => match expression.regex(part) {
            Some(regex) => regex.is_match(text),
            None => compile(part)?.is_match(text),
        },
    }))
}

fn to_int(value: Val<'_>) -> Result<Val<'_>, Failure> {
    let int = match &value {
        Val::Number(Number::Double(double)) => (double.abs() < 9.2e18).then_some(double.trunc() as i64),
        Val::Number(number) => number.as_whole().and_then(|whole| i64::try_from(whole).ok()),
        Val::Str(text) => text.parse().ok(),
        Val::Time(time) => Some(time.as_second()),
        Val::Span(span) => Some(span.as_secs()),
        _ => None,
    };
    int.map(Val::int).ok_or_else(|| no_conversion("int", &value))
}

fn to_uint(value: Val<'_>) -> Result<Val<'_>, Failure> {
    let uint = match &value {
        Val::Number(Number::Double(double)) => {
            (0.0..1.8e19).contains(double).then_some(double.trunc() as u64)
        }
        Val::Number(number) => number.as_whole().and_then(|whole| u64::try_from(whole).ok()),
        Val::Str(text) => text.parse().ok(),
        _ => None,
    };
    uint.map(|uint| Val::Number(Number::UInt(uint))).ok_or_else(|| no_conversion("uint", &value))
}

fn to_double(value: Val<'_>) -> Result<Val<'_>, Failure> {
    let double = match &value {
        Val::Number(number) => Some(number.as_f64()),
        Val::Str(text) => text.parse().ok(),
        Val::Span(span) => Some(span.as_secs_f64()),
        _ => None,
    };
    double.map(|double| Val::Number(Number::Double(double))).ok_or_else(|| no_conversion("double", &value))
}

fn to_string(value: Val<'_>) -> Result<Val<'_>, Failure> {
    Ok(match &value {
        Val::Str(_) => value,
        Val::Bool(value) => Val::string(value.to_string()),
        Val::Number(Number::Int(value)) => Val::string(value.to_string()),
        Val::Number(Number::UInt(value)) => Val::string(value.to_string()),
        Val::Number(Number::Double(value)) => Val::string(value.to_string()),
        Val::Time(time) => Val::string(time.to_string()),
        Val::Span(span) => Val::string(times::seconds_text(*span)),
        Val::Bytes(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => Val::string(text),
            Err(_) => return Err("the bytes are no UTF-8".into()),
        },
        Val::Type(name) => Val::Str(Cow::Borrowed(name)),
        _ => return Err(no_conversion("string", &value)),
    })
}

fn to_bool(value: Val<'_>) -> Result<Val<'_>, Failure> {
    let bool = match &value {
        Val::Bool(value) => Some(*value),
        Val::Str(text) => match text.as_ref() {
            "1" | "t" | "T" | "true" | "True" | "TRUE" => Some(true),
            "0" | "f" | "F" | "false" | "False" | "FALSE" => Some(false),
            _ => None,
        },
        _ => None,
    };
    bool.map(Val::Bool).ok_or_else(|| no_conversion("bool", &value))
}

fn to_bytes(value: Val<'_>) -> Result<Val<'_>, Failure> {
    match &value {
        Val::Bytes(_) => Ok(value),
        Val::Str(text) => Ok(Val::Bytes(Rc::from(text.as_bytes()))),
        _ => Err(no_conversion("bytes", &value)),
    }
}
