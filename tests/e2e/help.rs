//! Help, versions, completion and the doctor.

use mng_tests::TestEnv;

const COMMANDS: [&str; 33] = [
    "archive",
    "capture",
    "cleanup",
    "clone",
    "completion",
    "config",
    "connect",
    "create",
    "destroy",
    "doctor",
    "event",
    "exec",
    "gc",
    "help",
    "label",
    "limit",
    "list",
    "logs",
    "message",
    "migrate",
    "plugin",
    "provision",
    "rename",
    "snapshot",
    "start",
    "stop",
    "undo",
    "why",
    "extras",
    "ls",
    "rm",
    "x",
    "msg",
];

#[test]
fn every_command_has_a_page() {
    let env = TestEnv::without_repo();
    for command in COMMANDS {
        let page = env.mng(&format!("help {command}")).success();
        let option = env.mng(&format!("{command} --help")).success();
        assert_eq!(page.stdout, option.stdout, "help {command}");
        for line in page.lines() {
            assert!(line.chars().count() <= 80, "`{command}` is wider than 80 columns: {line}");
        }
    }
    let overview = env.mng("help").success();
    for command in ["create", "list", "undo", "why", "TOPICS", "address"] {
        assert!(overview.stdout.contains(command), "{command}");
    }
    assert!(!env.state_dir().exists(), "help writes nothing");
}

#[test]
fn topics_and_unknown_words() {
    let env = TestEnv::without_repo();
    for topic in [
        "address",
        "agents",
        "hosts",
        "agent_types",
        "idle_detection",
        "environment_variables",
        "plugins",
        "exit_codes",
    ] {
        let page = env.mng(&format!("help {topic}")).success();
        assert!(page.stdout.lines().count() > 5, "{topic}");
    }
    env.mng("help adress").exits(1).says(&["adress", "address"]);
    env.mng("help addr").success();
}

#[test]
fn bare_mng_and_groups() {
    let env = TestEnv::without_repo();
    let bare = env.mng("").exits(2);
    assert_eq!(bare.stdout, "");
    assert!(bare.stderr.contains("create"));
    env.mng("--help").success().prints("create");
    let version = env.mng("--version").success();
    assert_eq!(version.stdout, format!("mng {}\n", env!("CARGO_PKG_VERSION")));
    env.mng("config").success();
    env.mng("plugin").success();
}

#[test]
fn common_options_stand_before_or_after_the_command() {
    let env = TestEnv::new();
    assert_eq!(env.mng("--format json list").success().stdout, env.mng("list --json").success().stdout);
    env.mng("list --json --jsonl").exits(2);
    env.mng("list --json --format jsonl").exits(2);
    env.mng("-q list").success();
}

#[test]
fn a_default_subcommand_can_be_configured() {
    let env = TestEnv::new();
    env.settings("[commands.mng]\ndefault_subcommand = \"create\"\n");
    env.mng("a1 --type command --no-connect -- sleep 1000").success();
    assert_eq!(env.agent_names(), ["a1"]);
}

#[test]
fn completion_scripts_complete_in_their_shells() {
    let env = TestEnv::new();
    env.create("fix-auth");
    env.create("fix-login");
    for shell in ["bash", "zsh", "fish"] {
        let script = env.mng(&format!("completion {shell}")).success();
        assert!(script.stdout.contains("mng"), "{shell}");
    }
    env.mng("completion tcsh").exits(2).says(&["tcsh"]);
    let complete = |words: &str| -> Vec<String> {
        let line = format!(
            "source <(mng completion bash); COMP_LINE='{words}'; COMP_POINT=${{#COMP_LINE}}; \
             f=$(complete -p mng | sed 's/.*-F \\([^ ]*\\).*/\\1/'); $f mng; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        );
        let run = env.bash(&line).run().success();
        run.lines().into_iter().map(|word| word.trim().to_owned()).filter(|word| !word.is_empty()).collect()
    };
    let li = complete("mng li");
    assert!(li.contains(&"list".to_owned()) && li.contains(&"limit".to_owned()), "{li:?}");
    assert_eq!(complete("mng stop fix-"), ["fix-auth", "fix-login"]);
    let options = complete("mng list --pro");
    assert!(
        options.contains(&"--project".to_owned()) && options.contains(&"--provider".to_owned()),
        "{options:?}"
    );
    assert_eq!(complete("mng create a1 --transfer git-"), ["git-mirror", "git-worktree"]);
    assert_eq!(complete("mng create a1 --type com"), ["command"]);
    assert_eq!(complete("mng help adr"), Vec::<String>::new());
    assert_eq!(complete("mng help addr"), ["address"]);
}

#[test]
fn the_doctor_reports_what_is_missing() {
    let env = TestEnv::new();
    let healthy = env.mng("doctor").success();
    healthy.prints("git").prints("tmux");
    env.mng("dependencies").success();
    env.install("tmux", "#!/bin/sh\necho 'tmux 2.9'\n");
    let run = env.mng("doctor").exits(1);
    assert!((run.stdout.clone() + &run.stderr).contains("3.2"), "{}", run.in_full());
}

#[test]
fn snapshots_are_not_for_the_local_provider() {
    let env = TestEnv::new();
    env.create("a1");
    env.mng("snapshot create a1").exits(1).says(&["snapshot", "local"]);
    let error = env.mng("snapshot list a1 --format json").exits(1).json();
    assert_eq!(error["error"]["error_class"], "SnapshotsNotSupportedError");
}
