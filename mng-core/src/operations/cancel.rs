//! Stopping an operation that has something to undo. Dropping its future would not do: the undo needs time
//! of its own. So Ctrl-C and SIGTERM set a flag, the operation leaves its next wait with an error and then
//! undoes what it did, in its own time.

use tokio::sync::watch;

use crate::model::error::{ErrorClass, Explain, Result};

/// The person or the system asked the command to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

impl Explain for Interrupted {
    fn class(&self) -> ErrorClass {
        ErrorClass::Aborted
    }

    fn exit_code(&self) -> u8 {
        130
    }
}

/// A flag that is set once. Clones share it.
#[derive(Clone, Debug)]
pub struct Cancel(watch::Sender<bool>);

impl Default for Cancel {
    fn default() -> Self {
        Self::new()
    }
}

impl Cancel {
    #[must_use]
    pub fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    /// Asks the operation to end. Idempotent.
    pub fn cancel(&self) {
        self.0.send_replace(true);
    }

    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        *self.0.borrow()
    }

    /// # Errors
    /// [`Interrupted`] once somebody asked for the end.
    pub fn check(&self) -> Result<()> {
        if self.is_cancelled() { Err(Interrupted.into()) } else { Ok(()) }
    }

    /// Waits for work that may be given up at any point. Work that may not (git in the person's
    /// repository) is awaited as it is, with a [`Cancel::check`] behind it.
    ///
    /// # Errors
    /// The work's own error, or [`Interrupted`]; the work is then dropped.
    pub async fn race<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let mut flag = self.0.subscribe();
        tokio::select! {
            biased;
            // The sender lives as long as `self`: the wait cannot fail.
            _ = flag.wait_for(|is_set| *is_set) => Err(Interrupted.into()),
            result = work => result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cancelled_wait_ends_at_once_and_for_every_clone() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let cancel = Cancel::new();
            assert_eq!(cancel.race(async { Ok(1) }).await.unwrap(), 1);
            let other = cancel.clone();
            let (error, ()) = tokio::join!(cancel.race(std::future::pending::<Result<()>>()), async {
                other.cancel();
            });
            assert_eq!(error.unwrap_err().exit_code(), 130);
            assert!(cancel.check().is_err());
            assert!(cancel.race(async { Ok(1) }).await.is_err(), "no new work starts");
        });
    }
}
