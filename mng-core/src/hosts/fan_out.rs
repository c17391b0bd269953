//! Work on many things at once: bounded, each under its own deadline, none hiding another.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;

use crate::model::error::{Error, ErrorClass, Result};

/// Runs `work` on every item, at most `limit` at once, each under `deadline`. Results come in the order of
/// the items. Dropping the future drops every part.
pub async fn fan_out<I, T, F>(
    items: Vec<I>,
    limit: usize,
    deadline: Duration,
    work: impl Fn(I) -> F,
) -> Vec<Result<T>>
where
    F: Future<Output = Result<T>>,
{
    let one = |item: I| {
        let running = tokio::time::timeout(deadline, work(item));
        async move {
            running.await.unwrap_or_else(|_| {
                Err(Error::plain(
                    ErrorClass::CommandTimeout,
                    format!("no answer within {} s; the work may still be going on", deadline.as_secs()),
                ))
            })
        }
    };
    stream::iter(items).map(one).buffered(limit.max(1)).collect().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hanging_item_delays_nobody_and_becomes_an_error() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let results =
            runtime.block_on(fan_out(vec![1, 2, 3], 8, Duration::from_millis(50), |n| async move {
                if n == 2 {
                    std::future::pending::<()>().await;
                }
                Ok(n)
            }));
        assert_eq!(results[0].as_ref().ok(), Some(&1));
        assert_eq!(results[1].as_ref().unwrap_err().class(), ErrorClass::CommandTimeout);
        assert_eq!(results[2].as_ref().ok(), Some(&3));
    }
}
