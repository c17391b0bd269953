use std::path::PathBuf;

use clap::{ArgAction, Args, ValueEnum};
use mng_core::hosts::sync::{Rules, Uncommitted};
use mng_core::model::address::{AgentAddress, HostAddress, Location};
use mng_core::operations::sync::SyncMode;
use mng_core::{Error, ErrorClass};

/// `--uncommitted-changes`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum UncommittedArg {
    /// Set all of them aside in the stash, and leave them there
    Stash,
    /// Overwrite them, after a backup
    Clobber,
    /// Keep them, joined with what comes in
    Merge,
    /// Refuse
    Fail,
}

impl From<UncommittedArg> for Uncommitted {
    fn from(arg: UncommittedArg) -> Self {
        match arg {
            UncommittedArg::Stash => Self::Stash,
            UncommittedArg::Clobber => Self::Clobber,
            UncommittedArg::Merge => Self::Merge,
            UncommittedArg::Fail => Self::Fail,
        }
    }
}

/// `--sync-mode`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SyncModeArg {
    /// Files as they are, committed or not
    Files,
    /// Commits
    Git,
    /// Commits, then files
    Full,
}

impl From<SyncModeArg> for SyncMode {
    fn from(arg: SyncModeArg) -> Self {
        match arg {
            SyncModeArg::Files => Self::Files,
            SyncModeArg::Git => Self::Git,
            SyncModeArg::Full => Self::Full,
        }
    }
}

/// What a transfer of files takes and leaves out.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Files")]
pub(crate) struct RuleArgs {
    /// Leave out what this pattern of rsync matches; repeatable
    #[arg(long, value_name = "PATTERN", action = ArgAction::Append)]
    exclude: Vec<String>,

    /// Take what this pattern matches although `--exclude` leaves it out; repeatable
    #[arg(long, value_name = "PATTERN", action = ArgAction::Append)]
    include: Vec<String>,

    /// A file with patterns for `--exclude`, one a line; repeatable
    #[arg(long, value_name = "FILE", action = ArgAction::Append)]
    exclude_file: Vec<PathBuf>,

    /// A file with patterns for `--include`, one a line; repeatable
    #[arg(long, value_name = "FILE", action = ArgAction::Append)]
    include_file: Vec<PathBuf>,

    /// Leave out what git ignores at the source
    #[arg(long, overrides_with = "include_gitignored")]
    respect_gitignore: bool,

    /// Take what git ignores too (the default), and with `--delete` also delete it at the destination
    #[arg(long, overrides_with = "respect_gitignore")]
    include_gitignored: bool,

    /// One more argument for rsync, as it is; repeatable
    #[arg(long, value_name = "ARG", action = ArgAction::Append, allow_hyphen_values = true)]
    rsync_arg: Vec<String>,

    /// More arguments for rsync, split as a shell does
    #[arg(long, value_name = "ARGS", action = ArgAction::Append, allow_hyphen_values = true)]
    rsync_args: Vec<String>,

    /// Delete files of the destination that the source does not have
    #[arg(long, overrides_with = "no_delete")]
    pub(crate) delete: bool,
    #[arg(long, hide = true, overrides_with = "delete")]
    no_delete: bool,
}

impl RuleArgs {
    /// Whether an option is given that says something about files only.
    pub(crate) fn is_given(&self) -> bool {
        self.delete
            || self.respect_gitignore
            || self.include_gitignored
            || ![&self.exclude, &self.include, &self.rsync_arg, &self.rsync_args]
                .iter()
                .all(|list| list.is_empty())
            || !self.exclude_file.is_empty()
            || !self.include_file.is_empty()
    }

    /// # Errors
    /// `--rsync-args` is badly quoted: a usage error.
    pub(crate) fn resolve(&self) -> Result<Rules, Error> {
        let mut rsync_args = self.rsync_arg.clone();
        for line in &self.rsync_args {
            rsync_args.extend(shlex::split(line).ok_or_else(|| {
                usage(
                    format!("`--rsync-args {line}` is badly quoted"),
                    "give the words one by one with `--rsync-arg`",
                )
            })?);
        }
        Ok(Rules {
            include: self.include.clone(),
            exclude: self.exclude.clone(),
            include_from: self.include_file.clone(),
            exclude_from: self.exclude_file.clone(),
            respect_gitignore: self.respect_gitignore,
            delete_ignored: self.include_gitignored,
            rsync_args,
        })
    }
}

/// What was typed about the agent's end of a transfer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AgentEnd<'a> {
    /// `target` or `source`, as its options begin.
    pub(crate) name: &'a str,
    /// The positional, or the option that replaces it.
    pub(crate) spec: Option<&'a str>,
    pub(crate) agent: Option<&'a str>,
    pub(crate) host: Option<&'a str>,
    pub(crate) path: Option<&'a str>,
}

impl AgentEnd<'_> {
    /// The agent, if one is named, and the place beside its work dir.
    ///
    /// # Errors
    /// Usage errors: a bad address, two different answers to one question, a path without an agent.
    pub(crate) fn resolve(&self) -> Result<(Option<AgentAddress>, Option<String>), Error> {
        let name = self.name;
        let spec = self.spec.map(str::parse::<Location>).transpose()?;
        let option = self.agent.map(str::parse::<AgentAddress>).transpose()?;
        let (mut agent, mut path) = match spec {
            None => (option, None),
            Some(Location::Agent { address, path }) => {
                if option.as_ref().is_some_and(|option| *option != address) {
                    let message = format!(
                        "`{address}` and `--{name}-agent {}` are two agents",
                        option.map(|o| o.to_string()).unwrap_or_default()
                    );
                    return Err(usage(message, "leave one of them out"));
                }
                (Some(address), path)
            }
            Some(Location::Path(path)) if option.is_some() => (option, Some(path)),
            Some(Location::Path(path)) => {
                return Err(usage(
                    format!("`{path}` is a path, and no agent is named"),
                    format!("write `AGENT:{path}`, or name the agent with `--{name}-agent`"),
                ));
            }
            Some(Location::Host { address, .. }) => {
                return Err(usage(
                    format!("`@{address}` is a host, and an agent is needed"),
                    "`mng rsync` moves files to and from hosts",
                ));
            }
        };
        if let Some(given) = self.path {
            if path.as_deref().is_some_and(|path| path != given) {
                let message =
                    format!("`{}` and `--{name}-path {given}` are two paths", path.unwrap_or_default());
                return Err(usage(message, "leave one of them out"));
            }
            path = Some(given.to_owned());
        }
        if let Some(host) = self.host {
            let host: HostAddress = host.parse()?;
            if let Some(agent) = &mut agent {
                if agent.host.as_ref().is_some_and(|known| *known != host) {
                    let message = format!("`{agent}` and `--{name}-host {host}` are two hosts");
                    return Err(usage(message, "leave one of them out"));
                }
                agent.host = Some(host);
            }
        }
        Ok((agent, path))
    }
}

fn usage(message: impl Into<String>, hint: impl Into<String>) -> Error {
    Error::hinted(ErrorClass::Usage, message, hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(spec: &str, agent: &str, host: &str, path: &str) -> String {
        fn given(text: &str) -> Option<&str> {
            (!text.is_empty()).then_some(text)
        }
        let end = AgentEnd {
            name: "target",
            spec: given(spec),
            agent: given(agent),
            host: given(host),
            path: given(path),
        };
        match end.resolve() {
            Ok((agent, path)) => {
                format!("{} {path:?}", agent.map(|agent| agent.to_string()).unwrap_or_default())
            }
            Err(error) => format!("{}: {error}", error.exit_code()),
        }
    }

    #[test]
    fn the_agent_and_the_place_come_from_either_side() {
        insta::assert_snapshot!(
            [
                end("a1", "", "", ""),
                end("a1:src", "", "gpu", ""),
                end("", "a1", "", "src"),
                end("./src", "a1", "", ""),
                end("./src", "", "", ""),
                end("a1", "a2", "", ""),
                end("a1:x", "a1", "", "y"),
                end("a1@here", "", "gpu", ""),
                end("@gpu:x", "", "", ""),
                end("", "", "", ""),
            ]
            .join("\n"),
            @r#"
        a1 None
        a1@gpu Some("src")
        a1 Some("src")
        a1 Some("./src")
        2: `./src` is a path, and no agent is named
        2: `a1` and `--target-agent a2` are two agents
        2: `x` and `--target-path y` are two paths
        2: `a1@here` and `--target-host gpu` are two hosts
        2: `@gpu` is a host, and an agent is needed
         None
        "#
        );
    }
}
