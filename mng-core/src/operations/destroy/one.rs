//! One agent, from its hooks to the end of its state dir.

use std::slice;

use tokio::sync::Mutex;

use super::{DestroyOptions, DestroyedAgent, Row, preserve, refusal};
use crate::agents::stop::stop_agent;
use crate::hosts::rescue::Reason;
use crate::hosts::work_dir::{Ownership, RetireRequest, retire};
use crate::hosts::{Host, HostLock};
use crate::model::error::{Error, ErrorClass, Result};
use crate::model::event::Events;
use crate::model::failure::{Failure, FailureCategory};
use crate::model::ids::random_hex;
use crate::model::record::AgentRecord;
use crate::model::state::AgentState;
use crate::operations::edit::{failure, reread};
use crate::operations::resolve::ResolvedAgent;
use crate::operations::states;
use crate::plugins::{AgentMoment, Ctx};
use crate::storage::fault;

/// The exit code of a command that a hang-up ended.
const HUNG_UP: u8 = 129;

/// What all agents of one host have in common.
pub(super) struct Work<'a> {
    pub(super) ctx: &'a Ctx,
    pub(super) host: &'a Host,
    pub(super) lock: &'a HostLock,
    pub(super) options: DestroyOptions,
    pub(super) events: &'a Events,
    /// Whose turn it is to change the host's record and the repositories.
    pub(super) turn: Mutex<()>,
}

impl Work<'_> {
    pub(super) async fn destroy(&self, seen: &AgentRecord) -> Row {
        match self.steps(seen).await {
            Ok(row) => row,
            Err(error) => Err(vec![self.leftover(seen, &error)]),
        }
    }

    async fn steps(&self, seen: &AgentRecord) -> Result<Row> {
        self.check_interrupted()?;
        let record = reread(self.host, seen).await?;
        if !self.options.force
            && let Some(refused) = self.refuse_running(&record).await?
        {
            return Ok(Err(vec![refused]));
        }
        let moment = AgentMoment { host: self.host, record: &record };
        for enabled in self.ctx.registry.enabled() {
            enabled.plugin.before_agent_destroy(self.ctx, moment).await?;
        }
        fault::point("destroy.begun");
        let marker = self.host.layout.agent_destroying(&record.id);
        // It holds what was asked for, for the gc that finishes this if we die.
        let options = serde_json::to_vec(&self.options).unwrap_or_default();
        self.host.transport.write_volatile(&marker, &options, 0o600).await?;
        fault::point("destroy.marked");
        let left = self.stop(&record).await?;
        if !left.is_empty() {
            // Nothing was removed: whatever survived still has its files.
            self.host.transport.remove_file(&marker).await?;
            return Ok(Err(left));
        }
        fault::point("destroy.stopped");
        let _turn = self.turn.lock().await;
        if let Err(error) = self.check_interrupted() {
            self.host.transport.remove_file(&marker).await?;
            return Err(error);
        }
        let items = preserve::items_of(self.ctx, &record);
        for warning in preserve::preserve(self.ctx, self.host, &record, &items).await {
            self.events.warning(warning);
        }
        fault::point("destroy.preserved");
        let request = RetireRequest {
            reason: Reason::Destroy,
            agent: Some(&record),
            agent_items: &items,
            work_dir: &record.work_dir,
            ownership: Ownership::Registered,
            keep_work_dir: self.options.keep_work_dirs,
            remove_branch: self.options.remove_branch,
        };
        let retired = retire(self.host, self.lock, &request).await?;
        fault::point("destroy.retired");
        self.remove_state_dir(&record).await?;
        for enabled in self.ctx.registry.enabled() {
            if let Err(error) = enabled.plugin.agent_destroyed(self.ctx, moment).await {
                tracing::warn!(plugin = enabled.descriptor.name, %error, "hook after a destroy failed");
            }
        }
        Ok(Ok(DestroyedAgent::new(self.host, &record, retired, self.options)))
    }

    /// What is begun is finished, nothing new begins. A hang-up is no reason: an agent that destroys itself
    /// loses its terminal on the way, and somebody who closes the window has said yes before.
    fn check_interrupted(&self) -> Result<()> {
        self.ctx.cancel.check().or_else(|error| match error.exit_code() {
            HUNG_UP => Ok(()),
            _ => Err(error),
        })
    }

    async fn refuse_running(&self, record: &AgentRecord) -> Result<Option<Failure>> {
        let judgements = states::on_host(self.ctx, self.host, slice::from_ref(record)).await?;
        let state = judgements.get(&record.id).map_or(AgentState::Unknown, |judgement| judgement.state);
        let agent = ResolvedAgent { host: self.host.clone(), record: record.clone() };
        Ok(needs_force(state).then(|| refusal(&agent, state)))
    }

    async fn stop(&self, record: &AgentRecord) -> Result<Vec<Failure>> {
        let limits = &self.ctx.limits;
        let stop = stop_agent(self.host, self.lock, record, limits.stop_grace);
        match tokio::time::timeout(limits.stop, stop).await {
            Ok(left) => left,
            Err(_) => Err(Error::plain(
                ErrorClass::CommandTimeout,
                format!("agent `{}` could not be ended within {} s", record.name, limits.stop.as_secs()),
            )),
        }
    }

    /// The last step, by one rename: a directory without its record would be a riddle to every reader.
    async fn remove_state_dir(&self, record: &AgentRecord) -> Result<()> {
        let (transport, tmp) = (&self.host.transport, self.host.layout.tmp());
        let trash = tmp.join(format!("removed-{}", random_hex()));
        transport.create_dir(&tmp).await?;
        transport.rename(&self.host.layout.agent(&record.id), &trash).await?;
        fault::point("destroy.state_dir_moved");
        if let Err(error) = transport.remove_tree(&trash).await {
            // The agent is gone; the next gc takes the rest.
            tracing::warn!(path = %trash.display(), %error, "the old state dir could not be deleted");
        }
        fault::point("destroy.end");
        Ok(())
    }

    /// What could not be removed remains on this machine.
    fn leftover(&self, record: &AgentRecord, error: &Error) -> Failure {
        let mut row = failure(self.host, record, error);
        if error.class() == ErrorClass::Aborted {
            row.message = format!("agent `{}` was not destroyed: interrupted", record.name);
            return row;
        }
        if let Some(hint) = error.hint() {
            row.message.push_str("; ");
            row.message.push_str(&hint);
        }
        let is_gone = error.class() == ErrorClass::AgentNotFound;
        if row.category == FailureCategory::Other && !is_gone {
            row.category = FailureCategory::LocalStateRemains;
        }
        row
    }
}

/// Whether an agent in that state is only destroyed when that was asked for outright. What cannot be seen
/// may be running.
#[must_use]
pub(super) fn needs_force(state: AgentState) -> bool {
    state.is_running_like() || state == AgentState::Unknown
}
