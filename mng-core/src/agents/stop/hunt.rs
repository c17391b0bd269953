//! Finding and ending processes that do not wish to be found.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use super::{groups, leftover};
use crate::agents::cgroup::{Group, Groups};
use crate::agents::judge::is_shell;
use crate::agents::processes::{Marked, Process, ProcessId, ProcessTable, has_proc, read_process};
use crate::agents::tmux::Tmux;
use crate::hosts::Host;
use crate::model::error::Result;
use crate::model::failure::{Failure, FailureCategory};
use crate::model::ids::AgentId;
use crate::transports::{ExecRequest, SHORT};

const SIGNAL: &str = include_str!("signal.sh");

/// How often the dying are looked at.
const POLL: Duration = Duration::from_millis(10);
/// How long a shell gets to leave after its terminal went.
const HANGUP: Duration = Duration::from_millis(500);
/// How long killed processes may take to vanish; longer is a process stuck in the kernel.
const KILL: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signal {
    Term,
    Kill,
}

/// All that is to end, and where to look for it.
pub(super) struct Hunt<'h> {
    host: &'h Host,
    agents: Vec<AgentId>,
    pub(super) groups: Option<Groups>,
    /// Processes known to be the agents', with all that descends from them.
    pub(super) roots: Vec<ProcessId>,
    /// Pids of panes. Their shells end with the session, not before: an interactive one ignores TERM.
    pub(super) panes: Vec<i32>,
    /// Sessions to end, by id.
    pub(super) sessions: Vec<String>,
    shells: HashSet<ProcessId>,
}

impl<'h> Hunt<'h> {
    pub(super) fn new(host: &'h Host, agents: Vec<AgentId>) -> Self {
        Self {
            host,
            agents,
            groups: groups(host),
            roots: Vec::new(),
            panes: Vec::new(),
            sessions: Vec::new(),
            shells: HashSet::new(),
        }
    }

    /// Ends everything. Returns what remains.
    pub(super) async fn end(mut self, grace: Duration) -> Result<Vec<Failure>> {
        let mut failures = Vec::new();
        self.protect_ourselves().await?;
        self.ask(grace).await?;
        for session in std::mem::take(&mut self.sessions) {
            if let Err(error) = Tmux::on(self.host).kill_session(&session).await {
                failures.push(leftover(&error));
            }
        }
        for process in self.kill().await? {
            failures.push(Failure::new(
                FailureCategory::ProcessesRemain,
                format!("process {} (`{}`) does not end", process.id.pid, process.name),
            ));
        }
        self.remove_groups().await;
        Ok(failures)
    }

    /// Whoever stops an agent from one of its own panes loses the terminal, and is to finish all the same.
    async fn protect_ourselves(&self) -> Result<()> {
        if let Some(groups) = &self.groups {
            groups.leave();
        }
        if !self.host.is_local() || self.panes.is_empty() {
            return Ok(());
        }
        let table = ProcessTable::read(self.host).await?;
        let own = std::process::id().cast_signed();
        if table.trees(&self.panes, |_| false).iter().any(|process| process.id.pid == own) {
            // A handler stays for good, and a hang-up then changes nothing.
            let _ = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup());
        }
        Ok(())
    }

    /// Asks all but the panes' shells to end, also what they start meanwhile, and waits.
    async fn ask(&mut self, grace: Duration) -> Result<()> {
        let deadline = Instant::now() + grace;
        let mut asked: HashSet<ProcessId> = HashSet::new();
        loop {
            let found = self.find().await?;
            let waiting: Vec<ProcessId> =
                found.iter().map(|process| process.id).filter(|id| !self.shells.contains(id)).collect();
            if waiting.is_empty() || Instant::now() >= deadline {
                return Ok(());
            }
            let new: Vec<ProcessId> = waiting.iter().copied().filter(|id| asked.insert(*id)).collect();
            self.signal(&new, Signal::Term, waiting, deadline).await?;
        }
    }

    /// Kills until nothing is left. Returns what cannot be killed.
    async fn kill(&mut self) -> Result<Vec<Process>> {
        let start = Instant::now();
        loop {
            let found = self.find().await?;
            if found.is_empty() || start.elapsed() >= KILL {
                return Ok(found);
            }
            let ids: Vec<ProcessId> = found.iter().map(|process| process.id).collect();
            if start.elapsed() < HANGUP && ids.iter().all(|id| self.shells.contains(id)) {
                self.wait_for(ids, start + HANGUP).await?;
                continue;
            }
            for group in self.groups() {
                // The order takes all: only where every one of them is to go.
                let members = group.pids();
                if !members.is_empty() && members.iter().all(|pid| ids.iter().any(|id| id.pid == *pid)) {
                    let _ = group.kill();
                }
            }
            let all = ids.clone();
            self.signal(&ids, Signal::Kill, all, Instant::now() + Duration::from_millis(200)).await?;
        }
    }

    fn groups(&self) -> impl Iterator<Item = Group> {
        self.groups.iter().flat_map(|groups| self.agents.iter().map(|agent| groups.of(agent)))
    }

    /// Every process that is to end and still runs. What was found once stays known: when its parent has
    /// gone, nothing else may lead to it.
    async fn find(&mut self) -> Result<Vec<Process>> {
        let Marked { table, marks } = Marked::read(self.host).await?;
        for pid in std::mem::take(&mut self.panes) {
            if let Some(process) = table.get(pid) {
                self.roots.push(process.id);
                if is_shell(&process.name) {
                    self.shells.insert(process.id);
                }
            }
        }
        let mut roots: Vec<i32> =
            self.roots.iter().filter(|id| table.is_alive(**id)).map(|id| id.pid).collect();
        roots.extend(self.groups().flat_map(|group| group.pids()));
        let (ours, others): (Vec<_>, Vec<_>) =
            marks.into_iter().partition(|(_, agent)| self.agents.contains(agent));
        roots.extend(ours.iter().map(|(id, _)| id.pid));
        let others: HashSet<i32> = others.iter().map(|(id, _)| id.pid).collect();
        let found: Vec<Process> = table
            .trees(&roots, |process| self.is_spared(process, &others))
            .into_iter()
            .filter(|process| !process.is_zombie)
            .cloned()
            .collect();
        let known: HashSet<ProcessId> = self.roots.iter().copied().collect();
        self.roots.extend(found.iter().map(|process| process.id).filter(|id| !known.contains(id)));
        Ok(found)
    }

    /// `others`: what carries another agent's mark.
    fn is_spared(&self, process: &Process, others: &HashSet<i32>) -> bool {
        let is_ours = self.host.is_local() && process.id.pid == std::process::id().cast_signed();
        is_ours || process.id.pid == 1 || process.is_tmux_server() || others.contains(&process.id.pid)
    }

    /// Signals processes, then waits for others as [`Hunt::wait_for`] does.
    async fn signal(
        &self,
        ids: &[ProcessId],
        signal: Signal,
        waiting: Vec<ProcessId>,
        deadline: Instant,
    ) -> Result<()> {
        if !self.host.is_local() {
            let name = if signal == Signal::Kill { "KILL" } else { "TERM" };
            return self.far_signal(name, ids, &waiting, deadline).await;
        }
        for id in ids {
            send(*id, signal);
        }
        self.wait_for(waiting, deadline).await
    }

    /// One round trip for both.
    async fn far_signal(
        &self,
        signal: &str,
        ids: &[ProcessId],
        waiting: &[ProcessId],
        deadline: Instant,
    ) -> Result<()> {
        let left = deadline.saturating_duration_since(Instant::now());
        let words = |ids: &[ProcessId]| ids.iter().map(ProcessId::word).collect::<Vec<_>>().join(" ");
        let tenths = left.as_millis().div_ceil(100).to_string();
        let args = [signal.to_owned(), tenths, words(ids), words(waiting)];
        let request = ExecRequest::sh(SIGNAL, args).timeout(Some(left.saturating_add(SHORT)));
        self.host.transport.exec(request).await?.check("signal processes").map(|_| ())
    }

    /// Waits until all have ended, at most until `deadline`.
    async fn wait_for(&self, mut ids: Vec<ProcessId>, deadline: Instant) -> Result<()> {
        if !self.host.is_local() {
            return self.far_signal("-", &[], &ids, deadline).await;
        }
        loop {
            if has_proc(self.host) {
                ids.retain(|id| {
                    read_process(id.pid).ok().flatten().is_some_and(|now| now.id == *id && !now.is_zombie)
                });
            } else {
                let table = ProcessTable::read(self.host).await?;
                ids.retain(|id| table.is_alive(*id));
            }
            if ids.is_empty() || Instant::now() >= deadline {
                return Ok(());
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// The kernel lets a group go a moment after its last process.
    async fn remove_groups(&self) {
        let deadline = Instant::now() + Duration::from_millis(300);
        for group in self.groups() {
            while group.exists() {
                group.remove();
                if !group.pids().is_empty() || Instant::now() >= deadline {
                    break;
                }
                tokio::time::sleep(POLL).await;
            }
        }
    }
}

/// Signals this very process, and not one that got its pid since. A stopped one is woken to notice.
#[cfg(target_os = "linux")]
fn send(id: ProcessId, signal: Signal) {
    use rustix::process::{Pid, PidfdFlags, Signal as Raw, kill_process, pidfd_open, pidfd_send_signal};
    let Some(pid) = Pid::from_raw(id.pid) else { return };
    let is_same = || read_process(id.pid).ok().flatten().is_some_and(|now| now.id == id);
    let raw = if signal == Signal::Kill { Raw::KILL } else { Raw::TERM };
    match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(handle) if is_same() => {
            let _ = pidfd_send_signal(&handle, raw);
            let _ = pidfd_send_signal(&handle, Raw::CONT);
        }
        // A kernel without such handles: look, then shoot.
        Err(rustix::io::Errno::NOSYS | rustix::io::Errno::PERM) if is_same() => {
            let _ = kill_process(pid, raw);
            let _ = kill_process(pid, Raw::CONT);
        }
        Ok(_) | Err(_) => {}
    }
}

#[cfg(not(target_os = "linux"))]
fn send(id: ProcessId, signal: Signal) {
    use rustix::process::{Pid, Signal as Raw, kill_process};
    let Some(pid) = Pid::from_raw(id.pid) else { return };
    let _ = kill_process(pid, if signal == Signal::Kill { Raw::KILL } else { Raw::TERM });
    let _ = kill_process(pid, Raw::CONT);
}
