//! Joining two versions of a file over the last committed one.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::dirty::Dirty;
use super::{Side, SyncError};
use crate::hosts::git::{Git, GitError, TRANSFER};
use crate::model::error::Result;
use crate::model::ids::random_hex;
use crate::transports::{FileKind, Transport};

/// What became of one path in the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Joined {
    /// The destination's version holds; what comes in adds nothing.
    Keep,
    /// The incoming version holds: the destination has no change of its own there.
    Take,
    /// Both, joined line by line.
    Write(Vec<u8>),
    Conflict,
}

/// A path of the destination, relative to its directory, and how it is joined.
pub(super) type Plan = Vec<(PathBuf, Joined)>;

/// Joins every path in the way, in memory. `in_the_way` is relative to the root of the work tree.
///
/// # Errors
/// [`SyncError::Conflict`] with the paths that do not fit together; nothing was written.
pub(super) async fn plan(
    source: &Side,
    destination: &Side,
    dirty: &Dirty,
    in_the_way: &[PathBuf],
) -> Result<Plan> {
    let git = destination.git_at(&dirty.repo.top_level)?;
    let mut plan = Plan::new();
    for path in in_the_way {
        let Ok(relative) = path.strip_prefix(&dirty.prefix) else { continue };
        let base = committed(&git, path).await?;
        let ours = on_disk(destination, relative).await?;
        let theirs = on_disk(source, relative).await?;
        let joined = match (ours, theirs) {
            (Version::Other, _) | (_, Version::Other) => Joined::Conflict,
            (ours, theirs) => join(&git, destination, base, ours, theirs).await?,
        };
        plan.push((relative.to_path_buf(), joined));
    }
    let conflicts: Vec<PathBuf> =
        plan.iter().filter(|(_, joined)| *joined == Joined::Conflict).map(|(path, _)| path.clone()).collect();
    if conflicts.is_empty() {
        Ok(plan)
    } else {
        Err(SyncError::Conflict { place: destination.dir.clone(), paths: conflicts }.into())
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Version {
    Absent,
    File(Vec<u8>),
    /// A symlink, a directory, a device: nothing to join.
    Other,
}

async fn on_disk(side: &Side, relative: &Path) -> Result<Version> {
    let path = side.dir.join(relative);
    Ok(match side.transport.stat(&path).await?.map(|stat| stat.kind) {
        None => Version::Absent,
        Some(FileKind::File) => match side.transport.read(&path).await? {
            Some(bytes) => Version::File(bytes),
            None => Version::Absent,
        },
        Some(_) => Version::Other,
    })
}

/// The version in `HEAD`, as a check-out would write it.
async fn committed(git: &Git<'_>, path: &Path) -> Result<Version> {
    let Some(name) = path.to_str() else { return Ok(Version::Other) };
    let exists = git.run(git.command(["cat-file", "-e", &format!("HEAD:{name}")]).idempotent()).await?;
    if !exists.is_success() {
        return Ok(Version::Absent);
    }
    let show = git.command(["cat-file", "--filters", &format!("HEAD:{name}")]).timeout(Some(TRANSFER));
    Ok(Version::File(git.check(show.idempotent()).await?.stdout))
}

async fn join(git: &Git<'_>, side: &Side, base: Version, ours: Version, theirs: Version) -> Result<Joined> {
    if ours == theirs || theirs == base {
        return Ok(Joined::Keep);
    }
    if ours == base {
        return Ok(Joined::Take);
    }
    match (base, ours, theirs) {
        (Version::File(base), Version::File(ours), Version::File(theirs)) => {
            let is_text = [&base, &ours, &theirs].iter().all(|bytes| !bytes.contains(&0));
            if is_text { merge_file(git, side, [&ours, &base, &theirs]).await } else { Ok(Joined::Conflict) }
        }
        _ => Ok(Joined::Conflict),
    }
}

/// `git merge-file` on copies in a directory of their own.
async fn merge_file(git: &Git<'_>, side: &Side, versions: [&[u8]; 3]) -> Result<Joined> {
    let dir = side.layout.root().join("tmp").join(format!("join-{}", random_hex()));
    let merged = merge_in(git, git.transport(), &dir, versions).await;
    let removed = git.transport().remove_tree(&dir).await;
    let merged = merged?;
    removed?;
    Ok(merged)
}

async fn merge_in(
    git: &Git<'_>,
    transport: &dyn Transport,
    dir: &Path,
    versions: [&[u8]; 3],
) -> Result<Joined> {
    // Private from the start: what is joined may be secret.
    transport.create_dir(dir).await?;
    let names = ["ours", "base", "theirs"];
    for (name, bytes) in names.iter().zip(versions) {
        transport.write_volatile(&dir.join(name), bytes, 0o600).await?;
    }
    let paths = names.map(|name| String::from_utf8_lossy(dir.join(name).as_os_str().as_bytes()).into_owned());
    let mut args = vec!["merge-file".to_owned(), "-p".into(), "-q".into()];
    args.extend(paths);
    let output = git.run(git.command(args)).await?;
    match output.code {
        Some(0) => Ok(Joined::Write(output.stdout)),
        // The number of conflicts, at most 127; above that it is an error.
        Some(1..=127) => Ok(Joined::Conflict),
        _ => Err(GitError::of("git merge-file", git.place(), &output).into()),
    }
}
