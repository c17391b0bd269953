//! Conversations of other homes, continued by a new agent.

use std::path::{Path, PathBuf};

use mng_core::agents::types::TypeSite;
use mng_core::model::record::AgentRecord;
use mng_core::{Error, Result, storage};
use serde_json::Value;

use crate::home::AgentFiles;
use crate::rollout::{self, Meta, is_thread_id};
use crate::trust;
use crate::user_config::UserHome;

/// The rollouts that `--adopt` names.
///
/// # Errors
/// One does not exist, is no rollout, is a sub-agent's, or an id is found in several places.
pub(crate) fn resolve(site: &TypeSite<'_>) -> Result<Vec<PathBuf>> {
    site.adopt.iter().map(|given| one(site, given)).collect()
}

fn one(site: &TypeSite<'_>, given: &str) -> Result<PathBuf> {
    let path = if is_thread_id(given) { only(given, by_id(site, given)?)? } else { by_path(given)? };
    let meta = Meta::read(&path).map_err(|error| Error::io(format!("read `{}`", path.display()), error))?;
    match meta {
        Some(meta) if meta.is_sub_agent() => Err(Error::input(
            format!("`--adopt {given}`: it is the conversation of a sub-agent"),
            format!(
                "adopt {}",
                meta.parent_thread_id.as_deref().unwrap_or("the conversation that started it")
            ),
        )),
        Some(_) => Ok(path),
        None => Err(no_rollout(given)),
    }
}

fn no_rollout(given: &str) -> Error {
    Error::input(
        format!("`--adopt {given}`: no conversation of codex"),
        "give the id or the path of a `sessions/YYYY/MM/DD/rollout-….jsonl`",
    )
}

fn only(given: &str, mut found: Vec<PathBuf>) -> Result<PathBuf> {
    match (found.pop(), found.as_slice()) {
        (None, _) => Err(no_rollout(given)),
        (Some(path), []) => Ok(path),
        (Some(last), others) => {
            let paths = others.iter().chain([&last]).map(|path| path.display().to_string());
            Err(Error::input(
                format!("`--adopt {given}`: there are {} conversations of that id", others.len() + 1),
                format!("give the path of one: {}", paths.collect::<Vec<_>>().join(", ")),
            ))
        }
    }
}

fn by_path(given: &str) -> Result<PathBuf> {
    let path = PathBuf::from(given);
    match std::path::absolute(&path) {
        Ok(path) if path.is_file() && rollout::thread_of(&path).is_some() => Ok(path),
        _ => Err(no_rollout(given)),
    }
}

/// Searches the person's own home, the agents of this machine and those that were preserved.
fn by_id(site: &TypeSite<'_>, id: &str) -> Result<Vec<PathBuf>> {
    let mut stores: Vec<PathBuf> =
        UserHome::of(site.caller).map(|home| home.path("sessions")).into_iter().collect();
    for dir in [site.host.layout.agents(), site.host.layout.preserved()] {
        let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
        let mut dirs: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        dirs.sort();
        stores.extend(dirs.iter().map(|dir| AgentFiles(dir).sessions()));
    }
    let mut found = Vec::new();
    for store in stores {
        let rollouts = rollout::find_all(&store)
            .map_err(|error| Error::io(format!("list `{}`", store.display()), error))?;
        found.extend(rollout::of_thread(&rollouts, id).map(|rollout| rollout.path.clone()));
    }
    Ok(found)
}

/// Copies the conversations into the agent's home; the last one is resumed at its start.
///
/// # Errors
/// As [`resolve`], or a file cannot be read or written.
pub(crate) async fn adopt(site: &TypeSite<'_>, record: &AgentRecord) -> Result<()> {
    let state_dir = site.host.layout.agent(&record.id);
    let files = AgentFiles(&state_dir);
    let work_dir = trust::canonical(&record.work_dir);
    for path in resolve(site)? {
        let (Some(thread), Some(name), Some(day)) =
            (rollout::thread_of(&path), path.file_name().and_then(|name| name.to_str()), day_of(&path))
        else {
            return Err(no_rollout(&path.to_string_lossy()));
        };
        let Some(bytes) = storage::read_optional(&path)? else {
            return Err(no_rollout(&path.to_string_lossy()));
        };
        let moved = moved(&bytes, &work_dir.to_string_lossy());
        let to = files.sessions().join(day).join(name);
        let transport = &site.host.transport;
        transport.write_volatile(&to, &moved, 0o600).await?;
        for (path, line) in [
            (files.root_session(), thread.to_owned()),
            (files.transcript_path(), to.to_string_lossy().into_owned()),
        ] {
            transport.write_volatile(&path, format!("{line}\n").as_bytes(), 0o600).await?;
        }
    }
    Ok(())
}

/// `YYYY/MM/DD`, by the time in the name.
fn day_of(path: &Path) -> Option<String> {
    let date = path.file_name()?.to_str()?.strip_prefix("rollout-")?.get(..10)?;
    let is_date = date.bytes().enumerate().all(|(at, byte)| match at {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    });
    is_date.then(|| date.replace('-', "/"))
}

/// The rollout with the work dir changed in the records that name it: codex asks where to work if it differs
/// from where it is started. All other lines stay byte for byte; a torn last line is dropped, for what is
/// appended would end up on it.
fn moved(rollout: &[u8], work_dir: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(rollout.len());
    for line in rollout.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n")) {
        match moved_line(line, work_dir) {
            Some(moved) => out.extend_from_slice(&moved),
            None => out.extend_from_slice(line),
        }
    }
    out
}

fn moved_line(line: &[u8], work_dir: &str) -> Option<Vec<u8>> {
    let head = String::from_utf8_lossy(&line[..line.len().min(200)]);
    if !["session_meta", "turn_context", "thread_settings_applied"].iter().any(|kind| head.contains(kind)) {
        return None;
    }
    let mut record: Value = serde_json::from_slice(line).ok()?;
    let payload = match record.get("type")?.as_str()? {
        "session_meta" | "turn_context" => record.get_mut("payload")?,
        // Since 0.169 at the latest the settings of the conversation are recorded too.
        "event_msg" => record.get_mut("payload")?.get_mut("thread_settings")?,
        _ => return None,
    };
    let old = payload.get("cwd")?.as_str()?.to_owned();
    payload["cwd"] = work_dir.into();
    for key in ["runtime_workspace_roots", "workspace_roots"] {
        for root in payload.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten() {
            if root.as_str() == Some(&old) {
                *root = work_dir.into();
            }
        }
    }
    let mut moved = serde_json::to_vec(&record).ok()?;
    moved.push(b'\n');
    Some(moved)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_work_dir_changes() {
        let item = "{ \"type\":\"response_item\",  \"payload\":{\"cwd\":\"/old\"}}\n";
        let rollout = format!(
            "{}{item}{}torn",
            "{\"timestamp\":\"t\",\"type\":\"session_meta\",\"payload\":{\"id\":\"x\",\"cwd\":\"/old\",\"runtime_workspace_roots\":[\"/old\",\"/else\"]}}\n",
            "{\"timestamp\":\"t\",\"type\":\"turn_context\",\"payload\":{\"cwd\":\"/old\",\"model\":\"m\"}}\n"
        );
        let moved = String::from_utf8(moved(rollout.as_bytes(), "/new")).unwrap();
        assert_eq!(
            moved,
            format!(
                "{}{item}{}",
                "{\"timestamp\":\"t\",\"type\":\"session_meta\",\"payload\":{\"id\":\"x\",\"cwd\":\"/new\",\"runtime_workspace_roots\":[\"/new\",\"/else\"]}}\n",
                "{\"timestamp\":\"t\",\"type\":\"turn_context\",\"payload\":{\"cwd\":\"/new\",\"model\":\"m\"}}\n"
            )
        );
    }

    #[test]
    fn the_day_is_in_the_name() {
        let name = "rollout-2026-11-25T13-19-03-01a212dc-1783-7250-aac2-8b255d7a55ed.jsonl";
        assert_eq!(day_of(Path::new(name)).as_deref(), Some("2026/11/25"));
        assert_eq!(day_of(Path::new("rollout-20261125.jsonl")), None);
    }
}
