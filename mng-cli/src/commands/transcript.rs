//! `mng transcript`

mod blocks;

use std::io::Write as _;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use mng_core::agents::transcript::{Part, Request, Role};
use mng_core::model::event::{Event, Events};
use mng_core::operations::transcript::{self, Conversation, Copies};
use mng_core::plugins::Ctx;
use mng_core::{Error, ErrorClass};
use serde_json::Value;

use crate::exit::{CliResult, ExitCode};
use crate::follow::until_interrupted;
use crate::ui::Ui;

/// Print the conversation of an agent
///
/// Prints what an agent and its user said and what its tools answered, from the program's own files: of an
/// agent that works, waits or is stopped, and with `--preserved` of one that was destroyed. Nothing is sent to
/// the agent. A person sees long parts cut; json, jsonl and atif have every record in full.
#[derive(Debug, Args)]
#[command(
    after_help = "$ mng transcript alpha\n\nThe last answer:\n$ mng transcript alpha --role agent --tail 1 --full\n\nWhat it does from now on:\n$ mng transcript alpha --follow --tail 1\n\nAll of it as one ATIF document:\n$ mng transcript alpha --format atif --output alpha.json\n\nWhat a destroyed agent said:\n$ mng transcript alpha --preserved\n\nSee also: transcripts, capture, event, message"
)]
pub(crate) struct TranscriptArgs {
    /// The agent, by name, id or address
    #[arg(value_name = "AGENT")]
    agent: String,

    /// Only what this one said; repeatable, any is enough
    #[arg(long, value_name = "ROLE", value_enum, ignore_case = true)]
    role: Vec<RoleArg>,

    /// Go on with each record as soon as it is complete, until Ctrl-C or until the agent is destroyed
    #[arg(short, long, overrides_with = "no_follow", conflicts_with_all = ["head", "preserved", "preserved_only"])]
    follow: bool,
    #[arg(long, hide = true, overrides_with = "follow")]
    no_follow: bool,

    /// Only the last N records, after the roles were chosen
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), conflicts_with = "head")]
    tail: Option<u64>,

    /// Only the first N records
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    head: Option<u64>,

    /// Cut nothing: otherwise 200 characters of a tool's input, 2000 of its output and 500 of thinking are
    /// shown
    #[arg(long, overrides_with = "no_full")]
    full: bool,
    #[arg(long, hide = true, overrides_with = "full")]
    no_full: bool,

    /// If there is no such agent, read what a destroyed one left
    #[arg(long, overrides_with = "no_preserved")]
    preserved: bool,
    #[arg(long, hide = true, overrides_with = "preserved")]
    no_preserved: bool,

    /// Read what a destroyed agent left, though a live one may have its name
    #[arg(long)]
    preserved_only: bool,

    /// With `--format atif`: write the document to this file
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum RoleArg {
    User,
    #[value(alias = "assistant")]
    Agent,
    System,
    Tool,
}

impl RoleArg {
    fn role(self) -> Role {
        match self {
            Self::User => Role::User,
            Self::Agent => Role::Agent,
            Self::System => Role::System,
            Self::Tool => Role::Tool,
        }
    }
}

pub(crate) async fn run(ui: &mut Ui, ctx: &Ctx, args: TranscriptArgs) -> CliResult {
    let is_atif = ui.takes_word("atif");
    ui.refuse_template("transcript")?;
    args.check(is_atif)?;
    let copies = match (args.preserved_only, args.preserved) {
        (true, _) => Copies::Only,
        (false, true) => Copies::Fallback,
        (false, false) => Copies::No,
    };
    if args.follow {
        return follow(ui, ctx, &args, is_atif).await;
    }
    let conversation = transcript::open(ctx, &args.agent.parse()?, copies).await?;
    if let Some(archive) = &conversation.archive {
        ui.info(&format!("this is what a destroyed agent left, not a live one: {}", archive.title()));
    }
    if is_atif {
        return document(ui, &conversation, args.output).await;
    }
    let request = args.request(ui);
    let mut printer = Printer { is_full: args.full, is_first: true, ui };
    let reading = conversation.read(&request, &mut |record| printer.record(&record)).await?;
    printer.finish()?;
    for warning in &reading.warnings {
        ui.warning(warning);
    }
    if reading.count == 0 && !request.roles.is_empty() {
        ui.warning("no record of the transcript has a role that was asked for");
    }
    Ok(ExitCode::SUCCESS)
}

async fn follow(ui: &mut Ui, ctx: &Ctx, args: &TranscriptArgs, is_atif: bool) -> CliResult {
    if ui.is_json() || is_atif {
        return Err(Error::hinted(
            ErrorClass::Usage,
            "`--follow` has no end that json or atif could wait for",
            format!("`mng transcript {} --follow --format jsonl` prints one record a line", args.agent),
        ));
    }
    let request = args.request(ui);
    let (warnings, mut heard) = Events::channel();
    let mut printer = Printer { is_full: args.full, is_first: true, ui };
    let target = args.agent.parse()?;
    let mut print = |record: Value| printer.record(&record);
    let followed = transcript::follow(ctx, &target, &request, &mut print, &warnings);
    let result = until_interrupted(followed, false).await;
    drop(warnings);
    while let Ok(event) = heard.try_recv() {
        if let Event::Warning(text) = event {
            ui.warning(&text);
        }
    }
    result?;
    Ok(ExitCode::SUCCESS)
}

impl TranscriptArgs {
    fn request(&self, ui: &Ui) -> Request {
        Request {
            roles: self.role.iter().map(|role| role.role()).collect(),
            has_header: !ui.is_human(),
            part: part(self.head, self.tail),
        }
    }

    fn check(&self, is_atif: bool) -> Result<(), Error> {
        let usage = |message: String, hint: &str| Err(Error::hinted(ErrorClass::Usage, message, hint));
        if !is_atif && self.output.is_some() {
            return usage(
                "`--output` goes with `--format atif` only".into(),
                "add `--format atif`, or send the output into a file: `mng transcript AGENT >FILE`",
            );
        }
        let parts =
            [(!self.role.is_empty(), "role"), (self.head.is_some(), "head"), (self.tail.is_some(), "tail")];
        match parts.iter().find(|(is_given, _)| is_atif && *is_given) {
            Some((_, option)) => usage(
                format!("`--{option}` and `--format atif` exclude each other"),
                "an ATIF document is the whole conversation; `--format jsonl` has parts of it",
            ),
            None => Ok(()),
        }
    }
}

fn part(head: Option<u64>, tail: Option<u64>) -> Part {
    let count = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    match (head, tail) {
        (Some(head), _) => Part::Head(count(head)),
        (_, Some(tail)) => Part::Tail(count(tail)),
        _ => Part::All,
    }
}

async fn document(ui: &mut Ui, conversation: &Conversation, output: Option<PathBuf>) -> CliResult {
    let (document, warnings) = conversation.document().await?;
    let mut bytes = serde_json::to_vec_pretty(&document)
        .map_err(|error| Error::io("encode the document", error.into()))?;
    bytes.push(b'\n');
    match output {
        None => ui.write(&bytes)?,
        Some(path) => {
            let written = std::fs::File::create(&path).and_then(|mut file| file.write_all(&bytes));
            written.map_err(|error| Error::io(format!("write `{}`", path.display()), error))?;
            ui.info(&format!("wrote {} bytes to {}", bytes.len(), path.display()));
        }
    }
    for warning in &warnings {
        ui.warning(warning);
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes each record as it comes.
struct Printer<'a> {
    ui: &'a mut Ui,
    is_full: bool,
    is_first: bool,
}

impl Printer<'_> {
    fn record(&mut self, record: &Value) -> Result<(), Error> {
        let is_first = std::mem::take(&mut self.is_first);
        if self.ui.is_jsonl() {
            return self.ui.json_line(record);
        }
        if self.ui.is_json() {
            let text = serde_json::to_string_pretty(record)
                .map_err(|error| Error::io("encode a record", error.into()))?;
            let before = if is_first { "[\n  " } else { ",\n  " };
            self.ui.begin_json();
            return self.ui.write(format!("{before}{}", text.replace('\n', "\n  ")).as_bytes());
        }
        let is_full = self.is_full;
        self.ui.human(|out| {
            for (index, block) in blocks::of(record, is_full).iter().enumerate() {
                if !is_first || index > 0 {
                    out.blank()?;
                }
                block.write(out)?;
            }
            Ok(())
        })
    }

    /// Ends the array of json mode.
    fn finish(&mut self) -> Result<(), Error> {
        if !self.ui.is_json() {
            return Ok(());
        }
        self.ui.begin_json();
        self.ui.write(if self.is_first { b"[]\n" } else { b"\n]\n" })
    }
}

#[cfg(test)]
mod tests;
