//! Long pages on a terminal go through a pager.

use std::io::Write;
use std::process::{Command, Stdio};

use mng_core::Error;
use mng_core::settings::EnvSnapshot;

use crate::frame::{EarlyOptions, Invocation};
use crate::ui::Ui;

/// Shows a page: through the pager on a terminal, else as it is.
pub(super) fn show(ui: &mut Ui, env: &EnvSnapshot, text: &str) -> Result<(), Error> {
    let is_paged = ui.terminal().is_stdout && !ui.terminal().is_dumb && !env.is_truthy("MNG_HEADLESS");
    if is_paged && page(&pager_line(env), env, text) {
        return Ok(());
    }
    ui.write(text.as_bytes())
}

/// `pager` of the settings, else `$PAGER`, else `less`. Broken settings must not hide the help about them.
fn pager_line(env: &EnvSnapshot) -> String {
    let settings =
        Invocation::new(env.clone(), EarlyOptions::default()).and_then(|invocation| invocation.load(true));
    let configured = settings.ok().and_then(|loaded| loaded.ctx.settings.core.pager);
    configured.or_else(|| env.get_non_empty("PAGER").map(str::to_owned)).unwrap_or_else(|| "less".to_owned())
}

/// Whether the pager showed it.
fn page(line: &str, env: &EnvSnapshot, text: &str) -> bool {
    let mut words = shlex::split(line).unwrap_or_default().into_iter();
    let Some(program) = words.next() else { return false };
    let mut command = Command::new(&program);
    command.args(words).stdin(Stdio::piped());
    if line.contains("less") {
        // R: colours; F: no pager for what fits; X: leave the page on the screen.
        command.env("LESS", format!("{} -RFX", env.get("LESS").unwrap_or_default()));
    }
    let Ok(mut child) = command.spawn() else { return false };
    if let Some(mut stdin) = child.stdin.take() {
        // Quitting the pager early closes the pipe; that is no failure.
        let _ = stdin.write_all(text.as_bytes());
    }
    child.wait().is_ok_and(|status| status.success())
}
