//! Starts against a real tmux.

use std::fs;

use super::*;
use crate::agents::processes::ProcessTable;
use crate::agents::testing::{PrivateHost, block, eventually, here_and_far};
use crate::model::record::ExtraWindow;

fn launch_file(private: &PrivateHost, record: &AgentRecord) -> LaunchFile {
    LaunchFile::read(&private.read(private.host.layout.agent(&record.id).join(LAUNCH_FILE)))
}

fn screen(private: &PrivateHost, target: &str) -> String {
    private.tmux(&["capture-pane", "-p", "-t", target])
}

#[test]
fn the_command_runs_under_the_persons_shell_with_the_agents_variables() {
    let private = PrivateHost::new();
    let record = private.agent("a1", "echo \"$MNG_AGENT_NAME in $PWD\" >out; exec sleep 600");
    let started = private.start(&record).unwrap();
    eventually("the command ran", || private.read("work/out").ends_with('\n'));
    assert_eq!(private.read("work/out"), format!("a1 in {}\n", private.path("work").display()));
    assert!(!started.was_running);
    assert!(started.warnings.is_empty(), "{:?}", started.warnings);

    let shown = private.tmux(&[
        "list-panes",
        "-a",
        "-F",
        "#{session_name} #{session_id} #{@mng_agent_id} #{@mng_agent_pane} #{window_name} #{window_width}x#{window_height} #{history_size}",
    ]);
    let expected =
        format!("mng-a1 {} {} {} agent 200x50 0\n", started.session_id, record.id, started.pane_id);
    assert_eq!(shown, expected);

    eventually("it says which process it is", || launch_file(&private, &record).process.is_some());
    let process = launch_file(&private, &record).process.unwrap();
    let table = block(ProcessTable::read(&private.host)).unwrap();
    eventually("the program runs", || {
        block(ProcessTable::read(&private.host))
            .unwrap()
            .get(process.pid)
            .is_some_and(|p| &*p.name == "sleep")
    });
    assert!(table.is_alive(process));

    let again = private.start_with(&record, |request| request.is_new = false).unwrap();
    assert!(again.was_running);
    assert_eq!(again.pane_id, started.pane_id);
}

here_and_far! {
    fn an_ended_command_leaves_a_prompt_and_its_exit_code(private) {
        let record = private.agent("a1", "exit 3");
        let started = private.start(&record).unwrap();
        eventually("the exit code is written", || launch_file(&private, &record).exit_code == Some(3));
        private.tmux(&["send-keys", "-t", &started.pane_id, "-l", "echo $((40+2)) $MNG_AGENT_NAME >shell"]);
        private.tmux(&["send-keys", "-t", &started.pane_id, "Enter"]);
        eventually("the shell answers", || private.read("work/shell") == "42 a1\n");
    }
}

#[test]
fn additional_windows_come_first_and_the_agents_window_is_in_front() {
    let private = PrivateHost::new();
    let mut record = private.agent("a1", "sleep 600");
    let long = format!("echo {} >long", "x".repeat(3000));
    record.additional_commands = vec![
        ExtraWindow {
            command: "echo \"it's $MNG_AGENT_NAME;\" >one;".into(),
            window_name: Some("x.y:z".into()),
        },
        ExtraWindow { command: long, window_name: None },
    ];
    let started = private.start(&record).unwrap();
    eventually("the first window's command ran", || private.read("work/one") == "it's a1;\n");
    eventually("the second window's command ran", || private.read("work/long").len() == 3001);
    let windows = private.tmux(&[
        "list-windows",
        "-t",
        &started.session_id,
        "-F",
        "#{window_index} #{window_active} #{window_name}",
    ]);
    assert_eq!(windows.lines().next(), Some("0 1 agent"), "{windows}");
    assert_eq!(windows.lines().nth(2), Some("2 0 cmd-2"), "{windows}");
}

#[test]
fn many_windows_fit() {
    let private = PrivateHost::new();
    let mut record = private.agent("a1", "sleep 600");
    record.additional_commands = (0..60)
        .map(|_| ExtraWindow { command: format!("# {}", "y".repeat(400)), window_name: None })
        .collect();
    let started = private.start(&record).unwrap();
    let windows = private.tmux(&["list-windows", "-t", &started.session_id, "-F", "#{window_active}"]);
    assert_eq!(windows.lines().count(), 61);
    assert_eq!(windows.lines().next(), Some("1"));
}

here_and_far! {
    fn a_missing_work_dir_is_said_with_the_way_back(private) {
        let mut record = private.agent("a1", "sleep 600");
        record.work_dir = private.path("gone");
        record.checked_out_branch_name = Some("mng/a1".into());
        let error = private.start(&record).unwrap_err();
        assert_eq!(error.class(), ErrorClass::AgentStart);
        assert!(error.to_string().ends_with("/gone` is gone"), "{error}");
        let hint = error.hint().unwrap();
        assert!(hint.starts_with("git worktree add -f ") && hint.contains("mng/a1"), "{hint}");
        assert!(private.tmux(&["list-sessions"]).is_empty());
    }
}

here_and_far! {
    fn a_session_of_the_same_name_is_not_taken_for_ours(private) {
        let first = private.agent("a1", "sleep 600");
        private.start(&first).unwrap();
        let second = private.agent("a1", "sleep 600");
        for is_new in [true, false] {
            let error = private.start_with(&second, |request| request.is_new = is_new).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("cannot start agent `a1`: the tmux session `mng-a1` belongs to agent `{}`", first.id)
            );
        }
        assert_eq!(private.tmux(&["list-sessions"]).lines().count(), 1);
    }
}

here_and_far! {
    fn an_unmarked_session_counts_if_nobody_else_claims_it(private) {
        private.tmux(&["new-session", "-d", "-s", "mng-a1"]);
        let record = private.agent("a1", "sleep 600");
        let started = private.start_with(&record, |request| request.is_new = false).unwrap();
        assert!(started.was_running);
        let other = private.agent("a1", "sleep 600");
        let error = private.start_with(&record, |request| request.is_new = false).unwrap_err();
        assert!(error.to_string().contains(other.id.as_str()), "{error}");
    }
}

#[test]
fn the_server_is_not_branded_by_the_agent_that_starts_it() {
    let mark = "agent-0123456789abcdef0123456789abcdef";
    let private = PrivateHost::with_env([("MNG_AGENT_ID", mark), ("PROFILE", "x"), ("TMUX", "/nowhere,1,0")]);
    let record = private.agent("a1", "sleep 600");
    private.start_with(&record, |request| request.unset_vars = vec!["PROFILE".to_owned()].leak()).unwrap();
    let pid = private.tmux(&["display-message", "-p", "#{pid}"]);
    let environ = fs::read(format!("/proc/{}/environ", pid.trim())).unwrap();
    let environ = String::from_utf8_lossy(&environ);
    assert!(!environ.contains(mark), "{environ}");
    assert!(!environ.contains("\0PROFILE="), "{environ}");
    assert_eq!(fs::read_link(format!("/proc/{}/cwd", pid.trim())).unwrap(), Path::new("/"));
}

here_and_far! {
    fn markers_of_the_last_run_are_gone(private) {
        let record = private.agent("a1", "sleep 600");
        let state = private.host.layout.agent(&record.id);
        for marker in ["active", "permissions_waiting"] {
            fs::write(state.join(marker), "").unwrap();
        }
        private.start(&record).unwrap();
        assert!(!state.join("active").exists() && !state.join("permissions_waiting").exists());
        let start: serde_json::Value = serde_json::from_str(&private.read(state.join("activity/start"))).unwrap();
        assert_eq!(start["agent_name"], "a1");
    }
}

#[test]
fn a_broken_env_file_costs_its_variables_and_no_more() {
    let private = PrivateHost::new();
    let record = private.agent("a1", "echo alive >out; sleep 600");
    fs::write(private.host.layout.agent_env(&record.id), "A='\nB=(\n").unwrap();
    private.start(&record).unwrap();
    eventually("the command ran", || private.read("work/out") == "alive\n");
}

#[test]
fn mistakes_in_the_persons_tmux_file_are_warnings() {
    let private = PrivateHost::new();
    let record = private.agent("a1", "sleep 600");
    let conf = private.path("extra.conf");
    fs::write(&conf, "set -g status-left hello\nnonsense\n").unwrap();
    let settings = TmuxSettings {
        additional_config_path: Some(conf.to_string_lossy().into_owned()),
        stop_key: "no-such-key".into(),
        ..TmuxSettings::default()
    };
    let started =
        private.start_with(&record, |request| request.tmux = Box::leak(Box::new(settings))).unwrap();
    assert!(!started.warnings.is_empty());
    assert_eq!(block(Tmux::on(&private.host).sessions()).unwrap().iter().count(), 1);
}

/// tmux shows such mistakes in the first session's pane, in a mode that swallows keys.
#[test]
fn a_mistake_in_the_persons_own_tmux_conf_does_not_keep_the_agent_from_starting() {
    let private = PrivateHost::new();
    let conf =
        "nonsense here\nset -g base-index 1\nset -g destroy-unattached on\nset -g default-shell /bin/false\n";
    fs::write(private.path("home/.tmux.conf"), conf).unwrap();
    let record = private.agent("a1", "echo alive >out; sleep 600");
    private.start(&record).unwrap();
    eventually("the command ran", || private.read("work/out") == "alive\n");
}

/// A terminal of its own on the agent's session, inside a second tmux server.
struct Attached<'p> {
    private: &'p PrivateHost,
    /// The second server: one that is just ending takes no new session.
    server: String,
}

impl<'p> Attached<'p> {
    fn to(private: &'p PrivateHost, session: &str, size: (u32, u32)) -> Self {
        let tmux = Tmux::on(&private.host);
        let argv = tmux.attach_argv(session, &TmuxSettings::default(), false);
        let command = ShellCommand::new("env")
            .args(["-u", "TMUX"])
            .arg(format!("TMUX_TMPDIR={}", private.path("tmux").display()))
            .args(argv);
        let command = format!("{command}; echo left; sleep 600");
        let (width, height) = (size.0.to_string(), size.1.to_string());
        let attached = Self { private, server: crate::model::ids::random_hex()[..8].to_owned() };
        attached.outer(&["new-session", "-d", "-x", &width, "-y", &height, "sh", "-c", &command]);
        eventually("a client is attached", || private.tmux(&["list-clients"]).contains(session));
        attached
    }

    fn outer(&self, args: &[&str]) -> String {
        let output = std::process::Command::new("tmux")
            .args(["-u", "-L", &self.server, "-f", "/dev/null"])
            .args(args)
            .env_remove("TMUX")
            .env("TMUX_TMPDIR", self.private.path("tmux"))
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn press(&self, keys: &[&str]) {
        self.outer(&[&["send-keys"], keys].concat());
    }

    fn screen(&self) -> String {
        self.outer(&["capture-pane", "-p"])
    }
}

impl Drop for Attached<'_> {
    fn drop(&mut self) {
        self.outer(&["kill-server"]);
    }
}

/// A stand-in for mng that writes down how it was called, and the shell command that runs it.
fn recorder(private: &PrivateHost) -> String {
    let script = private.path("it's #mng");
    fs::write(
        &script,
        format!("#!/bin/sh\necho \"$MNG_HOST_DIR: $*\" >>{}\n", private.path("called").display()),
    )
    .unwrap();
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    ShellCommand::new(script.to_string_lossy()).env("MNG_HOST_DIR", "/a #{b}").to_string()
}

#[test]
fn the_stop_key_leaves_tmux_and_stops_the_agent_by_id() {
    let private = PrivateHost::new();
    let mng = recorder(&private);
    let record = private.agent("a1", "sleep 600");
    private.start_with(&record, |request| request.mng = mng.clone().leak()).unwrap();
    let terminal = Attached::to(&private, "mng-a1", (100, 30));
    terminal.press(&["C-t"]);
    eventually("mng is called", || private.read("called").ends_with('\n'));
    assert_eq!(private.read("called"), format!("/a #{{b}}: stop {}@{}\n", record.id, private.host.info.id));
    eventually("the terminal is free", || terminal.screen().contains("left"));
}

#[test]
fn the_destroy_key_asks_first() {
    let private = PrivateHost::new();
    let mng = recorder(&private);
    let record = private.agent("a1", "sleep 600");
    private.start_with(&record, |request| request.mng = mng.clone().leak()).unwrap();
    let terminal = Attached::to(&private, "mng-a1", (100, 30));
    terminal.press(&["C-q"]);
    eventually("it asks", || terminal.screen().contains("destroy agent mng-a1? (y/n)"));
    terminal.press(&["n"]);
    eventually("the question goes", || !terminal.screen().contains("(y/n)"));
    terminal.press(&["C-q"]);
    eventually("it asks again", || terminal.screen().contains("(y/n)"));
    terminal.press(&["y"]);
    eventually("mng is called", || private.read("called").ends_with('\n'));
    let expected = format!("/a #{{b}}: destroy --force {}@{}\n", record.id, private.host.info.id);
    assert_eq!(private.read("called"), expected);
}

#[test]
fn the_keys_mean_nothing_in_other_sessions_and_go_by_name_in_unmarked_ones() {
    let private = PrivateHost::new();
    let mng = recorder(&private);
    let record = private.agent("a1", "sleep 600");
    private.start_with(&record, |request| request.mng = mng.clone().leak()).unwrap();
    for name in ["mine", "mng-o d"] {
        let program = "stty raw -echo; touch 'ready$0'; exec cat >'typed$0'".replace("$0", name);
        let work = private.path("work");
        private.tmux(&["new-session", "-d", "-s", name, "-c", &work.to_string_lossy(), "sh", "-c", &program]);
        eventually("the program runs", || work.join(format!("ready{name}")).exists());
        let terminal = Attached::to(&private, name, (100, 30));
        terminal.press(&["C-t"]);
        eventually("the program gets the key", || work.join(format!("typed{name}")).exists());
        eventually("the program gets the key", || {
            private.read(format!("work/typed{name}")).contains('\u{14}')
        });
    }
    private.tmux(&["new-session", "-d", "-s", "mng-old"]);
    let terminal = Attached::to(&private, "mng-old", (100, 30));
    terminal.press(&["C-t"]);
    eventually("mng is called", || private.read("called").ends_with('\n'));
    assert_eq!(private.read("called"), "/a #{b}: stop --session mng-old\n");
}

#[test]
fn the_window_fits_the_terminal_and_programs_repaint() {
    let private = PrivateHost::with_env([("MNG_SIGWINCH_DELAY_SECONDS", "0.2")]);
    let command = "trap 'echo x >>repaints' WINCH; echo >ready; while :; do sleep 0.05; done";
    let record = private.agent("a1", command);
    let started = private.start(&record).unwrap();
    eventually("the program runs", || private.path("work/ready").exists());
    let size = || {
        private.tmux(&["display-message", "-p", "-t", &started.pane_id, "#{window_width}x#{window_height}"])
    };
    assert_eq!(size().trim(), "200x50");
    let terminal = Attached::to(&private, "mng-a1", (120, 40));
    eventually("the window has the terminal's size", || size().trim() == "120x39");
    eventually("the program was told", || !private.read("work/repaints").is_empty());
    terminal.outer(&["resize-window", "-x", "60", "-y", "10"]);
    eventually("a tiny terminal does not make it tiny", || size().trim() == "80x24");
    drop(terminal);
}

#[test]
fn a_configured_window_size_is_kept() {
    let private = PrivateHost::new();
    let mut record = private.agent("a1", "sleep 600");
    record.tmux.window_size = Some("LATEST".into());
    record.tmux.width = Some(90);
    let started = private.start(&record).unwrap();
    let shown =
        private.tmux(&["display-message", "-p", "-t", &started.pane_id, "#{window-size} #{window_width}"]);
    assert_eq!(shown.trim(), "latest 90");
    assert!(!private.tmux(&["show-hooks", "-t", &started.session_id]).contains("client-resized"));
}

#[test]
fn the_welcome_is_shown_once() {
    let private = PrivateHost::new();
    let marker = private.path("tmux_onboarding_shown");
    let record = private.agent("a1", "sleep 600");
    let welcome = Welcome { marker: marker.clone(), is_nested: false };
    private.start_with(&record, |request| request.welcome = Some(welcome)).unwrap();
    assert!(!marker.exists());
    let terminal = Attached::to(&private, "mng-a1", (100, 40));
    eventually("it is shown", || terminal.screen().contains("This is shown once."));
    assert!(terminal.screen().contains("C-b d"), "{}", terminal.screen());
    assert!(marker.exists());
    terminal.press(&["Enter"]);
    eventually("it goes", || !terminal.screen().contains("This is shown once."));
    assert!(!private.tmux(&["show-hooks", "-t", "mng-a1"]).contains("client-attached[99]"));
    assert!(!screen(&private, "mng-a1").contains("shown once"));
}

/// A server born in an agent's control group would take every later session into it.
#[test]
fn a_server_that_a_nested_start_makes_is_in_no_agents_group() {
    let outer = PrivateHost::new();
    let Some(groups) = Groups::detect(outer.host.layout.root()) else { return };
    let group = groups.of(&crate::model::ids::AgentId::generate());
    let Some(enter) = group.make() else { return };
    let script = "echo $$ >\"$1\" || exit 77; shift; exec \"$@\"";
    let output = std::process::Command::new("sh")
        .args(["-c", script, "sh"])
        .arg(&enter)
        .arg(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "agents::launch::tests::starts_an_agent_from_within_a_group"])
        .output()
        .unwrap();
    group.remove();
    if output.status.code() == Some(77) {
        return; // this machine lets us make groups, but not enter them
    }
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && told.contains("1 passed"), "{told}");
}

#[test]
#[ignore = "the other half of a_server_that_a_nested_start_makes_is_in_no_agents_group"]
fn starts_an_agent_from_within_a_group() {
    let group_of = |pid: &str| {
        let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
        text.lines().find_map(|line| line.strip_prefix("0::")).unwrap().to_owned()
    };
    assert!(group_of("self").contains("/agent-"), "{}", group_of("self"));
    let private = PrivateHost::new();
    let record = private.agent("a1", "sleep 600");
    private.start(&record).unwrap();
    let server = private.tmux(&["display-message", "-p", "#{pid}"]);
    assert!(!group_of(server.trim()).contains("/agent-"), "{}", group_of(server.trim()));
    eventually("the agent is in its own group", || {
        let process = launch_file(&private, &record).process;
        process.is_some_and(|process| group_of(&process.pid.to_string()).contains(record.id.as_str()))
    });
}
