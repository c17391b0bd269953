//! Putting the person's terminal onto an agent: the last thing a command does. For an agent of this machine the
//! process becomes tmux; for another machine's it stays beside ssh.

mod far;

use std::process::Command;

use mng_core::operations::connect::{attach_plan, connect_command};
use mng_core::operations::resolve::ResolvedAgent;
use mng_core::plugins::Ctx;
use mng_core::transports::AttachPlan;
use mng_core::{Error, ErrorClass};

use crate::exit::{CliResult, ExitCode};
use crate::ui::Ui;

/// How to attach.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attaching<'a> {
    /// Run instead; unset: the setting `connect_command`, else tmux.
    pub(crate) command: Option<&'a str>,
    /// Whether to attach again when the line to another machine is lost.
    pub(crate) is_reconnecting: bool,
}

/// Has this command end as the agent's terminal, or as another command.
///
/// # Errors
/// There is no terminal here, it is inside tmux, the agent does not run, or tmux is missing; or the line to
/// its machine stays lost.
pub(crate) async fn attach(
    ui: &mut Ui,
    ctx: &Ctx,
    agent: &ResolvedAgent,
    attaching: Attaching<'_>,
) -> CliResult {
    let Attaching { command, is_reconnecting } = attaching;
    let is_custom = connect_command(ctx, command).is_some();
    if !is_custom && !ui.terminal().can_attach() {
        return Err(Error::hinted(
            ErrorClass::UserInput,
            format!("cannot attach to agent `{}`: this is no terminal", agent.record.name),
            format!("run `mng connect {}` in a terminal, or look with `mng capture {0}`", agent.record.name),
        ));
    }
    let plan = attach_plan(ctx, agent, command).await?;
    if !is_custom && !agent.host.is_local() {
        return far::attach(ui, ctx, agent, plan, is_reconnecting).await;
    }
    ui.end_as(child(&plan)?);
    Ok(ExitCode::SUCCESS)
}

/// The process of a plan.
fn child(plan: &AttachPlan) -> Result<Command, Error> {
    let Some((program, args)) = plan.argv.split_first() else {
        return Err(Error::plain(ErrorClass::UserInput, "the connect command is empty"));
    };
    let mut child = Command::new(program);
    child.args(args).envs(&plan.env);
    for name in &plan.unset {
        child.env_remove(name);
    }
    Ok(child)
}
