//! Lines that break and hosts that do not answer.

use std::fs;
use std::time::{Duration, Instant};

use mng_core::model::error::ErrorClass;
use mng_core::transports::{ExecRequest, Transport};
use mng_provider_remote::{SshError, SshTarget, SshTransport};
use mng_tests::{Relay, SshHost};

use crate::world::{block, eventually, sh, target, target_through, transport};

/// A command that notes each of its runs in a file, then waits until `go` exists.
fn counted(host: &SshHost) -> ExecRequest {
    let script = "echo run >> \"$1/runs\"; while [ ! -e \"$1/go\" ]; do sleep 0.02; done; echo done";
    ExecRequest::sh(script, [host.root().join("tmp").display().to_string()])
        .timeout(Some(Duration::from_secs(30)))
}

fn runs(host: &SshHost) -> usize {
    fs::read_to_string(host.root().join("tmp/runs")).unwrap_or_default().lines().count()
}

fn go(host: &SshHost) {
    fs::write(host.root().join("tmp/go"), "").unwrap();
}

#[test]
fn a_stateful_command_is_never_repeated() {
    let Some(host) = SshHost::start("alpha") else { return };
    let relay = Relay::start(host.socket(), Duration::ZERO);
    let transport = SshTransport::new(target_through(&relay, &host));
    block(async {
        let (result, ()) = tokio::join!(transport.exec(counted(&host)), async {
            eventually("it runs", || runs(&host) == 1).await;
            go(&host);
            relay.close_all();
        });
        let error = result.unwrap_err();
        assert!(error.to_string().contains("the command may have run"), "{error}");
        assert_eq!(error.class(), ErrorClass::HostConnection);
        // The next command has a new line.
        assert!(transport.exec(sh("true")).await.unwrap().is_success());
    });
    assert_eq!((runs(&host), relay.connections()), (1, 2));
}

#[test]
fn an_idempotent_command_is_repeated() {
    let Some(host) = SshHost::start("alpha") else { return };
    let relay = Relay::start(host.socket(), Duration::ZERO);
    let transport = SshTransport::new(target_through(&relay, &host));
    block(async {
        let (result, ()) = tokio::join!(transport.exec(counted(&host).idempotent()), async {
            eventually("it runs", || runs(&host) == 1).await;
            relay.close_all();
            eventually("it runs again", || runs(&host) == 2).await;
            go(&host);
        });
        assert_eq!(result.unwrap().stdout_text(), "done\n");
    });
    assert_eq!(relay.connections(), 2);
}

#[test]
fn a_line_that_broke_while_nothing_ran_is_opened_again() {
    let Some(host) = SshHost::start("alpha") else { return };
    let transport = transport(&host);
    let file = host.root().join("tmp/file");
    block(async {
        transport.write(&file, b"kept", 0o600).await.unwrap();
        host.drop_connections();
        assert!(transport.exec(sh("true")).await.unwrap().is_success());
        host.drop_connections();
        assert_eq!(transport.read(&file).await.unwrap().unwrap(), b"kept");
    });
    assert_eq!(host.logins(), 3);
}

#[test]
fn a_host_that_comes_back_in_time_gets_the_idempotent_command() {
    let Some(host) = SshHost::start("alpha") else { return };
    let transport = transport(&host);
    block(async {
        transport.connect().await.unwrap();
        host.stop_sshd();
        host.drop_connections();
        let request = sh("echo back").idempotent().timeout(Some(Duration::from_secs(30)));
        let (result, ()) = tokio::join!(transport.exec(request), async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            host.start_sshd();
        });
        // The line was gone before the command: that is a first connection, refused at once, or a retry.
        match result {
            Ok(output) => assert_eq!(output.stdout_text(), "back\n"),
            Err(error) => {
                assert!(matches!(error.downcast_ref(), Some(SshError::Refused { .. })), "{error:?}")
            }
        }
    });
}

#[test]
fn a_frozen_host_costs_the_deadline_and_no_more() {
    let Some(host) = SshHost::start("alpha") else { return };
    let transport = transport(&host);
    block(async {
        transport.connect().await.unwrap();
        host.freeze();
        let start = Instant::now();
        let request = sh("true").timeout(Some(Duration::from_secs(1)));
        let result = transport.exec(request.clone()).await;
        assert!(result.is_err() || result.is_ok_and(|output| output.is_timed_out));
        assert!(start.elapsed() < Duration::from_secs(6), "{:?}", start.elapsed());

        // A connection that is yet to be made counts as well.
        let start = Instant::now();
        let error = SshTransport::new(target(&host)).exec(request).await.unwrap_err();
        assert!(matches!(error.downcast_ref(), Some(SshError::ConnectTimeout { .. })), "{error:?}");
        assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
        host.thaw();
        assert!(transport.exec(sh("true")).await.unwrap().is_success());
    });
    assert_eq!(host.logins(), 1);
}

#[test]
fn a_cut_line_is_noticed_by_its_silence() {
    let Some(host) = SshHost::start("alpha") else { return };
    let target = SshTarget { keep_alive: Duration::from_millis(300), ..target(&host) };
    let transport = SshTransport::new(SshTarget { connect_timeout: Duration::from_secs(2), ..target });
    block(async {
        let run = transport.exec(counted(&host).timeout(None));
        let (result, start) = tokio::join!(run, async {
            eventually("it runs", || runs(&host) == 1).await;
            host.cut();
            Instant::now()
        });
        assert!(matches!(
            result.unwrap_err().downcast_ref(),
            Some(SshError::LineLost { may_have_run: true, .. })
        ));
        assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
        let start = Instant::now();
        let error = transport.exec(sh("true")).await.unwrap_err();
        assert!(error.downcast_ref::<SshError>().unwrap().is_unreachable(), "{error:?}");
        assert!(start.elapsed() < Duration::from_secs(6), "{:?}", start.elapsed());
        host.mend();
        go(&host);
        assert!(transport.exec(sh("true")).await.unwrap().is_success());
    });
    assert_eq!(runs(&host), 1);
}

#[test]
fn who_waits_for_the_same_host_fails_with_the_first() {
    let Some(host) = SshHost::start("alpha") else { return };
    host.cut();
    let transport = SshTransport::new(SshTarget { connect_timeout: Duration::from_secs(1), ..target(&host) });
    block(async {
        let start = Instant::now();
        let mut running = tokio::task::JoinSet::new();
        for _ in 0..20 {
            let transport = transport.clone();
            running.spawn(async move { transport.exec(sh("true")).await.is_err() });
        }
        assert!(running.join_all().await.into_iter().all(|is_error| is_error));
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    });
}

#[test]
fn addresses_that_lead_nowhere_are_told_apart() {
    let Some(host) = SshHost::start("alpha") else { return };
    let error = |target: SshTarget| block(SshTransport::new(target).connect()).unwrap_err();
    host.stop_sshd();
    let refused = error(target(&host));
    assert!(matches!(refused.downcast_ref(), Some(SshError::Refused { .. })), "{refused:?}");
    let nowhere = error(SshTarget { host: "no-such-host.invalid".into(), ..target(&host) });
    assert!(matches!(nowhere.downcast_ref(), Some(SshError::Unresolvable { .. })), "{nowhere:?}");

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let answers = std::thread::spawn(move || {
        use std::io::Write;
        for mut stream in listener.incoming().flatten().take(3) {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    let other = error(SshTarget { host: "127.0.0.1".into(), port, ..target(&host) });
    assert!(matches!(other.downcast_ref(), Some(SshError::Banner { .. })), "{other:?}");
    answers.join().unwrap();
}
