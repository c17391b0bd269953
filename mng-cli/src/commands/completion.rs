//! `mng completion`

use clap::Args;
use serde_json::json;

use crate::completion::{Shell, script};
use crate::exit::{CliResult, ExitCode};
use crate::frame::Invocation;
use crate::ui::Ui;

/// Print the script that completes mng in a shell
///
/// The script asks mng itself for candidates, so it needs no update when mng gets one. `mng extras completion`
/// makes new shells read it.
#[derive(Args, Debug)]
#[command(after_help = "In the running shell:\n$ eval \"$(mng completion bash)\"\n\nSee also: extras")]
pub(crate) struct CompletionArgs {
    /// The shell
    #[arg(value_name = "SHELL", value_enum)]
    shell: Shell,
}

pub(crate) fn run(ui: &mut Ui, _: &Invocation, args: CompletionArgs) -> CliResult {
    let script = script(args.shell);
    if ui.is_json() {
        ui.json(&json!({ "shell": args.shell.as_str(), "script": script }))?;
    } else if ui.is_jsonl() {
        ui.event("completion", &json!({ "shell": args.shell.as_str(), "script": script }))?;
    } else {
        ui.write(script.as_bytes())?;
    }
    Ok(ExitCode::SUCCESS)
}
