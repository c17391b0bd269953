//! What is kept of an agent beside its work dir: its record, the names of its variables, what it said.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::far;
use super::manifest::{AgentItem, KeptAgent, Manifest};
use super::walk::{Walk, blocking, walk};
use crate::hosts::Host;
use crate::model::env_file::EnvVars;
use crate::model::error::Result;
use crate::model::record::AgentRecord;

/// Variables that every create writes anew.
const BUILT_IN: [&str; 10] = [
    "MNG_HOST_DIR",
    "MNG_AGENT_ID",
    "MNG_AGENT_NAME",
    "MNG_AGENT_STATE_DIR",
    "MNG_AGENT_WORK_DIR",
    "MNG_PRIMARY_WINDOW_NAME",
    "LLM_USER_PATH",
    "GIT_BASE_BRANCH",
    "MNG_GIT_BASE_BRANCH",
    "CODE_GUARDIAN_STOP_HOOK__BASE_BRANCH",
];

/// The directory of an entry with parts of the agent's state dir.
pub(super) fn dir(host: &Host, manifest: &Manifest) -> PathBuf {
    manifest.dir(host).join("agent")
}

/// Copies what is to be kept of the agent's state dir. Trouble with one file is noted in the manifest and
/// does not stop the removal.
///
/// # Errors
/// The state dir cannot be read at all.
pub(super) async fn keep(
    host: &Host,
    manifest: &Manifest,
    record: &AgentRecord,
    more: &[PathBuf],
) -> Result<KeptAgent> {
    let state_dir = host.layout.agent(&record.id);
    let wanted = wanted(host, &state_dir, more).await?;
    let (from, to) = (state_dir, dir(host, manifest));
    let items = if host.is_local() {
        blocking("keep the agent's files", move || {
            Ok(wanted
                .into_iter()
                .map(|path| {
                    let error = copy(&from.join(&path), &to.join(&path)).err().map(|error| error.to_string());
                    AgentItem { rel_path: path.into(), error }
                })
                .collect())
        })
        .await?
    } else {
        let mut items = Vec::new();
        for path in wanted {
            let copied = far::copy(host, &from.join(&path), &to.join(&path)).await;
            items.push(AgentItem {
                rel_path: path.into(),
                error: copied.err().map(|error| error.to_string()),
            });
        }
        items
    };
    Ok(KeptAgent { record: record.clone(), env_names: env_names(host, record).await?, items })
}

/// Transcripts, events, and what the agent's type names; relative to the state dir, existing ones only.
async fn wanted(host: &Host, state_dir: &Path, more: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut paths: BTreeSet<PathBuf> = more.iter().cloned().collect();
    paths.insert("events".into());
    for name in host.transport.list_dir(&state_dir.join("logs")).await? {
        if name.ends_with("_transcript") || name == "transcript.jsonl" {
            paths.insert(Path::new("logs").join(name));
        }
    }
    let mut found = Vec::new();
    for path in paths {
        if host.transport.stat(&state_dir.join(&path)).await?.is_some() {
            found.push(path);
        }
    }
    Ok(found)
}

/// Names only: values are often secrets.
async fn env_names(host: &Host, record: &AgentRecord) -> Result<Vec<String>> {
    let bytes = host.transport.read(&host.layout.agent_env(&record.id)).await?.unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let Ok(vars) = EnvVars::parse(&text) else {
        // A damaged file: what looks like a name is better than nothing.
        let names =
            text.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name.trim().to_owned());
        return Ok(names.filter(|name| crate::model::shell::is_variable_name(name)).collect());
    };
    Ok(vars.iter().map(|(name, _)| name).filter(|name| !BUILT_IN.contains(name)).map(str::to_owned).collect())
}

/// Copies a file or a tree of this machine, private to the person. A symlink is copied as one.
///
/// # Errors
/// Something could not be copied; the rest is.
pub(crate) async fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    let (from, to) = (from.to_path_buf(), to.to_path_buf());
    blocking("copy the agent's files", move || copy(&from, &to)).await
}

/// As [`copy_tree`], from any host to this machine. From another one only files and directories come, none of
/// them outside of `to`, and symlinks stay behind.
///
/// # Errors
/// As [`copy_tree`].
pub(crate) async fn copy_here(host: &Host, from: &Path, to: &Path) -> Result<()> {
    if host.is_local() {
        return copy_tree(from, to).await;
    }
    let bytes = far::archive(host, from).await?;
    let to = to.to_path_buf();
    blocking("write the agent's files", move || unpack(&bytes, &to)).await
}

/// Writes what an archive has below its one root.
fn unpack(bytes: &[u8], to: &Path) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    use std::path::Component;
    for entry in tar::Archive::new(bytes).entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        let mut parts = path.components().filter(|part| *part != Component::CurDir);
        parts.next();
        let inner: PathBuf = parts.collect();
        if !inner.components().all(|part| matches!(part, Component::Normal(_))) {
            continue;
        }
        let place = if inner.as_os_str().is_empty() { to.to_path_buf() } else { to.join(inner) };
        match entry.header().entry_type() {
            tar::EntryType::Directory => private_dir(&place)?,
            tar::EntryType::Regular => {
                private_dir(place.parent().unwrap_or(to))?;
                let mut file = fs::OpenOptions::new()
                    .write(true)
                    .create(true)
                    .truncate(true)
                    .mode(0o600)
                    .open(&place)?;
                io::copy(&mut entry, &mut file)?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// A file or a tree, private to the person. A symlink is copied as one.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let meta = fs::symlink_metadata(from)?;
    if let Some(parent) = to.parent() {
        private_dir(parent)?;
    }
    if !meta.is_dir() {
        return copy_one(from, to, &meta);
    }
    let mut result = private_dir(to);
    walk(from, &mut |path, meta| {
        let target = to.join(path);
        let copied =
            if meta.is_dir() { private_dir(&target) } else { copy_one(&from.join(path), &target, meta) };
        if result.is_ok() {
            result = copied;
        }
        Walk::Enter
    })?;
    result
}

fn private_dir(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn copy_one(from: &Path, to: &Path, meta: &fs::Metadata) -> io::Result<()> {
    if meta.is_symlink() {
        return match std::os::unix::fs::symlink(fs::read_link(from)?, to) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        };
    }
    if meta.is_file() { fs::copy(from, to).map(|_| ()) } else { Ok(()) }
}

/// Brings the kept files into a new state dir.
///
/// # Errors
/// A file cannot be written.
pub(super) async fn bring_back(host: &Host, manifest: &Manifest, state_dir: &Path) -> Result<()> {
    let (from, to) = (dir(host, manifest), state_dir.to_path_buf());
    if !host.is_local() {
        return far::copy(host, &from, &to).await;
    }
    blocking("restore the agent's files", move || if from.exists() { copy(&from, &to) } else { Ok(()) }).await
}

/// Takes over from an earlier entry what this one lacks: an attempt that was cut short may have kept more
/// than is left now.
///
/// # Errors
/// A file cannot be moved.
pub(super) async fn merge(host: &Host, earlier: &Manifest, manifest: &mut Manifest) -> Result<()> {
    let (old, new) = (dir(host, earlier), dir(host, manifest));
    let (Some(earlier), Some(kept)) = (&earlier.agent, &mut manifest.agent) else { return Ok(()) };
    for item in &earlier.items {
        let has_it = kept.items.iter().any(|known| known.rel_path == item.rel_path && known.error.is_none());
        if has_it || host.transport.stat(&old.join(&item.rel_path)).await?.is_none() {
            continue;
        }
        let to = new.join(&item.rel_path);
        if let Some(parent) = to.parent() {
            host.transport.create_dir(parent).await?;
        }
        host.transport.rename(&old.join(&item.rel_path), &to).await?;
        kept.items.retain(|known| known.rel_path != item.rel_path);
        kept.items.push(item.clone());
    }
    Ok(())
}
