//! Options that were not typed, and `mng config` itself.

use mng_tests::TestEnv;

#[test]
fn what_is_typed_beats_what_is_set() {
    let env = TestEnv::new();
    env.settings("[commands.list]\nformat = \"json\"\n");
    let _ = env.mng("list").success().json();
    env.mng("list --format human").success().prints("No agents found");
    assert_eq!(env.mng("list --jsonl").success().stdout, "", "a short form contradicts the set one");
    let _ = env.mng("-S commands.list.format=jsonl list --json").success().json();
    assert_eq!(env.command("list").env("MNG_COMMANDS_LIST_FORMAT", "jsonl").run().success().stdout, "");
    env.command("list").env("MNG__COMMANDS__LIST__FORMAT", "human").run().success().prints("No agents found");
    env.mng("help list").success().prints("[set to json in");
    // The name that the original used.
    env.settings("[commands.list]\noutput_format = \"json\"\n");
    let _ = env.mng("list").success().json();
}

#[test]
fn a_wrong_parameter_stops_only_its_command_and_names_its_place() {
    let env = TestEnv::new();
    env.settings("[commands.list]\nsrot = \"name\"\n");
    insta::assert_snapshot!(env.mng("list"), @r"
    exit 1
    ---- stdout
    ---- stderr
    Error: `commands.list.srot` (in `~/.mng/profiles/<hex>/settings.toml:2`): `mng list` has no option `--srot`
      hint: did you mean `sort` or `remote`?
    ");
    env.mng("plugin list").success();
    env.command("list").env("MNG_ALLOW_UNKNOWN_CONFIG", "1").run().success().says(&["WARNING", "srot"]);
    env.settings("[commands.list]\nlimit = \"many\"\n");
    insta::assert_snapshot!(env.mng("list"), @r"
    exit 1
    ---- stdout
    ---- stderr
    Error: `commands.list.limit` (in `~/.mng/profiles/<hex>/settings.toml:2`): Invalid value for '--limit': 'many': invalid digit found in string
      hint: `mng config list --show-origin` shows where each value comes from
    ");
    env.mng("list --limit 3").success();
    env.settings("[commands.list]\nrunning = [\"x\"]\n");
    env.mng("list").exits(1).says(&["`commands.list.running`", "expected `true` or `false`"]);
    env.settings("[commands.config]\nscope = \"user\"\n[commands.list]\nrunning = true\n");
    env.mng("config schema").success();
    env.mng("config path").success().prints("settings.toml");
}

#[test]
fn broken_settings_are_named_and_config_mends_them() {
    let env = TestEnv::new();
    env.settings("bogus = 1\nheadless = \"maybe\"\n");
    env.mng("list").exits(1).says(&["2 problems", "bogus", "headless", "settings.toml:1"]);
    let error = env.mng("list --json").exits(1).json();
    assert_eq!(error["error"]["error_class"], "ConfigError");
    assert_eq!(error["exit_code"], 1);
    env.mng("config get bogus --scope user").success().prints("1\n");
    env.mng("config unset bogus --scope user").success();
    env.mng("config set headless false --scope user").success();
    env.mng("list").success();
    env.settings("prefix = [\n");
    env.mng("list").exits(1).says(&["settings.toml`: line 1"]);
    env.mng("config list").success().says(&["WARNING"]);
    env.mng("config set prefix x- --scope user").exits(1);
    env.command("config edit --scope user")
        .env("EDITOR", "sh -c 'echo \"prefix = \\\"x-\\\"\" > \"$1\"' x")
        .run()
        .success();
    env.mng("config get prefix").success().prints("x-\n");
}

#[test]
fn config_checks_before_it_writes() {
    let env = TestEnv::new();
    env.mng("config set bogus 1").exits(1).says(&["unknown settings key `bogus`", "--force"]);
    env.mng("config set headless notabool").exits(1).says(&["headless"]);
    env.mng("config set commands.list.sotr name").exits(1).says(&["sort"]);
    assert!(!env.repo().path().join(".mng").exists(), "nothing was written");
    env.mng("config set headless true").success().prints("Set headless = true in project (");
    env.mng("config get headless").success().prints("true\n");
    let set = env.mng("config set prefix a- --scope local --jsonl").success().jsonl();
    assert_eq!(set[0]["event"], "config_set");
    assert_eq!(set[0]["scope"], "local");
    env.mng("config list --scope local --format '{key}={value}'").success().prints("prefix=a-\n");
    let missing = env.mng("config get nope --json").exits(1).json();
    assert_eq!(missing["error"]["error_class"], "ConfigKeyNotFoundError");
    env.mng("config get headless --format '{key}'").exits(2).says(&["takes no format template"]);
    env.command("config set headless true").cwd(env.home()).run().exits(1).says(&["--scope user"]);
    env.mng("config edit").exits(2).says(&["--headless"]);
    env.mng("config unset headless").success();
    env.mng("config edit --headless").exits(2);
    let edit = env.command("config edit --scope local").env("EDITOR", "sh -c 'exit 9'").run();
    assert_eq!(edit.code(), Some(9), "the editor's own exit code");
    env.command("config edit").env("EDITOR", "/nope/editor -w").run().exits(1).says(&["/nope/editor"]);
}
