//! Runs a program of a passage with the streams of this process.

use std::process::Stdio;

use mng_core::operations::passage::Passage;
use mng_core::{Error, ErrorClass};

use crate::ui::Ui;

/// Runs it to its end and returns its exit code; 128 and the signal for one that a signal ended. Its output
/// goes to where ours goes, on stderr where stdout is for JSON.
///
/// # Errors
/// It cannot be started.
pub(crate) async fn run(ui: &Ui, passage: &Passage) -> Result<i32, Error> {
    use std::os::unix::process::ExitStatusExt as _;
    let (program, args) =
        passage.argv.split_first().ok_or_else(|| Error::plain(ErrorClass::Mng, "there is nothing to run"))?;
    ui.status(None);
    let mut command = tokio::process::Command::new(program);
    command.args(args).current_dir(&passage.cwd).stdin(Stdio::null()).kill_on_drop(true);
    for name in &passage.unset {
        command.env_remove(name);
    }
    command.envs(&passage.env);
    if !ui.is_human() {
        command.stdout(std::io::stderr());
    }
    let status = match command.status().await {
        Ok(status) => status,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Error::hinted(
                ErrorClass::BinaryNotInstalled,
                format!("`{program}` is not installed on this machine"),
                format!("install the package `{program}`; `mng doctor` lists what is missing"),
            ));
        }
        Err(error) => return Err(Error::io(format!("run `{program}`"), error)),
    };
    Ok(status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default()))
}
