//! What repository a directory belongs to.

use std::path::{Component, Path, PathBuf};

use super::{Git, GitError};
use crate::model::error::Result;
use crate::transports::Transport;

/// A work tree and the repository behind it. Paths are absolute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepoInfo {
    /// Root of the work tree.
    pub top_level: PathBuf,
    /// The work tree's own git directory: `.git`, or one below `worktrees/`.
    pub git_dir: PathBuf,
    /// The directory that all work trees of the repository share.
    pub common_dir: PathBuf,
    /// What `HEAD` points at; `None` on a branch that has no commit yet.
    pub head_commit: Option<String>,
    /// Name below `refs/heads/`; `None` when detached.
    pub branch: Option<String>,
    /// Whether any branch has a commit.
    pub has_commits: bool,
    /// Made by `git worktree add`, so that another directory holds the repository.
    pub is_linked_worktree: bool,
}

/// Looks at a directory with one `git rev-parse` (one more in a repository whose branch has no commit).
/// `None`: it is in no repository.
///
/// # Errors
/// Anything else than "not a repository": git missing, refused (`safe.directory`), too slow, no such
/// directory, a bare repository, a damaged one.
pub async fn inspect(transport: &dyn Transport, path: &Path) -> Result<Option<RepoInfo>> {
    let git = Git::at(transport, path)?;
    // In this order: what may fail stands behind what must not.
    let request = git.command([
        "rev-parse",
        "--git-dir",
        "--git-common-dir",
        "--show-prefix",
        "--show-toplevel",
        "HEAD",
        "--symbolic-full-name",
        "HEAD",
    ]);
    let output = git.run(request.idempotent()).await?;
    let text = output.stdout_text();
    let lines: Vec<&str> = text.split('\n').collect();
    if !output.is_success() {
        let error = GitError::of("git rev-parse", path, &output);
        if matches!(error, GitError::NotARepository { .. }) {
            return Ok(None);
        }
        let is_unborn = lines.len() >= 5 && output.stderr_text().contains("ambiguous argument 'HEAD'");
        if !is_unborn {
            return Err(error.into());
        }
    }
    let [git_dir, common_dir, prefix, top_level, ..] = lines.as_slice() else {
        return Err(GitError::of("git rev-parse", path, &output).into());
    };
    let top_level = PathBuf::from(top_level);
    let here = top_level.join(prefix);
    let git_dir = normal(&here.join(git_dir));
    let common_dir = normal(&here.join(common_dir));
    let is_linked_worktree = git_dir != common_dir;
    let (head_commit, branch, has_commits) = if output.is_success() {
        let commit = lines.get(4).map(|&line| line.to_owned());
        let branch = lines.get(5).and_then(|name| name.strip_prefix("refs/heads/")).map(str::to_owned);
        (commit, branch, true)
    } else {
        let (branch, has_commits) = unborn(&git).await?;
        (None, branch, has_commits)
    };
    Ok(Some(RepoInfo {
        top_level,
        git_dir,
        common_dir,
        head_commit,
        branch,
        has_commits,
        is_linked_worktree,
    }))
}

/// The branch that waits for its first commit, and whether other branches have some.
async fn unborn(git: &Git<'_>) -> Result<(Option<String>, bool)> {
    let name = git.text(["symbolic-ref", "-q", "HEAD"]).await?;
    let others = git.text(["for-each-ref", "--count=1", "refs/heads", "refs/remotes"]).await?;
    Ok((name.strip_prefix("refs/heads/").map(str::to_owned), !others.is_empty()))
}

/// Folds `.` and `..` away. Right for what git prints relative to the physical directory only.
pub(crate) fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::testing::{TestRepo, block};
    use super::*;
    use crate::model::error::ErrorClass;
    use crate::transports::LocalTransport;

    fn look(path: &Path) -> Result<Option<RepoInfo>> {
        block(inspect(&LocalTransport, path))
    }

    #[test]
    fn top_sub_directory_and_linked_worktree_agree() {
        let repo = TestRepo::new();
        repo.commit("a", "1");
        std::fs::create_dir_all(repo.path("d/e")).unwrap();
        let top = look(repo.root()).unwrap().unwrap();
        assert_eq!(top.top_level, repo.root());
        assert_eq!(top.common_dir, repo.path(".git"));
        assert_eq!(top.branch.as_deref(), Some("main"));
        assert_eq!(top.head_commit.as_deref(), Some(repo.git("rev-parse HEAD").as_str()));
        assert!(top.has_commits && !top.is_linked_worktree);
        assert_eq!(look(&repo.path("d/e")).unwrap().unwrap(), top);

        let linked = repo.beside("linked");
        repo.git_args(&["worktree", "add", "-q", "--detach", linked.to_str().unwrap()]);
        std::fs::create_dir_all(linked.join("x")).unwrap();
        let other = look(&linked.join("x")).unwrap().unwrap();
        assert_eq!(other.top_level, linked);
        assert_eq!(other.common_dir, top.common_dir);
        assert_eq!(other.branch, None);
        assert!(other.is_linked_worktree);
    }

    #[test]
    fn a_branch_without_commits_is_told_apart_from_a_repository_without_any() {
        let repo = TestRepo::new();
        let empty = look(repo.root()).unwrap().unwrap();
        assert_eq!(
            (empty.head_commit, empty.branch.as_deref(), empty.has_commits),
            (None, Some("main"), false)
        );
        repo.commit("a", "1");
        repo.git("checkout -q --orphan fresh");
        let orphan = look(repo.root()).unwrap().unwrap();
        assert_eq!(
            (orphan.head_commit, orphan.branch.as_deref(), orphan.has_commits),
            (None, Some("fresh"), true)
        );
    }

    #[test]
    fn only_a_plain_directory_is_no_repository() {
        let repo = TestRepo::new();
        repo.commit("a", "1");
        let plain = repo.beside("plain");
        std::fs::create_dir_all(&plain).unwrap();
        assert_eq!(look(&plain).unwrap(), None);

        assert_eq!(look(&repo.beside("nowhere")).unwrap_err().class(), ErrorClass::UserInput);

        let bare = repo.beside("bare.git");
        repo.git_args(&["clone", "-q", "--bare", ".", bare.to_str().unwrap()]);
        let error = look(&bare).unwrap_err();
        assert!(error.to_string().contains("without files of its own"), "{error}");

        // A worktree whose repository is gone is damaged, not "no repository".
        std::fs::write(plain.join(".git"), "gitdir: /nowhere/.git/worktrees/x\n").unwrap();
        assert_eq!(look(&plain).unwrap_err().class(), ErrorClass::Git);
    }

    #[test]
    fn a_file_named_head_does_not_confuse() {
        let repo = TestRepo::new();
        repo.commit("HEAD", "x");
        assert!(look(repo.root()).unwrap().unwrap().head_commit.is_some());
    }

    #[test]
    fn a_repository_of_somebody_else_is_a_refusal() {
        let output = crate::transports::ExecOutput {
            code: Some(128),
            stderr: b"fatal: detected dubious ownership in repository at '/x'\nTo add an exception..."
                .to_vec(),
            ..Default::default()
        };
        let error = GitError::of("git status", Path::new("/x y"), &output);
        assert!(matches!(error, GitError::Untrusted { .. }));
        use crate::model::error::Explain as _;
        assert_eq!(error.hint().unwrap(), "git config --global --add safe.directory '/x y'");
    }
}
