//! From records to what each program has cost within a time.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde::Serialize;

use super::prices::Prices;
use super::record::{Cost, CostMode, Tokens, UsageRecord, Window};
use crate::model::order;
use crate::model::time::Time;

/// What one program has used. Field names are the JSON contract.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SourceReport {
    pub source: String,
    /// Of the newest record.
    pub updated_at: Option<Time>,
    pub is_stale: bool,
    pub since_seconds: u64,
    pub session_count: usize,
    pub subscription_session_count: usize,
    pub api_session_count: usize,
    /// What it would have cost by the token; null if there was no such session or nothing has a price.
    pub subscription_cost: Option<CostSum>,
    pub subscription_tokens: Option<Tokens>,
    pub api_cost: Option<CostSum>,
    pub api_tokens: Option<Tokens>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sessions: Option<Vec<SessionReport>>,
    /// Rate limits by key: `five_hour`, `seven_day` always, others if a record has them.
    #[serde(flatten)]
    pub windows: BTreeMap<String, WindowReport>,
    /// Sentences for standard error.
    #[serde(skip)]
    pub warnings: Vec<String>,
    /// The sessions, whether they are shown or not.
    #[serde(skip)]
    pub all_sessions: Vec<SessionReport>,
}

/// Costs added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct CostSum {
    pub total_cost_usd: f64,
    pub total_duration_ms: u64,
    pub total_api_duration_ms: u64,
    pub total_lines_added: u64,
    pub total_lines_removed: u64,
    /// Some of it is tokens times prices.
    pub is_estimated: bool,
}

/// Where a cost comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Provenance {
    /// The program said so.
    Reported,
    /// Tokens times prices.
    Estimated,
}

/// One conversation of a program.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SessionReport {
    pub session_id: String,
    /// Null: nobody knows.
    pub cost: Option<CostSum>,
    pub cost_mode: CostMode,
    pub cost_provenance: Option<Provenance>,
    pub model: Option<String>,
    pub tokens: Option<Tokens>,
    pub first_event_at: Time,
    pub last_event_at: Time,
    pub age_seconds: u64,
}

/// A rate limit.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WindowReport {
    pub used_percentage: Option<f64>,
    /// Seconds since 1970.
    pub resets_at: Option<f64>,
    pub window_seconds: Option<u64>,
    pub label: String,
    pub status: Option<String>,
    pub is_using_overage: Option<bool>,
    pub seconds_until_reset: Option<i64>,
    pub elapsed_seconds: Option<i64>,
    pub elapsed_percentage: Option<f64>,
    /// Whether any record tells of it.
    pub is_present: bool,
}

/// Keys of a report, which no rate limit may be called.
const RESERVED: [&str; 13] = [
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
    "now",
];

/// How records are added up.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    pub now: Time,
    /// Costs before this are not counted.
    pub since: Time,
    pub since_seconds: u64,
    pub stale_after_seconds: u64,
    pub has_detail: bool,
    pub prices: &'a Prices,
}

/// The reports of all sources, the one with the newest record first. Records may come in any order and twice.
#[must_use]
pub fn aggregate(records: Vec<UsageRecord>, frame: &Frame<'_>) -> Vec<SourceReport> {
    let mut seen = HashSet::new();
    let mut sources: BTreeMap<String, Vec<UsageRecord>> = BTreeMap::new();
    for record in records {
        if seen.insert((record.source.clone(), record.event_id.clone())) {
            let name = record.source.strip_suffix("/usage").unwrap_or(&record.source).to_owned();
            sources.entry(name).or_default().push(record);
        }
    }
    let mut reports: Vec<SourceReport> =
        sources.into_iter().map(|(name, records)| source(name, records, frame)).collect();
    order::sort_by(&mut reports, |a, b| {
        b.updated_at.cmp(&a.updated_at).then_with(|| a.source.cmp(&b.source))
    });
    reports
}

fn source(name: String, mut records: Vec<UsageRecord>, frame: &Frame<'_>) -> SourceReport {
    order::sort_by_key(&mut records, |record| record.timestamp);
    let mut warnings = Vec::new();
    let windows = windows(&records, frame, &mut warnings);
    let updated_at = records.last().map(|record| record.timestamp);
    let mut by_session: BTreeMap<&str, Vec<&UsageRecord>> = BTreeMap::new();
    for record in &records {
        by_session.entry(&record.session_id).or_default().push(record);
    }
    let mut unpriced = BTreeMap::new();
    let mut sessions: Vec<SessionReport> = by_session
        .into_iter()
        .filter_map(|(id, records)| session(&name, id, &records, frame, &mut unpriced))
        .collect();
    sessions
        .sort_by(|a, b| b.last_event_at.cmp(&a.last_event_at).then_with(|| a.session_id.cmp(&b.session_id)));
    for (model, count) in unpriced {
        warnings.push(format!(
            "{name}: there is no price for the model `{model}`: {count} tokens are not in the cost (set `plugins.usage.prices.\"{model}\"`)"
        ));
    }
    let age = updated_at.map(|at| at.age(frame.now).as_secs());
    let is_stale = age.is_none_or(|age| age > frame.stale_after_seconds);
    let of = |mode| sessions.iter().filter(move |session| session.cost_mode == mode);
    let tokens = |mode| of(mode).filter_map(|session| session.tokens).reduce(Tokens::plus);
    let cost = |mode| of(mode).filter_map(|session| session.cost).reduce(CostSum::plus);
    SourceReport {
        updated_at,
        is_stale,
        since_seconds: frame.since_seconds,
        session_count: sessions.len(),
        subscription_session_count: of(CostMode::Subscription).count(),
        api_session_count: of(CostMode::ApiKey).count(),
        subscription_cost: cost(CostMode::Subscription),
        subscription_tokens: tokens(CostMode::Subscription),
        api_cost: cost(CostMode::ApiKey),
        api_tokens: tokens(CostMode::ApiKey),
        sessions: frame.has_detail.then(|| sessions.clone()),
        windows,
        warnings,
        all_sessions: sessions,
        source: name,
    }
}

/// One session within the time, from its records in their order; `None` if it did nothing then. `unpriced`
/// counts tokens by model.
fn session(
    source: &str,
    id: &str,
    records: &[&UsageRecord],
    frame: &Frame<'_>,
    unpriced: &mut BTreeMap<String, u64>,
) -> Option<SessionReport> {
    let within: Vec<&&UsageRecord> =
        records.iter().filter(|record| record.timestamp >= frame.since).collect();
    let (first, last) = (within.first()?, within.last()?);
    let is_subscription = within.iter().any(|record| {
        record.cost_mode == Some(CostMode::Subscription)
            || record.rate_limits.as_ref().is_some_and(|limits| !limits.is_empty())
    });
    let (messages, totals): (Vec<&UsageRecord>, Vec<&UsageRecord>) =
        records.iter().partition(|record| record.message_id.is_some());
    let mut sum = Sum::default();
    let reported = match source {
        "codex" => None,
        _ => process_costs(&totals, frame.since),
    };
    let mut ignored = BTreeMap::new();
    // Where the program tells the cost of it all, tokens need no price.
    let unpriced = if reported.is_some() { &mut ignored } else { unpriced };
    let totalled = session_tokens(&totals, frame.since);
    for message in newest_messages(&messages).into_iter().filter(|message| message.timestamp >= frame.since) {
        sum.add(message.cost, message.tokens, message.model.as_deref(), frame.prices, unpriced);
    }
    if messages.is_empty()
        && let Some((tokens, model)) = totalled
    {
        sum.add(None, Some(tokens), model, frame.prices, unpriced);
    }
    let cost = reported.or(sum.cost);
    Some(SessionReport {
        session_id: id.to_owned(),
        cost,
        cost_mode: if is_subscription { CostMode::Subscription } else { CostMode::ApiKey },
        cost_provenance: cost.map(|cost| match cost.is_estimated {
            true => Provenance::Estimated,
            false => Provenance::Reported,
        }),
        model: within.iter().rev().find_map(|record| record.model.clone()),
        tokens: sum.tokens,
        first_event_at: first.timestamp,
        last_event_at: last.timestamp,
        age_seconds: last.timestamp.age(frame.now).as_secs(),
    })
}

#[derive(Default)]
struct Sum {
    cost: Option<CostSum>,
    tokens: Option<Tokens>,
}

impl Sum {
    /// A cost that was reported, else tokens times their price.
    fn add(
        &mut self,
        reported: Option<Cost>,
        tokens: Option<Tokens>,
        model: Option<&str>,
        prices: &Prices,
        unpriced: &mut BTreeMap<String, u64>,
    ) {
        if let Some(tokens) = tokens {
            self.tokens = Some(self.tokens.unwrap_or_default().plus(tokens));
        }
        let cost = match reported.and_then(CostSum::of) {
            Some(cost) => Some(cost),
            None => tokens.filter(|tokens| !tokens.is_zero()).and_then(|tokens| {
                let usd = model.and_then(|model| prices.cost(model, tokens));
                if usd.is_none() {
                    note_unpriced(model, tokens, unpriced);
                }
                usd.map(|total_cost_usd| CostSum { total_cost_usd, is_estimated: true, ..CostSum::default() })
            }),
        };
        if let Some(cost) = cost {
            self.cost = Some(self.cost.map_or(cost, |sum| sum.plus(cost)));
        }
    }
}

fn note_unpriced(model: Option<&str>, tokens: Tokens, unpriced: &mut BTreeMap<String, u64>) {
    let count = tokens.input + tokens.output + tokens.cache_read + tokens.cache_creation;
    *unpriced.entry(model.unwrap_or("unknown").to_owned()).or_default() += count;
}

impl CostSum {
    fn of(cost: Cost) -> Option<Self> {
        Some(Self {
            total_cost_usd: cost.total_cost_usd?,
            total_duration_ms: cost.total_duration_ms.unwrap_or(0),
            total_api_duration_ms: cost.total_api_duration_ms.unwrap_or(0),
            total_lines_added: cost.total_lines_added.unwrap_or(0),
            total_lines_removed: cost.total_lines_removed.unwrap_or(0),
            is_estimated: false,
        })
    }

    fn plus(self, other: Self) -> Self {
        Self {
            total_cost_usd: self.total_cost_usd + other.total_cost_usd,
            total_duration_ms: self.total_duration_ms + other.total_duration_ms,
            total_api_duration_ms: self.total_api_duration_ms + other.total_api_duration_ms,
            total_lines_added: self.total_lines_added + other.total_lines_added,
            total_lines_removed: self.total_lines_removed + other.total_lines_removed,
            is_estimated: self.is_estimated || other.is_estimated,
        }
    }

    /// What came on top of an earlier total of the same process.
    fn since(self, earlier: Self) -> Self {
        Self {
            total_cost_usd: self.total_cost_usd - earlier.total_cost_usd,
            total_duration_ms: self.total_duration_ms.saturating_sub(earlier.total_duration_ms),
            total_api_duration_ms: self.total_api_duration_ms.saturating_sub(earlier.total_api_duration_ms),
            total_lines_added: self.total_lines_added.saturating_sub(earlier.total_lines_added),
            total_lines_removed: self.total_lines_removed.saturating_sub(earlier.total_lines_removed),
            is_estimated: false,
        }
    }
}

/// Costs that grow as long as a process lives: a smaller one is the first of the next process.
fn process_costs(totals: &[&UsageRecord], since: Time) -> Option<CostSum> {
    let mut sum = None;
    let mut before = CostSum::default();
    for total in totals {
        let Some(now) = total.cost.and_then(CostSum::of) else { continue };
        let grown = if now.total_cost_usd < before.total_cost_usd { now } else { now.since(before) };
        before = now;
        if total.timestamp >= since {
            sum = Some(sum.map_or(grown, |sum: CostSum| sum.plus(grown)));
        }
    }
    sum
}

/// Tokens that grow as long as a session does, and its model.
fn session_tokens<'r>(totals: &[&'r UsageRecord], since: Time) -> Option<(Tokens, Option<&'r str>)> {
    let newest = totals.iter().rev().find(|total| total.tokens.is_some() && total.timestamp >= since)?;
    let before = totals.iter().rev().find(|total| total.tokens.is_some() && total.timestamp < since);
    let tokens = newest.tokens?.since(before.and_then(|total| total.tokens).unwrap_or_default());
    let model = totals.iter().rev().find_map(|total| total.model.as_deref());
    Some((tokens, model))
}

/// The newest record of each message: streamed messages are recorded more than once.
fn newest_messages<'r>(messages: &[&'r UsageRecord]) -> Vec<&'r UsageRecord> {
    let mut seen = BTreeSet::new();
    messages.iter().rev().filter(|message| seen.insert(message.message_id.as_deref())).copied().collect()
}

/// The windows that everybody asks for.
const KNOWN: [(&str, &str, Option<u64>); 2] =
    [("five_hour", "5h", Some(18_000)), ("seven_day", "7d", Some(604_800))];

fn windows(
    records: &[UsageRecord],
    frame: &Frame<'_>,
    warnings: &mut Vec<String>,
) -> BTreeMap<String, WindowReport> {
    let mut newest: BTreeMap<&str, &Window> = BTreeMap::new();
    let mut refused = BTreeSet::new();
    for record in records {
        for (key, window) in record.rate_limits.iter().flatten() {
            if RESERVED.contains(&key.as_str()) {
                refused.insert(key);
            } else {
                newest.insert(key, window);
            }
        }
    }
    warnings.extend(refused.into_iter().map(|key| {
        format!("a rate limit may not be called `{key}`: that is a field of the report; it is left out")
    }));
    let mut reports: BTreeMap<String, WindowReport> = newest
        .into_iter()
        .map(|(key, window)| (key.to_owned(), WindowReport::of(key, Some(window), frame.now)))
        .collect();
    for (key, ..) in KNOWN {
        reports.entry(key.to_owned()).or_insert_with(|| WindowReport::of(key, None, frame.now));
    }
    reports
}

impl WindowReport {
    fn of(key: &str, window: Option<&Window>, now: Time) -> Self {
        let known = KNOWN.iter().find(|(name, ..)| *name == key);
        let is_present = window.is_some();
        let window = window.cloned().unwrap_or_default();
        let window_seconds = window.window_seconds.or(known.and_then(|(.., seconds)| *seconds));
        let until = window.resets_at.map(|at| (at - now.as_unix_seconds()).round() as i64);
        let elapsed = match (window_seconds, until) {
            (Some(length), Some(until)) => {
                let length = i64::try_from(length).unwrap_or(i64::MAX);
                Some((length - until).clamp(0, length))
            }
            _ => None,
        };
        let percentage = |elapsed: i64| elapsed as f64 * 100.0 / window_seconds.unwrap_or(1).max(1) as f64;
        Self {
            used_percentage: window.used_percentage,
            resets_at: window.resets_at,
            window_seconds,
            label: window.label.unwrap_or_else(|| known.map_or(key, |(_, label, _)| label).to_owned()),
            status: window.status,
            is_using_overage: window.is_using_overage,
            seconds_until_reset: until.map(|until| until.max(0)),
            elapsed_seconds: elapsed,
            elapsed_percentage: elapsed.map(percentage),
            is_present,
        }
    }

    /// The time of the limit is over, so its percentage says nothing any more.
    #[must_use]
    pub fn is_over(&self, now: Time) -> bool {
        self.resets_at.is_some_and(|at| at <= now.as_unix_seconds())
    }
}

#[cfg(test)]
mod tests;
