//! A terminal on an agent of another machine.

use std::fs;
use std::time::{Duration, Instant};

use mng_tests::{SshHost, Terminal, TestEnv};

use super::trust::{fingerprint, world_that_knows_nobody};
use super::{settings, world};

/// An agent that answers each line, and says how large its terminal is when the line is `size`.
fn create_talker(env: &TestEnv, name: &str) {
    let script = "while read -r line; do if [ \"$line\" = size ]; then echo size:$(stty size):; else echo got:$line; fi; done";
    let address = format!("{name}@alpha");
    let words = ["create", &address, "--type", "command", "--no-connect", "--", "sh", "-c", script];
    env.mng_args(&words).success();
}

fn clients(machine: &SshHost, session: &str) -> usize {
    machine.tmux(&["list-clients", "-t", &format!("={session}:"), "-F", "x"]).lines().count()
}

fn say(terminal: &Terminal, line: &str, answer: &str) {
    terminal.type_text(line);
    terminal.press(&["Enter"]);
    terminal.wait_for(answer);
}

fn signals(machine: &SshHost) -> usize {
    fs::read_dir(machine.home().join(".mng/signals")).map_or(0, Iterator::count)
}

#[test]
fn attach_type_resize_and_detach() {
    let Some(machine) = SshHost::start("alpha") else { return };
    let env = world(&[&machine], "");
    create_talker(&env, "one");
    let terminal = env.terminal_of(env.command("connect one"), (100, 30));
    env.eventually("the client is attached", |_| clients(&machine, "mng-one") == 1);
    say(&terminal, "typed by hand", "got:typed by hand");
    say(&terminal, "size", "size:29 100:");
    terminal.resize(120, 40);
    // tmux tells the programs a moment after it has resized the window.
    env.eventually("the agent sees the size", |_| {
        terminal.type_text("size");
        terminal.press(&["Enter"]);
        terminal.screen().contains("size:39 120:")
    });
    terminal.press(&["C-b", "d"]);
    assert_eq!(terminal.wait_exit(), 0);
    assert_eq!(env.state_of("one"), "RUNNING");
}

#[test]
fn the_selector_lists_agents_of_other_machines() {
    let Some(machine) = SshHost::start("alpha") else { return };
    let env = world(&[&machine], "");
    create_talker(&env, "one");
    env.create("here");
    let terminal = env.terminal("connect");
    for text in ["Agent Selector", "here", "one", "alpha"] {
        terminal.wait_for(text);
    }
    terminal.type_text("one");
    terminal.wait_until("only `one`", |screen| !screen.contains("here"));
    terminal.press(&["Enter"]);
    env.eventually("the client is attached", |_| clients(&machine, "mng-one") == 1);
    say(&terminal, "chosen", "got:chosen");
    terminal.press(&["C-b", "d"]);
    assert_eq!(terminal.wait_exit(), 0);
}

#[test]
fn the_keys_of_a_far_session_stop_and_destroy_its_agent() {
    let Some(machine) = SshHost::start("alpha") else { return };
    let env = world(&[&machine], "");
    create_talker(&env, "one");
    let terminal = env.terminal("connect one");
    env.eventually("the client is attached", |_| clients(&machine, "mng-one") == 1);
    terminal.press(&["C-t"]);
    assert_eq!(terminal.wait_exit(), 0);
    terminal.wait_for("Stopped agent: one");
    assert_eq!(env.state_of("one"), "STOPPED");
    assert_eq!(signals(&machine), 0, "the word was read");

    // `connect` starts it again.
    let terminal = env.terminal("connect one");
    env.eventually("the client is attached", |_| clients(&machine, "mng-one") == 1);
    terminal.press(&["C-q"]);
    terminal.wait_for("destroy agent mng-one? (y/n)");
    terminal.press(&["n"]);
    terminal.wait_until("no question", |screen| !screen.contains("(y/n)"));
    say(&terminal, "still here", "got:still here");
    terminal.press(&["C-q"]);
    terminal.wait_for("(y/n)");
    terminal.press(&["y"]);
    assert_eq!(terminal.wait_exit(), 0);
    terminal.wait_for("Destroyed agent: one");
    assert_eq!(env.mng("list --format json").success().json()["agents"].as_array().unwrap().len(), 0);
    assert!(machine.tmux(&["list-sessions"]).is_empty());
}

#[test]
fn a_dropped_line_is_attached_again_until_the_agent_is_gone() {
    let Some(machine) = SshHost::start("alpha") else { return };
    let env = TestEnv::new();
    env.settings(&(settings(&[&machine], "") + "[retry]\nconnect_retry_delay = \"1s\"\n"));
    create_talker(&env, "one");
    let terminal = env.terminal("connect one");
    env.eventually("the client is attached", |_| clients(&machine, "mng-one") == 1);
    say(&terminal, "before", "got:before");
    machine.drop_connections();
    terminal.wait_for("The line to host `alpha.boxes` was lost; attaching again in 1s (1 of 3");
    env.eventually("the client is attached again", |_| clients(&machine, "mng-one") == 1);
    say(&terminal, "after", "got:after");
    terminal.press(&["C-b", "d"]);
    assert_eq!(terminal.wait_exit(), 0);

    let terminal = env.terminal("connect one");
    env.eventually("the client is attached", |_| clients(&machine, "mng-one") == 1);
    machine.stop_sshd();
    machine.drop_connections();
    terminal.wait_for("(2 of 3");
    machine.tmux(&["kill-server"]);
    machine.start_sshd();
    assert_eq!(terminal.wait_exit(), 1);
    terminal.wait_for("agent `one` is not running");
    terminal.wait_for("mng start one");
}

#[test]
fn a_line_that_stays_lost_ends_the_command_and_not_the_agent() {
    let Some(machine) = SshHost::start("alpha") else { return };
    let env = TestEnv::new();
    let retry = "[retry]\nconnect_retry_delay = \"1s\"\nconnect_retry_times = 2\n";
    env.settings(&(settings(&[&machine], "") + retry));
    create_talker(&env, "one");
    for (line, told) in [
        ("connect one", "did not come back in 2 tries"),
        ("connect one --no-reconnect", "the line to host `alpha.boxes` was lost"),
    ] {
        let terminal = env.terminal(line);
        env.eventually("the client is attached", |_| clients(&machine, "mng-one") == 1);
        machine.stop_sshd();
        machine.drop_connections();
        assert_ne!(terminal.wait_exit(), 0);
        terminal.wait_for(told);
        machine.start_sshd();
        env.eventually("the client is gone", |_| clients(&machine, "mng-one") == 0);
    }
    assert_eq!(env.state_of("one"), "RUNNING");
}

#[test]
fn a_person_is_asked_about_an_unknown_key_and_takes_their_time() {
    let Some(machine) = SshHost::start("alpha") else { return };
    let (env, pins) = world_that_knows_nobody(&machine);
    let terminal = env.terminal("list --provider boxes");
    terminal.wait_for(&fingerprint(&machine));
    terminal.wait_for("[y/N]:");
    terminal.press(&["Enter"]);
    assert_eq!(terminal.wait_exit(), 6);
    assert!(!pins.exists());

    let terminal = env.terminal("create one@alpha --type command -- cat");
    terminal.wait_for("ssh-ed25519");
    terminal.wait_for("[y/N]:");
    // Longer than anything on that machine may take.
    let asked = Instant::now();
    env.eventually("the person has made up their mind", |_| asked.elapsed() > Duration::from_secs(12));
    terminal.type_text("yes");
    terminal.press(&["Enter"]);
    env.eventually("the client is attached", |_| clients(&machine, "mng-one") == 1);
    assert!(fs::read_to_string(&pins).unwrap().contains(&machine.host_key()));
    terminal.press(&["C-b", "d"]);
    assert_eq!(terminal.wait_exit(), 0);
    env.mng("list --provider boxes").success().prints("one");
}
