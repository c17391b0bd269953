//! Repositories inside a work dir. git sees one entry of each and none of its content, so they are moved
//! whole: clones that the agent made, worktrees that it nested, populated submodules.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::far;
use super::manifest::Nested;
use super::walk::move_tree;
use crate::hosts::Host;
use crate::hosts::git::{self, Git, git_dir_of, normal};
use crate::model::error::Result;
use crate::transports::FileKind;

/// What is nested in a worktree.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    pub(super) nested: Vec<Nested>,
    /// What worktrees of the same repository have checked out: reachable by nothing else, if detached.
    pub(super) heads: Vec<String>,
}

/// Finds them: `untracked` and `submodules` are paths as git prints them; worktrees of the same repository
/// are found also where git ignores them.
///
/// # Errors
/// The host cannot be read.
pub(super) async fn search(
    host: &Host,
    repo: &git::RepoInfo,
    untracked: &[PathBuf],
    submodules: &[PathBuf],
) -> Result<Found> {
    let transport = host.transport.as_ref();
    let mut by_path: BTreeMap<PathBuf, Option<PathBuf>> = BTreeMap::new();
    let mut heads = Vec::new();
    for path in untracked {
        by_path.insert(normal(path), None);
    }
    for path in submodules {
        let Some(git_dir) = git_dir_of(transport, &repo.top_level.join(path)).await? else { continue };
        // The git directory of a submodule lies with the worktree's own and would go with it.
        let goes_along = git_dir.starts_with(&repo.git_dir).then_some(git_dir);
        by_path.insert(normal(path), goes_along);
    }
    for (admin, place) in worktrees(host, &repo.common_dir).await? {
        let Ok(inner) = place.strip_prefix(&repo.top_level) else { continue };
        if inner.as_os_str().is_empty() || transport.stat(&place).await?.is_none() {
            continue;
        }
        by_path.entry(inner.to_path_buf()).or_default();
        let own = Git::in_git_dir(transport, &admin)?;
        heads.extend(git::commits_of(&own, &["HEAD"]).await?.into_iter().flatten());
    }
    // What lies in another nested repository moves with that one.
    let paths: Vec<PathBuf> = by_path.keys().cloned().collect();
    let is_inner = |path: &Path| paths.iter().any(|outer| path != outer && path.starts_with(outer));
    let nested = by_path
        .into_iter()
        .filter(|(path, _)| !is_inner(path))
        .map(|(path, git_dir)| Nested { path: path.into(), git_dir })
        .collect();
    Ok(Found { nested, heads })
}

/// The entries of a repository's worktrees and their places.
async fn worktrees(host: &Host, common_dir: &Path) -> Result<Vec<(PathBuf, PathBuf)>> {
    if !host.is_local() {
        return far::worktrees(host, common_dir).await;
    }
    let all = common_dir.join("worktrees");
    let mut found = Vec::new();
    for name in host.transport.list_dir(&all).await? {
        let admin = all.join(name);
        if let Some(place) = place_of(host, &admin).await? {
            found.push((admin, place));
        }
    }
    Ok(found)
}

/// The work tree that an entry of `worktrees/` in a repository stands for.
pub(crate) async fn place_of(host: &Host, admin: &Path) -> Result<Option<PathBuf>> {
    use std::os::unix::ffi::OsStringExt as _;
    let Some(mut bytes) = host.transport.read(&admin.join("gitdir")).await? else { return Ok(None) };
    while bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    let link = normal(&admin.join(PathBuf::from(std::ffi::OsString::from_vec(bytes))));
    Ok(link.parent().map(Path::to_path_buf))
}

/// Moves one repository out of a work dir that has left its place already. Again after a crash: what has
/// moved is not there any more.
///
/// # Errors
/// A rename failed.
pub(super) async fn take_out(host: &Host, nested: &Nested, moved: &Path, place: &Path) -> Result<()> {
    let from = moved.join(&nested.path);
    let transport = host.transport.as_ref();
    if transport.stat(&from).await?.is_some() && transport.stat(place).await?.is_none() {
        if let Some(parent) = place.parent() {
            transport.create_dir(parent).await?;
        }
        move_tree(host, &from, place).await?;
    }
    let Some(git_dir) = &nested.git_dir else { return Ok(()) };
    if transport.stat(git_dir).await?.is_none() {
        return Ok(());
    }
    let link = place.join(".git");
    if transport.stat(&link).await?.is_some_and(|stat| stat.kind == FileKind::File) {
        transport.remove_file(&link).await?;
    }
    move_tree(host, git_dir, &link).await?;
    // It points at the old place, where git would fail; without it the directory above is the work tree.
    let git = Git::at(transport, place.parent().unwrap_or(place))?;
    let config = git::word(&link.join("config"))?;
    git.run(git.command(["config", "--file", &config, "--unset", "core.worktree"])).await?;
    Ok(())
}
