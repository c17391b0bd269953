//! Whether a branch's work is also somewhere else, so that removing the branch loses nothing.
//!
//! Three questions, cheapest first; the first "yes" decides:
//!
//! 1. *Contained*: another local branch or a remote-tracking branch reaches the commit.
//! 2. *Squashed*, asked of the likely targets only (the base, its upstream, the remotes' default branches,
//!    `main` and `master`): merging the branch into the target would change nothing, or one commit of the
//!    target makes the same change as the whole branch (equal patch ids).
//! 3. *Picked*, asked of the same targets: each single commit has an equal patch there (rebase merges).
//!
//! Unsure means "not merged". Not recognised are: a squash whose lines the target changed again; a target
//! that is not among those above; a branch with merge commits for question 3; a branch whose commits cancel
//! out (its intermediate states are nowhere else). Patch ids ignore white space, so a squash that differs in
//! white space alone counts as the same change. Nothing is written into the repository: objects that the
//! questions need go to a directory of their own.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{Git, word};
use crate::model::error::Result;
use crate::model::ids::random_hex;
use crate::transports::ExecRequest;

/// Where to look for a branch's work.
#[derive(Clone, Copy, Debug)]
pub struct MergeTargets<'a> {
    /// Local branches that do not count: the branch itself, and those that are removed along with it.
    pub going: &'a [String],
    /// What the branch started from, as recorded; a commit id is fine and helps nothing.
    pub base: Option<&'a str>,
    /// The repository's shared directory.
    pub common_dir: &'a Path,
    /// A directory for temporary files, such as [`crate::hosts::Layout::tmp`].
    pub scratch: &'a Path,
}

/// Where a branch's work is, beside the branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Merge {
    /// Another branch reaches the commit; the full reference name.
    Contained { into: String },
    /// The whole change is part of a target, as one commit or with its lines spread over some.
    Squashed { into: String },
    /// Every commit has its equal in the target.
    Picked { into: String },
    /// Nowhere that we could find.
    NotMerged,
}

impl Merge {
    #[must_use]
    pub fn is_merged(&self) -> bool {
        *self != Self::NotMerged
    }

    /// The branch that has the work, the way people write it (`main`, `origin/main`).
    #[must_use]
    pub fn found_in(&self) -> Option<&str> {
        let full = match self {
            Self::Contained { into } | Self::Squashed { into } | Self::Picked { into } => into,
            Self::NotMerged => return None,
        };
        Some(full.strip_prefix("refs/heads/").or_else(|| full.strip_prefix("refs/remotes/")).unwrap_or(full))
    }
}

/// Commits that no other branch has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnmergedWork {
    /// At most [`UnmergedWork::LIMIT`].
    pub commits: usize,
    /// Abbreviated id and subject of the newest ones, newest first.
    pub newest: Vec<String>,
}

impl UnmergedWork {
    /// Counting stops here.
    pub const LIMIT: usize = 1000;
    const SHOWN: usize = 5;
}

/// Where the work up to `commit` is, beside its branch.
///
/// # Errors
/// git cannot be asked at all. Trouble with the finer questions means "not merged".
pub async fn merge_of(git: &Git<'_>, commit: &str, targets: &MergeTargets<'_>) -> Result<Merge> {
    if let Some(into) = container(git, commit, targets.going).await? {
        return Ok(Merge::Contained { into });
    }
    let scratch = targets.scratch.join(format!("merged-{}", random_hex()));
    let merge = equal_work(git, commit, targets, &scratch).await;
    git.transport().remove_tree(&scratch).await?;
    Ok(merge.unwrap_or_else(|error| {
        tracing::debug!(?error, "cannot tell whether the work is merged");
        Merge::NotMerged
    }))
}

/// The commits up to `commit` that no branch has beside those in `going`.
///
/// # Errors
/// git fails.
pub async fn unmerged_work(git: &Git<'_>, commit: &str, going: &[String]) -> Result<UnmergedWork> {
    let mut args = vec!["log".to_owned(), "--format=%h %s".into()];
    args.push(format!("--max-count={}", UnmergedWork::LIMIT));
    args.extend([commit.to_owned(), "--not".into()]);
    args.extend(going.iter().map(|branch| format!("--exclude={branch}")));
    args.extend(["--branches".into(), "--remotes".into()]);
    let text = git.text(args).await?;
    let lines = || text.lines().filter(|line| !line.is_empty());
    Ok(UnmergedWork {
        commits: lines().count(),
        newest: lines().take(UnmergedWork::SHOWN).map(str::to_owned).collect(),
    })
}

async fn container(git: &Git<'_>, commit: &str, going: &[String]) -> Result<Option<String>> {
    let contains = format!("--contains={commit}");
    let args = ["for-each-ref", &contains, "--format=%(refname)", "refs/heads", "refs/remotes"];
    let text = git.text(args).await?;
    let goes = |name: &str| {
        name.strip_prefix("refs/heads/").is_some_and(|branch| going.iter().any(|gone| gone == branch))
    };
    Ok(text.lines().find(|name| !goes(name)).map(str::to_owned))
}

/// Questions 2 and 3.
async fn equal_work(
    git: &Git<'_>,
    commit: &str,
    targets: &MergeTargets<'_>,
    scratch: &Path,
) -> Result<Merge> {
    let objects = scratch.join("objects");
    git.transport().create_dir(&objects).await?;
    let asker = Asker { git, commit, objects, shared: word(&targets.common_dir.join("objects"))? };
    for target in likely_targets(git, targets).await? {
        let Some(base) = asker.merge_base(&target).await? else { continue };
        let trees =
            git.text(["rev-parse", &format!("{commit}^{{tree}}"), &format!("{base}^{{tree}}")]).await?;
        let Some((own, old)) = trees.split_once('\n') else { continue };
        if own == old {
            continue; // Commits that cancel out: the target proves nothing about what lay between.
        }
        if asker.changes_nothing_in(&target).await? || asker.is_one_commit_of(&target, &base, own).await? {
            return Ok(Merge::Squashed { into: target });
        }
        if asker.has_each_commit(&target, &base).await? {
            return Ok(Merge::Picked { into: target });
        }
    }
    Ok(Merge::NotMerged)
}

struct Asker<'a> {
    git: &'a Git<'a>,
    commit: &'a str,
    /// Where new objects go.
    objects: PathBuf,
    /// Where the repository's objects are.
    shared: String,
}

impl Asker<'_> {
    /// A command that writes its objects elsewhere.
    fn command(&self, args: &[&str]) -> Result<ExecRequest> {
        // The variable is a list: a path with `:` in it has to be quoted.
        let quoted = self.shared.replace('\\', r"\\").replace('"', "\\\"");
        Ok(self
            .git
            .command(args.iter().copied())
            .env("GIT_OBJECT_DIRECTORY", word(&self.objects)?)
            .env("GIT_ALTERNATE_OBJECT_DIRECTORIES", format!("\"{quoted}\""))
            .envs(identity()))
    }

    async fn merge_base(&self, target: &str) -> Result<Option<String>> {
        let output = self.git.run(self.git.command(["merge-base", target, self.commit])).await?;
        Ok(output.is_success().then(|| output.stdout_text().trim().to_owned()))
    }

    /// Needs git 2.38; an older one fails with its usage, which answers "no".
    async fn changes_nothing_in(&self, target: &str) -> Result<bool> {
        let request = self.command(&["merge-tree", "--write-tree", target, self.commit])?;
        let output = self.git.run(request).await?;
        if !output.is_success() {
            return Ok(false);
        }
        let tree = self.git.text(["rev-parse", &format!("{target}^{{tree}}")]).await?;
        Ok(output.stdout_text().lines().next() == Some(tree.as_str()))
    }

    /// One commit that makes the whole change, compared with the target's commits since the fork.
    async fn is_one_commit_of(&self, target: &str, base: &str, tree: &str) -> Result<bool> {
        let request = self.command(&["commit-tree", tree, "-p", base, "-m", "squash"])?;
        let squash = self.git.check(request).await?.stdout_text();
        let request = self.command(&["cherry", target, squash.trim()])?;
        Ok(self.git.check(request).await?.stdout_text().starts_with("- "))
    }

    async fn has_each_commit(&self, target: &str, base: &str) -> Result<bool> {
        let range = format!("{base}..{}", self.commit);
        if self.git.text(["rev-list", "--count", "--merges", &range]).await? != "0" {
            return Ok(false);
        }
        let request = self.command(&["cherry", target, self.commit])?;
        let text = self.git.check(request).await?.stdout_text();
        Ok(!text.is_empty() && text.lines().all(|line| line.starts_with("- ")))
    }
}

/// Who makes the commits that are ours alone.
pub(crate) fn identity() -> [(&'static str, &'static str); 4] {
    [
        ("GIT_AUTHOR_NAME", "mng"),
        ("GIT_AUTHOR_EMAIL", "mng@localhost"),
        ("GIT_COMMITTER_NAME", "mng"),
        ("GIT_COMMITTER_EMAIL", "mng@localhost"),
    ]
}

/// Full names of the references that a branch is usually merged into, the base first.
async fn likely_targets(git: &Git<'_>, targets: &MergeTargets<'_>) -> Result<Vec<String>> {
    let format = "--format=%(refname) %(upstream) %(symref)";
    let text = git.text(["for-each-ref", format, "refs/heads", "refs/remotes"]).await?;
    let mut known = BTreeSet::new();
    let mut upstream_of_base = None;
    let mut defaults = Vec::new();
    let base = targets.base.unwrap_or_default();
    for line in text.lines() {
        let mut words = line.split(' ');
        let (Some(name), upstream, symref) = (words.next(), words.next(), words.next()) else { continue };
        known.insert(name);
        if name.strip_prefix("refs/heads/") == Some(base) {
            upstream_of_base = upstream.filter(|name| !name.is_empty());
        }
        if name.starts_with("refs/remotes/") && name.ends_with("/HEAD") {
            defaults.extend(symref.filter(|name| !name.is_empty()));
        }
    }
    let full = |name: String| known.get(name.as_str()).copied();
    let mut found: Vec<&str> = Vec::new();
    found.extend(full(format!("refs/heads/{base}")));
    found.extend(full(format!("refs/remotes/{base}")));
    found.extend(upstream_of_base);
    found.extend(defaults);
    for name in ["heads/main", "heads/master", "remotes/origin/main", "remotes/origin/master"] {
        found.extend(full(format!("refs/{name}")));
    }
    let mut seen = BTreeSet::new();
    let goes =
        |name: &str| targets.going.iter().any(|branch| name.strip_prefix("refs/heads/") == Some(branch));
    Ok(found.into_iter().filter(|name| !goes(name) && seen.insert(*name)).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{TestRepo, block};
    use super::*;
    use crate::transports::LocalTransport;

    const LINES: &str = "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n";

    /// A repository with branch `mng/a` two commits ahead of `main`, checked out on `main`.
    fn ahead() -> TestRepo {
        let repo = TestRepo::new();
        repo.commit("f", LINES);
        repo.git("checkout -q -b mng/a");
        repo.commit("f", &LINES.replace("3\n", "three\n"));
        repo.commit("g", "new\n");
        repo.git("checkout -q main");
        repo
    }

    fn ask(repo: &TestRepo, going: &[&str]) -> Merge {
        let common_dir = repo.path(".git");
        let git = Git::in_git_dir(&LocalTransport, &common_dir).unwrap();
        let tip = repo.git("rev-parse mng/a");
        let scratch = repo.beside("scratch");
        let going: Vec<String> = going.iter().map(|&name| name.to_owned()).collect();
        let targets =
            MergeTargets { going: &going, base: Some("main"), common_dir: &common_dir, scratch: &scratch };
        let before = repo.git("count-objects -v");
        let merge = block(merge_of(&git, &tip, &targets)).unwrap();
        assert_eq!(repo.git("count-objects -v"), before, "nothing is written into the repository");
        assert_eq!(std::fs::read_dir(&scratch).map_or(0, Iterator::count), 0, "no scratch stays");
        merge
    }

    #[test]
    fn unmerged_work_is_named() {
        let repo = ahead();
        assert_eq!(ask(&repo, &["mng/a"]), Merge::NotMerged);
        let git = Git::at(&LocalTransport, repo.root()).unwrap();
        let tip = repo.git("rev-parse mng/a");
        let work = block(unmerged_work(&git, &tip, &["mng/a".into()])).unwrap();
        assert_eq!(work.commits, 2);
        assert!(work.newest[0].ends_with(" change g") && work.newest[1].ends_with(" change f"), "{work:?}");
        repo.git("branch copy mng/a~1");
        assert_eq!(block(unmerged_work(&git, &tip, &["mng/a".into()])).unwrap().commits, 1);
    }

    #[test]
    fn a_merge_a_push_and_another_branch_contain_it() {
        let repo = ahead();
        repo.git("branch other mng/a");
        assert_eq!(ask(&repo, &["mng/a"]).found_in(), Some("other"));
        // Two agents that go together do not vouch for each other.
        assert_eq!(ask(&repo, &["mng/a", "other"]), Merge::NotMerged);
        repo.git("branch -D other");
        repo.git("update-ref refs/remotes/origin/mng/a mng/a");
        assert_eq!(ask(&repo, &["mng/a"]).found_in(), Some("origin/mng/a"));
        repo.git("update-ref -d refs/remotes/origin/mng/a");
        repo.git("merge -q --no-ff -m merge mng/a");
        assert_eq!(ask(&repo, &["mng/a"]), Merge::Contained { into: "refs/heads/main".into() });
    }

    #[test]
    fn a_squash_is_recognised_also_after_more_work_on_the_target() {
        let repo = ahead();
        repo.commit("h", "before\n");
        repo.git("merge -q --squash mng/a");
        repo.git("commit -q -m squashed");
        assert_eq!(ask(&repo, &["mng/a"]), Merge::Squashed { into: "refs/heads/main".into() });
        repo.commit("f", &LINES.replace("3\n", "three\n").replace("12\n", "twelve\n"));
        assert_eq!(ask(&repo, &["mng/a"]), Merge::Squashed { into: "refs/heads/main".into() });
        // Reverted and squashed once: the one commit with the same patch is found in the history.
        repo.git("revert --no-edit HEAD~1");
        assert!(ask(&repo, &["mng/a"]).is_merged());
    }

    #[test]
    fn picked_commits_are_recognised() {
        let repo = ahead();
        repo.commit("h", "1\n");
        repo.git("cherry-pick mng/a~1");
        // Between the two picks the same line changes back and forth, so no squash explains it.
        repo.commit("f", LINES);
        repo.git("cherry-pick mng/a");
        assert_eq!(ask(&repo, &["mng/a"]), Merge::Picked { into: "refs/heads/main".into() });
    }

    #[test]
    fn half_a_merge_and_doubts_are_not_merged() {
        let repo = ahead();
        repo.git("cherry-pick mng/a~1");
        assert_eq!(ask(&repo, &["mng/a"]), Merge::NotMerged);

        // A commit and its revert: the tree is the base's, the work in between is nowhere.
        let repo = TestRepo::new();
        repo.commit("f", LINES);
        repo.git("checkout -q -b mng/a");
        repo.commit("f", "an idea\n");
        repo.git("revert --no-edit HEAD");
        repo.git("checkout -q main");
        repo.commit("z", "1\n");
        assert_eq!(ask(&repo, &["mng/a"]), Merge::NotMerged);
    }

    #[test]
    fn unrelated_history_is_not_merged() {
        let repo = ahead();
        repo.git("checkout -q --orphan fresh");
        repo.commit("f", "other\n");
        repo.git("branch -D main");
        repo.git("branch -m main");
        assert_eq!(ask(&repo, &["mng/a"]), Merge::NotMerged);
    }
}
