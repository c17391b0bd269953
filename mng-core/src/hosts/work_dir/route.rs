//! The two ends of a transfer. git and rsync run on one host when source and target share one; else they run
//! on this machine and reach the other end by a [`Relay`]. What goes from one foreign host to another rests
//! here in between: the two need not know each other.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::rsync;
use crate::hosts::Host;
use crate::hosts::git::{Git, TRANSFER, word};
use crate::model::error::Result;
use crate::model::ids::random_hex;
use crate::transports::relay::Relay;
use crate::transports::{ExecRequest, LocalTransport, Transport};

/// See the module.
#[derive(Debug)]
pub(super) struct Route<'a> {
    pub(super) source: &'a Host,
    pub(super) target: &'a Host,
    pub(super) way: Way,
    /// A directory of this machine for what passes through.
    pub(super) transit: &'a Path,
}

/// Who talks to whom.
#[derive(Debug)]
pub(super) enum Way {
    /// Both are on one host.
    Together,
    /// From this machine to another.
    Out(Relay),
    /// From another machine to this one.
    In(Relay),
    /// Between two other machines.
    Through { from: Relay, to: Relay },
}

impl<'a> Route<'a> {
    /// # Errors
    /// No relay can be opened.
    pub(super) fn open(source: &'a Host, target: &'a Host, transit: &'a Path) -> Result<Self> {
        let relay = |host: &Host| Relay::open(Arc::clone(&host.transport));
        let way = match (source.is_local(), target.is_local()) {
            _ if source.info.id == target.info.id => Way::Together,
            (true, true) => Way::Together,
            (true, false) => Way::Out(relay(target)?),
            (false, true) => Way::In(relay(source)?),
            (false, false) => Way::Through { from: relay(source)?, to: relay(target)? },
        };
        Ok(Self { source, target, way, transit })
    }

    pub(super) fn is_together(&self) -> bool {
        matches!(self.way, Way::Together)
    }

    /// A fresh directory for what passes through. The caller removes it; gc does after a crash.
    pub(super) async fn transit_dir(&self) -> Result<PathBuf> {
        let dir = self.transit.join(format!("transit-{}", random_hex()));
        LocalTransport.create_dir(&dir).await?;
        Ok(dir)
    }
}

/// References that go from a work tree to a git directory.
pub(super) struct Refs<'a> {
    pub(super) from: &'a Path,
    /// A `.git`.
    pub(super) to: &'a Path,
    /// `+<source>:<target>`; a source may be a commit id.
    pub(super) specs: Vec<String>,
    /// The source is a shallow clone: git loses its way when two references of one push start at the same
    /// cut in the history, so each is pushed alone.
    pub(super) is_shallow: bool,
}

impl Route<'_> {
    /// Brings references along, with all that they need. Neither side's hooks run.
    ///
    /// # Errors
    /// git fails.
    pub(super) async fn send_refs(&self, refs: &Refs<'_>) -> Result<()> {
        match &self.way {
            Way::Together => {
                let git = Git::at(self.target.transport.as_ref(), refs.from)?;
                push(git, word(refs.to)?, None, refs, refs.specs.clone()).await
            }
            Way::Out(relay) => {
                let git = Git::at(self.source.transport.as_ref(), refs.from)?;
                push(git, Relay::git_url(refs.to), Some(relay), refs, refs.specs.clone()).await
            }
            Way::In(relay) => {
                let git = Git::in_git_dir(self.target.transport.as_ref(), refs.to)?;
                fetch(git, relay, refs, refs.specs.clone()).await
            }
            Way::Through { from, to } => {
                let dir = self.transit_dir().await?;
                let sent = pass_refs(&dir, from, to, refs).await;
                LocalTransport.remove_tree(&dir).await?;
                sent
            }
        }
    }

    /// Runs rsync for one directory's content, and returns what it prints.
    ///
    /// # Errors
    /// As rsync's.
    pub(super) async fn rsync(&self, copy: &rsync::Copy<'_>) -> Result<String> {
        match &self.way {
            Way::Together => copy.run(self.target, copy.here(copy.from)?, copy.here(copy.to)?, None).await,
            Way::Out(relay) => {
                copy.run(self.source, copy.here(copy.from)?, copy.there(copy.to)?, Some(relay)).await
            }
            Way::In(relay) => {
                copy.run(self.target, copy.there(copy.from)?, copy.here(copy.to)?, Some(relay)).await
            }
            Way::Through { from, to } => {
                let dir = self.transit_dir().await?;
                let local = Host { transport: Arc::new(LocalTransport), ..self.target.clone() };
                let copied = async {
                    let pull = rsync::Copy { is_check: false, ..copy.clone() };
                    pull.run(&local, copy.there(copy.from)?, copy.here(&dir)?, Some(from)).await?;
                    copy.run(&local, copy.here(&dir)?, copy.there(copy.to)?, Some(to)).await
                };
                let copied = copied.await;
                LocalTransport.remove_tree(&dir).await?;
                copied
            }
        }
    }
}

/// By way of a bare repository here.
async fn pass_refs(dir: &Path, from: &Relay, to: &Relay, refs: &Refs<'_>) -> Result<()> {
    let git = Git::at(&LocalTransport, dir)?;
    let mut init = vec!["init", "-q", "--bare"];
    let is_long =
        |spec: &String| spec.split(':').next().is_some_and(|oid| oid.trim_start_matches('+').len() == 64);
    if refs.specs.iter().any(is_long) {
        init.push("--object-format=sha256");
    }
    git.check(git.command(init)).await?;
    let bare = Git::in_git_dir(&LocalTransport, dir)?;
    fetch(bare.clone(), from, refs, refs.specs.clone()).await?;
    // Here they all have the names that they get there.
    let names = bare.text(["for-each-ref", "--format=%(refname)"]).await?;
    let specs = names.lines().map(|name| format!("+{name}:{name}")).collect();
    push(bare, Relay::git_url(refs.to), Some(to), refs, specs).await
}

async fn push(
    git: Git<'_>,
    url: String,
    relay: Option<&Relay>,
    refs: &Refs<'_>,
    specs: Vec<String>,
) -> Result<()> {
    let git = git.without_hooks();
    let parts =
        if refs.is_shallow { specs.into_iter().map(|spec| vec![spec]).collect() } else { vec![specs] };
    for specs in parts {
        let mut args: Vec<String> = ["push", "-q", "--no-verify", "--force", "--"].map(str::to_owned).into();
        args.push(url.clone());
        args.extend(specs);
        let request = git.command(args).env("GIT_LFS_SKIP_PUSH", "1").timeout(Some(TRANSFER));
        git.check(over(request, relay)).await?;
    }
    Ok(())
}

async fn fetch(git: Git<'_>, relay: &Relay, refs: &Refs<'_>, specs: Vec<String>) -> Result<()> {
    let git = git.without_hooks();
    let mut args: Vec<String> =
        ["fetch", "-q", "--no-tags", "--no-write-fetch-head", "--update-shallow", "--"]
            .map(str::to_owned)
            .into();
    args.push(Relay::git_url(refs.from));
    args.extend(specs);
    git.check(over(git.command(args).timeout(Some(TRANSFER)), Some(relay))).await?;
    Ok(())
}

fn over(request: ExecRequest, relay: Option<&Relay>) -> ExecRequest {
    match relay {
        Some(relay) => request.envs(relay.git_env()),
        None => request,
    }
}
