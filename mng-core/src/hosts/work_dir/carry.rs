//! What git leaves behind in the source: uncommitted changes and ignored files.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use super::WorkDirPlan;
use super::route::Route;
use super::rsync;
use crate::hosts::Host;
use crate::hosts::git::{self, Git, StatusRequest, TRANSFER};
use crate::model::error::Result;
use crate::model::event::Events;
use crate::transports::SHORT;

/// What is carried, relative to the root of the work tree.
#[derive(Debug, Default)]
pub(super) struct Carried {
    /// Tracked files that are gone from the source.
    pub(super) gone: BTreeSet<PathBuf>,
    pub(super) copied: Vec<PathBuf>,
}

/// Brings what the plan asks for. Whether a change was staged is not kept.
pub(super) async fn carry(route: &Route<'_>, plan: &WorkDirPlan) -> Result<()> {
    let Carried { gone, copied } = list(route.source, plan).await?;
    delete(route.target, &plan.path, &gone).await?;
    rsync::copy_listed(route, &plan.source, &plan.path, &copied, "carry uncommitted changes").await
}

/// Reads from the source what the plan asks for.
pub(super) async fn list(source: &Host, plan: &WorkDirPlan) -> Result<Carried> {
    let mut carried = Carried::default();
    if !plan.include_unclean && !plan.include_gitignored {
        return Ok(carried);
    }
    let source = Git::at(source.transport.as_ref(), &plan.source)?;
    let copied = &mut carried.copied;
    if plan.include_unclean {
        let status = git::status(&source, StatusRequest::default()).await?;
        // A submodule's directory is a repository of its own, of which only the commit is carried.
        let entries = || status.entries.iter().filter(|entry| !entry.is_submodule());
        carried.gone = entries().filter(|e| e.is_deleted()).map(|e| e.path.clone()).collect();
        copied.extend(entries().filter(|entry| !entry.is_deleted()).map(|entry| entry.path.clone()));
    }
    if plan.include_gitignored {
        let args = ["ls-files", "--others", "--ignored", "--exclude-standard", "-z"];
        let output = source.check(source.command(args).timeout(Some(TRANSFER))).await?;
        copied.extend(
            output
                .stdout
                .split(|&byte| byte == 0)
                .filter(|name| !name.is_empty())
                .map(|name| PathBuf::from(OsString::from_vec(name.to_vec()))),
        );
    }
    Ok(carried)
}

/// Deletes tracked files as `git rm` does: never through a symlink, directories that become empty go too.
async fn delete(host: &Host, work_dir: &Path, paths: &BTreeSet<PathBuf>) -> Result<()> {
    if paths.is_empty() {
        return Ok(());
    }
    let git = Git::at(host.transport.as_ref(), work_dir)?;
    let args = [
        "--literal-pathspecs",
        "rm",
        "-q",
        "-f",
        "--ignore-unmatch",
        "--pathspec-from-file=-",
        "--pathspec-file-nul",
    ];
    git.check(
        git.command(args).stdin(nul_separated(&paths.iter().collect::<Vec<_>>())).timeout(Some(TRANSFER)),
    )
    .await?;
    Ok(())
}

/// Paths as commands read them from standard input.
pub(crate) fn nul_separated<P: AsRef<Path>>(paths: &[P]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for path in paths {
        bytes.extend_from_slice(path.as_ref().as_os_str().as_bytes());
        bytes.push(0);
    }
    bytes
}

/// Submodules are not carried: the new work dir has their empty directories.
pub(super) async fn warn_about_submodules(host: &Host, source: &Path, events: &Events) -> Result<()> {
    if host.transport.stat(&source.join(".gitmodules")).await?.is_none() {
        return Ok(());
    }
    let git = Git::at(host.transport.as_ref(), source)?;
    let output = git.run(git.command(["submodule", "status"]).timeout(Some(SHORT))).await;
    // A warning is not worth a failure: without an answer there may be submodules.
    if output.is_ok_and(|output| output.is_success() && output.stdout.is_empty()) {
        return Ok(());
    }
    events.warning("submodules are not carried: run `git submodule update --init` in the new work dir");
    Ok(())
}

/// Large files stay where they are: the new repository has only the pointers to them.
pub(super) async fn warn_about_lfs(host: &Host, source: &Path, events: &Events) -> Result<()> {
    let attributes = host.transport.read(&source.join(".gitattributes")).await?.unwrap_or_default();
    if String::from_utf8_lossy(&attributes).contains("filter=lfs") {
        events.warning("files in Git LFS are not carried: run `git lfs pull` in the new work dir");
    }
    Ok(())
}
