//! The real agent programs, where `scripts/programs.sh` put them.

use std::env;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

/// Where `scripts/programs.sh` installs: `$MNG_TEST_PROGRAMS`, or `mng-tests/programs` in the user's cache.
const DIR_VARIABLE: &str = "MNG_TEST_PROGRAMS";

/// An agent program that is there.
#[derive(Clone, Debug)]
pub struct Program {
    name: &'static str,
    path: PathBuf,
    version: String,
}

impl Program {
    /// Claude Code, or `None` with a note that the test of this thread is skipped.
    #[must_use]
    pub fn claude() -> Option<Self> {
        Self::find("claude")
    }

    /// Codex; see [`Program::claude`].
    #[must_use]
    pub fn codex() -> Option<Self> {
        Self::find("codex")
    }

    /// OpenCode; see [`Program::claude`].
    #[must_use]
    pub fn opencode() -> Option<Self> {
        Self::find("opencode")
    }

    /// pi; see [`Program::claude`].
    #[must_use]
    pub fn pi() -> Option<Self> {
        Self::find("pi")
    }

    fn find(name: &'static str) -> Option<Self> {
        let path = programs_dir().map(|dir| dir.join("bin").join(name)).filter(|path| path.exists());
        let Some(path) = path else {
            report_skipped(name);
            return None;
        };
        let version = fs::read_to_string(path.with_file_name(format!("{name}.version"))).unwrap_or_default();
        Some(Self { name, path, version: version.trim().to_owned() })
    }

    /// The name under which it is started.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What its `--version` printed when it was installed, for messages of failed tests: `2.1.330 (Claude Code)`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Runs it outside any test world, with a clean environment but `PATH` and the home given.
    #[must_use]
    pub fn command(&self, home: &Path) -> Command {
        let mut command = Command::new(&self.path);
        command.env_clear().env("PATH", env::var_os("PATH").unwrap_or_default()).env("HOME", home);
        command.stdin(Stdio::null());
        command
    }
}

/// Where the real agent programs are installed.
pub(crate) fn programs_dir() -> Option<PathBuf> {
    if let Some(dir) = env::var_os(DIR_VARIABLE) {
        return Some(dir.into());
    }
    Some(cache_dir()?.join("programs"))
}

/// What the tests keep between runs: `mng-tests` in the user's cache.
pub(crate) fn cache_dir() -> Option<PathBuf> {
    let cache = env::var_os("XDG_CACHE_HOME").filter(|dir| !dir.is_empty()).map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache")))?;
    Some(cache.join("mng-tests"))
}

/// A missing program is no failure of mng, and no silence either: `.ci/run` reads the file.
#[expect(clippy::print_stderr, reason = "a test runner shows what its tests print")]
pub(crate) fn report_skipped(program: &str) {
    let test = thread::current().name().unwrap_or("a test").to_owned();
    eprintln!("skipped: {test}: `{program}` is missing; `scripts/programs.sh` installs it");
    if let Some(path) = skipped_file() {
        // One write call per line: tests of several processes append side by side.
        let line = format!("{program} {test}\n");
        let file = OpenOptions::new().create(true).append(true).open(path);
        let written = file.and_then(|mut file| file.write_all(line.as_bytes()));
        written.expect("the target directory can be written");
    }
}

/// `skipped-tests` in the target directory.
fn skipped_file() -> Option<PathBuf> {
    let own = env::current_exe().ok()?;
    Some(own.ancestors().nth(3)?.join("skipped-tests"))
}
