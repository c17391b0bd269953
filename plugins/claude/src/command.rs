//! The line that starts an agent, as its record keeps it.

use mng_core::Result;
use mng_core::agents::types::Launch;
use mng_core::model::shell::quote;

use crate::claude_type::ClaudeType;

/// The script that provisioning writes, as the line names it.
const SCRIPT: &str = "sh \"$MNG_AGENT_STATE_DIR/commands/launch_claude.sh\"";

/// The complete line: the launch script, the program as shell text in one word, its arguments.
pub(crate) fn command_line(kind: &ClaudeType, launch: &Launch) -> Result<String> {
    let base = launch.command_override.as_ref().or(kind.config.command.as_ref());
    let base = base.map(|base| base.trim()).filter(|base| !base.is_empty()).unwrap_or("claude");
    let mut line = format!("{SCRIPT} {}", quote(base));
    // What the settings say is shell text; what the person typed are words.
    let settings = kind.config.cli_args.iter().map(|arg| arg.as_str().into());
    for word in settings.chain(launch.args.iter().map(|arg| quote(arg))) {
        line.push(' ');
        line.push_str(&word);
    }
    Ok(line)
}
