//! Typing into a pane.

use super::{Answer, Chain, Tmux, TmuxError};
use crate::model::error::Result;
use crate::model::ids::random_hex;

/// Longest text that is typed as keys; longer text is pasted from a buffer.
const LONGEST_KEYS: usize = 1024;

/// What follows the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Submit {
    /// Nothing; the caller presses keys when the program has taken the text in.
    No,
    /// Enter, as a key of its own.
    Enter,
}

impl Tmux<'_> {
    /// Types text into a pane, given by its id (`%7`): every byte arrives as it is, whatever it means to
    /// tmux or to a shell. A mode that would swallow the keys (copy, tree, clock) is left first.
    ///
    /// Long or multi-line text is pasted, bracketed if the program asked for that, so that its line breaks
    /// submit nothing. Returns whether the pane was there.
    ///
    /// # Errors
    /// As [`Tmux::run`].
    pub async fn type_text(&self, pane: &str, text: &[u8], submit: Submit) -> Result<bool> {
        if text.is_empty() {
            return match submit {
                Submit::No => Ok(true),
                Submit::Enter => self.press(pane, &["Enter"]).await,
            };
        }
        let chain = leave_mode(pane);
        match std::str::from_utf8(text) {
            Ok(plain) if plain.len() < LONGEST_KEYS && !plain.chars().any(char::is_control) => {
                let chain = chain.then(["send-keys", "-t", pane, "-l", "--", plain]);
                self.send(pane, with_submit(chain, pane, submit), None).await
            }
            _ => {
                // A random name: two programs that send at once must not paste each other's text.
                let buffer = format!("mng-{}", random_hex());
                let chain = chain.then(["load-buffer", "-b", &buffer, "-"]).then([
                    "paste-buffer",
                    "-p",
                    "-d",
                    "-b",
                    &buffer,
                    "-t",
                    pane,
                ]);
                let sent = self.send(pane, with_submit(chain, pane, submit), Some(text.to_vec())).await;
                if !matches!(sent, Ok(true)) {
                    let _ = self.run(Chain::new(["delete-buffer", "-b", &buffer]), None).await;
                }
                sent
            }
        }
    }

    /// Presses keys by their tmux names (`Enter`, `C-c`, `BSpace`). Returns whether the pane was there.
    ///
    /// # Errors
    /// As [`Tmux::run`].
    pub async fn press(&self, pane: &str, keys: &[&str]) -> Result<bool> {
        let words = ["send-keys", "-t", pane, "--"].into_iter().chain(keys.iter().copied());
        self.send(pane, leave_mode(pane).then(words), None).await
    }

    async fn send(&self, pane: &str, chain: Chain, stdin: Option<Vec<u8>>) -> Result<bool> {
        if !pane.starts_with('%') {
            // A name could mean another pane by now, and text typed there cannot be taken back.
            let message = format!("`{pane}` is no pane id");
            return Err(TmuxError::Failed { host: self.host.info.name.to_string(), message }.into());
        }
        Ok(matches!(self.run(chain, stdin).await?, Answer::Done(_)))
    }
}

/// `copy-mode -q` leaves every mode, and is an error in none.
fn leave_mode(pane: &str) -> Chain {
    Chain::new(["if-shell", "-F", "-t", pane, "#{pane_in_mode}", &format!("copy-mode -q -t {pane}")])
}

fn with_submit(chain: Chain, pane: &str, submit: Submit) -> Chain {
    match submit {
        Submit::No => chain,
        Submit::Enter => chain.then(["send-keys", "-t", pane, "Enter"]),
    }
}
