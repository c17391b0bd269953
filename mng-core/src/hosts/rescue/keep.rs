//! Making an undo entry.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::capture::{View, refer};
use super::error::RescueError;
use super::manifest::{self, KeptGit, KeptWorkDir, Manifest, Reason, State, WorkDirKind};
use super::{agent, expire, far, nested};
use crate::hosts::git::{self, Git, RepoInfo, identity};
use crate::hosts::{Host, HostLock};
use crate::model::error::Result;
use crate::model::record::AgentRecord;
use crate::storage::fault;
use crate::transports::FileKind;

/// What is about to go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeepRequest<'a> {
    pub(crate) reason: Reason,
    pub(crate) agent: Option<&'a AgentRecord>,
    /// What else to keep of the agent's state dir, relative to it.
    pub(crate) agent_items: &'a [PathBuf],
    pub(crate) work_dir: &'a Path,
    /// False: the work dir stays where it is.
    pub(crate) takes_work_dir: bool,
    /// The repository of the worktree as recorded, for one whose directory has gone.
    pub(crate) common_dir: Option<&'a Path>,
    pub(crate) created_branch: Option<&'a str>,
    /// Make no entry when git has everything anyway, `HEAD` being at this commit if one is given.
    pub(crate) unless_expendable: Option<Option<&'a str>>,
}

/// Keeps everything that the removal would lose. When this returns, the entry is complete and on disk.
/// `None`: there was nothing to keep.
///
/// # Errors
/// The entry could not be made: then nothing may be removed.
pub(crate) async fn keep(
    host: &Host,
    lock: &HostLock,
    request: &KeepRequest<'_>,
) -> Result<Option<Manifest>> {
    let earlier = earlier(host, request).await?;
    let is_there = host.transport.stat(request.work_dir).await?.is_some();
    let sight = if request.takes_work_dir || !is_there { look(host, request).await? } else { Sight::Stays };
    if let (Sight::Missing, Some(earlier)) = (&sight, &earlier)
        && earlier.work_dir.as_ref().is_some_and(|kept| kept.kind != WorkDirKind::Stays)
    {
        // An attempt that was cut short after the work dir went: its entry has the files.
        return Ok(Some(earlier.clone()));
    }
    if let (Some(commit), Sight::Worktree(view)) = (request.unless_expendable, &sight)
        && view.is_expendable()
        && commit.is_none_or(|commit| view.head() == Some(commit))
    {
        return Ok(None);
    }
    let mut manifest = open(host, lock, request, &sight).await?;
    fault::point("destroy.keeping");
    let kept = fill(host, &mut manifest, request, sight, earlier.as_ref()).await;
    if let Err(error) = kept {
        // The copies are of no use without the rest; the work dir is where it was.
        if let Err(trouble) = expire::drop_entry(host, lock, &mut manifest).await {
            tracing::warn!(%trouble, id = %manifest.id, "unfinished undo entry stays");
        }
        return Err(error);
    }
    manifest.state = State::Kept;
    manifest.write(host, lock).await?;
    fault::point("destroy.kept");
    if let Some(mut earlier) = earlier
        && expire::is_superseded(host, &earlier).await?
    {
        expire::drop_entry(host, lock, &mut earlier).await?;
    }
    Ok(Some(manifest))
}

/// What is at the work dir's place.
enum Sight {
    Stays,
    Missing,
    /// A worktree of a repository that outlives it.
    Worktree(Box<View>),
    /// No repository, one of its own, or one that cannot be read.
    Whole {
        note: Option<String>,
    },
}

async fn look(host: &Host, request: &KeepRequest<'_>) -> Result<Sight> {
    let transport = host.transport.as_ref();
    let path = request.work_dir;
    match transport.stat(path).await?.map(|stat| stat.kind) {
        None => return Ok(Sight::Missing),
        Some(FileKind::Directory) => {}
        Some(_) => return Err(cannot_keep(path, "it is no directory")),
    }
    let link = transport.stat(&path.join(".git")).await?;
    if link.is_none_or(|link| link.kind != FileKind::File) {
        return Ok(Sight::Whole { note: None });
    }
    let view = async {
        let repo = git::inspect(transport, path).await?;
        let repo = match repo {
            Some(repo) if is_outlived(host, &repo, path).await? => Some(repo),
            _ => None,
        };
        let repo = repo.ok_or_else(|| cannot_keep(path, "its `.git` file leads to no other repository"))?;
        View::of(host, repo, request.created_branch).await
    };
    match view.await {
        Ok(view) => Ok(Sight::Worktree(Box::new(view))),
        Err(error) => Ok(Sight::Whole { note: Some(error.to_string()) }),
    }
}

/// Whether the repository stays when the work dir goes.
async fn is_outlived(host: &Host, repo: &RepoInfo, path: &Path) -> Result<bool> {
    let path = physical(host, path).await?;
    Ok(repo.is_linked_worktree && repo.top_level == path && !repo.common_dir.starts_with(path))
}

/// A path as git knows it: without symlinks, also when the last component is not there.
///
/// # Errors
/// Another host does not answer.
pub(super) async fn physical(host: &Host, path: &Path) -> Result<PathBuf> {
    if host.is_local() { Ok(physical_here(path)) } else { far::physical(host, path).await }
}

fn physical_here(path: &Path) -> PathBuf {
    if let Ok(path) = fs::canonicalize(path) {
        return path;
    }
    match (path.parent().map(fs::canonicalize), path.file_name()) {
        (Some(Ok(parent)), Some(name)) => parent.join(name),
        _ => path.to_path_buf(),
    }
}

pub(super) fn cannot_keep(path: &Path, why: impl Into<String>) -> crate::model::error::Error {
    RescueError::CannotKeep { path: path.to_path_buf(), why: why.into() }.into()
}

/// Makes the entry's directory and says in it what is going on.
async fn open(host: &Host, lock: &HostLock, request: &KeepRequest<'_>, sight: &Sight) -> Result<Manifest> {
    let mut manifest = Manifest::new(host, request.reason);
    while host.transport.stat(&manifest.dir(host)).await?.is_some() {
        manifest = Manifest::new(host, request.reason);
    }
    let found = match sight {
        Sight::Worktree(view) => Some(view.common_dir().to_path_buf()),
        // Trouble with git is the business of the steps that need it.
        Sight::Whole { note: Some(_) } => {
            let repo = git::inspect(host.transport.as_ref(), request.work_dir).await.ok().flatten();
            repo.filter(|repo| repo.is_linked_worktree).map(|repo| repo.common_dir)
        }
        _ => None,
    };
    manifest.repository = found.or_else(|| request.common_dir.map(Path::to_path_buf));
    manifest.write(host, lock).await?;
    Ok(manifest)
}

async fn fill(
    host: &Host,
    manifest: &mut Manifest,
    request: &KeepRequest<'_>,
    sight: Sight,
    earlier: Option<&Manifest>,
) -> Result<()> {
    let mut work_dir = KeptWorkDir {
        path: request.work_dir.to_path_buf(),
        kind: WorkDirKind::Stays,
        shelf: manifest.dir(host),
        git: None,
        nested: Vec::new(),
        lost: Vec::new(),
        changed_files: 0,
        note: None,
    };
    match sight {
        Sight::Stays => {}
        Sight::Missing => {
            work_dir.kind = WorkDirKind::Missing;
            work_dir.git = keep_tips(host, manifest, request).await?;
        }
        Sight::Whole { note } => {
            work_dir.kind = WorkDirKind::Moved;
            work_dir.note = note;
        }
        Sight::Worktree(view) => match view.capture(host, manifest).await {
            Ok(captured) => {
                work_dir.kind = WorkDirKind::Worktree;
                work_dir.git = Some(captured.git);
                work_dir.nested = captured.nested;
                work_dir.lost = captured.lost;
                work_dir.changed_files = captured.changed_files;
            }
            // A rename needs no space, no git and no readable files.
            Err(error) => {
                work_dir.kind = WorkDirKind::Moved;
                work_dir.note = Some(error.to_string());
            }
        },
    }
    if matches!(work_dir.kind, WorkDirKind::Moved | WorkDirKind::Worktree) {
        work_dir.shelf = shelf(host, manifest, request.work_dir).await?;
    }
    manifest.work_dir = Some(work_dir);
    if let Some(record) = request.agent {
        manifest.agent = Some(agent::keep(host, manifest, record, request.agent_items).await?);
        fault::point("destroy.agent_kept");
        if let Some(earlier) = earlier {
            agent::merge(host, earlier, manifest).await?;
        }
    }
    Ok(())
}

/// A directory on the work dir's own file system, so that one rename takes it away.
async fn shelf(host: &Host, manifest: &Manifest, work_dir: &Path) -> Result<PathBuf> {
    let dir = manifest.dir(host);
    let is_one_device = if host.is_local() {
        let device = |path: &Path| fs::symlink_metadata(path).map(|meta| meta.dev()).ok();
        device(work_dir) == device(&dir)
    } else {
        far::is_one_device(host, work_dir, &dir).await?
    };
    Ok(match work_dir.parent() {
        Some(parent) if !is_one_device => parent.join(format!(".mng-undo-{}", manifest.id)),
        _ => dir,
    })
}

/// For a worktree whose directory has gone: what its entry in the repository and the agent's branch have.
async fn keep_tips(
    host: &Host,
    manifest: &mut Manifest,
    request: &KeepRequest<'_>,
) -> Result<Option<KeptGit>> {
    let transport = host.transport.as_ref();
    let Some(common_dir) = manifest.repository.clone() else { return Ok(None) };
    if transport.stat(&common_dir).await?.is_none() {
        return Ok(None);
    }
    let repo = Git::in_git_dir(transport, &common_dir)?;
    let mut created = None;
    if let Some(branch) = request.created_branch {
        created = git::branch_tip(&repo, branch).await?.map(|tip| (branch.to_owned(), tip));
    }
    let (mut head, mut branch) = (None, None);
    if let Some(admin) = admin_of(host, &common_dir, request.work_dir).await? {
        let own = Git::in_git_dir(transport, &admin)?;
        head = git::commits_of(&own, &["HEAD"]).await?.pop().flatten();
        if let Some(bytes) = transport.read(&admin.join("HEAD")).await?
            && let Some(name) = String::from_utf8_lossy(&bytes).trim().strip_prefix("ref: refs/heads/")
        {
            branch = Some(name.to_owned());
        }
    }
    let head = head.or_else(|| created.as_ref().map(|(_, tip)| tip.clone()));
    let Some(head) = head else { return Ok(None) };
    let message = format!("mng: rescue {}", manifest.id);
    let mut args = vec!["commit-tree".to_owned(), format!("{head}^{{tree}}"), "-m".into(), message];
    args.extend(["-p".into(), head.clone()]);
    if let Some((_, tip)) = created.as_ref().filter(|(_, tip)| *tip != head) {
        args.extend(["-p".into(), tip.clone()]);
    }
    let output = repo.check(repo.command(args).envs(identity())).await?;
    let commit = output.stdout_text().trim().to_owned();
    refer(host, &common_dir, manifest, &commit).await?;
    fault::point("destroy.rescue_ref");
    let created_name = created.as_ref().map(|(name, _)| name.clone());
    Ok(Some(KeptGit {
        common_dir,
        head: Some(head),
        branch: branch.or_else(|| created_name.clone()),
        created_branch: created_name,
        created_branch_tip: created.map(|(_, tip)| tip),
        commit,
        index_commit: None,
        sparse: None,
        in_progress: Vec::new(),
    }))
}

/// The entry of a work tree in its repository (`worktrees/<name>`), whether or not the tree is there.
pub(crate) async fn admin_of(host: &Host, common_dir: &Path, work_dir: &Path) -> Result<Option<PathBuf>> {
    let work_dir = physical(host, work_dir).await?;
    if !host.is_local() {
        let mut known = far::worktrees(host, common_dir).await?;
        return Ok(known.extract_if(.., |(_, place)| *place == work_dir).next().map(|(admin, _)| admin));
    }
    let all = common_dir.join("worktrees");
    for name in host.transport.list_dir(&all).await? {
        let admin = all.join(name);
        // What is written there may have been physical once and be reached over a symlink now.
        if nested::place_of(host, &admin).await?.is_some_and(|place| physical_here(&place) == work_dir) {
            return Ok(Some(admin));
        }
    }
    Ok(None)
}

/// An entry of the same agent that was never restored: left by a removal that did not come to its end.
async fn earlier(host: &Host, request: &KeepRequest<'_>) -> Result<Option<Manifest>> {
    let Some(agent) = request.agent else { return Ok(None) };
    let entries = manifest::list(host).await?;
    Ok(entries.into_iter().find(|entry| {
        entry.restored.is_empty()
            && entry.reason != Reason::Update
            && entry.agent.as_ref().is_some_and(|kept| kept.record.id == agent.id)
    }))
}
