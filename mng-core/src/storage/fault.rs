//! Fault points: named steps at which the kill-half-way tests end the process.
//!
//! Compiled in only with the feature `fault-points`, which nothing but mng-tests turns on.

/// Marks one step. With `MNG_FAULT_POINT=<name>` the process kills itself here with SIGKILL; with
/// `MNG_FAULT_POINT_LIST=<file>` it appends the name to the file, so that a test can find the steps; with
/// `MNG_FAULT_POINT_PANIC=<name>` it panics.
#[cfg(feature = "fault-points")]
pub fn point(name: &str) {
    use std::io::Write as _;
    if let Some(list) = std::env::var_os("MNG_FAULT_POINT_LIST")
        && let Ok(mut file) = std::fs::OpenOptions::new().append(true).create(true).open(list)
    {
        let _ = writeln!(file, "{name}");
    }
    let panics = std::env::var_os("MNG_FAULT_POINT_PANIC").is_some_and(|wanted| wanted == name);
    assert!(!panics, "fault point `{name}`");
    if std::env::var_os("MNG_FAULT_POINT").is_some_and(|wanted| wanted == name) {
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        std::process::abort();
    }
}

/// Marks one step; nothing without the feature `fault-points`.
#[cfg(not(feature = "fault-points"))]
#[inline]
pub fn point(_name: &str) {}
