//! Before anything is made: whether the program is there, in the right version, and may work here.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mng_core::agents::types::TypeSite;
use mng_core::model::shell::{ShellCommand, needs_shell};
use mng_core::transports::ExecRequest;
use mng_core::{Error, ErrorClass, Result};

use crate::claude_type::ClaudeType;
use crate::places::{self, CONFIG_DIR, ISOLATED_DIR, UserClaude};
use crate::{conversations, global_config};

const INSTALLER: &str = "https://claude.ai/install.sh";
const INSTALL_LIMIT: Duration = Duration::from_secs(300);

/// Downloads and runs the installer (`$1`: its address, further words: its arguments). A pipe into the shell
/// would take a failed download for success. The name is random: others can write to the temporary directory.
const INSTALL: &str = r#"set -e
url=$1
shift
command -v curl >/dev/null || { echo "curl is needed to download the installer" >&2; exit 1; }
file=$(mktemp "${TMPDIR:-/tmp}/mng-claude-install.XXXXXXXXXX")
trap 'rm -f "$file"' EXIT
curl -fsSL "$url" -o "$file"
[ -s "$file" ] || { echo "the installer is empty" >&2; exit 1; }
bash "$file" "$@"
[ -x "$HOME/.local/bin/claude" ] || { echo "the installer left no $HOME/.local/bin/claude" >&2; exit 1; }
line='export PATH="$HOME/.local/bin:$PATH"'
grep -qsF "$line" "$HOME/.bashrc" || printf '\n%s\n' "$line" >>"$HOME/.bashrc"
"#;

/// # Errors
/// The program is missing or of another version, nobody trusts the source, a conversation to adopt is not
/// there, or two wishes contradict each other.
pub(crate) async fn check(kind: &ClaudeType, site: &TypeSite<'_>) -> Result<()> {
    check_environment(kind, site)?;
    for text in site.adopt {
        conversations::resolve(site, text)?;
    }
    if kind.config.own.check_installation
        && let Some(program) = program(kind)
    {
        let program = installed(kind, site, &program).await?;
        if let Some(version) = &kind.config.own.version {
            check_version(site, &program, version).await?;
        }
    }
    // Without a terminal the program does not ask.
    if kind.is_headless() { Ok(()) } else { consent(kind, site).await }
}

fn check_environment(kind: &ClaudeType, site: &TypeSite<'_>) -> Result<()> {
    let Some(dir) = site.env.get(CONFIG_DIR) else { return Ok(()) };
    // An agent that is set up again has the variable from us.
    if !kind.isolates(site.host) || Path::new(dir).ends_with(ISOLATED_DIR) {
        return Ok(());
    }
    Err(Error::input(
        format!(
            "`{CONFIG_DIR}={dir}` and a configuration directory of the agent's own contradict each other"
        ),
        format!(
            "leave it out, or set `agent_types.{}.isolate_local_config_dir` to false",
            kind.flavor.name()
        ),
    ))
}

/// The word to look for; `None` if the command is more than a program with arguments.
pub(crate) fn program(kind: &ClaudeType) -> Option<String> {
    match kind.config.command.as_deref().map(str::trim).filter(|command| !command.is_empty()) {
        None => Some("claude".into()),
        Some(command) => {
            let word = command.split_whitespace().next()?;
            (!needs_shell(word) && !word.contains('=')).then(|| word.to_owned())
        }
    }
}

/// The program as it can be run, installed first if somebody agrees.
async fn installed(kind: &ClaudeType, site: &TypeSite<'_>, program: &str) -> Result<String> {
    if let Some(found) = find(site, program).await? {
        return Ok(found);
    }
    let wanted = kind.config.own.version.as_deref();
    let missing = |reason: &str| missing(kind, program, reason);
    if program != "claude" {
        return Err(missing(""));
    }
    if site.host.is_local() {
        let is_agreed = site.is_yes
            || (site.caller.is_interactive
                && site.events.confirm("Claude Code is not installed. Install it now?", true).await
                    == Some(true));
        if !is_agreed {
            return Err(missing(""));
        }
    } else if !site.caller.settings.core.is_remote_agent_installation_allowed {
        let host = &site.host.info.name;
        return Err(missing(&format!(" on host `{host}`, and mng may not install it there")));
    }
    site.events.info("Installing Claude Code");
    let mut args = vec![INSTALLER];
    args.extend(wanted);
    let ran = site.host.transport.exec(ExecRequest::sh(INSTALL, args).timeout(Some(INSTALL_LIMIT))).await?;
    if !ran.is_success() {
        let said = ran.stderr_text();
        let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
        return Err(Error::hinted(
            ErrorClass::BinaryNotInstalled,
            format!("Claude Code could not be installed: {}", last.trim()),
            format!("install it by hand: {}", by_hand(wanted)),
        ));
    }
    find(site, program).await?.ok_or_else(|| missing(" where its installer should have put it"))
}

/// The error of a program that is not there; `reason` goes on from `is not installed`.
pub(crate) fn missing(kind: &ClaudeType, program: &str, reason: &str) -> Error {
    if program != "claude" {
        return Error::hinted(
            ErrorClass::BinaryNotInstalled,
            format!("`{program}`, the command of type `{}`, is not there", kind.flavor.name()),
            format!("mng config unset agent_types.{}.command", kind.flavor.name()),
        );
    }
    Error::hinted(
        ErrorClass::BinaryNotInstalled,
        format!("Claude Code (`{program}`) is not installed{reason}"),
        format!("install it: {}", by_hand(kind.config.own.version.as_deref())),
    )
}

/// What a person can paste.
fn by_hand(version: Option<&str>) -> String {
    let run = ShellCommand::new("bash").arg("/tmp/claude-install.sh").args(version);
    format!("`curl -fsSL {INSTALLER} -o /tmp/claude-install.sh && {run}`")
}

/// The program on the search path, or where its installer puts it.
async fn find(site: &TypeSite<'_>, program: &str) -> Result<Option<String>> {
    const FIND: &str = r#"command -v "$1" && exit
[ "$1" = claude ] && [ -x "$HOME/.local/bin/claude" ] && echo "$HOME/.local/bin/claude""#;
    let here = site.caller.env.get("PATH").unwrap_or_default();
    if site.host.is_local() && !program.contains('/') {
        // As the shell would, without one.
        let on_path =
            std::env::split_paths(here).map(|dir| dir.join(program)).find(|file| is_executable(file));
        let own =
            site.caller.env.get_non_empty("HOME").map(|home| PathBuf::from(home).join(".local/bin/claude"));
        let own = own.filter(|file| program == "claude" && is_executable(file));
        return Ok(on_path.or(own).map(|file| file.to_string_lossy().into_owned()));
    }
    let ran = site.host.transport.exec(ExecRequest::sh(FIND, [program]).idempotent()).await?;
    let text = ran.stdout_text();
    Ok(Some(text.trim().to_owned()).filter(|path| ran.is_success() && !path.is_empty()))
}

pub(crate) fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

async fn check_version(site: &TypeSite<'_>, program: &str, wanted: &str) -> Result<()> {
    let ran = site.host.transport.exec(ExecRequest::new([program, "--version"]).idempotent()).await?;
    let said = format!("{} {}", ran.stdout_text(), ran.stderr_text());
    if said.trim().is_empty() {
        tracing::debug!(program, "no version is told; the pin is not checked");
        return Ok(());
    }
    if tells_version(&said, wanted) {
        return Ok(());
    }
    let found = ran.stdout_text();
    let found = found.lines().next().unwrap_or_default().trim().to_owned();
    Err(Error::hinted(
        ErrorClass::BinaryNotInstalled,
        format!("Claude Code {wanted} is wanted, and `{program}` is {found}"),
        format!("install that version: {}", by_hand(Some(wanted))),
    ))
}

/// Whether a version stands in the text, with or without a `v` in front.
fn tells_version(said: &str, wanted: &str) -> bool {
    let plain = |text: &str| text.strip_prefix('v').unwrap_or(text).to_owned();
    said.split(|ch: char| !(ch.is_ascii_alphanumeric() || "_.+-".contains(ch)))
        .any(|token| plain(token) == plain(wanted))
}

/// Whether the source may be worked on: the program itself would ask, in a dialog that nobody sees.
async fn consent(kind: &ClaudeType, site: &TypeSite<'_>) -> Result<()> {
    let source = places::real(site.source);
    if !site.host.is_local() || site.is_yes || kind.config.own.auto_dismiss_dialogs {
        return Ok(());
    }
    if let Some(user) = UserClaude::find(site.caller.env)
        && global_config::is_trusted(&user.read_global(site)?, &source)
    {
        return Ok(());
    }
    let remembered = remembered(site);
    let mut trusted = read_remembered(remembered.as_deref());
    if source.ancestors().any(|dir| trusted.contains(dir)) {
        return Ok(());
    }
    let shown = source.display();
    let switches = format!(
        "`--yes` accepts that once, `mng config set agent_types.{}.auto_dismiss_dialogs true` for every \
         directory; or start `claude` there once and answer its question",
        kind.flavor.name()
    );
    if !site.caller.is_interactive {
        return Err(Error::input(format!("Claude Code has not been told to trust `{shown}`"), switches));
    }
    let question = format!(
        "Claude Code will read, change and run files of {shown}. Is it yours, or do you trust who made it?"
    );
    if site.events.confirm(question, false).await != Some(true) {
        return Err(Error::input(format!("`{shown}` is not trusted"), switches));
    }
    if let Some(file) = remembered {
        trusted.insert(source);
        site.host.transport.write(&file, &places::to_json(&trusted), 0o600).await?;
    }
    Ok(())
}

/// Where the answers of this profile are kept: the person's own file is theirs.
fn remembered(site: &TypeSite<'_>) -> Option<PathBuf> {
    site.caller.profile.as_ref().map(|profile| profile.dir.join("claude_trusted_dirs.json"))
}

fn read_remembered(file: Option<&Path>) -> BTreeSet<PathBuf> {
    let bytes = file.and_then(|file| std::fs::read(file).ok());
    bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_a_whole_word() {
        assert!(tells_version("2.1.330 (Claude Code)", "2.1.330"));
        assert!(tells_version("claude v2.1.330\n", "2.1.330"));
        assert!(tells_version("2.1.330", "v2.1.330"));
        assert!(!tells_version("2.1.3301 (Claude Code)", "2.1.330"));
        assert!(!tells_version("12.1.330", "2.1.330"));
    }
}
