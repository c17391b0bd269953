//! This machine: direct child processes and direct file access.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};

use super::{
    AttachPlan, Chunk, ExecOutput, ExecRequest, FileKind, FileStat, LockGuard, PipedCommand, Transport,
    TransportError,
};
use crate::model::error::{Error, Result};
use crate::storage::{self, FileLock};

/// The transport of the local host.
#[derive(Clone, Copy, Debug, Default)]
pub struct LocalTransport;

impl LockGuard for FileLock {}

#[async_trait]
impl Transport for LocalTransport {
    fn is_local(&self) -> bool {
        true
    }

    async fn exec(&self, request: ExecRequest) -> Result<ExecOutput> {
        let mut stdout = Vec::new();
        let mut stderr = Vec::new();
        let mut collect = |chunk: Chunk| match chunk {
            Chunk::Stdout(bytes) => stdout.extend(bytes),
            Chunk::Stderr(bytes) => stderr.extend(bytes),
        };
        let title = request.title();
        let output = self.exec_streaming(request, &mut collect).await?;
        let output = ExecOutput { stdout, stderr, ..output };
        output.log(&title);
        Ok(output)
    }

    async fn exec_streaming(
        &self,
        request: ExecRequest,
        on_chunk: &mut (dyn FnMut(Chunk) + Send),
    ) -> Result<ExecOutput> {
        let started = Instant::now();
        let title = request.title();
        request.log_env();
        let mut child = spawn(&request)?;
        let group = Group::of(&child);
        let stdin = child.stdin.take();
        let input = request.stdin.unwrap_or_default();
        let feed = async move {
            if let Some(mut pipe) = stdin {
                // A program that stops reading closes the pipe; its exit code tells the story.
                let _ = pipe.write_all(&input).await;
            }
        };
        let run = async {
            let (_, copied) = tokio::join!(feed, copy_output(&mut child, on_chunk));
            copied?;
            child.wait().await
        };
        let finished = match request.timeout {
            Some(limit) => tokio::time::timeout(limit, run).await,
            None => Ok(run.await),
        };
        let output = match finished {
            Ok(status) => {
                let status = status.map_err(|error| Error::io(format!("wait for `{title}`"), error))?;
                group.keep();
                ExecOutput { code: status.code(), ..ExecOutput::default() }
            }
            Err(_) => {
                drop(group);
                let _ = child.wait().await;
                ExecOutput { is_timed_out: true, ..ExecOutput::default() }
            }
        };
        tracing::debug!(command = %title, code = ?output.code, seconds = started.elapsed().as_secs_f64(), "exec");
        Ok(output)
    }

    async fn spawn(&self, request: ExecRequest) -> Result<PipedCommand> {
        request.log_env();
        let title = request.title();
        let mut child = spawn(&ExecRequest { stdin: Some(Vec::new()), ..request })?;
        let group = Group::of(&child);
        let missing = || Error::io(format!("talk to `{title}`"), ErrorKind::BrokenPipe.into());
        let stdin = child.stdin.take().ok_or_else(missing)?;
        let stdout = child.stdout.take().ok_or_else(missing)?;
        let stderr = child.stderr.take().ok_or_else(missing)?;
        let exit = Box::pin(async move {
            let status =
                child.wait().await.map_err(|error| Error::io(format!("wait for `{title}`"), error))?;
            group.keep();
            Ok(status.code())
        });
        Ok(PipedCommand { stdin: Box::new(stdin), stdout: Box::new(stdout), stderr: Box::new(stderr), exit })
    }

    async fn read(&self, path: &Path) -> Result<Option<Vec<u8>>> {
        storage::read_optional(path)
    }

    async fn read_from(&self, path: &Path, offset: u64, limit: usize) -> Result<Option<Vec<u8>>> {
        storage::read_range(path, offset, limit)
    }

    /// On a thread of its own: waiting for the disk takes longer than most commands, and others go on.
    async fn write(&self, path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
        let (path, bytes) = (path.to_path_buf(), bytes.to_vec());
        tokio::task::spawn_blocking(move || storage::write_atomic(&path, &bytes, mode))
            .await
            .map_err(|error| Error::io("write a file", std::io::Error::other(error)))?
    }

    async fn write_volatile(&self, path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
        storage::write_volatile(path, bytes, mode)
    }

    async fn create_dir(&self, path: &Path) -> Result<()> {
        storage::create_private_dir(path)
    }

    async fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        fs::rename(from, to)
            .map_err(|error| Error::io(format!("rename `{}` to `{}`", from.display(), to.display()), error))
    }

    async fn remove_file(&self, path: &Path) -> Result<()> {
        missing_is_fine(fs::remove_file(path), || format!("remove `{}`", path.display()))
    }

    async fn remove_tree(&self, path: &Path) -> Result<()> {
        let path = path.to_path_buf();
        tokio::task::spawn_blocking(move || {
            let result = match fs::symlink_metadata(&path) {
                Ok(meta) if meta.is_dir() => fs::remove_dir_all(&path),
                Ok(_) => fs::remove_file(&path),
                Err(error) => Err(error),
            };
            missing_is_fine(result, || format!("remove `{}`", path.display()))
        })
        .await
        .map_err(|error| Error::io("remove a directory", std::io::Error::other(error)))?
    }

    async fn stat(&self, path: &Path) -> Result<Option<FileStat>> {
        match fs::symlink_metadata(path) {
            Ok(meta) => Ok(Some(FileStat {
                kind: if meta.is_symlink() {
                    FileKind::Symlink
                } else if meta.is_dir() {
                    FileKind::Directory
                } else if meta.is_file() {
                    FileKind::File
                } else {
                    FileKind::Other
                },
                size: meta.len(),
                modified: meta.modified().unwrap_or(std::time::UNIX_EPOCH),
                mode: meta.permissions().mode() & 0o7777,
            })),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
            Err(error) => Err(Error::io(format!("look at `{}`", path.display()), error)),
        }
    }

    async fn list_dir(&self, path: &Path) -> Result<Vec<String>> {
        let entries = match fs::read_dir(path) {
            Ok(entries) => entries,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Ok(Vec::new());
            }
            Err(error) => return Err(Error::io(format!("list `{}`", path.display()), error)),
        };
        let mut names: Vec<String> =
            entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort_unstable();
        Ok(names)
    }

    async fn lock(
        &self,
        path: &Path,
        wait: Option<Duration>,
        on_wait: Box<dyn FnOnce() + Send>,
    ) -> Result<Box<dyn LockGuard>> {
        Ok(Box::new(FileLock::acquire_async(path, wait, on_wait).await?))
    }

    fn attach(&self, argv: Vec<String>) -> AttachPlan {
        AttachPlan { argv, unset: Vec::new(), env: std::collections::BTreeMap::new() }
    }
}

fn missing_is_fine(result: std::io::Result<()>, what: impl FnOnce() -> String) -> Result<()> {
    match result {
        Ok(()) => Ok(()),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(()),
        Err(error) => Err(Error::io(what(), error)),
    }
}

fn spawn(request: &ExecRequest) -> Result<Child> {
    let mut argv = request.argv.clone();
    if let Some(user) = &request.user {
        let mut prefix = vec!["sudo".to_owned(), "-n".into(), "-u".into(), user.clone(), "--".into()];
        prefix.append(&mut argv);
        argv = prefix;
    }
    let (program, args) = argv
        .split_first()
        .ok_or_else(|| Error::io("run an empty command", ErrorKind::InvalidInput.into()))?;
    let mut command = Command::new(program);
    command.args(args).kill_on_drop(true).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.stdin(if request.stdin.is_some() { Stdio::piped() } else { Stdio::null() });
    // A group of its own, so that a deadline also ends what the command started.
    command.process_group(0);
    for key in &request.unset {
        command.env_remove(key);
    }
    command.envs(&request.env);
    if let Some(cwd) = &request.cwd {
        command.current_dir(cwd);
        if let Err(error) = fs::metadata(cwd) {
            return Err(Error::io(format!("enter `{}`", cwd.display()), error));
        }
    }
    command.spawn().map_err(|source| TransportError::NotStarted { program: program.clone(), source }.into())
}

/// The process group of a running command. It is killed when the deadline passes, and when nobody waits for
/// the command any more: what a shell had started would go on without it.
struct Group(Option<rustix::process::Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|pid| rustix::process::Pid::from_raw(pid.cast_signed())))
    }

    /// The command has ended by itself. What it left behind on purpose stays, and its number may soon be
    /// another group's.
    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
        }
    }
}

/// Copies both pipes to `on_chunk` until both are closed.
///
/// A daemon that the command left behind may hold the pipes open for ever, so once the command itself has
/// ended the copy goes on only while bytes keep coming.
async fn copy_output(child: &mut Child, on_chunk: &mut (dyn FnMut(Chunk) + Send)) -> std::io::Result<()> {
    const AFTER_EXIT: Duration = Duration::from_millis(100);
    let mut stdout = child.stdout.take();
    let mut stderr = child.stderr.take();
    let mut out_buffer = vec![0_u8; 16 * 1024];
    let mut err_buffer = vec![0_u8; 16 * 1024];
    let mut is_ended = false;
    while stdout.is_some() || stderr.is_some() {
        tokio::select! {
            biased;
            count = read_some(stdout.as_mut(), &mut out_buffer), if stdout.is_some() => match count? {
                0 => stdout = None,
                count => on_chunk(Chunk::Stdout(out_buffer[..count].to_vec())),
            },
            count = read_some(stderr.as_mut(), &mut err_buffer), if stderr.is_some() => match count? {
                0 => stderr = None,
                count => on_chunk(Chunk::Stderr(err_buffer[..count].to_vec())),
            },
            status = child.wait(), if !is_ended => {
                status?;
                is_ended = true;
            }
            () = tokio::time::sleep(AFTER_EXIT), if is_ended => return Ok(()),
        }
    }
    Ok(())
}

async fn read_some<R: AsyncRead + Unpin>(pipe: Option<&mut R>, buffer: &mut [u8]) -> std::io::Result<usize> {
    match pipe {
        Some(pipe) => pipe.read(buffer).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }

    #[test]
    fn data_is_never_part_of_the_script() {
        let request = ExecRequest::sh("printf %s \"$1\"", ["$(touch x); 'q\""]);
        let output = block(LocalTransport.exec(request)).unwrap();
        assert_eq!(output.stdout_text(), "$(touch x); 'q\"");
    }

    #[test]
    fn a_piped_command_answers_what_it_is_told() {
        let (text, code) = block(async {
            let mut command = LocalTransport.spawn(ExecRequest::sh("cat; exit 7", ["x"])).await.unwrap();
            command.stdin.write_all(b"to and fro").await.unwrap();
            drop(command.stdin);
            let mut text = String::new();
            command.stdout.read_to_string(&mut text).await.unwrap();
            (text, command.exit.await.unwrap())
        });
        assert_eq!((text.as_str(), code), ("to and fro", Some(7)));
    }

    #[test]
    fn the_deadline_ends_the_whole_group() {
        let request = ExecRequest::sh("sleep 60 & sleep 60", Vec::<String>::new())
            .timeout(Some(Duration::from_millis(100)));
        let output = block(LocalTransport.exec(request)).unwrap();
        assert!(output.is_timed_out);
        assert_eq!(output.code, None);
    }

    #[test]
    fn who_stops_waiting_ends_the_whole_group() {
        let dir = tempfile::tempdir().unwrap();
        let pid_file = dir.path().join("pid").display().to_string();
        block(async {
            let request =
                ExecRequest::sh("sleep 60 & echo $! > \"$1\"; wait", [pid_file.clone()]).timeout(None);
            let run = tokio::time::timeout(Duration::from_millis(500), LocalTransport.exec(request));
            assert!(run.await.is_err());
        });
        let pid: i32 = fs::read_to_string(pid_file).unwrap().trim().parse().unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        let end = Instant::now() + Duration::from_secs(10);
        let is_there = || {
            // A killed process whose parent is gone may be seen until init has reaped it.
            let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
            rustix::process::test_kill_process(pid).is_ok() && !stat.contains(") Z ")
        };
        while is_there() {
            assert!(Instant::now() < end, "the child outlived its shell");
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_daemon_that_keeps_the_pipe_does_not_hang_us() {
        let request = ExecRequest::sh("echo hi; (sleep 3 &)", Vec::<String>::new());
        let start = Instant::now();
        let output = block(LocalTransport.exec(request)).unwrap();
        assert_eq!(output.stdout_text(), "hi\n");
        assert!(start.elapsed() < Duration::from_secs(3));
    }

    #[test]
    fn a_missing_program_says_what_to_install() {
        let error = block(LocalTransport.exec(ExecRequest::new(["no-such-program-here"]))).unwrap_err();
        assert_eq!(error.class(), crate::model::error::ErrorClass::BinaryNotInstalled);
        assert!(error.hint().unwrap().contains("no-such-program-here"));
    }

    #[test]
    fn large_input_and_output_do_not_deadlock() {
        let bytes = vec![b'x'; 1 << 20];
        let output = block(LocalTransport.exec(ExecRequest::new(["cat"]).stdin(bytes.clone()))).unwrap();
        assert_eq!(output.stdout, bytes);
    }
}
