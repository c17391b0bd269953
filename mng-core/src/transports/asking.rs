//! Asking the person on the way to a host, and deadlines that wait for the answer.

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;

/// A host key that no known_hosts file lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownHostKey {
    /// `user@host`, with the port if it is not 22.
    pub endpoint: String,
    /// Such as `ssh-ed25519`.
    pub key_type: String,
    /// `SHA256:…`, as `ssh-keygen -l` prints it.
    pub fingerprint: String,
}

/// Shows the person an unknown key. There is one only where somebody sits at the terminal.
#[async_trait]
pub trait HostKeyPrompt: Send + Sync + fmt::Debug {
    /// Whether the person trusts the key. Several hosts may ask at once.
    async fn trusts(&self, key: &UnknownHostKey) -> bool;
}

/// How long the person of this process has been asked so far: the one thing that a deadline on a host's work
/// cannot foresee, whichever host the question is about.
static ASKED: Mutex<Asked> = Mutex::new(Asked { open: None, count: 0, before: Duration::ZERO });

struct Asked {
    open: Option<Instant>,
    count: u32,
    before: Duration,
}

/// A question that waits for its answer; dropping it says that the answer is there.
#[derive(Debug)]
pub struct OpenQuestion(());

impl OpenQuestion {
    /// From now on deadlines stand still.
    #[must_use]
    pub fn put() -> Self {
        let mut asked = ASKED.lock().unwrap_or_else(PoisonError::into_inner);
        asked.count += 1;
        asked.open.get_or_insert_with(Instant::now);
        Self(())
    }
}

impl Drop for OpenQuestion {
    fn drop(&mut self) {
        let mut asked = ASKED.lock().unwrap_or_else(PoisonError::into_inner);
        asked.count -= 1;
        if asked.count == 0
            && let Some(since) = asked.open.take()
        {
            asked.before += since.elapsed();
        }
    }
}

/// All the time that questions were open.
#[must_use]
pub fn time_asked() -> Duration {
    let asked = ASKED.lock().unwrap_or_else(PoisonError::into_inner);
    asked.before + asked.open.map_or(Duration::ZERO, |since| since.elapsed())
}

/// The future's result; `None` when it takes longer than `limit`, not counting the time that the person was
/// asked meanwhile.
pub async fn timeout<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    /// Between two looks while a question is open.
    const LOOK: Duration = Duration::from_millis(100);
    let (started, before) = (tokio::time::Instant::now(), time_asked());
    let mut future = pin!(future);
    let mut counted = Duration::ZERO;
    let mut end = started + limit;
    loop {
        match tokio::time::timeout_at(end, &mut future).await {
            Ok(result) => return Some(result),
            Err(_) if time_asked() - before == counted => return None,
            Err(_) => {
                counted = time_asked() - before;
                end = (started + limit + counted).max(tokio::time::Instant::now() + LOOK);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agents::testing::block;

    #[test]
    fn a_deadline_waits_for_an_answer_and_for_nothing_else() {
        let short = Duration::from_millis(40);
        let answered = block(timeout(short, async {
            let question = OpenQuestion::put();
            tokio::time::sleep(short * 3).await;
            drop(question);
            1
        }));
        assert_eq!(answered, Some(1));
        let late = block(timeout(short, async {
            drop(OpenQuestion::put());
            std::future::pending::<()>().await;
        }));
        assert_eq!(late, None);
    }
}
