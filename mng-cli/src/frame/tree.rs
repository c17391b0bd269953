//! The clap tree of one command, with what every command has.

use clap::{Args, Command};

use crate::args::{CommonArgs, augment_explicit};
use crate::cli::CommandSpec;

/// The clap command of a built-in one, ready to parse the words after its name.
pub(crate) fn build(spec: &CommandSpec) -> Command {
    finish((spec.args)(Command::new(spec.name)).aliases(spec.aliases.iter().copied()).hide(spec.is_hidden))
}

/// Adds to a command and its subcommands what every command has.
pub(crate) fn finish(command: Command) -> Command {
    let command = command.no_binary_name(true).disable_help_flag(true).disable_help_subcommand(true);
    finish_below(command)
}

fn finish_below(command: Command) -> Command {
    if command.has_subcommands() {
        // Options of a group stand behind its subcommand; the frame moves them there.
        return command.mut_subcommands(|below| finish_below(below.disable_help_flag(true)));
    }
    augment_explicit(CommonArgs::augment_args(command))
}

/// The command that has only the options of every command, for what stands before a command's name.
pub(crate) fn common_only() -> Command {
    CommonArgs::augment_args(Command::new("mng").disable_help_flag(true))
}
