//! The runtime of commands that wait, the hooks around them, and what ends them early.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mng_core::operations::Cancel;
use mng_core::plugins::{AfterCommand, Ctx};
use mng_core::{Error, ErrorClass, Explain};
use tokio::signal::unix::{SignalKind, signal};

use crate::exit::CliResult;

/// A signal ended the command; what it had begun is undone.
#[derive(Debug, thiserror::Error)]
#[error("Aborted!")]
struct Interrupted {
    signal: u8,
}

impl Explain for Interrupted {
    fn class(&self) -> ErrorClass {
        ErrorClass::Aborted
    }

    fn exit_code(&self) -> u8 {
        128 + self.signal
    }
}

/// Ends operations that undo what they did instead of being dropped.
#[derive(Clone, Debug, Default)]
pub(crate) struct CancelSwitch {
    cancel: Cancel,
    is_taken: Arc<AtomicBool>,
}

impl CancelSwitch {
    /// The flag for an operation that watches it.
    pub(crate) fn take(&self) -> Cancel {
        self.is_taken.store(true, Ordering::Relaxed);
        self.cancel.clone()
    }

    /// Tells the operation. False if none watches, or if it was told before.
    fn cancel(&self) -> bool {
        let is_news = self.is_taken.load(Ordering::Relaxed) && !self.cancel.is_cancelled();
        self.cancel.cancel();
        is_news
    }
}

/// Waits for the body of a command on a runtime of its own. A signal drops the body, which undoes what it
/// had begun.
///
/// A body that took a handle from `switch` ends by itself: it is told, and only a second signal drops it.
pub(crate) fn wait(switch: &CancelSwitch, body: impl Future<Output = CliResult>) -> CliResult {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::io("start the runtime", error))?;
    let result = runtime.block_on(async {
        let mut body = pin!(body);
        loop {
            tokio::select! {
                // The body first: where Ctrl-C is the normal end, it sees the signal itself.
                biased;
                result = &mut body => break result,
                signal = interrupted() => {
                    if !switch.cancel() {
                        break Err(Interrupted { signal }.into());
                    }
                }
            }
        }
    });
    // A thread that still waits for somebody to type must not keep the process.
    runtime.shutdown_background();
    result
}

/// Completes when a signal asks this process to end; says which.
pub(crate) async fn interrupted() -> u8 {
    let one = async |kind: SignalKind, number: u8| match signal(kind) {
        Ok(mut signal) => {
            signal.recv().await;
            number
        }
        // Without a handler the default action ends the process.
        Err(_) => std::future::pending().await,
    };
    tokio::select! {
        number = one(SignalKind::interrupt(), 2) => number,
        number = one(SignalKind::terminate(), 15) => number,
        number = one(SignalKind::hangup(), 1) => number,
    }
}

/// The body between the hooks of the plugins. A "before" hook that fails prevents the command; an "after"
/// hook changes nothing.
pub(crate) async fn with_hooks(ctx: &Ctx, command: &str, body: impl Future<Output = CliResult>) -> CliResult {
    for enabled in ctx.registry.enabled() {
        enabled.plugin.before_command(ctx, command).await?;
    }
    let result = body.await;
    let outcome = match &result {
        Ok(_) => AfterCommand::Success,
        Err(error) => AfterCommand::Failure(error),
    };
    for enabled in ctx.registry.enabled() {
        if let Err(error) = enabled.plugin.after_command(ctx, command, &outcome).await {
            tracing::warn!(plugin = enabled.descriptor.name, "hook after the command failed: {error}");
        }
    }
    result
}
