//! A program that is missing or another one than is wanted, and a key that is secret or wrong.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use mng_tests::{Program, Stub, TestEnv};

use super::Codex;

const KEY: &str = "sk-test-0123456789abcdefghij";

/// A world without the program, and with a stand-in for the package manager.
fn without_program(npm: &str) -> TestEnv {
    let mut env = TestEnv::new();
    let path = format!("{}:/usr/bin:/bin", env.root().join("bin").display());
    env.set_var("PATH", path);
    let log = env.root().join("npm-calls");
    env.install("npm", &format!("#!/bin/sh\necho \"$*\" >>'{}'\n{npm}\n", log.display()));
    env
}

/// A world whose model wants a key, which the program takes from the environment.
fn with_key(stub: Stub) -> Option<Codex> {
    let program = Program::codex()?;
    let env = TestEnv::with_program(&program);
    let config = stub.codex_config().replace("requires_openai_auth = false", "env_key = \"STUB_API_KEY\"");
    fs::create_dir_all(env.home().join(".codex")).unwrap();
    fs::write(env.home().join(".codex/config.toml"), config).unwrap();
    Some(Codex { env, stub, program })
}

/// `mng create x1 codex` by a person who has the key in their environment.
fn create_with_key(codex: &Codex, message: &str) {
    let args = ["create", "x1", "codex", "--no-connect", "--yes", "--pass-env", "STUB_API_KEY"];
    let args = [&args[..], &["--message", message]].concat();
    codex.env.command_args(&args).env("STUB_API_KEY", KEY).run().success();
}

#[test]
fn a_missing_program_is_named_with_the_command_that_installs_it() {
    let env = without_program("exit 0");
    let run = env.mng("create x1 codex --no-connect").exits(1);
    let _ = run.says(&["`codex` is not installed on host", "npm i -g @openai/codex"]);
    let run = env.mng("create x1 codex --no-connect -S agent_types.codex.version=0.1.2").exits(1);
    let _ = run.says(&["npm i -g @openai/codex@0.1.2"]);
    assert!(env.agent_names().is_empty());
    assert!(!env.root().join("npm-calls").exists(), "nobody has agreed");
}

#[test]
fn a_person_is_asked_before_something_is_installed() {
    let env = without_program("exit 7");
    env.settings("");
    let refusal = env.terminal("create x1 codex --no-connect");
    refusal.wait_for("Codex is not installed. Install it with `npm i -g @openai/codex`?");
    refusal.type_text("n");
    refusal.press(&["Enter"]);
    assert_eq!(refusal.wait_exit(), 1);
    assert!(!env.root().join("npm-calls").exists());
    // Consent, and the package manager fails.
    let _ = env.mng("create x1 codex --no-connect --yes").exits(1).says(&["`npm` failed"]);
    assert_eq!(fs::read_to_string(env.root().join("npm-calls")).unwrap(), "i -g @openai/codex\n");
    assert!(env.agent_names().is_empty());
}

#[test]
fn another_version_than_the_pinned_one_is_refused() {
    let Some(codex) = Codex::new() else { return };
    let run = codex.env.mng("create x1 codex --no-connect --yes -S agent_types.codex.version=0.0.1");
    let _ = run.exits(1).says(&["asks for 0.0.1, and host", "npm i -g @openai/codex@0.0.1"]);
    assert!(codex.env.agent_names().is_empty());
    let version = codex.program.version().split(' ').next_back().unwrap_or_default();
    assert!(!version.is_empty(), "the installed program tells its version");
    let pin = format!("agent_types.codex.version={version}");
    codex.env.mng_args(&["create", "x1", "codex", "--no-connect", "--yes", "-S", &pin]).success();
}

#[test]
fn a_refused_key_is_told_on_the_screen_and_the_state_is_not_stuck() {
    let Some(codex) = with_key(Stub::openai_with_key("sk-another-0123456789abcdef")) else { return };
    create_with_key(&codex, "stub:say one");
    codex.stub.eventually("the key is refused", |stub| {
        stub.requests().iter().any(|request| request.status == Some(401))
    });
    codex.until_state("x1", "WAITING END_OF_TURN");
    codex.env.eventually("the program says why", |env| env.screen("mng-x1").contains("401 Unauthorized"));
}

#[test]
fn a_key_is_in_no_argument_and_in_no_file_that_others_can_read() {
    let Some(codex) = with_key(Stub::openai_with_key(KEY)) else { return };
    create_with_key(&codex, "stub:say hello");
    codex.until_state("x1", "WAITING END_OF_TURN");
    assert!(codex.transcript("x1").contains("hello"), "the key was let in\n{}", codex.describe());
    let processes = codex.env.processes_of(&codex.env.agent_id("x1"));
    assert!(!processes.is_empty(), "{}", codex.describe());
    for process in processes {
        assert!(!process.command.contains(KEY), "{process:?}");
    }
    for scope in [&["show-environment", "-g"][..], &["show-environment", "-t", "=mng-x1:"]] {
        assert!(!codex.env.tmux(scope).contains(KEY), "{scope:?}");
    }
    assert!(!codex.env.screen("mng-x1").contains(KEY));
    // The program itself notes its environment there, in files of mode 0644.
    let home = codex.env.agent_dir("x1").join("plugin/codex/home");
    let mode = fs::metadata(&home).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o700, "nobody else gets into it");
    let mut left = vec![codex.env.state_dir()];
    while let Some(path) = left.pop() {
        let meta = fs::symlink_metadata(&path).unwrap();
        if path == home {
            continue;
        } else if meta.is_dir() {
            left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if meta.is_file() && meta.permissions().mode() & 0o077 != 0 {
            assert!(!String::from_utf8_lossy(&fs::read(&path).unwrap()).contains(KEY), "{}", path.display());
        }
    }
}
