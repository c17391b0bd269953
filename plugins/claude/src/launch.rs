//! The script that starts the program: continues the agent's conversation if there is one, and passes the
//! first message.

use std::path::Path;

use mng_core::Result;
use mng_core::agents::types::TypeSite;
use mng_core::hosts::Host;
use mng_core::model::record::AgentRecord;
use mng_core::model::shell::quote;

use crate::claude_type::ClaudeType;
use crate::places::{self, CONFIG_DIR};

const BODY: &str = include_str!("scripts/launch_claude.sh");
/// Its place below the state dir.
pub(crate) const LAUNCH_FILE: &str = "commands/launch_claude.sh";

/// The script of one agent. `config_dir`: the program's directory, unless it is the default one.
fn script(session: &str, is_headless: bool, config_dir: Option<&Path>) -> String {
    let mut script = String::from("# mng writes this file; it starts the agent's Claude Code.\n");
    script.push_str(&format!("mng_id={}\n", quote(session)));
    script.push_str(if is_headless { "mng_mode=headless\n" } else { "mng_mode=terminal\n" });
    match config_dir {
        Some(dir) => script.push_str(&format!("export {CONFIG_DIR}={}\n", quote(&dir.to_string_lossy()))),
        // The session may have inherited one that is another agent's.
        None => script.push_str(&format!("unset {CONFIG_DIR}\n")),
    }
    script.push_str(BODY);
    script
}

/// Writes the script, if it is not as it should be.
///
/// # Errors
/// The state dir cannot be written.
pub(crate) async fn write_script(kind: &ClaudeType, site: &TypeSite<'_>, record: &AgentRecord) -> Result<()> {
    let path = site.host.layout.agent(&record.id).join(LAUNCH_FILE);
    let config_dir = kind.config_dir(site, record);
    let text = script(&places::session_id(&record.id), kind.is_headless(), config_dir.as_deref());
    write_if_other(site.host, &path, &text).await
}

/// Most starts find these files as they should be.
pub(crate) async fn write_if_other(host: &Host, path: &Path, text: &str) -> Result<()> {
    if host.transport.read(path).await?.as_deref() == Some(text.as_bytes()) {
        return Ok(());
    }
    host.transport.write_volatile(path, text.as_bytes(), 0o755).await
}
