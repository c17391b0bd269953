//! What outlives an agent for good: its transcripts and conversations, in `H/preserved/<name>--<agent-id>/`
//! of the controller, each under the path that it had in the state dir.
//!
//! Undo entries expire; these stay. Nothing here may stop a destroy: trouble is a warning.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::hosts::rescue::copy_tree;
use crate::hosts::{Host, record_bytes};
use crate::model::error::{Error, Result};
use crate::model::record::AgentRecord;
use crate::model::time::Time;
use crate::plugins::Ctx;

/// What this version writes; an archive with a higher number is left alone.
const SCHEMA_VERSION: u32 = 1;
const FILE: &str = "manifest.json";
/// Characters of an error that are kept, from its end.
const LONGEST_ERROR: usize = 1000;

/// The table of contents of an archive.
#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    schema_version: u32,
    preserved_at: Time,
    identity: Identity,
    items: Vec<Item>,
    #[serde(default)]
    transcript_flush: Vec<serde_json::Value>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Identity {
    host_id: String,
    host_name: String,
    provider_name: String,
    agent_id: String,
    agent_name: String,
    agent_type: String,
    labels: std::collections::BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Item {
    rel_path: String,
    kind: Kind,
    outcome: Outcome,
    error: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Kind {
    File,
    Directory,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Missing,
    Copied,
    Error,
}

/// What of a state dir outlives its agent, beside its events; relative to it.
#[must_use]
pub(super) fn items_of(ctx: &Ctx, record: &AgentRecord) -> Vec<PathBuf> {
    let agent_type = ctx.agent_type(&record.agent_type).ok();
    let name = agent_type.as_ref().map_or(record.agent_type.as_str(), |agent_type| agent_type.name());
    // A type of somebody else's program may be any text; it must stay one component of a path.
    let name = name.replace(['/', '\0'], "_");
    let mut items = vec![
        Path::new("logs").join(format!("{name}_transcript")),
        Path::new("events").join(&name).join("common_transcript"),
        // Where the original's agents keep theirs.
        "logs/transcript.jsonl".into(),
    ];
    items.extend(agent_type.iter().flat_map(|agent_type| agent_type.kept_items()));
    items
}

/// Copies what there is. Returns warnings.
pub(super) async fn preserve(host: &Host, record: &AgentRecord, items: &[PathBuf]) -> Vec<String> {
    if !host.is_local() {
        return Vec::new();
    }
    match copy(host, record, items).await {
        Ok(warnings) => warnings,
        Err(error) => vec![format!("transcripts of agent `{}` were not preserved: {error}", record.name)],
    }
}

async fn copy(host: &Host, record: &AgentRecord, items: &[PathBuf]) -> Result<Vec<String>> {
    let state_dir = host.layout.agent(&record.id);
    let mut there = Vec::new();
    for item in items {
        if host.transport.stat(&state_dir.join(item)).await?.is_some() {
            there.push(item.clone());
        }
    }
    if there.is_empty() {
        return Ok(Vec::new());
    }
    let Some((archive, earlier)) = place(host, record).await? else {
        return Ok(vec![format!("the archive of agent `{}` was written by a newer mng", record.name)]);
    };
    let mut copied = Vec::new();
    let mut warnings = Vec::new();
    for item in items {
        let from = state_dir.join(item);
        let result = match there.contains(item) {
            true => Some(copy_tree(&from, &archive.join(item)).await),
            false => None,
        };
        let is_dir = from.is_dir() || (result.is_none() && item.extension().is_none());
        let error = match &result {
            Some(Err(error)) => Some(tail(&error.to_string())),
            _ => None,
        };
        if let Some(error) = &error {
            warnings.push(format!("`{}` was not preserved: {error}", item.display()));
        }
        copied.push(Item {
            rel_path: item.to_string_lossy().into_owned(),
            kind: if is_dir { Kind::Directory } else { Kind::File },
            outcome: match result {
                None => Outcome::Missing,
                Some(Ok(())) => Outcome::Copied,
                Some(Err(_)) => Outcome::Error,
            },
            error,
        });
    }
    let manifest = Manifest {
        schema_version: SCHEMA_VERSION,
        preserved_at: Time::now(),
        identity: Identity::of(host, record),
        items: merge(earlier.map(|earlier| earlier.items).unwrap_or_default(), copied),
        transcript_flush: Vec::new(),
    };
    host.transport.write(&archive.join(FILE), &record_bytes(&manifest)?, 0o600).await?;
    Ok(warnings)
}

/// Where the archive goes, and what is there of an earlier attempt. `None`: one that must not be touched.
async fn place(host: &Host, record: &AgentRecord) -> Result<Option<(PathBuf, Option<Manifest>)>> {
    let name = format!("{}--{}", record.name.as_str().replace(['/', '\0'], "_"), record.id);
    let plain = host.layout.preserved().join(&name);
    let own = host.layout.preserved().join(format!("{name}--{}", host.info.id));
    for archive in [plain, own] {
        let Some(bytes) = host.transport.read(&archive.join(FILE)).await? else {
            return Ok(Some((archive, None)));
        };
        let version = serde_json::from_slice::<serde_json::Value>(&bytes)
            .ok()
            .and_then(|manifest| manifest.get("schema_version")?.as_u64());
        if version.is_some_and(|version| version > u64::from(SCHEMA_VERSION)) {
            return Ok(None);
        }
        let earlier: Manifest = serde_json::from_slice(&bytes).map_err(|error| {
            Error::io(format!("read `{}`", archive.display()), std::io::Error::other(error))
        })?;
        if earlier.identity.agent_id == record.id.as_str()
            && earlier.identity.host_id == host.info.id.as_str()
        {
            return Ok(Some((archive, Some(earlier))));
        }
    }
    Ok(None)
}

/// The new outcome of each path counts, except that "missing" takes back no copy.
fn merge(mut items: Vec<Item>, new: Vec<Item>) -> Vec<Item> {
    for item in new {
        match items.iter_mut().find(|known| known.rel_path == item.rel_path) {
            Some(known) if known.outcome == Outcome::Copied && item.outcome == Outcome::Missing => {}
            Some(known) => *known = item,
            None => items.push(item),
        }
    }
    items
}

fn tail(text: &str) -> String {
    text.chars().skip(text.chars().count().saturating_sub(LONGEST_ERROR)).collect()
}

impl Identity {
    fn of(host: &Host, record: &AgentRecord) -> Self {
        Self {
            host_id: host.info.id.to_string(),
            host_name: host.info.name.to_string(),
            provider_name: host.info.provider.to_string(),
            agent_id: record.id.to_string(),
            agent_name: record.name.to_string(),
            agent_type: record.agent_type.to_string(),
            labels: record.labels.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::fixture::{agent_at, block, host_at};

    #[test]
    fn a_missing_item_takes_back_no_copy() {
        let item = |outcome| Item { rel_path: "x".into(), kind: Kind::File, outcome, error: None };
        assert_eq!(
            merge(vec![item(Outcome::Copied)], vec![item(Outcome::Missing)])[0].outcome,
            Outcome::Copied
        );
        assert_eq!(
            merge(vec![item(Outcome::Missing)], vec![item(Outcome::Copied)])[0].outcome,
            Outcome::Copied
        );
        assert_eq!(merge(Vec::new(), vec![item(Outcome::Error)]).len(), 1);
    }

    #[test]
    fn what_is_there_is_copied_and_nothing_makes_no_archive() {
        let dir = tempfile::tempdir().unwrap();
        let host = host_at(dir.path());
        let agent = agent_at(&host, "a1");
        let items: Vec<PathBuf> = vec!["logs/claude_transcript".into(), "logs/transcript.jsonl".into()];
        assert_eq!(block(preserve(&host, &agent.record, &items)), Vec::<String>::new());
        assert!(!host.layout.preserved().exists());

        let logs = host.layout.agent(&agent.record.id).join("logs/claude_transcript");
        std::fs::create_dir_all(&logs).unwrap();
        std::fs::write(logs.join("events.jsonl"), "{}\n").unwrap();
        assert_eq!(block(preserve(&host, &agent.record, &items)), Vec::<String>::new());
        let archive = host.layout.preserved().join(format!("a1--{}", agent.record.id));
        assert_eq!(
            std::fs::read_to_string(archive.join("logs/claude_transcript/events.jsonl")).unwrap(),
            "{}\n"
        );
        let manifest: serde_json::Value =
            serde_json::from_slice(&std::fs::read(archive.join(FILE)).unwrap()).unwrap();
        assert_eq!(manifest["items"][0]["outcome"], "copied");
        assert_eq!(manifest["items"][0]["kind"], "DIRECTORY");
        assert_eq!(manifest["items"][1]["outcome"], "missing");
        assert_eq!(manifest["identity"]["agent_name"], "a1");
    }

    #[test]
    fn an_archive_of_a_newer_version_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let host = host_at(dir.path());
        let agent = agent_at(&host, "a1");
        let state_dir = host.layout.agent(&agent.record.id);
        std::fs::create_dir_all(state_dir.join("logs")).unwrap();
        std::fs::write(state_dir.join("logs/transcript.jsonl"), "new\n").unwrap();
        let archive = host.layout.preserved().join(format!("a1--{}", agent.record.id));
        std::fs::create_dir_all(&archive).unwrap();
        std::fs::write(archive.join(FILE), r#"{"schema_version":2,"future":true}"#).unwrap();
        let warnings = block(preserve(&host, &agent.record, &["logs/transcript.jsonl".into()]));
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(!archive.join("logs").exists());
    }
}
