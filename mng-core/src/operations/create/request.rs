//! What `create` is asked for. Text that a person typed is parsed before it gets here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::model::address::{NewAgentAddress, SourceAddress};
use crate::model::branch::BranchSpec;
use crate::model::error::{Error, Result};
use crate::model::ids::AgentId;
use crate::model::name_styles::AgentNameStyle;
use crate::model::names::AgentTypeName;
use crate::model::record::{TmuxSize, TransferMode};
use crate::model::window::ExtraWindow;

/// One agent to make. Every field but the type has a sensible default.
#[derive(Clone, Debug, Default)]
pub struct CreateRequest {
    /// Name, host and work dir of the new agent; each may be missing.
    pub address: NewAgentAddress,
    pub agent: AgentOptions,
    /// Where the files come from; unset: the repository around [`CreateRequest::cwd`].
    pub source: Option<SourceAddress>,
    pub transfer: TransferOptions,
    pub provisioning: Provisioning,
    pub host: HostOptions,
    /// Where relative paths start: the person's working directory, or `--context`.
    pub cwd: PathBuf,
    /// An agent of that name is used instead of refused.
    pub reuse: bool,
    /// With `reuse`: stop it, rebuild it in place, start it again.
    pub update: bool,
    /// Offline hosts of source and target may be started.
    pub auto_start: bool,
    /// Wait until the agent takes input before it counts as made.
    pub await_ready: bool,
    /// Sent once the agent is ready.
    pub message: Option<String>,
    /// `--yes`: install what is missing and accept what is cosmetic without asking.
    pub is_yes: bool,
    /// `--foreground`: the agent's output is streamed and the agent destroyed when it ends.
    pub foreground: bool,
    /// Long names of the options that the person typed, as opposed to those that settings or templates
    /// gave. The positional type counts as `type`.
    pub typed_options: BTreeSet<String>,
}

impl CreateRequest {
    /// Whether the person typed the option of that long name (not its `--no-` form).
    #[must_use]
    pub fn is_typed(&self, option: &str) -> bool {
        self.typed_options.contains(option)
    }
}

/// The agent itself.
#[derive(Clone, Debug, Default)]
pub struct AgentOptions {
    /// "This *is* that agent": the id that the new record gets.
    pub id: Option<AgentId>,
    /// How a name is invented when the address has none.
    pub name_style: Option<AgentNameStyle>,
    /// As typed or configured; aliases are resolved by the operation.
    pub agent_type: Option<AgentTypeName>,
    /// `--agent-command`: a literal command line instead of the type's.
    pub command: Option<String>,
    /// Raw words for the agent's program; the type quotes them.
    pub args: Vec<String>,
    pub windows: Vec<ExtraWindow>,
    /// Labels as the person gave them, over the automatic ones.
    pub labels: BTreeMap<String, String>,
    /// The `project` label; unset or `.`: derived from the source.
    pub project: Option<String>,
    pub tmux: TmuxSize,
    pub permissions: Vec<String>,
    pub start_on_boot: bool,
    /// Longest wait for readiness; unset: the `agent_ready_timeout` setting.
    pub ready_timeout: Option<Duration>,
    pub resume_message: Option<String>,
    /// Conversations to continue, for types that can.
    pub adopt: Vec<String>,
    /// What options of plugins say, for their hooks; becomes part of the record.
    pub plugin: Map<String, Value>,
    /// The new agent continues the work of this one, so it inherits type and command when none are given.
    pub is_clone: bool,
}

/// How files get from the source to the work dir.
#[derive(Clone, Debug)]
pub struct TransferOptions {
    pub choice: TransferChoice,
    pub branch: BranchSpec,
    /// An extra rsync pass in git-mirror mode; unset: only if `rsync_args` are given.
    pub rsync: Option<bool>,
    /// Put in front of the paths.
    pub rsync_args: Vec<String>,
    /// The source is to go: compare the work dir with it before the agent starts.
    pub verify: bool,
    /// Refuse a source with uncommitted changes.
    pub ensure_clean: bool,
    /// Carry uncommitted changes.
    pub include_unclean: bool,
    /// Carry files that git ignores.
    pub include_gitignored: bool,
    /// False: `.git` is left behind, whatever the mode would do.
    pub include_git: bool,
    /// More words for `git clone` when the source is a git URL (`--depth`, `--shallow-since`).
    pub clone_args: Vec<String>,
    /// Where worktrees are made; unset: `H/worktrees`. `~` is not expanded yet.
    pub worktree_base_folder: Option<String>,
}

impl Default for TransferOptions {
    fn default() -> Self {
        Self {
            choice: TransferChoice::Auto,
            branch: BranchSpec::default(),
            rsync: None,
            rsync_args: Vec::new(),
            verify: false,
            ensure_clean: true,
            include_unclean: false,
            include_gitignored: false,
            include_git: true,
            clone_args: Vec::new(),
            worktree_base_folder: None,
        }
    }
}

/// The transfer mode as asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TransferChoice {
    /// What fits source and target best.
    #[default]
    Auto,
    Mode(TransferMode),
    /// `--copy`: a git-mirror of a repository, an rsync copy of anything else.
    Copy,
}

/// Options about the target host.
#[derive(Clone, Debug, Default)]
pub struct HostOptions {
    /// Make a host, with the address's host as its name.
    pub new_host: bool,
    /// Install what the host lacks for running agents.
    pub install_packages: bool,
    /// Tags for the host: given to a new one, added to an existing one.
    pub tags: BTreeMap<String, String>,
}

/// Everything that is set up in the agent's surroundings before it starts.
#[derive(Clone, Debug, Default)]
pub struct Provisioning {
    /// `--env`, in order; the last of two with one name counts.
    pub env: Vec<(String, String)>,
    /// Files in dotenv syntax, read in order before `env`.
    pub env_files: Vec<PathBuf>,
    /// Variables of the caller to pass on; unset ones are skipped.
    pub pass_env: Vec<String>,
    pub directories: Vec<String>,
    pub uploads: Vec<FileUpload>,
    pub appends: Vec<FileEdit>,
    pub prepends: Vec<FileEdit>,
    /// Shell lines run as root, before `commands`.
    pub sudo_commands: Vec<String>,
    /// Shell lines run in the work dir with the agent's environment.
    pub commands: Vec<String>,
}

impl Provisioning {
    /// Whether there is anything to do but to write the environment.
    #[must_use]
    pub fn has_steps(&self) -> bool {
        !(self.directories.is_empty()
            && self.uploads.is_empty()
            && self.appends.is_empty()
            && self.prepends.is_empty()
            && self.sudo_commands.is_empty()
            && self.commands.is_empty())
    }

    /// These steps in front of those of `later`.
    #[must_use]
    pub fn then(mut self, later: Self) -> Self {
        self.env.extend(later.env);
        self.env_files.extend(later.env_files);
        self.pass_env.extend(later.pass_env);
        self.directories.extend(later.directories);
        self.uploads.extend(later.uploads);
        self.appends.extend(later.appends);
        self.prepends.extend(later.prepends);
        self.sudo_commands.extend(later.sudo_commands);
        self.commands.extend(later.commands);
        self
    }
}

/// `LOCAL:REMOTE` of `--upload-file`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileUpload {
    /// A file of this machine.
    pub local: String,
    /// Where it goes on the host.
    pub remote: String,
}

impl FromStr for FileUpload {
    type Err = Error;

    /// Split on the first colon, both sides trimmed.
    fn from_str(text: &str) -> Result<Self> {
        let split = text.split_once(':').map(|(local, remote)| (local.trim(), remote.trim()));
        match split {
            Some((local, remote)) if !local.is_empty() && !remote.is_empty() => {
                Ok(Self { local: local.to_owned(), remote: remote.to_owned() })
            }
            _ => Err(Error::input(
                format!("`{text}` is not LOCAL:REMOTE"),
                "write `--upload-file ./a.txt:b.txt`",
            )),
        }
    }
}

/// `REMOTE:TEXT` of `--append-to-file` and `--prepend-to-file`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEdit {
    pub remote: String,
    /// Verbatim.
    pub text: String,
}

impl FromStr for FileEdit {
    type Err = Error;

    /// Split on the first colon; the path is trimmed, the text is not.
    fn from_str(text: &str) -> Result<Self> {
        match text.split_once(':') {
            Some((remote, added)) if !remote.trim().is_empty() => {
                Ok(Self { remote: remote.trim().to_owned(), text: added.to_owned() })
            }
            _ => Err(Error::input(
                format!("`{text}` is not FILE:TEXT"),
                "write `--append-to-file 'notes.txt:one more line'`",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_specs_are_split_once() {
        let upload: FileUpload = " a b.txt : ~/c:d ".parse().unwrap();
        assert_eq!(upload, FileUpload { local: "a b.txt".into(), remote: "~/c:d".into() });
        let edit: FileEdit = " notes: two: three\n".parse().unwrap();
        assert_eq!(edit, FileEdit { remote: "notes".into(), text: " two: three\n".into() });
        for bad in ["", "a", ":b", "a:", " : "] {
            assert!(bad.parse::<FileUpload>().is_err(), "{bad:?}");
        }
        for bad in ["", "a", ":b", " :x"] {
            assert!(bad.parse::<FileEdit>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn steps_of_a_type_come_before_those_of_the_person() {
        let of_type = Provisioning { commands: vec!["one".into()], ..Provisioning::default() };
        let typed = Provisioning { commands: vec!["two".into()], ..Provisioning::default() };
        assert_eq!(of_type.then(typed).commands, ["one", "two"]);
        assert!(!Provisioning { env: vec![("A".into(), "b".into())], ..Provisioning::default() }.has_steps());
    }
}
