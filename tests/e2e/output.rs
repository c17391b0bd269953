//! What reaches stdout and stderr, whoever reads them.

use mng_tests::TestEnv;

#[test]
fn a_pipe_that_closes_early_ends_the_command_quietly() {
    let env = TestEnv::new();
    for name in ["a1", "a2", "a3"] {
        env.create(name);
    }
    for line in [
        "list",
        "list --format jsonl",
        "help create",
        "list --schema",
        "config list --all",
        "completion bash",
    ] {
        let run = env
            .bash(&format!("mng {line} | head -c 1 >/dev/null; echo \"${{PIPESTATUS[0]}}\""))
            .run()
            .success();
        assert_eq!(run.stderr, "", "mng {line}");
        assert!(["0", "141"].contains(&run.stdout.trim()), "mng {line} exited {}", run.stdout);
    }
    let closed = env.bash("mng list >&-").run();
    assert_ne!(closed.code(), Some(101), "a panic:\n{}", closed.in_full());
    env.bash("mng list <&- 2>&-").run().success();
}

#[test]
fn full_disks_of_the_reader_are_errors() {
    let env = TestEnv::new();
    env.create("a1");
    let run = env.bash("mng list > /dev/full").run();
    assert!(run.code() != Some(0) && run.code() != Some(101), "{}", run.in_full());
}

#[test]
fn no_ansi_without_a_terminal() {
    let env = TestEnv::new();
    env.create("a1");
    for line in
        ["list", "stop nobody", "why a1", "help", "help address", "config list", "undo --list", "plugin list"]
    {
        let run = env.mng(line);
        assert!(!(run.stdout.clone() + &run.stderr).contains('\u{1b}'), "mng {line} prints ANSI codes");
    }
}

#[test]
fn colours_on_a_terminal_unless_no_color() {
    let env = TestEnv::new();
    env.create("a1");
    let raw = |command: mng_tests::Command| {
        let log = env.root().join(format!("raw-{}", fastrand::u32(..)));
        let line =
            format!("script -qec {} {}", shlex::try_quote(&command.shell_line()).unwrap(), log.display());
        let terminal = env.terminal_of(env.bash(&line), (80, 24));
        assert_eq!(terminal.wait_exit(), 0);
        std::fs::read_to_string(log).unwrap()
    };
    let coloured = raw(env.command("list").env("TERM", "xterm-256color"));
    assert!(coloured.contains("\u{1b}["), "{coloured:?}");
    let plain = raw(env.command("list").env("TERM", "xterm-256color").env("NO_COLOR", "1"));
    assert!(!plain.contains("\u{1b}[3") && !plain.contains("\u{1b}[1m"), "{plain:?}");
}

#[test]
fn tables_fit_eighty_columns_of_a_terminal() {
    let env = TestEnv::new();
    let long = "a-rather-long-agent-name-that-takes-most-of-a-line-0123456789";
    env.mng(&format!(
        "create {long} --type command --no-connect --label project=also-quite-long-project -- sleep 1000"
    ))
    .success();
    env.create("short");
    let terminal = env.terminal("list");
    assert_eq!(terminal.wait_exit(), 0);
    let rows: Vec<String> =
        terminal.screen().lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect();
    let header = rows.iter().filter(|row| row.starts_with("NAME")).count();
    assert_eq!(header, 1);
    assert_eq!(
        rows.iter().filter(|row| row.contains("RUNNING")).count(),
        2,
        "a row wrapped:\n{}",
        rows.join("\n")
    );
    // In a pipe nothing is cut.
    env.mng("list").success().prints(long);
}

#[test]
fn human_errors_have_one_shape() {
    let env = TestEnv::new();
    let run = env.mng("stop nobody").exits(1);
    assert_eq!(run.stdout, "");
    assert!(run.stderr.lines().any(|line| line.starts_with("Error: ")), "{}", run.stderr);
    assert!(run.stderr.lines().any(|line| line.starts_with("  hint: ")), "{}", run.stderr);
    assert!(!run.stderr.contains("ERROR Error"), "{}", run.stderr);
}

#[test]
fn json_is_one_object_in_every_outcome() {
    let env = TestEnv::new();
    env.create("a1");
    for (line, code) in [
        ("stop nobody", 1),
        ("destroy a1", 2),
        ("list --include '(('", 1),
        ("exec a1 'exit 3'", 1),
        ("connect a1", 1),
        ("rename a1 'bad name'", 2),
        ("config get nope", 1),
        ("stop a1 --dry-run", 0),
        ("start a1 --dry-run", 0),
        ("rename a1 b1 --dry-run", 0),
        ("label a1 -l x=y", 0),
        ("gc --dry-run", 0),
        ("cleanup", 2),
        ("why nobody", 1),
    ] {
        let run = env.mng(&format!("{line} --format json"));
        assert_eq!(run.code(), Some(code), "mng {line}\n{}", run.in_full());
        assert_eq!(run.lines().len(), 1, "mng {line}\n{}", run.in_full());
        let answer = run.json();
        assert!(answer.is_object(), "mng {line}");
        if answer.get("error").is_some() {
            assert_eq!(answer["exit_code"], code, "mng {line}");
            assert!(answer["error"]["error_class"].is_string() && answer["error"]["message"].is_string());
        }
    }
    let lines = env.mng("stop nobody --format jsonl").exits(1).jsonl();
    assert_eq!(lines[0]["event"], "error");
    assert_eq!(lines[0]["error_class"], "AgentNotFoundError");
}

#[test]
fn quiet_silences_progress_and_keeps_results() {
    let env = TestEnv::new();
    let run = env.mng("create a1 -q --type command --no-connect -- sleep 1000").success();
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""));
    env.mng("list -q").success().prints("a1");
}

#[test]
fn logs_go_to_one_file_and_hold_no_secrets() {
    let env = TestEnv::new();
    env.mng("create a1 --type command --no-connect --env TOKEN=hunter2 -- sleep 1000").success();
    env.mng("message a1 -m 'a private thought'").success();
    let log = std::fs::read_to_string(env.state_dir().join("events/logs/mng/events.jsonl")).unwrap();
    assert!(!log.is_empty());
    assert!(!log.contains("hunter2"));
    for line in log.lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        for key in ["timestamp", "type", "event_id", "source"] {
            assert!(event[key].is_string(), "{key}: {line}");
        }
    }
    assert!(
        !env.state_dir().join("logs").exists()
            || std::fs::read_dir(env.state_dir().join("logs")).unwrap().count() == 0
    );
}
