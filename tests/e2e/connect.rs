//! Attaching a real terminal, and choosing among agents in one.

use mng_tests::TestEnv;

/// A world whose person has seen the greeting of the first attach.
fn greeted() -> TestEnv {
    let env = TestEnv::new();
    env.settings("");
    env
}

fn clients(env: &TestEnv, session: &str) -> usize {
    env.tmux(&["list-clients", "-t", &format!("={session}:"), "-F", "x"]).lines().count()
}

#[test]
fn attach_type_and_detach() {
    let env = greeted();
    env.create_echo("a1");
    let terminal = env.terminal("connect a1");
    env.eventually("the client is attached", |env| clients(env, "mng-a1") == 1);
    terminal.type_text("typed by hand");
    terminal.press(&["Enter"]);
    terminal.wait_for("got:typed by hand");
    terminal.press(&["C-b", "d"]);
    assert_eq!(terminal.wait_exit(), 0);
    assert_eq!(env.state_of("a1"), "RUNNING");
}

#[test]
fn the_first_attach_greets_once() {
    let env = TestEnv::new();
    env.create_echo("a1");
    let terminal = env.terminal("connect a1");
    terminal.wait_for("You are attached");
    terminal.press(&["Enter"]);
    terminal.wait_until("no greeting", |screen| !screen.contains("You are attached"));
    terminal.type_text("after the greeting");
    terminal.press(&["Enter"]);
    terminal.wait_for("got:after the greeting");
    terminal.press(&["C-b", "d"]);
    assert_eq!(terminal.wait_exit(), 0);
    env.create_echo("a2");
    let terminal = env.terminal("connect a2");
    env.eventually("the client is attached", |env| clients(env, "mng-a2") == 1);
    terminal.type_text("no greeting");
    terminal.press(&["Enter"]);
    terminal.wait_for("got:no greeting");
}

#[test]
fn create_connects_at_once() {
    let env = greeted();
    let terminal = env.terminal("create a1 --type command -- sh -c 'echo welcome; sleep 1000'");
    terminal.wait_for("welcome");
    env.eventually("the client is attached", |env| clients(env, "mng-a1") == 1);
    terminal.press(&["C-b", "d"]);
    assert_eq!(terminal.wait_exit(), 0);
}

#[test]
fn connect_starts_a_stopped_agent_unless_told_not_to() {
    let env = greeted();
    env.create("a1");
    env.mng("stop a1").success();
    let terminal = env.terminal("connect a1 --no-start");
    assert_eq!(terminal.wait_exit(), 1);
    assert_eq!(env.state_of("a1"), "STOPPED");
    let terminal = env.terminal("connect a1");
    env.eventually("the client is attached", |env| clients(env, "mng-a1") == 1);
    terminal.press(&["C-b", "d"]);
    assert_eq!(terminal.wait_exit(), 0);
    assert_eq!(env.state_of("a1"), "RUNNING");
}

#[test]
fn the_window_follows_the_terminals_size() {
    let env = greeted();
    env.create("a1");
    let terminal =
        env.terminal_of(env.command("connect a1").env("MNG_SIGWINCH_DELAY_SECONDS", "0"), (100, 30));
    env.eventually("the window fits the client", |env| {
        env.tmux(&["display-message", "-p", "-t", "=mng-a1:", "#{window_width}"]).trim() == "100"
    });
    terminal.resize(120, 40);
    env.eventually("the window follows", |env| {
        env.tmux(&["display-message", "-p", "-t", "=mng-a1:", "#{window_width}"]).trim() == "120"
    });
}

#[test]
fn without_a_terminal_connect_says_so() {
    let env = greeted();
    env.create("a1");
    env.mng("connect a1").exits(1).says(&["terminal"]);
    env.mng("connect nobody").exits(1).says(&["nobody"]);
    env.mng("connect").exits(1);
    env.mng("connect a1 --agent a1").exits(2);
}

#[test]
fn inside_tmux_it_asks_for_permission() {
    let env = greeted();
    env.create("a1");
    let command = env.command("connect a1").env("TMUX", "/tmp/some/socket,1,0");
    let terminal = env.terminal_of(command, (100, 24));
    assert_eq!(terminal.wait_exit(), 1);
    assert!(terminal.screen().contains("is_nested_tmux_allowed"), "{}", terminal.screen());
    let command =
        env.command("connect a1 -S is_nested_tmux_allowed=true").env("TMUX", "/tmp/some/socket,1,0");
    let terminal = env.terminal_of(command, (100, 24));
    env.eventually("the client is attached", |env| clients(env, "mng-a1") == 1);
    terminal.press(&["C-b", "d"]);
    assert_eq!(terminal.wait_exit(), 0);
}

#[test]
fn a_connect_command_replaces_the_attach() {
    let env = greeted();
    env.create("a1");
    let command = "echo name=$MNG_AGENT_NAME session=$MNG_SESSION_NAME local=$MNG_HOST_IS_LOCAL active=$MNG_CONNECT_COMMAND_ACTIVE";
    let run = env.mng_args(&["connect", "a1", "--connect-command", command]).success();
    run.prints("name=a1 session=mng-a1 local=true active=1");
}

#[test]
fn the_selector_searches_and_chooses() {
    let env = greeted();
    for name in ["alpha", "beta", "gamma"] {
        env.create(name);
    }
    env.mng("stop gamma").success();
    let terminal = env.terminal("connect");
    terminal.wait_for("Agent Selector");
    for text in ["NAME", "STATE", "alpha", "beta", "gamma", "STOPPED"] {
        terminal.wait_for(text);
    }
    terminal.press(&["C-r"]);
    terminal.wait_until("no stopped agent", |screen| !screen.contains("gamma"));
    terminal.type_text("ET");
    terminal.wait_until("only beta", |screen| screen.contains("beta") && !screen.contains("alpha"));
    terminal.press(&["BSpace", "BSpace"]);
    terminal.wait_for("alpha");
    terminal.type_text("beta");
    terminal.wait_until("only beta", |screen| !screen.contains("alpha"));
    terminal.press(&["Enter"]);
    env.eventually("beta is attached", |env| clients(env, "mng-beta") == 1);
    terminal.press(&["C-b", "d"]);
    assert_eq!(terminal.wait_exit(), 0);
}

#[test]
fn the_selector_quits_without_choosing() {
    let env = greeted();
    env.create("alpha");
    for keys in [vec!["Escape"], vec!["C-c", "C-c"]] {
        let terminal = env.terminal("connect");
        terminal.wait_for("alpha");
        for key in keys {
            terminal.press(&[key]);
        }
        let code = terminal.wait_exit();
        assert!(code == 1 || code == 130, "exit {code}");
    }
    assert_eq!(clients(&env, "mng-alpha"), 0);
}

#[test]
fn a_dumb_terminal_gets_a_numbered_prompt() {
    let env = greeted();
    env.create("alpha");
    env.create("beta");
    // `env -i TERM=dumb` inside: the harness sets TERM for its own tmux.
    let line = format!("TERM=dumb exec '{}' connect", env.root().join("bin/mng").display());
    let terminal = env.terminal_of(env.bash(&line), (80, 24));
    terminal.wait_for("beta");
    terminal.wait_for("1");
    terminal.type_text("q");
    terminal.press(&["Enter"]);
    assert_ne!(terminal.wait_exit(), 0);
}

#[test]
fn key_bindings_act_on_our_sessions_only() {
    let env = greeted();
    env.create("a1");
    env.tmux(&["new-session", "-d", "-s", "theirs", "cat"]);
    // A session of the user's on the same server gets the key itself.
    let tmux = "exec tmux attach -t =theirs:";
    let terminal = env.terminal_of(env.bash(tmux), (80, 24));
    env.eventually("attached", |env| clients(env, "theirs") == 1);
    terminal.press(&["C-t"]);
    terminal.wait_for("^T");
    terminal.press(&["C-b", "d"]);
    terminal.wait_exit();
    assert_eq!(env.state_of("a1"), "RUNNING");
    let terminal = env.terminal("connect a1");
    env.eventually("attached", |env| clients(env, "mng-a1") == 1);
    terminal.press(&["C-t"]);
    env.eventually("the agent is stopped", |env| env.state_of("a1") == "STOPPED");
    assert!(env.has_session("theirs"));
}

#[test]
fn the_destroy_key_asks_first() {
    let env = greeted();
    env.create("a1");
    env.work_dir("a1").write("notes", "x");
    let terminal = env.terminal("connect a1");
    env.eventually("attached", |env| clients(env, "mng-a1") == 1);
    terminal.press(&["C-q"]);
    terminal.wait_until("a question", |screen| screen.to_lowercase().contains("y/n"));
    terminal.type_text("n");
    terminal.press(&["Enter"]);
    assert_eq!(env.agent_names(), ["a1"]);
    assert_eq!(env.work_dir("a1").read("notes"), "x");
}
