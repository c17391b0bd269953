//! `mng exec --outer`: on the machine that carries a host.

use serde::Serialize;

use super::{Captured, NotRun};
use crate::operations::resolve::ResolvedAgent;

/// Field names are the JSON contract.
#[derive(Clone, Debug, Default, Serialize)]
pub struct OuterReport {
    pub outer_results: Vec<OuterRan>,
    pub skipped_agents: Vec<SkippedAgent>,
    pub failed_agents: Vec<NotRun>,
    pub total_executed: usize,
    pub total_skipped: usize,
    pub total_failed: usize,
}

/// The command ran once for all agents that one machine carries.
#[derive(Clone, Debug, Serialize)]
pub struct OuterRan {
    /// `outer:PROVIDER:HOST-ID`.
    pub outer_host: String,
    pub agents: Vec<String>,
    pub stdout: Captured,
    pub stderr: Captured,
    pub success: bool,
}

/// An agent whose host stands by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SkippedAgent {
    pub agent_id: String,
    pub agent_name: String,
    pub host_id: String,
    pub provider_name: String,
    pub reason: String,
}

/// Sorts agents by the machine around their host. No provider of this build has hosts inside of another
/// machine, so all of them are skipped, each with the reason.
#[must_use]
pub fn outer(agents: &[ResolvedAgent]) -> OuterReport {
    let skipped_agents: Vec<SkippedAgent> = agents
        .iter()
        .map(|agent| SkippedAgent {
            agent_id: agent.record.id.to_string(),
            agent_name: agent.record.name.to_string(),
            host_id: agent.host.info.id.to_string(),
            provider_name: agent.host.info.provider.to_string(),
            reason: format!("no machine carries the hosts of provider `{}`", agent.host.info.provider),
        })
        .collect();
    OuterReport { total_skipped: skipped_agents.len(), skipped_agents, ..OuterReport::default() }
}
