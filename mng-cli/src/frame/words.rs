//! Which word of a command line is what, read off the command tree without parsing: what was typed, where
//! the positionals are, which word is the value of which option.

use std::ffi::{OsStr, OsString};

use clap::{Arg, ArgAction, Command};

/// One thing on a command line.
#[derive(Clone, Debug)]
pub(crate) struct Item<'a> {
    /// The option, or the positional that takes the word; `None` for an option or word too many.
    pub(crate) arg: Option<&'a Arg>,
    pub(crate) value: Option<OsString>,
    /// Index of the first word it takes up.
    pub(crate) at: usize,
}

/// What the words are, and what the word after the last one would be.
#[derive(Debug)]
pub(crate) struct Reading<'a> {
    pub(crate) items: Vec<Item<'a>>,
    /// The last word is an option that still waits for its value.
    pub(crate) awaits: Option<&'a Arg>,
    /// Options may no longer come: after `--`, or within a command line of the agent.
    pub(crate) is_past_options: bool,
    /// How many positionals there are.
    pub(crate) positionals: usize,
}

impl<'a> Reading<'a> {
    /// The id of each option and positional that was typed.
    pub(crate) fn typed_ids(&self) -> impl Iterator<Item = &'a str> + use<'a, '_> {
        self.items.iter().filter_map(|item| item.arg).map(|arg| arg.get_id().as_str())
    }

    pub(crate) fn has(&self, id: &str) -> bool {
        self.typed_ids().any(|typed| typed == id)
    }

    /// The values of an option, in the order typed.
    pub(crate) fn values(&self, id: &str) -> impl Iterator<Item = &OsStr> {
        let of_id = move |item: &&Item<'a>| item.arg.is_some_and(|arg| arg.get_id().as_str() == id);
        self.items.iter().filter(of_id).filter_map(|item| item.value.as_deref())
    }

    /// The last value of an option, as text.
    pub(crate) fn value(&self, id: &str) -> Option<&str> {
        self.values(id).last().and_then(OsStr::to_str)
    }
}

/// Whether an option takes a value.
pub(crate) fn takes_value(arg: &Arg) -> bool {
    match arg.get_action() {
        ArgAction::Set | ArgAction::Append => arg.get_num_args().is_none_or(|range| range.takes_values()),
        _ => false,
    }
}

/// Whether an option may stand without its value.
fn has_optional_value(arg: &Arg) -> bool {
    arg.get_num_args().is_some_and(|range| range.min_values() == 0)
}

fn long_option<'a>(command: &'a Command, name: &str) -> Option<&'a Arg> {
    command.get_arguments().find(|arg| {
        arg.get_long() == Some(name) || arg.get_all_aliases().is_some_and(|aliases| aliases.contains(&name))
    })
}

fn short_option(command: &Command, letter: char) -> Option<&Arg> {
    command.get_arguments().find(|arg| {
        arg.get_short() == Some(letter)
            || arg.get_all_short_aliases().is_some_and(|aliases| aliases.contains(&letter))
    })
}

/// The positional that takes the word number `index`.
pub(crate) fn positional(command: &Command, index: usize) -> Option<&Arg> {
    let mut seen = 0;
    for arg in command.get_positionals() {
        let most = arg.get_num_args().map_or_else(
            || if matches!(arg.get_action(), ArgAction::Append) { usize::MAX } else { 1 },
            |range| range.max_values(),
        );
        let most = if matches!(arg.get_action(), ArgAction::Append) { usize::MAX } else { most };
        if index < most.saturating_add(seen) {
            return Some(arg);
        }
        seen = seen.saturating_add(most);
    }
    None
}

/// Reads the words after the name of a command that has no subcommands.
pub(crate) fn read<'a>(command: &'a Command, words: &[OsString]) -> Reading<'a> {
    let mut reading = Reading { items: Vec::new(), awaits: None, is_past_options: false, positionals: 0 };
    let mut at = 0;
    while at < words.len() {
        let text = words[at].to_string_lossy();
        if !reading.is_past_options && text == "--" {
            reading.is_past_options = true;
            at += 1;
        } else if !reading.is_past_options && text.starts_with("--") {
            at += long(command, words, at, &text[2..], &mut reading);
        } else if !reading.is_past_options && text.len() > 1 && text.starts_with('-') {
            at += cluster(command, words, at, &text[1..], &mut reading);
        } else {
            let arg = positional(command, reading.positionals);
            // What stands behind `--` only is no place for this word.
            let arg = arg.filter(|arg| reading.is_past_options || !arg.is_last_set());
            reading.is_past_options |= arg.is_some_and(Arg::is_trailing_var_arg_set);
            reading.items.push(Item { arg, value: Some(words[at].clone()), at });
            reading.positionals += 1;
            at += 1;
        }
    }
    reading
}

fn long<'a>(
    command: &'a Command,
    words: &[OsString],
    at: usize,
    text: &str,
    reading: &mut Reading<'a>,
) -> usize {
    let (name, attached) = match text.split_once('=') {
        Some((name, value)) => (name, Some(OsString::from(value))),
        None => (text, None),
    };
    let arg = long_option(command, name);
    let (value, words) = match (arg, attached) {
        (Some(arg), None) if takes_value(arg) => next_value(arg, words, at, reading),
        (_, attached) => (attached, 1),
    };
    reading.items.push(Item { arg, value, at });
    words
}

fn cluster<'a>(
    command: &'a Command,
    words: &[OsString],
    at: usize,
    text: &str,
    reading: &mut Reading<'a>,
) -> usize {
    let mut taken = 1;
    for (index, letter) in text.char_indices() {
        let Some(arg) = short_option(command, letter) else {
            reading.items.push(Item { arg: None, value: None, at });
            break;
        };
        if !takes_value(arg) {
            reading.items.push(Item { arg: Some(arg), value: None, at });
            continue;
        }
        let rest = &text[index + letter.len_utf8()..];
        let (value, count) = if rest.is_empty() {
            next_value(arg, words, at, reading)
        } else {
            (Some(OsString::from(rest.strip_prefix('=').unwrap_or(rest))), 1)
        };
        taken = count;
        reading.items.push(Item { arg: Some(arg), value, at });
        break;
    }
    taken
}

/// The value in the next word, and how many words option and value take up.
fn next_value<'a>(
    arg: &'a Arg,
    words: &[OsString],
    at: usize,
    reading: &mut Reading<'a>,
) -> (Option<OsString>, usize) {
    if arg.is_require_equals_set() {
        return (None, 1);
    }
    match words.get(at + 1) {
        Some(next) if has_optional_value(arg) && next.to_string_lossy().starts_with('-') => (None, 1),
        Some(next) => (Some(next.clone()), 2),
        None => {
            reading.awaits = Some(arg);
            (None, 1)
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Test {
        names: Vec<String>,
        #[arg(short, long, visible_alias = "lbl", action = ArgAction::Append)]
        label: Vec<String>,
        #[arg(short, long, action = ArgAction::Count)]
        verbose: u8,
        #[arg(short, long)]
        quiet: bool,
        #[arg(long, num_args = 0..=1)]
        maybe: Option<String>,
        #[arg(last = true)]
        rest: Vec<String>,
    }

    fn shown(line: &str) -> String {
        let command = <Test as clap::CommandFactory>::command();
        let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        let reading = read(&command, &words);
        let mut shown: Vec<String> = reading
            .items
            .iter()
            .map(|item| {
                let id = item.arg.map_or("?", |arg| arg.get_id().as_str());
                item.value
                    .as_ref()
                    .map_or_else(|| id.into(), |value| format!("{id}={}", value.to_string_lossy()))
            })
            .collect();
        shown.extend(reading.awaits.map(|arg| format!("awaits {}", arg.get_id())));
        shown.join(" ")
    }

    #[test]
    fn every_spelling_of_an_option_is_seen() {
        assert_eq!(
            shown("a --label k=v -lx=y -l z --lbl=w b"),
            "names=a label=k=v label=x=y label=z label=w names=b"
        );
        assert_eq!(shown("-vvq -vl x"), "verbose verbose quiet verbose label=x");
        assert_eq!(shown("--nope -z a"), "? ? names=a");
    }

    #[test]
    fn a_value_is_no_option_and_no_positional() {
        assert_eq!(shown("--label --quiet a"), "label=--quiet names=a");
        assert_eq!(shown("--maybe --quiet --maybe x"), "maybe quiet maybe=x");
        assert_eq!(shown("--label"), "label awaits label");
    }

    #[test]
    fn nothing_is_an_option_after_two_dashes() {
        assert_eq!(shown("a -q -- -q --label"), "names=a quiet names=-q names=--label");
        assert_eq!(shown("- -q"), "names=- quiet");
    }
}
