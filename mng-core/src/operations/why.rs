//! Why an agent is in the state that mng says it is in.

use serde::Serialize;

use super::observe::look_at;
use super::resolve::ResolvedAgent;
use crate::agents::judge::Judgement;
use crate::model::error::Result;
use crate::model::state::{AgentState, WaitingReason};
use crate::plugins::Ctx;

/// A state with its evidence. Field names are the JSON contract.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Why {
    pub agent: String,
    pub state: AgentState,
    /// Only of a WAITING agent.
    pub waiting_reason: Option<WaitingReason>,
    /// What decided, in words.
    pub state_reason: String,
    /// How long the state has lasted, in seconds, as far as that can be told.
    pub state_age: Option<f64>,
    /// The name of the signal that decided.
    pub decided_by: &'static str,
    /// All that was looked at, in the order of weight.
    pub signals: Vec<SignalView>,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SignalView {
    pub name: &'static str,
    pub value: String,
    pub age_seconds: Option<f64>,
}

impl Why {
    /// The evidence of a judgement.
    #[must_use]
    pub fn of(agent: &str, judged: Judgement) -> Self {
        let signals = judged.signals.into_iter().map(|signal| SignalView {
            name: signal.name,
            value: signal.value,
            age_seconds: signal.age.map(|age| age.as_secs_f64()),
        });
        Self {
            agent: agent.to_owned(),
            state: judged.state,
            waiting_reason: judged.waiting_reason,
            state_reason: judged.reason,
            state_age: judged.age.map(|age| age.as_secs_f64()),
            decided_by: judged.decided_by,
            signals: signals.collect(),
        }
    }
}

/// Looks at an agent and says what its state follows from.
///
/// # Errors
/// It was destroyed meanwhile, or its record cannot be read.
pub async fn why(ctx: &Ctx, agent: &ResolvedAgent) -> Result<Why> {
    let (_, judged) = look_at(ctx, agent).await?;
    Ok(Why::of(agent.record.name.as_str(), judged))
}
