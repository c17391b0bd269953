//! The test machines themselves, looked at with the system's own `ssh`.

use std::net::TcpStream;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use mng_tests::{Relay, SshHost};

fn ssh(host: &SshHost, port: u16, address: &str, command: &str) -> Output {
    Command::new("ssh")
        .args(["-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-o"])
        .arg(format!("UserKnownHostsFile={}", host.known_hosts().display()))
        .args(["-o", &format!("HostKeyAlias={}", host.address()), "-o", "ConnectTimeout=5"])
        .arg("-i")
        .arg(host.key())
        .args(["-p", &port.to_string(), &format!("root@{address}"), command])
        .output()
        .unwrap()
}

#[test]
fn a_host_has_its_own_name_home_processes_and_tmux() {
    let (Some(alpha), Some(beta)) = (SshHost::start("alpha"), SshHost::start("beta")) else { return };
    assert_ne!(alpha.address(), beta.address());
    let script = "hostname; echo $HOME; touch mark; tmux new-session -d -s one 'sleep 1000'; tmux ls -F '#S'";
    let output = ssh(&alpha, 22, &alpha.address().to_string(), script);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "alpha\n/root\none\n", "{output:?}");
    assert!(alpha.home().join("mark").exists() && !beta.home().join("mark").exists());
    assert_eq!(alpha.tmux(&["list-sessions", "-F", "#S"]), "one\n");
    assert_eq!(beta.tmux(&["list-sessions", "-F", "#S"]), "");
    assert!(alpha.processes().iter().any(|process| process.contains("sleep 1000")));
    assert_eq!((alpha.logins(), beta.logins()), (1, 0));
    let root = alpha.root().to_owned();
    drop(alpha);
    assert!(!root.exists());
}

#[test]
fn a_frozen_host_takes_connections_and_says_nothing() {
    let Some(host) = SshHost::start("alpha") else { return };
    host.freeze();
    TcpStream::connect_timeout(&host.socket(), Duration::from_secs(5)).unwrap();
    assert!(!ssh(&host, 22, &host.address().to_string(), "true").status.success());
    host.thaw();
    assert!(ssh(&host, 22, &host.address().to_string(), "true").status.success());
}

#[test]
fn a_cut_host_is_not_to_be_reached_until_the_line_is_mended() {
    let Some(host) = SshHost::start("alpha") else { return };
    host.cut();
    assert!(TcpStream::connect_timeout(&host.socket(), Duration::from_secs(1)).is_err());
    host.mend();
    assert!(ssh(&host, 22, &host.address().to_string(), "true").status.success());
    host.stop_sshd();
    let refused = TcpStream::connect_timeout(&host.socket(), Duration::from_secs(5)).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    host.change_host_key();
    let output = ssh(&host, 22, &host.address().to_string(), "true");
    assert!(String::from_utf8_lossy(&output.stderr).contains("IDENTIFICATION HAS CHANGED"), "{output:?}");
}

#[test]
fn a_relay_delays_and_counts() {
    let Some(host) = SshHost::start("alpha") else { return };
    let relay = Relay::start(host.socket(), Duration::from_millis(25));
    let start = Instant::now();
    let output = ssh(&host, relay.address().port(), "127.0.0.1", "true");
    assert!(output.status.success(), "{output:?}");
    // Greeting, keys, authentication, session: no ssh does it in fewer than five round trips.
    assert!(start.elapsed() > Duration::from_millis(250), "{:?}", start.elapsed());
    assert_eq!(relay.connections(), 1);
    assert!(relay.turns() >= 5 && relay.bytes_to() > 1000 && relay.bytes_back() > 1000, "{relay:?}");
    relay.cut();
    relay.mend();
    assert!(ssh(&host, relay.address().port(), "127.0.0.1", "true").status.success());
    assert_eq!(relay.connections(), 2);
}
