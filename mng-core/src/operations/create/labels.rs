//! The labels that every new agent gets: its project and the remote that the work came from.

use std::collections::BTreeMap;
use std::path::Path;

/// What is known about the source, for its labels.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LabelFacts<'a> {
    /// `--project`; `.` means: derive it.
    pub(super) project: Option<&'a str>,
    /// The `project` label of the agent that is the source.
    pub(super) source_project: Option<&'a str>,
    /// URL of the source's `origin`.
    pub(super) origin: Option<&'a str>,
    /// The source itself, symlinks resolved.
    pub(super) source: Option<&'a Path>,
}

/// The automatic labels, under those that the person gave.
pub(super) fn labels(facts: &LabelFacts<'_>, typed: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    if let Some(project) = project(facts) {
        labels.insert("project".to_owned(), project);
    }
    if let Some(origin) = facts.origin {
        labels.insert("remote".to_owned(), without_userinfo(origin));
    }
    labels.extend(typed.iter().map(|(key, value)| (key.clone(), value.clone())));
    labels
}

fn project(facts: &LabelFacts<'_>) -> Option<String> {
    let explicit = facts.project.filter(|name| *name != ".");
    let inherited = || facts.source_project.map(str::to_owned);
    let from_origin = || facts.origin.and_then(project_of_url);
    let from_dir = || facts.source.and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    explicit.map(str::to_owned).or_else(inherited).or_else(from_origin).or_else(from_dir)
}

/// The project that a git URL names: the last part of its path, without `.git`. `None` for what has no
/// recognisable path, such as a directory of this machine.
#[must_use]
pub fn project_of_url(url: &str) -> Option<String> {
    let path = match url.split_once("://") {
        Some((scheme, rest)) => {
            if !["http", "https", "ssh", "git"].contains(&scheme.to_ascii_lowercase().as_str()) {
                return None;
            }
            rest.split_once('/')?.1
        }
        // `git@host:team/repo.git`
        None if url.contains('@') && url.matches(':').count() == 1 => url.split_once(':')?.1,
        None => return None,
    };
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let last = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let name = last.strip_suffix(".git").unwrap_or(last);
    (!name.is_empty()).then(|| name.to_owned())
}

/// A URL without the user and the token that may stand in front of its host: labels are shown to everyone.
#[must_use]
pub fn without_userinfo(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest[..end].rfind('@') {
        Some(at) => format!("{scheme}://{}", &rest[at + 1..]),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_project_is_the_last_part_of_the_url() {
        for (url, project) in [
            ("git@github.com:team/repo.git", Some("repo")),
            ("git@github.com:repo", Some("repo")),
            ("https://github.com/team/repo.git", Some("repo")),
            ("https://user:token@github.com/team/repo/", Some("repo")),
            ("https://github.com", None),
            ("ssh://git@host:2222/team/repo.git", Some("repo")),
            ("/srv/git/repo.git", None),
            ("file:///srv/git/repo.git", None),
            ("user@host:a:b", None),
            ("", None),
        ] {
            assert_eq!(project_of_url(url).as_deref(), project, "{url}");
        }
    }

    #[test]
    fn tokens_never_become_labels() {
        assert_eq!(without_userinfo("https://u:t@h.com/a@b.git"), "https://h.com/a@b.git");
        assert_eq!(without_userinfo("https://u:p@ss@h/r"), "https://h/r");
        assert_eq!(without_userinfo("https://h/r"), "https://h/r");
        assert_eq!(without_userinfo("git@h:team/r.git"), "git@h:team/r.git");
    }

    #[test]
    fn what_was_typed_wins_and_a_source_agent_passes_its_project_on() {
        let none = BTreeMap::new();
        let facts = LabelFacts {
            origin: Some("https://t@h/team/repo.git"),
            source: Some(Path::new("/src/checkout")),
            ..LabelFacts::default()
        };
        assert_eq!(labels(&facts, &none)["project"], "repo");
        assert_eq!(labels(&facts, &none)["remote"], "https://h/team/repo.git");
        let cloned = LabelFacts { source_project: Some("theirs"), ..facts };
        assert_eq!(labels(&cloned, &none)["project"], "theirs");
        let explicit = LabelFacts { project: Some("mine"), ..cloned };
        assert_eq!(labels(&explicit, &none)["project"], "mine");
        let derived = LabelFacts { project: Some("."), origin: None, ..facts };
        assert_eq!(labels(&derived, &none)["project"], "checkout");
        let typed = BTreeMap::from([("project".to_owned(), "label".to_owned())]);
        assert_eq!(labels(&explicit, &typed)["project"], "label");
    }
}
