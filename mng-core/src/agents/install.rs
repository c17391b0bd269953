//! Whether an agent's program is on its host, in the version that is wanted; and installing it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::types::TypeSite;
use crate::model::error::{Error, ErrorClass, Result};
use crate::model::shell::{ShellCommand, needs_shell};
use crate::transports::ExecRequest;

/// Longest an installer may take.
const INSTALL_LIMIT: Duration = Duration::from_secs(300);

/// Downloads a script (`$1`: its address) and runs it with bash. A pipe into the shell would take a failed
/// download for success. The name is random: others can write to the temporary directory.
const RUN_SCRIPT: &str = r#"set -e
command -v curl >/dev/null || { echo "curl is needed to download the installer" >&2; exit 1; }
file=$(mktemp "${TMPDIR:-/tmp}/mng-install.XXXXXXXXXX")
trap 'rm -f "$file"' EXIT
curl -fsSL "$1" -o "$file"
[ -s "$file" ] || { echo "the installer is empty" >&2; exit 1; }
bash "$file"
"#;

/// How a program comes onto a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Installer {
    /// A package of npm, made global.
    Npm { package: &'static str },
    /// A script behind an address, run by bash; the variable that it takes a version from.
    Script { address: &'static str, version_variable: Option<&'static str> },
}

/// A program that an agent type runs.
#[derive(Clone, Debug)]
pub struct Program<'a> {
    /// What people call it: `OpenCode`.
    pub title: &'static str,
    /// The agent type, for hints.
    pub agent_type: &'a str,
    /// Its name on the search path.
    pub binary: &'static str,
    /// Where its installer puts it, relative to the home directory, if that need not be on the search path.
    pub home_path: Option<&'static str>,
    /// The configured command, shell text.
    pub command: Option<&'a str>,
    /// The exact version to install, and the only one to accept.
    pub version: Option<&'a str>,
    pub installer: Installer,
}

impl Program<'_> {
    /// Makes sure that it is there, in the pinned version; installs it where somebody agrees.
    ///
    /// # Errors
    /// It is missing or of another version; the hint is the command that installs it.
    pub async fn ensure(&self, site: &TypeSite<'_>) -> Result<()> {
        let Some(word) = self.word() else { return Ok(()) };
        let program = match find(site, &word, self.home_path.filter(|_| word == self.binary)).await? {
            Some(program) => program,
            None => self.install(site, &word).await?,
        };
        match self.version {
            Some(version) => self.check_version(site, &program, version).await,
            None => Ok(()),
        }
    }

    /// The word to look for; `None` if the command is more than a program with arguments.
    fn word(&self) -> Option<String> {
        match self.command.map(str::trim).filter(|command| !command.is_empty()) {
            None => Some(self.binary.to_owned()),
            Some(command) => {
                let word = command.split_whitespace().next()?;
                (!needs_shell(word) && !word.contains('=')).then(|| word.to_owned())
            }
        }
    }

    async fn install(&self, site: &TypeSite<'_>, word: &str) -> Result<String> {
        if word != self.binary {
            return Err(Error::hinted(
                ErrorClass::BinaryNotInstalled,
                format!("`{word}`, the command of type `{}`, is not there", self.agent_type),
                format!("mng config unset agent_types.{}.command", self.agent_type),
            ));
        }
        let title = self.title;
        let missing = |reason: &str| {
            Error::hinted(
                ErrorClass::BinaryNotInstalled,
                format!("{title} (`{word}`) is not installed{reason}"),
                format!("install it: `{}`", self.by_hand()),
            )
        };
        if site.host.is_local() {
            let question = || format!("{title} is not installed. Install it now?");
            let is_agreed = site.is_yes
                || (site.caller.is_interactive && site.events.confirm(question(), true).await == Some(true));
            if !is_agreed {
                return Err(missing(""));
            }
        } else if !site.caller.settings.core.is_remote_agent_installation_allowed {
            let host = &site.host.info.name;
            return Err(missing(&format!(" on host `{host}`, and mng may not install it there")));
        }
        site.events.info(format!("Installing {title}"));
        let ran = site.host.transport.exec(self.install_request().timeout(Some(INSTALL_LIMIT))).await?;
        if !ran.is_success() {
            let said = ran.stderr_text();
            let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
            return Err(Error::hinted(
                ErrorClass::BinaryNotInstalled,
                format!("{title} could not be installed: {}", last.trim()),
                format!("install it by hand: `{}`", self.by_hand()),
            ));
        }
        find(site, word, self.home_path)
            .await?
            .ok_or_else(|| missing(" where its installer should have put it"))
    }

    fn install_request(&self) -> ExecRequest {
        match &self.installer {
            Installer::Npm { package } => {
                ExecRequest::new(["npm", "install", "-g", &versioned(package, self.version)])
            }
            Installer::Script { address, version_variable } => {
                let request = ExecRequest::sh(RUN_SCRIPT, [*address]);
                match (version_variable, self.version) {
                    (Some(variable), Some(version)) => request.env(*variable, version),
                    _ => request,
                }
            }
        }
    }

    /// What a person can paste.
    fn by_hand(&self) -> String {
        match &self.installer {
            Installer::Npm { package } => ShellCommand::new("npm")
                .args(["install", "-g"])
                .arg(versioned(package, self.version))
                .to_string(),
            Installer::Script { address, version_variable } => {
                let file = format!("/tmp/{}-install.sh", self.binary);
                let download = ShellCommand::new("curl").args(["-fsSL", address, "-o"]).arg(&file);
                let mut run = ShellCommand::new("bash").arg(&file);
                if let (Some(variable), Some(version)) = (version_variable, self.version) {
                    run = run.env(*variable, version);
                }
                format!("{download} && {run}")
            }
        }
    }

    async fn check_version(&self, site: &TypeSite<'_>, program: &str, wanted: &str) -> Result<()> {
        let ran = site.host.transport.exec(ExecRequest::new([program, "--version"]).idempotent()).await?;
        let said = format!("{} {}", ran.stdout_text(), ran.stderr_text());
        if said.trim().is_empty() {
            tracing::debug!(program, "no version is told; the pin is not checked");
            return Ok(());
        }
        if tells_version(&said, wanted) {
            return Ok(());
        }
        let found = said.lines().next().unwrap_or_default().trim().to_owned();
        Err(Error::hinted(
            ErrorClass::BinaryNotInstalled,
            format!("{} {wanted} is wanted, and `{program}` is {found}", self.title),
            format!("install that version: `{}`", self.by_hand()),
        ))
    }
}

fn versioned(package: &str, version: Option<&str>) -> String {
    version.map_or_else(|| package.to_owned(), |version| format!("{package}@{version}"))
}

/// The program on the search path, or where its installer puts it.
async fn find(site: &TypeSite<'_>, word: &str, home_path: Option<&str>) -> Result<Option<String>> {
    const FIND: &str = r#"command -v "$1" && exit
[ -n "$2" ] && [ -x "$HOME/$2" ] && echo "$HOME/$2""#;
    if site.host.is_local() && !word.contains('/') {
        // As the shell would, without one.
        let path = site.env.get("PATH").or_else(|| site.caller.env.get("PATH")).unwrap_or_default();
        let on_path = std::env::split_paths(path).map(|dir| dir.join(word)).find(|file| is_executable(file));
        let home = site.caller.env.get_non_empty("HOME").map(PathBuf::from);
        let own = home.zip(home_path).map(|(home, path)| home.join(path)).filter(|file| is_executable(file));
        return Ok(on_path.or(own).map(|file| file.to_string_lossy().into_owned()));
    }
    let request = ExecRequest::sh(FIND, [word, home_path.unwrap_or_default()]).idempotent();
    let ran = site.host.transport.exec(request).await?;
    let text = ran.stdout_text();
    Ok(Some(text.trim().to_owned()).filter(|path| ran.is_success() && !path.is_empty()))
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// Whether a version stands in the text, with or without a `v` in front.
fn tells_version(said: &str, wanted: &str) -> bool {
    let plain = |text: &str| text.strip_prefix('v').unwrap_or(text).to_owned();
    said.split(|ch: char| !(ch.is_ascii_alphanumeric() || "_.+-".contains(ch)))
        .any(|token| plain(token) == plain(wanted))
}

/// Whether a text can be a version: it becomes an argument of an installer.
#[must_use]
pub fn is_version(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.+-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program<'a>(installer: Installer, command: Option<&'a str>, version: Option<&'a str>) -> Program<'a> {
        Program {
            title: "Thing",
            agent_type: "thing",
            binary: "thing",
            home_path: None,
            command,
            version,
            installer,
        }
    }

    #[test]
    fn a_person_can_paste_the_command() {
        let npm = Installer::Npm { package: "@a/thing" };
        assert_eq!(program(npm.clone(), None, None).by_hand(), "npm install -g @a/thing");
        assert_eq!(program(npm, None, Some("1.2")).by_hand(), "npm install -g @a/thing@1.2");
        let script = Installer::Script { address: "https://a/install", version_variable: Some("VERSION") };
        assert_eq!(
            program(script, None, Some("1.2")).by_hand(),
            "curl -fsSL https://a/install -o /tmp/thing-install.sh && VERSION=1.2 bash /tmp/thing-install.sh"
        );
    }

    #[test]
    fn the_word_that_is_looked_for() {
        let word = |command| program(Installer::Npm { package: "x" }, command, None).word();
        assert_eq!(word(None).as_deref(), Some("thing"));
        assert_eq!(word(Some("  ")).as_deref(), Some("thing"));
        assert_eq!(word(Some("/opt/thing --fast")).as_deref(), Some("/opt/thing"));
        assert_eq!(word(Some("A=b thing")), None);
        assert_eq!(word(Some("$(which thing)")), None);
    }

    #[test]
    fn a_version_is_a_whole_token() {
        assert!(tells_version("thing v1.18.3 (linux)", "1.18.3"));
        assert!(tells_version("1.18.3\n", "v1.18.3"));
        assert!(!tells_version("1.18.33", "1.18.3"));
        assert!(is_version("1.18.3-rc.1+x") && !is_version("1; rm") && !is_version(""));
    }
}
