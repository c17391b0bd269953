//! The real Claude Code under mng, offline: its model is the stub of the tests.

mod adoption;
mod ask;
mod basics;
mod destroyed;
mod follow;
mod headless;
mod installation;
mod messages;
mod modes;
mod person;
mod setup;
mod states;
mod taken_over;

use std::fs;
use std::time::{Duration, Instant};

use mng_tests::{Program, Stub, TestEnv};
use serde_json::{Value, json};

/// At least 20 characters, of which the last 20 are approved.
pub(crate) const KEY: &str = "sk-ant-test-0123456789abcdefghij";

/// A world in which `mng create NAME claude` starts the real program against a stub.
pub(crate) struct Claude {
    pub(crate) env: TestEnv,
    pub(crate) stub: Stub,
    program: Program,
}

impl Claude {
    /// `None` when the program is missing: then the test is reported as skipped.
    pub(crate) fn new() -> Option<Self> {
        Self::with_stub(Stub::anthropic())
    }

    pub(crate) fn with_stub(stub: Stub) -> Option<Self> {
        let program = Program::claude()?;
        let mut env = TestEnv::with_program(&program);
        for (key, value) in stub.claude_env(KEY) {
            env.set_var(key, value);
        }
        // A person who has used Claude Code before: on a fresh home it wants to reach its own servers first.
        let config = json!({"hasCompletedOnboarding": true, "numStartups": 3});
        fs::write(env.home().join(".claude.json"), config.to_string()).expect("the home can be written");
        Some(Self { env, stub, program })
    }

    /// Creates an agent with a first message, without a single question.
    #[track_caller]
    pub(crate) fn create(&self, name: &str, message: &str) {
        let _ = self.create_with(name, &["--message", message]);
    }

    #[track_caller]
    pub(crate) fn create_with(&self, name: &str, args: &[&str]) -> mng_tests::Run {
        let mut line =
            vec!["create", name, "claude", "--no-connect", "--yes", "--pass-env", "ANTHROPIC_API_KEY"];
        line.extend(args);
        self.env.mng_args(&line).success()
    }

    /// The row of `mng list --format json`.
    #[track_caller]
    pub(crate) fn row(&self, name: &str) -> Value {
        self.env
            .listed()
            .remove(name)
            .unwrap_or_else(|| panic!("`{name}` is not listed\n{}", self.describe()))
    }

    /// `STATE` or `STATE REASON`, as listed.
    #[track_caller]
    pub(crate) fn state(&self, name: &str) -> String {
        let row = self.row(name);
        let state = row["state"].as_str().unwrap_or_default();
        match row["waiting_reason"].as_str() {
            Some(reason) => format!("{state} {reason}"),
            None => state.to_owned(),
        }
    }

    /// Waits until `list` shows the state, and returns when the listing that showed it was asked for.
    #[track_caller]
    pub(crate) fn until_state(&self, name: &str, wanted: &str) -> Instant {
        self.until_state_within(name, wanted, Duration::from_secs(30))
    }

    #[track_caller]
    pub(crate) fn until_state_within(&self, name: &str, wanted: &str, limit: Duration) -> Instant {
        let end = Instant::now() + limit;
        loop {
            let asked = Instant::now();
            let state = self.state(name);
            if state == wanted {
                return asked;
            }
            assert!(
                Instant::now() < end,
                "`{name}` is `{state}`, not `{wanted}`, after {limit:?}, with Claude Code {}\n{}",
                self.program.version(),
                self.describe()
            );
        }
    }

    /// Types keys into the agent's pane, as its person would.
    pub(crate) fn keys(&self, name: &str, keys: &[&str]) {
        let target = format!("=mng-{name}:");
        let _ = self.env.tmux(&[&["send-keys", "-t", &target], keys].concat());
    }

    /// The id of the agent's current conversation.
    pub(crate) fn session(&self, name: &str) -> String {
        person::read(self.env.agent_dir(name).join("claude_session_id")).trim().to_owned()
    }

    pub(crate) fn program(&self) -> &Program {
        &self.program
    }

    /// The program's version, for messages of assertions.
    pub(crate) fn version(&self) -> &str {
        self.program.version()
    }

    /// The screen, for messages of assertions.
    pub(crate) fn describe(&self) -> String {
        format!("{}\n{}", self.stub.describe(), self.env.describe())
    }
}
