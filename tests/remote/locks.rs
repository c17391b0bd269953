//! The lock of a host between machines.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mng_core::model::error::ErrorClass;
use mng_core::storage::FileLock;
use mng_core::transports::Transport;
use mng_provider_remote::{SshError, SshTransport};
use mng_tests::{Relay, SshHost};

use crate::world::{block, eventually, sh, target_through, transport};

fn silent() -> Box<dyn FnOnce() + Send> {
    Box::new(|| ())
}

#[test]
fn two_machines_and_the_host_itself_exclude_each_other() {
    let Some(host) = SshHost::start("alpha") else { return };
    let (one, two) = (transport(&host), transport(&host));
    let path = host.root().join("tmp/new dir/host_lock");
    block(async {
        let guard = one.lock(&path, None, Box::new(|| panic!("nobody holds it"))).await.unwrap();
        assert!(FileLock::is_held(&path));
        let waited = Arc::new(AtomicBool::new(false));
        let tell = Arc::clone(&waited);
        let on_wait = Box::new(move || tell.store(true, Ordering::SeqCst));
        let error = two.lock(&path, Some(Duration::from_millis(300)), on_wait).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::LockNotHeld);
        assert!(waited.load(Ordering::SeqCst));
        let now = two.lock(&path, Some(Duration::ZERO), silent()).await.unwrap_err();
        assert_eq!(now.class(), ErrorClass::LockNotHeld);

        let waiting = two.lock(&path, None, silent());
        tokio::pin!(waiting);
        tokio::select! {
            _ = &mut waiting => panic!("the lock is held"),
            () = tokio::time::sleep(Duration::from_millis(500)) => {}
        }
        drop(guard);
        let guard = waiting.await.unwrap();
        assert!(FileLock::is_held(&path));
        drop(guard);
        eventually("the lock is free", || !FileLock::is_held(&path)).await;
        assert!(path.exists());

        let local = FileLock::acquire(&path, None).unwrap();
        assert!(one.lock(&path, Some(Duration::ZERO), silent()).await.is_err());
        drop(local);
        one.lock(&path, Some(Duration::from_secs(10)), silent()).await.unwrap();
    });
    // Those that gave up waiting left no shell behind that would take it later.
    assert!(!host.processes().iter().any(|process| process.starts_with("flock")), "{:?}", host.processes());
}

/// Run in a process of its own by the test below.
#[test]
#[ignore = "holds a lock until it is killed"]
fn hold_until_killed() {
    let Ok(spec) = std::env::var("MNG_TEST_HOLD") else { return };
    let words: Vec<&str> = spec.split('|').collect();
    let target = mng_provider_remote::SshTarget {
        identity_files: vec![words[1].into()],
        use_agent: false,
        known_hosts: vec![words[2].into()],
        ..mng_provider_remote::SshTarget::new(words[0], "root")
    };
    block(async {
        let _guard = SshTransport::new(target).lock(words[3].as_ref(), None, silent()).await.unwrap();
        std::future::pending::<()>().await;
    });
}

#[test]
fn a_killed_holder_frees_the_lock() {
    let Some(host) = SshHost::start("alpha") else { return };
    let path = host.root().join("tmp/host_lock");
    let spec = format!(
        "{}|{}|{}|{}",
        host.address(),
        host.key().display(),
        host.known_hosts().display(),
        path.display()
    );
    let mut holder = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "locks::hold_until_killed", "--ignored"])
        .env("MNG_TEST_HOLD", spec)
        .spawn()
        .unwrap();
    block(eventually("it is held", || FileLock::is_held(&path)));
    holder.kill().unwrap();
    holder.wait().unwrap();
    block(async {
        transport(&host).lock(&path, Some(Duration::from_secs(20)), silent()).await.unwrap();
    });
}

#[test]
fn a_lock_that_went_with_the_line_stops_everything() {
    let Some(host) = SshHost::start("alpha") else { return };
    let relay = Relay::start(host.socket(), Duration::ZERO);
    let transport = SshTransport::new(target_through(&relay, &host));
    let path = host.root().join("tmp/host_lock");
    block(async {
        let guard = transport.lock(&path, None, silent()).await.unwrap();
        transport.exec(sh("true")).await.unwrap();
        relay.close_all();
        eventually("the host lets go", || !FileLock::is_held(&path)).await;
        for request in [sh("true"), sh("true").idempotent()] {
            let error = transport.exec(request).await.unwrap_err();
            assert!(matches!(error.downcast_ref(), Some(SshError::LockLost { .. })), "{error:?}");
            assert_eq!(error.class(), ErrorClass::LockNotHeld);
        }
        assert!(transport.write(&path.with_extension("x"), b"", 0o600).await.is_err());
        assert_eq!(relay.connections(), 1, "not connected again behind the caller's back");
        drop(guard);
        transport.exec(sh("true")).await.unwrap();
    });
}

#[test]
fn a_holder_killed_on_the_host_is_noticed() {
    let Some(host) = SshHost::start("alpha") else { return };
    let transport = transport(&host);
    let path = host.root().join("tmp/host_lock");
    block(async {
        let _guard = transport.lock(&path, None, silent()).await.unwrap();
        assert!(host.run(&["pkill", "-KILL", "-f", "mng-lock-"]).status.success());
        eventually("it is free", || !FileLock::is_held(&path)).await;
        let end = crate::world::deadline();
        while transport.exec(sh("true")).await.is_ok() {
            assert!(std::time::Instant::now() < end, "the loss is noticed");
        }
    });
}

#[test]
fn perl_holds_the_lock_where_flock_is_missing() {
    let Some(host) = SshHost::start("alpha") else { return };
    let only = host.root().join("tmp/only");
    std::fs::create_dir(&only).unwrap();
    for program in ["sh", "mkdir", "cat", "perl", "sleep"] {
        let found = host.run(&["sh", "-c", &format!("command -v {program}")]);
        let found = String::from_utf8(found.stdout).unwrap();
        std::os::unix::fs::symlink(found.trim(), only.join(program)).unwrap();
    }
    // bash reads it before it runs the command of an ssh session.
    std::fs::write(host.home().join(".bashrc"), format!("PATH={}\n", only.display())).unwrap();
    let (one, two) = (transport(&host), transport(&host));
    let path = host.root().join("tmp/host_lock");
    block(async {
        let guard = one.lock(&path, None, silent()).await.unwrap();
        assert!(FileLock::is_held(&path));
        assert!(two.lock(&path, Some(Duration::from_millis(200)), silent()).await.is_err());
        drop(guard);
        two.lock(&path, Some(Duration::from_secs(10)), silent()).await.unwrap();
        std::fs::remove_file(only.join("perl")).unwrap();
        let error = transport(&host).lock(&path, None, silent()).await.unwrap_err();
        assert!(matches!(error.downcast_ref(), Some(SshError::NoLocks { .. })), "{error:?}");
    });
}
