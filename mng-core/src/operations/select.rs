//! Several agents at once: by name, all of them, or those that a filter keeps.

use std::collections::BTreeMap;

use serde_json::Value;

use super::discover;
use super::list::{self, AgentView, ListRequest};
use super::resolve::{self, Resolution, ResolvedAgent};
use crate::hosts::git::{self, Git};
use crate::model::address::AgentOrHost;
use crate::model::error::{Error, ErrorClass, Result};
use crate::model::filter::{Filter, FilterError, Shorthand};
use crate::model::ids::{AgentId, HostId};
use crate::model::names::ProviderName;
use crate::model::state::AgentState;
use crate::model::time::Time;
use crate::plugins::Ctx;
use crate::transports::LocalTransport;

/// `--include`, `--exclude` and the flags that stand for common ones.
#[derive(Debug)]
pub struct AgentFilter {
    shorthand: Shorthand,
    expressions: Filter,
    /// The expressions as typed.
    text: String,
}

impl AgentFilter {
    /// # Errors
    /// An expression is no CEL; nothing was looked at yet.
    pub fn new(shorthand: Shorthand, include: &[String], exclude: &[String]) -> Result<Self, FilterError> {
        let text = [include, exclude].concat().join("\n");
        Ok(Self { shorthand, expressions: Filter::parse(include, exclude)?, text })
    }

    /// Whether everything passes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.shorthand.is_empty() && self.expressions.is_empty()
    }

    /// Whether an expression may ask for a field: its name stands somewhere in the text.
    #[must_use]
    pub fn mentions(&self, field: &str) -> bool {
        self.text.contains(field)
    }

    /// Which providers are worth asking.
    #[must_use]
    pub fn scope(&self) -> discover::Scope {
        discover::Scope::of(self.shorthand.providers.iter().map(ProviderName::stored))
    }

    /// Whether an agent passes. `warnings` gets one line for each expression that does not apply.
    #[must_use]
    pub fn keeps(&self, agent: &AgentView, now: Time, warnings: &mut Vec<String>) -> bool {
        if self.is_empty() {
            return true;
        }
        self.keeps_json(&agent.to_json(), now, warnings)
    }

    /// As [`AgentFilter::keeps`], of the agent's JSON.
    #[must_use]
    pub fn keeps_json(&self, json: &Value, now: Time, warnings: &mut Vec<String>) -> bool {
        if !self.shorthand.matches(json, now) {
            return false;
        }
        let verdict = self.expressions.matches(json, now);
        warnings.extend(verdict.warnings);
        verdict.is_match
    }
}

/// What a person pointed at.
#[derive(Debug)]
pub struct Selection {
    pub named: Vec<AgentOrHost>,
    /// Every agent; `named` is empty then.
    pub is_all: bool,
    /// Leaves out agents, named ones too.
    pub filter: AgentFilter,
}

/// The agents meant.
#[derive(Debug, Default)]
pub struct Selected {
    pub found: Resolution,
    /// What each agent was doing; empty when nobody had to look.
    pub states: BTreeMap<(HostId, AgentId), AgentState>,
}

impl Selected {
    #[must_use]
    pub fn state(&self, agent: &ResolvedAgent) -> Option<AgentState> {
        self.states.get(&agent.key()).copied()
    }
}

/// Finds the agents of a selection. Names are looked up as [`resolve::targets`] does; for `--all` and for
/// filters every host is looked at.
///
/// # Errors
/// An address names a provider that does not exist. What could not be asked is in the resolution.
pub async fn select(ctx: &Ctx, selection: &Selection) -> Result<Selected> {
    if !selection.is_all && selection.filter.is_empty() {
        return Ok(Selected { found: resolve::targets(ctx, &selection.named).await?, ..Selected::default() });
    }
    let mut selected = Selected::default();
    let mut listing = list::all(ctx, &ListRequest::in_scope(selection.filter.scope())).await?;
    let now = Time::now();
    let mut warnings = std::mem::take(&mut listing.warnings);
    let mut kept = Vec::new();
    for agent in &listing.agents {
        if selection.filter.keeps(agent, now, &mut warnings) {
            kept.push(agent);
        }
    }
    if selection.is_all {
        for agent in kept {
            if let Some(resolved) = listing.resolved(agent) {
                selected.states.insert(resolved.key(), agent.state);
                selected.found.matches.push(resolved);
            }
        }
        selected.found.failures = listing.failures;
        selected.found.damaged = listing.damaged;
        selected.found.unread = listing.unread;
    } else {
        selected.found = resolve::targets(ctx, &selection.named).await?;
        selected.states = kept.iter().map(|agent| (agent.key(), agent.state)).collect();
        selected.found.matches.retain(|agent| selected.states.contains_key(&agent.key()));
        warnings.append(&mut selected.found.warnings);
    }
    selected.found.warnings = warnings;
    Ok(selected)
}

/// The name of the project around the current directory, as `create` labels its agents: from the URL of
/// `origin`, else the directory's name.
///
/// # Errors
/// There is no project here.
pub async fn current_project(ctx: &Ctx) -> Result<String> {
    let root = ctx.locations.project_root.as_ref().ok_or_else(|| {
        Error::hinted(
            ErrorClass::UserInput,
            "`--project .`: the current directory is in no project",
            "name the project, or run this in its repository",
        )
    })?;
    let origin = git::origin_url(&Git::at(&LocalTransport, root)?).await.ok().flatten();
    let from_dir = || root.file_name().map(|name| name.to_string_lossy().into_owned());
    Ok(origin.as_deref().and_then(git::project_of_url).or_else(from_dir).unwrap_or_default())
}
