//! The shells' sides of the exchange: how they hand over a command line, how they want candidates.

use super::candidates::Answer;
use super::scripts::Shell;

/// A command line up to the cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    shell: Shell,
    /// The finished words after the program's name.
    pub(super) before: Vec<String>,
    /// The word at the cursor, up to it.
    pub(super) current: String,
    /// bash: how many bytes of the current word it has taken away.
    cut: usize,
}

impl Request {
    /// bash hands over the line and its word breaks; the others the words, the current one last.
    pub(super) fn read(shell: Shell, words: &[String]) -> Self {
        if shell == Shell::Bash {
            let line = words.first().map(String::as_str).unwrap_or_default();
            let breaks = words.get(1).map(String::as_str).unwrap_or_default();
            let mut before = split(line);
            let current = before.pop().unwrap_or_default();
            if !before.is_empty() {
                before.remove(0);
            }
            let is_break = |c: char| breaks.contains(c) && !matches!(c, '"' | '\'' | ' ' | '\t' | '\n');
            let cut = current
                .char_indices()
                .rev()
                .find(|(_, c)| is_break(*c))
                .map_or(0, |(at, c)| at + c.len_utf8());
            return Self { shell, before, current, cut };
        }
        let (current, before) =
            words.split_last().map_or((String::new(), &[][..]), |(last, rest)| (last.clone(), rest));
        Self { shell, before: before.to_vec(), current, cut: 0 }
    }

    /// The candidates as the shell's script reads them.
    pub(super) fn render(&self, answer: &Answer) -> String {
        let Answer::Words(candidates) = answer else { return ":files\n".to_owned() };
        let mut text = String::new();
        for candidate in candidates {
            // A line break would be two candidates.
            if candidate.value.contains(['\n', '\t']) {
                continue;
            }
            match self.shell {
                Shell::Bash => {
                    text.push_str(candidate.value.get(self.cut..).unwrap_or_default());
                    if !candidate.value.ends_with(['.', '=']) {
                        text.push(' ');
                    }
                }
                Shell::Zsh | Shell::Fish => {
                    text.push_str(&candidate.value);
                    let help = candidate.help.lines().next().unwrap_or_default();
                    if !help.is_empty() {
                        text.push('\t');
                        text.push_str(help);
                    }
                }
            }
            text.push('\n');
        }
        text
    }
}

/// Splits a line into words as a shell does; the last one may be unfinished, and is empty after a blank.
fn split(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\'' | '"', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (c, Some(open)) if c == open => quote = None,
            ('\\', None | Some('"')) => word.get_or_insert_default().extend(chars.next()),
            (' ' | '\t', None) => words.extend(word.take()),
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    words.push(word.unwrap_or_default());
    words
}

#[cfg(test)]
mod tests {
    use super::super::candidates::Candidate;
    use super::*;

    const BREAKS: &str = " \t\n\"'@><=;|&(:";

    fn bash(line: &str) -> Request {
        Request::read(Shell::Bash, &[line.to_owned(), BREAKS.to_owned()])
    }

    #[test]
    fn bash_lines_are_split_here() {
        let request = bash(r#"mng list -S "a b" --label x=y c\ d"#);
        assert_eq!(request.before, ["list", "-S", "a b", "--label", "x=y"]);
        assert_eq!(request.current, "c d");
        assert_eq!(bash("mng list ").current, "");
        assert_eq!(bash("mng").before, Vec::<String>::new());
        assert_eq!(bash("mng 'un closed").current, "un closed");
    }

    #[test]
    fn bash_gets_only_what_follows_its_word_break() {
        let answer = |values: &[&str]| {
            Answer::Words(values.iter().map(|value| Candidate::new(*value, "help")).collect())
        };
        assert_eq!(bash("mng list --format=js").render(&answer(&["--format=json"])), "json \n");
        assert_eq!(bash("mng stop a@lo").render(&answer(&["a@localhost"])), "localhost \n");
        assert_eq!(bash("mng config get ret").render(&answer(&["retry."])), "retry.\n");
        let zsh = Request::read(Shell::Zsh, &["list".into(), "--fo".into()]);
        assert_eq!(zsh.render(&answer(&["--format"])), "--format\thelp\n");
        assert_eq!(zsh.render(&Answer::Files), ":files\n");
    }
}
