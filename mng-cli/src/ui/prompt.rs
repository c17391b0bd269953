//! Questions. They go to stderr and are read from stdin, or from the terminal when stdin is something else,
//! so that `mng … > file` and `… | mng …` still can ask.

use std::io::{self, BufRead, BufReader};

use mng_core::{Error, ErrorClass, Result};

use super::Ui;

impl Ui {
    /// Whether a question can be asked at all.
    pub(crate) fn can_ask(&self) -> bool {
        !self.is_headless && self.terminal.can_ask()
    }

    /// Asks `question [y/N]` and waits for the answer; anything but yes is no.
    ///
    /// # Errors
    /// A usage error naming `flag`, the option that answers it, when nobody can be asked; `Aborted` at the
    /// end of input.
    pub(crate) async fn confirm(&mut self, question: &str, flag: &str) -> Result<bool> {
        let answer = self.ask(&format!("{question} [y/N]: "), flag).await?;
        Ok(is_yes(&answer))
    }

    /// As [`Ui::confirm`], for commands that run without a runtime.
    ///
    /// # Errors
    /// As [`Ui::confirm`].
    pub(crate) fn confirm_blocking(&mut self, question: &str, flag: &str) -> Result<bool> {
        let answer = self.ask_blocking(&format!("{question} [y/N]: "), flag)?;
        Ok(is_yes(&answer))
    }

    /// Asks for one line.
    ///
    /// # Errors
    /// As [`Ui::confirm`].
    pub(crate) async fn ask(&mut self, prompt: &str, flag: &str) -> Result<String> {
        self.check_can_ask(prompt, flag)?;
        self.console.text(prompt);
        let is_stdin = self.terminal.is_stdin;
        // Off the runtime's thread, so that Ctrl-C is seen while nobody types.
        let read = tokio::task::spawn_blocking(move || read_line(is_stdin)).await;
        self.answer(read.unwrap_or_else(|error| Err(io::Error::other(error))))
    }

    /// As [`Ui::ask`], for commands that run without a runtime.
    ///
    /// # Errors
    /// As [`Ui::confirm`].
    pub(crate) fn ask_blocking(&mut self, prompt: &str, flag: &str) -> Result<String> {
        self.check_can_ask(prompt, flag)?;
        self.console.text(prompt);
        let read = read_line(self.terminal.is_stdin);
        self.answer(read)
    }

    fn check_can_ask(&self, prompt: &str, flag: &str) -> Result<()> {
        if self.can_ask() {
            return Ok(());
        }
        let question = prompt.trim_end_matches([' ', ':']).trim_end_matches(" [y/N]");
        Err(Error::hinted(
            ErrorClass::Usage,
            format!("this needs an answer and nobody can be asked here: {question}"),
            format!("add `{flag}`"),
        ))
    }

    fn answer(&self, read: io::Result<Option<String>>) -> Result<String> {
        match read {
            Ok(Some(line)) => Ok(line),
            Ok(None) => {
                self.console.line("");
                Err(Self::aborted())
            }
            Err(error) => Err(Error::io("read the answer", error)),
        }
    }
}

pub(super) fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

/// One line from stdin or from the controlling terminal; `None` at the end of input.
pub(super) fn read_line(from_stdin: bool) -> io::Result<Option<String>> {
    let mut line = String::new();
    let read = if from_stdin {
        io::stdin().lock().read_line(&mut line)?
    } else {
        BufReader::new(std::fs::File::open("/dev/tty")?).read_line(&mut line)?
    };
    Ok((read > 0).then(|| line.trim_end_matches(['\n', '\r']).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::is_yes;

    #[test]
    fn only_yes_is_yes() {
        assert!(is_yes("y") && is_yes(" YES "));
        assert!(!is_yes("") && !is_yes("yep") && !is_yes("n"));
    }
}
