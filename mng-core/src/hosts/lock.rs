//! The host lock: held by every command that changes the state of a host or of its agents.

use std::time::Duration;

use super::Host;
use crate::model::error::Result;
use crate::model::event::Events;
use crate::transports::LockGuard;

/// Proof that this process holds a host's lock; dropping it releases. Functions that change records take
/// one by reference, so that forgetting the lock does not compile.
#[derive(Debug)]
pub struct HostLock {
    _guard: Box<dyn LockGuard>,
    /// The counter value of this holder.
    pub generation: u64,
}

impl HostLock {
    /// How long `start` waits; creates wait without limit.
    pub const START: Duration = Duration::from_secs(600);
    /// How long every other command waits.
    pub const OTHERS: Duration = Duration::from_secs(300);
}

impl Host {
    /// Takes the host's lock and counts its generation up. `wait`: see [`HostLock::START`] and
    /// [`HostLock::OTHERS`]; `None` waits for ever.
    ///
    /// # Errors
    /// A `LockNotHeld` error when the wait is over, or the state dir cannot be written.
    pub async fn lock(&self, wait: Option<Duration>, events: &Events) -> Result<HostLock> {
        let notice = {
            let events = events.clone();
            let host = self.info.name.to_string();
            Box::new(move || events.info(format!("Waiting for another mng to finish on host {host}...")))
        };
        let guard = self.transport.lock(&self.layout.lock(), wait, notice).await?;
        let path = self.layout.lock_generation();
        let old = self.transport.read(&path).await?.unwrap_or_default();
        let generation = String::from_utf8_lossy(&old).trim().parse::<u64>().unwrap_or(0) + 1;
        self.transport.write_volatile(&path, format!("{generation}\n").as_bytes(), 0o600).await?;
        Ok(HostLock { _guard: guard, generation })
    }
}
