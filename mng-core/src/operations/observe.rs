//! One look at a host through the eyes of the settings: which window is the agent's, what its type promises.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::agents::facts::{AgentFacts, HostFacts, TypeTraits};
use crate::agents::judge::{Judgement, judge};
use crate::agents::mirror::WatchedFile;
use crate::agents::probe::{ProbeRequest, probe_host};
use crate::agents::types::AgentType;
use crate::hosts::Host;
use crate::model::error::{Error, ErrorClass, Result};
use crate::model::ids::AgentId;
use crate::model::names::AgentTypeName;
use crate::model::record::AgentRecord;
use crate::operations::list::Wants;
use crate::operations::resolve::ResolvedAgent;
use crate::plugins::Ctx;

/// Looks at agents of a host: those given, else all.
///
/// # Errors
/// The agents directory cannot be read.
pub async fn look(ctx: &Ctx, host: &Host, agents: Option<&[AgentId]>, wants: Wants) -> Result<HostFacts> {
    let types = Types { ctx, known: Mutex::default() };
    let traits = |record: &AgentRecord| types.traits(record);
    let request = ProbeRequest {
        agents,
        usage: wants.usage,
        activity: wants.activity,
        resources: wants.resources,
        watched: &|| watched_files(ctx),
        primary_window: &ctx.settings.core.tmux.primary_window_name,
        traits: &traits,
    };
    probe_host(host, &request).await
}

/// What agents of any type look at: which types a host has is known only behind the round trip.
fn watched_files(ctx: &Ctx) -> Vec<WatchedFile> {
    let types =
        ctx.registry.agent_types().filter_map(|def| ctx.agent_type(&AgentTypeName::stored(def.name)).ok());
    types.flat_map(|agent_type| agent_type.watched_files()).collect()
}

/// What one agent is doing now, with what was seen of it.
///
/// # Errors
/// It was destroyed meanwhile, or its record cannot be read.
pub async fn look_at(ctx: &Ctx, agent: &ResolvedAgent) -> Result<(AgentFacts, Judgement)> {
    let id = &agent.record.id;
    let mut facts = look(ctx, &agent.host, Some(std::slice::from_ref(id)), Wants::default()).await?;
    if let Some((_, error)) = facts.damaged.pop() {
        return Err(error);
    }
    let facts = facts.agents.pop().ok_or_else(|| {
        Error::plain(ErrorClass::AgentNotFound, format!("agent `{}` was just destroyed", agent.record.name))
    })?;
    let judgement = judge(&facts);
    Ok((facts, judgement))
}

/// Agent types, each resolved once: a thousand agents have few of them.
struct Types<'a> {
    ctx: &'a Ctx,
    known: Mutex<BTreeMap<AgentTypeName, Option<Arc<dyn AgentType>>>>,
}

impl Types<'_> {
    fn traits(&self, record: &AgentRecord) -> TypeTraits {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let resolved = known
            .entry(record.agent_type.clone())
            .or_insert_with(|| self.ctx.agent_type(&record.agent_type).ok());
        match resolved {
            Some(agent_type) => TypeTraits::of(agent_type, record),
            None => TypeTraits::unknown(record),
        }
    }
}
