//! The options of `create`, as `clone` and `migrate` take them too. Old spellings are accepted and hidden.

use std::path::PathBuf;

use clap::{ArgAction, Args};

use super::host_args::NewHostArgs;
use crate::args::{Explicit, MessageArgs};

/// Everything behind `mng create`, and behind the source of `mng clone` and `mng migrate`.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct CreateOptions {
    /// Name of the agent, with host and work dir where wanted: `NAME@HOST.PROVIDER:PATH`; every part may be
    /// left out
    #[arg(value_name = "ADDRESS")]
    pub(super) address: Option<String>,

    /// Type of the agent; as `--type`
    #[arg(value_name = "TYPE")]
    pub(super) positional_type: Option<String>,

    /// Arguments for the agent's program
    #[arg(value_name = "ARGS")]
    pub(super) args: Vec<String>,

    /// The same, where they could be taken for options of mng
    #[arg(value_name = "ARGS", last = true)]
    pub(super) last_args: Vec<String>,

    #[command(flatten)]
    pub(super) agent: AgentArgs,
    #[command(flatten)]
    pub(super) source: SourceArgs,
    #[command(flatten)]
    pub(super) setup: SetupArgs,
    #[command(flatten)]
    pub(super) behaviour: BehaviourArgs,
    #[command(flatten)]
    pub(super) message: MessageArgs,
    #[command(flatten)]
    pub(super) connection: ConnectionArgs,
    #[command(flatten)]
    pub(super) host: HostArgs,
    #[command(flatten)]
    pub(super) new_host: NewHostArgs,
    #[command(flatten)]
    pub(super) explicit: Explicit,
}

#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Agent")]
pub(super) struct AgentArgs {
    /// Apply a create template; repeatable, in order
    #[arg(short, long, value_name = "NAME", action = ArgAction::Append)]
    pub(super) template: Vec<String>,

    /// As the positional ADDRESS
    #[arg(short, long, value_name = "ADDRESS")]
    pub(super) name: Option<String>,

    /// Give the agent this id: the new agent *is* that one
    #[arg(long, value_name = "ID")]
    pub(super) id: Option<String>,

    /// How an agent without a name is named: `coolname`, `english`, `painters` and others
    #[arg(long, value_name = "STYLE", default_value = "coolname", hide_default_value = false)]
    pub(super) name_style: String,

    /// What kind of program the agent is
    #[arg(id = "type", long = "type", alias = "agent-type", value_name = "TYPE")]
    pub(super) agent_type: Option<String>,

    /// Run this command line, as type `command`
    #[arg(long, visible_alias = "agent-command", value_name = "CMD", allow_hyphen_values = true)]
    pub(super) agent_cmd: Option<String>,

    /// Open another tmux window and run a command in it: `COMMAND` or `NAME=COMMAND`; repeatable
    #[arg(short = 'w', long, short_alias = 'c', aliases = ["add-command", "add-cmd"], value_name = "SPEC", action = ArgAction::Append)]
    pub(super) extra_window: Vec<String>,

    /// Label the agent; repeatable
    #[arg(long, value_name = "KEY=VALUE", action = ArgAction::Append)]
    pub(super) label: Vec<String>,

    /// Label `project`; `.` derives it from the source
    #[arg(long, value_name = "NAME")]
    pub(super) project: Option<String>,

    /// Width of the tmux window, in columns
    #[arg(long, value_name = "COLUMNS")]
    pub(super) tmux_width: Option<u32>,

    /// Height of the tmux window, in lines
    #[arg(long, value_name = "LINES")]
    pub(super) tmux_height: Option<u32>,

    /// tmux `window-size`; unset: fixed until a client attaches, then fitted to it
    #[arg(long, value_name = "POLICY", value_parser = ["manual", "latest", "largest", "smallest"], ignore_case = true)]
    pub(super) tmux_window_size: Option<String>,

    /// Continue an earlier conversation: its id, or a path to it; repeatable
    #[arg(long, alias = "adopt-session", value_name = "SESSION", action = ArgAction::Append)]
    pub(super) adopt: Vec<String>,

    /// Record a permission of the agent; repeatable
    #[arg(long, value_name = "PERMISSION", action = ArgAction::Append)]
    pub(super) grant: Vec<String>,

    /// Start the agent by `mng start --on-boot`
    #[arg(long, overrides_with = "no_start_on_boot")]
    pub(super) start_on_boot: bool,
    #[arg(long, hide = true, overrides_with = "start_on_boot")]
    pub(super) no_start_on_boot: bool,

    #[arg(long, hide = true, value_name = "USER")]
    pub(super) user: Option<String>,
}

#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Source and work dir")]
pub(super) struct SourceArgs {
    /// Where the files come from: an agent, a path, `@HOST:PATH` or a git URL; unset: the repository around
    /// the current directory
    #[arg(long, visible_alias = "source", value_name = "SOURCE")]
    pub(super) from: Option<String>,
    #[arg(long, hide = true, alias = "source-agent", value_name = "AGENT")]
    pub(super) from_agent: Option<String>,
    #[arg(long, hide = true, value_name = "HOST")]
    pub(super) source_host: Option<String>,
    #[arg(long, hide = true, value_name = "PATH")]
    pub(super) source_path: Option<String>,

    /// Work in this directory; as `:PATH` in the address
    #[arg(long, value_name = "PATH")]
    pub(super) target_path: Option<String>,
    #[arg(long, hide = true, value_name = "[HOST][:PATH]")]
    pub(super) target: Option<String>,

    /// How the work dir is made: `none` (work in the source), `git-worktree`, `git-mirror` or `rsync`; unset:
    /// what fits
    #[arg(long, value_name = "MODE", value_parser = ["none", "rsync", "git-mirror", "git-worktree"])]
    pub(super) transfer: Option<String>,
    #[arg(long, hide = true, group = "old_transfer", conflicts_with = "transfer")]
    pub(super) in_place: bool,
    #[arg(long, hide = true, group = "old_transfer", conflicts_with = "transfer")]
    pub(super) worktree: bool,
    #[arg(long, hide = true, group = "old_transfer", conflicts_with = "transfer")]
    pub(super) copy: bool,
    #[arg(long = "clone", id = "clone", hide = true, group = "old_transfer", conflicts_with = "transfer")]
    pub(super) clone_mode: bool,

    /// Branch to work on, `[BASE][:[NEW]]`: `main:` makes `mng/NAME` from main, `main` checks main out,
    /// `:fix/*` makes `fix/NAME` [default: `:mng/*`]
    #[arg(long, value_name = "SPEC")]
    pub(super) branch: Option<String>,
    #[arg(long, hide = true, value_name = "BRANCH", conflicts_with = "branch")]
    pub(super) base_branch: Option<String>,
    #[arg(long, hide = true, value_name = "BRANCH", num_args = 0..=1, default_missing_value = "", conflicts_with = "branch")]
    pub(super) new_branch: Option<String>,
    #[arg(long, hide = true, conflicts_with = "branch")]
    pub(super) no_new_branch: bool,
    #[arg(long, hide = true, value_name = "PREFIX", conflicts_with = "branch")]
    pub(super) new_branch_prefix: Option<String>,

    /// Refuse a source with uncommitted changes (the default)
    #[arg(long, overrides_with = "no_ensure_clean")]
    pub(super) ensure_clean: bool,
    /// Take a source with uncommitted changes, and the changes with it
    #[arg(long, overrides_with = "ensure_clean")]
    pub(super) no_ensure_clean: bool,

    /// Carry uncommitted changes into the work dir
    #[arg(long, overrides_with = "no_include_unclean")]
    pub(super) include_unclean: bool,
    /// Leave uncommitted changes behind
    #[arg(long = "exclude-unclean", alias = "no-include-unclean", overrides_with = "include_unclean")]
    pub(super) no_include_unclean: bool,

    /// Carry files that git ignores, too
    #[arg(long, overrides_with = "no_include_gitignored")]
    pub(super) include_gitignored: bool,
    #[arg(long, hide = true, overrides_with = "include_gitignored")]
    pub(super) no_include_gitignored: bool,

    #[arg(long, hide = true, overrides_with = "no_include_git")]
    pub(super) include_git: bool,
    /// Copy the files without the repository
    #[arg(long, overrides_with = "include_git")]
    pub(super) no_include_git: bool,

    /// With `--transfer git-mirror`: copy the whole source by rsync afterwards
    #[arg(long, overrides_with = "no_rsync")]
    pub(super) rsync: bool,
    #[arg(long, hide = true, overrides_with = "rsync")]
    pub(super) no_rsync: bool,

    /// More words for rsync, such as '--exclude target'
    #[arg(long, value_name = "WORDS", allow_hyphen_values = true)]
    pub(super) rsync_args: Option<String>,

    /// Make worktrees below this directory instead of mng's own
    #[arg(long, value_name = "DIR")]
    pub(super) worktree_base_folder: Option<String>,

    /// Clone a git URL with this many commits
    #[arg(long, value_name = "N")]
    pub(super) depth: Option<u32>,

    /// Clone a git URL with the commits since this date
    #[arg(long, value_name = "DATE")]
    pub(super) shallow_since: Option<String>,

    #[arg(long, hide = true, overrides_with = "no_copy_work_dir")]
    pub(super) copy_work_dir: bool,
    #[arg(long, hide = true, overrides_with = "copy_work_dir")]
    pub(super) no_copy_work_dir: bool,
    #[arg(long, hide = true, overrides_with = "no_snapshot_source")]
    pub(super) snapshot_source: bool,
    #[arg(long, hide = true, overrides_with = "snapshot_source")]
    pub(super) no_snapshot_source: bool,
}

/// The agent's surroundings; `mng provision` takes these options too.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Environment and provisioning")]
pub(crate) struct SetupArgs {
    /// Set a variable for the agent; repeatable
    #[arg(long, alias = "agent-env", value_name = "KEY=VALUE", action = ArgAction::Append)]
    pub(super) env: Vec<String>,

    /// Read variables for the agent from a file of KEY=VALUE lines; repeatable
    #[arg(long, alias = "agent-env-file", value_name = "FILE", action = ArgAction::Append)]
    pub(super) env_file: Vec<PathBuf>,

    /// Pass a variable on from this shell, if it is set; repeatable
    #[arg(long, alias = "pass-agent-env", value_name = "NAME", action = ArgAction::Append)]
    pub(super) pass_env: Vec<String>,

    /// Run a shell line in the work dir before the agent starts; repeatable
    #[arg(long, alias = "user-command", value_name = "CMD", action = ArgAction::Append, allow_hyphen_values = true)]
    pub(super) extra_provision_command: Vec<String>,

    /// Run a shell line as root before those; repeatable
    #[arg(long, value_name = "CMD", action = ArgAction::Append, allow_hyphen_values = true)]
    pub(super) sudo_command: Vec<String>,

    /// Copy a file of this machine to the host; repeatable
    #[arg(long, value_name = "LOCAL:REMOTE", action = ArgAction::Append)]
    pub(super) upload_file: Vec<String>,

    /// Append text to a file on the host; repeatable
    #[arg(long, value_name = "FILE:TEXT", action = ArgAction::Append)]
    pub(super) append_to_file: Vec<String>,

    /// Put text in front of a file on the host; repeatable
    #[arg(long, value_name = "FILE:TEXT", action = ArgAction::Append)]
    pub(super) prepend_to_file: Vec<String>,

    /// Make a directory on the host; repeatable
    #[arg(long, value_name = "DIR", action = ArgAction::Append)]
    pub(super) create_directory: Vec<String>,
}

#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Behaviour")]
pub(super) struct BehaviourArgs {
    /// Use the agent of that name if there is one
    #[arg(long, overrides_with = "no_reuse")]
    pub(super) reuse: bool,
    #[arg(long, hide = true, overrides_with = "reuse")]
    pub(super) no_reuse: bool,

    /// With `--reuse`: stop that agent, bring it up to date with these options, start it again
    #[arg(long, overrides_with = "no_update")]
    pub(super) update: bool,
    #[arg(long, hide = true, overrides_with = "update")]
    pub(super) no_update: bool,

    /// Stream the output of a headless agent, which is destroyed when it ends
    #[arg(long)]
    pub(super) foreground: bool,

    #[arg(long, hide = true, alias = "start-host", overrides_with = "no_auto_start")]
    pub(super) auto_start: bool,
    /// Fail on a stopped host instead of starting it
    #[arg(long, alias = "no-start-host", overrides_with = "auto_start")]
    pub(super) no_auto_start: bool,

    #[arg(long, hide = true, overrides_with = "no_await_ready")]
    pub(super) await_ready: bool,
    /// Do not wait until the agent takes input
    #[arg(long, overrides_with = "await_ready")]
    pub(super) no_await_ready: bool,

    /// Longest wait for the agent to take input, in seconds
    #[arg(long, value_name = "SECONDS")]
    pub(super) ready_timeout: Option<f64>,

    /// Wait until the agent has ended; needs `--no-connect`
    #[arg(long, overrides_with = "no_await_agent_stopped")]
    pub(super) await_agent_stopped: bool,
    #[arg(long, hide = true, overrides_with = "await_agent_stopped")]
    pub(super) no_await_agent_stopped: bool,

    /// Answer yes to every question
    #[arg(short, long)]
    pub(super) yes: bool,
}

#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Message and connection")]
pub(super) struct ConnectionArgs {
    /// Write the first message in an editor while the agent is made
    #[arg(long)]
    pub(super) edit_message: bool,

    /// Text that `mng start` sends each time
    #[arg(long, value_name = "TEXT", conflicts_with = "resume_message_file", allow_hyphen_values = true)]
    pub(super) resume_message: Option<String>,

    /// A file with that text
    #[arg(long, value_name = "PATH")]
    pub(super) resume_message_file: Option<PathBuf>,

    /// Attach to the agent's terminal afterwards (the default on a terminal)
    #[arg(long, overrides_with = "no_connect")]
    pub(super) connect: bool,
    /// Leave the agent in the background
    #[arg(long, overrides_with = "connect")]
    pub(super) no_connect: bool,

    /// Run this shell line instead of attaching
    #[arg(long, value_name = "CMD", allow_hyphen_values = true)]
    pub(super) connect_command: Option<String>,

    #[arg(long, hide = true, overrides_with = "no_reconnect")]
    pub(super) reconnect: bool,
    #[arg(long, hide = true, overrides_with = "reconnect")]
    pub(super) no_reconnect: bool,
    #[arg(long, hide = true, value_name = "N")]
    pub(super) retry: Option<u32>,
    #[arg(long, hide = true, value_name = "DURATION")]
    pub(super) retry_delay: Option<String>,
    #[arg(long, hide = true, alias = "attach-command", value_name = "CMD", allow_hyphen_values = true)]
    pub(super) session_command: Option<String>,
}

#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Host")]
pub(super) struct HostArgs {
    /// Provider of the host; as `.PROVIDER` in the address
    #[arg(long, value_name = "NAME")]
    pub(super) provider: Option<String>,

    /// Make a new host for the agent, even if one of that name exists
    #[arg(long, value_name = "PROVIDER", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub(super) new_host: Option<String>,
    #[arg(long = "in", id = "in", hide = true, value_name = "PROVIDER")]
    pub(super) in_provider: Option<String>,

    /// Host to run on; as `@HOST` in the address
    #[arg(long, alias = "target-host", value_name = "HOST")]
    pub(super) host: Option<String>,

    /// Make a new host of this name
    #[arg(long, value_name = "NAME")]
    pub(super) host_name: Option<String>,

    /// Install tmux, git and rsync where a host of an ssh provider lacks them
    #[arg(long)]
    pub(super) install_packages: bool,

    /// Tag the host; repeatable
    #[arg(long, alias = "tag", value_name = "KEY=VALUE", action = ArgAction::Append)]
    pub(super) host_label: Vec<String>,
}
