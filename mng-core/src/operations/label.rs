//! `mng label`: sets and removes labels.

use std::collections::BTreeMap;

use serde::Serialize;

use super::edit::edit_records;
use super::resolve::ResolvedAgent;
use crate::model::error::Result;
use crate::model::event::Events;
use crate::model::failure::Failure;
use crate::plugins::Ctx;

/// The label that hides an agent from `mng list --active`; its value is the time.
pub const ARCHIVED_AT: &str = "archived_at";

/// What to change on which agents.
#[derive(Clone, Debug)]
pub struct LabelRequest {
    pub agents: Vec<ResolvedAgent>,
    pub set: BTreeMap<String, String>,
    pub remove: Vec<String>,
}

/// One agent's labels after the change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LabelChange {
    pub agent_id: String,
    pub agent_name: String,
    pub labels: BTreeMap<String, String>,
}

#[derive(Debug, Default, Serialize)]
pub struct LabelReport {
    pub changes: Vec<LabelChange>,
    pub count: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<Failure>,
}

/// Sets and removes labels; a label that is not there is removed without complaint.
///
/// # Errors
/// None of its own: what could not be changed is a row in `failures`.
pub async fn label(ctx: &Ctx, request: LabelRequest, events: &Events) -> Result<LabelReport> {
    let LabelRequest { agents, set, remove } = request;
    let edited = edit_records(ctx, agents, events, |record| {
        for key in &remove {
            record.labels.remove(key);
        }
        record.labels.extend(set.clone());
    })
    .await;
    let changes: Vec<LabelChange> = edited.agents.iter().map(LabelChange::of).collect();
    Ok(LabelReport { count: changes.len(), changes, failures: edited.failures })
}

impl LabelChange {
    pub(super) fn of(agent: &ResolvedAgent) -> Self {
        Self {
            agent_id: agent.record.id.to_string(),
            agent_name: agent.record.name.to_string(),
            labels: agent.record.labels.clone(),
        }
    }
}
