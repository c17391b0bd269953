//! What Claude Code writes while it works: its registry of sessions and the file of a conversation.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::super::claude::Claude;
use super::{contract, json_lines, paste, press, type_text};

/// Looks at the program's own files.
pub(super) struct World {
    pub(super) claude: Claude,
}

impl World {
    /// `None`: the program is missing.
    pub(super) fn new() -> Option<Self> {
        Some(Self { claude: Claude::new()? })
    }

    /// A file of the agent's state directory.
    pub(super) fn file(&self, agent: &str, name: &str) -> PathBuf {
        self.claude.env.agent_dir(agent).join(name)
    }

    pub(super) fn read(&self, agent: &str, name: &str) -> String {
        fs::read_to_string(self.file(agent, name)).unwrap_or_default()
    }

    pub(super) fn config_dir(&self, agent: &str) -> PathBuf {
        self.file(agent, "plugin/claude/anthropic")
    }

    /// The program's process, by the processes that run.
    #[track_caller]
    pub(super) fn pid(&self, agent: &str) -> i32 {
        let found = self.claude.env.processes_of(&self.claude.env.agent_id(agent));
        let own = found.iter().find(|process| process.command.split(' ').next() == Some("claude"));
        own.unwrap_or_else(|| panic!("no claude among {found:?}\n{}", self.claude.describe())).pid
    }

    pub(super) fn kill(&self, agent: &str) {
        let pid = rustix::process::Pid::from_raw(self.pid(agent)).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    }

    /// What the registry holds of a process.
    pub(super) fn registered(&self, pid: i32, agent: &str) -> Option<Value> {
        let path = self.config_dir(agent).join(format!("sessions/{pid}.json"));
        serde_json::from_str(&fs::read_to_string(path).ok()?).ok()
    }

    /// `busy`, `idle`, or `waiting: WHAT`.
    fn status(&self, agent: &str) -> String {
        let Some(session) = self.registered(self.pid(agent), agent) else { return "none".to_owned() };
        let status = session["status"].as_str().unwrap_or("absent");
        match session["waitingFor"].as_str() {
            Some(what) => format!("{status}: {what}"),
            None => status.to_owned(),
        }
    }

    /// The records of the current conversation.
    pub(super) fn conversation(&self, agent: &str) -> Vec<Value> {
        let name = format!("{}.jsonl", self.claude.session(agent));
        let dirs = fs::read_dir(self.config_dir(agent).join("projects")).into_iter().flatten().flatten();
        dirs.map(|dir| dir.path().join(&name))
            .find(|file| file.exists())
            .map_or(Vec::new(), |file| json_lines(&file))
    }

    /// What a person said in a record.
    pub(super) fn said(record: &Value) -> Option<String> {
        let text = record["message"]["content"].as_str()?;
        (record["type"] == "user").then(|| text.to_owned())
    }

    /// All small files, for messages.
    pub(super) fn files(&self, agent: &str) -> String {
        let names =
            ["claude_main_pid", "claude_session_id", "claude_session_id_history", "claude_transcript_path"];
        let told: String =
            names.iter().map(|name| format!("{name}: {}\n", self.read(agent, name).trim())).collect();
        format!("{told}registry: {}\n{}", self.status(agent), self.claude.describe())
    }

    /// The last records, for messages.
    fn told(&self, agent: &str) -> String {
        let records = self.conversation(agent);
        let last: Vec<String> = records.iter().rev().take(12).map(Value::to_string).collect();
        format!("{}\n{}", last.join("\n"), self.claude.describe())
    }
}

/// The start of a process in clock ticks since boot, as field 22 of its `stat`.
fn start_of(pid: i32) -> String {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // The name, field 2, may hold blanks.
    stat.rsplit_once(')').unwrap().1.split_whitespace().nth(19).unwrap().to_owned()
}

#[test]
fn the_registry_tells_work_rest_and_questions() {
    let Some(world) = World::new() else { return };
    let claude = &world.claude;
    let held = ["--message", "stub:hold gate stub:say one", "--", "--permission-mode", "manual"];
    claude.create_with("c1", &held);
    claude.stub.eventually("the turn runs", |stub| stub.is_held("gate"));
    let registry = "plugins/claude/src/state.rs";
    let busy = contract(claude.program(), registry, "`sessions/<pid>.json` says `busy` while a turn runs");
    busy.becomes(|| world.status("c1") == "busy", || world.files("c1"));
    let pid = world.pid("c1");
    let session = world.registered(pid, "c1").unwrap_or_default();
    contract(
        claude.program(),
        registry,
        "`sessions/<pid>.json` holds `pid`, `sessionId`, and `procStart`: the start of the process in ticks",
    )
    .holds(
        session["pid"] == pid
            && session["sessionId"] == claude.session("c1").as_str()
            && session["procStart"] == start_of(pid).as_str(),
        || format!("{session} {}", start_of(pid)),
    );
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let since = session["statusUpdatedAt"].as_u64().map(Duration::from_millis);
    contract(
        claude.program(),
        registry,
        "`statusUpdatedAt` is the time of the change in milliseconds since 1970",
    )
    .holds(
        since.is_some_and(|since| now.saturating_sub(since) < Duration::from_secs(60) && since <= now),
        || format!("{session} at {now:?}"),
    );
    let named = super::title(&claude.env, "c1");
    contract(claude.program(), registry, "the terminal's title says `Claude Code` when the session begins")
        .holds(named.contains("Claude Code"), || named.clone());

    claude.stub.release("gate");
    contract(
        claude.program(),
        registry,
        "`sessions/<pid>.json` says `idle` at the end of a turn, and a later time",
    )
    .becomes(
        || {
            let session = world.registered(pid, "c1").unwrap_or_default();
            let is_later = session["statusUpdatedAt"].as_u64().map(Duration::from_millis) > since;
            world.status("c1") == "idle" && is_later
        },
        || world.files("c1"),
    );

    type_text(&claude.env, "c1", "stub:bash touch made");
    press(&claude.env, "c1", "Enter");
    contract(
        claude.program(),
        registry,
        "`sessions/<pid>.json` says `waiting` for something with `permission` at a permission prompt",
    )
    .becomes(
        || world.status("c1").strip_prefix("waiting: ").is_some_and(|what| what.contains("permission")),
        || world.files("c1"),
    );
    contract(
        claude.program(),
        "plugins/claude/src/scripts/claude_hook.sh",
        "the hook PermissionRequest fires at a permission prompt",
    )
    .becomes(|| world.file("c1", "permissions_waiting").exists(), || world.files("c1"));
    press(&claude.env, "c1", "Escape");
    contract(claude.program(), registry, "`sessions/<pid>.json` says `idle` after a permission was denied")
        .becomes(|| world.status("c1") == "idle", || world.files("c1"));

    type_text(&claude.env, "c1", "/model");
    press(&claude.env, "c1", "Enter");
    contract(
        claude.program(),
        registry,
        "`sessions/<pid>.json` says `waiting` for something without `permission` while a dialog is open",
    )
    .becomes(
        || world.status("c1").strip_prefix("waiting: ").is_some_and(|what| !what.contains("permission")),
        || world.files("c1"),
    );
    press(&claude.env, "c1", "Escape");
    contract(claude.program(), registry, "`sessions/<pid>.json` says `idle` after a dialog was closed")
        .becomes(|| world.status("c1") == "idle", || world.files("c1"));
}

#[test]
fn a_message_typed_while_it_works_is_queued_and_recorded() {
    let Some(world) = World::new() else { return };
    let claude = &world.claude;
    claude.create("c1", "stub:hold one");
    claude.stub.eventually("the turn runs", |stub| stub.is_held("one"));
    let pasted = format!("stub:hold two\n{}the end", "0123456789 größe\n".repeat(200));
    paste(&claude.env, "c1", &pasted);
    contract(
        claude.program(),
        "plugins/claude/src/input/mod.rs",
        "a long text that is pasted, also while it works, shows as `[Pasted text #`",
    )
    .becomes(|| claude.env.screen("mng-c1").contains("[Pasted text #"), || claude.env.screen("mng-c1"));
    press(&claude.env, "c1", "Enter");
    let operation = |name: &str| {
        world
            .conversation("c1")
            .into_iter()
            .find(|record| record["type"] == "queue-operation" && record["operation"] == name)
    };
    let squeeze = |text: &str| text.chars().filter(|ch| ch.is_alphanumeric()).collect::<String>();
    contract(
        claude.program(),
        "plugins/claude/src/input/evidence.rs",
        "a message that waits is a record `queue-operation` with `enqueue` and its text in `content`, at once",
    )
    .becomes(
        || {
            operation("enqueue").is_some_and(|record| {
                squeeze(record["content"].as_str().unwrap_or_default()).contains(&squeeze(&pasted))
            })
        },
        || world.told("c1"),
    );
    claude.stub.release("one");
    claude.stub.eventually("the queued turn runs", |stub| stub.is_held("two"));
    contract(
        claude.program(),
        "plugins/claude/src/scripts/claude_hook.sh",
        "a queued message that is taken up is a record `queue-operation` with another operation",
    )
    .becomes(
        || {
            let records = world.conversation("c1");
            let mut last = records.iter().rev().filter(|record| record["type"] == "queue-operation");
            last.next().is_some_and(|record| record["operation"] != "enqueue")
        },
        || world.told("c1"),
    );
    contract(
        claude.program(),
        "plugins/claude/src/state.rs",
        "`sessions/<pid>.json` says `busy` while a queued message is worked on",
    )
    .holds(world.status("c1") == "busy", || world.files("c1"));
    claude.stub.release("two");
}

#[test]
fn escape_ends_a_turn() {
    let Some(world) = World::new() else { return };
    let claude = &world.claude;
    claude.create_with(
        "c1",
        &[
            "--message",
            "stub:bash tail -f /dev/null",
            "--",
            "--permission-mode",
            "manual",
            "--allowedTools=Bash",
        ],
    );
    let id = claude.env.agent_id("c1");
    claude.env.eventually("the tool runs", |env| {
        env.processes_of(&id).iter().any(|process| process.command == "tail -f /dev/null")
    });
    press(&claude.env, "c1", "Escape");
    contract(
        claude.program(),
        "plugins/claude/src/state.rs",
        "`sessions/<pid>.json` says `idle` after Escape in a turn",
    )
    .becomes(|| world.status("c1") == "idle", || world.files("c1"));
    contract(
        claude.program(),
        "plugins/claude/src/transcript/record.rs",
        "an interruption is a text in the person's name that begins with `[Request interrupted by user`",
    )
    .becomes(
        || {
            world.conversation("c1").iter().any(|record| {
                let text = record["message"]["content"][0]["text"].as_str().unwrap_or_default();
                record["type"] == "user" && text.starts_with("[Request interrupted by user")
            })
        },
        || world.told("c1"),
    );

    // Nothing was said yet: the text comes back.
    type_text(&claude.env, "c1", "stub:hold gate");
    press(&claude.env, "c1", "Enter");
    claude.stub.eventually("the turn runs", |stub| stub.is_held("gate"));
    press(&claude.env, "c1", "Escape");
    contract(
        claude.program(),
        "mng-core/src/agents/message/confirmed.rs",
        "Escape before the first word of an answer puts the message back into the input box",
    )
    .becomes(
        || claude.env.screen("mng-c1").lines().any(|line| line.starts_with("❯\u{a0}stub:hold gate")),
        || claude.env.screen("mng-c1"),
    );
}

#[test]
fn an_unknown_command_is_a_warning_on_record() {
    let Some(world) = World::new() else { return };
    let claude = &world.claude;
    claude.create("c1", "stub:say one");
    claude.until_state("c1", "WAITING END_OF_TURN");
    type_text(&claude.env, "c1", "/zzz foo");
    press(&claude.env, "c1", "Enter");
    contract(
        claude.program(),
        "plugins/claude/src/input/evidence.rs",
        "an unknown slash command is a record `system` of the level `warning` with `Unknown command: /zzz`",
    )
    .becomes(
        || {
            world.conversation("c1").iter().any(|record| {
                let content = record["content"].as_str().unwrap_or_default();
                record["type"] == "system"
                    && record["level"] == "warning"
                    && content.starts_with("Unknown command: /zzz")
            })
        },
        || world.told("c1"),
    );
}
