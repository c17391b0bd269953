//! Whether the person has consented that codex works on a directory.

use std::fs;
use std::path::{Path, PathBuf};

use mng_core::agents::types::TypeSite;
use mng_core::{Error, Result};

use crate::config::Config;
use crate::user_config::{UserHome, is_trusted};

/// Makes sure of the consent for the directory that the work comes from.
///
/// # Errors
/// There is none and nobody to ask, or the person declines, or the person's own configuration is malformed.
pub(crate) async fn ensure(config: &Config, site: &TypeSite<'_>) -> Result<()> {
    let Some(home) = UserHome::of(site.caller) else { return Ok(()) };
    let user = home.config()?;
    let source = canonical(site.source);
    let root = repository_of(&source);
    let known = [Some(&source), root.as_ref()];
    if known.into_iter().flatten().any(|dir| is_trusted(&user, dir)) {
        return Ok(());
    }
    // Other hosts are the person's machines too, and nobody sits in front of them.
    if config.dismisses_dialogs() || !site.host.is_local() {
        return Ok(());
    }
    let dir = root.as_ref().unwrap_or(&source);
    if site.is_yes {
        return home.trust(dir);
    }
    let refused = || {
        Error::input(
            format!("codex has not been told to trust `{}`", dir.display()),
            "agree with `--yes`, or set `agent_types.codex.auto_dismiss_dialogs = true`",
        )
    };
    if !site.caller.is_interactive {
        return Err(refused());
    }
    let question =
        format!("Codex may read, change and run what lies in {}. Do you trust its contents?", dir.display());
    match site.events.confirm(question, false).await {
        Some(true) => home.trust(dir),
        _ => Err(refused()),
    }
}

pub(crate) fn canonical(dir: &Path) -> PathBuf {
    fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned())
}

/// The repository that a directory belongs to; for a worktree the one that it was made from. Codex asks for
/// the trust of that one.
fn repository_of(dir: &Path) -> Option<PathBuf> {
    let top = dir.ancestors().find(|dir| dir.join(".git").exists())?;
    let mark = top.join(".git");
    if mark.is_dir() {
        return Some(top.to_owned());
    }
    // `gitdir: REPO/.git/worktrees/NAME`
    let text = fs::read_to_string(&mark).ok()?;
    let git_dir = top.join(text.trim().strip_prefix("gitdir:")?.trim());
    let worktrees = git_dir.parent().filter(|dir| dir.ends_with("worktrees"));
    let main = worktrees.and_then(Path::parent).filter(|dir| dir.ends_with(".git")).and_then(Path::parent);
    Some(main.map_or_else(|| top.to_owned(), canonical))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worktree_belongs_to_its_repository() {
        let dir = tempfile::tempdir().unwrap();
        let base = canonical(dir.path());
        let (repo, tree, module) = (base.join("repo"), base.join("tree"), base.join("module"));
        for dir in [repo.join(".git/worktrees/t"), repo.join("src/deep"), tree.join("sub"), module.clone()] {
            fs::create_dir_all(dir).unwrap();
        }
        assert_eq!(repository_of(&repo.join("src/deep")), Some(repo.clone()));
        fs::write(tree.join(".git"), format!("gitdir: {}\n", repo.join(".git/worktrees/t").display()))
            .unwrap();
        assert_eq!(repository_of(&tree.join("sub")), Some(repo.clone()));
        fs::write(module.join(".git"), "gitdir: ../repo/.git/modules/m\n").unwrap();
        assert_eq!(repository_of(&module), Some(module.clone()), "a submodule is its own");
        fs::write(module.join(".git"), "garbage").unwrap();
        assert_eq!(repository_of(&module), None);
    }
}
