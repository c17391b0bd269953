//! What an agent type knows of getting a message into its program: what the screen shows, and which files
//! prove that the program has taken it.

use std::fmt;
use std::path::Path;

use async_trait::async_trait;

use super::mirror::WatchedFile;
use crate::hosts::Host;
use crate::model::env_file::EnvVars;
use crate::model::error::{Error, ErrorClass, Result};
use crate::model::record::AgentRecord;

/// What a pane shows, judged by a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScreenState {
    /// The input box takes text. `leftover`: what a person has typed there and not sent.
    Ready { leftover: Option<String> },
    /// Something reads the keys in place of the input box.
    Dialog(Dialog),
    /// None of both; the program may still be drawing.
    Unclear,
}

/// Something that reads the keys in place of the input box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dialog {
    /// What a person would call it: `the permission prompt`.
    pub name: String,
    /// The keys, by tmux's names, that close it without harm; only for dialogs that are known and that the
    /// configuration allows to answer. Never Enter on something unknown.
    pub answer: Option<Vec<String>>,
}

/// What the program's files prove of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// The program has it; one sentence on how that is known.
    Accepted(String),
    /// The program has refused it, in its own words.
    Rejected(String),
}

/// Watches for a message's traces from a moment just before Enter.
pub trait EvidenceWatch: Send {
    /// Looks once; cheap, called several times a second.
    ///
    /// # Errors
    /// The files cannot be read.
    fn poll(&mut self) -> Result<Option<Evidence>>;
}

/// Whom a message is for.
#[derive(Clone, Copy, Debug)]
pub struct Recipient<'a> {
    pub host: &'a Host,
    pub record: &'a AgentRecord,
    /// `A`, as a path of the host.
    pub state_dir: &'a Path,
    /// The agent's environment file.
    pub env: &'a EnvVars,
}

/// The input of one type's program.
#[async_trait]
pub trait Input: Send + Sync + fmt::Debug {
    /// Judges the visible text of the pane, one line a row, with the colour codes of `capture-pane -e`: dim
    /// text is a placeholder, not input.
    fn screen(&self, pane: &str) -> ScreenState;

    /// How a long paste shows in the input box instead of its text.
    fn paste_labels(&self) -> &'static [&'static str] {
        &[]
    }

    /// Whether this text may leave no trace (a slash command): then a missing proof is no failure.
    fn is_relaxed(&self, _text: &str) -> bool {
        false
    }

    /// Why the program has refused `text`, if the pane says so some time after Enter: some programs leave no
    /// other trace of it. The pane is as in [`Input::screen`].
    fn rejection(&self, _pane: &str, _text: &str) -> Option<String> {
        None
    }

    /// Keys that empty a line of the input box.
    fn clear_keys(&self) -> &'static [&'static str] {
        &["C-e", "C-u"]
    }

    /// What the evidence of [`Input::watch`] stands in, below `A`: of another machine nothing else is there.
    fn watched_files(&self) -> Vec<WatchedFile> {
        Vec::new()
    }

    /// Starts to watch for `text`. What happened before does not count. [`Recipient::state_dir`] is then where
    /// the watched files can be read here: see [`super::mirror`].
    ///
    /// # Errors
    /// The files cannot be read.
    fn watch(&self, to: Recipient<'_>, text: &str) -> Result<Box<dyn EvidenceWatch>>;

    /// Whether messages go in through [`Input::deliver`], without a keyboard.
    fn delivers(&self) -> bool {
        false
    }

    /// Delivers through a door of the program's own (HTTP, an inbox file) and waits for proof. Only called
    /// if [`Input::delivers`]; the agent runs.
    ///
    /// # Errors
    /// It may not have arrived.
    async fn deliver(&self, to: Recipient<'_>, _id: &str, _text: &str) -> Result<Evidence> {
        Err(Error::plain(
            ErrorClass::SendMessage,
            format!("agent `{}` takes messages from its terminal only", to.record.name),
        ))
    }
}
