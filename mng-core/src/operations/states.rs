//! What some agents are doing, without looking at all others.

use std::collections::BTreeMap;

use super::list::Wants;
use super::observe::look;
use super::resolve::{HostGroup, ResolvedAgent, group_by_host};
use crate::agents::judge::{Judgement, judge, unseen};
use crate::hosts::{Host, fan_out};
use crate::model::error::Result;
use crate::model::ids::{AgentId, HostId};
use crate::model::record::AgentRecord;
use crate::plugins::Ctx;

/// The judgement of each agent; UNKNOWN with the reason where its host could not be looked into.
pub async fn of_agents(ctx: &Ctx, agents: &[ResolvedAgent]) -> BTreeMap<(HostId, AgentId), Judgement> {
    let groups = group_by_host(agents.iter().cloned());
    let seen = fan_out(groups.clone(), ctx.limits.parallel, ctx.limits.probe, |group| async move {
        on_host(ctx, &group.host, &group.records).await
    })
    .await;
    let mut judgements = BTreeMap::new();
    for (HostGroup { host, records }, seen) in groups.into_iter().zip(seen) {
        let mut seen = seen.map_err(|error| error.to_string());
        for record in records {
            let judgement = match &mut seen {
                Ok(seen) => seen.remove(&record.id).unwrap_or_else(|| unseen("its record is gone")),
                Err(reason) => unseen(reason.clone()),
            };
            judgements.insert((host.info.id.clone(), record.id), judgement);
        }
    }
    judgements
}

/// One look at a host for some of its agents. One that is gone by then is missing in the answer.
///
/// # Errors
/// The host cannot be looked into.
pub async fn on_host(
    ctx: &Ctx,
    host: &Host,
    records: &[AgentRecord],
) -> Result<BTreeMap<AgentId, Judgement>> {
    let ids: Vec<AgentId> = records.iter().map(|record| record.id.clone()).collect();
    let facts = look(ctx, host, Some(&ids), Wants::default()).await?;
    let mut judgements: BTreeMap<AgentId, Judgement> =
        facts.agents.iter().map(|agent| (agent.record.id.clone(), judge(agent))).collect();
    judgements.extend(facts.damaged.into_iter().map(|(id, error)| (id, unseen(error.to_string()))));
    Ok(judgements)
}
