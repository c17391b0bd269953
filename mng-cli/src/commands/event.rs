//! `mng event`

use std::time::Duration;

use clap::Args;
use mng_core::model::address::AgentOrHost;
use mng_core::model::event::Events;
use mng_core::model::filter::{Filter, Subject};
use mng_core::model::time::Time;
use mng_core::operations::events::{self, LatestBy, Part, Query};
use mng_core::operations::transcript;
use mng_core::plugins::Ctx;
use mng_core::{Error, ErrorClass};
use serde_json::Value;

use crate::args::ExpressionArgs;
use crate::exit::{CliResult, ExitCode};
use crate::follow::until_interrupted;
use crate::selection::place_of;
use crate::ui::Ui;

/// How often a follower has the transcript brought up to date, which its reader does else.
const TRANSCRIPT_REFRESH: Duration = Duration::from_secs(1);

/// Print the event streams of an agent or host
///
/// Prints records of `events/SOURCE/events.jsonl`, one JSON object a line whatever `--format` says: the
/// history of all sources merged by time, each event once. With `--follow` what is written later is
/// printed as it comes.
#[derive(Debug, Args)]
#[command(
    after_help = "$ mng event alpha\n\nWhat this machine's own mng logged, as it comes:\n$ mng event @localhost logs/mng --follow --tail 10\n\nThe last state of each service:\n$ mng event alpha services --latest-by services:name\n\nSee also: logs, capture"
)]
pub(crate) struct EventArgs {
    /// An agent, or a host as `@HOST`
    target: String,

    /// Streams to read, such as `messages` or `logs/mng`; all there are when none is named
    #[arg(value_name = "SOURCE")]
    sources: Vec<String>,

    /// As SOURCE; repeatable
    #[arg(long = "source", value_name = "SOURCE")]
    more_sources: Vec<String>,

    #[command(flatten)]
    expressions: ExpressionArgs,

    /// Go on with what is written from now on
    #[arg(short, long, overrides_with = "no_follow")]
    follow: bool,
    #[arg(long, hide = true, overrides_with = "follow")]
    no_follow: bool,

    /// Of the history, only the last N events
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), conflicts_with = "head")]
    tail: Option<u64>,

    /// Only the first N events
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), conflicts_with = "follow")]
    head: Option<u64>,

    /// Of SOURCE's history, only the newest event for each value of FIELD, after the rest; repeatable
    #[arg(long, value_name = "SOURCE:FIELD", conflicts_with_all = ["head", "tail"])]
    latest_by: Vec<LatestBy>,

    /// Keep following when the process that started this one ends
    #[arg(long, overrides_with = "no_daemonize")]
    daemonize: bool,
    #[arg(long, hide = true, overrides_with = "daemonize")]
    no_daemonize: bool,
}

pub(crate) async fn run(ui: &mut Ui, ctx: &Ctx, args: EventArgs) -> CliResult {
    let filter = Filter::parse_for(Subject::Objects, &args.expressions.include, &args.expressions.exclude)?;
    let target: AgentOrHost = args.target.parse()?;
    let sources = args.sources.iter().chain(&args.more_sources);
    let sources: Vec<String> = sources.map(|text| source(text)).collect::<Result<_, _>>()?;
    check_latest(&args.latest_by)?;

    let place = place_of(ui, ctx, &target).await?;
    let has_transcript = sources.is_empty() || sources.iter().any(|name| name.ends_with("common_transcript"));
    if has_transcript {
        transcript::refresh(ctx, &place.host, &place.dir).await;
    }
    let state_dir = place.dir.clone();
    let console = ui.console().clone();
    let wanted = |object: &serde_json::Map<String, Value>| {
        if filter.is_empty() {
            return true;
        }
        let verdict = filter.matches(&Value::Object(object.clone()), Time::now());
        for warning in &verdict.warnings {
            console.log(mng_core::settings::LogLevel::Warn, warning);
        }
        verdict.is_match
    };
    let part = match (args.head, args.tail) {
        (Some(count), _) => Part::Head(count_of(count)),
        (_, Some(count)) => Part::Tail(count_of(count)),
        _ => Part::All,
    };
    let query = Query {
        dir: place.dir,
        sources,
        wanted: &wanted,
        part,
        latest_by: args.latest_by,
        is_following: args.follow,
    };
    let (warnings, mut heard) = Events::channel();
    let mut printer = Printer { ui, buffer: Vec::new(), is_immediate: args.follow };
    let mut print = |line: &[u8]| printer.line(line);
    let read = async {
        let read = events::read(&place.host, &query, &mut print, &warnings);
        let refresh = async {
            if !has_transcript {
                return std::future::pending().await;
            }
            loop {
                tokio::time::sleep(TRANSCRIPT_REFRESH).await;
                transcript::refresh(ctx, &place.host, &state_dir).await;
            }
        };
        tokio::select! {
            result = read => result,
            () = refresh => Ok(()),
        }
    };
    let result = if args.follow { until_interrupted(read, args.daemonize).await } else { read.await };
    drop(warnings);
    printer.flush()?;
    while let Ok(event) = heard.try_recv() {
        if let mng_core::model::event::Event::Warning(text) = event {
            ui.warning(&text);
        }
    }
    result?;
    Ok(ExitCode::SUCCESS)
}

fn count_of(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// A source is a path below `events/` and nothing else.
fn source(text: &str) -> Result<String, Error> {
    let name = text.trim_matches('/');
    let is_plain = !name.is_empty() && name.split('/').all(|part| !part.is_empty() && !part.starts_with('.'));
    if is_plain {
        return Ok(name.to_owned());
    }
    Err(Error::hinted(
        ErrorClass::Usage,
        format!("`{text}` is no event source"),
        "a source is a path below `events/`, such as `messages` or `logs/mng`",
    ))
}

fn check_latest(latest_by: &[LatestBy]) -> Result<(), Error> {
    for (index, by) in latest_by.iter().enumerate() {
        if latest_by[..index].iter().any(|other| other.source == by.source) {
            return Err(Error::hinted(
                ErrorClass::Usage,
                format!("`--latest-by` is given twice for the source `{}`", by.source),
                "one FIELD decides for each source",
            ));
        }
    }
    Ok(())
}

/// Collects the lines of a history; those of a follower go out one by one.
struct Printer<'a> {
    ui: &'a mut Ui,
    buffer: Vec<u8>,
    is_immediate: bool,
}

impl Printer<'_> {
    const ENOUGH: usize = 64 * 1024;

    fn line(&mut self, line: &[u8]) -> Result<(), Error> {
        self.buffer.extend_from_slice(line);
        self.buffer.push(b'\n');
        if self.is_immediate || self.buffer.len() >= Self::ENOUGH { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), Error> {
        let bytes = std::mem::take(&mut self.buffer);
        if bytes.is_empty() { Ok(()) } else { self.ui.write(&bytes) }
    }
}
