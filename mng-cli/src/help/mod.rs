//! Help pages: of commands, from their clap trees; of topics, from `docs/`.

mod command;
mod markdown;
mod overview;
mod page;
mod pager;
mod topics;

use clap::Command;
use mng_core::model::order;
use mng_core::plugins::{HelpTopic, Linked};
use mng_core::settings::EnvSnapshot;

use crate::cli;
use crate::exit::{CliResult, ExitCode};
use crate::frame::{self, EarlyOptions, Invocation};
use crate::ui::{Console, Ui};

pub(crate) use command::summary;
pub(crate) use overview::commands as command_summaries;
pub(crate) use topics::TOPICS;

/// Where a page goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Channel {
    Stdout,
    /// Because nobody asked for it: the command line was empty.
    Stderr,
}

/// The page of `mng help`: every command and topic.
pub(crate) fn overview(ui: &mut Ui, env: &EnvSnapshot, channel: Channel) -> CliResult {
    let has_colours = match channel {
        Channel::Stdout => ui.terminal().has_colours_on_stdout,
        Channel::Stderr => ui.terminal().has_colours_on_stderr,
    };
    let text = overview::page(ui.terminal().text_width(), has_colours, &all_topics());
    match channel {
        Channel::Stdout => pager::show(ui, env, &text)?,
        Channel::Stderr => Console::line(ui.console(), text.trim_end()),
    }
    Ok(ExitCode::SUCCESS)
}

/// The page of one command or group.
pub(crate) fn command_page(ui: &mut Ui, env: &EnvSnapshot, called: &str, command: &Command) -> CliResult {
    let words: Vec<&str> = called.split(' ').skip(1).collect();
    let invocation = Invocation::new(env.clone(), EarlyOptions::default());
    let configured = invocation.map(|invocation| invocation.configured(&frame::settings_key(&words)));
    let terminal = ui.terminal();
    let text = command::page(
        called,
        command,
        &configured.unwrap_or_default(),
        terminal.text_width(),
        terminal.has_colours_on_stdout,
    );
    pager::show(ui, env, &text)?;
    Ok(ExitCode::SUCCESS)
}

/// The page of a topic: as it is in a pipe, styled on a terminal.
pub(crate) fn topic_page(ui: &mut Ui, env: &EnvSnapshot, topic: &HelpTopic) -> CliResult {
    let body = topics::with_absolute_links(topic.body);
    let text = if ui.terminal().is_stdout {
        markdown::render(&body, ui.terminal().text_width(), ui.terminal().has_colours_on_stdout)
    } else {
        body
    };
    pager::show(ui, env, &text)?;
    Ok(ExitCode::SUCCESS)
}

/// All pages, one after the other, as they are in a pipe: what a model is told.
pub(crate) fn manual() -> String {
    const WIDTH: usize = 100;
    let topics = all_topics();
    let mut text = overview::page(WIDTH, false, &topics);
    for spec in cli::COMMANDS.iter().filter(|spec| !spec.is_hidden) {
        let root = frame::build(spec);
        let called = format!("mng {}", root.get_name());
        let mut pages = vec![command::page(&called, &root, &[], WIDTH, false)];
        for below in root.get_subcommands().filter(|below| !below.is_hide_set()) {
            pages.push(command::page(&format!("{called} {}", below.get_name()), below, &[], WIDTH, false));
        }
        for page in pages {
            text.push_str("\n----\n\n");
            text.push_str(&page);
        }
    }
    for topic in topics {
        text.push_str("\n----\n\n");
        text.push_str(topic.body);
    }
    text
}

/// What the words after `mng help` name.
pub(crate) enum Subject {
    /// `mng snapshot create` and its command.
    Command {
        called: String,
        command: Box<Command>,
    },
    Topic(HelpTopic),
}

/// Finds a command (aliases too, subcommands too) or a topic; commands win.
pub(crate) fn find(words: &[String]) -> Option<Subject> {
    let (first, rest) = words.split_first()?;
    if let Some(root) = command_named(first) {
        let mut command = &root;
        let mut called = format!("mng {}", root.get_name());
        for word in rest {
            command = command.find_subcommand(word)?;
            called = format!("{called} {}", command.get_name());
        }
        return Some(Subject::Command { called, command: Box::new(command.clone()) });
    }
    let name = words.join("_");
    let wanted = [name.replace('-', "_"), name];
    all_topics()
        .into_iter()
        .find(|topic| wanted.iter().any(|name| topic.name == name || topic.aliases.contains(&name.as_str())))
        .map(Subject::Topic)
}

fn command_named(word: &str) -> Option<Command> {
    if let Some(spec) = cli::find(word) {
        return Some(frame::build(spec));
    }
    let commands = plugins().into_iter().flat_map(|plugin| plugin.commands());
    let mut commands = commands.map(|def| def.command);
    commands
        .find(|command| command.get_name() == word || command.get_all_aliases().any(|alias| alias == word))
        .map(frame::finish)
}

/// Names of all commands, subcommands and topics, for suggestions.
pub(crate) fn known_names() -> Vec<String> {
    let mut names = cli::visible_names();
    names.extend(all_topics().iter().flat_map(|topic| {
        std::iter::once(topic.name).chain(topic.aliases.iter().copied()).map(str::to_owned)
    }));
    names
}

/// The built-in topics and those of the linked plugins. The first of a name wins.
fn all_topics() -> Vec<HelpTopic> {
    let mut all: Vec<HelpTopic> = TOPICS.to_vec();
    for topic in plugins().iter().flat_map(|plugin| plugin.help_topics()) {
        if !all.iter().any(|known| known.name == topic.name) {
            all.push(topic);
        }
    }
    order::sort_by_key(&mut all, |topic| topic.name);
    all
}

/// The plugins that are on unless a file says otherwise: help reads no settings.
fn plugins() -> Vec<Box<dyn mng_core::plugins::Plugin>> {
    let linked = Linked::collect().map(|linked| linked.iter().collect::<Vec<_>>()).unwrap_or_default();
    linked.into_iter().filter(|plugin| plugin.default_enabled).map(|plugin| (plugin.make)()).collect()
}
