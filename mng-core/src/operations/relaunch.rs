//! Looking at one agent, and starting one that exists: for the commands that change an agent on their way.

use std::slice;

use crate::agents::facts::TypeTraits;
use crate::agents::judge::{Judgement, judge, unseen};
use crate::agents::launch::{self, StartRequest, Started, Welcome};
use crate::agents::probe::{ProbeRequest, probe_host};
use crate::hosts::{Host, HostLock};
use crate::model::error::{Error, ErrorClass, Result};
use crate::model::record::AgentRecord;
use crate::plugins::Ctx;
use crate::settings::ensure_profile;
use crate::transports::FileStat;

/// What there is to know of an agent's type, also if this mng does not have it.
pub(super) fn traits(ctx: &Ctx, record: &AgentRecord) -> TypeTraits {
    match ctx.agent_type(&record.agent_type) {
        Ok(agent_type) => TypeTraits::of(agent_type.as_ref(), record),
        Err(_) => TypeTraits::unknown(record),
    }
}

/// What an agent is doing now.
///
/// # Errors
/// Its host cannot be looked at.
pub(super) async fn judgement(ctx: &Ctx, host: &Host, record: &AgentRecord) -> Result<Judgement> {
    let traits = |record: &AgentRecord| traits(ctx, record);
    let request = ProbeRequest {
        agents: Some(slice::from_ref(&record.id)),
        usage: false,
        primary_window: &ctx.settings.core.tmux.primary_window_name,
        traits: &traits,
    };
    let facts = probe_host(host, &request).await?;
    Ok(facts.agents.first().map_or_else(|| unseen("its record is gone"), judge))
}

/// The command line that starts an agent anew. A type that this mng does not have cannot say another.
pub(super) fn command_line(ctx: &Ctx, record: &AgentRecord) -> String {
    match ctx.agent_type(&record.agent_type) {
        Ok(agent_type) => agent_type.restart_command_line(record),
        Err(_) => record.command.clone(),
    }
}

/// Starts an agent's session. `is_new`: it was made a moment ago and never ran. Whoever starts an agent whose
/// destroy was cut short wants to keep it: no gc finishes that any more.
///
/// # Errors
/// As [`launch::start_agent`]; the destroy had taken the work dir already.
pub(super) async fn start(
    ctx: &Ctx,
    host: &Host,
    lock: &HostLock,
    record: &AgentRecord,
    command_line: &str,
    is_new: bool,
) -> Result<Started> {
    let core = &ctx.settings.core;
    let request = StartRequest {
        record,
        command_line,
        tmux: &core.tmux,
        unset_vars: &core.unset_vars,
        mng: &launch::own_command(&ctx.env),
        is_new,
        grace: ctx.limits.stop_grace,
        welcome: welcome(ctx),
    };
    let marker = host.layout.agent_destroying(&record.id);
    let is_taken = |place: Option<FileStat>, marker: Option<FileStat>| place.is_none() && marker.is_some();
    match launch::start_agent(host, lock, &request).await {
        Ok(started) => {
            host.transport.remove_file(&marker).await?;
            Ok(started)
        }
        Err(_)
            if is_taken(
                host.transport.stat(&record.work_dir).await?,
                host.transport.stat(&marker).await?,
            ) =>
        {
            Err(Error::hinted(
                ErrorClass::AgentStart,
                format!(
                    "cannot start agent `{0}`: its destroy was cut short when the work dir had gone",
                    record.name
                ),
                format!("`mng undo {0}` brings it back, `mng destroy {0}` ends it", record.name),
            ))
        }
        Err(error) => Err(error),
    }
}

/// The one-time greeting, unless it was shown or nobody is there to see it.
fn welcome(ctx: &Ctx) -> Option<Welcome> {
    // The first start on a machine is also where its profile begins.
    let profile = match &ctx.profile {
        Some(profile) => profile.clone(),
        None => ensure_profile(&ctx.locations, &ctx.env).ok()?,
    };
    let marker = profile.dir.join("tmux_onboarding_shown");
    let is_wanted = ctx.env.get("IS_AUTONOMOUS") != Some("1") && !marker.exists();
    is_wanted.then(|| Welcome { marker, is_nested: ctx.env.get_non_empty("TMUX").is_some() })
}
