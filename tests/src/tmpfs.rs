//! A small disk that can be filled up or refuse writes.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A tmpfs mounted for one test; unmounted on drop.
pub struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    /// Mounts one of `size_kib` KiB at the directory. `None`, with the reason on stderr, where the caller may
    /// not mount: that takes root.
    #[must_use]
    pub fn mount(path: &Path, size_kib: u32) -> Option<Self> {
        let options = format!("size={size_kib}k,mode=0755");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "mng-tests"]).arg(path).output();
        match mounted {
            Ok(out) if out.status.success() => Some(Self { path: path.to_owned() }),
            other => {
                let why = other.map_or_else(
                    |error| error.to_string(),
                    |out| String::from_utf8_lossy(&out.stderr).into_owned(),
                );
                report_skip(why.trim());
                None
            }
        }
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes every further write fail, or allows them again.
    ///
    /// # Panics
    /// When the disk cannot be remounted.
    pub fn set_read_only(&self, read_only: bool) {
        let options = if read_only { "remount,ro" } else { "remount,rw" };
        let out =
            Command::new("mount").args(["-o", options]).arg(&self.path).output().expect("mount can be run");
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    }

    /// Fills it to the last byte with one file, which it returns: removing that makes room again.
    ///
    /// # Panics
    /// When the file cannot be made.
    #[must_use]
    pub fn fill(&self) -> PathBuf {
        use std::io::Write;
        let path = self.path.join("filler");
        let mut file = std::fs::File::create(&path).expect("the file can be made");
        // Whole pages first, then bytes: the last page is full as well.
        for chunk in [4096_usize, 1] {
            let zeros = vec![0; chunk];
            while file.write_all(&zeros).is_ok() {}
        }
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a killed process may still have it open for a moment.
        let _ = Command::new("umount").arg("-l").arg(&self.path).output();
    }
}

#[expect(clippy::print_stderr, reason = "a skipped test must say why, and tests have no other channel")]
fn report_skip(why: &str) {
    eprintln!("skipped: cannot mount a small tmpfs ({why})");
}
