//! What is done before each start of an agent, and how agents of the Python original are taken over.

use std::path::{Path, PathBuf};

use mng_core::Result;
use mng_core::agents::types::TypeSite;
use mng_core::model::record::AgentRecord;

use crate::claude_type::ClaudeType;
use crate::places::{self, ISOLATED_DIR, UserClaude};
use crate::state::REGISTRY_LINK;
use crate::{command, conversations, hooks, launch, provision};

/// Left by the last run. Whoever waits for the next one must not find them.
const LEFT_OVER: [&str; 6] =
    ["session_started", "claude_main_pid", REGISTRY_LINK, "compacting", "stdout.jsonl", "stderr.log"];

/// # Errors
/// The state dir cannot be read or written.
pub(crate) async fn before_start(kind: &ClaudeType, site: &TypeSite<'_>, record: &AgentRecord) -> Result<()> {
    let state_dir = site.host.layout.agent(&record.id);
    let transport = &site.host.transport;
    for file in LEFT_OVER {
        transport.remove_file(&state_dir.join(file)).await?;
    }
    let is_new_here = transport.stat(&state_dir.join(launch::LAUNCH_FILE)).await?.is_none();
    if is_new_here {
        // Somebody else made it: it was provisioned by other means, and its environment knows nothing of ours.
        provision::provision(kind, site, record).await?;
        take_over(kind, site, record, &state_dir).await?;
    } else {
        hooks::write_script(site, record).await?;
        launch::write_script(kind, site, record).await?;
    }
    tell_of_a_lost_conversation(kind, site, record, &state_dir).await
}

/// Brings the conversations of an agent that used the person's own directory into its new one.
async fn take_over(
    kind: &ClaudeType,
    site: &TypeSite<'_>,
    record: &AgentRecord,
    state_dir: &Path,
) -> Result<()> {
    let (Some(user), true) = (UserClaude::find(site.caller.env), kind.is_isolated(site.host, record)) else {
        return Ok(());
    };
    let mut copied = 0;
    for id in session_ids(site, record, state_dir).await? {
        let found = conversations::find(&user.dir.join("projects"), &id);
        copied += found.len();
        for file in found {
            let folder = file.parent().and_then(Path::file_name).unwrap_or_default();
            let target = state_dir.join(ISOLATED_DIR).join("projects").join(folder);
            conversations::copy(site.host, &file, &target).await?;
        }
    }
    let local = record.work_dir.join(".claude/settings.local.json");
    let settings = site.host.transport.read(&local).await?.unwrap_or_default();
    if String::from_utf8_lossy(&settings).contains("$MNG_AGENT_STATE_DIR") {
        site.events.info(format!(
            "agent {}: `{}` still has hooks of an older mng, which act beside the agent's own; they name \
             `$MNG_AGENT_STATE_DIR` and can be removed",
            record.name,
            local.display()
        ));
    }
    if copied > 0 {
        let plural = if copied == 1 { "conversation" } else { "conversations" };
        site.events.info(format!(
            "agent {}: {copied} {plural} copied from `{}`",
            record.name,
            user.dir.display()
        ));
    }
    Ok(())
}

/// Every conversation that the agent has had, its current one first.
async fn session_ids(site: &TypeSite<'_>, record: &AgentRecord, state_dir: &Path) -> Result<Vec<String>> {
    let read = async |name: &str| -> Result<String> {
        let bytes = site.host.transport.read(&state_dir.join(name)).await?.unwrap_or_default();
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let current = read("claude_session_id").await?;
    let history = read("claude_session_id_history").await?;
    let mut ids = Vec::new();
    // One id a line; later ones are followed by how the session came about.
    let words = current.lines().chain(history.lines()).filter_map(|line| line.split_whitespace().next());
    for id in words.map(str::to_owned).chain([places::session_id(&record.id)]) {
        if conversations::is_id(&id) && !ids.contains(&id) {
            ids.push(id);
        }
    }
    Ok(ids)
}

/// A start that cannot continue says so.
async fn tell_of_a_lost_conversation(
    kind: &ClaudeType,
    site: &TypeSite<'_>,
    record: &AgentRecord,
    state_dir: &Path,
) -> Result<()> {
    if kind.is_headless() || !site.host.is_local() {
        return Ok(());
    }
    // Written with each message: a session without one has nothing to lose.
    let Some(last) = site.host.transport.read(&state_dir.join("claude_conversation")).await? else {
        return Ok(());
    };
    let Some(dir) = projects_dir(kind, site, record) else { return Ok(()) };
    let last = String::from_utf8_lossy(&last);
    let first = places::session_id(&record.id);
    if [last.trim(), &first].iter().all(|id| conversations::find(&dir, id).is_empty()) {
        site.events.warning(format!("agent {}: its conversation is gone; it begins a new one", record.name));
    }
    Ok(())
}

/// Where the agent's conversations lie.
pub(crate) fn projects_dir(kind: &ClaudeType, site: &TypeSite<'_>, record: &AgentRecord) -> Option<PathBuf> {
    let dir =
        kind.config_dir(site, record).or_else(|| UserClaude::find(site.caller.env).map(|user| user.dir))?;
    Some(dir.join("projects"))
}

/// The line for starting an existing agent: its own if mng wrote it, otherwise one made of what it says.
pub(crate) fn restart_command_line(kind: &ClaudeType, record: &AgentRecord) -> String {
    if command::is_ours(&record.command) {
        return record.command.clone();
    }
    let (base, args) = original_parts(&record.command);
    let base = base.or_else(|| kind.config.command.clone()).unwrap_or_else(|| "claude".into());
    command::line(kind, &base, args.into_iter().collect())
}

const MARK: &str = "--session-id ";

/// Program and arguments, as shell text, of a line of the original: its last branch is
/// `PROGRAM --session-id ID ARGS` in brackets.
fn original_parts(line: &str) -> (Option<String>, Option<String>) {
    let Some(at) = line.rfind(MARK) else { return (None, None) };
    let before = &line[..at];
    let program = before.rsplit(['|', '&', ';', '(', '{']).next().unwrap_or(before).trim();
    // The id, or a variable with it, is one word.
    let behind = line[at + MARK.len()..].trim_start();
    let args = behind.split_once(char::is_whitespace).map_or("", |(_, args)| args).trim();
    let open = |ch: char| before.matches(ch).count();
    // Brackets that were opened before the program are closed behind its arguments.
    let mut args = args;
    let is_open = (open('(') + open('{')).saturating_sub(open(')') + open('}'));
    for _ in 0..is_open {
        let Some(shorter) = args.strip_suffix([')', '}']) else { break };
        args = shorter.trim_end().trim_end_matches(';').trim_end();
    }
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    (some(program), some(args))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claude_type::Flavor;
    use crate::config::Config;

    #[test]
    fn a_line_of_the_original_is_made_anew() {
        let id = "01234567-89ab-cdef-0123-456789abcdef";
        let first = "( bash $MNG_HOST_DIR/commands/claude_background_tasks.sh mng-o1 ) &";
        let lines = [
            (format!("claude --session-id {id}"), (Some("claude"), None)),
            (
                format!(
                    "{first} export MAIN_CLAUDE_SESSION_ID={id} && ( ( find ~/.claude/ -name \"$MAIN_CLAUDE_SESSION_ID\" \
                     | grep . ) && claude --resume \"$MAIN_CLAUDE_SESSION_ID\" --model 'X (Y)' ) || \
                     claude --session-id {id} --model 'X (Y)'"
                ),
                (Some("claude"), Some("--model 'X (Y)'")),
            ),
            (
                format!("{first} ( a || A=1 my-claude --session-id \"$MAIN_CLAUDE_SESSION_ID\" --x )"),
                (Some("A=1 my-claude"), Some("--x")),
            ),
            (format!("{first} {{ b || claude --session-id {id} --y; }}"), (Some("claude"), Some("--y"))),
            ("claude --model m".to_owned(), (None, None)),
        ];
        for (line, (program, args)) in lines {
            let parts = original_parts(&line);
            assert_eq!((parts.0.as_deref(), parts.1.as_deref()), (program, args), "{line}");
        }
    }

    #[test]
    fn a_line_of_ours_is_kept() {
        let kind = ClaudeType { flavor: Flavor::Terminal, config: Config::default() };
        let mut record: AgentRecord = serde_json::from_value(serde_json::json!({
            "id": "agent-0123456789abcdef0123456789abcdef", "name": "a", "type": "claude", "work_dir": "/w",
            "create_time": "2026-11-22T13:31:00Z", "command": "x | claude --session-id $ID --model m",
        }))
        .unwrap();
        let ours = restart_command_line(&kind, &record);
        assert_eq!(ours, "sh \"$MNG_AGENT_STATE_DIR/commands/launch_claude.sh\" claude --model m");
        record.command = format!("{ours} --later");
        assert_eq!(restart_command_line(&kind, &record), record.command);
    }
}
