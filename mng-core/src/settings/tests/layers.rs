//! How the layers become one.

use serde_json::json;

use super::world::World;
use crate::settings::{ImplicitProviders, Layer, LogLevel, MergeOp, Seconds, resolve_agent_type};

#[test]
fn without_files_the_defaults_stand_and_nothing_is_made() {
    let mut world = World::new();
    world.set_env("MNG_ROOT_NAME", "x").env.0.remove("MNG_PROFILE");
    let settings = world.load().unwrap();
    assert_eq!(settings.core.prefix, "x-");
    assert_eq!(settings.host_dir(), world.dir.path().join(".x"));
    assert!(settings.profile().is_none());
    assert!(settings.warnings.is_empty());
    assert!(!world.dir.path().join(".x").exists());
}

#[test]
fn higher_layers_win_key_by_key() {
    let mut world = World::new();
    world.user("[logging]\nfile_level = \"info\"\nconsole_level = \"WARNING\"\nmax_log_files = 3\n");
    world.project("[logging]\nconsole_level = \"debug\"\n");
    world.local("logging.max-log-files = 4\n");
    world.set_env("MNG__LOGGING__MAX_LOG_SIZE_MB", "7");
    let settings = world.load_with(&["logging.log_dir=elsewhere"]).unwrap();
    let logging = &settings.core.logging;
    assert_eq!(logging.file_level, LogLevel::Info);
    assert_eq!(logging.console_level, LogLevel::Debug);
    assert_eq!((logging.max_log_files, logging.max_log_size_mb), (4, 7));
    assert_eq!(logging.log_dir, "elsewhere");
    assert_eq!(settings.origin_of("logging.file_level").unwrap().layer, Layer::User);
    let origin = settings.origin_of("logging.max_log_files").unwrap();
    assert_eq!(origin.to_string(), "`~/proj/.mng/settings.local.toml:1`");
    assert!(!settings.is_set("logging.event_type"));
}

#[test]
fn words_and_numbers_are_taken_as_the_key_wants_them() {
    let mut world = World::new();
    world.user("headless = \"Yes\"\nimplicit_providers = \"ALL\"\nstop_grace_seconds = \"1m\"\n");
    world.set_env("MNG__IS_NESTED_TMUX_ALLOWED", "on").set_env("MNG__PREFIX", "5");
    world.set_env("MNG__RESCUE_KEEP", "3600").set_env("MNG__ENABLED_BACKENDS", "docker");
    let core = world.load().unwrap().core;
    assert!(core.headless && core.is_nested_tmux_allowed);
    assert_eq!(core.implicit_providers, ImplicitProviders::All);
    assert_eq!(core.stop_grace_seconds, Seconds::new(60));
    assert_eq!(core.prefix, "5");
    assert_eq!(core.rescue_keep.to_string(), "1h");
    assert_eq!(core.enabled_backends, ["docker"]);
}

#[test]
fn extend_adds_and_assign_replaces_on_every_surface() {
    let mut world = World::new();
    world.user("unset_vars = [\"A\"]\n");
    world.project("unset_vars__extend = [\"B\"]\n");
    world.set_env("MNG__UNSET_VARS__EXTEND", "C");
    assert_eq!(world.value("unset_vars"), json!(["A", "B", "C"]));
    world.set_env("MNG__UNSET_VARS__ASSIGN", "[\"D\"]");
    assert_eq!(world.value("unset_vars"), json!(["D", "C"]), "one layer resets, then adds");
    let settings = world.load_with(&["unset_vars__assign=[]"]).unwrap();
    assert!(settings.core.unset_vars.is_empty());
    let settings = world.load_with(&["unset_vars=null"]).unwrap();
    assert_eq!(settings.core.unset_vars, ["HISTFILE", "PROFILE", "VIRTUAL_ENV"], "null: as if unset");
    let settings = world.load_with(&["unset_vars=null", "unset_vars__extend=[\"X\"]"]).unwrap();
    assert_eq!(settings.core.unset_vars, ["HISTFILE", "PROFILE", "VIRTUAL_ENV", "X"]);
}

#[test]
fn the_defaults_are_extended_but_never_narrowed() {
    let world = World::new();
    world.user("unset_vars__extend = [\"X\"]\n");
    assert_eq!(world.value("unset_vars"), json!(["HISTFILE", "PROFILE", "VIRTUAL_ENV", "X"]));
    world.user("unset_vars = [\"X\"]\n");
    assert_eq!(world.value("unset_vars"), json!(["X"]));
}

#[test]
fn null_unsets_entries_and_fields_of_lower_layers() {
    let mut world = World::new();
    world.user(
        "pager = \"more\"\n[agent_types.a]\nparent_type = \"command\"\ncommand = \"ls\"\nenv = [\"A=1\"]\n",
    );
    let settings = world.load_with(&["agent_types.a=null", "pager=null"]).unwrap();
    assert!(settings.agent_types().is_empty());
    assert_eq!(settings.core.pager, None);
    world.set_env("MNG__AGENT_TYPES__A__ENV", "null");
    assert_eq!(world.value("agent_types.a"), json!({"parent_type": "command", "command": "ls"}));
}

#[test]
fn the_last_repeated_setting_wins() {
    let world = World::new();
    let settings = world.load_with(&["prefix=a-", "prefix__assign=b-", "prefix=c-"]).unwrap();
    assert_eq!(settings.core.prefix, "c-");
}

#[test]
fn entries_merge_entry_by_entry_and_field_by_field() {
    let world = World::new();
    world.user(
        "[providers.box]\nbackend = \"docker\"\nhost = \"ssh://a\"\n[providers.box.security_group]\nname = \"n\"\n",
    );
    world.project("[providers.box]\nis_enabled = false\n[providers.box.security_group]\nrules = [\"r\"]\n");
    let settings = world.load().unwrap();
    let entry = &settings.provider_entries()["box"];
    assert_eq!((entry.backend.as_str(), entry.is_enabled), ("docker", false));
    assert_eq!(entry.config, json!({"host": "ssh://a", "security_group": {"name": "n", "rules": ["r"]}}));
    assert_eq!(entry.base.discovery_warn_seconds, Seconds::new(20));
}

#[test]
fn texts_find_entries_whatever_their_joiners() {
    let mut world = World::new();
    world.user(
        "[agent_types.my-x]\nparent_type = \"command\"\n[agent_types.MyY]\nparent_type = \"command\"\n",
    );
    world.set_env("MNG__AGENT_TYPES__MY_X__COMMAND", "ls").set_env("MNG__AGENT_TYPES__MYY__COMMAND", "df");
    world.set_env("MNG__AGENT_TYPES__NEW_ONE__COMMAND", "id");
    let settings = world.load_with(&["agent_types.CLAUDE.version=2"]).unwrap();
    let types = settings.agent_types();
    assert_eq!(types.keys().collect::<Vec<_>>(), ["MyY", "claude", "my-x", "new_one"]);
    assert_eq!(types["my-x"]["command"], "ls");
    assert_eq!(types["claude"]["version"], "2", "a text key keeps a number as text");
}

#[test]
fn variables_have_older_spellings() {
    let mut world = World::new();
    world.set_env("MNG_COMMANDS_SNAPSHOT_CREATE_FORMAT", "json").set_env("MNG_COMMANDS_LIST_LIMIT", "3");
    world.set_env("MNG__COMMANDS__LIST__LIMIT", "4").set_env("MNG_HEADLESS", "TRUE");
    world.set_env("MNG_PREFIX", "pre-").set_env("MNG_HOST_DIR", "~/data").set_env("MNG____X", "ignored");
    let settings = world.load().unwrap();
    assert_eq!(settings.command_params("snapshot create")[0].value, "json");
    assert_eq!(settings.command_params("list")[0].value, 4);
    assert!(settings.core.headless);
    assert_eq!(settings.core.prefix, "pre-");
    assert_eq!(settings.host_dir(), world.dir.path().join("data"));
}

#[test]
fn the_host_dir_key_moves_agents_but_not_profiles() {
    let world = World::new();
    world.user("default_host_dir = \"~/elsewhere\"\n");
    let settings = world.load().unwrap();
    assert_eq!(settings.host_dir(), world.dir.path().join("elsewhere"));
    assert!(settings.profile().unwrap().dir.starts_with(world.dir.path().join(".mng")));
}

#[test]
fn command_parameters_are_translated_and_know_their_source() {
    let world = World::new();
    world.user("[commands.create]\nagent-type = \"claude\"\nenv = [\"A=1\"]\nnew_host = \"docker\"\n");
    world.project("[commands.create]\ntype = \"command\"\nenv__extend = \"B=2\"\n[commands.snapshot-create]\nall = true\n");
    let settings = world.load().unwrap();
    let params: Vec<_> = settings
        .command_params("create")
        .into_iter()
        .map(|param| format!("{} = {} from {}", param.name, param.value, param.origin))
        .collect();
    insta::assert_snapshot!(params.join("\n"), @r#"
    type = "command" from `~/proj/.mng/settings.toml:2`
    env = ["A=1","B=2"] from `~/proj/.mng/settings.toml:3`
    provider = "docker" from `~/.mng/profiles/p/settings.toml:4`
    new_host = true from `~/.mng/profiles/p/settings.toml:4`
    "#);
    assert_eq!(settings.command_params("snapshot.create")[0].name, "all");
    assert!(settings.command_params("nothing").is_empty());
}

#[test]
fn a_string_below_an_extended_parameter_counts_as_one_element() {
    let world = World::new();
    world.user("[commands.create]\nenv = \"A=1\"\n");
    world.project("[commands.create]\nenv__extend = [\"B=2\"]\n");
    assert_eq!(world.value("commands.create.env"), json!(["A=1", "B=2"]));
    world.user("[commands.create]\nenv = \"\"\n");
    assert_eq!(world.value("commands.create.env"), json!(["B=2"]));
}

#[test]
fn templates_keep_their_operators() {
    let world = World::new();
    world.user("[create_templates.box]\nprovider = \"docker\"\nenv__extend = [\"A=1\"]\n");
    world.project(
        "[create_templates.box]\nenv__extend = [\"B=2\"]\nadd-command__assign = [\"w\"]\nworktree = true\n",
    );
    let settings = world.load().unwrap();
    let template = settings.create_template("box").unwrap();
    let values: Vec<_> =
        template.values.into_iter().map(|value| (value.name, value.op, value.value)).collect();
    assert_eq!(
        values,
        [
            ("provider".into(), MergeOp::Assign, json!("docker")),
            ("env".into(), MergeOp::Extend, json!(["A=1", "B=2"])),
            ("extra_window".into(), MergeOp::Force, json!(["w"])),
            ("transfer".into(), MergeOp::Assign, json!("git-worktree")),
        ]
    );
    assert_eq!(settings.create_template_names(), ["box"]);
    let error = settings.create_template("bx").unwrap_err();
    assert_eq!(super::world::shown(&error), "there is no create template `bx`\n  hint: did you mean `box`?");
}

#[test]
fn pre_command_scripts_and_default_subcommands() {
    let world = World::new();
    world.user("[pre_command_scripts]\nsnapshot-create = [\"a\"]\n[commands.mngr]\ndefault_subcommand = \"create\"\n");
    world.project("[commands.snapshot]\ndefault_subcommand = \"\"\n");
    let settings = world.load().unwrap();
    assert_eq!(settings.pre_command_scripts("snapshot create"), ["a"]);
    assert!(settings.pre_command_scripts("create").is_empty());
    assert_eq!(settings.default_subcommand("mng"), Some("create"));
    assert_eq!(settings.default_subcommand("snapshot"), None);
}

#[test]
fn an_extend_of_a_type_waits_for_its_parent() {
    let world = World::new();
    world.user("[agent_types.claude]\ncli_args = \"--model opus\"\n");
    world
        .project("[agent_types.reviewer]\nparent_type = \"claude\"\ncli_args__extend = \"--review 'a b'\"\n");
    let settings = world.load().unwrap();
    let found =
        resolve_agent_type("reviewer", &settings.agent_type_entries(), &world.known.agent_types).unwrap();
    assert_eq!(found.config, json!({"cli_args": ["--model", "opus", "--review", "'a b'"]}));
}

#[test]
fn settings_patches_accumulate_and_keep_their_merge_map() {
    let world = World::new();
    world.user(
        "[agent_types.claude.settings_overrides]\ntheme = \"dark\"\npermissions.allow = [\"a\"]\n[agent_types.claude.settings_overrides.__mng_merge]\n\"permissions.allow\" = \"extend\"\n",
    );
    world.project(
        "[agent_types.claude.settings_overrides]\npermissions.allow = [\"b\"]\n[agent_types.claude.settings_overrides.__mngr_merge]\n\"permissions.allow\" = \"extend\"\n",
    );
    assert_eq!(
        world.value("agent_types.claude.settings_overrides"),
        json!({
            "theme": "dark",
            "permissions": {"allow": ["a", "b"]},
            "__mng_merge": {"permissions.allow": "extend"},
        })
    );
}

#[test]
fn tables_of_what_is_not_in_this_binary_stay_as_they_are() {
    let mut world = World::new();
    world.user("[providers.cloud]\nbackend = \"aws\"\nregion = \"x\"\nsize = 3\n[agent_types.later]\nparent_type = \"codex\"\nmodel = \"m\"\n");
    world.set_env("MNG__PROVIDERS__CLOUD__REGION", "y");
    let settings = world.load().unwrap();
    assert!(settings.warnings.is_empty(), "{:?}", settings.warnings);
    assert_eq!(settings.provider_entries()["cloud"].config, json!({"region": "y", "size": 3}));
    assert_eq!(settings.agent_types()["later"]["model"], "m");
}

#[test]
fn tables_of_a_disabled_plugin_are_tolerated() {
    let world = World::new();
    world.user("[plugins.docker]\nenabled = false\n[providers.docker]\nfrom_the_future = 1\n");
    let settings = world.load().unwrap();
    assert_eq!(settings.plugin_enabled("docker"), Some(false));
    assert_eq!(settings.plugin_enabled("claude"), None);
}

#[test]
fn template_settings_lie_under_the_command_line() {
    let world = World::new();
    let settings = world.load_with(&["prefix=cli-"]).unwrap();
    let texts = ["prefix=tpl-".to_owned(), "headless=true".to_owned()];
    let changed = settings.with_template_settings(&texts, &world.known).unwrap();
    assert_eq!((changed.core.prefix.as_str(), changed.core.headless), ("cli-", true));
    let late = settings.with_template_settings(&["commands.create.type=x".into()], &world.known).unwrap_err();
    insta::assert_snapshot!(super::world::shown(&late), @"
    the template setting `commands.create.type=x` comes too late: `commands.create.type` has been used already
      hint: pass it with `-S`, or write it into a settings file
    ");
}

#[test]
fn plugin_edits_are_checked_like_a_file() {
    let world = World::new();
    world.user("unset_vars = [\"A\", \"B\"]\n[providers.docker]\nhost = \"h\"\n");
    let settings = world.load().unwrap();
    let mut edited = settings.merged().clone();
    edited["unset_vars"] = json!(["A"]);
    edited["providers"]["docker"]["is_enabled"] = json!(false);
    edited["providers"]["docker"].as_object_mut().unwrap().remove("host");
    let changed = settings.with_plugin_edits("pins", &edited, &world.known).unwrap();
    assert_eq!(changed.core.unset_vars, ["A"]);
    assert_eq!(changed.merged()["providers"]["docker"], json!({"is_enabled": false}));
    edited["bogus"] = json!(1);
    let error = settings.with_plugin_edits("pins", &edited, &world.known).unwrap_err();
    insta::assert_snapshot!(error, @"unknown settings key `bogus` (in plugin `pins`)");
}
