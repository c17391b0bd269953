//! What agents have cost, live ones and destroyed ones, and how much of their rate limits is used.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::StreamExt as _;
use serde::Serialize;
use serde_json::{Value, json};

use super::list::{self, ListRequest};
use super::preserved::{self, Archive};
use super::select::AgentFilter;
use crate::agents::mirror::{FilePart, WatchedFile};
use crate::agents::sight::Sight;
use crate::agents::usage::{Frame, Prices, SourceReport, UsageRecord, UsageSettings, UsageSource, aggregate};
use crate::hosts::Layout;
use crate::model::error::{Error, ErrorClass, Result};
use crate::model::filter::{Filter, Subject};
use crate::model::names::AgentTypeName;
use crate::model::time::Time;
use crate::plugins::Ctx;

/// What to add up.
#[derive(Debug)]
pub struct UsageRequest {
    /// How far back; unset: as the settings say.
    pub since: Option<Duration>,
    pub stale_after: Option<Duration>,
    /// The sessions too.
    pub has_detail: bool,
    /// What destroyed agents left counts too.
    pub has_preserved: bool,
    pub filter: AgentFilter,
}

/// What was used. Field names are the JSON contract.
#[derive(Debug, Serialize)]
pub struct UsageReport {
    pub now: Time,
    pub since_seconds: u64,
    /// The one with the newest record first.
    pub sources: Vec<SourceReport>,
    /// Sentences for standard error.
    #[serde(skip)]
    pub warnings: Vec<String>,
}

/// `[plugins.usage]`.
///
/// # Errors
/// A value is of the wrong kind.
pub fn settings(ctx: &Ctx) -> Result<UsageSettings> {
    let Some(mut table) = ctx.settings.plugins().remove("usage") else { return Ok(UsageSettings::default()) };
    if let Some(table) = table.as_object_mut() {
        table.remove("enabled");
    }
    serde_json::from_value(table).map_err(|error| {
        Error::hinted(
            ErrorClass::Config,
            format!("the table `[plugins.usage]` cannot be read: {error}"),
            "mng config list --all",
        )
    })
}

/// Where records of one agent lie.
struct Place {
    dir: PathBuf,
    source: Option<Arc<dyn UsageSource>>,
    /// Keeps the copies of another machine's files for as long as they are read.
    _sight: Option<Sight>,
}

/// Adds up the records of the agents that the filter keeps, and of what destroyed ones left. Of
/// other machines the files that count are fetched.
///
/// # Errors
/// A provider is named that does not exist; or the settings are wrong.
pub async fn usage(ctx: &Ctx, request: &UsageRequest) -> Result<UsageReport> {
    let settings = settings(ctx)?;
    let clock = SystemTime::now();
    let now = Time::from(clock);
    let since = request.since.unwrap_or(Duration::from_secs(settings.since_seconds));
    let stale_after = request.stale_after.unwrap_or(Duration::from_secs(settings.stale_after_seconds));
    let mut warnings = Vec::new();
    let mut places = live_places(ctx, &request.filter, now, &mut warnings).await?;
    if request.has_preserved {
        places.extend(preserved_places(ctx, &request.filter, now, &mut warnings));
    }
    let prices = Prices::with(&settings.prices);
    let begin = ago(clock, since);
    let has_detail = request.has_detail;
    let added_up = tokio::task::spawn_blocking(move || {
        let mut warnings = Vec::new();
        let records = places.iter().flat_map(|place| read(place, begin, &mut warnings)).collect();
        let frame = Frame {
            now,
            since: begin,
            since_seconds: since.as_secs(),
            stale_after_seconds: stale_after.as_secs(),
            has_detail,
            prices: &prices,
        };
        (aggregate(records, &frame), warnings)
    });
    let (sources, more) =
        added_up.await.map_err(|error| Error::io("add up the usage", std::io::Error::other(error)))?;
    warnings.extend(more);
    let mut report = UsageReport { now, since_seconds: since.as_secs(), sources, warnings };
    report.add_warnings(stale_after);
    Ok(report)
}

/// A time that long ago.
fn ago(now: SystemTime, span: Duration) -> Time {
    now.checked_sub(span).map_or(Time::from(SystemTime::UNIX_EPOCH), Time::from)
}

async fn live_places(
    ctx: &Ctx,
    filter: &AgentFilter,
    now: Time,
    warnings: &mut Vec<String>,
) -> Result<Vec<Place>> {
    let listing = list::all(ctx, &ListRequest::in_scope(filter.scope())).await?;
    warnings.extend(listing.warnings.iter().cloned());
    warnings.extend(listing.failures.iter().filter(|failure| failure.is_configured).map(|failure| {
        format!("the agents of provider `{}` are not counted: {}", failure.provider, failure.error)
    }));
    let mut looks = Vec::new();
    let mut places = Vec::new();
    for agent in &listing.agents {
        if !filter.keeps(agent, now, warnings) {
            continue;
        }
        let Some(resolved) = listing.resolved(agent) else { continue };
        let source = source_of(ctx, &agent.record.agent_type);
        let mut files = source.as_ref().map(|source| source.files()).unwrap_or_default();
        files.push(WatchedFile::new("events/*/usage/events.jsonl", FilePart::All));
        looks.push((resolved.host, Sight::of(&agent.record.id, files), source));
    }
    let fetched = futures_util::stream::iter(looks).map(async |(host, mut sight, source)| {
        let filled = sight.fill(&host).await;
        (host, sight, source, filled)
    });
    let mut fetched = std::pin::pin!(fetched.buffered(ctx.limits.parallel));
    while let Some((host, sight, source, filled)) = fetched.next().await {
        match filled {
            Ok(()) => places.push(Place { dir: sight.dir(&host), source, _sight: Some(sight) }),
            Err(error) => {
                warnings.push(format!(
                    "the agents of host `{}` are not all counted: {error}",
                    host.info.address()
                ));
            }
        }
    }
    Ok(places)
}

fn preserved_places(ctx: &Ctx, filter: &AgentFilter, now: Time, warnings: &mut Vec<String>) -> Vec<Place> {
    let layout = Layout::new(ctx.settings.host_dir());
    // A destroyed agent that was brought back has both.
    let is_gone = |archive: &Archive| match archive.identity.agent_id.parse() {
        Ok(id) => !layout.agent_record(&id).exists(),
        Err(_) => true,
    };
    let mut places = Vec::new();
    for archive in preserved::archives(ctx).into_iter().filter(is_gone) {
        if filter.is_empty() || filter.keeps_json(&as_agent(&archive), now, warnings) {
            let source = source_of(ctx, &AgentTypeName::stored(&archive.identity.agent_type));
            places.push(Place { dir: archive.dir, source, _sight: None });
        }
    }
    places
}

/// What filters see of a destroyed agent.
fn as_agent(archive: &Archive) -> Value {
    let identity = &archive.identity;
    json!({
        "id": identity.agent_id,
        "name": identity.agent_name,
        "type": identity.agent_type,
        "labels": identity.labels,
        "state": "STOPPED",
        "host": {
            "id": identity.host_id,
            "name": identity.host_name,
            "provider_name": identity.provider_name,
            "state": "DESTROYED",
            "tags": {},
        },
    })
}

fn source_of(ctx: &Ctx, name: &AgentTypeName) -> Option<Arc<dyn UsageSource>> {
    ctx.agent_type(name).ok()?.usage()
}

/// The records of one agent: those that others wrote, and those that its program's files yield.
fn read(place: &Place, since: Time, warnings: &mut Vec<String>) -> Vec<UsageRecord> {
    let mut records = Vec::new();
    let entries = std::fs::read_dir(place.dir.join("events")).into_iter().flatten().flatten();
    for entry in entries {
        let path = entry.path().join("usage/events.jsonl");
        match stored(&path) {
            Ok(found) => records.extend(found),
            Err(error) => warnings.push(format!("`{}` is not counted: {error}", path.display())),
        }
    }
    if let Some(source) = &place.source {
        match source.records(&place.dir, since) {
            Ok(found) => records.extend(found),
            Err(error) => warnings.push(format!("`{}` is not counted: {error}", place.dir.display())),
        }
    }
    records
}

/// The records of a stream; lines that are none are left out.
fn stored(path: &Path) -> Result<Vec<UsageRecord>> {
    let bytes = crate::storage::read_optional(path)?.unwrap_or_default();
    let lines = bytes.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"));
    let records = lines.filter_map(|line| serde_json::from_slice::<UsageRecord>(line).ok());
    Ok(records.filter(|record| record.kind == UsageRecord::KIND).collect())
}

impl UsageReport {
    fn add_warnings(&mut self, stale_after: Duration) {
        for source in &self.sources {
            self.warnings.extend(source.warnings.iter().cloned());
            let name = &source.source;
            if source.is_stale
                && let Some(at) = source.updated_at
            {
                self.warnings.push(format!(
                    "{name}: the newest record is {} old (more than {}): the program has not worked since",
                    spaced(at.age(self.now)),
                    spaced(stale_after)
                ));
            }
            for window in source.windows.values().filter(|window| window.is_over(self.now)) {
                self.warnings.push(format!(
                    "{name}: the {} limit has been reset since it was last told",
                    window.label
                ));
            }
        }
    }

    /// The first source for which all predicates hold.
    #[must_use]
    pub fn matching(&self, predicates: &Predicates) -> Option<&SourceReport> {
        self.sources.iter().find(|source| {
            serde_json::to_value(source).is_ok_and(|json| predicates.0.matches(&json, self.now).is_match)
        })
    }
}

/// CEL expressions over a source of the report.
#[derive(Debug)]
pub struct Predicates(Filter);

impl Predicates {
    /// # Errors
    /// One is no CEL.
    pub fn parse(texts: &[String]) -> Result<Self> {
        Ok(Self(Filter::parse_for(Subject::Objects, texts, &[])?))
    }
}

/// The two largest units for people: `4d 3h`, `45s`, `now`.
#[must_use]
pub fn spaced(duration: Duration) -> String {
    let units = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];
    let seconds = duration.as_secs();
    let Some(at) = units.iter().position(|(_, size)| seconds >= *size) else { return "now".to_owned() };
    let (name, size) = units[at];
    let mut text = format!("{}{name}", seconds / size);
    if let Some((next, next_size)) = units.get(at + 1).filter(|_| at < 2)
        && seconds % size >= *next_size
    {
        text.push_str(&format!(" {}{next}", seconds % size / next_size));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::filter::Shorthand;

    #[test]
    fn durations_for_people() {
        for (seconds, text) in
            [(0, "now"), (45, "45s"), (130, "2m"), (4_330, "1h 12m"), (356_400, "4d 3h"), (86_400, "1d")]
        {
            assert_eq!(spaced(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn what_a_destroyed_agent_left_passes_the_same_filters() {
        let archive = Archive {
            dir: PathBuf::new(),
            identity: serde_json::from_value(json!({
                "host_id": "host-00000000000000000000000000000001", "host_name": "localhost",
                "provider_name": "local", "agent_id": "agent-00000000000000000000000000000001",
                "agent_name": "gone", "agent_type": "claude", "labels": {"project": "shop"},
            }))
            .unwrap(),
            preserved_at: None,
        };
        let keeps = |shorthand: Shorthand, include: &[&str]| {
            let include: Vec<String> = include.iter().map(|text| (*text).to_owned()).collect();
            let filter = AgentFilter::new(shorthand, &include, &[]).unwrap();
            filter.keeps_json(&as_agent(&archive), Time::now(), &mut Vec::new())
        };
        assert!(keeps(Shorthand { providers: vec!["local".into()], ..Shorthand::default() }, &[]));
        assert!(!keeps(Shorthand { providers: vec!["docker".into()], ..Shorthand::default() }, &[]));
        assert!(!keeps(Shorthand { running: true, ..Shorthand::default() }, &[]));
        assert!(keeps(Shorthand::default(), &["type == 'claude' && name == 'gone'"]));
    }

    #[test]
    fn predicates_hold_for_one_source_together() {
        let prices = Prices::with(&Default::default());
        let now = Time::now();
        let frame = Frame {
            now,
            since: ago(SystemTime::now(), Duration::from_secs(60)),
            since_seconds: 60,
            stale_after_seconds: 300,
            has_detail: false,
            prices: &prices,
        };
        let record = |source: &str, used: f64| {
            let mut record = UsageRecord::new(source, "s", format!("{source}-1"), now);
            record.rate_limits =
                Some(serde_json::from_value(json!({"five_hour": {"used_percentage": used}})).unwrap());
            record
        };
        let sources = aggregate(vec![record("claude", 10.0), record("codex", 90.0)], &frame);
        let report = UsageReport { now, since_seconds: 60, sources, warnings: Vec::new() };
        let found = |texts: &[&str]| {
            let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
            report.matching(&Predicates::parse(&texts).unwrap()).map(|source| source.source.clone())
        };
        assert_eq!(found(&["five_hour.used_percentage > 50.0"]).as_deref(), Some("codex"));
        assert_eq!(found(&["five_hour.used_percentage > 50.0", "source == 'claude'"]), None);
        assert_eq!(found(&["seven_day.used_percentage < 50.0"]), None);
        assert!(Predicates::parse(&["five_hour.".into()]).is_err());
    }
}
