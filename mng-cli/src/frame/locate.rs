//! Which command a command line calls, before anything of it is parsed.

use std::ffi::OsString;

use clap::Command;

use super::tree;
use super::words::read;

/// The words of a process, taken apart at the command's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CommandLine {
    /// Options of every command that stood before the command's name.
    pub(crate) leading: Vec<OsString>,
    /// Everything from the command's name on.
    pub(crate) words: Vec<OsString>,
}

impl CommandLine {
    pub(crate) fn new(mut words: Vec<OsString>) -> Self {
        let at = first_foreign(&words).unwrap_or(words.len());
        let rest = words.split_off(at);
        // What ends the options here must not end those of the command.
        words.retain(|word| word != "--");
        Self { leading: words, words: rest }
    }

    /// The command's name, or nothing.
    pub(crate) fn first(&self) -> &str {
        self.words.first().and_then(|word| word.to_str()).unwrap_or_default()
    }
}

/// The first word that is neither an option of every command nor the value of one.
fn first_foreign(words: &[OsString]) -> Option<usize> {
    read(&tree::common_only(), words).items.iter().find(|item| item.arg.is_none()).map(|item| item.at)
}

/// A command found by its words.
#[derive(Debug)]
pub(crate) struct Located<'a> {
    /// The command itself, or the group whose subcommand is not named.
    pub(crate) command: &'a Command,
    /// Canonical names from the top: `["snapshot", "create"]`.
    pub(crate) path: Vec<String>,
    /// The options and positionals: those from before the name first.
    pub(crate) typed: Vec<OsString>,
    /// The word that is no subcommand of the group, if there is one.
    pub(crate) unknown: Option<String>,
}

impl<'a> Located<'a> {
    /// Follows the words down from a top-level command. Options of every command may stand between them.
    pub(crate) fn find(root: &'a Command, line: &CommandLine) -> Self {
        let mut located = Self {
            command: root,
            path: vec![root.get_name().to_owned()],
            typed: line.leading.clone(),
            unknown: None,
        };
        let mut rest = line.words.get(1..).unwrap_or_default().to_vec();
        while located.command.has_subcommands() {
            let Some(at) = first_foreign(&rest) else { break };
            let word = rest[at].to_string_lossy().into_owned();
            let Some(next) = located.command.find_subcommand(&word) else {
                located.unknown = Some(word);
                break;
            };
            let mut after = rest.split_off(at);
            located.typed.append(&mut rest);
            after.remove(0);
            rest = after;
            located.descend(next);
        }
        located.typed.append(&mut rest);
        located
    }

    /// Goes on to a subcommand of the group; what was no subcommand is its first argument.
    pub(crate) fn descend(&mut self, command: &'a Command) {
        self.command = command;
        self.path.push(command.get_name().to_owned());
        self.unknown = None;
    }

    /// The same command in another tree.
    pub(crate) fn moved_to(&self, root: &'a Command) -> Self {
        let command = self.path[1..].iter().try_fold(root, |command, word| command.find_subcommand(word));
        Self {
            command: command.unwrap_or(root),
            path: self.path.clone(),
            typed: self.typed.clone(),
            unknown: self.unknown.clone(),
        }
    }

    pub(crate) fn is_group(&self) -> bool {
        self.command.has_subcommands()
    }

    /// `mng snapshot create`
    pub(crate) fn called(&self) -> String {
        format!("mng {}", self.path.join(" "))
    }

    /// The command's name in settings: words joined by `_`, but all of `config` and of `plugin` are one.
    pub(crate) fn key(&self) -> String {
        settings_key(&self.path)
    }

    /// Whether the command shares its parameters with the others of its group.
    pub(crate) fn is_shared(&self) -> bool {
        is_shared(&self.path)
    }
}

fn is_shared<S: AsRef<str>>(path: &[S]) -> bool {
    path.first().is_some_and(|first| matches!(first.as_ref(), "config" | "plugin"))
}

/// The name of a command in settings, from its canonical words.
pub(crate) fn settings_key<S: AsRef<str>>(path: &[S]) -> String {
    let words: Vec<&str> = path.iter().map(AsRef::as_ref).collect();
    if is_shared(&words) { words[0].to_owned() } else { words.join("_") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> String {
        let snapshot = Command::new("snapshot")
            .subcommand(Command::new("create").alias("new"))
            .subcommand(Command::new("list"));
        let root = tree::finish(snapshot);
        let line = CommandLine::new(text.split_whitespace().map(OsString::from).collect());
        let located = Located::find(&root, &line);
        let typed: Vec<_> = located.typed.iter().map(|word| word.to_string_lossy()).collect();
        format!("{} [{}] {}", located.key(), typed.join(" "), located.unknown.unwrap_or_default())
    }

    #[test]
    fn common_options_may_stand_anywhere() {
        assert_eq!(found("snapshot create a"), "snapshot_create [a] ");
        assert_eq!(
            found("-q -S a=b snapshot --format json new -v a"),
            "snapshot_create [-q -S a=b --format json -v a] "
        );
        assert_eq!(found("snapshot list snapshot"), "snapshot_list [snapshot] ");
    }

    #[test]
    fn a_group_alone_or_with_a_wrong_word_stays_a_group() {
        assert_eq!(found("snapshot -q"), "snapshot [-q] ");
        assert_eq!(found("snapshot -q crate x"), "snapshot [-q crate x] crate");
    }

    #[test]
    fn values_of_leading_options_are_no_command() {
        let line =
            CommandLine::new(["--context", "list", "-S", "x=y", "ls", "-q"].map(OsString::from).to_vec());
        assert_eq!(line.first(), "ls");
        assert_eq!(line.leading.len(), 4);
    }
}
