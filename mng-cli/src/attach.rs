//! Putting the person's terminal onto an agent: the last thing a command does, because it becomes tmux.

use std::process::Command;

use mng_core::operations::connect::attach_plan;
use mng_core::operations::resolve::ResolvedAgent;
use mng_core::plugins::Ctx;
use mng_core::{Error, ErrorClass};

use crate::exit::{CliResult, ExitCode};
use crate::ui::Ui;

/// Has this process end as the agent's terminal, or as `command` (else the setting `connect_command`).
///
/// # Errors
/// There is no terminal here, it is inside tmux, the agent does not run, or tmux is missing.
pub(crate) async fn attach(
    ui: &mut Ui,
    ctx: &Ctx,
    agent: &ResolvedAgent,
    command: Option<&str>,
) -> CliResult {
    let is_custom = mng_core::operations::connect::connect_command(ctx, command).is_some();
    if !is_custom && !ui.terminal().can_attach() {
        return Err(Error::hinted(
            ErrorClass::UserInput,
            format!("cannot attach to agent `{}`: this is no terminal", agent.record.name),
            format!("run `mng connect {}` in a terminal, or look with `mng capture {0}`", agent.record.name),
        ));
    }
    let plan = attach_plan(ctx, agent, command).await?;
    let Some((program, args)) = plan.argv.split_first() else {
        return Err(Error::plain(ErrorClass::UserInput, "the connect command is empty"));
    };
    let mut child = Command::new(program);
    child.args(args).envs(&plan.env);
    for name in &plan.unset {
        child.env_remove(name);
    }
    ui.end_as(child);
    Ok(ExitCode::SUCCESS)
}
