//! The person's own codex home: read for defaults, written only where the person consents.

use std::path::{Path, PathBuf};

use mng_core::agents::types::Caller;
use mng_core::storage;
use mng_core::{Error, ErrorClass, Result};
use toml_edit::{DocumentMut, Item, Table};

use crate::home::HOME;

/// The person's own codex home on the controller.
#[derive(Clone, Debug)]
pub(crate) struct UserHome {
    dir: PathBuf,
}

impl UserHome {
    /// `CODEX_HOME`, else `~/.codex`. `None` without a home directory. The home of an agent that runs mng is
    /// not a person's.
    pub(crate) fn of(caller: Caller<'_>) -> Option<Self> {
        let set = caller.env.get_non_empty("CODEX_HOME").map(PathBuf::from);
        let own = || caller.env.get_non_empty("HOME").map(|home| Path::new(home).join(".codex"));
        let dir = set.filter(|dir| dir.is_absolute() && !dir.ends_with(HOME)).or_else(own)?;
        Some(Self { dir })
    }

    #[cfg(test)]
    pub(crate) fn at(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The `config.toml`; an empty document if there is none.
    ///
    /// # Errors
    /// It cannot be read or is not TOML.
    pub(crate) fn config(&self) -> Result<DocumentMut> {
        let path = self.path("config.toml");
        let Some(bytes) = storage::read_optional(&path)? else { return Ok(DocumentMut::new()) };
        let text = String::from_utf8(bytes).map_err(|_| malformed(&path, "it is not UTF-8"))?;
        text.parse::<DocumentMut>().map_err(|error| malformed(&path, error.message()))
    }

    /// Adds the consent for a directory to the `config.toml`, as codex itself does. The rest of the file stays
    /// as it is.
    ///
    /// # Errors
    /// The file is malformed, or cannot be written.
    pub(crate) fn trust(&self, dir: &Path) -> Result<()> {
        let mut config = self.config()?;
        set_trusted(&mut config, dir);
        // A link into a directory of dotfiles stays a link, and an existing file keeps its mode.
        storage::write_atomic(&self.path("config.toml"), config.to_string().as_bytes(), 0o600)
    }
}

fn malformed(path: &Path, why: &str) -> Error {
    Error::hinted(
        ErrorClass::ConfigParse,
        format!("`{}` is malformed: {}", path.display(), why.trim_end()),
        format!("correct it: `codex doctor` and `$EDITOR {}` help", path.display()),
    )
}

/// Writes `[projects."DIR"] trust_level = "trusted"`.
pub(crate) fn set_trusted(config: &mut DocumentMut, dir: &Path) {
    let projects = config.entry("projects").or_insert_with(|| {
        let mut table = Table::new();
        table.set_implicit(true);
        Item::Table(table)
    });
    let dir = dir.to_string_lossy();
    if let Some(projects) = projects.as_table_like_mut() {
        match projects.get_mut(&dir).and_then(Item::as_table_like_mut) {
            Some(project) => {
                project.insert("trust_level", toml_edit::value("trusted"));
            }
            None => {
                let mut project = Table::new();
                project.insert("trust_level", toml_edit::value("trusted"));
                projects.insert(&dir, Item::Table(project));
            }
        }
    }
}

/// Whether a configuration says that a directory is trusted.
pub(crate) fn is_trusted(config: &DocumentMut, dir: &Path) -> bool {
    config
        .get("projects")
        .and_then(|projects| projects.get(dir.to_string_lossy().as_ref()))
        .and_then(|project| project.get("trust_level"))
        .and_then(Item::as_str)
        == Some("trusted")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn consent_is_added_and_the_rest_stays() {
        let dir = tempfile::tempdir().unwrap();
        let home = UserHome::at(&dir.path().join("codex"));
        let repo = Path::new("/src/my \"repo\"");
        assert!(!is_trusted(&home.config().unwrap(), repo));
        home.trust(repo).unwrap();
        assert!(is_trusted(&home.config().unwrap(), repo));
        let text =
            "# mine\nmodel = \"x\" # why\n\n[projects.\"/a\"]\ntrust_level = \"untrusted\"\nnote = 1\n";
        let real = dir.path().join("dotfile.toml");
        fs::write(&real, text).unwrap();
        fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
        let path = home.path("config.toml");
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink(&real, &path).unwrap();
        home.trust(Path::new("/b")).unwrap();
        home.trust(Path::new("/a")).unwrap();
        insta::assert_snapshot!(fs::read_to_string(&real).unwrap(), @r#"
        # mine
        model = "x" # why

        [projects."/a"]
        trust_level = "trusted"
        note = 1

        [projects."/b"]
        trust_level = "trusted"
        "#);
        assert!(path.is_symlink(), "a link stays a link");
        assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o640);
    }

    #[test]
    fn a_malformed_file_is_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let home = UserHome::at(dir.path());
        let text = "model = \n[projects";
        fs::write(home.path("config.toml"), text).unwrap();
        let error = home.trust(Path::new("/b")).unwrap_err();
        assert_eq!(error.class(), ErrorClass::ConfigParse);
        assert!(error.to_string().contains("config.toml` is malformed: "), "{error}");
        assert_eq!(fs::read_to_string(home.path("config.toml")).unwrap(), text);
    }
}
