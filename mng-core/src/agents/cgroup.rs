//! A control group for each agent, where this machine lets us make one: what the agent starts can then not
//! get away, however it forks.
//!
//! Needs a writable cgroup2 hierarchy and no controllers; it may be mounted beside version 1. Where there is
//! none, or a process may not be moved, all of this quietly does nothing and the process tree serves.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::model::ids::AgentId;

/// The directory of ours under the topmost group that we may write.
const OURS: &str = "mng";
/// Where we stand when we are not to be in an agent's group. A leaf of its own: a group that hands out
/// controllers takes no processes.
const OUTSIDE: &str = "outside";

/// The groups of one host dir's agents on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Groups {
    /// `<topmost writable group>/mng`.
    ours: PathBuf,
    /// Below it, one directory a host dir: two installations do not meet.
    host: PathBuf,
}

impl Groups {
    /// Where groups can be made; `None` where the machine has no writable cgroup2 hierarchy.
    #[must_use]
    pub fn detect(host_dir: &Path) -> Option<Self> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        let own = own_path()?;
        let (mount, own) = cgroup2_mounts(&mounts).find_map(|(root, mount)| {
            let inside = Path::new(&own).strip_prefix(&root).ok()?;
            Some((mount, inside.to_path_buf()))
        })?;
        let top = topmost_writable(&mount, &own)?;
        let ours = top.join(OURS);
        let host_dir = fs::canonicalize(host_dir).unwrap_or_else(|_| host_dir.to_path_buf());
        let digest = Sha256::digest(host_dir.as_os_str().as_encoded_bytes());
        let name: String = digest[..6].iter().map(|byte| format!("{byte:02x}")).collect();
        Some(Self { host: ours.join(name), ours })
    }

    /// An agent's group, whether it exists or not.
    #[must_use]
    pub fn of(&self, agent: &AgentId) -> Group {
        Group { dir: self.host.join(agent.as_str()) }
    }

    /// Agents that have a group here.
    #[must_use]
    pub fn agents(&self) -> Vec<AgentId> {
        let entries = fs::read_dir(&self.host).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
    }

    /// Moves this process out of whatever agent's group it is in. A tmux server that we start would
    /// otherwise live in that group, and every later session with it. Returns whether we now stand outside.
    pub fn leave(&self) -> bool {
        let is_inside = || {
            own_path().is_some_and(|path| {
                path.split('/')
                    .collect::<Vec<_>>()
                    .windows(3)
                    .any(|part| part[0] == OURS && part[1] != OUTSIDE && part[2].starts_with(AgentId::PREFIX))
            })
        };
        if !is_inside() {
            return true;
        }
        let outside = self.ours.join(OUTSIDE);
        let pid = std::process::id().to_string();
        let _ = fs::create_dir(&outside);
        let _ = fs::write(outside.join("cgroup.procs"), pid);
        !is_inside()
    }
}

/// One agent's group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    dir: PathBuf,
}

impl Group {
    /// Makes the group. Returns the file that a process writes its pid to in order to enter; `None` if the
    /// group cannot be had.
    #[must_use]
    pub fn make(&self) -> Option<PathBuf> {
        // Another command may just be removing the empty directory above.
        let is_made = (0..3).any(|_| fs::create_dir_all(&self.dir).is_ok());
        is_made.then(|| self.dir.join("cgroup.procs"))
    }

    #[must_use]
    pub fn exists(&self) -> bool {
        self.dir.is_dir()
    }

    /// The processes in the group and in the groups below it.
    #[must_use]
    pub fn pids(&self) -> Vec<i32> {
        let mut pids = Vec::new();
        let mut dirs = vec![self.dir.clone()];
        while let Some(dir) = dirs.pop() {
            let text = fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
            pids.extend(text.lines().filter_map(|line| line.parse::<i32>().ok()));
            dirs.extend(subgroups(&dir));
        }
        pids
    }

    /// Ends all processes of the group at once, forks included. Only for a group whose every process may be
    /// ended. Returns whether the kernel took the order.
    #[must_use]
    pub fn kill(&self) -> bool {
        fs::write(self.dir.join("cgroup.kill"), "1").is_ok()
    }

    /// Removes the group and those below it, if no process is left in them; with the last group of a host
    /// dir also the directory above.
    pub fn remove(&self) {
        fn remove(dir: &Path) {
            for below in subgroups(dir) {
                remove(&below);
            }
            let _ = fs::remove_dir(dir);
        }
        remove(&self.dir);
        if let Some(host) = self.dir.parent() {
            let _ = fs::remove_dir(host);
        }
    }

    /// Processor time of the group since it was made, ended processes included.
    #[must_use]
    pub fn cpu(&self) -> Option<Duration> {
        let text = fs::read_to_string(self.dir.join("cpu.stat")).ok()?;
        let usec = text.lines().find_map(|line| line.strip_prefix("usage_usec "))?;
        usec.trim().parse().ok().map(Duration::from_micros)
    }

    /// Bytes of memory charged to the group; `None` without the memory controller.
    #[must_use]
    pub fn memory(&self) -> Option<u64> {
        fs::read_to_string(self.dir.join("memory.current")).ok()?.trim().parse().ok()
    }
}

fn subgroups(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

/// Our own path in the cgroup2 hierarchy.
fn own_path() -> Option<String> {
    let text = fs::read_to_string("/proc/self/cgroup").ok()?;
    text.lines().find_map(|line| line.strip_prefix("0::")).map(str::to_owned)
}

/// Root within the hierarchy, and mount point, of every cgroup2 mount.
fn cgroup2_mounts(mountinfo: &str) -> impl Iterator<Item = (PathBuf, PathBuf)> {
    mountinfo.lines().filter_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        let mut fields = left.split(' ').skip(3);
        let (root, mount) = (fields.next()?, fields.next()?);
        right.starts_with("cgroup2 ").then(|| (unescaped(root), unescaped(mount)))
    })
}

/// mountinfo writes blanks, tabs, line breaks and backslashes as three octal digits.
fn unescaped(text: &str) -> PathBuf {
    let text =
        text.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\");
    PathBuf::from(text)
}

/// The highest group on the way from the mount to our own that we may make groups in. From the top, so that
/// start and stop find the same one from wherever they are called.
fn topmost_writable(mount: &Path, own: &Path) -> Option<PathBuf> {
    use rustix::fs::{Access, access};
    let mut dir = mount.to_path_buf();
    let mut below = own.components();
    loop {
        let is_writable = access(&dir, Access::WRITE_OK | Access::EXEC_OK).is_ok()
            && access(dir.join("cgroup.procs"), Access::WRITE_OK).is_ok();
        if is_writable {
            return Some(dir);
        }
        match below.next()? {
            // Own paths are ours as the kernel says them; `..` means that we stand outside the namespace.
            std::path::Component::Normal(name) if name != OURS => dir.push(name),
            std::path::Component::RootDir | std::path::Component::CurDir => {}
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cgroup2_is_found_beside_version_1() {
        let mountinfo = "\
            31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n\
            32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n\
            41 31 0:38 /docker/x /my\\040groups rw,relatime shared:3 - cgroup2 cgroup2 rw\n";
        let found: Vec<_> = cgroup2_mounts(mountinfo).collect();
        assert_eq!(found, [(PathBuf::from("/docker/x"), PathBuf::from("/my groups"))]);
    }

    #[test]
    fn the_topmost_writable_group_is_taken() {
        use std::os::unix::fs::PermissionsExt as _;
        let root = tempfile::tempdir().unwrap();
        let own = root.path().join("user/session");
        fs::create_dir_all(&own).unwrap();
        fs::write(own.join("cgroup.procs"), "").unwrap();
        fs::set_permissions(own.join("cgroup.procs"), fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(topmost_writable(root.path(), Path::new("user/session")), Some(own.clone()));
        fs::write(root.path().join("user/cgroup.procs"), "").unwrap();
        assert_eq!(topmost_writable(root.path(), Path::new("user/session")), Some(root.path().join("user")));
        assert_eq!(topmost_writable(root.path(), Path::new("../x")), None);
    }

    #[test]
    fn a_group_holds_what_a_process_starts_and_can_end_it() {
        let host_dir = tempfile::tempdir().unwrap();
        let Some(groups) = Groups::detect(host_dir.path()) else { return };
        let agent = AgentId::generate();
        let group = groups.of(&agent);
        let Some(enter) = group.make() else { return };
        let script = format!("echo $$ >{} || exit 9; (setsid sleep 600 &) ; exec sleep 600", enter.display());
        let mut child = std::process::Command::new("sh").args(["-c", &script]).spawn().unwrap();
        crate::agents::testing::eventually("both are in the group", || {
            group.pids().len() == 2 || child.try_wait().unwrap().is_some()
        });
        if child.try_wait().unwrap().is_some() {
            group.remove();
            return; // this machine lets us make groups but not enter them
        }
        assert_eq!(groups.agents(), [agent]);
        assert!(group.cpu().is_some());
        assert!(group.kill());
        child.wait().unwrap();
        crate::agents::testing::eventually("the group is gone", || {
            group.remove();
            !group.exists()
        });
        assert!(!groups.host.exists());
    }
}
