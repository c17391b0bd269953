//! The steps of provisioning that a person spells out: directories, uploads, edits of files, commands.

use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::hosts::Host;
use crate::model::cancel::Cancel;
use crate::model::error::{Error, ErrorClass, Explain, Result, Scope};
use crate::model::event::{Event, Events};
use crate::model::record::AgentRecord;
use crate::operations::create::{FileEdit, FileUpload, Provisioning};
use crate::operations::exec::WITH_ENV;
use crate::transports::{Chunk, ExecRequest};

/// A step that did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProvisionError {
    #[error("cannot upload {}: no such file", list(files))]
    NoLocalFile { files: Vec<String> },
    #[error("the {what} `{command}` failed with {}{}", code.map_or_else(|| "a signal".to_owned(), |code| format!("exit code {code}")), told(stderr))]
    Command { what: &'static str, command: String, code: Option<i32>, stderr: String },
    #[error("host `{host}` has no home directory, so `{path}` leads nowhere")]
    NoHome { host: String, path: String },
}

fn list(files: &[String]) -> String {
    files.iter().map(|file| format!("`{file}`")).collect::<Vec<_>>().join(", ")
}

fn told(stderr: &str) -> String {
    if stderr.is_empty() { String::new() } else { format!(": {stderr}") }
}

impl Explain for ProvisionError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::NoLocalFile { .. } => ErrorClass::UserInput,
            Self::Command { .. } => ErrorClass::Agent,
            Self::NoHome { .. } => ErrorClass::Host,
        }
    }

    fn scope(&self) -> Scope {
        Scope::Agent
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NoLocalFile { .. } => Some("`--upload-file` is LOCAL:REMOTE, LOCAL on this machine".into()),
            Self::Command { what: SUDO, .. } => {
                Some("it runs as root by `sudo -n`: root, or a rule without a password, is needed".into())
            }
            Self::Command { .. } => Some("it runs in the work dir with the agent's environment".into()),
            Self::NoHome { .. } => Some("give an absolute path".into()),
        }
    }
}

const SUDO: &str = "sudo command";
const USER: &str = "provision command";

/// How much of a failing command's standard error is worth repeating, in bytes.
const STDERR_KEPT: usize = 4096;

/// Runs the script `$4` on the other arguments as root. The files are read by root too: what sudo lets
/// through of our environment is up to its policy.
const AS_ROOT: &str = r#"if [ "$(id -u)" = 0 ]; then exec sh -c "$4" sh "$1" "$2" "$3"; fi
exec sudo -n -- sh -c "$4" sh "$1" "$2" "$3""#;

/// Who is provisioned, and where relative paths start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) host: &'a Host,
    pub(crate) record: &'a AgentRecord,
    /// The person's directory.
    pub(crate) cwd: &'a Path,
    /// The person's home.
    pub(crate) home: Option<&'a Path>,
}

/// Whether every file to upload is there, so that a typo costs nothing.
///
/// # Errors
/// [`ProvisionError::NoLocalFile`] with all that are missing.
pub(crate) fn check_uploads(uploads: &[FileUpload], cwd: &Path, home: Option<&Path>) -> Result<()> {
    let missing: Vec<String> = uploads
        .iter()
        .filter(|upload| !on_this_machine(&upload.local, cwd, home).is_file())
        .map(|upload| upload.local.clone())
        .collect();
    if missing.is_empty() { Ok(()) } else { Err(ProvisionError::NoLocalFile { files: missing }.into()) }
}

/// A path that a person wrote, on this machine.
fn on_this_machine(path: &str, cwd: &Path, home: Option<&Path>) -> PathBuf {
    match (path.strip_prefix("~"), home) {
        (Some(""), Some(home)) => home.to_path_buf(),
        (Some(rest), Some(home)) if rest.starts_with('/') => home.join(&rest[1..]),
        _ => cwd.join(path),
    }
}

/// Runs every step, in the order directories, uploads, appended and prepended text, sudo commands, commands.
///
/// # Errors
/// The first step that fails; those after it are not run.
pub(crate) async fn run(
    place: Place<'_>,
    steps: &Provisioning,
    events: &Events,
    cancel: &Cancel,
) -> Result<()> {
    check_uploads(&steps.uploads, place.cwd, place.home)?;
    for dir in &steps.directories {
        make_dir(place, &place.destination(dir).await?).await?;
    }
    for upload in &steps.uploads {
        cancel.check()?;
        send(place, upload).await?;
    }
    for edit in &steps.appends {
        change(place, edit, |old, added| [old, added].concat()).await?;
    }
    for edit in &steps.prepends {
        change(place, edit, |old, added| [added, old].concat()).await?;
    }
    for command in &steps.sudo_commands {
        let request = place.command(AS_ROOT, command, Some(WITH_ENV));
        cancel.race(run_command(place, SUDO, command, request)).await?;
    }
    for (index, command) in steps.commands.iter().enumerate() {
        let id = format!("provisioning.command_{index}");
        let started = Instant::now();
        events.send(Event::Started {
            id: id.clone(),
            label: label(command),
            parent: Some("provisioning".into()),
        });
        let request = place.command(WITH_ENV, command, None).cwd(&place.record.work_dir);
        cancel.race(run_command(place, USER, command, request)).await?;
        events.send(Event::Completed { id, elapsed_seconds: started.elapsed().as_secs_f64() });
    }
    Ok(())
}

/// A command as the name of a step: one line of at most 60 characters.
fn label(command: &str) -> String {
    let line = command.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= 60 {
        return line;
    }
    format!("{}...", line.chars().take(57).collect::<String>())
}

impl Place<'_> {
    /// A path on the host as the person wrote it: on this machine relative to the person's directory, on
    /// another host to the home there.
    async fn destination(&self, path: &str) -> Result<PathBuf> {
        if self.host.is_local() {
            return Ok(on_this_machine(path, self.cwd, self.home));
        }
        if path.starts_with('/') {
            return Ok(PathBuf::from(path));
        }
        let output = self.host.transport.exec(ExecRequest::sh("printf %s \"$HOME\"", [""; 0])).await?;
        let home = output.check("printf $HOME")?.stdout_text();
        if home.is_empty() {
            let host = self.host.info.address();
            return Err(ProvisionError::NoHome { host, path: path.to_owned() }.into());
        }
        Ok(Path::new(&home).join(path.strip_prefix("~/").unwrap_or(path)))
    }

    fn command(&self, script: &str, command: &str, inner: Option<&str>) -> ExecRequest {
        let layout = &self.host.layout;
        let file = |path: PathBuf| path.to_string_lossy().into_owned();
        let mut args = vec![file(layout.env()), file(layout.agent_env(&self.record.id)), command.to_owned()];
        args.extend(inner.map(str::to_owned));
        // A person's own command has no deadline. What we inherited of an outer agent is not this one's.
        ExecRequest::sh(script, args).timeout(None).unset("TMUX").unset("TMUX_PANE")
    }
}

async fn make_dir(place: Place<'_>, dir: &Path) -> Result<()> {
    if place.host.is_local() {
        return std::fs::create_dir_all(dir)
            .map_err(|error| Error::io(format!("create directory `{}`", dir.display()), error));
    }
    let request = ExecRequest::new(["mkdir".to_owned(), "-p".into(), "--".into(), dir.display().to_string()]);
    place.host.transport.exec(request.idempotent()).await?.check("mkdir -p")?;
    Ok(())
}

async fn send(place: Place<'_>, upload: &FileUpload) -> Result<()> {
    let from = on_this_machine(&upload.local, place.cwd, place.home);
    let to = place.destination(&upload.remote).await?;
    if place.host.is_local() && is_same_file(&from, &to) {
        return Ok(());
    }
    let bytes =
        std::fs::read(&from).map_err(|error| Error::io(format!("read `{}`", from.display()), error))?;
    write(place, &to, &bytes).await
}

fn is_same_file(a: &Path, b: &Path) -> bool {
    matches!((std::fs::canonicalize(a), std::fs::canonicalize(b)), (Ok(a), Ok(b)) if a == b)
}

/// Replaces the person's file whole, or makes it.
async fn write(place: Place<'_>, path: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(parent) = path.parent() {
        make_dir(place, parent).await?;
    }
    place.host.transport.write(path, bytes, 0o644).await
}

async fn change(place: Place<'_>, edit: &FileEdit, join: impl Fn(&[u8], &[u8]) -> Vec<u8>) -> Result<()> {
    let path = place.destination(&edit.remote).await?;
    let old = place.host.transport.read(&path).await?.unwrap_or_default();
    write(place, &path, &join(&old, edit.text.as_bytes())).await
}

/// Runs a command once, its output going to the log line by line.
async fn run_command(
    place: Place<'_>,
    what: &'static str,
    command: &str,
    request: ExecRequest,
) -> Result<()> {
    let mut stderr = Vec::new();
    let mut on_chunk = |chunk: Chunk| {
        let (Chunk::Stdout(bytes) | Chunk::Stderr(bytes)) = &chunk;
        for line in String::from_utf8_lossy(bytes).lines() {
            tracing::debug!(agent = %place.record.name, output = line, "{what}");
        }
        if let Chunk::Stderr(bytes) = chunk {
            stderr.extend(bytes);
        }
    };
    let output = place.host.transport.exec_streaming(request, &mut on_chunk).await?;
    if output.is_success() {
        return Ok(());
    }
    let kept = &stderr[stderr.len().saturating_sub(STDERR_KEPT)..];
    Err(ProvisionError::Command {
        what,
        command: label(command),
        code: output.code,
        stderr: String::from_utf8_lossy(kept).trim().to_owned(),
    }
    .into())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::*;
    use crate::model::names::{HostName, ProviderName};
    use crate::model::state::HostState;
    use crate::providers::DiscoveredHost;
    use crate::transports::LocalTransport;

    struct Fixture {
        dir: tempfile::TempDir,
        host: Host,
        record: AgentRecord,
    }

    impl Fixture {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let root = dir.path().join("h");
            std::fs::create_dir_all(dir.path().join("work")).unwrap();
            let info = DiscoveredHost {
                id: "host-00000000000000000000000000000001".parse().unwrap(),
                name: HostName::stored("localhost"),
                provider: ProviderName::stored("local"),
                state: HostState::Running,
                host_dir: root,
                tags: BTreeMap::new(),
            };
            let host = Host::new(info, Arc::new(LocalTransport), "mng-");
            let record = serde_json::from_value(serde_json::json!({
                "id": "agent-00000000000000000000000000000001", "name": "alpha", "type": "command",
                "work_dir": dir.path().join("work"), "create_time": "2026-11-22T13:31:00Z", "command": "x",
            }))
            .unwrap();
            Self { dir, host, record }
        }

        fn run(&self, steps: &Provisioning) -> Result<()> {
            let home = self.dir.path().join("home");
            let place =
                Place { host: &self.host, record: &self.record, cwd: self.dir.path(), home: Some(&home) };
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(run(place, steps, &Events::none(), &Cancel::new()))
        }

        fn read(&self, path: &str) -> String {
            std::fs::read_to_string(self.dir.path().join(path)).unwrap()
        }
    }

    #[test]
    fn the_order_of_the_steps_is_fixed() {
        let world = Fixture::new();
        std::fs::write(world.dir.path().join("src.txt"), "middle\n").unwrap();
        let env = world.host.layout.agent_env(&world.record.id);
        std::fs::create_dir_all(env.parent().unwrap()).unwrap();
        let out = world.dir.path().join("as-root");
        std::fs::write(&env, format!("GREETING='hello $HOME'\nMNG_TEST_OUT={}\n", out.display())).unwrap();
        let steps = Provisioning {
            directories: vec!["~/deep/dir".into()],
            uploads: vec!["src.txt:~/deep/dir/file.txt".parse().unwrap()],
            appends: vec!["~/deep/dir/file.txt:end $HOME\n".parse().unwrap()],
            prepends: vec!["~/deep/dir/file.txt:start\n".parse().unwrap()],
            sudo_commands: if rustix::process::geteuid().is_root() {
                vec!["printf %s \"$GREETING\" > \"$MNG_TEST_OUT\"".into()]
            } else {
                Vec::new()
            },
            commands: vec!["cat ../home/deep/dir/file.txt > out; echo \"$GREETING\" >> out".into()],
            ..Provisioning::default()
        };
        world.run(&steps).unwrap();
        if !steps.sudo_commands.is_empty() {
            assert_eq!(world.read("as-root"), "hello $HOME");
        }
        assert_eq!(world.read("work/out"), "start\nmiddle\nend $HOME\nhello $HOME\n");
    }

    #[test]
    fn the_first_failure_stops_and_shows_what_the_command_said() {
        let world = Fixture::new();
        let commands = ["echo oh no >&2; exit 3", "touch second"].map(str::to_owned).to_vec();
        let error = world.run(&Provisioning { commands, ..Provisioning::default() }).unwrap_err();
        insta::assert_snapshot!(
            error,
            @"the provision command `echo oh no >&2; exit 3` failed with exit code 3: oh no"
        );
        assert!(!world.dir.path().join("work/second").exists());
    }

    #[test]
    fn missing_uploads_are_told_together_before_anything_is_done() {
        let world = Fixture::new();
        let steps = Provisioning {
            directories: vec!["made".into()],
            uploads: vec!["a:b".parse().unwrap(), "~/c:d".parse().unwrap()],
            ..Provisioning::default()
        };
        let error = world.run(&steps).unwrap_err();
        assert_eq!(error.to_string(), "cannot upload `a`, `~/c`: no such file");
        assert!(!world.dir.path().join("made").exists());
    }

    #[test]
    fn uploading_a_file_onto_itself_changes_nothing() {
        let world = Fixture::new();
        std::fs::write(world.dir.path().join("same"), "text").unwrap();
        let steps = Provisioning { uploads: vec!["same:./same".parse().unwrap()], ..Provisioning::default() };
        world.run(&steps).unwrap();
        assert_eq!(world.read("same"), "text");
    }

    #[test]
    fn long_commands_are_cut_to_one_line() {
        assert_eq!(label("a\n  b"), "a b");
        let long = label(&"x ".repeat(50));
        assert_eq!((long.chars().count(), long.ends_with("...")), (60, true));
    }
}
