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
