//! A repository of its own, filled by a push: it shares nothing with the source.

use std::path::Path;

use super::route::{Refs, Route, Way};
use super::{Progress, WorkDirPlan, carry, extra_paths, rsync};
use crate::hosts::Host;
use crate::hosts::git::{self, Git, TRANSFER};
use crate::model::error::Result;
use crate::model::event::Events;
use crate::storage::fault;
use crate::transports::ExecRequest;

/// Where the commit that the work starts from is pushed: a name that means the same on both sides.
pub(super) const BASE_REF: &str = "refs/mng/base";

pub(super) async fn make(
    route: &Route<'_>,
    plan: &WorkDirPlan,
    events: &Events,
    progress: &mut Progress,
) -> Result<()> {
    if plan.rsync_pass {
        rsync::check_installed(route, "copy the source").await?;
    }
    *progress = Progress::Begun;
    route.target.transport.create_dir(&plan.path).await?;
    fault::point("work_dir.dir_made");
    init(route.target, plan).await?;
    push(route, plan, true).await?;
    fault::point("work_dir.pushed");
    configure(route, plan).await?;
    fault::point("work_dir.checked_out");
    carry::warn_about_submodules(route.source, &plan.source, events).await?;
    if !route.is_together() {
        carry::warn_about_lfs(route.source, &plan.source, events).await?;
    }
    carry::carry(route, plan).await?;
    if plan.rsync_pass {
        rsync::copy_whole(route, plan, false, "copy the source").await?;
    }
    fault::point("work_dir.carried");
    extra_paths::apply(route, plan, events).await
}

/// Bare at first, so that a push may update any branch.
async fn init(host: &Host, plan: &WorkDirPlan) -> Result<()> {
    let git = Git::at(host.transport.as_ref(), &plan.path)?;
    let mut args = vec!["init", "-q", "--bare"];
    if plan.base_commit.as_ref().is_some_and(|commit| commit.len() == 64) {
        args.push("--object-format=sha256");
    }
    args.push(".git");
    git.check(git.command(args)).await?;
    Ok(())
}

/// Branches, tags and the base commit, and no other reference: ours of other agents stay private, and
/// remote-tracking ones break a push in newer versions of git. Neither side's hooks run.
pub(super) async fn push(route: &Route<'_>, plan: &WorkDirPlan, with_branches: bool) -> Result<()> {
    let is_shallow = is_shallow(route.source, plan).await?;
    let mut specs: Vec<String> =
        plan.base_commit.iter().map(|commit| format!("+{commit}:{BASE_REF}")).collect();
    let to = plan.path.join(".git");
    if is_shallow {
        let receiver = Git::in_git_dir(route.target.transport.as_ref(), &to)?;
        receiver.text(["config", "receive.shallowUpdate", "true"]).await?;
    }
    if with_branches && is_shallow && !matches!(route.way, Way::In(_)) {
        let source = Git::at(route.source.transport.as_ref(), &plan.source)?;
        let names = source.text(["for-each-ref", "--format=%(refname)", "refs/heads", "refs/tags"]).await?;
        specs.extend(names.lines().map(|name| format!("+{name}:{name}")));
    } else if with_branches {
        specs.extend(["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"].map(str::to_owned));
    }
    route.send_refs(&Refs { from: &plan.source, to: &to, specs, is_shallow }).await
}

async fn is_shallow(host: &Host, plan: &WorkDirPlan) -> Result<bool> {
    let Some(repo) = &plan.repo else { return Ok(false) };
    Ok(host.transport.stat(&repo.common_dir.join("shallow")).await?.is_some())
}

/// What the new repository is told, as `key`, `value` pairs after the check-out words.
const CONFIGURE: &str = r#"
git config --bool core.bare false || exit
checkout=$1; branch=$2; from=$3; origin=$4
shift 4
case $checkout in
new) git checkout -q -f --no-track -B "$branch" "$from" ;;
branch) git checkout -q -f "$branch" -- ;;
*) git checkout -q -f --detach "$from" ;;
esac || exit
while [ $# -gt 1 ]; do
    git config -- "$1" "$2" || exit
    shift 2
done
if [ -n "$origin" ]; then
    git remote add -- origin "$origin" || exit
fi
"#;

/// One shell on the host: core.bare, the check-out, identity, origin. Then the source's private excludes.
async fn configure(route: &Route<'_>, plan: &WorkDirPlan) -> Result<()> {
    let source = Git::at(route.source.transport.as_ref(), &plan.source)?;
    let host = route.target;
    let (how, branch) = checkout_words(&source, plan).await?;
    let origin = plan.origin.clone().unwrap_or_default();
    let mut args = vec![how.to_owned(), branch, BASE_REF.to_owned(), origin];
    args.extend(identity(&source).await?);
    let template = Git::at(host.transport.as_ref(), &plan.path)?.command(["checkout"]);
    let mut request = ExecRequest::sh(CONFIGURE, args).cwd(&plan.path).timeout(Some(TRANSFER));
    request.env = template.env;
    request.unset = template.unset;
    if !route.is_together() {
        // The files are not here yet, and a check-out that asks a server for them fails without it.
        request = request.env("GIT_LFS_SKIP_SMUDGE", "1");
    }
    let git = Git::at(host.transport.as_ref(), &plan.path)?;
    let output = git.run(request).await?;
    if !output.is_success() {
        return Err(git::GitError::of("git checkout", &plan.path, &output).into());
    }
    copy_excludes(route, plan).await
}

async fn checkout_words(source: &Git<'_>, plan: &WorkDirPlan) -> Result<(&'static str, String)> {
    if let Some(branch) = &plan.branch.new {
        return Ok(("new", branch.clone()));
    }
    let branch = match &plan.branch.base {
        Some(base) => git::branch_tip(source, base).await?.map(|_| base.clone()),
        None => plan.repo.as_ref().and_then(|repo| repo.branch.clone()),
    };
    Ok(branch.map_or_else(|| ("commit", String::new()), |branch| ("branch", branch)))
}

/// `user.name` and `user.email` as they hold in the source, wherever they were set.
async fn identity(source: &Git<'_>) -> Result<Vec<String>> {
    let args = ["config", "--null", "--get-regexp", r"^user\.(name|email)$"];
    let output = source.run(source.command(args)).await?;
    let text = output.stdout_text();
    // Exit code 1: neither is set. The last of several values is the one that holds.
    let mut words = Vec::new();
    for entry in text.split('\0') {
        if let Some((key, value)) = entry.split_once('\n') {
            words.extend([key.to_owned(), value.to_owned()]);
        }
    }
    Ok(words)
}

async fn copy_excludes(route: &Route<'_>, plan: &WorkDirPlan) -> Result<()> {
    let Some(repo) = &plan.repo else { return Ok(()) };
    let exclude = Path::new("info/exclude");
    let Some(bytes) = route.source.transport.read(&repo.common_dir.join(exclude)).await? else {
        return Ok(());
    };
    let place = plan.path.join(".git").join(exclude);
    route.target.transport.write_volatile(&place, &bytes, 0o644).await
}
