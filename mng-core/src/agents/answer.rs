//! One question, answered by a child process: no agent, no terminal, and nothing left behind.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::settings::EnvSnapshot;

/// What a type works with when it prepares the child.
#[derive(Clone, Copy, Debug)]
pub struct AnswerSite<'a> {
    pub env: &'a EnvSnapshot,
    /// Private, made for this question and removed after it.
    pub dir: &'a Path,
    /// The child's empty working directory.
    pub work_dir: &'a Path,
    /// A file with what the program is to know; too long for an argument.
    pub system_prompt: &'a Path,
}

/// The child. It gets the question on stdin; `AgentType::headless_output` reads its answer.
#[derive(Clone, Debug, Default)]
pub struct AnswerCommand {
    /// A line for `sh` that passes `"$@"` on.
    pub script: String,
    /// What `"$@"` stands for.
    pub args: Vec<String>,
    /// Added to the environment of mng itself.
    pub env: BTreeMap<String, String>,
    /// Links in the private directory and the person's files that they point to. Where the program has put a
    /// file in a link's place, it is the newer one (a renewed login) and goes to the person.
    pub links: Vec<(PathBuf, PathBuf)>,
}
