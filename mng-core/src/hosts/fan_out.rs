//! Work on many things at once: bounded, each under its own deadline, none hiding another.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::{self, Stream};

use crate::model::error::{Error, ErrorClass, Result};
use crate::transports::asking;

/// Runs `work` on every item, at most `limit` at once, each under `deadline`, which stands still while
/// the person is asked something. Results come in the order of
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
    let mut done: Vec<(usize, Result<T>)> = as_completed(items, limit, deadline, work).collect().await;
    done.sort_unstable_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}

/// As [`fan_out`], each result as soon as it is there, with the index of its item. An item that hangs takes
/// one of the `limit` places and holds up nobody else.
pub fn as_completed<I, T, F>(
    items: Vec<I>,
    limit: usize,
    deadline: Duration,
    work: impl Fn(I) -> F,
) -> impl Stream<Item = (usize, Result<T>)>
where
    F: Future<Output = Result<T>>,
{
    let one = move |(index, item): (usize, I)| {
        let running = asking::timeout(deadline, work(item));
        async move {
            let result = running.await.unwrap_or_else(|| {
                Err(Error::plain(
                    ErrorClass::CommandTimeout,
                    format!("no answer within {} s; the work may still be going on", deadline.as_secs()),
                ))
            });
            (index, result)
        }
    };
    stream::iter(items.into_iter().enumerate()).map(one).buffer_unordered(limit.max(1))
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
    #[test]
    fn the_first_item_hanging_keeps_no_later_one_from_its_turn() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let started = std::sync::atomic::AtomicUsize::new(0);
        let results = runtime.block_on(fan_out((0..9).collect(), 2, Duration::from_millis(80), |n| {
            let started = &started;
            async move {
                if n == 0 {
                    std::future::pending::<()>().await;
                }
                Ok(started.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
            }
        }));
        assert!(results[0].is_err());
        let order: Vec<usize> = results[1..].iter().map(|result| *result.as_ref().unwrap()).collect();
        assert_eq!(order, [0, 1, 2, 3, 4, 5, 6, 7], "all ran beside the one that hangs");
    }
}
