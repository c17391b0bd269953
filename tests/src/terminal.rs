//! A real terminal: a pane of a second tmux server, which a test types into and reads.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::run::Command;
use crate::world::World;

const PATIENCE: Duration = Duration::from_secs(30);

/// One terminal running one command. The server is not the one that mng uses, so that what mng does to *its*
/// server cannot reach the terminal.
pub struct Terminal {
    world: Arc<World>,
    session: String,
}

impl Terminal {
    pub(crate) fn open(world: &Arc<World>, command: Command, (width, height): (u16, u16)) -> Self {
        let session = format!("terminal-{}", world.next_terminal());
        // The size comes from the terminal itself, as on a person's screen.
        let line = command.env_remove("COLUMNS").env("TERM", "screen-256color").shell_line();
        let terminal = Self { world: Arc::clone(world), session };
        let (width, height) = (width.to_string(), height.to_string());
        // The shell stays, so that the screen stays as the command left it; Ctrl-C is for the command alone.
        let status = terminal.status_file().display().to_string();
        let line = format!(
            "trap : INT QUIT; ({line}); echo $? > {status}.new; mv {status}.new {status}; exec sleep 600"
        );
        terminal.tmux(&[
            "new-session",
            "-d",
            "-s",
            &terminal.session,
            "-x",
            &width,
            "-y",
            &height,
            &line,
            ";",
            "set-option",
            "status",
            "off",
            ";",
            "set-option",
            "-s",
            "escape-time",
            "0",
        ]);
        terminal
    }

    fn tmux(&self, args: &[&str]) -> String {
        let out = Self::server(&self.world).args(args).output().expect("tmux can be run");
        assert!(out.status.success(), "tmux {args:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8_lossy(&out.stdout).into_owned()
    }

    fn server(world: &World) -> std::process::Command {
        let mut tmux = std::process::Command::new("tmux");
        tmux.arg("-u").arg("-S").arg(world.root.join("term")).args(["-f", "/dev/null"]);
        tmux.env_clear().envs(&world.vars).stdin(Stdio::null());
        tmux
    }

    pub(crate) fn close_all(world: &World) {
        if world.root.join("term").exists() {
            let _ = Self::server(world).arg("kill-server").output();
        }
    }

    fn target(&self) -> String {
        format!("={}:", self.session)
    }

    /// Presses keys by tmux's names: `Enter`, `Down`, `C-r`, `Space`.
    pub fn press(&self, keys: &[&str]) {
        let mut args = vec!["send-keys", "-t"];
        let target = self.target();
        args.push(&target);
        args.extend(keys);
        self.tmux(&args);
    }

    /// Types the text as it is.
    pub fn type_text(&self, text: &str) {
        self.tmux(&["send-keys", "-t", &self.target(), "-l", "--", text]);
    }

    /// What stands on it now.
    #[must_use]
    pub fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p", "-t", &self.target()])
    }

    /// Changes its size, as a person drags the window.
    pub fn resize(&self, width: u16, height: u16) {
        let (width, height) = (width.to_string(), height.to_string());
        self.tmux(&["resize-window", "-t", &self.target(), "-x", &width, "-y", &height]);
    }

    /// Waits until the screen is as wanted.
    ///
    /// # Panics
    /// With the screen, when it is not in time.
    #[track_caller]
    pub fn wait_until(&self, what: &str, condition: impl Fn(&str) -> bool) {
        let end = Instant::now() + PATIENCE;
        loop {
            let screen = self.screen();
            if condition(&screen) {
                return;
            }
            assert!(
                Instant::now() < end,
                "the terminal does not show {what}:\n{}\n{}",
                screen.trim_end(),
                self.world.describe()
            );
            thread::sleep(Duration::from_millis(25));
        }
    }

    /// Waits until the text stands on the screen.
    ///
    /// # Panics
    /// With the screen, when it does not in time.
    #[track_caller]
    pub fn wait_for(&self, text: &str) {
        self.wait_until(&format!("{text:?}"), |screen| screen.contains(text));
    }

    fn status_file(&self) -> PathBuf {
        self.world.root.join("tmp").join(format!("{}.status", self.session))
    }

    /// Whether the command in it has ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.status_file().exists()
    }

    /// Waits for the command's end and returns its exit code; 128 and more for a signal, as a shell tells it.
    ///
    /// # Panics
    /// With the screen, when it does not end in time.
    #[track_caller]
    pub fn wait_exit(&self) -> i32 {
        self.wait_until("the end of its command", |_| self.has_ended());
        let status = std::fs::read_to_string(self.status_file()).expect("the status was written");
        status.trim().parse().expect("a shell's `$?` is a number")
    }
}
