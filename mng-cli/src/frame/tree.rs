//! The clap tree of one command, with what every command has and what plugins add.

use std::collections::BTreeSet;

use clap::{Args, Command};
use mng_core::plugins::{ExtraArgs, Linked, Plugin, Registry};

use crate::args::{CommonArgs, augment_explicit};
use crate::cli::CommandSpec;

/// The clap command of a built-in one, ready to parse the words after its name, with the options of the
/// plugins that are on unless a file says otherwise.
pub(crate) fn build(spec: &CommandSpec) -> Command {
    build_with(spec, &default_extras())
}

/// As [`build`], with these options of plugins.
fn build_with(spec: &CommandSpec, extras: &[ExtraArgs]) -> Command {
    let command =
        (spec.args)(Command::new(spec.name)).aliases(spec.aliases.iter().copied()).hide(spec.is_hidden);
    finish(extended(command, spec.name, extras))
}

/// The command with the options of the plugins that are on, where these are others than by default.
pub(crate) fn rebuilt(spec: &CommandSpec, registry: &Registry) -> Option<Command> {
    let ids = |extras: &[ExtraArgs]| -> BTreeSet<String> {
        extras
            .iter()
            .flat_map(|extra| extra.args.iter().map(|arg| format!("{} {}", extra.command, arg.get_id())))
            .collect()
    };
    let enabled = extras(registry.enabled().map(|enabled| enabled.plugin.as_ref()));
    (ids(&enabled) != ids(&default_extras())).then(|| build_with(spec, &enabled))
}

/// The options that plugins add to commands.
fn extras<'a>(plugins: impl Iterator<Item = &'a dyn Plugin>) -> Vec<ExtraArgs> {
    plugins.flat_map(Plugin::extra_args).collect()
}

fn default_extras() -> Vec<ExtraArgs> {
    let linked = Linked::collect().map(|linked| linked.iter().collect::<Vec<_>>()).unwrap_or_default();
    let plugins: Vec<_> =
        linked.into_iter().filter(|plugin| plugin.default_enabled).map(|plugin| (plugin.make)()).collect();
    extras(plugins.iter().map(AsRef::as_ref))
}

/// Adds options to a command or, by the names joined with `_`, to its subcommands. An option that is there
/// already stays as it is: a plugin cannot take over what a person knows.
fn extended(mut command: Command, key: &str, extras: &[ExtraArgs]) -> Command {
    for extra in extras.iter().filter(|extra| extra.command == key) {
        for arg in &extra.args {
            let is_taken = command.get_arguments().any(|known| {
                known.get_id() == arg.get_id()
                    || (known.get_long().is_some() && known.get_long() == arg.get_long())
                    || (known.get_short().is_some() && known.get_short() == arg.get_short())
            });
            if !is_taken {
                command = command.arg(arg.clone().help_heading(extra.heading));
            }
        }
    }
    let is_extended = |below: &Command| {
        let key = format!("{key}_{}", below.get_name());
        extras.iter().any(|extra| extra.command == key)
    };
    let names: Vec<String> = command
        .get_subcommands()
        .filter(|below| is_extended(below))
        .map(|below| below.get_name().to_owned())
        .collect();
    for name in names {
        let below_key = format!("{key}_{name}");
        command = command.mut_subcommand(name, |below| extended(below, &below_key, extras));
    }
    command
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
    // Given twice, an option has its later value: it may stand before the command's name and behind it.
    augment_explicit(CommonArgs::augment_args(command)).args_override_self(true)
}

/// The command that has only the options of every command, for what stands before a command's name.
pub(crate) fn common_only() -> Command {
    CommonArgs::augment_args(Command::new("mng").disable_help_flag(true))
}

#[cfg(test)]
mod tests {
    use clap::Arg;

    use super::*;

    #[test]
    fn plugins_add_options_but_take_none() {
        let root = Command::new("group").subcommand(Command::new("list").arg(Arg::new("sort").long("sort")));
        let extra = ExtraArgs {
            command: "group_list",
            heading: "Acme",
            args: vec![Arg::new("acme").long("acme"), Arg::new("mine").long("sort")],
        };
        let root = finish(extended(root, "group", &[extra]));
        let list = root.find_subcommand("list").unwrap();
        let acme = list.get_arguments().find(|arg| arg.get_id() == "acme").unwrap();
        assert_eq!(acme.get_help_heading(), Some("Acme"));
        assert!(list.get_arguments().all(|arg| arg.get_id() != "mine"));
        root.debug_assert();
    }
}
