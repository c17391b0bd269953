use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::*;
use crate::agents::testing::{PrivateHost, block};
use crate::hosts::git::testing::{TestRepo, git_in};
use crate::model::shell::quote;
use crate::transports::{ExecOutput, LocalTransport};

/// In tests this program is the test runner, whose own words go to standard output; so the helper writes to
/// a third stream. By way of `cat`, because a socket, which rsync gives us, cannot be opened by its name.
pub(super) fn place_helper(at: &Path) -> Result<()> {
    const SCRIPT: &str = r#"#!/bin/sh
MNG_TEST_WORDS=$(for word in "$@"; do printf '%s\037' "$word"; done)
export MNG_TEST_WORDS
{
    RUNNER --exact --ignored --nocapture transports::relay::tests::is_the_helper 3>&1 1>/dev/null
    echo $? >"$0.$$"
} | cat
exit "$(cat "$0.$$" 2>/dev/null || echo 255)"
"#;
    let runner = std::env::current_exe().unwrap();
    fs::write(at, SCRIPT.replace("RUNNER", &quote(runner.to_str().unwrap()))).unwrap();
    fs::set_permissions(at, fs::Permissions::from_mode(0o700)).unwrap();
    Ok(())
}

#[test]
#[ignore = "the helper of the other tests"]
#[expect(clippy::exit, reason = "its exit code is what the test is about")]
fn is_the_helper() {
    let Ok(words) = std::env::var("MNG_TEST_WORDS") else { return };
    let words: Vec<String> = words.split_terminator('\u{1f}').map(str::to_owned).collect();
    let stdout = fs::OpenOptions::new().write(true).open("/dev/fd/3").unwrap();
    let var = |name: &str| std::env::var(name).ok();
    let code = run_helper(&words, var, std::io::stdin(), stdout, std::io::stderr());
    std::process::exit(i32::from(code));
}

fn far() -> PrivateHost {
    PrivateHost::far()
}

fn git(relay: &Relay, dir: &Path, args: &[&str]) -> ExecRequest {
    let mut argv = vec!["git", "-C", dir.to_str().unwrap(), "-c", "core.fsync=none"];
    argv.extend(args);
    ExecRequest::new(argv)
        .envs(relay.git_env())
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .timeout(Some(Duration::from_secs(60)))
}

async fn run(request: ExecRequest) -> ExecOutput {
    LocalTransport.exec(request).await.unwrap()
}

fn helper(relay: &Relay, line: &str) -> ExecRequest {
    ExecRequest::new([relay.shell().as_str(), "-T", RELAY_HOST, line])
        .envs(relay.env())
        .timeout(Some(Duration::from_secs(60)))
}

#[test]
fn git_clones_fetches_and_pushes() {
    let host = far();
    let source = TestRepo::new();
    let first = source.commit("a", "1");
    let place = host.path("work").join("r p%20 'q'");
    git_in(source.root(), &["clone", "-q", "--bare", ".", place.to_str().unwrap()]);
    let url = Relay::git_url(&place);
    let clone = source.beside("clone");
    block(async {
        let relay = Relay::open(Arc::clone(&host.host.transport)).unwrap();
        let words = ["clone", "-q", &url, clone.to_str().unwrap()];
        run(git(&relay, source.root(), &words)).await.check("git clone").unwrap();
        assert_eq!(git_in(&clone, &["rev-parse", "HEAD"]), first);

        let second = source.commit("ä b", "2");
        run(git(&relay, source.root(), &["push", "-q", &url, "main:refs/heads/x"]))
            .await
            .check("push")
            .unwrap();
        assert_eq!(git_in(&place, &["rev-parse", "x"]), second);
        run(git(&relay, &clone, &["fetch", "-q", "origin"])).await.check("fetch").unwrap();
        assert_eq!(git_in(&clone, &["rev-parse", "origin/x"]), second);

        let missing = Relay::git_url(&host.path("nowhere"));
        let output = run(git(&relay, &clone, &["ls-remote", &missing])).await;
        assert_eq!(output.code, Some(128));
        assert!(output.stderr_text().contains("does not appear to be a git repository"));
    });
}

#[test]
fn rsync_copies_both_ways() {
    let host = far();
    let here = tempfile::tempdir().unwrap();
    fs::create_dir(here.path().join("from")).unwrap();
    fs::write(here.path().join("from/a 'b' ü"), "text").unwrap();
    let there = host.path("work").join("d e");
    block(async {
        let relay = Relay::open(Arc::clone(&host.host.transport)).unwrap();
        let shell = relay.shell();
        let remote = format!("{RELAY_HOST}:{}/", there.display());
        for (from, to) in [
            (format!("{}/from/", here.path().display()), &remote),
            (remote.clone(), &format!("{}/back/", here.path().display())),
        ] {
            let request =
                ExecRequest::new(["rsync", "-s", "-r", "-e", &shell, "--", &from, to]).envs(relay.env());
            run(request.timeout(Some(Duration::from_secs(60)))).await.check("rsync").unwrap();
        }
    });
    assert_eq!(fs::read_to_string(there.join("a 'b' ü")).unwrap(), "text");
    assert_eq!(fs::read_to_string(here.path().join("back/a 'b' ü")).unwrap(), "text");
}

#[test]
fn streams_and_exit_codes_are_those_of_the_command() {
    let host = far();
    block(async {
        let relay = Relay::open(Arc::clone(&host.host.transport)).unwrap();
        let output = run(helper(&relay, "cat; echo oops >&2; exit 37").stdin("in\0put")).await;
        assert_eq!((output.code, output.stderr_text().as_str()), (Some(37), "oops"));
        assert_eq!(output.stdout, b"in\0put");
        let output = run(helper(&relay, "kill -9 $$")).await;
        assert_eq!(output.code, Some(255));
        // What is left behind does not keep the helper.
        let start = Instant::now();
        assert_eq!(run(helper(&relay, "sleep 30 & exit 3")).await.code, Some(3));
        assert!(start.elapsed() < Duration::from_secs(20));
        let env = ExecRequest::new([
            &relay.shell(),
            "-o",
            "SendEnv=GIT_PROTOCOL",
            RELAY_HOST,
            "echo $GIT_PROTOCOL",
        ]);
        let output = run(env.envs(relay.env()).env("GIT_PROTOCOL", "version=2")).await;
        assert_eq!(output.stdout_text(), "version=2\n");
    });
}

#[test]
fn fifty_megabytes_come_through_whole_both_ways_at_once() {
    let host = far();
    let bytes: Vec<u8> = (0..50_usize << 20).map(|at| (at % 251) as u8).collect();
    block(async {
        let relay = Relay::open(Arc::clone(&host.host.transport)).unwrap();
        let output = run(helper(&relay, "cat").stdin(bytes.clone())).await;
        assert_eq!(output.code, Some(0));
        assert!(output.stdout == bytes, "{} bytes came back", output.stdout.len());
    });
}

#[test]
fn a_command_that_does_not_read_and_a_helper_that_does_not_listen_end_early() {
    let host = far();
    block(async {
        let relay = Relay::open(Arc::clone(&host.host.transport)).unwrap();
        let output = run(helper(&relay, "exec 0<&-; echo done").stdin(vec![b'x'; 4 << 20])).await;
        assert_eq!((output.code, output.stdout_text().as_str()), (Some(0), "done\n"));

        // The helper's reader leaves: the helper ends, and with it the endless command.
        let mark = host.path("work").join("pid");
        let line = format!("echo $$ >{}; exec yes", quote(mark.to_str().unwrap()));
        let script = "\"$1\" host \"$2\" | head -c 100 >/dev/null";
        let request = ExecRequest::sh(script, [relay.shell(), line]).envs(relay.env());
        run(request.timeout(Some(Duration::from_secs(60)))).await.check("head").unwrap();
        let pid = fs::read_to_string(mark).unwrap();
        ends(pid.trim()).await;
    });
}

#[test]
fn the_end_of_the_relay_ends_its_commands_and_takes_its_directory_along() {
    let host = far();
    let mark = host.path("work").join("pid");
    block(async {
        let relay = Relay::open(Arc::clone(&host.host.transport)).unwrap();
        let dir = relay.dir.0.clone();
        assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
        let line = format!("echo $$ >{0}.new; mv {0}.new {0}; exec sleep 600", quote(mark.to_str().unwrap()));
        let mut child = Command::new(relay.shell())
            .args(["host", &line])
            .envs(relay.env())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        while !mark.exists() {
            assert!(Instant::now() < deadline, "the command never began");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        drop(relay);
        let pid = fs::read_to_string(&mark).unwrap();
        ends(pid.trim()).await;
        assert_eq!(child.wait().unwrap().code(), Some(255));
        assert!(!dir.exists());
    });
}

#[test]
fn a_wrong_token_runs_nothing() {
    let host = far();
    let mark = host.path("work").join("mark");
    block(async {
        let relay = Relay::open(Arc::clone(&host.host.transport)).unwrap();
        let line = format!("touch {}", quote(mark.to_str().unwrap()));
        for token in ["", "x", &"0".repeat(64)] {
            let output = run(helper(&relay, &line).env(TOKEN_VAR, token)).await;
            assert_eq!(output.code, Some(255));
            assert!(
                output.stderr_text().contains("mng: cannot let this helper in"),
                "{}",
                output.stderr_text()
            );
        }
        assert!(!mark.exists());
        assert_eq!(run(helper(&relay, &line)).await.code, Some(0));
        assert!(mark.exists());
    });
}

#[test]
fn urls_say_every_path() {
    assert_eq!(Relay::git_url(Path::new("/a/b-c.git")), "ssh://mng-relay/a/b-c.git");
    assert_eq!(Relay::git_url(Path::new("/ü x%")), "ssh://mng-relay/%C3%BC%20x%25");
    assert_eq!(Relay::git_url(Path::new("/~me/x")), "ssh://mng-relay/./~me/x");
}

/// Waits until a process is gone.
async fn ends(pid: &str) {
    let deadline = Instant::now() + Duration::from_secs(30);
    let is_there =
        || fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "));
    while is_there() {
        assert!(Instant::now() < deadline, "process {pid} lives on");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
