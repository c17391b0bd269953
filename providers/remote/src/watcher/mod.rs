//! Stopping a machine that nobody uses: a shell script on the machine itself, because nothing of ours runs
//! here once a command has ended.

#[cfg(test)]
mod tests;

use std::path::Path;

use mng_core::model::error::Result;
use mng_core::model::shell::quote;
use mng_core::transports::{ExecRequest, Transport};

/// Works in any POSIX shell; needs `awk`, `stat`, and one of `flock`, perl and a newer `lockf`.
const WATCHER: &str = include_str!("activity_watcher.sh");

/// Starts the watcher of the host dir `$1`, unless one runs. What an earlier stop left behind is over now.
/// The terminal, if there is one, does not take the watcher along.
const START: &str = r#"umask 077
mkdir -p "$1/logs" "$1/activity" || exit 1
rm -f "$1/stop_reason.json"
if command -v setsid >/dev/null 2>&1; then detached=setsid; else detached=nohup; fi
$detached sh "$1/commands/activity_watcher.sh" "$1" >>"$1/logs/activity_watcher.log" 2>&1 </dev/null &"#;

/// Makes sure that the machine is watched and stopped by `shutdown_command`, a shell line that finds the reason
/// in `MNG_STOP_REASON` (`STOPPED`: no agent runs any more; `PAUSED`: idle or too old). A watcher that runs
/// turns into the newest version by itself.
///
/// # Errors
/// The scripts cannot be written, or the shell cannot be started.
pub async fn watch(transport: &dyn Transport, host_dir: &Path, shutdown_command: &str) -> Result<()> {
    let commands = host_dir.join("commands");
    let shutdown = shutdown_script(shutdown_command);
    for (name, text) in [("shutdown.sh", shutdown.as_str()), ("activity_watcher.sh", WATCHER)] {
        let path = commands.join(name);
        if transport.read(&path).await?.as_deref() != Some(text.as_bytes()) {
            transport.write_volatile(&path, text.as_bytes(), 0o755).await?;
        }
    }
    let request = ExecRequest::sh(START, [host_dir.to_string_lossy()]).cwd("/");
    transport.exec(request).await?.check("start the activity watcher")?;
    Ok(())
}

fn shutdown_script(command: &str) -> String {
    format!(
        "#!/bin/sh\n# mng writes this file: the provider's shutdown_command.\nMNG_STOP_REASON=${{1:-PAUSED}}\nexport MNG_STOP_REASON\nexec sh -c {}\n",
        quote(command)
    )
}
