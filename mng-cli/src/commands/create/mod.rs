//! `mng create`, and what `mng clone` and `mng migrate` share with it.

mod args;
mod editor;
mod first_type;
mod host_args;
mod resolve;
mod templates;

use std::io;

use clap::Args;
use mng_core::model::event::{Event, Events};
use mng_core::operations::create::{
    CreateReport, CreateRequest, ForegroundReport, Output, create, run_foreground, send_first_message,
    wait_until_stopped,
};
use mng_core::plugins::Ctx;
use mng_core::{Error, ErrorClass};
use serde_json::json;

pub(crate) use args::{CreateOptions, SetupArgs};
pub(crate) use resolve::working_dir;
pub(crate) use templates::{adjust, adjust_delegate};

use crate::attach::{Attaching, attach};
use crate::exit::{CliResult, ExitCode};
use crate::ui::{Format, Out, Progress, Render, Ui};

use editor::Editor;

/// Make an agent and start it
///
/// Gives the agent a work dir of its own, by default a git worktree on a new branch `mng/NAME`, and starts its
/// program in a tmux session there. Nothing in the source changes but the new branch. If anything goes wrong
/// before the agent runs, everything that was made is removed again.
#[derive(Debug, Args)]
#[command(
    after_help = "$ mng create fix-auth claude\n\nAny program, in the background:\n$ mng create web --type command --no-connect -- npm run dev\n\nIn the current directory, without a copy:\n$ mng create notes claude --transfer none\n\nFrom another branch:\n$ mng create hotfix claude --branch release:\n\nSee also: clone, list, connect, destroy, address"
)]
pub(crate) struct CreateArgs {
    #[command(flatten)]
    options: CreateOptions,
}

pub(crate) async fn run(ui: &mut Ui, ctx: &Ctx, args: CreateArgs) -> CliResult {
    let options = args.options;
    let mut request = options.request()?;
    first_type::offer(ui, ctx, &mut request).await?;
    if options.is_foreground() {
        return foreground(ui, ctx, request, options.message()?).await;
    }
    let report = make(ui, ctx, &options, request).await?;
    finish(ui, ctx, &options, &report).await
}

impl CreateOptions {
    pub(crate) fn is_foreground(&self) -> bool {
        self.behaviour.foreground
    }

    /// The first message, without trailing line ends.
    ///
    /// # Errors
    /// The file is missing, or the text is empty: usage errors.
    fn message(&self) -> Result<Option<String>, Error> {
        let text = match (&self.message.message, &self.message.message_file) {
            (Some(text), _) => text.clone(),
            (None, Some(path)) => resolve::read_text(path)?.trim_end_matches(['\n', '\r']).to_owned(),
            (None, None) => return Ok(None),
        };
        if text.trim().is_empty() {
            return Err(Error::hinted(
                ErrorClass::Usage,
                "the message is empty",
                "leave it out, or give a text",
            ));
        }
        Ok(Some(text))
    }

    /// Whether the person's terminal goes to the agent in the end.
    fn wants_connect(&self, ui: &Ui) -> bool {
        match (self.connection.no_connect, self.connection.connect && self.explicit.has("connect")) {
            (true, _) => false,
            (false, true) => true,
            (false, false) => ui.is_interactive() && ui.terminal().can_attach(),
        }
    }

    /// What has to be wrong before an editor opens.
    fn check(&self, ui: &Ui) -> Result<(), Error> {
        if self.behaviour.await_agent_stopped && !self.connection.no_connect {
            return Err(Error::hinted(
                ErrorClass::Usage,
                "`--await-agent-stopped` needs `--no-connect`",
                "add `--no-connect`",
            ));
        }
        if self.connection.edit_message && !(ui.is_interactive() && ui.can_ask()) {
            return Err(Error::hinted(
                ErrorClass::Usage,
                "`--edit-message` needs a terminal and a person at it",
                "give the text with `--message TEXT` or `--message-file FILE`",
            ));
        }
        Ok(())
    }
}

/// Makes the agent and gets it its first message.
///
/// # Errors
/// As the operation; a message that was not delivered is one too, though the agent runs then.
pub(crate) async fn make(
    ui: &mut Ui,
    ctx: &Ctx,
    options: &CreateOptions,
    mut request: CreateRequest,
) -> Result<CreateReport, Error> {
    options.check(ui)?;
    let message = options.message()?;
    if !options.connection.edit_message {
        request.message = message;
        return work(ui, ctx, request).await;
    }
    let editor = Editor::open(ui, message.as_deref().unwrap_or_default())?;
    let made = work(ui, ctx, request).await;
    let text = editor.text(ui).await;
    let delivered = async {
        let report = made?;
        if let Some(text) = text.as_ref().ok().and_then(Option::as_deref) {
            send_first_message(ctx, &report, text).await?;
        }
        Ok(report)
    };
    let result = delivered.await;
    match (&result, &text) {
        (Err(_), Ok(Some(text))) => editor::rescue(ui, ctx, text),
        (_, Err(error)) => ui.warning(&format!("no message is sent: {error}")),
        _ => {}
    }
    result
}

async fn work(ui: &mut Ui, ctx: &Ctx, request: CreateRequest) -> Result<CreateReport, Error> {
    let progress = Progress::new("Creating").steps_in_jsonl().to_the_end();
    ui.with_items(progress, async |events: Events| create(ctx, request, &events).await, |_, _| Ok(())).await
}

/// Shows the result and, if that is wanted, becomes the agent's terminal.
pub(crate) async fn finish(
    ui: &mut Ui,
    ctx: &Ctx,
    options: &CreateOptions,
    report: &CreateReport,
) -> CliResult {
    if !(ui.is_human() && ui.is_quiet()) {
        ui.result(report)?;
    }
    if options.behaviour.await_agent_stopped {
        wait_until_stopped(ctx, report).await?;
    }
    if options.wants_connect(ui) {
        let command = options.connection.connect_command.as_deref();
        let attaching = Attaching { command, is_reconnecting: !options.connection.no_reconnect };
        return attach(ui, ctx, &report.agent, attaching).await;
    }
    Ok(ExitCode::SUCCESS)
}

impl Render for CreateReport {
    fn event(&self) -> &'static str {
        "created"
    }

    fn human(&self, out: &mut Out<'_>) -> io::Result<()> {
        out.line(format_args!("Done."))
    }
}

/// Streams a headless agent's output. In json modes it is one text.
async fn foreground(
    ui: &mut Ui,
    ctx: &Ctx,
    mut request: CreateRequest,
    message: Option<String>,
) -> CliResult {
    request.message = message;
    let mut response = String::new();
    let report = ui
        .with_items(
            Progress::new("Creating").to_the_end(),
            async |events: Events| {
                let mut texts = [Decoder::default(), Decoder::default()];
                let mut on_output = |output: Output<'_>| {
                    let [stdout, stderr] = &mut texts;
                    let item = match output {
                        Output::Stdout(bytes) => json!({ "stdout": stdout.decode(bytes) }),
                        Output::Stderr(bytes) => json!({ "stderr": stderr.decode(bytes) }),
                    };
                    events.send(Event::Item(item));
                };
                run_foreground(ctx, request, &events, &mut on_output).await
            },
            |ui, item| {
                if let Some(text) = item["stderr"].as_str() {
                    ui.console().text(text);
                }
                let Some(text) = item["stdout"].as_str() else { return Ok(()) };
                if !ui.is_human() {
                    response.push_str(text);
                    return Ok(());
                }
                response.clear();
                response.push_str(text);
                ui.write(text.as_bytes())
            },
        )
        .await?;
    match ui.format() {
        Format::Human if response.is_empty() || response.ends_with('\n') => {}
        Format::Human => ui.write(b"\n")?,
        Format::Jsonl => ui.event("response", &json!({ "response": response }))?,
        _ => ui.json(&json!({ "response": response }))?,
    }
    Ok(exit_code(ui, &report))
}

/// Bytes that come in pieces as text; a letter may be cut in two.
#[derive(Default)]
struct Decoder(Vec<u8>);

impl Decoder {
    fn decode(&mut self, bytes: &[u8]) -> String {
        self.0.extend_from_slice(bytes);
        let cut = match std::str::from_utf8(&self.0) {
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            _ => self.0.len(),
        };
        let rest = self.0.split_off(cut);
        let text = String::from_utf8_lossy(&self.0).into_owned();
        self.0 = rest;
        text
    }
}

/// The agent's failure is ours.
fn exit_code(ui: &Ui, report: &ForegroundReport) -> ExitCode {
    match report.exit_code {
        Some(0) => ExitCode::SUCCESS,
        Some(code) => {
            ui.warning(&format!("agent {} ended with exit code {code}", report.agent_name));
            ExitCode::OTHER
        }
        None => {
            ui.warning(&format!("agent {} was ended by a signal", report.agent_name));
            ExitCode::OTHER
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_that_is_cut_in_two_is_put_together() {
        let mut decoder = Decoder::default();
        let bytes = "aé\u{1f980}b".as_bytes();
        let text: String = bytes.chunks(1).map(|byte| decoder.decode(byte)).collect();
        assert_eq!(text, "aé\u{1f980}b");
        assert_eq!(decoder.decode(b"\xff!"), "\u{fffd}!");
    }
}
