//! Conversations that were begun elsewhere: a session file, named by its path or by its id.

use std::path::{Path, PathBuf};

use mng_core::agents::types::TypeSite;
use mng_core::model::record::AgentRecord;
use mng_core::{Error, Result};
use serde_json::Value;

use crate::provision::{SESSION_FILE, SESSIONS, user_dir};
use crate::transcript::files_in;

/// The session file that a text means.
///
/// # Errors
/// There is none, or more than one.
pub(crate) fn resolve(site: &TypeSite<'_>, text: &str) -> Result<PathBuf> {
    let path = Path::new(text);
    if text.contains('/') || path.is_file() {
        return if path.is_file() {
            std::path::absolute(path).map_err(|error| Error::io(format!("read `{text}`"), error))
        } else {
            Err(Error::input(
                format!("there is no session file `{text}`"),
                "name a `.jsonl` file of pi's, or an id",
            ))
        };
    }
    let mut found = Vec::new();
    for store in stores(site) {
        let mut files = files_in(&store)?;
        files.retain(|file| is_named(file, text));
        found.append(&mut files);
    }
    match found.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(Error::input(
            format!("no pi session has an id that starts with `{text}`"),
            "ids are the last part of the names in `~/.pi/agent/sessions`; a path works too",
        )),
        many => {
            let shown: Vec<String> = many.iter().map(|file| format!("`{}`", file.display())).collect();
            Err(Error::input(
                format!("several pi sessions have an id that starts with `{text}`: {}", shown.join(", ")),
                "name one by its path",
            ))
        }
    }
}

/// Whether a file is the session of an id, or of the beginning of one: `TIME_ID.jsonl`.
fn is_named(file: &Path, id: &str) -> bool {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    id.len() >= 4 && stem.rsplit('_').next().is_some_and(|its| its.starts_with(id))
}

/// Where sessions may lie: the person's own, those of agents, those that are preserved.
fn stores(site: &TypeSite<'_>) -> Vec<PathBuf> {
    let mut stores: Vec<PathBuf> = user_dir(site).map(|user| user.join("sessions")).into_iter().collect();
    for root in [site.host.layout.agents(), site.host.layout.preserved()] {
        let Ok(entries) = std::fs::read_dir(&root) else { continue };
        stores.extend(entries.flatten().map(|entry| entry.path().join(SESSIONS)));
    }
    stores
}

/// Copies the sessions into the agent's store; the last one is the one to go on with.
///
/// # Errors
/// As [`resolve`]; a file cannot be read or written, or is no session.
pub(crate) async fn adopt(site: &TypeSite<'_>, record: &AgentRecord) -> Result<()> {
    let state_dir = site.host.layout.agent(&record.id);
    for text in site.adopt {
        let file = resolve(site, text)?;
        let bytes =
            std::fs::read(&file).map_err(|error| Error::io(format!("read `{}`", file.display()), error))?;
        let moved = rebound(&bytes, &record.work_dir).ok_or_else(|| {
            Error::input(
                format!("`{}` is no session of pi's", file.display()),
                "its first line says `session`",
            )
        })?;
        let name = file.file_name().unwrap_or_default();
        let place = state_dir.join(SESSIONS).join(directory_of(&record.work_dir)).join(name);
        site.host.transport.write(&place, &moved, 0o600).await?;
        let pointer = place.to_string_lossy().into_owned();
        site.host.transport.write(&state_dir.join(SESSION_FILE), pointer.as_bytes(), 0o600).await?;
    }
    Ok(())
}

/// The session with another working directory: the program asks where to go on when the recorded one is gone.
fn rebound(bytes: &[u8], work_dir: &Path) -> Option<Vec<u8>> {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let mut first: Value = serde_json::from_slice(bytes.get(..end)?).ok()?;
    if first.get("type").and_then(Value::as_str) != Some("session") {
        return None;
    }
    first.as_object_mut()?.insert("cwd".into(), Value::from(work_dir.to_string_lossy()));
    let mut moved = first.to_string().into_bytes();
    moved.extend(bytes.get(end..)?);
    Some(moved)
}

/// How the program names the directory of a working directory's sessions.
fn directory_of(work_dir: &Path) -> String {
    let path = work_dir.to_string_lossy();
    format!("--{}--", path.trim_start_matches('/').replace(['/', '\\', ':'], "-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_moves_to_another_directory() {
        let file = b"{\"type\":\"session\",\"version\":3,\"cwd\":\"/gone\"}\n{\"type\":\"message\"}\n";
        let moved = rebound(file, Path::new("/here")).unwrap();
        assert_eq!(
            String::from_utf8(moved).unwrap(),
            "{\"type\":\"session\",\"version\":3,\"cwd\":\"/here\"}\n{\"type\":\"message\"}\n"
        );
        assert_eq!(rebound(b"{\"type\":\"message\"}\n", Path::new("/here")), None);
        assert_eq!(rebound(b"", Path::new("/here")), None);
        assert_eq!(directory_of(Path::new("/tmp/a b/c")), "--tmp-a b-c--");
    }

    #[test]
    fn sessions_are_named_by_the_beginning_of_their_id() {
        let file = Path::new("/s/--w--/2026-11-25T13-54-24-528Z_01a212fc-748c-78b6.jsonl");
        assert!(is_named(file, "01a212fc") && is_named(file, "01a212fc-748c-78b6"));
        assert!(!is_named(file, "01a") && !is_named(file, "748c"));
    }
}
