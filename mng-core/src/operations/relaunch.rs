//! Looking at one agent, and starting one that exists: for the commands that change an agent on their way.

use std::slice;

use crate::agents::facts::TypeTraits;
use crate::agents::judge::{Judgement, judge, unseen};
use crate::agents::launch::{self, StartRequest, Started, Welcome};
use crate::agents::probe::{ProbeRequest, probe_host};
use crate::hosts::{Host, HostLock};
use crate::model::error::Result;
use crate::model::record::AgentRecord;
use crate::plugins::Ctx;
use crate::settings::ensure_profile;

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

/// Starts an agent's session. `is_new`: it was made a moment ago and never ran.
///
/// # Errors
/// As [`launch::start_agent`].
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
    launch::start_agent(host, lock, &request).await
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
