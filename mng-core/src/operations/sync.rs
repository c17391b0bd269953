//! What `push` and `pull` share: which two directories are meant, and the report.

use std::path::{Path, PathBuf};

use serde::ser::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::resolve::ResolvedAgent;
use crate::hosts::sync::{FilesReport, GitReport, Reach, Side};
use crate::hosts::{Host, Layout};
use crate::model::error::{Error, Result};
use crate::model::ids::{AgentId, HostId};
use crate::plugins::Ctx;
use crate::transports::{ExecRequest, LocalTransport};

/// What is moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SyncMode {
    /// Files as they are, committed or not.
    #[default]
    Files,
    /// Commits.
    Git,
    /// Commits, then files.
    Full,
}

impl SyncMode {
    #[must_use]
    pub fn has_git(self) -> bool {
        self != Self::Files
    }

    #[must_use]
    pub fn has_files(self) -> bool {
        self != Self::Git
    }
}

/// What was moved. As JSON it is one flat object with the keys of both parts.
#[derive(Clone, Debug)]
pub struct SyncReport {
    pub agent_id: AgentId,
    pub host_id: HostId,
    pub git: Option<GitReport>,
    pub files: Option<FilesReport>,
}

impl SyncReport {
    pub(super) fn of(agent: &ResolvedAgent) -> Self {
        Self {
            agent_id: agent.record.id.clone(),
            host_id: agent.host.info.id.clone(),
            git: None,
            files: None,
        }
    }
}

impl Serialize for SyncReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut all = Map::new();
        let parts = [serde_json::to_value(&self.git), serde_json::to_value(&self.files)];
        for part in parts {
            let Value::Object(part) = part.map_err(serde::ser::Error::custom)? else { continue };
            for (key, value) in part {
                // What the first part set aside must not be hidden by a second one that did not.
                if !value.is_null() || !all.contains_key(&key) {
                    all.insert(key, value);
                }
            }
        }
        all.insert("agent_id".into(), self.agent_id.as_str().into());
        all.insert("host_id".into(), self.host_id.as_str().into());
        all.serialize(serializer)
    }
}

/// A directory of this machine. Relative paths start at the current directory.
pub(super) fn here(ctx: &Ctx, path: &Path) -> Side {
    let dir = ctx.locations.cwd.join(ctx.locations.expand_home(&path.to_string_lossy()));
    Side {
        transport: std::sync::Arc::new(LocalTransport),
        layout: Layout::new(ctx.settings.host_dir().to_path_buf()),
        dir: crate::hosts::git::normal(&dir),
    }
}

/// A path on the host of an agent; none is the work dir, a relative one starts there.
pub(super) async fn there(agent: &ResolvedAgent, path: Option<&str>) -> Result<Side> {
    let dir = match path {
        None => agent.record.work_dir.clone(),
        Some(path) => on_host(&agent.host, &agent.record.work_dir, path).await?,
    };
    Ok(Side::on(&agent.host, dir))
}

/// A path as a person writes it for a host: `~` is the home directory there, a relative one starts at `base`.
pub(super) async fn on_host(host: &Host, base: &Path, path: &str) -> Result<PathBuf> {
    let Some(rest) = path.strip_prefix('~').filter(|rest| rest.is_empty() || rest.starts_with('/')) else {
        return Ok(crate::hosts::git::normal(&base.join(path)));
    };
    let home = host.transport.exec(ExecRequest::sh(r#"printf %s "$HOME""#, [""; 0]).idempotent()).await?;
    let home = PathBuf::from(home.check("sh")?.stdout_text());
    Ok(home.join(rest.trim_start_matches('/')))
}

/// Refuses to move a directory onto itself, as for an agent that works in place.
pub(super) fn check_differ(here: &Side, there: &Side, reach: &Reach) -> Result<()> {
    let physical = |side: &Side| std::fs::canonicalize(&side.dir).unwrap_or_else(|_| side.dir.clone());
    if reach.is_here() && physical(here) == physical(there) {
        return Err(Error::input(
            format!("both sides are the same directory, `{}`", here.dir.display()),
            "the agent works in place there: nothing has to be moved",
        ));
    }
    Ok(())
}
