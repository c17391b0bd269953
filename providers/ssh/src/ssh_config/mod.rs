//! The person's ssh client configuration, as `ssh_config(5)` of OpenSSH 9.2 describes it: as much of it as
//! decides where a connection goes, how to log in and whom to trust.
//!
//! The crates for this format leave out `Match`, conditional `Include` and the `%` tokens, which people's
//! files are full of.

mod parse;
mod pattern;
mod resolve;
#[cfg(test)]
mod tests;
mod tokens;

use std::path::{Path, PathBuf};

use pattern::Pattern;
pub(crate) use resolve::{AgentSocket, Asked, HostKeyChecking, Jump, Proxy, Resolved};

/// What the configuration's tokens stand for on this side.
#[derive(Clone, Debug)]
pub(crate) struct Here {
    pub(crate) home: PathBuf,
    pub(crate) user: String,
    pub(crate) uid: u32,
    /// This machine's name.
    pub(crate) host: String,
    /// `SSH_AUTH_SOCK` and the like.
    pub(crate) variable: fn(&str) -> Option<String>,
}

/// All files of the configuration, the person's before the system's.
#[derive(Clone, Debug, Default)]
pub(crate) struct SshConfig {
    files: Vec<Vec<Item>>,
}

/// One line.
#[derive(Clone, Debug, PartialEq)]
enum Item {
    /// What follows counts for these names.
    Host(Vec<Pattern>),
    /// What follows counts where all of these hold.
    Match(Vec<Criterion>),
    /// The files that are put in here; they count only where this line does.
    Include(Vec<Vec<Item>>),
    /// A keyword in lower case, and its words.
    Set(String, Vec<String>),
}

#[derive(Clone, Debug, PartialEq)]
struct Criterion {
    is_negated: bool,
    on: MatchOn,
}

#[derive(Clone, Debug, PartialEq)]
enum MatchOn {
    All,
    Host(Vec<Pattern>),
    OriginalHost(Vec<Pattern>),
    User(Vec<Pattern>),
    LocalUser(Vec<Pattern>),
    /// One that is not judged here, `exec` above all: the block does not count.
    Unknown,
}

impl SshConfig {
    /// Reads `~/.ssh/config` and the system's file. What is not there or cannot be read says nothing.
    pub(crate) fn load(here: &Here) -> Self {
        let dir = here.home.join(".ssh");
        let files = [(dir.join("config"), dir), ("/etc/ssh/ssh_config".into(), "/etc/ssh".into())];
        Self { files: files.iter().map(|(file, dir)| parse::file(file, dir, here, 0)).collect() }
    }

    /// The configuration of one text, for tests.
    #[cfg(test)]
    pub(crate) fn of_text(text: &str, dir: &Path, here: &Here) -> Self {
        Self { files: vec![parse::text(text, dir, here, 0)] }
    }

    /// Whether a `Host` line has exactly this name, which makes it one of the person's machines.
    pub(crate) fn has_alias(&self, name: &str) -> bool {
        fn any(items: &[Item], name: &str) -> bool {
            items.iter().any(|item| match item {
                Item::Host(patterns) => patterns.iter().any(|pattern| pattern.is_literally(name)),
                Item::Include(files) => files.iter().any(|items| any(items, name)),
                Item::Match(_) | Item::Set(..) => false,
            })
        }
        self.files.iter().any(|items| any(items, name))
    }
}

/// A path with `~` for the home directory.
pub(crate) fn expand_home(path: &str, home: &Path) -> PathBuf {
    match path.strip_prefix('~') {
        Some("") => home.to_path_buf(),
        Some(rest) if rest.starts_with('/') => home.join(rest.trim_start_matches('/')),
        _ => PathBuf::from(path),
    }
}
