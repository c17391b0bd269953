//! A throw-away git directory that borrows a repository's objects. It has its own index, so the work tree's
//! is never touched; no hooks; and attributes that switch every conversion off, so that bytes go into the
//! repository and come out of it as they are on disk.

use std::path::{Path, PathBuf};

use crate::hosts::Host;
use crate::hosts::git::{Git, TRANSFER, identity, word};
use crate::model::error::Result;
use crate::model::ids::random_hex;
use crate::transports::{ExecOutput, ExecRequest};

const CONFIG: &str = "\
[core]
\tbare = false
\tautocrlf = false
\tsafecrlf = false
\tsymlinks = true
\tfileMode = true
\tignoreCase = false
\tprecomposeUnicode = false
\tprotectNTFS = false
\tprotectHFS = false
\tfsmonitor = false
\tfsyncMethod = batch
\tattributesFile = /dev/null
\thooksPath = /dev/null
";

const ATTRIBUTES: &str = "* -text -eol -crlf -filter -ident -working-tree-encoding\n";

/// See the module.
pub(super) struct Scratch<'t> {
    host: &'t Host,
    dir: PathBuf,
    git: Git<'t>,
    objects: String,
    work_tree: String,
    index: String,
}

impl<'t> Scratch<'t> {
    /// `object` is any object id of the repository: its length tells the hash function.
    pub(super) async fn new(
        host: &'t Host,
        common_dir: &Path,
        work_tree: &Path,
        object: Option<&str>,
    ) -> Result<Self> {
        let dir = host.layout.tmp().join(format!("scratch-{}", random_hex()));
        let transport = host.transport.as_ref();
        transport.create_dir(&dir.join("objects")).await?;
        transport.create_dir(&dir.join("refs")).await?;
        let format = if object.is_some_and(|id| id.len() == 64) {
            "\trepositoryFormatVersion = 1\n[extensions]\n\tobjectFormat = sha256\n"
        } else {
            "\trepositoryFormatVersion = 0\n"
        };
        let config = format!("{CONFIG}{format}");
        transport.write_volatile(&dir.join("HEAD"), b"ref: refs/heads/none\n", 0o600).await?;
        transport.write_volatile(&dir.join("config"), config.as_bytes(), 0o600).await?;
        transport.write_volatile(&dir.join("info/attributes"), ATTRIBUTES.as_bytes(), 0o600).await?;
        Ok(Self {
            host,
            git: Git::at(transport, work_tree)?,
            objects: word(&common_dir.join("objects"))?,
            work_tree: word(work_tree)?,
            index: word(&dir.join("index"))?,
            dir,
        })
    }

    pub(super) fn command(&self, args: &[&str]) -> ExecRequest {
        self.git
            .command(args.iter().copied())
            .env("GIT_DIR", self.dir.display().to_string())
            .env("GIT_OBJECT_DIRECTORY", &self.objects)
            .env("GIT_WORK_TREE", &self.work_tree)
            .env("GIT_INDEX_FILE", &self.index)
            .envs(identity())
            .timeout(Some(TRANSFER))
    }

    pub(super) async fn run(&self, request: ExecRequest) -> Result<ExecOutput> {
        self.git.check(request).await
    }

    /// A command that prints one object id.
    pub(super) async fn id(&self, args: &[&str]) -> Result<String> {
        Ok(self.run(self.command(args)).await?.stdout_text().trim_end().to_owned())
    }

    /// Starts the index from a tree, or from nothing.
    pub(super) async fn read_tree(&self, tree: Option<&str>) -> Result<()> {
        let args = match tree {
            Some(tree) => vec!["read-tree", tree],
            None => vec!["read-tree", "--empty"],
        };
        self.run(self.command(&args)).await.map(|_| ())
    }

    /// The tree of the index. Objects that a partial clone has not fetched are not asked for.
    pub(super) async fn write_tree(&self) -> Result<String> {
        self.id(&["write-tree", "--missing-ok"]).await
    }

    /// Removes the directory; whatever went wrong before matters more than trouble here.
    pub(super) async fn close(self) {
        if let Err(error) = super::remove_tree(self.host, &self.dir).await {
            tracing::debug!(%error, "scratch git directory stays");
        }
    }
}
