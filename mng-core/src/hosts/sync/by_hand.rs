//! A transfer whose options the person writes: rsync is run as they say, behind the same guard.

use std::path::{Path, PathBuf};

use super::dirty::{Dirty, repo_of};
use super::guard::{self, Measure};
use super::rsync::{self, Itemised};
use super::rules::{Rules, exact};
use super::three_way::{self, Joined};
use super::{Reach, Shelf, Side, SyncError, Uncommitted};
use crate::hosts::git::word;
use crate::model::error::Result;
use crate::model::event::Events;
use crate::storage::fault;
use crate::transports::{FileKind, LockGuard, Transport};

/// One end, with the slashes that the person wrote.
#[derive(Clone, Debug)]
pub struct End {
    pub side: Side,
    /// Absolute. A `/` at its end makes rsync copy what the directory holds.
    pub path: String,
    /// Behind the reach.
    pub is_far: bool,
}

impl End {
    fn has_slash(&self) -> bool {
        self.path.ends_with('/') || self.path.ends_with("/.")
    }
}

/// A transfer that was looked at, and the words that carry it out.
#[derive(Debug)]
pub struct ByHand {
    /// To be run on this machine, with the variables of the reach.
    pub argv: Vec<String>,
    pub shelf: Shelf,
    source: Side,
    destination: Side,
    joined: three_way::Plan,
    dirty: Option<Dirty>,
    planned: Itemised,
    is_dry: bool,
    _lock: Option<Box<dyn LockGuard>>,
}

impl ByHand {
    /// Plans with rsync's own dry run, guards uncommitted work at the destination and sets aside what has to
    /// be. With `-n` among the arguments nothing is set aside, and nothing is made.
    ///
    /// # Errors
    /// [`SyncError`]
    pub async fn prepare(
        here: &dyn Transport,
        reach: &Reach,
        (source, destination): (&End, &End),
        uncommitted: Uncommitted,
        args: &[String],
        events: &Events,
    ) -> Result<Self> {
        Rules { rsync_args: args.to_vec(), ..Rules::default() }.check()?;
        let is_dry = args.iter().any(|arg| is_dry_run(arg));
        let source_stat = source.side.transport.stat(Path::new(&source.path)).await?;
        let Some(source_stat) = source_stat else {
            return Err(SyncError::NoDirectory { place: PathBuf::from(&source.path) }.into());
        };
        let is_file = source_stat.kind == FileKind::File;
        // Where the names that rsync prints start, on both sides.
        let source_root =
            if source.has_slash() && !is_file { source.side.clone() } else { parent(&source.side) };
        let (target, renamed) = target(destination, is_file).await?;
        let lock = match repo_of(&target).await? {
            Some(repo) if !is_dry => Some(guard::lock(&target, &repo, events).await?),
            _ => None,
        };
        let dirty = Dirty::look(&target).await?;
        let argv = command(reach, source, destination, args);
        let mut planned = Itemised::default();
        let (mut joined, mut measure) = (three_way::Plan::new(), Measure::None);
        if let Some(dirty) = &dirty {
            planned = rsync::plan_of(here, reach, &argv).await?;
            if let Some(name) = &renamed {
                planned.written = vec![name.clone()];
            }
            let touched: Vec<PathBuf> =
                planned.touched().iter().map(|path| dirty.prefix.join(path)).collect();
            measure = guard::decide(dirty, &touched, uncommitted)?;
            if let Measure::Join(in_the_way) = &measure {
                if renamed.is_some() {
                    let paths = in_the_way.clone();
                    return Err(SyncError::Conflict { place: target.dir.clone(), paths }.into());
                }
                joined = three_way::plan(&source_root, &target, dirty, in_the_way).await?;
            }
        }
        let mut by_hand = Self {
            argv,
            shelf: Shelf::default(),
            source: source_root,
            destination: target,
            joined,
            dirty,
            planned,
            is_dry,
            _lock: lock,
        };
        if !is_dry {
            by_hand.set_aside(&measure, events).await?;
            by_hand.leave_joined_out()?;
            by_hand.destination.transport.create_dir(&by_hand.destination.dir).await?;
        }
        Ok(by_hand)
    }

    async fn set_aside(&mut self, measure: &Measure, events: &Events) -> Result<()> {
        fault::point("sync.by_hand_planned");
        if let Some(dirty) = &self.dirty {
            self.shelf = guard::set_aside(&self.destination, dirty, measure, events).await?;
        }
        Ok(())
    }

    /// The joined files are written by us; they stand before the person's own rules.
    fn leave_joined_out(&mut self) -> Result<()> {
        let at = self.argv.iter().position(|word| word == "--exclude=.git").map_or(1, |at| at + 1);
        for (path, joined) in self.joined.iter().rev() {
            if *joined != Joined::Take {
                let pattern = exact(word(path)?.as_bytes());
                self.argv.insert(at, format!("--exclude=/{}", String::from_utf8_lossy(&pattern)));
            }
        }
        Ok(())
    }

    /// After rsync has succeeded: writes what was joined and remembers what was moved.
    ///
    /// # Errors
    /// The destination cannot be written.
    pub async fn finish(&self) -> Result<()> {
        let Some(dirty) = self.dirty.as_ref().filter(|_| !self.is_dry) else { return Ok(()) };
        fault::point("sync.by_hand_moved");
        for (path, joined) in &self.joined {
            if let Joined::Write(bytes) = joined {
                self.destination.transport.write(&self.destination.dir.join(path), bytes, 0o644).await?;
            }
        }
        let is_joined = |path: &&PathBuf| self.joined.iter().any(|(joined, _)| joined == *path);
        let written: Vec<PathBuf> =
            self.planned.written.iter().filter(|path| !is_joined(path)).cloned().collect();
        let ours: Vec<PathBuf> = dirty
            .ours
            .iter()
            .filter_map(|path| path.strip_prefix(&dirty.prefix).ok().map(Path::to_path_buf))
            .collect();
        let (source, destination) = (&self.source, &self.destination);
        dirty.manifest.record(source, destination, &ours, &written, &self.planned.deleted).await
    }
}

/// The directory that is written into, and the name under which a single file arrives there.
async fn target(destination: &End, is_file: bool) -> Result<(Side, Option<PathBuf>)> {
    let side = &destination.side;
    let is_dir = side
        .transport
        .stat(&side.dir)
        .await?
        .is_some_and(|stat| matches!(stat.kind, FileKind::Directory | FileKind::Symlink));
    if is_dir || destination.has_slash() || !is_file {
        return Ok((side.clone(), None));
    }
    Ok((parent(side), side.dir.file_name().map(PathBuf::from)))
}

fn parent(side: &Side) -> Side {
    let dir = side.dir.parent().unwrap_or(Path::new("/")).to_path_buf();
    Side { dir, ..side.clone() }
}

fn command(reach: &Reach, source: &End, destination: &End, args: &[String]) -> Vec<String> {
    let path = |end: &End| if end.is_far { reach.rsync_path(&end.path) } else { end.path.clone() };
    let mut argv: Vec<String> =
        ["rsync", "-avz", "--stats", rsync::EXACT_TIMES, "--filter=P .git", "--exclude=.git"]
            .map(str::to_owned)
            .into();
    // `-z` is among them already.
    argv.extend(reach.rsync_options().into_iter().filter(|option| option != "-z"));
    argv.extend(args.iter().cloned());
    argv.extend(["--".into(), path(source), path(destination)]);
    argv
}

/// `-n`, alone or among other letters, or `--dry-run`.
fn is_dry_run(arg: &str) -> bool {
    if arg == "--dry-run" {
        return true;
    }
    let Some(letters) = arg.strip_prefix('-').filter(|letters| !letters.starts_with('-')) else {
        return false;
    };
    // What stands behind these is their value.
    letters.chars().take_while(|letter| !"efBTM@".contains(*letter)).any(|letter| letter == 'n')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dry_run_is_seen_in_every_spelling() {
        for arg in ["-n", "-avn", "--dry-run", "-nv"] {
            assert!(is_dry_run(arg), "{arg}");
        }
        for arg in ["-av", "--no-perms", "-ersh -n", "n", "--numeric-ids"] {
            assert!(!is_dry_run(arg), "{arg}");
        }
    }
}
