//! `mng usage`

use std::io;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use mng_core::agents::usage::{CostMode, CostSum, SessionReport, SourceReport, WindowReport};
use mng_core::model::duration;
use mng_core::operations::usage::{self, Predicates, UsageReport, UsageRequest, spaced};
use mng_core::plugins::Ctx;
use mng_core::{Error, ErrorClass};
use serde::Serialize;
use serde_json::{Value, json};

use crate::args::FilterArgs;
use crate::exit::{CliResult, ExitCode};
use crate::selection::agent_filter;
use crate::ui::{Out, Render, Style, Ui, to_json};

/// The fields of templates: those of the source with the newest record.
pub(crate) const FIELDS: &[&str] = &[
    "source",
    "updated_at",
    "is_stale",
    "since_seconds",
    "session_count",
    "subscription_session_count",
    "api_session_count",
    "subscription_cost",
    "subscription_tokens",
    "api_cost",
    "api_tokens",
    "sessions",
    "five_hour",
    "seven_day",
    "overage",
];

/// Show what agents have cost
///
/// Adds up what the agent programs recorded: costs, those of a subscription and those that are paid by the token
/// apart, and how much of each rate limit is used. A cost that a program does not tell is estimated from its
/// tokens; a model without a known price is named in a warning and not counted. Destroyed agents count too.
///
/// `mng usage wait` waits until the expressions of `--until` hold for one program: exit code 0 when they do, 2
/// when the time is over.
#[derive(Debug, Args)]
#[command(
    after_help = "$ mng usage --since 7d --detail\n\nGo on when less than half of the five hours is used:\n$ mng usage wait --until 'five_hour.used_percentage < 50.0' --timeout 5h\n\nSee also: usage_cron_recipes, list, transcript"
)]
pub(crate) struct UsageArgs {
    /// Wait until `--until` holds
    #[arg(value_name = "wait", value_enum)]
    action: Option<Action>,

    /// Count costs so far back [default: 1d, or `plugins.usage.since_seconds`]
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    since: Option<Duration>,

    /// Warn of data that is older [default: 5m, or `plugins.usage.stale_after_seconds`]
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    stale_after: Option<Duration>,

    /// Show each conversation too
    #[arg(long, overrides_with = "no_detail")]
    detail: bool,
    #[arg(long, hide = true, overrides_with = "detail")]
    no_detail: bool,

    /// Leave out what destroyed agents have cost
    #[arg(long, overrides_with = "preserved")]
    no_preserved: bool,
    #[arg(long, hide = true, overrides_with = "no_preserved")]
    preserved: bool,

    /// With `wait`: a CEL expression over one program's report; repeatable, all must hold for the same program
    #[arg(long, value_name = "CEL", help_heading = "Waiting")]
    until: Vec<String>,

    /// With `wait`: give up after so long
    #[arg(long, value_name = "TIME", value_parser = duration::parse, help_heading = "Waiting")]
    timeout: Option<Duration>,

    /// With `wait`: look again after so long [default: 30s]
    #[arg(long, value_name = "TIME", value_parser = duration::parse, help_heading = "Waiting")]
    interval: Option<Duration>,

    #[command(flatten)]
    filters: FilterArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Action {
    Wait,
}

/// How often `wait` looks.
const INTERVAL: Duration = Duration::from_secs(30);

pub(crate) async fn run(ui: &mut Ui, ctx: &Ctx, args: UsageArgs) -> CliResult {
    args.check(ui)?;
    let request = UsageRequest {
        since: args.since,
        stale_after: args.stale_after,
        has_detail: args.detail,
        has_preserved: !args.no_preserved,
        filter: agent_filter(ctx, args.filters.resolve()?).await?,
    };
    if args.action == Some(Action::Wait) {
        let wait = Wait {
            until: Predicates::parse(&args.until)?,
            timeout: args.timeout,
            interval: args.interval.unwrap_or(INTERVAL),
        };
        return wait.run(ui, ctx, &request).await;
    }
    let report = usage::usage(ctx, &request).await?;
    if report.sources.is_empty() {
        ui.info("no agent has recorded any usage");
    }
    for warning in &report.warnings {
        ui.warning(warning);
    }
    ui.result(&report)?;
    Ok(ExitCode::SUCCESS)
}

impl UsageArgs {
    fn check(&self, ui: &Ui) -> Result<(), Error> {
        let usage = |message: &str, hint: &str| Err(Error::hinted(ErrorClass::Usage, message, hint));
        let example = "for example `mng usage wait --until 'five_hour.used_percentage < 50.0'`";
        if self.action.is_some() {
            if self.until.is_empty() {
                return usage("`mng usage wait` needs `--until`", example);
            }
            if ui.has_template() {
                return usage("`mng usage wait` takes no format template", "use `--format json` or `jsonl`");
            }
        } else if !self.until.is_empty() || self.timeout.is_some() || self.interval.is_some() {
            return usage("`--until`, `--timeout` and `--interval` go with `wait` only", example);
        }
        Ok(())
    }
}

struct Wait {
    until: Predicates,
    timeout: Option<Duration>,
    interval: Duration,
}

/// How waiting ended.
#[derive(Debug, Serialize)]
struct WaitReport {
    is_matched: bool,
    is_timed_out: bool,
    matched_source: Option<String>,
    elapsed_seconds: f64,
    sources: Vec<SourceReport>,
}

impl Wait {
    async fn run(&self, ui: &mut Ui, ctx: &Ctx, request: &UsageRequest) -> CliResult {
        let start = Instant::now();
        let elapsed = || (start.elapsed().as_secs_f64() * 100.0).round() / 100.0;
        let mut before: Vec<SourceReport> = Vec::new();
        let mut warned: Vec<String> = Vec::new();
        loop {
            let report = usage::usage(ctx, request).await?;
            for warning in &report.warnings {
                // Each poll would say it again.
                if !warned.contains(warning) && !warning.contains(" old (more than ") {
                    ui.warning(warning);
                    warned.push(warning.clone());
                }
            }
            for source in &report.sources {
                let old = before.iter().find(|old| old.source == source.source);
                if old.is_none_or(|old| old.updated_at != source.updated_at) {
                    ui.event("state_change", &json!({"elapsed_seconds": elapsed(), "source": source}))?;
                }
            }
            let matched = report.matching(&self.until).map(|source| source.source.clone());
            let left = self.timeout.map(|timeout| timeout.saturating_sub(start.elapsed()));
            let is_over = left.is_some_and(|left| left.is_zero());
            if matched.is_some() || is_over {
                let is_matched = matched.is_some();
                ui.result(&WaitReport {
                    is_matched,
                    is_timed_out: !is_matched,
                    matched_source: matched,
                    elapsed_seconds: elapsed(),
                    sources: report.sources,
                })?;
                return Ok(if is_matched { ExitCode::SUCCESS } else { ExitCode::USAGE });
            }
            before = report.sources;
            // The last look is at the end of the time, not one interval before.
            tokio::time::sleep(left.map_or(self.interval, |left| left.min(self.interval))).await;
        }
    }
}

impl Render for WaitReport {
    fn event(&self) -> &'static str {
        "result"
    }

    fn human(&self, out: &mut Out<'_>) -> io::Result<()> {
        match &self.matched_source {
            Some(source) => out.line(format_args!("{source} matches (after {:.1}s)", self.elapsed_seconds)),
            None => out.line(format_args!("Timed out (after {:.1}s)", self.elapsed_seconds)),
        }
    }
}

impl Render for UsageReport {
    fn event(&self) -> &'static str {
        "usage"
    }

    fn human(&self, out: &mut Out<'_>) -> io::Result<()> {
        for (index, source) in self.sources.iter().enumerate() {
            if index > 0 {
                out.blank()?;
            }
            source_block(self, source, out)?;
        }
        Ok(())
    }

    fn rows(&self) -> Vec<Value> {
        self.sources.first().map(to_json).into_iter().collect()
    }

    fn jsonl(&self) -> Vec<Value> {
        vec![to_json(self)]
    }
}

fn source_block(report: &UsageReport, source: &SourceReport, out: &mut Out<'_>) -> io::Result<()> {
    let head = out.paint(&format!("[{}]", source.source), Style::Bold).into_owned();
    out.line(format_args!("{head}"))?;
    for (mode, cost) in
        [(CostMode::Subscription, source.subscription_cost), (CostMode::ApiKey, source.api_cost)]
    {
        if let Some(cost) = cost {
            cost_line(report, source, mode, cost, out)?;
        }
    }
    if source.sessions.as_ref().is_some_and(|sessions| sessions.len() > 1) {
        for session in source.sessions.iter().flatten() {
            session_line(session, out)?;
        }
    }
    let is_asked = |window: &&WindowReport| window.is_present || source.subscription_session_count > 0;
    for window in source.windows.values().filter(is_asked) {
        window_line(report, window, out)?;
    }
    Ok(())
}

fn cost_line(
    report: &UsageReport,
    source: &SourceReport,
    mode: CostMode,
    cost: CostSum,
    out: &mut Out<'_>,
) -> io::Result<()> {
    let title = match (mode, cost.is_estimated) {
        (CostMode::Subscription, false) => "subscription cost (imputed)",
        (CostMode::Subscription, true) => "subscription cost (imputed, estimated)",
        (CostMode::ApiKey, false) => "api cost",
        (CostMode::ApiKey, true) => "api cost (estimated)",
    };
    let sessions: Vec<&SessionReport> =
        source.all_sessions.iter().filter(|session| session.cost_mode == mode).collect();
    let which = match sessions.as_slice() {
        [one] => format!("({})", ago(one.age_seconds)),
        many => format!(
            "across {} sessions in last {}",
            many.len(),
            spaced(Duration::from_secs(report.since_seconds))
        ),
    };
    out.line(format_args!("{title}: {} {which}", dollars(cost)))
}

fn session_line(session: &SessionReport, out: &mut Out<'_>) -> io::Result<()> {
    let mode = match session.cost_mode {
        CostMode::Subscription => "sub",
        CostMode::ApiKey => "api",
    };
    let id: String = session.session_id.chars().filter(|ch| !ch.is_control()).take(8).collect();
    let cost = session.cost.map_or_else(|| "no price".to_owned(), dollars);
    out.line(format_args!("  [{mode}] {id}: {cost} ({})", ago(session.age_seconds)))
}

fn window_line(report: &UsageReport, window: &WindowReport, out: &mut Out<'_>) -> io::Result<()> {
    let label = mng_core::model::printing::visible(&window.label);
    let Some(used) = window.used_percentage else { return out.line(format_args!("{label}: no data")) };
    let resets = match window.seconds_until_reset {
        None => "reset time unknown".to_owned(),
        Some(_) if window.is_over(report.now) => "reset since".to_owned(),
        Some(seconds) => {
            format!("resets in {}", spaced(Duration::from_secs(u64::try_from(seconds).unwrap_or(0))))
        }
    };
    out.line(format_args!("{label}: {used:.0}% used, {resets}"))
}

fn ago(seconds: u64) -> String {
    match seconds {
        0 => "now".to_owned(),
        seconds => format!("{} ago", spaced(Duration::from_secs(seconds))),
    }
}

/// Two digits; more where that would show nothing.
fn dollars(cost: CostSum) -> String {
    let usd = cost.total_cost_usd;
    if usd > 0.0 && usd < 0.01 { format!("${usd:.4}") } else { format!("${usd:.2}") }
}

#[cfg(test)]
mod tests;
