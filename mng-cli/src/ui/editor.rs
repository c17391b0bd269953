//! Text from the person's editor.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, ExitStatus};

use mng_core::{Error, ErrorClass, Result};

use super::Ui;

impl Ui {
    /// Opens the editor on `initial` and returns what was saved, without trailing line ends.
    ///
    /// # Errors
    /// A usage error naming `flag` when no editor may be opened; an input error when the editor ends with a
    /// failure or the text is empty.
    pub(crate) fn edit_text(&mut self, initial: &str, flag: &str) -> Result<String> {
        if !self.is_interactive() {
            return Err(Error::hinted(
                ErrorClass::Usage,
                "there is no text and no editor can be opened here",
                format!("add `{flag}`"),
            ));
        }
        let failed = |error| Error::io("make a file for the editor", error);
        // Markdown, because editors wrap and colour it; private, because messages may hold secrets.
        let mut file = tempfile::Builder::new().prefix("mng-").suffix(".md").tempfile().map_err(failed)?;
        file.write_all(initial.as_bytes()).and_then(|()| file.flush()).map_err(failed)?;
        let status = self.run_editor(file.path())?;
        if !status.success() {
            return Err(Error::input(
                "the editor ended with a failure, so its text was not used",
                format!("give the text with `{flag}`"),
            ));
        }
        // An editor may replace the file, so it is read by its name.
        let text =
            std::fs::read_to_string(file.path()).map_err(|error| Error::io("read what was edited", error))?;
        let text = text.trim_end_matches(['\n', '\r']);
        if text.trim().is_empty() {
            return Err(Error::input(
                "the text is empty, so nothing was done",
                format!("give it with `{flag}`"),
            ));
        }
        Ok(text.to_owned())
    }

    /// Runs `$VISUAL`, `$EDITOR` or `vi` on a file and waits for it.
    ///
    /// # Errors
    /// There is no such program.
    pub(crate) fn run_editor(&self, path: &Path) -> Result<ExitStatus> {
        let line =
            self.env.get_non_empty("VISUAL").or_else(|| self.env.get_non_empty("EDITOR")).unwrap_or("vi");
        let mut words = shlex::split(line).unwrap_or_default().into_iter();
        let Some(program) = words.next() else {
            return Err(Error::input(
                format!("`{line}` names no editor"),
                "set VISUAL or EDITOR to a command",
            ));
        };
        self.console.status(None);
        Command::new(&program).args(words).arg(path).status().map_err(|error| {
            Error::hinted(
                ErrorClass::BinaryNotInstalled,
                format!("cannot run the editor `{program}`: {error}"),
                "set VISUAL or EDITOR to a command",
            )
        })
    }
}
