//! Looking at one agent, and starting one that exists: for the commands that change an agent on their way.

use std::slice;
use std::sync::Arc;
use std::time::Duration;

use crate::agents::facts::TypeTraits;
use crate::agents::judge::{Judgement, judge, unseen};
use crate::agents::launch::{self, StartRequest, Started, Welcome};
use crate::agents::message::{self, FirstMessage, ReceiptStatus};
use crate::agents::probe::{ProbeRequest, probe_host};
use crate::agents::types::{AgentType, TypeSite};
use crate::hosts::{Host, HostLock};
use crate::model::env_file::EnvVars;
use crate::model::error::{Error, ErrorClass, Result};
use crate::model::event::Events;
use crate::model::record::AgentRecord;
use crate::plugins::Ctx;
use crate::settings::ensure_profile;
use crate::transports::FileStat;

/// What there is to know of an agent's type, also if this mng does not have it.
pub(super) fn traits(ctx: &Ctx, record: &AgentRecord) -> TypeTraits {
    match ctx.agent_type(&record.agent_type) {
        Ok(agent_type) => TypeTraits::of(&agent_type, record),
        Err(_) => TypeTraits::unknown(record),
    }
}

/// The agent's environment file; one that cannot be understood counts as empty here.
async fn read_env(host: &Host, record: &AgentRecord) -> Result<EnvVars> {
    let bytes = host.transport.read(&host.layout.agent_env(&record.id)).await?.unwrap_or_default();
    Ok(EnvVars::parse(&String::from_utf8_lossy(&bytes)).unwrap_or_default())
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
        activity: true,
        primary_window: &ctx.settings.core.tmux.primary_window_name,
        traits: &traits,
        resources: false,
        watched: &|| traits(record).watched(),
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

/// Has the type write its configuration, and puts what it adds to the environment between what mng sets
/// (`own`) and what the person set (`explicit`).
///
/// # Errors
/// The type cannot set up the agent, or its env file cannot be written.
pub(super) async fn provision_type(
    agent_type: &Arc<dyn AgentType>,
    site: &TypeSite<'_>,
    record: &AgentRecord,
    own: &EnvVars,
    explicit: &EnvVars,
) -> Result<()> {
    let added = agent_type.provision(site, record).await?;
    if added.is_empty() {
        return Ok(());
    }
    let mut vars = own.clone();
    vars.merge(added);
    vars.merge(explicit.clone());
    let path = site.host.layout.agent_env(&record.id);
    site.host.transport.write_volatile(&path, vars.render().as_bytes(), 0o600).await
}

/// The message, if the type's program gets it at its start. In a terminal it is an argument: one word of a
/// command line is limited to 128 KiB on Linux.
pub(super) fn as_argument<'m>(agent_type: &Arc<dyn AgentType>, message: Option<&'m str>) -> Option<&'m str> {
    message
        .filter(|text| agent_type.takes_first_message() && !text.contains('\0'))
        .filter(|text| agent_type.capabilities().headless || text.len() <= 100 * 1024)
        .filter(|text| !text.is_empty())
}

/// Leaves the first message where the type's start line picks it up, and begins to watch for it.
///
/// # Errors
/// The state dir cannot be read or written.
pub(super) async fn stage_first_message(
    host: &Host,
    agent_type: &Arc<dyn AgentType>,
    record: &AgentRecord,
    text: &str,
) -> Result<Option<FirstMessage>> {
    let path = host.layout.agent(&record.id).join("initial_prompt");
    host.transport.write_volatile(&path, text.as_bytes(), 0o600).await?;
    FirstMessage::expect(host, record, agent_type.input().as_deref(), text).await
}

/// Waits until the program has taken its first message, about as long as it may take to come up. One that is
/// not seen to arrive is a warning: the agent runs.
///
/// # Errors
/// The agent's files cannot be read or written.
pub(super) async fn confirm_first_message(
    host: &Host,
    record: &AgentRecord,
    first: Option<FirstMessage>,
    events: &Events,
) -> Result<()> {
    let Some(first) = first else { return Ok(()) };
    let window = Duration::try_from_secs_f64(record.ready_timeout_seconds).unwrap_or_default();
    let receipt = message::confirm_first_message(host, record, first, window).await?;
    let evidence = receipt.evidence.unwrap_or_default();
    match receipt.status {
        ReceiptStatus::Accepted | ReceiptStatus::Queued => {}
        ReceiptStatus::Refused => {
            events.warning(format!("agent {} refused its first message: {evidence}", record.name));
        }
        ReceiptStatus::Unknown => events.warning(format!(
            "nothing shows that agent {0} has taken its first message ({evidence}); `mng capture {0}` shows its screen",
            record.name
        )),
    }
    Ok(())
}

/// Variables that the agent has from the caller. A tmux server keeps what its first client has in its
/// environment and shows it to every session, so what one agent is given stays out of it; the agent's own
/// panes read it from its file.
fn passed_on<'e>(ctx: &'e Ctx, env: &'e EnvVars) -> impl Iterator<Item = String> + 'e {
    const OF_TMUX: [&str; 10] =
        ["PATH", "HOME", "SHELL", "USER", "LOGNAME", "TERM", "LANG", "TMPDIR", "TMUX", "TMUX_TMPDIR"];
    env.iter()
        .filter(|(name, value)| ctx.env.get(name) == Some(*value))
        .map(|(name, _)| name)
        .filter(|name| !OF_TMUX.contains(name) && !name.starts_with("LC_") && !name.starts_with("XDG_"))
        .map(str::to_owned)
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
    events: &Events,
) -> Result<Started> {
    let core = &ctx.settings.core;
    let env = read_env(host, record).await?;
    if let Ok(agent_type) = ctx.agent_type(&record.agent_type) {
        let site = TypeSite {
            caller: ctx.caller(),
            host,
            source: &record.work_dir,
            env: &env,
            is_yes: false,
            adopt: &[],
            events,
        };
        agent_type.before_start(&site, record).await?;
    }
    let mut unset_vars = core.unset_vars.clone();
    unset_vars.extend(passed_on(ctx, &env));
    let request = StartRequest {
        record,
        command_line,
        tmux: &core.tmux,
        unset_vars: &unset_vars,
        mng: &launch::own_command(&ctx.env),
        is_new,
        grace: ctx.limits.stop_grace,
        // Another machine could not write down here that it was shown.
        welcome: host.is_local().then(|| welcome(ctx)).flatten(),
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
