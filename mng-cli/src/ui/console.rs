//! Standard error, shared by the commands and the log: lines, one status line that gives way to them, and
//! silence while a full-screen program has the terminal.

use std::collections::VecDeque;
use std::fmt;
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mng_core::settings::LogLevel;
use unicode_width::UnicodeWidthStr;

use super::style::{Style, paint};
use super::table::cut;
use super::terminal::Terminal;

/// Lines kept while a full-screen program runs; the oldest go first.
const MOST_HELD: usize = 500;

/// Writes to standard error. Failing to write there never fails a command.
#[derive(Clone)]
pub(crate) struct Console(Arc<Mutex<State>>);

struct State {
    writer: Box<dyn Write + Send>,
    level: LogLevel,
    has_colours: bool,
    can_move_cursor: bool,
    width: usize,
    /// What stands in the status line now.
    status: Option<String>,
    held: Option<VecDeque<String>>,
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Console")
    }
}

impl Console {
    pub(crate) fn new(writer: Box<dyn Write + Send>, terminal: &Terminal) -> Self {
        Self(Arc::new(Mutex::new(State {
            writer,
            level: LogLevel::Build,
            has_colours: terminal.has_colours_on_stderr,
            can_move_cursor: terminal.is_stderr && !terminal.is_dumb,
            width: terminal.text_width(),
            status: None,
            held: None,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_level(&self, level: LogLevel) {
        self.lock().level = level;
    }

    pub(crate) fn shows(&self, level: LogLevel) -> bool {
        let least = self.lock().level;
        least != LogLevel::None && level >= least
    }

    pub(crate) fn has_colours(&self) -> bool {
        self.lock().has_colours
    }

    /// A log line: shown from the console level up, with the prefix and colour of its level.
    pub(crate) fn log(&self, level: LogLevel, text: &str) {
        if !self.shows(level) {
            return;
        }
        let (prefix, style) = match level {
            LogLevel::Error | LogLevel::None => ("ERROR: ", Style::Error),
            LogLevel::Warn => ("WARNING: ", Style::Warning),
            LogLevel::Info => ("", Style::Plain),
            LogLevel::Build => ("", Style::Build),
            LogLevel::Debug => ("", Style::Debug),
            LogLevel::Trace => ("", Style::Trace),
        };
        let mut state = self.lock();
        let line = paint(&format!("{prefix}{text}"), style, state.has_colours).into_owned();
        state.line(line);
    }

    /// A line that is shown whatever the level: an error that ends the command, a question's preamble.
    pub(crate) fn line(&self, text: &str) {
        self.lock().line(text.to_owned());
    }

    /// Text without a line end, such as a question.
    pub(crate) fn text(&self, text: &str) {
        let mut state = self.lock();
        state.erase_status();
        state.write(text);
    }

    /// Shows what is going on, in place; only on a terminal. `None` removes it.
    pub(crate) fn status(&self, text: Option<&str>) {
        let mut state = self.lock();
        if !state.can_move_cursor || state.held.is_some() || state.level == LogLevel::None {
            return;
        }
        state.erase_status();
        if let Some(text) = text {
            let text = cut(text, state.width.saturating_sub(1));
            let shown = paint(&text, Style::Dim, state.has_colours).into_owned();
            state.write(&shown);
            state.status = Some(text);
        }
    }

    /// Keeps lines back until [`Console::release`]: a full-screen program has the terminal.
    pub(crate) fn hold(&self) {
        let mut state = self.lock();
        state.erase_status();
        state.held = Some(VecDeque::new());
    }

    /// Writes what was kept back.
    pub(crate) fn release(&self) {
        let mut state = self.lock();
        for line in state.held.take().unwrap_or_default() {
            state.write(&line);
        }
    }
}

impl State {
    fn line(&mut self, mut text: String) {
        text.push('\n');
        if let Some(held) = &mut self.held {
            if held.len() == MOST_HELD {
                held.pop_front();
            }
            held.push_back(text);
            return;
        }
        let status = self.erase_status();
        self.write(&text);
        if let Some(status) = status {
            let shown = paint(&status, Style::Dim, self.has_colours).into_owned();
            self.write(&shown);
            self.status = Some(status);
        }
    }

    fn erase_status(&mut self) -> Option<String> {
        let status = self.status.take()?;
        debug_assert!(status.width() < self.width.max(1));
        self.write("\r\x1b[K");
        Some(status)
    }

    fn write(&mut self, text: &str) {
        // A closed stderr must not end the work.
        let _ = self.writer.write_all(text.as_bytes());
        let _ = self.writer.flush();
    }
}
