//! The real OpenCode under mng, offline: its model is the stub of the tests.

mod basics;

use std::time::{Duration, Instant};

use mng_tests::{Program, Run, Stub, TestEnv};
use serde_json::json;

/// A world in which `mng create NAME opencode` starts the real program against a stub.
pub(crate) struct Opencode {
    pub(crate) env: TestEnv,
    pub(crate) stub: Stub,
    program: Program,
}

impl Opencode {
    /// `None` when the program is missing: then the test is reported as skipped.
    pub(crate) fn new() -> Option<Self> {
        let program = Program::opencode()?;
        let stub = Stub::anthropic();
        let mut env = TestEnv::with_program(&program);
        env.set_var("OPENCODE_DISABLE_MODELS_FETCH", "1");
        let overrides = json!({
            "model": "stub/m",
            "small_model": "stub/m",
            // So that a test can meet a question.
            "permission": { "bash": "ask" },
            "provider": { "stub": {
                "npm": "@ai-sdk/anthropic",
                "options": { "baseURL": format!("{}/v1", stub.url()), "apiKey": "no-key-is-needed" },
                "models": { "m": { "name": "m", "limit": { "context": 200_000, "output": 8000 } } },
            } },
        });
        let home = env.home().join(".config/opencode");
        std::fs::create_dir_all(&home).expect("the home can be written");
        std::fs::write(home.join("opencode.json"), overrides.to_string()).expect("the home can be written");
        Some(Self { env, stub, program })
    }

    #[track_caller]
    pub(crate) fn create(&self, args: &[&str]) -> Run {
        let mut line = vec!["create", "o1", "opencode", "--no-connect", "--yes"];
        line.extend(args);
        self.env.mng_args(&line).success()
    }

    /// Waits until `list` shows `STATE` or `STATE REASON`.
    #[track_caller]
    pub(crate) fn until_state(&self, wanted: &str) {
        let end = Instant::now() + Duration::from_secs(180);
        loop {
            let row = self.env.listed().remove("o1").unwrap_or_default();
            let state = row["state"].as_str().unwrap_or_default();
            let state = match row["waiting_reason"].as_str() {
                Some(reason) => format!("{state} {reason}"),
                None => state.to_owned(),
            };
            if state == wanted {
                return;
            }
            let version = self.program.version();
            assert!(
                Instant::now() < end,
                "`o1` is `{state}`, not `{wanted}`, with OpenCode {version}\n{}\n{}",
                self.stub.describe(),
                self.env.describe()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// What the transcript holds, as `SOURCE TEXT`.
    #[track_caller]
    pub(crate) fn said(&self) -> Vec<String> {
        let run = self.env.mng("transcript o1 --format jsonl");
        if run.stderr.contains("has no transcript yet") {
            return Vec::new();
        }
        let lines = run.success().jsonl();
        lines
            .iter()
            .filter_map(|record| {
                let (source, text) = match record["type"].as_str()? {
                    "step" => (record["source"].as_str()?, record["message"].as_str()?),
                    "observation" => ("tool", record["results"][0]["content"].as_str()?),
                    _ => return None,
                };
                Some(format!("{source} {text}"))
            })
            .collect()
    }

    /// The session that it goes on with.
    pub(crate) fn session(&self) -> String {
        let file = self.env.agent_dir("o1").join("opencode_root_session");
        std::fs::read_to_string(file).unwrap_or_default().trim().to_owned()
    }
}
