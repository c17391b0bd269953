//! Copies by rsync: a whole directory, or listed files.

use std::path::{Path, PathBuf};

use super::carry::nul_separated;
use super::{Progress, WorkDirError, WorkDirPlan};
use crate::hosts::Host;
use crate::hosts::git::{TRANSFER, word};
use crate::model::error::{ErrorClass, Result};
use crate::storage::fault;
use crate::transports::{ExecRequest, TransportError};

/// Links, permissions and times; no owner and no group.
const FLAGS: &str = "-rlpt";

/// Exit code of rsync for "some files vanished while I was copying".
const VANISHED: i32 = 24;

/// Mode `rsync`: a plain copy of the source.
pub(super) async fn make(host: &Host, plan: &WorkDirPlan, progress: &mut Progress) -> Result<()> {
    // Before anything is made: a missing rsync leaves nothing behind.
    check_installed(host, "copy the source").await?;
    *progress = Progress::Begun;
    host.transport.create_dir(&plan.path).await?;
    fault::point("work_dir.dir_made");
    copy_whole(host, plan, plan.include_git, "copy the source").await
}

/// The whole source over the work dir. Nothing is deleted there, ignore rules are not honoured.
pub(super) async fn copy_whole(
    host: &Host,
    plan: &WorkDirPlan,
    include_git: bool,
    what: &'static str,
) -> Result<()> {
    let mut argv = vec!["rsync".to_owned(), FLAGS.into()];
    if !include_git {
        argv.push("--exclude=.git".into());
    }
    argv.extend(plan.rsync_args.iter().cloned());
    argv.extend(["--".into(), with_slash(&plan.source)?, with_slash(&plan.path)?]);
    run(host, ExecRequest::new(argv), what).await
}

/// The listed paths, which are relative to both directories. A directory is copied with what it holds, but
/// without any `.git`: a copied link to somebody's work tree would drive that one.
pub(super) async fn copy_listed(
    host: &Host,
    source: &Path,
    target: &Path,
    paths: &[PathBuf],
    what: &'static str,
) -> Result<()> {
    if paths.is_empty() {
        return Ok(());
    }
    let argv = ["rsync", FLAGS, "--exclude=.git", "--from0", "--files-from=-", "--"].map(str::to_owned);
    let argv = argv.into_iter().chain([with_slash(source)?, with_slash(target)?]);
    // rsync takes a line that starts with `#` or `;` for a comment, also in NUL-separated lists.
    let paths: Vec<PathBuf> = paths.iter().map(|path| Path::new(".").join(path)).collect();
    run(host, ExecRequest::new(argv).stdin(nul_separated(&paths)), what).await
}

/// # Errors
/// [`WorkDirError::NoRsync`]
pub(super) async fn check_installed(host: &Host, what: &'static str) -> Result<()> {
    run(host, ExecRequest::new(["rsync", "--version"]), what).await
}

async fn run(host: &Host, request: ExecRequest, what: &'static str) -> Result<()> {
    let request = request.timeout(Some(TRANSFER)).env("LC_ALL", "C");
    let output = match host.transport.exec(request).await {
        Err(error) if error.class() == ErrorClass::BinaryNotInstalled => {
            return Err(WorkDirError::NoRsync { host: host.info.name.to_string(), what }.into());
        }
        other => other?,
    };
    if output.code == Some(VANISHED) {
        return Ok(());
    }
    if output.is_timed_out {
        return Err(TransportError::TimedOut { title: "rsync".into() }.into());
    }
    output.check("rsync").map(|_| ())
}

/// rsync takes a directory with `/` at its end for what it holds.
fn with_slash(path: &Path) -> Result<String> {
    Ok(format!("{}/", word(path)?.trim_end_matches('/')))
}
