//! `mng doctor --install`: through the package manager of this machine.

use std::process::{Command, Stdio};

use mng_core::{Error, ErrorClass};

use super::{Check, Install, Status};
use crate::ui::Ui;

/// Package managers, and the words before the names of packages.
const MANAGERS: &[(&str, &[&str])] = &[
    ("brew", &["brew", "install"]),
    ("apt-get", &["apt-get", "install", "-y"]),
    ("dnf", &["dnf", "install", "-y"]),
    ("pacman", &["pacman", "-S", "--noconfirm"]),
    ("apk", &["apk", "add"]),
];

/// Installs what is missing; whether anything was.
///
/// # Errors
/// There is no package manager, it fails, or the person says no.
pub(super) fn missing(ui: &mut Ui, checks: &[Check], how: Install) -> Result<bool, Error> {
    let names: Vec<&str> = checks
        .iter()
        .filter(|check| check.status == Status::Missing)
        .map(|check| check.name.as_str())
        .collect();
    if names.is_empty() {
        return Ok(false);
    }
    let line = line(&names, &|program| on_path(ui, program), rustix::process::geteuid().is_root())
        .ok_or_else(|| {
            Error::hinted(
                ErrorClass::BinaryNotInstalled,
                format!("missing: {}; this machine has no package manager that mng knows", names.join(", ")),
                "install them by hand",
            )
        })?;
    let shown = line.join(" ");
    if how == Install::Interactive && !ui.confirm_blocking(&format!("Run `{shown}`?"), "--install auto")? {
        return Err(Ui::aborted());
    }
    ui.info(&format!("Running {shown}"));
    let status = Command::new(&line[0])
        .args(&line[1..])
        // What the package manager says is progress, not a result.
        .stdout(Stdio::from(std::io::stderr()))
        .status()
        .map_err(|error| Error::io(format!("run `{}`", line[0]), error))?;
    if status.success() {
        return Ok(true);
    }
    Err(Error::hinted(ErrorClass::BinaryNotInstalled, format!("`{shown}` failed"), "install them by hand"))
}

fn on_path(ui: &Ui, program: &str) -> bool {
    std::env::split_paths(ui.env().get("PATH").unwrap_or_default()).any(|dir| dir.join(program).is_file())
}

/// The command line that installs these programs.
fn line(names: &[&str], has: &dyn Fn(&str) -> bool, is_root: bool) -> Option<Vec<String>> {
    let (manager, words) = MANAGERS.iter().find(|(manager, _)| has(manager))?;
    let mut line = Vec::new();
    if *manager != "brew" && !is_root {
        line.push("sudo".to_owned());
    }
    line.extend(words.iter().map(|word| (*word).to_owned()));
    line.extend(names.iter().map(|name| package(manager, name).to_owned()));
    Some(line)
}

/// The package that holds a program.
fn package<'a>(manager: &str, name: &'a str) -> &'a str {
    match (manager, name) {
        ("apt-get" | "apk", "ssh") => "openssh-client",
        ("dnf", "ssh") => "openssh-clients",
        (_, "ssh") => "openssh",
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_that_of_the_machine() {
        let made = |managers: &[&str], is_root| {
            line(&["tmux", "ssh"], &|program| managers.contains(&program), is_root).map(|line| line.join(" "))
        };
        assert_eq!(made(&["apt-get"], false).unwrap(), "sudo apt-get install -y tmux openssh-client");
        assert_eq!(made(&["apt-get"], true).unwrap(), "apt-get install -y tmux openssh-client");
        assert_eq!(made(&["brew", "apt-get"], false).unwrap(), "brew install tmux openssh");
        assert_eq!(made(&[], true), None);
    }
}
