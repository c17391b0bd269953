//! The branch that a new agent works on: `[BASE][:[NEW]]`.

use std::fmt;
use std::str::FromStr;

use super::error::{ErrorClass, Explain};

/// The prefix of branches that we name.
pub const DEFAULT_PREFIX: &str = "mng/";

/// A branch spec that git would refuse, or would read as something else.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BranchError {
    #[error("`{text}` has more than one `*`: it stands for the agent's name, once")]
    ManyStars { text: String },
    #[error("`{text}` cannot be the name of a new branch: {rule}")]
    BadBranch { text: String, rule: &'static str },
    #[error("`{text}` cannot be the branch or commit to start from: {rule}")]
    BadBase { text: String, rule: &'static str },
    #[error("a new branch name and `--no-new-branch` contradict each other")]
    Contradiction,
}

impl Explain for BranchError {
    fn class(&self) -> ErrorClass {
        ErrorClass::ParseSpec
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Contradiction => "give only one of the two".into(),
            _ => "write BASE:NEW, such as `main:fix/*`; `main:` makes `mng/NAME`, `main` makes none".into(),
        })
    }
}

/// `[BASE][:[NEW]]` as the person gave it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BranchSpec {
    base: Option<String>,
    /// Name of the new branch, with at most one `*` for the agent's name.
    new: Option<String>,
}

/// What a spec means for one agent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ResolvedBranch {
    /// Branch or commit to start from as the person named it; unset: what the source has checked out.
    pub base: Option<String>,
    /// Branch to make; unset: check out the base itself.
    pub new: Option<String>,
}

impl BranchSpec {
    /// # Errors
    /// A part that git would refuse, read as an option, or a second `*`.
    pub fn new(base: Option<String>, new: Option<String>) -> Result<Self, BranchError> {
        if let Some(base) = &base {
            check_base(base)?;
        }
        if let Some(pattern) = &new {
            if pattern.matches('*').count() > 1 {
                return Err(BranchError::ManyStars { text: pattern.clone() });
            }
            // Any valid name will do: what goes in for `*` is checked again with it.
            check_branch(&pattern.replace('*', "a"), pattern)?;
        }
        Ok(Self { base, new })
    }

    /// The options of older versions as a spec.
    ///
    /// # Errors
    /// As [`BranchSpec::new`], and a new branch together with `no_new_branch`.
    pub fn from_seed(flags: &SeedBranchFlags<'_>) -> Result<Self, BranchError> {
        let named = flags.new_branch.filter(|name| !name.is_empty());
        let new = match (named, flags.no_new_branch) {
            (Some(_), true) => return Err(BranchError::Contradiction),
            (None, true) => None,
            (Some(name), false) => Some(name.to_owned()),
            (None, false) => Some(format!("{}*", flags.new_branch_prefix.unwrap_or(DEFAULT_PREFIX))),
        };
        Self::new(flags.base_branch.filter(|base| !base.is_empty()).map(Into::into), new)
    }

    /// Whether the person said what to start from: then uncommitted changes are no obstacle.
    #[must_use]
    pub fn has_explicit_base(&self) -> bool {
        self.base.is_some()
    }

    /// The branch or commit to start from, if the person named one.
    #[must_use]
    pub fn base(&self) -> Option<&str> {
        self.base.as_deref()
    }

    /// Whether another agent name would give another branch.
    #[must_use]
    pub fn depends_on_name(&self) -> bool {
        self.new.as_ref().is_some_and(|pattern| pattern.contains('*'))
    }

    /// The spec for an agent of this name.
    ///
    /// # Errors
    /// The name makes the branch one that git would refuse, such as `x.lock`.
    pub fn resolve(&self, agent_name: &str) -> Result<ResolvedBranch, BranchError> {
        let new = self.new.as_ref().map(|pattern| pattern.replace('*', agent_name));
        if let Some(branch) = &new {
            check_branch(branch, branch)?;
        }
        Ok(ResolvedBranch { base: self.base.clone(), new })
    }
}

impl Default for BranchSpec {
    /// `:mng/*`
    fn default() -> Self {
        Self { base: None, new: Some(format!("{DEFAULT_PREFIX}*")) }
    }
}

impl FromStr for BranchSpec {
    type Err = BranchError;

    fn from_str(text: &str) -> Result<Self, BranchError> {
        let (base, new) = match text.split_once(':') {
            Some((base, "")) => (base, Some(format!("{DEFAULT_PREFIX}*"))),
            Some((base, new)) => (base, Some(new.to_owned())),
            None => (text, None),
        };
        Self::new((!base.is_empty()).then(|| base.to_owned()), new)
    }
}

impl fmt::Display for BranchSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.base.as_deref().unwrap_or_default())?;
        match &self.new {
            Some(new) => write!(f, ":{new}"),
            None => Ok(()),
        }
    }
}

/// `--base-branch`, `--new-branch [N]`, `--no-new-branch`, `--new-branch-prefix`, and the settings keys of
/// the same names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SeedBranchFlags<'a> {
    pub base_branch: Option<&'a str>,
    /// Empty means generated, as unset does.
    pub new_branch: Option<&'a str>,
    pub no_new_branch: bool,
    pub new_branch_prefix: Option<&'a str>,
}

/// The rules of git-check-ref-format(1) for a branch, and that it is no option.
fn check_branch(branch: &str, shown: &str) -> Result<(), BranchError> {
    match broken_rule(branch) {
        Some(rule) => Err(BranchError::BadBranch { text: shown.chars().take(80).collect(), rule }),
        None => Ok(()),
    }
}

fn broken_rule(branch: &str) -> Option<&'static str> {
    if branch.is_empty() {
        return Some("it is empty");
    }
    if branch.starts_with('-') {
        return Some("it starts with `-`");
    }
    if branch == "@" || branch == "HEAD" {
        return Some("git means the current commit by it");
    }
    if branch.chars().any(|ch| ch.is_ascii_control() || " ~^:?*[\\".contains(ch)) {
        return Some("white space, control characters and `~ ^ : ? * [ \\` are not allowed in it");
    }
    if branch.contains("..") || branch.contains("@{") {
        return Some("`..` and `@{` are not allowed in it");
    }
    if branch.split('/').any(str::is_empty) {
        return Some("a part between slashes is empty");
    }
    if branch.ends_with('.') || branch.split('/').any(|part| part.starts_with('.') || part.ends_with(".lock"))
    {
        return Some("a part starts with a dot, or it ends in a dot or `.lock`");
    }
    // The file of a loose ref must fit a directory entry, also with `.lock` behind it.
    if branch.split('/').any(|part| part.len() > 250) {
        return Some("a part is longer than 250 bytes");
    }
    None
}

/// A base may be any commit: `v1.0`, `HEAD~2`, `origin/main`, `main@{1}`. Refused is only what is no
/// revision anywhere.
fn check_base(base: &str) -> Result<(), BranchError> {
    let rule = if base.starts_with('-') {
        "it starts with `-`"
    } else if base.chars().any(|ch| ch.is_control() || " ?*[\\".contains(ch)) {
        "white space, control characters and `? * [ \\` are not allowed in it"
    } else if base.contains("..") {
        "it is a range, not one commit"
    } else {
        return Ok(());
    };
    Err(BranchError::BadBase { text: base.chars().take(80).collect(), rule })
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    fn resolved(spec: &str) -> (Option<String>, Option<String>) {
        let spec: BranchSpec = spec.parse().unwrap_or_else(|error| panic!("{spec}: {error}"));
        let branch = spec.resolve("alpha").unwrap();
        (branch.base, branch.new)
    }

    #[test]
    fn the_table_of_specs() {
        let both = |base: &str, new: &str| {
            let part = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            (part(base), part(new))
        };
        assert_eq!(resolved(":mng/*"), both("", "mng/alpha"));
        assert_eq!(resolved("main"), both("main", ""));
        assert_eq!(resolved("main:"), both("main", "mng/alpha"));
        assert_eq!(resolved(":feat/*"), both("", "feat/alpha"));
        assert_eq!(resolved("a:b"), both("a", "b"));
        assert_eq!(resolved(""), both("", ""));
        assert_eq!(resolved(":"), both("", "mng/alpha"));
        assert_eq!(resolved("HEAD~2:x"), both("HEAD~2", "x"));
        assert_eq!(BranchSpec::default().to_string(), ":mng/*");
        assert!(!BranchSpec::default().has_explicit_base());
    }

    #[test]
    fn hostile_specs_are_refused() {
        for spec in [
            "--upload-pack=x",
            ":--x",
            ":a*b*",
            ":a b",
            ":a..b",
            ":.a",
            ":a/.b",
            ":a.lock",
            ":a.lock/b",
            ":a/",
            ":/a",
            ":a//b",
            ":a.",
            ":@",
            ":HEAD",
            ":a@{1}",
            ":a\\b",
            ":a\tb",
            ":a:b",
            ":a^",
            "a b",
            "a..b",
            "a\nb",
            "a*",
        ] {
            assert!(spec.parse::<BranchSpec>().is_err(), "{spec:?}");
        }
        let long = format!(":{}", "a".repeat(300));
        assert!(long.parse::<BranchSpec>().is_err());
    }

    #[test]
    fn the_agents_name_is_checked_with_the_branch() {
        let spec: BranchSpec = ":*".parse().unwrap();
        assert!(spec.resolve("x.lock").is_err());
        assert!(spec.resolve("-x").is_err());
        assert!(spec.resolve("HEAD").is_err());
        assert_eq!(spec.resolve("x").unwrap().new.unwrap(), "x");
    }

    #[test]
    fn an_error_says_which_rule_and_how_it_is_written() {
        let error = "main:a b".parse::<BranchSpec>().unwrap_err();
        assert_eq!(error.exit_code(), 2);
        insta::assert_snapshot!(format!("{error}\nhint: {}", error.hint().unwrap()), @r"
        `a b` cannot be the name of a new branch: white space, control characters and `~ ^ : ? * [ \` are not allowed in it
        hint: write BASE:NEW, such as `main:fix/*`; `main:` makes `mng/NAME`, `main` makes none
        ");
    }

    #[test]
    fn seed_flags_become_a_spec() {
        let spec = |flags: SeedBranchFlags<'_>| BranchSpec::from_seed(&flags).map(|spec| spec.to_string());
        let none = SeedBranchFlags::default();
        assert_eq!(spec(none).unwrap(), ":mng/*");
        assert_eq!(spec(SeedBranchFlags { base_branch: Some("main"), ..none }).unwrap(), "main:mng/*");
        assert_eq!(spec(SeedBranchFlags { new_branch: Some(""), ..none }).unwrap(), ":mng/*");
        assert_eq!(spec(SeedBranchFlags { new_branch: Some("x"), ..none }).unwrap(), ":x");
        assert_eq!(spec(SeedBranchFlags { new_branch_prefix: Some("me/"), ..none }).unwrap(), ":me/*");
        let main = SeedBranchFlags { base_branch: Some("main"), no_new_branch: true, ..none };
        assert_eq!(spec(main).unwrap(), "main");
        let both = SeedBranchFlags { new_branch: Some("x"), no_new_branch: true, ..none };
        assert_eq!(spec(both).unwrap_err(), BranchError::Contradiction);
    }

    /// What git itself says of a branch name. From a directory without a repository, where `@{-1}` and the
    /// like have no meaning.
    fn git_takes(branch: &str) -> bool {
        Command::new("git")
            .args(["check-ref-format", "--branch", branch])
            .current_dir("/")
            .output()
            .unwrap()
            .status
            .success()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]

        #[test]
        fn git_agrees(branch in "[a.@{}/~^:*\\[?\\\\ -]{1,6}|[a-z]{1,3}(/[a-z.]{1,5}){0,2}(\\.lock)?") {
            // git takes `@` for a name, and every reader of it for HEAD.
            prop_assume!(branch != "@");
            let ours = broken_rule(&branch).is_none();
            prop_assert_eq!(ours, git_takes(&branch), "{:?}", branch);
        }
    }

    proptest! {
        #[test]
        fn a_spec_reads_back(text in "[a-z*:/.~-]{0,10}") {
            if let Ok(spec) = text.parse::<BranchSpec>() {
                let again: BranchSpec = spec.to_string().parse().unwrap();
                prop_assert_eq!(again, spec);
            }
        }
    }
}
