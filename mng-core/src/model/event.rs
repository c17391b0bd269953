//! What an operation tells while it works. The CLI renders these; the engine never prints.

use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

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
    /// Somebody has to decide; the operation waits. Sent only where a person can be asked.
    Question(Question),
}

/// A question that is answered with yes or no. Dropped without an answer, it counts as not answered.
#[derive(Clone, Debug, Serialize)]
pub struct Question {
    /// Ends in `?`.
    pub text: String,
    /// What an empty answer means.
    pub is_default_yes: bool,
    #[serde(skip)]
    answer: Arc<Mutex<Option<oneshot::Sender<bool>>>>,
}

impl Question {
    /// Answers it; only the first answer counts.
    pub fn answer(&self, is_yes: bool) {
        let sender = self.answer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(sender) = sender {
            // The operation may have been cancelled meanwhile.
            let _ = sender.send(is_yes);
        }
    }
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

    /// Asks the person; `None` if nobody answers. The caller has made sure that there is somebody
    /// (`Ctx::is_interactive`).
    pub async fn confirm(&self, text: impl Into<String>, is_default_yes: bool) -> Option<bool> {
        let (sender, receiver) = oneshot::channel();
        let answer = Arc::new(Mutex::new(Some(sender)));
        self.send(Event::Question(Question { text: text.into(), is_default_yes, answer }));
        receiver.await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_question_is_answered_once_or_not_at_all() {
        let (events, mut receiver) = Events::channel();
        let person = async {
            let Some(Event::Question(first)) = receiver.recv().await else { panic!("no question") };
            first.answer(true);
            first.answer(false);
            let Some(Event::Question(second)) = receiver.recv().await else { panic!("no question") };
            drop(second);
        };
        let asked = async { (events.confirm("really?", false).await, events.confirm("again?", true).await) };
        let (answers, ()) = tokio::join!(asked, person);
        assert_eq!(answers, (Some(true), None));
        assert_eq!(Events::none().confirm("nobody there?", true).await, None);
    }
}
