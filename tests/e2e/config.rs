//! Settings from five layers, and editing that keeps comments.

use std::fs;

use mng_tests::TestEnv;
use serde_json::json;

#[test]
fn set_get_and_unset_keep_comments() {
    let env = TestEnv::new();
    let path = env.repo().path().join(".mng/settings.toml");
    env.repo().write(".mng/settings.toml", "# ours\nprefix = \"x-\" # why\n\n[tmux]\n# size\nwidth = 100\n");
    env.mng("config set headless true").success().prints("Set headless = ");
    env.mng("config set tmux.height 40").success();
    env.mng("config set prefix y-").success();
    let text = fs::read_to_string(&path).unwrap();
    for part in
        ["# ours", "# why", "# size", "width = 100", "height = 40", "prefix = \"y-\"", "headless = true"]
    {
        assert!(text.contains(part), "{part} is missing:\n{text}");
    }
    assert_eq!(env.mng("config get tmux.height").success().stdout, "40\n");
    assert_eq!(env.mng("config get tmux.height --format json").success().json()["value"], 40);
    env.mng("config unset tmux.height").success();
    assert!(!fs::read_to_string(&path).unwrap().contains("height"));
    let error = env.mng("config get no.such.key --format json").exits(1).json();
    assert_eq!(error["error"]["error_class"], "ConfigKeyNotFoundError");
}

#[test]
fn layers_override_from_user_to_command_line() {
    let env = TestEnv::new();
    let prefix = |words: &[&str]| {
        let mut args = vec!["config", "get", "prefix"];
        args.extend(words);
        env.mng_args(&args).success().stdout.trim().to_owned()
    };
    assert_eq!(prefix(&[]), "mng-");
    env.mng("config set --scope user prefix user-").success();
    assert_eq!(prefix(&[]), "user-");
    env.mng("config set prefix project-").success();
    assert_eq!(prefix(&[]), "project-");
    env.mng("config set --scope local prefix local-").success();
    assert_eq!(prefix(&[]), "local-");
    assert_eq!(env.command("config get prefix").env("MNG_PREFIX", "env-").run().success().stdout, "env-\n");
    assert_eq!(
        env.command("config get prefix").env("MNG__PREFIX", "env2-").run().success().stdout,
        "env2-\n"
    );
    assert_eq!(prefix(&["-S", "prefix=flag-"]), "flag-");
    assert_eq!(prefix(&["--scope", "user"]), "user-");
    let origin = env.mng("config list --show-origin").success();
    origin.prints("prefix").prints("settings.local.toml");
}

#[test]
fn bad_edits_are_refused_before_they_are_saved() {
    let env = TestEnv::new();
    for words in [
        vec!["config", "set", "bogus", "1"],
        vec!["config", "set", "headless", "perhaps"],
        vec!["config", "set", "tmux.width", "wide"],
        vec!["config", "set", "logging.console_level", "loud"],
    ] {
        env.mng_args(&words).exits(1).says(&[words[2]]);
    }
    assert!(!env.repo().has(".mng/settings.toml"));
    env.mng("config set bogus 1").says(&["bogus"]);
}

#[test]
fn lists_extend_and_narrowing_is_refused() {
    let env = TestEnv::new();
    env.settings("[commands.create]\nenv = [\"A=1\", \"B=2\"]\n");
    env.mng("config extend commands.create.env '[\"C=3\"]'").success();
    let merged = env.mng("config get commands.create.env --format json").success().json();
    assert_eq!(merged["value"], json!(["A=1", "B=2", "C=3"]));
    env.mng("config unset commands.create.env__extend").success();
    env.mng("config set commands.create.env '[\"C=3\"]'").success();
    env.mng("list").exits(1).says(&["commands.create.env", "__extend"]);
    // The remedy that the error names works.
    env.mng("config unset commands.create.env").success();
    env.mng("config assign commands.create.env '[\"C=3\"]'").success();
    assert_eq!(
        env.mng("config get commands.create.env --format json").success().json()["value"],
        json!(["C=3"])
    );
    env.mng("list").success();
}

#[test]
fn the_project_scope_needs_a_project() {
    let env = TestEnv::without_repo();
    env.mng("config set prefix x-").exits(1).says(&["--scope user"]);
    env.mng("config set --scope user prefix x-").success();
    assert_eq!(env.mng("config get prefix").success().stdout, "x-\n");
}

#[test]
fn paths_and_edit() {
    let env = TestEnv::new();
    let paths = env.mng("config path --format json").success().json();
    let scopes: Vec<&str> =
        paths["paths"].as_array().unwrap().iter().map(|path| path["scope"].as_str().unwrap()).collect();
    assert_eq!(scopes, ["user", "project", "local"]);
    env.install("my editor", "#!/bin/sh\necho 'prefix = \"edited-\"' >> \"$1\"\n");
    env.command("config edit").env("EDITOR", "'my editor'").run().success();
    assert_eq!(env.mng("config get prefix").success().stdout, "edited-\n");
    env.install("bad-editor", "#!/bin/sh\necho '[broken' > \"$1\"\n");
    env.command("config edit").env("EDITOR", "bad-editor").run().exits(1).says(&["line"]);
    env.mng("config").success().prints("config");
}

#[test]
fn unknown_command_parameters_matter_only_to_their_command() {
    let env = TestEnv::new();
    env.settings("[commands.create]\nfrom_a_fuller_build = true\n");
    env.mng("list").success();
    env.mng("create a1 --type command --no-connect -- sleep 1").exits(1).says(&["from_a_fuller_build"]);
    env.command("create a1 --type command --no-connect -- sleep 1000")
        .env("MNG_ALLOW_UNKNOWN_CONFIG", "1")
        .run()
        .success();
}

#[test]
fn the_state_directory_can_be_elsewhere() {
    let env = TestEnv::new();
    let elsewhere = env.root().join("elsewhere");
    let run = |line: &str| env.command(line).env("MNG_HOST_DIR", &elsewhere).run();
    run("create a1 --type command --no-connect -- sleep 1000").success();
    run("list").success().prints("a1");
    assert!(elsewhere.join("agents").exists());
    assert!(!env.state_dir().exists());
    run("destroy a1 --force").success();
}
