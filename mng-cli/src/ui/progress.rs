//! Showing what an operation tells while it works.

use std::pin::pin;
use std::time::Duration;

use mng_core::Result;
use mng_core::model::event::{Event, Events, Question};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{MissedTickBehavior, interval};

use super::Ui;
use super::prompt::is_yes;

/// What takes less shows no status line: a flicker tells nobody anything.
const QUIET_START: Duration = Duration::from_millis(200);

/// How events of one operation are shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress<'a> {
    title: &'a str,
    steps_in_jsonl: bool,
    infos_in_jsonl: bool,
    to_the_end: bool,
}

impl<'a> Progress<'a> {
    /// `title` stands in the status line until the operation names a step.
    pub(crate) fn new(title: &'a str) -> Self {
        Self { title, steps_in_jsonl: false, infos_in_jsonl: false, to_the_end: false }
    }

    /// Steps are `progress` lines of jsonl.
    pub(crate) fn steps_in_jsonl(mut self) -> Self {
        self.steps_in_jsonl = true;
        self
    }

    /// Sentences are `info` lines of jsonl.
    pub(crate) fn infos_in_jsonl(mut self) -> Self {
        self.infos_in_jsonl = true;
        self
    }

    /// The operation is not dropped when its events can no longer be shown (stdout is closed): it would
    /// leave its work half done.
    pub(crate) fn to_the_end(mut self) -> Self {
        self.to_the_end = true;
        self
    }
}

/// What the status line says.
struct Status<'a> {
    title: &'a str,
    steps: Vec<(String, String)>,
}

impl Status<'_> {
    fn text(&self) -> String {
        format!("{}...", self.steps.last().map_or(self.title, |(_, label)| label))
    }
}

impl Ui {
    /// Runs an operation and shows its events; items go to jsonl only.
    ///
    /// # Errors
    /// The operation's, or stdout cannot be written.
    pub(crate) async fn with_progress<T>(
        &mut self,
        title: &str,
        work: impl AsyncFnOnce(Events) -> Result<T>,
    ) -> Result<T> {
        self.with_items(
            Progress::new(title),
            work,
            |ui, item| {
                if ui.is_jsonl() { ui.json_line(&item) } else { Ok(()) }
            },
        )
        .await
    }

    /// Runs an operation, shows its events and hands each item to `on_item` as soon as it is known.
    ///
    /// # Errors
    /// The operation's, or what `on_item` returns; then the operation is dropped.
    pub(crate) async fn with_items<T>(
        &mut self,
        progress: Progress<'_>,
        work: impl AsyncFnOnce(Events) -> Result<T>,
        mut on_item: impl FnMut(&mut Self, Value) -> Result<()>,
    ) -> Result<T> {
        let (events, mut receiver) = Events::channel();
        let mut status = Status { title: progress.title, steps: Vec::new() };
        let mut unshown = None;
        let result = {
            let mut work = pin!(work(events));
            let mut tick = interval(QUIET_START);
            tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
            tick.reset();
            loop {
                tokio::select! {
                    biased;
                    Some(event) = receiver.recv() => {
                        if unshown.is_some() {
                            continue;
                        }
                        if let Event::Question(question) = &event {
                            self.status(None);
                            tokio::select! {
                                () = self.put(question) => {}
                                result = &mut work => break result,
                            }
                            continue;
                        }
                        if let Err(error) = self.show(progress, &mut status, event, &mut on_item) {
                            if !progress.to_the_end {
                                break Err(error);
                            }
                            unshown = Some(error);
                        }
                    }
                    result = &mut work => break result,
                    _ = tick.tick() => self.status(Some(&status.text())),
                }
            }
        };
        self.status(None);
        if let Some(error) = unshown {
            return result.and(Err(error));
        }
        self.drain(progress, &mut status, &mut receiver, &mut on_item)?;
        result
    }

    /// Asks what an operation wants to know. Without an answer the question is dropped, which the operation
    /// notices.
    async fn put(&mut self, question: &Question) {
        let choices = if question.is_default_yes { "[Y/n]" } else { "[y/N]" };
        let answer = self.ask(&format!("{} {choices}: ", question.text), "--yes").await;
        if let Ok(answer) = answer {
            let is_empty = answer.trim().is_empty();
            question.answer(is_yes(&answer) || (is_empty && question.is_default_yes));
        }
    }

    fn drain(
        &mut self,
        progress: Progress<'_>,
        status: &mut Status<'_>,
        receiver: &mut UnboundedReceiver<Event>,
        on_item: &mut impl FnMut(&mut Self, Value) -> Result<()>,
    ) -> Result<()> {
        while let Ok(event) = receiver.try_recv() {
            self.show(progress, status, event, on_item)?;
        }
        Ok(())
    }

    fn show(
        &mut self,
        progress: Progress<'_>,
        status: &mut Status<'_>,
        event: Event,
        on_item: &mut impl FnMut(&mut Self, Value) -> Result<()>,
    ) -> Result<()> {
        if progress.steps_in_jsonl
            && self.is_jsonl()
            && let Some(line) = progress_line(&event)
        {
            self.json_line(&line)?;
        }
        match event {
            Event::Info(text) if progress.infos_in_jsonl && self.is_jsonl() => {
                self.event("info", &json!({ "message": text }))?;
            }
            Event::Info(text) => self.info(&text),
            Event::Warning(text) => self.warning(&text),
            Event::Started { id, label, .. } => status.steps.push((id, label)),
            Event::Completed { id, .. } => status.steps.retain(|(step, _)| *step != id),
            Event::Item(item) => on_item(self, item)?,
            _ => {}
        }
        Ok(())
    }
}

/// The jsonl `progress` object of an event about steps.
fn progress_line(event: &Event) -> Option<Value> {
    let mut line = Map::new();
    let mut put = |key: &str, value: Value| line.insert(key.into(), value);
    put("event", "progress".into());
    match event {
        Event::Plan(steps) => {
            put("kind", "plan".into());
            put("steps", super::to_json(steps));
        }
        Event::Started { id, label, parent } | Event::Skipped { id, label, parent } => {
            put("kind", if matches!(event, Event::Started { .. }) { "started" } else { "skipped" }.into());
            put("step", id.as_str().into());
            put("label", label.as_str().into());
            if let Some(parent) = parent {
                put("parent", parent.as_str().into());
            }
        }
        Event::Completed { id, elapsed_seconds } => {
            put("kind", "completed".into());
            put("step", id.as_str().into());
            put("elapsed_seconds", ((elapsed_seconds * 1000.0).round() / 1000.0).into());
        }
        _ => return None,
    }
    Some(Value::Object(line))
}
