//! What a create hands back.

use serde::Serialize;

use crate::hosts::Host;
use crate::model::record::AgentRecord;
use crate::operations::resolve::ResolvedAgent;

/// The agent that is there now. Field names are the JSON contract.
#[derive(Clone, Debug, Serialize)]
pub struct CreateReport {
    pub agent_id: String,
    pub host_id: String,
    pub host_name: String,
    pub agent_name: String,
    pub work_dir: String,
    /// What the work dir has checked out; null without git or when detached.
    pub branch: Option<String>,
    /// It existed before.
    pub is_reused: bool,
    /// For connecting and messaging.
    #[serde(skip)]
    pub agent: ResolvedAgent,
}

impl CreateReport {
    pub(super) fn new(host: Host, record: AgentRecord, is_reused: bool) -> Self {
        Self {
            agent_id: record.id.to_string(),
            host_id: host.info.id.to_string(),
            host_name: host.info.name.to_string(),
            agent_name: record.name.to_string(),
            work_dir: record.work_dir.to_string_lossy().into_owned(),
            branch: record.checked_out_branch_name.clone().or_else(|| record.created_branch_name.clone()),
            is_reused,
            agent: ResolvedAgent { host, record },
        }
    }
}
