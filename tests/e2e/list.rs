//! What `list` shows, and the filters that every command shares.

use std::collections::BTreeSet;

use insta::assert_snapshot;
use mng_tests::TestEnv;
use serde_json::{Value, json};

fn names(env: &TestEnv, words: &[&str]) -> Vec<String> {
    let mut args = vec!["list", "--format", "{name}"];
    args.extend(words);
    let run = env.mng_args(&args).success();
    let mut names: Vec<String> = run.lines().into_iter().map(str::to_owned).collect();
    names.sort();
    names
}

#[test]
fn nothing_is_an_empty_list() {
    let env = TestEnv::new();
    env.mng("list").success().prints("No agents found");
    let listing = env.mng("list --format json").success();
    assert_eq!(listing.stdout, "{\"agents\":[],\"errors\":[]}\n");
    assert_eq!(env.mng("list --format jsonl").success().stdout, "");
    assert_eq!(env.mng("list --ids").success().stdout, "");
    assert!(!env.state_dir().join("profiles").exists(), "list creates nothing");
    assert!(!env.state_dir().join("host_id").exists());
}

#[test]
fn a_json_agent_has_exactly_the_catalogue() {
    let env = TestEnv::new();
    env.create("a1");
    let agent = env.listed().remove("a1").unwrap();
    let keys: Vec<&str> = agent.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = [
        "resource_type",
        "id",
        "name",
        "type",
        "command",
        "work_dir",
        "initial_branch",
        "create_time",
        "start_on_boot",
        "state",
        "pid",
        "url",
        "start_time",
        "runtime_seconds",
        "user_activity_time",
        "agent_activity_time",
        "idle_seconds",
        "idle_mode",
        "idle_timeout_seconds",
        "activity_sources",
        "labels",
        "host",
        "plugin",
    ];
    for key in expected {
        assert!(keys.contains(&key), "{key} is missing: {keys:?}");
    }
    for key in ["waiting_reason", "state_reason", "state_age", "cpu_seconds", "memory_bytes"] {
        assert!(keys.contains(&key), "{key} is missing: {keys:?}");
    }
    for absent in ["age", "runtime", "idle", "project"] {
        assert!(!keys.contains(&absent), "{absent} is for filters only");
    }
    let host_keys: Vec<&str> = agent["host"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        host_keys,
        [
            "id",
            "name",
            "provider_name",
            "state",
            "image",
            "tags",
            "boot_time",
            "uptime_seconds",
            "resource",
            "ssh",
            "snapshots",
            "is_locked",
            "locked_time",
            "plugin",
            "ssh_activity_time",
            "failure_reason"
        ]
    );
    assert_eq!(agent["resource_type"], "agent");
    assert_eq!(agent["initial_branch"], "mng/a1");
    assert_eq!(agent["host"]["provider_name"], "local");
    assert_eq!(agent["host"]["state"], "RUNNING");
    assert_eq!(agent["host"]["ssh"], Value::Null);
    assert_eq!(agent["idle_seconds"], Value::Null);
    assert!(agent["pid"].is_i64());
    assert!(agent["memory_bytes"].is_number(), "{agent}");
    assert!(agent["create_time"].as_str().unwrap().ends_with('Z'));
    let jsonl = env.mng("list --format jsonl").success().jsonl();
    assert_eq!(jsonl.len(), 1);
    assert_eq!(jsonl[0]["id"], agent["id"]);
    assert!(jsonl[0].get("event").is_none());
}

#[test]
fn the_schema_names_each_key_of_the_listing() {
    let env = TestEnv::new();
    env.create("a1");
    let schema = env.mng("list --schema --format json").success().json();
    let known: BTreeSet<String> = schema["schema"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["key"].as_str().unwrap().to_owned())
        .collect();
    let agent = env.listed().remove("a1").unwrap();
    for key in agent.as_object().unwrap().keys().filter(|key| *key != "host") {
        assert!(known.contains(key), "--schema does not know {key}");
    }
    for key in agent["host"].as_object().unwrap().keys() {
        assert!(known.contains(&format!("host.{key}")), "--schema does not know host.{key}");
    }
}

#[test]
fn what_a_plain_table_does_not_read_is_there_where_it_is_named() {
    let env = TestEnv::new();
    env.create("a1");
    env.create("a2");
    let status = env.agent_dir("a1").join("status");
    std::fs::create_dir_all(&status).unwrap();
    std::fs::write(status.join("url"), "http://localhost:8000\n").unwrap();
    let activity = env.agent_dir("a1").join("activity");
    std::fs::create_dir_all(&activity).unwrap();
    std::fs::write(activity.join("user"), "{}").unwrap();
    for words in [
        ["--include", "url == 'http://localhost:8000'"],
        ["--include", "has(user_activity_time)"],
        ["--include", "idle_seconds != null"],
        ["--exclude", "!has(idle)"],
    ] {
        let rows = env.mng_args(&["list", "--ids", words[0], words[1]]).success();
        assert_eq!(rows.stdout.lines().count(), 1, "{words:?}: {}", rows.stdout);
    }
    let template = env.mng_args(&["list", "--format", "{name} {url} {user_activity_time}", "--sort", "name"]);
    let lines = template.success().stdout;
    assert!(lines.starts_with("a1 http://localhost:8000 2"), "{lines}");
    let table = env.mng("list --fields name,idle_seconds --sort name").success().stdout;
    assert!(!table.lines().nth(1).unwrap().trim_end().ends_with('-'), "{table}");
}

#[test]
fn filters_select() {
    let env = TestEnv::new();
    env.mng("create a1 --type command --no-connect --label team=red -- sleep 1000").success();
    env.mng("create a2 --type command --no-connect --label team=blue --transfer none -- sleep 1000")
        .success();
    env.mng("create b1 --type command --no-connect -- sleep 1000").success();
    env.mng("stop b1").success();
    env.mng("archive b1").success();
    for (words, expected) in [
        (vec!["--include", "name.startsWith('a')"], vec!["a1", "a2"]),
        (vec!["--include", "name == 'a1'", "--include", "state == 'RUNNING'"], vec!["a1"]),
        (vec!["--exclude", "name == 'a1'", "--exclude", "name == 'a2'"], vec!["b1"]),
        (vec!["--running"], vec!["a1", "a2"]),
        (vec!["--stopped"], vec!["b1"]),
        (vec!["--running", "--stopped"], vec![]),
        (vec!["--alive"], vec!["a1", "a2"]),
        (vec!["--archived"], vec!["b1"]),
        (vec!["--active"], vec!["a1", "a2"]),
        (vec!["--local"], vec!["a1", "a2", "b1"]),
        (vec!["--remote"], vec![]),
        (vec!["--label", "team=red", "--label", "team=blue"], vec!["a1", "a2"]),
        (vec!["--project", "repo"], vec!["a1", "a2", "b1"]),
        (vec!["--project", "."], vec!["a1", "a2", "b1"]),
        (vec!["--project", "other"], vec![]),
        (vec!["--provider", "local"], vec!["a1", "a2", "b1"]),
        // A missing key is no error, and no comparison with it holds.
        (vec!["--include", "labels.team == 'red'"], vec!["a1"]),
        (vec!["--include", "labels.team != 'red'"], vec!["a2"]),
        (vec!["--include", "has(labels.team)"], vec!["a1", "a2"]),
        // Null counts as absent.
        (vec!["--include", "has(url)"], vec![]),
        (vec!["--include", "url == null"], vec!["a1", "a2", "b1"]),
        (vec!["--include", "age < 3600.0 && age > 0"], vec!["a1", "a2", "b1"]),
        (vec!["--include", "type == 'command'"], vec!["a1", "a2", "b1"]),
        (vec!["--include", "host.provider == 'local' && project == 'repo'"], vec!["a1", "a2", "b1"]),
        (
            vec!["--include", "timestamp(create_time) > timestamp('2020-01-01T00:00:00Z')"],
            vec!["a1", "a2", "b1"],
        ),
        (vec!["--include", "labels.exists(k, k == 'team')"], vec!["a1", "a2"]),
        (vec!["--include", "work_dir.matches('worktrees/a1-[0-9a-f]+$')"], vec!["a1"]),
    ] {
        assert_eq!(names(&env, &words), expected, "{words:?}");
    }
    env.mng("list --label noequals").exits(2);
}

#[test]
fn an_evaluation_error_warns_once_and_includes_nothing() {
    let env = TestEnv::new();
    env.create("a1");
    env.create("a2");
    let run = env.mng_args(&["list", "--format", "{name}", "--include", "no_such_field > 3"]).success();
    assert_eq!(run.stdout, "");
    assert_eq!(run.stderr.matches("WARNING").count(), 1, "{}", run.in_full());
    assert!(run.stderr.len() < 400, "the warning is one short line:\n{}", run.stderr);
}

#[test]
fn templates_fields_headers_and_sort() {
    let env = TestEnv::new();
    for name in ["b", "c", "a"] {
        env.mng_args(&[
            "create",
            name,
            "--type",
            "command",
            "--no-connect",
            "--label",
            &format!("n={name}"),
            "--",
            "sleep 1000",
        ])
        .success();
    }
    let lines = |words: &[&str]| -> Vec<String> {
        let mut args = vec!["list"];
        args.extend(words);
        env.mng_args(&args).success().lines().into_iter().map(str::to_owned).collect()
    };
    assert_eq!(lines(&["--format", "{name}", "--sort", "name"]), ["a", "b", "c"]);
    assert_eq!(lines(&["--format", "{name}", "--sort", "name desc"]), ["c", "b", "a"]);
    assert_eq!(lines(&["--format", "{name}", "--sort", "name", "--sort-order", "desc"]), ["c", "b", "a"]);
    assert_eq!(lines(&["--format", "{name}", "--sort", "create_time", "--limit", "2"]), ["b", "c"]);
    assert_eq!(
        lines(&[
            "--format",
            "{name:>3}|{labels.n}|{labels.missing}|{{x}}\\t.",
            "--sort",
            "name",
            "--limit",
            "1"
        ]),
        ["  a|a||{x}\t."]
    );
    assert_eq!(lines(&["--addrs", "--sort", "name", "--limit", "1"]), ["a@localhost.local"]);
    let table = lines(&["--fields", "name,labels.n", "--header", "labels.n=N", "--sort", "name"]);
    assert_eq!(table.len(), 4);
    assert_eq!(table[0].split_whitespace().collect::<Vec<_>>(), ["NAME", "N"]);
    assert_eq!(table[1].split_whitespace().collect::<Vec<_>>(), ["a", "a"]);
    env.mng("list --format '{name'").exits(2).says(&["invalid format template"]);
    env.mng("list --format '{nmae}'").exits(2).says(&["nmae", "name"]);
    env.mng("list --ids --addrs").exits(2);
    env.mng("list --limit x").exits(2);
    env.mng("stop a --format '{name}'").success().prints("a");
}

#[test]
fn names_from_stdin_restrict_the_listing() {
    let env = TestEnv::new();
    env.create("a1");
    env.create("a2");
    let id = env.agent_id("a2");
    let run = env.command("list --stdin --format '{name}'").stdin(format!("{id}\n\n")).run().success();
    assert_eq!(run.stdout, "a2\n");
}

#[test]
fn the_host_view() {
    let env = TestEnv::new();
    env.create("a1");
    env.create("a2");
    let hosts = env.mng("list --hosts --format json").success().json();
    let host = &hosts["hosts"][0];
    assert_eq!(host["name"], "localhost");
    assert_eq!(host["provider"], "local");
    assert_eq!(host["state"], "RUNNING");
    let mut agents: Vec<&str> =
        host["agents"].as_array().unwrap().iter().map(|agent| agent["name"].as_str().unwrap()).collect();
    agents.sort_unstable();
    assert_eq!(agents, ["a1", "a2"]);
    env.mng("list --hosts").success().prints("localhost").prints("local");
    env.mng("list --hosts --running").exits(2);
}

#[test]
fn watch_repeats_until_interrupted() {
    let env = TestEnv::new();
    env.create("a1");
    let terminal = env.terminal("list --watch 1");
    terminal.wait_for("a1");
    env.create("a2");
    terminal.wait_for("a2");
    terminal.press(&["C-c"]);
    assert_eq!(terminal.wait_exit(), 0);
    env.mng("list --watch 1 --format jsonl").exits(2);
}

#[test]
fn values_print_alike_in_templates_and_json() {
    let env = TestEnv::new();
    env.create("a1");
    let agent = env.listed().remove("a1").unwrap();
    let run = env
        .mng_args(&[
            "list",
            "--format",
            "{start_on_boot}|{labels}|{url}|{host.name}|{host.resource.cpu.count}",
        ])
        .success();
    let cpus = &agent["host"]["resource"]["cpu"]["count"];
    assert_eq!(run.stdout.trim_end(), format!("false|project=repo||localhost|{cpus}"));
    assert_eq!(agent["labels"], json!({ "project": "repo" }));
}

#[test]
fn the_table_and_the_json_of_one_agent() {
    let env = TestEnv::new();
    env.create("fix-auth");
    env.mng("create docs --type command --no-connect --transfer none -- sleep 1000").success();
    env.mng("stop docs").success();
    assert_snapshot!(env.mng("list --sort name"), @r"
    exit 0
    ---- stdout
    NAME      STATE    HOST       PROVIDER  HOST STATE  PROJECT
    docs      STOPPED  localhost  local     RUNNING     repo
    fix-auth  RUNNING  localhost  local     RUNNING     repo
    ---- stderr
    ");
    env.eventually("its program has begun", |env| {
        env.mng("list --format '{state_reason}'").success().stdout.contains("its program runs")
    });
    assert_snapshot!(env.mng_args(&["list", "--format", "json", "--include", "name == 'fix-auth'"]), @r#"
    exit 0
    ---- stdout
    {"agents":[{"resource_type":"agent","id":"<agent-id>","name":"fix-auth","type":"command","command":"sleep 1000","work_dir":"$STATE/worktrees/fix-auth-<hex>","initial_branch":"mng/fix-auth","create_time":"<time>","start_on_boot":false,"state":"RUNNING","waiting_reason":null,"state_reason":"its program runs","state_age":<n>,"pid":<n>,"cpu_seconds":<n>,"memory_bytes":<n>,"url":null,"start_time":"<time>","runtime_seconds":<n>,"user_activity_time":null,"agent_activity_time":null,"idle_seconds":null,"idle_mode":"IO","idle_timeout_seconds":3600,"activity_sources":["USER","AGENT","SSH","CREATE","START","BOOT"],"labels":{"project":"repo"},"host":{"id":"<host-id>","name":"localhost","provider_name":"local","state":"RUNNING","image":null,"tags":{},"boot_time":"<time>","uptime_seconds":<n>,"resource":{"cpu":{"count":<n>,"frequency_ghz":<n>},"memory_gb":<n>,"disk_gb":<n>,"gpu":null},"ssh":null,"snapshots":[],"is_locked":false,"locked_time":null,"plugin":{},"ssh_activity_time":null,"failure_reason":null},"plugin":{"mng":{"git_common_dir":"$REPO/.git"}}}],"errors":[]}
    ---- stderr
    "#);
}

/// However many agents there are: one question to tmux, all else is read from files.
#[test]
fn a_listing_starts_one_program() {
    let env = TestEnv::new();
    for n in 0..5 {
        env.create(&format!("a{n}"));
    }
    env.eventually("all programs have begun", |env| {
        !env.mng("list --format '{state_reason}'").success().stdout.contains("starting")
    });
    let log = env.root().join("started");
    let real_path = std::env::var("PATH").unwrap();
    for name in ["tmux", "ps", "git", "sh", "bash", "stat", "cat", "pgrep", "uname", "sysctl"] {
        let real =
            real_path.split(':').map(|dir| std::path::Path::new(dir).join(name)).find(|path| path.exists());
        if let Some(real) = real {
            let script = format!(
                "#!/bin/bash\necho {name} >> '{}'\nexec '{}' \"$@\"\n",
                log.display(),
                real.display()
            );
            // Its own interpreter is not looked up on PATH, so a shim starts no other.
            env.install(name, &script);
        }
    }
    env.mng("list").success().prints("a4");
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "tmux\n");
    std::fs::remove_file(&log).unwrap();
    env.mng("list --format json").success();
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "tmux\n");
    std::fs::remove_file(&log).unwrap();
    for words in ["--help", "--version", "completion bash", "__complete bash 'mng stop ' ' '"] {
        env.mng(words).success();
        assert!(!log.exists(), "mng {words} starts programs");
    }
}
