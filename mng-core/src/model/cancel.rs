//! Stopping an operation that has something to undo. Dropping its future would not do: the undo needs time
//! of its own. So a signal sets a flag, the operation leaves its next wait with an error and then undoes
//! what it did, in its own time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::watch;

use super::error::{ErrorClass, Explain, Result};

/// A signal asked the command to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Aborted!")]
pub struct Interrupted {
    /// Its number: 2 for Ctrl-C.
    pub signal: u8,
}

impl Explain for Interrupted {
    fn class(&self) -> ErrorClass {
        ErrorClass::Aborted
    }

    fn exit_code(&self) -> u8 {
        128 + self.signal
    }
}

/// A flag that is set once, and whether anybody looks at it. Clones share both.
#[derive(Clone, Debug)]
pub struct Cancel {
    signal: watch::Sender<Option<u8>>,
    watchers: Arc<AtomicUsize>,
}

/// Held by an operation while it looks at the flag by itself.
#[derive(Debug)]
pub struct Watch(Arc<AtomicUsize>);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Default for Cancel {
    fn default() -> Self {
        Self::new()
    }
}

impl Cancel {
    #[must_use]
    pub fn new() -> Self {
        Self { signal: watch::Sender::new(None), watchers: Arc::default() }
    }

    /// Says that the operation ends by itself when asked to, for as long as the guard lives. While nobody
    /// watches, a signal just drops the operation.
    #[must_use]
    pub fn watch(&self) -> Watch {
        self.watchers.fetch_add(1, Ordering::Relaxed);
        Watch(Arc::clone(&self.watchers))
    }

    #[must_use]
    pub fn is_watched(&self) -> bool {
        self.watchers.load(Ordering::Relaxed) > 0
    }

    /// Asks the operation to end. The first signal counts.
    pub fn cancel(&self, signal: u8) {
        self.signal.send_if_modified(|current| {
            let is_first = current.is_none();
            current.get_or_insert(signal);
            is_first
        });
    }

    /// # Errors
    /// [`Interrupted`] once somebody asked for the end.
    pub fn check(&self) -> Result<()> {
        match *self.signal.borrow() {
            Some(signal) => Err(Interrupted { signal }.into()),
            None => Ok(()),
        }
    }

    /// Waits for work that may be given up at any point. Work that may not (git in the person's
    /// repository) is awaited as it is, with a [`Cancel::check`] behind it.
    ///
    /// # Errors
    /// The work's own error, or [`Interrupted`]; the work is then dropped.
    pub async fn race<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let mut flag = self.signal.subscribe();
        tokio::select! {
            biased;
            // The sender lives as long as `self`, so the wait ends only when the flag is set.
            _ = flag.wait_for(Option::is_some) => {
                self.check()?;
                unreachable!("the flag is set")
            }
            result = work => result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_watched_while_a_guard_lives() {
        let cancel = Cancel::new();
        let guard = cancel.clone().watch();
        assert!(cancel.is_watched());
        drop(guard);
        assert!(!cancel.is_watched());
    }

    #[test]
    fn a_cancelled_wait_ends_at_once_and_for_every_clone() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let cancel = Cancel::new();
            assert_eq!(cancel.race(async { Ok(1) }).await.unwrap(), 1);
            let other = cancel.clone();
            let (error, ()) = tokio::join!(cancel.race(std::future::pending::<Result<()>>()), async {
                other.cancel(2);
                other.cancel(15);
            });
            assert_eq!(error.unwrap_err().exit_code(), 130);
            assert!(cancel.check().is_err());
            assert!(cancel.race(async { Ok(1) }).await.is_err(), "no new work starts");
        });
    }
}
