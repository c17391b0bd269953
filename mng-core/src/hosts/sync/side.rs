//! The two ends of a transfer.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::hosts::git::{Git, word};
use crate::hosts::{Host, Layout};
use crate::model::error::Result;
use crate::model::shell::quote;
use crate::transports::Transport;
use crate::transports::relay::{RELAY_HOST, Relay};

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
    /// Over the open connection to its host.
    Far(Arc<Relay>),
}

impl Reach {
    /// The way to a host.
    ///
    /// # Errors
    /// No relay can be opened.
    pub fn to(host: &Host) -> Result<Self> {
        if host.is_local() {
            return Ok(Self::Here);
        }
        Ok(Self::Far(Arc::new(Relay::open(Arc::clone(&host.transport))?)))
    }

    #[must_use]
    pub fn is_here(&self) -> bool {
        matches!(self, Self::Here)
    }

    /// What rsync calls a path of the other end.
    pub(crate) fn rsync_path(&self, path: &str) -> String {
        match self {
            // A word with a colon before the first slash would be a host; absolute paths have none.
            Self::Here => path.to_owned(),
            Self::Far(_) => format!("{RELAY_HOST}:{path}"),
        }
    }

    /// What unison calls a directory of the other end.
    pub(crate) fn unison_root(&self, path: &Path) -> String {
        match self {
            Self::Here => path.display().to_string(),
            Self::Far(_) => format!("ssh://{RELAY_HOST}/{}", path.display()),
        }
    }

    /// What stands in for `ssh`, if the other end is far.
    pub(crate) fn shell(&self) -> Option<String> {
        match self {
            Self::Here => None,
            Self::Far(relay) => Some(relay.shell()),
        }
    }

    /// Options of rsync that lead there.
    pub(crate) fn rsync_options(&self) -> Vec<String> {
        match self {
            Self::Here => Vec::new(),
            // `-s`: the path is no text for the other end's shell.
            Self::Far(relay) => vec!["-z".into(), "-s".into(), "-e".into(), relay.shell()],
        }
    }

    /// Variables for rsync and unison that lead there.
    pub(crate) fn env(&self) -> BTreeMap<String, String> {
        match self {
            Self::Here => BTreeMap::new(),
            Self::Far(relay) => relay.env(),
        }
    }

    /// What git calls a repository of the other end.
    ///
    /// # Errors
    /// The path is not UTF-8.
    pub(crate) fn git_url(&self, path: &Path) -> Result<String> {
        match self {
            Self::Here => word(path),
            Self::Far(_) => Ok(Relay::git_url(path)),
        }
    }

    /// Variables for git that lead there.
    pub(crate) fn git_env(&self) -> BTreeMap<String, String> {
        match self {
            Self::Here => BTreeMap::new(),
            Self::Far(relay) => relay.git_env(),
        }
    }

    /// The line that the other end's shell runs, with settings that hold for this one run.
    ///
    /// # Errors
    /// The path is not UTF-8.
    pub(crate) fn git_program(&self, program: &str, settings: &[&str], place: &Path) -> Result<String> {
        let mut words = vec!["git".to_owned()];
        for setting in settings {
            words.extend(["-c".to_owned(), quote(setting).into_owned()]);
        }
        if !self.is_here() {
            // In containers the files may be somebody else's.
            let trusted = format!("safe.directory={}", word(place)?);
            words.extend(["-c".to_owned(), quote(&trusted).into_owned()]);
        }
        words.push(program.to_owned());
        Ok(words.join(" "))
    }
}
