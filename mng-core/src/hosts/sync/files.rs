//! Moving files, whatever git thinks of them. `.git` is never among them.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::dirty::{Dirty, repo_of};
use super::guard::{self, Measure};
use super::rsync::{Counts, FarEnd, Itemised, Run};
use super::three_way::{self, Joined};
use super::{Reach, Rules, Shelf, Side, SyncError, Uncommitted};
use crate::model::error::Result;
use crate::model::event::Events;
use crate::storage::fault;
use crate::transports::{FileKind, Transport};

/// A transfer of files. What the source directory holds goes into the destination directory.
#[derive(Clone, Debug)]
pub struct FilesRequest<'a> {
    pub source: &'a Side,
    pub destination: &'a Side,
    /// The way to the side that is not this machine.
    pub reach: &'a Reach,
    /// The source is the other side.
    pub is_from_far: bool,
    /// rsync runs here.
    pub here: &'a dyn Transport,
    pub uncommitted: Uncommitted,
    pub rules: &'a Rules,
    /// Delete what the source does not have.
    pub is_deleting: bool,
    /// Make the directories above the destination too.
    pub makes_parents: bool,
    pub is_dry_run: bool,
}

/// What was moved. Field names are the JSON contract.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FilesReport {
    #[serde(flatten)]
    pub counts: Counts,
    pub source_path: PathBuf,
    pub destination_path: PathBuf,
    pub is_dry_run: bool,
    pub stash_oid: Option<String>,
    pub backup_ref: Option<String>,
    /// Always empty in a report: conflicts end the transfer before it begins.
    pub conflicts: Vec<PathBuf>,
}

/// Moves files. A dry run does all up to the first write, refusals included.
///
/// # Errors
/// [`SyncError`]; once something was set aside it has been told where.
pub async fn files(request: &FilesRequest<'_>, events: &Events) -> Result<FilesReport> {
    let FilesRequest { source, destination, .. } = request;
    request.rules.check()?;
    check_source(source).await?;
    // Held until the end: two transfers into one repository would take each other's work for somebody's.
    let _lock = match repo_of(destination).await? {
        Some(repo) if !request.is_dry_run => Some(guard::lock(destination, &repo, events).await?),
        _ => None,
    };
    let dirty = Dirty::look(destination).await?;
    let nested = request.nested();
    let rules = request.rules.resolve(source, destination, request.is_deleting, &nested).await?;
    let planned = request.run(&rules).plan(request.here).await?;
    let mut joined = three_way::Plan::new();
    let mut measure = Measure::None;
    if let Some(dirty) = &dirty {
        measure = guard::decide(dirty, &inside(dirty, &planned.touched()), request.uncommitted)?;
        if let Measure::Join(in_the_way) = &measure {
            joined = three_way::plan(source, destination, dirty, in_the_way).await?;
        }
    }
    let mut report = FilesReport {
        counts: planned.counts,
        source_path: source.dir.clone(),
        destination_path: destination.dir.clone(),
        is_dry_run: request.is_dry_run,
        ..FilesReport::default()
    };
    if request.is_dry_run {
        return Ok(report);
    }
    fault::point("sync.files_planned");
    if let Some(dirty) = &dirty {
        let Shelf { stash_oid, backup_ref } = guard::set_aside(destination, dirty, &measure, events).await?;
        (report.stash_oid, report.backup_ref) = (stash_oid, backup_ref);
    }
    if request.makes_parents {
        destination.transport.create_dir(&destination.dir).await?;
    }
    let done = request.transfer(&joined).await?;
    fault::point("sync.files_moved");
    report.counts = done.counts;
    if let Some(dirty) = &dirty {
        remember(request, dirty, &done).await?;
    }
    Ok(report)
}

impl FilesRequest<'_> {
    fn run<'a>(&'a self, rules: &'a super::rules::RsyncRules) -> Run<'a> {
        Run {
            reach: self.reach,
            far_end: if self.is_from_far { FarEnd::Source } else { FarEnd::Destination },
            source: &self.source.dir,
            destination: &self.destination.dir,
            rules,
            is_deleting: self.is_deleting,
        }
    }

    /// One side inside the other: it is neither copied into itself nor deleted by what it is copied to.
    fn nested(&self) -> Vec<PathBuf> {
        if !self.reach.is_here() {
            return Vec::new();
        }
        let physical = |side: &Side| std::fs::canonicalize(&side.dir).unwrap_or_else(|_| side.dir.clone());
        let (source, destination) = (physical(self.source), physical(self.destination));
        let inner = destination.strip_prefix(&source).or_else(|_| source.strip_prefix(&destination));
        inner.ok().filter(|path| !path.as_os_str().is_empty()).map(Path::to_path_buf).into_iter().collect()
    }

    /// Moves everything but the paths that were joined, and writes those.
    async fn transfer(&self, joined: &three_way::Plan) -> Result<Itemised> {
        let mut left_out = self.nested();
        let joined_already = joined.iter().filter(|(_, joined)| *joined != Joined::Take);
        left_out.extend(joined_already.map(|(path, _)| path.clone()));
        let rules = self.rules.resolve(self.source, self.destination, self.is_deleting, &left_out).await?;
        let mut done = self.run(&rules).act(self.here).await?;
        for (path, joined) in joined {
            if let Joined::Write(bytes) = joined {
                let place = self.destination.dir.join(path);
                self.destination.transport.write(&place, bytes, 0o644).await?;
                fault::point("sync.joined");
                done.counts.files_transferred += 1;
                done.counts.bytes_transferred += bytes.len() as u64;
            }
        }
        Ok(done)
    }
}

/// Paths of the destination directory as paths of the work tree.
fn inside(dirty: &Dirty, paths: &[PathBuf]) -> Vec<PathBuf> {
    paths.iter().map(|path| dirty.prefix.join(path)).collect()
}

async fn remember(request: &FilesRequest<'_>, dirty: &Dirty, done: &Itemised) -> Result<()> {
    let ours: Vec<PathBuf> = dirty
        .ours
        .iter()
        .filter_map(|path| path.strip_prefix(&dirty.prefix).ok().map(Path::to_path_buf))
        .collect();
    let (source, destination) = (request.source, request.destination);
    dirty.manifest.record(source, destination, &ours, &done.written, &done.deleted).await
}

async fn check_source(source: &Side) -> Result<()> {
    match source.transport.stat(&source.dir).await?.map(|stat| stat.kind) {
        Some(FileKind::Directory | FileKind::Symlink) => Ok(()),
        _ => Err(SyncError::NoDirectory { place: source.dir.clone() }.into()),
    }
}
