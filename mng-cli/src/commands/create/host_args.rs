//! Options that say how a new host is made. Which of them were typed is all that an existing host wants to
//! know, so they are a table.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

/// Long name, old spellings, value, whether it is repeatable, help; hidden without help.
type Option = (&'static str, &'static [&'static str], &'static str, bool, &'static str);

const OPTIONS: [Option; 17] = [
    ("host-name-style", &[], "STYLE", false, "How a new host without a name is named"),
    ("image", &[], "IMAGE", false, "Image of the new host"),
    ("snapshot", &[], "NAME", false, "Make the host from this snapshot"),
    ("build-arg", &["build"], "ARG", true, "Argument for building the host, split like a shell does"),
    ("build-args", &[], "ARGS", false, ""),
    ("start-arg", &["start"], "ARG", true, "Argument for starting the host, split like a shell does"),
    ("start-args", &[], "ARGS", false, ""),
    ("host-env", &[], "KEY=VALUE", true, "Set a variable for everything on the host"),
    ("host-env-file", &[], "FILE", true, "Read such variables from a file"),
    ("pass-host-env", &[], "NAME", true, "Pass such a variable on from this shell"),
    ("known-host", &[], "LINE", true, "known_hosts line for ssh from the host"),
    ("authorized-key", &[], "KEY", true, "Public key that may log in to the host"),
    ("post-host-create-command", &[], "CMD", true, "Run in the new host before anything else"),
    ("post-host-create-outer-command", &[], "CMD", true, "Run on the machine that carries the host"),
    ("idle-timeout", &[], "DURATION", false, "Stop the host after this long without activity"),
    (
        "idle-mode",
        &[],
        "MODE",
        false,
        "What counts as activity: `io`, `user`, `agent`, `disabled` and others",
    ),
    ("activity-sources", &[], "LIST", false, "The same, as a comma-separated list of sources"),
];

/// The options, parsed and known by [`crate::args::Explicit`] alone.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct NewHostArgs;

impl Args for NewHostArgs {
    fn augment_args(command: Command) -> Command {
        let command = command.next_help_heading("New host");
        OPTIONS.iter().fold(command, |command, (long, aliases, value, is_list, help)| {
            let action = if *is_list { ArgAction::Append } else { ArgAction::Set };
            let mut arg = Arg::new(long.replace('-', "_"))
                .long(*long)
                .aliases(*aliases)
                .value_name(*value)
                .action(action)
                .allow_hyphen_values(true)
                .hide(help.is_empty());
            if !help.is_empty() {
                let repeatable = if *is_list { "; repeatable" } else { "" };
                arg = arg.help(format!("{help}{repeatable}"));
            }
            match *long {
                "build-arg" => arg = arg.short('b'),
                "start-arg" => arg = arg.short('s'),
                _ => {}
            }
            command.arg(arg)
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for NewHostArgs {
    fn from_arg_matches(_matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self)
    }

    fn update_from_arg_matches(&mut self, _matches: &ArgMatches) -> Result<(), clap::Error> {
        Ok(())
    }
}
