//! The tmux calls that make an agent's session.

use std::path::Path;

use super::StartRequest;
use super::conf::{self, DESTROY_COMMAND, STOP_COMMAND, format_text, word};
use super::keys::Doer;
use super::script::LAUNCH_SCRIPT;
use crate::agents::tmux::Chain;
use crate::hosts::Host;
use crate::model::shell::quote;

/// Longest line that is typed into a pane as it is: terminals cut long lines.
const LONGEST_LINE: usize = 500;

/// Paths of the scripts that panes and hooks run.
pub(super) struct Scripts {
    pub(super) shell: String,
    pub(super) repaint: String,
    pub(super) welcome: String,
}

/// What is typed into each additional window, with the script to write for lines too long to type.
pub(super) struct WindowLine {
    pub(super) name: String,
    pub(super) line: String,
    /// File name under `A`, and its text.
    pub(super) script: Option<(String, String)>,
}

/// The lines of the additional windows.
pub(super) fn window_lines(state_dir: &Path, request: &StartRequest<'_>) -> Vec<WindowLine> {
    let windows = request.record.additional_commands.iter().enumerate();
    windows
        .map(|(index, window)| {
            let number = index + 1;
            let name = window.window_name.clone().unwrap_or_else(|| format!("cmd-{number}"));
            if window.command.len() <= LONGEST_LINE && !window.command.chars().any(char::is_control) {
                return WindowLine { name, line: window.command.clone(), script: None };
            }
            let file = format!("launch_window_{number}.sh");
            let line = format!("sh {}", quote(&state_dir.join(&file).to_string_lossy()));
            WindowLine { name, line, script: Some((file, format!("{}\n", window.command))) }
        })
        .collect()
}

/// Makes the session, detached, with its options and hooks and the person's shell in it; prints version,
/// session id and pane id. Nothing runs in it yet.
pub(super) fn make(host: &Host, request: &StartRequest<'_>, session: &str, scripts: &Scripts) -> Chain {
    let record = request.record;
    let target = target(session);
    let width = record.tmux.width.unwrap_or(request.tmux.width).to_string();
    let height = record.tmux.height.unwrap_or(request.tmux.height).to_string();
    let work_dir = record.work_dir.to_string_lossy();
    let shell = shell_argv(host, request, scripts);

    let mut words = vec!["new-session", "-d", "-s", session, "-n", &request.tmux.primary_window_name];
    words.extend(["-x", &width, "-y", &height, "-c", &work_dir, "-P", "-F"]);
    words.extend(["#{version} #{session_id} #{pane_id}", "--"]);
    words.extend(shell.iter().map(String::as_str));
    let mut chain = Chain::new(words);

    let mut set = |option: &str, value: &str| {
        chain = std::mem::take(&mut chain).then(["set-option", "-t", &target, option, value]);
    };
    // The agent's pane is the only one now. From here on ids speak: names move, and a split makes "the
    // window's pane" another one.
    set("@mng_agent_id", record.id.as_str());
    let doer = Doer::on(host, request.mng);
    set(STOP_COMMAND, &doer.for_agent(host, &record.id, "stop", ""));
    set(DESTROY_COMMAND, &doer.for_agent(host, &record.id, "destroy", "--force"));
    // The person's own setting would end a session that nobody has attached to yet.
    set("destroy-unattached", "off");
    // Of this session, not `-g`: the server may hold the person's other sessions.
    set("status-left-length", "20");
    set("set-titles", "on");
    set("set-titles-string", "#S  #T");

    chain = chain
        .then(["set-option", "-F", "-t", &target, "@mng_agent_pane", "#{pane_id}"])
        // Before the session gets a default command of its own.
        .then([
            "set-environment",
            "-F",
            "-t",
            &target,
            "MNG_SAVED_DEFAULT_TMUX_COMMAND",
            "#{?#{default-command},#{default-command},#{default-shell}}",
        ])
        .then(["set-option", "-t", &target, "default-command", &shell_line(&shell)]);
    // A session is born with the size of any client of the server, even 2x1, which breaks full-screen
    // programs and the delivery of messages.
    let asked = record.tmux.window_size.clone();
    let policy = asked.or_else(|| request.tmux.window_size.map(|size| size.as_str().to_owned()));
    let mode = match &policy {
        Some(policy) => {
            chain = chain.then(["set-option", "-w", "-t", &target, "window-size", &policy.to_lowercase()]);
            "nudge"
        }
        None => {
            chain = chain.then(["set-option", "-w", "-t", &target, "window-size", "manual"]).then([
                "resize-window",
                "-t",
                &target,
                "-x",
                &width,
                "-y",
                &height,
            ]);
            "fit"
        }
    };
    let repaint = hook(&format!(
        "sh {} {mode} #{{@mng_agent_pane}} #{{client_width}} #{{client_height}} #{{q:status}}",
        format_text(&quote(&scripts.repaint))
    ));
    chain = chain.then(["set-hook", "-t", &target, "client-attached[98]", &repaint]);
    if mode == "fit" {
        chain = chain.then(["set-hook", "-t", &target, "client-resized[97]", &repaint]);
    }
    if let Some(welcome) = &request.welcome {
        let keys = [&request.tmux.stop_key, &request.tmux.destroy_key];
        let keys: Vec<_> = keys.into_iter().map(|key| quote(key)).collect();
        let show = format!(
            "sh {} {} {} {}",
            quote(&scripts.welcome),
            quote(&welcome.marker.to_string_lossy()),
            if welcome.is_nested { "nested" } else { "plain" },
            keys.join(" ")
        );
        let hook = format!("set-hook -u client-attached[99] ; display-popup -E -w 63 -h 22 {}", word(&show));
        chain = chain.then(["set-hook", "-t", &target, "client-attached[99]", &hook]);
    }
    chain
}

/// Opens one additional window and types its command; it is the current one then.
pub(super) fn open_window(
    chain: Chain,
    host: &Host,
    request: &StartRequest<'_>,
    session: &str,
    scripts: &Scripts,
    window: &WindowLine,
) -> Chain {
    let target = target(session);
    let work_dir = request.record.work_dir.to_string_lossy();
    let shell = shell_argv(host, request, scripts);
    let mut words = vec!["new-window", "-t", &target, "-n", &window.name, "-c", &work_dir, "--"];
    words.extend(shell.iter().map(String::as_str));
    let chain = chain.then(words).then(["send-keys", "-t", &target, "-l", "--", &window.line]);
    chain.then(["send-keys", "-t", &target, "Enter"])
}

/// Goes back to the agent's window, which was made first, and types the line that starts the agent; prints
/// `mark` when all that has worked.
pub(super) fn start(chain: Chain, session: &str, state_dir: &Path, mark: &str) -> Chain {
    let target = target(session);
    let line = format!("sh {}", quote(&state_dir.join(LAUNCH_SCRIPT).to_string_lossy()));
    let leave_mode = format!("copy-mode -q -t {}", word(&target));
    chain
        .then(["select-window", "-t", &format!("={session}:^")])
        // A fresh server shows the mistakes in the person's tmux.conf in its first pane, in a mode that
        // swallows keys.
        .then(["if-shell", "-F", "-t", &target, "#{pane_in_mode}", &leave_mode])
        .then(["send-keys", "-t", &target, "-l", "--", &line])
        .then(["send-keys", "-t", &target, "Enter"])
        .then(["display-message", "-p", mark])
}

/// Reads key bindings, unless the server has read these very ones, and the person's own additions. Last,
/// because a mistake in them must not keep an agent from starting. `conf` is the text of the file: reading it
/// takes tmux as long as making the session does.
pub(super) fn read_conf(mut chain: Chain, host: &Host, request: &StartRequest<'_>, conf: &str) -> Chain {
    let is_read = format!("#{{==:#{{{}}},{}}}", conf::DIGEST_OPTION, conf::digest(conf));
    let path = glob_text(&host.layout.tmux_conf().to_string_lossy());
    let read = format!("source-file {}", conf::word(&path));
    chain = chain.then(["if-shell", "-F", &is_read, "", &read]);
    if let Some(path) = &request.tmux.additional_config_path {
        chain = chain.then(["source-file", "-q", path]);
    }
    chain
}

/// Exact session, its current window and pane.
fn target(session: &str) -> String {
    format!("={session}:")
}

fn shell_argv(host: &Host, request: &StartRequest<'_>, scripts: &Scripts) -> [String; 4] {
    let state_dir = host.layout.agent(&request.record.id);
    [
        "sh".into(),
        scripts.shell.clone(),
        host.layout.root().to_string_lossy().into_owned(),
        state_dir.to_string_lossy().into_owned(),
    ]
}

fn shell_line(argv: &[String]) -> String {
    argv.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" ")
}

/// A hook that runs a shell command without waiting for it.
fn hook(command: &str) -> String {
    format!("run-shell -b {}", word(command))
}

/// A path that `source-file` does not take for a pattern.
fn glob_text(path: &str) -> String {
    let mut text = String::new();
    for ch in path.chars() {
        if "*?[\\".contains(ch) {
            text.push('\\');
        }
        text.push(ch);
    }
    text
}
