//! Resolution: everything that a create can know before it changes anything, but for a clone of a git URL.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::env;
use super::kind::{self, Kind};
use super::labels::{self, LabelFacts};
use super::request::{CreateRequest, Provisioning};
use super::source::{self, Source, local_path};
use super::transfer::{self, TransferFacts};
use super::{checks, packages, target};
use crate::agents::types::TypeSite;
use crate::hosts::git::{self, Git};
use crate::hosts::{Host, work_dir};
use crate::model::cancel::Cancel;
use crate::model::env_file::EnvVars;
use crate::model::error::{Error, ErrorClass, Result};
use crate::model::event::Events;
use crate::model::record::TransferMode;
use crate::model::window::window_names;
use crate::operations::provision;
use crate::plugins::{BeforeCreate, Ctx};

/// A create that is sure of what it will do, but for the name, which only the lock makes certain.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) request: CreateRequest,
    pub(super) kind: Kind,
    /// The command line for the record.
    pub(super) command: String,
    /// Where the agent goes.
    pub(super) host: Host,
    pub(super) source: Source,
    /// A directory of this machine, for what passes from one foreign host to another.
    pub(super) transit: PathBuf,
    pub(super) mode: TransferMode,
    /// The work dir that was asked for, or that is there already.
    pub(super) work_dir: Option<PathBuf>,
    /// What the work starts from, in the git modes.
    pub(super) base_commit: Option<String>,
    /// URL of the source's remote.
    pub(super) origin: Option<String>,
    pub(super) labels: BTreeMap<String, String>,
    /// The type's steps, then the person's.
    pub(super) provisioning: Provisioning,
    /// The person's part of the environment.
    pub(super) env: EnvVars,
}

/// Resolves a request. Fails before it looks at anything remote where it can.
///
/// # Errors
/// The request contradicts itself, names what does not exist, or does not fit its source or target.
pub(super) async fn prepare(
    ctx: &Ctx,
    request: CreateRequest,
    events: &Events,
    cancel: &Cancel,
) -> Result<Prepared> {
    let agent = source::agent(ctx, &request).await?;
    let mut kind = kind::resolve(ctx, &request, agent.as_ref().map(|found| &found.record))?;
    checks::type_options(&request, &kind.name, kind.agent_type.capabilities())?;
    window_names(&request.agent.windows, &ctx.settings.core.tmux.primary_window_name)?;
    let (request, is_work_dir_made) = before_create(ctx, request, &mut kind).await?;
    let command = kind.command_line()?;
    let home = ctx.env.get_non_empty("HOME").map(Path::new);
    let of_type = std::mem::take(&mut kind.provisioning);
    let provisioning = of_type.clone().then(request.provisioning.clone());
    provision::check_uploads(&provisioning.uploads, &request.cwd, home)?;
    let files = env::read_files(&provisioning.env_files)?;
    let pass = &provisioning.pass_env;
    let env = env::explicit(files, &of_type.env, pass, |key| ctx.env.get(key), &request.provisioning.env)?;

    let host = target::resolve(ctx, &request, events).await?;
    checks::host_options(&request)?;
    check_programs(ctx, &host)?;
    if !host.is_local() {
        cancel.race(packages::ensure(&host, request.host.install_packages, events)).await?;
    }
    let source = source::resolve(ctx, &request, agent, &host, events, cancel).await?;
    let fitted = fit(ctx, &request, &host, &source, is_work_dir_made).await;
    if fitted.is_err() {
        source::discard(&source).await;
    }
    let Fitted { mode, work_dir, base_commit, origin } = fitted?;
    let site = TypeSite {
        caller: ctx.caller(),
        host: &host,
        source: source.root(mode),
        env: &env,
        is_yes: request.is_yes,
        adopt: &request.agent.adopt,
        events,
    };
    if let Err(error) = cancel.race(kind.agent_type.check(&site)).await {
        source::discard(&source).await;
        return Err(error);
    }
    let labels = labels::labels(
        &LabelFacts {
            project: request.agent.project.as_deref(),
            source_project: source
                .agent
                .as_ref()
                .and_then(|agent| agent.labels.get("project"))
                .map(String::as_str),
            origin: origin.as_deref(),
            source: Some(source.root(mode)).filter(|_| source.clone.is_none()),
        },
        &request.agent.labels,
    );
    Ok(Prepared {
        request,
        kind,
        command,
        transit: source::transit(ctx, &source.host, &host).await?,
        host,
        source,
        mode,
        work_dir,
        base_commit,
        origin,
        labels,
        provisioning,
        env,
    })
}

/// Lets the plugins change name, type, labels and environment, each after the other. Returns whether a
/// work dir is made at all.
async fn before_create(
    ctx: &Ctx,
    mut request: CreateRequest,
    kind: &mut Kind,
) -> Result<(CreateRequest, bool)> {
    let mut shown = BeforeCreate {
        name: request.address.name.clone(),
        agent_type: kind.name.clone(),
        labels: request.agent.labels.clone(),
        env: request.provisioning.env.clone(),
        is_work_dir_made: true,
    };
    for enabled in ctx.registry.enabled() {
        enabled.plugin.before_create(ctx, &mut shown).await?;
    }
    request.address.name = shown.name;
    request.agent.labels = shown.labels;
    request.provisioning.env = shown.env;
    if shown.agent_type != kind.name {
        request.agent.agent_type = Some(shown.agent_type);
        *kind = kind::resolve(ctx, &request, None)?;
        checks::type_options(&request, &kind.name, kind.agent_type.capabilities())?;
    }
    Ok((request, shown.is_work_dir_made))
}

/// How source and target go together.
struct Fitted {
    mode: TransferMode,
    work_dir: Option<PathBuf>,
    base_commit: Option<String>,
    origin: Option<String>,
}

async fn fit(
    ctx: &Ctx,
    request: &CreateRequest,
    host: &Host,
    source: &Source,
    is_work_dir_made: bool,
) -> Result<Fitted> {
    let target = target_path(ctx, request, host).await?;
    let is_same_host = source.host.info.id == host.info.id;
    let mode = if is_work_dir_made {
        transfer::decide(&TransferFacts {
            choice: request.transfer.choice,
            include_git: request.transfer.include_git,
            is_git: source.repo.is_some(),
            is_repo_root: source.is_repo_root(),
            is_same_host,
            source: &source.dir,
            target: target.as_deref(),
        })?
    } else {
        TransferMode::None
    };
    source::guard(source, mode)?;
    let work_dir = match (mode, target) {
        (TransferMode::None, None) => Some(source.dir.clone()),
        (_, target) => target,
    };
    let Some(repo) = &source.repo else {
        return Ok(Fitted { mode, work_dir, base_commit: None, origin: None });
    };
    let transport = source.host.transport.as_ref();
    let is_git_mode = matches!(mode, TransferMode::GitMirror | TransferMode::GitWorktree);
    let branch = &request.transfer.branch;
    let has_to_be_clean = is_git_mode && request.transfer.ensure_clean && !branch.has_explicit_base();
    // What was not asked when the source was found; the questions do not depend on each other.
    let (origin, base_commit, ()) = tokio::try_join!(
        async {
            match &source.early.origin {
                Some(origin) => Ok(origin.clone()),
                None => git::origin_url(&Git::at(transport, &repo.top_level)?).await,
            }
        },
        async {
            if !is_git_mode {
                return Ok(None);
            }
            work_dir::base_commit(&source.host, repo, branch.base()).await.map(Some)
        },
        async {
            match &source.early.status {
                _ if !has_to_be_clean => Ok(()),
                Some(status) => work_dir::refuse_unclean(&repo.top_level, status),
                None => work_dir::check_clean(&source.host, repo).await,
            }
        },
    )?;
    Ok(Fitted { mode, work_dir, base_commit, origin })
}

/// The work dir that was asked for, with symlinks resolved as far as it exists.
async fn target_path(ctx: &Ctx, request: &CreateRequest, host: &Host) -> Result<Option<PathBuf>> {
    let Some(path) = &request.address.path else { return Ok(None) };
    if !host.is_local() {
        if path.starts_with('/') || path == "~" || path.starts_with("~/") {
            return source::far_path(host, Path::new(path)).await.map(Some);
        }
        return Err(Error::input(
            format!("the work dir `{path}` on host `{}` has to be an absolute path", host.info.name),
            "write `NAME@HOST:/PATH` or `NAME@HOST:~/PATH`",
        ));
    }
    Ok(Some(resolve_links(&git::normal(&local_path(ctx, &request.cwd, path)))))
}

/// The deepest existing ancestor resolved, the rest as written.
fn resolve_links(path: &Path) -> PathBuf {
    if let Ok(real) = std::fs::canonicalize(path) {
        return real;
    }
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => resolve_links(parent).join(name),
        _ => path.to_path_buf(),
    }
}

/// What a start needs, looked for before anything is made.
fn check_programs(ctx: &Ctx, host: &Host) -> Result<()> {
    let path = ctx.env.get("PATH").unwrap_or_default();
    let is_missing = host.is_local()
        && !path.is_empty()
        && !std::env::split_paths(path).any(|dir| kind::is_executable(&dir.join("tmux")));
    if !is_missing {
        return Ok(());
    }
    Err(Error::hinted(
        ErrorClass::BinaryNotInstalled,
        "`tmux` is not installed: agents run in it",
        "install `tmux`; `mng doctor` lists what is missing",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_resolved_as_far_as_a_path_exists() {
        let dir = tempfile::tempdir().unwrap();
        let real = dir.path().canonicalize().unwrap().join("real");
        std::fs::create_dir(&real).unwrap();
        let link = real.with_file_name("link");
        std::os::unix::fs::symlink(&real, &link).unwrap();
        assert_eq!(resolve_links(&link), real);
        assert_eq!(resolve_links(&link.join("a/b")), real.join("a/b"));
    }
}
