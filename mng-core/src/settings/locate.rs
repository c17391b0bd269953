//! Where settings and data live: the installation's name, its data root and the project.

use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;

pub use super::environment::EnvSnapshot;
use super::profile::Profile;
use crate::model::error::{Error, ErrorClass, Result};

/// One of the three settings files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConfigScope {
    /// The profile's own file, for every project.
    User,
    /// The project's file, committed with it.
    Project,
    /// The project's file that stays on this machine.
    Local,
}

impl ConfigScope {
    /// All scopes, lowest precedence first.
    pub const ALL: [Self; 3] = [Self::User, Self::Project, Self::Local];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Project => "project",
            Self::Local => "local",
        }
    }
}

impl fmt::Display for ConfigScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for ConfigScope {
    type Err = Error;

    /// Any case.
    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|scope| text.eq_ignore_ascii_case(scope.as_str())).ok_or_else(|| {
            Error::hinted(
                ErrorClass::Usage,
                format!("`{text}` is no settings scope"),
                "use `user`, `project` or `local`",
            )
        })
    }
}

/// The places of one invocation. All paths are absolute; none need exist.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Locations {
    /// Name of the installation: `mng` unless `MNG_ROOT_NAME` says otherwise.
    pub root_name: String,
    /// Data root of the controller: `config.toml`, profiles, caches. `MNG_HOST_DIR`, else `~/.ROOT`.
    pub base: PathBuf,
    pub cwd: PathBuf,
    /// The git work tree around the current directory, or what `--context` named.
    pub project_root: Option<PathBuf>,
    /// Directory of the project's settings files; it need not exist.
    pub project_config_dir: Option<PathBuf>,
    pub home: PathBuf,
}

impl Locations {
    /// Works out every place without starting git. `context` (of `--context`) becomes the project root as
    /// it is.
    ///
    /// # Errors
    /// The home directory cannot be found, the root name is no single path component, or `context` is no
    /// directory.
    pub fn find(env: &EnvSnapshot, cwd: &Path, context: Option<&Path>) -> Result<Self> {
        let home = match env.get_non_empty("HOME") {
            Some(home) => cwd.join(home),
            None => std::env::home_dir().filter(|home| !home.as_os_str().is_empty()).ok_or_else(|| {
                Error::input("cannot find the home directory", "set HOME to an absolute path")
            })?,
        };
        let root_name = env.get_non_empty("MNG_ROOT_NAME").unwrap_or("mng").to_owned();
        if Path::new(&root_name).components().ne([Component::Normal(root_name.as_ref())]) {
            return Err(Error::input(
                format!("MNG_ROOT_NAME `{root_name}` is no plain name"),
                "use letters, digits and `-`, for example `mng-test`",
            ));
        }
        let base = match env.get_non_empty("MNG_HOST_DIR") {
            Some(dir) => cwd.join(expand_home(&home, dir)),
            None => home.join(format!(".{root_name}")),
        };
        let project_root = match context {
            Some(context) => Some(context_root(&cwd.join(context))?),
            None => find_project_root(env, cwd),
        };
        let project_config_dir = match env.get_non_empty("MNG_PROJECT_CONFIG_DIR") {
            Some(dir) => Some(cwd.join(expand_home(&home, dir))),
            None => project_root.as_ref().map(|root| root.join(format!(".{root_name}"))),
        };
        Ok(Self { root_name, base, cwd: cwd.to_path_buf(), project_root, project_config_dir, home })
    }

    /// The settings file of a scope; it need not exist. `None` when there is no project (project and local
    /// scope) or no profile yet (user scope).
    #[must_use]
    pub fn settings_file(&self, scope: ConfigScope, profile: Option<&Profile>) -> Option<PathBuf> {
        match scope {
            ConfigScope::User => profile.map(Profile::settings_file),
            ConfigScope::Project => Some(self.project_config_dir.as_ref()?.join("settings.toml")),
            ConfigScope::Local => Some(self.project_config_dir.as_ref()?.join("settings.local.toml")),
        }
    }

    /// `~` and `~/x` become paths under the home directory; a relative path stays relative.
    #[must_use]
    pub fn expand_home(&self, text: &str) -> PathBuf {
        expand_home(&self.home, text)
    }

    /// The path as a person would write it: `~/…` for what lies in the home directory.
    #[must_use]
    pub fn contract_home(&self, path: &Path) -> String {
        match path.strip_prefix(&self.home) {
            Ok(rest) if rest.as_os_str().is_empty() => "~".into(),
            Ok(rest) if self.home.parent().is_some() => format!("~/{}", rest.display()),
            _ => path.display().to_string(),
        }
    }
}

fn expand_home(home: &Path, text: &str) -> PathBuf {
    match text.strip_prefix('~') {
        Some("") => home.to_path_buf(),
        Some(rest) if rest.starts_with('/') => home.join(rest.trim_start_matches('/')),
        _ => PathBuf::from(text),
    }
}

fn context_root(context: &Path) -> Result<PathBuf> {
    if context.is_dir() {
        Ok(context.to_path_buf())
    } else {
        Err(Error::hinted(
            ErrorClass::Usage,
            format!("`--context {}` is no directory", context.display()),
            "name the root directory of a project",
        ))
    }
}

/// The work tree that git would report, found without git: a failing git once made mng forget the
/// project's settings without a word.
fn find_project_root(env: &EnvSnapshot, cwd: &Path) -> Option<PathBuf> {
    if let Some(work_tree) = env.get_non_empty("GIT_WORK_TREE") {
        return Some(cwd.join(work_tree));
    }
    if env.get_non_empty("GIT_DIR").is_some() {
        return Some(cwd.to_path_buf());
    }
    // A linked worktree and a submodule have a `.git` file; each is a project of its own.
    cwd.ancestors().find(|dir| dir.join(".git").exists()).map(Path::to_path_buf)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> EnvSnapshot {
        pairs.iter().copied().collect()
    }

    #[test]
    fn defaults_follow_the_root_name() {
        let found =
            Locations::find(&env(&[("HOME", "/home/u"), ("MNG_ROOT_NAME", "x")]), Path::new("/"), None);
        let found = found.unwrap();
        assert_eq!(found.base, Path::new("/home/u/.x"));
        assert_eq!(found.project_root, None);
        assert_eq!(found.settings_file(ConfigScope::Project, None), None);
    }

    #[test]
    fn a_root_name_cannot_leave_the_home_directory() {
        for bad in ["..", "a/b", "/x", "."] {
            let result =
                Locations::find(&env(&[("HOME", "/h"), ("MNG_ROOT_NAME", bad)]), Path::new("/"), None);
            assert!(result.is_err(), "{bad}");
        }
    }

    #[test]
    fn the_host_dir_is_expanded_and_made_absolute() {
        let at = |dir| {
            Locations::find(&env(&[("HOME", "/h"), ("MNG_HOST_DIR", dir)]), Path::new("/w"), None)
                .unwrap()
                .base
        };
        assert_eq!(at("~/x"), Path::new("/h/x"));
        assert_eq!(at("rel"), Path::new("/w/rel"));
        assert_eq!(at(""), Path::new("/h/.mng"));
    }

    #[test]
    fn the_nearest_work_tree_is_the_project() {
        let dir = tempfile::tempdir().unwrap();
        let nested = dir.path().join("a/b/c");
        std::fs::create_dir_all(&nested).unwrap();
        std::fs::create_dir(dir.path().join(".git")).unwrap();
        let home = env(&[("HOME", "/h")]);
        let root = |cwd: &Path| Locations::find(&home, cwd, None).unwrap().project_root.unwrap();
        assert_eq!(root(&nested), dir.path());
        std::fs::write(dir.path().join("a/b/.git"), "gitdir: /elsewhere\n").unwrap();
        assert_eq!(root(&nested), dir.path().join("a/b"), "a worktree is its own project");
        let context = Locations::find(&home, &nested, Some(&dir.path().join("a"))).unwrap();
        assert_eq!(context.project_root.unwrap(), dir.path().join("a"));
        let missing = Locations::find(&home, &nested, Some(Path::new("nope"))).unwrap_err();
        assert_eq!(missing.exit_code(), 2);
        let from_git = env(&[("HOME", "/h"), ("GIT_DIR", "/g"), ("GIT_WORK_TREE", "/wt")]);
        assert_eq!(
            Locations::find(&from_git, &nested, None).unwrap().project_root.unwrap(),
            Path::new("/wt")
        );
    }

    #[test]
    fn home_is_contracted_only_for_what_lies_in_it() {
        let found = Locations::find(&env(&[("HOME", "/home/u")]), Path::new("/"), None).unwrap();
        assert_eq!(found.contract_home(Path::new("/home/u/.mng/x")), "~/.mng/x");
        assert_eq!(found.contract_home(Path::new("/home/user2")), "/home/user2");
        assert_eq!(found.expand_home("~user2/x"), Path::new("~user2/x"));
    }

    #[test]
    fn scopes_are_read_in_any_case() {
        assert_eq!("LOCAL".parse::<ConfigScope>().unwrap(), ConfigScope::Local);
        assert!("global".parse::<ConfigScope>().is_err());
    }
}
