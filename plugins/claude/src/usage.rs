//! What the conversations used: the counts that Claude Code (2.1.332) writes with each answer into its
//! conversation files, those of sub-agents included. What a status line records beside is cumulative and read
//! by the engine.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use mng_core::agents::mirror::WatchedFile;
use mng_core::agents::usage::{CostMode, FAST, Tokens, UsageRecord, UsageSource};
use mng_core::model::time::Time;
use mng_core::{Error, Result};
use serde::Deserialize;
use serde_json::Value;

use crate::places::ISOLATED_DIR;
use crate::transcript::CONVERSATIONS;

/// Counts in the conversations of an agent.
#[derive(Debug)]
pub(crate) struct ClaudeUsage;

impl UsageSource for ClaudeUsage {
    fn name(&self) -> &'static str {
        "claude"
    }

    fn files(&self) -> Vec<WatchedFile> {
        CONVERSATIONS.to_vec()
    }

    fn records(&self, state_dir: &Path, since: Time) -> Result<Vec<UsageRecord>> {
        let mode = cost_mode(state_dir);
        let mut records = Vec::new();
        for path in conversations(state_dir) {
            let is_older = |meta: std::fs::Metadata| meta.modified().is_ok_and(|at| Time::from(at) < since);
            // Each answer counts for itself, so nothing before the time matters.
            if std::fs::metadata(&path).is_ok_and(is_older) {
                continue;
            }
            read(&path, mode, &mut records)
                .map_err(|error| Error::io(format!("read `{}`", path.display()), error))?;
        }
        Ok(records)
    }
}

/// The agent's own directory of conversations; for one that shares the person's, its current conversation.
fn conversations(state_dir: &Path) -> Vec<PathBuf> {
    let projects = state_dir.join(ISOLATED_DIR).join("projects");
    let mut found = Vec::new();
    if projects.is_dir() {
        collect(&projects, 0, &mut found);
    } else if let Ok(path) = std::fs::read_to_string(state_dir.join("claude_transcript_path")) {
        let path = PathBuf::from(path.trim_end());
        // Its sub-agents have a directory of its name.
        collect(&path.with_extension(""), 1, &mut found);
        found.extend(path.is_file().then_some(path));
    }
    found.sort();
    found
}

/// `projects/DIR/ID.jsonl`, and `ID/subagents/*.jsonl` beside it.
fn collect(dir: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && depth < 4 => collect(&path, depth + 1, found),
            Ok(kind) if kind.is_file() && path.extension().is_some_and(|end| end == "jsonl") => {
                found.push(path);
            }
            _ => {}
        }
    }
}

/// An agent with the login of a subscription pays by it; the files of a shared directory do not tell.
fn cost_mode(state_dir: &Path) -> Option<CostMode> {
    let bytes = std::fs::read(state_dir.join(ISOLATED_DIR).join(".credentials.json")).ok()?;
    let credentials: Value = serde_json::from_slice(&bytes).ok()?;
    credentials.get("claudeAiOauth").is_some_and(Value::is_object).then_some(CostMode::Subscription)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    uuid: String,
    timestamp: Time,
    session_id: String,
    message: Message,
}

#[derive(Deserialize)]
struct Message {
    id: String,
    model: String,
    usage: Counts,
}

#[derive(Deserialize)]
struct Counts {
    #[serde(default)]
    input_tokens: u64,
    #[serde(default)]
    output_tokens: u64,
    #[serde(default)]
    cache_creation_input_tokens: u64,
    #[serde(default)]
    cache_read_input_tokens: u64,
    /// `fast` or `standard`.
    #[serde(default)]
    speed: Option<String>,
}

fn read(path: &Path, mode: Option<CostMode>, records: &mut Vec<UsageRecord>) -> std::io::Result<()> {
    let mut reader = BufReader::with_capacity(64 * 1024, File::open(path)?);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line)? > 0 {
        if line.ends_with(b"\n") {
            records.extend(record(&line, mode));
        }
        line.clear();
    }
    Ok(())
}

/// The count of an assistant's line; several lines of one answer repeat it, the last one whole.
fn record(line: &[u8], mode: Option<CostMode>) -> Option<UsageRecord> {
    let needle = b"\"usage\"";
    if !line.windows(needle.len()).any(|window| window == needle) {
        return None;
    }
    let Line { uuid, timestamp, session_id, message } = serde_json::from_slice(line).ok()?;
    // What the program says itself, such as an API error, was never asked of a model.
    if message.model == "<synthetic>" {
        return None;
    }
    let counts = message.usage;
    let fast = if counts.speed.as_deref() == Some("fast") { FAST } else { "" };
    let mut record = UsageRecord::new("claude", &session_id, format!("{uuid}-usage"), timestamp);
    record.message_id = Some(message.id);
    record.model = Some(format!("{}{fast}", message.model));
    record.tokens = Some(Tokens {
        input: counts.input_tokens,
        output: counts.output_tokens,
        cache_read: counts.cache_read_input_tokens,
        cache_creation: counts.cache_creation_input_tokens,
    });
    record.cost_mode = mode;
    Some(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the program writes it, without the fields that say nothing here.
    fn line(uuid: &str, message: &str, model: &str, output: u64) -> String {
        format!(
            r#"{{"parentUuid":null,"isSidechain":false,"type":"assistant","uuid":"{uuid}","timestamp":"2026-11-25T13:16:01.123Z","sessionId":"s-1","version":"2.1.330","message":{{"id":"{message}","type":"message","role":"assistant","model":"{model}","content":[{{"type":"text","text":"hi"}}],"stop_reason":null,"usage":{{"input_tokens":3,"cache_creation_input_tokens":40,"cache_read_input_tokens":500,"output_tokens":{output},"service_tier":"standard","speed":"standard"}}}}}}
"#
        )
    }

    fn records(dir: &Path) -> Vec<UsageRecord> {
        ClaudeUsage.records(dir, "2026-11-25T00:00:00Z".parse().unwrap()).unwrap()
    }

    #[test]
    fn answers_are_counted_with_those_of_sub_agents() {
        let dir = tempfile::tempdir().unwrap();
        assert!(records(dir.path()).is_empty());
        let own = dir.path().join(ISOLATED_DIR);
        let project = own.join("projects/-work");
        std::fs::create_dir_all(project.join("s-1/subagents")).unwrap();
        let text = line("u1", "m1", "claude-opus-5-5", 1)
            + "{\"type\":\"user\",\"message\":{\"content\":\"what is \\\"usage\\\"?\"}}\nno json\n"
            + &line("u2", "m1", "claude-opus-5-5", 20)
            + &line("u3", "m2", "<synthetic>", 0)
            + line("u4", "m3", "claude-opus-5-5", 1).trim_end();
        std::fs::write(project.join("s-1.jsonl"), text).unwrap();
        let sub =
            line("u5", "m4", "claude-haiku-5-5", 7).replace("\"speed\":\"standard\"", "\"speed\":\"fast\"");
        std::fs::write(project.join("s-1/subagents/agent-1.jsonl"), sub).unwrap();
        let found = records(dir.path());
        let told: Vec<(&str, Option<&str>, u64)> = found
            .iter()
            .map(|record| (record.event_id.as_str(), record.model.as_deref(), record.tokens.unwrap().output))
            .collect();
        assert_eq!(
            told,
            [
                ("u5-usage", Some("claude-haiku-5-5:fast"), 7),
                ("u1-usage", Some("claude-opus-5-5"), 1),
                ("u2-usage", Some("claude-opus-5-5"), 20),
            ]
        );
        let tokens = Tokens { input: 3, output: 20, cache_read: 500, cache_creation: 40 };
        assert_eq!((found[2].tokens, found[2].message_id.as_deref()), (Some(tokens), Some("m1")));
        assert_eq!(found[2].cost_mode, None);
        std::fs::write(own.join(".credentials.json"), r#"{"claudeAiOauth":{"accessToken":"x"}}"#).unwrap();
        assert_eq!(records(dir.path())[2].cost_mode, Some(CostMode::Subscription));
        // A file that nobody wrote since is not read.
        assert!(ClaudeUsage.records(dir.path(), "2099-01-01T00:00:00Z".parse().unwrap()).unwrap().is_empty());
    }

    #[test]
    fn an_agent_in_the_persons_directory_counts_its_own_conversation_alone() {
        let dir = tempfile::tempdir().unwrap();
        let theirs = dir.path().join("home/.claude/projects/-work");
        std::fs::create_dir_all(theirs.join("s-1/subagents")).unwrap();
        std::fs::write(theirs.join("s-1.jsonl"), line("u1", "m1", "claude-opus-5-5", 1)).unwrap();
        std::fs::write(theirs.join("s-2.jsonl"), line("u2", "m2", "claude-opus-5-5", 1)).unwrap();
        let path = format!("{}\n", theirs.join("s-1.jsonl").display());
        std::fs::write(dir.path().join("claude_transcript_path"), path).unwrap();
        let found = records(dir.path());
        assert_eq!(found.iter().map(|record| record.event_id.as_str()).collect::<Vec<_>>(), ["u1-usage"]);
    }
}
