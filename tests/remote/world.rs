//! What the tests of the transport share.

use std::future::Future;
use std::time::{Duration, Instant};

use mng_core::transports::ExecRequest;
use mng_provider_remote::{SshTarget, SshTransport};
use mng_tests::{Relay, SshHost};

/// Logs in to the host with its key, nothing of the person's.
pub(crate) fn target(host: &SshHost) -> SshTarget {
    SshTarget {
        identity_files: vec![host.key()],
        use_agent: false,
        known_hosts: vec![host.known_hosts()],
        ..SshTarget::new(host.address().to_string(), "root")
    }
}

pub(crate) fn transport(host: &SshHost) -> SshTransport {
    SshTransport::new(target(host))
}

/// The same host at the near end of the relay.
pub(crate) fn target_through(relay: &Relay, host: &SshHost) -> SshTarget {
    SshTarget {
        host: "127.0.0.1".into(),
        port: relay.address().port(),
        host_key_alias: Some(host.address().to_string()),
        ..target(host)
    }
}

pub(crate) fn sh(script: &str) -> ExecRequest {
    ExecRequest::sh(script, Vec::<String>::new())
}

/// Runs on one thread, as most of mng's commands do.
pub(crate) fn block<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(future)
}

/// Polls, with the runtime going on meanwhile.
#[track_caller]
pub(crate) fn deadline() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

pub(crate) async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let end = deadline();
    while !condition() {
        assert!(Instant::now() < end, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
