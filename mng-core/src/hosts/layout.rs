//! Where things lie under a host dir (`H`) and under an agent's state dir (`A`).

use std::path::{Path, PathBuf};

use crate::model::ids::AgentId;

/// Paths under one host dir.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    root: PathBuf,
}

impl Layout {
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// `H` itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    #[must_use]
    pub fn record(&self) -> PathBuf {
        self.root.join("data.json")
    }

    #[must_use]
    pub fn env(&self) -> PathBuf {
        self.root.join("env")
    }

    /// Locked with `flock`, never deleted.
    #[must_use]
    pub fn lock(&self) -> PathBuf {
        self.root.join("host_lock")
    }

    /// A decimal counter, one more for each time the lock is taken.
    #[must_use]
    pub fn lock_generation(&self) -> PathBuf {
        self.root.join("host_lock.generation")
    }

    #[must_use]
    pub fn tmux_conf(&self) -> PathBuf {
        self.root.join("tmux.conf")
    }

    #[must_use]
    pub fn agents(&self) -> PathBuf {
        self.root.join("agents")
    }

    /// `A`: one agent's state dir.
    #[must_use]
    pub fn agent(&self, id: &AgentId) -> PathBuf {
        self.agents().join(id.as_str())
    }

    #[must_use]
    pub fn agent_record(&self, id: &AgentId) -> PathBuf {
        self.agent(id).join("data.json")
    }

    #[must_use]
    pub fn agent_env(&self, id: &AgentId) -> PathBuf {
        self.agent(id).join("env")
    }

    /// There while the agent is being destroyed, or if that was cut short.
    #[must_use]
    pub fn agent_destroying(&self, id: &AgentId) -> PathBuf {
        self.agent(id).join("destroying")
    }

    /// Creates in progress: `<agent-id>.json`, written first and removed last.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.root.join("journal")
    }

    /// What destroy kept, one directory an undo id.
    #[must_use]
    pub fn undo(&self) -> PathBuf {
        self.root.join("undo")
    }

    #[must_use]
    pub fn worktrees(&self) -> PathBuf {
        self.root.join("worktrees")
    }

    /// Work dirs made by rsync or git-mirror on the same host.
    #[must_use]
    pub fn copies(&self) -> PathBuf {
        self.root.join("copies")
    }

    /// Work dirs whose files came from another host.
    #[must_use]
    pub fn projects(&self) -> PathBuf {
        self.root.join("projects")
    }

    /// Sources cloned from a git URL.
    #[must_use]
    pub fn clones(&self) -> PathBuf {
        self.root.join("clones")
    }

    #[must_use]
    pub fn tmp(&self) -> PathBuf {
        self.root.join("tmp")
    }

    /// Helper scripts shared by all agents.
    #[must_use]
    pub fn commands(&self) -> PathBuf {
        self.root.join("commands")
    }

    #[must_use]
    pub fn events(&self) -> PathBuf {
        self.root.join("events")
    }

    #[must_use]
    pub fn activity(&self) -> PathBuf {
        self.root.join("activity")
    }

    /// One file an agent in which a key of its session leaves word for the mng that is attached from afar.
    #[must_use]
    pub fn signals(&self) -> PathBuf {
        self.root.join("signals")
    }

    #[must_use]
    pub fn preserved(&self) -> PathBuf {
        self.root.join("preserved")
    }
}
