//! What a transfer of files leaves out.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::paths::from_nul;
use super::{Side, SyncError};
use crate::hosts::git::{self, TRANSFER};
use crate::model::error::Result;

/// What the person asked to leave out or to take. `.git` is left out whatever stands here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Patterns of rsync; they win over `exclude`.
    pub include: Vec<String>,
    pub exclude: Vec<String>,
    /// Files with patterns, on this machine.
    pub include_from: Vec<PathBuf>,
    pub exclude_from: Vec<PathBuf>,
    /// Leave out what git ignores at the source.
    pub respect_gitignore: bool,
    /// With `--delete`: also delete what git ignores at the destination.
    pub delete_ignored: bool,
    /// Further options of rsync, as they are.
    pub rsync_args: Vec<String>,
}

/// Rules as rsync reads them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RsyncRules {
    /// NUL-separated rules for standard input, which stand before all of the person's.
    pub(super) input: Vec<u8>,
    pub(super) args: Vec<String>,
}

impl Rules {
    /// Refuses what would let rsync reach a `.git`.
    ///
    /// # Errors
    /// [`SyncError::TouchesGit`]
    pub fn check(&self) -> Result<(), SyncError> {
        let mut previous = "";
        for argument in &self.rsync_args {
            let rule = argument
                .strip_prefix("--filter=")
                .or_else(|| argument.strip_prefix("-f"))
                .or_else(|| matches!(previous, "--filter" | "-f").then_some(argument.as_str()));
            // A rule that forgets all rules before it.
            if rule.is_some_and(|rule| rule.starts_with('!') || rule.starts_with("clear")) {
                return Err(SyncError::TouchesGit { argument: argument.clone() });
            }
            previous = argument;
        }
        Ok(())
    }

    /// Reads the ignore rules of both sides.
    ///
    /// # Errors
    /// git fails.
    pub(super) async fn resolve(
        &self,
        source: &Side,
        destination: &Side,
        is_deleting: bool,
        left_out: &[PathBuf],
    ) -> Result<RsyncRules> {
        let mut rules = RsyncRules::default();
        for path in left_out {
            rules.rule(b"- ", path);
        }
        if self.respect_gitignore {
            for path in ignored(source).await? {
                rules.rule(b"- ", &path);
            }
        }
        if is_deleting && !self.delete_ignored {
            for path in ignored(destination).await? {
                rules.rule(b"P ", &path);
            }
        }
        if !rules.input.is_empty() {
            rules.args.extend(["--from0".into(), "--filter=. -".into()]);
        }
        // The first match counts: nothing that follows can bring `.git` back, and `P` holds under
        // `--delete-excluded` too.
        rules.args.extend(["--filter=P .git".into(), "--exclude=.git".into()]);
        rules.args.extend(self.include.iter().map(|pattern| format!("--include={pattern}")));
        rules.args.extend(self.exclude.iter().map(|pattern| format!("--exclude={pattern}")));
        // `--from0` would hold for these files as well, so their lines are read here.
        for (option, files) in [("include", &self.include_from), ("exclude", &self.exclude_from)] {
            for file in files {
                rules.args.extend(patterns(file)?.into_iter().map(|pattern| format!("--{option}={pattern}")));
            }
        }
        rules.args.extend(self.rsync_args.iter().cloned());
        Ok(rules)
    }
}

impl RsyncRules {
    /// A rule for exactly that path, relative to the root of the transfer.
    fn rule(&mut self, kind: &[u8], path: &Path) {
        self.input.extend_from_slice(kind);
        self.input.push(b'/');
        self.input.extend(exact(path.as_os_str().as_bytes()));
        self.input.push(0);
    }
}

/// A name as a pattern that matches nothing else. rsync takes a backslash literally unless the pattern has a
/// wildcard.
pub(super) fn exact(name: &[u8]) -> Vec<u8> {
    if !name.iter().any(|byte| b"*?[".contains(byte)) {
        return name.to_vec();
    }
    let escaped = |&byte: &u8| if b"*?[\\".contains(&byte) { vec![b'\\', byte] } else { vec![byte] };
    name.iter().flat_map(escaped).collect()
}

/// The patterns of a file, without comments.
fn patterns(file: &Path) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        crate::model::error::Error::io(format!("read the patterns in `{}`", file.display()), error)
    })?;
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with(['#', ';']));
    Ok(lines.map(str::to_owned).collect())
}

/// What git ignores below the side's directory, relative to it; directories end in `/`. Nothing outside of a
/// repository.
async fn ignored(side: &Side) -> Result<Vec<PathBuf>> {
    if side.transport.stat(&side.dir).await?.is_none()
        || git::inspect(side.transport.as_ref(), &side.dir).await?.is_none()
    {
        return Ok(Vec::new());
    }
    let git = side.git()?;
    let args = ["ls-files", "--others", "--ignored", "--exclude-standard", "--directory", "-z"];
    let output = git.check(git.command(args).timeout(Some(TRANSFER)).idempotent()).await?;
    Ok(from_nul(&output.stdout))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_patterns_for_themselves() {
        assert_eq!(exact(b"a b\\c"), b"a b\\c");
        assert_eq!(exact(b"a[1]\\*?"), b"a\\[1]\\\\\\*\\?");
    }

    #[test]
    fn no_argument_forgets_the_rule_about_git() {
        let check = |args: &[&str]| {
            Rules { rsync_args: args.iter().map(|&arg| arg.to_owned()).collect(), ..Rules::default() }.check()
        };
        check(&["--delete-excluded", "--filter=- x", "-f", "P y"]).unwrap();
        for args in [&["--filter=!"][..], &["-f", "!"], &["-f!"], &["--filter", "clear"]] {
            check(args).unwrap_err();
        }
    }
}
