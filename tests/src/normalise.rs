//! Makes output comparable: ids, times and the test's own paths become words.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;

/// What differs from run to run and means nothing to a reader of a snapshot.
static VOLATILE: LazyLock<Vec<(Regex, &'static str)>> = LazyLock::new(|| {
    [
        (r"\b(agent|host|vol|evt|hash)-[0-9a-f]{24,32}\b", "<$1-id>"),
        (r"\b[0-9a-f]{32}\b", "<hex>"),
        (r"\b[0-9a-f]{40}\b", "<commit>"),
        (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?", "<time>"),
        (r#""(pid|runtime_seconds|uptime_seconds|state_age|age_seconds|elapsed_seconds|memory_bytes|cpu_seconds)":\d+(\.\d+)?(e-?\d+)?"#, "\"$1\":<n>"),
        (r"\b(pid|process) \d+\b", "$1 <n>"),
        (r#""(frequency_ghz|memory_gb|disk_gb|count)":(\d+(\.\d+)?|null)"#, "\"$1\":<n>"),
    ]
    .into_iter()
    .map(|(pattern, word)| (Regex::new(&format!("(?-u){pattern}")).expect("the pattern is a literal"), word))
    .collect()
});

/// Rewrites text of one test world; see [`Normaliser::apply`].
#[derive(Clone, Debug, Default)]
pub struct Normaliser {
    /// Longest first, so that a directory inside another keeps its own word.
    paths: Vec<(PathBuf, &'static str)>,
}

impl Normaliser {
    /// Each path is shown as its word, e.g. `$HOME`.
    #[must_use]
    pub fn new(mut paths: Vec<(PathBuf, &'static str)>) -> Self {
        paths.sort_by_key(|(path, _)| std::cmp::Reverse(path.as_os_str().len()));
        Self { paths }
    }

    /// Paths, ids, times, process ids and measured numbers as words; trailing blanks of lines go.
    #[must_use]
    pub fn apply(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (path, word) in &self.paths {
            text = text.replace(&*path.to_string_lossy(), word);
        }
        for (pattern, word) in VOLATILE.iter() {
            text = pattern.replace_all(&text, *word).into_owned();
        }
        let mut lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        while lines.last().is_some_and(|line| line.is_empty()) {
            lines.pop();
        }
        lines.join("\n")
    }

    /// A path inside the world as a snapshot shows it.
    #[must_use]
    pub fn path(&self, path: &Path) -> String {
        self.apply(&path.to_string_lossy())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volatile_parts_become_words() {
        let normaliser = Normaliser::new(vec![("/tmp/x".into(), "$ROOT"), ("/tmp/x/home".into(), "$HOME")]);
        let id = "0123456789abcdef0123456789abcdef";
        assert_eq!(
            normaliser.apply(&format!(
                "agent-{id} in /tmp/x/home/{id} of /tmp/x at 2026-01-02T03:04:05.678Z  \n\n"
            )),
            "<agent-id> in $HOME/<hex> of $ROOT at <time>"
        );
        assert_eq!(
            normaliser.apply(r#"{"pid":12,"runtime_seconds":1.5}"#),
            r#"{"pid":<n>,"runtime_seconds":<n>}"#
        );
    }
}
