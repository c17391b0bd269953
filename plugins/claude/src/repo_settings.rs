//! What a repository's `.claude` holds beside its tracked files.

use std::path::{Path, PathBuf};

use mng_core::agents::types::TypeSite;
use mng_core::model::record::AgentRecord;
use mng_core::{Error, Result};
use serde_json::Value;

use crate::claude_type::ClaudeType;
use crate::places;
use crate::resources;

/// Deepest directory below `.claude` that is searched.
const DEEPEST: usize = 8;

/// Brings the source's `.claude/**/*.local.*` into a work dir that is another one, where they are missing, and
/// lays `override_settings_folder` over it.
///
/// # Errors
/// A file cannot be read or written; the folder does not exist.
pub(crate) async fn bring(kind: &ClaudeType, site: &TypeSite<'_>, record: &AgentRecord) -> Result<()> {
    let own = &kind.config.own;
    let target = record.work_dir.join(".claude");
    if own.sync_repo_settings && places::real(site.source) != places::real(&record.work_dir) {
        let source = site.source.join(".claude");
        for file in local_files(&source) {
            let to = target.join(&file);
            if site.host.transport.stat(&to).await?.is_some() {
                continue;
            }
            if let Some(bytes) = places::read_file(&source.join(&file))? {
                let bytes = without_old_hooks(&file, bytes);
                site.host.transport.write_volatile(&to, &bytes, 0o600).await?;
            }
        }
    }
    if let Some(folder) = &own.override_settings_folder {
        let folder = expand(folder, site);
        if !folder.is_dir() {
            return Err(Error::input(
                format!("`override_settings_folder`: there is no directory `{}`", folder.display()),
                format!("mng config unset agent_types.{}.override_settings_folder", kind.flavor.name()),
            ));
        }
        resources::copy(site.host, &folder, &target).await?;
    }
    Ok(())
}

/// A path from the settings: below the home directory with `~/`, below the source if it is relative.
fn expand(text: &str, site: &TypeSite<'_>) -> PathBuf {
    match (text.strip_prefix("~/"), site.caller.env.get_non_empty("HOME")) {
        (Some(rest), Some(home)) => Path::new(home).join(rest),
        _ => site.source.join(text),
    }
}

/// Regular files with `.local.` in their name, relative to `dir`, sorted.
fn local_files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut left = vec![(PathBuf::new(), 0)];
    while let Some((below, depth)) = left.pop() {
        for entry in std::fs::read_dir(dir.join(&below)).into_iter().flatten().flatten() {
            let (Ok(kind), name) = (entry.file_type(), entry.file_name()) else { continue };
            if kind.is_dir() && depth < DEEPEST {
                left.push((below.join(name), depth + 1));
            } else if kind.is_file() && name.to_string_lossy().contains(".local.") {
                found.push(below.join(name));
            }
        }
    }
    found.sort();
    found
}

/// The original put its hooks into the repository's local settings, where they would act for our agents too.
fn without_old_hooks(file: &Path, bytes: Vec<u8>) -> Vec<u8> {
    if file != Path::new("settings.local.json") {
        return bytes;
    }
    let Ok(mut settings) = serde_json::from_slice::<Value>(&bytes) else { return bytes };
    let Some(hooks) = settings.get_mut("hooks").and_then(Value::as_object_mut) else { return bytes };
    let before = hooks.clone();
    for groups in hooks.values_mut().filter_map(Value::as_array_mut) {
        groups.retain(|group| !group.to_string().contains("$MNG_AGENT_STATE_DIR"));
    }
    if *hooks == before {
        return bytes;
    }
    hooks.retain(|_, groups| groups.as_array().is_none_or(|groups| !groups.is_empty()));
    places::to_json(&settings)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn old_hooks_stay_where_they_are() {
        let old = json!({"type": "command", "command": "touch \"$MNG_AGENT_STATE_DIR/active\""});
        let mine = json!({"type": "command", "command": "mine"});
        let settings = json!({
            "permissions": {"allow": ["Bash(ls)"]},
            "hooks": {"Stop": [{"hooks": [mine]}, {"hooks": [old]}], "SessionStart": [{"hooks": [old]}]},
        });
        let bytes = serde_json::to_vec(&settings).unwrap();
        let left: Value =
            serde_json::from_slice(&without_old_hooks(Path::new("settings.local.json"), bytes)).unwrap();
        assert_eq!(
            left,
            json!({
                "permissions": {"allow": ["Bash(ls)"]}, "hooks": {"Stop": [{"hooks": [mine]}]},
            })
        );
        let odd = b"{ \"hooks\": {} }".to_vec();
        assert_eq!(without_old_hooks(Path::new("settings.local.json"), odd.clone()), odd);
    }

    #[test]
    fn local_files_are_found_at_every_depth() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("skills/x")).unwrap();
        for file in ["settings.local.json", "settings.json", "skills/x/notes.local.md", "localx.md"] {
            std::fs::write(dir.path().join(file), "x").unwrap();
        }
        std::os::unix::fs::symlink("/", dir.path().join("all.local.d")).unwrap();
        let found = local_files(dir.path());
        assert_eq!(found, [Path::new("settings.local.json"), Path::new("skills/x/notes.local.md")]);
        assert!(local_files(Path::new("/nonexistent")).is_empty());
    }
}
