//! What `create` makes: the agent, its record, its environment and its windows.

use std::fs;

use mng_tests::TestEnv;

#[test]
fn the_defaults_are_a_worktree_on_a_branch_of_its_own() {
    let env = TestEnv::new();
    let made = env.mng("create a1 --type command --no-connect --format json -- sleep 1000").success().json();
    let record = env.record("a1");
    assert_eq!(made["agent_id"], record["id"]);
    assert_eq!(made["agent_name"], "a1");
    assert_eq!(made["branch"], "mng/a1");
    assert_eq!(made["work_dir"], record["work_dir"]);
    assert_eq!(made["is_reused"], false);
    let work_dir = env.work_dir("a1");
    assert!(work_dir.path().starts_with(env.state_dir().join("worktrees")));
    assert!(work_dir.path().file_name().unwrap().to_string_lossy().starts_with("a1-"));
    assert_eq!(work_dir.branch(), "mng/a1");
    assert_eq!(work_dir.rev("HEAD"), env.repo().rev("main"));
    assert_eq!(env.sessions(), ["mng-a1"]);
    assert_eq!(env.tmux(&["list-windows", "-t", "=mng-a1:", "-F", "#{window_name}"]).trim(), "agent");
}

#[test]
fn the_record_has_what_both_programs_need() {
    let env = TestEnv::new();
    env.mng("create a1 --type command --no-connect --label team=red -- sleep 1000").success();
    let record = env.record("a1");
    for key in ["id", "name", "type", "work_dir", "create_time", "command"] {
        assert!(record[key].is_string(), "{key}: {record}");
    }
    assert!(record["create_time"].as_str().unwrap().ends_with("+00:00"));
    assert_eq!(record["command"], "sleep 1000");
    assert_eq!(record["ready_timeout_seconds"].as_f64(), Some(10.0));
    assert_eq!(record["permissions"], serde_json::json!([]));
    assert_eq!(record["start_on_boot"], false);
    assert_eq!(record["labels"]["team"], "red");
    assert_eq!(record["labels"]["project"], "repo");
    assert_eq!(record["created_branch_name"], "mng/a1");
    assert_eq!(record["checked_out_branch_name"], "mng/a1");
    assert_eq!(record["base_branch"], "main");
    assert_eq!(record["base_commit"], env.repo().rev("main"));
    assert_eq!(record["transfer_mode"], "git-worktree");
    let host: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(env.state_dir().join("data.json")).unwrap()).unwrap();
    assert_eq!(host["generated_work_dirs"], serde_json::json!([record["work_dir"]]));
    assert!(env.agent_dir("a1").join("activity/create").exists());
    assert!(env.agent_dir("a1").join("activity/start").exists());
}

#[test]
fn private_files_are_private() {
    use std::os::unix::fs::PermissionsExt;
    let env = TestEnv::new();
    env.mng("create a1 --type command --no-connect --env TOKEN=secret -- sleep 1000").success();
    let mode = |path: std::path::PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(env.state_dir()), 0o700);
    assert_eq!(mode(env.agent_dir("a1").join("env")), 0o600);
}

#[test]
fn agent_arguments_arrive_as_typed() {
    let env = TestEnv::new();
    let args = ["a b", "c'd", "$HOME", "`x`", "\"q\"", "semi;colon", "üñí"];
    env.install(
        "show-args",
        "#!/bin/sh\nfor arg; do printf '<%s>\\n' \"$arg\"; done > args.txt\nsleep 1000\n",
    );
    let mut words = vec!["create", "a1", "--type", "command", "--no-connect", "--", "show-args"];
    words.extend(args);
    env.mng_args(&words).success();
    let expected: String = args.iter().map(|arg| format!("<{arg}>\n")).collect();
    env.eventually("the program has written its arguments", |env| {
        env.work_dir("a1").has("args.txt") && env.work_dir("a1").read("args.txt") == expected
    });
}

#[test]
fn one_argument_with_shell_signs_is_a_shell_line() {
    let env = TestEnv::new();
    env.mng_args(&[
        "create",
        "a1",
        "--type",
        "command",
        "--no-connect",
        "--",
        "echo one > out && echo two >> out",
    ])
    .success();
    env.eventually("both commands ran", |env| {
        env.work_dir("a1").has("out") && env.work_dir("a1").read("out") == "one\ntwo\n"
    });
}

#[test]
fn a_command_line_longer_than_a_terminal_line_runs_whole() {
    let env = TestEnv::new();
    let long = "x".repeat(9000);
    env.mng_args(&["create", "a1", "--type", "command", "--no-connect", "--", &format!("echo {long} > out")])
        .success();
    env.eventually("it ran", |env| {
        env.work_dir("a1").has("out") && env.work_dir("a1").read("out").len() == 9001
    });
}

#[test]
fn words_after_the_first_double_dash_are_never_name_or_type() {
    let env = TestEnv::new();
    env.mng_args(&["create", "--type", "command", "--no-connect", "--", "sleep", "1000"]).success();
    let names = env.agent_names();
    assert_eq!(names.len(), 1);
    assert_ne!(names[0], "sleep");
    assert_eq!(env.records()[0]["command"], "sleep 1000");
}

#[test]
fn the_type_may_be_the_second_word_and_generic_is_command() {
    let env = TestEnv::new();
    env.mng("create a1 command --no-connect -- sleep 1000").success();
    env.mng("create a2 --agent-type generic --no-connect -- sleep 1000").success();
    env.mng("create a3 --agent-cmd 'sleep 1000' --no-connect").success();
    for name in ["a1", "a2", "a3"] {
        assert_eq!(env.record(name)["type"], "command");
        assert_eq!(env.state_of(name), "RUNNING");
    }
    env.mng("create a4 command --type headless_command --no-connect -- true").exits(2);
}

#[test]
fn env_values_reach_the_agent_unharmed() {
    let env = TestEnv::new();
    fs::write(env.root().join("dotenv"), "FROM_FILE='in file'\nBOTH=file\nexport EXPORTED=yes\n# comment\n")
        .unwrap();
    let hostile = "a;touch${IFS}hacked $HOME `touch hacked` 'q' \"d\" \\b";
    let run = env
        .command_args(&[
            "create",
            "a1",
            "--type",
            "command",
            "--no-connect",
            "--env-file",
            &env.root().join("dotenv").to_string_lossy(),
            "--pass-env",
            "PASSED",
            "--pass-env",
            "NOT_SET",
            "--env",
            &format!("HOSTILE={hostile}"),
            "--env",
            "BOTH=flag",
            "--env",
            "SPACED= x ",
            "--",
            "env -0 > ../env.tmp && mv ../env.tmp env.out; sleep 1000",
        ])
        .env("PASSED", "through")
        .run();
    run.success();
    env.eventually("the agent has written its environment", |env| env.work_dir("a1").has("env.out"));
    let dump = env.work_dir("a1").read("env.out");
    let var = |key: &str| {
        dump.split('\0').find_map(|entry| entry.strip_prefix(&format!("{key}="))).map(str::to_owned)
    };
    assert_eq!(var("HOSTILE").as_deref(), Some(hostile));
    assert_eq!(var("SPACED").as_deref(), Some(" x "));
    assert_eq!(var("FROM_FILE").as_deref(), Some("in file"));
    assert_eq!(var("BOTH").as_deref(), Some("flag"));
    assert_eq!(var("PASSED").as_deref(), Some("through"));
    assert_eq!(var("NOT_SET"), None);
    assert_eq!(var("MNG_AGENT_ID"), Some(env.agent_id("a1")));
    assert_eq!(var("MNG_AGENT_NAME").as_deref(), Some("a1"));
    assert_eq!(var("MNG_HOST_DIR"), Some(env.state_dir().to_string_lossy().into_owned()));
    assert_eq!(var("MNG_AGENT_STATE_DIR"), Some(env.agent_dir("a1").to_string_lossy().into_owned()));
    assert_eq!(var("MNG_AGENT_WORK_DIR"), Some(env.work_dir("a1").path().to_string_lossy().into_owned()));
    for key in ["GIT_BASE_BRANCH", "MNG_GIT_BASE_BRANCH"] {
        assert_eq!(var(key).as_deref(), Some("main"));
    }
    assert!(!env.work_dir("a1").has("hacked"));
}

#[test]
fn provisioning_runs_in_its_order() {
    let env = TestEnv::new();
    fs::write(env.root().join("upload.txt"), "uploaded\n").unwrap();
    let target = env.root().join("provisioned");
    let at = |name: &str| target.join(name).to_string_lossy().into_owned();
    env.mng_args(&[
        "create",
        "a1",
        "--type",
        "command",
        "--no-connect",
        "--create-directory",
        &target.to_string_lossy(),
        "--upload-file",
        &format!("{}:{}", env.root().join("upload.txt").display(), at("file")),
        "--append-to-file",
        &format!("{}:appended\n", at("file")),
        "--prepend-to-file",
        &format!("{}:prepended\n", at("file")),
        "--extra-provision-command",
        &format!("cp '{}' copy && printf %s \"$MNG_AGENT_NAME\" > name", at("file")),
        "--user-command",
        "pwd > where",
        "--",
        "sleep 1000",
    ])
    .success();
    assert_eq!(fs::read_to_string(target.join("file")).unwrap(), "prepended\nuploaded\nappended\n");
    let work_dir = env.work_dir("a1");
    assert_eq!(work_dir.read("copy"), "prepended\nuploaded\nappended\n");
    assert_eq!(work_dir.read("name"), "a1");
    assert_eq!(work_dir.read("where").trim(), work_dir.path().to_string_lossy());
}

#[test]
fn a_failed_provisioning_takes_back_what_create_made() {
    let env = TestEnv::new();
    let (repo, state) = (env.repo().fingerprint(), env.state_fingerprint());
    env.mng_args(&[
        "create",
        "a1",
        "--type",
        "command",
        "--no-connect",
        "--extra-provision-command",
        "echo broken >&2; exit 7",
        "--",
        "sleep 1000",
    ])
    .exits(1)
    .says(&["broken"]);
    assert_eq!(env.repo().fingerprint(), repo);
    assert_eq!(env.repo().worktrees().len(), 1);
    assert!(env.records().is_empty());
    assert!(env.sessions().is_empty());
    assert!(
        env.mng("gc --format json").success().json()["work_dirs_destroyed"].as_array().unwrap().is_empty()
    );
    drop(state);
    env.create("a1");
}

#[test]
fn extra_windows_have_names_and_the_agents_environment() {
    let env = TestEnv::new();
    env.mng_args(&[
        "create",
        "a1",
        "--type",
        "command",
        "--no-connect",
        "-w",
        "logs=printf '%s' \"$MNG_AGENT_NAME\" > window.out; sleep 1000",
        "-w",
        "sleep 1001",
        "--",
        "sleep 1000",
    ])
    .success();
    let windows = env.tmux(&["list-windows", "-t", "=mng-a1:", "-F", "#{window_active} #{window_name}"]);
    assert_eq!(windows.lines().collect::<Vec<_>>(), ["1 agent", "0 logs", "0 cmd-2"]);
    env.eventually("the window's command ran", |env| {
        env.work_dir("a1").has("window.out") && env.work_dir("a1").read("window.out") == "a1"
    });
    env.mng("create a2 --type command --no-connect -w agent=true -- sleep 1000").exits(2);
    assert_eq!(env.agent_names(), ["a1"]);
}

#[test]
fn the_initial_message_arrives() {
    let env = TestEnv::new();
    let echo = "while read -r l; do echo \"got:$l\"; done";
    env.mng_args(&[
        "create",
        "a1",
        "--type",
        "command",
        "--no-connect",
        "--message",
        "first words",
        "--",
        echo,
    ])
    .success();
    env.eventually("it arrives", |env| env.screen("mng-a1").contains("got:first words"));
    fs::write(env.root().join("words"), "from a file\n").unwrap();
    let file = env.root().join("words");
    env.mng_args(&[
        "create",
        "a2",
        "--type",
        "command",
        "--no-connect",
        "--message-file",
        &file.to_string_lossy(),
        "--",
        echo,
    ])
    .success();
    env.eventually("it arrives", |env| env.screen("mng-a2").contains("got:from a file"));
    env.mng("create a3 --type command --no-connect --message x --message-file /dev/null -- sleep 1").exits(2);
}

#[test]
fn an_edited_message_is_sent() {
    let env = TestEnv::new();
    env.install("my editor", "#!/bin/sh\nprintf 'typed in the editor\\n\\n' >> \"$1\"\n");
    let echo = "while read -r l; do echo \"got:$l\"; done";
    let command = env
        .command_args(&["create", "a1", "--type", "command", "--no-connect", "--edit-message", "--", echo])
        .env("EDITOR", "'my editor'");
    let terminal = env.terminal_of(command, (80, 24));
    assert_eq!(terminal.wait_exit(), 0, "{}", terminal.screen());
    env.eventually("it arrives", |env| env.screen("mng-a1").contains("got:typed in the editor"));
    // Without a terminal there is nowhere to edit.
    env.mng("create a2 --type command --no-connect --edit-message -- sleep 1").exits(2);
    assert_eq!(env.agent_names(), ["a1"]);
}

#[test]
fn templates_and_config_fill_in_what_was_not_typed() {
    let env = TestEnv::new();
    env.settings(
        "[commands.create]\nlabel = [\"from=config\"]\nconnect = false\n\
         [create_templates.shell]\ntype = \"command\"\ntransfer = \"none\"\nlabel__extend = [\"by=template\"]\n",
    );
    env.mng("create a1 -t shell -- sleep 1000").success();
    let record = env.record("a1");
    assert_eq!(record["work_dir"].as_str().unwrap(), env.repo().path().to_string_lossy());
    assert_eq!(record["labels"]["from"], "config");
    assert_eq!(record["labels"]["by"], "template");
    env.mng("create a2 -t shell --transfer git-worktree --label typed=yes -- sleep 1000").success();
    assert_ne!(env.record("a2")["work_dir"], record["work_dir"]);
    assert_eq!(env.record("a2")["labels"]["typed"], "yes");
    assert_eq!(env.record("a2")["labels"]["from"], "config");
}

#[test]
fn generated_names_are_valid_and_new() {
    let env = TestEnv::new();
    for _ in 0..6 {
        env.mng("create --type command --no-connect --transfer none -- sleep 1000").success();
    }
    let names = env.agent_names();
    assert_eq!(names.len(), 6);
    for name in names {
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{name}");
    }
    env.mng("create --name-style scientists --type command --no-connect --transfer none -- sleep 1000")
        .success();
    env.mng("create --name-style nonsense --type command --no-connect -- sleep 1000").exits(2);
}

#[test]
fn jsonl_reports_progress_with_stable_steps() {
    let env = TestEnv::new();
    let lines =
        env.mng("create a1 --type command --no-connect --format jsonl -- sleep 1000").success().jsonl();
    assert_eq!(lines.last().unwrap()["event"], "created");
    assert_eq!(lines.iter().filter(|line| line["event"] == "created").count(), 1);
    let plan = lines.iter().find(|line| line["kind"] == "plan").expect("a plan comes first");
    let steps: Vec<&str> =
        plan["steps"].as_array().unwrap().iter().map(|step| step["step"].as_str().unwrap()).collect();
    assert_eq!(steps, ["preparing", "transferring_project", "provisioning", "starting_agent"]);
    for step in steps {
        let completed = lines.iter().find(|line| line["kind"] == "completed" && line["step"] == step);
        assert!(completed.unwrap_or_else(|| panic!("{step} never completed"))["elapsed_seconds"].is_number());
    }
}

#[test]
fn reuse_finds_the_agent_and_revives_a_done_one() {
    let env = TestEnv::new();
    env.create("a1");
    let id = env.agent_id("a1");
    let again =
        env.mng("create a1 --type command --no-connect --reuse --format json -- sleep 5").success().json();
    assert_eq!(again["agent_id"], id.as_str());
    assert_eq!(again["is_reused"], true);
    assert_eq!(env.agent_names(), ["a1"]);
    let echo = "[ -e once ] || { touch once; exit; }; while read -r l; do echo \"got:$l\"; done";
    env.mng_args(&["create", "husk", "--type", "command", "--no-connect", "--", echo]).success();
    env.eventually("it is done", |env| env.state_of("husk") == "DONE");
    env.mng("create husk --type command --no-connect --reuse --message again -- x").success();
    env.eventually("the message reaches the program, not its shell", |env| {
        env.screen("mng-husk").contains("got:again")
    });
    env.mng("create a1 --type headless_command --foreground --reuse -- true").exits(1);
}

#[test]
fn update_rebuilds_in_place_and_keeps_the_identity() {
    let env = TestEnv::new();
    env.create("a1");
    let before = env.record("a1");
    env.mng("create a1 --type command --no-connect --reuse --update -- sleep 2000").success();
    let after = env.record("a1");
    for key in ["id", "create_time", "work_dir", "created_branch_name"] {
        assert_eq!(after[key], before[key], "{key}");
    }
    assert_eq!(after["command"], "sleep 2000");
    assert_eq!(env.state_of("a1"), "RUNNING");
    env.mng("create a1 --type command --no-connect --update -- sleep 1").exits(2);
}

#[test]
fn headless_output_streams_and_the_agent_goes_away() {
    let env = TestEnv::new();
    let run = env
        .mng_args(&["create", "--type", "headless_command", "--foreground", "--", "echo one; echo two"])
        .success();
    assert_eq!(run.stdout, "one\ntwo\n");
    assert!(env.records().is_empty());
    assert!(env.sessions().is_empty());
    let answer = env
        .mng_args(&[
            "create",
            "--type",
            "headless_command",
            "--foreground",
            "--format",
            "json",
            "--",
            "echo one",
        ])
        .success()
        .json();
    assert_eq!(answer["response"].as_str().unwrap().trim_end(), "one");
    env.mng("create a1 --type headless_command -- true").exits(1).says(&["--foreground"]);
    env.mng("create a1 --type command --foreground -- true").exits(1);
}

#[test]
fn the_connect_command_gets_the_agent_and_without_a_terminal_nothing_attaches() {
    let env = TestEnv::new();
    let run = env.mng("create a1 --type command -- sleep 1000").success();
    assert!(run.elapsed.as_secs() < 20);
    assert!(env.has_session("mng-a1"));
    let note = env.root().join("note");
    let command = format!("echo $MNG_AGENT_NAME $MNG_SESSION_NAME $MNG_HOST_IS_LOCAL > {}", note.display());
    env.mng_args(&[
        "create",
        "a2",
        "--type",
        "command",
        "--connect",
        "--connect-command",
        &command,
        "--",
        "sleep 1000",
    ])
    .success();
    assert_eq!(fs::read_to_string(note).unwrap().trim(), "a2 mng-a2 true");
}

#[test]
fn create_inside_tmux_uses_the_server_of_its_environment_not_the_callers() {
    let env = TestEnv::new();
    env.command("create a1 --type command --no-connect -- sleep 1000")
        .env("TMUX", "/nowhere/else,1,0")
        .env("TMUX_PANE", "%0")
        .run()
        .success();
    assert_eq!(env.sessions(), ["mng-a1"]);
}

/// A shared server that once inherited an agent's mark branded every later session with it.
#[test]
fn a_server_born_inside_an_agent_does_not_carry_its_mark() {
    let env = TestEnv::new();
    env.command("create a1 --type command --no-connect -- sleep 1000")
        .env("MNG_AGENT_ID", "agent-00000000000000000000000000000000")
        .env("MNG_HOST_DIR", env.state_dir())
        .run()
        .success();
    let global = env.tmux(&["show-environment", "-g"]);
    assert!(!global.lines().any(|line| line.starts_with("MNG_AGENT_ID=")), "{global}");
}

#[test]
fn the_window_has_the_configured_size() {
    let env = TestEnv::new();
    env.create("a1");
    let size = |session: &str| {
        env.tmux(&[
            "display-message",
            "-p",
            "-t",
            &format!("={session}:"),
            "#{window_width}x#{window_height}",
        ])
        .trim()
        .to_owned()
    };
    assert_eq!(size("mng-a1"), "200x50");
    env.mng("create a2 --type command --no-connect --tmux-width 90 --tmux-height 30 -- sleep 1000").success();
    assert_eq!(size("mng-a2"), "90x30");
    env.mng("create a3 --type command --no-connect --tmux-width 0 -- sleep 1000").exits(2);
}

#[test]
fn an_empty_environment_is_enough() {
    let env = TestEnv::new();
    // No locale: tmux then replaces tabs and non-ASCII letters unless told that it may print UTF-8.
    let mut command = env.command("create ünï --type command --no-connect -- sleep 1000");
    for name in ["USER", "TZ", "COLUMNS", "SHELL", "TMPDIR"] {
        command = command.env_remove(name);
    }
    command.run().exits(2);
    let mut command = env.command("create a1 --type command --no-connect -- sh -c 'echo größe; sleep 1000'");
    for name in ["USER", "TZ", "COLUMNS", "SHELL", "TMPDIR"] {
        command = command.env_remove(name);
    }
    command.run().success();
    let text = |line: &str| env.command(line).env_remove("SHELL").run().success().stdout;
    env.eventually("the screen shows it", |_| text("capture a1").contains("größe"));
    assert!(text("list").contains("RUNNING"));
}

#[test]
fn the_persons_tmux_settings_do_not_matter() {
    let env = TestEnv::new();
    std::fs::write(
        env.home().join(".tmux.conf"),
        "set -g base-index 1\nset -g pane-base-index 1\nset -g renumber-windows on\nset -g mouse on\n\
         set -g default-command 'exec bash --norc'\nset -g prefix C-a\nset -g automatic-rename on\n",
    )
    .unwrap();
    env.create_echo("a1");
    env.mng("message a1 -m hello").success();
    env.eventually("it arrives", |env| env.mng("capture a1").success().stdout.contains("got:hello"));
    env.mng("stop a1").success();
    env.mng("start a1").success();
    assert_eq!(env.state_of("a1"), "RUNNING");
}

#[test]
fn an_option_is_done_or_refused_and_never_ignored() {
    let env = TestEnv::new();
    for option in ["--user=nobody", "--session-command=true"] {
        let run =
            env.mng_args(&["create", "a1", "--type", "command", "--no-connect", option, "--", "sleep 1000"]);
        assert_ne!(run.code(), Some(0), "{option} is accepted and has no meaning here\n{}", run.in_full());
        let name = option.split('=').next().unwrap();
        run.says(&[name]);
    }
    assert!(env.records().is_empty());
    env.mng("create a1 --type command --no-connect --start-on-boot --grant net -- sleep 1000").success();
    assert_eq!(env.record("a1")["start_on_boot"], true);
    assert_eq!(env.record("a1")["permissions"], serde_json::json!(["net"]));
}

#[test]
fn reuse_of_another_type_is_an_error() {
    let env = TestEnv::new();
    env.create("a1");
    env.settings("[agent_types.other]\nparent_type = \"command\"\n");
    env.mng("create a1 --type other --reuse --no-connect -- sleep 1")
        .exits(1)
        .says(&["a1", "command", "other"]);
    assert_eq!(env.record("a1")["type"], "command");
}
