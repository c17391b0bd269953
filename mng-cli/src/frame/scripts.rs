//! `[pre_command_scripts]`: shell lines that must succeed before a command runs.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use mng_core::plugins::Ctx;
use mng_core::{Error, ErrorClass};

/// At most so many run at once.
const MOST_AT_ONCE: usize = 32;

/// Runs all lines for a command at the same time, each by `sh -c` in the project root.
///
/// # Errors
/// Any line fails; each failure is named with its exit code and stderr.
pub(crate) fn run(ctx: &Ctx, key: &str) -> Result<(), Error> {
    let lines = ctx.settings.pre_command_scripts(key);
    let dir = ctx.locations.project_root.as_deref().unwrap_or(&ctx.locations.cwd);
    let mut failures = Vec::new();
    for chunk in lines.chunks(MOST_AT_ONCE) {
        failures.extend(run_together(chunk, dir));
    }
    if failures.is_empty() {
        return Ok(());
    }
    Err(Error::hinted(
        ErrorClass::Mng,
        format!(
            "a script that must run before `mng {}` failed:\n{}",
            key.replace('_', " "),
            failures.join("\n")
        ),
        format!("mng config get pre_command_scripts.{key}"),
    ))
}

fn run_together(lines: &[String], dir: &Path) -> Vec<String> {
    std::thread::scope(|scope| {
        let running: Vec<_> =
            lines.iter().map(|line| (line, scope.spawn(move || run_one(line, dir)))).collect();
        running
            .into_iter()
            .filter_map(|(line, thread)| match thread.join() {
                Ok(Ok(output)) if output.status.success() => None,
                Ok(Ok(output)) => Some(describe(line, &output)),
                Ok(Err(error)) => Some(format!("`{line}` could not be started: {error}")),
                Err(_) => Some(format!("`{line}` could not be watched")),
            })
            .collect()
    })
}

fn run_one(line: &str, dir: &Path) -> std::io::Result<Output> {
    Command::new("sh").arg("-c").arg(line).current_dir(dir).stdin(Stdio::null()).output()
}

fn describe(line: &str, output: &Output) -> String {
    let end = output.status.code().map_or("ended by a signal".into(), |code| format!("exit code {code}"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    let stderr = stderr.trim_end();
    if stderr.is_empty() { format!("`{line}`: {end}") } else { format!("`{line}`: {end}: {stderr}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failing_line_is_described_and_all_run() {
        let dir = tempfile::tempdir().unwrap();
        let lines = ["exit 3", "touch ran", "echo broken >&2; false"].map(str::to_owned);
        let failures = run_together(&lines, dir.path());
        assert_eq!(failures, ["`exit 3`: exit code 3", "`echo broken >&2; false`: exit code 1: broken"]);
        assert!(dir.path().join("ran").exists());
    }
}
