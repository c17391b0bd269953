//! What a work tree has checked out, read without starting git where that is safe.

use std::path::{Path, PathBuf};

use super::Git;
use super::repo::normal;
use crate::model::error::Result;
use crate::transports::{FileKind, Transport};

/// What `HEAD` of a work tree says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Head {
    /// A branch, by its name below `refs/heads/`; it may have no commit yet.
    Branch(String),
    /// A commit.
    Detached(String),
}

impl Head {
    /// The branch, if there is one.
    #[must_use]
    pub fn branch(&self) -> Option<&str> {
        match self {
            Self::Branch(name) => Some(name),
            Self::Detached(_) => None,
        }
    }
}

/// `HEAD` of the work tree whose root is `top_level`; `None` if that is no root of a work tree.
///
/// # Errors
/// The files cannot be read.
pub async fn head(transport: &dyn Transport, top_level: &Path) -> Result<Option<Head>> {
    let Some(git_dir) = git_dir_of(transport, top_level).await? else { return Ok(None) };
    let Some(bytes) = transport.read(&git_dir.join("HEAD")).await? else { return Ok(None) };
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim_end();
    let Some(name) = text.strip_prefix("ref:") else { return Ok(Some(Head::Detached(text.to_owned()))) };
    match name.trim().strip_prefix("refs/heads/") {
        // What stands in the file when references live in tables.
        Some(".invalid") | None => by_git(transport, top_level).await.map(Some),
        Some(branch) => Ok(Some(Head::Branch(branch.to_owned()))),
    }
}

async fn by_git(transport: &dyn Transport, top_level: &Path) -> Result<Head> {
    let git = Git::at(transport, top_level)?;
    let output = git.run(git.command(["symbolic-ref", "-q", "HEAD"])).await?;
    let name = output.stdout_text();
    match name.trim_end().strip_prefix("refs/heads/") {
        Some(branch) => Ok(Head::Branch(branch.to_owned())),
        None => Ok(Head::Detached(git.text(["rev-parse", "--verify", "HEAD"]).await?)),
    }
}

/// The git directory that `.git` in a directory is or names; `None` if there is no `.git`.
pub(crate) async fn git_dir_of(transport: &dyn Transport, top_level: &Path) -> Result<Option<PathBuf>> {
    let link = top_level.join(".git");
    match transport.stat(&link).await?.map(|stat| stat.kind) {
        Some(FileKind::Directory | FileKind::Symlink) => Ok(Some(link)),
        Some(FileKind::File) => {
            let bytes = transport.read(&link).await?.unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes);
            let target = text.strip_prefix("gitdir:").map(str::trim).filter(|target| !target.is_empty());
            Ok(target.map(|target| normal(&top_level.join(target))))
        }
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{TestRepo, block};
    use super::*;
    use crate::transports::LocalTransport;

    #[test]
    fn branch_detached_and_nothing() {
        let repo = TestRepo::new();
        let commit = repo.commit("a", "1");
        let look = |path: &Path| block(head(&LocalTransport, path)).unwrap();
        assert_eq!(look(repo.root()), Some(Head::Branch("main".into())));
        let linked = repo.beside("linked");
        repo.git_args(&["worktree", "add", "-q", "--detach", linked.to_str().unwrap()]);
        assert_eq!(look(&linked), Some(Head::Detached(commit)));
        assert_eq!(look(&repo.beside("nowhere")), None);
    }

    #[test]
    fn references_in_tables_are_asked_of_git() {
        let repo = TestRepo::new();
        if !super::super::testing::git_succeeds(repo.root(), &["init", "-q", "--ref-format=reftable", "../t"])
        {
            return; // git before 2.45 has no tables.
        }
        let look = block(head(&LocalTransport, &repo.beside("t"))).unwrap();
        assert!(matches!(look, Some(Head::Branch(name)) if name == "main" || name == "master"));
    }
}
