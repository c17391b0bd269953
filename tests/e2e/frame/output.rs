//! stdout, stderr and the log.

use mng_tests::TestEnv;
use serde_json::Value;

#[test]
fn json_mode_prints_one_object_whatever_happens() {
    let env = TestEnv::new();
    for (line, code, class) in [
        ("list --json --nope", 2, "UsageError"),
        ("--json lst", 2, "UsageError"),
        ("--json snapshot crate", 2, "UsageError"),
        ("stop --json", 2, "UsageError"),
        ("exec --json nobody true", 1, "AgentNotFoundError"),
        ("snapshot list --json", 1, "SnapshotsNotSupportedError"),
        ("stop --json 'a b'", 2, "ParseSpecError"),
        ("help --json nope", 1, "UserInputError"),
    ] {
        let run = env.mng(line).exits(code);
        let error = run.json();
        assert_eq!(error["error"]["error_class"], class, "{line}");
        assert_eq!(error["exit_code"], code, "{line}");
        assert!(error["error"]["message"].is_string() && error["error"].get("hint").is_some(), "{line}");
        assert_eq!(run.stdout.lines().count(), 1, "{line}");
    }
    let events = env.mng("--jsonl exec nobody true").exits(1).jsonl();
    assert_eq!(events.last().unwrap()["event"], "error");
    assert_eq!(events.last().unwrap()["error_class"], "AgentNotFoundError");
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    let env = TestEnv::new();
    let run = env.bash("set -o pipefail; mng config schema | head -1").run().success();
    assert_eq!(run.lines().len(), 1);
    assert_eq!(run.stderr, "");
    env.bash("mng help list | true").run().success();
}

#[test]
fn colours_and_status_stay_out_of_pipes() {
    let env = TestEnv::new();
    let plain = env.mng("help list").success();
    assert!(!plain.stdout.contains('\x1b'));
    let forced = env.command("help list").env("CLICOLOR_FORCE", "1").run().success();
    assert!(forced.stdout.contains("\x1b[1mNAME\x1b[0m"));
    let refused = env.command("help list").env("CLICOLOR_FORCE", "1").env("NO_COLOR", "1").run().success();
    assert!(!refused.stdout.contains('\x1b'));
    let narrow = env.command("help list").env("COLUMNS", "50").run().success();
    let text = narrow.stdout.lines().filter(|line| line.starts_with("           ") && !line.contains('$'));
    let wide: Vec<&str> = text.filter(|line| line.chars().count() > 50).collect();
    assert_eq!(wide, Vec::<&str>::new());
}

#[test]
fn help_is_paged_on_a_terminal_only() {
    let env = TestEnv::new();
    env.install("mypager", "#!/bin/sh\necho \"paged with LESS=$LESS\"; cat >/dev/null\n");
    // The shell stays, so that the screen does.
    let shown = |line: &str, text: &str| {
        let terminal = env.terminal_of(env.bash(&format!("{line}; echo \"rc $?\"; read")), (100, 200));
        terminal.wait_for(text);
        terminal.wait_for("rc 0");
    };
    shown("PAGER='mypager --like-less' mng help list", "paged with LESS= -RFX");
    shown("PAGER=/nope mng help why", "SYNOPSIS");
    shown("PAGER=mypager mng help list | cat", "SYNOPSIS");
    env.settings("pager = \"mypager\"\n");
    shown("PAGER=cat mng help list", "paged with LESS=");
}

#[test]
fn the_log_is_one_line_a_record_and_never_makes_a_data_root() {
    let env = TestEnv::new();
    env.mng("list").success();
    assert!(!env.state_dir().exists());
    env.settings("[logging]\nfile_level = \"TRACE\"\n");
    env.mng("list").success();
    let log = std::fs::read_to_string(env.state_dir().join("events/logs/mng/events.jsonl")).unwrap();
    for line in log.lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        assert_eq!(record["type"], "mng");
        assert_eq!(record["source"], "logs/mng");
        assert_eq!(record["command"], "list");
        assert!(record["event_id"].as_str().unwrap().starts_with("evt-"));
    }
    assert!(!log.is_empty());
    let verbose = env.mng("list -vv").success();
    assert!(verbose.stderr.contains("begins"), "{}", verbose.stderr);
    assert_eq!(env.mng("list -q").success().stderr, "");
    let own = env.root().join("own.log");
    env.mng(&format!("list --log-file {}", own.display())).success();
    assert!(std::fs::read_to_string(own).unwrap().lines().count() > 0);
    env.mng("list --log-file ../own.log/below").success().says(&["WARNING: no log is written"]);
}

#[test]
fn doctor_names_what_is_missing() {
    let env = TestEnv::new();
    env.mng("doctor").success().prints("tmux");
    let bin = env.root().join("few");
    std::fs::create_dir(&bin).unwrap();
    let only = |script: Option<&str>| {
        env.install("old-tmux", script.unwrap_or("#!/bin/sh\n"));
        if script.is_some() {
            let _ = std::fs::copy(env.root().join("bin/old-tmux"), bin.join("tmux"));
        }
        env.command("doctor --json --scope core").env("PATH", &bin).run()
    };
    let none = only(None).exits(1).json();
    let status = |report: &Value, name: &str| {
        let checks = report["checks"].as_array().unwrap();
        checks.iter().find(|check| check["name"] == name).unwrap()["status"].clone()
    };
    assert_eq!(status(&none, "tmux"), "missing");
    assert_eq!(status(&none, "git"), "missing");
    let old = only(Some("#!/bin/sh\necho tmux 3.1c\n")).exits(1).json();
    assert_eq!(status(&old, "tmux"), "bad");
    env.settings("prefix = [");
    assert_eq!(status(&env.mng("doctor --json").exits(1).json(), "settings"), "bad");
}

#[test]
fn a_panic_leaves_a_report_without_secrets() {
    let env = TestEnv::new();
    let line = "create alpha --type command --no-connect --env TOKEN=hunter2 --json -- sleep 1000";
    let points = env.fault_points(env.command(line));
    env.mng("destroy alpha --force -b").success();
    let run = env.command(line).env("MNG_FAULT_POINT_PANIC", points.last().unwrap()).run().exits(1);
    assert_eq!(run.json()["error"]["error_class"], "MngError");
    assert!(
        run.stderr.starts_with("Error: mng failed in a way it should not: fault point"),
        "{}",
        run.stderr
    );
    let reports: Vec<_> =
        std::fs::read_dir(env.state_dir().join("events/crash")).unwrap().flatten().collect();
    assert_eq!(reports.len(), 1);
    let report = std::fs::read_to_string(reports[0].path()).unwrap();
    assert!(report.contains("command: mng create *** --type"), "{report}");
    assert!(report.contains("last log lines:"), "{report}");
    assert!(!report.contains("hunter2"), "{report}");
}
