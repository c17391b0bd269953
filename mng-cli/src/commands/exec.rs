//! `mng exec`

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use mng_core::model::address::AgentAddress;
use mng_core::operations::exec::{self, NotRun, Outcome, OuterReport, Progress, Ran, Report, Request};
use mng_core::operations::resolve::ResolvedAgent;
use mng_core::plugins::Ctx;
use mng_core::transports::Chunk;
use mng_core::{Error, ErrorClass};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::args::{OnError, SelectArgs};
use crate::exit::{CliResult, ExitCode};
use crate::selection::select;
use crate::ui::{Out, Render, Style, Ui, to_json, with_event};

/// Run a command beside agents, in their work dirs
///
/// The last argument is a line for the shell of the agent's host. It runs in the agent's work dir with the
/// agent's environment, whether the agent runs or not. With several agents, many run at once and each
/// one's output is printed whole, in the order given. With a single agent mng exits with the command's own
/// exit code.
#[derive(Debug, Args)]
#[command(
    after_help = "$ mng exec alpha 'git log --oneline -1'\n\nThe same for every agent of a project:\n$ mng list --project shop --ids | mng exec - 'git status --short'\n\nSee also: message, capture"
)]
pub(crate) struct ExecArgs {
    /// Agents by name, id or address (`-` reads them from stdin), and last the command line
    #[arg(value_name = "AGENT... COMMAND", required = true)]
    words: Vec<String>,

    #[command(flatten)]
    select: SelectArgs,

    /// Directory to run in; a relative one starts at the work dir
    #[arg(long, value_name = "PATH")]
    cwd: Option<PathBuf>,

    /// Kill the command after so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = crate::args::seconds)]
    timeout: Option<Duration>,

    /// Print output as it comes (human format only)
    #[arg(long, overrides_with = "no_stream")]
    stream: bool,
    #[arg(long, hide = true, overrides_with = "stream")]
    no_stream: bool,

    /// Start the host of an agent if it is stopped; `--no-start` fails instead
    #[arg(long, overrides_with = "no_start")]
    start: bool,
    #[arg(long, hide = true, overrides_with = "start")]
    no_start: bool,

    /// Whether the first failure stops the rest
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = OnError::Continue, ignore_case = true)]
    on_error: OnError,

    /// Run on the machine that carries the host, once for each such machine
    #[arg(long, overrides_with = "no_outer")]
    outer: bool,
    #[arg(long, hide = true, overrides_with = "outer")]
    no_outer: bool,

    /// What to do with agents whose host no other machine carries (with `--outer`)
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = MissingOuter::Warn, ignore_case = true)]
    missing_outer: MissingOuter,

    /// Run as this user of the host
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum MissingOuter {
    Abort,
    Warn,
    Ignore,
}

pub(crate) async fn run(ui: &mut Ui, ctx: &Ctx, mut args: ExecArgs) -> CliResult {
    let Some(command) = args.words.pop() else {
        return Err(Error::hinted(ErrorClass::Usage, "no command is given", "mng exec AGENT 'COMMAND'"));
    };
    let targets = args.select.resolve::<AgentAddress>(args.words)?;
    if targets.is_empty_input {
        return Ok(ExitCode::SUCCESS);
    }
    let is_all = targets.is_all;
    let selected = select(ui, ctx, targets).await?;
    // Whoever means all of them is told whose are left out.
    let silent = if is_all { selected.found.silent() } else { Vec::new() };
    for silent in &silent {
        ui.warning(&silent.message);
    }
    let agents = selected.found.all_found()?.matches;
    if args.outer {
        return outer(ui, &agents, args.missing_outer);
    }
    let request = Request {
        agents,
        command,
        cwd: args.cwd,
        timeout: args.timeout,
        user: args.user,
        is_streaming: args.stream && ui.is_human(),
        is_aborting: args.on_error == OnError::Abort,
    };
    let (sender, receiver) = unbounded_channel();
    let mut shown = Shown::new(ui, &request);
    let report = {
        let work = async {
            let report = exec::exec(ctx, &request, &sender).await;
            drop(sender);
            report
        };
        let (report, shown) = tokio::join!(work, shown.drain(receiver));
        shown?;
        report
    };
    if ui.is_json() {
        ui.json(&report)?;
    }
    Ok(if silent.is_empty() { exit_code(ui, &request, &report) } else { ExitCode::for_failures(&silent) })
}

/// On the machines that carry the agents' hosts.
fn outer(ui: &mut Ui, agents: &[ResolvedAgent], missing: MissingOuter) -> CliResult {
    let report = exec::outer(agents);
    if let (MissingOuter::Abort, Some(skipped)) = (missing, report.skipped_agents.first()) {
        return Err(Error::hinted(
            ErrorClass::UserInput,
            format!("agent `{}`: {}", skipped.agent_name, skipped.reason),
            "leave `--outer` out, or use `--missing-outer ignore`",
        ));
    }
    if missing == MissingOuter::Warn && !ui.is_json() && !ui.is_jsonl() {
        for skipped in &report.skipped_agents {
            ui.warning(&format!("Skipped agent {}: {}", skipped.agent_name, skipped.reason));
        }
    }
    ui.result(&report)?;
    Ok(ExitCode::SUCCESS)
}

impl Render for OuterReport {
    fn event(&self) -> &'static str {
        "outer_exec_result"
    }

    fn human(&self, out: &mut Out<'_>) -> io::Result<()> {
        for ran in &self.outer_results {
            out.line(format_args!("--- {} ---", ran.outer_host))?;
            out.raw(&ran.stdout.0)?;
        }
        Ok(())
    }

    fn rows(&self) -> Vec<serde_json::Value> {
        self.outer_results.iter().map(to_json).collect()
    }

    fn jsonl(&self) -> Vec<serde_json::Value> {
        self.outer_results.iter().map(|ran| with_event("outer_exec_result", ran)).collect()
    }
}

/// With one agent, a person or a script wants the command's own exit code.
fn exit_code(ui: &Ui, request: &Request, report: &Report) -> ExitCode {
    match (request.agents.len(), report.results.as_slice()) {
        (1, [ran]) if ui.is_human() => {
            let code = ran.exit_code.and_then(|code| u8::try_from(code).ok());
            ExitCode::new(code.unwrap_or(1))
        }
        _ => ExitCode::new(report.exit_code()),
    }
}

/// Prints what comes.
struct Shown<'a> {
    ui: &'a mut Ui,
    names: Vec<String>,
    is_streaming: bool,
    is_aborting: bool,
    timeout: Option<Duration>,
    /// Per agent, output that has no line end yet.
    open: Vec<Vec<u8>>,
}

impl<'a> Shown<'a> {
    fn new(ui: &'a mut Ui, request: &Request) -> Self {
        let names: Vec<String> = request.agents.iter().map(|agent| agent.record.name.to_string()).collect();
        let open = vec![Vec::new(); names.len()];
        Self {
            ui,
            names,
            is_streaming: request.is_streaming,
            is_aborting: request.is_aborting,
            timeout: request.timeout,
            open,
        }
    }

    async fn drain(&mut self, mut receiver: UnboundedReceiver<Progress>) -> Result<(), Error> {
        while let Some(progress) = receiver.recv().await {
            match progress {
                Progress::Output { index, chunk } => self.output(index, chunk)?,
                Progress::Done { index, outcome } => self.done(index, &outcome)?,
            }
        }
        Ok(())
    }

    /// A piece of a stream. Of several agents whole lines are shown, each with its agent in front.
    fn output(&mut self, index: usize, chunk: Chunk) -> Result<(), Error> {
        match chunk {
            Chunk::Stdout(bytes) if self.names.len() == 1 => self.ui.write(&bytes),
            Chunk::Stderr(bytes) => {
                self.ui.console().text(&String::from_utf8_lossy(&bytes));
                Ok(())
            }
            Chunk::Stdout(bytes) => {
                self.open[index].extend(bytes);
                while let Some(end) = self.open[index].iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = self.open[index].drain(..=end).collect();
                    self.line(index, &line)?;
                }
                Ok(())
            }
        }
    }

    fn line(&mut self, index: usize, line: &[u8]) -> Result<(), Error> {
        let mut bytes = format!("{}: ", self.names[index]).into_bytes();
        bytes.extend_from_slice(line);
        self.ui.write(&bytes)
    }

    fn done(&mut self, index: usize, outcome: &Outcome) -> Result<(), Error> {
        match outcome {
            _ if self.ui.is_human() => self.human(index, outcome)?,
            Outcome::Ran(ran) => {
                self.ui.event("exec_result", ran)?;
                self.ui.template_line(&to_json(ran))?;
            }
            Outcome::NotRun(failed) => {
                self.ui.event("exec_error", failed)?;
                if !self.ui.is_jsonl() && !self.ui.is_json() {
                    self.ui.error_line(&not_run(failed));
                }
            }
        }
        if self.is_aborting && !outcome.is_success() {
            self.ui.error_line(&format!("Aborted: the command failed on agent {}", self.names[index]));
        }
        Ok(())
    }

    fn human(&mut self, index: usize, outcome: &Outcome) -> Result<(), Error> {
        if !self.open[index].is_empty() {
            let mut rest = std::mem::take(&mut self.open[index]);
            rest.push(b'\n');
            self.line(index, &rest)?;
        }
        if self.names.len() > 1 && !self.is_streaming {
            let header = format!("--- {} ---", self.names[index]);
            self.ui.human(|out| {
                let header = out.paint(&header, Style::Bold).into_owned();
                out.line(format_args!("{header}"))
            })?;
        }
        match outcome {
            Outcome::Ran(ran) => {
                self.ui.write(&ran.stdout.0)?;
                self.ui.console().text(&String::from_utf8_lossy(&ran.stderr.0));
                match verdict(ran, self.timeout) {
                    Ok(line) => self.ui.info(&line),
                    Err(line) => self.ui.error_line(&line),
                }
            }
            Outcome::NotRun(failed) => self.ui.error_line(&not_run(failed)),
        }
        Ok(())
    }
}

fn verdict(ran: &Ran, timeout: Option<Duration>) -> Result<String, String> {
    let agent = &ran.agent;
    match (ran.success, ran.timed_out, ran.exit_code) {
        (true, ..) => Ok(format!("Command succeeded on agent {agent}")),
        (_, true, _) => {
            let limit = timeout.unwrap_or_default().as_secs_f64();
            Err(format!("Command timed out on agent {agent} after {limit} s and was killed"))
        }
        (_, _, Some(code)) => Err(format!("Command failed on agent {agent} (exit code {code})")),
        (_, _, None) => Err(format!("Command failed on agent {agent} (ended by a signal)")),
    }
}

fn not_run(failed: &NotRun) -> String {
    format!("Command failed on agent {}: {}", failed.agent, failed.error)
}

#[cfg(test)]
mod tests {
    use mng_core::operations::exec::Captured;

    use super::*;
    use crate::ui::Format;
    use crate::ui::testing::ui;

    fn ran(agent: &str, code: Option<i32>) -> Outcome {
        Outcome::Ran(Ran {
            agent: agent.into(),
            stdout: Captured(b"out\n".to_vec()),
            stderr: Captured(b"err\n".to_vec()),
            success: code == Some(0),
            exit_code: code,
            timed_out: code.is_none(),
        })
    }

    /// What is printed when these things come from agents of these names.
    fn shown(format: Format, is_streaming: bool, names: &[&str], progress: Vec<Progress>) -> String {
        let (mut ui, screen) = ui();
        ui.set_format(format);
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let open = vec![Vec::new(); names.len()];
        let timeout = Some(Duration::from_millis(1500));
        let mut shown = Shown { ui: &mut ui, names, is_streaming, is_aborting: false, timeout, open };
        let (sender, receiver) = unbounded_channel();
        progress.into_iter().for_each(|progress| sender.send(progress).unwrap());
        drop(sender);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(shown.drain(receiver)).unwrap();
        screen.both()
    }

    fn outcomes() -> Vec<Progress> {
        let lost = NotRun { agent: "c".into(), error: "the work dir of agent `c` is gone: `/w`".into() };
        let outcomes = [ran("a", Some(0)), ran("b", Some(3)), Outcome::NotRun(lost), ran("d", None)];
        outcomes.into_iter().enumerate().map(|(index, outcome)| Progress::Done { index, outcome }).collect()
    }

    #[test]
    fn blocks_for_several_and_bare_output_for_one() {
        let names = ["a", "b", "c", "d"];
        insta::assert_snapshot!(shown(Format::Human, false, &names, outcomes()), @r"
        ---- stdout
        --- a ---
        out
        --- b ---
        out
        --- c ---
        --- d ---
        out
        ---- stderr
        err
        Command succeeded on agent a
        err
        ERROR: Command failed on agent b (exit code 3)
        ERROR: Command failed on agent c: the work dir of agent `c` is gone: `/w`
        err
        ERROR: Command timed out on agent d after 1.5 s and was killed
        ");
        let one = vec![Progress::Done { index: 0, outcome: ran("a", Some(0)) }];
        insta::assert_snapshot!(shown(Format::Human, false, &["a"], one), @r"
        ---- stdout
        out
        ---- stderr
        err
        Command succeeded on agent a
        ");
    }

    #[test]
    fn lines_of_json_and_of_a_template() {
        let names = ["a", "b", "c", "d"];
        insta::assert_snapshot!(shown(Format::Jsonl, false, &names, outcomes()), @r#"
        ---- stdout
        {"event":"exec_result","agent":"a","stdout":"out","stderr":"err","success":true,"exit_code":0,"timed_out":false}
        {"event":"exec_result","agent":"b","stdout":"out","stderr":"err","success":false,"exit_code":3,"timed_out":false}
        {"event":"exec_error","agent":"c","error":"the work dir of agent `c` is gone: `/w`"}
        {"event":"exec_result","agent":"d","stdout":"out","stderr":"err","success":false,"exit_code":null,"timed_out":true}
        ---- stderr
        "#);
        let fields = mng_core::model::fields::PlainFields(&["agent", "success", "exit_code"]);
        let template = Format::parse("{agent} {success} {exit_code}", "exec", Some(&fields)).unwrap();
        insta::assert_snapshot!(shown(template, false, &names, outcomes()), @r"
        ---- stdout
        a true 0
        b false 3
        d false 
        ---- stderr
        ERROR: Command failed on agent c: the work dir of agent `c` is gone: `/w`
        ");
    }

    #[test]
    fn whole_lines_of_a_stream_say_whose_they_are() {
        let piece = |index, text: &str| Progress::Output { index, chunk: Chunk::Stdout(text.into()) };
        let mut progress = vec![piece(0, "on"), piece(1, "two\nthr"), piece(0, "e\n"), piece(1, "ee")];
        for (index, agent) in ["a", "b"].into_iter().enumerate() {
            let silent = Ran { agent: agent.into(), success: true, exit_code: Some(0), ..Ran::default() };
            progress.push(Progress::Done { index, outcome: Outcome::Ran(silent) });
        }
        insta::assert_snapshot!(shown(Format::Human, true, &["a", "b"], progress), @r"
        ---- stdout
        b: two
        a: one
        b: three
        ---- stderr
        Command succeeded on agent a
        Command succeeded on agent b
        ");
    }
}
