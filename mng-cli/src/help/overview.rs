//! The page of `mng help`.

use clap::Command;
use mng_core::plugins::HelpTopic;

use super::command::summary;
use super::page::{BODY, Page};
use super::plugins;
use crate::cli;

pub(super) fn page(width: usize, has_colours: bool, topics: &[HelpTopic]) -> String {
    let mut page = Page::new(width, has_colours);
    page.heading("NAME");
    page.text(BODY, "mng - run any number of coding agents in parallel, from one command line");
    page.heading("SYNOPSIS");
    page.line(BODY, "mng [OPTIONS] COMMAND [ARGS]...");
    page.heading("DESCRIPTION");
    page.text(
        BODY,
        "Each agent is a program in a tmux session of its own, usually with a git worktree and branch of its \
         own. `mng create NAME` makes one, `mng list` shows all, `mng connect NAME` opens it in this terminal, \
         `mng destroy NAME` ends it, and `mng undo` takes that back.\n\n\
         `mng help COMMAND` and `mng help TOPIC` tell more.",
    );
    page.heading("COMMANDS");
    page.columns(&commands());
    page.heading("TOPICS");
    let topics: Vec<(String, String)> =
        topics.iter().map(|topic| (joined(topic.name, topic.aliases), topic.summary.to_owned())).collect();
    page.columns(&topics);
    page.finish()
}

/// Every visible command with its aliases; the members of a group stand as `config set`.
pub(crate) fn commands() -> Vec<(String, String)> {
    let mut rows = Vec::new();
    for spec in cli::COMMANDS.iter().filter(|spec| !spec.is_hidden) {
        rows.push((joined(spec.name, spec.aliases), spec.summary()));
        if !spec.is_group {
            continue;
        }
        let command = (spec.args)(Command::new(spec.name));
        for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
            rows.push((format!("{} {}", spec.name, below.get_name()), summary(below)));
        }
    }
    for def in plugins().iter().flat_map(|plugin| plugin.commands()) {
        rows.push((def.command.get_name().to_owned(), summary(&def.command)));
    }
    rows.sort();
    rows
}

fn joined(name: &str, aliases: &[&str]) -> String {
    aliases.iter().fold(name.to_owned(), |names, alias| format!("{names}, {alias}"))
}
