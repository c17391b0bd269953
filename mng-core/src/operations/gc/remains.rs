//! What commands that were killed left half-made.

use super::files::{sweep_tmp, sweep_unfinished_writes, tell_remains};
use super::host::Pass;
use crate::hosts::{HostLock, rescue};
use crate::model::error::Result;
use crate::model::event::{Event, Events};
use crate::operations::create::{journal, replay};
use crate::operations::destroy::{DestroyReport, DestroyRequest, destroy, unfinished};
use crate::operations::observe::look_at;
use crate::storage::FileLock;

impl Pass<'_> {
    /// Ends destroys that were killed, as they were asked for. An agent that runs again is left alone. Before
    /// the lock is taken: destroy takes it itself, and looks again under it.
    pub(super) async fn unfinished_destroys(&mut self) -> Result<()> {
        for (agent, mut options) in unfinished(self.host).await? {
            let name = agent.record.name.to_string();
            let path = self.host.layout.agent(&agent.record.id);
            let is_alive = match look_at(self.ctx, &agent).await {
                Ok((_, judged)) => judged.state.is_running_like(),
                // It went meanwhile, or nothing is known of it.
                Err(_) => continue,
            };
            if is_alive {
                let why = format!(
                    "agent `{name}` was being destroyed and runs: `mng destroy {name} --force` ends it"
                );
                self.events.warning(why);
                continue;
            }
            if !self.request.is_dry_run {
                options.force = false;
                let id = agent.record.id.clone();
                let request = DestroyRequest { agents: vec![agent], options };
                let done = self.destroy(request).await?;
                if done.count == 0 {
                    // Unless it was being destroyed all along, by somebody who has finished now.
                    if self.host.read_agent(&id).await?.is_some() {
                        done.failures.into_iter().for_each(|failure| self.report.fail(failure));
                    }
                    continue;
                }
            }
            tell_remains(self.host, self.request.is_dry_run, name, path, &mut self.report, self.events);
        }
        Ok(())
    }

    /// As [`destroy`], which tells of each agent in its own words: only its sentences are passed on.
    async fn destroy(&self, request: DestroyRequest) -> Result<DestroyReport> {
        let (events, mut heard) = Events::channel();
        let done = destroy(self.ctx, request, &events).await;
        while let Ok(event) = heard.try_recv() {
            if !matches!(event, Event::Item(_)) {
                self.events.send(event);
            }
        }
        done
    }

    /// Takes back creates that were killed, and removes what is in nobody's hands any more.
    pub(super) async fn remains(&mut self, lock: Option<&HostLock>) -> Result<()> {
        let host = self.host;
        let Some(lock) = lock else { return self.look_at_remains().await };
        for replayed in replay(self.ctx, host, lock, self.events).await? {
            if !replayed.is_kept {
                let path = host.layout.agent(&replayed.entry.agent_id);
                let name = replayed.entry.name.to_string();
                tell_remains(host, false, name, path, &mut self.report, self.events);
            }
        }
        sweep_tmp(host, false, &mut self.report, self.events).await?;
        sweep_unfinished_writes(host, false, &mut self.report, self.events).await?;
        rescue::sweep(host, lock).await
    }

    /// What [`Pass::remains`] would remove. While somebody holds the lock, what lies half-made may be theirs.
    async fn look_at_remains(&mut self) -> Result<()> {
        let host = self.host;
        if host.is_local() && FileLock::is_held(&host.layout.lock()) {
            self.events.info("Another mng is at work here: what it is making is not counted");
            return Ok(());
        }
        for entry in journal::look(host).await? {
            let path = host.layout.agent(&entry.agent_id);
            tell_remains(host, true, entry.name.to_string(), path, &mut self.report, self.events);
        }
        sweep_tmp(host, true, &mut self.report, self.events).await?;
        sweep_unfinished_writes(host, true, &mut self.report, self.events).await
    }
}
