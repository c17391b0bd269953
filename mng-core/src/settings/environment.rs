//! The process environment, read once. The only place that reads it.

use std::collections::BTreeMap;

/// The environment variables of this process at its start. Tests make their own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnvSnapshot(pub BTreeMap<String, String>);

impl EnvSnapshot {
    /// Copies the process environment. Variables that are not UTF-8 are left out: none of ours can be
    /// such a one, and agents get theirs from the host's own environment.
    #[must_use]
    pub fn from_process() -> Self {
        Self(
            std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
                .collect(),
        )
    }

    /// The value of a variable, empty or not.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The value of a variable that is set and not empty.
    #[must_use]
    pub fn get_non_empty(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// Whether a switch is on: `1`, `true`, `yes` or `on` in any case.
    #[must_use]
    pub fn is_truthy(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| {
            matches!(value.trim().to_ascii_lowercase().as_str(), "1" | "true" | "yes" | "on")
        })
    }

    /// All variables, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> + Clone {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for EnvSnapshot {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

/// One variable that mng reads, for the reference page.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    pub name: &'static str,
    /// One sentence, without a full stop.
    pub meaning: &'static str,
}

/// Every variable of ours that mng reads, besides `MNG__…` and `MNG_COMMANDS_…`, which spell settings.
pub const VARIABLES: &[Variable] = &[
    Variable {
        name: "MNG_ROOT_NAME",
        meaning: "name of this installation: its data root is `~/.NAME`, its prefix `NAME-` (default `mng`)",
    },
    Variable {
        name: "MNG_HOST_DIR",
        meaning: "data root, also of profiles and `config.toml`; sets `default_host_dir` too",
    },
    Variable { name: "MNG_PREFIX", meaning: "sets `prefix`" },
    Variable { name: "MNG_HEADLESS", meaning: "sets `headless`: true for `1`, `true` or `yes`" },
    Variable { name: "MNG_PROFILE", meaning: "id of the profile to use for this command" },
    Variable { name: "MNG_USER_ID", meaning: "user id to write into a new profile" },
    Variable {
        name: "MNG_PROJECT_CONFIG_DIR",
        meaning: "directory of the project's settings files, instead of `.mng` in the project root",
    },
    Variable {
        name: "MNG_ALLOW_UNKNOWN_CONFIG",
        meaning: "when true, unknown settings are warned about and ignored",
    },
    Variable { name: "MNG_LOAD_ALL_PLUGINS", meaning: "when true, no plugin is disabled by settings" },
    Variable {
        name: "MNG_TEST_GUARD",
        meaning: "`1` refuses settings files without `is_allowed_in_pytest = true` (for test suites)",
    },
    Variable { name: "MNG_COMPLETION_CACHE_DIR", meaning: "directory of the completion cache" },
    Variable {
        name: "MNG_CONNECT_COMMAND_ACTIVE",
        meaning: "set while a `connect_command` runs: a nested mng attaches by itself",
    },
    Variable { name: "IS_AUTONOMOUS", meaning: "`1` turns off the one-time tmux hint" },
    Variable { name: "NO_COLOR", meaning: "any value turns colours off" },
    Variable { name: "PAGER", meaning: "pager for help, unless `pager` is set" },
    Variable { name: "VISUAL", meaning: "editor, before `EDITOR`" },
    Variable { name: "EDITOR", meaning: "editor, split into words like a shell line" },
    Variable { name: "GIT_DIR", meaning: "as git reads it: the current directory is then the project root" },
    Variable { name: "GIT_WORK_TREE", meaning: "as git reads it: the project root" },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switches() {
        let env: EnvSnapshot = [("A", "Yes"), ("B", "0"), ("C", "")].into_iter().collect();
        assert!(env.is_truthy("A"));
        assert!(!env.is_truthy("B") && !env.is_truthy("C") && !env.is_truthy("D"));
        assert_eq!(env.get("C"), Some(""));
        assert_eq!(env.get_non_empty("C"), None);
    }
}
