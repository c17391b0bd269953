use std::collections::BTreeSet;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

/// The options that a person typed, as opposed to those that settings or a template supplied. Flatten it
/// into the arguments of a command that must know the difference.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Explicit(BTreeSet<String>);

/// The hidden option through which the frame says what was typed.
const ID: &str = "explicit_options";

impl Explicit {
    pub(crate) fn new(ids: impl IntoIterator<Item = String>) -> Self {
        Self(ids.into_iter().collect())
    }

    /// Whether the option was typed. `name` is its long name with underscores (`connect` also stands for
    /// `--no-connect`).
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains(name) || self.0.contains(&format!("no_{name}"))
    }

    /// Everything that was typed, by long name. Positionals are among them, under their ids.
    pub(crate) fn long_names(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|id| id.replace('_', "-"))
    }

    /// The hidden option, for the frame to add to a command.
    pub(super) fn arg() -> Arg {
        Arg::new(ID).long("explicit-options").hide(true).action(ArgAction::Set).value_name("NAMES")
    }

    /// The argument that tells a second parse what the first one saw.
    pub(crate) fn as_word(&self) -> String {
        format!("--explicit-options={}", self.0.iter().cloned().collect::<Vec<_>>().join(","))
    }
}

/// Adds the hidden option to a command; the frame does so for every command.
pub(crate) fn augment(command: Command) -> Command {
    command.arg(Explicit::arg())
}

impl Args for Explicit {
    fn augment_args(command: Command) -> Command {
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        command
    }
}

impl FromArgMatches for Explicit {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        if let Ok(Some(names)) = matches.try_get_one::<String>(ID) {
            return Ok(Self::new(names.split(',').filter(|name| !name.is_empty()).map(str::to_owned)));
        }
        // Parsed without the frame: everything on the command line was typed.
        let typed = matches.ids().filter(|id| {
            matches.try_contains_id(id.as_str()).is_ok()
                && matches.value_source(id.as_str()) == Some(ValueSource::CommandLine)
        });
        Ok(Self::new(typed.map(|id| id.to_string())))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
