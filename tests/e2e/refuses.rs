//! Bad input: a clear error, the right exit code, and nothing changed.

use std::fs;

use insta::assert_snapshot;
use mng_tests::{Run, SmallDisk, TestEnv};

/// Runs `create` with the words and asserts that it failed and left no trace.
#[track_caller]
fn refused(env: &TestEnv, words: &[&str]) -> Run {
    let (repo, worktrees, sessions) = (env.repo().fingerprint(), env.repo().worktrees(), env.sessions());
    let (records, state) = (env.records(), state_paths(env));
    let mut args = vec!["create"];
    args.extend(words);
    args.extend(["--no-connect", "--", "sleep", "1000"]);
    let run = env.mng_args(&args);
    assert!(run.code() != Some(0), "`create {words:?}` succeeded\n{}", run.in_full());
    assert!(run.stderr.contains("Error: "), "no error line\n{}", run.in_full());
    assert_eq!(run.stdout, "");
    assert_eq!(env.repo().fingerprint(), repo, "`create {words:?}` changed the repository");
    assert_eq!(env.repo().worktrees(), worktrees);
    assert_eq!(env.sessions(), sessions);
    assert_eq!(env.records(), records);
    assert_eq!(state_paths(env), state, "`create {words:?}` left something behind");
    run
}

/// Agents, work dirs and what a killed command leaves, as paths.
fn state_paths(env: &TestEnv) -> Vec<String> {
    let mut paths = Vec::new();
    for dir in ["agents", "worktrees", "copies", "clones", "journal", "undo", "tmp"] {
        for entry in fs::read_dir(env.state_dir().join(dir)).into_iter().flatten().flatten() {
            paths.push(format!("{dir}/{}", entry.file_name().to_string_lossy()));
        }
    }
    paths.sort();
    paths
}

#[test]
fn hostile_names() {
    let env = TestEnv::new();
    let long = "a".repeat(300);
    for name in [
        "bad name",
        "a.b",
        "a/b",
        "..",
        "-x-",
        "_a",
        "a-",
        &long,
        "🦀",
        "ünï",
        "a\nb",
        "$(touch x)",
        "a;b",
        "'",
    ] {
        let run = refused(&env, &["--name", name, "--type", "command"]);
        assert_eq!(run.code(), Some(2), "{name:?}\n{}", run.in_full());
    }
    let run = refused(&env, &["bad.name", "--type", "command"]);
    assert_eq!(run.code(), Some(2));
    // The error shows a name that would do.
    let run = refused(&env, &["--name", "bad name!", "--type", "command"]);
    run.says(&["hint:", "bad-name"]);
    // An argument that begins with a dash is an option, and an unknown one.
    refused(&env, &["-leading", "--type", "command"]).exits(2);
    assert!(!env.repo().has("x"));
}

#[test]
fn a_taken_name() {
    let env = TestEnv::new();
    env.create("a1");
    refused(&env, &["a1", "--type", "command"]).exits(1).says(&["a1", "--reuse"]);
    let error = env.mng("create a1 --type command --no-connect --format json -- sleep 1").exits(1).json();
    assert_eq!(error["error"]["error_class"], "DuplicateAgentNameError");
    assert_eq!(error["exit_code"], 1);
    assert!(error["error"]["hint"].is_string());
    assert_eq!(env.state_of("a1"), "RUNNING");
}

#[test]
fn a_branch_left_by_a_destroyed_agent_is_not_reset() {
    let env = TestEnv::new();
    env.create("a1");
    env.work_dir("a1").write("work", "x");
    let tip = env.work_dir("a1").commit("work");
    env.mng("destroy a1 --force").success();
    refused(&env, &["a1", "--type", "command"]).exits(1).says(&["mng/a1", "--branch"]);
    assert_eq!(env.repo().rev("mng/a1"), tip);
    env.mng("create a1 --type command --branch mng/a1 --no-connect -- sleep 1000").success();
    assert_eq!(env.work_dir("a1").read("work"), "x");
}

#[test]
fn no_repository() {
    let env = TestEnv::without_repo();
    env.mng("create a1 --type command --no-connect -- sleep 1").exits(1).says(&["--from"]);
    env.mng("create a1 --type command --no-connect --from ./nowhere -- sleep 1").exits(1).says(&["nowhere"]);
    fs::write(env.home().join("file"), "").unwrap();
    env.mng("create a1 --type command --no-connect --from ./file -- sleep 1").exits(1).says(&["file"]);
    assert!(!env.home().join("nowhere").exists());
    assert!(env.records().is_empty());
}

#[test]
fn a_dirty_repository() {
    let env = TestEnv::new();
    env.repo().write("dirty", "x");
    refused(&env, &["a1", "--type", "command"]).exits(1).says(&["--no-ensure-clean"]);
}

#[test]
fn a_repository_without_commits() {
    let env = TestEnv::without_repo();
    let path = env.root().join("empty");
    fs::create_dir(&path).unwrap();
    let empty = env.repo_at(&path);
    empty.git("init --quiet");
    env.command("create a1 --type command --no-connect -- sleep 1")
        .cwd(&path)
        .run()
        .exits(1)
        .says(&["no commits"]);
    env.command("create a1 --type command --no-connect --transfer git-mirror -- sleep 1")
        .cwd(&path)
        .run()
        .exits(1)
        .says(&["no commits"]);
    assert_eq!(empty.worktrees().len(), 1);
    assert!(env.records().is_empty());
}

#[test]
fn a_branch_that_is_checked_out_already() {
    let env = TestEnv::new();
    let run = refused(&env, &["a1", "--type", "command", "--branch", "main"]);
    run.exits(1).says(&["main", "main:"]);
}

#[test]
fn a_source_inside_the_state_directory() {
    let env = TestEnv::new();
    env.create("a1");
    let state = env.state_dir().to_string_lossy().into_owned();
    refused(&env, &["a2", "--type", "command", "--from", &state]).exits(1);
    let home = env.home().to_string_lossy().into_owned();
    refused(&env, &["a2", "--type", "command", "--from", &home]).exits(1);
}

#[test]
fn unknown_words_come_with_a_suggestion() {
    let env = TestEnv::new();
    refused(&env, &["a1", "--tipe", "command"]).exits(2).says(&["--tipe", "--type"]);
    refused(&env, &["a1", "--type", "comand"]).exits(1).says(&["comand", "command"]);
    refused(&env, &["a1", "--type", "command", "--provider", "locl"]).exits(1).says(&["locl", "local"]);
    refused(&env, &["a1", "--type", "command", "-t", "nope"]).exits(1).says(&["nope"]);
    refused(&env, &["a1", "--type", "command", "-S", "prefixx=x-"]).exits(1).says(&["prefixx", "prefix"]);
    refused(&env, &["a1", "--type", "command", "--tmux-window-size", "sometimes"]).exits(2);
    refused(&env, &["a1", "--type", "command", "--env", "NOEQUALS"]).exits(2);
    refused(&env, &["a1", "--type", "command", "--env", "1BAD=x"]).exits(2);
    refused(&env, &["a1", "--type", "command", "--env-file", "/no/such/file"]).exits(2);
    refused(&env, &["a1", "--type", "command", "--label", "noequals"]).exits(2);
    env.mng("lst").exits(2).says(&["lst", "list"]);
    env.mng("list --runing").exits(2).says(&["--runing", "--running"]);
    env.mng("list --provider locl").exits(1).says(&["locl", "local"]);
}

#[test]
fn a_templates_typo_names_the_templates_there_are() {
    let env = TestEnv::new();
    env.settings("[create_templates.backend]\ntype = \"command\"\n");
    refused(&env, &["a1", "-t", "backnd"]).exits(1).says(&["backnd", "backend"]);
    env.settings("[create_templates.backend]\nno_such_option = \"x\"\n");
    refused(&env, &["a1", "--type", "command", "-t", "backend"]).exits(1).says(&["no_such_option"]);
}

#[test]
fn options_that_make_no_sense_here() {
    let env = TestEnv::new();
    refused(&env, &["a1", "--name", "a2", "--type", "command"]).exits(2);
    refused(&env, &["a1", "--type", "command", "--idle-timeout", "5m"]).exits(1).says(&["--idle-timeout"]);
    refused(&env, &["a1", "--type", "command", "-b", "--cpu=2"]).exits(1).says(&["--build-arg"]);
    refused(&env, &["a1", "--type", "command", "--format", "{name}"]).exits(2);
    refused(&env, &["a1@nowhere", "--type", "command"]).exits(1).says(&["nowhere"]);
    refused(&env, &["a1@x.y.z", "--type", "command"]).exits(2);
    env.mng("create a1 --type command --no-connect").exits(1).says(&["--"]);
    assert!(env.records().is_empty());
}

#[test]
fn malformed_settings_name_file_and_line_and_can_be_repaired() {
    let env = TestEnv::new();
    env.create("a1");
    env.settings("prefix = \"mng-\"\n[broken\n");
    env.mng("list").exits(1).says(&["settings.toml", "line 2"]);
    let error = env.mng("list --format json").exits(1).json();
    assert_eq!(error["error"]["error_class"], "ConfigParseError");
    env.mng("config path --scope user").success().prints("settings.toml");
    env.settings("bogus_key = 1\n");
    env.mng("list").exits(1).says(&["bogus_key"]);
    env.mng("config unset bogus_key --scope user").success();
    env.mng("list").success().prints("a1");
    env.settings("headless = \"perhaps\"\n");
    env.mng("list").exits(1).says(&["headless"]);
}

#[test]
fn malformed_filters_fail_before_anything_is_read() {
    let env = TestEnv::new();
    env.create("a1");
    let error = env.mng_args(&["list", "--include", "name =="]).exits(1);
    error.says(&["include", "name =="]);
    env.mng_args(&["list", "--exclude", "((("]).exits(1).says(&["exclude", "((("]);
    env.mng_args(&["list", "--sort", "name ==="]).exits(1);
    env.mng_args(&["destroy", "--force", "--include", "state ==="]).exits(1);
    assert!(env.has_session("mng-a1"));
}

#[test]
fn broken_records_are_one_error_row_and_the_rest_is_listed() {
    let env = TestEnv::new();
    env.create("good");
    for (name, text) in
        [("half", "{\"id\": \"agent-"), ("empty", ""), ("list", "[1, 2]"), ("binary", "\u{0}\u{1}")]
    {
        env.create(name);
        fs::write(env.agent_dir(name).join("data.json"), text).unwrap();
    }
    let listing = env.mng("list --format json");
    assert_eq!(listing.code(), Some(1), "{}", listing.in_full());
    let listing = listing.json();
    let names: Vec<&str> =
        listing["agents"].as_array().unwrap().iter().filter_map(|agent| agent["name"].as_str()).collect();
    assert!(names.contains(&"good"), "{names:?}");
    let errors = listing["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 4, "{errors:?}");
    for error in errors {
        assert_eq!(error["exception_type"], "CorruptedAgentDataError");
        assert!(error["message"].as_str().unwrap().contains("data.json"), "{error}");
        assert!(error["agent_id"].as_str().unwrap().starts_with("agent-"));
    }
    env.mng("list").exits(1).prints("good").says(&["data.json"]);
    // Unreadable is not gone: what runs in its name is no stray.
    let _ = env.mng("gc");
    assert_eq!(env.sessions().len(), 5);
    env.mng("stop good").success();
}

#[test]
fn a_host_record_that_is_no_json_is_named() {
    let env = TestEnv::new();
    env.create("a1");
    fs::write(env.state_dir().join("data.json"), "{\"host_id\": ").unwrap();
    env.mng("create a2 --type command --no-connect -- sleep 1").exits(1).says(&["data.json"]);
    assert_eq!(
        fs::read_to_string(env.state_dir().join("data.json")).unwrap(),
        "{\"host_id\": ",
        "it is evidence"
    );
    // Nobody knows which work dirs are generated: nothing may go.
    let _ = env.mng("gc");
    assert!(env.work_dir("a1").has("README.md"));
}

#[test]
fn an_unwritable_state_directory() {
    let env = TestEnv::new();
    env.create("a1");
    env.mng("stop a1").success();
    let copy = env.root().join("frozen");
    fs::create_dir(&copy).unwrap();
    let Some(disk) = SmallDisk::mount(&copy, 2048) else { return };
    env.bash(&format!("cp -a '{}/.' '{}/'", env.state_dir().display(), copy.display())).run().success();
    disk.set_read_only(true);
    let frozen = |line: &str| env.command(line).env("MNG_HOST_DIR", &copy).run();
    let before = env.repo().fingerprint();
    frozen("create a2 --type command --no-connect -- sleep 1000").exits(1).says(&["frozen"]);
    frozen("rename a1 b1").exits(1);
    frozen("list").success().prints("a1");
    frozen("--help").success();
    assert_eq!(env.repo().fingerprint(), before);
    assert_eq!(env.sessions(), Vec::<String>::new());
}

#[test]
fn tmux_missing_or_too_old() {
    let env = TestEnv::new();
    let real_path = std::env::var("PATH").unwrap();
    env.install("tmux", "#!/bin/sh\necho 'tmux 2.9'\n");
    refused_without_tmux(&env, &["tmux", "3.2"]);
    fs::remove_file(env.root().join("bin/tmux")).unwrap();
    // A PATH with everything but tmux.
    let tools = env.root().join("tools");
    fs::create_dir(&tools).unwrap();
    for dir in real_path.split(':') {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            if entry.file_name() != "tmux" {
                let _ = std::os::unix::fs::symlink(entry.path(), tools.join(entry.file_name()));
            }
        }
    }
    let run = env.command("create a1 --type command --no-connect -- sleep 1").env("PATH", &tools).run();
    run.exits(1).says(&["tmux"]);
    env.command("list").env("PATH", &tools).run().success();
    assert!(env.records().is_empty());
    assert_eq!(env.repo().worktrees().len(), 1);
    assert!(!env.repo().has_branch("mng/a1"));
}

fn refused_without_tmux(env: &TestEnv, words: &[&str]) {
    env.mng("create a1 --type command --no-connect -- sleep 1").exits(1).says(words);
    assert!(env.records().is_empty());
    assert_eq!(env.repo().worktrees().len(), 1);
    assert!(!env.repo().has_branch("mng/a1"));
}

#[test]
fn a_work_dir_deleted_behind_an_agents_back() {
    let env = TestEnv::new();
    env.create("a1");
    let work_dir = env.work_dir("a1");
    work_dir.write("work", "x");
    let tip = work_dir.commit("work");
    fs::remove_dir_all(work_dir.path()).unwrap();
    env.mng("list").success().prints("a1");
    env.mng("stop a1").success();
    let start = env.mng("start a1").exits(1);
    start.says(&["mng/a1", &work_dir.path().to_string_lossy()]);
    assert!(!env.has_session("mng-a1"), "tmux would have fallen back to the home directory");
    env.mng("exec a1 pwd").exits(1);
    env.mng("destroy a1 --force").success();
    assert_eq!(env.repo().rev("mng/a1"), tip, "the branch stays");
    assert!(env.records().is_empty());
    assert_eq!(env.repo().worktrees().len(), 1);
}

#[test]
fn a_killed_tmux_server_stops_agents_and_start_brings_them_back() {
    let env = TestEnv::new();
    env.create("a1");
    env.work_dir("a1").write("notes", "kept");
    let id = env.agent_id("a1");
    env.tmux(&["kill-server"]);
    env.eventually("a1 is stopped", |env| env.state_of("a1") == "STOPPED");
    env.mng("capture a1").exits(1);
    env.mng("message a1 -m x").exits(1).says(&["not running"]);
    env.mng("start a1").success();
    assert_eq!(env.state_of("a1"), "RUNNING");
    assert_eq!(env.work_dir("a1").read("notes"), "kept");
    assert_eq!(env.agent_id("a1"), id);
}

#[test]
fn a_full_disk_breaks_a_create_cleanly() {
    let env = TestEnv::new();
    let dir = env.root().join("disk");
    fs::create_dir(&dir).unwrap();
    let Some(disk) = SmallDisk::mount(&dir, 4096) else { return };
    let state = dir.join("state");
    let on_disk = |line: &str| env.command(line).env("MNG_HOST_DIR", &state).run();
    on_disk("create a1 --type command --no-connect -- sleep 1000").success();
    on_disk("stop a1").success();
    let agents = || fs::read_dir(state.join("agents")).unwrap().count();
    let records = |name: &str| {
        fs::read_dir(state.join("agents"))
            .unwrap()
            .filter_map(|entry| fs::read_to_string(entry.unwrap().path().join("data.json")).ok())
            .filter(|text| text.contains(&format!("\"name\": \"{name}\"")))
            .count()
    };
    let before = env.repo().fingerprint();
    let filler = disk.fill();
    on_disk("create a2 --type command --no-connect -- sleep 1000").exits(1).says(&["no space"]);
    on_disk("rename a1 b1").exits(1).says(&["no space"]);
    on_disk("label a1 -l x=y").exits(1).says(&["no space"]);
    assert_eq!(records("a1"), 1, "a record is whole or not written");
    on_disk("list").success().prints("a1");
    assert_eq!(agents(), 1);
    assert_eq!(env.repo().fingerprint(), before);
    fs::remove_file(filler).unwrap();
    on_disk("create a2 --type command --no-connect -- sleep 1000").success();
    on_disk("destroy a1 a2 --force").success();
}

#[test]
fn errors_as_they_are_printed() {
    let env = TestEnv::new();
    env.create("fix-auth");
    assert_snapshot!(env.mng("create fix-auth --type command --no-connect -- sleep 1"), @r"
    exit 1
    ---- stdout
    ---- stderr
    Error: an agent named `fix-auth` exists on host `localhost`
      hint: use it with `mng create fix-auth --reuse`, or choose another name
    ");
    assert_snapshot!(env.mng("create x --type comand --no-connect -- sleep 1"), @r"
    exit 1
    ---- stdout
    ---- stderr
    Error: there is no agent type `comand` (did you mean `command`?)
      hint: known types: claude, code-guardian, codex, command, fixme-fairy, headless_claude, headless_command, opencode, pi-coding; any program runs with `--type command -- PROGRAM ARGS`
    ");
    assert_snapshot!(env.mng("create 'bad name!' --type command --no-connect -- sleep 1"), @r"
    exit 2
    ---- stdout
    ---- stderr
    Error: `bad name!` cannot be the agent name: letters, digits, `-` and `_` only, with a letter or digit at both ends
      hint: try `bad-name`
    ");
    assert_snapshot!(env.mng("create x --type command --branch main --no-connect -- sleep 1"), @r"
    exit 1
    ---- stdout
    ---- stderr
    Error: the branch `main` is checked out at `$REPO`, and git checks a branch out only once
      hint: make a branch from it with `--branch main:`, or work right there: `--from $REPO --transfer none`
    ");
    env.repo().write("dirty", "x");
    assert_snapshot!(env.mng("create x --type command --no-connect -- sleep 1"), @r"
    exit 1
    ---- stdout
    ---- stderr
    Error: `$REPO` has uncommitted changes: dirty
      hint: commit or stash them; or leave them behind with `--no-ensure-clean --exclude-unclean`, or take them along with `--no-ensure-clean`
    ");
    assert_snapshot!(env.mng("stop nobody --format json"), @r#"
    exit 1
    ---- stdout
    {"error":{"error_class":"AgentNotFoundError","message":"agent not found: no agent matches `nobody`","hint":"`mng list` shows the agents there are (asked: local)"},"exit_code":1}
    ---- stderr
    Error: agent not found: no agent matches `nobody`
      hint: `mng list` shows the agents there are (asked: local)
    "#);
    assert_snapshot!(env.mng("list --include 'state =='"), @r#"
    exit 1
    ---- stdout
    ---- stderr
    Error: invalid include filter expression `state ==`: mismatched input '<EOF>' expecting expression at column 9
      hint: an expression is CEL, such as `state == "RUNNING" && has(labels.env)`; fields: `mng list --schema`
    "#);
    assert_snapshot!(env.mng("lst"), @r"
    exit 2
    ---- stdout
    ---- stderr
    Usage: mng [OPTIONS] COMMAND [ARGS]...
    Try `mng --help` for help.

    Error: No such command 'lst'. (Did you mean one of: 'list', 'ls'?)
    ");
    env.settings("prefix = \"mng-\"\n[broken\n");
    assert_snapshot!(env.mng("list"), @r"
    exit 1
    ---- stdout
    ---- stderr
    Error: cannot read settings from `~/.mng/profiles/<hex>/settings.toml`: line 2, column 8: unclosed table, expected `]`
      hint: correct line 2 of `~/.mng/profiles/<hex>/settings.toml`
    ");
    env.settings("prefixx = \"mng-\"\n");
    assert_snapshot!(env.mng("list"), @r"
    exit 1
    ---- stdout
    ---- stderr
    Error: unknown settings key `prefixx` (in `~/.mng/profiles/<hex>/settings.toml:1`)
      hint: did you mean `prefix`?
    ");
}
