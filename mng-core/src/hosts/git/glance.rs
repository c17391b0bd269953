//! The usual repository, looked at with one run of git instead of three.

use std::path::{Path, PathBuf};

use super::{Git, RepoInfo, Status, StatusRequest, status};
use crate::model::error::Result;
use crate::transports::{FileKind, Transport};

/// What a glance saw.
#[derive(Clone, Debug)]
pub struct Glance {
    pub repo: RepoInfo,
    pub status: Status,
    /// Nothing in the repository's own configuration can name a remote.
    pub has_no_remote: bool,
}

/// Looks at the repository around a directory of this machine with one `git status`. `None` where it is any
/// but the usual one, and where git complains: [`super::inspect`] then finds out what is the matter.
///
/// The usual one is what `git init` and `git clone` make: `.git` is a directory, and its configuration
/// neither moves the work tree nor includes other files. That git agrees is seen from its status, which it
/// refuses for what is no work tree, damaged or not to be trusted.
///
/// # Errors
/// A file cannot be looked at.
pub async fn glance(transport: &dyn Transport, dir: &Path) -> Result<Option<Glance>> {
    if !transport.is_local() {
        return Ok(None);
    }
    let Ok(dir) = std::fs::canonicalize(dir) else { return Ok(None) };
    let Some(top_level) = top_level(transport, &dir).await? else { return Ok(None) };
    let git_dir = top_level.join(".git");
    let Some(config) = transport.read(&git_dir.join("config")).await? else { return Ok(None) };
    let config = String::from_utf8_lossy(&config).to_ascii_lowercase();
    if config.contains("worktree") || config.contains("include") {
        return Ok(None);
    }
    let Ok(status) = status(&Git::at(transport, &dir)?, StatusRequest::default()).await else {
        return Ok(None);
    };
    // An unborn branch is rare and needs another question.
    let Some(head) = status.head.clone() else { return Ok(None) };
    let repo = RepoInfo {
        git_dir: git_dir.clone(),
        common_dir: git_dir,
        head_commit: Some(head),
        branch: status.branch.clone(),
        has_commits: true,
        is_linked_worktree: false,
        top_level,
    };
    Ok(Some(Glance { repo, status, has_no_remote: !config.contains("remote") }))
}

/// The nearest ancestor with a `.git`, if that is a directory.
async fn top_level(transport: &dyn Transport, dir: &Path) -> Result<Option<PathBuf>> {
    for place in dir.ancestors() {
        match transport.stat(&place.join(".git")).await? {
            None => {}
            Some(stat) if stat.kind == FileKind::Directory => return Ok(Some(place.to_path_buf())),
            Some(_) => return Ok(None),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::super::inspect;
    use super::super::testing::{TestRepo, block};
    use super::*;
    use crate::transports::LocalTransport;

    fn look(dir: &Path) -> Option<Glance> {
        block(glance(&LocalTransport, dir)).unwrap()
    }

    #[test]
    fn it_agrees_with_the_thorough_look() {
        let repo = TestRepo::new();
        repo.commit("a", "1");
        repo.write("d/e/new", "x");
        for dir in [repo.root().to_path_buf(), repo.path("d/e")] {
            let seen = look(&dir).unwrap();
            assert_eq!(Some(seen.repo), block(inspect(&LocalTransport, &dir)).unwrap());
            assert_eq!(seen.status.entries.len(), 1);
            assert!(seen.has_no_remote);
        }
        repo.git("checkout -q --detach");
        assert_eq!(look(repo.root()).unwrap().repo.branch, None);
        repo.git("remote add origin https://example.com/x.git");
        assert!(!look(repo.root()).unwrap().has_no_remote);
    }

    #[test]
    fn what_is_not_usual_is_left_to_git() {
        let repo = TestRepo::new();
        assert!(look(repo.root()).is_none(), "no commit yet");
        repo.commit("a", "1");
        assert!(look(&repo.path(".git")).is_none(), "no work tree");
        assert!(look(&repo.beside("nowhere")).is_none());
        assert!(look(repo.root().parent().unwrap()).is_none());
        let linked = repo.beside("linked");
        repo.git_args(&["worktree", "add", "-q", linked.to_str().unwrap()]);
        assert!(look(&linked).is_none());
        repo.git("config core.worktree ..");
        assert!(look(repo.root()).is_none());
    }
}
