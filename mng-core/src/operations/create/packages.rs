//! The programs without which no agent runs on a host, and how they get there.

use std::time::Duration;

use crate::hosts::Host;
use crate::model::error::{Error, ErrorClass, Result};
use crate::model::event::Events;
use crate::transports::ExecRequest;

/// A package manager may first fetch its lists.
const INSTALLING: Duration = Duration::from_secs(900);

const NEEDED: [&str; 2] = ["tmux", "git"];
/// Some transfers need it.
const USEFUL: [&str; 1] = ["rsync"];

/// Prints those of the programs that are missing.
const LOOK: &str =
    r#"for program in "$@"; do command -v "$program" >/dev/null 2>&1 || printf '%s\n' "$program"; done"#;

/// Installs packages with what the system has, as root.
const INSTALL: &str = r#"set -e
as_root=
if [ "$(id -u)" != 0 ]; then as_root='sudo -n'; fi
if command -v apt-get >/dev/null 2>&1; then
    $as_root apt-get update -qq
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
elif command -v apk >/dev/null 2>&1; then $as_root apk add --quiet "$@"
elif command -v dnf >/dev/null 2>&1; then $as_root dnf install -y -q "$@"
elif command -v microdnf >/dev/null 2>&1; then $as_root microdnf install -y "$@"
elif command -v zypper >/dev/null 2>&1; then $as_root zypper --non-interactive --quiet install "$@"
else echo 'no package manager that mng knows' >&2; exit 1
fi"#;

/// Makes sure that agents can run on a host of others.
///
/// # Errors
/// A program is missing and `is_installing` does not allow to change that; or it cannot be installed.
pub(super) async fn ensure(host: &Host, is_installing: bool, events: &Events) -> Result<()> {
    let missing = missing(host).await?;
    let is_fatal = missing.iter().any(|program| NEEDED.contains(&program.as_str()));
    let names = missing.join("`, `");
    if missing.is_empty() {
        return Ok(());
    }
    if !is_installing {
        let address = host.info.address();
        if is_fatal {
            return Err(Error::hinted(
                ErrorClass::BinaryNotInstalled,
                format!("host `{address}` lacks `{names}`"),
                "install what is missing there, or let mng do it: `--install-packages`",
            ));
        }
        events.warning(format!("host `{address}` lacks `{names}`, which some transfers need"));
        return Ok(());
    }
    events.info(format!("Installing {} on {}...", missing.join(", "), host.info.address()));
    let request = ExecRequest::sh(INSTALL, missing.clone()).timeout(Some(INSTALLING));
    host.transport.exec(request).await?.check(&format!("install {}", missing.join(" ")))?;
    events.warning(format!("installed on host `{}`: {}", host.info.address(), missing.join(", ")));
    Ok(())
}

async fn missing(host: &Host) -> Result<Vec<String>> {
    let request = ExecRequest::sh(LOOK, NEEDED.into_iter().chain(USEFUL)).idempotent();
    let output = host.transport.exec(request).await?.check("look for programs")?;
    Ok(output.stdout_text().lines().map(str::to_owned).collect())
}
