//! Waiting until an agent can take a message.

use std::time::{Duration, Instant};

use super::facts::TypeTraits;
use super::judge::{Judgement, judge};
use super::probe::{ProbeRequest, probe_host};
use crate::hosts::Host;
use crate::model::error::Result;
use crate::model::record::AgentRecord;
use crate::model::state::AgentState;

/// How often a waiting agent is looked at.
const POLL: Duration = Duration::from_millis(200);

/// Waits until an agent that marks its turns is at rest, at most for `budget`. Types without such marks have
/// no signal and are ready at once. Returns the last judgement; `None` if there was nothing to wait for.
///
/// # Errors
/// The host cannot be looked into.
pub async fn await_ready(
    host: &Host,
    record: &AgentRecord,
    traits: &TypeTraits,
    primary_window: &str,
    budget: Duration,
) -> Result<Option<Judgement>> {
    if !traits.tracks_activity {
        return Ok(None);
    }
    let deadline = Instant::now() + budget;
    loop {
        let request = ProbeRequest {
            agents: Some(std::slice::from_ref(&record.id)),
            usage: false,
            primary_window,
            traits: &|_| traits.clone(),
        };
        let facts = probe_host(host, &request).await?;
        let Some(judgement) = facts.agents.first().map(judge) else { return Ok(None) };
        let is_settled = match judgement.state {
            // Without a process its shell is still on the way to the program.
            AgentState::Waiting => judgement.pid.is_some(),
            state => matches!(state, AgentState::Stopped | AgentState::Done),
        };
        if is_settled || Instant::now() >= deadline {
            return Ok(Some(judgement));
        }
        tokio::time::sleep(POLL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agents::testing::{PrivateHost, block};

    #[test]
    fn who_marks_turns_is_waited_for() {
        let private = PrivateHost::new();
        let record = private.agent(
            "a1",
            "touch \"$MNG_AGENT_STATE_DIR/active\"; sleep 0.5; rm \"$MNG_AGENT_STATE_DIR/active\"; sleep 600",
        );
        private.start(&record).unwrap();
        let mut traits = TypeTraits { is_known: true, ..TypeTraits::unknown(&record) };
        let wait = |traits: &TypeTraits, budget| {
            block(await_ready(&private.host, &record, traits, "agent", budget)).unwrap()
        };
        assert_eq!(wait(&traits, Duration::from_secs(30)), None, "no signal, ready at once");
        traits.tracks_activity = true;
        assert_eq!(wait(&traits, Duration::from_secs(30)).unwrap().state, AgentState::Waiting);
    }
}
