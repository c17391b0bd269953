use std::path::PathBuf;

use clap::{ArgAction, Args};
use mng_core::settings::LogLevel;

// Options of every command. The frame adds them; no command flattens them. (No doc comment: it would
// replace the description of the command that they are added to.)
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Common")]
pub(crate) struct CommonArgs {
    /// How results are printed: `human`, `json`, `jsonl`, or a template such as '{name} {state}'
    #[arg(long, value_name = "FORMAT", default_value = "human", conflicts_with_all = ["json", "jsonl"])]
    pub(crate) format: String,

    /// As `--format json`
    #[arg(long, conflicts_with = "jsonl")]
    pub(crate) json: bool,

    /// As `--format jsonl`
    #[arg(long)]
    pub(crate) jsonl: bool,

    /// Print results only, no log lines and no status
    #[arg(short, long)]
    pub(crate) quiet: bool,

    /// Show more of what happens; twice for every detail
    #[arg(short, long, action = ArgAction::Count)]
    pub(crate) verbose: u8,

    /// Write the log to this file
    #[arg(long, value_name = "PATH")]
    pub(crate) log_file: Option<PathBuf>,

    /// Log every command that mng runs
    #[arg(long, overrides_with = "no_log_commands")]
    pub(crate) log_commands: bool,
    #[arg(long, hide = true, overrides_with = "log_commands")]
    pub(crate) no_log_commands: bool,

    /// Log what these commands print, too
    #[arg(long, overrides_with = "no_log_command_output")]
    pub(crate) log_command_output: bool,
    #[arg(long, hide = true, overrides_with = "log_command_output")]
    pub(crate) no_log_command_output: bool,

    /// Log the values of environment variables instead of `***`
    #[arg(long, overrides_with = "no_log_env_vars")]
    pub(crate) log_env_vars: bool,
    #[arg(long, hide = true, overrides_with = "log_env_vars")]
    pub(crate) no_log_env_vars: bool,

    /// Take this directory as the project instead of the one around the current directory
    #[arg(long, value_name = "DIR")]
    pub(crate) context: Option<PathBuf>,

    /// Never ask, page, or open a selector or an editor
    #[arg(long, visible_alias = "no-interactive", overrides_with = "interactive")]
    pub(crate) headless: bool,
    /// Ask even if `headless` is set
    #[arg(long, hide = true, overrides_with = "headless")]
    pub(crate) interactive: bool,

    /// Ask every provider, whatever is remembered of earlier answers
    #[arg(long)]
    pub(crate) safe: bool,

    /// Trust the keys of hosts that no known_hosts file has, and remember them
    #[arg(long, overrides_with = "no_allow_unknown_host")]
    pub(crate) allow_unknown_host: bool,
    #[arg(long, hide = true, overrides_with = "allow_unknown_host")]
    pub(crate) no_allow_unknown_host: bool,

    /// Switch a plugin on for this run; repeatable
    #[arg(long = "enable-plugin", visible_alias = "plugin", value_name = "NAME", action = ArgAction::Append)]
    pub(crate) enable_plugin: Vec<String>,

    /// Switch a plugin off for this run; repeatable
    #[arg(long, value_name = "NAME", action = ArgAction::Append)]
    pub(crate) disable_plugin: Vec<String>,

    /// Set a configuration key for this run, for example `-S prefix=test-`; repeatable
    #[arg(short = 'S', long = "setting", value_name = "KEY=VALUE", action = ArgAction::Append)]
    pub(crate) setting: Vec<String>,

    /// Show this page
    #[arg(short, long)]
    pub(crate) help: bool,
}

impl CommonArgs {
    /// What `--format` says, or the two short forms of it.
    pub(crate) fn format_text(&self) -> &str {
        match (self.json, self.jsonl) {
            (true, _) => "json",
            (_, true) => "jsonl",
            _ => &self.format,
        }
    }

    /// The console level that the flags ask for; `None` leaves it to `logging.console_level`.
    pub(crate) fn console_level(&self) -> Option<LogLevel> {
        match (self.quiet, self.verbose) {
            (true, _) => Some(LogLevel::None),
            (false, 0) => None,
            (false, 1) => Some(LogLevel::Debug),
            (false, _) => Some(LogLevel::Trace),
        }
    }
}
