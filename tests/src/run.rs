//! Running the `mng` under test, and what came of one run.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::world::World;

/// How long one command of ours may take on a busy two-core machine before the test calls it hung.
const RUN_DEADLINE: Duration = Duration::from_secs(120);

/// A command about to run in a test world: `mng` by default.
#[derive(Clone)]
#[must_use]
pub struct Command {
    world: Arc<World>,
    program: PathBuf,
    args: Vec<OsString>,
    vars: BTreeMap<OsString, OsString>,
    cwd: PathBuf,
    stdin: Option<Vec<u8>>,
    deadline: Duration,
}

impl Command {
    pub(crate) fn new(world: Arc<World>, program: PathBuf, args: Vec<OsString>) -> Self {
        let (vars, cwd) = (world.vars.clone(), world.default_cwd());
        Self { world, program, args, vars, cwd, stdin: None, deadline: RUN_DEADLINE }
    }

    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    pub fn env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.vars.insert(key.as_ref().to_owned(), value.as_ref().to_owned());
        self
    }

    pub fn env_remove(mut self, key: impl AsRef<OsStr>) -> Self {
        self.vars.remove(key.as_ref());
        self
    }

    pub fn cwd(mut self, dir: impl AsRef<Path>) -> Self {
        self.cwd = dir.as_ref().to_owned();
        self
    }

    /// Piped to the command; without it stdin is empty.
    pub fn stdin(mut self, text: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(text.into());
        self
    }

    /// How long it may take; two minutes unless said otherwise.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// The command as a line for a shell, with its environment: what a terminal runs.
    #[must_use]
    pub fn shell_line(&self) -> String {
        let mut words: Vec<String> = vec!["env".into(), "-i".into()];
        for (key, value) in &self.vars {
            words.push(format!("{}={}", key.to_string_lossy(), value.to_string_lossy()));
        }
        words.push(self.program.to_string_lossy().into_owned());
        words.extend(self.args.iter().map(|arg| arg.to_string_lossy().into_owned()));
        let quoted = shlex::try_join(words.iter().map(String::as_str)).expect("test words hold no NUL");
        let cwd = shlex::try_quote(&self.cwd.to_string_lossy()).expect("test paths hold no NUL").into_owned();
        format!("cd {cwd} && {quoted}")
    }

    fn std(&self) -> std::process::Command {
        let mut command = std::process::Command::new(&self.program);
        command.args(&self.args).env_clear().envs(&self.vars).current_dir(&self.cwd);
        command
    }

    /// Starts it and returns at once.
    ///
    /// # Panics
    /// When the program cannot be started.
    pub fn spawn(self) -> Background {
        let mut child = self
            .std()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", self.program.display()));
        let mut stdin = child.stdin.take().expect("stdin is piped");
        let input = self.stdin.clone().unwrap_or_default();
        thread::spawn(move || {
            // A command that ends without reading its input closes the pipe: not this thread's concern.
            let _ = stdin.write_all(&input);
        });
        let stdout = collect(child.stdout.take().expect("stdout is piped"));
        let stderr = collect(child.stderr.take().expect("stderr is piped"));
        let started = Instant::now();
        Background {
            child,
            stdout,
            stderr,
            started,
            what: self.to_string(),
            world: self.world,
            deadline: self.deadline,
        }
    }

    /// Runs it to its end.
    ///
    /// # Panics
    /// When it does not end in time, or when a process that it left behind still holds its output: a script
    /// that reads `$(mng …)` would hang there.
    #[must_use = "say how it is to end: `success()` or `exits(N)`"]
    pub fn run(self) -> Run {
        self.spawn().wait()
    }
}

/// Reads a pipe to its end on a thread of its own, so that neither pipe of a child can fill up and block it.
fn collect(mut pipe: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (done, received) = channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        let _ = done.send(bytes);
    });
    received
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.program.file_name().unwrap_or_default().to_string_lossy();
        f.write_str(if name == "mng-under-test" { "mng" } else { &name })?;
        for arg in &self.args {
            write!(f, " {}", shlex::try_quote(&arg.to_string_lossy()).unwrap_or_default())?;
        }
        Ok(())
    }
}

/// A command that is still running.
pub struct Background {
    child: Child,
    stdout: Receiver<Vec<u8>>,
    stderr: Receiver<Vec<u8>>,
    started: Instant,
    what: String,
    world: Arc<World>,
    deadline: Duration,
}

impl Background {
    #[must_use]
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("a process id fits")
    }

    /// Sends a signal to the process alone, as `kill PID` does.
    pub fn signal(&self, signal: rustix::process::Signal) {
        if let Some(pid) = rustix::process::Pid::from_raw(self.pid()) {
            let _ = rustix::process::kill_process(pid, signal);
        }
    }

    /// Whether it has ended by now.
    pub fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    /// Waits for its end; see [`Command::run`].
    ///
    /// # Panics
    /// As [`Command::run`].
    #[must_use = "say how it is to end: `success()` or `exits(N)`"]
    pub fn wait(mut self) -> Run {
        let end = self.started + self.deadline;
        let status = loop {
            match self.child.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) if Instant::now() < end => thread::sleep(Duration::from_millis(2)),
                Ok(None) => {
                    let _ = self.child.kill();
                    panic!(
                        "`{}` did not end within {:?}\n{}",
                        self.what,
                        self.deadline,
                        self.world.describe()
                    );
                }
                Err(error) => panic!("cannot wait for `{}`: {error}", self.what),
            }
        };
        let elapsed = self.started.elapsed();
        let text = |pipe: &Receiver<Vec<u8>>, name: &str| match pipe.recv_timeout(Duration::from_secs(20)) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(RecvTimeoutError::Timeout) => panic!(
                "`{}` has ended, but a process that it started still holds its {name}\n{}",
                self.what,
                self.world.describe()
            ),
            Err(RecvTimeoutError::Disconnected) => String::new(),
        };
        let (stdout, stderr) = (text(&self.stdout, "stdout"), text(&self.stderr, "stderr"));
        Run { what: self.what.clone(), status, stdout, stderr, elapsed, world: Arc::clone(&self.world) }
    }
}

/// What one run did. `Display` is the snapshot form, with ids, times and paths normalised.
pub struct Run {
    what: String,
    status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
    pub elapsed: Duration,
    world: Arc<World>,
}

impl Run {
    /// The exit code; `None` when a signal ended it.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// The signal that ended it.
    #[must_use]
    pub fn signal(&self) -> Option<i32> {
        self.status.signal()
    }

    /// # Panics
    /// When the exit code is not 0.
    #[track_caller]
    pub fn success(self) -> Self {
        self.exits(0)
    }

    /// # Panics
    /// When the exit code is another one.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert!(self.code() == Some(code), "expected exit {code} of `{}`\n{}", self.what, self.in_full());
        self
    }

    /// Asserts that the human error says all these things; case is ignored.
    ///
    /// # Panics
    /// When one is missing.
    #[track_caller]
    pub fn says(self, parts: &[&str]) -> Self {
        let said = self.stderr.to_lowercase();
        for part in parts {
            assert!(
                said.contains(&part.to_lowercase()),
                "stderr of `{}` does not say {part:?}\n{}",
                self.what,
                self.in_full()
            );
        }
        self
    }

    /// # Panics
    /// When stdout lacks the text.
    #[track_caller]
    pub fn prints(self, text: &str) -> Self {
        assert!(self.stdout.contains(text), "stdout of `{}` lacks {text:?}\n{}", self.what, self.in_full());
        self
    }

    /// # Panics
    /// When stdout holds the text.
    #[track_caller]
    pub fn prints_no(self, text: &str) -> Self {
        assert!(!self.stdout.contains(text), "stdout of `{}` holds {text:?}\n{}", self.what, self.in_full());
        self
    }

    /// Stdout as the one JSON document that `--format json` promises.
    ///
    /// # Panics
    /// When stdout is anything else.
    #[must_use]
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| {
            panic!("stdout of `{}` is not one JSON document: {error}\n{}", self.what, self.in_full())
        })
    }

    /// Stdout as JSON lines.
    ///
    /// # Panics
    /// When a line is no JSON.
    #[must_use]
    #[track_caller]
    pub fn jsonl(&self) -> Vec<Value> {
        let parse = |line: &str| {
            serde_json::from_str(line).unwrap_or_else(|error| {
                panic!("`{line}` printed by `{}` is no JSON: {error}\n{}", self.what, self.in_full())
            })
        };
        self.stdout.lines().map(parse).collect()
    }

    /// The lines of stdout.
    #[must_use]
    pub fn lines(&self) -> Vec<&str> {
        self.stdout.lines().collect()
    }

    fn status_line(&self) -> String {
        match (self.code(), self.signal()) {
            (Some(code), _) => format!("exit {code}"),
            (None, signal) => format!("signal {}", signal.unwrap_or_default()),
        }
    }

    /// Everything, as it was, with the screens and logs of the world: for a failed assertion.
    #[must_use]
    pub fn in_full(&self) -> String {
        format!(
            "{}\n---- stdout\n{}\n---- stderr\n{}\n{}",
            self.status_line(),
            self.stdout,
            self.stderr,
            self.world.describe()
        )
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |text: &str| {
            let text = self.world.normaliser().apply(text);
            if text.is_empty() { text } else { text + "\n" }
        };
        write!(
            f,
            "{}\n---- stdout\n{}---- stderr\n{}",
            self.status_line(),
            part(&self.stdout),
            part(&self.stderr)
        )
    }
}
