//! What the conversations used: the token counts in the rollouts.
//!
//! A count is cumulative for its conversation; sub-agents count for themselves.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Seek as _, SeekFrom};
use std::path::Path;

use mng_core::agents::mirror::{FilePart, WatchedFile};
use mng_core::agents::usage::{CostMode, Tokens, UsageRecord, UsageSource, Window};
use mng_core::model::time::Time;
use mng_core::{Error, Result};
use serde::Deserialize;
use serde_json::Value;

use crate::home::AgentFiles;
use crate::probe::ROLLOUTS;
use crate::rollout::{self, Rollout};

/// How much of the end of a rollout holds its last count, as a rule.
const TAIL: u64 = 256 * 1024;

/// Counts in the rollouts of an agent.
#[derive(Debug)]
pub(crate) struct CodexUsage;

impl UsageSource for CodexUsage {
    fn name(&self) -> &'static str {
        "codex"
    }

    fn files(&self) -> Vec<WatchedFile> {
        vec![WatchedFile::new(ROLLOUTS, FilePart::All)]
    }

    fn records(&self, state_dir: &Path, since: Time) -> Result<Vec<UsageRecord>> {
        let sessions = AgentFiles(state_dir).sessions();
        let rollouts = rollout::find_all(&sessions)
            .map_err(|error| Error::io(format!("list `{}`", sessions.display()), error))?;
        let mut records = Vec::new();
        for rollout in &rollouts {
            let read = read(rollout, since)
                .map_err(|error| Error::io(format!("read `{}`", rollout.path.display()), error))?;
            records.extend(read);
        }
        Ok(records)
    }
}

/// The counts since that time, and the last one before. Only the end is read of a conversation that has not
/// gone on since.
fn read(rollout: &Rollout, since: Time) -> std::io::Result<Vec<UsageRecord>> {
    if Time::from(rollout.modified) < since && rollout.size > TAIL {
        let end = scan(rollout, rollout.size - TAIL, since)?;
        if end.last.as_ref().is_some_and(|record| record.model.is_some()) {
            return Ok(end.last.into_iter().collect());
        }
    }
    let scan = scan(rollout, 0, since)?;
    Ok(scan.last.into_iter().chain(scan.newer).collect())
}

#[derive(Default)]
struct Scan {
    /// The last count before the time.
    last: Option<UsageRecord>,
    newer: Vec<UsageRecord>,
}

fn scan(rollout: &Rollout, from: u64, since: Time) -> std::io::Result<Scan> {
    let mut file = File::open(&rollout.path)?;
    file.seek(SeekFrom::Start(from))?;
    let mut reader = BufReader::with_capacity(64 * 1024, file);
    let mut scan = Scan::default();
    let mut model = None;
    let mut provider = if from == 0 { None } else { provider(&rollout.path)? };
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line)? > 0 {
        if line.ends_with(b"\n")
            && let Some(parsed) = parse(&line)
        {
            let text = |path: &str| parsed.payload.pointer(path).and_then(Value::as_str).map(str::to_owned);
            match parsed.kind.as_str() {
                "session_meta" => provider = text("/model_provider").or(provider),
                "turn_context" => model = text("/model").or(model),
                _ => {
                    let name = match (&provider, &model) {
                        (Some(provider), Some(model)) => Some(format!("{provider}/{model}")),
                        (None, Some(model)) => Some(model.clone()),
                        (_, None) => None,
                    };
                    if let Some(record) = count(&rollout.thread, &parsed, name) {
                        if record.timestamp < since {
                            scan.last = Some(record);
                        } else {
                            scan.newer.push(record);
                        }
                    }
                }
            }
        }
        line.clear();
    }
    Ok(scan)
}

/// The provider, by the first line.
fn provider(path: &Path) -> std::io::Result<Option<String>> {
    let mut line = Vec::new();
    BufReader::new(File::open(path)?).read_until(b'\n', &mut line)?;
    let provider =
        parse(&line).and_then(|line| line.payload.get("model_provider")?.as_str().map(str::to_owned));
    Ok(provider)
}

#[derive(Deserialize)]
struct Line {
    timestamp: Time,
    #[serde(rename = "type")]
    kind: String,
    payload: Value,
}

/// A line that matters here. The kind stands at the start; most lines are long and something else.
fn parse(line: &[u8]) -> Option<Line> {
    let head = String::from_utf8_lossy(&line[..line.len().min(200)]);
    let matters = ["session_meta", "turn_context", "token_count"].iter().any(|kind| head.contains(kind));
    matters.then(|| serde_json::from_slice(line).ok()).flatten()
}

fn count(thread: &str, line: &Line, model: Option<String>) -> Option<UsageRecord> {
    let payload = &line.payload;
    if line.kind != "event_msg" || payload.get("type")?.as_str()? != "token_count" {
        return None;
    }
    let total = payload.pointer("/info/total_token_usage")?;
    let tokens = |key: &str| total.get(key).and_then(Value::as_u64).unwrap_or(0);
    let (input, cached, written) =
        (tokens("input_tokens"), tokens("cached_input_tokens"), tokens("cache_write_input_tokens"));
    let id = format!("{thread}-{}", line.timestamp.with_nanoseconds());
    let mut record = UsageRecord::new("codex", thread, id, line.timestamp);
    record.tokens = Some(Tokens {
        // Codex counts what came from the cache, or went there, as input too.
        input: input.saturating_sub(cached).saturating_sub(written),
        output: tokens("output_tokens"),
        cache_read: cached,
        cache_creation: written,
    });
    record.model = model;
    let limits = payload.get("rate_limits");
    let windows: BTreeMap<String, Window> = [("primary", "five_hour"), ("secondary", "seven_day")]
        .into_iter()
        .filter_map(|(codex, ours)| {
            Some((ours.to_owned(), window(limits?.get(codex)?, ours, line.timestamp)?))
        })
        .collect();
    let has_plan = limits.and_then(|limits| limits.get("plan_type")).is_some_and(|plan| !plan.is_null());
    let is_subscription = has_plan || !windows.is_empty();
    record.cost_mode = Some(if is_subscription { CostMode::Subscription } else { CostMode::ApiKey });
    record.rate_limits = (!windows.is_empty()).then_some(windows);
    Some(record)
}

fn window(limit: &Value, name: &str, at: Time) -> Option<Window> {
    let used = limit.get("used_percent")?.as_f64()?;
    let (seconds, label) = if name == "five_hour" { (18_000, "5h") } else { (604_800, "7d") };
    let number = |key: &str| limit.get(key).and_then(Value::as_f64);
    let told = limit.get("window_minutes").and_then(Value::as_u64).map(|minutes| minutes * 60);
    Some(Window {
        used_percentage: Some(used),
        // Older versions tell how long it takes.
        resets_at: number("resets_at")
            .or_else(|| number("resets_in_seconds").map(|seconds| at.as_unix_seconds() + seconds)),
        window_seconds: Some(told.unwrap_or(seconds)),
        label: Some(label.to_owned()),
        ..Window::default()
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::{Duration, SystemTime};

    use serde_json::json;

    use super::*;

    const A: &str = "01a212dc-1783-7250-aac2-8b255d7a55ed";

    fn line(minute: u32, kind: &str, payload: &Value) -> String {
        json!({"timestamp": format!("2026-11-25T13:{minute:02}:00Z"), "type": kind, "payload": payload})
            .to_string()
            + "\n"
    }

    fn tokens(minute: u32, input: u64, limits: &Value) -> String {
        let total = json!({"input_tokens": input, "cached_input_tokens": 30, "cache_write_input_tokens": 5, "output_tokens": 7, "total_tokens": input + 7});
        line(
            minute,
            "event_msg",
            &json!({"type": "token_count", "info": {"total_token_usage": total}, "rate_limits": limits}),
        )
    }

    fn records(text: &str, since: u32) -> Vec<UsageRecord> {
        let dir = tempfile::tempdir().unwrap();
        let day = AgentFiles(dir.path()).sessions().join("2026/11/25");
        fs::create_dir_all(&day).unwrap();
        let path = day.join(format!("rollout-2026-11-25T13-19-03-{A}.jsonl"));
        fs::write(&path, text).unwrap();
        let written = SystemTime::now() - Duration::from_secs(3600 * 24 * 3650);
        File::options().write(true).open(&path).unwrap().set_modified(written).unwrap();
        CodexUsage.records(dir.path(), format!("2026-11-25T13:{since:02}:00Z").parse().unwrap()).unwrap()
    }

    fn head() -> String {
        line(0, "session_meta", &json!({"model_provider": "openai"}))
            + &line(0, "turn_context", &json!({"model": "gpt-5.2"}))
    }

    #[test]
    fn counts_since_a_time_and_the_one_before() {
        let limits = json!({"primary": {"used_percent": 9.0, "window_minutes": 300, "resets_at": 1_780_000_000}, "secondary": null});
        let text = head()
            + &tokens(1, 100, &Value::Null)
            + &tokens(2, 150, &limits)
            + &tokens(3, 175, &limits)
            + "torn";
        let got = records(&text, 3);
        assert_eq!(got.iter().map(|record| record.tokens.unwrap().input).collect::<Vec<_>>(), [115, 140]);
        insta::assert_snapshot!(serde_json::to_string(&got[1]).unwrap(), @r#"{"source":"codex/usage","type":"cost_snapshot","event_id":"01a212dc-1783-7250-aac2-8b255d7a55ed-2026-11-25T13:03:00.000000000Z","timestamp":"2026-11-25T13:03:00Z","session_id":"01a212dc-1783-7250-aac2-8b255d7a55ed","message_id":null,"cost":null,"tokens":{"input":140,"output":7,"cache_read":30,"cache_creation":5},"model":"openai/gpt-5.2","cost_mode":"SUBSCRIPTION","rate_limits":{"five_hour":{"used_percentage":9.0,"resets_at":1780000000.0,"window_seconds":18000,"label":"5h","status":null,"is_using_overage":null}}}"#);
        let all = records(&text, 0);
        assert_eq!((all.len(), all[0].cost_mode), (3, Some(CostMode::ApiKey)));
    }

    #[test]
    fn of_a_long_rollout_that_rests_only_the_end_is_read() {
        let filler = line(1, "response_item", &json!({"text": "x".repeat(3000)})).repeat(120);
        let end = line(2, "turn_context", &json!({"model": "other"})) + &tokens(3, 300, &Value::Null);
        let got = records(&(head() + &tokens(1, 100, &Value::Null) + &filler + &end), 9);
        assert_eq!(got.len(), 1);
        assert_eq!((got[0].tokens.unwrap().input, got[0].model.as_deref()), (265, Some("openai/other")));
        // Without the model in the end all is read.
        let got = records(&(head() + &filler + &tokens(3, 300, &Value::Null)), 9);
        assert_eq!(got[0].model.as_deref(), Some("openai/gpt-5.2"));
    }
}
