//! What every command shares: how it is called, where its options come from, how it fails.

mod completion;
mod output;
mod settings;

use mng_tests::TestEnv;

#[test]
fn the_fast_paths_need_nothing() {
    let env = TestEnv::new();
    let before = env.state_fingerprint();
    // Broken settings, no home even: the version and the help are still there.
    env.settings("prefix = [");
    env.command("--version").env("HOME", "/nonexistent").run().success().prints("mng 0.1.0\n");
    env.mng("-v --version").success().prints("local");
    env.mng("--help").success().prints("COMMANDS");
    env.mng("list --help").success().prints("SYNOPSIS\n       mng list");
    env.mng("help ls").success().prints("mng list, ls - ");
    env.mng("help address").success().prints("# Addresses");
    env.mng("completion bash").success().prints("complete ");
    drop(before);
    let fresh = TestEnv::new();
    let before = fresh.state_fingerprint();
    for line in
        ["--help", "help", "list", "list --json", "plugin list", "config list", "config path", "doctor"]
    {
        let _ = fresh.mng(line).success();
    }
    assert!(!fresh.state_dir().exists(), "reading commands create nothing");
    assert_eq!(fresh.state_fingerprint(), before);
}

#[test]
fn nothing_asked_shows_help_and_fails() {
    let env = TestEnv::new();
    let bare = env.mng("").exits(2);
    assert_eq!(bare.stdout, "");
    assert!(bare.stderr.starts_with("NAME\n"), "{}", bare.stderr);
    let group = env.mng("config").success();
    assert!(group.stdout.contains("COMMANDS") && group.stderr.is_empty());
}

#[test]
fn mistakes_come_with_what_was_meant() {
    let env = TestEnv::new();
    insta::assert_snapshot!(env.mng("lst"), @r"
    exit 2
    ---- stdout
    ---- stderr
    Usage: mng [OPTIONS] COMMAND [ARGS]...
    Try `mng --help` for help.

    Error: No such command 'lst'. (Did you mean one of: 'list', 'ls'?)
    ");
    insta::assert_snapshot!(env.mng("list --runing"), @r"
    exit 2
    ---- stdout
    ---- stderr
    Usage: mng list [OPTIONS]
    Try `mng list --help` for help.

    Error: No such option '--runing'. (Did you mean one of: '--running', '--plugin'?)
    ");
    insta::assert_snapshot!(env.mng("snapshot crate"), @r"
    exit 2
    ---- stdout
    ---- stderr
    Usage: mng snapshot COMMAND [OPTIONS]
    Try `mng snapshot --help` for help.

    Error: No such command 'crate'. (Did you mean 'create'?)
    ");
    insta::assert_snapshot!(env.mng("--frmat json list"), @r"
    exit 2
    ---- stdout
    ---- stderr
    Usage: mng [OPTIONS] COMMAND [ARGS]...
    Try `mng --help` for help.

    Error: No such option '--frmat'. (Did you mean '--format'?)
    ");
    env.mng("help lsit").exits(1).says(&["there is no command or topic `lsit`", "did you mean `list`"]);
    env.mng("config get").exits(2).says(&["Missing 'KEY'."]);
    env.mng("snapshot destroy a").exits(2).says(&["--snapshot ID"]);
}

#[test]
fn common_options_stand_before_and_behind_and_the_later_one_counts() {
    let env = TestEnv::new();
    let _ = env.mng("--format json list").success().json();
    let _ = env.mng("--format json list --format human").success().prints("No agents found");
    let _ = env.mng("--json config path").success().json();
    let _ = env.mng("config --json path --scope project").success().json();
    env.mng("--json --jsonl list").exits(2).says(&["cannot be used with"]);
    env.mng("list --json --format jsonl").exits(2).says(&["cannot be used with"]);
    env.mng("-q list --nope").exits(2).says(&["No such option"]);
    let elsewhere = env.new_repo("other");
    let path =
        env.mng(&format!("--context {} config path --scope project", elsewhere.path().display())).success();
    assert!(path.stdout.starts_with(elsewhere.path().to_str().unwrap()), "{}", path.stdout);
    env.mng("--context /nope config path").exits(2).says(&["`--context /nope` is no directory"]);
}

#[test]
fn executables_on_the_path_are_commands() {
    let env = TestEnv::new();
    env.install(
        "mng-greet",
        "#!/bin/sh\necho \"$# $1|$MNG_HOST_DIR|$MNG_PROJECT_ROOT|$MNG_PLUGIN_CONFIG\"; exit 7\n",
    );
    env.settings("[plugins.greet]\nenabled = true\n");
    let run = env.mng("greet 'a b' --nope").exits(7);
    let state = env.state_dir();
    let repo = env.repo();
    assert_eq!(
        run.stdout,
        format!("2 a b|{}|{}|{{\"enabled\":true}}\n", state.display(), repo.path().display())
    );
    let listed = env.mng("plugin list --json").success().json();
    let greet = listed["plugins"].as_array().unwrap().iter().find(|row| row["name"] == "greet").unwrap();
    assert_eq!(greet["source"], "path");
    env.mng("gret").exits(2).says(&["'greet'"]);
    env.settings("[plugins.greet]\nenabled = false\n");
    env.mng("greet").exits(1).says(&["is disabled", "mng plugin enable greet"]);
    // What is built in cannot be taken over.
    env.install("mng-list", "#!/bin/sh\necho taken over\n");
    env.mng("list").success().prints_no("taken over");
}

#[test]
fn scripts_run_before_a_command_and_can_prevent_it() {
    let env = TestEnv::new();
    env.settings("[pre_command_scripts]\nlist = [\"touch ran\", \"exit 3\", \"echo broken >&2; false\"]\n");
    env.mng("list")
        .exits(1)
        .says(&["`exit 3`: exit code 3", "`echo broken >&2; false`: exit code 1: broken"]);
    assert!(env.repo().path().join("ran").exists(), "scripts run in the project");
    env.settings("[pre_command_scripts]\nlist = [\"true\"]\n");
    env.mng("list").success();
    env.settings("[pre_command_scripts]\nlist = [\"false\"]\n");
    env.mng("plugin list").success();
}

#[test]
fn a_default_command_takes_unknown_words_only_when_configured() {
    let env = TestEnv::new();
    env.settings(
        "[commands.mng]\ndefault_subcommand = \"list\"\n[commands.config]\ndefault_subcommand = \"path\"\n",
    );
    env.mng("").success().prints("No agents found");
    let _ = env.mng("--json").success().json();
    env.mng("config").success().prints("user: ");
    env.settings("[commands.mng]\ndefault_subcommand = \"nope\"\n");
    env.mng("").exits(1).says(&["`commands.mng.default_subcommand` is `nope`, which is no command"]);
    env.settings("[commands.mng]\ndefault_subcommand = \"\"\n");
    env.mng("").exits(2);
}
