//! What a report writes itself to when a person reads it.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Write};

use mng_core::model::failure::Failure;
use mng_core::model::printing::{self, Measure};
use mng_core::settings::LogLevel;
use serde::Serialize;
use serde_json::{Map, Value};

use super::console::Console;
use super::style::{Style, paint};
use super::table::Table;

/// A report that can be shown. JSON is the report itself; only the human form is written by hand.
pub(crate) trait Render: Serialize {
    /// The `event` of its jsonl object, such as `stop_result`.
    fn event(&self) -> &'static str;

    /// What a person reads.
    fn human(&self, out: &mut Out<'_>) -> io::Result<()>;

    /// The items of a template, one line each. Only commands marked `templates` are asked.
    fn rows(&self) -> Vec<Value> {
        Vec::new()
    }

    /// The jsonl objects. Override where a result is several lines, or bare ones without `event`.
    fn jsonl(&self) -> Vec<Value> {
        vec![with_event(self.event(), self)]
    }
}

/// The value as an object whose first key is `event`.
pub(crate) fn with_event(event: &str, value: &(impl Serialize + ?Sized)) -> Value {
    let mut object = Map::new();
    object.insert("event".into(), event.into());
    match to_json(value) {
        Value::Object(fields) => object.extend(fields),
        other => {
            object.insert("value".into(), other);
        }
    }
    Value::Object(object)
}

/// A report as JSON.
pub(crate) fn to_json(value: &(impl Serialize + ?Sized)) -> Value {
    serde_json::to_value(value).expect("reports have string keys and finite numbers")
}

/// A value as a cell of a table that has no catalogue.
pub(crate) fn plain_text(value: &Value) -> String {
    printing::script(value, Measure::Plain)
}

/// Standard output for people, with standard error for what is no result.
pub(crate) struct Out<'a> {
    pub(super) writer: &'a mut Vec<u8>,
    pub(super) console: &'a Console,
    pub(super) table_width: Option<usize>,
    pub(super) has_colours: bool,
}

impl Out<'_> {
    pub(crate) fn line(&mut self, text: fmt::Arguments<'_>) -> io::Result<()> {
        self.writer.write_fmt(text)?;
        self.writer.write_all(b"\n")
    }

    pub(crate) fn blank(&mut self) -> io::Result<()> {
        self.writer.write_all(b"\n")
    }

    /// Text as it is: no line end is added.
    pub(crate) fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.writer.write_all(bytes)
    }

    /// The text in that style when stdout takes colours.
    pub(crate) fn paint<'t>(&self, text: &'t str, style: Style) -> Cow<'t, str> {
        paint(text, style, self.has_colours)
    }

    pub(crate) fn table(&mut self, table: &Table) -> io::Result<()> {
        table.write(self.writer, self.table_width, self.has_colours)
    }

    /// A part of a table that grows: the header only when it is the first part. Returns the widths, for the
    /// next part to keep to with [`Table::least_widths`].
    pub(crate) fn table_part(&mut self, table: &Table, is_first: bool) -> io::Result<Vec<usize>> {
        let widths = table.widths(self.table_width);
        if is_first {
            table.write_header(self.writer, &widths, self.has_colours)?;
        }
        table.write_rows(self.writer, &widths, self.has_colours)?;
        Ok(widths)
    }

    /// A line on standard error, shown unless `-q`.
    pub(crate) fn note(&mut self, text: fmt::Arguments<'_>) {
        self.console.log(LogLevel::Info, &text.to_string());
    }

    /// A warning on standard error.
    pub(crate) fn warning(&mut self, text: fmt::Arguments<'_>) {
        self.console.log(LogLevel::Warn, &text.to_string());
    }

    /// One of several targets failed, on standard error.
    pub(crate) fn error(&mut self, text: fmt::Arguments<'_>) {
        self.console.log(LogLevel::Error, &text.to_string());
    }

    /// What is left over after a clean-up, on standard error; nothing when nothing is.
    pub(crate) fn failures(&mut self, failures: &[Failure]) -> io::Result<()> {
        if failures.is_empty() {
            return Ok(());
        }
        self.console.log(LogLevel::Warn, &format!("{} cleanup failure(s) remain:", failures.len()));
        for failure in failures {
            self.console.line(&format!("  - [{}] {}", failure.category.as_str(), failure.message));
        }
        Ok(())
    }
}
