//! `mng pair`: two directories are kept alike, by unison, for as long as the command runs.

mod unison;

use std::path::{Path, PathBuf};

use super::resolve::ResolvedAgent;
use super::sync::{check_differ, here, there};
use crate::hosts::git;
use crate::hosts::sync::{self, Joining, Reach, Side, Uncommitted, ahead};
use crate::model::error::{Error, ErrorClass, Result};
use crate::model::event::Events;
use crate::plugins::Ctx;
use crate::storage::FileLock;
use crate::transports::{ExecRequest, LocalTransport, Transport};

pub use unison::PairEvent;

/// Which way changes go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PairDirection {
    #[default]
    Both,
    /// From the agent to here.
    Forward,
    /// From here to the agent.
    Reverse,
}

/// Whose version of a file holds when both sides changed it. The other one is kept as a backup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Winner {
    #[default]
    Newer,
    /// The agent's.
    Source,
    /// The one here.
    Target,
}

/// What to pair.
#[derive(Clone, Debug)]
pub struct PairRequest {
    pub agent: ResolvedAgent,
    pub agent_path: Option<String>,
    /// On this machine; unset: the repository around the current directory, else that directory.
    pub target: Option<PathBuf>,
    /// Both sides have to be git work trees, whose commits are brought together first.
    pub requires_git: bool,
    /// For that first step.
    pub uncommitted: Uncommitted,
    pub direction: PairDirection,
    pub winner: Winner,
    pub include: Vec<String>,
    pub exclude: Vec<String>,
    /// Also what git ignores.
    pub include_ignored: bool,
    /// One way only: delete what only the receiver has.
    pub is_deleting: bool,
}

/// Two directories that are ready to be paired.
#[derive(Debug)]
pub struct Pair {
    pub source_path: PathBuf,
    pub target_path: PathBuf,
    source: Side,
    target: Side,
    reach: Reach,
    direction: PairDirection,
    winner: Winner,
    include: Vec<String>,
    ignore: Vec<String>,
    is_deleting: bool,
    has_watcher: bool,
    /// Where unison keeps what it knows.
    archives: PathBuf,
    _lock: FileLock,
}

/// Whether unison can be run here, before anything else is done.
///
/// # Errors
/// It is missing; the hint says how to get it.
pub async fn check_installed() -> Result<()> {
    check_on(&LocalTransport, "this machine").await
}

async fn check_on(transport: &dyn Transport, place: &str) -> Result<()> {
    let output = transport.exec(ExecRequest::sh("command -v unison", [""; 0]).idempotent()).await?;
    if output.is_success() {
        return Ok(());
    }
    let hint = if cfg!(target_os = "macos") && transport.is_local() {
        "brew install unison"
    } else {
        "install the package `unison`, for example `apt-get install unison`"
    };
    Err(Error::hinted(ErrorClass::BinaryNotInstalled, format!("`unison` is not installed on {place}"), hint))
}

/// Looks at both sides and brings their commits together.
///
/// # Errors
/// unison is missing on the host; a side is missing or no git work tree; their commits do not fit together.
#[tracing::instrument(skip_all, fields(agent = %request.agent.record.name))]
pub async fn prepare(ctx: &Ctx, request: &PairRequest, events: &Events) -> Result<Pair> {
    let agent = &request.agent;
    if !agent.host.is_local() {
        check_on(agent.host.transport.as_ref(), &format!("host `{}`", agent.host.info.address())).await?;
    }
    let source = there(agent, request.agent_path.as_deref()).await?;
    let default = ctx.locations.project_root.clone().unwrap_or_else(|| ctx.locations.cwd.clone());
    let target = here(ctx, request.target.as_ref().unwrap_or(&default));
    let reach = Reach::to(&agent.host)?;
    for side in [&source, &target] {
        if side.transport.stat(&side.dir.join(".")).await?.is_none() {
            return Err(sync::SyncError::NoDirectory { place: side.dir.clone() }.into());
        }
    }
    check_differ(&target, &source, &reach)?;
    check_apart(&target, &source, &reach)?;
    if request.requires_git {
        check_git(&source, &target).await?;
        bring_together(request, &source, &target, &reach, events).await?;
    }
    let archives = target.layout.root().join("pair");
    target.transport.create_dir(&archives).await?;
    let name = format!("{}\0{}\0{}", agent.host.info.id, source.dir.display(), target.dir.display());
    // One unison a pair: its own locks outlive a kill.
    let lock = FileLock::acquire(
        &archives.join(format!("{}.lock", sync::short_name(&name))),
        Some(std::time::Duration::ZERO),
    );
    let lock = lock.map_err(|error| {
        if error.class() == ErrorClass::LockNotHeld {
            Error::input("these two directories are being paired already", "stop the other `mng pair` first")
        } else {
            error
        }
    })?;
    if !reach.is_here() {
        source.transport.create_dir(&source.layout.root().join("pair")).await?;
    }
    let has_watcher = watches(target.transport.as_ref()).await? && watches(source.transport.as_ref()).await?;
    if !has_watcher {
        events.info("unison has no file watcher here: it looks for changes every second");
    }
    let ignore = unison::ignored(&[&source, &target], request.include_ignored, &request.exclude).await?;
    Ok(Pair {
        source_path: source.dir.clone(),
        target_path: target.dir.clone(),
        source,
        target,
        reach,
        direction: request.direction,
        winner: request.winner,
        include: request.include.clone(),
        ignore,
        is_deleting: request.is_deleting,
        has_watcher,
        archives,
        _lock: lock,
    })
}

/// unison would copy the inner directory into itself, again and again.
fn check_apart(target: &Side, source: &Side, reach: &Reach) -> Result<()> {
    let physical = |side: &Side| std::fs::canonicalize(&side.dir).unwrap_or_else(|_| side.dir.clone());
    let (one, other) = (physical(target), physical(source));
    if reach.is_here() && (one.starts_with(&other) || other.starts_with(&one)) {
        return Err(Error::input(
            format!("`{}` and `{}` lie inside one another", one.display(), other.display()),
            "pair directories that lie apart, or use `mng push` and `mng pull`",
        ));
    }
    Ok(())
}

async fn check_git(source: &Side, target: &Side) -> Result<()> {
    let mut missing = Vec::new();
    for (side, whose) in [(source, "the agent's"), (target, "the local")] {
        if git::inspect(side.transport.as_ref(), &side.dir).await?.is_none() {
            missing.push(format!("{whose} directory `{}`", side.dir.display()));
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::input(
        format!("no git work tree: {}", missing.join(" and ")),
        "pair plain directories with `--no-require-git`",
    ))
}

/// Merges what either side has committed into the other one.
async fn bring_together(
    request: &PairRequest,
    source: &Side,
    target: &Side,
    reach: &Reach,
    events: &Events,
) -> Result<()> {
    let (theirs, ours) = match ahead(target, source, reach).await {
        Ok(Some(counts)) => counts,
        Ok(None) => return Ok(()),
        Err(error) => {
            events.warning(format!("commits are not brought together: {error}"));
            return Ok(());
        }
    };
    if theirs > 0 {
        let pull = sync::PullRequest {
            source,
            destination: target,
            reach,
            uncommitted: request.uncommitted,
            source_branch: None,
            target_branch: None,
            joining: Joining::Merge,
            agent: request.agent.record.name.as_str(),
            is_dry_run: false,
        };
        let report = sync::pull(&pull, events).await?;
        events.info(format!("Merged {} commits of the agent", report.commits_transferred));
    }
    if ours > 0 {
        let push = sync::PushRequest {
            source: target,
            destination: source,
            reach,
            uncommitted: request.uncommitted,
            source_branch: None,
            is_mirror: false,
            is_dry_run: false,
        };
        let report = sync::push(&push, events).await?;
        events.info(format!("Pushed {} commits to the agent", report.commits_transferred));
    }
    Ok(())
}

/// Whether unison can wait for changes on that host.
async fn watches(transport: &dyn Transport) -> Result<bool> {
    let request = ExecRequest::sh("command -v unison-fsmonitor", [""; 0]).idempotent();
    Ok(transport.exec(request).await?.is_success())
}

/// The words that every run has; what depends on the directories there are comes behind.
fn root(side: &Side, reach: &Reach) -> String {
    let path: &Path = &side.dir;
    if reach.is_here() { path.display().to_string() } else { reach.unison_root(path) }
}
