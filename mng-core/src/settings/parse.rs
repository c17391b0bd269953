//! TOML files: reading, and errors that name file, line and column.

use std::path::Path;

use toml_edit::{DocumentMut, TomlError};

use super::locate::Locations;
use crate::model::error::{ErrorClass, Explain, Result};
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

/// The text of a settings file, without a byte-order mark; `None` if there is no file.
pub(crate) fn read_text(locations: &Locations, path: &Path) -> Result<Option<String>> {
    let Some(bytes) = storage::read_optional(path)? else { return Ok(None) };
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Some(text.trim_start_matches('\u{feff}').to_owned())),
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(error.as_bytes());
            let (line, column) = position(&text, valid);
            let file = locations.contract_home(path);
            Err(TomlProblem { file, line, column, message: "not UTF-8 text".into() }.into())
        }
    }
}

/// A TOML file for editing; `None` if there is no file.
pub(crate) fn read_document(locations: &Locations, path: &Path) -> Result<Option<DocumentMut>> {
    let Some(text) = read_text(locations, path)? else { return Ok(None) };
    match text.parse::<DocumentMut>() {
        Ok(document) => Ok(Some(document)),
        Err(error) => Err(TomlProblem::new(locations, path, &text, &error).into()),
    }
}
