//! This machine and its person, as tokens of the ssh configuration mean them.

use std::path::{Path, PathBuf};

use crate::ssh_config::Here;

pub(crate) fn here() -> Here {
    let uid = rustix::process::getuid().as_raw();
    let entry = passwd(uid);
    Here {
        home: std::env::home_dir().unwrap_or_default(),
        user: entry
            .map(|entry| entry.0)
            .or_else(|| variable("LOGNAME"))
            .or_else(|| variable("USER"))
            .unwrap_or_default(),
        uid,
        host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        variable,
    }
}

/// Whether OpenSSH reads the same configuration: it goes by the password file, never by `HOME`.
pub(crate) fn is_home_of_openssh(home: &Path) -> bool {
    passwd(rustix::process::getuid().as_raw()).is_none_or(|(_, dir)| dir == home)
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Name and home directory of a user who stands in the file; those of a directory service do not.
fn passwd(uid: u32) -> Option<(String, PathBuf)> {
    let text = std::fs::read_to_string("/etc/passwd").ok()?;
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let line_uid: u32 = fields.nth(1)?.parse().ok()?;
        let dir = fields.nth(2)?;
        (line_uid == uid).then(|| (name.to_owned(), PathBuf::from(dir)))
    })
}
