//! What is wrong with a command line, in our words.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, Command};
use mng_core::model::suggest::suggest;
use mng_core::{Error, ErrorClass};

use super::words::takes_value;

/// An error of the parser in our words. `command` is where options are suggested from.
pub(crate) fn usage_error(error: &clap::Error, command: Option<&Command>) -> Error {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) => Some(texts.join("', '")),
        _ => None,
    };
    let invalid = text(ContextKind::InvalidArg);
    let value = text(ContextKind::InvalidValue);
    let named = invalid.as_deref().map(bare_name);
    let message = match (error.kind(), named) {
        (ErrorKind::UnknownArgument, Some(word)) if word.starts_with('-') && word.len() > 1 => {
            return unknown_option(word, command);
        }
        (ErrorKind::UnknownArgument, Some(word)) => format!("Got an unexpected argument '{word}'."),
        (ErrorKind::InvalidValue | ErrorKind::TooFewValues | ErrorKind::WrongNumberOfValues, Some(name))
            if value.as_deref().is_none_or(str::is_empty) =>
        {
            format!("Option '{name}' needs a value.")
        }
        (ErrorKind::InvalidValue, Some(name)) => {
            let valid = match error.get(ContextKind::ValidValue) {
                Some(ContextValue::Strings(valid)) => valid.join("', '"),
                _ => String::new(),
            };
            format!("Invalid value for '{name}': '{}' is not one of '{valid}'.", value.unwrap_or_default())
        }
        (ErrorKind::ValueValidation, Some(name)) => {
            let value = value.unwrap_or_default();
            match std::error::Error::source(error) {
                Some(reason) => format!("Invalid value for '{name}': '{value}': {reason}"),
                None => format!("Invalid value for '{name}': '{value}'"),
            }
        }
        (ErrorKind::MissingRequiredArgument, Some(name)) => format!("Missing '{name}'."),
        (ErrorKind::ArgumentConflict, Some(name)) => {
            let prior = match error.get(ContextKind::PriorArg) {
                Some(ContextValue::String(prior)) => bare_name(prior).to_owned(),
                Some(ContextValue::Strings(prior)) => {
                    prior.iter().map(|name| bare_name(name)).collect::<Vec<_>>().join("' and '")
                }
                _ => "what was given before".to_owned(),
            };
            if prior == name {
                format!("'{name}' can be given only once.")
            } else {
                format!("'{name}' cannot be used with '{prior}'.")
            }
        }
        _ => {
            let rendered = error.to_string();
            let first = rendered.lines().next().unwrap_or_default();
            first.strip_prefix("error: ").unwrap_or(first).to_owned()
        }
    };
    Error::plain(ErrorClass::Usage, message)
}

/// `--label <KEY=VALUE>` without its value name.
fn bare_name(text: &str) -> &str {
    let name = text.split([' ', '=']).next().unwrap_or(text);
    name.trim_matches(['<', '>', '[', ']', '.'])
}

fn unknown_option(word: &str, command: Option<&Command>) -> Error {
    let longs = command.into_iter().flat_map(Command::get_arguments).filter(|arg| !arg.is_hide_set());
    let names = longs.flat_map(|arg| {
        let names = arg.get_long_and_visible_aliases().unwrap_or_default();
        names.into_iter().map(|name| format!("--{name}")).collect::<Vec<_>>()
    });
    let message = format!("No such option '{word}'.{}", candidates(word, names));
    Error::plain(ErrorClass::Usage, message)
}

/// A word that is no command. `after` completes "mng …" when a group's subcommand is meant.
pub(crate) fn unknown_command(word: &str, known: impl IntoIterator<Item = String>) -> Error {
    let message = format!("No such command '{word}'.{}", candidates(word, known.into_iter()));
    Error::plain(ErrorClass::Usage, message)
}

/// ` (Did you mean one of: 'list', 'ls'?)`, or nothing.
fn candidates(word: &str, known: impl Iterator<Item = String>) -> String {
    let near: Vec<String> = suggest(word, known).into_iter().map(|name| format!("'{name}'")).collect();
    match near.as_slice() {
        [] => String::new(),
        [one] => format!(" (Did you mean {one}?)"),
        several => format!(" (Did you mean one of: {}?)", several.join(", ")),
    }
}

/// `mng stop [OPTIONS] [AGENT]...`
pub(crate) fn synopsis(path: &str, command: &Command) -> String {
    let mut text = path.to_owned();
    if command.has_subcommands() {
        text.push_str(" COMMAND [OPTIONS]");
        return text;
    }
    text.push_str(" [OPTIONS]");
    for arg in command.get_positionals() {
        let name = value_name(arg);
        let many = matches!(arg.get_action(), ArgAction::Append)
            || arg.get_num_args().is_some_and(|range| range.max_values() > 1);
        let dots = if many { "..." } else { "" };
        let dashes = if arg.is_last_set() { "-- " } else { "" };
        if arg.is_required_set() {
            text.push_str(&format!(" {dashes}{name}{dots}"));
        } else {
            text.push_str(&format!(" [{dashes}{name}{dots}]"));
        }
    }
    text
}

/// What stands for the value of an argument.
pub(crate) fn value_name(arg: &Arg) -> String {
    match arg.get_value_names() {
        Some(names) => names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        None if takes_value(arg) => arg.get_id().as_str().to_uppercase(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser, ValueEnum};

    use super::*;

    #[derive(Clone, ValueEnum)]
    enum OnError {
        Abort,
        Continue,
    }

    #[derive(Parser)]
    #[command(name = "demo", disable_help_flag = true, no_binary_name = true)]
    struct Test {
        #[arg(value_name = "NEW-NAME")]
        name: String,
        #[arg(long)]
        running: bool,
        #[arg(long, alias = "secret")]
        plugin: Option<String>,
        #[arg(long, value_enum)]
        on_error: Option<OnError>,
        #[arg(long)]
        limit: Option<usize>,
        #[arg(long, conflicts_with = "running")]
        stopped: bool,
        #[arg(last = true)]
        rest: Vec<String>,
    }

    fn told(line: &str) -> String {
        let command = Test::command();
        match command.clone().try_get_matches_from(line.split_whitespace()) {
            Ok(_) => "fine".into(),
            Err(error) => usage_error(&error, Some(&command)).to_string(),
        }
    }

    #[test]
    fn each_mistake_is_named() {
        insta::assert_snapshot!([
            "x --runing", "x --plugn x", "x -z", "x --on-error foo", "x --on-error", "x --limit q", "", "x y",
            "x --running --stopped", "x --limit 1 --limit 2", "x --zzzzz", "x --running=3",
        ].map(told).join("\n"), @r"
        No such option '--runing'. (Did you mean one of: '--running', '--plugin'?)
        No such option '--plugn'. (Did you mean '--plugin'?)
        No such option '-z'.
        Invalid value for '--on-error': 'foo' is not one of 'abort', 'continue'.
        Option '--on-error' needs a value.
        Invalid value for '--limit': 'q': invalid digit found in string
        Missing 'NEW-NAME'.
        Got an unexpected argument 'y'.
        '--running' cannot be used with '--stopped'.
        '--limit' can be given only once.
        No such option '--zzzzz'.
        unexpected value '3' for '--running' found; no more were expected
        ");
    }

    #[test]
    fn the_synopsis_shows_what_must_be_there() {
        assert_eq!(synopsis("mng demo", &Test::command()), "mng demo [OPTIONS] NEW-NAME [-- REST...]");
    }

    #[test]
    fn near_commands_are_offered() {
        let known = ["list", "ls", "limit", "stop"].map(str::to_owned);
        assert_eq!(
            unknown_command("lst", known.into_iter()).to_string(),
            "No such command 'lst'. (Did you mean one of: 'list', 'ls'?)"
        );
    }
}
