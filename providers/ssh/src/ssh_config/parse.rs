//! From the text of a configuration file to its lines.

use std::path::{Path, PathBuf};

use super::pattern::{self, Pattern};
use super::{Criterion, Here, Item, MatchOn, expand_home, tokens};

/// How deep files may include each other, as in OpenSSH.
const DEEPEST: usize = 16;

/// The lines of a file; none if it is not there.
pub(super) fn file(path: &Path, dir: &Path, here: &Here, depth: usize) -> Vec<Item> {
    match std::fs::read(path) {
        Ok(bytes) => text(&String::from_utf8_lossy(&bytes), dir, here, depth),
        Err(error) => {
            if error.kind() != std::io::ErrorKind::NotFound {
                tracing::debug!(path = %path.display(), %error, "ssh configuration not read");
            }
            Vec::new()
        }
    }
}

/// The lines of a text. `dir` is where relative includes are looked for.
pub(super) fn text(text: &str, dir: &Path, here: &Here, depth: usize) -> Vec<Item> {
    text.lines().filter_map(|line| item(line, dir, here, depth)).collect()
}

fn item(line: &str, dir: &Path, here: &Here, depth: usize) -> Option<Item> {
    let (keyword, rest) = split_keyword(line)?;
    let words = words(rest);
    if words.is_empty() {
        tracing::debug!(line, "line of the ssh configuration without a value");
        return None;
    }
    Some(match keyword.as_str() {
        "host" => Item::Host(words.iter().map(|word| Pattern::new(word)).collect()),
        "match" => Item::Match(criteria(&words)),
        "include" => Item::Include(included(&words, dir, here, depth)),
        // The command is one text to the end of the line: quotes are the shell's.
        "proxycommand" => Item::Set(keyword, vec![rest.to_owned()]),
        _ => Item::Set(keyword, words),
    })
}

/// `Keyword words`, `Keyword=words`. `None` for blank lines and comments.
fn split_keyword(line: &str) -> Option<(String, &str)> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let end = line.find(|c: char| c.is_whitespace() || c == '=' || c == '"').unwrap_or(line.len());
    let rest = line[end..].trim_start();
    let rest = rest.strip_prefix('=').unwrap_or(rest).trim_start();
    Some((line[..end].to_ascii_lowercase(), rest))
}

/// Words with their quotes taken off; a comment ends them.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut chars = text.chars().peekable();
    loop {
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        match chars.peek() {
            None | Some('#') => return words,
            Some(_) => {}
        }
        let mut word = String::new();
        let mut quote = None;
        while let Some(&c) = chars.peek() {
            match quote {
                None if c.is_whitespace() => break,
                None if c == '"' || c == '\'' => quote = Some(c),
                Some(open) if c == open => quote = None,
                _ if c == '\\' => {
                    chars.next();
                    match chars.peek() {
                        Some(&escaped) if matches!(escaped, '"' | '\'' | '\\') || escaped == ' ' => {
                            word.push(escaped)
                        }
                        _ => {
                            word.push('\\');
                            continue;
                        }
                    }
                }
                _ => word.push(c),
            }
            chars.next();
        }
        words.push(word);
    }
}

fn criteria(words: &[String]) -> Vec<Criterion> {
    let mut criteria = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let (is_negated, name) = match word.strip_prefix('!') {
            Some(name) => (true, name),
            None => (false, word.as_str()),
        };
        // Newer versions also write `host=pattern`.
        let (name, joined) = match name.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (name, None),
        };
        let name = name.to_ascii_lowercase();
        let mut argument = || joined.clone().or_else(|| words.next().cloned()).unwrap_or_default();
        let on = match name.as_str() {
            "all" => MatchOn::All,
            "host" => MatchOn::Host(Pattern::list(&argument().to_lowercase())),
            "originalhost" => MatchOn::OriginalHost(Pattern::list(&argument().to_lowercase())),
            "user" => MatchOn::User(Pattern::list(&argument())),
            "localuser" => MatchOn::LocalUser(Pattern::list(&argument())),
            "canonical" | "final" => MatchOn::Unknown,
            _ => {
                argument();
                MatchOn::Unknown
            }
        };
        if on == MatchOn::Unknown {
            tracing::debug!(criterion = %name, "`Match` of the ssh configuration left out");
        }
        criteria.push(Criterion { is_negated, on });
    }
    criteria
}

fn included(words: &[String], dir: &Path, here: &Here, depth: usize) -> Vec<Vec<Item>> {
    if depth >= DEEPEST {
        tracing::debug!("files of the ssh configuration include each other too deeply");
        return Vec::new();
    }
    let paths = words.iter().flat_map(|word| {
        let word = tokens::variables(word, here);
        let path = dir.join(expand_home(&word, &here.home));
        glob(&path)
    });
    paths.map(|path| file(&path, dir, here, depth + 1)).collect()
}

/// The files that a path with `*` and `?` in its names means, sorted.
fn glob(path: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    for part in path.components() {
        let name = part.as_os_str().to_string_lossy();
        if !name.contains(['*', '?']) {
            for base in &mut found {
                base.push(part);
            }
            continue;
        }
        let wanted = [Pattern::new(&name)];
        let mut next = Vec::new();
        for base in found {
            let entries = std::fs::read_dir(&base).into_iter().flatten().flatten();
            let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
            let mut names: Vec<String> = names
                .filter(|entry| !entry.starts_with('.') || name.starts_with('.'))
                .filter(|entry| pattern::matches(&wanted, entry))
                .collect();
            names.sort_unstable();
            next.extend(names.into_iter().map(|entry| base.join(entry)));
        }
        found = next;
    }
    found
}
