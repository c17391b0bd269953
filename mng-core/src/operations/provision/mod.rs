//! Setting up an agent's surroundings: `mng provision`, and the steps that it shares with `create`.

mod steps;

use std::path::{Path, PathBuf};

use serde::Serialize;

pub use steps::ProvisionError;
pub(crate) use steps::{Place, check_uploads, run};

use super::create::env;
use super::create::{Provisioning, merged_env, type_provisioning};
use super::edit::reread;
use super::relaunch;
use super::resolve::ResolvedAgent;
use crate::agents::stop::stop_agent;
use crate::agents::types::TypeSite;
use crate::hosts::HostLock;
use crate::model::error::Result;
use crate::model::event::Events;
use crate::plugins::Ctx;
use crate::storage::fault;

/// What to set up for which agent.
#[derive(Clone, Debug)]
pub struct ProvisionRequest {
    pub agent: ResolvedAgent,
    /// Stop a running agent first and start it again afterwards.
    pub restart: bool,
    pub provisioning: Provisioning,
    /// Where relative paths of this machine start.
    pub cwd: PathBuf,
}

/// What happened. The field names are the JSON contract.
#[derive(Clone, Debug, Serialize)]
pub struct ProvisionReport {
    pub agent: String,
    pub provisioned: bool,
}

/// Provisions an agent that exists: what its type sets up, then what is asked for. Variables that it had
/// stay unless they are given anew; those of mng's own are computed afresh. The agent need not run.
///
/// # Errors
/// A step failed. An agent that was stopped for it has been started again all the same.
#[tracing::instrument(skip_all, fields(agent = %request.agent.record.name))]
pub async fn provision(ctx: &Ctx, request: ProvisionRequest, events: &Events) -> Result<ProvisionReport> {
    let _watch = ctx.cancel.watch();
    let ProvisionRequest { agent, restart, provisioning, cwd } = request;
    let host = &agent.host;
    let of_type = type_provisioning(ctx, &agent.record.agent_type, &cwd)?;
    let steps = of_type.clone().then(provisioning.clone());
    let home = ctx.env.get_non_empty("HOME").map(Path::new);
    check_uploads(&steps.uploads, &cwd, home)?;
    let files = env::read_files(&steps.env_files)?;
    let explicit =
        env::explicit(files, &of_type.env, &steps.pass_env, |key| ctx.env.get(key), &provisioning.env)?;

    let lock = ctx.cancel.race(host.lock(Some(HostLock::OTHERS), events)).await?;
    let record = reread(host, &agent.record).await?;
    let is_running = relaunch::judgement(ctx, host, &record).await?.state.is_running_like();
    let is_stopped = is_running && restart;
    if is_stopped {
        for left in stop_agent(host, &lock, &record, ctx.limits.stop_grace).await? {
            events.warning(left.message);
        }
        fault::point("provision.stopped");
    }
    let provisioned = async {
        let window = &ctx.settings.core.tmux.primary_window_name;
        let vars = merged_env(host, &record, &explicit, window).await?;
        let path = host.layout.agent_env(&record.id);
        host.transport.write_volatile(&path, vars.render().as_bytes(), 0o600).await?;
        if let Ok(agent_type) = ctx.agent_type(&record.agent_type) {
            let own = env::builtin(&host.layout, &record, window)?;
            let source = &record.work_dir;
            let site = TypeSite {
                caller: ctx.caller(),
                host,
                source,
                env: &vars,
                is_yes: false,
                adopt: &[],
                events,
            };
            relaunch::provision_type(&agent_type, &site, &record, &own, &vars).await?;
        }
        let place = Place { host, record: &record, cwd: &cwd, home };
        run(place, &steps, events, &ctx.cancel).await
    }
    .await;
    fault::point("provision.done");
    if is_stopped {
        let command_line = relaunch::command_line(ctx, &record);
        let started = relaunch::start(ctx, host, &lock, &record, &command_line, false, events).await;
        match (&provisioned, started) {
            (_, Ok(started)) => started.warnings.into_iter().for_each(|warning| events.warning(warning)),
            (Ok(()), Err(error)) => return Err(error),
            (Err(_), Err(error)) => {
                events.warning(format!("agent {} could not be started again: {error}", record.name));
            }
        }
    }
    provisioned?;
    Ok(ProvisionReport { agent: record.name.to_string(), provisioned: true })
}
