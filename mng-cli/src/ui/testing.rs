//! A `Ui` whose output a test can read.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use mng_core::settings::EnvSnapshot;

use super::{Out, Render, Terminal, Ui};

/// What was written.
#[derive(Clone, Default)]
pub(crate) struct Screen {
    stdout: Shared,
    stderr: Shared,
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shared {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Screen {
    pub(crate) fn stdout(&self) -> String {
        self.stdout.text()
    }

    pub(crate) fn stderr(&self) -> String {
        self.stderr.text()
    }

    pub(crate) fn both(&self) -> String {
        format!("---- stdout\n{}---- stderr\n{}", self.stdout(), self.stderr())
    }
}

/// A `Ui` without a terminal, and what it writes.
pub(crate) fn ui() -> (Ui, Screen) {
    let screen = Screen::default();
    let ui = Ui::new(
        Box::new(screen.stdout.clone()),
        Box::new(screen.stderr.clone()),
        Terminal::default(),
        EnvSnapshot::default(),
    );
    (ui, screen)
}

/// What a person sees of a report: stdout and stderr.
pub(crate) fn rendered(report: &impl Render) -> String {
    let (mut ui, screen) = ui();
    ui.human(|out: &mut Out<'_>| report.human(out)).unwrap();
    screen.both()
}
