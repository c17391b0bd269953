//! Which plugins are linked, and executables on PATH that become commands.

use mng_tests::TestEnv;

/// The linker drops a crate that nothing mentions: the exact list holds the link lines.
#[test]
fn this_build_links_exactly_these() {
    let env = TestEnv::new();
    let listing = env.mng("plugin list --format json").success().json();
    let plugins = listing["plugins"].as_array().unwrap();
    let mut names: Vec<&str> = plugins.iter().map(|plugin| plugin["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["claude", "codex", "command", "local", "opencode", "pi_coding", "ssh"]);
    for plugin in plugins {
        assert!(plugin["version"].is_string() && plugin["description"].is_string());
        assert_eq!(plugin["enabled"], true);
    }
    assert_eq!(env.mng("plugin list --format jsonl").success().jsonl().len(), 7);
    env.mng("plugin list").success().prints("NAME").prints("command");
}

#[test]
fn a_disabled_plugin_brings_nothing() {
    let env = TestEnv::new();
    env.mng("plugin disable command --scope user").success();
    env.mng("create a1 --type command --no-connect -- sleep 1").exits(1).says(&["command"]);
    let active = env.mng("plugin list --active --format json").success().json();
    assert_eq!(active["plugins"].as_array().unwrap().len(), 6);
    env.mng("plugin enable command --scope user").success();
    env.create("a1");
    env.mng("create a2 --type command --no-connect --disable-plugin command -- sleep 1").exits(1);
    env.mng("list --disable-plugin no-such-plugin").exits(1).says(&["no-such-plugin"]);
    env.mng("plugin disable no-such-plugin --scope user").success().says(&["no-such-plugin"]);
    env.mng("list").success().prints("a1");
}

#[test]
fn an_executable_on_path_is_a_command() {
    let env = TestEnv::new();
    env.install("mng-hello", "#!/bin/sh\necho \"hello $*\"\nexit 5\n");
    assert_eq!(env.mng("hello big 'wide world'").exits(5).stdout, "hello big wide world\n");
    // A built-in command is not to be replaced by what lies about.
    env.install("mng-list", "#!/bin/sh\necho hijacked\n");
    env.mng("list").success().prints_no("hijacked");
}
