//! Bringing an undo entry back. Nothing is overwritten: a name, branch or path that is taken meanwhile gets
//! `-restored` behind it.
//!
//! The names are settled first and written into the manifest, so that a restore that died is continued
//! under the same ones.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::error::RescueError;
use super::manifest::{Intent, KeptAgent, KeptGit, Manifest, RestoredAt, UndoId, WorkDirKind};
use super::{agent, remove_tree, restore_files};
use crate::hosts::git::{self, Git};
use crate::hosts::{Host, HostLock};
use crate::model::error::{Error, Result};
use crate::model::ids::{AgentId, random_hex};
use crate::model::names::AgentName;
use crate::model::record::{AgentRecord, TransferMode};
use crate::model::time::Time;
use crate::storage::fault;

/// What to bring back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Only {
    #[default]
    All,
    /// The record, transcripts and events.
    Agent,
    /// The branch at its tip; nothing is checked out.
    Branch,
    /// The work dir. Its branch is checked out where that is free, else its commit.
    Files,
}

/// What is to stand in the env file of an agent that comes back: values are not kept.
pub type EnvOf<'a> = &'a (dyn Fn(&AgentRecord) -> Result<Vec<u8>> + Sync);

/// What came back.
#[derive(Clone, Debug, Serialize)]
pub struct Restored {
    pub undo_id: UndoId,
    /// The record as written. The agent is stopped.
    pub agent: Option<AgentRecord>,
    pub work_dir: Option<PathBuf>,
    pub branch: Option<String>,
    /// Variables that the agent had and whose values were not kept.
    pub missing_env: Vec<String>,
    /// What did not come back, one sentence each.
    pub notes: Vec<String>,
}

/// Brings back what the entry has. The entry itself stays until it expires.
///
/// # Errors
/// [`RescueError`]: the entry has no such part, or its commits or files are gone. Nothing was overwritten;
/// a second call goes on where a failed one ended.
pub async fn restore(
    host: &Host,
    lock: &HostLock,
    mut entry: Manifest,
    only: Only,
    env: EnvOf<'_>,
) -> Result<Restored> {
    check_parts(&entry, only)?;
    let git = match entry.git() {
        Some(git) if only != Only::Agent => {
            check_commits(host, &entry, git).await?;
            Some(git.clone())
        }
        _ => None,
    };
    let intent = match entry.intent.clone() {
        Some(intent) => intent,
        None => settle(host, &entry, git.as_ref(), only).await?,
    };
    entry.intent = Some(intent.clone());
    entry.write(host, lock).await?;
    fault::point("undo.names_settled");
    if let Some(git) = &git {
        bring_back_branches(host, git, &intent).await?;
        fault::point("undo.branch");
    }
    let mut notes = notes(&entry, only);
    if let Some(path) = &intent.work_dir {
        restore_files::restore(host, &entry, path, intent.branch.as_deref(), &mut notes).await?;
        fault::point("undo.files");
    }
    let agent = match (&entry.agent, &intent.agent_id) {
        (Some(kept), Some(id)) => Some(bring_back_agent(host, lock, &entry, kept, id, &intent, env).await?),
        (Some(kept), None) if only != Only::Branch => keep_agent(host, lock, kept, &intent).await?,
        _ => None,
    };
    fault::point("undo.agent");
    entry.intent = None;
    entry.restored.push(RestoredAt {
        at: Time::now(),
        agent_id: intent.agent_id,
        work_dir: intent.work_dir.clone(),
        branch: intent.branch.clone().or(intent.created_branch.clone()),
    });
    entry.write(host, lock).await?;
    // An agent that was never removed has its env file still.
    let missing_env = match (&entry.restored.last(), &entry.agent) {
        (Some(RestoredAt { agent_id: Some(_), .. }), Some(kept)) => kept.env_names.clone(),
        _ => Vec::new(),
    };
    Ok(Restored {
        undo_id: entry.id,
        agent,
        work_dir: intent.work_dir,
        branch: intent.branch.or(intent.created_branch),
        missing_env,
        notes,
    })
}

fn has_files(entry: &Manifest) -> bool {
    entry.work_dir.as_ref().is_some_and(|kept| match kept.kind {
        WorkDirKind::Worktree | WorkDirKind::Moved => true,
        WorkDirKind::Missing => kept.git.is_some(),
        WorkDirKind::Stays => false,
    })
}

fn check_parts(entry: &Manifest, only: Only) -> Result<()> {
    let has_branch = entry.git().is_some_and(|git| git.branch.is_some() || git.created_branch.is_some());
    let (is_there, what) = match only {
        Only::All => (has_files(entry) || entry.agent.is_some(), "agent and no files"),
        Only::Agent => (entry.agent.is_some(), "agent"),
        Only::Branch => (has_branch, "branch"),
        Only::Files => (has_files(entry), "files"),
    };
    if is_there { Ok(()) } else { Err(RescueError::NothingOfThat { id: entry.id.clone(), what }.into()) }
}

async fn check_commits(host: &Host, entry: &Manifest, git: &KeptGit) -> Result<()> {
    let (id, path) = (entry.id.clone(), git.common_dir.clone());
    if host.transport.stat(&git.common_dir).await?.is_none() {
        return Err(RescueError::RepositoryGone { id, path }.into());
    }
    let repo = Git::in_git_dir(host.transport.as_ref(), &git.common_dir)?;
    if git::commits_of(&repo, &[&git.commit]).await? == [None] {
        return Err(RescueError::CommitGone { id, path }.into());
    }
    Ok(())
}

/// Finds names that are free now.
async fn settle(host: &Host, entry: &Manifest, git: Option<&KeptGit>, only: Only) -> Result<Intent> {
    let mut intent = Intent::default();
    if matches!(only, Only::All | Only::Files)
        && has_files(entry)
        && let Some(kept) = &entry.work_dir
    {
        intent.work_dir = Some(free_path(host, &kept.path).await?);
    }
    if let Some(git) = git {
        let repo = Git::in_git_dir(host.transport.as_ref(), &git.common_dir)?;
        settle_branches(&repo, git, only, &mut intent).await?;
    }
    if matches!(only, Only::All | Only::Agent)
        && let Some(kept) = &entry.agent
    {
        settle_agent(host, kept, &mut intent).await?;
    }
    Ok(intent)
}

async fn settle_branches(repo: &Git<'_>, git: &KeptGit, only: Only, intent: &mut Intent) -> Result<()> {
    let mut taken: BTreeSet<String> = git::branches(repo).await?.into_iter().collect();
    let busy = checked_out(repo).await?;
    if let Some(branch) = &git.branch {
        let tip = git::branch_tip(repo, branch).await?;
        let is_same = tip.is_some() && tip == git.head;
        // An unborn branch has nothing to compare; its name is free as long as nobody made it.
        let is_free = match (only, &tip) {
            (_, None) => true,
            (Only::Branch, Some(_)) => is_same,
            (_, Some(_)) => is_same && !busy.contains(branch),
        };
        intent.branch = match (only, is_free) {
            (Only::Files, false) => None,
            (Only::Files, true) => tip.is_some().then(|| branch.clone()),
            (_, true) => Some(branch.clone()),
            (_, false) => Some(free_name(branch, |name| taken.contains(name))),
        };
        taken.extend(intent.branch.clone());
    }
    if only != Only::Files
        && let (Some(created), Some(tip)) = (&git.created_branch, &git.created_branch_tip)
        && git.branch.as_ref() != Some(created)
    {
        let now = git::branch_tip(repo, created).await?;
        intent.created_branch = match now {
            Some(now) if now != *tip => Some(free_name(created, |name| taken.contains(name))),
            _ => Some(created.clone()),
        };
    }
    Ok(())
}

/// Branches that a work tree has checked out.
async fn checked_out(repo: &Git<'_>) -> Result<BTreeSet<String>> {
    let text = repo.text(["worktree", "list", "--porcelain"]).await?;
    Ok(text.lines().filter_map(|line| line.strip_prefix("branch refs/heads/")).map(str::to_owned).collect())
}

async fn settle_agent(host: &Host, kept: &KeptAgent, intent: &mut Intent) -> Result<()> {
    let record = &kept.record;
    let entries = host.agents().await?;
    if entries.iter().any(|entry| entry.id == record.id) {
        let is_waiting = host.transport.stat(&record.work_dir).await?.is_none()
            && intent.work_dir.as_deref() == Some(&record.work_dir);
        if is_waiting || host.transport.stat(&host.layout.agent_destroying(&record.id)).await?.is_some() {
            // Its destroy was cut short: the record is still there and lacks the files at most.
            return Ok(());
        }
        intent.agent_id = Some(AgentId::generate());
    } else {
        intent.agent_id = Some(record.id.clone());
    }
    let taken: BTreeSet<String> = entries
        .iter()
        .filter_map(|entry| entry.record.as_ref().ok().map(|record| record.name.to_string()))
        .collect();
    let name = record.name.to_string();
    intent.agent_name = Some(if taken.contains(&name) {
        // New names have 63 characters at most.
        let cut: String = name.chars().take(50).collect();
        free_name(cut.trim_end_matches(['-', '_']), |name| taken.contains(name))
    } else {
        name
    });
    Ok(())
}

/// `name-restored`, `name-restored-2`, …: the first that is not taken.
fn free_name(name: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let mut candidate = format!("{name}-restored");
    let mut number = 2;
    while is_taken(&candidate) {
        candidate = format!("{name}-restored-{number}");
        number += 1;
    }
    candidate
}

async fn free_path(host: &Host, path: &Path) -> Result<PathBuf> {
    if host.transport.stat(path).await?.is_none() {
        return Ok(path.to_path_buf());
    }
    let mut number = 1;
    loop {
        let suffix = if number == 1 { String::new() } else { format!("-{number}") };
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!("-restored{suffix}"));
        let candidate = path.with_file_name(name);
        if host.transport.stat(&candidate).await?.is_none() {
            return Ok(candidate);
        }
        number += 1;
    }
}

/// Makes the branches that are missing. One that is there was checked when the names were settled.
async fn bring_back_branches(host: &Host, git: &KeptGit, intent: &Intent) -> Result<()> {
    let repo = Git::in_git_dir(host.transport.as_ref(), &git.common_dir)?.without_hooks();
    let wanted = [(&intent.branch, &git.head), (&intent.created_branch, &git.created_branch_tip)];
    for (branch, tip) in wanted {
        let (Some(branch), Some(tip)) = (branch, tip) else { continue };
        if git::branch_tip(&repo, branch).await?.is_none() {
            let zeros = "0".repeat(tip.len());
            repo.text(["update-ref", &format!("refs/heads/{branch}"), tip, &zeros]).await?;
        }
    }
    Ok(())
}

fn notes(entry: &Manifest, only: Only) -> Vec<String> {
    let mut notes = Vec::new();
    let Some(kept) = entry.work_dir.as_ref().filter(|_| matches!(only, Only::All | Only::Files)) else {
        return notes;
    };
    if kept.kind == WorkDirKind::Missing {
        notes.push("the work dir was gone before: only its commits come back".into());
    }
    if !kept.lost.is_empty() {
        let names: Vec<String> = kept.lost.iter().map(|item| item.path.to_string()).collect();
        notes.push(format!("ignored files that were too big to keep: {}", names.join(", ")));
    }
    for what in kept.git.iter().flat_map(|git| &git.in_progress) {
        notes.push(format!("a {what} was in progress: its files are back, the {what} itself is not"));
    }
    notes
}

/// Assembles the state dir aside and renames it in, then registers the work dir, as a create does.
async fn bring_back_agent(
    host: &Host,
    lock: &HostLock,
    entry: &Manifest,
    kept: &KeptAgent,
    id: &AgentId,
    intent: &Intent,
    env: EnvOf<'_>,
) -> Result<AgentRecord> {
    let record = new_record(kept, id, intent)?;
    let place = host.layout.agent(id);
    if host.read_agent(id).await?.is_none() {
        let staging = host.layout.tmp().join(id.as_str());
        remove_tree(host, &staging).await?;
        host.transport.create_dir(&staging).await?;
        agent::bring_back(host, entry, &staging).await?;
        let json = serde_json::to_vec_pretty(&record)
            .map_err(|error| Error::io("encode a record", std::io::Error::other(error)))?;
        host.transport.write(&staging.join("data.json"), &json, 0o600).await?;
        host.transport.write(&staging.join("env"), &env(&record)?, 0o600).await?;
        fault::point("undo.agent_assembled");
        // What a destroy left that died after the record: nothing that the entry does not have.
        if host.transport.stat(&place).await?.is_some() {
            let aside = host.layout.tmp().join(format!("removed-{}", random_hex()));
            host.transport.rename(&place, &aside).await?;
        }
        host.transport.create_dir(&host.layout.agents()).await?;
        host.transport.rename(&staging, &place).await?;
        fault::point("undo.agent_placed");
    }
    let is_generated = record.transfer_mode != Some(TransferMode::None);
    if let Some(path) = intent.work_dir.clone().filter(|_| is_generated) {
        host.update_record(lock, |host| host.generated_work_dirs.push(path)).await?;
    }
    Ok(record)
}

/// An agent whose destroy was cut short before it went: it is mng's to keep again, with its work dir, and no
/// gc finishes the destroy. `None`: there is no such agent, or it works somewhere else by now.
async fn keep_agent(
    host: &Host,
    lock: &HostLock,
    kept: &KeptAgent,
    intent: &Intent,
) -> Result<Option<AgentRecord>> {
    let Some(record) = host.read_agent(&kept.record.id).await? else { return Ok(None) };
    if let Some(path) = intent.work_dir.clone() {
        if path != record.work_dir {
            return Ok(None);
        }
        if record.transfer_mode != Some(TransferMode::None) {
            host.update_record(lock, |host| host.generated_work_dirs.push(path)).await?;
        }
    }
    host.transport.remove_file(&host.layout.agent_destroying(&record.id)).await?;
    Ok(Some(record))
}

fn new_record(kept: &KeptAgent, id: &AgentId, intent: &Intent) -> Result<AgentRecord> {
    let mut record = kept.record.clone();
    record.id = id.clone();
    if let Some(name) = &intent.agent_name {
        // Names of older programs follow no rules; reading does not check them.
        record.name = serde_json::from_value::<AgentName>(name.as_str().into())
            .map_err(|error| Error::io("name the agent", std::io::Error::other(error)))?;
    }
    if let Some(path) = &intent.work_dir {
        record.work_dir.clone_from(path);
        record.checked_out_branch_name.clone_from(&intent.branch);
    }
    let created = intent.created_branch.as_ref().or(intent.branch.as_ref());
    if record.created_branch_name.is_some() && created.is_some() {
        record.created_branch_name = created.cloned();
    }
    Ok(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_free_name_is_taken() {
        let taken = ["a-restored", "a-restored-2"];
        assert_eq!(free_name("a", |name| taken.contains(&name)), "a-restored-3");
        assert_eq!(free_name("b", |name| taken.contains(&name)), "b-restored");
    }
}
