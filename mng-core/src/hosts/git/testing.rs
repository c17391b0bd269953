//! Throw-away repositories for the tests of this area: real git, an identity of their own, no config of
//! the person who runs the tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// Runs a future to its end on a runtime of its own.
pub(crate) fn block<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// A repository on branch `main` in a directory that goes away with it.
pub(crate) struct TestRepo {
    dir: TempDir,
    root: PathBuf,
}

impl TestRepo {
    pub(crate) fn new() -> Self {
        Self::with_init(&[])
    }

    /// With more arguments for `git init`.
    pub(crate) fn with_init(args: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        // macOS: the temporary directory is reached over a symlink, git prints the physical path.
        let root = dir.path().canonicalize().unwrap().join("repo");
        fs::create_dir(&root).unwrap();
        let repo = Self { dir, root };
        let mut all = vec!["init", "-q", "-b", "main"];
        all.extend(args);
        repo.git_args(&all);
        // Nothing here has to survive a power cut.
        repo.git("config core.fsync none");
        repo
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.root.join(relative)
    }

    /// A path next to the repository, in the same temporary directory.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join(name)
    }

    pub(crate) fn write(&self, relative: impl AsRef<Path>, text: impl AsRef<[u8]>) {
        write(&self.path(relative), text);
    }

    /// Writes a file and commits everything.
    pub(crate) fn commit(&self, file: &str, text: &str) -> String {
        self.write(file, text);
        self.git("add -A");
        self.git_args(&["commit", "-q", "-m", &format!("change {file}")]);
        self.git("rev-parse HEAD")
    }

    /// `git` with words split at white space; its output without the newline at the end.
    #[track_caller]
    pub(crate) fn git(&self, words: &str) -> String {
        self.git_args(&words.split_whitespace().collect::<Vec<_>>())
    }

    #[track_caller]
    pub(crate) fn git_args(&self, args: &[&str]) -> String {
        git_in(&self.root, args)
    }
}

pub(crate) fn write(path: &Path, text: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Runs git in a directory with a fixed identity and without anybody's config.
#[track_caller]
pub(crate) fn git_in(dir: &Path, args: &[&str]) -> String {
    let output = command(dir).args(args).output().unwrap();
    assert!(
        output.status.success(),
        "git {args:?} in {}: {}",
        dir.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim_end_matches('\n').to_owned()
}

/// Whether git succeeds.
pub(crate) fn git_succeeds(dir: &Path, args: &[&str]) -> bool {
    command(dir).args(args).output().unwrap().status.success()
}

fn command(dir: &Path) -> Command {
    let mut command = Command::new("git");
    command.current_dir(dir).env("LC_ALL", "C").env("GIT_CONFIG_GLOBAL", "/dev/null");
    command.env("GIT_CONFIG_SYSTEM", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_PREFIX"] {
        command.env_remove(name);
    }
    for role in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{role}_NAME"), "Test").env(format!("GIT_{role}_EMAIL"), "test@localhost");
    }
    command
}
