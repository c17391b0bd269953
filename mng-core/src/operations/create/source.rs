//! Where the files of a new agent come from.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::request::{CreateRequest, TransferChoice};
use super::target;
use crate::hosts::Host;
use crate::hosts::git::{self, Git, RepoInfo, Status};
use crate::model::address::SourceAddress;
use crate::model::cancel::Cancel;
use crate::model::error::{Error, ErrorClass, Result};
use crate::model::event::Events;
use crate::model::ids::random_hex;
use crate::model::record::{AgentRecord, TransferMode};
use crate::operations::resolve::{self, ResolvedAgent};
use crate::plugins::Ctx;
use crate::transports::{ExecRequest, FileKind};

/// Longest that cloning a git URL may take.
const CLONE: Duration = Duration::from_secs(600);

/// A directory with the files, and what is known about it. Everything was only read, but for a git URL,
/// which was cloned.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) host: Host,
    /// Absolute, symlinks resolved.
    pub(super) dir: PathBuf,
    /// The repository around it.
    pub(super) repo: Option<RepoInfo>,
    /// What was seen on the way.
    pub(super) early: Early,
    /// The agent that works there, if that is how the source was named.
    pub(super) agent: Option<AgentRecord>,
    pub(super) clone: Option<PendingClone>,
}

/// What a create needs most of the time, where it is known already.
#[derive(Debug, Default)]
pub(super) struct Early {
    pub(super) status: Option<Status>,
    /// URL of the remote `origin`, if there is one.
    pub(super) origin: Option<Option<String>>,
}

impl Source {
    /// The directory that a transfer starts at: git knows only whole work trees.
    pub(super) fn root(&self, mode: TransferMode) -> &Path {
        match (mode, &self.repo) {
            (TransferMode::GitMirror | TransferMode::GitWorktree, Some(repo)) => &repo.top_level,
            _ => &self.dir,
        }
    }

    /// Whether the directory carries a repository of its own.
    pub(super) fn is_repo_root(&self) -> bool {
        self.repo.as_ref().is_some_and(|repo| repo.top_level == self.dir)
    }
}

/// A clone that nobody owns yet: it lies in `H/tmp` until the create that needs it holds the host's lock.
#[derive(Debug)]
pub(super) struct PendingClone {
    /// Where it is now.
    pub(super) staged: PathBuf,
    /// Where it will be.
    pub(super) place: PathBuf,
}

/// The agent that the source address names, if it names one.
///
/// # Errors
/// There is no such agent, or several.
pub(super) async fn agent(ctx: &Ctx, request: &CreateRequest) -> Result<Option<ResolvedAgent>> {
    match &request.source {
        Some(SourceAddress::Agent { address, .. }) => resolve::one(ctx, address).await.map(Some),
        _ => Ok(None),
    }
}

/// Finds the source; `agent` is what [`agent`](agent()) found. Undoes its own clone when it fails; later
/// failures are the caller's.
///
/// # Errors
/// There is no such agent, host, directory or repository, or git failed.
pub(super) async fn resolve(
    ctx: &Ctx,
    request: &CreateRequest,
    agent: Option<ResolvedAgent>,
    target: &Host,
    events: &Events,
    cancel: &Cancel,
) -> Result<Source> {
    match &request.source {
        None => here(ctx, request).await,
        Some(SourceAddress::Path(path)) => {
            let host = ctx.local_host().await?;
            look(host, &local_path(ctx, &request.cwd, path), None).await
        }
        Some(SourceAddress::Agent { address, path }) => {
            let found = match agent {
                Some(found) => found,
                None => resolve::one(ctx, address).await?,
            };
            let dir = match path {
                None => found.record.work_dir.clone(),
                Some(path) => found.record.work_dir.join(path),
            };
            look(found.host, &dir, Some(found.record)).await
        }
        Some(SourceAddress::Host { address, path }) => {
            let host = target::open(ctx, address, request.auto_start, events).await?;
            let dir = if host.is_local() { local_path(ctx, &request.cwd, path) } else { path.into() };
            look(host, &dir, None).await
        }
        Some(SourceAddress::GitUrl(url)) => clone(request, url, target, events, cancel).await,
    }
}

/// The repository around the working directory.
async fn here(ctx: &Ctx, request: &CreateRequest) -> Result<Source> {
    let host = ctx.local_host().await?;
    let transport = host.transport.as_ref();
    if needs_status(request)
        && let Some(seen) = git::glance(transport, &request.cwd).await?
    {
        let early = Early { status: Some(seen.status), origin: seen.has_no_remote.then_some(None) };
        let dir = seen.repo.top_level.clone();
        return Ok(Source { host, dir, repo: Some(seen.repo), early, agent: None, clone: None });
    }
    let Some(repo) = git::inspect(transport, &request.cwd).await? else {
        return Err(Error::hinted(
            ErrorClass::UserInput,
            format!("`{}` is not in a git repository", request.cwd.display()),
            "say where the files are: `--from PATH`, `--from AGENT`, or `--from .` for this directory",
        ));
    };
    let (dir, early) = (repo.top_level.clone(), Early::default());
    Ok(Source { host, dir, repo: Some(repo), early, agent: None, clone: None })
}

/// Where on this machine things rest that go from one host to another.
///
/// # Errors
/// The local host cannot be opened.
pub(super) async fn transit(ctx: &Ctx, source: &Host, target: &Host) -> Result<PathBuf> {
    if source.info.id == target.info.id {
        return Ok(target.layout.tmp());
    }
    Ok(ctx.local_host().await?.layout.tmp())
}

/// Whether the source has to be clean, as far as the request alone tells.
fn needs_status(request: &CreateRequest) -> bool {
    let options = &request.transfer;
    let may_use_git =
        !matches!(options.choice, TransferChoice::Mode(TransferMode::None | TransferMode::Rsync));
    may_use_git && options.ensure_clean && options.include_git && !options.branch.has_explicit_base()
}

/// Looks at a directory that was named.
async fn look(host: Host, dir: &Path, agent: Option<AgentRecord>) -> Result<Source> {
    let dir = match host.is_local() {
        true => canonical(dir, agent.as_ref())?,
        false => far_path(&host, dir).await?,
    };
    let stat = host.transport.stat(&dir).await?;
    if stat.is_none_or(|stat| stat.kind != FileKind::Directory) {
        return Err(no_directory(&dir, agent.as_ref()));
    }
    let repo = git::inspect(host.transport.as_ref(), &dir).await?;
    Ok(Source { host, dir, repo, early: Early::default(), agent, clone: None })
}

fn canonical(dir: &Path, agent: Option<&AgentRecord>) -> Result<PathBuf> {
    match std::fs::canonicalize(dir) {
        Ok(dir) => Ok(dir),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(no_directory(&git::normal(dir), agent))
        }
        Err(error) => Err(Error::io(format!("look at `{}`", dir.display()), error)),
    }
}

/// A path of another host as a person wrote it: `~` is the home there and a relative one starts at it.
/// Symlinks are resolved as far as directories exist.
///
/// # Errors
/// The host does not answer.
pub(super) async fn far_path(host: &Host, path: &Path) -> Result<PathBuf> {
    const SCRIPT: &str = r#"
unset CDPATH
case $1 in
/*) path=$1 ;;
'~') path=$HOME ;;
'~/'*) path=$HOME/${1#'~/'} ;;
*) path=$HOME/$1 ;;
esac
rest=
while [ ! -d "$path" ] && [ "$path" != / ] && [ -n "$path" ]; do
    path=${path%/}
    rest=/${path##*/}$rest
    path=${path%/*}
done
real=$(cd -- "${path:-/}" && pwd -P) || exit
printf '%s' "${real%/}$rest"
"#;
    let request = ExecRequest::sh(SCRIPT, [git::word(path)?]).idempotent();
    let text = host.transport.exec(request).await?.check("pwd -P")?.stdout_text();
    let dir = git::normal(Path::new(&text));
    Ok(if dir.as_os_str().is_empty() { PathBuf::from("/") } else { dir })
}

fn no_directory(dir: &Path, agent: Option<&AgentRecord>) -> Error {
    match agent {
        Some(agent) => Error::input(
            format!("the work dir `{}` of agent `{}` is no directory", dir.display(), agent.name),
            "give another path in it, or another source",
        ),
        None => Error::input(
            format!("the source `{}` is no directory", dir.display()),
            "a bare word means an agent, a path starts with `./`, `/` or `~`",
        ),
    }
}

/// Clones a URL to where no other mng looks, until the create is sure to need it.
async fn clone(
    request: &CreateRequest,
    url: &str,
    target: &Host,
    events: &Events,
    cancel: &Cancel,
) -> Result<Source> {
    // With the network and the credentials of the host that needs it, and without a detour.
    let host = target.clone();
    let hint = match &request.address.name {
        Some(name) => name.to_string(),
        None => git::project_of_url(url).filter(|name| is_plain(name)).unwrap_or_else(|| "agent".into()),
    };
    let place = host.layout.clones().join(format!("{hint}-{}", random_hex()));
    let staged = host.layout.tmp().join(format!("clone-{}", random_hex()));
    host.transport.create_dir(&host.layout.tmp()).await?;
    events.info(format!("Cloning {}...", git::without_userinfo(url)));
    let cloned = async {
        let git = Git::at(host.transport.as_ref(), &host.layout.tmp())?;
        let mut args = vec!["clone".to_owned(), "--quiet".into()];
        args.extend(request.transfer.clone_args.iter().cloned());
        args.extend(["--".into(), url.to_owned(), git::word(&staged)?]);
        let command = git.command(args).timeout(Some(CLONE));
        cancel.race(git.check(command)).await?;
        let repo = git::inspect(host.transport.as_ref(), &staged).await?;
        repo.ok_or_else(|| Error::plain(ErrorClass::Git, format!("`{url}` was cloned, but to no repository")))
    };
    match cloned.await {
        Ok(repo) => Ok(Source {
            dir: staged.clone(),
            repo: Some(repo),
            early: Early::default(),
            agent: None,
            clone: Some(PendingClone { staged, place }),
            host,
        }),
        Err(error) => {
            let _ = host.transport.remove_tree(&staged).await;
            Err(error)
        }
    }
}

/// Removes a clone that will not be used.
pub(super) async fn discard(source: &Source) {
    if let Some(clone) = &source.clone {
        let _ = source.host.transport.remove_tree(&clone.staged).await;
    }
}

fn is_plain(name: &str) -> bool {
    name.parse::<crate::model::names::AgentName>().is_ok()
}

/// A path of this machine as a person wrote it: `~` is their home, a relative one starts at `cwd`.
pub(crate) fn local_path(ctx: &Ctx, cwd: &Path, path: &str) -> PathBuf {
    match (path.strip_prefix('~'), ctx.env.get_non_empty("HOME")) {
        (Some(""), Some(home)) => PathBuf::from(home),
        (Some(rest), Some(home)) if rest.starts_with('/') => Path::new(home).join(&rest[1..]),
        _ => cwd.join(path),
    }
}

/// A source must be able to hold the copy: one that contains the state dir would be copied into itself, and
/// one inside it, but for the directories that agents work in, is nobody's project.
///
/// # Errors
/// It is or contains the state dir, or lies in it.
pub(super) fn guard(source: &Source, mode: TransferMode) -> Result<()> {
    if !source.host.is_local() {
        return Ok(());
    }
    let layout = &source.host.layout;
    let state = std::fs::canonicalize(layout.root()).unwrap_or_else(|_| layout.root().to_path_buf());
    check_containment(source.root(mode), &state, mode, source.clone.is_some())
}

fn check_containment(dir: &Path, state: &Path, mode: TransferMode, is_own_clone: bool) -> Result<()> {
    let (shown, state_shown) = (dir.display(), state.display());
    if state.starts_with(dir) && mode != TransferMode::None {
        return Err(Error::input(
            format!(
                "the source `{shown}` contains mng's own state (`{state_shown}`): the copy would contain itself"
            ),
            "give a directory below it with `--from`, work in it with `--transfer none`, or move the state with \
             MNG_HOST_DIR",
        ));
    }
    let Ok(inner) = dir.strip_prefix(state) else { return Ok(()) };
    let mut parts = inner.components();
    let first = parts.next().map(|part| part.as_os_str().to_string_lossy().into_owned());
    let is_work_dir = matches!(first.as_deref(), Some("worktrees" | "copies" | "projects" | "clones"))
        && parts.next().is_some();
    if is_work_dir || is_own_clone {
        return Ok(());
    }
    Err(Error::input(
        format!("the source `{shown}` lies in mng's own state (`{state_shown}`)"),
        "give the directory of a project with `--from`",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(dir: &str, mode: TransferMode) -> Option<String> {
        check_containment(Path::new(dir), Path::new("/home/p/.mng"), mode, false).err().map(|e| e.to_string())
    }

    #[test]
    fn a_source_never_contains_the_state_nor_is_it() {
        for dir in ["/", "/home/p", "/home/p/.mng"] {
            assert!(verdict(dir, TransferMode::Rsync).unwrap().contains("contains mng's own state"), "{dir}");
        }
        assert_eq!(verdict("/home/p", TransferMode::None), None);
        assert_eq!(verdict("/home/p/.mngx", TransferMode::GitWorktree), None);
    }

    #[test]
    fn inside_the_state_only_work_dirs_are_sources() {
        for dir in ["/home/p/.mng/worktrees/a-1", "/home/p/.mng/clones/x/sub"] {
            assert_eq!(verdict(dir, TransferMode::GitWorktree), None, "{dir}");
        }
        for dir in ["/home/p/.mng/worktrees", "/home/p/.mng/agents/agent-1", "/home/p/.mng/tmp/x"] {
            assert!(verdict(dir, TransferMode::None).unwrap().contains("lies in mng's own state"), "{dir}");
        }
    }

    #[test]
    fn paths_of_another_host_start_at_its_home() {
        use crate::agents::testing::{PrivateHost, block};
        let far = PrivateHost::far();
        let home = far.path("home").canonicalize().unwrap();
        std::fs::create_dir(home.join("a b")).unwrap();
        std::os::unix::fs::symlink("a b", home.join("link")).unwrap();
        let path = |text: &str| block(far_path(&far.host, Path::new(text))).unwrap();
        assert_eq!(path("~"), home);
        assert_eq!(path("~/link/new/x"), home.join("a b/new/x"));
        assert_eq!(path("link"), home.join("a b"));
        assert_eq!(path("/"), Path::new("/"));
        assert_eq!(path("/nowhere/./at/../all"), Path::new("/nowhere/all"));
    }
}
