//! `mng --version`.

use mng_core::plugins::Linked;

use crate::exit::{CliResult, ExitCode};
use crate::ui::Ui;

/// Prints the version; with `-v` also what is linked into this binary.
pub(crate) fn run(ui: &mut Ui, is_verbose: bool) -> CliResult {
    let mut text = concat!("mng ", env!("CARGO_PKG_VERSION"), "\n").to_owned();
    if is_verbose {
        for plugin in Linked::collect()?.iter() {
            text.push_str(&format!("  {} {}: {}\n", plugin.name, plugin.version, plugin.description));
        }
    }
    ui.write(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
