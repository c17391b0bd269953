//! `mng file`: single files of an agent or a host.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use serde::Serialize;

use super::resolve;
use super::sync::on_host;
use crate::hosts::Host;
use crate::hosts::git::TRANSFER;
use crate::model::address::AgentOrHost;
use crate::model::error::{Error, ErrorClass, Result};
use crate::model::ids::random_hex;
use crate::model::time::Time;
use crate::plugins::Ctx;
use crate::transports::{ExecRequest, FileKind};

/// Where a relative path starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// The work dir of the agent.
    Work,
    /// The state directory of the agent.
    State,
    /// The host dir.
    Host,
}

/// A directory of a host, as the start of relative paths.
#[derive(Clone, Debug)]
pub struct Place {
    pub host: Host,
    pub base: PathBuf,
}

/// Finds the place. Nothing is started.
///
/// # Errors
/// Nothing or several match; a host has no work dir and no agent's state.
pub async fn place(ctx: &Ctx, target: &AgentOrHost, base: Option<Base>) -> Result<Place> {
    match target {
        AgentOrHost::Agent(address) => {
            let agent = resolve::one(ctx, address).await?;
            let base = match base.unwrap_or(Base::Work) {
                Base::Work => agent.record.work_dir.clone(),
                Base::State => agent.host.layout.agent(&agent.record.id),
                Base::Host => agent.host.layout.root().to_path_buf(),
            };
            Ok(Place { host: agent.host, base })
        }
        AgentOrHost::Host(address) => {
            if base == Some(Base::State) {
                return Err(Error::hinted(
                    ErrorClass::Usage,
                    format!("`@{address}` is a host, and only agents have a state directory"),
                    "leave `--relative-to` out: paths of a host start at its host dir",
                ));
            }
            let host = resolve::one_host(ctx, address).await?;
            Ok(Place { base: host.layout.root().to_path_buf(), host })
        }
    }
}

impl Place {
    async fn path(&self, path: &str) -> Result<PathBuf> {
        on_host(&self.host, &self.base, path).await
    }
}

/// A file that was read.
#[derive(Clone, Debug)]
pub struct FileRead {
    pub path: PathBuf,
    pub bytes: Vec<u8>,
}

/// Reads a file, byte for byte.
///
/// # Errors
/// There is none, or it is a directory.
pub async fn get(place: &Place, path: &str) -> Result<FileRead> {
    let path = place.path(path).await?;
    match place.host.transport.stat(&path).await?.map(|stat| stat.kind) {
        None => Err(missing("file", &path, place)),
        Some(FileKind::Directory) => Err(Error::input(
            format!("`{}` is a directory", path.display()),
            "`mng file list` shows what is in it; `mng pull` copies it",
        )),
        Some(_) => match place.host.transport.read(&path).await? {
            Some(bytes) => Ok(FileRead { path, bytes }),
            None => Err(missing("file", &path, place)),
        },
    }
}

fn missing(what: &str, path: &Path, place: &Place) -> Error {
    Error::input(
        format!("there is no {what} `{}` on host `{}`", path.display(), place.host.info.address()),
        "`mng file list` shows what there is; `--relative-to` says where paths start",
    )
}

/// A file that was written. Field names are the JSON contract.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileWritten {
    pub path: PathBuf,
    /// Bytes.
    pub size: u64,
}

/// Replaces a file whole: a reader sees the old bytes or the new ones. Its parents are made. Without `mode` a
/// file keeps the one it has, and a new one gets 0644.
///
/// # Errors
/// It is a directory, or cannot be written; the old file is then untouched.
pub async fn put(place: &Place, path: &str, bytes: &[u8], mode: Option<u32>) -> Result<FileWritten> {
    let transport = &place.host.transport;
    let mut path = place.path(path).await?;
    let mut stat = transport.stat(&path).await?;
    if stat.as_ref().is_some_and(|stat| stat.kind == FileKind::Symlink) {
        path = behind(place, &path).await?;
        stat = transport.stat(&path).await?;
    }
    if stat.as_ref().is_some_and(|stat| stat.kind == FileKind::Directory) {
        return Err(Error::input(format!("`{}` is a directory", path.display()), "name a file in it"));
    }
    let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(|| {
        Error::input(format!("`{}` names no file", path.display()), "give the path of a file")
    })?;
    let mode = mode.or_else(|| stat.map(|stat| stat.mode)).unwrap_or(0o644);
    // With its final mode from the start: nobody reads it who must not.
    let temporary = path.with_file_name(format!(".{name}.{}.tmp", &random_hex()[..8]));
    let written = async {
        transport.write(&temporary, bytes, mode).await?;
        transport.rename(&temporary, &path).await
    };
    if let Err(error) = written.await {
        let _ = transport.remove_file(&temporary).await;
        return Err(error);
    }
    Ok(FileWritten { size: bytes.len() as u64, path })
}

/// Where a symlink leads; the link itself stays.
async fn behind(place: &Place, path: &Path) -> Result<PathBuf> {
    let word = crate::hosts::git::word(path)?;
    let output =
        place.host.transport.exec(ExecRequest::new(["readlink", "-f", "--", &word]).idempotent()).await?;
    let text = output.check("readlink")?.stdout_text();
    Ok(PathBuf::from(text.strip_suffix('\n').unwrap_or(&text)))
}

/// What stands at a path; symlinks are not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FileType {
    File,
    Directory,
    Symlink,
    Pipe,
    Socket,
    Block,
    Character,
    Other,
}

impl FileType {
    /// The type in a mode of `stat(2)`.
    fn of(mode: u32) -> Self {
        match mode & 0o170_000 {
            0o100_000 => Self::File,
            0o040_000 => Self::Directory,
            0o120_000 => Self::Symlink,
            0o010_000 => Self::Pipe,
            0o140_000 => Self::Socket,
            0o060_000 => Self::Block,
            0o020_000 => Self::Character,
            _ => Self::Other,
        }
    }
}

impl fmt::Display for FileType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File => "file",
            Self::Directory => "directory",
            Self::Symlink => "symlink",
            Self::Pipe => "pipe",
            Self::Socket => "socket",
            Self::Block => "block",
            Self::Character => "character",
            Self::Other => "other",
        })
    }
}

/// One entry. Field names are the JSON contract.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileEntry {
    /// Relative to the directory that was listed.
    pub name: String,
    /// Absolute.
    pub path: String,
    pub file_type: FileType,
    /// Bytes.
    pub size: u64,
    pub modified: Option<Time>,
    /// Octal, as `--mode` takes them.
    pub permissions: Option<String>,
}

/// Field names are the JSON contract.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FileList {
    pub count: usize,
    /// By path.
    pub files: Vec<FileEntry>,
}

/// `$1` is the directory, `$2` is `all` to go below. One entry is `MODE SIZE TIME` (hexadecimal mode), a
/// line break, the name and a zero byte. GNU's `stat` takes all names at once; busybox and BSD have others.
const LIST: &str = r#"
[ -e "$1" ] || [ -h "$1" ] || exit 44
if [ -d "$1" ]; then cd -- "$1" || exit 45; start=.; else cd -- "$(dirname -- "$1")" || exit 45; start=./$(basename -- "$1"); fi
if stat --printf '' . >/dev/null 2>&1; then
    one='stat --printf "%f %s %Y\n%n\0" -- "$@"'
elif stat -c %f . >/dev/null 2>&1; then
    one='for f; do stat -c "%f %s %Y" -- "$f" && printf "%s\0" "$f"; done'
else
    one='for f; do stat -f "%Xp %z %m" -- "$f" && printf "%s\0" "$f"; done'
fi
if [ "$start" != . ]; then set -- "$start"; eval "$one"
elif [ "$2" = all ]; then find . ! -name . -exec sh -c "$one" sh {} +
else find . ! -name . -prune -exec sh -c "$one" sh {} +
fi
"#;

/// Lists a directory, or the one file at the path.
///
/// # Errors
/// Nothing is there, or it cannot be read.
pub async fn list(place: &Place, path: Option<&str>, is_recursive: bool) -> Result<FileList> {
    let dir = match path {
        Some(path) => place.path(path).await?,
        None => place.base.clone(),
    };
    let word = crate::hosts::git::word(&dir)?;
    let request = ExecRequest::sh(LIST, [word.as_str(), if is_recursive { "all" } else { "one" }]);
    let output =
        place.host.transport.exec(request.env("LC_ALL", "C").timeout(Some(TRANSFER)).idempotent()).await?;
    if output.code == Some(44) {
        return Err(missing("directory", &dir, place));
    }
    if output.stdout.is_empty() && !output.is_success() {
        output.check("find")?;
        return Ok(FileList::default());
    }
    let mut files: Vec<FileEntry> =
        output.stdout.split(|&byte| byte == 0).filter_map(|record| entry(record, &dir)).collect();
    files.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(FileList { count: files.len(), files })
}

fn entry(record: &[u8], dir: &Path) -> Option<FileEntry> {
    let at = record.iter().position(|&byte| byte == b'\n')?;
    let (facts, name) = (std::str::from_utf8(&record[..at]).ok()?, &record[at + 1..]);
    let mut facts = facts.split_whitespace();
    let mode = u32::from_str_radix(facts.next()?, 16).ok()?;
    let size = facts.next()?.parse().ok()?;
    let modified = facts
        .next()?
        .parse::<u64>()
        .ok()
        .map(|seconds| Time::from(UNIX_EPOCH + Duration::from_secs(seconds)));
    let name = String::from_utf8_lossy(name.strip_prefix(b"./").unwrap_or(name)).into_owned();
    Some(FileEntry {
        path: dir.join(&name).to_string_lossy().into_owned(),
        name,
        file_type: FileType::of(mode),
        size,
        modified,
        permissions: Some(format!("{:04o}", mode & 0o7777)),
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::agents::testing::{PrivateHost, block};

    fn place_of(private: &PrivateHost) -> Place {
        Place { host: private.host.clone(), base: private.path("work") }
    }

    #[test]
    fn bytes_come_and_go_as_they_are() {
        for private in [PrivateHost::new(), PrivateHost::far()] {
            let place = place_of(&private);
            let bytes: Vec<u8> = (0..=255).chain([0, 10, 13, 10]).collect();
            let written = block(put(&place, "a dir/ü\n.bin", &bytes, Some(0o640))).unwrap();
            assert_eq!((written.size, written.path.clone()), (260, private.path("work/a dir/ü\n.bin")));
            assert_eq!(block(get(&place, "a dir/ü\n.bin")).unwrap().bytes, bytes);
            let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
            assert_eq!(mode(&written.path), 0o640);
            // A file keeps its mode, and a link leads to its file.
            std::os::unix::fs::symlink("a dir/ü\n.bin", private.path("work/link")).unwrap();
            block(put(&place, "link", b"new", None)).unwrap();
            assert_eq!(
                (std::fs::read(&written.path).unwrap(), mode(&written.path)),
                (b"new".to_vec(), 0o640)
            );
            assert!(private.path("work/link").is_symlink());
            assert_eq!(
                std::fs::read_dir(private.path("work/a dir")).unwrap().count(),
                1,
                "no temporary file"
            );
            assert!(block(get(&place, "gone")).unwrap_err().to_string().contains("there is no file"));
            assert!(block(get(&place, "a dir")).unwrap_err().to_string().contains("is a directory"));
            assert!(block(put(&place, "a dir", b"", None)).is_err());
        }
    }

    #[test]
    fn a_listing_follows_no_links() {
        let private = PrivateHost::far();
        let place = place_of(&private);
        let work = private.path("work");
        std::fs::create_dir(work.join("d")).unwrap();
        std::fs::write(work.join("d/x\ny"), "12345").unwrap();
        std::fs::set_permissions(work.join("d/x\ny"), std::fs::Permissions::from_mode(0o600)).unwrap();
        std::os::unix::fs::symlink("d", work.join("link")).unwrap();
        let names = |list: FileList| {
            list.files.into_iter().map(|file| (file.name, file.file_type)).collect::<Vec<_>>()
        };
        let flat = block(list(&place, None, false)).unwrap();
        assert_eq!(names(flat), [("d".into(), FileType::Directory), ("link".into(), FileType::Symlink)]);
        let deep = block(list(&place, None, true)).unwrap();
        assert_eq!(deep.count, 3);
        let file = &deep.files[1];
        assert_eq!((file.name.as_str(), file.size, file.permissions.as_deref()), ("d/x\ny", 5, Some("0600")));
        assert!(file.modified.is_some());
        let one = block(list(&place, Some("d/x\ny"), false)).unwrap();
        assert_eq!(names(one), [("x\ny".into(), FileType::File)]);
        assert!(block(list(&place, Some("gone"), false)).is_err());
    }
}
