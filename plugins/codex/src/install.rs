//! Whether the program is there, in the right version, and up to date.

use std::path::{Path, PathBuf};
use std::time::Duration;

use mng_core::agents::types::TypeSite;
use mng_core::transports::ExecRequest;
use mng_core::{Error, ErrorClass, Result};
use serde::Deserialize;

use crate::config::{Config, UpdatePolicy};
use crate::user_config::UserHome;

/// Longest installation.
const INSTALL_TIMEOUT: Duration = Duration::from_secs(300);
/// Longest update.
const UPDATE_TIMEOUT: Duration = Duration::from_secs(600);

/// Makes sure that the program can be started.
///
/// # Errors
/// It is missing and may not or cannot be installed, or it is another version than the pinned one.
pub(crate) async fn ensure(config: &Config, site: &TypeSite<'_>) -> Result<()> {
    if !config.own.check_installation {
        return Ok(());
    }
    let Some(program) = program_of(config.command()) else { return Ok(()) };
    let mut found = find(site, program).await?;
    if found.is_none() && program == "codex" {
        install(config, site).await?;
        found = find(site, program).await?;
    }
    let Some(path) = found else {
        let message = format!("`{program}` is not installed on host `{}`", site.host.info.name);
        return Err(Error::hinted(ErrorClass::BinaryNotInstalled, message, by_hand(config)));
    };
    match &config.own.version {
        Some(pin) => check_pin(site, program, pin).await,
        None => {
            update(config, site, program, &path).await;
            Ok(())
        }
    }
}

/// The program that a command starts; `None` when a shell would have to tell.
fn program_of(command: &str) -> Option<&str> {
    let word = command.split_whitespace().next()?;
    let is_plain = word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-/+".contains(&byte));
    (is_plain && !matches!(word, "env" | "exec" | "npx" | "sudo")).then_some(word)
}

/// Where the program is. No process is started on this machine.
async fn find(site: &TypeSite<'_>, program: &str) -> Result<Option<PathBuf>> {
    if site.host.is_local() {
        let path = site.env.get("PATH").or_else(|| site.caller.env.get("PATH")).unwrap_or_default();
        return Ok(find_in(path, program));
    }
    let request = ExecRequest::sh("command -v -- \"$1\"", [program]).idempotent();
    let output = site.host.transport.exec(request).await?;
    let line = output.stdout_text();
    let line = line.trim();
    Ok((output.is_success() && !line.is_empty()).then(|| PathBuf::from(line)))
}

fn find_in(path: &str, program: &str) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;
    let is_program = |path: &PathBuf| {
        std::fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    };
    if program.contains('/') {
        return Some(PathBuf::from(program)).filter(is_program);
    }
    path.split(':').filter(|dir| !dir.is_empty()).map(|dir| Path::new(dir).join(program)).find(is_program)
}

fn package(config: &Config) -> String {
    match &config.own.version {
        Some(version) => format!("@openai/codex@{version}"),
        None => "@openai/codex".to_owned(),
    }
}

fn by_hand(config: &Config) -> String {
    format!("npm i -g {}", package(config))
}

/// Installs the program if that is allowed.
async fn install(config: &Config, site: &TypeSite<'_>) -> Result<()> {
    let host = &site.host.info.name;
    let refuse = |why: &str| {
        Error::hinted(
            ErrorClass::BinaryNotInstalled,
            format!("`codex` is not installed on host `{host}`{why}"),
            by_hand(config),
        )
    };
    if site.host.is_local() {
        if !site.is_yes {
            if !site.caller.is_interactive {
                return Err(refuse(""));
            }
            let question = format!("Codex is not installed. Install it with `{}`?", by_hand(config));
            if site.events.confirm(question, true).await != Some(true) {
                return Err(refuse(""));
            }
        }
    } else if !site.caller.settings.core.is_remote_agent_installation_allowed {
        return Err(refuse(", and `is_remote_agent_installation_allowed` is off"));
    }
    site.events.info(format!("Installing codex: {}", by_hand(config)));
    let request = ExecRequest::new(["npm".to_owned(), "i".into(), "-g".into(), package(config)])
        .timeout(Some(INSTALL_TIMEOUT));
    let output = site.host.transport.exec(request).await.map_err(|error| refuse(&format!(": {error}")))?;
    if output.is_success() {
        return Ok(());
    }
    let why = match (output.is_timed_out, output.stderr_text()) {
        (true, _) => format!("`npm` did not finish within {} s", INSTALL_TIMEOUT.as_secs()),
        (false, stderr) => {
            format!("`npm` failed: {}", stderr.lines().next_back().unwrap_or("it does not say why"))
        }
    };
    Err(refuse(&format!(", and {why}")))
}

async fn version_output(site: &TypeSite<'_>, program: &str) -> Result<String> {
    let request = ExecRequest::new([program, "--version"]).idempotent();
    let output = site.host.transport.exec(request).await?;
    Ok(format!("{}\n{}", output.stdout_text(), output.stderr_text()))
}

/// Refuses any version but the pinned one.
async fn check_pin(site: &TypeSite<'_>, program: &str, pin: &str) -> Result<()> {
    let said = version_output(site, program).await?;
    if said.trim().is_empty() {
        tracing::debug!(program, "it does not tell its version");
        return Ok(());
    }
    if names_version(&said, pin) {
        return Ok(());
    }
    Err(Error::hinted(
        ErrorClass::BinaryNotInstalled,
        format!(
            "`agent_types.codex.version` asks for {pin}, and host `{}` has `{}`",
            site.host.info.name,
            said.trim().lines().next().unwrap_or_default()
        ),
        format!("npm i -g @openai/codex@{pin}"),
    ))
}

/// Whether an output names a version, as a word of its own.
fn names_version(output: &str, version: &str) -> bool {
    let bare = |text: &str| text.strip_prefix('v').unwrap_or(text).to_owned();
    let is_part = |ch: char| ch.is_ascii_alphanumeric() || "_.+-".contains(ch);
    output.split(|ch| !is_part(ch)).any(|token| !token.is_empty() && bare(token) == bare(version))
}

/// Looks whether the program has noted a newer version of itself, and does what the settings say. Nothing goes
/// over the network before the person agrees, and no trouble here keeps an agent from starting.
async fn update(config: &Config, site: &TypeSite<'_>, program: &str, path: &Path) {
    let Some(latest) = UserHome::of(site.caller).and_then(|home| latest_version(&home)) else { return };
    let current = match package_version(path) {
        Some(version) => version,
        None => match version_output(site, program).await {
            Ok(said) => match said.split_whitespace().find_map(numbers) {
                Some(version) => version,
                None => return,
            },
            Err(error) => {
                tracing::debug!(%error, "the version of codex is not known");
                return;
            }
        },
    };
    if current >= latest {
        return;
    }
    let notice =
        format!("codex {} is there ({} is installed): `codex update`", dotted(&latest), dotted(&current));
    let policy = config.own.update_policy.unwrap_or(match site.host.is_local() {
        true => UpdatePolicy::Ask,
        false => UpdatePolicy::Never,
    });
    let is_wanted = match policy {
        UpdatePolicy::Auto => true,
        UpdatePolicy::Ask if site.host.is_local() && site.caller.is_interactive && !site.is_yes => {
            let question = format!("Update codex from {} to {}?", dotted(&current), dotted(&latest));
            site.events.confirm(question, false).await == Some(true)
        }
        UpdatePolicy::Ask | UpdatePolicy::Never => {
            site.events.info(notice);
            false
        }
    };
    if !is_wanted {
        return;
    }
    site.events.info("Updating codex: codex update");
    let request = ExecRequest::new([program, "update"]).timeout(Some(UPDATE_TIMEOUT));
    let trouble = match site.host.transport.exec(request).await {
        Ok(output) if output.is_success() => return,
        Ok(output) => output.stderr_text(),
        Err(error) => error.to_string(),
    };
    let why = trouble.lines().next_back().unwrap_or("it does not say why").to_owned();
    site.events.warning(format!("codex could not be updated: {why}"));
}

/// What the person's own codex noted at its last check: `version.json` in its home.
fn latest_version(home: &UserHome) -> Option<Vec<u64>> {
    #[derive(Deserialize)]
    struct Noted {
        latest_version: String,
    }
    let noted: Noted = serde_json::from_slice(&std::fs::read(home.path("version.json")).ok()?).ok()?;
    numbers(&noted.latest_version)
}

/// The version of an npm installation, from the package that the program's link leads into. Starting the
/// program to ask takes a quarter of a second.
fn package_version(program: &Path) -> Option<Vec<u64>> {
    #[derive(Deserialize)]
    struct Package {
        name: String,
        version: String,
    }
    let real = std::fs::canonicalize(program).ok()?;
    let package = real.parent()?.parent()?.join("package.json");
    let package: Package = serde_json::from_slice(&std::fs::read(package).ok()?).ok()?;
    numbers(&package.version).filter(|_| package.name == "@openai/codex")
}

/// The parts of a plain numeric version; others are not compared.
fn numbers(version: &str) -> Option<Vec<u64>> {
    let version = version.strip_prefix('v').unwrap_or(version);
    let parts: Option<Vec<u64>> = version.split('.').map(|part| part.parse().ok()).collect();
    parts.filter(|parts| parts.len() > 1)
}

fn dotted(version: &[u64]) -> String {
    version.iter().map(u64::to_string).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn versions_are_words_of_an_output() {
        assert!(names_version("codex-cli 0.169.0\n", "0.169.0"));
        assert!(names_version("codex-cli v0.169.0\n", "0.169.0"));
        assert!(names_version("(0.169.0)", "v0.169.0"));
        assert!(!names_version("codex-cli 0.169.01\n", "0.169.0"));
        assert!(!names_version("codex-cli 0.169.0-beta\n", "0.169.0"));
        assert!(!names_version("codex-cli\n", "0.169.0"));
    }

    #[test]
    fn only_plain_versions_are_compared() {
        assert!(numbers("0.170.0") > numbers("0.169.12"));
        assert!(numbers("0.10") > numbers("0.9.9"));
        for other in ["0.170.0-alpha.1", "nightly", "1", "", "1..2"] {
            assert_eq!(numbers(other), None, "{other}");
        }
    }

    #[test]
    fn the_program_of_a_command() {
        assert_eq!(program_of("codex --search"), Some("codex"));
        assert_eq!(program_of("/opt/codex/bin/codex"), Some("/opt/codex/bin/codex"));
        for unknown in ["", "X=1 codex", "$CODEX", "npx @openai/codex", "(codex)"] {
            assert_eq!(program_of(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn programs_are_found_as_a_shell_would() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        for (dir, mode) in [(&a, 0o644), (&b, 0o755)] {
            fs::create_dir(dir).unwrap();
            fs::write(dir.join("codex"), "").unwrap();
            fs::set_permissions(dir.join("codex"), fs::Permissions::from_mode(mode)).unwrap();
        }
        let path = format!("{}::{}", a.display(), b.display());
        assert_eq!(find_in(&path, "codex"), Some(b.join("codex")));
        assert_eq!(find_in(&path, "claude"), None);
        assert_eq!(find_in("", &b.join("codex").to_string_lossy()), Some(b.join("codex")));
    }

    #[test]
    fn the_package_tells_the_version() {
        let dir = tempfile::tempdir().unwrap();
        let package = dir.path().join("lib/node_modules/@openai/codex");
        fs::create_dir_all(package.join("bin")).unwrap();
        fs::write(package.join("bin/codex.js"), "").unwrap();
        fs::write(package.join("package.json"), r#"{"name":"@openai/codex","version":"0.169.0"}"#).unwrap();
        let link = dir.path().join("codex");
        std::os::unix::fs::symlink(package.join("bin/codex.js"), &link).unwrap();
        assert_eq!(package_version(&link), Some(vec![0, 169, 0]));
        fs::write(package.join("package.json"), r#"{"name":"other","version":"0.169.0"}"#).unwrap();
        assert_eq!(package_version(&link), None);
        let home = UserHome::at(dir.path());
        assert_eq!(latest_version(&home), None);
        fs::write(dir.path().join("version.json"), r#"{"latest_version":"0.170.1","last_checked_at":"x"}"#)
            .unwrap();
        assert_eq!(latest_version(&home), Some(vec![0, 170, 1]));
    }
}
