//! `mng archive`: hides agents from `mng list --active` and keeps everything of them.

use std::collections::BTreeMap;

use serde::Serialize;

use super::label::{ARCHIVED_AT, LabelChange, LabelReport, LabelRequest, label};
use super::resolve::ResolvedAgent;
use super::states;
use super::stop::{StopRequest, stop};
use crate::model::error::Result;
use crate::model::event::Events;
use crate::model::failure::Failure;
use crate::model::state::AgentState;
use crate::model::time::Time;
use crate::plugins::Ctx;

/// Which agents to archive.
#[derive(Clone, Debug)]
pub struct ArchiveRequest {
    pub agents: Vec<ResolvedAgent>,
    /// Stop running ones first; otherwise they are left alone.
    pub force: bool,
}

/// What changed. The field names are the JSON contract.
#[derive(Debug, Default, Serialize)]
pub struct ArchiveReport {
    pub changes: Vec<LabelChange>,
    pub count: usize,
    /// Agents that run and were left alone.
    pub skipped: Vec<SkippedAgent>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<Failure>,
}

/// An agent that was left alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SkippedAgent {
    pub agent_id: String,
    pub agent_name: String,
    pub state: AgentState,
}

/// Labels every agent that does not run with `archived_at`, the time now. With `force` running ones are
/// stopped first. One whose state is unknown counts as running.
///
/// # Errors
/// None of its own: what could not be stopped or changed is a row in `failures`.
#[tracing::instrument(skip_all, fields(agents = request.agents.len()))]
pub async fn archive(ctx: &Ctx, request: ArchiveRequest, events: &Events) -> Result<ArchiveReport> {
    let judgements = states::of_agents(ctx, &request.agents).await;
    let state = |agent: &ResolvedAgent| {
        judgements.get(&agent.key()).map_or(AgentState::Unknown, |judgement| judgement.state)
    };
    let runs = |agent: &ResolvedAgent| {
        let state = state(agent);
        state.is_running_like() || state == AgentState::Unknown
    };
    let mut report = ArchiveReport::default();
    let (running, mut still): (Vec<_>, Vec<_>) = request.agents.into_iter().partition(runs);
    if request.force {
        let stopped = stop(ctx, StopRequest { agents: running.clone(), archive: false }, events).await?;
        let failed = |agent: &ResolvedAgent| {
            stopped.failures.iter().any(|failure| {
                failure.agent_name.as_deref() == Some(agent.record.name.as_str())
                    && failure.host_id.as_deref() == Some(agent.host.info.id.as_str())
            })
        };
        still.extend(running.into_iter().filter(|agent| !failed(agent)));
        report.failures.extend(stopped.failures);
    } else {
        report.skipped = running
            .iter()
            .map(|agent| SkippedAgent {
                agent_id: agent.record.id.to_string(),
                agent_name: agent.record.name.to_string(),
                state: state(agent),
            })
            .collect();
    }
    let set = BTreeMap::from([(ARCHIVED_AT.to_owned(), Time::now().with_offset())]);
    let request = LabelRequest { agents: still, set, remove: Vec::new() };
    let LabelReport { changes, count, failures, .. } = label(ctx, request, events).await?;
    report.changes = changes;
    report.count = count;
    report.failures.extend(failures);
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agents::testing::{PrivateHost, block};
    use crate::operations::fixture::context;

    #[test]
    fn running_agents_are_left_alone_unless_forced() {
        let private = PrivateHost::new();
        let ctx = context();
        let agents: Vec<ResolvedAgent> = ["a1", "a2"]
            .map(|name| {
                let mut record = private.agent(name, "sleep 600");
                record.labels.insert("project".into(), "shop".into());
                private.write_agent(&record);
                ResolvedAgent { host: private.host.clone(), record }
            })
            .into();
        private.start(&agents[0].record).unwrap();
        let run = |force| {
            let request = ArchiveRequest { agents: agents.clone(), force };
            block(archive(&ctx, request, &Events::none())).unwrap()
        };
        let report = run(false);
        assert_eq!((report.count, report.skipped.len()), (1, 1));
        assert_eq!(
            (report.skipped[0].agent_name.as_str(), report.changes[0].agent_name.as_str()),
            ("a1", "a2")
        );
        let labels = &report.changes[0].labels;
        assert_eq!(labels["project"], "shop");
        assert!(labels[ARCHIVED_AT].ends_with("+00:00"), "{labels:?}");

        let report = run(true);
        assert_eq!((report.count, report.skipped.len(), report.failures.len()), (2, 0, 0));
        assert_eq!(private.tmux(&["ls"]), "");
    }
}
