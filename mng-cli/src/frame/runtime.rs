//! The runtime of commands that wait, the hooks around them, and what ends them early.

use std::future::Future;
use std::pin::pin;

use clap::ArgMatches;
use mng_core::Error;
use mng_core::model::cancel::{Cancel, Interrupted};
use mng_core::plugins::{AfterCommand, Ctx};
use tokio::signal::unix::{Signal, SignalKind, signal};

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
        // Before anything is begun: from here on no signal ends the process by itself.
        let mut signals = Signals::new();
        let mut body = pin!(body);
        loop {
            tokio::select! {
                // The body first: where Ctrl-C is the normal end, it sees the signal itself.
                biased;
                result = &mut body => break result,
                signal = signals.next() => {
                    // A lost terminal hangs up more than once, and nobody is there to insist.
                    let is_told = cancel.is_watched() && (signal == HANGUP || cancel.check().is_ok());
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
    Signals::new().next().await
}

/// The number of the signal that a lost terminal sends.
const HANGUP: u8 = 1;

/// The signals that ask a process to end.
struct Signals {
    interrupt: Option<Signal>,
    terminate: Option<Signal>,
    hangup: Option<Signal>,
}

impl Signals {
    fn new() -> Self {
        // Without a handler the default action ends the process.
        let one = |kind: SignalKind| signal(kind).ok();
        Self {
            interrupt: one(SignalKind::interrupt()),
            terminate: one(SignalKind::terminate()),
            hangup: one(SignalKind::hangup()),
        }
    }

    async fn next(&mut self) -> u8 {
        async fn one(signal: &mut Option<Signal>) {
            match signal {
                Some(signal) => drop(signal.recv().await),
                None => std::future::pending().await,
            }
        }
        tokio::select! {
            () = one(&mut self.interrupt) => 2,
            () = one(&mut self.terminate) => 15,
            () = one(&mut self.hangup) => HANGUP,
        }
    }
}

/// The body between the hooks of the plugins. A "before" hook that fails prevents the command; an "after"
/// hook changes nothing.
pub(crate) async fn with_hooks(
    ctx: &Ctx,
    command: &str,
    options: &ArgMatches,
    body: impl Future<Output = CliResult>,
) -> CliResult {
    for enabled in ctx.registry.enabled() {
        enabled.plugin.before_command(ctx, command, options).await?;
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
