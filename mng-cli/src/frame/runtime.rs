//! The runtime of commands that wait, the hooks around them, and what ends them early.

use std::future::Future;
use std::pin::pin;

use mng_core::Error;
use mng_core::model::cancel::{Cancel, Interrupted};
use mng_core::plugins::{AfterCommand, Ctx};
use tokio::signal::unix::{SignalKind, signal};

use crate::exit::CliResult;

/// Waits for the body of a command on a runtime of its own. A signal drops the body, which undoes what it
/// had begun.
///
/// While the body watches `cancel` it ends by itself: it is told, and only a second signal drops it.
pub(crate) fn wait(cancel: &Cancel, body: impl Future<Output = CliResult>) -> CliResult {
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
                    let is_told = cancel.is_watched() && cancel.check().is_ok();
                    cancel.cancel(signal);
                    if !is_told {
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
