//! The steps of a create as its progress lines name them; readers know these ids.

use std::time::Instant;

use crate::model::event::{Event, Events, Step};

pub(super) const PREPARING: (&str, &str) = ("preparing", "Preparing");
pub(super) const TRANSFERRING: (&str, &str) = ("transferring_project", "Transferring the project");
pub(super) const PROVISIONING: (&str, &str) = ("provisioning", "Provisioning");
pub(super) const STARTING: (&str, &str) = ("starting_agent", "Starting the agent");

/// Tells which steps will follow.
pub(super) fn plan(events: &Events, steps: &[(&str, &str)]) {
    let step = |(id, label): &(&str, &str)| Step { id: (*id).to_owned(), label: (*label).to_owned() };
    events.send(Event::Plan(steps.iter().map(step).collect()));
}

/// A step that has begun. One that fails is never completed: it is just dropped.
#[derive(Debug)]
pub(super) struct Running<'a> {
    events: &'a Events,
    id: &'static str,
    since: Instant,
}

pub(super) fn begin<'a>(events: &'a Events, (id, label): (&'static str, &'static str)) -> Running<'a> {
    events.send(Event::Started { id: id.to_owned(), label: label.to_owned(), parent: None });
    Running { events, id, since: Instant::now() }
}

impl Running<'_> {
    pub(super) fn complete(self) {
        let elapsed_seconds = self.since.elapsed().as_secs_f64();
        self.events.send(Event::Completed { id: self.id.to_owned(), elapsed_seconds });
    }
}
