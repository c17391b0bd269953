//! The processes of a host: one look at all of them, who descends from whom, who carries an agent's mark.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::hosts::Host;
use crate::model::error::{Error, ErrorClass, Result};
use crate::model::ids::{AgentId, random_hex};
use crate::storage::SmallReader;
use crate::transports::ExecRequest;

/// When a process began, only to be compared: a pid alone may have been given to another process since.
/// Clock ticks since boot where there is a `/proc`, else a digest of what `ps` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StartTime(u64, Unit);

/// What a start time counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Unit {
    Ticks,
    /// No time, but equal for equal ones.
    Digest,
}

impl StartTime {
    /// Reads what the launch script wrote down.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let words: Vec<&str> = text.split_whitespace().collect();
        match words[..] {
            [ticks] => Self(ticks.parse().unwrap_or(0), Unit::Ticks),
            _ => Self(fnv(&words.join(" ")), Unit::Digest),
        }
    }
}

/// FNV-1a: equal texts give equal numbers in every process, which is all that is asked.
fn fnv(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// One process for as long as it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProcessId {
    pub pid: i32,
    pub started: StartTime,
}

impl ProcessId {
    /// `PID:START` for a script that is to meet this very process; `-` for a start that it cannot compare.
    pub(crate) fn word(&self) -> String {
        match self.started {
            StartTime(ticks, Unit::Ticks) => format!("{}:{ticks}", self.pid),
            StartTime(_, Unit::Digest) => format!("{}:-", self.pid),
        }
    }
}

/// One process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    pub id: ProcessId,
    pub parent: i32,
    /// The program's name: at most 15 bytes on Linux.
    pub name: Box<str>,
    /// It has ended; its parent has not noticed yet.
    pub is_zombie: bool,
    /// Processor time used, children not counted.
    pub cpu: Duration,
    /// Resident memory in bytes.
    pub memory: u64,
}

impl Process {
    /// Whether it is a tmux server, which holds many agents' sessions and is nobody's.
    #[must_use]
    pub fn is_tmux_server(&self) -> bool {
        self.name.starts_with("tmux: server")
    }
}

/// All processes of a host at one moment.
#[derive(Clone, Debug, Default)]
pub struct ProcessTable {
    by_pid: HashMap<i32, Process>,
    children: HashMap<i32, Vec<i32>>,
}

impl ProcessTable {
    /// Looks at all processes of the host: `/proc` where we can read it, which starts nothing, else a script.
    ///
    /// # Errors
    /// They cannot be read; that is not "there are none".
    pub async fn read(host: &Host) -> Result<Self> {
        match has_proc(host) {
            true => Self::read_in(Path::new("/proc")),
            false => Ok(Marked::ask(host, Marks::No).await?.table),
        }
    }

    /// The lines of `/proc/*/stat`, one after the other. `units`: the host's clock ticks a second and bytes of
    /// a page, where they matter.
    pub(super) fn of_stats(stats: &[u8], units: Option<(u64, u64)>) -> Self {
        let units = units.map_or(Units { ticks: 100, page: 4096 }, |(ticks, page)| Units { ticks, page });
        let mut processes = Vec::new();
        let mut start = 0;
        for end in stats.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at) {
            // A name may hold line breaks. It is too short to hold all the fields that a whole line has.
            let line = &stats[start..end];
            if let Some(process) = read_stat_in(line, units) {
                processes.push(process);
                start = end + 1;
            } else if line.len() > LONGEST_STAT {
                start = end + 1;
            }
        }
        Self::new(processes)
    }

    /// What `ps -A -o pid=,ppid=,rss=,lstart=,comm=` has printed.
    pub(super) fn of_ps(printed: &str) -> Self {
        Self::new(printed.lines().filter_map(read_ps_line))
    }

    fn new(processes: impl IntoIterator<Item = Process>) -> Self {
        let mut table = Self::default();
        for process in processes {
            table.children.entry(process.parent).or_default().push(process.id.pid);
            table.by_pid.insert(process.id.pid, process);
        }
        table
    }

    /// The processes in a recording of `/proc`.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) fn read_in(proc_dir: &Path) -> Result<Self> {
        let mut reader = SmallReader::new();
        let read = |pid| read_process_in(proc_dir, &mut reader, pid).ok().flatten();
        Ok(Self::new(pids_in(proc_dir)?.into_iter().filter_map(read)))
    }

    #[must_use]
    pub fn get(&self, pid: i32) -> Option<&Process> {
        self.by_pid.get(&pid)
    }

    /// Whether this very process still runs; a zombie does not.
    #[must_use]
    pub fn is_alive(&self, id: ProcessId) -> bool {
        self.get(id.pid).is_some_and(|process| process.id == id && !process.is_zombie)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Process> {
        self.by_pid.values()
    }

    /// The roots that exist and all that descends from them, breadth first, each once. Below a process for
    /// which `is_border` holds, itself included, nothing is taken.
    #[must_use]
    pub fn trees(&self, roots: &[i32], is_border: impl Fn(&Process) -> bool) -> Vec<&Process> {
        let mut found = Vec::new();
        // Pid 0 is the kernel's, and some sandboxes name it as everybody's parent.
        let mut seen: HashSet<i32> = HashSet::from([0]);
        let mut queue: std::collections::VecDeque<i32> = roots.iter().copied().collect();
        while let Some(pid) = queue.pop_front() {
            if !seen.insert(pid) {
                continue;
            }
            let Some(process) = self.get(pid).filter(|process| !is_border(process)) else { continue };
            found.push(process);
            queue.extend(self.children.get(&pid).into_iter().flatten());
        }
        found
    }
}

/// Whether we may read the host's processes as files.
pub(crate) fn has_proc(host: &Host) -> bool {
    host.is_local() && Path::new("/proc/self/stat").exists()
}

fn pids_in(proc_dir: &Path) -> Result<Vec<i32>> {
    let entries =
        fs::read_dir(proc_dir).map_err(|error| Error::io(format!("list `{}`", proc_dir.display()), error))?;
    Ok(entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect())
}

/// One process of this machine now; `None` if it is gone.
pub(crate) fn read_process(pid: i32) -> std::io::Result<Option<Process>> {
    read_process_with(&mut SmallReader::new(), pid)
}

/// As [`read_process`], for many of them.
pub(crate) fn read_process_with(reader: &mut SmallReader, pid: i32) -> std::io::Result<Option<Process>> {
    read_process_in(Path::new("/proc"), reader, pid)
}

/// As [`read_process_with`], from `/proc` or a recording of it.
pub(crate) fn read_process_in(
    proc_dir: &Path,
    reader: &mut SmallReader,
    pid: i32,
) -> std::io::Result<Option<Process>> {
    match reader.read(&proc_dir.join(format!("{pid}/stat"))) {
        Ok(bytes) => Ok(read_stat(bytes)),
        Err(error) if is_gone(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A process that ends while its files are read gives ESRCH.
fn is_gone(error: &std::io::Error) -> bool {
    error.kind() == ErrorKind::NotFound
        || error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error())
}

/// What a host counts in.
#[derive(Clone, Copy)]
struct Units {
    /// Clock ticks a second.
    ticks: u64,
    /// Bytes of a page.
    page: u64,
}

/// No line of `/proc/<pid>/stat` is longer, in bytes.
const LONGEST_STAT: usize = 2048;

fn read_stat(bytes: &[u8]) -> Option<Process> {
    let ticks = rustix::param::clock_ticks_per_second();
    read_stat_in(bytes, Units { ticks, page: rustix::param::page_size() as u64 })
}

fn read_stat_in(bytes: &[u8], units: Units) -> Option<Process> {
    // The name may hold anything, parentheses and blanks included; the last `)` ends it.
    let open = bytes.iter().position(|byte| *byte == b'(')?;
    let close = bytes.iter().rposition(|byte| *byte == b')')?;
    let pid = std::str::from_utf8(&bytes[..open]).ok()?.trim().parse().ok()?;
    let name = String::from_utf8_lossy(&bytes[open + 1..close]).into_owned().into_boxed_str();
    let rest = std::str::from_utf8(&bytes[close + 1..]).ok()?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().take(22).collect();
    let number = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok());
    // Field numbers of proc(5), counted from the state, which is field 3.
    let ticks = number(14 - 3)?.saturating_add(number(15 - 3)?);
    Some(Process {
        id: ProcessId { pid, started: StartTime(number(22 - 3)?, Unit::Ticks) },
        parent: fields.get(4 - 3)?.parse().ok()?,
        name,
        is_zombie: matches!(fields.first(), Some(&"Z" | &"X")),
        cpu: Duration::from_millis(ticks.saturating_mul(1000) / units.ticks.max(1)),
        memory: number(24 - 3).unwrap_or(0).saturating_mul(units.page),
    })
}

/// `pid ppid rss lstart(5 words) comm`, the name last because it may hold blanks.
fn read_ps_line(line: &str) -> Option<Process> {
    let mut rest = line.trim_start();
    let mut word = || {
        let end = rest.find(char::is_whitespace)?;
        let word = &rest[..end];
        rest = rest[end..].trim_start();
        Some(word)
    };
    let pid = word()?.parse().ok()?;
    let parent = word()?.parse().ok()?;
    let kilobytes: u64 = word()?.parse().ok()?;
    let started = [word()?, word()?, word()?, word()?, word()?].join(" ");
    let name = rest.trim_end();
    Some(Process {
        id: ProcessId { pid, started: StartTime::parse(&started) },
        parent,
        name: name.rsplit('/').next().unwrap_or(name).trim_start_matches('-').into(),
        is_zombie: name.contains("<defunct>"),
        cpu: Duration::ZERO,
        memory: kilobytes * 1024,
    })
}

/// Whose a process is, as its environment says. A program may have changed that; it proves nothing alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    pub agent: AgentId,
    pub host_dir: PathBuf,
}

impl Mark {
    /// Whether the host dir is this one, by whatever path.
    #[must_use]
    pub fn is_of(&self, host_dir: &Path) -> bool {
        self.host_dir == host_dir
            || matches!((fs::canonicalize(&self.host_dir), fs::canonicalize(host_dir)), (Ok(a), Ok(b)) if a == b)
    }
}

/// The mark of one process of this machine; `None` if it has none, is gone or is not ours to read.
pub(crate) fn mark_of(pid: i32) -> Option<Mark> {
    read_mark(fs::read(format!("/proc/{pid}/environ")).ok()?.split(|byte| *byte == 0))
}

fn read_mark<'a>(environment: impl Iterator<Item = &'a [u8]>) -> Option<Mark> {
    let mut agent = None;
    let mut host_dir = None;
    for entry in environment {
        if let Some(value) = entry.strip_prefix(b"MNG_AGENT_ID=") {
            agent = std::str::from_utf8(value).ok().and_then(|text| text.parse::<AgentId>().ok());
        } else if let Some(value) = entry.strip_prefix(b"MNG_HOST_DIR=") {
            use std::os::unix::ffi::OsStrExt as _;
            host_dir = Some(PathBuf::from(std::ffi::OsStr::from_bytes(value)));
        }
    }
    Some(Mark { agent: agent?, host_dir: host_dir? })
}

/// Whether the environments of the processes are wanted too.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Marks {
    No,
    Yes,
}

/// All processes of a host, and which of them carry a mark of this host dir.
#[derive(Clone, Debug, Default)]
pub(crate) struct Marked {
    pub(crate) table: ProcessTable,
    /// tmux servers are left out: the first session's environment sticks to them.
    pub(crate) marks: Vec<(ProcessId, AgentId)>,
}

/// Prints the real path of the host dir `$2`, then all processes, in frames of [`super::probe`]; with `$3` also
/// the environments that hold an agent's mark.
const PROCESSES: &str = include_str!("processes.sh");

impl Marked {
    /// # Errors
    /// The processes cannot be read.
    pub(crate) async fn read(host: &Host) -> Result<Self> {
        if !has_proc(host) {
            return Self::ask(host, Marks::Yes).await;
        }
        let table = ProcessTable::read_in(Path::new("/proc"))?;
        let root = host.layout.root();
        let marks = table.iter().filter(|process| !process.is_tmux_server()).filter_map(|process| {
            let mark = mark_of(process.id.pid).filter(|mark| mark.is_of(root))?;
            Some((process.id, mark.agent))
        });
        Ok(Self { marks: marks.collect(), table })
    }

    async fn ask(host: &Host, marks: Marks) -> Result<Self> {
        let nonce = random_hex();
        let root = host.layout.root().to_string_lossy().into_owned();
        let wanted = if marks == Marks::Yes { "marks" } else { "" };
        let request = ExecRequest::sh(PROCESSES, [nonce.clone(), root, wanted.to_owned()]).idempotent();
        let output = host.transport.exec(request).await?.check("list the processes")?;
        let failed = |why: String| {
            let host = &host.info.name;
            Error::plain(ErrorClass::Host, format!("cannot see the processes of host `{host}`: {why}"))
        };
        let frames =
            super::probe::frames(&output.stdout, &nonce).map_err(|error| failed(error.to_string()))?;
        let body = |kind: &str| frames.iter().find(|frame| frame.kind == kind).map(|frame| frame.body);
        let table = match (body("proc"), body("ps")) {
            (Some(stats), _) => ProcessTable::of_stats(stats, None),
            (None, Some(printed)) => ProcessTable::of_ps(&String::from_utf8_lossy(printed)),
            (None, None) => return Err(failed("neither `/proc` nor `ps` tells".into())),
        };
        let real = frames.iter().find(|frame| frame.kind == "root").map(|frame| Path::new(frame.rest));
        let is_here = |mark: &Mark| mark.host_dir == host.layout.root() || Some(&*mark.host_dir) == real;
        let mut found: Vec<(i32, Mark)> = Vec::new();
        for frame in &frames {
            match frame.kind {
                "environ" => {
                    found.extend(frame.rest.parse().ok().zip(read_mark(frame.body.split(|byte| *byte == 0))))
                }
                // One process a line, its variables behind its words.
                "commands" => found.extend(String::from_utf8_lossy(frame.body).lines().filter_map(|line| {
                    let (pid, rest) = line.trim_start().split_once(' ')?;
                    Some((pid.parse().ok()?, read_mark(rest.split(' ').map(str::as_bytes))?))
                })),
                _ => {}
            }
        }
        let found = found.into_iter().filter(|(_, mark)| is_here(mark));
        let marks = found.filter_map(|(pid, mark)| Some((table.get(pid)?, mark.agent)));
        let marks = marks.filter(|(process, _)| !process.is_tmux_server());
        Ok(Self { marks: marks.map(|(process, agent)| (process.id, agent)).collect(), table })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agents::testing::{PrivateHost, block, eventually};

    fn process(pid: i32, parent: i32, name: &str) -> Process {
        Process {
            id: ProcessId { pid, started: StartTime::parse("1") },
            parent,
            name: name.into(),
            is_zombie: false,
            cpu: Duration::ZERO,
            memory: 0,
        }
    }

    #[test]
    fn a_name_cannot_shift_the_fields() {
        let line = b"42 (a) S 9 (b)) S 7 42 42 34816 42 4194304 1 0 0 0 5 6 0 0 20 0 1 0 777 9 3 x\n";
        let process = read_stat(line).unwrap();
        assert_eq!((process.id.pid, process.parent, &*process.name), (42, 7, "a) S 9 (b)"));
        assert_eq!(process.id.started, StartTime::parse("777"));
    }

    #[test]
    fn a_name_with_line_breaks_forges_no_process() {
        let rest = "S 7 42 42 34816 42 4194304 1 0 0 0 5 6 0 0 20 0 1 0 777 9 3 0 0";
        let names = ["a", ")\n7 (x", ") S 1 1\n8 (b", "\n\n", "6 (z) S 1 2 3\n"];
        let stats: String =
            (0..).zip(names).map(|(at, name)| format!("{} ({name}) {rest}\n", at + 100)).collect();
        let table = ProcessTable::of_stats(stats.as_bytes(), Some((100, 10)));
        for (pid, name) in (100..).zip(names) {
            assert_eq!(&*table.get(pid).unwrap().name, name);
        }
        assert_eq!(table.iter().count(), names.len());
        assert_eq!(table.get(100).unwrap().memory, 30);
        assert_eq!(table.get(100).unwrap().cpu, Duration::from_millis(110));
    }

    #[test]
    fn ps_lines_are_read_too() {
        let process =
            read_ps_line("  501     1   2048 Wed Nov 25 09:36:00 2026 /usr/local/bin/my prog\n").unwrap();
        assert_eq!((process.id.pid, process.parent, &*process.name), (501, 1, "my prog"));
        assert_eq!(process.memory, 2 << 20);
        assert_eq!(process.id.started, StartTime::parse("Wed Nov 25  09:36:00 2026"));
        assert_eq!(&*read_ps_line("1 0 1 Wed Nov 5 09:36:00 2026 -zsh").unwrap().name, "zsh");
    }

    #[test]
    fn trees_end_in_spite_of_circles() {
        let table = ProcessTable::new([
            process(2, 3, "a"),
            process(3, 2, "b"),
            process(4, 3, "c"),
            process(5, 4, "d"),
        ]);
        let names = |found: Vec<&Process>| found.iter().map(|p| p.name.to_string()).collect::<Vec<_>>();
        assert_eq!(names(table.trees(&[2, 2, 99], |_| false)), ["a", "b", "c", "d"]);
        assert_eq!(names(table.trees(&[3], |process| &*process.name == "c")), ["b", "a"]);
    }

    #[test]
    fn our_own_child_is_found_with_its_mark() {
        let private = PrivateHost::new();
        let agent = AgentId::generate();
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .env("MNG_AGENT_ID", agent.as_str())
            .env("MNG_HOST_DIR", private.path("h/../h"))
            .spawn()
            .unwrap();
        let pid = child.id().cast_signed();
        // Between fork and exec it still has our environment.
        eventually("the child has its mark", || mark_of(pid).is_some());
        let table = block(ProcessTable::read(&private.host)).unwrap();
        let found = table.get(pid).unwrap().clone();
        assert_eq!(&*found.name, "sleep");
        assert!(table.is_alive(found.id));
        assert!(table.trees(&[std::process::id().cast_signed()], |_| false).contains(&&found));
        let seen = block(Marked::read(&private.host)).unwrap();
        assert_eq!(seen.marks, [(found.id, agent)]);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(read_process(pid).unwrap().map(|process| process.id).filter(|id| *id == found.id), None);
    }

    #[test]
    fn a_process_of_another_machine_is_found_with_its_mark() {
        let private = PrivateHost::far();
        let agent = AgentId::generate();
        let spawn = |dir: PathBuf| {
            let mut command = std::process::Command::new("sleep");
            command.arg("60").env("MNG_AGENT_ID", agent.as_str()).env("MNG_HOST_DIR", dir).spawn().unwrap()
        };
        let mut children = [private.path("h"), private.path("elsewhere")].map(spawn);
        let pids = children.each_ref().map(|child| child.id().cast_signed());
        eventually("the children have their marks", || pids.iter().all(|pid| mark_of(*pid).is_some()));
        let seen = block(Marked::read(&private.host)).unwrap();
        let found = seen.table.get(pids[0]).unwrap();
        assert_eq!(seen.marks, [(found.id, agent.clone())]);
        assert!(&*found.name == "sleep" && seen.table.is_alive(found.id));
        for child in &mut children {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}
