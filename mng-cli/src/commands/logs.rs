//! `mng logs`

use std::io;

use clap::Args;
use mng_core::model::address::AgentOrHost;
use mng_core::operations::events::Part;
use mng_core::operations::logs::{self, LogFile};
use mng_core::plugins::Ctx;
use mng_core::{Error, ErrorClass};
use serde::Serialize;
use serde_json::{Value, json};

use crate::exit::{CliResult, ExitCode};
use crate::follow::until_interrupted;
use crate::selection::place_of;
use crate::ui::{Out, Render, Ui, to_json};

/// List or print the log files of an agent or host
///
/// Without LOG_FILE the files are listed: those in `logs/`, and one for each program that logs events. With
/// it the file is printed as it is.
#[derive(Debug, Args)]
#[command(
    after_help = "$ mng logs alpha\n\nWhat mng itself did on this machine:\n$ mng logs @localhost mng --tail 20\n\nSee also: event, capture"
)]
pub(crate) struct LogsArgs {
    /// An agent, or a host as `@HOST`
    target: String,

    /// The file to print, as the listing names it
    file: Option<String>,

    /// Go on with what is written from now on
    #[arg(short, long, requires = "file")]
    follow: bool,

    /// Only the last N lines
    #[arg(long, value_name = "N", requires = "file", value_parser = clap::value_parser!(u64).range(1..), conflicts_with = "head")]
    tail: Option<u64>,

    /// Only the first N lines
    #[arg(long, value_name = "N", requires = "file", value_parser = clap::value_parser!(u64).range(1..), conflicts_with = "follow")]
    head: Option<u64>,
}

pub(crate) async fn run(ui: &mut Ui, ctx: &Ctx, args: LogsArgs) -> CliResult {
    let target: AgentOrHost = args.target.parse()?;
    let place = place_of(ui, ctx, &target).await?;
    let Some(name) = &args.file else {
        let log_files = logs::list(&place.host, &place.dir).await?;
        ui.result(&Listing { target: place.name, log_files })?;
        return Ok(ExitCode::SUCCESS);
    };
    if ui.has_template() {
        return Err(Error::hinted(
            ErrorClass::UserInput,
            "a log file has no fields for a template",
            "leave `--format` out, or LOG_FILE",
        ));
    }
    let file = logs::find(&place.host, &place.dir, name).await?;
    let count = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    let part = match (args.head, args.tail) {
        (Some(lines), _) => Part::Head(count(lines)),
        (_, Some(lines)) => Part::Tail(count(lines)),
        _ => Part::All,
    };
    let (content, end) = logs::read(&place.host, &file, part).await?;
    if !ui.is_human() {
        ui.result(&Content { log_file: name.clone(), content })?;
        return Ok(ExitCode::SUCCESS);
    }
    ui.write(&content)?;
    if args.follow {
        let mut print = |bytes: &[u8]| ui.write(bytes);
        until_interrupted(logs::follow(&place.host, &file, end, &mut print), false).await?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Field names are the JSON contract.
#[derive(Serialize)]
struct Listing {
    target: String,
    log_files: Vec<LogFile>,
}

impl Render for Listing {
    fn event(&self) -> &'static str {
        "log_files"
    }

    fn human(&self, out: &mut Out<'_>) -> io::Result<()> {
        if self.log_files.is_empty() {
            return out.line(format_args!("No log files for {}", self.target));
        }
        out.line(format_args!("Log files for {}:", self.target))?;
        self.log_files
            .iter()
            .try_for_each(|file| out.line(format_args!("  {} ({} bytes)", file.name, file.size)))
    }

    fn rows(&self) -> Vec<Value> {
        self.log_files.iter().map(to_json).collect()
    }

    fn jsonl(&self) -> Vec<Value> {
        vec![to_json(self)]
    }
}

struct Content {
    log_file: String,
    content: Vec<u8>,
}

impl Serialize for Content {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        json!({ "log_file": self.log_file, "content": String::from_utf8_lossy(&self.content) })
            .serialize(serializer)
    }
}

impl Render for Content {
    fn event(&self) -> &'static str {
        "log_content"
    }

    fn human(&self, out: &mut Out<'_>) -> io::Result<()> {
        out.raw(&self.content)
    }

    fn jsonl(&self) -> Vec<Value> {
        vec![to_json(self)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::testing::rendered;

    #[test]
    fn the_listing() {
        let file = |name: &str, size| LogFile { name: name.into(), size, path: "/x".into() };
        let listing =
            Listing { target: "alpha".into(), log_files: vec![file("mng", 120), file("run.log", 0)] };
        insta::assert_snapshot!(rendered(&listing), @r"
        ---- stdout
        Log files for alpha:
          mng (120 bytes)
          run.log (0 bytes)
        ---- stderr
        ");
        insta::assert_snapshot!(to_json(&listing), @r#"{"target":"alpha","log_files":[{"name":"mng","size":120},{"name":"run.log","size":0}]}"#);
        insta::assert_snapshot!(rendered(&Listing { log_files: Vec::new(), ..listing }), @r"
        ---- stdout
        No log files for alpha
        ---- stderr
        ");
    }
}
