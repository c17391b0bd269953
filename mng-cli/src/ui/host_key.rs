//! The question about the key of a host that nobody knows yet.

use async_trait::async_trait;
use mng_core::transports::asking::{HostKeyPrompt, UnknownHostKey};
use tokio::sync::Mutex;

use super::prompt::{is_yes, read_line};
use super::{Console, Ui};

/// Asks on stderr and reads from stdin, one host after the other.
#[derive(Debug)]
struct AskPerson {
    console: Console,
    turn: Mutex<()>,
}

#[async_trait]
impl HostKeyPrompt for AskPerson {
    async fn trusts(&self, key: &UnknownHostKey) -> bool {
        let _turn = self.turn.lock().await;
        self.console.status(None);
        self.console.text(&question(key));
        // What others say meanwhile must not run into the line that is typed on.
        self.console.hold();
        let read = tokio::task::spawn_blocking(|| read_line(true)).await;
        self.console.release();
        match read {
            Ok(Ok(Some(answer))) => is_yes(&answer),
            _ => {
                self.console.line("");
                false
            }
        }
    }
}

fn question(key: &UnknownHostKey) -> String {
    let UnknownHostKey { endpoint, key_type, fingerprint } = key;
    format!(
        "The key of `{endpoint}` is not known yet:\n  {key_type} {fingerprint}\nTrust this machine from now on? [y/N]: "
    )
}

impl Ui {
    /// Whoever sits here; `None` unless both stdin and stderr are a terminal and questions are allowed.
    pub(crate) fn host_key_prompt(&self) -> Option<std::sync::Arc<dyn HostKeyPrompt>> {
        let is_person_there = !self.is_headless && self.terminal.is_stdin && self.terminal.is_stderr;
        is_person_there.then(|| {
            let prompt = AskPerson { console: self.console.clone(), turn: Mutex::default() };
            std::sync::Arc::new(prompt) as _
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_shows_all_that_is_to_compare() {
        let key = UnknownHostKey {
            endpoint: "me@box:2222".into(),
            key_type: "ssh-ed25519".into(),
            fingerprint: "SHA256:abc".into(),
        };
        insta::assert_snapshot!(question(&key), @r"
        The key of `me@box:2222` is not known yet:
          ssh-ed25519 SHA256:abc
        Trust this machine from now on? [y/N]: 
        ");
    }
}
