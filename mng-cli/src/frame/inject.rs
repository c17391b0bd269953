//! Values of `[commands.NAME]` and of templates as words of the command line: so they go through the same
//! parser, and a wrong one is refused like a typed one.

use std::collections::BTreeMap;
use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue};
use clap::{Arg, ArgAction, Command};
use mng_core::model::suggest::did_you_mean;
use mng_core::settings::CommandParam;
use mng_core::{Error, ErrorClass};
use serde_json::Value;

use super::usage::usage_error;
use super::words::Reading;

/// Options that are needed before the settings are read, so settings cannot hold them.
const EARLY: &[&str] = &[
    "setting",
    "context",
    "allow_unknown_host",
    "no_allow_unknown_host",
    "enable_plugin",
    "disable_plugin",
    "help",
    "explicit_options",
];

/// A value that an option gets without being typed, and who says so.
#[derive(Clone, Debug, PartialEq)]
struct Param {
    value: Value,
    /// For messages: `` `commands.list.sort` (in ~/.mng/…/settings.toml, line 3) ``.
    source: String,
}

/// What stands in for the options of one command that were not typed: long names with `_`, and values.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Params(BTreeMap<String, Param>);

impl Params {
    /// The values of `[commands.KEY]`. `adjusted` are these after the create templates; what differs comes
    /// from one of them.
    pub(crate) fn new(key: &str, configured: &[CommandParam], adjusted: Vec<CommandParam>) -> Self {
        let entry = |param: CommandParam| {
            let source = if configured.contains(&param) {
                format!("`commands.{key}.{}` (in {})", param.name, param.origin)
            } else {
                format!("`{}` of a create template (in {})", param.name, param.origin)
            };
            (param.name.replace('-', "_"), Param { value: param.value, source })
        };
        Self(adjusted.into_iter().map(entry).collect())
    }

    /// The error of a parse, if a value from the settings is what the parser refused.
    pub(crate) fn blame(&self, error: &clap::Error, typed: &Reading<'_>) -> Option<Error> {
        let ContextValue::String(shown) = error.get(ContextKind::InvalidArg)? else { return None };
        let long = shown.split([' ', '=']).next()?.trim_start_matches('-');
        let is_typed =
            typed.items.iter().any(|item| item.arg.is_some_and(|arg| arg.get_long() == Some(long)));
        let param = self.0.get(&long.replace('-', "_")).filter(|_| !is_typed)?;
        Some(Error::hinted(
            ErrorClass::Config,
            format!("{}: {}", param.source, usage_error(error, None)),
            "`mng config list --show-origin` shows where each value comes from",
        ))
    }

    /// Parameters that the command does not have, as errors.
    ///
    /// `family` are all commands that share the parameters: those of a group such as `config`.
    pub(crate) fn unknown(&self, family: &[&Command], key: &str) -> Vec<Error> {
        let known = || {
            family
                .iter()
                .flat_map(|command| command.get_opts())
                .filter(|arg| !arg.is_hide_set())
                .filter_map(Arg::get_long)
        };
        let unknown = self.0.iter().filter(|(name, _)| {
            EARLY.contains(&name.as_str()) || family.iter().all(|command| option(command, name).is_none())
        });
        unknown
            .map(|(name, param)| {
                let message = if EARLY.contains(&name.as_str()) {
                    format!("{}: `{name}` cannot be set here: it is read before the settings", param.source)
                } else {
                    format!(
                        "{}: `mng {}` has no option `{}`",
                        param.source,
                        key.replace('_', " "),
                        flag(name)
                    )
                };
                let near = did_you_mean(name, known().map(|long| long.replace('-', "_")));
                let way_out = "MNG_ALLOW_UNKNOWN_CONFIG=1 ignores unknown keys".to_owned();
                Error::hinted(ErrorClass::Config, message, near.unwrap_or(way_out))
            })
            .collect()
    }

    /// The words to put before the typed ones. What was typed wins over a single value and comes after the
    /// items of a list; a value that contradicts something typed is left out.
    ///
    /// # Errors
    /// A value of a shape that the option cannot take.
    pub(crate) fn words(&self, command: &Command, typed: &Reading<'_>) -> Result<Vec<OsString>, Error> {
        let mut words = Vec::new();
        for (name, param) in &self.0 {
            let Some(arg) = option(command, name).filter(|_| !EARLY.contains(&name.as_str())) else {
                continue;
            };
            let is_list = matches!(arg.get_action(), ArgAction::Append);
            if (!is_list || name == "template") && is_typed(typed, arg) || contradicts(command, arg, typed) {
                continue;
            }
            push_words(&mut words, command, arg, name, param)?;
        }
        Ok(words)
    }
}

/// A string stands for a list of one, the empty string for an empty list.
fn listed(value: &Value) -> Option<Vec<Value>> {
    match value {
        Value::Null => Some(Vec::new()),
        Value::String(text) if text.is_empty() => Some(Vec::new()),
        Value::Array(items) => Some(items.clone()),
        Value::Object(_) => None,
        value => Some(vec![value.clone()]),
    }
}

fn flag(name: &str) -> String {
    format!("--{}", name.replace('_', "-"))
}

/// The option of a parameter, by its long name or an alias of it.
fn option<'a>(command: &'a Command, name: &str) -> Option<&'a Arg> {
    let long = name.replace('_', "-");
    command.get_opts().find(|arg| {
        arg.get_long() == Some(&long)
            || arg.get_all_aliases().is_some_and(|aliases| aliases.contains(&long.as_str()))
    })
}

/// The other half of `--x` and `--no-x`.
fn counterpart(id: &str) -> String {
    id.strip_prefix("no_").map_or_else(|| format!("no_{id}"), str::to_owned)
}

fn is_typed(typed: &Reading<'_>, arg: &Arg) -> bool {
    let id = arg.get_id().as_str();
    typed.has(id) || typed.has(&counterpart(id))
}

fn contradicts(command: &Command, arg: &Arg, typed: &Reading<'_>) -> bool {
    let conflicts = |one: &Arg, other: &str| {
        command.get_arg_conflicts_with(one).iter().any(|conflict| conflict.get_id().as_str() == other)
    };
    typed
        .items
        .iter()
        .filter_map(|item| item.arg)
        .any(|other| conflicts(arg, other.get_id().as_str()) || conflicts(other, arg.get_id().as_str()))
}

fn push_words(
    words: &mut Vec<OsString>,
    command: &Command,
    arg: &Arg,
    name: &str,
    param: &Param,
) -> Result<(), Error> {
    let long = arg.get_long().map_or_else(|| flag(name), |long| format!("--{long}"));
    let wrong = |expected: &str| {
        Error::hinted(
            ErrorClass::Config,
            format!("{}: expected {expected}, got {}", param.source, param.value),
            format!("`mng {} --help` describes `{long}`", command.get_name()),
        )
    };
    match arg.get_action() {
        ArgAction::SetTrue | ArgAction::SetFalse => {
            match as_bool(&param.value).ok_or_else(|| wrong("`true` or `false`"))? {
                Some(true) => words.push(long.into()),
                Some(false) => {
                    let other = counterpart(arg.get_id().as_str());
                    if option(command, &other).is_some() {
                        words.push(flag(&other).into());
                    }
                }
                None => {}
            }
        }
        ArgAction::Count => {
            let count = match &param.value {
                Value::Bool(is_on) => Some(u64::from(*is_on)),
                Value::String(text) => text.parse().ok(),
                value => value.as_u64(),
            };
            let count = count.filter(|count| *count < 10).ok_or_else(|| wrong("a small number"))?;
            words.extend((0..count).map(|_| OsString::from(&long)));
        }
        ArgAction::Append => {
            for item in &listed(&param.value).ok_or_else(|| wrong("a list of texts"))? {
                let item = as_text(item).ok_or_else(|| wrong("a list of texts"))?;
                words.push(format!("{long}={item}").into());
            }
        }
        _ => {
            let text = match &param.value {
                Value::Null => String::new(),
                value => as_text(value).ok_or_else(|| wrong("one value"))?,
            };
            // Empty: the option's own default again.
            if !text.is_empty() {
                words.push(format!("{long}={text}").into());
            }
        }
    }
    Ok(())
}

/// `None` inside: not set.
fn as_bool(value: &Value) -> Option<Option<bool>> {
    match value {
        Value::Null => Some(None),
        Value::Bool(value) => Some(Some(*value)),
        Value::Number(number) => match number.as_u64() {
            Some(0) => Some(Some(false)),
            Some(1) => Some(Some(true)),
            _ => None,
        },
        Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
            "" => Some(None),
            "1" | "true" | "yes" | "on" => Some(Some(true)),
            "0" | "false" | "no" | "off" => Some(Some(false)),
            _ => None,
        },
        _ => None,
    }
}

fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(value) => Some(value.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};
    use serde_json::json;

    use super::super::words::read;
    use super::*;

    #[derive(Parser)]
    #[command(name = "demo", disable_help_flag = true)]
    struct Test {
        #[arg(long)]
        sort: Option<String>,
        #[arg(long, action = ArgAction::Append)]
        env: Vec<String>,
        #[arg(long, overrides_with = "no_connect")]
        connect: bool,
        #[arg(long, hide = true, overrides_with = "connect")]
        no_connect: bool,
        #[arg(short, long, action = ArgAction::Count)]
        verbose: u8,
        #[arg(long, conflicts_with = "message_file")]
        message: Option<String>,
        #[arg(long)]
        message_file: Option<String>,
        #[arg(long, alias = "tag")]
        host_label: Option<String>,
    }

    fn words(params: Value, typed: &str) -> String {
        let command = Test::command();
        let typed: Vec<OsString> = typed.split_whitespace().map(OsString::from).collect();
        let reading = read(&command, &typed);
        let entry = |(name, value): (&String, &Value)| {
            let source = format!("`commands.demo.{name}` (in ~/x.toml)");
            (name.clone(), Param { value: value.clone(), source })
        };
        let set = Params(params.as_object().unwrap().iter().map(entry).collect());
        let unknown: Vec<String> =
            set.unknown(&[&command], "demo").iter().map(|e| format!("{e} ({})", e.hint().unwrap())).collect();
        if !unknown.is_empty() {
            return unknown.join("\n");
        }
        match set.words(&command, &reading) {
            Ok(words) => words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" "),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn what_is_typed_wins_and_lists_come_first() {
        assert_eq!(
            words(json!({"sort": "name", "env": ["A=1", "B=2"]}), "--env C=3"),
            "--env=A=1 --env=B=2 --sort=name"
        );
        assert_eq!(words(json!({"sort": "name"}), "--sort age"), "");
        assert_eq!(words(json!({"env": "A=1"}), ""), "--env=A=1");
        assert_eq!(words(json!({"env": "", "sort": ""}), ""), "");
        assert_eq!(words(json!({"tag": "x"}), ""), "--host-label=x");
    }

    #[test]
    fn both_halves_of_a_switch_are_one_parameter() {
        assert_eq!(words(json!({"connect": false}), ""), "--no-connect");
        assert_eq!(words(json!({"connect": "yes"}), ""), "--connect");
        assert_eq!(words(json!({"connect": false}), "--connect"), "");
        assert_eq!(words(json!({"no_connect": true}), ""), "--no-connect");
        assert_eq!(words(json!({"verbose": 2}), ""), "--verbose --verbose");
    }

    #[test]
    fn a_contradiction_with_something_typed_gives_way() {
        assert_eq!(words(json!({"message": "hi"}), "--message-file x"), "");
        assert_eq!(words(json!({"message_file": "x"}), "--message hi"), "");
    }

    #[test]
    fn wrong_values_name_their_key() {
        insta::assert_snapshot!([
            words(json!({"connect": "maybe"}), ""),
            words(json!({"sort": ["a"]}), ""),
            words(json!({"env": {"a": 1}}), ""),
            words(json!({"srot": "a"}), ""),
            words(json!({"context": "a"}), ""),
        ].join("\n"), @r#"
        `commands.demo.connect` (in ~/x.toml): expected `true` or `false`, got "maybe"
        `commands.demo.sort` (in ~/x.toml): expected one value, got ["a"]
        `commands.demo.env` (in ~/x.toml): expected a list of texts, got {"a":1}
        `commands.demo.srot` (in ~/x.toml): `mng demo` has no option `--srot` (did you mean `sort`?)
        `commands.demo.context` (in ~/x.toml): `context` cannot be set here: it is read before the settings (did you mean `connect`?)
        "#);
    }
}
