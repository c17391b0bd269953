//! Branches and commits by name.

use std::path::Path;

use super::{Git, GitError};
use crate::model::error::Result;
use crate::transports::Transport;

/// The names of the local branches, sorted.
///
/// # Errors
/// git fails.
pub async fn branches(git: &Git<'_>) -> Result<Vec<String>> {
    let text = git.text(["for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads"]).await?;
    Ok(text.lines().map(str::to_owned).collect())
}

/// Whether a local branch of that name exists: two looks at files, a run of git only where references live
/// in tables. `common_dir` is [`super::RepoInfo::common_dir`].
///
/// # Errors
/// The repository cannot be read.
pub async fn branch_exists(transport: &dyn Transport, common_dir: &Path, branch: &str) -> Result<bool> {
    let full = format!("refs/heads/{branch}");
    if transport.stat(&common_dir.join("reftable")).await?.is_some() {
        return Ok(branch_tip(&Git::in_git_dir(transport, common_dir)?, branch).await?.is_some());
    }
    let loose = transport.stat(&common_dir.join(&full)).await?;
    if loose.is_some_and(|stat| stat.kind != crate::transports::FileKind::Directory) {
        return Ok(true);
    }
    let packed = transport.read(&common_dir.join("packed-refs")).await?.unwrap_or_default();
    Ok(packed
        .split(|&byte| byte == b'\n')
        .any(|line| line.strip_suffix(full.as_bytes()).is_some_and(is_oid_and_space)))
}

fn is_oid_and_space(bytes: &[u8]) -> bool {
    bytes.strip_suffix(b" ").is_some_and(|oid| oid.len() >= 40 && oid.iter().all(u8::is_ascii_hexdigit))
}

/// The commit at the tip of a local branch; `None` if there is no such branch.
///
/// # Errors
/// git fails.
pub async fn branch_tip(git: &Git<'_>, branch: &str) -> Result<Option<String>> {
    Ok(commits_of(git, &[format!("refs/heads/{branch}")]).await?.pop().flatten())
}

/// The commits that names stand for, in their order, with one run of git; `None` for what names none.
///
/// # Errors
/// git fails.
pub async fn commits_of<S: AsRef<str>>(git: &Git<'_>, names: &[S]) -> Result<Vec<Option<String>>> {
    let mut input = String::new();
    for name in names {
        // A line break would shift all answers; no revision has one.
        let name = name.as_ref().split('\n').next().unwrap_or_default();
        input.push_str(name);
        input.push_str("^{commit}\n");
    }
    let request = git.command(["cat-file", "--batch-check=%(objectname) %(objecttype)"]).stdin(input);
    let text = git.check(request.idempotent()).await?.stdout_text();
    let mut commits: Vec<Option<String>> =
        text.lines().map(|line| line.strip_suffix(" commit").map(str::to_owned)).collect();
    commits.resize(names.len(), None);
    Ok(commits)
}

/// The commit that a branch, tag or commit name stands for. A branch wins over a tag of the same name, as
/// it does in `git checkout`.
///
/// # Errors
/// [`GitError::UnknownRevision`] when it stands for none.
pub async fn resolve_commit(git: &Git<'_>, rev: &str) -> Result<String> {
    let found = commits_of(git, &[format!("refs/heads/{rev}"), rev.to_owned()]).await?;
    found.into_iter().flatten().next().ok_or_else(|| {
        GitError::UnknownRevision { place: git.place().to_path_buf(), rev: rev.to_owned() }.into()
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{TestRepo, block};
    use super::*;
    use crate::transports::LocalTransport;

    #[test]
    fn names_resolve_branches_first() {
        let repo = TestRepo::new();
        let first = repo.commit("a", "1");
        let second = repo.commit("a", "2");
        repo.git("branch old HEAD~1");
        repo.git("tag old HEAD");
        repo.git_args(&["tag", "-m", "note", "v1", "HEAD"]);
        let git = Git::at(&LocalTransport, repo.root()).unwrap();
        assert_eq!(block(resolve_commit(&git, "old")).unwrap(), first);
        assert_eq!(block(resolve_commit(&git, "v1")).unwrap(), second);
        assert_eq!(block(resolve_commit(&git, "HEAD~1")).unwrap(), first);
        let error = block(resolve_commit(&git, "gone")).unwrap_err();
        assert!(error.to_string().contains("no branch, tag or commit `gone`"), "{error}");
        assert_eq!(
            block(commits_of(&git, &["main", "gone", "old"])).unwrap(),
            [Some(second.clone()), None, Some(second)]
        );
        assert_eq!(block(branches(&git)).unwrap(), ["main", "old"]);
    }

    #[test]
    fn branches_are_seen_loose_and_packed() {
        let repo = TestRepo::new();
        repo.commit("a", "1");
        repo.git("branch mng/a");
        let common = repo.path(".git");
        let exists = |name: &str| block(branch_exists(&LocalTransport, &common, name)).unwrap();
        assert!(exists("mng/a") && exists("main"));
        repo.git("pack-refs --all");
        assert!(!common.join("refs/heads/mng/a").exists());
        assert!(exists("mng/a") && exists("main"));
        assert!(!exists("mng") && !exists("a") && !exists("mng/ab") && !exists("heads/mng/a"));
    }
}
