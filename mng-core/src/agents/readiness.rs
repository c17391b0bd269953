//! Waiting until an agent can take a message.

use std::time::{Duration, Instant};

use super::facts::TypeTraits;
use super::judge::{Judgement, judge};
use super::mirror::Mirrors;
use super::probe::{ProbeRequest, probe_host_into};
use crate::hosts::Host;
use crate::model::error::Result;
use crate::model::record::AgentRecord;
use crate::model::state::AgentState;

/// How often a waiting agent's own sign is looked for: a file.
const POLL: Duration = Duration::from_millis(20);
/// How often the agent itself is looked at, a run of tmux, where its rest is the sign.
const PROBE: Duration = Duration::from_millis(200);
/// How often that is done where there is a sign, only to see that the agent has ended without giving it: the
/// program that is starting needs the processor more.
const PROBE_BESIDE_SIGN: Duration = Duration::from_secs(1);

/// How a wait for readiness ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readiness {
    pub is_ready: bool,
    /// What the agent did last.
    pub judgement: Judgement,
}

/// Waits until an agent has given its type's sign, or, for types that only mark their turns, is at rest; at
/// most for `budget`. Types without either are ready at once. `None` if there was nothing to wait for.
///
/// # Errors
/// The host cannot be looked into.
pub async fn await_ready(
    host: &Host,
    record: &AgentRecord,
    traits: &TypeTraits,
    primary_window: &str,
    budget: Duration,
) -> Result<Option<Readiness>> {
    let mut mirrors = Mirrors::default();
    let sign = |mirrors: &Mirrors| {
        let state_dir = mirrors.state_dir(host, &record.id).unwrap_or_else(|| host.layout.agent(&record.id));
        traits.agent_type.as_ref().and_then(|handle| handle.0.is_ready(&state_dir))
    };
    let has_sign = sign(&mirrors).is_some();
    if !traits.tracks_activity && !has_sign {
        return Ok(None);
    }
    let deadline = Instant::now() + budget;
    let pause = if has_sign && host.is_local() { PROBE_BESIDE_SIGN } else { PROBE };
    let mut probed = Instant::now();
    loop {
        let is_over = Instant::now() >= deadline;
        // Of another machine the look itself brings the sign along.
        let mut is_signed = has_sign && sign(&mirrors) == Some(true);
        if is_signed || is_over || probed.elapsed() >= pause {
            probed = Instant::now();
            let request = ProbeRequest {
                agents: Some(std::slice::from_ref(&record.id)),
                usage: false,
                activity: true,
                primary_window,
                traits: &|_| traits.clone(),
                resources: false,
                watched: &|| traits.watched(),
            };
            let facts = probe_host_into(host, &request, &mut mirrors).await?;
            is_signed = has_sign && sign(&mirrors) == Some(true);
            let Some(judgement) = facts.agents.first().map(judge) else { return Ok(None) };
            let is_ended = matches!(judgement.state, AgentState::Stopped | AgentState::Done);
            // Without a process its shell is still on the way to the program.
            let is_at_rest = judgement.state == AgentState::Waiting && judgement.pid.is_some();
            let is_ready = !is_ended && if has_sign { is_signed } else { is_at_rest };
            if is_ready || is_ended || is_over {
                return Ok(Some(Readiness { is_ready, judgement }));
            }
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
        assert_eq!(wait(&traits, Duration::from_secs(30)).unwrap().judgement.state, AgentState::Waiting);
    }
}
