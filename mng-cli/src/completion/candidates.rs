//! From a command line to its candidates.

use std::ffi::OsString;

use clap::{Arg, ArgAction, Command};

use super::keys;
use super::kind::{Kind, kind_of};
use super::world::World;
use crate::cli::{self, CommandSpec};
use crate::frame::{self, Reading, takes_value};
use crate::help::summary;

/// A word that could stand at the cursor.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Candidate {
    pub(super) value: String,
    pub(super) help: String,
}

impl Candidate {
    pub(super) fn new(value: impl Into<String>, help: impl Into<String>) -> Self {
        Self { value: value.into(), help: help.into() }
    }
}

/// What the shell is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Words(Vec<Candidate>),
    /// Paths, which the shell knows better.
    Files,
}

/// The candidates for the word `current` after the finished words `before`.
pub(super) fn complete(before: &[String], current: &str, world: &impl World) -> Answer {
    let words: Vec<OsString> = before.iter().map(OsString::from).collect();
    let common = frame::common_only();
    let reading = frame::read(&common, &words);
    if let Some(arg) = reading.awaits {
        return value(&["mng"], arg, "", current, world);
    }
    let Some(first) = reading.items.iter().find(|item| item.arg.is_none()).map(|item| item.at) else {
        return top_level(&common, &reading, current, world);
    };
    let Some(root) = root(&before[first], world) else { return Answer::Words(Vec::new()) };
    in_command(&root, &words[first + 1..], current, world)
}

fn root(word: &str, world: &impl World) -> Option<Command> {
    cli::find(word).map(frame::build).or_else(|| world.plugin_command(word).map(frame::finish))
}

/// The first word: an option of every command, or a command.
fn top_level(common: &Command, reading: &Reading<'_>, current: &str, world: &impl World) -> Answer {
    if current.starts_with('-') {
        let mut found = options(common, reading, current);
        found.extend(matching(vec![Candidate::new("--version", "Show the version")], current));
        return attached_value(&["mng"], common, current, world).unwrap_or(Answer::Words(found));
    }
    let visible = cli::COMMANDS.iter().filter(|spec| !spec.is_hidden);
    let mut found: Vec<Candidate> = visible.filter_map(|spec| named(spec, current)).collect();
    found.extend(matching(world.other_commands(), current));
    found.sort();
    Answer::Words(found)
}

/// The command's name, or an alias where only that matches.
fn named(spec: &CommandSpec, current: &str) -> Option<Candidate> {
    let mut names = std::iter::once(&spec.name).chain(spec.aliases);
    let name = names.find(|name| name.starts_with(current))?;
    Some(Candidate::new(*name, spec.summary()))
}

fn in_command(root: &Command, words: &[OsString], current: &str, world: &impl World) -> Answer {
    let mut command = root;
    let mut path = vec![root.get_name()];
    let mut words = words.to_vec();
    let common = frame::common_only();
    while command.has_subcommands() {
        let reading = frame::read(&common, &words);
        let Some(at) = reading.items.iter().find(|item| item.arg.is_none()).map(|item| item.at) else {
            return match reading.awaits {
                Some(arg) => value(&path, arg, "", current, world),
                None if current.starts_with('-') => Answer::Words(options(&common, &reading, current)),
                None => Answer::Words(subcommands(command, current)),
            };
        };
        let Some(next) = command.find_subcommand(&words[at]) else { return Answer::Words(Vec::new()) };
        words.remove(at);
        command = next;
        path.push(next.get_name());
    }
    let reading = frame::read(command, &words);
    if let Some(arg) = reading.awaits {
        return value(&path, arg, "", current, world);
    }
    if current.starts_with('-') && !reading.is_past_options {
        return attached_value(&path, command, current, world)
            .unwrap_or_else(|| Answer::Words(options(command, &reading, current)));
    }
    if path == ["help"] {
        let typed: Vec<String> =
            reading.values("words").map(|word| word.to_string_lossy().into_owned()).collect();
        return Answer::Words(help_subjects(&typed, current, world));
    }
    match frame::positional(command, reading.positionals) {
        Some(arg) if !arg.is_last_set() || reading.is_past_options => {
            positional(&path, arg, &reading, current, world)
        }
        _ => Answer::Words(Vec::new()),
    }
}

fn subcommands(command: &Command, current: &str) -> Vec<Candidate> {
    let visible = command.get_subcommands().filter(|below| !below.is_hide_set());
    let mut found: Vec<Candidate> = visible
        .filter_map(|below| {
            let mut names = std::iter::once(below.get_name()).chain(below.get_all_aliases());
            let name = names.find(|name| name.starts_with(current))?;
            Some(Candidate::new(name, summary(below)))
        })
        .collect();
    found.sort();
    found
}

/// Long options that can still be given.
fn options(command: &Command, reading: &Reading<'_>, current: &str) -> Vec<Candidate> {
    let mut found = Vec::new();
    for arg in command.get_opts() {
        let is_negation = arg.get_id().as_str().starts_with("no_") && current.starts_with("--no");
        let is_spent = reading.has(arg.get_id().as_str())
            && !matches!(arg.get_action(), ArgAction::Append | ArgAction::Count);
        if (arg.is_hide_set() && !is_negation) || is_spent {
            continue;
        }
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let names = arg.get_long_and_visible_aliases().unwrap_or_default().into_iter();
        if let Some(name) = names.map(|name| format!("--{name}")).find(|name| name.starts_with(current)) {
            found.push(Candidate::new(name, help));
        }
    }
    found.sort();
    found
}

/// `--option=val`: the values with the option before them.
fn attached_value(path: &[&str], command: &Command, current: &str, world: &impl World) -> Option<Answer> {
    let (name, text) = current.strip_prefix("--")?.split_once('=')?;
    let arg = command.get_opts().find(|arg| {
        arg.get_long() == Some(name) || arg.get_all_aliases().is_some_and(|aliases| aliases.contains(&name))
    })?;
    takes_value(arg).then(|| value(path, arg, &format!("--{name}="), text, world))
}

fn positional(path: &[&str], arg: &Arg, reading: &Reading<'_>, current: &str, world: &impl World) -> Answer {
    let kind = kind_of(path, arg);
    if kind == Kind::SettingsValue {
        let key = reading.value("key").unwrap_or_default();
        return Answer::Words(matching(keys::values(&world.settings_keys(), key), current));
    }
    let Answer::Words(mut found) = of_kind(kind, arg, "", current, world) else { return Answer::Files };
    // Naming an agent twice is never meant.
    let typed: Vec<_> = reading.values(arg.get_id().as_str()).collect();
    found.retain(|candidate| !typed.iter().any(|typed| *typed == candidate.value.as_str()));
    Answer::Words(found)
}

fn value(path: &[&str], arg: &Arg, prefix: &str, current: &str, world: &impl World) -> Answer {
    of_kind(kind_of(path, arg), arg, prefix, current, world)
}

/// The candidates of a kind that begin with `current`, with `prefix` before each.
fn of_kind(kind: Kind, arg: &Arg, prefix: &str, current: &str, world: &impl World) -> Answer {
    let plain =
        |values: Vec<String>| values.into_iter().map(|value| Candidate::new(value, "")).collect::<Vec<_>>();
    let all = match kind {
        Kind::Files => return Answer::Files,
        Kind::Unknown | Kind::SettingsValue => Vec::new(),
        Kind::Choices => {
            let choices = arg.get_possible_values();
            choices
                .iter()
                .filter(|choice| !choice.is_hide_set())
                .map(|choice| {
                    let help = choice.get_help().map(ToString::to_string).unwrap_or_default();
                    Candidate::new(choice.get_name(), help)
                })
                .collect()
        }
        Kind::Format => plain(["human", "json", "jsonl"].map(str::to_owned).to_vec()),
        Kind::Agents => plain(world.agents()),
        Kind::AgentsAndHosts => {
            let mut all = plain(world.agents());
            // Hosts only where one is asked for: most hosts have names nobody types.
            if current.starts_with('@') {
                all = plain(world.hosts().into_iter().map(|host| format!("@{host}")).collect());
            }
            all
        }
        Kind::Hosts => plain(world.hosts()),
        Kind::AgentTypes => plain(world.agent_types()),
        Kind::Templates => plain(world.templates()),
        Kind::Providers => plain(world.providers()),
        Kind::Plugins => plain(world.plugins()),
        Kind::Branches => plain(world.branches()),
        Kind::SettingsKey => keys::next_segments(&world.settings_keys(), current),
        Kind::Assignment => match current.split_once('=') {
            Some((key, text)) => {
                let values = matching(keys::values(&world.settings_keys(), key), text);
                values
                    .into_iter()
                    .map(|value| Candidate::new(format!("{key}={}", value.value), value.help))
                    .collect()
            }
            None => keys::next_segments(&world.settings_keys(), current)
                .into_iter()
                .map(|key| match key.value.ends_with('.') {
                    true => key,
                    false => Candidate::new(format!("{}=", key.value), key.help),
                })
                .collect(),
        },
    };
    let mut found = matching(all, current);
    for candidate in &mut found {
        candidate.value.insert_str(0, prefix);
    }
    found.sort();
    found.dedup();
    Answer::Words(found)
}

/// Commands, the subcommands of those typed, and topics.
fn help_subjects(typed: &[String], current: &str, world: &impl World) -> Vec<Candidate> {
    if let Some((first, rest)) = typed.split_first() {
        let Some(root) = root(first, world) else { return Vec::new() };
        let command = rest.iter().try_fold(&root, |command, word| command.find_subcommand(word));
        return command.map(|command| subcommands(command, current)).unwrap_or_default();
    }
    let mut found: Vec<Candidate> = cli::COMMANDS.iter().filter_map(|spec| named(spec, current)).collect();
    for topic in crate::help::TOPICS {
        let mut names = std::iter::once(&topic.name).chain(topic.aliases);
        if let Some(name) = names.find(|name| name.starts_with(current)) {
            found.push(Candidate::new(*name, topic.summary));
        }
    }
    found.sort();
    found
}

fn matching(candidates: Vec<Candidate>, current: &str) -> Vec<Candidate> {
    candidates.into_iter().filter(|candidate| candidate.value.starts_with(current)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::world::SettingsKey;
    use super::*;

    struct Some3;

    impl World for Some3 {
        fn agents(&self) -> Vec<String> {
            ["alpha", "beta", "list"].map(str::to_owned).to_vec()
        }
        fn hosts(&self) -> Vec<String> {
            vec!["localhost".into()]
        }
        fn agent_types(&self) -> Vec<String> {
            vec!["command".into()]
        }
        fn templates(&self) -> Vec<String> {
            vec!["box".into()]
        }
        fn providers(&self) -> Vec<String> {
            vec!["local".into()]
        }
        fn plugins(&self) -> Vec<String> {
            vec!["command".into(), "local".into()]
        }
        fn branches(&self) -> Vec<String> {
            vec!["main".into()]
        }
        fn other_commands(&self) -> Vec<Candidate> {
            vec![Candidate::new("liftoff", "")]
        }
        fn plugin_command(&self, _: &str) -> Option<Command> {
            None
        }
        fn settings_keys(&self) -> Vec<SettingsKey> {
            let key = |name: &str, choices: &[&str]| SettingsKey {
                name: name.into(),
                description: String::new(),
                choices: choices.iter().map(|choice| (*choice).to_owned()).collect(),
            };
            vec![key("headless", &["true", "false"]), key("retry.times", &[]), key("retry.delay", &[])]
        }
    }

    /// The candidates for a line; the last word is the one at the cursor.
    fn shown(line: &str) -> String {
        let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let current = words.pop().unwrap();
        match complete(&words, &current, &Some3) {
            Answer::Files => ":files".into(),
            Answer::Words(found) => {
                found.into_iter().map(|candidate| candidate.value).collect::<Vec<_>>().join(" ")
            }
        }
    }

    #[test]
    fn the_first_word_is_a_command_or_an_alias_that_alone_matches() {
        assert_eq!(shown("li"), "liftoff limit list");
        assert_eq!(shown("lim"), "limit");
        assert_eq!(shown("-q mv"), "mv");
        assert_eq!(shown("--vers"), "--version");
        assert_eq!(shown("--form"), "--format");
        assert_eq!(shown("--context "), ":files");
    }

    #[test]
    fn options_that_are_spent_or_hidden_are_left_out() {
        assert_eq!(shown("stop --ag"), "--agent");
        assert_eq!(shown("stop --agent a --ag"), "--agent");
        assert_eq!(shown("stop --dry-run --dry"), "");
        assert_eq!(shown("exec --no-st"), "--no-start --no-stream");
        assert_eq!(shown("exec --on-error "), "abort continue");
        assert_eq!(shown("exec --on-error=c"), "--on-error=continue");
        assert_eq!(shown("stop -- --dry"), "");
    }

    #[test]
    fn agents_stand_where_agents_belong_and_only_once() {
        assert_eq!(shown("stop "), "alpha beta list");
        assert_eq!(shown("stop alpha "), "beta list");
        assert_eq!(shown("stop list a"), "alpha");
        assert_eq!(shown("--format json stop al"), "alpha");
        assert_eq!(shown("rename b"), "beta");
        assert_eq!(shown("rename beta x"), "");
        assert_eq!(shown("logs @l"), "@localhost");
    }

    #[test]
    fn settings_open_by_segment_and_end_in_values() {
        assert_eq!(shown("stop -S re"), "retry.");
        assert_eq!(shown("stop -S retry."), "retry.delay= retry.times=");
        assert_eq!(shown("stop -S head"), "headless=");
        assert_eq!(shown("stop -S headless=t"), "headless=true");
        assert_eq!(shown("stop --setting=headless=f"), "--setting=headless=false");
    }

    #[test]
    fn help_knows_topics_and_commands() {
        assert_eq!(shown("help ad"), "address");
        assert_eq!(shown("help stop "), "");
    }

    #[test]
    fn nonsense_has_no_candidates() {
        for line in ["nope ", "nope --x", "stop --nope=", "stop --dry-run=", "--", "-"] {
            shown(line);
        }
        assert_eq!(shown("nope "), "");
    }
}
