//! Which processes are alive and what they carry in their environment, read from `/proc`.

use std::fs;

/// One live process.
#[derive(Clone, Debug)]
pub struct Process {
    pub pid: i32,
    /// Its arguments joined by blanks; empty for a kernel thread.
    pub command: String,
    environ: Vec<u8>,
}

impl Process {
    /// The value of a variable that the process was started with.
    #[must_use]
    pub fn var(&self, key: &str) -> Option<String> {
        self.environ.split(|byte| *byte == 0).find_map(|entry| {
            let entry = String::from_utf8_lossy(entry);
            let (name, value) = entry.split_once('=')?;
            (name == key).then(|| value.to_owned())
        })
    }

    /// Ends it at once. A process that is gone already is fine.
    pub fn kill(&self) {
        if let Some(pid) = rustix::process::Pid::from_raw(self.pid) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}

/// Every process whose arguments and environment can be read. Zombies have neither and are left out.
fn all() -> Vec<Process> {
    let own = i32::try_from(std::process::id()).unwrap_or_default();
    let entries = fs::read_dir("/proc").expect("the tests read processes from /proc");
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| *pid != own)
        .filter_map(|pid| {
            let environ = fs::read(format!("/proc/{pid}/environ")).ok()?;
            let command = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
            let command = String::from_utf8_lossy(&command).trim_end_matches('\0').replace('\0', " ");
            (!command.is_empty()).then_some(Process { pid, command, environ })
        })
        .collect()
}

/// Live processes that were started with `key=value` in their environment.
#[must_use]
pub fn processes_carrying(key: &str, value: &str) -> Vec<Process> {
    all().into_iter().filter(|process| process.var(key).as_deref() == Some(value)).collect()
}

/// Live processes whose arguments hold the text. Use text that no other test uses. A tmux server is left out:
/// it keeps the arguments of the command that started it.
#[must_use]
pub fn processes_matching(text: &str) -> Vec<Process> {
    all()
        .into_iter()
        .filter(|process| process.command.contains(text) && !process.command.starts_with("tmux"))
        .collect()
}
