//! Gates at which a turn waits until the test lets it go on.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// How often a waiting turn looks whether its program has hung up.
const LOOK: Duration = Duration::from_millis(20);

#[derive(Default)]
pub(super) struct Gates {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: BTreeMap<String, usize>,
    released: BTreeSet<String>,
    all: bool,
}

impl Gates {
    /// Waits until the gate is released.
    ///
    /// # Errors
    /// When `hung_up` says that nobody waits for the answer any more.
    pub(super) fn wait(&self, gate: &str, hung_up: impl Fn() -> bool) -> io::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *state.waiting.entry(gate.to_owned()).or_default() += 1;
        let mut outcome = Ok(());
        while !state.all && !state.released.contains(gate) {
            if hung_up() {
                outcome = Err(io::ErrorKind::ConnectionReset.into());
                break;
            }
            state = self.changed.wait_timeout(state, LOOK).unwrap_or_else(PoisonError::into_inner).0;
        }
        if let Some(count) = state.waiting.get_mut(gate) {
            *count -= 1;
        }
        outcome
    }

    pub(super) fn is_held(&self, gate: &str) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.waiting.get(gate).is_some_and(|count| *count > 0)
    }

    pub(super) fn release(&self, gate: &str) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).released.insert(gate.to_owned());
        self.changed.notify_all();
    }

    pub(super) fn open_all(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).all = true;
        self.changed.notify_all();
    }
}
