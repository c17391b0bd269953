//! A person who sets Claude Code up in their own way: the world of the tests about configuration, trust and
//! conversations. Its key is in the caller's environment alone.

use std::fs;
use std::path::{Path, PathBuf};

use mng_tests::{Command, Program, Stub, TestEnv};
use serde_json::{Value, json};

/// At least 20 characters.
pub(crate) const KEY: &str = "sk-ant-test-0123456789abcdefghij";

/// A world with Claude Code in which the person has used it before, and has trusted the repository.
pub(crate) struct Claude {
    pub(crate) env: TestEnv,
    pub(crate) stub: Stub,
    pub(crate) version: String,
}

impl Claude {
    /// `None`: the program is missing, and the test counts as skipped.
    pub(crate) fn new() -> Option<Self> {
        let claude = Self::untrusted()?;
        let repo = claude.env.repo().path().to_owned();
        let entry = json!({ repo.to_str().unwrap(): { "hasTrustDialogAccepted": true } });
        let global = json!({ "hasCompletedOnboarding": true, "theme": "dark", "projects": entry });
        claude.write(".claude.json", &global.to_string());
        Some(claude)
    }

    /// A world in which the person has never started it.
    pub(crate) fn untrusted() -> Option<Self> {
        let program = Program::claude()?;
        let mut env = TestEnv::with_program(&program);
        let stub = Stub::anthropic();
        for (name, value) in stub.claude_env(KEY) {
            if name != "ANTHROPIC_API_KEY" {
                env.set_var(name, value);
            }
        }
        Some(Self { env, stub, version: program.version().to_owned() })
    }

    /// `mng create NAME ARGS`, with the key in the caller's environment.
    pub(crate) fn create(&self, name: &str, args: &[&str]) -> Command {
        let head = ["create", name, "--no-connect", "--pass-env", "ANTHROPIC_API_KEY"];
        self.env.command_args(&[&head, args].concat()).env("ANTHROPIC_API_KEY", KEY)
    }

    /// As [`Claude::create`] for the type `claude` with a first message; waits until it is answered.
    #[track_caller]
    pub(crate) fn say(&self, name: &str, message: &str, args: &[&str]) {
        let _ =
            self.create(name, &[&["--type", "claude", "--message", message], args].concat()).run().success();
        self.at_rest(name);
    }

    /// Waits for the end of a turn.
    #[track_caller]
    pub(crate) fn at_rest(&self, name: &str) {
        self.env.eventually(&format!("{name} is at rest; {}", self.version), |env| {
            env.agent_dir(name).join("idle_since").exists() && env.state_of(name) == "WAITING"
        });
    }

    /// A file below the person's home.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.env.home().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// The agent's own configuration directory.
    pub(crate) fn config_dir(&self, agent: &str) -> PathBuf {
        self.env.agent_dir(agent).join("plugin/claude/anthropic")
    }

    /// The agent's conversations.
    pub(crate) fn conversations(&self, agent: &str) -> Vec<PathBuf> {
        conversations(&self.config_dir(agent))
    }
}

/// The conversations in a configuration directory.
pub(crate) fn conversations(config_dir: &Path) -> Vec<PathBuf> {
    let dirs = fs::read_dir(config_dir.join("projects")).into_iter().flatten().flatten();
    let files = dirs.flat_map(|dir| fs::read_dir(dir.path()).into_iter().flatten().flatten());
    let mut found: Vec<PathBuf> = files
        .map(|file| file.path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "jsonl"))
        .collect();
    found.sort();
    found
}

pub(crate) fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

pub(crate) fn read_json(path: impl AsRef<Path>) -> Value {
    serde_json::from_str(&read(path)).unwrap_or_default()
}
