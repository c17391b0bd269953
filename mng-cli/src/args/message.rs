use std::io::Read;
use std::path::PathBuf;

use clap::Args;
use mng_core::{Error, ErrorClass};

use crate::ui::Ui;

/// The text of a message.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Message")]
pub(crate) struct MessageArgs {
    /// The text
    #[arg(short, long, value_name = "TEXT", conflicts_with = "message_file", allow_hyphen_values = true)]
    pub(crate) message: Option<String>,

    /// A file with the text
    #[arg(long, value_name = "PATH")]
    pub(crate) message_file: Option<PathBuf>,
}

/// Whether stdin may hold the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StdinUse {
    Free,
    /// It was read for the names of agents.
    Taken,
}

impl MessageArgs {
    /// The text that the options give, if they do; reads the file, without the line ends that editors put
    /// behind a text.
    ///
    /// # Errors
    /// The file cannot be read or is no UTF-8: a usage error.
    pub(crate) fn given(&self) -> Result<Option<String>, Error> {
        if let Some(text) = &self.message {
            return Ok(Some(text.clone()));
        }
        let Some(path) = &self.message_file else { return Ok(None) };
        let read = std::fs::read_to_string(path);
        let text = read
            .map_err(|error| usage(&format!("cannot read the message from `{}`: {error}", path.display())))?;
        Ok(Some(trimmed(&text)))
    }

    /// The text: from the options, from stdin when it is piped, else from the editor.
    ///
    /// # Errors
    /// There is none: a usage error. An empty text is an error of its own, because cron and friends give an
    /// empty stdin to everything.
    pub(crate) fn read(&self, ui: &mut Ui, stdin: StdinUse) -> Result<String, Error> {
        let text = match self.given()? {
            Some(text) => text,
            None if stdin == StdinUse::Taken => {
                return Err(usage("stdin holds the names of agents, so the message cannot come from it"));
            }
            None if !ui.terminal().is_stdin => {
                let mut text = String::new();
                let read = std::io::stdin().lock().read_to_string(&mut text);
                read.map_err(|error| Error::io("read the message from stdin", error))?;
                trimmed(&text)
            }
            None => return ui.edit_text("", "--message TEXT"),
        };
        if text.trim().is_empty() {
            return Err(Error::input("the message is empty", HINT));
        }
        Ok(text)
    }
}

const HINT: &str = "give the text with `--message TEXT` or `--message-file PATH`";

fn trimmed(text: &str) -> String {
    text.trim_end_matches(['\n', '\r']).to_owned()
}

fn usage(message: &str) -> Error {
    Error::hinted(ErrorClass::Usage, message, HINT)
}
