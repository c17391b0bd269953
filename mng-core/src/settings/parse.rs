//! TOML files: reading, and errors that name file, line and column.

use std::fmt;
use std::path::Path;

use serde_json::{Number, Value};
use toml_edit::{Document, DocumentMut, Item, TableLike, TomlError};

use super::locate::Locations;
use super::tree::{Layer, Origin, Raw, RawTable, RawValue};
use crate::model::error::{Error, ErrorClass, Explain, Result};
use crate::storage;

/// A file that is no TOML.
#[derive(Debug, thiserror::Error)]
#[error("cannot read settings from `{file}`: line {line}, column {column}: {message}")]
pub struct TomlProblem {
    /// With `~` for the home directory.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    pub message: String,
}

impl TomlProblem {
    pub(crate) fn new(locations: &Locations, path: &Path, text: &str, error: &TomlError) -> Self {
        let offset = error.span().map_or(0, |span| span.start);
        let (line, column) = position(text, offset);
        let message = error.message().lines().next().unwrap_or("invalid TOML").to_owned();
        Self { file: locations.contract_home(path), line, column, message }
    }
}

impl Explain for TomlProblem {
    fn class(&self) -> ErrorClass {
        ErrorClass::ConfigParse
    }

    fn hint(&self) -> Option<String> {
        Some(format!("correct line {} of `{}`", self.line, self.file))
    }
}

/// Line and column, both from 1, of a byte offset.
pub(crate) fn position(text: &str, offset: usize) -> (usize, usize) {
    let offset = (0..=offset.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    let before = &text[..offset];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

/// Several files that are no TOML.
#[derive(Debug)]
pub(crate) struct BrokenFiles(Vec<TomlProblem>);

impl BrokenFiles {
    /// One problem speaks for itself; several are listed.
    pub(crate) fn of(mut problems: Vec<TomlProblem>) -> Error {
        if problems.len() == 1 { problems.remove(0).into() } else { Self(problems).into() }
    }
}

impl fmt::Display for BrokenFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} settings files cannot be read:", self.0.len())?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  - {problem}"))
    }
}

impl std::error::Error for BrokenFiles {}

impl Explain for BrokenFiles {
    fn class(&self) -> ErrorClass {
        ErrorClass::ConfigParse
    }

    fn hint(&self) -> Option<String> {
        Some("correct these lines".into())
    }
}

/// The text of a settings file, without a byte-order mark; `None` if there is no file.
pub(crate) fn read_text(locations: &Locations, path: &Path) -> Result<Result<Option<String>, TomlProblem>> {
    let Some(bytes) = storage::read_optional(path)? else { return Ok(Ok(None)) };
    Ok(match String::from_utf8(bytes) {
        Ok(text) => Ok(Some(text.trim_start_matches('\u{feff}').to_owned())),
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(error.as_bytes());
            let (line, column) = position(&text, valid);
            let file = locations.contract_home(path);
            Err(TomlProblem { file, line, column, message: "not UTF-8 text".into() })
        }
    })
}

/// A TOML file for editing; `None` if there is no file.
pub(crate) fn read_document(locations: &Locations, path: &Path) -> Result<Option<DocumentMut>> {
    let Some(text) = read_text(locations, path)?? else { return Ok(None) };
    match text.parse::<DocumentMut>() {
        Ok(document) => Ok(Some(document)),
        Err(error) => Err(TomlProblem::new(locations, path, &text, &error).into()),
    }
}

/// A settings file as a raw tree, each key with its line. `None` if there is no file.
pub(crate) fn read_layer(
    locations: &Locations,
    path: &Path,
    layer: Layer,
) -> Result<Result<Option<RawTable>, TomlProblem>> {
    Ok(match read_text(locations, path)? {
        Ok(Some(text)) => parse_layer(locations, path, &text, layer).map(Some),
        Ok(None) => Ok(None),
        Err(problem) => Err(problem),
    })
}

/// As [`read_layer`], for a text that is not on disk yet.
pub(crate) fn parse_layer(
    locations: &Locations,
    path: &Path,
    text: &str,
    layer: Layer,
) -> Result<RawTable, TomlProblem> {
    let document = Document::parse(text).map_err(|error| TomlProblem::new(locations, path, text, &error))?;
    let origin =
        Origin { layer, place: locations.contract_home(path).into(), file: Some(path.into()), line: None };
    let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
    Ok(Reader { origin, starts }.table(document.as_table()))
}

struct Reader {
    origin: Origin,
    /// Offsets at which lines start.
    starts: Vec<usize>,
}

impl Reader {
    fn table(&self, table: &dyn TableLike) -> RawTable {
        let mut raw = RawTable::new();
        let mut last_line = None;
        for (name, item) in table.iter() {
            let span = table.key(name).and_then(toml_edit::Key::span).or_else(|| item.span());
            let line = span.map(|span| self.starts.partition_point(|start| *start <= span.start));
            // An implicit table has no place of its own; it stands where its first key does.
            last_line = line.or(last_line);
            let origin = Origin { line: last_line, ..self.origin.clone() };
            if let Some(value) = self.item(item) {
                raw.insert(name.to_owned(), Raw { value, origin });
            }
        }
        raw
    }

    fn item(&self, item: &Item) -> Option<RawValue> {
        Some(match item {
            Item::None => return None,
            Item::Value(toml_edit::Value::InlineTable(table)) => RawValue::Table(self.table(table)),
            Item::Table(table) => RawValue::Table(self.table(table)),
            Item::Value(value) => match json(value) {
                Value::Array(items) => RawValue::List(items),
                scalar => RawValue::Scalar(scalar),
            },
            Item::ArrayOfTables(tables) => {
                RawValue::List(tables.iter().map(|table| json_table(table)).collect())
            }
        })
    }
}

/// TOML as JSON. Dates become their text; numbers that JSON does not have become theirs.
pub(crate) fn json(value: &toml_edit::Value) -> Value {
    match value {
        toml_edit::Value::String(text) => Value::from(text.value().as_str()),
        toml_edit::Value::Integer(number) => Value::from(*number.value()),
        toml_edit::Value::Float(number) => Number::from_f64(*number.value())
            .map_or_else(|| Value::from(number.value().to_string()), Value::Number),
        toml_edit::Value::Boolean(bool) => Value::from(*bool.value()),
        toml_edit::Value::Datetime(time) => Value::from(time.value().to_string()),
        toml_edit::Value::Array(items) => Value::Array(items.iter().map(json).collect()),
        toml_edit::Value::InlineTable(table) => json_table(table),
    }
}

fn json_table(table: &dyn TableLike) -> Value {
    Value::Object(table.iter().filter_map(|(key, item)| Some((key.to_owned(), json_item(item)?))).collect())
}

pub(crate) fn json_item(item: &Item) -> Option<Value> {
    match item {
        Item::None => None,
        Item::Value(value) => Some(json(value)),
        Item::Table(table) => Some(json_table(table)),
        Item::ArrayOfTables(tables) => {
            Some(Value::Array(tables.iter().map(|table| json_table(table)).collect()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::environment::EnvSnapshot;
    use super::*;

    fn read(text: &str) -> Result<RawTable, TomlProblem> {
        let env: EnvSnapshot = [("HOME", "/home/u")].into_iter().collect();
        let locations = Locations::find(&env, Path::new("/"), None).unwrap();
        parse_layer(&locations, Path::new("/home/u/s.toml"), text, Layer::User)
    }

    #[test]
    fn keys_know_their_lines() {
        let raw = read("a = 1\n\n[t.u]\nb = [1, { c = 2 }]\n[[l]]\nd = 1979-05-27\n").unwrap();
        assert_eq!(raw["a"].origin.line, Some(1));
        let table = raw["t"].table().unwrap();
        assert_eq!(table["u"].table().unwrap()["b"].origin.to_string(), "`~/s.toml:4`");
        assert_eq!(raw["l"].to_json(), serde_json::json!([{"d": "1979-05-27"}]));
    }

    #[test]
    fn a_broken_file_names_line_and_column() {
        let message = |text| read(text).unwrap_err().to_string();
        insta::assert_snapshot!(message("a = 1\nb = \"x\nc = 2\n"), @r#"cannot read settings from `~/s.toml`: line 2, column 7: invalid basic string, expected `"`"#);
        insta::assert_snapshot!(message("prefix = \n"), @"cannot read settings from `~/s.toml`: line 1, column 10: string values must be quoted, expected literal string");
        insta::assert_snapshot!(message("a = 1\na = 2\n"), @"cannot read settings from `~/s.toml`: line 2, column 1: duplicate key");
    }

    #[test]
    fn positions_count_characters() {
        assert_eq!(position("é\nüx", 5), (2, 2));
        assert_eq!(position("é\nüx", 4), (2, 1), "inside a character");
        assert_eq!(position("", 5), (1, 1));
    }
}
