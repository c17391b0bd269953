//! The hooks through which the program tells of its sessions and turns.

use mng_core::Result;
use mng_core::agents::types::TypeSite;
use mng_core::model::record::AgentRecord;
use serde_json::{Map, Value, json};

use crate::claude_type::ClaudeType;

/// Runs at each event; see its head.
pub(crate) const HOOK_SCRIPT: &str = include_str!("scripts/claude_hook.sh");
/// Its place below the state dir.
pub(crate) const HOOK_FILE: &str = "commands/claude_hook.sh";

/// The events that are listened to, and what the script calls them.
const EVENTS: [(&str, &str); 10] = [
    ("SessionStart", "session-start"),
    ("UserPromptSubmit", "submit"),
    ("PermissionRequest", "permission"),
    ("PostToolUse", "tool-done"),
    ("PostToolUseFailure", "tool-done"),
    ("Notification", "notification"),
    ("Stop", "turn-end"),
    ("StopFailure", "turn-end"),
    ("PreCompact", "compact-start"),
    ("PostCompact", "compact-end"),
];

/// What grants every permission that is asked for.
const ALLOW: &str = concat!(
    r#"printf '%s' '{"hookSpecificOutput":{"hookEventName":"PermissionRequest","#,
    r#""decision":{"behavior":"allow"}}}'"#
);

/// One line of POSIX sh. A program that mng did not start, with the same settings, has no `MAIN_…`.
fn command(event: &str) -> String {
    format!(
        "[ -z \"${{MAIN_CLAUDE_SESSION_ID:-}}\" ] || [ ! -r \"$MNG_AGENT_STATE_DIR/{HOOK_FILE}\" ] || \
         exec sh \"$MNG_AGENT_STATE_DIR/{HOOK_FILE}\" {event}"
    )
}

/// The `hooks` table of the settings.
pub(crate) fn table(kind: &ClaudeType) -> Map<String, Value> {
    let mut table = Map::new();
    for (event, name) in EVENTS {
        let mut hook = json!({ "type": "command", "command": command(name), "timeout": 10 });
        if event == "SessionStart" && kind.config.own.announce_base_branch {
            hook["command"] = command("session-start --announce-base").into();
        }
        table.insert(event.to_owned(), json!([{ "hooks": [hook] }]));
    }
    if kind.config.own.auto_allow_permissions
        && let Some(Value::Array(hooks)) = table.get_mut("PermissionRequest")
    {
        hooks.push(json!({
            "matcher": "*", "hooks": [{ "type": "command", "command": ALLOW, "timeout": 5 }],
        }));
    }
    table
}

/// Adds ours to the hooks that are there. What is there already, word for word, is not repeated.
pub(crate) fn add_to(settings: &mut Map<String, Value>, ours: Map<String, Value>) {
    let hooks = settings.entry("hooks").or_insert_with(|| json!({}));
    if !hooks.is_object() {
        *hooks = json!({});
    }
    let Some(hooks) = hooks.as_object_mut() else { return };
    for (event, groups) in ours {
        let there = hooks.entry(event).or_insert_with(|| json!([]));
        if !there.is_array() {
            *there = json!([]);
        }
        if let (Some(there), Value::Array(groups)) = (there.as_array_mut(), groups) {
            for group in groups {
                if !there.contains(&group) {
                    there.push(group);
                }
            }
        }
    }
}

/// Writes the script that the hooks run, if it is not as it should be.
///
/// # Errors
/// The state dir cannot be written.
pub(crate) async fn write_script(site: &TypeSite<'_>, record: &AgentRecord) -> Result<()> {
    let path = site.host.layout.agent(&record.id).join(HOOK_FILE);
    crate::launch::write_if_other(site.host, &path, HOOK_SCRIPT).await
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::path::{Path, PathBuf};
    use std::process::{Command, Stdio};

    use super::*;
    use crate::claude_type::Flavor;
    use crate::config::Config;

    /// An agent's directories, and the hooks of its settings.
    struct Site {
        dir: tempfile::TempDir,
        hooks: Map<String, Value>,
        vars: Vec<(&'static str, String)>,
    }

    impl Site {
        fn new() -> Self {
            let dir = tempfile::Builder::new().prefix("it's a").tempdir().unwrap();
            for sub in ["A/commands", "work", "H"] {
                std::fs::create_dir_all(dir.path().join(sub)).unwrap();
            }
            std::fs::write(dir.path().join("A").join(HOOK_FILE), HOOK_SCRIPT).unwrap();
            let kind = ClaudeType { flavor: Flavor::Terminal, config: Config::default() };
            Self { dir, hooks: table(&kind), vars: Vec::new() }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.dir.path().join(name)
        }

        fn has(&self, name: &str) -> bool {
            self.path("A").join(name).exists()
        }

        fn read(&self, name: &str) -> String {
            std::fs::read_to_string(self.path("A").join(name)).unwrap_or_default()
        }

        /// Fires an event as the program does; what the hook prints.
        fn fire(&self, event: &str, payload: &Value) -> String {
            let command = self.hooks[event][0]["hooks"][0]["command"].as_str().unwrap();
            let mut child = Command::new("sh")
                .args(["-c", command])
                .env("MNG_AGENT_STATE_DIR", self.path("A"))
                .env("MNG_AGENT_WORK_DIR", self.path("work"))
                .env("MNG_HOST_DIR", self.path("H"))
                .env("MAIN_CLAUDE_SESSION_ID", "m")
                .env("CLAUDE_PROJECT_DIR", self.path("work"))
                .env("CLAUDE_PID", std::process::id().to_string())
                .env("CLAUDE_CODE_SESSION_ID", "s-1")
                .envs(self.vars.iter().map(|(name, value)| (name, value)))
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            // A hook that is not for this program ends without reading.
            let _ = child.stdin.take().unwrap().write_all(payload.to_string().as_bytes());
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
            String::from_utf8(output.stdout).unwrap()
        }

        fn start(&self, source: &str) {
            self.fire(
                "SessionStart",
                &json!({
                    "session_id": "s-1", "transcript_path": "/t/s-1.jsonl", "cwd": "/w",
                    "hook_event_name": "SessionStart", "source": source, "model": "claude-x",
                }),
            );
        }
    }

    #[test]
    fn a_turn_from_start_to_end() {
        let site = Site::new();
        std::fs::write(site.path("A/active"), "").unwrap();
        site.start("startup");
        assert!(site.has("session_started") && site.has("claude_process_started") && !site.has("active"));
        assert_eq!(site.read("claude_session_id"), "s-1\n");
        assert_eq!(site.read("claude_session_id_history"), "s-1 startup\n");
        assert_eq!(site.read("claude_transcript_path"), "/t/s-1.jsonl\n");
        assert_eq!(site.read("claude_main_pid"), format!("{}\n", std::process::id()));
        let registry = std::fs::read_link(site.path("A/claude_registry")).unwrap();
        assert!(registry.ends_with(format!("sessions/{}.json", std::process::id())), "{registry:?}");
        let model: Value = serde_json::from_str(&site.read("model_state.json")).unwrap();
        assert_eq!(model, json!({"model": "claude-x", "effort": null, "fast": null}));

        site.fire("UserPromptSubmit", &json!({"session_id": "s-1", "prompt": "x\", \"source\":\"startup"}));
        assert!(site.has("active"));
        site.fire("PermissionRequest", &json!({"tool_name": "Bash"}));
        assert!(site.has("permissions_waiting"));
        site.fire("PostToolUse", &json!({"tool_name": "Bash"}));
        assert!(site.has("active") && !site.has("permissions_waiting"));
        assert_eq!(site.fire("Stop", &json!({"session_id": "s-1", "transcript_path": "/none"})), "");
        assert!(!site.has("active") && site.has("idle_since"));
        let events = std::fs::read_to_string(site.path("H/events/mng/activity/events.jsonl")).unwrap();
        let events: Vec<Value> = events.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(events.len(), 3, "start, submit, stop");
        let id = events[0]["event_id"].as_str().unwrap();
        assert!(id.parse::<mng_core::model::ids::EventId>().is_ok(), "{id}");
    }

    #[test]
    fn failures_and_idleness_end_a_turn_too() {
        let site = Site::new();
        let with = |event: &str, payload: Value| {
            std::fs::write(site.path("A/active"), "").unwrap();
            site.fire(event, &payload);
            site.has("active")
        };
        assert!(!with("StopFailure", json!({"error": "x"})));
        assert!(!with("Notification", json!({"message": "m", "notification_type": "idle_prompt"})));
        assert!(with("Notification", json!({"message": "m", "notification_type": "permission_prompt"})));
        // Only a field of its own counts.
        let posing = json!({"message": "a, \"notification_type\":\"idle_prompt\"", "notification_type": "x"});
        assert!(with("Notification", posing));
    }

    #[test]
    fn a_queued_message_keeps_the_turn_going() {
        let site = Site::new();
        let transcript = site.path("t.jsonl");
        let stop = |lines: &[Value]| {
            let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
            std::fs::write(&transcript, text).unwrap();
            std::fs::write(site.path("A/active"), "").unwrap();
            site.fire("Stop", &json!({"session_id": "s", "transcript_path": transcript}));
            site.has("active")
        };
        let queue = |operation: &str, content: &str| json!({"type": "queue-operation", "operation": operation, "content": content});
        assert!(stop(&[queue("enqueue", "more")]));
        assert!(!stop(&[
            queue("enqueue", "more"),
            json!({"type": "queue-operation", "operation": "dequeue"})
        ]));
        assert!(!stop(&[queue("enqueue", "/compact")]));
        assert!(!stop(&[json!({"type": "user"})]));
    }

    #[test]
    fn compaction_is_marked_while_it_lasts() {
        let site = Site::new();
        site.fire("PreCompact", &json!({"trigger": "manual", "custom_instructions": ""}));
        let marker: Value = serde_json::from_str(&site.read("compacting")).unwrap();
        assert_eq!(marker["trigger"], "manual");
        site.fire("PostCompact", &json!({"trigger": "manual"}));
        let last: Value = serde_json::from_str(&site.read("last_compaction.json")).unwrap();
        assert_eq!(
            (last["trigger"].as_str(), last["started_at"].as_str()),
            (Some("manual"), marker["started_at"].as_str())
        );
        assert!(last["ended_at"].is_string() && !site.has("compacting"));
        site.fire("PostCompact", &json!({}));
        assert!(serde_json::from_str::<Value>(&site.read("last_compaction.json")).is_ok());
    }

    #[test]
    fn other_programs_with_the_same_settings_are_not_the_agent() {
        let silent = |vars: Vec<(&'static str, String)>| {
            let mut site = Site::new();
            site.vars = vars;
            site.start("startup");
            !site.has("session_started")
        };
        assert!(!silent(Vec::new()));
        assert!(silent(vec![("MAIN_CLAUDE_SESSION_ID", String::new())]));
        assert!(silent(vec![("CLAUDE_PROJECT_DIR", "/tmp".into())]));
        assert!(silent(vec![("MNG_AGENT_STATE_DIR", "/nonexistent".into())]));
    }

    #[test]
    fn a_nested_program_does_not_take_over() {
        let site = Site::new();
        // A live process that is called as the program is.
        let fake = site.path("claude");
        std::fs::copy("/bin/sleep", &fake).unwrap();
        let mut main = Command::new(&fake).arg("60").spawn().unwrap();
        std::fs::write(site.path("A/claude_main_pid"), format!("{}\n", main.id())).unwrap();
        site.start("startup");
        let is_ignored = !site.has("session_started");
        main.kill().unwrap();
        main.wait().unwrap();
        assert!(is_ignored || !Path::new("/proc").exists());
        site.start("startup");
        assert!(site.has("session_started"), "the main one has ended");
    }

    #[test]
    fn the_base_branch_is_told_only_on_request() {
        let mut site = Site::new();
        site.vars = vec![("MNG_GIT_BASE_BRANCH", "main".into())];
        assert_eq!(site.fire("SessionStart", &json!({"source": "startup"})), "");
        let mut config = Config::default();
        config.own.announce_base_branch = true;
        site.hooks = table(&ClaudeType { flavor: Flavor::Terminal, config });
        let told = site.fire("SessionStart", &json!({"source": "startup"}));
        assert_eq!(told, "The branch that this work started from is main.\n");
    }
}
