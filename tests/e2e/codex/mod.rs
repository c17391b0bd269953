//! The real Codex under mng, offline: its model is the stub of the tests.

mod conversations;
mod installation;
mod person;
mod turns;

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use mng_tests::{Program, Run, Stub, TestEnv};

/// A world in which `mng create NAME codex` starts the real program against a stub.
pub(crate) struct Codex {
    pub(crate) env: TestEnv,
    pub(crate) stub: Stub,
    program: Program,
}

impl Codex {
    /// `None` when the program is missing: then the test is reported as skipped.
    pub(crate) fn new() -> Option<Self> {
        let program = Program::codex()?;
        let env = TestEnv::with_program(&program);
        let stub = Stub::openai();
        fs::create_dir_all(env.home().join(".codex")).expect("the home can be written");
        fs::write(env.home().join(".codex/config.toml"), stub.codex_config())
            .expect("the home can be written");
        Some(Self { env, stub, program })
    }

    /// Creates an agent with a first message, without a single question.
    #[track_caller]
    pub(crate) fn create(&self, name: &str, message: &str) {
        let line = ["create", name, "codex", "--no-connect", "--yes", "--message", message];
        let _ = self.env.mng_args(&line).success();
    }

    #[track_caller]
    pub(crate) fn message(&self, name: &str, text: &str) -> Run {
        self.env.mng_args(&["message", name, "-m", text])
    }

    /// `STATE` or `STATE REASON`, as listed.
    #[track_caller]
    pub(crate) fn state(&self, name: &str) -> String {
        let row = self.env.listed().remove(name).unwrap_or_else(|| panic!("`{name}`\n{}", self.describe()));
        let state = row["state"].as_str().unwrap_or_default();
        match row["waiting_reason"].as_str() {
            Some(reason) => format!("{state} {reason}"),
            None => state.to_owned(),
        }
    }

    #[track_caller]
    pub(crate) fn until_state(&self, name: &str, wanted: &str) {
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            let state = self.state(name);
            if state == wanted {
                return;
            }
            assert!(
                Instant::now() < end,
                "`{name}` is `{state}`, not `{wanted}`, with Codex {}\n{}",
                self.program.version(),
                self.describe()
            );
        }
    }

    /// Presses keys in the agent's pane.
    pub(crate) fn press(&self, name: &str, keys: &[&str]) {
        let pane = format!("=mng-{name}:");
        let mut args = vec!["send-keys", "-t", &pane];
        args.extend(keys);
        self.env.tmux(&args);
    }

    /// The agent's file, trimmed.
    pub(crate) fn file(&self, name: &str, file: &str) -> String {
        fs::read_to_string(self.env.agent_dir(name).join(file)).unwrap_or_default().trim().to_owned()
    }

    /// All rollouts of an agent.
    pub(crate) fn rollouts(&self, name: &str) -> Vec<PathBuf> {
        let mut dirs = vec![self.env.agent_dir(name).join("plugin/codex/home/sessions")];
        let mut found = Vec::new();
        while let Some(dir) = dirs.pop() {
            for path in fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()) {
                if path.is_dir() {
                    dirs.push(path);
                } else {
                    found.push(path);
                }
            }
        }
        found.sort();
        found
    }

    /// What `transcript` says, as text.
    #[track_caller]
    pub(crate) fn transcript(&self, name: &str) -> String {
        self.env.mng(&format!("transcript {name} --role user --role agent")).success().stdout
    }

    pub(crate) fn program(&self) -> &Program {
        &self.program
    }

    /// The screen, for messages of assertions.
    pub(crate) fn describe(&self) -> String {
        format!("Codex {}\n{}\n{}", self.program.version(), self.stub.describe(), self.env.describe())
    }
}
