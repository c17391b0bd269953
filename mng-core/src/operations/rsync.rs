//! `mng rsync`: rsync between this machine and an agent or host, with options of the person's own.

use std::path::PathBuf;

use super::passage::Passage;
use super::resolve;
use super::sync::{here, on_host};
use crate::hosts::sync::{ByHand, End, Reach, Side, Uncommitted};
use crate::model::address::Location;
use crate::model::error::{Error, ErrorClass, Result};
use crate::model::event::Events;
use crate::plugins::Ctx;
use crate::transports::LocalTransport;

/// What to move.
#[derive(Clone, Debug)]
pub struct RsyncRequest {
    pub source: Location,
    pub destination: Location,
    pub uncommitted: Uncommitted,
    /// Options of rsync.
    pub args: Vec<String>,
}

/// A guarded transfer, ready to be run.
#[derive(Debug)]
pub struct PreparedRsync {
    pub passage: Passage,
    pub by_hand: ByHand,
}

/// Finds both ends, guards uncommitted work at the destination, and says what is to be run.
///
/// # Errors
/// Both ends or neither are on this machine by their names; a guard refuses; the host is not there.
#[tracing::instrument(skip_all)]
pub async fn prepare(ctx: &Ctx, request: &RsyncRequest, events: &Events) -> Result<PreparedRsync> {
    let is_path = |location: &Location| matches!(location, Location::Path(_));
    let (from_here, to_here) = (is_path(&request.source), is_path(&request.destination));
    if from_here == to_here {
        let (message, hint) = if from_here {
            (
                "both sides are paths of this machine",
                "name an agent or a host on one side; for local copies use rsync itself",
            )
        } else {
            ("both sides are agents or hosts", "copy to this machine first, then on")
        };
        return Err(Error::hinted(ErrorClass::Usage, message, hint));
    }
    let remote = if from_here { &request.destination } else { &request.source };
    let local = if from_here { &request.source } else { &request.destination };
    let (far, reach, host_id) = far_end(ctx, remote).await?;
    let Location::Path(text) = local else {
        return Err(Error::plain(ErrorClass::UserInput, "no side is a path of this machine"));
    };
    let side = here(ctx, text.as_ref());
    let near = End { path: with_slashes_of(&side.dir, text)?, side, is_far: false };
    let verb = if from_here { "Pushing to" } else { "Pulling from" };
    events.info(format!("{verb} {} on host {host_id}", far.side.dir.display()));
    let ends = if from_here { (&near, &far) } else { (&far, &near) };
    let by_hand =
        ByHand::prepare(&LocalTransport, &reach, ends, request.uncommitted, &request.args, events).await?;
    let passage = Passage {
        argv: by_hand.argv.clone(),
        env: reach.env(),
        unset: Vec::new(),
        cwd: ctx.locations.cwd.clone(),
        path: far.side.dir.clone(),
        host_id,
        reach,
    };
    Ok(PreparedRsync { passage, by_hand })
}

async fn far_end(ctx: &Ctx, location: &Location) -> Result<(End, Reach, String)> {
    let (host, base, path) = match location {
        Location::Agent { address, path } => {
            let agent = resolve::one(ctx, address).await?;
            (agent.host, agent.record.work_dir, path)
        }
        Location::Host { address, path } => {
            let host = resolve::one_host(ctx, address).await?;
            let base = host.layout.root().to_path_buf();
            (host, base, path)
        }
        Location::Path(path) => {
            return Err(Error::plain(ErrorClass::UserInput, format!("`{path}` is a path of this machine")));
        }
    };
    let dir: PathBuf = match path {
        Some(path) => on_host(&host, &base, path).await?,
        None => base,
    };
    // Without a path what the directory holds is meant.
    let path = with_slashes_of(&dir, path.as_deref().unwrap_or("/"))?;
    let reach = Reach::to(&host)?;
    let end = End { side: Side::on(&host, dir), path, is_far: true };
    Ok((end, reach, host.info.id.to_string()))
}

/// The path with a `/` at its end if the person wrote one.
fn with_slashes_of(path: &std::path::Path, text: &str) -> Result<String> {
    let word = crate::hosts::git::word(path)?;
    let has_slash =
        text.ends_with('/') || matches!(text, "." | "..") || text.ends_with("/.") || text.ends_with("/..");
    Ok(if has_slash && !word.ends_with('/') { format!("{word}/") } else { word })
}
