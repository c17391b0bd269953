//! Copies by rsync: a whole directory, or listed files.

use std::path::{Path, PathBuf};

use super::carry::nul_separated;
use super::route::Route;
use super::{Progress, WorkDirError, WorkDirPlan};
use crate::hosts::Host;
use crate::hosts::git::{TRANSFER, word};
use crate::model::error::{ErrorClass, Result};
use crate::model::shell::is_plain_word;
use crate::storage::fault;
use crate::transports::relay::{RELAY_HOST, Relay};
use crate::transports::{ExecOutput, ExecRequest, TransportError};

/// Links, permissions and times; no owner and no group.
const FLAGS: &str = "-rlpt";

/// Compares content, links and permissions, changes nothing and prints a line for each difference.
const CHECK_FLAGS: &str = "-rlpcni";

/// Exit code of rsync for "some files vanished while I was copying".
const VANISHED: i32 = 24;

/// Mode `rsync`: a plain copy of the source.
pub(super) async fn make(route: &Route<'_>, plan: &WorkDirPlan, progress: &mut Progress) -> Result<()> {
    // Before anything is made: a missing rsync leaves nothing behind.
    check_installed(route, "copy the source").await?;
    *progress = Progress::Begun;
    route.target.transport.create_dir(&plan.path).await?;
    fault::point("work_dir.dir_made");
    copy_whole(route, plan, plan.include_git, "copy the source").await
}

/// The whole source over the work dir. Nothing is deleted there, ignore rules are not honoured.
pub(super) async fn copy_whole(
    route: &Route<'_>,
    plan: &WorkDirPlan,
    include_git: bool,
    what: &'static str,
) -> Result<()> {
    let options = whole_options(plan, include_git);
    let copy = Copy { from: &plan.source, to: &plan.path, options, list: None, what, is_check: false };
    route.rsync(&copy).await.map(|_| ())
}

/// The options for a whole directory.
pub(super) fn whole_options(plan: &WorkDirPlan, include_git: bool) -> Vec<String> {
    let mut options = Vec::new();
    if !include_git {
        options.push("--exclude=.git".to_owned());
    }
    options.extend(plan.rsync_args.iter().cloned());
    options
}

/// The options for listed paths.
pub(super) fn listed_options() -> Vec<String> {
    ["--exclude=.git", "--from0", "--files-from=-"].map(str::to_owned).into()
}

/// The paths as `--files-from` reads them.
pub(super) fn list(paths: &[PathBuf]) -> Vec<u8> {
    // rsync takes a line that starts with `#` or `;` for a comment, also in NUL-separated lists.
    nul_separated(&paths.iter().map(|path| Path::new(".").join(path)).collect::<Vec<_>>())
}

/// The listed paths, which are relative to both directories. A directory is copied with what it holds, but
/// without any `.git`: a copied link to somebody's work tree would drive that one.
pub(super) async fn copy_listed(
    route: &Route<'_>,
    from: &Path,
    to: &Path,
    paths: &[PathBuf],
    what: &'static str,
) -> Result<()> {
    if paths.is_empty() {
        return Ok(());
    }
    if !route.is_together() {
        check_installed(route, what).await?;
    }
    let mut options = listed_options();
    // A file that was changed in the second of the check-out, to the same size, counts as equal without it.
    options.push("-I".into());
    let copy = Copy { from, to, options, list: Some(list(paths)), what, is_check: false };
    route.rsync(&copy).await.map(|_| ())
}

/// # Errors
/// [`WorkDirError::NoRsync`]
pub(super) async fn check_installed(route: &Route<'_>, what: &'static str) -> Result<()> {
    if !route.is_together() {
        check_host(route.source, what).await?;
    }
    check_host(route.target, what).await
}

async fn check_host(host: &Host, what: &'static str) -> Result<()> {
    const NOT_FOUND: i32 = 127;
    let request = ExecRequest::new(["rsync", "--version"]).idempotent();
    let output = exec(host, request, what).await?;
    if !host.is_local() && output.code == Some(NOT_FOUND) {
        return Err(WorkDirError::NoRsync { host: host.info.name.to_string(), what }.into());
    }
    output.check("rsync").map(|_| ())
}

/// One run of rsync: what `from` holds into `to`.
#[derive(Clone)]
pub(super) struct Copy<'a> {
    pub(super) from: &'a Path,
    pub(super) to: &'a Path,
    pub(super) options: Vec<String>,
    /// What `--files-from=-` reads.
    pub(super) list: Option<Vec<u8>>,
    pub(super) what: &'static str,
    /// Only print what would be copied, judged by checksums.
    pub(super) is_check: bool,
}

impl Copy<'_> {
    /// A directory where rsync runs. With `/` at its end it stands for what it holds.
    pub(super) fn here(&self, path: &Path) -> Result<String> {
        Ok(format!("{}/", word(path)?.trim_end_matches('/')))
    }

    /// A directory at the other end.
    pub(super) fn there(&self, path: &Path) -> Result<String> {
        Ok(format!("{RELAY_HOST}:{}", self.here(path)?))
    }

    /// Returns what rsync prints.
    pub(super) async fn run(
        &self,
        host: &Host,
        from: String,
        to: String,
        relay: Option<&Relay>,
    ) -> Result<String> {
        let mut argv = vec!["rsync".to_owned(), FLAGS.into()];
        if self.is_check {
            argv = ["rsync", CHECK_FLAGS].map(str::to_owned).into();
        }
        argv.extend(self.options.iter().cloned());
        let mut request = ExecRequest::new([""; 0]);
        if let Some(relay) = relay {
            // A shell at the other end would split the path; not every rsync knows the option.
            if !is_plain_word(&from) || !is_plain_word(&to) {
                argv.push("-s".into());
            }
            argv.extend(["-e".into(), relay.shell()]);
            request = request.envs(relay.env());
        }
        argv.extend(["--".into(), from, to]);
        request.argv = argv;
        request.stdin.clone_from(&self.list);
        let output = exec(host, request, self.what).await?;
        if output.code == Some(VANISHED) {
            return Ok(String::new());
        }
        if output.is_timed_out {
            return Err(TransportError::TimedOut { title: "rsync".into() }.into());
        }
        Ok(output.check("rsync")?.stdout_text())
    }
}

async fn exec(host: &Host, request: ExecRequest, what: &'static str) -> Result<ExecOutput> {
    match host.transport.exec(request.timeout(Some(TRANSFER)).env("LC_ALL", "C")).await {
        Err(error) if error.class() == ErrorClass::BinaryNotInstalled => {
            Err(WorkDirError::NoRsync { host: host.info.name.to_string(), what }.into())
        }
        other => other,
    }
}
