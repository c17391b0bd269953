//! A terminal on another machine. mng waits beside ssh: to attach again when the line is lost, and to do what a
//! key of the session asked for.

use std::time::{Duration, Instant};

use mng_core::operations::connect::{Parting, attach_plan, may_pass};
use mng_core::operations::resolve::ResolvedAgent;
use mng_core::plugins::Ctx;
use mng_core::transports::AttachPlan;
use mng_core::{Error, ErrorClass};

use super::child;
use crate::commands::{destroy, stop};
use crate::exit::{CliResult, ExitCode};
use crate::ui::Ui;

/// A line that has lasted this long counts as a good one: what happens to it then is a new mishap.
const GOOD_LINE: Duration = Duration::from_secs(60);

/// Attaches until the person leaves, the session ends, or the line stays lost.
///
/// # Errors
/// The line stays lost, or the agent does not run any more when it is back; what the keys do has failed.
pub(super) async fn attach(
    ui: &mut Ui,
    ctx: &Ctx,
    agent: &ResolvedAgent,
    mut plan: AttachPlan,
    is_reconnecting: bool,
) -> CliResult {
    let retry = &ctx.settings.core.retry;
    let most = if is_reconnecting { retry.connect_retry_times } else { 0 };
    let mut tries = 0;
    loop {
        let started = Instant::now();
        match Parting::of(ssh(ui, &plan).await?) {
            Parting::Left(code) => return Ok(ExitCode::new(code)),
            Parting::Stop => return stop::at_once(ui, ctx, agent.clone()).await,
            Parting::Destroy => return destroy::at_once(ui, ctx, agent.clone()).await,
            Parting::LineLost => {}
        }
        if started.elapsed() > GOOD_LINE {
            tries = 0;
        }
        plan = loop {
            if tries >= most {
                return Err(lost(agent, most));
            }
            tries += 1;
            let host = agent.host.info.address();
            let pause = retry.connect_retry_delay.0;
            ui.console().line(&format!(
                "The line to host `{host}` was lost; attaching again in {} ({tries} of {most}, Ctrl-C ends)",
                shown(pause)
            ));
            tokio::time::sleep(pause).await;
            match attach_plan(ctx, agent, None).await {
                Ok(plan) => break plan,
                Err(error) if may_pass(&error) => tracing::debug!("still no line: {error}"),
                Err(error) => return Err(error),
            }
        };
    }
}

/// Gives the terminal to ssh until it ends; its exit code.
async fn ssh(ui: &mut Ui, plan: &AttachPlan) -> Result<Option<i32>, Error> {
    // Dropped with this command when a signal ends it: ssh, which is killed then, leaves the terminal raw.
    let terminal = ui.lend_terminal();
    let mut child = tokio::process::Command::from(child(plan)?);
    let program = child.as_std().get_program().to_string_lossy().into_owned();
    let status = child.kill_on_drop(true).status().await;
    let status = status.map_err(|error| Error::io(format!("run `{program}`"), error))?;
    if status.code().is_some() && Parting::of(status.code()) != Parting::LineLost {
        terminal.came_back();
    }
    Ok(status.code())
}

fn lost(agent: &ResolvedAgent, tries: u32) -> Error {
    let (name, host) = (&agent.record.name, agent.host.info.address());
    let message = match tries {
        0 => format!("the line to host `{host}` was lost; agent `{name}` goes on there"),
        _ => format!(
            "the line to host `{host}` was lost and did not come back in {tries} tries; agent `{name}` goes on \
             there"
        ),
    };
    Error::hinted(ErrorClass::HostConnection, message, format!("mng connect {name}"))
}

fn shown(pause: Duration) -> String {
    mng_core::settings::DurationText(pause).to_string()
}
