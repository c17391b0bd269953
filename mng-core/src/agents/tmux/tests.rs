//! The driver against a real tmux.

use std::fs;

use super::*;
use crate::agents::testing::{PrivateHost, block, eventually};
use crate::model::error::ErrorClass;

/// A session `name` whose pane writes all that is typed into a file, byte by byte; its pane id.
fn recorder(private: &PrivateHost, name: &str, setup: &str) -> (String, std::path::PathBuf) {
    let file = private.path(&format!("{name}.typed"));
    let ready = private.path(&format!("{name}.ready"));
    let script = format!("{setup} stty raw -echo; touch {}; exec cat >{}", ready.display(), file.display());
    let pane =
        private.tmux(&["new-session", "-d", "-s", name, "-P", "-F", "#{pane_id}", "sh", "-c", &script]);
    eventually("the recorder runs", || ready.exists());
    (pane.trim().to_owned(), file)
}

fn typed(file: &std::path::Path) -> String {
    String::from_utf8_lossy(&fs::read(file).unwrap_or_default()).into_owned()
}

#[test]
fn text_arrives_byte_for_byte() {
    let private = PrivateHost::new();
    let tmux = Tmux::on(&private.host);
    let (pane, file) = recorder(&private, "r", "");
    let long = "x".repeat(5000);
    let texts: [&[u8]; 9] = [
        b"plain",
        b"-l --help",
        b"Enter C-c ;",
        b"a;",
        b"#{pane_id} $(touch x) `id` \"q\" 'q' \\;",
        "grüße 🦀".as_bytes(),
        b"tab\there\x01\x1b[A",
        b"\xff\xfe bytes",
        long.as_bytes(),
    ];
    let mut expected = Vec::new();
    for text in texts {
        assert!(block(tmux.type_text(&pane, text, Submit::No)).unwrap());
        expected.extend_from_slice(text);
    }
    let expected = String::from_utf8_lossy(&expected).into_owned();
    eventually("all is typed", || typed(&file).len() >= expected.len());
    assert_eq!(typed(&file), expected);
    assert!(private.tmux(&["list-buffers"]).is_empty(), "no buffer stays");
}

#[test]
fn several_lines_are_one_paste_for_a_program_that_can_take_it() {
    let private = PrivateHost::new();
    let tmux = Tmux::on(&private.host);
    let (pane, file) = recorder(&private, "r", r"printf '\033[?2004h';");
    block(tmux.type_text(&pane, b"one\ntwo", Submit::Enter)).unwrap();
    eventually("the paste arrives", || typed(&file).ends_with('\r'));
    assert_eq!(typed(&file), "\u{1b}[200~one\rtwo\u{1b}[201~\r");
}

#[test]
fn a_mode_that_swallows_keys_is_left_first() {
    let private = PrivateHost::new();
    let tmux = Tmux::on(&private.host);
    let (pane, file) = recorder(&private, "r", "");
    private.tmux(&["copy-mode", "-t", &pane]);
    block(tmux.type_text(&pane, b"q", Submit::Enter)).unwrap();
    eventually("the text arrives", || typed(&file) == "q\r");
}

#[test]
fn absence_is_an_answer() {
    let private = PrivateHost::new();
    let tmux = Tmux::on(&private.host);
    assert_eq!(block(tmux.sessions()).unwrap().iter().count(), 0, "no server");
    assert!(!block(tmux.kill_session("$0")).unwrap());
    let (pane, _) = recorder(&private, "mng-ab", "");
    assert!(!block(tmux.type_text("%99", b"x", Submit::No)).unwrap());
    assert!(!block(tmux.type_text("%99", &b"x\n".repeat(3), Submit::No)).unwrap());
    assert!(private.tmux(&["list-buffers"]).is_empty(), "no buffer stays");
    assert_eq!(block(tmux.capture("%99", &CaptureRequest::default())).unwrap(), None);
    assert!(block(tmux.capture(&pane, &CaptureRequest::default())).unwrap().is_some());
    assert!(block(tmux.rename_session("$0", "mng-c")).unwrap());
    let sessions = block(tmux.sessions()).unwrap();
    assert_eq!(sessions.iter().map(|session| session.name.as_str()).collect::<Vec<_>>(), ["mng-c"]);
    private.tmux(&["kill-server"]);
    assert_eq!(block(tmux.sessions()).unwrap().iter().count(), 0, "a dead socket");
}

#[test]
fn only_panes_are_typed_into() {
    let private = PrivateHost::new();
    let error = block(Tmux::on(&private.host).type_text("mng-a", b"x", Submit::No)).unwrap_err();
    assert!(error.to_string().contains("no pane id"));
}

/// A directory with a `tmux` of ours, to stand in front of the real one.
fn with_fake_tmux(script: &str) -> (PrivateHost, tempfile::TempDir) {
    use std::os::unix::fs::PermissionsExt as _;
    let bin = tempfile::tempdir().unwrap();
    let fake = bin.path().join("tmux");
    fs::write(&fake, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&fake, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", bin.path().display());
    (PrivateHost::with_env([("PATH", &path)]), bin)
}

#[test]
fn an_old_tmux_is_named() {
    let (private, _bin) = with_fake_tmux(
        "[ \"$1\" = -V ] && { echo 'tmux 2.9a'; exit; }; echo 'unknown command: x' >&2; exit 1",
    );
    let error = block(Tmux::on(&private.host).sessions()).unwrap_err();
    assert_eq!(error.class(), ErrorClass::BinaryNotInstalled);
    assert_eq!(error.to_string(), "tmux 2.9a on host `localhost` is too old: mng needs 3.2 or newer");
}

#[test]
fn a_slow_tmux_is_never_an_absent_one() {
    let (private, _bin) = with_fake_tmux("sleep 60");
    let chain = Chain::new(["list-panes", "-a"]);
    let answer =
        block(Tmux::on(&private.host).run_within(chain, None, Duration::from_millis(100))).unwrap_err();
    assert_eq!(answer.class(), ErrorClass::CommandTimeout);
}

#[test]
fn a_missing_tmux_says_how_to_get_it() {
    let bin = tempfile::tempdir().unwrap();
    let private = PrivateHost::with_env([("PATH", bin.path().to_str().unwrap())]);
    let error = block(Tmux::on(&private.host).check_version()).unwrap_err();
    assert_eq!(error.class(), ErrorClass::BinaryNotInstalled);
}

#[test]
fn versions_are_compared_as_numbers() {
    for good in ["3.2", "3.2a", "3.3a", "3.10", "4.0", "next-3.5", "master", "openbsd-7.4"] {
        assert!(is_new_enough(good), "{good}");
    }
    for old in ["1.8", "2.9a", "3.0", "3.1c", "next-3.1"] {
        assert!(!is_new_enough(old), "{old}");
    }
}

#[test]
fn only_a_server_that_is_not_there_is_absent() {
    assert!(is_no_server("no server running on /tmp/tmux-0/default"));
    assert!(is_no_server("error connecting to /x/default (No such file or directory)"));
    assert!(is_no_server("error connecting to /x/default (Connection refused)"));
    assert!(!is_no_server("error connecting to /x/default (Permission denied)"));
    assert!(!is_no_server("protocol version mismatch (client 8, server 7)"));
}
