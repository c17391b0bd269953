//! Commands: words, streams, codes, many at once.

use std::time::{Duration, Instant};

use mng_core::model::error::ErrorClass;
use mng_core::transports::{Chunk, ExecRequest, Transport};
use mng_tests::{Relay, SshHost};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::world::{block, eventually, sh, target_through, transport};
use mng_provider_remote::SshTransport;

#[test]
fn a_command_has_words_input_directory_variables_and_a_code() {
    let Some(host) = SshHost::start("alpha") else { return };
    let transport = transport(&host);
    assert!(!transport.is_local());
    block(async {
        let hostile = ["$(touch /tmp/no); 'q\" \\n !! %s", "a\nb", "", "*", "~", "é – ✓", "\\"];
        let request = ExecRequest::sh("printf '%s|' \"$@\"; cat; pwd >&2; printf %s \"$V\"; exit 7", hostile);
        let request = request.stdin("fed").cwd("/usr").env("V", "it's $HOME");
        let output = transport.exec(request).await.unwrap();
        assert_eq!(output.stdout_text(), format!("{}|fedit's $HOME", hostile.join("|")));
        assert_eq!((output.stderr_text().as_str(), output.code), ("/usr", Some(7)));

        let output = transport.exec(sh("kill -TERM $$")).await.unwrap();
        assert_eq!((output.code, output.is_timed_out), (None, false));
        let output = transport.exec(sh("echo ${TMUX_TMPDIR-none}").unset("TMUX_TMPDIR")).await.unwrap();
        assert_eq!(output.stdout_text(), "none\n");
    });
}

#[test]
fn what_cannot_start_says_why() {
    let Some(host) = SshHost::start("alpha") else { return };
    let transport = transport(&host);
    block(async {
        let error = transport.exec(ExecRequest::new(["no-such-program"])).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::BinaryNotInstalled);
        assert!(error.hint().unwrap().contains("no-such-program"));
        let error = transport.exec(ExecRequest::new(["true"]).cwd("/no/such")).await.unwrap_err();
        assert_eq!(error.to_string(), "cannot enter `/no/such`");
        let command = transport.spawn(ExecRequest::new(["no-such-program"])).await.unwrap();
        assert_eq!(command.exit.await.unwrap_err().class(), ErrorClass::BinaryNotInstalled);
    });
}

#[test]
fn login_scripts_may_print_what_they_like() {
    let Some(host) = SshHost::start("alpha") else { return };
    let noise = "echo Welcome; printf 'no line end'; echo careful >&2\n";
    std::fs::write(host.home().join(".bashrc"), noise).unwrap();
    block(async {
        let output = transport(&host).exec(sh("echo out; echo err >&2")).await.unwrap();
        assert_eq!((output.stdout_text().as_str(), output.stderr_text().as_str()), ("out\n", "err"));
    });
    std::fs::write(host.home().join(".bashrc"), "echo no logins today; exit 3\n").unwrap();
    block(async {
        let error = transport(&host).exec(sh("echo out")).await.unwrap_err();
        assert!(error.to_string().contains("did not run the command: no logins today"), "{error}");
    });
}

#[test]
fn output_is_handed_out_as_it_comes() {
    let Some(host) = SshHost::start("alpha") else { return };
    block(async {
        let marker = host.root().join("tmp/go");
        let script = "echo one; while [ ! -e \"$1\" ]; do sleep 0.02; done; echo two";
        let request = ExecRequest::sh(script, [marker.display().to_string()]);
        let mut seen = String::new();
        let mut on_chunk = |chunk: Chunk| {
            let Chunk::Stdout(bytes) = chunk else { return };
            seen.push_str(&String::from_utf8(bytes).unwrap());
            // The command goes on only when its first line has arrived.
            std::fs::write(&marker, "").unwrap();
        };
        let output = transport(&host).exec_streaming(request, &mut on_chunk).await.unwrap();
        assert_eq!((output.code, seen.as_str()), (Some(0), "one\ntwo\n"));
    });
}

#[test]
fn a_daemon_that_keeps_the_pipes_does_not_hang_us() {
    let Some(host) = SshHost::start("alpha") else { return };
    let start = Instant::now();
    let output = block(transport(&host).exec(sh("echo hi; (sleep 30 &)"))).unwrap();
    assert_eq!(output.stdout_text(), "hi\n");
    assert!(start.elapsed() < Duration::from_secs(10));
    assert!(host.processes().iter().any(|process| process == "sleep 30"));
}

#[test]
fn fifty_commands_at_once_share_one_connection() {
    let Some(host) = SshHost::options("alpha").max_sessions(4).start() else { return };
    let relay = Relay::start(host.socket(), Duration::ZERO);
    let transport = SshTransport::new(target_through(&relay, &host));
    block(async {
        let mut running = tokio::task::JoinSet::new();
        for number in 0..50 {
            let transport = transport.clone();
            running.spawn(async move {
                let request = ExecRequest::new(["echo".to_owned(), number.to_string()]);
                transport.exec(request.timeout(Some(Duration::from_secs(60)))).await.unwrap().stdout_text()
            });
        }
        let mut numbers: Vec<u32> =
            running.join_all().await.iter().map(|text| text.trim().parse().unwrap()).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..50).collect::<Vec<_>>());
    });
    assert_eq!((relay.connections(), host.logins()), (1, 1));
}

#[test]
fn the_deadline_ends_what_the_command_started() {
    let Some(host) = SshHost::start("alpha") else { return };
    let transport = transport(&host);
    block(async {
        transport.connect().await.unwrap();
        let request = sh("echo begun; sleep 1001 & sleep 1001").timeout(Some(Duration::from_secs(2)));
        let output = transport.exec(request).await.unwrap();
        assert!(output.is_timed_out && output.code.is_none());
        assert_eq!(output.stdout_text(), "begun\n");
        let is_there = || host.processes().iter().any(|process| process.contains("sleep 1001"));
        eventually("the command and its child are gone", || !is_there()).await;
    });
    assert_eq!(host.logins(), 1);
}

#[test]
fn who_stops_waiting_ends_the_command() {
    let Some(host) = SshHost::start("alpha") else { return };
    let transport = transport(&host);
    let is_there = |number: &str| host.processes().iter().any(|process| process.contains(number));
    block(async {
        let run = transport.exec(sh("sleep 1002 & sleep 1002").timeout(None));
        tokio::select! {
            _ = run => panic!("it sleeps"),
            () = eventually("it runs", || is_there("sleep 1002")) => {}
        }
        eventually("it is gone", || !is_there("sleep 1002")).await;

        let command = transport.spawn(sh("sleep 1003 & sleep 1003")).await.unwrap();
        eventually("it runs", || is_there("sleep 1003")).await;
        drop(command);
        eventually("it is gone", || !is_there("sleep 1003")).await;
    });
}

#[test]
fn a_piped_command_answers_what_it_is_told() {
    let Some(host) = SshHost::start("alpha") else { return };
    let transport = transport(&host);
    block(async {
        let mut command =
            transport.spawn(sh("read -r line; echo \"got $line\"; cat >&2; exit 9")).await.unwrap();
        command.stdin.write_all(b"one\n").await.unwrap();
        let mut answer = [0; 8];
        command.stdout.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"got one\n");
        command.stdin.write_all(b"two").await.unwrap();
        drop(command.stdin);
        let mut rest = String::new();
        command.stderr.read_to_string(&mut rest).await.unwrap();
        assert_eq!((rest.as_str(), command.exit.await.unwrap()), ("two", Some(9)));
    });
}

#[test]
fn a_reader_that_is_slow_holds_nobody_up() {
    let Some(host) = SshHost::start("alpha") else { return };
    let transport = transport(&host);
    block(async {
        let mut slow = transport.spawn(sh("head -c 20000000 /dev/zero")).await.unwrap();
        let output = transport.exec(sh("echo quick")).await.unwrap();
        assert_eq!(output.stdout_text(), "quick\n");
        let mut bytes = Vec::new();
        slow.stdout.read_to_end(&mut bytes).await.unwrap();
        assert_eq!((bytes.len(), slow.exit.await.unwrap()), (20_000_000, Some(0)));
    });
}

#[test]
fn large_input_and_output_pass_together() {
    let Some(host) = SshHost::start("alpha") else { return };
    let bytes: Vec<u8> = (0..5_000_000_u32).map(|number| (number % 251) as u8).collect();
    let request = ExecRequest::new(["cat"]).stdin(bytes.clone()).timeout(Some(Duration::from_secs(60)));
    let output = block(transport(&host).exec(request)).unwrap();
    assert!(output.stdout == bytes);
}

#[test]
fn a_command_costs_two_round_trips() {
    let Some(host) = SshHost::start("alpha") else { return };
    let relay = Relay::start(host.socket(), Duration::from_millis(100));
    let transport = SshTransport::new(target_through(&relay, &host));
    block(async {
        transport.connect().await.unwrap();
        let before = relay.turns();
        let start = Instant::now();
        assert_eq!(transport.exec(ExecRequest::new(["echo", "hi"])).await.unwrap().stdout_text(), "hi\n");
        let taken = start.elapsed();
        assert!(taken >= Duration::from_millis(400) && taken < Duration::from_millis(590), "{taken:?}");
        assert!(relay.turns() - before <= 3, "{}", relay.turns() - before);
    });
}

#[test]
fn a_first_command_takes_no_longer_than_ssh_itself() {
    let Some(host) = SshHost::start("alpha") else { return };
    let relay = Relay::start(host.socket(), Duration::from_millis(100));
    let target = target_through(&relay, &host);
    let start = Instant::now();
    let output = block(SshTransport::new(target.clone()).exec(ExecRequest::new(["echo", "hi"]))).unwrap();
    let ours = start.elapsed();
    assert_eq!(output.stdout_text(), "hi\n");
    let plan = SshTransport::new(target).attach(vec!["true".into()]);
    let start = Instant::now();
    let ended = std::process::Command::new(&plan.argv[0]).arg("-T").args(&plan.argv[2..]).status().unwrap();
    let theirs = start.elapsed();
    assert!(ended.success());
    // Both with some slack for a busy machine; a round trip too many would be 200 ms.
    assert!(ours < theirs + Duration::from_millis(150), "{ours:?} against {theirs:?}");
}

#[test]
fn a_terminal_is_put_onto_the_host() {
    let Some(host) = SshHost::start("alpha") else { return };
    let script = "test -t 0 && printf '%s|' \"$@\"";
    let words = ["sh", "-c", script, "sh", "a b", "it's \\ !", "$HOME"].map(str::to_owned);
    let plan = transport(&host).attach(words.to_vec());
    let output =
        std::process::Command::new(&plan.argv[0]).args(&plan.argv[1..]).envs(&plan.env).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "a b|it's \\ !|$HOME|", "{output:?}");
}

#[test]
fn words_of_any_kind_arrive_as_they_are() {
    let Some(host) = SshHost::start("alpha") else { return };
    let transport = transport(&host);
    let alphabet: Vec<char> = "ab \t\n'\"\\$`!%*?[]{}()<>|&;#~=-é✓".chars().collect();
    let mut random = fastrand::Rng::with_seed(20);
    block(async {
        for _ in 0..60 {
            let words: Vec<String> = (0..random.usize(1..4))
                .map(|_| (0..random.usize(0..12)).map(|_| alphabet[random.usize(..alphabet.len())]).collect())
                .collect();
            let request = ExecRequest::sh("printf '%s\\0' \"$@\"", &words).env("V", words[0].clone());
            let expected: String = words.iter().map(|word| format!("{word}\0")).collect();
            assert_eq!(transport.exec(request).await.unwrap().stdout_text(), expected, "{words:?}");
        }
    });
}
