//! Editing files, and what `mng config` shows.

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::world::{World, shown};
use crate::model::error::{ErrorClass, Result};
use crate::settings::{ConfigScope, Edited, Editor, LoadRequest, Locations, WriteForm, find_profile};

use ConfigScope::{Local, Project, User};

impl World {
    fn editor<T>(&self, work: impl FnOnce(Editor<'_>) -> T) -> T {
        let locations = self.locations();
        let request =
            LoadRequest { locations: &locations, env: &self.env, overrides: &[], known: &self.known };
        work(Editor::new(request))
    }

    fn set(&self, scope: ConfigScope, key: &str, text: &str) -> Result<Edited> {
        self.editor(|editor| editor.write(scope, key, text, WriteForm::Set, false))
    }

    fn extend(&self, scope: ConfigScope, key: &str, text: &str) -> Result<Edited> {
        self.editor(|editor| editor.write(scope, key, text, WriteForm::Extend, false))
    }

    fn assign(&self, scope: ConfigScope, key: &str, text: &str) -> Result<Edited> {
        self.editor(|editor| editor.write(scope, key, text, WriteForm::Assign, false))
    }

    fn unset(&self, scope: ConfigScope, key: &str) -> Result<Edited> {
        self.editor(|editor| editor.unset(scope, key))
    }

    fn text(&self, scope: ConfigScope) -> String {
        std::fs::read_to_string(self.path(scope)).unwrap()
    }

    fn get(&self, key: &str) -> Value {
        self.editor(|editor| editor.get(key, None)).unwrap().value
    }
}

#[test]
fn comments_order_and_spelling_stay() {
    let world = World::new();
    world.user("# mine\nprefix = 'a-' # why\n\n[logging] # levels\nmax-log-files = 3\n\n# the box\n[providers.my-box]\nbackend = \"docker\"\n");
    world.set(User, "prefix", "b-").unwrap();
    world.set(User, "logging.max_log_files", "5").unwrap();
    world.set(User, "logging.console_level", "debug").unwrap();
    world.set(User, "providers.MY_BOX.host", "ssh://x").unwrap();
    world.set(User, "headless", "yes").unwrap();
    world.set(User, "retry.connect_retry_delay", "10s").unwrap();
    world.set(User, "commands.snapshot create.all", "true").unwrap();
    assert_snapshot!(world.text(User), @r#"
    # mine
    prefix = "b-" # why
    headless = true

    [logging] # levels
    max-log-files = 5
    console_level = "DEBUG"

    # the box
    [providers.my-box]
    backend = "docker"
    host = "ssh://x"

    [retry]
    connect_retry_delay = "10s"

    [commands.snapshot_create]
    all = true
    "#);
}

#[test]
fn an_edit_says_what_was_written_where() {
    let world = World::new();
    let edited = world.set(Local, "agent_ready_timeout", "1m").unwrap();
    assert_eq!(
        (edited.key.as_str(), edited.value, edited.scope),
        ("agent_ready_timeout", json!("1m"), Local)
    );
    assert!(edited.path.ends_with("proj/.mng/settings.local.toml"));
    let edited = world.extend(Local, "unset_vars", "X").unwrap();
    assert_eq!((edited.key.as_str(), edited.value), ("unset_vars__extend", json!(["X"])));
    let removed = world.unset(Local, "unset_vars").unwrap();
    assert_eq!((removed.key.as_str(), removed.value), ("unset_vars__extend", json!(["X"])));
}

#[test]
fn every_core_key_round_trips() {
    let world = World::new();
    let rows = world.editor(|editor| editor.schema()).unwrap();
    let registries = ["agent_types", "providers", "plugins", "commands", "create_templates"];
    let is_core = |key: &str| registries.iter().all(|registry| !key.starts_with(registry));
    let mut seen = 0;
    for row in rows.iter().filter(|row| is_core(&row.key)) {
        let samples: Vec<Value> = match row.kind.as_str() {
            "bool" => vec![json!(true), json!(false)],
            "integer" => vec![json!(7)],
            "duration" => vec![json!(90), json!("1h30m")],
            "string" => vec![json!("some text"), json!("4"), json!("[x")],
            "list of string" => vec![json!(["a", "b c"]), json!([])],
            "table of list of string" => vec![json!({"create": ["a", "b"]})],
            "table of SHARE|COPY" => vec![json!({".env": "SHARE", "a/b.c": "COPY"})],
            words if words.contains('|') => words.split('|').map(Value::from).collect(),
            other => panic!("no sample for `{}`: {other}", row.key),
        };
        for sample in samples {
            let text = match &sample {
                Value::String(text) => text.clone(),
                sample => sample.to_string(),
            };
            for scope in [User, Project] {
                world
                    .set(scope, &row.key, &text)
                    .unwrap_or_else(|error| panic!("{} = {text}: {error}", row.key));
                assert_eq!(world.get(&row.key), sample, "{}", row.key);
            }
            let settings = world.load().unwrap_or_else(|error| panic!("{} = {text}: {error}", row.key));
            let typed = serde_json::to_value(&settings.core).unwrap();
            let typed = typed.pointer(&format!("/{}", row.key.replace('.', "/"))).cloned();
            if row.kind != "duration" {
                assert_eq!(typed, Some(sample), "{}", row.key);
            }
            world.unset(Project, &row.key).unwrap();
        }
        world.unset(User, &row.key).unwrap();
        seen += 1;
    }
    assert!(seen >= 40, "{seen} keys");
    assert_eq!(world.text(User), "");
}

#[test]
fn an_edit_that_would_break_the_file_is_refused() {
    let world = World::new();
    let refusal = |key: &str, text: &str| shown(&world.set(Project, key, text).unwrap_err());
    assert_snapshot!(refusal("bogus", "1"), @"
    unknown settings key `bogus`
      hint: `mng config list --schema` shows all keys; `--force` saves it all the same
    ");
    assert_snapshot!(refusal("headless", "notabool"), @r#"
    `headless` is "notabool", expected `true` or `false`
      hint: `--force` saves it all the same
    "#);
    assert_snapshot!(refusal("prefix.x", "1"), @"`prefix` is a single value and has no key `x`");
    assert_snapshot!(refusal("commands.create.conect", "false"), @"
    `mng create` has no option for `commands.create.conect`
      hint: did you mean `connect`?; `--force` saves it all the same
    ");
    assert_snapshot!(refusal("prefix__extend", "x"), @"
    `prefix__extend` cannot add to a single value
      hint: write `prefix` instead; `--force` saves it all the same
    ");
    assert_snapshot!(refusal("a..b", "x"), @r#"
    `a..b` is no settings key
      hint: a key is a dotted path such as `logging.console_level`; quote a segment that has dots: `a.".env"`
    "#);
    assert!(!world.path(Project).exists());
    let forced = world.editor(|editor| editor.write(Project, "bogus", "1", WriteForm::Set, true)).unwrap();
    assert_eq!(forced.key, "bogus");
    assert!(world.load().is_err());
    world.set(Project, "prefix", "ok-").expect("an old problem does not stop a good edit");
    world.unset(Project, "bogus").unwrap();
    assert_eq!(world.load().unwrap().core.prefix, "ok-");
    let mut world = world;
    world.set_env("MNG_ALLOW_UNKNOWN_CONFIG", "true");
    world.set(Project, "bogus", "1").expect("unknown keys are ignored, so they may be written");
    assert!(world.set(Project, "headless", "maybe").is_err());
}

#[test]
fn a_value_on_the_way_is_not_overwritten() {
    let world = World::new();
    world.user("logging = 3\n");
    let error = world.set(User, "logging.max_log_files", "1").unwrap_err();
    assert_snapshot!(shown(&error), @"
    `logging` is no table
      hint: remove it first: `mng config unset --scope user logging`
    ");
    assert_eq!(world.text(User), "logging = 3\n");
}

#[test]
fn broken_files_do_not_stop_repairs() {
    let world = World::new();
    world
        .user("prefix = \n")
        .project("bogus = 1\n[agent_types.a]\nparent_type = \"a2\"\n[agent_types.a2]\nparent_type = \"a\"\n");
    world.unset(Project, "bogus").unwrap();
    world.set(Project, "agent_types.a2.parent_type", "command").unwrap();
    assert_eq!(
        world.editor(|editor| editor.get("agent_types.a.parent_type", Some(Project))).unwrap().value,
        "a2"
    );
    let merged = world.editor(|editor| editor.get("headless", None)).unwrap();
    assert_eq!(merged.value, json!(false));
    assert_snapshot!(merged.warnings.join("\n"), @"cannot read settings from `~/.mng/profiles/p/settings.toml`: line 1, column 10: string values must be quoted, expected literal string");
    let error = world.set(User, "prefix", "x").unwrap_err();
    assert_eq!(error.class(), ErrorClass::ConfigParse);
    assert_eq!(world.editor(|editor| editor.file_to_edit(User)).unwrap(), world.path(User));
    assert!(world.editor(|editor| editor.check_file(User)).is_err());
}

#[test]
fn without_a_project_only_the_user_scope_has_a_file() {
    let world = World::new();
    let locations = Locations::find(&world.env, std::path::Path::new("/"), None).unwrap();
    let request = LoadRequest { locations: &locations, env: &world.env, overrides: &[], known: &world.known };
    let error = Editor::new(request).write(Project, "prefix", "x", WriteForm::Set, false).unwrap_err();
    assert_snapshot!(shown(&error), @"
    there is no project here, so there are no project settings
      hint: change into a git repository, or use `--scope user`
    ");
    let paths = Editor::new(request).paths().unwrap();
    assert_snapshot!(paths.iter().map(|path| format!("{} {} {:?}", path.scope, path.exists, path.error)).collect::<Vec<_>>().join("\n"), @r#"
    user false None
    project false Some("there is no project here")
    local false Some("there is no project here")
    "#);
}

#[test]
fn the_first_edit_makes_a_profile_and_a_failing_one_does_not() {
    let mut world = World::new();
    world.env.0.remove("MNG_PROFILE");
    assert!(world.set(User, "bogus", "1").is_err());
    assert!(world.unset(User, "prefix").is_err());
    assert!(!world.dir.path().join(".mng").exists());
    world.set(User, "prefix", "x-").unwrap();
    assert!(find_profile(&world.locations(), &world.env).unwrap().is_some());
    assert_eq!(world.load().unwrap().core.prefix, "x-");
}

#[test]
fn additions_gather_and_assignments_replace() {
    let world = World::new();
    world.user("unset_vars__extend = [\n    # first\n    \"A\",\n]\n");
    world.extend(User, "unset_vars", "[\"A\", \"B\"]").unwrap();
    world.extend(User, "unset_vars", "C").unwrap();
    assert_snapshot!(world.text(User), @r#"
    unset_vars__extend = [
        # first
        "A",
        "B",
        "C",
    ]
    "#);
    world.assign(User, "unset_vars", "[\"D\"]").unwrap();
    assert_eq!(world.text(User), "unset_vars__assign = [\"D\"]\n");
    world.set(User, "unset_vars__extend", "E").unwrap();
    assert_eq!(world.value("unset_vars"), json!(["D", "E"]));
    world.set(User, "unset_vars", "[\"F\"]").unwrap();
    assert_eq!(world.text(User), "unset_vars = [\"F\"]\n");
    world.set(User, "unset_vars", "null").unwrap();
    assert_eq!(world.text(User), "");
}

#[test]
fn what_a_narrowing_error_proposes_works() {
    let world = World::new();
    let user = "unset_vars = [\"A\"]\n[pre_command_scripts]\ncreate = [\"a\"]\n[work_dir_extra_paths]\n\".env\" = \"SHARE\"\n[agent_types.claude]\nenv = [\"A=1\"]\n";
    world.user(user);
    let cases = [
        ("unset_vars", "[\"B\"]", json!(["A", "B"])),
        ("pre_command_scripts.create", "[\"b\"]", json!(["a", "b"])),
        ("agent_types.claude.env", "[\"B=2\"]", json!(["A=1", "B=2"])),
        ("work_dir_extra_paths", "{\"x\": \"COPY\"}", json!({".env": "SHARE", "x": "COPY"})),
    ];
    for (key, text, sum) in cases {
        let edited = world.set(Project, key, text).unwrap();
        assert_eq!(edited.warnings.len(), 1, "the edit warns at once: {key}");
        assert!(world.load().is_err(), "{key}");
        world.unset(Project, key).unwrap();
        world.extend(Project, key, text).unwrap();
        assert_eq!(world.value(key), sum, "{}", world.text(Project));
        world.unset(Project, key).unwrap();
        world.assign(Project, key, text).unwrap();
        assert_eq!(world.value(key), serde_json::from_str::<Value>(text).unwrap(), "{}", world.text(Project));
        world.unset(Project, key).unwrap();
        world.project("");
    }
}

#[test]
fn operators_in_a_patch_go_into_its_merge_map() {
    let world = World::new();
    let allow = "agent_types.claude.settings_overrides.permissions.allow";
    world.extend(User, allow, "[\"Bash(just *)\"]").unwrap();
    assert_snapshot!(world.text(User), @r#"
    [agent_types.claude.settings_overrides.permissions]
    allow = ["Bash(just *)"]

    [agent_types.claude.settings_overrides.__mng_merge]
    "permissions.allow" = "extend"
    "#);
    let settings = world.load_with(&[&format!("{allow}__extend=[\"x\"]")]).unwrap();
    assert_eq!(
        settings.agent_types()["claude"]["settings_overrides"]["permissions"]["allow"],
        json!(["Bash(just *)", "x"])
    );
    world.set(User, allow, "[\"y\"]").unwrap();
    assert_snapshot!(world.text(User), @r#"
    [agent_types.claude.settings_overrides.permissions]
    allow = ["y"]
    "#);
    world.unset(User, allow).unwrap();
    assert_eq!(world.text(User), "");
}

#[test]
fn tables_left_empty_go_but_entries_and_comments_stay() {
    let world = World::new();
    world.user(
        "[logging]\nmax_log_files = 1\n\n# mine\n[tmux]\nwidth = 3\n\n[providers.docker]\nhost = \"x\"\n",
    );
    for key in ["logging.max_log_files", "tmux.width", "providers.docker.host"] {
        world.unset(User, key).unwrap();
    }
    assert_snapshot!(world.text(User), @"

    # mine
    [tmux]

    [providers.docker]
    ");
    let error = world.unset(User, "prefix").unwrap_err();
    assert_snapshot!(shown(&error), @"
    `prefix` is not set in the user settings
      hint: `mng config list --scope user` shows what is
    ");
}

#[test]
fn inline_and_dotted_tables_are_edited_in_their_own_way() {
    let world = World::new();
    world.user("logging = { max_log_files = 1 }\ntmux.width = 3\nproviders.docker = {}\n");
    world.set(User, "logging.console_level", "INFO").unwrap();
    world.set(User, "tmux.height", "4").unwrap();
    world.set(User, "providers.docker.security_group.name", "n").unwrap();
    world.set(User, "work_dir_extra_paths", "{\"a.b\": \"copy\"}").unwrap();
    assert_snapshot!(world.text(User), @r#"
    logging = { max_log_files = 1, console_level = "INFO" }
    tmux.width = 3
    tmux.height = 4
    providers.docker = { security_group = { name = "n" } }

    [work_dir_extra_paths]
    "a.b" = "COPY"
    "#);
    world.load().unwrap();
}

#[test]
fn edits_at_the_same_time_all_count() {
    let world = World::new();
    world.project("# kept\n");
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let world = &world;
            scope.spawn(move || {
                for round in 0..3 {
                    world.set(Project, &format!("work_dir_extra_paths.p{thread}-{round}"), "COPY").unwrap();
                    world.extend(Project, "unset_vars", &format!("V{thread}_{round}")).unwrap();
                }
            });
        }
    });
    let settings = world.load().unwrap();
    assert_eq!(settings.core.work_dir_extra_paths.len(), 24);
    assert_eq!(settings.core.unset_vars.len(), 3 + 24);
    assert!(world.text(Project).contains("# kept"));
    assert_eq!(std::fs::read_dir(world.path(Project).parent().unwrap()).unwrap().count(), 1, "no litter");
}

#[test]
fn values_are_shown_as_people_write_them() {
    let mut world = World::new();
    world.user("prefix = \"a-\"\nunset_vars__extend = [\"X\"]\n[work_dir_extra_paths__extend]\n\".env\" = \"COPY\"\n");
    world.set_env("MNG__HEADLESS", "1");
    let human = |key: &str, scope| world.editor(|editor| editor.get(key, scope)).unwrap().human();
    assert_eq!(human("prefix", None), "a-");
    assert_eq!(human("headless", None), "true");
    assert_eq!(human("unset_vars", Some(User)), "[..., \"X\"]");
    assert_eq!(human("work_dir_extra_paths", Some(User)), "{..., \".env\":\"COPY\"}");
    assert_eq!(human("work_dir_extra_paths.\".env\"", Some(User)), "COPY");
    assert_eq!(human("logging.console-level", None), "BUILD");
    let found = world.editor(|editor| editor.get("unset_vars", Some(User))).unwrap();
    assert_eq!(found.key, "unset_vars__extend");
    let missing = |key: &str| shown(&world.editor(|editor| editor.get(key, None)).unwrap_err());
    assert_snapshot!(missing("pager"), @"
    `pager` is not set
      hint: `mng config schema` lists all keys
    ");
    assert_snapshot!(missing("loging.console_level"), @"
    there is no settings key `loging.console_level`
      hint: did you mean `logging.console_level` or `logging.file_level`?
    ");
    assert_snapshot!(missing("agent_types.claude.version"), @"
    `agent_types.claude.version` is not set
      hint: `mng config schema` lists all keys
    ");
    let list = world.editor(|editor| editor.list(None, false)).unwrap();
    let rows = list.rows.iter().map(|row| format!("{} = {}  # {}", row.key, row.value, row.origin));
    assert_snapshot!(rows.collect::<Vec<_>>().join("\n"), @r#"
    headless = true  # the environment variable `MNG__HEADLESS`
    prefix = "a-"  # `~/.mng/profiles/p/settings.toml:1`
    unset_vars = ["HISTFILE","PROFILE","VIRTUAL_ENV","X"]  # `~/.mng/profiles/p/settings.toml:2`
    work_dir_extra_paths.".env" = "COPY"  # `~/.mng/profiles/p/settings.toml:4`
    "#);
    let list = world.editor(|editor| editor.list(Some(User), false)).unwrap();
    assert_eq!(
        list.config,
        json!({"prefix": "a-", "unset_vars__extend": ["X"], "work_dir_extra_paths__extend": {".env": "COPY"}})
    );
    assert!(world.editor(|editor| editor.list(None, true)).unwrap().rows.len() > 30);
}

#[test]
fn the_reference_lists_every_key() {
    let world = World::new();
    let rows = world.editor(|editor| editor.schema()).unwrap();
    let rows =
        rows.iter().map(|row| format!("{} ({}) {} - {}", row.key, row.kind, row.value, row.description));
    assert_snapshot!(rows.collect::<Vec<_>>().join("\n"), @r#"
    prefix (string) "mng-" - Prefix of the names of tmux sessions, containers and apps. Changing it hides existing agents' sessions.
    default_host_dir (string) "~/.mng" - Data root on hosts; on this machine the directory of agents, lock and undo data.
    unset_vars (list of string) ["HISTFILE","PROFILE","VIRTUAL_ENV"] - Variables that are unset when an agent's tmux session starts.
    pager (string) null - Pager for help; unset: `$PAGER`, else `less`.
    enabled_backends (list of string) [] - Backends that may be used; empty: all.
    pre_command_scripts (table of list of string) {} - Shell lines to run before a command, by command name. A failing line stops the command.
    work_dir_extra_paths (table of SHARE|COPY) {} - Untracked paths of the project that new work dirs get too: `SHARE` links them on the same host, `COPY` copies.
    retry.connect_retry_times (integer) 3 - How often a failed interactive connection is tried again.
    retry.connect_retry_delay (duration) "5s" - Pause between two attempts.
    logging.file_level (TRACE|DEBUG|BUILD|INFO|WARN|ERROR|NONE) "DEBUG" - Least severe level that goes to the log file.
    logging.console_level (TRACE|DEBUG|BUILD|INFO|WARN|ERROR|NONE) "BUILD" - Least severe level that is shown on stderr.
    logging.log_dir (string) "events" - Directory of log files; a relative one lies in the data root.
    logging.max_log_files (integer) 10 - How many rotated log files are kept.
    logging.max_log_size_mb (integer) 100 - Size at which the log file is rotated, in MiB.
    logging.log_file_path (string) null - A fixed log file, as `--log-file`.
    logging.event_type (string) "mng" - `type` of each log record.
    logging.event_source (string) "logs/mng" - `source` of each log record, and the directory of the log file under `log_dir`.
    logging.is_logging_commands (bool) true - Whether commands that mng runs are logged.
    logging.is_logging_command_output (bool) false - Whether the output of these commands is logged too.
    logging.is_logging_env_vars (bool) false - Whether values of environment variables are logged; otherwise they are replaced by `***`.
    logging.enable_ssh_trace (bool) false - Whether the ssh exchange is logged.
    tmux.primary_window_name (string) "agent" - Name of the window that the agent runs in.
    tmux.attach_args (list of string) [] - Flags for the tmux client when attaching (`-CC`, `-u`, `-2`).
    tmux.additional_config_path (string) null - A tmux configuration file on the agent's host, read into every session if it exists.
    tmux.width (integer) 200 - Width of a new session, in columns.
    tmux.height (integer) 50 - Height of a new session, in lines.
    tmux.window_size (manual|latest|largest|smallest) null - tmux `window-size` of new sessions; unset: fixed until a client attaches, then fitted to it.
    tmux.destroy_key (string) "C-q" - Key that asks to destroy the agent, in tmux notation; empty: none.
    tmux.stop_key (string) "C-t" - Key that stops the agent, in tmux notation; empty: none.
    is_remote_agent_installation_allowed (bool) true - Whether mng may install an agent's program on a remote host.
    connect_command (string) null - Shell line to run instead of the built-in attach.
    is_nested_tmux_allowed (bool) false - Whether to attach from inside tmux, which nests one tmux in another.
    headless (bool) false - Never ask, page, open an editor or a picker; as `--headless`.
    is_error_reporting_enabled (bool) true - Whether to print how to report an unexpected error.
    is_allowed_in_pytest (bool) false - Marks a settings file as made for a test suite; see `MNG_TEST_GUARD`.
    implicit_providers (used|all|none) "used" - Which back ends without a `[providers.NAME]` table are asked: those this profile has used, all, or none.
    default_destroyed_host_persisted_seconds (duration) 604800 - How long records of destroyed hosts are kept, in seconds.
    default_min_online_host_age_seconds (duration) 600 - `mng gc` never destroys an online host without agents that is younger than this, in seconds.
    agent_ready_timeout (duration) 10 - Longest wait for an agent to be ready before its message, in seconds.
    host_detail_read_timeout_seconds (duration) 20 - How long a listing waits for the details of one host, in seconds.
    strict_host_record_parsing (bool) false - Accepted for compatibility: a host whose record cannot be read is always listed, as UNKNOWN.
    stop_grace_seconds (duration) 5 - Time between asking an agent's processes to end and killing them, in seconds.
    rescue_keep (duration) "7d" - How long `mng undo` can bring back what was destroyed.
    allow_settings_key_assignment_narrowing (bool) false - Whether a plain key may drop entries that a lower layer set in the same list or table.
    agent_types (table) {} - Agent types: settings of known ones, and new ones with a `parent_type`.
    agent_types.NAME.parent_type (string) null - Type whose implementation and settings this one inherits.
    agent_types.NAME.plugin (string) null - Plugin that must be enabled for this table to count; by default the one that brings the type.
    agent_types.NAME.command (string) null - Command line to run instead of the type's own.
    agent_types.NAME.cli_args (list of string) [] - Arguments after the command, already safe for a shell.
    agent_types.NAME.permissions (list of string) [] - Accepted for compatibility and ignored.
    agent_types.NAME.extra_provision_command (list of string) [] - Shell lines to run on the host while an agent is set up.
    agent_types.NAME.upload_file (list of string) [] - Files to copy to the host, each as `LOCAL:REMOTE`.
    agent_types.NAME.create_directory (list of string) [] - Directories to make on the host.
    agent_types.NAME.env (list of string) [] - Variables of the agent, each as `KEY=VALUE`.
    agent_types.NAME.env_file (list of string) [] - Files with variables of the agent.
    agent_types.claude.version (string) null - 
    agent_types.claude.settings_overrides (table) null - 
    agent_types.command.tracks_activity (any) null - 
    providers (table) {} - Provider instances, by name.
    providers.NAME.backend (string) null - Backend of this instance; by default its own name.
    providers.NAME.is_enabled (bool) null - Whether the instance is used; `false` keeps its settings.
    providers.NAME.plugin (string) null - Plugin that must be enabled for this table to count; by default the backend's.
    providers.NAME.destroyed_host_persisted_seconds (duration) null - How long records of destroyed hosts are kept, in seconds; unset: the global setting.
    providers.NAME.min_online_host_age_seconds (duration) null - `mng gc` spares younger online hosts, in seconds; unset: the global setting.
    providers.NAME.host_log_dir (string) null - Directory of service logs on the host; unset: `logs` in the host dir.
    providers.NAME.discovery_poll_interval_seconds (duration) 30 - Pause between two discoveries while observing, in seconds.
    providers.NAME.host_discovery_poll_interval_seconds (duration) 3 - Pause between two looks at a running host while observing, in seconds.
    providers.NAME.discovery_warn_seconds (duration) 20 - A slower discovery is warned about, in seconds.
    providers.NAME.discovery_error_timeout_seconds (duration) 120 - A slower discovery counts as failed, in seconds.
    providers.NAME.host_discovery_timeout_seconds (duration) 30 - A slower host is shown as UNKNOWN, in seconds.
    providers.NAME.agent_discovery_timeout_seconds (duration) 30 - A slower agent is shown as UNKNOWN, in seconds.
    providers.docker.host (string) "" - Daemon to talk to.
    providers.docker.build_timeout_seconds (integer) 0 - 
    providers.docker.allowed_ssh_cidrs (list of string) [] - 
    providers.docker.security_group.name (string) "" - 
    providers.docker.security_group.rules (list of string) [] - 
    plugins (table) {} - Plugins: whether each is enabled, and its settings.
    plugins.NAME.enabled (bool) null - Whether the plugin is used; unset: as the plugin says.
    commands (table) {} - Defaults of command options, by command and option.
    commands.NAME.default_subcommand (string) null - Subcommand to run when none is named; empty: none.
    create_templates (table) {} - Named sets of `create` options, chosen with `--template`.
    "#);
}
