//! `--sort "name desc, age"`.

use std::cmp::Ordering;

use cel::parser::pratt_parser::TokenKind;
use serde_json::Value;

use super::eval::Eval;
use super::parse::{Expression, tokens};
use super::value::Val;
use super::{FilterError, Subject};
use crate::model::order;
use crate::model::time::Time;

/// Expressions to sort by, the most important first.
#[derive(Debug)]
pub struct SortSpec {
    keys: Vec<SortKey>,
}

#[derive(Debug)]
struct SortKey {
    expression: Expression,
    is_descending: bool,
}

impl SortSpec {
    /// What `list` sorts by when nothing is said.
    pub const DEFAULT: &'static str = "create_time";

    /// Reads expressions parted by commas, each optionally followed by `asc` or `desc`.
    ///
    /// # Errors
    /// The first part that is no expression.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        let keys: Result<Vec<SortKey>, String> = parts(text).into_iter().map(SortKey::parse).collect();
        keys.map(|keys| Self { keys }).map_err(|reason| FilterError {
            kind: "sort",
            text: text.to_owned(),
            reason,
        })
    }

    /// Turns the order of every key around (`--sort-order desc` of older versions).
    #[must_use]
    pub fn reversed(mut self) -> Self {
        for key in &mut self.keys {
            key.is_descending = !key.is_descending;
        }
        self
    }

    /// Sorts items by their JSON. Numbers come before strings before everything else; null, missing, and
    /// what an expression has no value for come last, in both directions. Equals keep their order.
    pub fn sort<T>(&self, items: &mut Vec<T>, json: impl Fn(&T) -> &Value, now: Time) {
        let order = {
            let ranked: Vec<Vec<Rank<'_>>> = items
                .iter()
                .map(|item| self.keys.iter().map(|key| Rank::of(key, json(item), now)).collect())
                .collect();
            let mut order: Vec<usize> = (0..items.len()).collect();
            order::sort_by(&mut order, |a, b| self.compare(&ranked[*a], &ranked[*b]));
            order
        };
        let mut taken: Vec<Option<T>> = items.drain(..).map(Some).collect();
        items.extend(order.into_iter().filter_map(|index| taken[index].take()));
    }

    fn compare(&self, a: &[Rank<'_>], b: &[Rank<'_>]) -> Ordering {
        self.keys
            .iter()
            .zip(a.iter().zip(b))
            .map(|(key, (a, b))| a.compare(b, key.is_descending))
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    }
}

impl SortKey {
    fn parse(text: &str) -> Result<Self, String> {
        let (expression, is_descending) = direction(text);
        Ok(Self { expression: Expression::parse(expression)?, is_descending })
    }
}

/// The text between the commas that no bracket encloses.
fn parts(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut depth = 0_i32;
    let mut start = 0;
    for token in tokens(text) {
        match token.kind {
            TokenKind::TokLeftParen | TokenKind::TokLeftBracket | TokenKind::TokLeftBrace => depth += 1,
            TokenKind::TokRightParen | TokenKind::TokRightBracket | TokenKind::TokRightBrace => depth -= 1,
            TokenKind::TokComma if depth == 0 => {
                parts.push(&text[start..token.start]);
                start = token.end;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

/// Takes a trailing `asc` or `desc` off; alone it would be a field of that name.
fn direction(text: &str) -> (&str, bool) {
    let text = text.trim();
    let Some((expression, word)) = text.rsplit_once(|ch: char| ch.is_whitespace()) else {
        return (text, false);
    };
    match word.to_ascii_lowercase().as_str() {
        "asc" => (expression, false),
        "desc" => (expression, true),
        _ => (text, false),
    }
}

struct Rank<'a> {
    class: u8,
    value: Val<'a>,
}

const ABSENT: u8 = 3;

impl<'a> Rank<'a> {
    fn of(key: &'a SortKey, item: &'a Value, now: Time) -> Self {
        let value = Eval::new(&key.expression, item, now, Subject::Agents).run().unwrap_or(Val::Missing);
        let class = match &value {
            Val::Missing | Val::Null => ABSENT,
            Val::Number(_) => 0,
            Val::Str(_) => 1,
            _ => 2,
        };
        Self { class, value }
    }

    fn compare(&self, other: &Self, is_descending: bool) -> Ordering {
        if self.class == ABSENT || other.class == ABSENT {
            return self.class.cmp(&other.class);
        }
        let values = match (&self.value, &other.value) {
            // Not the numbers' own comparison: a sort needs an order that is total.
            (Val::Number(a), Val::Number(b)) => a.as_f64().total_cmp(&b.as_f64()),
            (a, b) => a.type_name().cmp(b.type_name()).then_with(|| a.compare(b).unwrap_or(Ordering::Equal)),
        };
        let order = self.class.cmp(&other.class).then(values);
        if is_descending { order.reverse() } else { order }
    }
}
