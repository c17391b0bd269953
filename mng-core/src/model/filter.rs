//! Which agents a command means: CEL expressions (`--include`, `--exclude`, `--sort`) and the shorthand
//! flags.
//!
//! The `cel` crate reads the expressions. They are evaluated here, straight on an agent's JSON, because
//! null and absence mean something else to us than to CEL: a null field counts as absent for `has()`, and a
//! label that an agent does not have is no error. It also keeps a time zone database and a second regular
//! expression engine out of the binary.

mod computed;
mod eval;
mod functions;
mod number;
mod parse;
mod shorthand;
mod sort;
mod times;
mod value;

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use super::error::{ErrorClass, Explain};
use super::time::Time;
use eval::Eval;
use parse::Expression;

pub use computed::{age_seconds, idle_seconds};
pub use shorthand::{Shorthand, parse_pair};
pub use sort::SortSpec;

/// An expression that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid {kind} expression `{text}`: {reason}")]
pub struct FilterError {
    kind: &'static str,
    text: String,
    reason: String,
}

impl Explain for FilterError {
    fn class(&self) -> ErrorClass {
        ErrorClass::UserInput
    }

    fn hint(&self) -> Option<String> {
        Some("an expression is CEL, such as `state == \"RUNNING\" && has(labels.env)`; fields: `mng list --schema`".into())
    }
}

/// What is filtered: that decides what an unknown name means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Agents with the keys of the catalogue: any other name is a mistake.
    Agents,
    /// Objects of many shapes, such as events: a name that one of them lacks is absent there.
    Objects,
}

/// Compiled `--include` and `--exclude` expressions. Without any, everything matches and nothing was
/// parsed.
#[derive(Debug)]
pub struct Filter {
    include: Vec<Clause>,
    exclude: Vec<Clause>,
    subject: Subject,
}

#[derive(Debug)]
struct Clause {
    expression: Expression,
    /// One warning an expression: a thousand agents would give a thousand lines.
    has_warned: AtomicBool,
}

/// What a filter says of one item.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    pub is_match: bool,
    /// One line for each expression that could not be evaluated, the first time.
    pub warnings: Vec<String>,
}

impl Filter {
    /// Compiles a filter over agents. All of `include` must hold, and none of `exclude`.
    ///
    /// # Errors
    /// The first expression that is no CEL, or calls something that does not exist.
    pub fn parse(include: &[String], exclude: &[String]) -> Result<Self, FilterError> {
        Self::parse_for(Subject::Agents, include, exclude)
    }

    /// As [`Filter::parse`], over other objects.
    ///
    /// # Errors
    /// As [`Filter::parse`].
    pub fn parse_for(subject: Subject, include: &[String], exclude: &[String]) -> Result<Self, FilterError> {
        let clauses = |kind, texts: &[String]| -> Result<Vec<Clause>, FilterError> {
            texts.iter().map(|text| Clause::parse(kind, text)).collect()
        };
        Ok(Self {
            include: clauses("include filter", include)?,
            exclude: clauses("exclude filter", exclude)?,
            subject,
        })
    }

    /// Whether everything matches.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.include.is_empty() && self.exclude.is_empty()
    }

    /// Judges one item. An expression that cannot be evaluated does not hold: the item is not included, or
    /// not excluded.
    #[must_use]
    pub fn matches(&self, item: &Value, now: Time) -> Verdict {
        let mut verdict = Verdict { is_match: true, warnings: Vec::new() };
        for (clauses, wanted) in [(&self.include, true), (&self.exclude, false)] {
            for clause in clauses {
                if clause.holds(item, now, self.subject, &mut verdict.warnings) != wanted {
                    verdict.is_match = false;
                    return verdict;
                }
            }
        }
        verdict
    }
}

impl Clause {
    fn parse(kind: &'static str, text: &str) -> Result<Self, FilterError> {
        match Expression::parse(text) {
            Ok(expression) => Ok(Self { expression, has_warned: AtomicBool::new(false) }),
            Err(reason) => Err(FilterError { kind, text: text.to_owned(), reason }),
        }
    }

    fn holds(&self, item: &Value, now: Time, subject: Subject, warnings: &mut Vec<String>) -> bool {
        match Eval::new(&self.expression, item, now, subject).run() {
            Ok(value) => value.is_truthy(),
            Err(reason) => {
                if !self.has_warned.swap(true, Ordering::Relaxed) {
                    let name = item.get("name").and_then(Value::as_str).unwrap_or("?");
                    let text = self.expression.text();
                    warnings.push(format!("filter `{text}` does not apply to `{name}`: {reason}"));
                }
                false
            }
        }
    }
}

#[cfg(test)]
mod tests;
