//! The plain log files of an agent or a host: `logs/` and the program logs under `events/logs/`.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use super::events::Part;
use crate::hosts::Host;
use crate::model::error::{Error, ErrorClass, Result};
use crate::model::order;
use crate::transports::FileKind;

/// How often a followed file is looked at.
const POLL: Duration = Duration::from_millis(200);
/// How much is read at once.
const CHUNK: usize = 1 << 20;
const STREAM: &str = "events.jsonl";

/// A log file. Field names are the JSON contract.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogFile {
    pub name: String,
    /// Bytes.
    pub size: u64,
    #[serde(skip)]
    pub path: PathBuf,
}

/// The log files under a host's or an agent's directory, by name. A program that logs to
/// `events/logs/PROGRAM/events.jsonl` is listed as `PROGRAM`, its rotated files as `PROGRAM.TIME`.
///
/// # Errors
/// A directory cannot be read.
pub async fn list(host: &Host, dir: &Path) -> Result<Vec<LogFile>> {
    let mut files = Vec::new();
    let logs = dir.join("logs");
    for name in host.transport.list_dir(&logs).await? {
        let path = logs.join(&name);
        add(host, &mut files, name, path).await?;
    }
    let programs = dir.join("events").join("logs");
    for program in host.transport.list_dir(&programs).await? {
        for file in host.transport.list_dir(&programs.join(&program)).await? {
            if let Some(rest) = file.strip_prefix(STREAM) {
                let path = programs.join(&program).join(&file);
                add(host, &mut files, format!("{program}{rest}"), path).await?;
            }
        }
    }
    order::sort_by(&mut files, |a, b| a.name.cmp(&b.name));
    Ok(files)
}

async fn add(host: &Host, files: &mut Vec<LogFile>, name: String, path: PathBuf) -> Result<()> {
    let is_hidden = name.starts_with('.');
    if let Some(stat) = host.transport.stat(&path).await?
        && stat.kind == FileKind::File
        && !is_hidden
    {
        files.push(LogFile { name, size: stat.size, path });
    }
    Ok(())
}

/// The log file of that name. A name is never a path: it must be one that [`list`] shows.
///
/// # Errors
/// There is none; the hint lists those there are.
pub async fn find(host: &Host, dir: &Path, name: &str) -> Result<LogFile> {
    let files = list(host, dir).await?;
    let names: Vec<String> = files.iter().map(|file| file.name.clone()).collect();
    files.into_iter().find(|file| file.name == name).ok_or_else(|| {
        let hint = if names.is_empty() {
            "there are no log files yet".to_owned()
        } else {
            format!("there are: {}", names.join(", "))
        };
        Error::hinted(ErrorClass::UserInput, format!("there is no log file `{name}`"), hint)
    })
}

/// The bytes of a log file, or the first or last lines of them, and how far the file was read, in bytes.
///
/// # Errors
/// The file cannot be read.
pub async fn read(host: &Host, file: &LogFile, part: Part) -> Result<(Vec<u8>, u64)> {
    let mut all = Vec::new();
    let mut tail: VecDeque<Vec<u8>> = VecDeque::new();
    let mut lines = 0;
    let mut offset = 0;
    loop {
        let chunk = host.transport.read_from(&file.path, offset, CHUNK).await?.unwrap_or_default();
        offset += chunk.len() as u64;
        match part {
            Part::All => all.extend_from_slice(&chunk),
            Part::Head(most) => {
                for line in chunk.split_inclusive(|byte| *byte == b'\n') {
                    if lines == most {
                        return Ok((all, offset));
                    }
                    all.extend_from_slice(line);
                    lines += usize::from(line.ends_with(b"\n"));
                }
            }
            Part::Tail(most) => {
                for line in chunk.split_inclusive(|byte| *byte == b'\n') {
                    match tail.back_mut() {
                        Some(open) if !open.ends_with(b"\n") => open.extend_from_slice(line),
                        _ => tail.push_back(line.to_vec()),
                    }
                    if tail.len() > most {
                        tail.pop_front();
                    }
                }
            }
        }
        if chunk.len() < CHUNK {
            all.extend(tail.into_iter().flatten());
            return Ok((all, offset));
        }
    }
}

/// Hands out what is written from `offset` (bytes) on, until the future is dropped. A file that was replaced
/// or cut is read from its beginning.
///
/// # Errors
/// The file cannot be read, or `print` failed.
pub async fn follow(
    host: &Host,
    file: &LogFile,
    mut offset: u64,
    print: &mut (dyn FnMut(&[u8]) -> Result<()> + Send),
) -> Result<()> {
    loop {
        let size = host.transport.stat(&file.path).await?.map_or(0, |stat| stat.size);
        if size < offset {
            offset = 0;
        }
        while size > offset {
            let chunk = host.transport.read_from(&file.path, offset, CHUNK).await?.unwrap_or_default();
            if chunk.is_empty() {
                break;
            }
            offset += chunk.len() as u64;
            print(&chunk)?;
        }
        tokio::time::sleep(POLL).await;
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::operations::fixture::{block, host_at};

    fn tree() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("logs/dir")).unwrap();
        fs::write(dir.path().join("logs/run.log"), "1\n2\n3\n").unwrap();
        fs::write(dir.path().join("logs/.hidden"), "").unwrap();
        fs::create_dir_all(dir.path().join("events/logs/mng")).unwrap();
        fs::write(dir.path().join("events/logs/mng/events.jsonl"), "{}\n").unwrap();
        fs::write(dir.path().join("events/logs/mng/events.jsonl.20261122"), "").unwrap();
        dir
    }

    #[test]
    fn both_places_are_listed_and_a_name_is_no_path() {
        let dir = tree();
        let host = host_at(dir.path());
        let files = block(list(&host, dir.path())).unwrap();
        let shown: Vec<_> = files.iter().map(|file| (file.name.as_str(), file.size)).collect();
        assert_eq!(shown, [("mng", 3), ("mng.20261122", 0), ("run.log", 6)]);
        for bad in ["../data.json", "/etc/passwd", "dir", ".hidden", "mng/events.jsonl"] {
            let error = block(find(&host, dir.path(), bad)).unwrap_err();
            assert_eq!(error.hint().unwrap(), "there are: mng, mng.20261122, run.log", "{bad}");
        }
    }

    #[test]
    fn parts_are_lines() {
        let dir = tree();
        let host = host_at(dir.path());
        let file = block(find(&host, dir.path(), "run.log")).unwrap();
        let part = |part| String::from_utf8(block(read(&host, &file, part)).unwrap().0).unwrap();
        assert_eq!(part(Part::All), "1\n2\n3\n");
        assert_eq!(part(Part::Head(2)), "1\n2\n");
        assert_eq!(part(Part::Head(9)), "1\n2\n3\n");
        assert_eq!(part(Part::Tail(1)), "3\n");
        fs::write(&file.path, "1\n2\nhalf").unwrap();
        assert_eq!(part(Part::Tail(2)), "2\nhalf");
    }

    #[test]
    fn following_starts_over_when_the_file_was_cut() {
        let dir = tree();
        let host = host_at(dir.path());
        let file = block(find(&host, dir.path(), "run.log")).unwrap();
        let mut heard = Vec::new();
        let path = file.path.clone();
        let mut print = |bytes: &[u8]| {
            heard.extend_from_slice(bytes);
            match heard.as_slice() {
                b"3\n" => fs::write(&path, "n\n").map_err(|error| Error::io("write", error)),
                _ => Err(Error::plain(ErrorClass::Aborted, "enough")),
            }
        };
        let error = block(follow(&host, &file, 4, &mut print)).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Aborted);
        assert_eq!(heard, b"3\nn\n");
    }
}
