//! Making the agent, under the host's lock: work dir, record, surroundings, session. Each step says in the
//! journal or in [`Made`] what it is about to make before it makes it.

use std::path::{Path, PathBuf};

use super::journal::JournalEntry;
use super::prepare::Prepared;
use super::rollback::{self, Made};
use super::{env, naming, progress, sources, state_dir};
use crate::agents::message::FirstMessage;
use crate::agents::types::TypeSite;
use crate::hosts::git::RepoInfo;
use crate::hosts::work_dir::{self, MadeWorkDir, WorkDirPlan};
use crate::hosts::{Host, HostLock};
use crate::model::branch::ResolvedBranch;
use crate::model::cancel::Cancel;
use crate::model::error::{Error, Result};
use crate::model::event::Events;
use crate::model::ids::AgentId;
use crate::model::names::AgentName;
use crate::model::record::{AgentRecord, TransferMode};
use crate::model::time::Time;
use crate::operations::provision::{self, Place};
use crate::operations::relaunch;
use crate::plugins::{AgentMoment, Ctx};
use crate::storage::fault;

/// An agent that was started a moment ago.
#[derive(Debug)]
pub(super) struct Built<'e> {
    pub(super) record: AgentRecord,
    /// What there is to take back should it not become ready.
    pub(super) entry: JournalEntry,
    /// The first message, if the program gets it with its start.
    pub(super) first: Option<FirstMessage>,
    /// The start, which ends with the first message.
    pub(super) step: progress::Running<'e>,
}

/// Makes and starts the agent. On an error `made` tells what to take back.
///
/// # Errors
/// The name or the id is taken, or a step failed.
pub(super) async fn build<'e>(
    ctx: &Ctx,
    prepared: &Prepared,
    lock: &HostLock,
    made: &mut Made,
    events: &'e Events,
    cancel: &Cancel,
) -> Result<Built<'e>> {
    let host = &prepared.host;
    rollback::replay(ctx, host, lock, events).await?;
    let (id, name, branch) = identity(prepared, lock).await?;
    fault::point("create.named");

    let mut entry = JournalEntry {
        agent_id: id.clone(),
        name: name.clone(),
        pid: std::process::id(),
        start_time: Time::now(),
        work_dir: None,
        source_clone: prepared.source.clone.as_ref().map(|clone| clone.place.clone()),
    };
    let repo = adopt_clone(prepared, lock, &entry, made).await?;
    let plan = plan(ctx, prepared, &name, branch, repo);
    let claim = plan.claim(&prepared.source.host, host, lock).await?;
    // In mode `none` the work dir is the person's own: nobody may ever find it in a journal.
    entry.work_dir = Some(claim.clone()).filter(|claim| claim.mode != TransferMode::None);
    made.entry = Some(entry.clone());
    entry.write(host, lock).await?;
    fault::point("create.journal");

    // git takes longer than all of our files together.
    let (work_dir, staged) = tokio::join!(
        transfer(ctx, prepared, lock, &plan, &claim, made, events),
        state_dir::stage(host, lock, &entry)
    );
    let work_dir = work_dir?;
    staged?;
    fault::point("create.state_dir_staged");
    cancel.check()?;
    let record = record(ctx, prepared, id, name, &work_dir);
    let primary = &ctx.settings.core.tmux.primary_window_name;
    let own = env::builtin(&host.layout, &record, primary)?;
    let mut vars = own.clone();
    vars.merge(prepared.env.clone());
    state_dir::publish(host, lock, &entry, &record, &vars).await?;
    let moment = AgentMoment { host, record: &record };
    for enabled in ctx.registry.enabled() {
        enabled.plugin.agent_state_dir_created(ctx, moment).await?;
    }

    let step = progress::begin(events, progress::PROVISIONING);
    for enabled in ctx.registry.enabled() {
        enabled.plugin.before_provisioning(ctx, moment).await?;
    }
    let site = TypeSite {
        caller: ctx.caller(),
        host,
        source: prepared.source.root(prepared.mode),
        env: &vars,
        is_yes: prepared.request.is_yes,
        adopt: &prepared.request.agent.adopt,
        events,
    };
    relaunch::provision_type(&prepared.kind.agent_type, &site, &record, &own, &prepared.env).await?;
    if !site.adopt.is_empty() {
        prepared.kind.agent_type.adopt(&site, &record).await?;
    }
    provision(ctx, prepared, moment, events, cancel).await?;
    step.complete();
    fault::point("create.provisioned");
    cancel.check()?;

    let step = progress::begin(events, progress::STARTING);
    // Both wait for the disk; tmux takes about as long.
    let durable = async {
        state_dir::flush(host, lock, &record).await?;
        register(host, lock, &entry).await?;
        fault::point("create.registered");
        Ok::<(), Error>(())
    };
    let agent_type = &prepared.kind.agent_type;
    let mut first = None;
    if let Some(text) = relaunch::as_argument(agent_type, prepared.request.message.as_deref()) {
        first = relaunch::stage_first_message(host, agent_type, &record, text).await?;
    }
    let start = relaunch::start(ctx, host, lock, &record, &prepared.command, true, events);
    let (saved, started) = tokio::join!(durable, start);
    saved?;
    let started = started?;
    for warning in &started.warnings {
        events.warning(warning.clone());
    }
    fault::point("create.session");
    entry.remove(host, lock).await?;
    fault::point("create.started");
    Ok(Built { record, entry, first, step })
}

/// Id, name and branch, none of which is taken.
async fn identity(prepared: &Prepared, lock: &HostLock) -> Result<(AgentId, AgentName, ResolvedBranch)> {
    let Prepared { host, request, mode, .. } = prepared;
    let taken = naming::Taken::by(&host.agents().await?);
    let id = match &request.agent.id {
        Some(id) => {
            taken.check_id(id, host)?;
            id.clone()
        }
        None => AgentId::generate(),
    };
    let style = request.agent.name_style.unwrap_or_default();
    let roll = || AgentName::stored(style.generate(&mut |count| fastrand::usize(..count)));
    let wanted = request.address.name.as_ref();
    let source = &prepared.source;
    let repo = source.repo.as_ref().map(|repo| naming::Repository {
        host: &source.host,
        repo,
        mode: *mode,
        continued_branch: continued_branch(prepared),
    });
    let (name, branch) =
        naming::pick(host, lock, &taken, wanted, roll, &request.transfer.branch, repo).await?;
    Ok((id, name, branch))
}

/// The branch that an agent which moves is on, if the copy has it as it is: two repositories hold it for a
/// moment, and then one.
fn continued_branch(prepared: &Prepared) -> Option<&str> {
    let repo = prepared.source.repo.as_ref()?;
    let is_whole = prepared.mode == TransferMode::GitMirror && repo.head_commit == prepared.base_commit;
    repo.branch.as_deref().filter(|_| prepared.request.transfer.verify && is_whole)
}

/// Moves the clone of a git URL to where it stays, and returns the repository as it lies then.
async fn adopt_clone(
    prepared: &Prepared,
    lock: &HostLock,
    entry: &JournalEntry,
    made: &mut Made,
) -> Result<Option<RepoInfo>> {
    let Some(clone) = &prepared.source.clone else { return Ok(prepared.source.repo.clone()) };
    let host = &prepared.host;
    made.entry = Some(entry.clone());
    entry.write(host, lock).await?;
    fault::point("create.clone_journal");
    host.transport.create_dir(&host.layout.clones()).await?;
    host.transport.rename(&clone.staged, &clone.place).await?;
    made.staged_clone = None;
    fault::point("create.clone");
    let moved = |path: &Path| match path.strip_prefix(&clone.staged) {
        Ok(rest) if rest.as_os_str().is_empty() => clone.place.clone(),
        Ok(rest) => clone.place.join(rest),
        Err(_) => path.to_path_buf(),
    };
    Ok(prepared.source.repo.as_ref().map(|repo| RepoInfo {
        top_level: moved(&repo.top_level),
        git_dir: moved(&repo.git_dir),
        common_dir: moved(&repo.common_dir),
        ..repo.clone()
    }))
}

fn plan(
    ctx: &Ctx,
    prepared: &Prepared,
    name: &AgentName,
    branch: ResolvedBranch,
    repo: Option<RepoInfo>,
) -> WorkDirPlan {
    let Prepared { request, host, source, mode, .. } = prepared;
    let options = &request.transfer;
    let root = match &source.clone {
        Some(clone) => clone.place.clone(),
        None => source.root(*mode).to_path_buf(),
    };
    let base = options.worktree_base_folder.as_deref();
    let base = base.map(|base| super::source::local_path(ctx, &request.cwd, base));
    let is_same_host = source.host.info.id == host.info.id;
    let path = prepared.work_dir.clone().unwrap_or_else(|| {
        work_dir::default_path(&host.layout, *mode, is_same_host, name.as_str(), base.as_deref())
    });
    WorkDirPlan {
        mode: *mode,
        source: root,
        repo,
        path,
        branch,
        base_commit: prepared.base_commit.clone(),
        include_unclean: options.include_unclean,
        include_gitignored: options.include_gitignored,
        include_git: options.include_git,
        rsync_pass: options.rsync.unwrap_or(!options.rsync_args.is_empty()),
        rsync_args: options.rsync_args.clone(),
        extra_paths: ctx.settings.core.work_dir_extra_paths.clone(),
        origin: prepared.origin.clone(),
        transit: prepared.transit.clone(),
        continued_branch: continued_branch(prepared).map(str::to_owned),
    }
}

/// Makes the work dir. git works in the person's repository, so it is never torn off: a cancel counts when
/// it has finished.
async fn transfer(
    ctx: &Ctx,
    prepared: &Prepared,
    lock: &HostLock,
    plan: &WorkDirPlan,
    claim: &work_dir::Claim,
    made: &mut Made,
    events: &Events,
) -> Result<MadeWorkDir> {
    let cancel = &ctx.cancel;
    let Prepared { host, source, mode, .. } = prepared;
    if *mode == TransferMode::None {
        return work_dir::make(&source.host, host, lock, plan, claim, events).await;
    }
    cancel.check()?;
    let step = progress::begin(events, progress::TRANSFERRING);
    for enabled in ctx.registry.enabled() {
        enabled.plugin.before_initial_file_copy(ctx, host, &plan.path).await?;
    }
    let work_dir = match work_dir::make(&source.host, host, lock, plan, claim, events).await {
        Ok(work_dir) => work_dir,
        Err(error) => {
            // It took its own half back. What is at the path now, if anything, is somebody else's.
            if let Some(entry) = &mut made.entry {
                entry.work_dir = None;
            }
            return Err(error);
        }
    };
    if prepared.request.transfer.verify {
        work_dir::verify(&source.host, host, plan, &work_dir, events).await?;
    }
    for enabled in ctx.registry.enabled() {
        enabled.plugin.after_initial_file_copy(ctx, host, &plan.path).await?;
    }
    step.complete();
    fault::point("create.work_dir");
    Ok(work_dir)
}

fn record(
    ctx: &Ctx,
    prepared: &Prepared,
    id: AgentId,
    name: AgentName,
    work_dir: &MadeWorkDir,
) -> AgentRecord {
    let options = &prepared.request.agent;
    let ready_timeout = options.ready_timeout.unwrap_or(ctx.settings.core.agent_ready_timeout.0);
    let mut record = AgentRecord {
        id,
        name,
        agent_type: prepared.kind.name.clone(),
        work_dir: PathBuf::new(),
        create_time: Time::now(),
        command: prepared.command.clone(),
        additional_commands: options.windows.clone(),
        initial_message: prepared.request.message.clone(),
        resume_message: options.resume_message.clone(),
        ready_timeout_seconds: ready_timeout.as_secs_f64(),
        permissions: options.permissions.clone(),
        start_on_boot: options.start_on_boot,
        labels: prepared.labels.clone(),
        created_branch_name: None,
        checked_out_branch_name: None,
        base_branch: None,
        base_commit: None,
        transfer_mode: None,
        tmux: options.tmux.clone(),
        plugin: options.plugin.clone(),
        unknown: serde_json::Map::new(),
    };
    work_dir.describe_in(&mut record);
    record
}

/// Registers what the entry tells of in the host's record, which makes it mng's to remove. After the agent's
/// record: a registered dir that no record uses is garbage to every gc. Idempotent.
///
/// # Errors
/// The host's record cannot be read or written.
pub(super) async fn register(host: &Host, lock: &HostLock, entry: &JournalEntry) -> Result<()> {
    if entry.work_dir.is_none() && entry.source_clone.is_none() {
        return Ok(());
    }
    host.update_record(lock, |record| {
        record.generated_work_dirs.extend(entry.work_dir.as_ref().map(|claim| claim.path.clone()));
        if let Some(clone) = &entry.source_clone {
            sources::remember_in(record, clone);
        }
    })
    .await
}

async fn provision(
    ctx: &Ctx,
    prepared: &Prepared,
    moment: AgentMoment<'_>,
    events: &Events,
    cancel: &Cancel,
) -> Result<()> {
    let place = Place {
        host: moment.host,
        record: moment.record,
        cwd: &prepared.request.cwd,
        home: ctx.env.get_non_empty("HOME").map(Path::new),
    };
    provision::run(place, &prepared.provisioning, events, cancel).await?;
    for enabled in ctx.registry.enabled() {
        enabled.plugin.after_provisioning(ctx, moment).await?;
    }
    Ok(())
}
