//! `mng git push` and `mng git pull`: git between the repository here and one on a host, with options of the
//! person's own. No setting is left behind on either side.

use std::path::Path;

use super::passage::Passage;
use super::resolve;
use super::sync::on_host;
use crate::hosts::git::{self, Git};
use crate::hosts::sync::Reach;
use crate::model::address::Location;
use crate::model::error::{Error, ErrorClass, Result};
use crate::model::event::Events;
use crate::plugins::Ctx;
use crate::transports::LocalTransport;

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Push,
    Pull,
}

impl Direction {
    #[must_use]
    pub fn verb(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Pull => "pull",
        }
    }
}

/// What to run.
#[derive(Clone, Debug)]
pub struct GitRequest {
    pub direction: Direction,
    pub target: Location,
    /// Options of git, and refspecs.
    pub args: Vec<String>,
}

/// Says what is to be run in the repository of the current directory.
///
/// # Errors
/// A side is no repository; no branch is checked out and no refspec is given.
#[tracing::instrument(skip_all)]
pub async fn prepare(ctx: &Ctx, request: &GitRequest, events: &Events) -> Result<Passage> {
    let verb = request.direction.verb();
    let (host, path) = match &request.target {
        Location::Agent { address, path } => {
            let agent = resolve::one(ctx, address).await?;
            let path = match path {
                Some(path) => on_host(&agent.host, &agent.record.work_dir, path).await?,
                None => agent.record.work_dir,
            };
            (agent.host, path)
        }
        Location::Host { address, path: Some(path) } => {
            let host = resolve::one_host(ctx, address).await?;
            let path = on_host(&host, host.layout.root(), path).await?;
            (host, path)
        }
        Location::Host { address, path: None } => {
            return Err(usage(
                format!("`@{address}` names no repository"),
                format!("mng git {verb} @{address}:PATH"),
            ));
        }
        Location::Path(path) => {
            return Err(usage(format!("`{path}` is a path of this machine"), format!("git {verb} {path}")));
        }
    };
    let cwd = ctx.locations.cwd.clone();
    if git::inspect(&LocalTransport, &cwd).await?.is_none() {
        return Err(git::GitError::NotARepository { place: cwd }.into());
    }
    let Some(there) = git::inspect(host.transport.as_ref(), &path).await? else {
        return Err(git::GitError::NotARepository { place: path }.into());
    };
    let reach = Reach::to(&host)?;
    let (options, mut refs) = split(&request.args);
    if refs.is_empty() {
        refs = default_refs(request.direction, &cwd, there.branch.as_deref()).await?;
    }
    let preposition = if request.direction == Direction::Push { "Pushing to" } else { "Pulling from" };
    events.info(format!("{preposition} {} on host {}", path.display(), host.info.id));
    let mut words = vec![verb.to_owned()];
    match request.direction {
        Direction::Push => {
            // The branch that is checked out there moves with its work tree, if that is clean.
            let settings = ["receive.denyCurrentBranch=updateInstead"];
            words.push(format!(
                "--receive-pack={}",
                reach.git_program("receive-pack", &settings, &there.top_level)?
            ));
        }
        Direction::Pull => {
            words.push(format!("--upload-pack={}", reach.git_program("upload-pack", &[], &there.top_level)?));
            words.extend(how_to_pull(&cwd, &options).await?);
        }
    }
    words.extend(options);
    words.push(reach.git_url(&there.top_level)?);
    words.extend(refs);
    let command = Git::at(&LocalTransport, &cwd)?.command(words);
    let mut env = reach.git_env();
    env.extend(command.env.into_iter().filter(|(key, _)| key != "LC_ALL"));
    if request.direction == Direction::Push {
        env.insert("GIT_LFS_SKIP_PUSH".into(), "1".into());
    }
    Ok(Passage {
        argv: command.argv,
        env,
        unset: command.unset,
        cwd,
        path,
        host_id: host.info.id.to_string(),
        reach,
    })
}

/// Options stand before the URL, all else behind it.
fn split(args: &[String]) -> (Vec<String>, Vec<String>) {
    args.iter().filter(|arg| *arg != "--").cloned().partition(|arg| arg.starts_with('-'))
}

async fn default_refs(direction: Direction, cwd: &Path, there: Option<&str>) -> Result<Vec<String>> {
    let detached = |place: &str, example: &str| {
        Error::input(
            format!("no branch is checked out {place}, so it is unknown what to move"),
            format!("give a refspec: `mng git {} AGENT {example}`", direction.verb()),
        )
    };
    let there = there.ok_or_else(|| detached("there", "BRANCH"))?;
    if direction == Direction::Pull {
        return Ok(vec![there.to_owned()]);
    }
    let info = git::inspect(&LocalTransport, cwd).await?;
    let here = info.and_then(|info| info.branch).ok_or_else(|| detached("here", "HEAD:BRANCH"))?;
    Ok(vec![format!("refs/heads/{here}:refs/heads/{there}")])
}

/// Newer versions of git refuse to pull diverged branches unless somebody said how.
async fn how_to_pull(cwd: &Path, options: &[String]) -> Result<Option<String>> {
    let says_how = |option: &String| {
        ["--rebase", "--no-rebase", "--ff-only", "-r"].iter().any(|known| option == known)
            || option.starts_with("--rebase=")
    };
    if options.iter().any(says_how) {
        return Ok(None);
    }
    let git = Git::at(&LocalTransport, cwd)?;
    let set = git.run(git.command(["config", "--get-regexp", r"^pull\.(rebase|ff)$"])).await?;
    Ok((!set.is_success()).then(|| "--no-rebase".to_owned()))
}

fn usage(message: impl Into<String>, hint: impl Into<String>) -> Error {
    Error::hinted(ErrorClass::Usage, message, hint)
}
