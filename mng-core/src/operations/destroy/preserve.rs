//! What outlives an agent for good: its transcripts and conversations, in `H/preserved/<name>--<agent-id>/`
//! of the controller, each under the path that it had in the state dir.
//!
//! Undo entries expire; these stay. Nothing here may stop a destroy: trouble is a warning.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::agents::transcript::Store;
use crate::hosts::rescue::copy_here;
use crate::hosts::{Host, record_bytes};
use crate::model::error::{Error, Result};
use crate::model::record::AgentRecord;
use crate::model::time::Time;
use crate::operations::preserved::{Identity, MANIFEST, SCHEMA_VERSION};
use crate::operations::transcript::store_of;
use crate::operations::usage;
use crate::plugins::Ctx;

/// Making the transcript whole may take so long, and so much of it waiting for another reader.
const FLUSH: Duration = Duration::from_secs(15);
const FLUSH_LOCK: Duration = Duration::from_secs(2);
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
    transcript_flush: Vec<Flush>,
}

/// What became of bringing the transcript up to date.
#[derive(Debug, Serialize, Deserialize)]
struct Flush {
    /// The stream: `claude/common_transcript`.
    script_name: String,
    outcome: FlushOutcome,
    flushed_at: Time,
    error: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum FlushOutcome {
    Succeeded,
    /// There is nothing to bring up to date.
    Skipped,
    Error,
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
    // Settings that cannot be read keep more rather than less.
    if usage::settings(ctx).map_or(true, |settings| settings.preserve_on_destroy) {
        items.push(Path::new("events").join(&name).join("usage"));
    }
    items.extend(agent_type.iter().flat_map(|agent_type| agent_type.kept_items()));
    items
}

/// Makes the transcript whole and copies what there is. Returns warnings.
pub(super) async fn preserve(ctx: &Ctx, host: &Host, record: &AgentRecord, items: &[PathBuf]) -> Vec<String> {
    if host.is_local() {
        let store = store_of(ctx, host, record).ok().flatten();
        return preserve_with(store, host, host, record, items).await;
    }
    match ctx.local_host().await {
        Ok(here) => preserve_with(None, &here, host, record, items).await,
        Err(error) => vec![not_preserved(record, &error)],
    }
}

fn not_preserved(record: &AgentRecord, error: &Error) -> String {
    format!("transcripts of agent `{}` were not preserved: {error}", record.name)
}

async fn preserve_with(
    store: Option<Store>,
    here: &Host,
    host: &Host,
    record: &AgentRecord,
    items: &[PathBuf],
) -> Vec<String> {
    let flushed = match store {
        Some(store) => Some(flush(store).await),
        None => None,
    };
    match copy(here, host, record, items, flushed).await {
        Ok(warnings) => warnings,
        Err(error) => vec![not_preserved(record, &error)],
    }
}

/// One last pass over the program's own files: it has ended, so nothing is held back.
async fn flush(store: Store) -> Flush {
    let script_name = format!("{}/common_transcript", store.type_name());
    let is_wanted = store.is_kept() && store.exists().unwrap_or(true);
    let result = if is_wanted {
        let pass = tokio::task::spawn_blocking(move || store.update(true, FLUSH_LOCK));
        match tokio::time::timeout(FLUSH, pass).await {
            Ok(Ok(Ok(Some(_)))) => Ok(FlushOutcome::Succeeded),
            Ok(Ok(Ok(None))) => Err("another program was at it".to_owned()),
            Ok(Ok(Err(error))) => Err(error.to_string()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("not done within {} s", FLUSH.as_secs())),
        }
    } else {
        Ok(FlushOutcome::Skipped)
    };
    let outcome = *result.as_ref().unwrap_or(&FlushOutcome::Error);
    let error = result.err().map(|error| tail(&error));
    Flush { script_name, outcome, flushed_at: Time::now(), error }
}

/// From the agent's host to the archive on this machine.
async fn copy(
    here: &Host,
    host: &Host,
    record: &AgentRecord,
    items: &[PathBuf],
    flushed: Option<Flush>,
) -> Result<Vec<String>> {
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
    let Some((archive, earlier)) = place(here, host, record).await? else {
        return Ok(vec![format!("the archive of agent `{}` was written by a newer mng", record.name)]);
    };
    let mut copied = Vec::new();
    let mut warnings = Vec::new();
    if let Some(error) = flushed.as_ref().and_then(|flushed| flushed.error.as_ref()) {
        warnings
            .push(format!("the transcript of agent `{}` was not brought up to date: {error}", record.name));
    }
    for item in items {
        let from = state_dir.join(item);
        let to = archive.join(item);
        let result = match there.contains(item) {
            true => Some(copy_here(host, &from, &to).await),
            false => None,
        };
        let is_dir = to.is_dir() || (result.is_none() && item.extension().is_none());
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
        transcript_flush: flushed.into_iter().collect(),
    };
    here.transport.write(&archive.join(MANIFEST), &record_bytes(&manifest)?, 0o600).await?;
    Ok(warnings)
}

/// Where the archive goes, and what is there of an earlier attempt. `None`: one that must not be touched.
async fn place(
    here: &Host,
    host: &Host,
    record: &AgentRecord,
) -> Result<Option<(PathBuf, Option<Manifest>)>> {
    let name = format!("{}--{}", record.name.as_str().replace(['/', '\0'], "_"), record.id);
    let plain = here.layout.preserved().join(&name);
    let own = here.layout.preserved().join(format!("{name}--{}", host.info.id));
    for archive in [plain, own] {
        let Some(bytes) = here.transport.read(&archive.join(MANIFEST)).await? else {
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
    pub(super) fn of(host: &Host, record: &AgentRecord) -> Self {
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
    use crate::operations::fixture::{agent_at, block, context, host_at};

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
        assert_eq!(block(preserve(&context(), &host, &agent.record, &items)), Vec::<String>::new());
        assert!(!host.layout.preserved().exists());

        let logs = host.layout.agent(&agent.record.id).join("logs/claude_transcript");
        std::fs::create_dir_all(&logs).unwrap();
        std::fs::write(logs.join("events.jsonl"), "{}\n").unwrap();
        assert_eq!(block(preserve(&context(), &host, &agent.record, &items)), Vec::<String>::new());
        let archive = host.layout.preserved().join(format!("a1--{}", agent.record.id));
        assert_eq!(
            std::fs::read_to_string(archive.join("logs/claude_transcript/events.jsonl")).unwrap(),
            "{}\n"
        );
        let manifest: serde_json::Value =
            serde_json::from_slice(&std::fs::read(archive.join(MANIFEST)).unwrap()).unwrap();
        assert_eq!(manifest["items"][0]["outcome"], "copied");
        assert_eq!(manifest["items"][0]["kind"], "DIRECTORY");
        assert_eq!(manifest["items"][1]["outcome"], "missing");
        assert_eq!(manifest["identity"]["agent_name"], "a1");
    }

    #[test]
    fn the_transcript_is_made_whole_first() {
        use crate::agents::transcript::testing::{ToyAgent, line, toy};
        let dir = tempfile::tempdir().unwrap();
        let host = host_at(dir.path());
        let agent = agent_at(&host, "a1");
        let state_dir = host.layout.agent(&agent.record.id);
        std::fs::create_dir(state_dir.join("native")).unwrap();
        std::fs::write(state_dir.join("native/s.jsonl"), line(1, "agent", "my last words")).unwrap();
        let store = Store::new(state_dir, agent.record.id.as_str(), std::sync::Arc::new(toy()));
        let items: Vec<PathBuf> = vec!["events/toy/common_transcript".into()];
        let warnings = block(preserve_with(Some(store), &host, &host, &agent.record, &items));
        assert_eq!(warnings, Vec::<String>::new());
        let archive = host.layout.preserved().join(format!("a1--{}", agent.record.id));
        let kept = archive.join("events/toy/common_transcript/events.jsonl");
        assert!(std::fs::read_to_string(kept).unwrap().contains("my last words"));
        let manifest: serde_json::Value =
            serde_json::from_slice(&std::fs::read(archive.join(MANIFEST)).unwrap()).unwrap();
        assert_eq!(manifest["transcript_flush"][0]["script_name"], "toy/common_transcript");
        assert_eq!(manifest["transcript_flush"][0]["outcome"], "succeeded");

        // A type without native files: nothing to do, and said so.
        let empty = ToyAgent::new();
        assert_eq!(block(flush(empty.store(toy()))).outcome, FlushOutcome::Skipped);
        // What cannot be written is an error of the manifest, never of the destroy.
        let broken = ToyAgent::new();
        broken.say("s", 1, "user", "x");
        std::fs::write(broken.dir.path().join("events"), "").unwrap();
        let flushed = block(flush(broken.store(toy())));
        assert_eq!(flushed.outcome, FlushOutcome::Error);
        assert!(flushed.error.unwrap().contains("cannot create directory"));
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
        std::fs::write(archive.join(MANIFEST), r#"{"schema_version":2,"future":true}"#).unwrap();
        let warnings = block(preserve(&context(), &host, &agent.record, &["logs/transcript.jsonl".into()]));
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(!archive.join("logs").exists());
    }

    #[test]
    fn what_an_agent_on_another_host_said_is_kept_on_this_one() {
        use crate::agents::testing::PrivateHost;
        let far = PrivateHost::far();
        let record = far.agent("a1", "sleep 9");
        let logs = far.host.layout.agent(&record.id).join("logs/claude_transcript");
        std::fs::create_dir_all(&logs).unwrap();
        std::fs::write(logs.join("events ü.jsonl"), "{}\n").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", logs.join("link")).unwrap();
        std::fs::write(far.host.layout.agent(&record.id).join("logs/transcript.jsonl"), "one\n").unwrap();
        let dir = tempfile::tempdir().unwrap();
        let here = host_at(dir.path());
        let items: Vec<PathBuf> = vec!["logs/claude_transcript".into(), "logs/transcript.jsonl".into()];
        let warnings = block(preserve_with(None, &here, &far.host, &record, &items));
        assert_eq!(warnings, Vec::<String>::new());
        let archive = here.layout.preserved().join(format!("a1--{}", record.id));
        let read = |name: &str| std::fs::read_to_string(archive.join(name)).unwrap();
        assert_eq!(read("logs/claude_transcript/events ü.jsonl"), "{}\n");
        assert_eq!(read("logs/transcript.jsonl"), "one\n");
        assert!(!archive.join("logs/claude_transcript/link").exists());
        assert!(read(MANIFEST).contains(far.host.info.id.as_str()));
    }
}
