//! git on a host. Every run is a list of words over the host's transport, in the C locale, with nothing
//! inherited from a repository that the caller stands in, and under a deadline. Paths that git prints are
//! read from `-z` output as bytes.

mod error;
mod glance;
mod head;
mod merged;
mod refs;
mod remote;
mod repo;
mod status;
#[cfg(test)]
pub(crate) mod testing;

use std::path::{Path, PathBuf};
use std::time::Duration;

pub use error::GitError;
pub use glance::{Glance, glance};
pub(crate) use head::git_dir_of;
pub use head::{Head, head};
pub(crate) use merged::identity;
pub use merged::{Merge, MergeTargets, UnmergedWork, merge_of, unmerged_work};
pub use refs::{branch_exists, branch_tip, branches, commits_of, resolve_commit};
pub use remote::{origin_url, project_of_url, without_userinfo};
pub(crate) use repo::normal;
pub use repo::{RepoInfo, inspect};
pub use status::{Entry, EntryKind, Status, StatusRequest, status};

use crate::model::error::{Error, Result};
use crate::transports::{ExecOutput, ExecRequest, Transport};

/// Longest that git may take to move data: check-outs, pushes, hashing.
pub const TRANSFER: Duration = Duration::from_secs(600);

/// Variables that tie git to the caller's repository (`git rev-parse --local-env-vars`), and those that
/// change what commands mean or print.
const FOREIGN: [&str; 27] = [
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_ATTR_SOURCE",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_CONFIG_COUNT",
    "GIT_CONFIG_PARAMETERS",
    "GIT_DEFAULT_HASH",
    "GIT_DIFF_OPTS",
    "GIT_DIR",
    "GIT_EXTERNAL_DIFF",
    "GIT_GLOB_PATHSPECS",
    "GIT_GRAFT_FILE",
    "GIT_ICASE_PATHSPECS",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_LITERAL_PATHSPECS",
    "GIT_NAMESPACE",
    "GIT_NOGLOB_PATHSPECS",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_QUARANTINE_PATH",
    "GIT_REFLOG_ACTION",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
];

/// git at one place of a host.
#[derive(Clone, Debug)]
pub struct Git<'t> {
    transport: &'t dyn Transport,
    /// `-C DIR` or `--git-dir=DIR`, and `-c` settings.
    global: Vec<String>,
    /// What messages call the place.
    place: PathBuf,
}

impl<'t> Git<'t> {
    /// git as run inside a directory.
    ///
    /// # Errors
    /// The path is not UTF-8.
    pub fn at(transport: &'t dyn Transport, dir: &Path) -> Result<Self> {
        Ok(Self { transport, global: vec!["-C".into(), word(dir)?], place: dir.to_path_buf() })
    }

    /// git on a repository's own directory, whatever happens to its work trees.
    ///
    /// # Errors
    /// The path is not UTF-8.
    pub fn in_git_dir(transport: &'t dyn Transport, git_dir: &Path) -> Result<Self> {
        let dir = word(git_dir)?;
        let global = vec!["-C".into(), dir.clone(), format!("--git-dir={dir}")];
        Ok(Self { transport, global, place: git_dir.to_path_buf() })
    }

    /// Runs none of the repository's hooks.
    #[must_use]
    pub fn without_hooks(mut self) -> Self {
        self.global.extend(["-c".into(), "core.hooksPath=/dev/null".into()]);
        self
    }

    /// The place that this git works on.
    #[must_use]
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// The transport that it runs over.
    #[must_use]
    pub fn transport(&self) -> &'t dyn Transport {
        self.transport
    }

    /// A command, to be given input, environment or another deadline before [`Git::run`].
    pub fn command<S: Into<String>>(&self, args: impl IntoIterator<Item = S>) -> ExecRequest {
        let mut argv = vec!["git".to_owned()];
        argv.extend(self.global.iter().cloned());
        argv.extend(args.into_iter().map(Into::into));
        let mut request = ExecRequest::new(argv)
            .env("LC_ALL", "C")
            // A prompt on the person's terminal would stop a child in the background for ever: neither git
            // nor its ssh may ask there.
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("SSH_ASKPASS_REQUIRE", "force");
        request.unset = FOREIGN.iter().map(|&name| name.to_owned()).collect();
        request
    }

    /// Runs a command of [`Git::command`]. A non-zero exit is an output, not an error.
    ///
    /// # Errors
    /// git is missing, the deadline passed, or the transport failed.
    pub async fn run(&self, request: ExecRequest) -> Result<ExecOutput> {
        let title = self.title(&request);
        let limit = request.timeout.unwrap_or_default();
        let output = self.transport.exec(request).await?;
        if output.is_timed_out {
            return Err(GitError::TimedOut { title, place: self.place.clone(), after: limit }.into());
        }
        Ok(output)
    }

    /// As [`Git::run`]; a non-zero exit is an error with git's own words.
    ///
    /// # Errors
    /// As [`Git::run`], and [`GitError::Failed`], [`GitError::NotARepository`], [`GitError::Untrusted`].
    pub async fn check(&self, request: ExecRequest) -> Result<ExecOutput> {
        let title = self.title(&request);
        let output = self.run(request).await?;
        if output.is_success() {
            return Ok(output);
        }
        Err(GitError::of(&title, &self.place, &output).into())
    }

    /// The standard output of a command that must succeed, without the newline at its end.
    ///
    /// # Errors
    /// As [`Git::check`].
    pub async fn text<S: Into<String>>(&self, args: impl IntoIterator<Item = S>) -> Result<String> {
        let output = self.check(self.command(args)).await?;
        let text = output.stdout_text();
        Ok(text.strip_suffix('\n').unwrap_or(&text).to_owned())
    }

    /// `git worktree add`, without the place and the settings before it.
    fn title(&self, request: &ExecRequest) -> String {
        let mut args = request.argv.iter().skip(1 + self.global.len()).map(String::as_str).peekable();
        while let Some(option) = args.next_if(|arg| arg.starts_with('-')) {
            if option == "-c" {
                args.next();
            }
        }
        let words: Vec<&str> = args.take_while(|arg| !arg.starts_with('-')).take(2).collect();
        format!("git {}", words.join(" "))
    }
}

/// A path as a word of a command line.
///
/// # Errors
/// It is not UTF-8: requests to a host are text.
pub(crate) fn word(path: &Path) -> Result<String> {
    path.to_str().map(str::to_owned).ok_or_else(|| {
        Error::input(
            format!("the path `{}` is not UTF-8", path.display()),
            "rename the directory, or give another one",
        )
    })
}

/// The version of git on a host, such as `(2, 39)`; `None` when its answer cannot be read.
///
/// # Errors
/// git is missing on the host.
pub async fn version(transport: &dyn Transport) -> Result<Option<(u32, u32)>> {
    let output = transport.exec(ExecRequest::new(["git", "--version"]).env("LC_ALL", "C")).await?;
    Ok(parse_version(&output.check("git --version")?.stdout_text()))
}

fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.trim().strip_prefix("git version ")?.split(['.', ' ']);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_are_the_command_alone() {
        let git = Git::at(&crate::transports::LocalTransport, Path::new("/x")).unwrap().without_hooks();
        let title = |args: &[&str]| git.title(&git.command(args.iter().copied()));
        assert_eq!(title(&["worktree", "add", "--", "/y"]), "git worktree add");
        assert_eq!(title(&["-c", "a=b", "--literal-pathspecs", "status", "-z"]), "git status");
        assert_eq!(title(&["rev-parse", "--verify", "x"]), "git rev-parse");
    }

    #[test]
    fn versions_of_all_builders() {
        assert_eq!(parse_version("git version 2.47.3\n"), Some((2, 47)));
        assert_eq!(parse_version("git version 2.39.5 (Apple Git-154)\n"), Some((2, 39)));
        assert_eq!(parse_version("git version 2.45.GIT\n"), Some((2, 45)));
        assert_eq!(parse_version("tig version 2\n"), None);
    }
}
