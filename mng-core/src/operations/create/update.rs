//! `--reuse --update`: an agent is stopped, brought up to date in place and started again. Its id, work dir,
//! branch and transfer mode stay; what was not asked for stays as well.

use std::path::Path;

use super::env;
use super::finish::{self, Finish};
use super::kind::{self, Kind};
use super::request::{CreateRequest, Provisioning};
use super::source::{self, Source, local_path};
use super::{CreateReport, checks, progress};
use crate::agents::stop::stop_agent;
use crate::agents::types::TypeSite;
use crate::hosts::git;
use crate::hosts::work_dir::{self, UpdatePlan, WorkDirPlan};
use crate::hosts::{Host, HostLock};
use crate::model::address::SourceAddress;
use crate::model::branch::ResolvedBranch;
use crate::model::cancel::Cancel;
use crate::model::env_file::EnvVars;
use crate::model::error::{Error, ErrorClass, Result};
use crate::model::event::Events;
use crate::model::record::{AgentRecord, TransferMode};
use crate::operations::provision::{self, Place};
use crate::operations::relaunch;
use crate::operations::resolve::ResolvedAgent;
use crate::plugins::{AgentMoment, Ctx};
use crate::storage::fault;

/// What an update will do, resolved before the agent is touched.
struct Changes {
    /// Type and command line, if others were asked for.
    kind: Option<Kind>,
    provisioning: Provisioning,
    env: EnvVars,
    /// Unset in mode `none`: the person's own directory is left alone.
    plan: Option<(Host, WorkDirPlan)>,
}

/// Updates the agent. `None`: it was destroyed meanwhile.
///
/// # Errors
/// A step failed. Record and environment are the old ones then, and the agent is stopped.
pub(super) async fn update(
    ctx: &Ctx,
    request: &CreateRequest,
    found: ResolvedAgent,
    events: &Events,
    cancel: &Cancel,
) -> Result<Option<CreateReport>> {
    let host = found.host;
    let changes = resolve(ctx, request, &host, &found.record, events, cancel).await?;
    finish::tell_plan(events, changes.plan.is_some());
    let step = progress::begin(events, progress::PREPARING);
    let lock = cancel.race(host.lock(None, events)).await?;
    let Some(old) = host.read_agent(&found.record.id).await? else {
        events.info(format!("Agent {} is gone; making it anew", found.record.name));
        return Ok(None);
    };
    let old_env = host.transport.read(&host.layout.agent_env(&old.id)).await?;
    for left in stop_agent(&host, &lock, &old, ctx.limits.stop_grace).await? {
        events.warning(left.message);
    }
    step.complete();
    fault::point("update.stopped");
    let done = apply(ctx, request, &host, &lock, &old, &changes, events, cancel).await;
    let record = match done {
        Ok(record) => record,
        Err(error) => {
            restore(ctx, &host, &lock, &old, old_env.as_deref(), events).await;
            return Err(error);
        }
    };
    fault::point("update.started");
    drop(lock);
    let finish = Finish {
        host: &host,
        record: &record,
        await_ready: request.await_ready,
        message: request.message.as_deref(),
    };
    if let Err(error) = finish::wait_until_ready(ctx, &finish, events, cancel).await {
        match host.lock(None, events).await {
            Ok(lock) => restore(ctx, &host, &lock, &old, old_env.as_deref(), events).await,
            Err(error) => events.warning(format!("could not restore agent `{}`: {error}", old.name)),
        }
        return Err(error);
    }
    finish::send_message(ctx, &finish, cancel).await?;
    Ok(Some(CreateReport::new(host, record, true)))
}

async fn resolve(
    ctx: &Ctx,
    request: &CreateRequest,
    host: &Host,
    record: &AgentRecord,
    events: &Events,
    cancel: &Cancel,
) -> Result<Changes> {
    let options = &request.agent;
    let has_new_command = options.command.is_some() || !options.args.is_empty() || request.is_typed("type");
    let kind = if has_new_command {
        let mut wanted = request.clone();
        if !request.is_typed("type") && options.command.is_none() {
            wanted.agent.agent_type = Some(record.agent_type.clone());
        }
        let kind = kind::resolve(ctx, &wanted, None)?;
        checks::type_options(request, &kind.name, kind.agent_type.capabilities())?;
        kind.command_line()?;
        Some(kind)
    } else {
        None
    };
    let of_type = match &kind {
        Some(kind) => kind.provisioning.clone(),
        None => kind::provisioning_of(ctx, &record.agent_type, &request.cwd)?,
    };
    let provisioning = of_type.clone().then(request.provisioning.clone());
    let home = ctx.env.get_non_empty("HOME").map(Path::new);
    provision::check_uploads(&provisioning.uploads, &request.cwd, home)?;
    let files = env::read_files(&provisioning.env_files)?;
    let pass = &provisioning.pass_env;
    let env = env::explicit(files, &of_type.env, pass, |key| ctx.env.get(key), &request.provisioning.env)?;
    let mode = transfer_mode(host, record).await?;
    check_place(ctx, request, host, record)?;
    let plan = match mode {
        TransferMode::None => None,
        _ => Some(plan(ctx, request, host, record, mode, events, cancel).await?),
    };
    Ok(Changes { kind, provisioning, env, plan })
}

/// How the work dir came to be. A record of the original does not say, but what is not registered was not
/// made.
async fn transfer_mode(host: &Host, record: &AgentRecord) -> Result<TransferMode> {
    if let Some(mode) = record.transfer_mode {
        return Ok(mode);
    }
    if !host.read_record().await?.generated_work_dirs.contains(&record.work_dir) {
        return Ok(TransferMode::None);
    }
    Ok(match git::inspect(host.transport.as_ref(), &record.work_dir).await? {
        Some(repo) if repo.is_linked_worktree => TransferMode::GitWorktree,
        Some(repo) if repo.top_level == record.work_dir => TransferMode::GitMirror,
        _ => TransferMode::Rsync,
    })
}

/// The work dir stays where it is.
fn check_place(ctx: &Ctx, request: &CreateRequest, host: &Host, record: &AgentRecord) -> Result<()> {
    let Some(path) = &request.address.path else { return Ok(()) };
    let path = match host.is_local() {
        true => git::normal(&local_path(ctx, &request.cwd, path)),
        false => git::normal(Path::new(path)),
    };
    let is_same = path == record.work_dir
        || host.is_local()
            && matches!((path.canonicalize(), record.work_dir.canonicalize()), (Ok(a), Ok(b)) if a == b);
    if is_same {
        return Ok(());
    }
    Err(Error::input(
        format!(
            "agent `{}` works in `{}`, and `--update` does not move it to `{}`",
            record.name,
            record.work_dir.display(),
            path.display()
        ),
        "leave the path out, or make a second agent",
    ))
}

/// What the work dir is brought up to.
async fn plan(
    ctx: &Ctx,
    request: &CreateRequest,
    host: &Host,
    record: &AgentRecord,
    mode: TransferMode,
    events: &Events,
    cancel: &Cancel,
) -> Result<(Host, WorkDirPlan)> {
    let source = find_source(ctx, request, host, record, mode, events, cancel).await?;
    if source.host.info.id != host.info.id && mode == TransferMode::GitWorktree {
        return Err(Error::input(
            format!(
                "the source is on host `{}` and the agent on `{}`",
                source.host.info.name, host.info.name
            ),
            "give a source on the agent's host with `--from`",
        ));
    }
    source::guard(&source, mode)?;
    let spec = &request.transfer.branch;
    let own = record.checked_out_branch_name.clone().or_else(|| record.created_branch_name.clone());
    let new = own.clone().filter(|_| record.created_branch_name.is_some());
    if request.is_typed("branch") {
        let wanted = spec.resolve(record.name.as_str())?.new;
        if wanted.is_some() && wanted != new {
            return Err(Error::input(
                format!("agent `{}` stays on its branch `{}`", record.name, own.unwrap_or_default()),
                "name only the base to start from: `--branch BASE`",
            ));
        }
    }
    let is_own_repository = source.dir == record.work_dir;
    let fallback = if new.is_none() { own } else { record.base_branch.clone().filter(|_| is_own_repository) };
    let base = spec.base().map(str::to_owned).or(fallback);
    let is_git = matches!(mode, TransferMode::GitMirror | TransferMode::GitWorktree);
    let base_commit = match &source.repo {
        Some(repo) if is_git => {
            if base.is_none() && request.transfer.ensure_clean {
                work_dir::check_clean(&source.host, repo).await?;
            }
            Some(work_dir::base_commit(&source.host, repo, base.as_deref()).await?)
        }
        _ => None,
    };
    let options = &request.transfer;
    let plan = WorkDirPlan {
        mode,
        source: source.root(mode).to_path_buf(),
        repo: source.repo.clone(),
        path: record.work_dir.clone(),
        branch: ResolvedBranch { base, new },
        base_commit,
        include_unclean: false,
        include_gitignored: false,
        include_git: options.include_git,
        rsync_pass: options.rsync.unwrap_or(!options.rsync_args.is_empty()),
        rsync_args: options.rsync_args.clone(),
        extra_paths: ctx.settings.core.work_dir_extra_paths.clone(),
        origin: None,
        transit: source::transit(ctx, &source.host, host).await?,
        continued_branch: None,
    };
    Ok((source.host, plan))
}

/// Where the update comes from: what was asked for, else the repository around the person, else, for a
/// worktree, its own repository.
async fn find_source(
    ctx: &Ctx,
    request: &CreateRequest,
    host: &Host,
    record: &AgentRecord,
    mode: TransferMode,
    events: &Events,
    cancel: &Cancel,
) -> Result<Source> {
    let is_worktree = mode == TransferMode::GitWorktree;
    let own = if is_worktree { git::inspect(host.transport.as_ref(), &record.work_dir).await? } else { None };
    let is_own = |source: &Source| match (&own, &source.repo) {
        (Some(own), Some(repo)) if source.host.info.id == host.info.id => own.common_dir == repo.common_dir,
        _ => false,
    };
    let agent = source::agent(ctx, request).await?;
    let found = source::resolve(ctx, request, agent, host, events, cancel).await;
    match found {
        Ok(source) if source.clone.is_some() => {
            source::discard(&source).await;
            Err(Error::input(
                "`--update` cannot take a git URL as the source",
                "fetch in the agent's repository, then name the base: `--branch origin/main:`",
            ))
        }
        Ok(source) if !is_worktree || is_own(&source) => Ok(source),
        Ok(source) if request.source.is_some() => Err(Error::input(
            format!("`{}` is not the repository of agent `{}`", source.dir.display(), record.name),
            "leave `--from` out, or make a second agent",
        )),
        Err(error) if request.source.is_some() || !is_worktree => Err(error),
        // The person stands somewhere else.
        Ok(_) | Err(_) => {
            let path = SourceAddress::Path(record.work_dir.to_string_lossy().into_owned());
            let request = CreateRequest { source: Some(path), ..request.clone() };
            source::resolve(ctx, &request, None, host, events, cancel).await
        }
    }
}

/// Work dir, record, environment, provisioning, start.
#[expect(clippy::too_many_arguments, reason = "the steps of one update share them all")]
async fn apply(
    ctx: &Ctx,
    request: &CreateRequest,
    host: &Host,
    lock: &HostLock,
    old: &AgentRecord,
    changes: &Changes,
    events: &Events,
    cancel: &Cancel,
) -> Result<AgentRecord> {
    let mut record = old.clone();
    cancel.check()?;
    if let Some((source_host, plan)) = &changes.plan {
        let step = progress::begin(events, progress::TRANSFERRING);
        let update = UpdatePlan { plan: plan.clone(), record: old, force: false };
        work_dir::update(source_host, host, lock, &update, events).await?.describe_in(&mut record);
        // The branch is whose it was.
        record.created_branch_name.clone_from(&old.created_branch_name);
        step.complete();
    }
    fault::point("update.work_dir");
    amend(request, changes, &mut record)?;
    let primary = &ctx.settings.core.tmux.primary_window_name;
    let vars = merged_env(host, &record, &changes.env, primary).await?;
    let env_path = host.layout.agent_env(&record.id);
    host.transport.write_volatile(&env_path, vars.render().as_bytes(), 0o600).await?;
    host.write_agent(lock, &record).await?;
    fault::point("update.record");
    let moment = AgentMoment { host, record: &record };
    let step = progress::begin(events, progress::PROVISIONING);
    for enabled in ctx.registry.enabled() {
        enabled.plugin.before_provisioning(ctx, moment).await?;
    }
    let agent_type = ctx.agent_type(&record.agent_type)?;
    let site = TypeSite {
        caller: ctx.caller(),
        host,
        source: &record.work_dir,
        env: &vars,
        is_yes: request.is_yes,
        adopt: &[],
        events,
    };
    let own = env::builtin(&host.layout, &record, primary)?;
    relaunch::provision_type(&agent_type, &site, &record, &own, &vars).await?;
    let home = ctx.env.get_non_empty("HOME").map(Path::new);
    let place = Place { host, record: &record, cwd: &request.cwd, home };
    provision::run(place, &changes.provisioning, events, cancel).await?;
    for enabled in ctx.registry.enabled() {
        enabled.plugin.after_provisioning(ctx, moment).await?;
    }
    step.complete();
    fault::point("update.provisioned");
    cancel.check()?;
    let step = progress::begin(events, progress::STARTING);
    let command_line = relaunch::command_line(ctx, &record);
    let started = relaunch::start(ctx, host, lock, &record, &command_line, false, events).await?;
    for warning in started.warnings {
        events.warning(warning);
    }
    step.complete();
    Ok(record)
}

/// What was asked for in place of what the record says; create time and plugin data stay.
fn amend(request: &CreateRequest, changes: &Changes, record: &mut AgentRecord) -> Result<()> {
    let options = &request.agent;
    if let Some(kind) = &changes.kind {
        record.agent_type = kind.name.clone();
        record.command = kind.command_line()?;
    }
    if !options.windows.is_empty() {
        record.additional_commands.clone_from(&options.windows);
    }
    if request.message.is_some() {
        record.initial_message.clone_from(&request.message);
    }
    if options.resume_message.is_some() {
        record.resume_message.clone_from(&options.resume_message);
    }
    if let Some(timeout) = options.ready_timeout {
        record.ready_timeout_seconds = timeout.as_secs_f64();
    }
    for (new, old) in
        [(options.tmux.width, &mut record.tmux.width), (options.tmux.height, &mut record.tmux.height)]
    {
        *old = new.or(*old);
    }
    if options.tmux.window_size.is_some() {
        record.tmux.window_size.clone_from(&options.tmux.window_size);
    }
    record.permissions.extend(options.permissions.iter().cloned());
    record.permissions.sort_unstable();
    record.permissions.dedup();
    record.start_on_boot |= options.start_on_boot;
    if let Some(project) = options.project.as_ref().filter(|project| *project != ".") {
        record.labels.insert("project".into(), project.clone());
    }
    record.labels.extend(options.labels.clone());
    Ok(())
}

/// The agent's environment: what it had, under what mng sets, under what was asked for now.
pub(crate) async fn merged_env(
    host: &Host,
    record: &AgentRecord,
    explicit: &EnvVars,
    primary_window: &str,
) -> Result<EnvVars> {
    let path = host.layout.agent_env(&record.id);
    let old = host.transport.read(&path).await?.unwrap_or_default();
    let mut vars = EnvVars::parse(&String::from_utf8_lossy(&old)).map_err(|error| {
        Error::hinted(
            ErrorClass::CorruptedAgentData,
            format!("the env file `{}` cannot be understood: {error}", path.display()),
            "mend it, or delete it and give the variables anew",
        )
    })?;
    vars.merge(env::builtin(&host.layout, record, primary_window)?);
    vars.merge(explicit.clone());
    Ok(vars)
}

/// Puts record and environment back and leaves the agent stopped. The work dir is as git left it: it
/// refuses before it changes anything.
async fn restore(
    ctx: &Ctx,
    host: &Host,
    lock: &HostLock,
    old: &AgentRecord,
    old_env: Option<&[u8]>,
    events: &Events,
) {
    let restored = async {
        for left in stop_agent(host, lock, old, ctx.limits.stop_grace).await? {
            events.warning(left.message);
        }
        host.write_agent(lock, old).await?;
        let path = host.layout.agent_env(&old.id);
        match old_env {
            Some(bytes) => host.transport.write_volatile(&path, bytes, 0o600).await,
            None => host.transport.remove_file(&path).await,
        }
    };
    match restored.await {
        Ok(()) => events.info(format!("Agent {} is stopped, with the settings it had before", old.name)),
        Err(error) => events.warning(format!("could not restore agent `{}`: {error}", old.name)),
    }
}
