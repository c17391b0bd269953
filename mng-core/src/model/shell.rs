//! Shell quoting: the one way that text becomes part of a command line.

use std::borrow::Cow;
use std::fmt;

/// Quotes one word for a POSIX shell: plain words stay as they are, all else stands in single quotes.
///
/// A NUL byte cannot be part of any argument; callers that take text from outside refuse it before.
#[must_use]
pub fn quote(text: &str) -> Cow<'_, str> {
    if is_plain_word(text) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("'{}'", text.replace('\'', r"'\''")))
}

/// Whether every shell takes this text as one literal word, whatever stands around it. Tilde, braces and
/// history marks are left out, and so is everything that is not ASCII.
#[must_use]
pub fn is_plain_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_./:@%+=,-".contains(&byte))
}

/// Whether this text means something else than one literal word to a shell: it has white space, or a
/// character that a shell acts on. Such a sole argument of a `command` agent is a command line, not a
/// program name.
#[must_use]
pub fn needs_shell(text: &str) -> bool {
    text.starts_with(['~', '#'])
        || text.chars().any(|ch| ch.is_whitespace() || "|&;<>()$`\\\"'*?[]{}!".contains(ch))
}

/// Words that a shell reads as grammar where a command name is expected.
const RESERVED: [&str; 20] = [
    "!", "{", "}", "case", "coproc", "do", "done", "elif", "else", "esac", "fi", "for", "function", "if",
    "in", "select", "then", "time", "until", "while",
];

/// A program with its arguments, which stay a list to the end; [`fmt::Display`] is one safe `sh` command
/// line for it.
///
/// ```
/// use mng_core::model::shell::ShellCommand;
/// let command = ShellCommand::new("git").args(["log", "--grep", "it's"]).env("LC_ALL", "C").cwd("/my repo");
/// assert_eq!(command.to_string(), r"cd -- '/my repo' && LC_ALL=C git log --grep 'it'\''s'");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ShellCommand {
    pub program: String,
    pub args: Vec<String>,
    /// Variables on top of the inherited ones, in order; of two with the same name the later one counts.
    pub env: Vec<(String, String)>,
    /// Directory to run in; unset: wherever the command line is run.
    pub cwd: Option<String>,
}

impl ShellCommand {
    #[must_use]
    pub fn new(program: impl Into<String>) -> Self {
        Self { program: program.into(), args: Vec::new(), env: Vec::new(), cwd: None }
    }

    #[must_use]
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    #[must_use]
    pub fn args<A: Into<String>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    #[must_use]
    pub fn env(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.push((key.into(), value.into()));
        self
    }

    #[must_use]
    pub fn cwd(mut self, dir: impl Into<String>) -> Self {
        self.cwd = Some(dir.into());
        self
    }
}

impl fmt::Display for ShellCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(dir) = &self.cwd {
            // `./` keeps `cd` from searching CDPATH and from reading `-` as "where I was before".
            let anchor = if dir.starts_with(['/', '.']) { "" } else { "./" };
            write!(f, "cd -- {anchor}{} && ", quote(dir))?;
        }
        // A shell assigns only to names; env(1) takes whatever has a `=`.
        if !self.env.iter().all(|(key, _)| is_variable_name(key)) {
            f.write_str("env -- ")?;
            for (key, value) in &self.env {
                write!(f, "{} ", quote(&format!("{key}={value}")))?;
            }
        } else {
            for (key, value) in &self.env {
                if value.is_empty() {
                    write!(f, "{key}= ")?;
                } else {
                    write!(f, "{key}={} ", quote(value))?;
                }
            }
        }
        if RESERVED.contains(&self.program.as_str()) || self.program.contains('=') {
            write!(f, "'{}'", self.program.replace('\'', r"'\''"))?;
        } else {
            f.write_str(&quote(&self.program))?;
        }
        for arg in &self.args {
            write!(f, " {}", quote(arg))?;
        }
        Ok(())
    }
}

/// Whether a shell can assign to this name: `[A-Za-z_][A-Za-z0-9_]*`.
#[must_use]
pub fn is_variable_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use insta::assert_snapshot;
    use proptest::prelude::*;

    use super::*;

    /// What `sh -c` makes of a command line.
    fn sh(line: &str) -> String {
        let output = Command::new("sh").arg("-c").arg(line).output().unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn plain_words_stay_readable() {
        assert_eq!(quote("--model=opus-4.5"), "--model=opus-4.5");
        assert_eq!(quote(""), "''");
        assert_eq!(quote("~/x"), "'~/x'");
        assert_eq!(quote("it's"), r"'it'\''s'");
    }

    #[test]
    fn a_command_line_names_directory_variables_and_words() {
        let command = ShellCommand::new("claude").args(["--append", "a b"]).env("X", "").env("Y", "$HOME");
        assert_snapshot!(command.clone(), @"X= Y='$HOME' claude --append 'a b'");
        assert_snapshot!(command.cwd("-"), @"cd -- ./- && X= Y='$HOME' claude --append 'a b'");
    }

    #[test]
    fn a_program_is_never_read_as_grammar_or_assignment() {
        assert_snapshot!(ShellCommand::new("if").arg("x"), @"'if' x");
        assert_snapshot!(ShellCommand::new("A=b"), @"'A=b'");
        assert_snapshot!(ShellCommand::new("printenv").arg("a-b").env("a-b", "1 2"), @"env -- 'a-b=1 2' printenv a-b");
        assert_eq!(sh(&ShellCommand::new("printenv").arg("a-b").env("a-b", "1 2").to_string()), "1 2\n");
    }

    #[test]
    fn what_a_shell_would_act_on_needs_one() {
        for text in ["echo a", "a && b", "$X", "~/bin/x", "a;b", "ls *.rs", "`x`", "a\tb", "x>y"] {
            assert!(needs_shell(text), "{text}");
        }
        for text in ["htop", "./run.sh", "/usr/bin/env", "a-b_c", "x=1"] {
            assert!(!needs_shell(text), "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn sh_reads_back_every_word(words in proptest::collection::vec("[^\0]{0,12}", 1..4)) {
            let command = ShellCommand::new("printf").arg("%s\\0").args(&words);
            let expected: String = words.iter().map(|word| format!("{word}\0")).collect();
            prop_assert_eq!(sh(&command.to_string()), expected);
        }

        #[test]
        fn sh_passes_on_every_variable(value in "[^\0]{0,12}") {
            let command = ShellCommand::new("sh").args(["-c", "printf %s \"$V\""]).env("V", &value);
            prop_assert_eq!(sh(&command.to_string()), value);
        }
    }
}
