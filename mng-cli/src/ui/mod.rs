//! The only room that prints. Results go to stdout in the format that was asked for; everything else goes
//! to stderr.

mod console;
mod editor;
mod format;
mod host_key;
mod lent;
mod out;
mod progress;
mod prompt;
mod selector;
mod style;
mod table;
mod terminal;
#[cfg(test)]
pub(crate) mod testing;

use std::io::{self, Write};

use mng_core::model::fields::FieldSet;
use mng_core::settings::{EnvSnapshot, LogLevel};
use mng_core::{Error, ErrorClass};
use serde::Serialize;
use serde_json::Value;

pub(crate) use console::Console;
pub(crate) use format::Format;
pub(crate) use lent::LentTerminal;
pub(crate) use out::{Out, Render, plain_text, to_json, with_event};
pub(crate) use progress::Progress;
pub(crate) use selector::{Choice, leave_full_screen};
pub(crate) use style::{Style, paint};
pub(crate) use table::{Cell, Table, cut};
pub(crate) use terminal::Terminal;

/// Standard output, standard error and the person in front of them.
pub(crate) struct Ui {
    stdout: Box<dyn Write + Send>,
    console: Console,
    format: Format,
    /// Given, but its fields are not known yet.
    waiting_template: Option<String>,
    terminal: Terminal,
    env: EnvSnapshot,
    is_headless: bool,
    /// The one object of json mode is out.
    has_result: bool,
    /// Nobody reads stdout any more.
    is_stdout_gone: bool,
    /// The program that this process becomes when the command is through.
    other: Option<std::process::Command>,
}

impl Ui {
    /// On the streams of this process.
    pub(crate) fn on_process(env: EnvSnapshot) -> Self {
        let terminal = Terminal::detect(&env);
        Self::new(Box::new(io::stdout()), Box::new(io::stderr()), terminal, env)
    }

    pub(crate) fn new(
        stdout: Box<dyn Write + Send>,
        stderr: Box<dyn Write + Send>,
        terminal: Terminal,
        env: EnvSnapshot,
    ) -> Self {
        Self {
            stdout,
            console: Console::new(stderr, &terminal),
            format: Format::Human,
            waiting_template: None,
            terminal,
            env,
            is_headless: false,
            has_result: false,
            is_stdout_gone: false,
            other: None,
        }
    }

    pub(crate) fn set_format(&mut self, format: Format) {
        self.format = format;
    }

    /// Takes one of the three words; a template waits for [`Ui::use_template_fields`].
    pub(crate) fn set_format_later(&mut self, text: &str) {
        match Format::parse(text, "", None) {
            Ok(format) => self.format = format,
            Err(_) => self.waiting_template = Some(text.to_owned()),
        }
    }

    /// Reads the template that was given, for items that have these fields.
    ///
    /// # Errors
    /// A usage error: broken syntax or an unknown field.
    pub(crate) fn use_template_fields(&mut self, fields: &dyn FieldSet) -> Result<(), Error> {
        if let Some(text) = self.waiting_template.take() {
            self.format = Format::parse(&text, "", Some(fields))?;
        }
        Ok(())
    }

    /// Whether the format is a word that only this command knows; it is then no template any more.
    pub(crate) fn takes_word(&mut self, word: &str) -> bool {
        let is_it = self.waiting_template.as_deref().is_some_and(|text| text.eq_ignore_ascii_case(word));
        if is_it {
            self.waiting_template = None;
        }
        is_it
    }

    /// For a subcommand that takes no template.
    ///
    /// # Errors
    /// A usage error if one was given.
    pub(crate) fn refuse_template(&self, command: &str) -> Result<(), Error> {
        match &self.waiting_template {
            Some(text) => Format::parse(text, command, None).map(drop),
            None => Ok(()),
        }
    }

    /// Whether a template was given, read or not.
    pub(crate) fn has_template(&self) -> bool {
        self.waiting_template.is_some() || matches!(self.format, Format::Template(_))
    }

    pub(crate) fn set_headless(&mut self, is_headless: bool) {
        self.is_headless = is_headless;
    }

    pub(crate) fn is_headless(&self) -> bool {
        self.is_headless
    }

    pub(crate) fn format(&self) -> &Format {
        &self.format
    }

    pub(crate) fn is_human(&self) -> bool {
        self.format == Format::Human
    }

    pub(crate) fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    pub(crate) fn is_jsonl(&self) -> bool {
        self.format == Format::Jsonl
    }

    pub(crate) fn terminal(&self) -> &Terminal {
        &self.terminal
    }

    pub(crate) fn env(&self) -> &EnvSnapshot {
        &self.env
    }

    /// The handle that the log shares.
    pub(crate) fn console(&self) -> &Console {
        &self.console
    }

    /// `-q`: log lines and status are off; results still print.
    pub(crate) fn is_quiet(&self) -> bool {
        !self.console.shows(LogLevel::Error)
    }

    /// Selectors, editors and pagers may be opened: not headless, and a person sees stdout.
    pub(crate) fn is_interactive(&self) -> bool {
        !self.is_headless && self.terminal.has_person()
    }

    pub(crate) fn has_result(&self) -> bool {
        self.has_result
    }

    pub(crate) fn is_stdout_gone(&self) -> bool {
        self.is_stdout_gone
    }

    /// Has this process become another program once the command and the hooks after it are through.
    pub(crate) fn end_as(&mut self, program: std::process::Command) {
        self.other = Some(program);
    }

    /// Lends the terminal to a program that this process waits for.
    pub(crate) fn lend_terminal(&mut self) -> LentTerminal {
        self.status(None);
        LentTerminal::new()
    }

    /// Becomes the program of [`Ui::end_as`], if there is one.
    ///
    /// # Errors
    /// It cannot be started.
    pub(crate) fn become_other(&mut self) -> Result<(), Error> {
        use std::os::unix::process::CommandExt as _;
        let Some(mut program) = self.other.take() else { return Ok(()) };
        self.status(None);
        let name = program.get_program().to_string_lossy().into_owned();
        Err(Error::io(format!("run `{name}`"), program.exec()))
    }

    // ---- results

    /// Writes a report in the format that was asked for.
    ///
    /// # Errors
    /// Stdout cannot be written. A closed pipe ends the command quietly.
    pub(crate) fn result(&mut self, report: &impl Render) -> Result<(), Error> {
        match &self.format {
            Format::Human => self.human(|out| report.human(out)),
            Format::Json => self.json(report),
            Format::Jsonl => report.jsonl().iter().try_for_each(|line| self.json_line(line)),
            Format::Template(_) => report.rows().iter().try_for_each(|row| self.template_line(row)),
        }
    }

    /// Writes what a person reads, whatever the format: for text that is a result by itself (a captured
    /// screen, a help page).
    pub(crate) fn human(&mut self, write: impl FnOnce(&mut Out<'_>) -> io::Result<()>) -> Result<(), Error> {
        let mut bytes = Vec::new();
        let mut out = Out {
            writer: &mut bytes,
            console: &self.console,
            table_width: self.terminal.table_width(),
            has_colours: self.terminal.has_colours_on_stdout,
        };
        let written = write(&mut out);
        self.write(&bytes)?;
        written.map_err(|error| Error::io("write the result", error))
    }

    /// Writes the one object of json mode.
    pub(crate) fn json(&mut self, value: &(impl Serialize + ?Sized)) -> Result<(), Error> {
        debug_assert!(!self.has_result, "json mode prints exactly one object");
        self.has_result = true;
        self.json_line(value)
    }

    /// The one value of json mode is about to be written piece by piece.
    pub(crate) fn begin_json(&mut self) {
        self.has_result = true;
    }

    /// Writes one jsonl object.
    pub(crate) fn json_line(&mut self, value: &(impl Serialize + ?Sized)) -> Result<(), Error> {
        let mut bytes = serde_json::to_vec(value).expect("reports have string keys and finite numbers");
        bytes.push(b'\n');
        self.write(&bytes)
    }

    /// In jsonl mode writes an event while the command still works; in other modes does nothing.
    pub(crate) fn event(&mut self, event: &str, value: &(impl Serialize + ?Sized)) -> Result<(), Error> {
        if self.is_jsonl() { self.json_line(&with_event(event, value)) } else { Ok(()) }
    }

    /// In template mode writes the line of one item; in other modes does nothing.
    pub(crate) fn template_line(&mut self, item: &Value) -> Result<(), Error> {
        let Format::Template(template) = &self.format else { return Ok(()) };
        let line = format!("{}\n", template.render(item));
        self.write(line.as_bytes())
    }

    /// Writes bytes to stdout at once.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if self.terminal.is_stdout {
            self.console.status(None);
        }
        let written = self.stdout.write_all(bytes).and_then(|()| self.stdout.flush());
        written.map_err(|error| {
            self.is_stdout_gone |= error.kind() == io::ErrorKind::BrokenPipe;
            Error::io("write to standard output", error)
        })
    }

    /// Stdout for code that writes by itself, such as a plugin's command.
    pub(crate) fn writer(&mut self) -> impl Write + '_ {
        StdoutOf(self)
    }

    // ---- everything else

    /// A line about progress, on stderr.
    pub(crate) fn info(&self, text: &str) {
        self.console.log(LogLevel::Info, text);
    }

    /// mng goes on without something.
    pub(crate) fn warning(&self, text: &str) {
        self.console.log(LogLevel::Warn, text);
    }

    /// One target failed and the others go on.
    pub(crate) fn error_line(&self, text: &str) {
        self.console.log(LogLevel::Error, text);
    }

    /// What is going on right now, in place, on a terminal only.
    pub(crate) fn status(&self, text: Option<&str>) {
        self.console.status(text);
    }

    /// The error of a command that a person called off.
    pub(crate) fn aborted() -> Error {
        Error::plain(ErrorClass::Aborted, "Aborted!")
    }
}

struct StdoutOf<'a>(&'a mut Ui);

impl Write for StdoutOf<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.console.status(None);
        let written = self.0.stdout.write(bytes);
        self.0.is_stdout_gone |=
            written.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe);
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.stdout.flush()
    }
}
