//! The two ends of a transfer.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::hosts::git::{Git, RepoInfo, word};
use crate::hosts::{Host, Layout};
use crate::model::error::Result;
use crate::model::shell::quote;
use crate::transports::Transport;

/// A directory on a host.
#[derive(Clone, Debug)]
pub struct Side {
    pub transport: Arc<dyn Transport>,
    /// Of the host: what earlier transfers wrote is remembered there.
    pub layout: Layout,
    /// Absolute.
    pub dir: PathBuf,
}

impl Side {
    #[must_use]
    pub fn on(host: &Host, dir: impl Into<PathBuf>) -> Self {
        Self { transport: Arc::clone(&host.transport), layout: host.layout.clone(), dir: dir.into() }
    }

    pub(super) fn git(&self) -> Result<Git<'_>> {
        Git::at(self.transport.as_ref(), &self.dir)
    }

    pub(super) fn git_at(&self, dir: &Path) -> Result<Git<'_>> {
        Git::at(self.transport.as_ref(), dir)
    }
}

/// How git and rsync of this machine come to the other end.
#[derive(Clone, Debug, Default)]
pub enum Reach {
    /// It is on this machine.
    #[default]
    Here,
}

impl Reach {
    /// What rsync calls a path of the other end.
    pub(super) fn rsync_path(&self, path: &Path) -> Result<String> {
        match self {
            // A word with a colon before the first slash would be a host; absolute paths have none.
            Self::Here => word(path),
        }
    }

    /// What git calls a repository of the other end.
    pub(super) fn git_url(&self, path: &Path) -> Result<String> {
        match self {
            Self::Here => word(path),
        }
    }

    /// Variables for git that lead there.
    pub(super) fn git_env(&self) -> Vec<(String, String)> {
        match self {
            Self::Here => Vec::new(),
        }
    }

    /// The line that the other end's shell runs, with settings that hold for this one run.
    pub(super) fn git_program(&self, program: &str, settings: &[&str], there: &RepoInfo) -> Result<String> {
        let mut words = vec!["git".to_owned()];
        for setting in settings {
            words.extend(["-c".to_owned(), quote(setting).into_owned()]);
        }
        if !matches!(self, Self::Here) {
            let trusted = format!("safe.directory={}", word(&there.top_level)?);
            words.extend(["-c".to_owned(), quote(&trusted).into_owned()]);
        }
        words.push(program.to_owned());
        Ok(words.join(" "))
    }

    /// Options of rsync that lead there.
    pub(super) fn rsync_options(&self) -> Vec<String> {
        match self {
            Self::Here => Vec::new(),
        }
    }
}
