//! Setting changes aside in the stash of a repository. The stash is shared by all its work trees, so an entry
//! is known by its object id, never as "the top one".

use std::path::{Path, PathBuf};

use super::SyncError;
use super::error::apply_command;
use super::paths::{from_nul, to_nul};
use crate::hosts::git::{Git, GitError, TRANSFER};
use crate::model::error::Result;
use crate::model::event::Events;
use crate::storage::fault;

/// The first word of an entry's message; older programs left entries of that name.
const MESSAGE: &str = "mng-sync-stash";

/// Sets aside all that is uncommitted, or these paths only. `None`: there was nothing.
///
/// # Errors
/// git refuses, as it does before the first commit.
pub(super) async fn push(git: &Git<'_>, why: &str, paths: Option<&[PathBuf]>) -> Result<Option<String>> {
    let before = tip(git).await?;
    let message = format!("{MESSAGE}: {why}");
    let mut args = vec!["stash", "push", "-q", "--include-untracked", "-m", &message];
    if paths.is_some() {
        args.extend(["--pathspec-from-file=-", "--pathspec-file-nul"]);
        args.insert(0, "--literal-pathspecs");
    }
    let mut request = git.command(args).timeout(Some(TRANSFER));
    if let Some(paths) = paths {
        request = request.stdin(to_nul(paths));
    }
    git.check(request).await?;
    let after = tip(git).await?;
    Ok(after.filter(|after| before.as_ref() != Some(after)))
}

async fn tip(git: &Git<'_>) -> Result<Option<String>> {
    let output = git.run(git.command(["rev-parse", "-q", "--verify", "refs/stash"]).idempotent()).await?;
    Ok(output.is_success().then(|| output.stdout_text().trim_end().to_owned()))
}

/// Applies an entry, staged changes as staged where that is possible, and takes it off the stash.
///
/// # Errors
/// [`SyncError::NotRestored`]: it does not apply. The work tree is then as it was, and the entry is kept.
pub(super) async fn restore(git: &Git<'_>, oid: &str, events: &Events) -> Result<()> {
    let apply = |args: &[&str]| git.command(args.iter().copied()).timeout(Some(TRANSFER));
    let with_index = git.run(apply(&["stash", "apply", "-q", "--index", oid])).await?;
    let is_applied = with_index.is_success() || {
        clean_up(git, oid).await?;
        let without = git.run(apply(&["stash", "apply", "-q", oid])).await?;
        if without.is_success() {
            events.warning("what was staged is now an unstaged change: it did not fit on the new commits");
        }
        without.is_success()
    };
    fault::point("sync.applied");
    if !is_applied {
        clean_up(git, oid).await?;
        return Err(SyncError::NotRestored { place: git.place().to_path_buf(), oid: oid.to_owned() }.into());
    }
    drop_entry(git, oid).await
}

/// Takes back what a failed `apply` did: the paths of the entry are as in `HEAD` again. Others are not touched.
async fn clean_up(git: &Git<'_>, oid: &str) -> Result<()> {
    let names = |args: Vec<String>| async move {
        let output = git.run(git.command(args).timeout(Some(TRANSFER)).idempotent()).await?;
        Ok::<_, crate::model::error::Error>(if output.is_success() {
            from_nul(&output.stdout)
        } else {
            Vec::new()
        })
    };
    let words = |args: &[&str]| args.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
    let mut touched =
        names(words(&["diff", "--name-only", "--no-renames", "-z", &format!("{oid}^1"), oid])).await?;
    touched.extend(
        names(words(&[
            "diff",
            "--name-only",
            "--no-renames",
            "-z",
            &format!("{oid}^1"),
            &format!("{oid}^2"),
        ]))
        .await?,
    );
    // Absent where nothing was untracked.
    let untracked = names(words(&["ls-tree", "-r", "-z", "--name-only", &format!("{oid}^3")])).await?;
    touched.sort_unstable();
    touched.dedup();
    let reset = git.command(["reset", "-q", "--pathspec-from-file=-", "--pathspec-file-nul"]);
    let paths = to_nul(touched.iter().chain(&untracked));
    if paths.is_empty() {
        return Ok(());
    }
    git.check(reset.env("GIT_LITERAL_PATHSPECS", "1").stdin(paths).timeout(Some(TRANSFER))).await?;
    let known = names(words(&["ls-tree", "-r", "-z", "--name-only", "HEAD"])).await?;
    let is_known = |path: &&PathBuf| known.binary_search(path).is_ok();
    let known_touched: Vec<&PathBuf> = touched.iter().chain(&untracked).filter(is_known).collect();
    if !known_touched.is_empty() {
        let checkout =
            git.command(["checkout", "-q", "HEAD", "--pathspec-from-file=-", "--pathspec-file-nul"]);
        let paths = to_nul(known_touched);
        git.check(checkout.env("GIT_LITERAL_PATHSPECS", "1").stdin(paths).timeout(Some(TRANSFER))).await?;
    }
    for path in touched.iter().chain(&untracked).filter(|path| !is_known(path)) {
        remove_if_kept(git, oid, path).await?;
    }
    Ok(())
}

/// Removes a file that `HEAD` does not have, if the entry has it exactly so.
async fn remove_if_kept(git: &Git<'_>, oid: &str, path: &Path) -> Result<()> {
    let Some(name) = path.to_str() else { return Ok(()) };
    let now = git.run(git.command(["hash-object", "--", name])).await?;
    let now = now.stdout_text();
    for tree in [format!("{oid}^3"), oid.to_owned()] {
        let kept = git.run(git.command(["rev-parse", "-q", "--verify", &format!("{tree}:{name}")])).await?;
        if kept.is_success() && kept.stdout_text() == now {
            return git.transport().remove_file(&git.place().join(path)).await;
        }
    }
    Ok(())
}

/// Takes exactly that entry off the stash, wherever it stands by now.
pub(super) async fn drop_entry(git: &Git<'_>, oid: &str) -> Result<()> {
    let list = git.text(["stash", "list", "--format=%H"]).await?;
    let Some(index) = list.lines().position(|line| line == oid) else { return Ok(()) };
    let output = git.run(git.command(["stash", "drop", "-q", &format!("stash@{{{index}}}")])).await?;
    if output.is_success() {
        return Ok(());
    }
    Err(GitError::of("git stash drop", git.place(), &output).into())
}

/// Says where the changes are, before anything else can go wrong.
pub(super) fn tell(git: &Git<'_>, what: &str, events: &Events) {
    events.info(format!(
        "uncommitted changes of `{}` are kept; bring them back with `{}`",
        git.place().display(),
        apply_command(git.place(), what)
    ));
}
