//! The labels that every new agent gets: its project and the remote that the work came from.

use std::collections::BTreeMap;
use std::path::Path;

use crate::hosts::git::{project_of_url, without_userinfo};

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

#[cfg(test)]
mod tests {
    use super::*;

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
