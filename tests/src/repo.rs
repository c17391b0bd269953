//! A git repository of the person in the test.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::fingerprint::Fingerprint;
use crate::run::{Command, Run};
use crate::world::World;

/// A repository, or any of its worktrees.
#[derive(Clone)]
pub struct Repo {
    path: PathBuf,
    world: Arc<World>,
}

impl Repo {
    pub(crate) fn at(world: &Arc<World>, path: PathBuf) -> Self {
        Self { path, world: Arc::clone(world) }
    }

    /// A new repository on branch `main` with `README.md` and `src/app.txt` committed.
    pub(crate) fn init(world: &Arc<World>, path: PathBuf) -> Self {
        fs::create_dir_all(path.join("src")).expect("the test's directory can be written");
        let repo = Self::at(world, path);
        repo.git("init --quiet --initial-branch main");
        repo.write("README.md", "a repository\n");
        repo.write("src/app.txt", "one\ntwo\nthree\n");
        repo.commit("first");
        repo
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Runs git here and returns what it printed.
    ///
    /// # Panics
    /// When git fails.
    #[track_caller]
    pub fn git(&self, line: &str) -> String {
        self.try_git(line).success().stdout
    }

    /// Runs git here.
    ///
    /// # Panics
    /// When the line cannot be split into words.
    #[must_use]
    pub fn try_git(&self, line: &str) -> Run {
        let words = shlex::split(line).expect("a test's git line is well quoted");
        let args = words.into_iter().map(Into::into).collect();
        Command::new(Arc::clone(&self.world), "git".into(), args).cwd(&self.path).run()
    }

    /// Writes a file, with its parents.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path.join(name);
        fs::create_dir_all(path.parent().expect("a file has a parent")).expect("the directory can be made");
        fs::write(path, content).expect("the file can be written");
    }

    /// # Panics
    /// When it cannot be read.
    #[must_use]
    #[track_caller]
    pub fn read(&self, name: &str) -> String {
        let path = self.path.join(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
    }

    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.path.join(name).symlink_metadata().is_ok()
    }

    /// Commits everything and returns the commit id.
    pub fn commit(&self, message: &str) -> String {
        self.git("add --all");
        self.git(&format!("commit --quiet --allow-empty --message '{message}'"));
        self.rev("HEAD")
    }

    /// # Panics
    /// When git knows no such revision.
    #[must_use]
    #[track_caller]
    pub fn rev(&self, name: &str) -> String {
        self.git(&format!("rev-parse --verify '{name}'")).trim().to_owned()
    }

    /// Branch names, sorted.
    #[must_use]
    pub fn branches(&self) -> Vec<String> {
        let out = self.git("for-each-ref --format '%(refname:short)' refs/heads");
        out.lines().map(str::to_owned).collect()
    }

    #[must_use]
    pub fn has_branch(&self, name: &str) -> bool {
        self.branches().iter().any(|branch| branch == name)
    }

    /// The branch that is checked out; `HEAD` when detached.
    #[must_use]
    pub fn branch(&self) -> String {
        self.git("rev-parse --abbrev-ref HEAD").trim().to_owned()
    }

    /// Paths of the worktrees, the main one first.
    #[must_use]
    pub fn worktrees(&self) -> Vec<PathBuf> {
        let out = self.git("worktree list --porcelain");
        out.lines().filter_map(|line| line.strip_prefix("worktree ")).map(PathBuf::from).collect()
    }

    /// `git status --porcelain` with every untracked file.
    #[must_use]
    pub fn status(&self) -> String {
        self.git("status --porcelain --untracked-files=all")
    }

    /// All that is the user's here: files, index state, HEAD, branches, stash and the worktrees' checkouts.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.path, &[".git"])
            .with("git status", self.status())
            .with("git HEAD", format!("{} {}", self.branch(), self.try_git("rev-parse HEAD").stdout))
            .with(
                "git branches",
                self.git("for-each-ref --format '%(refname) %(objectname)' refs/heads refs/tags"),
            )
            .with("git stash", self.git("stash list"))
            .with("git config", self.git("config --local --list"))
    }
}
