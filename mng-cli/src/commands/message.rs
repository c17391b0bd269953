//! `mng message`

use std::io;

use clap::Args;
use mng_core::model::address::AgentAddress;
use mng_core::operations::message::{FailedAgent, MessageReport, MessageRequest, message};
use mng_core::operations::resolve::Resolution;
use mng_core::plugins::Ctx;
use mng_core::{Error, Result};
use serde_json::{Value, json};

use crate::args::{MessageArgs, OnError, StdinUse, TargetArgs};
use crate::exit::{CliResult, ExitCode};
use crate::selection::select;
use crate::ui::{Out, Progress, Render, Ui};

/// Send a text to agents, as if it was typed
///
/// The text comes from `-m`, a file, standard input or your editor. It arrives as it is: nothing in it means
/// anything to a shell or to tmux, and line breaks in it submit nothing early if the program takes pastes.
/// Several agents get it at the same time, one agent takes one message after another. A receipt says how far
/// it is known to have come.
#[derive(Debug, Args)]
#[command(
    after_help = "$ mng message alpha -m 'run the tests again'\n\nThe same to every agent that waits:\n$ mng message --include 'state == \"WAITING\"' -m 'go on'\n\nFrom a file, starting the agent if it is stopped:\n$ mng message alpha --start < brief.md\n\nSee also: messages, capture, connect, exec"
)]
pub(crate) struct MessageCommand {
    #[command(flatten)]
    text: MessageArgs,

    /// Start agents that do not run first
    #[arg(long, overrides_with = "no_start")]
    start: bool,
    #[arg(long, hide = true, overrides_with = "start")]
    no_start: bool,

    /// An id of your own for the message: with a known one nothing is sent again
    #[arg(long, value_name = "ID")]
    id: Option<String>,

    /// Whether the first failure keeps the rest from getting it
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = OnError::Continue, ignore_case = true)]
    on_error: OnError,

    #[command(flatten)]
    targets: TargetArgs,
}

pub(crate) async fn run(ui: &mut Ui, ctx: &Ctx, args: MessageCommand) -> CliResult {
    let targets = args.targets.resolve::<AgentAddress>()?;
    if targets.is_empty_input {
        return Ok(ExitCode::SUCCESS);
    }
    let is_aborting = args.on_error == OnError::Abort;
    let stdin = if targets.has_read_stdin { StdinUse::Taken } else { StdinUse::Free };
    // First: without a text nobody need be looked up.
    let text = args.text.read(ui, stdin)?;
    let mut found = select(ui, ctx, targets).await?.found;
    let missing = take_missing(&mut found);
    if is_aborting && let Some((_, error)) = missing {
        return Err(error);
    }
    let request = MessageRequest {
        agents: std::mem::take(&mut found.matches),
        text,
        id: args.id,
        start: args.start,
        is_aborting,
    };
    let mut report = ui
        .with_items(
            Progress::new("Sending"),
            async |events| message(ctx, request, &events).await,
            |ui, item| show(ui, &item),
        )
        .await?;
    // Whether the only trouble is that nobody of that name or id is there.
    let mut code = report.exit_code();
    if let Some((rows, error)) = missing {
        code = if code == 1 { 1 } else { error.exit_code() };
        for row in rows {
            show(ui, &json!({ "receipt": null, "failed": row }))?;
            report.add_failed(row);
        }
    }
    ui.result(&Shown(report))?;
    Ok(ExitCode::new(code))
}

/// The rows of the targets that matched nothing, and the error that they make together.
fn take_missing(found: &mut Resolution) -> Option<(Vec<FailedAgent>, Error)> {
    let targets: Vec<String> = found.missing.iter().map(|missing| missing.target.clone()).collect();
    let error = found.take_error()?;
    let is_proven = error.exit_code() != 6;
    let row = |target: &String| match is_proven {
        true => FailedAgent::not_found(target),
        false => FailedAgent::unreachable(target, &error),
    };
    Some((targets.iter().map(row).collect(), error))
}

/// One agent's outcome, as soon as it is known.
fn show(ui: &mut Ui, item: &Value) -> Result<()> {
    let (receipt, failed) = (&item["receipt"], &item["failed"]);
    let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    if failed.is_null() {
        let agent = text(receipt, "agent");
        if ui.is_human() {
            return ui.human(|out| out.line(format_args!("Message sent to: {agent}")));
        }
        let line = json!({
            "agent": agent,
            "message": "Message sent",
            "message_id": receipt["message_id"],
            "status": receipt["status"],
            "evidence": receipt["evidence"],
        });
        return ui.event("message_sent", &line);
    }
    let is_blocked = failed["kind"] == "input_blocked" || failed["kind"] == "rejected";
    if ui.is_human() {
        let hint = failed["hint"].as_str().map(|hint| format!("  [{hint}]")).unwrap_or_default();
        ui.error_line(&format!("{}: {}{hint}", text(failed, "agent"), text(failed, "error")));
        return Ok(());
    }
    let line = json!({
        "agent": failed["agent"],
        "error": failed["error"],
        "kind": failed["kind"],
        "message_id": receipt["message_id"],
        "status": receipt["status"],
    });
    ui.event(if is_blocked { "message_blocked" } else { "message_error" }, &line)
}

/// What is said at the end: json has it all, jsonl had it line by line.
#[derive(Debug, serde::Serialize)]
struct Shown(MessageReport);

impl Render for Shown {
    fn event(&self) -> &'static str {
        "message_result"
    }

    fn human(&self, out: &mut Out<'_>) -> io::Result<()> {
        let report = &self.0;
        let names = |agents: &[FailedAgent]| {
            agents.iter().map(|failed| failed.agent.as_str()).collect::<Vec<_>>().join(" ")
        };
        if report.total_sent > 0 {
            out.line(format_args!("Successfully sent message to {} agent(s)", report.total_sent))?;
        }
        if report.total_blocked > 0 {
            out.warning(format_args!("Not taken, a person has to look: {} agent(s)", report.total_blocked));
            out.warning(format_args!("Blocked agents: {}", names(&report.blocked_agents)));
        }
        if report.total_failed > 0 {
            out.warning(format_args!("Failed to send message to {} agent(s)", report.total_failed));
            out.warning(format_args!("Failed agents: {}", names(&report.failed_agents)));
        }
        if report.total_sent + report.total_blocked + report.total_failed == 0 {
            out.line(format_args!("No agents found to send message to"))?;
        }
        Ok(())
    }

    fn jsonl(&self) -> Vec<Value> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::testing::{rendered, ui};

    #[test]
    fn failures_are_named_again_for_reuse() {
        let mut report =
            MessageReport { successful_agents: vec!["a1".into()], total_sent: 1, ..MessageReport::default() };
        report.add_failed(FailedAgent::not_found("b1"));
        report.add_failed(FailedAgent::not_found("b2"));
        insta::assert_snapshot!(rendered(&Shown(report)), @"
        ---- stdout
        Successfully sent message to 1 agent(s)
        ---- stderr
        WARNING: Failed to send message to 2 agent(s)
        WARNING: Failed agents: b1 b2
        ");
        insta::assert_snapshot!(rendered(&Shown(MessageReport::default())), @"
        ---- stdout
        No agents found to send message to
        ---- stderr
        ");
    }

    #[test]
    fn each_outcome_is_one_line_at_once() {
        let (mut screen_ui, screen) = ui();
        show(&mut screen_ui, &json!({ "receipt": { "agent": "a1" }, "failed": null })).unwrap();
        show(&mut screen_ui, &json!({ "receipt": null, "failed": FailedAgent::not_found("b1") })).unwrap();
        insta::assert_snapshot!(screen.both(), @"
        ---- stdout
        Message sent to: a1
        ---- stderr
        ERROR: b1: agent not found: no agent matches `b1`  [`mng list` shows the agents there are]
        ");
    }
}
