//! A program with a trivial native format, for tests: `native/*.jsonl` below the state dir, one
//! `{"id", "t", "who", "text", "call"?, "name"?}` a line. Agent lines with the same id are one step, held back
//! until another line comes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};

use super::{BadLine, Converter, Store, TranscriptSource};

#[derive(Clone, Debug)]
pub(crate) struct Toy {
    /// Goes on from checkpoints.
    pub(crate) can_resume: bool,
    pub(crate) is_kept: bool,
}

pub(crate) fn toy() -> Toy {
    Toy { can_resume: true, is_kept: true }
}

impl TranscriptSource for Toy {
    fn name(&self) -> &'static str {
        "toy"
    }

    fn sessions(&self, state_dir: &Path) -> crate::Result<Vec<PathBuf>> {
        let entries = std::fs::read_dir(state_dir.join("native"));
        let mut paths: Vec<PathBuf> =
            entries.into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        paths.sort();
        Ok(paths)
    }

    fn converter(&self, _session: &Path) -> Box<dyn Converter> {
        Box::new(ToyConverter { can_resume: self.can_resume, held: None, names: json!({}) })
    }

    fn is_kept(&self) -> bool {
        self.is_kept
    }
}

struct ToyConverter {
    can_resume: bool,
    held: Option<Value>,
    /// Tool names by call.
    names: Value,
}

impl ToyConverter {
    fn release(&mut self, out: &mut Vec<Value>) {
        out.extend(self.held.take());
    }
}

impl Converter for ToyConverter {
    fn line(&mut self, line: &[u8], out: &mut Vec<Value>) -> Result<(), BadLine> {
        let line: Value = serde_json::from_slice(line).map_err(|error| BadLine(error.to_string()))?;
        let text = |key: &str| line[key].as_str().unwrap_or_default();
        let mut record = json!({
            "type": "step", "event_id": format!("{}-{}", text("id"), text("who")),
            "emitter": "toy/common_transcript", "timestamp": text("t"),
        });
        match text("who") {
            "agent" => {
                if let Some(held) = self.held.as_mut().filter(|held| held["event_id"] == record["event_id"]) {
                    let joined =
                        format!("{}\n{}", held["message"].as_str().unwrap_or_default(), text("text"));
                    held["message"] = joined.into();
                    return Ok(());
                }
                self.release(out);
                record["source"] = "agent".into();
                record["message"] = text("text").into();
                if let Some(call) = line["call"].as_str() {
                    self.names[call] = text("name").into();
                    record["tool_calls"] = json!([
                        {"tool_call_id": call, "function_name": text("name"), "arguments": {"input": text("text")}}
                    ]);
                }
                self.held = Some(record);
            }
            "tool" => {
                self.release(out);
                record["type"] = "observation".into();
                let name = self.names[text("call")].as_str().unwrap_or("unknown");
                record["results"] = json!([{
                    "source_call_id": text("call"), "content": text("text"),
                    "extra": {"tool_name": name, "is_error": false},
                }]);
                out.push(record);
            }
            who => {
                self.release(out);
                record["source"] = who.into();
                record["message"] = text("text").into();
                out.push(record);
            }
        }
        Ok(())
    }

    fn finish(&mut self, is_turn_over: bool, out: &mut Vec<Value>) {
        if is_turn_over {
            self.release(out);
        }
    }

    fn is_holding(&self) -> bool {
        self.held.is_some()
    }

    fn checkpoint(&self) -> Option<Value> {
        self.can_resume.then(|| json!({"held": self.held, "names": self.names}))
    }

    fn resume(&mut self, checkpoint: &Value) -> bool {
        self.held = checkpoint.get("held").filter(|held| !held.is_null()).cloned();
        self.names = checkpoint["names"].clone();
        true
    }
}

/// A state dir with native files.
pub(crate) struct ToyAgent {
    pub(crate) dir: tempfile::TempDir,
}

impl ToyAgent {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("native")).unwrap();
        Self { dir }
    }

    pub(crate) fn store(&self, source: Toy) -> Store {
        Store::new(self.dir.path().to_path_buf(), "agent-1", Arc::new(source))
    }

    pub(crate) fn native(&self, session: &str) -> PathBuf {
        self.dir.path().join("native").join(format!("{session}.jsonl"))
    }

    pub(crate) fn append(&self, session: &str, bytes: &str) {
        use std::io::Write as _;
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.append(true).create(true).open(self.native(session)).unwrap();
        file.write_all(bytes.as_bytes()).unwrap();
    }

    /// Appends a whole line said at that second.
    pub(crate) fn say(&self, session: &str, second: u32, who: &str, text: &str) {
        self.append(session, &line(second, who, text));
    }

    pub(crate) fn common(&self) -> PathBuf {
        self.dir.path().join("events/toy/common_transcript/events.jsonl")
    }
}

pub(crate) fn line(second: u32, who: &str, text: &str) -> String {
    let time = format!("2026-11-25T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60);
    format!("{}\n", json!({"id": format!("m{second}"), "t": time, "who": who, "text": text}))
}
