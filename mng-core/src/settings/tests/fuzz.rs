//! Hostile and random input: nothing panics, nothing else changes.

use proptest::prelude::*;
use serde_json::Value;

use super::world::World;
use crate::settings::{ConfigScope, Editor, LoadRequest, WriteForm};

const DOCUMENT: &str = "\
# head
prefix = \"a-\" # one

[logging] # two
max_log_files = 3
# three
console_level = \"INFO\"

[agent_types.my-type]
parent_type = \"claude\"
cli_args = [ # four
    \"-v\",
]

[work_dir_extra_paths]
\".env\" = \"SHARE\" # five
";

fn keys() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec![
        "prefix",
        "headless",
        "logging.max_log_files",
        "logging.file_level",
        "agent_types.my_type.cli_args",
        "agent_types.my-type.settings_overrides.a.b",
        "agent_types.other.command",
        "work_dir_extra_paths.\".env\"",
        "work_dir_extra_paths.new",
        "commands.snapshot-create.all",
        "create_templates.box.env__extend",
        "unset_vars__assign",
    ])
}

fn texts() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec![
        "x",
        "5",
        "true",
        "DEBUG",
        "COPY",
        "[\"a\", \"b\"]",
        "{\"a\": \"COPY\"}",
        "\"4\"",
    ])
}

fn without(value: &Value, path: &[String]) -> Value {
    let mut value = value.clone();
    if let (Some((last, parents)), Value::Object(_)) = (path.split_last(), &value) {
        let mut table = &mut value;
        for parent in parents {
            match table.get_mut(parent) {
                Some(inner) => table = inner,
                None => return value,
            }
        }
        if let Some(map) = table.as_object_mut() {
            map.shift_remove(last);
        }
    }
    prune(&mut value);
    value
}

fn prune(value: &mut Value) {
    if let Some(map) = value.as_object_mut() {
        map.values_mut().for_each(prune);
        map.retain(|_, value| value.as_object().is_none_or(|map| !map.is_empty()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn an_edit_changes_its_key_and_nothing_else(edits in proptest::collection::vec((keys(), texts()), 1..4)) {
        let world = World::new();
        world.user(DOCUMENT);
        let locations = world.locations();
        let request =
            LoadRequest { locations: &locations, env: &world.env, overrides: &[], known: &world.known };
        let editor = Editor::new(request);
        for (key, text) in edits {
            let before = editor.list(Some(ConfigScope::User), true).unwrap().config;
            let result = editor.write(ConfigScope::User, key, text, WriteForm::Set, false);
            let after = editor.list(Some(ConfigScope::User), true).unwrap().config;
            match result {
                Ok(edited) => {
                    let path: Vec<String> = crate::settings::problem::split_path(&edited.key).unwrap();
                    let path: Vec<String> = path.into_iter().map(|name| name.replace("my_type", "my-type")).collect();
                    prop_assert_eq!(without(&before, &path), without(&after, &path));
                    let read = editor.get(key, Some(ConfigScope::User)).unwrap();
                    match (&read.value, &edited.value) {
                        // An addition gathers what was added before.
                        (Value::Array(all), Value::Array(new)) if key.ends_with("__extend") => {
                            prop_assert!(new.iter().all(|item| all.contains(item)));
                        }
                        (read, written) => prop_assert_eq!(read, written),
                    }
                }
                Err(_) => prop_assert_eq!(before, after),
            }
            world.load().unwrap();
        }
        let text = std::fs::read_to_string(world.path(ConfigScope::User)).unwrap();
        for comment in ["# head", "# one", "# two", "# three"] {
            prop_assert!(text.contains(comment), "{comment} is gone:\n{text}");
        }
    }

    #[test]
    fn no_text_makes_a_load_panic(
        file in "(\\[?[a-z_.\"]{0,12}\\]?( = )?[\\PC]{0,8}\n){0,6}",
        name in "MNG_(_[A-Z]{0,4}){0,4}(EXTEND|ASSIGN)?",
        setting in "[a-z._\"']{0,16}=\\PC{0,8}",
        value in "\\PC{0,8}",
    ) {
        let mut world = World::new();
        world.user(&file).project("[agent_types.x]\nparent_type = \"x\"\n[commands.create]\nenv = \"a\"\n");
        world.set_env(&name, &value);
        let _ = world.load_with(&[&setting]);
        let locations = world.locations();
        let request =
            LoadRequest { locations: &locations, env: &world.env, overrides: &[], known: &world.known };
        let editor = Editor::new(request);
        let (key, text) = setting.split_once('=').unwrap();
        let _ = editor.write(ConfigScope::Project, key, text, WriteForm::Extend, true);
        let _ = editor.get(key, None);
        prop_assert!(editor.list(Some(ConfigScope::Project), false).is_ok(), "an edit never breaks the syntax");
    }
}
