//! Reading from the end: the last lines of a file of any size.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use crate::model::error::{Error, Result};

/// The first look at the end of a file; each further one takes twice as much.
pub(super) const FIRST: usize = 64 * 1024;
/// As much as one look takes at most.
const MOST: usize = 1 << 20;

/// The whole lines of a file, last one first. A last line without its end is left out.
pub(super) struct Backward {
    path: PathBuf,
    file: File,
    /// Where the buffer begins in the file.
    start: u64,
    /// Lines not handed out yet, each with its end; the first may lack its beginning.
    buffer: Vec<u8>,
    block: usize,
    /// How much was read so far.
    pub(super) bytes_read: u64,
}

impl Backward {
    /// `None` if there is no such file.
    pub(super) fn open(path: &Path) -> Result<Option<Self>> {
        let failed = |error| Error::io(format!("read `{}`", path.display()), error);
        let file = match File::open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(failed)?,
        };
        let size = file.metadata().map_err(failed)?.len();
        let mut lines = Self {
            path: path.to_path_buf(),
            file,
            start: size,
            buffer: Vec::new(),
            block: FIRST,
            bytes_read: 0,
        };
        lines.cut_torn_end()?;
        Ok(Some(lines))
    }

    fn cut_torn_end(&mut self) -> Result<()> {
        loop {
            if let Some(at) = self.buffer.iter().rposition(|byte| *byte == b'\n') {
                self.buffer.truncate(at + 1);
                return Ok(());
            }
            // All of it is the end of one line.
            let read = self.fill()?;
            if !read {
                self.buffer.clear();
                return Ok(());
            }
        }
    }

    /// The line before the last one handed out, without its end.
    pub(super) fn next(&mut self) -> Result<Option<Vec<u8>>> {
        loop {
            let Some(end) = self.buffer.len().checked_sub(1) else {
                if self.fill()? {
                    continue;
                }
                return Ok(None);
            };
            match self.buffer[..end].iter().rposition(|byte| *byte == b'\n') {
                Some(at) => {
                    let line = self.buffer[at + 1..end].to_vec();
                    self.buffer.truncate(at + 1);
                    return Ok(Some(line));
                }
                None if self.start > 0 => {
                    self.fill()?;
                }
                None => {
                    let line = self.buffer[..end].to_vec();
                    self.buffer.clear();
                    return Ok(Some(line));
                }
            }
        }
    }

    /// Reads the block before; false at the beginning of the file.
    fn fill(&mut self) -> Result<bool> {
        let length = usize::try_from(self.start).unwrap_or(usize::MAX).min(self.block);
        if length == 0 {
            return Ok(false);
        }
        self.block = (self.block * 2).min(MOST);
        self.start -= length as u64;
        let mut block = vec![0; length];
        let read = self.file.read_exact_at(&mut block, self.start);
        read.map_err(|error| Error::io(format!("read `{}`", self.path.display()), error))?;
        self.bytes_read += length as u64;
        block.append(&mut self.buffer);
        self.buffer = block;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn backward(bytes: &[u8], block: usize) -> Vec<Vec<u8>> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        std::fs::write(&path, bytes).unwrap();
        let mut lines = Backward::open(&path).unwrap().unwrap();
        // Start anew with blocks that split lines.
        (lines.start, lines.block) = (bytes.len() as u64, block);
        lines.buffer.clear();
        lines.cut_torn_end().unwrap();
        let mut found = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            found.push(line);
        }
        assert_eq!((lines.start, lines.buffer.len()), (0, 0));
        found.reverse();
        found
    }

    #[test]
    fn a_torn_end_is_left_out() {
        assert_eq!(backward(b"a\nbc\n\nd", 1), [&b"a"[..], b"bc", b""]);
        assert_eq!(backward(b"torn", 2), Vec::<Vec<u8>>::new());
        assert_eq!(backward(b"", 2), Vec::<Vec<u8>>::new());
        assert!(Backward::open(Path::new("/nowhere/at/all")).unwrap().is_none());
    }

    proptest! {
        #[test]
        fn the_same_lines_as_forwards(text in "[ab\n]{0,60}", block in 1_usize..9) {
            let mut forwards: Vec<Vec<u8>> = text.split('\n').map(|line| line.as_bytes().to_vec()).collect();
            forwards.pop();
            prop_assert_eq!(backward(text.as_bytes(), block), forwards);
        }
    }
}
