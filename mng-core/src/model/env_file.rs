//! Env files: one `KEY=value` a line, read by us and by the Python original as dotenv, and sourced by the
//! agent's shell. All three must see the same values.

use std::fmt::Write as _;

use super::error::{ErrorClass, Explain};
use super::shell::is_variable_name;

/// An assignment that cannot be read or kept. Lines count from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvError {
    #[error("`{text}` has no `=`")]
    NoEquals { text: String },
    #[error("`{key}` cannot be the name of a variable")]
    BadKey { key: String },
    #[error("the value of `{key}` has a NUL byte, which no variable can hold")]
    Nul { key: String },
    #[error("line {line}: the quoted value of `{key}` does not end")]
    Unterminated { line: usize, key: String },
    #[error("line {line}: text stands behind the quoted value of `{key}`")]
    Trailing { line: usize, key: String },
    #[error("line {line}: {problem}")]
    Line { line: usize, problem: Box<EnvError> },
}

impl Explain for EnvError {
    fn class(&self) -> ErrorClass {
        ErrorClass::ParseSpec
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::BadKey { .. } => "letters, digits and `_`, no digit in front: `MY_KEY=value`".into(),
            Self::Line { problem, .. } => return problem.hint(),
            _ => "write KEY=VALUE; quote a value that has spaces or line breaks: `KEY='a b'`".into(),
        })
    }
}

/// Reads the `KEY=VALUE` of an option. The value stays as it is, white space and quotes included.
///
/// # Errors
/// No `=`, a name that no shell could set, a NUL byte.
pub fn parse_assignment(text: &str) -> Result<(String, String), EnvError> {
    let Some((key, value)) = text.split_once('=') else {
        return Err(EnvError::NoEquals { text: text.chars().take(80).collect() });
    };
    check(key, value)?;
    Ok((key.to_owned(), value.to_owned()))
}

fn check(key: &str, value: &str) -> Result<(), EnvError> {
    if !is_variable_name(key) {
        return Err(EnvError::BadKey { key: key.chars().take(80).collect() });
    }
    if value.contains('\0') {
        return Err(EnvError::Nul { key: key.to_owned() });
    }
    Ok(())
}

/// Variables in the order in which they were first set, each name once.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct EnvVars(Vec<(String, String)>);

impl EnvVars {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a variable; a value set before gives way.
    ///
    /// # Errors
    /// A name that no shell could set, or a NUL byte in the value.
    pub fn set(&mut self, key: impl Into<String>, value: impl Into<String>) -> Result<(), EnvError> {
        let (key, value) = (key.into(), value.into());
        check(&key, &value)?;
        self.put(key, value);
        Ok(())
    }

    fn put(&mut self, key: String, value: String) {
        match self.0.iter_mut().find(|(known, _)| *known == key) {
            Some(entry) => entry.1 = value,
            None => self.0.push((key, value)),
        }
    }

    /// Sets all of `others`, which win.
    pub fn merge(&mut self, others: Self) {
        for (key, value) in others.0 {
            self.put(key, value);
        }
    }

    pub fn remove(&mut self, key: &str) {
        self.0.retain(|(known, _)| known != key);
    }

    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.iter().find(|(known, _)| *known == key).map(|(_, value)| value)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Reads a file in dotenv syntax: comments, blank lines, `export`, plain values to the end of the line,
    /// single- and double-quoted ones also across lines. `$` is never expanded.
    ///
    /// # Errors
    /// The first line that is none of these.
    pub fn parse(text: &str) -> Result<Self, EnvError> {
        let mut reader = Reader { rest: text.strip_prefix('\u{feff}').unwrap_or(text), line: 1 };
        let mut vars = Self::default();
        while let Some((key, value)) = reader.next_assignment()? {
            vars.put(key, value);
        }
        Ok(vars)
    }

    /// The file: see [`EnvVars::parse`], and `set -a; . FILE` in any POSIX shell, for what reads it.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::new();
        for (key, value) in self.iter() {
            text.push_str(key);
            text.push('=');
            render_value(value, &mut text);
            text.push('\n');
        }
        text
    }
}

/// Names only: values are often secrets.
impl std::fmt::Debug for EnvVars {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.iter().map(|(key, _)| (key, "***"))).finish()
    }
}

/// Plain where every reader takes it literally, else single quotes. The original's dotenv reader drops a
/// line with `'\''` and takes `\'` and `\\` between single quotes for escapes, so values with those stand
/// in double quotes, with what a shell acts on there escaped.
fn render_value(value: &str, out: &mut String) {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_./:@%+=,-".contains(&byte);
    if value.bytes().all(is_plain) {
        out.push_str(value);
    } else if value.contains('\'') || value.contains(r"\\") || value.ends_with('\\') {
        out.push('"');
        for ch in value.chars() {
            if matches!(ch, '\\' | '"' | '$' | '`') {
                out.push('\\');
            }
            out.push(ch);
        }
        out.push('"');
    } else {
        // Cannot fail: a String takes all.
        let _ = write!(out, "'{value}'");
    }
}

struct Reader<'a> {
    rest: &'a str,
    /// Where `rest` starts.
    line: usize,
}

impl Reader<'_> {
    fn next_assignment(&mut self) -> Result<Option<(String, String)>, EnvError> {
        loop {
            self.skip(|ch| ch.is_whitespace());
            if self.rest.is_empty() {
                return Ok(None);
            }
            if !self.rest.starts_with('#') {
                break;
            }
            self.skip(|ch| ch != '\n');
        }
        let line = self.line;
        let end = self.rest.find('\n').unwrap_or(self.rest.len());
        let Some(equals) = self.rest[..end].find('=') else {
            let text = self.rest[..end].trim_end().chars().take(80).collect();
            return Err(at(line, EnvError::NoEquals { text }));
        };
        let key = self.rest[..equals].trim();
        let key = match key.strip_prefix("export") {
            Some(exported) if exported.starts_with(char::is_whitespace) => exported.trim_start(),
            _ => key,
        };
        let key = key.to_owned();
        self.rest = &self.rest[equals + 1..];
        self.skip(|ch| ch == ' ' || ch == '\t');
        let value = self.value(&key)?;
        check(&key, &value).map_err(|error| at(line, error))?;
        Ok(Some((key, value)))
    }

    fn value(&mut self, key: &str) -> Result<String, EnvError> {
        if !self.rest.starts_with(['\'', '"']) {
            let end = self.rest.find('\n').unwrap_or(self.rest.len());
            let value = without_comment(&self.rest[..end]).trim_end().to_owned();
            self.rest = &self.rest[end..];
            return Ok(value);
        }
        let line = self.line;
        let mut value = String::new();
        // As in a shell, pieces that touch are one word: `'it'\''s'`.
        loop {
            let mut chars = self.rest.chars();
            match chars.next() {
                Some('\'') => self.single_quoted(&mut value).ok_or_else(|| unterminated(line, key))?,
                Some('"') => self.double_quoted(&mut value).ok_or_else(|| unterminated(line, key))?,
                Some('\\') if chars.next().is_some_and(|next| next != '\n') => {
                    let escaped = self.rest[1..].chars().next().unwrap_or_default();
                    value.push(escaped);
                    self.rest = &self.rest[1 + escaped.len_utf8()..];
                }
                Some(ch) if !ch.is_whitespace() => {
                    return Err(EnvError::Trailing { line: self.line, key: key.to_owned() });
                }
                _ => break,
            }
        }
        self.skip(|ch| ch != '\n' && ch.is_whitespace());
        match self.rest.chars().next() {
            None | Some('\n' | '#') => {
                self.skip(|ch| ch != '\n');
                Ok(value)
            }
            Some(_) => Err(EnvError::Trailing { line: self.line, key: key.to_owned() }),
        }
    }

    fn single_quoted(&mut self, value: &mut String) -> Option<()> {
        let body = &self.rest[1..];
        let end = body.find('\'')?;
        value.push_str(&body[..end]);
        self.advance(end + 2);
        Some(())
    }

    /// `\n`, `\r` and `\t` are what dotenv files mean by them. We never write one: a backslash of a value
    /// is doubled.
    fn double_quoted(&mut self, value: &mut String) -> Option<()> {
        let body = &self.rest[1..];
        let mut chars = body.char_indices();
        while let Some((index, ch)) = chars.next() {
            match ch {
                '"' => {
                    self.advance(index + 2);
                    return Some(());
                }
                '\\' => match chars.next()?.1 {
                    escaped @ ('\\' | '"' | '$' | '`') => value.push(escaped),
                    'n' => value.push('\n'),
                    'r' => value.push('\r'),
                    't' => value.push('\t'),
                    '\n' => {} // a shell joins the lines
                    other => value.extend(['\\', other]),
                },
                ch => value.push(ch),
            }
        }
        None
    }

    fn skip(&mut self, while_true: impl Fn(char) -> bool) {
        let end = self.rest.find(|ch| !while_true(ch)).unwrap_or(self.rest.len());
        self.advance(end);
    }

    fn advance(&mut self, bytes: usize) {
        self.line += self.rest[..bytes].matches('\n').count();
        self.rest = &self.rest[bytes..];
    }
}

fn at(line: usize, problem: EnvError) -> EnvError {
    EnvError::Line { line, problem: Box::new(problem) }
}

fn unterminated(line: usize, key: &str) -> EnvError {
    EnvError::Unterminated { line, key: key.to_owned() }
}

/// A plain value ends at white space with a `#` behind it.
fn without_comment(text: &str) -> &str {
    if text.starts_with('#') {
        return "";
    }
    let comment = text
        .char_indices()
        .zip(text.chars().skip(1))
        .find(|((_, ch), next)| ch.is_whitespace() && *next == '#');
    comment.map_or(text, |((index, _), _)| &text[..index])
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    fn vars(pairs: &[(&str, &str)]) -> EnvVars {
        let mut vars = EnvVars::new();
        for (key, value) in pairs {
            vars.set(*key, *value).unwrap();
        }
        vars
    }

    fn read(text: &str) -> Vec<(String, String)> {
        EnvVars::parse(text).unwrap().0
    }

    #[test]
    fn the_file_as_it_is_written() {
        let vars = vars(&[
            ("PLAIN", "/a/b:c=d"),
            ("EMPTY", ""),
            ("SPACE", "b ar$x"),
            ("QUOTE", "it's $HOME"),
            ("LINES", "a\nb"),
            ("HOSTILE", "a;touch${IFS}f"),
            ("SLASH", r"c:\dir\"),
        ]);
        insta::assert_snapshot!(vars.render(), @r#"
        PLAIN=/a/b:c=d
        EMPTY=
        SPACE='b ar$x'
        QUOTE="it's \$HOME"
        LINES='a
        b'
        HOSTILE='a;touch${IFS}f'
        SLASH="c:\\dir\\"
        "#);
        assert_eq!(EnvVars::parse(&vars.render()).unwrap(), vars);
    }

    #[test]
    fn dotenv_files_of_people_are_read() {
        let text = "\u{feff}# settings\n\nexport A=1\nB = two words  # a comment\nC='x # y' # z\r\n\
                    D=\"a\\nb\"\nE=a#b\nF=\nG='it'\\''s'\nH=  'q'\nI=#x\nexported=1\n";
        let expected = [
            ("A", "1"),
            ("B", "two words"),
            ("C", "x # y"),
            ("D", "a\nb"),
            ("E", "a#b"),
            ("F", ""),
            ("G", "it's"),
            ("H", "q"),
            ("I", ""),
            ("exported", "1"),
        ];
        let expected: Vec<_> = expected.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        assert_eq!(read(text), expected);
    }

    #[test]
    fn what_the_original_wrote_is_read() {
        // Double quotes with only `"` escaped; the dollar was left alone.
        assert_eq!(read("FOO=\"b ar$x\"\nBAR=\"say \\\"hi\\\"\"\nN=\"a\nb\"\n").len(), 3);
        assert_eq!(read("FOO=\"b ar$x\"")[0].1, "b ar$x");
        assert_eq!(read("BAR=\"say \\\"hi\\\"\"")[0].1, "say \"hi\"");
    }

    #[test]
    fn a_broken_file_says_where() {
        let told = |text: &str| EnvVars::parse(text).unwrap_err().to_string();
        insta::assert_snapshot!(told("A=1\n\nnonsense\n"), @"line 3: `nonsense` has no `=`");
        insta::assert_snapshot!(told("A='1\n2'\n1B=2"), @"line 3: `1B` cannot be the name of a variable");
        insta::assert_snapshot!(told("A='1\n2\n"), @"line 1: the quoted value of `A` does not end");
        insta::assert_snapshot!(told("A='1' 2"), @"line 1: text stands behind the quoted value of `A`");
        insta::assert_snapshot!(told("A='1'2"), @"line 1: text stands behind the quoted value of `A`");
    }

    #[test]
    fn options_keep_their_value_verbatim() {
        assert_eq!(parse_assignment("A= 'x' ").unwrap(), ("A".into(), " 'x' ".into()));
        assert_eq!(parse_assignment("A==").unwrap(), ("A".into(), "=".into()));
        for bad in ["A", "", "=x", "1A=x", "A B=x", "A-B=x", " A=x", "é=x", "A=\0"] {
            assert!(parse_assignment(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_later_value_wins_in_the_first_place() {
        let mut all = vars(&[("A", "1"), ("B", "2")]);
        all.merge(vars(&[("A", "3"), ("C", "4")]));
        assert_eq!(all.render(), "A=3\nB=2\nC=4\n");
        assert_eq!(all.get("A"), Some("3"));
    }

    #[test]
    fn secrets_are_not_shown() {
        assert_eq!(format!("{:?}", vars(&[("TOKEN", "hunter2")])), r#"{"TOKEN": "***"}"#);
    }

    /// The variables as a shell has them after sourcing the file.
    fn sourced(text: &str, keys: &[String]) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("env");
        std::fs::write(&file, text).unwrap();
        let script = "set -a; . \"$1\"; set +a; shift; for k; do eval \"printf '%s\\0' \\\"\\$$k\\\"\"; done";
        let output = Command::new("sh").args(["-c", script, "sh"]).arg(&file).args(keys).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        text.split_terminator('\0').map(Into::into).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn shell_and_reader_agree(
            values in proptest::collection::vec("[a-z'\"\\\\$`\n #!{}()*~=;&|\r\t-]{0,10}|[^\0]{0,10}", 1..5),
        ) {
            let mut vars = EnvVars::new();
            for (index, value) in values.iter().enumerate() {
                vars.set(format!("K{index}"), value).unwrap();
            }
            let text = vars.render();
            prop_assert_eq!(EnvVars::parse(&text).unwrap(), vars.clone());
            let keys: Vec<String> = vars.iter().map(|(key, _)| key.to_owned()).collect();
            prop_assert_eq!(sourced(&text, &keys), values);
        }
    }

    proptest! {
        #[test]
        fn no_file_makes_it_panic(text in "[A-C='\"\\\\\n# \u{e9}-]{0,24}|\\PC{0,24}") {
            let _ = EnvVars::parse(&text);
        }
    }
}
