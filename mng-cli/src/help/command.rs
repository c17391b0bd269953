//! The page of a command, read off its clap tree.

use clap::{Arg, ArgAction, Command};
use mng_core::model::order;
use mng_core::settings::{CommandParam, human_value};

use super::page::{BODY, DETAIL, Page};
use crate::frame::{synopsis, takes_value, value_name};

/// The heading of the options that every command has; they come last.
const COMMON: &str = "Common";

/// The one line of a command.
pub(crate) fn summary(command: &Command) -> String {
    command.get_about().map(ToString::to_string).unwrap_or_default()
}

/// `configured` is what the settings give to options.
pub(super) fn page(
    called: &str,
    command: &Command,
    configured: &[CommandParam],
    width: usize,
    has_colours: bool,
) -> String {
    let mut page = Page::new(width, has_colours);
    page.heading("NAME");
    page.text(BODY, &format!("{} - {}", with_aliases(called, command), summary(command)));
    page.heading("SYNOPSIS");
    page.text(BODY, &synopsis(called, command));
    let about = summary(command);
    let long = command.get_long_about().map(ToString::to_string).unwrap_or_default();
    let description = long.strip_prefix(&about).unwrap_or(&long).trim();
    if !description.is_empty() {
        page.heading("DESCRIPTION");
        page.text(BODY, description);
    }
    if command.has_subcommands() {
        page.heading("COMMANDS");
        page.columns(&subcommands(command));
    }
    options(&mut page, command, configured);
    if called == "mng create" {
        provider_arguments(&mut page);
    }
    let notes = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    notes_sections(&mut page, &Notes::read(&notes));
    page.finish()
}

/// What `--build-arg` and `--start-arg` mean to each back end.
fn provider_arguments(page: &mut Page) {
    let backends: Vec<_> = super::plugins().iter().flat_map(|plugin| plugin.backends()).collect();
    let explained: Vec<_> = backends
        .iter()
        .filter(|backend| !backend.build_args_help.is_empty() || !backend.start_args_help.is_empty())
        .collect();
    if explained.is_empty() {
        return;
    }
    page.heading("PROVIDER ARGUMENTS");
    for (index, backend) in explained.into_iter().enumerate() {
        if index > 0 {
            page.blank();
        }
        page.term(backend.name);
        for (flag, help) in [("-b", backend.build_args_help), ("-s", backend.start_args_help)] {
            if !help.is_empty() {
                page.text(DETAIL, &format!("{flag}: {help}"));
            }
        }
    }
}

fn with_aliases(called: &str, command: &Command) -> String {
    command.get_all_aliases().fold(called.to_owned(), |names, alias| format!("{names}, {alias}"))
}

fn subcommands(command: &Command) -> Vec<(String, String)> {
    let visible = command.get_subcommands().filter(|below| !below.is_hide_set());
    visible.map(|below| (with_aliases(below.get_name(), below), summary(below))).collect()
}

fn options(page: &mut Page, command: &Command, configured: &[CommandParam]) {
    let shown: Vec<&Arg> = command.get_arguments().filter(|arg| !arg.is_hide_set()).collect();
    let mut headings: Vec<Option<&str>> = vec![None];
    for arg in &shown {
        if !headings.contains(&arg.get_help_heading()) {
            headings.push(arg.get_help_heading());
        }
    }
    order::sort_by_key(&mut headings, |heading| *heading == Some(COMMON));
    let mut is_first = true;
    for heading in headings {
        let group: Vec<&&Arg> = shown.iter().filter(|arg| arg.get_help_heading() == heading).collect();
        if group.is_empty() {
            continue;
        }
        if is_first {
            page.heading("OPTIONS");
        } else {
            page.blank();
        }
        is_first = false;
        if let Some(heading) = heading {
            page.subheading(heading);
        }
        for (index, arg) in group.into_iter().enumerate() {
            if index > 0 {
                page.blank();
            }
            page.term(&term(arg, command));
            page.text(DETAIL, &explanation(arg, configured));
        }
    }
}

/// `-m, --message TEXT`, `--[no-]start`, `AGENT...`
fn term(arg: &Arg, command: &Command) -> String {
    if arg.is_positional() {
        let many = matches!(arg.get_action(), ArgAction::Append)
            || arg.get_num_args().is_some_and(|range| range.max_values() > 1);
        return format!("{}{}", value_name(arg), if many { "..." } else { "" });
    }
    let mut names: Vec<String> =
        arg.get_short_and_visible_aliases().unwrap_or_default().iter().map(|c| format!("-{c}")).collect();
    let negation = format!("no_{}", arg.get_id());
    let has_negation =
        command.get_arguments().any(|other| other.get_id().as_str() == negation && other.is_hide_set());
    for (index, long) in arg.get_long_and_visible_aliases().unwrap_or_default().into_iter().enumerate() {
        names.push(if has_negation && index == 0 { format!("--[no-]{long}") } else { format!("--{long}") });
    }
    let mut term = names.join(", ");
    if takes_value(arg) {
        let name = value_name(arg);
        let is_optional = arg.get_num_args().is_some_and(|range| range.min_values() == 0);
        term.push_str(&if is_optional { format!("[={name}]") } else { format!(" {name}") });
    }
    term
}

fn explanation(arg: &Arg, configured: &[CommandParam]) -> String {
    let help = arg.get_long_help().or_else(|| arg.get_help()).map(ToString::to_string).unwrap_or_default();
    let mut text = help.trim().to_owned();
    if takes_value(arg) && !arg.is_hide_possible_values_set() {
        let values = arg.get_possible_values();
        let values: Vec<&str> =
            values.iter().filter(|value| !value.is_hide_set()).map(|value| value.get_name()).collect();
        if !values.is_empty() {
            text.push_str(&format!(" [one of: {}]", values.join(", ")));
        }
    }
    let defaults = arg.get_default_values();
    if takes_value(arg) && !defaults.is_empty() && !arg.is_hide_default_value_set() {
        let defaults: Vec<_> = defaults.iter().map(|value| value.to_string_lossy()).collect();
        text.push_str(&format!(" [default: {}]", defaults.join(", ")));
    }
    let longs = arg.get_long_and_visible_aliases().unwrap_or_default();
    let names: Vec<String> = longs.iter().map(|long| long.replace('-', "_")).collect();
    if let Some(param) = configured.iter().find(|param| names.contains(&param.name)) {
        text.push_str(&format!(" [set to {} in {}]", human_value(&param.value), param.origin));
    }
    text
}

/// What `after_help` of a command says: examples (`$ …` and the sentences between them), other sections
/// (`# TITLE`), and `See also: a, b`.
#[derive(Debug, Default, PartialEq, Eq)]
struct Notes {
    sections: Vec<(String, String)>,
    see_also: Vec<String>,
    examples: Vec<String>,
}

impl Notes {
    fn read(text: &str) -> Self {
        let mut notes = Self::default();
        let mut in_section = false;
        for line in text.lines() {
            if let Some(names) = line.strip_prefix("See also:") {
                notes.see_also.extend(
                    names
                        .split(',')
                        .map(|name| name.trim().trim_start_matches("help ").to_owned())
                        .filter(|name| !name.is_empty()),
                );
                in_section = false;
            } else if let Some(title) = line.strip_prefix("# ") {
                notes.sections.push((title.trim().to_uppercase(), String::new()));
                in_section = true;
            } else if line.starts_with("$ ") || !in_section {
                in_section = false;
                notes.examples.push(line.to_owned());
            } else if let Some((_, body)) = notes.sections.last_mut() {
                body.push_str(line);
                body.push('\n');
            }
        }
        let blank = |line: &String| line.trim().is_empty();
        let from = notes.examples.iter().position(|line| !blank(line)).unwrap_or(notes.examples.len());
        notes.examples.drain(..from);
        while notes.examples.last().is_some_and(blank) {
            notes.examples.pop();
        }
        notes
    }
}

fn notes_sections(page: &mut Page, notes: &Notes) {
    for (title, body) in &notes.sections {
        page.heading(title);
        page.text(BODY, body);
    }
    if !notes.see_also.is_empty() {
        page.heading("SEE ALSO");
        let rows: Vec<(String, String)> =
            notes.see_also.iter().map(|name| (format!("mng help {name}"), meaning(name))).collect();
        page.columns(&rows);
    }
    if !notes.examples.is_empty() {
        page.heading("EXAMPLES");
        for line in &notes.examples {
            if line.trim().is_empty() { page.blank() } else { page.line(BODY, line) }
        }
    }
}

fn meaning(name: &str) -> String {
    let words: Vec<String> = name.split(' ').map(str::to_owned).collect();
    match super::find(&words) {
        Some(super::Subject::Command { command, .. }) => summary(&command),
        Some(super::Subject::Topic(topic)) => topic.summary.to_owned(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cli, frame};

    #[test]
    fn every_see_also_names_something() {
        for spec in cli::COMMANDS {
            let command = frame::build(spec);
            let all = std::iter::once(&command).chain(command.get_subcommands());
            for command in all {
                let notes =
                    Notes::read(&command.get_after_help().map(ToString::to_string).unwrap_or_default());
                for name in notes.see_also {
                    assert!(!meaning(&name).is_empty(), "`{}` refers to `{name}`", command.get_name());
                }
            }
        }
    }

    #[test]
    fn every_command_and_option_is_explained() {
        for spec in cli::COMMANDS {
            let command = frame::build(spec);
            for command in std::iter::once(&command).chain(command.get_subcommands()) {
                let name = command.get_name();
                let summary = summary(command);
                assert!(
                    !summary.is_empty() && summary.len() < 70 && !summary.ends_with('.'),
                    "{name}: {summary:?}"
                );
                for arg in command.get_arguments().filter(|arg| !arg.is_hide_set()) {
                    assert!(arg.get_help().is_some(), "`mng {name}`: `{}` has no help", arg.get_id());
                }
            }
        }
    }

    /// The page without the options of every command, which would repeat forty times.
    fn own_page(called: &str, command: &Command) -> String {
        let page = page(called, command, &[], 100, false);
        let Some((before, common)) = page.split_once("\n   Common\n") else { return page };
        let is_heading = |line: &&str| line.starts_with(|c: char| c.is_ascii_uppercase());
        let after: Vec<&str> = common.lines().skip_while(|line| !is_heading(line)).collect();
        // A provider that is linked or not, depending on what else is built.
        let sections: Vec<&str> =
            before.split("\n\n").filter(|part| !part.starts_with("       ssh\n")).collect();
        let after = after.join("\n");
        let after: Vec<&str> = after.split("\n\n").filter(|part| !part.starts_with("       ssh\n")).collect();
        format!("{}\n   Common\n       ...\n\n{}\n", sections.join("\n\n"), after.join("\n\n"))
    }

    /// After a change that is meant: `INSTA_UPDATE=always cargo test -p mng help_pages`.
    #[test]
    fn help_pages() {
        for spec in cli::COMMANDS {
            let command = frame::build(spec);
            insta::assert_snapshot!(spec.name, own_page(&format!("mng {}", spec.name), &command));
            for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
                let called = format!("mng {} {}", spec.name, below.get_name());
                insta::assert_snapshot!(
                    format!("{}_{}", spec.name, below.get_name()),
                    own_page(&called, below)
                );
            }
        }
        insta::assert_snapshot!("common", page("mng", &frame::common_only(), &[], 100, false));
        insta::assert_snapshot!("overview", super::super::overview::page(100, false, super::super::TOPICS));
    }

    #[test]
    fn the_clap_trees_are_sound() {
        for spec in cli::COMMANDS {
            let command = frame::build(spec);
            assert_eq!(command.has_subcommands(), spec.is_group, "{}", spec.name);
            assert_eq!(spec.summary(), summary(&command), "`.about(…)` of `{}` in cli.rs", spec.name);
            command.debug_assert();
        }
    }

    #[test]
    fn notes_are_sorted_into_sections() {
        let notes = Notes::read("Stop one:\n$ mng stop a\n\n# Order\nFirst this.\nSee also: start, help x\n");
        assert_eq!(notes.examples, ["Stop one:", "$ mng stop a"]);
        assert_eq!(notes.sections, [("ORDER".to_owned(), "First this.\n".to_owned())]);
        assert_eq!(notes.see_also, ["start", "x"]);
    }
}
