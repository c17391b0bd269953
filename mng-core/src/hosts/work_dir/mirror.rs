//! A repository of its own, filled by a push: it shares nothing with the source.

use std::path::Path;

use super::{Progress, WorkDirPlan, carry, extra_paths, rsync};
use crate::hosts::Host;
use crate::hosts::git::{self, Git, TRANSFER, word};
use crate::model::error::Result;
use crate::model::event::Events;
use crate::storage::fault;
use crate::transports::ExecRequest;

/// Where the commit that the work starts from is pushed: a name that means the same on both sides.
pub(super) const BASE_REF: &str = "refs/mng/base";

pub(super) async fn make(
    host: &Host,
    plan: &WorkDirPlan,
    events: &Events,
    progress: &mut Progress,
) -> Result<()> {
    if plan.rsync_pass {
        rsync::check_installed(host, "copy the source").await?;
    }
    *progress = Progress::Begun;
    host.transport.create_dir(&plan.path).await?;
    fault::point("work_dir.dir_made");
    init(host, plan).await?;
    push(host, plan, true).await?;
    fault::point("work_dir.pushed");
    configure(host, plan).await?;
    fault::point("work_dir.checked_out");
    carry::warn_about_submodules(host, &plan.source, events).await?;
    carry::carry(host, plan).await?;
    if plan.rsync_pass {
        rsync::copy_whole(host, plan, false, "copy the source").await?;
    }
    fault::point("work_dir.carried");
    extra_paths::apply(host, plan, events).await
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
pub(super) async fn push(host: &Host, plan: &WorkDirPlan, with_branches: bool) -> Result<()> {
    let base = plan.base_commit.iter().map(|commit| format!("+{commit}:{BASE_REF}"));
    let all = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"].map(str::to_owned);
    if !is_shallow(host, plan).await? {
        let refs = base.chain(all.into_iter().filter(|_| with_branches)).collect();
        return push_refs(host, plan, refs).await;
    }
    // git loses its way when two references of one push start at the same cut in the history.
    let receiver = Git::in_git_dir(host.transport.as_ref(), &plan.path.join(".git"))?;
    receiver.text(["config", "receive.shallowUpdate", "true"]).await?;
    push_refs(host, plan, base.collect()).await?;
    if with_branches {
        let source = Git::at(host.transport.as_ref(), &plan.source)?;
        let names = source.text(["for-each-ref", "--format=%(refname)", "refs/heads", "refs/tags"]).await?;
        for name in names.lines() {
            push_refs(host, plan, vec![format!("+{name}:{name}")]).await?;
        }
    }
    Ok(())
}

async fn push_refs(host: &Host, plan: &WorkDirPlan, refs: Vec<String>) -> Result<()> {
    let git = Git::at(host.transport.as_ref(), &plan.source)?.without_hooks();
    let mut args: Vec<String> = ["push", "-q", "--no-verify", "--force", "--"].map(str::to_owned).into();
    args.push(word(&plan.path.join(".git"))?);
    args.extend(refs);
    git.check(git.command(args).env("GIT_LFS_SKIP_PUSH", "1").timeout(Some(TRANSFER))).await?;
    Ok(())
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
async fn configure(host: &Host, plan: &WorkDirPlan) -> Result<()> {
    let source = Git::at(host.transport.as_ref(), &plan.source)?;
    let (how, branch) = checkout_words(&source, plan).await?;
    let origin = plan.origin.clone().unwrap_or_default();
    let mut args = vec![how.to_owned(), branch, BASE_REF.to_owned(), origin];
    args.extend(identity(&source).await?);
    let template = Git::at(host.transport.as_ref(), &plan.path)?.command(["checkout"]);
    let mut request = ExecRequest::sh(CONFIGURE, args).cwd(&plan.path).timeout(Some(TRANSFER));
    request.env = template.env;
    request.unset = template.unset;
    let git = Git::at(host.transport.as_ref(), &plan.path)?;
    let output = git.run(request).await?;
    if !output.is_success() {
        return Err(git::GitError::of("git checkout", &plan.path, &output).into());
    }
    copy_excludes(host, plan).await
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

async fn copy_excludes(host: &Host, plan: &WorkDirPlan) -> Result<()> {
    let Some(repo) = &plan.repo else { return Ok(()) };
    let exclude = Path::new("info/exclude");
    let Some(bytes) = host.transport.read(&repo.common_dir.join(exclude)).await? else { return Ok(()) };
    host.transport.write_volatile(&plan.path.join(".git").join(exclude), &bytes, 0o644).await
}
