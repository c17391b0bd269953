//! What stands at many paths of a host, told by its digest, without moving the content.

use std::fs;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::Side;
use crate::hosts::git::TRANSFER;
use crate::model::error::Result;
use crate::transports::ExecRequest;

/// Content as manifests hold it: the digest of a file, `link:` and that of a symlink's target, and nothing
/// where there is nothing. `None` is what has no content, such as a directory.
pub(super) type Content = Option<String>;

/// How many paths go to a host in one command.
const BATCH: usize = 500;

/// One line a path: `f` and a digest, `l` and one, `-`, or `o` for anything else.
const SCRIPT: &str = r#"
if command -v sha256sum >/dev/null 2>&1; then sum() { sha256sum; }
elif command -v shasum >/dev/null 2>&1; then sum() { shasum -a 256; }
else sum() { openssl dgst -sha256 -r; }; fi
for path; do
    if [ -h "$path" ]; then printf 'l '; readlink -- "$path" | sum
    elif [ -f "$path" ]; then printf 'f '; sum <"$path" || echo
    elif [ -e "$path" ]; then echo o
    else echo -
    fi
done
"#;

/// The contents at paths relative to `dir` of that side, in their order. Paths that are no UTF-8 have none.
///
/// # Errors
/// The host cannot be reached.
pub(super) async fn contents(side: &Side, dir: &Path, paths: &[PathBuf]) -> Result<Vec<Content>> {
    if side.transport.is_local() {
        let paths: Vec<PathBuf> = paths.iter().map(|path| dir.join(path)).collect();
        let hashed = tokio::task::spawn_blocking(move || paths.iter().map(|path| of_local(path)).collect());
        return Ok(hashed.await.unwrap_or_default());
    }
    let mut contents = vec![None; paths.len()];
    let named: Vec<(usize, String)> = paths
        .iter()
        .enumerate()
        .filter_map(|(index, path)| Some((index, dir.join(path).to_str()?.to_owned())))
        .collect();
    for batch in named.chunks(BATCH) {
        let request = ExecRequest::sh(SCRIPT, batch.iter().map(|(_, path)| path.clone()));
        let output = side.transport.exec(request.timeout(Some(TRANSFER)).idempotent()).await?;
        let text = output.check("sha256sum")?.stdout_text();
        for ((index, _), line) in batch.iter().zip(text.lines()) {
            contents[*index] = of_line(line);
        }
    }
    Ok(contents)
}

fn of_line(line: &str) -> Content {
    let mut words = line.split_whitespace();
    let is_digest = |word: &&str| word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    match words.next()? {
        "-" => Some(String::new()),
        "f" => words.next().filter(is_digest).map(str::to_owned),
        "l" => words.next().filter(is_digest).map(|digest| format!("link:{digest}")),
        _ => None,
    }
}

fn of_local(path: &Path) -> Content {
    let meta = match fs::symlink_metadata(path) {
        Ok(meta) => meta,
        Err(error)
            if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) =>
        {
            return Some(String::new());
        }
        Err(_) => return None,
    };
    if meta.is_symlink() {
        // As `readlink` prints it.
        let mut target = fs::read_link(path).ok()?.as_os_str().as_bytes().to_vec();
        target.push(b'\n');
        return Some(format!("link:{}", hex(&Sha256::digest(&target))));
    }
    if !meta.is_file() {
        return None;
    }
    let mut file = fs::File::open(path).ok()?;
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match file.read(&mut buffer).ok()? {
            0 => return Some(hex(&digest.finalize())),
            count => digest.update(&buffer[..count]),
        }
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agents::testing::{PrivateHost, block};

    #[test]
    fn far_and_near_agree() {
        let (near, far) = (PrivateHost::new(), PrivateHost::far());
        let dir = near.path("work");
        fs::write(dir.join("a b"), "x").unwrap();
        fs::write(dir.join("-n"), "").unwrap();
        std::os::unix::fs::symlink("nowhere", dir.join("link")).unwrap();
        fs::create_dir(dir.join("d")).unwrap();
        let paths: Vec<PathBuf> = ["a b", "-n", "link", "d", "gone", "a b/c"].map(PathBuf::from).into();
        let of = |host: &PrivateHost| block(contents(&Side::on(&host.host, &dir), &dir, &paths)).unwrap();
        let contents = of(&near);
        assert_eq!(contents, of(&far));
        assert_eq!(
            contents[0].as_deref(),
            Some("2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881")
        );
        assert!(contents[2].as_deref().unwrap().starts_with("link:"));
        assert_eq!(contents[3..], [None, Some(String::new()), Some(String::new())]);
    }
}
