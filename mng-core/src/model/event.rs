//! What an operation tells while it works. The CLI renders these; the engine never prints.

use serde::Serialize;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// One thing that happened during an operation.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub enum Event {
    /// A sentence for the person: progress, on standard error.
    Info(String),
    /// mng goes on without something; shown as a warning.
    Warning(String),
    /// The top-level plan, before the first step (jsonl `progress`, kind `plan`).
    Plan(Vec<Step>),
    /// A step began. `id` is stable across releases (`[a-z0-9_]+(\.[a-z0-9_]+)*`), the label is free.
    Started { id: String, label: String, parent: Option<String> },
    /// A step ended well.
    Completed { id: String, elapsed_seconds: f64 },
    /// A step was not needed.
    Skipped { id: String, label: String, parent: Option<String> },
    /// One item of a result, as soon as it is known (gc, destroy): the jsonl object to print.
    Item(serde_json::Value),
}

/// A step of a plan.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    #[serde(rename = "step")]
    pub id: String,
    pub label: String,
}

/// Where an operation sends its events. Cloneable; sending never blocks and never fails.
#[derive(Clone, Debug, Default)]
pub struct Events(Option<UnboundedSender<Event>>);

impl Events {
    /// A sink and the end that the CLI reads from.
    #[must_use]
    pub fn channel() -> (Self, UnboundedReceiver<Event>) {
        let (sender, receiver) = unbounded_channel();
        (Self(Some(sender)), receiver)
    }

    /// A sink that drops everything.
    #[must_use]
    pub fn none() -> Self {
        Self(None)
    }

    pub fn send(&self, event: Event) {
        if let Some(sender) = &self.0 {
            // The reader may have gone (a closed pipe); the work goes on.
            let _ = sender.send(event);
        }
    }

    pub fn info(&self, text: impl Into<String>) {
        self.send(Event::Info(text.into()));
    }

    pub fn warning(&self, text: impl Into<String>) {
        self.send(Event::Warning(text.into()));
    }
}
