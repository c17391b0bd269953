//! What can be wrong with settings. All problems of all layers are reported together.

use std::fmt::{self, Write as _};

use super::tree::Origin;
use crate::model::error::{ErrorClass, Explain};

/// What kind of problem it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProblemKind {
    UnknownKey,
    WrongValue,
    /// Two forms of one key, or an operator that does not fit.
    Structure,
    /// A plain assignment would drop entries of a lower layer.
    Narrowing,
    /// Keys that contradict each other.
    Conflict,
}

/// One thing that is wrong with one key.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    pub kind: ProblemKind,
    /// Dotted path of the key.
    pub key: String,
    /// A sentence without the place.
    pub message: String,
    pub origin: Origin,
    pub hint: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (in {})", self.message, self.origin)
    }
}

/// Everything that is wrong with the settings of one load or edit; never empty.
#[derive(Debug)]
pub struct SettingsError {
    pub problems: Vec<Problem>,
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [problem] = self.problems.as_slice() {
            return problem.fmt(f);
        }
        write!(f, "{} problems in the settings:", self.problems.len())?;
        for problem in &self.problems {
            write!(f, "\n  - {problem}")?;
            if let Some(hint) = &problem.hint {
                write!(f, "\n    {hint}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for SettingsError {}

impl Explain for SettingsError {
    fn class(&self) -> ErrorClass {
        match self.problems.as_slice() {
            [Problem { kind: ProblemKind::Structure, .. }] => ErrorClass::ConfigStructure,
            _ => ErrorClass::Config,
        }
    }

    fn hint(&self) -> Option<String> {
        match self.problems.as_slice() {
            [problem] => problem.hint.clone(),
            _ => Some("`mng config edit`, `set` and `unset` work while the settings are broken".into()),
        }
    }
}

/// A dotted path; segments that are no plain TOML keys are quoted.
pub(crate) fn dotted<S: AsRef<str>>(path: &[S]) -> String {
    let mut text = String::new();
    for segment in path {
        let segment = segment.as_ref();
        if !text.is_empty() {
            text.push('.');
        }
        let is_bare = !segment.is_empty()
            && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
        if is_bare {
            text.push_str(segment);
        } else {
            let _ = write!(text, "{}", serde_json::Value::from(segment));
        }
    }
    text
}

/// Splits a dotted path; a segment may be quoted with `"` or `'`. `None` for an empty segment or an
/// unclosed quote.
pub(crate) fn split_path(text: &str) -> Option<Vec<String>> {
    let mut segments = Vec::new();
    let mut rest = text.trim();
    loop {
        let (segment, after) = match rest.chars().next()? {
            quote @ ('"' | '\'') => {
                let end = closing_quote(rest, quote)?;
                let inner = &rest[1..end];
                let segment = if quote == '"' {
                    serde_json::from_str(&rest[..=end]).unwrap_or_else(|_| inner.to_owned())
                } else {
                    inner.to_owned()
                };
                (segment, &rest[end + 1..])
            }
            _ => {
                let end = rest.find('.').unwrap_or(rest.len());
                (rest[..end].trim().to_owned(), &rest[end..])
            }
        };
        if segment.is_empty() {
            return None;
        }
        // A suffix may follow a quoted key: `"a.b"__extend`.
        let (segment, after) = match after.find('.') {
            _ if after.is_empty() => (segment, after),
            Some(0) => (segment, after),
            Some(dot) => (segment + &after[..dot], &after[dot..]),
            None => (segment + after, ""),
        };
        segments.push(segment);
        if after.is_empty() {
            return Some(segments);
        }
        rest = &after[1..];
    }
}

fn closing_quote(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, ch) in text.char_indices().skip(1) {
        match ch {
            _ if escaped => escaped = false,
            '\\' if quote == '"' => escaped = true,
            _ if ch == quote => return Some(at),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_split_at_dots_outside_quotes() {
        assert_eq!(split_path("a.b-c").unwrap(), ["a", "b-c"]);
        assert_eq!(split_path(r#"a.".env.local""#).unwrap(), ["a", ".env.local"]);
        assert_eq!(split_path("a.'x.y'.z__extend").unwrap(), ["a", "x.y", "z__extend"]);
        assert_eq!(split_path(r#"a."x.y"__extend"#).unwrap(), ["a", "x.y__extend"]);
        for bad in ["", ".", "a.", ".a", "a..b", "a.\"b", "a.'"] {
            assert_eq!(split_path(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn written_paths_are_read_back(path in proptest::collection::vec("\\PC{1,8}", 1..4)) {
            prop_assert_eq!(split_path(&dotted(&path)), Some(path));
        }
    }
}
