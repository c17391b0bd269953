//! `mng ask`

use std::collections::BTreeMap;
use std::io;
use std::process::Command;

use clap::Args;
use mng_core::operations::ask::{self, AskRequest};
use mng_core::plugins::Ctx;
use mng_core::{Error, ErrorClass};
use serde::Serialize;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::exit::{CliResult, ExitCode};
use crate::help;
use crate::ui::{Cell, Out, Render, Style, Table, Ui};

/// Ask a model how to use mng
///
/// The question goes to Claude Code together with mng's own help pages, and the answer is printed as it
/// comes. The model gets no tools and sees no files; no agent is made, and nothing is left behind. Without a
/// question, lists the commands.
///
/// With `--execute` the model is asked for one mng command, which is shown and, when you agree, run. Nothing
/// else can be run this way, and no shell is involved.
#[derive(Args, Debug)]
#[command(
    after_help = "$ mng ask how do I see what an agent is doing\n\nHave the command run:\n$ mng ask --execute stop every agent of project shop\n\nSee also: help"
)]
pub(crate) struct AskArgs {
    /// The question, in any number of words
    #[arg(value_name = "QUERY")]
    words: Vec<String>,

    /// Ask for a command and run it
    #[arg(long)]
    execute: bool,

    /// Run the command without asking; one that destroys is refused then
    #[arg(short, long, requires = "execute")]
    yes: bool,
}

/// Commands that end or remove things: a model's word is not enough for them.
const DESTRUCTIVE: [&str; 5] = ["destroy", "rm", "cleanup", "clean", "gc"];

const INTRODUCTION: &str = "You answer questions about mng, a command line that runs many coding agents in \
    parallel, each in a tmux session of its own. Its help pages follow. Answer from them alone, briefly, in \
    plain text for a terminal, with commands that can be pasted. If they do not tell, say so.";

const ONE_COMMAND: &str = "Reply with exactly one mng command line that does the following, and nothing else: \
    no explanation, no prompt sign, one line, no shell operators.";

pub(crate) async fn run(ui: &mut Ui, ctx: &Ctx, args: AskArgs) -> CliResult {
    let query = args.words.join(" ");
    if query.trim().is_empty() {
        if args.execute {
            return Err(Error::hinted(
                ErrorClass::Usage,
                "`--execute` needs a question",
                "mng ask --execute QUERY",
            ));
        }
        ui.result(&Commands { commands: help::command_summaries().into_iter().collect() })?;
        return Ok(ExitCode::SUCCESS);
    }
    if ui.is_jsonl() {
        ui.event("info", &serde_json::json!({"message": "Thinking..."}))?;
    }
    ui.status(Some("Thinking..."));
    let question = if args.execute { format!("{ONE_COMMAND}\n\n{query}") } else { query };
    let request = AskRequest { system_prompt: format!("{INTRODUCTION}\n\n{}", help::manual()), question };
    // A command is shown when it is whole.
    let is_streamed = ui.is_human() && !args.execute;
    let response = answer(ui, ctx, &request, is_streamed).await?;
    ui.status(None);
    if args.execute {
        return execute(ui, &response, args.yes).await;
    }
    ui.result(&Answer { response })?;
    Ok(ExitCode::SUCCESS)
}

/// The whole answer; shown as it grows if it is to be.
async fn answer(ui: &mut Ui, ctx: &Ctx, request: &AskRequest, is_streamed: bool) -> Result<String, Error> {
    let (sender, receiver) = unbounded_channel();
    let work = async {
        let mut hand_on = |text: &[u8]| {
            // The other end lives as long as this does.
            let _ = sender.send(text.to_vec());
        };
        let asked = ask::ask(ctx, request, &mut hand_on).await;
        drop(sender);
        asked
    };
    let (asked, shown) = tokio::join!(work, show(ui, receiver, is_streamed));
    let text = shown?;
    asked?;
    Ok(text.trim_end().to_owned())
}

async fn show(
    ui: &mut Ui,
    mut receiver: UnboundedReceiver<Vec<u8>>,
    is_streamed: bool,
) -> Result<String, Error> {
    let mut whole = Vec::new();
    while let Some(bytes) = receiver.recv().await {
        if is_streamed {
            ui.write(&bytes)?;
        }
        whole.extend(bytes);
    }
    if is_streamed && !whole.is_empty() && !whole.ends_with(b"\n") {
        ui.write(b"\n")?;
    }
    Ok(String::from_utf8_lossy(&whole).into_owned())
}

/// Shows the command of a reply and becomes it.
async fn execute(ui: &mut Ui, reply: &str, is_yes: bool) -> CliResult {
    let words = command_of(reply)?;
    let line = shlex::try_join(words.iter().map(String::as_str)).unwrap_or_else(|_| words.join(" "));
    ui.info(&format!("The model proposes: {line}"));
    // Anywhere: an option with a value may stand in front, and groups have such members too.
    match words.iter().find(|word| DESTRUCTIVE.contains(&word.as_str())) {
        Some(word) if is_yes => {
            return Err(Error::hinted(
                ErrorClass::UserInput,
                format!("a proposed `mng {word}` is not run unseen"),
                format!("leave `--yes` out, or run it yourself: `{line}`"),
            ));
        }
        _ if is_yes => {}
        _ => {
            if !ui.confirm("Run it?", "--yes").await? {
                return Err(Ui::aborted());
            }
        }
    }
    let program = std::env::current_exe().map_err(|error| Error::io("find mng itself", error))?;
    let mut command = Command::new(program);
    command.args(&words[1..]);
    ui.end_as(command);
    Ok(ExitCode::SUCCESS)
}

/// The words of the one mng command that a reply is, code fences and a prompt sign left aside.
fn command_of(reply: &str) -> Result<Vec<String>, Error> {
    let lines = reply.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("```"));
    let lines: Vec<&str> = lines.collect();
    let refused = || {
        Error::hinted(
            ErrorClass::UserInput,
            format!("the model did not reply with one mng command: {}", one_line(reply)),
            "ask without `--execute`, or say more exactly what is to be done",
        )
    };
    let [line] = lines.as_slice() else { return Err(refused()) };
    let line = line.trim_matches('`');
    let words = shlex::split(line.strip_prefix("$ ").unwrap_or(line)).ok_or_else(refused)?;
    match words.first() {
        Some(first) if first == "mng" => Ok(words),
        _ => Err(refused()),
    }
}

fn one_line(text: &str) -> String {
    const LONGEST: usize = 200;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line,
    }
}

#[derive(Debug, Serialize)]
struct Answer {
    response: String,
}

impl Render for Answer {
    fn event(&self) -> &'static str {
        "response"
    }

    /// Shown already, while it came.
    fn human(&self, _out: &mut Out<'_>) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Debug, Serialize)]
struct Commands {
    commands: BTreeMap<String, String>,
}

impl Render for Commands {
    fn event(&self) -> &'static str {
        "commands"
    }

    fn human(&self, out: &mut Out<'_>) -> io::Result<()> {
        let mut table = Table::new(["COMMAND", "DESCRIPTION"]);
        for (name, description) in &self.commands {
            table.row([Cell::styled(name.clone(), Style::Bold), description.as_str().into()]);
        }
        out.table(&table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_one_mng_command() {
        let plain = vec!["mng", "label", "a", "note=b c"];
        for reply in [
            "mng label a 'note=b c'",
            "```sh\nmng label a \"note=b c\"\n```\n",
            "`mng label a 'note=b c'`",
            "$ mng label a note=b\\ c",
        ] {
            assert_eq!(command_of(reply).unwrap(), plain, "{reply}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for reply in
            ["rm -rf /", "mng list\nmng stop a", "I would use mng list", "mng label 'a", "", "```\n```"]
        {
            assert!(command_of(reply).is_err(), "{reply}");
        }
        let error = command_of("Use\nthis").unwrap_err().to_string();
        assert_eq!(error, "the model did not reply with one mng command: Use this");
    }

    #[test]
    fn shell_operators_are_plain_words() {
        assert_eq!(command_of("mng list; rm x").unwrap(), ["mng", "list;", "rm", "x"]);
    }
}
