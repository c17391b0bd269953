use std::path::PathBuf;

use super::*;
use crate::agents::testing::PrivateHost;
use crate::hosts::git::testing::{TestRepo, block, git_in, write};
use crate::hosts::rescue;
use crate::model::state::AgentState;
use crate::operations::fixture::context;
use crate::operations::resolve::ResolvedAgent;

/// A repository and a host, with agents in worktrees of the one on the other.
pub(in crate::operations) struct World {
    pub(in crate::operations) private: PrivateHost,
    pub(in crate::operations) repo: TestRepo,
    pub(in crate::operations) ctx: Ctx,
}

impl World {
    pub(in crate::operations) fn new() -> Self {
        let repo = TestRepo::new();
        repo.commit("README", "hello\n");
        Self { private: PrivateHost::new(), repo, ctx: context() }
    }

    pub(in crate::operations) fn host(&self) -> &Host {
        &self.private.host
    }

    pub(in crate::operations) fn work_dir(&self, name: &str) -> PathBuf {
        self.host().layout.worktrees().join(name)
    }

    /// As create leaves it, not started.
    pub(in crate::operations) fn agent(&self, name: &str) -> ResolvedAgent {
        let path = self.work_dir(name);
        let branch = format!("mng/{name}");
        self.repo.git_args(&["worktree", "add", "-q", "-b", &branch, path.to_str().unwrap()]);
        let mut record = self.private.agent(name, "sleep 600");
        record.work_dir = path.clone();
        record.transfer_mode = Some(TransferMode::GitWorktree);
        record.checked_out_branch_name = Some(branch.clone());
        record.created_branch_name = Some(branch);
        record.base_branch = Some("main".into());
        self.private.write_agent(&record);
        block(async {
            let lock = self.private.lock().await;
            crate::hosts::work_dir::register(self.host(), &lock, &path).await.unwrap();
        });
        ResolvedAgent { host: self.host().clone(), record }
    }

    pub(in crate::operations) fn destroy(
        &self,
        agents: &[&ResolvedAgent],
        options: DestroyOptions,
    ) -> DestroyReport {
        let agents = agents.iter().map(|agent| (*agent).clone()).collect();
        block(destroy(&self.ctx, DestroyRequest { agents, options }, &Events::none())).unwrap()
    }

    fn stake(&self, agent: &ResolvedAgent, options: DestroyOptions) -> Stake {
        let mut seen = block(prospects(&self.ctx, std::slice::from_ref(agent), options));
        seen.pop().unwrap().stake
    }

    fn registered(&self) -> Vec<PathBuf> {
        block(self.host().read_record()).unwrap().generated_work_dirs
    }
}

pub(in crate::operations) const FORCE: DestroyOptions =
    DestroyOptions { force: true, remove_branch: false, keep_work_dirs: false };
pub(in crate::operations) const WITH_BRANCH: DestroyOptions =
    DestroyOptions { force: true, remove_branch: true, keep_work_dirs: false };

#[test]
fn an_agent_goes_with_its_work_dir_and_keeps_its_branch() {
    let world = World::new();
    let (a1, a2) = (world.agent("a1"), world.agent("a2"));
    let report = world.destroy(&[&a1], FORCE);
    assert_eq!((report.destroyed_agents.as_slice(), report.exit_code), (&["a1".to_owned()][..], 0));
    assert_eq!(report.agents[0].work_dir, "removed");
    assert!(!world.work_dir("a1").exists());
    assert!(!world.host().layout.agent(&a1.record.id).exists());
    assert_eq!(world.registered(), [world.work_dir("a2")]);
    assert_eq!(world.repo.git("branch --list mng/a1 --format %(refname:short)"), "mng/a1");
    assert!(block(world.host().read_agent(&a2.record.id)).unwrap().is_some());
    let tmp = world.host().layout.tmp();
    assert_eq!(std::fs::read_dir(tmp).into_iter().flatten().count(), 0, "no rest is left");

    let entries = block(rescue::list(world.host())).unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!(report.agents[0].undo_id.as_ref(), Some(&entries[0].id));
}

#[test]
fn the_branch_goes_when_asked_for_and_only_ours() {
    let world = World::new();
    let a1 = world.agent("a1");
    world.repo.git("branch mng/a9");
    let report = world.destroy(&[&a1], WITH_BRANCH);
    assert!(report.agents[0].is_branch_deleted);
    assert_eq!(world.repo.git("branch --format %(refname:short)"), "main\nmng/a9");
}

#[test]
fn a_running_agent_needs_force_and_goes_with_it() {
    let world = World::new();
    let a1 = world.agent("a1");
    world.private.start(&a1.record).unwrap();
    let report = world.destroy(&[&a1], DestroyOptions::default());
    assert_eq!((report.count, report.failure_count, report.exit_code), (0, 1, 1));
    assert!(report.failures[0].message.contains("--force"), "{:?}", report.failures);
    assert!(world.work_dir("a1").exists());
    let marker = world.host().layout.agent(&a1.record.id).join("destroying");
    assert!(!marker.exists());

    let report = world.destroy(&[&a1], FORCE);
    assert_eq!((report.count, report.exit_code), (1, 0), "{:?}", report.failures);
    assert_eq!(world.private.tmux(&["ls"]), "");
}

#[test]
fn many_go_at_once_and_none_of_their_entries_is_lost() {
    let world = World::new();
    let agents: Vec<ResolvedAgent> = (0..8).map(|n| world.agent(&format!("a{n}"))).collect();
    let report = world.destroy(&agents.iter().collect::<Vec<_>>(), WITH_BRANCH);
    assert_eq!((report.count, report.exit_code), (8, 0), "{:?}", report.failures);
    let names: Vec<String> = (0..8).map(|n| format!("a{n}")).collect();
    assert_eq!(report.destroyed_agents, names, "in the order of the targets");
    assert_eq!(world.registered(), Vec::<PathBuf>::new());
    assert_eq!(world.repo.git("worktree list --porcelain").matches("worktree ").count(), 1);
    assert_eq!(block(rescue::list(world.host())).unwrap().len(), 8);
}

#[test]
fn guests_go_before_the_owner_of_the_work_dir() {
    let world = World::new();
    let owner = world.agent("a1");
    let mut guest = world.private.agent("a2", "sleep 600");
    guest.work_dir = world.work_dir("a1");
    guest.transfer_mode = Some(TransferMode::None);
    world.private.write_agent(&guest);
    let guest = ResolvedAgent { host: world.host().clone(), record: guest };

    let alone = world.stake(&owner, FORCE);
    assert!(!alone.removes_work_dir, "the other one works there");
    let report = world.destroy(&[&owner, &guest], FORCE);
    assert_eq!((report.count, report.exit_code), (2, 0), "{:?}", report.failures);
    assert!(!world.work_dir("a1").exists());
    assert_eq!(world.registered(), Vec::<PathBuf>::new());
}

#[test]
fn a_kept_work_dir_is_no_longer_ours() {
    let world = World::new();
    let a1 = world.agent("a1");
    let report = world.destroy(&[&a1], DestroyOptions { keep_work_dirs: true, ..WITH_BRANCH });
    assert_eq!((report.agents[0].work_dir, report.exit_code), ("kept", 0));
    assert!(!report.agents[0].is_branch_deleted, "it is checked out there");
    assert_eq!(report.agents[0].notes, ["the branch mng/a1 stays, because its work dir does"]);
    assert!(world.work_dir("a1").exists());
    assert_eq!(world.registered(), Vec::<PathBuf>::new());
}

#[test]
fn an_agent_that_is_gone_by_then_is_a_row() {
    let world = World::new();
    let (a1, a2) = (world.agent("a1"), world.agent("a2"));
    world.destroy(&[&a1], FORCE);
    let report = world.destroy(&[&a1, &a2], FORCE);
    assert_eq!(report.destroyed_agents, ["a2"]);
    assert_eq!((report.failure_count, report.exit_code), (1, 1));
}

#[test]
fn what_is_at_stake_is_told_before() {
    let world = World::new();
    let a1 = world.agent("a1");
    let work_dir = world.work_dir("a1");
    assert!(world.stake(&a1, WITH_BRANCH).is_nothing());
    write(&work_dir.join("work"), "x");
    git_in(&work_dir, &["add", "-A"]);
    git_in(&work_dir, &["commit", "-q", "-m", "a precious commit"]);
    write(&work_dir.join("README"), "changed\n");
    write(&work_dir.join("scratch"), "y");

    let stake = world.stake(&a1, WITH_BRANCH);
    assert_eq!((stake.changed_files, stake.untracked_files, stake.commits), (1, 1, 0));
    let branch = stake.branch.unwrap();
    assert_eq!((branch.name.as_str(), branch.goes, branch.commits), ("mng/a1", true, 1));
    assert!(branch.newest_commits[0].ends_with("a precious commit"));
    assert!(!world.stake(&a1, FORCE).branch.unwrap().goes);

    // Commits on no branch go in any case.
    git_in(&work_dir, &["checkout", "-q", "--detach"]);
    git_in(&work_dir, &["commit", "-q", "--allow-empty", "-m", "adrift"]);
    let stake = world.stake(&a1, FORCE);
    assert_eq!(stake.commits, 1, "{stake:?}");
    assert_eq!(world.stake(&a1, WITH_BRANCH).commits, 2);
}

#[test]
fn merged_work_is_not_at_stake_also_when_squashed() {
    let world = World::new();
    let a1 = world.agent("a1");
    let work_dir = world.work_dir("a1");
    for part in ["one", "two"] {
        write(&work_dir.join(part), part);
        git_in(&work_dir, &["add", "-A"]);
        git_in(&work_dir, &["commit", "-q", "-m", part]);
    }
    assert_eq!(world.stake(&a1, WITH_BRANCH).branch.unwrap().commits, 2);
    world.repo.git("merge -q --squash mng/a1");
    world.repo.git("commit -q -m squashed");
    assert!(world.stake(&a1, WITH_BRANCH).is_nothing());
}

#[test]
fn the_states_are_part_of_what_is_told() {
    let world = World::new();
    let (a1, a2) = (world.agent("a1"), world.agent("a2"));
    world.private.start(&a1.record).unwrap();
    let seen = block(prospects(&world.ctx, &[a1, a2], FORCE));
    assert_eq!((seen[0].needs_force, seen[1].needs_force), (true, false));
    assert_eq!(seen[1].state, AgentState::Stopped);
}
