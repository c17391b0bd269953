//! The programs that mng runs.

use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use mng_core::settings::EnvSnapshot;

use super::{Check, Status};

/// A program that cannot say its version in this time is not usable either.
const DEADLINE: Duration = Duration::from_secs(10);

/// A program, how it tells its version, and what it is for.
pub(super) struct Tool {
    pub(super) name: &'static str,
    version_flag: &'static str,
    least: Option<(u32, u32)>,
    is_core: bool,
    purpose: &'static str,
}

/// Without the core ones nothing works.
pub(super) const TOOLS: &[Tool] = &[
    Tool {
        name: "git",
        version_flag: "--version",
        least: Some((2, 30)),
        is_core: true,
        purpose: "work dirs and branches",
    },
    Tool {
        name: "tmux",
        version_flag: "-V",
        least: Some((3, 2)),
        is_core: true,
        purpose: "the sessions of agents",
    },
    Tool {
        name: "rsync",
        version_flag: "--version",
        least: None,
        is_core: false,
        purpose: "`--transfer rsync`",
    },
    Tool { name: "ssh", version_flag: "-V", least: None, is_core: false, purpose: "git over ssh" },
];

pub(super) fn check(env: &EnvSnapshot, with_optional: bool) -> Vec<Check> {
    let wanted: Vec<&Tool> = TOOLS.iter().filter(|tool| with_optional || tool.is_core).collect();
    // All at once: each costs a process, none needs another.
    std::thread::scope(|scope| {
        let running: Vec<_> = wanted.iter().map(|tool| scope.spawn(|| look_at(tool, env))).collect();
        running.into_iter().filter_map(|thread| thread.join().ok()).collect()
    })
}

fn look_at(tool: &Tool, env: &EnvSnapshot) -> Check {
    let mut check = Check {
        name: tool.name.into(),
        kind: if tool.is_core { "core" } else { "optional" },
        status: Status::Ok,
        version: None,
        detail: tool.purpose.into(),
        hint: None,
    };
    let on_path =
        std::env::split_paths(env.get("PATH").unwrap_or_default()).any(|dir| dir.join(tool.name).is_file());
    if !on_path {
        check.status = Status::Missing;
        check.hint = Some(format!("`mng doctor --install auto` installs it ({})", tool.purpose));
        return check;
    }
    let Some(said) = ask_version(tool) else {
        check.status = Status::Bad;
        check.detail = format!("`{} {}` fails", tool.name, tool.version_flag);
        return check;
    };
    check.version = version_in(&said);
    let version = check.version.as_deref().and_then(numbers);
    if let (Some(least), Some(version)) = (tool.least, version)
        && version < least
    {
        check.status = Status::Bad;
        check.detail = format!("mng needs {}.{} or newer", least.0, least.1);
        check.hint = Some(format!("upgrade {} with your package manager", tool.name));
    }
    check
}

/// What a program says when asked for its version, on either stream.
fn ask_version(tool: &Tool) -> Option<String> {
    let mut child = Command::new(tool.name)
        .arg(tool.version_flag)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    let (mut stdout, mut stderr) = (child.stdout.take()?, child.stderr.take()?);
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut text = String::new();
        let _ = stdout.read_to_string(&mut text);
        let _ = stderr.read_to_string(&mut text);
        let _ = sender.send(text);
    });
    let said = receiver.recv_timeout(DEADLINE).ok();
    if said.is_none() {
        let _ = child.kill();
    }
    let status = child.wait().ok()?;
    said.filter(|_| status.success())
}

/// The first word that looks like a version: `git version 2.39.2`, `tmux 3.3a`, `OpenSSH_9.2p1 …`.
fn version_in(said: &str) -> Option<String> {
    let words = said.split(|c: char| c.is_whitespace() || c == ',' || c == '_');
    let is_version = |word: &&str| {
        let word = word.trim_start_matches("next-");
        word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('.')
    };
    words.into_iter().find(is_version).map(str::to_owned)
}

/// The first two numbers of a version.
fn numbers(version: &str) -> Option<(u32, u32)> {
    let version = version.trim_start_matches("next-");
    let (major, rest) = version.split_once('.')?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Some((major.parse().ok()?, digits.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_programs_say() {
        for (said, version, parts) in [
            ("git version 2.39.2 (Apple Git-143)", "2.39.2", (2, 39)),
            ("tmux 3.3a", "3.3a", (3, 3)),
            ("tmux next-3.5", "next-3.5", (3, 5)),
            ("OpenSSH_9.2p1 Debian-2, OpenSSL 3.0.9", "9.2p1", (9, 2)),
            ("rsync  version 3.2.7  protocol version 31", "3.2.7", (3, 2)),
        ] {
            assert_eq!(version_in(said).as_deref(), Some(version));
            assert_eq!(numbers(version), Some(parts), "{said}");
        }
        assert_eq!(version_in("hello"), None);
    }

    #[test]
    fn versions_compare_as_numbers() {
        assert!(numbers("3.10") > numbers("3.2"));
        assert!(numbers("2.9") < numbers("2.30"));
    }

    #[test]
    fn what_is_not_on_path_is_missing() {
        let env: EnvSnapshot = [("PATH", "/nonexistent")].into_iter().collect();
        let checks = check(&env, false);
        assert_eq!(checks.len(), 2);
        assert!(checks.iter().all(|check| check.status == Status::Missing && check.hint.is_some()));
    }
}
