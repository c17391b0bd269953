//! What becomes of a log record.

use std::fmt;
use std::time::Instant;

use mng_core::model::ids::random_hex;
use mng_core::model::time::Time;
use mng_core::settings::LogLevel;
use mng_core::transports::{EXEC_ENV, EXEC_OUTPUT};
use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use super::file::LogFile;
use crate::ui::Console;

/// The message of the records about commands that mng runs.
const EXEC: &str = "exec";
/// Records about the output of image builds; they stand between DEBUG and INFO.
const BUILD_TARGET: &str = "mng::build";

#[derive(Debug)]
pub(super) struct Rules {
    pub(super) console_level: LogLevel,
    pub(super) file_level: LogLevel,
    pub(super) is_logging_commands: bool,
    pub(super) is_logging_command_output: bool,
    pub(super) is_logging_env_vars: bool,
    pub(super) event_type: String,
    pub(super) event_source: String,
    pub(super) command: String,
}

impl Rules {
    fn wants(&self, level: LogLevel) -> bool {
        let wants = |least: LogLevel| least != LogLevel::None && level >= least;
        wants(self.console_level) || wants(self.file_level)
    }

    fn is_in_file(&self, level: LogLevel) -> bool {
        self.file_level != LogLevel::None && level >= self.file_level
    }
}

/// Sends records to the console and to the file.
#[derive(Debug)]
pub(super) struct Log {
    console: Console,
    file: LogFile,
    rules: Rules,
}

/// What a span remembers.
struct SpanData {
    fields: Map<String, Value>,
    started: Instant,
}

impl Log {
    pub(super) fn new(console: Console, file: LogFile, rules: Rules) -> Self {
        Self { console, file, rules }
    }

    fn write(&self, level: LogLevel, metadata: &Metadata<'_>, record: Record) {
        if record.message == EXEC && !self.rules.is_logging_commands {
            return;
        }
        // What a state change means to the person, the command says itself.
        let is_said_already = level == LogLevel::Info && !self.console.shows(LogLevel::Debug);
        if self.console.shows(level) && !is_said_already {
            self.console.log(level, &record.for_people());
        }
        if self.rules.is_in_file(level) {
            let line = self.line(level, metadata, record).to_string();
            super::remember(&line);
            self.file.line(&line);
        }
    }

    /// The envelope that readers of the event stream know, then what is ours.
    fn line(&self, level: LogLevel, metadata: &Metadata<'_>, record: Record) -> Value {
        let mut line = json!({
            "timestamp": Time::now().with_nanoseconds(),
            "type": self.rules.event_type,
            "event_id": format!("evt-{}", random_hex()),
            "source": self.rules.event_source,
            "level": word(level),
            "message": record.message,
            "pid": std::process::id(),
            "command": self.rules.command,
            "target": metadata.target(),
            "file": metadata.file(),
            "line": metadata.line(),
        });
        if let Some(seconds) = record.elapsed {
            line["elapsed_seconds"] = json!((seconds * 1e5).round() / 1e5);
        }
        if !record.fields.is_empty() {
            line["extra"] = Value::Object(record.fields);
        }
        line
    }
}

/// Libraries may warn; what else they say is theirs.
fn is_ours(metadata: &Metadata<'_>) -> bool {
    metadata.target().starts_with("mng") || *metadata.level() <= Level::WARN
}

fn level_of(metadata: &Metadata<'_>) -> LogLevel {
    match *metadata.level() {
        Level::ERROR => LogLevel::Error,
        Level::WARN => LogLevel::Warn,
        Level::INFO if metadata.target() == BUILD_TARGET => LogLevel::Build,
        Level::INFO => LogLevel::Info,
        Level::DEBUG => LogLevel::Debug,
        _ => LogLevel::Trace,
    }
}

fn word(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Trace => "TRACE",
        LogLevel::Debug => "DEBUG",
        LogLevel::Build => "BUILD",
        LogLevel::Info => "INFO",
        LogLevel::Warn => "WARNING",
        LogLevel::Error | LogLevel::None => "ERROR",
    }
}

impl<S> Layer<S> for Log
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        let is_allowed = match metadata.target() {
            EXEC_OUTPUT => self.rules.is_logging_command_output,
            EXEC_ENV => self.rules.is_logging_env_vars,
            _ => is_ours(metadata),
        };
        is_allowed && (metadata.is_span() || self.rules.wants(level_of(metadata)))
    }

    fn max_level_hint(&self) -> Option<tracing::level_filters::LevelFilter> {
        use tracing::level_filters::LevelFilter;
        let least = match (self.rules.console_level, self.rules.file_level) {
            (LogLevel::None, other) | (other, LogLevel::None) => other,
            (console, file) => console.min(file),
        };
        Some(match least {
            LogLevel::Trace => LevelFilter::TRACE,
            LogLevel::Debug => LevelFilter::DEBUG,
            LogLevel::Build | LogLevel::Info => LevelFilter::INFO,
            LogLevel::Warn => LevelFilter::WARN,
            LogLevel::Error => LevelFilter::ERROR,
            LogLevel::None => LevelFilter::OFF,
        })
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut record = Record::default();
        attributes.record(&mut record);
        let begin = Record { message: format!("{} begins", span.name()), ..record.clone() };
        span.extensions_mut().insert(SpanData { fields: record.fields, started: Instant::now() });
        if self.rules.wants(LogLevel::Debug) {
            self.write(LogLevel::Debug, span.metadata(), begin);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut record = Record::default();
        event.record(&mut record);
        // What encloses a record says whose it is.
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(data) = span.extensions().get::<SpanData>() {
                for (key, value) in &data.fields {
                    record.fields.entry(key.clone()).or_insert_with(|| value.clone());
                }
            }
        }
        self.write(level_of(event.metadata()), event.metadata(), record);
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id).filter(|_| self.rules.wants(LogLevel::Trace)) else { return };
        let Some(data) = span.extensions_mut().remove::<SpanData>() else { return };
        let elapsed = data.started.elapsed().as_secs_f64();
        let message = format!("{} ended after {elapsed:.5} s", span.name());
        self.write(
            LogLevel::Trace,
            span.metadata(),
            Record { message, fields: data.fields, elapsed: Some(elapsed) },
        );
    }
}

#[derive(Clone, Debug, Default)]
struct Record {
    message: String,
    fields: Map<String, Value>,
    elapsed: Option<f64>,
}

impl Record {
    fn for_people(&self) -> String {
        let mut text = self.message.clone();
        for (key, value) in &self.fields {
            match value {
                Value::String(value) => text.push_str(&format!(" {key}={value}")),
                value => text.push_str(&format!(" {key}={value}")),
            }
        }
        text
    }

    fn put(&mut self, field: &Field, value: Value) {
        if field.name() == "message" {
            self.message = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        } else {
            self.fields.insert(field.name().to_owned(), value);
        }
    }
}

impl Visit for Record {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;
    use crate::ui::testing;

    fn logged(console_level: LogLevel, file_level: LogLevel) -> (String, Vec<Value>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.jsonl");
        let (ui, screen) = testing::ui();
        ui.console().set_level(console_level);
        let rules = Rules {
            console_level,
            file_level,
            is_logging_commands: false,
            is_logging_command_output: false,
            is_logging_env_vars: true,
            event_type: "mng".into(),
            event_source: "logs/mng".into(),
            command: "list".into(),
        };
        let log = Log::new(ui.console().clone(), LogFile::new(path.clone(), 1 << 20, 2), rules);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(log), || {
            let _span = tracing::info_span!("host", host = %"gpu").entered();
            tracing::debug!(count = 3, "looked");
            tracing::info!(target: "mng::build", "layer 1");
            tracing::warn!(agent = "a", "went on");
            tracing::debug!(command = "git status", "exec");
            tracing::info!(target: "hyper", "noise");
            tracing::debug!(target: EXEC_OUTPUT, "not asked for");
            tracing::debug!(target: EXEC_ENV, "asked for");
        });
        let text = std::fs::read_to_string(path).unwrap_or_default();
        (screen.stderr(), text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
    }

    #[test]
    fn each_sink_has_its_own_level() {
        let (console, file) = logged(LogLevel::Build, LogLevel::Debug);
        insta::assert_snapshot!(console, @r"
        layer 1 host=gpu
        WARNING: went on agent=a host=gpu
        ");
        let messages: Vec<&str> = file.iter().map(|line| line["message"].as_str().unwrap()).collect();
        assert_eq!(messages, ["host begins", "looked", "layer 1", "went on", "asked for"]);
        assert_eq!(file[1]["extra"], json!({"count": 3, "host": "gpu"}));
        assert_eq!(file[2]["level"], "BUILD");
        let keys: Vec<&str> = file[0].as_object().unwrap().keys().take(8).map(String::as_str).collect();
        assert_eq!(keys, ["timestamp", "type", "event_id", "source", "level", "message", "pid", "command"]);
    }

    #[test]
    fn nothing_is_written_when_nothing_is_wanted() {
        assert_eq!(logged(LogLevel::None, LogLevel::None), (String::new(), Vec::new()));
        let (console, file) = logged(LogLevel::Error, LogLevel::Trace);
        assert_eq!(console, "");
        assert!(file.iter().any(|line| line["message"].as_str().unwrap().starts_with("host ended after")));
    }
}
