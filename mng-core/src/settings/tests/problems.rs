//! What a person reads when settings are wrong.

use insta::assert_snapshot;

use super::world::{World, shown};

#[test]
fn an_unknown_key_comes_with_a_suggestion() {
    let world = World::new();
    world.user("headles = true\n");
    assert_snapshot!(world.failure(), @"
    unknown settings key `headles` (in `~/.mng/profiles/p/settings.toml:1`)
      hint: did you mean `headless`?
    ");
    world.user("[logging]\n\nzzz = 1\n");
    assert_snapshot!(world.failure(), @"
    unknown settings key `logging.zzz` (in `~/.mng/profiles/p/settings.toml:3`)
      hint: known keys here: file_level, console_level, log_dir, max_log_files, max_log_size_mb, log_file_path, event_type, event_source, is_logging_commands, is_logging_command_output, is_logging_env_vars, enable_ssh_trace
    ");
    world.user("qqq = 1\n");
    assert_snapshot!(world.failure(), @"
    unknown settings key `qqq` (in `~/.mng/profiles/p/settings.toml:1`)
      hint: `mng config list --schema` shows all keys
    ");
    world.user("[providers.docker]\nhots = \"x\"\n");
    assert_snapshot!(world.failure(), @"
    unknown settings key `providers.docker.hots` (in `~/.mng/profiles/p/settings.toml:2`)
      hint: did you mean `host`?
    ");
    world.user("[agent_types.x]\nparent_type = \"cl\"\nsettings_overides = {}\n");
    assert_snapshot!(world.failure(), @"
    unknown settings key `agent_types.x.settings_overides` (in `~/.mng/profiles/p/settings.toml:3`)
      hint: did you mean `settings_overrides`?
    ");
}

#[test]
fn all_problems_of_all_layers_are_shown_together() {
    let mut world = World::new();
    world.user("bogus = 1\nheadless = \"notabool\"\n");
    world.project("[logging]\nconsole_level = \"DEBG\"\n");
    world.local("[tmux]\nwidth = 0\nattach_args = [1]\n");
    world.set_env("MNG__RETRY__CONNECT_RETRY_DELAY", "0").set_env("MNG__PREFIX__X", "1");
    let error = world.load_with(&["agent_ready_timeout=soon"]).unwrap_err();
    assert_snapshot!(shown(&error), @r#"
    8 problems in the settings:
      - `prefix` is a single value and has no key `x` (in the environment variable `MNG__PREFIX__X`)
      - unknown settings key `bogus` (in `~/.mng/profiles/p/settings.toml:1`)
        `mng config list --schema` shows all keys
      - `headless` is "notabool", expected `true` or `false` (in `~/.mng/profiles/p/settings.toml:2`)
      - `logging.console_level` is "DEBG", expected one of `TRACE`, `DEBUG`, `BUILD`, `INFO`, `WARN`, `ERROR`, `NONE` (in `~/proj/.mng/settings.toml:2`)
        did you mean `DEBUG`?
      - `tmux.width` is 0, expected a whole number, at least 1 (in `~/proj/.mng/settings.local.toml:2`)
      - `tmux.attach_args` holds 1, expected a text in each place (in `~/proj/.mng/settings.local.toml:3`)
      - `retry.connect_retry_delay` is 0, expected a time such as `90s` or `1h30m`, longer than nothing (in the environment variable `MNG__RETRY__CONNECT_RETRY_DELAY`)
      - `agent_ready_timeout` is "soon", expected a number of seconds, or a time such as `1h30m` (in `-S agent_ready_timeout=soon`)
      hint: `mng config edit`, `set` and `unset` work while the settings are broken
    "#);
}

#[test]
fn wrong_values_name_key_value_and_what_was_expected() {
    let world = World::new();
    let failure = |text: &str| {
        world.user(text);
        world.failure()
    };
    assert_snapshot!(failure("prefix = 5\n"), @"`prefix` is 5, expected a text that is not empty (in `~/.mng/profiles/p/settings.toml:1`)");
    assert_snapshot!(failure("logging = 3\n"), @"`logging` is 3, expected a table (in `~/.mng/profiles/p/settings.toml:1`)");
    assert_snapshot!(failure("unset_vars = { a = 1 }\n"), @r#"`unset_vars` is {"a":1}, expected a list (in `~/.mng/profiles/p/settings.toml:1`)"#);
    assert_snapshot!(failure("implicit_providers = \"usd\"\n"), @r#"
    `implicit_providers` is "usd", expected one of `used`, `all`, `none` (in `~/.mng/profiles/p/settings.toml:1`)
      hint: did you mean `used`?
    "#);
    assert_snapshot!(failure("[work_dir_extra_paths]\n\".env\" = \"MOVE\"\n"), @r#"`work_dir_extra_paths.".env"` is "MOVE", expected one of `SHARE`, `COPY` (in `~/.mng/profiles/p/settings.toml:2`)"#);
    assert_snapshot!(failure("stop_grace_seconds = -1\n"), @"`stop_grace_seconds` is -1, expected a number of seconds, or a time such as `1h30m` (in `~/.mng/profiles/p/settings.toml:1`)");
    assert_snapshot!(failure("tmux.primary_window_name = \"\"\n"), @r#"`tmux.primary_window_name` is "", expected a text that is not empty (in `~/.mng/profiles/p/settings.toml:1`)"#);
    assert_snapshot!(failure("providers.docker.build_timeout_seconds = 1.5\n"), @"`providers.docker.build_timeout_seconds` is 1.5, expected a whole number, at least 0 (in `~/.mng/profiles/p/settings.toml:1`)");
    assert_snapshot!(failure("prefix__extend = \"x\"\n"), @"
    `prefix__extend` cannot add to a single value (in `~/.mng/profiles/p/settings.toml:1`)
      hint: write `prefix` instead
    ");
}

#[test]
fn two_spellings_of_one_key_are_refused() {
    let world = World::new();
    let failure = |text: &str| {
        world.user(text);
        world.failure()
    };
    assert_snapshot!(failure("unset-vars = []\nunset_vars = []\n"), @"
    `unset_vars` is written twice, in two spellings (in `~/.mng/profiles/p/settings.toml:2`)
      hint: keep one of them
    ");
    assert_snapshot!(failure("unset_vars = []\nunset_vars__assign = []\n"), @"
    `unset_vars` and `unset_vars__assign` stand in the same table (in `~/.mng/profiles/p/settings.toml:1`)
      hint: keep one of them
    ");
    world.project("[providers.MY_BOX]\n");
    assert_snapshot!(failure("[providers.my-box]\n"), @"
    `providers.MY_BOX` and `providers.my-box` of `~/.mng/profiles/p/settings.toml:1` differ only in spelling, which an environment variable cannot tell apart (in `~/proj/.mng/settings.toml:1`)
      hint: write `my-box` to mean the same, or choose another name
    ");
    world.project("");
    assert_snapshot!(failure("[providers.my-box]\n[providers.my_box]\n"), @"
    `providers` has both `my-box` and `my_box`, which an environment variable cannot tell apart (in `~/.mng/profiles/p/settings.toml:2`)
      hint: rename one of them
    ");
}

#[test]
fn a_plain_assignment_that_loses_entries_shows_the_way_out() {
    let mut world = World::new();
    world.user("unset_vars = [\"A\", \"B\"]\n[work_dir_extra_paths]\n\".env\" = \"SHARE\"\n");
    world.project("unset_vars = [\"B\", \"C\"]\n");
    assert_snapshot!(world.failure(), @r#"
    assigning `unset_vars` would drop "A", set in `~/.mng/profiles/p/settings.toml:1` (in `~/proj/.mng/settings.toml:1`)
      hint: write `unset_vars__extend = ["B", "C"]` to add, or `unset_vars__assign = ["B", "C"]` to replace; or run `mng config extend --scope project unset_vars '["B","C"]'`
    "#);
    world.project("[work_dir_extra_paths]\nnode_modules = \"COPY\"\n");
    assert_snapshot!(world.failure(), @r#"
    assigning `work_dir_extra_paths` would drop `.env`, set in `~/.mng/profiles/p/settings.toml:3` (in `~/proj/.mng/settings.toml:1`)
      hint: write `work_dir_extra_paths__extend = { node_modules = "COPY" }` to add, or `work_dir_extra_paths__assign = { node_modules = "COPY" }` to replace; or run `mng config extend --scope project work_dir_extra_paths '{"node_modules":"COPY"}'`
    "#);
    world.project("");
    world.set_env("MNG__UNSET_VARS", "[\"C\"]");
    assert_snapshot!(world.failure(), @r#"
    assigning `unset_vars` would drop "A", "B", set in `~/.mng/profiles/p/settings.toml:1` (in the environment variable `MNG__UNSET_VARS`)
      hint: append `__EXTEND` to the name of the variable to add, or `__ASSIGN` to replace
    "#);
    world.env.0.remove("MNG__UNSET_VARS");
    assert_snapshot!(shown(&world.load_with(&["unset_vars=[\"C\"]"]).unwrap_err()), @r#"
    assigning `unset_vars` would drop "A", "B", set in `~/.mng/profiles/p/settings.toml:1` (in `-S unset_vars=["C"]`)
      hint: write `-S unset_vars__extend='["C"]'` to add, or `-S unset_vars__assign='["C"]'` to replace
    "#);
    let allowed = world.load_with(&["unset_vars=[\"C\"]", "allow_settings_key_assignment_narrowing=true"]);
    assert_eq!(allowed.unwrap().core.unset_vars, ["C"]);
}

#[test]
fn deep_losses_name_the_leaf() {
    let world = World::new();
    world.user("[pre_command_scripts]\ncreate = [\"a\", \"b\"]\n[agent_types.claude]\ncli_args = [\"-v\"]\n");
    world.project("[pre_command_scripts]\ncreate = [\"a\"]\n[agent_types.claude]\ncli_args = [\"-q\"]\n");
    assert_snapshot!(world.failure(), @r#"
    2 problems in the settings:
      - assigning `pre_command_scripts.create` would drop "b", set in `~/.mng/profiles/p/settings.toml:2` (in `~/proj/.mng/settings.toml:1`)
        write `create__extend = ["a"]` under `[pre_command_scripts__extend]` to add, or `create__assign = ["a"]` to replace; or run `mng config extend --scope project pre_command_scripts.create '["a"]'`
      - assigning `agent_types.claude.cli_args` would drop "-v", set in `~/.mng/profiles/p/settings.toml:4` (in `~/proj/.mng/settings.toml:4`)
        write `cli_args__extend = ["-q"]` under `[agent_types.claude]` to add, or `cli_args__assign = ["-q"]` to replace; or run `mng config extend --scope project agent_types.claude.cli_args '["-q"]'`
      hint: `mng config edit`, `set` and `unset` work while the settings are broken
    "#);
    world.project("[agent_types.claude]\ncli_args = \"-q\"\n");
    world.load().unwrap();
}

#[test]
fn extending_across_shapes_names_both_places() {
    let world = World::new();
    world.user("[plugins.board]\ncolumns = 3\n");
    world.project("[plugins.kanpan]\ncolumns__extend = [\"x\"]\n");
    assert_snapshot!(world.failure(), @"`plugins.board.columns__extend` adds a list, but `plugins.board.columns` is a single value in `~/.mng/profiles/p/settings.toml:2` (in `~/proj/.mng/settings.toml:2`)");
}

#[test]
fn contradictions_are_found_in_the_merged_tree() {
    let mut world = World::new();
    world.user("[agent_types.a]\nparent_type = \"b\"\n[agent_types.b]\nparent_type = \"a\"\n");
    assert_snapshot!(world.failure(), @"
    agent types inherit in a circle: a → b → a (in `~/.mng/profiles/p/settings.toml:2`)
      hint: give one of them another `parent_type`
    ");
    world.user("[providers.docker]\ndiscovery_error_timeout_seconds = 10\n");
    assert_snapshot!(world.failure(), @"
    `providers.docker.discovery_warn_seconds` must be less than `discovery_error_timeout_seconds` (in `~/.mng/profiles/p/settings.toml:2`)
      hint: lower it, or raise `discovery_error_timeout_seconds`
    ");
    world.user("");
    world.set_env("MNG_PREFIX", "a").set_env("MNG__PREFIX", "b");
    assert_snapshot!(world.failure(), @"
    `MNG_PREFIX` and `MNG__PREFIX` set `prefix` to different values (in the environment variable `MNG_PREFIX`)
      hint: unset one of `MNG_PREFIX` and `MNG__PREFIX`
    ");
    world.set_env("MNG__PREFIX", "a");
    world.load().unwrap();
}

#[test]
fn broken_files_are_listed_together() {
    let world = World::new();
    world.user("prefix = \n").project("[a\n");
    assert_snapshot!(world.failure(), @"
    2 settings files cannot be read:
      - cannot read settings from `~/.mng/profiles/p/settings.toml`: line 1, column 10: string values must be quoted, expected literal string
      - cannot read settings from `~/proj/.mng/settings.toml`: line 1, column 3: unclosed table, expected `]`
      hint: correct these lines
    ");
}

#[test]
fn lenient_mode_warns_and_goes_on() {
    let mut world = World::new();
    world.user("bogus = 1\nprefix = \"a-\"\n");
    world.set_env("MNG_ALLOW_UNKNOWN_CONFIG", "1");
    let settings = world.load_with(&["other=2"]).unwrap();
    assert_eq!(settings.core.prefix, "a-");
    assert_snapshot!(settings.warnings.join("\n"), @"
    unknown settings key `bogus` in `~/.mng/profiles/p/settings.toml:1` is ignored
    unknown settings key `other` in `-S other=2` is ignored
    ");
}

#[test]
fn oddities_are_warned_about() {
    let world = World::new();
    world.user("disabled_plugins = []\n[plugins.bord]\n[commands.creat]\nx = 1\n[commands.forward]\n[agent_types.cl]\nparent_type = \"command\"\npermissions = [\"x\"]\n");
    assert_snapshot!(world.load().unwrap().warnings.join("\n"), @"
    `disabled_plugins` in `~/.mng/profiles/p/settings.toml:1` is ignored: it is worked out from `plugins.NAME.enabled`; write that instead
    agent type `cl` in `~/.mng/profiles/p/settings.toml:6` hides the alias of `claude`
    `agent_types.cl.permissions` in `~/.mng/profiles/p/settings.toml:8` is ignored
    unknown plugin `bord` in `~/.mng/profiles/p/settings.toml:2` (did you mean `board`?)
    unknown command `creat` in `~/.mng/profiles/p/settings.toml:3` (did you mean `create`?)
    ");
}

#[test]
fn settings_of_the_person_are_refused_in_tests() {
    let mut world = World::new();
    world.user("prefix = \"a\"\n").project("is_allowed_in_pytest = true\n");
    world.load().unwrap();
    world.set_env("MNG_TEST_GUARD", "1");
    assert_snapshot!(world.failure(), @"
    MNG_TEST_GUARD is set, but this file is not marked for tests (in `~/.mng/profiles/p/settings.toml:1`)
      hint: write `is_allowed_in_pytest = true` into it, or isolate the test
    ");
    world.user("is_allowed_in_pytest = true\n");
    world.load().unwrap();
}
