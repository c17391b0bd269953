//! From what a person pointed at to agents and hosts, for every command alike.

use std::path::PathBuf;

use mng_core::Error;
use mng_core::hosts::Host;
use mng_core::model::address::{AgentAddress, AgentOrHost};
use mng_core::model::filter::{Filter, Shorthand};
use mng_core::operations::resolve::{self, Resolution, ResolvedAgent};
use mng_core::operations::select::{self, AgentFilter, Selection};
use mng_core::plugins::Ctx;

use crate::args::{Filters, Targets};
use crate::ui::Ui;

/// The agents that the targets mean, each once.
///
/// # Errors
/// A target matches nothing, or something that could know did not answer; nothing was touched then.
pub(crate) async fn found_agents(
    ui: &Ui,
    ctx: &Ctx,
    targets: Targets<AgentAddress>,
) -> Result<Vec<ResolvedAgent>, Error> {
    let found = find(ui, ctx, targets).await?.all_found()?;
    Ok(found.matches)
}

/// As [`found_agents`], with what is missing left to the caller.
///
/// # Errors
/// A filter is no expression, or an address names a provider that does not exist.
pub(crate) async fn find<A: Into<AgentOrHost>>(
    ui: &Ui,
    ctx: &Ctx,
    targets: Targets<A>,
) -> Result<Resolution, Error> {
    let selection = Selection {
        named: targets.named.into_iter().map(Into::into).collect(),
        is_all: targets.is_all,
        filter: agent_filter(ctx, targets.filters)?,
    };
    let found = select::resolve(ctx, &selection).await?;
    for warning in &found.warnings {
        ui.warning(warning);
    }
    // Which of several agents of one name were taken must not stay a secret.
    for agent in found.matches.iter().filter(|agent| has_namesake(agent, &found.matches)) {
        ui.info(&format!("{} is {}", agent.record.name, agent.full_address()));
    }
    Ok(found)
}

fn has_namesake(agent: &ResolvedAgent, all: &[ResolvedAgent]) -> bool {
    all.iter().filter(|other| other.record.name == agent.record.name).count() > 1
}
