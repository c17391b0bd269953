//! What an isolated agent shares with the person: the login, and the files that extend the program.

use std::io;
use std::path::{Path, PathBuf};

use mng_core::hosts::Host;
use mng_core::model::ids::random_hex;
use mng_core::{Error, Result};
use serde_json::{Map, Value};

use crate::claude_type::ClaudeType;
use crate::places::{self, UserClaude};

/// Linked or copied as they are.
const WHOLE: [&str; 7] =
    ["agents", "commands", "output-styles", "rules", "themes", "keybindings.json", "CLAUDE.md"];
/// Directories into which the agent, or mng, puts things of its own: child by child.
const BY_CHILD: [&str; 2] = ["skills", "plugins"];
/// Holds absolute paths into the directory that it lies in; the program takes others for corrupt.
const MARKETPLACES: &str = "known_marketplaces.json";
/// Deepest that a copy goes, and the largest file of one.
const DEEPEST: usize = 16;
const LARGEST: u64 = 32 * 1024 * 1024;

const CREDENTIALS: &str = ".credentials.json";

/// Gives the agent the person's login. Whether there was one.
///
/// # Errors
/// A file cannot be read, linked or written.
pub(crate) async fn provide_credentials(
    kind: &ClaudeType,
    host: &Host,
    user: &UserClaude,
    config_dir: &Path,
) -> Result<bool> {
    let own = &kind.config.own;
    let (theirs, ours) = (user.dir.join(CREDENTIALS), config_dir.join(CREDENTIALS));
    if !own.sync_claude_credentials {
        return Ok(false);
    }
    if !theirs.exists() {
        return Ok(ours.exists());
    }
    if host.is_local() && own.sync_credentials_on_login {
        return link(&theirs, &ours).map(|()| true);
    }
    let is_there = host.transport.stat(&ours).await?.is_some();
    // The agent's own login may be newer than the person's.
    if !is_there && let Some(bytes) = places::read_file(&theirs)? {
        host.transport.write(&ours, &bytes, 0o600).await?;
    }
    Ok(true)
}

/// Gives the agent the person's agents, commands, skills, plugins, styles, keys and memory.
///
/// # Errors
/// As [`provide_credentials`].
pub(crate) async fn provide_resources(
    kind: &ClaudeType,
    host: &Host,
    user: &UserClaude,
    config_dir: &Path,
) -> Result<()> {
    let is_linked = host.is_local() && kind.config.own.symlink_user_resources;
    let mut items: Vec<PathBuf> = WHOLE.iter().map(PathBuf::from).collect();
    for dir in BY_CHILD {
        let children = children(&user.dir.join(dir))?;
        items.extend(children.into_iter().map(|child| Path::new(dir).join(child)));
    }
    for item in items {
        let (theirs, ours) = (user.dir.join(&item), config_dir.join(&item));
        if !theirs.exists() {
            continue;
        }
        if item.file_name().is_some_and(|name| name == MARKETPLACES) {
            rebase(host, user, config_dir, &theirs, &ours).await?;
        } else if is_linked {
            link(&theirs, &ours)?;
        } else {
            copy(host, &theirs, &ours).await?;
        }
    }
    Ok(())
}

fn children(dir: &Path) -> Result<Vec<String>> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(Error::io(format!("read `{}`", dir.display()), error)),
    };
    let mut names: Vec<String> =
        entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    Ok(names)
}

/// Makes `link` a symlink to `target`. A link that is there is replaced as a whole: writing through one would
/// change the person's directory. What is no link is the agent's own and stays.
fn link(target: &Path, link: &Path) -> Result<()> {
    let failed = |error| Error::io(format!("link `{}`", link.display()), error);
    match std::fs::symlink_metadata(link) {
        Ok(meta) if !meta.is_symlink() => return Ok(()),
        Ok(_) if std::fs::read_link(link).is_ok_and(|there| there == target) => return Ok(()),
        _ => {}
    }
    let dir = link.parent().unwrap_or(link);
    std::fs::create_dir_all(dir).map_err(failed)?;
    let fresh = dir.join(format!(".mng-link-{}", random_hex()));
    std::os::unix::fs::symlink(target, &fresh).map_err(failed)?;
    std::fs::rename(&fresh, link).map_err(|error| {
        // Only the half-made link is lost.
        let _ = std::fs::remove_file(&fresh);
        failed(error)
    })
}

/// Copies a file or a tree of the controller to the host; links are followed. What is there already is
/// brought up to date.
///
/// # Errors
/// A file cannot be read or written.
pub(crate) async fn copy(host: &Host, from: &Path, to: &Path) -> Result<()> {
    let mut left = vec![(from.to_path_buf(), to.to_path_buf(), 0)];
    while let Some((from, to, depth)) = left.pop() {
        let Ok(meta) = std::fs::metadata(&from) else { continue };
        if meta.is_dir() && depth < DEEPEST {
            let names = children(&from)?;
            left.extend(names.iter().map(|name| (from.join(name), to.join(name), depth + 1)));
        } else if meta.is_file() && meta.len() <= LARGEST {
            use std::os::unix::fs::PermissionsExt as _;
            if let Some(bytes) = places::read_file(&from)? {
                let mode = meta.permissions().mode() & 0o700 | 0o600;
                host.transport.write_volatile(&to, &bytes, mode).await?;
            }
        }
    }
    Ok(())
}

/// Writes the list of marketplaces with its paths moved from the person's directory to the agent's.
async fn rebase(host: &Host, user: &UserClaude, config_dir: &Path, from: &Path, to: &Path) -> Result<()> {
    let Some(bytes) = places::read_file(from)? else { return Ok(()) };
    let Ok(mut list) = serde_json::from_slice::<Map<String, Value>>(&bytes) else { return Ok(()) };
    for market in list.values_mut() {
        let moved = market["installLocation"].as_str().and_then(|place| {
            let rest = Path::new(place).strip_prefix(&user.dir).ok()?;
            Some(config_dir.join(rest).to_string_lossy().into_owned())
        });
        if let Some(moved) = moved {
            market["installLocation"] = moved.into();
        }
    }
    host.transport.write_volatile(to, &places::to_json(&list), 0o600).await
}
