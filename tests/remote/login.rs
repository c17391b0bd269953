//! Who is let in, and which hosts are trusted.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mng_core::model::error::{Error, ErrorClass};
use mng_core::transports::Transport;
use mng_provider_remote::{HostKeyPolicy, SshError, SshTarget, SshTransport};
use mng_tests::{Relay, SshHost};

use crate::world::{block, sh, target};

/// Makes a key pair; its public half.
fn keygen(path: &Path, args: &[&str]) -> String {
    let made = Command::new("ssh-keygen").args(["-q", "-f"]).arg(path).args(args).status().unwrap();
    assert!(made.success());
    fs::read_to_string(path.with_extension("pub")).unwrap()
}

fn try_login(target: SshTarget) -> Result<(), Error> {
    let output = block(SshTransport::new(target).exec(sh("true")))?;
    assert!(output.is_success());
    Ok(())
}

#[track_caller]
fn is_refused(target: SshTarget) -> Error {
    let start = Instant::now();
    let error = try_login(target).unwrap_err();
    assert_eq!(error.class(), ErrorClass::HostAuthentication, "{error:?}");
    assert!(error.downcast_ref::<SshError>().unwrap().is_authentication());
    assert!(start.elapsed() < Duration::from_secs(8), "nothing is tried again");
    error
}

#[test]
fn keys_of_every_kind_and_form_log_in() {
    let Some(host) = SshHost::start("alpha") else { return };
    let dir = host.root().join("tmp");
    let kinds: [(&str, &[&str]); 5] = [
        ("ed25519", &["-t", "ed25519", "-N", ""]),
        ("ecdsa", &["-t", "ecdsa", "-N", ""]),
        ("rsa", &["-t", "rsa", "-b", "3072", "-N", ""]),
        ("rsa-pem", &["-t", "rsa", "-b", "2048", "-m", "PEM", "-N", ""]),
        ("ecdsa-pkcs8", &["-t", "ecdsa", "-m", "PKCS8", "-N", ""]),
    ];
    for (name, args) in kinds {
        let path = dir.join(name);
        host.authorize(&keygen(&path, args));
        try_login(SshTarget { identity_files: vec![path], ..target(&host) }).expect(name);
    }
    assert_eq!(host.logins(), kinds.len());
}

#[test]
fn a_key_that_is_not_authorised_is_named() {
    let Some(host) = SshHost::start("alpha") else { return };
    let other = host.root().join("tmp/other");
    keygen(&other, &["-t", "ed25519", "-N", ""]);
    let error = is_refused(SshTarget { identity_files: vec![other.clone()], ..target(&host) });
    assert!(error.to_string().contains(&format!("key `{}` is not taken", other.display())), "{error}");
    // The next one in the list is tried.
    try_login(SshTarget { identity_files: vec![other, host.key()], ..target(&host) }).unwrap();
    let error = is_refused(SshTarget { identity_files: vec![], ..target(&host) });
    assert!(error.to_string().contains("there is no key to offer"), "{error}");
    let error = is_refused(SshTarget { identity_files: vec!["/no/such/key".into()], ..target(&host) });
    assert!(error.to_string().contains("/no/such/key"), "{error}");
}

#[test]
fn a_host_that_demands_a_password_fails_at_once() {
    let options =
        SshHost::options("alpha").config("PasswordAuthentication yes").config("PubkeyAuthentication no");
    let Some(host) = options.start() else { return };
    let error = is_refused(target(&host));
    assert!(error.to_string().contains("it demands a password"), "{error}");
    assert!(error.hint().unwrap().contains("ssh-copy-id root@"), "{error:?}");
}

/// An agent of the test's own.
struct Agent {
    child: Child,
    socket: PathBuf,
}

impl Agent {
    fn start(dir: &Path) -> Self {
        let socket = dir.join("agent");
        let child =
            Command::new("ssh-agent").arg("-D").arg("-a").arg(&socket).stdout(Stdio::null()).spawn().unwrap();
        let end = Instant::now() + Duration::from_secs(10);
        while !socket.exists() {
            assert!(Instant::now() < end, "the agent listens");
            std::thread::sleep(Duration::from_millis(10));
        }
        Self { child, socket }
    }

    fn add(&self, key: &Path, passphrase: &str) {
        // ssh-add asks a program for the passphrase when there is no terminal.
        let ask = key.with_extension("ask");
        fs::write(&ask, format!("#!/bin/sh\necho '{passphrase}'\n")).unwrap();
        fs::set_permissions(&ask, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        let added = Command::new("ssh-add")
            .args(["-q"])
            .arg(key)
            .env("SSH_AUTH_SOCK", &self.socket)
            .env("SSH_ASKPASS", ask)
            .env("SSH_ASKPASS_REQUIRE", "force")
            .stdin(Stdio::null())
            .status();
        assert!(added.unwrap().success());
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn an_agent_logs_in_also_with_a_key_that_has_a_passphrase() {
    let Some(host) = SshHost::start("alpha") else { return };
    let agent = Agent::start(&host.root().join("tmp"));
    let locked = host.root().join("tmp/locked");
    host.authorize(&keygen(&locked, &["-t", "rsa", "-b", "2048", "-N", "a secret"]));
    let with_agent = SshTarget { use_agent: true, agent_socket: Some(agent.socket.clone()), ..target(&host) };
    let with_file = SshTarget { identity_files: vec![locked.clone()], ..with_agent.clone() };
    let error = is_refused(with_file.clone());
    assert!(error.to_string().contains("has a passphrase, and no agent holds it"), "{error}");

    agent.add(&locked, "a secret");
    try_login(with_file).unwrap();
    try_login(SshTarget { identity_files: vec![], ..with_agent.clone() }).unwrap();
    let nobody =
        SshTarget { agent_socket: Some("/no/such/agent".into()), identity_files: vec![], ..with_agent };
    assert!(is_refused(nobody).to_string().contains("no agent at `/no/such/agent`"));
}

#[test]
fn a_changed_key_is_refused_with_both_fingerprints() {
    let Some(host) = SshHost::start("alpha") else { return };
    try_login(target(&host)).unwrap();
    let fingerprint = |line: &str| {
        let file = host.root().join("tmp/line");
        fs::write(&file, line).unwrap();
        let output = Command::new("ssh-keygen").arg("-lf").arg(&file).output().unwrap();
        String::from_utf8(output.stdout).unwrap().split(' ').nth(1).unwrap().to_owned()
    };
    let old = fingerprint(&host.host_key());
    host.change_host_key();
    let new = fingerprint(&host.host_key());
    let logins = host.logins();
    for policy in [HostKeyPolicy::Strict, HostKeyPolicy::AcceptNew] {
        let error = is_refused(SshTarget { host_keys: policy, ..target(&host) });
        let text = error.to_string();
        assert!(text.contains(&old) && text.contains(&new), "{text}");
        assert!(text.contains(&format!("root@{}", host.address())) && text.contains("line 1"), "{text}");
        assert!(error.hint().unwrap().contains("ssh-keygen -R"));
    }
    assert_eq!(host.logins(), logins);
}

#[test]
fn an_unknown_key_is_refused_until_somebody_says_so() {
    let Some(host) = SshHost::start("alpha") else { return };
    let file = host.root().join("tmp/ssh/known_hosts");
    let strict = SshTarget { known_hosts: vec![file.clone()], ..target(&host) };
    let error = is_refused(strict.clone());
    assert!(error.to_string().contains("is not known: ssh-ed25519 SHA256:"), "{error}");
    assert!(!file.exists());
    try_login(SshTarget { host_keys: HostKeyPolicy::AcceptNew, ..strict.clone() }).unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), format!("{} {}\n", host.address(), host.host_key()));
    try_login(strict).unwrap();
}

#[test]
fn a_host_with_several_keys_shows_the_one_that_is_known() {
    let extra = std::env::temp_dir().join(format!("mng-hostkey-{}", std::process::id()));
    let _ = fs::remove_file(&extra);
    let _ = fs::remove_file(extra.with_extension("pub"));
    let public = keygen(&extra, &["-t", "ecdsa", "-N", ""]);
    let Some(host) = SshHost::options("alpha").config(&format!("HostKey {}", extra.display())).start() else {
        return;
    };
    let known = host.root().join("tmp/known");
    let words: Vec<&str> = public.split(' ').take(2).collect();
    fs::write(&known, format!("{} {}\n", host.address(), words.join(" "))).unwrap();
    try_login(SshTarget { known_hosts: vec![known], ..target(&host) }).unwrap();
    try_login(target(&host)).unwrap();
    let _ = fs::remove_file(&extra);
    let _ = fs::remove_file(extra.with_extension("pub"));
}

#[test]
fn a_jump_host_leads_on_and_is_checked_like_any_other() {
    let (Some(outer), Some(inner)) = (SshHost::start("outer"), SshHost::start("inner")) else { return };
    // A port that only the outer host's network leads to.
    let relay = Relay::start_at(outer.gateway(), inner.socket(), Duration::ZERO);
    let through = SshTarget {
        host: outer.gateway().to_string(),
        port: relay.address().port(),
        host_key_alias: Some(inner.address().to_string()),
        jump: vec![target(&outer)],
        ..target(&inner)
    };
    try_login(through.clone()).unwrap();
    assert_eq!((relay.connections(), outer.logins(), inner.logins()), (1, 1, 1));

    let plan = SshTransport::new(through.clone()).attach(vec!["hostname".into()]);
    let output = Command::new(&plan.argv[0]).args(&plan.argv[1..]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "inner", "{output:?}");

    outer.change_host_key();
    let error = is_refused(through);
    assert!(error.to_string().contains(&format!("root@{}", outer.address())), "{error}");
}

#[test]
fn a_proxy_command_is_the_line() {
    let Some(host) = SshHost::start("alpha") else { return };
    let program = "python3 -c '\
import socket, sys, threading
s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
def back():
    while data := s.recv(65536): sys.stdout.buffer.write(data), sys.stdout.buffer.flush()
threading.Thread(target=back, daemon=True).start()
while data := sys.stdin.buffer.read1(65536): s.sendall(data)
' %h %p";
    let with = |command: &str| SshTarget { proxy_command: Some(command.to_owned()), ..target(&host) };
    try_login(with(program)).unwrap();
    assert_eq!(host.logins(), 1);
    let error = try_login(with("false")).unwrap_err();
    assert!(matches!(error.downcast_ref::<SshError>(), Some(SshError::Banner { .. })), "{error:?}");
}
