//! Files of another host, by POSIX sh: what the rest of this room does with system calls on this machine.
//! Paths travel on standard input with NUL bytes between them (`xargs -0`: GNU, busybox and BSD have it), so
//! any name is safe. A host that lacks something fails the script, and then its work dirs are moved whole.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use super::keep::cannot_keep;
use crate::hosts::Host;
use crate::hosts::git::{TRANSFER, word};
use crate::model::error::Result;
use crate::transports::ExecRequest;

/// Bytes that all arguments of one command may have together. Linux takes 128 KiB for one and 2 MiB for all.
const ARGUMENTS: usize = 100 * 1024;

async fn run(host: &Host, title: &str, script: &str, args: Vec<String>, stdin: Vec<u8>) -> Result<Vec<u8>> {
    let request = ExecRequest::sh(script, args).env("LC_ALL", "C").stdin(stdin).timeout(Some(TRANSFER));
    Ok(host.transport.exec(request).await?.check(title)?.stdout)
}

/// Paths below a directory, for `xargs -0`. None can be taken for an option.
fn listed<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for path in paths {
        bytes.extend_from_slice(b"./");
        bytes.extend_from_slice(path.as_os_str().as_bytes());
        bytes.push(0);
    }
    bytes
}

/// A path without symlinks, also when its last component is not there.
pub(super) async fn physical(host: &Host, path: &Path) -> Result<PathBuf> {
    const SCRIPT: &str = r#"
if cd -- "$1" 2>/dev/null; then pwd -P
elif cd -- "$2" 2>/dev/null; then p=$(pwd -P) && printf '%s/%s\n' "${p%/}" "$3"
else printf '%s\n' "$1"
fi
"#;
    let parent = path.parent().unwrap_or(path);
    let name = path.file_name().unwrap_or_default();
    let args = vec![word(path)?, word(parent)?, word(Path::new(name))?];
    let mut bytes = run(host, "pwd -P", SCRIPT, args, Vec::new()).await?;
    bytes.pop_if(|byte| *byte == b'\n');
    Ok(OsString::from_vec(bytes).into())
}

/// The worktrees that a repository knows: their entries and their places, without symlinks.
pub(super) async fn worktrees(host: &Host, common_dir: &Path) -> Result<Vec<(PathBuf, PathBuf)>> {
    const SCRIPT: &str = r#"
cd -- "$1" 2>/dev/null || exit 0
top=$PWD
for name in * .[!.]*; do
    [ -f "$name/gitdir" ] || continue
    IFS= read -r place <"$name/gitdir" || continue
    case $place in
    /*) ;;
    *) place=$top/$name/$place ;;
    esac
    place=${place%/.git}
    real=$(cd -- "$place" 2>/dev/null && pwd -P) || {
        real=$(cd -- "${place%/*}" 2>/dev/null && pwd -P) && real=${real%/}/${place##*/} || real=$place
    }
    printf '%s\0%s\0' "$name" "$real"
done
"#;
    let all = common_dir.join("worktrees");
    let bytes = run(host, "read worktrees", SCRIPT, vec![word(&all)?], Vec::new()).await?;
    let mut words = bytes.split(|&byte| byte == 0).map(|word| OsString::from_vec(word.to_vec()));
    let mut found = Vec::new();
    while let (Some(name), Some(place)) = (words.next(), words.next()) {
        found.push((all.join(name), PathBuf::from(place)));
    }
    Ok(found)
}

/// Whether one rename can take something from one directory to the other.
pub(super) async fn is_one_device(host: &Host, one: &Path, other: &Path) -> Result<bool> {
    const SCRIPT: &str = r#"
for dir; do df -P "$dir" | awk 'NR == 2 { print $1, $NF }'; done
"#;
    let bytes = run(host, "df -P", SCRIPT, vec![word(one)?, word(other)?], Vec::new()).await?;
    let text = String::from_utf8_lossy(&bytes);
    let mut lines = text.lines();
    Ok(lines.next() == lines.next())
}

/// What stands at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Missing,
    /// A file or a symlink.
    Content,
    Directory,
    /// A directory with a `.git`.
    Repository,
    Other,
}

/// What stands at each of the paths, in their order.
pub(super) async fn look(host: &Host, root: &Path, paths: &[&Path]) -> Result<Vec<What>> {
    const SCRIPT: &str = r#"
cd -- "$1" || exit
exec xargs -0 sh -c 'for p; do
    if [ -L "$p" ] || [ -f "$p" ]; then k=f
    elif [ -d "$p" ]; then k=d; { [ -e "$p/.git" ] || [ -L "$p/.git" ]; } && k=g
    elif [ -e "$p" ]; then k=o
    else k=-
    fi
    printf %s "$k"
done' sh
"#;
    if paths.is_empty() {
        return Ok(Vec::new());
    }
    let bytes = run(host, "look at files", SCRIPT, vec![word(root)?], listed(paths.iter().copied())).await?;
    if bytes.len() != paths.len() {
        return Err(cannot_keep(root, "its files cannot be looked at"));
    }
    Ok(bytes
        .iter()
        .map(|byte| match byte {
            b'f' => What::Content,
            b'd' => What::Directory,
            b'g' => What::Repository,
            b'o' => What::Other,
            _ => What::Missing,
        })
        .collect())
}

/// Bytes of all files below each of the paths, in their order.
pub(super) async fn sizes(host: &Host, root: &Path, paths: &[&Path]) -> Result<Vec<u64>> {
    const SCRIPT: &str = r#"
cd -- "$1" || exit
exec xargs -0 sh -c 'for p; do
    find "$p" -type f -exec ls -ln {} + 2>/dev/null | awk "/^-/ { s += \$5 } END { printf \"%.0f\\n\", s }"
done' sh
"#;
    if paths.is_empty() {
        return Ok(Vec::new());
    }
    let bytes = run(host, "measure files", SCRIPT, vec![word(root)?], listed(paths.iter().copied())).await?;
    let text = String::from_utf8_lossy(&bytes);
    let sizes: Vec<u64> = text.lines().filter_map(|line| line.parse().ok()).collect();
    if sizes.len() != paths.len() {
        return Err(cannot_keep(root, "its ignored files cannot be measured"));
    }
    Ok(sizes)
}

/// Writes the paths into a tar that only its owner reads, down to the disk.
pub(super) async fn pack(host: &Host, root: &Path, paths: &[PathBuf], tar: &Path) -> Result<()> {
    const SCRIPT: &str = r#"
umask 077
cd -- "$1" || exit
tar=$2
shift 2
tar -cf "$tar" "$@" || exit
sync "$tar" 2>/dev/null || sync
"#;
    let mut args = vec![word(root)?, word(tar)?];
    for path in paths {
        args.push(format!("./{}", word(path)?));
    }
    if args.iter().map(String::len).sum::<usize>() > ARGUMENTS {
        return Err(cannot_keep(root, "git ignores too many single files in it"));
    }
    run(host, "tar -c", SCRIPT, args, Vec::new()).await.map(|_| ())
}

/// Brings the files of a tar back, if there is one.
pub(super) async fn unpack(host: &Host, tar: &Path, root: &Path) -> Result<()> {
    const SCRIPT: &str = r#"
[ -f "$1" ] || exit 0
cd -- "$2" && exec tar -xpf "$1"
"#;
    run(host, "tar -x", SCRIPT, vec![word(tar)?, word(root)?], Vec::new()).await.map(|_| ())
}

/// Records (see `modes`) of files and directories with unusual permissions, of empty directories, and of the
/// root. GNU's find prints them itself; others cost a process each.
pub(super) async fn modes(host: &Host, root: &Path) -> Result<Vec<u8>> {
    const SCRIPT: &str = r#"
cd -- "$1" || exit
set -- . -path ./.git -prune -o '(' \
    -type f ! -perm 644 ! -perm 755 ! -perm 664 ! -perm 775 -o \
    -type d '(' -path . -o ! -perm 755 ! -perm 775 -o -empty ')' ')'
if find . -prune -printf '' 2>/dev/null; then
    exec find "$@" -printf '%y %m %P\0'
fi
exec find "$@" -exec sh -c 'for p; do
    m=$(stat -c %a "$p" 2>/dev/null || stat -f %Lp "$p") || exit 1
    k=f
    [ -d "$p" ] && k=d
    [ "$p" = . ] && p=./
    printf "%s %s %s\0" "$k" "$m" "${p#./}"
done' sh {} +
"#;
    run(host, "find", SCRIPT, vec![word(root)?], Vec::new()).await
}

/// One change of [`set_modes`].
#[derive(Clone, Copy, Debug)]
pub(super) enum SetMode<'a> {
    MakeDir(&'a Path),
    Dir(&'a Path, u32),
    File(&'a Path, u32),
}

/// Makes directories and sets permissions, in that order. What is something else by now stays as it is.
pub(super) async fn set_modes(host: &Host, root: &Path, changes: &[SetMode<'_>]) -> Result<()> {
    // Thirty words a command stay below what xargs puts into one, so that no three of them are torn apart.
    const SCRIPT: &str = r#"
cd -- "$1" || exit
exec xargs -0 -n 30 sh -c 'while [ $# -gt 2 ]; do
    case $1 in
    m) mkdir -p "$3" || exit 255 ;;
    d) [ ! -d "$3" ] || [ -L "$3" ] || chmod "$2" "$3" || exit 255 ;;
    f) [ ! -f "$3" ] || [ -L "$3" ] || chmod "$2" "$3" || exit 255 ;;
    esac
    shift 3
done' sh
"#;
    if changes.is_empty() {
        return Ok(());
    }
    let mut stdin = Vec::new();
    for change in changes {
        let (kind, mode, path) = match *change {
            SetMode::MakeDir(path) => ('m', 0, path),
            SetMode::Dir(path, mode) => ('d', mode, path),
            SetMode::File(path, mode) => ('f', mode, path),
        };
        stdin.extend(format!("{kind}\0{mode:o}\0").into_bytes());
        stdin.extend(listed([path]));
    }
    run(host, "chmod", SCRIPT, vec![word(root)?], stdin).await.map(|_| ())
}

/// Deletes files as git does: a directory goes with its last file.
pub(super) async fn delete(host: &Host, root: &Path, paths: &[PathBuf]) -> Result<()> {
    const SCRIPT: &str = r#"
cd -- "$1" || exit
exec xargs -0 sh -c 'for p; do
    if [ -d "$p" ] && [ ! -L "$p" ]; then rmdir "$p" 2>/dev/null; else rm -f "$p" || exit 255; fi
    d=${p%/*}
    while [ "$d" != . ] && rmdir "$d" 2>/dev/null; do d=${d%/*}; done
done
exit 0' sh
"#;
    if paths.is_empty() {
        return Ok(());
    }
    let stdin = listed(paths.iter().map(PathBuf::as_path));
    run(host, "rm", SCRIPT, vec![word(root)?], stdin).await.map(|_| ())
}

/// Copies a file or a tree, private to the owner; a symlink as one. A missing one is fine.
pub(super) async fn copy(host: &Host, from: &Path, to: &Path) -> Result<()> {
    const SCRIPT: &str = r#"
umask 077
[ -e "$1" ] || [ -L "$1" ] || exit 0
mkdir -p -- "$3" || exit
if [ -d "$1" ] && [ ! -L "$1" ]; then
    mkdir -p -- "$2" && exec cp -RP "$1/." "$2/"
fi
exec cp -P "$1" "$2"
"#;
    let parent = to.parent().unwrap_or(to);
    run(host, "cp", SCRIPT, vec![word(from)?, word(to)?, word(parent)?], Vec::new()).await.map(|_| ())
}

/// A tar of one file or tree, its own name at the root.
pub(super) async fn archive(host: &Host, path: &Path) -> Result<Vec<u8>> {
    const SCRIPT: &str = r#"
cd -- "$1" && exec tar -cf - "./$2"
"#;
    let (parent, name) = (path.parent().unwrap_or(path), path.file_name().unwrap_or_default());
    run(host, "tar -c", SCRIPT, vec![word(parent)?, word(Path::new(name))?], Vec::new()).await
}

/// Removes a tree, also one with directories that the owner may not write in. A missing one is fine.
pub(super) async fn remove_tree(host: &Host, path: &Path) -> Result<()> {
    const SCRIPT: &str = r#"
rm -rf -- "$1" 2>/dev/null && exit
[ -L "$1" ] || find "$1" -type d ! -perm -700 -exec chmod u+rwx {} ';'
exec rm -rf -- "$1"
"#;
    run(host, "rm -rf", SCRIPT, vec![word(path)?], Vec::new()).await.map(|_| ())
}
