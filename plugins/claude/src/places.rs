//! Where Claude Code keeps things: the person's own, and an agent's.

use std::io;
use std::path::{Path, PathBuf};

use mng_core::Error;
use mng_core::agents::types::TypeSite;
use mng_core::model::error::Result;
use mng_core::model::ids::AgentId;
use mng_core::settings::EnvSnapshot;
use serde_json::{Map, Value};

/// The variable that moves everything of the program into one directory, its `.claude.json` included.
pub(crate) const CONFIG_DIR: &str = "CLAUDE_CONFIG_DIR";
/// What an isolated agent knows the person's own directory by.
pub(crate) const ORIGINAL_CONFIG_DIR: &str = "ORIGINAL_CLAUDE_CONFIG_DIR";
/// An agent's own directory, below its state dir.
pub(crate) const ISOLATED_DIR: &str = "plugin/claude/anthropic";
/// The settings of an agent that shares the person's directory, below its state dir.
pub(crate) const MANAGED_SETTINGS: &str = "plugin/claude/mng_managed_settings.json";

/// The person's own Claude Code on the controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UserClaude {
    /// `~/.claude`, or what `CLAUDE_CONFIG_DIR` says.
    pub(crate) dir: PathBuf,
    /// Its `.claude.json`: beside the default directory, inside any other.
    pub(crate) global: PathBuf,
    /// The directory is not the default one, so the program has to be told.
    pub(crate) is_moved: bool,
}

impl UserClaude {
    /// `None` without a home directory.
    pub(crate) fn find(env: &EnvSnapshot) -> Option<Self> {
        let home = env.get_non_empty("HOME").map(PathBuf::from);
        let default = home.as_ref().map(|home| home.join(".claude"));
        // Inside an isolated agent the first variable says whose work it does.
        let moved = env
            .get_non_empty(CONFIG_DIR)
            .map(|current| PathBuf::from(env.get_non_empty(ORIGINAL_CONFIG_DIR).unwrap_or(current)));
        match (moved, default) {
            // An agent's variable may name the default directory, whose `.claude.json` lies beside it.
            (Some(dir), Some(default)) if dir == default && !dir.join(".claude.json").exists() => {
                Some(Self::default_in(home.as_deref()?))
            }
            (Some(dir), _) => Some(Self { global: dir.join(".claude.json"), dir, is_moved: true }),
            (None, Some(_)) => Some(Self::default_in(home.as_deref()?)),
            (None, None) => None,
        }
    }

    fn default_in(home: &Path) -> Self {
        Self { dir: home.join(".claude"), global: home.join(".claude.json"), is_moved: false }
    }

    /// The person's `.claude.json`; empty if there is none, or if it is no JSON object.
    pub(crate) fn read_global(&self, site: &TypeSite<'_>) -> Result<Map<String, Value>> {
        read_object(&self.global, site)
    }

    /// The person's `settings.json`; empty if there is none.
    pub(crate) fn read_settings(&self, site: &TypeSite<'_>) -> Result<Map<String, Value>> {
        read_object(&self.dir.join("settings.json"), site)
    }
}

/// Reads a file of the controller; `None` if there is none.
pub(crate) fn read_file(path: &Path) -> Result<Option<Vec<u8>>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(Error::io(format!("read `{}`", path.display()), error)),
    }
}

fn read_object(path: &Path, site: &TypeSite<'_>) -> Result<Map<String, Value>> {
    let Some(bytes) = read_file(path)? else { return Ok(Map::new()) };
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Map::new());
    }
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(object)) => Ok(object),
        // The program says the same of it and goes on without.
        _ => {
            site.events.warning(format!("`{}` is no JSON object; it is left out", path.display()));
            Ok(Map::new())
        }
    }
}

/// A file of an agent, as pretty JSON.
pub(crate) fn to_json(value: &impl serde::Serialize) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(value).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

/// The session id that an agent starts with: its own id in the form of a UUID.
pub(crate) fn session_id(agent: &AgentId) -> String {
    let hex = agent.as_str().trim_start_matches(AgentId::PREFIX);
    match (hex.get(..8), hex.get(8..12), hex.get(12..16), hex.get(16..20), hex.get(20..)) {
        (Some(a), Some(b), Some(c), Some(d), Some(e)) => format!("{a}-{b}-{c}-{d}-{e}"),
        _ => hex.to_owned(),
    }
}

/// How the program names the directory of a work dir's conversations: every character outside
/// `[A-Za-z0-9-]` becomes `-` (UTF-16 units, as JavaScript counts). `None` above 200 characters, where it
/// adds a hash.
pub(crate) fn encoded_dir(work_dir: &Path) -> Option<String> {
    let text = work_dir.to_string_lossy();
    let mut name = String::new();
    for ch in text.chars() {
        if ch.is_ascii_alphanumeric() || ch == '-' {
            name.push(ch);
        } else {
            name.extend(std::iter::repeat_n('-', ch.len_utf16()));
        }
    }
    (name.len() <= 200).then_some(name)
}

/// A path without symlinks; as it is, if it does not exist.
pub(crate) fn real(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(vars: &[(&str, &str)]) -> Option<UserClaude> {
        UserClaude::find(&vars.iter().copied().collect())
    }

    #[test]
    fn the_persons_directory_is_found_from_everywhere() {
        assert_eq!(user(&[]), None);
        let home = ("HOME", "/h");
        let default = user(&[home]).unwrap();
        assert_eq!(default.global, Path::new("/h/.claude.json"));
        assert!(!default.is_moved);
        let moved = user(&[home, (CONFIG_DIR, "/c")]).unwrap();
        assert_eq!((moved.global.as_path(), moved.is_moved), (Path::new("/c/.claude.json"), true));
        let inside = [home, (CONFIG_DIR, "/a/plugin/claude/anthropic"), (ORIGINAL_CONFIG_DIR, "/h/.claude")];
        assert_eq!(user(&inside), Some(default));
        // Left over in an environment where nothing is isolated.
        assert_eq!(user(&[home, (ORIGINAL_CONFIG_DIR, "/x")]), user(&[home]));
    }

    #[test]
    fn directories_are_encoded_as_the_program_does() {
        assert_eq!(encoded_dir(Path::new("/tmp/my repo/.x_y")).unwrap(), "-tmp-my-repo--x-y");
        assert_eq!(encoded_dir(Path::new("/é/𝄞")).unwrap(), "-----");
        assert_eq!(encoded_dir(&Path::new("/a").join("b".repeat(200))), None);
    }

    #[test]
    fn an_agents_first_session_has_its_id() {
        let id: AgentId = "agent-0123456789abcdef0123456789abcdef".parse().unwrap();
        assert_eq!(session_id(&id), "01234567-89ab-cdef-0123-456789abcdef");
    }
}
