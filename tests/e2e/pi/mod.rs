//! The real pi under mng, offline: its model is the stub of the tests.

mod basics;

use std::time::{Duration, Instant};

use mng_tests::{Program, Run, Stub, TestEnv};
use serde_json::json;

/// A world in which `mng create NAME pi` starts the real program against a stub.
pub(crate) struct Pi {
    pub(crate) env: TestEnv,
    pub(crate) stub: Stub,
    program: Program,
}

impl Pi {
    /// `None` when the program is missing: then the test is reported as skipped.
    pub(crate) fn new() -> Option<Self> {
        let program = Program::pi()?;
        let stub = Stub::anthropic();
        let mut env = TestEnv::with_program(&program);
        env.set_var("PI_OFFLINE", "1");
        let models = json!({ "providers": { "stub": {
            "baseUrl": stub.url(),
            "api": "anthropic-messages",
            "apiKey": "no-key-is-needed",
            "models": [{ "id": "m", "name": "m", "contextWindow": 200_000, "maxTokens": 8000 }],
        } } });
        let settings = json!({ "defaultProvider": "stub", "defaultModel": "m" });
        let home = env.home().join(".pi/agent");
        std::fs::create_dir_all(&home).expect("the home can be written");
        for (name, content) in [("models.json", models), ("settings.json", settings)] {
            std::fs::write(home.join(name), content.to_string()).expect("the home can be written");
        }
        Some(Self { env, stub, program })
    }

    #[track_caller]
    pub(crate) fn create(&self, args: &[&str]) -> Run {
        let mut line = vec!["create", "p1", "pi", "--no-connect", "--yes"];
        line.extend(args);
        self.env.mng_args(&line).success()
    }

    /// Waits until `list` shows `STATE` or `STATE REASON`.
    #[track_caller]
    pub(crate) fn until_state(&self, wanted: &str) {
        let end = Instant::now() + Duration::from_secs(180);
        loop {
            let row = self.env.listed().remove("p1").unwrap_or_default();
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
                "`p1` is `{state}`, not `{wanted}`, with pi {version}\n{}\n{}",
                self.stub.describe(),
                self.env.describe()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// What the transcript holds, as `SOURCE TEXT`.
    #[track_caller]
    pub(crate) fn said(&self) -> Vec<String> {
        let run = self.env.mng("transcript p1 --format jsonl");
        // The program writes its session when the first answer is there.
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
        let file = self.env.agent_dir("p1").join("pi_session_file");
        std::fs::read_to_string(file).unwrap_or_default().trim().to_owned()
    }
}
